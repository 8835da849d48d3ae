//! Cosignatures, and a log's own signatures on its checkpoint (docs/40-checkpoint-cosignature.md).
//!
//! The bytes that keys sign over checkpoints, with the time inside, and their verification: c2sp.org/tlog-cosignature.
//! Not here: how many cosignatures are enough (`policy`).

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::Hash;
use crate::key::{KeyKind, Vkey};
use crate::limits::{COSIGNATURE_TIME_MAX, COSIGNED_NAME_BYTES_MAX};
use crate::note::{NoteError, Signature};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// First bytes of an ML-DSA-44 message [C-4].
pub const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// Why one line is no cosignature by one key on one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// Key name or id of the line are not the key's.
    #[error("the line is by {got}, the key is {want}")]
    OtherKey {
        /// The key given.
        want: String,
        /// Name and id in the line.
        got: String,
    },
    /// A key type that makes no cosignatures.
    #[error("{keyid} is of type {kind}, which makes no cosignatures")]
    Kind {
        /// The key.
        keyid: String,
        /// Its type.
        kind: KeyKind,
    },
    /// Not eight bytes of time and one signature.
    #[error("a cosignature of {keyid} has {want} bytes behind the key id, this one {got}")]
    Length {
        /// The key.
        keyid: String,
        /// Bytes of time and signature.
        want: usize,
        /// Bytes given.
        got: usize,
    },
    /// A time above 2^63 − 1.
    #[error("the time {got} is above 2^63 - 1")]
    Time {
        /// The time given.
        got: u64,
    },
    /// The signature is not over this checkpoint at this time.
    #[error("the cosignature by {keyid} at time {time} does not verify")]
    BadSignature {
        /// The key.
        keyid: String,
        /// The time in the line.
        time: u64,
    },
}

/// What a 0x04 key signs: `cosignature/v1`, the time, and the whole text with its extension lines [C-3]. Cannot fail.
pub fn ed25519_message(checkpoint_text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{checkpoint_text}").into_bytes()
}

/// What a 0x06 key signs: the structure `cosigned_message` over entries `start` to `end` [C-4].
///
/// `None` when `cosigner` or `origin` has no byte or more than 255: such a name has no place in the structure.
pub fn mldsa_message(cosigner: &str, time: u64, origin: &str, start: u64, end: u64, root: &Hash) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(SUBTREE_LABEL.len() + 2 + cosigner.len() + origin.len() + 3 * 8 + 32);
    message.extend_from_slice(SUBTREE_LABEL);
    push_name(&mut message, cosigner)?;
    message.extend_from_slice(&time.to_be_bytes());
    push_name(&mut message, origin)?;
    message.extend_from_slice(&start.to_be_bytes());
    message.extend_from_slice(&end.to_be_bytes());
    message.extend_from_slice(root.as_bytes());
    Some(message)
}

fn push_name(message: &mut Vec<u8>, name: &str) -> Option<()> {
    let length =
        u8::try_from(name.len()).ok().filter(|length| (1..=COSIGNED_NAME_BYTES_MAX).contains(&usize::from(*length)))?;
    message.push(length);
    message.extend_from_slice(name.as_bytes());
    Some(())
}

/// What a key of `kind` called `name` signs over a checkpoint: the text for 0x01 (without a time), otherwise as
/// [`ed25519_message`] or [`mldsa_message`] over the whole tree. `None` as in [`mldsa_message`].
pub fn message(kind: KeyKind, name: &str, time: u64, checkpoint: &Checkpoint) -> Option<Vec<u8>> {
    match kind {
        KeyKind::Ed25519 => Some(checkpoint.text().into_bytes()),
        KeyKind::Cosign => Some(ed25519_message(&checkpoint.text(), time)),
        KeyKind::MlDsa44 => {
            mldsa_message(name, time, checkpoint.origin.as_str(), 0, checkpoint.size.get(), &checkpoint.root)
        }
    }
}

/// The bytes behind the key id: the time, big-endian, and the signature [C-2]. Cannot fail.
pub fn encode(time: u64, signature: &[u8]) -> Vec<u8> {
    [&time.to_be_bytes(), signature].concat()
}

/// Time and signature of the bytes behind a key id; `None` for a kind without time or another length [C-2].
pub fn decode(kind: KeyKind, bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    match kind {
        KeyKind::Ed25519 => None,
        KeyKind::Cosign | KeyKind::MlDsa44 => {
            (signature.len() == kind.signature_bytes()).then_some((u64::from_be_bytes(*time), signature))
        }
    }
}

