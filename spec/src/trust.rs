//! The trust file: what a verifier pins before it believes a log (90-verdict.md, V-1 to V-9, V-34 to V-43).
//!
//! What a verdict requires comes from here alone, never from what an answer happens to hold. Not here: the witnesses and the
//! log's keys, which stand in the policy beside it (`policy`); how the two fit together (`verdict::Pins`); reading files.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;

use crate::body::issuer::Independence;
use crate::hash::Hash;
use crate::key::{KeyKind, Vkey, leaf_key_name};
use crate::statement::Kind;
use crate::tree::LeafIndex;
use crate::words::{is_name, is_region, is_text};

/// Digits in one group of a printed fingerprint, and groups in it: 64 hexadecimal digits [V-2].
const GROUP_DIGITS: usize = 4;

/// A charter's fingerprint: the event_id of its version 1.
///
/// Printed as 16 groups of four digits with single blanks; read with blanks, hyphens and capitals ignored [V-2]. It is on paper
/// and read aloud, which is why this one spelling is free.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(Hash);

impl Fingerprint {
    /// The fingerprint of the charter with this event_id.
    pub const fn new(event_id: Hash) -> Fingerprint {
        Fingerprint(event_id)
    }

    /// The event_id that the first charter must have.
    pub const fn event_id(&self) -> &Hash {
        &self.0
    }

    /// Reads 64 hexadecimal digits, with blanks, hyphens and capitals ignored [V-2].
    pub fn parse(text: &str) -> Result<Fingerprint, TrustError> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_lowercase()).collect();
        Hash::from_hex(&digits).map(Fingerprint).map_err(|_| TrustError::Fingerprint { text: text.into() })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in self.0.hex().chars().enumerate() {
            if at != 0 && at % GROUP_DIGITS == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which of the log's own signatures a checkpoint must carry [V-4].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKeys {
    /// Both, the default: forging Ed25519 must not be enough.
    Both,
    /// The Ed25519 one.
    Ed25519,
    /// The ML-DSA-44 one.
    MlDsa44,
}

impl LogKeys {
    /// The word in the file; `pq` and `ed` as in `policy make --keys`.
    pub const fn word(self) -> &'static str {
        match self {
            LogKeys::Both => "both",
            LogKeys::Ed25519 => "ed",
            LogKeys::MlDsa44 => "pq",
        }
    }

    /// The kinds of key whose signatures are needed.
    pub const fn kinds(self) -> &'static [KeyKind] {
        match self {
            LogKeys::Both => &[KeyKind::Ed25519, KeyKind::MlDsa44],
            LogKeys::Ed25519 => &[KeyKind::Ed25519],
            LogKeys::MlDsa44 => &[KeyKind::MlDsa44],
        }
    }
}

/// One epoch of an issuer that the verifier believes [V-5].
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// The issuer's name in the log.
    pub name: String,
    /// The epoch that this key signs.
    pub epoch: u32,
    /// The key.
    pub vkey: Vkey,
    /// Event types that count when this issuer signs them.
    pub types: BTreeSet<String>,
    /// Events of this epoch from this index on are disowned [V-6]; none: all count.
    pub until: Option<LeafIndex>,
    /// What a rebuild of this issuer must say of its independence to count [V-34]; none: whatever its opening says.
    pub independence: Option<Independence>,
}

impl TrustedIssuer {
    /// Whether this issuer may say something of this type; `update` includes `update-revoke`, as in an opening.
    pub fn may(&self, kind: &str) -> bool {
        self.types.contains(kind) || (kind == "update-revoke" && self.types.contains("update"))
    }

    /// Whether the event at `index` is disowned [V-6].
    pub fn disowns(&self, index: LeafIndex) -> bool {
        self.until.is_some_and(|until| index >= until)
    }
}

