//! What must fail, fails: each with the reason it is refused for.

use std::fs;
use std::path::Path;

use super::product::{Product, digest, log_rebuild, update_file};
use super::show::Show;
use crate::harness::world::World;

/// Runs every refusal of an update; `trust` verifies it and the rebuild proof when nothing is wrong.
///
/// # Errors
/// What was not refused, or for another reason.
pub fn all(world: &World, show: &mut Show, product: &Product, trust: &str) -> Result<(), String> {
    let [file, other] = product.files.as_slice() else { return Err("the demo releases two files".to_owned()) };
    flipped_bit(world, show, file, trust)?;
    other_proof(world, show, file, other, trust)?;
    witness_twice(world, show, file, trust)?;
    quorum_short(world, show, file, trust)?;
    other_origin(world, show, file, trust)?;
    different(world, show, product, file, trust)?;
    disowned(world, show, file, trust)
}

/// Runs `log-client`, which must end with this exit code and a verdict with this code.
fn refused(world: &World, show: &mut Show, what: &str, args: &[&str], exit: i32, code: &str) -> Result<(), String> {
    let outcome = world.client(&[&["--json"], args].concat())?.expect_code(exit)?;
    let verdict: serde_json::Value =
        serde_json::from_str(&outcome.out).map_err(|e| format!("{}: {e}\n{}", outcome.line, outcome.out))?;
    let said = |name: &str| verdict[name].as_str().unwrap_or_default().to_owned();
    if said("code") != code {
        return Err(format!("{}\n  code {:?}, not {code:?}: {}", outcome.line, said("code"), said("reason")));
    }
    show.refused(what, exit, &format!("{code}: {}", said("reason")));
    show.sum(format!("refused      {what} ({code})"));
    Ok(())
}

/// The arguments of a verdict about a file, with its update's proof and more.
fn verdict<'a>(file: &'a str, trust: &'a str, update: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["verify-update", file, "--trust", trust, "--proof", update, "--proof", "build.json.tlog-proof"];
    args.extend(more);
    args
}

fn proof_of(file: &Path) -> String {
    format!("{}.tlog-proof", update_file(&Product::name(file)))
}

fn flipped_bit(world: &World, show: &mut Show, file: &Path, trust: &str) -> Result<(), String> {
    let mut bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::create_dir_all(world.path("flipped")).map_err(|e| e.to_string())?;
    let flipped = world.path("flipped").join(Product::name(file));
    fs::write(&flipped, bytes).map_err(|e| format!("{}: {e}", flipped.display()))?;
    let (path, proof) = (flipped.display().to_string(), proof_of(file));
    refused(world, show, "one flipped bit in the file", &verdict(&path, trust, &proof, &[]), 1, "file.digest")
}

fn other_proof(world: &World, show: &mut Show, file: &Path, other: &Path, trust: &str) -> Result<(), String> {
    let (path, proof) = (file.display().to_string(), proof_of(other));
    refused(world, show, "the proof of another update", &verdict(&path, trust, &proof, &[]), 1, "file.digest")
}

/// A trust folder like `trust`, with `policy` or `trust.toml` changed.
fn changed(world: &World, trust: &str, new: &str, name: &str, change: impl Fn(&str) -> String) -> Result<(), String> {
    fs::create_dir_all(world.path(new)).map_err(|e| e.to_string())?;
    for found in ["policy", "trust.toml"] {
        let text = world.read(&format!("{trust}/{found}"))?;
        let text = if found == name { change(&text) } else { text };
        world.write(&format!("{new}/{found}"), text)?;
    }
    Ok(())
}

