//! Work that goes on whoever waits for it.

use std::future::pending;
use std::panic::resume_unwind;

use tokio::task::JoinSet;

/// Does this in a task of its own, from the first poll on. It needs nobody to poll it any more, and ends when what waits for it is dropped.
pub(super) async fn in_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    // A set aborts its tasks when it is dropped.
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(fault)) if fault.is_panic() => resume_unwind(fault.into_panic()),
        // The runtime ends, and this with it.
        Some(Err(_)) | None => pending().await,
    }
}
