//! Signed notes: text, signature lines and who signed (docs/30-note.md).
//!
//! Reads and prints c2sp.org/signed-note, one spelling of everything. Not here: what a text says (`checkpoint`) and
//! signatures that need to know it (`cosignature`).

use crate::key::{KeyError, KeyId, KeyKind, Vkey, check_name};
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use crate::text::{self, Quote, TextError, push};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than any note of 64 signatures.
    #[error("a note of {got} bytes is above {NOTE_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Bytes before the first wrong one.
        at: usize,
    },
    /// A control character other than a newline.
    #[error("the note holds control character {byte:#04x} at byte {at}")]
    Control {
        /// The character.
        byte: u8,
        /// Bytes before it.
        at: usize,
    },
    /// No empty line, or nothing behind the last one.
    #[error("no signature line follows an empty line")]
    NoSignatures,
    /// The text does not end in a newline.
    #[error("the text of a note ends in a newline")]
    TextEnd,
    /// The last signature line does not end in a newline.
    #[error("the last signature line does not end in a newline")]
    LastLine,
    /// A line behind the last empty line that is no signature line.
    #[error("{0} is not an em dash, a key name and a signature with single spaces between")]
    SignatureLine(Quote),
    /// A key name that cannot be one.
    #[error(transparent)]
    Name(KeyError),
    /// A signature that is not base64.
    #[error("the signature: {0}")]
    Base64(TextError),
    /// Too short to hold a key id and one byte.
    #[error("a signature of {got} bytes has no room for a key id and a signature")]
    TooShort {
        /// Bytes that the base64 stands for.
        got: usize,
    },
    /// More signature lines than are read.
    #[error("a note of {got} signatures is above {NOTE_SIGNATURES_MAX}")]
    TooManySignatures {
        /// Signature lines found.
        got: usize,
    },
    /// No line is by a known key.
    #[error("none of the {lines} signatures is by one of the {keys} known keys")]
    Unsigned {
        /// Signature lines in the note.
        lines: usize,
        /// Keys that would have counted.
        keys: usize,
    },
    /// A line by a known key does not verify, whatever other lines say.
    #[error("the signature by {keyid} does not verify")]
    BadSignature {
        /// Name and id of the key.
        keyid: String,
    },
    /// Two known keys have this name and id.
    #[error("two known keys are called {keyid}")]
    AmbiguousKey {
        /// Name and id of both.
        keyid: String,
    },
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The key name: one that [`check_name`] takes, otherwise the line cannot be read again.
    pub name: String,
    /// The key id.
    pub id: KeyId,
    /// What stands behind the key id, at least one byte: a signature, or a time and a signature.
    pub bytes: Vec<u8>,
}

impl Signature {
    /// The line of `key` with what stands behind the key id: a signature, or a time and a signature. It must not be empty.
    pub fn by(key: &Vkey, bytes: Vec<u8>) -> Result<Signature, NoteError> {
        match bytes.len() {
            0 => Err(NoteError::TooShort { got: 4 }),
            _ => Ok(Signature { name: key.name().to_string(), id: key.id(), bytes }),
        }
    }

    /// Reads one line without its newline [N-6].
    pub fn parse(line: &str) -> Result<Signature, NoteError> {
        let wrong = || NoteError::SignatureLine(Quote::of(line));
        let (name, encoded) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
        check_name(name).map_err(NoteError::Name)?;
        let mut bytes = text::unb64(encoded).map_err(NoteError::Base64)?;
        let got = bytes.len();
        match bytes.split_first_chunk::<4>() {
            Some((id, [_, ..])) => {
                let id = KeyId::new(*id);
                bytes.drain(..4);
                Ok(Signature { name: name.to_string(), id, bytes })
            }
            Some(_) | None => Err(NoteError::TooShort { got }),
        }
    }

    /// The line with its newline [N-6].
    pub fn line(&self) -> String {
        let mut signature = Vec::with_capacity(4 + self.bytes.len());
        signature.extend_from_slice(self.id.as_bytes());
        signature.extend_from_slice(&self.bytes);
        let mut line = String::with_capacity(8 + self.name.len() + signature.len().div_ceil(3) * 4);
        push(&mut line, format_args!("— {} {}\n", self.name, text::b64(&signature)));
        line
    }

