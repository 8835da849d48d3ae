//! What logged events say against each other: second digests, rebuilds and builds that disagree (leaf-format.md 3).
//!
//! The log takes them all, because refusing would hide them; every reader computes them. Memory: one short record per file of
//! an update or a build, keyed by 16 bytes of a hash. Not here: a verdict about one update (`vitrine_spec::verdict`).

use std::collections::{BTreeSet, HashMap};

use vitrine_spec::hash::Hash;
use vitrine_spec::text::hex;

use super::chains::Seen;
use super::report::{Finding, Section, Severity, Window};

/// A file that an event speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Its name.
    pub name: String,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// What a rebuild produced, when it did.
    pub produced: Option<[u8; 32]>,
}

/// What the audit compares of an event's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// These files are the release of this version in this channel.
    Update {
        /// Product and version.
        purl: String,
        /// Where it is released.
        channel: String,
        /// Whether a build of it is in the log.
        built_here: bool,
    },
    /// These files came out of a build of this version.
    Build {
        /// Product and version.
        purl: String,
    },
    /// These files were built again.
    Rebuild {
        /// `identical`, `different`, `build-failed`, `not-attempted`.
        outcome: String,
        /// Who the rebuilder is to the vendor.
        independence: String,
    },
}

/// 16 bytes of a hash: enough that nobody finds two things with one key.
type Key = [u8; 16];

fn key(parts: &[&str]) -> Key {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        joined.extend_from_slice(part.as_bytes());
    }
    short(Hash::of(&joined).as_bytes())
}

fn short(bytes: &[u8; 32]) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(bytes.split_at(16).0);
    key
}

/// Who said first what a file is.
#[derive(Clone, Copy, Debug)]
struct First {
    sha256: [u8; 32],
    index: u64,
}

/// Which outcomes a claimed digest has.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    identical: Option<u64>,
    different: Option<u64>,
    independent: bool,
}

/// The comparison.
#[derive(Debug)]
pub struct Digests {
    window: Window,
    released: HashMap<Key, First>,
    built: HashMap<Key, First>,
    rebuilt: HashMap<Key, Outcomes>,
    updates: Vec<Vec<Key>>,
    counts: [u64; 3],
    built_here: u64,
    /// Second digests, whose severity depends on what is disowned at the end: both indices.
    second: Vec<(u64, u64, Finding)>,
    section: Section,
    rebuilds: Section,
}

impl Digests {
    /// Findings of events inside `window` are reported.
    pub fn new(window: Window) -> Digests {
        Digests {
            window,
            released: HashMap::new(),
            built: HashMap::new(),
            rebuilt: HashMap::new(),
            updates: Vec::new(),
            counts: [0; 3],
            built_here: 0,
            second: Vec::new(),
            section: Section::new("digests"),
            rebuilds: Section::new("rebuilds"),
        }
    }

    /// Takes the next event that says something about files.
    pub fn see(&mut self, seen: &Seen, says: &Says, files: &[NamedFile]) {
        let inside = self.window.holds(seen.recorded);
        match says {
            Says::Update { purl, channel, built_here } => {
                self.counts[0] += 1;
                self.built_here += u64::from(*built_here);
                self.updates.push(files.iter().map(|file| short(&file.sha256)).collect());
                for file in files {
                    let key = key(&[purl, &file.name, channel]);
                    let first = *self.released.entry(key).or_insert(First { sha256: file.sha256, index: seen.index });
                    if first.sha256 != file.sha256 && inside {
                        let finding = Finding::new(
                            Severity::Finding,
                            "digest.second",
                            format!(
                                "{purl} {} in {channel} has two digests: entry {} says {}, entry {} says {}",
                                file.name,
                                first.index,
                                hex(&first.sha256),
                                seen.index,
                                hex(&file.sha256)
                            ),
                        );
                        self.second.push((first.index, seen.index, finding.at(seen.place())));
                    }
                }
            }
            Says::Build { purl } => {
                self.counts[1] += 1;
                for file in files {
                    let key = key(&[purl, &file.name]);
                    let first = *self.built.entry(key).or_insert(First { sha256: file.sha256, index: seen.index });
                    if first.sha256 != file.sha256 && inside {
                        self.section.found(
                            Finding::new(
                                Severity::Note,
                                "build.differs",
                                format!(
                                    "{purl} {} came out of two builds with two digests: entry {} says {}, entry {} says {}",
                                    file.name,
                                    first.index,
                                    hex(&first.sha256),
                                    seen.index,
                                    hex(&file.sha256)
                                ),
                            )
                            .at(seen.place()),
                        );
                    }
                }
            }
            Says::Rebuild { outcome, independence } => {
                self.counts[2] += 1;
                self.see_rebuild(seen, outcome, independence, files, inside);
            }
        }
    }

