//! What a search says of each authority and of each demanded attestation: as much as is known while it reads, all of it when it
//! has ended.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::domain::text::foreign;
use crate::domain::{Finding, Rejection};
use crate::policy::{
    Answer, AttestationDemand, AttestationOutcome, AuthorityOutcome, Examined, Matching, Mode, Policy, Unread,
};
use crate::verifier::engine::MAX_CANDIDATES;
use crate::verifier::engine::want::{Asker, Purpose, Want};
use crate::verifier::ports::Scope;

use super::Search;

/// Most types of other statements that are named where the demanded one is missing.
const MAX_TYPES: usize = 4;

impl Search<'_> {
    /// What the authorities of a policy say, after the search. Where all policies accepted before all was read, an authority
    /// that had not verified by then is not known.
    pub(in crate::verifier::engine) fn outcomes(&self, policy: &Policy) -> Vec<Option<AuthorityOutcome>> {
        let accepted = self.all_accept(Mode::Audit);
        self.each_authority(policy, |want| match &want.verified {
            Some(signature) => Some(AuthorityOutcome::Verified(signature.clone())),
            None if accepted => None,
            None => Some(self.failure(want)),
        })
    }

    /// What was found of the attestations that a policy demands.
    pub(in crate::verifier::engine) fn attestations(&self, policy: &Policy) -> Vec<Option<AttestationOutcome>> {
        (0..policy.parts().attestations.len()).map(|demand| self.attestation(policy, demand)).collect()
    }

    /// The outcome of each authority whose signatures count. One whose trusted root can't be used could not find out, whatever
    /// the registry says.
    pub(super) fn each_authority(
        &self,
        policy: &Policy,
        outcome: impl Fn(&Want<'_>) -> Option<AuthorityOutcome>,
    ) -> Vec<Option<AuthorityOutcome>> {
        let is_mine = |asker: &Asker<'_>, i| {
            std::ptr::eq(asker.policy, policy) && asker.authority == i && matches!(asker.purpose, Purpose::Signature)
        };
        let asked = |want: &&Want<'_>, i| want.askers.iter().any(|asker| is_mine(asker, i));
        let blocked = |i| {
            let mut blocked = self.blocked.iter().filter(|(other, at, _)| std::ptr::eq(*other, policy) && *at == i);
            blocked.next().map(|(_, _, cause)| AuthorityOutcome::Unavailable(cause.clone()))
        };
        let each = |i| blocked(i).or_else(|| self.wants.iter().find(|want| asked(want, i)).and_then(&outcome));
        (0..policy.parts().authorities.len()).map(|i| policy.wants_signature_of(i).then(|| each(i)).flatten()).collect()
    }

    /// What was found of one demanded attestation; nothing while more may be found that matters.
    ///
    /// 1. `Any`: one statement that satisfies is enough at once. `All`: one that does not is too much at once.
    /// 2. While there is more to read, nothing else is known.
    /// 3. What could not be read, or was too much, might be what is missing, and so might statements of an authority whose
    ///    trusted root can't be used.
    /// 4. `All`: when all was read, each that was verified satisfies, and there is one.
    /// 5. Of several refusals the nearest is told.
    pub(super) fn attestation(&self, policy: &Policy, demand: usize) -> Option<AttestationOutcome> {
        let demanded = policy.parts().attestations.get(demand)?;
        let askers = self.wants.iter().flat_map(|want| &want.askers).filter(|asker| std::ptr::eq(asker.policy, policy));
        let judged: Vec<&Result<(), Rejection>> = askers.flat_map(|asker| asker.judged(demand)).collect();
        let refused = || nearest(judged.iter().filter_map(|result| result.as_ref().err())).cloned();
        // 1.
        match demanded.matching {
            Matching::Any if judged.iter().any(|result| result.is_ok()) => return Some(AttestationOutcome::Satisfied),
            Matching::All if let Some(refusal) = refused() => return Some(AttestationOutcome::Rejected(refusal)),
            Matching::Any | Matching::All => {}
        }
        // 2.
        if !self.complete {
            return None;
        }
        // 3.
        if let Some(cause) = self.missing(policy, demanded) {
            return Some(cause);
        }
        // 4.
        if demanded.matching == Matching::All && !judged.is_empty() {
            return Some(AttestationOutcome::Satisfied);
        }
        // 5.
        Some(AttestationOutcome::Rejected(refused().unwrap_or_else(|| self.no_attestation(policy, demanded))))
    }

    /// What keeps it from being known whether a statement is there.
    fn missing(&self, policy: &Policy, demanded: &AttestationDemand) -> Option<AttestationOutcome> {
        if let Some(unread) = self.first_unread() {
            return Some(AttestationOutcome::Unavailable(unread.cause.clone()));
        }
        if self.too_many {
            return Some(AttestationOutcome::Rejected(Rejection::TooManySignatures { limit: MAX_CANDIDATES }));
        }
        let mut blocked = self
            .blocked
            .iter()
            .filter(|(other, i, _)| std::ptr::eq(*other, policy) && demanded.authorities.contains(i));
        blocked.next().map(|(_, _, cause)| AttestationOutcome::Unavailable(cause.clone()))
    }

    /// What is told where no statement of the type was verified: what came nearest of that type, else which other types there
    /// are. A statement that is too much to look at is told as that.
    fn no_attestation(&self, policy: &Policy, demanded: &AttestationDemand) -> Rejection {
        let is_mine = |answer: &&Answer| {
            answer.policy == policy.parts().name && answer.attestation.as_ref() == Some(&demanded.name)
        };
        let answers = self.examined.iter().flat_map(|found| &found.answers).filter(is_mine);
        let (others, rejections): (Vec<_>, Vec<_>) = answers
            .filter_map(|answer| match answer.result.as_ref().err()? {
                Finding::Rejected(rejection) => Some(rejection),
                Finding::Unavailable(_) => None,
            })
            .partition(|rejection| matches!(rejection, Rejection::OtherStatement { .. }));
        let instead = match nearest(rejections.into_iter()) {
            Some(limit @ Rejection::SignatureLimit { .. }) => return limit.clone(),
            Some(rejection) => format!("; nearest: {rejection}"),
            None => other_types(&others),
        };
        Rejection::NoAttestation {
            name: demanded.name.to_string(),
            predicate_type: foreign(&demanded.predicate_type),
            looked_at: format!("{}{instead}", self.places()),
        }
    }

    /// Why something was not found: what could not be read may hold it, and so may what was too much to look at. Of several
    /// rejections the one that came nearest is told, then the first by where it lies; the order of arrival is chance.
    fn failure(&self, want: &Want<'_>) -> AuthorityOutcome {
        if let Some(unread) = self.first_unread() {
            return AuthorityOutcome::Unavailable(unread.cause.clone());
        }
        if self.too_many {
            return AuthorityOutcome::Rejected(Rejection::TooManySignatures { limit: MAX_CANDIDATES });
        }
        let rejections = self.examined.iter().filter_map(|found| Some((rejection(want, found)?, &found.origin)));
        let nearest = rejections.min_by_key(|(r, at)| (Reverse(r.nearness()), at.place as u8, at.manifest, at.layer));
        AuthorityOutcome::Rejected(match nearest {
            Some((rejection, _)) => rejection.clone(),
            None => Rejection::NoSignature { looked_at: self.places() },
        })
    }

    fn first_unread(&self) -> Option<&Unread> {
        let by_place = |unread: &&Unread| (unread.place.map_or(u8::MAX, |p| p as u8), unread.cause.to_string());
        self.unread.iter().min_by_key(by_place)
    }

    /// The tags are named by their start; whoever tells it tells the digest too.
    fn places(&self) -> String {
        let hex = self.image.digest().hex();
        let short = hex.get(..8).unwrap_or(&hex);
        let attestations = match self.scope() {
            Scope::Signatures => String::new(),
            Scope::Attestations => format!(", tag sha256-{short}….att"),
        };
        format!("the referrers API, tag sha256-{short}….sig{attestations} and tag sha256-{short}… of {}", self.at)
    }
}

