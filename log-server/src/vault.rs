//! The vault: the log server's own issuer, whose heartbeats bound how long the log can have been silent (85-log.md).
//!
//! Its key lies with the log's keys, its chain goes on from the state of the log. Its events are admitted like any other.
//! Not here: the accesses that a vault logs when sealed records are read; there are none in this version.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use vitrine_spec::envelope::pae;
use vitrine_spec::json;
use vitrine_spec::key::Seed;
use vitrine_spec::state::State;
use vitrine_spec::text::b64;

use crate::admission::{Admission, NotTaken};
use crate::keys::LogKeys;
use crate::time::Time;
use crate::view::{Step, View};

/// The issuer's name, which every charter opens.
pub const VAULT: &str = "vault";

/// Pause after a heartbeat that was not taken.
const RETRY: Duration = Duration::from_secs(30);
/// Longest pause between two looks at the clock: a suspended machine must not sleep past its heartbeat.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the vault has to say next, by the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A heartbeat in so many seconds; 0 is now.
    Heartbeat(u64),
    /// Nothing, for this reason.
    Nothing(String),
}

/// When the next heartbeat is due: in half the interval that the charter promises after the last event of the chain,
/// and at once in the first look of a run [S-21].
pub fn next(state: &State, vault: &str, first: bool, now: Time) -> Next {
    let Some(issuer) = state.issuer(VAULT) else {
        return Next::Nothing("this log's charter opens no vault".to_owned());
    };
    if !issuer.open || issuer.vkey.to_string() != vault {
        return Next::Nothing(format!(
            "the charter in force names the vault key {}, the key folder holds {vault}",
            issuer.vkey
        ));
    }
    let Some(interval) = issuer.heartbeat_s else {
        return Next::Nothing("the charter in force asks for no heartbeats".to_owned());
    };
    let last = issuer.last.map(|last| last.recorded.get());
    match last {
        Some(last) if !first => Next::Heartbeat((last + interval / 2).saturating_sub(now.get())),
        Some(_) | None => Next::Heartbeat(0),
    }
}

/// The submission of a heartbeat: everything that the vault knows of up to `now` stands before it.
///
/// `None` when the state has no vault.
pub fn heartbeat(state: &State, origin: &str, seed: &Seed, now: Time) -> Option<Vec<u8>> {
    let issuer = state.issuer(VAULT)?;
    let (seq, prev) = match &issuer.last {
        Some(last) => (last.seq + 1, last.event_id.to_string()),
        None => (1, "0".repeat(64)),
    };
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": prev}}],
        "predicateType": "https://vitrine.example/heartbeat/v0",
        "predicate": {
            "hdr": {
                "origin": origin,
                "issuer": VAULT,
                "epoch": issuer.epoch,
                "seq": seq,
                "prev": prev,
                "recorded": now.get(),
            },
            "body": {"to": now.get()},
        },
    });
    sign(&statement, seed)
}

/// Signs a statement as its only signer and prints the submission.
fn sign(statement: &serde_json::Value, seed: &Seed) -> Option<Vec<u8>> {
    let payload = json::parse(statement.to_string().as_bytes()).ok()?.to_jcs();
    let signature = seed.sign_ed25519(&pae(&payload)).ok()?;
    let submission = json!({
        "envelope": {
            "payloadType": "application/vnd.in-toto+json",
            "payload": b64(&payload),
            "signatures": [{"keyid": seed.vkey().keyid(), "sig": b64(&signature)}],
        },
    });
    Some(submission.to_string().into_bytes())
}

