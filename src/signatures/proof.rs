//! What is proven of a signature, for each kind of signer. Each question is answered once a candidate ([`Proofs`]): ten
//! authorities that trust the same root and differ in the identities they accept cost one verification.

use std::sync::Arc;

use jiff::Timestamp;

use super::adapter::Signed;
use super::certificate::{CertificateRoots, Leaf, Moment};
use super::claim::{Claim, Message, Signer};
use super::key::PublicKey;
use super::log::{self, By};
use super::trust::TrustMaterial;
use super::{LogRule, Proof, SignerDemand};
use crate::domain::text::Foreign;
use crate::domain::{Digest, Rejection, SignerIdentity};

/// What was proven.
#[derive(Clone)]
pub(super) struct Proven {
    /// Beside the signature.
    pub(super) proof: Proof,
    /// The key that made the signature.
    pub(super) key: PublicKey,
    /// About whom, where a certificate says so.
    pub(super) identity: Option<Arc<SignerIdentity>>,
}

/// The answers about one candidate.
pub(super) struct Proofs<'c, 'a> {
    claim: &'c Claim<'a>,
    /// The image or artifact that it is about.
    subject: &'c Digest,
    now: Timestamp,
    answers: Vec<(Question, Result<Proven, Rejection>)>,
    /// The key that made the signature, once it is known.
    signed_by: Option<PublicKey>,
    /// Keys that did not.
    not_by: Vec<PublicKey>,
}

/// What makes two demands the same cryptographic question.
#[derive(PartialEq, Eq)]
enum Question {
    Key(PublicKey, Option<Digest>, LogRule),
    Keyless(Digest, LogRule),
    Certificate(CertificateRoots, Option<Digest>, LogRule),
}

impl<'c, 'a> Proofs<'c, 'a> {
    pub(super) fn new(claim: &'c Claim<'a>, subject: &'c Digest, now: Timestamp) -> Self {
        Self { claim, subject, now, answers: Vec::new(), signed_by: None, not_by: Vec::new() }
    }

    /// Whether the signature is by such a signer, whoever its certificate names.
    pub(super) fn answer(&mut self, signer: SignerDemand<'_>, rule: LogRule) -> Result<Proven, Rejection> {
        let fingerprint = |root: Option<&TrustMaterial>| root.map(|root| *root.fingerprint());
        let question = match signer {
            SignerDemand::Key { key, root } => Question::Key(key.clone(), fingerprint(root), rule),
            SignerDemand::Keyless { root, .. } => Question::Keyless(*root.fingerprint(), rule),
            SignerDemand::Certificate { roots, root, .. } => {
                Question::Certificate(roots.clone(), fingerprint(root), rule)
            }
        };
        if let Some((_, answer)) = self.answers.iter().find(|(asked, _)| *asked == question) {
            return answer.clone();
        }
        let answer = match signer {
            SignerDemand::Key { key, root } => self.by_key(key, root, rule),
            SignerDemand::Keyless { root, .. } => self.keyless(root, rule),
            SignerDemand::Certificate { roots, root, .. } => self.by_certificate(roots, root, rule),
        };
        self.answers.push((question, answer.clone()));
        answer
    }

    /// 1. The signer presents itself by a key. A fingerprint beside it only explains.
    /// 2. The key made the signature, over the raw bytes of the message.
    /// 3. What lies beside it is about it, and proven as the rule demands ([`Self::evidence`]).
    fn by_key(&mut self, key: &PublicKey, root: Option<&TrustMaterial>, rule: LogRule) -> Result<Proven, Rejection> {
        // 1.
        let Signer::Key { hint } = self.claim.signer() else {
            return Err(Rejection::SignerMismatch(format!(
                "the signature was made with a certificate, and the policy demands the {key}"
            )));
        };
        // 2.
        if !self.made_by(key)? {
            return Err(match hint {
                Some(hint) if hint != key.hint() => Rejection::SignerMismatch(format!(
                    "the signature says that key {} made it, and the policy demands the {key}",
                    Foreign(hint)
                )),
                _ => Rejection::SignatureInvalid { key: key.to_string() },
            });
        }
        // 3.
        Ok(Proven { proof: self.evidence(By::Key(key), root, rule)?, key: key.clone(), identity: None })
    }

    /// Whether the key made the signature. Each key is tried once, and none after the one that did.
    fn made_by(&mut self, key: &PublicKey) -> Result<bool, Rejection> {
        if let Some(known) = &self.signed_by {
            return Ok(known == key);
        }
        if self.not_by.contains(key) {
            return Ok(false);
        }
        let made = self.signed(key)?;
        if made {
            self.signed_by = Some(key.clone());
        } else {
            self.not_by.push(key.clone());
        }
        Ok(made)
    }

