//! The mapping file: which tables fill what a source does not say, and how its words become ours (docs/import.md).
//!
//! TOML; an unknown key, word or column is an error, because what is misspelt here would be missing in every record. Not
//! here: reading a source, and deciding what a record says (`found`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vitrine_spec::fields::{Field, KNOWN, OPS, RECIPIENTS, RESULTS, TRANSFER_BASES};
use vitrine_spec::hash::Hash;
use vitrine_spec::words::{is_country, is_site};

use super::tables::{Assets, Staff, Tickets};
use crate::exit::Failure;
use crate::files;
use crate::limits::MAPPING_FILE_BYTES_MAX;

/// What `ops` says of a native operation that is not to be logged.
pub const LEAVE_OUT: &str = "leave-out";

macro_rules! slots {
    ($($(#[$doc:meta])* $slot:ident = $name:literal),* $(,)?) => {
        /// What a source can say of one access: a field, a member of one, or what a table is asked with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Slot { $($(#[$doc])* $slot),* }

        impl Slot {
            const ALL: &'static [Slot] = &[$(Slot::$slot),*];

            /// The key in `[csv.columns]`.
            pub const fn name(self) -> &'static str {
                match self { $(Slot::$slot => $name),* }
            }
        }
    };
}

slots! {
    /// When, as the field is printed.
    OccurredAt = "occurred_at",
    /// One of the six words.
    Op = "op",
    /// The system's own word.
    NativeOp = "native_op",
    /// Who, as the source names them; the staff table is asked with it.
    Actor = "actor",
    /// The session; the ticket table is asked with it.
    Session = "actor_session.session",
    /// The role taken in it.
    Role = "actor_session.role",
    /// Who employs the actor.
    Entity = "actor_entity",
    /// Where the office is.
    OfficeCountry = "actor_office_country",
    /// Where the actor was.
    LocationCountry = "actor_location_country.country",
    /// How that is known.
    LocationKnown = "actor_location_country.known",
    /// `true` or `false`.
    Automated = "automated.automated",
    /// SHA-256 of the program.
    Build = "automated.build",
    /// The data set.
    Dataset = "dataset",
    /// Its category.
    DataCategory = "data_category",
    /// The people's region.
    SubjectRegion = "subject_region",
    /// The person's pseudonym.
    SubjectRef = "subject_ref",
    /// How many objects.
    ObjectCount = "object_count",
    /// Where the data are.
    StorageSite = "storage_site",
    /// Why.
    Purpose = "purpose",
    /// On which basis.
    LegalBasis = "legal_basis",
    /// The ticket.
    Ticket = "ticket",
    /// Who received the data.
    RecipientIdentity = "recipient.identity",
    /// What they are.
    RecipientClass = "recipient.class",
    /// Where they are.
    RecipientCountry = "recipient.country",
    /// On which basis the data left the country.
    TransferBasis = "transfer_basis",
    /// How it ended.
    Result = "outcome.result",
    /// The system's own code for it.
    NativeResult = "outcome.native",
    /// The decision that allowed it.
    Grant = "grant",
    /// The source's own identifier.
    NativeId = "native_id",
    /// The object that the asset table is asked with.
    Asset = "asset",
    /// The tool; the ticket table is asked with it where it does not know the session.
    Tool = "tool",
}

impl Slot {
    fn of(name: &str) -> Option<Slot> {
        Slot::ALL.iter().copied().find(|slot| slot.name() == name)
    }
}

/// How a CSV file is read.
#[derive(Clone, Debug)]
pub struct CsvMapping {
    /// Between fields.
    pub delimiter: u8,
    /// How times are written.
    pub time: TimeForm,
    /// Seconds east of UTC of times that name no offset.
    pub offset_s: i64,
    /// Which column says what.
    pub columns: BTreeMap<Slot, String>,
    /// What every record says.
    pub constants: BTreeMap<Slot, String>,
    /// Words of a column that stand for words of ours.
    pub words: BTreeMap<Slot, BTreeMap<String, String>>,
}

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// RFC 3339.
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// A form of strptime.
    Form(String),
}

/// Bases of transfers by the country that staff reads from.
#[derive(Clone, Debug, Default)]
pub struct Transfer {
    /// Countries from which reading is no transfer.
    pub home: BTreeSet<String>,
    /// The basis for others.
    pub basis: BTreeMap<String, String>,
}

