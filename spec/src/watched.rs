//! What a watch has read of a log, as a verdict needs it offline (docs/94-watched.md).
//!
//! Revocations, disowned epochs, closed issuers and second digests up to one size. A machine's own notes: whoever can write
//! the file can leave things out of it. Not here: reading a log, and what a verdict makes of it (`verdict`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::str::Lines;

use crate::checkpoint::Origin;
use crate::envelope::EventId;
use crate::hash::Hash;
use crate::limits::WATCHED_BYTES_MAX;
use crate::text::{self, push};
use crate::tree::{LeafIndex, TreeSize};
use crate::words::Name;

/// First line of the file [O-1].
pub const HEADER: &str = "vitrine.example/watched@v0";

/// Why a text is not what a watch writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchedError {
    /// Longer than such a file is.
    #[error("{got} bytes are above {WATCHED_BYTES_MAX}")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Another first line.
    #[error("the first line is not {HEADER}")]
    Header,
    /// A line that does not belong where it is.
    #[error("line {line}: {want} was expected")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What belongs there.
        want: &'static str,
    },
    /// Every line is good, and they are not in their one order, or one stands twice, or the last has no end.
    #[error("the lines are not in their one order, each once, each with its newline")]
    Order,
}

/// What a watch has read, up to a size whose tree it has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The log.
    pub origin: Origin,
    /// Entries read.
    pub size: TreeSize,
    /// Root of their tree.
    pub root: Hash,
    /// Revoked updates: the revocation's index, and its reason.
    pub revoked: BTreeMap<EventId, (LeafIndex, Name)>,
    /// Epochs of issuers: their events at this index and later are disowned.
    pub disowned: BTreeMap<(Name, u32), LeafIndex>,
    /// Epochs of issuers that were closed: by which entry, and its reason.
    pub closed: BTreeMap<(Name, u32), (LeafIndex, Name)>,
    /// Files with more than one digest: the file's key, an update that is not disowned, its digest [O-3].
    pub second: BTreeSet<(Hash, LeafIndex, Hash)>,
}

/// The key of a file under which its digests are compared: SHA-256 of purl, file name and channel, a newline between them [O-3].
///
/// None of the three can hold a newline.
pub fn file_key(purl: &str, name: &str, channel: &str) -> Hash {
    Hash::of_parts(&[purl.as_bytes(), b"\n", name.as_bytes(), b"\n", channel.as_bytes()])
}

impl Watched {
    /// Nothing read yet.
    pub fn nothing(origin: Origin) -> Watched {
        Watched {
            origin,
            size: TreeSize::ZERO,
            root: crate::hash::empty_root(),
            revoked: BTreeMap::new(),
            disowned: BTreeMap::new(),
            closed: BTreeMap::new(),
            second: BTreeSet::new(),
        }
    }

    /// Reads the file [O-1] [O-2].
    pub fn parse(text: &str) -> Result<Watched, WatchedError> {
        if text.len() > WATCHED_BYTES_MAX {
            return Err(WatchedError::TooLong { got: text.len() });
        }
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(WatchedError::Header);
        }
        let (origin, size, root) = read_head(&mut lines).map_err(|(line, want)| WatchedError::Line { line, want })?;
        let mut watched = Watched { size, root, ..Watched::nothing(origin) };
        for (line, words) in (5..).zip(lines) {
            let want = "a line `revoked`, `disowned`, `closed` or `second` with its words";
            watched.take(words).ok_or(WatchedError::Line { line, want })?;
        }
        if watched.print() == text { Ok(watched) } else { Err(WatchedError::Order) }
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (kind, words) = line.split_once(' ')?;
        let mut words = words.split(' ');
        let mut next = || words.next();
        match kind {
            "revoked" => {
                let update = EventId::from_hex(next()?)?;
                self.revoked.insert(update, (index(next()?)?, Name::new(next()?)?));
            }
            "disowned" => {
                let key = epoch(next()?, next()?)?;
                self.disowned.insert(key, index(next()?)?);
            }
            "closed" => {
                let key = epoch(next()?, next()?)?;
                self.closed.insert(key, (index(next()?)?, Name::new(next()?)?));
            }
            "second" => {
                let key = Hash::from_hex(next()?).ok()?;
                self.second.insert((key, index(next()?)?, Hash::from_hex(next()?).ok()?));
            }
            _ => return None,
        }
        next().is_none().then_some(())
    }

    /// The text that [`Watched::parse`] reads [O-1].
    pub fn print(&self) -> String {
        let mut text = String::new();
        push(&mut text, format_args!("{HEADER}\n"));
        push_head(&mut text, &self.origin, self.size, &self.root);
        for (update, (index, reason)) in &self.revoked {
            push(&mut text, format_args!("revoked {} {index} {reason}\n", update.hex()));
        }
        for ((issuer, epoch), index) in &self.disowned {
            push(&mut text, format_args!("disowned {issuer} {epoch} {index}\n"));
        }
        for ((issuer, epoch), (index, reason)) in &self.closed {
            push(&mut text, format_args!("closed {issuer} {epoch} {index} {reason}\n"));
        }
        for (key, index, digest) in &self.second {
            push(&mut text, format_args!("second {} {index} {}\n", key.hex(), digest.hex()));
        }
        text
    }

    /// Whether the event of this issuer's epoch at `index` is disowned.
    pub fn disowns(&self, issuer: &str, epoch: u32, index: LeafIndex) -> bool {
        Name::new(issuer).and_then(|name| self.disowned.get(&(name, epoch))).is_some_and(|from| index >= *from)
    }
}

