//! Tests that a condition holds only when it holds, and that nothing it can be makes it accept or run away.

use std::slice::from_ref;

use proptest::prelude::*;

use super::limits::MAX_EXPRESSION;
use super::*;

/// What a condition says of this predicate.
fn said(condition: &Condition, predicate: &Value) -> Result<(), Refusal> {
    let statement = json!({"predicateType": "https://slsa.dev/provenance/v1", "predicate": predicate});
    let image = json!({"registry": "ghcr.io", "repository": "ghcr.io/acme/app", "digest": "sha256:00"});
    let claims = json!({"runnerEnvironment": "gitlab-hosted"});
    let signer = json!({"kind": "keyless", "authority": "ci", "issuer": "https://gitlab.com", "claims": claims});
    condition.check(&Facts::of(from_ref(condition), [predicate, &statement, &image, &signer]))
}

fn provenance() -> Value {
    json!({
        "runDetails": {"builder": {"id": "https://github.com/actions/runner"}},
        "buildDefinition": {"resolvedDependencies": [{"uri": "git+https://github.com/acme/app"}, {"uri": "pkg:npm/x"}]},
        "count": 3,
    })
}

/// What a condition says of the usual provenance.
fn check(expression: &str) -> Result<(), Refusal> {
    let condition = Condition::cel(expression, None).map_err(|error| Refusal::Failed(error.to_string()))?;
    said(&condition, &provenance())
}

#[test]
fn att_08_a_condition_holds_or_does_not() {
    for holds in [
        "predicate.runDetails.builder.id == 'https://github.com/actions/runner'",
        "predicate.buildDefinition.resolvedDependencies.exists(d, d.uri.startsWith('git+https://github.com/acme/'))",
        "predicate.count == 3 && predicate.count < 4",
        "image.repository == 'ghcr.io/acme/app' && signer.claims.runnerEnvironment == 'gitlab-hosted'",
        "statement.predicateType.matches('^https://slsa[.]dev/')",
        "has(predicate.count) && !has(predicate.missing)",
        "url(predicate.runDetails.builder.id).getHost() == 'github.com'",
        "sets.contains(['a', 'b'], ['a'])",
    ] {
        assert_eq!(check(holds), Ok(()), "{holds}");
    }
    for refused in ["predicate.count == 4", "has(predicate.missing)", "!has(predicate.count)"] {
        assert!(matches!(check(refused), Err(Refusal::Refused(_))), "{refused}");
    }
}

#[test]
fn att_08_an_error_is_no_answer() {
    for failing in [
        "predicate.missing == 'x'",
        "predicate.count == predicate.missing.deeper",
        "predicate.count.startsWith('3')",
        "predicate.runDetails && true",
        "predicate.buildDefinition.resolvedDependencies[9].uri == 'x'",
        "predicate.count / 0 == 1",
        "predicate.count",
    ] {
        assert!(matches!(check(failing), Err(Refusal::Failed(_))), "{failing}: {:?}", check(failing));
    }
}

#[test]
fn a_refusal_says_what_the_author_wrote() {
    let told = |message| match said(&Condition::cel("predicate.count == 4", message).unwrap(), &provenance()) {
        Err(Refusal::Refused(told)) => told,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(Some("built by an unknown builder")), "built by an unknown builder");
    assert_eq!(told(None), "the condition predicate.count == 4 does not hold");
}

#[test]
fn what_is_no_condition_is_refused_when_it_is_read() {
    for (source, column, problem) in [
        ("", 1, "is blank"),
        ("predicate.a ==", 15, "is no CEL"),
        ("predicat.a == 1", 1, "there is no variable predicat"),
        ("predicate.a == other.b", 16, "there is no variable other"),
        ("predicate.a.starts('x')", 13, "there is no function starts"),
        ("size(predicate.a)", 1, "can't be true or false"),
        ("'text'", 1, "can't be true or false"),
        ("[1, 2]", 1, "can't be true or false"),
    ] {
        let error = Condition::cel(source, None).unwrap_err();
        assert!(error.problem.contains(problem), "{source}: {error}");
        assert_eq!((error.line, error.column), (1, column), "{source}: {error}");
    }
    let second = Condition::cel("predicate.a == 1 &&\n  nobody.b", None).unwrap_err();
    assert_eq!((second.line, second.column), (2, 3));
}

