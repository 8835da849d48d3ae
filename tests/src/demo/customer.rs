//! A customer asks one question about one file: is it the update that everybody gets, built from the source that was reviewed?
//!
//! By one bundle and a trust file that asks for a rebuild and a review, with every server stopped. Not here: what is refused
//! (`refusals`).

use std::fs;
use std::path::Path;

use vitrine_spec::bundle::{Bundle, ranges};
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use super::product::{Product, index_of, update_file};
use super::show::Show;
use crate::harness::forge;
use crate::harness::process::{binaries, run};
use crate::harness::world::World;
use crate::oracle::{Digest, merkle};

/// The folder with the customer's policy and trust file.
pub const TRUST: &str = "customer";

/// Seconds that a checkpoint may be old for the customer.
pub const MAX_AGE_S: u64 = 86_400;

/// Pins the log as the customer does: one rebuild by an independent issuer, a review of the source, checkpoints of a day.
///
/// # Errors
/// The command that did not succeed.
pub fn pin(world: &World, without_build: &[&str]) -> Result<(), String> {
    let age = MAX_AGE_S.to_string();
    let mut more = vec!["--rebuilds", "1", "--require-review", "--max-age-s", &age];
    more.extend(without_build.iter().flat_map(|stream| ["--without-build", stream]));
    world.trust(TRUST, &more).map(|_| ())
}

/// A bundle of entries in a tree with all these leaves.
///
/// # Errors
/// An entry outside the tree.
pub fn bundle_of(leaves: &[Vec<u8>], indices: &[usize], checkpoint: Vec<u8>) -> Result<Bundle, String> {
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    indices.dedup();
    let hashes: Vec<Digest> = leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
    let entry = |index: &usize| {
        let leaf = leaves.get(*index).ok_or_else(|| format!("the log has no entry {index}"))?;
        Ok::<_, String>((LeafIndex::new(*index as u64), leaf.clone()))
    };
    let entries = indices.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let places: Vec<LeafIndex> = entries.iter().map(|(index, _)| *index).collect();
    let place = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
    let hashes = ranges(&places, TreeSize::new(leaves.len() as u64))
        .into_iter()
        .filter_map(|range| hashes.get(place(range.start)..place(range.end)).map(merkle::mth).map(Hash::new))
        .collect();
    Ok(Bundle { entries, hashes, checkpoint })
}

/// Writes a bundle of the charter and these events, in the log's published tree.
///
/// # Errors
/// What cannot be read, or the file that cannot be written.
pub fn bundle(world: &World, path: &str, events: &[&str]) -> Result<(), String> {
    let mut indices = vec![0];
    for event in events {
        indices.push(index_of(world, event)?);
    }
    let leaves = forge::entries(&world.path("log"), world.published()?)?;
    let checkpoint = fs::read(world.path("log/checkpoint")).map_err(|e| format!("log/checkpoint: {e}"))?;
    world.write(path, bundle_of(&leaves, &indices, checkpoint)?.print())
}

/// The bundle of a file's update: what was logged of it by now.
#[must_use]
pub fn bundle_file(file: &Path) -> String {
    format!("{}.vitrine", Product::name(file))
}

/// The vendor gets the bundle of a file from the log, to ship it beside the file.
///
/// # Errors
/// The command and what it said.
pub fn ship(world: &World, file: &Path) -> Result<(), String> {
    let (path, url, shipped) = (file.display().to_string(), world.url(), bundle_file(file));
    let args = ["bundle", &path, "--log", &url, "--trust", TRUST, "--out", &shipped];
    world.client(&args)?.expect_code(0).map(|_| ())
}

/// Asks, and shows the answer, which names update, build, rebuilder, review, quorum and time.
///
/// # Errors
/// Another answer than "verified", or one that does not name them.
pub fn ask(world: &World, show: &mut Show, file: &Path) -> Result<(), String> {
    let (path, shipped) = (file.display().to_string(), bundle_file(file));
    let args = ["verify-update", &path, "--trust", TRUST, "--bundle", &shipped, "--floor", "floor"];
    show.good(&format!("log-client {}", args.join(" ").replace(&path, &Product::name(file))));
    let program = binaries().join("log-client").display().to_string();
    let verdict = run(&world.folder, &program, args)?.expect(0, "verified")?;
    for line in verdict.out.lines() {
        show.good(line);
    }
    let update = index_of(world, &update_file(&Product::name(file)))?;
    let update = format!("as {} in entry {update}", Product::name(file));
    for word in [
        &update,
        "build of farm",
        "rebuilt identically by lab",
        "code-review of supervisor",
        "the quorum holds by",
        " s ago",
    ] {
        if !verdict.out.contains(word) {
            return Err(format!("{}\n  does not name `{word}`:\n{}", verdict.line, verdict.out));
        }
    }
    show.sum(format!(
        "verified     {} for a customer, offline, by one bundle: update, build, review, a rebuild by lab, quorum and its time",
        Product::name(file)
    ));
    Ok(())
}
