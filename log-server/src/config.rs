//! What an operator chooses for a running server, and the bounds of its connections, queues and waits (85-log.md).
//!
//! Not here: bounds of batches and objects (`limits`), bounds that clients must know too (`vitrine_spec::limits`), the
//! command line that fills `Config` (`cli`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::{ATTACHMENT_SPARED_SECONDS, BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};

/// What `log-server serve` was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory.
    pub dir: PathBuf,
    /// The directory of the log's keys.
    pub keys: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The policy file: who witnesses, and how many must have answered before anything is acknowledged.
    pub policy: PathBuf,
    /// Shortest time between the starts of two batches that follow each other.
    pub batch_every: Duration,
    /// Free bytes of the data directory's file system under which admission stops.
    pub free_bytes_min: u64,
    /// A person says that this directory, last used on another machine, is the only copy.
    pub take_over: bool,
    /// Witnesses, by key name, that the rollback guard does not ask.
    pub set_aside: Vec<String>,
    /// Where a witness is read when that is not where it is asked: key name and monitoring prefix.
    pub monitoring: Vec<(String, String)>,
    /// A person accepts that this machine's clock is right and the last signed time was wrong.
    pub clock_was_wrong: bool,
    /// A person accepts a policy whose quorum is `none`.
    pub unwitnessed: bool,
}

/// Milliseconds between two batches unless `--batch-ms` says otherwise: ten heads a second at most.
pub const BATCH_MILLIS_DEFAULT: u64 = 100;
/// Free bytes under which admission stops unless `--min-free` says otherwise.
pub const FREE_BYTES_MIN_DEFAULT: u64 = 2 << 30;
/// How often free space and clock are looked at.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);
/// An idle log signs its head anew this often, so that cosignatures stay fresh.
pub const SIGN_ANEW_EVERY: Duration = Duration::from_secs(600);

/// Entries that may wait for a batch: four batches.
pub const POOL_ENTRIES_MAX: usize = 65_536;
/// Bytes of entries that may wait for a batch.
pub const POOL_BYTES_MAX: usize = 64 << 20;
const _: () =
    assert!(POOL_ENTRIES_MAX >= BATCH_ENTRIES_MAX && POOL_BYTES_MAX >= BATCH_BYTES_MAX, "a full batch fits the pool");

/// How long a request waits for its checkpoint before it ends as `pending`.
pub const SUBMIT_WAIT: Duration = Duration::from_secs(60);
/// Lines judged under one hold of the admission lock: about a millisecond.
pub const JUDGE_LINES: usize = 64;
/// Lines whose signatures are checked before the first of them is judged: a bad one spares the arithmetic of later groups.
pub const VERIFY_LINES: usize = 512;

