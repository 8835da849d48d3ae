//! The runbook has a section for each state in which a program stops or refuses, and no section for one that there is not.
//!
//! The words are read from the sources, where the compiler sees to it that each error has one. Not here: whether what the
//! sections say is right.
#![allow(clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vitrine_spec::refusal::{CODES, WAIT_CODES};
use vitrine_tests::harness::process::binaries;

/// States of clients and verifiers that a person at a server meets, too; they stand in the sources as these words.
const OTHERS: [&str; 15] = [
    "issuer.disowned",
    "issuer-closed",
    "spool.damaged",
    "spool.write",
    "spool.locked",
    "gateway.second-writer",
    "gateway.other-log",
    "watch.no-state",
    "watch.state-lost",
    "watch.state",
    "watch.unknown",
    "log.fork",
    "log.older",
    "witness.frozen",
    "witness.unreconciled",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words of a `match` whose arms are `begins…` => "word".
fn words(path: &str, begins: &str) -> BTreeSet<String> {
    let text = read(path);
    let arms = text.lines().map(str::trim).filter(|line| line.starts_with(begins));
    let found: BTreeSet<String> = arms
        .filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",").filter(|word| !word.contains(' ')))
        .map(str::to_owned)
        .collect();
    assert!(found.len() > 4, "{path} has no arms {begins}: has their form changed?");
    found
}

/// Every state: of the two servers when they stop, of a log that runs and waits, and of refusals that a later try can change.
fn states() -> BTreeSet<String> {
    let mut states = words("log-server/src/stop.rs", "Stop::");
    states.extend(words("witness/src/stop.rs", "Stop::"));
    let mut steps = words("log-server/src/view.rs", "Step::");
    assert!(steps.remove("ready"), "a log that is ready waits for nothing");
    states.extend(steps);
    let later = CODES.iter().chain(&WAIT_CODES).filter(|(_, status)| *status >= 424);
    states.extend(later.map(|(code, _)| (*code).to_owned()));
    states.extend(OTHERS.map(str::to_owned));
    states
}

/// Each section of the runbook, by the words of its heading.
fn sections() -> BTreeMap<String, String> {
    let text = read("docs/runbook.md");
    let mut sections = BTreeMap::new();
    for section in text.split("\n### ").skip(1) {
        let (heading, body) = section.split_once('\n').expect("a section has more than its heading");
        let words: Vec<&str> = heading.split('`').skip(1).step_by(2).collect();
        assert!(!words.is_empty(), "the heading {heading} has no word");
        for word in words {
            let before = sections.insert(word.to_owned(), body.split("\n## ").next().unwrap_or_default().to_owned());
            assert!(before.is_none(), "{word} has two sections");
        }
    }
    sections
}

#[test]
fn each_state_has_its_section_and_each_section_its_state() {
    let (states, sections) = (states(), sections());
    let without: Vec<_> = states.iter().filter(|word| !sections.contains_key(*word)).collect();
    assert!(without.is_empty(), "no section of docs/runbook.md is about {without:?}");
    let surplus: Vec<_> = sections.keys().filter(|word| !states.contains(*word)).collect();
    assert!(surplus.is_empty(), "nothing stops with {surplus:?}");
    let sources = [
        "log-client/src/spool.rs",
        "log-client/src/gateway/clerk.rs",
        "log-client/src/watch/state.rs",
        "log-client/src/watch/book.rs",
        "log-client/src/watch/engine.rs",
        "spec/src/verdict.rs",
        "spec/src/refusal.rs",
        "witness/src/cli.rs",
    ];
    let sources: String = sources.into_iter().map(read).collect();
    for word in OTHERS {
        assert!(sources.contains(&format!("\"{word}\"")), "no source says {word}");
    }
}

#[test]
fn the_programs_say_the_word() {
    let dir = tempfile::tempdir().expect("a folder for nothing");
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::create_dir(path("data")).expect("a folder without a log");
    fs::write(path("policy"), "quorum none\n").expect("a policy");
    let says = |program: &str, args: &[String]| {
        let output = Command::new(binaries().join(program)).args(args).output().expect("the program runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = errors.lines().last().unwrap_or_default().to_owned();
        (output.status.code(), last, String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let args = |words: &str| -> Vec<String> {
        words.split(' ').map(|word| word.strip_prefix('@').map_or(word.to_owned(), path)).collect()
    };
    let serve = "serve --dir @data --keys @keys --listen 127.0.0.1:0 --policy @policy --unwitnessed";
    let (code, word, _) = says("log-server", &args(serve));
    assert_eq!((code, word.as_str()), (Some(2), "runbook: keys.missing"));
    says("log-server", &args("keygen --keys @keys --origin log.example"));
    let (code, word, printed) = says("log-server", &args(&format!("--json {serve}")));
    assert_eq!((code, word.as_str()), (Some(2), "runbook: log.empty"));
    assert!(printed.contains("\"code\":\"log.empty\""), "{printed}");
    let (code, word, _) = says("log-server", &args(&serve.replace("@data", "@nowhere")));
    assert_eq!((code, word.as_str()), (Some(2), "runbook: log.empty"));
    says("witness", &args("init --dir @journal --keys @witness --name w.example"));
    fs::remove_file(path("journal") + "/journal").expect("the journal was made");
    fs::write(path("logs"), "").expect("a list of logs");
    let (code, word, _) =
        says("witness", &args("serve --dir @journal --keys @witness --listen 127.0.0.1:0 --logs @logs"));
    assert_eq!((code, word.as_str()), (Some(2), "runbook: journal.none"));
}

#[test]
fn each_section_says_what_it_means_what_to_type_and_what_never_to_do() {
    for (word, body) in sections() {
        let places: Vec<_> = ["**Means** ", "**Type** ", "**Never** "].iter().map(|part| body.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{word}: {places:?}");
    }
}

#[test]
fn links_inside_the_runbook_lead_to_its_sections() {
    let text = read("docs/runbook.md");
    // As code forges make them: lower case, blanks as hyphens, everything else left out.
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let anchors: BTreeSet<String> = text.lines().filter_map(|line| line.strip_prefix("### ")).map(anchor).collect();
    let mut links = 0;
    for rest in text.split("](#").skip(1) {
        let target = rest.split(')').next().unwrap_or_default();
        assert!(anchors.contains(target), "there is no section #{target}");
        links += 1;
    }
    assert!(links > 5, "only {links} links");
}