/// One stream of updates that the verifier takes [V-7].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedStream {
    /// The product, across versions.
    pub package_id: String,
    /// The channel.
    pub channel: String,
    /// Who alone may release in it, whatever epoch.
    pub issuer: String,
    /// Whether an update needs proven builds of all its files; true unless the line says false [V-8].
    pub require_build: bool,
    /// Whether an update for some regions alone is taken [V-35].
    pub regional: bool,
    /// The lowest release that is taken [V-36].
    pub min_release_seq: u64,
    /// Whose builds count; none: those of every issuer of that type [V-37].
    pub builders: Option<BTreeSet<String>>,
    /// How many issuers must have rebuilt each file identically [V-38].
    pub rebuilds: u64,
    /// Whose rebuilds count; none: those of every issuer of that type who is not the vendor [V-38].
    pub rebuilders: Option<BTreeSet<String>>,
    /// How many issuers may say that a file was rebuilt differently [V-39].
    pub different_max: u64,
    /// Whether the source of every build must have been reviewed [V-40].
    pub require_review: bool,
    /// Whose reviews count; none: those of every issuer of that type.
    pub reviewers: Option<BTreeSet<String>>,
    /// Whether a verdict `PASSED` about every file is needed [V-41].
    pub require_verdict: bool,
    /// Whose verdicts count; none: those of every issuer of that type.
    pub verdicts_by: Option<BTreeSet<String>>,
    /// Seconds after an update's `recorded` for which a missing rebuild, review or verdict is "not yet"; none: for ever [V-42].
    pub wait_s: Option<u64>,
}

/// A parsed trust file.
#[derive(Clone, Debug)]
pub struct TrustFile {
    /// The first charter.
    pub charter: Fingerprint,
    /// The charter in force must be this version or a later one.
    pub charter_version: u64,
    /// The one log that this file speaks of.
    pub origin: String,
    /// Which of the log's signatures are needed.
    pub log_keys: LogKeys,
    /// Where this verifier is, for updates that are not for everybody [V-35].
    pub region: Option<String>,
    /// Seconds since the quorum was complete that a checkpoint may be old [V-43].
    pub max_age_s: Option<u64>,
    issuers: BTreeMap<(String, u32), TrustedIssuer>,
    streams: BTreeMap<(String, String), TrustedStream>,
}

/// What is wrong with a trust file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What the reader of TOML says.
        message: String,
    },
    /// Not 64 hexadecimal digits.
    #[error("charter `{text}` is not a fingerprint of 64 hexadecimal digits")]
    Fingerprint {
        /// What was given.
        text: String,
    },
    /// A charter version below 1.
    #[error("charter_version is 0, the first charter has 1")]
    CharterVersion,
    /// An origin that no charter can have.
    #[error("origin `{origin}` is not a key name that a log of ours can have")]
    Origin {
        /// What was given.
        origin: String,
    },
    /// An unknown word for the log's keys.
    #[error("log_keys is `{word}`, known are `both`, `ed` and `pq`")]
    LogKeys {
        /// What was given.
        word: String,
    },
    /// A name that breaks its pattern.
    #[error("{key} is `{value}`, a name is 3 to 64 of a-z, 0-9 and -, with no - at either end")]
    Name {
        /// Which key of the file.
        key: &'static str,
        /// What was given.
        value: String,
    },
    /// A text that is empty, too long, or holds what a terminal would obey.
    #[error("packageId `{value}` is not 1 to 128 bytes of plain text")]
    PackageId {
        /// What was given.
        value: String,
    },
    /// An epoch outside 1..2^32-1.
    #[error("issuer {name}: epoch {epoch} is outside 1 to 4294967295")]
    Epoch {
        /// The issuer.
        name: String,
        /// What was given.
        epoch: u64,
    },
    /// A key that cannot stand in a leaf.
    #[error("issuer {name} epoch {epoch}: vkey `{vkey}` is not an Ed25519 key of type 1 with a name that leaves take")]
    Vkey {
        /// The issuer.
        name: String,
        /// Its epoch.
        epoch: u32,
        /// What was given.
        vkey: String,
    },
    /// A type that does not exist, or none at all.
    #[error("issuer {name} epoch {epoch}: `{kind}` is not a type of event")]
    Type {
        /// The issuer.
        name: String,
        /// Its epoch.
        epoch: u32,
        /// What was given; empty when the list is.
        kind: String,
    },
    /// Two lines for one epoch.
    #[error("issuer {name} epoch {epoch} stands twice")]
    IssuerTwice {
        /// The issuer.
        name: String,
        /// Its epoch.
        epoch: u32,
    },
    /// One key for two issuers: no log registers it twice.
    #[error("issuer {name} has the key of issuer {other}")]
    KeyTwice {
        /// The later line.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// A region that no audience can name.
    #[error("region is `{region}`, a region is a capital letter and 1 to 15 of A-Z, 0-9 and -")]
    Region {
        /// What was given.
        region: String,
    },
    /// An unknown word for independence, or one for an issuer that rebuilds nothing.
    #[error(
        "issuer {name} epoch {epoch}: independence `{word}`; with the type `rebuild` it is vendor, third-party or supervisor"
    )]
    Independence {
        /// The issuer.
        name: String,
        /// Its epoch.
        epoch: u32,
        /// What was given.
        word: String,
    },
    /// A list of a stream with somebody who may not say such a thing.
    #[error("stream {package_id} {channel}: {key} names `{issuer}`, no [[issuer]] of that name has the type `{kind}`")]
    StreamParty {
        /// Its packageId.
        package_id: String,
        /// Its channel.
        channel: String,
        /// The key of the list.
        key: &'static str,
        /// Who is named; empty when the list is.
        issuer: String,
        /// The type that is needed.
        kind: &'static str,
    },
    /// More is asked for than the file's issuers could ever say.
    #[error("stream {package_id} {channel}: {want} {what} asked for, {got} issuers of this file can give one")]
    StreamQuorum {
        /// Its packageId.
        package_id: String,
        /// Its channel.
        channel: String,
        /// What is asked for.
        what: &'static str,
        /// How many.
        want: u64,
        /// Who could say it.
        got: usize,
    },
    /// Rebuilds or reviews are asked for, of updates that need no build.
    #[error("stream {package_id} {channel}: {key} needs builds, and require_build is false")]
    StreamBuild {
        /// Its packageId.
        package_id: String,
        /// Its channel.
        channel: String,
        /// The key that asks.
        key: &'static str,
    },
    /// Two lines for one stream.
    #[error("stream {package_id} {channel} stands twice")]
    StreamTwice {
        /// Its packageId.
        package_id: String,
        /// Its channel.
        channel: String,
    },
    /// A stream of somebody who may not release.
    #[error("stream {package_id} {channel}: no [[issuer]] `{issuer}` with the type `update`")]
    StreamIssuer {
        /// Its packageId.
        package_id: String,
        /// Its channel.
        channel: String,
        /// The issuer that the stream names.
        issuer: String,
    },
}

