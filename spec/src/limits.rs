//! Every limit that the parts must share, with its derivation (docs/10 to docs/90).
//!
//! Relations between limits are checked at compile time. Not here: the limits of one server (queues, connections, quotas).

// ---- Trees, tiles, notes, proofs, policies, witnesses (docs/10 to docs/50) ----

/// Bytes of one hash: SHA-256 [H-1].
pub const HASH_BYTES: usize = 32;
/// Hashes in a full tile and entries in a full bundle [T-2].
pub const TILE_WIDTH: u16 = 256;
/// Bytes of a full tile [T-2].
pub const TILE_BYTES_MAX: usize = TILE_WIDTH as usize * HASH_BYTES;
/// Highest tile level a path may name [T-1].
pub const TILE_LEVEL_MAX: u8 = 63;
/// Bytes of one entry: a bundle gives its length as a `u16` [T-6].
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;
/// Bytes of a full bundle of the longest entries [T-6].
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_BYTES_MAX);
/// Hashes in one proof: sizes are `u64`, and a path of 64 would need more than 2^63 entries [W-2].
pub const PROOF_HASHES_MAX: usize = 63;
/// Bytes of one hash in base64 with its newline.
pub const HASH_LINE_BYTES: usize = 45;
/// Digits of the largest `u64`.
pub const DECIMAL_BYTES_MAX: usize = 20;

/// Signature lines accepted in one note; signed-note asks for at least 16 [N-6].
pub const NOTE_SIGNATURES_MAX: usize = 64;
/// Bytes of one signature line that the note limit has room for: an ML-DSA-44 cosignature is 3,244 bytes in base64
/// (4 + 8 + 2,420 bytes), the rest is its key name.
pub const SIGNATURE_LINE_BYTES: usize = 3_584;
/// Bytes of a note: 64 lines with ML-DSA-44 cosignatures, and 32 KiB of text. Sixteen lines of 5 kB fit as well [N-6].
pub const NOTE_BYTES_MAX: usize = NOTE_SIGNATURES_MAX * SIGNATURE_LINE_BYTES + 32 * 1024;
/// Signatures that one checkpoint may need in a policy the log server takes: 16 are accepted everywhere, two are the log's own [P-9].
pub const POLICY_SIGNATURES_MAX: usize = 14;
/// Bytes of a name inside the message of an ML-DSA-44 cosignature [C-4].
pub const COSIGNED_NAME_BYTES_MAX: usize = 255;
/// Latest time of a cosignature: 2^63 − 1 [C-2].
pub const COSIGNATURE_TIME_MAX: u64 = i64::MAX as u64;
/// Seconds that a cosignature may be ahead of the verifier's clock and still count [P-8].
pub const CLOCK_AHEAD_S: u64 = 300;

/// Log lines, and as many witness lines and group lines, in one policy; tlog-policy asks for at least 32 of each [P-5].
pub const POLICY_LINES_MAX: usize = 64;
/// Bytes of a policy file: 64 ML-DSA-44 vkeys for logs and 64 for witnesses at 2 KiB each, and as much again for the rest.
pub const POLICY_BYTES_MAX: usize = 4 * POLICY_LINES_MAX * 2_048;

/// Bytes of the leaf in base64 that a tlog-proof carries in its `extra` line.
pub const EXTRA_BASE64_BYTES_MAX: usize = ENTRY_BYTES_MAX.div_ceil(3) * 4;
/// Bytes of a tlog-proof: header, `extra`, `index`, hashes, blank line, checkpoint [F-1].
pub const TLOG_PROOF_BYTES_MAX: usize = 23
    + (7 + EXTRA_BASE64_BYTES_MAX)
    + (7 + DECIMAL_BYTES_MAX)
    + HASH_LINE_BYTES * PROOF_HASHES_MAX
    + 1
    + NOTE_BYTES_MAX;
/// Entries of one release bundle: an update with 8 builds, five rebuilds and a review of each, verdicts, revocations and charters [B-2].
pub const RELEASE_ENTRIES_MAX: usize = 128;
/// Bytes of a release bundle: header, entries, as many hashes as separate paths would have, blank line, checkpoint [B-2].
pub const RELEASE_BYTES_MAX: usize = 26
    + RELEASE_ENTRIES_MAX * (8 + DECIMAL_BYTES_MAX + EXTRA_BASE64_BYTES_MAX + PROOF_HASHES_MAX * (5 + HASH_LINE_BYTES))
    + 1
    + NOTE_BYTES_MAX;
