//! Beginning a log: entry 0 is its charter [S-17] (85-log.md, "Begin and check").
//!
//! Not here: making keys (`keys`), opening (`open`), which writes the first tiles from the stage.

use vitrine_spec::admission;
use vitrine_spec::envelope::EventId;
use vitrine_spec::hash::empty_root;
use vitrine_spec::refusal::Refusal;
use vitrine_spec::state::State;
use vitrine_spec::tree::TreeSize;

use crate::batch::{self, Item, Tip};
use crate::fold;
use crate::head::{Head, NO_STAGE, Stage};
use crate::keys::LogKeys;
use crate::layout;
use crate::log::{SignedHead, sign};
use crate::open::{OpenError, delete_all, read_checkpoint};
use crate::settle::Fatal;
use crate::stop::Stop;
use crate::store::{Store, StoreError};
use crate::time::Time;

/// Why a log was not begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InitError {
    /// The store failed.
    #[error("{0}; {advice}", advice = .0.advice())]
    Store(#[from] StoreError),
    /// Signing failed, or the charter is no entry.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// There is a log already.
    #[error("{place} holds a log already: nothing was changed")]
    Begun {
        /// The folder.
        place: String,
    },
    /// The folder holds something else, or what remains of a log.
    #[error("{place} holds {beside}, which no interrupted init leaves: take an empty folder; nothing was changed")]
    NotEmpty {
        /// The folder.
        place: String,
        /// What is there.
        beside: String,
    },
    /// What an interrupted init left is of another log.
    #[error("an init was interrupted here: {0}")]
    Other(OpenError),
    /// The charter is refused.
    #[error("the charter is refused ({code}): {0}", code = .0.code())]
    Charter(Refusal),
    /// The charter is of another log, or names other keys [S-17].
    #[error("the charter names the {what} {got}, the key folder has {want}")]
    Key {
        /// Which key.
        what: &'static str,
        /// In the charter.
        got: String,
        /// In the key folder.
        want: String,
    },
}

impl InitError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            InitError::Store(error) => error.stop(),
            InitError::Fatal(error) => error.stop(),
            InitError::Begun { .. } | InitError::NotEmpty { .. } => Stop::FolderTaken,
            InitError::Other(error) => error.stop(),
            InitError::Charter(_) | InitError::Key { .. } => Stop::Charter,
        }
    }
}

/// What was begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The charter's event_id: its groups of four digits are the fingerprint to pin.
    pub charter: EventId,
    /// The first head, of size 1.
    pub head: SignedHead,
}

/// Begins a log with a charter's envelope, in any spelling of it: checks signatures and keys, and writes entry 0 [S-17].
/// The caller has locked both folders and claimed the data folder.
pub fn init(store: &dyn Store, keys: &LogKeys, charter: &[u8], now: Time) -> Result<Begun, InitError> {
    let mut state = State::default();
    let draft = admission::read_envelope(charter, keys.origin()).map_err(InitError::Charter)?;
    let leaf = draft.parse(&state).map_err(InitError::Charter)?.leaf();
    let event = fold::one(&mut state, keys.origin(), &leaf, Some(now)).map_err(InitError::Charter)?;
    check_keys(&state, keys)?;
    Ok(Begun { charter: event.id, head: begin(store, keys, leaf, now)? })
}

/// The charter names exactly the keys of the key folder.
fn check_keys(state: &State, keys: &LogKeys) -> Result<(), InitError> {
    // The fold accepted entry 0, so there is a charter.
    let Some(in_force) = &state.charter else { return Ok(()) };
    let charter = &in_force.charter;
    let [ed25519, mldsa] = keys.log_vkeys();
    let of_charter = charter.log_keys.iter().map(ToString::to_string);
    for ((what, want), got) in
        [("Ed25519 log key", &ed25519), ("ML-DSA-44 log key", &mldsa)].into_iter().zip(of_charter)
    {
        if got != want.to_string() {
            return Err(InitError::Key { what, got, want: want.to_string() });
        }
    }
    let (got, want) = (charter.vault.vkey.to_string(), keys.vault_vkey().to_string());
    if got != want {
        return Err(InitError::Key { what: "vault key", got, want });
    }
    Ok(())
}

