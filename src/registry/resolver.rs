//! Names to addresses, and the guard that looks at every address before a connection is made to it.
//!
//! The guard sits inside the connector: what it has seen is what is connected to, so a name that answers differently the
//! second time (DNS rebinding) gains nothing.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// Turns host names into addresses.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a host. Port 0 stands for the port of the URL, or else the usual one of its scheme.
    fn resolve(&self, host: &str) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.collect()) }.boxed()
    }
}

/// A resolver whose answers are looked at.
pub(super) struct Guard {
    resolver: Arc<dyn Resolver>,
    addresses: Addresses,
}

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
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
    pub(super) fn new(resolver: Arc<dyn Resolver>, addresses: Addresses) -> Self {
        Self { resolver, addresses }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.resolver.resolve(name.as_str());
        let allowed = self.addresses;
        Box::pin(async move {
            let addresses = lookup.await.map_err(|_| LookupError::Unknown)?;
            if addresses.is_empty() {
                return Err(LookupError::Unknown.into());
            }
            if let (Addresses::Public, Some(inner)) =
                (allowed, addresses.iter().find(|address| !is_public(address.ip())))
            {
                return Err(LookupError::Blocked(inner.ip().to_string()).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
