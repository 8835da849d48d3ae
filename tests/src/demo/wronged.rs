//! What goes wrong in an access log, and who is named for it: an access that is withheld, a record that its issuer sealed wrongly.
//!
//! Made with the log's and the issuer's own keys, found all the same.

use vitrine_spec::envelope::Submission;
use vitrine_spec::fields::Field;
use vitrine_spec::json::Value;
use vitrine_spec::statement::Kind;

use super::forgeries;
use super::imported::{SOURCE, audit};
use super::product::now;
use super::show::Show;
use crate::harness::http;
use crate::harness::sealing::{ByHand, events, values};
use crate::harness::world::World;

/// Takes one imported access out of the log, as if it had never been; the audit names it by issuer and sequence.
///
/// # Errors
/// An audit that does not name it.
pub fn withheld(world: &World, show: &mut Show) -> Result<(), String> {
    let events = events(world)?;
    let own = |kind: &Kind, issuer: &str| *kind == Kind::Access && issuer == SOURCE;
    let mut accesses = events
        .iter()
        .enumerate()
        .filter(|(_, event)| own(&event.statement.kind, event.statement.header.issuer.as_str()));
    let (index, event) = accesses.nth(4).ok_or("there are no five accesses")?;
    let seq = event.statement.header.seq.ok_or("an access has no place")?;
    let forged = forgeries::without(world, index)?;
    let outcome = forgeries::audit(world, &forged.url, "trust", "state-new", "report-withheld")?.expect_code(3)?;
    let named = forgeries::naming(&outcome, SOURCE, seq);
    if named.is_empty() {
        return Err(format!("{}\n  does not name {SOURCE} seq {seq}\n{}\n{}", outcome.line, outcome.out, outcome.err));
    }
    show.refused("a log without one access, signed by the log and all its witnesses", 3, &named);
    show.sum(format!(
        "found        one access withheld from a rebuilt and re-signed log: {SOURCE} epoch 1 seq {seq} is missing"
    ));
    Ok(())
}

/// An issuer whose gateway is broken, or in a thief's hands, commits to one thing and seals another: the audit names the issuer.
///
/// # Errors
/// An audit that does not.
pub fn sealed_wrongly(world: &World, show: &mut Show) -> Result<(), String> {
    let issuer = "broken";
    world.open_accesses(issuer)?;
    let when = "2026-11-24T08:00:00.000Z";
    let actor = |name: &str| [(Field::Actor, Value::from(name))];
    let (committed, said) = (values(when, "read", &actor("s-1001"))?, values(when, "read", &actor("nobody"))?);
    let submissions = ByHand::after(world, issuer)?.access(&committed, &said, now())?;
    let lines: Vec<u8> =
        submissions.iter().map(Submission::print).flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    let (status, answer) = http::post(&format!("{}/events", world.url()), "application/x-ndjson", lines)?;
    if status != 200 || answer.contains("\"problem\"") {
        return Err(format!("the log does not take what it cannot look into: {status} {answer}"));
    }
    let outcome = audit(world, "state", "report-broken", &[])?.expect(1, "unopenable")?;
    let named = outcome.out.lines().find(|line| line.contains("unopenable")).unwrap_or_default();
    if !named.contains(issuer) {
        return Err(format!("{}\n  does not name {issuer}: {named}", outcome.line));
    }
    show.refused("an access whose record says something else than its leaf commits to", 1, named.trim());
    show.sum(format!(
        "found        one record that its issuer sealed wrongly: {issuer} is named, with what a third party can check"
    ));
    Ok(())
}
