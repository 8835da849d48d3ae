//! Attestations made here, whole and odd: what is taken, what is refused, and that both sides are named (74-slsa.md, M).
//!
//! Real ones are in the tests crate (`tests/tests/slsa.rs`).
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};
use vitrine_spec::envelope::pae_of;
use vitrine_spec::hash::Hash;
use vitrine_spec::json::Value;
use vitrine_spec::words::Name;
use x509_cert::der::asn1::ObjectIdentifier;

use super::artifact::Artifact;
use super::build::{Asked, Build, build};
use super::judged::{Judged, judge};
use super::known::{Sought, known};
use super::provenance::{PAYLOAD_TYPE, TABLE, Version};
use crate::draft::{Attached, Chain, Draft};
use crate::exit::{Exit, Failure};
use crate::limits::PROVENANCE_BYTES_MAX;
use crate::world::{self, Bend, NOW, World, event_key};

const REPOSITORY: &str = "https://git.example.com/app";
const SIGNER: &str = "https://git.example.com/app/release.yml@refs/tags/v1";
const COMMIT: &str = "8f70009fde0c94ade6ce2a054b94718c819126ec";
const TREE: &str = "0123456789abcdef0123456789abcdef01234567";
/// 2026-11-24T08:00:00Z, the first second of every certificate here.
const SECOND: u64 = 1_795_507_200;
const URI: u8 = 0x86;
const EMAIL: u8 = 0x81;

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = vec![tag];
    match length {
        [0, short @ 0..128] => out.push(short),
        [0, low] => out.extend([0x81, low]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend(content);
    out
}

fn oid(text: &str) -> Vec<u8> {
    der(0x06, &[ObjectIdentifier::new(text).unwrap().as_bytes()])
}

/// A certificate that nobody issued.
fn certificate(curve: &str, point: &[u8], names: &[(u8, &str)], run: &[(&str, &str)]) -> Vec<u8> {
    let algorithm = der(0x30, &[&oid("1.2.840.10045.4.3.3")]);
    let time = |text: &str| der(0x17, &[text.as_bytes()]);
    let key = [der(0x30, &[&oid("1.2.840.10045.2.1"), &oid(curve)]), der(0x03, &[&[0], point])].concat();
    let mut extensions = Vec::new();
    let mut extend = |name: &str, value: &[u8]| extensions.extend(der(0x30, &[&oid(name), &der(0x04, &[value])]));
    if !names.is_empty() {
        let names: Vec<Vec<u8>> = names.iter().map(|(tag, name)| der(*tag, &[name.as_bytes()])).collect();
        extend("2.5.29.17", &der(0x30, &[&names.concat()]));
    }
    for (name, value) in run {
        extend(&format!("1.3.6.1.4.1.57264.1.{name}"), &der(0x0c, &[value.as_bytes()]));
    }
    let certificate = der(
        0x30,
        &[
            &der(0xa0, &[&der(0x02, &[&[2]])]),
            &der(0x02, &[&[1]]),
            &algorithm,
            &der(0x30, &[]),
            &der(0x30, &[&time("261124080000Z"), &time("261124081000Z")]),
            &der(0x30, &[]),
            &der(0x30, &[&key]),
            &der(0xa3, &[&der(0x30, &[&extensions])]),
        ],
    );
    der(0x30, &[&certificate, &algorithm, &der(0x03, &[&[0, 0]])])
}

/// A builder with its key.
struct Signer {
    key: EcdsaKeyPair,
    names: Vec<(u8, &'static str)>,
    run: Vec<(&'static str, &'static str)>,
}

impl Signer {
    fn new() -> Signer {
        Signer {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            names: vec![(URI, SIGNER)],
            run: vec![("12", REPOSITORY), ("13", COMMIT), ("21", "https://git.example.com/app/runs/7")],
        }
    }

    fn certificate(&self) -> Vec<u8> {
        certificate("1.2.840.10045.3.1.7", self.key.public_key().as_ref(), &self.names, &self.run)
    }

    fn sign(&self, payload_type: &str, payload: &[u8]) -> Vec<u8> {
        self.key.sign(&SystemRandom::new(), &pae_of(payload_type, payload)).unwrap().as_ref().to_vec()
    }

    /// A bundle of bytes of any type.
    fn bundle_of(&self, payload_type: &str, payload: &[u8]) -> Json {
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": STANDARD.encode(self.certificate())}, "timestampVerificationData": null},
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": STANDARD.encode(self.sign(payload_type, payload)), "keyid": ""}],
            },
        })
    }

    fn bundle(&self, statement: &Json) -> Json {
        self.bundle_of(PAYLOAD_TYPE, statement.to_string().as_bytes())
    }
}

