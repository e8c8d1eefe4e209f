//! One thing that is stored: its parts, whatever its shape, and what can be changed in it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealgate::signatures::{Place, UntrustedContent};
use serde_json::{Value, json};

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
/// How much of the end of a timestamp is looked at: most of the signature of its authority.
const END: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Bundle,
    Message,
    Envelope,
}

/// A document with the annotations of its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    shape: Shape,
    document: Vec<u8>,
    annotations: BTreeMap<String, String>,
}

/// A part that every shape may have. Bytes are base64, certificates without PEM, entries as in a bundle.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Certificate,
    Chain,
    Entries,
    Promise,
    Proof,
    Checkpoint,
    Body,
    Time,
    Timestamps,
    Signature,
    Payload,
    MediaType,
}

const PARTS: [Part; 12] = [
    Part::Certificate,
    Part::Chain,
    Part::Entries,
    Part::Promise,
    Part::Proof,
    Part::Checkpoint,
    Part::Body,
    Part::Time,
    Part::Timestamps,
    Part::Signature,
    Part::Payload,
    Part::MediaType,
];

/// What proves who signed what, and when.
pub(super) struct Proofs {
    payload: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    /// What the log recorded, with its promise.
    promises: Vec<[Vec<u8>; 2]>,
    /// The same with what is signed of a checkpoint.
    checkpoints: Vec<[Vec<u8>; 2]>,
    timestamps: Vec<Vec<u8>>,
}

impl Proofs {
    /// Whether it has the payload, signature and certificate of one of these, and of any that has the same an entry and a time.
    pub(super) fn are_among(&self, good: &[&Self], log: bool, time: bool) -> bool {
        let is_same = |other: &&&Self| {
            other.payload == self.payload
                && other.signature == self.signature
                && (other.certificate.is_none() || other.certificate == self.certificate)
        };
        let same: Vec<&&Self> = good.iter().filter(is_same).collect();
        let has = |part: fn(&Self) -> &Vec<[Vec<u8>; 2]>| {
            part(self).iter().any(|mine| same.iter().any(|other| part(other).contains(mine)))
        };
        let is_promised = has(|it| &it.promises);
        let is_logged = is_promised || has(|it| &it.checkpoints);
        let is_in = |end: &[u8]| self.timestamps.iter().any(|mine| mine.windows(END).any(|part| part == end));
        let is_stamped = || {
            let mut stamps = same.iter().flat_map(|other| &other.timestamps);
            stamps.any(|stamp| is_in(&stamp[stamp.len().saturating_sub(END)..]))
        };
        !same.is_empty() && (!log || is_logged) && (!time || is_promised || is_stamped())
    }
}

impl Stored {
    /// As the generator of the material writes it.
    pub(super) fn read(item: &Value) -> Self {
        let shape = match item["shape"].as_str() {
            Some("bundle") => Shape::Bundle,
            Some("sig") => Shape::Message,
            _ => Shape::Envelope,
        };
        let annotations = serde_json::from_value(item["annotations"].clone()).unwrap_or_default();
        Self { shape, document: item["document"].as_str().expect("a text").as_bytes().to_vec(), annotations }
    }

    pub(super) fn place(&self) -> Place {
        match self.shape {
            Shape::Bundle => Place::ReferrersApi,
            Shape::Message => Place::LegacyTag,
            Shape::Envelope => Place::AttestationTag,
        }
    }

    pub(super) fn content(&self) -> UntrustedContent {
        let (document, annotations) = (self.document.clone(), self.annotations.clone());
        match self.shape {
            Shape::Bundle => UntrustedContent::Bundle(document),
            Shape::Message => UntrustedContent::SimpleSigning { payload: document, annotations },
            Shape::Envelope => UntrustedContent::Envelope { envelope: document, annotations },
        }
    }

