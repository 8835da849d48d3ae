//! Reading a policy file: lines, names, groups (docs/50-policy-proof-witness.md).
//!
//! What c2sp.org/tlog-policy says about the syntax and no more. Not here: whether a policy is a good one (`check`).

use super::{Group, LineName, LogLine, Member, Policy, WitnessLine};
use crate::key::{KeyError, KeyKind, Vkey};
use crate::limits::{POLICY_BYTES_MAX, POLICY_LINES_MAX};
use crate::text::{Quote, decimal};
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// Why a policy is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {fault}")]
pub struct PolicyError {
    /// The line, from 1; the last one for what the whole file lacks.
    pub line: usize,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The file is too long.
    #[error("a policy of {got} bytes is above {POLICY_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// A control character other than tab and newline.
    #[error("control character {0:#04x}")]
    Control(u8),
    /// A first word that no line begins with.
    #[error("{0} is none of log, witness, group and quorum")]
    Keyword(Quote),
    /// Too few or too many words.
    #[error("a line of the form `{form}` was expected, with {got} words behind the first")]
    Words {
        /// What the line should be.
        form: &'static str,
        /// Words found behind the keyword.
        got: usize,
    },
    /// The key of the line.
    #[error("{0}")]
    Key(KeyError),
    /// A key of a type that signs something else.
    #[error("{keyid} is of type {kind}, which no {role} has")]
    Kind {
        /// The key.
        keyid: String,
        /// Its type.
        kind: KeyKind,
        /// `log` or `witness`.
        role: &'static str,
    },
    /// The public key of an earlier line of the same sort.
    #[error("{role} key {keyid} has the public key of {earlier}")]
    DuplicateKey {
        /// `log` or `witness`.
        role: &'static str,
        /// The key of this line.
        keyid: String,
        /// The key of the earlier line.
        earlier: String,
    },
    /// The name `none`.
    #[error("the name `none` is for `quorum none` alone")]
    NameNone,
    /// A name that an earlier line defines.
    #[error("{0} is defined twice")]
    DuplicateName(Quote),
    /// A name that no earlier line defines.
    #[error("{0} is not defined on an earlier line")]
    UnknownName(Quote),
    /// A member of two groups, or twice of one.
    #[error("{0} is a member of a group already")]
    MemberTwice(Quote),
    /// A threshold that is no number, or outside 1 to the number of members.
    #[error("threshold {threshold} is not `all`, `any` or 1 to {members}")]
    Threshold {
        /// The word given.
        threshold: Quote,
        /// Members of the group.
        members: usize,
    },
    /// More lines of one sort than are read.
    #[error("more than {POLICY_LINES_MAX} {0} lines")]
    TooMany(&'static str),
    /// A second quorum line.
    #[error("a second quorum line")]
    SecondQuorum,
    /// No quorum line.
    #[error("no quorum line")]
    NoQuorum,
}

const FORM_LOG: &str = "log <vkey> [<url>]";
const FORM_WITNESS: &str = "witness <name> <vkey> [<url>]";
const FORM_GROUP: &str = "group <name> all|any|<k> <name>...";
const FORM_QUORUM: &str = "quorum <name>|none";

/// What has been read so far.
struct Parser {
    policy: Policy,
    names: BTreeMap<Vec<u8>, Member>,
    members: BTreeSet<Vec<u8>>,
    quorum_seen: bool,
}

impl Policy {
    /// Reads a policy file; octets above 0x7F are opaque [P-1].
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Policy, PolicyError> {
        let text = text.as_ref();
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError { line: 1, fault: LineFault::TooLong { got: text.len() } });
        }
        let policy = Policy { logs: Vec::new(), witnesses: Vec::new(), groups: Vec::new(), quorum: None };
        let mut parser = Parser { policy, names: BTreeMap::new(), members: BTreeSet::new(), quorum_seen: false };
        let mut last = 1;
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            last = number + 1;
            parser.line(line).map_err(|fault| PolicyError { line: last, fault })?;
        }
        match parser.quorum_seen {
            true => Ok(parser.policy),
            false => Err(PolicyError { line: last, fault: LineFault::NoQuorum }),
        }
    }
}