    /// True when name and id are those of `key`; both must match, one alone is another key [N-10].
    pub fn is_by(&self, key: &Vkey) -> bool {
        self.id == key.id() && self.name == key.name()
    }
}

/// A text with at least one signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text with its final newline, without the empty line behind it.
    pub text: String,
    /// The signature lines in their order.
    pub signatures: Vec<Signature>,
}

impl Note {
    /// Takes a text that ends in a newline and 1 to 64 signatures.
    pub fn new(text: String, signatures: Vec<Signature>) -> Result<Note, NoteError> {
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextEnd);
        }
        check_count(signatures.len())?;
        Ok(Note { text, signatures })
    }

    /// Reads a whole note [N-6].
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong { got: bytes.len() });
        }
        let note = core::str::from_utf8(bytes).map_err(|error| NoteError::NotUtf8 { at: error.valid_up_to() })?;
        check_characters(note)?;
        let (body, lines) = split(note).ok_or(NoteError::NoSignatures)?;
        let signatures = parse_signature_lines(lines)?;
        let mut text = String::with_capacity(body.len() + 1);
        text.push_str(body);
        text.push('\n');
        Ok(Note { text, signatures })
    }

    /// The bytes that [`Note::parse`] reads: text, an empty line, signature lines.
    pub fn print(&self) -> String {
        let mut note = String::with_capacity(self.text.len() + 1 + self.signatures.len() * 128);
        note.push_str(&self.text);
        note.push('\n');
        self.signatures.iter().for_each(|signature| note.push_str(&signature.line()));
        note
    }

    /// The known keys that signed, when `verify` says yes to every line by a known key and there is at least one [N-10].
    ///
    /// Each key once, in the order of the lines. Lines by other keys are ignored, whatever they hold.
    pub fn signers<'k>(
        &self,
        keys: &'k [Vkey],
        verify: impl Fn(&'k Vkey, &Signature) -> bool,
    ) -> Result<Vec<&'k Vkey>, NoteError> {
        let mut signers: Vec<&Vkey> = Vec::new();
        for signature in &self.signatures {
            let mut known = keys.iter().filter(|key| signature.is_by(key));
            let Some(key) = known.next() else { continue };
            if known.next().is_some() {
                return Err(NoteError::AmbiguousKey { keyid: key.keyid() });
            }
            if !verify(key, signature) {
                return Err(NoteError::BadSignature { keyid: key.keyid() });
            }
            if !signers.contains(&key) {
                signers.push(key);
            }
        }
        match signers.len() {
            0 => Err(NoteError::Unsigned { lines: self.signatures.len(), keys: keys.len() }),
            _ => Ok(signers),
        }
    }

    /// As [`Note::signers`] for plain notes: 0x01 over the text. A line by a known key of another type does not verify.
    pub fn verify<'k>(&self, keys: &'k [Vkey]) -> Result<Vec<&'k Vkey>, NoteError> {
        self.signers(keys, |key, signature| {
            key.kind() == KeyKind::Ed25519 && key.verify(self.text.as_bytes(), &signature.bytes)
        })
    }
}

/// Reads signature lines alone, as a witness answers them: 1 to 64 lines, each with its newline [N-6] [W-8].
pub fn parse_signatures(lines: &[u8]) -> Result<Vec<Signature>, NoteError> {
    if lines.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong { got: lines.len() });
    }
    let lines = core::str::from_utf8(lines).map_err(|error| NoteError::NotUtf8 { at: error.valid_up_to() })?;
    check_characters(lines)?;
    parse_signature_lines(lines)
}

fn parse_signature_lines(lines: &str) -> Result<Vec<Signature>, NoteError> {
    if lines.is_empty() {
        return Err(NoteError::NoSignatures);
    }
    let lines = lines.strip_suffix('\n').ok_or(NoteError::LastLine)?;
    check_count(lines.split('\n').count())?;
    lines.split('\n').map(Signature::parse).collect()
}

