//! Policies that count one party twice (docs/50-policy-proof-witness.md).
//!
//! Checks after the parser, which takes them as C2SP does. Not here: whether a quorum is large enough for anybody.

use super::{LineName, LogLine, Member, Policy, WitnessLine};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

/// Why a policy that parses must not be used: the lines that would count for more than they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Two keys of one witness would count as two witnesses.
    #[error(
        "witness lines {first} and {second} are two keys of {key_name} and count separately in group {group}: join them in one group of their own"
    )]
    OneWitnessTwice {
        /// The key name of both.
        key_name: String,
        /// The earlier line.
        first: LineName,
        /// The later line.
        second: LineName,
        /// The group whose members they count in.
        group: LineName,
    },
    /// The log itself would count as a witness.
    #[error("witness line {witness} has the {what} of log {log}: a log does not witness itself")]
    LogAsWitness {
        /// The witness line.
        witness: LineName,
        /// The log's key.
        log: String,
        /// `key name` or `public key`.
        what: &'static str,
    },
}

impl Policy {
    /// Refuses a policy in which one party can count more than once towards the quorum [P-7].
    ///
    /// A witness is all lines whose keys share a key name. In a group that stands under the quorum and holds keys of more
    /// than one witness, directly or in groups of it, the keys of each witness must all be below one member. So each
    /// witness is below one member of the first such group on the way from the quorum that tells it from the others, and a
    /// group counts once, whatever its threshold. A witness line with the key name or public key of a log is refused too.
    pub fn check_one_witness_two_keys(&self) -> Result<(), PolicyFault> {
        for witness in &self.witnesses {
            let log_fault = |log: &LogLine, what| PolicyFault::LogAsWitness {
                witness: witness.name.clone(),
                log: log.vkey.keyid(),
                what,
            };
            for log in &self.logs {
                if log.vkey.name() == witness.vkey.name() {
                    return Err(log_fault(log, "key name"));
                }
                if log.vkey.public() == witness.vkey.public() {
                    return Err(log_fault(log, "public key"));
                }
            }
        }
        self.quorum.map_or(Ok(BTreeMap::new()), |quorum| self.witnesses_below(quorum)).map(|_| ())
    }

