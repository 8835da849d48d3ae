//! Vectors of tlog-proofs: syntax, changed proofs, a real one.
//!
//! The policies of the cases are put together here from a log's key and witnesses. Not here: what our leaves say.

use serde_json::Value;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyKind, Seed, Vkey};
use vitrine_spec::policy::{Policy, PolicyRefusal};
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;

use super::input::{Input, Outcome, array, hash, number, text, unb64, word, words};
use super::note::want;
use super::reason::Reason;
use super::report::{Report, Want};
use super::tiles::check;

/// A policy of one log and `quorum` of some witnesses; with too few of them there are witnesses that nobody has heard of.
fn policy(log: &str, witnesses: &[String], quorum: u64) -> Outcome<Policy> {
    let quorum = usize::try_from(quorum).map_err(|error| error.to_string())?;
    let mut lines = vec![format!("log {log}")];
    let mut names = Vec::new();
    for at in 0..witnesses.len().max(quorum) {
        let stranger = || {
            let seed = [u8::try_from(at).unwrap_or(u8::MAX); 32];
            Seed::new("stranger", KeyKind::Cosign, seed).map(|seed| seed.vkey().to_string()).map_err(|e| e.to_string())
        };
        let key = witnesses.get(at).cloned().map_or_else(stranger, Ok)?;
        lines.push(format!("witness w{at} {key}"));
        names.push(format!("w{at}"));
    }
    if quorum == 0 {
        lines.push("quorum none".to_owned());
    } else {
        lines.push(format!("group q {quorum} {}\nquorum q", names.join(" ")));
    }
    Policy::parse(lines.join("\n") + "\n").map_err(|error| error.to_string())
}

/// A proof of an entry, under a policy.
fn judge(proof: &[u8], leaf: &Hash, policy: &Policy) -> Result<(), String> {
    let proof = TlogProof::parse(proof).map_err(|error| error.reason())?;
    let signed = proof.verify_place(leaf).map_err(|error| error.reason())?;
    policy.verify(&signed, None).map(|_| ()).map_err(|error| error.reason())
}

/// `tlog-proof/oak-mutations.json`.
pub(super) fn mutations(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let policy = policy(word(case, "log")?, &words(case, "witnesses")?, number(case, "quorum")?)?;
        let got = judge(&text(case, "proof")?, &leaf_hash(word(case, "entry")?.as_bytes()), &policy);
        // The file says in a word why; without one any refusal is right.
        let why = case.get("why").and_then(Value::as_str).unwrap_or_default();
        let want = match (want(case)?, why.split(' ').next_back().unwrap_or_default()) {
            (Want::Refused, "root") => Want::RefusedFor(&["inclusion:RootMismatch"]),
            (Want::Refused, "idx") => Want::RefusedFor(&["inclusion:OutsideTree"]),
            (Want::Refused, "short") => Want::RefusedFor(&["inclusion:ProofLength"]),
            (Want::Refused, _) if why.starts_with("quorum") => Want::RefusedFor(&["policy:Quorum"]),
            (want, _) => want,
        };
        report.case(id, want, got);
    }
    Ok(())
}

/// `tlog-proof/syntax.json`; the checkpoints of its layouts are placeholders, so those are printed and not read. Where a layout
/// has an entry (ours), the place of the entry is verified instead.
pub(super) fn syntax(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let bytes = text(case, "proof")?;
        let got = TlogProof::parse(&bytes);
        if let Ok(proof) = &got {
            report.holds(word(case, "id")?, "the proof is printed as it was read", proof.print() == bytes);
        }
        report.case(word(case, "id")?, want(case)?, got.map(|_| ()));
    }
    for case in file.get("layout").and_then(Value::as_array).into_iter().flatten() {
        let extra = case.get("extra_base64").and_then(Value::as_str).map(unb64).transpose()?;
        let hashes = words(case, "hashes")?.iter().map(|text| hash(text)).collect::<Outcome<_>>()?;
        let index = LeafIndex::new(number(case, "index")?);
        let proof = TlogProof { extra, index, hashes, checkpoint: text(case, "checkpoint")? };
        if let Some(entry) = case.get("entry").and_then(Value::as_str) {
            let got = proof.verify_place(&leaf_hash(entry.as_bytes()));
            report.case(word(case, "id")?, want(case)?, got.map(|_| ()));
            continue;
        }
        let same = proof.print() == text(case, "proof")?;
        report.case(word(case, "id")?, Want::Ok, check(same, "another spelling"));
    }
    Ok(())
}

/// `tlog-proof/incubator`: a real proof whose log's key is not named like its origin.
pub(super) fn incubator(input: &Input, report: &mut Report) -> Outcome {
    let name = "go.sum-database-tree-43930254";
    let key = Vkey::parse(input.text("log.vkey")?.trim_end()).map_err(|error| error.to_string())?;
    let keys = [key];
    let bytes = input.read(&format!("{name}.tlog-proof"))?;
    let entry = input.read(&format!("{name}.raw"))?;
    let place = |entry: &[u8]| -> Result<_, String> {
        let proof = TlogProof::parse(&bytes).map_err(|error| error.reason())?;
        proof.verify_place(&leaf_hash(entry)).map_err(|error| error.reason())
    };
    let signed = place(&entry)?;
    report.case("entry", Want::Ok, signed.verify_log(&keys).map(|_| ()));
    let proof = TlogProof::parse(&bytes).map_err(|error| error.to_string())?;
    report.same("entry", "the proof printed", &proof.print(), &bytes);
    for at in 0..entry.len() {
        let mut changed = entry.clone();
        changed[at] ^= 1;
        report.holds("changed entry", &format!("byte {at} matters"), place(&changed).is_err());
    }
    let mut changed = entry.clone();
    changed[0] ^= 1;
    report.case("changed entry", Want::RefusedFor(&["inclusion:RootMismatch"]), place(&changed).map(|_| ()));
    // A policy has a log's key under the log's name alone, so by a policy this log is unknown.
    let by_policy = policy(&keys[0].to_string(), &[], 0)?.verify(&signed, None).map(|_| ());
    let origin = Origin::new("go.sum database tree").map_err(|error| error.to_string())?;
    report.same("by policy", "the refusal", &by_policy, &Err(PolicyRefusal::UnknownLog { origin }));
    report.case("by policy", Want::Refused, by_policy);
    Ok(())
}

/// `tlog-proof/oak`: a proof with one cosignature; the keys are those of the list that describes the file.
pub(super) fn oak(input: &Input, report: &mut Report) -> Outcome {
    let log = "fake.log.origin/log+527eabb8+AddT9PtBhhNAsDYZ0V0euiRbXuvrLsw4L6vKARfipnmz";
    let witness = "test-witness+26349ef0+BIQDFTUlktisMqJzWn8qhteWrRr4dLcQ9R37T+8LQyQF".to_owned();
    let bytes = input.read("test.tlog-proof")?;
    let leaf = leaf_hash(b"test entry data");
    let one = policy(log, std::slice::from_ref(&witness), 1)?;
    let proof = TlogProof::parse(&bytes).map_err(|error| error.to_string())?;
    report.same("proof", "printed", &proof.print(), &bytes);
    report.case("the entry", Want::Ok, judge(&bytes, &leaf, &one));
    let other = judge(&bytes, &leaf_hash(b"test entry datA"), &one);
    report.case("another entry", Want::RefusedFor(&["inclusion:RootMismatch"]), other);
    let two = judge(&bytes, &leaf, &policy(log, &[witness], 2)?);
    report.case("quorum of two", Want::RefusedFor(&["policy:Quorum"]), two);
    Ok(())
}
