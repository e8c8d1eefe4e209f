//! From policies and `TrustedRoot`s to what the keeper of trusted roots is asked to keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::RootEntry;
use crate::cluster::policies::StoredPolicy;
use crate::cluster::roots::StoredRoot;
use crate::domain::RootSource;
use crate::policy::{PolicyCell, PolicySet};
use crate::trust::{Keeper, Report, Wanted, WantedRoot};

use super::super::wiring;
use super::Process;

/// A keeper at work.
pub(super) struct Keeping {
    /// What it is to keep. It begins with the first that is sent.
    pub(super) wanted: watch::Sender<Option<Wanted>>,
    /// How every `TrustedRoot` stands.
    pub(super) reports: watch::Receiver<Arc<[Report]>>,
    /// The keeper itself.
    pub(super) task: JoinHandle<()>,
}

/// Starts to keep roots for the process, which is not ready before the first are there.
pub(super) fn keep(process: &Process) -> anyhow::Result<Keeping> {
    let keeper = Keeper::new(wiring::trust(&process.config)?, process.roots.clone(), process.metrics.clone())?;
    let (wanted, receiver) = watch::channel(None);
    let (sender, reports) = watch::channel(Arc::from([]));
    let condition = process.health.condition("trusted-roots");
    Ok(Keeping { wanted, reports, task: tokio::spawn(keeper.run(receiver, sender, condition)) })
}

/// What a folder wants.
pub(super) fn of_files(roots: BTreeMap<String, RootSource>, policies: &PolicySet) -> Wanted {
    let roots = roots.into_iter().map(|(name, source)| WantedRoot { name, generation: 0, source: Ok(source) });
    Wanted { roots: roots.collect(), used: policies.trusted_roots().into_iter().map(str::to_owned).collect() }
}

/// Tells the keeper what the cluster wants, whenever its trusted roots or its policies change.
pub(super) async fn follow_cluster(
    mut roots: watch::Receiver<Option<Arc<[StoredRoot]>>>,
    mut policies: watch::Receiver<Option<Arc<[StoredPolicy]>>>,
    current: PolicyCell,
    wanted: watch::Sender<Option<Wanted>>,
) {
    loop {
        policies.mark_unchanged();
        let stored = roots.borrow_and_update().clone();
        if let Some(stored) = stored {
            let set = current.load();
            let used = set.iter().flat_map(|set| set.trusted_roots()).map(str::to_owned).collect();
            let fresh = Some(Wanted { roots: stored.iter().map(of_stored).collect(), used });
            wanted.send_if_modified(|told| {
                *told != fresh && {
                    *told = fresh;
                    true
                }
            });
        }
        tokio::select! {
            Ok(()) = roots.changed() => {}
            Ok(()) = policies.changed() => {}
            else => return,
        }
    }
}

fn of_stored(stored: &StoredRoot) -> WantedRoot {
    let RootEntry { name, source } = stored.entry.clone();
    WantedRoot { name, generation: stored.generation, source: source.map_err(|error| error.to_string()) }
}
