//! Chains, silence and disowned events, from the headers alone (design-events.md 2).
//!
//! Reads every entry on its own, beside the fold of admission: a log rebuilt without one event makes the fold stop, and the
//! chain still names who misses what. Memory grows with issuers and epochs, not with entries. Not here: whether an event is
//! admissible (`fold`).

use std::collections::BTreeMap;

use vitrine_spec::statement::Kind;

use super::report::{Finding, Place, Section, Severity, Window};
use crate::clock;

/// What every part of the audit needs to know of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Index in the log.
    pub index: u64,
    /// Its event_id.
    pub id: [u8; 32],
    /// Its type.
    pub kind: &'static str,
    /// Who signed it.
    pub issuer: String,
    /// Epoch of the issuer.
    pub epoch: u32,
    /// Position and event before it, for a chained one.
    pub link: Option<Link>,
    /// When its issuer says it was recorded.
    pub recorded: u64,
}

/// Position of a chained event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// From 1.
    pub seq: u64,
    /// event_id of `seq` − 1; zeros at 1.
    pub prev: [u8; 32],
}

/// Seconds after the full hour that a sealed event may have been recorded.
const WITHIN_HOUR_S: u64 = 3_599;

impl Seen {
    /// Up to when it shows that its issuer was not silent: a sealed event says the hour alone, and nobody is accused of what
    /// cannot be shown.
    pub fn alive_until(&self) -> u64 {
        if self.kind == Kind::Access.name() { self.recorded + WITHIN_HOUR_S } else { self.recorded }
    }

    /// Its place, for a finding.
    pub fn place(&self) -> Place {
        Place {
            index: Some(self.index),
            issuer: self.issuer.clone(),
            epoch: self.epoch,
            seq: self.link.map(|link| link.seq),
        }
    }
}

/// Name and epoch of an issuer.
pub type Epoch = (String, u32);

#[derive(Clone, Debug)]
struct Chain {
    first_index: u64,
    last_index: u64,
    last_seq: u64,
    last_id: [u8; 32],
    events: u64,
}

/// One chain per issuer and epoch.
#[derive(Debug)]
pub struct Chains {
    chains: BTreeMap<Epoch, Chain>,
    unchained: u64,
    section: Section,
}

impl Default for Chains {
    fn default() -> Chains {
        Chains { chains: BTreeMap::new(), unchained: 0, section: Section::new("chains") }
    }
}

impl Chains {
    /// Takes the next entry; gives what is wrong with its place in the chain.
    pub fn see(&mut self, seen: &Seen) -> Option<Finding> {
        let Some(link) = seen.link else {
            self.unchained += 1;
            return None;
        };
        let key = (seen.issuer.clone(), seen.epoch);
        let (before_seq, before_id) =
            self.chains.get(&key).map_or((0, [0; 32]), |chain| (chain.last_seq, chain.last_id));
        let broken = judge_link(seen, link, before_seq, &before_id);
        if let Some(finding) = &broken {
            self.section.found(finding.clone());
        }
        let chain = self.chains.entry(key).or_insert_with(|| Chain {
            first_index: seen.index,
            last_index: seen.index,
            last_seq: 0,
            last_id: [0; 32],
            events: 0,
        });
        // A repeated position does not move the chain back: what follows is judged by the furthest one.
        if link.seq > chain.last_seq {
            chain.last_seq = link.seq;
            chain.last_id = seen.id;
        }
        chain.last_index = seen.index;
        chain.events += 1;
        broken
    }

    /// Ends the section.
    pub fn finish(mut self) -> Section {
        let events: u64 = self.chains.values().map(|chain| chain.events).sum();
        self.section.checked(format!(
            "{events} chained events in {} chains: each position once, each `prev` the event before it",
            self.chains.len()
        ));
        for ((issuer, epoch), chain) in &self.chains {
            self.section.checked(format!(
                "{issuer} epoch {epoch}: seq 1 to {}, entries {} to {}",
                chain.last_seq, chain.first_index, chain.last_index
            ));
        }
        if self.unchained != 0 {
            self.section.not_checked(format!(
                "{} unchained events (build, rebuild, code-review): one that is missing leaves no gap unless another event refers to it, or a remembered copy holds it",
                self.unchained
            ));
        }
        self.section.not_checked(
            "the end of each chain: what came after its last event shows only as silence, or in a remembered copy",
        );
        self.section
    }
}

