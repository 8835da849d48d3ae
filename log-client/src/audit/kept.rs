//! Kept checkpoints: the first one that the log published in each hour (design-log.md 2, step 6).
//!
//! Each carries the log's signatures and a quorum of its own, and is a prefix of the audited tree, which the walk shows. Not
//! here: what their times say about entries (`times`).

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::tree::TreeSize;
use vitrine_spec::verdict::Pins;

use super::copy::Copy;
use super::report::{Finding, Section, Severity};
use super::source::{Source, Want};
use super::times::Bound;
use crate::exit::Failure;
use crate::limits::CHECKPOINT_BYTES_MAX;

/// Seconds of an hour.
const HOUR_S: u64 = 3_600;

/// Hours that are looked for: twenty years. A charter that says it is older than that is not believed here.
const HOURS_MAX: u64 = 20 * 366 * 24;

/// Hours that are asked for at once.
const CHUNK: usize = 256;

/// A kept checkpoint, verified but for its root.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its path.
    pub path: String,
    /// Entries that it covers.
    pub size: u64,
    /// Their root.
    pub root: Hash,
    /// When a quorum had signed it; none in a log without witnesses.
    pub time: Option<u64>,
}

impl Kept {
    /// The bound that it gives.
    pub fn bound(&self) -> Option<Bound> {
        self.time.map(|time| Bound { size: self.size, time })
    }
}

/// Reads the kept checkpoints below `size` of all hours of `period`, seconds both, in the order of their hours.
///
/// One that the copy holds is not asked for again. One that does not verify is a finding and plays no part. One of the audited
/// size or more plays none either: it may not have been there yet for another auditor of that size.
pub fn read(
    source: &impl Source,
    copy: &Copy,
    pins: &Pins,
    period: (u64, u64),
    size: TreeSize,
    section: &mut Section,
) -> Result<Vec<Kept>, Failure> {
    let (from, to) = period;
    // One hour more at both ends: witnesses, log and operator have clocks of their own.
    let (from, last) = (from.saturating_sub(HOUR_S), to / HOUR_S + 1);
    let first = (from / HOUR_S).max(last.saturating_sub(HOURS_MAX));
    if first > from / HOUR_S {
        section.not_checked(format!("kept checkpoints of more than {HOURS_MAX} hours ago"));
    }
    let paths: Vec<String> = (first..=last).filter_map(path).collect();
    let mut all = Vec::new();
    for paths in paths.chunks(CHUNK) {
        let mut own = Vec::with_capacity(paths.len());
        for path in paths {
            own.push(copy.get(path)?);
        }
        let wants: Vec<Want> = paths
            .iter()
            .zip(&own)
            .filter(|(_, bytes)| bytes.is_none())
            .map(|(path, _)| Want { path: path.clone(), bytes_max: CHECKPOINT_BYTES_MAX })
            .collect();
        let mut fetched = source.read(&wants)?.into_iter();
        for (path, own) in paths.iter().zip(own) {
            let (bytes, fresh) = match own {
                Some(bytes) => (Some(bytes), false),
                None => (fetched.next().flatten(), true),
            };
            let Some(bytes) = bytes else { continue };
            let checkpoint = SignedCheckpoint::parse(&bytes);
            if checkpoint.as_ref().is_ok_and(|checkpoint| checkpoint.size() >= size) {
                continue;
            }
            match checkpoint.map_err(|error| error.to_string()).and_then(|checkpoint| judge(path, &checkpoint, pins)) {
                Ok(kept) => {
                    if fresh {
                        copy.put(path, &bytes)?;
                    }
                    all.push(kept);
                }
                Err(reason) => section.found(Finding::new(
                    Severity::Finding,
                    "kept.checkpoint",
                    format!("{path} plays no part: {reason}"),
                )),
            }
        }
    }
    Ok(all)
}

fn judge(path: &str, checkpoint: &SignedCheckpoint, pins: &Pins) -> Result<Kept, String> {
    let witnessed = pins.judge(checkpoint, None).map_err(|fault| fault.to_string())?;
    match witnessed.short {
        Some(short) => Err(short.to_string()),
        None => Ok(Kept {
            path: path.to_owned(),
            size: checkpoint.size().get(),
            root: *checkpoint.root(),
            time: witnessed.time,
        }),
    }
}

/// `kept/<YYYY>/<MM>/<DD>/<HH>` of the hour with this number since 1970, in UTC; `None` after the year 9999.
pub fn path(hour: u64) -> Option<String> {
    let seconds = i64::try_from(hour.checked_mul(HOUR_S)?).ok()?;
    let time = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?);
    Some(format!("kept/{:04}/{:02}/{:02}/{:02}", time.year(), time.month(), time.day(), time.hour()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_one_path() {
        assert_eq!(path(0).as_deref(), Some("kept/1970/01/01/00"));
        assert_eq!(path(1_795_276_800 / 3_600).as_deref(), Some("kept/2026/11/21/16"));
        assert_eq!(path(u64::MAX), None);
    }
}
