//! What a policy demands of signatures: its authorities and attestations.

use std::sync::Arc;

use crate::api::attestation::{AttestationSpec, ConditionSpec, LogSpec, MatchingSpec};
use crate::api::authority::{AuthoritySpec, CertificateSpec, IdentitySpec, KeySpec, KeylessSpec, StaticSpec};
use crate::domain::name::{is_dns_label, is_dns_subdomain};
use crate::domain::predicate;
use crate::domain::text::foreign;
use crate::domain::{IdentityError, IdentityParts, IdentityPattern};
use crate::policy::{AttestationDemand, Authority, Condition, Matching, PolicyError, StaticAnswer, Trust};
use crate::signatures::{CertificateRoots, LogRule, PublicKey};

use super::named;

pub(super) fn authorities(specs: Vec<AuthoritySpec>) -> Result<Vec<Authority>, PolicyError> {
    let read = |(i, spec): (usize, AuthoritySpec)| {
        let path = format!("spec.authorities[{i}]");
        check_name(&spec.name, &path)?;
        let name = spec.name.as_str().into();
        Ok(Authority { name, trust: trust(spec, &path)? })
    };
    specs.into_iter().enumerate().map(read).collect()
}

fn trust(spec: AuthoritySpec, path: &str) -> Result<Trust, PolicyError> {
    match (spec.key, spec.keyless, spec.certificate, spec.answer) {
        (Some(key), None, None, None) => self::key(key, &format!("{path}.key")),
        (None, Some(keyless), None, None) => self::keyless(keyless, &format!("{path}.keyless")),
        (None, None, Some(certificate), None) => self::certificate(certificate, &format!("{path}.certificate")),
        (None, None, None, Some(StaticSpec::Allow)) => Ok(Trust::Static(StaticAnswer::Allow)),
        (None, None, None, Some(StaticSpec::Deny)) => Ok(Trust::Static(StaticAnswer::Deny)),
        _ => Err(PolicyError::new(path, "an authority has exactly one of key, keyless, certificate and static")),
    }
}

fn key(spec: KeySpec, path: &str) -> Result<Trust, PolicyError> {
    let invalid = |e: crate::signatures::KeyError| PolicyError::new(format!("{path}.publicKey"), e.to_string());
    let key = PublicKey::from_pem(&spec.public_key).map_err(invalid)?;
    Ok(Trust::Key { key, root: spec.trusted_root.map(|name| trusted_root(name, path)).transpose()? })
}

fn keyless(spec: KeylessSpec, path: &str) -> Result<Trust, PolicyError> {
    let identities = identities(spec.identities, &format!("{path}.identities"), IdentityPattern::keyless)?;
    Ok(Trust::Keyless { root: trusted_root(spec.trusted_root, path)?, identities })
}

fn certificate(spec: CertificateSpec, path: &str) -> Result<Trust, PolicyError> {
    let roots = CertificateRoots::from_pem(&spec.roots)
        .map_err(|e| PolicyError::new(format!("{path}.roots"), e.to_string()))?;
    let identities = identities(spec.identities, &format!("{path}.identities"), IdentityPattern::certificate)?;
    let root = spec.trusted_root.map(|name| trusted_root(name, path)).transpose()?;
    Ok(Trust::Certificate { roots, root, identities })
}

fn trusted_root(name: String, path: &str) -> Result<Arc<str>, PolicyError> {
    if is_dns_subdomain(&name) {
        return Ok(name.into());
    }
    let problem = "is not the name of a TrustedRoot: lower-case letters, digits, - and dots";
    Err(PolicyError::new(format!("{path}.trustedRoot"), problem))
}

fn identities(
    specs: Vec<IdentitySpec>,
    path: &str,
    read: impl Fn(IdentityParts) -> Result<IdentityPattern, IdentityError>,
) -> Result<Vec<IdentityPattern>, PolicyError> {
    let identity = |(i, spec): (usize, IdentitySpec)| {
        let parts = IdentityParts {
            issuer: spec.issuer,
            subject: spec.subject,
            subject_reg_exp: spec.subject_reg_exp,
            claims: spec.claims.unwrap_or_default().demanded(),
        };
        read(parts).map_err(|error| {
            let field = error.path().map(|field| format!(".{field}")).unwrap_or_default();
            PolicyError::new(format!("{path}[{i}]{field}"), error.to_string())
        })
    };
    specs.into_iter().enumerate().map(identity).collect()
}

pub(super) fn attestations(
    specs: Vec<AttestationSpec>,
    authorities: &[Authority],
) -> Result<Vec<AttestationDemand>, PolicyError> {
    let read = |(i, spec): (usize, AttestationSpec)| {
        let path = format!("spec.attestations[{i}]");
        check_name(&spec.name, &path)?;
        check_predicate_type(&spec.predicate_type, &path)?;
        Ok(AttestationDemand {
            name: spec.name.as_str().into(),
            predicate_type: spec.predicate_type,
            authorities: named(&spec.authorities, authorities, &format!("{path}.authorities"))?,
            matching: match spec.matching {
                MatchingSpec::Any => Matching::Any,
                MatchingSpec::All => Matching::All,
            },
            conditions: conditions(spec.conditions, &format!("{path}.conditions"))?,
        })
    };
    specs.into_iter().enumerate().map(read).collect()
}

/// The short names that cosign has are not read: what they stand for has changed with cosign's versions.
fn check_predicate_type(text: &str, path: &str) -> Result<(), PolicyError> {
    let problem = match predicate::SHORT_NAMES.iter().find(|(short, _)| short.eq_ignore_ascii_case(text)) {
        Some((short, uri)) => format!("expected a URI; write {uri}, which cosign calls {short}"),
        None if !predicate::is_uri(text) => {
            format!("\"{}\" is no URI; write it whole, such as https://slsa.dev/provenance/v1", foreign(text))
        }
        None => return Ok(()),
    };
    Err(PolicyError::new(format!("{path}.predicateType"), problem))
}

fn conditions(specs: Vec<ConditionSpec>, path: &str) -> Result<Vec<Condition>, PolicyError> {
    let read = |(i, spec): (usize, ConditionSpec)| {
        let message = spec.message.as_deref();
        match (&spec.cel, &spec.rego) {
            (Some(cel), None) => Condition::cel(cel, message)
                .map_err(|error| PolicyError::new(format!("{path}[{i}].cel"), error.to_string())),
            (None, Some(module)) => rego(module, message, &format!("{path}[{i}].rego")),
            _ => Err(PolicyError::new(format!("{path}[{i}]"), "a condition has exactly one of cel and rego")),
        }
    };
    specs.into_iter().enumerate().map(read).collect()
}

#[cfg(feature = "rego")]
fn rego(module: &str, message: Option<&str>, path: &str) -> Result<Condition, PolicyError> {
    Condition::rego(module, message).map_err(|error| PolicyError::new(path, error.to_string()))
}

#[cfg(not(feature = "rego"))]
fn rego(_: &str, _: Option<&str>, path: &str) -> Result<Condition, PolicyError> {
    Err(PolicyError::new(path, "this build reads no Rego; write the condition in cel, or build with the feature rego"))
}

pub(super) fn log(spec: LogSpec) -> LogRule {
    match spec {
        LogSpec::Required => LogRule::Required,
        LogSpec::WhenPresent => LogRule::WhenPresent,
        LogSpec::Ignored => LogRule::Ignored,
    }
}

fn check_name(name: &str, path: &str) -> Result<(), PolicyError> {
    if is_dns_label(name) {
        return Ok(());
    }
    Err(PolicyError::new(format!("{path}.name"), "is not a DNS label: lower-case letters, digits and -"))
}
