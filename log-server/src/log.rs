//! The log: one writer, one batch at a time, in an order that a stop cannot break [S-4] (85-log.md, "Batch").
//!
//! Synchronous and without network: the caller asks the witnesses between `begin` and `publish`.
//! Not here: opening (`open`), which entries come in (`admission`), who cosigns (`witnesses`).

use std::sync::Arc;

use vitrine_spec::checkpoint::Checkpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::note::Signature;
use vitrine_spec::tree::TreeSize;

use crate::batch::{self, Item, Tip};
use crate::head::{Head, Stage};
use crate::keys::LogKeys;
use crate::layout;
use crate::limits::COSIGNATURES_MAX;
use crate::reader::Reader;
use crate::sealed::Finder;
pub use crate::settle::Fatal;
use crate::settle::{Poison, Settler};
use crate::store::Store;
use crate::time::Time;

/// A head that is durable: its note may leave the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Entries.
    pub size: TreeSize,
    /// Root of their tree.
    pub root: Hash,
    /// The time signed.
    pub time: Time,
    /// The note with the log's two lines.
    pub note: Vec<u8>,
}

/// A checkpoint that is durable and that answers may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Entries.
    pub size: TreeSize,
    /// Root of their tree.
    pub root: Hash,
    /// The note with the log's lines and the witnesses', verbatim as stored.
    pub note: Vec<u8>,
}

/// The opened log. Owned by the one writer.
///
/// Writes of one batch, in this order; `open` repairs a stop after any of them [S-4]:
/// 1. stage, harmless alone: no head names it yet;
/// 2. head: from here the batch is part of the log, and the note may leave;
/// 3. bundles and tiles, written again from the stage at open;
/// 4. kept checkpoint, then checkpoint, which may be behind the head and is never ahead of it.
pub struct Log {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<LogKeys>,
    pub(crate) tip: Tip,
    pub(crate) head: Arc<SignedHead>,
    /// SHA-256 of the newest stage, whether it is still there or not.
    pub(crate) stage: Hash,
    pub(crate) published: Arc<Published>,
    /// Latest time of a publication by this process: the hour of a kept checkpoint never goes back.
    pub(crate) published_at: Time,
    /// The hour known to have its kept checkpoint.
    pub(crate) kept_hour: Option<String>,
    pub(crate) reader: Reader,
    pub(crate) settler: Settler,
    pub(crate) poison: Poison,
    /// Objects of sealed records: those of the group that was erased in last.
    pub(crate) finder: Finder,
}

impl Log {
    /// The newest head, durable, published or not.
    pub fn head(&self) -> &Arc<SignedHead> {
        &self.head
    }

    /// The newest published checkpoint.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// The last signed time [S-19].
    pub fn last_signed(&self) -> Time {
        self.head.time
    }

    /// A person says that the clock is right and the last signed time was not: the next head is signed by `now` [S-27].
    ///
    /// Nothing to do when the clock is not behind. Until a head is signed the folder still remembers the wrong time.
    pub fn accept_clock(&mut self, now: Time) {
        if now < self.head.time {
            self.head = Arc::new(SignedHead { time: now, ..SignedHead::clone(&self.head) });
        }
    }

    /// Where the next entry goes.
    pub fn size(&self) -> TreeSize {
        self.head.size
    }

    /// The keys this log signs with.
    pub fn keys(&self) -> &Arc<LogKeys> {
        &self.keys
    }

    /// Reads the log's objects from any thread.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Makes objects durable in the background: start its thread, or call its `work` now and then.
    pub fn settler(&self) -> Settler {
        self.settler.clone()
    }

    /// Computes, signs and stores a batch: stage, head, objects. Without items it signs the same tree anew.
    ///
    /// When this returns `Ok`, the head's note may leave the machine, and only then. The signed time is the later of
    /// `now` and the last signed one [S-19].
    pub fn begin(&mut self, items: &[Item], now: Time) -> Result<(), Fatal> {
        self.poison.check()?;
        self.try_begin(items, now).map_err(|fatal| self.poison.set(fatal))
    }