/// Connections at once; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 4_096;
/// File descriptors that are kept for objects, the index and witnesses.
pub const DESCRIPTORS_RESERVED: u64 = 640;
/// Bytes of the head of a request.
pub const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Header lines of a request.
pub const REQUEST_HEADERS_MAX: usize = 64;
/// Requests at once on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 128;
/// How long a connection may take to send the head of a request, idle time between two requests included.
pub const REQUEST_HEAD_WAIT: Duration = Duration::from_secs(30);
/// How long a request may take to send its body.
pub const BODY_WAIT: Duration = Duration::from_secs(30);
/// Bytes of request bodies in memory at once, all connections together.
pub const BODY_BYTES_IN_FLIGHT_MAX: usize = 64 << 20;
/// Requests at once that wait for a checkpoint, all connections together.
pub const WAITING_MAX: usize = 16_384;
/// Reads of objects and of the index at once; more wait their turn.
pub const READS_MAX: usize = 64;
/// Reads that run or wait; more are refused.
pub const READS_WAITING_MAX: usize = 8_192;
/// Attachments that come in at once.
pub const ATTACHMENTS_COMING_MAX: usize = 16;
/// Bytes of one that are gathered before they are written.
pub const ATTACHMENT_BUFFER_BYTES: usize = 1 << 20;
/// How long an attachment may take to come in: as long as its request may be signed for.
pub const ATTACHMENT_WAIT: Duration = Duration::from_secs(3_600);
const _: () = assert!(ATTACHMENT_WAIT.as_secs() < ATTACHMENT_SPARED_SECONDS, "what is put again is here at its end");
/// Reads of sealed records at once: each holds one object of the store, of one batch, in memory.
pub const SEALED_READS_MAX: usize = 4;
/// How long a reader may take for the sealed records of one answer: 65,536 of them at 20 kB a second.
pub const SEALED_WAIT: Duration = Duration::from_secs(3_600);
/// Bytes of sealed records that are gathered before they are sent.
pub const SEALED_PIECE_BYTES: usize = 64 * 1024;
/// How long a reader may take for one piece of them: then its place is another's, and what it has in memory is dropped.
pub const SEALED_PIECE_WAIT: Duration = Duration::from_secs(60);
/// Records that must be zero, after so many of which the server says at its start how many it still looks at.
pub const ERASED_SAID_EVERY: usize = 10_000;
/// How often attachments are looked at that no published event names.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How long a look-up waits for an index that is behind the published size.
pub const INDEX_WAIT: Duration = Duration::from_secs(5);
/// How long requests may take to end after SIGTERM.
pub const LEAVE_WAIT: Duration = Duration::from_secs(10);
/// Seconds after which a client that was refused for overload may come again.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// How long the log that is copied may keep silent: a read of sealed records waits for its own checkpoint first.
pub const FOLLOW_WAIT: Duration = Duration::from_secs(90);
/// How often it is asked again when it cannot be reached or is busy; the pause begins with `BACK_OFF_FIRST` and doubles.
pub const FOLLOW_ATTEMPTS: u32 = 6;
/// Requests to it at once.
pub const FOLLOW_AT_ONCE_MAX: usize = 8;
/// Checkpoints that one run copies: each read of sealed records adds to the log, and so may others.
pub const FOLLOW_ROUNDS_MAX: u32 = 4;
/// Seconds that a request for sealed records is signed for: it may have to wait its turn.
pub const READ_REQUEST_SECONDS: u64 = 240;
const _: () =
    assert!(FOLLOW_WAIT.as_secs() > SUBMIT_WAIT.as_secs(), "an answer that waits for a checkpoint is waited for");

/// How long a witness may take for one answer, connection included.
pub const WITNESS_WAIT: Duration = Duration::from_secs(5);
/// Bytes of an answer of a witness.
pub const WITNESS_BODY_BYTES_MAX: usize = 64 * 1024;
/// Seconds that the time of a cosignature may differ from our clock.
pub const WITNESS_CLOCK_SECONDS: u64 = 300;
/// First pause before a witness that did not cosign is asked again; doubled each time.
pub const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
/// Longest pause before a witness is asked again.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// Characters of a witness's error text that are kept and shown.
pub const WITNESS_TEXT_MAX: usize = 200;

/// Bundles that one page of the explorer reads: 256 entries each, of 2 to 4 kB as a rule.
pub const EXPLORE_BUNDLES_MAX: usize = 64;
/// Events by one digest that a page of the explorer looks at.
pub const EXPLORE_HITS_MAX: usize = 32;
/// Rows of one page of the explorer; a link leads to the next ones.
pub const EXPLORE_ROWS_MAX: usize = 50;
/// Versions of a product on one page, each with everything that is said of it.
pub const EXPLORE_VERSIONS_MAX: usize = 20;
/// Events of one version that are looked at, and files of one update.
pub const EXPLORE_EACH_MAX: usize = 8;
/// Hours of which the plot of a log's growth reads the kept checkpoint.
pub const EXPLORE_HOURS_MAX: u64 = 60;
