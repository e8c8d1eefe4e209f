//! Tests that a condition holds only when it holds, and that nothing it can be makes it accept or run away.

use proptest::prelude::*;

use super::limits::MAX_EXPRESSION;
use super::*;

/// What a condition says of this predicate.
fn said(condition: &Condition, predicate: &Value) -> Result<(), Refusal> {
    let statement = json!({"predicateType": "https://slsa.dev/provenance/v1", "predicate": predicate});
    condition.check(&facts(&statement), &|| false)
}

fn facts(statement: &Value) -> Facts<'_> {
    let image = json!({"registry": "ghcr.io", "repository": "ghcr.io/acme/app", "digest": "sha256:00"});
    let claims = json!({"runnerEnvironment": "gitlab-hosted"});
    let signer = json!({"kind": "keyless", "authority": "ci", "issuer": "https://gitlab.com", "claims": claims});
    Facts { statement, image, signer }
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
        "type(predicate.count) == int && type('') == string && dyn(predicate.count) == 3",
        "predicate.?missing.deeper.orValue('none') == 'none'",
        "predicate.?runDetails.?builder.hasValue()",
        "{'a': 1, 2: 'b'}[2u] == 'b' && 'a' in {'a': 1}",
        "[1, 2, 3].map(n, n > 1, n * 2) == [4, 6] && [3, 1, 2].sort() == [1, 2, 3]",
        "[1, 2, 2].exists_one(n, n == 1) && ![1, 2, 2].exists_one(n, n == 2)",
        "timestamp('2026-01-01T00:00:00Z') + duration('24h') > timestamp('2026-01-01T00:00:00Z')",
        "'a-b-c'.split('-').join('+') == 'a+b+c' && 'abc'.replace('b', 'x') == 'axc'",
        "'v1.2'.find('[0-9]+') == '1' && 'v1.2'.findAll('[0-9]+') == ['1', '2']",
        "'na\u{ef}ve'.size() == 5 && size([1, 2]) == 2",
        "3 == 3.0 && 3u == 3 && 9007199254740993 != 9007199254740992.0 && 1 < 1.5 && 2u > 1.5",
        "lists.range(3) == [0, 1, 2] && [[1], [2]].flatten() == [1, 2]",
    ] {
        assert_eq!(check(holds), Ok(()), "{holds}: {:?}", check(holds));
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
        "9223372036854775807 + 1 > 0",
        "1 + 1u == 2",
        "ip('not an address').isLoopback()",
        "predicate.buildDefinition.resolvedDependencies.join() == ''",
        "optional.none().value() == 1",
    ] {
        assert!(matches!(check(failing), Err(Refusal::Failed(_))), "{failing}: {:?}", check(failing));
    }
}

/// What is asked of a value of another type is an error, never false: its negation would be true. The twin asks the right type.
#[test]
fn att_08_a_value_of_another_type_is_no_answer() {
    for (asked, of_another, of_the_right) in [
        ("!predicate.a.b", json!({"a": "a text"}), json!({"a": {"b": false}})),
        ("!has(predicate.a.b)", json!({"a": "a text"}), json!({"a": {}})),
        ("!has(predicate.a.b)", json!({"a": null}), json!({"a": {}})),
        ("!predicate.a.contains('evil')", json!({"a": {"x": 1}, "b": 1}), json!({"a": "good"})),
        ("!predicate.a.contains('evil')", json!({"a": 7}), json!({"a": "good"})),
        ("!predicate.a.startsWith('evil')", json!({"a": ["evil"]}), json!({"a": "good"})),
        ("!('evil' in predicate.a)", json!({"a": "evil"}), json!({"a": ["good"]})),
        ("!predicate.a.exists(x, x == 'evil')", json!({"a": "evil"}), json!({"a": ["good"]})),
        ("!predicate.a.matches('evil')", json!({"a": ["evil"]}), json!({"a": "good"})),
        ("!(predicate.a > 3)", json!({"a": "9"}), json!({"a": 2})),
    ] {
        let condition = Condition::cel(asked, None).unwrap();
        let answer = said(&condition, &of_another);
        // A map contains keys: that is an answer.
        if of_another["a"].is_object() {
            assert_eq!(answer, Ok(()), "{asked}");
        } else {
            assert!(matches!(answer, Err(Refusal::Failed(_))), "{asked} of {of_another}: {answer:?}");
        }
        assert_eq!(said(&condition, &of_the_right), Ok(()), "{asked} of {of_the_right}");
    }
}

