//! Vectors of evidence: files, and requests that are evidence beside the note cosigned last. All of them are ours.
//!
//! Not here: what a witness answers to such a request (`witness`).

use vitrine_spec::add_checkpoint::{AddCheckpoint, accuses, check_signature};
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::evidence::{Evidence, EvidenceError, Forked};

use super::input::{Input, Outcome, array, member, number, text, vkeys, word, words};
use super::note::want;
use super::report::{Report, Want};

/// `evidence/files.json`: a file is read, printed as it was, and judged.
pub(super) fn files(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let (id, bytes, keys) = (word(case, "id")?, text(case, "evidence")?, vkeys(case, "vkeys")?);
        let got = Evidence::parse(&bytes).and_then(|evidence| {
            report.holds(id, "the print", evidence.print() == bytes);
            evidence.verify(&keys)
        });
        if let Ok(Forked { origin, first, second, first_signers, second_signers, .. }) = &got {
            let shows = member(case, "shows")?;
            report.same(id, "the origin", &origin.as_str(), &word(shows, "origin")?);
            for (name, (size, root), signers) in [("first", first, first_signers), ("second", second, second_signers)] {
                let head = member(shows, name)?;
                report.same(id, "a size", &size.get(), &number(head, "size")?);
                report.same(id, "a root", &root.to_string().as_str(), &word(head, "root")?);
                report.same(id, "who signed", signers, &words(head, "signers")?);
            }
        }
        report.case(id, want(case)?, got.map(|_| ()));
    }
    Ok(())
}

/// `evidence/requests.json`: exactly the evidence that a file has, which then verifies.
pub(super) fn requests(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let wrong = |what: &str, error: &dyn std::fmt::Display| format!("{id}: {what}: {error}");
        let (keys, body) = (vkeys(case, "vkeys")?, text(case, "body")?);
        let request = AddCheckpoint::parse(&body).map_err(|error| wrong("body", &error))?;
        check_signature(&request, Some(&keys)).map_err(|error| wrong("body", &error))?;
        let known = SignedCheckpoint::parse(&text(case, "known")?).map_err(|error| wrong("known", &error))?;
        let got = accuses(&request, &known);
        let wanted = member(case, "evidence")?.as_str();
        let printed = got.as_ref().map(|evidence| String::from_utf8_lossy(&evidence.print()).into_owned());
        report.same(id, "the evidence", &printed.as_deref(), &wanted);
        let verified = got.map_or(Ok(()), |evidence| evidence.verify(&keys).map(|_| ()));
        report.case::<EvidenceError>(id, Want::Ok, verified);
    }
    Ok(())
}
