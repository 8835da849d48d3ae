//! The floor: the newest releases that one machine has verified, so that it does not go back (docs/90-verdict.md, V-44).
//!
//! A small file that only rises. Whoever can write it can lower it. Not here: writing it, and judging by it (`verdict`).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};

use crate::checkpoint::Origin;
use crate::hash::Hash;
use crate::limits::FLOOR_BYTES_MAX;
use crate::text::{self, push};
use crate::tree::TreeSize;
use crate::watched::{push_head, read_head};
use crate::words::{Name, is_text};

/// First line of the file [V-44].
pub const HEADER: &str = "vitrine.example/floor@v0";

/// Why a text is no floor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FloorError {
    /// Longer than such a file is.
    #[error("{got} bytes are above {FLOOR_BYTES_MAX}")]
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

/// The largest tree of one log that was verified, and the newest release of each stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The log.
    pub origin: Origin,
    /// Entries of the largest tree.
    pub size: TreeSize,
    /// Its root.
    pub root: Hash,
    /// By packageId and channel: the newest release.
    releases: BTreeMap<(String, Name), u64>,
}

impl Floor {
    /// The floor of a machine that has verified nothing yet.
    pub fn nothing(origin: Origin) -> Floor {
        Floor { origin, size: TreeSize::ZERO, root: crate::hash::empty_root(), releases: BTreeMap::new() }
    }

    /// The newest release of a stream that was verified.
    pub fn release(&self, package_id: &str, channel: &Name) -> Option<u64> {
        self.releases.get(&(package_id.to_string(), channel.clone())).copied()
    }

    /// Takes over what was just verified; nothing becomes smaller [V-44].
    pub fn raise(&mut self, raise: &Raise) {
        if raise.size > self.size {
            (self.size, self.root) = (raise.size, raise.root);
        }
        let release = self.releases.entry((raise.package_id.clone(), raise.channel.clone())).or_default();
        *release = (*release).max(raise.release_seq);
    }

    /// Reads the file [V-44].
    pub fn parse(text: &str) -> Result<Floor, FloorError> {
        if text.len() > FLOOR_BYTES_MAX {
            return Err(FloorError::TooLong { got: text.len() });
        }
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(FloorError::Header);
        }
        let (origin, size, root) = read_head(&mut lines).map_err(|(line, want)| FloorError::Line { line, want })?;
        let mut floor = Floor { size, root, ..Floor::nothing(origin) };
        for (line, words) in (5..).zip(lines) {
            let want = "release <decimal> <channel> <packageId>";
            let (stream, release) = read_release(words).ok_or(FloorError::Line { line, want })?;
            floor.releases.insert(stream, release);
        }
        if floor.print() == text { Ok(floor) } else { Err(FloorError::Order) }
    }

    /// The text that [`Floor::parse`] reads [V-44].
    pub fn print(&self) -> String {
        let mut text = String::new();
        push(&mut text, format_args!("{HEADER}\n"));
        push_head(&mut text, &self.origin, self.size, &self.root);
        for ((package_id, channel), release) in &self.releases {
            push(&mut text, format_args!("release {release} {channel} {package_id}\n"));
        }
        text
    }
}

/// What a verified update raises a floor to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// Entries of the tree that the update was shown in.
    pub size: TreeSize,
    /// Its root.
    pub root: Hash,
    /// The stream's package.
    pub package_id: String,
    /// The stream's channel.
    pub channel: Name,
    /// The release.
    pub release_seq: u64,
}

fn read_release(line: &str) -> Option<((String, Name), u64)> {
    let (release, stream) = line.strip_prefix("release ")?.split_once(' ')?;
    let (channel, package_id) = stream.split_once(' ')?;
    is_text(package_id, 128).then_some(())?;
    Some(((package_id.to_string(), Name::new(channel)?), text::decimal(release).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn raise(size: u64, package_id: &str, release_seq: u64) -> Raise {
        let channel = Name::new("stable").unwrap();
        let root = Hash::of(&size.to_be_bytes());
        Raise { size: TreeSize::new(size), root, package_id: package_id.into(), channel, release_seq }
    }

    fn floor() -> Floor {
        let mut floor = Floor::nothing(Origin::new("log.example/release").unwrap());
        floor.raise(&raise(7, "pkg:deb/rules", 2));
        floor.raise(&raise(9, "app with blanks", 5));
        floor
    }

    #[test]
    fn a_floor_only_rises() {
        // [V-44]
        let mut floor = floor();
        let stable = Name::new("stable").unwrap();
        assert_eq!(floor.release("pkg:deb/rules", &stable), Some(2));
        assert_eq!(floor.release("pkg:deb/rules", &Name::new("beta").unwrap()), None);
        let before = floor.clone();
        floor.raise(&raise(8, "pkg:deb/rules", 1));
        assert_eq!(floor, before);
        floor.raise(&raise(10, "pkg:deb/rules", 3));
        assert_eq!(floor.release("pkg:deb/rules", &stable), Some(3));
        assert_eq!((floor.size, floor.root), (TreeSize::new(10), Hash::of(&10_u64.to_be_bytes())));
    }

    #[test]
    fn the_file_has_one_spelling() {
        // [V-44]
        let text = floor().print();
        assert_eq!(Floor::parse(&text), Ok(floor()));
        assert!(text.ends_with("\nrelease 5 stable app with blanks\nrelease 2 stable pkg:deb/rules\n"), "{text}");
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Floor::parse(&text.replacen(from, to, 1)).unwrap_err()
        };
        assert_eq!(refused("@v0", "@v1"), FloorError::Header);
        let want = "release <decimal> <channel> <packageId>";
        for (from, to) in [("release 5", "release 05"), ("5 stable app", "5 Stable app"), (" app with blanks", "")] {
            assert_eq!(refused(from, to), FloorError::Line { line: 5, want });
        }
        assert_eq!(refused("size 9", "size"), FloorError::Line { line: 3, want: "size <decimal>" });
        assert_eq!(refused("release 2", "release 5 stable app with blanks\nrelease 2"), FloorError::Order);
        assert_eq!(Floor::parse(text.trim_end()), Err(FloorError::Order));
        let long = " ".repeat(FLOOR_BYTES_MAX + 1);
        assert_eq!(Floor::parse(&long), Err(FloorError::TooLong { got: FLOOR_BYTES_MAX + 1 }));
    }
}
