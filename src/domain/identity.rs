//! Who signed, as a certificate says it, and whom a policy accepts.
//!
//! Everything is compared byte by byte: an issuer with another case or a slash more is another issuer. Only a subject may be
//! given as a regular expression, and that must fit from its first byte to its last ([`SubjectRegExp`]).

mod claim;
mod regexp;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::reason::Rejection;
use super::text::{Foreign, foreign};

pub use claim::Claim;
pub use regexp::{RegExpError, SubjectRegExp};

/// Longest issuer, subject or claim of a policy, in bytes.
const MAX_TEXT: usize = 4096;

/// Who a verified certificate says its holder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerIdentity {
    /// The OIDC issuer that vouched for the subject; certificates of an own PKI have none.
    pub issuer: Option<String>,
    /// The one subject alternative name.
    pub subject: Subject,
    /// What the certificate says about the build.
    pub claims: BTreeMap<Claim, String>,
}

/// A subject alternative name. No value is one of two kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// How the certificate has it.
    pub kind: SubjectKind,
    /// The name.
    pub value: String,
}

/// The kinds of subject alternative names that can sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// An e-mail address: a person, or a service account.
    Email,
    /// A URI: a workflow, or a workload.
    Uri,
    /// Fulcio's name for a user without an address (`1.3.6.1.4.1.57264.1.7`): `user!domain`.
    Username,
    /// A DNS name: a host of an own PKI.
    Dns,
}

/// One identity that a policy accepts. A value names somebody: a subject that is not everybody, and for keyless signing also
/// who vouched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityPattern {
    issuer: Option<String>,
    subject: SubjectPattern,
    claims: BTreeMap<Claim, String>,
}

/// The subjects that an identity accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectPattern {
    /// This one.
    Exact(String),
    /// Those that fit in full.
    RegExp(SubjectRegExp),
}

/// The fields of an identity as a policy has them, before [`IdentityPattern`] has proven them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityParts {
    /// `issuer`
    pub issuer: Option<String>,
    /// `subject`
    pub subject: Option<String>,
    /// `subjectRegExp`
    pub subject_reg_exp: Option<String>,
    /// `claims`
    pub claims: BTreeMap<Claim, String>,
}

/// A field of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityField {
    /// `issuer`
    Issuer,
    /// `subject`
    Subject,
    /// One of `claims`.
    Claim(Claim),
}

/// Where an identity differs from the one that a policy accepts: the first field in the order issuer, subject, claims.
/// Both values are escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field.
    pub field: IdentityField,
    /// What the policy demands.
    pub expected: String,
    /// What the certificate says, if it says anything.
    pub found: Option<String>,
    /// How many bytes both begin with.
    common: usize,
}

/// Why the fields of a policy are no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A keyless identity without an issuer: whoever runs any accepted issuer could name the subject.
    #[error("is missing; name who vouches for the subject, such as https://token.actions.githubusercontent.com")]
    NoIssuer,
    /// Neither `subject` nor `subjectRegExp`: whoever has an account at the issuer could sign.
    #[error(
        "an identity has a subject or a subjectRegExp: without one, whoever has an account at the issuer could sign"
    )]
    NoSubject,
    /// Both `subject` and `subjectRegExp`.
    #[error("an identity has either subject or subjectRegExp, not both")]
    TwoSubjects,
    /// Nothing, or nothing but blanks.
    #[error("is blank")]
    Blank(IdentityField),
    /// What would accept everybody elsewhere. Here it would accept nobody.
    #[error("is \"{found}\", which no certificate says; it is compared byte by byte and has no wildcards")]
    Wildcard {
        /// Where.
        field: IdentityField,
        /// What it says, escaped.
        found: String,
    },
    /// Blanks around the value, or control characters in it.
    #[error("has blanks around it or control characters in it, and is compared byte by byte")]
    Blanks(IdentityField),
    /// More than any certificate would say.
    #[error("is longer than {MAX_TEXT} bytes")]
    TooLong(IdentityField),
    /// `subjectRegExp` is none that is accepted.
    #[error("{0}")]
    RegExp(#[from] RegExpError),
}

