//! From policies and `TrustedRoot`s to what the keeper of trusted roots is asked to keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::domain::RootSource;
use crate::policy::PolicySet;
use crate::trust::{Keeper, Wanted, WantedRoot};

use super::super::wiring;
use super::Process;

/// A keeper at work.
pub(super) struct Keeping {
    /// What it is to keep. It begins with the first that is sent.
    pub(super) wanted: watch::Sender<Option<Wanted>>,
    /// The keeper itself.
    pub(super) task: JoinHandle<()>,
}

/// Starts to keep roots for the process, which is not ready before the first are there.
pub(super) fn keep(process: &Process) -> anyhow::Result<Keeping> {
    let keeper = Keeper::new(wiring::trust(&process.config)?, process.roots.clone(), process.metrics.clone())?;
    let (wanted, receiver) = watch::channel(None);
    let (sender, _) = watch::channel(Arc::from([]));
    let condition = process.health.condition("trusted-roots");
    Ok(Keeping { wanted, task: tokio::spawn(keeper.run(receiver, sender, condition)) })
}

/// What a folder wants.
pub(super) fn of_files(roots: BTreeMap<String, RootSource>, policies: &PolicySet) -> Wanted {
    let roots = roots.into_iter().map(|(name, source)| WantedRoot { name, generation: 0, source: Ok(source) });
    Wanted { roots: roots.collect(), used: policies.trusted_roots().into_iter().map(str::to_owned).collect() }
}
