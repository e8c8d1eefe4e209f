//! The answer as the API server reads it. Own types: `kube`'s write the patch as numbers instead of base64.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::patch::Replacement;
use super::review::{API_VERSION, KIND, Refusal};

/// Largest patch; 64 images in 500 containers need a fifth of it.
const MAX_PATCH: usize = 1 << 20;

/// What is written to the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// An AdmissionReview, or for what is no review perhaps a plain sentence.
    pub body: Vec<u8>,
    /// The type of the body.
    pub content_type: &'static str,
}

/// The answer to one review, before it has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Whether the object may be stored.
    pub allowed: bool,
    /// Why not.
    pub denial: Option<Denial>,
    /// What is changed in the object.
    pub patch: Vec<Replacement>,
    /// What the user is told although it is allowed.
    pub warnings: Vec<String>,
    /// What the API server writes to its audit log.
    pub audit: BTreeMap<&'static str, String>,
}

/// Why an object is not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Whether this is final or worth another try.
    pub finality: Finality,
    /// The text that the user sees.
    pub message: String,
    /// The same in parts.
    pub causes: Vec<Cause>,
}

/// Whether a denial is a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// A definite no: 403.
    Rejected,
    /// Could not find out: 503, and never a hint when to retry, which the API server would follow until its deadline.
    Unavailable,
}

/// One reason, as `status.details.causes` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The stable code.
    pub reason: String,
    /// The reason in words.
    pub message: String,
    /// The field.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

impl Response {
    /// Allowed, with nothing to add.
    pub fn allow() -> Self {
        Self { allowed: true, denial: None, patch: Vec::new(), warnings: Vec::new(), audit: BTreeMap::new() }
    }

    /// Refused.
    pub fn deny(denial: Denial) -> Self {
        Self { allowed: false, denial: Some(denial), ..Self::allow() }
    }

    /// The bytes, or nothing where they could not be made.
    pub fn write(&self, uid: &str) -> Option<Vec<u8>> {
        let patch = match self.patch.as_slice() {
            [] => None,
            patch => Some(serde_json::to_vec(patch).ok().filter(|p| p.len() <= MAX_PATCH).map(|p| STANDARD.encode(p))?),
        };
        let status = self.denial.as_ref().map(|denial| Status {
            outcome: "Failure",
            message: &denial.message,
            reason: denial.finality.reason(),
            code: denial.finality.code(),
            details: Details { causes: &denial.causes },
        });
        let body = Body {
            uid,
            allowed: self.allowed,
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
            status,
            warnings: &self.warnings,
            audit_annotations: &self.audit,
        };
        serde_json::to_vec(&Envelope { api_version: API_VERSION, kind: KIND, response: body }).ok()
    }
}

impl Answer {
    /// A review's answer.
    pub fn review(body: Vec<u8>) -> Self {
        Self { status: 200, body, content_type: "application/json" }
    }

    /// No answer to the review: HTTP 503, so that the webhook's `failurePolicy` decides.
    pub(super) fn unavailable(text: String) -> Self {
        Self { status: 503, body: text.into_bytes(), content_type: "text/plain; charset=utf-8" }
    }

    /// What is no review: HTTP 400, and still an AdmissionReview where its uid could be read.
    pub fn malformed(refusal: &Refusal) -> Self {
        let message = refusal.to_string();
        let review = refusal.uid.as_deref().and_then(|uid| {
            let denial = Denial { finality: Finality::Rejected, message: message.clone(), causes: Vec::new() };
            Response::deny(denial).write(uid)
        });
        match review {
            Some(body) => Self { status: 400, ..Self::review(body) },
            None => Self { status: 400, body: message.into_bytes(), content_type: "text/plain; charset=utf-8" },
        }
    }
}

impl Finality {
    fn code(self) -> u16 {
        match self {
            Self::Rejected => 403,
            Self::Unavailable => 503,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Rejected => "Forbidden",
            Self::Unavailable => "ServiceUnavailable",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Body<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(rename = "status")]
    outcome: &'static str,
    message: &'a str,
    reason: &'static str,
    code: u16,
    #[serde(skip_serializing_if = "Details::is_empty")]
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    causes: &'a [Cause],
}

impl Details<'_> {
    fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }
}

#[cfg(test)]
mod tests;
