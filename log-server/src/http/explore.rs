//! The explorer: pages for people over what anybody may read, below `/` and `/explore/` [S-48] (85-log.md).
//!
//! Everything on them comes from published entries, the index and the view; nothing is kept for them. They work without
//! scripts. Not here: trust: the log shows itself, and a page of it proves what its proof proves.

mod html;
mod words;
mod reads;
mod plot;
mod events;
mod products;
mod issuers;
mod witnesses;
mod find;
mod front;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use vitrine_spec::text::decimal;

use super::shapes::Pages;
use super::{App, Fields, Part, lookups};
use crate::index::Index;
use crate::problem::{Problem, retry_after};
use html::{Depth, Html, Link, Page, respond};
use reads::Reads;

/// The state at the published size is not there yet.
fn starting() -> Problem {
    lookups::starting("no checkpoint of this run is published yet")
}

/// What a page turned out to be.
enum Made {
    /// A page with this title.
    Page(String),
    /// Another page.
    Elsewhere(Link),
}

/// Where a page is and what it needs.
#[derive(Clone, Copy)]
struct Place {
    depth: Depth,
    part: &'static str,
    script: bool,
    /// It is nothing without the index.
    indexed: bool,
}

impl Place {
    const fn new(depth: Depth, part: &'static str) -> Place {
        Place { depth, part, script: false, indexed: false }
    }

    const fn indexed(depth: Depth, part: &'static str) -> Place {
        Place { indexed: true, ..Place::new(depth, part) }
    }
}

/// Writes a page off the threads that serve connections; what goes wrong is a page too.
async fn shown(
    app: Arc<App>,
    place: Place,
    work: impl FnOnce(&mut Html, &mut Reads<'_>) -> Result<Made, Problem> + Send + 'static,
) -> Response {
    // An index that is a moment behind is waited for by whoever wants to see what was just logged.
    let published = match (lookups::indexed(&app).await, place.indexed) {
        (Ok(published), _) => Ok(published),
        (Err(_), false) => Ok(app.view.published()),
        (Err(problem), true) => Err(problem),
    };
    let made = match published {
        Ok(published) => {
            app.reading(move |app| {
                let mut html = Html::default();
                let mut reads = Reads::new(app, published);
                work(&mut html, &mut reads).map(|made| (html, made))
            })
            .await
        }
        Err(problem) => Err(problem),
    };
    let page = |title: &str, script: bool, status: StatusCode, html: &Html| {
        let view = &app.view;
        let (origin, unwitnessed) = (view.origin.as_str(), view.unwitnessed);
        Page { origin, unwitnessed, depth: place.depth, title, part: place.part, script }.answer(status, html)
    };
    match made {
        Ok((html, Made::Page(title))) => page(&title, place.script, StatusCode::OK, &html),
        Ok((_, Made::Elsewhere(link))) => elsewhere(&link),
        Err(problem) => {
            let mut html = Html::default();
            let title = problem.status().canonical_reason().unwrap_or("Problem");
            html.raw("<p class=\"kicker\">")
                .text(problem.status().as_u16())
                .raw("</p>\n<h1>")
                .text(title)
                .raw("</h1>\n<p class=\"lead\">");
            html.text(problem.detail()).raw("</p>\n");
            let mut response = page(title, false, problem.status(), &html);
            retry_after(problem.status(), response.headers_mut());
            response
        }
    }
}

fn elsewhere(link: &Link) -> Response {
    let mut response = respond(StatusCode::SEE_OTHER, "text/html; charset=utf-8", "no-cache", "");
    if let Ok(value) = HeaderValue::from_str(link.as_str()) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// A page that is nothing without the index.
fn with_index(reads: &Reads<'_>) -> Result<Arc<Index>, Problem> {
    reads.index().cloned().ok_or_else(|| lookups::starting("the index is not open yet, or behind"))
}

/// A number in a query, when it is there.
fn number(query: &Fields, name: &str) -> Result<Option<u64>, Problem> {
    let text = query.0.get(name);
    text.map(|text| decimal(text).map_err(|error| Problem::request(format!("{name}: {error}")))).transpose()
}

fn text(query: &Fields, name: &str) -> String {
    query.0.get(name).cloned().unwrap_or_default()
}

/// The first page
///
/// A page for whoever accepts `text/html`, a few lines of text for everybody else.
#[utoipa::path(get, path = "/", tag = "explore", responses(
    (status = 200, description = "what this log is and how it stands", content(
        (String = "text/html"), (String = "text/plain"),
    )),
    Pages,
))]
pub(super) async fn front(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepted.flat_map(|value| value.split(',')).any(|media| media.trim().starts_with("text/html")) {
        return super::reads::front(&app);
    }
    let place = Place::new(Depth::Front, "Overview");
    shown(app, place, |html, reads| front::page(html, reads).map(Made::Page)).await
}

/// Entries, newest first
#[utoipa::path(get, path = "/explore/entries", tag = "explore",
    params(("before" = Option<u64>, Query, description = "the page begins below this entry")),
    responses((status = 200, description = "a page", content_type = "text/html", body = String), Pages),
)]
pub(super) async fn entries(State(app): State<Arc<App>>, query: Fields) -> Response {
    let place = Place::new(Depth::One, "Entries");
    shown(app, place, move |html, reads| {
        let before = number(&query, "before")?;
        events::list(html, reads, before).map(Made::Page)
    })
    .await
}

