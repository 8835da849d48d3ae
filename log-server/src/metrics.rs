//! What the server counts, in OpenMetrics text for `GET /metrics` (85-log.md).
//!
//! Names begin with `vitrine_log_`; labels take values from fixed sets or from the policy, never from requests.
//! Not here: alarms for people (`view`), logs (`tracing`).

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Label of counted refusals: the code of the refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Code {
    /// A code of `vitrine_spec::refusal`, or `http` for what never reached admission.
    pub code: &'static str,
}

/// Label of counted requests: route and status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Route {
    /// The route's pattern, never the path asked for.
    pub route: String,
    /// The status answered.
    pub status: u16,
}

/// Label of what is counted per witness.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Asked {
    /// The witness's key name, as the policy has it.
    pub witness: String,
    /// What its answer meant: a word of `witnesses::Meaning`.
    pub answer: &'static str,
}

/// Label of one step of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Stage {
    /// `begin` (stage, head, objects), `index`, `witnesses` (until the quorum holds) or `publish`.
    pub step: &'static str,
}

/// Label of what is counted by how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// Of attachments `stored`, `here`, `refused`, `swept`; of sealed reads `read`, `refused`.
    pub outcome: &'static str,
}

/// Seconds: 0.5 ms to 16 s, doubling.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Everything counted. Cheap to update from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Events admitted to the log, duplicates not counted.
    pub admitted: Counter,
    /// Submissions answered with the index of an earlier one.
    pub duplicates: Counter,
    /// Submissions refused, by code.
    pub refused: Family<Code, Counter>,
    /// Requests answered, by route and status.
    pub requests: Family<Route, Counter>,
    /// Answers of witnesses, by meaning.
    pub witness_answers: Family<Asked, Counter>,
    /// Heads signed, those without new entries included.
    pub heads: Counter,
    /// Checkpoints published, merged late cosignatures included.
    pub checkpoints: Counter,
    /// Entries per batch are `admitted / heads`; seconds per step are here.
    pub steps: Family<Stage, Histogram, fn() -> Histogram>,
    /// Seconds from a request's admission to its published checkpoint.
    pub submit_seconds: Histogram,
    /// Attachments put, by what became of them.
    pub attachments: Family<Outcome, Counter>,
    /// Attachments that no published event names.
    pub attachments_waiting: Gauge,
    /// Their bytes.
    pub attachments_waiting_bytes: Gauge<u64, AtomicU64>,
    /// Requests for sealed records, by what became of them.
    pub sealed_reads: Family<Outcome, Counter>,
    /// Sealed records sent to readers.
    pub sealed_records: Counter,
    /// Sealed records erased by this run.
    pub erased_records: Counter,
    /// Sealed records that this run was to erase and could not, because their object is damaged.
    pub not_erased_records: Counter,
    /// Entries that wait for a batch.
    pub pool_entries: Gauge,
    /// Bytes that wait for a batch.
    pub pool_bytes: Gauge,
    /// Size of the signed head.
    pub head_size: Gauge<u64, AtomicU64>,
    /// Size of the published checkpoint.
    pub published_size: Gauge<u64, AtomicU64>,
    /// Unix time at which the last checkpoint was published.
    pub published_at: Gauge<u64, AtomicU64>,
    /// Free bytes where the objects are.
    pub free_bytes: Gauge<u64, AtomicU64>,
    /// Sealed records that a published erasure names and that are not zero yet.
    pub erasures_due: Gauge,
    /// 1 when events are admitted.
    pub ready: Gauge,
    /// 1 when the policy asks for no witness.
    pub unwitnessed: Gauge,
    /// Open connections.
    pub connections: Gauge,
}

