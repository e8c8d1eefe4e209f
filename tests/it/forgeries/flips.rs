//! Every byte of a signature, of what it is about and of all that lies beside it, with one bit flipped: as it is stored, and
//! inside of what is stored as base64. Whatever is accepted lies in a place that was looked at ([`IRRELEVANT`]), and changes
//! nothing of who signed what.
//!
//! With `SEALGATE_EVERY_BIT` set, every bit of every byte, which takes a quarter of an hour (`make flips`). Without, one bit of each
//! byte, another one from byte to byte; of what is base64 every fourth byte, and every sixteenth as it is stored.

mod places;

use std::collections::BTreeSet;
use std::ops::Range;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealgate::signatures::UntrustedContent;

use self::places::{leaves, place};
use super::*;
use crate::support::signer::{CERTIFICATE, payload};
use crate::support::sigstore::Kind;

/// Where a flip may be accepted, and why it does not matter. A place is the annotation, the path in the JSON there, or the path in
/// the DER there, with what lies deeper. Each is met by some form when every bit is flipped.
const IRRELEVANT: [(&str, &str); 22] = [
    // Names of what may be left out. What is left must prove everything alone, as if it had never been there.
    (
        "name of /verificationMaterial/timestampVerificationData",
        "without timestamps the promise of the log tells the time",
    ),
    ("name of /verificationMaterial/tlogEntries/0/inclusionPromise", "without promise the timestamp tells the time"),
    ("name of /verificationMaterial/tlogEntries/0/inclusionProof", "beside a key a promise is enough"),
    ("name of dev.sigstore.cosign/rfc3161timestamp", "without timestamps the promise of the log tells the time"),
    (
        "name of /verificationMaterial/timestampVerificationData/rfc3161Timestamps",
        "without timestamps the promise of the log tells the time",
    ),
    // Names and values of what is not believed anyway.
    ("name of /verificationMaterial/publicKey/hint", "the key is the policy's"),
    ("/verificationMaterial/publicKey/hint", "the key is the policy's; the hint explains a refusal"),
    ("name of dev.sigstore.cosign/chain", "it is empty"),
    ("name of dev.cosignproject.cosign/signature", "it is empty beside an envelope"),
    ("name of predicateType", "the type is the one in the statement"),
    ("predicateType", "the type is the one in the statement"),
    // Spellings.
    ("/messageSignature/messageDigest/algorithm", "names of hashes are read in any case"),
    ("dev.sigstore.cosign/certificate end", "blanks after the PEM"),
    // Rekor v2 signs these in its checkpoint; the bundle only repeats them.
    ("v2 name of /verificationMaterial/tlogEntries/0/inclusionProof/logIndex", "the entry says it"),
    ("v2 /verificationMaterial/tlogEntries/0/inclusionProof/logIndex", "the entry says it"),
    ("v2 /verificationMaterial/tlogEntries/0/inclusionProof/rootHash", "the checkpoint says it"),
    ("v2 /verificationMaterial/tlogEntries/0/inclusionProof/treeSize", "the checkpoint says it"),
    // A timestamp (RFC 3161, RFC 5652): what the authority has not signed, and nobody reads.
    ("timestamp 0.0.0", "granted, or granted with modifications"),
    ("timestamp 0.1.1.0.0", "the version of the record"),
    ("timestamp 0.1.1.0.1", "the list of hashes that signers use; each signer says its own"),
    ("timestamp 0.1.1.0.3", "certificates that the token brings; the authority's is the trusted root's"),
    ("timestamp 0.1.1.0.4.0.0", "the version of the signer's record"),
];

/// A signature as it is stored, and how it is asked about.
struct Form {
    name: &'static str,
    candidate: Candidate,
    keyless: bool,
}

/// A part of what is stored.
#[derive(Clone, Debug)]
enum Part {
    /// The bundle, the payload or the envelope.
    Blob,
    /// The name of an annotation.
    Name(String),
    /// Its value.
    Value(String),
}

/// A part with its bytes.
struct Stored<'a> {
    form: &'a Form,
    part: Part,
    bytes: Vec<u8>,
}

/// One flip of a stored byte, or of a byte that is stored as base64 in a range.
struct Flip<'a> {
    stored: &'a Stored<'a>,
    leaf: Option<Range<usize>>,
    at: usize,
    mask: u8,
}

