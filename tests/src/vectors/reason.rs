//! The name of every refusal of `spec`: what a vector says it is refused for, and the list that must be named.
//!
//! A variant added to an enum does not compile until it stands here. Not here: the errors of reading a store, which no
//! input from outside causes (`BuildError`, `EdgeError`).

use vitrine_spec::add_checkpoint::{RequestError, WitnessRefusal};
use vitrine_spec::bundle::BundleError;
use vitrine_spec::checkpoint::CheckpointError;
use vitrine_spec::cosignature::CosignatureError;
use vitrine_spec::evidence::EvidenceError;
use vitrine_spec::fields::{Field, FieldError};
use vitrine_spec::floor::FloorError;
use vitrine_spec::json::JsonError;
use vitrine_spec::key::KeyError;
use vitrine_spec::note::NoteError;
use vitrine_spec::opening::OpeningError;
use vitrine_spec::policy::{LineFault, PolicyError, PolicyFault, PolicyRefusal};
use vitrine_spec::proof::{ConsistencyError, InclusionError};
use vitrine_spec::refusal::{CODES, Refusal, WAIT_CODES};
use vitrine_spec::sealing::OpenError;
use vitrine_spec::text::TextError;
use vitrine_spec::tiles::TileError;
use vitrine_spec::tlog_proof::{PlaceError, TlogProofError};
use vitrine_spec::trust::TrustError;
use vitrine_spec::verdict::{Code, PinsError};
use vitrine_spec::watched::WatchedError;
use vitrine_spec::wrap::WrapError;

/// Something that can be named.
pub trait Reason {
    /// `<enum>:<variant>`, and behind a `>` the name of the error inside it.
    fn reason(&self) -> String;
}

/// Implements [`Reason`] for an enum and lists its variants; a variant in parentheses holds another error.
macro_rules! reasons {
    ($list:ident, $kind:literal, $type:ty, [$($variant:ident),* $(,)?], $inner:expr) => {
        const $list: &[&str] = &[$(concat!($kind, ":", stringify!($variant))),*];

        impl Reason for $type {
            fn reason(&self) -> String {
                use $type as Enum;
                let name = match self {
                    $(Enum::$variant { .. } => concat!($kind, ":", stringify!($variant)),)*
                };
                let inner: fn(&$type) -> Option<String> = $inner;
                match inner(self) {
                    Some(inner) => format!("{name}>{inner}"),
                    None => name.to_owned(),
                }
            }
        }
    };
}

