//! A verifier with policies and a registry in memory, and what the API server would make of its answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use sealgate::admission::{Admission, Hook, MirrorPods, PolicySource, Reviewer, Settings, Workloads};
use sealgate::api;
use sealgate::domain::workload::KindTable;
use sealgate::domain::{Digest, ImageReference, PinnedImage, Repository, Unavailable};
use sealgate::policy::{Defaults, PolicyCell, PolicySet};
use sealgate::signatures::{Candidate, RootsCell, TrustedRoots};
use sealgate::telemetry::Metrics;
use sealgate::verifier::Engine;
use sealgate::verifier::ports::{Access, Evidence, Fault, Held, Keychain, PullContext, Registry, Scope};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::builders::Review;
use crate::support::signer::{SigningKey, payload};
use crate::support::sigstore::Sigstore;

/// What a repository's first path segment says about its images.
#[derive(Clone)]
pub(crate) struct FakeRegistry {
    key: Arc<SigningKey>,
    calls: Arc<AtomicUsize>,
    /// Tags that name another manifest than at first, which nobody has signed.
    moved: Arc<Mutex<HashMap<String, Digest>>>,
    /// What lies beside the images of `registry.example/stored`.
    stored: Arc<Mutex<Vec<Candidate>>>,
}

impl FakeRegistry {
    fn mood(&self, repository: &Repository) -> String {
        self.calls.fetch_add(1, Ordering::Relaxed);
        repository.path().split('/').next().unwrap_or_default().to_owned()
    }

    fn is_unsigned(&self, digest: &Digest) -> bool {
        self.moved.lock().unwrap().values().any(|moved| moved == digest)
    }
}

/// Where `registry.example/inside` is.
pub(crate) const INSIDE_ADDRESS: &str = "10.7.8.9";

/// The digest that a tag has in the registry.
pub(crate) fn digest(image: &str) -> Digest {
    Digest::of(ImageReference::parse(image).unwrap().to_string().as_bytes())
}

fn moved_manifest(tag: &str) -> String {
    format!("{tag}, moved")
}

/// The image as it is stored when it was pinned.
pub(crate) fn pinned(image: &str) -> String {
    format!("{image}@{}", digest(image))
}

impl Registry for FakeRegistry {
    async fn resolve(&self, image: &ImageReference, _: &Access) -> Result<PinnedImage, Fault> {
        let host = image.repository().host().to_owned();
        match self.mood(image.repository()).as_str() {
            "gone" => Err(Fault::NotFound),
            "down" => Err(Fault::Unavailable(Unavailable::RegistryUnreachable { host, problem: "refused".into() })),
            "inside" => Err(Fault::Unavailable(Unavailable::AddressBlocked { host, address: INSIDE_ADDRESS.into() })),
            "noisy" => Err(Fault::Unavailable(Unavailable::RegistryUnreachable {
                host,
                problem: sealgate::domain::text::foreign(&"\u{1b}[31m<b>%s\r\n".repeat(1024)),
            })),
            "panics" => panic!("a registry adapter that panics"),
            "hangs" => std::future::pending().await,
            _ => {
                let tag = image.to_string();
                let moved = self.moved.lock().unwrap().contains_key(&tag);
                Ok(image.pin(if moved { moved_manifest(&tag) } else { tag }.as_bytes()))
            }
        }
    }

    async fn exists(&self, image: &PinnedImage, _: &Access) -> Result<bool, Unavailable> {
        Ok(self.mood(image.repository()) != "gone")
    }

    fn evidence<'a>(
        &'a self,
        image: &'a PinnedImage,
        at: &'a Repository,
        _: Scope,
        _: &'a Access,
    ) -> BoxStream<'a, Evidence> {
        match self.mood(at).as_str() {
            "signed" if !self.is_unsigned(image.digest()) => {
                let signed = self.key.simple_signing(&payload(image.digest())).candidate();
                stream::iter([Evidence::Candidate(signed, Held::default())]).boxed()
            }
            "stored" => {
                let candidate = |stored: &Candidate| Evidence::Candidate(stored.clone(), Held::default());
                let stored: Vec<_> = self.stored.lock().unwrap().iter().map(candidate).collect();
                stream::iter(stored).boxed()
            }
            "foreign" => {
                let signed = SigningKey::new().simple_signing(&payload(image.digest())).candidate();
                stream::iter([Evidence::Candidate(signed, Held::default())]).boxed()
            }
            _ => stream::empty().boxed(),
        }
    }
}

