//! The source that a build was made from, as the git checkout around this folder says it.
//!
//! What only this machine knows, and what is secret in an address, stays here: events are public. Not here: what a person gives.

use std::process::{Command, Stdio};

use crate::exit::Failure;

/// What git says of this folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkout {
    /// Where others find it; none without a remote that others can reach.
    pub(super) uri: Option<String>,
    /// The tree of HEAD.
    pub(super) tree: String,
    /// HEAD.
    pub(super) commit: String,
    /// Files of it were changed since.
    pub(super) changed: bool,
}

impl Checkout {
    /// The checkout that this folder is in; none when it is in none, or there is no git.
    pub(super) fn here() -> Option<Checkout> {
        let commit = git(&["rev-parse", "--verify", "HEAD"])?;
        Some(Checkout {
            uri: git(&["remote", "get-url", "origin"]).and_then(|remote| public(&remote)),
            tree: git(&["rev-parse", "--verify", "HEAD^{tree}"])?,
            commit,
            changed: git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty()),
        })
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.trim_end_matches('\n').to_owned())
}

/// A remote without the user, password and query in it; none when it is a path or of this machine alone.
fn public(remote: &str) -> Option<String> {
    let Some((scheme, rest)) = remote.split_once("://") else {
        // user@host:path
        let (host, path) = remote.split_once(':')?;
        let (_, host) = host.rsplit_once('@')?;
        return (!host.contains('/') && !path.is_empty())
            .then(|| format!("ssh://{host}/{}", path.trim_start_matches('/')));
    };
    if !matches!(scheme, "https" | "http" | "ssh" | "git") {
        return None;
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| format!("{scheme}://{host}/{path}"))
}

/// The fields of `source`: what was given, else what the checkout says.
pub(super) fn source(
    uri: Option<&str>,
    digests: &[(&str, String)],
    checkout: Option<&Checkout>,
) -> Result<Vec<String>, Failure> {
    let uri = uri.map(str::to_owned).or_else(|| checkout.and_then(|checkout| checkout.uri.clone()));
    let uri = uri.ok_or_else(|| {
        Failure::usage("log.source", "a build says where its source is, and nothing here does")
            .side("looked at", "--source-uri, and `git remote get-url origin` in this folder; a path is no answer")
            .now("give --source-uri URI, or set VITRINE_SOURCE_URI")
    })?;
    let mut fields = vec![format!("source.uri={uri}")];
    if digests.is_empty() {
        let checkout = checkout.ok_or_else(|| {
            Failure::usage(
                "log.source",
                "a build says which source it was made from, and this folder is in no git checkout",
            )
            .now("run it in the checkout, or give --git-tree HEX, --git-commit HEX or --source-file FILE")
        })?;
        fields.push(format!("source.digest.gitTree={}", checkout.tree));
        fields.push(format!("source.digest.gitCommit={}", checkout.commit));
    }
    fields.extend(digests.iter().map(|(name, value)| format!("source.digest.{name}={value}")));
    Ok(fields)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_or_of_this_machine_alone_is_published() {
        for (remote, want) in [
            ("https://git.example.com/app.git", Some("https://git.example.com/app.git")),
            ("https://oauth2:s3cret@git.example.com/a/b", Some("https://git.example.com/a/b")),
            ("https://x@y:z@git.example.com/a", Some("https://git.example.com/a")),
            ("https://git.example.com/a?token=s3cret#f", Some("https://git.example.com/a")),
            ("git@git.example.com:a/b.git", Some("ssh://git.example.com/a/b.git")),
            ("ssh://git@git.example.com:2222/a", Some("ssh://git.example.com:2222/a")),
            ("/srv/git/app.git", None),
            ("../app", None),
            ("file:///srv/git/app.git", None),
            ("ext::sh -c s3cret", None),
            ("https:///a", None),
        ] {
            assert_eq!(public(remote).as_deref(), want, "{remote}");
        }
    }

    #[test]
    fn what_is_given_goes_before_the_checkout() {
        let checkout = Checkout { uri: None, tree: "1".repeat(40), commit: "2".repeat(40), changed: false };
        assert_eq!(source(None, &[], Some(&checkout)).unwrap_err().code, "log.source");
        let fields = source(Some("https://a"), &[], Some(&checkout)).unwrap();
        assert_eq!(fields.len(), 3, "{fields:?}");
        let fields = source(Some("https://a"), &[("sha256", "3".repeat(64))], Some(&checkout)).unwrap();
        assert_eq!(fields, ["source.uri=https://a".to_owned(), format!("source.digest.sha256={}", "3".repeat(64))]);
        assert_eq!(source(Some("https://a"), &[], None).unwrap_err().code, "log.source");
    }
}
