//! What the verifier needs from outside, as traits. Adapters implement them; tests write fakes.

use std::any::Any;
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;

pub use crate::domain::{Credential, ImageReference, PinnedImage, Repository, Unavailable};
pub use crate::policy::Labels;
pub use crate::signatures::{Candidate, IMAGE_SIGNATURE, Origin, Place, UntrustedContent};

/// Reads images and signatures from registries.
pub trait Registry: Send + Sync + 'static {
    /// Waits until one more image of this registry may be looked at: before anything is asked about it, and until what was taken
    /// is dropped.
    fn admit(&self, _image: &Repository) -> impl Future<Output = Held> + Send {
        ready(Held::default())
    }

    /// Asks for the manifest that the reference's tag names, once, and hashes the bytes.
    fn resolve(
        &self,
        image: &ImageReference,
        access: &Access,
    ) -> impl Future<Output = Result<PinnedImage, Fault>> + Send;

    /// Whether the registry has the manifest of this digest. Asked only to tell "not signed" from "not there".
    fn exists(&self, image: &PinnedImage, access: &Access) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Everything that may be a signature of the image, from all places in `at`, as it arrives.
    fn evidence<'a>(
        &'a self,
        image: &'a PinnedImage,
        at: &'a Repository,
        scope: Scope,
        access: &'a Access,
    ) -> BoxStream<'a, Evidence>;
}

/// Something that an adapter keeps for others until this is dropped, such as a place or memory.
#[derive(Clone, Debug, Default)]
pub struct Held {
    _what: Option<Arc<dyn Any + Send + Sync>>,
}

impl Held {
    /// Keeps this.
    pub fn new(what: impl Send + Sync + 'static) -> Self {
        Self { _what: Some(Arc::new(what)) }
    }
}

/// What is kept makes no difference to what was found.
impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Held {}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Signatures alone.
    Signatures,
    /// Attestations too: one more tag, and larger documents.
    Attestations,
}

/// One thing that was found out while looking for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Signature material, and the memory that was taken for it, which is kept until it is judged.
    Candidate(Candidate, Held),
    /// A place, or something listed there, that could not be read: what is there is not known.
    Unread {
        /// Where.
        place: Place,
        /// Why.
        cause: Unavailable,
    },
    /// There is more than is looked at; `limit` candidates have been handed out.
    TooMany {
        /// How many are looked at.
        limit: usize,
    },
}

/// Why an image could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The registry says that it is not there.
    NotFound,
    /// Could not find out.
    Unavailable(Unavailable),
}

/// What may be shown to the registry of one repository, in this order; anonymous access comes last.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Credentials, each bound to a host.
    pub credentials: Vec<Credential>,
    /// Credentials that could not be had, for the log when no login is accepted: `secret shop/regcred: not found`. No answer says
    /// them: whoever asks need not be the API server.
    pub problems: Vec<String>,
}

/// Who asks for an image: what the kubelet would know when it pulls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PullContext {
    /// The namespace.
    pub namespace: String,
    /// `spec.serviceAccountName`, `default` where it is not set.
    pub service_account: String,
    /// Names in `spec.imagePullSecrets`.
    pub image_pull_secrets: Vec<String>,
}

/// Finds pull credentials.
pub trait Keychain: Send + Sync + 'static {
    /// Everything that may open the repository for this puller. Never fails: what could not be had is named in
    /// [`Access::problems`].
    fn access(&self, repository: &Repository, context: &PullContext) -> impl Future<Output = Access> + Send;
}

/// Two keychains as one: the first one's credentials are tried first.
impl<A: Keychain, B: Keychain> Keychain for (A, B) {
    async fn access(&self, repository: &Repository, context: &PullContext) -> Access {
        let (mut first, second) =
            futures::future::join(self.0.access(repository, context), self.1.access(repository, context)).await;
        first.credentials.extend(second.credentials);
        first.problems.extend(second.problems);
        first
    }
}

/// No keychain at all, or one that is configured away.
impl<K: Keychain> Keychain for Option<K> {
    async fn access(&self, repository: &Repository, context: &PullContext) -> Access {
        match self {
            Some(keychain) => keychain.access(repository, context).await,
            None => Access::default(),
        }
    }
}

/// Says which labels a namespace has that the set of policies does not know.
pub trait Namespaces: fmt::Debug + Send + Sync + 'static {
    /// Its labels now. A namespace that is not there has none that could be known: it may be there the next moment.
    fn labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Arc<Labels>, Unavailable>>;
}

/// For policies from files, which describe all namespaces that have labels: any other one has only that which is its name.
#[derive(Clone, Copy, Debug)]
pub struct NameAlone;

impl Namespaces for NameAlone {
    fn labels<'a>(&'a self, _namespace: &'a str) -> BoxFuture<'a, Result<Arc<Labels>, Unavailable>> {
        // A selector takes the name from the namespace itself.
        Box::pin(ready(Ok(Arc::default())))
    }
}
