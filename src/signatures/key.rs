//! Public keys of policies, and verifying a signature over bytes with one.

use std::fmt;

/// A public key in one of the accepted algorithms.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
}

/// Why a PEM is no usable public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {}

impl PublicKey {
    /// Reads exactly one PEM `PUBLIC KEY`.
    pub fn from_pem(_pem: &str) -> Result<Self, KeyError> {
        todo!()
    }

    /// Whether the key signed `message`, in any of the schemes that cosign has used for its algorithm.
    pub fn verifies(&self, _message: &[u8], _signature: &[u8]) -> bool {
        todo!()
    }

    /// The base64 of the SHA-256 of the SPKI: the `hint` of a bundle.
    pub fn hint(&self) -> String {
        todo!()
    }
}

/// Algorithm and fingerprint, such as `ECDSA P-256 key SHA256:dbqUjGJC…`.
impl fmt::Display for PublicKey {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = &self.spki;
        todo!()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
