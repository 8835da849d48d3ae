//! `GET /bundle/<sha256>` over a real log: what is in it, what is left out, when there is none (92-bundle.md).

use vitrine_spec::bundle::Bundle;
use vitrine_spec::envelope::pae;
use vitrine_spec::limits::RELEASE_ENTRIES_MAX;

use super::*;

const PURL: &str = "pkg:generic/app@1";

/// Who stands behind a release, and how many events they have said.
struct Parties {
    farm: Actor,
    lab: Actor,
    reviewer: Actor,
    release: Actor,
    said: u64,
}

fn id(submission: &Value) -> String {
    Hash::of(&pae(&unb64(submission["envelope"]["payload"].as_str().unwrap()).unwrap())).hex()
}

fn file(name: &str, bytes: &[u8]) -> Value {
    json!({"name": name, "digest": {"sha256": Hash::of(bytes).hex()}})
}

fn refs(rel: &str, targets: &[&Value]) -> Value {
    let mut ids: Vec<String> = targets.iter().map(|target| id(target)).collect();
    ids.sort();
    ids.into_iter().map(|id| json!({"rel": rel, "event_id": id})).collect()
}

impl Parties {
    async fn open(server: &Server) -> Parties {
        let mut parties = Parties {
            farm: Actor::new("farm", 60),
            lab: Actor::new("lab", 61),
            reviewer: Actor::new("reviewer", 62),
            release: Actor::new("release", 63),
            said: 0,
        };
        let operator = &server.operator;
        let streams =
            ["beta", "stable"].map(|channel| json!({"packageId": "app", "channel": channel, "regional": false}));
        for opening in [
            parties.farm.open(operator),
            parties.lab.open_with(
                operator,
                json!({"rebuild": "none", "verdict": "none"}),
                json!({"independence": "third-party"}),
            ),
            parties.reviewer.open_with(operator, json!({"code-review": "none"}), json!({})),
            parties.release.open_with(
                operator,
                json!({"correction": "strict", "update": "strict"}),
                json!({"streams": streams}),
            ),
        ] {
            logged(server, &opening).await;
        }
        parties
    }

    fn nonce(&mut self) -> Option<u64> {
        self.said += 1;
        Some(self.said)
    }

    fn build(&mut self, name: &str, bytes: &[u8], source: &Value) -> Value {
        let now = Time::now().get();
        let body = json!({
            "purl": PURL, "source": {"uri": "git:app", "digest": source}, "builder_id": "https://builder.example/1",
            "build_type": "https://builder.example/type", "invocation_id": "1", "started": now, "finished": now,
            "build_site": "CH-ZH-1", "signing_site": "CH-ZH-1",
        });
        let nonce = self.nonce();
        self.farm.say("build", nonce, json!([file(name, bytes)]), json!([]), body)
    }

    fn rebuild(&mut self, name: &str, bytes: &[u8], build: &Value, produced: &[u8]) -> Value {
        let mut subject = file(name, bytes);
        subject["annotations"] = json!({"produced": Hash::of(produced).hex()});
        let outcome = if bytes == produced { "identical" } else { "different" };
        let source = json!({"uri": "git:app", "digest": {"gitTree": "a".repeat(40)}});
        let body = json!({"outcome": outcome, "independence": "third-party", "source": source});
        let nonce = self.nonce();
        self.lab.say("rebuild", nonce, json!([subject]), refs("reproduces", &[build]), body)
    }

    fn review(&mut self, source: Value) -> Value {
        let body = json!({
            "centre": "Zurich", "organisation": "Example Review", "scope": ["app"], "method": "reading",
            "from": "2026-01-01", "to": "2026-02-01", "outcome": "no-finding",
            "findings": {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0},
        });
        let nonce = self.nonce();
        self.reviewer.say("code-review", nonce, json!([{"digest": source}]), json!([]), body)
    }

    fn update(&mut self, channel: &str, release: u64, files: &[(&str, &[u8])], builds: &[&Value]) -> Value {
        let subject = files.iter().map(|(name, bytes)| {
            let mut file = file(name, bytes);
            file["annotations"] = json!({"size": bytes.len()});
            file
        });
        let body = json!({
            "purl": PURL, "packageId": "app", "channel": channel, "kind": "product", "audience": ["all"],
            "release_seq": release, "built_here": !builds.is_empty(),
        });
        self.release.say("update", None, subject.collect(), refs("releases", builds), body)
    }

