//! Attachments on a simulated disk: every step of put, naming and sweeping fails in turn, both ways, and power is lost after
//! each (spec/docs/85-log.md, "Attachments").
//!
//! Whatever happens, what was answered as stored is there with its bytes, an attachment that nobody names is counted for
//! whoever put it, and nothing is left that no record tells of. Not here: the log itself (`faults`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests")]

#[path = "faults/disk.rs"]
mod disk;

use std::sync::Arc;

use vitrine_log_server::attachments::{Attachments, Named};
use vitrine_log_server::layout;
use vitrine_log_server::limits::ATTACHMENT_KEPT_SECONDS;
use vitrine_log_server::open::delete_temporary;
use vitrine_log_server::store::{Files, Store};
use vitrine_log_server::time::Time;
use vitrine_spec::hash::Hash;
use vitrine_spec::request::AttachRequest;
use vitrine_spec::words;

use disk::{Fate, Loss, SimDisk};

const TEXTS: [&[u8]; 3] = [b"the first document", b"the second one", b""];

fn request(bytes: &[u8]) -> AttachRequest {
    AttachRequest {
        origin: "example.org/log".to_owned(),
        sha256: Hash::of(bytes),
        size: bytes.len() as u64,
        media_type: "text/plain".to_owned(),
        issuer: words::Name::new("farm").unwrap(),
        expires: words::Time::new(0),
    }
}

/// The attachments of a disk, as a server opens them.
fn open(disk: &SimDisk) -> Option<Arc<Attachments>> {
    let store: Arc<dyn Store> = Arc::new(Files::new(disk.clone()));
    delete_temporary(&*store).ok()?;
    Some(Arc::new(Attachments::open(store, 0, |_| {}).ok()?))
}

fn put(attachments: &Arc<Attachments>, bytes: &[u8]) -> Option<bool> {
    let mut putting = attachments.begin(request(bytes), Time::new(1_000)).ok()?;
    for piece in bytes.chunks(7) {
        putting.add(piece).ok()?;
    }
    putting.end(Time::new(1_000)).ok()
}

/// Puts three, the first of which is then named, and sweeps the others a day later: what was answered, and what was told.
#[derive(Default)]
struct Done {
    stored: Vec<usize>,
    named: bool,
    swept: bool,
}

fn story(disk: &SimDisk) -> Done {
    let mut done = Done::default();
    let Some(attachments) = open(disk) else { return done };
    for (number, text) in TEXTS.iter().enumerate() {
        if put(&attachments, text).is_none() {
            return done;
        }
        done.stored.push(number);
    }
    if attachments.named(&[Hash::of(TEXTS[0])]).is_err() {
        return done;
    }
    done.named = true;
    let due = Time::new(1_000 + ATTACHMENT_KEPT_SECONDS);
    done.swept = attachments.sweep(due, named).is_ok();
    done
}

fn named(sha256: &Hash) -> Result<Named, String> {
    Ok(if *sha256 == Hash::of(TEXTS[0]) { Named::Published } else { Named::Nobody })
}

/// What must hold after any stop.
fn check(disk: &SimDisk, done: &Done, what: &str) {
    disk.restart();
    let attachments = open(disk).unwrap_or_else(|| panic!("{what}: it does not open"));
    for number in &done.stored {
        let sha256 = Hash::of(TEXTS[*number]);
        let size = attachments.size(&sha256).unwrap();
        // The sweep may have begun as soon as the first was named.
        let here = *number == 0 || !done.named;
        if here {
            assert_eq!(size, Some(TEXTS[*number].len() as u64), "{what}: document {number} was answered as stored");
        }
        if size.is_some() {
            let bytes = attachments.piece(&sha256, 0).unwrap().unwrap();
            assert_eq!(bytes, TEXTS[*number], "{what}: document {number}");
        }
    }
    // Whatever is here is named, or counted for its issuer, and a sweep takes all that is not named.
    let due = Time::new(1_000 + ATTACHMENT_KEPT_SECONDS);
    attachments.sweep(due, named).unwrap();
    assert_eq!(attachments.waiting(), (0, 0), "{what}");
    let first = layout::attachment(&Hash::of(TEXTS[0]));
    let left: Vec<String> = disk.files().into_keys().filter(|path| *path != first).collect();
    assert_eq!(left, Vec::<String>::new(), "{what}: left behind");
}

#[test]
fn a_step_that_fails_loses_nothing_that_was_answered() {
    // [S-40] [S-42]
    let clean = SimDisk::new();
    let done = story(&clean);
    assert!(done.stored == [0, 1, 2] && done.named && done.swept);
    let steps = clean.steps();
    check(&clean, &done, "without a fault");
    assert!(steps.len() > 30, "{} steps", steps.len());
    for (number, step) in steps.iter().enumerate() {
        let dice = (0..16).map(|dice| Fate::Power(Loss::Some(number as u64 * 16 + dice)));
        let plain = [Fate::Lost, Fate::Kept, Fate::Power(Loss::All), Fate::Power(Loss::Bytes)];
        for fate in plain.into_iter().chain(dice) {
            let disk = SimDisk::new();
            disk.fail_at(number, fate);
            let done = story(&disk);
            assert!(disk.fired(), "step {number} did not come");
            check(&disk, &done, &format!("step {number}, {} {}, {fate:?}", step.name, step.path));
        }
    }
}

#[test]
fn power_may_be_lost_again_right_after_a_start() {
    // [S-40]
    let clean = SimDisk::new();
    story(&clean);
    for number in 0..clean.steps().len() {
        let disk = SimDisk::new();
        disk.fail_at(number, Fate::Lost);
        let mut done = story(&disk);
        disk.restart();
        // A server that was killed there, and one that opens what it left and answers that it is here.
        let Some(attachments) = open(&disk) else { panic!("step {number}") };
        for (text, bytes) in TEXTS.iter().enumerate() {
            if put(&attachments, bytes).is_some() && !done.stored.contains(&text) {
                done.stored.push(text);
            }
        }
        disk.lose_power(Loss::All);
        done.named = false;
        check(&disk, &done, &format!("step {number}"));
    }
}