/// Logs heartbeats until the server leaves.
pub async fn run(keys: Arc<LogKeys>, admission: Arc<Admission>, view: Arc<View>, mut leave: watch::Receiver<bool>) {
    let vault = keys.vault_vkey().to_string();
    let mut first = true;
    let mut said = String::new();
    loop {
        let pause = match admission.with_state(|state| next(state, &vault, first, Time::now())) {
            // While admission is closed a heartbeat would be refused like anything else.
            Next::Heartbeat(0) if view.closed().is_none() => {
                let (keys, admission) = (Arc::clone(&keys), Arc::clone(&admission));
                let logged = tokio::task::spawn_blocking(move || log_heartbeat(&keys, &admission)).await;
                match logged {
                    Ok(Ok(())) => {
                        first = false;
                        continue;
                    }
                    Ok(Err(why)) => tracing::error!("the vault's heartbeat was not logged: {why}"),
                    Err(error) => tracing::error!("the vault's heartbeat was not logged: {error}"),
                }
                RETRY
            }
            Next::Heartbeat(0) if view.step() == Step::Ready => RETRY,
            Next::Heartbeat(0) => Duration::from_millis(100),
            Next::Heartbeat(seconds) => Duration::from_secs(seconds).min(LOOK_EVERY),
            Next::Nothing(why) => {
                if said != why {
                    tracing::warn!("no heartbeats: {why}");
                    said = why;
                }
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = leave.wait_for(|left| *left) => return,
        }
    }
}

fn log_heartbeat(keys: &LogKeys, admission: &Admission) -> Result<(), String> {
    let made = admission.with_state(|state| heartbeat(state, keys.origin().as_str(), keys.vault(), Time::now()));
    let submission = made.ok_or("this log has no vault")?;
    match admission.submit(&submission) {
        Ok(_) => Ok(()),
        Err(NotTaken::Refused(refusal)) => Err(format!("{}: {refusal}", refusal.code())),
        Err(NotTaken::Failed(cause)) => Err(cause),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use crate::fake::{Actor, ORIGIN, charter};
    use crate::fold;
    use vitrine_spec::admission::{self, Facts};
    use vitrine_spec::checkpoint::Origin;

    const DAY: u64 = 86_400;

    /// The state after the charter.
    fn begun(keys: &LogKeys) -> State {
        let (mut operator, supervisor) = (Actor::new("operator", 40), Actor::new("supervisor", 41));
        let charter = charter(keys, &mut operator, &supervisor)["envelope"].to_string();
        let draft = admission::read_envelope(charter.as_bytes(), keys.origin()).unwrap();
        let leaf = draft.parse(&State::default()).unwrap().leaf();
        let mut state = State::default();
        fold::one(&mut state, keys.origin(), &leaf, Some(Time::now())).unwrap();
        state
    }

    /// Admits a submission as the log would.
    fn admit(state: &mut State, submission: &[u8], now: Time) {
        let event = admission::read(submission, &Origin::new(ORIGIN).unwrap()).unwrap().parse(state).unwrap();
        let keys = admission::authority(state, &event).unwrap();
        admission::check_signatures(&event, &keys).unwrap();
        let arrival = vitrine_spec::words::Time::new(now.get());
        let effects = admission::judge(state, &Facts::default(), &event, Some(arrival)).unwrap();
        state.apply(&effects);
    }

    #[test]
    fn heartbeats_come_at_the_start_and_at_half_the_interval() {
        // [S-21]
        let dir = tempfile::tempdir().unwrap();
        let keys = LogKeys::generate(dir.path(), ORIGIN, None).unwrap();
        let vault = keys.vault_vkey().to_string();
        let mut state = begun(&keys);
        let now = Time::now();
        assert_eq!(
            next(&state, &vault, false, now),
            Next::Heartbeat(0),
            "a chain without events has been silent too long"
        );
        for (at, seq) in [(now, 1), (now.plus(DAY), 2)] {
            let submission = heartbeat(&state, ORIGIN, keys.vault(), at).unwrap();
            admit(&mut state, &submission, at);
            assert_eq!(state.issuer(VAULT).unwrap().last.unwrap().seq, seq, "the chain goes on");
            assert_eq!(next(&state, &vault, true, at), Next::Heartbeat(0), "each start says that the log is there");
            assert_eq!(next(&state, &vault, false, at), Next::Heartbeat(DAY / 2));
            assert_eq!(next(&state, &vault, false, at.plus(DAY / 2 - 1)), Next::Heartbeat(1));
            assert_eq!(next(&state, &vault, false, at.plus(DAY)), Next::Heartbeat(0));
        }
    }

    #[test]
    fn a_vault_whose_key_is_not_the_charters_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let keys = LogKeys::generate(&dir.path().join("a"), ORIGIN, None).unwrap();
        let other = LogKeys::generate(&dir.path().join("b"), ORIGIN, None).unwrap();
        let other = other.vault_vkey().to_string();
        match next(&begun(&keys), &other, true, Time::now()) {
            Next::Nothing(why) => {
                assert!(why.contains(&other) && why.contains(&keys.vault_vkey().to_string()), "{why}")
            }
            Next::Heartbeat(seconds) => unreachable!("a heartbeat in {seconds} s by a key that nobody registered"),
        }
        assert!(matches!(next(&State::default(), &other, true, Time::now()), Next::Nothing(_)));
        assert_eq!(heartbeat(&State::default(), ORIGIN, keys.vault(), Time::now()), None);
    }
}
