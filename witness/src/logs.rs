//! The logs this witness cosigns: origins and their keys (55-witness.md).
//!
//! Reads `log` lines of a tlog-policy file, or a `logs/v0` list of witness-network. Not here: reading the file again
//! (`cli`), what a signature of these keys is worth (`core`).

use crate::fetch::{self, PrefixError};
use crate::limits::{LOG_KEYS_MAX, LOGS_BYTES_MAX, LOGS_MAX};
use crate::lines::{NoText, lines, words};
use crate::quota::Rate;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use vitrine_spec::checkpoint::Origin;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::{KeyError, KeyKind, Vkey};
use vitrine_spec::limits::COSIGNED_NAME_BYTES_MAX;
use vitrine_spec::text;

/// Why a list is refused.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The file cannot be read.
    #[error("read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is larger than any list.
    #[error("the list is above {LOGS_BYTES_MAX} bytes")]
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
    /// A first word that is none of the format.
    #[error("a line begins with {want}, not with {got:?}")]
    Keyword {
        /// The words there are.
        want: &'static str,
        /// The word found.
        got: String,
    },
    /// `log` with too few or too many words.
    #[error("it must be `log <vkey> [<url>]`")]
    LogLine,
    /// A list item whose lines are in another order, or twice.
    #[error("`{got}` cannot stand here: the order is vkey, origin, bastion, qpd, contact, each at most once")]
    Order {
        /// The word found.
        got: String,
    },
    /// A verifier key that cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key that signs cosignatures and no log.
    #[error("{keyid} is of type {kind}: a log signs with 0x01 or 0x06")]
    Cosigner {
        /// The key.
        keyid: String,
        /// Its type.
        kind: KeyKind,
    },
    /// One key twice.
    #[error("the public key of {keyid} is in the list already")]
    Twice {
        /// The second key.
        keyid: String,
    },
    /// An origin that cannot be one.
    #[error("{0}")]
    Origin(String),
    /// An origin too long for the message of an ML-DSA-44 cosignature.
    #[error("an origin has at most {COSIGNED_NAME_BYTES_MAX} bytes here, this one {got}")]
    OriginLength {
        /// Bytes of the origin.
        got: usize,
    },
    /// An address that is none.
    #[error(transparent)]
    Url(#[from] PrefixError),
    /// Two addresses of one log.
    #[error("the log is at {one}, says an earlier line, and at {other}, says this one")]
    TwoUrls {
        /// The address of an earlier line.
        one: String,
        /// That of this line.
        other: String,
    },
    /// Requests a day that are no number.
    #[error("qpd is a decimal number, not {got:?}")]
    Qpd {
        /// The text found.
        got: String,
    },
    /// Too many keys of one log, or logs.
    #[error("more than {LOGS_MAX} logs, or {LOG_KEYS_MAX} keys of one log")]
    TooMany,
}

/// Origins with their keys.
#[derive(Debug, Default)]
pub struct Logs {
    origins: HashMap<String, Vec<Vkey>>,
    urls: HashMap<String, String>,
    rates: HashMap<String, Rate>,
    hashes: HashMap<Hash, String>,
    public: HashSet<Hash>,
    skipped: Vec<String>,
}

