//! `./demo`: a release log that logs the very program that verifies it, and beside it a log of accesses, before the same witnesses.
//!
//! `demo --root <checkout> --work <folder> --tree <git tree> [--keep] [--cloudtrail <folder>]`; the script `./demo` builds and
//! calls it. The steps are in `vitrine_tests::demo`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use vitrine_tests::demo::access::{self, GATEWAY};
use vitrine_tests::demo::imported::{self, Source};
use vitrine_tests::demo::product::{
    Product, digest, index_of, log_product, log_rebuild, open_issuers, update_file, verify_by,
};
use vitrine_tests::demo::show::Show;
use vitrine_tests::demo::{customer, debian, forgeries, killing, refusals, wronged};
use vitrine_tests::harness::process::binaries;
use vitrine_tests::harness::world::{READERS, World};

/// What the command line says.
struct Arguments {
    root: PathBuf,
    work: PathBuf,
    tree: String,
    keep: bool,
    cloudtrail: Option<PathBuf>,
}

impl Arguments {
    fn read() -> Option<Arguments> {
        let mut found = Arguments {
            root: PathBuf::new(),
            work: PathBuf::new(),
            tree: String::new(),
            keep: false,
            cloudtrail: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--root" => found.root = words.next()?.into(),
                "--work" => found.work = words.next()?.into(),
                "--tree" => found.tree = words.next()?,
                "--keep" => found.keep = true,
                "--cloudtrail" => found.cloudtrail = Some(words.next()?.into()),
                _ => return None,
            }
        }
        let real = found.cloudtrail.as_ref().is_none_or(|folder| folder.is_dir());
        (found.tree.len() == 40 && found.root.is_dir() && real).then_some(found)
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read() else {
        eprintln!("usage: ./demo [--keep] [--cloudtrail DIR]");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe demo stopped: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The rebuild of `witness` from a clone in another folder, beside everything else.
fn start_rebuild(arguments: &Arguments) -> Result<Child, String> {
    let clone = arguments.work.join("rebuild").join("source");
    if clone.exists() {
        std::fs::remove_dir_all(&clone).map_err(|e| format!("{}: {e}", clone.display()))?;
    }
    let status = Command::new("git").args(["clone", "--quiet"]).arg(&arguments.root).arg(&clone).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(format!("git clone into {} did not succeed", clone.display()));
    }
    let log = std::fs::File::create(arguments.work.join("rebuild.log")).map_err(|e| e.to_string())?;
    Command::new("cargo")
        .args(["build", "--release", "--locked", "-p", "vitrine-witness", "--bin", "witness"])
        .current_dir(&clone)
        .env("CARGO_TARGET_DIR", arguments.work.join("rebuild").join("target"))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("cargo: {e}"))
}

