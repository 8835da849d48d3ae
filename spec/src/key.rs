//! Verifier keys and seeds: names, ids, signatures over given bytes (docs/30-note.md).
//!
//! One rule of validity for each algorithm, everywhere: Ed25519 as `verify_strict`, ML-DSA-44 with an empty context.
//! Not here: which bytes a signature covers (`note`, `checkpoint`, `cosignature`, and the events' envelope).

mod seed;

pub use seed::{Ed25519Signer, Seed};

use crate::text::{self, Quote, TextError};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Debug, Display};
use ed25519_dalek::VerifyingKey;
use ml_dsa::MlDsa44;
use sha2::{Digest, Sha256};

/// Bytes of an Ed25519 public key.
pub const ED25519_PUBLIC_BYTES: usize = 32;
/// Bytes of an Ed25519 signature.
pub const ED25519_SIGNATURE_BYTES: usize = 64;
/// Bytes of an ML-DSA-44 public key (FIPS 204, table 2).
pub const MLDSA44_PUBLIC_BYTES: usize = 1_312;
/// Bytes of an ML-DSA-44 signature (FIPS 204, table 2).
pub const MLDSA44_SIGNATURE_BYTES: usize = 2_420;
/// Bytes of the seed of either algorithm (RFC 8032, section 5.1.5; FIPS 204, algorithm 1).
pub const SEED_BYTES: usize = 32;

/// Why a vkey, a private key or a key name is refused. No variant shows any part of a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not three parts with `+` between them.
    #[error("a key is three parts with `+` between them: name, 8 digits, base64")]
    Parts,
    /// A key name that is empty, or holds a space, a `+` or a control character.
    #[error("{0} is not a key name: it is empty, or holds a space, `+` or a control character")]
    Name(Quote),
    /// The key id is not 8 lowercase hexadecimal digits.
    #[error("the key id: {0}")]
    IdText(TextError),
    /// The key id is not that of this name, type and key.
    #[error("the key id is {got}, this name, type and key have {want}")]
    Id {
        /// The id computed.
        want: KeyId,
        /// The id in the text.
        got: KeyId,
    },
    /// The third part is not base64 in its one spelling.
    #[error("the part behind the key id is not base64 in its one spelling")]
    Base64,
    /// A signature type that nothing here can verify.
    #[error("signature type {0:#04x} is none of 0x01, 0x04 and 0x06")]
    Kind(u8),
    /// No signature type in front of the key.
    #[error("the part behind the key id is empty")]
    Empty,
    /// Key material of another length than the type has.
    #[error("a key of type {kind} has {want} bytes, this one {got}")]
    Length {
        /// The type given.
        kind: KeyKind,
        /// Bytes of a key of that type.
        want: usize,
        /// Bytes given.
        got: usize,
    },
    /// 32 bytes that are no encoding of a point (RFC 8032, section 5.1.3).
    #[error("the Ed25519 key is not the encoding of a point")]
    NotAPoint,
    /// A second spelling of a point.
    #[error("the Ed25519 key is not the canonical encoding of its point")]
    NotCanonical,
    /// A point of order 8 or less, under which signatures can be made without a private key.
    #[error("the Ed25519 key is of small order")]
    SmallOrder,
    /// Not the text of a private key.
    #[error("a private key begins with `PRIVATE+KEY+`")]
    NotPrivate,
    /// A key asked to sign what its type does not.
    #[error("a key of type {got} signs no {want} message")]
    WrongKind {
        /// The algorithm wanted.
        want: &'static str,
        /// The type of the key.
        got: KeyKind,
    },
}

/// First four bytes of a key's fingerprint; unique only together with the key name [N-3].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Takes four bytes as an id.
    pub const fn new(bytes: [u8; 4]) -> KeyId {
        KeyId(bytes)
    }

    /// The four bytes.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }

    /// `SHA-256(name ‖ 0x0A ‖ type ‖ key)[:4]` [N-3]. Cannot fail.
    pub fn of(name: &str, kind: KeyKind, public: &[u8]) -> KeyId {
        let digest =
            Sha256::new().chain_update(name).chain_update([b'\n', kind.byte()]).chain_update(public).finalize();
        KeyId([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&text::hex(&self.0))
    }
}

