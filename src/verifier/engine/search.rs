//! One repository: reads what may be signatures as it arrives, until every policy that looks there has accepted.

mod told;

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::domain::{Digest, Finding, PinnedImage, Repository, Unavailable};
use crate::policy::{Answer, Examined, Mode, Policy, PolicyOutcome, Unread, evaluate};
use crate::signatures::{self, Form, TrustedRoots, VerifiedSignature};
use crate::verifier::ports::{Candidate, Evidence, Held, Keychain, Place, Registry, Scope, UntrustedContent};

use super::MAX_CANDIDATES;
use super::judge::Case;
use super::want::{Asker, Judge, Terms, Want, wants};

/// Longest candidate whose parts are counted on the async threads: it takes some ten microseconds.
const COUNTED_AT_ONCE: usize = 64 << 10;

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
    /// How often a candidate was verified.
    pub(super) checks: usize,
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
        let (seen, examined, unread, checks) = Default::default();
        let (too_many, complete, left, enforced) = (false, false, MAX_CANDIDATES, false);
        let mut search = Self {
            image,
            at,
            policies,
            wants,
            blocked,
            seen,
            examined,
            unread,
            checks,
            too_many,
            complete,
            left,
            enforced,
        };
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

    /// Whether every place was asked and answered, and there is nothing.
    pub(super) fn found_nothing(&self) -> bool {
        !self.wants.is_empty() && self.examined.is_empty() && self.unread.is_empty() && !self.too_many
    }

    /// Whether it was made for this policy.
    pub(super) fn is_for(&self, policy: &Policy) -> bool {
        self.policies.iter().any(|mine| std::ptr::eq(*mine, policy))
    }

    async fn read<R: Registry, K: Keychain>(&mut self, case: &Case<'_, R, K>) {
        if !self.has_open_wants() {
            return;
        }
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
                Evidence::Candidate(candidate, held) => {
                    let Some(left) = self.left.checked_sub(1) else {
                        self.too_many = true;
                        return;
                    };
                    self.left = left;
                    self.examine((candidate, held), case).await;
                    if self.all_accept(Mode::Enforce) {
                        self.settle(case);
                    }
                    if self.all_accept(Mode::Audit) || !self.has_open_wants() {
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

    async fn examine<R: Registry, K: Keychain>(&mut self, found: (Candidate, Held), case: &Case<'_, R, K>) {
        let candidate = &found.0;
        let form = match &candidate.content {
            UntrustedContent::Bundle(_) => Form::Bundle,
            UntrustedContent::SimpleSigning { .. } => Form::SimpleSigning,
            UntrustedContent::Envelope { .. } => Form::Envelope,
        };
        let origin = candidate.origin.clone();
        let content = fingerprint(candidate);
        let answers = match self.seen.get(&content).and_then(|earlier| self.examined.get(*earlier)) {
            Some(earlier) => earlier.answers.clone(),
            None => self.ask(found, case).await,
        };
        self.seen.entry(content).or_insert(self.examined.len());
        self.examined.push(Examined { repository: self.at.clone(), origin, form, answers });
    }

    /// Verifies a candidate for everything that has not been found yet, off the async threads.
    async fn ask<R: Registry, K: Keychain>(
        &mut self,
        (candidate, held): (Candidate, Held),
        case: &Case<'_, R, K>,
    ) -> Vec<Answer> {
        let place = candidate.origin.place;
        let open: Vec<bool> = self.wants.iter().map(|want| self.is_open(want)).collect();
        let (terms, judges): (Vec<Arc<Terms>>, Vec<Vec<Judge>>) = only(&open, self.wants.iter())
            .map(|want| (want.terms.clone(), want.askers.iter().map(Asker::judge).collect()))
            .unzip();
        let has_conditions = judges.iter().flatten().any(Judge::has_conditions);
        self.checks = self.checks.saturating_add(1);
        let (image, now) = (self.image.clone(), case.now());
        let (candidate, footprint) = weighed(candidate).await;
        let results = match case.room(footprint).await {
            Ok(room) => off_thread(&case.engine.processors, move || {
                // Given back with the candidate, which ends here.
                let _held = held;
                (signatures::verify_each(&candidate, &image, terms.iter().map(|terms| terms.demand()), now), room)
            }),
            Err(problem) => return self.unjudged(place, problem),
        };
        let (results, room) = match results.await {
            Ok(results) => results,
            Err(problem) => return self.unjudged(place, problem),
        };
        let image = self.image.clone();
        // Gone as soon as nobody waits for the answer.
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let judge = move || {
            let is_abandoned = || waits.strong_count() == 0;
            // Held until the last tree of the statement is gone.
            let _room: OwnedSemaphorePermit = room;
            let evaluate = |(result, judges): (Verified, &Vec<Judge>)| {
                let answers = result.as_ref().ok().map(|signature| {
                    judges.iter().map(|judge| judge.answer(&image, signature, &is_abandoned)).collect::<Vec<_>>()
                });
                (result, answers.unwrap_or_default())
            };
            results.into_iter().zip(&judges).map(evaluate).collect::<Vec<_>>()
        };
        // Conditions have turns of their own: whatever they take, signatures are verified.
        let results = if has_conditions { off_thread(&case.engine.conditions, judge).await } else { Ok(judge()) };
        drop(waiting);
        let results = match results {
            Ok(results) => results,
            Err(problem) => return self.unjudged(place, problem),
        };
        let mut answers = Vec::new();
        for (want, (result, judged)) in only(&open, self.wants.iter_mut()).zip(results) {
            for (i, asker) in want.askers.iter_mut().enumerate() {
                if let (Ok(signature), Some(answer)) = (&result, judged.get(i)) {
                    asker.take(answer, signature);
                }
                let refused = judged.get(i).and_then(|answer| answer.as_ref().err()).cloned().map(Finding::Rejected);
                let result = result.as_ref().map(drop).map_err(Finding::clone).and(refused.map_or(Ok(()), Err));
                let Some(authority) = asker.policy.parts().authorities.get(asker.authority) else { continue };
                let (policy, authority) = (asker.policy.parts().name.clone(), authority.name.clone());
                answers.push(Answer { policy, authority, attestation: asker.attestation(), result });
            }
            if let Ok(signature) = result {
                want.keep(signature);
            }
        }
        answers
    }

    /// What this candidate says will not be known.
    fn unjudged(&mut self, place: Place, cause: Unavailable) -> Vec<Answer> {
        self.unread.push(Unread { repository: self.at.clone(), place: Some(place), cause });
        Vec::new()
    }

    /// Whether every policy accepts that is at least as strict as this.
    fn all_accept(&self, least: Mode) -> bool {
        self.policies.iter().filter(|policy| policy.parts().mode >= least).all(|policy| {
            let outcome = evaluate(policy, &self.verified(policy), &self.attestations(policy));
            matches!(outcome, Some(PolicyOutcome::Accepted { .. }))
        })
    }

    /// Whether anything that is read may still tell something new.
    fn has_open_wants(&self) -> bool {
        self.wants.iter().any(|want| self.is_open(want))
    }

    /// Whether further signatures may tell anything new of a want. One may not be enough: of attestations, and of signatures
    /// where several signers must be found and this one, or its key, may be needed for another authority.
    fn is_open(&self, want: &Want<'_>) -> bool {
        want.askers.iter().any(|asker| match asker.demand() {
            Some(demand) => self.attestation(asker.policy, demand).is_none(),
            None if want.verified.is_empty() => true,
            None => !want.terms.is_for_one_key() && self.lacks_signers(asker.policy),
        })
    }

    fn scope(&self) -> Scope {
        let attests = |policy: &&Policy| !policy.parts().attestations.is_empty();
        if self.policies.iter().any(attests) { Scope::Attestations } else { Scope::Signatures }
    }
}

/// Works off the async threads, when it is its turn. The turn ends with the work, not with whoever waits for it.
async fn off_thread<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unavailable> {
    let ending = || Unavailable::Overloaded("it is shutting down");
    let turn = Arc::clone(turns).acquire_owned().await.map_err(|_| ending())?;
    let done = spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|fault| match fault.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => ending(),
    })
}

