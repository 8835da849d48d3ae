//! What one page may read: published entries, out of memory or out of few bundles [S-48] (85-log.md).
//!
//! A page that has read all that it may says so and goes on without. Not here: what is shown of an entry.

use std::sync::Arc;

use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::tiles::BundleId;
use vitrine_spec::tree::{LeafIndex, TreeSize};

use crate::config::{EXPLORE_BUNDLES_MAX, EXPLORE_HITS_MAX};
use crate::http::App;
use crate::index::Index;
use crate::log::Published;
use crate::problem::Problem;

/// An entry as a page sees it.
#[derive(Clone)]
pub(super) enum Entry {
    /// An event that this program reads.
    Event(Arc<Event>),
    /// Anything else: its bytes count, and nobody here knows what they say.
    Unknown,
}

impl Entry {
    pub(super) fn event(&self) -> Option<&Arc<Event>> {
        match self {
            Entry::Event(event) => Some(event),
            Entry::Unknown => None,
        }
    }
}

/// The reads of one page, below one checkpoint.
pub(super) struct Reads<'a> {
    pub(super) app: &'a App,
    pub(super) published: Arc<Published>,
    index: Option<Arc<Index>>,
    /// The bundle read last and its entries.
    bundle: Option<(BundleId, Vec<Vec<u8>>)>,
    left: usize,
}

impl<'a> Reads<'a> {
    /// Reads below `published`; without the index as long as it is not open or behind.
    pub(super) fn new(app: &'a App, published: Arc<Published>) -> Reads<'a> {
        let index = app.view.index().filter(|index| index.size() >= published.size).cloned();
        Reads { app, published, index, bundle: None, left: EXPLORE_BUNDLES_MAX }
    }

    /// The index, which covers the checkpoint.
    pub(super) fn index(&self) -> Option<&Arc<Index>> {
        self.index.as_ref()
    }

    pub(super) fn size(&self) -> TreeSize {
        self.published.size
    }

    /// Whether something was left out because the page had read enough.
    pub(super) fn exhausted(&self) -> bool {
        self.left == 0
    }

    /// The bytes of a published entry; `None` once the page has read enough.
    pub(super) fn leaf(&mut self, index: LeafIndex) -> Result<Option<&[u8]>, Problem> {
        let outside = || Problem::not_found(format!("entry {index} is not below size {}", self.published.size));
        let id = BundleId::holding(index, self.published.size).ok_or_else(outside)?;
        if self.bundle.as_ref().is_none_or(|(held, _)| *held != id) {
            if self.left == 0 {
                return Ok(None);
            }
            self.left -= 1;
            let entries = self.app.view.reader().entries(id).map_err(Problem::internal)?;
            self.bundle = Some((id, entries));
        }
        let at = usize::try_from(index.get() - id.start().get()).unwrap_or(usize::MAX);
        let leaf = self.bundle.as_ref().and_then(|(_, entries)| entries.get(at));
        leaf.map(|leaf| Some(leaf.as_slice()))
            .ok_or_else(|| Problem::internal(format!("entry {index} is not in its bundle")))
    }

    /// A published entry, read; `None` once the page has read enough.
    pub(super) fn entry(&mut self, index: LeafIndex) -> Result<Option<Entry>, Problem> {
        if index.get() >= self.published.size.get() {
            return Ok(None);
        }
        if let Some(event) = self.index.as_ref().and_then(|index_of| index_of.peek(index)) {
            return Ok(Some(Entry::Event(event)));
        }
        let Some(leaf) = self.leaf(index)? else { return Ok(None) };
        Ok(Some(Event::read_leaf(leaf).map_or(Entry::Unknown, |event| Entry::Event(Arc::new(event)))))
    }

    /// Published events that have a digest as a subject, newest first; few, and not all once the page has read enough.
    pub(super) fn of_digest(&mut self, digest: &Hash) -> Result<Vec<(LeafIndex, Arc<Event>)>, Problem> {
        let Some(index) = &self.index else { return Ok(Vec::new()) };
        let found = index.newest_by_digest(digest, EXPLORE_HITS_MAX).map_err(Problem::internal)?;
        self.events(found)
    }

    /// The published events among these entries, in their order.
    pub(super) fn events(
        &mut self,
        found: impl IntoIterator<Item = LeafIndex>,
    ) -> Result<Vec<(LeafIndex, Arc<Event>)>, Problem> {
        let mut events = Vec::new();
        for at in found {
            if let Some(Entry::Event(event)) = self.entry(at)? {
                events.push((at, event));
            }
        }
        Ok(events)
    }
}
