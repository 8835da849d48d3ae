//! `log-server dev`: a log and three witnesses on loopback in the foreground, for whoever tries Vitrine (cli.md).
//!
//! Everybody's keys lie in one folder, so it proves nothing to anybody else: its origin begins with `dev.`, and verdicts say so.
//! The log runs in this process, as `serve` does; the witnesses are the program `witness` beside this one, which end when this
//! process does, however it ends. Not here: what is made once (`folder`), the witnesses' processes (`witnesses`).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::{BATCH_MILLIS_DEFAULT, Config, SUBMIT_WAIT};
use crate::init::InitError;
use crate::keys::KeysError;
use crate::serve::{ServeError, serve_until};
use crate::stop::Stop;
use crate::store::{FolderLock, LockError};
use ending::Ending;
use folder::Folder;
use witnesses::Witnesses;

mod ending;
mod folder;
mod witnesses;

pub use folder::{ACCESS, ISSUER, STREAM};

/// Free bytes under which a development log takes nothing more.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// Pause before a submission that the log could not take yet is sent again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What `log-server dev` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// Everything is in here.
    pub dir: PathBuf,
    /// Where the log listens; where it did before, or at a free port, when not given.
    pub listen: Option<SocketAddr>,
}

/// A development log that runs: what a person has to know of it.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Its name.
    pub origin: String,
    /// Its address.
    pub url: String,
    /// Its folder, absolute.
    pub dir: PathBuf,
    /// The commands to type next, for a shell.
    pub next: Vec<String>,
}

/// Why there is no development log, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The witnesses' program is missing.
    #[error("there is no program `witness` beside this one, at {}: build it (cargo build --release) or install it there", .0.display())]
    NoWitness(PathBuf),
    /// The folder is somebody else's.
    #[error(
        "{} holds something, and no development log: take another --dir; nothing was changed", .0.display()
    )]
    NotOurs(PathBuf),
    /// A file or folder cannot be made or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason, or what is wrong inside.
        reason: String,
    },
    /// A key, an event or a policy could not be made.
    #[error("make {what}: {reason}")]
    Make {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The log's keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Another process uses the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log was not begun.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A witness did not start, or ended.
    #[error("{name} {what}; see {}", log.display())]
    Witness {
        /// Which.
        name: String,
        /// What became of it, in words.
        what: String,
        /// What it wrote.
        log: PathBuf,
    },
    /// An issuer could not be opened.
    #[error("{0}")]
    Opening(String),
    /// The log did not start, or ended.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl DevError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            DevError::NotOurs(_) => Stop::FolderTaken,
            DevError::File { .. } => Stop::StoreFailed,
            DevError::Make { .. } => Stop::System,
            DevError::Keys(error) => error.stop(),
            DevError::Lock(error) => error.stop(),
            DevError::Init(error) => error.stop(),
            DevError::NoWitness(_) | DevError::Witness { .. } | DevError::Opening(_) => Stop::Development,
            DevError::Serve(error) => error.stop(),
        }
    }

    /// 2 for what the command line or the folder is, 4 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            DevError::NoWitness(_) | DevError::NotOurs(_) | DevError::Lock(_) => 2,
            DevError::Serve(error) => error.exit_code(),
            DevError::File { .. }
            | DevError::Make { .. }
            | DevError::Keys(_)
            | DevError::Init(_)
            | DevError::Witness { .. }
            | DevError::Opening(_) => 4,
        }
    }
}

/// Runs a development log until SIGTERM or SIGINT. `listening` hears the address, `ready` what to do next.
pub fn run(
    options: &Options,
    listening: impl FnOnce(SocketAddr),
    ready: impl FnOnce(&Ready) + Send + 'static,
) -> Result<(), DevError> {
    let program = beside("witness")?;
    let folder = Folder::open(&options.dir, &program)?;
    let _lock = FolderLock::take(folder.dir())?;
    let (stop, stopped) = Ending::new();
    let witnesses = Witnesses::start(&folder, &program, &stop)?;
    folder.write_server_policy(witnesses.urls())?;
    let config = Config {
        dir: folder.path("log"),
        keys: folder.path("keys"),
        listen: options.listen.unwrap_or_else(|| folder.address()),
        policy: folder.path("server.policy"),
        batch_every: Duration::from_millis(BATCH_MILLIS_DEFAULT),
        free_bytes_min: FREE_BYTES_MIN,
        take_over: false,
        set_aside: Vec::new(),
        monitoring: Vec::new(),
        clock_was_wrong: false,
        unwitnessed: false,
    };
    let opener = Arc::clone(&stop);
    let served = serve_until(
        &config,
        |address| {
            listening(address);
            let make_ready = move || match make_ready(&folder, address) {
                Ok(now) => ready(&now),
                Err(error) => opener.because(error),
            };
            std::thread::spawn(make_ready);
        },
        told(stopped),
    );
    // From here on their end is no news.
    let failed = stop.leave();
    witnesses.end();
    served?;
    failed.map_or(Ok(()), Err)
}

/// A program in the folder of this one.
fn beside(name: &str) -> Result<PathBuf, DevError> {
    let own = std::env::current_exe()
        .map_err(|error| DevError::Make { what: "the path of this program", reason: error.to_string() })?;
    let program = own.parent().unwrap_or(Path::new("/")).join(name);
    if program.is_file() { Ok(program) } else { Err(DevError::NoWitness(program)) }
}

/// What `stop` said; never when nobody can say it any more.
async fn told(stopped: oneshot::Receiver<String>) -> String {
    match stopped.await {
        Ok(why) => why,
        Err(_) => std::future::pending().await,
    }
}

/// Opens the issuers, or finds them open, and writes what clients need.
fn make_ready(folder: &Folder, address: SocketAddr) -> Result<Ready, DevError> {
    let url = format!("http://{address}");
    folder.keep_address(address)?;
    let openings = folder.openings()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DevError::Opening(error.to_string()))?;
    runtime.block_on(async {
        for opening in openings {
            submit(&url, opening).await.map_err(DevError::Opening)?;
        }
        Ok::<(), DevError>(())
    })?;
    folder.write_environment(&url)?;
    Ok(Ready { origin: folder.origin()?, url, dir: folder.dir().to_owned(), next: folder.next() })
}

/// Submits one event, and again as long as the log says that it is too early.
async fn submit(url: &str, body: Vec<u8>) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(SUBMIT_WAIT * 2)
        .build()
        .map_err(|error| error.to_string())?;
    let until = std::time::Instant::now() + SUBMIT_WAIT;
    loop {
        let sent = client
            .post(format!("{url}/events"))
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await
            .map_err(|error| format!("open an issuer: {error}"))?;
        let status = sent.status().as_u16();
        if matches!(status, 200 | 201) {
            return Ok(());
        }
        let said = sent.text().await.unwrap_or_default();
        if !matches!(status, 429 | 503 | 504) || std::time::Instant::now() >= until {
            return Err(format!("open an issuer: the log answers {status}: {}", said.trim()));
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
