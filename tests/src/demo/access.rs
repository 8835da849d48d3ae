//! The access log: an access is logged before it is made, found by a question, shown to others, erased by authority.
//!
//! Each step is done by the binaries' own commands. Not here: records of other systems (`imported`), what goes wrong (`wronged`).

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::json;
use vitrine_log_server::sealed;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::text::b64;
use vitrine_spec::tlog_proof::TlogProof;

use super::imported::{SOURCE, answer, audit, document, open, report};
use super::show::Show;
use crate::harness::http;
use crate::harness::process::{Server, until};
use crate::harness::world::World;

/// The issuer of accesses that are logged before they are made.
pub const GATEWAY: &str = "gateway";
/// Who reads from abroad.
pub const ABROAD: &str = "s-9041";
/// On whose word a record is erased.
const AUTHORITY: &str = "Example court, order 2026/311";

/// Opens the issuers: the gateway, and the source of imported records.
///
/// # Errors
/// The command that did not succeed.
pub fn open_issuers(world: &World) -> Result<(), String> {
    [GATEWAY, SOURCE].iter().try_for_each(|issuer| world.open_accesses(issuer))
}

/// Starts a gateway for an issuer, and waits until it takes accesses.
///
/// # Errors
/// What it said instead of its address.
pub fn start_gateway(world: &World, issuer: &str) -> Result<Server, String> {
    let (url, key, spool) = (world.url(), format!("{issuer}.key"), format!("spool-{issuer}-gateway"));
    let mut args = vec!["gateway", "--log", &url, "--policy", "policy", "--charter", &world.fingerprint];
    args.extend(["--key", &key, "--issuer", issuer, "--listen", "127.0.0.1:0", "--spool", &spool]);
    let gateway = Server::start(&world.folder, "log-client", args, &world.path(&format!("{issuer}.err")))?;
    let health = format!("{}/healthz", gateway.url);
    until("the gateway takes accesses", || Ok(http::get(&health)?.0 == 200))?;
    Ok(gateway)
}

/// Logs one access through a gateway, before it is made: the answer is the proof, kept in `<name>.tlog-proof`; its index.
///
/// # Errors
/// An answer that is no proof.
pub fn log_access(world: &World, gateway: &Server, name: &str, access: &serde_json::Value) -> Result<u64, String> {
    let body = access.to_string().into_bytes();
    let (status, proof) = http::post(&format!("{}/access", gateway.url), "application/json", body)?;
    if status != 200 {
        return Err(format!("the gateway answers {status}: {proof}"));
    }
    world.write(&format!("{name}.tlog-proof"), &proof)?;
    prove(world, name)?;
    Ok(TlogProof::parse(proof.as_bytes()).map_err(|e| e.to_string())?.index.get())
}

/// Verifies `<name>.tlog-proof` with the policy, offline.
fn prove(world: &World, name: &str) -> Result<(), String> {
    let file = format!("{name}.tlog-proof");
    let proof = TlogProof::parse(world.read(&file)?.as_bytes()).map_err(|e| format!("{file}: {e}"))?;
    let leaf = b64(leaf_hash(&proof.extra.ok_or_else(|| format!("{file} has no leaf"))?).as_bytes());
    let args = ["proof", "verify", "--policy", "policy", "--leaf-hash", &leaf, &file];
    world.client(&args)?.expect_code(0).map(|_| ())
}

/// Somebody abroad reads a European customer's account, through the gateway: logged before it is made.
///
/// # Errors
/// An access without its proof.
pub fn before_it_is_made(world: &World, show: &mut Show, gateway: &Server) -> Result<u64, String> {
    let access = json!({
        "op": "read", "native_op": "desk:open-account", "actor": ABROAD,
        "actor_entity": "Example Security Asia Pte Ltd", "actor_office_country": "SG",
        "actor_location_country": {"country": "SG", "known": "network"}, "automated": {"automated": false},
        "dataset": "eu-customers", "data_category": "account", "subject_region": "EU", "subject_ref": "p-7f31", "object_count": 1,
        "storage_site": "CH-ZH-1", "purpose": "CUSTOMER_SUPPORT", "legal_basis": "contract", "ticket": "CS-20440",
        "transfer_basis": "safeguards", "outcome": {"result": "success"},
    });
    let index = log_access(world, gateway, "foreign", &access)?;
    show.good(&format!("{ABROAD} in SG may read now: the gateway's answer is the proof of entry {index}"));
    Ok(index)
}

/// The supervisor asks who read European data from abroad: the access is found, and what cannot be decided is counted.
///
/// # Errors
/// An answer without it.
pub fn found_by_question(world: &World, show: &mut Show, index: u64) -> Result<(), String> {
    let asked = ["--ask", "foreign-reads", "--param", "region=EU", "--param", "home=CH"];
    audit(world, "state", "report-access", &asked)?.expect_code(0)?;
    let report = report(world, "report-access")?;
    let answer = answer(&report, "q1")?;
    let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = rows.iter().find(|row| row["index"] == index && row["fields"]["actor"] == ABROAD);
    let fields = &found.ok_or_else(|| format!("q1 does not find entry {index}: {answer}"))?["fields"];
    let open: u64 = answer["not_answered"]
        .as_array()
        .map(|all| all.iter().filter_map(|undecided| undecided["count"].as_u64()).sum())
        .unwrap_or_default();
    show.good(&format!(
        "{}: {} found, {open} cannot be decided",
        answer["title"].as_str().unwrap_or_default(),
        rows.len()
    ));
    show.good(&format!(
        "among them entry {index}: {ABROAD}, {}, {}",
        fields["actor_location_country"], fields["dataset"]
    ));
    let page = world.read("report-access/report.html")?;
    if !page.starts_with("<!DOCTYPE html>") || !page.contains(ABROAD) {
        return Err("report.html does not show the answer".to_owned());
    }
    show.good(&format!("{} is written, {} kB", world.path("report-access/report.html").display(), page.len() / 1_000));
    show.sum(format!(
        "found        the read of EU data by {ABROAD} from Singapore, by the supervisor's question foreign-reads; {open} cannot be decided"
    ));
    Ok(())
}

