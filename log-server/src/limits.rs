//! Every bound of the log's own half, each with its derivation (85-log.md).
//!
//! Not here: bounds that clients must know too (`vitrine_spec::limits`), and those of connections (`config`).

/// Entries in one batch [S-1]: 64 full bundles, so that one stage stays small and a stop loses little work.
pub const BATCH_ENTRIES_MAX: usize = 16_384;

/// Bytes of leaves and sealed records in one batch [S-1].
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of one entry: its length is a `u16` in a bundle (C2SP tlog-tiles, "Log entries").
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Entries whose sealed records share a folder: no object reaches over a multiple of it, and a folder stays listable [S-29].
pub const SEALED_GROUP_ENTRIES: u64 = 65_536;

/// Bytes from which a copy begins another object of sealed records: half of what a batch writes at most.
pub const SEALED_OBJECT_BYTES: usize = BATCH_BYTES_MAX / 2;

/// Hashes in a full tile and entries in a full bundle (C2SP tlog-tiles, "Merkle Tree").
pub const TILE_WIDTH: usize = vitrine_spec::limits::TILE_WIDTH as usize;

/// Signature lines of a published checkpoint [S-9]: the log's two and at most fourteen cosignatures.
pub const CHECKPOINT_LINES_MAX: usize = 16;

/// Signature lines of the log itself: Ed25519 and ML-DSA-44.
pub const LOG_LINES: usize = 2;

/// Cosignature lines of a published checkpoint [S-9].
pub const COSIGNATURES_MAX: usize = CHECKPOINT_LINES_MAX - LOG_LINES;

/// Stages that may wait for their objects to be synced; the next batch then waits for the oldest [S-5].
pub const STAGES_MAX: usize = 8;

/// Objects written and not yet synced: each holds a file descriptor, and a process usually may have 1,024 [S-5].
pub const UNSYNCED_MAX: usize = 400;

/// Objects of the largest batch: bundles and level-0 tiles, each full or partial, the tiles above, and sealed records.
const BATCH_OBJECTS_MAX: usize = 2 * (BATCH_ENTRIES_MAX / TILE_WIDTH + 2) + 2 * 7 + 2;
const _: () = assert!(BATCH_ENTRIES_MAX as u64 <= SEALED_GROUP_ENTRIES, "one batch has two objects of records at most");
const _: () =
    assert!(vitrine_spec::limits::RECORD_BYTES_MAX + ENTRY_BYTES_MAX < BATCH_BYTES_MAX, "every entry fits a batch");
const _: () = assert!(BATCH_OBJECTS_MAX < UNSYNCED_MAX, "one batch fits what may wait for a sync");
const _: () = assert!(BATCH_ENTRIES_MAX.is_multiple_of(TILE_WIDTH), "a batch is a whole number of tiles");

/// Seconds that a partial object stays after its full tile was published [S-8].
pub const PARTIAL_KEPT_SECONDS: u64 = 3_600;

/// Full tiles without partials that may lie between two with partials: one batch fills no more [S-8].
pub const PARTIAL_GAP_MAX: u64 = (BATCH_ENTRIES_MAX / TILE_WIDTH) as u64 + 1;

/// Bytes of `head`: its line and a note with the log's two lines (an ML-DSA-44 line is 3,264 bytes of base64).
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Free bytes below which sled is not opened [S-16]: opened on a full disk it destroys itself (dependencies.md A, summary 3).
pub const INDEX_FREE_MIN: u64 = 64 * 1024 * 1024;

/// Bytes of sled's cache.
pub const INDEX_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Longest time between two durable states of the index, in milliseconds [S-15].
pub const INDEX_FLUSH_MILLIS: u64 = 1_000;

/// Entries between two durable states of an index that is being rebuilt; what is pending is in memory.
pub const REBUILD_CHUNK: usize = 8_192;

/// Events kept in memory behind the index, newest first.
pub const RECENT_EVENTS_MAX: usize = 4_096;

/// Indices that one look-up by digest or purl returns.
pub const LOOKUP_HITS_MAX: usize = 1_000;

/// Seconds that the clock may be behind the last signed time before the log stops signing [S-19].
pub const CLOCK_BEHIND_MAX_SECONDS: u64 = 300;

/// Bytes of attachments of one issuer that no published event names [S-41]: four of the largest.
pub const ATTACHMENTS_WAITING_BYTES_MAX: u64 = 4 << 30;

/// Attachments of one issuer that no published event names [S-41]: 64 events with all that they may name.
pub const ATTACHMENTS_WAITING_MAX: usize = 1_024;

/// Attachments of one issuer that come in at once: a quarter of all [S-41].
pub const ATTACHMENTS_COMING_OF_ISSUER_MAX: usize = 4;

/// Seconds that an attachment waits for an event that names it [S-42].
pub const ATTACHMENT_KEPT_SECONDS: u64 = 86_400;

/// Seconds that an attachment is spared after an event, or a second put, looked for it: longer than either takes [S-42].
pub const ATTACHMENT_SPARED_SECONDS: u64 = 7_200;

/// Bytes of an attachment that are in memory for one request.
pub const ATTACHMENT_PIECE_BYTES: usize = 64 * 1024;

const _: () =
    assert!(ATTACHMENTS_WAITING_BYTES_MAX >= vitrine_spec::limits::ATTACHMENT_BYTES_MAX, "the largest one can be put");
