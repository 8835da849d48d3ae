//! The bytes of `head` and of a stage [S-3] (85-log.md, "Objects").
//!
//! One spelling each: what is read prints to the same bytes. Not here: whether they fit each other (`open`).

use vitrine_spec::hash::Hash;
use vitrine_spec::text::decimal;
use vitrine_spec::tree::TreeSize;

const HEAD_WORD: &str = "vitrine head ";
const STAGE_WORD: &str = "vitrine stage ";
const VERSION: &str = "1";

/// The digest that stands for "no stage before": the first stage's `previous`.
pub const NO_STAGE: Hash = Hash::new([0; 32]);

/// An object and its bytes, of whatever kind.
pub type Object = (String, Vec<u8>);

/// Why bytes are no `head` or no stage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The first line names another version of the format, or nothing we know.
    #[error("version line `{got}`, this program knows `{want}`: use the program that wrote it")]
    Version {
        /// The line found, shortened.
        got: String,
        /// How the line begins here.
        want: &'static str,
    },
    /// A line that is not as the format says.
    #[error("`{got}` where `{want}` belongs")]
    Line {
        /// The line found, shortened.
        got: String,
        /// Its form.
        want: &'static str,
    },
    /// An object's bytes end too early.
    #[error("object {path} says {want} bytes, {got} are left")]
    Short {
        /// The object.
        path: String,
        /// Bytes it says it has.
        want: usize,
        /// Bytes left.
        got: usize,
    },
    /// Bytes after the last object.
    #[error("{0} bytes after the last object")]
    Surplus(usize),
}

/// The newest head: from the moment it is durable its batch is part of the log [S-4].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// SHA-256 of the stage that led here; the stage itself may be gone.
    pub stage: Hash,
    /// The log-signed note.
    pub note: Vec<u8>,
}

impl Head {
    /// `vitrine head 1 <hex>`, newline, note.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{HEAD_WORD}{VERSION} {}\n", self.stage.hex()).into_bytes();
        bytes.extend_from_slice(&self.note);
        bytes
    }

    /// Reads exactly what `encode` prints; the note is not looked at.
    pub fn decode(bytes: &[u8]) -> Result<Head, HeadError> {
        const FORM: &str = "vitrine head 1 <64 hex digits>";
        let mut rest = bytes;
        let line = take_line(&mut rest, FORM)?;
        let digest = version(&line, HEAD_WORD, FORM)?;
        let stage = Hash::from_hex(digest).map_err(|_| wrong(&line, FORM))?;
        Ok(Head { stage, note: rest.to_vec() })
    }
}

/// Everything that a batch writes after its head, so that `open` can write it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// SHA-256 of the stage before this one: stages that are there form a chain from the head backwards [S-13].
    pub previous: Hash,
    /// Size and root before the batch.
    pub base: (TreeSize, Hash),
    /// Size and root after it.
    pub new: (TreeSize, Hash),
    /// Paths and exact bytes, in the order in which they are written.
    pub objects: Vec<Object>,
}

impl Stage {
    /// The bytes of 85-log.md, "Objects".
    pub fn encode(&self) -> Vec<u8> {
        let head = format!(
            "{STAGE_WORD}{VERSION}\nprevious {}\nbase {} {}\nsize {} {}\nobjects {}\n",
            self.previous.hex(),
            self.base.0,
            self.base.1,
            self.new.0,
            self.new.1,
            self.objects.len()
        );
        let content: usize = self.objects.iter().map(|(path, bytes)| path.len() + bytes.len() + 24).sum();
        let mut stage = Vec::with_capacity(head.len() + content);
        stage.extend_from_slice(head.as_bytes());
        for (path, bytes) in &self.objects {
            stage.extend_from_slice(format!("{} {path}\n", bytes.len()).as_bytes());
            stage.extend_from_slice(bytes);
        }
        stage
    }

    /// Reads exactly what `encode` prints.
    pub fn decode(bytes: &[u8]) -> Result<Stage, HeadError> {
        const VERSION_FORM: &str = "vitrine stage 1";
        const PREVIOUS_FORM: &str = "previous <64 hex digits>";
        const COUNT_FORM: &str = "objects <count>";
        const OBJECT_FORM: &str = "<length> <path>";
        let mut rest = bytes;
        let line = take_line(&mut rest, VERSION_FORM)?;
        if line.strip_prefix(STAGE_WORD) != Some(VERSION) {
            return Err(HeadError::Version { got: shown(&line), want: VERSION_FORM });
        }
        let line = take_line(&mut rest, PREVIOUS_FORM)?;
        let previous = line.strip_prefix("previous ").and_then(|digest| Hash::from_hex(digest).ok());
        let previous = previous.ok_or_else(|| wrong(&line, PREVIOUS_FORM))?;
        let base = place(&mut rest, "base ", "base <size> <root>")?;
        let new = place(&mut rest, "size ", "size <size> <root>")?;
        let line = take_line(&mut rest, COUNT_FORM)?;
        let count = line.strip_prefix("objects ").and_then(|count| decimal(count).ok());
        let count = count.ok_or_else(|| wrong(&line, COUNT_FORM))?;
        let mut objects = Vec::new();
        for _ in 0..count {
            let line = take_line(&mut rest, OBJECT_FORM)?;
            let object = line
                .split_once(' ')
                .and_then(|(length, path)| Some((usize::try_from(decimal(length).ok()?).ok()?, path)));
            let (length, path) = object.ok_or_else(|| wrong(&line, OBJECT_FORM))?;
            let Some((content, after)) = rest.split_at_checked(length) else {
                return Err(HeadError::Short { path: path.to_owned(), want: length, got: rest.len() });
            };
            objects.push((path.to_owned(), content.to_vec()));
            rest = after;
        }
        if !rest.is_empty() {
            return Err(HeadError::Surplus(rest.len()));
        }
        Ok(Stage { previous, base, new, objects })
    }
}

