//! The one place that names the `sigstore` crate (docs/adr/0001-sigstore-crate.md): bundles and trusted roots cross it as
//! JSON, keys and signatures as bytes, and none of its types leave this folder.

mod authorities;
mod errors;
mod issuer;
mod logged;
mod logs;
mod transparency;

pub(super) use ::sigstore::crypto::{Checkpoint, SigningScheme};
pub(super) use ::sigstore::types::{
    Bundle, DsseEnvelope, HashAlgorithm, MessageSignature, SignatureContent, TransparencyLogEntry,
    VerificationMaterialContent,
};
pub(super) use logged::{Hashed, Logged, Verifier as LoggedVerifier, pem as logged_verifier};

use ::sigstore::crypto::{Keyring, VerificationKey};
use ::sigstore::trust_root::TrustedRoot;
use ::sigstore::trust_root::trusted_root::{CertChain, CertificateEntry};
use ::sigstore::types::{Artifact, DerPublicKey, KindVersion, MediaType, Sha256Hash, SignatureBytes, TimeRange};
use ::sigstore::{VerificationPolicy, Verifier};
use jiff::Timestamp;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

pub(super) use self::issuer::Issuer;
use self::issuer::NotIssued;
use super::LogRule;
use super::key::PublicKey;
use super::timestamp::{self, TimestampAuthority};
use super::trust::TrustError;
use crate::domain::text::{foreign, without_types};
use crate::domain::{Digest, Rejection};