impl Logs {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Logs, LogsError> {
        let error = |source| LogsError::File { path: path.display().to_string(), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(error)?.take(LOGS_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(error)?;
        if bytes.len() as u64 > LOGS_BYTES_MAX { Err(LogsError::TooLong) } else { Logs::parse(&bytes) }
    }

    /// Reads either format [D-15]: a list whose first line with content is `logs/v0` is witness-network's.
    pub fn parse(bytes: &[u8]) -> Result<Logs, LogsError> {
        let no_text = |NoText(line)| LogsError::Line { line, fault: LineFault::Characters };
        let lines = lines(bytes).map_err(no_text)?;
        let mut logs = Logs::default();
        let result = match lines.split_first() {
            Some(((_, "logs/v0"), items)) => logs.network(items),
            Some(_) | None => logs.policy(&lines),
        };
        result.map(|()| logs).map_err(|(line, fault)| LogsError::Line { line, fault })
    }

    /// The keys of an origin; `None` when this witness does not know it.
    pub fn keys(&self, origin: &Origin) -> Option<&[Vkey]> {
        self.origins.get(origin.as_str()).map(Vec::as_slice)
    }

    /// The tlog-tiles prefix of a log, where the list has one.
    pub fn url(&self, origin: &Origin) -> Option<&str> {
        self.urls.get(origin.as_str()).map(String::as_str)
    }

    /// How often a log says that it asks: the `qpd` of a list.
    pub fn rate(&self, origin: &Origin) -> Option<Rate> {
        self.rates.get(origin.as_str()).copied()
    }

    /// The origins with their hashes, in no order.
    pub fn hashes(&self) -> impl Iterator<Item = (&Hash, &str)> {
        self.hashes.iter().map(|(hash, origin)| (hash, origin.as_str()))
    }

    /// The list as `log` lines of a tlog-policy, ascending.
    pub fn print(&self) -> String {
        let mut origins: Vec<(&String, &Vec<Vkey>)> = self.origins.iter().collect();
        origins.sort_unstable_by_key(|(origin, _)| *origin);
        let mut text = String::new();
        for (origin, keys) in origins {
            let url = self.urls.get(origin).map(|url| format!(" {url}")).unwrap_or_default();
            keys.iter().for_each(|vkey| text.push_str(&format!("log {vkey}{url}\n")));
        }
        text
    }

    /// The origin with this hash.
    pub fn of_hash(&self, hash: &Hash) -> Option<Origin> {
        Origin::new(self.hashes.get(hash)?).ok()
    }

    /// Number of logs.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// True for a list without a log.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The origins, in no order.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.origins.keys().map(String::as_str)
    }

    /// Logs of a public list whose keys this witness cannot verify, with the reason.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// True when one of these keys is a log's: a witness must not be one of its own logs.
    pub fn shares_key(&self, keys: &[Vkey]) -> bool {
        keys.iter().any(|key| self.public.contains(&Hash::of(key.public())))
    }

    fn policy(&mut self, lines: &[(usize, &str)]) -> Result<(), (usize, LineFault)> {
        const WANT: &str = "`log` (or `witness`, `group`, `quorum`, which are not read here)";
        for (line, text) in lines {
            let at = |fault| (*line, fault);
            let mut words = words(text);
            match words.next() {
                Some("log") => {
                    let (vkey, url, more) = (words.next(), words.next(), words.next());
                    let vkey = vkey.filter(|_| more.is_none()).ok_or_else(|| at(LineFault::LogLine))?;
                    let vkey = Vkey::parse(vkey).map_err(|error| at(error.into()))?;
                    let origin = vkey.name().to_owned();
                    self.add(&origin, vkey).map_err(at)?;
                    if let Some(url) = url {
                        let url = fetch::prefix(url).map_err(|error| at(error.into()))?;
                        let known = self.urls.entry(origin).or_insert_with(|| url.clone());
                        if *known != url {
                            return Err(at(LineFault::TwoUrls { one: known.clone(), other: url }));
                        }
                    }
                }
                Some("witness" | "group" | "quorum") => {}
                other => {
                    let got = other.unwrap_or_default().to_owned();
                    return Err(at(LineFault::Keyword { want: WANT, got }));
                }
            }
        }
        Ok(())
    }

    fn network(&mut self, lines: &[(usize, &str)]) -> Result<(), (usize, LineFault)> {
        const WORDS: [&str; 5] = ["vkey", "origin", "bastion", "qpd", "contact"];
        let mut item: Option<Item<'_>> = None;
        for (line, text) in lines {
            let at = |fault| (*line, fault);
            let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
            let Some(rank) = WORDS.iter().position(|known| *known == word) else {
                let want = "`vkey`, `origin`, `bastion`, `qpd` or `contact`";
                return Err(at(LineFault::Keyword { want, got: word.to_owned() }));
            };
            if rank == 0 {
                self.close(item.take())?;
                item = Some(Item { line: *line, rank, vkey: rest, origin: None, qpd: None });
                continue;
            }
            let order = || at(LineFault::Order { got: word.to_owned() });
            let open = item.as_mut().filter(|item| item.rank < rank).ok_or_else(order)?;
            open.rank = rank;
            match word {
                "origin" => open.origin = Some(rest).filter(|origin| *origin != "none"),
                "qpd" => {
                    let qpd = text::decimal(rest).map_err(|_| at(LineFault::Qpd { got: rest.to_owned() }))?;
                    open.qpd = Some(qpd);
                }
                _ => {}
            }
        }
        self.close(item)
    }

