//! What the Secret holds, and how each step of its life changes it.

use std::fmt;

use jiff::Timestamp;
use rcgen::KeyPair;

use super::mint;
use super::plan::Action;
use super::{CA_KEY, CertificateError};

/// The content of the Secret, PEM. Empty strings are what the chart creates.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Material {
    /// The authorities to trust, the one that signs last.
    pub ca_certificates: String,
    /// The private key of the authority that signs; empty where somebody else issues the certificate.
    pub ca_key: String,
    /// The serving certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Shows no key.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("ca_certificates", &self.ca_certificates)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl Material {
    /// A new authority and a serving certificate by it.
    pub fn create(names: &[String], now: Timestamp) -> Result<Self, CertificateError> {
        Self::default().renew_authority(now)?.renew_serving(names, now)
    }

    /// Takes the step that [`super::plan()`] asked for.
    pub fn apply(&self, action: Action, names: &[String], now: Timestamp) -> Result<Self, CertificateError> {
        match action {
            Action::Keep => Ok(self.clone()),
            Action::Create(_) => self.begin_anew(None, names, now),
            Action::RenewAuthority => self.renew_authority(now),
            Action::RenewServing(_) => self.renew_serving(names, now),
            Action::RetireAuthorities => Ok(self.retire_authorities(names, now)),
        }
    }

    /// A new authority in place of what can't be used. What is in use meanwhile, and accepted by clients, stays in use and is trusted
    /// beside it until the new authority has settled and signs: no client notices. Otherwise it signs at once.
    pub fn begin_anew(
        &self,
        in_use: Option<&Self>,
        names: &[String],
        now: Timestamp,
    ) -> Result<Self, CertificateError> {
        match in_use.filter(|in_use| in_use.is_accepted(names, now)) {
            Some(in_use) => in_use.renew_authority(now),
            None => self.renew_authority(now)?.renew_serving(names, now),
        }
    }

    /// Whether clients that trust its authorities accept what it has to show.
    pub(super) fn is_accepted(&self, names: &[String], now: Timestamp) -> bool {
        let serving = mint::certificates(&self.certificate);
        let accepts = |authority| serving.first().is_some_and(|serving| mint::verifies(serving, authority, names, now));
        self.serving().is_ok() && mint::certificates(&self.ca_certificates).iter().any(accepts)
    }

    /// Adds a new authority, which signs from now on; the old ones stay trusted until they end.
    fn renew_authority(&self, now: Timestamp) -> Result<Self, CertificateError> {
        let (certificate, key) = mint::authority(now)?;
        let mut trusted = mint::certificates(&self.ca_certificates);
        trusted.retain(|old| mint::Validity::of(old).is_some_and(|validity| !validity.has_ended(now)));
        trusted.push(certificate);
        Ok(Self { ca_certificates: mint::pem(&trusted), ca_key: key.serialize_pem(), ..self.clone() })
    }

    /// A new serving certificate by the authority that signs.
    fn renew_serving(&self, names: &[String], now: Timestamp) -> Result<Self, CertificateError> {
        let invalid = CertificateError::Invalid { what: CA_KEY, expected: "the private key of an authority in ca.crt" };
        let authority_key = KeyPair::from_pem(&self.ca_key).map_err(|_| invalid.clone())?;
        let limit = mint::certificates(&self.ca_certificates)
            .iter()
            .find(|authority| mint::has_key(authority, &authority_key))
            .and_then(mint::Validity::of)
            .ok_or(invalid)?
            .not_after;
        let (certificate, key) = mint::serving(names, authority_key, now, limit)?;
        Ok(Self { certificate, key, ..self.clone() })
    }

    /// Trusts only the authority that signs and the one that signed the serving certificate.
    fn retire_authorities(&self, names: &[String], now: Timestamp) -> Self {
        let signing = KeyPair::from_pem(&self.ca_key).ok();
        let serving = mint::certificates(&self.certificate);
        let mut trusted = mint::certificates(&self.ca_certificates);
        trusted.retain(|authority| {
            signing.as_ref().is_some_and(|key| mint::has_key(authority, key))
                || serving.first().is_some_and(|serving| mint::verifies(serving, authority, names, now))
        });
        Self { ca_certificates: mint::pem(&trusted), ..self.clone() }
    }
}
