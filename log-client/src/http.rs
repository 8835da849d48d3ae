//! The one module that opens connections: bounded requests to a log (design.md 4), and alerts to a webhook.
//!
//! No redirects, a limit on time and bytes of every answer, and no answer is believed: what it holds is checked by those
//! who asked. Not here: proofs, signatures, retries (`submit` decides when to ask again).

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Body, Client, Method, Response, StatusCode, Url};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use vitrine_spec::hash::Hash;
use vitrine_spec::limits::RELEASE_BYTES_MAX;
use vitrine_spec::tiles::{BundleId, TileId};
use vitrine_spec::tree::LeafIndex;

use crate::exit::{Exit, Failure};
use crate::limits::{
    ALERT_TIMEOUT, BATCH_ANSWER_BYTES_MAX, BUNDLE_BYTES_MAX, CHECKPOINT_BYTES_MAX, CODE_BYTES_MAX, CONNECT_TIMEOUT,
    ENTRY_BYTES_MAX, LOOKUP_BYTES_MAX, PARALLEL_READS, PROBLEM_BYTES_MAX, PROOF_BYTES_MAX, READ_TIMEOUT,
    SEALED_TIMEOUT, SUBMIT_TIMEOUT, UPLOAD_BYTES_PER_S,
};
use crate::upload::{Nothing, Upload};

/// Why a request brought no answer that can be used, sorted by who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address given is not one.
    #[error("`{url}` is not an address of a log: {why}")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, a broken one, or none in time.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the system says.
        why: String,
    },
    /// A good answer began and did not come to its end.
    #[error("the answer of {url} broke off after {} bytes: {why}", body.len())]
    BrokenOff {
        /// What was asked for.
        url: String,
        /// What the system says.
        why: String,
        /// What came of it.
        body: Vec<u8>,
    },
    /// The answer was cut off at its limit.
    #[error("{url} answered more than {max} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        max: u64,
    },
    /// Any status but 200 and 201.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// Seconds of `Retry-After`, where given.
        retry_after: Option<Duration>,
        /// The problem document, where the body was one.
        problem: Option<Box<Problem>>,
        /// The beginning of the body, where it was none.
        body: String,
    },
}

impl HttpError {
    /// Whether asking again later with the same bytes makes sense (design.md 4).
    pub fn is_transient(&self) -> bool {
        match self {
            HttpError::Unreachable { .. } | HttpError::BrokenOff { .. } => true,
            HttpError::Status { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            HttpError::Address { .. } | HttpError::TooLarge { .. } => false,
        }
    }

    /// Whether the log says that it has no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, HttpError::Status { status: 404, .. })
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Failure {
        match error {
            HttpError::Address { url, why } => Failure::usage("http.address", "this is not an address of a log")
                .side("given", url)
                .side("reason", why)
                .now("give the log's URL, for example --log https://log.example.com"),
            HttpError::Unreachable { url, why } => {
                Failure::new(Exit::Unreachable, "http.unreachable", "the log cannot be reached")
                    .side("asked", url)
                    .side("system", why)
                    .now("check the address and that the log is up, then run the same command again")
            }
            HttpError::BrokenOff { url, why, body } => {
                Failure::new(Exit::Unreachable, "http.broken-off", "the log's answer broke off")
                    .side("asked", url)
                    .side("after", format!("{} bytes", body.len()))
                    .side("system", why)
                    .now("run the same command again; if it breaks off again, the log's own log says why")
            }
            HttpError::TooLarge { url, max } => {
                Failure::new(Exit::Unreachable, "http.too-large", "an answer is longer than it can be, and was cut off")
                    .side("asked", url)
                    .side("limit", format!("{max} bytes"))
                    .now("check that the address is the log's")
            }
            HttpError::Status { url, status, problem, body, .. } => {
                // A log that says no is a verdict; anything else at this address is not the log, or not now.
                let says_no = (400..500).contains(&status) && !matches!(status, 408 | 429) && problem.is_some();
                let exit = if says_no { Exit::NotVerified } else { Exit::Unreachable };
                let failure = match problem {
                    Some(problem) => Failure::new(exit, &problem.code, problem.detail).side("rule", problem.title),
                    None => Failure::new(exit, "http.status", "the log did not give what was asked for")
                        .side("body", if body.is_empty() { "(empty)" } else { &body }),
                };
                let failure = failure.side("asked", url).side("answer", status);
                if (300..400).contains(&status) {
                    failure.now("redirects are not followed: give the address that the log itself has")
                } else {
                    failure
                }
            }
        }
    }
}

/// A problem document (RFC 9457) with the members of leaf-format.md 9.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// The rule, in words.
    #[serde(default)]
    pub title: String,
    /// HTTP status; on an NDJSON line the one it would have had.
    #[serde(default)]
    pub status: u16,
    /// Both sides.
    #[serde(default)]
    pub detail: String,
    /// The stable code: a word of lower-case letters, digits, `-` and `.`; a document with another one is no problem document.
    #[serde(deserialize_with = "word")]
    pub code: String,
    /// With `position`: the expected seq.
    pub expected_seq: Option<u64>,
    /// With `position`: the expected prev, hex.
    pub expected_prev: Option<String>,
    /// With `release-position`: the expected number.
    pub expected_release_seq: Option<u64>,
    /// The index of a logged event that stands in the way, where there is one.
    pub index: Option<u64>,
}

