//! The man pages and completions that the packages carry: one page for each command, every option in it, read by the shells.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use vitrine_tests::pages;
use vitrine_tests::shared::programs;

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    pages::write(dir.path()).unwrap();
    dir
}

/// Each command with the name of its page: `log-client-key-new`.
fn walk(command: &clap::Command, page: &str, found: &mut Vec<(String, clap::Command)>) {
    found.push((page.to_owned(), command.clone()));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        walk(below, &format!("{page}-{}", below.get_name()), found);
    }
}

/// The text of a page without roff's escapes.
fn plain(roff: &str) -> String {
    roff.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
}

#[test]
fn each_command_has_its_page_with_all_its_options() {
    let dir = written();
    let mut commands = Vec::new();
    for program in pages::programs() {
        walk(&program, program.get_name(), &mut commands);
    }
    assert!(commands.len() > 30, "only {} commands", commands.len());
    let mut wanted: BTreeSet<String> = BTreeSet::from(["vitrine.1".to_owned()]);
    for (page, command) in &commands {
        let text = plain(&fs::read_to_string(dir.path().join(format!("man/{page}.1"))).unwrap());
        for option in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("--{option}")), "{page} says nothing of --{option}");
        }
        if let Some(about) = command.get_about() {
            let first = about.to_string().split([',', ':', '.', ';']).next().unwrap_or_default().to_owned();
            assert!(text.contains(&first), "{page} does not say: {first}");
        }
        wanted.insert(format!("{page}.1"));
    }
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(dir.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let there: BTreeSet<String> = names("man").into_iter().filter(|name| !name.contains("-help")).collect();
    assert_eq!(there, wanted);
    assert_eq!(names("bash"), ["log-client", "log-server", "vitrine", "witness"].map(str::to_owned).into());
    assert_eq!(names("zsh"), ["_log-client", "_log-server", "_vitrine", "_witness"].map(str::to_owned).into());
    assert_eq!(
        names("fish"),
        ["log-client.fish", "log-server.fish", "vitrine.fish", "witness.fish"].map(str::to_owned).into()
    );
}

/// What bash offers after these words of a command line.
fn offered(folder: &Path, words: &[&str]) -> BTreeSet<String> {
    let function = format!("complete -p {0} | sed 's/.*-F \\([^ ]*\\) .*/\\1/'", words[0]);
    let script = format!(
        "set -eu; . {file}; function=$({function}); COMP_WORDS=({words}); COMP_CWORD={at}; \
         set +eu; $function {program} {last} {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file = folder.join("bash").join(words[0]).display(),
        words = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        at = words.len() - 1,
        program = words[0],
        last = format_args!("'{}'", words[words.len() - 1]),
        before = format_args!("'{}'", words[words.len() - 2]),
    );
    let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options_under_both_names() {
    let dir = written();
    for client in ["log-client", pages::SHORT] {
        assert_eq!(offered(dir.path(), &[client, "verify"]), ["verify-update".to_owned()].into());
        assert!(offered(dir.path(), &[client, "trust", ""]).contains("init"));
        assert!(offered(dir.path(), &[client, "verify-update", "--"]).contains("--trust"));
    }
    assert!(offered(dir.path(), &["log-server", "serve", "--take"]).contains("--take-over"));
    assert!(offered(dir.path(), &["witness", ""]).contains("serve"));
}

#[test]
fn the_pages_are_read_without_a_warning() {
    if !programs("how groff reads the man pages", &["groff"]) {
        return;
    }
    let dir = written();
    for entry in fs::read_dir(dir.path().join("man")).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("vitrine.1") {
            continue; // one line that leads to another page
        }
        let output = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(&path).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
