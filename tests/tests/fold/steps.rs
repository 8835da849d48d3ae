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

/// The wraps of a sealing key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wraps {
    /// One for each reader, in the order of the charter.
    Right,
    /// As the charter before would have it.
    Former,
    Fewer,
    Turned,
    OtherKey,
}

/// The sealing key that an access names.
#[derive(Clone, Debug)]
pub(super) enum Window {
    Newest,
    Earlier(Index),
    /// A place at which there is none.
    None,
}

/// The record that comes with an access.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sent {
    /// Of so many steps, and as the leaf says.
    Right(usize),
    Missing,
    /// Another one of that size.
    Other,
    /// A step longer than the leaf says.
    Longer,
    /// The leaf names its digest, and one step more.
    Claimed,
    /// As the leaf says, of a size that no record has.
    Odd(usize),
}

/// What an erasure names.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    Access(Index),
    /// An access at the place of another event.
    Misplaced(Index),
    /// An event that has no record.
    Plain(Index),
    /// A place where nothing is.
    Nothing,
}

/// When an erasure is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    Now,
    /// 366 days after the first of its targets was, or a second before that.
    Year {
        early: bool,
    },
}

/// What a charter changes of the readers.
#[derive(Clone, Debug)]
pub(super) enum Readers {
    Kept,
    New,
    Gone(Index),
    /// Only one is left.
    Few,
    /// One who was a reader, with the keys from then.
    Back(Index),
    /// A new one with the signing key of another.
    Shared(Index),
    OtherSign(Index),
    OtherSeal(Index),
    OtherRole(Index),
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
    Charter { change: Option<usize>, previous: Option<Index>, readers: Readers },
    SealingKey { who: usize, wraps: Wraps },
    Access { who: usize, window: Window, sent: Sent, on_the_hour: bool },
    Erase { who: usize, supervised: bool, aims: Vec<Aim>, reason: usize, when: When },
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
    /// About something else.
    Subject,
    /// A site where there is none, none where there is one, or another one.
    Site,
    /// Recorded 60 seconds from now, which is no fault, or a second more.
    Soon,
    TooSoon,
    /// Recorded before the hour of the event before it.
    Past,
    /// A record where there is none.
    Record,
}

/// How long it was quiet before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pause {
    Minute,
    HalfHour,
    /// Until the hour is full, or until the second before.
    Hour {
        early: bool,
    },
}

/// A step of a history.
pub(super) type Happening = (Step, Fault, Pause);

fn step() -> impl Strategy<Value = Step> {
    let key = || prop_oneof![4 => Just(KeyChoice::New), 2 => Just(KeyChoice::Kept), 1 => Just(KeyChoice::First)];
    let (issuer, builder, releaser, anybody) = (|| 0..6_usize, || 0..4_usize, || 2..4_usize, || 0..9_usize);
    // The last two of these may not seal.
    let sealer = || prop_oneof![15 => 0..3_usize, 1 => 3..5_usize];
    let index = any::<Index>;
    prop_oneof![
        7 => (issuer(), key(), index()).prop_map(|(who, key, previous)| Step::Open { who, key, previous }),
        4 => (issuer(), index(), any::<bool>(), any::<bool>()).prop_map(|(who, last, compromised, supervised)| {
            Step::Close { who, last, compromised, supervised }
        }),
        5 => builder().prop_map(|who| Step::Build { who }),
        5 => (releaser(), prop::option::of(index())).prop_map(|(who, build)| Step::Update { who, build }),
        1 => (releaser(), index()).prop_map(|(who, update)| Step::Revoke { who, update }),
        8 => anybody().prop_map(|who| Step::Beat { who }),
        3 => (prop::option::of(0..3_usize), prop::option::of(index()), readers())
            .prop_map(|(change, previous, readers)| Step::Charter { change, previous, readers }),
        9 => (sealer(), wraps()).prop_map(|(who, wraps)| Step::SealingKey { who, wraps }),
        18 => (sealer(), window(), sent(), prop::bool::weighted(0.95)).prop_map(|(who, window, sent, on_the_hour)| {
            Step::Access { who, window, sent, on_the_hour }
        }),
        6 => (prop_oneof![9 => Just(3_usize), 1 => 0..3_usize], prop::bool::weighted(0.9), aims(), 0..4_usize, when())
            .prop_map(|(who, supervised, aims, reason, when)| Step::Erase { who, supervised, aims, reason, when }),
    ]
}

