//! One name: what it stands for, what is in use for it, and when its mirror is asked again.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tracing::{error, info, warn};

use crate::domain::{RootSource, TufSource};
use crate::signatures::TrustMaterial;
use crate::telemetry::Metrics;

use super::super::builtin::COPIED_ON;
use super::super::files::Files;
use super::super::inspect::{Contents, Inspected, inspect};
use super::super::tuf::{self, Proven, TufError};
use super::{InUse, Origin, Plan, Problem, Report, Settings};

/// How soon a failed refresh is tried again: twice as late each time, up to an hour.
const RETRY: SignedDuration = SignedDuration::from_secs(60);
const RETRY_AT_MOST: SignedDuration = SignedDuration::from_hours(1);
/// How often the same trouble is said again.
const REMINDER: SignedDuration = SignedDuration::from_hours(1);
/// An expiry that is nearer is trouble whatever the last refresh said.
const NEAR: SignedDuration = SignedDuration::from_hours(24);

/// One name.
#[derive(Debug)]
pub(super) struct Kept {
    name: String,
    plan: Option<Plan>,
    generation: i64,
    current: Option<Current>,
    problem: Option<Problem>,
    upkeep: Option<Upkeep>,
    reminded: Option<Timestamp>,
}

/// What is in use.
#[derive(Debug)]
struct Current {
    material: Arc<TrustMaterial>,
    contents: Contents,
    origin: Origin,
    /// When it was like this where it comes from.
    since: Timestamp,
    /// When the metadata that prove it expire.
    expires: Option<Timestamp>,
    /// It was in use before the name stood for what it stands for now.
    is_from_before: bool,
}

/// What is known of a mirror, and when it is asked.
#[derive(Debug)]
struct Upkeep {
    source: TufSource,
    files: Files,
    cache: Option<PathBuf>,
    failures: u32,
    /// Nothing while it is being asked.
    due: Option<Timestamp>,
}

