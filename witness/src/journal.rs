//! The journal: everything this witness must never forget, in one append-only file (55-witness.md).
//!
//! Reading it at start, appending to it, replacing it by a shorter one. Not here: what the records amount to (`heads`),
//! who appends and when a signature leaves (`committer`).
//!
//! Order of writes, and what a stop in between leaves:
//! - append: one frame, one fdatasync. A stop leaves a bad last frame, which the next start leaves out [D-5], or a whole
//!   one whose signatures never left: the log asks again.
//! - replace: `journal.new` written and synced, renamed, directory synced. A stop leaves the old journal or the new one;
//!   both hold every record that counts.

use crate::disk::{Disk, DiskError};
use crate::frame::{self, Found};
use crate::limits::{COMPACT_BYTES_MIN, COMPACT_RATIO, FRAME_BYTES_MAX, RECORD_BYTES_MAX};
use crate::record::{self, JournalId, Record, RecordError};
use crate::stop::Stop;
use std::sync::Arc;

/// The journal's file name.
pub const NAME: &str = "journal";
const FRESH: &str = "journal.new";
/// First line of the file: a person who opens it sees what it is.
const FIRST_LINE: &[u8] = b"vitrine witness journal 1\n";

/// Where a record lies in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    length: u32,
    crc: u32,
}

impl Place {
    /// Offset of the record's first byte: records with smaller offsets are older.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// Bytes of the record.
    pub fn bytes(self) -> u64 {
        u64::from(self.length)
    }

    fn of(offset: u64, bytes: &[u8]) -> Option<Place> {
        Some(Place { offset, length: u32::try_from(bytes.len()).ok()?, crc: crc32c::crc32c(bytes) })
    }
}

/// Why a journal cannot be used. Nothing is signed after any of these.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A step on the directory failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file begins with something else.
    #[error("the first line is not `vitrine witness journal 1`")]
    NotAJournal,
    /// A frame of another version.
    #[error("the frame at byte {offset} is of version {got}, this witness knows 1: use the version that wrote it")]
    Version {
        /// Where the frame begins.
        offset: u64,
        /// Its version byte.
        got: u8,
    },
    /// A bad frame before a good one, or inside what was complete when the journal was made.
    #[error("damaged at byte {offset}: no whole frame there, {}", behind(.good))]
    Damaged {
        /// Where the bad frame begins.
        offset: u64,
        /// Where the next good one begins.
        good: Option<u64>,
    },
    /// A whole frame that holds something that cannot be.
    #[error("damaged at byte {offset}: {reason}")]
    Record {
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl JournalError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            JournalError::Disk(error) => error.stop(),
            JournalError::Version { .. } => Stop::JournalVersion,
            JournalError::NotAJournal | JournalError::Damaged { .. } | JournalError::Record { .. } => {
                Stop::JournalDamaged
            }
        }
    }
}

fn behind(good: &Option<u64>) -> String {
    match good {
        Some(good) => format!("but one at byte {good}, so this is no unfinished write"),
        None => "and the file was complete when it was made".to_owned(),
    }
}

/// A journal that was read and may not be written to yet: a killed process's last frame is seen, not kept [D-2].
pub struct Scan {
    disk: Arc<dyn Disk>,
    id: JournalId,
    replaces: Option<JournalId>,
    counter: u64,
    end: u64,
    cut: u64,
}

impl Scan {
    /// Reads the whole journal and shows each record to `visit`, which may refuse one; `None` when there is no journal.
    ///
    /// A bad last frame is left out [D-5]; a bad one before a good one is damage [D-6].
    pub fn read(
        disk: Arc<dyn Disk>,
        mut visit: impl FnMut(Record, Place) -> Result<(), String>,
    ) -> Result<Option<Scan>, JournalError> {
        let Some(length) = disk.len(NAME)? else { return Ok(None) };
        let mut line = [0; FIRST_LINE.len()];
        if disk.read_at(NAME, 0, &mut line)? < line.len() || line != *FIRST_LINE {
            return Err(JournalError::NotAJournal);
        }
        let mut order = Order::default();
        let mut offset = FIRST_LINE.len() as u64;
        loop {
            match frame::read(disk.as_ref(), NAME, offset)? {
                Found::Frame { payload, end } => {
                    let base = offset.saturating_add(frame::HEADER_BYTES as u64);
                    each(base, &payload, &mut |record, place| {
                        order.check(&record)?;
                        visit(record, place)
                    })?;
                    offset = end;
                }
                Found::End => break,
                Found::Version { got } => return Err(JournalError::Version { offset, got }),
                Found::Bad => match frame::search(disk.as_ref(), NAME, offset.saturating_add(1))? {
                    Some(good) => return Err(JournalError::Damaged { offset, good: Some(good) }),
                    None => break,
                },
            }
        }
        match order {
            Order { id: Some(id), replaces, kept: true, counter, .. } => {
                Ok(Some(Scan { disk, id, replaces, counter, end: offset, cut: length.saturating_sub(offset) }))
            }
            Order { .. } => Err(JournalError::Damaged { offset, good: None }),
        }
    }

