//! One AdmissionReview from bytes to bytes: read, ask the verifier, decide, write, count, log.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::domain::workload::{KindTable, MUTATE_PODS_PATH, VALIDATE_PODS_PATH, VALIDATE_WORKLOADS_PATH};
use crate::domain::{Rejection, Unavailable};
use crate::telemetry::Metrics;
use crate::verifier::ports::{Keychain, Registry};
use crate::verifier::{Engine, Finding, ImageVerdict, Mode, Question};

use super::decision::{self, Decision};
use super::images::ImageField;
use super::message;
use super::response::{Answer, Finality, Response};
use super::review::{Refusal, Review};
use super::subject::{self, Head, Reading, Subject};

/// How long after the deadline the verifier may still be waited for. It keeps the deadline itself; this is the second lock.
const GRACE: Duration = Duration::from_millis(100);
/// Reviews larger than this are read on a thread that may block.
const INLINE: usize = 512 << 10;

/// The three webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// `mutate.pods.sealgate.dev`: pins, and leaves the verdict to the next one.
    Mutate,
    /// `validate.pods.sealgate.dev`: decides on the final pod.
    ValidatePods,
    /// `validate.workloads.sealgate.dev`: early feedback on templates.
    ValidateWorkloads,
}

impl Hook {
    /// The path that its reviews are posted to.
    pub fn path(self) -> &'static str {
        match self {
            Self::Mutate => MUTATE_PODS_PATH,
            Self::ValidatePods => VALIDATE_PODS_PATH,
            Self::ValidateWorkloads => VALIDATE_WORKLOADS_PATH,
        }
    }
}

/// What the handler needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kinds that are known.
    pub kinds: KindTable,
    /// Early feedback on templates.
    pub workloads: Workloads,
    /// What happens to mirrors of static pods.
    pub mirror_pods: MirrorPods,
    /// Where policies come from, for the command in a denial.
    pub policies: PolicySource,
    /// The registry hosts that are asked over plain http, for the same command.
    pub plain_http: BTreeSet<String>,
}

/// What happens to a template whose pods would be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workloads {
    /// It is refused.
    #[default]
    Deny,
    /// It is admitted with a warning.
    Warn,
    /// It is not looked at.
    Ignore,
}

/// What happens to the mirror of a static pod that a policy refuses. The node runs it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirrorPods {
    /// It is admitted with a warning.
    #[default]
    Warn,
    /// It is refused.
    Deny,
}

/// Where policies come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PolicySource {
    /// The Kubernetes API.
    #[default]
    Cluster,
    /// This folder.
    Folder(String),
}

/// Answers reviews. The server knows no more of admission than this.
pub trait Reviewer: Send + Sync + 'static {
    /// Answers one review by the deadline. The body is dropped as soon as it has been read.
    fn review<B: AsRef<[u8]> + Send + 'static>(
        &self,
        hook: Hook,
        body: B,
        deadline: Instant,
    ) -> impl Future<Output = Answer> + Send;
}

/// Answers reviews by asking the verifier.
#[derive(Debug)]
pub struct Admission<R, K> {
    engine: Engine<R, K>,
    settings: Settings,
    metrics: Metrics,
}

impl<R: Registry, K: Keychain> Reviewer for Admission<R, K> {
    async fn review<B: AsRef<[u8]> + Send + 'static>(&self, hook: Hook, body: B, deadline: Instant) -> Answer {
        let started = Instant::now();
        let (head, reading) = match self.read(hook, body).await {
            Ok(read) => read,
            Err(refusal) => return self.malformed(hook, &refusal, started),
        };
        let decided = AssertUnwindSafe(self.decide(hook, &reading, deadline)).catch_unwind().await;
        let decision = match decided {
            Ok(Some(decision)) => decision,
            Ok(None) => return self.not_ready(hook, &head, started),
            Err(_) => self.panicked(),
        };
        let (decision, body) = match decision.response.write(&head.uid) {
            Some(body) => (decision, body),
            None => unwritable(&head.uid),
        };
        self.record(hook, &head, &reading, &decision, started.elapsed());
        Answer::review(body)
    }
}

impl<R: Registry, K: Keychain> Admission<R, K> {
    /// A handler over its verifier.
    pub fn new(engine: Engine<R, K>, settings: Settings, metrics: Metrics) -> Self {
        Self { engine, settings, metrics }
    }

