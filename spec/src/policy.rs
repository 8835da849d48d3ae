//! Policies: which logs, which witnesses, how many of them (docs/50-policy-proof-witness.md).
//!
//! Reads c2sp.org/tlog-policy, judges a checkpoint by it, and finds policies that count one witness twice. The parser
//! takes what C2SP takes; stricter rules are checks after it. Not here: trust in issuers and charters (`trust`).

mod parse;
mod check;
mod judge;

pub use check::PolicyFault;
pub use judge::{Cosigner, PolicyRefusal, Verified};
pub use parse::{LineFault, PolicyError};

use crate::checkpoint::Origin;
use crate::key::Vkey;
use crate::note::Signature;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};

/// The name of a witness line or group: octets without blanks, compared as octets; it means nothing outside its policy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineName(Vec<u8>);

impl LineName {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for LineName {
    fn from(name: &str) -> LineName {
        LineName(name.as_bytes().to_vec())
    }
}

impl PartialEq<str> for LineName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for LineName {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl Display for LineName {
    /// Octets that are not UTF-8 show as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

impl Debug for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

/// A `log` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The log's key, 0x01 or 0x06; its name is the log's origin.
    pub vkey: Vkey,
    /// Where the log is.
    pub url: Option<String>,
}

/// A `witness` line: one key of a witness. A witness is all lines whose keys share a key name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessLine {
    /// The name of this line in the policy.
    pub name: LineName,
    /// The key, 0x04 or 0x06.
    pub vkey: Vkey,
    /// The witness's submission prefix.
    pub url: Option<String>,
}

/// A `group` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: LineName,
    /// Members that must have witnessed.
    pub threshold: usize,
    /// Its members, all on earlier lines.
    pub members: Vec<Member>,
}

/// A member of a group, or the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// The witness line at this position of [`Policy::witnesses`].
    Witness(usize),
    /// The group at this position of [`Policy::groups`].
    Group(usize),
}

/// A whole policy. Only [`Policy::parse`] builds one, so that every member points at a line that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The logs, in their order.
    pub logs: Vec<LogLine>,
    /// The witness lines, in their order.
    pub witnesses: Vec<WitnessLine>,
    /// The groups, in their order.
    pub groups: Vec<Group>,
    /// What must have witnessed a checkpoint; `None` stands for `quorum none`.
    pub quorum: Option<Member>,
}

impl Policy {
    /// True for `quorum none`: every checkpoint of the logs is enough.
    pub fn is_quorum_none(&self) -> bool {
        self.quorum.is_none()
    }

    /// The keys of the logs with this origin [P-6].
    pub fn log_keys(&self, origin: &Origin) -> Vec<Vkey> {
        self.logs.iter().filter(|log| log.vkey.name() == origin.as_str()).map(|log| log.vkey.clone()).collect()
    }

    /// The witness line whose key has the name and id of this signature line.
    pub fn witness_of(&self, line: &Signature) -> Option<&WitnessLine> {
        self.witnesses.iter().find(|witness| line.is_by(&witness.vkey))
    }

    /// True when cosignatures of exactly these witness lines fulfil the quorum [P-4]. Cannot fail.
    pub fn satisfied(&self, valid: &BTreeSet<LineName>) -> bool {
        let by_line: Vec<bool> = self.witnesses.iter().map(|line| valid.contains(&line.name)).collect();
        self.quorum.is_none_or(|quorum| self.witnessed(quorum, &by_line))
    }

    fn witnessed(&self, member: Member, by_line: &[bool]) -> bool {
        match member {
            Member::Witness(line) => by_line.get(line).copied().unwrap_or(false),
            Member::Group(group) => self.groups.get(group).is_some_and(|group| {
                group.members.iter().filter(|member| self.witnessed(**member, by_line)).count() >= group.threshold
            }),
        }
    }

    /// Signatures of witnesses that a checkpoint may need: those of the largest set of lines that fulfils the quorum with
    /// none to spare [P-9]. Cannot fail.
    pub fn signatures_needed_max(&self) -> usize {
        self.quorum.map_or(0, |quorum| self.needed(quorum))
    }

    fn needed(&self, member: Member) -> usize {
        match member {
            Member::Witness(_) => 1,
            Member::Group(group) => self.groups.get(group).map_or(0, |group| {
                let mut members: Vec<usize> = group.members.iter().map(|member| self.needed(*member)).collect();
                members.sort_unstable_by(|a, b| b.cmp(a));
                members.iter().take(group.threshold).sum()
            }),
        }
    }
}