impl Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// What a key signs, by the signature type byte of signed-note [N-4].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// 0x01: Ed25519 over the note text; also over events.
    Ed25519,
    /// 0x04: Ed25519 over `cosignature/v1`, with a time.
    Cosign,
    /// 0x06: ML-DSA-44 over `subtree/v1`, with a time.
    MlDsa44,
}

impl KeyKind {
    /// The signature type byte.
    pub const fn byte(self) -> u8 {
        match self {
            KeyKind::Ed25519 => 0x01,
            KeyKind::Cosign => 0x04,
            KeyKind::MlDsa44 => 0x06,
        }
    }

    /// The kind of a signature type byte; every other type is unknown here, and its signatures are ignored [N-4].
    pub const fn of(byte: u8) -> Option<KeyKind> {
        match byte {
            0x01 => Some(KeyKind::Ed25519),
            0x04 => Some(KeyKind::Cosign),
            0x06 => Some(KeyKind::MlDsa44),
            _ => None,
        }
    }

    /// Bytes of a public key.
    pub const fn public_bytes(self) -> usize {
        match self {
            KeyKind::Ed25519 | KeyKind::Cosign => ED25519_PUBLIC_BYTES,
            KeyKind::MlDsa44 => MLDSA44_PUBLIC_BYTES,
        }
    }

    /// Bytes of a bare signature, without a time.
    pub const fn signature_bytes(self) -> usize {
        match self {
            KeyKind::Ed25519 | KeyKind::Cosign => ED25519_SIGNATURE_BYTES,
            KeyKind::MlDsa44 => MLDSA44_SIGNATURE_BYTES,
        }
    }
}

impl Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            KeyKind::Ed25519 => "0x01 (Ed25519)",
            KeyKind::Cosign => "0x04 (Ed25519 cosignature)",
            KeyKind::MlDsa44 => "0x06 (ML-DSA-44)",
        })
    }
}

/// A verifier key: name, id, type and public key.
#[derive(Clone, PartialEq, Eq)]
pub struct Vkey {
    name: String,
    id: KeyId,
    public: Public,
}

/// Public keys. An ML-DSA-44 key stays encoded: expanded it is 20 kB, and most keys of a list never verify anything.
#[derive(Clone, PartialEq, Eq)]
enum Public {
    Ed25519(VerifyingKey),
    Cosign(VerifyingKey),
    MlDsa44(Box<[u8; MLDSA44_PUBLIC_BYTES]>),
}

impl Vkey {
    /// Takes a name, a kind and the bytes of a public key; the id is computed [N-3].
    pub fn new(name: &str, kind: KeyKind, public: &[u8]) -> Result<Vkey, KeyError> {
        check_name(name)?;
        let length = || KeyError::Length { kind, want: kind.public_bytes(), got: public.len() };
        let public = match kind {
            KeyKind::Ed25519 => Public::Ed25519(ed25519(public.try_into().map_err(|_| length())?)?),
            KeyKind::Cosign => Public::Cosign(ed25519(public.try_into().map_err(|_| length())?)?),
            KeyKind::MlDsa44 => Public::MlDsa44(Box::new(public.try_into().map_err(|_| length())?)),
        };
        Ok(Vkey::from_public(name.to_string(), public))
    }

    fn from_public(name: String, public: Public) -> Vkey {
        let mut vkey = Vkey { name, id: KeyId([0; 4]), public };
        vkey.id = KeyId::of(&vkey.name, vkey.kind(), vkey.public());
        vkey
    }

    /// Reads `<name>+<hex8>+<base64 of type ‖ key>` [N-2]; the id must be the computed one [N-3], the type one of three [N-4].
    pub fn parse(text: &str) -> Result<Vkey, KeyError> {
        let (name, id, material) = three_parts(text).ok_or(KeyError::Parts)?;
        check_name(name)?;
        let got = KeyId(text::unhex(id).map_err(KeyError::IdText)?);
        let material = text::unb64(material).map_err(|_| KeyError::Base64)?;
        let (kind, public) = material.split_first().ok_or(KeyError::Empty)?;
        let kind = KeyKind::of(*kind).ok_or(KeyError::Kind(*kind))?;
        let vkey = Vkey::new(name, kind, public)?;
        if vkey.id == got { Ok(vkey) } else { Err(KeyError::Id { want: vkey.id, got }) }
    }

