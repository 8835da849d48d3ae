//! Vectors of policies: syntax, quorums, real policies over real checkpoints, and policies that count one party twice.
//!
//! Not here: trust files (`verdict`).

use std::collections::BTreeSet;

use serde_json::Value;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::policy::{LineName, Member, Policy, PolicyRefusal};

use super::input::{Input, Outcome, array, member, number, text, word, words};
use super::note::{sorted, want};
use super::reason::Reason;
use super::report::{Report, Want};

fn name_of(policy: &Policy, member: Member) -> String {
    match member {
        Member::Witness(at) => policy.witnesses[at].name.to_string(),
        Member::Group(at) => policy.groups[at].name.to_string(),
    }
}

fn compare(report: &mut Report, id: &str, policy: &Policy, case: &Value) -> Outcome {
    let lines = |number: usize| number as u64;
    report.same(id, "the log lines", &lines(policy.logs.len()), &number(case, "logs")?);
    report.same(id, "the witness lines", &lines(policy.witnesses.len()), &number(case, "witnesses")?);
    let groups = member(case, "groups")?.as_object().ok_or("groups is no object")?;
    report.same(id, "the groups", &policy.groups.len(), &groups.len());
    for group in &policy.groups {
        let name = group.name.to_string();
        let wanted = groups.get(&name).ok_or_else(|| format!("{id}: group {name} is not in the file"))?;
        report.same(id, "the threshold", &lines(group.threshold), &number(wanted, "threshold")?);
        let members: Vec<String> = group.members.iter().map(|member| name_of(policy, *member)).collect();
        report.same(id, "the members", &members, &words(wanted, "members")?);
    }
    let quorum = policy.quorum.map_or("none".to_owned(), |quorum| name_of(policy, quorum));
    report.same(id, "the quorum", &quorum.as_str(), &word(case, "quorum")?);
    for set in case.get("satisfied").and_then(Value::as_array).into_iter().flatten() {
        let cosigned: BTreeSet<LineName> = words(set, "cosigned")?.iter().map(|name| name.as_str().into()).collect();
        let met = Value::Bool(policy.satisfied(&cosigned));
        report.same(id, &format!("the quorum with {cosigned:?}"), &met, member(set, "met")?);
    }
    Ok(())
}

/// `policy/policies.json`.
pub(super) fn policies(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let got = Policy::parse(text(case, "policy")?);
        if let (Ok(policy), "ok") = (&got, word(case, "expect")?) {
            compare(report, id, policy, case)?;
        }
        report.case(id, want(case)?, got.map(|_| ()));
    }
    Ok(())
}

/// `policy/faults.json`, ours: policies that parse and must not be used.
pub(super) fn faults(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let policy = Policy::parse(text(case, "sound_policy")?).map_err(|error| error.to_string())?;
        report.case(word(case, "id")?, want(case)?, policy.check_one_witness_two_keys());
    }
    Ok(())
}

/// `policy/real`: two policies that people use.
pub(super) fn real(input: &Input, report: &mut Report) -> Outcome {
    for (name, witnesses, group, threshold) in
        [("tesseract-static-ct-staging.policy", 6, "dev_grp", 4), ("spicytool-default_policy.txt", 3, "public", 2)]
    {
        let got = Policy::parse(input.read(name)?);
        if let Ok(policy) = &got {
            report.same(name, "log and witness lines", &(policy.logs.len(), policy.witnesses.len()), &(0, witnesses));
            let quorum = policy.quorum.map(|quorum| name_of(policy, quorum));
            report.same(name, "the quorum", &quorum.as_deref(), &Some(group));
            let groups: Vec<(String, usize)> =
                policy.groups.iter().map(|group| (group.name.to_string(), group.threshold)).collect();
            report.same(name, "the groups", &groups, &vec![(group.to_owned(), threshold)]);
            report.same(name, "one party counted twice", &policy.check_one_witness_two_keys(), &Ok(()));
        }
        report.case(name, Want::Ok, got.map(|_| ()));
    }
    Ok(())
}

/// `policy/checkpoints-under-policies.json`; `now` is the verifier's clock, where a case has one.
pub(super) fn under(input: &Input, report: &mut Report) -> Outcome {
    let file = input.json()?;
    for case in array(&file, "cases")? {
        let id = word(case, "id")?;
        let policy = Policy::parse(text(case, "policy")?).map_err(|error| format!("{id}: {error}"))?;
        let signed = SignedCheckpoint::parse(&text(case, "note")?).map_err(|error| format!("{id}: {error}"))?;
        let got = policy.verify(&signed, case.get("now").and_then(Value::as_u64));
        let cosigners = match &got {
            Ok(verified) => Some(&verified.cosigners),
            Err(PolicyRefusal::Quorum { cosigners, .. }) => Some(cosigners),
            Err(PolicyRefusal::UnknownLog { .. } | PolicyRefusal::Log(_) | PolicyRefusal::Cosignature { .. }) => None,
        };
        if let Some(cosigners) = cosigners {
            let names = sorted(cosigners.iter().map(|cosigner| cosigner.name.to_string()));
            report.same(id, "the cosigners", &names, &sorted(words(case, "witnesses_that_cosigned")?));
            let valid = cosigners.iter().map(|cosigner| cosigner.name.clone()).collect();
            report.same(id, "the quorum", &Value::Bool(policy.satisfied(&valid)), member(case, "quorum_met")?);
        }
        let log_signed = !matches!(got, Err(PolicyRefusal::UnknownLog { .. } | PolicyRefusal::Log(_)));
        report.same(id, "the log's signature", &Value::Bool(log_signed), member(case, "log_signature_ok")?);
        report.case(id, want(case)?, got.map(|_| ()).map_err(|error| error.reason()));
    }
    Ok(())
}
