//! The engine: select, resolve, fetch, verify, combine. One task an image, side by side, all under one snapshot of policies and
//! trusted roots and one deadline. Nothing is spawned that outlives the call but a signature check that has begun.

mod conclude;
mod judge;
mod search;
mod want;

use std::collections::{HashMap, HashSet};
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::domain::text::foreign;
use crate::domain::{Digest, Finding, ImageReference, ReferenceError, Rejection, Repository, Unavailable};
use crate::policy::condition::limits::MAX_EVALUATIONS;
use crate::policy::{
    Basis, Defaults, Governing, ImageVerdict, LabelsNeeded, Mode, PolicyCell, PolicySet, Report, govern,
};
use crate::signatures::{RootsCell, TrustedRoots};

use super::ports::{Keychain, Labels, Namespaces, PullContext, Registry};

use judge::Case;

/// Most distinct images that one object may have.
pub const MAX_IMAGES: usize = 64;

/// Most signatures of one image that are looked at in one repository, in all places together.
pub const MAX_CANDIDATES: usize = 64;

/// Memory for signatures and attestations that are being judged at once, in bytes. What takes more than all of it is not judged.
pub const DOCUMENT_MEMORY: usize = 64 << 20;
/// The unit in which it is given out, in bytes.
const DOCUMENT_UNIT: usize = 1 << 10;

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The namespace whose policies count.
    pub namespace: String,
    /// The images as written, in any order, duplicates allowed.
    pub images: Vec<String>,
    /// Who would pull them.
    pub context: PullContext,
    /// When the answer must be there.
    pub deadline: Instant,
    /// The time: nothing may be proven of a later one.
    pub now: Timestamp,
}

/// Verifies images against the current policies.
#[derive(Debug)]
pub struct Engine<R, K> {
    registry: R,
    keychain: K,
    policies: PolicyCell,
    roots: RootsCell,
    defaults: Defaults,
    namespaces: Arc<dyn Namespaces>,
    /// Signature checks that run at once: more than there are processors would only cost memory.
    processors: Arc<Semaphore>,
    /// Conditions that are evaluated at once. They never take the place of a signature check.
    conditions: Arc<Semaphore>,
    /// Memory for what they judge, in [`DOCUMENT_UNIT`].
    documents: Arc<Semaphore>,
}

impl<R: Registry, K: Keychain> Engine<R, K> {
    /// An engine over its ports and the cells that hold the policies and the trusted roots. It knows no labels but those in
    /// the set of policies.
    pub fn new(registry: R, keychain: K, policies: PolicyCell, roots: RootsCell, defaults: Defaults) -> Self {
        let processors = Arc::new(Semaphore::new(available_parallelism().map_or(1, Into::into)));
        let conditions = Arc::new(Semaphore::new(MAX_EVALUATIONS));
        let documents = Arc::new(Semaphore::new(DOCUMENT_MEMORY.div_euclid(DOCUMENT_UNIT)));
        let namespaces = Arc::new(Unknown);
        Self { registry, keychain, policies, roots, defaults, namespaces, processors, conditions, documents }
    }

    /// The same, with so many conditions evaluated at once.
    #[must_use]
    pub fn with_condition_turns(self, turns: usize) -> Self {
        Self { conditions: Arc::new(Semaphore::new(turns)), ..self }
    }

    /// The same, asking here for the labels of namespaces that the set of policies does not know.
    #[must_use]
    pub fn with_namespaces(self, namespaces: impl Namespaces) -> Self {
        Self { namespaces: Arc::new(namespaces), ..self }
    }

    /// One verdict an image, in the order of the question, all under one snapshot of policies and trusted roots. Always
    /// answers by the deadline.
    /// Dropping the future ends whatever it was doing.
    pub async fn verify(&self, question: &Question) -> Vec<ImageVerdict> {
        let asked: Vec<Asked<'_>> = question.images.iter().map(|written| Asked::new(written)).collect();
        let Some(set) = self.policies.load() else {
            let finding = Finding::Unavailable(Unavailable::NotReady);
            return all(asked, &Judgement::refused(Mode::Enforce, finding));
        };
        match govern(&set, &question.namespace, set.labels(&question.namespace)) {
            Ok(governing) => self.judge_all(question, asked, governing).await,
            Err(needed) => self.look_up_and_judge(question, asked, set, needed).await,
        }
    }

    /// Asks for the labels of a namespace that the watch has not shown yet, on which policies depend.
    async fn look_up_and_judge(
        &self,
        question: &Question,
        asked: Vec<Asked<'_>>,
        mut set: Arc<PolicySet>,
        needed: LabelsNeeded,
    ) -> Vec<ImageVerdict> {
        let namespace = &question.namespace;
        let late = || Err(unknown(namespace, "the time of this admission request is over"));
        let answer = timeout_at(question.deadline, self.namespaces.labels(namespace)).await.unwrap_or_else(|_| late());
        if answer.is_err() {
            // The watch may have shown it meanwhile.
            set = self.policies.load().unwrap_or(set);
        }
        let labels = set.labels(namespace).or(answer.as_deref().ok());
        match (govern(&set, namespace, labels), &answer) {
            (Ok(governing), _) => self.judge_all(question, asked, governing).await,
            (Err(_), Err(cause)) => {
                let ungoverned = self.defaults.ungoverned.mode().filter(|_| !needed.governed);
                let mode = needed.strictest.max(ungoverned.unwrap_or(needed.strictest));
                all(asked, &Judgement::refused(mode, Finding::Unavailable(cause.clone())))
            }
            (Err(needed), Ok(_)) => {
                let rejection = Rejection::Internal("known labels did not decide which policies govern the namespace");
                all(asked, &Judgement::refused(needed.strictest, Finding::Rejected(rejection)))
            }
        }
    }

