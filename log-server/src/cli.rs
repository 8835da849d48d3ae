//! The command line of `log-server` (cli.md): keygen, init, serve, status, fsck, follow, dev, and their exit codes.
//!
//! Not here: what the commands do.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tracing_subscriber::EnvFilter;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

use crate::config::{BATCH_MILLIS_DEFAULT, Config, FREE_BYTES_MIN_DEFAULT};
use crate::dev;
use crate::follow;
use crate::fsck;
use crate::init;
use crate::keys::LogKeys;
use crate::open::{Step, claim, machine_id};
use crate::serve;
use crate::status;
use crate::stop::Stop;
use crate::store::{Files, FolderLock, OsDisk, Store};
use crate::time::Time;

const DONE: u8 = 0;
const NOT_CLEAN: u8 = 1;
const USAGE: u8 = 2;
const NOT_REACHABLE: u8 = 4;
const NOT_YET: u8 = 5;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  fsck found damage, the charter is not valid, or follow met another charter or too few witnesses
  2  wrong command line, missing or malformed file, a folder in use
  3  follow: the log does not extend the copy, or its entries, records or proofs do not fit; what it signed is in evidence/
  4  not reachable; or a write failed: the message says which, and opening again is the recovery
  5  status: the server does not admit events yet";

/// The transparency log: admits signed events, has its heads cosigned by witnesses, serves them as static files.
#[derive(Parser)]
#[command(name = "log-server", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Keygen(Keygen),
    Init(Init),
    Serve(Serve),
    Status(Status),
    Fsck(Fsck),
    Follow(Follow),
    Dev(Dev),
}

/// Make the log's keys (Ed25519 and ML-DSA-44) and its vault's key, and print their vkeys.
///
/// The keys live as long as the log. Keep the folder apart from the data directory, and out of its backups.
#[derive(Args)]
struct Keygen {
    /// Folder for the keys; made when missing, mode 0700.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Name of the log, for example log.example.org/releases: [a-z0-9./-], 3 to 100 characters.
    #[arg(long, value_name = "ORIGIN")]
    origin: String,
    /// Name of the vault's key; vault.<host of the origin> when not given.
    #[arg(long, value_name = "NAME")]
    vault_name: Option<String>,
}

/// Begin a log: check the signed charter against the keys and write it as entry 0.
#[derive(Args)]
struct Init {
    /// Data directory; made when missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Folder of the log's keys, from keygen.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// The charter, signed by operator and supervisor (log-client charter new, charter sign).
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
}

/// Run the log.
///
/// Reads work at once. Events are admitted when the index is up to date and the witnesses that count have said that none
/// of them is ahead of this directory; /readyz names what is waited for. Never run two copies of one log.
#[derive(Args)]
struct Serve {
    /// Data directory, from init.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Folder of the log's keys.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Address to listen on, for example 127.0.0.1:8080; port 0 takes a free one. TLS is the reverse proxy's.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// tlog-policy file: witnesses with their submission prefixes, and the quorum without which nothing is acknowledged.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Shortest time between the starts of two batches; a lone event does not wait.
    #[arg(long, value_name = "N", default_value_t = BATCH_MILLIS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    batch_ms: u64,
    /// Free bytes of the data directory's disk under which no event is admitted.
    #[arg(long, value_name = "BYTES", default_value_t = FREE_BYTES_MIN_DEFAULT)]
    min_free: u64,
    /// This directory was last used on another machine, is the only copy, and goes on here: every witness must then say
    /// that it is not ahead.
    #[arg(long)]
    take_over: bool,
    /// Key name of a witness that is gone for good; the guard does not ask it. Repeatable.
    #[arg(long, value_name = "NAME")]
    set_aside: Vec<String>,
    /// Monitoring prefix of a witness, where it is not its submission prefix. Repeatable.
    #[arg(long, value_name = "NAME=URL", value_parser = name_and_url)]
    monitoring: Vec<(String, String)>,
    /// Accept this machine's clock once, although it is far behind the last signed time.
    #[arg(long)]
    clock_was_wrong: bool,
    /// Accept a policy with `quorum none`; every answer then says that the log is unwitnessed.
    #[arg(long)]
    unwitnessed: bool,
}

/// Show how a running server stands.
#[derive(Args)]
struct Status {
    /// Where it is, for example http://127.0.0.1:8080.
    #[arg(long, value_name = "URL")]
    url: String,
}

