//! `rebuild record` against a log in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::world::{Bend, NOW, Watch, World, build, event_key};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    record: Record,
}

/// A rebuilder's folder, and the log with one build of `app` and `lib`.
struct Desk {
    world: World,
    dir: TempDir,
    build: String,
}

impl Desk {
    fn new() -> Desk {
        let world = World::with_builds();
        world.log(build(1, &[("app", b"the app"), ("lib", b"the lib")]));
        let build = world.event(world.size() - 1).id().hex();
        Desk { world, dir: tempfile::tempdir().unwrap(), build }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn args(&self, more: &[&str]) -> Record {
        let mut args = vec!["record", "--as", "k", "--issuer", "lab", "--log", "http://log", "--policy", "p"];
        if !more.contains(&"--build") {
            args.extend(["--build", &self.build]);
        }
        args.extend(more);
        let mut record = Line::parse_from(args).record;
        record.out.get_or_insert_with(|| self.dir.path().join("rebuild.json"));
        record
    }

    fn plan_of(&self, args: &Record) -> Result<Plan, Failure> {
        let (policy, key) = (self.world.policy(), event_key("lab"));
        Maker { remote: &self.world, policy: &policy, key: &key, args, now: NOW }.plan(&Documents::read(args)?)
    }

    fn plan(&self, more: &[&str]) -> Result<Plan, Failure> {
        self.plan_of(&self.args(more))
    }

    fn deliver(&self, plan: &Plan) -> Result<Report, Failure> {
        let (policy, key) = (self.world.policy(), event_key("lab"));
        let spool = Spool::open(&self.dir.path().join("spool"), Duration::ZERO)?;
        let clock = Watch::default();
        plan.check_file()?;
        let courier = Courier { remote: &self.world, policy: &policy, key: Some(&key), spool: &spool, clock: &clock };
        plan.deliver(&courier, "http://log", &Out::new(true))
    }
}

fn failed(plan: Result<Plan, Failure>) -> Failure {
    match plan {
        Ok(plan) => panic!("{}", plan.summary()),
        Err(failure) => failure,
    }
}

#[test]
fn files_that_come_out_the_same_are_logged_as_identical() {
    let desk = Desk::new();
    let (app, lib) = (desk.write("out/app", b"the app"), desk.write("lib", b"the lib"));
    let plan = desk.plan(&["--produced", &app, "--produced", &lib]).unwrap();
    let report = desk.deliver(&plan).unwrap();
    assert_eq!(
        (report.exit, report.verdict.as_str(), report.code.as_str()),
        (Exit::Done, "identical", "rebuild.identical")
    );
    let logged = desk.world.logged(desk.world.size() - 1);
    let Body::Rebuild(rebuild) = &logged.statement.body else { panic!("{:?}", logged.statement.kind) };
    assert_eq!((rebuild.outcome, rebuild.independence), (Outcome::Identical, Independence::ThirdParty));
    let proof = std::fs::read(desk.dir.path().join("rebuild.json.tlog-proof")).unwrap();
    let found = found::in_file(&desk.world.policy(), "p", &proof, NOW).unwrap();
    assert_eq!(found.event.id, logged.id);
}

#[test]
fn a_file_that_differs_is_logged_too_and_the_exit_says_so() {
    let desk = Desk::new();
    desk.write("out/app", b"another app");
    desk.write("out/lib", b"the lib");
    desk.write("out/more", b"nobody asked for it");
    let plan = desk.plan(&["--produced", &desk.dir.path().join("out").display().to_string()]).unwrap();
    let report = desk.deliver(&plan).unwrap();
    assert_eq!((report.exit, report.code.as_str()), (Exit::NotVerified, "rebuild.different"));
    assert!(report.reason.starts_with("1 of 2 files not as the build claims; logged as entry 5"), "{}", report.reason);
}

#[test]
fn a_file_that_was_forgotten_is_no_difference() {
    let desk = Desk::new();
    let app = desk.write("app", b"the app");
    let failure = failed(desk.plan(&["--produced", &app]));
    assert_eq!((failure.exit, failure.code.as_str()), (Exit::Usage, "rebuild.produced"));
    assert!(failure.to_string().contains("missing lib"), "{failure}");
    assert_eq!(desk.plan(&["--produced", &app, "--partial"]).unwrap().outcome, Outcome::Different);
}

#[test]
fn what_cannot_be_compared_is_said_before_anything_is_logged() {
    let desk = Desk::new();
    let app = desk.write("app", b"the app");
    let other = desk.write("app-1.0", b"the app");
    for (more, what) in [
        (vec!["--produced", other.as_str()], "the build holds app, lib"),
        (vec!["--produced", &app, "--produced", &app], "second"),
        (vec![], "app, lib"),
    ] {
        let failure = failed(desk.plan(&more));
        assert_eq!(failure.exit, Exit::Usage, "{failure}");
        assert!(failure.to_string().contains(what), "{failure}");
    }
    let renamed = format!("app={other}");
    assert_eq!(
        desk.plan(&["--produced", &renamed, "--partial"]).unwrap().files[0].produced.as_ref(),
        Some(&Hash::of(b"the app").hex())
    );
    for outcome in ["build-failed", "not-attempted"] {
        let plan = desk.plan(&["--outcome", outcome]).unwrap();
        assert_eq!((plan.outcome.name(), plan.exit()), (outcome, Exit::NotVerified));
    }
}

#[test]
fn the_build_is_found_by_its_index_or_proof_and_must_be_one() {
    let desk = Desk::new();
    let at = desk.world.size() - 1;
    let proof = desk.write("b.tlog-proof", &desk.world.proof(at, None));
    let other = desk.write("o.tlog-proof", &desk.world.proof(at - 1, None));
    let wrong = desk.write("w.tlog-proof", &desk.world.proof(at, Some(Bend::WrongPath)));
    let plan = |build: &str| desk.plan(&["--build", build, "--outcome", "build-failed"]);
    for build in [at.to_string().as_str(), &proof] {
        assert_eq!(plan(build).unwrap().build.event.id.hex(), desk.build);
    }
    for (build, code) in [
        ("0".repeat(64).as_str(), "rebuild.build"),
        ("1", "rebuild.build"),
        (&other, "rebuild.build"),
        (&wrong, "proof.inclusion"),
    ] {
        let failure = failed(plan(build));
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::NotVerified, code), "{build}");
    }
}

