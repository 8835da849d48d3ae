//! The log's own keys: making, loading, signing [S-20] (85-log.md; cli.md, "Key files").
//!
//! Three files of mode 0600 in one folder, never the data folder: Ed25519 and ML-DSA-44 of the log, named by its origin,
//! and the Ed25519 key of its `vault`, which signs events. ML-DSA-44 is signed by aws-lc-rs, which is hedged and fast;
//! `vitrine_spec` checks with another implementation. Not here: witness and issuer keys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ML_DSA_44_SIGNING, PqdsaKeyPair};
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use vitrine_spec::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use vitrine_spec::cosignature;
use vitrine_spec::key::{Ed25519Signer, KeyKind, MLDSA44_SIGNATURE_BYTES, Seed, Vkey, leaf_key_name};
use vitrine_spec::note::Signature;

use crate::stop::Stop;
use crate::time::Time;

/// File of the log's Ed25519 key.
pub const ED25519_FILE: &str = "log-ed25519.key";
/// File of the log's ML-DSA-44 key.
pub const MLDSA_FILE: &str = "log-mldsa44.key";
/// File of the vault's Ed25519 key.
pub const VAULT_FILE: &str = "vault.key";

/// Longest key file: a name of 255 bytes, the word, the key ID, 33 bytes in base64.
const KEY_FILE_BYTES_MAX: u64 = 512;

/// Why keys were not made or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: String,
        /// Its reason.
        source: io::Error,
    },
    /// A key file is there already: a log's keys are made once.
    #[error("{path} is there already: a log's keys live as long as the log, nothing was changed")]
    Exists {
        /// The file.
        path: String,
    },
    /// Others than the owner may read or write the file.
    #[error("{path} has mode {mode:04o}, others may open it: chmod 600 it, after thinking about who may have read it")]
    Mode {
        /// The file.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// A file that holds no key.
    #[error("{path} holds no key: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong, without the key.
        reason: String,
    },
    /// A key of another kind than its file is for.
    #[error("{path} holds a key of another kind than {want}")]
    Kind {
        /// The file.
        path: String,
        /// What belongs there.
        want: &'static str,
    },
    /// The two keys of the log have different names.
    #[error("{ED25519_FILE} is of {ed25519}, {MLDSA_FILE} of {mldsa}: both must be named by the origin")]
    Names {
        /// Key name of the first.
        ed25519: String,
        /// Key name of the second.
        mldsa: String,
    },
    /// A name that cannot be an origin, or that of a key inside leaves.
    #[error(
        "`{0}` is no name for this: [a-z0-9./-]{{3,100}}, beginning with a letter or digit, not cosignature/… or subtree/…"
    )]
    Name(String),
    /// The system gave no random bytes, or the library refused the seed.
    #[error("make a key: {0}")]
    Make(String),
}

impl KeysError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            KeysError::File { source, .. } if source.kind() == io::ErrorKind::NotFound => Stop::KeysMissing,
            KeysError::File { source, .. } => Stop::of_io(source),
            KeysError::Exists { .. }
            | KeysError::Mode { .. }
            | KeysError::Format { .. }
            | KeysError::Kind { .. }
            | KeysError::Names { .. } => Stop::KeysUnusable,
            KeysError::Name(_) => Stop::CommandLine,
            KeysError::Make(_) => Stop::System,
        }
    }
}

/// The public half of a log's keys: whose checkpoints these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogVkeys {
    /// Name of the log and of both keys.
    pub origin: Origin,
    /// Ed25519, type 0x01.
    pub ed25519: Vkey,
    /// ML-DSA-44, type 0x06.
    pub mldsa: Vkey,
}

/// The keys of one log, loaded.
pub struct LogKeys {
    vkeys: LogVkeys,
    ed25519: Ed25519Signer,
    mldsa: PqdsaKeyPair,
    vault: Seed,
    vault_vkey: Vkey,
}

