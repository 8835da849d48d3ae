//! `erasure`: sealed records are zeroed, or a person's row is deleted from the vendor's table (70-leaves.md, L; 72-sealed.md, R).
//!
//! Not here: who must sign and which targets may be named (`admission`), how a record is zeroed (the log server).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::envelope::EventId;
use crate::statement::Place;
use crate::text::Quote;
use crate::words::{self, Members, Read, value};

/// A year and a day, seconds: DPO article 4(5) keeps a log at least one year.
pub const KEPT_S: u64 = 366 * 86_400;

/// Why something is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureReason {
    /// The time to keep it is over.
    Retention,
    /// The person concerned asked for it.
    DataSubject,
    /// An authority ordered it.
    Authority,
    /// It should never have been recorded.
    Mistake,
}

impl ErasureReason {
    /// The words of a leaf.
    pub const WORDS: [(&'static str, ErasureReason); 4] = [
        ("retention", ErasureReason::Retention),
        ("data-subject", ErasureReason::DataSubject),
        ("authority", ErasureReason::Authority),
        ("mistake", ErasureReason::Mistake),
    ];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            ErasureReason::Retention => "retention",
            ErasureReason::DataSubject => "data-subject",
            ErasureReason::Authority => "authority",
            ErasureReason::Mistake => "mistake",
        }
    }
}

/// An event whose record is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The event.
    pub event_id: EventId,
    /// Its place: events of sealed types are found by it.
    pub at: Place,
}

/// What is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erased {
    /// The sealed records of these events, by event_id.
    Records(Vec<Target>),
    /// The row of a pseudonym (field `subject_ref`) in the vendor's table; records stay, without the person.
    Subject,
}

/// Another place that may hold a copy, and the day by which it is gone there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherPlace {
    /// Which: a reader's copy, a backup.
    pub place: String,
    /// The last day.
    pub until: String,
}

/// The body of `erasure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// What.
    pub erased: Erased,
    /// Why.
    pub reason: ErasureReason,
    /// On whose authority, in words.
    pub authority: String,
    /// The other places.
    pub places: Vec<OtherPlace>,
}

impl Erasure {
    /// Reads the table [L-27].
    pub fn read(members: &mut Members<'_>) -> Read<Erasure> {
        let of_records = members.one_of("class", &[("record", true), ("subject", false)])?;
        let erased = if of_records { Erased::Records(read_targets(members)?) } else { Erased::Subject };
        let reason = members.one_of("reason", &ErasureReason::WORDS)?;
        let authority = members.str("authority", 256)?;
        let at = members.at("places");
        let places = members.objects("places", (0, 16), |found| {
            Ok(OtherPlace {
                place: found.str("place", 256)?,
                until: found.word("until", "a day that exists, as YYYY-MM-DD", words::is_date)?,
            })
        })?;
        let twice = |(number, found): &(usize, &OtherPlace)| places[..*number].iter().any(|p| p.place == found.place);
        if let Some((_, found)) = places.iter().enumerate().find(twice) {
            return value(at, format!("{} stands twice", Quote::of(&found.place)));
        }
        Ok(Erasure { erased, reason, authority, places })
    }

    /// The events whose records are erased.
    pub fn targets(&self) -> &[Target] {
        match &self.erased {
            Erased::Records(targets) => targets,
            Erased::Subject => &[],
        }
    }
}

fn read_targets(members: &mut Members<'_>) -> Read<Vec<Target>> {
    let path = members.at("targets");
    let targets = members.objects("targets", (1, 64), |target| {
        Ok(Target { event_id: EventId(target.sha256("event_id")?), at: target.object("at", Place::read)? })
    })?;
    let ids: Vec<EventId> = targets.iter().map(|target| target.event_id).collect();
    words::check_sorted(&path, &ids)?;
    Ok(targets)
}
