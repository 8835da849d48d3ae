//! Time of an offline verdict, beside the signatures that it cannot do without.

use std::time::Instant;

use vitrine_spec::envelope::pae;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{File, Pins, Proof, Question, Witnessing, verify_update};

use crate::demo::product::{Product, log_product, open_issuers, update_file};
use crate::demo::show::Show;
use crate::harness::world::World;

/// Logs a small product and judges its update `rounds` times, with the proofs of update and build.
///
/// # Errors
/// When the update is not verified.
pub fn run(world: &World, rounds: u32) -> Result<(), String> {
    std::fs::create_dir_all(world.path("built")).map_err(|e| e.to_string())?;
    for name in ["log-client", "witness"] {
        world.write(&format!("built/{name}"), name)?;
    }
    let product = Product {
        purl: "pkg:generic/bench@1.0".to_owned(),
        tree: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        source: "git:bench".to_owned(),
        files: vec![world.path("built/log-client"), world.path("built/witness")],
    };
    open_issuers(world, &product)?;
    log_product(world, &Show::new(false), &product)?;
    world.trust("trust", &[])?;
    let policy = Policy::parse(&world.read("policy")?).map_err(|e| e.to_string())?;
    let trust = TrustFile::parse(&world.read("trust/trust.toml")?).map_err(|e| e.to_string())?;
    let pins = Pins::new(policy, trust, Witnessing::Required).map_err(|e| e.to_string())?;
    let update = world.read(&format!("{}.tlog-proof", update_file("witness")))?;
    let build = world.read("build.json.tlog-proof")?;
    let proofs = [Proof { name: "update", bytes: update.as_bytes() }, Proof { name: "build", bytes: build.as_bytes() }];
    let file = File { name: "witness", sha256: Hash::of(b"witness"), size: 7 };
    let started = Instant::now();
    for _ in 0..rounds {
        let verdict = verify_update(&Question::new(file, &proofs, &pins, None));
        if verdict.outcome.word() != "verified" {
            return Err(format!("{:?}", verdict.reason));
        }
    }
    let verdict_us = started.elapsed().as_secs_f64() / f64::from(rounds) * 1e6;

    // Every signature that the two proofs carry, verified over the message that it is of.
    let started = Instant::now();
    let mut signatures = 0;
    for _ in 0..rounds {
        signatures = 0;
        for proof in [&update, &build] {
            let proof = TlogProof::parse(proof.as_bytes()).map_err(|e| e.to_string())?;
            let signed = proof.signed_checkpoint().map_err(|e| e.to_string())?;
            let judged = pins.policy().verify(&signed, None).map_err(|e| e.to_string())?;
            signatures += judged.log_keys.len() + judged.cosigners.len();
            let leaf = proof.extra.ok_or("the proof carries no leaf")?;
            let event = Event::read_leaf(&leaf).map_err(|e| e.to_string())?;
            let message = pae(event.payload());
            for signature in &event.envelope.signatures {
                let key = pins.trust().key(&signature.keyid).ok_or("a signer is not in the trust file")?;
                signatures += usize::from(key.vkey.verify(&message, &signature.sig));
            }
        }
    }
    let bare_us = started.elapsed().as_secs_f64() / f64::from(rounds) * 1e6;
    println!("verdict: an update with the proofs of itself and its build, policy 2 of 3 with both keys");
    println!(
        "  {verdict_us:.0} us a verdict; its {signatures} signatures alone (with parsing) {bare_us:.0} us: {:.2}x",
        verdict_us / bare_us
    );
    Ok(())
}