fn witness_twice(world: &World, show: &mut Show, file: &Path, trust: &str) -> Result<(), String> {
    // Two keys of one witness stand in the quorum beside each other.
    changed(world, trust, "trust-twice", "policy", |policy| {
        let kept: Vec<&str> =
            policy.lines().filter(|line| !line.starts_with("group ") && !line.starts_with("quorum ")).collect();
        let names: Vec<&str> = kept
            .iter()
            .filter_map(|line| line.strip_prefix("witness "))
            .filter_map(|rest| rest.split(' ').next())
            .collect();
        format!("{}\ngroup q 2 {}\nquorum q\n", kept.join("\n"), names.join(" "))
    })?;
    let (path, proof) = (file.display().to_string(), proof_of(file));
    let args = verdict(&path, "trust-twice", &proof, &[]);
    refused(world, show, "a policy that counts one witness twice", &args, 2, "policy.witness-twice")
}

fn quorum_short(world: &World, show: &mut Show, file: &Path, trust: &str) -> Result<(), String> {
    // Every cosignature but those of the first witness is taken out of the proof.
    let name = update_file(&Product::name(file));
    let proof = world.read(&format!("{name}.tlog-proof"))?;
    let first = proof
        .lines()
        .filter_map(|line| line.strip_prefix("\u{2014} w"))
        .filter_map(|rest| rest.split(' ').next())
        .next()
        .ok_or("the proof has no cosignature")?
        .to_owned();
    let kept: Vec<&str> = proof
        .lines()
        .filter(|line| !line.starts_with("\u{2014} w") || line.starts_with(&format!("\u{2014} w{first} ")))
        .collect();
    world.write("short.tlog-proof", kept.join("\n") + "\n")?;
    let path = file.display().to_string();
    let args = verdict(&path, trust, "short.tlog-proof", &[]);
    refused(world, show, "a quorum short by one witness", &args, 5, "quorum")
}

fn other_origin(world: &World, show: &mut Show, file: &Path, trust: &str) -> Result<(), String> {
    // The proof is of another log: its checkpoint begins with another origin.
    let proof = world.read(&proof_of(file))?;
    let (own, other) = (format!("\n\n{}\n", world.origin), "\n\nother.example/release\n");
    world.write("other.tlog-proof", proof.replacen(&own, other, 1))?;
    let path = file.display().to_string();
    let what = "a log whose origin the trust file does not name";
    refused(world, show, what, &verdict(&path, trust, "other.tlog-proof", &[]), 1, "origin.unknown")
}

fn different(world: &World, show: &mut Show, product: &Product, file: &Path, trust: &str) -> Result<(), String> {
    // A rebuild that did not happen, with the digest of an empty file: its statement counts, whatever is behind it.
    let empty = vitrine_spec::hash::Hash::of(b"").hex();
    if digest(file)? == empty {
        return Err("the product is an empty file".to_owned());
    }
    log_rebuild(world, product, file, &empty, "different.json")?;
    let (path, proof) = (file.display().to_string(), proof_of(file));
    let args = verdict(&path, trust, &proof, &["--proof", "different.json.tlog-proof"]);
    let what = "an update with the proof of a rebuild of it that says \"different\"";
    refused(world, show, what, &args, 1, "rebuild.different")
}

fn disowned(world: &World, show: &mut Show, file: &Path, trust: &str) -> Result<(), String> {
    let index: u64 = world
        .read(&format!("{}.tlog-proof", update_file(&Product::name(file))))?
        .lines()
        .find_map(|line| line.strip_prefix("index "))
        .and_then(|number| number.parse().ok())
        .ok_or("the proof has no index")?;
    changed(world, trust, "trust-disowned", "trust.toml", |text| {
        let mut issuer = false;
        let mut lines = Vec::new();
        for line in text.lines() {
            lines.push(line.to_owned());
            issuer = if line == "name = \"release\"" { true } else { issuer };
            if issuer && line.starts_with("epoch") {
                lines.push(format!("until = {index}"));
                issuer = false;
            }
        }
        lines.join("\n") + "\n"
    })?;
    let what = "an update logged after the index from which the trust file disowns its key";
    let (path, proof) = (file.display().to_string(), proof_of(file));
    refused(world, show, what, &verdict(&path, "trust-disowned", &proof, &[]), 1, "issuer.disowned")
}
