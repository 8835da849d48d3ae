//! Private key files: one line, of a reader two, mode 0600, never printed (cli.md, "Key files").
//!
//! Not here: what a key signs or opens.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use vitrine_spec::key::{KeyKind, Seed, Vkey, leaf_key_name};
use vitrine_spec::words;
use vitrine_spec::wrap::{ReaderSeed, parse_reader_text, reader_text};

use crate::exit::Failure;
use crate::files;
use crate::limits::KEY_FILE_BYTES_MAX;

/// A reader's two keys.
#[derive(Debug)]
pub struct ReaderKey {
    /// Signs requests for sealed records.
    pub sign: Seed,
    /// Opens them.
    pub seal: ReaderSeed,
}

impl ReaderKey {
    /// What others need of it: the vkey and the `xwing:` text [R-23], a line each.
    pub fn public_text(&self) -> String {
        format!("{}\n{}\n", self.sign.vkey(), reader_text(self.sign.name(), &self.seal.public()))
    }
}

/// The public side of a reader.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderPublic {
    /// Verifies its requests.
    pub sign: Vkey,
    /// The name in its `xwing:` text.
    pub name: String,
    /// Seals for it.
    pub seal: Vec<u8>,
}

impl ReaderPublic {
    /// Reads [`ReaderKey::public_text`], its lines in any order; `None` when there is no `xwing:` text.
    pub fn parse(text: &str) -> Option<Result<ReaderPublic, String>> {
        let xwing = text.lines().find(|line| line.starts_with("xwing:"))?;
        let rest: Vec<&str> = text.lines().filter(|line| *line != xwing && !line.is_empty()).collect();
        let [vkey] = rest.as_slice() else {
            return Some(Err(format!("{} lines beside the xwing: text, there is one vkey", rest.len())));
        };
        Some(Vkey::parse(vkey).map_err(|error| error.to_string()).and_then(|sign| {
            let (name, seal) = parse_reader_text(xwing)?;
            Ok(ReaderPublic { sign, name, seal })
        }))
    }
}

fn random() -> Result<[u8; 32], Failure> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::usage("key.random", "the system gave no randomness").side("system", error))?;
    Ok(seed)
}

/// Makes a reader's two keys; the name stands in both.
pub fn generate_reader(name: &str) -> Result<ReaderKey, Failure> {
    if !words::is_name(name) {
        return Err(Failure::usage("key.name", "a reader cannot have this name")
            .side("given", format!("`{name}`"))
            .side("wanted", "3 to 64 of a-z 0-9 and -, no - at either end")
            .now("take a name such as supervisor-1"));
    }
    Ok(ReaderKey { sign: generate(name)?, seal: ReaderSeed::new(random()?) })
}

/// Writes a new file with a reader's two keys, mode 0600.
pub fn create_reader(path: &Path, key: &ReaderKey) -> Result<(), Failure> {
    let text = format!("{}\n{}\n", key.sign.private_text().as_str(), key.seal.private_text().as_str());
    files::create(path, text.as_bytes(), 0o600)
}

/// Makes an Ed25519 key from the system's randomness.
pub fn generate(name: &str) -> Result<Seed, Failure> {
    if !leaf_key_name(name) {
        return Err(Failure::usage("key.name", "a key inside leaves cannot have this name")
            .side("given", format!("`{name}`"))
            .side("wanted", "3 to 100 of a-z 0-9 . / -, the first a letter or digit")
            .now("take a name such as build.example.com"));
    }
    Seed::new(name, KeyKind::Ed25519, random()?).map_err(|error| {
        Failure::usage("key.name", "a key cannot have this name").side("given", name).side("rule", error)
    })
}

/// Writes a new key file of mode 0600; a file that is there is never replaced.
pub fn create(path: &Path, seed: &Seed) -> Result<(), Failure> {
    files::create(path, format!("{}\n", seed.private_text().as_str()).as_bytes(), 0o600)
}

/// Reads a key file: a plain file that its owner alone can read.
pub fn read(path: &Path) -> Result<Seed, Failure> {
    match read_any(path)? {
        (seed, None) => Ok(seed),
        (_, Some(_)) => Err(malformed(path, "there is a second line; a reader's key signs no events")),
    }
}

/// Reads a reader's key file.
pub fn read_reader(path: &Path) -> Result<ReaderKey, Failure> {
    match read_any(path)? {
        (sign, Some(seal)) => Ok(ReaderKey { sign, seal }),
        (seed, None) => Err(Failure::usage("key.reader", "this key opens no sealed records")
            .side("file", path.display())
            .side("key", seed.vkey().keyid())
            .side("wanted", "a reader's key, which has a second line `xwing-seed:`")
            .now("make one with: log-client key new --kind reader --name N --out FILE")),
    }
}

