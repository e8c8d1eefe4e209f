//! One image: which policies apply, which digest it is, and where to look.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, watch};
use tokio::time::{sleep, sleep_until};

use crate::domain::{Finding, ImageReference, PinnedImage, Rejection, Repository, Unavailable};
use crate::policy::{Basis, Entry, Governing, Policy, Selection, select};
use crate::signatures::TrustedRoots;
use crate::verifier::ports::{Access, Fault, Held, Keychain, Registry};

use super::conclude::{self, Ground};
use super::search::Search;
use super::{DOCUMENT_MEMORY, DOCUMENT_UNIT, Engine, Judgement, Question};

/// How long policies in Audit and Warn are waited for when no Enforce policy needs an answer any more.
const GRACE: Duration = Duration::from_millis(250);

/// One image of one question.
pub(super) struct Case<'a, R, K> {
    pub(super) engine: &'a Engine<R, K>,
    question: &'a Question,
    governing: &'a Governing<'a>,
    trusted: &'a TrustedRoots,
    image: &'a ImageReference,
    /// What may be shown to the image's own registry; asked for once.
    access: OnceCell<Access>,
    /// How many searches an Enforce policy still waits for; nothing while that is not known, or where none does.
    enforced: watch::Sender<Option<usize>>,
}

impl<'a, R: Registry, K: Keychain> Case<'a, R, K> {
    pub(super) fn new(
        engine: &'a Engine<R, K>,
        question: &'a Question,
        governing: &'a Governing<'a>,
        trusted: &'a TrustedRoots,
        image: &'a ImageReference,
    ) -> Self {
        let enforced = watch::Sender::new(None);
        Self { engine, question, governing, trusted, image, access: OnceCell::new(), enforced }
    }

    /// Selects, and asks the registry where that is needed, as soon as it is the image's turn.
    pub(super) async fn judge(&self) -> Judgement {
        let pinned = self.image.pinned();
        let mut judgement = match self.select(pinned.as_ref()) {
            Selection::Unmatched { broken } => Judgement::new(self.unmatched(&broken)),
            Selection::Applies(entries) if entries.iter().all(|entry| looks(entry).is_none()) => {
                judged(&entries, Ground::Nothing)
            }
            selection => match self.turn().await {
                // In a place of its own: an image that waits takes up little memory.
                Ok(_turn) => return Box::pin(self.ask(selection, pinned)).await,
                Err(cause) => self.refused(&selection, Finding::Unavailable(cause)),
            },
        };
        judgement.digest = pinned.map(|image| *image.digest());
        judgement
    }

    /// Resolves a tag at most once, searches, concludes.
    async fn ask(&self, mut selection: Selection<'a>, mut pinned: Option<PinnedImage>) -> Judgement {
        if let Selection::NeedsDigest = selection {
            match self.resolve().await {
                Ok(image) => selection = self.select(Some(pinned.insert(image))),
                Err(finding) => return self.refused(&selection, finding),
            }
        }
        let mut judgement = match selection {
            Selection::Applies(entries) if entries.iter().any(|entry| looks(entry).is_some()) => {
                self.look(&entries, &mut pinned).await
            }
            Selection::Applies(entries) => judged(&entries, Ground::Nothing),
            Selection::Unmatched { broken } => Judgement::new(self.unmatched(&broken)),
            Selection::NeedsDigest => {
                let finding =
                    Finding::Rejected(Rejection::Internal("a known digest did not decide which policies apply"));
                Judgement::refused(self.governing.strictest(), finding)
            }
        };
        judgement.digest = pinned.map(|image| *image.digest());
        judgement
    }

    async fn look(&self, entries: &[&Entry], pinned: &mut Option<PinnedImage>) -> Judgement {
        let image = match pinned {
            Some(image) => image,
            None => match self.resolve().await {
                Ok(image) => pinned.insert(image),
                Err(finding) => return judged(entries, Ground::Finding(finding)),
            },
        };
        let mut places: BTreeMap<&Repository, Vec<&Policy>> = BTreeMap::new();
        for policy in entries.iter().filter_map(|entry| looks(entry)) {
            let at = policy.parts().signature_repository.as_ref().unwrap_or(image.repository());
            places.entry(at).or_default().push(policy);
        }
        let searches: Vec<_> =
            places.into_iter().map(|(at, policies)| Search::new(image, at, policies, self.trusted)).collect();
        let enforced = searches.iter().filter(|search| search.is_enforced()).count();
        self.enforced.send_replace((enforced > 0).then_some(enforced));
        let searches = join_all(searches.into_iter().map(|search| search.run(self))).await;
        let absence = self.absence(image, &searches).await;
        judged(entries, Ground::Searches { searches, absence })
    }

    /// Waits until the registry may be asked about one more image.
    async fn turn(&self) -> Result<Held, Unavailable> {
        let at = self.image.repository();
        self.in_time(at, self.engine.registry.admit(at)).await
    }

