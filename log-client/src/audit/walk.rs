//! Every entry in order, every hash recomputed from it (tlog-tiles; RFC 9162 2.1).
//!
//! Entries come from the copy where it has them, else from the log, and are kept. Each level-0 tile that the log serves is
//! compared with the hashes of its entries, each higher one with the roots of the tiles below. Memory holds one chunk of
//! bundles and one unfinished tile per level. Not here: what an entry means (`fold`).

use rayon::prelude::*;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::tiles::{BundleId, TileId, encode_tile, tile_root};
use vitrine_spec::tree::{Frontier, LeafIndex, TreeSize};

use super::copy::{Copy, bundle_prefix, bundles_of};
use super::report::{Finding, Section, Severity};
use super::source::{Source, Want, read_one};
use crate::exit::{Exit, Failure};
use crate::limits::{BUNDLE_BYTES_MAX, TILE_BYTES_MAX};

/// Bundles that are read at once: 8 × 16 MiB at the very most, 2 MiB with ordinary leaves.
const CHUNK: usize = 8;

/// One bundle of entries on its way through the audit.
#[derive(Debug)]
pub struct Chunk {
    /// Index of the first entry.
    pub start: LeafIndex,
    /// The entries.
    pub entries: Vec<Vec<u8>>,
}

/// What the walk found out.
#[derive(Debug)]
pub struct Walked {
    /// Root of all entries.
    pub root: Hash,
    /// The section `hashes`.
    pub section: Section,
}

/// Roots at sizes that are asked for on the way, by the same walk.
pub trait Milestones {
    /// The next size of interest that is at least `size`.
    fn next(&self, size: TreeSize) -> Option<TreeSize>;
    /// The root at that size.
    fn reached(&mut self, size: TreeSize, root: Hash);
}

/// Walks the first `size` of the `served` entries of a log; `each` takes the bundles in order.
pub fn walk(
    source: &impl Source,
    copy: &Copy,
    served: TreeSize,
    size: TreeSize,
    milestones: &mut impl Milestones,
    mut each: impl FnMut(Chunk) -> Result<(), Failure>,
) -> Result<Walked, Failure> {
    let mut tree = Tree { source, copy, served, levels: Vec::new(), tiles: 0, section: Section::new("hashes") };
    let mut frontier = Frontier::new();
    // A chunk at a time: the log says how large it is, and a list of all its bundles could be larger than memory.
    let mut bundles = bundles_of(size);
    loop {
        let ids: Vec<BundleId> = bundles.by_ref().take(CHUNK).collect();
        if ids.is_empty() {
            break;
        }
        for (id, entries, hashes) in tree.read(&ids)? {
            for hash in &hashes {
                frontier.push(*hash);
                let at = frontier.size();
                if milestones.next(at) == Some(at) {
                    milestones.reached(at, frontier.root());
                }
            }
            tree.grow(0, &hashes)?;
            each(Chunk { start: id.start(), entries })?;
        }
    }
    tree.finish()?;
    let mut section = tree.section;
    section.checked(format!("{} entries in {} bundles hashed", size, size.get().div_ceil(256)));
    section.checked(format!("{} tiles as the log serves them equal those computed from the entries", tree.tiles));
    Ok(Walked { root: frontier.root(), section })
}

/// The tiles above the entries.
struct Tree<'a, S> {
    source: &'a S,
    copy: &'a Copy,
    served: TreeSize,
    /// Unfinished tile of each level, and how many full ones stand before it.
    levels: Vec<(Vec<Hash>, u64)>,
    tiles: u64,
    section: Section,
}

/// A bundle with its entries and their hashes.
type Hashed = (BundleId, Vec<Vec<u8>>, Vec<Hash>);

