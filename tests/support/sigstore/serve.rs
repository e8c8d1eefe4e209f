//! The instance on loopback, for real cosign: Fulcio, Rekor of both generations and the timestamp authority, by the wall clock.
//!
//! Tokens are believed whoever signed them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, process};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use x509_cert::der::{Decode, DecodePem, Document, Encode};
use x509_cert::request::CertReq;
use x509_tsp::{MessageImprint, TimeStampReq};

use super::Sigstore;
use super::identity::{Identity, read_token};
use super::log::{Entry, Log, Logged};
use super::merkle::{self, Hash};
use super::timestamp::Timestamp;
use super::trust::rfc3339;
use super::x509::certificate_pem;
use crate::support::registry::{Background, in_background};

/// An instance that is served until it is dropped, with the files that cosign wants.
pub struct Service {
    /// The instance.
    pub sigstore: Sigstore,
    /// Where it listens: `http://127.0.0.1:<port>`.
    pub url: String,
    folder: PathBuf,
    _background: Background,
}

impl Sigstore {
    /// Serves the instance of this name, set up now.
    pub fn serve(name: &str) -> Service {
        let sigstore = Self::at(name, wall_clock());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            trees: [Tree::new(&sigstore.rekor), Tree::new(&sigstore.rekor_v2)].map(Mutex::new),
            sigstore: sigstore.clone(),
        });
        let background = in_background(move || async move {
            axum::serve(TcpListener::from_std(listener).unwrap(), router(shared)).await.unwrap();
        });
        let folder = env::temp_dir().join(format!("sealgate-sigstore-{name}-{}-{}", process::id(), address.port()));
        let service = Service { sigstore, url: format!("http://{address}"), folder, _background: background };
        service.write_files();
        service
    }
}

impl Service {
    /// `trusted_root.json`
    pub fn trusted_root(&self) -> PathBuf {
        self.file("trusted_root.json")
    }

    /// The signing config for bundles with an entry of Rekor v1 and a timestamp.
    pub fn signing_config(&self) -> PathBuf {
        self.file("signing_config.json")
    }

    /// The signing config for bundles with an entry of Rekor v2 and a timestamp.
    pub fn signing_config_v2(&self) -> PathBuf {
        self.file("signing_config_v2.json")
    }

    /// The signing config without any service.
    pub fn no_services(&self) -> PathBuf {
        self.file("no_services.json")
    }