    fn verdict(&mut self, bytes: &[u8], update: &Value) -> Value {
        let policy = json!({"uri": "https://lab.example/policy", "sha256": Hash::of(b"policy").hex()});
        let body = json!({"result": "PASSED", "verifier": "https://lab.example/1", "policy": policy, "levels": []});
        let subject = json!([{"digest": {"sha256": Hash::of(bytes).hex()}}]);
        let nonce = self.nonce();
        self.lab.say("verdict", nonce, subject, refs("about", &[update]), body)
    }
}

/// Submits an event; its index.
async fn logged(server: &Server, event: &Value) -> u64 {
    let answer = server.submit(event).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    server.verify(&answer.body).0.get()
}

fn path(bytes: &[u8]) -> String {
    format!("/bundle/{}", Hash::of(bytes).hex())
}

/// The entries of the bundle of a file, after everything that can be verified of it was.
async fn entries(server: &Server, bytes: &[u8]) -> Vec<u64> {
    let answer = server.get(&path(bytes)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    let bundle = Bundle::parse(&answer.body).unwrap();
    let signed = bundle.verify_places().unwrap();
    assert!(signed.size() <= server.view.published().size);
    signed.verify_log(&server.keys.log_vkeys()).unwrap();
    server.policy.verify(&signed, None).unwrap();
    assert!(answer.header("etag").starts_with(&format!("\"{}-", signed.size())), "{}", answer.header("etag"));
    for (index, leaf) in &bundle.entries {
        assert_eq!(server.get(&format!("/events/{index}")).await.body, *leaf);
    }
    bundle.entries.iter().map(|(index, _)| index.get()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_what_stands_behind_and_against_the_updates_of_a_file() {
    // [B-5] [S-50]
    let server = server(Setting::default()).await;
    let mut parties = Parties::open(&server).await;
    let (tree, commit) = (json!({"gitTree": "a".repeat(40)}), json!({"gitCommit": "b".repeat(40)}));
    let both = json!({"gitTree": "a".repeat(40), "sha256": Hash::of(b"source").hex()});
    let build = parties.build("app", b"app", &both);
    let other = parties.build("lib", b"lib", &commit);
    let stranger = parties.build("app", b"app", &both);
    let by_tree = parties.review(tree);
    let by_sha256 = parties.review(json!({"sha256": Hash::of(b"source").hex()}));
    let by_commit = parties.review(commit);
    let elsewhere = parties.review(json!({"gitTree": "b".repeat(40), "gitCommit": "a".repeat(40)}));
    let same = parties.rebuild("app", b"app", &build, b"app");
    let update = parties.update("stable", 1, &[("app", b"app"), ("lib", b"lib")], &[&build, &other]);
    let mut expected = vec![0];
    for (event, belongs) in [
        (&build, true),
        (&other, true),
        (&stranger, false),
        (&by_tree, true),
        (&by_sha256, true),
        (&by_commit, true),
        (&elsewhere, false),
        (&same, true),
        (&update, true),
    ] {
        let index = logged(&server, event).await;
        expected.extend(belongs.then_some(index));
    }
    assert_eq!(entries(&server, b"app").await, expected);
    assert_eq!(entries(&server, b"lib").await, expected, "either file of the update has the same bundle");

    // What comes later: against it as well as for it, and the next release of the same file.
    let different = parties.rebuild("lib", b"lib", &other, b"another");
    let verdict = parties.verdict(b"app", &update);
    let reason = json!({"reason": "mistake", "fields": [{"name": "body.kind", "value": "\"module\""}]});
    let subject = json!([{"digest": {"sha256": id(&update)}}]);
    let correction = parties.release.say("correction", None, subject, refs("corrects", &[&update]), reason);
    let files = json!([file("app", b"app"), file("lib", b"lib")]);
    let revoke = json!({"reason": "security"});
    let revocation = parties.release.say("update-revoke", None, files, refs("revokes", &[&update]), revoke);
    let again = parties.update("stable", 2, &[("app", b"app")], &[&build]);
    for event in [&different, &verdict, &correction, &revocation] {
        expected.push(logged(&server, event).await);
    }
    assert_eq!(entries(&server, b"lib").await, expected);
    expected.push(logged(&server, &again).await);
    assert_eq!(entries(&server, b"app").await, expected);
    assert_eq!(entries(&server, b"lib").await, expected[..expected.len() - 1]);

    // A new charter belongs to every bundle.
    let sign = vitrine_spec::key::Seed::new("reader.example", vitrine_spec::key::KeyKind::Ed25519, [7; 32]).unwrap();
    let mut operator = Actor::new("operator", 40).after(&server.charter);
    let second = crate::fake::second_charter(&server.keys, &mut operator, &server.supervisor, &sign);
    expected.push(logged(&server, &second).await);
    assert_eq!(entries(&server, b"app").await, expected);
    assert!(server.metrics().await.contains("route=\"/bundle/{sha256}\",status=\"200\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_published_update_holds_has_none() {
    // [B-5] [S-50]
    let server = server(Setting::default()).await;
    let mut parties = Parties::open(&server).await;
    let build = parties.build("app", b"app", &json!({"gitTree": "a".repeat(40)}));
    logged(&server, &build).await;
    for asked in [path(b"app"), "/bundle/0".to_owned(), path(b"app").to_uppercase().replace("/BUNDLE", "/bundle")] {
        let none = server.get(&asked).await;
        assert_eq!((none.status.as_u16(), none.code().as_str()), (404, "not-found"), "{asked}");
        assert_eq!(none.header("cache-control"), "no-store");
    }
    // Signed by the log, and not published before the witnesses have seen it.
    server.fakes[0].script(|script| script.says = Some((503, "text/plain", b"no".to_vec())));
    let update = parties.update("stable", 1, &[("app", b"app")], &[&build]);
    let size = server.view.published().size;
    let before = async {
        while server.view.head() == size {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let code = server.get(&path(b"app")).await.code();
        server.fakes[0].script(|script| script.says = None);
        code
    };
    let (code, answer) = tokio::join!(before, server.submit(&update));
    assert_eq!(code, "not-found");
    let index = server.verify(&answer.body).0.get();
    assert_eq!(entries(&server, b"app").await.last(), Some(&index));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_a_problem_or_an_older_update() {
    // [B-5] [S-50]
    let server = server(Setting::default()).await;
    let mut parties = Parties::open(&server).await;
    let source = json!({"gitTree": "a".repeat(40)});
    let (old, new) = (parties.build("old", b"old", &source), parties.build("new", b"new", &source));
    logged(&server, &old).await;
    logged(&server, &new).await;
    let many = RELEASE_ENTRIES_MAX as u64 + 2;
    let lines: Vec<String> = (0..many).map(|_| parties.rebuild("old", b"old", &old, b"old").to_string()).collect();
    server.submit_lines(&lines).await;
    // In the older update with another file that has been rebuilt so often, in the newer one alone.
    let older = parties.update("stable", 1, &[("new", b"new"), ("old", b"old")], &[&old, &new]);
    let older = logged(&server, &older).await;
    let full = server.get(&path(b"new")).await;
    assert_eq!((full.status.as_u16(), full.code().as_str()), (422, "bundle-full"));
    assert!(full.text().contains(&format!("entry {older}")), "{}", full.text());
    let newer = parties.update("stable", 2, &[("new", b"new")], &[&new]);
    let newer = logged(&server, &newer).await;
    let held = entries(&server, b"new").await;
    assert!(held.contains(&newer) && !held.contains(&older), "{held:?}");
    assert_eq!(server.get(&path(b"old")).await.code(), "bundle-full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_that_a_cache_has_is_not_made_again() {
    // [S-50]
    let server = server(Setting::default()).await;
    let mut parties = Parties::open(&server).await;
    let build = parties.build("app", b"app", &json!({"gitTree": "a".repeat(40)}));
    let update = parties.update("beta", 1, &[("app", b"app")], &[&build]);
    logged(&server, &build).await;
    logged(&server, &update).await;
    let ask = async |tag: &str| {
        let request = Request::get(path(b"app")).header("if-none-match", tag);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    let tag = server.get(&path(b"app")).await.header("etag").to_owned();
    let same = ask(&tag).await;
    assert_eq!((same.status.as_u16(), same.header("etag"), same.body.len()), (304, tag.as_str(), 0));
    let beat = parties.farm.heartbeat();
    logged(&server, &beat).await;
    assert_eq!(ask(&tag).await.status, 200, "the log has grown");
}