/// Reads a key file, and its second line where it is a reader's.
pub fn read_any(path: &Path) -> Result<(Seed, Option<ReaderSeed>), Failure> {
    let text = read_private(path)?;
    let Some(lines) = text.strip_suffix('\n') else {
        return Err(malformed(path, "the last line does not end with a newline"));
    };
    let (line, second) = match lines.split_once('\n') {
        Some((line, second)) => (line, Some(second)),
        None => (lines, None),
    };
    // The parsers' own words are not shown: they could quote the secret.
    let seed = Seed::parse(line).map_err(|_| {
        malformed(path, "the line is not PRIVATE+KEY+<name>+<hash>+<base64>, or its hash is another key's")
    })?;
    let Some(second) = second else { return Ok((seed, None)) };
    match ReaderSeed::parse(second) {
        Some(seal) if seed.kind() == KeyKind::Ed25519 => Ok((seed, Some(seal))),
        Some(_) => Err(malformed(path, "a reader signs with an Ed25519 key of type 0x01")),
        None => Err(malformed(path, "the second line is not xwing-seed:<base64 of 32 bytes>")),
    }
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

/// From here on the system writes no core of this process, and lets no other one of its user read its memory: keys, K, W and plain
/// values are in it.
fn keep_memory(path: &Path) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| {
        Failure::usage("key.memory", "the system does not keep the memory of this process to itself")
            .side("file", path.display())
            .side("system", error)
    })?;
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    Ok(())
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
    keep_memory(path)?;
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| malformed(path, &error.to_string()))?;
    if text.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(malformed(path, "it is longer than a key file can be"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        // The mode of what is no key at all is not what is wrong.
        if !text.starts_with("PRIVATE+KEY+") {
            return Err(malformed(path, "it does not begin with PRIVATE+KEY+"));
        }
        return Err(Failure::usage("key.mode", "others can read or write this private key")
            .side("file", path.display())
            .side("mode", format!("{mode:04o}"))
            .side("needed", "0600")
            .now(format!("chmod 600 {}; if others may have read it, make a new key instead", path.display())));
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
        fs::write(&path, "log example.com/log+1a2b3c4d+AQ==\n").unwrap();
        assert_eq!(read(&path).unwrap_err().code, "key.malformed", "nobody is told to protect a policy");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_has_read_a_key_leaves_no_core() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        create(&path, &generate("build.example.com").unwrap()).unwrap();
        read(&path).unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    #[test]
    fn a_readers_key_is_two_lines_and_signs_no_events() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        let key = generate_reader("supervisor-1").unwrap();
        create_reader(&path, &key).unwrap();
        let read = read_reader(&path).unwrap();
        assert_eq!(read.public_text(), key.public_text());
        assert_eq!(read.seal.private_text(), key.seal.private_text());
        let public = ReaderPublic::parse(&key.public_text()).unwrap().unwrap();
        assert_eq!((public.sign, public.seal), (key.sign.vkey(), key.seal.public()));
        assert_eq!(ReaderPublic::parse(&key.sign.vkey().to_string()), None);
        assert!(ReaderPublic::parse(&key.public_text().replace('\n', "\nx\n")).unwrap().is_err());
        assert_eq!(super::read(&path).unwrap_err().code, "key.malformed");
        assert_eq!(read_event_key(&path).unwrap_err().code, "key.malformed");
        let one = dir.path().join("k");
        create(&one, &generate("build.example.com").unwrap()).unwrap();
        assert_eq!(read_reader(&one).unwrap_err().code, "key.reader");
        for name in ["ab", "Reader", "reader.example.com", "-reader"] {
            assert_eq!(generate_reader(name).unwrap_err().code, "key.name", "{name}");
        }
        // Neither line is quoted when something is wrong with the other.
        let text = fs::read_to_string(&path).unwrap();
        let (first, second) = text.split_once('\n').unwrap();
        let secrets = [key_part(first), second.split(':').nth(1).unwrap().trim_end()];
        for broken in
            [format!("{first}\nx{second}"), format!("x{text}"), format!("{text}\n"), text.trim_end().to_owned()]
        {
            fs::write(&path, &broken).unwrap();
            let failure = read_reader(&path).unwrap_err();
            assert_eq!(failure.code, "key.malformed", "{broken}");
            assert!(secrets.iter().all(|secret| !failure.to_string().contains(secret)), "{failure}");
        }
    }

    #[test]
    fn names_that_leaves_refuse_are_refused_at_once() {
        for name in ["", "ab", "Build", "a b", "-abc", "log+1"] {
            assert_eq!(generate(name).unwrap_err().code, "key.name", "{name}");
        }
    }

    /// What follows `PRIVATE+KEY+name+id+`: base64, so a `+` may stand in it.
    fn key_part(line: &str) -> &str {
        line.splitn(5, '+').nth(4).unwrap()
    }

    #[test]
    fn no_message_holds_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let seed = generate("build.example.com").unwrap();
        let line = seed.private_text().as_str().to_owned();
        let secret = key_part(&line).to_owned();
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
