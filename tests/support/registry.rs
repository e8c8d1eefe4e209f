//! A registry for tests that does what it is told: it keeps images and signatures as any registry does, answers them by rules
//! that a test sets, and remembers every byte that it was sent.
//!
//! ```ignore
//! let registry = TestRegistry::start();                              // plain http on 127.0.0.1
//! let image = registry.push_image("acme/app", "v1");
//! registry.put(&image.repository, &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
//! registry.put(&image.repository, &signer::bundle_referrer(&bundle, &image.manifest), None);
//! let settings = registry.settings();                                // for sealgate::registry::Client
//!
//! registry.rule("/manifests/v1", |_, _, stored| stored.flip_byte(7)); // tampered with
//! registry.rule("/blobs/", |_, nth, stored| if nth == 0 { Answer::status(503) } else { stored });
//! assert!(registry.requests().iter().all(|request| request.method != "HEAD"));
//! assert!(!registry.saw("hunter2"));
//! ```
//!
//! It runs on a thread of its own, so it serves async tests, blocking ones and child processes alike, and ends when it is
//! dropped. With TLS and [`Names`] it can stand for any host.

#[path = "registry/answer.rs"]
mod answer;
#[path = "registry/certificates.rs"]
mod certificates;
#[path = "registry/gate.rs"]
mod gate;
#[path = "registry/names.rs"]
mod names;
#[path = "registry/proxy.rs"]
mod proxy;
#[path = "registry/serve.rs"]
mod serve;
#[path = "registry/store.rs"]
mod store;

use std::net::SocketAddr;
use std::sync::Arc;

use sealgate::registry::{HostSettings, Roots, Settings};

pub use answer::{Answer, Body};
pub use certificates::TestCa;
pub use gate::Gate;
pub use names::Names;
pub use proxy::Proxy;
pub use serve::{Background, Recorded, in_background};
pub use store::{INDEX, MANIFEST, Pushed};

use super::signer::{Blob, Stored};
use serve::Shared;
use store::Store;

/// How a registry wants to be asked.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Anyone may read.
    #[default]
    Open,
    /// HTTP basic authentication.
    Basic {
        /// `user:password` of those who may read.
        users: Vec<String>,
    },
    /// Tokens, from the registry's own `/token` unless `realm` says otherwise.
    Bearer {
        /// `user:password` of those who get a token that opens everything. A refresh token counts as a password alone.
        users: Vec<String>,
        /// Repositories that an anonymous token opens.
        public: Vec<String>,
        /// The token server that is named.
        realm: Option<String>,
    },
}

impl Auth {
    /// Basic authentication for one user.
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic { users: vec![format!("{user}:{password}")] }
    }

    /// Tokens for one user.
    pub fn bearer(user: &str, password: &str) -> Self {
        Self::Bearer { users: vec![format!("{user}:{password}")], public: Vec::new(), realm: None }
    }
}

/// What a registry is like, before it starts.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    auth: Auth,
    tls: Option<Arc<rustls::ServerConfig>>,
    ca: Option<String>,
    referrers_page: Option<usize>,
    address: Option<SocketAddr>,
}

impl Builder {
    /// Whom it lets in.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// TLS with a certificate of `ca` for these names and 127.0.0.1.
    #[must_use]
    pub fn tls(mut self, ca: &TestCa, names: &[&str]) -> Self {
        let names: Vec<&str> = names.iter().copied().chain(["127.0.0.1"]).collect();
        self.tls = Some(ca.server(&names));
        self.ca = Some(ca.pem());
        self
    }

    /// TLS with any configuration, such as an expired certificate.
    #[must_use]
    pub fn tls_config(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// It has the referrers API. Without, it answers 404 there, as docker-registry 2.8 does, and the fallback tag is written.
    #[must_use]
    pub fn referrers_api(self) -> Self {
        self.referrers_api_paged(usize::MAX)
    }

    /// The referrers API with so many descriptors on a page.
    #[must_use]
    pub fn referrers_api_paged(mut self, page: usize) -> Self {
        self.referrers_page = Some(page);
        self
    }

    /// Where it listens, in place of a free port of 127.0.0.1.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Starts it.
    pub fn start(self) -> TestRegistry {
        let address = self.address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let shared = Arc::new(Shared::new(self.auth, self.tls.is_some(), Store::new(self.referrers_page)));
        let (address, background) = serve::start(shared.clone(), self.tls, address);
        TestRegistry { shared, address, ca: self.ca, _background: background }
    }
}

/// A running registry.
pub struct TestRegistry {
    shared: Arc<Shared>,
    address: SocketAddr,
    ca: Option<String>,
    _background: Background,
}

impl TestRegistry {
    /// A registry with plain http, open to all, without the referrers API.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A registry of another kind.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The host for image names: `127.0.0.1:<port>`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:<port>`, or with https.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Settings with which a client may reach it, and nothing else that is not public.
    pub fn settings(&self) -> Settings {
        self.settings_as(&[&self.host()])
    }

