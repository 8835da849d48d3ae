//! Events that are none, of another log, wrongly signed, or of somebody whom the trust file does not know; charters.
//!
//! Not here: what an event says for or against the update.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::world::{BYTES, Key, World, issuer, sha256, source, subject};
use super::release::{
    DATA, Release, about, build, bundle, bundle_with, charter, checkpoint, log, second_charter, short, signed, update,
    witness,
};
use super::shape::spaced;
use super::trust::{Line, Trust};
use super::{Case, Drill};

pub(super) fn cases(drill: &mut Drill, release: &Release) {
    leaves(drill, release);
    signatures(drill, release);
    issuers(drill, release);
    charters(drill, release);
    several(drill, release);
    development(drill);
}

fn leaves(drill: &mut Drill, release: &Release) {
    let respelled = release.world.with_leaf(release.update, spaced(release));
    drill.bundle("logged-in-another-spelling", short(&respelled, &release.plain()));
    let mut strange = release.world.clone();
    let raw = strange.raw(b"{}".to_vec());
    drill.bundle("no-event", short(&strange, &[release.plain(), vec![raw]].concat()));
    let mut later = release.world.clone();
    let unknown = later.event("release", "greeting", json!([subject("app.bin", BYTES)]), json!({}), json!({}));
    drill.bundle("unknown-type", short(&later, &[release.plain(), vec![unknown]].concat()));
    let mut foreign = release.world.clone();
    let other = update(&mut foreign, &release.builds, |_, _, header| header["origin"] = json!("log.example/another"));
    drill.bundle("event-of-another-log", short(&foreign, &[release.builds.as_slice(), &[other]].concat()));
    for (name, code, shows) in [
        ("logged-in-another-spelling", "event.malformed", "the log holds the update in a spelling that is none"),
        ("no-event", "event.malformed", "an entry that is no event"),
        ("unknown-type", "event.unknown", "an event of a type that nobody defines"),
        ("event-of-another-log", "event.origin", "an update that was signed for another log"),
    ] {
        drill.case(Case::plain(name, code, shows).bundle(name));
    }
}

fn signatures(drill: &mut Drill, release: &Release) {
    let envelope: Value = serde_json::from_slice(&release.world.leaves[release.update]).unwrap_or_default();
    let own = envelope["signatures"][0].clone();
    let by = |key: &Key, sig: Value| json!({"keyid": key.keyid(), "sig": sig});
    let (farm, release_key) = (issuer("farm"), issuer("release"));
    for (name, code, signatures, shows) in [
        (
            "two-signers",
            "event.signers",
            json!([by(&farm, own["sig"].clone()), own]),
            "somebody signed who was not asked to",
        ),
        (
            "signed-by-another",
            "event.signers",
            json!([by(&farm, own["sig"].clone())]),
            "the key of another issuer signed",
        ),
        (
            "wrong-signature",
            "event.signature",
            json!([by(&release_key, json!(STANDARD.encode([7; 64])))]),
            "the signature does not verify",
        ),
    ] {
        let mut changed = release.world.clone();
        let mut leaf = envelope.clone();
        leaf["signatures"] = signatures;
        changed.leaves[release.update] = serde_json_canonicalizer::to_vec(&leaf).unwrap_or_default();
        drill.bundle(name, bundle(&changed, &release.plain()));
        drill.case(Case::plain(name, code, shows).bundle(name));
    }
    let mut lacking = release.world.clone();
    let cosigners = json!([issuer("supervisor").keyid()]);
    let without = update(&mut lacking, &release.builds, |_, _, header| header["cosigners"] = cosigners);
    drill.bundle("cosigner-missing", bundle(&lacking, &[release.builds.as_slice(), &[without]].concat()));
    drill.case(
        Case::plain("cosigner-missing", "event.signers", "the cosigner that the update names did not sign")
            .bundle("cosigner-missing"),
    );
}

