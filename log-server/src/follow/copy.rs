//! What a copy is on disk: a folder that says that it is one, and how far it came [S-45] (85-log.md, "Copies").
//!
//! Not here: where the bytes come from (`remote`), whether they are right (`follow`).

use std::fmt;
use std::sync::Arc;

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::event::Event;
use vitrine_spec::hash::{Hash, empty_root};
use vitrine_spec::text::decimal;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::head::Head;
use crate::layout;
use crate::open::{COPY_LINE, OpenError, both};
use crate::reader::Reader;
use crate::stop::Stop;
use crate::store::{Store, StoreError};
use crate::time::Time;

/// First words of the object that says how far an unfinished copy came.
const PROGRESS_WORD: &str = "vitrine follow 1 ";

/// Entries and the root of their tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Entries.
    pub size: TreeSize,
    /// Root of their tree.
    pub root: Hash,
}

impl Place {
    /// Before the first entry.
    pub(super) fn empty() -> Place {
        Place { size: TreeSize::ZERO, root: empty_root() }
    }

    fn print(&self) -> String {
        format!("{PROGRESS_WORD}{} {}\n", self.size, self.root)
    }

    /// Reads exactly what `print` prints.
    fn parse(bytes: &[u8]) -> Option<Place> {
        let text = core::str::from_utf8(bytes).ok()?;
        let (size, root) = text.strip_prefix(PROGRESS_WORD)?.strip_suffix('\n')?.split_once(' ')?;
        Some(Place { size: TreeSize::new(decimal(size).ok()?), root: Hash::from_b64(root).ok()? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries with root {}", self.size, self.root)
    }
}

/// A folder that a copy may be made in, or go on in.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The note of its head: as far as it is complete. `None` when it never was.
    pub(super) head: Option<Vec<u8>>,
    /// Entries whose bundles and tiles are here, and proven to be the log's.
    pub(super) fetched: Option<Place>,
}

/// Why a folder is none for a copy.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CopyError {
    /// A log runs here, or ran.
    #[error("{place} holds a log and not a copy that `follow` made ({machine}): a copy is made in a folder of its own")]
    Log {
        /// The folder.
        place: String,
        /// What stands in the way.
        machine: String,
    },
    /// The object that says how far the copy came is not as `follow` writes it.
    #[error("{path} is not as `follow` writes it ({got}): make the copy anew in an empty folder")]
    Progress {
        /// The object.
        path: String,
        /// What it says.
        got: String,
    },
    /// An object of the copy is not in its format.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error("{0}; {advice}", advice = .0.advice())]
    Store(#[from] StoreError),
}

impl CopyError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            CopyError::Log { .. } | CopyError::Progress { .. } => Stop::FolderTaken,
            CopyError::Open(error) => error.stop(),
            CopyError::Store(error) => error.stop(),
        }
    }
}

/// How the copy in a folder stands; a folder without a log becomes one for a copy.
pub(super) fn standing(store: &dyn Store) -> Result<Standing, CopyError> {
    let machine = store.read(layout::MACHINE)?;
    let head = match both(store) {
        Ok((head, _)) => Some(head),
        // Between head and checkpoint, or before the first head, the progress object says how far it came.
        Err(OpenError::Missing { .. } | OpenError::Empty { .. }) => store.read(layout::HEAD)?,
        Err(error) => return Err(error.into()),
    };
    let progress = store.read(layout::FOLLOW)?;
    match machine {
        Some(line) if line == COPY_LINE.as_bytes() => {}
        None if head.is_none() && progress.is_none() && store.list(layout::TILE_FOLDER)?.is_empty() => {
            store.put(layout::MACHINE, COPY_LINE.as_bytes())?;
        }
        other => {
            let machine = other.map_or("no machine is named".to_owned(), |line| {
                String::from_utf8_lossy(&line).trim_end().escape_default().take(100).collect()
            });
            return Err(CopyError::Log { place: store.place(), machine });
        }
    }
    let fetched = progress.map(|bytes| {
        Place::parse(&bytes).ok_or_else(|| CopyError::Progress {
            path: layout::FOLLOW.to_owned(),
            got: String::from_utf8_lossy(&bytes).escape_default().take(100).collect(),
        })
    });
    let head = head.map(|bytes| {
        let path = layout::HEAD.to_owned();
        Head::decode(&bytes).map_err(|source| CopyError::Open(OpenError::Format { path, source }))
    });
    Ok(Standing { head: head.transpose()?.map(|head| head.note), fetched: fetched.transpose()? })
}

