//! Records: what a frame of the journal holds (55-witness.md).
//!
//! Bytes only. Not here: which record may follow which (`journal`), what they amount to (`heads`).

use crate::limits::RECORD_BYTES_MAX;
use vitrine_spec::hash::Hash;
use vitrine_spec::text;

/// Bytes before a record's body: its kind and its length.
const PREFIX_BYTES: usize = 5;
const BEGIN: u8 = 1;
const COSIGNED: u8 = 2;
const CONFIRMED: u8 = 3;
const CLOCK: u8 = 4;
const KEPT: u8 = 5;
const DOUBT: u8 = 6;
const SETTLED: u8 = 7;
const FROZEN: u8 = 8;

/// Name of one journal: 16 random bytes that the keys' "has signed" mark repeats [D-9].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalId([u8; 16]);

impl JournalId {
    /// Takes 16 bytes.
    pub const fn new(bytes: [u8; 16]) -> JournalId {
        JournalId(bytes)
    }

    /// 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        text::hex(&self.0)
    }

    /// Reads 32 lowercase hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<JournalId> {
        text::unhex(digits).ok().map(JournalId)
    }
}

/// One record, `kind u8 ‖ length u32 ‖ body`, numbers big-endian [D-7].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// First record of a journal: its name, and that of the lost one it stands for, zero when there is none.
    Begin {
        /// This journal.
        id: JournalId,
        /// The journal that `--confirm-state` replaced.
        replaces: Option<JournalId>,
    },
    /// A checkpoint that was cosigned.
    Cosigned(Entry),
    /// A checkpoint that a person confirmed for a lost journal; nothing was signed.
    Confirmed(Entry),
    /// The clock was accepted at this time: earlier times above it no longer count [D-13].
    Clock {
        /// Position among the records.
        counter: u64,
        /// Seconds since 1970.
        time: u64,
    },
    /// What a rewritten journal was made of is complete: a cut before this record is damage, not an unfinished write [D-6].
    Kept {
        /// Records between the first and this one.
        records: u64,
    },
    /// A note of the log that nobody could reconcile so far with the one cosigned; its time is when it was first seen [D-23].
    Doubt(Entry),
    /// The doubt about an origin is gone [D-23].
    Settled {
        /// Position among the records.
        counter: u64,
        /// SHA-256 of the origin line.
        origin: Hash,
    },
    /// The log is known to show two trees: nothing of it is cosigned any more [D-22].
    Frozen {
        /// Position among the records.
        counter: u64,
        /// SHA-256 of the origin line.
        origin: Hash,
        /// When it was found, seconds since 1970.
        time: u64,
        /// The evidence file (58-evidence.md).
        evidence: Vec<u8>,
    },
}

/// A checkpoint in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position among the records: strictly rising, also across a compaction.
    pub counter: u64,
    /// SHA-256 of the origin line.
    pub origin: Hash,
    /// Signed time, seconds since 1970; 0 in a confirmed record, the time of the discovery in a doubt.
    pub time: u64,
    /// The text of the checkpoint and the log's signature lines that were verified: a whole signed note.
    pub note: String,
    /// This witness's own lines, as answered; empty where nothing was signed.
    pub cosignatures: String,
}

/// Why bytes are no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Shorter than it says, or with something left over.
    #[error("a record of kind {kind} does not end where it should")]
    Length {
        /// Its kind.
        kind: u8,
    },
    /// Cut inside kind or length.
    #[error("a record is cut short")]
    Cut,
    /// A kind of a later version.
    #[error("kind {kind} is unknown: a newer witness wrote it, use that version or a later one")]
    Kind {
        /// The kind found.
        kind: u8,
    },
    /// Text that is not UTF-8.
    #[error("a record of kind {kind} holds text that is not UTF-8")]
    Text {
        /// Its kind.
        kind: u8,
    },
}

impl Record {
    /// Gives it its position among the records; the first and the last record of a file as it was made have none.
    pub fn set_counter(&mut self, number: u64) {
        match self {
            Record::Begin { .. } | Record::Kept { .. } => {}
            Record::Cosigned(entry) | Record::Confirmed(entry) | Record::Doubt(entry) => entry.counter = number,
            Record::Clock { counter, .. } | Record::Settled { counter, .. } | Record::Frozen { counter, .. } => {
                *counter = number;
            }
        }
    }

