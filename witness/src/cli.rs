//! The program `witness`: its commands, what it prints, how it ends (docs/cli.md, 55-witness.md).
//!
//! Exit codes: 0 done; 1 the state found forbids signing; 2 usage: command line, keys, list of logs; 4 a write failed, or
//! the address cannot be had. Not here: anything that decides.

use crate::clock::SystemClock;
use crate::crosscheck::CrossCheck;
use crate::disk::{Disk, LockError, OsDisk};
use crate::fetch::{self, Fetch};
use crate::http;
use crate::keys::Keys;
use crate::limits::{CONFIRM_BYTES_MAX, CROSS_CHECK_S, DESCRIPTORS_MIN, STATUS_BYTES_MAX};
use crate::logs::Logs;
use crate::overview::Status;
use crate::peers;
use crate::quota::Rate;
use crate::stop::Stop;
use crate::witness::{OpenError, Setup, Witness, make_journal};
use clap::{Args, CommandFactory as _, Parser, Subcommand, value_parser};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs::{DirBuilder, File};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use vitrine_spec::key::Vkey;

/// A witness: cosigns checkpoints of logs that only grow, and refuses forks.
#[derive(Debug, Parser)]
#[command(name = "witness", version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a witness: both keys (mode 0600) and an empty journal; print vkeys, policy lines and URL prefixes.
    Init(InitArgs),
    /// Serve add-checkpoint and the monitoring prefix until SIGTERM; SIGHUP reads --logs and --peers again.
    Serve(ServeArgs),
    /// Ask a running witness how it is: 0 it signs, 1 it does not or a log is frozen, 4 no answer, 5 a log is not reconciled.
    Status(StatusArgs),
}

/// `witness status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Its monitoring prefix, as http://127.0.0.1:7401.
    #[arg(long, value_name = "URL")]
    url: String,
    /// The answer as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// `witness init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Directory of the journal. One that is there is kept: so a restored journal goes on with new keys.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Directory of the keys, outside --dir and outside every backup of it. Keys that are there are never replaced.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Name of both keys, a URL without scheme by convention: witness.example/w1
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where logs and monitors will reach it, for the lines printed; https://NAME unless given.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// `witness serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Directory of the journal.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Directory of the keys.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Address to listen on, as 127.0.0.1:7401; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The logs to cosign: `log <vkey> [<url>]` lines as in a tlog-policy, or a witness-network `logs/v0` list.
    #[arg(long, value_name = "FILE")]
    logs: PathBuf,
    /// Monitoring prefixes of other witnesses to compare with: the addresses of `witness` lines as in a tlog-policy.
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Seconds between two rounds of the cross-check; 0: none.
    #[arg(long, value_name = "SECONDS", default_value_t = CROSS_CHECK_S)]
    cross_check_every: u64,
    /// Fetch the checkpoints that the logs publish, and cosign them unasked; --logs must name their addresses.
    #[arg(long)]
    feed: bool,
    /// Requests in a second that one log may make, twice as many at once; a log with a `qpd` has its own. No limit unless given.
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..))]
    log_rate: Option<u32>,
    /// Requests in a second from one address, twice as many at once. No limit unless given: behind a proxy all have one.
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..))]
    address_rate: Option<u32>,
    /// After the journal was lost: one log-signed note for each log of --logs, from which this witness goes on.
    #[arg(long, value_name = "FILE")]
    confirm_state: Option<PathBuf>,
    /// Accept the clock once, although times later than it were signed: after a jump ahead that was put right.
    #[arg(long)]
    clock_was_wrong: bool,
    /// End as at SIGTERM when standard input ends too: whoever starts a witness and holds the other end leaves none behind.
    #[arg(long)]
    until_stdin_ends: bool,
}

/// Why the program ends with another code than 0.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
    stop: Stop,
}

impl Failure {
    fn usage(stop: Stop, message: impl ToString) -> Failure {
        Failure { code: 2, message: message.to_string(), stop }
    }

