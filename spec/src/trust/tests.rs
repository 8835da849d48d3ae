//! Trust files: what is read, what has a default, what is refused and with which words (90-verdict.md).

use alloc::format;

use super::*;

const DIGITS: &str = "8f2c1b0a9d3e4f506172839405a6b7c8d9eafb0c1d2e3f40516273849501a2b3";
const OPERATOR: &str = "operator.example.com+5fbd182c+AQL2gLGcswAaJGfH9Qh9IC7/KnPi7++reHEigFR6VUGT";
const SUPERVISOR: &str = "supervisor.example.org+8532d279+AQYF6M1CCPvBWXpDIoo5QascKigIr6j6w8CvuuvPAyD8";

fn head() -> String {
    format!("charter = \"{DIGITS}\"\norigin = \"example.com/vitrine\"\n")
}

fn issuer(name: &str, epoch: u64, vkey: &str, types: &str, rest: &str) -> String {
    format!("[[issuer]]\nname = \"{name}\"\nepoch = {epoch}\nvkey = \"{vkey}\"\ntypes = [{types}]\n{rest}\n")
}

fn whole() -> String {
    head()
        + "charter_version = 2\nlog_keys = \"both\"\n"
        + &issuer("release", 1, OPERATOR, "\"update\"", "until = 40")
        + &issuer("release", 2, SUPERVISOR, "\"update\", \"heartbeat\"", "")
        + "[[stream]]\npackageId = \"pkg:deb/app\"\nchannel = \"stable\"\nissuer = \"release\"\n"
        + "[[stream]]\npackageId = \"pkg:deb/rules\"\nchannel = \"stable\"\nissuer = \"release\"\nrequire_build = false\n"
}

#[test]
fn a_whole_file_is_read() {
    // [V-3] [V-4] [V-5] [V-6] [V-7] [V-8]
    let trust = TrustFile::parse(&whole()).unwrap();
    assert_eq!(trust.charter_version, 2);
    assert_eq!(trust.log_keys, LogKeys::Both);
    let first = trust.issuer("release", 1).unwrap();
    assert!(first.may("update") && first.may("update-revoke") && !first.may("build"));
    assert!(first.disowns(LeafIndex::new(40)) && !first.disowns(LeafIndex::new(39)));
    let second = trust.issuer("release", 2).unwrap();
    assert!(!second.disowns(LeafIndex::new(u64::MAX)));
    assert!(trust.issuer("release", 3).is_none());
    assert_eq!(trust.key(&second.vkey.keyid()).unwrap().epoch, 2);
    assert!(trust.stream("pkg:deb/app", "stable").unwrap().require_build);
    assert!(!trust.stream("pkg:deb/rules", "stable").unwrap().require_build);
    assert_eq!(trust.stream("pkg:deb/app", "beta"), None);
    assert_eq!((trust.issuers().count(), trust.streams().count()), (2, 2));
}

#[test]
fn what_may_be_missing_has_its_default() {
    // [V-3] [V-4]
    let trust = TrustFile::parse(&head()).unwrap();
    assert_eq!((trust.charter_version, trust.log_keys), (1, LogKeys::Both));
    for (word, keys) in [("both", LogKeys::Both), ("ed", LogKeys::Ed25519), ("pq", LogKeys::MlDsa44)] {
        let trust = TrustFile::parse(&(head() + &format!("log_keys = \"{word}\"\n"))).unwrap();
        assert_eq!(trust.log_keys, keys);
        assert_eq!(keys.word(), word);
    }
}

#[test]
fn an_unknown_key_is_an_error_at_its_line() {
    // [V-1]
    for text in [
        head() + "until = 3\n",
        head() + &issuer("release", 1, OPERATOR, "\"update\"", "type = \"x\""),
        whole() + "rebuild = 1\n",
    ] {
        assert!(matches!(TrustFile::parse(&text), Err(TrustError::Toml { .. })), "{text}");
    }
    let Err(TrustError::Toml { line, message }) = TrustFile::parse(&(head() + "untill = 3\n")) else {
        unreachable!("an unknown key was taken")
    };
    assert_eq!(line, 3);
    assert!(message.contains("untill"), "{message}");
}

