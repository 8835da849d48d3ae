//! The routes of the log server and what they share: static reads, look-ups, submissions, attachments, sealed records, pages (85-log.md).
//!
//! Reads are static files up to the published size; look-ups are conveniences whose answers carry proofs. A route is
//! registered together with its description, and there is no other way [S-47].
//! Not here: connections (`listener`), the decision about a submission (`admission`).

mod shapes;
mod pieces;
mod lookups;
mod reads;
mod submit;
mod attachments;
mod bundle;
mod sealed;
mod explore;
mod document;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admission::Admission;
use crate::attachments::Attachments;
use crate::config::{
    ATTACHMENTS_COMING_MAX, BODY_BYTES_IN_FLIGHT_MAX, READS_MAX, READS_WAITING_MAX, SEALED_READS_MAX, SEALED_WAIT,
    SUBMIT_WAIT, WAITING_MAX,
};
use crate::metrics::Route;
use crate::problem::Problem;
use crate::store::Store;
use crate::vault::Vault;
use crate::view::View;

/// What every handler sees.
pub struct App {
    /// What readers see.
    pub view: Arc<View>,
    /// Attachments.
    pub attachments: Arc<Attachments>,
    /// The objects of the log.
    pub store: Arc<dyn Store>,
    /// Admission, once the index is open and the guard has passed.
    pub admission: OnceLock<Arc<Admission>>,
    /// The log server as an issuer, likewise.
    pub vault: OnceLock<Arc<Vault>>,
    /// How long a submission waits for its checkpoint.
    pub submit_wait: std::time::Duration,
    /// How long a reader may take for the sealed records of one answer.
    pub sealed_wait: std::time::Duration,
    /// KiB of bodies that may still come in.
    bodies: Arc<Semaphore>,
    /// Requests that may still wait for a checkpoint.
    waiting: Arc<Semaphore>,
    /// Reads that may still begin.
    reads: Arc<Semaphore>,
    /// Reads that may still come and wait.
    reads_waiting: Arc<Semaphore>,
    /// Attachments that may still come in.
    puts: Arc<Semaphore>,
    /// Reads of sealed records that may still begin.
    sealed_reads: Arc<Semaphore>,
}

impl App {
    /// An app without admission yet.
    pub fn new(view: Arc<View>, store: Arc<dyn Store>, attachments: Arc<Attachments>) -> App {
        App {
            view,
            attachments,
            store,
            admission: OnceLock::new(),
            vault: OnceLock::new(),
            submit_wait: SUBMIT_WAIT,
            sealed_wait: SEALED_WAIT,
            bodies: Arc::new(Semaphore::new(BODY_BYTES_IN_FLIGHT_MAX / 1024)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            reads_waiting: Arc::new(Semaphore::new(READS_WAITING_MAX)),
            puts: Arc::new(Semaphore::new(ATTACHMENTS_COMING_MAX)),
            sealed_reads: Arc::new(Semaphore::new(SEALED_READS_MAX)),
        }
    }

    /// Runs what reads files or the index, off the threads that serve connections.
    async fn reading<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&App) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(_place) = self.reads_waiting.try_acquire() else {
            let detail = format!("{READS_WAITING_MAX} reads wait already");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail));
        };
        let Ok(_turn) = Arc::clone(&self.reads).acquire_owned().await else {
            return Err(Problem::internal("the semaphore of reads is closed"));
        };
        let app = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&app)).await {
            Ok(result) => result,
            Err(error) => Err(Problem::internal(error)),
        }
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    routes()
        .split_for_parts()
        .0
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(&app), counted))
        .with_state(app)
}

/// Every route with its description, which `routes!` does not compile without.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::base())
        .routes(routes!(explore::front))
        .routes(routes!(explore::entries))
        .routes(routes!(explore::event))
        .routes(routes!(explore::all_products))
        .routes(routes!(explore::product))
        .routes(routes!(explore::all_issuers))
        .routes(routes!(explore::issuer))
        .routes(routes!(explore::all_witnesses))
        .routes(routes!(explore::search))
        .routes(routes!(explore::style))
        .routes(routes!(explore::script))
        .routes(routes!(explore::icon))
        .routes(routes!(document::paths))
        .routes(routes!(document::openapi))
        .routes(routes!(reads::checkpoint))
        .routes(routes!(reads::tile))
        .routes(routes!(reads::kept))
        .routes(routes!(reads::policy))
        .routes(routes!(lookups::charter))
        .routes(routes!(lookups::issuer))
        .routes(routes!(lookups::inclusion))
        .routes(routes!(lookups::consistency))
        .routes(routes!(lookups::event))
        .routes(routes!(lookups::lookup))
        .routes(routes!(bundle::get))
        .routes(routes!(submit::events))
        .routes(routes!(attachments::get, attachments::put))
        .routes(routes!(sealed::records))
        .routes(routes!(reads::metrics))
        .routes(routes!(reads::healthz))
        .routes(routes!(reads::readyz))
}

/// The part of the path that a route leaves open.
struct Part(String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Part, Problem> {
        let part = Path::<String>::from_request_parts(parts, state).await;
        part.map(|Path(part)| Part(part)).map_err(|rejection| Problem::request(rejection.body_text()))
    }
}

/// The members of the query.
struct Fields(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Fields, Problem> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Fields(query)).map_err(|rejection| Problem::request(rejection.body_text()))
    }
}

async fn nothing_here(request: Request) -> Problem {
    let problem = Problem::not_found("no such path; the paths are at /paths");
    let path = request.uri().path();
    if path.starts_with("/tile/") || path.starts_with("/kept/") { problem.no_store() } else { problem }
}

async fn other_method(request: Request) -> Problem {
    let detail = format!("{} is not a method of this path", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
}

/// Counts by route and status, and says on every answer of an unwitnessed log what it is [G-6].
async fn counted(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    app.view.metrics.requests.get_or_create(&Route { route, status }).inc();
    if app.view.unwitnessed {
        response.headers_mut().insert("vitrine-unwitnessed", HeaderValue::from_static("true"));
    }
    response
}

/// An answer with a content type and a word for caches.
fn answer(content_type: &'static str, cache: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body.into()).into_response()
}

/// Text as notes, proofs and policies are.
const TEXT: &str = "text/plain; charset=utf-8";
/// Tiles, bundles and leaves.
const OCTETS: &str = "application/octet-stream";
/// JSON answers.
const JSON: &str = "application/json";
/// What never changes under its path (C2SP tlog-tiles).
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What stays true when it is older, and is better newer.
const MINUTE: &str = "public, max-age=60";
/// What changes with every checkpoint.
const BRIEF: &str = "no-cache";

pub(crate) use sealed::{ACCESS, ACCESS_RECORD};

#[cfg(test)]
mod tests;
