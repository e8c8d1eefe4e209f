//! What the targets are made with, and most of their seeds: from the generator, committed under `fuzz`.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealgate::domain::Digest;
use serde_json::{Value, json};

use super::{MANIFEST, folder, pool};
use crate::support::signer::{SigningKey, payload, statement};
use crate::support::sigstore::signing::{BUNDLE, CHAIN, TIMESTAMP};
use crate::support::sigstore::x509::email;
use crate::support::sigstore::{Content, Identity, NOW, Pki, Signing, Sigstore};
use crate::support::tuf::TufRepository;

/// Path below `fuzz`, and content.
fn generated() -> BTreeMap<String, Vec<u8>> {
    let (sigstore, own) = (Sigstore::new("a"), Pki::new("own", NOW));
    let (image, identity) = (Digest::of(MANIFEST), Identity::github());
    let said = Content::statement(&statement(&image));
    let root = sigstore.trusted_root().json();
    let keyless = sigstore.keyless(&identity, said.clone());
    let keyless_v2 = sigstore.keyless_v2(&identity, said.clone());
    let by_own = own.signing(email("dev@acme.test"), said.clone());
    let legacy = sigstore.keyless(&identity, Content::simple_signing(&payload(&image)));
    let key = SigningKey::seeded("a key");
    let by_key = Signing::by_key(&key, said);
    let message = sigstore.keyless(&identity, Content::Message(MANIFEST.to_vec()));

    let mut files = BTreeMap::new();
    let mut put = |path: &str, content: Vec<u8>| drop(files.insert(path.to_owned(), content));
    put("material/trusted_root.json", bytes(&root));
    put("material/own.pem", own.chain_pem().into_bytes());
    put("material/key.pem", key.pem().into_bytes());
    put("material/bundle.json", bytes(&keyless.bundle()));
    put("material/bundle-v2.json", bytes(&keyless_v2.bundle()));
    put("material/own.json", bytes(&by_own.bundle()));
    put("material/payload.json", legacy.layer().payload);

    let mut tuf = TufRepository::new(&root.to_string());
    tuf.rotate(|_| {});
    let published = tuf.publish();
    for name in ["1.root.json", "2.root.json", "timestamp.json", "1.snapshot.json"] {
        put(&format!("material/tuf/{name}"), published[name].clone());
    }
    for name in ["1.root.json", "2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"] {
        put(&format!("seeds/tuf/{name}"), published[name].clone());
    }

    let bundles = [
        ("keyless", &keyless),
        ("keyless-v2", &keyless_v2),
        ("own", &by_own),
        ("manifest", &message),
        ("v02", &keyless.with(|it| it.version = crate::support::sigstore::Version::V02)),
    ];
    for (name, signing) in bundles {
        put(&format!("seeds/bundle/{name}"), bytes(&signing.bundle()));
    }
    let layers = [
        ("keyless", legacy.clone()),
        ("promise", legacy.with(|it| it.timestamps.clear())),
        ("key", Signing::by_key(&key, legacy.content)),
        ("envelope", by_own.with(|it| it.timestamps.push(sigstore.timestamp()))),
    ];
    for (name, signing) in layers {
        put(&format!("seeds/annotations/{name}"), parts(&signing));
    }
    for (name, signing) in [("key", &by_key), ("keyless", &keyless), ("own", &by_own)] {
        put(&format!("seeds/dsse/{name}"), bytes(&signing.bundle()["dsseEnvelope"]));
    }
    for (name, signing) in [("github", &keyless), ("own", &by_own)] {
        put(&format!("seeds/certificate/{name}"), decoded(signing, "/verificationMaterial/certificate/rawBytes"));
    }
    let gitlab = sigstore.keyless(&Identity::gitlab(), keyless.content.clone());
    put("seeds/certificate/gitlab", decoded(&gitlab, "/verificationMaterial/certificate/rawBytes"));
    put("seeds/certificate/roots", own.chain_pem().into_bytes());
    let checkpoint = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    for (name, signing) in [("rekor", &keyless), ("rekor-v2", &keyless_v2), ("manifest", &message)] {
        let note = signing.bundle().pointer(checkpoint).unwrap().as_str().unwrap().to_owned();
        put(&format!("seeds/checkpoint/{name}"), note.into_bytes());
    }
    let stamp = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
    let bare = keyless.with(|it| it.timestamp().certificates.clear());
    for (name, signing) in [("keyless", &keyless), ("keyless-v2", &keyless_v2), ("bare", &bare)] {
        put(&format!("seeds/timestamp/{name}"), decoded(signing, stamp));
    }

    put("seeds/statement/image", bytes(&statement(&image)));
    let provenance = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "ghcr.io/org/app", "digest": {"sha256": image.hex(), "sha512": "00"}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "https://github.com/actions/runner"}}, "count": 1.5e3},
    });
    put("seeds/statement/provenance", bytes(&provenance));
    let other = json!({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": {"sha256": Digest::of(b"").hex()}}], "predicateType": "x", "predicate": {}});
    put("seeds/statement/other", bytes(&other));

    put("seeds/trusted_root/instance", bytes(&root));
    put("seeds/trusted_root/github", bytes(&sigstore.github_trusted_root().json()));
    put("seeds/trusted_root/logs", bytes(&sigstore.trusted_root().with(|it| it.timestamp_authorities.clear()).json()));

    let layer = |kind: &str, annotations: Value| json!({"mediaType": kind, "digest": image.to_string(), "size": 17, "annotations": annotations});
    let bundle_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let manifest = |layer: Value| json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": bundle_type, "config": layer, "layers": [layer], "subject": layer});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        layer("application/vnd.oci.image.manifest.v1+json", json!({"dev.sigstore.bundle.predicateType": "x"})),
    ]});
    let simple = "application/vnd.dev.cosign.simplesigning.v1+json";
    put("seeds/manifest/bundle", [b"\0", &bytes(&manifest(layer(bundle_type, json!({}))))[..]].concat());
    let signed = json!({"dev.cosignproject.cosign/signature": "AA=="});
    put("seeds/manifest/layer", [b"\0", &bytes(&manifest(layer(simple, signed)))[..]].concat());
    put("seeds/manifest/index", [b"\x01", &bytes(&index)[..]].concat());
    files.extend(programs());
    files
}

