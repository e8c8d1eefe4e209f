use super::*;
use crate::policy::model::{Mode, PolicyParts};
use crate::policy::testing::{broken, parts, valid};

fn version(uid: &str, generation: i64) -> Version {
    Version { uid: Some(uid.to_owned()), generation: Some(generation) }
}

fn good(mode: Mode) -> Entry {
    valid(PolicyParts { mode, ..parts("p") })
}

fn bad() -> Entry {
    Entry::Broken(Box::new(broken("p", &["**"])))
}

/// What is in force, as text: the mode and the generation, or nothing.
fn in_force(entry: &Entry) -> String {
    match entry {
        Entry::Valid(policy) => format!("{:?}", policy.parts().mode),
        Entry::LastGood(kept) => format!("{:?} of {:?}", kept.policy.parts().mode, kept.generation),
        Entry::Broken(_) => "nothing".to_owned(),
    }
}

#[test]
fn pol_22_the_last_good_version_of_several_stays_in_force() {
    let mut history = History::default();
    assert_eq!(in_force(&history.take(version("a", 1), good(Mode::Audit))), "Audit");
    assert_eq!(in_force(&history.take(version("a", 2), good(Mode::Enforce))), "Enforce");
    let kept = history.take(version("a", 3), bad());
    assert_eq!(in_force(&kept), "Enforce of Some(2)");
    assert_eq!(kept.error().map(|error| &*error.path), Some("spec.authorities"));
    assert_eq!(in_force(&history.take(version("a", 4), bad())), "Enforce of Some(2)", "broken twice");
    assert_eq!(in_force(&history.take(version("a", 5), good(Mode::Warn))), "Warn");
}

#[test]
fn pol_22_a_policy_that_was_never_good_has_none() {
    let mut history = History::default();
    assert_eq!(in_force(&history.take(version("a", 1), bad())), "nothing");
    history.take(version("a", 2), good(Mode::Audit));
    assert_eq!(in_force(&history.take(version("a", 3), bad())), "Audit of Some(2)", "the twin that was");
}

#[test]
fn pol_22_what_was_deleted_does_not_come_back() {
    let remembered = || {
        let mut history = History::default();
        history.take(version("a", 1), good(Mode::Audit));
        history
    };
    let mut forgotten = remembered();
    forgotten.forget("p");
    assert_eq!(in_force(&forgotten.take(version("a", 2), bad())), "nothing");
    let mut gone = remembered();
    gone.retain(|name| name != "p");
    assert_eq!(in_force(&gone.take(version("a", 2), bad())), "nothing");
    assert_eq!(in_force(&remembered().take(version("b", 1), bad())), "nothing", "another object of that name");
    let mut twin = remembered();
    twin.forget("q");
    twin.retain(|name| name == "p");
    assert_eq!(in_force(&twin.take(version("a", 2), bad())), "Audit of Some(1)");
}
