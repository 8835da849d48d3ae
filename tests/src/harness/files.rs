//! A folder served as static files on loopback: what any web server does with a log's objects.
//!
//! Reads only. Not here: caching headers, ranges, anything a log server adds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// A running file server; it ends with the value.
pub struct Files {
    /// Its address as a URL, without a slash at its end.
    pub url: String,
    // Dropping the runtime ends the server.
    _runtime: tokio::runtime::Runtime,
}

impl Files {
    /// Serves `folder` on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn serve(folder: &Path) -> Result<Files, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).map_err(|e| format!("127.0.0.1:0: {e}"))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let router = Router::new().fallback(read).with_state(Arc::new(folder.to_owned()));
        runtime.spawn(async move {
            // Ends with the runtime; an accept that does not succeed shows in the caller's request.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Files { url: format!("http://{address}"), _runtime: runtime })
    }
}

async fn read(State(folder): State<Arc<PathBuf>>, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.split('/').any(|part| part == "..") {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match std::fs::read(folder.join(path)) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