/// The file's own shape; what the words of it mean is judged after.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    charter: String,
    charter_version: Option<u64>,
    origin: String,
    log_keys: Option<String>,
    region: Option<String>,
    max_age_s: Option<u64>,
    #[serde(default)]
    issuer: Vec<IssuerTable>,
    #[serde(default)]
    stream: Vec<StreamTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerTable {
    name: String,
    epoch: u64,
    vkey: String,
    types: Vec<String>,
    until: Option<u64>,
    independence: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamTable {
    #[serde(rename = "packageId")]
    package_id: String,
    channel: String,
    issuer: String,
    require_build: Option<bool>,
    #[serde(default)]
    regional: bool,
    #[serde(default)]
    min_release_seq: u64,
    builders: Option<Vec<String>>,
    #[serde(default)]
    rebuilds: u64,
    rebuilders: Option<Vec<String>>,
    #[serde(default)]
    different_max: u64,
    #[serde(default)]
    require_review: bool,
    reviewers: Option<Vec<String>>,
    #[serde(default)]
    require_verdict: bool,
    verdicts_by: Option<Vec<String>>,
    wait_s: Option<u64>,
}

impl TrustFile {
    /// Reads `trust.toml`; an unknown key is an error [V-1].
    pub fn parse(text: &str) -> Result<TrustFile, TrustError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            let before = text.as_bytes().get(..start).unwrap_or_default();
            TrustError::Toml {
                line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
                message: error.message().into(),
            }
        })?;
        let charter = Fingerprint::parse(&file.charter)?;
        let charter_version = file.charter_version.unwrap_or(1);
        if charter_version == 0 {
            return Err(TrustError::CharterVersion); // [V-3]
        }
        if !leaf_key_name(&file.origin)
            || file.origin.starts_with("cosignature/")
            || file.origin.starts_with("subtree/")
        {
            return Err(TrustError::Origin { origin: file.origin });
        }
        let log_keys = match file.log_keys.as_deref() {
            None | Some("both") => LogKeys::Both, // [V-4]
            Some("ed") => LogKeys::Ed25519,
            Some("pq") => LogKeys::MlDsa44,
            Some(word) => return Err(TrustError::LogKeys { word: word.into() }),
        };
        if let Some(region) = file.region.as_ref().filter(|region| !is_region(region)) {
            return Err(TrustError::Region { region: region.clone() });
        }
        let issuers = read_issuers(file.issuer)?;
        let streams = read_streams(file.stream, &issuers)?;
        let (region, max_age_s) = (file.region, file.max_age_s);
        let trust =
            TrustFile { charter, charter_version, origin: file.origin, log_keys, region, max_age_s, issuers, streams };
        trust.streams().try_for_each(|stream| trust.check_quorums(stream))?;
        Ok(trust)
    }

    /// The names of the issuers that may log `kind` and that a list of a stream names; every one of that type without a list.
    pub fn parties(&self, kind: &str, list: Option<&BTreeSet<String>>) -> BTreeSet<&str> {
        let named = |line: &&TrustedIssuer| list.is_none_or(|list| list.contains(&line.name)) && line.may(kind);
        self.issuers.values().filter(named).map(|line| line.name.as_str()).collect()
    }

    /// The names of the issuers whose identical rebuild counts for a stream [V-38].
    pub fn rebuilders(&self, stream: &TrustedStream) -> BTreeSet<&str> {
        let vendor = |name: &str| {
            self.issuers.values().any(|line| line.name == name && line.independence == Some(Independence::Vendor))
        };
        let mut parties = self.parties("rebuild", stream.rebuilders.as_ref());
        parties.retain(|name| stream.rebuilders.is_some() || !vendor(name));
        parties
    }

    /// Refuses a stream that asks for more than the issuers of this file can ever say.
    fn check_quorums(&self, stream: &TrustedStream) -> Result<(), TrustError> {
        let asked = [
            ("rebuilds", stream.rebuilds, self.rebuilders(stream).len()),
            ("reviews", u64::from(stream.require_review), self.parties("code-review", stream.reviewers.as_ref()).len()),
            ("verdicts", u64::from(stream.require_verdict), self.parties("verdict", stream.verdicts_by.as_ref()).len()),
        ];
        match asked.into_iter().find(|(_, want, got)| *want > *got as u64) {
            None => Ok(()),
            Some((what, want, got)) => {
                let (package_id, channel) = (stream.package_id.clone(), stream.channel.clone());
                Err(TrustError::StreamQuorum { package_id, channel, what, want, got })
            }
        }
    }

    /// The line of an issuer's epoch.
    pub fn issuer(&self, name: &str, epoch: u32) -> Option<&TrustedIssuer> {
        self.issuers.get(&(name.to_string(), epoch))
    }

    /// Gives a role an epoch after its last line, which says what that line may say; an earlier one was left out on purpose [V-46].
    pub(crate) fn add_epoch(&mut self, name: &str, epoch: u32, vkey: &Vkey) {
        let last = self.issuers.values().rev().find(|line| line.name == name);
        if let Some(last) = last.filter(|last| last.epoch < epoch).cloned() {
            let line = TrustedIssuer { epoch, vkey: vkey.clone(), until: None, ..last };
            self.issuers.insert((name.to_string(), epoch), line);
        }
    }

    /// The line of the key with this keyid, whichever epoch stands first.
    pub fn key(&self, keyid: &str) -> Option<&TrustedIssuer> {
        self.issuers.values().find(|issuer| issuer.vkey.keyid() == keyid)
    }

    /// The line of a stream.
    pub fn stream(&self, package_id: &str, channel: &str) -> Option<&TrustedStream> {
        self.streams.get(&(package_id.to_string(), channel.to_string()))
    }

    /// All issuers, by name and epoch.
    pub fn issuers(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.issuers.values()
    }

    /// All streams, by packageId and channel.
    pub fn streams(&self) -> impl Iterator<Item = &TrustedStream> {
        self.streams.values()
    }
}