    fn close(&mut self, item: Option<Item<'_>>) -> Result<(), (usize, LineFault)> {
        let Some(Item { line, vkey, origin, qpd, .. }) = item else { return Ok(()) };
        let at = |fault| (line, fault);
        match Vkey::parse(vkey) {
            // A public list names logs of all kinds; one that cannot be verified here must not keep the others out.
            Err(error @ KeyError::Kind(_)) => {
                self.skipped.push(format!("line {line}: {error}"));
                Ok(())
            }
            Err(error) => Err(at(error.into())),
            Ok(vkey) => {
                let origin = origin.unwrap_or(vkey.name()).to_owned();
                self.add(&origin, vkey).map_err(at)?;
                if let Some(qpd) = qpd {
                    self.rates.insert(origin, Rate::per_day(qpd));
                }
                Ok(())
            }
        }
    }

    fn add(&mut self, origin: &str, vkey: Vkey) -> Result<(), LineFault> {
        Origin::new(origin).map_err(|error| LineFault::Origin(error.to_string()))?;
        if origin.len() > COSIGNED_NAME_BYTES_MAX {
            return Err(LineFault::OriginLength { got: origin.len() });
        }
        match vkey.kind() {
            KeyKind::Ed25519 | KeyKind::MlDsa44 => {}
            kind @ KeyKind::Cosign => return Err(LineFault::Cosigner { keyid: vkey.keyid(), kind }),
        }
        if !self.public.insert(Hash::of(vkey.public())) {
            return Err(LineFault::Twice { keyid: vkey.keyid() });
        }
        self.hashes.entry(Hash::of(origin.as_bytes())).or_insert_with(|| origin.to_owned());
        let keys = self.origins.entry(origin.to_owned()).or_default();
        keys.push(vkey);
        if keys.len() > LOG_KEYS_MAX || self.origins.len() > LOGS_MAX { Err(LineFault::TooMany) } else { Ok(()) }
    }
}

struct Item<'a> {
    line: usize,
    rank: usize,
    vkey: &'a str,
    origin: Option<&'a str>,
    qpd: Option<u64>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use vitrine_spec::key::Seed;

    fn vkey(name: &str, kind: KeyKind, seed: u8) -> Vkey {
        Seed::new(name, kind, [seed; 32]).unwrap().vkey()
    }