    fn state(stop: Stop, message: impl ToString) -> Failure {
        Failure { code: 1, message: message.to_string(), stop }
    }

    fn system(stop: Stop, message: impl ToString) -> Failure {
        Failure { code: 4, message: message.to_string(), stop }
    }

    fn disk(what: &str, path: &Path, error: &io::Error) -> Failure {
        Failure::system(Stop::of_io(error), format!("{what} {}: {error}", path.display()))
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Failure {
        match error {
            LockError::Taken { .. } => Failure::usage(Stop::FolderInUse, error),
            LockError::Disk(error) => {
                Failure::usage(Stop::FolderUnfit, format!("{error}; is it a directory that `witness init` made?"))
            }
        }
    }
}

/// The command line itself, of which man pages and completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("VITRINE_LOG_LEVEL")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let result = match cli.command {
        Command::Init(args) => init(&args),
        Command::Serve(args) => serve(args),
        Command::Status(args) => return status(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message, stop }) => {
            // Nobody may be reading; the code still says it.
            let _ = writeln!(io::stderr(), "error: {message}\nrunbook: {}", stop.word());
            ExitCode::from(code)
        }
    }
}

/// Asks a witness, says what it says, and ends with the code of the worst of it.
fn status(args: &StatusArgs) -> ExitCode {
    let status = match ask_status(&args.url) {
        Ok(status) => status,
        Err(message) => {
            let _ = writeln!(io::stderr(), "error: {message}");
            return ExitCode::from(4);
        }
    };
    let text =
        if args.json { serde_json::to_string(&status).unwrap_or_default() + "\n" } else { describe_status(&status) };
    // Nobody may be reading; the code still says it.
    let _ = io::stdout().write_all(text.as_bytes());
    let (code, word) = match status {
        Status { not_signing: Some(_), .. } => (1, None),
        Status { frozen_logs: 1.., .. } => (1, Some("witness.frozen")),
        Status { unreconciled_logs: 1.., .. } => (5, Some("witness.unreconciled")),
        Status { .. } => (0, None),
    };
    if let Some(word) = word {
        let _ = writeln!(io::stderr(), "runbook: {word}");
    }
    ExitCode::from(code)
}

fn ask_status(url: &str) -> Result<Status, String> {
    let url = format!("{}/status", fetch::prefix(url).map_err(|error| error.to_string())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("start threads: {error}"))?;
    let fetch = Fetch::new().map_err(|error| error.to_string())?;
    let bytes = runtime.block_on(fetch.get(&url, STATUS_BYTES_MAX)).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{url} is no status of a witness: {error}"))
}

fn describe_status(status: &Status) -> String {
    let mut text = match &status.not_signing {
        None => format!("{} signs\n", status.name),
        Some(why) => format!("{} signs NOTHING: {why}\n", status.name),
    };
    let ago = |time: u64| match time {
        0 => "never".to_owned(),
        time => format!("{} s ago", status.now.saturating_sub(time)),
    };
    text += &format!("logs           {} followed, {} co-signed\n", status.logs, status.cosigned);
    text += &format!("last signed    {}\n", ago(status.last_signed));
    text += &format!("last compared  {}, with {} peers\n", ago(status.checked), status.peers);
    for origin in &status.frozen {
        text += &format!("FROZEN         {origin:?} showed two trees: the evidence is below the monitoring prefix\n");
    }
    for origin in &status.unreconciled {
        text += &format!("UNRECONCILED   {origin:?}: nothing of it is co-signed until a proof explains both notes\n");
    }
    text
}