/// Policies for tests: seeds and lines of witnesses that are as good as any.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod support {
    use crate::key::{KeyKind, Seed};
    use alloc::format;
    use alloc::string::String;

    /// The seed of a name and type: the same every time, another for every pair.
    pub(crate) fn seed(name: &str, kind: KeyKind) -> Seed {
        let secret = crate::hash::Hash::of_parts(&[name.as_bytes(), &[kind.byte()]]);
        Seed::new(name, kind, *secret.as_bytes()).unwrap()
    }

    /// `witness <line> <vkey>` for the key of that name and type.
    pub(crate) fn witness(line: &str, name: &str, kind: KeyKind) -> String {
        format!("witness {line} {}\n", seed(name, kind).vkey())
    }

    /// `log <vkey>`.
    pub(crate) fn log(name: &str, kind: KeyKind) -> String {
        format!("log {}\n", seed(name, kind).vkey())
    }

    /// Three witnesses `a`, `b`, `c` with an Ed25519 key each.
    pub(crate) fn three() -> String {
        ["a", "b", "c"].map(|name| witness(name, &format!("{name}.example"), KeyKind::Cosign)).concat()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::key::KeyKind;
    use alloc::format;

    fn set(names: &[&str]) -> BTreeSet<LineName> {
        names.iter().map(|name| LineName::from(*name)).collect()
    }

    #[test]
    fn a_quorum_is_fulfilled_as_the_definition_says() {
        // Every subset of three lines against thresholds by hand. [P-4]
        let subsets: [&[&str]; 8] =
            [&[], &["a"], &["b"], &["c"], &["a", "b"], &["a", "c"], &["b", "c"], &["a", "b", "c"]];
        for (rule, met) in [
            ("quorum none", [true; 8]),
            ("quorum b", [false, false, true, false, true, false, true, true]),
            ("group g any a b c\nquorum g", [false, true, true, true, true, true, true, true]),
            ("group g 2 a b c\nquorum g", [false, false, false, false, true, true, true, true]),
            ("group g all a b c\nquorum g", [false, false, false, false, false, false, false, true]),
            ("group h any b c\ngroup g all a h\nquorum g", [false, false, false, false, true, true, false, true]),
            ("group h all b c\ngroup g any a h\nquorum g", [false, true, false, false, true, true, true, true]),
        ] {
            let policy = Policy::parse(format!("{}{rule}\n", support::three())).unwrap();
            for (subset, met) in subsets.iter().zip(met) {
                assert_eq!(policy.satisfied(&set(subset)), met, "{rule}: {subset:?}");
            }
            assert!(!policy.satisfied(&set(&["d", "g"])) || policy.is_quorum_none(), "{rule}: names of no line");
        }
    }

    #[test]
    fn how_many_signatures_a_policy_may_need() {
        // The largest set with none to spare. [P-9]
        for (rule, needed) in [
            ("quorum none", 0),
            ("quorum a", 1),
            ("group g 2 a b c\nquorum g", 2),
            ("group h all b c\ngroup g any a h\nquorum g", 2),
            ("group h any b c\ngroup g all a h\nquorum g", 2),
        ] {
            let policy = Policy::parse(format!("{}{rule}\n", support::three())).unwrap();
            assert_eq!(policy.signatures_needed_max(), needed, "{rule}");
        }
    }

    #[test]
    fn look_ups() {
        // [P-6]
        let text = format!(
            "{}{}{}quorum none\n",
            support::log("log.example/one", KeyKind::Ed25519),
            support::log("log.example/one", KeyKind::MlDsa44),
            support::log("log.example/two", KeyKind::Ed25519)
        ) + &support::three();
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(policy.log_keys(&Origin::new("log.example/one").unwrap()).len(), 2);
        assert_eq!(policy.log_keys(&Origin::new("log.example/three").unwrap()).len(), 0);
        let line = Signature::by(&support::seed("b.example", KeyKind::Cosign).vkey(), alloc::vec![1]).unwrap();
        assert_eq!(policy.witness_of(&line).unwrap().name, "b");
        let line = Signature::by(&support::seed("b.example", KeyKind::MlDsa44).vkey(), alloc::vec![1]).unwrap();
        assert_eq!(policy.witness_of(&line), None);
    }
}