/// The time of a valid cosignature of `key` on `checkpoint`, in seconds since 1970 [C-1].
///
/// Name, id, length, time and signature are checked. Time 0 is valid and says nothing about when [C-5].
pub fn verify(key: &Vkey, checkpoint: &SignedCheckpoint, line: &Signature) -> Result<u64, CosignatureError> {
    if !line.is_by(key) {
        return Err(CosignatureError::OtherKey { want: key.keyid(), got: format!("{}+{}", line.name, line.id) });
    }
    let kind = key.kind();
    if kind == KeyKind::Ed25519 {
        return Err(CosignatureError::Kind { keyid: key.keyid(), kind });
    }
    let (time, signature) = decode(kind, &line.bytes).ok_or_else(|| CosignatureError::Length {
        keyid: key.keyid(),
        want: 8 + kind.signature_bytes(),
        got: line.bytes.len(),
    })?;
    if time > COSIGNATURE_TIME_MAX {
        return Err(CosignatureError::Time { got: time });
    }
    // The text as it was read, not as it would be printed: 0x04 covers every byte of it.
    let message = match kind {
        KeyKind::Ed25519 | KeyKind::Cosign => Some(ed25519_message(checkpoint.text(), time)),
        KeyKind::MlDsa44 => message(kind, key.name(), time, &checkpoint.checkpoint),
    };
    match message {
        Some(message) if key.verify(&message, signature) => Ok(time),
        Some(_) | None => Err(CosignatureError::BadSignature { keyid: key.keyid(), time }),
    }
}

