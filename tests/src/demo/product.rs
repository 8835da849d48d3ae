//! A product goes into the log: review of its source, build, rebuild, updates; and its update is verified offline.

use std::fs;
use std::path::{Path, PathBuf};

use vitrine_spec::hash::Hash;

use super::show::Show;
use crate::harness::process::{Outcome, binaries, run};
use crate::harness::world::World;

/// What is built and released.
pub struct Product {
    /// Its name and version, as a purl.
    pub purl: String,
    /// The git tree it was built from: 40 digits.
    pub tree: String,
    /// Where the source is.
    pub source: String,
    /// Its files.
    pub files: Vec<PathBuf>,
}

impl Product {
    /// The last part of a file's path.
    #[must_use]
    pub fn name(file: &Path) -> String {
        file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// Its path and why it cannot be read.
pub fn digest(file: &Path) -> Result<String, String> {
    fs::read(file).map(|bytes| Hash::of(&bytes).hex()).map_err(|e| format!("{}: {e}", file.display()))
}

/// Opens the issuers: a build farm, a release service with a stream for each file, two rebuilders.
///
/// # Errors
/// The command that did not succeed.
pub fn open_issuers(world: &World, product: &Product) -> Result<(), String> {
    let mut streams: Vec<String> = product.files.iter().map(|file| Product::name(file)).collect();
    streams.push("modsecurity-crs".to_owned());
    streams.sort();
    let streams: Vec<String> =
        streams.iter().map(|name| format!(r#"{{"packageId":"{name}","channel":"stable","regional":false}}"#)).collect();
    world.write("streams.json", format!(r#"{{"streams":[{}]}}"#, streams.join(",")))?;
    world.open("farm", &["types.build=none", "builders=https://demo.example/farm"])?;
    world.open_with("release", &["types.update=strict"], &["--body", "streams.json"])?;
    world.open("lab", &["types.rebuild=none", "independence=third-party"])
}

/// Logs the review of the source, the build of the files, and one update for each.
///
/// # Errors
/// The command that did not succeed.
pub fn log_product(world: &World, show: &Show, product: &Product) -> Result<(), String> {
    let tree = format!("gitTree={}", product.tree);
    let today = day();
    let (from, to) = (format!("from={today}"), format!("to={today}"));
    let mut review = vec![
        "--subject",
        &tree,
        "--field",
        "centre=The demo",
        "--field",
        "organisation=the demo, in the place of a reviewer",
    ];
    review.extend([
        "--field",
        "method=none: the demo names the tree and nobody read it",
        "--field",
        "outcome=no-finding",
    ]);
    review.extend(["--field", "scope=all", "--field", &from, "--field", &to]);
    for severity in ["findings.critical=0", "findings.high=0", "findings.medium=0", "findings.low=0", "findings.info=0"]
    {
        review.extend(["--field", severity]);
    }
    world.event("code-review", "supervisor", "review.json", &review)?;
    world.submit("supervisor", &["review.json"])?;
    show.good(&format!("code-review of git tree {} by the supervisor", product.tree));

    let files: Vec<String> = product.files.iter().map(|file| file.display().to_string()).collect();
    let fields = [
        format!("purl={}", product.purl),
        format!("source.uri={}", product.source),
        format!("source.digest.gitTree={}", product.tree),
        "builder_id=https://demo.example/farm".to_owned(),
        "build_type=https://demo.example/cargo-build-release".to_owned(),
        "invocation_id=demo".to_owned(),
        format!("started={}", now().saturating_sub(1)),
        format!("finished={}", now()),
        "build_site=CH-ZH-1".to_owned(),
        "signing_site=CH-ZH-1".to_owned(),
    ];
    let mut build: Vec<&str> = vec!["--ref", "reviewed=review.json"];
    build.extend(files.iter().flat_map(|file| ["--file", file.as_str()]));
    build.extend(fields.iter().flat_map(|field| ["--field", field.as_str()]));
    world.event("build", "farm", "build.json", &build)?;
    world.submit("farm", &["build.json"])?;
    for file in &product.files {
        show.good(&format!("build of {}, SHA-256 {}", Product::name(file), digest(file)?));
    }

    for (file, path) in product.files.iter().zip(&files) {
        let name = Product::name(file);
        let (purl, package) = (format!("purl={}", product.purl), format!("packageId={name}"));
        let mut update = vec!["--file", path, "--ref", "releases=build.json", "--field", &purl, "--field", &package];
        update.extend(["--field", "channel=stable", "--field", "kind=product"]);
        let event = update_file(&name);
        world.event("update", "release", &event, &update)?;
        world.submit("release", &[&event])?;
        show.good(&format!("update of {name}"));
    }
    Ok(())
}

/// The event file of a file's update.
#[must_use]
pub fn update_file(name: &str) -> String {
    format!("update-{name}.json")
}

/// Where an event was logged, from its proof.
///
/// # Errors
/// A proof that is not there or has no index.
pub fn index_of(world: &World, event: &str) -> Result<usize, String> {
    let proof = world.read(&format!("{event}.tlog-proof"))?;
    let index = proof.lines().find_map(|line| line.strip_prefix("index ")).and_then(|number| number.parse().ok());
    index.ok_or_else(|| format!("{event}.tlog-proof has no index"))
}

/// Logs what came of rebuilding one file; its outcome in the words of the log.
///
/// # Errors
/// The command that did not succeed.
pub fn log_rebuild(
    world: &World,
    product: &Product,
    file: &Path,
    produced: &str,
    event: &str,
) -> Result<&'static str, String> {
    let outcome = if digest(file)? == produced { "identical" } else { "different" };
    let name = Product::name(file);
    let (path, made) = (file.display().to_string(), format!("{name}={produced}"));
    let (outcome_field, source) = (format!("outcome={outcome}"), format!("source.uri={}", product.source));
    let tree = format!("source.digest.gitTree={}", product.tree);
    let mut rebuild = vec!["--file", &path, "--produced", &made, "--ref", "reproduces=build.json"];
    rebuild.extend(["--field", "independence=third-party", "--field", &outcome_field]);
    rebuild.extend(["--field", &source, "--field", &tree]);
    world.event("rebuild", "lab", event, &rebuild)?;
    world.submit("lab", &[event])?;
    Ok(outcome)
}

/// Runs `verify-update` of a file with the proofs of its update, its build and more.
///
/// # Errors
/// When the command cannot be started.
pub fn verify(world: &World, file: &Path, trust: &str, more: &[&str]) -> Result<Outcome, String> {
    verify_by(binaries(), world, file, trust, more)
}

/// As [`verify`], by the `log-client` in `folder`.
///
/// # Errors
/// When the command cannot be started.
pub fn verify_by(folder: &Path, world: &World, file: &Path, trust: &str, more: &[&str]) -> Result<Outcome, String> {
    let update = format!("{}.tlog-proof", update_file(&Product::name(file)));
    let path = file.display().to_string();
    let mut args = vec!["verify-update", &path, "--trust", trust];
    args.extend(["--proof", &update, "--proof", "build.json.tlog-proof"]);
    args.extend(more);
    let program = folder.join("log-client").display().to_string();
    run(&world.folder, &program, args)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Today in UTC, as `YYYY-MM-DD` (the civil calendar, from days since 1970-03-01 in eras of 400 years).
#[must_use]
pub fn day() -> String {
    let days = now() / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
