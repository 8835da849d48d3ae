//! Real lists of logs: those that witness-network publishes.
//!
//! Other people's files are read where they lie, `../shared` or `VITRINE_SHARED`; cites 55-witness.md (D).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use vitrine_spec::checkpoint::Origin;
use vitrine_witness::logs::Logs;

#[test]
fn both_lists_of_witness_network() {
    // [D-15]
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("VITRINE_SHARED").map_or_else(beside, PathBuf::from);
    let lists = shared.join("vectors/log-lists/witness-network");
    if !lists.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", lists.display());
        eprintln!("NOT TESTED: {} is missing", lists.display());
        return;
    }
    for (name, count) in [("log-list.1", 9), ("log-list-10qps-4klogs.1", 1)] {
        let logs = Logs::load(&lists.join(name)).unwrap();
        assert_eq!((logs.len(), logs.skipped().len()), (count, 0), "{name}");
        for origin in logs.origins() {
            let keys = logs.keys(&Origin::new(origin).unwrap()).unwrap();
            assert_eq!(keys.iter().map(|key| key.name()).collect::<Vec<_>>(), [origin], "{name}");
        }
    }
}
