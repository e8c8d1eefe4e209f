use super::*;
use crate::policy::selector::SelectorOperator;
use crate::policy::testing::{fixed, key, parts, patterns, requirement, with_authorities};

/// The field that is at fault.
fn fault(parts: PolicyParts) -> String {
    Policy::new(parts).map_or_else(|error| error.path, |_| "valid".to_owned())
}

fn require(at_least: usize, of: &[usize]) -> PolicyParts {
    let require = Require { at_least, of: of.to_vec() };
    PolicyParts { require, ..with_authorities(vec![key("a", 1), key("b", 2)]) }
}

#[test]
fn pol_13_a_threshold_must_be_reachable_and_not_zero() {
    for (at_least, of, expected) in [
        (1, &[0, 1][..], "valid"),
        (2, &[0, 1], "valid"),
        (1, &[1], "valid"),
        (0, &[0, 1], "spec.require.atLeast"),
        (3, &[0, 1], "spec.require.atLeast"),
        (2, &[1], "spec.require.atLeast"),
        (1, &[], "spec.require.atLeast"),
        (1, &[0, 2], "spec.require.of[1]"),
        (2, &[1, 1], "spec.require.of[1]"),
    ] {
        assert_eq!(fault(require(at_least, of)), expected, "{at_least} of {of:?}");
    }
}

#[test]
fn pol_13_authorities_are_needed_and_distinct() {
    assert_eq!(fault(PolicyParts { authorities: vec![], ..parts("p") }), "spec.authorities");
    assert_eq!(fault(with_authorities(vec![key("a", 1), key("a", 2)])), "spec.authorities[1].name");
    assert_eq!(fault(with_authorities(vec![key("a", 1), key("", 2)])), "spec.authorities[1].name");
    assert_eq!(fault(with_authorities(vec![key("a", 1), key("b", 1)])), "spec.authorities[1].key.publicKey");
    assert_eq!(fault(with_authorities(vec![key("a", 1), key("b", 2)])), "valid");
}

#[test]
fn images_are_needed() {
    assert_eq!(fault(PolicyParts { images: vec![], ..parts("p") }), "spec.match.images");
    assert_eq!(fault(parts("p")), "valid");
}

#[test]
fn a_selector_that_can_select_nothing_is_refused() {
    let with = |values: &[&str]| {
        let requirements = vec![requirement("env", SelectorOperator::In, values)];
        PolicyParts { namespace_selector: LabelSelector { requirements }, ..parts("p") }
    };
    assert_eq!(fault(with(&[])), "spec.match.namespaceSelector");
    assert_eq!(fault(with(&["prod"])), "valid");
}

#[test]
fn pol_18_static_allow_needs_exact_repositories() {
    let with =
        |answer, images: &[&str]| PolicyParts { images: patterns(images), ..with_authorities(vec![fixed(answer)]) };
    assert_eq!(fault(with(StaticAnswer::Allow, &["registry.example/app"])), "valid");
    assert_eq!(
        fault(with(StaticAnswer::Allow, &["registry.example/app", "registry.example/*"])),
        "spec.match.images[1]"
    );
    assert_eq!(fault(with(StaticAnswer::Allow, &["**"])), "spec.match.images[0]");
    assert_eq!(fault(with(StaticAnswer::Deny, &["**"])), "valid");
}

#[test]
fn pol_18_a_static_authority_stands_alone() {
    let both = with_authorities(vec![key("a", 1), fixed(StaticAnswer::Allow)]);
    assert_eq!(fault(both), "spec.authorities[1].static");
    let deny = with_authorities(vec![fixed(StaticAnswer::Deny), key("a", 1)]);
    assert_eq!(fault(deny), "spec.authorities[0].static");
}

#[test]
fn pol_18_demands_that_a_static_authority_would_ignore_are_refused() {
    let lone = || with_authorities(vec![fixed(StaticAnswer::Allow)]);
    let annotations = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    assert_eq!(fault(PolicyParts { annotations, ..lone() }), "spec.signature");
    let signature_repository = Some(Repository::parse("registry.example/signatures").unwrap());
    assert_eq!(fault(PolicyParts { signature_repository, ..lone() }), "spec.signature");
    assert_eq!(fault(lone()), "valid");
}