    /// The bytes that [`decode`] reads [D-7]. `None` above the limit of one record.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let (kind, body) = match self {
            Record::Begin { id, replaces } => (BEGIN, [id.0, replaces.map_or([0; 16], |id| id.0)].concat()),
            Record::Cosigned(entry) => (COSIGNED, entry.body()?),
            Record::Confirmed(entry) => (CONFIRMED, entry.body()?),
            Record::Clock { counter, time } => (CLOCK, [counter.to_be_bytes(), time.to_be_bytes()].concat()),
            Record::Kept { records } => (KEPT, records.to_be_bytes().to_vec()),
            Record::Doubt(entry) => (DOUBT, entry.body()?),
            Record::Settled { counter, origin } => {
                (SETTLED, [counter.to_be_bytes().as_slice(), origin.as_bytes()].concat())
            }
            Record::Frozen { counter, origin, time, evidence } => {
                (FROZEN, [&counter.to_be_bytes(), origin.as_bytes().as_slice(), &time.to_be_bytes(), evidence].concat())
            }
        };
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= RECORD_BYTES_MAX)?;
        Some([&[kind], length.to_be_bytes().as_slice(), &body].concat())
    }
}

impl Entry {
    /// `counter u64 ‖ origin [32] ‖ time u64 ‖ note length u32 ‖ note ‖ cosignatures` [D-7].
    fn body(&self) -> Option<Vec<u8>> {
        let note_length = u32::try_from(self.note.len()).ok()?;
        let counter = self.counter.to_be_bytes();
        let (time, note_length) = (self.time.to_be_bytes(), note_length.to_be_bytes());
        let parts: [&[u8]; 6] =
            [&counter, self.origin.as_bytes(), &time, &note_length, self.note.as_bytes(), self.cosignatures.as_bytes()];
        Some(parts.concat())
    }

    fn read(kind: u8, body: &[u8]) -> Result<Entry, RecordError> {
        let mut reader = Reader { kind, rest: body };
        let counter = reader.number()?;
        let origin = Hash::new(reader.array()?);
        let time = reader.number()?;
        let note_length = usize::try_from(u32::from_be_bytes(reader.array()?)).map_err(|_| reader.length())?;
        let (note, cosignatures) = reader.rest.split_at_checked(note_length).ok_or_else(|| reader.length())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| RecordError::Text { kind });
        Ok(Entry { counter, origin, time, note: text(note)?, cosignatures: text(cosignatures)? })
    }
}

/// Reads one record and what is behind it [D-7].
pub fn decode(bytes: &[u8]) -> Result<(Record, &[u8]), RecordError> {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX_BYTES>().ok_or(RecordError::Cut)?;
    let [kind, length @ ..] = *prefix;
    let wrong = || RecordError::Length { kind };
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| wrong())?;
    let (body, rest) = rest.split_at_checked(length).ok_or_else(wrong)?;
    let mut reader = Reader { kind, rest: body };
    let record = match kind {
        BEGIN => {
            let (id, replaces) = (reader.array()?, reader.array()?);
            let replaces = (replaces != [0; 16]).then_some(JournalId(replaces));
            Record::Begin { id: JournalId(id), replaces }
        }
        COSIGNED => return Ok((Record::Cosigned(Entry::read(kind, body)?), rest)),
        CONFIRMED => return Ok((Record::Confirmed(Entry::read(kind, body)?), rest)),
        CLOCK => Record::Clock { counter: reader.number()?, time: reader.number()? },
        KEPT => Record::Kept { records: reader.number()? },
        DOUBT => return Ok((Record::Doubt(Entry::read(kind, body)?), rest)),
        SETTLED => Record::Settled { counter: reader.number()?, origin: Hash::new(reader.array()?) },
        FROZEN => {
            let (counter, origin, time) = (reader.number()?, Hash::new(reader.array()?), reader.number()?);
            return Ok((Record::Frozen { counter, origin, time, evidence: reader.rest.to_vec() }, rest));
        }
        _ => return Err(RecordError::Kind { kind }),
    };
    if reader.rest.is_empty() { Ok((record, rest)) } else { Err(wrong()) }
}