    /// The first line of every witness below `member`, by key name; each group on the way is checked [P-7].
    fn witnesses_below(&self, member: Member) -> Result<BTreeMap<&str, &WitnessLine>, PolicyFault> {
        let group = match member {
            Member::Witness(line) => {
                return Ok(self.witnesses.get(line).map(|line| (line.vkey.name(), line)).into_iter().collect());
            }
            Member::Group(group) => self.groups.get(group),
        };
        let mut below: BTreeMap<&str, &WitnessLine> = BTreeMap::new();
        let mut twice: Option<(&WitnessLine, &WitnessLine)> = None;
        let Some(group) = group else { return Ok(below) };
        for member in &group.members {
            for (key_name, line) in self.witnesses_below(*member)? {
                match below.get(key_name) {
                    Some(first) => twice = twice.or(Some((first, line))),
                    None => {
                        below.insert(key_name, line);
                    }
                }
            }
        }
        match twice {
            // With one witness alone below it the group is that witness, however many of its keys it asks for.
            Some((first, second)) if below.len() > 1 => Err(PolicyFault::OneWitnessTwice {
                key_name: first.vkey.name().to_string(),
                first: first.name.clone(),
                second: second.name.clone(),
                group: group.name.clone(),
            }),
            Some(_) | None => Ok(below),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::support::{log, seed, witness};
    use super::*;
    use crate::key::{KeyKind, Vkey};
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::vec::Vec;

    /// Lines `a-ed`, `a-pq`, `b-ed`, `b-pq`, `c-ed`, `c-pq` of three witnesses, then `rule`.
    fn policy(rule: &str) -> Policy {
        let mut text = String::new();
        for name in ["a", "b", "c"] {
            text += &witness(&format!("{name}-ed"), &format!("{name}.example"), KeyKind::Cosign);
            text += &witness(&format!("{name}-pq"), &format!("{name}.example"), KeyKind::MlDsa44);
        }
        Policy::parse(text + rule).unwrap()
    }

    const SOUND: [&str; 8] = [
        "quorum none",
        "quorum a-ed",
        "group a all a-ed a-pq\nquorum a",
        "group q 2 a-ed b-ed c-ed\nquorum q",
        "group a all a-ed a-pq\ngroup b all b-ed b-pq\ngroup c all c-ed c-pq\ngroup q 2 a b c\nquorum q",
        "group a any a-ed a-pq\ngroup b any b-ed b-pq\ngroup c any c-ed c-pq\ngroup q 2 a b c\nquorum q",
        "group a any a-pq\ngroup b all a a-ed\ngroup q all b c-ed\nquorum q", // a group of a group, one witness
        "group x 2 a-ed a-pq b-ed\nquorum c-ed",                              // not under the quorum
    ];

    const UNSOUND: [(&str, &str, &str, &str); 5] = [
        ("group q 2 a-ed a-pq b-ed\nquorum q", "a-ed", "a-pq", "q"),
        ("group q any b-ed b-pq c-ed\nquorum q", "b-ed", "b-pq", "q"),
        ("group x any b-ed a-pq\ngroup q all a-ed x\nquorum q", "a-ed", "a-pq", "q"),
        ("group x all a-ed b-ed\ngroup y all b-pq c-ed\ngroup q all x y\nquorum q", "b-ed", "b-pq", "q"),
        ("group x any c-ed c-pq a-ed\ngroup q all x b-ed\nquorum q", "c-ed", "c-pq", "x"),
    ];

    #[test]
    fn two_keys_of_one_witness_are_one_witness() {
        // [P-7]
        for rule in SOUND {
            assert_eq!(policy(rule).check_one_witness_two_keys(), Ok(()), "{rule}");
        }
        for (rule, first, second, group) in UNSOUND {
            let fault = PolicyFault::OneWitnessTwice {
                key_name: format!("{}.example", &first[..1]),
                first: first.into(),
                second: second.into(),
                group: group.into(),
            };
            assert_eq!(policy(rule).check_one_witness_two_keys(), Err(fault), "{rule}");
        }
    }

    #[test]
    fn in_a_sound_policy_a_second_key_adds_no_witness() {
        // With t of n members asked for, t witnesses must have taken part: no set of lines of fewer is enough. [P-7]
        for (rule, least) in [(SOUND[3], 2), (SOUND[4], 2), (SOUND[5], 2), (SOUND[6], 2)] {
            let policy = policy(rule);
            let fewest = (0_u32..64).filter_map(|chosen| {
                let lines = policy.witnesses.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1);
                let lines: Vec<&WitnessLine> = lines.map(|(_, line)| line).collect();
                let names: BTreeSet<LineName> = lines.iter().map(|line| line.name.clone()).collect();
                let witnesses: BTreeSet<&str> = lines.iter().map(|line| line.vkey.name()).collect();
                policy.satisfied(&names).then_some(witnesses.len())
            });
            assert_eq!(fewest.min(), Some(least), "{rule}");
        }
        let cheated = policy(UNSOUND[0].0);
        let alone: BTreeSet<LineName> = ["a-ed", "a-pq"].map(LineName::from).into();
        assert!(cheated.satisfied(&alone), "what the check is for: two of three by one witness");
    }

    #[test]
    fn a_log_does_not_witness_itself() {
        // [P-7]
        let text = log("a", KeyKind::Ed25519) + &witness("w", "a", KeyKind::Cosign) + "quorum w\n";
        let fault = |what, log: Vkey| PolicyFault::LogAsWitness { witness: "w".into(), log: log.keyid(), what };
        let named = Policy::parse(text).unwrap().check_one_witness_two_keys();
        assert_eq!(named, Err(fault("key name", seed("a", KeyKind::Ed25519).vkey())));
        let public = seed("a", KeyKind::Ed25519).vkey();
        let cosigner = Vkey::new("b", KeyKind::Cosign, public.public()).unwrap();
        let keyed = Policy::parse(format!("witness w {cosigner}\nlog {public}\nquorum none\n")).unwrap();
        assert_eq!(keyed.check_one_witness_two_keys(), Err(fault("public key", public)));
    }
}
