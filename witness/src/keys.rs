//! The witness's two keys: made, kept, and signing (55-witness.md).
//!
//! Ed25519 (0x04) and ML-DSA-44 (0x06) under one name, each a file of mode 0600. Not here: when signing is allowed
//! (`committer`).

use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::stop::Stop;
use aws_lc_rs::signature::{KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::key::{Ed25519Signer, KeyError, KeyKind, MLDSA44_SIGNATURE_BYTES, Seed, Vkey};
use vitrine_spec::limits::COSIGNED_NAME_BYTES_MAX;
use vitrine_spec::note::{NoteError, Signature};

/// The two key files, in the order of the lines of an answer.
const FILES: [(&str, KeyKind); 2] = [("ed25519.key", KeyKind::Cosign), ("ml-dsa-44.key", KeyKind::MlDsa44)];

/// Why keys cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or directory does not do as it is told.
    #[error("{step} {path}: {source}")]
    File {
        /// What was tried.
        step: &'static str,
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// There are keys already.
    #[error("{path} exists: a key is never replaced; choose another --keys directory for new keys")]
    Exists {
        /// The file.
        path: String,
    },
    /// Others can read or change a private key.
    #[error("{path} has mode {mode:04o}, a private key must have 0600: run chmod 600 {path}")]
    Mode {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The content is no private key.
    #[error("{path}: {source}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Not one line of text.
    #[error("{path} is not one line of text of at most {SMALL_FILE_BYTES_MAX} bytes")]
    Line {
        /// The file.
        path: String,
    },
    /// A key of another type than the file is for.
    #[error("{path} holds a key of type {got}, it must be {want}")]
    Kind {
        /// The file.
        path: String,
        /// The type that belongs there.
        want: KeyKind,
        /// The type found.
        got: KeyKind,
    },
    /// Two names: what one witness signs would count as two.
    #[error("the two keys are called {ed} and {pq}: both keys of a witness have one name")]
    Names {
        /// Name of the Ed25519 key.
        ed: String,
        /// Name of the ML-DSA-44 key.
        pq: String,
    },
    /// A name that is no key name, or too long for the message of an ML-DSA-44 cosignature.
    #[error("a witness name has 1 to {COSIGNED_NAME_BYTES_MAX} bytes, this one {got}")]
    NameLength {
        /// Bytes of the name given.
        got: usize,
    },
    /// The name given at the command line.
    #[error("--name: {0}")]
    Name(KeyError),
    /// The system has no randomness.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
    /// The two implementations of ML-DSA-44 disagree about the public key of a seed.
    #[error("{path}: the signing library and the verifying one disagree about its public key; nothing can be signed")]
    Disagree {
        /// The file.
        path: String,
    },
}

impl KeysError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            KeysError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Stop::KeysMissing,
            KeysError::File { source, .. } => Stop::of_io(source),
            KeysError::Exists { .. }
            | KeysError::Mode { .. }
            | KeysError::Key { .. }
            | KeysError::Line { .. }
            | KeysError::Kind { .. }
            | KeysError::Names { .. }
            | KeysError::NameLength { .. }
            | KeysError::Name(_) => Stop::KeysUnusable,
            KeysError::Random(_) => Stop::System,
            KeysError::Disagree { .. } => Stop::KeysSign,
        }
    }
}

/// Why nothing was signed, although everything was checked. The process ends: this is a fault of machine or build.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The checkpoint does not fit the message of an ML-DSA-44 cosignature.
    #[error("the origin does not fit an ML-DSA-44 cosignature: 1 to {COSIGNED_NAME_BYTES_MAX} bytes")]
    Origin,
    /// The library refused.
    #[error("the ML-DSA-44 library did not sign")]
    Library,
    /// The line cannot be printed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Both keys, ready to sign.
pub struct Keys {
    ed: Ed25519Signer,
    pq: PqdsaKeyPair,
    vkeys: [Vkey; 2],
}

