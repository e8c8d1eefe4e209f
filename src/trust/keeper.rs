//! What every name stands for, and all of it kept fresh.

mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::domain::{Digest, RootSource, TufSource};
use crate::signatures::{RootsCell, TrustedRoots};
use crate::telemetry::Metrics;
use crate::telemetry::health::Condition;

use super::builtin::{BUILT_IN, BuiltIn};
use super::files::Files;
use super::inspect::Contents;
use super::mirror::{Clients, HostSettings, SettingsError};
use super::tuf::{self, Proven, TufError};

use kept::Kept;

/// How long one refresh may take.
const REFRESH: Duration = Duration::from_mins(1);
/// How often ages are told and expiry is looked at.
const TICK: Duration = Duration::from_mins(1);

/// How roots are kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether the built-in roots that policies name are refreshed over the internet.
    pub refresh_built_in: bool,
    /// How often a mirror is asked.
    pub interval: SignedDuration,
    /// How long a root stays in use after the metadata that prove it have expired.
    pub grace: SignedDuration,
    /// Where the last good metadata are kept.
    pub cache: Option<PathBuf>,
    /// Mirrors with settings of their own.
    pub hosts: Vec<HostSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            refresh_built_in: false,
            interval: SignedDuration::from_hours(6),
            grace: SignedDuration::from_hours(72),
            cache: None,
            hosts: Vec::new(),
        }
    }
}

/// What names should stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Every `TrustedRoot`.
    pub roots: Vec<WantedRoot>,
    /// The names that policies use. A built-in root that nobody uses is not refreshed.
    pub used: BTreeSet<String>,
}

/// What one name should stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRoot {
    /// The name.
    pub name: String,
    /// The generation of the resource.
    pub generation: i64,
    /// Where the root comes from, or why that can't be read.
    pub source: Result<RootSource, String>,
}

/// Where a root in use comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The copy that the program brings along.
    BuiltIn,
    /// A `TrustedRoot` has it in its spec.
    Inline,
    /// What an earlier process had proven, proven again.
    Cache,
    /// A mirror.
    Tuf,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::BuiltIn, Self::Inline, Self::Cache, Self::Tuf];

    /// The word for metrics, logs and statuses.
    pub fn label(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Inline => "inline",
            Self::Cache => "cache",
            Self::Tuf => "tuf",
        }
    }
}

/// How a `TrustedRoot` stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// The generation that this is about.
    pub generation: i64,
    /// What is in use, even where it has expired.
    pub in_use: Option<InUse>,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// What is in use for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Where it comes from.
    pub origin: Origin,
    /// The SHA-256 of its JSON.
    pub digest: Digest,
    /// What it has.
    pub contents: Contents,
    /// When a mirror last proved it.
    pub fetched: Option<Timestamp>,
    /// When the metadata of the mirror expire.
    pub expires: Option<Timestamp>,
}

/// What is wrong with a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// What is written can't be used.
    Invalid(String),
    /// All certificate authorities of what is written have expired.
    Over(String),
    /// The mirror has given nothing yet that is proven.
    Unfetched(String),
    /// What is in use was proven, and can't be renewed.
    Stale(String),
    /// What was in use has expired.
    Expired(String),
}

impl Problem {
    /// The constant word for the cause.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "Invalid",
            Self::Over(_) => "AuthoritiesExpired",
            Self::Unfetched(_) => "NotFetched",
            Self::Stale(_) => "RefreshFailing",
            Self::Expired(_) => "Expired",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text)
            | Self::Over(text)
            | Self::Unfetched(text)
            | Self::Stale(text)
            | Self::Expired(text) => f.write_str(text),
        }
    }
}

/// Keeps all roots.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    clients: Clients,
    cell: RootsCell,
    metrics: Metrics,
    roots: BTreeMap<String, Kept>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Plan {
    BuiltIn(BuiltIn),
    Given(Result<RootSource, String>),
}

/// One refresh.
#[derive(Debug)]
pub struct Job {
    name: String,
    source: TufSource,
    files: Files,
    mirror: Result<super::mirror::Mirror, String>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    name: String,
    source: TufSource,
    result: Result<Proven, TufError>,
}

impl Job {
    /// Asks the mirror.
    pub async fn run(self, now: Timestamp) -> Outcome {
        let Self { name, source, files, mirror } = self;
        let result = match mirror {
            Err(problem) => Err(TufError::Mirror(problem)),
            Ok(mirror) => match timeout(REFRESH, tuf::refresh(mirror, &source, &files, now)).await {
                Ok(result) => result,
                Err(_) => Err(TufError::TooSlow(REFRESH.as_secs())),
            },
        };
        Outcome { name, source, result }
    }
}