impl Parser {
    fn line(&mut self, line: &[u8]) -> Result<(), LineFault> {
        if let Some(control) = line.iter().find(|byte| matches!(byte, 0x00..=0x08 | 0x0a..=0x1f | 0x7f)) {
            return Err(LineFault::Control(*control));
        }
        let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(keyword) = words.next().filter(|word| word.first() != Some(&b'#')) else { return Ok(()) };
        let words: Vec<&[u8]> = words.collect();
        match keyword {
            b"log" => self.log(&words),
            b"witness" => self.witness(&words),
            b"group" => self.group(&words),
            b"quorum" => self.quorum(&words),
            _ => Err(LineFault::Keyword(Quote::of_bytes(keyword))),
        }
    }

    fn log(&mut self, words: &[&[u8]]) -> Result<(), LineFault> {
        let (vkey, url) = match words {
            [vkey] => (vkey, None),
            [vkey, url] => (vkey, Some(url)),
            _ => return Err(LineFault::Words { form: FORM_LOG, got: words.len() }),
        };
        let vkey = key(vkey, "log", [KeyKind::Ed25519, KeyKind::MlDsa44])?;
        check_new(&vkey, "log", self.policy.logs.iter().map(|log| &log.vkey))?;
        check_room(self.policy.logs.len(), "log")?;
        self.policy.logs.push(LogLine { vkey, url: url.map(|url| url_text(url)) });
        Ok(())
    }

    fn witness(&mut self, words: &[&[u8]]) -> Result<(), LineFault> {
        let (name, vkey, url) = match words {
            [name, vkey] => (name, vkey, None),
            [name, vkey, url] => (name, vkey, Some(url)),
            _ => return Err(LineFault::Words { form: FORM_WITNESS, got: words.len() }),
        };
        let vkey = key(vkey, "witness", [KeyKind::Cosign, KeyKind::MlDsa44])?;
        check_new(&vkey, "witness", self.policy.witnesses.iter().map(|witness| &witness.vkey))?;
        check_room(self.policy.witnesses.len(), "witness")?;
        let name = self.define(name, Member::Witness(self.policy.witnesses.len()))?;
        self.policy.witnesses.push(WitnessLine { name, vkey, url: url.map(|url| url_text(url)) });
        Ok(())
    }

    /// Members are names of earlier lines, each a member once in the whole file [P-3].
    fn group(&mut self, words: &[&[u8]]) -> Result<(), LineFault> {
        let [name, threshold, names @ ..] = words else {
            return Err(LineFault::Words { form: FORM_GROUP, got: words.len() });
        };
        if names.is_empty() {
            return Err(LineFault::Words { form: FORM_GROUP, got: words.len() });
        }
        let threshold = match *threshold {
            b"all" => names.len(),
            b"any" => 1,
            word => {
                let number = core::str::from_utf8(word).ok().and_then(|word| decimal(word).ok());
                let number = number.and_then(|number| usize::try_from(number).ok());
                number
                    .filter(|number| (1..=names.len()).contains(number))
                    .ok_or_else(|| LineFault::Threshold { threshold: Quote::of_bytes(word), members: names.len() })?
            }
        };
        let mut members = Vec::with_capacity(names.len());
        for member in names {
            members.push(self.defined(member)?);
            if !self.members.insert(member.to_vec()) {
                return Err(LineFault::MemberTwice(Quote::of_bytes(member)));
            }
        }
        check_room(self.policy.groups.len(), "group")?;
        let name = self.define(name, Member::Group(self.policy.groups.len()))?;
        self.policy.groups.push(Group { name, threshold, members });
        Ok(())
    }

