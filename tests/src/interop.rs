//! Other people's readers over our files: `signed_note` opens the checkpoint, `tlog_tiles` reads and proves the tree.
//!
//! Both were written for the Go checksum database, so paths are rewritten; no code of `spec` takes part. Not here: where the
//! bytes come from, a folder or a server: that is the caller's closure.

use std::cell::RefCell;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Hash, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree,
    record_hash, stored_hash_index,
};

/// Height of the tiles of c2sp.org/tlog-tiles: 256 hashes each.
const HEIGHT: u8 = 8;

/// The path of c2sp.org/tlog-tiles for a path of the Go checksum database: without the height, and `entries` for `data`.
#[must_use]
pub fn path(theirs: &str) -> String {
    theirs.replacen("tile/8/data/", "tile/entries/", 1).replacen("tile/8/", "tile/", 1)
}

/// A log as these readers see it: bytes by path.
pub struct Reader<F> {
    read: F,
    /// The first thing that could not be read; their error has no room for it.
    fault: RefCell<Option<String>>,
}

impl<F: Fn(&str) -> Result<Vec<u8>, String>> TileReader for Reader<F> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let one = |tile: &Tile| {
            (self.read)(&path(&tile.path())).map_err(|fault| {
                self.fault.borrow_mut().get_or_insert(fault);
                Error::InvalidTile
            })
        };
        tiles.iter().map(one).collect()
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {
        // Nothing is kept: every read is a read of the log.
    }
}

/// What was read of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Entries, in order.
    pub entries: Vec<Vec<u8>>,
    /// Root of the checkpoint.
    pub root: [u8; 32],
    /// Signature lines by keys that the reader was not given: witnesses, and types that it does not know.
    pub other_signatures: usize,
}

impl<F: Fn(&str) -> Result<Vec<u8>, String>> Reader<F> {
    /// A reader of whatever the closure gives for `checkpoint`, `tile/…` and `tile/entries/…`.
    pub fn new(read: F) -> Reader<F> {
        Reader { read, fault: RefCell::new(None) }
    }

    /// Reads the checkpoint with the log's 0x01 vkey, then every entry and hash; proves every `step`th entry and size.
    ///
    /// # Errors
    /// Whatever one of the two libraries does not take.
    pub fn verify(&self, vkey: &str, origin: &str, step: usize) -> Result<Read, String> {
        let note = Note::from_bytes(&(self.read)("checkpoint")?).map_err(|error| format!("checkpoint: {error}"))?;
        let verifier = StandardVerifier::new(vkey).map_err(|error| format!("{vkey}: {error}"))?;
        let keys = VerifierList::new(vec![Box::new(verifier)]);
        let (_, others) = note.verify(&keys).map_err(|error| format!("checkpoint: {error}"))?;
        let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|error| format!("checkpoint: {error}"))?;
        if checkpoint.origin() != origin {
            return Err(format!("the checkpoint is of {}, not of {origin}", checkpoint.origin()));
        }
        let (size, root) = (checkpoint.size(), *checkpoint.hash());
        let entries = self.entries(size)?;
        self.prove(&entries, size, root, step)
            .map_err(|error| self.fault.borrow_mut().take().unwrap_or_else(|| error.to_string()))?;
        Ok(Read { entries, root: root.0, other_signatures: others.len() })
    }

    /// The entries of all bundles, each behind two bytes of length.
    fn entries(&self, size: u64) -> Result<Vec<Vec<u8>>, String> {
        let mut entries = Vec::new();
        for index in 0..size.div_ceil(1 << HEIGHT) {
            let width = (size - (index << HEIGHT)).min(1 << HEIGHT);
            let width = u32::try_from(width).map_err(|error| error.to_string())?;
            let place = path(&Tile::new(HEIGHT, 0, index, width, true).path());
            let bundle = (self.read)(&place)?;
            let mut rest = bundle.as_slice();
            for _ in 0..width {
                let (length, after) = rest.split_first_chunk::<2>().ok_or_else(|| format!("{place} ends too early"))?;
                let length = usize::from(u16::from_be_bytes(*length));
                let (entry, after) = after.split_at_checked(length).ok_or_else(|| format!("{place} ends too early"))?;
                entries.push(entry.to_vec());
                rest = after;
            }
            if !rest.is_empty() {
                return Err(format!("{place} goes on after its last entry"));
            }
        }
        Ok(entries)
    }

    fn prove(&self, entries: &[Vec<u8>], size: u64, root: Hash, step: usize) -> Result<(), Error> {
        use tlog_tiles::HashReader;
        if size == 0 {
            return Ok(()); // their reader has no tiles to authenticate here
        }
        let hashes = TileHashReader::new(size, root, self);
        let indices: Vec<u64> = (0..size).map(|index| stored_hash_index(0, index)).collect();
        let leaves = hashes.read_hashes(&indices)?;
        let own: Vec<Hash> = entries.iter().map(|entry| record_hash(entry)).collect();
        if leaves != own {
            return Err(Error::InvalidInput("a leaf hash of level 0 is not that of its entry".to_owned()));
        }
        for (index, leaf) in (0..size).zip(&own).step_by(step) {
            check_record(&prove_record(size, index, &hashes)?, size, root, index, *leaf)?;
        }
        for earlier in (1..=size).step_by(step) {
            let earlier_root = tlog_tiles::tree_hash(earlier, &hashes)?;
            check_tree(&prove_tree(size, earlier, &hashes)?, size, root, earlier, earlier_root)?;
        }
        Ok(())
    }
}