#[test]
fn a_fingerprint_is_read_in_every_spelling_of_paper_and_printed_in_one() {
    // [V-2]
    let grouped = "8f2c 1b0a 9d3e 4f50 6172 8394 05a6 b7c8 d9ea fb0c 1d2e 3f40 5162 7384 9501 a2b3";
    let fingerprint = Fingerprint::parse(DIGITS).unwrap();
    assert_eq!(fingerprint.to_string(), grouped);
    for text in [grouped.into(), grouped.replace(' ', "-"), DIGITS.to_ascii_uppercase(), format!(" {DIGITS}- ")] {
        assert_eq!(Fingerprint::parse(&text), Ok(fingerprint), "{text}");
    }
    assert_eq!(fingerprint.event_id().hex(), DIGITS);
    for text in ["", "8f2c", &DIGITS[1..], &format!("{DIGITS}0"), &format!("{}g", &DIGITS[1..]), &format!("{DIGITS}\n")]
    {
        assert_eq!(Fingerprint::parse(text), Err(TrustError::Fingerprint { text: text.into() }));
    }
}

#[test]
fn what_a_stream_asks_for_is_read_and_has_its_defaults() {
    // [V-34] [V-35] [V-36] [V-37] [V-38] [V-39] [V-40] [V-41] [V-42] [V-43]
    let plain = TrustFile::parse(&whole()).unwrap();
    assert_eq!((plain.region.as_deref(), plain.max_age_s), (None, None));
    let stream = plain.stream("pkg:deb/app", "stable").unwrap();
    assert_eq!((stream.regional, stream.min_release_seq, stream.rebuilds, stream.different_max), (false, 0, 0, 0));
    assert_eq!((stream.require_review, stream.require_verdict, stream.wait_s), (false, false, None));
    assert!(stream.builders.is_none() && stream.rebuilders.is_none());
    let types = "\"update\", \"build\", \"rebuild\", \"code-review\", \"verdict\"";
    let text = head()
        + "region = \"EU\"\nmax_age_s = 86400\n"
        + &issuer("release", 1, OPERATOR, types, "independence = \"vendor\"")
        + &issuer("other", 1, SUPERVISOR, types, "")
        + "[[stream]]\npackageId = \"p\"\nchannel = \"stable\"\nissuer = \"release\"\nregional = true\nmin_release_seq = 5\n"
        + "builders = [\"release\"]\nrebuilds = 1\ndifferent_max = 2\nrequire_review = true\nreviewers = [\"other\"]\n"
        + "require_verdict = true\nverdicts_by = [\"other\"]\nwait_s = 60\n";
    let trust = TrustFile::parse(&text).unwrap();
    assert_eq!((trust.region.as_deref(), trust.max_age_s), (Some("EU"), Some(86_400)));
    let stream = trust.stream("p", "stable").unwrap();
    assert_eq!((stream.regional, stream.min_release_seq, stream.rebuilds, stream.different_max), (true, 5, 1, 2));
    assert_eq!((stream.require_review, stream.require_verdict, stream.wait_s), (true, true, Some(60)));
    assert_eq!(trust.parties("build", stream.builders.as_ref()), BTreeSet::from(["release"]));
    assert_eq!(trust.parties("verdict", stream.verdicts_by.as_ref()), BTreeSet::from(["other"]));
    // The vendor is no rebuilder, unless the stream names it.
    assert_eq!(trust.rebuilders(stream), BTreeSet::from(["other"]));
    let named = TrustFile::parse(&(text + "rebuilders = [\"release\", \"other\"]\n")).unwrap();
    assert_eq!(named.rebuilders(named.stream("p", "stable").unwrap()), BTreeSet::from(["other", "release"]));
}

