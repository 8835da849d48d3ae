//! The shapes of what goes in and comes out, for the document at `/openapi.json` [S-47] (85-log.md).
//!
//! Nothing is made or read by these types: handlers write their answers themselves, and a test holds real answers against the
//! shapes. Not here: the routes (`http`), the document (`document`).
#![expect(dead_code, reason = "shapes are described, never made")]

use std::collections::{BTreeMap, HashMap};

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

/// What refuses or fails, RFC 9457.
#[derive(ToSchema)]
pub(super) struct Problem {
    /// `about:blank`: what happened is in `code`.
    r#type: String,
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// In words, both sides named.
    detail: String,
    /// A stable word; those of submissions are in spec/docs/75-refusals.md.
    code: String,
    /// With `position`: where the issuer's chain goes on.
    expected_seq: Option<u64>,
    /// With `position`: the event before.
    expected_prev: Option<String>,
    /// With `release-position`: the number that is due.
    expected_release_seq: Option<u64>,
    /// With `epoch`: the epoch of the issuer.
    expected_epoch: Option<u32>,
}

/// An entry with its proof in the checkpoint of the same answer.
#[derive(ToSchema)]
pub(super) struct Entry {
    index: u64,
    /// SHA-256 of what was signed, hexadecimal.
    event_id: String,
    /// The leaf, base64.
    leaf: String,
    /// The audit path, base64, sibling of the leaf first.
    hashes: Vec<String>,
}

/// The last event of a chain.
#[derive(ToSchema)]
pub(super) struct Last {
    index: u64,
    event_id: String,
    leaf: String,
    hashes: Vec<String>,
    seq: u64,
    /// Seconds since 1970.
    recorded: u64,
}

/// An audit path.
#[derive(ToSchema)]
pub(super) struct Inclusion {
    index: u64,
    size: u64,
    leaf_hash: String,
    hashes: Vec<String>,
}

/// A consistency proof.
#[derive(ToSchema)]
pub(super) struct Consistency {
    from: u64,
    to: u64,
    hashes: Vec<String>,
}

/// What a look-up found.
#[derive(ToSchema)]
pub(super) struct Found {
    /// The published size.
    size: u64,
    /// The server's policy asks no witness.
    unwitnessed: bool,
    /// The published checkpoint.
    checkpoint: String,
    /// `unproven`: what is left out is not shown to be absent.
    complete: String,
    /// There are more than one answer holds.
    more: bool,
    entries: Vec<Entry>,
}

/// Where an issuer stands.
#[derive(ToSchema)]
pub(super) struct Issuer {
    size: u64,
    unwitnessed: bool,
    checkpoint: String,
    issuer: String,
    epoch: u32,
    vkey: String,
    /// It may log events.
    open: bool,
    /// Longest silence that it promised, seconds.
    #[schema(required)]
    heartbeat_s: Option<u64>,
    opened: Entry,
    #[schema(required)]
    last: Option<Last>,
    /// Its newest sealing key.
    #[schema(required)]
    sealing: Option<Sealing>,
    streams: Vec<Stream>,
    /// Type name to `strict` or `none`: whether it is chained.
    types: HashMap<String, String>,
}

/// The place of a sealing key.
#[derive(ToSchema)]
pub(super) struct Sealing {
    seq: u64,
    recorded: u64,
}

/// A stream of releases.
#[derive(ToSchema)]
pub(super) struct Stream {
    #[schema(rename = "packageId")]
    package_id: String,
    channel: String,
    regional: bool,
    next_release_seq: u64,
    #[schema(required)]
    last: Option<Entry>,
}

/// The charter in force and the first one.
#[derive(ToSchema)]
pub(super) struct Charter {
    size: u64,
    unwitnessed: bool,
    checkpoint: String,
    /// What verifiers pin: the `event_id` of the first charter in groups of four digits.
    fingerprint: String,
    index: u64,
    event_id: String,
    leaf: String,
    hashes: Vec<String>,
    first: Entry,
}

/// What the server waits for.
#[derive(ToSchema)]
pub(super) struct Readiness {
    /// Events are admitted.
    ready: bool,
    step: String,
    detail: String,
    /// Which witnesses the head waits for.
    #[schema(required)]
    waiting_for_quorum: Option<String>,
    unwitnessed: bool,
    published: u64,
    head: u64,
    witnesses: Vec<Witness>,
}