/// Two fields of the access are shown to anybody; the others stay hidden, and a changed value is refused.
///
/// # Errors
/// An opening that does not verify, or a changed one that does.
pub fn shown_to_others(world: &World, show: &mut Show, index: u64) -> Result<(), String> {
    let fields = ["--field", "occurred_at", "--field", "purpose", "--out", "opening.json"];
    open(world, index, &fields)?.expect_code(0)?;
    let verify = |file: &str| {
        world.client(&["--json", "opening", "verify", "--policy", "policy", "--proof", "opening.json.tlog-proof", file])
    };
    let verdict = verify("opening.json")?.expect_code(0)?;
    let verdict = document(&verdict)?;
    if verdict["fields"]["purpose"] != "CUSTOMER_SUPPORT" || verdict["hidden"].as_array().map(Vec::len) != Some(22) {
        return Err(format!("the opening shows something else: {verdict}"));
    }
    show.good(&format!("anybody verifies when and why of entry {index}; the other 22 fields stay hidden"));
    let changed = world.read("opening.json")?.replace("CUSTOMER_SUPPORT", "PROVIDER_REVIEW");
    world.write("changed.json", changed)?;
    let refused = verify("changed.json")?.expect(1, "opening.commitment")?;
    let refused = document(&refused)?;
    show.refused("the same with another purpose", 1, refused["reason"].as_str().unwrap_or_default());
    show.sum(
        "verified     two fields of one access, shown without the other 22; with another purpose refused".to_owned(),
    );
    Ok(())
}

/// One record is erased, by an event that operator and supervisor sign: its proof holds as before, its bytes are nowhere.
///
/// # Errors
/// What is still there, or is not any more.
pub fn erased(world: &World, show: &mut Show, gateway: &Server) -> Result<u64, String> {
    let access = json!({
        "op": "disclose", "actor": "s-1071", "subject_region": "EU", "subject_ref": "p-0c55", "ticket": "CS-20417",
        "recipient": {"identity": "sent to the wrong customer", "class": "customer", "country": "CH"},
        "outcome": {"result": "success"},
    });
    let index = log_access(world, gateway, "mistaken", &access)?;
    let record =
        record_of(world, index)?.ok_or_else(|| format!("the data directory has no record of entry {index}"))?;
    let copies = |needle: &[u8]| places(&world.folder, needle);
    // The slot, and some of the ciphertext; in a client's spool both would stand in base64.
    let needles = [record[..48].to_vec(), record[512..576].to_vec(), b64(&record).as_bytes()[..600].to_vec()];
    if copies(&needles[0])?.is_empty() {
        return Err(format!("the record of entry {index} is not found where it must be"));
    }

    let (url, authority) = (world.url(), format!("authority={AUTHORITY}"));
    let mut erasure = vec!["--log", &url, "--cosigner", "supervisor.key", "--target", "mistaken.tlog-proof"];
    erasure.extend(["--field", "reason=authority", "--field", &authority]);
    world.event("erasure", "operator", "erasure.json", &erasure)?;
    for role in ["operator.key", "supervisor.key"] {
        world.client(&["event", "sign", "--key", role, "erasure.json"])?.expect_code(0)?;
    }
    world.submit("operator", &["erasure.json"])?;
    for needle in &needles {
        until("the erased record is nowhere", || Ok(copies(needle)?.is_empty()))?;
    }
    let zeros = record_of(world, index)?.ok_or("the record has no place any more")?;
    if zeros.len() != record.len() || zeros.iter().any(|byte| *byte != 0) {
        return Err(format!("the record of entry {index} is not {} zeros", record.len()));
    }
    show.good(&format!(
        "entry {index} is erased by an event of operator and supervisor: no byte of its record is left in {}",
        world.folder.display()
    ));
    prove(world, "mistaken")?;
    show.good("the proof that the gateway gave for it verifies as before");
    open(world, index, &[])?.expect(1, "record.erased")?;
    audit(world, "state", "report-erased", &[])?.expect_code(0)?;
    let report = world.read("report-erased/report.txt")?;
    let named = report.lines().find(|line| line.contains(AUTHORITY)).ok_or("the audit does not name the authority")?;
    show.good(&format!("the audit: {}", named.trim()));
    show.sum(format!(
        "erased       one record, on the authority of {AUTHORITY}; its proof still verifies, its bytes are gone"
    ));
    Ok(index)
}

/// The sealed record of an entry, from the log's data directory.
fn record_of(world: &World, index: u64) -> Result<Option<Vec<u8>>, String> {
    for path in files(&world.path("log/sealed"))? {
        let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let records = sealed::decode(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        if let Some((_, place)) = records.into_iter().find(|(found, _)| *found == index) {
            return Ok(bytes.get(place).map(<[u8]>::to_vec));
        }
    }
    Ok(None)
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// The files below a folder that hold these bytes. A file that has gone meanwhile holds nothing.
fn places(folder: &Path, needle: &[u8]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in files(folder)? {
        match fs::read(&path) {
            Ok(bytes) if bytes.windows(needle.len()).any(|window| window == needle) => found.push(path),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    Ok(found)
}
