//! Every limit of the client in one place, each with its derivation (cli.md).
//!
//! Not here: the limits of what all must agree on (`vitrine_spec::limits`), which these are checked against.

use std::time::Duration;

use vitrine_spec::limits::{ATTACH_EXPIRES_S, ATTACHMENT_BYTES_MAX, READ_EXPIRES_S};

/// Bytes of a key file: two lines, the longer one `PRIVATE+KEY+` name (100) `+` hash (8) `+` base64 of 33 bytes (44).
pub const KEY_FILE_BYTES_MAX: u64 = 4 * 1024;

/// Bytes of an event file: a submission is at most 128 KiB, and a person may have indented it.
pub const EVENT_FILE_BYTES_MAX: u64 = 512 * 1024;

/// Bytes of a policy or trust file: 32 logs, 32 witnesses and 32 groups with ML-DSA keys (1.8 kB each) fit four times.
pub const POLICY_FILE_BYTES_MAX: u64 = 512 * 1024;

/// Bytes of a tlog-proof: 63 hashes of 45 bytes, a checkpoint of 64 KiB, and a leaf of 65,535 bytes as base64.
pub const PROOF_BYTES_MAX: u64 = 192 * 1024;

/// Bytes of a checkpoint: 18 signature lines of at most 3.3 kB.
pub const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of an entry bundle: 256 entries of 65,535 bytes, each with its two length bytes.
pub const BUNDLE_BYTES_MAX: u64 = 256 * (2 + 65_535);

/// Bytes of a tile: 256 hashes.
pub const TILE_BYTES_MAX: u64 = 256 * 32;

/// Bytes of one entry.
pub const ENTRY_BYTES_MAX: u64 = 65_535;

/// Bytes of a look-up or `/issuers` answer: 64 streams and up to a few hundred proofs.
pub const LOOKUP_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of a problem document that are read; the rest is cut off.
pub const PROBLEM_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of the code in a problem document: a word, and ours have at most 18 letters.
pub const CODE_BYTES_MAX: usize = 64;

/// Bytes of anything that `show` reads.
pub const SHOW_BYTES_MAX: u64 = BUNDLE_BYTES_MAX;

/// Lines of one NDJSON batch (design.md 4).
pub const BATCH_LINES_MAX: usize = 4_096;

/// Bytes of one NDJSON batch (design.md 4).
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of the answer to a batch: a problem document of 2 kB per line and the checkpoint.
pub const BATCH_ANSWER_BYTES_MAX: u64 = BATCH_LINES_MAX as u64 * 2 * 1024 + CHECKPOINT_BYTES_MAX;

/// Time to open a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a read of one object.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a submission: the log itself gives up waiting for witnesses after 60 s with 504 `pending`.
pub const SUBMIT_TIMEOUT: Duration = Duration::from_secs(75);

/// Time for one read of sealed records: the log first writes the read down and waits for its witnesses, then sends up to
/// [`SEALED_CHUNK_BYTES`] and one bundle more.
pub const SEALED_TIMEOUT: Duration = Duration::from_secs(300);

/// Bytes of sealed records that are asked for at once, as far as bundles allow: 30,000 records of the smallest size.
pub const SEALED_CHUNK_BYTES: u64 = 32 * 1024 * 1024;

/// Entries of one read of sealed records (design.md 4).
pub const SEALED_ENTRIES_MAX: u64 = 65_536;

/// Bytes before each record in an answer: its index and its length.
pub const SEALED_HEAD_BYTES: u64 = 8 + 4;

/// Seconds for which a read request is signed; the log takes 300 at most, and clocks differ.
pub const READ_REQUEST_S: u64 = 120;

/// How often one read of sealed records is tried while the log is busy.
pub const READ_ATTEMPTS: u32 = 5;

/// Records that an audit keeps as evidence: enough to show what was served, and no second copy of the log.
pub const RECORD_EVIDENCE_MAX: usize = 16;

/// Seconds for which an attach request is signed; the log looks at it before the first byte, and clocks differ.
pub const ATTACH_REQUEST_S: u64 = 600;

/// Bytes of an attachment that are read and sent at once.
pub const UPLOAD_PIECE_BYTES: usize = 64 * 1024;

/// Bytes a second below which an attachment is given up: the longest takes an hour, which is how long the log waits.
pub const UPLOAD_BYTES_PER_S: u64 = 300_000;

/// Bytes of an opening: 24 fields, each a value of 1,024 bytes or a commitment, a salt of 44 characters, quotes and brackets.
pub const OPENING_BYTES_MAX: u64 = 64 * 1024;

/// Requests that are under way at once when many objects are read.
pub const PARALLEL_READS: usize = 16;