    /// What proves what, as far as it can be read.
    pub(super) fn proofs(&self) -> Proofs {
        let bytes = |part| self.part(part).as_ref().and_then(bytes);
        let entries = self.part(Part::Entries).and_then(|it| it.as_array().cloned()).unwrap_or_default();
        let of = |entry: &Value, place: &str| entry.pointer(place).and_then(self::bytes);
        let promised = |entry: &Value| {
            Some([of(entry, "/canonicalizedBody")?, of(entry, "/inclusionPromise/signedEntryTimestamp")?])
        };
        let proven = |entry: &Value| {
            let note = entry.pointer("/inclusionProof/checkpoint/envelope")?.as_str()?;
            Some([of(entry, "/canonicalizedBody")?, note.split_once("\n\n")?.0.as_bytes().to_vec()])
        };
        let timestamps = self.part(Part::Timestamps).and_then(|it| it.as_array().cloned()).unwrap_or_default();
        Proofs {
            payload: bytes(Part::Payload),
            signature: bytes(Part::Signature),
            certificate: bytes(Part::Certificate),
            promises: entries.iter().filter_map(promised).collect(),
            checkpoints: entries.iter().filter_map(proven).collect(),
            timestamps: timestamps.iter().filter_map(self::bytes).collect(),
        }
    }

    /// One change: what, and two numbers that say where.
    pub(super) fn change(&mut self, what: u8, first: u8, second: u8, donor: &Self) {
        let (part, more) = (PARTS[usize::from(first) % PARTS.len()], usize::from(what / 8));
        match what % 8 {
            0 => self.set(part, donor.part(part)),
            1 => self.set(part, None),
            2 => self.edit_part(part, second, more),
            3 => self.shape = donor.shape,
            4 => self.edit_annotation(first, donor),
            5 => self.edit(more, first, second, |bytes, at| bytes[at] ^= 1 << (second % 7)),
            6 => self.edit(more, first, second, |bytes, at| drop(bytes.drain(at..bytes.len().min(at + 1 + more)))),
            _ => self.edit(more, first, second, |bytes, at| {
                let copied = bytes[at..bytes.len().min(at + 4 + more * more)].to_vec();
                bytes.splice(at..at, copied);
            }),
        }
    }

    /// Flips a bit in a part that is base64, or changes a text.
    fn edit_part(&mut self, part: Part, second: u8, more: usize) {
        let Some(value) = self.part(part) else { return };
        let flip = |value: &Value| {
            let Some(text) = value.as_str() else { return value.clone() };
            let mut decoded = STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
            let is_base64 = STANDARD.decode(text).is_ok();
            if let Some(at) = (usize::from(second) * 32 + more).checked_rem(decoded.len()) {
                decoded[at] ^= 1 << (second % 7);
            }
            let text = if is_base64 { STANDARD.encode(decoded) } else { String::from_utf8_lossy(&decoded).into() };
            text.into()
        };
        let changed = match &value {
            Value::Array(items) => items.iter().map(flip).collect(),
            value => flip(value),
        };
        self.set(part, Some(changed));
    }

    /// An annotation of another layer, or none.
    fn edit_annotation(&mut self, number: u8, donor: &Self) {
        let names = [SIGNATURE, CERTIFICATE, CHAIN, BUNDLE, TIMESTAMP, "predicateType"];
        let name = names[usize::from(number) % names.len()].to_owned();
        match donor.annotations.get(&name) {
            Some(text) => drop(self.annotations.insert(name, text.clone())),
            None => drop(self.annotations.remove(&name)),
        }
    }

    /// Changes bytes of the document or, for odd numbers, of an annotation.
    fn edit(&mut self, number: usize, first: u8, second: u8, change: impl Fn(&mut Vec<u8>, usize)) {
        let at = usize::from(first) << 8 | usize::from(second);
        let with = |bytes: &mut Vec<u8>| {
            if let Some(at) = at.checked_rem(bytes.len()) {
                change(bytes, at);
            }
        };
        let count = self.annotations.len();
        let annotation = (number / 2).checked_rem(count).and_then(|at| self.annotations.values_mut().nth(at));
        match annotation {
            Some(text) if number % 2 == 1 => {
                let mut bytes = std::mem::take(text).into_bytes();
                with(&mut bytes);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            _ => with(&mut self.document),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.document).unwrap_or_default()
    }

    /// A part of a part is one of the first entry.
    fn inside(part: Part) -> Option<&'static str> {
        match part {
            Part::Promise => Some("/inclusionPromise"),
            Part::Proof => Some("/inclusionProof"),
            Part::Checkpoint => Some("/inclusionProof/checkpoint"),
            Part::Body => Some("/canonicalizedBody"),
            Part::Time => Some("/integratedTime"),
            _ => None,
        }
    }

