use serde_json::json;

use super::{check_large, parse, parse_large};

#[test]
fn a_document_is_read_as_serde_json_reads_it() {
    let text = r#"{"a": [null, true, -1, 18446744073709551615, 1.5, "\u00e9"], "b": {"a": {}}}"#;
    let expected = json!({"a": [null, true, -1, u64::MAX, 1.5, "é"], "b": {"a": {}}});
    assert_eq!(parse(text.as_bytes()).unwrap(), expected);
}

#[test]
fn a_member_that_occurs_twice_is_refused_at_any_depth() {
    for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"b":2,"a":3}}]"#, r#"{"a":1,"\u0061":2}"#] {
        let error = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(r#"the member "a" occurs twice"#), "{error}");
    }
    assert!(parse(br#"{"a":{"a":1},"A":2}"#).is_ok());
}

#[test]
fn the_number_of_values_is_bounded_at_any_depth() {
    let list = |values: usize| format!("[{}]", vec!["0"; values - 1].join(","));
    let nested = |values: usize| format!(r#"{{"a":[{}]}}"#, vec!["[]"; values - 2].join(","));
    for document in [&list as &dyn Fn(usize) -> String, &nested] {
        assert!(parse(document(1 << 16).as_bytes()).is_ok());
        let error = parse(document((1 << 16) + 1).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("it has more than 65536 values"), "{error}");
    }
}

#[test]
fn what_is_not_one_document_is_refused() {
    for text in ["", " ", "{} {}", "{}x", "\u{feff}{}", "{'a':1}", r#"{"a":1,}"#, "NaN", r#"{"a":1e999}"#] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse(b"\"\xff\"").is_err());
    assert!(parse(&b"[".repeat(1_000_000)).is_err());
}

#[test]
fn a_statement_is_walked_within_the_same_bounds_as_it_is_built() {
    let list = |values: usize| format!("[{}]", vec!["0"; values - 1].join(","));
    for check in [|bytes: &[u8]| check_large(bytes).is_ok(), |bytes: &[u8]| parse_large(bytes).is_ok()] {
        assert!(check(list(1 << 20).as_bytes()));
        assert!(!check(list((1 << 20) + 1).as_bytes()));
        assert!(check(br#"{"a":{"a":[1,-1,1.5,true,null,"a"]}}"#));
        for text in [r#"{"a":1,"a":1}"#, r#"[{"x":{"a":1,"b":2,"\u0061":3}}]"#, "{} {}", "", "{\"a\":1,}", "NaN"] {
            assert!(!check(text.as_bytes()), "{text}");
        }
    }
    let objects = |n: usize| format!("[{}]", vec!["{}"; n].join(","));
    assert!(check_large(objects(1 << 18).as_bytes()).is_ok());
    assert!(check_large(objects((1 << 18) + 1).as_bytes()).is_err());
}