/// Longest single pause between two attempts, whatever `Retry-After` says.
pub const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Shortest pause between two attempts, whatever `Retry-After` says.
pub const PAUSE_MIN: Duration = Duration::from_millis(250);

/// Builds that an update refers to: as many references as an event holds.
pub const RELEASES_MAX: usize = 16;

/// How often an event is put at a newer place and signed again within one run.
pub const REPLACE_ATTEMPTS: u32 = 16;

/// Accesses that wait in a gateway for their turn: one full batch, and the one that fills meanwhile.
pub const GATEWAY_QUEUE_MAX: usize = 2 * GATEWAY_BATCH_MAX;

/// Accesses that a gateway seals at once: with a sealing key and a heartbeat they are one batch of a log.
pub const GATEWAY_BATCH_MAX: usize = 2_048;

/// Accesses of one request to a gateway.
pub const ACCESSES_PER_REQUEST_MAX: usize = 1_024;

/// Bytes of a request to a gateway: the most accesses with 4 kB of fields each.
pub const ACCESS_BODY_BYTES_MAX: usize = ACCESSES_PER_REQUEST_MAX * 4 * 1024;

/// Parcels that wait in a gateway's spool: a day at ten a second; each holds one or more sealed accesses.
pub const GATEWAY_PARCELS_MAX: usize = 864_000;

/// Longest time that the keeper of a gateway's spool tries before it says why it could not deliver.
pub const CARRY_SLICE: Duration = Duration::from_secs(10);

/// Bytes of the answer about the charter: two leaves as base64, their paths, and a checkpoint.
pub const CHARTER_BYTES_MAX: u64 = 512 * 1024;

/// Versions of a charter that are followed back to the first: one a week for twenty years.
pub const CHARTER_VERSIONS_MAX: u64 = 1_040;

/// Bytes of a mapping file: some thousand lines of words.
pub const MAPPING_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of a table beside it: some 500,000 rows of people or objects.
pub const IMPORT_TABLE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bytes of one line of a source: a statement is part of it, and the longest that a client sends is some megabytes.
pub const IMPORT_LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a source that is read as a whole, unpacked: CloudTrail writes files of some ten megabytes.
pub const IMPORT_WHOLE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Events that an import seals at once: a batch of the log holds twice as many, and 2.5 kB each are a third of its bytes.
pub const IMPORT_BATCH: usize = 2_048;

/// Bytes of a file with provenance: an attestation has some 15 kB, and lists of a thousand materials 300 kB.
pub const PROVENANCE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Places that are named of each reason for leaving records out; the square of it is how many warnings are kept in words.
pub const IMPORT_EXAMPLES: usize = 5;

/// Sessions of a database that an import remembers: 100 bytes each; after a day's 65,536 connections the oldest half goes.
pub const PG_SESSIONS_MAX: usize = 65_536;

/// Bytes of a vendor's list of releases: some 400,000 rows.
pub const RELEASES_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Time for a webhook to confirm an alert.
pub const ALERT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for a command to confirm an alert: it may hand it on to a mail server that is slow.
pub const ALERT_COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Alerts that the report of one run holds; the rest is counted.
pub const ALERTS_SHOWN_MAX: usize = 256;

/// How often an older checkpoint than the remembered one is asked for again: a cache may be some seconds behind.
pub const OLDER_ATTEMPTS: u32 = 3;

/// Bytes of what a watch remembers of silences that it has told: two names, an epoch and a time for each of some ten thousand.
pub const TOLD_BYTES_MAX: u64 = 4 * 1024 * 1024;

const _: () = assert!(PROOF_BYTES_MAX > 63 * 45 + CHECKPOINT_BYTES_MAX + ENTRY_BYTES_MAX * 4 / 3 + 128);
const _: () = assert!(OPENING_BYTES_MAX > 24 * (1_024 + 64));
const _: () = assert!(SEALED_CHUNK_BYTES < SEALED_ENTRIES_MAX * 1_088, "bytes, not entries, end most reads");
const _: () = assert!(READ_REQUEST_S < READ_EXPIRES_S && ATTACH_REQUEST_S < ATTACH_EXPIRES_S);
const _: () = assert!(ATTACHMENT_BYTES_MAX / UPLOAD_BYTES_PER_S < 3_600, "the log takes that long");
const _: () = assert!(SUBMIT_TIMEOUT.as_secs() > 60, "the log's own answer comes first");
const _: () = assert!(GATEWAY_BATCH_MAX + 2 <= BATCH_LINES_MAX && ACCESSES_PER_REQUEST_MAX <= GATEWAY_BATCH_MAX);
const _: () = assert!(PROVENANCE_BYTES_MAX <= ATTACHMENT_BYTES_MAX, "it goes along as an attachment");
const _: () = assert!(IMPORT_BATCH < BATCH_LINES_MAX, "an import's batch and its sealing key are one batch");
