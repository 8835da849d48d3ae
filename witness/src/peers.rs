//! The peers of a cross-check: monitoring prefixes of other witnesses (55-witness.md, D-26).
//!
//! Read from `witness` lines of a tlog-policy, whose keys are not looked at: a peer is never believed. Not here: asking them
//! (`crosscheck`).

use crate::fetch::{self, PrefixError};
use crate::limits::{PEERS_BYTES_MAX, PEERS_MAX};
use crate::lines::{NoText, lines, words};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Why a list is refused.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// The file cannot be read.
    #[error("read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is larger than any list.
    #[error("the list is above {PEERS_BYTES_MAX} bytes, or names more than {PEERS_MAX} peers")]
    TooLong,
    /// A line that cannot be read.
    #[error("line {line}: {fault}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Not UTF-8, or a control character other than tab.
    #[error("it holds a control character, or is not UTF-8")]
    Characters,
    /// Another word, or too few or too many.
    #[error(
        "it must be `witness <name> <vkey> <monitoring prefix>`; `log`, `group` and `quorum` lines are not read here"
    )]
    Line,
    /// An address that is none.
    #[error(transparent)]
    Url(#[from] PrefixError),
}

/// Reads a file.
pub fn load(path: &Path) -> Result<Vec<String>, PeersError> {
    let error = |source| PeersError::File { path: path.display().to_string(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(error)?.take(PEERS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > PEERS_BYTES_MAX { Err(PeersError::TooLong) } else { parse(&bytes) }
}

/// The prefixes, each once: a witness with two keys has two lines [D-26].
pub fn parse(bytes: &[u8]) -> Result<Vec<String>, PeersError> {
    let mut peers: Vec<String> = Vec::new();
    for (line, text) in lines(bytes).map_err(|NoText(line)| PeersError::Line { line, fault: LineFault::Characters })? {
        let at = |fault| PeersError::Line { line, fault };
        let words: Vec<&str> = words(text).collect();
        match words.as_slice() {
            ["witness", _name, _vkey, url] => {
                let url = fetch::prefix(url).map_err(|error| at(error.into()))?;
                if !peers.contains(&url) {
                    peers.push(url);
                }
            }
            ["log" | "group" | "quorum", ..] => {}
            _ => return Err(at(LineFault::Line)),
        }
    }
    if peers.len() > PEERS_MAX { Err(PeersError::TooLong) } else { Ok(peers) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn witness_lines_of_a_policy() {
        // [D-26]
        let text = "# peers\nlog x\nwitness a-ed k http://127.0.0.1:1/\nwitness\ta-pq k http://127.0.0.1:1\n\
                    witness b k https://b.example/w\ngroup g any a b\nquorum g\n";
        assert_eq!(parse(text.as_bytes()).unwrap(), ["http://127.0.0.1:1", "https://b.example/w"]);
        let fault = |text: &str| match parse(text.as_bytes()) {
            Err(PeersError::Line { line, fault }) => (line, fault),
            other => unreachable!("{other:?}"),
        };
        assert_eq!(fault("\nwitness a k\n"), (2, LineFault::Line));
        assert_eq!(fault("peer http://a.example\n"), (1, LineFault::Line));
        assert_eq!(fault("\x01"), (1, LineFault::Characters));
        assert!(matches!(fault("witness a k a.example\n"), (1, LineFault::Url(_))));
        let many: String = (0..=PEERS_MAX).map(|at| format!("witness w{at} k http://w{at}.example\n")).collect();
        assert!(matches!(parse(many.as_bytes()), Err(PeersError::TooLong)));
    }
}
