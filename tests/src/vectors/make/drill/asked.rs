//! What the trust file asks for besides builds, and what is missing, too few, too old or not for this verifier.
//!
//! Not here: what was said against the update.

use serde_json::json;

use super::super::world::{BYTES, NOW, World, sha256, source, subject};
use super::release::{DATA, Release, build_from, bundle, rebuild, review, short, update, verdict};
use super::trust::Trust;
use super::{Case, Drill};

pub(super) fn cases(drill: &mut Drill, release: &Release) {
    stream(drill, release);
    builds(drill, release);
    waiting(drill);
    rebuilds(drill, release);
    reviews(drill, release);
    trees(drill);
    verdicts(drill, release);
    times(drill, release);
}

/// The release with another update in its place, and that update's bundle with its builds.
fn another(
    release: &Release,
    change: impl FnOnce(&mut serde_json::Value, &mut serde_json::Value, &mut serde_json::Value),
) -> String {
    let mut world = release.world.clone();
    let update = update(&mut world, &release.builds, change);
    bundle(&world, &[release.builds.as_slice(), &[update]].concat())
}

/// A log beside the release's, with these entries of it more.
fn with(release: &Release, more: impl FnOnce(&mut World) -> Vec<usize>) -> String {
    let mut world = release.world.clone();
    let more = more(&mut world);
    bundle(&world, &[release.plain(), more].concat())
}

fn stream(drill: &mut Drill, release: &Release) {
    drill.bundle("for-regions", another(release, |_, body, _| body["audience"] = json!(["CH", "EU"])));
    drill.bundle("wrong-size", another(release, |files, _, _| files[0]["annotations"] = json!({"size": 11})));
    drill.case(
        Case::plain("wrong-size", "file.size", "the update gives another size for these bytes").bundle("wrong-size"),
    );
    for (name, code, region, asks, shows) in [
        ("regional", "verified", "EU", "regional = true\n", "an update for some regions, this one among them"),
        ("region-elsewhere", "update.audience", "US", "regional = true\n", "an update for other regions than this one"),
        ("not-regional", "update.audience", "EU", "", "the stream is taken for everybody alone"),
    ] {
        let top = format!("region = \"{region}\"\n");
        drill.trust(name, &Trust { top, ..Trust::asking(asks) });
        drill.case(Case::plain(name, code, shows).trust(name).bundle("for-regions"));
    }
    drill.trust("release-eight", &Trust::asking("min_release_seq = 8\n"));
    drill.case(
        Case::plain("below-least-release", "update.below-floor", "release 7, the trust file takes 8 and later")
            .trust("release-eight"),
    );
    let floor =
        |release_seq: u64| [release.head(), vec![format!("release {release_seq} stable pkg:generic/app")]].concat();
    for (name, release_seq) in [("seven", 7), ("eight", 8)] {
        drill.note("floor", name, &floor(release_seq));
    }
    drill.note("floor", "empty", &release.head());
    drill.case(
        Case::new("below-floor", "update.below-floor", "this machine has verified release 8 of the stream")
            .floor("eight"),
    );
    drill.case(Case::new("at-floor", "verified", "this machine has verified this very release").floor("seven"));
    drill.case(
        Case::new("first-of-stream", "verified", "this machine knows the log, and no release of it").floor("empty"),
    );
}

fn builds(drill: &mut Drill, release: &Release) {
    drill.bundle("one-build", short(&release.world, &[release.builds[0], release.update]));
    drill
        .case(Case::plain("one-build", "build.missing", "the build of the second file is missing").bundle("one-build"));
    drill.bundle(
        "not-built-here",
        another(release, |_, body, header| {
            body["built_here"] = json!(false);
            *header = json!({});
        }),
    );
    drill.case(
        Case::plain("not-built-here", "build.not-here", "the update says that it was not built here")
            .bundle("not-built-here"),
    );
    drill.trust("no-build-needed", &Trust::asking("require_build = false\n"));
    drill.case(
        Case::plain("no-build-needed", "verified", "the same, and the trust file does not require a build")
            .bundle("not-built-here")
            .trust("no-build-needed"),
    );
    let mut trust = Trust::asking("builders = [\"forge\"]\n");
    let line = super::trust::Line { name: "forge", key: "forge", ..trust.issuers[1].clone() };
    trust.issuers.push(line);
    drill.trust("another-builder", &trust);
    drill.case(
        Case::plain("another-builder", "issuer.type", "the stream takes the builds of another builder alone")
            .trust("another-builder"),
    );
}

