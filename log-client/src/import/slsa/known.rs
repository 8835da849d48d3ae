//! Whether a build with this provenance is in the log already: the log is asked, its proof is believed (74-slsa.md, M-12).
//!
//! A log that keeps silent about one has it logged again, which everybody sees. Not here: what this machine remembers
//! (`commands::import_slsa`).

use vitrine_spec::body::Body;
use vitrine_spec::event::Event;
use vitrine_spec::hash::Hash;
use vitrine_spec::key::Vkey;
use vitrine_spec::policy::Policy;
use vitrine_spec::words::Name;

use crate::batch::Remote;
use crate::exit::Failure;
use crate::found::{self, Found};

/// What makes two builds the same.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    /// Who logged it, whatever the epoch.
    pub issuer: &'a Name,
    /// The issuer's epoch now.
    pub epoch: u32,
    /// Its key.
    pub key: &'a Vkey,
    /// The artifact.
    pub artifact: Hash,
    /// The file with the provenance.
    pub provenance: Hash,
}

/// The build that says the same, with its proof.
///
/// # Errors
/// The log cannot be asked, or what it shows is not proven by the policy.
pub fn known(remote: &impl Remote, policy: &Policy, sought: &Sought<'_>, now: u64) -> Result<Option<Found>, Failure> {
    let (events, _) = found::by_sha256(remote, policy, &sought.artifact, now)?;
    Ok(events.into_iter().find(|found| sought.is(&found.event)))
}

impl Sought<'_> {
    /// Whether an event is a build of this issuer, of this artifact, with this provenance [M-12].
    ///
    /// An answer may show what was never signed, so the key must have signed it; of an earlier key nothing is known here.
    pub fn is(&self, event: &Event) -> bool {
        let Body::Build(build) = &event.statement.body else { return false };
        let header = &event.statement.header;
        header.issuer == *self.issuer
            && (header.epoch < self.epoch || found::is_signed_by(event, self.key))
            && build.provenance == Some(self.provenance)
            && event.statement.subject.iter().any(|one| one.digest.sha256 == Some(self.artifact))
    }
}
