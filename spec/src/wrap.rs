//! Wraps: the hourly key W for each reader, by HPKE with X-Wing (72-sealed.md, R; leaf-format.md 6; RFC 9180).
//!
//! Also the key of a reader and its text forms. Not here: what W seals (`sealing`), where randomness comes from.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt::{self, Debug};

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal_with_rng};
use zeroize::Zeroizing;

use crate::hash::Hash;
use crate::text::{self, Quote};
use crate::words;

/// Bytes of a wrap: 1,120 of the encapsulation, 32 of W, 16 of the tag.
pub const WRAP_BYTES: usize = ENCAPSULATION_BYTES + 48;
/// Bytes of randomness that one encapsulation takes.
pub const ENCAPSULATION_RANDOMNESS_BYTES: usize = 64;
/// `alg` of a sealing key.
pub const SEALING_ALG: &str = "hpke-xwing-hkdf256-chacha20poly1305";
/// Bytes of an X-Wing public key: ML-KEM-768 ‖ X25519.
pub const XWING_PUBLIC_BYTES: usize = 1_216;
const ENCAPSULATION_BYTES: usize = 1_120;
const SEED_LINE: &str = "xwing-seed:";

/// W: 32 random bytes that seal an issuer's records for at most one hour. Wiped from memory when dropped; printed by nothing.
#[derive(Clone)]
pub struct WindowKey(Zeroizing<[u8; 32]>);

impl WindowKey {
    /// Takes 32 bytes from a good source of randomness.
    pub fn new(bytes: [u8; 32]) -> WindowKey {
        WindowKey(Zeroizing::new(bytes))
    }

    /// The 32 secret bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What is public of it: every reader checks that it got the same W.
    pub fn check(&self) -> Hash {
        Hash::of_parts(&[b"vitrine/v0/check\0", self.bytes()])
    }
}

impl Debug for WindowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowKey(secret)")
    }
}

/// The secret half of a reader's sealing key. Wiped from memory when dropped; printed by nothing but [`ReaderSeed::private_text`].
#[derive(Clone)]
pub struct ReaderSeed(Zeroizing<[u8; 32]>);

/// A wrap that cannot be made, or does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// Not 1,168 bytes.
    #[error("{0} bytes, a wrap has {WRAP_BYTES}")]
    Length(usize),
    /// The public key is none.
    #[error("the reader's key is no X-Wing public key")]
    Key,
    /// Made for another key, reader, issuer, log or sealing key, or damaged.
    #[error("it does not open with this key for this reader and sealing key")]
    Open,
    /// It opens to 32 bytes whose `check` is another one.
    #[error("it opens to a key whose check is {}, the sealing key says {}", .got.hex(), .want.hex())]
    Check {
        /// Of what came out.
        got: Hash,
        /// In the leaf.
        want: Hash,
    },
}

/// For whom and for what a wrap is: bound into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapFor<'a> {
    /// The log.
    pub origin: &'a str,
    /// The issuer of the sealing key.
    pub issuer: &'a str,
    /// Its epoch.
    pub epoch: u32,
    /// The position of the sealing key.
    pub seq: u64,
    /// The reader's name.
    pub reader: &'a str,
}

impl WrapFor<'_> {
    /// The `info` of HPKE.
    pub fn info(&self) -> Vec<u8> {
        fn lp(text: &str, info: &mut Vec<u8>) {
            info.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            info.extend_from_slice(text.as_bytes());
        }
        let mut info = b"vitrine/v0/wrap\0".to_vec();
        lp(self.origin, &mut info);
        lp(self.issuer, &mut info);
        info.extend(self.epoch.to_be_bytes());
        info.extend(self.seq.to_be_bytes());
        lp(self.reader, &mut info);
        info
    }
}

impl ReaderSeed {
    /// Takes 32 bytes from a good source of randomness.
    pub fn new(seed: [u8; 32]) -> ReaderSeed {
        ReaderSeed(Zeroizing::new(seed))
    }

