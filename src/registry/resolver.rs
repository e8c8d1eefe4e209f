//! Names to addresses, and the guard that looks at every address before a connection is made to it.
//!
//! The guard sits inside the connector: what it has seen is what is connected to, so a name that answers differently the
//! second time (DNS rebinding) gains nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::{fmt, io};

use futures::FutureExt;
use futures::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

use crate::domain::address::is_public;

use super::lookups::{Addresses, Lookups};
use super::settings::SettingsError;

/// Turns host names into addresses.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a host. Port 0 stands for the port of the URL, or else the usual one of its scheme.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// Names as the operating system is configured: `/etc/hosts`, and the name servers, search domains and `ndots` of
/// `/etc/resolv.conf`, both read once. The system's own function blocks a thread for as long as the slowest name server
/// likes, and can't be called off.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Lookups,
}

impl SystemResolver {
    /// Reads the system's configuration. Without one the name server is this machine, as `resolv.conf(5)` has it.
    pub fn new() -> Result<Self, SettingsError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            tracing::warn!(%error, "/etc/resolv.conf can't be used; the name server is 127.0.0.1");
            let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // What is kept is kept in `Lookups`, where its size is known.
        options.cache_size = 0;
        let resolver = builder.build().map_err(|error| SettingsError::Resolver(error.to_string()))?;
        let ask = move |host: String| {
            let resolver = resolver.clone();
            async move {
                let found = resolver.lookup_ip(host).await.ok()?;
                Some(Addresses { addresses: found.iter().collect(), until: Instant::from_std(found.valid_until()) })
            }
            .boxed()
        };
        Ok(Self { lookups: Lookups::new(Arc::new(ask)) })
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (host, lookups) = (host.to_owned(), self.lookups.clone());
        async move {
            // An empty name is the root of all names.
            let found = if host.is_empty() { None } else { lookups.of(&host).await };
            let found = found.ok_or(io::ErrorKind::NotFound)?;
            Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
        }
        .boxed()
    }
}

/// A resolver whose answers are looked at.
#[derive(Clone)]
pub(super) struct Guard {
    resolver: Arc<dyn Resolver>,
    reach: Reach,
}

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Public ones only.
    Public,
    /// Any.
    Any,
}

/// Why a name can't be connected to. It travels through the HTTP client and is found again by its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LookupError {
    /// One of its addresses may not be reached. The others are not tried: nobody but an attacker mixes them.
    #[error("{0} is not a public address")]
    Blocked(String),
    /// There is no such name, or nobody could say.
    #[error("the name does not resolve")]
    Unknown,
}

impl Guard {
    pub(super) fn new(resolver: Arc<dyn Resolver>, reach: Reach) -> Self {
        Self { resolver, reach }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.resolver.resolve(name.as_str());
        let reach = self.reach;
        Box::pin(async move {
            let addresses = lookup.await.map_err(|_| LookupError::Unknown)?;
            if addresses.is_empty() {
                return Err(LookupError::Unknown.into());
            }
            if let (Reach::Public, Some(inner)) = (reach, addresses.iter().find(|address| !is_public(address.ip()))) {
                return Err(LookupError::Blocked(inner.ip().to_string()).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("reach", &self.reach).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