    fn quorum(&mut self, words: &[&[u8]]) -> Result<(), LineFault> {
        let [name] = words else { return Err(LineFault::Words { form: FORM_QUORUM, got: words.len() }) };
        if self.quorum_seen {
            return Err(LineFault::SecondQuorum);
        }
        self.policy.quorum = match *name {
            b"none" => None,
            name => Some(self.defined(name)?),
        };
        self.quorum_seen = true;
        Ok(())
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<LineName, LineFault> {
        if name == b"none" {
            return Err(LineFault::NameNone);
        }
        match self.names.insert(name.to_vec(), member) {
            None => Ok(LineName(name.to_vec())),
            Some(_) => Err(LineFault::DuplicateName(Quote::of_bytes(name))),
        }
    }

    fn defined(&self, name: &[u8]) -> Result<Member, LineFault> {
        self.names.get(name).copied().ok_or_else(|| LineFault::UnknownName(Quote::of_bytes(name)))
    }
}

/// Reads the key of a line of `role`; only these types sign what the role signs [P-2].
fn key(vkey: &[u8], role: &'static str, kinds: [KeyKind; 2]) -> Result<Vkey, LineFault> {
    let text = core::str::from_utf8(vkey).map_err(|_| LineFault::Key(KeyError::Name(Quote::of_bytes(vkey))))?;
    let vkey = Vkey::parse(text).map_err(LineFault::Key)?;
    match kinds.contains(&vkey.kind()) {
        true => Ok(vkey),
        false => Err(LineFault::Kind { keyid: vkey.keyid(), kind: vkey.kind(), role }),
    }
}

/// Refuses a public key twice in one role, whatever name, id and type are around it [P-2].
fn check_new<'k>(
    vkey: &Vkey,
    role: &'static str,
    mut earlier: impl Iterator<Item = &'k Vkey>,
) -> Result<(), LineFault> {
    match earlier.find(|earlier| earlier.public() == vkey.public()) {
        None => Ok(()),
        Some(earlier) => Err(LineFault::DuplicateKey { role, keyid: vkey.keyid(), earlier: earlier.keyid() }),
    }
}

fn check_room(lines: usize, what: &'static str) -> Result<(), LineFault> {
    if lines < POLICY_LINES_MAX { Ok(()) } else { Err(LineFault::TooMany(what)) }
}