fn end_rebuild(arguments: &Arguments, mut child: Child) -> Result<PathBuf, String> {
    let status = child.wait().map_err(|e| e.to_string())?;
    if status.success() {
        Ok(arguments.work.join("rebuild/target/release/witness"))
    } else {
        Err(format!("the rebuild ended with {status}; see {}", arguments.work.join("rebuild.log").display()))
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let mut show = Show::new(true);
    show.step("a rebuild of `witness` begins in another folder, beside the rest");
    let rebuild = start_rebuild(arguments)?;

    show.step("two logs, each with operator and supervisor, and three witnesses with two keys each for both");
    let folder = arguments.work.join("world");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let (mut world, mut accesses) = World::create_two(&folder, "demo.example/release", "demo.example/access")?;
    for (what, world) in [("releases", &world), ("accesses", &accesses)] {
        show.good(&format!("{what}: log-server at {}, quorum 2 of 3, charter {}", world.url(), world.fingerprint));
    }
    let readers = READERS.map(|(name, _)| name).join(" and ");
    show.good(&format!("what is sealed in the log of accesses is opened by {readers} alone"));

    show.step("the product logs itself");
    let product = Product {
        purl: "pkg:generic/vitrine@0.1.0".to_owned(),
        tree: arguments.tree.clone(),
        source: "git:vitrine".to_owned(),
        files: vec![binaries().join("log-client"), binaries().join("witness")],
    };
    open_issuers(&world, &product)?;
    log_product(&world, &show, &product)?;

    show.step("a real detection-database stream, and four real rebuilds of Debian packages");
    // A relative folder counts from the project's root, as in the tests.
    let named = std::env::var_os("VITRINE_SHARED").unwrap_or_else(|| "../shared".into());
    let shared = arguments.root.join(named);
    let packages = debian::find_packages(&world, Some(&shared))?;
    debian::log_rules(&world, &show, &packages)?;
    debian::log_archive(&world, &show)?;
    debian::log_rebuilds(&world, &show)?;

    show.step("the server is killed in the middle of submissions");
    killing::in_the_middle(&mut world, &mut show, 24, 3)?;

    let mut part = show.part();
    all_accesses(arguments, &accesses, &mut part)?;
    accesses.stop()?;

    show.step("the rebuild of `witness`");
    let produced = digest(&end_rebuild(arguments, rebuild)?)?;
    let outcome = log_rebuild(&world, &product, &product.files[1], &produced, "rebuild.json")?;
    show.good(&format!("SHA-256 {produced}: {outcome}"));
    show.sum(format!(
        "logged       review, build, rebuild ({outcome}) and updates of this very program; git tree {}",
        product.tree
    ));
    show.sum(
        "logged       two releases of the ModSecurity rules, four Debian rebuilds (three identical, one different)"
            .to_owned(),
    );

    show.step("an auditor copies the log and recomputes it");
    world.trust("trust", &["--without-build", "modsecurity-crs/stable"])?;
    show.good("the charter's fingerprint, the policy and every issuer are pinned in `trust`");
    let audit = forgeries::audit(&world, &world.url(), "trust", "state", "report")?.expect_code(0)?;
    for line in audit.out.lines().take(14) {
        show.good(line);
    }

    show.step("a log that lies is found");
    forgeries::rebuilt_without_an_event(&world, &mut show, "trust", index_of(&world, &update_file("log-client"))?, 2)?;
    show.add(part);

    customer::pin(&world, &["modsecurity-crs/stable"])?;
    world.trust("debian", &["--issuer", "archive", "--issuer", "lab", "--rebuilds", "1"])?;
    let shipped = &product.files[1];
    if outcome == "identical" {
        customer::ship(&world, shipped)?;
        show.good(&format!("the bundle to ship beside {} comes from the log", Product::name(shipped)));
    }
    show.step("every server stops; the binary that was logged verifies itself");
    world.stop()?;
    verify_offline(&world, &mut show, &product, outcome, &packages)?;

    show.step("four Debian packages, where one rebuild is asked for");
    debian::judge(&world, &mut show, "debian")?;

    show.step("a customer asks: is this the update that everybody gets, built from the source that was reviewed?");
    if outcome == "identical" {
        customer::ask(&world, &mut show, shipped)?;
        show.step("the same with one thing wrong");
        for number in 0..3 {
            world.start_witness(number)?;
        }
        world.start_log(&[])?;
        refusals::all(&world, &mut show, &product)?;
    } else {
        show.good("no: its rebuild came out different, as said above");
    }

    if !arguments.keep {
        if outcome != "identical" {
            for number in 0..3 {
                world.start_witness(number)?;
            }
        }
        show.step("the log signs a second history");
        forgeries::fork(&world, &mut show)?;
    }

    show.end();
    if arguments.keep {
        accesses.start_log(&[])?;
        return keep(&mut world, &accesses, &product);
    }
    world.stop()
}

/// The log of accesses, from the first record to what goes wrong.
fn all_accesses(arguments: &Arguments, world: &World, show: &mut Show) -> Result<(), String> {
    show.step("real records of accesses, sealed: nobody but a reader opens them");
    access::open_issuers(world)?;
    world.trust("trust", &[])?;
    let source = match &arguments.cloudtrail {
        Some(folder) => Source::cloudtrail(world, folder)?,
        None => Source::sample(&arguments.root),
    };
    let records = imported::import(world, show, &source)?;
    imported::opened(world, show, &records)?;

    show.step("an access is logged before it is made");
    let gateway = access::start_gateway(world, GATEWAY)?;
    let index = access::before_it_is_made(world, show, &gateway)?;

    show.step("the supervisor asks; two fields are shown to others");
    access::found_by_question(world, show, index)?;
    access::shown_to_others(world, show, index)?;

    show.step("a record is erased");
    access::erased(world, show, &gateway)?;
    gateway.stop()?;

    show.step("what goes wrong with accesses is named");
    wronged::withheld(world, show)?;
    wronged::sealed_wrongly(world, show)
}

fn verify_offline(
    world: &World,
    show: &mut Show,
    product: &Product,
    outcome: &str,
    packages: &[PathBuf],
) -> Result<(), String> {
    for (file, more) in product.files.iter().zip([&[][..], &["--proof", "rebuild.json.tlog-proof"][..]]) {
        let name = Product::name(file);
        let verdict = verify_by(binaries(), world, file, "trust", more)?;
        // The rebuild's real outcome decides: a different one refuses the update, and that is the right verdict.
        if name == "witness" && outcome == "different" {
            let verdict = verdict.expect(1, "different")?;
            show.refused(
                "witness, with the rebuild that came out different",
                1,
                verdict.out.lines().next().unwrap_or_default(),
            );
            show.sum(
                "refused      the update of witness together with its own rebuild, which came out different".to_owned(),
            );
            continue;
        }
        let verdict = verdict.expect(0, "verified")?;
        for line in verdict.out.lines() {
            show.good(line);
        }
        show.sum(format!("verified     {name}, offline, with every server stopped"));
    }
    let rules = packages.last().ok_or("no package")?;
    let path = rules.display().to_string();
    let args = ["verify-update", &path, "--trust", "trust", "--proof", "rules-2.json.tlog-proof"];
    let verdict = world.client(&args)?.expect(0, "verified")?;
    show.good(verdict.out.lines().next().unwrap_or_default());
    show.sum(format!("verified     {}, offline", Product::name(rules)));
    Ok(())
}

/// Leaves everything running and says what to try, until the server ends.
fn keep(world: &mut World, accesses: &World, product: &Product) -> Result<(), String> {
    let folder = world.folder.display();
    let client = binaries().join("log-client");
    let (client, url) = (client.display(), world.url());
    let file = product.files.first().map(|file| file.display().to_string()).unwrap_or_default();
    println!("\nEverything keeps running until you press Ctrl-C. In {folder}:");
    println!("  cd {folder}");
    println!("  {client} show update-log-client.json.tlog-proof");
    println!(
        "  {client} verify-update {file} --trust trust --proof update-log-client.json.tlog-proof --proof build.json.tlog-proof"
    );
    let shipped = product.files.last().map(|file| file.display().to_string()).unwrap_or_default();
    println!(
        "  {client} verify-update {shipped} --trust customer --bundle witness.vitrine    # add --watch-state watch"
    );
    println!("  {client} audit --log {url} --trust trust --state state --out report");
    println!("  curl {url}/readyz    curl {url}/checkpoint    curl {url}/issuers/release");
    let (folder, url, print) = (accesses.folder.display(), accesses.url(), &accesses.fingerprint);
    println!("The log of accesses, in {folder}:");
    println!("  cd {folder}");
    println!("  {client} open foreign.tlog-proof --log {url} --reader-key supervisor.reader");
    println!(
        "  {client} audit --log {url} --trust trust --state state --out report --reader-key supervisor.reader --ask vault-reads"
    );
    println!(
        "  {client} gateway --log {url} --policy policy --charter '{print}' --key gateway.key --issuer gateway --listen 127.0.0.1:8480"
    );
    let Some(mut log) = world.log.take() else { return Ok(()) };
    loop {
        match log.ended() {
            Ok(status) => {
                return Err(format!("log-server ended with {status}; see {}", Path::new("log.err").display()));
            }
            // Still running: wait on.
            Err(_) => continue,
        }
    }
}
