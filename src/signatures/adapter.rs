//! The one place that names the `sigstore` crate (docs/adr/0001-sigstore-crate.md): bundles and trusted roots cross it as
//! JSON, keys and signatures as bytes, and none of its types leave this folder.

mod authorities;
mod chain;
mod errors;
mod logged;
mod transparency;

pub(super) use ::sigstore::crypto::{Checkpoint, SigningScheme};
pub(super) use ::sigstore::types::{
    Bundle, DsseEnvelope, HashAlgorithm, MessageSignature, SignatureContent, TransparencyLogEntry,
    VerificationMaterialContent,
};
pub(super) use logged::{Hashed, Logged, Verifier as LoggedVerifier, pem as logged_verifier};

use ::sigstore::crypto::{Keyring, VerificationKey};
use ::sigstore::trust_root::trusted_root::{CertChain, CertificateEntry};
use ::sigstore::trust_root::{TimestampAuthority, TrustedRoot};
use ::sigstore::tsa::{self, verify_timestamp_for_authority};
use ::sigstore::types::{
    Artifact, DerCertificate, DerPublicKey, KindVersion, MediaType, Sha256Hash, SignatureBytes, TimeRange,
    TimestampToken, TsaAuthority,
};
use ::sigstore::{VerificationPolicy, Verifier};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::time::Time;

use super::trust::TrustError;
use crate::domain::text::{foreign, without_types};
use crate::domain::{Digest, Rejection};

/// A trusted root as the crate has prepared it.
pub(super) struct Anchors {
    verifier: Verifier,
    root: TrustedRoot,
    logs: Keyring,
    certificate_logs: Vec<(SigningScheme, Keyring)>,
    timestamp_authorities: Vec<TsaAuthority>,
    /// The names of all certificate authorities, DER.
    authorities: Vec<Vec<u8>>,
}

/// What a certificate is said to have signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signed<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// What has this digest.
    Digest(&'a Digest),
}

impl Anchors {
    pub(super) fn from_json(text: &str) -> Result<Self, TrustError> {
        let unusable =
            |problem: &dyn std::fmt::Display| TrustError::Unusable(foreign(&without_types(&problem.to_string())));
        let unreadable = |e: serde_json::Error| TrustError::Unreadable(foreign(&without_types(&e.to_string())));
        let mut document: Value = serde_json::from_str(text).map_err(unreadable)?;
        complete(&mut document);
        authorities::keep_sound(&mut document).map_err(|problem| unusable(&problem))?;
        let mut root: TrustedRoot = serde_json::from_value(document).map_err(unreadable)?;
        narrow(&mut root);
        let verifier = Verifier::new(&root).map_err(|e| unusable(&e))?;
        let logs = root.rekor_keys().map_err(|e| unusable(&e))?;
        if root.certificate_authorities.is_empty() && logs.is_empty() && root.timestamp_authorities.is_empty() {
            return Err(TrustError::Unusable("it has no certificate authority, log or timestamp authority".to_owned()));
        }
        let schemes =
            [SigningScheme::EcdsaP256Sha256, SigningScheme::EcdsaP384Sha384, SigningScheme::RsaPkcs1Sha256].into_iter();
        let certificate_logs = schemes.filter_map(|scheme| Some((scheme, root.ctfe_keys(scheme).ok()?))).collect();
        let timestamp_authorities = root.timestamp_authorities.iter().filter_map(timestamp_authority).collect();
        let subject = |der: &[u8]| Certificate::from_der(der).ok()?.tbs_certificate.subject.to_der().ok();
        let certificates = root.certificate_authorities.iter().flat_map(|ca| &ca.cert_chain.certificates);
        let authorities = certificates.filter_map(|certificate| subject(certificate.raw_bytes.as_bytes())).collect();
        Ok(Self { verifier, root, logs, certificate_logs, timestamp_authorities, authorities })
    }

