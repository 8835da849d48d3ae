//! `issuer-open` and `issuer-close`: who may log what, with which key, from where (leaf-format.md 4).
//!
//! Not here: whether the key is new, who must sign, which events are disowned (`admission`).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::Value;
use crate::key::{KeyKind, Vkey};
use crate::refusal::Refusal;
use crate::statement::{Kind, Named};
use crate::text::Quote;
use crate::words::{self, Members, Name, Read, value};

/// Who a rebuilder is to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Independence {
    /// The vendor itself.
    Vendor,
    /// A third party.
    ThirdParty,
    /// The supervisor of the log.
    Supervisor,
}

impl Independence {
    /// The words of a leaf.
    pub const WORDS: [(&'static str, Independence); 3] = [
        ("vendor", Independence::Vendor),
        ("third-party", Independence::ThirdParty),
        ("supervisor", Independence::Supervisor),
    ];

    /// The independence of a word.
    pub fn of(word: &str) -> Option<Independence> {
        Independence::WORDS.iter().find(|(known, _)| *known == word).map(|(_, found)| *found)
    }

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Independence::Vendor => "vendor",
            Independence::ThirdParty => "third-party",
            Independence::Supervisor => "supervisor",
        }
    }
}

/// Whether a type stands in the issuer's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chained {
    /// It does.
    Strict,
    /// It does not.
    None,
}

/// A line of updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// What is updated.
    pub package_id: String,
    /// For whom.
    pub channel: Name,
    /// Updates may go to some regions alone.
    pub regional: bool,
}

/// The body of `issuer-open`.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The key of this epoch.
    pub vkey: Vkey,
    /// What it may log.
    pub types: BTreeMap<Kind, Chained>,
    /// Longest silence, seconds.
    pub heartbeat_s: u64,
    /// Where it works; empty when it says none.
    pub sites: Vec<String>,
    /// Under which law.
    pub jurisdiction: String,
    /// With `rebuild`.
    pub independence: Option<Independence>,
    /// With `build`; empty otherwise.
    pub builders: Vec<String>,
    /// With `update`; empty otherwise.
    pub streams: Vec<Stream>,
    /// From epoch 2: the last event of the epoch before that counts.
    pub previous: Option<Named>,
}

impl Open {
    /// Reads the table [L-16].
    pub fn read(members: &mut Members<'_>, epoch: u32) -> Read<Open> {
        let vkey = members.vkey("vkey", KeyKind::Ed25519)?;
        let types = read_types(members)?;
        let heartbeat_s = members.int("heartbeat_s", 60, 604_800)?;
        let sites = if members.has("sites") {
            members.texts("sites", (1, 16), false, "a site such as CH-ZH-1", words::is_site)?
        } else {
            Vec::new()
        };
        let jurisdiction = members.word("jurisdiction", "two capitals", words::is_country)?;
        let with = |members: &Members<'_>, name: &str, wanted: bool, why: &str| {
            if members.has(name) == wanted {
                Ok(())
            } else {
                Err(Refusal::Malformed(format!("body.{name} is there exactly {why}")))
            }
        };
        with(members, "independence", types.contains_key(&Kind::Rebuild), "with rebuild")?;
        with(members, "builders", types.contains_key(&Kind::Build), "with build")?;
        with(members, "streams", types.contains_key(&Kind::Update), "with update")?;
        with(members, "previous", epoch > 1, "from epoch 2 on")?;
        let independence = if members.has("independence") {
            Some(members.one_of("independence", &Independence::WORDS[..2])?)
        } else {
            None
        };
        let builders = if members.has("builders") {
            members.texts("builders", (1, 16), true, "a URI of 1 to 512 bytes", |text| words::is_text(text, 512))?
        } else {
            Vec::new()
        };
        let streams = if members.has("streams") { read_streams(members)? } else { Vec::new() };
        let previous = members.opt_object("previous", Named::read)?;
        Ok(Open { vkey, types, heartbeat_s, sites, jurisdiction, independence, builders, streams, previous })
    }

    /// One of its streams.
    pub fn stream(&self, package_id: &str, channel: &Name) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.package_id == package_id && stream.channel == *channel)
    }
}

fn read_types(members: &mut Members<'_>) -> Read<BTreeMap<Kind, Chained>> {
    let Value::Object(entries) = members.req("types")? else {
        return Err(Refusal::Malformed("body.types is not an object".to_owned()));
    };
    let mut types = BTreeMap::new();
    for (name, mode) in entries {
        let never = [Kind::Charter, Kind::IssuerOpen, Kind::IssuerClose, Kind::Heartbeat, Kind::Incident];
        let kind = Kind::of(name).filter(|kind| kind.listed_as() == *kind && !never.contains(kind));
        let Some(kind) = kind else {
            return value("body.types", format!("{} is not a type that an issuer is opened for", Quote::of(name)));
        };
        let Value::Text(mode) = mode else {
            return Err(Refusal::Malformed(format!("body.types.{name} is {}, not a text", mode.kind())));
        };
        let chained = match mode.as_str() {
            "strict" => Chained::Strict,
            "none" if kind.is_free() => Chained::None,
            "none" => {
                return value(format!("body.types.{name}"), "none is only for build, rebuild, code-review and verdict");
            }
            other => {
                return value(format!("body.types.{name}"), format!("{} is neither strict nor none", Quote::of(other)));
            }
        };
        types.insert(kind, chained);
    }
    if types.is_empty() { value("body.types", "empty") } else { Ok(types) }
}

fn read_streams(members: &mut Members<'_>) -> Read<Vec<Stream>> {
    let streams = members.objects("streams", (1, 64), |stream| {
        Ok(Stream {
            package_id: stream.str("packageId", 128)?,
            channel: stream.name("channel")?,
            regional: stream.bool("regional")?,
        })
    })?;
    let keys: Vec<_> = streams.iter().map(|stream| (stream.package_id.as_str(), &stream.channel)).collect();
    words::check_sorted("body.streams", &keys)?;
    Ok(streams)
}

/// Why an issuer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `planned`
    Planned,
    /// `replaced`
    Replaced,
    /// `compromised`: somebody else has the key.
    Compromised,
    /// `lost`: nobody has the key.
    Lost,
}

impl Reason {
    /// The words of a leaf.
    pub const WORDS: [(&'static str, Reason); 4] = [
        ("planned", Reason::Planned),
        ("replaced", Reason::Replaced),
        ("compromised", Reason::Compromised),
        ("lost", Reason::Lost),
    ];
}

/// The body of `issuer-close`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Whom.
    pub issuer: Name,
    /// Its epoch.
    pub epoch: u32,
    /// Why.
    pub reason: Reason,
    /// The last event that counts.
    pub last: Named,
}

impl Close {
    /// Reads the table [L-17].
    pub fn read(members: &mut Members<'_>) -> Read<Close> {
        let issuer = members.name("issuer")?;
        if super::charter::Role::of(issuer.as_str()).is_some() {
            return value("body.issuer", format!("{issuer} is a role of the charter, which alone changes it"));
        }
        Ok(Close {
            issuer,
            epoch: u32::try_from(members.int("epoch", 1, u64::from(u32::MAX))?).unwrap_or(u32::MAX),
            reason: members.one_of("reason", &Reason::WORDS)?,
            last: members.object("last", Named::read)?,
        })
    }
}
