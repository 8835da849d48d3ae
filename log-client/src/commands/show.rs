//! `show`: says what anything is (cli.md).
//!
//! Reads and explains; verifies nothing and says so. Not here: verdicts (`proof verify`, `event verify`, `verify-update`).

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use vitrine_spec::policy::Policy;
use vitrine_spec::text::hex;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::wrap::reader_key_id;

use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::explain::{Rows, Shown, attachment_rows, classify, key_rows, one_line, reader_rows};
use crate::files;
use crate::http::{self, Log};
use crate::keyfile;
use crate::limits::SHOW_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies;
use crate::replay::{current, types_of};

/// `show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  log-client show update.json.tlog-proof
  log-client show http://127.0.0.1:8080/checkpoint
  log-client show 17 --log http://127.0.0.1:8080
  log-client show 9f86d081... --log http://127.0.0.1:8080
      (SHA-256 of a file or attachment, or an event_id)
  log-client show issuers --log http://127.0.0.1:8080 --policy policy")]
pub struct Show {
    /// A file, an index, a digest (64 hex digits), a URL, or the word `issuers`
    #[arg(value_name = "FILE|INDEX|DIGEST|URL|issuers")]
    what: String,
    /// The log to ask, for an index, a digest or `issuers`
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// issuers: whom to believe about the checkpoint
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// issuers: take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `show`.
pub fn run(args: Show, out: &Out) -> Result<Exit, Failure> {
    let what = args.what.as_str();
    let path = Path::new(what);
    if what.starts_with("http://") || what.starts_with("https://") {
        let bytes = http::get_url(what, SHOW_BYTES_MAX)?;
        return say(classify(what, &bytes).ok_or_else(|| unknown(what, &bytes))?, out);
    }
    if path.exists() || what == "-" {
        let bytes = files::read(path, SHOW_BYTES_MAX)?;
        if bytes.starts_with(b"PRIVATE+KEY+") {
            // Through the same door as everywhere: mode checked, nothing secret in any message.
            let what = "private key, its secret is not shown";
            let shown = match keyfile::read_any(path)? {
                (sign, None) => key_rows("private key", what, &sign.vkey()),
                (sign, Some(seal)) => {
                    reader_rows("reader's private key", what, &sign.vkey(), sign.name(), &seal.public())
                }
            };
            return say(shown, out);
        }
        return say(classify(what, &bytes).ok_or_else(|| unknown(what, &bytes))?, out);
    }
    let is_digest = what.len() == 64 && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let index = vitrine_spec::text::decimal(what).ok();
    if what != "issuers" && !is_digest && index.is_none() {
        return Err(Failure::usage("show.what", "this is no file, index, digest, URL, or the word `issuers`")
            .side("given", what)
            .now("check the path; a digest has 64 hexadecimal digits"));
    }
    let log = match &args.log {
        Some(url) => Log::new(url)?,
        None => {
            return Err(Failure::usage("show.log", "which log should be asked?")
                .side("given", what)
                .now("give --log URL"));
        }
    };
    if what == "issuers" {
        let policy = args.policy.as_deref().ok_or_else(|| {
            Failure::usage("show.policy", "whom should be believed about the log?").now("give --policy FILE")
        })?;
        let policy = policies::load(policy, args.unwitnessed)?;
        return issuers(&log, &policy, out);
    }
    if is_digest {
        return digest(&what.to_ascii_lowercase(), &log, out);
    }
    let bytes = log.proof(LeafIndex::new(index.unwrap_or_default()))?;
    say(classify("x.tlog-proof", &bytes).ok_or_else(|| unknown(what, &bytes))?, out)
}

fn unknown(what: &str, bytes: &[u8]) -> Failure {
    Failure::refused("show.unknown", "this is none of the things that belong to a log")
        .side("given", what)
        .side("bytes", bytes.len())
        .side(
            "tried",
            "proof, checkpoint, note, evidence, event, opening, policy, trust file, key, tile, bundle, spool parcel, JSON answer",
        )
}

fn say(shown: Shown, out: &Out) -> Result<Exit, Failure> {
    out.head(&shown.head);
    out.rows(&shown.rows);
    let rows: serde_json::Map<String, serde_json::Value> =
        shown.rows.iter().fold(serde_json::Map::new(), |mut map, (label, value)| {
            // Several signatures or entries share a label.
            let value = json!(value);
            match map.get_mut(label) {
                Some(serde_json::Value::Array(list)) => list.push(value),
                Some(first) => *first = json!([first.take(), value]),
                None => {
                    map.insert(label.clone(), value);
                }
            }
            map
        });
    let report = Report::done("show", shown.head)
        .not_checked("anything: this only says what it is; `proof verify`, `event verify` and `verify-update` judge")
        .with("kind", shown.kind)
        .with("rows", rows);
    if out.is_json() {
        return Ok(out.report(&report));
    }
    out.line("nothing was verified");
    Ok(Exit::Done)
}

/// A digest: the entries that the log says have it.
fn digest(hex: &str, log: &Log, out: &Out) -> Result<Exit, Failure> {
    let mut rows: Rows = Vec::new();
    let mut found = 0;
    for name in ["sha256", "event_id", "attachment"] {
        let query = format!("{name}={hex}");
        let bytes = log.lookup(&query)?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(Exit::Unreachable, "lookup.malformed", "the log's answer is not one")
                .side("asked", &query)
                .side("reason", error)
        })?;
        for entry in value["entries"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let leaf = entry["leaf"].as_str().and_then(|text| vitrine_spec::text::unb64(text).ok()).unwrap_or_default();
            let index = entry["index"].as_u64().unwrap_or_default();
            let as_what = if name == "attachment" { "the first to name this attachment: " } else { "" };
            rows.push((format!("entry {index}"), format!("{as_what}{}", one_line(&leaf))));
            rows.extend(EventFile::parse(&leaf).map(|event| attachment_rows(&event)).unwrap_or_default());
            found += 1;
        }
        if value["more"].as_bool() == Some(true) {
            rows.push(("more".to_owned(), "the log has more entries than it shows".to_owned()));
        }
    }
    if rows.is_empty() {
        return Err(Failure::new(Exit::NotVerified, "lookup.nothing", "the log shows no entry with this digest")
            .side("digest", hex)
            .side("log", log.url())
            .now("an absence is not proven: `audit` reads every entry"));
    }
    let head = format!("{found} entr{} with {hex}", if found == 1 { "y" } else { "ies" });
    rows.push((
        "complete".to_owned(),
        "unproven: what is shown can be proven (`show INDEX`), what is left out cannot".to_owned(),
    ));
    say(Shown { kind: "lookup", head, rows }, out)
}

