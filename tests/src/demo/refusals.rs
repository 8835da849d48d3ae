//! What must fail, fails: the customer's bundle and trust file, each time with one thing wrong, each refused for its own reason.
//!
//! Made from what the log really published; what the log would not publish is signed with its keys (`forgeries`).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vitrine_spec::envelope::pae;
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::text::{b64, unb64};

use super::customer::{MAX_AGE_S, TRUST, bundle, bundle_file, bundle_of};
use super::forgeries::{log_keys, witness_keys};
use super::product::{Product, digest, index_of, log_rebuild, now, update_file};
use super::show::Show;
use crate::harness::forge;
use crate::harness::world::World;

/// What is asked again and again, with one change.
struct Asked<'a> {
    world: &'a World,
    file: PathBuf,
    /// The bundle as it was shipped.
    bundle: String,
}

/// Runs every refusal of an update that `customer::ask` finds verified; some of them log more about it.
///
/// # Errors
/// What was not refused, or for another reason.
pub fn all(world: &World, show: &mut Show, product: &Product) -> Result<(), String> {
    let [other, file] = product.files.as_slice() else { return Err("the demo releases two files".to_owned()) };
    let asked = Asked { world, file: file.clone(), bundle: bundle_file(file) };
    another_file(&asked, show, other)?;
    missing(&asked, show)?;
    checkpoint(&asked, show)?;
    pins(&asked, show)?;
    another_log(&asked, show)?;
    said_against(&asked, show, product)
}

impl Asked<'_> {
    /// Asks with this file, trust folder and bundle, which must be refused with this code.
    fn refused(
        &self,
        show: &mut Show,
        what: &str,
        changed: &[(&str, &str)],
        more: &[&str],
        (exit, code): (i32, &str),
    ) -> Result<(), String> {
        let path = self.file.display().to_string();
        let given = |name: &str, usual: &str| -> String {
            changed.iter().find(|(changed, _)| *changed == name).map_or(usual, |(_, value)| value).to_owned()
        };
        let (file, trust, bundle) = (given("file", &path), given("trust", TRUST), given("bundle", &self.bundle));
        let mut args = vec!["--json", "verify-update", &file, "--trust", &trust, "--bundle", &bundle];
        args.extend(more);
        let outcome = self.world.client(&args)?.expect_code(exit)?;
        let verdict: Value =
            serde_json::from_str(&outcome.out).map_err(|e| format!("{}: {e}\n{}", outcome.line, outcome.out))?;
        let said = |name: &str| verdict[name].as_str().unwrap_or_default().to_owned();
        if said("code") != code {
            return Err(format!("{}\n  code {:?}, not {code:?}: {}", outcome.line, said("code"), said("reason")));
        }
        show.refused(what, exit, &format!("{code}: {}", said("reason")));
        show.sum(format!("refused      {what} ({code})"));
        Ok(())
    }

    fn update(&self) -> String {
        update_file(&Product::name(&self.file))
    }

    /// The shipped bundle with some of its lines.
    fn cut(&self, name: &str, keep: impl Fn(&str) -> bool) -> Result<(), String> {
        let text = self.world.read(&self.bundle)?;
        self.world.write(name, text.split_inclusive('\n').filter(|line| keep(line)).collect::<String>())
    }

    /// A trust folder like the customer's, with `policy` or `trust.toml` changed.
    fn changed(&self, new: &str, name: &str, change: impl Fn(&str) -> String) -> Result<(), String> {
        fs::create_dir_all(self.world.path(new)).map_err(|e| e.to_string())?;
        for found in ["policy", "trust.toml"] {
            let text = self.world.read(&format!("{TRUST}/{found}"))?;
            let text = if found == name { change(&text) } else { text };
            self.world.write(&format!("{new}/{found}"), text)?;
        }
        Ok(())
    }
}

fn another_file(asked: &Asked<'_>, show: &mut Show, other: &Path) -> Result<(), String> {
    let mut bytes = fs::read(&asked.file).map_err(|e| format!("{}: {e}", asked.file.display()))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::create_dir_all(asked.world.path("flipped")).map_err(|e| e.to_string())?;
    let flipped = asked.world.path("flipped").join(Product::name(&asked.file));
    fs::write(&flipped, bytes).map_err(|e| format!("{}: {e}", flipped.display()))?;
    let path = flipped.display().to_string();
    asked.refused(show, "one flipped bit in the file", &[("file", &path)], &[], (1, "file.digest"))?;
    bundle(asked.world, "other.vitrine", &[&update_file(&Product::name(other)), "build.json", "review.json"])?;
    let what = format!("the bundle of another product, {}", Product::name(other));
    asked.refused(show, &what, &[("bundle", "other.vitrine")], &[], (1, "file.digest"))
}

