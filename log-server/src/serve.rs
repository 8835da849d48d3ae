//! `log-server serve`: opens the log, serves reads, asks the guard's questions, admits events, and ends cleanly (85-log.md).
//!
//! Order: locks, socket, log (steps 1 to 4 of "Open"), reads, then on the writer's thread index, guard and batches.
//! Not here: what each of them does.

use std::cell::Cell;
use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use vitrine_spec::admission::{Logged, Query};
use vitrine_spec::key::Vkey;
use vitrine_spec::limits::{POLICY_BYTES_MAX, POLICY_SIGNATURES_MAX};
use vitrine_spec::policy::Policy;
use vitrine_spec::tree::TreeSize;

use crate::admission::{Admission, Lookup};
use crate::attachments::{Attachments, AttachmentsError};
use crate::config::{Config, ERASED_SAID_EVERY, LEAVE_WAIT, READS_MAX, REQUEST_HEAD_WAIT, WITNESS_WAIT};
use crate::guard::{Guard, Guarded, evidence_folder, mark, marked, old_directory};
use crate::http::{App, router};
use crate::index::{Index, IndexError, Opened};
use crate::keys::{KeysError, LogKeys};
use crate::listener::{self, Limits};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::open::{Claim, OpenError, claim, machine_id};
use crate::stop::Stop;
use crate::store::{Files, FolderLock, LockError, OsDisk, Store, StoreError};
use crate::time::Time;
use crate::vault::{self, Vault};
use crate::view::{self, Step, View};
use crate::witnesses::{self, Asking, Witnesses, WitnessesError};
use crate::writer::{self, Ended, Wake, Writer};

/// Why the server did not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The policy file cannot be read.
    #[error("{}: {reason}", path.display())]
    PolicyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A policy that this server does not take.
    #[error("{}: {reason}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        reason: String,
    },
    /// The policy's quorum is `none`, and nobody said that this is meant.
    #[error("{}: quorum none: nothing would be witnessed; add --unwitnessed if this is meant", path.display())]
    Unwitnessed {
        /// The file.
        path: PathBuf,
    },
    /// The witnesses cannot be asked as the command line says.
    #[error(transparent)]
    Witnesses(#[from] WitnessesError),
    /// The keys cannot be loaded.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Another process uses one of the folders.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data directory is not there or not readable.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The log does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The index does not open.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The system gave no thread, runtime or signal handler.
    #[error("{what}: {reason}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The system's reason.
        reason: String,
    },
    /// The attachments cannot be read.
    #[error(transparent)]
    Attachments(#[from] AttachmentsError),
    /// The writer ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl ServeError {
    /// Where the runbook says more.
    pub fn stop(&self) -> Stop {
        match self {
            ServeError::PolicyFile { .. } | ServeError::Policy { .. } | ServeError::Unwitnessed { .. } => Stop::Policy,
            ServeError::Witnesses(WitnessesError::Unknown { .. }) => Stop::CommandLine,
            ServeError::Witnesses(WitnessesError::Client(_)) | ServeError::System { .. } => Stop::System,
            ServeError::Keys(error) => error.stop(),
            ServeError::Lock(error) => error.stop(),
            ServeError::Store(error) => error.stop(),
            ServeError::Open(error) => error.stop(),
            ServeError::Listen { .. } => Stop::Listen,
            ServeError::Index(error) => error.stop(),
            ServeError::Attachments(error) => error.stop(),
            ServeError::Ended(error) => error.stop(),
        }
    }

    /// 2 for what the command line names wrongly, 4 for everything that a restart or an operator must mend [cli.md].
    pub fn exit_code(&self) -> u8 {
        match self {
            ServeError::PolicyFile { .. }
            | ServeError::Policy { .. }
            | ServeError::Unwitnessed { .. }
            | ServeError::Witnesses(WitnessesError::Unknown { .. })
            | ServeError::Keys(_)
            | ServeError::Lock(_)
            | ServeError::Listen { .. }
            | ServeError::Open(
                OpenError::Empty { .. }
                | OpenError::Machine { .. }
                | OpenError::Origin { .. }
                | OpenError::Copy { .. }
                | OpenError::Unfinished { .. },
            ) => 2,
            ServeError::Witnesses(WitnessesError::Client(_))
            | ServeError::Store(_)
            | ServeError::Open(_)
            | ServeError::Index(_)
            | ServeError::System { .. }
            | ServeError::Attachments(_)
            | ServeError::Ended(_) => 4,
        }
    }
}