/// The same of the targets that read programs.
fn programs() -> Vec<(String, Vec<u8>)> {
    let (evidence, path) = (pool::evidence(), pool::path());
    let mut files = Vec::new();
    files.extend(pool::programs(&evidence).map(|(name, program)| (format!("seeds/evidence/{name}"), program)));
    files.extend(pool::paths(&path).map(|(name, program)| (format!("seeds/path/{name}"), program)));
    files.extend(
        [("evidence", &evidence), ("path", &path)].map(|(name, pool)| (format!("material/{name}.json"), bytes(pool))),
    );
    files
}

fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

fn decoded(signing: &Signing, place: &str) -> Vec<u8> {
    STANDARD.decode(signing.bundle().pointer(place).unwrap().as_str().unwrap()).unwrap()
}

/// A layer as the target `annotations` reads it.
fn parts(signing: &Signing) -> Vec<u8> {
    let layer = signing.layer();
    let names = [crate::support::signer::SIGNATURE, crate::support::signer::CERTIFICATE, CHAIN, BUNDLE, TIMESTAMP];
    let annotation = |name: &str| layer.annotations.get(name).cloned().unwrap_or_default().into_bytes();
    [vec![layer.payload.clone()], names.map(annotation).to_vec()].concat().join(&0)
}

/// `SEALGATE_WRITE_FUZZ=1 cargo test --test it fuzz::` writes them.
#[test]
fn the_material_is_what_the_generator_makes() {
    for (path, content) in generated() {
        let path = folder(&path);
        if std::env::var_os("SEALGATE_WRITE_FUZZ").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
        }
        assert_eq!(fs::read(&path).ok().as_ref(), Some(&content), "{}", path.display());
    }
}
