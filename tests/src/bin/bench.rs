//! Measures what the README states: `bench throughput [N]`, `bench latency`, `bench verdict`, `bench memory [N]`, `bench access [N]`, `bench all`.
//!
//! `cargo run --release -p vitrine-tests --bin bench -- all`

use std::process::ExitCode;

use vitrine_tests::bench::{access, latency, throughput, verdict};
use vitrine_tests::harness::world::World;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = words.get(1).and_then(|text| text.parse::<u64>().ok());
    let name = words.first().map(String::as_str).unwrap_or_default();
    let result = match name {
        "throughput" => with_world(|world| throughput::run(world, number.unwrap_or(98_304))),
        "latency" => with_world(|world| latency::run(world, 100, 20)),
        "verdict" => with_world(|world| verdict::run(world, 500)),
        "memory" => with_world(|world| memory(world, number.unwrap_or(1_000_000))),
        "access" => with_accesses(|world| access::run(world, number.unwrap_or(200_000))),
        "all" => with_world(|world| verdict::run(world, 500))
            .and_then(|()| with_world(|world| latency::run(world, 100, 20)))
            .and_then(|()| with_world(|world| throughput::run(world, 98_304)))
            .and_then(|()| with_accesses(|world| access::run(world, 200_000)))
            .and_then(|()| with_world(|world| memory(world, 1_000_000))),
        _ => {
            eprintln!(
                "usage: bench throughput [builds] | latency | verdict | memory [builds] | access [accesses] | all"
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn with_world(run: impl FnOnce(&World) -> Result<(), String>) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut world = World::create(folder.path(), "bench.example/log")?;
    run(&world)?;
    world.stop()
}

fn with_accesses(run: impl FnOnce(&World) -> Result<(), String>) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut world = World::create_access(folder.path(), "bench.example/access")?;
    run(&world)?;
    world.stop()
}

/// The server's memory while it takes `count` builds.
fn memory(world: &World, count: u64) -> Result<(), String> {
    let resident = || world.log.as_ref().map(|server| server.usage()).unwrap_or_default();
    let before = resident();
    throughput::run(world, count)?;
    let after = resident();
    let mib = |bytes: u64| bytes / (1024 * 1024);
    println!(
        "memory: log-server resident {} MiB before, {} MiB after {count} builds, at most {} MiB",
        mib(before.resident_bytes),
        mib(after.resident_bytes),
        mib(after.resident_max_bytes)
    );
    Ok(())
}