    /// Reads `xwing-seed:<base64 of 32 bytes>`; the error does not quote it.
    pub fn parse(line: &str) -> Option<ReaderSeed> {
        text::unb64_array(line.strip_prefix(SEED_LINE)?).ok().map(ReaderSeed::new)
    }

    /// The line that [`ReaderSeed::parse`] reads. Whoever holds it reads every record sealed for this reader.
    pub fn private_text(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(text::b64(self.0.as_slice()));
        Zeroizing::new(format!("{SEED_LINE}{}", *encoded))
    }

    fn private(&self) -> Result<<XWing as Kem>::PrivateKey, WrapError> {
        Deserializable::from_bytes(self.0.as_slice()).map_err(|_| WrapError::Key)
    }

    /// The public key: ML-KEM-768 encapsulation key ‖ X25519 key. Every 32 bytes are a seed.
    pub fn public(&self) -> Vec<u8> {
        self.private().map(|private| XWing::sk_to_pk(&private).to_bytes().to_vec()).unwrap_or_default()
    }

    /// The id of the public key.
    pub fn key_id(&self) -> [u8; 8] {
        reader_key_id(&self.public())
    }
}

impl Debug for ReaderSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReaderSeed(secret)")
    }
}

/// The key id in `wraps`: first 8 bytes of SHA-256("vitrine/v0/reader" ‖ 0x00 ‖ public key).
pub fn reader_key_id(public: &[u8]) -> [u8; 8] {
    let hash = Hash::of_parts(&[b"vitrine/v0/reader\0", public]);
    let mut id = [0; 8];
    id.copy_from_slice(&hash.as_bytes()[..8]);
    id
}

/// `xwing:<name>:<key id>:<base64 of the public key>`.
pub fn reader_text(name: &str, public: &[u8]) -> String {
    format!("xwing:{name}:{}:{}", text::hex(&reader_key_id(public)), text::b64(public))
}

/// Reads [`reader_text`]: name and public key.
///
/// # Errors
/// What is wrong with it.
pub fn parse_reader_text(line: &str) -> Result<(String, Vec<u8>), String> {
    let shape = "a reader's public key is xwing:<name>:<key id>:<base64>";
    let mut parts = line.strip_prefix("xwing:").ok_or(shape)?.split(':');
    let (Some(name), Some(id), Some(key), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(shape.into());
    };
    if !words::is_name(name) {
        return Err(format!("{} is no name of a reader", Quote::of(name)));
    }
    let public = text::unb64_array::<XWING_PUBLIC_BYTES>(key).map_err(|error| error.to_string())?;
    if !is_xwing(&public) {
        return Err(WrapError::Key.to_string());
    }
    let want = text::hex(&reader_key_id(&public));
    if id != want {
        return Err(format!("the key id is {}, the key's is {want}", Quote::of(id)));
    }
    Ok((name.into(), public.to_vec()))
}

/// Wraps W for one reader; `randomness` is fresh for each wrap.
///
/// # Errors
/// A public key that is none.
pub fn wrap(
    window: &WindowKey,
    public: &[u8],
    target: &WrapFor<'_>,
    randomness: &[u8; ENCAPSULATION_RANDOMNESS_BYTES],
) -> Result<Vec<u8>, WrapError> {
    let checked: &[u8; XWING_PUBLIC_BYTES] = public.try_into().map_err(|_| WrapError::Key)?;
    if !is_xwing(checked) {
        return Err(WrapError::Key);
    }
    let public = Deserializable::from_bytes(public).map_err(|_| WrapError::Key)?;
    let (encapsulation, sealed) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        &target.info(),
        window.bytes(),
        &[],
        &mut Given { bytes: randomness, at: 0 },
    )
    .map_err(|_| WrapError::Key)?;
    let mut wrap = encapsulation.to_bytes().to_vec();
    wrap.extend(sealed);
    Ok(wrap)
}

