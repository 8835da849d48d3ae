//! Any CSV with a header line, by the columns that the mapping file names (docs/import.md).
//!
//! A record is one line, or more when a quoted field holds line ends. Not here: files (`lines`), enrichment (`found`).

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use vitrine_spec::fields::print_instant;
use vitrine_spec::text::decimal;

use super::found::{Found, Refused};
use super::mapping::{CsvMapping, Slot, TimeForm};

/// The header: which cell says what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    cells: Vec<(usize, Slot)>,
    width: usize,
}

/// Whether a record ends with its line, or goes on in the next one: inside quotes a line end belongs to the field.
///
/// Each line is looked at once. A quote opens a field only where the field begins, as the reader of records has it: else a
/// stray one would make one record of many lines.
#[derive(Clone, Copy, Debug)]
pub struct Quotes {
    delimiter: u8,
    at: At,
}

/// Where in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Begin,
    Plain,
    Quoted,
    /// After a quote inside quotes: it closes the field unless another one follows.
    Closing,
}

impl Quotes {
    /// Before a record.
    pub fn new(delimiter: u8) -> Quotes {
        Quotes { delimiter, at: At::Begin }
    }

    /// Takes the next line of it, without its end.
    pub fn line(&mut self, line: &[u8]) {
        if self.at != At::Quoted {
            self.at = At::Begin;
        }
        for byte in line {
            self.at = match (self.at, *byte) {
                (At::Quoted, b'"') => At::Closing,
                (At::Quoted, _) | (At::Begin | At::Closing, b'"') => At::Quoted,
                (At::Begin | At::Plain | At::Closing, byte) if byte == self.delimiter => At::Begin,
                (At::Begin | At::Plain | At::Closing, _) => At::Plain,
            };
        }
    }

    /// Whether the record goes on in the next line.
    pub fn is_open(&self) -> bool {
        self.at == At::Quoted
    }
}

/// Reads the header line; a column of the mapping that is not there is said by its name.
pub fn header(bytes: &[u8], mapping: &CsvMapping) -> Result<Header, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let names = cells(bytes, mapping).ok_or_else(|| "the first line is no header".to_owned())?;
    let mut cells = Vec::new();
    for (slot, column) in &mapping.columns {
        let mut at = names.iter().enumerate().filter(|(_, name)| name.trim() == column).map(|(at, _)| at);
        match (at.next(), at.next()) {
            (Some(at), None) => cells.push((at, *slot)),
            (Some(_), Some(_)) => return Err(format!("the column `{column}` stands twice")),
            (None, _) => return Err(format!("the column `{column}` is missing, there are: {}", names.join(", "))),
        }
    }
    Ok(Header { cells, width: names.len() })
}

/// What one record says.
pub fn record(bytes: &[u8], header: &Header, mapping: &CsvMapping) -> Result<Found, Refused> {
    let row = cells(bytes, mapping).ok_or_else(|| Refused::fault("not a record of CSV in UTF-8"))?;
    if row.len() != header.width {
        return Err(Refused::fault("a record that has not as many fields as the header"));
    }
    let mut found = Found::new();
    for (slot, constant) in &mapping.constants {
        found.say(*slot, constant.as_str());
    }
    for (at, slot) in &header.cells {
        let cell = row.get(*at).map(|cell| cell.trim()).unwrap_or_default();
        let word = mapping.words.get(slot).and_then(|words| words.get(cell)).map_or(cell, String::as_str);
        match slot {
            Slot::OccurredAt => {
                let time = instant(word, mapping).ok_or_else(|| Refused::fault("a time that cannot be read"))?;
                found.say(Slot::OccurredAt, time);
            }
            Slot::Asset if word.is_empty() => {}
            Slot::Asset => found.objects = vec![vec![word.to_owned()]],
            slot => found.say(*slot, word),
        }
    }
    if found.objects.is_empty()
        && let Some(asset) = mapping.constants.get(&Slot::Asset)
    {
        found.objects = vec![vec![asset.clone()]];
    }
    // A register that has no word for it lists what was done.
    if found.get(Slot::Result).is_none() && !mapping.columns.contains_key(&Slot::Result) {
        found.say(Slot::Result, "success");
    }
    Ok(found)
}

fn cells(bytes: &[u8], mapping: &CsvMapping) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(mapping.delimiter).from_reader(bytes);
    let mut records = reader.records();
    let record = records.next()?.ok()?;
    records.next().is_none().then(|| record.iter().map(str::to_owned).collect())
}

