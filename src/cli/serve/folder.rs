//! Serving without a cluster: policies from a folder, a certificate of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::admission::PolicySource;
use crate::cluster::certificates::self_signed;
use crate::files::{Contents, Watcher};
use crate::keychain::DockerConfigFile;
use crate::policy::{Entry, PolicyCell};
use crate::telemetry::{Health, Metrics};
use crate::trust::Wanted;
use crate::verifier::ports::NameAlone;

use super::{Process, roots};

/// How often the folder is read again.
const POLL: Duration = Duration::from_secs(2);
/// What is told as old while the folder can't be read.
const STALE: &str = "policy-folder";

#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "With policies from a folder")]
pub(super) struct Arguments {
    /// Write the CA of the self-signed certificate to DIR/ca.crt, for curl --cacert
    #[arg(long, value_name = "DIR", requires = "policies")]
    self_signed: Option<PathBuf>,
}

/// Where the contents of the folder go.
struct Outlets {
    policies: PolicyCell,
    metrics: Metrics,
    health: Health,
    wanted: watch::Sender<Option<Wanted>>,
}

pub(super) async fn serve(process: Process, arguments: Arguments, path: PathBuf) -> anyhow::Result<()> {
    let condition = process.health.condition("policies");
    let (watcher, contents) = Watcher::start(path.clone())?;
    let keeping = roots::keep(&process)?;
    let outlets = Outlets {
        policies: process.policies.clone(),
        metrics: process.metrics.clone(),
        health: process.health.clone(),
        wanted: keeping.wanted,
    };
    publish(&outlets, contents);
    condition.met();
    let names = ["localhost".to_owned(), process.listener.local_addr()?.ip().to_string()];
    let serving = self_signed(&names, Timestamp::now())?;
    process.metrics.certificate_expires(serving.expires.as_second());
    if let Some(folder) = &arguments.self_signed {
        write_ca(folder, &serving.ca_bundle)?;
    }
    // The sender is kept: the certificate does not change.
    let (_sender, certificate) = watch::channel(Some(serving.key));
    let reload = tokio::spawn(follow(watcher, outlets));
    let source = PolicySource::Folder(path.display().to_string());
    let served = process.serve(None::<DockerConfigFile>, NameAlone, source, certificate, Duration::ZERO).await;
    reload.abort();
    keeping.task.abort();
    served
}

/// Reads the folder again and again. A set that can't be read leaves the last good one in force, loudly.
async fn follow(mut watcher: Watcher, outlets: Outlets) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let polled = tokio::task::spawn_blocking(move || {
            let answer = watcher.poll();
            (watcher, answer)
        });
        let Ok((back, answer)) = polled.await else { return };
        watcher = back;
        match answer {
            None => {}
            Some(Ok(contents)) => {
                outlets.health.set_stale(STALE, None);
                publish(&outlets, contents);
            }
            Some(Err(problem)) => {
                outlets.health.set_stale(STALE, Some(Timestamp::now()));
                outlets.metrics.policy_reload_failed();
                error!(%problem, "the changed policies can't be used; the last good ones stay in force");
            }
        }
    }
}

fn publish(outlets: &Outlets, contents: Contents) {
    let Contents { policies: set, roots, broken: problems } = contents;
    let states = set.states();
    outlets.metrics.policies(&states);
    let [(_, valid), (_, broken), (_, last_good)] = states;
    info!(valid, broken, last_good, "policies loaded");
    for problem in problems {
        error!(%problem, "a policy can't be used: its last good version stays in force, or its images are denied if there is none");
    }
    for policy in set.entries().iter().filter_map(Entry::in_force) {
        for warning in policy.warnings() {
            warn!(policy = %policy.parts().name, %warning, "a policy says what is legal but hardly meant");
        }
    }
    outlets.wanted.send_replace(Some(roots::of_files(roots, &set)));
    outlets.policies.store(set);
}

fn write_ca(folder: &Path, ca: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{}: can't be made", folder.display()))?;
    let path = folder.join("ca.crt");
    fs::write(&path, ca).with_context(|| format!("{}: can't be written", path.display()))
}
