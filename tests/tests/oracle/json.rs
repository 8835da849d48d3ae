//! Strict JSON and its one spelling against `serde_json`, `serde_json_canonicalizer` and the rules written on top of them.
//!
//! Not here: which rule a refused text breaks, and at which byte (`spec`).

use proptest::prelude::*;
use vitrine_spec::json;
use vitrine_tests::oracle;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8_000) })]

    /// [J-1] A value of ours, printed by ours, is what the other libraries read and print; and ours reads what they print.
    #[test]
    fn json_has_one_spelling(value in json_value(), spaces in 0_usize..4) {
        let theirs = serde_json::to_value(as_theirs(&value)).unwrap();
        let printed = value.to_jcs();
        prop_assert!(oracle::json::is_canonical(&printed), "{}", String::from_utf8_lossy(&printed));
        prop_assert_eq!(&serde_json::from_slice::<serde_json::Value>(&printed).unwrap(), &theirs);
        let mut spaced = serde_json::to_vec_pretty(&theirs).unwrap();
        spaced.extend(std::iter::repeat_n(b' ', spaces));
        prop_assert_eq!(json::parse(&spaced), Ok(value));
    }

    /// [J-1] [J-2] [J-3] [J-4] [J-5] [J-6] Whatever text comes: ours takes exactly what the strict rules take, as the value
    /// that the other library reads, and prints it as the other library does [J-7].
    #[test]
    fn ours_takes_what_the_rules_take(
        text in prop_oneof![json_text(), noise()], change in prop::option::weighted(0.3, (any::<usize>(), any::<u8>())),
    ) {
        let mut text = text.into_bytes();
        if let Some((at, byte)) = change && !text.is_empty() {
            let at = at % text.len();
            text[at] = byte;
        }
        same(&text)?;
    }
}

/// Both readers say the same of a text.
fn same(text: &[u8]) -> Result<(), TestCaseError> {
    let shown = String::from_utf8_lossy(text);
    match json::parse(text) {
        Ok(value) => {
            prop_assert!(oracle::json::is_strict(text), "ours alone takes {shown}");
            let theirs: serde_json::Value = serde_json::from_slice(text).expect("it is strict");
            prop_assert_eq!(&serde_json::to_value(as_theirs(&value)).unwrap(), &theirs, "{}", shown);
            prop_assert_eq!(Some(value.to_jcs()), oracle::json::canonical(text), "{}", shown);
        }
        Err(error) => prop_assert!(!oracle::json::is_strict(text), "{error}: {shown}"),
    }
    Ok(())
}

