//! Names to addresses, and the guard that looks at every address before a connection is made to it.
//!
//! The guard sits inside the connector: what it has seen is what is connected to, so a name that answers differently the
//! second time (DNS rebinding) gains nothing.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, LazyLock};
use std::{fmt, io};

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::task::spawn_blocking;

use crate::domain::address::is_public;

use super::settings::Quota;
use super::shares::Shares;

/// Turns host names into addresses.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a host. Port 0 stands for the port of the URL, or else the usual one of its scheme.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        async move {
            let name = host.clone();
            let look_up = move || Ok((name.as_str(), 0).to_socket_addrs()?.collect());
            on_a_thread(&LOOKUPS, &host, look_up).await
        }
        .boxed()
    }
}

/// Lookups of the operating system block a thread, for as long as the slowest name server likes. The threads are those that
/// check signatures too, 512 in all: names must not use them up, nor one name the lookups of all others.
static LOOKUPS: LazyLock<Shares> = LazyLock::new(|| Shares::new(Quota { all: 32, host: 4, kept: 0 }));

/// The thread has the share, not whoever waits: a lookup that nobody waits for any more goes on blocking.
async fn on_a_thread<T: Send + 'static>(
    lookups: &Shares,
    host: &str,
    look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let share = lookups.take(host, 1).await;
    let found = spawn_blocking(move || {
        let found = look_up();
        drop(share);
        found
    });
    found.await.map_err(io::Error::other)?
}

/// A resolver whose answers are looked at.
#[derive(Clone)]
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

#[cfg(test)]
mod tests;