impl<S: Source> Tree<'_, S> {
    /// Reads bundles, from the copy first; an entry of the copy that does not fit the log's tile is fetched once more.
    fn read(&mut self, ids: &[BundleId]) -> Result<Vec<Hashed>, Failure> {
        let mut own = Vec::with_capacity(ids.len());
        for id in ids {
            own.push(self.copy.bundle(*id)?);
        }
        let missing: Vec<BundleId> =
            ids.iter().zip(&own).filter(|(_, bytes)| bytes.is_none()).map(|(id, _)| *id).collect();
        let mut fetched = fetch_bundles(self.source, self.served, &missing)?.into_iter();
        let tiles = fetch_tiles(self.source, self.served, &ids.iter().map(BundleId::hashes).collect::<Vec<_>>())?;
        let mut all: Vec<(BundleId, bool, Vec<u8>)> = Vec::with_capacity(ids.len());
        for (id, own) in ids.iter().zip(own) {
            let (remembered, bytes) = match own {
                Some(bytes) => (true, bytes),
                None => (false, fetched.next().ok_or_else(|| withheld(&id.path()))?),
            };
            all.push((*id, remembered, bytes));
        }
        let hashed: Vec<Option<Hashed>> = all.par_iter().map(|(id, _, bytes)| hash_bundle(*id, bytes)).collect();
        let mut out = Vec::with_capacity(ids.len());
        for (((id, remembered, bytes), hashed), tile) in all.into_iter().zip(hashed).zip(tiles) {
            let fits =
                |hashed: &Option<Hashed>| hashed.as_ref().is_some_and(|(_, _, hashes)| encode_tile(hashes) == tile);
            let (bytes, hashed) = if remembered && !fits(&hashed) {
                self.read_again(id, bytes, hashed, &tile)?
            } else {
                if !remembered {
                    self.copy.put(&id.path(), &bytes)?;
                }
                (bytes, hashed)
            };
            let Some(hashed) = hashed else {
                let kept = self.copy.keep_evidence("bundle", &bytes)?;
                return Err(Failure::new(
                    Exit::Misbehaved,
                    "log.bundle",
                    "the log serves a bundle that does not parse",
                )
                .side("bundle", id)
                .side("kept", kept.display()));
            };
            self.compare(id.hashes(), &hashed.2, &tile)?;
            out.push(hashed);
        }
        Ok(out)
    }

    /// The copy and the log's tile disagree: what the log serves now decides whether the copy was damaged.
    fn read_again(
        &mut self,
        id: BundleId,
        bytes: Vec<u8>,
        hashed: Option<Hashed>,
        tile: &[u8],
    ) -> Result<(Vec<u8>, Option<Hashed>), Failure> {
        let Some(fresh) = fetch_bundles(self.source, self.served, &[id])?.pop() else { return Ok((bytes, hashed)) };
        let again = hash_bundle(id, &fresh);
        if again.as_ref().is_some_and(|(_, _, hashes)| encode_tile(hashes) == tile) {
            self.copy.set_aside(&id.path())?;
            self.copy.set_aside(&id.full().path())?;
            self.copy.put(&id.path(), &fresh)?;
            return Ok((fresh, again));
        }
        Ok((bytes, hashed))
    }

    /// Adds hashes to a level; full tiles go up.
    fn grow(&mut self, level: u8, hashes: &[Hash]) -> Result<(), Failure> {
        let at = usize::from(level);
        while self.levels.len() <= at {
            self.levels.push((Vec::new(), 0));
        }
        for hash in hashes {
            let Some((tile, before)) = self.levels.get_mut(at) else { return Ok(()) };
            tile.push(*hash);
            if tile.len() == 256 {
                let (full, index) = (core::mem::take(tile), *before);
                *before += 1;
                let id = tile_id(level, index, 256)?;
                self.copy.put(&id.path(), &encode_tile(&full))?;
                if level != 0 {
                    let served = fetch_tiles(self.source, self.served, &[id])?.pop().unwrap_or_default();
                    self.compare(id, &full, &served)?;
                }
                self.grow(level + 1, &[tile_root(&full)])?;
            }
        }
        Ok(())
    }

    /// The partial tiles of the right edge; level 0 was compared with its bundle.
    fn finish(&mut self) -> Result<(), Failure> {
        for (level, (tile, before)) in core::mem::take(&mut self.levels).into_iter().enumerate() {
            let width = u16::try_from(tile.len()).unwrap_or(u16::MAX);
            if width == 0 {
                continue;
            }
            let id = tile_id(u8::try_from(level).unwrap_or(u8::MAX), before, width)?;
            self.copy.put(&id.path(), &encode_tile(&tile))?;
            if level != 0 {
                let served = fetch_tiles(self.source, self.served, &[id])?.pop().unwrap_or_default();
                self.compare(id, &tile, &served)?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, id: TileId, computed: &[Hash], served: &[u8]) -> Result<(), Failure> {
        self.tiles += 1;
        if encode_tile(computed) == served {
            return Ok(());
        }
        let kept = self.copy.keep_evidence("tile", served)?;
        self.section.found(Finding::new(
            Severity::Misbehaviour,
            "log.tile",
            format!("{id} as the log serves it is not the hash of its entries"),
        ));
        self.section.not_checked(format!("{id}: kept in {}", kept.file_name().unwrap_or_default().to_string_lossy()));
        Ok(())
    }
}

fn hash_bundle(id: BundleId, bytes: &[u8]) -> Option<Hashed> {
    let entries = vitrine_spec::tiles::decode_bundle(bytes, id.width()).ok()?;
    let hashes = entries.iter().map(|entry| leaf_hash(entry)).collect();
    Some((id, entries, hashes))
}

fn tile_id(level: u8, index: u64, width: u16) -> Result<TileId, Failure> {
    TileId::new(level, index, width).map_err(|error| Failure::refused("audit.tree", error.to_string()))
}

/// Bundles of a log that serves `served` entries: as they are at that size, cut to the width wanted.
///
/// A partial one that is gone by now is the start of the full one (tlog-tiles, "Partial Tiles").
pub fn fetch_bundles(source: &impl Source, served: TreeSize, ids: &[BundleId]) -> Result<Vec<Vec<u8>>, Failure> {
    let there = |id: &BundleId| BundleId::at(id.index(), served).unwrap_or(*id);
    let wants: Vec<Want> = ids.iter().map(|id| Want { path: there(id).path(), bytes_max: BUNDLE_BYTES_MAX }).collect();
    let mut out = Vec::with_capacity(ids.len());
    for (id, bytes) in ids.iter().zip(source.read(&wants)?) {
        let (bytes, width) = match bytes {
            Some(bytes) => (Some(bytes), there(id).width()),
            None if there(id).is_full() => (None, 256),
            None => (read_one(source, id.full().path(), BUNDLE_BYTES_MAX)?, 256),
        };
        let bytes = bytes.ok_or_else(|| withheld(&id.path()))?;
        // What cannot be cut does not parse either, and is judged by whoever wanted it.
        out.push(bundle_prefix(&bytes, width, id.width()).unwrap_or(bytes));
    }
    Ok(out)
}

/// Tiles of the log, in the same way.
pub fn fetch_tiles(source: &impl Source, served: TreeSize, ids: &[TileId]) -> Result<Vec<Vec<u8>>, Failure> {
    let there = |id: &TileId| TileId::at(id.level(), id.index(), served).unwrap_or(*id);
    let wants: Vec<Want> = ids.iter().map(|id| Want { path: there(id).path(), bytes_max: TILE_BYTES_MAX }).collect();
    let mut out = Vec::with_capacity(ids.len());
    for (id, bytes) in ids.iter().zip(source.read(&wants)?) {
        let bytes = match bytes {
            Some(bytes) => Some(bytes),
            None if there(id).is_full() => None,
            None => read_one(source, id.full().path(), TILE_BYTES_MAX)?,
        };
        let mut bytes = bytes.ok_or_else(|| withheld(&id.path()))?;
        bytes.truncate(id.bytes());
        out.push(bytes);
    }
    Ok(out)
}

fn withheld(path: &str) -> Failure {
    Failure::new(Exit::Unreachable, "log.withheld", "the log does not serve an object that its checkpoint covers")
        .side("object", path)
        .now("try again; a log that goes on withholding entries cannot be audited, which is itself worth reporting")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::source::memory::Memory;
    use super::*;

    /// Roots that are looked at on the way.
    struct Roots(Vec<u64>, Vec<(u64, Hash)>);

    impl Milestones for Roots {
        fn next(&self, size: TreeSize) -> Option<TreeSize> {
            self.0.iter().find(|at| **at >= size.get()).map(|at| TreeSize::new(*at))
        }
        fn reached(&mut self, size: TreeSize, root: Hash) {
            self.1.push((size.get(), root));
        }
    }

    fn entries(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("entry {n}")).collect()
    }

    fn root(entries: &[String]) -> Hash {
        let mut frontier = Frontier::new();
        entries.iter().for_each(|entry| frontier.push(leaf_hash(entry.as_bytes())));
        frontier.root()
    }

    /// The end of a walk, its entries, and roots on the way.
    type Run = (Walked, Vec<Vec<u8>>, Vec<(u64, Hash)>);

    fn run(source: &Memory, copy: &Copy, served: usize, size: usize) -> Result<Run, Failure> {
        let mut seen = Vec::new();
        let mut roots = Roots(vec![1, 300], Vec::new());
        let walked =
            walk(source, copy, TreeSize::new(served as u64), TreeSize::new(size as u64), &mut roots, |chunk| {
                assert_eq!(chunk.start.get(), seen.len() as u64);
                seen.extend(chunk.entries);
                Ok(())
            })?;
        Ok((walked, seen, roots.1))
    }

    fn codes(walked: &Walked) -> Vec<&str> {
        walked.section.findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[test]
    fn every_entry_comes_once_and_the_roots_are_those_of_the_entries() {
        for size in [0, 1, 255, 256, 257, 600, 2_305] {
            let dir = tempfile::tempdir().unwrap();
            let copy = Copy::open(dir.path()).unwrap();
            let all = entries(size);
            let (walked, seen, roots) = run(&Memory::of(&all), &copy, size, size).unwrap();
            assert_eq!(walked.root, root(&all), "size {size}");
            assert_eq!(seen, all.iter().map(|entry| entry.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(codes(&walked), Vec::<&str>::new());
            for (at, got) in roots {
                assert_eq!(got, root(&all[..usize::try_from(at).unwrap()]), "root at {at}");
            }
        }
    }

    #[test]
    fn a_size_that_no_log_can_have_costs_nothing_before_its_entries_are_missing() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        for size in [1 << 48, 1 << 62, usize::MAX] {
            let failure = run(&Memory::of(&entries(700)), &copy, size, size).unwrap_err();
            assert!(failure.to_string().contains("tile/entries/002"), "size {size}: {failure}");
        }
    }

    #[test]
    fn bundles_are_fetched_once_and_the_copy_serves_a_smaller_size() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        let all = entries(700);
        run(&Memory::of(&all), &copy, 700, 700).unwrap();
        let again = Memory::of(&all[..600]);
        let (walked, ..) = run(&again, &copy, 600, 600).unwrap();
        assert_eq!(walked.root, root(&all[..600]));
        // The wider partial bundle of the copy serves as well as the full ones.
        let asked = again.asked.lock().unwrap();
        let bundles: Vec<&String> = asked.iter().filter(|path| path.starts_with("tile/entries/")).collect();
        assert_eq!(bundles, Vec::<&String>::new());
    }

    #[test]
    fn a_size_that_the_log_has_left_behind_is_cut_out_of_what_it_serves_now() {
        let all = entries(700);
        for size in [1, 255, 256, 300, 512, 600, 700] {
            let dir = tempfile::tempdir().unwrap();
            let copy = Copy::open(dir.path()).unwrap();
            let (walked, seen, _) = run(&Memory::of(&all), &copy, 700, size).unwrap();
            assert_eq!((walked.root, seen.len()), (root(&all[..size]), size));
            assert_eq!(codes(&walked), Vec::<&str>::new());
        }
    }

    #[test]
    fn a_partial_object_that_is_gone_is_the_start_of_the_full_one() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        let all = entries(256);
        let (walked, seen, _) = run(&Memory::of(&all), &copy, 200, 200).unwrap();
        assert_eq!((walked.root, seen.len()), (root(&all[..200]), 200));
    }

    #[test]
    fn a_damaged_copy_is_set_aside_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        let all = entries(300);
        run(&Memory::of(&all), &copy, 300, 300).unwrap();
        let mut bytes = copy.get("tile/entries/000").unwrap().unwrap();
        bytes[10] ^= 1;
        copy.put("tile/entries/000", &bytes).unwrap();
        let (walked, seen, _) = run(&Memory::of(&all), &copy, 300, 300).unwrap();
        assert_eq!((walked.root, codes(&walked).len()), (root(&all), 0));
        assert_eq!(seen[0], b"entry 0");
        assert_eq!(std::fs::read(dir.path().join("damaged/tile/entries/000")).unwrap(), bytes);
    }

    #[test]
    fn a_tile_that_is_not_the_hash_of_its_entries_is_the_logs_fault() {
        let all = entries(600);
        for (path, at) in [("tile/0/001", 5), ("tile/0/002.p/88", 0), ("tile/1/000.p/2", 33)] {
            let dir = tempfile::tempdir().unwrap();
            let copy = Copy::open(dir.path()).unwrap();
            let mut source = Memory::of(&all);
            source.objects.get_mut(path).unwrap()[at] ^= 0x80;
            let (walked, ..) = run(&source, &copy, 600, 600).unwrap();
            assert_eq!(codes(&walked), ["log.tile"], "{path}");
            assert!(walked.section.findings[0].text.starts_with(path), "{}", walked.section.findings[0].text);
            assert_eq!(walked.root, root(&all), "the entries decide, not the tile");
            assert_eq!(std::fs::read_dir(dir.path().join("evidence")).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_log_that_withholds_an_object_is_not_reachable_and_one_that_sends_rubbish_misbehaves() {
        let dir = tempfile::tempdir().unwrap();
        let copy = Copy::open(dir.path()).unwrap();
        let mut source = Memory::of(&entries(300));
        let bundle = source.objects.remove("tile/entries/000").unwrap();
        let failure = run(&source, &copy, 300, 300).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Unreachable, "log.withheld"));
        source.objects.insert("tile/entries/000".into(), bundle[..100].to_vec());
        let failure = run(&source, &copy, 300, 300).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Misbehaved, "log.bundle"));
    }
}
