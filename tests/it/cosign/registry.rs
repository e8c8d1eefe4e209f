//! A real registry on loopback, and what cosign itself has no command for: images, and signatures carried to other images.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::{Method, Response};
use sealgate::domain::Digest;
use serde_json::{Value, json};

use crate::support::programs::program;
use crate::support::signer::Blob;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// When the tests end, however they do, standard input ends: then the registry does too, and the folder is removed.
const UNTIL_WE_END: &str =
    r#"folder=$1; shift; "$0" "$@" </dev/null & cat >/dev/null; kill $!; wait; rm -rf "$folder""#;

/// A registry with or without the referrers API.
pub(crate) struct Registry {
    /// Its host and port.
    pub(crate) host: String,
    referrers: bool,
    process: Child,
}

/// An image without layers.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) repository: String,
    pub(crate) manifest: Blob,
}

impl Image {
    /// An image of its own for each label.
    fn new(repository: &str, label: &str) -> Self {
        let config = Blob::new("application/vnd.oci.image.config.v1+json", CONFIG);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": [],
            "annotations": {"label": format!("{repository} {label}")},
        });
        Self { repository: repository.to_owned(), manifest: Blob::new(MANIFEST, manifest.to_string()) }
    }

    fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// `sha256-<hex>`
    fn tag(&self) -> String {
        format!("sha256-{}", self.digest().hex())
    }
}

const CONFIG: &str = r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;

impl Registry {
    /// Starts one on a free port. The folder goes when it ends.
    pub(crate) fn start(referrers: bool, folder: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", UNTIL_WE_END])
            .arg(program("registry"))
            .arg(folder)
            .args(["-addr", "127.0.0.1:0"])
            .arg(format!("-referrers={referrers}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(!address.is_empty(), "the registry says nothing: build it anew with tests/cluster/build.sh unit");
        Self { host: address.trim().to_owned(), referrers, process }
    }

    /// Pushes an image of its own for each repository and label.
    pub(crate) fn push(&self, repository: &str, label: &str) -> Image {
        let image = Image::new(repository, label);
        let config = Digest::of(CONFIG.as_bytes());
        let upload = format!("{repository}/blobs/uploads/?digest={config}");
        self.send(Method::POST, &upload, "application/octet-stream", CONFIG.as_bytes());
        self.put(repository, label, &image.manifest);
        image
    }

    /// `host/repository@digest`
    pub(crate) fn reference(&self, image: &Image) -> String {
        format!("{}/{}@{}", self.host, image.repository, image.digest())
    }

    /// Puts all signatures and attestations of an image at another image, in every place where they may lie.
    pub(crate) fn carry(&self, from: &Image, to: &Image) {
        let repository = &from.repository;
        for suffix in ["sig", "att"] {
            if let Some(manifest) = self.manifest(repository, &format!("{}.{suffix}", from.tag())) {
                self.put(repository, &format!("{}.{suffix}", to.tag()), &Blob::new(MANIFEST, manifest));
            }
        }
        let mut entries = Vec::new();
        for entry in self.referrers(from) {
            let manifest = self.manifest(repository, entry["digest"].as_str().unwrap()).unwrap();
            let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
            manifest["subject"] = to.manifest.descriptor();
            let manifest = Blob::new(MANIFEST, manifest.to_string());
            self.put(repository, &manifest.digest().to_string(), &manifest);
            let mut carried = manifest.descriptor();
            carried["artifactType"] = entry["artifactType"].clone();
            entries.push(carried);
        }
        if !self.referrers && !entries.is_empty() {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
            self.put(repository, &to.tag(), &Blob::new(INDEX, index.to_string()));
        }
    }

    /// The descriptors of what refers to an image.
    fn referrers(&self, image: &Image) -> Vec<Value> {
        let index = if self.referrers {
            self.get(&format!("{}/referrers/{}", image.repository, image.digest()))
        } else {
            self.manifest(&image.repository, &image.tag())
        };
        let index: Value = index.map(|index| serde_json::from_slice(&index).unwrap()).unwrap_or_default();
        index["manifests"].as_array().cloned().unwrap_or_default()
    }

    fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        self.get(&format!("{repository}/manifests/{reference}"))
    }

    fn put(&self, repository: &str, reference: &str, manifest: &Blob) {
        let path = format!("{repository}/manifests/{reference}");
        self.send(Method::PUT, &path, &manifest.media_type, &manifest.bytes);
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        block_on(async {
            let answer = self.request(Method::GET, path, "application/json", b"").await;
            if answer.status().is_success() { Some(answer.bytes().await.unwrap().to_vec()) } else { None }
        })
    }

    fn send(&self, method: Method, path: &str, media_type: &str, body: &[u8]) {
        let answer = block_on(self.request(method, path, media_type, body));
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn request(&self, method: Method, path: &str, media_type: &str, body: &[u8]) -> Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method, format!("http://{}/v2/{path}", self.host));
        request.header("content-type", media_type).body(body.to_vec()).send().await.unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
