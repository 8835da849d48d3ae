//! Source files: plain or gzip, read once from front to back, line by line or whole, with a digest of what was read so far.
//!
//! Not here: what a line means, and which part of a file was imported before (`done`).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use vitrine_spec::hash::Hash;

use crate::exit::Failure;
use crate::limits::{IMPORT_LINE_BYTES_MAX, IMPORT_WHOLE_BYTES_MAX};

/// How much of a file was read: its first bytes, unpacked, and their digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// How many bytes.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: Hash,
}

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its bytes; cut when it is too long.
    pub bytes: Vec<u8>,
    /// Its number, from 1.
    pub number: u64,
    /// Whether a line end was there: the last line of a file that is still being written has none.
    pub ended: bool,
    /// Whether it is longer than any line that is read.
    pub too_long: bool,
}

/// A source that is being read.
pub struct Input {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    digest: Sha256,
    bytes: u64,
    lines: u64,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({}, {} bytes)", self.path.display(), self.bytes)
    }
}

impl Input {
    /// Opens a file; `-` is standard input. What begins like gzip is unpacked.
    pub fn open(path: &Path) -> Result<Input, Failure> {
        let raw: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
        };
        let mut raw = BufReader::with_capacity(128 * 1024, raw);
        let gzip = raw.fill_buf().map_err(|error| unreadable(path, &error))?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> =
            if gzip { Box::new(BufReader::with_capacity(128 * 1024, MultiGzDecoder::new(raw))) } else { Box::new(raw) };
        Ok(Input { path: path.to_owned(), reader, digest: Sha256::new(), bytes: 0, lines: 0 })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read so far.
    pub fn prefix(&self) -> Prefix {
        Prefix { bytes: self.bytes, sha256: Hash::new(self.digest.clone().finalize().into()) }
    }

    /// The next line; none at the end.
    pub fn line(&mut self) -> Result<Option<Line>, Failure> {
        let mut line = Line { bytes: Vec::new(), number: self.lines + 1, ended: false, too_long: false };
        let before = self.bytes;
        while !line.ended {
            let buffer = self.reader.fill_buf().map_err(|error| unreadable(&self.path, &error))?;
            if buffer.is_empty() {
                break;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let (taken, used) = match end {
                Some(at) => (buffer.get(..at).unwrap_or_default(), at + 1),
                None => (buffer, buffer.len()),
            };
            let room = IMPORT_LINE_BYTES_MAX.saturating_sub(line.bytes.len());
            line.too_long |= taken.len() > room;
            line.bytes.extend_from_slice(taken.get(..room.min(taken.len())).unwrap_or_default());
            line.ended = end.is_some();
            self.digest.update(buffer.get(..used).unwrap_or_default());
            self.bytes += used as u64;
            self.reader.consume(used);
        }
        if self.bytes == before {
            return Ok(None);
        }
        if line.bytes.last() == Some(&b'\r') {
            line.bytes.pop();
        }
        self.lines += 1;
        Ok(Some(line))
    }

    /// All that is left.
    pub fn whole(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        (&mut self.reader)
            .take(IMPORT_WHOLE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&self.path, &error))?;
        if bytes.len() as u64 > IMPORT_WHOLE_BYTES_MAX {
            return Err(Failure::usage("import.size", "a file is larger than anything of its kind can be")
                .side("file", self.path.display())
                .side("limit", format!("{IMPORT_WHOLE_BYTES_MAX} bytes")));
        }
        self.digest.update(&bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads on to `bytes` from the front, or to the end if that comes first.
    pub fn read_to(&mut self, bytes: u64) -> Result<(), Failure> {
        while self.bytes < bytes {
            let buffer = self.reader.fill_buf().map_err(|error| unreadable(&self.path, &error))?;
            let used = buffer.len().min(usize::try_from(bytes - self.bytes).unwrap_or(usize::MAX));
            if used == 0 {
                break;
            }
            self.digest.update(buffer.get(..used).unwrap_or_default());
            self.bytes += used as u64;
            self.reader.consume(used);
        }
        Ok(())
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage("import.read", "a source cannot be read to its end")
        .side("file", path.display())
        .side("system", error)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(String, bool)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, bytes).unwrap();
        let mut input = Input::open(&path).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = input.line().unwrap() {
            assert_eq!(line.number as usize, lines.len() + 1);
            lines.push((String::from_utf8(line.bytes).unwrap(), line.ended));
        }
        lines
    }

    #[test]
    fn lines_with_their_ends_and_without() {
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\r\n\nb"), [("a".into(), true), (String::new(), true), ("b".into(), false)]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"a\nb\n").unwrap();
        assert_eq!(lines(&packed.finish().unwrap()), [("a".into(), true), ("b".into(), true)]);
    }

    #[test]
    fn the_digest_is_that_of_the_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"one\ntwo\nthree").unwrap();
        let mut by_line = Input::open(&path).unwrap();
        by_line.line().unwrap();
        by_line.line().unwrap();
        assert_eq!(by_line.prefix(), Prefix { bytes: 8, sha256: Hash::of(b"one\ntwo\n") });
        let mut by_bytes = Input::open(&path).unwrap();
        by_bytes.read_to(8).unwrap();
        assert_eq!(by_bytes.prefix(), by_line.prefix());
        by_bytes.read_to(1_000).unwrap();
        assert_eq!(by_bytes.prefix().bytes, 13);
        let mut whole = Input::open(&path).unwrap();
        assert_eq!(whole.whole().unwrap(), b"one\ntwo\nthree");
        assert_eq!(whole.prefix(), by_bytes.prefix());
    }

    #[test]
    fn a_line_that_is_too_long_is_said_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; IMPORT_LINE_BYTES_MAX + 5];
        bytes.extend_from_slice(b"\nnext\n");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, &bytes).unwrap();
        let mut input = Input::open(&path).unwrap();
        let long = input.line().unwrap().unwrap();
        assert!(long.too_long && long.bytes.len() == IMPORT_LINE_BYTES_MAX);
        assert_eq!(input.line().unwrap().unwrap().bytes, b"next");
    }

    #[test]
    fn packed_bytes_that_are_cut_are_a_failure_and_not_an_end() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&[b'a'; 100_000]).unwrap();
        let packed = packed.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, &packed[..packed.len() - 9]).unwrap();
        let mut input = Input::open(&path).unwrap();
        let mut end = input.line();
        while matches!(end, Ok(Some(_))) {
            end = input.line();
        }
        assert_eq!(end.unwrap_err().code, "import.read");
    }
}