impl LogKeys {
    /// Makes the three keys in `folder` and returns them [S-20]. `vault_name` is by default `vault.<origin's host>`.
    ///
    /// A stop in between leaves files; the next try says which, and nothing has used them.
    pub fn generate(folder: &Path, origin: &str, vault_name: Option<&str>) -> Result<LogKeys, KeysError> {
        if !Origin::new(origin).is_ok_and(|origin| origin.is_for_our_logs()) {
            return Err(KeysError::Name(origin.to_owned()));
        }
        let host = origin.split('/').next().unwrap_or(origin);
        let vault_name = vault_name.map_or_else(|| format!("vault.{host}"), str::to_owned);
        if !leaf_key_name(&vault_name) {
            return Err(KeysError::Name(vault_name));
        }
        let fail = |source| KeysError::File { path: folder.display().to_string(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
        let files = [
            (ED25519_FILE, origin, KeyKind::Ed25519),
            (MLDSA_FILE, origin, KeyKind::MlDsa44),
            (VAULT_FILE, &vault_name, KeyKind::Ed25519),
        ];
        for (file, ..) in files {
            let path = folder.join(file);
            if path.symlink_metadata().is_ok() {
                return Err(KeysError::Exists { path: path.display().to_string() });
            }
        }
        for (file, name, kind) in files {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|error| KeysError::Make(error.to_string()))?;
            let seed = Seed::new(name, kind, seed).map_err(|error| KeysError::Make(error.to_string()))?;
            write_private(&folder.join(file), &format!("{}\n", seed.private_text().as_str()))?;
        }
        sync_folders(folder).map_err(fail)?;
        LogKeys::load(folder)
    }

    /// Loads the three keys; a file that others may open, or that holds another kind of key, is refused [S-20].
    pub fn load(folder: &Path) -> Result<LogKeys, KeysError> {
        let ed25519 = read_key(&folder.join(ED25519_FILE), KeyKind::Ed25519, "Ed25519")?;
        let mldsa = read_key(&folder.join(MLDSA_FILE), KeyKind::MlDsa44, "ML-DSA-44")?;
        let vault = read_key(&folder.join(VAULT_FILE), KeyKind::Ed25519, "Ed25519")?;
        LogKeys::from_seeds(&ed25519, &mldsa, vault)
    }

    /// The keys of these seeds: Ed25519 and ML-DSA-44 of the log, Ed25519 of the vault.
    pub fn from_seeds(ed25519: &Seed, mldsa: &Seed, vault: Seed) -> Result<LogKeys, KeysError> {
        let (first, second, vault_vkey) = (ed25519.vkey(), mldsa.vkey(), vault.vkey());
        let name = first.name().to_owned();
        if name != second.name() {
            return Err(KeysError::Names { ed25519: name, mldsa: second.name().to_owned() });
        }
        let origin = Origin::new(&name).map_err(|_| KeysError::Name(name))?;
        let make = |reason: &dyn std::fmt::Display| KeysError::Make(reason.to_string());
        let signer = ed25519.signer().map_err(|error| make(&error))?;
        let mldsa = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, mldsa.seed());
        let mldsa = mldsa.map_err(|error| make(&error))?;
        let vkeys = LogVkeys { origin, ed25519: first, mldsa: second };
        Ok(LogKeys { vkeys, ed25519: signer, mldsa, vault, vault_vkey })
    }

    /// The log's origin, which is the name of both of its keys.
    pub fn origin(&self) -> &Origin {
        &self.vkeys.origin
    }

    /// The public half of the log's keys.
    pub fn vkeys(&self) -> &LogVkeys {
        &self.vkeys
    }

    /// The log's Ed25519 key.
    pub fn ed25519_vkey(&self) -> &Vkey {
        &self.vkeys.ed25519
    }

    /// The log's ML-DSA-44 key.
    pub fn mldsa_vkey(&self) -> &Vkey {
        &self.vkeys.mldsa
    }

    /// Both keys of the log, in the order of a charter's `log_keys`.
    pub fn log_vkeys(&self) -> [Vkey; 2] {
        [self.vkeys.ed25519.clone(), self.vkeys.mldsa.clone()]
    }

    /// The vault's key, which signs its events.
    pub fn vault(&self) -> &Seed {
        &self.vault
    }

    /// The vault's key as a charter names it.
    pub fn vault_vkey(&self) -> &Vkey {
        &self.vault_vkey
    }

    /// Signs a checkpoint as the log: Ed25519 over the text (C2SP signed-note), ML-DSA-44 over the subtree message with
    /// the log itself as cosigner and `time` (C2SP tlog-cosignature). `Err` is the keyid that could not sign.
    pub fn sign(&self, checkpoint: Checkpoint, time: Time) -> Result<SignedCheckpoint, String> {
        let plain = self.ed25519.sign(checkpoint.text().as_bytes()).to_vec();
        let refused = || self.vkeys.mldsa.keyid();
        let name = self.vkeys.mldsa.name();
        let message = cosignature::message(KeyKind::MlDsa44, name, time.get(), &checkpoint).ok_or_else(refused)?;
        let mut timed = [0; MLDSA44_SIGNATURE_BYTES];
        match self.mldsa.sign(&message, &mut timed) {
            Ok(MLDSA44_SIGNATURE_BYTES) => {}
            Ok(_) | Err(_) => return Err(refused()),
        }
        let lines = [
            Signature::by(&self.vkeys.ed25519, plain),
            Signature::by(&self.vkeys.mldsa, cosignature::encode(time.get(), &timed)),
        ];
        let lines: Result<Vec<Signature>, _> = lines.into_iter().collect();
        SignedCheckpoint::new(checkpoint, lines.map_err(|_| refused())?).map_err(|_| refused())
    }
}