    /// As [`Vkey::parse`]; an Ed25519 key of small order is refused as well: for every key inside a leaf [N-5].
    pub fn parse_strict(text: &str) -> Result<Vkey, KeyError> {
        let vkey = Vkey::parse(text)?;
        match &vkey.public {
            Public::Ed25519(key) | Public::Cosign(key) if key.is_weak() => Err(KeyError::SmallOrder),
            Public::Ed25519(_) | Public::Cosign(_) | Public::MlDsa44(_) => Ok(vkey),
        }
    }

    /// The key name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The signature type.
    pub fn kind(&self) -> KeyKind {
        match self.public {
            Public::Ed25519(_) => KeyKind::Ed25519,
            Public::Cosign(_) => KeyKind::Cosign,
            Public::MlDsa44(_) => KeyKind::MlDsa44,
        }
    }

    /// The bytes of the public key, without the type.
    pub fn public(&self) -> &[u8] {
        match &self.public {
            Public::Ed25519(key) | Public::Cosign(key) => key.as_bytes(),
            Public::MlDsa44(key) => key.as_slice(),
        }
    }

    /// `<name>+<hex8>`: the first two parts of the vkey.
    pub fn keyid(&self) -> String {
        format!("{}+{}", self.name, self.id)
    }

    /// True when `signature` is this key's over exactly `message` [N-7]; a wrong length is just false.
    ///
    /// No note, time or prefix is added: that is for the modules that know what is signed.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Ed25519(key) | Public::Cosign(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Public::MlDsa44(key) => ml_dsa::Signature::<MlDsa44>::try_from(signature).is_ok_and(|signature| {
                let encoded = ml_dsa::EncodedVerifyingKey::<MlDsa44>::from(**key);
                ml_dsa::VerifyingKey::<MlDsa44>::decode(&encoded).verify_with_context(message, &[], &signature)
            }),
        }
    }
}

impl Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut material = Vec::with_capacity(1 + self.public().len());
        material.push(self.kind().byte());
        material.extend_from_slice(self.public());
        write!(f, "{}+{}+{}", self.name, self.id, text::b64(&material))
    }
}

impl Debug for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vkey({}, {})", self.keyid(), self.kind())
    }
}

/// Decodes a point as RFC 8032, section 5.1.3, does; the library alone also takes second spellings [N-5].
fn ed25519(public: &[u8; ED25519_PUBLIC_BYTES]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(public).map_err(|_| KeyError::NotAPoint)?;
    if is_canonical(public) { Ok(key) } else { Err(KeyError::NotCanonical) }
}

/// Whether a point has no other spelling that comes first: y is below p = 2^255 − 19, and x = 0, which is so where y is 1 or
/// p − 1, is not called odd. The same as printing the point again, without a division.
fn is_canonical(public: &[u8; ED25519_PUBLIC_BYTES]) -> bool {
    let [low, middle @ .., high] = public;
    let (y_high, x_is_odd) = (high & 0x7f, high >> 7 == 1);
    let is_all = |byte: u8| middle.iter().all(|found| *found == byte);
    let is_one = (*low, y_high) == (1, 0) && is_all(0);
    let near_p = y_high == 0x7f && is_all(0xff);
    let (is_below_p, is_minus_one) = (!near_p || *low < 0xed, near_p && *low == 0xec);
    is_below_p && !(x_is_odd && (is_one || is_minus_one))
}

/// Splits at the first two `+`: base64 holds more of them, a key name and an id none.
fn three_parts(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, material) = rest.split_once('+')?;
    Some((name, id, material))
}

/// Checks a key name as signed-note has it: not empty, no Unicode space, no `+`, and nothing that a note cannot hold [N-1].
pub fn check_name(name: &str) -> Result<(), KeyError> {
    let wrong = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    if name.is_empty() || name.contains(wrong) { Err(KeyError::Name(Quote::of(name))) } else { Ok(()) }
}