#[test]
fn what_could_never_be_fulfilled_is_an_error() {
    // [V-34] [V-35] [V-37] [V-38]
    let types = "\"update\", \"rebuild\"";
    let with = |top: &str, more: &str, stream: &str| {
        head()
            + top
            + &issuer("release", 1, OPERATOR, types, more)
            + "[[stream]]\npackageId = \"p\"\nchannel = \"stable\"\nissuer = \"release\"\n"
            + stream
    };
    assert!(TrustFile::parse(&with("", "", "rebuilds = 1\n")).is_ok());
    for (text, words) in [
        (with("region = \"eu\"\n", "", ""), "region is `eu`"),
        (with("", "independence = \"friend\"", ""), "independence `friend`"),
        (
            with("", "", "builders = [\"release\"]\n"),
            "builders names `release`, no [[issuer]] of that name has the type `build`",
        ),
        (with("", "", "reviewers = []\n"), "reviewers names ``"),
        (with("", "", "rebuilders = [\"nobody\"]\n"), "rebuilders names `nobody`"),
        (with("", "", "rebuilds = 2\n"), "2 rebuilds asked for, 1 issuers"),
        (with("", "independence = \"vendor\"", "rebuilds = 1\n"), "1 rebuilds asked for, 0 issuers"),
        (with("", "", "require_review = true\n"), "1 reviews asked for, 0 issuers"),
        (with("", "", "require_verdict = true\n"), "1 verdicts asked for, 0 issuers"),
        (with("", "", "require_build = false\nrebuilds = 1\n"), "rebuilds needs builds"),
        (with("", "", "require_build = false\nrequire_review = true\n"), "require_review needs builds"),
        (with("", "", "rebuilds = -1\n"), "line 13"),
    ] {
        let error = TrustFile::parse(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}\n{text}");
    }
    let plain = head() + &issuer("release", 1, OPERATOR, "\"update\"", "independence = \"vendor\"");
    let error = TrustFile::parse(&plain).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("with the type `rebuild`"), "{error}");
}

#[test]
fn each_rule_has_its_error() {
    let both = issuer("release", 1, OPERATOR, "\"update\"", "");
    let stream = "[[stream]]\npackageId = \"p\"\nchannel = \"stable\"\nissuer = \"release\"\n";
    let cases: [(String, &str); 17] = [
        (head().replace(DIGITS, "12"), "is not a fingerprint"),
        (head() + "charter_version = 0", "charter_version is 0"),
        (head().replace("example.com/vitrine", "Example.com"), "origin `Example.com`"),
        (head().replace("example.com/vitrine", "subtree/v1"), "origin `subtree/v1`"),
        (head() + "log_keys = \"all\"", "log_keys is `all`"),
        (head() + &issuer("re", 1, OPERATOR, "\"update\"", ""), "issuer.name is `re`"),
        (head() + &issuer("release", 0, OPERATOR, "\"update\"", ""), "epoch 0 is outside"),
        (head() + &issuer("release", 4_294_967_296, OPERATOR, "\"update\"", ""), "epoch 4294967296 is outside"),
        (head() + &issuer("release", 1, "x", "\"update\"", ""), "vkey `x` is not"),
        (head() + &issuer("release", 1, OPERATOR, "\"upgrade\"", ""), "`upgrade` is not a type"),
        (head() + &issuer("release", 1, OPERATOR, "\"build\", \"build\"", ""), "`build` is not a type"),
        (head() + &issuer("release", 1, OPERATOR, "", ""), "`` is not a type"),
        (head() + &both + &issuer("release", 1, SUPERVISOR, "\"build\"", ""), "release epoch 1 stands twice"),
        (head() + &both + &issuer("other", 1, OPERATOR, "\"build\"", ""), "other has the key of issuer release"),
        (head() + &both + stream + stream, "stream p stable stands twice"),
        (head() + stream, "no [[issuer]] `release` with the type `update`"),
        (head() + &both + &stream.replace("\"p\"", "\"a\u{202e}b\""), "is not 1 to 128 bytes"),
    ];
    for (text, words) in cases {
        let error = TrustFile::parse(&text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}\n{text}");
    }
}
