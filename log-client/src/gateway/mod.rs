//! `gateway`: a long-running issuer that owns one chain for many workers (cli.md; design.md 5).
//!
//! `POST /access` is answered by the proof, before the access is made: log before access. Two threads beside HTTP: the clerk
//! seals, the keeper of the spool sends. Not here: sealing itself (`sealer`), judging answers (`deliver`).

pub mod fields;
pub mod desk;
pub mod outage;
pub mod clerk;
pub mod carrier;
pub mod serve;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use vitrine_spec::words::{Name, Time};

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::http::Log;
use crate::keyfile;
use crate::output::{Out, Report};
use crate::policies;
use crate::readers;
use crate::spool::{self, Spool};

use carrier::{Keeper, Line};
use clerk::{Clerk, Moment, Office, Settings, Turn};
use desk::Desk;
use serve::Counter;

/// How long open requests may take to end after everybody was answered.
const LEAVE_WAIT: Duration = Duration::from_secs(5);

/// What happens to an access while the log cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WhenUnavailable {
    /// 503: nothing is promised, the worker must not make the access
    Deny,
    /// 202: the access is sealed in the spool and logged later, with an incident
    Spool,
}

/// `gateway`.
#[derive(Debug, Args)]
#[command(after_help = "\
POST /access takes one access as a JSON object of named fields, or an array of them; a missing
field is null, a missing occurred_at is now. 200 is the proof (tlog-proof; an array: JSON with
leaves, paths and checkpoint): the access is logged and may be made. 202: it is sealed in the
spool. 503: nothing is promised; try again after Retry-After. 422: names the field.
GET /healthz and /metrics say how it is.

A 503 does not say that nothing will be logged: what was sent once is sent until its fate is
known. A record too many is better than a gap. Whoever can reach the address logs in the issuer's
name: every user of this machine.

Example:
  log-client gateway --log https://log.example.com --policy policy --charter FINGERPRINT \\
    --key gateway.key --issuer gateway --listen 127.0.0.1:8480
  curl -H 'Content-Type: application/json' http://127.0.0.1:8480/access \\
    -d '{\"op\":\"read\",\"actor\":\"s-1071\",\"purpose\":\"CUSTOMER_SUPPORT\",\"outcome\":{\"result\":\"success\"}}'")]