/// No credentials.
pub(crate) struct NoKeychain;

impl Keychain for NoKeychain {
    async fn access(&self, _: &Repository, _: &PullContext) -> Access {
        Access::default()
    }
}

/// Policies, registry and handler.
pub(crate) struct World {
    pub(crate) admission: Admission<FakeRegistry, NoKeychain>,
    pub(crate) metrics: Metrics,
    pub(crate) key: Arc<SigningKey>,
    policies: PolicyCell,
    roots: RootsCell,
    registry: FakeRegistry,
}

/// The settings that most tests have.
pub(crate) fn settings() -> Settings {
    Settings {
        kinds: KindTable::builtin(),
        workloads: Workloads::Deny,
        mirror_pods: MirrorPods::Warn,
        policies: PolicySource::Cluster,
        plain_http: BTreeSet::new(),
    }
}

impl World {
    /// `ci-images` demands a signature by `ci-key` for every image in the namespace `shop`.
    pub(crate) fn new() -> Self {
        Self::with(settings(), Defaults::default())
    }

    pub(crate) fn with(settings: Settings, defaults: Defaults) -> Self {
        let world = Self::without_policies(settings, defaults);
        world.policies(&[("ci-images", world.policy())]);
        world
    }

    /// The policies are not loaded yet.
    pub(crate) fn without_policies(settings: Settings, defaults: Defaults) -> Self {
        let key = Arc::new(SigningKey::new());
        let (policies, roots, metrics) = (PolicyCell::default(), RootsCell::default(), Metrics::new());
        let (calls, moved, stored) = Default::default();
        let registry = FakeRegistry { key: Arc::clone(&key), calls, moved, stored };
        let engine = Engine::new(registry.clone(), NoKeychain, policies.clone(), roots.clone(), defaults);
        let admission = Admission::new(engine, settings, metrics.clone());
        Self { admission, metrics, key, policies, roots, registry }
    }

    /// The spec of a policy that demands `ci-key`.
    pub(crate) fn policy(&self) -> Value {
        json!({
            "match": {"images": ["**"], "namespaces": ["shop"]},
            "authorities": [{"name": "ci-key", "key": {"publicKey": self.key.pem()}}],
        })
    }

    /// Replaces all policies.
    pub(crate) fn policies(&self, policies: &[(&str, Value)]) {
        let entries = policies.iter().map(|(name, spec)| api::compile(name, spec)).collect();
        self.policies.store(PolicySet::new(entries, std::iter::empty().collect()));
    }

    /// What lies beside the images of `registry.example/stored` from now on.
    pub(crate) fn store(&self, candidates: &[Candidate]) {
        *self.registry.stored.lock().unwrap() = candidates.to_vec();
    }

    /// The one trusted root there is from now on.
    pub(crate) fn trust(&self, name: &str, root: Result<&Sigstore, &str>) {
        let material = root.map(|sigstore| sigstore.trusted_root().material()).map_err(str::to_owned);
        self.roots.store(TrustedRoots::new([(name.to_owned(), material)].into()));
    }

    /// Where the policies are.
    pub(crate) fn policy_cell(&self) -> PolicyCell {
        self.policies.clone()
    }

    /// How often the registry was asked.
    pub(crate) fn calls(&self) -> usize {
        self.registry.calls.load(Ordering::Relaxed)
    }

    /// Somebody pushes another manifest under the tag, and signs nothing.
    pub(crate) fn move_tag(&self, image: &str) -> Digest {
        let tag = ImageReference::parse(image).unwrap().to_string();
        let digest = Digest::of(moved_manifest(&tag).as_bytes());
        self.registry.moved.lock().unwrap().insert(tag, digest);
        digest
    }

    /// What one webhook answers, checked against the rules for every answer (ADM-03).
    pub(crate) async fn ask(&self, hook: Hook, review: &Review) -> Outcome {
        Outcome::read(hook, review, &self.answer(hook, review).await)
    }