    /// 1. The signer presents itself by a certificate that names one holder.
    /// 2. The certificate's key made the signature, over the raw bytes of the message.
    /// 3. An authority of the root issued the certificate.
    /// 4. What lies beside it is about it, and proven as the rule demands ([`Self::evidence`]); a time is proven.
    /// 5. At each of these times the certificate was valid, and that authority counted; and it has a proof of certificate
    ///    transparency, where the root names such logs ([`super::adapter::Anchors::certify`]).
    /// 6. The crate, which is asked as well, says the same ([`super::adapter::Anchors::second_opinion`]).
    fn keyless(&self, root: &TrustMaterial, rule: LogRule) -> Result<Proven, Rejection> {
        // 1.
        let (Signer::Certificate { leaf: der, .. }, Some(bundle)) = (self.claim.signer(), &self.claim.bundle) else {
            return Err(Rejection::SignerMismatch(
                "the signature was made with a bare key, and the policy demands a certificate of its trusted root"
                    .to_owned(),
            ));
        };
        let leaf = Leaf::read(der)?;
        leaf.check_usage()?;
        // 2.
        if !self.signed(&leaf.key)? {
            return Err(Rejection::SignatureInvalid { key: "the key of its certificate".to_owned() });
        }
        // 3.
        let issuer = root.anchors.issuer(der)?;
        // 4.
        let proof = self.evidence(By::Certificate(der), Some(root), rule)?;
        if proof.times.is_empty() {
            return Err(Rejection::NoSigningTime);
        }
        // 5.
        proof.times.iter().try_for_each(|time| leaf.check_validity(Moment::Signed(*time)))?;
        root.anchors.certify(der, issuer, &proof.times, self.now)?;
        // 6. Entries of the kind that the crate does not know are no part of the bundle, and with them goes their time.
        if self.claim.early.is_none() {
            root.anchors.second_opinion(bundle, &leaf.key, rule, self.signed_bytes())?;
        }
        Ok(Proven { proof, key: leaf.key, identity: Some(leaf.identity.into()) })
    }

    /// 1. The signer presents itself by a certificate that names one holder.
    /// 2. The certificate's key made the signature.
    /// 3. A path leads from it to one of the roots.
    /// 4. What lies beside it is about it, and proven as the rule demands ([`Self::evidence`]).
    /// 5. The path held at every time that was proven; where none was, now.
    fn by_certificate(
        &self,
        roots: &CertificateRoots,
        root: Option<&TrustMaterial>,
        rule: LogRule,
    ) -> Result<Proven, Rejection> {
        // 1.
        let Signer::Certificate { leaf: der, intermediates } = self.claim.signer() else {
            return Err(Rejection::SignerMismatch(
                "the signature was made with a bare key, and the policy demands a certificate".to_owned(),
            ));
        };
        let leaf = Leaf::read(der)?;
        // 2.
        if !self.signed(&leaf.key)? {
            return Err(Rejection::SignatureInvalid { key: "the key of its certificate".to_owned() });
        }
        // 3.
        let path = roots.path(&leaf, der, &intermediates)?;
        // 4.
        let proof = self.evidence(By::Certificate(der), root, rule)?;
        // 5.
        let mut at: Vec<_> = proof.times.iter().copied().map(Moment::Signed).collect();
        if at.is_empty() {
            at.push(Moment::Now(self.now));
        }
        path.verify(&leaf, der, &intermediates, &at)?;
        Ok(Proven { proof, key: leaf.key, identity: Some(leaf.identity.into()) })
    }

    /// What lies beside a signature:
    ///
    /// 1. log entries are not looked at where the rule says so;
    /// 2. each log entry is about this signature;
    /// 3. without a trusted root nothing more can be told, and nothing is;
    /// 4. each entry is proven to be in its log, which was trusted then, each timestamp to be by an authority of the root, and
    ///    none is of a time to come;
    /// 5. there is an entry, where the rule demands one.
    fn evidence(&self, by: By<'_>, root: Option<&TrustMaterial>, rule: LogRule) -> Result<Proof, Rejection> {
        let none = || if rule == LogRule::Required { Err(Rejection::LogRequired) } else { Ok(Proof::default()) };
        let Some(bundle) = &self.claim.bundle else { return none() };
        let material = &bundle.verification_material;
        // 1.
        let entries = if rule == LogRule::Ignored { &[][..] } else { material.tlog_entries.as_slice() };
        // 2.
        let early = self.claim.early.as_ref().filter(|_| rule != LogRule::Ignored);
        early.iter().try_for_each(|early| early.check_subject(self.claim, by))?;
        entries.iter().try_for_each(|entry| log::check_subject(entry, self.claim, by))?;
        // 3.
        let Some(root) = root else { return none() };
        // 4.
        let mut proof = Proof::default();
        for entry in entries.iter().chain(early.map(|early| &early.entry)) {
            proof.times.extend(log::check_inclusion(entry, &root.anchors, self.now)?);
            proof.log_entries.push(named(log::check_log(entry, &root.anchors)?, log::proven_index(entry)));
        }
        proof.times.extend(root.anchors.timestamps(bundle, &self.claim.signature)?);
        proof.times.sort();
        log::check_times(&proof.times, self.now)?;
        entries.iter().try_for_each(|entry| log::check_window(entry, &root.anchors, &proof.times, self.now))?;
        // 5.
        match rule {
            LogRule::Required if proof.log_entries.is_empty() => Err(Rejection::LogRequired),
            _ => Ok(proof),
        }
    }

    /// Whether the key made the signature.
    fn signed(&self, key: &PublicKey) -> Result<bool, Rejection> {
        match &self.claim.message {
            Message::Bytes(bytes) => Ok(key.verifies(bytes, &self.claim.signature)),
            Message::Digest(digest) => match key.verifies_digest(digest, &self.claim.signature) {
                false if !key.needs_only_digest() => Err(Rejection::SignerMismatch(format!(
                    "a signature over the manifest itself can be checked only where it was made over its SHA-256, \
                     which the {key} need not have done; sign with `cosign sign`"
                ))),
                verifies => Ok(verifies),
            },
        }
    }

    /// What the crate is to compare with the bundle: the message itself, or what its statement is about.
    fn signed_bytes(&self) -> Signed<'_> {
        match &self.claim.message {
            Message::Bytes(bytes) if self.claim.content.predicate_type.is_none() => Signed::Bytes(bytes),
            Message::Bytes(_) => Signed::Digest(self.subject),
            Message::Digest(digest) => Signed::Digest(digest),
        }
    }
}

/// A log entry, for people.
fn named(log: &str, index: Option<i64>) -> String {
    match index {
        Some(index) => format!("{log} index {index}"),
        None => log.to_owned(),
    }
}
