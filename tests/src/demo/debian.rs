//! A real detection-database stream, and four real rebuilds of Debian packages with their outcomes.
//!
//! The digests are those of the Debian archive (bookworm); the rebuilt digests come from rebuilding its source in November 2026.

use std::path::{Path, PathBuf};
use std::process::Command;

use vitrine_spec::hash::Hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::trust::TrustFile;
use vitrine_spec::verdict::{Code, File, Pins, Proof, Question, Witnessing, verify_update};

use super::customer::bundle;
use super::product::{digest, now};
use super::show::Show;
use crate::harness::world::World;

/// The two releases of the ModSecurity attack-detection rules: version and SHA-256 in the archive.
pub const RULES: [(&str, &str); 2] = [
    ("3.3.4-1+deb12u1", "c95cf27f381302a4963f4fcbf51e2d014fe067aafd79f954d143950bec9c84bc"),
    ("3.3.4-1+deb12u3", "5ad9adbdcdc3e9d2f9a23c479641d0cf8ab7a93626da1b9deb2496260c33fbf6"),
];

/// One package of the archive that was rebuilt from its source.
pub struct Rebuilt {
    /// The package file.
    pub file: &'static str,
    /// The source package and its version.
    pub source: &'static str,
    /// SHA-256 of the source package's description, the `.dsc`.
    pub dsc: &'static str,
    /// SHA-256 of the package file in the archive.
    pub claimed: &'static str,
    /// Its bytes there.
    pub size: u64,
    /// SHA-256 of what came out.
    pub produced: &'static str,
}

/// The rebuilds, in the order in which they are logged.
pub const REBUILDS: [Rebuilt; 4] = [
    Rebuilt {
        file: "modsecurity-crs_3.3.4-1+deb12u3_all.deb",
        source: "modsecurity-crs@3.3.4-1+deb12u3",
        dsc: "74cf5629626e71a4ca82795a809cad5eb52b8a40bf2d69fe02ca65987c2685dd",
        claimed: "5ad9adbdcdc3e9d2f9a23c479641d0cf8ab7a93626da1b9deb2496260c33fbf6",
        size: 163_428,
        produced: "5ad9adbdcdc3e9d2f9a23c479641d0cf8ab7a93626da1b9deb2496260c33fbf6",
    },
    Rebuilt {
        file: "ca-certificates_20230311+deb12u1_all.deb",
        source: "ca-certificates@20230311+deb12u1",
        dsc: "d4d57c9b56db87c8ebe7a0c27d55023e3369d183d4b774bdf455f775a80f00eb",
        claimed: "0d5f444f594e48c1e16a41d8fc628a09b24c658916a1274025c2330f2a802bed",
        size: 155_260,
        produced: "0d5f444f594e48c1e16a41d8fc628a09b24c658916a1274025c2330f2a802bed",
    },
    Rebuilt {
        file: "distro-info-data_0.58+deb12u7_all.deb",
        source: "distro-info-data@0.58+deb12u7",
        dsc: "3a6d340e9d188fda3203b4af1de1c46a1ed8562cdc80519ec5ffe9a8fada3f71",
        claimed: "f015ac6966bea87484ef4f98a15077e46b410c0b3985ba55b428235cdb46663f",
        size: 6_584,
        produced: "f015ac6966bea87484ef4f98a15077e46b410c0b3985ba55b428235cdb46663f",
    },
    Rebuilt {
        file: "hello_2.10-3_amd64.deb",
        source: "hello@2.10-3",
        dsc: "75296f5ef618ae2f1849e22b142a2b5ab52c452ebefa4e7b0564c44617db3790",
        claimed: "2e6e2f1a0007dc43bc91c273fd36e91e40a4f1c2765a03eca68b70a42103878a",
        size: 53_080,
        produced: "3833e140df6c4c6d1503a79981792d0525a7a510d42d5cd0bf71384f5e994164",
    },
];

/// The package file of a release of the rules.
fn package(version: &str) -> String {
    format!("modsecurity-crs_{version}_all.deb")
}

