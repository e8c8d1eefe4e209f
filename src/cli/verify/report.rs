//! What `sealgate verify` answers, as data. The fields are stable: programs read them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::{ACCEPTED, REJECTED, UNDECIDED};
use crate::domain::text::Foreign;
use crate::domain::{Finding, SignerIdentity};
use crate::policy::{
    Answer, AttestationOutcome, AttestationVerdict, AuthorityOutcome, AuthorityVerdict, Examined, ImageVerdict,
    PolicyOutcome, PolicyVerdict, Unread,
};
use crate::signatures::{Proof, Signatory};

/// The answer about all images.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// One an image, in the order of the question.
    pub(super) images: Vec<ImageReport>,
}

/// The answer about one image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageReport {
    /// As written.
    pub(super) image: String,
    /// The digest that was judged.
    pub(super) digest: Option<String>,
    /// What all policies together say.
    pub(super) verdict: Verdict,
    /// Why, where no policy said it.
    pub(super) reason: Option<Reason>,
    /// What each policy says.
    pub(super) policies: Vec<PolicyReport>,
    /// What was looked at.
    pub(super) found: Vec<FoundReport>,
    /// What could not be read.
    pub(super) unread: Vec<UnreadReport>,
}

/// The three answers. The order is that in which they outweigh each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Every policy accepts.
    Accepted,
    /// Could not find out.
    Unavailable,
    /// A definite no.
    Rejected,
}

/// Why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Reason {
    /// The stable code.
    pub(super) code: &'static str,
    /// For people.
    pub(super) message: String,
}

/// What one policy says.
#[derive(Debug, Serialize)]
pub(super) struct PolicyReport {
    /// Its name.
    pub(super) name: String,
    /// What it would do.
    pub(super) mode: &'static str,
    /// What it says.
    pub(super) verdict: Verdict,
    /// Why.
    pub(super) reason: Option<Reason>,
    /// What its authorities say.
    pub(super) authorities: Vec<AuthorityReport>,
    /// What was found of the attestations that it demands.
    pub(super) attestations: Vec<AttestationReport>,
}

/// What one authority says.
#[derive(Debug, Serialize)]
pub(super) struct AuthorityReport {
    /// Its name.
    pub(super) name: String,
    /// Whose signatures it looked for.
    pub(super) seeks: Option<String>,
    /// What it says.
    pub(super) verdict: Verdict,
    /// Why.
    pub(super) reason: Option<Reason>,
    /// The signature by which it accepts.
    pub(super) signature: Option<SignatureReport>,
}

/// A signature that was verified.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignatureReport {
    /// The key: algorithm and fingerprint.
    key: Option<String>,
    /// Whom the certificate names.
    identity: Option<IdentityReport>,
    /// Proven entries of transparency logs: log and index.
    log_entries: Vec<String>,
    /// Proven times at which the signature was there, RFC 3339.
    times: Vec<String>,
}

/// Whom a certificate names.
#[derive(Debug, Serialize)]
struct IdentityReport {
    /// The OIDC issuer; certificates of an own PKI have none.
    issuer: Option<String>,
    /// The subject alternative name.
    subject: String,
    /// What it says about the build.
    claims: BTreeMap<&'static str, String>,
}

/// What was found of one demanded attestation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttestationReport {
    /// The name of the demand.
    pub(super) name: String,
    /// What it is a statement of.
    pub(super) predicate_type: String,
    /// The answer.
    pub(super) verdict: Verdict,
    /// Why.
    pub(super) reason: Option<Reason>,
    /// The authority that states it.
    pub(super) authority: Option<String>,
    /// The signature by which it is accepted.
    pub(super) signature: Option<SignatureReport>,
}

/// Signature material.
#[derive(Debug, Serialize)]
pub(super) struct FoundReport {
    /// The repository in which it lies.
    pub(super) repository: String,
    /// Where in it.
    pub(super) place: String,
    /// How it is stored.
    pub(super) form: String,
    /// The manifest that lists it.
    pub(super) manifest: String,
    /// What each authority made of it.
    pub(super) answers: Vec<AnswerReport>,
}