impl SignedCheckpoint {
    /// The keys of the log that signed, each once: every line by one of `keys` must verify, and there must be one [K-3].
    ///
    /// 0x01 covers the text, 0x06 the tree under the key's own name with any time [K-5]. A 0x04 key signs as a cosigner.
    /// That the key belongs to this origin is for the caller to know.
    pub fn verify_log<'k>(&self, keys: &'k [Vkey]) -> Result<Vec<&'k Vkey>, NoteError> {
        self.note.signers(keys, |key, line| match key.kind() {
            KeyKind::Ed25519 => key.verify(self.text().as_bytes(), &line.bytes),
            KeyKind::Cosign | KeyKind::MlDsa44 => verify(key, self, line).is_ok(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::checkpoint::Origin;
    use crate::key::{KeyId, Seed};
    use crate::note::Note;
    use crate::tree::TreeSize;
    use alloc::string::ToString;
    use alloc::vec;

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint::new(Origin::new("log.example/one").unwrap(), TreeSize::new(size), Hash::new([7; 32]))
    }

    fn sign(seed: &Seed, time: u64, checkpoint: &Checkpoint) -> Signature {
        let message = message(seed.kind(), seed.name(), time, checkpoint).unwrap();
        let bytes = match seed.kind() {
            KeyKind::Ed25519 => seed.sign_ed25519(&message).unwrap().to_vec(),
            KeyKind::Cosign => encode(time, &seed.sign_ed25519(&message).unwrap()),
            KeyKind::MlDsa44 => encode(time, &seed.sign_mldsa_deterministic(&message).unwrap()),
        };
        Signature::by(&seed.vkey(), bytes).unwrap()
    }

    fn seed(name: &str, kind: KeyKind) -> Seed {
        Seed::new(name, kind, [3; 32]).unwrap()
    }

    #[test]
    fn messages_byte_for_byte() {
        // [C-3] [C-4]
        assert_eq!(ed25519_message("a\n1\nb\n", 1_679_315_147), b"cosignature/v1\ntime 1679315147\na\n1\nb\n");
        let root = Hash::new([0xaa; 32]);
        let message = mldsa_message("wit", 0x0102, "origin", 3, 0x0405, &root).unwrap();
        let expected = [
            b"subtree/v1\n\0".as_slice(),
            b"\x03wit",
            &[0, 0, 0, 0, 0, 0, 1, 2],
            b"\x06origin",
            &[0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 0, 0, 0, 0, 0, 4, 5],
            &[0xaa; 32],
        ]
        .concat();
        assert_eq!(message, expected);
        assert!(mldsa_message(&"n".repeat(255), 0, "o", 0, 1, &root).is_some());
        assert_eq!(mldsa_message(&"n".repeat(256), 0, "o", 0, 1, &root), None);
        assert_eq!(mldsa_message("", 0, "o", 0, 1, &root), None);
        assert_eq!(mldsa_message("n", 0, &"o".repeat(256), 0, 1, &root), None);
        assert_eq!(mldsa_message("n", 0, "", 0, 1, &root), None);
    }

    #[test]
    fn cosignatures_of_both_types() {
        // [C-1] [C-2]
        for kind in [KeyKind::Cosign, KeyKind::MlDsa44] {
            let seed = seed("witness.example/w", kind);
            let key = seed.vkey();
            let line = sign(&seed, 1_700_000_000, &checkpoint(5));
            let signed = SignedCheckpoint::new(checkpoint(5), vec![line.clone()]).unwrap();
            assert_eq!(verify(&key, &signed, &line), Ok(1_700_000_000));
            let other = SignedCheckpoint::new(checkpoint(6), vec![line.clone()]).unwrap();
            let bad = |time| Err(CosignatureError::BadSignature { keyid: key.keyid(), time });
            assert_eq!(verify(&key, &other, &line), bad(1_700_000_000));
            let mut moved = line.clone();
            moved.bytes[7] += 1;
            assert_eq!(verify(&key, &signed, &moved), bad(1_700_000_001));
            let mut longer = line.clone();
            longer.bytes.push(0);
            let (want, got) = (8 + kind.signature_bytes(), 9 + kind.signature_bytes());
            assert_eq!(verify(&key, &signed, &longer), Err(CosignatureError::Length { keyid: key.keyid(), want, got }));
            let late = sign(&seed, COSIGNATURE_TIME_MAX + 1, &checkpoint(5));
            assert_eq!(verify(&key, &signed, &late), Err(CosignatureError::Time { got: 1 << 63 }));
            let latest = sign(&seed, COSIGNATURE_TIME_MAX, &checkpoint(5));
            assert_eq!(verify(&key, &signed, &latest), Ok(COSIGNATURE_TIME_MAX));
            let mut renamed = line.clone();
            renamed.name = "witness.example/x".to_string();
            assert!(matches!(verify(&key, &signed, &renamed), Err(CosignatureError::OtherKey { .. })));
            let mut other_id = line;
            other_id.id = KeyId::new([0; 4]);
            assert!(matches!(verify(&key, &signed, &other_id), Err(CosignatureError::OtherKey { .. })));
        }
        let plain = seed("witness.example/w", KeyKind::Ed25519);
        let line = sign(&plain, 0, &checkpoint(5));
        let signed = SignedCheckpoint::new(checkpoint(5), vec![line.clone()]).unwrap();
        let refused = Err(CosignatureError::Kind { keyid: plain.vkey().keyid(), kind: KeyKind::Ed25519 });
        assert_eq!(verify(&plain.vkey(), &signed, &line), refused);
        assert_eq!(decode(KeyKind::Ed25519, &[0; 72]), None);
        assert_eq!(decode(KeyKind::Cosign, &[0; 7]), None);
    }

    #[test]
    fn time_zero_is_valid() {
        // [C-5]
        let seed = seed("witness.example/w", KeyKind::MlDsa44);
        let line = sign(&seed, 0, &checkpoint(5));
        let signed = SignedCheckpoint::new(checkpoint(5), vec![line.clone()]).unwrap();
        assert_eq!(verify(&seed.vkey(), &signed, &line), Ok(0));
    }

    #[test]
    fn extension_lines_are_covered_by_0x04_and_not_by_0x06() {
        // [K-4] [C-3] [C-4]
        let mut extended = checkpoint(5);
        extended.extensions = vec!["extension".to_string()];
        for (kind, covered) in [(KeyKind::Cosign, true), (KeyKind::MlDsa44, false)] {
            let seed = seed("witness.example/w", kind);
            let line = sign(&seed, 9, &extended);
            let without = SignedCheckpoint::new(checkpoint(5), vec![line.clone()]).unwrap();
            assert_eq!(verify(&seed.vkey(), &without, &line).is_err(), covered);
            let with = SignedCheckpoint::new(extended.clone(), vec![line.clone()]).unwrap();
            assert_eq!(verify(&seed.vkey(), &with, &line), Ok(9));
        }
    }

    #[test]
    fn a_log_signs_with_0x01_and_0x06() {
        // [K-3] [K-5]
        let seeds = [KeyKind::Ed25519, KeyKind::MlDsa44].map(|kind| seed("log.example/one", kind));
        let keys: Vec<Vkey> = seeds.iter().map(Seed::vkey).collect();
        let lines: Vec<Signature> = seeds.iter().map(|seed| sign(seed, 0, &checkpoint(5))).collect();
        let signed = SignedCheckpoint::new(checkpoint(5), lines.clone()).unwrap();
        assert_eq!(signed.verify_log(&keys), Ok(vec![&keys[0], &keys[1]]));
        assert_eq!(signed.verify_log(&keys[1..]), Ok(vec![&keys[1]]));
        assert_eq!(signed.verify_log(&[]), Err(NoteError::Unsigned { lines: 2, keys: 0 }));
        // One bad line of a known key condemns the checkpoint beside a good one.
        for bad in 0..2 {
            let mut lines = lines.clone();
            lines[bad].bytes[40] ^= 1;
            let signed = SignedCheckpoint::new(checkpoint(5), lines).unwrap();
            assert_eq!(signed.verify_log(&keys), Err(NoteError::BadSignature { keyid: keys[bad].keyid() }));
            assert_eq!(signed.verify_log(&keys[1 - bad..2 - bad]).unwrap().len(), 1);
        }
        // The same lines do not move to another size.
        let moved = SignedCheckpoint::new(checkpoint(6), lines).unwrap();
        assert!(matches!(moved.verify_log(&keys), Err(NoteError::BadSignature { .. })));
    }

    #[test]
    fn a_cosigner_cannot_be_mistaken_for_a_log() {
        // A 0x04 line under the key name of a log is another key than the log's 0x01. [K-3] [N-10]
        let log = seed("log.example/one", KeyKind::Ed25519);
        let line = sign(&seed("log.example/one", KeyKind::Cosign), 1, &checkpoint(5));
        let signed = SignedCheckpoint::new(checkpoint(5), vec![line]).unwrap();
        assert_eq!(signed.verify_log(&[log.vkey()]), Err(NoteError::Unsigned { lines: 1, keys: 1 }));
        let note = Note::parse(signed.print().as_bytes()).unwrap();
        assert_eq!(note.signatures.len(), 1);
    }
}
