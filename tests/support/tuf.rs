//! A TUF repository that a test writes itself: the four roles as JSON values that are changed before they are signed, so that
//! an attack differs from what is right in one place.
//!
//! ```ignore
//! let mut repository = TufRepository::new(trusted_root);        // version 1 of everything, consistent snapshots
//! repository.content = newer;                                   // publish() signs the next version of all but the root
//! let mirror = Mirror::start();
//! mirror.serve(repository.publish());
//! repository.rotate(|root| root["roles"]["root"]["threshold"] = json!(2));
//! let frozen = repository.publish_with(|role, signed| if role == "timestamp" { signed["expires"] = json!(PAST) });
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{EncodePublicKey, LineEnding};
use sealgate::domain::{Digest, TufSource};
use sealgate::trust::HostSettings;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::registry::{Answer, TestRegistry};

/// When metadata expire that nobody said anything about.
pub const FAR: &str = "2027-12-01T00:00:00Z";
/// Files by their path below the mirror.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A key that signs metadata, under the id that metadata call it by.
#[derive(Clone)]
pub struct Signer {
    /// The id.
    pub id: String,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl Signer {
    /// An Ed25519 key, which TUF writes as hex.
    pub fn ed25519(name: &str) -> Self {
        let seed: [u8; 32] = sha2::Sha256::digest(name).into();
        Self { id: String::new(), key: Key::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed)) }.with_usual_id()
    }

    /// A P-256 key, which TUF writes as PEM.
    pub fn p256(name: &str) -> Self {
        let seed: [u8; 32] = sha2::Sha256::digest(name).into();
        let key = p256::ecdsa::SigningKey::from_bytes(&seed.into()).unwrap();
        Self { id: String::new(), key: Key::P256(key) }.with_usual_id()
    }

    /// The same key under another id.
    #[must_use]
    pub fn called(&self, id: &str) -> Self {
        Self { id: id.to_owned(), key: self.key.clone() }
    }

    /// The key as metadata list it.
    pub fn json(&self) -> Value {
        let (kind, scheme, public) = match &self.key {
            Key::Ed25519(key) => ("ed25519", "ed25519", hex::encode(key.verifying_key().as_bytes())),
            Key::P256(key) => {
                let pem = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
                ("ecdsa", "ecdsa-sha2-nistp256", pem)
            }
        };
        json!({"keytype": kind, "scheme": scheme, "keyval": {"public": public}})
    }

    fn sign(&self, message: &[u8]) -> String {
        match &self.key {
            Key::Ed25519(key) => hex::encode(key.sign(message).to_bytes()),
            Key::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                hex::encode(signature.as_bytes())
            }
        }
    }

    /// The digest of the key in canonical JSON, as securesystemslib computes it.
    fn with_usual_id(mut self) -> Self {
        self.id = hex::encode(sha2::Sha256::digest(canonical(&self.json())));
        self
    }
}

/// A repository: who signs, which version comes next, and what it publishes.
#[derive(Clone)]
pub struct TufRepository {
    /// Who signs the root and the targets.
    pub offline: Vec<Signer>,
    /// Who signs the timestamp and the snapshot.
    pub online: Signer,
    /// How many of `offline` must sign.
    pub threshold: usize,
    /// The name of the target.
    pub target: String,
    /// What the target holds.
    pub content: String,
    /// The version of the timestamp, the snapshot and the targets that are published next.
    pub version: u64,
    roots: Vec<Vec<u8>>,
}

impl TufRepository {
    /// Version 1 of everything.
    pub fn new(content: &str) -> Self {
        let mut repository = Self {
            offline: vec![Signer::p256("first"), Signer::ed25519("second")],
            online: Signer::ed25519("online"),
            threshold: 2,
            target: "trusted_root.json".to_owned(),
            content: content.to_owned(),
            version: 1,
            roots: Vec::new(),
        };
        repository.rotate(|_| {});
        repository
    }

    /// The root that trust begins with, and the mirror.
    pub fn source(&self, mirror: &Mirror) -> TufSource {
        let mirror = format!("{}/", mirror.server.url()).parse().unwrap();
        TufSource {
            mirror,
            root: String::from_utf8(self.roots[0].clone()).unwrap().into(),
            target: self.target.clone(),
        }
    }

    /// The first root.
    pub fn first_root(&self) -> &[u8] {
        &self.roots[0]
    }

    /// The next root by the present keys, changed before it is signed.
    pub fn rotate(&mut self, change: impl FnOnce(&mut Value)) {
        let mut root = self.root(self.roots.len() as u64 + 1);
        change(&mut root);
        let signers: Vec<_> = self.offline.iter().collect();
        self.roots.push(envelope(&root, &signers));
    }

    /// The next root, signed by others.
    pub fn rotate_signed_by(&mut self, signers: &[&Signer]) {
        let root = self.root(self.roots.len() as u64 + 1);
        self.roots.push(envelope(&root, signers));
    }