impl Metrics {
    /// All counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("vitrine_log");
        let metrics = Self {
            admitted: Counter::default(),
            duplicates: Counter::default(),
            refused: Family::default(),
            requests: Family::default(),
            witness_answers: Family::default(),
            heads: Counter::default(),
            checkpoints: Counter::default(),
            steps: Family::new_with_constructor(seconds),
            submit_seconds: seconds(),
            attachments: Family::default(),
            attachments_waiting: Gauge::default(),
            attachments_waiting_bytes: Gauge::default(),
            sealed_reads: Family::default(),
            sealed_records: Counter::default(),
            erased_records: Counter::default(),
            not_erased_records: Counter::default(),
            pool_entries: Gauge::default(),
            pool_bytes: Gauge::default(),
            head_size: Gauge::default(),
            published_size: Gauge::default(),
            published_at: Gauge::default(),
            free_bytes: Gauge::default(),
            erasures_due: Gauge::default(),
            ready: Gauge::default(),
            unwitnessed: Gauge::default(),
            connections: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("events_admitted", "Events admitted, duplicates not counted", m.admitted.clone());
        registry.register("events_duplicate", "Submissions answered with an earlier index", m.duplicates.clone());
        registry.register("events_refused", "Submissions refused, by code", m.refused.clone());
        registry.register("requests", "Requests answered, by route and status", m.requests.clone());
        registry.register("witness_answers", "Answers of witnesses, by what they mean", m.witness_answers.clone());
        registry.register("heads", "Heads signed", m.heads.clone());
        registry.register("checkpoints", "Checkpoints published", m.checkpoints.clone());
        registry.register_with_unit("batch_step", "Time of one step of a batch", Unit::Seconds, m.steps.clone());
        registry.register_with_unit(
            "submit",
            "Time from admission to the published checkpoint",
            Unit::Seconds,
            m.submit_seconds.clone(),
        );
        registry.register("attachments", "Attachments put, by what became of them", m.attachments.clone());
        let waiting = "Attachments that no published event names";
        registry.register("attachments_waiting", waiting, m.attachments_waiting.clone());
        let bytes = "Bytes of attachments that no published event names";
        registry.register("attachments_waiting_bytes", bytes, m.attachments_waiting_bytes.clone());
        registry.register("sealed_reads", "Requests for sealed records, by outcome", m.sealed_reads.clone());
        registry.register("sealed_records_sent", "Sealed records sent to readers", m.sealed_records.clone());
        registry.register("sealed_records_erased", "Sealed records erased", m.erased_records.clone());
        let not_erased = "Sealed records that are to be erased and stand in a damaged object";
        registry.register("sealed_records_not_erased", not_erased, m.not_erased_records.clone());
        registry.register("pool_entries", "Entries that wait for a batch", m.pool_entries.clone());
        registry.register("pool_bytes", "Bytes that wait for a batch", m.pool_bytes.clone());
        registry.register("head_size", "Entries of the signed head", m.head_size.clone());
        registry.register("published_size", "Entries of the published checkpoint", m.published_size.clone());
        registry.register("published_at", "Unix time of the last publication", m.published_at.clone());
        registry.register("free_bytes", "Free bytes where the objects are", m.free_bytes.clone());
        registry.register("erasures_due", "Records to erase, named by a published erasure", m.erasures_due.clone());
        registry.register("ready", "1 when events are admitted", m.ready.clone());
        registry.register("unwitnessed", "1 when the policy asks for no witness", m.unwitnessed.clone());
        registry.register("connections", "Open connections", m.connections.clone());
        Self { registry, ..metrics }
    }

    /// The text of `GET /metrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // The encoder fails only when its writer does, and a `String` does not.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.admitted.inc_by(3);
        metrics.refused.get_or_create(&Code { code: "position" }).inc();
        metrics.steps.get_or_create(&Stage { step: "begin" }).observe(0.003);
        metrics.head_size.set(7);
        let text = metrics.text();
        for line in [
            "vitrine_log_events_admitted_total 3",
            "vitrine_log_events_refused_total{code=\"position\"} 1",
            "vitrine_log_batch_step_seconds_bucket{le=\"0.004\",step=\"begin\"} 1",
            "vitrine_log_head_size 7",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "an OpenMetrics text ends with its mark");
    }
}
