//! Everything that a witness says of itself, at one moment: for the page, for `/status` and for `witness status` (D-29).
//!
//! Read from memory alone. Not here: how it is shown (`page`, `http`, `cli`).

use crate::limits::DOUBT_S;
use crate::witness::Witness;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

/// How one log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing of it was cosigned.
    New,
    /// It grows.
    Open,
    /// Another note of it is not reconciled yet.
    Doubted {
        /// When it was first seen.
        since: u64,
    },
    /// For so long that nothing is cosigned [D-23].
    Unreconciled {
        /// When it was first seen.
        since: u64,
    },
    /// It showed two trees [D-22].
    Frozen,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its origin line.
    pub origin: String,
    /// SHA-256 of it.
    pub hash: Hash,
    /// Size of the newest cosigned checkpoint.
    pub size: Option<TreeSize>,
    /// Its root.
    pub root: Option<Hash>,
    /// When it was cosigned last.
    pub time: Option<u64>,
    /// How it stands.
    pub state: State,
}

/// A witness at one moment.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// Its keys.
    pub vkeys: Vec<String>,
    /// What the clock says.
    pub now: u64,
    /// Why it signs nothing, when it does not.
    pub not_signing: Option<String>,
    /// Logs of `--logs`.
    pub logs: usize,
    /// Of which something was cosigned.
    pub cosigned: usize,
    /// Of which there is evidence.
    pub frozen: usize,
    /// Of which a note is not reconciled for too long.
    pub unreconciled: usize,
    /// Latest time of a cosignature; 0: none.
    pub last_signed: u64,
    /// When the last round of the cross-check ended.
    pub checked: Option<u64>,
    /// With whom it compares.
    pub peers: Vec<String>,
    /// The logs, those with something to say first, then by the time of the last cosignature.
    pub shown: Vec<Shown>,
}

impl Overview {
    /// What this witness knows now, with at most `most` logs.
    pub fn of(witness: &Witness, most: usize) -> Overview {
        let (now, logs) = (witness.now(), witness.logs());
        let mut shown: Vec<Shown> = logs
            .hashes()
            .map(|(hash, origin)| {
                let standing = witness.standing(hash);
                let state = match (standing.frozen, standing.doubt, standing.head) {
                    (true, ..) => State::Frozen,
                    (false, Some(doubt), _) if now.saturating_sub(doubt.since) >= DOUBT_S => {
                        State::Unreconciled { since: doubt.since }
                    }
                    (false, Some(doubt), _) => State::Doubted { since: doubt.since },
                    (false, None, Some(_)) => State::Open,
                    (false, None, None) => State::New,
                };
                Shown {
                    origin: origin.to_owned(),
                    hash: *hash,
                    size: standing.head.map(|head| head.size),
                    root: standing.head.map(|head| head.root),
                    time: standing.head.map(|head| head.time),
                    state,
                }
            })
            .collect();
        let count = |is: fn(&State) -> bool| shown.iter().filter(|log| is(&log.state)).count();
        let frozen = count(|state| *state == State::Frozen);
        let unreconciled = count(|state| matches!(state, State::Unreconciled { .. }));
        let cosigned = shown.iter().filter(|log| log.size.is_some()).count();
        let rank = |log: &Shown| match log.state {
            State::Frozen => 0,
            State::Unreconciled { .. } => 1,
            State::Doubted { .. } => 2,
            State::Open | State::New => 3,
        };
        shown.sort_by(|a, b| (rank(a), b.time, &a.origin).cmp(&(rank(b), a.time, &b.origin)));
        shown.truncate(most);
        let not_signing = match (witness.fatal(), witness.health()) {
            (Some(fatal), _) => Some(fatal.to_string()),
            (None, Err(error)) => Some(error.to_string()),
            (None, Ok(())) => None,
        };
        Overview {
            name: witness.keys().name().to_owned(),
            vkeys: witness.keys().vkeys().iter().map(ToString::to_string).collect(),
            now,
            not_signing,
            logs: logs.len(),
            cosigned,
            frozen,
            unreconciled,
            last_signed: witness.last_signed(),
            checked: Some(witness.checked().load(Ordering::Relaxed)).filter(|at| *at > 0),
            peers: witness.peers().to_vec(),
            shown,
        }
    }

    /// The same for programs.
    pub fn status(&self) -> Status {
        let of = |is: fn(&State) -> bool| {
            self.shown.iter().filter(|log| is(&log.state)).map(|log| log.origin.clone()).collect()
        };
        Status {
            name: self.name.clone(),
            now: self.now,
            not_signing: self.not_signing.clone(),
            logs: self.logs as u64,
            cosigned: self.cosigned as u64,
            last_signed: self.last_signed,
            checked: self.checked.unwrap_or(0),
            peers: self.peers.len() as u64,
            frozen_logs: self.frozen as u64,
            unreconciled_logs: self.unreconciled as u64,
            frozen: of(|state| *state == State::Frozen),
            unreconciled: of(|state| matches!(state, State::Unreconciled { .. })),
        }
    }
}

/// What `/status` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What the clock says, seconds since 1970.
    pub now: u64,
    /// Why it signs nothing, when it does not.
    pub not_signing: Option<String>,
    /// Logs of `--logs`.
    pub logs: u64,
    /// Of which something was cosigned.
    pub cosigned: u64,
    /// Latest time of a cosignature; 0: none.
    pub last_signed: u64,
    /// When the last round of the cross-check ended; 0: none did.
    pub checked: u64,
    /// With how many others it compares.
    pub peers: u64,
    /// How many logs are frozen.
    pub frozen_logs: u64,
    /// How many are not reconciled.
    pub unreconciled_logs: u64,
    /// The origins of those that are frozen, the first of them.
    pub frozen: Vec<String>,
    /// The origins of those that are not reconciled, the first of them.
    pub unreconciled: Vec<String>,
}