/// Read every object of a data directory and name each that does not fit. Changes nothing; the server must not run.
#[derive(Args)]
struct Fsck {
    /// Data directory.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Make a verified copy of a running log, or bring one up to date; serve --take-over goes on with it on another machine.
///
/// Signatures, hashes, admission, every sealed record and every attachment are checked before they are kept. It may be run
/// again at any time, and goes on where it was. A log that does not extend the copy is refused.
#[derive(Args)]
struct Follow {
    /// The running log, for example http://127.0.0.1:8080.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Folder of the copy; made when missing. Never a folder that a server uses.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The charter's fingerprint, 16 groups of four digits; without it the first run believes the log.
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
    charter: Option<Hash>,
    /// tlog-policy file whose quorum every checkpoint must have; without it the log's own signatures count alone.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Accept a policy with `quorum none`.
    #[arg(long)]
    unwitnessed: bool,
    /// Key file of a reader of the charter, which signs requests for sealed records; each is an access in the log.
    #[arg(long, value_name = "FILE")]
    reader_key: Option<PathBuf>,
}

/// Run a log and three witnesses on this machine, to try everything: makes keys, charter, policies and trust file itself.
///
/// The keys of every party lie in one folder, so it proves nothing to anybody else: its name begins with `dev.`, and verdicts
/// say so. Run it again on the same folder and it goes on. Ctrl-C ends the log and its witnesses, which are the program
/// `witness` in the folder of this one.
#[derive(Args)]
struct Dev {
    /// Its folder; made when missing.
    #[arg(long, value_name = "DIR", default_value = "vitrine-dev")]
    dir: PathBuf,
    /// Address to listen on; where it did before when not given, and a free port of 127.0.0.1 the first time.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Blanks, hyphens and capitals of a fingerprint do not matter.
fn fingerprint(text: &str) -> Result<Hash, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    Hash::from_hex(&digits.to_ascii_lowercase()).map_err(|_| "64 hexadecimal digits, in groups or not".to_owned())
}

fn name_and_url(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && url.starts_with("http") => Ok((name.to_owned(), url.to_owned())),
        Some(_) | None => Err("NAME=URL, with the witness's key name and a URL that begins with http".to_owned()),
    }
}

/// A failed command: what goes to stderr, the exit code, and where the runbook says more.
struct Failed {
    words: String,
    code: u8,
    stop: Stop,
}

fn failed(code: u8, stop: Stop) -> impl FnOnce(&dyn std::error::Error) -> Failed {
    move |error| Failed { words: error.to_string(), code, stop }
}

/// The command line itself, of which man pages and completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line; the first argument is the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout and is no error. A closed pipe changes nothing.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { DONE });
        }
    };
    let result = match &cli.command {
        Command::Keygen(args) => keygen(args, cli.json),
        Command::Init(args) => begin(args, cli.json),
        Command::Serve(args) => run_server(args, cli.json),
        Command::Status(args) => show_status(args, cli.json),
        Command::Fsck(args) => check(args, cli.json),
        Command::Follow(args) => copy(args, cli.json),
        Command::Dev(args) => develop(args, cli.json),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(Failed { words, code, stop }) => {
            if cli.json {
                say(&json!({"error": words, "exit": code, "code": stop.word()}).to_string());
            }
            eprintln!("error: {words}");
            look_up(stop);
            ExitCode::from(code)
        }
    }
}

/// Says under which word the runbook has more.
fn look_up(stop: Stop) {
    eprintln!("runbook: {}", stop.word());
}

/// Prints to stdout. A reader that is gone is no failure of the command.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn keygen(args: &Keygen, json: bool) -> Result<u8, Failed> {
    let keys = LogKeys::generate(&args.keys, &args.origin, args.vault_name.as_deref())
        .map_err(|error| failed(USAGE, error.stop())(&error))?;
    let [ed25519, mldsa] = keys.log_vkeys().map(|vkey| vkey.to_string());
    let vault = keys.vault_vkey().to_string();
    if json {
        say(&json!({"origin": args.origin, "log_keys": [ed25519, mldsa], "vault": vault}).to_string());
    } else {
        // `log` lines are those of a tlog-policy.
        say(&format!("log {ed25519}\nlog {mldsa}\nvault {vault}"));
        eprintln!(
            "the private keys are in {}: keep them out of the data directory and its backups",
            args.keys.display()
        );
    }
    Ok(DONE)
}

