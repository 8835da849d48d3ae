//! `trust init` and `trust check`: what a verifier pins (cli.md; design-events.md 3, "Pinning").
//!
//! The fingerprint and the policy come from elsewhere than the log; without them nothing is pinned. Issuers and streams are
//! read from entries that the pinned charter's keys signed. Not here: judging with it (`verify_update`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use vitrine_spec::body::charter::Charter;
use vitrine_spec::event::Event;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::policy::Policy;
use vitrine_spec::state::State;
use vitrine_spec::tlog_proof::TlogProof;
use vitrine_spec::tree::LeafIndex;
use vitrine_spec::trust::{Fingerprint, TrustFile};

use crate::answer::{self, Logged};
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::explain::trust_rows;
use crate::files;
use crate::http::Log;
use crate::limits::POLICY_FILE_BYTES_MAX;
use crate::output::{Out, Report};
use crate::policies;
use crate::replay::{current, types_of};
use crate::verify_update::load_pins;

/// `trust`.
#[derive(Debug, Subcommand)]
pub enum Trust {
    /// Pin a log: checks its charter against the fingerprint, and writes policy and trust.toml
    Init(Init),
    /// Read a trust directory and say what it pins
    Check(Check),
}

/// `trust init`.
#[derive(Debug, Args)]
#[command(after_help = "\
The fingerprint is the event_id of the first charter: 16 groups of four digits, on paper if need
be. Blanks, hyphens and capitals do not matter. The policy comes from the witnesses' operators, the
supervisor or the product, never from the log.
Issuers and streams are those that the charter's keys have opened by now; read the list, and leave
out what you do not use.")]
pub struct Init {
    /// The log
    #[arg(long, value_name = "URL", env = "VITRINE_LOG")]
    log: String,
    /// The fingerprint of its charter
    #[arg(long, value_name = "FINGERPRINT")]
    charter: Option<String>,
    /// Whom to believe
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// New directory for policy and trust.toml
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Pin these issuers alone; all that are open or were, when not given
    #[arg(long = "issuer", value_name = "NAME")]
    issuers: Vec<String>,
    /// Do not require a build of this stream's updates: what is released there is not built by the vendor
    #[arg(long = "without-build", value_name = "PACKAGE/CHANNEL")]
    without_build: Vec<String>,
    /// Ask for so many identical rebuilds, by independent issuers, of every file that is built
    #[arg(long, value_name = "N", default_value_t = 0)]
    rebuilds: u64,
    /// Ask for a review of the source of every build
    #[arg(long)]
    require_review: bool,
    /// Ask for a verdict PASSED about every file
    #[arg(long)]
    require_verdict: bool,
    /// Where the machines are that verify: updates for other regions alone are refused
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Refuse what is shown in a checkpoint older than this
    #[arg(long, value_name = "SECONDS")]
    max_age_s: Option<u64>,
    /// Which of the log's signatures are needed
    #[arg(long, value_name = "both|pq|ed", default_value = "both", value_parser = ["both", "pq", "ed"])]
    log_keys: String,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// `trust check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The directory
    dir: PathBuf,
    /// Take a policy with `quorum none`
    #[arg(long)]
    unwitnessed: bool,
}

/// Runs `trust`.
pub fn run(command: Trust, out: &Out) -> Result<Exit, Failure> {
    match command {
        Trust::Init(args) => init(args, out),
        Trust::Check(args) => check(args, out),
    }
}

