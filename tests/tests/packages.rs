//! The Debian packages: built, installed into a folder that is nobody's system, run, upgraded, removed, purged.
//!
//! `dpkg --root` with a database of its own, the maintainer scripts with `DPKG_ROOT`, all under fakeroot: nothing outside the
//! folder is touched, by root neither. Not here: a running systemd, so no unit is started; its command line is read by the
//! program instead, and its file by systemd itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use vitrine_tests::harness::process::binaries;
use vitrine_tests::shared::programs;

const PACKAGES: [&str; 3] = ["vitrine-client", "vitrine-log", "vitrine-witness"];

/// What a purge leaves on purpose: the users, because files may be theirs.
fn left(path: &str) -> bool {
    let users = ["etc/.pwd.lock", "etc/group", "etc/gshadow", "etc/passwd", "etc/shadow"];
    path == "etc" || users.contains(&path.trim_end_matches('-'))
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The target folder, in whose `tools` cargo-deb is.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().find(|folder| folder.join("deps").is_dir()).unwrap().parent().unwrap().to_owned()
}

/// The programs that this needs, as `tests/need.sh` installs them; without one of them nothing is checked.
fn tools(test: &str) -> bool {
    let system = ["dpkg", "dpkg-shlibdeps", "fakeroot", "systemd-sysusers", "systemd-tmpfiles", "systemd-analyze"];
    let cargo_deb = target().join("tools/bin/cargo-deb").display().to_string();
    programs(test, &[&system[..], &[cargo_deb.as_str()]].concat())
}

fn done(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout) + &text(&output.stderr)
}

fn build(out: &Path) {
    let build = Command::new(project().join("packaging/build"))
        .args(["--from".as_ref(), binaries().as_os_str(), "--out".as_ref(), out.as_os_str()])
        .env("CARGO_TARGET_DIR", target())
        .env("VITRINE_PAGES", env!("CARGO_BIN_EXE_pages"))
        .env("VITRINE_DEB_OPTIONS", "--fast")
        .output()
        .unwrap();
    done(&build);
}

/// A folder that stands for a system.
struct System {
    dir: tempfile::TempDir,
}

impl System {
    fn new() -> System {
        let system = System { dir: tempfile::tempdir().unwrap() };
        for folder in ["updates", "info", "triggers"] {
            fs::create_dir_all(system.path("var/lib/dpkg").join(folder)).unwrap();
        }
        fs::write(system.path("var/lib/dpkg/status"), "").unwrap();
        fs::write(system.owners(), "").unwrap();
        // What every Debian has and a unit names.
        fs::create_dir(system.path("bin")).unwrap();
        fs::copy("/bin/kill", system.path("bin/kill")).unwrap();
        system
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root().join(inside)
    }

    /// Where fakeroot remembers who owns what.
    fn owners(&self) -> PathBuf {
        self.dir.path().join("owners")
    }