/// `show issuers`: every issuer of a log, and who may open its sealed records, from its entries.
fn issuers(log: &Log, policy: &Policy, out: &Out) -> Result<Exit, Failure> {
    let (signed, state) = current(log, policy, out)?;
    let (mut list, mut readers) = (Vec::new(), Vec::new());
    for ((name, epoch), opened) in state.epochs() {
        let last = state.chain(name, *epoch).last;
        let standing = match (&opened.closed, &opened.disowned) {
            (_, Some(disowned)) => format!("disowned after index {}", disowned.after),
            (Some(closed), None) => format!("closed at index {}", closed.at),
            (None, None) => "open".to_owned(),
        };
        let types = types_of(&state, name.as_str(), opened);
        let place = last.as_ref().map_or_else(
            || "no chained event yet".to_owned(),
            |last| format!("seq {} at index {}", last.seq, last.index),
        );
        out.head(&format!("{name} epoch {epoch}: {standing}"));
        out.rows(&[
            ("key", opened.vkey.keyid()),
            ("types", types.join(" ")),
            ("opened at", opened.opened_at.to_string()),
            ("last", place),
        ]);
        list.push(json!({
            "name": name.as_str(), "epoch": epoch, "vkey": opened.vkey.to_string(), "standing": standing, "types": types,
            "opened_at": opened.opened_at.get(), "last_seq": last.as_ref().map(|last| last.seq),
        }));
    }
    for reader in state.readers() {
        let id = hex(&reader_key_id(&reader.seal));
        out.head(&format!("reader {} ({})", reader.name, reader.role.name()));
        out.rows(&[("signs requests as", reader.sign.keyid()), ("opens with", format!("X-Wing {id}"))]);
        readers.push(json!({"name": reader.name, "role": reader.role.name(), "sign": reader.sign.to_string(), "xwing_keyid": id}));
    }
    let report = Report::done(
        "show.issuers",
        format!(
            "{} issuers and {} readers in {} entries of {}",
            list.len(),
            readers.len(),
            signed.size(),
            signed.origin()
        ),
    )
    .checked("entries: all hash to the root of the checkpoint and are admissible")
    .not_checked("the charter's fingerprint: `trust init` pins it")
    .with("issuers", list)
    .with("readers", readers);
    Ok(out.report(&report))
}
