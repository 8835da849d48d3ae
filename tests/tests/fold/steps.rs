//! Histories by chance: what somebody does next, and what is wrong with it.
//!
//! Not here: the events that steps are, and what is expected of them (`model`).

use proptest::prelude::*;
use proptest::sample::Index;

/// The key of an opening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeyChoice {
    New,
    /// That of the epoch before.
    Kept,
    /// That of the first epoch, which may be long gone.
    First,
}

/// What somebody does next; an issuer is a place in a list, and an event one of those that the list then holds.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open { who: usize, key: KeyChoice, previous: Index },
    Close { who: usize, last: Index, compromised: bool, supervised: bool },
    Build { who: usize },
    Update { who: usize, build: Option<Index> },
    Revoke { who: usize, update: Index },
    Beat { who: usize },
    Charter { change: Option<usize>, previous: Option<Index> },
}

/// What is wrong with the event, where it can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    None,
    /// A place further on.
    Ahead,
    /// The place of the event before, taken by another one.
    Taken,
    /// The right place after another event.
    Prev,
    Epoch,
    /// In the body: an update with another release number, a heartbeat that covers less than the one before.
    Body,
    /// A signature over another message.
    Signature,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop_oneof![4 => Just(KeyChoice::New), 2 => Just(KeyChoice::Kept), 1 => Just(KeyChoice::First)];
    let (issuer, releaser, anybody) = (|| 0..4_usize, || 2..4_usize, || 0..7_usize);
    let index = any::<Index>;
    prop_oneof![
        7 => (issuer(), key(), index()).prop_map(|(who, key, previous)| Step::Open { who, key, previous }),
        4 => (issuer(), index(), any::<bool>(), any::<bool>()).prop_map(|(who, last, compromised, supervised)| {
            Step::Close { who, last, compromised, supervised }
        }),
        5 => issuer().prop_map(|who| Step::Build { who }),
        5 => (releaser(), prop::option::of(index())).prop_map(|(who, build)| Step::Update { who, build }),
        1 => (releaser(), index()).prop_map(|(who, update)| Step::Revoke { who, update }),
        8 => anybody().prop_map(|who| Step::Beat { who }),
        1 => (prop::option::of(0..3_usize), prop::option::of(index()))
            .prop_map(|(change, previous)| Step::Charter { change, previous }),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        16 => Just(Fault::None),
        1 => Just(Fault::Ahead),
        1 => Just(Fault::Taken),
        1 => Just(Fault::Prev),
        1 => Just(Fault::Epoch),
        5 => Just(Fault::Body),
        1 => Just(Fault::Signature),
    ]
}

/// At least a third of `most` steps, each with a fault or none; in three of four histories two issuers are opened first.
pub(super) fn history(most: usize) -> impl Strategy<Value = Vec<(Step, Fault)>> {
    let steps = prop::collection::vec((step(), fault()), most / 3..=most);
    (prop::bool::weighted(0.75), any::<Index>(), steps).prop_map(|(opened, previous, mut steps)| {
        if opened {
            let open = |who| (Step::Open { who, key: KeyChoice::New, previous }, Fault::None);
            steps.splice(0..0, [open(0), open(2)]);
        }
        steps
    })
}