    /// Settings with which a client may reach it under these hosts.
    pub fn settings_as(&self, hosts: &[&str]) -> Settings {
        let roots = Roots::Pem(self.ca.clone().unwrap_or_else(|| TestCa::new().pem()).into_bytes());
        let own = HostSettings {
            plain_http: !self.shared.tls,
            ca: self.ca.clone().map(String::into_bytes),
            allow_private_address: true,
            ..HostSettings::default()
        };
        let hosts = hosts.iter().map(|host| ((*host).to_owned(), own.clone())).collect();
        Settings { hosts, roots, ..Settings::default() }
    }

    /// A new image, different from all others, behind a tag.
    pub fn push_image(&self, repository: &str, tag: &str) -> Pushed {
        let (stored, pushed) = self.shared.store().new_image(&self.host(), repository);
        self.put(repository, &stored, Some(tag));
        pushed
    }

    /// A manifest with its blobs, behind a tag if there is one. One with a `subject` becomes a referrer: in the API, or in the
    /// index behind the fallback tag where there is no API.
    pub fn put(&self, repository: &str, stored: &Stored, tag: Option<&str>) {
        self.shared.store().put(repository, stored, tag);
    }

    /// A single manifest or index without blobs.
    pub fn put_manifest(&self, repository: &str, manifest: &Blob, tag: Option<&str>) {
        self.shared.store().put_manifest(repository, manifest, tag);
    }

    /// A single blob.
    pub fn put_blob(&self, repository: &str, bytes: &[u8]) {
        self.shared.store().put_blob(repository, bytes);
    }

    /// Moves a tag to a manifest that is there.
    pub fn tag(&self, repository: &str, tag: &str, digest: &sealgate::domain::Digest) {
        self.shared.store().tag(repository, tag, digest);
    }

    /// Changes the answers to requests whose `METHOD /path?query` contains `pattern`. The rule gets the request, how often it
    /// was asked before, and the answer that the store would give. The latest rule that fits decides alone.
    pub fn rule(&self, pattern: &str, answer: impl Fn(&Recorded, usize, Answer) -> Answer + Send + Sync + 'static) {
        self.shared.rule(pattern, answer);
    }

    /// What is answered to a GET where no rule says otherwise.
    pub fn stored(&self, target: &str) -> Answer {
        self.shared.store().answer("GET", target)
    }

    /// Answers every request that fits with this.
    pub fn answer(&self, pattern: &str, answer: Answer) {
        self.rule(pattern, move |_, _, _| answer.clone());
    }

    /// Forgets all rules.
    pub fn clear_rules(&self) {
        self.shared.clear_rules();
    }

    /// Answers in generations: a request that fits one of the patterns of a generation is answered when each pattern of it has
    /// been asked for. A client that asks one after the other where it should ask side by side never gets an answer; one that
    /// asks for something unforeseen gets 500, and it shows in [`Self::unforeseen`].
    pub fn lockstep(&self, generations: &[&[&str]]) {
        self.shared.lockstep(generations);
    }

    /// Requests that no generation of [`Self::lockstep`] foresaw.
    pub fn unforeseen(&self) -> Vec<String> {
        self.shared.unforeseen()
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests()
    }

    /// Requests whose `METHOD /path?query` contains the pattern.
    pub fn count(&self, pattern: &str) -> usize {
        self.requests().iter().filter(|request| request.line().contains(pattern)).count()
    }

    /// Waits until something that contains the pattern is asked for.
    pub async fn requested(&self, pattern: &str) {
        self.shared.requested(pattern).await;
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.clear_requests();
    }

    /// Whether these bytes ever came in, on any connection: in clear, or in base64 as in basic authentication.
    pub fn saw(&self, secret: &str) -> bool {
        self.shared.saw(secret)
    }

    /// Connections accepted so far, also those that never got to a request.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Bytes of bodies that were written, on all connections.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.bytes_sent()
    }

    /// Waits until the peer has closed so many connections in the middle of an answer.
    pub async fn aborted(&self, times: usize) {
        self.shared.aborted(times).await;
    }
}
