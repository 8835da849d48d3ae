//! Private key files: one line, mode 0600, never printed (cli.md, "Key files").
//!
//! Not here: what a key signs. A reader's second line (`xwing-seed:`) comes with the access log.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use vitrine_spec::key::{KeyKind, Seed, leaf_key_name};

use crate::exit::Failure;
use crate::files;
use crate::limits::KEY_FILE_BYTES_MAX;

/// Makes an Ed25519 key from the system's randomness.
pub fn generate(name: &str) -> Result<Seed, Failure> {
    if !leaf_key_name(name) {
        return Err(Failure::usage("key.name", "a key inside leaves cannot have this name")
            .side("given", format!("`{name}`"))
            .side("wanted", "3 to 100 of a-z 0-9 . / -, the first a letter or digit")
            .now("take a name such as build.example.com"));
    }
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::usage("key.random", "the system gave no randomness").side("system", error))?;
    Seed::new(name, KeyKind::Ed25519, seed).map_err(|error| {
        Failure::usage("key.name", "a key cannot have this name").side("given", name).side("rule", error)
    })
}

/// Writes a new key file of mode 0600; a file that is there is never replaced.
pub fn create(path: &Path, seed: &Seed) -> Result<(), Failure> {
    files::create(path, format!("{}\n", seed.private_text().as_str()).as_bytes(), 0o600)
}

/// Reads a key file: a plain file that its owner alone can read.
pub fn read(path: &Path) -> Result<Seed, Failure> {
    let text = read_private(path)?;
    let Some(line) = text.strip_suffix('\n') else {
        return Err(malformed(path, "the line does not end with a newline"));
    };
    if line.contains('\n') {
        return Err(malformed(path, "there is more than one line; a reader's key signs no events"));
    }
    // The parser's own words are not shown: they could quote the secret.
    Seed::parse(line).map_err(|_| {
        malformed(path, "the line is not PRIVATE+KEY+<name>+<hash>+<base64>, or its hash is another key's")
    })
}

/// Reads a key that signs events: Ed25519 of type 0x01, with a name that leaves take.
pub fn read_event_key(path: &Path) -> Result<Seed, Failure> {
    let seed = read(path)?;
    let vkey = seed.vkey();
    if vkey.kind() != KeyKind::Ed25519 || !leaf_key_name(vkey.name()) {
        return Err(Failure::usage("key.kind", "this key does not sign events")
            .side("key", vkey.keyid())
            .side("kind", kind_name(vkey.kind()))
            .side("wanted", "an Ed25519 key of type 0x01 with a name of a-z 0-9 . / -")
            .now("make one with: log-client key new --name N --out FILE"));
    }
    Ok(seed)
}

/// The kind in words.
pub fn kind_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Ed25519 => "Ed25519 (0x01), signs notes and events",
        KeyKind::Cosign => "Ed25519 cosignatures (0x04)",
        KeyKind::MlDsa44 => "ML-DSA-44 (0x06)",
    }
}

fn read_private(path: &Path) -> Result<String, Failure> {
    let failed = |error: &std::io::Error| {
        let failure =
            Failure::usage("key.read", "a key file cannot be read").side("file", path.display()).side("system", error);
        match error.kind() {
            ErrorKind::NotFound => failure.now("make one with: log-client key new --name N --out FILE"),
            _ => failure,
        }
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if !metadata.is_file() {
        return Err(malformed(path, "it is not a plain file"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Failure::usage("key.mode", "others can read or write this private key")
            .side("file", path.display())
            .side("mode", format!("{mode:04o}"))
            .side("needed", "0600")
            .now(format!("chmod 600 {}; if others may have read it, make a new key instead", path.display())));
    }
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| malformed(path, &error.to_string()))?;
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(malformed(path, "it is longer than a key file can be"));
    }
    Ok(text)
}

fn malformed(path: &Path, why: &str) -> Failure {
    Failure::usage("key.malformed", "this is not a private key file").side("file", path.display()).side("reason", why)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_key_is_read_again_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let seed = generate("build.example.com").unwrap();
        create(&path, &seed).unwrap();
        assert_eq!(read_event_key(&path).unwrap().vkey().to_string(), seed.vkey().to_string());
        assert_eq!(create(&path, &seed).unwrap_err().code, "file.exists");
        for mode in [0o640, 0o604, 0o602, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.code, "key.mode", "{mode:o}");
            assert!(failure.to_string().contains(&format!("{mode:04o}")), "{failure}");
        }
    }

    #[test]
    fn names_that_leaves_refuse_are_refused_at_once() {
        for name in ["", "ab", "Build", "a b", "-abc", "log+1"] {
            assert_eq!(generate(name).unwrap_err().code, "key.name", "{name}");
        }
    }

    #[test]
    fn no_message_holds_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let seed = generate("build.example.com").unwrap();
        let line = seed.private_text().as_str().to_owned();
        let secret = line.rsplit('+').next().unwrap().to_owned();
        for text in [
            line.clone(),
            format!("{line}\nxwing-seed:AA\n"),
            line.replacen("PRIVATE", "PUBLIC", 1),
            format!("{line}x\n"),
        ] {
            fs::write(&path, &text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.code, "key.malformed", "{text}");
            assert!(!failure.to_string().contains(&secret), "{failure}");
        }
    }

    #[test]
    fn a_directory_is_not_a_key() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap_err().code, "key.malformed");
    }
}