#[test]
fn a_second_run_finds_what_the_first_one_logged() {
    let desk = Desk::new();
    let (app, lib) = (desk.write("app", b"the app"), desk.write("lib", b"the lib"));
    let args = ["--produced", &app, "--produced", &lib, "--started", "1795276700", "--finished", "1795276710"];
    let first = desk.deliver(&desk.plan(&args).unwrap()).unwrap();
    assert_eq!(first.details["duplicate"], false);
    // Elsewhere, later, with other times: only the log knows.
    let mut record = desk.args(&args);
    record.out = Some(desk.dir.path().join("elsewhere.json"));
    (record.started, record.finished) = (None, None);
    let again = desk.plan_of(&record).unwrap();
    let logged = again.logged.as_ref().unwrap();
    again.keep(logged).unwrap();
    assert!(desk.dir.path().join("elsewhere.json.tlog-proof").exists());
    let report = again.report(&Logged::before(logged));
    assert_eq!((report.exit, &report.details["index"]), (Exit::Done, &first.details["index"]));
    assert!(report.reason.contains("logged already as entry 5"), "{}", report.reason);
    // Another outcome is another event, and what was said before is named.
    desk.write("app", b"another app");
    record.out = Some(desk.dir.path().join("third.json"));
    let third = desk.plan_of(&record).unwrap();
    assert!(third.logged.is_none());
    assert_eq!(third.before, [(LeafIndex::new(5), "identical")]);
}

#[test]
fn what_a_log_shows_under_another_s_name_is_not_what_was_said() {
    let desk = Desk::new();
    let (app, lib) = (desk.write("app", b"the app"), desk.write("lib", b"the lib"));
    let more = ["--produced", app.as_str(), "--produced", lib.as_str()];
    let plan = desk.plan(&more).unwrap();
    let mut forged = desk.plan(&more).unwrap().event;
    forged.sign(&event_key("farm")).unwrap();
    desk.world.show(&forged.leaf());
    assert!(desk.plan(&more).unwrap().logged.is_none());
    desk.deliver(&plan).unwrap();
    assert!(desk.plan(&more).unwrap().logged.is_some());
}

