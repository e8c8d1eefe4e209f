//! Tests of escaping and cutting, and of the wildcard.

use super::*;

#[test]
fn adm_10_what_could_deceive_a_reader_is_escaped() {
    for (text, shown) in [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
        ("\0\u{7f}\u{85}\u{9b}", "\\u{0}\\u{7f}\\u{85}\\u{9b}"),
        ("\u{202e}exe\u{2066}\u{200f}", "\\u{202e}exe\\u{2066}\\u{200f}"),
        ("a\u{200b}b\u{feff}\u{2060}\u{ad}", "a\\u{200b}b\\u{feff}\\u{2060}\\u{ad}"),
        ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
        ("\u{3164}\u{115f}", "\\u{3164}\\u{115f}"),
        ("ghcr.io/\u{43e}rg", "ghcr.io/\\u{43e}rg"),
        ("\u{1f600}", "\\u{1f600}"),
    ] {
        assert_eq!(foreign(text), shown);
    }
}

#[test]
fn adm_10_plain_text_stays_as_it_is() {
    let plain: String = (' '..='~').collect();
    assert_eq!(foreign(&plain), plain);
    for text in ["<b>%s%n</b>", "{}{0}", "\"quoted\" \\n", ""] {
        assert_eq!(foreign(text), text);
    }
}

#[test]
fn adm_10_long_text_is_cut_and_says_so() {
    let all = "x".repeat(FOREIGN_CHARS);
    assert_eq!(foreign(&all), all);
    for long in [format!("{all}y"), "x".repeat(10 << 10)] {
        assert_eq!(foreign(&long), format!("{all}…"));
    }
}

#[test]
fn adm_10_the_cut_counts_what_is_shown_and_splits_no_escape() {
    let shown = foreign(&"\u{202e}".repeat(10 << 10));
    assert_eq!(shown, format!("{}…", "\\u{202e}".repeat(FOREIGN_CHARS / 8)));
    let shown = foreign(&format!("{}\n", "x".repeat(FOREIGN_CHARS - 1)));
    assert_eq!(shown, format!("{}…", "x".repeat(FOREIGN_CHARS - 1)));
    let shown = foreign(&format!("{}\n", "x".repeat(FOREIGN_CHARS - 2)));
    assert_eq!(shown, format!("{}\\n", "x".repeat(FOREIGN_CHARS - 2)));
}

#[test]
fn escaping_twice_is_escaping_once() {
    for text in ["a\nb", "\u{1b}[0m", "ghcr.io/\u{43e}rg", "plain"] {
        assert_eq!(foreign(&foreign(text)), foreign(text));
    }
}

#[test]
fn a_star_is_any_text_and_nothing_else_is_special() {
    for (glob, text, fits) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "anything", true),
        ("a", "a", true),
        ("a", "ab", false),
        ("a*", "a", true),
        ("a*", "ba", false),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*c", "a-b-c", true),
        ("a*b*c", "a-c", false),
        ("a*b*c", "abbc", true),
        ("a*bc*c", "abc", false),
        ("*ab*ab*", "abab", true),
        ("*ab*ab*", "aba", false),
        ("a**b", "ab", true),
        ("a?c", "abc", false),
        ("a.c", "abc", false),
        ("[ab]", "a", false),
    ] {
        assert_eq!(glob_matches(glob, text), fits, "{glob} {text}");
    }
}

#[test]
fn what_a_reader_of_json_says_names_no_type_of_ours() {
    #[derive(Debug, serde::Deserialize)]
    struct Inner {
        #[serde(rename = "n")]
        _n: u8,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        #[allow(dead_code, reason = "read, and not looked at")]
        One(Inner),
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        #[allow(dead_code, reason = "read, and not looked at")]
        One(Inner),
    }
    #[derive(Debug, serde::Deserialize)]
    enum Plain {
        #[allow(dead_code, reason = "read, and not looked at")]
        One { n: u8 },
        #[allow(dead_code, reason = "read, and not looked at")]
        Two(u8, u8),
    }
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "read, and not looked at")]
    struct Pair(u8, u8);

    fn said<T: fmt::Debug + serde::de::DeserializeOwned>(json: &str) -> String {
        without_types(&serde_json::from_str::<T>(json).unwrap_err().to_string())
    }
    for (said, expected) in [
        (said::<Inner>("[]"), "invalid length 0, expected an object with 1 element at line 1 column 2"),
        (said::<Inner>("7"), "invalid type: integer `7`, expected an object at line 1 column 1"),
        (said::<Tagged>("7"), "invalid type: integer `7`, expected an object at line 1 column 1"),
        (said::<Untagged>("7"), "it has none of the known forms"),
        (said::<Plain>(r#"{"One": 7}"#), "invalid type: integer `7`, expected an object at line 1 column 9"),
        (said::<Plain>(r#"{"Two": 7}"#), "invalid type: integer `7`, expected a list at line 1 column 9"),
        (said::<Pair>("7"), "invalid type: integer `7`, expected a list at line 1 column 1"),
        (said::<u8>("[]"), "invalid type: sequence, expected a whole number in range at line 1 column 0"),
    ] {
        assert_eq!(said, expected);
    }
}

#[test]
fn names_of_errors_are_spelled_out() {
    for (name, words) in [
        ("BadDer", "bad der"),
        ("TrailingData(GeneralName)", "trailing data(general name)"),
        ("MaximumPathDepthExceeded", "maximum path depth exceeded"),
        ("invalid peer certificate: BadEncoding", "invalid peer certificate: bad encoding"),
        ("X.509: an RSA key", "X.509: an RSA key"),
    ] {
        assert_eq!(spelled_out(name), words);
    }
}
