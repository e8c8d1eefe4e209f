//! Manifests and indexes, read strictly. What is in them is the registry's word and nothing more.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::domain::{Digest, Unavailable};

use super::failure::{protocol, quoted};

/// What is asked for with a manifest, in `Accept`.
pub(super) const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
/// What is asked for where referrers are listed.
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// Descriptors that one manifest or index may list.
const MAX_DESCRIPTORS: usize = 1000;
/// Annotations that one descriptor may have, and all descriptors of a list together.
const MAX_ANNOTATIONS: usize = 256;
const MAX_LISTED_ANNOTATIONS: usize = 64 * MAX_ANNOTATIONS;
/// All annotations of one descriptor, names and values, in bytes: 4 KiB for each that it may have.
const MAX_ANNOTATION_BYTES: usize = MAX_ANNOTATIONS * (4 << 10);

const TOO_MANY_DESCRIPTORS: &str = "the manifest lists more than 1000 descriptors";
const TOO_MANY_ANNOTATIONS: &str = "a descriptor has more than 256 annotations, or more than 1 MiB of them";
const TOO_MANY_LISTED_ANNOTATIONS: &str = "the descriptors of the manifest have more than 16384 annotations";

/// Where cosign says in a referrer what its bundle states.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// A manifest of one image or artifact, or an index of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// One image or artifact.
    Image {
        /// What it is about, for a referrer.
        subject: Option<Descriptor>,
        /// Its parts.
        layers: Vec<Descriptor>,
        /// What its bundles state, by its own word.
        predicate_type: Option<String>,
    },
    /// Several.
    Index {
        /// What it lists.
        manifests: Vec<Descriptor>,
    },
}

/// Why a document is no manifest that is looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is none, or could be taken for something else.
    Malformed(String),
    /// It lists more than is looked at.
    TooMuch(&'static str),
}

/// A reference to other content, as far as it is of use here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    digest: String,
    pub(super) size: u64,
    #[serde(default, deserialize_with = "annotations")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// Every field that says what a document is. A key that comes twice is an error of its own (serde).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default, deserialize_with = "descriptors")]
    layers: Option<Vec<Descriptor>>,
    #[serde(default, deserialize_with = "descriptors")]
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default, rename = "annotations", deserialize_with = "predicate_type")]
    predicate_type: Option<String>,
}

impl Manifest {
    /// Reads a document that was sent with this `Content-Type`. The type must be one that was asked for, the document must
    /// not name another, and must not be readable as the other kind too (CVE-2021-41190).
    pub(super) fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, Unfit> {
        let content_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        let kind = Kind::of(content_type).map_err(Unfit::Malformed)?;
        let document: Document = serde_json::from_slice(body).map_err(|error| problem(&error))?;
        if document.schema_version != 2 {
            return Err(Unfit::Malformed("the manifest is not of schema version 2".to_owned()));
        }
        if let Some(named) = &document.media_type
            && named != content_type
        {
            let (header, named) = (quoted(content_type), quoted(named));
            return Err(Unfit::Malformed(format!("the content type is {header} but the document says {named}")));
        }
        match (kind, document) {
            (Kind::Image, Document { manifests: None, layers, subject, predicate_type, .. }) => {
                Ok(Self::Image { subject, layers: layers.unwrap_or_default(), predicate_type })
            }
            (Kind::Index, Document { layers: None, config: None, manifests, .. }) => {
                Ok(Self::Index { manifests: manifests.unwrap_or_default() })
            }
            _ => Err(Unfit::Malformed("the document could be taken for a manifest and for an index".to_owned())),
        }
    }
}

impl Unfit {
    /// The same of what was asked of a host.
    pub(super) fn of(self, host: &str, what: &str) -> Unavailable {
        match self {
            Self::Malformed(problem) => protocol(host, what, problem),
            Self::TooMuch(problem) => {
                Unavailable::RegistryListLimit { host: host.to_owned(), what: what.to_owned(), problem }
            }
        }
    }
}

impl Descriptor {
    /// How long the digest is, whatever it says.
    pub(super) fn digest_length(&self) -> usize {
        self.digest.len()
    }

    /// The digest, if it is one that is known here.
    pub(super) fn digest(&self) -> Result<Digest, String> {
        Digest::parse(&self.digest)
            .map_err(|error| format!("a descriptor with the digest {}: {error}", quoted(&self.digest)))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Image,
    Index,
}

impl Kind {
    fn of(media_type: &str) -> Result<Self, String> {
        match media_type {
            "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => {
                Ok(Self::Image)
            }
            INDEX_TYPE | "application/vnd.docker.distribution.manifest.list.v2+json" => Ok(Self::Index),
            "application/vnd.docker.distribution.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v1+prettyjws" => {
                Err("the manifest is of schema version 1, which no runtime pulls any more".to_owned())
            }
            "" => Err("the answer has no content type".to_owned()),
            other => Err(format!("the content type is {}, not a manifest", quoted(other))),
        }
    }
}

/// Where in the document it went wrong, without repeating any of it.
fn problem(error: &serde_json::Error) -> Unfit {
    let text = error.to_string();
    let limits = [TOO_MANY_DESCRIPTORS, TOO_MANY_ANNOTATIONS, TOO_MANY_LISTED_ANNOTATIONS];
    match limits.into_iter().find(|limit| text.starts_with(limit)) {
        Some(limit) => Unfit::TooMuch(limit),
        None => {
            Unfit::Malformed(format!("the manifest can't be read (line {}, column {})", error.line(), error.column()))
        }
    }
}

/// A list of descriptors, or null. It is left at the first thing too many, before that is kept.
fn descriptors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Descriptor>>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<Descriptor>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of descriptors")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut found: Vec<Descriptor> = Vec::new();
            let mut annotations = 0_usize;
            while let Some(descriptor) = list.next_element::<Descriptor>()? {
                annotations = annotations.saturating_add(descriptor.annotations.len());
                if found.len() >= MAX_DESCRIPTORS {
                    return Err(A::Error::custom(TOO_MANY_DESCRIPTORS));
                }
                if annotations > MAX_LISTED_ANNOTATIONS {
                    return Err(A::Error::custom(TOO_MANY_LISTED_ANNOTATIONS));
                }
                found.push(descriptor);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_option(OrNull(List))
}

/// Annotations; null is none. They are left at the first one too many.
fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Map;

    impl<'de> Visitor<'de> for Map {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("annotations")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = BTreeMap::new();
            let mut bytes = 0_usize;
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
                if found.len() >= MAX_ANNOTATIONS || bytes > MAX_ANNOTATION_BYTES {
                    return Err(A::Error::custom(TOO_MANY_ANNOTATIONS));
                }
                found.insert(name, value);
            }
            Ok(found)
        }
    }

    Ok(deserializer.deserialize_option(OrNull(Map))?.unwrap_or_default())
}

/// The one annotation of a manifest that is of use here. Of the others nothing is kept and nothing demanded.
fn predicate_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Map;

    impl<'de> Visitor<'de> for Map {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("annotations")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(name) = map.next_key::<String>()? {
                if name == PREDICATE_TYPE {
                    found = map.next_value()?;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    Ok(deserializer.deserialize_option(OrNull(Map))?.flatten())
}

/// What another visitor reads, or null.
struct OrNull<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for OrNull<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self.0).map(Some)
    }
}

#[cfg(test)]
mod tests;
