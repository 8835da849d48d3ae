//! One round of the committer: what is decided about each request and finding, in their order (55-witness.md).
//!
//! Decides and plans records; nothing is written or signed here. Each is judged against the newest checkpoint of its origin,
//! those accepted a moment ago included [D-3]. Not here: the thread, the journal and the answers (`committer`).

use crate::answer::{Answer, NoSignature};
use crate::clock::{self, ClockError};
use crate::disk::Disk;
use crate::heads::{Doubt, Heads};
use crate::journal::{self, JournalError};
use crate::limits::DOUBT_S;
use crate::logs::Logs;
use crate::record::{Entry, Record};
use crate::request::{Verified, with_lines_of};
use std::collections::HashMap;
use std::sync::Arc;
use vitrine_spec::add_checkpoint::{Known, WitnessRefusal, accuses, check_growth};
use vitrine_spec::checkpoint::{Origin, SignedCheckpoint};
use vitrine_spec::evidence::{Compared, Evidence, EvidenceError, Forked, compare};
use vitrine_spec::hash::Hash;
use vitrine_spec::key::Vkey;
use vitrine_spec::tree::TreeSize;

/// What somebody else found out about a log, to be kept.
#[derive(Clone, Debug)]
pub struct Found {
    /// The log.
    pub origin: Origin,
    /// The list whose keys are trusted now.
    pub logs: Arc<Logs>,
    /// What was found.
    pub finding: Finding,
}

/// A finding.
#[derive(Clone, Debug)]
pub enum Finding {
    /// Two trees. Believed only when it verifies under the keys trusted now [D-22].
    Fork(Evidence),
    /// A note of the log that could not be reconciled with the one cosigned [D-23].
    Doubt(SignedCheckpoint),
    /// The tree of the note in doubt was proven to be of one history with the one cosigned [D-23].
    Settled {
        /// Size of that note.
        size: TreeSize,
        /// Its root.
        root: Hash,
    },
}

/// What was decided about one request.
pub(crate) enum Decision {
    /// No signature.
    No(Answer),
    /// The lines of an earlier answer: the same checkpoint in the same second [D-14].
    Again(String),
    /// The lines of [`Round::signed`] at this position.
    Sign(usize),
}

/// A checkpoint accepted in this round.
pub(crate) struct Signed {
    pub(crate) checkpoint: SignedCheckpoint,
    pub(crate) known: Known,
    pub(crate) time: u64,
    /// Position of its record.
    pub(crate) record: usize,
}

/// What this round says of an origin besides its newest checkpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Settled,
    Frozen,
}

/// The round being planned.
pub(crate) struct Round<'a> {
    heads: &'a Heads,
    disk: &'a dyn Disk,
    now: u64,
    /// Records to write, in this order; their counters come when they are written.
    pub(crate) records: Vec<Record>,
    /// Checkpoints to sign.
    pub(crate) signed: Vec<Signed>,
    /// Where in `signed` the newest checkpoint of an origin is.
    newest: HashMap<Hash, usize>,
    turns: HashMap<Hash, Turn>,
    /// The clock cannot be used.
    pub(crate) alarm: Option<ClockError>,
    /// A log was refused because a note of it is in doubt.
    pub(crate) in_doubt: bool,
}

/// Why a request is refused, and what it shows against its log.
struct Refused {
    reason: NoSignature,
    evidence: Option<Evidence>,
}

impl From<NoSignature> for Refused {
    fn from(reason: NoSignature) -> Refused {
        Refused { reason, evidence: None }
    }
}

