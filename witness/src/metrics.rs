//! What a witness counts, in OpenMetrics text for `GET /metrics` (55-witness.md, D-29).
//!
//! Names begin with `vitrine_witness_`; labels take values from fixed sets, never from requests. Not here: alarms for people
//! (`tracing`, and the words of the runbook).

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

/// Label of counted answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    /// The route's pattern, never the path asked for.
    pub route: &'static str,
    /// The status answered.
    pub status: u16,
}

/// Seconds: 0.1 ms to 3.3 s, doubling.
const SECONDS: [f64; 16] = [
    0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.0512, 0.1024, 0.2048, 0.4096, 0.8192,
    1.6384, 3.2768,
];

/// Everything counted. Cheap to update from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Answers, by route and status.
    pub answers: Family<Asked, Counter>,
    /// Checkpoints cosigned, repetitions not counted.
    pub cosigned: Counter,
    /// Rounds of the committer that wrote something: one sync each.
    pub writes: Counter,
    /// Time to append and sync one round.
    pub write_seconds: Histogram,
    /// Rounds of the cross-check that ended.
    pub cross_checks: Counter,
    /// Notes that the cross-check read and that their log had signed.
    pub notes: Counter,
    /// Reads of the cross-check that failed, and what was read and was no note of the log.
    pub failures: Counter,
    /// Logs of `--logs`.
    pub logs: Gauge<u64, AtomicU64>,
    /// Origins with a checkpoint in the journal.
    pub origins: Gauge<u64, AtomicU64>,
    /// Logs that are frozen.
    pub frozen: Gauge<u64, AtomicU64>,
    /// Logs with a note that is not reconciled.
    pub doubts: Gauge<u64, AtomicU64>,
    /// Latest time of a cosignature, seconds since 1970.
    pub last_signed: Gauge<u64, AtomicU64>,
    /// 1 when the clock lets this witness sign.
    pub ready: Gauge<u64, AtomicU64>,
    /// Open connections.
    pub connections: Gauge,
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("vitrine_witness");
        let metrics = Metrics {
            answers: Family::default(),
            cosigned: Counter::default(),
            writes: Counter::default(),
            write_seconds: Histogram::new(SECONDS),
            cross_checks: Counter::default(),
            notes: Counter::default(),
            failures: Counter::default(),
            logs: Gauge::default(),
            origins: Gauge::default(),
            frozen: Gauge::default(),
            doubts: Gauge::default(),
            last_signed: Gauge::default(),
            ready: Gauge::default(),
            connections: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("answers", "Answers, by route and status", m.answers.clone());
        registry.register("cosigned", "Checkpoints cosigned, repetitions not counted", m.cosigned.clone());
        registry.register("writes", "Rounds that wrote records, one sync each", m.writes.clone());
        let write = "Time to append and sync the records of a round";
        registry.register_with_unit("write", write, Unit::Seconds, m.write_seconds.clone());
        registry.register("cross_checks", "Rounds of the cross-check that ended", m.cross_checks.clone());
        registry.register("cross_check_notes", "Notes read and signed by their log", m.notes.clone());
        registry.register("cross_check_failures", "Reads that failed or gave no note of the log", m.failures.clone());
        registry.register("logs", "Logs of --logs", m.logs.clone());
        registry.register("origins", "Origins with a checkpoint in the journal", m.origins.clone());
        registry.register("frozen", "Logs that showed two trees", m.frozen.clone());
        registry.register("unreconciled", "Logs with a note that is not reconciled", m.doubts.clone());
        registry.register("last_signed", "Latest time of a cosignature, seconds since 1970", m.last_signed.clone());
        registry.register("ready", "1 when the clock lets this witness sign", m.ready.clone());
        registry.register("connections", "Open connections", m.connections.clone());
        Metrics { registry, ..metrics }
    }

    /// The text of `GET /metrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // The encoder fails only when its writer does, and a `String` does not.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}