fn init(args: Init, out: &Out) -> Result<Exit, Failure> {
    let Some(given) = &args.charter else {
        return Err(Failure::usage("trust.no-pin", "without the charter's fingerprint nothing is pinned: there is no trust on first use")
            .side("log", &args.log)
            .now("get the fingerprint from the operator, the supervisor or the product's papers, not from the log, and give --charter FINGERPRINT"));
    };
    let pinned = Fingerprint::parse(given).map_err(|error| {
        Failure::usage("trust.fingerprint", "this is not a fingerprint")
            .side("reason", error)
            .now("a fingerprint is 16 groups of four hexadecimal digits; quote it when it has blanks")
    })?;
    let policy_text = files::read(&args.policy, POLICY_FILE_BYTES_MAX)?;
    let policy = policies::load(&args.policy, args.unwitnessed)?;
    for name in ["policy", "trust.toml"] {
        let path = args.out.join(name);
        if path.exists() {
            return Err(Failure::usage("file.exists", "something is pinned there already and is not replaced")
                .side("file", path.display())
                .now("choose another --out DIR, compare the two, then change over"));
        }
    }
    let log = Log::new(&args.log)?;
    let (charter, logged) = fetch_charter(&log, &policy, &pinned)?;
    check_log_keys(&policy, &charter)?;
    let (signed, state) = current(&log, &policy, out)?;
    let text = trust_toml(&args, &pinned, &charter, &state)?;
    let trust = TrustFile::parse(&text).map_err(|error| {
        Failure::usage("trust.malformed", "what the log says does not make a trust file").side("reason", error)
    })?;
    DirBuilder::new().recursive(true).create(&args.out).map_err(|error| {
        Failure::usage("file.write", "the directory cannot be made")
            .side("dir", args.out.display())
            .side("system", error)
    })?;
    files::create(&args.out.join("policy"), &policy_text, 0o644)?;
    files::create(&args.out.join("trust.toml"), text.as_bytes(), 0o644)?;
    out.rows(&trust_rows(&trust));
    let report = Report::done("trust.pinned", format!("{} is pinned in {}", charter.origin, args.out.display()))
        .checked("charter: entry 0 has the fingerprint, and is signed by operator and supervisor")
        .checked(format!("inclusion: entry 0 of {} entries, {}", logged.size, logged.witnessed()))
        .checked("log keys: the policy's are the charter's")
        .checked(format!("entries: all {} hash to the root and are admissible; issuers and streams were opened by the charter's keys", signed.size()))
        .not_checked("whether the fingerprint and the policy are the right ones: that is what is being pinned")
        .with("origin", charter.origin.clone())
        .with("charter", pinned.to_string())
        .with("issuers", trust.issuers().map(|issuer| json!({"name": issuer.name, "epoch": issuer.epoch})).collect::<Vec<_>>())
        .with("streams", trust.streams().map(|stream| json!({"packageId": stream.package_id, "channel": stream.channel, "require_build": stream.require_build})).collect::<Vec<_>>());
    Ok(out.report(&report))
}

/// Entry 0 with its proof, judged by the policy and the fingerprint.
fn fetch_charter(log: &Log, policy: &Policy, pinned: &Fingerprint) -> Result<(Charter, Logged), Failure> {
    let bytes = log.proof(LeafIndex::new(0))?;
    let not_the_log = |why: String| {
        Failure::new(Exit::Unreachable, "answer.not-the-log", "this address does not serve entry 0 of a log")
            .side("asked", log.url())
            .side("reason", why)
    };
    let proof = TlogProof::parse(&bytes).map_err(|error| not_the_log(error.to_string()))?;
    if proof.index.get() != 0 {
        return Err(not_the_log(format!("entry 0 was asked for, entry {} came", proof.index)));
    }
    let leaf = proof.extra.clone().ok_or_else(|| not_the_log("the proof has no leaf".to_owned()))?;
    let logged = answer::proof(policy, &leaf_hash(&leaf), &proof, clock::now()).map_err(Failure::from)?;
    let event = Event::read_leaf(&leaf)
        .map_err(|refusal| Failure::refused("charter", "entry 0 is not an event").side("reason", refusal))?;
    if event.id.0 != *pinned.event_id() {
        return Err(Failure::refused("charter.fingerprint", "this log has another charter than the one pinned")
            .side("fingerprint given", pinned)
            .side("the log's", Fingerprint::new(event.id.0))
            .side("its origin", &event.statement.header.origin)
            .now("check the address and the fingerprint; if both are right, this is not the log it says it is"));
    }
    match event.statement.body {
        vitrine_spec::body::Body::Charter(charter) => Ok((*charter, logged)),
        _ => Err(Failure::refused("charter", "entry 0 is not a charter").side("type", event.statement.kind)),
    }
}

