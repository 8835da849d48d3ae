//! Plays every story in `tests/scenarios` on real processes; each has a log and witnesses of its own.
//!
//! `VITRINE_STORY=WORD` plays those alone whose file name has the word in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use vitrine_tests::scenario::stage::play;

/// Stories in the folder: one that is lost, or not found, must not pass for one that was played.
const STORIES: usize = 16;
/// Stories at a time: they wait for processes more than they compute.
const AT_ONCE: usize = 3;

#[test]
fn every_story_comes_out_as_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut stories: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.sort();
    let strange: Vec<_> = stories.iter().filter(|path| path.extension().is_none_or(|end| end != "txt")).collect();
    assert!(strange.is_empty(), "not stories: {strange:?}");
    assert_eq!(stories.len(), STORIES, "{stories:?}");
    if let Ok(only) = std::env::var("VITRINE_STORY") {
        stories.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&only)));
    }
    let (waiting, failed) = (Mutex::new(stories), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(story) = waiting.lock().unwrap().pop() else { break };
                    let world = tempfile::tempdir().unwrap();
                    if let Err(why) = play(world.path(), &fs::read_to_string(&story).unwrap()) {
                        failed.lock().unwrap().push(format!("{}: {why}", story.display()));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
