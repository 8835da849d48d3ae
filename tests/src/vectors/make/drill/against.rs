//! What was said against the update, in the bundle or to a watch.
//!
//! Not here: verdicts that say FAILED (`asked`).

use serde_json::{Value, json};

use super::super::world::{BYTES, PURL, World, sha256, source, subject};
use super::release::{Release, bundle, rebuild, short, update};
use super::trust::Trust;
use super::{Case, Drill};

pub(super) fn cases(drill: &mut Drill, release: &Release) {
    in_the_bundle(drill, release);
    beside(drill, release);
    by_the_watch(drill, release);
}

fn in_the_bundle(drill: &mut Drill, release: &Release) {
    let with = |more: &dyn Fn(&mut World) -> usize| {
        let mut world = release.world.clone();
        let more = more(&mut world);
        (bundle(&world, &[release.plain(), vec![more]].concat()), more)
    };
    let (revoked, _) = with(&|world| {
        let refs = json!([{"rel": "revokes", "event_id": world.id(release.update)}]);
        let files = json!([subject("app.bin", BYTES), subject("app.dat", super::release::DATA)]);
        world.event("release", "update-revoke", files, json!({"reason": "security"}), json!({"refs": refs}))
    });
    let targeted = |files: &mut Value| {
        files[0]["digest"]["sha256"] = json!(sha256(b"for you alone"));
        files[0]["annotations"] = json!({"size": 13});
    };
    let (second, index) = with(&|world| update(world, &release.builds, |files, _, _| targeted(files)));
    let (different, _) = with(&|world| rebuild(world, "rebuilder-two", "third-party", "different"));
    let (stranger, _) = with(&|world| {
        let mut file = subject("app.bin", BYTES);
        file["annotations"] = json!({"produced": sha256(b"what came out")});
        let body = json!({"outcome": "different", "independence": "third-party", "source": source()});
        world.event("stranger", "rebuild", json!([file]), body, json!({}))
    });
    for (name, code, text, shows) in [
        ("revoked", "update.revoked", revoked, "the bundle holds a revocation of the update"),
        ("second-digest", "update.second-digest", second, "another update of the log gives this file another digest"),
        ("rebuilt-differently", "rebuild.different", different, "somebody built something else from the same source"),
        (
            "rebuilt-differently-by-a-stranger",
            "rebuild.different",
            stranger,
            "what is said against counts whoever says it",
        ),
    ] {
        drill.bundle(name, text);
        drill.case(Case::plain(name, code, shows).bundle(name));
    }
    drill.trust("bears-one-different", &Trust::asking("different_max = 1\n"));
    drill.case(
        Case::plain("one-different-borne", "verified", "one \"different\", and the trust file bears one")
            .trust("bears-one-different")
            .bundle("rebuilt-differently"),
    );
    let mut world = release.world.clone();
    let both = ["rebuilder-one", "rebuilder-two"].map(|name| rebuild(&mut world, name, "third-party", "different"));
    drill.bundle("two-different", short(&world, &[release.plain(), both.to_vec()].concat()));
    drill.case(
        Case::plain("different-over-the-limit", "rebuild.different", "two \"different\", and the trust file bears one")
            .trust("bears-one-different")
            .bundle("two-different"),
    );
    let mut disowned = Trust::plain();
    disowned.line("release").into_iter().for_each(|line| line.more = format!("until = {index}\n"));
    drill.trust("second-disowned", &disowned);
    drill.case(
        Case::plain(
            "second-digest-disowned",
            "verified",
            "the second update is disowned: it is named, and refuses nothing",
        )
        .trust("second-disowned")
        .bundle("second-digest"),
    );
}

/// Much that is beside the point: other products' events, strangers, an update that came later.
fn beside(drill: &mut Drill, release: &Release) {
    let mut world = release.world.clone();
    let refs = json!([{"rel": "revokes", "event_id": world.id(release.other[1])}]);
    let other = json!([subject("other.bin", super::release::OTHER)]);
    let header = json!({"refs": refs});
    let revoked = world.event("release", "update-revoke", other.clone(), json!({"reason": "security"}), header);
    let mut different = other;
    different[0]["annotations"] = json!({"produced": sha256(b"something else")});
    let body = json!({"outcome": "different", "independence": "third-party", "source": source()});
    let different = world.event("rebuilder-one", "rebuild", different, body, json!({}));
    let stranger = rebuild(&mut world, "stranger", "third-party", "identical");
    let later = update(&mut world, &release.builds, |_, body, _| body["release_seq"] = json!(8));
    let more = [revoked, different, stranger, later];
    drill.bundle("crowd", bundle(&world, &[release.plain(), more.to_vec()].concat()));
    let shows = "what other products, strangers and later releases say neither refuses nor supports it";
    drill.case(Case::plain("beside-the-point", "verified", shows).bundle("crowd"));
    drill.case(
        Case::plain("strangers-rebuild", "rebuild.pending", "the rebuild of a stranger does not count")
            .bundle("crowd")
            .trust("one-rebuild"),
    );
}

fn by_the_watch(drill: &mut Drill, release: &Release) {
    let update = release.update;
    let key = sha256(format!("{PURL}\napp.bin\nstable").as_bytes());
    let seconds = [(update, sha256(BYTES)), (99, sha256(b"for you alone"))];
    let seconds = seconds.map(|(index, sha256)| format!("second {key} {index} {sha256}"));
    let head = release.head();
    let later = [&head[..1], &["size 120".to_owned(), format!("root {}", "A".repeat(43) + "=")]].concat();
    for (name, code, lines, shows) in [
        ("nothing", "verified", vec![], "the watch has read on, and nothing is against the update"),
        (
            "revoked",
            "update.revoked",
            vec![format!("revoked {} 90 security", release.world.id(update))],
            "the watch has read a revocation later than the bundle",
        ),
        ("second", "update.second-digest", seconds.to_vec(), "the watch has read another digest of this file"),
        ("disowned", "issuer.disowned", vec![format!("disowned release 1 {update}")], "the log disowns the update"),
        (
            "disowned-later",
            "verified",
            vec![format!("disowned release 1 {}", update + 1)],
            "the log disowns what came after the update",
        ),
        (
            "farm-disowned",
            "issuer.disowned",
            vec![format!("disowned farm 1 {}", release.builds[0])],
            "the log disowns the builds",
        ),
        (
            "closed-before",
            "issuer.disowned",
            vec!["closed release 1 2 planned".to_owned()],
            "the issuer was closed before the update",
        ),
        (
            "closed-after",
            "verified",
            vec!["closed release 1 80 planned".to_owned()],
            "the issuer was closed after the update",
        ),
    ] {
        drill.note("watched", name, &[later.clone(), lines].concat());
        let id: &'static str = match name {
            "nothing" => "watched-nothing",
            "revoked" => "watched-revoked",
            "second" => "watched-second-digest",
            "disowned" => "watched-disowned",
            "disowned-later" => "watched-disowned-later",
            "farm-disowned" => "watched-farm-disowned",
            "closed-before" => "watched-closed-before",
            _ => "watched-closed-after",
        };
        drill.case(Case::plain(id, code, shows).watched(name));
    }
}