impl Keeper {
    /// Keeps nothing yet: names are there from the first [`Self::take`] on.
    pub fn new(settings: Settings, cell: RootsCell, metrics: Metrics) -> Result<Self, SettingsError> {
        let clients = Clients::new(&settings.hosts)?;
        Ok(Self { settings, clients, cell, metrics, roots: BTreeMap::new() })
    }

    /// Takes in what names should stand for, with what can be had at once: inline, else kept on disk and proven again, else
    /// built in. Nobody is asked.
    pub async fn take(&mut self, wanted: &Wanted, now: Timestamp) {
        let given =
            wanted.roots.iter().map(|root| (root.name.as_str(), (Plan::Given(root.source.clone()), root.generation)));
        let built_in = BUILT_IN.iter().map(|root| (root.name, (Plan::BuiltIn(*root), 0)));
        // What is given replaces what is built in.
        let plans: BTreeMap<&str, (Plan, i64)> = built_in.chain(given).collect();
        self.roots.retain(|name, _| {
            let stays = plans.contains_key(name.as_str());
            if !stays {
                self.metrics.trusted_root_gone(name);
            }
            stays
        });
        for (name, (plan, generation)) in plans {
            let kept = self.roots.entry(name.to_owned()).or_insert_with(|| Kept::new(name));
            let is_refreshed = self.settings.refresh_built_in && wanted.used.contains(name);
            kept.plan(plan, generation, is_refreshed, &self.settings, now).await;
        }
    }

    /// The refreshes that are due. Each is to be run, and its outcome handed to [`Self::finish`].
    pub fn due(&mut self, now: Timestamp) -> Vec<Job> {
        let clients = &self.clients;
        let due = self.roots.iter_mut().filter_map(|(name, kept)| Some((name, kept.begin(now)?)));
        due.map(|(name, (source, files))| {
            let mirror = clients.mirror(&source.mirror);
            Job { name: name.clone(), source, files, mirror }
        })
        .collect()
    }

    /// Takes in what came of a refresh.
    pub fn finish(&mut self, outcome: Outcome, now: Timestamp) {
        let Outcome { name, source, result } = outcome;
        let Some(kept) = self.roots.get_mut(&name) else { return };
        if kept.finish(&source, result, &self.settings, now) {
            self.metrics.trusted_root_refresh_failed(&name);
        }
    }

    /// Puts everything that may be used now into the cell, all at once, and tells metrics and log how it stands. Answers how
    /// each `TrustedRoot` stands.
    pub fn publish(&mut self, now: Timestamp) -> Vec<Report> {
        let grace = self.settings.grace;
        let roots = self.roots.iter().map(|(name, kept)| (name.clone(), kept.usable(grace, now)));
        let roots = TrustedRoots::new(roots.collect());
        if *self.cell.load() != roots {
            self.cell.store(roots);
        }
        for kept in self.roots.values_mut() {
            kept.tell(&self.metrics, grace, now);
        }
        self.roots.values().filter_map(|kept| kept.report(grace, now)).collect()
    }

    /// Keeps roots for ever, from the first that are wanted on. `reports` has how every `TrustedRoot` stands; `condition` is
    /// met when what can be had at once is in the cell.
    pub async fn run(
        mut self,
        mut wanted: watch::Receiver<Option<Wanted>>,
        reports: watch::Sender<Arc<[Report]>>,
        condition: Condition,
    ) {
        let Ok(first) = wanted.wait_for(Option::is_some).await.map(|first| first.clone().unwrap_or_default()) else {
            return;
        };
        self.take(&first, Timestamp::now()).await;
        let mut running = FuturesUnordered::new();
        loop {
            let now = Timestamp::now();
            running.extend(self.due(now).into_iter().map(|job| job.run(now)));
            let fresh: Arc<[Report]> = self.publish(now).into();
            reports.send_if_modified(|told| {
                let changed = **told != *fresh;
                *told = fresh;
                changed
            });
            condition.met();
            tokio::select! {
                Some(outcome) = running.next() => self.finish(outcome, Timestamp::now()),
                Ok(()) = wanted.changed() => {
                    let fresh = wanted.borrow_and_update().clone();
                    self.take(&fresh.unwrap_or_default(), Timestamp::now()).await;
                }
                () = sleep(self.pause(now)) => {}
            }
        }
    }

    /// How long nothing is to be done.
    fn pause(&self, now: Timestamp) -> Duration {
        let next = self.roots.values().filter_map(Kept::due).min();
        let pause = next.and_then(|next| Duration::try_from(now.duration_until(next)).ok());
        pause.map_or(TICK, |pause| pause.min(TICK))
    }
}
