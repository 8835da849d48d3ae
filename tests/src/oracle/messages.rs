//! What keys sign, byte for byte from the texts of C2SP and DSSE, and how a key is named.
//!
//! Concatenation and two library calls. Not here: parsing; the messages are compared with those of `spec`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Digest;

/// c2sp.org/signed-note, "Verifier keys": the first four bytes of `SHA-256(<name> || 0x0A || <type> || <key>)`.
#[must_use]
pub fn key_id(name: &str, kind: u8, key: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest([name.as_bytes(), b"\n", &[kind], key].concat());
    [digest[0], digest[1], digest[2], digest[3]]
}

/// `<name>+<8 hexadecimal digits>+<base64 of type and key>`.
#[must_use]
pub fn vkey(name: &str, kind: u8, key: &[u8]) -> String {
    let id: String = key_id(name, kind, key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}+{id}+{}", STANDARD.encode([&[kind], key].concat()))
}

/// A signature line of c2sp.org/signed-note, "Format".
#[must_use]
pub fn line(name: &str, id: [u8; 4], signature: &[u8]) -> String {
    format!("\u{2014} {name} {}\n", STANDARD.encode([&id, signature].concat()))
}

/// A checkpoint of c2sp.org/tlog-checkpoint: origin, size, root, extension lines.
#[must_use]
pub fn checkpoint(origin: &str, size: u64, root: &Digest, extensions: &[&str]) -> String {
    let mut lines = vec![origin.to_owned(), size.to_string(), STANDARD.encode(root)];
    lines.extend(extensions.iter().map(|line| (*line).to_owned()));
    lines.join("\n") + "\n"
}

/// c2sp.org/tlog-cosignature, "Ed25519 signed message".
#[must_use]
pub fn cosignature_v1(checkpoint: &str, time: u64) -> Vec<u8> {
    ["cosignature/v1\n", "time ", &time.to_string(), "\n", checkpoint].concat().into_bytes()
}

/// c2sp.org/tlog-cosignature, "ML-DSA-44 signed message": the structure `cosigned_message`, for names of 1 to 255 bytes.
///
/// # Panics
/// When a name is longer.
#[must_use]
#[expect(clippy::expect_used, reason = "an oracle is given names that have a place in the structure")]
pub fn subtree_v1(cosigner: &str, time: u64, origin: &str, (start, end): (u64, u64), hash: &Digest) -> Vec<u8> {
    let name = |name: &str| {
        let length = u8::try_from(name.len()).expect("a name in the structure has at most 255 bytes");
        [&[length], name.as_bytes()].concat()
    };
    let mut message = b"subtree/v1\n\0".to_vec(); // uint8 label[12]
    message.extend(name(cosigner)); // opaque cosigner_name<1..2^8-1>
    message.extend(time.to_be_bytes()); // uint64 timestamp
    message.extend(name(origin)); // opaque log_origin<1..2^8-1>
    message.extend(start.to_be_bytes()); // uint64 start
    message.extend(end.to_be_bytes()); // uint64 end
    message.extend(hash); // uint8 hash[32]
    message
}

/// DSSE v1.0.2, "Signature Definition": `"DSSEv1" + SP + LEN(type) + SP + type + SP + LEN(body) + SP + body`.
#[must_use]
pub fn pae(kind: &str, body: &[u8]) -> Vec<u8> {
    let lengths = (kind.len().to_string(), body.len().to_string());
    [b"DSSEv1 ", lengths.0.as_bytes(), b" ", kind.as_bytes(), b" ", lengths.1.as_bytes(), b" ", body].concat()
}