fn init(args: &InitArgs) -> Result<(), Failure> {
    let make = |dir: &Path| {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| Failure::disk("make", dir, &error))
    };
    make(&args.dir)?;
    make(&args.keys)?;
    check_apart(&args.dir, &args.keys)?;
    let disk = OsDisk::lock(&args.dir)?;
    let _keys_lock = OsDisk::lock(&args.keys)?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    // The journal first: a stop before the keys leaves nothing that this command would refuse to finish.
    let origins = make_journal(&disk).map_err(|error| open_failure(&args.dir, error))?;
    let keys = Keys::make(&args.keys, &args.name).map_err(|error| Failure::usage(error.stop(), error))?;
    sync_names(&args.dir)?;
    sync_names(&args.keys)?;
    let url = args.url.clone().unwrap_or_else(|| format!("https://{}", args.name));
    let text = describe(&keys, url.trim_end_matches('/'), origins);
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::system(Stop::System, error))
}

/// Makes the names of a directory and of those it lies in durable; directories that this user may not open are skipped.
fn sync_names(dir: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| Failure::disk("sync", path, &error);
    for path in dir.canonicalize().map_err(|error| failed(dir, error))?.ancestors() {
        if let Ok(folder) = File::open(path) {
            folder.sync_all().map_err(|error| failed(path, error))?;
        }
    }
    Ok(())
}

/// What `init` prints: a tlog-policy fragment, everything else in comments [D-18].
fn describe(keys: &Keys, url: &str, origins: usize) -> String {
    let [ed, pq]: [&Vkey; 2] = keys.vkeys().each_ref();
    let name = keys.name();
    let kept = match origins {
        0 => String::new(),
        origins => format!("# The journal that was there is kept; it holds {origins} origins.\n"),
    };
    format!(
        "# Witness {name}\n{kept}# submission prefix {url}\n# monitoring prefix {url}\n\
         # Ed25519 cosignatures   {ed}\n# ML-DSA-44 cosignatures {pq}\n\
         witness {name}-ed {ed} {url}\nwitness {name}-pq {pq} {url}\n\
         # For a verifier: both keys must have signed. A log's own policy may say `any` instead of `all`.\n\
         group {name} all {name}-ed {name}-pq\n"
    )
}

/// Keys never lie in the journal's directory, where a backup would take them along [D-10].
fn check_apart(dir: &Path, keys: &Path) -> Result<(), Failure> {
    let real = |path: &Path| {
        path.canonicalize().map_err(|error| {
            Failure::usage(
                Stop::FolderUnfit,
                format!("{}: {error}; is it a directory that `witness init` made?", path.display()),
            )
        })
    };
    let (real_dir, real_keys) = (real(dir)?, real(keys)?);
    if real_keys.starts_with(&real_dir) {
        return Err(Failure::usage(
            Stop::FolderUnfit,
            format!(
                "--keys {} lies in --dir {}: a backup of the journal must never hold the keys; choose a directory outside it",
                keys.display(),
                dir.display()
            ),
        ));
    }
    Ok(())
}

fn open_failure(dir: &Path, error: OpenError) -> Failure {
    let (stop, message) = (error.stop(), format!("{}: {error}", dir.display()));
    match error {
        OpenError::NoJournal | OpenError::NothingLost { .. } | OpenError::Confirm(_) | OpenError::OwnLog => {
            Failure::usage(stop, message)
        }
        OpenError::JournalLost { .. } | OpenError::OtherJournal { .. } | OpenError::Mark(_) => {
            Failure::state(stop, message)
        }
        OpenError::Journal(crate::journal::JournalError::Disk(_)) | OpenError::Random(_) | OpenError::Thread(_) => {
            Failure::system(stop, message)
        }
        OpenError::Journal(_) => Failure::state(stop, message),
    }
}

/// Asks the system for enough file descriptors: running out of them must refuse a connection, never fail the journal.
fn raise_descriptors() -> Result<(), Failure> {
    let mut limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= DESCRIPTORS_MIN);
    if enough(limit.current) {
        return Ok(());
    }
    let before = limit.current.unwrap_or_default();
    if enough(limit.maximum) {
        limit.current = Some(DESCRIPTORS_MIN);
        if setrlimit(Resource::Nofile, limit).is_ok() {
            return Ok(());
        }
    }
    Err(Failure::system(
        Stop::System,
        format!(
            "this process may open {before} files, a witness needs {DESCRIPTORS_MIN}: run ulimit -n {DESCRIPTORS_MIN} first"
        ),
    ))
}

