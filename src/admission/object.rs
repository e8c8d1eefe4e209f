//! What is read of a Kubernetes object: who it is, and the pod spec at the path that the kind table gives.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::text::without_types;

use super::json::{self, Fields, Notes};

/// The annotation by which a node's static pod is mirrored into the API.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// An object, reduced to what decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: Option<String>,
    pub(super) metadata: Metadata,
    /// Nothing where the first field on the way to the pod spec is missing.
    pub(super) pod_spec: Option<PodSpec>,
    /// Fields named `image` or `reference` in the pod spec that are not known.
    pub(super) unknown_image_fields: usize,
}

/// The parts of `metadata` that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) generate_name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) annotations: Annotations,
}

/// The annotations that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Annotations {
    /// Whether the pod says that it mirrors a static one.
    pub(super) mirror: bool,
}

/// The parts of a pod spec that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PodSpec {
    pub(super) containers: Vec<Container>,
    pub(super) init_containers: Vec<Container>,
    pub(super) ephemeral_containers: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
    pub(super) image_pull_secrets: Vec<Named>,
    pub(super) service_account_name: Option<String>,
    pub(super) node_name: Option<String>,
}

/// A container of any list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: Option<String>,
    pub(super) image: Option<String>,
}

/// A volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) name: Option<String>,
    /// Set where it is an image volume.
    pub(super) image: Option<ImageSource>,
}

/// The source of an image volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageSource {
    pub(super) reference: Option<String>,
}

/// A reference to something by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: Option<String>,
}

impl Object {
    /// Reads an object whose pod spec lies at `pod_spec`. The error says what is wrong and where.
    pub(super) fn read(raw: &RawValue, pod_spec: &[String]) -> Result<Self, String> {
        let unknown = Cell::new(0);
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let mut object = Root { pod_spec, notes: Notes::counting(&unknown) }
            .deserialize(&mut deserializer)
            .map_err(|e| without_types(&e.to_string()))?;
        object.unknown_image_fields = unknown.get();
        Ok(object)
    }
}

/// Reads the object itself.
struct Root<'p, 'n> {
    pod_spec: &'p [String],
    notes: Notes<'n>,
}

impl<'de> DeserializeSeed<'de> for Root<'_, '_> {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_, '_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object, A::Error> {
        let (first, rest) = self.pod_spec.split_first().map_or(("spec", [].as_slice()), |(f, r)| (f.as_str(), r));
        let mut object = Object::default();
        json::each_field(map, &["kind", "metadata", first], Notes::NONE, |key, map| {
            match key {
                "kind" => object.kind = json::text(map)?,
                "metadata" => object.metadata = json::object(map, Notes::NONE)?,
                _ => object.pod_spec = Some(map.next_value_seed(Way { rest, notes: self.notes })?),
            }
            Ok(())
        })?;
        Ok(object)
    }
}

/// Walks the fields that lead to the pod spec, and reads it at their end.
struct Way<'p, 'n> {
    rest: &'p [String],
    notes: Notes<'n>,
}

impl<'de> DeserializeSeed<'de> for Way<'_, '_> {
    type Value = PodSpec;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PodSpec, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_, '_> {
    type Value = PodSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<PodSpec, E> {
        Ok(PodSpec::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PodSpec, A::Error> {
        let mut spec = PodSpec::default();
        match self.rest.split_first() {
            None => json::each_field(map, PodSpec::KNOWN, self.notes, |key, map| spec.read(key, map, self.notes))?,
            Some((next, rest)) => json::each_field(map, &[next], Notes::NONE, |_, map| {
                spec = map.next_value_seed(Way { rest, notes: self.notes })?;
                Ok(())
            })?,
        }
        Ok(spec)
    }
}

impl<'de> Fields<'de> for Metadata {
    const KNOWN: &'static [&'static str] = &["name", "generateName", "namespace", "annotations"];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "name" => self.name = json::text(map)?,
            "generateName" => self.generate_name = json::text(map)?,
            "namespace" => self.namespace = json::text(map)?,
            _ => self.annotations = json::object(map, notes)?,
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Annotations {
    const KNOWN: &'static [&'static str] = &[MIRROR_ANNOTATION];

    fn read<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        self.mirror = true;
        json::skip(map, notes)
    }
}

impl<'de> Fields<'de> for PodSpec {
    const KNOWN: &'static [&'static str] = &[
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "imagePullSecrets",
        "serviceAccountName",
        "nodeName",
    ];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "containers" => self.containers = json::list(map, notes)?,
            "initContainers" => self.init_containers = json::list(map, notes)?,
            "ephemeralContainers" => self.ephemeral_containers = json::list(map, notes)?,
            "volumes" => self.volumes = json::list(map, notes)?,
            "imagePullSecrets" => self.image_pull_secrets = json::list(map, notes)?,
            "serviceAccountName" => self.service_account_name = json::text(map)?,
            _ => self.node_name = json::text(map)?,
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Container {
    const KNOWN: &'static [&'static str] = &["name", "image"];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "name" => self.name = json::text(map)?,
            _ => self.image = json::text(map)?,
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Volume {
    const KNOWN: &'static [&'static str] = &["name", "image", "rbd"];

    fn read<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        match key {
            "name" => self.name = json::text(map)?,
            "image" => self.image = map.next_value_seed(json::OptionalObject::new(notes))?,
            // A Ceph block device; what it calls its image is none.
            _ => json::skip(map, Notes::NONE)?,
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for ImageSource {
    const KNOWN: &'static [&'static str] = &["reference"];

    fn read<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        self.reference = json::text(map)?;
        Ok(())
    }
}

impl<'de> Fields<'de> for Named {
    const KNOWN: &'static [&'static str] = &["name"];

    fn read<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        self.name = json::text(map)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