    /// Name of the journal.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// Name of the lost journal that this one stands for.
    pub fn replaces(&self) -> Option<JournalId> {
        self.replaces
    }

    /// Bytes of an unfinished write behind the last whole frame.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Writes the records of `places`, oldest first, as a new journal and syncs it and the directory [D-2]; their new places.
    pub fn keep(self, places: &[Place]) -> Result<(Journal, Vec<Place>), JournalError> {
        let Scan { disk, id, replaces, counter, end, cut: _ } = self;
        let mut journal = Journal { disk, id, replaces, counter, end };
        let prepared = journal.prepare(places)?;
        let places = journal.replace(prepared)?;
        Ok((journal, places))
    }
}

/// What may follow what in a journal.
#[derive(Default)]
struct Order {
    id: Option<JournalId>,
    replaces: Option<JournalId>,
    kept: bool,
    records: u64,
    counter: u64,
}

impl Order {
    fn check(&mut self, record: &Record) -> Result<(), String> {
        let counter = match (record, self.id) {
            (Record::Begin { id, replaces }, None) => {
                (self.id, self.replaces) = (Some(*id), *replaces);
                return Ok(());
            }
            (_, None) => return Err("the first record does not name the journal".to_owned()),
            (Record::Begin { .. }, Some(_)) => return Err("a second journal begins".to_owned()),
            (Record::Kept { .. }, Some(_)) if self.kept => return Err("a second end of what was kept".to_owned()),
            (Record::Kept { records }, Some(_)) if *records != self.records => {
                return Err(format!("{records} records were kept, {} are there", self.records));
            }
            (Record::Kept { .. }, Some(_)) => {
                self.kept = true;
                return Ok(());
            }
            (Record::Cosigned(entry) | Record::Confirmed(entry) | Record::Doubt(entry), Some(_)) => entry.counter,
            (
                Record::Clock { counter, .. } | Record::Settled { counter, .. } | Record::Frozen { counter, .. },
                Some(_),
            ) => *counter,
        };
        if counter <= self.counter {
            return Err(format!("record {counter} follows record {}", self.counter));
        }
        self.counter = counter;
        self.records = self.records.saturating_add(1);
        Ok(())
    }
}

/// Shows each record of a frame with its place.
fn each(
    base: u64,
    payload: &[u8],
    visit: &mut dyn FnMut(Record, Place) -> Result<(), String>,
) -> Result<(), JournalError> {
    let mut rest = payload;
    while !rest.is_empty() {
        let offset = base.saturating_add((payload.len() - rest.len()) as u64);
        let wrong = |reason: String| JournalError::Record { offset, reason };
        let (record, behind) = record::decode(rest).map_err(|error: RecordError| wrong(error.to_string()))?;
        let bytes = rest.get(..rest.len() - behind.len()).unwrap_or_default();
        let place = Place::of(offset, bytes).ok_or_else(|| wrong("the record is too long".to_owned()))?;
        visit(record, place).map_err(wrong)?;
        rest = behind;
    }
    Ok(())
}

/// A journal that can be appended to. Owned by one thread.
pub struct Journal {
    disk: Arc<dyn Disk>,
    id: JournalId,
    replaces: Option<JournalId>,
    counter: u64,
    end: u64,
}

/// A new journal that is written and synced under its temporary name.
pub struct Prepared {
    places: Vec<Place>,
    end: u64,
}

impl Journal {
    /// Makes a journal with these records; durable, names included, when it returns.
    pub fn create(
        disk: Arc<dyn Disk>,
        id: JournalId,
        replaces: Option<JournalId>,
        records: &[Record],
    ) -> Result<(), JournalError> {
        let mut draft = Draft::begin(disk.as_ref(), id, replaces)?;
        for record in records {
            draft.push(&record.encode().ok_or_else(|| too_long(0))?)?;
        }
        draft.finish()?;
        disk.rename(FRESH, NAME)?;
        Ok(disk.sync_dir()?)
    }

    /// Name of the journal.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// The counter of the next record.
    pub fn next_counter(&mut self) -> u64 {
        self.counter = self.counter.saturating_add(1);
        self.counter
    }

