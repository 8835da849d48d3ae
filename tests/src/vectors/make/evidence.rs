//! Evidence of two trees that one log signed, and everything near it that is none.
//!
//! Two logs of twelve short entries that part after the second. Not here: what a witness answers (`signed`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::{Key, ORIGIN, log_key, witness};
use crate::oracle::{Digest, merkle, messages};

const HEADER: &str = "vitrine-evidence/v0";

/// Leaf hashes of the log that everybody follows, or of its other side.
fn leaves(other: bool) -> Vec<Digest> {
    (0_u8..12).map(|entry| merkle::leaf_hash(&[entry, u8::from(other && entry > 1)])).collect()
}

fn root(size: usize) -> Digest {
    merkle::mth(&leaves(false)[..size])
}

fn other(size: usize) -> Digest {
    merkle::mth(&leaves(true)[..size])
}

/// Lines of the proof between two sizes of the log that everybody follows.
fn path(from: usize, to: usize) -> Vec<String> {
    merkle::proof(from, &leaves(false)[..to]).iter().map(line).collect()
}

fn line(hash: &Digest) -> String {
    STANDARD.encode(hash) + "\n"
}

/// A checkpoint's text, signed by some keys.
fn signed(text: &str, keys: &[&Key]) -> String {
    let lines: String = keys.iter().map(|key| key.line(text, 1_700_000_000)).collect();
    format!("{text}\n{lines}")
}

fn text(size: usize, root: &Digest) -> String {
    messages::checkpoint(ORIGIN, size as u64, root, &[])
}

/// A checkpoint signed by the log.
fn note(size: usize, root: &Digest) -> String {
    signed(&text(size, root), &[&log_key()])
}

fn two(first: &str, second: &str) -> String {
    format!("{HEADER}\n\n{first}\n{second}")
}

fn proven(start: &Digest, path: &[String], first: &str, second: &str) -> String {
    format!("{HEADER}\nroot {}{}\n{first}\n{second}", line(start), path.concat())
}

/// A fork at two sizes: the other side's head, and a head of the log that everybody follows.
fn forked(from: usize, to: usize) -> String {
    proven(&root(from), &path(from, to), &note(from, &other(from)), &note(to, &root(to)))
}

/// A file in the making.
struct Cases(Vec<Value>);

impl Cases {
    fn add(&mut self, id: &str, vkeys: &[&Key], evidence: Value, shows: Option<Value>) {
        let vkeys: Vec<String> = vkeys.iter().map(|key| key.vkey()).collect();
        let expect = if shows.is_some() { "ok" } else { "fail" };
        let mut case = json!({"id": id, "expect": expect, "vkeys": vkeys, "evidence": evidence});
        if let Some(shows) = shows {
            case["shows"] = shows;
        }
        self.0.push(case);
    }

    /// A file that shows a fork to whoever has the log's key.
    fn fork(&mut self, id: &str, evidence: String, (from, first): (usize, Digest), (to, second): (usize, Digest)) {
        let shows = shows((from, first), (to, second), [&[&log_key()], &[&log_key()]]);
        self.add(id, &[&log_key()], json!(evidence), Some(shows));
    }

    /// One that shows none.
    fn none(&mut self, id: &str, evidence: impl Into<Value>) {
        self.add(id, &[&log_key()], evidence.into(), None);
    }
}

/// What a verifier must find: both heads, and who signed them.
fn shows((from, first): (usize, Digest), (to, second): (usize, Digest), signers: [&[&Key]; 2]) -> Value {
    let signers = signers.map(|keys| keys.iter().map(|key| key.keyid()).collect::<Vec<String>>());
    let head = |size: usize, root: &Digest, signers: &[String]| json!({"size": size, "root": STANDARD.encode(root), "signers": signers});
    json!({"origin": ORIGIN, "first": head(from, &first, &signers[0]), "second": head(to, &second, &signers[1])})
}

/// `evidence/files.json`.
pub(super) fn files() -> Value {
    let mut cases = Cases(Vec::new());
    forks(&mut cases);
    keys(&mut cases);
    no_files(&mut cases);
    no_forks(&mut cases);
    json!({"description": "Evidence files (docs/58-evidence.md): read, and judged under `vkeys`.", "cases": cases.0})
}

