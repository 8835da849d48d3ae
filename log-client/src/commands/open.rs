//! `open`: one sealed record, for its reader or, field by field, for others (cli.md; leaf-format.md 5 and 6).
//!
//! Asks the log for the record, which the log writes down; opens it and checks all of it against the leaf. Not here: whether the
//! leaf is logged, which whoever gets an opening checks (`opening`).

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use vitrine_spec::body::Body;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::event::Event;
use vitrine_spec::fields::{Field, Values};
use vitrine_spec::limits::{RECORD_BYTES_MAX, TLOG_PROOF_BYTES_MAX};
use vitrine_spec::opening::Opening;
use vitrine_spec::sealing::{self, OpenError, Opened};
use vitrine_spec::statement::Sealed;
use vitrine_spec::text::unb64;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::wrap::{ReaderSeed, WrapFor, unwrap};

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::explain::{json_of, value_text};
use crate::files;
use crate::http::Log;
use crate::keyfile;
use crate::limits::SEALED_HEAD_BYTES;
use crate::output::{Out, Report};
use crate::sealed_source::{self, ReaderOf};

/// `open`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  log-client open 17 --log URL --reader-key reader.key
      (all fields, to you alone)
  log-client open 17 --log URL --reader-key reader.key --field op --field actor --out opening.json
      (shows two fields; with opening.json.tlog-proof beside it anybody verifies them:
      log-client opening verify)")]
pub struct Open {
    /// The access: its index, or a proof of it with the leaf in it
    #[arg(value_name = "INDEX|FILE.tlog-proof")]
    what: String,
    /// The log's address, the prefix before /checkpoint
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// A reader's private key file
    #[arg(long, value_name = "FILE")]
    reader_key: PathBuf,
    /// A field to show; repeat it for more. All of them are printed to you when none is given
    #[arg(long = "field", value_name = "NAME", value_parser = field)]
    fields: Vec<Field>,
    /// Where to write the opening, with its proof beside it; standard output when not given
    #[arg(long, value_name = "OPENING.json", requires = "fields")]
    out: Option<PathBuf>,
    /// Why the record is read; the log writes it down before it sends it
    #[arg(long, value_name = "TEXT", default_value = "SUPERVISOR_AUDIT")]
    purpose: String,
}

fn field(name: &str) -> Result<Field, String> {
    Field::of(name).ok_or_else(|| {
        let names: Vec<&str> = Field::ALL.into_iter().map(Field::name).collect();
        format!("no field has this name; there are {}", names.join(", "))
    })
}

/// Runs `open`.
pub fn run(args: Open, out: &Out) -> Result<Exit, Failure> {
    let key = keyfile::read_reader(&args.reader_key)?;
    let log = Log::new(&args.log)?;
    let proof = proof(&args.what, &log)?;
    let parsed = TlogProof::parse(&proof).map_err(|error| malformed(&args.what, &error.to_string()))?;
    let leaf = parsed.extra.as_deref().ok_or_else(|| malformed(&args.what, "it has no `extra` line with the leaf"))?;
    let event = Event::read_leaf(leaf).map_err(|refusal| malformed(&args.what, &refusal.to_string()))?;
    let index = parsed.index.get();
    let sealed = sealed_of(index, &event)?;
    let origin =
        Origin::new(&event.statement.header.origin).map_err(|error| malformed(&args.what, &error.to_string()))?;
    let sealing_key = sealing_key(&log, &event, &sealed)?;
    let source = ReaderOf { log: &log, origin: &origin, sign: &key.sign, purpose: &args.purpose };
    let record = sealed_source::one(&source, index, RECORD_BYTES_MAX as u64 + SEALED_HEAD_BYTES)?;
    let opened = open(index, &event, &sealing_key, &record, &key.seal)?;
    if args.fields.is_empty() {
        return Ok(show(index, &event, &opened.values, out));
    }
    let opening = Opening::make(event.id, &opened.key, &opened.values, &args.fields);
    files::emit_private(args.out.as_deref(), &opening.print(), out)?;
    let shown: Vec<&str> = args.fields.iter().map(|field| field.name()).collect();
    let mut report = Report::done("open.opening", format!("entry {index} shows {}", shown.join(", ")))
        .checked("the record is that of the leaf, and all 24 commitments follow from its key")
        .not_checked("that the entry is logged: whoever gets the opening verifies it with the proof")
        .with("index", index)
        .with("event_id", event.id.hex())
        .with("shown", shown);
    if let Some(path) = args.out.as_deref().filter(|path| *path != Path::new("-")) {
        let beside = files::beside(path, "tlog-proof");
        files::replace(&beside, &proof)?;
        report = report.with("opening", path.display().to_string()).with("proof", beside.display().to_string());
    }
    if out.is_json() {
        let opening: serde_json::Value = serde_json::from_slice(&opening.print()).unwrap_or_default();
        report = report.with("document", opening);
    }
    Ok(out.report_beside_data(&report))
}

