//! What a search says of each authority and of each demanded attestation: as much as is known while it reads, all of it when it
//! has ended.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::text::foreign;
use crate::domain::{Finding, Rejection, Unavailable};
use crate::policy::{
    Answer, AttestationDemand, AttestationOutcome, AuthorityOutcome, Examined, Matching, Mode, Policy, PolicyOutcome,
    Stated, Unread, assign, signed,
};
use crate::signatures::VerifiedSignature;
use crate::verifier::engine::MAX_CANDIDATES;
use crate::verifier::engine::want::{Asker, Want};
use crate::verifier::ports::Scope;

use super::Search;

/// Most authorities, and most types of other statements, that are named where an attestation is missing.
const MAX_NAMED: usize = 4;

impl Search<'_> {
    /// What the authorities of a policy say, after the search. Where all policies accepted before all was read, an authority
    /// that had not verified by then is not known.
    pub(in crate::verifier::engine) fn outcomes(&self, policy: &Policy) -> Vec<Option<AuthorityOutcome>> {
        let (accepted, is_signed) = (self.all_accept(Mode::Audit), self.is_signed(policy));
        self.each_authority(policy, |want| match repeated(want) {
            Some(verified) if is_signed => Some(verified),
            _ if accepted => None,
            _ => Some(self.failure(want)),
        })
    }

    /// The authorities of a policy that vouch by what has been read, and those that can't find out.
    pub(super) fn verified(&self, policy: &Policy) -> Vec<Option<AuthorityOutcome>> {
        self.each_authority(policy, |_| None)
    }

    /// Whether a policy that demands several signers has not found them yet.
    pub(super) fn lacks_signers(&self, policy: &Policy) -> bool {
        policy.parts().require.at_least > 1 && !self.is_signed(policy)
    }

    fn is_signed(&self, policy: &Policy) -> bool {
        matches!(signed(policy, &self.verified(policy)), Some(PolicyOutcome::Accepted { .. }))
    }

    /// What was found of the attestations that a policy demands.
    pub(in crate::verifier::engine) fn attestations(&self, policy: &Policy) -> Vec<Option<AttestationOutcome>> {
        (0..policy.parts().attestations.len()).map(|demand| self.attestation(policy, demand)).collect()
    }

    /// The outcome of each authority whose signatures count, each by a signer of its own where that can be; `other` says that of
    /// those for which there is none. One whose trusted root can't be used could not find out, whatever the registry says.
    fn each_authority(
        &self,
        policy: &Policy,
        other: impl Fn(&Want<'_>) -> Option<AuthorityOutcome>,
    ) -> Vec<Option<AuthorityOutcome>> {
        let wants: Vec<Option<&Want<'_>>> =
            (0..policy.parts().authorities.len()).map(|authority| self.want(policy, authority)).collect();
        let found: Vec<Vec<&VerifiedSignature>> =
            wants.iter().map(|want| want.iter().flat_map(|want| &want.verified).collect()).collect();
        let chosen = assign(&found, VerifiedSignature::is_by_signer_of);
        let outcome = |(authority, (want, chosen)): (usize, (Option<&Want<'_>>, Option<&VerifiedSignature>))| {
            let verified = || chosen.map(|signature| AuthorityOutcome::Verified(signature.clone()));
            self.blocked(policy, authority).or_else(verified).or_else(|| other(want?))
        };
        wants.into_iter().zip(chosen).enumerate().map(outcome).collect()
    }

    /// What is looked for as the signature by one authority, where that counts.
    fn want(&self, policy: &Policy, authority: usize) -> Option<&Want<'_>> {
        let is_asker = |asker: &Asker<'_>| {
            std::ptr::eq(asker.policy, policy) && asker.authority == authority && asker.demand().is_none()
        };
        self.wants.iter().find(|want| want.askers.iter().any(is_asker))
    }

    fn blocked(&self, policy: &Policy, authority: usize) -> Option<AuthorityOutcome> {
        let is_it = |(other, at, _): &&(&Policy, usize, Unavailable)| std::ptr::eq(*other, policy) && *at == authority;
        let blocked = self.blocked.iter().filter(|_| policy.wants_signature_of(authority)).find(is_it);
        blocked.map(|(_, _, cause)| AuthorityOutcome::Unavailable(cause.clone()))
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
        let judged: Vec<&Result<Arc<Stated>, Rejection>> = askers.flat_map(|asker| asker.judged(demand)).collect();
        let refused = || nearest(judged.iter().filter_map(|result| result.as_ref().err())).cloned();
        let satisfied = || judged.iter().find_map(|result| result.as_ref().ok()).cloned();
        // 1.
        match demanded.matching {
            Matching::Any if let Some(stated) = satisfied() => return Some(AttestationOutcome::Satisfied(stated)),
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
        if demanded.matching == Matching::All
            && let Some(stated) = satisfied()
        {
            return Some(AttestationOutcome::Satisfied(stated));
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
            signers: signers(policy, demanded),
            looked_at: format!("{}{instead}", self.places()),
        }
    }

    /// Why something was not found: what could not be read may hold it, and so may what was too much to look at. A signer who
    /// stands for another authority is told as that. Of several rejections the one that came nearest is told, then the first by
    /// where it lies; the order of arrival is chance.
    fn failure(&self, want: &Want<'_>) -> AuthorityOutcome {
        if let Some(unread) = self.first_unread() {
            return AuthorityOutcome::Unavailable(unread.cause.clone());
        }
        if self.too_many {
            return AuthorityOutcome::Rejected(Rejection::TooManySignatures { limit: MAX_CANDIDATES });
        }
        if let Some(repeated) = repeated(want) {
            return repeated;
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

/// The signature for an authority whose every signer stands for another one.
fn repeated(want: &Want<'_>) -> Option<AuthorityOutcome> {
    want.verified.first().cloned().map(AuthorityOutcome::Verified)
}

/// Why a candidate is not the signature that is wanted.
fn rejection<'e>(want: &Want<'_>, found: &'e Examined) -> Option<&'e Rejection> {
    let asker = want.askers.iter().find(|asker| asker.demand().is_none())?;
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

/// Who may have made a statement: one by all that is looked for, several by their names.
fn signers(policy: &Policy, demanded: &AttestationDemand) -> String {
    let authorities = demanded.authorities.iter().filter_map(|i| policy.parts().authorities.get(*i));
    let authorities: Vec<_> = authorities.map(|authority| (&*authority.name, authority.trust.seeks())).collect();
    match authorities.as_slice() {
        [(name, Some(seeks))] => format!("authority {name}, {seeks}"),
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| *name).collect();
            format!("any of the authorities {}", listed(&names))
        }
    }
}

/// `; found statements of other types: A, B`
fn other_types(others: &[&Rejection]) -> String {
    let types: BTreeSet<&str> = others
        .iter()
        .filter_map(|rejection| match rejection {
            Rejection::OtherStatement { found: Some(found), .. } => Some(found.as_str()),
            _ => None,
        })
        .collect();
    match types.into_iter().collect::<Vec<_>>().as_slice() {
        [] => String::new(),
        types => format!("; found statements of other types: {}", listed(types)),
    }
}

/// The first ones by name, the others by number.
fn listed(all: &[&str]) -> String {
    let (first, others) = all.split_at(all.len().min(MAX_NAMED));
    match others.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
