//! Everything that looks at entries, one bundle after the other.
//!
//! Each part sees the same entries in the order of the log and makes its own section. Not here: the parts themselves.

use rayon::prelude::*;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::event::Event;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::verdict::Pins;
use vitrine_spec::words::Read;
use vitrine_spec::wrap::ReaderSeed;

use super::chains::{Chains, Seen, Silence};
use super::copy::Copy;
use super::digests::Digests;
use super::erasures::Erasures;
use super::facts::Facts;
use super::fold::Fold;
use super::pinned;
use super::report::{Section, Window};
use super::sealing::{Asked, Sealing};
use super::seen::{self, Heard};
use super::statements::Statements;
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
    facts: Facts,
    /// Sealing keys, and where records are.
    pub sealing: Sealing<'a>,
    /// What was erased.
    pub erasures: Erasures,
    statements: Statements,
    unread: u64,
}

impl<'a> Parts<'a> {
    /// Before the first entry; `bounds` are the kept checkpoints, `reader` tries the wraps of sealing keys.
    pub fn new(
        copy: &'a Copy,
        origin: &'a Origin,
        size: TreeSize,
        asked: Asked,
        bounds: &[Bound],
        reader: Option<&'a ReaderSeed>,
    ) -> Parts<'a> {
        let window = asked.window;
        Parts {
            origin,
            window,
            fold: Fold::new(copy, origin, size),
            chains: Chains::default(),
            silence: Silence::new(window),
            digests: Digests::new(window),
            times: Times::new(bounds, size.get(), window),
            facts: Facts::new(window, bounds),
            sealing: Sealing::new(origin, reader, asked),
            erasures: Erasures::new(window),
            statements: Statements::new(window),
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
            self.openings(&seen, event);
            if let Some(broken) = self.chains.see(&seen) {
                self.facts.broke(&seen, &broken);
            }
            if let Some(silent) = self.silence.see(&seen) {
                self.facts.silent(&seen.issuer, seen.epoch, silent, Some(seen.index));
            }
            self.facts.see(&seen);
            if let Some(after) = self.times.see(&seen) {
                self.facts.late(&seen, after);
            }
            self.sealing.see(index, event);
            self.erasures.see(index, event);
            self.statements.see(&seen, event);
            if let Some((says, files)) = seen::says(event) {
                self.digests.see(&seen, &says, &files);
            }
        }
        self.fold.take(chunk.start, &chunk.entries, &events)
    }

    /// Who begins and who stops to be heard.
    fn openings(&mut self, seen: &Seen, event: &Event) {
        for heard in seen::heard(event) {
            match heard {
                Heard::Opens { issuer, epoch, heartbeat_s, accesses } => {
                    self.open(seen, (&issuer, epoch), heartbeat_s, accesses);
                }
                Heard::Closes { issuer, epoch } => self.close(&issuer, epoch, seen.recorded),
            }
        }
    }

    fn open(&mut self, seen: &Seen, (issuer, epoch): (&str, u32), heartbeat_s: Option<u64>, accesses: bool) {
        self.close(issuer, epoch.saturating_sub(1), seen.recorded);
        self.silence.open(issuer, epoch, heartbeat_s, seen.recorded);
        self.facts.open(seen, (issuer, epoch), heartbeat_s, accesses);
    }

    fn close(&mut self, issuer: &str, epoch: u32, recorded: u64) {
        if let Some(silent) = self.silence.close(issuer, epoch, recorded) {
            self.facts.silent(issuer, epoch, silent, None);
        }
        self.facts.close(issuer, epoch, recorded);
    }

    /// The sections, in their order, and the facts beside them; `records` is there when the log holds something sealed.
    pub fn finish(
        self,
        pins: &Pins,
        size: TreeSize,
        records: Option<Section>,
    ) -> Result<(Vec<Section>, Facts), Failure> {
        let Parts { mut fold, chains, silence, digests, times, sealing, erasures, statements, .. } = self;
        let Parts { unread, window, mut facts, .. } = self;
        for ((issuer, epoch), silent) in silence.silent_at_end() {
            facts.silent(&issuer, epoch, silent, None);
        }
        let mut admission = fold.section(size);
        if unread != 0 {
            admission.not_checked(format!("{unread} entries that are not events of this log"));
        }
        let trust = pinned::check(pins, &fold.state);
        let disowned = fold.disowned();
        let named = pinned::name_disowned(&mut fold, &disowned, window)?;
        facts.disowned = disowned.iter().copied().collect();
        let [digests, rebuilds] = digests.finish(&facts.disowned);
        let mut sections =
            vec![admission, trust, chains.finish(), silence.finish(), named, digests, rebuilds, times.finish()];
        if let Some(records) = records {
            sections.extend([sealing.finish(), records]);
        }
        if !erasures.is_empty() {
            let (section, erased) = erasures.finish();
            sections.push(section);
            facts.erased = erased;
        }
        if !statements.is_empty() {
            let (section, rules) = statements.finish(&mut fold, &facts.disowned)?;
            sections.push(section);
            facts.rules = rules;
        }
        Ok((sections, facts))
    }
}
