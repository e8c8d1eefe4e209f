//! The verifier over a scripted registry: what it is asked is recorded, and any answer may be wrong, late or missing.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::{pending, ready};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use sealgate::api;
use sealgate::domain::{Digest, ImageReference, PinnedImage, Repository, Unavailable};
use sealgate::policy::{Entry, Labels, PolicySet};
use sealgate::signatures::{Candidate, RootsCell, TrustedRoots};
use sealgate::verifier::ports::{Access, Evidence, Fault, Held, Keychain, Namespaces, PullContext, Registry, Scope};
use sealgate::verifier::{Defaults, Engine, ImageVerdict, Mode, PolicyCell, Question};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};
use tokio::time::Instant;

use super::signer::{SigningKey, bundle_candidate, payload, statement};
use super::sigstore::{Identity, Sigstore};

/// How long a question may take. Tests that wait for it run on a paused clock.
pub const PATIENCE: Duration = Duration::from_secs(9);

/// A registry, the policies, and the engine between them. The namespace is `shop`.
#[derive(Clone, Default)]
pub struct World {
    pub registry: FakeRegistry,
    pub policies: PolicyCell,
    pub roots: RootsCell,
    pub namespaces: FakeNamespaces,
    pub defaults: Defaults,
}

/// A cluster that answers for one namespace as it was told, and is not there until it is told.
#[derive(Clone, Debug, Default)]
pub struct FakeNamespaces(Arc<Mutex<Cluster>>);

#[derive(Debug, Default)]
struct Cluster {
    answer: Option<Labels>,
    hangs: bool,
    calls: Vec<String>,
}

/// A registry that answers as it was told.
#[derive(Clone, Default)]
pub struct FakeRegistry(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    tags: HashMap<String, VecDeque<Tag>>,
    manifests: HashSet<String>,
    evidence: HashMap<(String, Digest), Vec<Step>>,
    calls: Vec<String>,
}

/// The answer to one question for a tag; the last one of a list is repeated.
#[derive(Clone)]
pub enum Tag {
    Manifest(Vec<u8>),
    Away(Unavailable),
    /// Waits for the others at the barrier, then answers.
    Meet(Arc<Barrier>, Vec<u8>),
    /// Says that it was reached, waits for the second, then answers.
    Wait(Arc<Notify>, Arc<Notify>, Vec<u8>),
    /// Says that it was reached and never answers, holding a share of the value.
    Hang(Arc<Notify>),
    Panic,
}

/// One thing that happens while signatures are read.
#[derive(Clone)]
pub enum Step {
    Found(Evidence),
    Hang,
    Panic,
}

impl World {
    /// All of these policies, with the labels of no namespace known.
    pub fn new(entries: Vec<Entry>) -> Self {
        let world = Self::default();
        world.store(entries);
        world
    }

    pub fn with_labels(entries: Vec<Entry>, labels: &[(&str, &str)]) -> Self {
        let world = Self::default();
        let labels: Labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        world.policies.store(PolicySet::new(entries, BTreeMap::from([("shop".to_owned(), labels)])));
        world
    }

    pub fn store(&self, entries: Vec<Entry>) {
        self.policies.store(PolicySet::new(entries, BTreeMap::new()));
    }

    /// The trusted roots from now on; those with a reason can't be used.
    pub fn trust(&self, roots: &[(&str, Result<&Sigstore, &str>)]) {
        let root = |(name, root): &(&str, Result<&Sigstore, &str>)| {
            let material = root.map(|sigstore| sigstore.trusted_root().material()).map_err(str::to_owned);
            ((*name).to_owned(), material)
        };
        self.roots.store(TrustedRoots::new(roots.iter().map(root).collect()));
    }

    pub async fn ask(&self, images: &[&str]) -> Vec<ImageVerdict> {
        self.engine().verify(&question(images)).await
    }

    pub fn engine(&self) -> Engine<FakeRegistry, NoCredentials> {
        Engine::new(self.registry.clone(), NoCredentials, self.policies.clone(), self.roots.clone(), self.defaults)
            .with_namespaces(self.namespaces.clone())
    }

