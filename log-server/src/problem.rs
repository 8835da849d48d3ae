//! Answers that say no, as RFC 9457 problem documents (70-admission.md, 85-log.md).
//!
//! A refusal's status, code and words come from `vitrine_spec::refusal`; here are those that never reach admission.
//! Not here: who is refused what.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use vitrine_spec::refusal::Refusal;

use crate::config::RETRY_AFTER_SECONDS;

/// A problem, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    body: String,
    no_store: bool,
}

impl Problem {
    /// What went wrong outside admission: `code` is a stable word, `detail` names both sides.
    pub fn new(status: StatusCode, code: &'static str, detail: impl AsRef<str>) -> Problem {
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("problem"),
            "status": status.as_u16(),
            "detail": detail.as_ref(),
            "code": code,
        });
        Problem { status, code, body: body.to_string(), no_store: false }
    }

    /// There is nothing at this path.
    pub fn not_found(detail: impl AsRef<str>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// A query, path or header that is not as the interface says.
    pub fn request(detail: impl AsRef<str>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "request", detail)
    }

    /// Something failed here: the peer learns that, the log says what.
    pub fn internal(cause: impl std::fmt::Display) -> Problem {
        tracing::error!("a request was not answered: {cause}");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server could not read what it has; its log says why",
        )
    }

    /// The same, never kept by a cache.
    #[must_use]
    pub fn no_store(mut self) -> Problem {
        self.no_store = true;
        self
    }

    /// Its stable word.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says in words.
    pub fn detail(&self) -> String {
        let document: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        let detail = document.as_ref().and_then(|document| document.get("detail")?.as_str());
        detail.unwrap_or(self.code).to_owned()
    }

    /// The document itself, for a line of NDJSON.
    pub fn body(&self) -> &str {
        &self.body
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Problem {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem {
            status,
            code: refusal.code(),
            body: String::from_utf8_lossy(&refusal.problem().to_jcs()).into_owned(),
            no_store: false,
        }
    }
}

/// Says when to come again, where that helps.
pub fn retry_after(status: StatusCode, headers: &mut HeaderMap) {
    if matches!(status.as_u16(), 429 | 503 | 504) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.no_store || self.status.is_server_error() {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        retry_after(self.status, headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_says_when_to_come_again() {
        for (status, retry) in [(429, true), (503, true), (504, true), (404, false), (413, false), (500, false)] {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let response = Problem::new(status, "request", "both sides").into_response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retry, "{status}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }
}