fn artifact() -> Artifact {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.tar.gz");
    std::fs::write(&path, "the app").unwrap();
    Artifact::read(&path).unwrap()
}

fn digest(algorithm: &str) -> String {
    let artifact = artifact();
    artifact.digests.iter().find(|(name, _)| *name == algorithm).unwrap().1.clone()
}

fn v1() -> Json {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "pkg:generic/app@1.0", "digest": {"sha256": digest("sha256"), "md5": "not compared"}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://git.example.com/workflow/v1",
                "externalParameters": {"workflow": {"repository": REPOSITORY, "ref": "refs/tags/v1"}},
                "resolvedDependencies": [{"uri": format!("git+{REPOSITORY}@refs/tags/v1"), "digest": {"gitCommit": COMMIT}}],
            },
            "runDetails": {
                "builder": {"id": SIGNER},
                "metadata": {"invocationId": "run 7", "startedOn": "2026-11-24T07:00:00.9Z", "finishedOn": "2026-11-24T08:59:00+01:00"},
            },
        },
    })
}

fn v02() -> Json {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{"name": "pkg:generic/app@1.0", "digest": {"sha512": digest("sha512")}}],
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {
            "builder": {"id": SIGNER},
            "buildType": "https://git.example.com/workflow/v0",
            "invocation": {"configSource": {"uri": format!("git+{REPOSITORY}@refs/tags/v1"), "digest": {"sha1": COMMIT}}},
            "metadata": {"buildInvocationId": "7-1", "buildStartedOn": "2026-11-24T07:00:00Z", "buildFinishedOn": "2026-11-24T07:59:00Z"},
            "materials": [{"uri": "git+x"}, {"uri": "pkg:deb/y"}],
        },
    })
}

/// Sets the member at a path of names and numbers; `null` takes it away.
fn with(mut value: Json, pointer: &str, new: Json) -> Json {
    if new.is_null() {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).expect("it was there");
    } else {
        *value.pointer_mut(pointer).expect("it is there") = new;
    }
    value
}

fn judged(file: &Json) -> Result<Judged, Failure> {
    judge(artifact(), file.to_string().as_bytes())
}

fn asked() -> Asked {
    Asked { purl: None, build_site: "CH-ZH-1".to_owned(), signing_site: "CH-ZH-2".to_owned() }
}

fn file() -> Attached {
    let (sha256, media_type) = ("ab".repeat(32), "application/json".to_owned());
    Attached { sha256, size: 7, media_type, name: Some("app.json".to_owned()) }
}

fn built(statement: &Json) -> Result<Build, Failure> {
    build(&judged(&Signer::new().bundle(statement))?, "https://farm.example", &file(), &asked())
}

fn member<'a>(build: &'a Build, path: &str) -> &'a Value {
    path.split('.').fold(&build.body, |value, name| value.get(name).unwrap())
}

/// What is wrong: the code, and that each of these is said.
#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Failure>, code: &str, said: &[&str]) {
    let failure = result.unwrap_err();
    assert_eq!(failure.code, code, "{failure}");
    assert!(failure.sides.len() >= 2, "{failure} names one side");
    for said in said {
        assert!(failure.to_string().contains(said), "{failure} does not say {said}");
    }
}