fn issuers(drill: &mut Drill, release: &Release) {
    let change = |change: &dyn Fn(&mut Trust)| {
        let mut trust = Trust::plain();
        change(&mut trust);
        trust
    };
    let line = |name: &'static str, change: &dyn Fn(&mut Line)| {
        let mut trust = Trust::plain();
        trust.line(name).into_iter().for_each(change);
        trust
    };
    let update = release.update;
    let pins = [
        (
            "release-unknown",
            "issuer.unknown",
            change(&|trust| {
                trust.issuers[0].name = "publisher";
                trust.issuers[0].key = "publisher";
                trust.stream.2 = "publisher";
            }),
            "the trust file does not name the update's issuer",
        ),
        (
            "release-next-epoch",
            "issuer.unknown",
            line("release", &|line| line.epoch = 2),
            "another epoch of the issuer",
        ),
        (
            "release-may-not",
            "issuer.type",
            change(&|trust| {
                trust.issuers[0].types = "\"build\"";
                trust.issuers[1].types = "\"build\", \"update\"";
                trust.stream.2 = "farm";
            }),
            "the trust file does not let the issuer release",
        ),
        (
            "farm-may-not",
            "issuer.type",
            line("farm", &|line| line.types = "\"incident\""),
            "the trust file takes no build of the farm",
        ),
        (
            "disowned",
            "issuer.disowned",
            line("release", &|line| line.more = format!("until = {update}\n")),
            "the update was logged at its key's `until`",
        ),
        (
            "before-disowned",
            "verified",
            line("release", &|line| line.more = format!("until = {}\n", update + 1)),
            "the update was logged just before its key's `until`",
        ),
        (
            "farm-disowned",
            "issuer.disowned",
            line("farm", &|line| line.more = format!("until = {}\n", release.builds[1])),
            "the second build was logged at its key's `until`",
        ),
        (
            "another-channel",
            "stream.unknown",
            change(&|trust| trust.stream.1 = "beta"),
            "the trust file takes another channel",
        ),
        (
            "another-holder",
            "stream.issuer",
            change(&|trust| {
                trust.issuers[1].types = "\"build\", \"update\"";
                trust.stream.2 = "farm";
            }),
            "the stream belongs to another issuer",
        ),
    ];
    for (name, code, trust, shows) in pins {
        drill.trust(name, &trust);
        drill.case(Case::plain(name, code, shows).trust(name));
    }
}

fn charters(drill: &mut Drill, release: &Release) {
    let with = |change: &dyn Fn(&mut Trust)| {
        let mut trust = release.trust();
        change(&mut trust);
        trust
    };
    drill.trust("charter-three", &with(&|trust| trust.top = trust.top.replacen("= 2", "= 3", 1)));
    drill.trust("charter-of-another", &with(&|trust| trust.charter = "1".repeat(64)));
    drill.case(
        Case::new("charter-too-old", "charter.version", "the trust file asks for version 3, version 2 was shown")
            .trust("charter-three"),
    );
    drill.case(
        Case::new("charter-not-shown", "charter.version", "version 2 is asked for, no charter was shown")
            .bundle("plain"),
    );
    drill.case(
        Case::new("charter-not-pinned", "charter", "the first charter is not the pinned one")
            .trust("charter-of-another"),
    );
    let pinned = Trust { charter: release.fingerprint(), ..Trust::plain() };
    drill.trust("pinned", &pinned);
    let apart: Vec<usize> = [&release.charters[1..], &release.plain()].concat();
    drill.bundle("charter-apart", bundle(&release.world, &apart));
    drill.case(
        Case::plain("charter-apart", "verified", "version 2 without version 1 is not followed, and not needed here")
            .trust("pinned")
            .bundle("charter-apart"),
    );
    let mut other = pinned.clone();
    other.issuers.push(Line { epoch: 2, key: "stranger", ..other.issuers[5].clone() });
    drill.trust("supervisor-of-another-key", &other);
    drill.case(
        Case::plain(
            "charter-of-another-key",
            "charter",
            "charter 2 gives the supervisor another key than the trust file",
        )
        .trust("supervisor-of-another-key")
        .bundle("verdict-of-a-followed-key"),
    );
    for (name, signers, shows) in [
        ("charter-without-supervisor", &["supervisor-two"][..], "the supervisor of version 1 did not sign version 2"),
        ("charter-without-new-key", &["supervisor"][..], "the supervisor's new key did not sign version 2"),
    ] {
        let mut world = release.world.clone();
        let second = second_charter(&mut world, release.charters[0], signers);
        drill.bundle(name, short(&world, &[&release.charters[..1], &[second], &release.plain()].concat()));
        drill.case(Case::plain(name, "charter", shows).trust("pinned").bundle(name));
    }
    for (name, code, cosigner, shows) in [
        ("charter-wrongly-cosigned", "event.signature", "farm", "an issuer's signature under version 2 is wrong"),
        ("charter-cosigned-by-a-stranger", "verified", "stranger", "nobody here knows who else signed version 2"),
    ] {
        let mut world = release.world.clone();
        let second = second_charter(&mut world, release.charters[0], &["supervisor", "supervisor-two", cosigner]);
        let mut leaf: Value = serde_json::from_slice(&world.leaves[second]).unwrap_or_default();
        for signature in leaf["signatures"].as_array_mut().into_iter().flatten() {
            if signature["keyid"] == issuer(cosigner).keyid() {
                signature["sig"] = json!(STANDARD.encode([7; 64]));
            }
        }
        world.leaves[second] = serde_json_canonicalizer::to_vec(&leaf).unwrap_or_default();
        drill.bundle(name, bundle(&world, &[&release.charters[..1], &[second], &release.plain()].concat()));
        drill.case(Case::plain(name, code, shows).trust("pinned").bundle(name));
    }
}