    /// What a root of that version says.
    pub fn root(&self, version: u64) -> Value {
        let ids: Vec<_> = self.offline.iter().map(|signer| &signer.id).collect();
        let offline = json!({"keyids": ids, "threshold": self.threshold});
        let online = json!({"keyids": [self.online.id], "threshold": 1});
        let keys = self.offline.iter().chain([&self.online]).map(|signer| (signer.id.clone(), signer.json()));
        let mut root = signed("root", version);
        root["consistent_snapshot"] = json!(true);
        root["keys"] = keys.collect::<serde_json::Map<_, _>>().into();
        root["roles"] = json!({"root": offline, "targets": offline, "timestamp": online, "snapshot": online});
        root
    }

    /// All files of the version that is next, which then is the one after it.
    pub fn publish(&mut self) -> Files {
        self.publish_with(|_, _| {})
    }

    /// The same, each role changed before it is signed: `timestamp`, `snapshot`, `targets`.
    pub fn publish_with(&mut self, change: impl Fn(&str, &mut Value)) -> Files {
        let version = self.version;
        self.version += 1;
        let content = self.content.as_bytes();
        let hash = hex::encode(sha2::Sha256::digest(content));
        let mut targets = signed("targets", version);
        targets["targets"] = json!({&self.target: {"length": content.len(), "hashes": {"sha256": hash}}});
        change("targets", &mut targets);
        let targets = envelope(&targets, &self.offline.iter().collect::<Vec<_>>());

        let mut snapshot = signed("snapshot", version);
        snapshot["meta"] = json!({"targets.json": pin(&targets, version)});
        change("snapshot", &mut snapshot);
        let snapshot = envelope(&snapshot, &[&self.online]);

        let mut timestamp = signed("timestamp", version);
        timestamp["meta"] = json!({"snapshot.json": pin(&snapshot, version)});
        change("timestamp", &mut timestamp);
        let timestamp = envelope(&timestamp, &[&self.online]);

        let roots = self.roots.iter().enumerate().map(|(i, root)| (format!("{}.root.json", i + 1), root.clone()));
        let folder = self.target.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let file = self.target.rsplit('/').next().unwrap();
        let files = [
            ("timestamp.json".to_owned(), timestamp),
            (format!("{version}.snapshot.json"), snapshot),
            (format!("{version}.targets.json"), targets),
            (format!("targets/{folder}{hash}.{file}"), content.to_vec()),
        ];
        roots.chain(files).collect()
    }
}

/// What every role has.
pub fn signed(role: &str, version: u64) -> Value {
    json!({"_type": role, "spec_version": "1.0.31", "version": version, "expires": FAR})
}

/// A file with signatures.
pub fn envelope(signed: &Value, signers: &[&Signer]) -> Vec<u8> {
    let message = canonical(signed);
    let signatures: Vec<_> =
        signers.iter().map(|signer| json!({"keyid": signer.id, "sig": signer.sign(&message)})).collect();
    json!({"signed": signed, "signatures": signatures}).to_string().into_bytes()
}

/// What one role says of the file of another.
pub fn pin(file: &[u8], version: u64) -> Value {
    json!({"version": version, "length": file.len(), "hashes": {"sha256": hex::encode(sha2::Sha256::digest(file))}})
}

/// Canonical JSON as TUF means it: sorted, no blanks, nothing escaped but backslash and quote.
pub fn canonical(value: &Value) -> Vec<u8> {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.keys().collect();
            names.sort();
            let fields = names.into_iter().map(|name| [canonical(&json!(name)), canonical(&fields[name])].join(&b':'));
            [&b"{"[..], &fields.collect::<Vec<_>>().join(&b','), &b"}"[..]].concat()
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            [&b"["[..], &items.join(&b','), &b"]"[..]].concat()
        }
        Value::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")).into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

/// A web server with the files of a repository. What it does not have is 404.
pub struct Mirror {
    /// The server, for rules and requests.
    pub server: TestRegistry,
    files: Arc<Mutex<Files>>,
}

impl Mirror {
    /// An empty one on 127.0.0.1.
    pub fn start() -> Self {
        let server = TestRegistry::start();
        let files = Arc::<Mutex<Files>>::default();
        let mirror = Self { server, files };
        mirror.obey();
        mirror
    }

    /// Has these files, and no others.
    pub fn serve(&self, files: Files) {
        *self.files.lock().unwrap() = files;
    }

    /// One file is another.
    pub fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.to_owned(), bytes.into());
    }

    /// A file as it is.
    pub fn file(&self, path: &str) -> Vec<u8> {
        self.files.lock().unwrap()[path].clone()
    }

    /// Forgets all rules and answers with its files again.
    pub fn obey(&self) {
        self.server.clear_rules();
        let files = self.files.clone();
        self.server.rule("", move |request, _, _| {
            match files.lock().unwrap().get(request.target.trim_start_matches('/')) {
                Some(bytes) => Answer::ok("application/octet-stream", bytes.clone()),
                None => Answer::status(404),
            }
        });
    }

    /// What was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.server.requests().iter().map(|request| request.target.clone()).collect()
    }

    /// Settings with which it may be asked.
    pub fn settings(&self) -> HostSettings {
        HostSettings { host: self.server.host(), plain_http: true, ca: None, allow_private_address: true }
    }
}

/// The digest by which a trusted root is known.
pub fn fingerprint(content: &str) -> Digest {
    Digest::of(content.as_bytes())
}