fn forms() -> [Form; 5] {
    // Few claims make a small certificate.
    let identity = Identity { claims: [(8, Identity::github().issuer)].into(), ..Identity::github() };
    let keyless = |content| sigstore().keyless(&identity, content);
    let message = keyless(Content::Message(MANIFEST.to_vec()));
    let attested = keyless(content()).with(|it| it.entries = vec![sigstore().entry_v2()]);
    let by_key = good_key().with(|it| it.timestamps.push(sigstore().timestamp()));
    let layer = keyless(Content::simple_signing(&payload(&digest())));
    let early = good_key().with(|it| it.entry().kind = Some(Kind::EarlyIntoto));
    let form = |name, keyless, candidate| Form { name, candidate, keyless };
    [
        form("bundle over the manifest, keyless, Rekor v1", true, message.bundle_candidate()),
        form("bundle, keyless, Rekor v2", true, attested.bundle_candidate()),
        form("bundle, key, Rekor v1", false, by_key.bundle_candidate()),
        form(".sig layer, keyless", true, layer.layer_candidate()),
        form(".att layer, key, early entry", false, early.layer_candidate()),
    ]
}

impl Form {
    fn parts(&self) -> Vec<Stored<'_>> {
        let stored = |part, bytes: &[u8]| Stored { form: self, part, bytes: bytes.to_vec() };
        let (blob, annotations) = match &self.candidate.content {
            UntrustedContent::Bundle(blob) => return vec![stored(Part::Blob, blob)],
            UntrustedContent::SimpleSigning { payload: blob, annotations }
            | UntrustedContent::Envelope { envelope: blob, annotations } => (blob, annotations),
        };
        let mut parts = vec![stored(Part::Blob, blob)];
        for (name, value) in annotations {
            parts.push(stored(Part::Name(name.clone()), name.as_bytes()));
            parts.push(stored(Part::Value(name.clone()), value.as_bytes()));
        }
        parts
    }

    /// The same with another part; nothing where that is no text and must be.
    fn with(&self, part: &Part, bytes: Vec<u8>) -> Option<Candidate> {
        let mut changed = self.candidate.clone();
        let (blob, annotations) = match &mut changed.content {
            UntrustedContent::Bundle(blob) => (blob, None),
            UntrustedContent::SimpleSigning { payload: blob, annotations }
            | UntrustedContent::Envelope { envelope: blob, annotations } => (blob, Some(annotations)),
        };
        match (part, annotations) {
            (Part::Name(name), Some(annotations)) => {
                let value = annotations.remove(name)?;
                annotations.insert(String::from_utf8(bytes).ok()?, value);
            }
            (Part::Value(name), Some(annotations)) => {
                annotations.insert(name.clone(), String::from_utf8(bytes).ok()?);
            }
            _ => *blob = bytes,
        }
        Some(changed)
    }

    fn ask(&self, question: &Question, candidate: &Candidate) -> Answer {
        if self.keyless { question.keyless(candidate) } else { question.by_key(candidate) }
    }
}

impl Stored<'_> {
    fn flips(&self) -> Vec<Flip<'_>> {
        let leaves = leaves(&self.bytes);
        let mut flips = Vec::new();
        for at in 0..self.bytes.len() {
            let stride = if leaves.iter().any(|leaf| leaf.contains(&at)) { 16 } else { 1 };
            flips.extend(masks(at, stride).map(|mask| Flip { stored: self, leaf: None, at, mask }));
        }
        for leaf in leaves {
            let length = STANDARD.decode(&self.bytes[leaf.clone()]).unwrap().len();
            for at in 0..length {
                flips.extend(masks(at, 4).map(|mask| Flip { stored: self, leaf: Some(leaf.clone()), at, mask }));
            }
        }
        flips
    }
}

fn every_bit() -> bool {
    std::env::var_os("SEALGATE_EVERY_BIT").is_some()
}

/// The bits of a byte that are flipped one after the other, where one byte of so many is enough.
fn masks(at: usize, stride: usize) -> impl Iterator<Item = u8> {
    let (every, one) = (every_bit(), at.is_multiple_of(stride));
    (0..8).filter(move |bit| every || one && *bit == (at / stride * 5) % 8).map(|bit| 1 << bit)
}