    /// What the image is where the registry was not asked, or did not say which image it is.
    fn refused(&self, selection: &Selection<'_>, finding: Finding) -> Judgement {
        match selection {
            Selection::Applies(entries) => judged(entries, Ground::Finding(finding)),
            Selection::NeedsDigest | Selection::Unmatched { .. } => {
                Judgement::refused(self.governing.strictest(), finding)
            }
        }
    }

    /// The time of the question.
    pub(super) fn now(&self) -> Timestamp {
        self.question.now
    }

    fn select(&self, pinned: Option<&PinnedImage>) -> Selection<'a> {
        select(self.governing, self.image, pinned.map(PinnedImage::digest))
    }

    async fn resolve(&self) -> Result<PinnedImage, Finding> {
        let answer = self.in_time(self.image.repository(), async {
            let access = self.access().await;
            self.engine.registry.resolve(self.image, access).await
        });
        match answer.await {
            Ok(Ok(image)) => Ok(image),
            Ok(Err(Fault::NotFound)) => Err(Finding::Rejected(Rejection::ImageNotFound)),
            Ok(Err(Fault::Unavailable(cause))) | Err(cause) => Err(Finding::Unavailable(cause)),
        }
    }

    /// A digest whose signatures lie nowhere may not be there at all. A tag that was resolved is known to be.
    async fn absence(&self, image: &PinnedImage, searches: &[Search<'_>]) -> Option<Finding> {
        if self.image.digest().is_none() || !searches.iter().any(Search::found_nothing) {
            return None;
        }
        if searches.iter().any(|search| search.is_enforced() && search.found_nothing()) {
            self.enforced.send_replace(None);
        }
        let answer = self.in_time(image.repository(), async {
            let access = self.access().await;
            self.engine.registry.exists(image, access).await
        });
        match answer.await {
            Ok(Ok(true)) => None,
            Ok(Ok(false)) => Some(Finding::Rejected(Rejection::ImageNotFound)),
            Ok(Err(cause)) | Err(cause) => Some(Finding::Unavailable(cause)),
        }
    }

    /// What the image is where no policy in force is about it. Broken ones deny it beside that.
    fn unmatched(&self, broken: &[&Entry]) -> Basis {
        let defaults = self.engine.defaults;
        let basis = match self.governing.unmatched() {
            None => Basis::Ungoverned(defaults.ungoverned),
            Some(mode) => {
                let governing = self.governing.names().collect::<Vec<_>>().join(", ");
                Basis::Unmatched { mode, reaction: defaults.unmatched, rejection: Rejection::NoPolicy { governing } }
            }
        };
        if broken.is_empty() {
            return basis;
        }
        let policies = broken.iter().map(|entry| conclude::verdict(entry, &Ground::Nothing)).collect();
        Basis::Broken { policies, otherwise: Box::new(basis) }
    }

    /// Room to judge a candidate that takes so much memory, as soon as there is some.
    pub(super) async fn room(&self, footprint: usize) -> Result<OwnedSemaphorePermit, Unavailable> {
        let fits = || u32::try_from(footprint.div_ceil(DOCUMENT_UNIT)).ok().filter(|_| footprint <= DOCUMENT_MEMORY);
        let units = fits().ok_or(Unavailable::DocumentLimit { needed: footprint, limit: DOCUMENT_MEMORY })?;
        let room = Arc::clone(&self.engine.documents).acquire_many_owned(units).await;
        room.map_err(|_| Unavailable::Overloaded("it is shutting down"))
    }

    /// What may be shown to the image's own registry.
    pub(super) async fn access(&self) -> &Access {
        self.access.get_or_init(|| self.access_to(self.image.repository())).await
    }

    /// What may be shown to the registry of any repository.
    pub(super) async fn access_to(&self, repository: &Repository) -> Access {
        self.engine.keychain.access(repository, &self.question.context).await
    }

    /// Notes that no Enforce policy waits for one of the searches any more.
    pub(super) fn settle(&self) {
        self.enforced.send_modify(|open| *open = open.map(|open| open.saturating_sub(1)));
    }

    /// Waits no longer than the deadline for what the registry of `at` is asked, and not for long once nothing but trials
    /// depends on it.
    pub(super) async fn in_time<T>(&self, at: &Repository, answer: impl Future<Output = T>) -> Result<T, Unavailable> {
        let mut enforced = self.enforced.subscribe();
        let settled = async {
            if enforced.wait_for(|open| *open == Some(0)).await.map(drop).is_err() {
                pending::<()>().await;
            }
            sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            () = sleep_until(self.question.deadline) => Err(Unavailable::DeadlineExceeded { host: at.host().to_owned() }),
            () = settled => Err(Unavailable::DeadlineExceeded { host: at.host().to_owned() }),
        }
    }
}

/// The policy, where it has to look at signatures.
fn looks(entry: &Entry) -> Option<&Policy> {
    entry.in_force().filter(|policy| policy.static_answer().is_none())
}

fn judged(entries: &[&Entry], ground: Ground<'_>) -> Judgement {
    let verdicts = entries.iter().map(|entry| conclude::verdict(entry, &ground)).collect();
    Judgement { report: Arc::new(conclude::report(ground)), ..Judgement::new(Basis::Judged(verdicts)) }
}
