//! The log's own story against what the trust file pins, and the events that it disowned (90-verdict.md; leaf-format.md 4).
//!
//! A trust file that still believes a key which the log disowned says "yes" to a thief. Not here: judging updates.

use vitrine_spec::body::charter::{Charter, PROTOCOL, Role};
use vitrine_spec::state::State;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::trust::Fingerprint;
use vitrine_spec::verdict::Pins;
use vitrine_spec::words::Name;

use super::fold::Fold;
use super::report::{Finding, Section, Severity, Window};
use super::seen;
use crate::exit::Failure;

/// The section `trust`: the state after the audited entries against the trust file.
pub fn check(pins: &Pins, state: &State) -> Section {
    let mut section = Section::new("trust");
    let trust = pins.trust();
    let Some(in_force) = &state.charter else {
        section.not_checked("charter, issuers and streams: no charter was admitted");
        return section;
    };
    let first = Fingerprint::new(in_force.first.0);
    if first == trust.charter {
        section.checked(format!("entry 0 is the pinned charter {first}"));
    } else {
        let text = format!("entry 0 is charter {first}, the trust file pins {}", trust.charter);
        section.found(Finding::new(Severity::Finding, "trust.charter", text));
    }
    check_charter(pins, &in_force.charter, &mut section);
    check_issuers(pins, state, &mut section);
    for stream in trust.streams() {
        let holder = Name::new(&stream.channel).and_then(|channel| state.stream_holder(&stream.package_id, &channel));
        if holder.is_none_or(|holder| holder.as_str() != stream.issuer) {
            let holder = holder.map_or("nobody", Name::as_str);
            let text = format!(
                "the trust file gives {} {} to {}, in the log it belongs to {holder}",
                stream.package_id, stream.channel, stream.issuer
            );
            section.found(Finding::new(Severity::Note, "trust.stream", text));
        }
    }
    section
}

fn check_charter(pins: &Pins, charter: &Charter, section: &mut Section) {
    let trust = pins.trust();
    if charter.version >= trust.charter_version {
        section.checked(format!(
            "charter version {} in force, {} or later is wanted",
            charter.version, trust.charter_version
        ));
    } else {
        let text =
            format!("charter version {} is in force, the trust file wants {}", charter.version, trust.charter_version);
        section.found(Finding::new(Severity::Finding, "trust.charter-version", text));
    }
    if charter.protocol != PROTOCOL {
        let text =
            format!("the charter's protocol is {}, known here is {PROTOCOL}: unknown, not verified", charter.protocol);
        section.found(Finding::new(Severity::Finding, "trust.protocol", text));
    }
    if charter.raw {
        let text = "the charter says `raw`: its entries are bytes that nobody judged";
        section.found(Finding::new(Severity::Finding, "trust.raw", text));
    }
    for key in pins.log_keys() {
        if !charter.log_keys.iter().any(|named| named.public() == key.public() && named.kind() == key.kind()) {
            let text = format!("the policy has the log key {}, the charter names another one", key.keyid());
            section.found(Finding::new(Severity::Finding, "trust.log-key", text));
        }
    }
}

fn check_issuers(pins: &Pins, state: &State, section: &mut Section) {
    let trust = pins.trust();
    let mut known = 0;
    for line in trust.issuers() {
        let (name, epoch) = (line.name.as_str(), line.epoch);
        let Some(opened) = Name::new(name).and_then(|name| state.opened(&name, epoch)) else {
            let text = format!("the trust file names {name} epoch {epoch}, the log has not opened it");
            section.found(Finding::new(Severity::Note, "trust.issuer-absent", text));
            continue;
        };
        known += 1;
        if opened.vkey.public() != line.vkey.public() || opened.vkey.keyid() != line.vkey.keyid() {
            let text =
                format!("{name} epoch {epoch} signs with {} in the log, the trust file has {}", opened.vkey, line.vkey);
            section.found(Finding::new(Severity::Finding, "trust.issuer-key", text));
        }
        if let Some(disowned) = opened.disowned {
            let first = LeafIndex::new(disowned.after.get() + 1);
            if line.until.is_none_or(|until| until > first) {
                let has = line.until.map_or_else(|| "no `until`".to_owned(), |until| format!("until = {until}"));
                let text = format!(
                    "{name} epoch {epoch} is disowned from entry {first} on by entry {}, the trust file has {has}",
                    disowned.by
                );
                section.found(Finding::new(Severity::Finding, "trust.until", text));
            }
        }
    }
    section.checked(format!("{known} issuers' epochs of the trust file: the log opened them with the same keys"));
    let others: Vec<String> = state
        .epochs()
        .filter(|((name, epoch), _)| Role::of(name.as_str()).is_none() && trust.issuer(name.as_str(), *epoch).is_none())
        .map(|((name, epoch), _)| format!("{} epoch {epoch}", name.as_str()))
        .collect();
    if !others.is_empty() {
        section.not_checked(format!("issuers that the trust file does not name: {}", others.join(", ")));
    }
}

/// The section `disowned`: every entry that a later one disowned.
pub fn name_disowned(fold: &mut Fold<'_>, disowned: &[u64], window: Window) -> Result<Section, Failure> {
    let mut section = Section::new("disowned");
    for index in disowned {
        let Some(event) = fold.event(*index)? else { continue };
        let seen = seen::of(*index, &event);
        if !window.holds(seen.recorded) {
            continue;
        }
        let opened = fold.state.opened(&event.statement.header.issuer, seen.epoch);
        let by = opened.and_then(|opened| opened.disowned).map(|disowned| disowned.by);
        let position = seen.link.map_or_else(|| "unchained".to_owned(), |link| format!("seq {}", link.seq));
        // What an event says against somebody counts whoever logged it: an access happened, a thief's too.
        let counts = if event.statement.sealed.is_some() { "the access counts" } else { "it gives no \"yes\"" };
        let text = format!(
            "{} epoch {} {position}: entry {index} ({}) is disowned by entry {}; {counts}",
            seen.issuer,
            seen.epoch,
            seen.kind,
            by.map_or_else(String::new, |by| by.to_string())
        );
        section.found(Finding::new(Severity::Note, "disowned", text).at(seen.place()));
    }
    let ended = fold.state.epochs().filter(|(_, opened)| opened.disowned.is_some()).count();
    section.checked(format!("{} entries of {ended} issuers' epochs were disowned", disowned.len()));
    if fold.stop.is_some() {
        section.not_checked("entries after the one that admission refuses");
    }
    Ok(section)
}
