//! The sealed record of an event: slot and ciphertext (72-sealed.md, R; leaf-format.md 6).
//!
//! Sealing has a part that does not depend on the event's place (`pad`) and one that does (`seal`), so that many records
//! are sealed in parallel though each header names the event before it. Not here: commitments, wraps, randomness.

use alloc::vec::Vec;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use zeroize::Zeroizing;

use crate::commitment::{RecordKey, commit, commitments, derive};
use crate::event::Event;
use crate::fields::{self, FieldError, Values};
use crate::hash::Hash;
use crate::limits::{SLOT_BYTES, STEP_BYTES, TAG_BYTES};
use crate::statement::is_record_size;
use crate::wrap::WindowKey;

/// What binds a record to its event: `commit` ‖ SHA-256(JCS(header)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context([u8; 64]);

impl Context {
    /// Of a commitment and the JCS of the whole header object.
    pub fn new(commit: &Hash, header: &[u8]) -> Context {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(commit.as_bytes());
        bytes[32..].copy_from_slice(Hash::of(header).as_bytes());
        Context(bytes)
    }

    /// Of an event; `None` when it is of no sealed type.
    pub fn of(event: &Event) -> Option<Context> {
        let commit = event.statement.commit?;
        let payload = event.payload_value();
        let header = payload.get("predicate")?.get("hdr")?.to_jcs();
        Some(Context::new(&commit, &header))
    }

    fn cipher(&self, key: &[u8; 32], purpose: &[u8]) -> ChaCha20Poly1305 {
        let mut info = Vec::from(purpose);
        info.extend_from_slice(&self.0);
        ChaCha20Poly1305::new((&*derive(key, &info)).into())
    }

    /// Of K: seals the values.
    fn of_record(&self, key: &RecordKey) -> ChaCha20Poly1305 {
        self.cipher(key.bytes(), b"vitrine/v0/seal\0")
    }

    /// Of W: seals K.
    fn of_slot(&self, window: &WindowKey) -> ChaCha20Poly1305 {
        self.cipher(window.bytes(), b"vitrine/v0/slot\0")
    }
}

/// Each key meets one nonce once, because the context is in the key.
fn nonce() -> Nonce {
    Nonce::default()
}

/// The text that is sealed: u32 length ‖ JCS of the values ‖ zeros, in steps of 1,024 bytes.
///
/// 24 values of at most 1,024 bytes fit into 32 steps.
pub fn pad(values: &Values) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new(values.to_value().to_jcs());
    let length = (4 + text.len()).next_multiple_of(STEP_BYTES);
    let mut plain = Zeroizing::new(Vec::with_capacity(length));
    plain.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    plain.extend_from_slice(&text);
    plain.resize(length, 0);
    plain
}

/// The sealed record: slot ‖ ciphertext. `plain` is of [`pad`].
pub fn seal(key: &RecordKey, window: &WindowKey, context: &Context, plain: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(SLOT_BYTES + plain.len() + TAG_BYTES);
    for (cipher, text) in [(context.of_slot(window), key.bytes().as_slice()), (context.of_record(key), plain)] {
        // Fails only for texts of 256 GiB.
        record.extend(cipher.encrypt(&nonce(), text).unwrap_or_default());
    }
    record
}

/// A record that was opened and fits its leaf.
#[derive(Clone, Debug)]
pub struct Opened {
    /// K, from which single fields can be shown.
    pub key: RecordKey,
    /// The 24 values.
    pub values: Values,
}