/// True for a key name that a leaf may hold: `[a-z0-9./-]{3,100}`, beginning with a letter or digit [N-8].
pub fn leaf_key_name(name: &str) -> bool {
    let letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=100).contains(&name.len())
        && name.bytes().all(|byte| letter_or_digit(byte) || matches!(byte, b'.' | b'/' | b'-'))
        && name.bytes().next().is_some_and(letter_or_digit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const EXAMPLE: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_PRIVATE: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn a_vkey_has_one_spelling_and_its_own_id() {
        // The example of signed-note. [N-2] [N-3]
        let vkey = Vkey::parse(EXAMPLE).unwrap();
        assert_eq!((vkey.name(), vkey.kind()), ("example.com/foo", KeyKind::Ed25519));
        assert_eq!(vkey.id(), KeyId::new([0x53, 0x0d, 0x90, 0x3a]));
        assert_eq!(vkey.keyid(), "example.com/foo+530d903a");
        assert_eq!(vkey.to_string(), EXAMPLE);
        let wrong_id = EXAMPLE.replace("530d903a", "530d903b");
        let (want, got) = (vkey.id(), KeyId::new([0x53, 0x0d, 0x90, 0x3b]));
        assert_eq!(Vkey::parse(&wrong_id), Err(KeyError::Id { want, got }));
        assert!(matches!(Vkey::parse(&EXAMPLE.replace("530d903a", "530D903A")), Err(KeyError::IdText(_))));
        assert_eq!(Vkey::parse("example.com/foo+530d903a"), Err(KeyError::Parts));
        assert_eq!(Vkey::parse(&EXAMPLE[..EXAMPLE.len() - 1]), Err(KeyError::Base64));
        assert_eq!(Vkey::parse("example.com/foo+530d903a+"), Err(KeyError::Empty));
        for end in 0..EXAMPLE.len() {
            assert!(Vkey::parse(&EXAMPLE[..end]).is_err() && Vkey::parse(&EXAMPLE[end + 1..]).is_err(), "{end}");
        }
    }

    #[test]
    fn names() {
        // [N-1] [N-8]
        for name in ["a", "Ünï/ço∂é", "sum.golang.org", "\u{7f}"] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        for name in ["", "a b", "a+b", "a\u{a0}b", "a\u{2003}", "a\tb", "a\nb", "a\u{1}b"] {
            assert_eq!(check_name(name), Err(KeyError::Name(Quote::of(name))), "{name:?}");
            assert!(!leaf_key_name(name), "{name:?}");
        }
        for name in ["abc", "log.example/x-1", "0/1"] {
            assert!(leaf_key_name(name), "{name}");
        }
        for name in ["ab", ".abc", "/abc", "-abc", "Abc", "a_c", "äbc", &"a".repeat(101)] {
            assert!(!leaf_key_name(name), "{name}");
        }
        assert!(leaf_key_name(&"a".repeat(100)));
    }

    #[test]
    fn unknown_types_and_wrong_lengths() {
        // [N-4]
        let text = |kind: u8, public: &[u8]| {
            let mut material = alloc::vec![kind];
            material.extend_from_slice(public);
            format!("name+00000000+{}", text::b64(&material))
        };
        for kind in [0x00, 0x02, 0x03, 0x05, 0x07, 0xff] {
            assert_eq!(Vkey::parse(&text(kind, &[7; 32])), Err(KeyError::Kind(kind)));
        }
        for (kind, length) in [(KeyKind::Ed25519, 31), (KeyKind::Cosign, 33), (KeyKind::MlDsa44, 1_311)] {
            let refused = Vkey::parse(&text(kind.byte(), &alloc::vec![7; length]));
            assert_eq!(refused, Err(KeyError::Length { kind, want: kind.public_bytes(), got: length }));
            assert_eq!(KeyKind::of(kind.byte()), Some(kind));
        }
    }

    #[test]
    fn ed25519_keys_are_canonical_points_and_in_leaves_of_full_order() {
        // [N-5] y = p + 1 (a second spelling of the neutral element), the neutral element, no point at all.
        let mut second_spelling = [0xff; 32];
        (second_spelling[0], second_spelling[31]) = (0xee, 0x7f);
        assert_eq!(Vkey::new("name", KeyKind::Ed25519, &second_spelling), Err(KeyError::NotCanonical));
        // Every y from p − 2 on and those that they are second spellings of, with either sign: one spelling is one that prints alike.
        let mut spellings = 0;
        for low in 0..=u8::MAX {
            for (fill, high) in [(0, 0), (0xff, 0x7f), (0, 0x7f), (0xff, 0)] {
                for sign in [0, 0x80] {
                    let mut public = [fill; 32];
                    (public[0], public[31]) = (low, high | sign);
                    let Ok(key) = VerifyingKey::from_bytes(&public) else { continue };
                    assert_eq!(is_canonical(&public), key.to_edwards().compress().as_bytes() == &public, "{public:?}");
                    spellings += 1;
                }
            }
        }
        assert!(spellings > 500, "{spellings}");
        let mut negative_zero = [0; 32];
        (negative_zero[0], negative_zero[31]) = (1, 0x80);
        assert!(Vkey::new("name", KeyKind::Ed25519, &negative_zero).is_err());
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(Vkey::new("name", KeyKind::Cosign, &no_point), Err(KeyError::NotAPoint));
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let weak = Vkey::new("name", KeyKind::Ed25519, &neutral).unwrap();
        assert_eq!(Vkey::parse(&weak.to_string()).as_ref(), Ok(&weak));
        assert_eq!(Vkey::parse_strict(&weak.to_string()), Err(KeyError::SmallOrder));
        // The signature that a lax verifier takes from everybody under that key: R neutral, s = 0. [N-7]
        let mut anybody = [0; 64];
        anybody[0] = 1;
        assert!(!weak.verify(b"anything", &anybody));
        assert_eq!(Vkey::parse_strict(EXAMPLE), Vkey::parse(EXAMPLE));
    }

    #[test]
    fn seeds_of_every_type_sign_for_their_vkey_only() {
        // [N-7] [N-9]
        for kind in [KeyKind::Ed25519, KeyKind::Cosign, KeyKind::MlDsa44] {
            let seed = Seed::new("example.com/key", kind, [9; 32]).unwrap();
            let vkey = seed.vkey();
            assert_eq!(vkey.id(), KeyId::of("example.com/key", kind, vkey.public()));
            assert_eq!(Vkey::parse_strict(&vkey.to_string()).unwrap(), vkey);
            let (signature, other) = match kind {
                KeyKind::MlDsa44 => (seed.sign_mldsa_deterministic(b"message"), seed.sign_ed25519(b"message").err()),
                KeyKind::Ed25519 | KeyKind::Cosign => (
                    seed.sign_ed25519(b"message").map(|signature| signature.to_vec()),
                    seed.sign_mldsa_deterministic(b"message").err(),
                ),
            };
            assert!(matches!(other, Some(KeyError::WrongKind { got, .. }) if got == kind));
            let signature = signature.unwrap();
            assert_eq!(signature.len(), kind.signature_bytes());
            assert!(vkey.verify(b"message", &signature));
            assert!(!vkey.verify(b"messagf", &signature));
            assert!(!vkey.verify(b"message", &signature[1..]));
            assert!(!vkey.verify(b"message", &[]));
            let mut flipped = signature;
            flipped[20] ^= 1;
            assert!(!vkey.verify(b"message", &flipped));
            let text = seed.private_text();
            assert_eq!(Seed::parse(&text).unwrap().private_text(), text);
        }
    }

    #[test]
    fn private_keys_read_as_others_write_them_and_never_show() {
        // The published test key of the Go note package. [N-9]
        let seed = Seed::parse(PETER_PRIVATE).unwrap();
        assert_eq!(seed.vkey(), Vkey::parse(PETER).unwrap());
        assert_eq!(*seed.private_text(), PETER_PRIVATE);
        assert_eq!(format!("{seed:?}"), "Seed(PeterNeumann, 0x01 (Ed25519), secret)");
        assert_eq!(Seed::parse(PETER).err(), Some(KeyError::NotPrivate));
        let secret = &PETER_PRIVATE[PETER_PRIVATE.len() - 44..];
        for text in [
            PETER_PRIVATE.to_string(),
            PETER_PRIVATE.replace("PRIVATE+KEY+", ""),
            PETER_PRIVATE.replace("c74f20a3", "c74f20a4"),
            PETER_PRIVATE.replace("AYEK", "AoEK"),
            PETER_PRIVATE.replace("KDFz", "KDF"),
        ] {
            let shown = format!("{:?} {:?}", Vkey::parse(&text).err(), Seed::parse(&text).err());
            assert!(!shown.contains(&secret[4..12]), "{shown}");
        }
    }
}