    /// How many certificate authorities, logs and timestamp authorities there are.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.root.certificate_authorities.len(), self.root.tlogs.len(), self.root.timestamp_authorities.len())
    }

    /// The log that an entry says it is in, by its address; nothing where it is none of these.
    pub(super) fn log_of(&self, entry: &TransparencyLogEntry) -> Option<&str> {
        let log = self.root.tlogs.iter().find(|log| log.log_id.key_id.as_bytes() == entry.log_id.key_id.as_bytes());
        log.map(|log| log.base_url.as_str())
    }

    /// Since when and until when the root trusts the log of an entry; nothing where it does not say.
    pub(super) fn log_window(&self, entry: &TransparencyLogEntry) -> (Option<Timestamp>, Option<Timestamp>) {
        let is_its = |id: &[u8]| id == entry.log_id.key_id.as_bytes();
        let logs = self.root.tlogs.iter().filter(|log| is_its(log.log_id.key_id.as_bytes()));
        let windows: Vec<TimeRange> = logs.filter_map(|log| log.public_key.valid_for).collect();
        (windows.iter().map(|window| window.start).max(), windows.iter().filter_map(|window| window.end).min())
    }

    /// The times of all timestamps of a bundle. Where the root names no timestamp authority they are no source of time.
    pub(super) fn timestamps(&self, bundle: &Bundle, signature: &[u8]) -> Result<Vec<Timestamp>, Rejection> {
        let tokens = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
        let tokens = if self.has_timestamp_authorities() { tokens.as_slice() } else { &[] };
        tokens.iter().map(|token| self.timestamp(&token.signed_timestamp, signature)).collect()
    }

    /// Whether timestamps can be verified at all.
    pub(super) fn has_timestamp_authorities(&self) -> bool {
        !self.timestamp_authorities.is_empty()
    }

    /// Whether a certificate (DER) says that one of the authorities issued it.
    fn claims_issuer(&self, certificate: &[u8]) -> bool {
        let issuer = |certificate: Certificate| certificate.tbs_certificate.issuer.to_der().ok();
        let issuer = Certificate::from_der(certificate).ok().and_then(issuer);
        issuer.is_some_and(|issuer| self.authorities.contains(&issuer))
    }

    /// Verifies a bundle with a certificate of these authorities: times, chain, certificate transparency, log entries where
    /// there are any, the signature, and that all of it is about the same. Whom the certificate names is not looked at.
    /// Answers all times that were proven.
    pub(super) fn verify(
        &self,
        bundle: &Bundle,
        signed: Signed<'_>,
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, Rejection> {
        let mut policy = VerificationPolicy::any_identity();
        if self.root.ctlogs.is_empty() {
            policy = policy.skip_sct();
        }
        if bundle.verification_material.tlog_entries.is_empty() {
            policy = policy.skip_tlog_unsafe();
        }
        let artifact = match signed {
            Signed::Bytes(bytes) => Artifact::from_blob(bytes),
            Signed::Digest(digest) => Artifact::from(Sha256Hash::new(*digest.as_bytes())),
        };
        let verified = self.verifier.verify(artifact, bundle, &policy);
        let result = verified.map_err(|error| errors::explain(&error, self, bundle, now))?;
        let certificate = bundle.signing_certificate().map(DerCertificate::as_bytes).unwrap_or_default();
        if !self.root.ctlogs.is_empty() && transparency::is_early(certificate, now) {
            return Err(Rejection::CertificateInvalid(
                "is refused: it has a proof of certificate transparency of a time that is still to come".to_owned(),
            ));
        }
        Ok(result.verified_timestamps().to_vec())
    }

    /// Verifies a certificate of these authorities as the crate does: a path for code signing at each of the moments, to an
    /// authority that counts then, and a proof of certificate transparency where the root names such logs.
    pub(super) fn certify(
        &self,
        certificate: &[u8],
        intermediates: &[Vec<u8>],
        at: &[Timestamp],
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let der = CertificateDer::from(certificate);
        let intermediates: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        for moment in at {
            let counts = |window: &Option<TimeRange>| window.is_none_or(|window| window.contains(*moment));
            let authorities = self.root.certificate_authorities.iter().filter(|ca| counts(&ca.valid_for));
            let authorities = authorities.flat_map(|ca| &ca.cert_chain.certificates);
            let authorities: Vec<_> =
                authorities.map(|authority| CertificateDer::from(authority.raw_bytes.as_bytes())).collect();
            let issuer = chain::issuer(&der, &intermediates, &authorities, *moment).map_err(|problem| {
                if self.claims_issuer(certificate) {
                    Rejection::CertificateInvalid(format!("is refused: {}", foreign(&problem)))
                } else {
                    errors::foreign_certificate()
                }
            })?;
            let logged = self.root.ctlogs.is_empty()
                || transparency::is_promised(certificate, &issuer, &self.certificate_logs, now);
            if !logged {
                return Err(Rejection::CertificateInvalid(
                    "is refused: no certificate transparency log that the trusted root names has promised to list it"
                        .to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Verifies one timestamp: one authority made it, over this signature, within that authority's own window.
    fn timestamp(&self, token: &TimestampToken, signature: &[u8]) -> Result<Timestamp, Rejection> {
        let signature = SignatureBytes::from_bytes(signature);
        let mut nearest = "it is by no timestamp authority of the trusted root".to_owned();
        for authority in &self.timestamp_authorities {
            match verify_timestamp_for_authority(token, &signature, authority) {
                Ok(time) => return Ok(time),
                Err(tsa::Error::TimestampOutsideValidity { time }) => {
                    nearest =
                        format!("it is of {time}, when the trusted root does not trust the authority that made it");
                    break;
                }
                Err(tsa::Error::HashMismatch { .. }) => "it is about another signature".clone_into(&mut nearest),
                Err(_) => {}
            }
        }
        Err(Rejection::TimestampInvalid(nearest))
    }

    /// Whether the log of an entry signed this promise, with a key that was valid at that time.
    pub(super) fn promises(
        &self,
        entry: &TransparencyLogEntry,
        at: Timestamp,
        promise: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = log_id(entry).and_then(|id| self.logs.key_at(&id, at));
        key.is_some_and(|key| key.verify(promise, &SignatureBytes::from_bytes(signature)).is_ok())
    }

    /// Whether the log of an entry signed this checkpoint, with a key that was in use by now.
    pub(super) fn signed_checkpoint(
        &self,
        entry: &TransparencyLogEntry,
        checkpoint: &Checkpoint,
        now: Timestamp,
    ) -> bool {
        let Some(id) = log_id(entry) else { return false };
        let Some(key) = self.logs.key_started_by(&id, now) else { return false };
        let by_log = checkpoint.signatures().iter().filter(|s| id.as_bytes().starts_with(s.key_id.as_bytes()));
        by_log.into_iter().any(|signature| key.verify(checkpoint.signed_data(), &signature.signature).is_ok())
    }
}

/// One authority with its window. The crate's own list leaves out those that have not begun when it is made; here the time of
/// a timestamp decides.
fn timestamp_authority(authority: &TimestampAuthority) -> Option<TsaAuthority> {
    let (leaf, intermediates, root) = match authority.cert_chain.certificates.as_slice() {
        [] => return None,
        [root] => (root, &[][..], root),
        [leaf, intermediates @ .., root] => (leaf, intermediates, root),
    };
    let intermediates = intermediates.iter().map(|certificate| certificate.raw_bytes.clone()).collect();
    Some(TsaAuthority::new(leaf.raw_bytes.clone(), intermediates, root.raw_bytes.clone(), authority.valid_for))
}

/// In the JSON of protocol buffers an empty field may be left out; the crate wants these.
fn complete(root: &mut Value) {
    for (list, field) in [("tlogs", "baseUrl"), ("ctlogs", "baseUrl"), ("certificateAuthorities", "uri")] {
        for item in root.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(item) = item {
                item.entry(field).or_insert_with(|| String::new().into());
            }
        }
    }
}

/// Whoever verifies takes the certificates of an authority for valid whenever its window is open. So no window is wider than
/// what these certificates say themselves; an authority that is never valid is left out.
fn narrow(root: &mut TrustedRoot) {
    root.certificate_authorities.retain_mut(|ca| is_ever_valid(&mut ca.valid_for, &ca.cert_chain));
    root.timestamp_authorities.retain_mut(|tsa| is_ever_valid(&mut tsa.valid_for, &tsa.cert_chain));
}

fn is_ever_valid(window: &mut Option<TimeRange>, chain: &CertChain) -> bool {
    // What can't be read is for the crate to refuse.
    let validity = |certificate: &CertificateEntry| {
        let validity = Certificate::from_der(certificate.raw_bytes.as_bytes()).ok()?.tbs_certificate.validity;
        let second = |time: Time| Timestamp::try_from(time.to_system_time()).ok();
        Some((second(validity.not_before)?, second(validity.not_after)?))
    };
    for (from, to) in chain.certificates.iter().filter_map(validity) {
        let open = window.unwrap_or(TimeRange { start: from, end: None });
        *window = Some(TimeRange { start: open.start.max(from), end: Some(open.end.map_or(to, |end| end.min(to))) });
    }
    window.is_none_or(|window| window.end.is_none_or(|end| end >= window.start))
}

fn log_id(entry: &TransparencyLogEntry) -> Option<Sha256Hash> {
    Sha256Hash::try_from(entry.log_id.key_id.as_bytes()).ok()
}

/// Whether an entry is one of a tiled log, which has checkpoints alone.
pub(super) fn is_tiled(entry: &TransparencyLogEntry) -> bool {
    entry.kind_version == KindVersion::HashedRekordV002
}

/// Reads a bundle as strictly as the crate does: known media type, one signature in an envelope, canonical base64, log
/// entries of known kinds.
pub(super) fn bundle(document: Value) -> Result<Bundle, serde_json::Error> {
    serde_json::from_value(document)
}

/// Reads one log entry.
pub(super) fn entry(document: Value) -> Result<TransparencyLogEntry, serde_json::Error> {
    serde_json::from_value(document)
}

/// The bundle as if there were no log entries.
pub(super) fn without_entries(bundle: &mut Bundle) {
    bundle.verification_material.tlog_entries.clear();
    // Version 0.1 demands a promise of an entry.
    if bundle.media_type == MediaType::Bundle0_1 {
        bundle.media_type = MediaType::Bundle0_2;
    }
}

/// Whether the key (DER of its SPKI) signed the message.
pub(super) fn verifies(scheme: SigningScheme, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    key(scheme, spki).is_some_and(|key| key.verify(message, &SignatureBytes::from_bytes(signature)).is_ok())
}

/// Whether the key signed the message that has this digest, in a scheme over that hash.
pub(super) fn verifies_digest(scheme: SigningScheme, spki: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    key(scheme, spki).is_some_and(|key| key.verify_prehashed(digest, &SignatureBytes::from_bytes(signature)).is_ok())
}

fn key(scheme: SigningScheme, spki: &[u8]) -> Option<VerificationKey> {
    VerificationKey::from_spki_with_scheme(&DerPublicKey::from_bytes(spki), scheme).ok()
}
