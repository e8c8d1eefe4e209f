//! A PKI of one's own: a root, an intermediate, and leaves with a name but none of Fulcio's claims.

use x509_cert::ext::pkix::name::GeneralName;

use super::body::Content;
use super::fulcio::CodeSigning;
use super::signing::Signing;
use super::x509::{Authority, Profile};
use crate::support::signer::SigningKey;

/// Root and intermediates.
#[derive(Clone)]
pub struct Pki {
    /// The root.
    pub root: Authority,
    /// The authorities under it, each under the one before; the last one issues.
    pub intermediates: Vec<Authority>,
    now: i64,
}

impl Pki {
    /// A root and one intermediate.
    pub fn new(name: &str, now: i64) -> Self {
        let root = Authority::root(&key(name, "root"), &Profile::root(&format!("{name} root"), now));
        let profile = Profile::intermediate(&format!("{name} intermediate"), now);
        let intermediate = root.child(&key(name, "intermediate"), &profile);
        Self { root, intermediates: vec![intermediate], now }
    }

    /// The same with another intermediate, or whatever else its profile says.
    pub fn with_intermediate(name: &str, now: i64, change: impl FnOnce(&mut Profile)) -> Self {
        let mut pki = Self::new(name, now);
        let mut profile = Profile::intermediate(&format!("{name} intermediate"), now);
        change(&mut profile);
        pki.intermediates = vec![pki.root.child(&key(name, "intermediate"), &profile)];
        pki
    }

    /// The authority that issues.
    pub fn issuer(&self) -> &Authority {
        self.intermediates.last().unwrap_or(&self.root)
    }

    /// The root, as a policy names it.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The intermediates, the issuing one first, as a policy names them.
    pub fn intermediates_pem(&self) -> String {
        self.intermediates.iter().rev().map(Authority::pem).collect()
    }

    /// Issuing authority first and root last: the file for `--certificate-chain`.
    pub fn chain_pem(&self) -> String {
        self.intermediates_pem() + &self.root_pem()
    }

    /// A leaf of this name, with the intermediates presented after it.
    pub fn certificate(&self, name: GeneralName) -> CodeSigning {
        CodeSigning {
            presented: self.intermediates.iter().rev().map(|authority| authority.certificate.clone()).collect(),
            ..CodeSigning::own(self.issuer(), vec![name], self.now)
        }
    }

    /// A signature by such a leaf, with no evidence beside it.
    pub fn signing(&self, name: GeneralName, content: Content) -> Signing {
        Signing::by_certificate(&key("any", "leaf of an own PKI"), self.certificate(name), content)
    }
}

fn key(name: &str, role: &str) -> SigningKey {
    SigningKey::seeded(&format!("{name} PKI: {role}"))
}
