//! Running a directory by the table: which file has which row, what came of it, what has no row.
//!
//! Matching is by relative path first, then by folder and JSON shape. Not here: what is asserted (`tests/vectors.rs`).

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::input::Input;
use super::report::{Pins, Report};
use super::table::{At, ROWS, Row};

/// What came of one row.
pub struct RowReport {
    /// The row.
    pub row: &'static Row,
    /// Files or folders run.
    pub inputs: Vec<String>,
    /// The account.
    pub report: Report,
}

/// Reads `<path>#<case> = <reason>` lines; blank lines and those that begin with `#` are skipped.
///
/// # Errors
/// A line of another form, or a case twice.
pub fn read_pins(text: &str) -> Result<Pins, String> {
    let mut pins = Pins::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (case, reason) = line.rsplit_once(" = ").ok_or_else(|| format!("{line:?} is no pin"))?;
        if pins.insert(case.to_owned(), reason.to_owned()).is_some() {
            return Err(format!("{case} is pinned twice"));
        }
    }
    Ok(pins)
}

/// Runs every row over a directory; with pins every refused case must have one.
///
/// # Errors
/// A directory that cannot be read.
pub fn run(root: &Path, pins: Option<&Pins>) -> Result<Vec<RowReport>, String> {
    let files = files(root)?;
    let mut reports = Vec::new();
    for row in ROWS {
        let mut report = Report::new(pins.cloned());
        let inputs: Vec<String> = match row.at {
            At::Set(folder, anchor) => {
                let there = files.contains(&format!("{folder}/{anchor}"));
                there.then(|| folder.to_owned()).into_iter().collect()
            }
            At::File(..) | At::Each(..) => {
                let row_of = |path: &&String| row_of(root, path).is_some_and(|found| std::ptr::eq(found, row));
                files.iter().filter(row_of).cloned().collect()
            }
        };
        for path in &inputs {
            report.enter(path);
            let input = Input { root: root.to_owned(), path: path.clone() };
            if let Err(lack) = (row.run)(&input, &mut report) {
                report.faults.push(format!("{path}: {lack}"));
            }
        }
        reports.push(RowReport { row, inputs, report });
    }
    Ok(reports)
}

/// Files that no row runs: with `folders` all files in them, otherwise every JSON file.
///
/// # Errors
/// A directory that cannot be read.
pub fn uncovered(root: &Path, folders: Option<&[&str]>) -> Result<Vec<String>, String> {
    let in_a_set = |path: &str| {
        ROWS.iter().any(|row| match row.at {
            At::Set(folder, _) => path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
            At::File(..) | At::Each(..) => false,
        })
    };
    let looked_at = |path: &str| match folders {
        Some(folders) => folders.contains(&path.split('/').next().unwrap_or_default()) && !path.ends_with("README.md"),
        None => path.ends_with(".json"),
    };
    let files = files(root)?;
    let without = files.into_iter().filter(|path| looked_at(path) && !in_a_set(path) && row_of(root, path).is_none());
    Ok(without.collect())
}

/// The row of a JSON file: the one with its path; else the one whose folder it is in, and whose shape it has.
fn row_of(root: &Path, path: &str) -> Option<&'static Row> {
    let by_path = ROWS.iter().find(|row| matches!(row.at, At::File(own, _) if own == path));
    if by_path.is_some() || !path.ends_with(".json") {
        return by_path;
    }
    let value: Value = serde_json::from_slice(&std::fs::read(root.join(path)).ok()?).ok()?;
    let fits = |row: &&Row| match row.at {
        At::File(own, shape) => {
            let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
            path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) && has_shape(&value, shape)
        }
        At::Each(folder, shape) => {
            path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) && has_shape(&value, shape)
        }
        At::Set(..) => false,
    };
    // The longest folder and the most members decide, so that one shape may be part of another.
    let weight = |row: &&Row| match row.at {
        At::File(own, shape) => (own.rsplit_once('/').map_or(0, |(folder, _)| folder.len()), shape.len()),
        At::Each(folder, shape) => (folder.len(), shape.len()),
        At::Set(..) => (0, 0),
    };
    ROWS.iter().filter(fits).max_by_key(weight)
}

/// True when every path of a shape is there: members, and behind a slash members of some element.
fn has_shape(value: &Value, shape: &[&str]) -> bool {
    shape.iter().all(|path| {
        let (first, second) = path.split_once('/').map_or((*path, None), |(first, second)| (first, Some(second)));
        let found = if first == "[]" { Some(value) } else { value.get(first) };
        match (found, second) {
            (Some(Value::Array(elements)), Some(second)) => elements
                .iter()
                .any(|element| ["", "_b64"].iter().any(|end| element.get(format!("{second}{end}")).is_some())),
            (Some(_), None) => first != "[]" || value.is_array(),
            (Some(_) | None, _) => false,
        }
    })
}

/// Every file below a directory, relative to it.
///
/// # Errors
/// A directory that cannot be read.
pub fn files(root: &Path) -> Result<BTreeSet<String>, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<String>) -> Result<(), String> {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if path.is_dir() {
                walk(root, &path, found)?;
            } else if let Ok(path) = path.strip_prefix(root) {
                found.insert(path.to_string_lossy().into_owned());
            }
        }
        Ok(())
    }
    let mut found = BTreeSet::new();
    walk(root, root, &mut found)?;
    Ok(found)
}
