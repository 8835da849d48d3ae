//! `GET /openapi.json`: what the routes say of themselves, and `GET /paths`, the same for a person [S-47] (85-log.md).
//!
//! Both are made from the descriptions that the routes are registered with. Not here: the descriptions, which stand at the
//! handlers, and the shapes of bodies (`shapes`).

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem, RefOr};

use super::{BRIEF, JSON, TEXT, answer, routes, shapes};
use crate::problem::Problem;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Vitrine log server",
        description = "An append-only log of builds, rebuilds, code reviews, updates and accesses to customer data. What an answer \
            holds is proven by it, what it leaves out is not. Trust comes from pinned keys and the charter's fingerprint, never \
            from this server.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "explore", description = "Pages for people"),
        (name = "read", description = "Static files"),
        (name = "look up", description = "Entries and proofs"),
        (name = "submit", description = "Events and attachments"),
        (name = "operate", description = "The server itself"),
    ),
    components(schemas(shapes::Problem)),
)]
struct Base;

/// The document without a route.
pub(super) fn base() -> OpenApi {
    let mut base = Base::openapi();
    let dsse = "`DSSE ` and the base64 of a signed request (spec/docs/77-requests.md)";
    let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Authorization", dsse)));
    base.components.get_or_insert_default().add_security_scheme("dsse", scheme);
    base
}

/// The document with every route. OpenAPI has no parameter that spans segments: `{*path}` is written `{path}`.
static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
    let mut document = routes().into_openapi();
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document
});

static JSON_TEXT: LazyLock<Result<String, String>> =
    LazyLock::new(|| DOCUMENT.to_json().map(|text| text + "\n").map_err(|error| error.to_string()));

/// Method, path and purpose of each route, a line each.
pub(super) static PATHS_TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    for (path, item) in &DOCUMENT.paths.paths {
        for (method, operation) in operations(item) {
            let members: Vec<&str> = query(operation).collect();
            let query = if members.is_empty() { String::new() } else { format!("?{}=", members.join("=&")) };
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "{method:<5}{path}{query}");
            let _ = writeln!(text, "       {}", operation.summary.as_deref().unwrap_or_default());
        }
    }
    text.push_str(
        "\nWhat a look-up returns is proven, what it leaves out is not. Trust comes from pinned keys and the charter's\n\
         fingerprint, never from this server.\n",
    );
    text
});

/// The methods of a path.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let methods = [("GET", &item.get), ("PUT", &item.put), ("POST", &item.post)];
    methods.into_iter().filter_map(|(name, operation)| operation.as_ref().map(|operation| (name, operation)))
}

/// The names that may stand in a query.
fn query(operation: &Operation) -> impl Iterator<Item = &str> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => (parameter.parameter_in == ParameterIn::Query).then_some(parameter.name.as_str()),
        RefOr::Ref(_) => None,
    })
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "read", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object),
    shapes::Internal,
))]
pub(super) async fn openapi() -> Result<Response, Problem> {
    match &*JSON_TEXT {
        Ok(text) => Ok(answer(JSON, BRIEF, text.as_str())),
        Err(error) => Err(Problem::internal(error)),
    }
}

/// The paths as a list
#[utoipa::path(get, path = "/paths", tag = "read", responses(
    (status = 200, description = "method, path and purpose of each", content_type = "text/plain", body = String),
))]
pub(super) async fn paths() -> Response {
    answer(TEXT, BRIEF, PATHS_TEXT.as_str())
}
