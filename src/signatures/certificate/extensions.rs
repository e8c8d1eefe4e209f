//! The extensions of a certificate that name its holder.

use std::collections::{BTreeMap, BTreeSet};

use spki::ObjectIdentifier;
use spki::der::asn1::{Ia5StringRef, Utf8StringRef};
use spki::der::{Decode, Tag, Tagged};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use super::invalid;
use crate::domain::{Claim, Rejection, SignerIdentity, Subject, SubjectKind};

/// RFC 5280, section 4.2.1.6.
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// What Fulcio adds: number 1 is the issuer as raw bytes, 7 is the type of a username, 8 the issuer as a DER string.
const FULCIO: &str = "1.3.6.1.4.1.57264.1";
const ISSUER_V1: u32 = 1;
const ISSUER_V2: u32 = 8;
const USERNAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// Longest name or claim, in bytes: several times what any issuer writes.
const MAX_TEXT: usize = 8192;

/// Whom the extensions name.
pub(super) fn identity(extensions: &[Extension]) -> Result<SignerIdentity, Rejection> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = extensions.iter().find(|extension| !seen.insert(extension.extn_id)) {
        return Err(invalid(format!("has the extension {} twice", twice.extn_id)));
    }
    // An OID that is encoded with padding reads as the one without, and is another one for whoever compares bytes (X.690, 8.19.2).
    if let Some(padded) = extensions.iter().find(|extension| is_padded(extension.extn_id)) {
        return Err(invalid(format!("has an extension whose name {} is not DER", padded.extn_id)));
    }
    let mut claims = BTreeMap::new();
    let (mut issuer_v1, mut issuer_v2, mut subject) = (None, None, None);
    for extension in extensions {
        let bytes = extension.extn_value.as_bytes();
        if extension.extn_id == SUBJECT_ALT_NAME {
            subject = Some(self::subject(bytes)?);
        }
        match fulcio_arc(extension.extn_id) {
            Some(ISSUER_V1) => issuer_v1 = Some(text("issuer", bytes)?),
            Some(ISSUER_V2) => issuer_v2 = Some(der_text("issuer", bytes)?),
            Some(arc) => {
                if let Some(claim) = Claim::from_arc(arc) {
                    claims.insert(claim, der_text(claim.name(), bytes)?);
                }
            }
            None => {}
        }
    }
    let issuer = match (issuer_v1, issuer_v2) {
        (Some(old), Some(new)) if old != new => {
            return Err(invalid(format!("names two issuers, {old} and {new}")));
        }
        (old, new) => new.or(old),
    };
    let subject = subject.ok_or_else(|| invalid("names nobody: it has no subject alternative name"))?;
    Ok(SignerIdentity { issuer, subject, claims })
}

fn subject(bytes: &[u8]) -> Result<Subject, Rejection> {
    if bytes.len() > MAX_TEXT {
        let (what, found) = ("bytes in the certificate's subject alternative name", bytes.len());
        return Err(Rejection::SignatureLimit { what, found, limit: MAX_TEXT });
    }
    let names = SubjectAltName::from_der(bytes).map_err(|e| invalid(format!("has an unreadable name: {e}")))?.0;
    let [name] = names.as_slice() else {
        return Err(invalid(format!("has {} subject alternative names; expected one", names.len())));
    };
    let (kind, value) = match name {
        GeneralName::Rfc822Name(email) => (SubjectKind::Email, email.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(uri) => (SubjectKind::Uri, uri.as_str().to_owned()),
        GeneralName::DnsName(dns) => (SubjectKind::Dns, dns.as_str().to_owned()),
        GeneralName::OtherName(other) if other.type_id == USERNAME => (SubjectKind::Username, username(other)?),
        _ => return Err(invalid("has a subject alternative name of a kind that is not accepted")),
    };
    if value.is_empty() {
        return Err(invalid("has an empty subject alternative name"));
    }
    // Policies name the value alone: its form is its kind, so that no authority lets one pass for another.
    let has_scheme = value.contains("://");
    let has_domain = value.contains('@');
    match kind {
        SubjectKind::Email if !has_domain || has_scheme => Err(invalid("has an e-mail address that is none")),
        SubjectKind::Uri if !value.contains(':') || has_domain && !has_scheme => Err(invalid("has a URI that is none")),
        SubjectKind::Dns if !value.chars().all(|c| c.is_ascii_alphanumeric() || "-._*".contains(c)) => {
            Err(invalid("has a DNS name that is none"))
        }
        // Fulcio refuses the first of these as well. With a colon it could be a URI.
        SubjectKind::Username if has_domain || value.contains(':') || !value.contains('!') => {
            Err(invalid("has a username that is none (user!domain)"))
        }
        kind => Ok(Subject { kind, value }),
    }
}

fn username(other: &OtherName) -> Result<String, Rejection> {
    let unreadable = || invalid("has an unreadable username");
    match other.value.tag() {
        Tag::Utf8String => other.value.decode_as::<Utf8StringRef<'_>>().map(|s| s.as_str().to_owned()),
        Tag::Ia5String => other.value.decode_as::<Ia5StringRef<'_>>().map(|s| s.as_str().to_owned()),
        _ => return Err(unreadable()),
    }
    .map_err(|_| unreadable())
}

/// Whether one of the numbers of an OID begins with zeros.
fn is_padded(oid: ObjectIdentifier) -> bool {
    let bytes = oid.as_bytes();
    let begins =
        |at: usize| at.checked_sub(1).is_none_or(|before| bytes.get(before).is_some_and(|byte| byte & 0x80 == 0));
    bytes.iter().enumerate().any(|(at, byte)| *byte == 0x80 && begins(at))
}

fn fulcio_arc(oid: ObjectIdentifier) -> Option<u32> {
    oid.to_string().strip_prefix(FULCIO)?.strip_prefix('.')?.parse().ok()
}

/// Raw UTF-8, as the oldest extensions have it.
fn text(what: &str, bytes: &[u8]) -> Result<String, Rejection> {
    if bytes.len() > MAX_TEXT {
        return Err(invalid(format!("has a claim {what} of {} bytes", bytes.len())));
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| invalid(format!("has a claim {what} that is no UTF-8")))
}

/// A DER `UTF8String`.
fn der_text(what: &str, bytes: &[u8]) -> Result<String, Rejection> {
    let value = Utf8StringRef::from_der(bytes)
        .map_err(|_| invalid(format!("has a claim {what} that is no DER-encoded UTF8String")))?;
    text(what, value.as_str().as_bytes())
}