/// One entry: what it says, what is said of it, its proof
#[utoipa::path(get, path = "/explore/events/{index}", tag = "explore",
    params(("index" = String, Path, description = "the entry", example = "0")),
    responses((status = 200, description = "a page", content_type = "text/html", body = String), Pages),
)]
pub(super) async fn event(State(app): State<Arc<App>>, Part(index): Part) -> Response {
    let place = Place { script: true, ..Place::new(Depth::Two, "Entries") };
    shown(app, place, move |html, reads| {
        let index = decimal(&index).map_err(|_| Problem::not_found(format!("`{index}` is no index")))?;
        events::one(html, reads, index).map(Made::Page)
    })
    .await
}

/// Products by name
#[utoipa::path(get, path = "/explore/products", tag = "explore",
    params(("from" = Option<String>, Query, description = "where the page begins")),
    responses((status = 200, description = "a page", content_type = "text/html", body = String), Pages),
)]
pub(super) async fn all_products(State(app): State<Arc<App>>, query: Fields) -> Response {
    let place = Place::indexed(Depth::One, "Products");
    shown(app, place, move |html, reads| {
        let index = with_index(reads)?;
        products::list(html, reads, &index, &text(&query, "from")).map(Made::Page)
    })
    .await
}

/// A product and its releases, with what others say of each
#[utoipa::path(get, path = "/explore/product", tag = "explore",
    params(
        ("purl" = String, Query, description = "the product, without version", example = "pkg:generic/product"),
        ("before" = Option<u64>, Query, description = "the page begins below this entry"),
        ("below" = Option<String>, Query, description = "the page begins below this purl"),
    ),
    responses((status = 200, description = "a page", content_type = "text/html", body = String), Pages),
)]
pub(super) async fn product(State(app): State<Arc<App>>, query: Fields) -> Response {
    let place = Place::indexed(Depth::One, "Products");
    shown(app, place, move |html, reads| {
        let index = with_index(reads)?;
        let from = match (number(&query, "before")?, query.0.get("below")) {
            (Some(before), _) => products::From::Before(before),
            (None, Some(purl)) => products::From::Below(purl.clone()),
            (None, None) => products::From::Newest,
        };
        products::one(html, reads, &index, &text(&query, "purl"), &from).map(Made::Page)
    })
    .await
}

/// Issuers by name
#[utoipa::path(get, path = "/explore/issuers", tag = "explore",
    params(("after" = Option<String>, Query, description = "the page begins after this name")),
    responses((status = 200, description = "a page", content_type = "text/html", body = String), Pages),
)]
pub(super) async fn all_issuers(State(app): State<Arc<App>>, query: Fields) -> Response {
    let place = Place::new(Depth::One, "Issuers");
    shown(app, place, move |html, reads| issuers::list(html, reads, &text(&query, "after")).map(Made::Page)).await
}

/// An issuer: keys, streams, its chain
#[utoipa::path(get, path = "/explore/issuers/{name}", tag = "explore",
    params(
        ("name" = String, Path, description = "the issuer", example = "operator"),
        ("before" = Option<u64>, Query, description = "its chain is shown below this place"),
    ),
    responses((status = 200, description = "a page", content_type = "text/html", body = String), Pages),
)]
pub(super) async fn issuer(State(app): State<Arc<App>>, Part(name): Part, query: Fields) -> Response {
    let place = Place::indexed(Depth::Two, "Issuers");
    shown(app, place, move |html, reads| {
        let index = with_index(reads)?;
        issuers::one(html, reads, &index, &name, number(&query, "before")?).map(Made::Page)
    })
    .await
}

/// Witnesses, and which of them co-signed the published checkpoint
#[utoipa::path(get, path = "/explore/witnesses", tag = "explore", responses(
    (status = 200, description = "a page", content_type = "text/html", body = String),
    Pages,
))]
pub(super) async fn all_witnesses(State(app): State<Arc<App>>) -> Response {
    let place = Place::new(Depth::One, "Witnesses");
    shown(app, place, |html, reads| witnesses::page(html, reads).map(Made::Page)).await
}

/// A purl, digest, event, entry, issuer or package
#[utoipa::path(get, path = "/explore/find", tag = "explore",
    params(("q" = Option<String>, Query, description = "what is looked for")),
    responses(
        (status = 200, description = "what was found", content_type = "text/html", body = String),
        (status = 303, description = "the page of the one thing that was meant", content_type = "text/html", body = String),
        Pages,
    ),
)]
pub(super) async fn search(State(app): State<Arc<App>>, query: Fields) -> Response {
    let place = Place::indexed(Depth::One, "");
    shown(app, place, move |html, reads| {
        let index = with_index(reads)?;
        Ok(match find::find(html, reads, &index, &text(&query, "q"))? {
            find::Answer::Go(link) => Made::Elsewhere(link),
            find::Answer::List(title) => Made::Page(title),
        })
    })
    .await
}

/// Files of the pages change with the program alone.
const WHILE: &str = "public, max-age=600";

/// The style of the pages
#[utoipa::path(get, path = "/explore/style.css", tag = "explore", responses(
    (status = 200, description = "a style sheet", content_type = "text/css", body = String),
))]
pub(super) async fn style() -> Response {
    respond(StatusCode::OK, "text/css; charset=utf-8", WHILE, include_str!("explore/style.css"))
}

/// The script that verifies a proof in the browser
#[utoipa::path(get, path = "/explore/verify.js", tag = "explore", responses(
    (status = 200, description = "a script", content_type = "text/javascript", body = String),
))]
pub(super) async fn script() -> Response {
    respond(StatusCode::OK, "text/javascript; charset=utf-8", WHILE, include_str!("explore/verify.js"))
}

/// The icon of the pages
#[utoipa::path(get, path = "/explore/icon.svg", tag = "explore", responses(
    (status = 200, description = "a drawing", content_type = "image/svg+xml", body = String),
))]
pub(super) async fn icon() -> Response {
    respond(StatusCode::OK, "image/svg+xml", WHILE, include_str!("explore/icon.svg"))
}
