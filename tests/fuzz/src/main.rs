//! Fuzz targets, one for each parser of network bytes in `vitrine-spec`, run by libFuzzer on the stable toolchain (`./run`).
//!
//! Each target says more than "no panic": what was read prints as the bytes it was read from, what is printed is read as the
//! same, limits hold, a second implementation agrees. Not here: files, sockets, the parsers of the log's own disk.
#![no_main]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target reports by panicking")]

mod oracle;
mod given;
mod texts;
mod events;
mod sealed;
mod verdicts;
mod seeds;

use std::process::exit;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// What is tried with an input; it panics when a property does not hold.
type Target = fn(&[u8]);

/// Every target: the word for `VITRINE_FUZZ`, bytes of an input, and what is tried with them.
///
/// Where a limit of the format is small enough it is below that length; beside the others, short inputs find more.
const TARGETS: &[(&str, usize, Target)] = &[
    ("text", 256, texts::text),
    ("vkey", 4_096, texts::vkey),
    ("reader", 2_048, texts::reader),
    ("note", 16_384, texts::note),
    ("checkpoint", 16_384, texts::checkpoint),
    ("cosignature", 16_384, texts::cosignature),
    ("policy", 8_192, texts::policy),
    ("tlog-proof", 16_384, texts::tlog_proof),
    ("add-checkpoint", 16_384, texts::add_checkpoint),
    ("evidence", 16_384, texts::evidence),
    ("tile-path", 128, texts::tile_path),
    ("tile", 8_448, texts::tile),
    ("trust", 8_192, texts::trust),
    ("json", 8_192, events::json),
    ("envelope", 32_768, events::envelope),
    ("leaf", 32_768, events::leaf),
    ("statement", 49_152, events::statement),
    ("body", 49_152, events::body),
    ("draft", 65_536, events::draft),
    ("opening", 16_384, sealed::opening),
    ("record", 33_000, sealed::record),
    ("wrap", 2_048, sealed::wrap),
    ("request", 16_384, sealed::request),
    ("bundle", 16_384, verdicts::bundle),
    ("watched", 8_192, verdicts::watched),
    ("floor", 8_192, verdicts::floor),
    ("verdict", 32_768, verdicts::verdict),
];

static CHOSEN: OnceLock<Target> = OnceLock::new();

/// Runs before libFuzzer looks at its arguments.
fn start() {
    let word = std::env::var("VITRINE_FUZZ").unwrap_or_default();
    match word.as_str() {
        "list" => {
            TARGETS.iter().for_each(|(name, length, _)| println!("{name} {length}"));
            exit(0);
        }
        "seeds" => {
            seeds::write();
            exit(0);
        }
        _ => {}
    }
    let Some((_, _, target)) = TARGETS.iter().find(|(name, _, _)| *name == word) else {
        eprintln!("VITRINE_FUZZ is `{word}`, which is no target; `VITRINE_FUZZ=list` prints them");
        exit(2);
    };
    CHOSEN.get_or_init(|| *target);
}

fuzz_target!(init: start(), |bytes: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        target(bytes);
    }
});