fn forks(cases: &mut Cases) {
    let equal = two(&note(5, &other(5)), &note(5, &root(5)));
    cases.fork("equal-sizes", equal, (5, other(5)), (5, root(5)));
    let equal = two(&note(5, &root(5)), &note(5, &other(5)));
    cases.fork("equal-sizes-in-the-other-order", equal, (5, root(5)), (5, other(5)));
    for (from, to) in [(3, 4), (3, 7), (5, 6), (6, 8), (7, 12), (11, 12)] {
        cases.fork(&format!("size-{from}-to-{to}"), forked(from, to), (from, other(from)), (to, root(to)));
    }
    for (from, to) in [(4, 5), (4, 7), (4, 8), (8, 9), (8, 12)] {
        let id = format!("power-of-two-{from}-to-{to}");
        cases.fork(&id, forked(from, to), (from, other(from)), (to, root(to)));
    }
    let one = proven(&root(1), &path(1, 2), &note(1, &[7; 32]), &note(2, &root(2)));
    cases.fork("power-of-two-1-to-2", one, (1, [7; 32]), (2, root(2)));
    let alone = |first: Digest| shows((0, first), (0, root(0)), [&[&log_key()], &[]]);
    let empty = format!("{HEADER}\n\n{}", note(0, &root(1)));
    cases.add("size-0-alone", &[&log_key()], json!(empty), Some(alone(root(1))));
    cases.fork("size-0-twice", two(&note(0, &root(0)), &note(0, &root(1))), (0, root(0)), (0, root(1)));
    let extended = messages::checkpoint(ORIGIN, 5, &other(5), &["more", "\u{2014} looks like a signature"]);
    let extended = two(&signed(&extended, &[&log_key()]), &note(5, &root(5)));
    cases.fork("extension-lines-in-one-note", extended, (5, other(5)), (5, root(5)));
}

