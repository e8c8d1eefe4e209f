//! From what was found to what each policy says.

use crate::domain::{Finding, Rejection};
use crate::policy::{
    Authority, AuthorityOutcome, AuthorityVerdict, Entry, Policy, PolicyOutcome, PolicyVerdict, Report, StaticAnswer,
    Trust, evaluate,
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
    let (outcome, authorities) = match entry {
        Entry::Valid(policy) => outcome(policy, ground),
        Entry::Broken(broken) => {
            (PolicyOutcome::Rejected(Rejection::PolicyError(broken.error.to_string())), Vec::new())
        }
    };
    PolicyVerdict { policy: entry.name().clone(), mode: entry.mode(), outcome, authorities }
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
    }
    report
}

fn outcome(policy: &Policy, ground: &Ground<'_>) -> (PolicyOutcome, Vec<AuthorityVerdict>) {
    let outcomes = outcomes(policy, ground);
    let undecided = PolicyOutcome::Rejected(Rejection::Internal("the authorities did not decide"));
    let outcome = evaluate(policy, &outcomes).unwrap_or(undecided);
    let said = policy.parts().authorities.iter().zip(outcomes);
    (outcome, said.filter_map(|(authority, outcome)| Some(authority_verdict(authority, outcome?))).collect())
}

fn outcomes(policy: &Policy, ground: &Ground<'_>) -> Vec<Option<AuthorityOutcome>> {
    let all = |outcome: AuthorityOutcome| policy.parts().authorities.iter().map(|_| Some(outcome.clone())).collect();
    match (policy.static_answer(), ground) {
        (Some(StaticAnswer::Allow), _) => all(AuthorityOutcome::Trusted),
        (Some(StaticAnswer::Deny), _) => all(AuthorityOutcome::Rejected(Rejection::StaticDeny)),
        (None, Ground::Nothing) => Vec::new(),
        (None, Ground::Finding(finding)) => all(finding.clone().into()),
        (None, Ground::Searches { searches, absence }) => {
            let Some(search) = searches.iter().find(|search| search.is_for(policy)) else { return Vec::new() };
            match absence {
                Some(absence) if search.found_nothing() => all(absence.clone().into()),
                _ => search.outcomes(policy),
            }
        }
    }
}

fn authority_verdict(authority: &Authority, outcome: AuthorityOutcome) -> AuthorityVerdict {
    let key = match &authority.trust {
        Trust::Key { key, .. } => Some(key.to_string()),
        Trust::Keyless { .. } | Trust::Static(_) => None,
    };
    AuthorityVerdict { name: authority.name.clone(), key, outcome }
}
