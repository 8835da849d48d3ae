//! Every attachment against its name and the events that name it [S-46] (85-log.md, "Attachments").
//!
//! Read in pieces. Not here: what an attachment says.

use std::collections::BTreeMap;

use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::LeafIndex;

use super::{Report, walk};
use crate::attachments::{digest_of, is_record};
use crate::layout;
use crate::store::{Store, StoreError};

/// What events name, as far as the leaves were looked at: size and first entry.
#[derive(Default)]
pub(super) struct Attachments {
    named: BTreeMap<Hash, (u64, LeafIndex)>,
}

impl Attachments {
    /// Takes what one event names.
    pub(super) fn see(&mut self, index: LeafIndex, event: &Event) {
        for found in &event.statement.attachments {
            self.named.entry(found.sha256).or_insert((found.size, index));
        }
    }

    /// After the last leaf: every object, and what is missing.
    pub(super) fn finish(mut self, store: &dyn Store, report: &mut Report) -> Result<(), StoreError> {
        let waiting = format!("{}/", layout::WAITING_FOLDER);
        for path in walk(store, layout::ATTACHMENT_FOLDER)? {
            let name = path.rsplit('/').next().unwrap_or_default();
            let sha256 = Hash::from_hex(name).ok();
            if path.starts_with(&waiting) {
                if sha256.is_none() || !is_record(&store.read(&path)?.unwrap_or_default()) {
                    report.find(path, "it is no record of an attachment");
                }
                continue;
            }
            let Some(sha256) = sha256.filter(|sha256| layout::attachment(sha256) == path) else {
                report.find(path, "no attachment has this name");
                continue;
            };
            report.attachments += 1;
            let (size, got) = digest_of(store, &sha256)?;
            let named = self.named.remove(&sha256);
            if got != sha256 {
                // Of this size it is taken for the right one, and only compared with what is put.
                let again = match named {
                    Some((named, _)) if named != size => "put it again",
                    Some(_) | None => "delete it and put it again",
                };
                report.find(&path, format!("its SHA-256 is {}: {again}", got.hex()));
            }
            match named {
                Some((named, index)) if named != size => {
                    report.find(path, format!("it has {size} bytes, entry {index} names {named}"));
                }
                Some(_) => {}
                None if store.size(&layout::waiting(&sha256))?.is_some() => {}
                None => report.find(path, "no event names it, and no record says who put it"),
            }
        }
        for (sha256, (_, index)) in self.named {
            report.find(layout::attachment(&sha256), format!("it is missing, entry {index} names it: put it again"));
        }
        Ok(())
    }
}