fn keys(cases: &mut Cases) {
    let (ed, pq, cosigner) = (log_key(), Key::mldsa(ORIGIN), witness(1));
    let (stranger, witness_pq) = (Key::new("log.example/other"), Key::mldsa("witness1.example.net"));
    let cosigning_log = Key::cosigner(ORIGIN);
    let (first, second) = (text(5, &other(5)), text(5, &root(5)));
    let file = |a: &[&Key], b: &[&Key]| two(&signed(&first, a), &signed(&second, b));
    let heads = ((5, other(5)), (5, root(5)));
    let mut good = |id: &str, given: &[&Key], evidence: String, by: [&[&Key]; 2]| {
        cases.add(id, given, json!(evidence), Some(shows(heads.0, heads.1, by)));
    };
    good("ml-dsa-alone", &[&pq], file(&[&pq], &[&pq]), [&[&pq], &[&pq]]);
    good("each-note-by-another-key", &[&ed, &pq], file(&[&ed], &[&pq]), [&[&ed], &[&pq]]);
    good("both-keys-on-both", &[&pq, &ed], file(&[&ed, &pq], &[&pq, &ed]), [&[&ed, &pq], &[&pq, &ed]]);
    good("one-of-two-keys-given", &[&ed], file(&[&ed, &pq], &[&pq, &ed]), [&[&ed], &[&ed]]);
    good("a-key-given-twice", &[&ed, &ed], file(&[&ed], &[&ed]), [&[&ed], &[&ed]]);
    let given = [&cosigner, &stranger, &ed, &cosigning_log, &witness_pq];
    good("keys-of-others-given-too", &given, file(&[&ed], &[&ed]), [&[&ed], &[&ed]]);
    let lines = [&cosigner, &stranger, &ed, &witness_pq];
    good("beside-lines-of-others", &given, file(&lines, &lines), [&[&ed], &[&ed]]);
    // Lines by keys that are not given: wrong, of no known type, of another log under this name.
    let nobody = messages::line(ORIGIN, [9; 4], &[7; 64]);
    let wrong = |text: &str| format!("{}{nobody}{}", signed(text, &[&ed]), pq.line(&self::text(6, &root(6)), 0));
    good("wrong-lines-of-unknown-keys", &[&ed], two(&wrong(&first), &wrong(&second)), [&[&ed], &[&ed]]);

    let mut bad = |id: &str, given: &[&Key], evidence: String| cases.add(id, given, json!(evidence), None);
    bad("wrong-line-of-a-given-key-beside-a-good-one", &[&ed, &pq], two(&wrong(&first), &wrong(&second)));
    bad("wrong-line-in-the-second-note", &[&ed, &pq], two(&signed(&first, &[&ed]), &wrong(&second)));
    bad("cosigned-only", &[&ed, &cosigner, &witness_pq], file(&[&cosigner, &witness_pq], &[&cosigner, &witness_pq]));
    bad("second-note-cosigned-only", &[&ed, &cosigner], file(&[&ed, &cosigner], &[&cosigner]));
    bad("cosigned-under-the-name-of-the-log", &[&ed, &cosigning_log], file(&[&cosigning_log], &[&cosigning_log]));
    bad("a-cosigner-key-alone-given", &[&cosigning_log], file(&[&cosigning_log], &[&cosigning_log]));
    bad("key-of-another-name", &[&stranger], file(&[&stranger], &[&stranger]));
    bad("key-of-another-name-beside-the-log-s", &[&stranger, &ed], file(&[&stranger], &[&stranger]));
    bad("no-key-given", &[], file(&[&ed], &[&ed]));
    bad("the-other-key-given", &[&pq], file(&[&ed], &[&ed]));
    bad("forged-first-note", &[&ed], two(&format!("{first}\n{}", ed.line(&text(5, &[7; 32]), 0)), &note(5, &root(5))));
    let moved = two(&format!("{first}\n{}", ed.line(&second, 0)), &format!("{second}\n{}", ed.line(&first, 0)));
    bad("signatures-swapped", &[&ed], moved);
    bad("forged-second-note", &[&ed], forked(4, 7).replace(&line(&root(7)), &line(&[7; 32])));
    bad("forged-note-alone", &[&ed], format!("{HEADER}\n\n{}", signed(&text(0, &root(1)), &[&stranger])));
    // The log signed what another origin says.
    let elsewhere = messages::checkpoint("log.example/other", 5, &other(5), &[]);
    bad("origin-of-another-log", &[&ed], two(&signed(&elsewhere, &[&ed]), &note(5, &root(5))));
    let both = signed(&messages::checkpoint("log.example/other", 5, &root(5), &[]), &[&ed]);
    bad("origin-that-the-key-is-not-called", &[&ed], two(&signed(&elsewhere, &[&ed]), &both));
}

