//! The witness on HTTP/1.1 and HTTP/2 without TLS (h2c, prior knowledge): routes, limits, connections (50-policy-proof-witness.md, 55-witness.md).
//!
//! TLS is a reverse proxy's. Not here: what is answered (`answer`) and why (`witness`).

use crate::answer::{Answer, NoSignature};
use crate::committer::Fatal;
use crate::limits::{
    BODY_WAIT, CONNECTION_AGE_MAX, CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, HEADERS_WAIT, IN_FLIGHT_MAX,
    PAGE_LOGS_MAX, SHUTDOWN_WAIT, STREAMS_MAX,
};
use crate::metrics::Asked;
use crate::overview::Overview;
use crate::page;
use crate::quota::{Quota, Rate};
use crate::witness::Witness;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, MatchedPath, Path, State};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::future::{Future, pending};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::ADD_CHECKPOINT_BYTES_MAX;

/// The routes, as they are counted.
const ROUTES: [&str; 11] = [
    "/add-checkpoint",
    "/{origin}/checkpoint",
    "/{origin}/evidence",
    "/{origin}/unreconciled",
    "/evidence",
    "/healthz",
    "/",
    "/style.css",
    "/status",
    "/logs",
    "/metrics",
];

/// What the routes share.
#[derive(Clone)]
struct Shared {
    witness: Arc<Witness>,
    in_flight: Arc<Semaphore>,
    asked: Arc<Quota<IpAddr>>,
    rate: Option<Rate>,
}

/// Who asks: the address of the connection.
#[derive(Clone, Copy)]
struct Peer(IpAddr);

/// The routes; submission and monitoring prefix are the root [W-10]. `rate` is how often one address may ask [D-50].
pub fn router(witness: Arc<Witness>, rate: Option<Rate>) -> Router {
    let shared = Shared { witness, in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)), asked: Arc::default(), rate };
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .route("/{origin}/evidence", get(evidence))
        .route("/{origin}/unreconciled", get(unreconciled))
        .route("/evidence", get(frozen))
        .route("/healthz", get(healthz))
        .route("/", get(front))
        .route("/style.css", get(style))
        .route("/status", get(status))
        .route("/logs", get(logs))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "here are POST /add-checkpoint; below /<origin hash> checkpoint, evidence and unreconciled; /, /evidence, \
                 /healthz, /logs, /metrics and /status\n",
            )
        })
        .layer(DefaultBodyLimit::max(ADD_CHECKPOINT_BYTES_MAX))
        .layer(from_fn_with_state(shared.clone(), count))
        .with_state(shared)
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Answer { status, content_type, retry_after_s, body } = self;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Limits first: nothing of a request is read before there is room for it [D-20].
async fn add_checkpoint(State(shared): State<Shared>, request: Request<Body>) -> Answer {
    if let (Some(rate), Some(Peer(address))) = (shared.rate, request.extensions().get())
        && let Err(wait) = shared.asked.take(of_one(*address), rate, Instant::now())
    {
        return NoSignature::Often(wait).into();
    }
    let Ok(_room) = shared.in_flight.try_acquire() else { return NoSignature::Busy.into() };
    if request.body().size_hint().lower() > ADD_CHECKPOINT_BYTES_MAX as u64 {
        return NoSignature::TooLarge(ADD_CHECKPOINT_BYTES_MAX).into();
    }
    match timeout(BODY_WAIT, Bytes::from_request(request, &())).await {
        Ok(Ok(bytes)) => shared.witness.add_checkpoint_async(bytes).await,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            NoSignature::TooLarge(ADD_CHECKPOINT_BYTES_MAX).into()
        }
        Ok(Err(_)) => NoSignature::NoBody.into(),
        Err(_) => NoSignature::Slow.into(),
    }
}