    /// Appends the records as one frame and syncs it; durable when it returns [D-3]. After an error the file is unknown.
    pub fn append(&mut self, records: &[Record]) -> Result<Vec<Place>, JournalError> {
        let mut payload = Vec::new();
        let mut places = Vec::with_capacity(records.len());
        let base = self.end.saturating_add(frame::HEADER_BYTES as u64);
        for record in records {
            let bytes = record.encode().ok_or_else(|| too_long(self.end))?;
            let offset = base.saturating_add(payload.len() as u64);
            places.push(Place::of(offset, &bytes).ok_or_else(|| too_long(offset))?);
            payload.extend_from_slice(&bytes);
        }
        let frame = frame::encode(&payload).ok_or_else(|| too_long(self.end))?;
        self.disk.append(NAME, &frame)?;
        self.disk.sync(NAME)?;
        self.end = self.end.saturating_add(frame.len() as u64);
        Ok(places)
    }

    /// True when most of the file is records that no longer count; `count` says how many bytes of it do [D-8].
    pub fn wants_compaction(&self, count: impl FnOnce() -> u64) -> bool {
        self.end > COMPACT_BYTES_MIN && self.end / COMPACT_RATIO > count()
    }

    /// Writes and syncs a journal of the records at `places`, oldest first, under its temporary name [D-8].
    pub fn prepare(&self, places: &[Place]) -> Result<Prepared, JournalError> {
        let mut draft = Draft::begin(self.disk.as_ref(), self.id, self.replaces)?;
        for place in places {
            draft.push(&read_bytes(self.disk.as_ref(), *place)?)?;
        }
        let (places, end) = draft.finish()?;
        Ok(Prepared { places, end })
    }

    /// Puts a prepared journal in the place of this one, durably; the new places, in the order they were given.
    pub fn replace(&mut self, prepared: Prepared) -> Result<Vec<Place>, JournalError> {
        self.disk.rename(FRESH, NAME)?;
        self.disk.sync_dir()?;
        self.end = prepared.end;
        Ok(prepared.places)
    }
}

/// Reads one record again; its bytes must be those that were written.
pub fn read(disk: &dyn Disk, place: Place) -> Result<Record, JournalError> {
    let bytes = read_bytes(disk, place)?;
    let wrong = |reason: String| JournalError::Record { offset: place.offset, reason };
    match record::decode(&bytes) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(wrong(format!("{} bytes are left over", rest.len()))),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn read_bytes(disk: &dyn Disk, place: Place) -> Result<Vec<u8>, JournalError> {
    let mut bytes = vec![0; usize::try_from(place.length).unwrap_or(RECORD_BYTES_MAX)];
    let got = disk.read_at(NAME, place.offset, &mut bytes)?;
    if got < bytes.len() || crc32c::crc32c(&bytes) != place.crc {
        let reason = "the record is no longer what was written".to_owned();
        return Err(JournalError::Record { offset: place.offset, reason });
    }
    Ok(bytes)
}

fn too_long(offset: u64) -> JournalError {
    JournalError::Record { offset, reason: format!("a record is longer than {RECORD_BYTES_MAX} bytes") }
}

/// A journal being written under its temporary name.
struct Draft<'a> {
    disk: &'a dyn Disk,
    end: u64,
    payload: Vec<u8>,
    places: Vec<Place>,
}

impl<'a> Draft<'a> {
    fn begin(disk: &'a dyn Disk, id: JournalId, replaces: Option<JournalId>) -> Result<Draft<'a>, JournalError> {
        disk.create(FRESH)?;
        disk.append(FRESH, FIRST_LINE)?;
        let mut draft = Draft { disk, end: FIRST_LINE.len() as u64, payload: Vec::new(), places: Vec::new() };
        draft.payload = Record::Begin { id, replaces }.encode().ok_or_else(|| too_long(0))?;
        draft.flush()?;
        Ok(draft)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        if self.payload.len() + bytes.len() > FRAME_BYTES_MAX / 16 && !self.payload.is_empty() {
            self.flush()?;
        }
        let offset = self.end.saturating_add((frame::HEADER_BYTES + self.payload.len()) as u64);
        self.places.push(Place::of(offset, bytes).ok_or_else(|| too_long(offset))?);
        self.payload.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        if !self.payload.is_empty() {
            let frame = frame::encode(&self.payload).ok_or_else(|| too_long(self.end))?;
            self.disk.append(FRESH, &frame)?;
            self.end = self.end.saturating_add(frame.len() as u64);
            self.payload.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Vec<Place>, u64), JournalError> {
        self.flush()?;
        self.payload = Record::Kept { records: self.places.len() as u64 }.encode().ok_or_else(|| too_long(self.end))?;
        self.flush()?;
        self.disk.sync(FRESH)?;
        Ok((self.places, self.end))
    }
}
