#![allow(clippy::unnecessary_wraps, reason = "the tables below are of known and unknown outcomes")]

use super::*;
use crate::policy::model::{PolicyParts, Require, StaticAnswer};
use crate::policy::testing::{fixed, key, with_authorities};

const YES: Option<AuthorityOutcome> = Some(AuthorityOutcome::Trusted);
const OPEN: Option<AuthorityOutcome> = None;

fn no(rejection: Rejection) -> Option<AuthorityOutcome> {
    Some(AuthorityOutcome::Rejected(rejection))
}

fn away() -> Option<AuthorityOutcome> {
    Some(AuthorityOutcome::Unavailable(Unavailable::NotReady))
}

fn malformed() -> Rejection {
    Rejection::SignatureMalformed("no base64".to_owned())
}

fn wrong_key() -> Rejection {
    Rejection::SignatureInvalid { key: "another".to_owned() }
}

/// The answer of a policy with three authorities.
fn answer(at_least: usize, of: &[usize], outcomes: &[Option<AuthorityOutcome>; 3]) -> &'static str {
    let require = Require { at_least, of: of.to_vec() };
    let parts = PolicyParts { require, ..with_authorities(vec![key("a", 1), key("b", 2), key("c", 3)]) };
    match evaluate(&Policy::new(parts).unwrap(), outcomes, &[]) {
        Some(PolicyOutcome::Accepted { demands_signature: true }) => "accepted",
        Some(PolicyOutcome::Accepted { demands_signature: false }) => "trusted",
        Some(PolicyOutcome::Rejected(_)) => "rejected",
        Some(PolicyOutcome::Unavailable(_)) => "unavailable",
        None => "open",
    }
}

#[test]
fn pol_19_one_that_is_enough_accepts_at_once() {
    assert_eq!(answer(1, &[0, 1, 2], &[OPEN, YES, OPEN]), "accepted");
    assert_eq!(answer(1, &[0, 1, 2], &[away(), YES, no(wrong_key())]), "accepted");
    assert_eq!(answer(2, &[0, 1, 2], &[OPEN, YES, OPEN]), "open");
}

#[test]
fn pol_19_an_authority_that_could_still_have_satisfied_makes_it_unavailable() {
    assert_eq!(answer(1, &[0, 1], &[away(), no(wrong_key()), OPEN]), "unavailable");
    assert_eq!(answer(1, &[1], &[away(), no(wrong_key()), OPEN]), "rejected", "the one that is away does not count");
    assert_eq!(answer(2, &[0, 1], &[away(), no(wrong_key()), OPEN]), "rejected", "it could not have satisfied");
    assert_eq!(answer(2, &[0, 1, 2], &[away(), YES, no(wrong_key())]), "unavailable");
    assert_eq!(answer(1, &[0, 1, 2], &[away(), OPEN, no(wrong_key())]), "open", "the open one may accept");
}

#[test]
fn what_can_not_be_reached_any_more_rejects_at_once() {
    assert_eq!(answer(3, &[0, 1, 2], &[no(wrong_key()), OPEN, OPEN]), "rejected");
    assert_eq!(answer(2, &[0, 1, 2], &[no(wrong_key()), OPEN, OPEN]), "open");
    assert_eq!(answer(2, &[0, 1, 2], &[no(wrong_key()), OPEN, no(wrong_key())]), "rejected");
}

#[test]
fn the_nearest_rejection_is_reported_whatever_the_order() {
    let policy = Policy::new(with_authorities(vec![key("a", 1), key("b", 2)])).unwrap();
    for outcomes in [[no(malformed()), no(wrong_key())], [no(wrong_key()), no(malformed())]] {
        assert_eq!(evaluate(&policy, &outcomes, &[]), Some(PolicyOutcome::Rejected(wrong_key())));
    }
}

#[test]
fn pol_18_a_static_answer_demands_no_signature() {
    let policy = Policy::new(with_authorities(vec![fixed(StaticAnswer::Allow)])).unwrap();
    assert_eq!(evaluate(&policy, &[YES], &[]), Some(PolicyOutcome::Accepted { demands_signature: false }));
}

#[test]
fn every_combination_of_outcomes_has_the_answer_that_the_rules_give() {
    let all = [YES, no(wrong_key()), away(), OPEN];
    for n in 0..64 {
        let outcomes = [n % 4, n / 4 % 4, n / 16].map(|i: usize| all[i].clone());
        let count = |wanted: &Option<AuthorityOutcome>| outcomes.iter().filter(|o| *o == wanted).count();
        for at_least in 1..=3 {
            let expected = match () {
                () if count(&YES) >= at_least => "accepted",
                () if 3 - count(&no(wrong_key())) < at_least => "rejected",
                () if count(&OPEN) > 0 => "open",
                () => "unavailable",
            };
            assert_eq!(answer(at_least, &[0, 1, 2], &outcomes), expected, "{at_least} of {outcomes:?}");
        }
    }
}
