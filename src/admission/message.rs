//! What a person reads: in `kubectl`, in `terraform apply`, in the events of a ReplicaSet.
//!
//! A denial names the container and the image, the policy and the authority, what was looked for and what was found, and one
//! command that reproduces it. It is one line of at most 4 KiB without control characters, and identical for identical causes,
//! so that events aggregate: no time, no uid, no generated name.

use std::fmt::Write as _;

use crate::domain::text::Foreign;
use crate::domain::{BUILT_IN_ROOTS, Class, Rejection, Unavailable};
use crate::verifier::{
    AttestationOutcome, AttestationVerdict, AuthorityOutcome, AuthorityVerdict, Finding, ImageVerdict, PolicyOutcome,
    PolicyVerdict,
};

use super::handler::{PolicySource, Settings};
use super::images::ImageField;
use super::response::{Cause, Denial, Finality};
use super::subject::Subject;

/// Longest denial, in bytes.
const MAX_MESSAGE: usize = 4096;
/// Longest warning in characters; the API server cuts there.
const MAX_WARNING: usize = 256;
/// Most warnings: together at most 4 KiB, where the API server stops.
const MAX_WARNINGS: usize = 16;
/// Most machine-readable causes.
const MAX_CAUSES: usize = 32;
/// Longest reason of one authority, in characters. It may repeat several foreign strings.
const MAX_REASON: usize = 700;
/// Authorities and attestations that are named; the others are counted.
const MAX_AUTHORITIES: usize = 4;

/// One reason against one image, with all containers that it is about.
#[derive(Clone, Debug)]
pub(super) struct Objection<'a> {
    /// The fields; several where containers share an image. Never empty.
    pub(super) fields: Vec<&'a ImageField>,
    /// What was found out about the image.
    pub(super) verdict: &'a ImageVerdict,
    /// The policy that objects, where it is a policy.
    pub(super) policy: Option<&'a str>,
    /// The reason.
    pub(super) finding: Finding,
}

impl Objection<'_> {
    /// Whether it is about the object as a whole; the image is then only one of many.
    pub(super) fn is_about_the_object(&self) -> bool {
        matches!(self.finding, Finding::Rejected(Rejection::TooManyImages { .. }))
    }
}

/// A denial of an object whose images are not to blame, or can't be told.
pub(super) fn refusal(rejection: &Rejection) -> Denial {
    plain_denial(Finality::Rejected, rejection.code(), &rejection.to_string())
}

/// A denial because an answer could not be had at all.
pub(super) fn unavailable(cause: &Unavailable) -> Denial {
    plain_denial(Finality::Unavailable, cause.code(), &unavailable_words(cause))
}

fn plain_denial(finality: Finality, code: &str, text: &str) -> Denial {
    let message = one_line(&format!("{text} [{code}]"), MAX_MESSAGE);
    let cause = Cause { reason: code.into(), message: one_line(text, MAX_WARNING), field: String::new() };
    Denial { finality, message, causes: vec![cause] }
}

/// The denial for these objections, of which there is at least one. Rejections come first, and one is enough for a 403.
pub(super) fn denial(objections: &[Objection<'_>], subject: &Subject, settings: &Settings) -> Denial {
    let rejected = objections.iter().any(|o| o.finding.is_rejection());
    let (no, perhaps): (Vec<_>, Vec<_>) = objections.iter().partition(|o| o.finding.is_rejection());
    let ordered = || no.iter().chain(&perhaps).copied();
    let finality = if rejected { Finality::Rejected } else { Finality::Unavailable };
    Denial {
        finality,
        message: text(&ordered().collect::<Vec<_>>(), finality, &subject.context.namespace, settings),
        causes: ordered().take(MAX_CAUSES).map(|o| cause(o, &subject.pod_spec)).collect(),
    }
}

fn text(objections: &[&Objection<'_>], finality: Finality, namespace: &str, settings: &Settings) -> String {
    let mut tail = String::new();
    if finality == Finality::Unavailable {
        tail.push_str(". This is no verdict about the image: try again");
    }
    if let Some(command) = objections.iter().find_map(|o| command(o, namespace, settings)) {
        tail = format!("{tail}. To reproduce: {command}");
    }
    let room = MAX_MESSAGE.saturating_sub(tail.len()).saturating_sub(24);
    let mut message = String::new();
    for (told, objection) in objections.iter().enumerate() {
        let entry = one_line(&sentence(objection), MAX_MESSAGE);
        if told > 0 && message.len().saturating_add(entry.len()) > room {
            let _ = write!(message, ". And {} more", objections.len().saturating_sub(told));
            break;
        }
        let separator = if told == 0 { "" } else { ". " };
        message = one_line(&format!("{message}{separator}{entry}"), room);
    }
    one_line(&format!("{message}{tail}"), MAX_MESSAGE)
}

/// The warnings for these objections.
pub(super) fn warnings<'a>(objections: impl IntoIterator<Item = &'a Objection<'a>>) -> Vec<String> {
    let lines = objections.into_iter().map(|o| format!("sealgate: {}", sentence(o))).collect();
    fit_warnings(lines)
}

/// A warning about an image that can't be judged in a template.
pub(super) fn template_note(field: &ImageField) -> String {
    let what = if field.is_blank() { "has no image yet".into() } else { format!("has the image \"{}\"", field.image) };
    format!("sealgate: {field} {what}; it is verified when a pod is made")
}

/// At most 16 lines of at most 256 characters.
pub(super) fn fit_warnings(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MAX_WARNINGS.saturating_sub(1));
    if lines.len() > MAX_WARNINGS {
        lines.truncate(MAX_WARNINGS.saturating_sub(1));
        lines.push(format!("sealgate: and {more} more warnings"));
    }
    lines.iter().map(|line| one_line(line, MAX_WARNING)).collect()
}