/// Opens a wrap and compares W with the sealing key's `check`.
///
/// # Errors
/// Why it does not open: one reader's word.
pub fn unwrap(seed: &ReaderSeed, target: &WrapFor<'_>, wrap: &[u8], check: &Hash) -> Result<WindowKey, WrapError> {
    if wrap.len() != WRAP_BYTES {
        return Err(WrapError::Length(wrap.len()));
    }
    let (encapsulation, sealed) = wrap.split_at(ENCAPSULATION_BYTES);
    let encapsulation = Deserializable::from_bytes(encapsulation).map_err(|_| WrapError::Open)?;
    let plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &seed.private()?,
        &encapsulation,
        &target.info(),
        sealed,
        &[],
    );
    let plain = Zeroizing::new(plain.map_err(|_| WrapError::Open)?);
    let window = WindowKey::new(plain.as_slice().try_into().map_err(|_| WrapError::Open)?);
    let got = window.check();
    if got == *check { Ok(window) } else { Err(WrapError::Check { got, want: *check }) }
}

/// Randomness that was drawn by the caller: `spec` has none of its own.
struct Given<'a> {
    bytes: &'a [u8; ENCAPSULATION_RANDOMNESS_BYTES],
    at: usize,
}

impl TryRng for Given<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, wanted: &mut [u8]) -> Result<(), Infallible> {
        // X-Wing takes exactly 64 bytes, once; more would repeat them, which the vectors of a wrap would show.
        for byte in wanted {
            *byte = self.bytes[self.at % ENCAPSULATION_RANDOMNESS_BYTES];
            self.at += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Given<'_> {}

/// True when every ML-KEM number is reduced, and the X25519 part is reduced and not of small order [L-15].
pub fn is_xwing(key: &[u8; XWING_PUBLIC_BYTES]) -> bool {
    let (numbers, rest) = key.split_at(1_152);
    let reduced = numbers.chunks_exact(3).all(|three| {
        let [a, b, c] = [u16::from(three[0]), u16::from(three[1]), u16::from(three[2])];
        (a | (b & 0x0f) << 8) < 3_329 && (b >> 4 | c << 4) < 3_329
    });
    let x25519 = &rest[32..];
    reduced && is_below_p(x25519) && !SMALL_ORDER.iter().any(|point| point == x25519)
}

/// Little-endian and below 2^255 − 19.
fn is_below_p(number: &[u8]) -> bool {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    number.iter().rev().lt(prime.iter().rev())
}

/// The u-coordinates of small order that are reduced: 0, 1, the two of order 8, and p − 1 (RFC 7748, section 6.1).
const SMALL_ORDER: [[u8; 32]; 5] = {
    let zero = [0; 32];
    let mut one = zero;
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let first = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ];
    let second = [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ];
    [zero, one, first, second, minus_one]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xwing_key_is_reduced_and_of_large_order() {
        // [L-15]
        let mut key = [0; XWING_PUBLIC_BYTES];
        assert!(!is_xwing(&key), "X25519 part 0");
        key[1_184] = 9;
        assert!(is_xwing(&key), "the base point");
        key[1_184] = 1;
        assert!(!is_xwing(&key), "order 4");
        for point in SMALL_ORDER {
            key[1_184..].copy_from_slice(&point);
            assert!(!is_xwing(&key), "{point:?}");
        }
        key[1_184..].fill(0xff);
        assert!(!is_xwing(&key), "above p");
        key[1_184..].fill(0);
        key[1_184] = 9;
        key[0..3].copy_from_slice(&[0x00, 0x0d, 0]);
        assert!(is_xwing(&key), "3328");
        key[0..3].copy_from_slice(&[0x01, 0x0d, 0]);
        assert!(!is_xwing(&key), "3329 in the first half");
        key[0..3].copy_from_slice(&[0, 0x10, 0xd0]);
        assert!(!is_xwing(&key), "3329 in the second half");
    }
}