/// The index as admission asks it.
impl Lookup for Index {
    fn find(&self, query: &Query) -> Result<Option<Logged>, String> {
        Index::find(self, query).map_err(|error| error.to_string())
    }

    fn covered(&self) -> TreeSize {
        self.size()
    }
}

/// Reads and checks the policy file: what C2SP accepts, and what this server needs of it besides [P-9].
pub fn read_policy(path: &Path, keys: &LogKeys, unwitnessed: bool) -> Result<(String, Policy), ServeError> {
    let file = |reason: String| ServeError::PolicyFile { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| file(error.to_string()))?;
    if text.len() > POLICY_BYTES_MAX {
        return Err(file(format!("{} bytes, a policy has at most {POLICY_BYTES_MAX}", text.len())));
    }
    let wrong = |reason: String| ServeError::Policy { path: path.to_owned(), reason };
    let policy = Policy::parse(&text).map_err(|error| wrong(error.to_string()))?;
    policy.check_one_witness_two_keys().map_err(|fault| wrong(fault.to_string()))?;
    let needed = policy.signatures_needed_max();
    if needed > POLICY_SIGNATURES_MAX {
        return Err(wrong(format!(
            "its quorum can need {needed} cosignatures, a checkpoint has room for {POLICY_SIGNATURES_MAX} beside the log's two"
        )));
    }
    let origin = keys.origin();
    if !policy.logs.is_empty() && policy.log_keys(origin).is_empty() {
        let names: Vec<_> = policy.logs.iter().map(|log| log.vkey.name().to_owned()).collect();
        return Err(wrong(format!("its log lines name {}, the keys are of {origin}", names.join(", "))));
    }
    let ours = keys.log_vkeys();
    let same = |vkey: &Vkey| vkey.name() == origin.as_str() || ours.iter().any(|own| own.public() == vkey.public());
    if let Some(line) = policy.witnesses.iter().find(|line| same(&line.vkey)) {
        return Err(wrong(format!(
            "witness line {} has the name or key of this log, {origin}: a log does not witness itself",
            line.name
        )));
    }
    if policy.is_quorum_none() && !unwitnessed {
        return Err(ServeError::Unwitnessed { path: path.to_owned() });
    }
    Ok((text, policy))
}

/// Serves until SIGTERM or SIGINT. `listening` hears the address once connections are taken.
pub fn serve(config: &Config, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    serve_until(config, listening, pending())
}

