//! Transparency logs: their ids, notes and promises, and entries as they stand in a bundle or an annotation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Signing;
use super::body::{Kind, Signed};
use super::edit::Edit;
use super::merkle::{self, Hash};
use crate::support::signer::SigningKey;

/// The two generations of Rekor. A certificate log has the ids of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    V1,
    V2,
}

/// A log.
#[derive(Clone)]
pub struct Log {
    /// Which API and formats it speaks.
    pub generation: Generation,
    /// Its name, the first word of the first line of its checkpoints.
    pub name: String,
    /// Its key: ECDSA P-256 for the first generation, Ed25519 for the second.
    pub key: SigningKey,
}

/// A signature as a log records it. Every field may be changed before that.
#[derive(Clone)]
pub struct Entry {
    /// The log.
    pub log: Log,
    /// What it records; `None` for what cosign sends to such a log.
    pub kind: Option<Kind>,
    /// The signing that it records, where that is not the one beside which it lies.
    pub about: Option<Box<Signing>>,
    /// The time of integration, in Unix seconds (v1 only).
    pub integrated_time: i64,
    /// How many entries older shards of the log have: the difference between its index and its place in the tree (v1 only).
    pub shard_start: u64,
    /// Its place in the tree.
    pub position: usize,
    /// The hashes of the tree's other leaves.
    pub others: Vec<Hash>,
    /// Whether there is a signed entry timestamp.
    pub promise: bool,
    /// Whether there is an inclusion proof.
    pub proof: bool,
    /// Whether the inclusion proof has a checkpoint.
    pub checkpoint: bool,
    /// Who makes the signed entry timestamp, where that is not the log.
    pub promised_by: Option<Log>,
    /// Who signs the checkpoint, in its own name, where that is not the log.
    pub proven_by: Option<Log>,
    /// Changes the body before it is recorded.
    pub edit_body: Edit<Value>,
    /// Changes what the signed entry timestamp is made over, and that alone.
    pub edit_promise: Edit<Value>,
    /// Changes the text of the checkpoint (origin, size, root, blank) before it is signed.
    pub edit_checkpoint: Edit<String>,
    /// Changes the whole note after it was signed.
    pub edit_note: Edit<String>,
}

/// An entry as the log gives it back.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The id of the log.
    pub log_id: Hash,
    /// The recorded document, byte for byte.
    pub body: Vec<u8>,
    /// The index in the log, over all shards.
    pub index: u64,
    /// The time of integration (v1 only).
    pub integrated_time: Option<i64>,
    /// The signed entry timestamp.
    pub promise: Option<Vec<u8>>,
    /// The inclusion proof.
    pub proof: Option<Proof>,
}

/// An inclusion proof.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The place in the tree.
    pub index: usize,
    /// How many leaves the tree has.
    pub size: usize,
    /// Its root.
    pub root: Hash,
    /// The path.
    pub hashes: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Option<String>,
}

impl Log {
    /// A log of the first generation, or a certificate log.
    pub fn v1(name: &str) -> Self {
        Self { generation: Generation::V1, name: name.to_owned(), key: SigningKey::seeded(name) }
    }

    /// A log of the second generation.
    pub fn v2(name: &str) -> Self {
        Self { generation: Generation::V2, name: name.to_owned(), key: SigningKey::seeded_ed25519(name) }
    }

    /// The id: the hash of the key (v1, RFC 6962), or the key id of its notes without the cut (v2, C2SP signed-note).
    pub fn id(&self) -> Hash {
        let spki = self.key.spki();
        match self.generation {
            Generation::V1 => Sha256::digest(spki).into(),
            Generation::V2 => {
                let key = &spki[spki.len() - 32..];
                Sha256::new().chain_update(&self.name).chain_update(b"\n\x01").chain_update(key).finalize().into()
            }
        }
    }

    /// The text of a checkpoint, not yet signed.
    pub fn checkpoint(&self, size: usize, root: &Hash) -> String {
        let origin = match self.generation {
            Generation::V1 => format!("{} - 2605736670972794746", self.name),
            Generation::V2 => self.name.clone(),
        };
        format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
    }

    /// The text with the line of this log's signature.
    pub fn sign_note(&self, text: &str) -> String {
        format!("{text}\n{}", self.note_signature(text))
    }

    /// The line of this log's signature, to be appended to a note that others have signed too.
    pub fn note_signature(&self, text: &str) -> String {
        let signature = [&self.id()[..4], &self.key.sign(text.as_bytes())].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(signature))
    }
}