    async fn judge_all(
        &self,
        question: &Question,
        asked: Vec<Asked<'_>>,
        governing: Option<Governing<'_>>,
    ) -> Vec<ImageVerdict> {
        let Some(governing) = governing else {
            return all(asked, &Judgement::new(Basis::Ungoverned(self.defaults.ungoverned)));
        };
        let mut judgements = HashMap::new();
        let distinct = distinct(&asked);
        if distinct.len() > MAX_IMAGES {
            let rejection = Rejection::TooManyImages { found: distinct.len(), limit: MAX_IMAGES };
            return all(asked, &Judgement::refused(governing.strictest(), Finding::Rejected(rejection)));
        }
        let trusted = self.roots.load();
        let side_by_side = distinct.iter().map(|asked| self.judge(question, &governing, &trusted, asked));
        for (asked, judgement) in distinct.iter().zip(join_all(side_by_side).await) {
            judgements.insert(asked.name(), judgement);
        }
        asked.iter().filter_map(|asked| Some(asked.verdict(judgements.get(&asked.name())?))).collect()
    }

    /// A fault in here is the fault of one image; the others get their answers.
    async fn judge(
        &self,
        question: &Question,
        governing: &Governing<'_>,
        trusted: &TrustedRoots,
        asked: &Asked<'_>,
    ) -> Judgement {
        let image = match &asked.reference {
            Ok(image) => image,
            Err(error) => {
                let finding = Finding::Rejected(Rejection::BadReference(error.clone()));
                return Judgement::refused(governing.strictest(), finding);
            }
        };
        let case = Case::new(self, question, governing, trusted, image);
        AssertUnwindSafe(case.judge()).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(image = %image, "the verification of an image panicked");
            let rejection = Rejection::Internal("the verification of this image failed, see the log");
            Judgement::refused(governing.strictest(), Finding::Rejected(rejection))
        })
    }
}

/// Without a cluster and without files there is nobody to ask.
#[derive(Debug)]
struct Unknown;

impl Namespaces for Unknown {
    fn labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Arc<Labels>, Unavailable>> {
        Box::pin(ready(Err(unknown(namespace, "there is no cluster to ask"))))
    }
}

fn unknown(namespace: &str, problem: &'static str) -> Unavailable {
    Unavailable::NamespaceUnknown { namespace: foreign(namespace), problem }
}

/// What was found out about one image, however it was written.
#[derive(Clone, Debug)]
struct Judgement {
    digest: Option<Digest>,
    basis: Arc<Basis>,
    report: Arc<Report>,
}

impl Judgement {
    fn new(basis: Basis) -> Self {
        Self { digest: None, basis: Arc::new(basis), report: Arc::default() }
    }

    fn refused(mode: Mode, finding: Finding) -> Self {
        Self::new(Basis::Refused { mode, finding })
    }
}

/// One image of the question.
struct Asked<'a> {
    written: &'a str,
    reference: Result<ImageReference, ReferenceError>,
}

/// What makes two images the same question: a digest decides over the tag beside it, and no tag is `latest`.
#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Digest(&'a Repository, &'a Digest),
    Tag(&'a Repository, &'a str),
    Unreadable(&'a str),
}

impl<'a> Asked<'a> {
    fn new(written: &'a str) -> Self {
        Self { written, reference: ImageReference::parse(written) }
    }

    fn name(&self) -> Name<'_> {
        match &self.reference {
            Ok(image) => match image.digest() {
                Some(digest) => Name::Digest(image.repository(), digest),
                None => Name::Tag(image.repository(), image.tag_or_latest()),
            },
            Err(_) => Name::Unreadable(self.written),
        }
    }

    fn verdict(&self, judgement: &Judgement) -> ImageVerdict {
        let reference = self.reference.as_ref().ok().cloned();
        let digest = judgement.digest.or_else(|| reference.as_ref()?.digest().copied());
        let (basis, report) = (judgement.basis.clone(), judgement.report.clone());
        ImageVerdict { written: self.written.to_owned(), reference, digest, basis, report }
    }
}

fn all(asked: Vec<Asked<'_>>, judgement: &Judgement) -> Vec<ImageVerdict> {
    asked.into_iter().map(|asked| asked.verdict(judgement)).collect()
}

fn distinct<'q, 'a>(asked: &'q [Asked<'a>]) -> Vec<&'q Asked<'a>> {
    let mut seen = HashSet::new();
    asked.iter().filter(|asked| seen.insert(asked.name())).collect()
}
