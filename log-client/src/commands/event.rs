//! `event new`, `event sign`, `event verify` (cli.md; leaf-format.md 2 to 4).
//!
//! Shows what is signed before it signs. Not here: making events (`event_new`), sending them (`submit`), charters.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::event_new::{self, New};
use crate::draft::check_members;
use crate::event_file::EventFile;
use crate::exit::{Exit, Failure};
use crate::explain::event_rows;
use crate::files;
use crate::keyfile;
use crate::limits::EVENT_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::verify_update;

/// `event`.
#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Make an event: header and body, its files digested, ready to be signed or submitted
    New(Box<New>),
    /// Sign an event file; shows what is signed
    Sign(Sign),
    /// Say whether an event is signed by those whom the trust file names; offline
    Verify(Verify),
}

/// `event sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// Private key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write the signed event, instead of replacing FILE
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The event
    file: PathBuf,
}

/// `event verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Directory with policy and trust.toml
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
    /// The event
    file: PathBuf,
}

/// Runs `event`.
pub fn run(command: EventCommand, out: &Out) -> Result<Exit, Failure> {
    match command {
        EventCommand::New(args) => event_new::run(*args, out),
        EventCommand::Sign(args) => sign(args, out),
        EventCommand::Verify(args) => verify(args, out),
    }
}

fn sign(args: Sign, out: &Out) -> Result<Exit, Failure> {
    let seed = keyfile::read_event_key(&args.key)?;
    let mut event = EventFile::read(&args.file)?;
    if event.kind() == Some("charter") {
        return Err(Failure::usage("event.sign", "a charter is signed by `charter sign`, which shows the keys in it")
            .side("file", args.file.display())
            .now(format!("log-client charter sign --key {} {}", args.key.display(), args.file.display())));
    }
    if event.wants_place() {
        return Err(Failure::refused("event.no-place", "the event has no place in its chain yet, so there is nothing to sign")
            .side("file", args.file.display())
            .side("missing", "hdr.seq and hdr.prev, or release_seq")
            .now("submit it with --key, which asks for the place and signs; or make it again with --log URL or --seq and --prev"));
    }
    check_members(&event)?;
    let keyid = seed.vkey().keyid();
    let role = if event.cosigners().contains(&keyid.as_str()) { "cosigner" } else { "issuer" };
    if role == "issuer" {
        let other = event.signers().find(|signer| *signer != keyid && !event.cosigners().contains(signer));
        if let Some(other) = other {
            return Err(Failure::refused(
                "signer-set",
                "the issuer's signature is there already, and this key is not among the cosigners",
            )
            .side("issuer's", other)
            .side("this key", &keyid)
            .side(
                "cosigners",
                if event.cosigners().is_empty() { "none".to_owned() } else { event.cosigners().join(", ") },
            )
            .now("name this key with --cosigner when making the event, or sign with the right key"));
        }
    }
    show_signed(&event, out);
    event.sign(&seed)?;
    files::emit(Some(args.out.as_deref().unwrap_or(&args.file)), event.print().as_bytes(), out)?;
    let signers: Vec<&str> = event.signers().collect();
    let missing: Vec<&str> = event.cosigners().into_iter().filter(|cosigner| !signers.contains(cosigner)).collect();
    let issuer_signed = signers.iter().any(|signer| !event.cosigners().contains(signer));
    let mut waiting: Vec<String> = missing.iter().map(|keyid| (*keyid).to_owned()).collect();
    if !issuer_signed {
        waiting.push(format!("the key of issuer {}", event.header_text("issuer").unwrap_or_default()));
    }
    let rest = if waiting.is_empty() {
        "all have signed".to_owned()
    } else {
        format!("still to sign: {}", waiting.join(", "))
    };
    let report = Report::done("event.signed", format!("signed as {role} by {keyid}; {rest}"))
        .with("event_id", event.id().hex())
        .with("signers", signers.iter().map(|signer| serde_json::Value::from(*signer)).collect::<Vec<_>>())
        .with("missing", waiting);
    Ok(out.report_beside_data(&report))
}

/// Shows a person what a signature will stand under.
fn show_signed(event: &EventFile, out: &Out) {
    if out.is_json() {
        return;
    }
    let rows = event_rows(event);
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    for (label, value) in &rows {
        out.note(&format!("  {label:width$}  {value}"));
    }
}

fn verify(args: Verify, out: &Out) -> Result<Exit, Failure> {
    let dir = files::trust_dir(args.trust.as_deref())?;
    let pins = verify_update::load_pins(Some(&dir), args.unwitnessed)?;
    let bytes = files::read(&args.file, EVENT_FILE_BYTES_MAX)?;
    let verdict = vitrine_spec::verdict::verify_event(&bytes, &pins);
    Ok(verify_update::print(verdict, out))
}
