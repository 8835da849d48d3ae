//! `key new` and `key show`: Ed25519 keys that sign events, and readers' keys (cli.md).
//!
//! A private key is written to its file and nowhere else. Not here: keys of logs (`log-server keygen`) and of witnesses
//! (`witness init`).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use vitrine_spec::key::Vkey;
use vitrine_spec::text::hex;
use vitrine_spec::wrap::{reader_key_id, reader_text};

use crate::exit::{Exit, Failure};
use crate::files;
use crate::keyfile::{self, ReaderPublic};
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::output::{Out, Report};

/// `key`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key that signs events, or a reader's, which opens sealed records; prints its public side
    New(New),
    /// Show the public side of a key file, or what a vkey is
    Show(Show),
}

/// `key new`.
#[derive(Debug, Args)]
pub struct New {
    /// Name of the key, for example build.example.com, of a reader supervisor-1; stands in every signature
    #[arg(long)]
    name: String,
    /// What it is for
    #[arg(long, value_enum, default_value = "ed25519")]
    kind: Kind,
    /// New file for the private key, mode 0600; is never replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Signs events of an issuer, operator or supervisor
    Ed25519,
    /// Asks for sealed records and opens them: an Ed25519 key and an X-Wing key
    Reader,
}

/// `key show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Private key file, or a file that holds what `key new` printed
    file: PathBuf,
}

/// Runs `key`.
pub fn run(command: Key, out: &Out) -> Result<Exit, Failure> {
    match command {
        Key::New(args) => new(args, out),
        Key::Show(args) => show(args, out),
    }
}

fn new(args: New, out: &Out) -> Result<Exit, Failure> {
    if args.kind == Kind::Reader {
        let key = keyfile::generate_reader(&args.name)?;
        keyfile::create_reader(&args.out, &key)?;
        out.data(key.public_text().as_bytes());
        let report = Report::done(
            "key.new",
            format!(
                "reader's private key in {}, mode 0600; the two lines above are its public side, for `charter new --reader NAME:ROLE:FILE`",
                args.out.display()
            ),
        );
        return Ok(out.report_beside_data(&seal(public(report, &key.sign.vkey()), &args.name, &key.seal.public())));
    }
    let seed = keyfile::generate(&args.name)?;
    keyfile::create(&args.out, &seed)?;
    let vkey = seed.vkey();
    out.data(format!("{vkey}\n").as_bytes());
    let report = Report::done(
        "key.new",
        format!("private key in {}, mode 0600; the line above is its public vkey", args.out.display()),
    );
    Ok(out.report_beside_data(&public(report, &vkey)))
}

fn show(args: Show, out: &Out) -> Result<Exit, Failure> {
    let text = files::read_text(&args.file, KEY_FILE_BYTES_MAX)?;
    let private = text.starts_with("PRIVATE+KEY+");
    let (vkey, reader) = if private {
        let (seed, reader) = keyfile::read_any(&args.file)?;
        (seed.vkey(), reader.map(|reader| (seed.name().to_owned(), reader.public())))
    } else if let Some(reader) = ReaderPublic::parse(&text) {
        let public = reader.map_err(|why| malformed(&args, &why))?;
        (public.sign, Some((public.name, public.seal)))
    } else {
        (Vkey::parse(text.trim_end_matches('\n')).map_err(|error| malformed(&args, &error.to_string()))?, None)
    };
    out.data(format!("{vkey}\n").as_bytes());
    let what = if private { "private key; its secret is not shown" } else { "public key" };
    let kind = keyfile::kind_name(vkey.kind());
    let Some((name, sealing)) = reader else {
        let report = Report::done("key.show", format!("{} {kind}, {what}", vkey.keyid()));
        return Ok(out.report_beside_data(&public(report, &vkey).with("private", private)));
    };
    out.data(format!("{}\n", reader_text(&name, &sealing)).as_bytes());
    let id = hex(&reader_key_id(&sealing));
    let report = Report::done(
        "key.show",
        format!("reader {name}: signs requests as {}, opens with X-Wing {id}, {what}", vkey.keyid()),
    );
    Ok(out.report_beside_data(&seal(public(report, &vkey), &name, &sealing).with("private", private)))
}

fn malformed(args: &Show, why: &str) -> Failure {
    Failure::refused("key.malformed", "this is neither a private key file nor the public side of a key")
        .side("file", args.file.display())
        .side("rule", why)
}

fn public(report: Report, vkey: &Vkey) -> Report {
    report.with("vkey", vkey.to_string()).with("keyid", vkey.keyid()).with("name", vkey.name())
}

fn seal(report: Report, name: &str, sealing: &[u8]) -> Report {
    report.with("xwing", reader_text(name, sealing)).with("xwing_keyid", hex(&reader_key_id(sealing)))
}
