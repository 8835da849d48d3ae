//! Reads from other people's servers, with bounds on bytes, time and redirects (55-witness.md, D-25).
//!
//! What comes back is believed by nobody: the callers look for the log's signature on it. Not here: what is read and why
//! (`crosscheck`).

use crate::limits::{FETCH_CONNECT_WAIT, FETCH_REDIRECTS_MAX, FETCH_WAIT, FETCHES_MAX, TILES_OF_A_PROOF_MAX};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use vitrine_spec::limits::TILE_WIDTH;
use vitrine_spec::proof::Tiles;
use vitrine_spec::tiles::{TileError, TileId};

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client could not be made.
    #[error("no HTTP client: {0}")]
    Client(reqwest::Error),
    /// The server or the way to it failed, or was too slow.
    #[error("{url}: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What happened.
        why: String,
    },
    /// Another status than 200.
    #[error("{url}: status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// More bytes than such a thing can have.
    #[error("{url}: more than {max} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        max: usize,
    },
    /// More tiles for one comparison than proofs need.
    #[error("{url}: more than {TILES_OF_A_PROOF_MAX} tiles for one comparison")]
    TooMany {
        /// What was asked for.
        url: String,
    },
    /// No full tile of this place.
    #[error(transparent)]
    Tile(#[from] TileError),
}

/// Why an address is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url} is no prefix: {why}")]
pub struct PrefixError {
    /// The text given.
    url: String,
    /// What is wrong with it.
    why: String,
}

/// Reads an address below which things are: http or https, no query, fragment or user; without a slash at its end.
pub fn prefix(text: &str) -> Result<String, PrefixError> {
    let wrong = |why: &str| PrefixError { url: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("the scheme is neither http nor https"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a query, a fragment or a user"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Reads, so many at one time.
#[derive(Clone)]
pub struct Fetch {
    client: Client,
    room: Arc<Semaphore>,
}

impl Fetch {
    /// A client of its own.
    pub fn new() -> Result<Fetch, FetchError> {
        let client = Client::builder()
            .connect_timeout(FETCH_CONNECT_WAIT)
            .timeout(FETCH_WAIT)
            .redirect(Policy::limited(FETCH_REDIRECTS_MAX))
            .referer(false)
            .user_agent(concat!("vitrine-witness/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(FetchError::Client)?;
        Ok(Fetch { client, room: Arc::new(Semaphore::new(FETCHES_MAX)) })
    }

    /// The bytes at an address, at most `max`.
    pub async fn get(&self, url: &str, max: usize) -> Result<Vec<u8>, FetchError> {
        let unreachable = |error: reqwest::Error| FetchError::Unreachable {
            url: url.to_owned(),
            why: if error.is_timeout() { "no answer in time".to_owned() } else { error.without_url().to_string() },
        };
        // Never closed: without a place nothing is read.
        let Ok(_place) = self.room.acquire().await else {
            return Err(FetchError::Unreachable { url: url.to_owned(), why: "this witness is ending".to_owned() });
        };
        let mut response = self.client.get(url).send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status { url: url.to_owned(), status: response.status().as_u16() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > max {
                return Err(FetchError::TooLarge { url: url.to_owned(), max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The tiles of a log that is read, each fetched once; for a thread that may wait.
pub struct RemoteTiles {
    fetch: Fetch,
    runtime: Handle,
    url: String,
    read: Mutex<HashMap<TileId, Vec<u8>>>,
}

impl RemoteTiles {
    /// The tiles below the prefix of a log.
    pub fn new(fetch: Fetch, runtime: Handle, url: &str) -> RemoteTiles {
        RemoteTiles { fetch, runtime, url: url.to_owned(), read: Mutex::default() }
    }

    fn fetch(&self, id: TileId) -> Result<Vec<u8>, FetchError> {
        let url = format!("{}/{}", self.url, id.path());
        let read = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = read().get(&id) {
            return Ok(bytes.clone());
        }
        if read().len() >= TILES_OF_A_PROOF_MAX {
            return Err(FetchError::TooMany { url });
        }
        let bytes = self.runtime.block_on(self.fetch.get(&url, id.bytes()))?;
        read().insert(id, bytes.clone());
        Ok(bytes)
    }
}

impl Tiles for RemoteTiles {
    type Error = FetchError;

    /// A partial tile that is no longer there is the beginning of the full one (C2SP tlog-tiles, "Partial Tiles").
    fn tile(&self, id: TileId) -> Result<Vec<u8>, FetchError> {
        match self.fetch(id) {
            Err(FetchError::Status { status: 404 | 410, .. }) if id.width() < TILE_WIDTH => {
                let mut full = self.fetch(TileId::new(id.level(), id.index(), TILE_WIDTH)?)?;
                full.truncate(id.bytes());
                Ok(full)
            }
            read => read,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        // [D-25]
        assert_eq!(prefix("https://log.example/a/").unwrap(), "https://log.example/a");
        assert_eq!(prefix("http://127.0.0.1:7400").unwrap(), "http://127.0.0.1:7400");
        for wrong in [
            "",
            "log.example",
            "ftp://log.example",
            "https://log.example/?a",
            "https://log.example/#a",
            "https://u@log.example",
        ] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}