#[test]
fn both_versions_say_the_same_of_a_build() {
    // [M-6] [M-7] [M-8]
    let (new, old) = (built(&v1()).unwrap(), built(&v02()).unwrap());
    for build in [&new, &old] {
        assert_eq!(member(build, "purl"), &Value::from("pkg:generic/app@1.0"));
        assert_eq!(member(build, "source.uri"), &Value::from(format!("git+{REPOSITORY}@refs/tags/v1").as_str()));
        assert_eq!(member(build, "source.digest"), &Value::object([("gitCommit", COMMIT.into())]));
        assert_eq!(member(build, "builder_id"), &Value::from("https://farm.example"));
        assert_eq!(member(build, "started"), &Value::Int(1_795_503_600));
        assert_eq!(member(build, "finished"), &Value::Int(1_795_507_140));
        assert_eq!(member(build, "provenance"), member(build, "materials.sha256"));
        assert_eq!(build.subject.name, "app.tar.gz");
        assert_eq!(build.subject.sha256, digest("sha256"));
        assert_eq!(build.not_checked.len(), 2, "{:?}", build.not_checked);
        let name = "app.json; not checked: chain of the certificate, transparency log entry"; // [M-11]
        assert_eq!(build.attachment.name.as_deref(), Some(name));
    }
    let both = |path: &str| [&new, &old].map(|build| member(build, path).clone());
    assert_eq!(both("invocation_id"), ["run 7", "7-1"].map(Value::from));
    assert_eq!(
        both("build_type"),
        ["1", "0"].map(|v| format!("https://git.example.com/workflow/v{v}").as_str().into())
    );
    assert_eq!(both("materials.count"), [Value::Int(1), Value::Int(2)]);
}

#[test]
fn the_table_is_the_one_of_the_page() {
    // [M-6]
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/docs/74-slsa.md")).unwrap();
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `build` |")).collect();
    let ours: Vec<String> =
        TABLE.iter().map(|(_, member, v02, v1)| format!("| `{member}` | `{v02}` | `{v1}` |")).collect();
    assert_eq!(rows, ours);
}

#[test]
fn the_certificate_stands_in_for_times_and_the_run_and_says_so() {
    // [M-8] [M-11]
    for (statement, path) in [(v1(), "/predicate/runDetails/metadata"), (v02(), "/predicate/metadata")] {
        let build = built(&with(statement, path, Json::Null)).unwrap();
        let second = Value::Int(i64::try_from(SECOND).unwrap());
        assert_eq!([member(&build, "started"), member(&build, "finished")], [&second, &second]);
        assert_eq!(member(&build, "invocation_id"), &Value::from("https://git.example.com/app/runs/7"));
        assert!(build.attachment.name.unwrap().ends_with("; times from the certificate"));
        assert!(build.not_checked[2].starts_with("times: "), "{:?}", build.not_checked);
    }
    let only = built(&with(v1(), "/predicate/runDetails/metadata/startedOn", Json::Null)).unwrap();
    assert_eq!(member(&only, "started"), &Value::Int(1_795_507_140), "the second at which it finished");
    let wrong = with(v1(), "/predicate/runDetails/metadata/startedOn", json!("yesterday"));
    assert_refused(built(&wrong), "slsa.member", &["startedOn", "RFC 3339", "`yesterday`"]);
    let mut signer = Signer::new();
    signer.run.clear();
    let bundle = signer.bundle(&with(v1(), "/predicate/runDetails/metadata", Json::Null));
    let judged = judged(&bundle).unwrap();
    assert_refused(build(&judged, SIGNER, &file(), &asked()), "slsa.member", &["invocationId", "nothing"]);
}

#[test]
fn a_missing_member_is_named_with_where_it_was_looked_for() {
    for (statement, path, said) in [
        (v1(), "/predicate/runDetails/builder/id", "predicate.runDetails.builder.id"),
        (v02(), "/predicate/builder", "predicate.builder.id"),
    ] {
        let judged = judged(&Signer::new().bundle(&with(statement, path, Json::Null))).unwrap();
        assert_refused(judged.builder(&[SIGNER.to_owned()]), "slsa.member", &[said, "nothing"]);
    }
    for (statement, path, said) in [
        (v1(), "/predicate", "`predicate.buildDefinition.resolvedDependencies` of https://slsa.dev/provenance/v1"),
        (v1(), "/predicate/buildDefinition/buildType", "predicate.buildDefinition.buildType"),
        (v02(), "/predicate", "predicate.invocation.configSource"),
        (v02(), "/predicate/buildType", "predicate.buildType"),
        (v02(), "/predicate/invocation/configSource/uri", "`uri`"),
        (v02(), "/predicate/invocation/configSource/digest", "a digest of the source"),
    ] {
        assert_refused(built(&with(statement, path, Json::Null)), "slsa.member", &[said]);
    }
}

