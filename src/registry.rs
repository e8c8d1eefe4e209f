//! Reads images and signatures from registries: the pull half of the OCI distribution specification, for an enemy's answers.
//!
//! Everything that comes in is bounded, by what it says about its own size before it is read and while it streams. A tag is
//! resolved by one GET whose body is hashed; from there on there are only digests. "It is not there" and "could not find out"
//! never mix: 404 is the one, everything else that is not 200 the other. Image layers and configs are never asked for.
//!
//! Knows no policies and no Kubernetes. Credentials come from the caller and go to the host and port that they are bound to.

mod auth;
mod challenge;
mod clients;
mod failure;
mod fair;
mod link;
mod lists;
mod lookups;
mod manifest;
mod realm;
mod resolver;
mod search;
mod session;
mod settings;
mod shares;
mod task;
mod token;
mod transport;
mod trust;

use std::fmt;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};

use crate::telemetry::Metrics;
use crate::verifier::ports::{
    Access, Evidence, Fault, Held, ImageReference, PinnedImage, Place, Registry, Repository, Scope, Unavailable,
};

use auth::Authenticator;
use session::Session;
use shares::Shares;
use transport::Transport;

pub use auth::REMEMBERED_LOGINS;
pub use lookups::{ADDRESSES, KEPT_NAMES, LOOKUPS};
pub use resolver::{Resolver, SystemResolver};
pub use settings::{
    BODIES, HostSettings, IDLE_CONNECTIONS, IDLE_HOSTS, IMAGES, LISTS, Limits, Quota, REQUESTS, Roots,
    SMALL_BODY_BYTES, SMALL_LIST_BYTES, Settings, SettingsError, Timeouts,
};

const IMAGE: &str = "the image's manifest";

/// A client for all registries. Connections and tokens are shared by all that it is asked; clones share them too.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    authenticator: Arc<Authenticator>,
    /// Images that are looked at.
    images: Arc<Shares>,
    metrics: Metrics,
}

impl Client {
    /// A client that finds hosts through the operating system.
    pub fn new(settings: &Settings, metrics: Metrics) -> Result<Self, SettingsError> {
        Self::with_resolver(settings, metrics, SystemResolver::new()?)
    }

    /// A client that finds hosts through `resolver`. Addresses are checked whatever it answers.
    pub fn with_resolver(
        settings: &Settings,
        metrics: Metrics,
        resolver: impl Resolver,
    ) -> Result<Self, SettingsError> {
        let resolver: Arc<dyn Resolver> = Arc::new(resolver);
        let transport = Arc::new(Transport::new(settings, &resolver)?);
        let images = Arc::new(Shares::new(settings.limits.images));
        Ok(Self { transport, authenticator: Arc::default(), images, metrics })
    }

    fn session(&self, repository: &Repository, access: &Access) -> Result<Session, Unavailable> {
        let (transport, authenticator) = (self.transport.clone(), self.authenticator.clone());
        Session::new(transport, authenticator, self.metrics.clone(), repository, access)
    }
}

impl Registry for Client {
    async fn admit(&self, image: &Repository) -> Held {
        Held::new(self.images.take(image.host(), 1).await)
    }

    async fn resolve(&self, image: &ImageReference, access: &Access) -> Result<PinnedImage, Fault> {
        if let Some(pinned) = image.pinned() {
            return Ok(pinned);
        }
        let session = self.session(image.repository(), access).map_err(Fault::Unavailable)?;
        match session.manifest_of_tag(image.tag_or_latest(), IMAGE).await {
            Ok(Some((_, manifest))) => Ok(image.pin(&manifest)),
            Ok(None) => Err(Fault::NotFound),
            Err(cause) => Err(Fault::Unavailable(cause)),
        }
    }

    async fn exists(&self, image: &PinnedImage, access: &Access) -> Result<bool, Unavailable> {
        let session = self.session(image.repository(), access)?;
        Ok(session.manifest_of_digest(image.digest(), IMAGE).await?.is_some())
    }

    fn evidence<'a>(
        &'a self,
        image: &'a PinnedImage,
        at: &'a Repository,
        scope: Scope,
        access: &'a Access,
    ) -> BoxStream<'a, Evidence> {
        match self.session(at, access) {
            Ok(session) => search::search(session, *image.digest(), scope),
            Err(cause) => {
                let tags = (scope == Scope::Attestations).then_some(Place::AttestationTag);
                let places = [Place::LegacyTag, Place::ReferrersApi, Place::FallbackTag].into_iter().chain(tags);
                let unread = move |place| Evidence::Unread { place, cause: cause.clone() };
                stream::iter(places).map(unread).boxed()
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.transport).finish_non_exhaustive()
    }
}
