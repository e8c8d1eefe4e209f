//! A read-only OCI registry that serves a folder of OCI layouts, one repository each.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::{Path as Segments, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TAG: &str = "org.opencontainers.image.ref.name";

/// What the registry holds. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Content(Arc<Mutex<BTreeMap<String, Repository>>>);

#[derive(Default)]
struct Repository {
    tags: BTreeMap<String, String>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// Digests that the index lists, in its order, whether a tag names them or not.
    images: Vec<String>,
}

/// A registry that runs until it is stopped.
pub(crate) struct Registry {
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Content {
    /// Reads every OCI layout below a folder.
    pub(crate) fn read(layouts: &Path) -> anyhow::Result<Self> {
        let content = Self::default();
        for entry in std::fs::read_dir(layouts).with_context(|| format!("no images in {}", layouts.display()))? {
            let layout = entry?.path();
            if layout.join("index.json").exists() {
                let name = layout.file_name().unwrap_or_default().to_string_lossy().into_owned();
                content.change(|repositories| repositories.insert(name, Repository::default()));
                content.fill(&layout)?;
            }
        }
        Ok(content)
    }

    /// Makes a tag name an image that no tag names, and says which one it named before.
    pub(crate) fn move_tag_to_untagged(&self, repository: &str, tag: &str) -> anyhow::Result<String> {
        self.change(|repositories| {
            let repository = repositories.get_mut(repository).context("no such repository")?;
            let tagged: Vec<&String> = repository.tags.values().collect();
            let untagged =
                repository.images.iter().find(|digest| !tagged.contains(digest)).context("every image has a tag")?;
            repository.tags.insert(tag.to_owned(), untagged.clone()).context("no such tag")
        })
    }

    /// Makes a tag name a digest.
    pub(crate) fn move_tag(&self, repository: &str, tag: &str, digest: String) {
        self.change(|repositories| {
            if let Some(repository) = repositories.get_mut(repository) {
                repository.tags.insert(tag.to_owned(), digest);
            }
        });
    }

    fn fill(&self, layout: &Path) -> anyhow::Result<()> {
        let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json"))?)?;
        let name = layout.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut repository = Repository::default();
        for entry in index["manifests"].as_array().context("an index lists manifests")? {
            let digest = entry["digest"].as_str().context("an entry has a digest")?;
            repository.images.push(digest.to_owned());
            if let Some(tag) = entry["annotations"][TAG].as_str() {
                repository.tags.insert(tag.to_owned(), digest.to_owned());
            }
        }
        for blob in std::fs::read_dir(layout.join("blobs/sha256"))? {
            let blob = blob?;
            let digest = format!("sha256:{}", blob.file_name().to_string_lossy());
            repository.blobs.insert(digest, std::fs::read(blob.path())?);
        }
        self.change(|repositories| repositories.insert(name, repository));
        Ok(())
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Repository>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registry {
    /// Starts to serve.
    pub(crate) async fn start(address: &str, content: Content) -> anyhow::Result<Self> {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => bail!("the registry can't listen on {address}: {error}"),
        };
        let router = Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route("/v2/{repository}/manifests/{reference}", get(manifest))
            .route("/v2/{repository}/blobs/{digest}", get(blob))
            .with_state(content);
        let (stop, stopped) = oneshot::channel();
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = stopped.await;
        });
        Ok(Self { stop, server: tokio::spawn(server.into_future()) })
    }

    /// Stops to serve; from then on connections are refused.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        Ok(self.server.await??)
    }
}

async fn manifest(State(content): State<Content>, Segments((name, reference)): Segments<(String, String)>) -> Response {
    let found = content.change(|repositories| {
        let repository = repositories.get(&name)?;
        let digest = repository.tags.get(&reference).unwrap_or(&reference);
        repository.blobs.get(digest).cloned()
    });
    let Some(bytes) = found else { return StatusCode::NOT_FOUND.into_response() };
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let media_type = document["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json").to_owned();
    ([(header::CONTENT_TYPE, media_type)], bytes).into_response()
}

async fn blob(State(content): State<Content>, Segments((name, digest)): Segments<(String, String)>) -> Response {
    match content.change(|repositories| repositories.get(&name)?.blobs.get(&digest).cloned()) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
