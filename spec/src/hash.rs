//! The hashes of the tree (docs/10-hash-and-tree.md).
//!
//! SHA-256 with the two prefixes of RFC 6962 that keep a leaf from being read as a node. Not here: which hashes meet
//! (`tree`, `tiles`).

use crate::limits::HASH_BYTES;
use crate::text::{self, TextError};
use alloc::string::String;
use core::fmt::{self, Debug, Display};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// One SHA-256 value. `Display` and `Debug` print base64, as checkpoints do; serde writes hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; HASH_BYTES]);

impl Hash {
    /// Takes 32 bytes as a hash.
    pub const fn new(bytes: [u8; HASH_BYTES]) -> Hash {
        Hash(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }

    /// `SHA-256(bytes)` [H-1]. Cannot fail.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// `SHA-256` over the parts in order, as if they were one [H-1]. Cannot fail.
    pub fn of_parts(parts: &[&[u8]]) -> Hash {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }

    /// Lowercase hexadecimal, 64 digits.
    pub fn hex(&self) -> String {
        text::hex(&self.0)
    }

    /// Reads 64 lowercase hexadecimal digits [H-5].
    pub fn from_hex(text: &str) -> Result<Hash, TextError> {
        text::unhex(text).map(Hash)
    }

    /// Reads 44 characters of base64 [H-6].
    pub fn from_b64(text: &str) -> Result<Hash, TextError> {
        text::unb64_array(text).map(Hash)
    }

    /// The hashes that `bytes` hold one after the other; `None` when a part is left over.
    pub fn slice_of(bytes: &[u8]) -> Option<alloc::vec::Vec<Hash>> {
        let (whole, rest) = bytes.as_chunks::<HASH_BYTES>();
        rest.is_empty().then(|| whole.iter().copied().map(Hash).collect())
    }
}

impl Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&text::b64(&self.0))
    }
}

impl Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_hex(&text).map_err(serde::de::Error::custom)
    }
}

/// Hash of one entry: `SHA-256(0x00 ‖ entry)` [H-2]. Cannot fail.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::of_parts(&[&[0], entry])
}

/// Hash of two neighbours: `SHA-256(0x01 ‖ left ‖ right)` [H-3]. Cannot fail.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [1; 1 + 2 * HASH_BYTES];
    input[1..=HASH_BYTES].copy_from_slice(&left.0);
    input[1 + HASH_BYTES..].copy_from_slice(&right.0);
    Hash::of(&input)
}

/// Root of the tree without entries: `SHA-256("")` [H-4]. Cannot fail.
pub fn empty_root() -> Hash {
    Hash::of(&[])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn prefixes_and_the_empty_root() {
        // Values of the reference tree of Certificate Transparency. [H-1] [H-2] [H-3] [H-4]
        assert_eq!(empty_root().hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let first = leaf_hash(b"");
        let second = leaf_hash(&[0]);
        assert_eq!(first.hex(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(second.hex(), "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
        assert_eq!(
            node_hash(&first, &second).hex(),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
        assert_ne!(first, empty_root());
        assert_eq!(Hash::of_parts(&[b"ab", b"", b"c"]), Hash::of(b"abc"));
    }

    #[test]
    fn text_forms() {
        let hash = Hash::new([0xa5; 32]);
        assert_eq!(Hash::from_hex(&hash.hex()), Ok(hash));
        assert_eq!(Hash::from_b64(&format!("{hash}")), Ok(hash));
        assert_eq!(format!("{hash:?}"), format!("{hash}"));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{}\"", hash.hex()));
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), hash);
        assert!(serde_json::from_str::<Hash>(&json.to_uppercase()).is_err());
    }

    #[test]
    fn hashes_side_by_side() {
        assert_eq!(Hash::slice_of(&[1; 64]), Some(alloc::vec![Hash::new([1; 32]); 2]));
        assert_eq!(Hash::slice_of(&[]), Some(alloc::vec![]));
        assert_eq!(Hash::slice_of(&[1; 63]), None);
    }
}
