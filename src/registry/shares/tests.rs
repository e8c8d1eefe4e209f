use futures::FutureExt;

use super::*;

fn shares(all: u32, host: u32, kept: u32) -> Shares {
    Shares::new(Quota { all, host, kept })
}

#[tokio::test]
async fn dos_03_one_host_takes_no_more_than_its_part() {
    let shares = shares(4, 2, 0);
    let first = shares.take("a", 1).await;
    let _second = shares.take("a", 1).await;
    assert!(shares.take("a", 1).now_or_never().is_none(), "its part is used up");
    let _other = shares.take("b", 2).now_or_never().expect("another host has its own");
    assert!(shares.take("c", 1).now_or_never().is_none(), "everything is used up");
    drop(first);
    let _third = shares.take("c", 1).now_or_never().expect("what is given back is there for all");
}

#[tokio::test]
async fn net_18_a_part_is_kept_for_hosts_that_use_none() {
    // The same with nothing kept: the newcomer waits.
    for (kept, served) in [(1, true), (0, false)] {
        let shares = shares(4 + kept, 4, kept);
        let mut held = Vec::new();
        for host in ["a", "a", "b", "b"] {
            held.push(shares.take(host, 1).await);
        }
        assert!(shares.take("a", 1).now_or_never().is_none(), "it uses some");
        assert!(shares.take("b", 1).now_or_never().is_none());
        let newcomer = shares.take("c", 1).now_or_never();
        assert_eq!(newcomer.is_some(), served, "{kept}");
        assert!(shares.take("c", 1).now_or_never().is_none(), "and now it uses some");
        drop(newcomer);
        assert_eq!(shares.take("d", 1).now_or_never().is_some(), served, "what is kept comes back: {kept}");
    }
}

#[tokio::test]
async fn net_18_a_host_that_many_wait_for_keeps_others_waiting_for_its_part_at_most() {
    let shares = Arc::new(shares(2, 2, 0));
    let held = [shares.take("a", 1).await, shares.take("a", 1).await];
    let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(shares.take("a", 1))).collect();
    for one in &mut crowd {
        assert!(futures::poll!(one.as_mut()).is_pending());
    }
    let mut other = pin!(shares.take("b", 1));
    assert!(futures::poll!(other.as_mut()).is_pending());
    drop(held);
    assert!(futures::poll!(other.as_mut()).is_ready(), "of the crowd nobody was in front of it");
}

#[tokio::test]
async fn what_waits_and_is_dropped_takes_nothing_with_it() {
    let shares = shares(2, 1, 1);
    let held = shares.take("a", 1).await;
    {
        let mut dropped = pin!(shares.take("a", 1));
        assert!(futures::poll!(dropped.as_mut()).is_pending());
        drop(held);
        // It was served and has not noticed.
    }
    let _again = shares.take("a", 1).now_or_never().expect("its part is whole");
    let _other = shares.take("b", 1).now_or_never().expect("what is kept is whole");
}

#[tokio::test]
async fn more_than_a_part_waits_for_the_part() {
    let shares = shares(4, 2, 0);
    let all = shares.take("a", u32::MAX).now_or_never().expect("or it would wait for ever");
    assert!(shares.take("a", 1).now_or_never().is_none());
    drop(all);
    assert!(shares.take("a", 1).now_or_never().is_some());
}

#[tokio::test]
async fn hosts_that_take_nothing_are_forgotten() {
    let shares = shares(4, 2, 0);
    let kept = shares.take("kept", 2).await;
    for n in 0..10 * MAX_IDLE_HOSTS {
        shares.take(&n.to_string(), 1).await;
    }
    assert!(shares.hosts.lock().unwrap().len() <= MAX_IDLE_HOSTS);
    assert!(shares.take("kept", 1).now_or_never().is_none(), "but not those that have something");
    drop(kept);
}