#[test]
fn dos_07_what_could_run_away_is_refused_when_it_is_read() {
    let list = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = format!("{list}.all(a, {list}.all(b, {list}.all(c, a + b + c >= 0)))");
    assert!(Condition::cel(&nested, None).unwrap_err().problem.contains("nested 3 deep"));
    assert!(Condition::cel(&format!("{list}.all(a, {list}.all(b, a + b >= 0))"), None).is_ok());
    let long = format!("'{}' == ''", "x".repeat(MAX_EXPRESSION));
    assert!(Condition::cel(&long, None).unwrap_err().problem.contains("at most 4096"));
    for source in ["(".repeat(400), "!".repeat(400), "-".repeat(400), "[".repeat(400), "a?".repeat(400)] {
        Condition::cel(&source, None).unwrap_err();
    }
}

#[test]
fn dos_07_a_statement_that_is_too_large_for_a_condition_fails() {
    let many: Vec<Value> = (0..100_000).map(|n| json!({"n": n})).collect();
    let large = json!({ "many": many });
    let once = Condition::cel("predicate.many.all(a, a.n >= 0)", None).unwrap();
    assert_eq!(said(&once, &large), Ok(()));
    let twice = Condition::cel("predicate.many.all(a, predicate.many.exists(b, a.n == b.n))", None).unwrap();
    assert!(matches!(said(&twice, &large), Err(Refusal::Failed(problem)) if problem.contains("too expensive")));
    let few = json!({"many": [{"n": 1}, {"n": 2}]});
    assert_eq!(said(&twice, &few), Ok(()));
}

/// Each of these ended the process on a stack of 2 MiB, or would have asked for more memory than there is.
#[test]
fn dos_07_what_is_too_deep_or_grows_is_refused_when_it_is_read() {
    let chain = |link: &str, times: usize| link.repeat(times);
    for source in [
        format!("predicate{}", chain(".a", 80)),
        format!("{}1 == 2", chain("1+", 80)),
        format!("[0]{} == 0", chain("[0]", 80)),
        format!("{}true{}", chain("(')'!='' && ", 20), chain(")", 20)),
        format!("{}1 == 1{}", chain("(1 + ", 20), chain(")", 20)),
        format!("{}true", chain("true ? true : ", 60)),
        "lists.range(2000000000).size() > 0".to_owned(),
        format!("[predicate]{}.size() > 0", chain(".map(a, a+a+a+a+a+a+a+a)", 12)),
        format!("[predicate]{}.size() > 0", chain(".map(a, a+a)", 5)),
        "predicate.a.replace('', predicate.a) == ''".to_owned(),
        "predicate.a.matches(predicate.b)".to_owned(),
    ] {
        assert!(Condition::cel(&source, None).is_err(), "{source}");
    }
    let texts = "predicate.split('').all(a, predicate.split('').all(b, b != 'y'))";
    let long = json!("x".repeat(3000));
    assert!(matches!(said(&Condition::cel(texts, None).unwrap(), &long), Err(Refusal::Failed(_))));
}

#[test]
fn conditions_of_ordinary_size_are_read() {
    let clause = "predicate.buildDefinition.externalParameters.workflow.repository == 'https://github.com/acme/app'";
    for source in [
        [clause; 12].join(" && "),
        format!("({clause} || ({clause} && !({clause})))"),
        "predicate.a == ')((((' && predicate.b != '\\'((('".to_owned(),
        "predicate.vulnerabilities.all(v, v.severity != 'CRITICAL' || v.id in ['CVE-2024-1', 'CVE-2024-2'])".to_owned(),
        "predicate.a // ((((((((((((((((((((((((\n == 1".to_owned(),
    ] {
        assert!(Condition::cel(&source, None).is_ok(), "{source}: {:?}", Condition::cel(&source, None));
    }
}

#[cfg(feature = "rego")]
#[test]
fn a_module_in_rego_denies_with_its_reasons() {
    let module = "deny contains msg if { input.predicate.count > 2; msg := \"too many\" }";
    let condition = Condition::rego(module, None).unwrap();
    assert_eq!(said(&condition, &provenance()), Err(Refusal::Refused("too many".to_owned())));
    assert_eq!(said(&condition, &json!({"count": 1})), Ok(()));
    Condition::rego("package other\nimport rego.v1\ndeny contains \"x\" if true", None).unwrap_err();
    Condition::rego("deny contains", None).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// No text makes reading it or evaluating it panic.
    #[test]
    fn no_text_makes_it_panic(source in "[a-z.()\\[\\]{}'\"0-9!&|=<>?:+*/%, -]{0,60}") {
        if let Ok(condition) = Condition::cel(&source, None) {
            let _ = said(&condition, &provenance());
        }
    }
}

