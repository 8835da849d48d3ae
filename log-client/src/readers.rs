//! To whom records are sealed: the readers of the charter in force, followed back to the pinned fingerprint (design-events.md 3).
//!
//! A log that could name the readers could read every record. So each version of the charter must be signed by the operator and
//! the supervisor of the version before, and the first must have the fingerprint. A log can still withhold the newest version:
//! then its readers are those of an older one, and the log refuses what is sealed to them. Not here: sealing (`sealer`).

use std::path::Path;

use serde::Deserialize;
use vitrine_spec::body::Body;
use vitrine_spec::body::charter::{Charter, Holder};
use vitrine_spec::envelope::pae;
use vitrine_spec::event::Event;
use vitrine_spec::key::Seed;
use vitrine_spec::policy::Policy;
use vitrine_spec::trust::Fingerprint;
use vitrine_spec::words::Name;

use crate::batch::Remote;
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::found::{self, Entry};
use crate::limits::CHARTER_VERSIONS_MAX;
use crate::place::Standing;
use crate::sealer::Sealer;
use crate::verify_update::load_pins;

/// Seconds that the last event of an issuer may be ahead of this machine's clock: clocks differ, not by more than an hour.
const AHEAD_S: u64 = 3_600;

/// The fingerprint that the readers must go back to: the one given, else that of the trust directory.
///
/// # Errors
/// Neither is there, or it is not a fingerprint: nobody seals on first use.
pub fn pin(charter: Option<&str>, trust: Option<&Path>, unwitnessed: bool) -> Result<Fingerprint, Failure> {
    match charter {
        Some(text) => Fingerprint::parse(text).map_err(|error| {
            Failure::usage("trust.fingerprint", "this is not a fingerprint")
                .side("reason", error)
                .now("a fingerprint is 16 groups of four hexadecimal digits; quote it when it has blanks")
        }),
        None => {
            let dir = files::trust_dir(trust).map_err(|failure| {
                failure.now("give --charter FINGERPRINT, from the operator or the supervisor, or --trust DIR")
            })?;
            Ok(load_pins(Some(&dir), unwitnessed)?.trust().charter)
        }
    }
}

/// The charter in force, as the log shows it and the pinned fingerprint vouches for it.
///
/// # Errors
/// The log cannot be asked, or what it shows does not go back to the fingerprint.
pub fn charter_in_force(
    remote: &impl Remote,
    policy: &Policy,
    pinned: &Fingerprint,
    now: u64,
) -> Result<Charter, Failure> {
    let answered: Answer = found::read(&remote.charter()?)?;
    let mut entry = answered.entry.proven(policy, &answered.checkpoint, now)?.event;
    let (newest, mut signed) = charter_of(&entry)?;
    let mut later = newest.clone();
    for _ in 0..CHARTER_VERSIONS_MAX {
        let Some(prev) = later.prev else {
            return if entry.id.0 == *pinned.event_id() { Ok(newest) } else { Err(other_charter(pinned, &entry)) };
        };
        let before = found::by_id(remote, policy, &prev, now)?;
        let missing = || not_a_chain(&later, format!("the log does not show the version before, event {prev}"));
        entry = before.ok_or_else(missing)?.event;
        let (charter, by) = charter_of(&entry)?;
        if charter.version + 1 != later.version {
            return Err(not_a_chain(&later, format!("version {} is event {}", charter.version, entry.id)));
        }
        check_signed(&charter.operator, "operator", &signed, &later)?;
        check_signed(&charter.supervisor, "supervisor", &signed, &later)?;
        (later, signed) = (charter, by);
    }
    Err(not_a_chain(&later, format!("there are more than {CHARTER_VERSIONS_MAX} versions")))
}

