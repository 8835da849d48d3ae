//! The table: one row for each file or folder of vectors.
//!
//! `count` is asserted on the shared files, `own` on those in `spec/vectors`; elsewhere the counts are printed. Not here: the
//! reasons of refused cases and our choices where a case says `either`, which `reasons.txt` beside the vectors pins.

use At::{Each, File, Set};
use Whose::{Adapter, Ours};

use super::input::{Input, Outcome};
use super::report::Report;
use super::{
    checkpoint, drill, evidence, json, leaves, logs, merkle, note, policy, proof, sealed, tiles, verdict, witness,
};

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

const fn row(whose: Whose, at: At, [count, later, own]: [usize; 3], run: fn(&Input, &mut Report) -> Outcome) -> Row {
    Row { at, count, later, own, whose, run }
}

/// Every row: whose code, which files, their shape, cases shared and (for later types) left and our own, runner.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(Ours, Each("merkle/transparency-dev/inclusion", &["leafIdx", "treeSize", "leafHash", "wantErr"]), [59, 0, 0], merkle::inclusion),
    row(Ours, Each("merkle/transparency-dev/consistency", &["size1", "size2", "root1", "wantErr"]), [50, 0, 0], merkle::consistency),
    row(Adapter, Each("merkle/transparency-dev/subtreeinclusion", &["leafIdx", "start", "end", "wantErr"]), [118, 0, 0], merkle::subtree_inclusion),
    row(Adapter, Each("merkle/transparency-dev/subtreeconsistency", &["start", "end", "size", "wantErr"]), [60, 0, 0], merkle::subtree_consistency),
    row(Ours, File("merkle/rfc6962-roots.json", &["leaf_inputs", "node_hashes_by_level", "root_by_tree_size"]), [9, 0, 0], merkle::roots),
    row(Adapter, File("merkle/mtc-accumulated-subtrees.json", &["max_tree_size", "cases/sha256"]), [3, 0, 0], merkle::accumulated),
    row(Ours, File("merkle/sigsum-rs/inclusion-valid.json", &["[]/leaf_hash", "[]/inclusion_path"]), [4, 0, 0], merkle::sigsum),
    row(Adapter, Set("merkle/argon2020", "get-sth"), [4, 0, 0], merkle::argon),
    row(Ours, File("note/golang-sumdb-note.json", &["cases/note", "cases/vkeys", "cases/expect", "signing"]), [21, 0, 0], note::notes),
    row(Ours, File("note/c2sp-signed-note-examples.json", &["cases/note", "cases/vkeys", "cases/expect"]), [2, 0, 8], note::notes),
    row(Ours, File("note/vkeys.json", &["cases/expect", "cases/vkey"]), [14, 0, 16], note::keys),
    row(Ours, Set("note/armored-witness/ci", "720A9DEAD4390330.pub"), [13, 0, 0], note::armored),
    row(Ours, File("checkpoint/body-parse.json", &["cases/text", "cases/expect"]), [26, 0, 10], checkpoint::bodies),
    row(Ours, File("checkpoint/signed.json", &["cases/note", "cases/vkeys", "cases/expect"]), [12, 0, 0], checkpoint::signed),
    row(Adapter, Set("checkpoint/sigstore-java", "valid.txt"), [5, 0, 0], checkpoint::sigstore_java),
    row(Ours, File("cosignature/cosigned-checkpoints.json", &["cases/note", "cases/checkpoint", "cases/signatures"]), [22, 0, 8], checkpoint::cosignatures),
    row(Ours, File("tiles/paths.json", &["cases/path", "cases/expect"]), [21, 0, 0], tiles::paths),
    row(Ours, File("tiles/geometry.json", &["tree_tiles", "entry_path", "node_address", "bundles"]), [21, 0, 0], tiles::geometry),
    row(Ours, File("tiles/limits.json", &["tiles/level", "bundles/hex", "entries/bytes"]), [0, 0, 14], tiles::limits),
    row(Adapter, Set("tiles/navigli2025h2", "facts.json"), [10, 0, 0], tiles::navigli),
    row(Ours, Set("tiles/skylight-mirror", "checkpoint"), [5, 0, 0], tiles::skylight),
    row(Ours, Set("logs/tessera-15", "log.vkey"), [62, 0, 0], logs::tessera),
    row(Adapter, Set("logs/armory-drive", "armory-drive-log.pub"), [6, 0, 0], logs::armory),
    row(Ours, File("tlog-proof/oak-mutations.json", &["cases/proof", "cases/entry", "cases/log", "cases/quorum"]), [9, 0, 0], proof::mutations),
    row(Ours, File("tlog-proof/syntax.json", &["cases/proof", "cases/expect"]), [11, 0, 16], proof::syntax),
    row(Adapter, Set("tlog-proof/incubator", "log.vkey"), [3, 0, 0], proof::incubator),
    row(Ours, Set("tlog-proof/oak", "test.tlog-proof"), [3, 0, 0], proof::oak),
    row(Ours, File("policy/policies.json", &["cases/policy", "cases/expect"]), [27, 0, 10], policy::policies),
    row(Ours, File("policy/faults.json", &["cases/sound_policy", "cases/expect"]), [0, 0, 6], policy::faults),
    row(Ours, Set("policy/real", "spicytool-default_policy.txt"), [2, 0, 0], policy::real),
    row(Ours, File("policy/checkpoints-under-policies.json", &["cases/policy", "cases/note", "cases/quorum_met"]), [4, 0, 7], policy::under),
    row(Ours, File("witness/add-checkpoint.json", &["sequences/logs", "sequences/steps"]), [20, 0, 10], witness::conversations),
    row(Ours, File("witness/malformed-requests.json", &["logs", "cases/body", "cases/status"]), [6, 0, 10], witness::malformed),
    row(Ours, File("evidence/files.json", &["cases/evidence", "cases/vkeys", "cases/expect"]), [0, 0, 115], evidence::files),
    row(Ours, File("evidence/requests.json", &["cases/known", "cases/body", "cases/evidence"]), [0, 0, 13], evidence::requests),
    row(Adapter, File("dsse/protocol-vector.json", &["pae/payload_type", "pae/pae", "envelope"]), [4, 0, 0], json::dsse),
    row(Ours, File("leaves/log.json", &["origin", "attachments", "leaves/leaf", "leaves/event_id"]), [45, 0, 44], leaves::log),
    row(Ours, File("leaves/refused.json", &["[]/base", "[]/expect", "[]/submission"]), [208, 0, 216], leaves::refused),
    row(Ours, File("leaves/requests.json", &["origin", "cases/authorization", "cases/kind"]), [0, 0, 80], leaves::requests),
    row(Ours, File("sealed/records.json", &["cases/K", "cases/record", "cases/opening"]), [0, 0, 8], sealed::records),
    row(Ours, File("sealed/unopenable.json", &["cases/W", "cases/leaf", "cases/record", "cases/expect"]), [0, 0, 48], sealed::unopenable),
    row(Ours, File("sealed/values.json", &["fields/field", "records/values"]), [0, 0, 459], sealed::table),
    row(Ours, File("sealed/openings.json", &["cases/opening", "cases/leaf", "cases/expect"]), [0, 0, 48], sealed::openings),
    row(Ours, File("sealed/wraps.json", &["cases/seed", "cases/wrap", "texts/text", "seeds/text"]), [0, 0, 52], sealed::wraps),
    row(Ours, File("json/strict.json", &["cases/json", "cases/expect"]), [0, 0, 37], json::strict),
    row(Ours, File("trust/files.json", &["cases/trust", "cases/expect"]), [0, 0, 38], verdict::trust),
    row(Ours, File("trust/pins.json", &["cases/trust", "cases/policy", "cases/expect"]), [0, 0, 7], verdict::pinning),
    row(Ours, File("verdict/updates.json", &["proofs", "policy", "trust", "verdicts/code"]), [0, 0, 39], verdict::updates),
    row(Ours, Set("drill", "cases.json"), [0, 0, 141], drill::cases),
    row(Ours, File("bundle/files.json", &["cases/bundle", "cases/expect"]), [0, 0, 41], drill::bundles),
    row(Ours, File("watched/files.json", &["cases/watched", "cases/expect"]), [0, 0, 31], drill::watches),
    row(Ours, File("floor/files.json", &["cases/floor", "cases/expect"]), [0, 0, 26], drill::floors),
    row(Ours, File("refusals/statuses.json", &["codes/code", "codes/status", "codes/given_by"]), [0, 0, 41], verdict::statuses),
];
