//! Whether the parts of a policy fit together. The numbers are those of [`super::Policy::new`].

use std::collections::BTreeSet;

use crate::domain::IdentityPattern;
use crate::signatures::LogRule;

use super::{AttestationDemand, Authority, PolicyError, PolicyParts, Require, StaticAnswer, Trust, static_answer};

pub(super) fn all(parts: &PolicyParts) -> Result<(), PolicyError> {
    // 1.
    check_match(parts)?;
    // 2.
    check_authorities(&parts.authorities)?;
    // 3.
    check_static(parts)?;
    // 4.
    check_require(parts)?;
    // 5.
    check_attestations(&parts.attestations, parts.authorities.len())?;
    // 6.
    check_log(parts)
}

fn check_match(parts: &PolicyParts) -> Result<(), PolicyError> {
    if parts.images.is_empty() {
        return Err(PolicyError::new("spec.match.images", "at least one pattern is needed; ** matches every image"));
    }
    match parts.namespace_selector.requirements.iter().find(|r| !r.is_well_formed()) {
        Some(bad) => Err(PolicyError::new(
            "spec.match.namespaceSelector",
            format!("{}: In and NotIn need a key and values, Exists and DoesNotExist a key alone", bad.key),
        )),
        None => Ok(()),
    }
}

fn check_authorities(authorities: &[Authority]) -> Result<(), PolicyError> {
    if authorities.is_empty() {
        return Err(PolicyError::new("spec.authorities", "at least one authority is needed"));
    }
    for (i, authority) in authorities.iter().enumerate() {
        let path = format!("spec.authorities[{i}]");
        if authority.name.is_empty() {
            return Err(PolicyError::new(format!("{path}.name"), "a name is needed"));
        }
        if matches!(authority.trust, Trust::Keyless { .. } | Trust::Certificate { .. })
            && authority.trust.identities().is_empty()
        {
            let path = format!("{path}.{}.identities", authority.trust.field());
            return Err(PolicyError::new(path, "at least one identity is needed: without one, nobody is accepted"));
        }
        for earlier in authorities.iter().take(i) {
            if earlier.name == authority.name {
                let problem = format!("another authority is named {} too", authority.name);
                return Err(PolicyError::new(format!("{path}.name"), problem));
            }
            if let Some((field, what)) = same(&authority.trust, &earlier.trust) {
                let problem = format!("authority {} has the same {what}, which counts once", earlier.name);
                return Err(PolicyError::new(format!("{path}.{field}"), problem));
            }
        }
    }
    Ok(())
}

/// What two authorities have in common so that they are one: the field, and what it is for people.
fn same(one: &Trust, other: &Trust) -> Option<(&'static str, &'static str)> {
    let each_in = |a: &[IdentityPattern], b: &[IdentityPattern]| a.iter().all(|identity| b.contains(identity));
    let same_identities = || {
        let (a, b) = (one.identities(), other.identities());
        each_in(a, b) && each_in(b, a)
    };
    match (one, other) {
        (Trust::Key { key, .. }, Trust::Key { key: theirs, .. }) if key == theirs => Some(("key.publicKey", "key")),
        (Trust::Keyless { root, .. }, Trust::Keyless { root: theirs, .. }) if root == theirs && same_identities() => {
            Some(("keyless.identities", "identities"))
        }
        (Trust::Certificate { roots, .. }, Trust::Certificate { roots: theirs, .. })
            if roots == theirs && same_identities() =>
        {
            Some(("certificate.identities", "identities"))
        }
        _ => None,
    }
}

fn check_static(parts: &PolicyParts) -> Result<(), PolicyError> {
    let is_static = |authority: &Authority| matches!(authority.trust, Trust::Static(_));
    let Some(at) = parts.authorities.iter().position(is_static) else { return Ok(()) };
    if parts.authorities.len() > 1 {
        return Err(PolicyError::new(
            format!("spec.authorities[{at}].static"),
            "a static authority must be the only authority of its policy",
        ));
    }
    if !parts.annotations.is_empty() || parts.signature_repository.is_some() {
        return Err(PolicyError::new(
            "spec.signature",
            "has no effect with a static authority, which looks at no signature",
        ));
    }
    if parts.log.is_some() {
        return Err(PolicyError::new(
            "spec.transparencyLog",
            "has no effect with a static authority, which looks at no signature",
        ));
    }
    if !parts.attestations.is_empty() {
        return Err(PolicyError::new(
            "spec.attestations",
            "have no effect with a static authority, which looks at no statement",
        ));
    }
    if static_answer(&parts.authorities) != Some(StaticAnswer::Allow) {
        return Ok(());
    }
    match parts.images.iter().enumerate().find(|(_, pattern)| !pattern.is_exact()) {
        Some((i, pattern)) => Err(PolicyError::new(
            format!("spec.match.images[{i}]"),
            format!("{pattern} has a wildcard; static: Allow needs exact repositories"),
        )),
        None => Ok(()),
    }
}

