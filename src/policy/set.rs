//! All policies at one moment, usable and broken ones, and how each sees a namespace and an image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Digest, Pattern, Repository};

use super::model::{Mode, Policy, PolicyError, PolicyParts, StaticAnswer};
use super::selector::{LabelSelector, Labels};

/// All policies at one moment, with the namespace labels that were known at that moment.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    entries: Vec<Entry>,
    namespaces: BTreeMap<String, Labels>,
}

/// One policy of a set.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It can be used.
    Valid(Box<Policy>),
    /// It can't.
    Broken(Box<BrokenPolicy>),
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

/// What is known of an image's digest when policies are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// The reference names it, so it is what will run.
    Named(&'a Digest),
    /// The tag names it now. By the time the image is pulled it may name another, unless the verdict pins it.
    Resolved(&'a Digest),
    /// There is a tag, and nobody has asked yet.
    Nothing,
}

/// Whether a policy is about an image, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// That depends on the digest, which is not known yet.
    DependsOnDigest,
}

impl PolicySet {
    /// A set, sorted by policy name so that verdicts and messages do not depend on the order of arrival.
    pub fn new(mut entries: Vec<Entry>, namespaces: BTreeMap<String, Labels>) -> Self {
        entries.sort_by(|a, b| a.name().cmp(b.name()));
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

    /// The same policies, as if each governed every namespace: for asking about an image where no namespace is meant.
    pub fn everywhere(self) -> Result<Self, PolicyError> {
        let entries = self.entries.into_iter().map(Entry::everywhere).collect::<Result<_, _>>()?;
        Ok(Self { entries, namespaces: BTreeMap::new() })
    }

    /// The names of the trusted roots that the policies use.
    pub fn trusted_roots(&self) -> BTreeSet<&str> {
        let authorities = self.entries.iter().filter_map(Entry::valid).flat_map(|policy| &policy.parts().authorities);
        authorities.filter_map(|authority| authority.trust.root()).collect()
    }

    /// The strictest mode of any policy; nothing when there are none.
    pub fn strictest(&self) -> Option<Mode> {
        self.entries.iter().map(Entry::mode).max()
    }
}

impl Entry {
    /// The policy's name.
    pub fn name(&self) -> &Arc<str> {
        match self {
            Self::Valid(policy) => &policy.parts().name,
            Self::Broken(broken) => &broken.name,
        }
    }

    /// Its mode.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Valid(policy) => policy.parts().mode,
            Self::Broken(broken) => broken.mode,
        }
    }

    /// The policy, where it can be used.
    pub fn valid(&self) -> Option<&Policy> {
        match self {
            Self::Valid(policy) => Some(policy),
            Self::Broken(_) => None,
        }
    }

    fn everywhere(self) -> Result<Self, PolicyError> {
        let (namespaces, namespace_selector) = (Vec::new(), LabelSelector::default());
        match self {
            Self::Valid(policy) => {
                let parts = PolicyParts { namespaces, namespace_selector, ..policy.parts().clone() };
                Ok(Self::Valid(Box::new(Policy::new(parts)?)))
            }
            Self::Broken(broken) => {
                Ok(Self::Broken(Box::new(BrokenPolicy { namespaces, namespace_selector, ..*broken })))
            }
        }
    }

    /// Whether it selects namespaces by a label that anyone who may label them can change.
    pub fn selects_by_mutable_label(&self) -> bool {
        let (_, selector) = self.scope();
        selector.selects_by_mutable_label()
    }

    /// Whether it selects the namespace, by name and by labels; labels that are not known match.
    pub(crate) fn governs(&self, namespace: &str, labels: Option<&Labels>) -> bool {
        let (names, selector) = self.scope();
        (names.is_empty() || names.iter().any(|name| name == namespace)) && selector.matches(namespace, labels)
    }

    /// Whether it is about the image.
    ///
    /// A pattern with a digest may tighten what becomes of a tag, and never loosen it: the object keeps its tag unless
    /// a signature pins it, and the tag may move. So it excludes no tag, and a tag matches it only under a policy that
    /// denies or pins what it applies to. One that merely applies would make the image a matched one.
    pub(crate) fn about(&self, repository: &Repository, digest: Known<'_>) -> About {
        let (images, excluded) = match self {
            Self::Valid(policy) => (Some(policy.parts().images.as_slice()), &policy.parts().exclude_images),
            Self::Broken(broken) => (broken.images.as_deref(), &broken.exclude_images),
        };
        let of_tag = || if self.denies_or_pins() { About::DependsOnDigest } else { About::No };
        let images = images.map_or(About::Yes, |patterns| any_matches(patterns, repository, digest, of_tag));
        match (images, any_matches(excluded, repository, digest, || About::No)) {
            (_, About::No) => images,
            _ => About::No,
        }
    }

    /// Whether whatever it applies to is either refused or pinned to the digest that was judged.
    fn denies_or_pins(&self) -> bool {
        let trusts = self.valid().and_then(Policy::static_answer) == Some(StaticAnswer::Allow);
        self.mode() == Mode::Enforce && !trusts
    }

    fn scope(&self) -> (&[String], &LabelSelector) {
        match self {
            Self::Valid(policy) => (&policy.parts().namespaces, &policy.parts().namespace_selector),
            Self::Broken(broken) => (&broken.namespaces, &broken.namespace_selector),
        }
    }
}

/// `of_tag` is what a pattern with a digest says of an image that has only a tag: nothing, or it depends.
fn any_matches(patterns: &[Pattern], repository: &Repository, known: Known<'_>, of_tag: impl Fn() -> About) -> About {
    let mut answer = About::No;
    for pattern in patterns.iter().filter(|p| p.matches_repository(repository)) {
        match (pattern.digest(), known) {
            (None, _) => return About::Yes,
            (Some(wanted), Known::Named(digest)) if wanted == digest => return About::Yes,
            (Some(wanted), Known::Resolved(digest)) if wanted == digest && of_tag() != About::No => return About::Yes,
            (Some(_), Known::Nothing) => answer = of_tag(),
            (Some(_), Known::Named(_) | Known::Resolved(_)) => {}
        }
    }
    answer
}