impl Kept {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            plan: None,
            generation: 0,
            current: None,
            problem: None,
            upkeep: None,
            reminded: None,
        }
    }

    /// What the name stands for from now on. What is in use stays until something better is there.
    pub(super) async fn plan(
        &mut self,
        plan: Plan,
        generation: i64,
        is_refreshed: bool,
        settings: &Settings,
        now: Timestamp,
    ) {
        self.generation = generation;
        let source = match &plan {
            Plan::Given(Ok(RootSource::Tuf(source))) => Some(source.clone()),
            Plan::BuiltIn(root) if is_refreshed => root.repository(),
            Plan::BuiltIn(_) | Plan::Given(_) => None,
        };
        let is_new = self.plan.as_ref() != Some(&plan);
        let is_new_source = self.upkeep.as_ref().map(|upkeep| &upkeep.source) != source.as_ref();
        if is_new {
            self.begin_anew(&plan, now);
            self.plan = Some(plan);
        }
        if is_new_source {
            self.upkeep = None;
        }
        if let Some(source) = source.filter(|_| is_new_source) {
            self.maintain(source, settings, now).await;
        }
    }

    /// What can be had without a mirror.
    fn begin_anew(&mut self, plan: &Plan, now: Timestamp) {
        (self.problem, self.reminded) = (None, None);
        if let Some(current) = &mut self.current {
            current.is_from_before = true;
        }
        match plan {
            Plan::BuiltIn(root) => self.adopt_text(root.json(), Origin::BuiltIn, copied_on(now), now),
            Plan::Given(Ok(RootSource::Inline(text))) => self.adopt_text(text, Origin::Inline, now, now),
            Plan::Given(Ok(RootSource::Tuf(_))) => {
                self.problem = Some(Problem::Unfetched("its mirror has not answered yet".to_owned()));
            }
            Plan::Given(Err(problem)) => self.problem = Some(Problem::Invalid(problem.clone())),
        }
    }

    fn adopt_text(&mut self, text: &str, origin: Origin, since: Timestamp, now: Timestamp) {
        match inspect(text, now) {
            // The one before is better than one that is over; one that is over is better than none.
            Ok(Inspected { is_over: true, .. }) if origin == Origin::Inline && self.current.is_some() => self.over(),
            Ok(inspected) => {
                let is_over = inspected.is_over && origin == Origin::Inline;
                self.adopt(inspected, origin, since, None);
                if is_over {
                    self.over();
                }
            }
            Err(problem) => self.problem = Some(Problem::Invalid(problem)),
        }
    }

    fn over(&mut self) {
        let text = "all its certificate authorities have expired: nothing new can be signed with them";
        self.problem = Some(Problem::Over(text.to_owned()));
    }

    fn adopt(&mut self, inspected: Inspected, origin: Origin, since: Timestamp, expires: Option<Timestamp>) {
        let Inspected { material, contents, .. } = inspected;
        if self.current.as_ref().is_none_or(|current| current.material != material) {
            info!(root = self.name, source = origin.label(), digest = %material.fingerprint(), %contents, "trusted root in use");
        }
        self.current = Some(Current { material, contents, origin, since, expires, is_from_before: false });
        self.problem = None;
    }

    /// Begins to look after a mirror, with what was kept of it on disk.
    async fn maintain(&mut self, source: TufSource, settings: &Settings, now: Timestamp) {
        if let Err(problem) = tuf::check_root(&source) {
            self.problem = Some(Problem::Invalid(problem.to_string()));
            return;
        }
        let cache = settings.cache.as_ref().map(|folder| folder.join(format!("{}.json", self.name)));
        let mut files = Files::default();
        if let Some(path) = &cache {
            match self.restore(&source, path, settings.grace, now).await {
                Ok(restored) => files = restored,
                Err(Unrestored::Absent) => {}
                Err(Unrestored::Refused(problem)) => {
                    warn!(root = self.name, path = %path.display(), problem, "the kept copy of this trusted root is not used");
                }
            }
        }
        self.upkeep = Some(Upkeep { source, files, cache, failures: 0, due: Some(now) });
    }

    async fn restore(
        &mut self,
        source: &TufSource,
        path: &Path,
        grace: SignedDuration,
        now: Timestamp,
    ) -> Result<Files, Unrestored> {
        let files = Files::read(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Unrestored::Absent,
            _ => Unrestored::Refused(e.to_string()),
        })?;
        let Proven { text, expires } =
            tuf::prove(source, &files).await.map_err(|e| Unrestored::Refused(e.to_string()))?;
        let inspected = inspect(&text, now).map_err(Unrestored::Refused)?;
        // A copy of the program's own that may be used is better than one that may not.
        if matches!(self.plan, Some(Plan::BuiltIn(_))) && is_past(expires, grace, now) {
            return Err(Unrestored::Refused(format!("it has expired at {expires}")));
        }
        let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let since = written.and_then(|time| Timestamp::try_from(time).ok()).map_or(now, |time| time.min(now));
        self.adopt(inspected, Origin::Cache, since, Some(expires));
        Ok(files)
    }

    /// The mirror to ask, if it is time.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<(TufSource, Files)> {
        let upkeep = self.upkeep.as_mut()?;
        upkeep.due.take_if(|due| *due <= now)?;
        Some((upkeep.source.clone(), upkeep.files.clone()))
    }

    /// When the mirror is asked next.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.upkeep.as_ref()?.due
    }

    /// Takes in what the mirror had; whether that was a refresh that failed.
    pub(super) fn finish(
        &mut self,
        source: &TufSource,
        result: Result<Proven, TufError>,
        settings: &Settings,
        now: Timestamp,
    ) -> bool {
        // The name may stand for something else by now.
        let Some(upkeep) = self.upkeep.as_mut().filter(|upkeep| upkeep.source == *source) else { return false };
        let usable = result.map_err(|e| e.to_string()).and_then(|proven| {
            let inspected = inspect(&proven.text, now).map_err(|problem| format!("{} {problem}", source.target))?;
            Ok((inspected, proven.expires))
        });
        match usable {
            Ok((inspected, expires)) => {
                upkeep.failures = 0;
                upkeep.due = Some(later(now, next_refresh(settings.interval, now.duration_until(expires))));
                keep_copy(&self.name, upkeep);
                self.adopt(inspected, Origin::Tuf, now, Some(expires));
                false
            }
            Err(problem) => {
                upkeep.failures = upkeep.failures.saturating_add(1);
                upkeep.due = Some(later(now, jittered(back_off(upkeep.failures))));
                let problem = format!("{}: {problem}", source.mirror);
                let has_one = self.current.as_ref().is_some_and(|current| !current.is_from_before);
                self.problem = Some(if has_one { Problem::Stale(problem) } else { Problem::Unfetched(problem) });
                true
            }
        }
    }

    /// The root, if it may be used now.
    pub(super) fn usable(&self, grace: SignedDuration, now: Timestamp) -> Result<Arc<TrustMaterial>, String> {
        match (&self.current, self.trouble(grace, now)) {
            (Some(current), None) => Ok(current.material.clone()),
            (Some(current), Some(problem)) if !matches!(problem, Problem::Expired(_)) => Ok(current.material.clone()),
            (_, Some(problem)) => Err(problem.to_string()),
            (None, None) => Err("it is not loaded yet".to_owned()),
        }
    }

    /// What is wrong, with what only time brings.
    fn trouble(&self, grace: SignedDuration, now: Timestamp) -> Option<Problem> {
        let expires = self.current.as_ref().and_then(|current| current.expires);
        let Some(end) = expires.filter(|end| is_past(*end, grace, now)) else { return self.problem.clone() };
        let why = self.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
        Some(Problem::Expired(format!("its metadata have expired at {end} and were not renewed{why}")))
    }

    /// Tells metrics and log how the root stands.
    pub(super) fn tell(&mut self, metrics: &Metrics, grace: SignedDuration, now: Timestamp) {
        let trouble = self.trouble(grace, now);
        let is_expired = matches!(trouble, Some(Problem::Expired(_)));
        let origin = self.current.as_ref().filter(|_| !is_expired).map(|current| current.origin.label());
        let expires = self.current.as_ref().and_then(|current| current.expires);
        let age = self.current.as_ref().map(|current| now.duration_since(current.since).as_secs());
        metrics.trusted_root(&self.name, origin, age, expires.map(Timestamp::as_second));

        let is_near = expires.is_some_and(|expires| now.duration_until(expires) < NEAR);
        if !self.is_to_be_said(trouble.is_some() || is_near, now) {
            return;
        }
        let problem = trouble.map(|trouble| trouble.to_string()).unwrap_or_default();
        let expires = expires.map(|expires| expires.to_string()).unwrap_or_default();
        let root = &self.name;
        match (is_expired || origin.is_none(), is_near) {
            (true, _) => error!(root, problem, "trusted root can't be used: signatures that need it can't be verified"),
            (false, true) => error!(root, problem, expires, "trusted root expires within a day"),
            (false, false) => {
                warn!(root, problem, expires, "trusted root is not as it should be; the last good one stays in use");
            }
        }
    }

    /// Trouble is said at once, and every hour for as long as it lasts.
    fn is_to_be_said(&mut self, is_trouble: bool, now: Timestamp) -> bool {
        if !is_trouble {
            self.reminded = None;
        }
        let is_due = self.reminded.is_none_or(|reminded| now.duration_since(reminded) >= REMINDER);
        if is_trouble && is_due {
            self.reminded = Some(now);
        }
        is_trouble && is_due
    }

    /// How the `TrustedRoot` stands, if there is one.
    pub(super) fn report(&self, grace: SignedDuration, now: Timestamp) -> Option<Report> {
        if !matches!(self.plan, Some(Plan::Given(_))) {
            return None;
        }
        let in_use = self.current.as_ref().map(|current| InUse {
            origin: current.origin,
            digest: *current.material.fingerprint(),
            contents: current.contents,
            fetched: current.expires.map(|_| current.since),
            expires: current.expires,
        });
        let problem = self.trouble(grace, now);
        Some(Report { name: self.name.clone(), generation: self.generation, in_use, problem })
    }
}

