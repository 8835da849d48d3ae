//! Signed builds per second in NDJSON batches with three witnesses, and the server's memory after them.

use std::io::Write;
use std::time::Instant;

use rayon::prelude::*;
use vitrine_spec::envelope::{Submission, pae};
use vitrine_spec::hash::leaf_hash;

use super::Cpu;
use crate::demo::product::now;
use crate::harness::events::Builds;
use crate::harness::world::World;

/// Lines of one body.
const LINES: u64 = 4_096;
/// Bodies under way at once: the next is judged while one waits for its checkpoint.
const BODIES: usize = 3;

/// Logs `count` builds and prints the rate, who used the cores, and the bare cost of the same work.
///
/// # Errors
/// A body that was not taken whole.
pub fn run(world: &World, count: u64) -> Result<(), String> {
    let builds = Builds::open(world, "bench-farm")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let client = reqwest::Client::new();
    let url = format!("{}/events", world.url());
    let (mut wall_s, mut spent, mut logged) = (0.0, Cpu::default(), 0);
    let mut sample = Vec::new();
    while logged < count {
        // Signing is the issuers' work: done before the clock runs.
        let recorded = now();
        let rounds: Vec<Vec<Submission>> = (0..BODIES as u64 * 2)
            .map(|body| {
                let numbers = logged + body * LINES..logged + (body + 1) * LINES;
                numbers.into_par_iter().map(|number| builds.sign(number, recorded)).collect::<Result<Vec<_>, _>>()
            })
            .collect::<Result<_, String>>()?;
        let bodies: Vec<Vec<u8>> = rounds
            .iter()
            .map(|round| round.iter().flat_map(|submission| [submission.print(), b"\n".to_vec()].concat()).collect())
            .collect();
        sample = rounds.into_iter().next().unwrap_or_default();
        let (before, started) = (Cpu::of(world), Instant::now());
        let sent: u64 = runtime.block_on(send_all(&client, &url, bodies))?;
        wall_s += started.elapsed().as_secs_f64();
        let used = Cpu::of(world).since(before);
        spent.server_s += used.server_s;
        spent.witnesses_s += used.witnesses_s;
        spent.client_s += used.client_s;
        logged += sent;
    }
    let rate = logged as f64 / wall_s;
    println!(
        "throughput: {logged} signed builds in NDJSON bodies of {LINES} lines, {BODIES} at once, quorum 2 of 3, all on the same cores"
    );
    println!("  {rate:.0} builds/s logged and cosigned ({wall_s:.1} s)");
    let share = |cpu_s: f64| cpu_s / logged as f64 * 1e6;
    println!(
        "  CPU a build: server {:.1} us, witnesses {:.2} us, client (sending alone) {:.1} us",
        share(spent.server_s),
        share(spent.witnesses_s),
        share(spent.client_s)
    );
    bare(world, &builds, &sample, rate)
}

async fn send_all(client: &reqwest::Client, url: &str, bodies: Vec<Vec<u8>>) -> Result<u64, String> {
    let mut waiting = bodies.into_iter();
    let mut running = tokio::task::JoinSet::new();
    let mut sent = 0;
    loop {
        while running.len() < BODIES {
            let Some(body) = waiting.next() else { break };
            let request = client.post(url).header("content-type", "application/x-ndjson").body(body);
            running.spawn(async move {
                let answer = request.send().await.map_err(|e| e.to_string())?;
                answer.text().await.map_err(|e| e.to_string())
            });
        }
        let Some(ended) = running.join_next().await else { return Ok(sent) };
        let text = ended.map_err(|e| e.to_string())??;
        let taken = text.lines().filter(|line| line.contains("\"event_id\"")).count() as u64;
        if taken != LINES {
            let problem = text.lines().find(|line| !line.contains("\"event_id\"")).unwrap_or_default();
            return Err(format!("{taken} of {LINES} lines were taken: {}", &problem[..problem.len().min(300)]));
        }
        sent += taken;
    }
}

/// The same work without a log: verify each signature, hash each leaf, write and sync each batch.
fn bare(world: &World, builds: &Builds, sample: &[Submission], rate: f64) -> Result<(), String> {
    let vkey = builds.key().vkey();
    let leaves: Vec<Vec<u8>> = sample.iter().map(|submission| submission.envelope.leaf()).collect();
    let started = Instant::now();
    let valid = sample
        .par_iter()
        .zip(&leaves)
        .filter(|(submission, leaf)| {
            let signature = submission.envelope.signatures.first();
            let good = signature.is_some_and(|s| vkey.verify(&pae(&submission.envelope.payload), &s.sig));
            std::hint::black_box(leaf_hash(leaf));
            good
        })
        .count();
    let path = world.path("bare");
    let mut file = std::fs::File::create(&path).map_err(|e| e.to_string())?;
    file.write_all(&leaves.concat()).and_then(|()| file.sync_data()).map_err(|e| e.to_string())?;
    let bare = valid as f64 / started.elapsed().as_secs_f64();
    println!(
        "  bare cost (verify_strict, hash, one write and fdatasync a batch, both cores): {bare:.0} builds/s; the log reaches {:.2}x",
        rate / bare
    );
    Ok(())
}