fn index(text: &str) -> Option<LeafIndex> {
    text::decimal(text).ok().map(LeafIndex::new)
}

fn epoch(issuer: &str, epoch: &str) -> Option<(Name, u32)> {
    let epoch = text::decimal(epoch).ok().and_then(|epoch| u32::try_from(epoch).ok()).filter(|epoch| *epoch != 0)?;
    Name::new(issuer).map(|issuer| (issuer, epoch))
}

/// The lines `origin`, `size` and `root` behind the header, or the number of the wrong one and what belongs there.
pub(crate) fn read_head(lines: &mut Lines<'_>) -> Result<(Origin, TreeSize, Hash), (usize, &'static str)> {
    let mut after = |line, name, want| {
        let found = lines.next().and_then(|text| text.strip_prefix(name)).and_then(|text| text.strip_prefix(' '));
        found.ok_or((line, want))
    };
    let origin = after(2, "origin", "origin <origin>")?;
    let origin = Origin::new(origin).map_err(|_| (2, "origin <origin>"))?;
    let size = after(3, "size", "size <decimal>")?;
    let size = text::decimal(size).map_err(|_| (3, "size <decimal>"))?;
    let root = after(4, "root", "root <base64>")?;
    let root = Hash::from_b64(root).map_err(|_| (4, "root <base64>"))?;
    Ok((origin, TreeSize::new(size), root))
}

/// Prints what [`read_head`] reads.
pub(crate) fn push_head(text: &mut String, origin: &Origin, size: TreeSize, root: &Hash) {
    push(text, format_args!("origin {origin}\nsize {size}\nroot {root}\n"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloc::format;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn watched() -> Watched {
        let mut watched = Watched::nothing(Origin::new("log.example/release").unwrap());
        watched.size = TreeSize::new(70);
        watched.root = Hash::of(b"root");
        watched.revoked.insert(EventId(Hash::of(b"a")), (LeafIndex::new(9), name("security")));
        watched.disowned.insert((name("release"), 2), LeafIndex::new(4));
        watched.disowned.insert((name("release"), 10), LeafIndex::new(40));
        watched.closed.insert((name("farm"), 1), (LeafIndex::new(12), name("compromised")));
        let key = file_key("pkg:deb/app@1", "app.deb", "stable");
        watched.second.insert((key, LeafIndex::new(3), Hash::of(b"one")));
        watched.second.insert((key, LeafIndex::new(20), Hash::of(b"two")));
        watched
    }

    #[test]
    fn the_file_has_one_spelling() {
        // [O-1] [O-2] [O-3]
        let text = watched().print();
        assert_eq!(Watched::parse(&text), Ok(watched()));
        let lines: alloc::vec::Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[..3], [HEADER, "origin log.example/release", "size 70"]);
        assert_eq!(lines[5], "disowned release 2 4");
        assert_eq!(lines[7], "closed farm 1 12 compromised");
        let key = Hash::of(b"pkg:deb/app@1\napp.deb\nstable").hex();
        assert_eq!(lines[8], format!("second {key} 3 {}", Hash::of(b"one").hex()));
    }

    #[test]
    fn what_is_not_what_a_watch_writes() {
        // [O-1] [O-2]
        let text = watched().print();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Watched::parse(&text.replacen(from, to, 1)).unwrap_err()
        };
        let line = |error| match error {
            WatchedError::Line { line, .. } => line,
            other => unreachable!("{other}"),
        };
        assert_eq!(refused("@v0", "@v1"), WatchedError::Header);
        assert_eq!(line(refused("origin ", "")), 2);
        assert_eq!(line(refused("size 70", "size 070")), 3);
        assert_eq!(line(refused("root ", "root  ")), 4);
        assert_eq!(line(refused("revoked", "Revoked")), 5);
        assert_eq!(line(refused(" 9 security", " 9")), 5);
        assert_eq!(line(refused(" 9 security", " 9 security now")), 5);
        assert_eq!(line(refused("release 2 4", "release 0 4")), 6);
        assert_eq!(line(refused("release 2 4", "release 4294967296 4")), 6);
        assert_eq!(line(refused("release 2 4", "Release 2 4")), 6);
        assert_eq!(
            refused("disowned release 2 4\ndisowned release 10 40", "disowned release 10 40\ndisowned release 2 4"),
            WatchedError::Order
        );
        assert_eq!(
            refused("disowned release 2 4\n", "disowned release 2 4\ndisowned release 2 4\n"),
            WatchedError::Order
        );
        assert_eq!(Watched::parse(text.trim_end()), Err(WatchedError::Order));
        assert_eq!(Watched::parse(&text.replace('\n', "\r\n")), Err(WatchedError::Order));
        let long = " ".repeat(WATCHED_BYTES_MAX + 1);
        assert_eq!(Watched::parse(&long), Err(WatchedError::TooLong { got: WATCHED_BYTES_MAX + 1 }));
    }

    #[test]
    fn an_epoch_is_disowned_from_an_index_on() {
        // [O-2]
        let watched = watched();
        let at = LeafIndex::new;
        assert!(!watched.disowns("release", 2, at(3)));
        assert!(watched.disowns("release", 2, at(4)));
        assert!(!watched.disowns("release", 1, at(4)));
        assert!(!watched.disowns("No name", 2, at(4)));
    }
}
