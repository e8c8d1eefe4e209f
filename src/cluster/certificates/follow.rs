//! The Secret, read and written by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use rustls::sign::CertifiedKey;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::{REQUEST_TIMEOUT, RequestError, request};
use crate::cluster::watches::Watches;
use crate::telemetry::Metrics;
use crate::telemetry::health::Condition;

use super::handover::{Handover, Held, WAIT};
use super::{CA_CERTIFICATES, CA_KEY, CERTIFICATE, KEY, Material, Serving};

/// How often the Secret is read.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// How often while there is no certificate yet: the leader is about to make it.
const EAGER: Duration = Duration::from_millis(250);
/// How often while the Secret holds nothing to use: the leader is about to repair it.
const SOON: Duration = Duration::from_secs(1);

/// Where a certificate goes that was read.
#[derive(Debug)]
pub struct Outlets {
    /// To the server.
    pub serving: watch::Sender<Option<Arc<CertifiedKey>>>,
    /// To the controller: the authorities to trust, PEM.
    pub ca_bundle: watch::Sender<Option<Arc<str>>>,
    /// To the controller: all that belongs to the certificate that is shown.
    pub in_use: watch::Sender<Option<Arc<Material>>>,
    /// From the controller: the Secret was written, so read it.
    pub written: Arc<Notify>,
    /// Met while a certificate that is valid now is served.
    pub condition: Condition,
    /// For the time of expiry.
    pub metrics: Metrics,
}

/// Reads the Secret again and again, for ever, and publishes what has changed. While the API server is away, the last
/// certificate stays.
pub async fn follow(client: Client, watches: Watches, namespace: String, secret: String, outlets: Outlets) {
    let api = Api::<Secret>::namespaced(client, &namespace);
    let mut handover = Handover::default();
    let mut complaint = String::new();
    loop {
        let read = load(&api, &secret).await.map(|(material, _)| material);
        let problem = match read {
            Ok(material) => consider(&mut handover, material).err(),
            Err(error) => {
                if error.status().is_none() {
                    watches.connection_lost();
                }
                Some(explain(&error))
            }
        };
        if let Some(problem) = &problem
            && *problem != complaint
        {
            warn!(secret = %format_args!("{namespace}/{secret}"), problem, "serving certificate not read");
        }
        let pause = match (handover.shown(), &problem) {
            (None, _) => EAGER,
            (Some(_), Some(_)) => SOON,
            (Some(_), None) => POLL,
        };
        complaint = problem.unwrap_or_default();
        outlets.publish(&mut handover);
        let next = Instant::now().checked_add(pause).unwrap_or_else(Instant::now);
        tokio::select! {
            () = sleep_until(handover.due().map_or(next, |due| due.min(next))) => {}
            () = outlets.written.notified() => {}
        }
    }
}

/// Takes in what was read, unless it is known already or of no use.
fn consider(handover: &mut Handover, material: Material) -> Result<(), String> {
    let latest = handover.latest();
    if latest.is_some_and(|latest| latest.material == material) {
        return Ok(());
    }
    let serving = material.serving().map_err(|problem| problem.to_string())?;
    let now = Timestamp::now();
    if !replaces(latest.map(|latest| &latest.serving), &serving, now) {
        return Err(format!("it holds one that expired at {}; the one in use stays", serving.expires));
    }
    if handover.take(Held { material, serving }, now, Instant::now()) {
        info!(
            seconds = WAIT.as_secs(),
            "certificate by a new authority read: it is shown when the API server trusts it"
        );
    }
    Ok(())
}

/// Whether a certificate takes the place of another: never one that has expired that of one that has not.
pub(super) fn replaces(old: Option<&Serving>, new: &Serving, now: Timestamp) -> bool {
    new.expires > now || old.is_none_or(|old| old.expires <= now)
}

impl Outlets {
    /// Tells of what has changed.
    fn publish(&self, handover: &mut Handover) {
        let (now, at) = (Timestamp::now(), Instant::now());
        handover.advance(now, at);
        let bundle = handover.ca_bundle(now, at).map(Arc::from);
        self.ca_bundle.send_if_modified(|told| {
            let changed = *told != bundle;
            *told = bundle;
            changed
        });
        let Some(shown) = handover.shown() else { return self.condition.unmet() };
        report(&self.condition, &shown.serving);
        if self.in_use.borrow().as_deref() == Some(&shown.material) {
            return;
        }
        info!(expires = %shown.serving.expires, "serving certificate loaded");
        self.metrics.certificate_expires(shown.serving.expires.as_second());
        self.serving.send_replace(Some(shown.serving.key.clone()));
        self.in_use.send_replace(Some(Arc::new(shown.material.clone())));
    }
}

fn report(condition: &Condition, serving: &Serving) {
    if serving.expires > Timestamp::now() {
        return condition.met();
    }
    error!(expired = %serving.expires, "the serving certificate has expired: the API server refuses to connect");
    condition.unmet();
}

/// Reads the Secret; also its resource version, for [`store`].
pub async fn load(api: &Api<Secret>, name: &str) -> Result<(Material, String), RequestError> {
    let secret = request(REQUEST_TIMEOUT, api.get(name)).await?;
    let version = secret.metadata.resource_version.unwrap_or_default();
    let mut data = secret.data.unwrap_or_default();
    let material = Material {
        ca_certificates: take(&mut data, CA_CERTIFICATES),
        ca_key: take(&mut data, CA_KEY),
        certificate: take(&mut data, CERTIFICATE),
        key: take(&mut data, KEY),
    };
    Ok((material, version))
}

/// What a failure to read the Secret means.
pub fn explain(error: &RequestError) -> String {
    match error.status() {
        Some(404) => "the Secret is not there: the leader creates it again".into(),
        _ => error.to_string(),
    }
}

/// Writes the Secret, unless it has changed since it was read.
pub async fn store(api: &Api<Secret>, name: &str, material: &Material, version: &str) -> Result<(), RequestError> {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let patch = json!({
        "metadata": { "resourceVersion": version },
        "data": {
            CA_CERTIFICATES: bytes(&material.ca_certificates),
            CA_KEY: bytes(&material.ca_key),
            CERTIFICATE: bytes(&material.certificate),
            KEY: bytes(&material.key),
        },
    });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    request(REQUEST_TIMEOUT, api.patch(name, &params, &Patch::Merge(patch))).await?;
    Ok(())
}

fn take(data: &mut BTreeMap<String, ByteString>, key: &str) -> String {
    data.remove(key).and_then(|bytes| String::from_utf8(bytes.0).ok()).unwrap_or_default()
}