/// One line per epoch; one key belongs to one issuer [V-5].
fn read_issuers(tables: Vec<IssuerTable>) -> Result<BTreeMap<(String, u32), TrustedIssuer>, TrustError> {
    let mut issuers: BTreeMap<(String, u32), TrustedIssuer> = BTreeMap::new();
    for table in tables {
        let name = table.name;
        if !is_name(&name) {
            return Err(TrustError::Name { key: "issuer.name", value: name });
        }
        let epoch = match u32::try_from(table.epoch) {
            Ok(epoch) if epoch != 0 => epoch,
            Ok(_) | Err(_) => return Err(TrustError::Epoch { name, epoch: table.epoch }),
        };
        let vkey = match Vkey::parse_strict(&table.vkey) {
            Ok(vkey) if vkey.kind() == KeyKind::Ed25519 && leaf_key_name(vkey.name()) => vkey,
            Ok(_) | Err(_) => return Err(TrustError::Vkey { name, epoch, vkey: table.vkey }),
        };
        let mut types = BTreeSet::new();
        for kind in &table.types {
            if Kind::of(kind).is_none() || !types.insert(kind.clone()) {
                return Err(TrustError::Type { name, epoch, kind: kind.clone() });
            }
        }
        if types.is_empty() {
            return Err(TrustError::Type { name, epoch, kind: String::new() });
        }
        if let Some(other) = issuers.values().find(|other| other.name != name && other.vkey.public() == vkey.public()) {
            return Err(TrustError::KeyTwice { name, other: other.name.clone() });
        }
        let independence = match table.independence {
            None => None,
            Some(word) => match Independence::of(&word).filter(|_| types.contains("rebuild")) {
                Some(independence) => Some(independence),
                None => return Err(TrustError::Independence { name, epoch, word }),
            },
        };
        let until = table.until.map(LeafIndex::new);
        let line = TrustedIssuer { name: name.clone(), epoch, vkey, types, until, independence };
        if issuers.insert((name.clone(), epoch), line).is_some() {
            return Err(TrustError::IssuerTwice { name, epoch });
        }
    }
    Ok(issuers)
}