/// A mapping file with its tables.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Who the actors are.
    pub staff: Staff,
    /// What the objects are.
    pub assets: Assets,
    /// Why the sessions are.
    pub tickets: Tickets,
    /// Native operations with another op than the importer's own.
    pub ops: BTreeMap<String, String>,
    /// Sites of a cloud's regions.
    pub sites: BTreeMap<String, String>,
    /// Bases of transfers; none: not known.
    pub transfer: Option<Transfer>,
    /// Seconds east of UTC of time zones that a log names by letters.
    pub zones: BTreeMap<String, i64>,
    /// How CSV is read.
    pub csv: Option<CsvMapping>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    staff: Option<PathBuf>,
    assets: Option<PathBuf>,
    tickets: Option<PathBuf>,
    #[serde(default)]
    ops: BTreeMap<String, String>,
    #[serde(default)]
    sites: BTreeMap<String, String>,
    transfer: Option<TransferTable>,
    #[serde(default)]
    zones: BTreeMap<String, String>,
    csv: Option<CsvTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferTable {
    #[serde(default)]
    home: Vec<String>,
    #[serde(default)]
    basis: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvTable {
    delimiter: Option<String>,
    time: Option<String>,
    offset: Option<String>,
    columns: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, String>,
    #[serde(default)]
    words: BTreeMap<String, BTreeMap<String, String>>,
}

/// What is wrong with a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("line {line}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What the reader of TOML says.
        message: String,
    },
    /// A word that no field takes.
    #[error("{key} is `{given}`, {wanted}")]
    Word {
        /// Which key.
        key: String,
        /// What was given.
        given: String,
        /// What is taken.
        wanted: String,
    },
}

fn word(key: impl Into<String>, given: &str, wanted: impl Into<String>) -> MappingError {
    MappingError::Word { key: key.into(), given: given.to_owned(), wanted: wanted.into() }
}

impl Mapping {
    /// Reads a mapping file and the tables that it names, whose paths count from its folder.
    pub fn load(path: &Path) -> Result<Mapping, Failure> {
        let text = files::read_text(path, MAPPING_FILE_BYTES_MAX)?;
        let (file, mut mapping) = parse(&text).map_err(|error| {
            Failure::usage("mapping", "this mapping file cannot be used")
                .side("file", path.display())
                .side("reason", error)
                .now("docs/import.md has one by example")
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some(staff) = file.staff {
            mapping.staff = Staff::load(&folder.join(staff))?;
        }
        if let Some(assets) = file.assets {
            mapping.assets = Assets::load(&folder.join(assets))?;
        }
        if let Some(tickets) = file.tickets {
            mapping.tickets = Tickets::load(&folder.join(tickets))?;
        }
        Ok(mapping)
    }
}

fn parse(text: &str) -> Result<(File, Mapping), MappingError> {
    let mut file: File = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.as_bytes().get(..start).unwrap_or_default();
        MappingError::Toml {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            message: error.message().to_owned(),
        }
    })?;
    for (native, op) in &file.ops {
        if op != LEAVE_OUT && !OPS.contains(&op.as_str()) {
            let wanted = format!("known are {} and {LEAVE_OUT}", OPS.join(", "));
            return Err(word(format!("ops.\"{native}\""), op, wanted));
        }
    }
    for (region, site) in &file.sites {
        if !is_site(site) {
            return Err(word(format!("sites.{region}"), site, "a site is such as CH-ZH-1"));
        }
    }
    let mut zones = BTreeMap::new();
    for (zone, given) in &file.zones {
        let offset = offset_s(given).ok_or_else(|| word(format!("zones.{zone}"), given, OFFSET))?;
        zones.insert(zone.clone(), offset);
    }
    let transfer = file.transfer.take().map(read_transfer).transpose()?;
    let csv = file.csv.take().map(read_csv).transpose()?;
    let mapping = Mapping {
        ops: std::mem::take(&mut file.ops),
        sites: std::mem::take(&mut file.sites),
        transfer,
        zones,
        csv,
        ..Mapping::default()
    };
    Ok((file, mapping))
}

const OFFSET: &str = "an offset is such as +01:00";

