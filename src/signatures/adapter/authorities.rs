//! The certificate and timestamp authorities of a trusted root, held to RFC 5280 when the root is loaded.
//!
//! The crate takes every certificate of a chain for an anchor, so that nothing above the signer's is looked at any more when a
//! signature is verified. What is wrong there is found here, once: a chain that is broken is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::signatures::certificate::{Authority, Purpose};
use crate::signatures::timestamp::TimestampAuthority;

/// Most certificates of a chain.
const MAX_CERTIFICATES: usize = 10;
const UNREADABLE: &str = "its chain has a certificate that can't be read";

/// Leaves only sound authorities in a trusted root, for certificates and for timestamps. Answers what was wrong with the last one that
/// was left out, where none of its kind is left.
pub(super) fn keep_sound(root: &mut Value) -> Result<(), String> {
    keep(root, "certificateAuthorities", "certificate authority", check)?;
    keep(root, "timestampAuthorities", "timestamp authority", check_timestamps)
}

fn keep(root: &mut Value, list: &str, kind: &str, check: fn(&[Vec<u8>]) -> Result<(), String>) -> Result<(), String> {
    let Some(authorities) = root.get_mut(list).and_then(Value::as_array_mut) else {
        return Ok(());
    };
    let mut problem = None;
    authorities.retain(|authority| match chain(authority).and_then(|chain| check(&chain)) {
        Ok(()) => true,
        Err(reason) => {
            problem = Some(reason);
            false
        }
    });
    match problem {
        Some(problem) if authorities.is_empty() => Err(format!("no {kind} is usable: {problem}")),
        _ => Ok(()),
    }
}

/// The certificates of an authority, DER.
fn chain(authority: &Value) -> Result<Vec<Vec<u8>>, String> {
    let listed = authority.pointer("/certChain/certificates").and_then(Value::as_array);
    let listed = listed.map(Vec::as_slice).unwrap_or_default();
    if listed.is_empty() || listed.len() > MAX_CERTIFICATES {
        return Err(format!("its chain has {} certificates, expected 1 to {MAX_CERTIFICATES}", listed.len()));
    }
    let read = |listed: &Value| STANDARD.decode(listed.get("rawBytes")?.as_str()?).ok();
    let chain = listed.iter().map(read).collect::<Option<_>>();
    chain.ok_or_else(|| UNREADABLE.to_owned())
}

fn check_timestamps(chain: &[Vec<u8>]) -> Result<(), String> {
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    TimestampAuthority::read(&chain, (None, None)).map(drop)
}

/// Whether the chain of an authority holds, from the one that issues to the last:
///
/// 1. each certificate may certify others, as many as stand under it;
/// 2. each is issued and signed by the next; the last one is what is trusted.
///
/// When they are valid is looked at elsewhere.
fn check(chain: &[Vec<u8>]) -> Result<(), String> {
    let chain = chain.iter().map(|der| Authority::read(der)).collect::<Option<Vec<_>>>().ok_or(UNREADABLE)?;
    // 1.
    for (below, authority) in chain.iter().enumerate() {
        let may = authority.may_certify(below, Purpose::CodeSigning);
        may.map_err(|problem| format!("the certificate of {} {problem}", authority.name()))?;
    }
    // 2.
    for (certificate, issuer) in chain.iter().zip(chain.iter().skip(1)) {
        if !certificate.is_issued_by(issuer) {
            return Err(format!("{} did not issue the certificate of {}", issuer.name(), certificate.name()));
        }
        // The crate looks at those of the authority that issues, and at none above it.
        if issuer.name_constraints() != certificate.name_constraints() && issuer.name_constraints().is_some() {
            return Err(format!("{} does not repeat the name constraints of its issuer", certificate.name()));
        }
    }
    Ok(())
}