/// The event_id of the entry 0 that is here.
pub(super) fn first(store: &Arc<dyn Store>, standing: &Standing) -> Result<Option<Hash>, CopyError> {
    let of_head = standing.head.as_ref().and_then(|note| SignedCheckpoint::parse(note).ok()).map(|note| note.size());
    let size = standing.fetched.map(|place| place.size).max(of_head).filter(|size| *size > TreeSize::ZERO);
    let Some(size) = size else { return Ok(None) };
    let leaf = Reader::new(Arc::clone(store), size).entry(LeafIndex::new(0), size);
    let event = leaf
        .map_err(|error| error.to_string())
        .and_then(|leaf| Event::read_leaf(&leaf).map_err(|refusal| format!("entry 0: {refusal}")));
    event.map(|event| Some(event.id.0)).map_err(|reason| OpenError::Edge { reason }.into())
}

/// Says durably how far the copy came; from here on it is unfinished, and no server opens it.
pub(super) fn set_progress(store: &dyn Store, fetched: &Place) -> Result<(), StoreError> {
    store.put(layout::FOLLOW, fetched.print().as_bytes())
}

/// The copy is whole: its objects, head and checkpoint are durable.
pub(super) fn finish(store: &dyn Store) -> Result<(), StoreError> {
    store.delete(layout::FOLLOW)?;
    store.sync_folder("")
}

/// The hour of the newest kept checkpoint.
pub(super) fn newest_kept(store: &dyn Store) -> Result<Option<Time>, StoreError> {
    let mut folder = layout::KEPT_FOLDER.to_owned();
    for _ in 0..3 {
        let Some(name) = store.list(&folder)?.into_iter().rfind(|name| name.ends_with('/')) else { return Ok(None) };
        folder = layout::join(&folder, name.trim_end_matches('/'));
    }
    let Some(hour) = store.list(&folder)?.pop() else { return Ok(None) };
    let path = layout::join(&folder, &hour);
    Ok(path.strip_prefix("kept/").and_then(Time::of_hour))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::store::{Files, OsDisk};

    #[test]
    fn a_copy_goes_on_where_it_was_and_a_log_is_left_alone() {
        // [S-45]
        let folder = tempfile::tempdir().unwrap();
        let store = Files::new(OsDisk::create(folder.path()).unwrap());
        assert_eq!(standing(&store).unwrap().fetched, None);
        let place = Place { size: TreeSize::new(7), root: Hash::of(b"root") };
        set_progress(&store, &place).unwrap();
        assert_eq!(standing(&store).unwrap().fetched, Some(place));
        store.put("kept/2026/11/21/16", b"a").unwrap();
        store.put("kept/2026/11/21/09", b"b").unwrap();
        store.put("kept/2025/12/31/23", b"c").unwrap();
        assert_eq!(newest_kept(&store).unwrap(), Some(Time::new(1_795_276_800)));
        store.put(layout::FOLLOW, b"vitrine follow 2 7 x\n").unwrap();
        assert!(matches!(standing(&store), Err(CopyError::Progress { .. })));
        finish(&store).unwrap();
        assert_eq!(standing(&store).unwrap().fetched, None);
        store.put(layout::MACHINE, b"vitrine machine 1 abc\n").unwrap();
        let error = standing(&store).unwrap_err();
        assert!(matches!(&error, CopyError::Log { machine, .. } if machine.contains("abc")), "{error}");
    }
}
