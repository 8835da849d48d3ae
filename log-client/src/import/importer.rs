//! Reading sources: file after file, record after record, each to one access event or a line in "left out" (docs/import.md).
//!
//! Not here: what was imported before (`done`), sealing and sending (`run`).

use std::path::Path;

use vitrine_spec::fields::Values;
use vitrine_spec::hash::Hash;

use super::cloudtrail;
use super::counts::Counts;
use super::csv::{self, Header, Quotes};
use super::found::{Found, Refused, values};
use super::lines::{Input, Line, Prefix};
use super::mapping::{CsvMapping, Mapping};
use super::pgaudit::Sessions;
use crate::exit::Failure;
use crate::limits::IMPORT_LINE_BYTES_MAX;

/// What kind of source it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// AWS CloudTrail.
    CloudTrail,
    /// CSV with a header.
    Csv,
    /// PostgreSQL with pgaudit, jsonlog.
    Pgaudit,
}

impl Kind {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::CloudTrail => "cloudtrail",
            Kind::Csv => "csv",
            Kind::Pgaudit => "pgaudit",
        }
    }

    /// How the names of its files end, where a directory is given.
    pub const fn extension(self) -> &'static str {
        match self {
            Kind::CloudTrail | Kind::Pgaudit => "json",
            Kind::Csv => "csv",
        }
    }
}

/// How far a file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first bytes.
    pub prefix: Prefix,
    /// How many records are in them; of a file that is read as a whole, how many of its records.
    pub records: u64,
}

/// One record as an access event.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The 24 values.
    pub values: Values,
    /// The raw record.
    pub native: Vec<u8>,
    /// The random bytes in its digest; none when no digest was asked for.
    pub salt: Option<[u8; 32]>,
    /// Where it is from: file and line, or file and number.
    pub line: String,
    /// How far the file was read with it.
    pub place: Place,
}

/// A file that is being read.
#[derive(Debug)]
pub struct Reading {
    input: Input,
    name: String,
    form: Form,
    records: u64,
    place: Place,
}

#[derive(Debug)]
enum Form {
    /// Read as a whole: its records.
    Whole(std::vec::IntoIter<Vec<u8>>),
    Csv(Header, Quotes),
    Lines,
}

/// A record before its meaning.
struct Raw {
    bytes: Vec<u8>,
    at: String,
    number: u64,
    /// Why it cannot be read at all.
    broken: Option<&'static str>,
    /// Whether more of it may come when the file is written on.
    unfinished: bool,
}

/// Reads sources of one kind, in the order in which they are given.
#[derive(Debug)]
pub struct Importer<'a> {
    kind: Kind,
    mapping: &'a Mapping,
    digests: bool,
    sessions: Sessions,
    /// What was counted so far.
    pub counts: Counts,
}