/// One operand may decide whatever the other is, and one element for a whole list (cel-spec, "Logical Operators", "Macros").
#[test]
fn att_08_what_decides_absorbs_an_error() {
    for holds in [
        "true || predicate.missing",
        "predicate.missing || true",
        "!(false && predicate.missing)",
        "!(predicate.missing && false)",
        "[1, 0, 2].exists(n, 4 / n == 2)",
        "![1, 0, 2].all(n, 4 / n == 4)",
    ] {
        assert_eq!(check(holds), Ok(()), "{holds}");
    }
    for failing in ["predicate.missing || false", "predicate.missing && true", "[1, 0].exists(n, 4 / n == 2)"] {
        assert!(matches!(check(failing), Err(Refusal::Failed(_))), "{failing}");
    }
}

/// A statement may hold secrets, and is long: its values are not repeated.
#[test]
fn an_error_does_not_repeat_the_statement() {
    let secret = json!({"token": "s3cret", "list": ["s3cret", "s3cret"], "map": {"s3cret": 1}});
    for source in [
        "predicate.token + 1 == ''",
        "int(predicate.list) == 1",
        "predicate.map > 1",
        "predicate.list.sum() == 1",
        "-predicate.map == 1",
        "quantity(predicate.list).isInteger()",
        "predicate.list.upperAscii() == ''",
        "{}[predicate.list] == 1",
    ] {
        match said(&Condition::cel(source, None).unwrap(), &secret) {
            Err(Refusal::Failed(problem)) => {
                let (_, after) = problem.split_once(source).unwrap_or(("", &problem));
                assert!(!after.contains("s3cret"), "{problem}");
            }
            other => panic!("{source}: {other:?}"),
        }
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
        ("predicate.a.matches(predicate.b)", 1, "not written out"),
        ("'text'.matches(predicate.p)", 1, "not written out"),
        ("matches('text', predicate.p)", 1, "not written out"),
        ("predicate.a.findAll(predicate.p, 3) == []", 1, "not written out"),
        ("predicate.a.matches('(')", 1, "is not a regular expression"),
        ("predicate.a.matches('(\\\\w{900}){900}')", 1, "too large"),
        ("Pod{name: 'x'} == predicate", 4, "messages can't be made"),
        ("'%d'.format([1]) == '1'", 6, "there is no function format"),
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
    let long = format!("'{}' == ''", "x".repeat(MAX_EXPRESSION));
    assert!(Condition::cel(&long, None).unwrap_err().problem.contains("at most 4096"));
    for source in ["(".repeat(400), "!".repeat(400), "-".repeat(400), "[".repeat(400), "a?".repeat(400)] {
        Condition::cel(&source, None).unwrap_err();
    }
}

/// Each of these ended the process on a stack of 2 MiB.
#[test]
fn dos_07_what_is_too_deep_is_refused_when_it_is_read() {
    let chain = |link: &str, times: usize| link.repeat(times);
    for source in [
        format!("predicate{}", chain(".a", 80)),
        format!("{}1 == 2", chain("1+", 80)),
        format!("[0]{} == 0", chain("[0]", 80)),
        format!("{}true{}", chain("(')'!='' && ", 20), chain(")", 20)),
        format!("{}1 == 1{}", chain("(1 + ", 20), chain(")", 20)),
        format!("{}true", chain("true ? true : ", 60)),
    ] {
        assert!(Condition::cel(&source, None).is_err(), "{source}");
    }
}

/// A list of so many short texts.
fn names(count: usize) -> Value {
    (0..count).map(|n| json!(format!("pkg:npm/name-{n:08}"))).collect()
}

/// What a condition takes is what it walks: each of these kept a processor for minutes or took gigabytes.
#[test]
fn dos_12_what_costs_too_much_is_stopped() {
    let (many, few) = (20_000, 40);
    let document = |count: usize| {
        json!({
            "names": names(count), "allowed": names(count), "other": names(count + 1),
            "text": "x".repeat(count * 40), "log": "y".repeat(1 << 10),
        })
    };
    for source in [
        "predicate.names.all(m, m in predicate.allowed)",
        "predicate.names.all(m, predicate.allowed.exists(a, a == m))",
        "predicate.names.all(m, predicate.names != predicate.other + [m])",
        "predicate.names.all(m, predicate.text + m != predicate.text)",
        "predicate.names.distinct().size() > 0",
        "sets.contains(predicate.allowed, predicate.names)",
        "sets.equivalent(predicate.allowed, predicate.names)",
        "!sets.intersects(predicate.names, predicate.names.map(n, n + '!'))",
        "predicate.names.map(n, predicate.text.upperAscii() + n).size() > 0",
        "predicate.names.map(n, predicate.names.map(m, n + m)).size() > 0",
        "predicate.text.split('').map(c, predicate.names).size() > 0",
        "predicate.text.replace('', predicate.text) != ''",
        "predicate.names.join(predicate.text) != ''",
        "predicate.names.all(n, predicate.text.matches('x{1,40}y') || n.findAll('-').size() > 0)",
        "predicate.text.indexOf(predicate.text.substring(1) + 'y') == -1 && predicate.text.split('').sort().size() > 0",
        "lists.range(predicate.names.size() * 50).all(i, i >= 0)",
        "predicate.names.all(a, predicate.names.all(b, predicate.names.all(c, a != '' && b != '' && c != '')))",
    ] {
        let condition = Condition::cel(source, None).unwrap_or_else(|error| panic!("{source}: {error}"));
        let stopped = said(&condition, &document(many));
        assert!(matches!(&stopped, Err(Refusal::Failed(p)) if p.contains("too expensive")), "{source}: {stopped:?}");
        assert_eq!(said(&condition, &document(few)), Ok(()), "{source}");
    }
}

/// Nothing is refused that people really ask of a large statement.
#[test]
fn dos_12_a_large_statement_is_looked_through() {
    let package = |n| json!({"name": format!("package-{n}"), "licenseConcluded": "Apache-2.0", "versionInfo": "1.2.3"});
    let packages: Vec<Value> = (0..16_500).map(package).collect();
    let large = json!({ "packages": packages, "log": "a line of a build log\n".repeat(100_000) });
    for holds in [
        "predicate.packages.all(p, p.licenseConcluded in ['MIT', 'Apache-2.0', 'BSD-3-Clause'])",
        "!predicate.packages.exists(p, p.name == 'log4j-core' && p.versionInfo.startsWith('2.14'))",
        "predicate.packages.filter(p, p.name.endsWith('-7')).size() == 1",
        "predicate.packages.all(p, p.name.matches('^package-[0-9]+$'))",
        "predicate.packages.map(p, p.name).size() == 16500 && !predicate.log.contains('secret')",
        "predicate.packages.all(p, semver(p.versionInfo).major() == 1)",
    ] {
        assert_eq!(said(&Condition::cel(holds, None).unwrap(), &large), Ok(()), "{holds}");
    }
}

/// An evaluation ends as soon as nobody waits for its answer; while somebody does, it is finished.
#[test]
fn dos_12_an_evaluation_that_nobody_waits_for_ends() {
    let condition = Condition::cel("predicate.names.all(n, n.startsWith('pkg:'))", None).unwrap();
    let statement = json!({"predicate": {"names": names(10_000)}});
    let asked = std::cell::Cell::new(0);
    let check = |after: usize| {
        asked.set(0);
        condition.check(&facts(&statement), &|| {
            asked.set(asked.get() + 1);
            asked.get() > after
        })
    };
    assert_eq!(check(usize::MAX), Ok(()));
    assert!(asked.get() > 5, "{}", asked.get());
    assert!(matches!(check(2), Err(Refusal::Failed(problem)) if problem.contains("nobody waits")));
    assert_eq!(asked.get(), 3);
}

/// A text in which an expression finds no end of new states is given up on, not searched slowly.
#[test]
fn dos_12_a_regular_expression_takes_linear_time() {
    let source = "predicate.text.matches('[ab]*a[ab]{250}c')";
    let condition = Condition::cel(source, None).unwrap();
    let text = |len: usize| -> String {
        let mut state = 1_u32;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            if state.is_multiple_of(2) { 'a' } else { 'b' }
        };
        (0..len).map(next).collect()
    };
    let stopped = said(&condition, &json!({"text": text(200_000)}));
    assert!(matches!(&stopped, Err(Refusal::Failed(problem)) if problem.contains("too expensive")), "{stopped:?}");
    let found = text(300) + "a" + &text(250) + "c";
    assert_eq!(said(&condition, &json!({ "text": found })), Ok(()));
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

/// What `cel` answers, where it answers.
fn reference(source: &str, predicate: &Value) -> Option<bool> {
    use kube_cel::KubeCelExt as _;
    use kube_cel::cel::{Context, Program, Value as Cel};
    let mut context = Context::default().with_all();
    context.add_variable_from_value("predicate", value::Val::of(predicate).to_cel().ok()?);
    match Program::compile(source).ok()?.execute(&context) {
        Ok(Cel::Bool(answer)) => Some(answer),
        _ => None,
    }
}

fn one_of(texts: &'static [&'static str]) -> BoxedStrategy<String> {
    proptest::sample::select(texts).prop_map(str::to_owned).boxed()
}

