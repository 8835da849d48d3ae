//! The explorer in a real browser: pages at phone and desktop width, the script that verifies, and that a wrong proof is seen.
//!
//! A log with three products is shown by headless Chromium through a server of the test, which adds a script that measures, or
//! flips one byte of a proof. `VITRINE_PICTURES=DIR` keeps pictures of the pages. Where `CI` is set a missing Chromium fails;
//! elsewhere one line says that nothing was checked. Not here: what a page holds (`log-server`, `http::tests::explored`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use vitrine_log_client::clock::show as time;
use vitrine_spec::hash::leaf_hash;
use vitrine_spec::key::Seed;
use vitrine_spec::tree::Frontier;
use vitrine_tests::demo::product::{digest, now};
use vitrine_tests::harness::forge;
use vitrine_tests::harness::http;
use vitrine_tests::harness::process::run;
use vitrine_tests::harness::world::World;

const ORIGIN: &str = "example.com/log";
const DAY: u64 = 86_400;
const HOUR: u64 = 3_600;
/// Days that the log seems to have run.
const DAYS: u64 = 12;

/// Makes events as the people of one vendor and its rebuilders do.
struct Story<'a> {
    world: &'a World,
    begun: u64,
}

impl Story<'_> {
    fn log(&self, kind: &str, issuer: &str, file: &str, at: u64, more: &[&str]) {
        let recorded = time(self.begun + at);
        let mut args = vec!["--recorded", recorded.as_str()];
        args.extend(more);
        self.world.event(kind, issuer, file, &args).unwrap();
        self.world.submit(issuer, &[file]).unwrap();
    }

    /// Review, build and update of one version; `at` seconds after the log began.
    fn release(&self, product: &str, version: &str, kind: &str, at: u64, reviewed: bool) {
        let (name, purl) = (format!("{product}-{version}.bin"), format!("purl=pkg:generic/{product}@{version}"));
        self.world.write(&name, format!("{product} {version}")).unwrap();
        let tree = format!("{:040x}", u128::from(at) * 0x1234_5678_9abc_def1_2345);
        let of = |what: &str| format!("{what}-{product}-{version}.json");
        let (git, source) = (format!("gitTree={tree}"), format!("source.digest.gitTree={tree}"));
        let day = time(self.begun + at - 2 * HOUR)[..10].to_owned();
        let mut references = Vec::new();
        if reviewed {
            let product_purl = format!("purl=pkg:generic/{product}");
            let fields = [
                product_purl,
                "centre=Zurich".to_owned(),
                "organisation=National Cyber Centre".to_owned(),
                "method=four eyes, all changes since the last release".to_owned(),
                "outcome=no-finding".to_owned(),
                "scope=core".to_owned(),
                format!("from={day}"),
                format!("to={day}"),
            ];
            let findings = ["critical", "high", "medium", "low", "info"].map(|grade| format!("findings.{grade}=0"));
            let mut args = vec!["--subject", git.as_str()];
            args.extend(fields.iter().chain(&findings).flat_map(|field| ["--field", field.as_str()]));
            self.log("code-review", "supervisor", &of("review"), at - HOUR, &args);
            references.push(format!("reviewed={}", of("review")));
        }
        let fields = [
            purl.clone(),
            format!("source.uri=https://git.example/{product}"),
            source,
            "builder_id=https://build.example/farm".to_owned(),
            "build_type=https://build.example/release".to_owned(),
            format!("invocation_id={product}-{version}-1"),
            format!("started={}", self.begun + at - 900),
            format!("finished={}", self.begun + at - 300),
            "build_site=CH-ZH-1".to_owned(),
            "signing_site=CH-ZH-1".to_owned(),
        ];
        let mut args = vec!["--file", name.as_str()];
        args.extend(references.iter().flat_map(|reference| ["--ref", reference.as_str()]));
        args.extend(fields.iter().flat_map(|field| ["--field", field.as_str()]));
        self.log("build", "build-farm", &of("build"), at - 200, &args);
        let (built, package, kind) =
            (format!("releases={}", of("build")), format!("packageId={product}"), format!("kind={kind}"));
        let args =
            ["--file", &name, "--ref", &built, "--field", &purl, "--field", &package, "--field", "channel=stable"];
        self.log("update", "release", &of("update"), at, &[&args[..], &["--field", &kind]].concat());
    }

    fn rebuild(&self, product: &str, version: &str, by: &str, identical: bool, at: u64) {
        let name = format!("{product}-{version}.bin");
        let made = if identical { digest(&self.world.path(&name)).unwrap() } else { "7".repeat(64) };
        let build = format!("build-{product}-{version}.json");
        let args = [
            "--file".to_owned(),
            name.clone(),
            "--produced".to_owned(),
            format!("{name}={made}"),
            "--ref".to_owned(),
            format!("reproduces={build}"),
            "--field".to_owned(),
            "independence=third-party".to_owned(),
            "--field".to_owned(),
            format!("outcome={}", if identical { "identical" } else { "different" }),
            "--field".to_owned(),
            format!("source.uri=https://git.example/{product}"),
            "--field".to_owned(),
            format!("source.digest.gitTree={:040x}", 0x5eed_u32),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.log("rebuild", by, &format!("rebuild-{product}-{version}-{by}.json"), at, &args);
    }
}

