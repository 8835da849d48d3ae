//! Kept checkpoints: the first one that the log published in each hour (design-log.md 2, step 6).
//!
//! Each carries the log's signatures and a quorum of its own, and is a prefix of the audited tree, which the walk shows. Not
//! here: what their times say about entries (`times`).

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::hash::Hash;
use vitrine_spec::verdict::Pins;

use super::copy::Copy;
use super::head;
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

/// Reads the kept checkpoints of all hours from `from` to `to`, seconds both, in the order of their hours.
///
/// One that the copy holds is not asked for again. One that does not verify is a finding and plays no part.
pub fn read(
    source: &impl Source,
    copy: &Copy,
    pins: &Pins,
    from: u64,
    to: u64,
    section: &mut Section,
) -> Result<Vec<Kept>, Failure> {
    let last = to / HOUR_S;
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
            let bytes = match own {
                Some(bytes) => Some(bytes),
                None => {
                    let fresh = fetched.next().flatten();
                    if let Some(bytes) = &fresh {
                        copy.put(path, bytes)?;
                    }
                    fresh
                }
            };
            let Some(bytes) = bytes else { continue };
            match judge(path, &bytes, pins) {
                Ok(kept) => all.push(kept),
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

fn judge(path: &str, bytes: &[u8], pins: &Pins) -> Result<Kept, String> {
    let checkpoint = SignedCheckpoint::parse(bytes).map_err(|error| error.to_string())?;
    let verified = head::verify(&checkpoint, pins, None).map_err(|fault| fault.to_string())?;
    Ok(Kept {
        path: path.to_owned(),
        size: checkpoint.checkpoint.size.get(),
        root: checkpoint.checkpoint.root,
        time: verified.time,
    })
}

/// `kept/<YYYY>/<MM>/<DD>/<HH>` of the hour with this number since 1970, in UTC; `None` after the year 9999.
pub fn path(hour: u64) -> Option<String> {
    let seconds = i64::try_from(hour.checked_mul(HOUR_S)?).ok()?;
    let time = jiff::Timestamp::from_second(seconds).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
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
