//! Sealed records from a log: `GET /sealed/<from>-<to>` with a reader's signature (design.md 4; leaf-format.md 7).
//!
//! An answer is (index u64 ‖ length u32 ‖ bytes) in the order of the indices, and is not signed by the log: whether a record is
//! the one of its leaf, its digest there says. Records are held in memory and written nowhere, so an erasure has no copy to find
//! here. Not here: opening them (`audit::records`, `commands::open`).

use std::ops::Range;
use std::time::Duration;

use vitrine_spec::checkpoint::Origin;
use vitrine_spec::key::Seed;
use vitrine_spec::request::ReadRequest;
use vitrine_spec::sealing::OpenError;
use vitrine_spec::words::Time;

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::http::{HttpError, Log};
use crate::limits::{PAUSE_MAX, READ_ATTEMPTS, READ_REQUEST_S};

/// Where sealed records come from.
pub trait SealedSource {
    /// The answer for the entries `from..to`, of at most `bytes_max` bytes, as it came.
    fn sealed(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<u8>, Failure>;
}

/// A log, asked by a reader.
#[derive(Debug)]
pub struct ReaderOf<'a> {
    /// The log.
    pub log: &'a Log,
    /// Its name, which the request is signed for.
    pub origin: &'a Origin,
    /// The reader's signing key.
    pub sign: &'a Seed,
    /// Why it asks; the log writes it down.
    pub purpose: &'a str,
}

impl SealedSource for ReaderOf<'_> {
    fn sealed(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<u8>, Failure> {
        let path = format!("sealed/{from}-{to}");
        let mut attempt = 0;
        loop {
            attempt += 1;
            // Signed anew each time: the same request twice would look like a replay.
            let authorization = self.authorization(from, to)?;
            match self.log.get_signed(&path, &authorization, bytes_max) {
                Err(HttpError::Status { retry_after, status: 429 | 503 | 504, .. }) if attempt < READ_ATTEMPTS => {
                    std::thread::sleep(retry_after.unwrap_or(Duration::from_secs(1)).min(PAUSE_MAX));
                }
                Err(error) => return Err(refused(error, self.sign)),
                Ok(bytes) => return Ok(bytes),
            }
        }
    }
}

impl ReaderOf<'_> {
    fn authorization(&self, from: u64, to: u64) -> Result<String, Failure> {
        let expires = Time::new(clock::now() + READ_REQUEST_S);
        let request =
            ReadRequest { origin: self.origin.to_string(), from, to, purpose: self.purpose.to_owned(), expires };
        request.authorization(self.sign).map_err(|error| {
            Failure::usage("key.kind", "this key does not sign requests")
                .side("key", self.sign.vkey().keyid())
                .side("rule", error)
        })
    }
}

/// What a refusal means to whoever holds the key.
fn refused(error: HttpError, sign: &Seed) -> Failure {
    if let HttpError::BrokenOff { url, why, body } = &error {
        let after = match whole(body) {
            Some(index) => format!("the record of entry {index}"),
            None => "nothing: no record came whole".to_owned(),
        };
        return Failure::new(Exit::Unreachable, "sealed.broken-off", "the log's answer with sealed records broke off")
            .side("asked", url)
            .side("after", after)
            .side("system", why)
            .now(
                "run it again; a log that cannot read a record ends its answer there, and its own log names the object",
            );
    }
    let failure = Failure::from(error).side("reader", sign.vkey().keyid());
    match failure.code.as_str() {
        "reader-unknown" => failure
            .now("the charter in force does not name this key as a reader's; who is one: log-client show issuers"),
        "expired" => failure.now("compare this machine's clock with the log's"),
        _ => failure,
    }
}

/// The entry of the last record that is whole in an answer that broke off.
fn whole(bytes: &[u8]) -> Option<u64> {
    let (mut last, mut rest) = (None, bytes);
    while let Some((index, (length, left))) =
        rest.split_first_chunk::<8>().and_then(|(index, rest)| Some((index, rest.split_first_chunk::<4>()?)))
    {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some(left) = left.get(length..) else { break };
        (last, rest) = (Some(u64::from_be_bytes(*index)), left);
    }
    last
}

/// The records of an answer: index, and where the bytes are in it.
pub type Found = Vec<(u64, Range<usize>)>;

/// Reads an answer for the entries `from..to`; an error says what no honest log sends.
pub fn decode(bytes: &[u8], from: u64, to: u64) -> Result<Found, String> {
    let mut found: Found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let head = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<8>);
        let Some((index, (length, _))) =
            head.and_then(|(index, rest)| Some((u64::from_be_bytes(*index), rest.split_first_chunk::<4>()?)))
        else {
            return Err(format!("it ends within the index and length at byte {at}"));
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let start = at + 12;
        let end = start.saturating_add(length);
        if end > bytes.len() {
            return Err(format!("the record of entry {index} has {length} bytes, {} are left", bytes.len() - start));
        }
        if !(from..to).contains(&index) {
            return Err(format!("a record of entry {index}, {from} to {to} were asked for"));
        }
        if let Some((before, _)) = found.last()
            && *before >= index
        {
            return Err(format!("the record of entry {index} comes after that of entry {before}"));
        }
        found.push((index, start..end));
        at = end;
    }
    Ok(found)
}

