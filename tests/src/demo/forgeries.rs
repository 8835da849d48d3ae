//! A dishonest log: a forked head, and a log rebuilt without one event; made with the log's own keys, found all the same.

use vitrine_spec::hash::Hash;
use vitrine_spec::key::Seed;

use super::product::now;
use super::show::Show;
use crate::harness::files::Files;
use crate::harness::forge;
use crate::harness::http;
use crate::harness::process::Outcome;
use crate::harness::world::{WITNESSES, World};

pub(super) fn log_keys(world: &World) -> Result<Vec<Seed>, String> {
    ["log-ed25519.key", "log-mldsa44.key"].iter().map(|name| forge::key(&world.path("log.keys").join(name))).collect()
}

pub(super) fn witness_keys(world: &World) -> Result<Vec<Seed>, String> {
    let files =
        WITNESSES.iter().flat_map(|name| ["ed25519.key", "ml-dsa-44.key"].map(|file| format!("{name}.keys/{file}")));
    files.map(|file| forge::key(&world.witness_folder.join(&file))).collect()
}

/// Shows every witness a second head of the same size, signed with the log's key. It is the end of this log: each keeps evidence
/// that convinces whoever has the log's key alone, and co-signs nothing of it any more.
///
/// # Errors
/// A witness that does not refuse it, evidence that does not convince, a log that goes on.
pub fn fork(world: &World, show: &mut Show) -> Result<(), String> {
    let keys = log_keys(world)?;
    let published = world.published()?;
    let log = Hash::of(world.origin.as_bytes()).hex();
    for (name, witness) in WITNESSES.iter().zip(&world.witnesses) {
        let witness = &witness.as_ref().ok_or("a witness does not run")?.url;
        let url = format!("{witness}/add-checkpoint");
        // A witness that the quorum did not wait for may be behind: it is shown another history of the size it knows.
        let mut size = published;
        let forged = |size: u64| -> Result<Vec<u8>, String> {
            let note = forge::checkpoint(&world.origin, size, Hash::of(b"another history"), &keys, now())?;
            Ok([format!("old {size}\n\n").into_bytes(), note].concat())
        };
        let words = loop {
            let (status, words) = http::post(&url, "text/plain", forged(size)?)?;
            let known = words.trim().parse().ok().filter(|known| *known != size);
            match (status, known) {
                (422, _) => break words,
                (409, Some(known)) => size = known,
                _ => return Err(format!("{name} answers {status} to a forked head of size {size}: {words}")),
            }
        };
        show.good(&format!("{name} refuses the forked head of size {size}: 422 {}", words.trim()));
        let (status, words) = http::post(&url, "text/plain", forged(size)?)?;
        if status != 403 {
            return Err(format!("{name} answers {status} after a fork: {words}"));
        }
        let file = format!("{name}.evidence");
        let (status, evidence) = http::get(&format!("{witness}/{log}/evidence"))?;
        if status != 200 {
            return Err(format!("{name} has no evidence: {status} {evidence}"));
        }
        world.write(&file, &evidence)?;
        let vkey = keys.first().ok_or("the log has no key")?.vkey().to_string();
        let judged =
            world.client(&["evidence", "verify", &file, "--vkey", &vkey])?.expect(0, "no one tree explains")?;
        show.good(&format!("{name} froze the log; its evidence: {}", judged.out.lines().next().unwrap_or_default()));
    }
    show.sum("refused      a forked head, signed with the log's key, by every witness (422)".to_owned());
    show.sum(
        "found        evidence of both heads, by the log's key alone; every witness has frozen the log (403)"
            .to_owned(),
    );
    Ok(())
}

/// A log without one event, signed by the log and by every witness's key, in the folder `forged`.
///
/// # Errors
/// What could not be written.
pub fn without(world: &World, index: usize) -> Result<Files, String> {
    rebuilt(world, "forged", |entries| drop(entries.remove(index)))
}

/// A log with other entries, signed by the log and by every witness's key, in the folder `name`.
///
/// # Errors
/// What could not be written.
pub fn rebuilt(world: &World, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<Files, String> {
    let size = world.published()?;
    let mut entries = forge::entries(&world.path("log"), size)?;
    change(&mut entries);
    let mut keys = log_keys(world)?;
    keys.extend(witness_keys(world)?);
    let folder = world.path(name);
    forge::publish(&folder, &world.origin, &entries, &keys, now())?;
    Files::serve(&folder)
}

/// Audits `url` with the remembered state in `state`.
///
/// # Errors
/// When the command cannot be started.
pub fn audit(world: &World, url: &str, trust: &str, state: &str, report: &str) -> Result<Outcome, String> {
    world.client(&["audit", "--log", url, "--trust", trust, "--state", state, "--out", report])
}

/// Takes the first update of `release` out of the log; the audit names it, with and without a remembered state.
///
/// # Errors
/// An audit that does not name it.
pub fn rebuilt_without_an_event(
    world: &World,
    show: &mut Show,
    trust: &str,
    index: usize,
    seq: u64,
) -> Result<(), String> {
    let forged = without(world, index)?;
    let named = format!("release epoch 1 seq {seq}");
    let first = audit(world, &forged.url, trust, "state-new", "report-forged")?;
    let first = first.expect(3, "release")?;
    if !first.out.contains(&format!("seq {seq}")) && !first.err.contains(&format!("seq {seq}")) {
        return Err(format!("{}\n  does not name seq {seq}\n{}\n{}", first.line, first.out, first.err));
    }
    show.refused("an auditor without a memory: the hole in the chain is named", 3, &naming(&first, "release", seq));
    let again = audit(world, &forged.url, trust, "state", "report-fork")?.expect(3, "release")?;
    show.refused(
        "an auditor who was here before: the log misbehaved, and what is gone is named",
        3,
        &naming(&again, "release", seq),
    );
    show.sum(format!(
        "found        a log rebuilt without one event and signed by all its witnesses: {named} is missing"
    ));
    Ok(())
}

/// The line of an audit that names an issuer and a sequence; empty when none does.
pub(super) fn naming(outcome: &Outcome, issuer: &str, seq: u64) -> String {
    let word = format!("seq {seq}");
    let mut lines = outcome.out.lines().chain(outcome.err.lines());
    lines.find(|line| line.contains(issuer) && line.contains(&word)).unwrap_or_default().trim().to_owned()
}