fn judge_link(seen: &Seen, link: Link, before_seq: u64, before_id: &[u8; 32]) -> Option<Finding> {
    let expected = before_seq + 1;
    let (issuer, epoch, index) = (&seen.issuer, seen.epoch, seen.index);
    if link.seq > expected {
        let missing = if link.seq - 1 == expected {
            format!("seq {expected} is missing (event_id {})", vitrine_spec::text::hex(&link.prev))
        } else {
            format!("seq {expected} to {} are missing", link.seq - 1)
        };
        return Some(
            Finding::new(
                Severity::Misbehaviour,
                "chain.gap",
                format!("{issuer} epoch {epoch}: {missing}, entry {index} is seq {}", link.seq),
            )
            .at(Place { index: None, issuer: issuer.clone(), epoch, seq: Some(expected) }),
        );
    }
    if link.seq < expected {
        return Some(
            Finding::new(
                Severity::Misbehaviour,
                "chain.repeat",
                format!(
                    "{issuer} epoch {epoch}: entry {index} is seq {}, which is taken; expected was {expected}",
                    link.seq
                ),
            )
            .at(seen.place()),
        );
    }
    if link.prev != *before_id {
        return Some(
            Finding::new(
                Severity::Misbehaviour,
                "chain.prev",
                format!(
                    "{issuer} epoch {epoch}: entry {index} (seq {}) follows event {}, the log holds {} at seq {before_seq}",
                    link.seq,
                    vitrine_spec::text::hex(&link.prev),
                    vitrine_spec::text::hex(before_id),
                ),
            )
            .at(seen.place()),
        );
    }
    None
}

/// A silence longer than was promised, seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The last sign of life.
    pub from: u64,
    /// The next one, or the end up to which silence is measured.
    pub until: u64,
}

#[derive(Clone, Debug)]
struct Pulse {
    heartbeat_s: Option<u64>,
    last: u64,
    open: bool,
}

/// Longest silences, by the `recorded` times of chained events.
#[derive(Debug)]
pub struct Silence {
    pulses: BTreeMap<Epoch, Pulse>,
    latest: u64,
    window: Window,
    section: Section,
}

impl Silence {
    /// Silences that reach into `window` are reported.
    pub fn new(window: Window) -> Silence {
        Silence { pulses: BTreeMap::new(), latest: 0, window, section: Section::new("silence") }
    }

    /// An issuer's epoch begins; `heartbeat_s` is its longest silence, none when none was promised.
    pub fn open(&mut self, issuer: &str, epoch: u32, heartbeat_s: Option<u64>, recorded: u64) {
        self.pulses.entry((issuer.to_owned(), epoch)).or_insert(Pulse { heartbeat_s, last: recorded, open: true });
    }

    /// An issuer's epoch ends: by closing, or because the next one began. Gives the silence before, when it was too long.
    pub fn close(&mut self, issuer: &str, epoch: u32, recorded: u64) -> Option<Silent> {
        let key = (issuer.to_owned(), epoch);
        let (silent, finding) = self.gap(&key, recorded, "its end").unzip();
        if let Some(finding) = finding {
            self.section.found(finding);
        }
        if let Some(pulse) = self.pulses.get_mut(&key) {
            pulse.open = false;
        }
        silent
    }

    /// Takes the next entry; gives the silence before it, when it was too long.
    pub fn see(&mut self, seen: &Seen) -> Option<Silent> {
        self.latest = self.latest.max(seen.recorded);
        seen.link?;
        let key = (seen.issuer.clone(), seen.epoch);
        let (silent, finding) = self.gap(&key, seen.recorded, &format!("entry {}", seen.index)).unzip();
        if let Some(finding) = finding {
            self.section.found(finding.at(seen.place()));
        }
        if let Some(pulse) = self.pulses.get_mut(&key) {
            pulse.last = pulse.last.max(seen.alive_until());
        }
        silent
    }

    fn gap(&self, key: &Epoch, until: u64, what: &str) -> Option<(Silent, Finding)> {
        let pulse = self.pulses.get(key).filter(|pulse| pulse.open)?;
        let limit = pulse.heartbeat_s?;
        let silent = until.checked_sub(pulse.last).filter(|silent| *silent > limit)?;
        let before = self.window.from.is_some_and(|from| until <= from);
        let after = self.window.to.is_some_and(|to| pulse.last >= to);
        if before || after {
            return None;
        }
        let finding = Finding::new(
            Severity::Finding,
            "silence",
            format!(
                "{} epoch {}: {silent} s of silence, from {} to {what} at {}; {limit} s are allowed",
                key.0,
                key.1,
                clock::show(pulse.last),
                clock::show(until)
            ),
        );
        Some((Silent { from: pulse.last, until }, finding))
    }