    /// Reads the review, on another thread where that takes long. Nothing borrows from the body any more afterwards.
    async fn read<B: AsRef<[u8]> + Send + 'static>(&self, hook: Hook, body: B) -> Result<(Head, Reading), Refusal> {
        if body.as_ref().len() <= INLINE {
            return read(hook, body.as_ref(), &self.settings.kinds);
        }
        let kinds = self.settings.kinds.clone();
        let reading = tokio::task::spawn_blocking(move || read(hook, body.as_ref(), &kinds));
        reading.await.unwrap_or_else(|_| Err(Refusal { uid: None, problem: "it could not be read".into() }))
    }

    /// Nothing while the policies are not loaded.
    async fn decide(&self, hook: Hook, reading: &Reading, deadline: Instant) -> Option<Decision> {
        Some(match reading {
            Reading::Judge(subject) => return self.judge(hook, subject, deadline).await,
            _ if self.ignores(hook) => Decision::plain(Response::allow()),
            Reading::Allow => Decision::plain(Response::allow()),
            Reading::Refuse(rejection) => decision::refuse(rejection.clone(), hook, &self.settings),
            Reading::StillUnreadable(rejection) => decision::still_unreadable(rejection.clone(), hook, &self.settings),
        })
    }

    async fn judge(&self, hook: Hook, subject: &Subject, deadline: Instant) -> Option<Decision> {
        if hook == Hook::ValidatePods {
            (0..subject.unknown_image_fields).for_each(|_| self.metrics.unknown_image_field());
        }
        if subject.fields.is_empty() || self.ignores(hook) || (hook == Hook::Mutate && subject.mirror) {
            return Some(Decision::plain(Response::allow()));
        }
        let latest = deadline.checked_add(GRACE).unwrap_or(deadline);
        if let Ok(verdicts) = timeout_at(latest, self.verify(subject, deadline)).await {
            let ready = !verdicts.iter().any(is_not_ready);
            return ready.then(|| self.conclude(hook, subject, &verdicts));
        }
        let cause = Unavailable::DeadlineExceeded { host: "the verifier".into() };
        Some(Decision::plain(without_verdict(hook, message::unavailable(&cause))))
    }

    /// The verdict about each field. Where an old digest was asked for and nothing will pin it, what counts is what the field
    /// itself names, because that is what will be stored. A denial of the old digest stands.
    async fn verify(&self, subject: &Subject, deadline: Instant) -> Vec<ImageVerdict> {
        let question = |images| Question {
            namespace: subject.context.namespace.clone(),
            images,
            context: subject.context.clone(),
            deadline,
            now: Timestamp::now(),
        };
        let asked = subject.fields.iter().map(|field| field.asked.clone()).collect();
        let mut verdicts = self.engine.verify(&question(asked)).await;
        let unfounded = |(field, verdict): &(&ImageField, &mut ImageVerdict)| {
            field.asked != field.image && verdict.pin().is_none() && verdict.findings(Mode::Enforce).is_empty()
        };
        let (fields, open): (Vec<_>, Vec<_>) = subject.fields.iter().zip(&mut verdicts).filter(unfounded).unzip();
        if !fields.is_empty() {
            let written = fields.iter().map(|field| field.image.clone()).collect();
            let again = self.engine.verify(&question(written)).await;
            open.into_iter().zip(again).for_each(|(verdict, again)| *verdict = again);
        }
        verdicts
    }

    fn conclude(&self, hook: Hook, subject: &Subject, verdicts: &[ImageVerdict]) -> Decision {
        if verdicts.len() != subject.fields.len() {
            return Decision::plain(Response::deny(message::refusal(&Rejection::Internal("a verdict is missing"))));
        }
        let judged: Vec<_> = subject.fields.iter().zip(verdicts).collect();
        let decision = decision::decide(hook, subject, &judged, &self.settings);
        // The verifier has caught a panic of its own.
        if decision.findings.iter().any(|(_, finding)| matches!(finding, Finding::Rejected(Rejection::Internal(_)))) {
            self.metrics.panic();
        }
        decision
    }

    fn ignores(&self, hook: Hook) -> bool {
        hook == Hook::ValidateWorkloads && self.settings.workloads == Workloads::Ignore
    }

    fn panicked(&self) -> Decision {
        self.metrics.panic();
        Decision::plain(Response::deny(message::refusal(&Rejection::Internal("the handler panicked"))))
    }

    /// No answer, so that the `failurePolicy` decides: Ignore while nothing is enforced.
    fn not_ready(&self, hook: Hook, head: &Head, started: Instant) -> Answer {
        self.metrics.review(hook.as_str(), "unavailable", started.elapsed());
        let denial = message::unavailable(&Unavailable::NotReady);
        tracing::info!(hook = hook.as_str(), uid = head.uid, answer = "unavailable", "{}", denial.message);
        Answer::unavailable(denial.message)
    }

    fn malformed(&self, hook: Hook, refusal: &Refusal, started: Instant) -> Answer {
        self.metrics.review(hook.as_str(), "malformed", started.elapsed());
        tracing::info!(
            hook = hook.as_str(),
            uid = refusal.uid.as_deref().unwrap_or(""),
            answer = "malformed",
            "{refusal}"
        );
        Answer::malformed(refusal)
    }

    /// Counts and logs one decision.
    fn record(&self, hook: Hook, head: &Head, reading: &Reading, decision: &Decision, took: Duration) {
        let answer = match &decision.response.denial {
            None => "allowed",
            Some(denial) if denial.finality == Finality::Rejected => "rejected",
            Some(_) => "unavailable",
        };
        self.metrics.review(hook.as_str(), answer, took);
        for (mode, finding) in &decision.findings {
            self.metrics.finding(hook.as_str(), mode, finding.code(), finding.class().as_str());
        }
        (0..decision.static_uses).for_each(|_| self.metrics.static_use());
        let mut codes: Vec<_> = decision.findings.iter().map(|(_, finding)| finding.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        let (images, judged) = match reading {
            Reading::Judge(subject) => (subject.total, subject.fields.len()),
            _ => (0, 0),
        };
        tracing::info!(
            hook = hook.as_str(),
            uid = head.uid,
            kind = head.kind,
            namespace = head.namespace,
            name = head.name,
            dry_run = head.dry_run,
            answer,
            codes = codes.join(","),
            details = details(&decision.findings),
            images,
            judged,
            pinned = decision.response.patch.len(),
            ms = took.as_secs_f64() * 1000.0,
            "decided"
        );
    }
}