/// What is no file.
fn no_files(cases: &mut Cases) {
    let good = forked(3, 7);
    let changed = |from: &str, to: &str| good.replacen(from, to, 1);
    cases.none("another-version", changed("/v0", "/v1"));
    cases.none("no-header", changed("vitrine-evidence/v0\n", ""));
    cases.none("blank-behind-the-header", changed("/v0", "/v0 "));
    cases.none("mark-before-the-header", format!("\u{feff}{good}"));
    cases.none("carriage-returns", good.replace('\n', "\r\n"));
    cases.none("header-alone", format!("{HEADER}\n"));
    cases.none("another-word", changed("root ", "Root "));
    cases.none("blank-line-of-a-blank", changed("\n\n", "\n \n"));
    cases.none("root-without-padding", changed(&line(&root(3)), &line(&root(3)).replace("=\n", "\n")));
    cases.none("root-of-31-bytes", changed(&line(&root(3)), &(STANDARD.encode([7; 31]) + "\n")));
    cases.none("root-in-hexadecimal", changed(&line(&root(3)), &format!("{}\n", "07".repeat(32))));
    cases.none("hash-with-loose-bits", changed(&path(3, 7)[0], &path(3, 7)[0].replace("=\n", "=\n ")));
    let many = vec![line(&[7; 32]); 64];
    cases.none("64-hashes", proven(&root(3), &many, &note(3, &other(3)), &note(7, &root(7))));
    cases.none("proof-alone", format!("{HEADER}\nroot {}{}", line(&root(3)), path(3, 7).concat()));
    let equal = two(&note(5, &other(5)), &note(5, &root(5)));
    cases.none("no-note", format!("{HEADER}\n\n"));
    cases.none("text-behind-the-notes", format!("{equal}\n"));
    cases.none("a-third-note", format!("{equal}\n{}", note(5, &root(5))));
    let (first, second) = (note(5, &other(5)), note(5, &root(5)));
    cases.none("no-empty-line-between", format!("{HEADER}\n\n{first}{second}"));
    cases.none("two-empty-lines-between", format!("{HEADER}\n\n{first}\n\n{second}"));
    cases.none("two-empty-lines-before", format!("{HEADER}\n\n\n{first}\n{second}"));
    cases.none("first-note-without-signature", two(&text(5, &other(5)), &second));
    cases.none("second-note-without-signature", two(&first, &text(5, &root(5))));
    cases.none("truncated-in-the-second-note", equal[..equal.len() - 20].to_owned());
    cases.none("truncated-before-the-second-note", format!("{HEADER}\n\n{first}\n"));
    cases.none("truncated-proof", format!("{HEADER}\nroot {}{}", line(&root(3)), &path(3, 7)[0][..20]));
    cases.none("size-with-a-zero", equal.replacen("\n5\n", "\n05\n", 1));
    // A file with the longest proof and two of the longest notes is below 540,000.
    cases.none("too-long", json!({"repeat": " ", "times": 540_000}));
    let not_utf8 = json!(STANDARD.encode([good.as_bytes(), b"\xff"].concat()));
    cases.0.push(json!({"id": "not-utf-8", "expect": "fail", "vkeys": [log_key().vkey()], "evidence_b64": not_utf8}));
    // Parts that do not fit each other.
    cases.none("larger-note-first", proven(&root(3), &path(3, 7), &note(7, &root(7)), &note(3, &other(3))));
    cases.none("unequal-sizes-without-proof", two(&note(3, &other(3)), &note(7, &root(7))));
    cases.none("equal-sizes-with-a-root", proven(&root(5), &[], &first, &second));
    cases.none("one-note-alone", format!("{HEADER}\n\n{first}"));
    cases.none("size-0-alone-with-a-root", format!("{HEADER}\nroot {}\n{}", line(&root(0)), note(0, &root(1))));
    cases.none("size-0-before-a-larger-note", two(&note(0, &root(1)), &note(5, &root(5))));
    cases.none("size-0-with-a-root", proven(&root(0), &[], &note(0, &root(1)), &note(5, &root(5))));
}

