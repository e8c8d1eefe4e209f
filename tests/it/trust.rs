//! Trusted roots from a mirror: what is refused, what stays in use, and for how long.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sealgate::domain::{RootSource, TufSource};
use sealgate::signatures::{RootsCell, TrustMaterial};
use sealgate::telemetry::Metrics;
use sealgate::trust::{BUILT_IN, Keeper, Report, Settings, Wanted, WantedRoot};

use crate::support::tuf::{Mirror, TufRepository, fingerprint};

#[path = "trust/attacks.rs"]
mod attacks;
#[path = "trust/delegations.rs"]
mod delegations;
#[path = "trust/names.rs"]
mod names;
#[path = "trust/outages.rs"]
mod outages;
#[path = "trust/verdicts.rs"]
mod verdicts;

/// When the tests begin. All that these repositories sign is valid until [`crate::support::tuf::FAR`].
const START: &str = "2026-11-01T00:00:00Z";

/// Two trusted roots that can be told apart.
fn old() -> &'static str {
    BUILT_IN[0].json()
}

fn new() -> &'static str {
    BUILT_IN[1].json()
}

fn start() -> Timestamp {
    START.parse().unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// A keeper with one root called `own` from a mirror, and a clock that a test moves.
struct World {
    mirror: Mirror,
    repository: TufRepository,
    source: TufSource,
    keeper: Keeper,
    cell: RootsCell,
    metrics: Metrics,
    now: Timestamp,
}

impl World {
    /// The mirror has published [`old`], and nobody has asked it.
    async fn new() -> Self {
        Self::with(TufRepository::new(old()), Settings::default()).await
    }

    async fn with(mut repository: TufRepository, settings: Settings) -> Self {
        let mirror = Mirror::start();
        mirror.serve(repository.publish());
        let source = repository.source(&mirror);
        let (cell, metrics) = (RootsCell::default(), Metrics::new());
        let settings = Settings { hosts: vec![mirror.settings()], ..settings };
        let keeper = Keeper::new(settings, cell.clone(), metrics.clone()).unwrap();
        let mut world = Self { mirror, repository, source, keeper, cell, metrics, now: start() };
        world.take(Ok(RootSource::Tuf(world.source.clone()))).await;
        world
    }

    /// The same, and it was asked once.
    async fn fetched() -> Self {
        let mut world = Self::new().await;
        world.refresh().await;
        assert_eq!(world.in_use(), Ok("old"));
        world
    }

    /// `own` is to stand for this.
    async fn take(&mut self, source: Result<RootSource, String>) -> Vec<Report> {
        let own = WantedRoot { name: "own".to_owned(), generation: 1, source };
        self.keeper.take(&Wanted { roots: vec![own], ..Wanted::default() }, self.now).await;
        self.keeper.publish(self.now)
    }

    /// Does all that is due, and says how `own` stands.
    async fn refresh(&mut self) -> Report {
        for job in self.keeper.due(self.now) {
            let outcome = job.run(self.now).await;
            self.keeper.finish(outcome, self.now);
        }
        self.keeper.publish(self.now).into_iter().find(|report| report.name == "own").unwrap()
    }

    /// Lets hours pass, and does all that is due then.
    async fn after(&mut self, time: i64) -> Report {
        self.now += hours(time);
        self.refresh().await
    }

    /// What is wrong after the next refresh, which must leave in use what is in use.
    async fn refused(&mut self) -> String {
        let before = self.in_use();
        let report = self.after(7).await;
        assert_eq!(self.in_use(), before, "what was in use stays");
        report.problem.as_ref().unwrap_or_else(|| panic!("was accepted: {report:?}")).to_string()
    }

    /// The next refresh brings [`new`].
    async fn accepted(&mut self) {
        let report = self.after(7).await;
        assert_eq!(report.problem, None);
        assert_eq!(self.in_use(), Ok("new"));
    }

    /// Which root is in use for `own`, as the engine sees it.
    fn in_use(&self) -> Result<&'static str, String> {
        self.root("own").map(|material| {
            let known = [("old", old()), ("new", new())];
            let found = known.into_iter().find(|(_, text)| *material.fingerprint() == fingerprint(text));
            found.expect("a root of these tests").0
        })
    }

    fn root(&self, name: &str) -> Result<Arc<TrustMaterial>, String> {
        self.cell.load().get(name).map_err(|cause| {
            assert_eq!(cause.code(), "TRUSTED_ROOT_UNAVAILABLE");
            cause.to_string()
        })
    }

    /// The value of a metric of `own`.
    fn metric(&self, name: &str) -> Option<i64> {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.starts_with(&format!("sealgate_{name}{{root=\"own\"}}")))?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

/// A folder of its own that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sealgate-trust-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
