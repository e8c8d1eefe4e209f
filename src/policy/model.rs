//! What a policy is, once it has been read and found valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Pattern, Repository};
use crate::signatures::PublicKey;

/// What a policy does with an image that it does not accept. The order is that of strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Records it.
    Audit,
    /// Admits with a warning.
    Warn,
    /// Denies.
    #[default]
    Enforce,
}

/// What a setting does in a case that no policy decides. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// Admits, counted.
    Allow,
    /// Admits with a warning.
    Warn,
    /// Denies.
    Deny,
}

/// The settings for what no policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Images that no policy matches, in a namespace that a policy governs.
    pub unmatched: Reaction,
    /// Namespaces that no policy governs.
    pub ungoverned: Reaction,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { unmatched: Reaction::Deny, ungoverned: Reaction::Allow }
    }
}

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// A Kubernetes label selector; empty matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// All must hold.
    pub requirements: Vec<Requirement>,
}

/// One requirement of a selector; `matchLabels` entries are `In` with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label key.
    pub key: String,
    /// How it is compared.
    pub operator: SelectorOperator,
    /// With what.
    pub values: Vec<String>,
}

/// The operators of Kubernetes label selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectorOperator {
    /// The value is one of these.
    In,
    /// The value is none of these, or the label is absent.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// Who may vouch for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Unique in its policy.
    pub name: Arc<str>,
    /// What it trusts.
    pub trust: Trust,
}

/// What an authority trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Signatures by this key.
    Key(PublicKey),
    /// Nothing is looked at.
    Static(StaticAnswer),
}

/// The answer of a static authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticAnswer {
    /// Accept as it is.
    Allow,
    /// Refuse whatever matches.
    Deny,
}

/// How many authorities must verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    /// How many distinct authorities of `of` must verify; 1 by default, all of them for `all: true`.
    pub at_least: usize,
    /// Indexes into the policy's authorities; all by default.
    pub of: Vec<usize>,
}

/// The readable parts of a policy, before [`Policy::new`] has proven that they fit together.
#[derive(Clone, Debug)]
pub struct PolicyParts {
    /// The policy's name.
    pub name: Arc<str>,
    /// What it does with images it does not accept.
    pub mode: Mode,
    /// Images it is about.
    pub images: Vec<Pattern>,
    /// Images it is not about.
    pub exclude_images: Vec<Pattern>,
    /// Exact namespace names; empty means all.
    pub namespaces: Vec<String>,
    /// Selector over namespace labels, ANDed with `namespaces`.
    pub namespace_selector: LabelSelector,
    /// Who may vouch.
    pub authorities: Vec<Authority>,
    /// How many of them must.
    pub require: Require,
    /// Annotations that the signed payload must carry.
    pub annotations: BTreeMap<String, String>,
    /// Where signatures are kept when not beside the image.
    pub signature_repository: Option<Repository>,
}

/// A valid policy. Only [`Policy::new`] makes it.
#[derive(Clone, Debug)]
pub struct Policy {
    parts: PolicyParts,
}

/// Why a policy can't be used, with the field that is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct PolicyError {
    /// Field path, such as `spec.authorities[0].key.publicKey`.
    pub path: String,
    /// What was expected and what was found.
    pub problem: String,
}

/// A policy that is stored but can't be used: it denies the images that it is readably about, and no others.
#[derive(Clone, Debug)]
pub struct BrokenPolicy {
    /// The policy's name.
    pub name: Arc<str>,
    /// Its mode, `Enforce` where that can't be read.
    pub mode: Mode,
    /// The images; nothing when they can't be read, which matches every image.
    pub images: Option<Vec<Pattern>>,
    /// Images it is not about, as far as they can be read.
    pub exclude_images: Vec<Pattern>,
    /// Namespaces as far as they can be read; empty means all.
    pub namespaces: Vec<String>,
    /// The selector as far as it can be read.
    pub namespace_selector: LabelSelector,
    /// What is wrong.
    pub error: PolicyError,
}

/// One policy of a set.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It can be used.
    Valid(Box<Policy>),
    /// It can't.
    Broken(Box<BrokenPolicy>),
}

/// All policies at one moment, with the namespace labels that were known at that moment.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    entries: Vec<Entry>,
    namespaces: BTreeMap<String, Labels>,
}

impl Policy {
    /// Proves that the parts fit together.
    pub fn new(parts: PolicyParts) -> Result<Self, PolicyError> {
        Ok(Self { parts })
    }

    /// The parts, now known to be valid.
    pub fn parts(&self) -> &PolicyParts {
        &self.parts
    }
}

impl PolicySet {
    /// A set, sorted by policy name so that verdicts and messages do not depend on the order of arrival.
    pub fn new(entries: Vec<Entry>, namespaces: BTreeMap<String, Labels>) -> Self {
        Self { entries, namespaces }
    }

    /// The policies, by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The labels of a namespace, where they are known.
    pub fn labels(&self, namespace: &str) -> Option<&Labels> {
        self.namespaces.get(namespace)
    }
}