/// Finds both packages: beside the project when they are there, else by `apt-get download` into the world's folder.
///
/// # Errors
/// Which package is to be had from neither, or has another digest than the archive's.
pub fn find_packages(world: &World, shared: Option<&Path>) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for (version, want) in RULES {
        let name = package(version);
        let beside = shared.map(|shared| shared.join("data/updates").join(&name)).filter(|path| path.is_file());
        let path = match beside {
            Some(path) => path,
            None => download(world, version, &name)?,
        };
        let got = digest(&path)?;
        if got != want {
            return Err(format!("{}: SHA-256 {got}, the archive says {want}", path.display()));
        }
        found.push(path);
    }
    Ok(found)
}

fn download(world: &World, version: &str, name: &str) -> Result<PathBuf, String> {
    let package = format!("modsecurity-crs={version}");
    let status = Command::new("apt-get").args(["download", "-qq", &package]).current_dir(&world.folder).status();
    let path = world.path(name);
    match status {
        Ok(status) if status.success() && path.is_file() => Ok(path),
        Ok(status) => Err(format!("apt-get download {package}: {status}")),
        Err(error) => Err(format!("apt-get download {package}: {error}")),
    }
}

/// Logs both releases, in their order, as updates that were not built here.
///
/// # Errors
/// The command that did not succeed.
pub fn log_rules(world: &World, show: &Show, packages: &[PathBuf]) -> Result<(), String> {
    for (number, (path, (version, sha256))) in packages.iter().zip(RULES).enumerate() {
        let (path, purl) =
            (path.display().to_string(), format!("purl=pkg:deb/debian/modsecurity-crs@{version}?arch=all"));
        let mut update = vec!["--file", &path, "--field", &purl, "--field", "packageId=modsecurity-crs"];
        update.extend(["--field", "channel=stable", "--field", "kind=detection-db", "--field", "built_here=false"]);
        let event = format!("rules-{}.json", number + 1);
        world.event("update", "release", &event, &update)?;
        world.submit("release", &[&event])?;
        show.good(&format!("update {}: modsecurity-crs {version}, SHA-256 {}…", number + 1, &sha256[..16]));
    }
    Ok(())
}

/// Logs the four rebuilds, each with its outcome.
///
/// # Errors
/// The command that did not succeed.
pub fn log_rebuilds(world: &World, show: &Show) -> Result<(), String> {
    for (number, rebuilt) in REBUILDS.iter().enumerate() {
        let Rebuilt { file, source, dsc, claimed, produced, .. } = rebuilt;
        let outcome = if claimed == produced { "identical" } else { "different" };
        let fields = [
            format!("outcome={outcome}"),
            format!("source.uri=pkg:deb/debian/{source}?arch=source"),
            format!("source.digest.sha256={dsc}"),
        ];
        let (subject, made) = (format!("{file}={claimed}"), format!("{file}={produced}"));
        let mut rebuild = vec!["--subject", &subject, "--produced", &made, "--field", "independence=third-party"];
        rebuild.extend(fields.iter().flat_map(|field| ["--field", field.as_str()]));
        let event = format!("rebuild-debian-{}.json", number + 1);
        world.event("rebuild", "lab", &event, &rebuild)?;
        world.submit("lab", &[&event])?;
        show.good(&format!("rebuild of {file}: {outcome}"));
    }
    Ok(())
}