fn begin(args: &Init, json: bool) -> Result<u8, Failed> {
    let keys = LogKeys::load(&args.keys).map_err(|error| failed(USAGE, error.stop())(&error))?;
    let charter = std::fs::read(&args.charter).map_err(|error| Failed {
        words: format!("{}: {error}", args.charter.display()),
        code: USAGE,
        stop: Stop::CommandLine,
    })?;
    let disk = OsDisk::create(&args.dir).map_err(|error| failed(NOT_REACHABLE, error.stop())(&error))?;
    let _locks = (lock(&args.dir)?, lock(&args.keys)?);
    let store = Files::new(disk);
    let claim = claim(&store, machine_id().as_deref(), false).map_err(|error| failed(USAGE, error.stop())(&error))?;
    claim.keep(&store).map_err(|error| failed(NOT_REACHABLE, error.stop())(&error))?;
    let begun = init::init(&store, &keys, &charter, Time::now()).map_err(|error| {
        let code = match error {
            init::InitError::Charter(_) | init::InitError::Key { .. } => NOT_CLEAN,
            _ => NOT_REACHABLE,
        };
        failed(code, error.stop())(&error)
    })?;
    let fingerprint = groups(&begun.charter.to_string());
    if json {
        let (size, root) = (begun.head.size.get(), begun.head.root.to_string());
        say(&json!({"origin": keys.origin().to_string(), "fingerprint": fingerprint, "size": size, "root": root})
            .to_string());
    } else {
        say(&format!("log          {}\nfingerprint  {fingerprint}", keys.origin()));
        eprintln!("entry 0 is written; verifiers pin the fingerprint. Next: log-server serve");
    }
    Ok(DONE)
}

/// 64 hex digits in 16 groups of four.
fn groups(hex: &str) -> String {
    let digits: Vec<char> = hex.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

fn run_server(args: &Serve, json: bool) -> Result<u8, Failed> {
    log_to_stderr(json, "info");
    let config = Config {
        dir: args.dir.clone(),
        keys: args.keys.clone(),
        listen: args.listen,
        policy: args.policy.clone(),
        batch_every: Duration::from_millis(args.batch_ms),
        free_bytes_min: args.min_free,
        take_over: args.take_over,
        set_aside: args.set_aside.clone(),
        monitoring: args.monitoring.clone(),
        clock_was_wrong: args.clock_was_wrong,
        unwitnessed: args.unwitnessed,
    };
    // Scripts wait for exactly this line.
    let listening = |address: SocketAddr| say(&format!("log-server listening on http://{address}"));
    serve::serve(&config, listening).map_err(|error| Failed {
        words: error.to_string(),
        code: error.exit_code(),
        stop: error.stop(),
    })?;
    Ok(DONE)
}

fn log_to_stderr(json: bool, level: &str) {
    let filter = EnvFilter::try_from_env("VITRINE_LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if json {
        builder.json().try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
    };
    if let Err(error) = set {
        eprintln!("warning: another log is set already: {error}");
    }
}

fn show_status(args: &Status, json: bool) -> Result<u8, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(NOT_REACHABLE, Stop::System)(&error))?;
    let status = runtime.block_on(status::ask(&args.url)).map_err(|words| Failed {
        words,
        code: NOT_REACHABLE,
        stop: Stop::Unreachable,
    })?;
    say(&if json { status.json().to_string() } else { status.text() });
    Ok(if status.ready() { DONE } else { NOT_YET })
}