/// A sealer for the open epoch of `issuer`, at the place that the log names, to the readers of the charter in force.
///
/// # Errors
/// The log cannot be asked; the issuer is closed or has another key; the charter does not go back to the fingerprint.
pub fn sealer(
    remote: &impl Remote,
    policy: &Policy,
    pinned: &Fingerprint,
    issuer: &Name,
    key: &Seed,
    now: u64,
) -> Result<(Sealer, Standing), Failure> {
    let charter = charter_in_force(remote, policy, pinned, now)?;
    let answer = remote.issuer(issuer.as_str())?;
    let standing = Standing::read(&charter.origin, issuer.as_str(), &key.vkey(), &answer)?;
    // What is signed here goes on from it: a log that lies must not have us sign times that are still to come.
    if standing.next.recorded.get() > now.saturating_add(AHEAD_S) {
        return Err(Failure::new(
            Exit::NotYet,
            "sealing.clock",
            "the issuer's last event is of a time that is still to come",
        )
        .side("issuer", issuer)
        .side("the log says it was recorded", clock::show(standing.next.recorded.get()))
        .side("this machine's clock", clock::show(now))
        .now("set the clock of this machine if it is late; else ask the operator what the log shows there"));
    }
    if charter.readers.is_empty() {
        return Err(Failure::refused(
            "sealing.readers",
            "this log's charter names no reader, so nothing can be sealed",
        )
        .side("log", &charter.origin)
        .side("its types", charter.types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        .now("give the address of the log that takes accesses"));
    }
    let sealer = Sealer::new(
        key.clone(),
        charter.origin,
        issuer.clone(),
        standing.epoch,
        standing.opening.sites.first().cloned(),
        charter.readers,
        standing.next,
    );
    Ok((sealer, standing))
}

#[derive(Deserialize)]
struct Answer {
    checkpoint: String,
    #[serde(flatten)]
    entry: Entry,
}

/// What a charter says, and its event.
fn charter_of(event: &Event) -> Result<(Charter, Event), Failure> {
    match &event.statement.body {
        Body::Charter(charter) => Ok((Charter::clone(charter), event.clone())),
        _ => Err(Failure::refused("charter", "what the log shows as a charter is none")
            .side("type", event.statement.kind)
            .side("event", event.id)),
    }
}

/// `later` must carry a signature of the holder's key, or of its spare, that holds.
fn check_signed(before: &Holder, role: &str, event: &Event, later: &Charter) -> Result<(), Failure> {
    let message = pae(event.payload());
    let signed = |keyid: &str, verify: &dyn Fn(&[u8]) -> bool| {
        event.envelope.signatures.iter().any(|signature| signature.keyid == keyid && verify(&signature.sig))
    };
    let holds = std::iter::once(&before.vkey)
        .chain(&before.spare)
        .any(|vkey| signed(&vkey.keyid(), &|sig| vkey.verify(&message, sig)));
    if holds {
        return Ok(());
    }
    Err(not_a_chain(later, format!("it is not signed by the {role} of the version before, {}", before.vkey.keyid())))
}

fn not_a_chain(later: &Charter, why: String) -> Failure {
    Failure::new(Exit::Misbehaved, "charter.chain", "the log's charter does not go back to the pinned one")
        .side("version", later.version)
        .side("reason", why)
        .now("nothing is sealed to its readers; ask the operator and the supervisor")
}

fn other_charter(pinned: &Fingerprint, first: &Event) -> Failure {
    Failure::refused("charter.fingerprint", "this log has another charter than the one pinned")
        .side("fingerprint given", pinned)
        .side("the log's", Fingerprint::new(first.id.0))
        .now("check the address and the fingerprint; nothing is sealed to readers that nobody vouches for")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use vitrine_spec::hash::Hash;
    use vitrine_spec::words::Time;

    use super::*;
    use crate::event_file::{EventFile, Members, number};
    use crate::world::{NOW, World, event_key};

    fn in_force(world: &World) -> Result<Charter, Failure> {
        charter_in_force(world, &world.policy(), &world.fingerprint(), NOW)
    }

    /// A second version of the charter, signed by these.
    fn next(world: &World, signers: &[&str]) -> EventFile {
        let mut statement = world.event(0).statement().clone();
        let prev = world.event(0).id().hex();
        let predicate = statement.entry("predicate").unwrap();
        let hdr = predicate.entry("hdr").unwrap();
        hdr.set("seq", number(2));
        hdr.set("prev", prev.as_str().into());
        let body = predicate.entry("body").unwrap();
        body.set("version", number(2));
        body.set("prev", prev.as_str().into());
        body.set("sites", vitrine_spec::json::Value::Array(Vec::new()));
        let mut event = EventFile::unsigned(statement);
        for signer in signers {
            event.sign(&event_key(signer)).unwrap();
        }
        event
    }

    #[test]
    fn the_readers_are_those_of_the_pinned_charter() {
        let world = World::access();
        let names: Vec<String> = in_force(&world).unwrap().readers.into_iter().map(|reader| reader.name).collect();
        assert_eq!(names, ["supervisor-1", "vault-1"]);
        let other = Fingerprint::new(Hash::of(b"another charter"));
        let failure = charter_in_force(&world, &world.policy(), &other, NOW).unwrap_err();
        assert_eq!(failure.code, "charter.fingerprint");
    }

    #[test]
    fn a_later_version_counts_when_operator_and_supervisor_signed_it() {
        let world = World::access();
        world.plant(&next(&world, &["operator", "supervisor"]).leaf());
        assert_eq!(in_force(&world).unwrap().version, 2);
    }

    #[test]
    fn a_log_that_names_its_own_readers_is_not_believed() {
        for signers in [&["operator"][..], &["supervisor"], &["operator", "release"]] {
            let world = World::access();
            world.plant(&next(&world, signers).leaf());
            let failure = in_force(&world).unwrap_err();
            assert_eq!((failure.exit, failure.code.as_str()), (Exit::Misbehaved, "charter.chain"), "{signers:?}");
        }
        // A signature of the right name over other bytes.
        let world = World::access();
        let mut forged = next(&world, &["operator"]).envelope().clone();
        forged.add(event_key("supervisor").vkey().keyid(), [7; 64]);
        world.plant(&EventFile::of(forged).unwrap().leaf());
        assert_eq!(in_force(&world).unwrap_err().code, "charter.chain");
    }

    #[test]
    fn nothing_is_sealed_after_an_event_that_is_still_to_come() {
        let world = World::access();
        let name = Name::new("gateway").unwrap();
        let made = || sealer(&world, &world.policy(), &world.fingerprint(), &name, &event_key("gateway"), NOW);
        for (ahead, taken) in [(AHEAD_S, true), (AHEAD_S + 1, false)] {
            let time = Time::new(NOW + ahead);
            world.submit_signed(&made().unwrap().0.heartbeat(time, time).unwrap()).unwrap();
            assert_eq!(made().is_ok(), taken, "{ahead}");
        }
        let failure = made().unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::NotYet, "sealing.clock"));
    }

    #[test]
    fn sites_and_intervals_come_from_the_opening_that_the_issuer_signed() {
        let world = World::access();
        let answer = world.issuer("gateway").unwrap();
        let read = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            change(&mut answer);
            let (key, answer) = (event_key("gateway").vkey(), serde_json::to_vec(&answer).unwrap());
            Standing::read(crate::world::ORIGIN, "gateway", &key, &answer)
        };
        let standing = read(&|answer| answer["heartbeat_s"] = u64::MAX.into()).unwrap();
        assert_eq!(
            (standing.opening.sites.as_slice(), standing.opening.heartbeat_s),
            (&["CH-ZH-1".to_owned()][..], 3_600)
        );
        let opening = |field: &str, value: vitrine_spec::json::Value, signer: &str| {
            let mut statement = world.event(1).statement().clone();
            let predicate = statement.entry("predicate").unwrap();
            let part = if field == "sites" { "body" } else { "hdr" };
            predicate.entry(part).unwrap().set(field, value);
            let mut event = EventFile::unsigned(statement);
            event.sign(&event_key(signer)).unwrap();
            vitrine_spec::text::b64(&event.leaf())
        };
        let sites = || vitrine_spec::json::Value::Array(vec!["CH-BE-1".into()]);
        assert!(read(&|answer| answer["opened"]["leaf"] = opening("sites", sites(), "gateway").into()).is_ok());
        for (field, value, signer) in [
            ("sites", sites(), "operator"),
            ("origin", "example.com/other".into(), "gateway"),
            ("issuer", "release".into(), "gateway"),
            ("epoch", number(2), "gateway"),
        ] {
            let leaf = opening(field, value, signer);
            let failure = read(&|answer| answer["opened"]["leaf"] = leaf.clone().into()).unwrap_err();
            assert_eq!(failure.code, "issuers.malformed", "{field}");
        }
        let leaf = serde_json::Value::from(vitrine_spec::text::b64(&world.event(0).leaf()));
        assert!(read(&|answer| answer["opened"]["leaf"] = leaf.clone()).is_err(), "a charter");
        assert!(read(&|answer| answer["opened"] = serde_json::Value::Null).is_err());
    }

    #[test]
    fn a_sealer_needs_the_issuers_key_and_readers() {
        let world = World::access();
        let name = Name::new("gateway").unwrap();
        let refused = |world: &World, issuer: &Name, key: &str| {
            sealer(world, &world.policy(), &world.fingerprint(), issuer, &event_key(key), NOW).unwrap_err().code
        };
        assert_eq!(refused(&world, &name, "release"), "submit.key");
        let world = World::new();
        assert_eq!(refused(&world, &Name::new("release").unwrap(), "release"), "sealing.readers");
    }
}