    /// Up to when silence is measured: nothing in the log speaks of a time after its latest event.
    pub fn end(&self) -> u64 {
        self.window.to.map_or(self.latest, |to| to.min(self.latest))
    }

    /// The same up to that end, by issuer and epoch.
    pub fn silent_at_end(&self) -> Vec<(Epoch, Silent)> {
        self.silent_at(self.end())
    }

    /// Silences of issuers that are still open at `time`.
    pub fn silent_at(&self, time: u64) -> Vec<(Epoch, Silent)> {
        let gap = |key: &Epoch| Some((key.clone(), self.gap(key, time, "the end")?.0));
        self.pulses.keys().filter_map(gap).collect()
    }

    /// Silences of issuers that are still open at `time`: for what is true of this run alone.
    pub fn open_silences(&self, time: u64) -> Vec<Finding> {
        self.pulses
            .keys()
            .filter_map(|key| {
                let place = Place { index: None, issuer: key.0.clone(), epoch: key.1, seq: None };
                self.gap(key, time, "the end of the audit").map(|(_, finding)| finding.at(place))
            })
            .collect()
    }

    /// Ends the section, measured up to [`Silence::end`].
    pub fn finish(mut self) -> Section {
        let end = self.end();
        let what = if self.window.to == Some(end) { "the end given" } else { "the latest time recorded in the log" };
        for finding in self.open_silences(end) {
            self.section.found(finding);
        }
        let bound = self.pulses.values().filter(|pulse| pulse.heartbeat_s.is_some()).count();
        self.section.checked(format!(
            "{bound} issuers' epochs with a longest silence, by the times of their chained events, up to {what}, {}",
            clock::show(end)
        ));
        let free: Vec<String> = self
            .pulses
            .iter()
            .filter(|(_, pulse)| pulse.heartbeat_s.is_none())
            .map(|((issuer, epoch), _)| format!("{issuer} epoch {epoch}"))
            .collect();
        if !free.is_empty() {
            self.section.not_checked(format!("no longest silence was promised by {}", free.join(", ")));
        }
        self.section.not_checked("whether an issuer recorded everything that it saw");
        self.section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> [u8; 32] {
        let mut id = [0; 32];
        id[24..].copy_from_slice(&n.to_be_bytes());
        id
    }

    /// Event `seq` of `release`, whose event_id is `seq`.
    fn event(index: u64, seq: u64, recorded: u64) -> Seen {
        Seen {
            index,
            id: id(seq),
            kind: "update",
            issuer: "release".into(),
            epoch: 1,
            link: Some(Link { seq, prev: id(seq - 1) }),
            recorded,
        }
    }

    fn codes(section: &Section) -> Vec<&str> {
        section.findings.iter().map(|finding| finding.code.as_str()).collect()
    }

    #[test]
    fn a_whole_chain_has_no_finding() {
        let mut chains = Chains::default();
        for seq in 1..=5 {
            chains.see(&event(seq, seq, 0));
        }
        let section = chains.finish();
        assert_eq!(codes(&section), Vec::<&str>::new());
        assert!(section.checked.iter().any(|line| line == "release epoch 1: seq 1 to 5, entries 1 to 5"));
    }

    #[test]
    fn a_missing_event_is_named_once_by_issuer_and_sequence() {
        let mut chains = Chains::default();
        for (index, seq) in [1, 2, 4, 5].into_iter().enumerate() {
            chains.see(&event(u64::try_from(index).unwrap_or(0), seq, 0));
        }
        let section = chains.finish();
        assert_eq!(codes(&section), ["chain.gap"]);
        let place = section.findings[0].place.as_ref().map(|place| (place.issuer.as_str(), place.epoch, place.seq));
        assert_eq!(place, Some(("release", 1, Some(3))));
        assert!(section.findings[0].text.contains(&vitrine_spec::text::hex(&id(3))), "{}", section.findings[0].text);
        assert_eq!(section.worst(), Some(Severity::Misbehaviour));
    }

    #[test]
    fn a_missing_first_event_a_repeat_and_another_past_are_named() {
        let mut chains = Chains::default();
        chains.see(&event(0, 2, 0));
        chains.see(&event(1, 2, 0));
        chains.see(&Seen { link: Some(Link { seq: 3, prev: id(9) }), ..event(2, 3, 0) });
        assert_eq!(codes(&chains.finish()), ["chain.gap", "chain.repeat", "chain.prev"]);
    }

    #[test]
    fn epochs_have_chains_of_their_own_and_unchained_events_have_none() {
        let mut chains = Chains::default();
        chains.see(&event(0, 1, 0));
        chains.see(&Seen { epoch: 2, ..event(1, 1, 0) });
        chains.see(&Seen { link: None, ..event(2, 9, 0) });
        let section = chains.finish();
        assert_eq!(codes(&section), Vec::<&str>::new());
        assert!(section.not_checked.iter().any(|line| line.starts_with("1 unchained events")));
    }

    #[test]
    fn silence_is_measured_between_chained_events_and_to_the_end() {
        let mut silence = Silence::new(Window { from: None, to: Some(1_000) });
        silence.open("release", 1, Some(60), 0);
        silence.see(&event(1, 2, 60)); // exactly the limit
        silence.see(&event(2, 3, 121)); // one second too long
        silence.see(&Seen { link: None, ..event(3, 4, 170) }); // shows no life of the chain
        silence.see(&Seen { issuer: "other".into(), ..event(4, 5, 1_000) });
        let section = silence.finish();
        assert_eq!(codes(&section), ["silence", "silence"]);
        assert!(section.findings[0].text.contains("61 s of silence"), "{}", section.findings[0].text);
        assert!(section.findings[1].text.contains("879 s of silence"), "{}", section.findings[1].text);
    }

    #[test]
    fn an_access_shows_life_in_its_whole_hour() {
        let mut silence = Silence::new(Window { from: None, to: Some(7_300) });
        silence.open("gateway", 1, Some(60), 3_590);
        let access =
            |index, recorded| Seen { issuer: "gateway".into(), kind: "access", ..event(index, index, recorded) };
        silence.see(&access(2, 3_600));
        silence.see(&Seen { kind: "heartbeat", ..access(3, 7_259) }); // 60 s after the end of that hour
        assert_eq!(codes(&silence.finish()), Vec::<&str>::new());
        let mut silence = Silence::new(Window { from: None, to: Some(7_300) });
        silence.open("gateway", 1, Some(60), 3_590);
        silence.see(&access(2, 3_600));
        silence.see(&Seen { kind: "heartbeat", ..access(3, 7_260) });
        assert_eq!(codes(&silence.finish()), ["silence"]);
    }

    #[test]
    fn without_an_end_silence_is_measured_to_the_latest_time_in_the_log() {
        let mut silence = Silence::new(Window::default());
        silence.open("release", 1, Some(60), 0);
        silence.see(&Seen { issuer: "other".into(), ..event(3, 4, 61) });
        assert_eq!(codes(&silence.finish()), ["silence"]);
    }

    #[test]
    fn nobody_is_silent_after_the_latest_time_in_the_log() {
        let mut silence = Silence::new(Window { from: Some(0), to: Some(9_999) });
        silence.open("release", 1, Some(60), 0);
        silence.see(&event(1, 2, 60));
        assert_eq!(silence.end(), 60);
        assert_eq!(codes(&silence.finish()), Vec::<&str>::new());
    }

    #[test]
    fn a_closed_epoch_is_silent_for_ever_and_an_unpromised_one_too() {
        let mut silence = Silence::new(Window { from: None, to: Some(9_999) });
        silence.open("release", 1, Some(60), 0);
        silence.close("release", 1, 30);
        silence.open("operator", 1, None, 0);
        assert_eq!(codes(&silence.finish()), Vec::<&str>::new());
    }

    #[test]
    fn a_silence_outside_the_window_is_left_out() {
        let mut silence = Silence::new(Window { from: Some(500), to: Some(600) });
        silence.open("release", 1, Some(60), 0);
        silence.see(&event(1, 2, 400)); // ended before the window
        silence.see(&event(2, 3, 450));
        silence.see(&event(3, 4, 520)); // reaches into it
        silence.see(&event(4, 5, 590));
        silence.see(&event(5, 6, 700)); // begins in it
        silence.see(&event(6, 7, 900)); // begins after it
        let section = silence.finish();
        assert_eq!(section.findings.len(), 3, "{:?}", section.findings);
    }
}