    /// Runs a command as the root of this system.
    fn run(&self, program: &str, args: &[&str]) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("fakeroot")
            .args(["-i".as_ref(), self.owners().as_os_str(), "-s".as_ref(), self.owners().as_os_str(), "--".as_ref()])
            .arg(program)
            .args(args)
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        done(&output)
    }

    fn dpkg(&self, args: &[&str]) -> String {
        let (root, log) = (self.root(), self.dir.path().join("dpkg.log"));
        let (root, log) = (format!("--root={}", root.display()), format!("--log={}", log.display()));
        let mut all =
            vec![root.as_str(), log.as_str(), "--force-depends", "--force-script-chrootless", "--force-confold"];
        all.extend(args);
        self.run("dpkg", &all)
    }

    fn install(&self, debs: &Path) {
        let files: Vec<String> = PACKAGES
            .iter()
            .map(|name| {
                let mut found = fs::read_dir(debs).unwrap().map(|entry| entry.unwrap().path());
                let file =
                    found.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{name}_")));
                file.unwrap_or_else(|| panic!("no package {name}")).display().to_string()
            })
            .collect();
        let mut args = vec!["--install"];
        args.extend(files.iter().map(String::as_str));
        self.dpkg(&args);
    }

    /// Everything there is but dpkg's own database, relative.
    fn tree(&self) -> BTreeSet<String> {
        fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                if name == "var/lib/dpkg" {
                    continue;
                }
                if path.is_dir() && !path.is_symlink() {
                    walk(&path, root, found);
                }
                found.insert(name);
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.root(), &self.root(), &mut found);
        found
    }

    /// Mode and owner's name of a folder.
    fn owner(&self, inside: &str) -> (String, String) {
        let said = self.run("stat", &["-c", "%a %u", &self.path(inside).display().to_string()]);
        let (mode, id) = said.trim().split_once(' ').unwrap();
        let passwd = fs::read_to_string(self.path("etc/passwd")).unwrap();
        let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(id));
        (
            mode.to_owned(),
            line.unwrap_or_else(|| panic!("{id} is not in {passwd}")).split(':').next().unwrap().to_owned(),
        )
    }

    /// An installed program, run from where it lies.
    fn program(&self, name: &str, args: &[&str]) -> String {
        done(&Command::new(self.path("usr/bin").join(name)).args(args).output().unwrap())
    }
}

/// The command line of a unit, as systemd would make it of the defaults.
fn command_line(unit: &str) -> Vec<String> {
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
    let listen = value("Environment=").split(' ').find_map(|word| word.strip_prefix("LISTEN=")).unwrap();
    value("ExecStart=")
        .split(' ')
        .filter(|word| *word != "$OPTIONS")
        .map(|word| word.replace("${LISTEN}", listen))
        .collect()
}

