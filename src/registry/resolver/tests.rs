use std::sync::mpsc;

use futures::FutureExt;
use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn dos_03_a_slow_lookup_keeps_its_share_when_nobody_waits_any_more() {
    let lookups = Shares::new(Quota { all: 2, host: 1, kept: 0 });
    let (started, has_started) = oneshot::channel();
    let (answer, answered) = mpsc::channel();
    let slow = on_a_thread(&lookups, "slow.test", move || {
        started.send(()).unwrap();
        answered.recv().map_err(io::Error::other)
    });
    tokio::select! {
        found = slow => panic!("{found:?}"),
        () = has_started.map(Result::unwrap) => {}
    }
    assert!(lookups.take("slow.test", 1).now_or_never().is_none(), "its thread is blocked still");
    assert_eq!(on_a_thread(&lookups, "other.test", || Ok(1)).await.unwrap(), 1, "others have threads");
    answer.send(()).unwrap();
    assert_eq!(on_a_thread(&lookups, "slow.test", || Ok(2)).await.unwrap(), 2);
}

#[tokio::test]
async fn the_system_knows_its_own_name() {
    let found = SystemResolver.resolve("localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback() && address.port() == 0));
    assert!(SystemResolver.resolve("").await.is_err());
}