/// One file in several updates, and two charters that follow the same one.
fn several(drill: &mut Drill, release: &Release) {
    let mut world = release.world.clone();
    let next = update(&mut world, &release.builds, |_, body, _| body["release_seq"] = json!(8));
    let beta = update(&mut world, &release.builds, |_, body, _| body["channel"] = json!("beta"));
    drill.bundle("released-again", bundle(&world, &[&release.plain()[..], &[next, beta]].concat()));
    drill.trust("from-release-eight", &Trust::asking("min_release_seq = 8\n"));
    drill.case(
        Case::plain(
            "released-again",
            "verified",
            "of several updates of a file the newest of a stream that is taken is judged",
        )
        .trust("from-release-eight")
        .bundle("released-again"),
    );
    let mut world = release.world.clone();
    let silent = json!([subject("app.bin", BYTES)]);
    let body = json!({"outcome": "identical", "independence": "third-party", "source": source()});
    let silent = world.event("rebuilder-one", "rebuild", silent, body, json!({}));
    drill.bundle("identical-without-a-file", short(&world, &[&release.plain()[..], &[silent]].concat()));
    drill.case(
        Case::plain(
            "identical-without-a-file",
            "event.malformed",
            "a rebuild says identical and names no file that it produced",
        )
        .bundle("identical-without-a-file"),
    );
    let mut world = release.world.clone();
    let second =
        update(&mut world, &release.builds, |files, _, _| files[0]["digest"]["sha256"] = json!(sha256(b"another")));
    let refs = json!({"refs": [{"rel": "revokes", "event_id": world.id(release.update)}]});
    let files = json!([subject("app.bin", BYTES), subject("app.dat", DATA)]);
    let revoke = world.event("release", "update-revoke", files, json!({"reason": "security"}), refs);
    drill.bundle("revoked-after-a-second-digest", short(&world, &[&release.plain()[..], &[second, revoke]].concat()));
    drill.case(
        Case::plain(
            "revoked-after-a-second-digest",
            "update.revoked",
            "of two things said against it the revocation is named",
        )
        .bundle("revoked-after-a-second-digest"),
    );
    let mut world = release.world.clone();
    let twin = second_charter(&mut world, release.charters[0], &["supervisor", "supervisor-two"]);
    drill.bundle("charter-twice", short(&world, &[&release.charters[..], &[twin], &release.plain()].concat()));
    drill.case(
        Case::plain("charter-twice", "charter", "two charters follow version 1, rightly signed both")
            .trust("pinned")
            .bundle("charter-twice"),
    );
}

/// A log whose origin says that its keys are nobody's.
fn development(drill: &mut Drill) {
    let origin = "dev.example/log";
    let mut world = World::default();
    let here = json!({"origin": origin});
    let first = world.event("operator", "charter", about(origin), charter(origin), here);
    let builds = [("app.bin", BYTES), ("app.dat", DATA)].map(|(name, bytes)| build(&mut world, origin, name, bytes));
    let update = update(&mut world, &builds, |_, _, header| header["origin"] = json!(origin));
    let text = checkpoint(&world, origin);
    let note = signed(&text, &[log(origin), witness(1), witness(3)].concat());
    drill.bundle("development", bundle_with(&world, &[first, builds[0], builds[1], update], &note));
    drill.trust("development", &Trust { origin, charter: world.id(first), ..Trust::plain() });
    drill.case(
        Case::plain("development", "verified", "a development log, which the verdict must call one")
            .trust("development")
            .bundle("development"),
    );
}
