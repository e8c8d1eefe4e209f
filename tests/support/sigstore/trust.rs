//! What verifiers know of an instance: `trusted_root.json` (sigstore/protobuf-specs, `sigstore_trustroot.proto`).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sealgate::signatures::TrustMaterial;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::Encode;

use super::body::key_details;
use super::log::Log;
use super::merkle::Hash;

/// A trusted root. Plain data: any list may be emptied, extended or changed before it is written.
#[derive(Clone)]
pub struct TrustedRoot {
    /// Transparency logs.
    pub logs: Vec<TrustedLog>,
    /// Certificate logs.
    pub certificate_logs: Vec<TrustedLog>,
    /// Authorities of signers' certificates.
    pub certificate_authorities: Vec<TrustedChain>,
    /// Timestamp authorities.
    pub timestamp_authorities: Vec<TrustedChain>,
}

/// A log that is trusted for a time.
#[derive(Clone)]
pub struct TrustedLog {
    /// The log.
    pub log: Log,
    /// The id by which entries name it.
    pub id: Hash,
    /// When it is trusted.
    pub window: Window,
}

/// A chain that is trusted for a time.
#[derive(Clone)]
pub struct TrustedChain {
    /// The certificates, the root last.
    pub certificates: Vec<Certificate>,
    /// When it is trusted.
    pub window: Window,
}

/// A span of time in Unix seconds, both ends included; `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first second.
    pub start: Option<i64>,
    /// The last second.
    pub end: Option<i64>,
}

impl TrustedRoot {
    /// The same with a change.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    /// All that this one and another trust.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(|root| {
            root.logs.extend(other.logs.iter().cloned());
            root.certificate_logs.extend(other.certificate_logs.iter().cloned());
            root.certificate_authorities.extend(other.certificate_authorities.iter().cloned());
            root.timestamp_authorities.extend(other.timestamp_authorities.iter().cloned());
        })
    }

    /// As the verifier has it.
    pub fn material(&self) -> Arc<TrustMaterial> {
        Arc::new(TrustMaterial::from_json(&self.json().to_string()).unwrap())
    }

    /// As it is written.
    pub fn json(&self) -> Value {
        let logs = |logs: &[TrustedLog]| logs.iter().map(TrustedLog::json).collect::<Vec<_>>();
        let chains = |chains: &[TrustedChain]| chains.iter().map(TrustedChain::json).collect::<Vec<_>>();
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": logs(&self.logs),
            "certificateAuthorities": chains(&self.certificate_authorities),
            "ctlogs": logs(&self.certificate_logs),
            "timestampAuthorities": chains(&self.timestamp_authorities),
        })
    }
}

impl TrustedLog {
    /// A log that is trusted from a time on.
    pub fn new(log: &Log, start: i64) -> Self {
        Self { log: log.clone(), id: log.id(), window: Window::from(start) }
    }

    fn json(&self) -> Value {
        json!({
            "baseUrl": format!("https://{}", self.log.name),
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(self.log.key.spki()),
                "keyDetails": key_details(self.log.key.scheme()),
                "validFor": self.window.json(),
            },
            "logId": {"keyId": STANDARD.encode(self.id)},
        })
    }
}

impl TrustedChain {
    /// A chain that is trusted from a time on.
    pub fn new(certificates: Vec<Certificate>, start: i64) -> Self {
        Self { certificates, window: Window::from(start) }
    }

    fn json(&self) -> Value {
        let root = self.certificates.last().map(|root| root.tbs_certificate.subject.to_string()).unwrap_or_default();
        let encode = |certificate: &Certificate| json!({"rawBytes": STANDARD.encode(certificate.to_der().unwrap())});
        json!({
            "subject": {"organization": "sealgate tests", "commonName": root},
            "uri": "https://authority.sigstore.test",
            "certChain": {"certificates": self.certificates.iter().map(encode).collect::<Vec<_>>()},
            "validFor": self.window.json(),
        })
    }
}

impl Window {
    /// Open at the end.
    pub fn from(start: i64) -> Self {
        Self { start: Some(start), end: None }
    }

    fn json(self) -> Value {
        let mut window = json!({});
        for (name, second) in [("start", self.start), ("end", self.end)] {
            if let Some(second) = second {
                window[name] = json!(rfc3339(second));
            }
        }
        window
    }
}

/// A Unix time as JSON has it.
pub fn rfc3339(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}
