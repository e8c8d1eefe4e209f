//! From the outcomes of a policy's authorities to what the policy says.

use std::cmp::Reverse;

use crate::domain::{Rejection, Unavailable};
use crate::signatures::VerifiedSignature;

use super::model::Policy;
use super::outcome::{AttestationOutcome, AuthorityOutcome};
use super::verdict::PolicyOutcome;

/// Combines. `outcomes[i]` is that of authority `i`, `attestations[i]` that of the demand `i`; `None` where it is not known
/// yet. The answer is `None` while what is known does not decide.
///
/// 1. As soon as `require.atLeast` of `require.of` vouch, by as many different signers, the signatures are enough, whatever
///    the others would say. One signer counts once, through however many authorities.
/// 2. As soon as that many can't vouch any more, even if all that are not known did, they are not, and the rejection is the
///    one that came nearest (the first of equals).
/// 3. When all are known and those that could not find out might have made the difference, it could not find out.
/// 4. Signatures and every attestation must be enough. A rejection outweighs what could not be found out, and the earlier
///    outweighs the later.
pub fn evaluate(
    policy: &Policy,
    outcomes: &[Option<AuthorityOutcome>],
    attestations: &[Option<AttestationOutcome>],
) -> Option<PolicyOutcome> {
    let demands = policy.parts().attestations.iter().enumerate();
    let demanded = demands.map(|(i, _)| attestations.get(i).and_then(Option::as_ref).map(attestation));
    // 4.
    let all: Vec<Option<PolicyOutcome>> = std::iter::once(signed(policy, outcomes)).chain(demanded).collect();
    let known = || all.iter().flatten();
    if let Some(rejected) = known().find(|outcome| matches!(outcome, PolicyOutcome::Rejected(_))) {
        return Some(rejected.clone());
    }
    if all.iter().any(Option::is_none) {
        return None;
    }
    let unavailable = known().find(|outcome| matches!(outcome, PolicyOutcome::Unavailable(_)));
    unavailable.or_else(|| known().next()).cloned()
}

/// What the signatures alone say (1 to 3).
pub fn signed(policy: &Policy, outcomes: &[Option<AuthorityOutcome>]) -> Option<PolicyOutcome> {
    let require = &policy.parts().require;
    let tally = Tally::count(require.of.iter().map(|i| outcomes.get(*i).and_then(Option::as_ref)));
    // 1.
    if tally.vouching >= require.at_least {
        let demands_signature = policy.static_answer().is_none();
        return Some(PolicyOutcome::Accepted { demands_signature });
    }
    // 2.
    let reachable = tally.vouching.saturating_add(tally.unavailable.len()).saturating_add(tally.unknown);
    if reachable < require.at_least {
        let nearest = tally.rejected.into_iter().min_by_key(|rejection| Reverse(rejection.nearness()));
        let repeated = || tally.repeated.then(|| Rejection::SignerMismatch(ONE_SIGNER.to_owned()));
        return nearest.cloned().or_else(repeated).map(PolicyOutcome::Rejected);
    }
    // 3.
    if tally.unknown > 0 {
        return None;
    }
    tally.unavailable.first().map(|cause| PolicyOutcome::Unavailable((*cause).clone()))
}

fn attestation(outcome: &AttestationOutcome) -> PolicyOutcome {
    match outcome {
        AttestationOutcome::Satisfied(_) => PolicyOutcome::Accepted { demands_signature: true },
        AttestationOutcome::Rejected(rejection) => PolicyOutcome::Rejected(rejection.clone()),
        AttestationOutcome::Unavailable(cause) => PolicyOutcome::Unavailable(cause.clone()),
    }
}

/// Why several authorities are not several signers.
const ONE_SIGNER: &str = "the policy demands signatures by several signers, and one signer made those that its \
                          authorities accept; one counts once";

#[derive(Default)]
struct Tally<'a> {
    /// By different signers.
    vouching: usize,
    counted: Vec<&'a VerifiedSignature>,
    /// Whether one signer vouches through several authorities.
    repeated: bool,
    rejected: Vec<&'a Rejection>,
    unavailable: Vec<&'a Unavailable>,
    unknown: usize,
}

impl<'a> Tally<'a> {
    fn count(outcomes: impl Iterator<Item = Option<&'a AuthorityOutcome>>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                Some(AuthorityOutcome::Verified(signature)) if tally.has_counted(signature) => {
                    tally.repeated = true;
                }
                Some(AuthorityOutcome::Verified(signature)) => {
                    tally.counted.push(signature);
                    tally.vouching = tally.vouching.saturating_add(1);
                }
                Some(AuthorityOutcome::Trusted) => {
                    tally.vouching = tally.vouching.saturating_add(1);
                }
                Some(AuthorityOutcome::Rejected(rejection)) => tally.rejected.push(rejection),
                Some(AuthorityOutcome::Unavailable(cause)) => tally.unavailable.push(cause),
                None => tally.unknown = tally.unknown.saturating_add(1),
            }
        }
        tally
    }

    fn has_counted(&self, signature: &VerifiedSignature) -> bool {
        self.counted.iter().any(|counted| counted.is_by_signer_of(signature))
    }
}

#[cfg(test)]
mod tests;