/// Whether a text is cut as the parser cuts it decides whether brackets are counted. Each of these hid 900 of them.
#[test]
fn dos_13_brackets_are_counted_wherever_a_text_ends() {
    let brackets = |times| format!("{}true{}", "(".repeat(times), ")".repeat(times));
    for before in [
        r"r'\' == 'x'",
        r#"R"\" == 'x'"#,
        r"br'\' == b'x'",
        r"b'\' == b'x'",
        r#"'\q' == "x""#,
        r"'''\''' == 'x'",
        r"r'''\''' == 'x'",
        "1r'\\' == 'x'",
        "0x1fr'\\' == 'x'",
        "1ur'\\' == 'x'",
        "rr'\\' == 'x'",
        "'\n' == 'x'",
        "'''' == 'x'",
        "`a'` == 'x'",
        "predicate.`a//b` == 'x'",
        "'//' == 'x'",
        "\"//\" == 'x'",
        "r'//' == 'x'",
        "'\\'//' == 'x'",
    ] {
        let condition = Condition::cel(&format!("{before} || {}", brackets(900)), None);
        assert!(condition.is_err(), "{before}");
    }
    for before in
        [r"r'\d' == 'x'", "R\"\\'\" == 'x'", "b'\\x00' == b'x'", "'''a\"b''' == 'x'", "'\\'(((((((((((((((((' == 'x'"]
    {
        let condition = Condition::cel(&format!("{before} || {}", brackets(8)), None);
        assert!(condition.is_ok(), "{before}: {condition:?}");
    }
}

/// Without the count of brackets: any text of the longest kind fits the stack of the parser.
#[test]
fn dos_13_no_text_overflows_the_stack_of_the_parser() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{1:", "}"),
        ("size(", ")"),
        ("a.f(", ")"),
        ("a[", "]"),
        ("!(", ")"),
        ("a?(", "):1"),
        ("[].all(a,", ")"),
    ] {
        let times = MAX_EXPRESSION / (open.len() + close.len()) - 1;
        assert!(cel::parse(&format!("{}1{}", open.repeat(times), close.repeat(times))).is_err(), "{open}");
    }
    for link in [".a", ".f()", "[0]", "+1", "-1", "<1", " in 1", "||a", "&&a", "?a:a"] {
        let source = format!("a{}", link.repeat((MAX_EXPRESSION - 1) / link.len()));
        let _ = cel::parse(&source);
    }
}

#[test]
fn dos_13_long_chains_are_refused_and_short_ones_read() {
    for (link, base) in [
        (".a", "predicate"),
        ("[0]", "predicate"),
        (" + 1", "1"),
        (".first()", "predicate"),
        (" ? true : true", "true"),
    ] {
        let chain = |times| format!("{base}{} == 1", link.repeat(times));
        assert!(Condition::cel(&chain(100), None).is_err(), "{link}");
        assert!(Condition::cel(&chain(8), None).is_ok(), "{link}: {:?}", Condition::cel(&chain(8), None));
    }
    let clauses = |times: usize| vec!["true"; times].join(" || ");
    assert!(Condition::cel(&clauses(500), None).is_ok());
}

/// The parser gives another meaning to each than CEL does.
#[test]
fn dos_13_what_the_parser_misreads_is_refused() {
    for (misread, twin) in [
        ("!!true", "!(!true)"),
        ("- -predicate.a == 1", "-(-predicate.a) == 1"),
        (r"predicate.a == r'\'", r"predicate.a == '\\'"),
        (r#"predicate.a == '\"'"#, r#"predicate.a == '"'"#),
        ("predicate.a == '''a '' b'''", "predicate.a == '''a \"\" b'''"),
        ("b'''a''' == b'a'", "b'a' == b'a'"),
        ("br'a' == b'a'", "b'a' == b'a'"),
    ] {
        assert!(Condition::cel(misread, None).is_err(), "{misread}");
        assert!(Condition::cel(twin, None).is_ok(), "{twin}: {:?}", Condition::cel(twin, None));
    }
    assert_eq!(check("3 - -3 == 6 && predicate.count-1 == 2"), Ok(()));
}
