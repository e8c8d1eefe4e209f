//! What the registry holds, and the honest answer to every request.

use std::collections::{BTreeMap, HashMap};

use sealgate::domain::{Digest, ImageReference, PinnedImage, Repository};
use serde_json::{Value, json};

use super::super::signer::{Blob, Stored};
use super::{Answer, Body};

/// The media type of manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of indexes.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image that was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// `127.0.0.1:<port>`
    pub host: String,
    /// The path below the host.
    pub repository: String,
    /// The manifest.
    pub manifest: Blob,
    /// The digest of the manifest.
    pub digest: Digest,
}

impl Pushed {
    /// `host/repository:tag`
    pub fn tagged(&self, tag: &str) -> String {
        format!("{}/{}:{tag}", self.host, self.repository)
    }

    /// `host/repository@digest`
    pub fn by_digest(&self) -> String {
        format!("{}/{}@{}", self.host, self.repository, self.digest)
    }

    /// The image as the verifier sees it.
    pub fn pinned(&self) -> PinnedImage {
        ImageReference::parse(&self.by_digest()).unwrap().pinned().unwrap()
    }

    /// Its repository as the verifier sees it.
    pub fn canonical_repository(&self) -> Repository {
        self.pinned().repository().clone()
    }

    /// The text of its manifest.
    pub fn manifest_text(&self) -> String {
        String::from_utf8(self.manifest.bytes.clone()).unwrap()
    }

    /// The tag of its legacy signatures.
    pub fn signature_tag(&self) -> String {
        format!("sha256-{}.sig", self.digest.hex())
    }

    /// The tag of its legacy attestations.
    pub fn attestation_tag(&self) -> String {
        format!("sha256-{}.att", self.digest.hex())
    }

    /// The tag of its referrers.
    pub fn referrers_tag(&self) -> String {
        format!("sha256-{}", self.digest.hex())
    }
}

/// Everything that was pushed.
#[derive(Debug)]
pub(super) struct Store {
    referrers_page: Option<usize>,
    repositories: HashMap<String, Contents>,
    images: usize,
}

#[derive(Debug, Default)]
struct Contents {
    manifests: HashMap<String, Blob>,
    blobs: HashMap<String, Vec<u8>>,
    tags: BTreeMap<String, String>,
    referrers: HashMap<String, Vec<Value>>,
}

impl Store {
    pub(super) fn new(referrers_page: Option<usize>) -> Self {
        Self { referrers_page, repositories: HashMap::new(), images: 0 }
    }

    pub(super) fn new_image(&mut self, host: &str, repository: &str) -> (Stored, Pushed) {
        self.images += 1;
        let config = Blob::new("application/vnd.oci.image.config.v1+json", format!(r#"{{"image":{}}}"#, self.images));
        let layer = Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", "a layer");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": [layer.descriptor()],
        });
        let stored = Stored::new(&manifest, vec![config, layer]);
        let pushed = Pushed {
            host: host.to_owned(),
            repository: repository.to_owned(),
            digest: stored.manifest.digest(),
            manifest: stored.manifest.clone(),
        };
        (stored, pushed)
    }

    pub(super) fn put(&mut self, repository: &str, stored: &Stored, tag: Option<&str>) {
        for blob in &stored.blobs {
            self.put_blob(repository, &blob.bytes);
        }
        self.put_manifest(repository, &stored.manifest, tag);
        let document = stored.document();
        if let Some(subject) = document["subject"]["digest"].as_str() {
            self.refer(repository, subject, &stored.manifest, &document);
        }
    }

    pub(super) fn put_manifest(&mut self, repository: &str, manifest: &Blob, tag: Option<&str>) {
        let digest = manifest.digest().to_string();
        let contents = self.repositories.entry(repository.to_owned()).or_default();
        contents.manifests.insert(digest.clone(), manifest.clone());
        if let Some(tag) = tag {
            contents.tags.insert(tag.to_owned(), digest);
        }
    }

    pub(super) fn put_blob(&mut self, repository: &str, bytes: &[u8]) {
        let contents = self.repositories.entry(repository.to_owned()).or_default();
        contents.blobs.insert(Digest::of(bytes).to_string(), bytes.to_vec());
    }

    pub(super) fn tag(&mut self, repository: &str, tag: &str, digest: &Digest) {
        let contents = self.repositories.entry(repository.to_owned()).or_default();
        contents.tags.insert(tag.to_owned(), digest.to_string());
    }

    /// Lists a referrer. Behind the fallback tag its artifact type is that of its config, as cosign writes it.
    fn refer(&mut self, repository: &str, subject: &str, manifest: &Blob, document: &Value) {
        let with_api = self.referrers_page.is_some();
        let mut descriptor = manifest.descriptor();
        descriptor["artifactType"] = match &document["artifactType"] {
            Value::String(own) if with_api => json!(own),
            _ => document["config"]["mediaType"].clone(),
        };
        let contents = self.repositories.entry(repository.to_owned()).or_default();
        let listed = contents.referrers.entry(subject.to_owned()).or_default();
        listed.push(descriptor);
        if !with_api {
            let index = index(listed);
            self.put_manifest(repository, &index, Some(&subject.replace(':', "-")));
        }
    }

    /// The honest answer. `target` is the path with the query.
    pub(super) fn answer(&self, method: &str, target: &str) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(path) = path.strip_prefix("/v2/").filter(|_| matches!(method, "GET" | "HEAD")) else {
            return missing();
        };
        for kind in ["manifests", "blobs", "referrers"] {
            let Some((repository, reference)) = path.split_once(&format!("/{kind}/")) else { continue };
            let Some(contents) = self.repositories.get(repository) else { return missing() };
            return match kind {
                "manifests" => contents.manifest(reference),
                "blobs" => match contents.blobs.get(reference) {
                    Some(bytes) => Answer::ok("application/octet-stream", bytes.clone()),
                    None => missing(),
                },
                _ => self.referrers(contents, reference, path, query),
            };
        }
        missing()
    }

    fn referrers(&self, contents: &Contents, subject: &str, path: &str, query: &str) -> Answer {
        let Some(page) = self.referrers_page else {
            // As docker-registry does, which does not know the path.
            return Answer::status(404)
                .header("Content-Type", "text/plain; charset=utf-8")
                .body(Body::Bytes(b"404 page not found\n".to_vec()));
        };
        let from: usize = query.strip_prefix("from=").and_then(|text| text.parse().ok()).unwrap_or(0);
        let all = contents.referrers.get(subject).map(Vec::as_slice).unwrap_or_default();
        let end = from.saturating_add(page).min(all.len());
        let answer = Answer::ok(INDEX, index(&all[from.min(end)..end]).bytes);
        if end < all.len() { answer.header("Link", &format!("</v2/{path}?from={end}>; rel=\"next\"")) } else { answer }
    }
}

impl Contents {
    fn manifest(&self, reference: &str) -> Answer {
        let digest = self.tags.get(reference).map_or(reference, String::as_str);
        match self.manifests.get(digest) {
            Some(manifest) => {
                Answer::ok(&manifest.media_type, manifest.bytes.clone()).header("Docker-Content-Digest", digest)
            }
            None => missing(),
        }
    }
}

fn index(descriptors: &[Value]) -> Blob {
    Blob::new(INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}).to_string())
}

fn missing() -> Answer {
    Answer::ok("application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"signed: ok"}]}"#)
        .with_status(404)
}