    /// The bytes of the answer.
    pub(crate) async fn answer(&self, hook: Hook, review: &Review) -> Vec<u8> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let answer = self.admission.review(hook, review.bytes(), deadline).await;
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// What `validate.pods` answers.
    pub(crate) async fn validate(&self, review: &Review) -> Outcome {
        self.ask(Hook::ValidatePods, review).await
    }

    /// What the API server does: mutate, apply the patch, validate. The object as it would be stored, and the verdict.
    pub(crate) async fn admit(&self, review: &Review) -> (Value, Outcome) {
        let mutated = self.ask(Hook::Mutate, review).await;
        assert!(mutated.allowed && mutated.warnings.is_empty(), "the mutating webhook has no verdict: {mutated:?}");
        let object = mutated.apply(&review.0["request"]["object"]);
        let outcome = self.validate(&review.clone().object(object.clone())).await;
        (object, outcome)
    }
}

/// One answer, read back.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) allowed: bool,
    pub(crate) status: u64,
    pub(crate) message: String,
    pub(crate) codes: Vec<String>,
    pub(crate) fields: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) audit: Value,
    pub(crate) patch: Option<json_patch::Patch>,
}

impl Outcome {
    fn read(hook: Hook, review: &Review, body: &[u8]) -> Self {
        let answer: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        let response = &answer["response"];
        assert_eq!(response["uid"], review.0["request"]["uid"]);
        let text = std::str::from_utf8(body).unwrap();
        assert!(!text.contains("retryAfter"), "{text}");
        let patch = response.get("patch").map(|patch| {
            assert_eq!(hook, Hook::Mutate, "only the mutating webhook may patch");
            serde_json::from_slice(&STANDARD.decode(patch.as_str().unwrap()).unwrap()).unwrap()
        });
        assert_eq!(response.get("patchType").cloned(), patch.as_ref().map(|_| json!("JSONPatch")));
        let strings = |list: &Value, key: &str| -> Vec<String> {
            let all = list.as_array().into_iter().flatten();
            all.filter_map(|v| v.pointer(key)?.as_str().map(Into::into)).collect()
        };
        let causes = &response["status"]["details"]["causes"];
        let outcome = Self {
            allowed: response["allowed"].as_bool().unwrap(),
            status: response["status"]["code"].as_u64().unwrap_or(200),
            message: response["status"]["message"].as_str().unwrap_or_default().into(),
            codes: strings(causes, "/reason"),
            fields: strings(causes, "/field"),
            warnings: strings(&response["warnings"], ""),
            audit: response["auditAnnotations"].clone(),
            patch,
        };
        outcome.check();
        outcome
    }

    fn check(&self) {
        assert_eq!(self.allowed, self.status == 200, "{self:?}");
        assert_eq!(self.allowed, self.message.is_empty(), "{self:?}");
        assert!(self.allowed || matches!(self.status, 403 | 503), "{self:?}");
        assert!(self.message.len() <= 4096 && !self.message.chars().any(char::is_control), "{}", self.message);
        assert!(self.warnings.iter().all(|w| w.chars().count() <= 256 && !w.chars().any(char::is_control)));
        assert!(self.warnings.iter().map(|w| w.chars().count()).sum::<usize>() <= 4096);
        let annotations = self.audit.as_object().into_iter().flatten();
        for (key, value) in annotations {
            assert!(["verdict", "images", "static-allow", "audit-findings"].contains(&key.as_str()), "{key}");
            assert!(value.as_str().unwrap().len() <= 1024);
        }
    }

    /// The object with the patch applied.
    pub(crate) fn apply(&self, object: &Value) -> Value {
        let mut object = object.clone();
        if let Some(patch) = &self.patch {
            json_patch::patch(&mut object, patch).unwrap();
        }
        object
    }

    #[track_caller]
    pub(crate) fn denied(&self, code: &str) -> &Self {
        assert!(!self.allowed, "admitted: {self:?}");
        assert!(self.codes.iter().any(|c| c == code), "expected {code}: {self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn admitted(&self) -> &Self {
        assert!(self.allowed, "denied: {}", self.message);
        self
    }
}
