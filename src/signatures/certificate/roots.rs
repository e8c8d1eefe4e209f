//! The roots of an own PKI, and chains to them (RFC 5280, section 6).

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use spki::der::{Decode, Encode};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints};

use super::own_path::OwnPath;
use super::{Authority, Leaf, Moment, PublicKey, Purpose, invalid, problem};
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
    roots: Vec<Root>,
}

/// An authority that a policy names: the end of a path, self-signed or not.
#[derive(Clone)]
pub(super) struct Root {
    pub(super) authority: Authority,
    anchor: TrustAnchor<'static>,
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
    /// An authority that could never vouch for a signer.
    #[error("is no authority that can vouch for signers in block {block}: its certificate {problem}")]
    Unusable {
        /// Its number, from 1.
        block: usize,
        /// What is wrong.
        problem: String,
    },
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
        let mut roots = Vec::new();
        for (i, der) in blocks.iter().enumerate() {
            let block = i.saturating_add(1);
            let malformed = |problem: String| RootsError::Malformed { block, problem: foreign(&problem) };
            let certificate = Certificate::from_der(der).map_err(|e| malformed(e.to_string()))?;
            if !is_authority(&certificate) {
                return Err(RootsError::NotAnAuthority(block));
            }
            let authority = Authority::read(der).ok_or_else(|| malformed("it is too large".to_owned()))?;
            check_root(&authority).map_err(|problem| RootsError::Unusable { block, problem: foreign(&problem) })?;
            let der = CertificateDer::from(der.as_slice());
            let anchor = anchor_from_trusted_cert(&der).map_err(|e| malformed(problem(&e)))?.to_owned();
            roots.push(Root { authority, anchor });
        }
        Ok(Self { fingerprint: Digest::of(&blocks.concat()), roots })
    }

    /// The path of a certificate to the roots of this PKI, whenever it holds:
    ///
    /// 1. there are at most ten certificates, that of the signer included;
    /// 2. that one says that it is for signing code;
    /// 3. a path leads to a root ([`OwnPath`]).
    pub(in crate::signatures) fn path(
        &self,
        leaf: &Leaf,
        der: &[u8],
        intermediates: &[Vec<u8>],
    ) -> Result<OwnPath<'_>, Rejection> {
        // 1.
        if intermediates.len() > MAX_INTERMEDIATES {
            let (found, limit) = (intermediates.len().saturating_add(1), MAX_INTERMEDIATES.saturating_add(1));
            return Err(Rejection::SignatureLimit { what: "certificates in the chain", found, limit });
        }
        // 2.
        if !leaf.signs_code {
            return Err(invalid("is not for signing code (extended key usage codeSigning)"));
        }
        // 3.
        OwnPath::new(der, intermediates, &self.roots)
    }
}

impl OwnPath<'_> {
    /// Whether the certificate signed as one of the PKI at each of the moments; at least one is given.
    ///
    /// 1. It was valid at each moment.
    /// 2. At each moment the path holds.
    /// 3. webpki, which is asked about that path alone, says the same; and that the name is one that the authorities may certify.
    pub(in crate::signatures) fn verify(
        &self,
        leaf: &Leaf,
        der: &[u8],
        intermediates: &[Vec<u8>],
        at: &[Moment],
    ) -> Result<(), Rejection> {
        if at.is_empty() {
            return Err(Rejection::Internal("a chain was to be verified at no time"));
        }
        let der = CertificateDer::from(der);
        let end_entity =
            EndEntityCert::try_from(&der).map_err(|e| invalid(format!("can't be used: {}", problem(&e))))?;
        for moment in at {
            // 1.
            leaf.check_validity(*moment)?;
            // 2.
            let (root, between) = self.at(*moment)?;
            // 3.
            let seconds = u64::try_from(moment.time().as_second()).map_err(|_| invalid("signed before 1970"))?;
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let between: Vec<_> =
                intermediates.iter().take(between).map(|der| CertificateDer::from(der.as_slice())).collect();
            let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
            let anchors = [root.anchor.clone()];
            end_entity
                .verify_for_usage(algorithms, &anchors, &between, time, AnyUsage, None, None)
                .map_err(|e| invalid(format!("is refused: {}", problem(&e))))?;
        }
        Ok(())
    }
}

/// Usages are looked at by [`Authority::may_certify`]: webpki does not know that "any" is one for code too.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Why an authority could never vouch for anybody here. What webpki does not implement it refuses when a signature is verified, and
/// then every one: constraints of e-mail addresses and URIs.
fn check_root(authority: &Authority) -> Result<(), String> {
    authority.may_certify(0, Purpose::CodeSigning)?;
    PublicKey::from_spki(&authority.spki()).map_err(|problem| format!("has a key that {problem}"))?;
    let Some(constraints) = authority.name_constraints() else { return Ok(()) };
    let constraints = NameConstraints::from_der(constraints).map_err(|_| "has name constraints that can't be read")?;
    let subtrees = constraints.permitted_subtrees.into_iter().chain(constraints.excluded_subtrees).flatten();
    let is_unsupported =
        |name: &GeneralName| matches!(name, GeneralName::Rfc822Name(_) | GeneralName::UniformResourceIdentifier(_));
    match subtrees.map(|subtree| subtree.base).find(is_unsupported) {
        Some(_) => Err("has name constraints for e-mail addresses or URIs, which are not supported".to_owned()),
        None => Ok(()),
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
        match self.roots.len() {
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