    fn keys_of<'a>(logs: &'a Logs, origin: &str) -> &'a [Vkey] {
        logs.keys(&Origin::new(origin).unwrap()).unwrap()
    }

    fn fault(text: &str) -> (usize, LineFault) {
        match Logs::parse(text.as_bytes()) {
            Err(LogsError::Line { line, fault }) => (line, fault),
            other => unreachable!("{other:?} from {text:?}"),
        }
    }

    #[test]
    fn log_lines_of_a_policy() {
        // [D-15]
        let (ed, pq) = (vkey("log.example/a", KeyKind::Ed25519, 1), vkey("log.example/a", KeyKind::MlDsa44, 2));
        let other = vkey("log.example/b", KeyKind::Ed25519, 3);
        let text = format!(
            "# logs\n\n log\t{ed}  https://a.example/ \nlog {pq}\nwitness w whatever\ngroup g 1 w\nquorum g\nlog {other}"
        );
        let logs = Logs::parse(text.as_bytes()).unwrap();
        assert_eq!(logs.len(), 2);
        let (a, b) = (Origin::new("log.example/a").unwrap(), Origin::new("log.example/b").unwrap());
        assert_eq!((logs.url(&a), logs.url(&b)), (Some("https://a.example"), None));
        assert_eq!(logs.of_hash(&b.hash()), Some(b));
        assert_eq!(logs.of_hash(&Hash::of(b"c")), None);
        assert_eq!(keys_of(&logs, "log.example/a"), [ed.clone(), pq]);
        assert_eq!(keys_of(&logs, "log.example/b"), [other]);
        assert_eq!(logs.keys(&Origin::new("log.example/c").unwrap()), None);
        assert!(logs.shares_key(&[vkey("another.example", KeyKind::Cosign, 1)]));
        assert!(!logs.shares_key(&[vkey("log.example/a", KeyKind::Cosign, 9)]));
        assert!(Logs::parse(b"").unwrap().is_empty());
    }

    #[test]
    fn lists_of_witness_network() {
        // [D-15]
        let (first, second) = (vkey("log.example/a", KeyKind::Ed25519, 1), vkey("key.example", KeyKind::Ed25519, 2));
        let ecdsa = "log.example/ecdsa+00000000+Ag==";
        let text = format!(
            "#\nlogs/v0\n\nvkey {first}\norigin none\nbastion none\nqpd 86400\ncontact me (at) log.example | #log\n\
             vkey {second}\norigin go.sum database tree\nqpd 24\nvkey {ecdsa}\nqpd 1\n"
        );
        let logs = Logs::parse(text.as_bytes()).unwrap();
        assert_eq!(logs.len(), 2);
        assert_eq!(keys_of(&logs, "log.example/a"), [first]);
        assert_eq!(keys_of(&logs, "go.sum database tree"), std::slice::from_ref(&second));
        let rate = |origin| logs.rate(&Origin::new(origin).unwrap());
        assert_eq!(rate("log.example/a"), Some(Rate::per_day(86_400)));
        assert_eq!(rate("go.sum database tree"), Some(Rate::per_day(24)));
        assert_eq!(logs.print(), format!("log {second}\nlog {}\n", keys_of(&logs, "log.example/a")[0]));
        assert_eq!(logs.skipped(), ["line 12: signature type 0x02 is none of 0x01, 0x04 and 0x06"]);
    }

    #[test]
    fn refused_lists() {
        // [D-15]
        let ed = vkey("log.example/a", KeyKind::Ed25519, 1);
        assert_eq!(fault(&format!("log {ed} u v\n")), (1, LineFault::LogLine));
        assert_eq!(fault("log\n"), (1, LineFault::LogLine));
        assert!(matches!(fault(&format!("log {ed} u\n")), (1, LineFault::Url(_))));
        let pq = vkey("log.example/a", KeyKind::MlDsa44, 2);
        let two = format!("log {ed} http://a.example\nlog {pq} http://a.example/b\n");
        assert!(matches!(fault(&two), (2, LineFault::TwoUrls { .. })));
        assert!(matches!(fault("\nlogs {ed}\n"), (2, LineFault::Keyword { .. })));
        assert!(matches!(fault("log a+b\n"), (1, LineFault::Key(KeyError::Parts))));
        assert_eq!(fault(&format!("log {ed}\nlog {ed}\n")), (2, LineFault::Twice { keyid: ed.keyid() }));
        let cosigner = vkey("log.example/a", KeyKind::Cosign, 1);
        assert!(matches!(fault(&format!("log {cosigner}\n")), (1, LineFault::Cosigner { .. })));
        assert_eq!(fault("log \x01\n"), (1, LineFault::Characters));
        assert_eq!(fault(&format!("log {ed}\r\n")), (1, LineFault::Characters));
        let long = vkey(&"l".repeat(256), KeyKind::Ed25519, 1);
        assert_eq!(fault(&format!("log {long}\n")), (1, LineFault::OriginLength { got: 256 }));
        let many: String =
            (0..=8).map(|seed| format!("log {}\n", vkey("log.example/a", KeyKind::Ed25519, seed))).collect();
        assert_eq!(fault(&many), (9, LineFault::TooMany));
        let item = |lines: &str| fault(&format!("logs/v0\n{lines}"));
        assert!(matches!(item("qpd 1\n"), (2, LineFault::Order { .. })));
        assert!(matches!(item(&format!("vkey {ed}\nqpd 1\norigin a\n")), (4, LineFault::Order { .. })));
        assert!(matches!(item(&format!("vkey {ed}\nqpd 1\nqpd 1\n")), (4, LineFault::Order { .. })));
        assert_eq!(item(&format!("vkey {ed}\nqpd 1.5\n")), (3, LineFault::Qpd { got: "1.5".into() }));
        assert!(matches!(item(&format!("vkey {ed}\norigin \n")), (2, LineFault::Origin(_))));
        assert!(matches!(item("url x\n"), (2, LineFault::Keyword { .. })));
        assert!(matches!(item("vkey x\n"), (2, LineFault::Key(_))));
    }
}
