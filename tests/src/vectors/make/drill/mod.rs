//! The drill: one release with all that stands behind it, and what a customer must be told when something is wrong with it.
//!
//! Files as a customer has them, for implementations that take files; the words of each verdict are pinned nowhere, its outcome
//! and its code are. Not here: the log (`release`), and what the verifier pins (`trust`).

mod release;
mod trust;
mod shape;
mod events;
mod asked;
mod against;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::NOW;
use release::Release;
use trust::Trust;

/// The files of the drill and its cases so far.
#[derive(Default)]
struct Drill {
    files: BTreeMap<String, Vec<u8>>,
    cases: Vec<Value>,
}

/// One case, before it is listed: everything that is not said is as in the good case.
struct Case {
    id: &'static str,
    shows: &'static str,
    code: &'static str,
    file: &'static str,
    bundles: Vec<&'static str>,
    proofs: Vec<&'static str>,
    trust: &'static str,
    now: Option<u64>,
    floor: Option<&'static str>,
    watched: Option<&'static str>,
}

impl Case {
    /// The full release by its bundle, under the trust file that asks for everything.
    fn new(id: &'static str, code: &'static str, shows: &'static str) -> Case {
        Case {
            id,
            shows,
            code,
            file: "app.bin",
            bundles: vec!["full"],
            proofs: Vec::new(),
            trust: "full",
            now: Some(NOW),
            floor: None,
            watched: None,
        }
    }

    /// The update and its builds, under the trust file that asks for nothing more.
    fn plain(id: &'static str, code: &'static str, shows: &'static str) -> Case {
        Case::new(id, code, shows).bundle("plain").trust("plain")
    }

    fn file(self, file: &'static str) -> Case {
        Case { file, ..self }
    }

    fn bundle(self, bundle: &'static str) -> Case {
        Case { bundles: vec![bundle], ..self }
    }

    fn bundles(self, bundles: &[&'static str]) -> Case {
        Case { bundles: bundles.to_vec(), ..self }
    }

    fn proofs(self, proofs: &[&'static str]) -> Case {
        Case { bundles: Vec::new(), proofs: proofs.to_vec(), ..self }
    }

    fn trust(self, trust: &'static str) -> Case {
        Case { trust, ..self }
    }

    fn now(self, now: u64) -> Case {
        Case { now: Some(now), ..self }
    }

    fn floor(self, floor: &'static str) -> Case {
        Case { floor: Some(floor), ..self }
    }

    fn watched(self, watched: &'static str) -> Case {
        Case { watched: Some(watched), ..self }
    }
}

/// How a verdict with a code ends: docs/90-verdict.md says "not yet" of these alone.
fn word(code: &str) -> &str {
    match code {
        "verified" => "verified",
        "quorum" | "update.not-before" | "review.pending" | "rebuild.pending" | "verdict.pending" => "not-yet",
        _ => "not-verified",
    }
}

impl Drill {
    fn case(&mut self, case: Case) {
        let below = |folder: &str, names: &[&str], end: &str| -> Vec<String> {
            names.iter().map(|name| format!("{folder}/{name}{end}")).collect()
        };
        let mut listed = json!({
            "id": case.id,
            "shows": case.shows,
            "file": format!("files/{}", case.file),
            "bundles": below("bundles", &case.bundles, ".vitrine"),
            "proofs": below("proofs", &case.proofs, ".tlog-proof"),
            "trust": format!("trust/{}", case.trust),
            "verdict": word(case.code),
            "code": case.code,
        });
        if let Some(now) = case.now {
            listed["now"] = json!(now);
        }
        for (folder, name) in [("floor", case.floor), ("watched", case.watched)] {
            if let Some(name) = name {
                listed[folder] = json!(format!("{folder}/{name}"));
            }
        }
        self.cases.push(listed);
    }

    fn bundle(&mut self, name: &str, text: String) {
        self.files.insert(format!("bundles/{name}.vitrine"), text.into_bytes());
    }

    fn proof(&mut self, name: &str, text: String) {
        self.files.insert(format!("proofs/{name}.tlog-proof"), text.into_bytes());
    }

    fn trust(&mut self, name: &str, trust: &Trust) {
        self.files.insert(format!("trust/{name}/trust.toml"), trust.text().into_bytes());
        self.files.insert(format!("trust/{name}/policy"), trust.policy().into_bytes());
    }

    fn note(&mut self, folder: &str, name: &str, lines: &[String]) {
        let text = format!("vitrine.example/{folder}@v0\n{}\n", lines.join("\n"));
        self.files.insert(format!("{folder}/{name}"), text.into_bytes());
    }
}

/// Path below `spec/vectors` and bytes of every file of the drill.
pub(super) fn files() -> Vec<(String, Vec<u8>)> {
    let release = Release::new();
    let mut drill = Drill::default();
    release.files(&mut drill);
    shape::cases(&mut drill, &release);
    events::cases(&mut drill, &release);
    asked::cases(&mut drill, &release);
    against::cases(&mut drill, &release);
    let list = json!({
        "description": "What a verifier must say about a file: `verdict` and `code`, by bundles and proofs, policy and trust file, \
                        time (seconds since 1970), floor and watch; paths are below this folder. Every key's seed is SHA-256 of its name.",
        "cases": drill.cases,
    });
    let listed = ("drill/cases.json".to_owned(), super::print(&list).into_bytes());
    drill.files.into_iter().map(|(path, bytes)| (format!("drill/{path}"), bytes)).chain([listed]).collect()
}