fn check_count(signatures: usize) -> Result<(), NoteError> {
    match signatures {
        0 => Err(NoteError::NoSignatures),
        1..=NOTE_SIGNATURES_MAX => Ok(()),
        got => Err(NoteError::TooManySignatures { got }),
    }
}

/// At the last empty line. Signatures are long and few: from one newline to the one before it.
fn split(note: &str) -> Option<(&str, &str)> {
    let mut later = None;
    for (at, _) in note.rmatch_indices('\n') {
        if later == Some(at + 1) {
            return Some((note.get(..at)?, note.get(at + 2..)?));
        }
        later = Some(at);
    }
    None
}

fn check_characters(note: &str) -> Result<(), NoteError> {
    let is_wrong = |byte: u8| byte < b' ' && byte != b'\n';
    // All of them and no early end, which a machine does many bytes at a time.
    if !note.bytes().fold(false, |wrong, byte| wrong | is_wrong(byte)) {
        return Ok(());
    }
    match note.bytes().enumerate().find(|(_, byte)| is_wrong(*byte)) {
        Some((at, byte)) => Err(NoteError::Control { byte, at }),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::key::Seed;
    use alloc::format;
    use alloc::vec;

    const EXAMPLE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    fn signed(text: &str, seeds: &[&Seed]) -> Note {
        let line =
            |seed: &&Seed| Signature::by(&seed.vkey(), seed.sign_ed25519(text.as_bytes()).unwrap().to_vec()).unwrap();
        Note::new(text.to_string(), seeds.iter().map(line).collect()).unwrap()
    }

    #[test]
    fn the_example_of_signed_note() {
        // [N-6] [N-7] [N-10]
        let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(note.text, "This is an example message.\n");
        assert_eq!(note.print(), EXAMPLE);
        let keys = [Vkey::parse(EXAMPLE_KEY).unwrap()];
        assert_eq!(note.verify(&keys), Ok(vec![&keys[0]]));
        assert_eq!(note.verify(&[]), Err(NoteError::Unsigned { lines: 1, keys: 0 }));
    }

    #[test]
    fn the_last_empty_line_ends_the_text() {
        // [N-6]
        let seed = Seed::new("name", KeyKind::Ed25519, [1; 32]).unwrap();
        let line = signed("x\n", &[&seed]).signatures[0].line();
        for text in ["\n", "\n\n", "a\n\nb\n", "— a b\n", "a\n\n— name AAAAAAA=\n"] {
            let note = Note::parse(format!("{text}\n{line}").as_bytes()).unwrap();
            assert_eq!((note.text.as_str(), note.signatures.len()), (text, 1));
        }
    }

    #[test]
    fn what_is_no_note() {
        // [N-6]
        let refused = |note: &str| Note::parse(note.as_bytes()).unwrap_err();
        assert_eq!(refused("text\n"), NoteError::NoSignatures);
        assert_eq!(refused("text\n\n"), NoteError::NoSignatures);
        assert_eq!(refused(""), NoteError::NoSignatures);
        assert_eq!(refused(EXAMPLE.trim_end()), NoteError::LastLine);
        assert_eq!(refused(&EXAMPLE.replace(" is", "\tis")), NoteError::Control { byte: 9, at: 4 });
        assert_eq!(refused(&EXAMPLE.replace("\n\n", "\r\n\n")), NoteError::Control { byte: 13, at: 27 });
        assert_eq!(Note::parse(b"te\xfft\n\n"), Err(NoteError::NotUtf8 { at: 2 }));
        let long = vec![b'a'; NOTE_BYTES_MAX + 1];
        assert_eq!(Note::parse(&long), Err(NoteError::TooLong { got: NOTE_BYTES_MAX + 1 }));
        for line in ["- a AAAAAAA=", "—a AAAAAAA=", "— a", "Unexpected line.", " — a AAAAAAA="] {
            assert_eq!(refused(&format!("t\n\n{line}\n")), NoteError::SignatureLine(Quote::of(line)), "{line}");
        }
        assert!(matches!(refused("t\n\n— a+b AAAAAAA=\n"), NoteError::Name(_)));
        assert!(matches!(refused("t\n\n—  AAAAAAA=\n"), NoteError::Name(_)));
        for encoded in ["AAAAAAB=", "AAAAAAA", "AAAAAAA= ", " AAAAAAA=", "AAA AAAA="] {
            assert!(matches!(refused(&format!("t\n\n— a {encoded}\n")), NoteError::Base64(_)), "{encoded}");
        }
        assert_eq!(refused("t\n\n— a DEAD\n"), NoteError::TooShort { got: 3 });
        assert_eq!(refused("t\n\n— a AAAAAA==\n"), NoteError::TooShort { got: 4 });
        assert_eq!(Note::new("t".to_string(), vec![]), Err(NoteError::TextEnd));
        assert_eq!(Note::new("t\n".to_string(), vec![]), Err(NoteError::NoSignatures));
        let key = Vkey::parse(EXAMPLE_KEY).unwrap();
        assert_eq!(Signature::by(&key, vec![]), Err(NoteError::TooShort { got: 4 }));
    }

    #[test]
    fn sixteen_signatures_at_least_and_a_bound() {
        // [N-6]
        let line = "— a AAAAAAA=\n";
        for (count, accepted) in [(16, true), (NOTE_SIGNATURES_MAX, true), (NOTE_SIGNATURES_MAX + 1, false)] {
            let note = format!("t\n\n{}", line.repeat(count));
            match Note::parse(note.as_bytes()) {
                Ok(read) => assert!(accepted && read.signatures.len() == count && read.print() == note),
                Err(error) => assert!(!accepted && error == NoteError::TooManySignatures { got: count }),
            }
        }
    }

    #[test]
    fn known_keys_must_verify_and_others_are_ignored() {
        // [N-10]
        let [ann, bob] = ["ann", "bob"].map(|name| Seed::new(name, KeyKind::Ed25519, [2; 32]).unwrap());
        let keys = [ann.vkey(), bob.vkey()];
        let note = signed("text\n", &[&ann, &bob, &ann]);
        assert_eq!(note.verify(&keys), Ok(vec![&keys[0], &keys[1]]));
        assert_eq!(note.verify(&keys[1..]), Ok(vec![&keys[1]]));
        // A bad line by a known key condemns the note, also beside a good line of the same key.
        let mut lines = note.signatures.to_vec();
        lines[2].bytes[0] ^= 1;
        let bad = Note::new("text\n".to_string(), lines).unwrap();
        assert_eq!(bad.verify(&keys), Err(NoteError::BadSignature { keyid: ann.vkey().keyid() }));
        assert_eq!(bad.verify(&keys[1..]), Ok(vec![&keys[1]]));
        // Same id under another name, same name with another id: other keys.
        let mut renamed = note.signatures[0].clone();
        renamed.name = "carl".to_string();
        let mut other_id = note.signatures[0].clone();
        other_id.id = KeyId::new([0; 4]);
        let unknown = Note::new("text\n".to_string(), vec![renamed, other_id]).unwrap();
        assert_eq!(unknown.verify(&keys), Err(NoteError::Unsigned { lines: 2, keys: 2 }));
        let twice = [ann.vkey(), bob.vkey(), ann.vkey()];
        assert_eq!(note.verify(&twice), Err(NoteError::AmbiguousKey { keyid: ann.vkey().keyid() }));
        let cosigner = [Seed::new("ann", KeyKind::Cosign, [2; 32]).unwrap().vkey()];
        let line = Signature::by(&cosigner[0], vec![1; 72]).unwrap();
        let cosigned = Note::new("text\n".to_string(), vec![line]).unwrap();
        assert_eq!(cosigned.verify(&cosigner), Err(NoteError::BadSignature { keyid: cosigner[0].keyid() }));
    }

    #[test]
    fn lines_alone() {
        // [N-6] [W-8]
        let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
        let lines: String = note.signatures.iter().map(Signature::line).collect();
        assert_eq!(parse_signatures(lines.as_bytes()), Ok(note.signatures));
        assert_eq!(parse_signatures(b""), Err(NoteError::NoSignatures));
        assert_eq!(parse_signatures(b"\n"), Err(NoteError::SignatureLine(Quote::of(""))));
        assert_eq!(parse_signatures(b"\xff"), Err(NoteError::NotUtf8 { at: 0 }));
    }
}
