//! The records of the index: keys, the sum over all of them, runs of chains [S-15], [S-16] (85-log.md, "Index").
//!
//! Reads sled, and never writes it. Not here: what guards against it (`index`).

use std::collections::BTreeMap;

use vitrine_spec::hash::Hash;
use vitrine_spec::state::State;
use vitrine_spec::statement::{Digests, Kind};
use vitrine_spec::tree::{LeafIndex, TreeSize};

/// The record that says what the others cover.
pub(super) const META: &[u8] = b"m";
/// Records of the state, as `vitrine_spec::state` spells them.
pub(super) const STATE: u8 = b's';
/// event_id → index.
pub(super) const ID: u8 = b'e';
/// issuer ‖ 0x00 ‖ epoch ‖ seq → first index, count.
const RUN: u8 = b'p';
/// SHA-256 of a subject ‖ index.
pub(super) const DIGEST: u8 = b'd';
/// purl ‖ 0x00 ‖ index.
pub(super) const PURL: u8 = b'u';
/// SHA-256 of an attachment → index of the first event that names it.
pub(super) const ATTACHMENT: u8 = b'a';
/// index of an event whose sealed record is erased ‖ index of the erasure.
pub(super) const ERASED: u8 = b'x';
/// type ‖ algorithm ‖ digest of a subject ‖ index, of the types that a bundle is made of.
const BESIDE: u8 = b'b';

/// First byte of the meta record; another one means another program wrote it.
const VERSION: u8 = 3;
const META_BYTES: usize = 1 + 8 + 32 + 8 + 16;

/// What the index covers, and a sum over its records that tells a lost or changed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) size: TreeSize,
    pub(super) root: Hash,
    pub(super) records: u64,
    pub(super) sum: u128,
}

impl Meta {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.size.get().to_be_bytes());
        bytes.extend_from_slice(self.root.as_bytes());
        bytes.extend_from_slice(&self.records.to_be_bytes());
        bytes.extend_from_slice(&self.sum.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Meta> {
        let bytes: &[u8; META_BYTES] = bytes.try_into().ok()?;
        let (version, rest) = bytes.split_first()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (root, rest) = rest.split_first_chunk::<32>()?;
        let (records, rest) = rest.split_first_chunk::<8>()?;
        let (sum, _) = rest.split_first_chunk::<16>()?;
        (*version == VERSION).then(|| Meta {
            size: TreeSize::new(u64::from_be_bytes(*size)),
            root: Hash::new(*root),
            records: u64::from_be_bytes(*records),
            sum: u128::from_be_bytes(*sum),
        })
    }

    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(weight(key, value));
    }

    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.records = self.records.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(weight(key, value));
    }
}

/// What a record adds to the sum: half of SHA-256(u32 key length ‖ key ‖ value).
fn weight(key: &[u8], value: &[u8]) -> u128 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    let hash = Hash::of_parts(&[&length, key, value]);
    hash.as_bytes().first_chunk::<16>().map_or(0, |half| u128::from_be_bytes(*half))
}

/// An index that holds nothing: it covers no tree.
pub(super) const EMPTY: Meta = Meta { size: TreeSize::ZERO, root: Hash::new([0; 32]), records: 0, sum: 0 };

/// Reads every record: they must add up to what the index says of itself [S-16].
pub(super) fn scan(db: &sled::Db) -> Result<(Meta, State), String> {
    let meta = db.get(META).map_err(said)?.ok_or("it does not say what it covers")?;
    let meta = Meta::decode(&meta).ok_or("another program wrote it")?;
    let mut sum = Meta { records: 0, sum: 0, ..meta };
    let mut state: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for record in db.iter() {
        let (key, value) = record.map_err(said)?;
        if key == META {
            continue;
        }
        sum.add(&key, &value);
        if let Some((&STATE, key)) = key.split_first() {
            state.push((key.to_vec(), value.to_vec()));
        }
    }
    if sum != meta {
        return Err(format!("it says {} records, {} are there, and their sums differ", meta.records, sum.records));
    }
    let state = State::from_records(state).map_err(|error| format!("its state: {error}"))?;
    Ok((meta, state))
}

/// A run: `count` events of one chain, contiguous in seq and in index, so that a chain costs few records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) seq: u64,
    pub(super) index: u64,
    pub(super) count: u64,
}

