use std::collections::BTreeMap;

use super::*;
use crate::policy::model::{PolicyParts, StaticAnswer};
use crate::policy::selector::{LabelSelector, Labels, SelectorOperator};
use crate::policy::testing::{broken, fixed, image, parts, patterns, requirement, set, valid};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// What is selected in namespace `shop`, as text: names of policies, or what else.
fn selected(set: &PolicySet, reference: &str) -> String {
    let Some(governing) = govern(set, "shop") else { return "ungoverned".to_owned() };
    let image = image(reference);
    told(select(&governing, &image, None))
}

fn told(selection: Selection<'_>) -> String {
    match selection {
        Selection::Applies(entries) => entries.iter().map(|e| &**e.name()).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

fn about(name: &str, images: &[&str], exclude: &[&str]) -> PolicyParts {
    PolicyParts { images: patterns(images), exclude_images: patterns(exclude), ..parts(name) }
}

#[test]
fn cfg_01_an_image_that_no_policy_matches_is_unmatched_and_not_ungoverned() {
    let set = set(vec![valid(parts("apps"))]);
    assert_eq!(selected(&set, "registry.example/other"), "Unmatched");
    assert_eq!(selected(&set, "registry.example/app"), "apps");
}

#[test]
fn nothing_governs_where_no_policy_selects_the_namespace() {
    let elsewhere = PolicyParts { namespaces: vec!["elsewhere".to_owned()], ..parts("apps") };
    assert_eq!(selected(&set(vec![valid(elsewhere)]), "registry.example/app"), "ungoverned");
    assert_eq!(selected(&set(Vec::new()), "registry.example/app"), "ungoverned");
    let here = PolicyParts { namespaces: vec!["elsewhere".to_owned(), "shop".to_owned()], ..parts("apps") };
    assert_eq!(selected(&set(vec![valid(here)]), "registry.example/app"), "apps");
}

#[test]
fn names_and_selector_must_both_select_the_namespace() {
    let policy = |namespace: &str| {
        let requirements = vec![requirement("env", SelectorOperator::In, &["prod"])];
        let namespace_selector = LabelSelector { requirements };
        valid(PolicyParts { namespaces: vec![namespace.to_owned()], namespace_selector, ..parts("apps") })
    };
    for (namespace, env, expected) in
        [("shop", "prod", "apps"), ("shop", "test", "ungoverned"), ("elsewhere", "prod", "ungoverned")]
    {
        let labels = Labels::from([("env".to_owned(), env.to_owned())]);
        let set = PolicySet::new(vec![policy(namespace)], BTreeMap::from([("shop".to_owned(), labels)]));
        assert_eq!(selected(&set, "registry.example/app"), expected, "{namespace} {env}");
    }
}

#[test]
fn k8s_23_a_namespace_that_was_not_seen_yet_matches_every_selector() {
    let requirements = vec![requirement("env", SelectorOperator::In, &["prod"])];
    let policy = PolicyParts { namespace_selector: LabelSelector { requirements }, ..parts("apps") };
    let unknown = set(vec![valid(policy.clone())]);
    assert_eq!(selected(&unknown, "registry.example/app"), "apps");
    let known = PolicySet::new(vec![valid(policy)], BTreeMap::from([("shop".to_owned(), Labels::new())]));
    assert_eq!(selected(&known, "registry.example/app"), "ungoverned");
}

#[test]
fn pol_11_broad_and_narrow_both_apply() {
    let set = set(vec![
        valid(about("broad", &["registry.example/**"], &[])),
        valid(about("narrow", &["registry.example/app"], &[])),
        valid(about("but-one", &["registry.example/**"], &["registry.example/app"])),
    ]);
    assert_eq!(selected(&set, "registry.example/app"), "broad narrow");
    assert_eq!(selected(&set, "registry.example/other"), "broad but-one");
}

#[test]
fn pol_10_the_order_of_arrival_does_not_matter() {
    let entries = || ["c", "a", "b"].map(|name| valid(parts(name)));
    let [c, a, b] = entries();
    assert_eq!(selected(&set(vec![c, a, b]), "registry.example/app"), "a b c");
    let [c, a, b] = entries();
    assert_eq!(selected(&set(vec![b, c, a]), "registry.example/app"), "a b c");
}

#[test]
fn flt_22_a_broken_policy_applies_by_what_can_be_read() {
    let entry = |policy| Entry::Broken(Box::new(policy));
    let readable =
        set(vec![entry(broken("broken", Some(&["registry.example/app"]))), valid(about("all", &["**"], &[]))]);
    assert_eq!(selected(&readable, "registry.example/app"), "all broken");
    assert_eq!(selected(&readable, "registry.example/other"), "all");

    let unreadable = set(vec![entry(broken("broken", None))]);
    assert_eq!(selected(&unreadable, "registry.example/other"), "broken");

    let mut elsewhere = broken("broken", None);
    elsewhere.namespaces = vec!["elsewhere".to_owned()];
    assert_eq!(selected(&set(vec![entry(elsewhere)]), "registry.example/app"), "ungoverned");

    let mut excluding = broken("broken", None);
    excluding.exclude_images = patterns(&["registry.example/app"]);
    assert_eq!(selected(&set(vec![entry(excluding)]), "registry.example/app"), "Unmatched");
}

#[test]
fn a_pattern_with_a_digest_asks_for_the_digest_only_where_it_matters() {
    let one = format!("registry.example/app@{A}");
    let named = set(vec![valid(about("p", &[&one], &[]))]);
    assert_eq!(selected(&named, "registry.example/app:v1"), "NeedsDigest");
    assert_eq!(selected(&named, "registry.example/other:v1"), "Unmatched");
    assert_eq!(selected(&named, &one), "p");
    assert_eq!(selected(&named, &format!("registry.example/app@{B}")), "Unmatched");

    let beside = set(vec![valid(about("p", &[&one, "registry.example/*"], &[]))]);
    assert_eq!(selected(&beside, "registry.example/app:v1"), "p");

    let excluded = set(vec![valid(about("p", &["registry.example/*"], &[&one]))]);
    assert_eq!(selected(&excluded, "registry.example/app:v1"), "p", "an exclusion by digest excludes no tag");
    assert_eq!(selected(&excluded, &one), "Unmatched");
    assert_eq!(selected(&excluded, &format!("registry.example/app:v1@{B}")), "p");
}

#[test]
fn toc_01_a_digest_pattern_never_loosens_what_becomes_of_a_tag() {
    let one = format!("registry.example/app@{A}");
    let trusting = vec![fixed(StaticAnswer::Allow)];
    let refusing = vec![fixed(StaticAnswer::Deny)];
    for (authorities, mode, of_tag) in [
        (None, Mode::Enforce, "p"),
        (Some(&refusing), Mode::Enforce, "p"),
        (Some(&trusting), Mode::Enforce, "Unmatched"),
        (None, Mode::Warn, "Unmatched"),
        (None, Mode::Audit, "Unmatched"),
        (Some(&refusing), Mode::Warn, "Unmatched"),
    ] {
        let parts = about("p", &[&one], &[]);
        let authorities = authorities.unwrap_or(&parts.authorities).clone();
        let policies = set(vec![valid(PolicyParts { mode, authorities, ..parts })]);
        let governing = govern(&policies, "shop").unwrap();
        let tagged = image("registry.example/app:v1");
        let depends = if of_tag == "p" { "NeedsDigest" } else { of_tag };
        assert_eq!(selected(&policies, "registry.example/app:v1"), depends, "{mode:?}");
        for (digest, expected) in [(A, of_tag), (B, "Unmatched")] {
            let resolved = Digest::parse(digest).unwrap();
            assert_eq!(told(select(&governing, &tagged, Some(&resolved))), expected, "{mode:?} {digest}");
        }
        assert_eq!(selected(&policies, &one), "p", "{mode:?}: what is named is what runs");
    }
}

#[test]
fn ref_11_a_tag_beside_a_digest_decides_nothing() {
    let set = set(vec![valid(about("p", &[&format!("registry.example/app@{A}")], &[]))]);
    assert_eq!(selected(&set, &format!("registry.example/app:signed@{B}")), "Unmatched");
    assert_eq!(selected(&set, &format!("registry.example/app:signed@{A}")), "p");
}

#[test]
fn pol_09_the_strictest_governing_mode_is_known() {
    let with = |name, mode| valid(PolicyParts { mode, ..parts(name) });
    let strictest = |entries| govern(&set(entries), "shop").map(|governing| governing.strictest());
    assert_eq!(strictest(vec![with("a", Mode::Audit), with("b", Mode::Warn)]), Some(Mode::Warn));
    assert_eq!(strictest(vec![with("a", Mode::Enforce), with("b", Mode::Audit)]), Some(Mode::Enforce));
    assert_eq!(strictest(vec![]), None);
}