/// The same, and ends as it does at SIGTERM once `stop` says why.
pub fn serve_until(
    config: &Config,
    listening: impl FnOnce(SocketAddr),
    stop: impl Future<Output = String>,
) -> Result<(), ServeError> {
    let keys = Arc::new(LogKeys::load(&config.keys)?);
    let origin = keys.origin().to_string();
    let (policy_text, policy) = read_policy(&config.policy, &keys, config.unwitnessed)?;
    let _locks = (FolderLock::take(&config.dir)?, FolderLock::take(&config.keys)?);
    let disk = OsDisk::existing(&config.dir)?;
    let store: Arc<dyn Store> = Arc::new(Files::new(disk));
    let claim = claim(&*store, machine_id().as_deref(), config.take_over)?;
    let socket =
        listener::bind(config.listen).map_err(|source| ServeError::Listen { address: config.listen, source })?;
    let connections = listener::connections_that_fit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(READS_MAX * 2)
        .build()
        .map_err(system("a runtime"))?;

    let mut log = Log::open(Arc::clone(&store), Arc::clone(&keys), Time::now(), &|step| {
        tracing::info!(done = step.done, total = step.total, "{}", step.name);
    })?;
    let behind = log.last_signed().since(Time::now()) > 0;
    if config.clock_was_wrong && behind {
        tracing::warn!(last = %log.last_signed(), now = %Time::now(), "--clock-was-wrong: the clock counts from here on");
        log.accept_clock(Time::now());
    }
    let sign_at_once = config.clock_was_wrong && behind;
    let (mailbox_in, mailbox) = channel();
    let post = mailbox_in.clone();
    let _settling =
        log.settler().start(move |fatal| send(&post, Wake::Fatal(fatal))).map_err(system("a thread that syncs"))?;

    let metrics = Arc::new(Metrics::new());
    let witnesses = Arc::new(Witnesses::new(
        &policy,
        &config.set_aside,
        &config.monitoring,
        witnesses::Parts {
            origin: keys.origin().clone(),
            log_keys: keys.log_vkeys().to_vec(),
            tree: Arc::new(log.reader()),
            evidence: evidence_folder(&config.dir),
            metrics: Arc::clone(&metrics),
            wait: WITNESS_WAIT,
        },
    )?);
    let view = Arc::new(View::new(view::Parts {
        origin,
        policy: policy_text,
        unwitnessed: policy.is_quorum_none(),
        metrics: Arc::clone(&metrics),
        witnesses: Arc::clone(&witnesses),
        reader: log.reader(),
        published: log.published(),
        head: log.size(),
    }));
    let post = mailbox_in.clone();
    let failed = move |error: &StoreError| send(&post, Wake::Fatal(error.clone().into()));
    let attachments = Attachments::open(Arc::clone(&store), config.free_bytes_min, failed)?;
    let app = Arc::new(App::new(Arc::clone(&view), store, Arc::new(attachments)));
    let (leave, left) = watch::channel(false);
    let limits = Limits { connections, head_wait: REQUEST_HEAD_WAIT, leave_wait: LEAVE_WAIT };
    let (served, ended, signals) = {
        let _inside = runtime.enter();
        // Before anybody hears that it listens: whoever does may stop it at once.
        let signals = Signals::new()?;
        let socket = TcpListener::from_std(socket).map_err(system("a socket"))?;
        listening(socket.local_addr().map_err(system("the socket's address"))?);
        let served = runtime.spawn(listener::serve(socket, router(Arc::clone(&app)), limits, metrics, left));
        let (tell, ended) = oneshot::channel();
        let starting = Starting {
            config: config.clone(),
            claim,
            keys,
            policy,
            witnesses,
            view: Arc::clone(&view),
            app,
            post: mailbox_in.clone(),
            sign_at_once,
            leave: leave.subscribe(),
            runtime: runtime.handle().clone(),
        };
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                // Nobody listens any more only when the server was cut off.
                let _ = tell.send(starting.run(log, mailbox));
            })
            .map_err(system("the writer's thread"))?;
        (served, ended, signals)
    };
    let outcome = runtime.block_on(async { until_the_end(&view, &mailbox_in, &leave, ended, signals, stop).await });
    if outcome.is_ok() {
        // Whoever waits for an answer gets it now; idle connections end at once.
        leave.send_replace(true);
        if let Err(error) = runtime.block_on(served) {
            tracing::error!("the listener ended: {error}");
        }
    }
    runtime.shutdown_background();
    outcome
}

/// What asks the server to leave.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals end nothing by themselves. Inside a runtime.
    fn new() -> Result<Signals, ServeError> {
        let terminate = signal(SignalKind::terminate()).map_err(system("a handler for SIGTERM"))?;
        let interrupt = signal(SignalKind::interrupt()).map_err(system("a handler for SIGINT"))?;
        Ok(Signals { terminate, interrupt })
    }
}

/// Waits for the writer's end, or for a signal and then the writer's end.
async fn until_the_end(
    view: &View,
    post: &Sender<Wake>,
    leave: &watch::Sender<bool>,
    mut ended: oneshot::Receiver<Result<(), ServeError>>,
    mut signals: Signals,
    stop: impl Future<Output = String>,
) -> Result<(), ServeError> {
    let gone =
        || ServeError::System { what: "the writer's thread", reason: "it panicked; its message is above".to_owned() };
    tokio::select! {
        result = &mut ended => return result.unwrap_or_else(|_| Err(gone())),
        _ = signals.terminate.recv() => tracing::info!("SIGTERM: publishing what was admitted, then leaving"),
        _ = signals.interrupt.recv() => tracing::info!("SIGINT: publishing what was admitted, then leaving"),
        why = stop => tracing::error!("{why}: publishing what was admitted, then leaving"),
    }
    let ready = view.step() == Step::Ready;
    view.set_step(Step::Leaving);
    send(post, Wake::Leave);
    if !ready {
        // Index and guard are simply left; what they did is found again at the next start.
        leave.send_replace(true);
    }
    match tokio::time::timeout(LEAVE_WAIT + Duration::from_secs(5), ended).await {
        Ok(result) => result.unwrap_or_else(|_| Err(gone())),
        Err(_) => {
            tracing::warn!("the writer is still busy and is cut off; the next start repairs what it left");
            Ok(())
        }
    }
}

