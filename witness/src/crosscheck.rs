//! The cross-check: what a log shows to others, compared with what it showed here (55-witness.md, D-25 to D-28).
//!
//! The log's own checkpoint and those that the peers show are fetched again and again; only bytes that the log signed count.
//! Two notes of one size need no proof; of two sizes the log's tiles have to explain both. Not here: what becomes of a
//! finding (`round`), how it is fetched (`fetch`).

use crate::fetch::{Fetch, FetchError, RemoteTiles};
use crate::limits::{CHECKED_AT_ONCE, CHECKED_IN_A_ROUND, EVIDENCE_LIST_BYTES_MAX, ROUNDS_APART};
use crate::logs::Logs;
use crate::round::{Finding, Found, forked};
use crate::witness::Witness;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use vitrine_spec::add_checkpoint::AddCheckpoint;
use vitrine_spec::checkpoint::{Origin, SignedCheckpoint};
use vitrine_spec::evidence::{Compared, Evidence, Judged, compare, with_proof};
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::{EVIDENCE_BYTES_MAX, NOTE_BYTES_MAX};
use vitrine_spec::proof::{BuildError, Tiles, consistency, root_from_tiles};
use vitrine_spec::tree::TreeSize;

/// Compares what one log shows to many.
pub struct CrossCheck {
    witness: Arc<Witness>,
    fetch: Fetch,
    feed: bool,
    /// How far the rounds have come in the list of logs.
    next: AtomicUsize,
}

impl CrossCheck {
    /// A cross-check with the witness's peers; `feed` cosigns what the logs publish without being asked [D-28].
    pub fn new(witness: Arc<Witness>, feed: bool) -> Result<CrossCheck, FetchError> {
        Ok(CrossCheck { witness, fetch: Fetch::new()?, feed, next: AtomicUsize::new(0) })
    }

