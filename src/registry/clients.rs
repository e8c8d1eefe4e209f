//! HTTP clients: each host has one of its own, so that the connections that wait for their next request are bounded too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, redirect};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use crate::domain::Unavailable;

use super::resolver::Guard;
use super::settings::{IDLE_CONNECTIONS, IDLE_HOSTS, Settings, SettingsError};
use super::transport::Authority;

/// How long a connection waits for its next request.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// What all clients of a kind have in common.
#[derive(Debug)]
pub(super) struct Template {
    tls: ClientConfig,
    guard: Guard,
    connect: Duration,
    user_agent: String,
}

/// One client a host, for the [`IDLE_HOSTS`] that were asked last. The connections of others end with their last request.
#[derive(Debug)]
pub(super) struct Clients {
    template: Template,
    hosts: Mutex<HashMap<Authority, Known>>,
}

#[derive(Debug)]
struct Known {
    client: Client,
    /// When it was asked for last.
    used: Instant,
}

impl Template {
    pub(super) fn new(settings: &Settings, roots: Arc<RootCertStore>, guard: Guard) -> Result<Self, SettingsError> {
        let mut tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SettingsError::Http(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Not HTTP/2: no registry needs it, and its peers can go on sending after the last answer.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Tickets are as long as a server likes, and it may send as many as it likes.
        tls.resumption = Resumption::disabled();
        Ok(Self { tls, guard, connect: settings.timeouts.first_byte, user_agent: settings.user_agent.clone() })
    }

    pub(super) fn client(&self) -> Result<Client, SettingsError> {
        Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(self.guard.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(self.connect)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_CONNECTION)
            .http1_only()
            .user_agent(&self.user_agent)
            .build()
            .map_err(|error| SettingsError::Http(error.to_string()))
    }
}

impl Clients {
    pub(super) fn new(template: Template) -> Self {
        Self { template, hosts: Mutex::default() }
    }

    /// The client of a host. The one that was asked for least recently makes way for a new one.
    pub(super) fn of(&self, authority: &Authority) -> Result<Client, Unavailable> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let used = Instant::now();
        if let Some(known) = hosts.get_mut(authority) {
            known.used = used;
            return Ok(known.client.clone());
        }
        let client = self.template.client().map_err(|error| {
            tracing::error!(%error, "no HTTP client can be made");
            Unavailable::Overloaded("no HTTP client can be made, see its log")
        })?;
        if hosts.len() >= IDLE_HOSTS
            && let Some(oldest) = hosts.iter().min_by_key(|(_, known)| known.used).map(|(host, _)| host.clone())
        {
            hosts.remove(&oldest);
        }
        hosts.insert(authority.clone(), Known { client: client.clone(), used });
        Ok(client)
    }
}

#[cfg(test)]
mod tests;
