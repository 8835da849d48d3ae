//! Events that a log shows with their proofs: nobody sees one before its place in a checkpoint that the policy accepts (design.md 4).
//!
//! What a log leaves out of an answer is not seen here. Not here: whether an event's issuer may say so (admission, `audit`).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use vitrine_spec::envelope::{EventId, Sig, pae};
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::Vkey;
use vitrine_spec::policy::Policy;
use vitrine_spec::text::unb64;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;

use crate::answer::{self, Logged, Proven};
use crate::batch::Remote;
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};

/// A logged event with its proof.
#[derive(Clone, Debug)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// Where in which tree, and who vouched.
    pub logged: Logged,
    /// Its proof.
    pub proven: Proven,
}

/// The answer to a look-up.
#[derive(Debug, Deserialize)]
struct Lookup {
    checkpoint: String,
    #[serde(default)]
    more: bool,
    entries: Vec<Entry>,
}

/// One entry of an answer.
#[derive(Debug, Deserialize)]
pub struct Entry {
    index: u64,
    leaf: String,
    hashes: Vec<String>,
}

impl Entry {
    /// Its event, once it is proven to be in the checkpoint and the checkpoint holds under the policy.
    ///
    /// # Errors
    /// It is none, or not proven.
    pub fn proven(&self, policy: &Policy, note: &str, now: u64) -> Result<Found, Failure> {
        let leaf = unb64(&self.leaf).map_err(|error| malformed(&error.to_string()))?;
        let hashes: Result<Vec<Hash>, _> = self.hashes.iter().map(|hash| Hash::from_b64(hash)).collect();
        let hashes = hashes.map_err(|error| malformed(&error.to_string()))?;
        let index = LeafIndex::new(self.index);
        let proof = TlogProof { extra: Some(leaf), index, hashes, checkpoint: note.as_bytes().to_vec() };
        of_proof(policy, proof, now)
    }
}

impl Found {
    /// Whether this key signed it: a log can show under an issuer's name what its key never signed.
    pub fn is_signed_by(&self, vkey: &Vkey) -> bool {
        is_signed_by(&self.event, vkey)
    }
}

/// The same of an event.
pub fn is_signed_by(event: &Event, vkey: &Vkey) -> bool {
    let message = pae(&event.envelope.payload);
    let signed = |by: &Sig| by.keyid == vkey.keyid() && vkey.verify(&message, &by.sig);
    event.envelope.signatures.iter().any(signed)
}

fn of_proof(policy: &Policy, proof: TlogProof, now: u64) -> Result<Found, Failure> {
    let leaf = proof.extra.as_deref().unwrap_or_default();
    let logged = answer::proof(policy, &leaf_hash(leaf), &proof, now)?;
    let event = Event::read_leaf(leaf).map_err(|refusal| malformed(&refusal.to_string()))?;
    Ok(Found { event, logged, proven: Proven::of(proof) })
}

fn malformed(why: &str) -> Failure {
    Failure::new(Exit::Unreachable, "lookup.malformed", "the log's answer is not one")
        .side("reason", why)
        .now("check that the address is the log's")
}

/// Reads the JSON of an answer.
///
/// # Errors
/// It is no such JSON.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))
}

/// The event with this identity, when the log shows one.
///
/// # Errors
/// The log cannot be asked, or what it shows is not proven, or is another event.
pub fn by_id(remote: &impl Remote, policy: &Policy, id: &EventId, now: u64) -> Result<Option<Found>, Failure> {
    let answered: Lookup = read(&remote.lookup(&format!("event_id={}", id.hex()))?)?;
    let Some(entry) = answered.entries.first() else { return Ok(None) };
    let found = entry.proven(policy, &answered.checkpoint, now)?;
    if found.event.id == *id {
        return Ok(Some(found));
    }
    Err(malformed(&format!("event {id} was asked for, event {} is shown", found.event.id)))
}

/// The event of an entry.
///
/// # Errors
/// The log cannot be asked, it has no such entry, or what it shows is not proven.
pub fn at(remote: &impl Remote, policy: &Policy, index: LeafIndex, now: u64) -> Result<Found, Failure> {
    let leaf = remote.entry(index)?;
    let event = EventFile::parse(&leaf).map_err(|why| {
        Failure::refused("event.malformed", "this entry is not an event").side("index", index).side("reason", why)
    })?;
    let found = by_id(remote, policy, &event.id(), now)?;
    found.filter(|found| found.logged.index == index).ok_or_else(|| {
        malformed(&format!("it shows entry {index} as event {}, and does not show that event there", event.id()))
    })
}

/// Events about a file with this SHA-256, and whether the log has more of them than it shows.
///
/// # Errors
/// The log cannot be asked, or what it shows is not proven.
pub fn by_sha256(
    remote: &impl Remote,
    policy: &Policy,
    sha256: &Hash,
    now: u64,
) -> Result<(Vec<Found>, bool), Failure> {
    let answered: Lookup = read(&remote.lookup(&format!("sha256={}", sha256.hex()))?)?;
    let found = answered.entries.iter().map(|entry| entry.proven(policy, &answered.checkpoint, now));
    Ok((found.collect::<Result<_, _>>()?, answered.more))
}

/// The event of a tlog-proof file, judged as a file is: nobody asked a log.
///
/// # Errors
/// It is none, or it does not hold.
pub fn in_file(policy: &Policy, name: &str, bytes: &[u8], now: u64) -> Result<Found, Failure> {
    let wrong = |code: &str, why: &str| {
        Failure::refused(code, "this is not the proof of an event").side("file", name).side("reason", why)
    };
    let proof = TlogProof::parse(bytes).map_err(|error| wrong("proof.malformed", &error.to_string()))?;
    if proof.extra.is_none() {
        return Err(wrong("proof.malformed", "it has no `extra` line with the leaf"));
    }
    of_proof(policy, proof, now).map_err(|failure| match failure.exit {
        Exit::NotYet => failure.side("file", name),
        _ => wrong("proof.inclusion", &failure.to_string()),
    })
}