fn serve(args: ServeArgs) -> Result<(), Failure> {
    raise_descriptors()?;
    check_apart(&args.dir, &args.keys)?;
    let disk = OsDisk::lock(&args.dir)?;
    let marks = OsDisk::lock(&args.keys)?;
    let keys = Keys::load(&args.keys).map_err(|error| Failure::usage(error.stop(), error))?;
    let logs = load_logs(&args.logs).map_err(|error| Failure::usage(Stop::Logs, error))?;
    let confirm_state = args.confirm_state.as_deref().map(read_confirmed).transpose()?;
    let peers = load_peers(args.peers.as_deref()).map_err(|error| Failure::usage(Stop::Peers, error))?;
    if args.feed && args.cross_check_every == 0 {
        let message = "--feed fetches in the rounds of the cross-check, and --cross-check-every 0 takes them away";
        return Err(Failure::usage(Stop::Peers, message));
    }
    let setup = Setup {
        disk: Arc::new(disk),
        marks: Arc::new(marks),
        keys,
        logs,
        clock: Arc::new(SystemClock),
        confirm_state,
        clock_was_wrong: args.clock_was_wrong,
        rate: args.log_rate.map(Rate::per_second),
    };
    let witness = Arc::new(Witness::open(setup).map_err(|error| open_failure(&args.dir, error))?);
    witness.set_peers(peers);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Signature checks only: more threads than twice the processors would only compete.
        .max_blocking_threads(std::thread::available_parallelism().map_or(2, |processors| 2 * processors.get()))
        .build()
        .map_err(|error| Failure::system(Stop::System, format!("start threads: {error}")))?;
    runtime.block_on(serve_on(&args, witness))
}

async fn serve_on(args: &ServeArgs, witness: Arc<Witness>) -> Result<(), Failure> {
    let failed = |what: &'static str| move |error: io::Error| Failure::system(Stop::System, format!("{what}: {error}"));
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::system(Stop::Listen, format!("listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr().map_err(failed("listen"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("SIGINT"))?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed("SIGHUP"))?;
    tracing::info!(
        "{} knows {} logs, {} origins in the journal",
        witness.keys().name(),
        witness.logs().len(),
        witness.origins()
    );
    // Programs that start a witness wait for this line [D-19].
    let mut out = io::stdout();
    writeln!(out, "witness listening on http://{address}").and_then(|()| out.flush()).map_err(failed("stdout"))?;

    let checking = cross_check(args, &witness)?;
    let (path, peers, reloading) = (args.logs.clone(), args.peers.clone(), Arc::clone(&witness));
    let reload = tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            reload_logs(&path, &reloading).await;
            if let Some(peers) = &peers {
                reload_peers(peers, &reloading).await;
            }
        }
    });
    let (ended, mut abandoned) = tokio::sync::oneshot::channel();
    if args.until_stdin_ends {
        std::thread::spawn(move || {
            // An error says as much as an end: nobody holds the other end any more.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            let _ = ended.send(());
        });
    }
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            Ok(()) = &mut abandoned => {}
        }
        tracing::info!("ending: open requests are finished first");
    };
    let result = http::serve(listener, witness, args.address_rate.map(Rate::per_second), shutdown).await;
    reload.abort();
    checking.inspect(JoinHandle::abort);
    result.map_err(|fatal| Failure::system(fatal.stop(), fatal))
}

/// Starts the cross-check, unless there is nothing to compare with.
fn cross_check(args: &ServeArgs, witness: &Arc<Witness>) -> Result<Option<JoinHandle<()>>, Failure> {
    if args.cross_check_every == 0 {
        tracing::warn!("--cross-check-every 0: what the logs show to others is not looked at");
        return Ok(None);
    }
    if witness.peers().is_empty() {
        tracing::warn!("no --peers: the logs' own checkpoints are looked at, what they show to other witnesses is not");
    }
    let check = CrossCheck::new(Arc::clone(witness), args.feed);
    let check = check.map_err(|error| Failure::system(Stop::System, error))?;
    Ok(Some(tokio::spawn(Arc::new(check).run(Duration::from_secs(args.cross_check_every)))))
}

