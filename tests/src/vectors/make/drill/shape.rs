//! Bundles, proofs and checkpoints that do not hold, and files that are not the update's.
//!
//! Not here: what the events in them say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::world::{Key, NOW, ORIGIN};
use super::release::{Release, Signers, bundle, bundle_with, checkpoint, log, short, signed, witness};
use super::{Case, Drill};

pub(super) fn cases(drill: &mut Drill, release: &Release) {
    files(drill, release);
    bundles(drill, release);
    checkpoints(drill, release);
    quorums(drill, release);
    histories(drill, release);
}

fn files(drill: &mut Drill, release: &Release) {
    drill.case(Case::new("one-bit", "file.digest", "one bit of the file is another").file("flipped/app.bin"));
    drill.bundle("other-product", short(&release.world, &release.other));
    drill.case(Case::plain("other-product", "file.digest", "the bundle of another product").bundle("other-product"));
    let without = [release.builds.as_slice(), &[release.review, release.rebuilds[0]]].concat();
    drill.bundle("no-update", bundle(&release.world, &without));
    drill.case(Case::plain("no-update", "update.missing", "everything but the update").bundle("no-update"));
    drill.case(Case::plain("nothing", "update.missing", "neither bundle nor proof").bundles(&[]));
}

fn bundles(drill: &mut Drill, release: &Release) {
    // Without witnesses, to be short: what is wrong comes long before the quorum.
    let short = signed(&release.world.checkpoint(), &log(ORIGIN));
    let good = bundle_with(&release.world, &release.plain(), &short);
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let entry = |number: usize| lines[1 + number];
    let hash = lines.iter().position(|line| line.starts_with("hash ")).unwrap_or_default();
    let padded = entry(2).trim_end().to_owned();
    // The last of the six bits that carry nothing, behind the last byte.
    let loose = match padded.strip_suffix('=') {
        Some(_) => {
            let bare = padded.trim_end_matches('=');
            let (head, last) = bare.split_at(bare.len() - 1);
            let next = char::from(last.as_bytes()[0] + 1);
            format!("{head}{next}{}\n", &padded[bare.len()..])
        }
        None => format!("{padded}=\n"),
    };
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    let malformed = [
        ("another-header", good.replacen("@v0", "@v1", 1), "the header of another version"),
        ("entries-swapped", swapped.concat(), "entries that are not ascending"),
        ("loose-base64", good.replacen(entry(2), &loose, 1), "base64 with another spelling of the same bytes"),
        ("cut", good[..good.len() / 3].to_owned(), "the first third of the file"),
        ("no-entries", lines[..1].concat() + &lines[4..].concat(), "no entry at all"),
        ("empty", String::new(), "an empty file"),
    ];
    for (name, text, shows) in malformed {
        drill.bundle(name, text);
        drill.case(Case::plain(name, "bundle.malformed", shows).bundle(name));
    }
    let index = release.builds[0];
    let moved = good.replacen(&format!("entry {index} "), &format!("entry {} ", index - 1), 1);
    let outside = good.replacen(&format!("entry {} ", release.update), "entry 99 ", 1);
    let changed = release.world.with_leaf(release.update, spaced(release));
    for (name, text, shows) in [
        ("hash-missing", [&lines[..hash], &lines[hash + 1..]].concat().concat(), "a hash too few"),
        ("hash-surplus", [&lines[..=hash], &lines[hash..]].concat().concat(), "a hash too many"),
        ("entry-moved", moved, "an entry with the index of its neighbour"),
        ("entry-outside", outside, "an entry behind the end of the tree"),
        (
            "leaf-respelled",
            bundle_with(&changed, &release.plain(), &short),
            "a leaf in another spelling than the logged one",
        ),
    ] {
        drill.bundle(name, text);
        drill.case(Case::plain(name, "inclusion", shows).bundle(name));
    }
    drill.proof("no-leaf", {
        let text = release.world.proof_with(release.update, &release.world.leaves[release.update], &short);
        text.split_inclusive('\n').filter(|line| !line.starts_with("extra ")).collect()
    });
    drill.case(Case::plain("proof-without-leaf", "proof.malformed", "a proof that does not hold its leaf").proofs(&[
        "no-leaf",
        "build-one",
        "build-two",
    ]));
    let beside =
        Case::plain("good-bundle-bad-proof", "proof.malformed", "one bad proof refuses, whatever else is given");
    drill.case(Case { proofs: vec!["no-leaf"], ..beside });
    drill.case(
        Case::plain("good-bundle-bad-bundle", "bundle.malformed", "one bad bundle refuses, whatever else is given")
            .bundles(&["plain", "another-header"]),
    );
}

/// The leaf of the update with a blank that JSON allows.
pub(super) fn spaced(release: &Release) -> Vec<u8> {
    String::from_utf8_lossy(&release.world.leaves[release.update]).replacen(',', ", ", 1).into_bytes()
}