/// The policy's keys for this log must be the charter's: else one of the two is about another log.
fn check_log_keys(policy: &Policy, charter: &Charter) -> Result<(), Failure> {
    let known: Vec<String> = charter.log_keys.iter().map(ToString::to_string).collect();
    for line in policy.logs.iter().filter(|line| line.vkey.name() == charter.origin) {
        if !known.contains(&line.vkey.to_string()) {
            return Err(Failure::refused("trust.log-key", "the policy names a log key that the charter does not have")
                .side("policy", line.vkey.keyid())
                .side("charter", charter.log_keys.iter().map(|vkey| vkey.keyid()).collect::<Vec<_>>().join(", "))
                .now("find out which of the two is wrong before pinning anything"));
        }
    }
    Ok(())
}

fn trust_toml(args: &Init, pinned: &Fingerprint, charter: &Charter, state: &State) -> Result<String, Failure> {
    let mut text = format!(
        "# Made by `log-client trust init` from the charter with this fingerprint. What a verdict requires comes from here alone.\n\
         charter = \"{pinned}\"\ncharter_version = {}\norigin = \"{}\"\nlog_keys = \"{}\"\n",
        state.charter.as_ref().map_or(1, |in_force| in_force.charter.version),
        charter.origin,
        args.log_keys,
    );
    if let Some(region) = &args.region {
        let _ = writeln!(text, "region = {}", toml_text(region));
    }
    if let Some(most) = args.max_age_s {
        let _ = writeln!(text, "max_age_s = {most}");
    }
    let mut streams: BTreeMap<(String, String), (String, bool)> = BTreeMap::new();
    let mut found: Vec<String> = Vec::new();
    for ((name, epoch), opened) in state.epochs() {
        found.push(name.to_string());
        if !args.issuers.is_empty() && !args.issuers.iter().any(|wanted| wanted == name.as_str()) {
            continue;
        }
        let types: Vec<String> =
            types_of(state, name.as_str(), opened).iter().map(|kind| format!("\"{kind}\"")).collect();
        let _ = write!(
            text,
            "\n[[issuer]]\nname = \"{name}\"\nepoch = {epoch}\nvkey = \"{}\"\ntypes = [{}]\n",
            opened.vkey,
            types.join(", ")
        );
        if let Some(disowned) = &opened.disowned {
            let _ = writeln!(text, "until = {}", disowned.after.get() + 1);
        }
        if let Some(independence) = opened.open.as_ref().and_then(|open| open.independence) {
            let _ = writeln!(text, "independence = \"{}\"", independence.name());
        }
        if let (Some(open), None) = (&opened.open, &opened.closed) {
            for stream in &open.streams {
                let key = (stream.package_id.clone(), stream.channel.to_string());
                streams.insert(key, (name.to_string(), stream.regional));
            }
        }
    }
    for wanted in &args.issuers {
        if !found.contains(wanted) {
            found.dedup();
            return Err(Failure::refused("trust.issuer", "the log has no such issuer")
                .side("asked for", wanted)
                .side("it has", found.join(", ")));
        }
    }
    let mut without: Vec<&str> = args.without_build.iter().map(String::as_str).collect();
    for ((package_id, channel), (issuer, regional)) in &streams {
        let key = format!("{package_id}/{channel}");
        let require = !without.contains(&key.as_str());
        without.retain(|stream| *stream != key);
        let _ = write!(
            text,
            "\n[[stream]]\npackageId = {}\nchannel = \"{channel}\"\nissuer = \"{issuer}\"\nrequire_build = {require}\n",
            toml_text(package_id),
        );
        if *regional {
            text.push_str("regional = true\n");
        }
        if require && args.rebuilds > 0 {
            let _ = writeln!(text, "rebuilds = {}", args.rebuilds);
        }
        if require && args.require_review {
            text.push_str("require_review = true\n");
        }
        if args.require_verdict {
            text.push_str("require_verdict = true\n");
        }
    }
    if let Some(unknown) = without.first() {
        let known: Vec<String> = streams.keys().map(|(package, channel)| format!("{package}/{channel}")).collect();
        return Err(Failure::usage("trust.stream", "--without-build names a stream that is not there")
            .side("given", unknown)
            .side("streams", known.join(", ")));
    }
    Ok(text)
}