    pub async fn ask_one(&self, image: &str) -> ImageVerdict {
        self.ask(&[image]).await.remove(0)
    }
}

/// A question about images in the namespace `shop`.
pub fn question(images: &[&str]) -> Question {
    Question {
        namespace: "shop".to_owned(),
        images: images.iter().map(|&image| image.to_owned()).collect(),
        context: PullContext { namespace: "shop".to_owned(), ..PullContext::default() },
        deadline: Instant::now() + PATIENCE,
        now: super::signer::now(),
    }
}

impl FakeNamespaces {
    /// From now on every namespace has these labels.
    pub fn are(&self, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        self.0.lock().unwrap().answer = Some(labels);
    }

    /// From now on it never answers.
    pub fn hang(&self) {
        self.0.lock().unwrap().hangs = true;
    }

    /// What it was asked so far.
    pub fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().calls.clone()
    }
}

impl Namespaces for FakeNamespaces {
    fn labels<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Arc<Labels>, Unavailable>> {
        let mut cluster = self.0.lock().unwrap();
        cluster.calls.push(namespace.to_owned());
        if cluster.hangs {
            return Box::pin(pending());
        }
        let gone = Unavailable::NamespaceUnknown { namespace: namespace.to_owned(), problem: "it is away" };
        Box::pin(ready(cluster.answer.clone().map(Arc::new).ok_or(gone)))
    }
}

impl FakeRegistry {
    /// Stores a manifest under a tag.
    pub fn push(&self, image: &str, manifest: &[u8]) -> Digest {
        self.tag(image, &[Tag::Manifest(manifest.to_vec())]);
        let digest = Digest::of(manifest);
        let repository = ImageReference::parse(image).unwrap().repository().to_string();
        self.script().manifests.insert(format!("{repository}@{digest}"));
        digest
    }

    /// What asking for the tag gives, one after the other.
    pub fn tag(&self, image: &str, answers: &[Tag]) {
        self.script().tags.insert(image.to_owned(), answers.iter().cloned().collect());
    }

    /// Stores signatures.
    pub fn sign(&self, at: &str, digest: Digest, candidates: &[Candidate]) {
        let steps: Vec<Step> = candidates.iter().cloned().map(found).collect();
        self.script_evidence(at, digest, &steps);
    }

    /// What happens when signatures are read; nothing more than that.
    pub fn script_evidence(&self, at: &str, digest: Digest, steps: &[Step]) {
        self.script().evidence.insert((at.to_owned(), digest), steps.to_vec());
    }

    /// What it was asked so far.
    pub fn calls(&self) -> Vec<String> {
        self.script().calls.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }
}

impl Registry for FakeRegistry {
    async fn resolve(&self, image: &ImageReference, _access: &Access) -> Result<PinnedImage, Fault> {
        let name = format!("{}:{}", image.repository(), image.tag_or_latest());
        let answer = {
            let mut script = self.script();
            script.calls.push(format!("resolve {name}"));
            let answers = script.tags.get_mut(&name);
            answers.and_then(|answers| if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() })
        };
        match answer {
            None => Err(Fault::NotFound),
            Some(Tag::Manifest(bytes)) => Ok(image.pin(&bytes)),
            Some(Tag::Away(cause)) => Err(Fault::Unavailable(cause)),
            Some(Tag::Meet(barrier, bytes)) => {
                barrier.wait().await;
                Ok(image.pin(&bytes))
            }
            Some(Tag::Wait(reached, go, bytes)) => {
                reached.notify_one();
                go.notified().await;
                Ok(image.pin(&bytes))
            }
            Some(Tag::Hang(reached)) => {
                reached.notify_one();
                pending().await
            }
            Some(Tag::Panic) => panic!("injected into resolve"),
        }
    }

    async fn exists(&self, image: &PinnedImage, _access: &Access) -> Result<bool, Unavailable> {
        let mut script = self.script();
        script.calls.push(format!("exists {image}"));
        Ok(script.manifests.contains(&image.to_string()))
    }

    fn evidence<'a>(
        &'a self,
        image: &'a PinnedImage,
        at: &'a Repository,
        scope: Scope,
        _access: &'a Access,
    ) -> BoxStream<'a, Evidence> {
        let mut script = self.script();
        let attestations = if scope == Scope::Attestations { " and attestations" } else { "" };
        script.calls.push(format!("evidence {at}{attestations}"));
        let steps = script.evidence.get(&(at.to_string(), *image.digest())).cloned().unwrap_or_default();
        let happen = async |step| match step {
            Step::Found(evidence) => evidence,
            Step::Hang => pending().await,
            Step::Panic => panic!("injected into evidence"),
        };
        stream::iter(steps).then(happen).boxed()
    }
}