#[test]
fn of_several_dependencies_the_source_is_the_one_that_the_workflow_names() {
    // [M-7]
    let at = "/predicate/buildDefinition/resolvedDependencies";
    let own = json!({"uri": format!("git+{REPOSITORY}@refs/tags/v1"), "digest": {"gitCommit": COMMIT, "gitTree": TREE, "sha1": COMMIT}});
    let other = json!({"uri": "git+https://git.example.com/tool@main", "digest": {"gitCommit": TREE}});
    let plain = json!({"uri": "https://get.example.com/compiler", "digest": {"sha256": "ab".repeat(32)}});
    let build = built(&with(v1(), at, json!([plain, other, own]))).unwrap();
    assert_eq!(
        member(&build, "source.digest"),
        &Value::object([("gitCommit", COMMIT.into()), ("gitTree", TREE.into())])
    );
    assert_eq!(member(&build, "materials.count"), &Value::Int(3));
    for (none, found) in [
        (json!([plain]), "0 of 1"),
        (json!([other, other]), "0 of 2"),
        (json!([own, own]), "2 of 2"),
        (json!([]), "0 of 0"),
        (json!("text"), "0 of 0"),
    ] {
        assert_refused(built(&with(v1(), at, none)), "slsa.member", &["exactly one source", found]);
    }
    let two = json!([{"uri": format!("git+{REPOSITORY}"), "digest": {"gitCommit": COMMIT, "sha1": TREE}}]);
    assert_refused(built(&with(v1(), at, two)), "slsa.source", &[COMMIT, TREE]);
}

#[test]
fn the_purl_is_that_of_the_provenance_or_given() {
    let name = "/subject/0/name";
    let judge = |name: &Json| judged(&Signer::new().bundle(&with(v1(), "/subject/0/name", name.clone()))).unwrap();
    let build = |name: Json, purl: Option<&str>| {
        build(&judge(&name), SIGNER, &file(), &Asked { purl: purl.map(str::to_owned), ..asked() })
    };
    let given = "pkg:generic/app@2";
    assert_eq!(member(&build(json!("app.tar.gz"), Some(given)).unwrap(), "purl"), &Value::from(given));
    assert_eq!(member(&build(json!(given), Some(given)).unwrap(), "purl"), &Value::from(given));
    assert_refused(build(json!("pkg:generic/app@1.0"), Some(given)), "slsa.purl", &["app@1.0", given]);
    let none = build(json!("app.tar.gz"), None).unwrap_err();
    assert_eq!((none.exit, none.code.as_str()), (Exit::Usage, "slsa.purl"));
    assert!(built(&with(v1(), name, Json::Null)).is_err(), "a subject without a name has no purl");
}

