//! The log server: admission, sequencing, signing, publishing, serving (ARCHITECTURE.md).
//!
//! The modules stand in reading order and each uses only those above it. The first half, up to `init`, is the log itself:
//! synchronous, without network, clock or runtime. The second half takes requests, asks witnesses and serves files.
//! Not here: what a valid event or a valid proof is (`vitrine_spec`).

pub mod limits;
pub mod stop;
pub mod time;
pub mod layout;
pub mod store;
pub mod keys;
pub mod head;
pub mod sealed;
pub mod batch;
pub mod reader;
pub mod settle;
pub mod log;
pub mod open;
pub mod erase;
pub mod fold;
pub mod index;
pub mod attachments;
pub mod fsck;
pub mod init;

pub mod config;
pub mod metrics;
pub mod listener;
pub mod problem;
pub mod answers;
pub mod witnesses;
pub mod guard;
pub mod view;
pub mod admission;
pub mod indexer;
pub mod writer;
pub mod vault;
pub mod http;
pub mod serve;
pub mod status;
pub mod follow;
pub mod dev;
pub mod cli;

#[cfg(test)]
mod fake;

pub use cli::{command, run};