fn check(args: &Fsck, json: bool) -> Result<u8, Failed> {
    let disk = OsDisk::existing(&args.dir).map_err(|error| failed(USAGE, error.stop())(&error))?;
    let _lock = lock(&args.dir)?;
    let store: Arc<dyn Store> = Arc::new(Files::new(disk));
    let bar = bar();
    let report = fsck::fsck(store, &|step: Step| {
        bar.set_length(step.total);
        bar.set_position(step.done);
        bar.set_message(step.name);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| failed(NOT_REACHABLE, error.stop())(&error))?;
    if json {
        let findings: Vec<_> =
            report.findings.iter().map(|found| json!({"path": found.path, "what": found.what})).collect();
        say(&json!({
            "clean": report.findings.is_empty(), "origin": report.origin, "size": report.size,
            "published": report.published, "bundles": report.bundles, "tiles": report.tiles, "kept": report.kept,
            "attachments": report.attachments, "stages": report.stages, "records": report.records, "erased": report.erased, "to_erase": report.to_erase,
            "findings": findings,
        })
        .to_string());
    } else {
        for found in &report.findings {
            say(&format!("{}: {}", found.path, found.what));
        }
        let verdict = match report.findings.len() {
            0 => "clean".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        say(&format!(
            "{} {verdict}: {} entries ({} published), {} bundles, {} tiles, {} kept checkpoints, {} stages to write again",
            report.origin, report.size, report.published, report.bundles, report.tiles, report.kept, report.stages
        ));
        if report.records + report.to_erase > 0 {
            say(&format!(
                "{} sealed records in {} objects, {} erased, {} to erase at the next start",
                report.records, report.sealed, report.erased, report.to_erase
            ));
        }
    }
    if report.findings.is_empty() {
        return Ok(DONE);
    }
    look_up(Stop::Fsck);
    Ok(NOT_CLEAN)
}

fn copy(args: &Follow, json: bool) -> Result<u8, Failed> {
    log_to_stderr(json, "info");
    let options = follow::Options {
        from: args.from.clone(),
        dir: args.dir.clone(),
        charter: args.charter,
        policy: args.policy.clone(),
        unwitnessed: args.unwitnessed,
        reader_key: args.reader_key.clone(),
    };
    let bar = bar();
    let report = follow::follow(&options, &|step: Step| {
        bar.set_length(step.total);
        bar.set_position(step.done);
        bar.set_message(step.name);
    });
    bar.finish_and_clear();
    let report =
        report.map_err(|error| Failed { words: error.to_string(), code: error.exit_code(), stop: error.stop() })?;
    let not_checked: Vec<&str> = [
        (args.charter.is_none(), "the charter's fingerprint (--charter)"),
        (args.policy.is_none(), "witnesses (--policy)"),
    ]
    .into_iter()
    .filter_map(|(missing, what)| missing.then_some(what))
    .collect();
    let fingerprint = groups(&report.fingerprint);
    if json {
        say(&json!({
            "origin": report.origin, "fingerprint": fingerprint, "size": report.size.get(),
            "root": report.root.to_string(), "before": report.before.get(), "records": report.records,
            "reads": report.reads, "attachments": report.attachments, "kept": report.kept,
            "log_size": report.remote.map(TreeSize::get), "not_checked": not_checked,
        })
        .to_string());
    } else {
        say(&format!("log          {}\nfingerprint  {fingerprint}", report.origin));
        say(&format!("copied       {} entries, root {} ({} before)", report.size, report.root, report.before));
        say(&format!(
            "with         {} sealed records in {} reads, {} attachments, {} kept checkpoints",
            report.records, report.reads, report.attachments, report.kept
        ));
        if report.remote.is_none() {
            say("log now      it did not answer any more");
        }
        if !not_checked.is_empty() {
            say(&format!("not checked  {}", not_checked.join(", ")));
        }
        eprintln!(
            "run it again to catch up. To go on here: let nothing be submitted any more, run it once more, stop the server \
             there for good, bring its keys, then log-server serve --take-over; the witnesses say when entries are missing"
        );
    }
    Ok(DONE)
}

fn develop(args: &Dev, json: bool) -> Result<u8, Failed> {
    // What the log does all the time would hide what to type next.
    log_to_stderr(json, "error");
    let options = dev::Options { dir: args.dir.clone(), listen: args.listen };
    let listening = |address: SocketAddr| say(&format!("log-server listening on http://{address}"));
    let ready = move |ready: &dev::Ready| {
        if json {
            say(&json!({"origin": ready.origin, "url": ready.url, "dir": ready.dir, "next": ready.next}).to_string());
            return;
        }
        say(&format!(
            "{} is a DEVELOPMENT log: all keys are in {}, so it proves nothing to anybody else",
            ready.origin,
            ready.dir.display()
        ));
        let (package, channel) = dev::STREAM;
        say(&format!(
            "three witnesses, two are needed; open for builds, rebuilds, reviews, and updates of {package} {channel}: {}; for accesses: {}",
            dev::ISSUER,
            dev::ACCESS
        ));
        say(&format!("in a browser: {}/", ready.url));
        say(&format!("\nType next, in another terminal:\n  {}\n", ready.next.join("\n  ")));
        say("Ctrl-C ends the log and its witnesses; the same command goes on where it was.");
    };
    dev::run(&options, listening, ready).map_err(|error| failed(error.exit_code(), error.stop())(&error))?;
    Ok(DONE)
}

/// A progress bar on a terminal's stderr; nothing elsewhere.
fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn lock(folder: &Path) -> Result<FolderLock, Failed> {
    FolderLock::take(folder).map_err(|error| failed(USAGE, error.stop())(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_lines_of_the_contract_parse() {
        for line in [
            "log-server keygen --keys k --origin log.example.org",
            "log-server init --dir d --keys k --charter charter.json",
            "log-server serve --dir d --keys k --listen 127.0.0.1:0 --policy p",
            "log-server serve --dir d --keys k --listen 127.0.0.1:0 --policy p --batch-ms 20 --min-free 1 --take-over --set-aside w1 --set-aside w2 --clock-was-wrong",
            "log-server status --url http://127.0.0.1:1 --json",
            "log-server fsck --dir d",
            "log-server dev",
            "log-server dev --dir d --listen 127.0.0.1:0",
            "log-server follow --from http://127.0.0.1:1 --dir d --policy p --reader-key k --charter 0123-4567-89ab-cdef-0123-4567-89AB-CDEF-0123-4567-89ab-cdef-0123-4567-89ab-cdef",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map_or(String::new(), |error| error.to_string()));
        }
    }

    #[test]
    fn a_fingerprint_has_sixteen_groups() {
        let text = groups(&"0123456789abcdef".repeat(4));
        assert_eq!(text.split(' ').count(), 16);
        assert!(text.starts_with("0123 4567 "));
    }
}
