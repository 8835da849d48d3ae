//! Checkpoints: origin, size, root and extension lines (docs/40-checkpoint-cosignature.md).
//!
//! The text of c2sp.org/tlog-checkpoint and the note around it. Not here: who signed it (`cosignature`).

use crate::hash::Hash;
use crate::key::leaf_key_name;
use crate::note::{Note, NoteError, Signature};
use crate::text::{self, Quote, TextError, push};
use crate::tree::TreeSize;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Display};

/// Why a checkpoint is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// No newline at the end.
    #[error("the checkpoint does not end in a newline")]
    End,
    /// Fewer than three lines.
    #[error("a checkpoint has three lines or more, this one {got}")]
    TooFewLines {
        /// Lines found.
        got: usize,
    },
    /// The first line cannot be an origin.
    #[error("{0} is not an origin: it is empty or holds a control character")]
    Origin(Quote),
    /// The second line is not a tree size.
    #[error("the tree size: {0}")]
    Size(TextError),
    /// The third line is not a root hash.
    #[error("the root hash: {0}")]
    Root(TextError),
    /// An extension line is empty, or holds a control character.
    #[error("extension line {line} is empty or holds a control character")]
    Extension {
        /// Position of the line in the checkpoint, from 1.
        line: usize,
    },
}

/// The name of a log: the first line of its checkpoints [K-2].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Takes any line that is not empty and holds no control character [K-2].
    pub fn new(line: &str) -> Result<Origin, CheckpointError> {
        if is_line(line) { Ok(Origin(line.to_string())) } else { Err(CheckpointError::Origin(Quote::of(line))) }
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for an origin that a log of this project may have: a leaf's key name that is the first line of no other
    /// signed message, `cosignature/v1` and `subtree/v1` [K-6].
    pub fn is_for_our_logs(&self) -> bool {
        leaf_key_name(&self.0) && !self.0.starts_with("cosignature/") && !self.0.starts_with("subtree/")
    }

    /// SHA-256 of the line: the log's place below a witness's monitoring prefix, in hexadecimal [W-10].
    pub fn hash(&self) -> Hash {
        Hash::of(self.0.as_bytes())
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a log says of itself: the root over its first `size` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: Origin,
    /// Entries in the tree.
    pub size: TreeSize,
    /// Root of the tree.
    pub root: Hash,
    /// Lines behind the root: opaque, and no verdict reads them [K-4].
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines, the only kind our log writes [K-4].
    pub const fn new(origin: Origin, size: TreeSize, root: Hash) -> Checkpoint {
        Checkpoint { origin, size, root, extensions: Vec::new() }
    }

    /// Reads a text whose last byte is a newline [K-1].
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(CheckpointError::End)?.split('\n').collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(CheckpointError::TooFewLines { got: lines.len() });
        };
        let origin = Origin::new(origin)?;
        let size = TreeSize::new(text::decimal(size).map_err(CheckpointError::Size)?);
        let root = Hash::from_b64(root).map_err(CheckpointError::Root)?;
        if let Some(wrong) = extensions.iter().position(|line| !is_line(line)) {
            return Err(CheckpointError::Extension { line: 4 + wrong });
        }
        let extensions = extensions.iter().map(|line| (*line).to_string()).collect();
        Ok(Checkpoint { origin, size, root, extensions })
    }

    /// The text that [`Checkpoint::parse`] reads [K-1].
    pub fn text(&self) -> String {
        let mut text = String::new();
        push(&mut text, format_args!("{}\n{}\n{}\n", self.origin, self.size, self.root));
        self.extensions.iter().for_each(|line| push(&mut text, format_args!("{line}\n")));
        text
    }
}

fn is_line(line: &str) -> bool {
    !line.is_empty() && !line.bytes().any(|byte| byte < b' ')
}