/// A witness as the server last saw it.
#[derive(ToSchema)]
pub(super) struct Witness {
    name: String,
    url: String,
    state: String,
}

/// One signed event: a DSSE envelope, for a sealed type with its record.
#[derive(ToSchema)]
pub(super) struct Submission {
    envelope: Envelope,
    /// The sealed record, base64.
    sealed: Option<String>,
}

/// A DSSE envelope.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct Envelope {
    /// base64
    payload: String,
    /// `application/vnd.in-toto+json`
    payload_type: String,
    signatures: Vec<Signature>,
}

/// A DSSE signature.
#[derive(ToSchema)]
pub(super) struct Signature {
    keyid: String,
    /// base64
    sig: String,
}

/// What `check=1` answers.
#[derive(ToSchema)]
pub(super) struct Checked {
    /// `accepted`
    check: String,
    event_id: String,
    kind: String,
    size: u64,
}

/// What became of an attachment.
#[derive(ToSchema)]
pub(super) struct Put {
    sha256: String,
    /// It was not here before.
    new: bool,
}

/// Responses with a problem document, by status.
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($status:literal = $why:literal),+;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_owned(), problem($why))),+])
            }
        }
    )*};
}

fn problem(why: &str) -> RefOr<Response> {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(why).content("application/problem+json", content).build().into()
}

/// What a page says instead: a page too, but for a path or query that cannot be read at all.
pub(super) struct Pages;

impl IntoResponses for Pages {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let told = [
            ("400", "no such request: the page says what is taken"),
            ("404", "nothing there, or not published yet"),
            ("500", "what the log holds could not be read"),
            ("503", "too many reads wait already, or the server is starting"),
        ];
        let page = |why| {
            let text = Content::new(Some(String::schema()));
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let response = ResponseBuilder::new().description(why).content("text/html", text);
            response.content("application/problem+json", problem).build().into()
        };
        told.into_iter().map(|(status, why)| (status.to_owned(), page(why))).collect()
    }
}

refusals! {
    /// It may fail.
    Internal: "500" = "the server failed; its log says why";
    /// What every read of objects may answer.
    Reads: "500" = "what the log holds could not be read", "503" = "too many reads wait already";
    /// What every look-up may answer besides.
    LookUps:
        "500" = "what the log holds could not be read",
        "503" = "too many reads wait already, or the server is starting: the index is not open or not caught up";
    /// There may be nothing.
    NotFound: "404" = "nothing there, or not published yet";
    /// A bundle holds so much and no more.
    Full: "422" = "`bundle-full`: more entries stand behind the file than a bundle holds";
    /// The request may be none of the interface.
    Wrong: "400" = "no such request: the detail says what is taken";
    /// What a submission may answer: every status of spec/docs/75-refusals.md.
    Submissions:
        "400" = "not as the interface has it: `malformed`, `not-canonical`, `request`",
        "403" = "the issuer, its key or its signature",
        "408" = "the body did not come in time",
        "409" = "another event is due: the members `expected_...` say which",
        "413" = "too large",
        "415" = "another content type, or a content encoding",
        "422" = "a rule of the log",
        "429" = "too many at once, or a quota",
        "500" = "what the log holds could not be read",
        "503" = "no event is admitted now: the code and the detail say why",
        "504" = "no checkpoint in time: submit the same bytes again";
    /// What a put of an attachment may answer.
    Puts:
        "400" = "not as the interface has it, or the body ended early",
        "403" = "the request is not signed by an open issuer, or expired",
        "404" = "no SHA-256",
        "408" = "the body did not come in time",
        "413" = "longer than signed for",
        "415" = "a content encoding",
        "422" = "other bytes than signed for, or for another log",
        "429" = "too many at once, or a quota",
        "500" = "it could not be stored",
        "503" = "nothing is admitted now";
    /// What a read of sealed records may answer.
    SealedReads:
        "400" = "the request is malformed",
        "403" = "not signed by a reader of the charter in force, or expired",
        "404" = "no range",
        "413" = "the request is too large",
        "416" = "not below the published size, or not what was signed for",
        "422" = "a value that no request has, or for another log",
        "500" = "what the log holds could not be read",
        "503" = "too many readers are read to already, or nothing is admitted now",
        "504" = "the access was not published in time";
}