fn check_require(parts: &PolicyParts) -> Result<(), PolicyError> {
    const AT_LEAST: &str = "spec.require.atLeast";
    let Require { at_least, of } = &parts.require;
    check_indexes(of, parts.authorities.len(), "spec.require.of")?;
    if *at_least == 0 {
        return check_no_signatures(parts);
    }
    if *at_least > of.len() {
        let problem = format!("{at_least} of {} authorities can never be reached", of.len());
        return Err(PolicyError::new(AT_LEAST, problem));
    }
    if *at_least > 1 { check_distinct(of, &parts.authorities) } else { Ok(()) }
}

/// `atLeast: 0`: what is demanded of signatures would be demanded of none.
fn check_no_signatures(parts: &PolicyParts) -> Result<(), PolicyError> {
    if parts.attestations.is_empty() {
        let problem = "0 would accept every image; 1 is the least, unless attestations decide alone";
        return Err(PolicyError::new("spec.require.atLeast", problem));
    }
    if !parts.annotations.is_empty() {
        let problem = "has no effect with require.atLeast 0, which demands no signature";
        return Err(PolicyError::new("spec.signature.annotations", problem));
    }
    Ok(())
}

/// One signer must not be two of several authorities that are counted.
fn check_distinct(of: &[usize], authorities: &[Authority]) -> Result<(), PolicyError> {
    let counted: Vec<(usize, &Authority)> = of.iter().filter_map(|&i| Some((i, authorities.get(i)?))).collect();
    for (at, (i, authority)) in counted.iter().enumerate() {
        for (_, earlier) in counted.iter().take(at) {
            if !same_voucher(&authority.trust, &earlier.trust) {
                continue;
            }
            let shared = authority.trust.identities().iter().position(|id| earlier.trust.identities().contains(id));
            if let Some(j) = shared {
                let path = format!("spec.authorities[{i}].{}.identities[{j}]", authority.trust.field());
                let problem = format!(
                    "authority {} accepts the same identity, so one signer would count twice for require.atLeast",
                    earlier.name
                );
                return Err(PolicyError::new(path, problem));
            }
        }
    }
    Ok(())
}

/// Whether the same party vouches for the identities of both.
fn same_voucher(one: &Trust, other: &Trust) -> bool {
    match (one, other) {
        (Trust::Keyless { root, .. }, Trust::Keyless { root: theirs, .. }) => root == theirs,
        (Trust::Certificate { roots, .. }, Trust::Certificate { roots: theirs, .. }) => roots == theirs,
        _ => false,
    }
}

fn check_attestations(demands: &[AttestationDemand], authorities: usize) -> Result<(), PolicyError> {
    for (i, demand) in demands.iter().enumerate() {
        let path = format!("spec.attestations[{i}]");
        if demand.name.is_empty() {
            return Err(PolicyError::new(format!("{path}.name"), "a name is needed"));
        }
        if demands.iter().take(i).any(|earlier| earlier.name == demand.name) {
            let problem = format!("another attestation is named {} too", demand.name);
            return Err(PolicyError::new(format!("{path}.name"), problem));
        }
        if demand.predicate_type.is_empty() {
            return Err(PolicyError::new(format!("{path}.predicateType"), "a predicate type is needed"));
        }
        if demand.authorities.is_empty() {
            return Err(PolicyError::new(format!("{path}.authorities"), "somebody must have made the statement"));
        }
        check_indexes(&demand.authorities, authorities, &format!("{path}.authorities"))?;
    }
    Ok(())
}

fn check_indexes(indexes: &[usize], authorities: usize, path: &str) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for (i, authority) in indexes.iter().enumerate() {
        let problem = if *authority >= authorities {
            "no authority of this policy has that name"
        } else if !seen.insert(authority) {
            "is listed twice; an authority counts once"
        } else {
            continue;
        };
        return Err(PolicyError::new(format!("{path}[{i}]"), problem));
    }
    Ok(())
}

fn check_log(parts: &PolicyParts) -> Result<(), PolicyError> {
    if parts.log != Some(LogRule::Required) {
        return Ok(());
    }
    let rootless = parts.authorities.iter().position(|authority| authority.trust.root().is_none());
    match rootless.and_then(|i| Some((i, parts.authorities.get(i)?))) {
        Some((i, authority)) => Err(PolicyError::new(
            format!("spec.authorities[{i}].{}.trustedRoot", authority.trust.field()),
            "is needed with transparencyLog: Required, to know whose log; name one, such as sigstore",
        )),
        None => Ok(()),
    }
}