fn cause(objection: &Objection<'_>, pod_spec: &[String]) -> Cause {
    Cause {
        reason: objection.finding.code().into(),
        message: one_line(&reason(objection), MAX_WARNING),
        field: objection.fields.first().map(|f| one_line(&f.path(pod_spec), MAX_WARNING)).unwrap_or_default(),
    }
}

/// `container "web": image "ghcr.io/acme/app:1" is not signed as policy "ci" demands [NO_SIGNATURE]: authority "key" looked for ...`
///
/// What matters most comes first: a warning ends after 256 characters.
fn sentence(objection: &Objection<'_>) -> String {
    let Objection { fields, verdict, policy, finding } = objection;
    if objection.is_about_the_object() {
        return format!("{} [{}]", reason(objection), finding.code());
    }
    let mut containers: Vec<_> = fields.iter().take(MAX_AUTHORITIES).map(ToString::to_string).collect();
    if let Some(more @ 1..) = fields.len().checked_sub(MAX_AUTHORITIES) {
        containers.push(format!("{more} more"));
    }
    let containers = containers.join(", ");
    let (image, says, reason) = (Foreign(&verdict.written), says(finding, *policy), reason(objection));
    let digest = resolved(verdict, &reason);
    format!("{containers}: image \"{image}\" {says} [{}]: {reason}{digest}", finding.code())
}

/// The digest that the tag had, where nothing else tells it.
fn resolved(verdict: &ImageVerdict, reason: &str) -> String {
    let by_tag = verdict.reference.as_ref().is_some_and(|reference| reference.digest().is_none());
    match &verdict.digest {
        Some(digest) if by_tag && !reason.contains(&digest.hex()) => format!(" (the tag is {digest})"),
        _ => String::new(),
    }
}

/// What kind of objection it is, in words that go on with the reason.
fn says(finding: &Finding, policy: Option<&str>) -> String {
    let named = policy.map(|name| format!("policy \"{}\"", Foreign(name)));
    match (finding, named) {
        (Finding::Unavailable(_), Some(policy)) => format!("could not be checked against {policy}"),
        (Finding::Unavailable(_), None) => "could not be checked".into(),
        (
            Finding::Rejected(
                Rejection::AttestationUnjudged { .. }
                | Rejection::ImageNotFound
                | Rejection::PolicyError(_)
                | Rejection::StaticDeny,
            ),
            Some(policy),
        ) => {
            format!("is refused by {policy}")
        }
        (Finding::Rejected(rejection), Some(policy)) if rejection.class() == Class::Attestation => {
            format!("is not attested as {policy} demands")
        }
        (Finding::Rejected(_), Some(policy)) => format!("is not signed as {policy} demands"),
        (Finding::Rejected(_), None) => "is refused".into(),
    }
}

/// What each authority looked for and found, and each demanded attestation, or the reason that needs neither.
fn reason(objection: &Objection<'_>) -> String {
    let told = judged_by(objection).map(objecting).unwrap_or_default();
    if told.is_empty() || objection.finding == Finding::Rejected(Rejection::ImageNotFound) {
        return one_line(&words(&objection.finding), MAX_REASON);
    }
    let more = told.len().saturating_sub(MAX_AUTHORITIES);
    let mut parts: Vec<_> = told.into_iter().take(MAX_AUTHORITIES).collect();
    if more > 0 {
        parts.push(format!("and {more} more reasons"));
    }
    parts.join("; ")
}

fn words(finding: &Finding) -> String {
    match finding {
        Finding::Rejected(rejection) => rejection.to_string(),
        Finding::Unavailable(cause) => unavailable_words(cause),
    }
}

/// Details are for the log: an answer reaches whoever posted the review.
fn unavailable_words(cause: &Unavailable) -> String {
    match cause.detail() {
        Some(_) => format!("{cause} (sealgate's log has the details)"),
        None => cause.to_string(),
    }
}

/// The verdict of the policy that objects, where it is a policy.
fn judged_by<'a>(objection: &Objection<'a>) -> Option<&'a PolicyVerdict> {
    let policies = objection.verdict.basis.policies();
    policies.iter().find(|policy| Some(&*policy.policy) == objection.policy)
}

