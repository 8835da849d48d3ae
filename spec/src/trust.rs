//! The trust file: what a verifier pins before it believes a log (90-verdict.md, V-1 to V-9).
//!
//! What a verdict requires comes from here alone, never from what an answer happens to hold. Not here: the witnesses and the
//! log's keys, which stand in the policy beside it (`policy`); how the two fit together (`verdict::Pins`); reading files.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::Deserialize;

use crate::hash::Hash;
use crate::key::{KeyKind, Vkey, leaf_key_name};
use crate::statement::Kind;
use crate::tree::LeafIndex;
use crate::words::{is_name, is_text};

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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamTable {
    #[serde(rename = "packageId")]
    package_id: String,
    channel: String,
    issuer: String,
    require_build: Option<bool>,
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
        let issuers = read_issuers(file.issuer)?;
        let streams = read_streams(file.stream, &issuers)?;
        Ok(TrustFile { charter, charter_version, origin: file.origin, log_keys, issuers, streams })
    }

    /// The line of an issuer's epoch.
    pub fn issuer(&self, name: &str, epoch: u32) -> Option<&TrustedIssuer> {
        self.issuers.get(&(name.to_string(), epoch))
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
        let line = TrustedIssuer { name: name.clone(), epoch, vkey, types, until: table.until.map(LeafIndex::new) };
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
        let StreamTable { package_id, channel, issuer, require_build } = table;
        if !is_text(&package_id, 128) {
            return Err(TrustError::PackageId { value: package_id });
        }
        if !is_name(&channel) {
            return Err(TrustError::Name { key: "stream.channel", value: channel });
        }
        if !issuers.values().any(|line| line.name == issuer && line.may("update")) {
            return Err(TrustError::StreamIssuer { package_id, channel, issuer });
        }
        let line = TrustedStream {
            package_id: package_id.clone(),
            channel: channel.clone(),
            issuer,
            require_build: require_build.unwrap_or(true),
        };
        if streams.insert((package_id.clone(), channel.clone()), line).is_some() {
            return Err(TrustError::StreamTwice { package_id, channel });
        }
    }
    Ok(streams)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use alloc::format;

    use super::*;

    const DIGITS: &str = "8f2c1b0a9d3e4f506172839405a6b7c8d9eafb0c1d2e3f40516273849501a2b3";
    const OPERATOR: &str = "operator.example.com+5fbd182c+AQL2gLGcswAaJGfH9Qh9IC7/KnPi7++reHEigFR6VUGT";
    const SUPERVISOR: &str = "supervisor.example.org+8532d279+AQYF6M1CCPvBWXpDIoo5QascKigIr6j6w8CvuuvPAyD8";

    fn head() -> String {
        format!("charter = \"{DIGITS}\"\norigin = \"example.com/vitrine\"\n")
    }

    fn issuer(name: &str, epoch: u64, vkey: &str, types: &str, rest: &str) -> String {
        format!("[[issuer]]\nname = \"{name}\"\nepoch = {epoch}\nvkey = \"{vkey}\"\ntypes = [{types}]\n{rest}\n")
    }

    fn whole() -> String {
        head()
            + "charter_version = 2\nlog_keys = \"both\"\n"
            + &issuer("release", 1, OPERATOR, "\"update\"", "until = 40")
            + &issuer("release", 2, SUPERVISOR, "\"update\", \"heartbeat\"", "")
            + "[[stream]]\npackageId = \"pkg:deb/app\"\nchannel = \"stable\"\nissuer = \"release\"\n"
            + "[[stream]]\npackageId = \"pkg:deb/rules\"\nchannel = \"stable\"\nissuer = \"release\"\nrequire_build = false\n"
    }

    #[test]
    fn a_whole_file_is_read() {
        // [V-3] [V-4] [V-5] [V-6] [V-7] [V-8]
        let trust = TrustFile::parse(&whole()).unwrap();
        assert_eq!(trust.charter_version, 2);
        assert_eq!(trust.log_keys, LogKeys::Both);
        let first = trust.issuer("release", 1).unwrap();
        assert!(first.may("update") && first.may("update-revoke") && !first.may("build"));
        assert!(first.disowns(LeafIndex::new(40)) && !first.disowns(LeafIndex::new(39)));
        let second = trust.issuer("release", 2).unwrap();
        assert!(!second.disowns(LeafIndex::new(u64::MAX)));
        assert!(trust.issuer("release", 3).is_none());
        assert_eq!(trust.key(&second.vkey.keyid()).unwrap().epoch, 2);
        assert!(trust.stream("pkg:deb/app", "stable").unwrap().require_build);
        assert!(!trust.stream("pkg:deb/rules", "stable").unwrap().require_build);
        assert_eq!(trust.stream("pkg:deb/app", "beta"), None);
        assert_eq!((trust.issuers().count(), trust.streams().count()), (2, 2));
    }

    #[test]
    fn what_may_be_missing_has_its_default() {
        // [V-3] [V-4]
        let trust = TrustFile::parse(&head()).unwrap();
        assert_eq!((trust.charter_version, trust.log_keys), (1, LogKeys::Both));
        for (word, keys) in [("both", LogKeys::Both), ("ed", LogKeys::Ed25519), ("pq", LogKeys::MlDsa44)] {
            let trust = TrustFile::parse(&(head() + &format!("log_keys = \"{word}\"\n"))).unwrap();
            assert_eq!(trust.log_keys, keys);
            assert_eq!(keys.word(), word);
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_at_its_line() {
        // [V-1]
        for text in [
            head() + "until = 3\n",
            head() + &issuer("release", 1, OPERATOR, "\"update\"", "type = \"x\""),
            whole() + "rebuilds = 1\n",
        ] {
            assert!(matches!(TrustFile::parse(&text), Err(TrustError::Toml { .. })), "{text}");
        }
        let Err(TrustError::Toml { line, message }) = TrustFile::parse(&(head() + "untill = 3\n")) else {
            unreachable!("an unknown key was taken")
        };
        assert_eq!(line, 3);
        assert!(message.contains("untill"), "{message}");
    }

    #[test]
    fn a_fingerprint_is_read_in_every_spelling_of_paper_and_printed_in_one() {
        // [V-2]
        let grouped = "8f2c 1b0a 9d3e 4f50 6172 8394 05a6 b7c8 d9ea fb0c 1d2e 3f40 5162 7384 9501 a2b3";
        let fingerprint = Fingerprint::parse(DIGITS).unwrap();
        assert_eq!(fingerprint.to_string(), grouped);
        for text in [grouped.into(), grouped.replace(' ', "-"), DIGITS.to_ascii_uppercase(), format!(" {DIGITS}- ")] {
            assert_eq!(Fingerprint::parse(&text), Ok(fingerprint), "{text}");
        }
        assert_eq!(fingerprint.event_id().hex(), DIGITS);
        for text in
            ["", "8f2c", &DIGITS[1..], &format!("{DIGITS}0"), &format!("{}g", &DIGITS[1..]), &format!("{DIGITS}\n")]
        {
            assert_eq!(Fingerprint::parse(text), Err(TrustError::Fingerprint { text: text.into() }));
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        let both = issuer("release", 1, OPERATOR, "\"update\"", "");
        let stream = "[[stream]]\npackageId = \"p\"\nchannel = \"stable\"\nissuer = \"release\"\n";
        let cases: [(String, &str); 17] = [
            (head().replace(DIGITS, "12"), "is not a fingerprint"),
            (head() + "charter_version = 0", "charter_version is 0"),
            (head().replace("example.com/vitrine", "Example.com"), "origin `Example.com`"),
            (head().replace("example.com/vitrine", "subtree/v1"), "origin `subtree/v1`"),
            (head() + "log_keys = \"all\"", "log_keys is `all`"),
            (head() + &issuer("re", 1, OPERATOR, "\"update\"", ""), "issuer.name is `re`"),
            (head() + &issuer("release", 0, OPERATOR, "\"update\"", ""), "epoch 0 is outside"),
            (head() + &issuer("release", 4_294_967_296, OPERATOR, "\"update\"", ""), "epoch 4294967296 is outside"),
            (head() + &issuer("release", 1, "x", "\"update\"", ""), "vkey `x` is not"),
            (head() + &issuer("release", 1, OPERATOR, "\"upgrade\"", ""), "`upgrade` is not a type"),
            (head() + &issuer("release", 1, OPERATOR, "\"build\", \"build\"", ""), "`build` is not a type"),
            (head() + &issuer("release", 1, OPERATOR, "", ""), "`` is not a type"),
            (head() + &both + &issuer("release", 1, SUPERVISOR, "\"build\"", ""), "release epoch 1 stands twice"),
            (head() + &both + &issuer("other", 1, OPERATOR, "\"build\"", ""), "other has the key of issuer release"),
            (head() + &both + stream + stream, "stream p stable stands twice"),
            (head() + stream, "no [[issuer]] `release` with the type `update`"),
            (head() + &both + &stream.replace("\"p\"", "\"a\u{202e}b\""), "is not 1 to 128 bytes"),
        ];
        for (text, words) in cases {
            let error = TrustFile::parse(&text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}\n{text}");
        }
    }
}
