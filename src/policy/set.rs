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
    Valid(Arc<Policy>),
    /// What is stored can't be used; the last version that could is in force.
    LastGood(Box<LastGood>),
    /// It can't be used.
    Broken(Box<BrokenPolicy>),
}

/// A policy whose stored version can't be used, with the last one that could.
#[derive(Clone, Debug)]
pub struct LastGood {
    /// What is in force.
    pub policy: Arc<Policy>,
    /// `metadata.generation` of what is in force; nothing where policies have none.
    pub generation: Option<i64>,
    /// What is wrong with the stored version.
    pub error: PolicyError,
}

/// A policy that is stored but can't be used.
///
/// It refuses the images that its readable patterns match, and those only: the others are judged as if it did not apply.
/// It keeps governing the namespaces that it can be read to govern, so that nothing is opened by what is wrong with it.
#[derive(Clone, Debug)]
pub struct BrokenPolicy {
    /// The policy's name.
    pub name: Arc<str>,
    /// Its mode, `Enforce` where that can't be read.
    pub mode: Mode,
    /// Those of its image patterns that can be read.
    pub images: Vec<Pattern>,
    /// Those of its patterns that can be read of images it is not about.
    pub exclude_images: Vec<Pattern>,
    /// Its namespaces, empty for all; nothing where one of them can't be read.
    pub namespaces: Option<Vec<String>>,
    /// Its selector; nothing where it can't be read.
    pub namespace_selector: Option<LabelSelector>,
    /// What is wrong.
    pub error: PolicyError,
}

/// Whether a policy governs a namespace, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Governs {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// That can't be read. It refuses its own images there, and does not make others unmatched.
    Unreadable,
    /// That depends on labels of the namespace that are not known.
    DependsOnLabels,
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
        let authorities =
            self.entries.iter().filter_map(Entry::in_force).flat_map(|policy| &policy.parts().authorities);
        authorities.filter_map(|authority| authority.trust.root()).collect()
    }

    /// How many policies there are in each state, by the words of the metric. Those that run on their last good version can't
    /// be used either, and are counted in both.
    pub fn states(&self) -> [(&'static str, usize); 3] {
        let count = |is: fn(&Entry) -> bool| self.entries.iter().filter(|entry| is(entry)).count();
        [
            ("valid", count(|entry| entry.error().is_none())),
            ("broken", count(|entry| entry.error().is_some())),
            ("last-good", count(|entry| matches!(entry, Entry::LastGood(_)))),
        ]
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
            Self::LastGood(kept) => &kept.policy.parts().name,
            Self::Broken(broken) => &broken.name,
        }
    }

    /// Its mode.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Valid(policy) => policy.parts().mode,
            Self::LastGood(kept) => kept.policy.parts().mode,
            Self::Broken(broken) => broken.mode,
        }
    }

    /// The policy that is in force, where there is one.
    pub fn in_force(&self) -> Option<&Policy> {
        match self {
            Self::Valid(policy) => Some(policy),
            Self::LastGood(kept) => Some(&kept.policy),
            Self::Broken(_) => None,
        }
    }

    /// What is wrong with the stored version, where it can't be used.
    pub fn error(&self) -> Option<&PolicyError> {
        match self {
            Self::Valid(_) => None,
            Self::LastGood(kept) => Some(&kept.error),
            Self::Broken(broken) => Some(&broken.error),
        }
    }

    fn everywhere(self) -> Result<Self, PolicyError> {
        let anywhere = |policy: &Policy| {
            let (namespaces, namespace_selector) = (Vec::new(), LabelSelector::default());
            Policy::new(PolicyParts { namespaces, namespace_selector, ..policy.parts().clone() }).map(Arc::new)
        };
        Ok(match self {
            Self::Valid(policy) => Self::Valid(anywhere(&policy)?),
            Self::LastGood(kept) => Self::LastGood(Box::new(LastGood { policy: anywhere(&kept.policy)?, ..*kept })),
            Self::Broken(broken) => {
                let (namespaces, namespace_selector) = (Some(Vec::new()), Some(LabelSelector::default()));
                Self::Broken(Box::new(BrokenPolicy { namespaces, namespace_selector, ..*broken }))
            }
        })
    }

    /// Whether it selects namespaces by a label that anyone who may label them can change.
    pub fn selects_by_mutable_label(&self) -> bool {
        self.scope().1.is_some_and(LabelSelector::selects_by_mutable_label)
    }

    /// Whether it governs the namespace, by name and by labels.
    pub(crate) fn governs(&self, namespace: &str, labels: Option<&Labels>) -> Governs {
        let (names, selector) = self.scope();
        let by_name = names.map(|names| names.is_empty() || names.iter().any(|one| one == namespace));
        let by_labels = selector.map(|selector| selector.selects(namespace, labels));
        match (by_name, by_labels) {
            (Some(false), _) | (_, Some(Some(false))) => Governs::No,
            (_, Some(None)) => Governs::DependsOnLabels,
            (Some(true), Some(Some(true))) => Governs::Yes,
            (None, _) | (_, None) => Governs::Unreadable,
        }
    }

    /// Whether it is about the image.
    ///
    /// A pattern with a digest may tighten what becomes of a tag, and never loosen it: the object keeps its tag unless
    /// a signature pins it, and the tag may move. So it excludes no tag, and a tag matches it only under a policy that
    /// denies or pins what it applies to. One that merely applies would make the image a matched one.
    pub(crate) fn about(&self, repository: &Repository, digest: Known<'_>) -> About {
        let (images, excluded) = match self {
            Self::Valid(policy) => patterns(policy),
            Self::LastGood(kept) => patterns(&kept.policy),
            Self::Broken(broken) => (&*broken.images, &*broken.exclude_images),
        };
        let of_tag = || if self.denies_or_pins() { About::DependsOnDigest } else { About::No };
        let images = any_matches(images, repository, digest, of_tag);
        match (images, any_matches(excluded, repository, digest, || About::No)) {
            (_, About::No) => images,
            _ => About::No,
        }
    }

    /// Whether whatever it applies to is either refused or pinned to the digest that was judged.
    fn denies_or_pins(&self) -> bool {
        let trusts = self.in_force().and_then(Policy::static_answer) == Some(StaticAnswer::Allow);
        self.mode() == Mode::Enforce && !trusts
    }

    /// Names and selector; nothing where they can't be read.
    fn scope(&self) -> (Option<&[String]>, Option<&LabelSelector>) {
        match self {
            Self::Valid(policy) => namespaces(policy),
            Self::LastGood(kept) => namespaces(&kept.policy),
            Self::Broken(broken) => (broken.namespaces.as_deref(), broken.namespace_selector.as_ref()),
        }
    }
}

fn patterns(policy: &Policy) -> (&[Pattern], &[Pattern]) {
    (&policy.parts().images, &policy.parts().exclude_images)
}

fn namespaces(policy: &Policy) -> (Option<&[String]>, Option<&LabelSelector>) {
    (Some(&policy.parts().namespaces), Some(&policy.parts().namespace_selector))
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
