//! Certificates for signing code: from Fulcio with its claims and the receipt of a certificate log, or from an own PKI.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Encode;
use x509_cert::der::asn1::OctetString;
use x509_cert::ext::pkix::name::GeneralName;

use super::identity::{Identity, claim};
use super::log::Log;
use super::merkle::Hash;
use super::x509::{Authority, Profile, extension};
use crate::support::signer::{Scheme, SigningKey};

/// The certificate of a signer. Every field may be changed before it is issued.
#[derive(Clone)]
pub struct CodeSigning {
    /// The authority that signs it.
    pub issuer: Authority,
    /// What it says besides the claims; the names are here.
    pub profile: Profile,
    /// The Fulcio extensions by their last number (1.3.6.1.4.1.57264.1.N), 1 to 6 and 8 to 24.
    pub claims: BTreeMap<u8, String>,
    /// Receipts of certificate logs, embedded; an empty list leaves the extension out.
    pub scts: Vec<Sct>,
    /// The key that it certifies, where that is not the signer's (DER of the SPKI).
    pub certified: Option<Vec<u8>>,
    /// The certificates that are shown after it, where a form has a place for them: chains of bundles v0.1 and v0.2, and the
    /// chain annotation.
    pub presented: Vec<Certificate>,
}

/// A signed certificate timestamp (RFC 6962, section 3.2).
#[derive(Clone)]
pub struct Sct {
    /// The log that signs it.
    pub log: Log,
    /// What it says for the log; by default the log's own id.
    pub log_id: Option<Hash>,
    /// The time, in Unix seconds.
    pub time: i64,
    /// The issuer whose key it is about, where that is not the certificate's.
    pub issuer: Option<Authority>,
    /// Whether it is the receipt of some other certificate.
    pub foreign: bool,
}

impl CodeSigning {
    /// As Fulcio issues it, with no receipt yet.
    pub fn fulcio(issuer: &Authority, identity: &Identity, now: i64) -> Self {
        Self { claims: identity.claims.clone(), ..Self::own(issuer, vec![identity.name.clone()], now) }
    }

    /// As an own PKI issues it.
    pub fn own(issuer: &Authority, names: Vec<GeneralName>, now: i64) -> Self {
        Self {
            issuer: issuer.clone(),
            profile: Profile::code_signing(now, names),
            claims: BTreeMap::new(),
            scts: Vec::new(),
            certified: None,
            presented: Vec::new(),
        }
    }

    /// Its subject alternative names.
    pub fn names(&mut self) -> &mut Vec<GeneralName> {
        self.profile.names.get_or_insert_default()
    }

    /// The certificate for a key.
    pub fn issue(&self, key: &SigningKey) -> Certificate {
        self.issue_for(&key.spki())
    }

    /// The certificate for a public key, unless it is to certify another.
    pub fn issue_for(&self, spki: &[u8]) -> Certificate {
        let spki = self.certified.as_deref().unwrap_or(spki);
        let mut profile = self.profile.clone();
        profile.extensions.extend(self.claims.iter().map(|(number, value)| claim(*number, value)));
        let mut tbs = self.issuer.to_be_signed(&profile, spki);
        if !self.scts.is_empty() {
            let precertificate = tbs.to_der().unwrap();
            let scts: Vec<u8> =
                self.scts.iter().flat_map(|sct| prefixed(2, &sct.sign(&precertificate, &self.issuer))).collect();
            let list = OctetString::new(prefixed(2, &scts)).unwrap().to_der().unwrap();
            tbs.extensions.get_or_insert_default().push(extension("1.3.6.1.4.1.11129.2.4.2", false, &list));
        }
        self.issuer.sign(tbs)
    }
}

impl Sct {
    /// The receipt of this log at this time.
    pub fn new(log: &Log, time: i64) -> Self {
        Self { log: log.clone(), log_id: None, time, issuer: None, foreign: false }
    }

    fn sign(&self, precertificate: &[u8], issuer: &Authority) -> Vec<u8> {
        let issuer = self.issuer.as_ref().unwrap_or(issuer);
        let time = (self.time * 1000).to_be_bytes();
        let mut certificate = precertificate.to_vec();
        if self.foreign {
            *certificate.last_mut().unwrap() ^= 1;
        }
        let mut message = vec![0, 0]; // v1, certificate_timestamp
        message.extend(time);
        message.extend([0, 1]); // precert_entry
        message.extend(Sha256::digest(issuer.key.spki()));
        message.extend(prefixed(3, &certificate));
        message.extend([0, 0]); // no extensions

        let mut sct = vec![0];
        sct.extend(self.log_id.unwrap_or_else(|| self.log.id()));
        sct.extend(time);
        sct.extend([0, 0]);
        sct.extend(tls_algorithm(self.log.key.scheme()));
        sct.extend(prefixed(2, &self.log.key.sign(&message)));
        sct
    }
}

/// RFC 5246, section 7.4.1.4.1: hash and signature.
fn tls_algorithm(scheme: Scheme) -> [u8; 2] {
    match scheme {
        Scheme::P256 | Scheme::P521Sha256 => [4, 3],
        Scheme::P384 => [5, 3],
        Scheme::P521 => [6, 3],
        Scheme::RsaPkcs1 | Scheme::RsaPss => [4, 1],
        Scheme::Ed25519 | Scheme::Ed25519ph => [8, 7],
    }
}

/// Bytes after their length, in the encoding of TLS.
fn prefixed(width: usize, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len().to_be_bytes();
    [&length[length.len() - width..], bytes].concat()
}