impl Entry {
    /// An entry in the middle of a tree of eight, with all that its log gives.
    pub fn new(log: &Log, now: i64) -> Self {
        let first = log.generation == Generation::V1;
        Self {
            log: log.clone(),
            kind: None,
            about: None,
            integrated_time: now,
            shard_start: if first { 1000 } else { 0 },
            position: 5,
            others: (0_u8..7).map(|number| merkle::leaf(&[number])).collect(),
            promise: first,
            proof: true,
            checkpoint: true,
            promised_by: None,
            proven_by: None,
            edit_body: Edit::default(),
            edit_promise: Edit::default(),
            edit_checkpoint: Edit::default(),
            edit_note: Edit::default(),
        }
    }

    /// Records the signature beside which the entry lies, or what it is about instead.
    pub fn record(&self, beside: &Signed) -> Logged {
        let about = self.about.as_ref().map(|signing| signing.signed());
        let signed = about.as_ref().unwrap_or(beside);
        let kind = self.kind.unwrap_or_else(|| Kind::natural(self.log.generation, &signed.content));
        self.record_body(signed.body(kind))
    }

    /// Records any body.
    pub fn record_body(&self, mut body: Value) -> Logged {
        self.edit_body.apply(&mut body);
        let body = canonical(&body);
        let first = self.log.generation == Generation::V1;
        let mut logged = Logged {
            log_id: self.log.id(),
            index: self.shard_start + u64::try_from(self.position).unwrap(),
            integrated_time: first.then_some(self.integrated_time),
            promise: None,
            proof: self.proof.then(|| self.prove(&body)),
            body,
        };
        if self.promise {
            let mut payload = logged.payload();
            self.edit_promise.apply(&mut payload);
            let prover = self.promised_by.as_ref().unwrap_or(&self.log);
            logged.promise = Some(prover.key.sign(&canonical(&payload)));
        }
        logged
    }

    fn prove(&self, body: &[u8]) -> Proof {
        let mut leaves = self.others.clone();
        leaves.insert(self.position, merkle::leaf(body));
        let root = merkle::root(&leaves);
        let checkpoint = self.checkpoint.then(|| {
            let prover = self.proven_by.as_ref().unwrap_or(&self.log);
            let mut text = prover.checkpoint(leaves.len(), &root);
            self.edit_checkpoint.apply(&mut text);
            let mut note = prover.sign_note(&text);
            self.edit_note.apply(&mut note);
            note
        });
        Proof {
            index: self.position,
            size: leaves.len(),
            root,
            hashes: merkle::proof(self.position, &leaves),
            checkpoint,
        }
    }
}

impl Logged {
    /// The recorded document.
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// As it stands in a bundle's `tlogEntries` and in the answers of Rekor v2.
    pub fn bundle_entry(&self) -> Value {
        let document = self.document();
        let mut entry = json!({
            "logIndex": self.index.to_string(),
            "logId": {"keyId": STANDARD.encode(self.log_id)},
            "kindVersion": {"kind": document["kind"], "version": document["apiVersion"]},
            "canonicalizedBody": STANDARD.encode(&self.body),
        });
        if let Some(time) = self.integrated_time {
            entry["integratedTime"] = json!(time.to_string());
        }
        if let Some(promise) = &self.promise {
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": STANDARD.encode(promise)});
        }
        if let Some(proof) = &self.proof {
            let hashes: Vec<String> = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
            entry["inclusionProof"] = json!({
                "logIndex": proof.index.to_string(),
                "rootHash": STANDARD.encode(proof.root),
                "treeSize": proof.size.to_string(),
                "hashes": hashes,
            });
            if let Some(checkpoint) = &proof.checkpoint {
                entry["inclusionProof"]["checkpoint"] = json!({"envelope": checkpoint});
            }
        }
        entry
    }

    /// As it stands in the annotation `dev.sigstore.cosign/bundle`; only the promise has a place there.
    pub fn annotation(&self) -> Value {
        let promise = self.promise.as_ref().map(|promise| STANDARD.encode(promise));
        json!({"SignedEntryTimestamp": promise, "Payload": self.payload()})
    }

    /// As Rekor v1 answers.
    pub fn answer(&self) -> Value {
        let mut answer = self.payload();
        let promise = self.promise.as_ref().map(|promise| STANDARD.encode(promise));
        answer["verification"] = json!({"signedEntryTimestamp": promise});
        if let Some(proof) = &self.proof {
            answer["verification"]["inclusionProof"] = json!({
                "checkpoint": proof.checkpoint,
                "hashes": proof.hashes.iter().map(hex::encode).collect::<Vec<_>>(),
                "logIndex": proof.index,
                "rootHash": hex::encode(proof.root),
                "treeSize": proof.size,
            });
        }
        answer
    }

    /// What the signed entry timestamp is made over.
    fn payload(&self) -> Value {
        json!({
            "body": STANDARD.encode(&self.body),
            "integratedTime": self.integrated_time.unwrap_or_default(),
            "logID": hex::encode(self.log_id),
            "logIndex": self.index,
        })
    }
}

/// RFC 8785, for documents with ASCII names and whole numbers: the names are in order already.
fn canonical(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}