/// A URL as text: octets that are not UTF-8 are percent-encoded, as RFC 3987 does with those that are.
fn url_text(url: &[u8]) -> String {
    match core::str::from_utf8(url) {
        Ok(url) => url.to_owned(),
        Err(_) => url.iter().fold(String::new(), |mut text, byte| {
            match byte.is_ascii() {
                true => text.push(char::from(*byte)),
                false => crate::text::push(&mut text, format_args!("%{byte:02X}")),
            }
            text
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::support::{log, seed, three, witness};
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn refused(text: impl AsRef<[u8]>) -> (usize, LineFault) {
        let PolicyError { line, fault } = Policy::parse(text).unwrap_err();
        (line, fault)
    }

    #[test]
    fn lines_as_tlog_policy_writes_them() {
        // [P-1] [P-3]
        let vkey = seed("a.example", KeyKind::Cosign).vkey();
        let text = format!("\n# comment\n\t # other\n\twitness \t any {vkey}   https://a.example/  \n\n quorum\tany");
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.witnesses.len(), 1);
        assert_eq!(policy.witnesses[0].name, "any");
        assert_eq!(policy.witnesses[0].url.as_deref(), Some("https://a.example/"));
        assert_eq!(policy.quorum, Some(Member::Witness(0)));
        let text = three() + "group group 2 a b c\nquorum group\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.groups[0].threshold, 2);
        assert_eq!(policy.groups[0].members, [Member::Witness(0), Member::Witness(1), Member::Witness(2)]);
        assert!(Policy::parse("quorum none").unwrap().is_quorum_none());
    }

    #[test]
    fn octets_above_ascii_are_opaque() {
        // A Kelvin sign is not a K, and a name need not be UTF-8. [P-1]
        let vkey = |name: &str| seed(name, KeyKind::Cosign).vkey().to_string();
        let mut text = Vec::new();
        for (line, name) in [(b"K".as_slice(), "a"), ("\u{212a}".as_bytes(), "b"), (b"\xff", "c"), (b"\xfe", "d")] {
            text.extend_from_slice(b"witness ");
            text.extend_from_slice(line);
            text.extend_from_slice(format!(" {} http://x/", vkey(name)).as_bytes());
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text.extend_from_slice(b"# \xff\nquorum \xfe\n");
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(policy.quorum, Some(Member::Witness(3)));
        let urls: Vec<&str> = policy.witnesses.iter().filter_map(|line| line.url.as_deref()).collect();
        assert_eq!(urls, ["http://x/K", "http://x/\u{212a}", "http://x/%FF", "http://x/%FE"]);
    }

    #[test]
    fn a_refused_line_is_named_with_its_reason() {
        // [P-1] [P-3]
        assert_eq!(refused("quorum none\n\u{1}"), (2, LineFault::Control(1)));
        assert_eq!(refused("quorum none\r\n"), (1, LineFault::Control(13)));
        assert_eq!(refused("quorum none\u{7f}\n"), (1, LineFault::Control(127)));
        assert_eq!(refused("quibble a\n"), (1, LineFault::Keyword(Quote::of("quibble"))));
        assert_eq!(refused("Quorum none\n"), (1, LineFault::Keyword(Quote::of("Quorum"))));
        for (line, form, got) in [
            ("log", FORM_LOG, 0),
            ("log a b c", FORM_LOG, 3),
            ("witness a", FORM_WITNESS, 1),
            ("witness a b c d", FORM_WITNESS, 4),
            ("group", FORM_GROUP, 0),
            ("group a any", FORM_GROUP, 2),
            ("quorum", FORM_QUORUM, 0),
            ("quorum a b", FORM_QUORUM, 2),
            ("quorum none # comment", FORM_QUORUM, 3),
        ] {
            assert_eq!(refused(format!("\n{line}\n")), (2, LineFault::Words { form, got }), "{line}");
        }
        assert_eq!(refused("log garbage\n"), (1, LineFault::Key(KeyError::Parts)));
        assert!(matches!(refused(b"log \xff+00000000+AQ==\n"), (1, LineFault::Key(KeyError::Name(_)))));
        let text = |rest: &str| three() + rest;
        assert_eq!(refused(text("")), (4, LineFault::NoQuorum));
        assert_eq!(refused(text("quorum a\nquorum a\n")), (5, LineFault::SecondQuorum));
        assert_eq!(refused(text("quorum d\n")), (4, LineFault::UnknownName(Quote::of("d"))));
        assert_eq!(refused(text("group g any d\nquorum g\n")), (4, LineFault::UnknownName(Quote::of("d"))));
        assert_eq!(refused(text("group g any g\nquorum g\n")), (4, LineFault::UnknownName(Quote::of("g"))));
        assert_eq!(refused(text("group g any none\nquorum g\n")), (4, LineFault::UnknownName(Quote::of("none"))));
        assert_eq!(refused(text("group a any b\nquorum a\n")), (4, LineFault::DuplicateName(Quote::of("a"))));
        assert_eq!(refused(text("group none any b\nquorum a\n")), (4, LineFault::NameNone));
        assert_eq!(refused(text("group g all a a\nquorum g\n")), (4, LineFault::MemberTwice(Quote::of("a"))));
        let two = "group g any a b\ngroup h any b c\nquorum h\n";
        assert_eq!(refused(text(two)), (5, LineFault::MemberTwice(Quote::of("b"))));
        for threshold in ["0", "4", "02", "+2", "-1", "most", "18446744073709551616"] {
            let fault = LineFault::Threshold { threshold: Quote::of(threshold), members: 3 };
            assert_eq!(refused(text(&format!("group g {threshold} a b c\nquorum g\n"))), (4, fault));
        }
    }

    #[test]
    fn keys_of_the_right_type_and_each_once() {
        // [P-2]
        for (line, keyid, kind, role) in [
            (log("x", KeyKind::Cosign), seed("x", KeyKind::Cosign).vkey().keyid(), KeyKind::Cosign, "log"),
            (
                witness("w", "x", KeyKind::Ed25519),
                seed("x", KeyKind::Ed25519).vkey().keyid(),
                KeyKind::Ed25519,
                "witness",
            ),
        ] {
            assert_eq!(refused(line), (1, LineFault::Kind { keyid, kind, role }));
        }
        // The same public key under another name, and so with another id.
        let public = seed("x", KeyKind::Cosign).vkey();
        let renamed = Vkey::new("y", KeyKind::Cosign, public.public()).unwrap();
        let fault = LineFault::DuplicateKey { role: "witness", keyid: renamed.keyid(), earlier: public.keyid() };
        assert_eq!(refused(format!("witness a {public}\nwitness b {renamed}\nquorum a\n")), (2, fault));
        let public = seed("x", KeyKind::Ed25519).vkey();
        let fault = LineFault::DuplicateKey { role: "log", keyid: public.keyid(), earlier: public.keyid() };
        assert_eq!(refused(format!("log {public}\nlog {public}\nquorum none\n")), (2, fault));
    }

    #[test]
    fn bounds() {
        // [P-5]
        let names: Vec<String> = (0..=POLICY_LINES_MAX).map(|number| format!("w{number}")).collect();
        let lines = |count: usize| -> String {
            names[..count].iter().map(|name| witness(name, name, KeyKind::Cosign)).collect()
        };
        let enough = lines(POLICY_LINES_MAX);
        assert_eq!(Policy::parse(format!("{enough}quorum w0")).unwrap().witnesses.len(), POLICY_LINES_MAX);
        let too_many = lines(POLICY_LINES_MAX + 1);
        assert_eq!(refused(too_many), (POLICY_LINES_MAX + 1, LineFault::TooMany("witness")));
        // Groups of groups of groups, as deep as it goes.
        let deep: String = (1..=POLICY_LINES_MAX + 1)
            .map(|depth| {
                format!(
                    "group g{depth} any {}\n",
                    match depth {
                        1 => "w0".to_string(),
                        _ => format!("g{}", depth - 1),
                    }
                )
            })
            .collect();
        assert_eq!(refused(lines(1) + &deep), (POLICY_LINES_MAX + 2, LineFault::TooMany("group")));
        let logs: String = names.iter().map(|name| log(name, KeyKind::Ed25519)).collect();
        assert_eq!(refused(logs), (POLICY_LINES_MAX + 1, LineFault::TooMany("log")));
        let long = "#".repeat(POLICY_BYTES_MAX + 1);
        assert_eq!(refused(long), (1, LineFault::TooLong { got: POLICY_BYTES_MAX + 1 }));
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_a_policy_panics(edits in proptest::collection::vec((proptest::arbitrary::any::<proptest::sample::Index>(), proptest::arbitrary::any::<u8>()), 0..4), cut in proptest::arbitrary::any::<proptest::sample::Index>()) {
            // [P-1]
            let mut bytes = (three() + &log("l", KeyKind::Ed25519) + "group g 2 a b c\nquorum g\n").into_bytes();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for bytes in [bytes.as_slice(), &bytes[..cut.index(bytes.len())]] {
                if let Ok(policy) = Policy::parse(bytes) {
                    proptest::prop_assert!(policy.signatures_needed_max() <= policy.witnesses.len());
                    let _ = policy.check_one_witness_two_keys();
                }
            }
        }
    }
}
