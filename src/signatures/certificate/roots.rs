//! The roots of an own PKI, and chains to them (RFC 5280, section 6).

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use spki::der::{Decode, Encode};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::time::Time;

use super::{ID_KP_CODE_SIGNING, Leaf, invalid, problem};
use crate::domain::text::foreign;
use crate::domain::{Digest, Rejection};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Most certificates of a chain that are looked at beside the one that signed.
const MAX_INTERMEDIATES: usize = 9;
/// Most roots.
const MAX_ROOTS: usize = 32;

/// Certificate authorities of an own PKI; at least one.
#[derive(Clone)]
pub struct CertificateRoots {
    /// The SHA-256 of all of them in a row: two values are the same when they have the same roots in the same order.
    fingerprint: Digest,
    anchors: Vec<Root>,
    /// Certificates of authorities that are not self-signed: they may lie on a path, and end none that a root would not.
    count: usize,
}

/// A root with its own validity, which nobody else looks at.
#[derive(Clone)]
struct Root {
    anchor: TrustAnchor<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why a PEM text is no set of roots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// Nothing but blanks.
    #[error("is empty; expected one or more PEM blocks CERTIFICATE, each of a certificate authority")]
    Empty,
    /// A private key. Its bytes are not repeated.
    #[error("has a private key; put certificates here, and treat the key as leaked if this text was stored anywhere")]
    PrivateKey,
    /// Something else than certificates.
    #[error("has other text than PEM blocks CERTIFICATE")]
    Junk,
    /// A block that can't be read.
    #[error("can't be read in block {block}: {problem}")]
    Malformed {
        /// Its number, from 1.
        block: usize,
        /// What is wrong.
        problem: String,
    },
    /// A certificate that may not certify others.
    #[error("is no certificate authority in block {0} (basicConstraints CA:TRUE); put the root here, not the signer")]
    NotAnAuthority(usize),
    /// More than are looked at.
    #[error("has {0} certificates; at most {MAX_ROOTS} are looked at")]
    TooMany(usize),
}

impl CertificateRoots {
    /// Reads PEM blocks `CERTIFICATE`, each of a certificate authority.
    pub fn from_pem(pem: &str) -> Result<Self, RootsError> {
        if pem.trim().is_empty() {
            return Err(RootsError::Empty);
        }
        if pem.contains("PRIVATE KEY-----") {
            return Err(RootsError::PrivateKey);
        }
        let blocks = blocks(pem)?;
        if blocks.len() > MAX_ROOTS {
            return Err(RootsError::TooMany(blocks.len()));
        }
        let mut anchors = Vec::new();
        for (i, der) in blocks.iter().enumerate() {
            let block = i.saturating_add(1);
            let malformed = |problem: String| RootsError::Malformed { block, problem: foreign(&problem) };
            let certificate = Certificate::from_der(der).map_err(|e| malformed(e.to_string()))?;
            if !is_authority(&certificate) {
                return Err(RootsError::NotAnAuthority(block));
            }
            let der = CertificateDer::from(der.as_slice());
            let anchor = anchor_from_trusted_cert(&der).map_err(|e| malformed(problem(&e)))?.to_owned();
            let validity = certificate.tbs_certificate.validity;
            let time = |time: Time| Timestamp::try_from(time.to_system_time()).map_err(|e| malformed(e.to_string()));
            let (not_before, not_after) = (time(validity.not_before)?, time(validity.not_after)?);
            anchors.push(Root { anchor, not_before, not_after });
        }
        Ok(Self { fingerprint: Digest::of(&blocks.concat()), count: anchors.len(), anchors })
    }

    /// Whether the certificate signed as one of this PKI at each of the moments; at least one is given.
    ///
    /// 1. At most ten certificates, that of the signer included; it says that it is for signing code.
    /// 2. It was valid at each moment.
    /// 3. At each moment a path leads to a root: signatures, validity, path length, name constraints, CA:TRUE, and no authority
    ///    on it is restricted to other usages than `codeSigning`. The root is valid too.
    pub(in crate::signatures) fn verify(
        &self,
        leaf: &Leaf,
        der: &[u8],
        intermediates: &[Vec<u8>],
        at: &[Timestamp],
    ) -> Result<(), Rejection> {
        // 1.
        if intermediates.len() > MAX_INTERMEDIATES {
            let (found, limit) = (intermediates.len().saturating_add(1), MAX_INTERMEDIATES.saturating_add(1));
            return Err(Rejection::SignatureLimit { what: "certificates in the chain", found, limit });
        }
        if !leaf.signs_code {
            return Err(invalid("is not for signing code (extended key usage codeSigning)"));
        }
        let der = CertificateDer::from(der);
        let end_entity =
            EndEntityCert::try_from(&der).map_err(|e| invalid(format!("can't be used: {}", problem(&e))))?;
        let intermediates: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        if at.is_empty() {
            return Err(Rejection::Internal("a chain was to be verified at no time"));
        }
        for moment in at {
            // 2.
            leaf.check_validity(*moment)?;
            // 3.
            let seconds = u64::try_from(moment.as_second()).map_err(|_| invalid("signed before 1970"))?;
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let usage = KeyUsage::required_if_present(ID_KP_CODE_SIGNING.as_bytes());
            let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
            let is_valid = |root: &&Root| root.not_before <= *moment && *moment <= root.not_after;
            let anchors: Vec<_> = self.anchors.iter().filter(is_valid).map(|root| root.anchor.clone()).collect();
            if anchors.is_empty() {
                return Err(Rejection::TrustRoot(format!("no root that the policy trusts was valid at {moment}")));
            }
            end_entity
                .verify_for_usage(algorithms, &anchors, &intermediates, time, usage, None, None)
                .map_err(|e| refusal(&e))?;
        }
        Ok(())
    }
}

fn refusal(error: &webpki::Error) -> Rejection {
    match error {
        webpki::Error::UnknownIssuer => Rejection::TrustRoot(
            "no path leads from the signature's certificate to a root that the policy trusts; if it was signed by an \
             intermediate authority, the signature must carry that authority's certificate, or add it to roots"
                .to_owned(),
        ),
        error => invalid(format!("is refused: {}", problem(error))),
    }
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate.tbs_certificate.get::<BasicConstraints>().ok().flatten().is_some_and(|(_, constraints)| constraints.ca)
}

fn blocks(pem: &str) -> Result<Vec<Vec<u8>>, RootsError> {
    let mut blocks = Vec::new();
    let mut rest = pem.trim();
    while !rest.is_empty() {
        let block = blocks.len().saturating_add(1);
        let malformed = |problem: &str| RootsError::Malformed { block, problem: problem.to_owned() };
        let body = rest.strip_prefix(BEGIN).ok_or(RootsError::Junk)?;
        let (body, after) = body.split_once(END).ok_or_else(|| malformed("the block has no end"))?;
        let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(base64).map_err(|_| malformed("it is not base64"))?;
        // A certificate has one encoding.
        let same = Certificate::from_der(&der).ok().and_then(|certificate| certificate.to_der().ok());
        if same.is_some_and(|same| same != der) {
            return Err(malformed("it is not DER"));
        }
        blocks.push(der);
        rest = after.trim_start();
    }
    Ok(blocks)
}

impl PartialEq for CertificateRoots {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for CertificateRoots {}

impl fmt::Display for CertificateRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.fingerprint.hex();
        let short = hex.get(..12).unwrap_or(&hex);
        match self.count {
            1 => write!(f, "an own root certificate (SHA256:{short}…)"),
            count => write!(f, "{count} own root certificates (SHA256:{short}…)"),
        }
    }
}

impl fmt::Debug for CertificateRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