/// The record of one entry, which must be the whole answer.
pub fn one(source: &impl SealedSource, index: u64, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let wrong = |why: String| {
        Failure::new(Exit::Misbehaved, "log.sealed", "the log does not answer with the record of this entry")
            .side("entry", index)
            .side("reason", why)
    };
    let bytes = source.sealed(index, index + 1, bytes_max)?;
    let found = decode(&bytes, index, index + 1).map_err(wrong)?;
    let record = found.first().and_then(|(_, range)| bytes.get(range.clone()));
    record.map(<[u8]>::to_vec).ok_or_else(|| wrong("the answer is empty".to_owned()))
}

/// Why a record does not open, without the value that broke its word: what does not hold shows no field [R-16].
pub fn fault(error: &OpenError) -> String {
    match error {
        OpenError::Value(broken) => format!(
            "the issuer sealed a value that breaks the table, in field {}, {}",
            broken.field.number(),
            broken.field.name()
        ),
        other => other.to_string(),
    }
}

/// Puts one record into an answer.
#[cfg(test)]
pub fn encode(answer: &mut Vec<u8>, index: u64, record: &[u8]) {
    answer.extend(index.to_be_bytes());
    answer.extend(u32::try_from(record.len()).unwrap_or_default().to_be_bytes());
    answer.extend_from_slice(record);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use vitrine_spec::request::check_read;
    use vitrine_spec::tree::TreeSize;

    use super::*;
    use crate::world::{ORIGIN, World, event_key};

    fn answer(records: &[(u64, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        records.iter().for_each(|(index, record)| encode(&mut bytes, *index, record));
        bytes
    }

    #[test]
    fn an_answer_is_records_in_order_within_what_was_asked() {
        assert_eq!(decode(&[], 3, 9).unwrap(), []);
        let bytes = answer(&[(3, b"ab"), (5, b""), (8, b"c")]);
        assert_eq!(decode(&bytes, 3, 9).unwrap(), [(3, 12..14), (5, 26..26), (8, 38..39)]);
        for (bytes, why) in [
            (answer(&[(2, b"a")]), "entry 2, 3 to 9"),
            (answer(&[(9, b"a")]), "entry 9, 3 to 9"),
            (answer(&[(4, b"a"), (4, b"a")]), "comes after"),
            (answer(&[(5, b"a"), (4, b"a")]), "comes after"),
            (bytes[..bytes.len() - 1].to_vec(), "1 bytes, 0 are left"),
            (bytes[..16].to_vec(), "ends within"),
            (vec![0; 5], "ends within"),
            ([&3u64.to_be_bytes()[..], &u32::MAX.to_be_bytes()].concat(), "4294967295 bytes, 0 are left"),
        ] {
            let error = decode(&bytes, 3, 9).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_log_grants_what_a_reader_signed_and_nothing_else() {
        let world = World::access();
        let (state, origin) = (world.state.borrow(), Origin::new(ORIGIN).unwrap());
        let log = Log::new("http://127.0.0.1:1").unwrap();
        let check = |name: &str, from: u64, to: u64| {
            let sign = event_key(name);
            let reader = ReaderOf { log: &log, origin: &origin, sign: &sign, purpose: "SUPERVISOR_AUDIT" };
            let authorization = reader.authorization(0, 2).unwrap();
            let now = Time::new(clock::now());
            let granted = check_read(&authorization, &state, &origin, from, to, TreeSize::new(2), now);
            granted
                .map(|granted| (granted.reader.name.clone(), granted.request.purpose))
                .map_err(|refusal| refusal.code())
        };
        assert_eq!(check("vault-1", 0, 2), Ok(("vault-1".to_owned(), "SUPERVISOR_AUDIT".to_owned())));
        assert_eq!(check("vault-1", 0, 1), Err("value"));
        assert_eq!(check("gateway", 0, 2), Err("reader-unknown"));
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_a_log_that_is_away() {
        use std::io::{BufRead, BufReader, Write};
        let bytes = answer(&[(3, b"ab"), (5, b"cde")]);
        let after_5 = "the record of entry 5";
        for (sent, after) in
            [(&bytes[..], after_5), (&bytes[..bytes.len() - 1], "the record of entry 3"), (&bytes[..9], "nothing")]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let log = Log::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
            let sent = sent.to_vec();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while !lines.next().unwrap().unwrap().is_empty() {}
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n").unwrap();
                stream.write_all(&sent).unwrap();
            });
            let (origin, sign) = (Origin::new(ORIGIN).unwrap(), event_key("vault-1"));
            let reader = ReaderOf { log: &log, origin: &origin, sign: &sign, purpose: "SUPERVISOR_AUDIT" };
            let failure = reader.sealed(3, 9, 999).unwrap_err();
            server.join().unwrap();
            assert_eq!((failure.code.as_str(), failure.exit), ("sealed.broken-off", Exit::Unreachable));
            assert!(failure.to_string().contains(after), "{failure}");
            assert!(failure.now.unwrap().contains("its own log names the object"));
        }
    }

    struct Fixed(Vec<u8>);

    impl SealedSource for Fixed {
        fn sealed(&self, _: u64, _: u64, _: u64) -> Result<Vec<u8>, Failure> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn one_record_is_the_whole_answer() {
        assert_eq!(one(&Fixed(answer(&[(7, b"r")])), 7, 99).unwrap(), b"r");
        for bytes in [answer(&[]), answer(&[(6, b"r")]), answer(&[(7, b"r"), (8, b"s")])] {
            assert_eq!(one(&Fixed(bytes), 7, 99).unwrap_err().exit, Exit::Misbehaved);
        }
    }
}