#[test]
fn the_edges_of_the_rules() {
    // [J-1] [J-2] [J-3] [J-4] [J-5] [J-6] So that what chance seldom meets is met.
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deep_objects = |depth: usize| r#"{"a":"#.repeat(depth) + "0" + &"}".repeat(depth);
    let cases: [(&[u8], bool); 41] = [
        (b"9007199254740991", true),
        (b"9007199254740992", false),
        (b"-9007199254740991", true),
        (b"-9007199254740992", false),
        (b"18446744073709551616", false),
        (b"0", true),
        (b"-0", false),
        (b"00", false),
        (b"01", false),
        (b"+1", false),
        (b"1.0", false),
        (b"1e0", false),
        (b"-", false),
        (b" \t\r\n0\n", true),
        (b"\x0b0", false),
        (b"0 0", false),
        (b"", false),
        (b"\xef\xbb\xbf0", false),
        (b"\"\xff\"", false),
        (b"\"\xed\xa0\x80\"", false),
        (b"\"\x7f\"", true),
        (b"\"\x1f\"", false),
        (b"\"\x00\"", false),
        (br#""\u0000""#, false),
        (br#""\u0001\b\f\n\r\t\/\"\\""#, true),
        (br#""\ud83d\ude00""#, true),
        (br#""\uD83D\uDE00""#, true),
        (br#""\ud83d""#, false),
        (br#""\ude00\ud83d""#, false),
        (br#""\ud83d\u0041""#, false),
        (br#""\u12g4""#, false),
        (br#""\x41""#, false),
        (br#"{"a":0,"a":1}"#, false),
        (br#"{"a":0,"\u0061":1}"#, false),
        (br#"{"\u00e9":0}"#, false),
        (br#"{"":0,"A":{"":0}}"#, true),
        (br#"{"a":0,}"#, false),
        (b"[0,]", false),
        (b"nul", false),
        (b"NaN", false),
        (b"[true,false,null]", true),
    ];
    for (text, taken) in cases {
        same(text).unwrap();
        assert_eq!(json::parse(text).is_ok(), taken, "{}", String::from_utf8_lossy(text));
    }
    for depth in [1, 15, 16, 17, 18] {
        for text in [deep(depth), deep_objects(depth)] {
            same(text.as_bytes()).unwrap();
            assert_eq!(json::parse(text.as_bytes()).is_ok(), depth <= 16, "{text}");
        }
    }
}

/// Letters that JSON is made of, in no order.
fn noise() -> impl Strategy<Value = String> {
    r#"[\[\]{},:"\\ \n0-9eE.+\-nulltruefalsab/\u{e9}\u{1f600}]{0,24}"#
}

/// JSON in all its spellings, some of them beyond the strict rules.
fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        8 => any::<i32>().prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => prop::sample::select(vec!["0", "-0", "1.5", "1E2", "9007199254740991", "9007199254740992", "007"])
            .prop_map(str::to_owned),
    ];
    let piece = prop_oneof![
        12 => "[a-d]{1,2}".prop_map(|text| text),
        4 => prop::sample::select(vec![
            r"\n", r"\/", r#"\""#, r"\\", r"\u0061", r"\u00E9", r"\ud83d\ude00", "\u{e9}", "\u{1f600}",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec![r"\u0000", r"\ud800", r"\udc00\ud800", "\u{1}", r"\v"]).prop_map(str::to_owned),
    ];
    let string = prop::collection::vec(piece, 0..3).prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let name = prop_oneof![9 => "\"[a-f]{1,2}\"".prop_map(|text| text), 1 => string.clone()];
    let word = prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned);
    let blank = || prop::sample::select(vec!["", "", "", " ", "\n\t", "\r"]);
    prop_oneof![number, string, word].prop_recursive(18, 60, 4, move |inner| {
        let items = prop::collection::vec((blank(), inner.clone()), 0..4);
        let members = prop::collection::vec((blank(), name.clone(), blank(), inner.clone()), 0..4);
        let deeper = (1..6_usize, inner).prop_map(|(depth, text)| "[".repeat(depth) + &text + &"]".repeat(depth));
        prop_oneof![
            items.prop_map(|items| {
                let items: Vec<String> =
                    items.into_iter().map(|(blank, item)| format!("{blank}{item}{blank}")).collect();
                format!("[{}]", items.join(","))
            }),
            members.prop_map(|members| {
                let one = |(blank, name, other, value): (&str, String, &str, String)| {
                    format!("{blank}{name}{other}:{blank}{value}{other}")
                };
                format!("{{{}}}", members.into_iter().map(one).collect::<Vec<_>>().join(","))
            }),
            deeper,
        ]
    })
}

fn json_value() -> impl Strategy<Value = json::Value> {
    let leaf = prop_oneof![
        Just(json::Value::Null),
        any::<bool>().prop_map(json::Value::Bool),
        (-json::INT_MAX..=json::INT_MAX).prop_map(json::Value::Int),
        "[^\u{0}]{0,12}".prop_map(json::Value::Text),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(json::Value::Array),
            prop::collection::btree_map("[ -~]{0,8}", inner, 0..5).prop_map(json::Value::Object),
        ]
    })
}

fn as_theirs(value: &json::Value) -> serde_json::Value {
    match value {
        json::Value::Null => serde_json::Value::Null,
        json::Value::Bool(value) => (*value).into(),
        json::Value::Int(value) => (*value).into(),
        json::Value::Text(value) => value.clone().into(),
        json::Value::Array(values) => values.iter().map(as_theirs).collect(),
        json::Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), as_theirs(value))).collect(),
    }
}