/// Why a candidate is not the signature that is wanted.
fn rejection<'e>(want: &Want<'_>, found: &'e Examined) -> Option<&'e Rejection> {
    let asker = want.askers.iter().find(|asker| matches!(asker.purpose, Purpose::Signature))?;
    let authority = asker.policy.parts().authorities.get(asker.authority)?;
    let is_mine = |answer: &&Answer| {
        answer.policy == asker.policy.parts().name && answer.authority == authority.name && answer.attestation.is_none()
    };
    match found.answers.iter().find(is_mine)?.result.as_ref().err()? {
        Finding::Rejected(rejection) => Some(rejection),
        Finding::Unavailable(_) => None,
    }
}

/// The one that came nearest; of equals the first by its words, so that the order of arrival does not show.
fn nearest<'r>(rejections: impl Iterator<Item = &'r Rejection>) -> Option<&'r Rejection> {
    rejections.min_by_key(|rejection| (Reverse(rejection.nearness()), rejection.to_string()))
}

/// `; there are statements of other types: A, B`
fn other_types(others: &[&Rejection]) -> String {
    let types: BTreeSet<&str> = others
        .iter()
        .filter_map(|rejection| match rejection {
            Rejection::OtherStatement { found: Some(found), .. } => Some(found.as_str()),
            _ => None,
        })
        .collect();
    let named: Vec<&str> = types.iter().copied().take(MAX_TYPES).collect();
    match types.len().saturating_sub(MAX_TYPES) {
        _ if named.is_empty() => String::new(),
        0 => format!("; found statements of other types: {}", named.join(", ")),
        more => format!("; found statements of other types: {} and {more} more", named.join(", ")),
    }
}
