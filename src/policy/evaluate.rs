//! From the outcomes of a policy's authorities to what the policy says.

use std::cmp::Reverse;

use crate::domain::{Rejection, Unavailable};

use super::model::Policy;
use super::outcome::AuthorityOutcome;
use super::verdict::PolicyOutcome;

/// Combines. `outcomes[i]` is that of authority `i`; `None` where it is not known yet. The answer is `None` while the known
/// outcomes do not decide.
///
/// 1. As soon as `require.atLeast` of `require.of` vouch, the policy accepts, whatever the others would say.
/// 2. As soon as that many can't vouch any more, even if all that are not known did, it rejects, with the rejection that
///    came nearest (the first of equals).
/// 3. When all are known and those that could not find out might have made the difference, it could not find out.
pub fn evaluate(policy: &Policy, outcomes: &[Option<AuthorityOutcome>]) -> Option<PolicyOutcome> {
    let require = &policy.parts().require;
    let tally = Tally::count(require.of.iter().map(|i| outcomes.get(*i).and_then(Option::as_ref)));
    if tally.vouching >= require.at_least {
        let demands_signature = policy.static_answer().is_none();
        return Some(PolicyOutcome::Accepted { demands_signature });
    }
    let reachable = tally.vouching.saturating_add(tally.unavailable.len()).saturating_add(tally.unknown);
    if reachable < require.at_least {
        let nearest = tally.rejected.into_iter().min_by_key(|rejection| Reverse(rejection.nearness()));
        return nearest.cloned().map(PolicyOutcome::Rejected);
    }
    if tally.unknown > 0 {
        return None;
    }
    tally.unavailable.first().map(|cause| PolicyOutcome::Unavailable((*cause).clone()))
}

#[derive(Default)]
struct Tally<'a> {
    vouching: usize,
    rejected: Vec<&'a Rejection>,
    unavailable: Vec<&'a Unavailable>,
    unknown: usize,
}

impl<'a> Tally<'a> {
    fn count(outcomes: impl Iterator<Item = Option<&'a AuthorityOutcome>>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                Some(AuthorityOutcome::Verified(_) | AuthorityOutcome::Trusted) => {
                    tally.vouching = tally.vouching.saturating_add(1);
                }
                Some(AuthorityOutcome::Rejected(rejection)) => tally.rejected.push(rejection),
                Some(AuthorityOutcome::Unavailable(cause)) => tally.unavailable.push(cause),
                None => tally.unknown = tally.unknown.saturating_add(1),
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests;
