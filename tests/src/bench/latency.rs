//! Time from a request to its cosigned proof, with 100 issuers that submit singly.

use std::time::{Duration, Instant};

use super::{Cpu, percentile};
use crate::demo::product::now;
use crate::harness::events::Builds;
use crate::harness::world::World;

/// Runs `issuers` that submit one build after another for `seconds`, and prints the times.
///
/// # Errors
/// A build that was not taken.
pub fn run(world: &World, issuers: u64, seconds: u64) -> Result<(), String> {
    let mut farms = Vec::new();
    for number in 0..issuers {
        farms.push(Builds::open(world, &format!("single-{number:03}"))?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let (before, started) = (Cpu::of(world), Instant::now());
    let until = started + Duration::from_secs(seconds);
    let mut times_ms = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for farm in farms {
            tasks.spawn(one(world.url(), farm, until));
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            all.extend(ended.map_err(|e| e.to_string())??);
        }
        Ok::<_, String>(all)
    })?;
    let wall_s = started.elapsed().as_secs_f64();
    let spent = Cpu::of(world).since(before);
    times_ms.sort_by(f64::total_cmp);
    println!("latency: {issuers} issuers submitting singly for {seconds} s, three witnesses, quorum 2 of 3");
    println!(
        "  request to cosigned proof: p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; {:.0} proofs/s",
        percentile(&times_ms, 50),
        percentile(&times_ms, 99),
        percentile(&times_ms, 100),
        times_ms.len() as f64 / wall_s
    );
    println!(
        "  CPU: server {:.0} %, witnesses {:.0} %, client (signing included) {:.0} % of one core",
        spent.server_s / wall_s * 100.0,
        spent.witnesses_s / wall_s * 100.0,
        spent.client_s / wall_s * 100.0
    );
    Ok(())
}

async fn one(url: String, farm: Builds, until: Instant) -> Result<Vec<f64>, String> {
    let client = reqwest::Client::new();
    let mut times_ms = Vec::new();
    while Instant::now() < until {
        let number = times_ms.len() as u64;
        let body = farm.sign(number, now())?.print();
        let started = Instant::now();
        let request = client.post(format!("{url}/events")).header("content-type", "application/json").body(body);
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let proof = answer.bytes().await.map_err(|e| e.to_string())?;
        if status != 201 {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&proof)));
        }
        times_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(times_ms)
}