    fn see_rebuild(&mut self, seen: &Seen, outcome: &str, independence: &str, files: &[NamedFile], inside: bool) {
        for file in files {
            let Some(produced) = file.produced else { continue };
            let outcomes = self.rebuilt.entry(short(&file.sha256)).or_default();
            let same = produced == file.sha256;
            if same {
                outcomes.identical.get_or_insert(seen.index);
                outcomes.independent |= independence != "vendor" && outcome == "identical";
            } else {
                outcomes.different.get_or_insert(seen.index);
                if inside {
                    self.rebuilds.found(
                        Finding::new(
                            Severity::Note,
                            "rebuild.different",
                            format!(
                                "{} ({independence}), entry {}: {} is {}, the rebuild gave {}",
                                seen.issuer,
                                seen.index,
                                file.name,
                                hex(&file.sha256),
                                hex(&produced)
                            ),
                        )
                        .at(seen.place()),
                    );
                }
            }
            if let Outcomes { identical: Some(identical), different: Some(different), .. } = *outcomes
                && seen.index == identical.max(different)
                && inside
            {
                self.rebuilds.found(
                    Finding::new(
                        Severity::Note,
                        "rebuild.disagree",
                        format!(
                            "{} ({}): entry {identical} rebuilt it identically, entry {different} did not",
                            file.name,
                            hex(&file.sha256)
                        ),
                    )
                    .at(seen.place()),
                );
            }
        }
    }

    /// Ends both sections; a second digest of which one is disowned is only named.
    pub fn finish(mut self, disowned: &BTreeSet<u64>) -> [Section; 2] {
        for (first, second, mut finding) in core::mem::take(&mut self.second) {
            if disowned.contains(&first) || disowned.contains(&second) {
                finding.severity = Severity::Note;
                finding.text.push_str(" (one of them is disowned)");
            }
            self.section.found(finding);
        }
        let [updates, builds, rebuilds] = self.counts;
        self.section.checked(format!("{updates} updates: one digest for each version, file and channel"));
        self.section.checked(format!("{builds} builds: one digest for each version and file"));
        let independently = self
            .updates
            .iter()
            .filter(|files| {
                files.iter().all(|file| {
                    self.rebuilt.get(file).is_some_and(|outcomes| outcomes.independent && outcomes.different.is_none())
                })
            })
            .count();
        self.rebuilds.checked(format!("{rebuilds} rebuilds against the digests that they claim"));
        self.rebuilds.checked(format!(
            "{updates} updates: {} name a build in this log, of {independently} every file was rebuilt identically by somebody who is not the vendor, and never differently",
            self.built_here
        ));
        self.rebuilds.not_checked("the rebuilds themselves, and the documents that they name");
        [self.section, self.rebuilds]
    }
}

#[cfg(test)]
mod tests {
    use super::super::chains::Link;
    use super::*;

    fn at(index: u64, issuer: &str) -> Seen {
        Seen {
            index,
            id: [0; 32],
            kind: "update",
            issuer: issuer.into(),
            epoch: 1,
            link: Some(Link { seq: index, prev: [0; 32] }),
            recorded: index,
        }
    }

