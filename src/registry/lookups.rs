//! Look-ups of names: each name is asked for once for all who want it, its addresses are kept as long as they are good for, and the
//! names of one zone, which nobody may answer for, never take all places.
//!
//! Nothing goes on when nobody waits any more: a look-up ends with the last request that wants it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::time::Instant;

use super::realm::domain;
use super::settings::Quota;
use super::shares::Shares;

/// Look-ups that run at once, in all and of the names of one zone.
pub const LOOKUPS: Quota = Quota { all: 64, host: 8, kept: 16 };
/// Names whose addresses are kept.
pub const KEPT_NAMES: usize = 256;
/// Addresses of one name that are kept and tried.
pub const ADDRESSES: usize = 16;
/// How long addresses are kept at most, whatever the name server says.
const LONGEST: Duration = Duration::from_mins(5);

/// The addresses of a name, or nothing.
type Answer = Option<Addresses>;

/// What a name has, and until when.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) until: Instant,
}

/// Asks name servers, each time that it is called.
pub(super) type Ask = Arc<dyn Fn(String) -> BoxFuture<'static, Answer> + Send + Sync>;

/// All look-ups.
#[derive(Clone)]
pub(super) struct Lookups {
    ask: Ask,
    places: Arc<Shares>,
    names: Arc<Mutex<HashMap<String, Name>>>,
}

/// What is known of a name.
enum Name {
    Known(Addresses),
    /// Somebody asks.
    Asked(WeakShared<BoxFuture<'static, Answer>>),
}

impl Lookups {
    pub(super) fn new(ask: Ask) -> Self {
        Self { ask, places: Arc::new(Shares::new(LOOKUPS)), names: Arc::default() }
    }

    /// The addresses of a host, in the order of the name server.
    pub(super) async fn of(&self, host: &str) -> Option<Vec<IpAddr>> {
        let asked = match self.known(host) {
            Ok(known) => return Some(known),
            Err(asked) => asked,
        };
        asked.await.map(|found| found.addresses)
    }

    /// The addresses that are known, or whom to wait for.
    fn known(&self, host: &str) -> Result<Vec<IpAddr>, Shared<BoxFuture<'static, Answer>>> {
        let mut names = self.names();
        match names.get(host) {
            Some(Name::Known(known)) if known.until > Instant::now() => return Ok(known.addresses.clone()),
            Some(Name::Asked(asked)) if let Some(asked) = asked.upgrade() => return Err(asked),
            _ => {}
        }
        let asked = self.clone().look_up(host.to_owned()).boxed().shared();
        make_room(&mut names);
        if let Some(weak) = asked.downgrade() {
            names.insert(host.to_owned(), Name::Asked(weak));
        }
        Err(asked)
    }

    async fn look_up(self, host: String) -> Answer {
        let _place = self.places.take(domain(&host).unwrap_or(&host), 1).await;
        let mut found = (self.ask)(host.clone()).await;
        let mut names = self.names();
        names.remove(&host);
        if let Some(found) = &mut found {
            found.addresses.truncate(ADDRESSES);
            found.until = found.until.min(Instant::now().checked_add(LONGEST)?);
            names.insert(host, Name::Known(found.clone()));
        }
        found
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what is of no use any more, and where that is not enough, the addresses that end first.
fn make_room(names: &mut HashMap<String, Name>) {
    if names.len() < KEPT_NAMES {
        return;
    }
    let now = Instant::now();
    names.retain(|_, name| match name {
        Name::Known(known) => known.until > now,
        Name::Asked(asked) => asked.upgrade().is_some(),
    });
    let until = |(host, name): (&String, &Name)| match name {
        Name::Known(known) => Some((known.until, host.clone())),
        Name::Asked(_) => None,
    };
    if names.len() >= KEPT_NAMES
        && let Some((_, host)) = names.iter().filter_map(until).min()
    {
        names.remove(&host);
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("places", &self.places).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
