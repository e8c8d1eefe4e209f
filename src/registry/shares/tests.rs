use futures::FutureExt;

use super::Shares;

#[tokio::test]
async fn dos_03_one_host_takes_no_more_than_its_part() {
    let shares = Shares::new(4, 2);
    let first = shares.take("a", 1).await;
    let _second = shares.take("a", 1).await;
    assert!(shares.take("a", 1).now_or_never().is_none(), "its part is used up");
    let _other = shares.take("b", 2).now_or_never().expect("another host has its own");
    assert!(shares.take("c", 1).now_or_never().is_none(), "everything is used up");
    drop(first);
    let _third = shares.take("c", 1).now_or_never().expect("what is given back is there for all");
}

#[tokio::test]
async fn more_than_a_part_waits_for_the_part() {
    let shares = Shares::new(4, 2);
    let all = shares.take("a", u32::MAX).now_or_never().expect("or it would wait for ever");
    assert!(shares.take("a", 1).now_or_never().is_none());
    drop(all);
    assert!(shares.take("a", 1).now_or_never().is_some());
}

#[tokio::test]
async fn hosts_that_take_nothing_are_forgotten() {
    let shares = Shares::new(4, 2);
    let kept = shares.take("kept", 2).await;
    for n in 0..10 * super::MAX_IDLE_HOSTS {
        shares.take(&n.to_string(), 1).await;
    }
    assert!(shares.hosts.lock().unwrap().len() <= super::MAX_IDLE_HOSTS);
    assert!(shares.take("kept", 1).now_or_never().is_none(), "but not those that have something");
    drop(kept);
}
