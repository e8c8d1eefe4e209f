//! The timestamp authorities of a trusted root, each read once with the root.

use jiff::Timestamp;

use super::token::Signer;
use crate::signatures::certificate::{Authority, Purpose};
use crate::signatures::key::PublicKey;

/// A timestamp authority with the window in which the trusted root trusts it.
pub(in crate::signatures) struct TimestampAuthority {
    certificate: Authority,
    der: Vec<u8>,
    key: PublicKey,
    /// Whether its chain ends at another certificate, or at one that issued itself.
    is_anchored: bool,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl TimestampAuthority {
    /// Reads a chain (DER), that of the authority first, and then each that certified the one before:
    ///
    /// 1. the first is for timestamps (RFC 3161, section 2.3), and its key is of an accepted algorithm;
    /// 2. those above it may certify it, and as many as stand between; none has name constraints, which are not looked at here;
    /// 3. each is issued and signed by the next; the last one is what is trusted.
    pub(in crate::signatures) fn read(
        chain: &[&[u8]],
        (start, end): (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Self, String> {
        let read = chain.iter().map(|der| Authority::read(der)).collect::<Option<Vec<_>>>();
        let read = read.ok_or("its chain has a certificate that can't be read")?;
        let ([certificate, above @ ..], Some(der)) = (read.as_slice(), chain.first()) else {
            return Err("its chain has no certificate".to_owned());
        };
        let refused =
            |authority: &Authority, problem: &str| format!("the certificate of {} {problem}", authority.name());
        // 1.
        certificate.may_stamp().map_err(|problem| refused(certificate, problem))?;
        let key = PublicKey::from_spki(&certificate.spki());
        let key = key.map_err(|problem| refused(certificate, &format!("has a key that {problem}")))?;
        if key.is_ed25519() {
            return Err(refused(certificate, "has an Ed25519 key; timestamps by these are not supported"));
        }
        // 2.
        for (below, authority) in above.iter().enumerate() {
            let may = authority.may_certify(below, Purpose::TimeStamping);
            may.map_err(|problem| refused(authority, problem))?;
            if authority.name_constraints().is_some() {
                return Err(refused(authority, "has name constraints, which are not supported for timestamps"));
            }
        }
        // 3.
        for (one, issuer) in read.iter().zip(above) {
            if !one.is_issued_by(issuer) {
                return Err(format!("{} did not issue the certificate of {}", issuer.name(), one.name()));
            }
        }
        let is_anchored = !above.is_empty() || certificate.is_issued_by(certificate);
        Ok(Self { certificate: certificate.clone(), der: der.to_vec(), key, is_anchored, start, end })
    }

    /// Its certificate.
    pub(super) fn certificate(&self) -> &Authority {
        &self.certificate
    }

    /// Its certificate, DER.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether this is the signer that a token names.
    pub(super) fn is_named_by(&self, signer: &Signer<'_>) -> bool {
        match signer {
            Signer::Certificate { issuer, serial } => self.certificate.is_named(issuer, serial),
            Signer::Key(id) => self.certificate.key_id().as_deref() == Some(id),
        }
    }

    /// Whether the `sigstore` crate knows timestamps by such a key, and finds the end of its chain.
    pub(super) fn is_known_to_crate(&self) -> bool {
        self.is_anchored && self.key.is_known_to_crate() && !self.key.is_rsa()
    }

    /// Whether the trusted root trusts it at this moment; both ends are inclusive.
    pub(super) fn counts_at(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}
