use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::poll;
use tokio::time::timeout;

use super::*;

const TTL: Duration = Duration::from_secs(30);

/// Name servers that answer for all names but those below `dead.test`, and how often they were asked.
fn lookups() -> (Lookups, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let ask = move |host: String| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            if host.ends_with("dead.test") {
                pending::<()>().await;
            }
            let addresses = vec![Ipv4Addr::LOCALHOST.into(); 2 * ADDRESSES];
            (!host.starts_with("none"))
                .then(|| Addresses { addresses, until: Instant::now().checked_add(TTL).unwrap() })
        }
        .boxed()
    };
    (Lookups::new(Arc::new(ask)), asked)
}

#[tokio::test]
async fn net_17_a_zone_that_nobody_answers_for_leaves_places_for_other_names() {
    let (lookups, asked) = lookups();
    let names: Vec<_> = (0..100).map(|number| format!("x{number}.dead.test")).collect();
    let mut dead: Vec<_> = names.iter().map(|name| Box::pin(lookups.of(name))).collect();
    for one in &mut dead {
        assert!(poll!(one.as_mut()).is_pending());
    }
    assert_eq!(asked.load(Ordering::Relaxed), LOOKUPS.host as usize, "the others wait for their turn");
    let found = timeout(Duration::from_secs(20), lookups.of("registry.test")).await;
    assert!(found.is_ok_and(|found| found.is_some()));
    assert!(lookups.of("y.dead.test").now_or_never().is_none());
    drop(dead);
    let mut next = Box::pin(lookups.of("y.dead.test"));
    assert!(poll!(next.as_mut()).is_pending());
    assert_eq!(
        asked.load(Ordering::Relaxed),
        LOOKUPS.host as usize + 2,
        "what nobody waits for any more holds nothing"
    );
}

#[tokio::test]
async fn net_17_many_dead_zones_leave_a_part_for_a_zone_that_has_none() {
    let asks: Ask = Arc::new(|host: String| {
        let found = Addresses { addresses: Vec::new(), until: Instant::now() };
        async move { if host.contains("dead") { pending().await } else { Some(found) } }.boxed()
    });
    let lookups = Lookups::new(asks);
    let names: Vec<_> = (0..10).flat_map(|zone| (0..10).map(move |n| format!("x{n}.dead{zone}.test"))).collect();
    let mut dead: Vec<_> = names.iter().map(|name| Box::pin(lookups.of(name))).collect();
    for one in &mut dead {
        assert!(poll!(one.as_mut()).is_pending());
    }
    let found = timeout(Duration::from_secs(20), lookups.of("registry.test")).await;
    assert!(found.is_ok_and(|found| found.is_some()));
}

#[tokio::test(start_paused = true)]
async fn net_17_a_name_is_asked_for_once_and_kept_as_long_as_it_is_good_for() {
    let (lookups, asked) = lookups();
    let both = futures::join!(lookups.of("a.test"), lookups.of("a.test"));
    assert_eq!(both.0, both.1);
    assert_eq!(both.0.unwrap().len(), ADDRESSES);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    tokio::time::advance(TTL.saturating_sub(Duration::from_secs(1))).await;
    assert!(lookups.of("a.test").await.is_some());
    assert_eq!(asked.load(Ordering::Relaxed), 1, "it is kept");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(lookups.of("a.test").await.is_some());
    assert_eq!(asked.load(Ordering::Relaxed), 2, "and asked for again");
    for _ in 0..2 {
        assert!(lookups.of("none.test").await.is_none());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 4, "what is not there is not kept");
}

#[tokio::test]
async fn net_17_one_who_gives_up_takes_the_look_up_from_nobody() {
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let opened = opened.map(drop).boxed().shared();
    let asks: Ask = Arc::new(move |_| {
        let opened = opened.clone();
        async move {
            opened.await;
            Some(Addresses { addresses: vec![Ipv4Addr::LOCALHOST.into()], until: Instant::now() })
        }
        .boxed()
    });
    let lookups = Lookups::new(asks);
    let mut first = Box::pin(lookups.of("a.test"));
    assert!(poll!(first.as_mut()).is_pending());
    let other = lookups.clone();
    let second = tokio::spawn(async move { other.of("a.test").await });
    tokio::task::yield_now().await;
    drop(first);
    gate.send(()).unwrap();
    assert!(second.await.unwrap().is_some());
}

#[tokio::test]
async fn net_17_no_more_names_are_kept_than_the_limit() {
    let (lookups, _) = lookups();
    for number in 0..2 * KEPT_NAMES {
        lookups.of(&format!("x{number}.test")).await.unwrap();
    }
    assert!(lookups.names().len() <= KEPT_NAMES);
}