impl<'a> Importer<'a> {
    /// For sources of this kind; `digests`: whether events name the digest of their raw record.
    ///
    /// # Errors
    /// CSV without `[csv]` in the mapping.
    pub fn new(kind: Kind, mapping: &'a Mapping, digests: bool) -> Result<Importer<'a>, Failure> {
        if kind == Kind::Csv && mapping.csv.is_none() {
            return Err(Failure::usage("mapping", "the mapping file does not say which column is what")
                .side("missing", "[csv]")
                .now("docs/import.md has one by example"));
        }
        Ok(Importer { kind, mapping, digests, sessions: Sessions::default(), counts: Counts::default() })
    }

    /// Begins a file; one that is no file of its kind has no records, and is counted as left out.
    pub fn open(&mut self, path: &Path) -> Result<Reading, Failure> {
        let mut input = Input::open(path)?;
        let name = path.display().to_string();
        let form = match (self.kind, &self.mapping.csv) {
            (Kind::CloudTrail, _) => self.whole(&mut input, &name)?,
            (Kind::Csv, Some(mapping)) => Form::Csv(header(&mut input, mapping)?, Quotes::new(mapping.delimiter)),
            (Kind::Csv, None) | (Kind::Pgaudit, _) => Form::Lines,
        };
        let place = Place { prefix: input.prefix(), records: 0 };
        Ok(Reading { input, name, form, records: 0, place })
    }

    fn whole(&mut self, input: &mut Input, name: &str) -> Result<Form, Failure> {
        let bytes = input.whole()?;
        let mut records = Vec::new();
        match cloudtrail::records(&bytes) {
            Ok(found) => records.extend(found.into_iter().map(<[u8]>::to_vec)),
            Err(refused) => self.counts.leave_out(name, &refused.why, refused.fault),
        }
        Ok(Form::Whole(records.into_iter()))
    }

    /// The next access event of the file; what becomes none is counted. None at the end.
    pub fn next(&mut self, reading: &mut Reading) -> Result<Option<Imported>, Failure> {
        while let Some(raw) = reading.raw()? {
            let mut warnings = Vec::new();
            let read = self.read(&raw, reading, &mut |warning| warnings.push(warning));
            for warning in warnings {
                self.counts.warn(format!("{}: {warning}", raw.at));
            }
            if raw.unfinished && read.as_ref().is_err_and(|refused| refused.fault) {
                self.counts.leave_out(&raw.at, "the last line is not finished; it is imported when it is", false);
                return Ok(None);
            }
            reading.place = Place { prefix: reading.input.prefix(), records: raw.number };
            let made = read.and_then(|found| {
                let salt = self.digests.then(salt).transpose()?;
                let digest = salt.map(|salt| native_digest(&salt, &raw.bytes));
                Ok((values(&found, self.mapping, digest, &mut self.counts)?, salt))
            });
            match made {
                Ok((values, salt)) => {
                    let Raw { bytes: native, at: line, .. } = raw;
                    return Ok(Some(Imported { values, native, salt, line, place: reading.place }));
                }
                Err(refused) => self.counts.leave_out(&raw.at, &refused.why, refused.fault),
            }
        }
        Ok(None)
    }

    /// Reads over records that were imported before: the roles and numbers of their sessions count, their events do not.
    pub fn skip(&mut self, reading: &mut Reading, records: u64) -> Result<(), Failure> {
        while reading.records < records {
            let Some(raw) = reading.raw()? else { break };
            let _ = self.read(&raw, reading, &mut |_| ());
            reading.place = Place { prefix: reading.input.prefix(), records: raw.number };
        }
        Ok(())
    }

    fn read(&mut self, raw: &Raw, reading: &Reading, warn: &mut dyn FnMut(String)) -> Result<Found, Refused> {
        if let Some(why) = raw.broken {
            return Err(Refused::fault(why));
        }
        match (&reading.form, &self.mapping.csv) {
            (Form::Whole(_), _) => cloudtrail::record(&raw.bytes, self.mapping),
            (Form::Csv(header, _), Some(mapping)) => csv::record(&raw.bytes, header, mapping),
            (Form::Csv(..), None) | (Form::Lines, _) => self.sessions.line(&raw.bytes, self.mapping, warn),
        }
    }
}

impl Reading {
    /// How far the file was read: through the last record that became an event or was left out.
    pub fn place(&self) -> Place {
        self.place
    }

    fn raw(&mut self) -> Result<Option<Raw>, Failure> {
        if let Form::Whole(records) = &mut self.form {
            let Some(bytes) = records.next() else { return Ok(None) };
            self.records += 1;
            let number = self.records;
            let at = format!("{} record {number}", self.name);
            return Ok(Some(Raw { bytes, at, number, broken: None, unfinished: false }));
        }
        let quotes = match self.form {
            Form::Csv(_, quotes) => Some(quotes),
            Form::Whole(_) | Form::Lines => None,
        };
        loop {
            let Some(mut line) = self.input.line()? else { return Ok(None) };
            let first = line.number;
            let mut broken = line.too_long.then_some("a line that is longer than any that is read");
            // A line end inside quotes belongs to the field.
            if let Some(mut quotes) = quotes {
                quotes.line(&line.bytes);
                while broken.is_none() && quotes.is_open() {
                    match self.input.line()? {
                        Some(next) if line.bytes.len() + next.bytes.len() < IMPORT_LINE_BYTES_MAX => {
                            quotes.line(&next.bytes);
                            append(&mut line, next);
                        }
                        Some(_) | None => broken = Some("a quote that is never closed"),
                    }
                }
            }
            if line.bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.records += 1;
            let unfinished = !line.ended && quotes.is_none();
            let at = format!("{} line {first}", self.name);
            return Ok(Some(Raw { bytes: line.bytes, at, number: self.records, broken, unfinished }));
        }
    }
}

fn append(line: &mut Line, next: Line) {
    line.bytes.push(b'\n');
    line.bytes.extend_from_slice(&next.bytes);
    line.ended = next.ended;
}

fn header(input: &mut Input, mapping: &CsvMapping) -> Result<Header, Failure> {
    let line = input.line()?.map(|line| line.bytes).unwrap_or_default();
    csv::header(&line, mapping).map_err(|why| {
        Failure::usage("import.columns", "the file does not have the columns that the mapping names")
            .side("file", input.path().display())
            .side("reason", why)
    })
}

/// SHA-256 of the random bytes and the raw record (leaf-format.md 5, field 23).
pub fn native_digest(salt: &[u8; 32], native: &[u8]) -> Hash {
    Hash::of_parts(&[salt, native])
}

fn salt() -> Result<[u8; 32], Refused> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Refused::fault("the system gave no randomness for its digest"))?;
    Ok(bytes)
}