/// Expressions of each type over the predicate of the test, some of which have an error inside.
fn ints(depth: u32) -> BoxedStrategy<String> {
    let plain = one_of(&["predicate.count", "1", "-2", "predicate.missing", "predicate.map.a"]);
    let Some(depth) = depth.checked_sub(1) else { return plain };
    prop_oneof![
        plain,
        lists(depth).prop_map(|list| format!("size({list})")),
        (texts(depth), texts(depth)).prop_map(|(one, other)| format!("{one}.indexOf({other})")),
        (ints(depth), one_of(&["+", "-", "*", "/", "%"]), ints(depth)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (truths(depth), ints(depth), ints(depth)).prop_map(|(test, a, b)| format!("({test} ? {a} : {b})")),
    ]
    .boxed()
}

fn texts(depth: u32) -> BoxedStrategy<String> {
    let plain = one_of(&["predicate.text", "'a'", "'git+x'", "''", "predicate.missing"]);
    let Some(depth) = depth.checked_sub(1) else { return plain };
    prop_oneof![
        plain,
        (texts(depth), one_of(&["upperAscii()", "trim()", "replace('i', 'ii')", "split('i').join('-')"]))
            .prop_map(|(text, call)| format!("{text}.{call}")),
        (texts(depth), texts(depth)).prop_map(|(one, other)| format!("({one} + {other})")),
        ints(depth).prop_map(|int| format!("string({int})")),
        (lists(depth), ints(depth)).prop_map(|(list, at)| format!("{list}[{at}]")),
    ]
    .boxed()
}

fn lists(depth: u32) -> BoxedStrategy<String> {
    let plain = one_of(&["predicate.list", "['a', 'git+x']", "[]"]);
    let Some(depth) = depth.checked_sub(1) else { return plain };
    prop_oneof![
        plain,
        (lists(depth), one_of(&["distinct()", "reverse()", "sort()", "slice(0, 1)", "map(x, x + '!')"]))
            .prop_map(|(list, call)| format!("{list}.{call}")),
        (lists(depth), texts(depth)).prop_map(|(list, text)| format!("{list}.filter(x, x != {text})")),
        (lists(depth), lists(depth)).prop_map(|(one, other)| format!("({one} + {other})")),
    ]
    .boxed()
}

fn truths(depth: u32) -> BoxedStrategy<String> {
    let plain = one_of(&["predicate.flag", "has(predicate.map.b)", "has(predicate.count)", "false"]);
    let Some(depth) = depth.checked_sub(1) else { return plain };
    let compared = one_of(&["==", "!=", "<", ">="]);
    prop_oneof![
        plain,
        (ints(depth), compared.clone(), ints(depth)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (texts(depth), compared, texts(depth)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (lists(depth), lists(depth)).prop_map(|(a, b)| format!("({a} == {b})")),
        (texts(depth), lists(depth)).prop_map(|(text, list)| format!("({text} in {list})")),
        (texts(depth), one_of(&["contains", "startsWith", "endsWith"]), texts(depth))
            .prop_map(|(a, call, b)| format!("{a}.{call}({b})")),
        (lists(depth), one_of(&["all", "exists", "exists_one"]), texts(depth))
            .prop_map(|(list, call, text)| format!("{list}.{call}(x, x == {text})")),
        (lists(depth), lists(depth)).prop_map(|(a, b)| format!("sets.contains({a}, {b})")),
        (truths(depth), one_of(&["&&", "||"]), truths(depth)).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        truths(depth).prop_map(|truth| format!("!({truth})")),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    /// The evaluator of the `cel` crate is of the same opinion wherever both have one. An error is none: ours has one for more.
    #[test]
    fn att_08_another_evaluator_agrees(source in truths(3)) {
        let predicate = json!({"count": 3, "text": "git+x", "list": ["a", "b", "git+x"], "map": {"a": 1}, "flag": true});
        if let (Ok(condition), Some(theirs)) = (Condition::cel(&source, None), reference(&source, &predicate)) {
            match said(&condition, &predicate) {
                Ok(()) => prop_assert!(theirs, "{}", source),
                Err(Refusal::Refused(_)) => prop_assert!(!theirs, "{}", source),
                Err(Refusal::Failed(problem)) => prop_assert!(!problem.contains("can't be evaluated"), "{}", problem),
            }
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