/// The proof of an entry, from a file or from the log.
fn proof(what: &str, log: &Log) -> Result<Vec<u8>, Failure> {
    match vitrine_spec::text::decimal(what) {
        Ok(index) => Ok(log.proof(LeafIndex::new(index))?),
        Err(_) => files::read(Path::new(what), TLOG_PROOF_BYTES_MAX as u64),
    }
}

fn malformed(what: &str, why: &str) -> Failure {
    Failure::refused("open.proof", "this is no proof of an access").side("given", what).side("reason", why)
}

fn sealed_of(index: u64, event: &Event) -> Result<Sealed, Failure> {
    event.statement.sealed.ok_or_else(|| {
        Failure::refused("open.not-sealed", "this entry has no sealed record: everything it says is public")
            .side("entry", index)
            .side("type", event.statement.kind)
            .now(format!("log-client show {index} --log URL"))
    })
}

/// The sealing key that an event names, as the log answers; `open` finds out whether it is the right one.
fn sealing_key(log: &Log, event: &Event, sealed: &Sealed) -> Result<Event, Failure> {
    let header = &event.statement.header;
    let query = format!("issuer={}&epoch={}&seq={}", header.issuer, header.epoch, sealed.key);
    let answer: serde_json::Value = serde_json::from_slice(&log.lookup(&query)?).unwrap_or_default();
    let leaves = answer["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    leaves
        .iter()
        .filter_map(|entry| unb64(entry["leaf"].as_str()?).ok())
        .filter_map(|leaf| Event::read_leaf(&leaf).ok())
        .find(|found| {
            let place = &found.statement.header;
            (&place.issuer, place.epoch, place.seq) == (&header.issuer, header.epoch, Some(sealed.key))
        })
        .ok_or_else(|| {
            Failure::new(Exit::Unreachable, "open.sealing-key", "the log does not show the sealing key of this record")
                .side("asked", query)
                .now("`audit` reads every entry and says whether the log holds it")
        })
}

/// Opens a record with everything that was fetched, and says whose fault it is when that fails.
fn open(index: u64, event: &Event, sealing_key: &Event, record: &[u8], seed: &ReaderSeed) -> Result<Opened, Failure> {
    let header = &event.statement.header;
    let Body::SealingKey(key) = &sealing_key.statement.body else {
        return Err(Failure::new(
            Exit::Misbehaved,
            "record.no-key",
            "the event at the place of the sealing key is none",
        )
        .side("record of entry", index)
        .side("type", sealing_key.statement.kind));
    };
    let id = seed.key_id();
    let wrap = key.wraps.iter().find(|wrap| wrap.key == id).ok_or_else(|| {
        let readers: Vec<&str> = key.wraps.iter().map(|wrap| wrap.reader.as_str()).collect();
        Failure::refused("open.no-wrap", "the sealing key of this record was made for other readers")
            .side("your key", vitrine_spec::text::hex(&id))
            .side("made for", readers.join(", "))
            .now("a reader of that time can open it")
    })?;
    let target = WrapFor {
        origin: &header.origin,
        issuer: header.issuer.as_str(),
        epoch: header.epoch,
        seq: sealing_key.statement.header.seq.unwrap_or_default(),
        reader: &wrap.reader,
    };
    let window = unwrap(seed, &target, &wrap.wrap, &key.check).map_err(|why| {
        Failure::refused(
            "unopenable-key",
            "the wrap for you gives no key; this is your word alone until another reader tries",
        )
        .side("sealing key", format!("seq {} of {} epoch {}", target.seq, target.issuer, target.epoch))
        .side("reason", why)
    })?;
    sealing::open(&window, event, record).map_err(|error| {
        let failure = |exit, code: &str, what: &str| {
            Failure::new(exit, code, what).side("entry", index).side("reason", sealed_source::fault(&error))
        };
        match (&error, error.incident()) {
            (OpenError::Erased, _) => failure(Exit::NotVerified, "record.erased", "the record is zeros")
                .now("`audit` says by whose authority it was erased, or that it was not"),
            (_, Some(class)) => {
                failure(Exit::NotVerified, class, "the record does not hold with the sealing key that the log shows")
                    .now("the issuer is to blame if this entry and that sealing key are its own, which `audit --reader-key` verifies; the log, if not")
            }
            (_, None) => {
                failure(Exit::Misbehaved, "record.other", "the log served another record than that of the leaf")
            }
        }
    })
}

fn show(index: u64, event: &Event, values: &Values, out: &Out) -> Exit {
    let header = &event.statement.header;
    out.head(&format!(
        "entry {index}: {} epoch {} seq {}, recorded in the hour of {}",
        header.issuer,
        header.epoch,
        header.seq.unwrap_or_default(),
        clock::show(header.recorded.get())
    ));
    let rows: Vec<(&str, String)> =
        Field::ALL.into_iter().map(|field| (field.name(), value_text(values.get(field)))).collect();
    out.rows(&rows);
    let fields: serde_json::Map<String, serde_json::Value> =
        Field::ALL.into_iter().map(|field| (field.name().to_owned(), json_of(values.get(field)))).collect();
    let report = Report::done(
        "open.record",
        format!("entry {index} opened; this is personal, and the log wrote down that you read it"),
    )
    .checked("the record is that of the leaf, and all 24 commitments follow from its key")
    .not_checked("that the entry is logged, and that what it says is true")
    .with("index", index)
    .with("event_id", event.id.hex())
    .with("issuer", json!({"name": header.issuer.as_str(), "epoch": header.epoch, "seq": header.seq}))
    .with("fields", fields);
    out.report(&report)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use vitrine_spec::words::{Name, Time};

    use super::*;
    use crate::readers;
    use crate::world::{self, NOW, World, event_key};

    /// A log with a sealing key (entry 2) and two accesses (3 and 4).
    pub(crate) fn log_with_accesses() -> World {
        let world = World::access();
        let gateway = Name::new("gateway").unwrap();
        let key = event_key("gateway");
        let mut sealer = readers::sealer(&world, &world.policy(), &world.fingerprint(), &gateway, &key, NOW).unwrap().0;
        let signed = sealer.seal(vec![world::values("one"), world::values("two")], Time::new(NOW)).unwrap();
        for event in &signed {
            world.submit_signed(event).unwrap();
        }
        world
    }

    /// What the reader of this place in the charter opens.
    pub(crate) fn opened(world: &World, index: usize, reader: usize) -> Result<Opened, Failure> {
        let seed = &world::readers()[reader].1;
        open(index as u64, &world.logged(index), &world.logged(2), &world.record(index), seed)
    }

    #[test]
    fn each_reader_opens_what_was_sealed() {
        let world = log_with_accesses();
        for reader in [0, 1] {
            let values = opened(&world, 4, reader).unwrap().values;
            assert_eq!(values.text(Field::NativeId), Some("two"));
        }
    }

    #[test]
    fn what_does_not_open_is_somebodys_fault() {
        let world = log_with_accesses();
        let seed = &world::readers()[0].1;
        let of = |event: usize, key: usize, record: &[u8], seed: &ReaderSeed| {
            let failure = open(event as u64, &world.logged(event), &world.logged(key), record, seed).unwrap_err();
            (failure.code, failure.exit)
        };
        let record = world.record(3);
        assert_eq!(of(3, 2, &world.record(4), seed), ("record.other".to_owned(), Exit::Misbehaved));
        assert_eq!(of(3, 2, &record[1..], seed), ("record.other".to_owned(), Exit::Misbehaved));
        assert_eq!(of(3, 2, &vec![0; record.len()], seed), ("record.erased".to_owned(), Exit::NotVerified));
        assert_eq!(of(3, 1, &record, seed), ("record.no-key".to_owned(), Exit::Misbehaved));
        assert_eq!(of(3, 2, &record, &ReaderSeed::new([9; 32])), ("open.no-wrap".to_owned(), Exit::NotVerified));
        assert_eq!(sealed_of(1, &world.logged(1)).unwrap_err().code, "open.not-sealed");
        assert!(field("actors").unwrap_err().contains("actor_session"));
    }
}
