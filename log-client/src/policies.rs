//! Policy files: reading one that may be used, and writing one (design-witness.md, "One witness, two keys").
//!
//! Not here: judging a checkpoint (`vitrine_spec::policy`).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::policy::Policy;

use crate::exit::Failure;
use crate::files;
use crate::limits::POLICY_FILE_BYTES_MAX;

/// Reads a policy and refuses one that counts a witness twice or, without `unwitnessed`, asks for none. Exit 2.
pub fn load(path: &Path, unwitnessed: bool) -> Result<Policy, Failure> {
    let policy = parse(path)?;
    policy.check_one_witness_two_keys().map_err(|fault| {
        Failure::usage("policy.witness-twice", "the policy lets one party count for more than it is")
            .side("file", path.display())
            .side("lines", fault)
            .now("make one with: log-client policy make --keys both --witness 'VKEY URL' ... (two keys of one witness go into a group of their own)")
    })?;
    if policy.is_quorum_none() && !unwitnessed {
        return Err(Failure::usage(
            "policy.unwitnessed",
            "the policy says `quorum none`: nobody but the log vouches for its checkpoints",
        )
        .side("file", path.display())
        .now("get a policy with witnesses, or accept this with --unwitnessed; every answer will say so"));
    }
    Ok(policy)
}

/// Reads what C2SP calls a policy.
pub fn parse(path: &Path) -> Result<Policy, Failure> {
    let bytes = files::read(path, POLICY_FILE_BYTES_MAX)?;
    Policy::parse(&bytes).map_err(|error| {
        Failure::usage("policy.malformed", "this is not a policy file")
            .side("file", path.display())
            .side("reason", error)
            .now("make one with: log-client policy make --help")
    })
}

/// Which keys of each witness a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Keys {
    /// Ed25519 and ML-DSA-44 of each witness: forging Ed25519 is not enough. For verifiers
    Both,
    /// ML-DSA-44 alone
    Pq,
    /// Ed25519 alone
    Ed,
    /// One of the two is enough. For the log server's own policy
    Any,
}

/// A key and its URL, as `policy make` is given them.
#[derive(Clone, Debug)]
pub struct Given {
    /// The key.
    pub vkey: Vkey,
    /// Its URL.
    pub url: Option<String>,
}

impl Given {
    /// `VKEY` or `VKEY URL`.
    pub fn parse(text: &str) -> Result<Given, Failure> {
        let mut words = text.split_ascii_whitespace();
        let vkey = words.next().unwrap_or_default();
        let url = words.next().map(str::to_owned);
        if words.next().is_some() {
            return Err(Failure::usage("policy.key", "a key is given as 'VKEY' or 'VKEY URL'").side("given", text));
        }
        let vkey = Vkey::parse(vkey).map_err(|error| {
            Failure::usage("policy.key", "this is not a verifier key")
                .side("given", vkey)
                .side("rule", error)
                .now("`witness init` and `log-server keygen` print them")
        })?;
        Ok(Given { vkey, url })
    }
}