    /// Rounds for ever, one after the other, so often; sooner when a log is refused for what a round could settle [D-25].
    pub async fn run(self: Arc<CrossCheck>, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.witness.asked_in_doubt() => {}
            }
            self.round().await;
            sleep(ROUNDS_APART).await;
        }
    }

    /// One round: the peers' evidence, then the logs, [`CHECKED_IN_A_ROUND`] of them in turn [D-25].
    pub async fn round(self: &Arc<CrossCheck>) {
        let logs = self.witness.logs();
        self.evidence(&logs).await;
        let mut origins: Vec<&str> = logs.origins().collect();
        origins.sort_unstable();
        let from = self.next.load(Ordering::Relaxed).checked_rem(origins.len()).unwrap_or(0);
        origins.rotate_left(from);
        origins.truncate(CHECKED_IN_A_ROUND);
        self.next.store(from + origins.len(), Ordering::Relaxed);
        let mut under_way = JoinSet::new();
        for origin in origins {
            while under_way.len() >= CHECKED_AT_ONCE {
                under_way.join_next().await;
            }
            let Ok(origin) = Origin::new(origin) else { continue };
            let (check, logs) = (Arc::clone(self), Arc::clone(&logs));
            under_way.spawn(async move { check.origin(origin, logs).await });
        }
        while under_way.join_next().await.is_some() {}
        self.witness.metrics().cross_checks.inc();
        self.witness.checked().store(self.witness.now(), Ordering::Relaxed);
    }

    /// Evidence that a peer has and this witness has not: it counts here when it verifies here [D-27].
    async fn evidence(&self, logs: &Arc<Logs>) {
        for peer in self.witness.peers().iter() {
            let Some(list) = self.get(&format!("{peer}/evidence"), EVIDENCE_LIST_BYTES_MAX).await else { continue };
            for hash in String::from_utf8_lossy(&list).lines().filter_map(|line| Hash::from_hex(line).ok()) {
                let Some(origin) = logs.of_hash(&hash) else { continue };
                if self.witness.standing(&hash).frozen {
                    continue;
                }
                let url = format!("{peer}/{}/evidence", hash.hex());
                let Some(bytes) = self.get(&url, EVIDENCE_BYTES_MAX).await else { continue };
                match Evidence::parse(&bytes) {
                    Ok(evidence) => self.tell(&origin, logs, Finding::Fork(evidence)).await,
                    Err(error) => self.failed(&format!("{url}: {error}")),
                }
            }
        }
    }

    async fn origin(self: &Arc<CrossCheck>, origin: Origin, logs: Arc<Logs>) {
        let hash = origin.hash();
        if self.witness.standing(&hash).frozen {
            return;
        }
        let url = logs.url(&origin).map(str::to_owned);
        let own = match &url {
            Some(url) => self.note(&format!("{url}/checkpoint"), &origin, &logs).await,
            None => None,
        };
        if let (true, Some(url), Some(own)) = (self.feed, &url, &own) {
            self.feed(&hash, url, own).await;
        }
        let mut notes: Vec<SignedCheckpoint> = own.into_iter().collect();
        for peer in self.witness.peers().iter() {
            notes.extend(self.note(&format!("{peer}/{}/checkpoint", hash.hex()), &origin, &logs).await);
        }
        let (check, runtime) = (Arc::clone(self), Handle::current());
        let compared =
            tokio::task::spawn_blocking(move || check.compare(&origin, &logs, url.as_deref(), notes, runtime));
        if let Err(error) = compared.await {
            tracing::error!("the cross-check ended: {error}");
        }
    }

    /// Compares all notes with the one cosigned, and tells what follows. For a thread that may wait.
    fn compare(
        &self,
        origin: &Origin,
        logs: &Arc<Logs>,
        url: Option<&str>,
        mut notes: Vec<SignedCheckpoint>,
        runtime: Handle,
    ) {
        let hash = origin.hash();
        let tell = |finding| {
            self.witness.tell(Found { origin: origin.clone(), logs: Arc::clone(logs), finding });
        };
        // The committer compares each with what was cosigned at its size, and finds a fork there without a proof.
        for note in &notes {
            let noted = self.witness.noted(&hash, note.size());
            if let Some(evidence) = noted.and_then(|noted| forked(compare(&noted, note))) {
                return tell(Finding::Fork(evidence));
            }
        }
        let standing = self.witness.standing(&hash);
        let head = standing.head.and_then(|head| self.witness.noted(&hash, head.size));
        let doubted = self.witness.doubted(&hash);
        let Some(head) = head else {
            // Nothing was cosigned: the notes of others are compared with each other alone.
            if let Some(evidence) = histories(&notes, |_, _, _| None).1 {
                tell(Finding::Fork(evidence));
            }
            return;
        };
        notes.retain(|note| self.witness.noted(&hash, note.size()).is_none());
        notes.splice(0..0, [head].into_iter().chain(doubted.clone()));
        let tiles = url.map(|url| RemoteTiles::new(self.fetch.clone(), runtime, url));
        let (with_head, fork) = histories(&notes, |from, to, root| {
            let tiles = tiles.as_ref()?;
            let proven = prove(tiles, from, to, root);
            proven.inspect_err(|error| tracing::debug!("{origin}: {error}")).ok().flatten()
        });
        if let Some(evidence) = fork {
            return tell(Finding::Fork(evidence));
        }
        let mut others = notes.iter().zip(with_head).skip(1);
        if let Some(doubted) = doubted
            && let Some((_, settled)) = others.next()
        {
            match settled {
                true => tell(Finding::Settled { size: doubted.size(), root: *doubted.root() }),
                false => return,
            }
        }
        // A log without an address cannot explain anything to anybody; nothing is held against it.
        if let Some((note, _)) = others.find(|(_, with_head)| !with_head && tiles.is_some()) {
            tell(Finding::Doubt(note.clone()));
        }
    }

    /// Cosigns what the log publishes, as if it had asked [D-28].
    async fn feed(&self, hash: &Hash, url: &str, own: &SignedCheckpoint) {
        let head = self.witness.standing(hash).head;
        if head.is_some_and(|head| head.size >= own.size()) {
            return;
        }
        let old = head.map_or(TreeSize::ZERO, |head| head.size);
        let tiles = RemoteTiles::new(self.fetch.clone(), Handle::current(), url);
        let new = own.size();
        let built = tokio::task::spawn_blocking(move || match old {
            TreeSize::ZERO => Ok(Vec::new()),
            old => consistency(&tiles, old, new),
        });
        match built.await {
            Ok(Ok(proof)) => {
                let body = AddCheckpoint { old, proof, checkpoint: own.clone() }.print();
                let answer = self.witness.add_checkpoint_async(body).await;
                if answer.status != 200 {
                    self.failed(&format!("{url}: {}", String::from_utf8_lossy(&answer.body).trim_end()));
                }
            }
            Ok(Err(error)) => self.failed(&error.to_string()),
            Err(error) => tracing::error!("the feeder ended: {error}"),
        }
    }

    /// A note of this log that is signed by it; a peer may show what it likes.
    async fn note(&self, url: &str, origin: &Origin, logs: &Logs) -> Option<SignedCheckpoint> {
        let bytes = self.get(url, NOTE_BYTES_MAX).await?;
        let keys = logs.keys(origin)?;
        let wrong = match SignedCheckpoint::parse(&bytes) {
            Err(error) => error.to_string(),
            Ok(note) if note.origin() != origin => format!("a checkpoint of {}, not of {origin}", note.origin()),
            Ok(note) => match note.verify_log(keys) {
                Err(error) => error.to_string(),
                Ok(_) => {
                    self.witness.metrics().notes.inc();
                    return Some(note);
                }
            },
        };
        self.failed(&format!("{url}: {wrong}"));
        None
    }

    async fn get(&self, url: &str, max: usize) -> Option<Vec<u8>> {
        match self.fetch.get(url, max).await {
            Ok(bytes) => Some(bytes),
            // A peer that cosigned nothing of a log has nothing to show.
            Err(FetchError::Status { status: 404, .. }) => None,
            Err(error) => {
                self.failed(&error.to_string());
                None
            }
        }
    }

    fn failed(&self, why: &str) {
        self.witness.metrics().failures.inc();
        tracing::debug!("cross-check: {why}");
    }

    async fn tell(&self, origin: &Origin, logs: &Arc<Logs>, finding: Finding) {
        let found = Found { origin: origin.clone(), logs: Arc::clone(logs), finding };
        let witness = Arc::clone(&self.witness);
        if let Err(error) = tokio::task::spawn_blocking(move || witness.tell(found)).await {
            tracing::error!("the cross-check ended: {error}");
        }
    }
}

