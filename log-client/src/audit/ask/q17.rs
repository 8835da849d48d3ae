//! Q17 `vault-reads`: who read sealed records out of the log.
//!
//! The log server logs each read as an access of its own issuer `vault` before a byte leaves. Not here: what reaches nobody's
//! server, such as a copy of the disk.

use serde_json::{Map, Value};
use vitrine_spec::fields::Values;

use super::super::access::Access;
use super::answer::Column;
use super::filter::{Filter, Judged, VAULT};

/// Q17.
#[derive(Clone, Debug)]
pub struct VaultReads;

const COLUMNS: &[Column] = &[
    Column { name: "index", title: "Entry" },
    Column { name: "occurred_at", title: "When" },
    Column { name: "actor", title: "Reader" },
    Column { name: "actor_session", title: "Purpose given, role" },
    Column { name: "purpose", title: "Why" },
    Column { name: "object_count", title: "Entries asked for" },
    Column { name: "outcome", title: "Answer, from and to" },
    Column { name: "native_id", title: "Request" },
];

impl Filter for VaultReads {
    fn names(&self) -> (&'static str, &'static str) {
        ("q17", "vault-reads")
    }

    fn title(&self) -> String {
        "Who read sealed records out of the log".to_owned()
    }

    fn parameters(&self) -> Map<String, Value> {
        Map::new()
    }

    fn columns(&self) -> &'static [Column] {
        COLUMNS
    }

    fn concerns(&self, issuer: &str) -> bool {
        issuer == VAULT
    }

    fn judge(&self, _: &Access, _: &Values) -> Judged {
        Judged::Found(Vec::new())
    }
}