#[test]
fn a_run_that_was_stopped_sends_the_same_bytes_again() {
    let desk = Desk::new();
    let (app, lib) = (desk.write("app", b"the app"), desk.write("lib", b"the lib"));
    let args = ["--produced", app.as_str(), "--produced", &lib];
    desk.world.bends.borrow_mut().push_back(Bend::Busy(503, None));
    let spooled = desk.deliver(&desk.plan(&args).unwrap()).unwrap();
    assert_eq!((spooled.exit, spooled.code.as_str()), (Exit::NotYet, "submit.spooled"));
    let report = desk.deliver(&desk.plan(&args).unwrap()).unwrap();
    assert_eq!((report.exit, desk.world.size()), (Exit::Done, 6));
    let bodies = desk.world.bodies.borrow();
    assert_eq!((bodies.len(), &bodies[0]), (2, &bodies[1]));
}

#[test]
fn a_file_in_the_way_is_not_overwritten() {
    let desk = Desk::new();
    desk.write("rebuild.json", b"something else");
    let failure = desk.deliver(&desk.plan(&["--outcome", "build-failed"]).unwrap()).unwrap_err();
    assert_eq!((failure.code.as_str(), desk.world.size()), ("file.exists", 5));
}

#[test]
fn who_may_not_rebuild_is_told_so() {
    let desk = Desk::new();
    let mut args = desk.args(&["--outcome", "build-failed"]);
    args.issuer = "farm".to_owned();
    let (policy, key) = (desk.world.policy(), event_key("farm"));
    let maker = Maker { remote: &desk.world, policy: &policy, key: &key, args: &args, now: NOW };
    let failure = failed(maker.plan(&Documents::default()));
    assert_eq!(failure.code, "rebuild.issuer");
    assert!(failure.to_string().contains("build"), "{failure}");
    args.issuer = "lab".to_owned();
    let maker = Maker { remote: &desk.world, policy: &policy, key: &key, args: &args, now: NOW };
    assert_eq!(failed(maker.plan(&Documents::default())).code, "submit.key");
}

#[test]
fn the_site_is_the_one_that_the_opening_lists() {
    let desk = Desk::new();
    desk.world.open("court", &["types.rebuild=none", "independence=third-party", "sites=CH-ZH-1"]);
    let mut args = desk.args(&["--outcome", "build-failed"]);
    args.issuer = "court".to_owned();
    let (policy, key) = (desk.world.policy(), event_key("court"));
    let plan =
        || Maker { remote: &desk.world, policy: &policy, key: &key, args: &args, now: NOW }.plan(&Documents::default());
    assert_eq!(plan().unwrap().event.header_text("site"), Some("CH-ZH-1"));
}

#[test]
fn a_rebuilder_whose_opening_says_strict_logs_into_its_chain() {
    let desk = Desk::new();
    desk.world.open("court", &["types.rebuild=strict", "independence=third-party"]);
    let mut args = desk.args(&["--outcome", "not-attempted"]);
    args.issuer = "court".to_owned();
    let (policy, key) = (desk.world.policy(), event_key("court"));
    let maker = Maker { remote: &desk.world, policy: &policy, key: &key, args: &args, now: NOW };
    let plan = maker.plan(&Documents::default()).unwrap();
    assert!(plan.event.wants_place());
    let spool = Spool::open(&desk.dir.path().join("spool"), Duration::ZERO).unwrap();
    let clock = Watch::default();
    plan.check_file().unwrap();
    let courier = Courier { remote: &desk.world, policy: &policy, key: Some(&key), spool: &spool, clock: &clock };
    plan.deliver(&courier, "http://log", &Out::new(true)).unwrap();
    assert_eq!(desk.world.event(desk.world.size() - 1).header_int("seq"), Some(2));
}
