//! The tables that say what a source does not: who works where, what an object is, why a session was opened (docs/import.md).
//!
//! CSV with a header line. Every value is judged when the table is read, so that an import ends before its first record and
//! not in the middle. Not here: which record asks what (`found`).

use std::collections::BTreeMap;
use std::path::Path;

use vitrine_spec::fields::{Field, KNOWN};
use vitrine_spec::json::Value;
use vitrine_spec::words::is_country;

use crate::exit::Failure;
use crate::files;
use crate::limits::IMPORT_TABLE_BYTES_MAX;

/// One row of the staff table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What is logged in place of the source's name.
    pub id: String,
    /// Who employs them.
    pub entity: Option<String>,
    /// Where their office is.
    pub office_country: Option<String>,
    /// Where they were, and how that is known.
    pub location: Option<(String, String)>,
    /// SHA-256 of the program that a service is.
    pub build: Option<String>,
}

impl Person {
    /// Whether the row is of a program.
    pub fn is_service(&self) -> bool {
        self.id.starts_with("service:")
    }
}

/// Who the actors are: `actor, id, entity, office_country, location_country, known, build, from`.
#[derive(Clone, Debug, Default)]
pub struct Staff {
    rows: BTreeMap<String, Vec<(i64, Person)>>,
}

/// One row of the asset table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The registered data set.
    pub dataset: Option<String>,
    /// Its category.
    pub data_category: Option<String>,
    /// Whose data.
    pub subject_region: Option<String>,
    /// The one person that the object is about.
    pub subject_ref: Option<String>,
    /// Where it is stored.
    pub storage_site: Option<String>,
}

/// What the objects are: `asset, dataset, data_category, subject_region, subject_ref, storage_site`. An asset that ends in
/// `*` stands for all that begin like it; the longest one counts.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    exact: BTreeMap<String, Asset>,
    prefixes: Vec<(String, Asset)>,
}

/// One row of the ticket table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The ticket.
    pub ticket: Option<String>,
    /// The purpose.
    pub purpose: Option<String>,
    /// The legal basis.
    pub legal_basis: Option<String>,
    /// The decision or rule that allows it.
    pub grant: Option<String>,
}

/// Why the sessions are: `session, ticket, purpose, legal_basis, grant`.
#[derive(Clone, Debug, Default)]
pub struct Tickets {
    rows: BTreeMap<String, Why>,
}

