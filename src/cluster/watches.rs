//! Watches that are never stale for long, and say when they are.
//!
//! Every watch of the process goes through here. The API server ends an idle watch after [`TIMEOUT`] and the next one goes
//! on from where it was. After any failure the objects are listed again, at once and then after pauses of at most
//! [`LONGEST_PAUSE`]: an outage is over for a watch two seconds after it is over. A connection that goes silent is noticed by
//! the kernel ([`super::client`]), or by a plain request that gets no answer ([`Watches::connection_lost`]).

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::unfold;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::client::root_cause;
use crate::domain::text::foreign;
use crate::telemetry::{Health, Metrics};

/// Seconds after which the API server ends a watch.
pub(super) const TIMEOUT: u32 = 30;
/// How long a part of a list may take.
const LIST_LIMIT: Duration = Duration::from_secs(10);
/// The pause after the second failure in a row; there is none after the first, and each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A watch that has held for so long is whole again. Where listing works and watching fails, it never is.
const STEADY: Duration = Duration::from_secs(1);

/// What all watches of the process share. Clones share it too.
#[derive(Clone, Debug)]
pub struct Watches {
    metrics: Metrics,
    health: Health,
    lost: Arc<watch::Sender<()>>,
}

impl Watches {
    /// None runs yet.
    pub fn new(metrics: Metrics, health: Health) -> Self {
        Self { metrics, health, lost: Arc::new(watch::Sender::new(())) }
    }

    /// A plain request got no answer. The connections of the watches may be as dead as its own: list all again.
    pub fn connection_lost(&self) {
        self.lost.send_replace(());
    }

    /// Follows all objects of a kind, for ever: a list, its changes, and a new list whenever that is safer. A failure is
    /// told, logged and counted once, when it begins. `what` names the watch in log and metrics.
    pub fn all<K>(
        &self,
        api: Api<K>,
        what: &'static str,
    ) -> impl Stream<Item = Result<Event<K>, WatchFailure>> + Send + use<K>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.follow(what, move || watcher(api.clone(), config()))
    }

    /// The same for one object of a cluster-wide kind; nothing while it is not there.
    pub fn one<K>(
        &self,
        api: Api<K>,
        name: &str,
        what: &'static str,
    ) -> impl Stream<Item = Result<Option<K>, WatchFailure>> + Send + use<K>
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let config = config().fields(&format!("metadata.name={name}"));
        only(self.follow(what, move || watcher(api.clone(), config.clone())))
    }

    fn follow<K, S, F>(
        &self,
        what: &'static str,
        open: F,
    ) -> impl Stream<Item = Result<Event<K>, WatchFailure>> + use<K, S, F>
    where
        S: Stream<Item = watcher::Result<Event<K>>>,
        F: FnMut() -> S,
    {
        let stage = Stage::Pause(Instant::now());
        let failing = Failing { what, since: None, metrics: self.metrics.clone(), health: self.health.clone() };
        let (attempts, lost) = (Attempts::default(), self.lost.subscribe());
        let follower = Follower { open, stream: None, stage, attempts, failing, lost };
        unfold(follower, |mut follower| async { Some((follower.next().await, follower)) })
    }
}

/// Why a watch fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchFailure {
    /// No connection, or it broke.
    #[error("the API server can't be reached: {0}")]
    Unreachable(String),
    /// No answer.
    #[error("the API server does not answer in time")]
    Late,
    /// The state that the watch would go on from is forgotten.
    #[error("the API server no longer knows the version of the last list")]
    Expired,
    /// The API server doesn't know the kind.
    #[error("the definition (CRD) of these objects is not there")]
    NotDefined,
    /// The API server refuses.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
    },
}

impl From<watcher::Error> for WatchFailure {
    fn from(error: watcher::Error) -> Self {
        match error {
            watcher::Error::WatchError(status) => Self::answer(status.code, &status.message),
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => match error {
                kube::Error::Api(status) => Self::answer(status.code, &status.message),
                other => Self::Unreachable(foreign(&root_cause(&other))),
            },
            watcher::Error::NoResourceVersion => Self::answer(200, "a list without a version"),
        }
    }
}

impl WatchFailure {
    fn answer(code: u16, message: &str) -> Self {
        match code {
            404 => Self::NotDefined,
            410 => Self::Expired,
            code => Self::Refused { code, message: foreign(message) },
        }
    }

    /// Whether the API server said so itself.
    fn is_answer(&self) -> bool {
        matches!(self, Self::Expired | Self::NotDefined | Self::Refused { .. })
    }
}

/// How long to wait before the next attempt.
#[derive(Debug, Default)]
struct Attempts {
    failed: u32,
    answered: bool,
}

impl Attempts {
    /// After a failure. The first answer after none ends the pauses that silence had caused.
    fn pause(&mut self, failure: &WatchFailure) -> Duration {
        if failure.is_answer() && !self.answered {
            self.failed = 0;
        }
        self.answered = failure.is_answer();
        let pause = match self.failed {
            0 => Duration::ZERO,
            failed => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))),
        };
        self.failed = self.failed.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }
}

