//! A small log for the tests of admission: events are made as JSON, signed, judged on arrival, and folded from their leaves.
//!
//! Every event logged is taken both ways, and the two must agree. Not here: trees and checkpoints.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::prelude::v1::*;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use std::{format, vec};

use serde_json::{Value as Json, json};

use crate::admission::{self, Facts, Logged, Query};
use crate::body::tests::{self as bodies, ORIGIN, digest};
use crate::checkpoint::Origin;
use crate::envelope::{Envelope, EventId, Submission, pae};
use crate::event::Event;
use crate::hash::Hash;
use crate::key::{KeyKind, Vkey};
use crate::refusal::Refusal;
use crate::state::{Effects, State};
use crate::tree::LeafIndex;
use crate::words::{Name, Time};

pub(super) const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// When everything is recorded and arrives, unless a test says otherwise: a full hour and a second.
pub(super) const NOW: u64 = 1_800_000_001;

pub(super) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Makes one thing wrong.
pub(super) type Spoil = fn(&mut Made);

/// An event in the making. `signers` are names of seeds, the issuer's first; the others become `hdr.cosigners`.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) statement: Json,
    pub(super) signers: Vec<String>,
    /// A signer that hands in another message's signature.
    pub(super) liar: Option<String>,
    /// A blank after the first brace of the payload.
    pub(super) spaced: bool,
    pub(super) sealed: Option<Vec<u8>>,
}

impl Made {
    pub(super) fn hdr(&mut self) -> &mut Json {
        &mut self.statement["predicate"]["hdr"]
    }

    pub(super) fn body(&mut self) -> &mut Json {
        &mut self.statement["predicate"]["body"]
    }

    pub(super) fn subject(&mut self) -> &mut Json {
        &mut self.statement["subject"]
    }

    pub(super) fn drop_hdr(&mut self, member: &str) {
        self.hdr().as_object_mut().unwrap().remove(member).unwrap();
    }

    /// The reference `rel` to an event, in its place of the order.
    pub(super) fn refer(&mut self, rel: &str, to: EventId) {
        let refs = &mut self.hdr()["refs"];
        if refs.is_null() {
            *refs = json!([]);
        }
        let refs = refs.as_array_mut().unwrap();
        refs.push(json!({ "rel": rel, "event_id": to.hex() }));
        refs.sort_by_key(|found| (found["rel"].to_string(), found["event_id"].to_string()));
    }

    /// The subject of data rules. `serde_json` prints what these bodies hold as JCS does.
    pub(super) fn subject_of_body(&mut self) {
        let digest = Hash::of(self.body().to_string().as_bytes()).hex();
        *self.subject() = json!([{ "digest": { "sha256": digest } }]);
    }

    fn keyids(&self) -> Vec<String> {
        let mut keyids: Vec<String> =
            self.signers.iter().map(|signer| bodies::seed(signer, KeyKind::Ed25519).vkey().keyid()).collect();
        keyids[1..].sort();
        keyids
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        let mut statement = self.statement.clone();
        let hdr = &mut statement["predicate"]["hdr"];
        if self.signers.len() > 1 && hdr["cosigners"].is_null() {
            hdr["cosigners"] = json!(self.keyids()[1..]);
        } else if hdr["cosigners"].is_null() {
            hdr.as_object_mut().unwrap().remove("cosigners");
        }
        let mut payload = statement.to_string();
        if self.spaced {
            payload.insert(1, ' ');
        }
        payload.into_bytes()
    }

    pub(super) fn envelope(&self) -> Envelope {
        let payload = self.payload();
        let message = pae(&payload);
        let mut envelope = Envelope { payload, signatures: Vec::new() };
        for signer in &self.signers {
            let seed = bodies::seed(signer, KeyKind::Ed25519);
            let signed = if self.liar.as_ref() == Some(signer) { &b"another message"[..] } else { &message };
            envelope.add(seed.vkey().keyid(), seed.sign_ed25519(signed).unwrap());
        }
        envelope
    }