/// The runs that a batch changes.
pub(super) struct Runs<'a> {
    db: &'a sled::Db,
    open: BTreeMap<(String, u32), Option<Run>>,
    pub(super) changed: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(db: &'a sled::Db) -> Runs<'a> {
        Runs { db, open: BTreeMap::new(), changed: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, issuer: &str, epoch: u32, seq: u64, index: u64) -> Result<(), String> {
        let chain = (issuer.to_owned(), epoch);
        let last = match self.open.get(&chain) {
            Some(last) => *last,
            None => last_run(self.db, issuer, epoch, seq)?,
        };
        let run = match last {
            Some(run) if run.seq + run.count == seq && run.index + run.count == index => {
                Run { count: run.count + 1, ..run }
            }
            Some(_) | None => Run { seq, index, count: 1 },
        };
        let mut value = run.index.to_be_bytes().to_vec();
        value.extend_from_slice(&run.count.to_be_bytes());
        self.changed.insert(run_key(issuer, epoch, run.seq)?, value);
        self.open.insert(chain, Some(run));
        Ok(())
    }

    /// The index of an event, one of this batch included; `None` when there is none.
    pub(super) fn find(&self, issuer: &str, epoch: u32, seq: u64) -> Result<Option<u64>, String> {
        let Ok(key) = run_key(issuer, epoch, seq) else { return Ok(None) };
        let prefix = chain_prefix(issuer, epoch);
        let here = self.changed.range(prefix.clone()..=key).next_back();
        let here = here.map(|(key, value)| read_run(&prefix, key, value)).transpose()?;
        // Of two runs that begin in the same place the one of this batch has grown.
        let run = match (here, last_run(self.db, issuer, epoch, seq)?) {
            (Some(here), Some(before)) => Some(if here.seq >= before.seq { here } else { before }),
            (here, before) => here.or(before),
        };
        Ok(run.filter(|run| seq < run.seq + run.count).map(|run| run.index + (seq - run.seq)))
    }
}

fn chain_prefix(issuer: &str, epoch: u32) -> Vec<u8> {
    prefixed(RUN, &[issuer.as_bytes(), &[0], &epoch.to_be_bytes()])
}

/// issuer ‖ 0x00 ‖ epoch ‖ seq, both as u32: 2^32 events of one epoch are more than any chain has.
fn run_key(issuer: &str, epoch: u32, seq: u64) -> Result<Vec<u8>, String> {
    let seq = u32::try_from(seq).map_err(|_| format!("seq {seq} is beyond what the index holds"))?;
    Ok(prefixed(RUN, &[issuer.as_bytes(), &[0], &epoch.to_be_bytes(), &seq.to_be_bytes()]))
}

/// The run of a chain with the greatest first seq that is not above `seq`.
pub(super) fn last_run(db: &sled::Db, issuer: &str, epoch: u32, seq: u64) -> Result<Option<Run>, String> {
    // No chain is longer, so an event beyond is not there.
    let Ok(key) = run_key(issuer, epoch, seq) else { return Ok(None) };
    let prefix = chain_prefix(issuer, epoch);
    let Some(record) = db.range(prefix.clone()..=key).next_back() else { return Ok(None) };
    let (key, value) = record.map_err(said)?;
    read_run(&prefix, &key, &value).map(Some)
}

fn read_run(prefix: &[u8], key: &[u8], value: &[u8]) -> Result<Run, String> {
    let first = key.get(prefix.len()..).and_then(|seq| seq.try_into().ok()).map(u32::from_be_bytes);
    let halves = value.split_first_chunk::<8>().and_then(|(index, count)| Some((index, count.first_chunk::<8>()?)));
    match (first, halves) {
        (Some(first), Some((index, count))) => {
            Ok(Run { seq: u64::from(first), index: u64::from_be_bytes(*index), count: u64::from_be_bytes(*count) })
        }
        _ => Err("a record of a run that is none".to_owned()),
    }
}

/// The beginnings of the records by which events of a type are found whose subject has one of these digests; none for a type
/// of which no bundle is made by digest.
pub(super) fn beside(kind: Kind, digests: &Digests) -> Vec<Vec<u8>> {
    let letter = match kind {
        Kind::Charter => b'c',
        Kind::Rebuild => b'r',
        Kind::CodeReview => b'v',
        Kind::Update => b'u',
        Kind::UpdateRevoke => b'x',
        Kind::Verdict => b'j',
        Kind::Correction => b'k',
        _ => return Vec::new(),
    };
    let sha256 = digests.sha256.iter().map(|digest| (b's', digest.as_bytes().as_slice()));
    let commit = digests.git_commit.iter().map(|digest| (b'g', digest.as_bytes()));
    let tree = digests.git_tree.iter().map(|digest| (b't', digest.as_bytes()));
    let all = sha256.chain(commit).chain(tree);
    all.map(|(algorithm, digest)| prefixed(BESIDE, &[&[letter, algorithm], digest])).collect()
}

pub(super) fn index_of(bytes: &[u8]) -> Option<LeafIndex> {
    bytes.try_into().ok().map(|bytes| LeafIndex::new(u64::from_be_bytes(bytes)))
}

pub(super) fn prefixed(prefix: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![prefix];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

pub(super) fn said(error: sled::Error) -> String {
    error.to_string()
}
