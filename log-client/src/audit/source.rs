//! Where the audit reads from: objects of a log by their path (tlog-tiles; design.md 4).
//!
//! One small trait, so that a directory or memory can stand in for the network. Nothing that comes from here is believed.
//! Not here: HTTP itself (`http`), and what the objects mean (`copy`, `walk`).

use crate::exit::Failure;
use crate::http::Log;

/// One object that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Path below the log's prefix, for example `tile/0/000`.
    pub path: String,
    /// More bytes than this are refused.
    pub bytes_max: u64,
}

/// A log that can be read.
pub trait Source {
    /// The bytes of each object, in the order asked for; `None` where the log has no such object.
    ///
    /// Fails when the log cannot be reached, or sends more than was wanted.
    fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure>;
}

impl<S: Source + ?Sized> Source for &S {
    fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        (**self).read(wants)
    }
}

impl Source for Log {
    fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let wants: Vec<(String, u64)> = wants.iter().map(|want| (want.path.clone(), want.bytes_max)).collect();
        Ok(self.get_many(&wants, || ())?)
    }
}

/// One object, which may be missing.
pub fn read_one(source: &impl Source, path: String, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
    let mut all = source.read(&[Want { path, bytes_max }])?;
    Ok(all.pop().flatten())
}

/// A log in memory.
#[cfg(test)]
pub mod memory {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use vitrine_spec::hash::{Hash, leaf_hash};
    use vitrine_spec::tiles::{TileId, encode_bundle, encode_tile, tile_root};
    use vitrine_spec::tree::TreeSize;

    use super::super::copy::bundles_of;
    use super::{Failure, Source, Want};

    /// Objects by path; what was asked for is remembered.
    #[derive(Debug, Default)]
    pub struct Memory {
        /// What the log serves.
        pub objects: BTreeMap<String, Vec<u8>>,
        /// Every path that was read, in order.
        pub asked: Mutex<Vec<String>>,
    }

    impl Memory {
        /// A log of these entries: every bundle and tile of exactly this size.
        pub fn of<E: AsRef<[u8]>>(entries: &[E]) -> Memory {
            let mut objects = BTreeMap::new();
            let size = TreeSize::new(entries.len() as u64);
            let mut level: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry.as_ref())).collect();
            for id in bundles_of(size) {
                let start = usize::try_from(id.start().get()).unwrap_or_default();
                let some = entries.iter().skip(start).take(usize::from(id.width()));
                objects.insert(id.path(), encode_bundle(some.map(AsRef::as_ref)).unwrap_or_default());
            }
            let mut height = 0;
            while !level.is_empty() {
                for (index, hashes) in level.chunks(256).enumerate() {
                    if let Ok(id) = TileId::new(height, index as u64, u16::try_from(hashes.len()).unwrap_or_default()) {
                        objects.insert(id.path(), encode_tile(hashes));
                    }
                }
                level = level.chunks_exact(256).map(tile_root).collect();
                height += 1;
            }
            Memory { objects, asked: Mutex::default() }
        }
    }

    impl Source for Memory {
        fn read(&self, wants: &[Want]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
            if let Ok(mut asked) = self.asked.lock() {
                asked.extend(wants.iter().map(|want| want.path.clone()));
            }
            Ok(wants.iter().map(|want| self.objects.get(&want.path).cloned()).collect())
        }
    }
}