fn load_logs(path: &Path) -> Result<Logs, String> {
    let logs = Logs::load(path).map_err(|error| format!("--logs {}: {error}", path.display()))?;
    logs.skipped().iter().for_each(|skipped| tracing::warn!("--logs {}: left out: {skipped}", path.display()));
    if logs.is_empty() {
        tracing::warn!("--logs {} names no log: every request is answered 404", path.display());
    }
    Ok(logs)
}

fn load_peers(path: Option<&Path>) -> Result<Vec<String>, String> {
    let load = |path: &Path| peers::load(path).map_err(|error| format!("--peers {}: {error}", path.display()));
    path.map_or(Ok(Vec::new()), load)
}

/// Reads the list again [D-26]. One that cannot be used changes nothing.
async fn reload_peers(path: &Path, witness: &Witness) {
    let owned = path.to_owned();
    match tokio::task::spawn_blocking(move || load_peers(Some(&owned))).await {
        Ok(Ok(peers)) => {
            witness.set_peers(peers);
            tracing::info!("--peers was read again: {} peers", witness.peers().len());
        }
        Ok(Err(error)) => tracing::error!("{error}; the {} peers known before stay", witness.peers().len()),
        Err(error) => tracing::error!("{error}; the {} peers known before stay", witness.peers().len()),
    }
}

/// Reads the list again [D-15]. One that cannot be used changes nothing.
async fn reload_logs(path: &Path, witness: &Arc<Witness>) {
    let owned = path.to_owned();
    let loaded = tokio::task::spawn_blocking(move || load_logs(&owned)).await;
    let outcome = match loaded {
        Ok(Ok(logs)) => witness.set_logs(logs).map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => tracing::info!("--logs was read again: {} logs", witness.logs().len()),
        Err(error) => tracing::error!("{error}; the {} logs known before stay", witness.logs().len()),
    }
}

fn read_confirmed(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: io::Error| Failure::usage(Stop::Confirm, format!("--confirm-state {}: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(CONFIRM_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > CONFIRM_BYTES_MAX {
        return Err(Failure::usage(
            Stop::Confirm,
            format!("--confirm-state {}: above {CONFIRM_BYTES_MAX} bytes", path.display()),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_init_prints_is_a_policy() {
        // [D-18]
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::make(dir.path(), "witness.example/w1").unwrap();
        let text = describe(&keys, "https://witness.example/w1", 0);
        let policy = vitrine_spec::policy::Policy::parse(format!("{text}quorum witness.example/w1\n").as_bytes());
        assert!(policy.is_ok(), "{policy:?}");
        assert!(text.contains("# submission prefix https://witness.example/w1\n"));
        assert!(text.contains("# monitoring prefix https://witness.example/w1\n"));
        for key in keys.vkeys() {
            assert_eq!(text.matches(&key.to_string()).count(), 2);
        }
        assert!(describe(&keys, "u", 7).contains("kept; it holds 7 origins"));
    }

    #[test]
    fn keys_lie_outside_the_journal() {
        // [D-10]
        let dir = tempfile::tempdir().unwrap();
        let (data, inside, outside) = (dir.path().join("d"), dir.path().join("d/k"), dir.path().join("k"));
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        assert!(check_apart(&data, &outside).is_ok());
        for keys in [&inside, &data] {
            let failure = check_apart(&data, keys).unwrap_err();
            assert_eq!(failure.code, 2);
            assert!(failure.message.contains("lies in --dir"), "{}", failure.message);
        }
        assert_eq!(check_apart(&data, &dir.path().join("missing")).unwrap_err().code, 2);
    }
}
