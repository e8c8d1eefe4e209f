//! Tests that an expression is matched in full, means what it says, and stays small.

use proptest::prelude::*;

use super::*;

fn regexp(source: &str) -> SubjectRegExp {
    SubjectRegExp::parse(source).unwrap_or_else(|e| panic!("{source}: {e}"))
}

#[test]
fn pol_01_the_whole_subject_must_fit() {
    let organisation = regexp("https://github.com/org/.*");
    assert!(organisation.matches("https://github.com/org/r"));
    for subject in [
        "https://evil.com/?x=https://github.com/org/r",
        " https://github.com/org/r",
        "https://github.com/org/r\n",
        "https://github.com/org/r\nx",
        "x\nhttps://github.com/org/r",
        "https://github.com/org",
    ] {
        assert!(!organisation.matches(subject), "{subject}");
    }
    let tag = regexp(r"https://gitlab\.com/acme/[^/]+//\.gitlab-ci\.yml@refs/tags/v[0-9.]+");
    assert!(tag.matches("https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1.2.0"));
    for subject in [
        "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/tags/v1.2.0-evil",
        "https://gitlab.com/acme/app/sub//.gitlab-ci.yml@refs/tags/v1.2.0",
        "https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/v1.2.0",
        "https://gitlab.com/acme/app//Xgitlab-ci.yml@refs/tags/v1.2.0",
    ] {
        assert!(!tag.matches(subject), "{subject}");
    }
}

#[test]
fn pol_01_anchors_change_nothing() {
    for source in ["^a@x.example$", r"\Aa@x.example\z", "(?:^a@x.example$)", "a@x.example"] {
        let regexp = regexp(source);
        assert!(regexp.matches("a@x.example"), "{source}");
        for subject in ["aa@x.example", "a@x.examplee", "a@x.example\n"] {
            assert!(!regexp.matches(subject), "{source} {subject:?}");
        }
    }
}

#[test]
fn pol_02_an_alternative_must_fit_in_full_too() {
    let either = regexp("alice@x|bob@x");
    assert!(either.matches("alice@x") && either.matches("bob@x"));
    for subject in ["evilbob@x", "alice@xevil", "alice@x|bob@x", "bob", ""] {
        assert!(!either.matches(subject), "{subject}");
    }
    let letters = regexp("a|b");
    assert!(letters.matches("b") && !letters.matches("evilb") && !letters.matches("aevil"));
}

#[test]
fn pol_03_an_expression_is_one_by_itself() {
    for source in ["a)|(?:b", "a)(b", "(a", "a\\", "[a", "a{2", "a**)", "(?P<n", "*a", r"\p{Greek}a", "[é]a"] {
        assert!(matches!(SubjectRegExp::parse(source), Err(RegExpError::Syntax { .. })), "{source}");
    }
    assert!(regexp("(?:a)|(?:b)").matches("b"));
    assert_eq!(
        SubjectRegExp::parse("ab)|(?:c").unwrap_err().to_string(),
        "is no regular expression: unopened group, at column 3"
    );
}

#[test]
fn pol_03_flags_are_refused() {
    for (source, at) in [
        ("(?i)alice@x", 1),
        ("alice@x(?i)", 8),
        ("alice(?m:@x)", 6),
        ("(?s).*alice", 1),
        ("alice(?x) # ", 6),
        ("(?-u)alice", 1),
        ("(a(?U:b+))c", 3),
        ("a|(?R)b", 3),
    ] {
        assert_eq!(SubjectRegExp::parse(source), Err(RegExpError::Flags { column: at }), "{source}");
    }
    for source in ["(?:alice)@x", "(?P<who>alice)@x", "(?<who>alice)@x", "(alice)@x"] {
        assert!(regexp(source).matches("alice@x"), "{source}");
    }
    assert!(!regexp("alice@x").matches("Alice@x"));
    assert!(regexp("alice # no comment").matches("alice # no comment"));
}

#[test]
fn pol_03_size_is_limited_when_it_is_read() {
    let long = "a".repeat(10 << 20);
    assert_eq!(SubjectRegExp::parse(&long), Err(RegExpError::TooLong));
    let longest = format!("{}@x", "[ab]".repeat(MAX_SOURCE / 4));
    assert_eq!(SubjectRegExp::parse(&longest), Err(RegExpError::TooLong));
    for source in
        ["(a{1000}){1000}", "((a{100}){100}){100}", "a{4294967295}", "(ab|c){50000,}", "(((a?){99}){99}){99}b"]
    {
        assert_eq!(SubjectRegExp::parse(source), Err(RegExpError::TooLarge), "{source}");
    }
    assert!(regexp("(a{10}){10}").matches(&"a".repeat(100)));
    assert!(regexp("a{1000}").matches(&"a".repeat(1000)));
    let deep = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(matches!(SubjectRegExp::parse(&deep), Err(RegExpError::Syntax { .. })));
}

#[test]
fn pol_03_matching_takes_linear_time() {
    // Exponential for an engine that tracks back.
    let nested = regexp("(a+)+b");
    assert!(nested.matches(&format!("{}b", "a".repeat(4000))));
    assert!(!nested.matches(&"a".repeat(4000)));
}