impl Keys {
    /// Makes both keys and their files, durable when it returns. Refuses when either file is there.
    pub fn make(dir: &Path, name: &str) -> Result<Keys, KeysError> {
        let mut seeds = Vec::with_capacity(FILES.len());
        for (_, kind) in FILES {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(KeysError::Random)?;
            seeds.push(Seed::new(name, kind, seed).map_err(KeysError::Name)?);
        }
        check_length(name)?;
        let error = |step, path: &Path| {
            let path = path.display().to_string();
            move |source| KeysError::File { step, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(error("make", dir))?;
        for (file, _) in FILES {
            let path = dir.join(file);
            if path.exists() {
                return Err(KeysError::Exists { path: path.display().to_string() });
            }
        }
        for ((file, _), seed) in FILES.iter().zip(&seeds) {
            let path = dir.join(file);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(error("make", &path))?;
            file.write_all(seed.private_text().as_bytes())
                .and_then(|()| file.write_all(b"\n"))
                .and_then(|()| file.sync_all())
                .map_err(error("write", &path))?;
        }
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(error("sync", dir))?;
        Keys::load(dir)
    }

    /// Reads both key files.
    pub fn load(dir: &Path) -> Result<Keys, KeysError> {
        let [ed, pq] = FILES.map(|(file, kind)| load_one(&dir.join(file), kind));
        let (ed, pq) = (ed?, pq?);
        let path = dir.join(FILES[1].0).display().to_string();
        Keys::from_seeds(&ed, &pq, &path)
    }

    /// Takes two seeds, an Ed25519 cosigner's and an ML-DSA-44 one's. `path` is where an error says the second came from.
    pub fn from_seeds(ed: &Seed, pq: &Seed, path: &str) -> Result<Keys, KeysError> {
        if ed.name() != pq.name() {
            return Err(KeysError::Names { ed: ed.name().to_owned(), pq: pq.name().to_owned() });
        }
        check_length(ed.name())?;
        let disagree = || KeysError::Disagree { path: path.to_owned() };
        let vkeys = [ed.vkey(), pq.vkey()];
        let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, pq.seed()).map_err(|_| disagree())?;
        if pair.public_key().as_ref() != vkeys[1].public() {
            return Err(disagree());
        }
        let ed = ed.signer().map_err(|source| KeysError::Key { path: path.to_owned(), source })?;
        Ok(Keys { ed, pq: pair, vkeys })
    }

    /// The name of both keys.
    pub fn name(&self) -> &str {
        self.vkeys[0].name()
    }

    /// The Ed25519 and the ML-DSA-44 verifier key.
    pub fn vkeys(&self) -> &[Vkey; 2] {
        &self.vkeys
    }

    /// Both signature lines, Ed25519 first, for the whole tree of the checkpoint at `time` [W-8] [D-10].
    pub fn cosign(&self, signed: &SignedCheckpoint, time: u64) -> Result<String, SignError> {
        let [ed_key, pq_key] = &self.vkeys;
        // The text as it was read: a 0x04 signature covers extension lines too.
        let ed = self.ed.sign(&cosignature::ed25519_message(signed.text(), time));
        let message =
            cosignature::message(KeyKind::MlDsa44, self.name(), time, &signed.checkpoint).ok_or(SignError::Origin)?;
        let mut pq = [0; MLDSA44_SIGNATURE_BYTES];
        let length = self.pq.sign(&message, &mut pq).map_err(|_| SignError::Library)?;
        if length != pq.len() {
            return Err(SignError::Library);
        }
        let ed = Signature::by(ed_key, cosignature::encode(time, &ed))?;
        let pq = Signature::by(pq_key, cosignature::encode(time, &pq))?;
        Ok(ed.line() + &pq.line())
    }
}

fn check_length(name: &str) -> Result<(), KeysError> {
    if (1..=COSIGNED_NAME_BYTES_MAX).contains(&name.len()) {
        Ok(())
    } else {
        Err(KeysError::NameLength { got: name.len() })
    }
}

fn load_one(path: &Path, want: KeyKind) -> Result<Seed, KeysError> {
    let shown = || path.display().to_string();
    let error = |step| move |source| KeysError::File { step, path: path.display().to_string(), source };
    let file = File::open(path).map_err(error("read"))?;
    let mode = file.metadata().map_err(error("read"))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Mode { path: shown(), mode });
    }
    let mut text = String::new();
    let line = || KeysError::Line { path: shown() };
    match file.take(SMALL_FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 <= SMALL_FILE_BYTES_MAX => {}
        Ok(_) => return Err(line()),
        Err(source) if source.kind() == io::ErrorKind::InvalidData => return Err(line()),
        Err(source) => return Err(error("read")(source)),
    }
    let secret = text.strip_suffix('\n').filter(|text| !text.contains('\n')).ok_or_else(line)?;
    let seed = Seed::parse(secret).map_err(|source| KeysError::Key { path: shown(), source })?;
    if seed.kind() == want { Ok(seed) } else { Err(KeysError::Kind { path: shown(), want, got: seed.kind() }) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn made_once_and_read_back() {
        // [D-10]
        let dir = tempfile::tempdir().unwrap();
        let made = Keys::make(&dir.path().join("keys"), "witness.example/w1").unwrap();
        let read = Keys::load(&dir.path().join("keys")).unwrap();
        assert_eq!(made.vkeys(), read.vkeys());
        assert_eq!(made.name(), "witness.example/w1");
        assert_eq!(made.vkeys().each_ref().map(Vkey::kind), [KeyKind::Cosign, KeyKind::MlDsa44]);
        for (file, _) in FILES {
            let mode = fs::metadata(dir.path().join("keys").join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
        }
        let again = Keys::make(&dir.path().join("keys"), "witness.example/w1").err().unwrap();
        assert!(matches!(again, KeysError::Exists { .. }));
    }

    #[test]
    fn both_lines_verify_and_cover_extension_lines_where_the_format_does() {
        // [W-8] [D-10]
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::make(dir.path(), "witness.example/w1").unwrap();
        let root = vitrine_spec::hash::empty_root();
        let note = format!("log.example\n0\n{root}\nextension\n\n— log.example AAAAAAA=\n");
        let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
        let lines = keys.cosign(&signed, 1_700_000_000).unwrap();
        let lines = vitrine_spec::note::parse_signatures(lines.as_bytes()).unwrap();
        assert_eq!(lines.len(), 2);
        for (line, key) in lines.iter().zip(keys.vkeys()) {
            assert_eq!(cosignature::verify(key, &signed, line), Ok(1_700_000_000));
        }
        let other = SignedCheckpoint::parse(note.replace("extension", "extended").as_bytes()).unwrap();
        assert!(cosignature::verify(&keys.vkeys()[0], &other, &lines[0]).is_err());
        assert!(cosignature::verify(&keys.vkeys()[1], &other, &lines[1]).is_ok());
        let long = SignedCheckpoint::parse(note.replacen("log", &"l".repeat(256), 1).as_bytes()).unwrap();
        assert!(matches!(keys.cosign(&long, 1), Err(SignError::Origin)));
    }

    #[test]
    fn refused_key_files() {
        let dir = tempfile::tempdir().unwrap();
        Keys::make(dir.path(), "w.example/1").unwrap();
        let [ed, pq] = FILES.map(|(file, _)| dir.path().join(file));
        let refused = |file: &Path, text: &str| {
            let old = fs::read_to_string(file).unwrap();
            fs::write(file, text).unwrap();
            let error = Keys::load(dir.path()).err().unwrap();
            fs::write(file, old).unwrap();
            error
        };
        let (ed_text, pq_text) = (fs::read_to_string(&ed).unwrap(), fs::read_to_string(&pq).unwrap());
        assert!(matches!(refused(&ed, &pq_text), KeysError::Kind { want: KeyKind::Cosign, got: KeyKind::MlDsa44, .. }));
        assert!(matches!(refused(&ed, ed_text.trim()), KeysError::Line { .. }));
        assert!(matches!(refused(&ed, &"x".repeat(5_000)), KeysError::Line { .. }));
        assert!(matches!(refused(&ed, "PRIVATE+KEY+\n"), KeysError::Key { .. }));
        let other = Seed::new("w.example/2", KeyKind::Cosign, [1; 32]).unwrap();
        let other = format!("{}\n", *other.private_text());
        assert!(matches!(refused(&ed, &other), KeysError::Names { .. }));
        fs::set_permissions(&pq, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Keys::load(dir.path()).err().unwrap().to_string();
        assert!(error.contains("has mode 0640, a private key must have 0600: run chmod 600"), "{error}");
        fs::remove_file(&pq).unwrap();
        assert!(matches!(Keys::load(dir.path()), Err(KeysError::File { step: "read", .. })));
        let long = Keys::make(&dir.path().join("long"), &"n".repeat(256)).err().unwrap();
        assert!(matches!(long, KeysError::NameLength { got: 256 }));
        assert!(matches!(Keys::make(&dir.path().join("space"), "a b"), Err(KeysError::Name(_))));
    }
}