impl Staff {
    /// Reads the table.
    pub fn load(path: &Path) -> Result<Staff, Failure> {
        Staff::parse(path, &files::read(path, IMPORT_TABLE_BYTES_MAX)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Staff, Failure> {
        let columns = ["actor", "id", "entity", "office_country", "location_country", "known", "build", "from"];
        let mut rows: BTreeMap<String, Vec<(i64, Person)>> = BTreeMap::new();
        for row in read(path, bytes, &columns)? {
            let actor = row.required("actor")?;
            let location = match (row.cell("location_country"), row.cell("known")) {
                (None, None) => None,
                (Some(country), Some(known)) if is_country(country) && KNOWN.contains(&known) => {
                    Some((country.to_owned(), known.to_owned()))
                }
                (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) => {
                    return Err(
                        row.wrong("location_country", format!("needs a country and known: {}", KNOWN.join(", ")))
                    );
                }
            };
            let build = row.cell("build").map(str::to_owned);
            if build.as_deref().is_some_and(|build| vitrine_spec::hash::Hash::from_hex(build).is_err()) {
                return Err(row.wrong("build", "is not 64 hexadecimal digits"));
            }
            let id = row.checked("id", Field::Actor)?.unwrap_or_else(|| actor.clone());
            Field::Actor.check(&Value::Text(id.clone())).map_err(|error| row.wrong("actor", error.why))?;
            let person = Person {
                id,
                entity: row.checked("entity", Field::ActorEntity)?,
                office_country: row.checked("office_country", Field::ActorOfficeCountry)?,
                location,
                build,
            };
            if person.build.is_some() && !person.is_service() {
                return Err(row.wrong("build", "stands for a service, whose id begins with service:"));
            }
            let from = match row.cell("from") {
                None => i64::MIN,
                Some(text) => instant(text).ok_or_else(|| {
                    row.wrong(
                        "from",
                        format!("is `{text}`, a date or an instant is such as 2026-11-24 or 2026-11-24T08:00:00Z"),
                    )
                })?,
            };
            let same = rows.entry(actor).or_default();
            if same.iter().any(|(other, _)| *other == from) {
                return Err(row.wrong("actor", "stands twice; give each row the time `from` which it counts"));
            }
            same.push((from, person));
            same.sort_by_key(|(from, _)| *from);
        }
        Ok(Staff { rows })
    }

    /// The row of the first of these names that has one at this time.
    pub fn find<'a>(&self, names: impl IntoIterator<Item = &'a str>, at_ms: i64) -> Option<&Person> {
        names.into_iter().find_map(|name| {
            let rows = self.rows.get(name)?;
            rows.iter().rev().find(|(from, _)| *from <= at_ms).map(|(_, person)| person)
        })
    }
}

/// A day or an instant, in ms since 1970.
fn instant(text: &str) -> Option<i64> {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

impl Assets {
    /// Reads the table.
    pub fn load(path: &Path) -> Result<Assets, Failure> {
        Assets::parse(path, &files::read(path, IMPORT_TABLE_BYTES_MAX)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Assets, Failure> {
        let columns = ["asset", "dataset", "data_category", "subject_region", "subject_ref", "storage_site"];
        let mut assets = Assets::default();
        for row in read(path, bytes, &columns)? {
            let key = row.required("asset")?;
            let asset = Asset {
                dataset: row.checked("dataset", Field::Dataset)?,
                data_category: row.checked("data_category", Field::DataCategory)?,
                subject_region: row.checked("subject_region", Field::SubjectRegion)?,
                subject_ref: row.checked("subject_ref", Field::SubjectRef)?,
                storage_site: row.checked("storage_site", Field::StorageSite)?,
            };
            let twice = match key.strip_suffix('*') {
                Some(prefix) => {
                    let twice = assets.prefixes.iter().any(|(other, _)| other == prefix);
                    assets.prefixes.push((prefix.to_owned(), asset));
                    twice
                }
                None => assets.exact.insert(key, asset).is_some(),
            };
            if twice {
                return Err(row.wrong("asset", "stands twice"));
            }
        }
        assets.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(assets)
    }

    /// The row of an object, which has several spellings, the most exact one first.
    pub fn find(&self, spellings: &[String]) -> Option<&Asset> {
        spellings.iter().find_map(|name| self.exact.get(name)).or_else(|| {
            let fits = |prefix: &str| spellings.iter().any(|name| name.starts_with(prefix));
            self.prefixes.iter().find(|(prefix, _)| fits(prefix)).map(|(_, asset)| asset)
        })
    }
}

impl Tickets {
    /// Reads the table.
    pub fn load(path: &Path) -> Result<Tickets, Failure> {
        Tickets::parse(path, &files::read(path, IMPORT_TABLE_BYTES_MAX)?)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Tickets, Failure> {
        let mut rows = BTreeMap::new();
        for row in read(path, bytes, &["session", "ticket", "purpose", "legal_basis", "grant"])? {
            let why = Why {
                ticket: row.checked("ticket", Field::Ticket)?,
                purpose: row.checked("purpose", Field::Purpose)?,
                legal_basis: row.checked("legal_basis", Field::LegalBasis)?,
                grant: row.checked("grant", Field::Grant)?,
            };
            if rows.insert(row.required("session")?, why).is_some() {
                return Err(row.wrong("session", "stands twice"));
            }
        }
        Ok(Tickets { rows })
    }

    /// The row of the first of these that has one.
    pub fn find<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<&Why> {
        keys.into_iter().find_map(|key| self.rows.get(key))
    }
}

/// One row: its cells by column, empty ones left out.
struct Row<'a> {
    path: &'a Path,
    line: u64,
    cells: BTreeMap<&'a str, String>,
}

impl Row<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str)
    }

    fn required(&self, column: &str) -> Result<String, Failure> {
        self.cell(column).map(str::to_owned).ok_or_else(|| self.wrong(column, "is empty"))
    }

    /// A cell that the field takes.
    fn checked(&self, column: &str, field: Field) -> Result<Option<String>, Failure> {
        let Some(text) = self.cell(column) else { return Ok(None) };
        field.check(&Value::Text(text.to_owned())).map_err(|error| self.wrong(column, error.why))?;
        Ok(Some(text.to_owned()))
    }

    fn wrong(&self, column: &str, why: impl Into<String>) -> Failure {
        Failure::usage("import.table", "a table has a row that cannot be used")
            .side("file", self.path.display())
            .side("line", self.line)
            .side("column", column)
            .side("reason", why.into())
    }
}

/// Reads a table whose columns are some of `columns`, the first of them always.
fn read<'a>(path: &'a Path, bytes: &[u8], columns: &[&'a str]) -> Result<Vec<Row<'a>>, Failure> {
    let wrong = |why: String| {
        Failure::usage("import.table", "this is not a table with these columns")
            .side("file", path.display())
            .side("reason", why)
            .side("columns", columns.join(", "))
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let mut order = Vec::new();
    for name in &header {
        let column = columns.iter().copied().find(|column| *column == name);
        let column = column.ok_or_else(|| wrong(format!("the column `{name}` is not known")))?;
        if order.contains(&column) {
            return Err(wrong(format!("the column `{name}` stands twice")));
        }
        order.push(column);
    }
    if let Some(first) = columns.first().filter(|first| !order.contains(first)) {
        return Err(wrong(format!("the column `{first}` is missing")));
    }
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let filled = |(column, cell): (&&'a str, &str)| (!cell.is_empty()).then(|| (*column, cell.to_owned()));
        rows.push(Row { path, line, cells: order.iter().zip(record.iter()).filter_map(filled).collect() });
    }
    Ok(rows)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const PATH: &str = "t.csv";

    fn staff(text: &str) -> Result<Staff, Failure> {
        Staff::parse(Path::new(PATH), text.as_bytes())
    }

    #[test]
    fn a_person_is_where_the_latest_row_before_says() {
        let staff = staff(
            "actor,id,office_country,location_country,known,from\n\
             anna,s-1,CH,CH,badge,\nanna,s-1,CH,DE,network,2026-11-24T12:00:00Z\nanna,s-1,CH,ES,declared,2026-12-01\n",
        )
        .unwrap();
        let at =
            |text: &str| staff.find(["unknown", "anna"], instant(text).unwrap()).unwrap().location.clone().unwrap().0;
        assert_eq!([at("2026-11-24"), at("2026-11-24T12:00:00Z"), at("2027-01-01")], ["CH", "DE", "ES"]);
        assert_eq!(staff.find(["bert"], 0), None);
    }

    #[test]
    fn a_service_has_a_build() {
        let digest = "ab".repeat(32);
        let table = staff(&format!("actor,id,build\nsvc,service:x,{digest}\n")).unwrap();
        let row = table.find(["svc"], 0).unwrap();
        assert!(row.is_service());
        assert_eq!(row.build, Some(digest));
    }

    #[test]
    fn the_longest_prefix_counts_and_an_exact_name_before_it() {
        let table = "asset,dataset\narn:aws:s3:::*,any\narn:aws:s3:::eu-*,eu\narn:aws:s3:::eu-1,one\n";
        let assets = Assets::parse(Path::new(PATH), table.as_bytes()).unwrap();
        let dataset = |name: &str| assets.find(&[name.to_owned()]).and_then(|asset| asset.dataset.clone());
        assert_eq!(dataset("arn:aws:s3:::eu-1").as_deref(), Some("one"));
        assert_eq!(dataset("arn:aws:s3:::eu-2").as_deref(), Some("eu"));
        assert_eq!(dataset("arn:aws:s3:::us").as_deref(), Some("any"));
        assert_eq!(dataset("ssm"), None);
    }

    #[test]
    fn a_row_that_no_field_takes_ends_the_import_before_it_begins() {
        for (text, want) in [
            ("name\na\n", "the column `name` is not known"),
            ("entity\na\n", "the column `actor` is missing"),
            ("actor,actor\na,b\n", "stands twice"),
            ("actor\n\"\"\n", "is empty"),
            ("actor,office_country\na,Switzerland\n", "two capitals"),
            ("actor,location_country,known\na,CH,seen\n", "needs a country and known"),
            ("actor,location_country,known\na,CH,\n", "needs a country and known"),
            ("actor,build\na,ab\n", "64 hexadecimal"),
            (&format!("actor,build\na,{}\n", "ab".repeat(32)), "begins with service:"),
            ("actor\na\na\n", "stands twice"),
            ("actor,from\na,yesterday\n", "2026-11-24"),
            ("actor,id\na\n", "fields"),
        ] {
            let failure = staff(text).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit.number()), ("import.table", 2));
            assert!(failure.to_string().contains(want), "{text}: {failure}");
        }
        let assets = |text: &str| Assets::parse(Path::new(PATH), text.as_bytes()).unwrap_err().to_string();
        assert!(assets("asset,data_category\na,samples\n").contains("line 2, column data_category"));
        assert!(assets("asset\na*\na*\n").contains("stands twice"));
        let tickets = |text: &str| Tickets::parse(Path::new(PATH), text.as_bytes()).unwrap_err().to_string();
        assert!(tickets("session,purpose\na,CURIOSITY\n").contains("PROVIDER_REVIEW"));
        assert!(tickets("session\na\na\n").contains("stands twice"));
    }
}
