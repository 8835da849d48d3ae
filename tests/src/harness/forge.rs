//! What a dishonest log could publish: a head signed with its keys, a tree rebuilt without one entry.
//!
//! Made with the key files of a [`super::world::World`], for tests and the demo to show that it is found.

use std::fs;
use std::path::Path;

use vitrine_spec::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use vitrine_spec::cosignature::{encode, message};
use vitrine_spec::edge::Edge;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::{KeyKind, Seed};
use vitrine_spec::note::Signature;
use vitrine_spec::tiles::{BundleId, decode_bundle, encode_bundle};
use vitrine_spec::tree::TreeSize;

/// Reads the private key in a file of the servers.
///
/// # Errors
/// Its path and why not.
pub fn key(path: &Path) -> Result<Seed, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Seed::parse(text.trim_end()).map_err(|e| format!("{}: {e}", path.display()))
}

fn line(key: &Seed, checkpoint: &Checkpoint, time: u64) -> Result<Signature, String> {
    let text = message(key.kind(), key.name(), time, checkpoint).ok_or("the name does not fit the message")?;
    let sign = |e| format!("{}: {e}", key.name());
    let signature = match key.kind() {
        KeyKind::MlDsa44 => encode(time, &key.sign_mldsa_deterministic(&text).map_err(sign)?),
        KeyKind::Cosign => encode(time, &key.sign_ed25519(&text).map_err(sign)?),
        KeyKind::Ed25519 => key.sign_ed25519(checkpoint.text().as_bytes()).map_err(sign)?.to_vec(),
    };
    Ok(Signature { name: key.name().to_owned(), id: key.vkey().id(), bytes: signature })
}

/// A checkpoint of any size and root, signed by these keys.
///
/// # Errors
/// A key that cannot sign it.
pub fn checkpoint(origin: &str, size: u64, root: Hash, keys: &[Seed], time: u64) -> Result<Vec<u8>, String> {
    let origin = Origin::new(origin).map_err(|e| e.to_string())?;
    let checkpoint = Checkpoint::new(origin, TreeSize::new(size), root);
    let lines = keys.iter().map(|key| line(key, &checkpoint, time)).collect::<Result<Vec<_>, _>>()?;
    let signed = SignedCheckpoint::new(checkpoint, lines).map_err(|e| e.to_string())?;
    Ok(signed.print().into_bytes())
}

/// The entries of a log's data directory, from its bundles.
///
/// # Errors
/// The bundle that is not there or not one.
pub fn entries(log: &Path, size: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut entries = Vec::new();
    for number in 0..size.div_ceil(256) {
        let bundle = BundleId::at(number, TreeSize::new(size)).ok_or("no such bundle")?;
        let path = log.join(bundle.path());
        let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        entries.extend(decode_bundle(&bytes, bundle.width()).map_err(|e| format!("{}: {e}", path.display()))?);
    }
    Ok(entries)
}

/// Writes `entries` as the static files of a log: bundles, tiles and a checkpoint signed by `keys`; its root.
///
/// # Errors
/// A file that cannot be written.
pub fn publish(folder: &Path, origin: &str, entries: &[Vec<u8>], keys: &[Seed], time: u64) -> Result<Hash, String> {
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, bytes)).map_err(|e| format!("{}: {e}", path.display()))
    };
    let size = TreeSize::new(u64::try_from(entries.len()).map_err(|e| e.to_string())?);
    for (number, chunk) in entries.chunks(256).enumerate() {
        let number = u64::try_from(number).map_err(|e| e.to_string())?;
        let bundle = BundleId::at(number, size).ok_or("no such bundle")?;
        let bytes = encode_bundle(chunk.iter().map(Vec::as_slice)).map_err(|e| e.to_string())?;
        write(&bundle.path(), &bytes)?;
    }
    let mut edge = Edge::empty();
    let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    for (tile, bytes) in edge.append(&hashes) {
        write(&tile.path(), &bytes)?;
    }
    write("checkpoint", &checkpoint(origin, size.get(), edge.root(), keys, time)?)?;
    Ok(edge.root())
}
