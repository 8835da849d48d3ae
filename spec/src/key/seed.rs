//! Private keys: a name, a type and 32 secret bytes (docs/30-note.md).
//!
//! Reads and prints the text form, makes the public half, signs. Not here: files, their permissions, and randomness.

use super::{ED25519_SIGNATURE_BYTES, KeyError, KeyId, KeyKind, Public, SEED_BYTES, Vkey, check_name, three_parts};
use crate::text;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use ed25519_dalek::{Signer, SigningKey};
use ml_dsa::{Keypair, MlDsa44};
use zeroize::Zeroizing;

/// A private key: name, type and seed. Wiped from memory when dropped; printed by nothing but [`Seed::private_text`].
#[derive(Clone)]
pub struct Seed {
    name: String,
    kind: KeyKind,
    seed: Zeroizing<[u8; SEED_BYTES]>,
}

/// An Ed25519 key ready to sign many messages. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Ed25519Signer(SigningKey);

impl Seed {
    /// Takes a name, a type and 32 bytes from a good source of randomness.
    pub fn new(name: &str, kind: KeyKind, seed: [u8; SEED_BYTES]) -> Result<Seed, KeyError> {
        check_name(name)?;
        Ok(Seed { name: name.to_string(), kind, seed: Zeroizing::new(seed) })
    }

    /// Reads `PRIVATE+KEY+<name>+<hex8>+<base64 of type ‖ seed>`; the id must be that of the public key [N-9].
    pub fn parse(text: &str) -> Result<Seed, KeyError> {
        let (name, id, material) =
            three_parts(text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError::NotPrivate)?).ok_or(KeyError::Parts)?;
        // A base64 error would quote the text, and so would one about a name that holds the secret by mistake.
        let material = Zeroizing::new(text::unb64(material).map_err(|_| KeyError::Base64)?);
        let (kind, bytes) = material.split_first().ok_or(KeyError::Empty)?;
        let kind = KeyKind::of(*kind).ok_or(KeyError::Kind(*kind))?;
        let length = KeyError::Length { kind, want: SEED_BYTES, got: bytes.len() };
        let seed = Seed::new(name, kind, bytes.try_into().map_err(|_| length)?)?;
        let got = KeyId(text::unhex(id).map_err(KeyError::IdText)?);
        let want = seed.vkey().id();
        if want == got { Ok(seed) } else { Err(KeyError::Id { want, got }) }
    }

    /// The text that [`Seed::parse`] reads [N-9]. Whoever holds it can sign.
    pub fn private_text(&self) -> Zeroizing<String> {
        let mut material = Zeroizing::new([0; 1 + SEED_BYTES]);
        material[0] = self.kind.byte();
        material[1..].copy_from_slice(self.seed.as_slice());
        let encoded = Zeroizing::new(text::b64(material.as_slice()));
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}", self.vkey().keyid(), *encoded))
    }

    /// The key name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The signature type.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 secret bytes, for a library that signs with them.
    pub fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }

    /// The public half. Cannot fail: every 32 bytes are a seed of either algorithm.
    pub fn vkey(&self) -> Vkey {
        let public = match self.kind {
            KeyKind::Ed25519 => Public::Ed25519(SigningKey::from_bytes(&self.seed).verifying_key()),
            KeyKind::Cosign => Public::Cosign(SigningKey::from_bytes(&self.seed).verifying_key()),
            KeyKind::MlDsa44 => Public::MlDsa44(Box::new(self.mldsa().verifying_key().encode().into())),
        };
        Vkey::from_public(self.name.clone(), public)
    }

    /// The key expanded for signing, for types 0x01 and 0x04.
    pub fn signer(&self) -> Result<Ed25519Signer, KeyError> {
        match self.kind {
            KeyKind::Ed25519 | KeyKind::Cosign => Ok(Ed25519Signer(SigningKey::from_bytes(&self.seed))),
            KeyKind::MlDsa44 => Err(KeyError::WrongKind { want: "Ed25519", got: self.kind }),
        }
    }

    /// Ed25519 over exactly `message` (RFC 8032), for types 0x01 and 0x04; see [`Seed::signer`] for more than one.
    pub fn sign_ed25519(&self, message: &[u8]) -> Result<[u8; ED25519_SIGNATURE_BYTES], KeyError> {
        Ok(self.signer()?.sign(message))
    }

    /// Deterministic ML-DSA-44 over exactly `message` with an empty context (FIPS 204, algorithm 2), for type 0x06.
    ///
    /// For tests and vectors: servers sign with randomness, against which faults and side channels help less.
    pub fn sign_mldsa_deterministic(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self.kind {
            KeyKind::MlDsa44 => Ok(self.mldsa().sign(message).encode().to_vec()),
            KeyKind::Ed25519 | KeyKind::Cosign => Err(KeyError::WrongKind { want: "ML-DSA-44", got: self.kind }),
        }
    }

    fn mldsa(&self) -> ml_dsa::SigningKey<MlDsa44> {
        let seed = Zeroizing::new(ml_dsa::Seed::from(*self.seed));
        ml_dsa::SigningKey::from_seed(&seed)
    }
}

impl Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seed({}, {}, secret)", self.name, self.kind)
    }
}

impl Ed25519Signer {
    /// Ed25519 over exactly `message` (RFC 8032). Cannot fail.
    pub fn sign(&self, message: &[u8]) -> [u8; ED25519_SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

impl Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Signer(secret)")
    }
}