#[test]
fn three_forms_of_a_file() {
    // [M-1]
    let signer = Signer::new();
    let (bundle, publish) =
        (signer.bundle(&v1()), signer.bundle(&with(v1(), "/predicateType", json!("https://other"))));
    let named = json!({"publicKey": {"hint": "SHA256:key"}});
    let publish = with(publish, "/verificationMaterial", named);
    let document =
        json!({"attestations": [{"predicateType": "a", "bundle": publish}, {"predicateType": "b", "bundle": bundle}]});
    let judged = judged(&document).unwrap();
    assert_eq!(judged.unchecked, 1);
    let build = build(&judged, SIGNER, &file(), &asked()).unwrap();
    assert!(build.attachment.name.unwrap().ends_with("entry, publish signature")); // [M-11]
    assert!(build.not_checked[2].starts_with("publish signature: 1 "), "{:?}", build.not_checked);
    let lines = format!("\n{bundle}\n\n{publish}\r\n");
    assert_eq!(judge(artifact(), lines.as_bytes()).unwrap().unchecked, 1);
    let pretty = serde_json::to_vec_pretty(&bundle).unwrap();
    assert_eq!(judge(artifact(), &pretty).unwrap().unchecked, 0);
    // A chain, whose first certificate has the key.
    let chain = json!({"certificates": [
        {"rawBytes": STANDARD.encode(signer.certificate())},
        {"rawBytes": STANDARD.encode(Signer::new().certificate())},
    ]});
    let chained = with(bundle.clone(), "/verificationMaterial", json!({"x509CertificateChain": chain}));
    judge(artifact(), chained.to_string().as_bytes()).unwrap();
    let mut both = bundle.clone();
    both["verificationMaterial"]["x509CertificateChain"] = chain;
    assert_refused(
        judge(artifact(), both.to_string().as_bytes()),
        "slsa.bundle",
        &["one certificate or one chain", "both"],
    );
    for (text, code, said) in [
        (String::new(), "slsa.json", "byte 0"),
        ("{".to_owned(), "slsa.json", "the whole file"),
        (format!("{bundle}\n{{"), "slsa.json", "line 2"),
        (format!("{bundle}\n{{\"a\":1,\"a\":2}}"), "slsa.json", "twice"),
        ("[]".to_owned(), "slsa.bundle", "0 signatures"),
        ("{\"attestations\":[{}]}".to_owned(), "slsa.bundle", "no `bundle`"),
        (
            with(bundle.clone(), "/dsseEnvelope/payload", Json::Null).to_string(),
            "slsa.bundle",
            "`dsseEnvelope.payload`",
        ),
    ] {
        assert_refused(judge(artifact(), text.as_bytes()), code, &[said]);
    }
    let long = vec![b' '; usize::try_from(PROVENANCE_BYTES_MAX).unwrap() + 1];
    assert_refused(judge(artifact(), &long), "slsa.size", &["16777216 bytes"]);
}

#[test]
fn base64_of_either_alphabet_with_padding_or_without() {
    // [M-2]
    let signer = Signer::new();
    let statement = with(v1(), "/predicate/buildDefinition/buildType", json!("???>>>ÿÿÿ")).to_string();
    let payload = if statement.len().is_multiple_of(3) { statement + " " } else { statement };
    let (standard, safe) = (STANDARD.encode(&payload), URL_SAFE.encode(&payload));
    assert!(standard != safe && standard.ends_with('='), "{standard}");
    let bundle = signer.bundle_of(PAYLOAD_TYPE, payload.as_bytes());
    let encoded = |text: &str| judged(&with(bundle.clone(), "/dsseEnvelope/payload", json!(text)));
    for text in [&standard, &safe, &STANDARD_NO_PAD.encode(&payload), &URL_SAFE_NO_PAD.encode(&payload)] {
        encoded(text).unwrap();
    }
    let mixed = format!("{}{}", "-/", standard);
    let loose = format!("{}\n{}", &standard[..8], &standard[8..]);
    for (text, said) in [(mixed, "Invalid symbol"), (loose, "Invalid symbol"), ("AB".to_owned(), "last symbol")] {
        assert_refused(encoded(&text), "slsa.base64", &["dsseEnvelope.payload", said]);
    }
}

#[test]
fn a_signature_holds_for_its_bytes_its_type_and_its_certificate() {
    // [M-3]
    let signer = Signer::new();
    let bundle = signer.bundle(&v1());
    judged(&bundle).unwrap();
    let (payload, sig) = ("/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig");
    let longer = STANDARD.encode(format!("{}\n", v1()));
    let others = Signer::new();
    for (pointer, value) in [
        (payload, json!(longer)),
        ("/dsseEnvelope/payloadType", json!("text/plain")),
        (sig, json!(STANDARD.encode(others.sign(PAYLOAD_TYPE, v1().to_string().as_bytes())))),
        (sig, json!("")),
        ("/verificationMaterial/certificate/rawBytes", json!(STANDARD.encode(others.certificate()))),
    ] {
        assert_refused(judged(&with(bundle.clone(), pointer, value)), "slsa.signature", &[SIGNER, "attestation 1"]);
    }
    for signatures in [json!([]), json!([{"sig": ""}, {"sig": ""}])] {
        let found = format!("{} signatures", signatures.as_array().unwrap().len());
        assert_refused(judged(&with(bundle.clone(), "/dsseEnvelope/signatures", signatures)), "slsa.bundle", &[&found]);
    }
    // A good provenance does not excuse another signature in the file.
    let forged = with(bundle.clone(), payload, json!(longer));
    let lines = format!("{bundle}\n{forged}");
    assert_refused(judge(artifact(), lines.as_bytes()), "slsa.signature", &["attestation 2"]);
}