/// What stands after the word and version of a first line.
fn version<'a>(line: &'a str, word: &str, form: &'static str) -> Result<&'a str, HeadError> {
    match line.strip_prefix(word).and_then(|rest| rest.split_once(' ')) {
        Some((VERSION, rest)) => Ok(rest),
        Some(_) | None => Err(HeadError::Version { got: shown(line), want: form }),
    }
}

fn place(rest: &mut &[u8], word: &str, form: &'static str) -> Result<(TreeSize, Hash), HeadError> {
    let line = take_line(rest, form)?;
    let read = || {
        let (size, root) = line.strip_prefix(word)?.split_once(' ')?;
        Some((TreeSize::new(decimal(size).ok()?), Hash::from_b64(root).ok()?))
    };
    read().ok_or_else(|| wrong(&line, form))
}

/// Takes one line of UTF-8 and its newline off the front.
fn take_line(rest: &mut &[u8], form: &'static str) -> Result<String, HeadError> {
    let end = rest.iter().position(|byte| *byte == b'\n');
    let Some((line, after)) = end.and_then(|end| Some((rest.get(..end)?, rest.get(end + 1..)?))) else {
        return Err(HeadError::Line { got: shown(&String::from_utf8_lossy(rest)), want: form });
    };
    *rest = after;
    match core::str::from_utf8(line) {
        Ok(line) => Ok(line.to_owned()),
        Err(_) => Err(HeadError::Line { got: shown(&String::from_utf8_lossy(line)), want: form }),
    }
}

fn wrong(line: &str, form: &'static str) -> HeadError {
    HeadError::Line { got: shown(line), want: form }
}

/// A line as an error may show it.
fn shown(line: &str) -> String {
    line.chars().take(100).flat_map(char::escape_default).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage {
            previous: NO_STAGE,
            base: (TreeSize::new(5), Hash::of(b"base")),
            new: (TreeSize::new(7), Hash::of(b"new")),
            objects: vec![
                ("tile/0/000.p/7".to_owned(), b"\x00\nany 3 bytes\n".to_vec()),
                ("sealed/000/5-7".to_owned(), Vec::new()),
            ],
        }
    }

    #[test]
    fn a_stage_has_one_spelling() {
        // [S-3]
        let bytes = stage().encode();
        assert!(bytes.starts_with(b"vitrine stage 1\nprevious 0000"));
        assert_eq!(Stage::decode(&bytes).unwrap(), stage());
        for end in 0..bytes.len() {
            assert!(Stage::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        let mut more = bytes.clone();
        more.push(b'\n');
        assert_eq!(Stage::decode(&more), Err(HeadError::Surplus(1)));
    }

    #[test]
    fn what_decodes_prints_to_the_same_bytes() {
        let bytes = stage().encode();
        let mut decoded = 0;
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut other = bytes.clone();
                other[at] ^= flip;
                if let Ok(read) = Stage::decode(&other) {
                    assert_eq!(read.encode(), other, "byte {at} xor {flip}");
                    decoded += 1;
                }
            }
        }
        assert!(decoded > 0, "flips inside an object are not the format's business");
    }

    #[test]
    fn another_version_is_named() {
        // [S-3], [S-11]
        let head = Head { stage: Hash::of(b"stage"), note: b"note".to_vec() };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes).unwrap(), head);
        let text = String::from_utf8(bytes).unwrap();
        let next = text.replacen("head 1", "head 2", 1);
        assert!(matches!(Head::decode(next.as_bytes()), Err(HeadError::Version { .. })));
        assert!(matches!(Head::decode(text.to_uppercase().as_bytes()), Err(HeadError::Version { .. })));
        let digits = text.replacen("head 1 ", "head 1  ", 1);
        assert!(matches!(Head::decode(digits.as_bytes()), Err(HeadError::Line { .. })));
        assert!(matches!(Stage::decode(b"vitrine stage 2\n"), Err(HeadError::Version { .. })));
    }
}