/// Nothing but the builds is there: "not yet" until the time is over.
fn waiting(drill: &mut Drill) {
    for (trust, asks, pending, missing) in [
        (
            "rebuild-wanted",
            "rebuilds = 1\n",
            ("rebuild-pending", "rebuild.pending"),
            ("rebuild-missing", "rebuild.missing"),
        ),
        (
            "review-wanted",
            "require_review = true\n",
            ("review-pending", "review.pending"),
            ("review-missing", "review.missing"),
        ),
        (
            "verdict-wanted",
            "require_verdict = true\n",
            ("verdict-pending", "verdict.pending"),
            ("verdict-missing", "verdict.missing"),
        ),
    ] {
        drill.trust(trust, &Trust::asking(&format!("{asks}wait_s = 1000\n")));
        let shows = "missing, in the last second that the trust file gives a release";
        drill.case(Case::plain(pending.0, pending.1, shows).trust(trust));
        let shows = "missing, and the time that the trust file gives a release is over";
        drill.case(Case::plain(missing.0, missing.1, shows).trust(trust).now(NOW + 1));
    }
    drill.trust("patient", &Trust::asking("rebuilds = 1\n"));
    drill.case(
        Case::plain("rebuild-pending-for-ever", "rebuild.pending", "without `wait_s` a release may wait for ever")
            .trust("patient")
            .now(NOW + 100_000_000),
    );
    drill.trust("all-wanted", &Trust::asking("rebuilds = 1\nrequire_review = true\nrequire_verdict = true\n"));
    drill.case(
        Case::plain("first-of-what-is-missing", "review.pending", "of several that are missing the review is named")
            .trust("all-wanted"),
    );
    let no_time = Case::plain("no-time-no-end", "verdict.pending", "without a time no waiting is over");
    drill.case(Case { now: None, ..no_time.trust("verdict-wanted") });
}

fn rebuilds(drill: &mut Drill, release: &Release) {
    drill.trust("two-rebuilds", &Trust::asking("rebuilds = 2\nrebuilders = [\"rebuilder-one\", \"rebuilder-two\"]\n"));
    drill.bundle("one-rebuild", bundle(&release.world, &[release.plain(), vec![release.rebuilds[0]]].concat()));
    drill.case(
        Case::plain("rebuild-short-by-one", "rebuild.pending", "one rebuild of the two that are asked for")
            .trust("two-rebuilds")
            .bundle("one-rebuild"),
    );
    let twice =
        with(release, |world| vec![release.rebuilds[0], rebuild(world, "rebuilder-one", "third-party", "identical")]);
    drill.bundle("one-rebuilder-twice", twice);
    drill.case(
        Case::plain("one-rebuilder-twice", "rebuild.pending", "two rebuilds of one issuer are one")
            .trust("two-rebuilds")
            .bundle("one-rebuilder-twice"),
    );
    let supervisor = [release.rebuilds[0], release.rebuilds[2]];
    drill.bundle("rebuilder-not-named", bundle(&release.world, &[release.plain(), supervisor.to_vec()].concat()));
    drill.case(
        Case::plain(
            "rebuilder-not-named",
            "rebuild.pending",
            "the second rebuild is of an issuer that the stream does not name",
        )
        .trust("two-rebuilds")
        .bundle("rebuilder-not-named"),
    );
    let failed = with(release, |world| {
        vec![release.rebuilds[0], rebuild(world, "rebuilder-two", "third-party", "build-failed")]
    });
    drill.bundle("rebuild-failed", failed);
    drill.case(
        Case::plain(
            "rebuild-failed",
            "rebuild.failed",
            "one of the two could not build it, and the other is not enough",
        )
        .trust("two-rebuilds")
        .bundle("rebuild-failed"),
    );
    let half = with(release, |world| {
        let mut file = subject("app.bin", BYTES);
        file["annotations"] = json!({"produced": sha256(BYTES)});
        let body = json!({"outcome": "identical", "independence": "third-party", "source": source()});
        vec![world.event("rebuilder-one", "rebuild", json!([file]), body, json!({}))]
    });
    drill.bundle("rebuild-of-one-file", half);
    drill.trust("one-rebuild", &Trust::asking("rebuilds = 1\n"));
    let mut world = release.world.clone();
    let mut files = json!([subject("app.bin", BYTES), subject("app.dat", DATA)]);
    files[0]["annotations"] = json!({"produced": sha256(BYTES)});
    files[1]["annotations"] = json!({"produced": sha256(DATA)});
    let elsewhere = json!({"uri": "git+https://example.com/app", "digest": {"sha256": sha256(b"another source")}});
    let body = json!({"outcome": "identical", "independence": "third-party", "source": elsewhere});
    let other = world.event("rebuilder-one", "rebuild", files, body, json!({}));
    drill.bundle("rebuild-of-another-source", short(&world, &[release.plain(), vec![other]].concat()));
    drill.case(
        Case::plain(
            "rebuild-of-another-source",
            "rebuild.pending",
            "the same files, made from a source that was not the build's",
        )
        .trust("one-rebuild")
        .bundle("rebuild-of-another-source"),
    );
    drill.case(
        Case::plain(
            "rebuild-of-one-file",
            "rebuild.pending",
            "each file of the update needs its rebuilds, one has none",
        )
        .trust("one-rebuild")
        .bundle("rebuild-of-one-file"),
    );
    let vendor = with(release, |world| vec![rebuild(world, "rebuilder-one", "vendor", "identical")]);
    drill.bundle("rebuild-of-the-vendor", vendor);
    drill.case(
        Case::plain(
            "less-independent",
            "rebuild.pending",
            "the rebuild says `vendor`, the issuer's line `third-party`",
        )
        .trust("one-rebuild")
        .bundle("rebuild-of-the-vendor"),
    );
    drill.case(
        Case::plain("one-rebuild", "verified", "one rebuild, and one is asked for")
            .trust("one-rebuild")
            .bundle("one-rebuild"),
    );
    let full: Vec<usize> = release.full().into_iter().filter(|index| !release.rebuilds[1..].contains(index)).collect();
    drill.bundle("full-but-rebuilds", bundle(&release.world, &full));
    drill.case(
        Case::new("missing-rebuild", "rebuild.missing", "the full release with one rebuild of two, a week later")
            .bundle("full-but-rebuilds")
            .trust("old-is-good")
            .now(NOW + 700_000),
    );
    let mut trust = release.trust();
    trust.top = trust.top.replacen("max_age_s = 86400\n", "", 1);
    drill.trust("old-is-good", &trust);
}

