//! The measurements of the README: throughput, latency, verdict, memory, accesses; each beside its bare cost in the same run.
//!
//! Real processes, release builds, loopback, all on the same cores. Figures are printed, nothing is asserted.

pub mod latency;
pub mod throughput;
pub mod verdict;
pub mod access;

use crate::harness::process::Usage;
use crate::harness::world::World;

/// CPU seconds of the server, of the witnesses together, and of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// The log server.
    pub server_s: f64,
    /// The three witnesses.
    pub witnesses_s: f64,
    /// This process.
    pub client_s: f64,
}

impl Cpu {
    /// What has been used so far.
    #[must_use]
    pub fn of(world: &World) -> Cpu {
        Cpu {
            server_s: world.log.as_ref().map_or(0.0, |server| server.usage().cpu_s),
            witnesses_s: world.witnesses.iter().flatten().map(|witness| witness.usage().cpu_s).sum(),
            client_s: Usage::of(std::process::id()).cpu_s,
        }
    }

    /// What was used since `before`.
    #[must_use]
    pub fn since(self, before: Cpu) -> Cpu {
        Cpu {
            server_s: self.server_s - before.server_s,
            witnesses_s: self.witnesses_s - before.witnesses_s,
            client_s: self.client_s - before.client_s,
        }
    }
}

/// The value at a share of sorted times, milliseconds.
#[must_use]
pub fn percentile(sorted_ms: &[f64], share_percent: usize) -> f64 {
    let at = (sorted_ms.len() * share_percent / 100).min(sorted_ms.len().saturating_sub(1));
    sorted_ms.get(at).copied().unwrap_or(f64::NAN)
}
