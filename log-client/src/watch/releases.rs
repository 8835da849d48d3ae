//! The vendor's own list of what it released: purl, file name and SHA-256, as CSV or JSON (docs/watch.md).
//!
//! What is in the log under the vendor's name and not in this list was logged by somebody else, or released by nobody who
//! writes the list. Not here: what is done about it (`book`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::exit::Failure;
use crate::files;
use crate::given::is_sha256;
use crate::limits::RELEASES_BYTES_MAX;

/// One line of the list.
#[derive(Debug, Deserialize)]
struct Row {
    purl: String,
    file: String,
    sha256: String,
}

/// The list: the digests of each file of each version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Releases {
    files: BTreeMap<(String, String), BTreeSet<String>>,
    count: usize,
}

impl Releases {
    /// Reads the list; it is JSON when it begins with `[`.
    ///
    /// # Errors
    /// The file cannot be read, or a row is none; the row is named.
    pub fn read(path: &Path) -> Result<Releases, Failure> {
        let text = files::read_text(path, RELEASES_BYTES_MAX)?;
        let wrong = |line: u64, why: String| {
            let failure = Failure::usage("watch.releases", "the list of releases cannot be read")
                .side("file", path.display())
                .side("reason", why);
            let failure = if line == 0 { failure } else { failure.side("line", line) };
            failure.now("CSV with the head line purl,file,sha256, or a JSON array of {\"purl\", \"file\", \"sha256\"}")
        };
        let mut releases = Releases::default();
        if text.trim_start().starts_with('[') {
            let rows: Vec<Row> = serde_json::from_str(&text).map_err(|error| wrong(0, error.to_string()))?;
            for (row, number) in rows.into_iter().zip(1_u64..) {
                releases.add(row).map_err(|why| wrong(0, format!("object {number}: {why}")))?;
            }
            return Ok(releases);
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let head = reader.headers().map_err(|error| wrong(1, error.to_string()))?;
        if let Some(missing) = ["purl", "file", "sha256"].into_iter().find(|name| !head.iter().any(|has| has == *name))
        {
            return Err(wrong(1, format!("the head line has no `{missing}`")));
        }
        for row in reader.deserialize::<Row>() {
            let line = |error: &csv::Error| error.position().map_or(0, csv::Position::line);
            let row = row.map_err(|error| wrong(line(&error), error.to_string()))?;
            let at = releases.count + 1;
            releases.add(row).map_err(|why| wrong(0, format!("row {at}: {why}")))?;
        }
        Ok(releases)
    }

    fn add(&mut self, row: Row) -> Result<(), String> {
        let sha256 = row.sha256.to_ascii_lowercase();
        if !is_sha256(&sha256) {
            return Err(format!("sha256 is {:?}, not 64 hexadecimal digits", row.sha256));
        }
        if row.purl.is_empty() || row.file.is_empty() {
            return Err("purl or file is empty".to_owned());
        }
        self.files.entry((row.purl, row.file)).or_default().insert(sha256);
        self.count += 1;
        Ok(())
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The digests that the list has for a file of a version; empty when it does not know it.
    pub fn of(&self, purl: &str, file: &str) -> impl Iterator<Item = &str> {
        self.files.get(&(purl.to_owned(), file.to_owned())).into_iter().flatten().map(String::as_str)
    }

    /// The packages that it lists: each purl up to and with the `@` before its version.
    pub fn packages(&self) -> BTreeSet<String> {
        self.files
            .keys()
            .map(|(purl, _)| match purl.rsplit_once('@') {
                Some((package, _)) => format!("{package}@"),
                None => purl.clone(),
            })
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Releases, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("releases");
        std::fs::write(&path, text).unwrap();
        Releases::read(&path)
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let (one, two) = ("1".repeat(64), "a".repeat(64));
        let csv = format!(
            "sha256,note,purl,file\n{one},x,pkg:generic/app@1,app\n{},,pkg:generic/app@1, lib\n",
            "A".repeat(64)
        );
        let json = format!(
            r#"[{{"purl":"pkg:generic/app@1","file":"app","sha256":"{one}","by":"ci"}},{{"purl":"pkg:generic/app@1","file":"lib","sha256":"{two}"}}]"#
        );
        let releases = read(&csv).unwrap();
        assert_eq!(releases, read(&json).unwrap());
        assert_eq!((releases.len(), releases.packages()), (2, BTreeSet::from(["pkg:generic/app@".to_owned()])));
        assert_eq!(releases.of("pkg:generic/app@1", "lib").collect::<Vec<_>>(), [two]);
        assert_eq!(releases.of("pkg:generic/app@2", "lib").count(), 0);
        assert!(read("purl,file,sha256\n").unwrap().is_empty());
    }

    #[test]
    fn a_list_that_is_none_is_not_an_empty_list() {
        for (text, what) in [
            ("", "the head line has no `purl`"),
            ("purl,file\npkg:a/b@1,x\n", "the head line has no `sha256`"),
            ("purl,file,sha256\npkg:a/b@1,x,123\n", "row 1: sha256"),
            ("purl,file,sha256\npkg:a/b@1,x\n", "line 2"),
            ("[{\"purl\":\"a\"}]", "missing field"),
            ("[{\"purl\":\"pkg:a/b@1\",\"file\":\"x\",\"sha256\":\"zz\"}]", "object 1: sha256"),
        ] {
            let failure = read(text).unwrap_err();
            assert!(failure.to_string().contains(what), "{text}: {failure}");
        }
    }
}