impl<'a> Round<'a> {
    pub(crate) fn new(heads: &'a Heads, disk: &'a dyn Disk, now: u64) -> Round<'a> {
        Round {
            heads,
            disk,
            now,
            records: Vec::new(),
            signed: Vec::new(),
            newest: HashMap::new(),
            turns: HashMap::new(),
            alarm: None,
            in_doubt: false,
        }
    }

    /// Decides one request.
    pub(crate) fn ask(&mut self, verified: Verified) -> Result<Decision, JournalError> {
        match self.judge(&verified)? {
            Err(Refused { reason, evidence }) => {
                if let Some(evidence) = evidence {
                    self.freeze(verified.request.checkpoint.origin(), &verified.logs, &evidence);
                }
                Ok(Decision::No(reason.into()))
            }
            Ok((known, time)) => self.accept(verified, known, time),
        }
    }

    /// Takes a finding, when it still says something new.
    pub(crate) fn tell(&mut self, found: &Found) -> Result<(), JournalError> {
        let Found { origin, logs, finding } = found;
        let hash = origin.hash();
        if self.is_frozen(&hash) {
            return Ok(());
        }
        match finding {
            Finding::Fork(evidence) => self.freeze(origin, logs, evidence),
            Finding::Doubt(signed) => {
                let other = self.noted(&hash, signed.size())?.filter(|noted| noted.root() != signed.root());
                if let Some(evidence) = other.and_then(|noted| forked(compare(&noted, signed))) {
                    self.freeze(origin, logs, &evidence);
                } else if self.root(&hash, signed.size()).is_none() && self.doubt(&hash).is_none() {
                    let note = with_lines_of(signed, logs.keys(origin).unwrap_or_default());
                    tracing::warn!(
                        "{origin}: its note of size {} is not reconciled with what was cosigned; cosigning ends in {DOUBT_S} s \
                         unless it is",
                        signed.size()
                    );
                    let entry = Entry { counter: 0, origin: hash, time: self.now, note, cosignatures: String::new() };
                    self.records.push(Record::Doubt(entry));
                }
            }
            Finding::Settled { size, root } => self.settle(&hash, *size, root),
        }
        Ok(())
    }

    /// Frozen, growth, doubt, clock, in this order [W-11] [W-5] [W-6] [W-7] [D-23] [D-12]; the size and the time to sign.
    fn judge(&mut self, verified: &Verified) -> Result<Result<(Known, u64), Refused>, JournalError> {
        let (origin, checkpoint) = (verified.origin, &verified.request.checkpoint);
        if self.is_frozen(&origin) {
            return Ok(Err(NoSignature::Frozen { origin }.into()));
        }
        let ahead = self.newest.get(&origin).and_then(|at| self.signed.get(*at));
        let head = self.heads.get(&origin);
        let known = ahead.map(|new| new.known).or(head.map(|head| Known { size: head.size, root: head.root }));
        let last_of_origin = ahead.map(|new| new.time).or(head.map(|head| head.time)).unwrap_or(0);
        let known = match check_growth(&verified.request, known.as_ref()) {
            Ok(known) => known,
            Err(refusal) => {
                report(&refusal, verified);
                let evidence = self.accusation(verified, &refusal, known)?;
                return Ok(Err(Refused { reason: NoSignature::Refused(refusal), evidence }));
            }
        };
        if let Some(doubt) = self.doubt(&origin) {
            let Doubt { since, noted } = *doubt;
            if noted.size == known.size && noted.root != known.root {
                let other = self.read(noted.place)?;
                let evidence = other.and_then(|other| forked(compare(&other, checkpoint)));
                return Ok(Err(Refused { reason: NoSignature::Frozen { origin }, evidence }));
            }
            if noted.size == known.size {
                self.settle(&origin, known.size, &known.root);
            } else if self.now.saturating_sub(since) >= DOUBT_S {
                self.in_doubt = true;
                return Ok(Err(NoSignature::Unreconciled { origin, size: noted.size }.into()));
            }
        }
        if let Err(error) = clock::check(self.now, self.heads.last_signed()) {
            self.alarm = Some(error);
            return Ok(Err(NoSignature::Clock(error).into()));
        }
        Ok(Ok((known, clock::time_of(self.now, last_of_origin))))
    }

    /// What a refused request shows against its log: another root at a size that is known, or a proof from another tree.
    fn accusation(
        &self,
        verified: &Verified,
        refusal: &WitnessRefusal,
        known: Option<Known>,
    ) -> Result<Option<Evidence>, JournalError> {
        let (origin, checkpoint) = (&verified.origin, &verified.request.checkpoint);
        let size = checkpoint.size();
        if self.root(origin, size).is_some_and(|root| root != *checkpoint.root()) {
            return Ok(self.noted(origin, size)?.and_then(|noted| forked(compare(&noted, checkpoint))));
        }
        match (refusal, known) {
            (WitnessRefusal::EmptyRoot { .. }, _) => Ok(forked(compare(checkpoint, checkpoint))),
            (WitnessRefusal::Proof(_), Some(known)) => {
                Ok(self.noted(origin, known.size)?.and_then(|noted| accuses(&verified.request, &noted)))
            }
            _ => Ok(None),
        }
    }

    fn accept(&mut self, verified: Verified, known: Known, time: u64) -> Result<Decision, JournalError> {
        let Verified { request, origin, note, logs: _ } = verified;
        let checkpoint = request.checkpoint;
        let same = |entry: &Entry| entry.time == time && is_of(entry, checkpoint.text());
        match self.newest.get(&origin) {
            Some(at) => {
                let waits = self.signed.get(*at).and_then(|new| self.records.get(new.record));
                if matches!(waits, Some(Record::Cosigned(entry)) if same(entry)) {
                    return Ok(Decision::Sign(*at));
                }
            }
            None => {
                let head = self.heads.get(&origin).filter(|head| head.size == known.size && head.time == time);
                if let Some(head) = head
                    && let Record::Cosigned(entry) = journal::read(self.disk, head.place)?
                    && same(&entry)
                {
                    return Ok(Decision::Again(entry.cosignatures)); // [D-14]
                }
            }
        }
        let record = self.records.len();
        self.records.push(Record::Cosigned(Entry { counter: 0, origin, time, note, cosignatures: String::new() }));
        self.newest.insert(origin, self.signed.len());
        self.signed.push(Signed { checkpoint, known, time, record });
        Ok(Decision::Sign(self.signed.len() - 1))
    }

    /// Plans the record that freezes a log, when the evidence verifies under the keys trusted now [D-22].
    fn freeze(&mut self, origin: &Origin, logs: &Logs, evidence: &Evidence) {
        let keys = logs.keys(origin).unwrap_or_default();
        let (forked, reduced) = match judged(evidence, keys) {
            Ok((forked, reduced)) if forked.origin == *origin => (forked, reduced),
            Ok((forked, _)) => {
                return tracing::warn!("evidence about {} was given for {origin}", forked.origin);
            }
            Err(error) => return tracing::warn!("{origin}: evidence that does not verify: {error}"),
        };
        if self.is_frozen(&origin.hash()) {
            return;
        }
        let ((first, one), (second, other)) = (forked.first, forked.second);
        tracing::error!(
            "ALARM: {origin} showed two trees: size {first} with root {one}, and size {second} with root {other}; it is frozen \
             here, nothing of it is cosigned any more"
        );
        self.turns.insert(origin.hash(), Turn::Frozen);
        self.records.push(Record::Frozen {
            counter: 0,
            origin: origin.hash(),
            time: self.now,
            evidence: reduced.print(),
        });
    }

    fn settle(&mut self, origin: &Hash, size: TreeSize, root: &Hash) {
        let doubt = self.doubt(origin).map(|doubt| doubt.noted);
        if doubt.is_some_and(|noted| noted.size == size && noted.root == *root) {
            self.turns.insert(*origin, Turn::Settled);
            self.records.push(Record::Settled { counter: 0, origin: *origin });
        }
    }

    fn is_frozen(&self, origin: &Hash) -> bool {
        self.turns.get(origin) == Some(&Turn::Frozen) || self.heads.frozen(origin).is_some()
    }

    /// The doubt that stands; one of this very round is not seen before the next.
    fn doubt(&self, origin: &Hash) -> Option<&Doubt> {
        self.heads.doubt(origin).filter(|_| !self.turns.contains_key(origin))
    }

    /// The root of a tree that was cosigned, of this round or earlier.
    fn root(&self, origin: &Hash, size: TreeSize) -> Option<Hash> {
        let of_round = self.of_round(origin, size).map(|checkpoint| *checkpoint.root());
        of_round.or_else(|| self.heads.noted(origin, size).map(|noted| noted.root))
    }

    /// The note of a tree that was cosigned, of this round or earlier.
    fn noted(&self, origin: &Hash, size: TreeSize) -> Result<Option<SignedCheckpoint>, JournalError> {
        match (self.of_round(origin, size), self.heads.noted(origin, size)) {
            (Some(checkpoint), _) => Ok(Some(checkpoint.clone())),
            (None, Some(noted)) => self.read(noted.place),
            (None, None) => Ok(None),
        }
    }

    fn of_round(&self, origin: &Hash, size: TreeSize) -> Option<&SignedCheckpoint> {
        self.newest.get(origin)?;
        let is = |new: &&Signed| new.known.size == size && new.checkpoint.origin().hash() == *origin;
        self.signed.iter().find(is).map(|new| &new.checkpoint)
    }

    fn read(&self, place: journal::Place) -> Result<Option<SignedCheckpoint>, JournalError> {
        Ok(match journal::read(self.disk, place)? {
            Record::Cosigned(entry) | Record::Confirmed(entry) | Record::Doubt(entry) => {
                SignedCheckpoint::parse(entry.note.as_bytes()).ok()
            }
            _ => None,
        })
    }
}

