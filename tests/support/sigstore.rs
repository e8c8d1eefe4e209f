//! A Sigstore of our own: Fulcio, a certificate log, Rekor of both generations and a timestamp authority, with a clock that
//! stands still, and a generator of signatures in every form.
//!
//! A [`Signing`] says all that goes into one signature, as plain data. A test makes a good one, changes one field of a clone, and
//! has the negative that differs from its positive in one place:
//!
//! ```ignore
//! use crate::support::sigstore::{Content, Identity, NOW, Sigstore, Timestamp};
//! use crate::support::signer::statement;
//!
//! let sigstore = Sigstore::new("a");                                   // another name shares nothing with it
//! let trusted_root = sigstore.trusted_root().json();                    // the file; .with(|root| ...) changes it
//! let good = sigstore.keyless(&Identity::github(), Content::statement(&statement(&digest)));
//! let bundle = good.bundle();                                           // v0.3, Rekor v1, timestamp: JSON
//! let late = good.with(|it| it.entry().integrated_time = NOW + 3600);   // the log says another time
//! let bare = good.with(|it| it.leaf().scts.clear());                    // no receipt in the certificate
//! let two = good.with(|it| it.timestamps.push(sigstore.timestamp()));   // one more timestamp
//! let raw = good.with(|it| it.edit_bundle.set(|bundle| bundle["mediaType"] = json!("x")));
//! good.bundle_candidate(); good.layer_candidate();                      // as the registry hands it to the verifier
//! sigstore.trusted_root().material();                                   // as the verifier has it
//! ```
//!
//! | to get | start with | then |
//! |---|---|---|
//! | a bundle | [`Signing::bundle`] | [`Content::statement`] makes an envelope, [`Content::Message`] a message signature |
//! | an older bundle | `it.version = Version::V01` | the chain after the leaf is `it.leaf().presented` |
//! | a layer of cosign 2 | [`Signing::layer`] | `.sig` for [`Content::simple_signing`], `.att` for [`Content::statement`] |
//! | keyless, Rekor v1 | [`Sigstore::keyless`] | one entry with promise, proof and checkpoint, and one timestamp |
//! | keyless, Rekor v2 | [`Sigstore::keyless_v2`] | one entry, and the timestamp that it needs |
//! | as GitHub attests | [`Sigstore::github`] | no log, no receipt, one timestamp |
//! | a bare key | [`Signing::by_key`] | push [`Sigstore::entry`], [`Sigstore::entry_v2`], [`Sigstore::timestamp`] |
//! | an own PKI | [`Pki::new`], [`Pki::signing`] | roots and intermediates as PEM |
//! | evidence of something else | `it.entry().about = Some(Box::new(other))`, `it.timestamp().over = Some(bytes)` | |
//! | every form at once | [`Sigstore::every_form`] | a table of names and [`Form`]s |
//! | a prover in another's name | [`changes::changes`] | a table of [`Change`]s, each for every form that has the part |
//!
//! All times are Unix seconds. The certificate begins at [`NOW`] and lasts ten minutes; the timestamp is of `NOW + 1`, the log
//! integrates at `NOW + 2`. Keys are made from names, so the same signing gives the same bytes in each run, RSA, P-384 and
//! P-521 apart.

#[path = "sigstore/body.rs"]
pub mod body;
#[path = "sigstore/changes.rs"]
pub mod changes;
#[path = "sigstore/edit.rs"]
mod edit;
#[path = "sigstore/forms.rs"]
mod forms;
#[path = "sigstore/fulcio.rs"]
mod fulcio;
#[path = "sigstore/hash.rs"]
mod hash;
#[path = "sigstore/identity.rs"]
pub mod identity;
#[path = "sigstore/log.rs"]
pub mod log;
#[path = "sigstore/merkle.rs"]
pub mod merkle;
#[path = "sigstore/pki.rs"]
mod pki;
#[path = "sigstore/serve.rs"]
mod serve;
#[path = "sigstore/signing.rs"]
pub mod signing;
#[path = "sigstore/timestamp.rs"]
pub mod timestamp;
#[path = "sigstore/trust.rs"]
mod trust;
#[path = "sigstore/x509.rs"]
pub mod x509;

use super::signer::SigningKey;

pub use body::{Content, Kind};
pub use changes::{Case, Change, Side};
pub use edit::Edit;
pub use forms::{Form, Shape};
pub use fulcio::{CodeSigning, Sct};
pub use hash::HashAlgorithm;
pub use identity::Identity;
pub use log::{Entry, Generation, Log};
pub use pki::Pki;
pub use serve::Service;
pub use signing::{Signing, Version};
pub use timestamp::{Timestamp, TimestampAuthority};
pub use trust::{TrustedChain, TrustedLog, TrustedRoot, Window};
pub use x509::{Authority, Profile};

