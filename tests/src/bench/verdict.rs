//! Time of an offline verdict, beside the signatures that it cannot do without.

use std::time::Instant;

use vitrine_spec::bundle::Bundle;
use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature::{decode, message};
use vitrine_spec::envelope::pae;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::{KeyKind, Vkey};
use vitrine_spec::policy::Policy;
use vitrine_spec::proof::Tiles;
use vitrine_spec::tiles::TileId;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{File, Pins, Proof, Question, Witnessing, verify_update};

use crate::demo::product::day;
use crate::harness::http;
use crate::harness::process::until;
use crate::harness::world::World;

const TREE: &str = "0123456789abcdef0123456789abcdef01234567";
const FARMS: [&str; 2] = ["farm1", "farm2"];
const LABS: [&str; 3] = ["lab1", "lab2", "lab3"];

/// Logs an update of two builds, three rebuilds and a review, and judges it `rounds` times: by the proofs of itself and a build,
/// and by its bundle.
///
/// # Errors
/// When the update is not verified.
pub fn run(world: &World, rounds: u32) -> Result<(), String> {
    log(world)?;
    world.trust("trust", &[])?;
    world.trust("strict", &["--rebuilds", "3", "--require-review"])?;
    let file = File { name: "app", sha256: Hash::of(b"app"), size: 3 };
    let pins = pins(world, "trust")?;
    let proofs = ["update.json", "build-farm1.json"].map(|name| world.read(&format!("{name}.tlog-proof")));
    let [update, build] = proofs;
    let (update, build) = (update?, build?);
    let proofs = [Proof { name: "update", bytes: update.as_bytes() }, Proof { name: "build", bytes: build.as_bytes() }];
    let question = Question::new(file, &proofs, &pins, None);
    println!("verdict: an update with the proofs of itself and its build, policy 2 of 3 with both keys");
    let mut bare = Vec::new();
    for proof in [&update, &build] {
        let proof = TlogProof::parse(proof.as_bytes()).map_err(|e| e.to_string())?;
        let signed = proof.signed_checkpoint().map_err(|e| e.to_string())?;
        bare.extend(of_checkpoint(&signed, &pins)?);
        bare.extend(of_leaf(&proof.extra.ok_or("the proof carries no leaf")?, &pins)?);
    }
    compare(&question, &bare, rounds)?;

    let pins = self::pins(world, "strict")?;
    let whole = Bundle::parse(bundle(world, &file.sha256)?.as_bytes()).map_err(|e| e.to_string())?;
    let signed = whole.signed_checkpoint().map_err(|e| e.to_string())?;
    let mut entries = whole.entries.clone();
    entries.retain(|(index, _)| index.get() > 0);
    let without = Bundle::make(entries, signed.size(), whole.checkpoint.clone(), &Folder(world));
    let without = without.map_err(|e| e.to_string())?;
    println!(
        "verdict: an update by its bundle: 2 builds, 3 rebuilds and a review, all of them required, 8 signatures of the checkpoint"
    );
    for (bundle, what) in [(without, "without the charter"), (whole, "with the charter, as the log gives it")] {
        let mut bare = of_checkpoint(&signed, &pins)?;
        for (_, leaf) in &bundle.entries {
            bare.extend(of_leaf(leaf, &pins)?);
        }
        let bytes = bundle.print();
        let bundles = [Proof { name: "bundle", bytes: &bytes }];
        println!("  {what}: {} entries, {} bytes", bundle.entries.len(), bytes.len());
        compare(&Question { bundles: &bundles, ..Question::new(file, &[], &pins, None) }, &bare, rounds)?;
    }
    Ok(())
}

/// The tiles of the log, in its folder.
struct Folder<'a>(&'a World);

