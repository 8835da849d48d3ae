//! Connections: how many, how long, how large their heads may be, and how they end (85-log.md).
//!
//! Not here: routes and bodies (`http`), TLS (the reverse proxy's).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::config::{
    CONNECTIONS_MAX, DESCRIPTORS_RESERVED, REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_WAIT, REQUEST_HEADERS_MAX, STREAMS_MAX,
};
use crate::metrics::Metrics;

/// The limits of one listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// How long a connection may take for the head of a request.
    pub head_wait: Duration,
    /// How long requests may take to end once the listener leaves.
    pub leave_wait: Duration,
}

/// Binds the address; the listener takes connections once `serve` runs, until then the kernel keeps them.
pub fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Asks for as many file descriptors as this process may have; returns how many connections fit beside what else needs them.
pub fn connections_that_fit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(16);
    usize::try_from(fit).unwrap_or(CONNECTIONS_MAX).min(CONNECTIONS_MAX)
}

/// Serves `router` until `leave` becomes true, then lets open requests end for `limits.leave_wait`.
///
/// A connection beyond the limit waits in the kernel's queue: it costs no memory here.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    metrics: Arc<Metrics>,
    mut leave: watch::Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_wait)
        .max_headers(REQUEST_HEADERS_MAX)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(REQUEST_HEAD_BYTES_MAX as u32)
        .keep_alive_interval(REQUEST_HEAD_WAIT)
        .keep_alive_timeout(REQUEST_HEAD_WAIT);
    let open = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&open).acquire_owned() => permit,
            _ = leave.wait_for(|left| *left) => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = leave.wait_for(|left| *left) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors or memory: those that are open must end first.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Proofs are a few small writes: they must not wait for each other's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        let gauge = metrics.connections.clone();
        gauge.inc();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            gauge.dec();
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.leave_wait, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end within {:?} and are cut off", limits.leave_wait);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    struct Server {
        address: SocketAddr,
        leave: watch::Sender<bool>,
        metrics: Arc<Metrics>,
        task: tokio::task::JoinHandle<()>,
    }

    async fn server(limits: Limits) -> Server {
        let listener = TcpListener::from_std(bind("127.0.0.1:0".parse().unwrap()).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (leave, left) = watch::channel(false);
        let metrics = Arc::new(Metrics::new());
        let router = Router::new().route("/", get(|| async { "here" }));
        let task = tokio::spawn(serve(listener, router, limits, Arc::clone(&metrics), left));
        Server { address, leave, metrics, task }
    }

    fn limits() -> Limits {
        Limits { connections: 8, head_wait: Duration::from_secs(20), leave_wait: Duration::from_secs(20) }
    }

    /// What the server answers to these bytes until it closes.
    async fn answer(stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_cut_off() {
        let server = server(Limits { head_wait: Duration::from_millis(100), ..limits() }).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let answered = answer(&mut stream, "GET / HTTP/1.1\r\nhost: x\r\n").await;
        assert!(!answered.contains("200"), "{answered}");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let server = server(limits()).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(REQUEST_HEAD_BYTES_MAX));
        let answered = answer(&mut stream, &request).await;
        assert!(answered.starts_with("HTTP/1.1 431"), "{answered}");
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let many = "a: b\r\n".repeat(REQUEST_HEADERS_MAX + 1);
        let answered = answer(&mut stream, &format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
        assert!(answered.starts_with("HTTP/1.1 431"), "{answered}");
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_waits_for_one_to_end() {
        let server = server(Limits { connections: 1, ..limits() }).await;
        let mut first = TcpStream::connect(server.address).await.unwrap();
        first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut byte = [0];
        first.read_exact(&mut byte).await.unwrap();
        let mut second = TcpStream::connect(server.address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut byte)).await;
        assert!(early.is_err(), "the second connection was served beside the first");
        drop(first);
        tokio::time::timeout(Duration::from_secs(20), second.read_exact(&mut byte)).await.unwrap().unwrap();
        assert_eq!(&byte, b"H");
    }

    #[tokio::test]
    async fn leaving_ends_idle_connections_and_the_listener() {
        let server = server(limits()).await;
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut byte = [0];
        idle.read_exact(&mut byte).await.unwrap();
        assert_eq!(server.metrics.connections.get(), 1);
        server.leave.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(20), server.task).await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
    }
}