/// What does not satisfy a policy: authorities, unless enough others vouch, and attestations. Nothing where the reason is not
/// theirs.
fn objecting(policy: &PolicyVerdict) -> Vec<String> {
    let is_signed = matches!(policy.signatures, Some(PolicyOutcome::Accepted { .. }));
    let authorities = policy.authorities.iter().filter(|_| !is_signed).filter_map(authority_says);
    authorities.chain(policy.attestations.iter().filter_map(attestation_says)).collect()
}

/// A reason that names the key, or both identities, already says what was looked for.
fn authority_says(authority: &AuthorityVerdict) -> Option<String> {
    let (why, is_complete) = match &authority.outcome {
        AuthorityOutcome::Rejected(rejection) => {
            (rejection.to_string(), matches!(rejection, Rejection::IdentityMismatch(_)))
        }
        AuthorityOutcome::Unavailable(cause) => (unavailable_words(cause), false),
        AuthorityOutcome::Verified(_) | AuthorityOutcome::Trusted => return None,
    };
    let (name, why) = (Foreign(&authority.name), one_line(&why, MAX_REASON));
    Some(match &authority.seeks {
        Some(seeks) if !is_complete && !why.contains(seeks.as_str()) => {
            format!("authority \"{name}\" looked for a signature by {seeks}: {why}")
        }
        _ => format!("authority \"{name}\": {why}"),
    })
}

/// A reason of class attestation names the attestation itself.
fn attestation_says(attestation: &AttestationVerdict) -> Option<String> {
    let (finding, why) = match &attestation.outcome {
        AttestationOutcome::Satisfied(_) => return None,
        AttestationOutcome::Rejected(rejection) => (Some(rejection.class()), rejection.to_string()),
        AttestationOutcome::Unavailable(cause) => (None, unavailable_words(cause)),
    };
    let why = one_line(&why, MAX_REASON);
    if matches!(finding, Some(Class::Attestation | Class::PolicyError)) {
        return Some(why);
    }
    let (name, predicate_type) = (Foreign(&attestation.name), Foreign(&attestation.predicate_type));
    Some(format!("attestation \"{name}\" (type {predicate_type}): {why}"))
}

/// The command that asks the same question from a laptop. Only what a shell takes as one word goes into it unquoted.
///
/// One policy by its name is asked wherever it governs, with the trusted roots that it names; of several, those count that govern
/// the namespace.
fn command(objection: &Objection<'_>, namespace: &str, settings: &Settings) -> Option<String> {
    let image = shell_word(&objection.verdict.written)?;
    let (policies, file) = match (&settings.policies, objection.policy.and_then(shell_word)) {
        (PolicySource::Cluster, Some(policy)) => (format!("{} | ", get(&policy, objection)?), "-".to_owned()),
        (PolicySource::Cluster, None) => ("kubectl get csigpol -o yaml | ".to_owned(), "-".to_owned()),
        (PolicySource::Folder(folder), _) => (String::new(), shell_word(folder)?),
    };
    let mut command = format!("{policies}sealgate verify {image} --policy {file}");
    if objection.policy.is_none() {
        let _ = write!(command, " --namespace {}", shell_word(namespace)?);
    }
    let host = objection.verdict.reference.as_ref().map(|reference| reference.repository().host());
    if host.is_some_and(|host| settings.plain_http.contains(host)) {
        command.push_str(" --allow-http-registry");
    }
    Some(command)
}

/// The policy from the cluster, with the trusted roots that only the cluster has.
fn get(policy: &str, objection: &Objection<'_>) -> Option<String> {
    let named = judged_by(objection).map(|policy| &*policy.trusted_roots).unwrap_or_default();
    let own: Vec<_> = named.iter().filter(|name| !BUILT_IN_ROOTS.contains(&&***name)).collect();
    if own.is_empty() {
        return Some(format!("kubectl get csigpol {policy} -o yaml"));
    }
    let mut command = format!("kubectl get csigpol/{policy}");
    for name in own {
        let _ = write!(command, " troot/{}", shell_word(name)?);
    }
    command.push_str(" -o yaml");
    Some(command)
}

fn shell_word(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+=,".contains(&b);
    let printable = |b: u8| b == b' ' || b.is_ascii_graphic();
    match text.as_bytes() {
        [] => None,
        bytes if text.len() > 600 || !bytes.iter().copied().all(printable) => None,
        [first, ..] if *first != b'-' && text.bytes().all(plain) => Some(text.to_owned()),
        [b'-', ..] => None,
        _ => Some(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

/// The text without control characters, cut to `limit` bytes.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.len() <= limit {
        return clean;
    }
    let mark = "…";
    let end = clean.floor_char_boundary(limit.saturating_sub(mark.len()));
    format!("{}{mark}", clean.get(..end).unwrap_or_default())
}
