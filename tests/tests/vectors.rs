//! Every vector by the table; every name of every refusal is given by one.
//!
//! The shared files, our own in `spec/vectors`, or with `VITRINE_VECTORS=DIR` another directory. Not here: the table itself
//! (`src/vectors/table.rs`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use vitrine_tests::shared;
use vitrine_tests::vectors::{self, Pins, RowReport};

/// The folders of the shared vectors that have rows for every file; of `dsse` and `leaves` only the files named here.
const FOLDERS: [&str; 9] =
    ["merkle", "note", "checkpoint", "cosignature", "tiles", "logs", "tlog-proof", "policy", "witness"];
const ALSO: [&str; 3] = ["dsse/protocol-vector.json", "leaves/log.json", "leaves/refused.json"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn pins(path: &str) -> Pins {
    let path = project().join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    vectors::read_pins(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Prints past the harness, which keeps the output of a test that passes.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

fn print_counts(title: &str, reports: &[RowReport]) {
    print(title);
    for RowReport { row, inputs, report } in reports.iter().filter(|report| !report.inputs.is_empty()) {
        let whose = format!("{:?}", row.whose).to_lowercase();
        let (count, later) = (report.count, report.later.len());
        let later = if later > 0 { format!(", {later} left for later types") } else { String::new() };
        print(&format!("  {count:>4}  {whose:<7}  {}{later}  ({} input(s))", row.path(), inputs.len()));
    }
}

/// What is wrong in some reports, after the pins that were not needed.
fn assert_right(reports: &[RowReport], pins: Option<&Pins>) {
    let mut faults: Vec<String> = reports.iter().flat_map(|report| report.report.faults.clone()).collect();
    if let Some(pins) = pins {
        let seen: BTreeSet<&String> = reports.iter().flat_map(|report| report.report.seen.keys()).collect();
        faults
            .extend(pins.keys().filter(|case| !seen.contains(case)).map(|case| format!("{case} is pinned, not seen")));
    }
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}

#[test]
fn shared_vectors() {
    let Some(root) = shared::vectors("shared_vectors") else { return };
    let pins = pins("tests/vectors/reasons.txt");
    let reports = vectors::run(&root, Some(&pins)).unwrap();
    print_counts("shared vectors", &reports);
    assert_right(&reports, Some(&pins));
    for RowReport { row, report, .. } in &reports {
        assert_eq!(report.count, row.count, "cases of {}", row.path());
        assert_eq!(report.later.len(), row.later, "cases of {} for later types: {:?}", row.path(), report.later);
    }
    let without = vectors::uncovered(&root, Some(&FOLDERS)).unwrap();
    assert!(without.is_empty(), "files without a row: {without:?}");
    let run: BTreeSet<&str> = reports.iter().flat_map(|report| report.inputs.iter().map(String::as_str)).collect();
    for path in ALSO {
        assert!(run.contains(path), "{path} was not run");
    }
}

#[test]
fn our_own_vectors() {
    let root = project().join("spec/vectors");
    let pins = pins("spec/vectors/reasons.txt");
    let reports = vectors::run(&root, Some(&pins)).unwrap();
    print_counts("our own vectors", &reports);
    assert_right(&reports, Some(&pins));
    for RowReport { row, report, .. } in &reports {
        assert_eq!(report.count, row.own, "own cases of {}", row.path());
    }
    let without = vectors::uncovered(&root, None).unwrap();
    assert!(without.is_empty(), "files without a row: {without:?}");
}

#[test]
fn made_vectors_are_as_their_maker_makes_them() {
    let root = project().join("spec/vectors");
    let writes = std::env::var_os("VITRINE_MAKE_VECTORS").is_some();
    let made = vectors::make::files();
    for (path, bytes) in &made {
        let path = root.join(path);
        if writes {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        let there = std::fs::read(&path).unwrap_or_default();
        assert!(there == *bytes, "{} is another: VITRINE_MAKE_VECTORS=1 writes it", path.display());
    }
    let folder = format!("{}/", vectors::make::DRILL);
    let there = vectors::files(&root).unwrap();
    let strange = |path: &&String| path.starts_with(&folder) && !made.iter().any(|(made, _)| made == *path);
    let strange: Vec<&String> = there.iter().filter(strange).collect();
    assert!(strange.is_empty(), "nobody makes {strange:?}");
}

#[test]
fn every_refusal_is_named_by_a_vector() {
    let mut named = BTreeSet::new();
    let mut lacking = false;
    let directories = [shared::vectors("every_refusal_is_named_by_a_vector"), Some(project().join("spec/vectors"))];
    for root in directories {
        let Some(root) = root else {
            lacking = true;
            continue;
        };
        named.extend(vectors::run(&root, None).unwrap().into_iter().flat_map(|report| report.report.named));
    }
    let all = vectors::all_reasons();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "a name stands twice");
    if lacking {
        return; // said above: without the shared files most names have no vector
    }
    let unnamed: Vec<&String> = all.iter().filter(|name| !named.contains(*name)).collect();
    assert!(unnamed.is_empty(), "{} of {} refusals that no vector names: {unnamed:?}", unnamed.len(), all.len());
}

#[test]
fn every_refused_submission_and_request_tests_a_requirement() {
    let Some(root) = shared::vectors("every_refused_submission_and_request_tests_a_requirement") else { return };
    let mut seen = BTreeSet::new();
    for root in [root, project().join("spec/vectors")] {
        let reports = vectors::run(&root, None).unwrap();
        let rows = ["leaves/refused.json", "leaves/requests.json"];
        for row in reports.into_iter().filter(|report| rows.contains(&report.row.path())) {
            let refused = row.report.seen.into_iter().filter(|(_, reason)| reason.starts_with("refusal:"));
            seen.extend(refused.map(|(case, _)| case.rsplit_once('#').unwrap().1.to_owned()));
        }
    }
    let ran: Vec<&str> = seen.iter().map(String::as_str).collect();
    let named: Vec<&str> = vectors::CASES_OF_REQUIREMENTS.iter().flat_map(|(_, names)| *names).copied().collect();
    let idle: Vec<&&str> = named.iter().filter(|name| !ran.iter().any(|case| case.starts_with(**name))).collect();
    assert!(idle.is_empty(), "no case of such a name ran: {idle:?}");
    let without: Vec<&&str> = ran.iter().filter(|case| !named.iter().any(|name| case.starts_with(name))).collect();
    assert!(without.is_empty(), "cases of no requirement: {without:?}");
}

#[test]
fn the_table_can_say_no() {
    // Our own policies under another name, one with another expectation, one reason pinned wrongly, one file of no shape.
    let own = std::fs::read_to_string(project().join("spec/vectors/policy/refused.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let faults = |pins: Option<&Pins>| -> Vec<String> {
        let reports = vectors::run(folder.path(), pins).unwrap();
        assert_eq!(reports.iter().map(|report| report.inputs.len()).sum::<usize>(), 1, "one file has a row");
        reports.into_iter().flat_map(|report| report.report.faults).collect()
    };
    write("policy/deeper/another-name.json", &own);
    assert_eq!(faults(None), Vec::<String>::new());
    let mut pins: Pins = pins("spec/vectors/reasons.txt")
        .into_iter()
        .map(|(case, reason)| (case.replace("policy/refused.json", "policy/deeper/another-name.json"), reason))
        .collect();
    assert_eq!(faults(Some(&pins)), Vec::<String>::new());
    let case = "policy/deeper/another-name.json#two-quorum-lines";
    assert_eq!(pins.insert(case.to_owned(), "policy-line:NoQuorum".to_owned()).unwrap(), "policy-line:SecondQuorum");
    assert_eq!(faults(Some(&pins)).len(), 1, "refused for another reason");
    pins.remove(case);
    assert_eq!(faults(Some(&pins)).len(), 1, "refused for no pinned reason");

    write("policy/deeper/another-name.json", &own.replacen("\"expect\": \"fail\"", "\"expect\": \"ok\"", 1));
    assert_eq!(faults(None).len(), 1, "accepted is what this case wants now");
    write("policy/deeper/another-name.json", &own.replacen("\"expect\": \"fail\"", "\"expect\": \"perhaps\"", 1));
    assert_eq!(faults(None).len(), 1, "a word that no runner knows");
    write("policy/no-shape.json", "{\"cases\": []}");
    write("notes/x.json", &own);
    let without = vectors::uncovered(folder.path(), None).unwrap();
    assert_eq!(without, ["notes/x.json", "policy/no-shape.json"]);
}

#[test]
fn another_directory_by_the_same_table() {
    // Cargo runs tests in the folder of their crate; whoever set the variable was in the project's.
    let Some(root) = std::env::var_os("VITRINE_VECTORS").map(|folder| project().join(folder)) else { return };
    let reports = vectors::run(&root, None).unwrap();
    print_counts(&format!("vectors of {}", root.display()), &reports);
    let without = vectors::uncovered(&root, None).unwrap();
    assert!(without.is_empty(), "JSON files that match no row: {without:?}");
    assert!(reports.iter().any(|report| !report.inputs.is_empty()), "{} holds nothing that a row runs", root.display());
    assert_right(&reports, None);
}
