//! The state of a log from its entries: read them all, check the root, fold admission (design.md 6).
//!
//! Nothing that the log says about itself is believed beside the checkpoint: issuers and streams are those that the charter's
//! keys opened. Everything is in memory, which fits a log that people read. Not here: a copy on disk, findings (`audit`).

use std::collections::BTreeMap;
use std::sync::Arc;

use vitrine_spec::admission::{self, Logged, Query};
use vitrine_spec::body::charter::Role;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::state::{Opened, State};
use vitrine_spec::statement::Kind;
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};
use vitrine_spec::words::Name;

use crate::answer;
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::http::{HttpError, Log};
use crate::limits::{BUNDLE_BYTES_MAX, PARALLEL_READS};
use crate::output::Out;

/// Where bundles come from: the network, or memory in tests.
pub trait Bundles {
    /// These bundles in order, `None` where the log has none.
    fn read(&self, bundles: &[BundleId]) -> Result<Vec<Option<Vec<u8>>>, HttpError>;
}

impl Bundles for Log {
    fn read(&self, bundles: &[BundleId]) -> Result<Vec<Option<Vec<u8>>>, HttpError> {
        let wants: Vec<(String, u64)> = bundles.iter().map(|bundle| (bundle.path(), BUNDLE_BYTES_MAX)).collect();
        self.get_many(&wants, || ())
    }
}

/// Folds the entries that a checkpoint covers; the caller has judged the checkpoint. `read` is told each bundle's entries.
pub fn replay(source: &impl Bundles, signed: &SignedCheckpoint, read: impl Fn(u64)) -> Result<State, Failure> {
    let size = signed.size();
    // A few at a time: the log says how large it is, and a list of all its bundles could be larger than memory.
    let mut ids = (0..size.get().div_ceil(256)).filter_map(|index| BundleId::at(index, size));
    let mut frontier = Frontier::new();
    let mut leaves: Vec<Vec<u8>> = Vec::new();
    loop {
        let chunk: Vec<BundleId> = ids.by_ref().take(PARALLEL_READS).collect();
        if chunk.is_empty() {
            break;
        }
        for (id, bytes) in chunk.iter().zip(source.read(&chunk)?) {
            let entries = bytes
                .ok_or_else(|| misbehaved(signed, format!("it does not serve {}", id.path())))
                .and_then(|bytes| {
                    decode_bundle(&bytes, id.width())
                        .map_err(|error| misbehaved(signed, format!("{}: {error}", id.path())))
                })?;
            read(entries.len() as u64);
            for entry in entries {
                frontier.push(leaf_hash(&entry));
                leaves.push(entry);
            }
        }
    }
    if frontier.root() != *signed.root() {
        let why =
            format!("its {size} entries have the root {}, its checkpoint says {}", frontier.root(), signed.root());
        return Err(misbehaved(signed, why));
    }
    let mut state = State::default();
    let mut seen = Seen::default();
    for (index, leaf) in (0..).map(LeafIndex::new).zip(&leaves) {
        let event =
            admission::fold(&mut state, leaf, signed.origin(), |query| seen.look(query)).map_err(|refusal| {
                misbehaved(signed, format!("entry {index} must not be there ({}): {refusal}", refusal.code()))
            })?;
        seen.add(index, event);
    }
    if state.size() == size {
        Ok(state)
    } else {
        Err(misbehaved(signed, format!("folding gives size {}", TreeSize::new(leaves.len() as u64))))
    }
}

/// The current checkpoint, judged, and the state that its entries give.
pub fn current(log: &Log, policy: &Policy, out: &Out) -> Result<(SignedCheckpoint, State), Failure> {
    let note = log.checkpoint()?;
    let (signed, _) = answer::checkpoint(policy, &note, clock::now())?;
    let bar = out.progress(signed.size().get(), "reading entries");
    let state = replay(log, &signed, |entries| bar.inc(entries))?;
    bar.finish_and_clear();
    Ok((signed, state))
}