/// A code stands in what scripts read and people see: a log can choose neither other characters for it nor the word of a
/// good verdict.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let code = String::deserialize(deserializer)?;
    let of_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if (1..=CODE_BYTES_MAX).contains(&code.len()) && code.bytes().all(of_word) && code != "verified" {
        Ok(code)
    } else {
        Err(D::Error::custom("`code` is not a word"))
    }
}

/// One reader and writer of a log over HTTP; calls block.
#[derive(Debug)]
pub struct Log {
    base: Url,
    client: Client,
    runtime: Runtime,
}

/// An answer with a success status.
#[derive(Debug)]
pub struct Answer {
    /// 200 or 201.
    pub status: u16,
    /// The content type without its parameters, lower case.
    pub content_type: String,
    /// The body, within its limit.
    pub body: Vec<u8>,
}

impl Log {
    /// A log at `url`, the prefix before `/checkpoint`.
    pub fn new(url: &str) -> Result<Log, HttpError> {
        let address = |why: &str| HttpError::Address { url: url.to_owned(), why: why.to_owned() };
        let mut base = Url::parse(url).map_err(|error| address(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(address("the scheme is neither http nor https"));
        }
        if base.query().is_some()
            || base.fragment().is_some()
            || !base.username().is_empty()
            || base.password().is_some()
        {
            return Err(address("it holds a query, a fragment or a user"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let (client, runtime) = client(&base).map_err(|why| address(&why))?;
        Ok(Log { base, client, runtime })
    }

    /// The prefix, without the last slash.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET` of a path below the prefix, with its query if any.
    pub fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, HttpError> {
        let url = self.join(path)?;
        self.runtime.block_on(fetch(&self.client, &url, max))
    }

    /// `GET` with an `Authorization`, of what the log writes down before it answers.
    pub fn get_signed(&self, path: &str, authorization: &str, max: u64) -> Result<Vec<u8>, HttpError> {
        let url = self.join(path)?;
        self.runtime.block_on(async {
            let request = self
                .client
                .request(Method::GET, url.clone())
                .timeout(SEALED_TIMEOUT)
                .header(AUTHORIZATION, authorization);
            answer(&url, request.send().await, max).await.map(|answer| answer.body)
        })
    }

    /// Many reads, some at once, answered in order; `None` for a 404.
    ///
    /// The first error of another kind ends all of them. `done` is called once per object that arrived.
    pub fn get_many(&self, wants: &[(String, u64)], done: impl Fn()) -> Result<Vec<Option<Vec<u8>>>, HttpError> {
        self.runtime.block_on(async {
            let mut answers: Vec<Option<Vec<u8>>> = vec![None; wants.len()];
            let mut left = wants.iter().enumerate();
            let mut under_way = JoinSet::new();
            loop {
                while under_way.len() < PARALLEL_READS {
                    let Some((at, (path, max))) = left.next() else { break };
                    let (client, url, max) = (self.client.clone(), self.join(path)?, *max);
                    under_way.spawn(async move { (at, fetch(&client, &url, max).await) });
                }
                let Some(joined) = under_way.join_next().await else { return Ok(answers) };
                let (at, read) = joined
                    .map_err(|error| HttpError::Unreachable { url: self.url().to_owned(), why: error.to_string() })?;
                match read {
                    Ok(bytes) => {
                        if let Some(answer) = answers.get_mut(at) {
                            *answer = Some(bytes);
                        }
                    }
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error), // dropping the set ends the others
                }
                done();
            }
        })
    }

    /// The published checkpoint.
    pub fn checkpoint(&self) -> Result<Vec<u8>, HttpError> {
        self.get("checkpoint", CHECKPOINT_BYTES_MAX)
    }

    /// A hash tile; the caller checks its bytes.
    pub fn tile(&self, tile: &TileId) -> Result<Vec<u8>, HttpError> {
        self.get(&tile.path(), tile.bytes() as u64)
    }

    /// An entry bundle; the caller checks its bytes.
    pub fn bundle(&self, bundle: &BundleId) -> Result<Vec<u8>, HttpError> {
        self.get(&bundle.path(), BUNDLE_BYTES_MAX)
    }

    /// The first checkpoint of a UTC hour, as `YYYY/MM/DD/HH`; `None` when none was published in it.
    pub fn kept(&self, hour: &str) -> Result<Option<Vec<u8>>, HttpError> {
        match self.get(&format!("kept/{hour}"), CHECKPOINT_BYTES_MAX) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One entry.
    pub fn entry(&self, index: LeafIndex) -> Result<Vec<u8>, HttpError> {
        self.get(&format!("events/{index}"), ENTRY_BYTES_MAX)
    }

    /// The tlog-proof of one entry in the current cosigned checkpoint, with the leaf in `extra`.
    pub fn proof(&self, index: LeafIndex) -> Result<Vec<u8>, HttpError> {
        self.get(&format!("events/{index}.tlog-proof"), PROOF_BYTES_MAX)
    }

    /// The bundle of a file that some update holds.
    pub fn update_bundle(&self, sha256: &Hash) -> Result<Vec<u8>, HttpError> {
        self.get(&format!("bundle/{}", sha256.hex()), RELEASE_BYTES_MAX as u64)
    }

    /// What the log says about an issuer, JSON.
    pub fn issuer(&self, name: &str) -> Result<Vec<u8>, HttpError> {
        self.get(&format!("issuers/{name}"), LOOKUP_BYTES_MAX)
    }

    /// A look-up, JSON; `query` is percent-encoded by the caller's words being hex, names and numbers.
    pub fn lookup(&self, query: &str) -> Result<Vec<u8>, HttpError> {
        self.get(&format!("lookup?{query}"), LOOKUP_BYTES_MAX)
    }

    /// Submits one event: the answer is a tlog-proof.
    pub fn submit(&self, body: Vec<u8>) -> Result<Answer, HttpError> {
        self.post("events", "application/json", body, PROOF_BYTES_MAX)
    }

    /// Submits a batch: the answer is one JSON document per line.
    pub fn submit_batch(&self, body: Vec<u8>) -> Result<Answer, HttpError> {
        self.post("events", "application/x-ndjson", body, BATCH_ANSWER_BYTES_MAX)
    }

    /// Has an unsigned event judged without writing it.
    pub fn check(&self, body: Vec<u8>) -> Result<Answer, HttpError> {
        self.post("events?check=1", "application/json", body, PROBLEM_BYTES_MAX)
    }

    /// `PUT` of a file with an `Authorization`, read while it is sent.
    ///
    /// Who refuses it closes the connection while the file is still on its way, and the refusal can be lost with it: then the
    /// same is asked without a byte, which is refused for the same reason, or for its length (`value`).
    pub fn put_signed(&self, path: &str, authorization: &str, file: Upload) -> Result<Answer, HttpError> {
        let (size, timeout) = (file.left(), Duration::from_secs(file.left() / UPLOAD_BYTES_PER_S));
        let broken = match self.put(path, authorization, Body::wrap(file), SUBMIT_TIMEOUT + timeout) {
            Err(broken @ (HttpError::Unreachable { .. } | HttpError::BrokenOff { .. })) if size > 0 => broken,
            ended => return ended,
        };
        match self.put(path, authorization, Body::wrap(Nothing), SUBMIT_TIMEOUT) {
            Err(HttpError::Status { problem: Some(problem), .. }) if problem.code == "value" => Err(broken),
            Err(refused @ HttpError::Status { .. }) => Err(refused),
            Ok(_) | Err(_) => Err(broken),
        }
    }

    fn put(&self, path: &str, authorization: &str, body: Body, timeout: Duration) -> Result<Answer, HttpError> {
        self.runtime.block_on(async {
            let url = self.join(path)?;
            let request = self
                .client
                .request(Method::PUT, url.clone())
                .timeout(timeout)
                .header(AUTHORIZATION, authorization)
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(body);
            answer(&url, request.send().await, PROBLEM_BYTES_MAX).await
        })
    }

    fn post(&self, path: &str, content_type: &str, body: Vec<u8>, max: u64) -> Result<Answer, HttpError> {
        self.runtime.block_on(async {
            let url = self.join(path)?;
            let request = self
                .client
                .request(Method::POST, url.clone())
                .timeout(SUBMIT_TIMEOUT)
                .header(CONTENT_TYPE, content_type)
                .body(body);
            answer(&url, request.send().await, max).await
        })
    }

    fn join(&self, path: &str) -> Result<Url, HttpError> {
        self.base
            .join(path)
            .ok()
            .filter(|url| url.as_str().starts_with(self.base.as_str())) // "//host" and ".." lead elsewhere
            .ok_or_else(|| HttpError::Address {
                url: path.to_owned(),
                why: "it leads out of the log's prefix".to_owned(),
            })
    }
}

/// Who asks, and what the calls block on.
fn client(base: &Url) -> Result<(Client, Runtime), String> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("vitrine-log-client/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) {
        builder = builder.no_proxy(); // a proxy's loopback is another machine
    }
    let client = builder.build().map_err(|error| cause(&error))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    Ok((client, runtime))
}

/// An address that alerts are posted to; it is no log's, and may hold a query.
#[derive(Debug)]
pub struct Webhook {
    url: Url,
    client: Client,
    runtime: Runtime,
}

impl Webhook {
    /// The address.
    ///
    /// # Errors
    /// It is none.
    pub fn new(url: &str) -> Result<Webhook, HttpError> {
        let address = |why: String| HttpError::Address { url: url.to_owned(), why };
        let parsed = Url::parse(url).map_err(|error| address(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(address("the scheme is neither http nor https".to_owned()));
        }
        let (client, runtime) = client(&parsed).map_err(address)?;
        Ok(Webhook { url: parsed, client, runtime })
    }

    /// The address without path and query, which may be secret.
    pub fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Posts one JSON document; any status of success is a yes.
    ///
    /// # Errors
    /// Any other answer, or none in time. The address in it is [`Webhook::host`].
    pub fn post(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(), HttpError> {
        let why =
            |error: &reqwest::Error| if error.is_timeout() { "no answer in time".to_owned() } else { cause(error) };
        self.runtime.block_on(async {
            let mut request = self.client.request(Method::POST, self.url.clone()).timeout(ALERT_TIMEOUT);
            request = request.header(CONTENT_TYPE, "application/json");
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            let sent = request.body(body).send().await;
            let response = sent.map_err(|error| HttpError::Unreachable { url: self.host(), why: why(&error) })?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            let (status, body) = (status.as_u16(), String::new());
            Err(HttpError::Status { url: self.host(), status, retry_after: None, problem: None, body })
        })
    }
}

/// Reads one address that is not below a log's prefix, for `show URL`.
pub fn get_url(url: &str, max: u64) -> Result<Vec<u8>, HttpError> {
    let parsed = Url::parse(url).map_err(|error| HttpError::Address { url: url.to_owned(), why: error.to_string() })?;
    let mut base = parsed.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.set_path("/");
    let path = parsed.path().trim_start_matches('/');
    let path = match parsed.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Log::new(base.as_str())?.get(&path, max)
}

async fn fetch(client: &Client, url: &Url, max: u64) -> Result<Vec<u8>, HttpError> {
    let request = client.request(Method::GET, url.clone()).timeout(READ_TIMEOUT);
    answer(url, request.send().await, max).await.map(|answer| answer.body)
}

async fn answer(url: &Url, sent: Result<Response, reqwest::Error>, max: u64) -> Result<Answer, HttpError> {
    let why = |error: reqwest::Error| if error.is_timeout() { "no answer in time".to_owned() } else { cause(&error) };
    let unreachable = |error| HttpError::Unreachable { url: url.to_string(), why: why(error) };
    let mut response = sent.map_err(unreachable)?;
    let status = response.status();
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        .unwrap_or_default();
    let success = matches!(status, StatusCode::OK | StatusCode::CREATED);
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok())
        .map(Duration::from_secs);
    let max = if success { max } else { PROBLEM_BYTES_MAX };
    let mut body = Vec::new();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) if success => return Err(HttpError::BrokenOff { url: url.to_string(), why: why(error), body }),
            Err(error) => return Err(unreachable(error)),
        };
        if body.len() as u64 + chunk.len() as u64 > max {
            if success {
                return Err(HttpError::TooLarge { url: url.to_string(), max });
            }
            break;
        }
        body.extend_from_slice(&chunk);
    }
    if success {
        return Ok(Answer { status: status.as_u16(), content_type, body });
    }
    let problem = serde_json::from_slice(&body).ok().map(Box::new);
    let body = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default()).trim().to_owned();
    Err(HttpError::Status { url: url.to_string(), status: status.as_u16(), retry_after, problem, body })
}