impl Hook {
    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::ValidatePods => "validate",
            Self::ValidateWorkloads => "validate-workloads",
        }
    }
}

/// What the answer leaves out.
fn details(findings: &[(&'static str, Finding)]) -> Option<String> {
    let detail = |(_, finding): &'_ (&'static str, Finding)| match finding {
        Finding::Unavailable(cause) => cause.detail().map(str::to_owned),
        Finding::Rejected(_) => None,
    };
    let details: BTreeSet<_> = findings.iter().filter_map(detail).collect();
    (!details.is_empty()).then(|| details.into_iter().collect::<Vec<_>>().join("; "))
}

fn read(hook: Hook, body: &[u8], kinds: &KindTable) -> Result<(Head, Reading), Refusal> {
    let review = Review::read(body)?;
    let mut head = Head::of(&review);
    let reading = subject::read(&review, hook, kinds, &mut head);
    Ok((head, reading))
}

fn is_not_ready(verdict: &ImageVerdict) -> bool {
    let findings = verdict.findings(Mode::Enforce);
    findings.iter().any(|(_, finding)| matches!(finding, Finding::Unavailable(Unavailable::NotReady)))
}

/// What is said when the verifier has not even said that it could not find out.
pub(super) fn without_verdict(hook: Hook, denial: super::response::Denial) -> Response {
    match hook {
        Hook::ValidatePods => Response::deny(denial),
        Hook::Mutate => Response::allow(),
        Hook::ValidateWorkloads => Response {
            warnings: message::fit_warnings(vec![format!("sealgate: {}", denial.message)]),
            ..Response::allow()
        },
    }
}

/// An answer that could not be written is a denial that can.
fn unwritable(uid: &str) -> (Decision, Vec<u8>) {
    let denial = message::refusal(&Rejection::Internal("the answer is too large"));
    let decision = Decision::plain(Response::deny(denial));
    let body = decision.response.write(uid).unwrap_or_default();
    (decision, body)
}