impl IdentityPattern {
    /// An identity that signs with a certificate of Fulcio: needs an issuer and a subject.
    pub fn keyless(parts: IdentityParts) -> Result<Self, IdentityError> {
        if parts.issuer.is_none() {
            return Err(IdentityError::NoIssuer);
        }
        Self::certificate(parts)
    }

    /// An identity that signs with a certificate of an own PKI, which vouches for the subject itself: needs a subject.
    pub fn certificate(parts: IdentityParts) -> Result<Self, IdentityError> {
        let issuer = parts.issuer.map(|issuer| exact(IdentityField::Issuer, issuer)).transpose()?;
        let subject = match (parts.subject, parts.subject_reg_exp) {
            (Some(subject), None) => SubjectPattern::Exact(exact(IdentityField::Subject, subject)?),
            (None, Some(source)) => SubjectPattern::RegExp(SubjectRegExp::parse(&source)?),
            (None, None) => return Err(IdentityError::NoSubject),
            (Some(_), Some(_)) => return Err(IdentityError::TwoSubjects),
        };
        let claim = |(claim, value)| Ok((claim, exact(IdentityField::Claim(claim), value)?));
        let claims = parts.claims.into_iter().map(claim).collect::<Result<_, IdentityError>>()?;
        Ok(Self { issuer, subject, claims })
    }

    /// The subjects that it accepts.
    pub fn subject(&self) -> &SubjectPattern {
        &self.subject
    }

    /// The claims that it demands.
    pub fn claims(&self) -> &BTreeMap<Claim, String> {
        &self.claims
    }

    /// Whether a signer is this identity.
    pub fn matches(&self, signer: &SignerIdentity) -> bool {
        self.issuer.as_deref().is_none_or(|issuer| signer.issuer.as_deref() == Some(issuer))
            && self.claims.iter().all(|(claim, value)| signer.claims.get(claim) == Some(value))
            && self.subject.matches(&signer.subject.value)
    }

    /// Where a signer differs from this identity; nothing when it is this one.
    pub fn mismatch(&self, signer: &SignerIdentity) -> Option<Mismatch> {
        let differs = |field, expected: &str, found: Option<&String>| {
            (found.map(String::as_str) != Some(expected)).then(|| Mismatch::new(field, expected, found))
        };
        if let Some(issuer) = &self.issuer
            && let Some(mismatch) = differs(IdentityField::Issuer, issuer, signer.issuer.as_ref())
        {
            return Some(mismatch);
        }
        if !self.subject.matches(&signer.subject.value) {
            return Some(self.subject.mismatch(&signer.subject.value));
        }
        self.claims
            .iter()
            .find_map(|(claim, value)| differs(IdentityField::Claim(*claim), value, signer.claims.get(claim)))
    }

    /// The first of several identities that a signer is, or how it differs from the nearest one.
    pub fn accept<'p>(patterns: &'p [Self], signer: &SignerIdentity) -> Result<&'p Self, Rejection> {
        if let Some(pattern) = patterns.iter().find(|pattern| pattern.matches(signer)) {
            return Ok(pattern);
        }
        let nearest = patterns.iter().filter_map(|pattern| pattern.mismatch(signer)).min_by_key(Mismatch::distance);
        Err(nearest.map_or_else(
            || Rejection::PolicyError("an authority accepts certificates but names no identity".to_owned()),
            Rejection::IdentityMismatch,
        ))
    }

    /// What is legal here but hardly meant, each with the field that it is about.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = match &self.subject {
            SubjectPattern::Exact(subject) => exact_warning("subject", subject, "use subjectRegExp to accept several"),
            SubjectPattern::RegExp(regexp) => {
                regexp.warnings().into_iter().map(|warning| format!("subjectRegExp: {warning}")).collect()
            }
        };
        let exact = "leave wildcards out";
        warnings.extend(self.issuer.iter().flat_map(|issuer| exact_warning("issuer", issuer, exact)));
        warnings.extend(
            self.claims.iter().flat_map(|(claim, value)| exact_warning(&format!("claims.{claim}"), value, exact)),
        );
        warnings
    }
}

/// `subject (issuer …)`, as a denial names it.
impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            SubjectPattern::Exact(subject) => Foreign(subject).fmt(f)?,
            SubjectPattern::RegExp(regexp) => Foreign(regexp.as_str()).fmt(f)?,
        }
        match &self.issuer {
            Some(issuer) => write!(f, " (issuer {})", Foreign(issuer)),
            None => Ok(()),
        }
    }
}