/// The time at which everything happens, unless a test says otherwise: 2025-07-01T00:00:00Z.
pub const NOW: i64 = 1_751_328_000;

/// How long before an instance was trusted already.
const HOUR: i64 = 3600;

/// A whole instance. Every part may be replaced.
#[derive(Clone)]
pub struct Sigstore {
    /// Its name; all keys come from it.
    pub name: String,
    /// The time at which signatures are made.
    pub now: i64,
    /// The root of Fulcio.
    pub root: Authority,
    /// The intermediate of Fulcio, which issues.
    pub fulcio: Authority,
    /// The certificate log.
    pub certificate_log: Log,
    /// Rekor, first generation.
    pub rekor: Log,
    /// Rekor, second generation.
    pub rekor_v2: Log,
    /// The timestamp authority.
    pub tsa: TimestampAuthority,
}

impl Sigstore {
    /// The instance of this name, at [`NOW`].
    pub fn new(name: &str) -> Self {
        Self::at(name, NOW)
    }

    /// The instance of this name, set up at another time. Its keys are the same.
    pub fn at(name: &str, now: i64) -> Self {
        let root = Authority::root(
            &SigningKey::seeded(&format!("{name}: Fulcio root")),
            &Profile::root(&format!("{name} root"), now),
        );
        let mut intermediate = Profile::intermediate(&format!("{name} intermediate"), now);
        intermediate.extended_key_usage = vec![x509::CODE_SIGNING];
        let fulcio = root.child(&SigningKey::seeded(&format!("{name}: Fulcio")), &intermediate);
        Self {
            name: name.to_owned(),
            now,
            root,
            fulcio,
            certificate_log: Log::v1(&format!("ctlog.{name}.test")),
            rekor: Log::v1(&format!("rekor.{name}.test")),
            rekor_v2: Log::v2(&format!("rekor2.{name}.test")),
            tsa: TimestampAuthority::new(name, now),
        }
    }

    /// A certificate of Fulcio, with its receipt.
    pub fn certificate(&self, identity: &Identity) -> CodeSigning {
        let mut certificate = CodeSigning::fulcio(&self.fulcio, identity, self.now);
        certificate.scts.push(Sct::new(&self.certificate_log, self.now));
        certificate
    }

    /// A keyless signature with an entry of Rekor v1 and a timestamp. Each identity has a key of its own.
    pub fn keyless(&self, identity: &Identity, content: Content) -> Signing {
        let key = SigningKey::seeded(&format!("{}: leaf of {}", self.name, identity.subject));
        let mut signing = Signing::by_certificate(&key, self.certificate(identity), content);
        signing.entries.push(self.entry());
        signing.timestamps.push(self.timestamp());
        signing
    }

    /// A keyless signature with an entry of Rekor v2 and a timestamp.
    pub fn keyless_v2(&self, identity: &Identity, content: Content) -> Signing {
        self.keyless(identity, content).with(|it| it.entries = vec![self.entry_v2()])
    }

    /// A signature as GitHub's own instance makes it: no log, no receipt, one timestamp.
    pub fn github(&self, identity: &Identity, content: Content) -> Signing {
        self.keyless(identity, content).with(|it| {
            it.entries.clear();
            it.leaf().scts.clear();
        })
    }

    /// An entry of Rekor v1.
    pub fn entry(&self) -> Entry {
        Entry::new(&self.rekor, self.now + 2)
    }

    /// An entry of Rekor v2.
    pub fn entry_v2(&self) -> Entry {
        Entry::new(&self.rekor_v2, self.now + 2)
    }

    /// A timestamp.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::new(&self.tsa, self.now + 1)
    }

    /// What verifiers know of this instance, from an hour ago on.
    pub fn trusted_root(&self) -> TrustedRoot {
        let start = self.now - HOUR;
        let fulcio = vec![self.fulcio.certificate.clone(), self.root.certificate.clone()];
        TrustedRoot {
            logs: vec![TrustedLog::new(&self.rekor, start), TrustedLog::new(&self.rekor_v2, start)],
            certificate_logs: vec![TrustedLog::new(&self.certificate_log, start)],
            certificate_authorities: vec![TrustedChain::new(fulcio, start)],
            timestamp_authorities: vec![TrustedChain::new(self.tsa.chain(), start)],
        }
    }

    /// The same as GitHub's: an authority of certificates and one of timestamps, no logs.
    pub fn github_trusted_root(&self) -> TrustedRoot {
        self.trusted_root().with(|root| {
            root.logs.clear();
            root.certificate_logs.clear();
        })
    }
}