/// How much memory it takes to judge a candidate. A long one is counted off the async threads.
async fn weighed(candidate: Candidate) -> (Candidate, usize) {
    if candidate.content.bytes().len() <= COUNTED_AT_ONCE {
        let footprint = signatures::footprint(&candidate);
        return (candidate, footprint);
    }
    let counted = spawn_blocking(move || {
        let footprint = signatures::footprint(&candidate);
        (candidate, footprint)
    });
    counted.await.unwrap_or_else(|fault| resume_unwind(fault.into_panic()))
}

/// Those of which it is true.
fn only<'t, T>(these: &'t [bool], all: impl Iterator<Item = T> + 't) -> impl Iterator<Item = T> + 't {
    all.zip(these).filter_map(|(one, is_one)| is_one.then_some(one))
}

/// Names the content of a candidate wherever it lies. A simple signing payload is the same for every signer of an image: the
/// signature is in the annotations. The same bytes in another form say something else.
fn fingerprint(candidate: &Candidate) -> Digest {
    let mut named = candidate.blob.as_bytes().to_vec();
    let (form, annotations) = match &candidate.content {
        UntrustedContent::Bundle(_) => (0, None),
        UntrustedContent::SimpleSigning { annotations, .. } => (1, Some(annotations)),
        UntrustedContent::Envelope { annotations, .. } => (2, Some(annotations)),
    };
    named.push(form);
    for text in annotations.into_iter().flatten().flat_map(|(key, value)| [key, value]) {
        named.extend(text.len().to_be_bytes());
        named.extend(text.as_bytes());
    }
    Digest::of(&named)
}
