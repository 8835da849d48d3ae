//! The verdict about an update file: the order in which everything is looked at (90-verdict.md, V-10, V-21 to V-49).
//!
//! What it requires comes from the pins alone. Every proof given is shown to hold before any of them is used, and each is
//! accounted for. Not here: whether one proof holds (`proven`), what stands behind the update (`behind`) and against it (`against`).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::behind::{Pending, agree};
use super::case::{Case, check_checkpoints, name_of};
use super::proven::{Proof, Proven, read_all};
use super::{Account, Code, Fault, Pins, Verdict, roles};
use crate::body::files::{Audience, Build};
use crate::envelope::EventId;
use crate::fields::print_instant;
use crate::floor::{Floor, Raise};
use crate::hash::Hash;
use crate::statement::{Kind, Rel, Subject};
use crate::trust::TrustedStream;
use crate::watched::Watched;

/// What an origin begins with whose keys were made for trying things out [V-48].
pub const DEVELOPMENT: &str = "dev.";

/// The file that is judged.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name, for messages alone.
    pub name: &'a str,
    /// SHA-256 of its bytes.
    pub sha256: Hash,
    /// Its bytes.
    pub size: u64,
}

/// What is asked: is this file an update as the pins want it, by these proofs and no other knowledge [V-10]?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The file.
    pub file: File<'a>,
    /// tlog-proofs, each with its leaf.
    pub proofs: &'a [Proof<'a>],
    /// Bundles.
    pub bundles: &'a [Proof<'a>],
    /// What the verifier pins.
    pub pins: &'a Pins,
    /// The verifier's time, seconds since 1970; without it no cosignature is too far ahead, no release too early, no checkpoint too old.
    pub now: Option<u64>,
    /// What this machine has verified before [V-45].
    pub floor: Option<&'a Floor>,
    /// What a watch of this machine has read [V-47].
    pub watched: Option<&'a Watched>,
}

impl<'a> Question<'a> {
    /// A question by proofs alone, with nothing that the machine knows besides.
    pub fn new(file: File<'a>, proofs: &'a [Proof<'a>], pins: &'a Pins, now: Option<u64>) -> Question<'a> {
        Question { file, proofs, bundles: &[], pins, now, floor: None, watched: None }
    }
}

/// Answers a question [V-10].
pub fn verify_update(question: &Question<'_>) -> Verdict {
    let mut account = Account::default();
    match judge(question, &mut account) {
        Ok((reason, raise)) => Verdict { raise: Some(raise), ..account.close(Ok(reason)) },
        Err(fault) => account.close(Err(fault)),
    }
}

fn judge(question: &Question<'_>, account: &mut Account) -> Result<(String, Raise), Fault> {
    let pins = question.pins;
    if pins.trust().origin.starts_with(DEVELOPMENT) {
        account.not_checked("log: a development log, whose keys anybody may hold"); // [V-48]
    }
    check_origins(question)?;
    let mut proven = read_all(question.proofs, question.bundles, pins, question.now)?;
    let roles = roles::follow(&proven, pins.trust(), account)?;
    for (at, proof) in proven.iter_mut().enumerate() {
        match roles.followed.iter().find(|(followed, _)| *followed == at) {
            Some((_, unknown)) => proof.unknown_signers.clone_from(unknown),
            None => proof.check_signers(&roles.trust, &roles.keys)?,
        }
    }
    check_checkpoints(question, &proven, account)?;
    let case = Case::choose(question, &roles.trust, &proven)?;
    let line = case.support(case.update)?;
    account.checked(format!(
        "file: SHA-256 {} and {} bytes, as {} in entry {}",
        question.file.sha256.hex(),
        question.file.size,
        name_of(case.subject),
        case.update.index
    ));
    account.checked(format!("issuer: {} epoch {} signed it with {}", line.name, line.epoch, line.vkey.keyid()));
    let stream = case.stream()?;
    case.position(stream, account)?;
    case.against(stream, account)?;
    let mut pending = Pending::new(&case, stream);
    let builds = case.builds(stream, &mut pending, account)?;
    case.rebuilds(&builds, stream, &mut pending, account)?;
    case.verdicts(stream, &mut pending, account);
    pending.in_time()?;
    case.rest(&builds, account);
    case.age(account)?;
    case.not_before(&mut pending, account);
    case.quorum(&mut pending, account);
    pending.end()?;
    let what = if case.subject.name.as_deref() == Some(question.file.name) { "" } else { " (under another name)" };
    let log = if pins.trust().origin.starts_with(DEVELOPMENT) { "the development log " } else { "" };
    let reason = format!(
        "{}{what} is {} release {} in {} of {log}{}, released by {}",
        question.file.name,
        case.body.purl,
        case.body.release_seq,
        case.body.channel.as_str(),
        pins.trust().origin,
        line.name
    );
    let raise = Raise {
        size: case.update.size,
        root: case.update.root,
        package_id: case.body.package_id.clone(),
        channel: case.body.channel.clone(),
        release_seq: case.body.release_seq,
    };
    Ok((reason, raise))
}