pub struct Gateway {
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// Whom to believe that an access is logged
    #[arg(long, value_name = "FILE", env = "VITRINE_POLICY")]
    policy: PathBuf,
    /// The fingerprint of the log's charter: records are sealed to the readers that go back to it; from --trust when not given
    #[arg(long, value_name = "FINGERPRINT")]
    charter: Option<String>,
    /// Directory with policy and trust.toml, for the fingerprint
    #[arg(long, value_name = "DIR", conflicts_with = "charter")]
    trust: Option<PathBuf>,
    /// The issuer's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The issuer
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// A loopback address: 127.0.0.1:PORT or [::1]:PORT
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// While the log cannot answer
    #[arg(long, value_enum, value_name = "deny|spool", default_value = "deny")]
    when_unavailable: WhenUnavailable,
    /// Send every S seconds and answer 202 at once: for workers that need no proof before the access. Others see then when
    /// the gateway sends, not when an access was made
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    cadence: Option<u64>,
    /// Seconds that an access waits for its proof before it is denied or kept
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
    /// Where sealed accesses wait; vitrine/gateway/NAME in the user's state folder when not given
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// The operator's private key, to log incidents at once; without it they are drafts in SPOOL/incidents
    #[arg(long, value_name = "FILE")]
    operator_key: Option<PathBuf>,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `gateway` until SIGTERM, SIGINT or a failure.
pub fn run(args: Gateway, out: &Out) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::usage("gateway.listen", "a gateway listens on a loopback address alone")
            .side("given", args.listen)
            .side("wanted", "127.0.0.1:PORT or [::1]:PORT")
            .now("workers on other machines each run their own gateway, with an issuer of its own"));
    }
    let issuer = Name::new(&args.issuer).ok_or_else(|| {
        Failure::usage("gateway.issuer", "this is not the name of an issuer").side("given", &args.issuer)
    })?;
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    let pinned = readers::pin(args.charter.as_deref(), args.trust.as_deref(), args.unwitnessed)?;
    let key = keyfile::read_event_key(&args.key)?;
    let operator = args.operator_key.as_deref().map(keyfile::read_event_key).transpose()?;
    // Two connections: the clerk asks while the keeper waits for a proof.
    let (asking, sending) = (Log::new(&args.log)?, Log::new(&args.log)?);
    let dir = match &args.spool {
        Some(dir) => dir.clone(),
        None => spool::gateway_dir(&args.issuer)?,
    };
    let spool = Arc::new(Spool::open(&dir, Duration::ZERO)?);
    let desk = Arc::new(Desk::default());
    let system =
        |what: &'static str| move |error: std::io::Error| Failure::usage("gateway.system", what).side("system", error);
    let listener = std::net::TcpListener::bind(args.listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| system("the address cannot be listened on")(error).side("address", args.listen))?;
    let address = listener.local_addr().map_err(system("the address cannot be read"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(system("the system gives no threads"))?;
    let settings = Settings {
        log: asking.url().to_owned(),
        wait: Duration::from_secs(args.wait),
        keeps: args.when_unavailable == WhenUnavailable::Spool,
        cadence: args.cadence.map(Duration::from_secs),
    };
    let (line, jobs) = mpsc::channel();
    let line = Line(line);
    let office = Office {
        remote: &asking,
        policy: &policy,
        pinned,
        issuer,
        key,
        spool: &spool,
        desk: &desk,
        carrier: &line,
        out,
        settings,
    };
    let mut clerk = Clerk::new(office, moment())?;
    let keeper = Keeper {
        remote: sending,
        policy: policy.clone(),
        spool: Arc::clone(&spool),
        desk: Arc::clone(&desk),
        operator,
        log: asking.url().to_owned(),
        out: Out::new(out.is_json()),
    };
    std::thread::spawn(move || keeper.run(&jobs));
    let ended = std::thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let served = runtime.block_on(listen(listener, address, &desk, out));
            desk.leave();
            served
        });
        let ended = work(&mut clerk, &desk);
        desk.leave();
        desk.stop();
        let served = serving.join().unwrap_or_else(|_| Err(Failure::usage("gateway.system", "HTTP stopped")));
        ended.and(served).map(|()| clerk.in_spool())
    });
    let in_spool = ended?;
    let report = if in_spool == 0 {
        Report::done("gateway.ended", "everything that was taken is answered and logged")
    } else {
        let why =
            format!("{in_spool} parcels are in the spool {} and go out first when it starts again", dir.display());
        Report::new(Exit::NotYet, "spooled", "gateway.spooled", why)
    };
    Ok(out.report_beside_data(&report))
}

/// The clerk's turns, until the end.
fn work(clerk: &mut Clerk<'_, Log>, desk: &Desk) -> Result<(), Failure> {
    loop {
        match clerk.turn(moment())? {
            Turn::Wait(pause) => desk.wait(pause),
            Turn::Ended => return Ok(()),
        }
    }
}

/// HTTP until the clerk has answered everybody; a signal makes the desk leave.
async fn listen(
    listener: std::net::TcpListener,
    address: SocketAddr,
    desk: &Arc<Desk>,
    out: &Out,
) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let system =
        |error: std::io::Error| Failure::usage("gateway.system", "HTTP cannot be served").side("system", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(system)?;
    out.data(format!("log-client listening on http://{address}\n").as_bytes());
    let counter = Arc::new(Counter { desk: Arc::clone(desk), address, now_ms });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, serve::router(counter))
        .with_graceful_shutdown(async {
            let _ = stopped.await;
        })
        .into_future();
    let mut serving = tokio::spawn(serving);
    let watch = Arc::clone(desk);
    let mut answered = tokio::task::spawn_blocking(move || watch.wait_stopped(Duration::MAX));
    tokio::select! {
        _ = terminate.recv() => desk.leave(),
        _ = interrupt.recv() => desk.leave(),
        _ = &mut answered => {}
        ended = &mut serving => {
            desk.leave();
            return Err(system(match ended {
                Ok(Err(error)) => error,
                Ok(Ok(())) | Err(_) => std::io::Error::other("it stopped by itself"),
            }));
        }
    }
    if !answered.is_finished() {
        let _ = answered.await; // until the clerk has answered everybody
    }
    let _ = stop.send(());
    if tokio::time::timeout(LEAVE_WAIT, &mut serving).await.is_err() {
        serving.abort();
    }
    Ok(())
}

fn moment() -> Moment {
    Moment { at: Instant::now(), time: Time::new(clock::now()) }
}

fn now_ms() -> i64 {
    clock::now_ms()
}
