//! Folders with good, bad and no evidence; what is written about them.

use super::*;
use crate::verify_update::run as verify;

fn args(folder: &Path, trust: &Path) -> Args {
    Args {
        file: folder.to_owned(),
        trust: Some(trust.to_owned()),
        proofs: Vec::new(),
        bundles: Vec::new(),
        watch_state: None,
        floor: None,
        csv: None,
        now: "now".into(),
        unwitnessed: false,
    }
}

/// A folder of updates, and what pins a log.
fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (folder, trust) = (dir.path().join("updates"), dir.path().join("trust"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::create_dir(&trust).unwrap();
    std::fs::write(trust.join("policy"), crate::world::World::new().policy_text).unwrap();
    let text = format!(
        "charter = \"{}\"\norigin = \"{}\"\nlog_keys = \"ed\"\n",
        crate::world::charter_event().id().hex(),
        crate::world::ORIGIN
    );
    std::fs::write(trust.join("trust.toml"), text).unwrap();
    (dir, folder, trust)
}

fn write(folder: &Path, names: &[&str]) {
    names.iter().for_each(|name| std::fs::write(folder.join(name), b"bytes").unwrap());
}

fn names(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn one(file: &str, exit: Exit, code: &str) -> Judged {
    Judged { file: file.into(), report: Report::new(exit, exit.word(), code, "a, \"b\""), raise: None }
}

#[test]
fn files_with_evidence_are_judged_by_name_and_evidence_is_no_file() {
    let (_dir, folder, _) = folders();
    write(&folder, &["b", "b.vitrine", "a", "a.tlog-proof", "c", "gone.vitrine", "b.build.tlog-proof"]);
    std::fs::create_dir(folder.join("d")).unwrap();
    write(&folder.join("d"), &["e", "e.vitrine"]);
    let (with, without) = list(&folder).unwrap();
    assert_eq!(names(&with), ["a", "b"]);
    assert_eq!(names(&without), ["c"]);
    assert_eq!(list(&folder.join("none")).unwrap_err().exit, Exit::Usage);
}

#[test]
fn a_folder_ends_as_the_worst_of_its_files() {
    let (_dir, folder, trust) = folders();
    write(&folder, &["a", "a.tlog-proof", "b", "b.vitrine", "c"]);
    let args = args(&folder, &trust);
    let machine = Machine::load(&args).unwrap();
    let judged: Vec<Judged> = list(&folder).unwrap().0.iter().map(|path| judge(path, &machine)).collect();
    let codes: Vec<&str> = judged.iter().map(|one| one.report.code.as_str()).collect();
    assert_eq!(codes, ["proof.malformed", "bundle.malformed"]);
    let out = Out::new(true);
    assert_eq!(run(&args, &out).unwrap(), Exit::NotVerified);
    // What cannot be read is no verdict, and hides none.
    std::fs::remove_file(folder.join("a.tlog-proof")).unwrap();
    std::fs::create_dir(folder.join("a.tlog-proof")).unwrap();
    let unread = judge(&folder.join("a"), &machine);
    assert_eq!((unread.report.exit, unread.report.code.as_str()), (Exit::Usage, "file.read"));
    assert_eq!(verify(&args, &out), Exit::Usage);

    use Exit::{Done, NotVerified, NotYet, Usage};
    for (exits, end) in [
        (&[Done, Done][..], Done),
        (&[Done, NotYet], NotYet),
        (&[NotYet, NotVerified, Done], NotVerified),
        (&[NotVerified, Usage, NotYet], Usage),
    ] {
        let judged: Vec<Judged> = exits.iter().map(|exit| one("x", *exit, exit.word())).collect();
        let report = whole(&judged, &[]);
        assert_eq!((report.exit, report.code.as_str()), (end, end.word()), "{exits:?}");
    }
    let report = whole(&[one("x", Done, "verified"), one("y", NotYet, "quorum")], &[folder.join("README")]);
    assert_eq!(report.reason, "1 of 2 files are verified, 1 not yet; 1 without evidence");
    assert_eq!(report.not_checked, ["README: neither a proof nor a bundle beside it", "y: a, \"b\""]);
    let json: Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["files"][1]["code"], "quorum");
    assert_eq!(json["without_evidence"], json!(["README"]));
}

#[test]
fn the_table_as_csv_quotes_what_it_must() {
    let mut good = one("x", Exit::Done, "verified");
    good.raise = Some(Raise {
        size: vitrine_spec::tree::TreeSize::new(9),
        root: vitrine_spec::hash::Hash::of(b"root"),
        package_id: "app".into(),
        channel: vitrine_spec::words::Name::new("stable").unwrap(),
        release_seq: 7,
    });
    let text = String::from_utf8(csv(&[good, one("y,z", Exit::NotVerified, "file.digest")]).unwrap()).unwrap();
    assert_eq!(
        text,
        "file,verdict,code,packageId,channel,release_seq,reason\n\
         x,done,verified,app,stable,7,\"a, \"\"b\"\"\"\n\
         \"y,z\",not-verified,file.digest,,,,\"a, \"\"b\"\"\"\n"
    );
}

#[test]
fn a_folder_takes_no_proofs_and_a_file_no_table() {
    let (_dir, folder, trust) = folders();
    write(&folder, &["a"]);
    let bare = args(&folder, &trust);
    assert_eq!(run(&bare, &Out::new(true)).unwrap_err().code, "proof.none");
    let proofs = Args { proofs: vec![folder.join("a")], ..args(&folder, &trust) };
    assert_eq!(run(&proofs, &Out::new(true)).unwrap_err().code, "verify.folder");
    let table = Args { csv: Some(folder.join("table.csv")), ..args(&folder.join("a"), &trust) };
    assert_eq!(super::super::judge(&table).unwrap_err().code, "verify.csv");
}
