//! The commitment of an access: one salted hash per field, one over all (72-sealed.md, R; leaf-format.md 5).
//!
//! Not here: what a value may be (`fields`), where K comes from (the shells' randomness).

use alloc::format;
use core::fmt::{self, Debug};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::fields::{FIELDS, Field};
use crate::hash::Hash;
use crate::json::Value;

/// K: 32 fresh random bytes of one event. Wiped from memory when dropped; printed by nothing.
#[derive(Clone)]
pub struct RecordKey(Zeroizing<[u8; 32]>);

impl RecordKey {
    /// Takes 32 bytes from a good source of randomness, for one event alone.
    pub fn new(bytes: [u8; 32]) -> RecordKey {
        RecordKey(Zeroizing::new(bytes))
    }

    /// The 32 secret bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The salt of a field.
    pub fn salt(&self, field: Field) -> [u8; 32] {
        salt(&Hkdf::<Sha256>::new(None, self.bytes()), field)
    }
}

impl Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(secret)")
    }
}

fn salt(extracted: &Hkdf<Sha256>, field: Field) -> [u8; 32] {
    *expand(extracted, format!("vitrine/v0/salt/{}", field.name()).as_bytes())
}

fn expand(extracted: &Hkdf<Sha256>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // HKDF gives up to 255 hashes; this is one.
    let _ = extracted.expand(info, out.as_mut_slice());
    out
}

/// HKDF-SHA-256 with an empty salt, 32 bytes out (RFC 5869).
pub(crate) fn derive(key: &[u8; 32], info: &[u8]) -> Zeroizing<[u8; 32]> {
    expand(&Hkdf::<Sha256>::new(None, key), info)
}

/// The commitment of one field.
pub fn field_commitment(field: Field, salt: &[u8; 32], value: &Value) -> Hash {
    let (name, text) = (field.name().as_bytes(), value.to_jcs());
    let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    Hash::of_parts(&[b"vitrine/v0/commit\0", salt, &name_length, name, &length, &text])
}

/// The commitments of all fields. The values need not keep to the table: a reader checks the commitments first.
pub fn commitments(key: &RecordKey, values: &[Value; FIELDS]) -> [Hash; FIELDS] {
    let extracted = Hkdf::<Sha256>::new(None, key.bytes());
    Field::ALL.map(|field| field_commitment(field, &salt(&extracted, field), &values[field.number()]))
}

/// The member `commit` of a leaf.
pub fn commit(commitments: &[Hash; FIELDS]) -> Hash {
    let mut parts: [&[u8]; FIELDS + 1] = [b"vitrine/v0/fields\0"; FIELDS + 1];
    for (part, found) in parts.iter_mut().skip(1).zip(commitments) {
        *part = found.as_bytes();
    }
    Hash::of_parts(&parts)
}