#[test]
fn packages_come_run_and_go() {
    if !tools("packages") {
        return;
    }
    let debs = tempfile::tempdir().unwrap();
    build(debs.path());
    let system = System::new();
    let before = system.tree();
    system.install(debs.path());

    // What came is where it belongs, and runs from there, under both names.
    assert_eq!(fs::read_link(system.path("usr/bin/vitrine")).unwrap(), Path::new("log-client"));
    let version = format!("log-client {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(system.program("vitrine", &["--version"]), version);
    assert_eq!(system.program("log-client", &["--version"]), version);
    for file in ["man/man1/log-client.1", "man/man1/vitrine.1", "man/man1/log-server-serve.1", "man/man1/witness.1"] {
        let path = system.path("usr/share").join(file);
        assert!(path.exists() || path.with_extension("1.gz").exists(), "{file}");
    }
    for file in [
        "bash-completion/completions/vitrine",
        "zsh/vendor-completions/_log-server",
        "fish/vendor_completions.d/witness.fish",
    ] {
        assert!(system.path("usr/share").join(file).is_file(), "{file}");
    }
    for (name, folder, mode) in [
        ("vitrine-log", "var/lib/vitrine-log", "750"),
        ("vitrine-log", "var/lib/vitrine-log-keys", "700"),
        ("vitrine-witness", "var/lib/vitrine-witness", "700"),
        ("vitrine-witness", "var/lib/vitrine-witness-keys", "700"),
    ] {
        assert_eq!(system.owner(folder), (mode.to_owned(), name.to_owned()), "{folder}");
    }

    // The units: systemd takes them, they are shut in, and their command lines are the programs'.
    for (name, program) in
        [("vitrine-log", vitrine_log_server::command()), ("vitrine-witness", vitrine_witness::command())]
    {
        let (root, unit) = (format!("--root={}", system.root().display()), format!("{name}.service"));
        system.run("systemd-analyze", &["verify", "--man=no", "--recursive-errors=no", &root, &unit]);
        system.run("systemd-analyze", &["security", "--offline=yes", "--threshold=20", &root, &unit]);
        let text = fs::read_to_string(system.path("usr/lib/systemd/system").join(&unit)).unwrap();
        let line = command_line(&text);
        assert!(line[0].starts_with("/usr/bin/") && system.path(&line[0][1..]).is_file(), "{line:?}");
        program.try_get_matches_from(&line).unwrap_or_else(|error| panic!("{error}"));
        assert!(text.contains(&format!("\nUser={name}\n")));
        for folder in [format!("/var/lib/{name}"), format!("/var/lib/{name}-keys")] {
            assert!(text.contains(&format!(" {folder}")) && line.contains(&folder), "{folder}");
        }
    }

    // Keys and a journal, made by the installed programs where the units look for them.
    let path = |inside: &str| system.path(inside).display().to_string();
    system.program("log-server", &["keygen", "--keys", &path("var/lib/vitrine-log-keys"), "--origin", "log.example"]);
    let journal = path("var/lib/vitrine-witness");
    system.program(
        "witness",
        &["init", "--dir", &journal, "--keys", &path("var/lib/vitrine-witness-keys"), "--name", "w.example"],
    );

    // An upgrade keeps what a person changed and what the programs wrote.
    fs::write(system.path("etc/vitrine-log/options"), "LISTEN=127.0.0.1:7500\n").unwrap();
    system.install(debs.path());
    assert_eq!(fs::read_to_string(system.path("etc/vitrine-log/options")).unwrap(), "LISTEN=127.0.0.1:7500\n");
    assert!(system.path("var/lib/vitrine-log-keys/log-ed25519.key").is_file());

    // Removed: no program, no unit; configuration and data stay.
    let mut remove = vec!["--remove"];
    remove.extend(PACKAGES);
    system.dpkg(&remove);
    let tree = system.tree();
    assert!(!tree.iter().any(|path| path.starts_with("usr")), "{tree:?}");
    for file in ["etc/vitrine-log/options", "etc/vitrine-witness/logs", "var/lib/vitrine-witness/journal"] {
        assert!(tree.contains(file), "{file} went with the program");
    }

    // Purged: folders that hold something stay, and dpkg's output says so; everything else is gone.
    let mut purge = vec!["--purge"];
    purge.extend(PACKAGES);
    let said = system.dpkg(&purge);
    for folder in ["/var/lib/vitrine-log-keys", "/var/lib/vitrine-witness", "/var/lib/vitrine-witness-keys"] {
        assert!(said.contains(&format!("{folder} is kept")), "{said}");
    }
    assert!(!said.contains("/var/lib/vitrine-log is kept"), "{said}");
    let kept = |path: &str| {
        ["var/lib/vitrine-log-keys", "var/lib/vitrine-witness", "var/lib/vitrine-witness-keys"]
            .iter()
            .any(|folder| path == *folder || path.starts_with(&format!("{folder}/")))
    };
    let surplus: Vec<String> =
        system.tree().into_iter().filter(|path| !before.contains(path) && !kept(path) && !left(path)).collect();
    assert!(surplus.is_empty(), "left behind: {surplus:?}");

    // What is installed and never used leaves nothing but the users.
    let unused = System::new();
    let before = unused.tree();
    unused.install(debs.path());
    unused.dpkg(&purge);
    let surplus: Vec<String> = unused.tree().into_iter().filter(|path| !before.contains(path) && !left(path)).collect();
    assert!(surplus.is_empty(), "left behind by what was never used: {surplus:?}");
}

#[test]
fn maintainer_scripts_are_scripts() {
    let mut count = 0;
    for who in ["log", "witness"] {
        for script in fs::read_dir(project().join("packaging").join(who).join("scripts")).unwrap() {
            let path = script.unwrap().path();
            done(&Command::new("sh").arg("-n").arg(&path).output().unwrap());
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("#!/bin/sh\n# ") && text.contains("\nset -e\n"), "{}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 6);
}
