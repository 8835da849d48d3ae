//! The rollback guard: before the first new signature after a start, no witness may be ahead of this directory [G-1] (85-log.md).
//!
//! It protects published heads while silent, lying and restored witnesses together cannot fulfil the quorum. It does not
//! protect against two copies that run at once: never run two. Not here: what a running log does with claims (`witnesses`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use vitrine_spec::note::Signature;
use vitrine_spec::policy::Policy;

use crate::config::{BACK_OFF_FIRST, BACK_OFF_MAX};
use crate::witnesses::{Asking, Member, Outcome, Seen, Standing, Witnesses};

/// The file in the folder of evidence that says that this directory signs nothing any more.
const STOPPED: &str = "stopped";

/// How the guard ended.
#[derive(Debug)]
pub enum Guarded {
    /// Nobody who counts is ahead: the log may sign.
    Passed(Cosigned),
    /// This directory is old, or the log forked: reads only, for ever.
    Old(String),
    /// The server was told to stop first.
    Left,
}

/// What the guard's questions brought besides: cosignatures of the head.
#[derive(Debug, Default)]
pub struct Cosigned {
    /// Members that cosigned it.
    pub members: Vec<usize>,
    /// Place in the policy's witness lines, and the signature.
    pub signatures: Vec<(usize, Signature)>,
}

/// What the guard works with.
pub struct Guard<'a> {
    /// Whom to ask.
    pub witnesses: &'a Arc<Witnesses>,
    /// Whose silence matters.
    pub policy: &'a Policy,
    /// The head of this directory.
    pub asking: &'a Arc<Asking>,
    /// A person took this directory over: every witness must answer.
    pub take_over: bool,
    /// Witnesses that a person set aside, by key name.
    pub set_aside: &'a [String],
}

