//! Attachments over a real log: put, named by an event, read (85-log.md, "Attachments").

use super::*;
use vitrine_spec::key::Seed;
use vitrine_spec::request::AttachRequest;
use vitrine_spec::words;

const DOCUMENT: &[u8] = b"a report of 21 bytes.";

fn path(document: &[u8]) -> String {
    format!("/attachments/{}", Hash::of(document).hex())
}

/// A request of the farm for these bytes.
fn request(document: &[u8]) -> AttachRequest {
    AttachRequest {
        origin: ORIGIN.to_owned(),
        sha256: Hash::of(document),
        size: document.len() as u64,
        media_type: "text/plain".to_owned(),
        issuer: words::Name::new("farm").unwrap(),
        expires: words::Time::new(Time::now().get() + 60),
    }
}

impl Server {
    async fn put(&self, path: &str, request: &AttachRequest, key: &Seed, body: impl Into<Body>) -> Answer {
        let authorization = request.authorization(key).unwrap();
        self.send(Request::put(path).header("authorization", authorization).body(body.into()).unwrap()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_put_named_and_then_read() {
    // [S-40]
    let server = server(Setting::default()).await;
    let mut farm = server.farm().await;
    let (path, signed) = (path(DOCUMENT), request(DOCUMENT));
    let build = farm.build_with(1, DOCUMENT);
    assert_eq!(server.submit(&build).await.code(), "attachment-missing");
    let answer = server.put(&path, &signed, farm.seed(), DOCUMENT).await;
    assert_eq!((answer.status, answer.json()["new"].as_bool()), (StatusCode::CREATED, Some(true)), "{}", answer.text());
    let again = server.put(&path, &signed, farm.seed(), DOCUMENT).await;
    assert_eq!((again.status, again.json()["new"].as_bool()), (StatusCode::OK, Some(false)));
    let hidden = server.get(&path).await;
    assert_eq!((hidden.code().as_str(), hidden.header("cache-control")), ("not-found", "no-store"));
    let named = format!("/lookup?attachment={}", Hash::of(DOCUMENT).hex());
    assert_eq!(server.get(&named).await.json()["entries"], json!([]));
    assert_eq!(server.submit(&build).await.status, 201);
    let entries = server.get(&named).await.json()["entries"].take();
    assert_eq!((entries.as_array().unwrap().len(), entries[0]["index"].as_u64()), (1, Some(2)), "{entries}");
    let answer = server.get(&path).await;
    assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::OK, DOCUMENT));
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-disposition", "attachment"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("cache-control", "public, max-age=31536000, immutable"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let metrics = server.metrics().await;
    for line in ["attachments_total{outcome=\"stored\"} 1", "attachments_total{outcome=\"here\"} 1"] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    let (waiting, _) = server.app.attachments.waiting();
    assert_eq!(waiting, 0, "a published event names it");
    // Longer than one piece of what is gathered, sent and read.
    let long = vec![7; 3 << 20];
    let put = server.put(&super::documents::path(&long), &request(&long), farm.seed(), long.clone()).await;
    assert_eq!(put.status, StatusCode::CREATED);
    assert_eq!(server.submit(&farm.build_with(2, &long)).await.status, 201);
    assert_eq!(server.get(&super::documents::path(&long)).await.body, long);

    // [S-46]
    let store = &server.app.store;
    server.app.attachments.begin(request(b""), Time::now()).unwrap().end(Time::now()).unwrap();
    let found = || {
        let report = crate::fsck::fsck(Arc::clone(store), &|_| {}).unwrap();
        let findings: Vec<String> = report.findings.iter().map(|f| format!("{}: {}", f.path, f.what)).collect();
        (report.attachments, findings)
    };
    assert_eq!(found(), (3, Vec::new()));
    let [document, long, empty] = [DOCUMENT, &long, b""].map(|bytes| crate::layout::attachment(&Hash::of(bytes)));
    store.put(&document, b"a report of 21 bytes!").unwrap();
    store.delete(&long).unwrap();
    store.delete(&crate::layout::waiting(&Hash::of(b""))).unwrap();
    store.put("attachment/00/a", b"").unwrap();
    store.put("attachment/waiting/a", b"").unwrap();
    let (_, findings) = found();
    let all = findings.join("\n");
    for (path, words) in [
        (document.as_str(), "its SHA-256 is"),
        (&long, "it is missing"),
        (&empty, "no event names it"),
        ("attachment/00/a", "no attachment has this name"),
        ("attachment/waiting/a", "it is no record"),
    ] {
        assert!(all.contains(&format!("{path}: {words}")), "{path}: {words} is not in\n{all}");
    }
    assert_eq!(findings.len(), 5, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_for_is_refused_and_leaves_nothing() {
    // [S-40] [S-41]
    let server = server(Setting::default()).await;
    let farm = server.farm().await;
    let (path, signed) = (path(DOCUMENT), request(DOCUMENT));
    let unsigned = server.send(Request::put(&path).body(Body::from(DOCUMENT)).unwrap()).await;
    assert_eq!(unsigned.code(), "malformed");
    assert_eq!(server.put(&path, &signed, server.operator.seed(), DOCUMENT).await.code(), "signer-set");
    let late = AttachRequest { expires: words::Time::new(Time::now().get() - 1), ..signed.clone() };
    assert_eq!(server.put(&path, &late, farm.seed(), DOCUMENT).await.code(), "expired");
    let other = Hash::of(b"other").hex();
    assert_eq!(server.put(&format!("/attachments/{other}"), &signed, farm.seed(), DOCUMENT).await.code(), "value");
    assert_eq!(server.put(&path, &signed, farm.seed(), "a report of 21 bytes!").await.code(), "value");
    assert_eq!(server.put(&path, &signed, farm.seed(), "short").await.code(), "value");
    assert_eq!(server.put(&path, &signed, farm.seed(), "longer than what was signed").await.code(), "value");
    let pieces = |bytes: &[u8]| {
        // Without a length in the head.
        struct Once(Option<Vec<u8>>);
        impl crate::http::pieces::Source for Once {
            fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
                Ok(self.0.take())
            }
        }
        crate::http::pieces::body(Once(Some(bytes.to_vec())), None)
    };
    assert_eq!(server.put(&path, &signed, farm.seed(), pieces(b"short")).await.code(), "value");
    assert_eq!(server.put(&path, &signed, farm.seed(), pieces(&[0; 100])).await.code(), "value");
    let large = AttachRequest { size: (1 << 30) + 1, ..signed.clone() };
    assert_eq!(server.put(&path, &large, farm.seed(), DOCUMENT).await.code(), "value");
    for name in ["x", &Hash::of(DOCUMENT).hex().to_uppercase()] {
        assert_eq!(server.get(&format!("/attachments/{name}")).await.code(), "not-found");
    }
    assert_eq!(server.app.attachments.waiting(), (0, 0));
    assert_eq!(server.app.store.list("tmp").unwrap(), Vec::<String>::new());
    assert_eq!(server.put(&path, &signed, farm.seed(), pieces(DOCUMENT)).await.status, StatusCode::CREATED);
}