impl Flip<'_> {
    /// Where in the part it is.
    fn offset(&self) -> usize {
        self.leaf.as_ref().map_or(self.at, |leaf| leaf.start + self.at * 4 / 3)
    }

    /// The part after it.
    fn flipped(&self) -> Vec<u8> {
        let mut bytes = self.stored.bytes.clone();
        let Some(leaf) = self.leaf.clone() else {
            bytes[self.at] ^= self.mask;
            return bytes;
        };
        let mut inside = STANDARD.decode(&bytes[leaf.clone()]).unwrap();
        inside[self.at] ^= self.mask;
        bytes.splice(leaf, STANDARD.encode(inside).into_bytes());
        bytes
    }

    /// Where it is, as [`IRRELEVANT`] has it.
    fn place(&self) -> String {
        let Stored { form, part, bytes } = self.stored;
        let place = place(bytes, self.offset(), &self.flipped());
        match part {
            Part::Name(name) => return format!("name of {name}"),
            Part::Value(name) if name == CERTIFICATE && self.offset() + 1 == bytes.len() => {
                return format!("{name} end");
            }
            _ => {}
        }
        match (part, place.split_once("Timestamp ").or_else(|| place.split_once("/signedTimestamp "))) {
            (_, Some((_, inside))) => format!("timestamp {inside}"),
            (Part::Value(name), None) => format!("{name} {place}").trim_end().to_owned(),
            (_, None) if form.name.ends_with("v2") && place.contains("/inclusionProof/") => format!("v2 {place}"),
            (_, None) => place,
        }
    }

    /// Whether it is accepted. What is verified then differs in nothing that counts.
    fn is_accepted(&self, question: &Question) -> bool {
        let Stored { form, part, .. } = self.stored;
        let Some(candidate) = form.with(part, self.flipped()) else { return false };
        let Ok(verified) = form.ask(question, &candidate) else { return false };
        let good = form.ask(question, &form.candidate).unwrap();
        assert_eq!((verified.signer(), verified.statement()), (good.signer(), good.statement()));
        // Without its promise an entry has no index that is proven.
        let (told, right) = (&verified.proof().log_entries, &good.proof().log_entries);
        assert_eq!(told.len(), right.len());
        for (told, right) in told.iter().zip(right) {
            assert!(told == right || right.starts_with(&format!("{told} index ")), "{told} is not {right}");
        }
        assert!(verified.proof().times.iter().all(|time| good.proof().times.contains(time)));
        true
    }
}

/// The two texts around the flip.
impl std::fmt::Display for Flip<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let from = self.offset().saturating_sub(20);
        let around = |bytes: &[u8]| String::from_utf8_lossy(&bytes[from..bytes.len().min(from + 40)]).into_owned();
        let Stored { form, bytes, .. } = self.stored;
        write!(f, "{}, {}: {} -> {}", form.name, self.place(), around(bytes), around(&self.flipped()))
    }
}

#[test]
fn cry_36_no_bit_of_a_signature_can_be_flipped() {
    let question = Question::new();
    let forms = forms();
    for form in &forms {
        allowed(&form.ask(&question, &form.candidate));
    }
    let stored: Vec<Stored<'_>> = forms.iter().flat_map(Form::parts).collect();
    let flips: Vec<Flip<'_>> = stored.iter().flat_map(Stored::flips).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let accepted: Vec<&Flip<'_>> = thread::scope(|scope| {
        let (flips, question) = (&flips, &question);
        let run = move |thread| flips.iter().skip(thread).step_by(threads).filter(|flip| flip.is_accepted(question));
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread).collect::<Vec<_>>())).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("{} flips, {} accepted", flips.len(), accepted.len());
    let lies_in = |place: &str, outer: &str| {
        place.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || (rest.starts_with('.') && outer.contains(' ')))
    };
    let known = |place: &str| IRRELEVANT.iter().position(|(irrelevant, _)| lies_in(place, irrelevant));
    let met: Vec<Option<usize>> = accepted.iter().map(|flip| known(&flip.place())).collect();
    let unknown: BTreeSet<String> =
        accepted.iter().zip(&met).filter(|(_, met)| met.is_none()).map(|(flip, _)| flip.to_string()).collect();
    assert!(unknown.is_empty(), "accepted:\n{}", Vec::from_iter(unknown).join("\n"));
    let is_met = |place: &str| met.contains(&known(place));
    let stale: Vec<&str> = IRRELEVANT.iter().map(|(place, _)| *place).filter(|place| !is_met(place)).collect();
    assert!(!every_bit() || stale.is_empty(), "nothing is accepted any more in:\n{}", stale.join("\n"));
}

#[test]
fn cry_36_no_bit_of_the_manifest_can_be_flipped() {
    let question = Question::new();
    for form in forms() {
        let about = |manifest: &[u8]| {
            let image = ImageReference::parse("registry.example/app").unwrap().pin(manifest);
            question.ask_about(&image, &form.candidate, form.keyless)
        };
        allowed(&about(MANIFEST));
        for (at, mask) in (0..MANIFEST.len()).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit))) {
            let mut flipped = MANIFEST.to_vec();
            flipped[at] ^= mask;
            denied(&about(&flipped), "DIGEST_MISMATCH", Class::BadSignature);
        }
    }
}
