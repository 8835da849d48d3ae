//! `log-server status`: how a running server stands, in a few lines (85-log.md).
//!
//! It reads what anybody may read. Nothing it shows is verified: that is `log-client`'s work.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::WITNESS_BODY_BYTES_MAX;

/// How long the server may take to answer.
const WAIT: Duration = Duration::from_secs(10);

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What `/readyz` says.
    pub readiness: Value,
    /// The first lines of its checkpoint: origin, size, root.
    pub checkpoint: Vec<String>,
    /// Signature lines of the checkpoint, by key name.
    pub signers: Vec<String>,
}

impl Status {
    /// Whether it admits events.
    pub fn ready(&self) -> bool {
        self.readiness.get("ready").and_then(Value::as_bool) == Some(true)
    }

    /// For a person.
    pub fn text(&self) -> String {
        let word = |name: &str| self.readiness.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
        let number = |name: &str| self.readiness.get(name).and_then(Value::as_u64).unwrap_or(0);
        let mut lines = vec![
            format!("log        {}", self.checkpoint.first().map_or("?", String::as_str)),
            format!(
                "published  {} entries, root {}",
                number("published"),
                self.checkpoint.get(2).map_or("?", String::as_str)
            ),
            format!("head       {} entries", number("head")),
            format!("step       {}: {}", word("step"), word("detail")),
            format!("signed by  {}", self.signers.join(", ")),
        ];
        if self.readiness.get("unwitnessed").and_then(Value::as_bool) == Some(true) {
            lines.push("witnesses  none: UNWITNESSED by its policy".to_owned());
        }
        if let Some(waiting) = self.readiness.get("waiting_for_quorum").and_then(Value::as_str) {
            lines.push(format!("quorum     {waiting}"));
        }
        for witness in self.readiness.get("witnesses").and_then(Value::as_array).into_iter().flatten() {
            let field = |name: &str| witness.get(name).and_then(Value::as_str).unwrap_or("?");
            lines.push(format!("witness    {} ({}): {}", field("name"), field("url"), field("state")));
        }
        lines.join("\n")
    }

    /// For a program.
    pub fn json(&self) -> Value {
        json!({"ready": self.ready(), "readyz": self.readiness, "checkpoint": self.checkpoint, "signers": self.signers})
    }
}

/// Asks the server at `url`; the error says what could not be reached or read.
pub async fn ask(url: &str) -> Result<Status, String> {
    let url = url.trim_end_matches('/');
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(WAIT)
        .build()
        .map_err(|error| error.to_string())?;
    let readiness = get(&client, &format!("{url}/readyz")).await?;
    let readiness = serde_json::from_str(&readiness).map_err(|error| format!("{url}/readyz is no JSON: {error}"))?;
    let note = get(&client, &format!("{url}/checkpoint")).await?;
    let (text, signatures) = note.split_once("\n\n").ok_or_else(|| format!("{url}/checkpoint is no note"))?;
    let signers = signatures.lines().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned);
    let mut names: Vec<String> = Vec::new();
    for name in signers {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(Status { readiness, checkpoint: text.lines().map(str::to_owned).collect(), signers: names })
}

/// What is behind an error: the outermost one says the address again and no reason.
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The body of an answer 200, or of the 503 with which `/readyz` says what it waits for.
async fn get(client: &reqwest::Client, url: &str) -> Result<String, String> {
    let mut response = client.get(url).send().await.map_err(|error| format!("{url}: {}", innermost(&error)))?;
    let status = response.status().as_u16();
    if !(status == 200 || status == 503 && url.ends_with("/readyz")) {
        return Err(format!("{url}: status {status}, 200 is expected"));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| format!("{url}: {error}"))? {
        body.extend_from_slice(&chunk);
        if body.len() > WITNESS_BODY_BYTES_MAX {
            return Err(format!("{url}: more than {WITNESS_BODY_BYTES_MAX} bytes"));
        }
    }
    String::from_utf8(body).map_err(|_| format!("{url}: not UTF-8"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_reached_is_named_with_the_reason() {
        // Bound and dropped: nobody listens there.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = ask(&format!("http://{address}")).await.unwrap_err();
        assert!(error.starts_with(&format!("http://{address}/readyz: ")) && error.contains("refused"), "{error}");
    }

    #[test]
    fn both_sides_and_the_missing_witness_are_shown() {
        let status = Status {
            readiness: json!({
                "ready": false, "step": "guard", "detail": "w2: connection refused", "published": 4, "head": 5,
                "unwitnessed": false, "waiting_for_quorum": null,
                "witnesses": [{"name": "w2", "url": "http://w2", "state": "not asked yet"}],
            }),
            checkpoint: vec!["example.org/log".to_owned(), "4".to_owned(), "root".to_owned()],
            signers: vec!["example.org/log".to_owned()],
        };
        assert!(!status.ready());
        let text = status.text();
        for part in ["example.org/log", "4 entries", "5 entries", "guard: w2: connection refused", "w2 (http://w2)"] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }
}