/// What one authority made of one piece of signature material.
#[derive(Debug, Serialize)]
pub(super) struct AnswerReport {
    /// The policy.
    pub(super) policy: String,
    /// The authority.
    pub(super) authority: String,
    /// The demanded attestation; nothing for a signature of the image.
    pub(super) attestation: Option<String>,
    /// Whether it counts.
    pub(super) counts: bool,
    /// Why not.
    pub(super) reason: Option<Reason>,
}

/// Something that could not be read.
#[derive(Debug, Serialize)]
pub(super) struct UnreadReport {
    /// The repository.
    pub(super) repository: String,
    /// Where in it.
    pub(super) place: Option<String>,
    /// Why.
    pub(super) reason: Reason,
}

impl Report {
    pub(super) fn new(verdicts: &[ImageVerdict]) -> Self {
        Self { images: verdicts.iter().map(ImageReport::new).collect() }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self.images.iter().map(|image| image.verdict).max() {
            None | Some(Verdict::Accepted) => ACCEPTED,
            Some(Verdict::Rejected) => REJECTED,
            Some(Verdict::Unavailable) => UNDECIDED,
        }
    }
}

impl ImageReport {
    fn new(verdict: &ImageVerdict) -> Self {
        let policies: Vec<_> = verdict.basis.policies().iter().map(PolicyReport::new).collect();
        let alone = verdict.basis.alone().map(|(_, finding)| finding);
        let said = policies.iter().map(|policy: &PolicyReport| policy.verdict);
        Self {
            image: verdict.written.clone(),
            digest: verdict.digest.map(|digest| digest.to_string()),
            verdict: said.chain(alone.as_ref().map(verdict_of)).max().unwrap_or(Verdict::Accepted),
            reason: alone.as_ref().map(Reason::new),
            policies,
            found: verdict.report.examined.iter().map(FoundReport::new).collect(),
            unread: verdict.report.unread.iter().map(UnreadReport::new).collect(),
        }
    }
}

fn verdict_of(finding: &Finding) -> Verdict {
    if finding.is_rejection() { Verdict::Rejected } else { Verdict::Unavailable }
}

impl Reason {
    pub(super) fn new(finding: &Finding) -> Self {
        let message = match finding {
            Finding::Rejected(rejection) => rejection.to_string(),
            Finding::Unavailable(cause) => match cause.detail() {
                Some(detail) => format!("{cause} ({detail})"),
                None => cause.to_string(),
            },
        };
        Self { code: finding.code(), message }
    }
}

impl PolicyReport {
    fn new(policy: &PolicyVerdict) -> Self {
        let finding = policy.finding();
        Self {
            name: policy.policy.to_string(),
            mode: policy.mode.as_str(),
            verdict: match &policy.outcome {
                PolicyOutcome::Accepted { .. } => Verdict::Accepted,
                PolicyOutcome::Rejected(_) => Verdict::Rejected,
                PolicyOutcome::Unavailable(_) => Verdict::Unavailable,
            },
            reason: finding.as_ref().map(Reason::new),
            authorities: policy.authorities.iter().map(AuthorityReport::new).collect(),
            attestations: policy.attestations.iter().map(AttestationReport::new).collect(),
        }
    }
}

impl AuthorityReport {
    fn new(authority: &AuthorityVerdict) -> Self {
        let finding = finding_of(&authority.outcome);
        let signature = match &authority.outcome {
            AuthorityOutcome::Verified(signature) => Some(SignatureReport::new(signature.signer(), signature.proof())),
            _ => None,
        };
        Self {
            name: authority.name.to_string(),
            seeks: authority.seeks.clone(),
            verdict: finding.as_ref().map_or(Verdict::Accepted, verdict_of),
            reason: finding.as_ref().map(Reason::new),
            signature,
        }
    }
}