    fn part(&self, part: Part) -> Option<Value> {
        if let Some(place) = Self::inside(part) {
            return self.part(Part::Entries)?.get(0)?.pointer(place).cloned();
        }
        match (self.shape, part) {
            (Shape::Bundle, part) => bundle_part(&self.json(), part),
            (_, Part::Certificate) => pem(self.annotations.get(CERTIFICATE)?).into_iter().next(),
            (_, Part::Chain) => Some(pem(self.annotations.get(CHAIN)?).into()),
            (_, Part::Entries) => Some(json!([entry(self.annotations.get(BUNDLE)?)?])),
            (_, Part::Timestamps) => {
                let stamp: Value = serde_json::from_str(self.annotations.get(TIMESTAMP)?).ok()?;
                Some(json!([stamp["SignedRFC3161Timestamp"]]))
            }
            (Shape::Message, Part::Signature) => Some(self.annotations.get(SIGNATURE)?.clone().into()),
            (Shape::Message, Part::Payload) => Some(STANDARD.encode(&self.document).into()),
            (_, Part::Signature) => self.json().pointer("/signatures/0/sig").cloned(),
            (_, Part::Payload) => self.json().get("payload").cloned(),
            (_, _) => None,
        }
    }

    fn set(&mut self, part: Part, value: Option<Value>) {
        if let Some(place) = Self::inside(part) {
            let Some(mut entries) = self.part(Part::Entries) else { return };
            if let Some(entry) = entries.get_mut(0) {
                put(entry, place, value);
            }
            return self.set(Part::Entries, Some(entries));
        }
        if self.shape == Shape::Bundle {
            let mut document = self.json();
            if document.is_object() {
                set_bundle_part(&mut document, part, value);
                self.document = document.to_string().into_bytes();
            }
            return;
        }
        let pem_of = |value: &Value| match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(armored).collect(),
            value => value.as_str().map(armored).unwrap_or_default(),
        };
        match part {
            Part::Certificate => self.annotate(CERTIFICATE, value.as_ref().map(pem_of)),
            Part::Chain => self.annotate(CHAIN, value.as_ref().map(pem_of)),
            Part::Entries => self.annotate(BUNDLE, value.and_then(|it| Some(annotation(it.get(0)?)))),
            Part::Timestamps => self.annotate(
                TIMESTAMP,
                value.and_then(|it| Some(json!({"SignedRFC3161Timestamp": it.get(0)?}).to_string())),
            ),
            Part::Signature if self.shape == Shape::Message => {
                self.annotate(SIGNATURE, value.and_then(|it| it.as_str().map(str::to_owned)));
            }
            Part::Payload if self.shape == Shape::Message => {
                self.document = value.as_ref().and_then(bytes).unwrap_or_default();
            }
            Part::Signature | Part::Payload => {
                let mut document = self.json();
                let place = if matches!(part, Part::Payload) { "/payload" } else { "/signatures/0/sig" };
                put(&mut document, place, value);
                self.document = document.to_string().into_bytes();
            }
            _ => {}
        }
    }

    fn annotate(&mut self, name: &str, text: Option<String>) {
        match text {
            Some(text) => drop(self.annotations.insert(name.to_owned(), text)),
            None => drop(self.annotations.remove(name)),
        }
    }
}

const OF_BUNDLES: [(&str, &str); 2] = [
    ("/dsseEnvelope/signatures/0/sig", "/dsseEnvelope/payload"),
    ("/messageSignature/signature", "/messageSignature/messageDigest/digest"),
];

fn bundle_part(bundle: &Value, part: Part) -> Option<Value> {
    let material = bundle.get("verificationMaterial")?;
    let chain = || material.pointer("/x509CertificateChain/certificates")?.as_array();
    let raw = |certificate: &Value| certificate.get("rawBytes").cloned();
    match part {
        Part::Certificate => material.get("certificate").or_else(|| chain()?.first()).and_then(raw),
        Part::Chain => Some(chain()?.iter().skip(1).filter_map(raw).collect()),
        Part::Entries => material.get("tlogEntries").cloned(),
        Part::Timestamps => {
            let stamps = material.pointer("/timestampVerificationData/rfc3161Timestamps")?.as_array()?;
            Some(stamps.iter().filter_map(|stamp| stamp.get("signedTimestamp").cloned()).collect())
        }
        Part::Signature => OF_BUNDLES.iter().find_map(|(place, _)| bundle.pointer(place).cloned()),
        Part::Payload => OF_BUNDLES.iter().find_map(|(_, place)| bundle.pointer(place).cloned()),
        _ => bundle.get("mediaType").cloned(),
    }
}

