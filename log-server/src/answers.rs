//! What a witness's answer means: the table of the design as one pure function (85-log.md, C2SP tlog-witness).
//!
//! Bytes and time in, meaning out. Not here: asking (`witnesses`), what follows from many answers (`guard`, `writer`).

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::key::Vkey;
use vitrine_spec::note::{Signature, parse_signatures};
use vitrine_spec::text::decimal;
use vitrine_spec::tree::TreeSize;

use crate::config::{WITNESS_CLOCK_SECONDS, WITNESS_TEXT_MAX};

/// One answer as it came, already within the bound of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`, when there is one.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What an answer means, and so what is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// 200: valid cosignatures, each with the place of its key among those asked for.
    Cosigned(Vec<(usize, Signature)>),
    /// 409 with a size our head has passed: ask once more with a proof from there.
    Elsewhere(TreeSize),
    /// 409 with a size beyond our head: our state is old, or it lies.
    Ahead(TreeSize),
    /// 422, or 409 without a size: a possible fork, if our own proof verifies here.
    Disputed(String),
    /// Any other 4xx: our bug, our key, an origin it does not take (yet).
    Refused(String),
    /// 429, 5xx, time-outs, no connection: it could not answer now.
    Busy(String),
    /// An answer that follows no rule of the protocol; it drops that answer only.
    Unusable(String),
}

impl Meaning {
    /// The word that metrics count under.
    pub fn word(&self) -> &'static str {
        match self {
            Meaning::Cosigned(_) => "cosigned",
            Meaning::Elsewhere(_) => "elsewhere",
            Meaning::Ahead(_) => "ahead",
            Meaning::Disputed(_) => "disputed",
            Meaning::Refused(_) => "refused",
            Meaning::Busy(_) => "busy",
            Meaning::Unusable(_) => "unusable",
        }
    }
}

/// What `reply` to an add-checkpoint of `asked` means, when our head is `head` and our clock says `now` [G-3].
///
/// `keys` are the witness's keys; lines of any other key are ignored, a bad line of one of these drops the whole answer.
pub fn read(reply: &Reply, asked: &SignedCheckpoint, keys: &[Vkey], head: TreeSize, now: u64) -> Meaning {
    match reply.status {
        200 => match cosignatures(reply, asked, keys, now) {
            Ok(lines) => Meaning::Cosigned(lines),
            Err(fault) => Meaning::Unusable(fault),
        },
        409 => match size_body(reply) {
            Some(size) if size <= head => Meaning::Elsewhere(size),
            Some(size) => Meaning::Ahead(size),
            None => Meaning::Disputed(format!("409 without a size: {}", shown(reply))),
        },
        422 => Meaning::Disputed(shown(reply)),
        300..=399 => Meaning::Unusable(format!("redirects are not followed: {}", shown(reply))),
        408 | 425 | 429 | 500..=599 => Meaning::Busy(shown(reply)),
        400..=499 => Meaning::Refused(shown(reply)),
        _ => Meaning::Unusable(shown(reply)),
    }
}

/// The valid cosignatures of a 200: at least one, each line of a known key verified, each time near our clock.
fn cosignatures(
    reply: &Reply,
    asked: &SignedCheckpoint,
    keys: &[Vkey],
    now: u64,
) -> Result<Vec<(usize, Signature)>, String> {
    if !plain_text(reply) {
        return Err(format!("200 with content type {:?}, text/plain is expected", reply.content_type));
    }
    let given = parse_signatures(&reply.body).map_err(|error| format!("200 whose lines are no signatures: {error}"))?;
    let mut lines: Vec<(usize, Signature)> = Vec::new();
    for line in given {
        let Some((place, key)) = keys.iter().enumerate().find(|(_, key)| line.is_by(key)) else { continue };
        let time =
            cosignature::verify(key, asked, &line).map_err(|error| format!("the line of {}: {error}", key.keyid()))?;
        if time.abs_diff(now) > WITNESS_CLOCK_SECONDS {
            return Err(format!("the line of {} has time {time}, our clock says {now}", key.keyid()));
        }
        if !lines.iter().any(|(taken, _)| *taken == place) {
            lines.push((place, line));
        }
    }
    if lines.is_empty() {
        return Err("200 without a line of a key that the policy names".to_owned());
    }
    Ok(lines)
}

/// The size in a 409: the right content type, one decimal, one newline.
fn size_body(reply: &Reply) -> Option<TreeSize> {
    let media = media_type(reply)?;
    if media != "text/x.tlog.size" {
        return None;
    }
    let text = core::str::from_utf8(&reply.body).ok()?.strip_suffix('\n')?;
    decimal(text).ok().map(TreeSize::new)
}

/// Whether the answer says that it is text, or says nothing.
fn plain_text(reply: &Reply) -> bool {
    reply.content_type.is_none() || media_type(reply).as_deref() == Some("text/plain")
}

fn media_type(reply: &Reply) -> Option<String> {
    let text = reply.content_type.as_deref()?;
    Some(text.split(';').next().unwrap_or(text).trim().to_ascii_lowercase())
}