/// A trusted root as the crate has prepared it.
pub(super) struct Anchors {
    verifier: Verifier,
    root: TrustedRoot,
    logs: Keyring,
    certificate_logs: Vec<(SigningScheme, Keyring)>,
    timestamp_authorities: Vec<TimestampAuthority>,
    issuers: Vec<Issuer>,
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
        let listed = root.timestamp_authorities.len();
        narrow(&mut root);
        if listed > 0 && root.timestamp_authorities.is_empty() {
            return Err(unusable(&"no timestamp authority is usable: its certificates are never valid in its window"));
        }
        let verifier = Verifier::new(&root).map_err(|e| unusable(&e))?;
        let logs = root.rekor_keys().map_err(|e| unusable(&e))?;
        if root.certificate_authorities.is_empty() && logs.is_empty() && root.timestamp_authorities.is_empty() {
            return Err(TrustError::Unusable("it has no certificate authority, log or timestamp authority".to_owned()));
        }
        let schemes =
            [SigningScheme::EcdsaP256Sha256, SigningScheme::EcdsaP384Sha384, SigningScheme::RsaPkcs1Sha256].into_iter();
        let certificate_logs = schemes.filter_map(|scheme| Some((scheme, root.ctfe_keys(scheme).ok()?))).collect();
        let timestamp_authorities = timestamp_authorities(&root).map_err(|problem| unusable(&problem))?;
        let issuers = Issuer::all(&root);
        Ok(Self { verifier, root, logs, certificate_logs, timestamp_authorities, issuers })
    }

    /// How many certificate authorities, logs and timestamp authorities there are.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.root.certificate_authorities.len(), self.root.tlogs.len(), self.root.timestamp_authorities.len())
    }

    /// The times of all timestamps of a bundle. Where the root names no timestamp authority they are no source of time.
    pub(super) fn timestamps(&self, bundle: &Bundle, signature: &[u8]) -> Result<Vec<Timestamp>, Rejection> {
        let tokens = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
        let tokens = if self.has_timestamp_authorities() { tokens.as_slice() } else { &[] };
        let verify = |der: &[u8]| timestamp::verify(der, signature, &self.timestamp_authorities);
        tokens.iter().map(|token| verify(token.signed_timestamp.as_bytes())).collect()
    }

    /// Whether timestamps can be verified at all.
    pub(super) fn has_timestamp_authorities(&self) -> bool {
        !self.timestamp_authorities.is_empty()
    }

    /// The authority of the root that issued a certificate (DER).
    pub(super) fn issuer(&self, certificate: &[u8]) -> Result<&Issuer, Rejection> {
        issuer::of(certificate, &self.issuers).map_err(|problem| match problem {
            NotIssued::Foreign => errors::foreign_certificate(),
            NotIssued::Refused(problem) => refused(&foreign(&problem)),
        })
    }

    /// Asks the crate about a bundle with a certificate of these authorities, which our own checks accept. Whom the certificate
    /// names is not looked at. It is not asked what it can't read (docs/adr/0010-a-proof-names-its-prover.md):
    ///
    /// 1. signatures by P-521 and Ed25519 keys;
    /// 2. entries of tiled logs about signatures by another key than one of P-256;
    /// 3. log entries that the rule ignores, and timestamps where the root has no authority for them;
    /// 4. the certificates behind the signer's: authorities come from the trusted root;
    /// 5. timestamps by RSA keys, keys of P-521, with SHA-512, or with a fraction of a second in the time or its accuracy.
    pub(super) fn second_opinion(
        &self,
        bundle: &Bundle,
        key: &PublicKey,
        rule: LogRule,
        signed: Signed<'_>,
    ) -> Result<(), Rejection> {
        // 1.
        if !key.is_known_to_crate() {
            return Ok(());
        }
        let mut bundle = bundle.clone();
        let material = &mut bundle.verification_material;
        // 2. and 3.
        material.tlog_entries.retain(|entry| rule != LogRule::Ignored && (key.is_p256() || !is_tiled(entry)));
        // 3. and 5.
        let timestamps = &mut material.timestamp_verification_data.rfc3161_timestamps;
        let found = timestamps.len();
        timestamps
            .retain(|it| timestamp::is_known_to_crate(it.signed_timestamp.as_bytes(), &self.timestamp_authorities));
        let has_promise = material.tlog_entries.iter().any(|entry| entry.inclusion_promise.is_some());
        if timestamps.is_empty() && found > 0 && !has_promise {
            // Nothing is left that would tell it the time.
            return Ok(());
        }
        // 4.
        if let VerificationMaterialContent::X509CertificateChain { certificates } = &mut material.content {
            certificates.truncate(1);
        }
        let mut policy = VerificationPolicy::any_identity();
        if self.root.ctlogs.is_empty() {
            policy = policy.skip_sct();
        }
        if material.tlog_entries.is_empty() {
            policy = policy.skip_tlog_unsafe();
            without_entries(&mut bundle);
        }
        let artifact = match signed {
            Signed::Bytes(bytes) => Artifact::from_blob(bytes),
            Signed::Digest(digest) => Artifact::from(Sha256Hash::new(*digest.as_bytes())),
        };
        self.verifier.verify(artifact, &bundle, &policy).map(drop).map_err(|error| errors::rejection(&error))
    }

    /// Whether the authority that issued a certificate counted at each of the moments; and whether the certificate has a proof of
    /// certificate transparency where the root names such logs. Certificates that lie beside a signature vouch for nobody: every
    /// authority of a trusted root is in it, with the window in which it counts.
    pub(super) fn certify(
        &self,
        certificate: &[u8],
        issuer: &Issuer,
        at: &[Timestamp],
        now: Timestamp,
    ) -> Result<(), Rejection> {
        for moment in at {
            issuer::check(issuer, &self.issuers, *moment).map_err(|problem| refused(&problem))?;
        }
        if self.root.ctlogs.is_empty() {
            return Ok(());
        }
        let key = issuer::key(issuer).ok_or_else(|| refused("the key of its authority can't be read"))?;
        transparency::check(certificate, &key, &self.certificate_logs, now).map_err(refused)
    }
}

/// The rejection for a certificate that no authority vouches for.
fn refused(problem: &str) -> Rejection {
    Rejection::CertificateInvalid(format!("is refused: {problem}"))
}

/// The timestamp authorities, each with its window. The crate's own list leaves out those that have not begun when it is made; here
/// the time of a timestamp decides.
fn timestamp_authorities(root: &TrustedRoot) -> Result<Vec<TimestampAuthority>, String> {
    let read = |authority: &::sigstore::trust_root::TimestampAuthority| {
        let chain = authority.cert_chain.certificates.iter().map(|certificate| certificate.raw_bytes.as_bytes());
        let window = authority.valid_for.map(|window| (Some(window.start), window.end));
        TimestampAuthority::read(&chain.collect::<Vec<_>>(), window.unwrap_or_default())
    };
    root.timestamp_authorities.iter().map(read).collect()
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
fn without_entries(bundle: &mut Bundle) {
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
