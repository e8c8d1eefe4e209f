//! From the verdicts about a subject's images to the answer of one webhook.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::Rejection;
use crate::domain::text::foreign;
use crate::domain::workload::Role;
use crate::verifier::{AuthorityOutcome, Basis, Finding, ImageVerdict, Mode, PolicyOutcome};

use super::handler::{Hook, MirrorPods, Settings, Workloads};
use super::images::ImageField;
use super::message::{self, Objection};
use super::patch::Replacement;
use super::response::{Finality, Response};
use super::subject::Subject;

/// Longest value of an audit annotation, in bytes.
const MAX_AUDIT: usize = 1024;

/// One field with what was found out about its image.
pub(super) type Judged<'a> = (&'a ImageField, &'a ImageVerdict);

/// An answer, and what is counted and logged about it.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) response: Response,
    /// `(mode, finding)` of every objection, whether it counted or not.
    pub(super) findings: Vec<(&'static str, Finding)>,
    /// Images that a static Allow admitted.
    pub(super) static_uses: usize,
}

impl Decision {
    /// An answer without findings.
    pub(super) fn plain(response: Response) -> Self {
        Self { response, findings: Vec::new(), static_uses: 0 }
    }
}

/// Pins what an Enforce policy that demands signatures has accepted. Nothing else: whoever runs after us may still replace an
/// image, so the verdict is spoken on the final object.
pub(super) fn mutate(subject: &Subject, judged: &[Judged<'_>]) -> Decision {
    let replacement = |(field, verdict): &Judged<'_>| {
        let pinned = verdict.reference.as_ref()?.with_digest(verdict.pin()?);
        (pinned != field.image && !has_digest(field))
            .then(|| Replacement::new(field.pointer(&subject.pod_spec), pinned))
    };
    let patch = if subject.mirror { Vec::new() } else { judged.iter().filter_map(replacement).collect() };
    Decision::plain(Response { patch, ..Response::allow() })
}

/// Decides about a pod.
pub(super) fn validate_pod(subject: &Subject, judged: &[Judged<'_>], settings: &Settings) -> Decision {
    let mut against = objections(judged, Mode::Enforce);
    if !subject.mirror {
        against.extend(judged.iter().filter_map(not_pinned));
    }
    let warned = objections(judged, Mode::Warn);
    let recorded = objections(judged, Mode::Audit);
    let tolerated = subject.mirror && settings.mirror_pods == MirrorPods::Warn;
    let mut response = match against.as_slice() {
        [] => Response::allow(),
        _ if tolerated => Response::allow(),
        against => Response::deny(message::denial(against, subject, settings)),
    };
    let tolerated = if tolerated { &against[..] } else { &[] };
    response.warnings = message::warnings(tolerated.iter().chain(&warned));
    response.audit = audit(&response, judged, &recorded);
    let findings = all_findings(&against, &warned, &recorded);
    Decision { response, findings, static_uses: static_uses(judged).count() }
}

/// Early feedback about a template. What is not a definite no only warns: its pods are looked at when they are made.
pub(super) fn validate_template(subject: &Subject, judged: &[Judged<'_>], settings: &Settings) -> Decision {
    let (blank, judged): (Vec<_>, Vec<_>) = judged.iter().copied().partition(|(field, _)| is_placeholder(field));
    let against = objections(&judged, Mode::Enforce);
    let (rejected, unknown): (Vec<_>, Vec<_>) = against.iter().cloned().partition(|o| o.finding.is_rejection());
    let warned = objections(&judged, Mode::Warn);
    let recorded = objections(&judged, Mode::Audit);
    let denies = settings.workloads == Workloads::Deny && !rejected.is_empty();
    let mut response =
        if denies { Response::deny(message::denial(&rejected, subject, settings)) } else { Response::allow() };
    let told = if denies { &[][..] } else { &rejected[..] };
    let mut lines = message::warnings(told.iter().chain(&unknown).chain(&warned));
    lines.extend(blank.iter().map(|(field, _)| message::template_note(field)));
    response.warnings = message::fit_warnings(lines);
    response.audit = audit(&response, &judged, &recorded);
    Decision { response, findings: all_findings(&against, &warned, &recorded), static_uses: 0 }
}

/// The answer about an object that can't be judged.
pub(super) fn refuse(rejection: Rejection, hook: Hook, settings: &Settings) -> Decision {
    let denial = message::refusal(&rejection);
    let response = if hook == Hook::ValidateWorkloads && settings.workloads != Workloads::Deny {
        let warnings = message::fit_warnings(vec![format!("sealgate: {}", denial.message)]);
        Response { warnings, ..Response::allow() }
    } else {
        Response::deny(denial)
    };
    Decision { response, findings: vec![(mode_name(Mode::Enforce), Finding::Rejected(rejection))], static_uses: 0 }
}

/// The answer about a template that was as unreadable before: whoever removes a finalizer from it is not to blame.
pub(super) fn still_unreadable(rejection: Rejection, hook: Hook, settings: &Settings) -> Decision {
    match hook {
        Hook::Mutate | Hook::ValidatePods => refuse(rejection, hook, settings),
        Hook::ValidateWorkloads => {
            let line = format!("sealgate: {rejection}");
            let response = Response { warnings: message::fit_warnings(vec![line]), ..Response::allow() };
            Decision { response, findings: vec![(mode_name(Mode::Warn), Finding::Rejected(rejection))], static_uses: 0 }
        }
    }
}

/// Whether the image of a template field says nothing yet: blank, or the `auto` that a sidecar injector replaces in the pod.
pub(super) fn is_placeholder(field: &ImageField) -> bool {
    field.is_blank() || field.image == "auto"
}

/// How a subject is judged by a webhook, once the verdicts are there.
pub(super) fn decide(hook: Hook, subject: &Subject, judged: &[Judged<'_>], settings: &Settings) -> Decision {
    match hook {
        Hook::Mutate => mutate(subject, judged),
        Hook::ValidatePods => validate_pod(subject, judged, settings),
        Hook::ValidateWorkloads => validate_template(subject, judged, settings),
    }
}

impl Hook {
    /// Whether objects of this role are this webhook's.
    pub(super) fn judges(self, role: Role) -> bool {
        match self {
            Self::Mutate | Self::ValidatePods => matches!(role, Role::Pod | Role::EphemeralContainers),
            Self::ValidateWorkloads => role == Role::Template,
        }
    }
}

/// Everything that speaks against the images in one mode: fields that share image and reason are one objection.
fn objections<'a>(judged: &[Judged<'a>], mode: Mode) -> Vec<Objection<'a>> {
    let mut all: Vec<Objection<'a>> = Vec::new();
    for (fields, verdict) in by_image(judged) {
        for (policy, finding) in verdict.findings(mode) {
            let objection = Objection { fields: fields.clone(), verdict, policy, finding };
            match all.first_mut().filter(|first| first.is_about_the_object() && objection.is_about_the_object()) {
                Some(first) => first.fields.extend(objection.fields),
                None => all.push(objection),
            }
        }
    }
    all
}

