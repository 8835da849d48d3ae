//! A log that contradicts what was remembered: which events of the copy are no longer in it (design.md 5).
//!
//! Both notes are evidence enough that the log misbehaved; this says what was taken out, by issuer and sequence. Not here:
//! deciding that the log misbehaved (`head`).

use std::collections::HashSet;

use vitrine_spec::checkpoint::Origin;
use vitrine_spec::tiles::{BundleId, decode_bundle};
use vitrine_spec::tree::TreeSize;

use super::chains::Seen;
use super::copy::{Copy, bundles_of};
use super::report::{Finding, Place, Section, Severity};
use super::seen;
use super::source::Source;
use super::walk::fetch_bundles;
use crate::exit::{Exit, Failure};

/// Bundles that are compared at once.
const CHUNK: usize = 8;

/// Compares the copy with what the log serves now, and names every event of the copy that is missing there.
///
/// `remembered` and `served` are the two sizes. Fails when the log does not serve its entries.
pub fn name_missing(
    source: &impl Source,
    copy: &Copy,
    origin: &Origin,
    remembered: TreeSize,
    served: TreeSize,
) -> Result<Section, Failure> {
    let mut section = Section::new("missing");
    let Some(first) = first_difference(source, copy, remembered, served, &mut section)? else { return Ok(section) };
    let mut there: HashSet<[u8; 32]> = HashSet::new();
    for ids in chunks_from(served, first) {
        for (id, bytes) in ids.iter().zip(fetch_bundles(source, served, &ids)?) {
            for entry in decode_bundle(&bytes, id.width()).unwrap_or_default() {
                there.insert(seen::identity(&entry, origin));
            }
        }
    }
    let mut missing = 0_u64;
    let mut compared = 0_u64;
    for ids in chunks_from(remembered, first) {
        for id in ids {
            let Some(own) = copied(copy, id)? else {
                section.not_checked(format!("entries from {} on: the copy does not hold them", id.start()));
                continue;
            };
            for (index, entry) in own {
                if index < first {
                    continue;
                }
                compared += 1;
                if !there.contains(&seen::identity(&entry, origin)) {
                    missing += 1;
                    section.found(describe(index, &entry, origin));
                }
            }
        }
    }
    section.checked(format!(
        "from entry {first} on, {compared} entries of the copy against what the log serves now: {missing} are missing there"
    ));
    Ok(section)
}

/// The first index at which the copy and the log differ; the smaller size when one begins with the other.
fn first_difference(
    source: &impl Source,
    copy: &Copy,
    remembered: TreeSize,
    served: TreeSize,
    section: &mut Section,
) -> Result<Option<u64>, Failure> {
    let common = TreeSize::new(remembered.get().min(served.get()));
    for ids in chunks_from(common, 0) {
        for (id, bytes) in ids.iter().zip(fetch_bundles(source, served, &ids)?) {
            let Some(own) = copied(copy, *id)? else {
                section.not_checked(format!("entries from {} on: the copy does not hold them", id.start()));
                return Ok(None);
            };
            let theirs = decode_bundle(&bytes, id.width()).map_err(|error| {
                Failure::new(Exit::Misbehaved, "log.bundle", "the log serves a bundle that does not parse")
                    .side("bundle", id)
                    .side("error", error)
            })?;
            let differs = own.iter().zip(&theirs).find(|((_, own), theirs)| own != *theirs);
            if let Some(((index, _), _)) = differs {
                section
                    .checked(format!("entries 0 to {index} of the copy against the log: entry {index} is another one"));
                return Ok(Some(*index));
            }
        }
    }
    section.checked(format!("the first {common} entries of the copy against the log: equal"));
    Ok(Some(common.get()))
}

/// The bundles of a tree from the one that holds `first` on, a few at a time.
fn chunks_from(size: TreeSize, first: u64) -> impl Iterator<Item = Vec<BundleId>> {
    let mut bundles = bundles_of(size).skip(usize::try_from(first / 256).unwrap_or(usize::MAX));
    std::iter::from_fn(move || {
        let chunk: Vec<BundleId> = bundles.by_ref().take(CHUNK).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// Entries of the copy with their indices.
type Indexed = Vec<(u64, Vec<u8>)>;

fn copied(copy: &Copy, id: BundleId) -> Result<Option<Indexed>, Failure> {
    let Some(bytes) = copy.bundle(id)? else { return Ok(None) };
    let start = id.start().get();
    Ok(decode_bundle(&bytes, id.width()).ok().map(|entries| (start..).zip(entries).collect()))
}

fn describe(index: u64, entry: &[u8], origin: &Origin) -> Finding {
    match seen::read(index, entry, origin) {
        Some(Seen { kind, issuer, epoch, link, id, .. }) => {
            let seq = link.map(|link| link.seq);
            let position = seq.map_or_else(|| "unchained".to_owned(), |seq| format!("seq {seq}"));
            let id = vitrine_spec::text::hex(&id);
            Finding::new(
                Severity::Misbehaviour,
                "log.missing",
                format!("{issuer} epoch {epoch} {position} is no longer in the log: {kind}, entry {index} of the copy, event_id {id}"),
            )
            .at(Place { index: Some(index), issuer, epoch, seq })
        }
        None => Finding::new(
            Severity::Misbehaviour,
            "log.missing",
            format!("entry {index} of the copy, which is not an event, is no longer in the log"),
        ),
    }
}
