//! What is looked for in one repository, each thing once, whoever asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{IdentityPattern, PinnedImage, Rejection, Unavailable};
use crate::policy::{AttestationDemand, Authority, Condition, Facts, Policy, Refusal, Stated, Trust};
use crate::signatures::{
    CertificateRoots, ContentDemand, Demand, LogRule, PublicKey, SignerDemand, TrustMaterial, TrustedRoots,
    VerifiedSignature,
};

/// One thing that is looked for. Several authorities of several policies may look for the same.
pub(super) struct Want<'a> {
    pub(super) terms: Arc<Terms>,
    pub(super) askers: Vec<Asker<'a>>,
    /// Signatures of the image that were verified: the first one of each key in each name.
    pub(super) verified: Vec<VerifiedSignature>,
}

/// Who asks, and what for.
pub(super) struct Asker<'a> {
    pub(super) policy: &'a Policy,
    /// The index of the authority.
    pub(super) authority: usize,
    pub(super) purpose: Purpose,
}

pub(super) enum Purpose {
    /// For a signature of the image.
    Signature,
    /// For an attestation.
    Attestation {
        /// The index of the demand.
        demand: usize,
        /// What its conditions say of each statement that was verified.
        judged: Vec<Result<Arc<Stated>, Rejection>>,
    },
}

/// What makes two authorities look for the same.
#[derive(PartialEq, Eq)]
pub(super) struct Terms {
    signer: Arc<Signer>,
    log: LogRule,
    content: Content,
}

#[derive(PartialEq, Eq)]
enum Signer {
    Key { key: PublicKey, root: Option<Arc<TrustMaterial>> },
    Keyless { root: Arc<TrustMaterial>, identities: Vec<IdentityPattern> },
    Certificate { roots: CertificateRoots, root: Option<Arc<TrustMaterial>>, identities: Vec<IdentityPattern> },
}

#[derive(PartialEq, Eq)]
enum Content {
    Image { annotations: BTreeMap<String, String> },
    Attestation { predicate_type: String },
}

/// What all policies of a search want, and the authorities whose trusted root can't be used now.
pub(super) fn wants<'a>(
    policies: &[&'a Policy],
    trusted: &TrustedRoots,
) -> (Vec<Want<'a>>, Vec<(&'a Policy, usize, Unavailable)>) {
    let (mut wants, mut blocked) = (Vec::new(), Vec::new());
    for policy in policies {
        for (i, authority) in policy.parts().authorities.iter().enumerate() {
            let signer = match signer(authority, trusted) {
                Ok(Some(signer)) => Arc::new(signer),
                Ok(None) => continue,
                Err(cause) => {
                    blocked.push((*policy, i, cause));
                    continue;
                }
            };
            for (content, purpose) in contents(policy, i) {
                let terms = Terms { signer: signer.clone(), log: policy.log_rule(authority), content };
                let asker = Asker { policy, authority: i, purpose };
                match wants.iter_mut().find(|want: &&mut Want<'a>| *want.terms == terms) {
                    Some(want) => want.askers.push(asker),
                    None => wants.push(Want { terms: Arc::new(terms), askers: vec![asker], verified: Vec::new() }),
                }
            }
        }
    }
    (wants, blocked)
}

/// What a policy wants of one of its authorities.
fn contents(policy: &Policy, authority: usize) -> Vec<(Content, Purpose)> {
    let parts = policy.parts();
    let mut contents = Vec::new();
    if policy.wants_signature_of(authority) {
        contents.push((Content::Image { annotations: parts.annotations.clone() }, Purpose::Signature));
    }
    for (demand, attestation) in parts.attestations.iter().enumerate() {
        if attestation.authorities.contains(&authority) {
            let content = Content::Attestation { predicate_type: attestation.predicate_type.clone() };
            contents.push((content, Purpose::Attestation { demand, judged: Vec::new() }));
        }
    }
    contents
}

/// Whom an authority trusts; nothing where nothing is looked at.
fn signer(authority: &Authority, trusted: &TrustedRoots) -> Result<Option<Signer>, Unavailable> {
    let root = |name: &Option<Arc<str>>| name.as_deref().map(|name| trusted.get(name)).transpose();
    Ok(Some(match &authority.trust {
        Trust::Key { key, root: name } => Signer::Key { key: key.clone(), root: root(name)? },
        Trust::Keyless { root, identities } => {
            Signer::Keyless { root: trusted.get(root)?, identities: identities.clone() }
        }
        Trust::Certificate { roots, root: name, identities } => {
            Signer::Certificate { roots: roots.clone(), root: root(name)?, identities: identities.clone() }
        }
        Trust::Static(_) => return Ok(None),
    }))
}