fn send(post: &Sender<Wake>, wake: Wake) {
    // The mailbox is closed only after the writer's end, when nothing is left to be told.
    let _ = post.send(wake);
}

fn system<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> ServeError {
    move |error| ServeError::System { what, reason: error.to_string() }
}

/// What the writer's thread begins with: steps 5 to 7 of "Open", then batches.
struct Starting {
    config: Config,
    /// Said when the guard has passed.
    claim: Claim,
    keys: Arc<LogKeys>,
    policy: Policy,
    witnesses: Arc<Witnesses>,
    view: Arc<View>,
    app: Arc<App>,
    post: Sender<Wake>,
    sign_at_once: bool,
    leave: watch::Receiver<bool>,
    runtime: tokio::runtime::Handle,
}

impl Starting {
    fn run(self, mut log: Log, mailbox: std::sync::mpsc::Receiver<Wake>) -> Result<(), ServeError> {
        let head = Arc::clone(log.head());
        let (index, state, opened) =
            Index::open(&self.config.dir, &log.reader(), self.keys.origin(), (head.size, head.root), &|step| {
                self.view.set_step(Step::Index(format!("{} {} of {}", step.name, step.done, step.total)));
            })?;
        match opened {
            Opened::CaughtUp(size) => tracing::info!(%size, head = %head.size, "the index is caught up"),
            Opened::Rebuilt(why) => tracing::warn!("the index was rebuilt: {why}"),
        }
        let said = Cell::new(usize::MAX);
        let erases = writer::erase_published(&mut log, &index, |left, erased| {
            // A line in the server's log, and there is one object or more for each batch that ever held such a record.
            if left < said.get() {
                self.view.set_step(Step::Index(format!("{left} records that must be zero are to be looked at")));
                said.set(left.saturating_sub(ERASED_SAID_EVERY));
            }
            writer::count(&self.view.metrics, erased);
        })?;
        let index = Arc::new(index);
        // From here on sealed records can be read.
        self.view.set_index(Arc::clone(&index));
        let post = self.post.clone();
        let _flushing = index
            .start_flushing(move |error| send(&post, Wake::IndexFailed(error.to_string())))
            .map_err(system("a thread for the index"))?;

        let evidence = evidence_folder(&self.config.dir);
        if let Some(why) = marked(&evidence).map_err(system("the mark of a directory that must not sign"))? {
            return self.reads_only(&why);
        }
        let asking = Asking::of(&head).ok_or(Ended::Program("our own note does not parse"))?;
        let asking = Arc::new(asking);
        let guard = Guard {
            witnesses: &self.witnesses,
            policy: &self.policy,
            asking: &asking,
            take_over: self.config.take_over,
            set_aside: &self.config.set_aside,
        };
        self.view.set_step(Step::Guard("asking every witness whether it is ahead of this directory".to_owned()));
        let waiting = |words: String| self.view.set_step(Step::Guard(words));
        let cosigned = match self.runtime.block_on(guard.run(waiting, self.leave.clone())) {
            Guarded::Passed(cosigned) => cosigned,
            Guarded::Left => return Ok(()),
            Guarded::Old(why) => {
                mark(&evidence, &why).map_err(system("the mark of a directory that must not sign"))?;
                return self.reads_only(&why);
            }
        };
        self.claim.keep(&*self.app.store)?;

        let post = self.post.clone();
        let admission = Arc::new(Admission::new(
            self.keys.origin().clone(),
            state.clone(),
            Arc::clone(&index) as Arc<dyn Lookup>,
            {
                let attachments = Arc::clone(&self.app.attachments);
                Box::new(move |sha256| attachments.find(sha256, Time::now()))
            },
            Arc::clone(&self.view.metrics),
            Box::new(move || send(&post, Wake::Pool)),
        ));
        // Set once, here.
        let _ = self.app.admission.set(Arc::clone(&admission));
        let vault = Arc::new(Vault::new(Arc::clone(&self.keys), Arc::clone(&admission)));
        // Set once, here.
        let _ = self.app.vault.set(Arc::clone(&vault));
        self.runtime.spawn(vault::run(vault, Arc::clone(&self.view), self.leave.clone()));
        let writer = Writer::new(
            writer::Parts {
                log,
                index,
                admission,
                view: Arc::clone(&self.view),
                attachments: Arc::clone(&self.app.attachments),
                witnesses: Arc::clone(&self.witnesses),
                policy: self.policy.clone(),
                state,
                cosigned,
                erases,
                batch_every: self.config.batch_every,
                free_bytes_min: self.config.free_bytes_min,
                sign_at_once: self.sign_at_once,
                evidence,
                runtime: self.runtime.clone(),
            },
            mailbox,
            self.post.clone(),
        )
        .map_err(system("the thread of the index"))?;
        Ok(writer.run()?)
    }