/// Bytes of the file that a watch writes: a hundred thousand lines of the longest kind [O-1].
pub const WATCHED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a floor file: a thousand streams [V-44].
pub const FLOOR_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an add-checkpoint body: the old size, proof lines, a blank line, the checkpoint [W-2].
pub const ADD_CHECKPOINT_BYTES_MAX: usize =
    (5 + DECIMAL_BYTES_MAX) + HASH_LINE_BYTES * PROOF_HASHES_MAX + 1 + NOTE_BYTES_MAX;
/// Bytes of an evidence file: the header, `root` and a hash, a proof, two blank lines, two notes [Y-1].
pub const EVIDENCE_BYTES_MAX: usize =
    20 + (5 + HASH_LINE_BYTES) + HASH_LINE_BYTES * PROOF_HASHES_MAX + 2 + 2 * NOTE_BYTES_MAX;
/// Bytes of a witness's answer to add-checkpoint: both of its cosignature lines, with room for longer names [W-8].
pub const WITNESS_ANSWER_BYTES_MAX: usize = 4 * SIGNATURE_LINE_BYTES;

const _: () = assert!(NOTE_SIGNATURES_MAX >= 16, "signed-note: at least 16 signatures are accepted");
const _: () = assert!(NOTE_BYTES_MAX >= 16 * (5_000 * 4 / 3 + 4 + 256) + 4_096, "sixteen signatures of 5 kB fit");
const _: () = assert!(POLICY_SIGNATURES_MAX + 2 <= 16, "what a policy needs fits any verifier's note");
const _: () = assert!(POLICY_LINES_MAX >= 32, "tlog-policy: at least 32 of each kind of line");
const _: () = assert!(ADD_CHECKPOINT_BYTES_MAX < 300 * 1024, "one request is a small buffer");

/// Bytes of a payload of a type that is not sealed [L-12]; in base64 with nine signatures a leaf is below 61,440.
pub const PAYLOAD_BYTES_MAX: usize = 40_000;
/// Bytes of a payload of a sealed type [L-12].
pub const SEALED_PAYLOAD_BYTES_MAX: usize = 8_192;
/// Bytes of a slot: K and the tag.
pub const SLOT_BYTES: usize = 48;
/// Steps in which a record grows: the length of its plain text.
pub const STEP_BYTES: usize = 1_024;
/// Bytes of the tag of the ciphertext.
pub const TAG_BYTES: usize = 16;
/// Steps of a record, at most.
pub const STEPS_MAX: usize = 32;
/// Bytes of a sealed record, at most: 48 + 1024 · 32 + 16.
pub const RECORD_BYTES_MAX: usize = SLOT_BYTES + STEP_BYTES * STEPS_MAX + TAG_BYTES;

/// Seconds after its `recorded` for which a sealing key is open.
pub const SEALING_KEY_S: u64 = 3_600;
/// Events after it for which a sealing key is open.
pub const SEALING_KEY_EVENTS: u64 = 65_536;
/// Entries of one read request.
pub const READ_ENTRIES_MAX: u64 = 65_536;
/// Seconds that a read request may be valid.
pub const READ_EXPIRES_S: u64 = 300;
/// Seconds that an attach request may be valid.
pub const ATTACH_EXPIRES_S: u64 = 3_600;
/// Bytes of an attachment.
pub const ATTACHMENT_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a request behind `DSSE `, decoded: a purpose of 256 bytes may be escaped sixfold.
pub const REQUEST_BYTES_MAX: usize = 8_192;
/// Bytes of a submission: an envelope of the largest payload, and a sealed record of 32 KiB in base64 [E-5].
pub const SUBMISSION_BYTES_MAX: usize = 128 * 1024;
/// Lines of one NDJSON body.
pub const NDJSON_LINES_MAX: usize = 4_096;
/// Bytes of one NDJSON body.
pub const NDJSON_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Seconds that `recorded` may be ahead of the server's clock.
pub const RECORDED_AHEAD_S: u64 = 60;

const _: () = assert!(PAYLOAD_BYTES_MAX.div_ceil(3) * 4 + 9 * 256 + 128 <= 61_440, "a leaf is below 61,440 bytes");
const _: () = assert!(RECORD_BYTES_MAX.div_ceil(3) * 4 + 61_440 * 4 / 3 <= SUBMISSION_BYTES_MAX, "a submission fits");
const _: () = assert!(61_440 <= ENTRY_BYTES_MAX, "every leaf is an entry");