    /// The environment in which cosign trusts this instance for layers, and reaches nothing but loopback.
    pub fn environment(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", self.file("ctlog.pem")),
            ("SIGSTORE_ROOT_FILE", self.file("fulcio.pem")),
            ("SIGSTORE_REKOR_PUBLIC_KEY", self.file("rekor.pem")),
            ("SIGSTORE_TSA_CERTIFICATE_FILE", self.file("tsa.pem")),
        ]
    }

    /// The `--fulcio-url`.
    pub fn fulcio_url(&self) -> String {
        format!("{}/fulcio", self.url)
    }

    /// The `--rekor-url`.
    pub fn rekor_url(&self) -> String {
        format!("{}/rekor", self.url)
    }

    /// The `--timestamp-server-url`.
    pub fn tsa_url(&self) -> String {
        format!("{}/tsa/api/v1/timestamp", self.url)
    }

    /// A file with the ID token of an identity.
    pub fn token(&self, identity: &Identity) -> PathBuf {
        let mut claims = identity.token.clone();
        let now = wall_clock();
        claims["aud"] = json!("sigstore");
        claims["iat"] = json!(now - 10);
        claims["exp"] = json!(now + 3600);
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let token =
            format!("{}.{}.{}", encode(&json!({"alg": "ES256", "typ": "JWT"})), encode(&claims), encode(&json!(0)));
        let name = format!("{}.jwt", hex::encode(merkle::leaf(identity.token.to_string().as_bytes())));
        self.file_of(&name, &token)
    }

    /// A file in the folder with this text. Whoever reads a file of that name meanwhile sees all of the old or of the new text.
    pub fn file_of(&self, name: &str, text: &str) -> PathBuf {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let written = self.file(&format!("{name}.{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        fs::write(&written, text).unwrap();
        fs::rename(&written, self.file(name)).unwrap();
        self.file(name)
    }

    /// The folder of all these files. It goes with the service; others may put theirs there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write_files(&self) {
        let sigstore = &self.sigstore;
        fs::create_dir_all(&self.folder).unwrap();
        self.file_of("trusted_root.json", &sigstore.trusted_root().json().to_string());
        self.file_of("signing_config.json", &self.config(&format!("{}/rekor", self.url), 1).to_string());
        self.file_of("signing_config_v2.json", &self.config(&format!("{}/rekor2", self.url), 2).to_string());
        self.file_of("no_services.json", &json!({"mediaType": SIGNING_CONFIG}).to_string());
        self.file_of("ctlog.pem", &sigstore.certificate_log.key.pem());
        self.file_of("rekor.pem", &sigstore.rekor.key.pem());
        self.file_of("fulcio.pem", &(sigstore.fulcio.pem() + &sigstore.root.pem()));
        self.file_of("tsa.pem", &sigstore.tsa.chain().iter().map(certificate_pem).collect::<String>());
    }

    fn config(&self, rekor: &str, version: u32) -> Value {
        let start = rfc3339(self.sigstore.now - 60);
        let service = |url: &str, version: u32| json!([{"url": url, "majorApiVersion": version, "operator": "tests", "validFor": {"start": start}}]);
        json!({
            "mediaType": SIGNING_CONFIG,
            "caUrls": service(&self.fulcio_url(), 1),
            "oidcUrls": service(&format!("{}/oidc", self.url), 1),
            "rekorTlogUrls": service(rekor, version),
            "tsaUrls": service(&self.tsa_url(), 1),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const SIGNING_CONFIG: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// What the handlers share: the instance and the trees of its two logs.
struct Shared {
    sigstore: Sigstore,
    trees: [Mutex<Tree>; 2],
}

/// A log that grows.
struct Tree {
    log: Log,
    leaves: Vec<Hash>,
}

impl Tree {
    fn new(log: &Log) -> Self {
        Self { log: log.clone(), leaves: (0_u8..3).map(|number| merkle::leaf(&[number])).collect() }
    }

    fn record(&mut self, body: Value) -> Logged {
        let mut entry = Entry::new(&self.log, wall_clock());
        entry.others.clone_from(&self.leaves);
        entry.position = self.leaves.len();
        let logged = entry.record_body(body);
        self.leaves.push(merkle::leaf(&logged.body));
        logged
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/fulcio/api/v2/signingCert", post(fulcio))
        .route("/rekor/api/v1/log/entries", post(rekor))
        .route("/rekor2/api/v2/log/entries", post(rekor_v2))
        .route("/tsa/api/v1/timestamp", post(tsa))
        .fallback(|uri: Uri| async move { refuse(&format!("nothing at {uri}")) })
        .with_state(shared)
}

/// sigstore/fulcio, `fulcio.proto`: `CreateSigningCertificate`. The token may also be in a header.
async fn fulcio(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let certify = || {
        let request: Value = serde_json::from_slice(&body).ok()?;
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token = read_token(request["credentials"]["oidcIdentityToken"].as_str().or(header)?)?;
        let spki = requested_key(&request)?;
        let Sigstore { fulcio, root, .. } = &shared.sigstore;
        let now = Sigstore { now: wall_clock(), ..shared.sigstore.clone() };
        let leaf = now.certificate(&Identity::from_token(&token)).issue_for(&spki);
        let chain = [&leaf, &fulcio.certificate, &root.certificate].map(certificate_pem);
        Some(json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}))
    };
    certify()
        .map_or_else(|| refuse("no such request for a certificate"), |answer| document(StatusCode::OK, [], &answer))
}

fn requested_key(request: &Value) -> Option<Vec<u8>> {
    if let Some(pem) = request["publicKeyRequest"]["publicKey"]["content"].as_str() {
        return Some(Document::from_pem(pem).ok()?.1.into_vec());
    }
    let pem = STANDARD.decode(request["certificateSigningRequest"].as_str()?).ok()?;
    CertReq::from_pem(&pem).ok()?.info.public_key.to_der().ok()
}

/// sigstore/rekor, `openapi.yaml`: `createLogEntry`. cosign takes the entry's name from the `ETag`, and dies without it.
async fn rekor(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let proposed: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(body) = recorded_body(&proposed) else { return refuse("no such kind of entry") };
    let logged = shared.trees[0].lock().unwrap().record(body);
    let name = hex::encode(merkle::leaf(&logged.body));
    let headers = [("etag", name.clone()), ("location", format!("/api/v1/log/entries/{name}"))];
    document(StatusCode::CREATED, headers, &json!({name: logged.answer()}))
}

/// What Rekor v1 records of a proposed entry.
fn recorded_body(proposed: &Value) -> Option<Value> {
    let mut body = json!({"apiVersion": proposed["apiVersion"], "kind": proposed["kind"]});
    body["spec"] = match proposed["kind"].as_str()? {
        "hashedrekord" => json!({
            "data": proposed["spec"]["data"],
            "signature": {
                "content": proposed["spec"]["signature"]["content"],
                "publicKey": {"content": proposed["spec"]["signature"]["publicKey"]["content"]},
            },
        }),
        "dsse" => {
            let content = &proposed["spec"]["proposedContent"];
            let text = content["envelope"].as_str()?;
            let envelope: Value = serde_json::from_str(text).ok()?;
            let payload = STANDARD.decode(envelope["payload"].as_str()?).ok()?;
            json!({
                "envelopeHash": sha256(text.as_bytes()),
                "payloadHash": sha256(&payload),
                "signatures": [{"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]}],
            })
        }
        "intoto" => {
            let mut content = proposed["spec"]["content"].clone();
            content["envelope"].as_object_mut()?.remove("payload")?;
            json!({"content": content})
        }
        _ => return None,
    };
    Some(body)
}

fn sha256(bytes: &[u8]) -> Value {
    json!({"algorithm": "sha256", "value": sealgate::domain::Digest::of(bytes).hex()})
}

/// sigstore/rekor-tiles, `rekor_service.proto`: `CreateEntry`.
async fn rekor_v2(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let proposed: Value = serde_json::from_slice(&body).unwrap_or_default();
    let request = &proposed["hashedRekordRequestV002"];
    let mut verifier = request["signature"]["verifier"].clone();
    let Some(members) = verifier.as_object_mut() else { return refuse("no such kind of entry") };
    members.retain(|_, value| !value.is_null());
    let algorithm = match verifier["keyDetails"].as_str().unwrap_or_default() {
        details if details.ends_with("_SHA_384") => "SHA2_384",
        details if details.ends_with("_SHA_512") || details.ends_with("_PH") => "SHA2_512",
        _ => "SHA2_256",
    };
    let body = json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
        "data": {"algorithm": algorithm, "digest": request["digest"]},
        "signature": {"content": request["signature"]["content"], "verifier": verifier},
    }}});
    let logged = shared.trees[1].lock().unwrap().record(body);
    document(StatusCode::CREATED, [], &logged.bundle_entry())
}

/// RFC 3161, section 3.4, and the JSON requests of sigstore/timestamp-authority.
async fn tsa(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let mut timestamp = Timestamp::new(&shared.sigstore.tsa, wall_clock());
    let imprint = if let Ok(request) = TimeStampReq::from_der(&body) {
        timestamp.edit_info.set(move |info| info.nonce.clone_from(&request.nonce));
        if !request.cert_req {
            timestamp.certificates.clear();
        }
        Some(request.message_imprint)
    } else {
        json_imprint(&timestamp, &body)
    };
    let Some(imprint) = imprint else { return refuse("no such request for a timestamp") };
    let headers = [("content-type", "application/timestamp-reply")];
    (StatusCode::CREATED, headers, timestamp.answer(imprint)).into_response()
}

fn json_imprint(timestamp: &Timestamp, body: &[u8]) -> Option<MessageImprint> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let hash = STANDARD.decode(request["artifactHash"].as_str()?).ok()?;
    Some(MessageImprint {
        hash_algorithm: timestamp.hash.identifier(),
        hashed_message: x509_cert::der::asn1::OctetString::new(hash).ok()?,
    })
}

fn document<const N: usize>(status: StatusCode, headers: [(&'static str, String); N], answer: &Value) -> Response {
    (status, headers, [("content-type", "application/json")], answer.to_string()).into_response()
}

fn refuse(problem: &str) -> Response {
    (StatusCode::BAD_REQUEST, problem.to_owned()).into_response()
}

fn wall_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}
