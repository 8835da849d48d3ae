//! The table: one row for each file or folder of vectors.
//!
//! `count` is asserted on the shared files, `own` on those in `spec/vectors`; elsewhere the counts are printed. Not here: the
//! reasons of refused cases and our choices where a case says `either`, which `reasons.txt` beside the vectors pins.

use super::input::{Input, Outcome};
use super::report::Report;
use super::{checkpoint, json, leaves, logs, merkle, note, policy, proof, tiles, verdict, witness};

/// Whose code a row tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of `spec`.
    Ours,
    /// That of the tests as well: they adapt what the product does not have.
    Adapter,
}

/// What a row runs.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// One JSON file; in another directory every one of its folder and shape. The shape: members that are there, and behind a
    /// slash members of their first element; `[]` is an array itself.
    File(&'static str, &'static [&'static str]),
    /// Every JSON file below a folder, of this shape; each is a case.
    Each(&'static str, &'static [&'static str]),
    /// Files that make sense together: a folder, and one file that must be in it.
    Set(&'static str, &'static str),
}

/// A row.
#[derive(Clone, Copy)]
pub struct Row {
    /// The files.
    pub at: At,
    /// Cases in the shared vectors.
    pub count: usize,
    /// Cases of types that come later, in the shared vectors.
    pub later: usize,
    /// Cases in our own vectors.
    pub own: usize,
    /// Whose code it tests.
    pub whose: Whose,
    /// The runner.
    pub(super) run: fn(&Input, &mut Report) -> Outcome,
}

impl Row {
    /// The file or folder, as the table names it.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        match self.at {
            At::File(path, _) | At::Each(path, _) | At::Set(path, _) => path,
        }
    }
}

const fn ours(at: At, count: usize, own: usize, run: fn(&Input, &mut Report) -> Outcome) -> Row {
    Row { at, count, later: 0, own, whose: Whose::Ours, run }
}

const fn adapter(at: At, count: usize, run: fn(&Input, &mut Report) -> Outcome) -> Row {
    Row { at, count, later: 0, own: 0, whose: Whose::Adapter, run }
}

const NOTES: &[&str] = &["cases/note", "cases/vkeys", "cases/expect", "cases/verified"];

/// Every row.
pub const ROWS: &[Row] = &[
    ours(At::Each("merkle/transparency-dev/inclusion", &["leafIdx", "treeSize", "leafHash", "wantErr"]), 59, 0, merkle::inclusion),
    ours(At::Each("merkle/transparency-dev/consistency", &["size1", "size2", "root1", "wantErr"]), 50, 0, merkle::consistency),
    adapter(At::Each("merkle/transparency-dev/subtreeinclusion", &["leafIdx", "start", "end", "wantErr"]), 118, merkle::subtree_inclusion),
    adapter(At::Each("merkle/transparency-dev/subtreeconsistency", &["start", "end", "size", "wantErr"]), 60, merkle::subtree_consistency),
    ours(At::File("merkle/rfc6962-roots.json", &["leaf_inputs", "node_hashes_by_level", "root_by_tree_size"]), 9, 0, merkle::roots),
    adapter(At::File("merkle/mtc-accumulated-subtrees.json", &["max_tree_size", "cases/sha256"]), 3, merkle::accumulated),
    ours(At::File("merkle/sigsum-rs/inclusion-valid.json", &["[]/leaf_hash", "[]/inclusion_path"]), 4, 0, merkle::sigsum),
    adapter(At::Set("merkle/argon2020", "get-sth"), 4, merkle::argon),
    ours(At::File("note/golang-sumdb-note.json", NOTES), 21, 0, note::notes),
    ours(At::File("note/c2sp-signed-note-examples.json", NOTES), 2, 0, note::notes),
    ours(At::File("note/vkeys.json", &["cases/expect", "cases/vkey"]), 14, 0, note::keys),
    ours(At::Set("note/armored-witness/ci", "720A9DEAD4390330.pub"), 13, 0, note::armored),
    ours(At::File("checkpoint/body-parse.json", &["cases/text", "cases/expect"]), 26, 0, checkpoint::bodies),
    ours(At::File("checkpoint/signed.json", &["cases/note", "cases/vkeys", "cases/expect"]), 12, 0, checkpoint::signed),
    adapter(At::Set("checkpoint/sigstore-java", "valid.txt"), 5, checkpoint::sigstore_java),
    ours(At::File("cosignature/cosigned-checkpoints.json", &["cases/note", "cases/checkpoint", "cases/signatures"]), 22, 0, checkpoint::cosignatures),
    ours(At::File("tiles/paths.json", &["cases/path", "cases/expect"]), 21, 0, tiles::paths),
    ours(At::File("tiles/geometry.json", &["tree_tiles", "entry_path", "node_address", "bundles"]), 21, 0, tiles::geometry),
    adapter(At::Set("tiles/navigli2025h2", "facts.json"), 10, tiles::navigli),
    ours(At::Set("tiles/skylight-mirror", "checkpoint"), 5, 0, tiles::skylight),
    ours(At::Set("logs/tessera-15", "log.vkey"), 62, 0, logs::tessera),
    adapter(At::Set("logs/armory-drive", "armory-drive-log.pub"), 6, logs::armory),
    ours(At::File("tlog-proof/oak-mutations.json", &["cases/proof", "cases/entry", "cases/log", "cases/quorum"]), 9, 0, proof::mutations),
    ours(At::File("tlog-proof/syntax.json", &["cases/proof", "cases/expect"]), 11, 0, proof::syntax),
    adapter(At::Set("tlog-proof/incubator", "log.vkey"), 3, proof::incubator),
    ours(At::Set("tlog-proof/oak", "test.tlog-proof"), 3, 0, proof::oak),
    ours(At::File("policy/checkpoints-under-policies.json", &["cases/policy", "cases/note", "cases/quorum_met"]), 4, 0, policy::under),
    ours(At::File("policy/policies.json", &["cases/policy", "cases/expect"]), 27, 0, policy::policies),
    ours(At::File("policy/faults.json", &["cases/sound_policy", "cases/expect"]), 0, 0, policy::faults),
    ours(At::Set("policy/real", "spicytool-default_policy.txt"), 2, 0, policy::real),
    ours(At::File("witness/add-checkpoint.json", &["sequences/logs", "sequences/steps"]), 20, 0, witness::conversations),
    ours(At::File("witness/malformed-requests.json", &["logs", "cases/body", "cases/status"]), 6, 0, witness::malformed),
    adapter(At::File("dsse/protocol-vector.json", &["pae/payload_type", "pae/pae", "envelope"]), 4, json::dsse),
    Row { later: 13, ..ours(At::File("leaves/log.json", &["origin", "attachments", "leaves/leaf", "leaves/event_id"]), 32, 0, leaves::log) },
    Row { later: 22, ..ours(At::File("leaves/refused.json", &["[]/base", "[]/expect", "[]/submission"]), 186, 0, leaves::refused) },
    ours(At::File("json/strict.json", &["cases/json", "cases/expect"]), 0, 0, json::strict),
    ours(At::File("trust/files.json", &["cases/trust", "cases/expect"]), 0, 0, verdict::trust),
    ours(At::File("trust/pins.json", &["cases/trust", "cases/policy", "cases/expect"]), 0, 0, verdict::pinning),
    ours(At::File("verdict/updates.json", &["proofs", "policy", "trust", "verdicts/code"]), 0, 0, verdict::updates),
    ours(At::File("refusals/statuses.json", &["codes/code", "codes/status", "codes/given_by"]), 0, 0, verdict::statuses),
];
