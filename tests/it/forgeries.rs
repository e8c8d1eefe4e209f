//! Forged evidence: each case is a good signature with one thing wrong, beside the good one.

mod authorities;
mod certificates;
mod checkpoints;
mod early;
mod envelopes;
mod flips;
mod logs;
mod matrix;
mod own_pki;
mod provers;
mod statements;
mod times;
mod timestamps;

use std::sync::Arc;

use jiff::Timestamp as Moment;
use sealgate::domain::{Class, Digest, Finding, IdentityParts, IdentityPattern, ImageReference, PinnedImage};
use sealgate::signatures::{
    Candidate, ContentDemand, Demand, LogRule, SignerDemand, TrustMaterial, VerifiedSignature, verify,
};

use crate::support::signer::{SigningKey, statement};
use crate::support::sigstore::{Content, Identity, NOW, Signing, Sigstore, TrustedRoot};

/// The bytes of the image's manifest.
const MANIFEST: &[u8] = b"an image manifest";
/// When all is verified: an hour after it was signed, when no certificate is valid any more.
const LATER: i64 = NOW + 3600;

type Answer = Result<VerifiedSignature, Finding>;

fn image() -> PinnedImage {
    ImageReference::parse("registry.example/app").unwrap().pin(MANIFEST)
}

fn digest() -> Digest {
    *image().digest()
}

/// The statement by which an image is signed.
fn content() -> Content {
    Content::statement(&statement(&digest()))
}

fn sigstore() -> Sigstore {
    Sigstore::new("a")
}

/// A keyless signature with an entry of Rekor v1 and a timestamp.
fn good() -> Signing {
    sigstore().keyless(&Identity::github(), content())
}

/// The same with an entry of Rekor v2.
fn good_v2() -> Signing {
    sigstore().keyless_v2(&Identity::github(), content())
}

/// A key with an entry of Rekor v1.
fn good_key() -> Signing {
    Signing::by_key(&key(), content()).with(|it| it.entries.push(sigstore().entry()))
}

/// A key with an entry of Rekor v2.
fn good_key_v2() -> Signing {
    Signing::by_key(&key(), content()).with(|it| it.entries.push(sigstore().entry_v2()))
}

fn key() -> SigningKey {
    SigningKey::seeded("a key")
}

fn moment(seconds: i64) -> Moment {
    Moment::from_second(seconds).unwrap()
}

fn github() -> Vec<IdentityPattern> {
    named(Some(&Identity::github().issuer), &Identity::github().subject)
}

fn named(issuer: Option<&str>, subject: &str) -> Vec<IdentityPattern> {
    let parts = IdentityParts {
        issuer: issuer.map(str::to_owned),
        subject: Some(subject.to_owned()),
        ..IdentityParts::default()
    };
    vec![IdentityPattern::certificate(parts).unwrap()]
}

/// A question to the verifier.
#[derive(Clone)]
struct Question {
    root: Arc<TrustMaterial>,
    log: LogRule,
    now: i64,
    predicate_type: Option<&'static str>,
}

impl Question {
    /// An image signature that is in a log of the instance `a`.
    fn new() -> Self {
        Self::under(&sigstore().trusted_root())
    }

    fn under(root: &TrustedRoot) -> Self {
        Self { root: root.material(), log: LogRule::Required, now: LATER, predicate_type: None }
    }

    fn keyless(&self, candidate: &Candidate) -> Answer {
        self.ask(candidate, SignerDemand::Keyless { root: &self.root, identities: &github() })
    }

    fn by_key(&self, candidate: &Candidate) -> Answer {
        self.ask(candidate, SignerDemand::Key { key: &key().public(), root: Some(&self.root) })
    }

    /// The same about another image.
    fn ask_about(&self, image: &PinnedImage, candidate: &Candidate, keyless: bool) -> Answer {
        let (identities, key) = (github(), key().public());
        let signer = if keyless {
            SignerDemand::Keyless { root: &self.root, identities: &identities }
        } else {
            SignerDemand::Key { key: &key, root: Some(&self.root) }
        };
        self.demand(image, candidate, signer)
    }

    fn ask(&self, candidate: &Candidate, signer: SignerDemand<'_>) -> Answer {
        self.demand(&image(), candidate, signer)
    }

    fn demand(&self, image: &PinnedImage, candidate: &Candidate, signer: SignerDemand<'_>) -> Answer {
        let annotations = std::collections::BTreeMap::new();
        let content = match self.predicate_type {
            Some(predicate_type) => ContentDemand::Attestation { predicate_type },
            None => ContentDemand::Image { annotations: &annotations },
        };
        verify(candidate, image, Demand { signer, log: self.log, content }, moment(self.now))
    }

    /// The signing as a bundle, by whoever signs in it.
    fn bundle(&self, signing: &Signing) -> Answer {
        let candidate = signing.bundle_candidate();
        if signing.certificate.is_some() { self.keyless(&candidate) } else { self.by_key(&candidate) }
    }

    /// The signing as a layer, by whoever signs in it.
    fn layer(&self, signing: &Signing) -> Answer {
        let candidate = signing.layer_candidate();
        if signing.certificate.is_some() { self.keyless(&candidate) } else { self.by_key(&candidate) }
    }
}

/// A good signature after a change.
fn after(good: &Signing, change: impl FnOnce(&mut Signing)) -> Answer {
    Question::new().bundle(&good.with(change))
}

/// A good signature under a changed root.
fn under(good: &Signing, change: impl FnOnce(&mut TrustedRoot)) -> Answer {
    Question::under(&sigstore().trusted_root().with(change)).bundle(good)
}

#[track_caller]
fn allowed(answer: &Answer) {
    if let Err(finding) = answer {
        panic!("refused: {finding:?}");
    }
}

#[track_caller]
fn denied(answer: &Answer, code: &str, class: Class) {
    match answer {
        Ok(verified) => panic!("verified: {verified:?}"),
        Err(finding) => assert_eq!((finding.code(), finding.class()), (code, class), "{finding:?}"),
    }
}

/// Refused as what can't be read.
#[track_caller]
fn malformed(answer: &Answer) {
    denied(answer, "SIGNATURE_MALFORMED", Class::BadSignature);
}

/// Refused as a bad certificate.
#[track_caller]
fn bad_certificate(answer: &Answer) {
    denied(answer, "CERTIFICATE_INVALID", Class::BadSignature);
}

/// Refused as a bad log entry.
#[track_caller]
fn bad_entry(answer: &Answer) {
    denied(answer, "LOG_INVALID", Class::BadSignature);
}

/// Refused as a bad time.
#[track_caller]
fn bad_time(answer: &Answer) {
    denied(answer, "TIMESTAMP_INVALID", Class::BadSignature);
}

/// Refused as signed at no proven time.
#[track_caller]
fn without_time(answer: &Answer) {
    denied(answer, "NO_SIGNING_TIME", Class::BadSignature);
}

/// Refused as vouched for by nobody who is trusted.
#[track_caller]
fn untrusted(answer: &Answer) {
    denied(answer, "TRUST_ROOT_MISMATCH", Class::TrustRoot);
}