#[test]
fn a_certificate_is_there_and_of_p256() {
    // [M-3]
    let signer = Signer::new();
    let bundle = signer.bundle(&v1());
    let none = with(bundle.clone(), "/verificationMaterial", json!({"publicKey": {"hint": "a key"}}));
    assert_refused(judged(&none), "slsa.certificate", &["attestations 1", "with a certificate 0"]);
    let with_der = |der: &[u8]| {
        judged(&with(bundle.clone(), "/verificationMaterial/certificate/rawBytes", json!(STANDARD.encode(der))))
    };
    assert_refused(with_der(b"no certificate"), "slsa.certificate", &["X.509"]);
    let point = signer.key.public_key().as_ref();
    let p384 = certificate("1.3.132.0.34", point, &signer.names, &[]);
    assert_refused(with_der(&p384), "slsa.certificate", &["ECDSA P-256", "1.3.132.0.34"]);
    let mut trailing = signer.certificate();
    trailing.push(0);
    assert_refused(with_der(&trailing), "slsa.certificate", &["X.509"]);
}

#[test]
fn a_payload_that_is_no_provenance_is_said_to_be_none() {
    // [M-4]
    let signer = Signer::new();
    let other = signer.bundle_of("application/vnd.other+json", v1().to_string().as_bytes());
    assert_refused(judged(&other), "slsa.payload-type", &[PAYLOAD_TYPE, "application/vnd.other+json"]);
    for (statement, code, said) in [
        (with(v1(), "/predicateType", json!("https://slsa.dev/provenance/v9")), "slsa.predicate-type", "provenance/v9"),
        (with(v1(), "/predicateType", Json::Null), "slsa.predicate-type", "found ``"),
        (with(v1(), "/_type", json!("https://in-toto.io/Statement/v2")), "slsa.statement", "Statement/v2"),
        (with(v1(), "/subject", json!([])), "slsa.statement", "`subject`"),
        (with(v1(), "/subject/0/digest/sha256", json!(7)), "slsa.statement", "`subject`"),
        (with(v1(), "/predicate/runDetails", json!(1.5)), "slsa.statement", "strict JSON"),
    ] {
        assert_refused(judged(&signer.bundle(&statement)), code, &[said]);
    }
    for version in Version::ALL {
        let failure = judged(&signer.bundle(&with(v1(), "/predicateType", json!("x")))).unwrap_err();
        assert!(failure.to_string().contains(version.predicate_type()), "{failure}");
    }
    // Beside a provenance it does no harm.
    let lines = format!("{other}\n{}", signer.bundle(&v1()));
    judge(artifact(), lines.as_bytes()).unwrap();
}

