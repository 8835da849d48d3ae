//! The random bytes of the digests of raw records: one JSON line per event, kept beside the records (docs/import.md).
//!
//! With them and the raw record anybody can be shown that the event was made of that record; without them the digest says
//! nothing. Written before the event is sent. Not here: the records themselves, which stay where they are.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;
use vitrine_spec::fields::Field;
use vitrine_spec::text::b64;

use super::importer::{Imported, native_digest};
use crate::exit::Failure;
use crate::files;

/// An open file of random bytes.
#[derive(Debug)]
pub struct Natives {
    path: PathBuf,
    file: File,
}

impl Natives {
    /// Opens the file, or makes it, for its owner alone.
    pub fn open(path: &Path) -> Result<Natives, Failure> {
        let failed = |error: std::io::Error| wrong(path, &error);
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Failure::usage("natives.mode", "others can read the random bytes of native digests")
                .side("file", path.display())
                .side("mode", format!("{mode:04o}"))
                .now(format!("chmod 600 {}", path.display())));
        }
        // A line that a stop cut must not run into the next one.
        let length = file.metadata().map_err(failed)?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::Start(length - 1)).map_err(failed)?;
            file.read_exact(&mut last).map_err(failed)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n").map_err(failed)?;
        }
        files::sync_parent(path).map_err(failed)?;
        Ok(Natives { path: path.to_owned(), file })
    }

    /// Adds the lines of these events; durable when it returns.
    pub fn add(&mut self, events: &[Imported]) -> Result<(), Failure> {
        let mut text = String::new();
        for event in events {
            let Some(salt) = event.salt else { continue };
            let line = json!({
                "native_id": event.values.text(Field::NativeId),
                "salt": b64(&salt),
                "sha256": native_digest(&salt, &event.native).hex(),
                "from": event.line,
            });
            text.push_str(&line.to_string());
            text.push('\n');
        }
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|error| wrong(&self.path, &error))
    }
}

fn wrong(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage("natives.write", "the random bytes of native digests cannot be kept")
        .side("file", path.display())
        .side("system", error)
        .now("nothing of this batch was sent; give another --natives FILE")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_its_owners_and_a_cut_line_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("natives");
        drop(Natives::open(&path).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "{\"native_id\":\"a\"}\n{\"nat").unwrap();
        Natives::open(&path).unwrap().add(&[]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"native_id\":\"a\"}\n{\"nat\n");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(Natives::open(&path).unwrap_err().code, "natives.mode");
    }
}