/// Where a watch is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Between two attempts, until then.
    Pause(Instant),
    Listing,
    /// Complete; steady from then on if nothing fails.
    Listed(Instant),
    Steady,
}

/// One watch.
struct Follower<S, F> {
    open: F,
    stream: Option<Pin<Box<S>>>,
    stage: Stage,
    attempts: Attempts,
    failing: Failing,
    lost: watch::Receiver<()>,
}

/// Since when a watch fails, told to whoever asks. A watch that ends, as those of a leader do that leads no more, fails no longer.
struct Failing {
    what: &'static str,
    since: Option<Timestamp>,
    metrics: Metrics,
    health: Health,
}

impl Failing {
    fn set(&mut self, since: Option<Timestamp>) -> Option<Timestamp> {
        self.metrics.watch(self.what, since.map(Timestamp::as_second));
        self.health.set_stale(self.what, since);
        std::mem::replace(&mut self.since, since)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.set(None);
        }
    }
}

impl<K, S, F> Follower<S, F>
where
    S: Stream<Item = watcher::Result<Event<K>>>,
    F: FnMut() -> S,
{
    async fn next(&mut self) -> Result<Event<K>, WatchFailure> {
        loop {
            if let Stage::Pause(until) = self.stage {
                sleep_until(until).await;
                self.list();
            }
            let stage = self.stage;
            let Some(stream) = &mut self.stream else { return pending().await };
            let failure = tokio::select! {
                event = stream.next() => match event {
                    Some(Ok(event)) => {
                        self.advance(&event);
                        return Ok(event);
                    }
                    Some(Err(error)) => WatchFailure::from(error),
                    None => WatchFailure::Late,
                },
                () = limit(stage) => {
                    if matches!(stage, Stage::Listed(_)) {
                        self.steady();
                        continue;
                    }
                    WatchFailure::Late
                }
                Ok(()) = self.lost.changed(), if matches!(stage, Stage::Steady) => {
                    debug!(what = self.failing.what, "a connection was lost: listing again");
                    self.list();
                    continue;
                }
            };
            if self.fail(&failure) {
                return Err(failure);
            }
        }
    }

    /// Begins with a new list, over a new connection where the old one was in use.
    fn list(&mut self) {
        self.lost.mark_unchanged();
        self.stream = None;
        self.stream = Some(Box::pin((self.open)()));
        self.stage = Stage::Listing;
    }

    fn advance(&mut self, event: &Event<K>) {
        match event {
            Event::InitDone => {
                let now = Instant::now();
                self.stage = Stage::Listed(now.checked_add(STEADY).unwrap_or(now));
            }
            Event::Apply(_) | Event::Delete(_) => self.steady(),
            // The first is said before anything is asked.
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn steady(&mut self) {
        self.stage = Stage::Steady;
        self.attempts = Attempts::default();
        if let Some(since) = self.failing.set(None) {
            info!(what = self.failing.what, since = %since, "watch is whole again");
        }
    }

    /// Prepares the next attempt; whether a failure begins that is worth telling.
    fn fail(&mut self, failure: &WatchFailure) -> bool {
        let now = Instant::now();
        self.stream = None;
        self.stage = Stage::Pause(now.checked_add(self.attempts.pause(failure)).unwrap_or(now));
        debug!(what = self.failing.what, %failure, "watch failed");
        // That the server forgets old versions is no fault: the list comes at once.
        if self.failing.since.is_some() || (*failure == WatchFailure::Expired && self.attempts.failed == 1) {
            return false;
        }
        self.failing.set(Some(Timestamp::now()));
        warn!(what = self.failing.what, %failure, "watch fails: what it last told stays in use");
        true
    }
}

/// Ready when a stage has taken as long as it may.
async fn limit(stage: Stage) {
    match stage {
        Stage::Listing => tokio::time::sleep(LIST_LIMIT).await,
        Stage::Pause(at) | Stage::Listed(at) => sleep_until(at).await,
        Stage::Steady => pending().await,
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().timeout(TIMEOUT)
}

/// From the events of a selection that one object at most matches: that object.
fn only<K>(
    events: impl Stream<Item = Result<Event<K>, WatchFailure>>,
) -> impl Stream<Item = Result<Option<K>, WatchFailure>> {
    events
        .scan(false, |seen, event| {
            let told = match event {
                Ok(Event::Init) => {
                    *seen = false;
                    None
                }
                Ok(Event::InitApply(object)) => {
                    *seen = true;
                    Some(Ok(Some(object)))
                }
                Ok(Event::Apply(object)) => Some(Ok(Some(object))),
                Ok(Event::Delete(_)) => Some(Ok(None)),
                Ok(Event::InitDone) => (!*seen).then_some(Ok(None)),
                Err(failure) => Some(Err(failure)),
            };
            ready(Some(told))
        })
        .filter_map(ready)
}