/// A TOML basic string: a packageId has no control characters, so only quotes and backslashes need escaping.
fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn check(args: Check, out: &Out) -> Result<Exit, Failure> {
    let pins = load_pins(Some(Path::new(&args.dir)), args.unwitnessed)?;
    out.rows(&trust_rows(pins.trust()));
    let report = Report::done(
        "trust.checked",
        format!("{} is pinned; the policy: {}", pins.trust().origin, policies::summary(pins.policy())),
    )
    .checked("policy and trust.toml parse and fit each other")
    .checked("no witness counts twice and no log is its own witness")
    .not_checked("whether the log still says the same: `trust init` into another directory shows it");
    Ok(out.report(&report))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use crate::world::{World, charter_event};
    use clap::Parser;
    use vitrine_spec::body::Body;

    #[derive(Parser)]
    struct InitArgs {
        #[command(flatten)]
        init: Init,
    }

    fn args(more: &[&str]) -> Init {
        let fixed = ["init", "--log", "http://127.0.0.1:1", "--policy", "p", "--out", "o"];
        InitArgs::parse_from(fixed.iter().chain(more)).init
    }

    fn charter() -> Charter {
        match Event::read_leaf(&charter_event().leaf()).unwrap().statement.body {
            Body::Charter(charter) => *charter,
            _ => panic!("a charter"),
        }
    }

    fn text(more: &[&str]) -> Result<String, Failure> {
        let world = World::new();
        trust_toml(&args(more), &Fingerprint::new(charter_event().id().0), &charter(), &world.state.borrow())
    }

    #[test]
    fn without_a_fingerprint_nothing_is_pinned_and_the_log_is_not_even_asked() {
        let failure = init(args(&[]), &Out::new(true)).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Usage, "trust.no-pin"));
    }

    #[test]
    fn issuers_and_streams_are_those_that_the_charters_keys_opened() {
        let trust = TrustFile::parse(&text(&[]).unwrap()).unwrap();
        assert_eq!(*trust.charter.event_id(), charter_event().id().0);
        let names: Vec<&str> = trust.issuers().map(|issuer| issuer.name.as_str()).collect();
        assert_eq!(names, ["operator", "release", "supervisor", "vault"]);
        let stream = trust.stream("app", "stable").unwrap();
        assert!(stream.require_build, "a build is required unless the person says otherwise");
        let trust = TrustFile::parse(&text(&["--without-build", "app/stable"]).unwrap()).unwrap();
        assert!(!trust.stream("app", "stable").unwrap().require_build);
    }

    #[test]
    fn only_the_issuers_asked_for_and_none_that_is_not_there() {
        let trust = TrustFile::parse(&text(&["--issuer", "release"]).unwrap()).unwrap();
        assert_eq!(trust.issuers().count(), 1);
        assert_eq!(text(&["--issuer", "nobody"]).unwrap_err().code, "trust.issuer");
        assert_eq!(text(&["--without-build", "app/beta"]).unwrap_err().code, "trust.stream");
    }

    #[test]
    fn a_stream_of_an_issuer_left_out_is_left_out() {
        let trust = TrustFile::parse(&text(&["--issuer", "vault"]).unwrap()).unwrap();
        assert_eq!(trust.streams().count(), 0);
    }

    #[test]
    fn a_policy_with_another_log_key_is_not_pinned() {
        let world = World::new();
        check_log_keys(&world.policy(), &charter()).unwrap();
        let mut other = charter();
        other.log_keys[0] = crate::world::seed("example.com/log", vitrine_spec::key::KeyKind::Cosign).vkey();
        assert_eq!(check_log_keys(&world.policy(), &other).unwrap_err().code, "trust.log-key");
    }
}