/// What this machine remembers is of the pinned log [V-12].
fn check_origins(question: &Question<'_>) -> Result<(), Fault> {
    let want = &question.pins.trust().origin;
    let floor = question.floor.map(|floor| ("the floor", &floor.origin));
    let watched = question.watched.map(|watched| ("the watch", &watched.origin));
    match floor.into_iter().chain(watched).find(|(_, origin)| origin.as_str() != want) {
        None => Ok(()),
        Some((what, origin)) => {
            Err(Fault::new(Code::OriginUnknown, format!("{what} is of {origin}, the trust file names {want}")))
        }
    }
}

impl Case<'_> {
    /// For whom the update is, and where in its stream [V-35] [V-36] [V-45].
    fn position(&self, stream: &TrustedStream, account: &mut Account) -> Result<(), Fault> {
        let body = self.body;
        let release = body.release_seq;
        let audience = match &body.audience {
            Audience::All => "for everybody".to_string(),
            Audience::Regions(regions) => {
                let named = regions.join(", ");
                let why = match &self.trust.region {
                    _ if !stream.regional => Some("the trust file takes this stream for everybody alone".to_string()),
                    None => Some("the trust file names no region".to_string()),
                    Some(own) if !regions.contains(own) => Some(format!("the trust file's region is {own}")),
                    Some(_) => None,
                };
                if let Some(why) = why {
                    let reason = format!("{} is for {named} only, {why}", self.update.what());
                    return Err(Fault::new(Code::UpdateAudience, reason));
                }
                format!("for {named} only")
            }
        };
        let seen = self.question.floor.map(|floor| floor.release(&body.package_id, &body.channel).unwrap_or(0));
        let floors = [("the trust file takes", Some(stream.min_release_seq)), ("this machine has verified", seen)];
        if let Some((who, floor)) = floors.into_iter().find(|(_, floor)| floor.is_some_and(|floor| release < floor)) {
            let reason =
                format!("{} is release {release}, {who} {} and later", self.update.what(), floor.unwrap_or_default());
            return Err(Fault::new(Code::UpdateBelowFloor, reason));
        }
        account.checked(format!(
            "stream: {} {} belongs to {}; release {release} {audience}",
            stream.package_id, stream.channel, stream.issuer
        ));
        match seen {
            None => account.not_checked("rollback: whether this machine has verified a later release"),
            Some(0) => account.checked("rollback: this machine has verified no release of the stream before"),
            Some(seen) => account.checked(format!("rollback: this machine has verified release {seen} and none later")),
        }
        account.not_checked("rollback: whether the log holds a later release");
        Ok(())
    }

    /// Everything else that was given, so that no proof is passed over in silence [V-29] [V-33].
    fn rest(&self, builds: &[(&Proven, &Build)], account: &mut Account) {
        let named: Vec<EventId> = self.releases().collect();
        for proof in self.others() {
            let statement = &proof.event.statement;
            match statement.kind {
                Kind::Charter | Kind::Rebuild => {}
                Kind::Build if self.body.built_here && named.contains(&proof.event.id) => {}
                Kind::Build => account.not_checked(format!("build: {} is not one that the update names", proof.what())),
                Kind::CodeReview => {
                    let of = |build: &Build, subject: &Subject| agree(&build.source.digest, &subject.digest);
                    let subject = statement.subject.first();
                    if !builds.iter().any(|(_, build)| subject.is_some_and(|subject| of(build, subject))) {
                        account.not_checked(format!(
                            "review: {} is not of the source of a build that counts",
                            proof.what()
                        ));
                    }
                }
                Kind::Verdict if statement.subject.iter().any(|file| self.has(file.digest.sha256)) => {}
                Kind::Verdict => account.not_checked(format!("verdict: {} is about other files", proof.what())),
                Kind::Correction
                    if statement.header.refs_of(Rel::Corrects).any(|found| found.event_id == self.update.event.id) =>
                {
                    account.not_checked(format!(
                        "correction: {} corrects the update; what it says stays as it was",
                        proof.what()
                    ));
                }
                Kind::Update => {
                    let file = statement.subject.iter().any(|file| file.digest == self.subject.digest);
                    let disowned = if self.is_disowned(proof) { ", disowned" } else { "" };
                    let about = if file { "holds this file too" } else { "is of other files" };
                    account.not_checked(format!("update: {}{disowned} {about} and is not judged", proof.what()));
                }
                Kind::UpdateRevoke => account.not_checked(format!("revocation: {} is of another update", proof.what())),
                _ => account.not_checked(format!("{}: says nothing about this file", proof.what())),
            }
        }
        for proof in self.proven {
            for found in proof.event.statement.header.refs.iter().filter(|found| found.origin.is_some()) {
                account.not_checked(format!(
                    "reference: {} names event {} in another log, {}",
                    proof.what(),
                    found.event_id.hex(),
                    found.origin.as_deref().unwrap_or_default()
                ));
            }
            for keyid in &proof.unknown_signers {
                account
                    .not_checked(format!("signature: of {keyid} on {}, the trust file has no such key", proof.what()));
            }
        }
    }

    /// How old the checkpoint of the update may be [V-43].
    fn age(&self, account: &mut Account) -> Result<(), Fault> {
        let Some(most) = self.trust.max_age_s else {
            account.not_checked("age: the trust file sets no limit to the age of a checkpoint");
            return Ok(());
        };
        match (self.question.now, self.update.witnessed.time) {
            (Some(now), Some(time)) if now.saturating_sub(time) > most => {
                let age = now.saturating_sub(time);
                let reason = format!(
                    "the checkpoint was complete {} and is {age} s old, the trust file bears {most} s",
                    at(time)
                );
                Err(Fault::new(Code::CheckpointStale, reason))
            }
            (Some(now), Some(time)) => {
                account.checked(format!("age: {} s, the trust file bears {most} s", now.saturating_sub(time)));
                Ok(())
            }
            // Without a quorum there is no time; the quorum is said after this.
            (_, None) if self.update.witnessed.short.is_some() => Ok(()),
            (_, None) => {
                let reason = format!("no witness says when the checkpoint was made, the trust file bears {most} s");
                Err(Fault::new(Code::CheckpointStale, reason))
            }
            (None, Some(_)) => {
                account.not_checked(format!("age: the trust file bears {most} s, and no time was given"));
                Ok(())
            }
        }
    }

    /// The release date [V-23].
    fn not_before(&self, pending: &mut Pending, account: &mut Account) {
        let Some(not_before) = self.body.not_before else { return };
        let from = at(not_before.get());
        match self.question.now {
            Some(now) if now < not_before.get() => {
                let reason = format!("not to be installed before {from}, it is {}", at(now));
                pending.wait(Fault::new(Code::UpdateNotBefore, reason));
            }
            Some(_) => account.checked(format!("time: from {from} on")),
            None => account.not_checked(format!("time: not to be installed before {from}, and no time was given")),
        }
    }

    /// Inclusion, signatures and quorum of the checkpoints; last, because time can mend it [V-13] [V-14] [V-15].
    fn quorum(&self, pending: &mut Pending, account: &mut Account) {
        let short = self.proven.iter().find_map(|proof| proof.witnessed.short.as_ref().map(|short| (proof, short)));
        if let Some((proof, short)) = short {
            pending.wait(Fault::new(short.code, format!("{}: {}", proof.what(), short.reason)));
            return;
        }
        account.checked(format!(
            "log: {} entries, each at its place in a tree that {} signed with {} keys",
            self.proven.len(),
            self.trust.origin,
            self.trust.log_keys.word()
        ));
        if self.question.pins.unwitnessed() {
            account.not_checked("witnesses: unwitnessed, the policy says `quorum none`");
            return;
        }
        let names: Vec<String> = self.update.witnessed.cosigners.iter().map(ToString::to_string).collect();
        let complete = match (self.question.now, self.update.witnessed.time) {
            (Some(now), Some(time)) => format!("{}, {} s ago", at(time), now.saturating_sub(time)),
            (None, Some(time)) => at(time),
            (_, None) => "at no known time".to_string(),
        };
        account.checked(format!("witnesses: the quorum holds by {}, complete {complete}", names.join(", ")));
    }
}

/// A time for people.
fn at(seconds: u64) -> String {
    let printed = i64::try_from(seconds).ok().and_then(|seconds| print_instant(seconds.checked_mul(1_000)?));
    match printed {
        Some(printed) => format!("{}Z", printed.trim_end_matches(".000Z")),
        None => format!("second {seconds}"),
    }
}
