//! Looking through the index: products, their versions, places of chains, events without a trace in memory (85-log.md, "Explorer").
//!
//! Every method takes a bound and stops there. Not here: exact look-ups (`index`).

use std::ops::Bound;
use std::sync::Arc;

use vitrine_spec::envelope::EventId;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::LeafIndex;

use super::records::{DIGEST, ID, PURL, index_of, last_run, prefixed, said};
use super::{Index, IndexError, locked};

/// Seeks for one list of products: a purl without a version costs one and gives nothing.
const SEEKS_MAX: usize = 400;

/// One version of a product and where it is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The purl, version and qualifiers included.
    pub purl: String,
    /// The newest events with this very purl, newest first.
    pub events: Vec<LeafIndex>,
    /// There are more.
    pub more: bool,
}

/// Products by name, and whether the list goes on after the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Products {
    /// Purls without version.
    pub names: Vec<String>,
    /// From where the list goes on.
    pub next: Option<String>,
}

/// A purl's product and the rest of it, version first; `None` without a version.
///
/// The `@` that a namespace begins with, as in `pkg:npm/@scope/name@1`, is none of a version.
pub fn product_of(purl: &str) -> Option<(&str, &str)> {
    let path = purl.split(['?', '#']).next().unwrap_or(purl);
    let at = path.match_indices('@').map(|(at, _)| at).find(|at| !path[..*at].ends_with('/'))?;
    Some((&purl[..at], &purl[at + 1..]))
}

/// The purl and the event of a record.
fn read(key: &[u8]) -> Result<(String, LeafIndex), String> {
    let parts = || {
        let (purl, index) = key.get(1..)?.split_at_checked(key.len().checked_sub(10)?)?;
        Some((core::str::from_utf8(purl).ok()?.to_owned(), index_of(index.get(1..)?)?))
    };
    parts().ok_or_else(|| "a record of a purl that is none".to_owned())
}

impl Index {
    /// The event at an index when it is in memory, which keeps what it has.
    pub fn peek(&self, index: LeafIndex) -> Option<Arc<Event>> {
        locked(&self.shared.recent).events.get(&index.get()).cloned()
    }

    /// The entry of an event of an unsealed type, by the index alone.
    pub fn entry_of(&self, id: &EventId) -> Result<Option<LeafIndex>, IndexError> {
        let found = self.condemning(|| self.shared.db.get(prefixed(ID, &[id.as_bytes()])).map_err(said))?;
        Ok(found.as_deref().and_then(index_of))
    }

    /// The entry at a place of a chain, by the index alone.
    pub fn place(&self, issuer: &str, epoch: u32, seq: u64) -> Result<Option<LeafIndex>, IndexError> {
        let run = self.condemning(|| last_run(&self.shared.db, issuer, epoch, seq))?;
        Ok(run.filter(|run| seq < run.seq + run.count).map(|run| LeafIndex::new(run.index + (seq - run.seq))))
    }

    /// The newest `most` events that have this digest as a subject, newest first.
    pub fn newest_by_digest(&self, digest: &Hash, most: usize) -> Result<Vec<LeafIndex>, IndexError> {
        let prefix = prefixed(DIGEST, &[digest.as_bytes()]);
        self.condemning(|| {
            let records = self.shared.db.scan_prefix(&prefix).rev().take(most);
            let index = |key: &[u8]| key.get(prefix.len()..).and_then(index_of);
            records.map(|record| index(&record.map_err(said)?.0).ok_or("a digest that is none".to_owned())).collect()
        })
    }

    /// Products from a place of the list on, at most `most`; the list begins at the empty text.
    pub fn products(&self, from: &str, most: usize) -> Result<Products, IndexError> {
        let db = &self.shared.db;
        self.condemning(|| {
            let mut names: Vec<String> = Vec::new();
            let mut from = from.to_owned();
            for _ in 0..SEEKS_MAX {
                let found =
                    db.range(prefixed(PURL, &[from.as_bytes()])..vec![PURL + 1]).next().transpose().map_err(said)?;
                let Some((key, _)) = found else { return Ok(Products { names, next: None }) };
                let (purl, _) = read(&key)?;
                match product_of(&purl) {
                    Some(_) if names.len() >= most => break,
                    Some((name, _)) => {
                        // `A` follows `@`: whatever begins with the name and a version is passed over.
                        from = format!("{name}A");
                        names.push(name.to_owned());
                    }
                    None => from = format!("{purl}\u{1}"),
                }
            }
            Ok(Products { names, next: Some(from) })
        })
    }

    /// Events of all versions of a product, at most `most`, by purl.
    pub fn of_product(&self, name: &str, most: usize) -> Result<Vec<(String, LeafIndex)>, IndexError> {
        let prefix = prefixed(PURL, &[name.as_bytes(), b"@"]);
        self.condemning(|| {
            let records = self.shared.db.scan_prefix(&prefix).take(most);
            records.map(|record| read(&record.map_err(said)?.0)).collect()
        })
    }

    /// Versions of a product whose purl is below `below`, in descending order, each with its `each` newest events.
    pub fn versions(
        &self,
        name: &str,
        below: Option<&str>,
        most: usize,
        each: usize,
    ) -> Result<Vec<Version>, IndexError> {
        let first = prefixed(PURL, &[name.as_bytes(), b"@"]);
        let mut end = match below {
            Some(purl) => prefixed(PURL, &[purl.as_bytes(), &[0]]),
            None => prefixed(PURL, &[name.as_bytes(), b"A"]),
        };
        self.condemning(|| {
            let mut versions = Vec::new();
            while versions.len() < most && first < end {
                let range = (Bound::Included(first.clone()), Bound::Excluded(end));
                let last = self.shared.db.range::<Vec<u8>, _>(range).next_back().transpose().map_err(said)?;
                let Some((key, _)) = last else { break };
                let (purl, _) = read(&key)?;
                end = prefixed(PURL, &[purl.as_bytes(), &[0]]);
                let records = self.shared.db.scan_prefix(&end).rev().take(each + 1);
                let events = records.map(|record| read(&record.map_err(said)?.0).map(|(_, index)| index));
                let mut events = events.collect::<Result<Vec<_>, String>>()?;
                let more = events.len() > each;
                events.truncate(each);
                versions.push(Version { purl, events, more });
            }
            Ok(versions)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_what_stands_before_the_version() {
        for (purl, want) in [
            ("pkg:generic/a@1", Some(("pkg:generic/a", "1"))),
            ("pkg:deb/debian/a@1:2-3?arch=amd64", Some(("pkg:deb/debian/a", "1:2-3?arch=amd64"))),
            ("pkg:npm/@scope/a@1", Some(("pkg:npm/@scope/a", "1"))),
            ("pkg:npm/@scope/a", None),
            ("pkg:npm/@1", None),
            ("pkg:generic/a", None),
            ("pkg:generic/a?x=y@1", None),
            ("pkg:generic/a@1/b@2", Some(("pkg:generic/a", "1/b@2"))),
        ] {
            assert_eq!(product_of(purl), want, "{purl}");
        }
    }
}
