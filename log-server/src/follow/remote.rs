//! The log that is copied, over HTTP: every answer bounded, every wait too, redirects not followed (85-log.md).
//!
//! What comes is bytes: nothing here is verified. Not here: what they must be (`follow`).

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;

use crate::config::{BACK_OFF_FIRST, FOLLOW_AT_ONCE_MAX, FOLLOW_ATTEMPTS, FOLLOW_WAIT};

/// Bytes of an answer in JSON: a proof of 63 hashes, or a problem document.
const JSON_BYTES_MAX: usize = 16 * 1024;
/// Characters of a refusal's words that are shown.
const WORDS_MAX: usize = 300;

/// Why the log could not be asked, or what it answered instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RemoteError {
    /// No connection, or it broke off.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// Another status than was asked for.
    #[error("{url}: status {status} {words}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        words: String,
    },
    /// A longer answer than there can be.
    #[error("{url}: more than {most} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// Bytes that it can have.
        most: usize,
    },
    /// An answer of another form.
    #[error("{url}: {reason}")]
    Form {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A log somewhere else.
pub(super) struct Remote {
    base: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Remote {
    /// The log at a URL. Asks nothing yet.
    pub(super) fn new(url: &str) -> Result<Remote, RemoteError> {
        let base = url.trim_end_matches('/').to_owned();
        let fail = |reason: String| RemoteError::Unreachable { url: base.clone(), reason };
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(FOLLOW_WAIT)
            .read_timeout(FOLLOW_WAIT)
            .build()
            .map_err(|error| fail(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| fail(error.to_string()))?;
        Ok(Remote { base, client, runtime })
    }

    /// Where it is, for messages.
    pub(super) fn url(&self) -> &str {
        &self.base
    }

    /// The body at a path, at most `most` bytes.
    pub(super) fn get(&self, path: &str, most: usize) -> Result<Vec<u8>, RemoteError> {
        let url = format!("{}/{path}", self.base);
        let body = self.runtime.block_on(body(&self.client, &url, most))?;
        body.ok_or_else(|| RemoteError::Status { url, status: 404, words: "it is not there".to_owned() })
    }

    /// The bodies at many paths, in their order; `None` for each that is not there.
    pub(super) fn many(&self, paths: &[String], most: usize) -> Result<Vec<Option<Vec<u8>>>, RemoteError> {
        self.runtime.block_on(async {
            let turns = Arc::new(Semaphore::new(FOLLOW_AT_ONCE_MAX));
            let mut asked = JoinSet::new();
            for (at, path) in paths.iter().enumerate() {
                let (client, turns) = (self.client.clone(), Arc::clone(&turns));
                let url = format!("{}/{path}", self.base);
                asked.spawn(async move {
                    let _turn = turns.acquire().await;
                    (at, body(&client, &url, most).await)
                });
            }
            let mut bodies = vec![None; paths.len()];
            while let Some(answer) = asked.join_next().await {
                let lost = |error: tokio::task::JoinError| self.unreachable(error.to_string());
                let (at, body) = answer.map_err(lost)?;
                if let Some(place) = bodies.get_mut(at) {
                    *place = body?;
                }
            }
            Ok(bodies)
        })
    }

    fn unreachable(&self, reason: String) -> RemoteError {
        RemoteError::Unreachable { url: self.base.clone(), reason }
    }

    /// The hashes of the consistency proof between two sizes.
    pub(super) fn consistency(&self, from: TreeSize, to: TreeSize) -> Result<Vec<Hash>, RemoteError> {
        let path = format!("proof/consistency?from={from}&to={to}");
        let body = self.get(&path, JSON_BYTES_MAX)?;
        let read = || -> Option<Vec<Hash>> {
            let value: Value = serde_json::from_slice(&body).ok()?;
            value.get("hashes")?.as_array()?.iter().map(|hash| Hash::from_b64(hash.as_str()?).ok()).collect()
        };
        let url = format!("{}/{path}", self.base);
        read().ok_or_else(|| RemoteError::Form { url, reason: "no proof in its one form".to_owned() })
    }

    /// Hands the body at a path to `take` as it comes, and gives the headers of the answer. `authorization` is asked for
    /// anew each time the log was too busy to begin.
    pub(super) fn stream<E: From<RemoteError>>(
        &self,
        path: &str,
        authorization: impl Fn() -> Option<String>,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<HeaderMap, E> {
        let url = format!("{}/{path}", self.base);
        self.runtime.block_on(async {
            let mut response = begun(&url, || {
                let request = self.client.get(&url);
                match authorization() {
                    Some(value) => request.header(AUTHORIZATION, value),
                    None => request,
                }
            })
            .await?;
            if response.status().as_u16() != 200 {
                return Err(refused(&url, response).await.into());
            }
            let broke = |error: reqwest::Error| RemoteError::Unreachable { url: url.clone(), reason: words_of(&error) };
            while let Some(bytes) = response.chunk().await.map_err(broke)? {
                take(&bytes)?;
            }
            Ok(response.headers().clone())
        })
    }
}

/// The body at a URL; `None` for 404.
async fn body(client: &reqwest::Client, url: &str, most: usize) -> Result<Option<Vec<u8>>, RemoteError> {
    let mut attempt = 0;
    let mut pause = BACK_OFF_FIRST;
    loop {
        attempt += 1;
        match once(client, url, most).await {
            Err(RemoteError::Unreachable { .. }) if attempt < FOLLOW_ATTEMPTS => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => return other,
        }
    }
}

async fn once(client: &reqwest::Client, url: &str, most: usize) -> Result<Option<Vec<u8>>, RemoteError> {
    let mut response = begun(url, || client.get(url)).await?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        _ => return Err(refused(url, response).await),
    }
    let mut body = Vec::new();
    let broke = |error: reqwest::Error| RemoteError::Unreachable { url: url.to_owned(), reason: words_of(&error) };
    while let Some(bytes) = response.chunk().await.map_err(broke)? {
        body.extend_from_slice(&bytes);
        if body.len() > most {
            return Err(RemoteError::TooLong { url: url.to_owned(), most });
        }
    }
    Ok(Some(body))
}

/// The head of an answer, once the log is not too busy for one.
async fn begun(url: &str, request: impl Fn() -> reqwest::RequestBuilder) -> Result<reqwest::Response, RemoteError> {
    let mut attempt = 0;
    let mut pause = BACK_OFF_FIRST;
    loop {
        attempt += 1;
        let response = request().send().await;
        let response =
            response.map_err(|error| RemoteError::Unreachable { url: url.to_owned(), reason: words_of(&error) })?;
        if !matches!(response.status().as_u16(), 429 | 503) || attempt >= FOLLOW_ATTEMPTS {
            return Ok(response);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// A refusal, with the beginning of its words, safe to print.
async fn refused(url: &str, mut response: reqwest::Response) -> RemoteError {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Ok(Some(more)) = response.chunk().await {
        bytes.extend_from_slice(&more);
        if bytes.len() > JSON_BYTES_MAX {
            break;
        }
    }
    let problem: Option<Value> = serde_json::from_slice(&bytes).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let text = detail.map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), str::to_owned);
    let words = text.chars().take(WORDS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    RemoteError::Status { url: url.to_owned(), status, words }
}

/// An error with its causes: the first one alone rarely says what happened.
fn words_of(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