/// The innermost cause: the outer texts say only that a request was sent.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some(host) => {
            host == "localhost"
                || host
                    .trim_start_matches('[')
                    .trim_end_matches(']')
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        None => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A server that answers each connection with the next text and returns what it was asked.
    fn serve(answers: Vec<String>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut request = Vec::new();
                    let mut byte = [0u8; 1];
                    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                        request.push(byte[0]);
                    }
                    // A client that has read enough may have gone.
                    let _ = stream.write_all(answer.as_bytes());
                    String::from_utf8(request).unwrap()
                })
                .collect()
        });
        (url, thread)
    }

    fn text(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
    }

    #[test]
    fn a_read_stays_below_the_prefix_and_within_its_limit() {
        let (url, server) = serve(vec![text("200 OK", "", "12345"), text("200 OK", "", "123456")]);
        let log = Log::new(&format!("{url}/logs/a")).unwrap();
        assert_eq!(log.get("checkpoint", 5).unwrap(), b"12345");
        assert!(matches!(log.get("tile/0/000", 5), Err(HttpError::TooLarge { max: 5, .. })));
        let asked = server.join().unwrap();
        assert!(asked[0].starts_with("GET /logs/a/checkpoint HTTP/1.1"), "{}", asked[0]);
        for outside in ["../b", "//other.example/x", "/b", "http://other.example/"] {
            assert!(matches!(log.get(outside, 5), Err(HttpError::Address { .. })), "{outside}");
        }
    }

    #[test]
    fn a_signed_read_carries_its_authorization() {
        let (url, server) = serve(vec![text("200 OK", "", "12345")]);
        assert_eq!(Log::new(&url).unwrap().get_signed("sealed/0-3", "DSSE e30=", 5).unwrap(), b"12345");
        let asked = server.join().unwrap().remove(0);
        assert!(
            asked.starts_with("GET /sealed/0-3 HTTP/1.1") && asked.contains("authorization: DSSE e30=\r\n"),
            "{asked}"
        );
    }

    #[test]
    fn a_file_is_put_with_its_length_and_authorization() {
        let (url, server) = serve(vec![text("201 Created", "", "{}")]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "12345").unwrap();
        let upload = Upload::open(file.path(), 5, indicatif::ProgressBar::hidden()).unwrap();
        let answer = Log::new(&url).unwrap().put_signed("attachments/00", "DSSE e30=", upload).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (201, &b"{}"[..]));
        let asked = server.join().unwrap().remove(0);
        for wanted in ["PUT /attachments/00 HTTP/1.1", "authorization: DSSE e30=\r\n", "content-length: 5\r\n"] {
            assert!(asked.contains(wanted), "{wanted}: {asked}");
        }
    }

    #[test]
    fn a_refusal_that_a_broken_connection_took_along_is_asked_for_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "12345").unwrap();
        let refusal = |code: &str| text("403 Forbidden", "", &format!(r#"{{"code":"{code}"}}"#));
        let put = |answers: Vec<String>| {
            let (url, server) = serve(answers);
            let upload = Upload::open(file.path(), 5, indicatif::ProgressBar::hidden()).unwrap();
            let error = Log::new(&url).unwrap().put_signed("attachments/00", "DSSE e30=", upload).unwrap_err();
            let asked = server.join().unwrap().pop().unwrap();
            assert!(asked.contains("transfer-encoding: chunked\r\n"), "{asked}");
            error
        };
        let refused = put(vec![String::new(), refusal("signer-set")]);
        assert!(
            matches!(&refused, HttpError::Status { problem: Some(why), .. } if why.code == "signer-set"),
            "{refused}"
        );
        let broken = put(vec![String::new(), refusal("value")]);
        assert!(matches!(broken, HttpError::Unreachable { .. }), "{broken}");
    }

    #[test]
    fn an_alert_is_posted_with_its_headers_and_only_success_is_a_yes() {
        let answers = ["204 No Content", "302 Found", "500 Internal Server Error"].map(|status| text(status, "", ""));
        let (url, server) = serve(answers.to_vec());
        let hook = Webhook::new(&format!("{url}/hook?token=secret")).unwrap();
        let post = || hook.post(&[("vitrine-alert-time", "7".to_owned())], b"{}\n".to_vec());
        post().unwrap();
        for status in [302, 500] {
            let error = post().unwrap_err();
            assert!(matches!(error, HttpError::Status { status: got, .. } if got == status), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let asked = server.join().unwrap().remove(0);
        for wanted in
            ["POST /hook?token=secret HTTP/1.1", "vitrine-alert-time: 7\r\n", "content-type: application/json\r\n"]
        {
            assert!(asked.contains(wanted), "{wanted}: {asked}");
        }
        for bad in ["ftp://a/", "hook.example.com"] {
            assert!(matches!(Webhook::new(bad), Err(HttpError::Address { .. })), "{bad}");
        }
    }

    #[test]
    fn a_redirect_is_an_answer_and_is_not_followed() {
        let (url, server) = serve(vec![text("302 Found", "location: http://127.0.0.1:1/\r\n", "")]);
        let error = Log::new(&url).unwrap().checkpoint().unwrap_err();
        assert!(matches!(error, HttpError::Status { status: 302, .. }), "{error}");
        assert!(!error.is_transient());
        assert_eq!(Failure::from(error).exit, Exit::Unreachable);
        server.join().unwrap();
    }

    #[test]
    fn a_problem_document_is_read_with_its_numbers() {
        let body = r#"{"type":"about:blank","title":"position","status":409,"detail":"seq 4, expected 7","code":"position","expected_seq":7,"expected_prev":"00"}"#;
        let (url, server) = serve(vec![text("409 Conflict", "content-type: application/problem+json\r\n", body)]);
        let error = Log::new(&url).unwrap().submit(b"{}".to_vec()).unwrap_err();
        let HttpError::Status { status: 409, problem: Some(problem), .. } = &error else { panic!("{error:?}") };
        assert_eq!((problem.expected_seq, problem.expected_prev.as_deref()), (Some(7), Some("00")));
        assert!(!error.is_transient());
        server.join().unwrap();
    }

    #[test]
    fn a_code_that_is_no_word_makes_no_problem_document() {
        for code in [r"x\u001b[2J", r"a\nexit 0", "Verified", "verified", "a b", "", r"\u202e"] {
            let body = format!(r#"{{"code":"{code}","detail":"d"}}"#);
            let (url, server) = serve(vec![text("400 Bad Request", "", &body)]);
            let error = Log::new(&url).unwrap().checkpoint().unwrap_err();
            assert!(matches!(error, HttpError::Status { status: 400, problem: None, .. }), "{code}: {error:?}");
            assert_eq!((Failure::from(error).exit, code), (Exit::Unreachable, code));
            server.join().unwrap();
        }
    }

    #[test]
    fn busy_and_silent_logs_are_asked_again() {
        let (url, server) = serve(vec![text("503 Service Unavailable", "retry-after: 7\r\n", "")]);
        let log = Log::new(&url).unwrap();
        let error = log.submit(Vec::new()).unwrap_err();
        assert!(error.is_transient());
        assert!(matches!(error, HttpError::Status { retry_after: Some(pause), .. } if pause == Duration::from_secs(7)));
        server.join().unwrap(); // the listener is closed now
        let error = log.checkpoint().unwrap_err();
        assert!(matches!(error, HttpError::Unreachable { .. }) && error.is_transient(), "{error}");
        assert_eq!(Failure::from(error).exit, Exit::Unreachable);
    }

    #[test]
    fn many_reads_come_back_in_order_with_their_gaps() {
        let (url, server) = serve(vec![text("200 OK", "", "x"), text("404 Not Found", "", "")]);
        let log = Log::new(&url).unwrap();
        let one = log.get_many(&[("a".to_owned(), 1)], || ()).unwrap();
        let two = log.get_many(&[("b".to_owned(), 1)], || ()).unwrap();
        assert_eq!((one, two), (vec![Some(b"x".to_vec())], vec![None]));
        server.join().unwrap();
    }

    #[test]
    fn an_address_is_a_plain_prefix() {
        for bad in ["log.example.com", "ftp://a/", "http://a/?x", "http://u@a/", "http://a/#x"] {
            assert!(matches!(Log::new(bad), Err(HttpError::Address { .. })), "{bad}");
        }
        assert_eq!(Log::new("http://a/b").unwrap().url(), "http://a/b");
    }
}