fn reviews(drill: &mut Drill, release: &Release) {
    let other = with(release, |world| {
        let digest = json!({"sha256": sha256(b"another revision")});
        vec![review(world, digest, "no-finding", 0)]
    });
    let inconclusive = with(release, |world| vec![review(world, source()["digest"].clone(), "inconclusive", 0)]);
    let critical =
        with(release, |world| vec![release.review, review(world, source()["digest"].clone(), "findings", 1)]);
    for (name, code, text, shows) in [
        ("review-of-another-revision", "review.pending", other, "the review is of another revision of the source"),
        ("review-inconclusive", "review.pending", inconclusive, "the review came to no conclusion"),
        ("review-critical", "review.findings", critical, "a second review of the source has a critical finding"),
    ] {
        drill.bundle(name, text);
        drill.case(Case::plain(name, code, shows).trust("review-wanted").bundle(name));
    }
    drill.case(
        Case::plain("review-critical-not-asked", "verified", "the same, and the trust file asks for no review")
            .bundle("review-critical"),
    );
}

/// Reviews matched by the digests of a git tree, which are SHA-1.
fn trees(drill: &mut Drill) {
    let tree = "5".repeat(40);
    let source =
        json!({"uri": "git+https://example.com/app", "digest": {"gitTree": tree, "sha256": sha256(b"source")}});
    let mut world = World::default();
    let builds =
        [("app.bin", BYTES), ("app.dat", DATA)].map(|(name, bytes)| build_from(&mut world, &source, name, bytes));
    let update = update(&mut world, &builds, |_, _, _| ());
    let by_tree = review(&mut world, json!({"gitTree": tree}), "no-finding", 0);
    let contradicts = json!({"gitTree": tree, "sha256": sha256(b"another revision")});
    let contradicts = review(&mut world, contradicts, "no-finding", 0);
    for (name, code, review, shows) in [
        (
            "review-of-the-tree",
            "verified",
            by_tree,
            "build and review agree in the git tree, which is all that the review gives",
        ),
        (
            "review-of-half-the-digests",
            "review.pending",
            contradicts,
            "the same git tree and another SHA-256 are two revisions",
        ),
    ] {
        drill.bundle(name, bundle(&world, &[builds[0], builds[1], update, review]));
        drill.case(Case::plain(name, code, shows).trust("review-wanted").bundle(name));
    }
}