impl SignatureReport {
    pub(super) fn new(signer: &Signatory, proof: &Proof) -> Self {
        let (key, identity) = match signer {
            Signatory::Key(key) => (Some(key.clone()), None),
            Signatory::Keyless(identity) | Signatory::Certificate(identity) => {
                (None, Some(IdentityReport::new(identity)))
            }
        };
        Self {
            key,
            identity,
            log_entries: proof.log_entries.clone(),
            times: proof.times.iter().map(ToString::to_string).collect(),
        }
    }

    /// Who made it, on one line.
    pub(super) fn by(&self) -> String {
        let issued = |identity: &IdentityReport| match &identity.issuer {
            Some(issuer) => format!("{}, issuer {}", Foreign(&identity.subject), Foreign(issuer)),
            None => Foreign(&identity.subject).to_string(),
        };
        self.key.clone().or_else(|| self.identity.as_ref().map(issued)).unwrap_or_default()
    }

    /// What was proven beside it, on one line.
    pub(super) fn proven(&self) -> String {
        let logs = self.log_entries.iter().map(|entry| format!("log entry {entry}"));
        let times = self.times.iter().map(|time| format!("signed by {time}"));
        let all: Vec<String> = logs.chain(times).collect();
        if all.is_empty() { "the signature alone, no log entry and no time".to_owned() } else { all.join(", ") }
    }
}

impl IdentityReport {
    fn new(identity: &SignerIdentity) -> Self {
        Self {
            issuer: identity.issuer.clone(),
            subject: identity.subject.value.clone(),
            claims: identity.claims.iter().map(|(claim, value)| (claim.name(), value.clone())).collect(),
        }
    }
}

impl AttestationReport {
    fn new(attestation: &AttestationVerdict) -> Self {
        let finding = match &attestation.outcome {
            AttestationOutcome::Satisfied(_) => None,
            AttestationOutcome::Rejected(rejection) => Some(Finding::Rejected(rejection.clone())),
            AttestationOutcome::Unavailable(cause) => Some(Finding::Unavailable(cause.clone())),
        };
        let stated = match &attestation.outcome {
            AttestationOutcome::Satisfied(stated) => Some(stated),
            AttestationOutcome::Rejected(_) | AttestationOutcome::Unavailable(_) => None,
        };
        Self {
            name: attestation.name.to_string(),
            predicate_type: attestation.predicate_type.clone(),
            verdict: finding.as_ref().map_or(Verdict::Accepted, verdict_of),
            reason: finding.as_ref().map(Reason::new),
            authority: stated.map(|stated| stated.authority.to_string()),
            signature: stated.map(|stated| SignatureReport::new(&stated.signer, &stated.proof)),
        }
    }
}

fn finding_of(outcome: &AuthorityOutcome) -> Option<Finding> {
    match outcome {
        AuthorityOutcome::Verified(_) | AuthorityOutcome::Trusted => None,
        AuthorityOutcome::Rejected(rejection) => Some(Finding::Rejected(rejection.clone())),
        AuthorityOutcome::Unavailable(cause) => Some(Finding::Unavailable(cause.clone())),
    }
}

impl FoundReport {
    fn new(found: &Examined) -> Self {
        Self {
            repository: found.repository.to_string(),
            place: found.origin.place.to_string(),
            form: found.form.to_string(),
            manifest: found.origin.manifest.to_string(),
            answers: found.answers.iter().map(AnswerReport::new).collect(),
        }
    }
}

impl AnswerReport {
    fn new(answer: &Answer) -> Self {
        Self {
            policy: answer.policy.to_string(),
            authority: answer.authority.to_string(),
            attestation: answer.attestation.as_ref().map(ToString::to_string),
            counts: answer.result.is_ok(),
            reason: answer.result.as_ref().err().map(Reason::new),
        }
    }
}

impl UnreadReport {
    fn new(unread: &Unread) -> Self {
        Self {
            repository: unread.repository.to_string(),
            place: unread.place.map(|place| place.to_string()),
            reason: Reason::new(&Finding::Unavailable(unread.cause.clone())),
        }
    }
}