/// Root of a smaller tree, and the proof that a larger one begins with it.
type Proven = (Hash, Vec<Hash>);

/// The root of the smaller tree and the proof between both, by tiles whose root at the larger size is the one given.
fn prove<T: Tiles>(
    tiles: &T,
    from: TreeSize,
    to: TreeSize,
    root: &Hash,
) -> Result<Option<Proven>, BuildError<T::Error>> {
    if root_from_tiles(tiles, to)? != *root {
        return Ok(None);
    }
    Ok(Some((root_from_tiles(tiles, from)?, consistency(tiles, from, to)?)))
}

/// Which notes are of one history with the first, and the first evidence that some are not of one.
///
/// `prove` gives root and proof of a smaller size in the tree of this larger size and root, where the log serves it.
fn histories(
    notes: &[SignedCheckpoint],
    mut prove: impl FnMut(TreeSize, TreeSize, &Hash) -> Option<Proven>,
) -> (Vec<bool>, Option<Evidence>) {
    let mut pairs = Vec::new();
    for (at, one) in notes.iter().enumerate() {
        for (with, other) in notes.iter().enumerate().skip(at + 1) {
            let (smaller, larger) = if one.size() <= other.size() { (one, other) } else { (other, one) };
            let judged = match compare(smaller, larger) {
                Err(_) => None,
                Ok(Compared::Same) => Some(Judged::Consistent),
                Ok(Compared::Forked(evidence)) => Some(Judged::Forked(evidence)),
                Ok(Compared::NeedsProof { from, to }) => {
                    prove(from, to, larger.root()).and_then(|(root, path)| with_proof(smaller, larger, root, path).ok())
                }
            };
            match judged {
                Some(Judged::Forked(evidence)) => return (vec![false; notes.len()], Some(*evidence)),
                Some(Judged::Consistent) => pairs.push((at, with)),
                None => {}
            }
        }
    }
    let mut with_first: Vec<bool> = (0..notes.len()).map(|at| at == 0).collect();
    for _ in 0..notes.len() {
        for pair in pairs.iter().map(|(one, other)| [*one, *other]) {
            if pair.iter().any(|at| with_first.get(*at) == Some(&true)) {
                for at in pair {
                    with_first.get_mut(at).into_iter().for_each(|place| *place = true);
                }
            }
        }
    }
    (with_first, None)
}