/// Files that show no fork.
fn no_forks(cases: &mut Cases) {
    cases.none("equal-roots", two(&note(5, &root(5)), &note(5, &root(5))));
    let extended = messages::checkpoint(ORIGIN, 5, &root(5), &["more"]);
    cases.none("extension-lines-that-differ", two(&note(5, &root(5)), &signed(&extended, &[&log_key()])));
    cases.none("size-0-with-the-right-root", format!("{HEADER}\n\n{}", note(0, &root(0))));
    cases.none("size-0-twice-with-one-root", two(&note(0, &root(1)), &note(0, &root(1))));
    for (from, to) in [(3, 7), (4, 7), (1, 12), (8, 9), (4, 8)] {
        let (first, second) = (note(from, &root(from)), note(to, &root(to)));
        cases.none(&format!("lagging-{from}-to-{to}"), proven(&root(from), &path(from, to), &first, &second));
        // What a lax check takes: the honest pair with another root, or a proof that fails.
        let framed = proven(&other(from), &path(from, to), &first, &second);
        if other(from) != root(from) {
            cases.none(&format!("honest-{from}-to-{to}-with-another-root"), framed);
        }
        let framed = proven(&root(from), &path(from, to)[1..], &first, &second);
        cases.none(&format!("honest-{from}-to-{to}-with-a-proof-that-fails"), framed);
        // A fork whose file has the first note's root in place of the one that the second tree has.
        let first = note(from, &other(from));
        let as_first = if from == 1 { None } else { Some(proven(&other(from), &path(from, to), &first, &second)) };
        if let Some(as_first) = as_first {
            cases.none(&format!("root-of-the-first-note-{from}-to-{to}"), as_first);
        }
    }
    for (from, to) in [(3, 7), (4, 7)] {
        let fork =
            |start: &Digest, path: &[String]| proven(start, path, &note(from, &other(from)), &note(to, &root(to)));
        let (start, path) = (root(from), path(from, to));
        let id = |what: &str| format!("{what}-{from}-to-{to}");
        cases.none(&id("proof-one-too-long"), fork(&start, &[&path[..], &[line(&[7; 32])]].concat()));
        cases.none(&id("proof-one-too-short"), fork(&start, &path[..path.len() - 1]));
        cases.none(&id("proof-without-its-first-hash"), fork(&start, &path[1..]));
        cases.none(&id("proof-with-the-root-before-it"), fork(&start, &[&[line(&start)], &path[..]].concat()));
        cases.none(&id("proof-empty"), fork(&start, &[]));
        cases.none(&id("proof-of-other-hashes"), fork(&start, &vec![line(&[7; 32]); path.len()]));
        cases.none(&id("root-that-is-nobody-s"), fork(&[7; 32], &path));
        let swapped: Vec<String> = path.iter().rev().cloned().collect();
        if swapped != path {
            cases.none(&id("proof-backwards"), fork(&start, &swapped));
        }
    }
    let elsewhere = self::path(3, 6);
    cases.none("proof-to-another-size", proven(&root(3), &elsewhere, &note(3, &other(3)), &note(7, &root(7))));
    let of_the_other: Vec<String> = merkle::proof(3, &leaves(true)[..7]).iter().map(line).collect();
    cases.none("proof-of-the-other-side", proven(&other(3), &of_the_other, &note(3, &root(3)), &note(7, &root(7))));
}

/// `evidence/requests.json`: an add-checkpoint, the note that was cosigned last, and what both show.
pub(super) fn requests() -> Value {
    let body = |old: usize, path: &[String], note: &str| format!("old {old}\n{}\n{note}", path.concat());
    let mut cases = Vec::new();
    let mut case = |id: &str, known: &str, body: &str, evidence: Option<String>| {
        let vkeys = [log_key().vkey()];
        cases.push(json!({"id": id, "known": known, "body": body, "vkeys": vkeys, "evidence": evidence}));
    };
    let (five, other_five) = (note(5, &root(5)), note(5, &other(5)));
    case("equal-size", &five, &body(5, &[], &other_five), Some(two(&five, &other_five)));
    case("equal-size-from-elsewhere", &five, &body(3, &path(3, 5), &other_five), Some(two(&five, &other_five)));
    case("the-same-head", &five, &body(5, &[], &five), None);
    case("grows", &five, &body(5, &path(5, 7), &note(7, &root(7))), None);
    case("grows-from-the-other-side", &other_five, &body(5, &path(5, 7), &note(7, &root(7))), Some(forked(5, 7)));
    let four = note(4, &other(4));
    case("from-a-power-of-two", &four, &body(4, &path(4, 7), &note(7, &root(7))), None);
    case("path-that-leads-elsewhere", &other_five, &body(5, &path(5, 8), &note(7, &root(7))), None);
    case(
        "path-one-too-long",
        &other_five,
        &body(5, &[path(5, 7), vec![line(&[7; 32])]].concat(), &note(7, &root(7))),
        None,
    );
    case("path-of-another-old-size", &other_five, &body(3, &path(3, 7), &note(7, &root(7))), None);
    case("smaller", &note(7, &root(7)), &body(7, &[], &other_five), None);
    let empty = note(0, &root(1));
    case("size-0-with-another-root", &five, &body(0, &[], &empty), Some(format!("{HEADER}\n\n{empty}")));
    case("from-size-0", &note(0, &root(0)), &body(0, &[], &five), None);
    let elsewhere = signed(&messages::checkpoint("log.example/other", 5, &other(5), &[]), &[&log_key()]);
    case("of-another-log", &five, &body(5, &[], &elsewhere), None);
    json!({"description": "What an add-checkpoint shows beside the note cosigned last: `evidence`, or null.", "cases": cases})
}