#[test]
fn every_common_digest_is_equal_and_there_is_one() {
    // [M-5]
    let signer = Signer::new();
    let subjects = |list: Json| judged(&signer.bundle(&with(v1(), "/subject", list)));
    let digests = |digest: Json| subjects(json!([{"name": "app", "digest": digest}]));
    let (sha256, sha384, sha512) = (digest("sha256"), digest("sha384"), digest("sha512"));
    let wrong = "00".repeat(32);
    digests(json!({"sha256": sha256, "sha384": sha384, "sha512": sha512, "gitCommit": TREE})).unwrap();
    assert_refused(digests(json!({"sha256": wrong})), "slsa.digest", &[&sha256, &wrong]);
    assert_refused(digests(json!({"sha256": sha256.to_uppercase()})), "slsa.digest", &[&sha256]);
    assert_refused(digests(json!({"sha256": sha256, "sha512": wrong})), "slsa.digest", &[&sha512, &wrong]);
    assert_refused(digests(json!({"sha1": TREE, "md5": "x"})), "slsa.digest", &["sha256, sha384, sha512", "md5, sha1"]);
    // Two subjects: the one with the file's digest counts, whatever they are called.
    let (this, other) =
        (json!({"name": "a", "digest": {"sha256": sha256}}), json!({"name": "b", "digest": {"sha256": wrong}}));
    assert_eq!(subjects(json!([other, this])).unwrap().subject, "a");
    let twice = json!({"name": "c", "digest": {"sha512": sha512}});
    assert_refused(subjects(json!([this, twice])), "slsa.subject", &["one a", "another c"]);
    let torn = json!({"name": "c", "digest": {"sha256": sha256, "sha512": wrong}});
    assert_refused(subjects(json!([this, torn])), "slsa.digest", &[&sha512, &wrong, "c"]);
    // Two provenances: of this file only one.
    let elsewhere = signer.bundle(&with(v1(), "/subject", json!([other])));
    let lines = format!("{elsewhere}\n{}", signer.bundle(&v1()));
    assert_eq!(judge(artifact(), lines.as_bytes()).unwrap().subject, "pkg:generic/app@1.0");
    let both = format!("{}\n{}", signer.bundle(&v02()), signer.bundle(&v1()));
    assert_refused(judge(artifact(), both.as_bytes()), "slsa.provenance", &["wanted 1", "found 2"]);
    let neither = format!("{elsewhere}\n{elsewhere}");
    assert_refused(judge(artifact(), neither.as_bytes()), "slsa.digest", &[&sha256, &wrong]);
}

#[test]
fn signer_and_builder_are_a_pair_that_the_issuer_names() {
    // [M-9]
    let bare = SIGNER.split('@').next().unwrap();
    let runner = "https://git.example.com/runner/hosted";
    let of = |builder: &str| {
        judged(&Signer::new().bundle(&with(v1(), "/predicate/runDetails/builder/id", json!(builder)))).unwrap()
    };
    let named = |judged: &Judged, builders: &[&str]| {
        let builders: Vec<String> = builders.iter().map(|builder| (*builder).to_owned()).collect();
        judged.builder(&builders).map(str::to_owned)
    };
    let itself = of(SIGNER);
    assert_eq!(named(&itself, &["a", SIGNER]).unwrap(), SIGNER);
    assert_eq!(named(&itself, &[bare]).unwrap(), bare);
    assert_eq!(named(&itself, &[bare, SIGNER]).unwrap(), SIGNER, "the name that says more");
    let signed = "do not name the workflow that signed";
    for builders in [&["a"][..], &[], &[&SIGNER[..SIGNER.len() - 1]], &[&format!("{SIGNER}2")], &[&format!("{bare}/")]]
    {
        assert_refused(named(&itself, builders), "slsa.builder", &[signed, SIGNER]);
    }
    let hosted = of(runner);
    assert_eq!(named(&hosted, &[bare, runner]).unwrap(), bare, "who signed, not who is said to have built");
    assert_refused(named(&hosted, &[bare]), "slsa.builder", &["do not name the builder of the provenance", runner]);
    assert_refused(named(&hosted, &[runner]), "slsa.builder", &[signed, SIGNER, runner]);
    for (names, found) in [
        (vec![], "no name"),
        (vec![(EMAIL, "person@example.com")], "person@example.com"),
        (vec![(URI, "https://a"), (URI, "https://b")], "https://a, https://b"),
    ] {
        let signer = Signer { names, ..Signer::new() };
        let judged = judged(&signer.bundle(&v1())).unwrap();
        assert_refused(named(&judged, &["https://a"]), "slsa.signer", &["a URI", found]);
    }
}