reasons!(TEXT, "text", TextError, [Decimal, Hex, Base64, Length], |_| None);
reasons!(
    KEY,
    "key",
    KeyError,
    [Parts, Name, IdText, Id, Base64, Kind, Empty, Length, NotAPoint, NotCanonical, SmallOrder, NotPrivate, WrongKind],
    |error| match error {
        KeyError::IdText(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(
    NOTE,
    "note",
    NoteError,
    [
        TooLong,
        NotUtf8,
        Control,
        NoSignatures,
        TextEnd,
        LastLine,
        SignatureLine,
        Name,
        Base64,
        TooShort,
        TooManySignatures,
        Unsigned,
        BadSignature,
        AmbiguousKey
    ],
    |error| match error {
        NoteError::Name(inner) => Some(inner.reason()),
        NoteError::Base64(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(CHECKPOINT, "checkpoint", CheckpointError, [Note, End, TooFewLines, Origin, Size, Root, Extension], |error| {
    match error {
        CheckpointError::Note(inner) => Some(inner.reason()),
        CheckpointError::Size(inner) | CheckpointError::Root(inner) => Some(inner.reason()),
        _ => None,
    }
});
reasons!(COSIGNATURE, "cosignature", CosignatureError, [OtherKey, Kind, Length, Time, BadSignature], |_| None);
reasons!(
    POLICY_LINE,
    "policy-line",
    LineFault,
    [
        TooLong,
        Control,
        Keyword,
        Words,
        Key,
        Kind,
        DuplicateKey,
        NameNone,
        DuplicateName,
        UnknownName,
        MemberTwice,
        Threshold,
        TooMany,
        SecondQuorum,
        NoQuorum
    ],
    |fault| match fault {
        LineFault::Key(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(POLICY_FAULT, "policy-fault", PolicyFault, [OneWitnessTwice, LogAsWitness], |_| None);
reasons!(POLICY, "policy", PolicyRefusal, [UnknownLog, Log, Cosignature, Quorum], |refusal| match refusal {
    PolicyRefusal::Log(inner) => Some(inner.reason()),
    PolicyRefusal::Cosignature { source, .. } => Some(source.reason()),
    _ => None,
});
reasons!(INCLUSION, "inclusion", InclusionError, [OutsideTree, ProofLength, RootMismatch], |_| None);
reasons!(
    CONSISTENCY,
    "consistency",
    ConsistencyError,
    [Shrinking, EmptyRoot, NotNeeded, TwoRoots, TooShort, TooLong, FromMismatch, ToMismatch],
    |_| None
);
reasons!(TILE, "tile", TileError, [Path, Level, Width, EntryTooLong, Truncated, LeftOver], |_| None);
reasons!(
    TLOG_PROOF,
    "tlog-proof",
    TlogProofError,
    [
        TooLong,
        NotUtf8,
        Header,
        Extra,
        EmptyExtra,
        ExtraTooLong,
        NoIndex,
        Index,
        Hash,
        TooManyHashes,
        NoCheckpoint,
        Checkpoint
    ],
    |error| match error {
        TlogProofError::Extra(inner) | TlogProofError::Index(inner) => Some(inner.reason()),
        TlogProofError::Hash { source, .. } => Some(source.reason()),
        TlogProofError::Checkpoint(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(PLACE, "place", PlaceError, [Checkpoint, Inclusion], |error| match error {
    PlaceError::Checkpoint(inner) => Some(inner.reason()),
    PlaceError::Inclusion(inner) => Some(inner.reason()),
});
reasons!(
    REQUEST,
    "request",
    RequestError,
    [TooLong, NotUtf8, NoOld, Old, Hash, TooManyHashes, NoCheckpoint, Checkpoint],
    |error| match error {
        RequestError::Old(inner) => Some(inner.reason()),
        RequestError::Hash { source, .. } => Some(source.reason()),
        RequestError::Checkpoint(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(
    WITNESS,
    "witness",
    WitnessRefusal,
    [Malformed, UnknownOrigin, Unsigned, OldAboveSize, Stale, EmptyRoot, Proof, OtherRoot],
    |refusal| match refusal {
        WitnessRefusal::Malformed(inner) => Some(inner.reason()),
        WitnessRefusal::Unsigned(inner) => Some(inner.reason()),
        WitnessRefusal::Proof(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(
    EVIDENCE,
    "evidence",
    EvidenceError,
    [
        TooLong,
        NotUtf8,
        Header,
        NoRoot,
        Root,
        Hash,
        TooManyHashes,
        NoNotes,
        First,
        Second,
        Origins,
        Order,
        Alone,
        FromNothing,
        NoProof,
        NotNeeded,
        NoKey,
        FirstUnsigned,
        SecondUnsigned,
        EmptyTree,
        SameHead,
        Proof,
        Consistent
    ],
    |error| match error {
        EvidenceError::Root(inner) => Some(inner.reason()),
        EvidenceError::Hash { source, .. } => Some(source.reason()),
        EvidenceError::First(inner) | EvidenceError::Second(inner) => Some(inner.reason()),
        EvidenceError::FirstUnsigned(inner) | EvidenceError::SecondUnsigned(inner) => Some(inner.reason()),
        EvidenceError::Proof { source, .. } => Some(source.reason()),
        _ => None,
    }
);
reasons!(JSON, "json", JsonError, [Utf8, Syntax, Trailing, Duplicate, Name, Surrogate, Nul, Number, Depth], |_| None);
reasons!(OPENING, "opening", OpeningError, [Json, Spelling, Shape, Nothing, Event, NotSealed, Commitment], |error| {
    match error {
        OpeningError::Json(inner) => Some(inner.reason()),
        _ => None,
    }
});
reasons!(
    OPEN,
    "open",
    OpenError,
    [NotSealed, Erased, Mismatch, Slot, Cipher, Padding, Values, Commitment, Value],
    |error| match error {
        OpenError::Value(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(WRAP, "wrap", WrapError, [Length, Key, Open, Check], |_| None);
reasons!(
    TRUST,
    "trust",
    TrustError,
    [
        Toml,
        Fingerprint,
        CharterVersion,
        Origin,
        LogKeys,
        Name,
        PackageId,
        Epoch,
        Vkey,
        Type,
        IssuerTwice,
        KeyTwice,
        Region,
        Independence,
        StreamParty,
        StreamQuorum,
        StreamBuild,
        StreamTwice,
        StreamIssuer
    ],
    |_| None
);
reasons!(PINS, "pins", PinsError, [Policy, LogKey, QuorumNone], |error| match error {
    PinsError::Policy(inner) => Some(inner.reason()),
    _ => None,
});
reasons!(
    BUNDLE,
    "bundle",
    BundleError,
    [
        TooLong,
        NotUtf8,
        Header,
        Line,
        Text,
        Empty,
        TooManyEntries,
        EntryBytes,
        Order,
        OutsideTree,
        Hashes,
        RootMismatch,
        Checkpoint
    ],
    |error| match error {
        BundleError::Text { source, .. } => Some(source.reason()),
        BundleError::Checkpoint(inner) => Some(inner.reason()),
        _ => None,
    }
);
reasons!(WATCHED, "watched", WatchedError, [TooLong, Header, Line, Order], |_| None);
reasons!(FLOOR, "floor", FloorError, [TooLong, Header, Line, Order], |_| None);

impl Reason for PolicyError {
    fn reason(&self) -> String {
        self.fault.reason()
    }
}

/// The field is the name: each has its own rules.
impl Reason for FieldError {
    fn reason(&self) -> String {
        format!("field:{}", self.field.name())
    }
}

/// Codes are the names here: they are one to one with the variants, which `CODES` is indexed by.
impl Reason for Refusal {
    fn reason(&self) -> String {
        format!("refusal:{}", self.code())
    }
}

/// The words that scripts see.
impl Reason for Code {
    fn reason(&self) -> String {
        format!("verdict:{}", self.as_str())
    }
}

impl Reason for String {
    fn reason(&self) -> String {
        self.clone()
    }
}

/// Every name that some vector must give.
#[must_use]
pub fn all() -> Vec<String> {
    let lists = [
        TEXT,
        KEY,
        NOTE,
        CHECKPOINT,
        COSIGNATURE,
        POLICY_LINE,
        POLICY_FAULT,
        POLICY,
        INCLUSION,
        CONSISTENCY,
        TILE,
        TLOG_PROOF,
        PLACE,
        REQUEST,
        WITNESS,
        EVIDENCE,
        JSON,
        OPENING,
        OPEN,
        WRAP,
        TRUST,
        PINS,
        BUNDLE,
        WATCHED,
        FLOOR,
    ];
    let variants = lists.concat().into_iter().map(str::to_owned);
    let codes = CODES.iter().chain(&WAIT_CODES).map(|(code, _)| format!("refusal:{code}"));
    let verdicts = Code::ALL.iter().map(Reason::reason);
    let fields = Field::ALL.iter().map(|field| format!("field:{field}"));
    variants.chain(codes).chain(verdicts).chain(fields).collect()
}
