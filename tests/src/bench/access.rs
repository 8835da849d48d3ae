//! Sealed accesses: how many a second, through a gateway with 100 workers, opened again by an audit; memory and disk after them.
//!
//! Each issuer has one chain, so each sends one body after another; three of them keep the log busy.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde_json::json;
use vitrine_log_client::sealer::{Sealer, Signed};
use vitrine_spec::commitment::{RecordKey, commit, commitments};
use vitrine_spec::envelope::pae;
use vitrine_spec::fields::{Field, Values};
use vitrine_spec::hash::{Hash, leaf_hash};
use vitrine_spec::json::Value;
use vitrine_spec::key::Seed;
use vitrine_spec::sealing::{Context, pad, seal};
use vitrine_spec::words::Time;
use vitrine_spec::wrap::WindowKey;

use super::{Cpu, percentile};
use crate::demo::access::start_gateway;
use crate::demo::product::now;
use crate::harness::accesses::submission;
use crate::harness::forge;
use crate::harness::process::{Usage, binaries};
use crate::harness::sealing::{fresh, sealer, values};
use crate::harness::world::World;

/// Lines of one body: accesses, and now and then a sealing key.
const LINES: usize = 4_096;
/// Issuers that send at once, each one body at a time.
const ISSUERS: usize = 3;
/// Bodies of each issuer that are sealed before the clock of the log runs.
const BODIES: usize = 2;
/// How often the memory of an audit is read: it only grows, so the last value is near the largest.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs everything on a log of accesses.
///
/// # Errors
/// An access that was not taken, or does not open.
pub fn run(world: &World, count: u64) -> Result<(), String> {
    gateway(world, 100, 20)?;
    throughput(world, count)?;
    audit(world)
}

/// One access as a database's audit would tell it.
fn access() -> Result<Values, String> {
    let country = |name: &str| Value::from(name);
    let fields = [
        (Field::NativeOp, "pg:READ/SELECT".into()),
        (Field::Actor, "s-1071".into()),
        (Field::ActorSession, Value::object([("session", "6b057ade.5604".into()), ("role", "support".into())])),
        (Field::ActorEntity, "Example Security AG".into()),
        (Field::ActorOfficeCountry, country("CH")),
        (Field::ActorLocationCountry, Value::object([("country", country("CH")), ("known", "badge".into())])),
        (Field::Automated, Value::object([("automated", Value::Bool(false))])),
        (Field::Dataset, "eu-customers".into()),
        (Field::DataCategory, "account".into()),
        (Field::SubjectRegion, "EU".into()),
        (Field::SubjectRef, "p-7f31c2".into()),
        (Field::ObjectCount, Value::Int(1)),
        (Field::StorageSite, "CH-ZH-1".into()),
        (Field::Purpose, "CUSTOMER_SUPPORT".into()),
        (Field::LegalBasis, "contract".into()),
        (Field::Ticket, "CS-20417".into()),
        (Field::TransferBasis, "none".into()),
        (Field::NativeId, "6b057ade.5604/17".into()),
        (Field::NativeDigest, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into()),
    ];
    values("2026-11-24T08:00:00.000Z", "read", &fields)
}

