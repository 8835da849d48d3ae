//! What a reader of this repository relies on: purposes, module order, requirements, no left-overs.
//!
//! Reads the files as text. Not here: anything that the compiler, clippy or rustfmt says.
#![allow(clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 5] = ["spec", "log-server", "log-client", "witness", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate is in the workspace").to_owned()
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder of this repository lists").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                walk(&path, extension, found);
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
}

fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in CRATES {
        walk(&root().join(name), extension, &mut found);
    }
    assert!(!found.is_empty(), "no .{extension} files below {}", root().display());
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    let faults: Vec<String> = files("rs")
        .iter()
        .filter(|path| {
            let text = read(path);
            let first = text.lines().next().unwrap_or_default();
            !(first.starts_with("//! ") && first.len() > 20)
        })
        .map(|path| shown(path))
        .collect();
    assert_none("files without a purpose in their first line", &faults);
}

/// The modules that `lib.rs` lists, in its order.
fn modules(lib: &str) -> Vec<String> {
    lib.lines()
        .filter_map(|line| line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod "))
        .filter_map(|rest| rest.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_module_uses_only_those_above_it() {
    let mut faults = Vec::new();
    for name in CRATES.into_iter().chain(["log-client/ffi"]) {
        let source = root().join(name).join("src");
        let order = modules(&read(&source.join("lib.rs")));
        assert!(!order.is_empty(), "{name}/src/lib.rs lists no modules");
        let rank: BTreeMap<&str, usize> = order.iter().enumerate().map(|(i, m)| (m.as_str(), i)).collect();
        let mut paths = Vec::new();
        walk(&source, "rs", &mut paths);
        for path in paths {
            let inside = path.strip_prefix(&source).expect("walked below it");
            let first = inside.iter().next().expect("a file has a name").to_string_lossy().into_owned();
            let own = first.trim_end_matches(".rs");
            let Some(&place) = rank.get(own).filter(|_| !is_test(inside)) else { continue };
            let text = read(&path);
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for used in uses(code) {
                if rank.get(used.as_str()).is_some_and(|&other| other > place) {
                    faults.push(format!("{} uses crate::{used}, which stands below {own}", shown(&path)));
                }
            }
        }
    }
    assert_none("modules that use one below them", &faults);
}

/// A file of tests, or in a folder of them.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.iter().any(|part| part == "tests")
}

/// The first path segment after each `crate::`, braces included.
fn uses(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let lines: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for rest in lines.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    c if depth == 0 && (c.is_alphanumeric() || c == '_') => word.push(c),
                    ':' | ',' if depth == 0 && !word.is_empty() => {
                        found.insert(std::mem::take(&mut word));
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// Requirement ids such as `W-12` that stand in brackets in `text`.
fn cited(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in text.split('[').skip(1) {
        let Some(inner) = rest.split(']').next() else { continue };
        for part in inner.split(',') {
            let part = part.trim();
            let mut pieces = part.splitn(2, '-');
            let (letter, number) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
            if letter.len() == 1
                && letter.chars().all(|c| c.is_ascii_uppercase())
                && !number.is_empty()
                && number.chars().all(|c| c.is_ascii_digit())
            {
                found.insert(part.to_owned());
            }
        }
    }
    found
}

#[test]
fn requirements_exist_and_are_cited_by_code_and_by_a_test() {
    let mut stated: BTreeMap<String, String> = BTreeMap::new();
    let mut docs = Vec::new();
    walk(&root().join("spec/docs"), "md", &mut docs);
    assert!(!docs.is_empty(), "spec/docs holds no documents");
    let mut faults = Vec::new();
    for doc in &docs {
        for rest in read(doc).split("**").skip(1).step_by(2) {
            if cited(&format!("[{rest}]")).contains(rest)
                && let Some(other) = stated.insert(rest.to_owned(), shown(doc))
            {
                faults.push(format!("{rest} is stated in {other} and again in {}", shown(doc)));
            }
        }
    }
    assert!(stated.len() > 100, "only {} requirements found: has their form changed?", stated.len());

    let (mut by_code, mut by_test) = (BTreeSet::new(), BTreeSet::new());
    for path in files("rs") {
        let name = shown(&path);
        let text = read(&path);
        let all_test = is_test(Path::new(&name));
        let (code, test) = match text.split_once("#[cfg(test)]") {
            _ if all_test => ("", text.as_str()),
            Some((code, test)) => (code, test),
            None => (text.as_str(), ""),
        };
        for id in cited(&text) {
            if !stated.contains_key(&id) {
                faults.push(format!("{name} cites [{id}], which no document states"));
            }
        }
        by_code.extend(cited(code));
        by_test.extend(cited(test));
    }
    for (id, doc) in &stated {
        if !by_code.contains(id) {
            faults.push(format!("{id} ({doc}) is cited by no code"));
        }
        if !by_test.contains(id) {
            faults.push(format!("{id} ({doc}) is cited by no test"));
        }
    }
    assert_none("requirements", &faults);
}

#[test]
fn unsafe_code_stands_where_c_begins() {
    // Spelled in pieces, so that this file does not find itself.
    let words = [
        ["unsafe", " {"].concat(),
        ["unsafe", " fn"].concat(),
        ["unsafe", " impl"].concat(),
        ["#[", "unsafe("].concat(),
    ];
    let found: Vec<String> = files("rs")
        .iter()
        .filter(|path| words.iter().any(|word| read(path).contains(word.as_str())))
        .map(|path| shown(path))
        .collect();
    assert_eq!(found, ["log-client/ffi/src/abi.rs", "tests/nostd/src/main.rs"]);
}

#[test]
fn no_left_overs() {
    // Spelled in pieces, so that this file does not find itself.
    let words = [
        ["to", "do!("].concat(),
        ["unimpl", "emented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["db", "g!("].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["TO", "DO"].concat(),
        ["(being", " written)"].concat(),
    ];
    let mut faults = Vec::new();
    for path in files("rs").into_iter().chain(files("md")) {
        for (number, line) in read(&path).lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                faults.push(format!("{}:{}: {word}", shown(&path), number + 1));
            }
        }
    }
    assert_none("left-overs", &faults);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let top = root();
    let mut docs: Vec<PathBuf> = files("md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "examples/README.md"]
    {
        docs.push(top.join(name));
    }
    walk(&top.join("docs"), "md", &mut docs);
    let mut faults = Vec::new();
    for doc in docs {
        let folder = doc.parent().expect("a file is in a folder").to_owned();
        for rest in read(&doc).split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                faults.push(format!("{} links to {target}, which is not there", shown(&doc)));
            }
        }
    }
    assert_none("links", &faults);
}