impl Want<'_> {
    /// Keeps a signature, where it is the first one of its key in its name. Who has one of the two alone may be another signer for
    /// another authority.
    pub(super) fn keep(&mut self, signature: VerifiedSignature) {
        let is_new = self.verified.iter().all(|kept| !kept.is_by_key_and_name_of(&signature));
        if is_new && matches!(self.terms.content, Content::Image { .. }) {
            self.verified.push(signature);
        }
    }
}

impl Terms {
    /// Whether it is fulfilled by one key alone.
    pub(super) fn is_for_one_key(&self) -> bool {
        matches!(*self.signer, Signer::Key { .. })
    }

    pub(super) fn demand(&self) -> Demand<'_> {
        let signer = match &*self.signer {
            Signer::Key { key, root } => SignerDemand::Key { key, root: root.as_deref() },
            Signer::Keyless { root, identities } => SignerDemand::Keyless { root, identities },
            Signer::Certificate { roots, root, identities } => {
                SignerDemand::Certificate { roots, root: root.as_deref(), identities }
            }
        };
        let content = match &self.content {
            Content::Image { annotations } => ContentDemand::Image { annotations },
            Content::Attestation { predicate_type } => ContentDemand::Attestation { predicate_type },
        };
        Demand { signer, log: self.log, content }
    }
}

impl Asker<'_> {
    /// What is to be asked of a signature that is verified for it.
    pub(super) fn judge(&self) -> Judge {
        let Purpose::Attestation { demand, .. } = &self.purpose else { return Judge(None) };
        let parts = self.policy.parts();
        let demanded = parts.attestations.get(*demand).zip(parts.authorities.get(self.authority));
        Judge(demanded.map(|(demanded, authority)| (demanded.clone(), authority.name.clone())))
    }

    /// Takes note of what was judged of one statement that was verified.
    pub(super) fn take(&mut self, answer: &Result<(), Rejection>, verified: &VerifiedSignature) {
        let Some(authority) = self.policy.parts().authorities.get(self.authority) else { return };
        if let Purpose::Attestation { judged, .. } = &mut self.purpose {
            let stated = || Stated {
                authority: authority.name.clone(),
                signer: verified.signer().clone(),
                proof: verified.proof().clone(),
            };
            judged.push(answer.clone().map(|()| Arc::new(stated())));
        }
    }

    /// The index of the demand that it asks for; nothing for a signature of the image.
    pub(super) fn demand(&self) -> Option<usize> {
        match &self.purpose {
            Purpose::Attestation { demand, .. } => Some(*demand),
            Purpose::Signature => None,
        }
    }

    /// What was judged of the statements of a demand.
    pub(super) fn judged(&self, wanted: usize) -> &[Result<Arc<Stated>, Rejection>] {
        match &self.purpose {
            Purpose::Attestation { demand, judged } if *demand == wanted => judged,
            Purpose::Attestation { .. } | Purpose::Signature => &[],
        }
    }

    /// The name of the attestation that it asks for.
    pub(super) fn attestation(&self) -> Option<Arc<str>> {
        Some(self.policy.parts().attestations.get(self.demand()?)?.name.clone())
    }
}

/// What is asked of a signature beyond that it was verified: the conditions on an attestation, and who may have made it.
pub(super) struct Judge(Option<(AttestationDemand, Arc<str>)>);

impl Judge {
    /// Whether there is anything to evaluate.
    pub(super) fn has_conditions(&self) -> bool {
        self.0.as_ref().is_some_and(|(demanded, _)| !demanded.conditions.is_empty())
    }

    /// May take its time: not for the threads that wait for registries. It is asked now and then whether anybody still waits.
    pub(super) fn answer(
        &self,
        image: &PinnedImage,
        verified: &VerifiedSignature,
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), Rejection> {
        match &self.0 {
            Some((demanded, authority)) => judge(demanded, authority, image, verified, is_abandoned),
            None => Ok(()),
        }
    }
}

/// What the conditions of a demand say of a statement.
fn judge(
    demanded: &AttestationDemand,
    authority: &str,
    image: &PinnedImage,
    verified: &VerifiedSignature,
    is_abandoned: &dyn Fn() -> bool,
) -> Result<(), Rejection> {
    let Some(statement) = verified.statement() else {
        return Err(Rejection::Internal("an attestation was verified that states nothing"));
    };
    if demanded.conditions.is_empty() {
        return Ok(());
    }
    let document = statement.document()?;
    let facts = Facts::new(&document, image, verified.signer(), authority);
    let check = |condition: &Condition| condition.check(&facts, is_abandoned);
    demanded.conditions.iter().try_for_each(check).map_err(|refusal| match refusal {
        Refusal::Refused(problem) => Rejection::AttestationRefused { name: demanded.name.to_string(), problem },
        Refusal::Failed(problem) => Rejection::AttestationUnjudged { name: demanded.name.to_string(), problem },
    })
}