    pub(super) fn submission(&self) -> Vec<u8> {
        Submission { envelope: self.envelope(), sealed: self.sealed.clone() }.print()
    }
}

/// The log: state, what a look-up finds, and the records that an index would hold.
#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) state: State,
    pub(super) events: Vec<Logged>,
    /// Each current signing seed, by issuer.
    pub(super) keys: BTreeMap<String, String>,
    pub(super) attachments: BTreeMap<Hash, u64>,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl World {
    /// A charter and three issuers.
    pub(super) fn new() -> World {
        let mut world = World::chartered();
        for (issuer, body) in [
            ("farm", bodies::open_farm("farm-1")),
            ("release", bodies::open_release("release-1")),
            ("rebuilder", bodies::open_rebuilder("rebuilder-1")),
        ] {
            let open = world.opening(issuer, &format!("{issuer}-1"), body);
            world.log(&open);
        }
        world
    }

    /// Nothing logged, and the keys of the three roles.
    pub(super) fn empty() -> World {
        let keys = ["operator", "supervisor", "vault"].map(|role| (role.to_string(), format!("{role}-1")));
        World { keys: keys.into(), ..World::default() }
    }

    /// A charter alone.
    pub(super) fn chartered() -> World {
        let mut world = World::empty();
        let charter = world.first_charter();
        world.log(&charter);
        world
    }

    pub(super) fn first_charter(&self) -> Made {
        let mut made = self.made("charter", "operator", bodies::charter());
        made.signers = vec!["operator-1".into(), "supervisor-1".into()];
        *made.subject() = json!([{ "digest": { "sha256": Hash::of(ORIGIN.as_bytes()).hex() } }]);
        made
    }

    /// The next charter, signed by operator and supervisor, with nothing changed.
    pub(super) fn next_charter(&self) -> Made {
        let in_force = self.state.charter.as_ref().unwrap();
        let mut made = self.first_charter();
        made.body()["version"] = json!(in_force.charter.version + 1);
        made.body()["prev"] = json!(in_force.id.hex());
        made.signers = vec![self.keys["operator"].clone(), self.keys["supervisor"].clone()];
        made
    }

    /// An event of `issuer` at its next place, with a subject of one digest.
    pub(super) fn made(&self, kind: &str, issuer: &str, body: Json) -> Made {
        let epoch = self.state.epoch(&name(issuer)).map_or(1, |(epoch, _)| epoch);
        let mut hdr = json!({ "origin": ORIGIN, "issuer": issuer, "epoch": epoch, "recorded": NOW });
        if ["build", "rebuild", "code-review", "verdict"].contains(&kind) {
            hdr["nonce"] = json!("0123456789abcdef0123456789abcdef");
        } else {
            let last = self.state.chain(&name(issuer), epoch).last;
            hdr["seq"] = json!(last.map_or(1, |last| last.seq + 1));
            hdr["prev"] = json!(last.map_or(ZEROS.into(), |last| last.event_id.hex()));
        }
        if let Some(site) = self.state.issuer(issuer).and_then(|view| view.sites.first().cloned()) {
            hdr["site"] = json!(site);
        }
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": digest(1) } }],
            "predicateType": format!("https://vitrine.example/{kind}/v0"),
            "predicate": { "hdr": hdr, "body": body },
        });
        let signers = vec![self.keys.get(issuer).cloned().unwrap_or_else(|| format!("{issuer}-1"))];
        Made { statement, signers, liar: None, spaced: false, sealed: None }
    }

    /// An opening of `issuer` with the seed `key`, signed by it and the operator.
    pub(super) fn opening(&self, issuer: &str, key: &str, body: Json) -> Made {
        let mut made = self.made("issuer-open", issuer, body);
        let epoch = self.state.epoch(&name(issuer)).map_or(1, |(epoch, _)| epoch + 1);
        let hdr = made.hdr();
        (hdr["epoch"], hdr["seq"], hdr["prev"]) = (json!(epoch), json!(1), json!(ZEROS));
        if let Some(site) = made.body()["sites"].get(0).cloned() {
            made.hdr()["site"] = site;
        } else {
            made.hdr().as_object_mut().unwrap().remove("site");
        }
        let public = bodies::seed(key, KeyKind::Ed25519).vkey();
        *made.subject() = json!([{ "digest": { "sha256": Hash::of(public.public()).hex() } }]);
        made.signers = vec![key.into(), self.keys["operator"].clone()];
        made
    }

    pub(super) fn closing(&self, issuer: &str, last: &Event) -> Made {
        let mut body = bodies::close();
        let (epoch, opened) = self.state.epoch(&name(issuer)).unwrap();
        body["issuer"] = json!(issuer);
        body["epoch"] = json!(epoch);
        body["last"] = named(last);
        let mut made = self.made("issuer-close", "operator", body);
        *made.subject() = json!([{ "digest": { "sha256": Hash::of(opened.vkey.public()).hex() } }]);
        made
    }

    pub(super) fn heartbeat(&self, issuer: &str) -> Made {
        let mut made = self.made("heartbeat", issuer, json!({ "to": NOW }));
        let prev = made.hdr()["prev"].clone();
        *made.subject() = json!([{ "digest": { "sha256": prev } }]);
        made
    }

    /// A build of the file `app` with digest 1 and `lib` with digest 2.
    pub(super) fn build(&self) -> Made {
        let mut made = self.made("build", "farm", bodies::build());
        *made.subject() = json!([
            { "name": "app", "digest": { "sha256": digest(1) } },
            { "name": "lib", "digest": { "sha256": digest(2) } },
        ]);
        made
    }

    pub(super) fn rebuild(&self, build: EventId) -> Made {
        let mut made = self.made("rebuild", "rebuilder", bodies::rebuild());
        *made.subject() =
            json!([{ "name": "app", "digest": { "sha256": digest(1) }, "annotations": { "produced": digest(1) } }]);
        made.refer("reproduces", build);
        made
    }

    pub(super) fn update(&self, build: EventId) -> Made {
        let mut made = self.made("update", "release", bodies::update());
        made.body()["release_seq"] = json!(self.state.last_release("app", &name("stable")) + 1);
        *made.subject() = json!([{ "name": "app", "digest": { "sha256": digest(1) }, "annotations": { "size": 3 } }]);
        made.refer("releases", build);
        made
    }

    pub(super) fn revoke(&self, update: EventId) -> Made {
        let mut made = self.made("update-revoke", "release", bodies::revoke());
        *made.subject() = json!([{ "name": "app", "digest": { "sha256": digest(1) } }]);
        made.refer("revokes", update);
        made
    }

    pub(super) fn review(&self) -> Made {
        let mut made = self.made("code-review", "supervisor", bodies::review());
        made.signers.push(self.keys["operator"].clone());
        made
    }

    pub(super) fn incident(&self, issuer: &str) -> Made {
        self.made("incident", issuer, bodies::incident())
    }

    /// A verdict of the supervisor on the file `app` of an update.
    pub(super) fn verdict(&self, update: EventId) -> Made {
        let mut made = self.made("verdict", "supervisor", bodies::verdict());
        made.refer("about", update);
        made
    }

    /// The next version of the data rules, signed by operator and supervisor.
    pub(super) fn rules(&self) -> Made {
        let mut made = self.made("rules", "operator", bodies::rules());
        made.body()["version"] = json!(self.state.rules.as_ref().map_or(1, |newest| newest.version + 1));
        made.signers.push(self.keys["supervisor"].clone());
        made.subject_of_body();
        made
    }

    /// A correction of an event by `issuer`.
    pub(super) fn correction(&self, issuer: &str, of: EventId) -> Made {
        let mut made = self.made("correction", issuer, bodies::correction());
        *made.subject() = json!([{ "digest": { "sha256": of.hex() } }]);
        made.refer("corrects", of);
        made
    }

    pub(super) fn look(&self, query: &Query) -> Option<Logged> {
        let found = self.events.iter().find(|logged| match query {
            Query::Id(id) => logged.event.id == *id,
            Query::At(issuer, epoch, seq) => {
                let place = logged.event.statement.header.place();
                place.is_some_and(|p| p.issuer == *issuer && p.epoch == *epoch && p.seq == *seq)
            }
            Query::Attachment(_) => false,
        });
        found.cloned()
    }

    pub(super) fn facts(&self, event: &Event) -> Facts {
        let mut facts = Facts::default();
        for query in admission::plan(event) {
            if let Query::Attachment(sha256) = &query
                && let Some(size) = self.attachments.get(sha256)
            {
                facts.insert_attachment(*sha256, *size);
            }
            let found = self.look(&query);
            facts.insert(query, found);
        }
        facts
    }

    /// What a server does with a submission, up to the effects.
    pub(super) fn submit(&self, submission: &[u8], now: u64) -> Result<(Event, Effects), Refusal> {
        let event = admission::read(submission, &origin())?.parse(&self.state)?;
        let facts = self.facts(&event);
        assert_eq!(admission::duplicate(&facts, &event), None);
        let keys: Vec<Vkey> = admission::authority(&self.state, &event)?;
        admission::check_signatures(&event, &keys)?;
        let effects = admission::judge(&self.state, &facts, &event, Some(Time::new(now)))?;
        Ok((event, effects))
    }

    /// The code of the refusal, or `ok`.
    pub(super) fn code(&self, made: &Made) -> &'static str {
        self.submit(&made.submission(), NOW).map_or_else(|refusal| refusal.code(), |_| "ok")
    }

    /// The refusal in words.
    pub(super) fn refusal(&self, made: &Made) -> Refusal {
        self.submit(&made.submission(), NOW).unwrap_err()
    }

    /// Logs an event: judged on arrival, folded from its leaf; both give one state, and so do the records.
    pub(super) fn log(&mut self, made: &Made) -> Arc<Event> {
        let (event, effects) = self.submit(&made.submission(), NOW).unwrap();
        let mut by_arrival = self.state.clone();
        by_arrival.apply(&effects);
        let leaf = event.leaf();
        let mut folded = self.state.clone();
        let event = admission::fold(&mut folded, &leaf, &origin(), |query| self.look(query)).unwrap();
        assert_eq!(folded, by_arrival);
        assert_eq!(event.leaf(), leaf);
        self.records.extend(effects.touched(&folded));
        assert_eq!(folded.records().into_iter().collect::<BTreeMap<_, _>>(), self.records);
        assert_eq!(State::from_records(self.records.clone()).unwrap(), folded);
        let index = LeafIndex::new(self.state.size.get());
        self.events.push(Logged { index, event: Arc::clone(&event) });
        self.state = folded;
        event
    }

    /// Each fault alone is refused with its code, the event without one is taken.
    pub(super) fn faults(&self, good: &Made, faults: &[(&str, Spoil, &str)]) {
        for (what, spoil, want) in faults {
            let mut made = good.clone();
            spoil(&mut made);
            assert_eq!(self.code(&made), *want, "{what}");
        }
        let taken = self.submit(&good.submission(), NOW);
        assert!(taken.is_ok(), "{:?}", taken.err());
    }

    /// Entries of an epoch that were disowned.
    pub(super) fn disowned(&self) -> Vec<u64> {
        let disowned = |logged: &&Logged| {
            let header = &logged.event.statement.header;
            self.state.disowned(&header.issuer, header.epoch, logged.index)
        };
        self.events.iter().filter(disowned).map(|logged| logged.index.get()).collect()
    }
}

/// `{seq, event_id}` of a chained event.
pub(super) fn named(event: &Event) -> Json {
    json!({ "seq": event.statement.header.seq.unwrap(), "event_id": event.id.hex() })
}