impl Guard<'_> {
    /// Asks until nobody who counts is ahead. `waiting` gets the words for `/readyz` after each round.
    pub async fn run(&self, waiting: impl Fn(String), mut leave: watch::Receiver<bool>) -> Guarded {
        self.witnesses.advance(self.asking.size());
        if self.policy.is_quorum_none() {
            return Guarded::Passed(Cosigned::default()); // `quorum none`: there is nobody to ask [G-6]
        }
        let mut cosigned = Cosigned::default();
        let mut pause = BACK_OFF_FIRST;
        loop {
            let round = tokio::select! {
                round = self.round(&mut cosigned) => round,
                _ = leave.wait_for(|left| *left) => return Guarded::Left,
            };
            match round {
                Round::Old(why) => return Guarded::Old(why),
                Round::Passed => return Guarded::Passed(cosigned),
                Round::Waiting(words) => waiting(words),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = leave.wait_for(|left| *left) => return Guarded::Left,
            }
            pause = (pause * 2).min(BACK_OFF_MAX);
        }
    }

    async fn round(&self, cosigned: &mut Cosigned) -> Round {
        // What witnesses serve is read first: a note that this tree does not contain shows that nothing may be sent [G-2].
        if let Some(old) = self.read_all().await {
            return Round::Old(old);
        }
        let mut questions = JoinSet::new();
        for (at, member) in self.unheard(cosigned) {
            let (witnesses, asking) = (Arc::clone(self.witnesses), Arc::clone(self.asking));
            questions.spawn(async move { (at, witnesses.ask_not_ahead(&member, &asking).await) });
        }
        while let Some(answer) = questions.join_next().await {
            match answer {
                Ok((at, Outcome::Cosigned(signatures))) => {
                    cosigned.members.push(at);
                    cosigned.signatures.extend(signatures);
                }
                Ok((_, Outcome::Forked(why))) => return Round::Old(why),
                // A claim without a note counts as silence [G-3]. A question that was lost is no answer either.
                Ok((_, Outcome::Failed(_) | Outcome::Claimed(_))) | Err(_) => {}
            }
        }
        self.judge(cosigned)
    }

    /// Reads every witness's monitoring prefix at once; the proof that this directory is old, if there is one.
    async fn read_all(&self) -> Option<String> {
        let mut reads = JoinSet::new();
        for member in self.witnesses.members.iter().filter(|member| !member.is_out()) {
            let (witnesses, member, head) = (Arc::clone(self.witnesses), Arc::clone(member), self.asking.size());
            reads.spawn(async move {
                let Seen::Note(note, bytes) = witnesses.read_prefix(&member).await else { return None };
                // A root that cannot be computed here is this disk's fault, and the question that follows shows it.
                let Ok(Err(fork)) = witnesses.contains(&note, head) else { return None };
                witnesses.keep(&member, "note", &bytes);
                Some(format!("{fork} (note of {} at {})", member.name, member.monitoring))
            });
        }
        let mut old = None;
        while let Some(read) = reads.join_next().await {
            old = old.or(read.ok().flatten());
        }
        old
    }

    fn unheard(&self, cosigned: &Cosigned) -> Vec<(usize, Arc<Member>)> {
        let members = self.witnesses.members.iter().enumerate();
        members
            .filter(|(at, member)| !member.is_out() && !cosigned.members.contains(at))
            .map(|(at, member)| (at, Arc::clone(member)))
            .collect()
    }

    /// Whether those who have not said 200 could make a quorum among themselves [G-4], or, after `--take-over`, exist [G-5].
    fn judge(&self, cosigned: &Cosigned) -> Round {
        let heard: BTreeSet<usize> = cosigned
            .members
            .iter()
            .filter_map(|at| self.witnesses.members.get(*at))
            .flat_map(|m| m.lines.clone())
            .collect();
        let silent: Vec<(usize, &vitrine_spec::policy::WitnessLine)> =
            self.policy.witnesses.iter().enumerate().filter(|(place, _)| !heard.contains(place)).collect();
        let passed = if self.take_over {
            silent.iter().all(|(_, line)| self.set_aside.iter().any(|name| name == line.vkey.name()))
        } else {
            let names: BTreeSet<_> = silent.iter().map(|(_, line)| line.name.clone()).collect();
            !self.policy.satisfied(&names)
        };
        if passed {
            return Round::Passed;
        }
        let mut words: Vec<String> = Vec::new();
        for member in &self.witnesses.members {
            let standing = member.standing();
            if !matches!(standing, Standing::Cosigned(_)) {
                words.push(format!("{}: {standing}", member.name));
            }
        }
        let rule = if self.take_over {
            "after --take-over every witness must say that it is not ahead, or be set aside"
        } else {
            "the silent ones could fulfil the quorum among themselves"
        };
        Round::Waiting(format!("{rule}; {}", words.join("; ")))
    }
}

enum Round {
    Passed,
    Waiting(String),
    Old(String),
}

/// What `/readyz`, the log and the refusals say of a directory that must not sign.
pub fn old_directory(why: &str) -> String {
    format!(
        "this directory signs nothing any more: {why}. It is an older copy, or the log was forked. Reads go on. \
         Stop this server and bring the newest data directory of this log here (from the machine or disk that ran last; \
         a backup will do when its head is not behind any witness); if there is none, this log ends and a successor's \
         charter names it as predecessor"
    )
}

/// Marks the directory, so that it does not sign after a restart either.
pub fn mark(evidence: &Path, why: &str) -> Result<(), std::io::Error> {
    use std::io::Write as _;
    std::fs::create_dir_all(evidence)?;
    let mut file = std::fs::File::create(evidence.join(STOPPED))?;
    file.write_all(format!("{why}\n").as_bytes())?;
    file.sync_all()?;
    std::fs::File::open(evidence)?.sync_all()
}