/// The fields of each image as it is written, in the order in which the images are first met. The same text has two verdicts
/// where one of them was reached by way of an old digest.
fn by_image<'a>(judged: &[Judged<'a>]) -> Vec<(Vec<&'a ImageField>, &'a ImageVerdict)> {
    let mut all: Vec<(Vec<&ImageField>, &ImageVerdict)> = Vec::new();
    let mut met = HashMap::new();
    for &(field, verdict) in judged {
        let at = *met.entry((verdict.written.as_str(), Arc::as_ptr(&verdict.basis))).or_insert(all.len());
        match all.get_mut(at) {
            Some((fields, _)) => fields.push(field),
            None => all.push((vec![field], verdict)),
        }
    }
    all
}

/// An image that would be accepted and pinned, in a field that arrived without its digest.
fn not_pinned<'a>((field, verdict): &Judged<'a>) -> Option<Objection<'a>> {
    let digest = *verdict.pin()?;
    let finding = Finding::Rejected(Rejection::NotPinned { digest });
    (!has_digest(field)).then(|| Objection { fields: vec![field], verdict, policy: None, finding })
}

/// Whether the field itself names a digest; what is asked about it may be another string.
fn has_digest(field: &ImageField) -> bool {
    field.image.contains('@')
}

/// What is counted about the objections of each mode.
fn all_findings(
    enforced: &[Objection<'_>],
    warned: &[Objection<'_>],
    recorded: &[Objection<'_>],
) -> Vec<(&'static str, Finding)> {
    let modes = [(Mode::Enforce, enforced), (Mode::Warn, warned), (Mode::Audit, recorded)];
    modes.iter().flat_map(|(mode, all)| all.iter().map(|o| (mode_name(*mode), o.finding.clone()))).collect()
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Warn => "warn",
        Mode::Audit => "audit",
    }
}

/// The images that a policy accepted without looking, under `static: Allow`.
fn static_uses<'a>(judged: &[Judged<'a>]) -> impl Iterator<Item = &'a str> {
    let trusted = |verdict: &ImageVerdict| match &*verdict.basis {
        Basis::Judged(policies) => policies.iter().any(|policy| {
            matches!(policy.outcome, PolicyOutcome::Accepted { .. })
                && policy.authorities.iter().any(|a| matches!(a.outcome, AuthorityOutcome::Trusted))
        }),
        _ => false,
    };
    judged.iter().filter(move |(_, v)| trusted(v)).map(|(_, v)| v.written.as_str())
}

/// What the API server's audit log keeps. The keys are constant.
fn audit(response: &Response, judged: &[Judged<'_>], recorded: &[Objection<'_>]) -> BTreeMap<&'static str, String> {
    let verdict = match &response.denial {
        None => "allowed".to_owned(),
        Some(denial) => {
            let mut codes: Vec<_> = denial.causes.iter().map(|cause| cause.reason.as_str()).collect();
            codes.sort_unstable();
            codes.dedup();
            let word = if denial.finality == Finality::Rejected { "rejected" } else { "unavailable" };
            format!("{word}: {}", codes.join(", "))
        }
    };
    let with_digest = |(_, v): &Judged<'_>| match (&v.reference, &v.digest) {
        (Some(reference), Some(digest)) => reference.at(*digest).to_string(),
        (Some(reference), None) => reference.to_string(),
        (None, _) => foreign(&v.written),
    };
    let recorded = recorded.iter().map(|o| {
        let policy = o.policy.map(|p| format!("{p}: ")).unwrap_or_default();
        format!("{policy}{}: {}", foreign(&o.verdict.written), o.finding.code())
    });
    let entries = [
        ("verdict", verdict),
        ("images", joined(judged.iter().map(with_digest))),
        ("static-allow", joined(static_uses(judged).map(str::to_owned))),
        ("audit-findings", joined(recorded)),
    ];
    let keep =
        |(key, value): (&'static str, String)| (!value.is_empty()).then(|| (key, message::one_line(&value, MAX_AUDIT)));
    entries.into_iter().filter_map(keep).collect()
}

fn joined(values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.join(", ")
}