fn readers() -> impl Strategy<Value = Readers> {
    let index = any::<Index>;
    prop_oneof![
        4 => Just(Readers::Kept),
        2 => Just(Readers::New),
        1 => index().prop_map(Readers::Gone),
        1 => Just(Readers::Few),
        2 => index().prop_map(Readers::Back),
        1 => index().prop_map(Readers::Shared),
        1 => index().prop_map(Readers::OtherSign),
        1 => index().prop_map(Readers::OtherSeal),
        1 => index().prop_map(Readers::OtherRole),
    ]
}

fn wraps() -> impl Strategy<Value = Wraps> {
    prop_oneof![
        16 => Just(Wraps::Right),
        2 => Just(Wraps::Former),
        1 => Just(Wraps::Fewer),
        1 => Just(Wraps::Turned),
        1 => Just(Wraps::OtherKey),
    ]
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        16 => Just(Window::Newest),
        2 => any::<Index>().prop_map(Window::Earlier),
        1 => Just(Window::None),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        20 => prop_oneof![4 => Just(1_usize), 2 => Just(2), 1 => Just(32)].prop_map(Sent::Right),
        1 => Just(Sent::Missing),
        1 => Just(Sent::Other),
        1 => Just(Sent::Longer),
        1 => Just(Sent::Claimed),
        1 => prop_oneof![Just(64_usize), Just(1_087), Just(1_089), Just(33_856)].prop_map(Sent::Odd),
    ]
}

/// None: a person is erased.
fn aims() -> impl Strategy<Value = Vec<Aim>> {
    let index = any::<Index>;
    let aim = prop_oneof![
        12 => index().prop_map(Aim::Access),
        1 => index().prop_map(Aim::Misplaced),
        1 => index().prop_map(Aim::Plain),
        1 => Just(Aim::Nothing),
    ];
    prop::collection::vec(aim, 0..4)
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![2 => Just(When::Now), 1 => any::<bool>().prop_map(|early| When::Year { early })]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        22 => Just(Fault::None),
        1 => Just(Fault::Ahead),
        1 => Just(Fault::Taken),
        1 => Just(Fault::Prev),
        1 => Just(Fault::Epoch),
        5 => Just(Fault::Body),
        1 => Just(Fault::Signature),
        1 => Just(Fault::Subject),
        1 => Just(Fault::Site),
        1 => Just(Fault::Soon),
        1 => Just(Fault::TooSoon),
        1 => Just(Fault::Past),
        1 => Just(Fault::Record),
    ]
}

/// Sealing keys are often made where an hour begins or ends: their time runs out there too.
fn happening() -> impl Strategy<Value = Happening> {
    let hour = || any::<bool>().prop_map(|early| Pause::Hour { early });
    let pause = prop_oneof![24 => Just(Pause::Minute), 1 => Just(Pause::HalfHour), 2 => hour()];
    (step(), fault(), pause, hour(), any::<bool>()).prop_map(|(step, fault, pause, hour, at_edge)| {
        let pause = if at_edge && matches!(step, Step::SealingKey { .. }) { hour } else { pause };
        (step, fault, pause)
    })
}

/// At least a third of `most` steps, each with a fault or none; in three of four histories three issuers are opened first.
pub(super) fn history(most: usize) -> impl Strategy<Value = Vec<Happening>> {
    let steps = prop::collection::vec(happening(), most / 3..=most);
    (prop::bool::weighted(0.75), any::<Index>(), steps).prop_map(|(opened, previous, mut steps)| {
        if opened {
            let open = |who| (Step::Open { who, key: KeyChoice::New, previous }, Fault::None, Pause::Minute);
            steps.splice(0..0, [open(0), open(2), open(4)]);
        }
        steps
    })
}