    fn file(sha256: u8, produced: Option<u8>) -> [NamedFile; 1] {
        [NamedFile { name: "app.deb".into(), sha256: [sha256; 32], produced: produced.map(|byte| [byte; 32]) }]
    }

    fn update(channel: &str) -> Says {
        Says::Update { purl: "pkg:deb/app@1".into(), channel: channel.into(), built_here: true }
    }

    fn rebuild(outcome: &str) -> Says {
        Says::Rebuild { outcome: outcome.into(), independence: "third-party".into() }
    }

    fn found(section: &Section) -> Vec<(Severity, &str)> {
        section.findings.iter().map(|finding| (finding.severity, finding.code.as_str())).collect()
    }

    #[test]
    fn a_second_digest_is_named_with_both_events() {
        let mut digests = Digests::new(Window::default());
        digests.see(&at(1, "release"), &update("stable"), &file(1, None));
        digests.see(&at(2, "release"), &update("beta"), &file(2, None)); // another channel: no contradiction
        digests.see(&at(3, "release"), &update("stable"), &file(1, None)); // the same again
        digests.see(&at(4, "release"), &update("stable"), &file(2, None));
        let [section, _] = digests.finish(&BTreeSet::new());
        assert_eq!(found(&section), [(Severity::Finding, "digest.second")]);
        let text = &section.findings[0].text;
        assert!(text.contains("entry 1 says 0101") && text.contains("entry 4 says 0202"), "{text}");
    }

    #[test]
    fn a_disowned_second_digest_is_only_named() {
        let mut digests = Digests::new(Window::default());
        digests.see(&at(1, "release"), &update("stable"), &file(1, None));
        digests.see(&at(4, "release"), &update("stable"), &file(2, None));
        let [section, _] = digests.finish(&BTreeSet::from([4]));
        assert_eq!(found(&section), [(Severity::Note, "digest.second")]);
    }

    #[test]
    fn rebuilds_that_differ_or_disagree_are_named_once() {
        let mut digests = Digests::new(Window::default());
        digests.see(&at(1, "release"), &update("stable"), &file(1, None));
        digests.see(&at(2, "rebuilder"), &rebuild("identical"), &file(1, Some(1)));
        digests.see(&at(3, "other"), &rebuild("different"), &file(1, Some(9)));
        digests.see(&at(4, "third"), &rebuild("build-failed"), &file(1, None));
        let [_, rebuilds] = digests.finish(&BTreeSet::new());
        assert_eq!(found(&rebuilds), [(Severity::Note, "rebuild.different"), (Severity::Note, "rebuild.disagree")]);
        assert!(rebuilds.findings[1].text.contains("entry 2 rebuilt it identically, entry 3 did not"));
        assert!(rebuilds.checked[1].contains("of 0 every file"), "{:?}", rebuilds.checked);
    }

    #[test]
    fn an_independent_identical_rebuild_of_every_file_counts() {
        let mut digests = Digests::new(Window::default());
        digests.see(&at(1, "release"), &update("stable"), &file(1, None));
        digests.see(&at(2, "rebuilder"), &rebuild("identical"), &file(1, Some(1)));
        let [_, rebuilds] = digests.finish(&BTreeSet::new());
        assert_eq!(found(&rebuilds), []);
        assert!(rebuilds.checked[1].contains("of 1 every file"), "{:?}", rebuilds.checked);
    }

    #[test]
    fn two_builds_of_one_version_that_differ_are_a_note() {
        let mut digests = Digests::new(Window::default());
        let build = Says::Build { purl: "pkg:deb/app@1".into() };
        digests.see(&at(1, "farm"), &build, &file(1, None));
        digests.see(&at(2, "farm"), &build, &file(2, None));
        let [section, _] = digests.finish(&BTreeSet::new());
        assert_eq!(found(&section), [(Severity::Note, "build.differs")]);
    }
}
