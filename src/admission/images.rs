//! The images of an object, each with the place where it is written; and which of them an UPDATE has changed.

use std::collections::HashMap;
use std::fmt;

use crate::domain::ImageReference;
use crate::domain::text::Foreign;

use super::object::{Container, PodSpec};
use super::patch::pointer;

/// Most images of an object that are looked at, distinct or not.
pub(super) const MAX_FIELDS: usize = 1000;

/// The lists of a pod spec that carry images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum List {
    /// `containers`.
    Containers,
    /// `initContainers`.
    InitContainers,
    /// `ephemeralContainers`.
    EphemeralContainers,
    /// `volumes`, those with an image.
    Volumes,
}

/// One field that names an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageField {
    /// The list.
    pub list: List,
    /// The index in the list.
    pub index: usize,
    /// The name of the container or volume.
    pub name: String,
    /// The image as it is written; empty where there is none.
    pub image: String,
    /// The image that is asked about first: as written, or the old pinned value whose tag came back.
    pub asked: String,
}

impl ImageField {
    /// The RFC 6901 pointer to the field.
    pub fn pointer(&self, pod_spec: &[String]) -> String {
        let index = self.index.to_string();
        let tail: &[&str] = match self.list {
            List::Volumes => &["image", "reference"],
            _ => &["image"],
        };
        pointer(pod_spec.iter().map(String::as_str).chain([self.list.as_str(), &index]).chain(tail.iter().copied()))
    }

    /// The field as `kubectl explain` would write it, with the index: `spec.containers[0].image`.
    pub fn path(&self, pod_spec: &[String]) -> String {
        let tail = if self.list == List::Volumes { "image.reference" } else { "image" };
        format!("{}.{}[{}].{tail}", pod_spec.join("."), self.list.as_str(), self.index)
    }

    /// Asks about the image that is written, whatever ran there before.
    pub(super) fn ask_as_written(&mut self) {
        self.asked.clone_from(&self.image);
    }

    /// Whether nothing is written there.
    pub fn is_blank(&self) -> bool {
        self.image.trim().is_empty()
    }
}

/// What a person calls it: `container "web"`.
impl fmt::Display for ImageField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.list {
            List::Containers => "container",
            List::InitContainers => "init container",
            List::EphemeralContainers => "ephemeral container",
            List::Volumes => "image volume",
        };
        write!(f, "{what} \"{}\"", Foreign(&self.name))
    }
}

impl List {
    fn as_str(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::InitContainers => "initContainers",
            Self::EphemeralContainers => "ephemeralContainers",
            Self::Volumes => "volumes",
        }
    }
}

/// How many images a pod spec has. Counted before they are copied.
pub(super) fn count(spec: &PodSpec) -> usize {
    let volumes = spec.volumes.iter().filter(|volume| volume.image.is_some()).count();
    let containers = [&spec.containers, &spec.init_containers, &spec.ephemeral_containers];
    containers.iter().fold(volumes, |sum, list| sum.saturating_add(list.len()))
}

/// Every image of a pod spec, in the order in which it is written.
pub(super) fn images(spec: &PodSpec) -> Vec<ImageField> {
    let field = |list, index, name: &Option<String>, image: &Option<String>| {
        let image = image.clone().unwrap_or_default();
        ImageField { list, index, name: name.clone().unwrap_or_default(), asked: image.clone(), image }
    };
    let containers = |list, containers: &[Container]| -> Vec<ImageField> {
        containers.iter().enumerate().map(|(i, c)| field(list, i, &c.name, &c.image)).collect()
    };
    let mut fields = containers(List::Containers, &spec.containers);
    fields.extend(containers(List::InitContainers, &spec.init_containers));
    fields.extend(containers(List::EphemeralContainers, &spec.ephemeral_containers));
    let volumes = spec.volumes.iter().enumerate();
    fields.extend(volumes.filter_map(|(i, v)| Some(field(List::Volumes, i, &v.name, &v.image.as_ref()?.reference))));
    fields
}

/// The fields that an UPDATE has added or changed: those that differ from the field of the same list and name.
///
/// A field that comes back with the tag of its old pinned value asks for the old digest: someone applied the manifest that the
/// pod was made from, and means the image that runs. That counts only where the field will be pinned to it.
pub(super) fn changed(new: Vec<ImageField>, old: &PodSpec) -> Vec<ImageField> {
    let mut stored = HashMap::new();
    for field in images(old) {
        // Of a name that is there twice, which Kubernetes refuses in a pod, none counts as unchanged.
        let image = Some(field.image);
        stored.entry((field.list, field.name)).and_modify(|twice| *twice = None).or_insert(image);
    }
    let before = |field: &ImageField| stored.get(&(field.list, field.name.clone())).and_then(Option::as_deref);
    let mut fields: Vec<_> = new.into_iter().filter(|field| before(field) != Some(field.image.as_str())).collect();
    for field in &mut fields {
        if let Some(pinned) = before(field).and_then(|old| returned(&field.image, old)) {
            field.asked = pinned;
        }
    }
    fields
}

/// `new` with the digest of `old`, where `new` is `old` without it.
fn returned(new: &str, old: &str) -> Option<String> {
    let new = ImageReference::parse(new).ok()?;
    let old = ImageReference::parse(old).ok()?;
    let digest = old.digest()?;
    let same = new.digest().is_none() && new.repository() == old.repository() && new.tag() == old.tag();
    same.then(|| new.with_digest(digest))
}

#[cfg(test)]
mod tests;
