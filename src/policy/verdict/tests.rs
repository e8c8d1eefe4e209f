use super::*;
use crate::policy::testing::image;

const SIGNED: PolicyOutcome = PolicyOutcome::Accepted { demands_signature: true };
const TRUSTED: PolicyOutcome = PolicyOutcome::Accepted { demands_signature: false };
const REFUSED: PolicyOutcome = PolicyOutcome::Rejected(Rejection::StaticDeny);
const AWAY: PolicyOutcome = PolicyOutcome::Unavailable(Unavailable::NotReady);

fn verdict(basis: Basis) -> ImageVerdict {
    let written = "registry.example/app".to_owned();
    let digest = Some(Digest::of(b"manifest"));
    ImageVerdict { reference: Some(image(&written)), written, digest, basis: basis.into(), report: Arc::default() }
}

fn judged(policies: &[(&str, Mode, PolicyOutcome)]) -> ImageVerdict {
    let one = |(name, mode, outcome): &(&str, Mode, PolicyOutcome)| PolicyVerdict {
        policy: (*name).into(),
        mode: *mode,
        outcome: outcome.clone(),
        signatures: None,
        trusted_roots: Vec::new(),
        authorities: Vec::new(),
        attestations: Vec::new(),
    };
    verdict(Basis::Judged(policies.iter().map(one).collect()))
}

/// Codes of the findings in all modes, strictest first.
fn codes(verdict: &ImageVerdict) -> [Vec<&'static str>; 3] {
    [Mode::Enforce, Mode::Warn, Mode::Audit]
        .map(|mode| verdict.findings(mode).iter().map(|(_, finding)| finding.code()).collect())
}

#[test]
fn pol_09_each_policy_speaks_in_its_own_mode() {
    for modes in [[Mode::Enforce, Mode::Audit], [Mode::Audit, Mode::Enforce]] {
        let verdict = judged(&[("a", modes[0], REFUSED), ("b", modes[1], REFUSED)]);
        assert_eq!(codes(&verdict), [vec!["STATIC_DENY"], vec![], vec!["STATIC_DENY"]]);
        assert_eq!(verdict.pin(), None);
    }
    let audit = judged(&[("a", Mode::Enforce, SIGNED), ("b", Mode::Audit, REFUSED)]);
    assert_eq!(codes(&audit), [vec![], vec![], vec!["STATIC_DENY"]]);
    assert!(audit.pin().is_some());
}

#[test]
fn a_rejection_comes_before_what_could_not_be_found_out() {
    let verdict = judged(&[("a", Mode::Enforce, AWAY), ("b", Mode::Enforce, REFUSED)]);
    assert_eq!(codes(&verdict)[0], ["STATIC_DENY", "NOT_READY"]);
    assert_eq!(verdict.findings(Mode::Enforce)[0].0, Some("b"));
}

#[test]
fn only_a_demanded_signature_pins_and_only_in_enforce() {
    for (policies, pins) in [
        (&[("a", Mode::Enforce, SIGNED)][..], true),
        (&[("a", Mode::Enforce, SIGNED), ("b", Mode::Enforce, TRUSTED)], true),
        (&[("a", Mode::Enforce, SIGNED), ("b", Mode::Warn, REFUSED)], true),
        (&[("a", Mode::Enforce, SIGNED), ("b", Mode::Enforce, AWAY)], false),
        (&[("a", Mode::Enforce, SIGNED), ("b", Mode::Enforce, REFUSED)], false),
        (&[("a", Mode::Enforce, TRUSTED)], false),
        (&[("a", Mode::Warn, SIGNED), ("b", Mode::Audit, SIGNED)], false),
        (&[], false),
    ] {
        assert_eq!(judged(policies).pin().is_some(), pins, "{policies:?}");
    }
}

#[test]
fn cfg_01_unmatched_counts_in_the_milder_of_mode_and_setting() {
    for (mode, reaction, expected) in [
        (Mode::Enforce, Reaction::Deny, Some(Mode::Enforce)),
        (Mode::Enforce, Reaction::Warn, Some(Mode::Warn)),
        (Mode::Enforce, Reaction::Allow, None),
        (Mode::Warn, Reaction::Deny, Some(Mode::Warn)),
        (Mode::Audit, Reaction::Deny, Some(Mode::Audit)),
        (Mode::Audit, Reaction::Warn, Some(Mode::Audit)),
    ] {
        let rejection = Rejection::NoPolicy { governing: "a".to_owned() };
        let verdict = verdict(Basis::Unmatched { mode, reaction, rejection });
        let found: Vec<Mode> =
            [Mode::Enforce, Mode::Warn, Mode::Audit].into_iter().filter(|m| !verdict.findings(*m).is_empty()).collect();
        assert_eq!(found, Vec::from_iter(expected), "{mode:?} {reaction:?}");
        assert_eq!(verdict.pin(), None);
    }
}

#[test]
fn what_nothing_governs_is_as_the_setting_says() {
    let ungoverned = |reaction| codes(&verdict(Basis::Ungoverned(reaction)));
    assert_eq!(ungoverned(Reaction::Allow), [vec![], vec![], Vec::<&str>::new()]);
    assert_eq!(ungoverned(Reaction::Warn), [vec![], vec!["NO_POLICY"], vec![]]);
    assert_eq!(ungoverned(Reaction::Deny), [vec!["NO_POLICY"], vec![], vec![]]);
}

#[test]
fn what_was_refused_before_any_policy_was_asked_counts_in_the_strictest_mode() {
    let finding = Finding::Unavailable(Unavailable::NotReady);
    let verdict = verdict(Basis::Refused { mode: Mode::Warn, finding });
    assert_eq!(codes(&verdict), [vec![], vec!["NOT_READY"], vec![]]);
}

#[test]
fn pol_20_a_broken_policy_takes_nothing_away_from_what_is_unmatched() {
    let broken = |mode: Mode, unmatched: Mode, reaction: Reaction| {
        let rejection = Rejection::NoPolicy { governing: "a".to_owned() };
        let otherwise = Box::new(Basis::Unmatched { mode: unmatched, reaction, rejection });
        let Basis::Judged(policies) = &*judged(&[("b", mode, REFUSED)]).basis else { panic!() };
        let verdict = verdict(Basis::Broken { policies: policies.clone(), otherwise });
        assert_eq!(verdict.pin(), None);
        codes(&verdict).concat()
    };
    let [own] = &codes(&judged(&[("b", Mode::Enforce, REFUSED)])).concat()[..] else { panic!() };
    assert_eq!(broken(Mode::Audit, Mode::Enforce, Reaction::Deny), ["NO_POLICY", own]);
    assert_eq!(broken(Mode::Warn, Mode::Enforce, Reaction::Deny), ["NO_POLICY", own]);
    assert_eq!(broken(Mode::Audit, Mode::Enforce, Reaction::Warn), ["NO_POLICY", own]);
    assert_eq!(broken(Mode::Audit, Mode::Enforce, Reaction::Allow), [*own]);
    assert_eq!(broken(Mode::Enforce, Mode::Enforce, Reaction::Deny), [*own], "said once");
}