/// Whoever has one IPv6 address has the 2^64 beside it.
fn of_one(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

async fn checkpoint(state: State<Shared>, Path(origin): Path<String>) -> Answer {
    read(state, &origin, NoSignature::Never, Witness::checkpoint).await
}

async fn evidence(state: State<Shared>, Path(origin): Path<String>) -> Answer {
    read(state, &origin, NoSignature::NoEvidence, Witness::evidence).await
}

async fn unreconciled(state: State<Shared>, Path(origin): Path<String>) -> Answer {
    read(state, &origin, NoSignature::NoDoubt, Witness::unreconciled).await
}

/// The hashes of the origins that are frozen here, a line for each [D-24].
async fn frozen(State(shared): State<Shared>) -> Answer {
    Answer::ok(shared.witness.frozen().iter().map(|origin| format!("{}\n", origin.hex())).collect())
}

/// What the journal holds of one origin.
async fn read(
    State(shared): State<Shared>,
    origin: &str,
    none: NoSignature,
    read: impl FnOnce(&Witness, &Hash) -> Answer + Send + 'static,
) -> Answer {
    // Uppercase or shorter names nothing: one spelling [W-10].
    let Ok(origin) = Hash::from_hex(origin) else { return none.into() };
    let Ok(_room) = shared.in_flight.try_acquire() else { return NoSignature::Busy.into() };
    let witness = Arc::clone(&shared.witness);
    let read = tokio::task::spawn_blocking(move || read(&witness, &origin));
    read.await.unwrap_or_else(|_| NoSignature::Stopped.into())
}

/// Counts every answer, by the route's pattern.
async fn count(State(shared): State<Shared>, request: Request<Body>, next: Next) -> Response {
    let pattern = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = ROUTES.into_iter().find(|route| Some(*route) == pattern.as_deref()).unwrap_or("other");
    let response = next.run(request).await;
    let asked = Asked { route, status: response.status().as_u16() };
    shared.witness.metrics().answers.get_or_create(&asked).inc();
    response
}

/// The page for a person [D-29].
async fn front(state: State<Shared>) -> Response {
    let page = overview(state).await.map(|overview| page::page(&overview));
    let mut response = page.map_or_else(IntoResponse::into_response, |page| typed("text/html; charset=utf-8", page));
    let policy = HeaderValue::from_static(page::POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn style() -> Response {
    typed("text/css; charset=utf-8", page::STYLE.to_owned())
}

/// The same for programs [D-29].
async fn status(state: State<Shared>) -> Response {
    match overview(state).await {
        Ok(overview) => match serde_json::to_string(&overview.status()) {
            Ok(json) => typed("application/json", json + "\n"),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
        Err(answer) => answer.into_response(),
    }
}

/// The logs and their keys, as `log` lines of a tlog-policy [D-29].
async fn logs(State(shared): State<Shared>) -> Answer {
    Answer::ok(shared.witness.logs().print())
}

async fn metrics(state: State<Shared>) -> Response {
    let witness = Arc::clone(&state.witness);
    match overview(state).await {
        Ok(overview) => {
            let metrics = witness.metrics();
            metrics.logs.set(overview.logs as u64);
            metrics.origins.set(witness.origins() as u64);
            metrics.frozen.set(overview.frozen as u64);
            metrics.doubts.set(overview.unreconciled as u64);
            metrics.last_signed.set(overview.last_signed);
            metrics.ready.set(u64::from(overview.not_signing.is_none()));
            typed("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics.text())
        }
        Err(answer) => answer.into_response(),
    }
}

/// What is known now; it looks at every log, and so not on a thread that serves others.
async fn overview(State(shared): State<Shared>) -> Result<Overview, Answer> {
    let Ok(_room) = shared.in_flight.try_acquire() else { return Err(NoSignature::Busy.into()) };
    let witness = Arc::clone(&shared.witness);
    let read = tokio::task::spawn_blocking(move || Overview::of(&witness, PAGE_LOGS_MAX)).await;
    read.map_err(|_| NoSignature::Stopped.into())
}

fn typed(content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

async fn healthz(State(shared): State<Shared>) -> Answer {
    match (shared.witness.fatal(), shared.witness.health()) {
        (Some(_), _) => NoSignature::Stopped.into(),
        (None, Err(error)) => NoSignature::Clock(error).into(),
        (None, Ok(())) => Answer::ok("ok\n".to_owned()),
    }
}

/// Serves until `shutdown` is ready, then finishes what is under way; an error is a witness that had to stop.
pub async fn serve(
    listener: TcpListener,
    witness: Arc<Witness>,
    rate: Option<Rate>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Arc<Fatal>> {
    let router = router(Arc::clone(&witness), rate);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (end, ending) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut stopped = pin!(witness.stopped());
    let result = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            fatal = &mut stopped => break Err(fatal),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match (accepted, Arc::clone(&room).try_acquire_owned()) {
                (Ok((stream, address)), Ok(place)) => {
                    let (peer, router) = (Peer(address.ip()), router.clone());
                    let open = witness.metrics().connections.clone();
                    let ending = ending.clone();
                    connections.spawn(async move {
                        open.inc();
                        connection(stream, peer, router, place, ending).await;
                        open.dec();
                    });
                }
                (Ok((stream, _)), Err(_)) => refuse(stream),
                (Err(error), _) => accept_failed(&error).await,
            },
        }
    };
    drop(listener);
    drop(end);
    // A witness that had to stop waits for nobody: its answers would say just that.
    let wait = if result.is_ok() { SHUTDOWN_WAIT } else { Duration::ZERO };
    let finish = async { while connections.join_next().await.is_some() {} };
    if timeout(wait, finish).await.is_err() {
        connections.abort_all();
    }
    let closing = Arc::clone(&witness);
    // The journal's thread finishes its round; a panic in it is in `fatal` already.
    let _ = tokio::task::spawn_blocking(move || closing.close()).await;
    match (result, witness.fatal()) {
        (Ok(()), Some(fatal)) => Err(fatal),
        (result, _) => result,
    }
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    _place: OwnedSemaphorePermit,
    mut ending: watch::Receiver<()>,
) {
    // Answers are small and whole: nothing is gained by waiting for more of them.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WAIT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .keep_alive_interval(HEADERS_WAIT)
        .keep_alive_timeout(HEADERS_WAIT);
    let begun = Arc::new(AtomicBool::new(false));
    let (begins, routes) = (Arc::clone(&begun), TowerToHyperService::new(router));
    let service = service_fn(move |mut request: Request<Incoming>| {
        begins.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    // Which HTTP it is shows in the first bytes: a connection that has not begun to ask by now is held for nothing.
    let silent = async {
        sleep(HEADERS_WAIT).await;
        if begun.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    };
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = serving.as_mut() => result,
        _ = ending.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
        () = silent => return,
        () = sleep(CONNECTION_AGE_MAX) => {
            serving.as_mut().graceful_shutdown();
            match timeout(SHUTDOWN_WAIT, serving).await {
                Ok(result) => result,
                Err(_) => Ok(()),
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!("connection: {error}");
    }
}

/// Tells one connection too many so, as far as it can be told without waiting for it [D-20].
fn refuse(stream: TcpStream) {
    const BODY: &str = "this witness has all the connections it may\n";
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    // A new socket has room for this; it does not block, and whether the peer reads it is the peer's affair.
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// Waits when the machine itself is out of something, as descriptors: trying again at once would only burn time.
async fn accept_failed(error: &io::Error) {
    tracing::warn!("accept: {error}");
    sleep(Duration::from_millis(100)).await;
}