/// A keychain without keys.
pub struct NoCredentials;

impl Keychain for NoCredentials {
    async fn access(&self, _repository: &Repository, _context: &PullContext) -> Access {
        Access::default()
    }
}

/// A good signature as cosign 3 makes it.
pub fn signature(key: &SigningKey, digest: &Digest) -> Candidate {
    bundle_candidate(&key.bundle(&statement(digest)))
}

/// A good signature as cosign 2 makes it.
pub fn legacy_signature(key: &SigningKey, digest: &Digest) -> Candidate {
    key.simple_signing(&payload(digest)).candidate()
}

pub fn found(candidate: Candidate) -> Step {
    Step::Found(Evidence::Candidate(candidate, Held::default()))
}

/// A policy about images, with one authority a key: `a`, `b` ...; any of them is enough.
pub fn policy(name: &str, images: &[&str], keys: &[&SigningKey]) -> Entry {
    policy_with(name, images, keys, &json!({}))
}

/// The same with other members of the spec set.
pub fn policy_with(name: &str, images: &[&str], keys: &[&SigningKey], members: &Value) -> Entry {
    let authorities: Vec<Value> = ('a'..).zip(keys).map(|(name, key)| by_key(&name.to_string(), key)).collect();
    policy_by(name, images, &authorities, members)
}

/// A policy with any authorities.
pub fn policy_by(name: &str, images: &[&str], authorities: &[Value], members: &Value) -> Entry {
    entry(name, json!({"match": {"images": images}, "authorities": authorities}), members)
}

/// An authority with a key.
pub fn by_key(name: &str, key: &SigningKey) -> Value {
    json!({"name": name, "key": {"publicKey": key.pem()}})
}

/// An authority with one identity, under the trusted root of this name.
pub fn keyless(name: &str, identity: &Identity, root: &str) -> Value {
    let identity = json!({"issuer": identity.issuer, "subject": identity.subject});
    json!({"name": name, "keyless": {"trustedRoot": root, "identities": [identity]}})
}

/// A policy with a static authority.
pub fn fixed(name: &str, images: &[&str], answer: &str) -> Entry {
    let authorities = json!([{"name": "fixed", "static": answer}]);
    entry(name, json!({"match": {"images": images}, "authorities": authorities}), &json!({}))
}

fn entry(name: &str, mut spec: Value, members: &Value) -> Entry {
    for (key, value) in members.as_object().unwrap() {
        match (spec.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
            _ => spec[key] = value.clone(),
        }
    }
    api::compile(name, &spec)
}

/// The codes of what speaks against an image in a mode.
pub fn codes(verdict: &ImageVerdict, mode: Mode) -> Vec<&'static str> {
    verdict.findings(mode).iter().map(|(_, finding)| finding.code()).collect()
}

/// The one code with which an image is denied, or `ALLOW`.
#[track_caller]
pub fn answer(verdict: &ImageVerdict) -> &'static str {
    match codes(verdict, Mode::Enforce).as_slice() {
        [] => "ALLOW",
        [code] => code,
        several => panic!("several findings: {several:?}"),
    }
}
