//! One repository: reads what may be signatures as it arrives, until every policy that looks there has accepted.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use futures::StreamExt;
use tokio::task::spawn_blocking;

use crate::domain::text::foreign;
use crate::domain::{Digest, Finding, PinnedImage, Rejection, Repository, Unavailable};
use crate::policy::{
    Answer, AttestationDemand, AttestationOutcome, AuthorityOutcome, Examined, Matching, Mode, Policy, PolicyOutcome,
    Unread, evaluate,
};
use crate::signatures::{self, Form, TrustedRoots, VerifiedSignature};
use crate::verifier::ports::{Candidate, Evidence, Keychain, Place, Registry, Scope, UntrustedContent};

use super::MAX_CANDIDATES;
use super::judge::Case;
use super::want::{Asker, Judge, Purpose, Terms, Want, wants};

/// The answer about one demand.
type Verified = Result<VerifiedSignature, Finding>;

/// The search for signatures of one image in one repository, for the policies that keep them there.
pub(super) struct Search<'a> {
    image: &'a PinnedImage,
    at: &'a Repository,
    policies: Vec<&'a Policy>,
    wants: Vec<Want<'a>>,
    /// Authorities whose trusted root can't be used now.
    blocked: Vec<(&'a Policy, usize, Unavailable)>,
    /// Position in `examined` by content: the same material in two places is verified once.
    seen: HashMap<Digest, usize>,
    pub(super) examined: Vec<Examined>,
    pub(super) unread: Vec<Unread>,
    too_many: bool,
    /// Whether it has ended: what was not found by then will not be.
    complete: bool,
    /// How many candidates may still be looked at. Another repository full of junk is not this one's fault.
    left: usize,
    /// Whether an Enforce policy may still wait for it.
    enforced: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        image: &'a PinnedImage,
        at: &'a Repository,
        policies: Vec<&'a Policy>,
        trusted: &TrustedRoots,
    ) -> Self {
        let (wants, blocked) = wants(&policies, trusted);
        let (seen, examined, unread) = Default::default();
        let (too_many, complete, left, enforced) = (false, false, MAX_CANDIDATES, false);
        let mut search =
            Self { image, at, policies, wants, blocked, seen, examined, unread, too_many, complete, left, enforced };
        search.enforced = search.is_enforced();
        search
    }

    /// Whether it is for an Enforce policy.
    pub(super) fn is_enforced(&self) -> bool {
        self.policies.iter().any(|policy| policy.parts().mode == Mode::Enforce)
    }

    /// Searches until all is decided, all is read, or there is no time left.
    pub(super) async fn run<R: Registry, K: Keychain>(mut self, case: &Case<'_, R, K>) -> Self {
        if let Err(cause) = case.in_time(self.at, self.read(case)).await {
            self.unread.push(Unread { repository: self.at.clone(), place: None, cause });
        }
        self.complete = true;
        self.settle(case);
        self
    }

    /// Whether every place answered, and there is nothing.
    pub(super) fn found_nothing(&self) -> bool {
        self.examined.is_empty() && self.unread.is_empty() && !self.too_many
    }

    /// Whether it was made for this policy.
    pub(super) fn is_for(&self, policy: &Policy) -> bool {
        self.policies.iter().any(|mine| std::ptr::eq(*mine, policy))
    }

    /// What the authorities of a policy say, after the search. Where all policies accepted before all was read, an authority
    /// that had not verified by then is not known.
    pub(super) fn outcomes(&self, policy: &Policy) -> Vec<Option<AuthorityOutcome>> {
        let accepted = self.all_accept(Mode::Audit);
        self.each_authority(policy, |want| match &want.verified {
            Some(signature) => Some(AuthorityOutcome::Verified(signature.clone())),
            None if accepted => None,
            None => Some(self.failure(want)),
        })
    }

    /// What was found of the attestations that a policy demands, after the search.
    pub(super) fn attestations(&self, policy: &Policy) -> Vec<Option<AttestationOutcome>> {
        (0..policy.parts().attestations.len()).map(|demand| self.attestation(policy, demand)).collect()
    }

    async fn read<R: Registry, K: Keychain>(&mut self, case: &Case<'_, R, K>) {
        let other;
        let access = if self.at == self.image.repository() {
            case.access().await
        } else {
            other = case.access_to(self.at).await;
            &other
        };
        let mut evidence = case.engine.registry.evidence(self.image, self.at, self.scope(), access);
        while let Some(found) = evidence.next().await {
            match found {
                Evidence::Candidate(candidate) => {
                    let Some(left) = self.left.checked_sub(1) else {
                        self.too_many = true;
                        return;
                    };
                    self.left = left;
                    self.examine(candidate, case).await;
                    if self.all_accept(Mode::Enforce) {
                        self.settle(case);
                    }
                    if self.all_accept(Mode::Audit) {
                        return;
                    }
                }
                Evidence::Unread { place, cause } => {
                    self.unread.push(Unread { repository: self.at.clone(), place: Some(place), cause });
                }
                Evidence::TooMany { .. } => self.too_many = true,
            }
        }
    }

    /// Says once that no Enforce policy waits for it any more.
    fn settle<R: Registry, K: Keychain>(&mut self, case: &Case<'_, R, K>) {
        if std::mem::take(&mut self.enforced) {
            case.settle();
        }
    }

    async fn examine<R: Registry, K: Keychain>(&mut self, candidate: Candidate, case: &Case<'_, R, K>) {
        let form = match &candidate.content {
            UntrustedContent::Bundle(_) => Form::Bundle,
            UntrustedContent::SimpleSigning { .. } => Form::SimpleSigning,
            UntrustedContent::Envelope { .. } => Form::Envelope,
        };
        let origin = candidate.origin.clone();
        let content = fingerprint(&candidate);
        let answers = match self.seen.get(&content).and_then(|earlier| self.examined.get(*earlier)) {
            Some(earlier) => earlier.answers.clone(),
            None => self.ask(candidate, case).await,
        };
        self.seen.entry(content).or_insert(self.examined.len());
        self.examined.push(Examined { repository: self.at.clone(), origin, form, answers });
    }

    /// Verifies a candidate for everything that has not been found yet, off the async threads.
    async fn ask<R: Registry, K: Keychain>(&mut self, candidate: Candidate, case: &Case<'_, R, K>) -> Vec<Answer> {
        let place = candidate.origin.place;
        let open = self.wants.iter().filter(|want| want.is_open());
        let asked: Vec<(Arc<Terms>, Vec<Judge>)> =
            open.map(|want| (want.terms.clone(), want.askers.iter().map(Asker::judge).collect())).collect();
        let (image, now) = (self.image.clone(), case.now());
        let turn = Arc::clone(&case.engine.processors).acquire_owned().await;
        let check = move || {
            // The turn ends with the work, not with whoever waits for it.
            let _turn = turn;
            let results = signatures::verify_each(&candidate, &image, asked.iter().map(|(t, _)| t.demand()), now);
            let judged = |(result, (_, judges)): (Verified, &(_, Vec<Judge>))| {
                let answers = result
                    .as_ref()
                    .ok()
                    .map(|signature| judges.iter().map(|judge| judge.answer(&image, signature)).collect::<Vec<_>>());
                (result, answers.unwrap_or_default())
            };
            results.into_iter().zip(&asked).map(judged).collect::<Vec<_>>()
        };
        let results = match spawn_blocking(check).await {
            Ok(results) => results,
            Err(fault) => match fault.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => return self.interrupted(place),
            },
        };
        let mut answers = Vec::new();
        for (want, (result, judged)) in self.wants.iter_mut().filter(|want| want.is_open()).zip(results) {
            for (i, asker) in want.askers.iter_mut().enumerate() {
                if let Some(answer) = judged.get(i) {
                    asker.take(answer);
                }
                let refused = judged.get(i).and_then(|answer| answer.as_ref().err()).cloned().map(Finding::Rejected);
                let result = result.as_ref().map(drop).map_err(Finding::clone).and(refused.map_or(Ok(()), Err));
                let Some(authority) = asker.policy.parts().authorities.get(asker.authority) else { continue };
                let (policy, authority) = (asker.policy.parts().name.clone(), authority.name.clone());
                answers.push(Answer { policy, authority, attestation: asker.attestation(), result });
            }
            want.verified = want.verified.take().or(result.ok());
        }
        answers
    }

    /// The process is ending: what this candidate says will not be known.
    fn interrupted(&mut self, place: Place) -> Vec<Answer> {
        let cause = Unavailable::Overloaded("it is shutting down");
        self.unread.push(Unread { repository: self.at.clone(), place: Some(place), cause });
        Vec::new()
    }

    /// Whether every policy accepts that is at least as strict as this.
    fn all_accept(&self, least: Mode) -> bool {
        self.policies.iter().filter(|policy| policy.parts().mode >= least).all(|policy| {
            let verified = |want: &Want<'_>| want.verified.clone().map(AuthorityOutcome::Verified);
            let authorities = self.each_authority(policy, verified);
            let outcome = evaluate(policy, &authorities, &self.attestations(policy));
            matches!(outcome, Some(PolicyOutcome::Accepted { .. }))
        })
    }

    fn each_authority(
        &self,
        policy: &Policy,
        outcome: impl Fn(&Want<'_>) -> Option<AuthorityOutcome>,
    ) -> Vec<Option<AuthorityOutcome>> {
        let asked = |want: &&Want<'_>, i| {
            let mut signatures = want.askers.iter().filter(|asker| matches!(asker.purpose, Purpose::Signature));
            signatures.any(|asker| std::ptr::eq(asker.policy, policy) && asker.authority == i)
        };
        let blocked = |i| {
            let mut blocked = self.blocked.iter().filter(|(other, at, _)| std::ptr::eq(*other, policy) && *at == i);
            blocked.next().map(|(_, _, cause)| AuthorityOutcome::Unavailable(cause.clone()))
        };
        (0..policy.parts().authorities.len())
            .map(|i| blocked(i).or_else(|| self.wants.iter().find(|want| asked(want, i)).and_then(&outcome)))
            .collect()
    }

    /// What was found of one demanded attestation; nothing while more may be found that matters.
    ///
    /// 1. `Any`: one statement that satisfies is enough at once. `All`: one that does not is too much at once.
    /// 2. While there is more to read, nothing else is known.
    /// 3. `All`: when all was read, each that was verified satisfies, and there is one.
    /// 4. What could not be read, or was too much, might be what is missing, and so might statements of an authority whose
    ///    trusted root can't be used.
    /// 5. Of several refusals the nearest is told.
    fn attestation(&self, policy: &Policy, demand: usize) -> Option<AttestationOutcome> {
        let demanded = policy.parts().attestations.get(demand)?;
        let mine = |asker: &&Asker<'_>| std::ptr::eq(asker.policy, policy);
        let askers = || self.wants.iter().flat_map(|want| &want.askers).filter(mine);
        let judged: Vec<&Result<(), Rejection>> = askers().flat_map(|asker| asker.judged(demand)).collect();
        let refused = || {
            let refusals = judged.iter().filter_map(|result| result.as_ref().err());
            refusals.min_by_key(|rejection| (Reverse(rejection.nearness()), rejection.to_string())).cloned()
        };
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
        // 4., for what outweighs 3.
        if let Some(cause) = self.missing(policy, demanded) {
            return Some(cause);
        }
        // 3.
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

    /// What is told where no statement of the type was verified: what came nearest, where anything of that type is there.
    fn no_attestation(&self, policy: &Policy, demanded: &AttestationDemand) -> Rejection {
        let answers = self.examined.iter().flat_map(|found| &found.answers);
        let mine = answers.filter(|answer| {
            answer.policy == policy.parts().name && answer.attestation.as_ref() == Some(&demanded.name)
        });
        let rejections = mine.filter_map(|answer| match answer.result.as_ref().err()? {
            Finding::Rejected(rejection) => Some(rejection),
            Finding::Unavailable(_) => None,
        });
        let told = |rejection: &&Rejection| !matches!(rejection, Rejection::NotAnImageSignature { .. });
        let nearest = rejections.filter(told).min_by_key(|r| (Reverse(r.nearness()), r.to_string()));
        let nearest = nearest.map(|rejection| format!("; nearest: {rejection}")).unwrap_or_default();
        Rejection::NoAttestation {
            name: demanded.name.to_string(),
            predicate_type: foreign(&demanded.predicate_type),
            looked_at: format!("{}{nearest}", self.places()),
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

    fn scope(&self) -> Scope {
        let attests = |policy: &&Policy| !policy.parts().attestations.is_empty();
        if self.policies.iter().any(attests) { Scope::Attestations } else { Scope::Signatures }
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

/// Names the content of a candidate wherever it lies. A simple signing payload is the same for every signer of an image: the
/// signature is in the annotations.
fn fingerprint(candidate: &Candidate) -> Digest {
    let mut named = candidate.blob.as_bytes().to_vec();
    if let UntrustedContent::SimpleSigning { annotations, .. } | UntrustedContent::Envelope { annotations, .. } =
        &candidate.content
    {
        for text in annotations.iter().flat_map(|(key, value)| [key, value]) {
            named.extend(text.len().to_be_bytes());
            named.extend(text.as_bytes());
        }
        named.push(1);
    }
    Digest::of(&named)
}
