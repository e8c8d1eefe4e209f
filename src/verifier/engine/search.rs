//! One repository: reads what may be signatures as it arrives, until every policy that looks there has accepted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::panic::resume_unwind;
use std::sync::Arc;

use futures::StreamExt;
use tokio::task::spawn_blocking;

use crate::domain::{Digest, Finding, PinnedImage, Rejection, Repository, Unavailable};
use crate::policy::{Answer, AuthorityOutcome, Examined, Mode, Policy, PolicyOutcome, Trust, Unread, evaluate};
use crate::signatures::{self, ContentDemand, Demand, Form, LogRule, PublicKey, SignerDemand, VerifiedSignature};
use crate::verifier::ports::{Candidate, Evidence, Keychain, Place, Registry, UntrustedContent};

use super::MAX_CANDIDATES;
use super::judge::Case;

/// The search for signatures of one image in one repository, for the policies that keep them there.
pub(super) struct Search<'a> {
    image: &'a PinnedImage,
    at: &'a Repository,
    policies: Vec<&'a Policy>,
    wants: Vec<Want<'a>>,
    /// Position in `examined` by content: the same material in two places is verified once.
    seen: HashMap<Digest, usize>,
    pub(super) examined: Vec<Examined>,
    pub(super) unread: Vec<Unread>,
    too_many: bool,
    /// How many candidates may still be looked at. Another repository full of junk is not this one's fault.
    left: usize,
    /// Whether an Enforce policy may still wait for it.
    enforced: bool,
}

/// One thing that is looked for: a key, with the annotations that its signature must carry. Several authorities of several
/// policies may look for the same.
struct Want<'a> {
    terms: Arc<Terms>,
    askers: Vec<(&'a Policy, usize)>,
    verified: Option<VerifiedSignature>,
}

#[derive(PartialEq, Eq)]
struct Terms {
    key: PublicKey,
    annotations: BTreeMap<String, String>,
}

impl Terms {
    fn demand(&self) -> Demand<'_> {
        Demand {
            signer: SignerDemand::Key { key: &self.key, root: None },
            log: LogRule::WhenPresent,
            content: ContentDemand::Image { annotations: &self.annotations },
        }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(image: &'a PinnedImage, at: &'a Repository, policies: Vec<&'a Policy>) -> Self {
        let wants = wants(&policies);
        let (seen, examined, unread) = Default::default();
        let (too_many, left) = (false, MAX_CANDIDATES);
        let mut search = Self { image, at, policies, wants, seen, examined, unread, too_many, left, enforced: false };
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

    async fn read<R: Registry, K: Keychain>(&mut self, case: &Case<'_, R, K>) {
        let other;
        let access = if self.at == self.image.repository() {
            case.access().await
        } else {
            other = case.access_to(self.at).await;
            &other
        };
        let mut evidence = case.engine.registry.evidence(self.image, self.at, access);
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
        let open: Vec<_> = self.wants.iter().filter(|want| want.verified.is_none()).map(|w| w.terms.clone()).collect();
        let (image, now) = (self.image.clone(), case.now());
        let turn = Arc::clone(&case.engine.processors).acquire_owned().await;
        let check = move || {
            // The turn ends with the work, not with whoever waits for it.
            let _turn = turn;
            let demands = open.iter().map(|terms| terms.demand());
            signatures::verify_each(&candidate, &image, demands, now)
        };
        let results = match spawn_blocking(check).await {
            Ok(results) => results,
            Err(fault) => match fault.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => return self.interrupted(place),
            },
        };
        let mut answers = Vec::new();
        for (want, result) in self.wants.iter_mut().filter(|want| want.verified.is_none()).zip(results) {
            let answer = result.as_ref().map(|_| ()).map_err(Finding::clone);
            answers.extend(want.askers.iter().filter_map(|(policy, i)| {
                let authority = policy.parts().authorities.get(*i)?.name.clone();
                Some(Answer { policy: policy.parts().name.clone(), authority, result: answer.clone() })
            }));
            want.verified = result.ok();
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
            matches!(evaluate(policy, &self.each_authority(policy, verified)), Some(PolicyOutcome::Accepted { .. }))
        })
    }

    fn each_authority(
        &self,
        policy: &Policy,
        outcome: impl Fn(&Want<'_>) -> Option<AuthorityOutcome>,
    ) -> Vec<Option<AuthorityOutcome>> {
        let asked = |want: &&Want<'_>, i| want.askers.iter().any(|(p, a)| std::ptr::eq(*p, policy) && *a == i);
        (0..policy.parts().authorities.len())
            .map(|i| self.wants.iter().find(|want| asked(want, i)).and_then(&outcome))
            .collect()
    }

    /// Why something was not found: what could not be read may hold it, and so may what was too much to look at. Of several
    /// rejections the one that came nearest is told, then the first by where it lies; the order of arrival is chance.
    fn failure(&self, want: &Want<'_>) -> AuthorityOutcome {
        let by_place = |unread: &&Unread| (unread.place.map_or(u8::MAX, |p| p as u8), unread.cause.to_string());
        if let Some(unread) = self.unread.iter().min_by_key(by_place) {
            return AuthorityOutcome::Unavailable(unread.cause.clone());
        }
        if self.too_many {
            return AuthorityOutcome::Rejected(Rejection::TooManySignatures { limit: MAX_CANDIDATES });
        }
        let rejections = self.examined.iter().filter_map(|found| Some((want.rejection(found)?, &found.origin)));
        let nearest = rejections.min_by_key(|(r, at)| (Reverse(r.nearness()), at.place as u8, at.manifest, at.layer));
        AuthorityOutcome::Rejected(match nearest {
            Some((rejection, _)) => rejection.clone(),
            None => Rejection::NoSignature { looked_at: self.places() },
        })
    }

    /// The tags are named by their start; whoever tells it tells the digest too.
    fn places(&self) -> String {
        let hex = self.image.digest().hex();
        let short = hex.get(..8).unwrap_or(&hex);
        format!("the referrers API, tag sha256-{short}….sig and tag sha256-{short}… of {}", self.at)
    }
}

impl Want<'_> {
    /// Why a candidate is not what is wanted.
    fn rejection<'e>(&self, found: &'e Examined) -> Option<&'e Rejection> {
        let (policy, i) = self.askers.first()?;
        let authority = policy.parts().authorities.get(*i)?;
        let is_mine = |answer: &&Answer| answer.policy == policy.parts().name && answer.authority == authority.name;
        match found.answers.iter().find(is_mine)?.result.as_ref().err()? {
            Finding::Rejected(rejection) => Some(rejection),
            Finding::Unavailable(_) => None,
        }
    }
}

fn wants<'a>(policies: &[&'a Policy]) -> Vec<Want<'a>> {
    let mut wants: Vec<Want<'a>> = Vec::new();
    for policy in policies {
        let parts = policy.parts();
        for (i, authority) in parts.authorities.iter().enumerate() {
            let Trust::Key { key, .. } = &authority.trust else { continue };
            let terms = Terms { key: key.clone(), annotations: parts.annotations.clone() };
            match wants.iter_mut().find(|want| *want.terms == terms) {
                Some(want) => want.askers.push((policy, i)),
                None => wants.push(Want { terms: Arc::new(terms), askers: vec![(policy, i)], verified: None }),
            }
        }
    }
    wants
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
