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