    /// Serves reads until the server is told to leave; nothing is signed.
    fn reads_only(&self, why: &str) -> Result<(), ServeError> {
        let words = old_directory(why);
        tracing::error!("{words}");
        self.view.set_step(Step::Stopped(words));
        let mut leave = self.leave.clone();
        // An error says that nobody can tell any more: the server is gone, and so is the reason to wait.
        let _ = self.runtime.block_on(leave.wait_for(|left| *left));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use vitrine_spec::key::{KeyKind, Seed};

    fn read(text: &str, unwitnessed: bool) -> Result<Policy, ServeError> {
        let dir = tempfile::tempdir().unwrap();
        let seed = |name, kind, byte| Seed::new(name, kind, [byte; 32]).unwrap();
        let (log, mldsa) = (seed("log.example", KeyKind::Ed25519, 1), seed("log.example", KeyKind::MlDsa44, 2));
        let keys = LogKeys::from_seeds(&log, &mldsa, seed("vault.example", KeyKind::Ed25519, 3)).unwrap();
        let path = dir.path().join("policy");
        std::fs::write(&path, text).unwrap();
        read_policy(&path, &keys, unwitnessed).map(|(verbatim, policy)| {
            assert_eq!(verbatim, text);
            policy
        })
    }

    fn witness(line: &str, name: &str, byte: u8) -> String {
        format!("witness {line} {}\n", Seed::new(name, KeyKind::Cosign, [byte; 32]).unwrap().vkey())
    }

    #[test]
    fn a_policy_that_witnesses_nothing_must_be_meant() {
        // [G-6]
        let refused = read("quorum none\n", false).unwrap_err();
        assert!(matches!(refused, ServeError::Unwitnessed { .. }) && refused.exit_code() == 2, "{refused}");
        assert!(read("quorum none\n", true).unwrap().is_quorum_none());
    }

    #[test]
    fn policies_that_would_count_wrongly_are_refused_with_both_names() {
        let two = witness("a", "w.example", 10) + &witness("b", "w.example", 11);
        let own_name = witness("a", "log.example", 10);
        let own_key = witness("a", "w.example", 1);
        let other = Seed::new("other.example", KeyKind::Ed25519, [9; 32]).unwrap().vkey();
        let many: String = (0..15).map(|at| witness(&format!("w{at}"), &format!("w{at}.example"), at + 20)).collect();
        let all: String = (0..15).map(|at| format!(" w{at}")).collect();
        for (text, words) in [
            (format!("{two}{}group q 2 a b c\nquorum q\n", witness("c", "v.example", 12)), "two keys of w.example"),
            (format!("{own_name}quorum a\n"), "does not witness itself"),
            (format!("{own_key}quorum a\n"), "does not witness itself"),
            (format!("log {other}\n{}quorum a\n", witness("a", "w.example", 10)), "other.example"),
            (format!("{many}group q all{all}\nquorum q\n"), "15 cosignatures"),
            ("witness\nquorum none\n".to_owned(), "line 1"),
        ] {
            let refused = read(&text, false).unwrap_err();
            assert!(refused.to_string().contains(words), "{words} is not in {refused}");
            assert_eq!(refused.exit_code(), 2);
        }
        assert!(matches!(
            read_policy(Path::new("/nowhere"), &keys_of_nobody(), false),
            Err(ServeError::PolicyFile { .. })
        ));
    }

    fn keys_of_nobody() -> LogKeys {
        let seed = |kind, byte| Seed::new("log.example", kind, [byte; 32]).unwrap();
        LogKeys::from_seeds(&seed(KeyKind::Ed25519, 1), &seed(KeyKind::MlDsa44, 2), seed(KeyKind::Ed25519, 3)).unwrap()
    }
}