#[test]
fn what_the_certificate_says_of_the_source_is_what_the_statement_says() {
    // [M-10]
    let of = |run: &[(&'static str, &'static str)], statement: &Json| {
        let signer = Signer { run: run.to_vec(), ..Signer::new() };
        build(&judged(&signer.bundle(statement)).unwrap(), SIGNER, &file(), &asked())
    };
    let source = "/predicate/buildDefinition/resolvedDependencies/0";
    let no_ref = with(v1(), &format!("{source}/uri"), json!(format!("git+{REPOSITORY}")));
    assert_eq!(of(&[("12", REPOSITORY), ("13", COMMIT)], &no_ref).unwrap().not_checked.len(), 2);
    for longer in
        ["git+https://git.example.com/app2@main", "git+https://git.example.com/app/x", "git+https://else.example.com"]
    {
        let statement = with(v1(), &format!("{source}/uri"), json!(longer));
        assert_refused(of(&[("12", REPOSITORY)], &statement), "slsa.source", &[REPOSITORY, longer]);
    }
    assert_refused(of(&[("12", REPOSITORY), ("13", TREE)], &v1()), "slsa.source", &[TREE, COMMIT]);
    let tree = with(v1(), &format!("{source}/digest"), json!({"gitTree": TREE}));
    for (run, statement) in
        [(&[][..], &v1()), (&[("12", REPOSITORY)], &v1()), (&[("12", REPOSITORY), ("13", COMMIT)], &tree)]
    {
        let build = of(run, statement).unwrap();
        assert!(build.not_checked.iter().any(|line| line.starts_with("source: ")), "{:?}", build.not_checked);
    }
}

#[test]
fn a_name_that_cannot_say_what_was_not_checked_is_refused() {
    // [M-11]
    let judged = judged(&Signer::new().bundle(&v1())).unwrap();
    let named = |bytes: usize| build(&judged, SIGNER, &Attached { name: Some("a".repeat(bytes)), ..file() }, &asked());
    let room = 256 - "; not checked: chain of the certificate, transparency log entry".len();
    named(room).unwrap();
    assert_refused(named(room + 1), "attach.name", &["256 bytes"]);
}

#[test]
fn a_build_is_known_by_issuer_artifact_and_provenance_and_only_by_proof() {
    // [M-12]
    let made = built(&v1()).unwrap();
    let world = World::new();
    let fields = world::draft("build", &[], vec![made.subject.clone()]);
    let draft = Draft {
        issuer: "farm".to_owned(),
        chain: Chain::Unchained("00".repeat(16)),
        body: made.body,
        attachments: vec![made.attachment.clone()],
        ..fields
    };
    let mut event = draft.event().unwrap();
    event.sign(&event_key("farm")).unwrap();
    let hash = |hex: &str| Hash::from_hex(hex).unwrap();
    let by = |key: &str, issuer: &str, artifact: &str, provenance: &str| {
        let (issuer, artifact, provenance) = (&Name::new(issuer).unwrap(), hash(artifact), hash(provenance));
        let key = &event_key(key).vkey();
        known(&world, &world.policy(), &Sought { issuer, epoch: 1, key, artifact, provenance }, NOW)
    };
    let ask = |issuer: &str, artifact: &str, provenance: &str| by("farm", issuer, artifact, provenance);
    let (artifact, provenance) = (digest("sha256"), made.attachment.sha256);
    assert!(ask("farm", &artifact, &provenance).unwrap().is_none());
    world.plant(&event.leaf());
    let found = ask("farm", &artifact, &provenance).unwrap().unwrap();
    assert_eq!((found.proven.leaf, found.proven.index.get()), (event.leaf(), 2));
    assert!(by("release", "farm", &artifact, &provenance).unwrap().is_none(), "the key of this issuer did not sign it");
    for (issuer, artifact, provenance) in
        [("release", &artifact, &provenance), ("farm", &provenance, &provenance), ("farm", &artifact, &artifact)]
    {
        assert!(ask(issuer, artifact, provenance).unwrap().is_none(), "{issuer} {artifact} {provenance}");
    }
    world.bends.borrow_mut().push_back(Bend::Misplaced);
    assert_eq!(ask("farm", &artifact, &provenance).unwrap_err().code, "answer.misbehaved");
}