fn instant(text: &str, mapping: &CsvMapping) -> Option<String> {
    let offset = Offset::from_seconds(i32::try_from(mapping.offset_s).ok()?).ok()?;
    let of_civil = |civil: DateTime| offset.to_timestamp(civil).ok().map(|time| time.as_millisecond());
    let ms = match &mapping.time {
        TimeForm::Unix => i64::try_from(decimal(text).ok()?.checked_mul(1_000)?).ok()?,
        TimeForm::UnixMs => i64::try_from(decimal(text).ok()?).ok()?,
        TimeForm::Rfc3339 => match text.parse::<jiff::Timestamp>() {
            Ok(time) => time.as_millisecond(),
            Err(_) => of_civil(text.parse().ok()?)?,
        },
        TimeForm::Form(form) => {
            let parsed = BrokenDownTime::parse(form, text).ok()?;
            match parsed.offset() {
                Some(_) => parsed.to_timestamp().ok()?.as_millisecond(),
                None => of_civil(parsed.to_datetime().ok()?)?,
            }
        }
    };
    print_instant(ms)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn mapping(time: TimeForm) -> CsvMapping {
        CsvMapping {
            delimiter: b';',
            time,
            offset_s: 3_600,
            columns: [
                (Slot::OccurredAt, "Time"),
                (Slot::Op, "Action"),
                (Slot::Asset, "Table"),
                (Slot::ObjectCount, "Rows"),
            ]
            .into_iter()
            .map(|(slot, column)| (slot, column.to_owned()))
            .collect(),
            constants: BTreeMap::from([(Slot::Purpose, "CUSTOMER_SUPPORT".to_owned())]),
            words: BTreeMap::from([(Slot::Op, BTreeMap::from([("View".to_owned(), "read".to_owned())]))]),
        }
    }

    #[test]
    fn a_record_by_its_columns() {
        let mapping = mapping(TimeForm::Form("%d.%m.%Y %H:%M:%S".to_owned()));
        let header = header("\u{feff}Rows; Action ;Time;Other;Table".as_bytes(), &mapping).unwrap();
        let found = record(b"3;View;24.11.2026 08:00:00;\"x;\ny\";eu.t", &header, &mapping).unwrap();
        assert_eq!(found.get(Slot::OccurredAt), Some("2026-11-24T07:00:00.000Z"));
        assert_eq!((found.get(Slot::Op), found.get(Slot::ObjectCount)), (Some("read"), Some("3")));
        assert_eq!((found.get(Slot::Purpose), found.get(Slot::Result)), (Some("CUSTOMER_SUPPORT"), Some("success")));
        assert_eq!(found.objects, [["eu.t"]]);
        for bytes in [&b"3;View;24.11.2026 08:00:00;x"[..], b"3;View;24.13.2026 08:00:00;x;y", b"\xff;a;b;c;d", b""] {
            assert!(record(bytes, &header, &mapping).unwrap_err().fault);
        }
    }

    #[test]
    fn a_header_that_lacks_a_column() {
        let mapping = mapping(TimeForm::Rfc3339);
        let error = |text: &str| header(text.as_bytes(), &mapping).unwrap_err();
        assert_eq!(error("Rows;Action;Time"), "the column `Table` is missing, there are: Rows, Action, Time");
        assert_eq!(error("Rows;Action;Time;Table;Table"), "the column `Table` stands twice");
        assert_eq!(error(""), "the first line is no header");
    }

    #[test]
    fn times() {
        for (form, text, want) in [
            (TimeForm::Rfc3339, "2026-11-24T08:00:00.1239Z", Some("2026-11-24T08:00:00.123Z")),
            (TimeForm::Rfc3339, "2026-11-24 08:00:00+02:00", Some("2026-11-24T06:00:00.000Z")),
            (TimeForm::Rfc3339, "2026-11-24T08:00:00", Some("2026-11-24T07:00:00.000Z")),
            (TimeForm::Unix, "1795276981", Some("2026-11-21T16:03:01.000Z")),
            (TimeForm::UnixMs, "1795276981123", Some("2026-11-21T16:03:01.123Z")),
            (TimeForm::Form("%Y%m%d%H%M%S %z".to_owned()), "20261124080000 +0500", Some("2026-11-24T03:00:00.000Z")),
            (TimeForm::Rfc3339, "24.11.2026", None),
            (TimeForm::Unix, "18446744073709551615", None),
            (TimeForm::Unix, "-1", None),
        ] {
            assert_eq!(instant(text, &mapping(form)).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn a_record_goes_on_while_a_quote_is_open() {
        for (lines, open) in [
            (&["a;\"b"][..], true),
            (&["a;\"b\"\"c\""], false),
            (&["a;b\"c"], false), // a quote inside a field that does not begin with one is a character
            (&["a;5\";c\"d"], false),
            (&["\"a\"b\"c"], false), // what comes after the closing quote is read as it is
            (&["\"a", "b;\"c\""], false),
            (&["\"a", "b\";\"c"], true),
        ] {
            let mut quotes = Quotes::new(b';');
            lines.iter().for_each(|line| quotes.line(line.as_bytes()));
            assert_eq!(quotes.is_open(), open, "{lines:?}");
            let text = lines.join("\n") + "\nnext";
            let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(b';').from_reader(text.as_bytes());
            let records = reader.records().count();
            assert_eq!(records == 1, open, "the reader of CSV sees it in the same way: {lines:?}");
        }
    }

    #[test]
    fn what_holds_more_than_one_record_is_none() {
        let mapping = mapping(TimeForm::Unix);
        let header = header(b"Rows;Action;Time;Table", &mapping).unwrap();
        assert!(record(b"3;View;1795276981;eu.t", &header, &mapping).is_ok());
        assert!(record(b"3;View;1795276981;eu.t\n4;View;1795276981;eu.t", &header, &mapping).unwrap_err().fault);
    }
}