/// Status and the beginning of the body, safe to print.
pub fn shown(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.body);
    let body: String =
        text.trim_end().chars().take(WITNESS_TEXT_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if body.is_empty() { format!("{} without a body", reply.status) } else { format!("{} {body}", reply.status) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use vitrine_spec::checkpoint::{Checkpoint, Origin};
    use vitrine_spec::cosignature::{encode, message};
    use vitrine_spec::hash::Hash;
    use vitrine_spec::key::{KeyKind, Seed};

    const NOW: u64 = 1_795_276_800;

    fn seed(name: &str, kind: KeyKind, byte: u8) -> Seed {
        Seed::new(name, kind, [byte; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint::new(Origin::new("log.example").unwrap(), TreeSize::new(7), Hash::new([9; 32]))
    }

    fn asked() -> SignedCheckpoint {
        let log = seed("log.example", KeyKind::Ed25519, 1);
        let line = Signature::by(&log.vkey(), log.sign_ed25519(checkpoint().text().as_bytes()).unwrap().to_vec());
        SignedCheckpoint::new(checkpoint(), vec![line.unwrap()]).unwrap()
    }

    fn witness() -> [Seed; 2] {
        [seed("w.example", KeyKind::Cosign, 2), seed("w.example", KeyKind::MlDsa44, 3)]
    }

    fn line(seed: &Seed, time: u64) -> String {
        let message = message(seed.kind(), seed.name(), time, &checkpoint()).unwrap();
        let signature = match seed.kind() {
            KeyKind::MlDsa44 => seed.sign_mldsa_deterministic(&message).unwrap(),
            _ => seed.sign_ed25519(&message).unwrap().to_vec(),
        };
        Signature::by(&seed.vkey(), encode(time, &signature)).unwrap().line()
    }

    fn reply(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let content_type = (!content_type.is_empty()).then(|| content_type.to_owned());
        Reply { status, content_type, body: body.into() }
    }

    fn meaning(reply: &Reply) -> Meaning {
        let keys = witness().map(|seed| seed.vkey());
        read(reply, &asked(), &keys, TreeSize::new(9), NOW)
    }

    fn places(reply: &Reply) -> Vec<usize> {
        match meaning(reply) {
            Meaning::Cosigned(lines) => lines.into_iter().map(|(place, _)| place).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_of_known_keys_count_and_others_are_ignored() {
        // [G-3]
        let [ed, pq] = witness();
        let stranger = seed("w.example", KeyKind::Cosign, 8);
        let both = [line(&stranger, NOW), line(&pq, NOW + 300), line(&ed, NOW - 300)].concat();
        assert_eq!(places(&reply(200, "text/plain; charset=utf-8", both.clone())), [1, 0]);
        assert_eq!(places(&reply(200, "", both)), [1, 0]);
        assert_eq!(places(&reply(200, "text/plain", line(&ed, NOW).repeat(2))), [0], "one line for each key");
    }

    #[test]
    fn a_bad_line_drops_the_answer() {
        let [ed, pq] = witness();
        let good = line(&ed, NOW);
        let forged = Signature::by(&pq.vkey(), encode(NOW, &[0; 2_420])).unwrap().line();
        for (body, words) in [
            (good.clone() + &forged, "w.example+"),
            (line(&ed, NOW - 301), "our clock says"),
            (line(&ed, NOW + 301), "our clock says"),
            (line(&seed("w.example", KeyKind::Cosign, 8), NOW), "without a line of a key"),
            (String::new(), "no signatures"),
            (good.trim_end().to_owned(), "no signatures"),
            ("hello\n".to_owned(), "no signatures"),
        ] {
            match meaning(&reply(200, "text/plain", body)) {
                Meaning::Unusable(why) => assert!(why.contains(words), "{words} is not in {why}"),
                other => panic!("{words}: {other:?}"),
            }
        }
        assert!(matches!(meaning(&reply(200, "text/html", good)), Meaning::Unusable(_)));
    }

    #[test]
    fn a_conflict_is_read_to_the_letter() {
        let size = |size| Meaning::Elsewhere(TreeSize::new(size));
        assert_eq!(meaning(&reply(409, "text/x.tlog.size", "0\n")), size(0));
        assert_eq!(meaning(&reply(409, "text/x.tlog.size; charset=utf-8", "9\n")), size(9));
        assert_eq!(meaning(&reply(409, "text/x.tlog.size", "10\n")), Meaning::Ahead(TreeSize::new(10)));
        for (content_type, body) in [
            ("text/x.tlog.size", "9"),
            ("text/x.tlog.size", "09\n"),
            ("text/x.tlog.size", "9\n\n"),
            ("text/x.tlog.size", ""),
            ("text/plain", "9\n"),
            ("", "9\n"),
        ] {
            let answered = meaning(&reply(409, content_type, body));
            assert!(matches!(answered, Meaning::Disputed(_)), "{content_type} {body:?}: {answered:?}");
        }
    }

    #[test]
    fn every_other_status_has_its_row() {
        for (status, word) in [
            (422, "disputed"),
            (400, "refused"),
            (403, "refused"),
            (404, "refused"),
            (413, "refused"),
            (429, "busy"),
            (500, "busy"),
            (503, "busy"),
            (301, "unusable"),
            (204, "unusable"),
            (100, "unusable"),
        ] {
            assert_eq!(meaning(&reply(status, "text/plain", "why")).word(), word, "{status}");
        }
    }

    #[test]
    fn what_a_witness_says_is_shown_short_and_harmless() {
        let text = shown(&reply(403, "text/plain", format!("frozen\u{1b}[2J{}", "x".repeat(1_000))));
        assert!(text.starts_with("403 frozen [2J"), "{text}");
        assert!(text.len() < 300);
        assert_eq!(shown(&reply(503, "", "")), "503 without a body");
    }
}