fn checkpoints(drill: &mut Drill, release: &Release) {
    let text = release.world.checkpoint();
    let mut grown = release.world.clone();
    grown.raw(b"one more".to_vec());
    let another = grown.checkpoint();
    let witnesses = [witness(1), witness(3)].concat();
    let with = |lines: String| bundle_with(&release.world, &release.plain(), &format!("{text}\n{lines}"));
    let lines =
        |text: &str, signers: &Signers| -> String { signers.iter().map(|(key, time)| key.line(text, *time)).collect() };
    let [ed, pq] = [vec![(Key::new(ORIGIN), 0)], vec![(Key::mldsa(ORIGIN), NOW - 90)]];
    let stranger = vec![(Key::new("log.example/release-two"), 0)];
    for (name, code, log_lines, shows) in [
        ("log-ed25519-alone", "log.signature", lines(&text, &ed), "the log signed with its Ed25519 key alone"),
        ("log-ml-dsa-alone", "log.signature", lines(&text, &pq), "the log signed with its ML-DSA-44 key alone"),
        (
            "log-signed-by-another",
            "log.signature",
            lines(&text, &stranger),
            "a stranger signed in the place of the log",
        ),
        (
            "log-signature-wrong",
            "log.signature",
            lines(&another, &ed) + &lines(&text, &pq),
            "the Ed25519 signature is of another checkpoint",
        ),
        (
            "log-ml-dsa-wrong",
            "log.signature",
            lines(&text, &ed) + &lines(&another, &pq),
            "the ML-DSA-44 signature is of another checkpoint",
        ),
    ] {
        drill.bundle(name, with(log_lines + &lines(&text, &witnesses)));
        drill.case(Case::plain(name, code, shows).bundle(name));
    }
    let own = lines(&text, &log(ORIGIN)) + &lines(&text, &witnesses);
    for (name, wrong, shows) in [
        ("witness-wrong-ed25519", &witness(2)[..1], "enough cosignatures, and one Ed25519 one of another checkpoint"),
        ("witness-wrong-ml-dsa", &witness(2)[1..], "enough cosignatures, and one ML-DSA-44 one of another checkpoint"),
    ] {
        drill.bundle(name, with(own.clone() + &lines(&another, &wrong.to_vec())));
        drill.case(Case::plain(name, "cosignature", shows).bundle(name));
    }
    let stranger = vec![(Key::cosigner("witness9.example.net"), NOW - 20)];
    drill.bundle("witness-unknown", with(own + &lines(&another, &stranger)));
    drill.case(
        Case::plain("witness-unknown", "verified", "a line of a witness that the policy does not know is passed over")
            .bundle("witness-unknown"),
    );
    let origin = "log.example/another";
    let note = signed(&checkpoint(&release.world, origin), &[log(origin), witness(1), witness(3)].concat());
    drill.bundle("another-log", bundle_with(&release.world, &release.plain(), &note));
    drill.case(Case::plain("another-log", "origin.unknown", "a checkpoint of another log").bundle("another-log"));
}

fn quorums(drill: &mut Drill, release: &Release) {
    let text = release.world.checkpoint();
    let kind = |at: usize| -> Signers { (1..=3).flat_map(|number| witness(number)[at..=at].to_vec()).collect() };
    let late: Signers = witness(3).into_iter().map(|(key, _)| (key, NOW + 300)).collect();
    for (name, code, signers, shows) in [
        ("quorum-short-by-one", "quorum", witness(1), "one witness of the two that are needed"),
        ("ed25519-lines-alone", "quorum", kind(0), "the Ed25519 cosignatures of all three witnesses alone"),
        ("ml-dsa-lines-alone", "quorum", kind(1), "the ML-DSA-44 cosignatures of all three witnesses alone"),
        ("no-witness", "quorum", Vec::new(), "no cosignature"),
        ("five-minutes-ahead", "verified", [witness(1), late].concat(), "a witness whose clock is five minutes ahead"),
    ] {
        let signers = [log(ORIGIN), signers].concat();
        drill.bundle(name, bundle_with(&release.world, &release.plain(), &signed(&text, &signers)));
        drill.case(Case::plain(name, code, shows).bundle(name));
    }
    drill.case(
        Case::plain("more-than-five-minutes-ahead", "quorum", "a second more, and the witness does not count")
            .bundle("five-minutes-ahead")
            .now(NOW - 1),
    );
    drill.case(
        Case::plain("quorum-short-and-bit", "file.digest", "\"not yet\" is said only when nothing else is wrong")
            .bundle("quorum-short-by-one")
            .file("flipped/app.bin"),
    );
}

fn histories(drill: &mut Drill, release: &Release) {
    let head = release.head();
    let root = format!("root {}", STANDARD.encode([7; 32]));
    let forked = [&head[..2], &[root]].concat();
    let other = [&["origin log.example/another".to_owned()], &head[1..]].concat();
    for folder in ["floor", "watched"] {
        drill.note(folder, "forked", &forked);
        drill.note(folder, "another-log", &other);
    }
    drill.case(
        Case::plain("floor-forked", "checkpoint.fork", "this machine has seen another tree of that size")
            .floor("forked"),
    );
    drill.case(
        Case::plain("watched-forked", "checkpoint.fork", "the watch has read another tree of that size")
            .watched("forked"),
    );
    drill.case(
        Case::plain("floor-of-another-log", "origin.unknown", "the floor is of another log").floor("another-log"),
    );
    drill.case(
        Case::plain("watched-of-another-log", "origin.unknown", "the watch is of another log").watched("another-log"),
    );
    let mut fork = release.world.clone();
    let last = fork.leaves.len() - 1;
    fork.leaves[last] = b"shown to somebody else".to_vec();
    drill.bundle("fork", bundle(&fork, &release.builds));
    drill.case(
        Case::plain(
            "two-trees-of-one-size",
            "checkpoint.fork",
            "two bundles with two trees of one size, both cosigned",
        )
        .bundles(&["plain", "fork"]),
    );
    let mut grown = release.world.clone();
    grown.raw(b"one more".to_vec());
    drill.bundle("later-builds", bundle(&grown, &release.builds));
    drill.bundle("update-alone", bundle(&release.world, &[release.update]));
    drill.case(
        Case::plain("two-sizes", "verified", "two bundles of two sizes: that they are of one history is not checked")
            .bundles(&["update-alone", "later-builds"]),
    );
}