struct Reader<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl Reader<'_> {
    fn length(&self) -> RecordError {
        RecordError::Length { kind: self.kind }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.length())?;
        self.rest = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            counter: 7,
            origin: Hash::of(b"log.example"),
            time: 9,
            note: "note\n".into(),
            cosignatures: "— w AAAA\n".into(),
        }
    }

    fn samples() -> [Record; 9] {
        [
            Record::Begin { id: JournalId([1; 16]), replaces: None },
            Record::Begin { id: JournalId([1; 16]), replaces: Some(JournalId([2; 16])) },
            Record::Cosigned(entry()),
            Record::Confirmed(Entry { time: 0, cosignatures: String::new(), ..entry() }),
            Record::Clock { counter: 8, time: 5 },
            Record::Kept { records: 3 },
            Record::Doubt(Entry { cosignatures: String::new(), ..entry() }),
            Record::Settled { counter: 9, origin: Hash::of(b"log.example") },
            Record::Frozen { counter: 10, origin: Hash::of(b"log.example"), time: 9, evidence: b"evidence".to_vec() },
        ]
    }

    #[test]
    fn byte_for_byte() {
        // [D-7]
        let bytes = Record::Clock { counter: 8, time: 5 }.encode().unwrap();
        assert_eq!(bytes, [4, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
        let origin = Hash::of(b"log.example");
        let expected = [
            [2, 0, 0, 0, 68].as_slice(),
            &7u64.to_be_bytes(),
            origin.as_bytes(),
            &9u64.to_be_bytes(),
            &5u32.to_be_bytes(),
            b"note\n",
            "— w AAAA\n".as_bytes(),
        ]
        .concat();
        assert_eq!(Record::Cosigned(entry()).encode().unwrap(), expected);
        let frozen =
            Record::Frozen { counter: 7, origin: Hash::of(b"log.example"), time: 9, evidence: b"two".to_vec() };
        let expected =
            [[8, 0, 0, 0, 51].as_slice(), &7u64.to_be_bytes(), origin.as_bytes(), &9u64.to_be_bytes(), b"two"].concat();
        assert_eq!(frozen.encode().unwrap(), expected);
        let settled = Record::Settled { counter: 7, origin };
        let expected = [[7, 0, 0, 0, 40].as_slice(), &7u64.to_be_bytes(), origin.as_bytes()].concat();
        assert_eq!(settled.encode().unwrap(), expected);
    }

    #[test]
    fn one_spelling_and_nothing_left_over() {
        // [D-7]
        for record in samples() {
            let bytes = record.encode().unwrap();
            let followed = [bytes.as_slice(), b"next"].concat();
            assert_eq!(decode(&followed).unwrap(), (record.clone(), b"next".as_slice()));
            for cut in 0..bytes.len() {
                assert!(decode(&bytes[..cut]).is_err(), "{record:?} cut at {cut}");
            }
            let (kind, body) = (bytes[0], &bytes[PREFIX_BYTES..]);
            if matches!(kind, BEGIN | CLOCK | KEPT | SETTLED) {
                let length = u32::try_from(body.len() + 1).unwrap().to_be_bytes();
                let longer = [[kind].as_slice(), &length, body, &[0]].concat();
                assert_eq!(decode(&longer), Err(RecordError::Length { kind }));
            }
        }
        assert_eq!(decode(&[99, 0, 0, 0, 0]), Err(RecordError::Kind { kind: 99 }));
        assert_eq!(decode(&[]), Err(RecordError::Cut));
        let mut not_text = Record::Confirmed(entry()).encode().unwrap();
        *not_text.last_mut().unwrap() = 0xff;
        assert_eq!(decode(&not_text), Err(RecordError::Text { kind: CONFIRMED }));
        let huge = Entry { note: "x".repeat(RECORD_BYTES_MAX), ..entry() };
        assert_eq!(Record::Cosigned(huge).encode(), None);
    }
}
