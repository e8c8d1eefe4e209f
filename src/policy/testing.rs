//! Builders for the tests of this module.

use std::collections::BTreeMap;
use std::sync::Arc;

use p256::pkcs8::{EncodePublicKey, LineEnding};

use crate::domain::{ImageReference, Pattern};
use crate::signatures::PublicKey;

use super::model::{Authority, Mode, Policy, PolicyError, PolicyParts, Require, StaticAnswer, Trust};
use super::selector::{LabelSelector, Requirement, SelectorOperator};
use super::set::{BrokenPolicy, Entry, PolicySet};

/// A valid policy: enforces, one key, one repository, every namespace.
pub(super) fn parts(name: &str) -> PolicyParts {
    PolicyParts {
        name: name.into(),
        mode: Mode::Enforce,
        images: patterns(&["registry.example/app"]),
        exclude_images: Vec::new(),
        namespaces: Vec::new(),
        namespace_selector: LabelSelector::default(),
        authorities: vec![key("ci", 1)],
        require: Require { at_least: 1, of: vec![0] },
        annotations: BTreeMap::new(),
        signature_repository: None,
        log: None,
        attestations: Vec::new(),
    }
}

/// The same with other authorities, any of which is enough.
pub(super) fn with_authorities(authorities: Vec<Authority>) -> PolicyParts {
    let of = (0..authorities.len()).collect();
    PolicyParts { authorities, require: Require { at_least: 1, of }, ..parts("p") }
}

pub(super) fn valid(parts: PolicyParts) -> Entry {
    Entry::Valid(Arc::new(Policy::new(parts).unwrap()))
}

/// A policy that can't be used, about these images in every namespace.
pub(super) fn broken(name: &str, images: &[&str]) -> BrokenPolicy {
    BrokenPolicy {
        name: name.into(),
        mode: Mode::Enforce,
        images: patterns(images),
        exclude_images: Vec::new(),
        namespaces: Some(Vec::new()),
        namespace_selector: Some(LabelSelector::default()),
        error: PolicyError::new("spec.authorities", "is no list"),
    }
}

pub(super) fn set(entries: Vec<Entry>) -> PolicySet {
    PolicySet::new(entries, BTreeMap::new())
}

/// An authority with the key number `n`.
pub(super) fn key(name: &str, n: u8) -> Authority {
    let pem = p256::SecretKey::from_slice(&[n; 32]).unwrap().public_key().to_public_key_pem(LineEnding::LF).unwrap();
    Authority { name: name.into(), trust: Trust::Key { key: PublicKey::from_pem(&pem).unwrap(), root: None } }
}

pub(super) fn fixed(answer: StaticAnswer) -> Authority {
    Authority { name: Arc::from("vendor"), trust: Trust::Static(answer) }
}

pub(super) fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
}

pub(super) fn image(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap()
}

pub(super) fn requirement(key: &str, operator: SelectorOperator, values: &[&str]) -> Requirement {
    Requirement { key: key.to_owned(), operator, values: values.iter().map(|&v| v.to_owned()).collect() }
}