/// What the trust file asks for is not there: "not yet", and "no" when the time is over.
fn missing(asked: &Asked<'_>, show: &mut Show) -> Result<(), String> {
    let update = asked.update();
    bundle(asked.world, "no-rebuild.vitrine", &[&update, "build.json", "review.json"])?;
    bundle(asked.world, "no-review.vitrine", &[&update, "build.json", "rebuild.json"])?;
    bundle(asked.world, "no-build.vitrine", &[&update, "review.json", "rebuild.json"])?;
    let given = [("bundle", "no-rebuild.vitrine")];
    asked.refused(show, "a missing rebuild, which may still come", &given, &[], (5, "rebuild.pending"))?;
    asked.changed("customer-waits", "trust.toml", |text| {
        text.replace("\nrebuilds = 1\n", "\nrebuilds = 1\nwait_s = 3600\n")
    })?;
    let later = (now() + 7_200).to_string();
    let given = [("bundle", "no-rebuild.vitrine"), ("trust", "customer-waits")];
    let what = "a missing rebuild, after the hour that the trust file waits";
    asked.refused(show, what, &given, &["--now", &later], (1, "rebuild.missing"))?;
    asked.refused(show, "a missing review", &[("bundle", "no-review.vitrine")], &[], (5, "review.pending"))?;
    asked.refused(show, "a missing build", &[("bundle", "no-build.vitrine")], &[], (1, "build.missing"))
}

/// The checkpoint has too few cosignatures, is too old, or the bundle's hashes do not lead to it.
fn checkpoint(asked: &Asked<'_>, show: &mut Show) -> Result<(), String> {
    let text = asked.world.read(&asked.bundle)?;
    let witness =
        |line: &str| line.strip_prefix("\u{2014} w").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let first = text.lines().find_map(witness).ok_or("the bundle has no cosignature")?;
    asked.cut("short.vitrine", |line| witness(line).is_none_or(|name| name == first))?;
    asked.refused(show, "a quorum short by one witness", &[("bundle", "short.vitrine")], &[], (5, "quorum"))?;
    // A line with ML-DSA-44 is above 3,000 characters, one with Ed25519 near 130.
    asked.cut("ed25519.vitrine", |line| witness(line).is_none() || line.len() < 1_000)?;
    let what = "the witnesses' Ed25519 lines alone";
    asked.refused(show, what, &[("bundle", "ed25519.vitrine")], &[], (5, "quorum"))?;
    let stale = (now() + MAX_AGE_S + 3_600).to_string();
    asked.refused(show, "a stale checkpoint, a day later", &[], &["--now", &stale], (1, "checkpoint.stale"))?;
    let hash = text.lines().find(|line| line.starts_with("hash ")).ok_or("the bundle has no hash")?.to_owned();
    asked.cut("no-path.vitrine", |line| line.trim_end() != hash)?;
    asked.refused(
        show,
        "a bundle without one of its hashes",
        &[("bundle", "no-path.vitrine")],
        &[],
        (1, "inclusion"),
    )?;
    let mut swapped: Vec<&str> = text.split_inclusive('\n').collect();
    swapped.swap(1, 2);
    asked.world.write("swapped.vitrine", swapped.concat())?;
    let what = "a bundle with two entries in another order";
    asked.refused(show, what, &[("bundle", "swapped.vitrine")], &[], (1, "bundle.malformed"))
}

/// What the customer pins or has verified before speaks against it.
fn pins(asked: &Asked<'_>, show: &mut Show) -> Result<(), String> {
    let floor = asked.world.read("floor")?;
    asked.world.write("floor-later", floor.replace("\nrelease 1 ", "\nrelease 2 "))?;
    let what = "a release below the one that this machine has verified";
    asked.refused(show, what, &[], &["--floor", "floor-later"], (1, "update.below-floor"))?;
    let index = index_of(asked.world, &asked.update())?;
    asked.changed("customer-until", "trust.toml", |text| {
        let line = "name = \"release\"\nepoch = 1\n";
        text.replace(line, &format!("{line}until = {index}\n"))
    })?;
    let what = "an update logged after the index from which its key is disowned";
    asked.refused(show, what, &[("trust", "customer-until")], &[], (1, "issuer.disowned"))?;
    // Two keys of one witness stand in the quorum beside each other.
    asked.changed("customer-twice", "policy", |policy| {
        let kept: Vec<&str> =
            policy.lines().filter(|line| !line.starts_with("group ") && !line.starts_with("quorum ")).collect();
        let names: Vec<&str> = kept
            .iter()
            .filter_map(|line| line.strip_prefix("witness "))
            .filter_map(|rest| rest.split(' ').next())
            .collect();
        format!("{}\ngroup q 2 {}\nquorum q\n", kept.join("\n"), names.join(" "))
    })?;
    let what = "a policy that counts one witness twice";
    asked.refused(show, what, &[("trust", "customer-twice")], &[], (2, "policy.witness-twice"))
}