impl SubjectPattern {
    /// Whether it accepts one subject only.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    /// Whether it accepts a subject.
    pub fn matches(&self, subject: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == subject,
            Self::RegExp(regexp) => regexp.matches(subject),
        }
    }

    fn mismatch(&self, subject: &str) -> Mismatch {
        let found = Some(foreign(subject));
        match self {
            Self::Exact(exact) => Mismatch {
                field: IdentityField::Subject,
                expected: foreign(exact),
                found,
                common: common(exact.as_bytes(), subject.as_bytes()),
            },
            Self::RegExp(regexp) => Mismatch {
                field: IdentityField::Subject,
                expected: format!("a full match of {}", Foreign(regexp.as_str())),
                found,
                common: common(regexp.prefix(), subject.as_bytes()),
            },
        }
    }
}

impl Mismatch {
    fn new(field: IdentityField, expected: &str, found: Option<&String>) -> Self {
        let common = found.map_or(0, |found| common(expected.as_bytes(), found.as_bytes()));
        Self { field, expected: foreign(expected), found: found.map(|found| foreign(found)), common }
    }

    /// The nearest of several mismatches has the least: only a claim differs before the subject does, and that before the
    /// issuer; of two alike the one with more in common.
    fn distance(&self) -> (u8, Reverse<usize>) {
        let rank = match self.field {
            IdentityField::Claim(_) => 0,
            IdentityField::Subject => 1,
            IdentityField::Issuer => 2,
        };
        (rank, Reverse(self.common))
    }
}

impl IdentityError {
    /// The field that it is about, below the identity; nothing when it is about several.
    pub fn path(&self) -> Option<String> {
        match self {
            Self::NoIssuer => Some("issuer".to_owned()),
            Self::NoSubject | Self::TwoSubjects => None,
            Self::RegExp(_) => Some("subjectRegExp".to_owned()),
            Self::Blank(field) | Self::Wildcard { field, .. } | Self::Blanks(field) | Self::TooLong(field) => {
                Some(match field {
                    IdentityField::Claim(claim) => format!("claims.{claim}"),
                    field => field.to_string(),
                })
            }
        }
    }
}

impl fmt::Display for IdentityField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer => f.write_str("issuer"),
            Self::Subject => f.write_str("subject"),
            Self::Claim(claim) => claim.fmt(f),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, expected, found, .. } = self;
        let Some(found) = found else {
            return write!(f, "the certificate has no {field}, and the policy demands {expected}");
        };
        write!(f, "the certificate's {field} is {found}, and the policy demands {expected}")?;
        if folded(found) == folded(expected) {
            f.write_str(" (compared byte by byte)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Foreign(&self.value).fmt(f)
    }
}

/// Who it is, in one line: `https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main (https://gitlab.com)`.
impl fmt::Display for SignerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.issuer {
            Some(issuer) => write!(f, "{} ({})", self.subject, Foreign(issuer)),
            None => self.subject.fmt(f),
        }
    }
}

/// A value that is compared byte by byte, and could be what a certificate says.
fn exact(field: IdentityField, value: String) -> Result<String, IdentityError> {
    let everything = |c: char| matches!(c, '*' | '.' | '+' | '?' | '^' | '$' | '/' | '(' | ')' | '|');
    match value.as_str() {
        text if text.len() > MAX_TEXT => Err(IdentityError::TooLong(field)),
        text if text.trim().is_empty() => Err(IdentityError::Blank(field)),
        text if text.chars().all(everything) => Err(IdentityError::Wildcard { field, found: foreign(text) }),
        text if text.trim() != text || text.contains(char::is_control) => Err(IdentityError::Blanks(field)),
        _ => Ok(value),
    }
}

/// Exact values that look as if they were meant to be patterns.
fn exact_warning(field: &str, value: &str, instead: &str) -> Vec<String> {
    let looks_like_pattern = value.contains(['*', '\\']) || value.starts_with('^') || value.ends_with('$');
    let warning =
        || format!("{field}: is compared byte by byte, and {} looks like a pattern; {instead}", Foreign(value));
    looks_like_pattern.then(warning).into_iter().collect()
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// What two values have in common that a person takes for the same.
fn folded(text: &str) -> String {
    text.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
