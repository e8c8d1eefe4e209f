//! From what was found to what each policy says.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{Finding, Rejection};
use crate::policy::{
    AttestationDemand, AttestationOutcome, AttestationVerdict, Authority, AuthorityOutcome, AuthorityVerdict, Entry,
    Policy, PolicyOutcome, PolicyVerdict, Report, StaticAnswer, evaluate, signed,
};

use super::search::Search;

/// What there is to conclude from.
pub(super) enum Ground<'a> {
    /// Nothing was looked at, because no policy demands it.
    Nothing,
    /// The image was not found, or it could not be found out which one it is.
    Finding(Finding),
    /// Signatures were looked for.
    Searches {
        /// One a repository.
        searches: Vec<Search<'a>>,
        /// What speaks against the image itself being there, where there is no signature.
        absence: Option<Finding>,
    },
}

/// What one policy says.
pub(super) fn verdict(entry: &Entry, ground: &Ground<'_>) -> PolicyVerdict {
    match entry {
        Entry::Valid(policy) => judged(policy, ground),
        Entry::LastGood(kept) => judged(&kept.policy, ground),
        Entry::Broken(broken) => PolicyVerdict {
            policy: broken.name.clone(),
            mode: broken.mode,
            outcome: PolicyOutcome::Rejected(Rejection::PolicyError(broken.error.to_string())),
            signatures: None,
            trusted_roots: Vec::new(),
            authorities: Vec::new(),
            attestations: Vec::new(),
        },
    }
}

/// What was looked at, in an order that does not depend on when it arrived.
pub(super) fn report(ground: Ground<'_>) -> Report {
    let mut report = Report::default();
    let Ground::Searches { searches, .. } = ground else { return report };
    for mut search in searches {
        search.examined.sort_by_key(|found| (found.origin.place as u8, found.origin.manifest, found.origin.layer));
        search.unread.sort_by_key(|unread| (unread.place.map_or(u8::MAX, |p| p as u8), unread.cause.to_string()));
        report.examined.append(&mut search.examined);
        report.unread.append(&mut search.unread);
        report.checks = report.checks.saturating_add(search.checks);
    }
    report
}

fn judged(policy: &Policy, ground: &Ground<'_>) -> PolicyVerdict {
    let parts = policy.parts();
    let (outcomes, attestations) = outcomes(policy, ground);
    let undecided = PolicyOutcome::Rejected(Rejection::Internal("the authorities did not decide"));
    let outcome = evaluate(policy, &outcomes, &attestations).unwrap_or(undecided);
    let signatures = signed(policy, &outcomes);
    let trusted_roots: BTreeSet<&str> = parts.authorities.iter().filter_map(|a| a.trust.root()).collect();
    let said = parts.authorities.iter().zip(outcomes);
    let found = parts.attestations.iter().zip(attestations);
    PolicyVerdict {
        policy: parts.name.clone(),
        mode: parts.mode,
        outcome,
        signatures,
        trusted_roots: trusted_roots.into_iter().map(Arc::from).collect(),
        authorities: said.filter_map(|(authority, outcome)| Some(authority_verdict(authority, outcome?))).collect(),
        attestations: found.filter_map(|(demand, outcome)| Some(attestation_verdict(demand, outcome?))).collect(),
    }
}

/// Of each authority and of each demanded attestation.
type Outcomes = (Vec<Option<AuthorityOutcome>>, Vec<Option<AttestationOutcome>>);

fn outcomes(policy: &Policy, ground: &Ground<'_>) -> Outcomes {
    let parts = policy.parts();
    let all = |outcome: AuthorityOutcome| {
        let attestation = match &outcome {
            AuthorityOutcome::Rejected(rejection) => Some(AttestationOutcome::Rejected(rejection.clone())),
            AuthorityOutcome::Unavailable(cause) => Some(AttestationOutcome::Unavailable(cause.clone())),
            AuthorityOutcome::Verified(_) | AuthorityOutcome::Trusted => None,
        };
        (vec![Some(outcome); parts.authorities.len()], vec![attestation; parts.attestations.len()])
    };
    match (policy.static_answer(), ground) {
        (Some(StaticAnswer::Allow), _) => all(AuthorityOutcome::Trusted),
        (Some(StaticAnswer::Deny), _) => all(AuthorityOutcome::Rejected(Rejection::StaticDeny)),
        (None, Ground::Nothing) => Outcomes::default(),
        (None, Ground::Finding(finding)) => all(finding.clone().into()),
        (None, Ground::Searches { searches, absence }) => {
            let Some(search) = searches.iter().find(|search| search.is_for(policy)) else {
                return Outcomes::default();
            };
            match absence {
                Some(absence) if search.found_nothing() => all(absence.clone().into()),
                _ => (search.outcomes(policy), search.attestations(policy)),
            }
        }
    }
}

fn authority_verdict(authority: &Authority, outcome: AuthorityOutcome) -> AuthorityVerdict {
    AuthorityVerdict { name: authority.name.clone(), seeks: authority.trust.seeks(), outcome }
}

fn attestation_verdict(demand: &AttestationDemand, outcome: AttestationOutcome) -> AttestationVerdict {
    AttestationVerdict { name: demand.name.clone(), predicate_type: demand.predicate_type.clone(), outcome }
}
