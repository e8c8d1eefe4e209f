//! The registry client against honest and hostile registries.

use futures::StreamExt;
use sealgate::domain::{Credential, Digest, ImageReference, Login, PinnedImage, Unavailable};
use sealgate::registry::{Client, Settings};
use sealgate::telemetry::Metrics;
use sealgate::verifier::ports::{Access, Evidence, Fault, Place, Registry, Scope, UntrustedContent};
use serde_json::json;

use crate::support::registry::{Auth, Pushed, TestRegistry};
use crate::support::signer::{self, Blob, SimpleSigning, Stored};

#[path = "registry/attestations.rs"]
mod attestations;
#[path = "registry/hostile.rs"]
mod hostile;
#[path = "registry/limits.rs"]
mod limits;
#[path = "registry/lookup.rs"]
mod lookup;
#[path = "registry/remembered.rs"]
mod remembered;
#[path = "registry/unknown.rs"]
mod unknown;

/// A client with these settings.
pub(crate) fn client(settings: &Settings) -> Client {
    Client::new(settings, Metrics::new()).unwrap()
}

/// All evidence about an image, in the repository of the image itself.
pub(crate) async fn evidence(client: &Client, image: &Pushed, access: &Access) -> Vec<Evidence> {
    let pinned = image.pinned();
    client.evidence(&pinned, &image.canonical_repository(), Scope::Signatures, access).collect().await
}

/// Resolves a reference anonymously.
pub(crate) async fn resolve(client: &Client, reference: &str) -> Result<PinnedImage, Fault> {
    client.resolve(&ImageReference::parse(reference).unwrap(), &Access::default()).await
}

/// The cause that resolving ends with.
pub(crate) async fn unavailable(client: &Client, reference: &str) -> Unavailable {
    match resolve(client, reference).await {
        Err(Fault::Unavailable(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

/// The contents of the candidates, in order of their bytes.
pub(crate) fn contents(evidence: &[Evidence]) -> Vec<String> {
    let mut contents: Vec<String> = evidence
        .iter()
        .filter_map(|item| match item {
            Evidence::Candidate(candidate, _) => Some(match &candidate.content {
                UntrustedContent::Bundle(bytes) => String::from_utf8(bytes.clone()).unwrap(),
                UntrustedContent::Envelope { envelope: payload, .. }
                | UntrustedContent::SimpleSigning { payload, .. } => String::from_utf8(payload.clone()).unwrap(),
            }),
            _ => None,
        })
        .collect();
    contents.sort();
    contents
}

/// Why places could not be read.
pub(crate) fn unread(evidence: &[Evidence]) -> Vec<(Place, &'static str)> {
    evidence
        .iter()
        .filter_map(|item| match item {
            Evidence::Unread { place, cause } => Some((*place, cause.code())),
            _ => None,
        })
        .collect()
}

/// A layer of the legacy form, with any payload.
pub(crate) fn layer(payload: &str) -> SimpleSigning {
    SimpleSigning {
        payload: payload.into(),
        annotations: [(signer::SIGNATURE.to_owned(), "bm9uc2Vuc2U=".to_owned())].into(),
    }
}

/// One user and password for one host.
pub(crate) fn access(host: &str, username: &str, password: &str) -> Access {
    let login = Login::Basic { username: username.to_owned(), password: password.to_owned().into() };
    let credential = Credential { host: host.to_owned(), login, source: format!("secret shop/{username}") };
    Access { credentials: vec![credential], problems: Vec::new() }
}