/// Types that an issuer may log, by its opening or its role.
pub fn types_of(state: &State, name: &str, opened: &Opened) -> Vec<String> {
    match &opened.open {
        Some(open) => open.types.keys().map(|kind| kind.name().to_owned()).collect(),
        None => {
            let kinds = Role::of(name).map(Role::kinds).unwrap_or_default();
            let taken = |kind: &Kind| state.charter.as_ref().is_some_and(|in_force| in_force.charter.takes(*kind));
            kinds.iter().filter(|kind| taken(kind)).map(|kind| kind.name().to_owned()).collect()
        }
    }
}

fn misbehaved(signed: &SignedCheckpoint, why: String) -> Failure {
    Failure::new(Exit::Misbehaved, "log.entries", "the log does not serve what its checkpoint covers")
        .side("log", signed.origin())
        .side("found", why)
        .now("tell the supervisor and the witnesses; `audit` keeps a copy and names everything")
}

/// The entries so far, by what later ones ask for.
#[derive(Default)]
struct Seen {
    by_id: BTreeMap<EventId, Logged>,
    by_place: BTreeMap<(Name, u32, u64), Logged>,
}

impl Seen {
    fn look(&self, query: &Query) -> Option<Logged> {
        match query {
            Query::Id(id) => self.by_id.get(id).cloned(),
            Query::At(issuer, epoch, seq) => self.by_place.get(&(issuer.clone(), *epoch, *seq)).cloned(),
            Query::Attachment(_) => None,
        }
    }

    fn add(&mut self, index: LeafIndex, event: Arc<Event>) {
        let logged = Logged { index, event: Arc::clone(&event) };
        if let Some(place) = event.statement.header.place() {
            self.by_place.insert((place.issuer, place.epoch, place.seq), logged.clone());
        }
        self.by_id.insert(event.id, logged);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::place::Place;
    use crate::world::{World, event_key, update};

    fn placed(world: &World, version: u32, sign: bool) -> Vec<u8> {
        let place = Place::read("release", &crate::batch::Remote::issuer(world, "release").unwrap());
        let mut event = place.unwrap().put(&update(version, &[]), false).unwrap();
        event.sign(&event_key(if sign { "release" } else { "operator" })).unwrap();
        event.leaf()
    }

    /// A source that serves one entry otherwise, or none.
    struct Bent<'a>(&'a World, Option<Vec<u8>>);

    impl Bundles for Bent<'_> {
        fn read(&self, bundles: &[BundleId]) -> Result<Vec<Option<Vec<u8>>>, HttpError> {
            let mut read = self.0.read(bundles)?;
            read[0] = self.1.clone();
            Ok(read)
        }
    }

    #[test]
    fn the_state_follows_from_the_entries() {
        let world = World::new();
        world.append(&placed(&world, 1, true)).unwrap();
        let state = replay(&world, &world.signed(), |_| ()).unwrap();
        assert_eq!(state.records(), world.state.borrow().records());
        let opened: Vec<String> = state.epochs().map(|((name, _), _)| name.to_string()).collect();
        assert_eq!(opened, ["operator", "release", "supervisor", "vault"]);
        let release = state.epochs().find(|((name, _), _)| name.as_str() == "release").unwrap();
        assert_eq!(types_of(&state, "release", release.1), ["update"]);
    }

    #[test]
    fn what_the_log_withholds_changes_or_should_not_hold_is_named() {
        let world = World::new();
        let signed = world.signed();
        let all = world.read(&[BundleId::at(0, signed.size()).unwrap()]).unwrap().remove(0).unwrap();
        let mut flipped = all.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for (bundle, what) in [
            (None, "does not serve"),
            (Some(flipped), "root"),
            (Some(all[..all.len() - 1].to_vec()), "tile/entries/000.p/2"),
        ] {
            let failure = replay(&Bent(&world, bundle), &signed, |_| ()).unwrap_err();
            assert_eq!((failure.exit, failure.code.as_str()), (Exit::Misbehaved, "log.entries"));
            assert!(failure.to_string().contains(what), "{failure}");
        }
        // The tree is as signed, and one of its entries is signed by the wrong key.
        world.plant(&placed(&world, 1, false));
        let failure = replay(&world, &world.signed(), |_| ()).unwrap_err();
        assert!(failure.to_string().contains("entry 2 must not be there (signer-set)"), "{failure}");
    }
}
