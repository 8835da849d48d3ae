//! Which event a job wants to have in the log, so that it is recognised when it is there (cli.md, `log`).
//!
//! Not here: what else the event says, which a second run may say otherwise.

use vitrine_spec::body::Body;
use vitrine_spec::body::issuer::Open;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::statement::Kind;
use vitrine_spec::words::Name;

use crate::exit::Failure;

/// A build or update of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `build` or `update`.
    pub(super) kind: Kind,
    /// Whose.
    pub(super) issuer: Name,
    /// The file.
    pub(super) sha256: Hash,
    /// What it is.
    pub(super) purl: String,
    /// Of an update: packageId and channel.
    pub(super) stream: Option<(String, String)>,
}

impl Wanted {
    /// Whether this is it.
    pub(super) fn is(&self, event: &Event) -> bool {
        let statement = &event.statement;
        let about = statement.subject.iter().any(|file| file.digest.sha256 == Some(self.sha256));
        let says = match &statement.body {
            Body::Build(build) => build.purl == self.purl,
            Body::Update(update) => {
                let stream = (update.package_id.clone(), update.channel.to_string());
                update.purl == self.purl && self.stream.as_ref() == Some(&stream)
            }
            _ => false,
        };
        statement.kind == self.kind && statement.header.issuer == self.issuer && about && says
    }

    /// Whether this is a build of the same file and product, by whomever.
    pub(super) fn is_built_by(&self, event: &Event) -> bool {
        let about = event.statement.subject.iter().any(|file| file.digest.sha256 == Some(self.sha256));
        about && matches!(&event.statement.body, Body::Build(build) if build.purl == self.purl)
    }

    /// What recognises it in a spool.
    pub(super) fn source(&self) -> String {
        let (package, channel) = self.stream.clone().unwrap_or_default();
        let parts = [self.kind.name(), self.issuer.as_str(), &self.sha256.hex(), &self.purl, &package, &channel];
        Hash::of(parts.join("\n").as_bytes()).hex()
    }
}

/// The stream of an update: what was given, else what the opening leaves no choice about, else `stable` of the purl's name.
pub(super) fn stream(
    open: &Open,
    purl: &str,
    package: Option<&str>,
    channel: Option<&str>,
) -> Result<(String, String), Failure> {
    let of = |package: Option<&str>, channel: Option<&str>| -> Vec<(String, String)> {
        let fits = |given: Option<&str>, has: &str| given.is_none_or(|given| given == has);
        let streams = open.streams.iter().filter(|stream| fits(package, &stream.package_id));
        let streams = streams.filter(|stream| fits(channel, stream.channel.as_str()));
        streams.map(|stream| (stream.package_id.clone(), stream.channel.to_string())).collect()
    };
    let name = name_of(purl);
    let tries = [
        of(package, channel),
        of(package.or(Some(name)), channel),
        of(package, channel.or(Some("stable"))),
        of(package.or(Some(name)), channel.or(Some("stable"))),
    ];
    if let Some(stream) = tries.into_iter().find(|found| found.len() == 1).and_then(|found| found.into_iter().next()) {
        return Ok(stream);
    }
    let has: Vec<String> =
        open.streams.iter().map(|stream| format!("{} {}", stream.package_id, stream.channel)).collect();
    Err(Failure::usage("stream", "which of the issuer's streams this update is for is not clear")
        .side("given", format!("{} {}", package.unwrap_or("(no --package)"), channel.unwrap_or("(no --channel)")))
        .side("issuer has", has.join(", "))
        .now("give --package and --channel of one of them; streams are given when an issuer is opened"))
}

/// The name in a purl: `app` of `pkg:generic/vendor/app@1.0?arch=x`.
fn name_of(purl: &str) -> &str {
    let path = purl.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    last.split('@').next().unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use vitrine_spec::body::issuer::{Chained, Stream};

    fn open(streams: &[(&str, &str)]) -> Open {
        let stream = |(package, channel): &(&str, &str)| Stream {
            package_id: (*package).to_owned(),
            channel: Name::new(channel).unwrap(),
            regional: false,
        };
        Open {
            vkey: crate::world::event_key("release").vkey(),
            types: BTreeMap::from([(Kind::Update, Chained::Strict)]),
            heartbeat_s: 60,
            sites: Vec::new(),
            jurisdiction: "CH".to_owned(),
            independence: None,
            builders: Vec::new(),
            streams: streams.iter().map(stream).collect(),
            previous: None,
        }
    }

    #[test]
    fn the_stream_is_guessed_only_where_one_is_meant() {
        let (one, two) = (open(&[("x", "beta")]), open(&[("app", "beta"), ("app", "stable"), ("lib", "stable")]));
        let of = |open: &Open, purl: &str, package, channel| {
            stream(open, purl, package, channel).map(|(package, channel)| format!("{package} {channel}"))
        };
        assert_eq!(of(&one, "pkg:generic/app@1", None, None).unwrap(), "x beta");
        assert_eq!(of(&two, "pkg:generic/v/app@1?a=b", None, None).unwrap(), "app stable");
        assert_eq!(of(&two, "pkg:generic/app@1", None, Some("beta")).unwrap(), "app beta");
        assert_eq!(of(&two, "pkg:generic/app@1", Some("lib"), None).unwrap(), "lib stable");
        assert_eq!(of(&two, "pkg:generic/lib@1", None, None).unwrap(), "lib stable");
        for (purl, package, channel) in [
            ("pkg:generic/other@1", None, None),
            ("pkg:generic/app@1", Some("no"), None),
            ("pkg:generic/app@1", None, Some("no")),
        ] {
            assert_eq!(of(&two, purl, package, channel).unwrap_err().code, "stream", "{purl}");
        }
    }
}