fn verdicts(drill: &mut Drill, release: &Release) {
    let failed = with(release, |world| {
        vec![verdict(world, 1, "PASSED", release.update), verdict(world, 1, "FAILED", release.update)]
    });
    let mended = with(release, |world| {
        vec![verdict(world, 1, "FAILED", release.update), verdict(world, 1, "PASSED", release.update)]
    });
    drill.bundle("verdict-failed", failed);
    drill.bundle("verdict-mended", mended);
    let mut world = release.world.clone();
    let said = [verdict(&mut world, 1, "FAILED", release.update), verdict(&mut world, 3, "PASSED", release.update)];
    drill.bundle("verdict-of-no-epoch", short(&world, &[release.plain(), said.to_vec()].concat()));
    drill.case(
        Case::plain(
            "verdict-of-no-epoch",
            "verdict.failed",
            "a later PASSED of an epoch that nobody knows takes no FAILED back",
        )
        .bundle("verdict-of-no-epoch"),
    );
    drill.case(
        Case::plain(
            "verdict-failed",
            "verdict.failed",
            "the latest verdict of the supervisor is FAILED, asked for or not",
        )
        .bundle("verdict-failed"),
    );
    let half = with(release, |world| {
        let body = json!({
            "result": "PASSED", "verifier": "https://supervisor.example.com/1",
            "policy": {"uri": "https://supervisor.example.com/policy", "sha256": sha256(b"policy")}, "levels": [],
        });
        let refs = json!([{"rel": "about", "event_id": world.id(release.update)}]);
        let file = json!([{"digest": {"sha256": sha256(BYTES)}}]);
        vec![world.event("supervisor", "verdict", file, body, json!({"refs": refs}))]
    });
    drill.bundle("verdict-of-one-file", half);
    drill.case(
        Case::plain(
            "verdict-of-one-file",
            "verdict.pending",
            "each file of the update needs its verdict, one has none",
        )
        .trust("verdict-wanted")
        .bundle("verdict-of-one-file"),
    );
    drill.case(
        Case::plain("verdict-mended", "verified", "FAILED first, PASSED later: the latest counts")
            .trust("verdict-wanted")
            .bundle("verdict-mended"),
    );
    let unfollowed: Vec<usize> = [&release.charters[..1], &release.plain(), &[release.verdict]].concat();
    drill.bundle("verdict-of-an-unknown-key", bundle(&release.world, &unfollowed));
    drill.case(
        Case::plain(
            "verdict-of-an-unknown-key",
            "verdict.pending",
            "without charter 2 nobody knows the key that signed the verdict",
        )
        .trust("verdict-pinned")
        .bundle("verdict-of-an-unknown-key"),
    );
    drill.trust(
        "verdict-pinned",
        &Trust { charter: release.fingerprint(), ..Trust::asking("require_verdict = true\n") },
    );
    let followed: Vec<usize> = [&release.charters[..], &release.plain(), &[release.verdict]].concat();
    drill.bundle("verdict-of-a-followed-key", bundle(&release.world, &followed));
    drill.case(
        Case::plain("verdict-of-a-followed-key", "verified", "charter 2 names the key that signed the verdict")
            .trust("verdict-pinned")
            .bundle("verdict-of-a-followed-key"),
    );
}

fn times(drill: &mut Drill, release: &Release) {
    drill.bundle("dated", another(release, |_, body, _| body["not_before"] = json!(NOW + 5)));
    drill.case(Case::plain("too-early", "update.not-before", "five seconds before its release date").bundle("dated"));
    drill.case(Case::plain("on-its-date", "verified", "on its release date").bundle("dated").now(NOW + 5));
    // The quorum was complete at the latest of the two times: 30 s before now by two witnesses, 45 s by three.
    drill.trust("hundred-seconds", &Trust { top: "max_age_s = 100\n".to_owned(), ..Trust::plain() });
    drill.case(
        Case::plain("stale", "checkpoint.stale", "a second older than the trust file bears")
            .trust("hundred-seconds")
            .now(NOW + 41),
    );
    drill.case(
        Case::plain("just-not-stale", "verified", "as old as the trust file bears")
            .trust("hundred-seconds")
            .now(NOW + 40),
    );
}
