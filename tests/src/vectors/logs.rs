//! Whole logs of other people: one in tlog-tiles form, and one of an older layout.
//!
//! Everything that a checkpoint says is computed from entries and from tiles. Not here: our own log server.

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::key::Vkey;
use vitrine_spec::note::Note;
use vitrine_spec::proof::{consistency, inclusion, root_from_tiles, verify_consistency, verify_inclusion};
use vitrine_spec::tiles::{BundleId, TileId, decode_bundle, encode_bundle, encode_tile};
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};

use super::input::{Input, Outcome};
use super::reason::Reason;
use super::report::{Report, Want};
use super::tiles::{Folder, check};

fn key(input: &Input, name: &str) -> Outcome<[Vkey; 1]> {
    Vkey::parse(input.text(name)?.trim_end()).map(|key| [key]).map_err(|error| format!("{name}: {error}"))
}

/// `logs/tessera-15`: 15 entries, every checkpoint and every width of its one tile and bundle; `.state` is its writer's own.
pub(super) fn tessera(input: &Input, report: &mut Report) -> Outcome {
    const SIZE: u16 = 15;
    let keys = key(input, "log.vkey")?;
    let log = Input { root: input.root.clone(), path: format!("{}/log", input.path) };
    let bundle = BundleId::new(0, SIZE).map_err(|error| error.to_string())?;
    let entries = decode_bundle(&log.read(&bundle.path())?, SIZE).map_err(|error| error.to_string())?;
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    report.holds("entries", "the first and the last", entries[0] == b"one" && entries[14] == b"fivten");
    let mut frontier = Frontier::new();
    let mut roots = Vec::new();
    for size in 0..=SIZE {
        let id = format!("checkpoint.{size}");
        let got = SignedCheckpoint::parse(&log.read(&id)?).map_err(|error| error.reason()).and_then(|signed| {
            signed.verify_log(&keys).map_err(|error| error.reason())?;
            check(signed.size().get() == u64::from(size), "another size")?;
            check(*signed.root() == frontier.root(), "another root")
        });
        report.case(&id, Want::Ok, got);
        roots.push(frontier.root());
        frontier.extend(leaves.get(usize::from(size)).copied());
    }
    report.same("checkpoint", "the latest", &log.read("checkpoint")?, &log.read("checkpoint.15")?);
    for width in 1..=SIZE {
        let tile = TileId::new(0, 0, width).map_err(|error| error.to_string())?;
        let same = encode_tile(&leaves[..usize::from(width)]) == log.read(&tile.path())?;
        report.case(&tile.path(), Want::Ok, check(same, "other hashes"));
        let bundle = BundleId::new(0, width).map_err(|error| error.to_string())?;
        let ours = encode_bundle(entries[..usize::from(width)].iter().map(Vec::as_slice));
        let same = ours.map_err(|error| error.to_string())? == log.read(&bundle.path())?;
        report.case(&bundle.path(), Want::Ok, check(same, "other entries"));
    }
    proofs(&log, report, &leaves, &roots)
}

/// Every proof inside every tree of the log, built from its files.
fn proofs(log: &Input, report: &mut Report, leaves: &[Hash], roots: &[Hash]) -> Outcome {
    let folder = Folder(log);
    for (to, to_root) in roots.iter().enumerate() {
        let size = TreeSize::new(to as u64);
        let got = (|| -> Outcome {
            check(root_from_tiles(&folder, size).map_err(|error| error.to_string())? == *to_root, "another root")?;
            for (from, from_root) in roots[..=to].iter().enumerate() {
                let from = TreeSize::new(from as u64);
                let proof = consistency(&folder, from, size).map_err(|error| error.to_string())?;
                verify_consistency(from, from_root, size, to_root, &proof).map_err(|error| error.reason())?;
            }
            for (index, leaf) in leaves[..to].iter().enumerate() {
                let index = LeafIndex::new(index as u64);
                let proof = inclusion(&folder, index, size).map_err(|error| error.to_string())?;
                verify_inclusion(leaf, index, size, &proof, to_root).map_err(|error| error.reason())?;
            }
            Ok(())
        })();
        report.case(&format!("proofs of size {to}"), Want::Ok, got);
    }
    Ok(())
}

/// `logs/armory-drive`: two entries, each a signed note; its tiles are not those of tlog-tiles and are not read.
pub(super) fn armory(input: &Input, report: &mut Report) -> Outcome {
    let (log_key, release_key) = (key(input, "armory-drive-log.pub")?, key(input, "armory-drive.pub")?);
    let signed = SignedCheckpoint::parse(&input.read("log/checkpoint")?).map_err(|error| error.to_string())?;
    let got = signed.verify_log(&log_key).map(|_| ());
    report.case("checkpoint", Want::Ok, got);
    report.same("checkpoint", "the size", &signed.size(), &TreeSize::new(2));
    let mut frontier = Frontier::new();
    for number in 0..2 {
        let name = format!("log/seq/00/00/00/00/{number:02x}");
        let entry = input.read(&name)?;
        let leaf = leaf_hash(&entry);
        frontier.push(leaf);
        let got = Note::parse(&entry).and_then(|note| note.verify(&release_key).map(|_| ()));
        report.case(&name, Want::Ok, got);
        let hex = leaf.hex();
        let place = format!("log/leaves/{}/{}/{}/{}", &hex[..2], &hex[2..4], &hex[4..6], &hex[6..]);
        let index = input.text(&place)?;
        report.case(&place, Want::Ok, check(index.trim_end() == format!("{number:x}"), &index));
    }
    report.case("root", Want::Ok, check(frontier.root() == *signed.root(), "another root"));
    Ok(())
}