impl Tiles for Folder<'_> {
    type Error = String;

    fn tile(&self, id: TileId) -> Result<Vec<u8>, String> {
        let path = self.0.path("log").join(id.path());
        std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// The events of the release, as their issuers log them.
fn log(world: &World) -> Result<(), String> {
    world.write("app", "app")?;
    for farm in FARMS {
        world.open(farm, &["types.build=none", &format!("builders=https://{farm}.example/farm")])?;
    }
    for lab in LABS {
        world.open(lab, &["types.rebuild=none", "independence=third-party"])?;
    }
    world.open("release", &["types.update=strict", "streams=app/stable"])?;
    let (tree, source, today) = (format!("gitTree={TREE}"), format!("source.digest.gitTree={TREE}"), day());
    let (from, to) = (format!("from={today}"), format!("to={today}"));
    let review = ["centre=bench", "organisation=bench", "method=read", "outcome=no-finding", "scope=all", &from, &to];
    let none = ["critical", "high", "medium", "low", "info"].map(|severity| format!("findings.{severity}=0"));
    let mut more = vec!["--subject", &tree];
    more.extend(review.into_iter().chain(none.iter().map(String::as_str)).flat_map(|field| ["--field", field]));
    world.event("code-review", "supervisor", "review.json", &more)?;
    world.submit("supervisor", &["review.json"])?;
    let mut update = vec!["--file".to_owned(), "app".to_owned()];
    for farm in FARMS {
        let (event, builder) = (format!("build-{farm}.json"), format!("builder_id=https://{farm}.example/farm"));
        let fields = [
            "purl=pkg:generic/bench@1.0",
            "source.uri=git:bench",
            &source,
            &builder,
            "build_type=https://bench.example/type",
            "invocation_id=1",
            "started=now",
            "finished=now",
            "build_site=CH-ZH-1",
            "signing_site=CH-ZH-1",
        ];
        let mut more = vec!["--file", "app"];
        more.extend(fields.into_iter().flat_map(|field| ["--field", field]));
        world.event("build", farm, &event, &more)?;
        world.submit(farm, &[&event])?;
        update.extend(["--ref".to_owned(), format!("releases={event}")]);
    }
    for lab in LABS {
        let (url, key, spool, event) =
            (world.url(), format!("{lab}.key"), format!("spool-{lab}"), format!("rebuild-{lab}.json"));
        let mut args = vec!["rebuild", "record", "--log", &url, "--policy", "policy", "--as", &key, "--issuer", lab];
        args.extend([
            "--build",
            "build-farm1.json.tlog-proof",
            "--produced",
            "app",
            "--spool",
            &spool,
            "--out",
            &event,
        ]);
        world.client(&args)?.expect_code(0)?;
    }
    let fields = ["purl=pkg:generic/bench@1.0", "packageId=app", "channel=stable", "kind=product"];
    let mut more: Vec<&str> = update.iter().map(String::as_str).collect();
    more.extend(fields.into_iter().flat_map(|field| ["--field", field]));
    world.event("update", "release", "update.json", &more)?;
    world.submit("release", &["update.json"]).map(|_| ())
}

fn pins(world: &World, trust: &str) -> Result<Pins, String> {
    let policy = Policy::parse(&world.read(&format!("{trust}/policy"))?).map_err(|e| e.to_string())?;
    let trust = TrustFile::parse(&world.read(&format!("{trust}/trust.toml"))?).map_err(|e| e.to_string())?;
    Pins::new(policy, trust, Witnessing::Required).map_err(|e| e.to_string())
}

/// The bundle of the file, once all three witnesses have signed its checkpoint with both keys, as the log did.
fn bundle(world: &World, sha256: &Hash) -> Result<String, String> {
    let url = format!("{}/bundle/{}", world.url(), sha256.hex());
    let mut text = String::new();
    until("the checkpoint has eight signatures", || {
        let (status, body) = http::get(&url)?;
        text = body;
        Ok(status == 200 && text.lines().filter(|line| line.starts_with('\u{2014}')).count() == 8)
    })?;
    Ok(text)
}

/// A signature, and all that it takes to verify it.
struct Bare {
    vkey: Vkey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Every signature of a checkpoint whose key the policy knows.
fn of_checkpoint(signed: &SignedCheckpoint, pins: &Pins) -> Result<Vec<Bare>, String> {
    let logs = pins.policy().log_keys(signed.origin());
    let bare = signed.signatures().iter().map(|line| {
        let log = logs.iter().find(|key| line.is_by(key));
        let vkey = log.or_else(|| pins.policy().witness_of(line).map(|witness| &witness.vkey));
        let vkey = vkey.ok_or_else(|| format!("the policy does not know {}", line.name))?.clone();
        let (time, signature) = match vkey.kind() {
            KeyKind::Ed25519 => (0, line.bytes.as_slice()),
            kind => decode(kind, &line.bytes).ok_or("a line is too short")?,
        };
        let message = message(vkey.kind(), vkey.name(), time, &signed.checkpoint).ok_or("a name is too long")?;
        Ok(Bare { signature: signature.to_vec(), vkey, message })
    });
    bare.collect()
}

/// Every signature of an event.
fn of_leaf(leaf: &[u8], pins: &Pins) -> Result<Vec<Bare>, String> {
    let event = Event::read_leaf(leaf).map_err(|e| e.to_string())?;
    let message = pae(event.payload());
    let signatures = event.envelope.signatures.iter().map(|signature| {
        let key = pins.trust().key(&signature.keyid).ok_or("a signer is not in the trust file")?;
        Ok(Bare { vkey: key.vkey.clone(), message: message.clone(), signature: signature.sig.to_vec() })
    });
    signatures.collect()
}

/// Answers a question again and again, and verifies its signatures as often.
fn compare(question: &Question<'_>, bare: &[Bare], rounds: u32) -> Result<(), String> {
    let (mut verdict_s, mut bare_s) = (f64::MAX, f64::MAX);
    // In turns, and the best of them: whatever else the machine does hits both.
    for _ in 0..10 {
        let started = Instant::now();
        for _ in 0..rounds / 10 {
            let verdict = verify_update(question);
            if verdict.outcome.word() != "verified" {
                return Err(format!("{}: {}", verdict.code, verdict.reason));
            }
        }
        verdict_s = verdict_s.min(started.elapsed().as_secs_f64());
        let started = Instant::now();
        for _ in 0..rounds / 10 {
            if !bare.iter().all(|bare| bare.vkey.verify(&bare.message, &bare.signature)) {
                return Err("a signature does not verify".to_owned());
            }
        }
        bare_s = bare_s.min(started.elapsed().as_secs_f64());
    }
    let micros = |seconds: f64| seconds / f64::from(rounds / 10) * 1e6;
    println!(
        "  {:.0} us a verdict; its {} signatures alone {:.0} us: {:.2} of their speed",
        micros(verdict_s),
        bare.len(),
        micros(bare_s),
        bare_s / verdict_s
    );
    Ok(())
}
