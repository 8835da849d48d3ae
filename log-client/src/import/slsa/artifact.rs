//! The artifact: its digests, read once whatever its size (74-slsa.md, M-5).
//!
//! Not here: the file with the provenance.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256, Sha384, Sha512};
use vitrine_spec::hash::Hash;
use vitrine_spec::text::hex;

use crate::exit::Failure;

/// A file that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its file name.
    pub name: String,
    /// in-toto's name of each algorithm, and the digest, hex.
    pub digests: [(&'static str, String); 3],
    sha256: Hash,
}

impl Artifact {
    /// Reads a file.
    ///
    /// # Errors
    /// It has no name, or cannot be read.
    pub fn read(path: &Path) -> Result<Artifact, Failure> {
        let failed = |error: std::io::Error| {
            Failure::usage("file.read", "a file cannot be read").side("file", path.display()).side("system", error)
        };
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::usage("slsa.file", "an artifact has no name in UTF-8").side("given", path.display())
        })?;
        let mut file = File::open(path).map_err(failed)?;
        let mut buffer = vec![0u8; 1 << 16];
        let (mut short, mut middle, mut long) = (Sha256::new(), Sha384::new(), Sha512::new());
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            let piece = buffer.get(..read).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            short.update(piece);
            middle.update(piece);
            long.update(piece);
        }
        let sha256 = Hash::new(short.finalize().into());
        Ok(Artifact {
            name: name.to_owned(),
            sha256,
            digests: [("sha256", sha256.hex()), ("sha384", hex(&middle.finalize())), ("sha512", hex(&long.finalize()))],
        })
    }

    /// SHA-256.
    pub fn sha256(&self) -> Hash {
        self.sha256
    }
}