/// Logs what the archive published: a build and an update of each package, in the name of `archive`.
///
/// # Errors
/// The command that did not succeed.
pub fn log_archive(world: &World, show: &Show) -> Result<(), String> {
    let name = |rebuilt: &Rebuilt| rebuilt.source.split('@').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> = REBUILDS.iter().map(name).collect();
    names.sort();
    let streams: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"packageId":"debian/{name}","channel":"bookworm","regional":false}}"#))
        .collect();
    world.write("archive-streams.json", format!(r#"{{"streams":[{}]}}"#, streams.join(",")))?;
    let fields = ["types.build=none", "types.update=strict", "builders=https://demo.example/archive"];
    world.open_with("archive", &fields, &["--body", "archive-streams.json"])?;
    for rebuilt in &REBUILDS {
        let Rebuilt { file, source, dsc, claimed, size, .. } = rebuilt;
        let (name, version) = source.split_once('@').unwrap_or_default();
        let arch = if file.ends_with("_all.deb") { "all" } else { "amd64" };
        let purl = format!("purl=pkg:deb/debian/{name}@{version}?arch={arch}");
        let fields = [
            purl.clone(),
            format!("source.uri=pkg:deb/debian/{source}?arch=source"),
            format!("source.digest.sha256={dsc}"),
            "builder_id=https://demo.example/archive".to_owned(),
            "build_type=https://demo.example/as-published".to_owned(),
            "invocation_id=demo".to_owned(),
            format!("started={}", now().saturating_sub(1)),
            format!("finished={}", now()),
            "build_site=CH-ZH-1".to_owned(),
            "signing_site=CH-ZH-1".to_owned(),
        ];
        let (made, sized) = (format!("{file}={claimed}"), format!("{file}={claimed}:{size}"));
        let mut build = vec!["--subject", made.as_str()];
        build.extend(fields.iter().flat_map(|field| ["--field", field.as_str()]));
        let [build_event, update_event] = archive_events(name);
        world.event("build", "archive", &build_event, &build)?;
        world.submit("archive", &[&build_event])?;
        let (reference, package) = (format!("releases={build_event}"), format!("packageId=debian/{name}"));
        let mut update = vec!["--subject", sized.as_str(), "--ref", &reference, "--field", &purl, "--field", &package];
        update.extend(["--field", "channel=bookworm", "--field", "kind=product"]);
        world.event("update", "archive", &update_event, &update)?;
        world.submit("archive", &[&update_event])?;
    }
    show.good("build and update of each of the four as the archive published it");
    Ok(())
}

fn archive_events(name: &str) -> [String; 2] {
    [format!("build-debian-{name}.json"), format!("update-debian-{name}.json")]
}

/// A trust file that wants one rebuild: three packages pass, the fourth was rebuilt differently.
///
/// The files are judged by digest and size as the archive lists them; not every one of them is at hand.
///
/// # Errors
/// A package with another verdict.
pub fn judge(world: &World, show: &mut Show, trust: &str) -> Result<(), String> {
    let policy = Policy::parse(world.read(&format!("{trust}/policy"))?).map_err(|e| e.to_string())?;
    let file = TrustFile::parse(&world.read(&format!("{trust}/trust.toml"))?).map_err(|e| e.to_string())?;
    let pins = Pins::new(policy, file, Witnessing::Required).map_err(|e| e.to_string())?;
    for (number, rebuilt) in REBUILDS.iter().enumerate() {
        let name = rebuilt.source.split('@').next().unwrap_or_default();
        let [build, update] = archive_events(name);
        let rebuild = format!("rebuild-debian-{}.json", number + 1);
        let path = format!("{}.vitrine", rebuilt.file);
        bundle(world, &path, &[&update, &build, &rebuild])?;
        let bytes = world.read(&path)?.into_bytes();
        let sha256 = Hash::from_hex(rebuilt.claimed).map_err(|e| e.to_string())?;
        let judged = File { name: rebuilt.file, sha256, size: rebuilt.size };
        let bundles = [Proof { name: &path, bytes: &bytes }];
        let question = Question { bundles: &bundles, ..Question::new(judged, &[], &pins, Some(now())) };
        let verdict = verify_update(&question);
        let same = rebuilt.claimed == rebuilt.produced;
        match verdict.code {
            Code::Verified if same => {
                let rebuilder = verdict.checked.iter().find(|line| line.contains("was rebuilt identically by"));
                show.good(&format!("verified: {}", verdict.reason));
                show.good(&format!("  {}", rebuilder.map_or("", String::as_str)));
                show.sum(format!("verified     {}, by one bundle and one rebuild", rebuilt.file));
            }
            Code::RebuildDifferent if !same => {
                show.refused(rebuilt.file, 1, &format!("{}: {}", verdict.code, verdict.reason));
                show.sum(format!("refused      {}: rebuilt differently ({})", rebuilt.file, verdict.code));
            }
            code => return Err(format!("{}: {code}: {}", rebuilt.file, verdict.reason)),
        }
    }
    Ok(())
}