    fn try_begin(&mut self, items: &[Item], now: Time) -> Result<(), Fatal> {
        let time = now.max(self.head.time);
        if items.is_empty() {
            let head = sign(&self.keys, self.head.size, self.head.root, time)?;
            self.store.put(layout::HEAD, &Head { stage: self.stage, note: head.note.clone() }.encode())?;
            self.head = Arc::new(head);
            return Ok(());
        }
        let batch = batch::build(&self.tip, items)?;
        let head = sign(&self.keys, batch.tip.size(), batch.tip.root(), time)?;
        while !self.settler.has_room(batch.objects.len()) {
            self.settler.work()?;
        }
        let stage = Stage {
            previous: self.stage,
            base: (self.head.size, self.head.root),
            new: (head.size, head.root),
            objects: batch.objects,
        };
        let bytes = stage.encode();
        let digest = Hash::of(&bytes);
        let stage_path = layout::stage(head.size);
        self.store.put(&stage_path, &bytes)?;
        self.store.put(layout::HEAD, &Head { stage: digest, note: head.note.clone() }.encode())?;
        for (path, bytes) in &stage.objects {
            self.store.put_unsynced(path, bytes)?;
        }
        self.reader.advance(head.size);
        self.settler.add(stage_path, stage.objects.into_iter().map(|(path, _)| path).collect());
        self.stage = digest;
        self.tip = batch.tip;
        self.head = Arc::new(head);
        Ok(())
    }

    /// Publishes the head with these cosignatures, in the order given: that of the policy's lines [S-7], [S-9].
    ///
    /// Called again for the same head it merges late ones: the caller gives all of them. When this returns `Ok`, the
    /// entries below its size may be acknowledged.
    pub fn publish(&mut self, cosignatures: &[Signature], now: Time) -> Result<Arc<Published>, Fatal> {
        self.poison.check()?;
        self.try_publish(cosignatures, now).map_err(|fatal| self.poison.set(fatal))
    }

    fn try_publish(&mut self, cosignatures: &[Signature], now: Time) -> Result<Arc<Published>, Fatal> {
        if cosignatures.len() > COSIGNATURES_MAX {
            return Err(Fatal::Cosignatures { got: cosignatures.len() });
        }
        let mut note = self.head.note.clone();
        for signature in cosignatures {
            note.extend_from_slice(signature.line().as_bytes());
        }
        let now = now.max(self.head.time).max(self.published_at);
        let hour = now.hour();
        if self.kept_hour.as_ref() != Some(&hour) {
            if self.reader.kept(now)?.is_none() {
                self.store.put(&layout::kept(now), &note)?;
            }
            self.kept_hour = Some(hour);
        }
        self.store.put(layout::CHECKPOINT, &note)?;
        self.published = Arc::new(Published { size: self.head.size, root: self.head.root, note });
        self.published_at = now;
        self.settler.published(self.head.size, now);
        Ok(self.published())
    }

    /// Free bytes of the store, where it has such a bound.
    pub fn free_bytes(&self) -> Result<Option<u64>, Fatal> {
        Ok(self.store.free_bytes()?)
    }

    /// Makes everything durable, so that the next open has nothing to repair.
    pub fn close(self) -> Result<(), Fatal> {
        self.settler.work()
    }
}

/// Signs a checkpoint with both keys of the log.
pub(crate) fn sign(keys: &LogKeys, size: TreeSize, root: Hash, time: Time) -> Result<SignedHead, Fatal> {
    let checkpoint = Checkpoint::new(keys.origin().clone(), size, root);
    let signed = keys.sign(checkpoint, time).map_err(|key| Fatal::Sign { key })?;
    Ok(SignedHead { size, root, time, note: signed.print().into_bytes() })
}