/// Seals and logs `count` accesses in NDJSON bodies; the rate, who used the cores, and the bare cost of the same work.
fn throughput(world: &World, count: u64) -> Result<(), String> {
    let access = access()?;
    let mut sealers = Vec::new();
    for number in 1..=ISSUERS {
        let issuer = format!("source-{number}");
        world.open_accesses(&issuer)?;
        sealers.push(sealer(world, &issuer)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let client = reqwest::Client::new();
    let url = format!("{}/events", world.url());
    let (mut wall_s, mut spent, mut logged) = (0.0, Cpu::default(), 0u64);
    let (mut seal_s, mut seal_cpu_s, mut sealed) = (0.0, 0.0, 0u64);
    let mut sample = Vec::new();
    while logged < count {
        let (before, started) = (Cpu::of(world), Instant::now());
        let rounds = sealers
            .iter_mut()
            .map(|sealer| (0..BODIES).map(|_| seal_body(sealer, &access)).collect::<Result<Vec<_>, _>>())
            .collect::<Result<Vec<_>, _>>()?;
        seal_s += started.elapsed().as_secs_f64();
        seal_cpu_s += Cpu::of(world).since(before).client_s;
        sealed += rounds.iter().flatten().map(|body| body.len() as u64).sum::<u64>();
        let bodies: Vec<Vec<Vec<u8>>> =
            rounds.iter().map(|bodies| bodies.par_iter().map(|body| print(body)).collect()).collect();
        sample = rounds.into_iter().flatten().next().unwrap_or_default();
        let (before, started) = (Cpu::of(world), Instant::now());
        logged += runtime.block_on(send_all(&client, &url, bodies))?;
        wall_s += started.elapsed().as_secs_f64();
        let used = Cpu::of(world).since(before);
        spent.server_s += used.server_s;
        spent.witnesses_s += used.witnesses_s;
        spent.client_s += used.client_s;
    }
    let rate = logged as f64 / wall_s;
    let share = |cpu_s: f64, of: u64| cpu_s / of as f64 * 1e6;
    println!(
        "access: {logged} sealed accesses in NDJSON bodies of {LINES} lines, {ISSUERS} issuers at once, quorum 2 of 3, all on the same cores"
    );
    println!("  {rate:.0} accesses/s logged and cosigned ({wall_s:.1} s)");
    println!(
        "  CPU an access: server {:.1} us, witnesses {:.2} us, client {:.1} us for sealing and signing ({:.0}/s on both cores) and {:.1} us for sending",
        share(spent.server_s, logged),
        share(spent.witnesses_s, logged),
        share(seal_cpu_s, sealed),
        sealed as f64 / seal_s,
        share(spent.client_s, logged)
    );
    bare(world, &access, &sample, rate)?;
    let usage = world.log.as_ref().map(|server| server.usage()).unwrap_or_default();
    let bytes = size_of(&world.path("log"))?;
    let size = world.published()?;
    let mib = |bytes: u64| bytes / (1024 * 1024);
    println!(
        "  log-server after {size} entries: resident {} MiB, at most {} MiB; {} MiB on disk, {:.0} bytes an entry",
        mib(usage.resident_bytes),
        mib(usage.resident_max_bytes),
        mib(bytes),
        bytes as f64 / size as f64
    );
    Ok(())
}

/// One body of an issuer: as many accesses as it holds beside a sealing key.
fn seal_body(sealer: &mut Sealer, access: &Values) -> Result<Vec<Signed>, String> {
    sealer.seal(vec![access.clone(); LINES - 1], Time::new(now())).map_err(|failure| failure.to_string())
}

fn print(body: &[Signed]) -> Vec<u8> {
    body.iter().flat_map(|signed| [submission(signed).print(), b"\n".to_vec()].concat()).collect()
}

/// Sends the bodies of each issuer one after another, those of all issuers beside each other; how many events were taken.
async fn send_all(client: &reqwest::Client, url: &str, issuers: Vec<Vec<Vec<u8>>>) -> Result<u64, String> {
    let mut running = tokio::task::JoinSet::new();
    for bodies in issuers {
        let (client, url) = (client.clone(), url.to_owned());
        running.spawn(async move {
            let mut taken = 0;
            for body in bodies {
                let request = client.post(&url).header("content-type", "application/x-ndjson").body(body);
                let answer = request.send().await.map_err(|e| e.to_string())?;
                let text = answer.text().await.map_err(|e| e.to_string())?;
                if let Some(problem) = text.lines().find(|line| line.contains("\"problem\"")) {
                    return Err(problem.chars().take(300).collect());
                }
                taken += text.lines().filter(|line| line.contains("\"event_id\"")).count() as u64;
            }
            Ok::<u64, String>(taken)
        });
    }
    let mut sent = 0;
    while let Some(ended) = running.join_next().await {
        sent += ended.map_err(|e| e.to_string())??;
    }
    Ok(sent)
}

/// The same work without a log: seal and sign; verify each signature, hash leaf and record, write and sync them.
fn bare(world: &World, access: &Values, sample: &[Signed], rate: f64) -> Result<(), String> {
    let key: Seed = forge::key(&world.path("source-1.key"))?;
    let signer = key.signer().map_err(|e| e.to_string())?;
    let window = WindowKey::new(fresh()?);
    let started = Instant::now();
    sample.par_iter().try_for_each(|signed| {
        let record_key = RecordKey::new(fresh()?);
        let context = Context::new(&commit(&commitments(&record_key, access.all())), b"header");
        std::hint::black_box(seal(&record_key, &window, &context, &pad(access)));
        std::hint::black_box(signer.sign(&pae(&signed.envelope.payload)));
        Ok::<(), String>(())
    })?;
    let sealed = sample.len() as f64 / started.elapsed().as_secs_f64();

    let vkey = key.vkey();
    let leaves: Vec<Vec<u8>> = sample.iter().map(|signed| signed.envelope.leaf()).collect();
    let started = Instant::now();
    let valid = sample
        .par_iter()
        .zip(&leaves)
        .filter(|(signed, leaf)| {
            let signature = signed.envelope.signatures.first();
            std::hint::black_box((leaf_hash(leaf), signed.record.as_ref().map(|record| Hash::of(record))));
            signature.is_some_and(|s| vkey.verify(&pae(&signed.envelope.payload), &s.sig))
        })
        .count();
    let mut file = std::fs::File::create(world.path("bare")).map_err(|e| e.to_string())?;
    file.write_all(&leaves.concat()).map_err(|e| e.to_string())?;
    let records: Vec<&[u8]> = sample.iter().filter_map(|signed| signed.record.as_deref()).collect();
    file.write_all(&records.concat()).and_then(|()| file.sync_data()).map_err(|e| e.to_string())?;
    let bare = valid as f64 / started.elapsed().as_secs_f64();
    println!(
        "  bare cost, both cores: seal and sign {sealed:.0}/s; verify_strict, hash leaf and record, one write and fdatasync a batch {bare:.0}/s; the log reaches {:.2}x of the latter",
        rate / bare
    );
    Ok(())
}

/// Bytes of all files below a folder.
fn size_of(folder: &Path) -> Result<u64, String> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let entry = entry.map_err(|e| e.to_string())?;
        let about = entry.metadata().map_err(|e| e.to_string())?;
        bytes += if about.is_dir() { size_of(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// Time from a request to its proof, with workers that make one access after another through one gateway.
fn gateway(world: &World, workers: u64, seconds: u64) -> Result<(), String> {
    world.open_accesses("gateway")?;
    let gateway = start_gateway(world, "gateway")?;
    let url = format!("{}/access", gateway.url);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let (before, started) = (Cpu::of(world), Instant::now());
    let cpu_before_s = gateway.usage().cpu_s;
    let until = started + Duration::from_secs(seconds);
    let mut times_ms = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..workers {
            tasks.spawn(one(url.clone(), worker, until));
        }
        let mut all = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            all.extend(ended.map_err(|e| e.to_string())??);
        }
        Ok::<_, String>(all)
    })?;
    let wall_s = started.elapsed().as_secs_f64();
    let spent = Cpu::of(world).since(before);
    let gateway_s = gateway.usage().cpu_s - cpu_before_s;
    times_ms.sort_by(f64::total_cmp);
    println!("access: {workers} workers through one gateway for {seconds} s, three witnesses, quorum 2 of 3");
    println!(
        "  request to cosigned proof: p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; {:.0} proofs/s",
        percentile(&times_ms, 50),
        percentile(&times_ms, 99),
        percentile(&times_ms, 100),
        times_ms.len() as f64 / wall_s
    );
    println!(
        "  CPU: server {:.0} %, witnesses {:.0} %, gateway {:.0} %, workers {:.0} % of one core",
        spent.server_s / wall_s * 100.0,
        spent.witnesses_s / wall_s * 100.0,
        gateway_s / wall_s * 100.0,
        spent.client_s / wall_s * 100.0
    );
    gateway.stop().map(|_| ())
}

async fn one(url: String, worker: u64, until: Instant) -> Result<Vec<f64>, String> {
    let client = reqwest::Client::new();
    let body = json!({
        "op": "read", "actor": format!("s-{worker}"), "dataset": "eu-customers", "subject_region": "EU",
        "purpose": "CUSTOMER_SUPPORT", "outcome": {"result": "success"},
    })
    .to_string();
    let mut times_ms = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        let request = client.post(&url).header("content-type", "application/json").body(body.clone());
        let answer = request.send().await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let proof = answer.text().await.map_err(|e| e.to_string())?;
        if status != 200 {
            return Err(format!("{status}: {proof}"));
        }
        times_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(times_ms)
}

/// Audits the log from nothing, first without a reader's key, then with it; events a second, and the memory of the audit.
fn audit(world: &World) -> Result<(), String> {
    world.trust("trust", &[])?;
    let size = world.published()?;
    println!("access: audit of {size} entries from nothing, both cores");
    for (what, key) in [("leaves alone", None), ("every record opened", Some("supervisor.reader"))] {
        let state = if key.is_some() { "state-opened" } else { "state-leaves" };
        let mut command = Command::new(binaries().join("log-client"));
        command.args(["audit", "--log", &world.url(), "--trust", "trust", "--state", state, "--out", "report"]);
        command.args(["--size", &size.to_string()]);
        command.args(key.iter().flat_map(|key| ["--reader-key", key]));
        command.current_dir(&world.folder).stdin(Stdio::null()).stdout(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let mut usage = Usage::default();
        let status = loop {
            let now = Usage::of(child.id());
            usage = if now.resident_max_bytes == 0 { usage } else { now };
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                break status;
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let wall_s = started.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("the audit ended with {status}"));
        }
        println!(
            "  {what}: {:.0} events/s ({wall_s:.1} s, CPU {:.1} s), at most {} MiB resident",
            size as f64 / wall_s,
            usage.cpu_s,
            usage.resident_max_bytes / (1024 * 1024)
        );
    }
    Ok(())
}