/// A note whose text is a checkpoint. That it parses says nothing about who signed it.
///
/// Only [`SignedCheckpoint::parse`] and [`SignedCheckpoint::new`] build one, so that both members say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedCheckpoint {
    /// The note whose signatures cover the text.
    pub note: Note,
    /// What the text says.
    pub checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Puts signature lines under a checkpoint.
    pub fn new(checkpoint: Checkpoint, signatures: Vec<Signature>) -> Result<SignedCheckpoint, CheckpointError> {
        Ok(SignedCheckpoint { note: Note::new(checkpoint.text(), signatures)?, checkpoint })
    }

    /// Reads note and checkpoint [N-6] [K-1].
    pub fn parse(bytes: &[u8]) -> Result<SignedCheckpoint, CheckpointError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(&note.text)?;
        Ok(SignedCheckpoint { note, checkpoint })
    }

    /// The bytes that [`SignedCheckpoint::parse`] read or would read.
    pub fn print(&self) -> String {
        self.note.print()
    }

    /// The text that 0x01 and 0x04 signatures cover.
    pub fn text(&self) -> &str {
        &self.note.text
    }

    /// The signature lines.
    pub fn signatures(&self) -> &[Signature] {
        &self.note.signatures
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.checkpoint.origin
    }

    /// Entries in the tree.
    pub fn size(&self) -> TreeSize {
        self.checkpoint.size
    }

    /// Root of the tree.
    pub fn root(&self) -> &Hash {
        &self.checkpoint.root
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloc::format;

    const ROOT: &str = "TszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=";

    #[test]
    fn a_checkpoint_has_one_spelling() {
        // [K-1] [K-2] [K-4]
        for (text, extensions) in [
            (format!("go.sum database tree\n123456789012\n{ROOT}\n"), 0),
            (format!("e\n0\n{ROOT}\nabc\n— def ghi\n"), 2),
            (format!("e\n18446744073709551615\n{ROOT}\n"), 0),
        ] {
            let checkpoint = Checkpoint::parse(&text).unwrap();
            assert_eq!(checkpoint.text(), text);
            assert_eq!(checkpoint.extensions.len(), extensions);
        }
        let refused = |text: &str| Checkpoint::parse(text).unwrap_err();
        assert_eq!(refused(&format!("e\n1\n{ROOT}")), CheckpointError::End);
        assert_eq!(refused(&format!("e\n1\n{ROOT}\nabc")), CheckpointError::End);
        assert_eq!(refused(""), CheckpointError::End);
        assert_eq!(refused("e\n1\n"), CheckpointError::TooFewLines { got: 2 });
        assert_eq!(refused(&format!("\n1\n{ROOT}\n")), CheckpointError::Origin(Quote::of("")));
        assert_eq!(refused(&format!("e\r\n1\n{ROOT}\n")), CheckpointError::Origin(Quote::of("e\r")));
        for size in ["01", "-1", "0x1", "", "18446744073709551616"] {
            assert!(matches!(refused(&format!("e\n{size}\n{ROOT}\n")), CheckpointError::Size(_)), "{size}");
        }
        for root in ["YmFuYW5hcw==", "ThisIsn'tBase64", "", &ROOT[..43], &ROOT.replace("b0=", "b1=")] {
            assert!(matches!(refused(&format!("e\n1\n{root}\n")), CheckpointError::Root(_)), "{root}");
        }
        assert_eq!(refused(&format!("e\n1\n{ROOT}\n\n")), CheckpointError::Extension { line: 4 });
        assert_eq!(refused(&format!("e\n1\n{ROOT}\na\nb\tc\n")), CheckpointError::Extension { line: 5 });
    }

    #[test]
    fn origins() {
        // [K-2] [K-6] [W-10]
        for (line, ours) in [
            ("log.example/releases", true),
            ("sum database tree", false),
            ("Log.example", false),
            ("cosignature/v1", false),
            ("subtree/v1", false),
            ("cosignatures", true),
        ] {
            assert_eq!(Origin::new(line).unwrap().is_for_our_logs(), ours, "{line}");
        }
        assert_eq!(Origin::new("a\nb").unwrap_err(), CheckpointError::Origin(Quote::of("a\nb")));
        let hash = Origin::new("abc").unwrap().hash();
        assert_eq!(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn signed_checkpoints_print_as_they_were_read() {
        // [N-6] [K-1]
        let bytes = format!("e\n1\n{ROOT}\n\n— a AAAAAAA=\n");
        let signed = SignedCheckpoint::parse(bytes.as_bytes()).unwrap();
        assert_eq!(signed.print(), bytes);
        assert_eq!(signed.text(), signed.checkpoint.text());
        let again = SignedCheckpoint::new(signed.checkpoint.clone(), signed.signatures().to_vec());
        assert_eq!(again.unwrap(), signed);
        let no_note = SignedCheckpoint::parse(signed.text().as_bytes());
        assert_eq!(no_note, Err(CheckpointError::Note(NoteError::NoSignatures)));
    }
}
