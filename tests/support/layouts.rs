//! The images that real cosign signed: OCI layouts in `tests/fixtures/images`, one a repository (see `make.sh` there).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sealgate::domain::{Digest, ImageReference, PinnedImage};
use sealgate::signatures::{Candidate, Origin, Place, PublicKey, UntrustedContent};
use serde_json::Value;

/// All repositories.
pub const LAYOUTS: [&str; 12] = [
    "annotated",
    "attested",
    "bundle",
    "ed25519",
    "legacy",
    "legacy-referrer",
    "moved",
    "p384",
    "p521",
    "rsa",
    "unsigned",
    "wrong-key",
];

/// One repository.
pub struct Layout {
    name: String,
    /// Digests by tag.
    pub tags: BTreeMap<String, Digest>,
    /// Manifests that no tag names.
    pub untagged: Vec<Digest>,
    /// All blobs, manifests among them.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Layout {
    /// Reads a repository, and checks every blob against its name.
    pub fn read(name: &str) -> Self {
        let folder = images().join(name);
        let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
        let (mut tags, mut untagged) = (BTreeMap::new(), Vec::new());
        for entry in index["manifests"].as_array().unwrap() {
            let digest = descriptor_digest(entry);
            match entry["annotations"]["org.opencontainers.image.ref.name"].as_str() {
                Some(tag) => drop(tags.insert(tag.to_owned(), digest)),
                None => untagged.push(digest),
            }
        }
        let blobs: BTreeMap<Digest, Vec<u8>> = fs::read_dir(folder.join("blobs/sha256"))
            .unwrap()
            .map(|file| {
                let file = file.unwrap();
                let bytes = fs::read(file.path()).unwrap();
                assert_eq!(Digest::of(&bytes).hex(), file.file_name().to_str().unwrap());
                (Digest::of(&bytes), bytes)
            })
            .collect();
        Self { name: name.to_owned(), tags, untagged, blobs }
    }

    /// The image that a tag names.
    pub fn image(&self, tag: &str) -> PinnedImage {
        self.pinned(&self.tags[tag])
    }

    /// An image by its digest.
    pub fn pinned(&self, digest: &Digest) -> PinnedImage {
        ImageReference::parse(&format!("registry.example/{}", self.name)).unwrap().pin(&self.blobs[digest])
    }

    /// A blob as a document.
    pub fn document(&self, digest: &Digest) -> Value {
        serde_json::from_slice(&self.blobs[digest]).unwrap()
    }

    /// Everything in the places where signatures of an image lie, whatever it is.
    pub fn candidates(&self, image: &PinnedImage) -> Vec<Candidate> {
        let fallback = format!("sha256-{}", image.digest().hex());
        let legacy = self.tags.get(&format!("{fallback}.sig")).map(|manifest| (Place::LegacyTag, *manifest));
        let referrers = self.tags.get(&fallback).map(|index| self.document(index)["manifests"].clone());
        let referrers = referrers.as_ref().and_then(Value::as_array).into_iter().flatten();
        let manifests = legacy.into_iter().chain(referrers.map(|r| (Place::FallbackTag, descriptor_digest(r))));
        manifests.flat_map(|(place, manifest)| self.layers(place, manifest)).collect()
    }

    fn layers(&self, place: Place, manifest: Digest) -> Vec<Candidate> {
        let document = self.document(&manifest);
        let layers = document["layers"].as_array().unwrap();
        layers.iter().enumerate().map(|(layer, entry)| self.candidate(place, manifest, layer, entry)).collect()
    }

    fn candidate(&self, place: Place, manifest: Digest, layer: usize, entry: &Value) -> Candidate {
        let blob = descriptor_digest(entry);
        let bytes = self.blobs[&blob].clone();
        let content = match entry["mediaType"].as_str() {
            Some("application/vnd.dev.cosign.simplesigning.v1+json") => UntrustedContent::SimpleSigning {
                payload: bytes,
                annotations: serde_json::from_value(entry["annotations"].clone()).unwrap(),
            },
            _ => UntrustedContent::Bundle(bytes),
        };
        Candidate { origin: Origin { place, manifest, layer }, blob, content }
    }
}

/// A public key of the set: `p256`, `other`, `p384`, `p521`, `rsa` or `ed25519`.
pub fn public_key(name: &str) -> PublicKey {
    PublicKey::from_pem(&fs::read_to_string(images().join(format!("keys/{name}.pub"))).unwrap()).unwrap()
}

/// The folder of the layouts.
pub fn images() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

fn descriptor_digest(descriptor: &Value) -> Digest {
    Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap()
}