/// A checkpoint of another log; and an event of another log in a tree that this log and all its witnesses signed.
fn another_log(asked: &Asked<'_>, show: &mut Show) -> Result<(), String> {
    let world = asked.world;
    let own = format!("\n\n{}\n", world.origin);
    let other = "other.example/release";
    world.write("other-log.vitrine", world.read(&asked.bundle)?.replacen(&own, &format!("\n\n{other}\n"), 1))?;
    let what = "a log whose origin the trust file does not name";
    asked.refused(show, what, &[("bundle", "other-log.vitrine")], &[], (1, "origin.unknown"))?;

    let mut leaves = forge::entries(&world.path("log"), world.published()?)?;
    let at = index_of(world, &asked.update())?;
    leaves[at] = signed_for(&leaves[at], &world.origin, other, &world.path("release.key"))?;
    let keys = [log_keys(world)?, witness_keys(world)?].concat();
    let hashes: Vec<_> = leaves.iter().map(|leaf| *leaf_hash(leaf).as_bytes()).collect();
    let root = Hash::new(crate::oracle::merkle::mth(&hashes));
    let note = forge::checkpoint(&world.origin, leaves.len() as u64, root, &keys, now())?;
    let mut indices = vec![at];
    for event in ["build.json", "review.json", "rebuild.json"] {
        indices.push(index_of(world, event)?);
    }
    world.write("other-event.vitrine", bundle_of(&leaves, &indices, note)?.print())?;
    let what = "an event that was signed for another log";
    asked.refused(show, what, &[("bundle", "other-event.vitrine")], &[], (1, "event.origin"))
}

/// The same statement, made for another log and signed with the key of its issuer.
fn signed_for(leaf: &[u8], own: &str, other: &str, key: &Path) -> Result<Vec<u8>, String> {
    let mut envelope: Value = serde_json::from_slice(leaf).map_err(|e| e.to_string())?;
    let payload = unb64(envelope["payload"].as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
    let payload = String::from_utf8(payload).map_err(|e| e.to_string())?.replacen(own, other, 1);
    let key = forge::key(key)?;
    let signature = key.sign_ed25519(&pae(payload.as_bytes())).map_err(|e| e.to_string())?;
    envelope["payload"] = json!(b64(payload.as_bytes()));
    envelope["signatures"][0]["sig"] = json!(b64(&signature));
    serde_json::to_vec(&envelope).map_err(|e| e.to_string())
}

/// Others log something against the update: in a newer bundle, or known to a watch alone.
fn said_against(asked: &Asked<'_>, show: &mut Show, product: &Product) -> Result<(), String> {
    let world = asked.world;
    let (update, name) = (asked.update(), Product::name(&asked.file));
    let whole = [update.as_str(), "build.json", "review.json", "rebuild.json"];
    // A rebuild that did not happen, with the digest of an empty file: its statement counts, whatever is behind it.
    let empty = Hash::of(b"").hex();
    if digest(&asked.file)? == empty {
        return Err("the product is an empty file".to_owned());
    }
    log_rebuild(world, product, &asked.file, &empty, "different.json")?;
    bundle(world, "different.vitrine", &[&whole[..], &["different.json"]].concat())?;
    let what = "one rebuild that says \"different\", where none is borne";
    asked.refused(show, what, &[("bundle", "different.vitrine")], &[], (1, "rebuild.different"))?;

    let subject = format!("{name}={}:14", Hash::of(b"made for one..").hex());
    let (purl, package) = (format!("purl={}", product.purl), format!("packageId={name}"));
    let mut second = vec!["--subject", &subject, "--field", &purl, "--field", &package];
    second.extend(["--field", "channel=stable", "--field", "kind=product", "--field", "built_here=false"]);
    world.event("update", "release", "second.json", &second)?;
    world.submit("release", &["second.json"])?;
    watch(world, &["--start", "all"])?;
    let watched = ["--watch-state", "watch"];
    let what = "a second digest for the same version, which only the watch has read";
    asked.refused(show, what, &[], &watched, (1, "update.second-digest"))?;

    let reference = format!("revokes={update}");
    world.event("update-revoke", "release", "revoke.json", &["--ref", &reference, "--field", "reason=security"])?;
    world.submit("release", &["revoke.json"])?;
    bundle(world, "revoked.vitrine", &[&whole[..], &["revoke.json"]].concat())?;
    let what = "an update whose bundle holds its revocation";
    asked.refused(show, what, &[("bundle", "revoked.vitrine")], &[], (1, "update.revoked"))?;
    watch(world, &[])?;
    let what = "the old bundle, and a revocation that only the watch has read";
    asked.refused(show, what, &[], &watched, (1, "update.revoked"))
}

/// The customer's watch reads on; what it tells people is not of interest here, and makes it end with 0 or 1.
fn watch(world: &World, more: &[&str]) -> Result<(), String> {
    let url = world.url();
    let args = ["watch", "--log", &url, "--trust", TRUST, "--state", "watch", "--once"];
    let outcome = world.client(&[&args[..], more].concat())?;
    match outcome.code {
        Some(0 | 1) => Ok(()),
        _ => outcome.expect_code(0).map(|_| ()),
    }
}
