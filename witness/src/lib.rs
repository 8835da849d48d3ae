//! The witness: cosigns checkpoints of logs that only grow (50-policy-proof-witness.md, 55-witness.md).
//!
//! The protocol's decisions are `vitrine_spec::add_checkpoint`'s; this crate remembers, signs and answers.
//! [`Witness`] is the whole of it without a socket, [`http`] puts it on one, [`cli`] is the program.
//! [`crosscheck`] compares what logs show to others. The modules stand in reading order: each uses only those above it.
#![forbid(unsafe_code)]

pub mod limits;
pub mod stop;
pub mod disk;
pub mod frame;
pub mod record;
pub mod journal;
pub mod heads;
pub mod clock;
pub mod keys;
pub mod mark;
pub mod quota;
pub mod fetch;
pub mod lines;
pub mod logs;
pub mod peers;
pub mod request;
pub mod confirm;
pub mod answer;
pub mod metrics;
pub mod round;
mod committer;
mod witness;
pub mod crosscheck;
pub mod overview;
pub mod page;
pub mod http;
pub mod cli;

pub use answer::Answer;
pub use cli::{command, run};
pub use committer::Fatal;
pub use witness::{OpenError, Setup, Witness, make_journal};