fn set_bundle_part(bundle: &mut Value, part: Part, value: Option<Value>) {
    let is_chain = bundle.pointer("/verificationMaterial/x509CertificateChain").is_some();
    let raw = |value: &Value| json!({"rawBytes": value});
    let chain = |leaf: Option<Value>, above: Option<Value>| {
        let above = above.and_then(|it| it.as_array().cloned()).unwrap_or_default();
        let certificates: Vec<Value> = leaf.iter().chain(&above).map(raw).collect();
        Some(json!(certificates))
    };
    let certificates = "/verificationMaterial/x509CertificateChain/certificates";
    match part {
        Part::Certificate if is_chain => {
            let above = bundle_part(bundle, Part::Chain);
            put(bundle, certificates, chain(value, above));
        }
        Part::Chain if is_chain => {
            let leaf = bundle_part(bundle, Part::Certificate);
            put(bundle, certificates, chain(leaf, value));
        }
        Part::Certificate => put(bundle, "/verificationMaterial/certificate", value.as_ref().map(raw)),
        Part::Entries => put(bundle, "/verificationMaterial/tlogEntries", value),
        Part::Timestamps => {
            let stamps = value.as_ref().and_then(Value::as_array).map(|stamps| {
                let stamps: Vec<Value> = stamps.iter().map(|stamp| json!({"signedTimestamp": stamp})).collect();
                json!({"rfc3161Timestamps": stamps})
            });
            put(bundle, "/verificationMaterial/timestampVerificationData", stamps);
        }
        Part::Signature | Part::Payload => {
            let is_envelope = usize::from(bundle.get("messageSignature").is_some());
            let (signature, payload) = OF_BUNDLES[is_envelope];
            put(bundle, if matches!(part, Part::Signature) { signature } else { payload }, value);
        }
        Part::MediaType => put(bundle, "/mediaType", value),
        _ => {}
    }
}

/// Sets or removes a member of an object, or sets what is in a list; where its parent is.
fn put(document: &mut Value, place: &str, value: Option<Value>) {
    let Some((parent, name)) = place.rsplit_once('/') else { return };
    match (document.pointer_mut(parent), value) {
        (Some(Value::Object(members)), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Some(Value::Object(members)), None) => drop(members.remove(name)),
        _ => {}
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

fn pem(text: &str) -> Vec<Value> {
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let base64 = |block: &str| {
        let body = block.split("-----END").next().unwrap_or_default();
        Value::from(body.chars().filter(|c| !c.is_whitespace()).collect::<String>())
    };
    blocks.map(base64).collect()
}

fn armored(base64: &str) -> String {
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The entry of an annotation, as in a bundle.
fn entry(annotation: &str) -> Option<Value> {
    let annotation: Value = serde_json::from_str(annotation).ok()?;
    let logged = annotation.get("Payload")?;
    let id = logged.get("logID")?.as_str()?;
    let byte = |at: usize| u8::from_str_radix(id.get(at..at + 2)?, 16).ok();
    let id: Vec<u8> = (0..id.len()).step_by(2).filter_map(byte).collect();
    let body: Value = serde_json::from_slice(&bytes(logged.get("body")?)?).unwrap_or_default();
    Some(json!({
        "logIndex": logged["logIndex"].to_string(), "logId": {"keyId": STANDARD.encode(id)},
        "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
        "integratedTime": logged["integratedTime"].to_string(),
        "inclusionPromise": {"signedEntryTimestamp": annotation["SignedEntryTimestamp"]},
        "canonicalizedBody": logged["body"],
    }))
}

/// The other way round.
fn annotation(entry: &Value) -> String {
    let number = |name: &str| entry[name].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let id = entry.pointer("/logId/keyId").and_then(bytes).unwrap_or_default();
    let id: Vec<String> = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let promise = entry.pointer("/inclusionPromise/signedEntryTimestamp");
    let payload = json!({
        "body": entry["canonicalizedBody"], "integratedTime": number("integratedTime"),
        "logIndex": number("logIndex"), "logID": id.concat(),
    });
    json!({"SignedEntryTimestamp": promise, "Payload": payload}).to_string()
}
