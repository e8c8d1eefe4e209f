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
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::cluster::FIELD_MANAGER;
use crate::cluster::client::{REQUEST_TIMEOUT, RequestError, request};
use crate::cluster::watches::Watches;
use crate::telemetry::Metrics;
use crate::telemetry::health::Condition;

use super::{CA_CERTIFICATES, CA_KEY, CERTIFICATE, KEY, Material, Serving};

/// How often the Secret is read.
const POLL: Duration = Duration::from_secs(5);
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
    /// Met while a certificate that is valid now is served.
    pub condition: Condition,
    /// For the time of expiry.
    pub metrics: Metrics,
}

/// Reads the Secret again and again, for ever, and publishes what has changed. While the API server is away, the last
/// certificate stays.
pub async fn follow(client: Client, watches: Watches, namespace: String, secret: String, outlets: Outlets) {
    let api = Api::<Secret>::namespaced(client, &namespace);
    let mut published: Option<(Material, Serving)> = None;
    let mut complaint = String::new();
    loop {
        let read = load(&api, &secret).await.map(|(material, _)| material);
        let problem = match read {
            Ok(material) if published.as_ref().is_some_and(|(old, _)| *old == material) => None,
            Ok(material) => match material.serving() {
                Ok(serving) if !replaces(published.as_ref().map(|(_, old)| old), &serving, Timestamp::now()) => {
                    Some(format!("it holds one that expired at {}; the one in use stays", serving.expires))
                }
                Ok(serving) => {
                    info!(expires = %serving.expires, "serving certificate loaded");
                    outlets.metrics.certificate_expires(serving.expires.as_second());
                    outlets.ca_bundle.send_replace(Some(serving.ca_bundle.as_str().into()));
                    outlets.serving.send_replace(Some(serving.key.clone()));
                    published = Some((material, serving));
                    None
                }
                Err(problem) => Some(problem.to_string()),
            },
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
        let pause = match (&published, &problem) {
            (None, _) => EAGER,
            (Some(_), Some(_)) => SOON,
            (Some(_), None) => POLL,
        };
        complaint = problem.unwrap_or_default();
        report(&outlets.condition, published.as_ref().map(|(_, serving)| serving));
        sleep(pause).await;
    }
}

/// Whether a certificate takes the place of another: never one that has expired that of one that has not.
pub(super) fn replaces(old: Option<&Serving>, new: &Serving, now: Timestamp) -> bool {
    new.expires > now || old.is_none_or(|old| old.expires <= now)
}

fn report(condition: &Condition, serving: Option<&Serving>) {
    match serving {
        Some(serving) if serving.expires > Timestamp::now() => condition.met(),
        Some(serving) => {
            error!(expired = %serving.expires, "the serving certificate has expired: the API server refuses to connect");
            condition.unmet();
        }
        None => condition.unmet(),
    }
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