impl std::fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogKeys({}, {})", self.vkeys.ed25519.keyid(), self.vkeys.mldsa.keyid())
    }
}

/// Writes a new key file, whole and durable under its name.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), KeysError> {
    let fail = |source| KeysError::File { path: path.display().to_string(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.sync_all().map_err(fail)
}

/// Reads a reader's key file, whose first line signs requests; what else it holds is not looked at.
pub fn read_signing_key(path: &Path) -> Result<Seed, KeysError> {
    let name = || path.display().to_string();
    let lines = read_private(path)?;
    let format = |reason: String| KeysError::Format { path: name(), reason };
    let (line, _) = lines.split_once('\n').ok_or_else(|| format("its first line does not end".to_owned()))?;
    let seed = Seed::parse(line).map_err(|error| format(error.to_string()))?;
    if seed.vkey().kind() != KeyKind::Ed25519 {
        return Err(KeysError::Kind { path: name(), want: "Ed25519" });
    }
    Ok(seed)
}

/// The text of a key file that its owner alone can read.
///
/// From here on the system writes no core of this process, and lets no other one of its user read its memory: the keys and W are in
/// it.
fn read_private(path: &Path) -> Result<String, KeysError> {
    let name = || path.display().to_string();
    let fail = |source| KeysError::File { path: name(), source };
    let file = File::open(path).map_err(fail)?;
    let mode = file.metadata().map_err(fail)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Mode { path: name(), mode });
    }
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| fail(error.into()))?;
    let mut text = String::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(fail)?;
    Ok(text)
}

fn read_key(path: &Path, kind: KeyKind, want: &'static str) -> Result<Seed, KeysError> {
    let name = || path.display().to_string();
    let text = read_private(path)?;
    let format = |reason: String| KeysError::Format { path: name(), reason };
    let line = text.strip_suffix('\n').ok_or_else(|| format("its line does not end".to_owned()))?;
    let seed = Seed::parse(line).map_err(|error| format(error.to_string()))?;
    if seed.vkey().kind() != kind {
        return Err(KeysError::Kind { path: name(), want });
    }
    Ok(seed)
}

/// Makes the names in a new folder, and its own, durable.
fn sync_folders(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()?;
    let whole: PathBuf = folder.canonicalize()?;
    match whole.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use vitrine_spec::hash::Hash;
    use vitrine_spec::tree::TreeSize;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn who_has_read_a_key_leaves_no_core() {
        // [S-44]
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        LogKeys::generate(&folder, "example.com/log", None).unwrap();
        LogKeys::load(&folder).unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    #[test]
    fn keys_are_made_once_and_closed_to_others() {
        // [S-20]
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        let keys = LogKeys::generate(&folder, "example.org/log", None).unwrap();
        assert_eq!(keys.vault_vkey().name(), "vault.example.org");
        assert_eq!(keys.log_vkeys().map(|key| key.name().to_owned()), ["example.org/log", "example.org/log"]);
        for file in [ED25519_FILE, MLDSA_FILE, VAULT_FILE] {
            assert_eq!(folder.join(file).metadata().unwrap().mode() & 0o7777, 0o600);
        }
        assert_eq!(LogKeys::load(&folder).unwrap().log_vkeys(), keys.log_vkeys());
        let again = LogKeys::generate(&folder, "example.org/log", None).unwrap_err();
        assert!(matches!(again, KeysError::Exists { .. }), "{again}");
        std::fs::set_permissions(folder.join(VAULT_FILE), std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(LogKeys::load(&folder).unwrap_err(), KeysError::Mode { mode: 0o640, .. }));
        std::fs::copy(folder.join(ED25519_FILE), folder.join(MLDSA_FILE)).unwrap();
        assert!(matches!(LogKeys::load(&folder).unwrap_err(), KeysError::Kind { .. }));
    }

    #[test]
    fn names_that_could_be_mistaken_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["Example.org/log", "cosignature/v1", "subtree/v1", "x", "example.org/log+1", ""] {
            assert!(matches!(LogKeys::generate(folder.path(), name, None), Err(KeysError::Name(_))), "{name}");
        }
        assert!(matches!(LogKeys::generate(folder.path(), "example.org", Some("V")), Err(KeysError::Name(_))));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn one_library_signs_and_the_other_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let keys = LogKeys::generate(folder.path(), "example.org/log", Some("vault.example.org")).unwrap();
        let checkpoint = Checkpoint::new(keys.origin().clone(), TreeSize::new(7), Hash::of(b"root"));
        let note = keys.sign(checkpoint, Time::new(1_795_276_800)).unwrap().print();
        assert!(note.len() < 10 * 1024, "a witness's body has room for it");
        let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
        assert_eq!(signed.verify_log(&keys.log_vkeys()).unwrap().len(), 2);
    }
}
