//! Everything that looks at entries, one bundle after the other.
//!
//! Each part sees the same entries in the order of the log and makes its own section. Not here: the parts themselves.

use std::collections::BTreeSet;

use rayon::prelude::*;
use vitrine_spec::body::Body;
use vitrine_spec::body::charter::Role;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::event::Event;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::verdict::Pins;
use vitrine_spec::words::Read;

use super::chains::{Chains, Silence};
use super::copy::Copy;
use super::digests::Digests;
use super::fold::Fold;
use super::pinned;
use super::report::{Section, Window};
use super::seen;
use super::times::{Bound, Times};
use super::walk::Chunk;
use crate::exit::Failure;

/// Everything that looks at entries.
pub struct Parts<'a> {
    origin: &'a Origin,
    window: Window,
    /// Admission once more.
    pub fold: Fold<'a>,
    chains: Chains,
    /// Who was silent for how long.
    pub silence: Silence,
    digests: Digests,
    times: Times,
    unread: u64,
}

impl<'a> Parts<'a> {
    /// Before the first entry; `bounds` are the kept checkpoints.
    pub fn new(copy: &'a Copy, origin: &'a Origin, size: TreeSize, window: Window, bounds: &[Bound]) -> Parts<'a> {
        Parts {
            origin,
            window,
            fold: Fold::new(copy, origin, size),
            chains: Chains::default(),
            silence: Silence::new(window),
            digests: Digests::new(window),
            times: Times::new(bounds, size.get(), window),
            unread: 0,
        }
    }

    /// Takes the next bundle.
    pub fn take(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        let origin = self.origin;
        let events: Vec<Read<Event>> = chunk.entries.par_iter().map(|entry| seen::event(entry, origin)).collect();
        for (index, event) in (chunk.start.get()..).zip(&events) {
            let Ok(event) = event else {
                self.unread += 1;
                continue;
            };
            let seen = seen::of(index, event);
            self.openings(event);
            self.chains.see(&seen);
            self.silence.see(&seen);
            self.times.see(&seen);
            if let Some((says, files)) = seen::says(event) {
                self.digests.see(&seen, &says, &files);
            }
        }
        self.fold.take(chunk.start, &chunk.entries, &events)
    }

    /// Who begins and who stops to be heard.
    fn openings(&mut self, event: &Event) {
        let header = &event.statement.header;
        let recorded = header.recorded.get();
        match &event.statement.body {
            Body::Open(open) => {
                let (issuer, epoch) = (header.issuer.as_str(), header.epoch);
                self.silence.close(issuer, epoch.saturating_sub(1), recorded);
                self.silence.open(issuer, epoch, Some(open.heartbeat_s), recorded);
            }
            Body::Close(close) => self.silence.close(close.issuer.as_str(), close.epoch, recorded),
            Body::Charter(charter) => {
                for role in Role::ALL {
                    let epoch = charter.holder(role).epoch;
                    self.silence.close(role.name(), epoch.saturating_sub(1), recorded);
                    self.silence.open(role.name(), epoch, role.heartbeat_s(), recorded);
                }
            }
            Body::Heartbeat { .. }
            | Body::Build(_)
            | Body::Rebuild(_)
            | Body::Review(_)
            | Body::Update(_)
            | Body::Revoke(_)
            | Body::Incident(_)
            | Body::SealingKey(_)
            | Body::Access
            | Body::Erasure(_) => {}
        }
    }

    /// The sections, in their order.
    pub fn finish(self, pins: &Pins, size: TreeSize) -> Result<Vec<Section>, Failure> {
        let Parts { mut fold, chains, silence, digests, times, unread, window, .. } = self;
        let mut admission = fold.section(size);
        if unread != 0 {
            admission.not_checked(format!("{unread} entries that are not events of this log"));
        }
        let trust = pinned::check(pins, &fold.state);
        let disowned = fold.disowned();
        let named = pinned::name_disowned(&mut fold, &disowned, window)?;
        let [digests, rebuilds] = digests.finish(&disowned.iter().copied().collect::<BTreeSet<u64>>());
        Ok(vec![admission, trust, chains.finish(), silence.finish(), named, digests, rebuilds, times.finish()])
    }
}