/// The evidence that two notes are without a proof.
pub(crate) fn forked(compared: Result<Compared, EvidenceError>) -> Option<Evidence> {
    match compared {
        Ok(Compared::Forked(evidence)) => Some(*evidence),
        Ok(Compared::Same | Compared::NeedsProof { .. }) | Err(_) => None,
    }
}

/// What evidence shows under these keys, and the same file with the log's lines alone: others would fill the journal [D-17].
fn judged(evidence: &Evidence, keys: &[Vkey]) -> Result<(Forked, Evidence), EvidenceError> {
    let forked = evidence.verify(keys)?;
    let reduced = |note: &SignedCheckpoint| SignedCheckpoint::parse(with_lines_of(note, keys).as_bytes());
    let first = reduced(evidence.first()).map_err(EvidenceError::First)?;
    let second = evidence.second().map(reduced).transpose().map_err(EvidenceError::Second)?;
    Ok((forked, Evidence::new(first, second, evidence.proof().cloned())?))
}

/// A known log that shows something it could not show by mistake alone is worth an operator's look.
fn report(refusal: &WitnessRefusal, verified: &Verified) {
    let origin = verified.request.checkpoint.origin();
    match refusal {
        WitnessRefusal::EmptyRoot { .. } | WitnessRefusal::Proof(_) | WitnessRefusal::OtherRoot { .. } => {
            tracing::warn!("{origin} showed a signed checkpoint that does not continue the one cosigned: {refusal}");
        }
        WitnessRefusal::Malformed(_)
        | WitnessRefusal::UnknownOrigin(_)
        | WitnessRefusal::Unsigned(_)
        | WitnessRefusal::OldAboveSize { .. }
        | WitnessRefusal::Stale { .. } => tracing::debug!("{origin}: {refusal}"),
    }
}

/// True when the note is a checkpoint with exactly this text; cosignatures cover nothing else of it.
fn is_of(entry: &Entry, text: &str) -> bool {
    entry.note.strip_prefix(text).is_some_and(|lines| lines.starts_with('\n'))
}