/// Seconds east of UTC of `Z`, `+01`, `+0100` or `+01:00`.
pub fn offset_s(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let two = |digits: &str| -> Option<i64> {
        (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
    };
    let minutes = if minutes.is_empty() && rest.len() == 2 { 0 } else { two(minutes)? };
    let hours = two(hours)?;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn read_transfer(table: TransferTable) -> Result<Transfer, MappingError> {
    for country in table.home.iter().chain(table.basis.keys()) {
        if !is_country(country) {
            return Err(word("transfer", country, "a country is two capitals"));
        }
    }
    for (country, basis) in &table.basis {
        if !TRANSFER_BASES.contains(&basis.as_str()) {
            let wanted = format!("known are {}", TRANSFER_BASES.join(", "));
            return Err(word(format!("transfer.basis.{country}"), basis, wanted));
        }
        if table.home.contains(country) {
            return Err(word("transfer.home", country, "and has a basis too"));
        }
    }
    Ok(Transfer { home: table.home.into_iter().collect(), basis: table.basis })
}

fn read_csv(table: CsvTable) -> Result<CsvMapping, MappingError> {
    let slot = |key: &str, name: &str| {
        let wanted =
            || format!("known are {}", Slot::ALL.iter().map(|slot| slot.name()).collect::<Vec<_>>().join(", "));
        Slot::of(name).ok_or_else(|| word(key, name, wanted()))
    };
    let delimiter = match table.delimiter.as_deref() {
        None => b',',
        Some(given) => match given.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
            _ => return Err(word("csv.delimiter", given, "a delimiter is one character such as ;")),
        },
    };
    let time = match table.time.as_deref() {
        None | Some("rfc3339") => TimeForm::Rfc3339,
        Some("unix") => TimeForm::Unix,
        Some("unix-ms") => TimeForm::UnixMs,
        Some(form) if form.contains('%') => TimeForm::Form(form.to_owned()),
        Some(other) => return Err(word("csv.time", other, "known are rfc3339, unix, unix-ms and forms with %")),
    };
    let offset_s = match table.offset.as_deref() {
        None => 0,
        Some(given) => offset_s(given).ok_or_else(|| word("csv.offset", given, OFFSET))?,
    };
    let mut mapping = CsvMapping {
        delimiter,
        time,
        offset_s,
        columns: BTreeMap::new(),
        constants: BTreeMap::new(),
        words: BTreeMap::new(),
    };
    for (name, column) in table.columns {
        mapping.columns.insert(slot("csv.columns", &name)?, column);
    }
    for (name, constant) in table.constants {
        let slot = slot("csv.constants", &name)?;
        if mapping.columns.contains_key(&slot) {
            return Err(word("csv.constants", &name, "which a column says already"));
        }
        check_word(&format!("csv.constants.\"{name}\""), slot, &constant)?;
        mapping.constants.insert(slot, constant);
    }
    for (name, words) in table.words {
        let slot = slot("csv.words", &name)?;
        if !mapping.columns.contains_key(&slot) {
            return Err(word("csv.words", &name, "which no column says"));
        }
        for (given, ours) in &words {
            check_word(&format!("csv.words.\"{name}\".\"{given}\""), slot, ours)?;
        }
        mapping.words.insert(slot, words);
    }
    for (slot, why) in [(Slot::OccurredAt, "no record without a time"), (Slot::Op, "no record without an op")] {
        if !mapping.columns.contains_key(&slot) && !mapping.constants.contains_key(&slot) {
            return Err(word("csv.columns", "", format!("and `{}` is missing: {why}", slot.name())));
        }
    }
    Ok(mapping)
}

/// Refuses a word of the mapping file that its field would not take.
fn check_word(key: &str, slot: Slot, text: &str) -> Result<(), MappingError> {
    let one_of = |words: &[&str]| match words.contains(&text) {
        true => Ok(()),
        false => Err(word(key, text, format!("known are {}", words.join(", ")))),
    };
    match slot {
        Slot::OccurredAt | Slot::ObjectCount | Slot::Asset | Slot::Tool | Slot::Session | Slot::Role => Ok(()),
        Slot::RecipientIdentity | Slot::NativeResult => Ok(()),
        Slot::Automated => one_of(&["true", "false"]),
        Slot::Result => one_of(&RESULTS),
        Slot::LocationKnown => one_of(&KNOWN),
        Slot::RecipientClass => one_of(&RECIPIENTS),
        Slot::LocationCountry | Slot::RecipientCountry if is_country(text) => Ok(()),
        Slot::LocationCountry | Slot::RecipientCountry => Err(word(key, text, "a country is two capitals")),
        Slot::Build if Hash::from_hex(text).is_ok() => Ok(()),
        Slot::Build => Err(word(key, text, "a build is 64 hexadecimal digits")),
        Slot::Op
        | Slot::NativeOp
        | Slot::Actor
        | Slot::Entity
        | Slot::OfficeCountry
        | Slot::Dataset
        | Slot::DataCategory
        | Slot::SubjectRegion
        | Slot::SubjectRef
        | Slot::StorageSite
        | Slot::Purpose
        | Slot::LegalBasis
        | Slot::Ticket
        | Slot::TransferBasis
        | Slot::Grant
        | Slot::NativeId => match Field::of(slot.name()) {
            Some(field) => field.check(&text.into()).map_err(|error| word(key, text, error.why)),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).err().unwrap().to_string()
    }

    #[test]
    fn the_parts_of_a_mapping() {
        let (file, mapping) = parse(
            r#"
            staff = "staff.csv"
            ops = { "pg:ROLE/GRANT" = "leave-out" }
            sites = { us-east-1 = "US-VA-1" }
            zones = { CET = "+01:00" }
            [transfer]
            home = ["CH"]
            basis = { DE = "adequacy" }
            [csv]
            delimiter = ";"
            time = "%d.%m.%Y %H:%M:%S"
            offset = "+0100"
            columns = { occurred_at = "Time", op = "Action", "actor_session.session" = "Session" }
            constants = { "outcome.result" = "success", purpose = "CUSTOMER_SUPPORT" }
            words = { op = { View = "read" } }
            "#,
        )
        .unwrap();
        assert_eq!(file.staff, Some(PathBuf::from("staff.csv")));
        assert_eq!(mapping.zones["CET"], 3_600);
        let csv = mapping.csv.unwrap();
        assert_eq!((csv.delimiter, csv.offset_s), (b';', 3_600));
        assert_eq!(csv.columns[&Slot::Session], "Session");
        assert_eq!(csv.words[&Slot::Op]["View"], "read");
        assert!(mapping.transfer.unwrap().home.contains("CH"));
    }

    #[test]
    fn what_is_misspelt_is_an_error_and_not_a_field_that_stays_empty() {
        for (text, want) in [
            ("staf = \"a\"", "line 1: unknown field `staf`"),
            ("\nops = { \"pg:READ/SELECT\" = \"reed\" }", "known are store, alter, read"),
            ("sites = { x = \"Zurich\" }", "a site is such as CH-ZH-1"),
            ("zones = { CET = \"1\" }", "an offset is such as +01:00"),
            ("[transfer]\nhome = [\"ch\"]", "two capitals"),
            ("[transfer]\nbasis = { DE = \"yes\" }", "known are adequacy"),
            ("[transfer]\nhome = [\"DE\"]\nbasis = { DE = \"none\" }", "has a basis too"),
            ("[csv]\ncolumns = { op = \"a\" }", "`occurred_at` is missing"),
            ("[csv]\ncolumns = { occurred_at = \"a\" }", "`op` is missing"),
            ("[csv]\ncolumns = { ocurred_at = \"a\" }", "known are occurred_at"),
            ("[csv]\ndelimiter = \"ab\"\ncolumns = {}", "one character"),
            ("[csv]\ntime = \"iso\"\ncolumns = {}", "known are rfc3339"),
            ("[csv]\ncolumns = { occurred_at = \"a\" }\nconstants = { op = \"look\" }", "one of store"),
            ("[csv]\ncolumns = { op = \"a\" }\nconstants = { \"outcome.result\" = \"ok\" }", "known are success"),
            ("[csv]\ncolumns = { op = \"a\" }\nconstants = { \"automated.build\" = \"1\" }", "64 hexadecimal"),
            ("[csv]\ncolumns = { occurred_at = \"a\", op = \"b\" }\nconstants = { op = \"read\" }", "a column says"),
            ("[csv]\ncolumns = { occurred_at = \"a\", op = \"b\" }\nwords = { op = { V = \"w\" } }", "one of store"),
            (
                "[csv]\ncolumns = { occurred_at = \"a\", op = \"b\" }\nwords = { actor = { V = \"w\" } }",
                "no column says",
            ),
        ] {
            let got = error(text);
            assert!(got.contains(want), "{text}: {got}");
        }
    }

    #[test]
    fn offsets() {
        for (text, want) in
            [("Z", 0), ("+01", 3_600), ("+0100", 3_600), ("-03:30", -12_600), ("+14:00", 50_400), ("+00:00", 0)]
        {
            assert_eq!(offset_s(text), Some(want), "{text}");
        }
        for text in ["", "+", "01:00", "+1", "+01:", "+01:0", "+15:00", "+01:60", "CET", "+01:00:00", "+é"] {
            assert_eq!(offset_s(text), None, "{text}");
        }
    }
}