/// Takes the `log` and `witness` lines out of what `witness init` or `log-server keygen` printed, or of a policy.
///
/// A line that is a vkey alone, or a vkey and a URL, counts by its type: 0x04 and 0x06 with another name than a log's are a
/// witness's. Everything else is passed over.
pub fn collect(text: &str, logs: &mut Vec<Given>, witnesses: &mut Vec<Given>) -> Result<(), Failure> {
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["log", key @ ..] if !key.is_empty() => logs.push(Given::parse(&key.join(" "))?),
            ["witness", _, key @ ..] if !key.is_empty() => witnesses.push(Given::parse(&key.join(" "))?),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a policy: `w1` to `wn` in the order in which their key names appear, then the quorum `q`.
pub fn make(keys: Keys, logs: &[Given], witnesses: &[Given], quorum: Option<usize>) -> Result<String, Failure> {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for log in logs {
        if !matches!(log.vkey.kind(), KeyKind::Ed25519 | KeyKind::MlDsa44) {
            return Err(wrong_kind("a log signs with 0x01 and 0x06 keys", &log.vkey));
        }
        if seen.insert(log.vkey.to_string()) {
            key_line(&mut text, "log", log);
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for witness in witnesses {
        if !matches!(witness.vkey.kind(), KeyKind::Cosign | KeyKind::MlDsa44) {
            return Err(wrong_kind("a witness cosigns with 0x04 and 0x06 keys", &witness.vkey));
        }
        if !names.contains(&witness.vkey.name()) {
            names.push(witness.vkey.name());
        }
    }
    if names.is_empty() {
        return Err(Failure::usage("policy.witnesses", "a policy without witnesses vouches for nothing")
            .now("give --witness 'VKEY URL' for each key, or --from FILE with what `witness init` printed"));
    }
    let threshold = quorum.unwrap_or(names.len() / 2 + 1);
    if threshold == 0 || threshold > names.len() {
        return Err(Failure::usage("policy.quorum", "the quorum is not between one and all witnesses")
            .side("quorum", threshold)
            .side("witnesses", names.len()));
    }
    let mut groups = String::new();
    let mut members = String::new();
    for (at, key_name) in names.iter().enumerate() {
        let name = format!("w{}", at + 1);
        let _ = write!(members, " {name}");
        let of = |kind: KeyKind| {
            let mut found = witnesses.iter().filter(|key| key.vkey.name() == *key_name && key.vkey.kind() == kind);
            let first = found.next();
            match (first, found.find(|other| first.is_some_and(|first| first.vkey.public() != other.vkey.public()))) {
                (Some(first), Some(other)) => Err(Failure::usage("policy.key", "a witness has two keys of one kind")
                    .side("one", first.vkey.keyid())
                    .side("other", other.vkey.keyid())
                    .now("leave the old one out")),
                (Some(first), None) => Ok(first),
                (None, _) => Err(Failure::usage("policy.key", "a key of a witness is missing")
                    .side("witness", key_name)
                    .side("wanted", crate::keyfile::kind_name(kind))
                    .now("give its vkey too, or choose --keys ed or --keys pq")),
            }
        };
        match keys {
            Keys::Ed => key_line(&mut text, &format!("witness {name}"), of(KeyKind::Cosign)?),
            Keys::Pq => key_line(&mut text, &format!("witness {name}"), of(KeyKind::MlDsa44)?),
            Keys::Both | Keys::Any => {
                key_line(&mut text, &format!("witness {name}-ed"), of(KeyKind::Cosign)?);
                key_line(&mut text, &format!("witness {name}-pq"), of(KeyKind::MlDsa44)?);
                let word = if keys == Keys::Both { "all" } else { "any" };
                let _ = writeln!(groups, "group {name} {word} {name}-ed {name}-pq");
            }
        }
    }
    text.push_str(&groups);
    let _ = writeln!(text, "group q {threshold}{members}\nquorum q");
    Ok(text)
}

/// One sentence of what a policy asks for.
pub fn summary(policy: &Policy) -> String {
    let mut logs: Vec<&str> = policy.logs.iter().map(|log| log.vkey.name()).collect();
    logs.dedup();
    let mut names: Vec<&str> = policy.witnesses.iter().map(|witness| witness.vkey.name()).collect();
    names.sort_unstable();
    names.dedup();
    let logs = if logs.is_empty() { "no log".to_owned() } else { logs.join(", ") };
    if policy.is_quorum_none() {
        return format!("{logs}, unwitnessed (quorum none)");
    }
    format!(
        "{logs}, {} witness{} with {} key{}, at most {} signatures needed",
        names.len(),
        if names.len() == 1 { "" } else { "es" },
        policy.witnesses.len(),
        if policy.witnesses.len() == 1 { "" } else { "s" },
        policy.signatures_needed_max()
    )
}

fn key_line(text: &mut String, begin: &str, key: &Given) {
    let _ = match &key.url {
        Some(url) => writeln!(text, "{begin} {} {url}", key.vkey),
        None => writeln!(text, "{begin} {}", key.vkey),
    };
}

fn wrong_kind(rule: &str, vkey: &Vkey) -> Failure {
    Failure::usage("policy.key", rule).side("given", vkey.keyid()).side("kind", crate::keyfile::kind_name(vkey.kind()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::key::Seed;

    fn given(name: &str, kind: KeyKind, byte: u8) -> Given {
        Given { vkey: Seed::new(name, kind, [byte; 32]).unwrap().vkey(), url: Some(format!("http://{name}/")) }
    }

    fn three() -> Vec<Given> {
        (1..=3u8)
            .flat_map(|n| {
                let name = format!("w.example/{n}");
                [given(&name, KeyKind::Cosign, n), given(&name, KeyKind::MlDsa44, n + 10)]
            })
            .collect()
    }

    fn logs() -> Vec<Given> {
        vec![given("example.com/log", KeyKind::Ed25519, 20), given("example.com/log", KeyKind::MlDsa44, 21)]
    }

    fn last_lines(policy: &str) -> String {
        policy
            .lines()
            .filter(|line| line.starts_with("group") || line.starts_with("quorum"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn each_form_counts_a_witness_once() {
        for (keys, groups) in [
            (
                Keys::Both,
                "group w1 all w1-ed w1-pq\ngroup w2 all w2-ed w2-pq\ngroup w3 all w3-ed w3-pq\ngroup q 2 w1 w2 w3\nquorum q",
            ),
            (
                Keys::Any,
                "group w1 any w1-ed w1-pq\ngroup w2 any w2-ed w2-pq\ngroup w3 any w3-ed w3-pq\ngroup q 2 w1 w2 w3\nquorum q",
            ),
            (Keys::Pq, "group q 2 w1 w2 w3\nquorum q"),
            (Keys::Ed, "group q 2 w1 w2 w3\nquorum q"),
        ] {
            let text = make(keys, &logs(), &three(), None).unwrap();
            assert_eq!(last_lines(&text), groups);
            let policy = Policy::parse(text.as_bytes()).unwrap();
            policy.check_one_witness_two_keys().unwrap();
            assert_eq!(policy.logs.len(), 2);
            assert_eq!(policy.witnesses.len(), if matches!(keys, Keys::Both | Keys::Any) { 6 } else { 3 });
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let mut two = three();
        two.remove(1);
        let failure = make(Keys::Both, &logs(), &two, None).unwrap_err();
        assert!(failure.to_string().contains("w.example/1"), "{failure}");
        assert!(make(Keys::Ed, &logs(), &two, None).is_ok());
        for (logs, witnesses, quorum, code) in [
            (logs(), Vec::new(), None, "policy.witnesses"),
            (logs(), three(), Some(4), "policy.quorum"),
            (logs(), three(), Some(0), "policy.quorum"),
            (three(), three(), None, "policy.key"),
            (logs(), logs(), None, "policy.key"),
        ] {
            assert_eq!(make(Keys::Both, &logs, &witnesses, quorum).unwrap_err().code, code);
        }
        let mut again = three();
        again.push(given("w.example/1", KeyKind::Cosign, 99));
        assert!(make(Keys::Ed, &logs(), &again, None).unwrap_err().what.contains("two keys of one kind"));
    }

    #[test]
    fn lines_of_other_programs_are_collected() {
        let text = make(Keys::Both, &logs(), &three(), None).unwrap();
        let (mut found_logs, mut found) = (Vec::new(), Vec::new());
        collect(&format!("# made by\n{text}\nsomething else\n"), &mut found_logs, &mut found).unwrap();
        assert_eq!((found_logs.len(), found.len()), (2, 6));
        assert_eq!(make(Keys::Both, &found_logs, &found, None).unwrap(), text);
    }

    #[test]
    fn a_policy_that_counts_a_witness_twice_is_refused_naming_the_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy");
        let text = make(Keys::Both, &logs(), &three(), None).unwrap();
        let flat = text
            .lines()
            .filter(|line| !line.starts_with("group") && !line.starts_with("quorum"))
            .collect::<Vec<_>>()
            .join("\n")
            + "\ngroup q 2 w1-ed w1-pq w2-ed\nquorum q\n";
        std::fs::write(&path, flat).unwrap();
        let failure = load(&path, false).unwrap_err();
        assert_eq!(failure.code, "policy.witness-twice");
        assert!(failure.to_string().contains("w1-ed") && failure.to_string().contains("w1-pq"), "{failure}");
        std::fs::write(&path, "quorum none\n").unwrap();
        assert_eq!(load(&path, false).unwrap_err().code, "policy.unwitnessed");
        assert!(load(&path, true).is_ok());
        std::fs::write(&path, "quorum\n").unwrap();
        assert_eq!(load(&path, true).unwrap_err().code, "policy.malformed");
    }
}