/// Why this directory must not sign, when it is marked.
pub fn marked(evidence: &Path) -> Result<Option<String>, std::io::Error> {
    match std::fs::read_to_string(evidence.join(STOPPED)) {
        // A stop between creating and writing it leaves it empty; it counts all the same.
        Ok(why) if why.trim_end().is_empty() => Ok(Some("it was marked, and the reason was not written".to_owned())),
        Ok(why) => Ok(Some(why.trim_end().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a data directory keeps what may prove something.
pub fn evidence_folder(dir: &Path) -> PathBuf {
    dir.join("evidence")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::fake::{FakeWitness, MemoryLog, policy, witnesses};
    use std::sync::Mutex;
    use std::time::Duration;

    struct World {
        fakes: Vec<FakeWitness>,
        policy: Policy,
        evidence: tempfile::TempDir,
        log: Arc<MemoryLog>,
    }

    /// Three witnesses, 2 of 3, all at size 5; a directory of seven entries.
    async fn world() -> World {
        let mut fakes = Vec::new();
        for (name, byte) in [("w0.example", 10), ("w1.example", 20), ("w2.example", 30)] {
            let fake = FakeWitness::start(name, byte).await;
            fake.script(|script| script.known = 5);
            fakes.push(fake);
        }
        let policy = policy(&[], 2, &fakes.iter().collect::<Vec<_>>());
        World { fakes, policy, evidence: tempfile::tempdir().unwrap(), log: Arc::new(MemoryLog::of(7, 0)) }
    }

    impl World {
        fn silence(&self, at: usize) {
            self.fakes[at].script(|script| script.says = Some((503, "text/plain", b"silent".to_vec())));
        }

        fn speak(&self, at: usize) {
            self.fakes[at].script(|script| script.says = None);
        }

        /// Runs the guard; `waiting` hears each round that did not pass.
        async fn guard(&self, take_over: bool, aside: &[&str], waiting: impl Fn(String)) -> Guarded {
            let aside: Vec<String> = aside.iter().map(|name| (*name).to_owned()).collect();
            let witnesses = witnesses(&self.policy, self.log.clone(), self.evidence.path(), &aside);
            let asking = Arc::new(self.log.head());
            let guard =
                Guard { witnesses: &witnesses, policy: &self.policy, asking: &asking, take_over, set_aside: &aside };
            let (_leave, left) = watch::channel(false);
            tokio::time::timeout(Duration::from_secs(30), guard.run(waiting, left)).await.unwrap()
        }
    }

    fn passed(guarded: Guarded) -> Cosigned {
        match guarded {
            Guarded::Passed(cosigned) => cosigned,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn witnesses_that_are_behind_are_brought_up_and_cosign() {
        // [G-1]
        let world = world().await;
        let cosigned = passed(world.guard(false, &[], |words| panic!("{words}")).await);
        assert_eq!((cosigned.members.len(), cosigned.signatures.len()), (3, 6));
        for fake in &world.fakes {
            assert_eq!(fake.script(|script| (script.read, script.asked.clone())), (1, vec![(7, 7), (5, 7)]));
        }
    }

    #[tokio::test]
    async fn silence_matters_when_it_could_hide_a_quorum() {
        // [G-4]
        let world = world().await;
        world.silence(0);
        passed(world.guard(false, &[], |words| panic!("one silent witness of 2 of 3: {words}")).await);
        world.silence(1);
        let rounds = Mutex::new(Vec::new());
        let waiting = |words: String| {
            world.speak(1);
            rounds.lock().unwrap().push(words);
        };
        passed(world.guard(false, &[], waiting).await);
        let rounds = rounds.into_inner().unwrap();
        assert!(rounds[0].contains("w0.example") && rounds[0].contains("w1.example"), "{rounds:?}");
        assert!(!rounds[0].contains("w2.example"), "{rounds:?}");
    }

    #[tokio::test]
    async fn a_note_beyond_this_tree_means_that_nothing_is_sent() {
        // [G-2]
        for note in [MemoryLog::of(8, 0), MemoryLog::of(7, 1), MemoryLog::of(3, 1)] {
            let world = world().await;
            let note = note.head().checkpoint.print().into_bytes();
            world.fakes[2].script(|script| script.note = Some(note));
            match world.guard(false, &[], |words| panic!("{words}")).await {
                Guarded::Old(why) => assert!(why.contains("w2.example"), "{why}"),
                other => panic!("{other:?}"),
            }
            for fake in &world.fakes {
                assert!(fake.script(|script| script.asked.is_empty()), "no note left this directory");
            }
            assert_eq!(world.evidence.path().read_dir().unwrap().count(), 1);
        }
    }

    #[tokio::test]
    async fn a_note_inside_this_tree_is_no_obstacle() {
        let world = world().await;
        let note = MemoryLog::of(5, 0).head().checkpoint.print().into_bytes();
        world.fakes.iter().for_each(|fake| fake.script(|script| script.note = Some(note.clone())));
        passed(world.guard(false, &[], |words| panic!("{words}")).await);
    }

    #[tokio::test]
    async fn a_claim_without_a_note_counts_as_silence() {
        // [G-3]
        let world = world().await;
        world.fakes[0].script(|script| script.known = 8);
        let cosigned = passed(world.guard(false, &[], |words| panic!("one claims, 2 of 3: {words}")).await);
        assert_eq!(cosigned.members.len(), 2);
        world.fakes[1].script(|script| script.says = Some((422, "text/plain", Vec::new())));
        world.fakes[2].script(|script| script.known = 5);
        let rounds = Mutex::new(0);
        let waiting = |_| {
            *rounds.lock().unwrap() += 1;
            world.fakes[0].script(|script| script.known = 6);
        };
        passed(world.guard(false, &[], waiting).await);
        assert_eq!(*rounds.lock().unwrap(), 1, "two that claim could be the quorum");
    }

    #[tokio::test]
    async fn after_a_take_over_every_witness_answers_or_is_set_aside() {
        // [G-5]
        let world = world().await;
        world.silence(0);
        let rounds = Mutex::new(Vec::new());
        let waiting = |words: String| {
            world.speak(0);
            rounds.lock().unwrap().push(words);
        };
        passed(world.guard(true, &[], waiting).await);
        assert!(rounds.lock().unwrap()[0].contains("--take-over"));
        world.silence(0);
        let cosigned = passed(world.guard(true, &["w0.example"], |words| panic!("{words}")).await);
        assert_eq!(cosigned.members.len(), 2);
    }

    #[tokio::test]
    async fn without_a_quorum_there_is_nobody_to_ask() {
        // [G-6]
        let mut world = world().await;
        world.policy = Policy::parse("quorum none\n").unwrap();
        let cosigned = passed(world.guard(false, &[], |words| panic!("{words}")).await);
        assert!(cosigned.members.is_empty());
    }

    #[tokio::test]
    async fn the_guard_ends_when_the_server_leaves() {
        let world = world().await;
        (0..3).for_each(|at| world.silence(at));
        let witnesses = witnesses(&world.policy, world.log.clone(), world.evidence.path(), &[]);
        let asking = Arc::new(world.log.head());
        let guard =
            Guard { witnesses: &witnesses, policy: &world.policy, asking: &asking, take_over: false, set_aside: &[] };
        let (leave, left) = watch::channel(false);
        let guarded = guard.run(|_| assert!(leave.send(true).is_ok()), left).await;
        assert!(matches!(guarded, Guarded::Left));
    }

    #[test]
    fn a_marked_directory_stays_marked() {
        let dir = tempfile::tempdir().unwrap();
        let evidence = evidence_folder(dir.path());
        assert_eq!(marked(&evidence).unwrap(), None);
        mark(&evidence, "witness w holds size 8").unwrap();
        assert_eq!(marked(&evidence).unwrap().as_deref(), Some("witness w holds size 8"));
        std::fs::write(evidence.join(STOPPED), "").unwrap();
        assert!(marked(&evidence).unwrap().is_some_and(|why| !why.is_empty()));
    }
}
