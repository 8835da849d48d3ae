//! The commands, one module each (cli.md); every `run` ends in a report or a failure.
//!
//! Not here: `verify-update` and `audit`, which are modules of their own.

pub mod attach;
pub mod key;
pub mod policy;
pub mod event_new;
pub mod event;
pub mod charter_sign;
pub mod charter;
pub mod submit;
pub mod log;
pub mod onboard;
pub mod rebuild;
pub mod import_slsa;
pub mod import;
pub mod bundle;
pub mod proof;
pub mod evidence;
pub mod open;
pub mod opening;
pub mod trust;
pub mod show;