/// Begins a log with this first entry, whatever it is. `head` comes last: a stop before it leaves nothing that opens,
/// and `begin` again starts over [S-17].
pub fn begin(store: &dyn Store, keys: &LogKeys, leaf: Vec<u8>, now: Time) -> Result<SignedHead, InitError> {
    clear_interrupted(store, keys)?;
    let base = (TreeSize::ZERO, empty_root());
    let empty = sign(keys, base.0, base.1, now)?;
    let batch = batch::build(&Tip::empty(), &[Item::of_leaf(leaf)]).map_err(Fatal::from)?;
    let head = sign(keys, batch.tip.size(), batch.tip.root(), now)?;
    let stage = Stage { previous: NO_STAGE, base, new: (head.size, head.root), objects: batch.objects };
    let stage = stage.encode();
    store.put(layout::CHECKPOINT, &empty.note)?;
    store.put(&layout::stage(head.size), &stage)?;
    let stage = vitrine_spec::hash::Hash::of(&stage);
    store.put(layout::HEAD, &Head { stage, note: head.note.clone() }.encode())?;
    Ok(head)
}

/// Refuses a folder that holds more than an interrupted init leaves: a checkpoint of size 0 and a stage, never a head.
fn clear_interrupted(store: &dyn Store, keys: &LogKeys) -> Result<(), InitError> {
    if store.read(layout::HEAD)?.is_some() {
        return Err(InitError::Begun { place: store.place() });
    }
    let first_stage = layout::stage(TreeSize::new(1));
    let stages: Vec<String> =
        store.list(layout::STAGE_FOLDER)?.into_iter().map(|name| layout::join(layout::STAGE_FOLDER, &name)).collect();
    let not_empty = |beside: String| InitError::NotEmpty { place: store.place(), beside };
    for name in store.list("")? {
        match name.trim_end_matches('/') {
            layout::CHECKPOINT | layout::MACHINE | layout::LOCK | layout::TEMPORARY_FOLDER | layout::STAGE_FOLDER => {}
            _ => return Err(not_empty(name)),
        }
    }
    if let Some(other) = stages.into_iter().find(|stage| *stage != first_stage) {
        return Err(not_empty(other));
    }
    if let Some(bytes) = store.read(layout::CHECKPOINT)? {
        let checkpoint = read_checkpoint(&bytes, keys.vkeys()).map_err(InitError::Other)?;
        if checkpoint.size != TreeSize::ZERO {
            return Err(not_empty(format!("a checkpoint of size {}", checkpoint.size)));
        }
    }
    Ok(delete_all(store, layout::TEMPORARY_FOLDER)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::fake::{Actor, ORIGIN, charter};
    use crate::store::{Files, OsDisk};

    #[test]
    fn a_charter_of_other_keys_or_with_a_bad_signature_begins_nothing() {
        // [S-17]
        let folder = tempfile::tempdir().unwrap();
        let keys = |name: &str| LogKeys::generate(&folder.path().join(name), ORIGIN, None).unwrap();
        let (ours, others) = (keys("ours"), keys("others"));
        let store = Files::new(OsDisk::create(&folder.path().join("data")).unwrap());
        let (mut operator, supervisor) = (Actor::new("operator", 21), Actor::new("supervisor", 22));
        let foreign = charter(&others, &mut operator, &supervisor)["envelope"].to_string();
        let refused = init(&store, &ours, foreign.as_bytes(), Time::now()).unwrap_err();
        assert!(matches!(refused, InitError::Key { what: "Ed25519 log key", .. }), "{refused}");

        let mut operator = Actor::new("operator", 21);
        let mut own = charter(&ours, &mut operator, &supervisor)["envelope"].clone();
        let whole = own.to_string();
        own["signatures"][1]["sig"] = own["signatures"][0]["sig"].clone();
        let refused = init(&store, &ours, own.to_string().as_bytes(), Time::now()).unwrap_err();
        assert!(matches!(&refused, InitError::Charter(refusal) if refusal.code() == "signature"), "{refused}");
        let refused = init(&store, &ours, b"{}", Time::now()).unwrap_err();
        assert!(matches!(&refused, InitError::Charter(refusal) if refusal.code() == "malformed"), "{refused}");
        assert_eq!(store.list("").unwrap(), Vec::<String>::new(), "nothing was written");

        let begun = init(&store, &ours, whole.as_bytes(), Time::now()).unwrap();
        assert_eq!(begun.head.size, TreeSize::new(1));
        let again = init(&store, &ours, whole.as_bytes(), Time::now()).unwrap_err();
        assert!(matches!(again, InitError::Begun { .. }), "{again}");
    }
}
