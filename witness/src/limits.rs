//! Every limit of the witness, with its derivation (55-witness.md).
//!
//! Limits that all parts share are in `vitrine_spec::limits`. Relations are checked at compile time.

use std::time::Duration;
use vitrine_spec::limits::{ADD_CHECKPOINT_BYTES_MAX, EVIDENCE_BYTES_MAX, NOTE_BYTES_MAX, SIGNATURE_LINE_BYTES};

/// Requests that are read, judged or waiting for their sync at one time; the next one is answered 429 [D-20].
///
/// Each holds a body of at most 265 KiB: 67 MiB in all.
pub const IN_FLIGHT_MAX: usize = 256;
/// Open connections; the next one is answered 429 and closed [D-20].
pub const CONNECTIONS_MAX: usize = 512;
/// File descriptors that the program needs: one a connection, and room for journal, lock and list files.
pub const DESCRIPTORS_MIN: u64 = CONNECTIONS_MAX as u64 + 64;
/// Bytes of request line and headers, and hyper's read buffer; more is answered 431 [D-20].
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Header lines of one request; more is answered 431 [D-20].
pub const HEADERS_MAX: usize = 64;
/// Requests under way on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 64;
/// Time to send the headers of a request, and how long an idle connection is kept for the next one.
pub const HEADERS_WAIT: Duration = Duration::from_secs(60);
/// Time to send a body after its headers; then 408.
pub const BODY_WAIT: Duration = Duration::from_secs(10);
/// Age at which a connection is asked to close, so that a peer that never reads cannot hold one for ever.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Time that open requests get to finish after SIGTERM.
pub const SHUTDOWN_WAIT: Duration = Duration::from_secs(10);

/// Bytes of the longest journal record: evidence of two notes and a proof; one note with the witness's own lines is shorter.
pub const RECORD_BYTES_MAX: usize = EVIDENCE_BYTES_MAX + 256;
/// Bytes of the payload of one frame: 58 of the longest records, 2,000 usual ones. What is more waits for the next sync.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a journal that is never compacted while it runs: below, rewriting costs more than it frees [D-8].
pub const COMPACT_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// A journal this many times as large as its newest records is compacted [D-8].
pub const COMPACT_RATIO: u64 = 4;

/// Earlier checkpoints of one origin that are kept, so that two sides of a fork meet at one size [D-21]: at one in a second,
/// those of a quarter of an hour.
pub const HISTORY_MAX: usize = 1_000;
/// Bytes of their records: 1,000 with both cosignatures.
pub const HISTORY_OF_ONE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of those of all origins together: what a start reads and writes again.
pub const HISTORY_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Seconds for which two notes of a log may be unreconciled before nothing of it is cosigned [D-23]: tiles may come late.
pub const DOUBT_S: u64 = 600;

/// Time to reach another server.
pub const FETCH_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// Time for a whole answer of another server.
pub const FETCH_WAIT: Duration = Duration::from_secs(10);
/// Redirects followed for one read.
pub const FETCH_REDIRECTS_MAX: usize = 3;
/// Reads from other servers under way at one time.
pub const FETCHES_MAX: usize = 32;
/// Tiles fetched to compare the notes of one log: roots and proofs of eight sizes, each at most 8 levels with 2 tiles.
pub const TILES_OF_A_PROOF_MAX: usize = 128;
/// Logs that are compared at one time.
pub const CHECKED_AT_ONCE: usize = 8;
/// Logs of one round of the cross-check; with more, each waits for its turn.
pub const CHECKED_IN_A_ROUND: usize = 1_000;
/// Bytes of a peer's list of evidence: a thousand lines.
pub const EVIDENCE_LIST_BYTES_MAX: usize = 65 * 1_000;
/// Time between the end of a round and the next, however soon that is wanted.
pub const ROUNDS_APART: Duration = Duration::from_secs(2);
/// Seconds between two rounds of the cross-check, unless a person says otherwise.
pub const CROSS_CHECK_S: u64 = 60;
/// Peers of one witness.
pub const PEERS_MAX: usize = 64;
/// Bytes of a `--peers` file: a policy with 64 witness lines.
pub const PEERS_BYTES_MAX: u64 = 256 * 1024;

/// Buckets of one quota: every log, or as many addresses.
pub const BUCKETS_MAX: usize = 65_536;
/// Logs on the page and in the status; those with something to say come first.
pub const PAGE_LOGS_MAX: usize = 500;
/// Bytes of a status that is read.
pub const STATUS_BYTES_MAX: usize = 1024 * 1024;

/// Logs of one `--logs` file. The largest public list asks witnesses for 40,000; each takes about 100 bytes of state.
pub const LOGS_MAX: usize = 65_536;
/// Keys of one log: two kinds, old and new of each, and room.
pub const LOG_KEYS_MAX: usize = 8;
/// Bytes of a `--logs` file: a line with an ML-DSA-44 vkey is about 2 KiB.
pub const LOGS_BYTES_MAX: u64 = LOGS_MAX as u64 * 2_048;
/// Bytes of a `--confirm-state` file: 4 KiB for each log's note.
pub const CONFIRM_BYTES_MAX: u64 = LOGS_MAX as u64 * 4_096;
/// Bytes of a key file or of the "has signed" mark: one line.
pub const SMALL_FILE_BYTES_MAX: u64 = 4_096;

/// Seconds that the clock may be behind the last signed time before the witness stops signing [D-12].
pub const CLOCK_BEHIND_MAX_S: u64 = 300;

const _: () = assert!(RECORD_BYTES_MAX <= FRAME_BYTES_MAX, "every record fits a frame");
const _: () = assert!(ADD_CHECKPOINT_BYTES_MAX < RECORD_BYTES_MAX, "what was accepted fits a record");
const _: () = assert!(NOTE_BYTES_MAX + 4 * SIGNATURE_LINE_BYTES < EVIDENCE_BYTES_MAX, "a cosigned note fits a record");
const _: () = assert!(HEADER_BYTES_MAX >= 8_192, "hyper refuses a smaller buffer");
const _: () = assert!(FRAME_BYTES_MAX <= u32::MAX as usize, "a frame's length is a u32");