/// Why there is nothing to begin with.
enum Unrestored {
    Absent,
    Refused(String),
}

fn keep_copy(name: &str, upkeep: &Upkeep) {
    let Some(path) = &upkeep.cache else { return };
    if let Err(problem) = upkeep.files.write(path) {
        warn!(root = name, path = %path.display(), %problem, "no copy of this trusted root could be kept");
    }
}

fn is_past(expires: Timestamp, grace: SignedDuration, now: Timestamp) -> bool {
    later(expires, grace) < now
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// In time: what lives shorter than two intervals is renewed half way.
fn next_refresh(interval: SignedDuration, life: SignedDuration) -> SignedDuration {
    let half = life.checked_div(2).unwrap_or(interval);
    jittered(interval).min(half).max(RETRY)
}

fn back_off(failures: u32) -> SignedDuration {
    let doubled = 2_i32.saturating_pow(failures.saturating_sub(1));
    RETRY.checked_mul(doubled).unwrap_or(RETRY_AT_MOST).min(RETRY_AT_MOST)
}

/// Up to a tenth sooner, so that replicas don't ask all at once.
fn jittered(pause: SignedDuration) -> SignedDuration {
    let random = i32::try_from(RandomState::new().build_hasher().finish() % 100).unwrap_or_default();
    let less = pause.checked_mul(random).and_then(|all| all.checked_div(1000)).unwrap_or_default();
    pause.checked_sub(less).unwrap_or(pause)
}

fn copied_on(now: Timestamp) -> Timestamp {
    let day = COPIED_ON.parse::<Date>().ok();
    let midnight = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    midnight.map_or(now, |midnight| midnight.timestamp())
}

#[cfg(test)]
mod tests;
