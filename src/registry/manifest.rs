//! Manifests and indexes, read strictly. What is in them is the registry's word and nothing more.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::Digest;

use super::failure::quoted;

/// What is asked for with a manifest, in `Accept`.
pub(super) const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
/// What is asked for where referrers are listed.
pub(super) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest of one image or artifact, or an index of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// One image or artifact.
    Image {
        /// What it is about, for a referrer.
        subject: Option<Descriptor>,
        /// Its parts.
        layers: Vec<Descriptor>,
    },
    /// Several.
    Index {
        /// What it lists.
        manifests: Vec<Descriptor>,
    },
}

/// A reference to other content, as far as it is of use here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    digest: String,
    pub(super) size: u64,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// Every field that says what a document is. A key that comes twice is an error of its own (serde).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

impl Manifest {
    /// Reads a document that was sent with this `Content-Type`. The type must be one that was asked for, the document must
    /// not name another, and must not be readable as the other kind too (CVE-2021-41190).
    pub(super) fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, String> {
        let content_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        let kind = Kind::of(content_type)?;
        let document: Document = serde_json::from_slice(body).map_err(|error| problem(&error))?;
        if document.schema_version != 2 {
            return Err("the manifest is not of schema version 2".to_owned());
        }
        if let Some(named) = &document.media_type
            && named != content_type
        {
            return Err(format!(
                "the content type is {} but the document says {}",
                quoted(content_type),
                quoted(named)
            ));
        }
        match (kind, document) {
            (Kind::Image, Document { manifests: None, layers, subject, .. }) => {
                Ok(Self::Image { subject, layers: layers.unwrap_or_default() })
            }
            (Kind::Index, Document { layers: None, config: None, manifests, .. }) => {
                Ok(Self::Index { manifests: manifests.unwrap_or_default() })
            }
            _ => Err("the document could be taken for a manifest and for an index".to_owned()),
        }
    }
}

impl Descriptor {
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
fn problem(error: &serde_json::Error) -> String {
    format!("the manifest can't be read (line {}, column {})", error.line(), error.column())
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