/// Why a record does not open. No variant shows a value but the last, whose issuer proved it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The event has no record.
    #[error("the event is of no sealed type")]
    NotSealed,
    /// All zeros: erased, if an `erasure` names the event.
    #[error("the record is erased")]
    Erased,
    /// Not the record of this leaf: the log's fault.
    #[error("the record has {size} bytes and SHA-256 {}, the leaf says {want_size} and {}", .sha256.hex(), .want.hex())]
    Mismatch {
        /// Bytes of what came.
        size: u64,
        /// Its digest.
        sha256: Hash,
        /// Bytes in the leaf.
        want_size: u64,
        /// Digest in the leaf.
        want: Hash,
    },
    /// The slot does not open with W.
    #[error("the slot does not open with the key of its hour")]
    Slot,
    /// The ciphertext does not open with K.
    #[error("the ciphertext does not open with the key in the slot")]
    Cipher,
    /// The length or the zeros of the plain text.
    #[error("the text has a length or padding that no issuer may make")]
    Padding,
    /// The text is no array of 24 values in its one spelling.
    #[error("the text is not the JCS of 24 values")]
    Values,
    /// The values are not those committed to.
    #[error("the values give the commitment {}, the leaf holds {}", .got.hex(), .want.hex())]
    Commitment {
        /// Of the values.
        got: Hash,
        /// In the leaf.
        want: Hash,
    },
    /// The commitments fit, and a value breaks the table.
    #[error("the issuer sealed a value that breaks the table: {0}")]
    Value(FieldError),
}

impl OpenError {
    /// The class of the incident that says so: everything after the right W is the issuer's fault, but a record that is
    /// not the leaf's or is erased.
    pub const fn incident(&self) -> Option<&'static str> {
        match self {
            OpenError::NotSealed | OpenError::Erased | OpenError::Mismatch { .. } => None,
            OpenError::Value(_) => Some("record-invalid"),
            OpenError::Slot
            | OpenError::Cipher
            | OpenError::Padding
            | OpenError::Values
            | OpenError::Commitment { .. } => Some("unopenable"),
        }
    }
}

/// True for a record of zeros: what an erasure leaves.
pub fn is_erased(record: &[u8]) -> bool {
    record.iter().all(|byte| *byte == 0)
}

/// Opens a record with W and checks all of it against the leaf.
///
/// # Errors
/// The first thing that does not hold; no field is shown then.
pub fn open(window: &WindowKey, event: &Event, record: &[u8]) -> Result<Opened, OpenError> {
    let (Some(sealed), Some(want), Some(context)) =
        (event.statement.sealed, event.statement.commit, Context::of(event))
    else {
        return Err(OpenError::NotSealed);
    };
    let (size, sha256) = (record.len() as u64, Hash::of(record));
    if (size, sha256) != (sealed.size, sealed.sha256) {
        // Zeros that the leaf names are no erasure: their issuer sealed nothing, and the slot shows it.
        return Err(if size == sealed.size && is_erased(record) {
            OpenError::Erased
        } else {
            OpenError::Mismatch { size, sha256, want_size: sealed.size, want: sealed.sha256 }
        });
    }
    if !is_record_size(size) {
        return Err(OpenError::Cipher);
    }
    let (slot, ciphertext) = record.split_at(SLOT_BYTES);
    let key = context.of_slot(window).decrypt(&nonce(), slot).map_err(|_| OpenError::Slot)?;
    let key = Zeroizing::new(key);
    let key = RecordKey::new(key.as_slice().try_into().map_err(|_| OpenError::Slot)?);
    let plain = context.of_record(&key).decrypt(&nonce(), ciphertext).map_err(|_| OpenError::Cipher)?;
    let plain = Zeroizing::new(plain);
    let items = fields::parse_array(unpad(&plain).ok_or(OpenError::Padding)?).ok_or(OpenError::Values)?;
    let got = commit(&commitments(&key, &items));
    if got != want {
        return Err(OpenError::Commitment { got, want });
    }
    let values = Values::new(items).map_err(OpenError::Value)?;
    Ok(Opened { key, values })
}

fn unpad(plain: &[u8]) -> Option<&[u8]> {
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (text, zeros) = rest.split_at_checked(length)?;
    is_erased(zeros).then_some(text)
}

#[cfg(test)]
mod tests;