/// One line per stream, of an issuer that may release [V-7], with a build required unless the line says false [V-8].
fn read_streams(
    tables: Vec<StreamTable>,
    issuers: &BTreeMap<(String, u32), TrustedIssuer>,
) -> Result<BTreeMap<(String, String), TrustedStream>, TrustError> {
    let mut streams = BTreeMap::new();
    for table in tables {
        let (package_id, channel) = (table.package_id.clone(), table.channel.clone());
        let line = read_stream(table, issuers)?;
        if streams.insert((package_id.clone(), channel.clone()), line).is_some() {
            return Err(TrustError::StreamTwice { package_id, channel });
        }
    }
    Ok(streams)
}

fn read_stream(
    table: StreamTable,
    issuers: &BTreeMap<(String, u32), TrustedIssuer>,
) -> Result<TrustedStream, TrustError> {
    let (package_id, channel) = (table.package_id, table.channel);
    if !is_text(&package_id, 128) {
        return Err(TrustError::PackageId { value: package_id });
    }
    if !is_name(&channel) {
        return Err(TrustError::Name { key: "stream.channel", value: channel });
    }
    if !issuers.values().any(|line| line.name == table.issuer && line.may("update")) {
        return Err(TrustError::StreamIssuer { package_id, channel, issuer: table.issuer });
    }
    let parties = |key, kind, list: Option<Vec<String>>| -> Result<Option<BTreeSet<String>>, TrustError> {
        let Some(list) = list else { return Ok(None) };
        let may = |name: &String| issuers.values().any(|line| line.name == *name && line.may(kind));
        match list.iter().find(|name| !may(name)).cloned().or_else(|| list.is_empty().then(String::new)) {
            None => Ok(Some(list.into_iter().collect())),
            Some(issuer) => {
                let (package_id, channel) = (package_id.clone(), channel.clone());
                Err(TrustError::StreamParty { package_id, channel, key, issuer, kind })
            }
        }
    };
    let builders = parties("builders", "build", table.builders)?;
    let rebuilders = parties("rebuilders", "rebuild", table.rebuilders)?;
    let reviewers = parties("reviewers", "code-review", table.reviewers)?;
    let verdicts_by = parties("verdicts_by", "verdict", table.verdicts_by)?;
    let require_build = table.require_build.unwrap_or(true);
    let asks = [("rebuilds", table.rebuilds > 0), ("require_review", table.require_review)];
    if let Some((key, _)) = asks.into_iter().find(|(_, asked)| *asked && !require_build) {
        return Err(TrustError::StreamBuild { package_id, channel, key });
    }
    Ok(TrustedStream {
        package_id,
        channel,
        issuer: table.issuer,
        require_build,
        regional: table.regional,
        min_release_seq: table.min_release_seq,
        builders,
        rebuilds: table.rebuilds,
        rebuilders,
        different_max: table.different_max,
        require_review: table.require_review,
        reviewers,
        require_verdict: table.require_verdict,
        verdicts_by,
        wait_s: table.wait_s,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
