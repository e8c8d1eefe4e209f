use std::collections::BTreeMap;

use super::*;
use crate::policy::model::{PolicyParts, StaticAnswer};
use crate::policy::selector::{LabelSelector, SelectorOperator};
use crate::policy::set::BrokenPolicy;
use crate::policy::testing::{broken, fixed, image, parts, patterns, requirement, set, valid};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// What is selected in namespace `shop`, as text: names of policies, or what else.
fn selected(set: &PolicySet, reference: &str) -> String {
    let governing = match govern(set, "shop", set.labels("shop")) {
        Ok(Some(governing)) => governing,
        Ok(None) => return "ungoverned".to_owned(),
        Err(needed) => return format!("{needed:?}"),
    };
    let image = image(reference);
    let unmatched = governing.unmatched().is_some();
    told(select(&governing, &image, None), unmatched)
}

fn told(selection: Selection<'_>, governed: bool) -> String {
    let names = |entries: Vec<&Entry>| entries.iter().flat_map(|e| [" ", &**e.name()]).collect::<String>();
    let otherwise = if governed { "Unmatched" } else { "ungoverned" };
    match selection {
        Selection::Applies(entries) => names(entries).trim_start().to_owned(),
        Selection::Unmatched { broken } => format!("{otherwise}{}", names(broken)),
        Selection::NeedsDigest => "NeedsDigest".to_owned(),
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
fn k8s_24_labels_that_are_not_known_decide_nothing() {
    let requirements = vec![requirement("env", SelectorOperator::In, &["prod"])];
    let by_label = |name, mode| {
        let namespace_selector = LabelSelector { requirements: requirements.clone() };
        valid(PolicyParts { mode, namespace_selector, ..parts(name) })
    };
    let needed = |entries: Vec<Entry>| govern(&set(entries), "shop", None).map(|governing| governing.is_some());
    let all = || valid(PolicyParts { mode: Mode::Warn, ..parts("all") });
    let alone = LabelsNeeded { strictest: Mode::Audit, governed: false };
    assert_eq!(needed(vec![by_label("trial", Mode::Audit)]), Err(alone));
    let beside = LabelsNeeded { strictest: Mode::Warn, governed: true };
    assert_eq!(needed(vec![by_label("trial", Mode::Audit), all()]), Err(beside));
    assert_eq!(needed(vec![all()]), Ok(true), "the twin that selects by no label");

    let elsewhere = PolicyParts { namespaces: vec!["elsewhere".to_owned()], ..parts("elsewhere") };
    let namespace_selector = LabelSelector { requirements };
    assert_eq!(needed(vec![valid(PolicyParts { namespace_selector, ..elsewhere })]), Ok(false), "its names decide");
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

/// A broken policy refuses what it is readably about, and never makes it a matched one.
#[test]
fn pol_20_a_broken_policy_never_makes_an_image_a_matched_one() {
    let entry = |policy| Entry::Broken(Box::new(policy));
    let trial = || entry(BrokenPolicy { mode: Mode::Audit, ..broken("trial", &["**"]) });
    let app = || valid(parts("apps"));
    assert_eq!(selected(&set(vec![app(), trial()]), "registry.example/app"), "apps trial");
    assert_eq!(selected(&set(vec![app(), trial()]), "registry.example/other"), "Unmatched trial");
    let twin = valid(about("trial", &["**"], &[]));
    assert_eq!(selected(&set(vec![app(), twin]), "registry.example/other"), "trial", "one in force does");
}

#[test]
fn pol_20_a_broken_policy_keeps_governing_its_namespaces() {
    let broken = Entry::Broken(Box::new(broken("broken", &["registry.example/app"])));
    assert_eq!(selected(&set(vec![broken]), "registry.example/other"), "Unmatched");
    assert_eq!(selected(&set(Vec::new()), "registry.example/other"), "ungoverned");
}

#[test]
fn pol_21_a_broken_policy_refuses_what_its_readable_patterns_match_and_no_more() {
    let entry = |policy| Entry::Broken(Box::new(policy));
    let about = |broken: BrokenPolicy| set(vec![entry(broken), valid(about("all", &["**"], &[]))]);
    let app = || broken("broken", &["registry.example/app"]);
    assert_eq!(selected(&about(app()), "registry.example/app"), "all broken");
    assert_eq!(selected(&about(app()), "registry.example/other"), "all");
    assert_eq!(selected(&about(broken("broken", &[])), "registry.example/app"), "all", "nothing can be read");

    let excluding = BrokenPolicy { exclude_images: patterns(&["registry.example/app"]), ..app() };
    assert_eq!(selected(&about(excluding), "registry.example/app"), "all");
    let elsewhere = BrokenPolicy { namespaces: Some(vec!["elsewhere".to_owned()]), ..app() };
    assert_eq!(selected(&about(elsewhere), "registry.example/app"), "all");
}

#[test]
fn pol_21_namespaces_that_can_not_be_read_are_not_governed_and_its_images_are_refused_there() {
    let requirements = vec![requirement("env", SelectorOperator::In, &["prod"])];
    let app = || broken("broken", &["registry.example/app"]);
    for unreadable in [
        BrokenPolicy { namespaces: None, ..app() },
        BrokenPolicy { namespace_selector: None, ..app() },
        BrokenPolicy { namespaces: Some(vec!["shop".to_owned()]), namespace_selector: None, ..app() },
    ] {
        let set = set(vec![Entry::Broken(Box::new(unreadable))]);
        assert_eq!(selected(&set, "registry.example/app"), "ungoverned broken");
        assert_eq!(selected(&set, "registry.example/other"), "ungoverned");
    }
    let selected_by_label = Some(LabelSelector { requirements });
    let readable = BrokenPolicy { namespaces: None, namespace_selector: selected_by_label, ..app() };
    let labels = BTreeMap::from([("shop".to_owned(), Labels::new())]);
    let set = PolicySet::new(vec![Entry::Broken(Box::new(readable))], labels);
    assert_eq!(selected(&set, "registry.example/app"), "ungoverned", "its selector decides");
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
        let governing = govern(&policies, "shop", None).unwrap().unwrap();
        let tagged = image("registry.example/app:v1");
        let depends = if of_tag == "p" { "NeedsDigest" } else { of_tag };
        assert_eq!(selected(&policies, "registry.example/app:v1"), depends, "{mode:?}");
        for (digest, expected) in [(A, of_tag), (B, "Unmatched")] {
            let resolved = Digest::parse(digest).unwrap();
            assert_eq!(told(select(&governing, &tagged, Some(&resolved)), true), expected, "{mode:?} {digest}");
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
    let strictest = |entries| govern(&set(entries), "shop", None).unwrap().map(|governing| governing.strictest());
    assert_eq!(strictest(vec![with("a", Mode::Audit), with("b", Mode::Warn)]), Some(Mode::Warn));
    assert_eq!(strictest(vec![with("a", Mode::Enforce), with("b", Mode::Audit)]), Some(Mode::Enforce));
    assert_eq!(strictest(vec![]), None);
}