/// Logs what a vendor logs in twelve days: three products, eleven releases, one of them revoked.
fn tell(world: &World, begun: u64) {
    let streams = ["detection-rules", "mail-gateway", "scan-engine"];
    let streams = streams.map(|name| format!(r#"{{"packageId":"{name}","channel":"stable","regional":false}}"#));
    world.write("streams.json", format!(r#"{{"streams":[{}]}}"#, streams.join(","))).unwrap();
    let open = |issuer: &str, fields: &[&str], more: &[&str]| {
        let recorded = time(begun + HOUR);
        world.open_with(issuer, fields, &[more, &["--recorded", recorded.as_str()]].concat()).unwrap();
    };
    open("build-farm", &["types.build=none", "builders=https://build.example/farm"], &[]);
    open("release", &["types.update=strict"], &["--body", "streams.json"]);
    open("university-lab", &["types.rebuild=none", "independence=third-party"], &[]);
    open("rebuilders-club", &["types.rebuild=none", "independence=third-party"], &[]);
    let story = Story { world, begun };
    story.release("mail-gateway", "4.1.0", "product", DAY, true);
    story.rebuild("mail-gateway", "4.1.0", "university-lab", true, DAY + 7 * HOUR);
    story.release("detection-rules", "2026.11.1", "detection-db", 2 * DAY, false);
    story.release("scan-engine", "9.0.3", "engine", 3 * DAY, true);
    story.rebuild("scan-engine", "9.0.3", "university-lab", true, 3 * DAY + 5 * HOUR);
    story.rebuild("scan-engine", "9.0.3", "rebuilders-club", false, 4 * DAY);
    story.release("detection-rules", "2026.11.2", "detection-db", 6 * DAY, false);
    story.release("mail-gateway", "4.1.1", "product", 7 * DAY, false);
    story.rebuild("mail-gateway", "4.1.1", "university-lab", true, 7 * DAY + 3 * HOUR);
    let revoked = ["--file", "mail-gateway-4.1.1.bin", "--ref", "revokes=update-mail-gateway-4.1.1.json"];
    story.log(
        "update-revoke",
        "release",
        "revoke.json",
        8 * DAY,
        &[&revoked[..], &["--field", "reason=security"]].concat(),
    );
    story.release("detection-rules", "2026.11.3", "detection-db", 9 * DAY, false);
    story.release("mail-gateway", "4.2.0", "product", 10 * DAY, true);
    story.rebuild("mail-gateway", "4.2.0", "university-lab", true, 10 * DAY + 4 * HOUR);
    story.rebuild("mail-gateway", "4.2.0", "rebuilders-club", true, 10 * DAY + 9 * HOUR);
}

/// Checkpoints of earlier hours, of the log's own tree and by its own keys, as a server that had run so long would have kept them.
fn kept(world: &World, begun: u64) {
    let size = world.published().unwrap();
    let keys: Vec<Seed> = ["log-ed25519", "log-mldsa44"]
        .iter()
        .map(|name| forge::key(&world.path(&format!("log.keys/{name}.key"))).unwrap())
        .collect();
    let leaves = forge::entries(&world.path("log"), size).unwrap();
    let mut frontier = Frontier::new();
    let mut roots = vec![frontier.root()];
    for leaf in &leaves {
        frontier.push(leaf_hash(leaf));
        roots.push(frontier.root());
    }
    // Steeper towards the end, with days on which nothing came.
    let hours = DAYS * 24;
    for hour in 1..=hours {
        let grown = (hour / 20 * 20) * (hour / 20 * 20) * size / (hours * hours);
        let at = (begun / HOUR + hour) * HOUR + 120;
        let root = roots[usize::try_from(grown).unwrap()];
        let note = forge::checkpoint(ORIGIN, grown, root, &keys, at).unwrap();
        let path = time(at)[..13].replace(['-', 'T'], "/");
        let path = world.path(&format!("log/kept/{path}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, note).unwrap();
    }
}

/// What the server in between does to pages.
struct Between {
    log: String,
    client: reqwest::Client,
    flip: AtomicBool,
}

/// Measures what only a browser knows and writes it where `--dump-dom` shows it.
const MEASURE: &str = r#""use strict";
const said = document.documentElement.dataset;
said.violations = "";
document.addEventListener("securitypolicyviolation", (event) => { said.violations += `${event.violatedDirective} ${event.blockedURI} `; });
addEventListener("error", (event) => { said.violations += `${event.message} `; });
addEventListener("load", () => {
  said.inner = innerWidth;
  said.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll("main *, header *, footer *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".wide, pre, nav, .hidden"));
  said.wide = wide.slice(0, 3).map((one) => `${one.tagName}.${one.className}`).join(" ");
});
"#;

async fn between(State(state): State<Arc<Between>>, request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    if path == "/measure.js" {
        return ([(header::CONTENT_TYPE, "text/javascript")], MEASURE).into_response();
    }
    let accept = request.headers().get(header::ACCEPT).map_or("*/*", |value| value.to_str().unwrap());
    let asked = state.client.get(format!("{}{path}", state.log)).header("accept", accept);
    let answer = asked.send().await.unwrap();
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let headers: Vec<(HeaderName, _)> =
        [header::CONTENT_TYPE, header::CONTENT_SECURITY_POLICY, header::X_CONTENT_TYPE_OPTIONS]
            .into_iter()
            .filter_map(|name| answer.headers().get(name.as_str()).cloned().map(|value| (name, value)))
            .collect();
    let mut body = answer.text().await.unwrap();
    if body.starts_with("<!DOCTYPE html>") {
        body = body.replacen("<head>", "<head><script src=\"/measure.js\"></script>", 1);
        if state.flip.load(Ordering::SeqCst) {
            let proof = body.find("\nindex ").expect("a proof in the page");
            let hash = proof + 1 + body[proof + 1..].find('\n').unwrap() + 1;
            let other = if body.as_bytes()[hash] == b'A' { "B" } else { "A" };
            body.replace_range(hash..=hash, other);
        }
    }
    let mut response = (status, body).into_response();
    response.headers_mut().extend(headers);
    response
}

/// Headless Chromium with a profile of its own.
struct Browser {
    program: PathBuf,
    folder: PathBuf,
    url: String,
}

/// Its window: a phone's, a desk's.
const WIDTHS: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desktop", 1280, 900)];

impl Browser {
    fn run(&self, path: &str, (width, height): (u32, u32), more: &[&str]) -> (String, String) {
        let profile = format!("--user-data-dir={}", self.folder.join("profile").display());
        // A window is never narrower than 500 px; one that fills its screen is as wide as that.
        let (window, screen) =
            (format!("--window-size={width},{height}"), format!("--screen-info={{{width}x{height}}}"));
        let mut args = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            &profile,
            &window,
            &screen,
            "--kiosk",
        ];
        args.extend(more);
        let url = format!("{}{path}", self.url);
        args.push(&url);
        let ran = run(&self.folder, self.program.to_str().unwrap(), args).unwrap();
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.line, ran.err);
        (ran.out, ran.err)
    }

    /// The page as it stands when its scripts have run; nothing of it is forbidden, nothing is wider than the window.
    fn page(&self, path: &str, size: (u32, u32)) -> String {
        let (dom, console) = self.run(path, size, &["--dump-dom"]);
        let said = |name: &str| {
            let from = dom.find(&format!("data-{name}=\"")).unwrap_or_else(|| panic!("{path}: no {name} in\n{dom}"));
            dom[from..].split('"').nth(1).unwrap().to_owned()
        };
        assert_eq!(said("inner"), size.0.to_string(), "{path}: the window");
        assert_eq!((said("overflow").as_str(), said("wide").as_str()), ("0", ""), "{path} at {} px", size.0);
        assert_eq!(said("violations"), "", "{path}");
        let faults: Vec<&str> = console.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(faults.is_empty(), "{path}: {faults:?}");
        dom
    }

    fn picture(&self, path: &str, size: (u32, u32), to: &Path) {
        let shot = format!("--screenshot={}", to.display());
        self.run(path, size, &[&shot]);
        assert!(to.is_file(), "{}", to.display());
    }
}

fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder| folder.join("chromium")).find(|program| program.is_file())
}

#[test]
fn a_browser_shows_the_log_and_verifies_a_proof() {
    // [S-48] [S-49]
    let Some(program) = chromium() else {
        assert!(std::env::var_os("CI").is_none(), "there is no chromium; CI is set, so it must be there");
        // As `shared::folder` does: the test harness keeps what `eprintln!` says to itself.
        let _ = writeln!(std::io::stderr(), "NOT CHECKED: the explorer in a browser: there is no chromium");
        return;
    };
    let pictures = std::env::var_os("VITRINE_PICTURES").map(PathBuf::from);
    let directory = tempfile::tempdir().unwrap();
    let begun = now() - DAYS * DAY;
    let mut world = World::create_begun(directory.path(), ORIGIN, &time(begun)).unwrap();
    tell(&world, begun);
    kept(&world, begun);
    let state = Arc::new(Between { log: world.url(), client: reqwest::Client::new(), flip: AtomicBool::new(false) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(between).with_state(Arc::clone(&state));
    runtime.spawn(async move { axum::serve(listener, router).await });
    let folder = directory.path().to_owned();
    let browser = Browser { program, folder, url };

    let size = world.published().unwrap();
    let update = http::get(&format!("{}/lookup?purl=pkg:generic/mail-gateway@4.2.0", world.url())).unwrap().1;
    let update: serde_json::Value = serde_json::from_str(&update).unwrap();
    let update = update["entries"][1]["index"].as_u64().unwrap();
    let event = format!("/explore/events/{update}");
    let pages = [
        ("front", "/", "example.com/log"),
        ("products", "/explore/products", "pkg:generic/detection-rules"),
        ("product", "/explore/product?purl=pkg:generic/mail-gateway", "revoked"),
        ("event", event.as_str(), "mail-gateway-4.2.0.bin"),
        ("issuers", "/explore/issuers", "university-lab"),
        ("issuer", "/explore/issuers/release", "detection-rules"),
        ("witnesses", "/explore/witnesses", "w3.example"),
        ("entries", "/explore/entries?before=20", "Newest"),
        ("find", "/explore/find?q=nothing-like-this", "Nothing is logged of"),
        ("missing", "/explore/events/999999", "is not published"),
    ];
    if let Some(pictures) = &pictures {
        // The one in README.md.
        browser.picture("/", (1280, 1610), &pictures.join("explorer.png"));
    }
    for (at, width, height) in WIDTHS {
        for (name, path, words) in pages {
            let dom = browser.page(path, (width, height));
            assert!(dom.contains(words), "{path} does not say {words:?}:\n{dom}");
            if let Some(pictures) = &pictures {
                browser.picture(path, (width, 2_400), &pictures.join(format!("{name}-{at}.png")));
            }
        }
        let dom = browser.page(&event, (width, height));
        for words in [
            "Verified in this browser",
            &format!("Entry {update} is in the tree of the checkpoint of {ORIGIN}."),
            &format!("lead to the root over {size} entries"),
            "The statement as it was signed and the event id are those of the leaf.",
            "Ed25519 lines of example.com/log, w1.example, w2.example",
            "Not checked: ML-DSA-44, the issuer’s signature, your policy.",
            "Not checked: that the page says what the statement says, and this script itself.",
        ] {
            assert!(dom.contains(words), "the page of entry {update} does not say {words:?}:\n{dom}");
        }
    }
    // One flipped byte of the path.
    state.flip.store(true, Ordering::SeqCst);
    let dom = browser.page(&event, (1280, 900));
    assert!(dom.contains("Does not verify") && dom.contains("the path does not lead to the root"), "{dom}");
    assert!(!dom.contains("Verified in this browser"), "{dom}");
    world.stop().unwrap();
    // The checkpoints of earlier hours are of this very tree.
    world.server(&["fsck", "--dir", "log"]).unwrap();
}