/// What only just passes the estimate compiles within the limit of the program, so that no accepted policy is silently dead.
#[test]
fn pol_03_what_is_accepted_compiles() {
    let most = MAX_PROGRAM / STATE;
    for source in [
        "a".repeat(most - 10),
        format!("a{{{}}}", most / 4 - 10),
        format!("a[a-z0-9_]{{{}}}", most / 7 - 10),
        format!("a.{{{}}}", most / 6 - 10),
        format!("a.{{0,{}}}", most / 6 - 10),
        format!("a(?:b?c*){{{}}}", most / 25),
        format!("a(b|cd|e.f){{{}}}", most / 40),
        format!("a{}", "|ab".repeat(most / 6)),
        format!("a{}", "[^/@.a-c]".repeat(most / 12)),
        format!("a(?:{}){{8}}", r"\w+\b".repeat(most / 260)),
        format!("a{}", r"[ac\w.:-]".repeat(most / 20)),
    ] {
        let shown: String = source.chars().take(40).collect();
        let regexp = regexp(&source);
        assert!(compile(regexp.as_str()).is_some(), "{shown}");
    }
}

#[test]
fn pol_03_what_does_not_compile_matches_nothing() {
    let broken = SubjectRegExp { source: "(a{1000}){1000}".into(), prefix: Box::default(), compiled: OnceLock::new() };
    assert!(!broken.matches("a"));
    assert!(!broken.matches(""));
}

#[test]
fn pol_04_a_dot_that_was_hardly_meant_is_told() {
    let dots = regexp("https://github.com/org/r.+po@x.y");
    assert!(dots.matches("https://githubXcom/org/repo@x.y"));
    assert_eq!(dots.warnings(), ["a dot matches any character; write \\. for a dot itself (column 15, 31)"]);
    let escaped = regexp(r"https://github\.com/org/r.+po@x\.y");
    assert!(!escaped.matches("https://githubXcom/org/repo@x.y"));
    assert!(escaped.matches("https://github.com/org/repo@x.y"));
    assert!(escaped.warnings().is_empty());
    assert!(regexp("[.]x").warnings().is_empty());
}

#[test]
fn pol_04_open_ends_are_told() {
    let warnings = |source| regexp(source).warnings();
    for source in [".*github\\.com/org/app", "(.+)://github\\.com/org/app", "^.*/org/app"] {
        assert_eq!(warnings(source).len(), 1, "{source}");
        assert!(warnings(source)[0].contains("anything before"), "{source}");
    }
    for source in [r"https://github\.com/org/.*", r"https://github\.com/org/(.*)$", "https://g/.{3,}"] {
        assert_eq!(warnings(source).len(), 1, "{source}");
        assert!(warnings(source)[0].contains("anything after"), "{source}");
    }
    for source in [r".*@corp\.example", r"https://g/[^/]+@refs/heads/main", r"^https://g/.*@refs/tags/v[0-9]+$", "a"] {
        assert!(warnings(source).is_empty(), "{source}: {:?}", warnings(source));
    }
}

#[test]
fn pol_06_what_accepts_everybody_is_refused() {
    for source in [
        ".*",
        ".+",
        "(.*)",
        "^.*$",
        "^(.+)$",
        "(?:.*)",
        ".*.*",
        ".*|bob@x",
        "bob@x|.+",
        "(bob@x)?.*",
        "(bob@x)*",
        r"\S+",
        r"\S*",
        "[^x]+",
        ".{1,}",
        ".{0,200}",
        r"[\s\S]*",
        r"[\w./:@-]+",
        "[a-z@.]+",
        ".*@.*",
        ".+@.+",
        "https://.*",
        "https?://.+",
        "(https|http)://.+",
        "https://.*/.*@.*",
        ".*!.*",
        r".*\..*",
        "()",
        "^$",
        "a{0}.*",
        "a?.*",
        "|a",
        "(a|).*",
        "[[:alnum:]]+.*",
        r"\w+@\w+",
        "^",
        r"\b.*\b",
    ] {
        assert_eq!(SubjectRegExp::parse(source), Err(RegExpError::AcceptsAll), "{source}");
    }
    for source in [
        r".*@corp\.example",
        r"https://github\.com/.*",
        "bob@x|eve@x",
        "(bob|eve)@.*",
        "a+.*",
        "[ab]@.*",
        r"https://.*\.io/.*",
        ".*!domain",
        "(ab){2,}",
        "v[0-9]",
    ] {
        regexp(source);
    }
    assert_eq!(
        SubjectRegExp::parse("*"),
        Err(RegExpError::Syntax { problem: "repetition operator missing expression".to_owned(), column: 1 })
    );
}

#[test]
fn dos_06_an_expression_is_compiled_when_its_beginning_fits() {
    let regexp = regexp(r"^(https://gitlab\.com/)(acme/)[^/]+");
    assert_eq!(regexp.prefix(), b"https://gitlab.com/acme/");
    assert!(!regexp.matches("https://gitlab.com/other/app"));
    assert!(regexp.compiled.get().is_none(), "told apart by the beginning alone");
    assert!(regexp.matches("https://gitlab.com/acme/app"));
    assert!(regexp.compiled.get().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Same verdict as the engine on an expression anchored by hand, whatever the beginning says.
    #[test]
    fn the_literal_beginning_never_decides_alone(
        source in "[ab(]{0,3}(x|\\(a\\|b\\)|\\[ab\\]|a\\?|\\(ab\\)\\*|\\^a|b\\$|\\.){0,4}[ab)]{0,3}",
        subject in "[abx]{0,6}",
    ) {
        if let Ok(regexp) = SubjectRegExp::parse(&source) {
            let anchored = regex::Regex::new(&format!("^(?:{source})$")).unwrap();
            prop_assert_eq!(regexp.matches(&subject), anchored.is_match(&subject));
        }
    }

    /// Nothing makes the parser panic, and what it accepts compiles.
    #[test]
    fn whatever_is_accepted_compiles(source in "[ab.(){}*+?|^$0-9,\\[\\]\\\\dws-]{0,24}") {
        if let Ok(regexp) = SubjectRegExp::parse(&source) {
            prop_assert!(compile(regexp.as_str()).is_some());
            regexp.warnings();
        }
    }
}
