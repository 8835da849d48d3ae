//! `key new` and `key show`: Ed25519 keys that sign events (cli.md).
//!
//! A private key is written to its file and nowhere else. Not here: keys of logs (`log-server keygen`) and of witnesses
//! (`witness init`); readers' keys come with the access log.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use vitrine_spec::key::Vkey;

use crate::exit::{Exit, Failure};
use crate::files;
use crate::keyfile;
use crate::limits::KEY_FILE_BYTES_MAX;
use crate::output::{Out, Report};

/// `key`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make an Ed25519 key that signs events; prints its public vkey
    New(New),
    /// Show the public side of a key file, or what a vkey is
    Show(Show),
}

/// `key new`.
#[derive(Debug, Args)]
pub struct New {
    /// Name of the key, for example build.example.com; stands in every signature
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
    /// Opens sealed records; comes with the access log
    Reader,
}

/// `key show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Private key file, or a file that holds a vkey
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
        return Err(Failure::usage(
            "key.kind",
            "readers' keys come with the access log, which this version does not have",
        )
        .side("given", "--kind reader")
        .side("known", "--kind ed25519"));
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
    let vkey = if private {
        keyfile::read(&args.file)?.vkey()
    } else {
        Vkey::parse(text.trim_end_matches('\n')).map_err(|error| {
            Failure::refused("key.malformed", "this is neither a private key file nor a vkey")
                .side("file", args.file.display())
                .side("rule", error)
        })?
    };
    out.data(format!("{vkey}\n").as_bytes());
    let what = if private { "private key; its secret is not shown" } else { "public key" };
    let report = Report::done("key.show", format!("{} {}, {what}", vkey.keyid(), keyfile::kind_name(vkey.kind())));
    Ok(out.report_beside_data(&public(report, &vkey).with("private", private)))
}

fn public(report: Report, vkey: &Vkey) -> Report {
    report.with("vkey", vkey.to_string()).with("keyid", vkey.keyid()).with("name", vkey.name())
}
