use std::net::{IpAddr, Ipv4Addr};

use futures::FutureExt as _;

use super::*;

fn peer(n: u8) -> Peer {
    IpAddr::from(Ipv4Addr::new(10, 0, 0, n)).into()
}

fn takes(room: &mut Room, bytes: usize) -> bool {
    room.take(bytes).now_or_never().is_some()
}

#[test]
fn adm_05_who_sends_nothing_holds_nothing() {
    let lane = Lane::new(100, 100);
    let silent: Vec<_> = (0..64).map(|n| lane.room(peer(n), 100)).collect();
    let mut honest = lane.room(peer(100), 100);
    assert!(takes(&mut honest, 100));
    assert!(!takes(&mut lane.room(peer(101), 100), 1), "now it is full");
    drop((silent, honest));
    assert!(takes(&mut lane.room(peer(101), 100), 100));
}

#[test]
fn adm_05_half_bodies_never_wait_for_each_other() {
    let lane = Lane::new(100, 80);
    let (mut first, mut second) = (lane.room(peer(1), 80), lane.room(peer(2), 80));
    assert!(takes(&mut first, 50) && takes(&mut second, 20));
    assert!(!takes(&mut second, 1), "30 are free, and the first may need them all");
    assert!(takes(&mut first, 30));
    first.complete();
    assert!(!takes(&mut second, 1), "it is full");
    drop(first);
    assert!(takes(&mut second, 60));
}

#[test]
fn adm_05_a_body_that_is_shorter_than_expected_gives_the_rest_back() {
    let lane = Lane::new(100, 100);
    let (mut endless, mut next) = (lane.room(peer(1), 100), lane.room(peer(2), 60));
    assert!(takes(&mut endless, 50));
    assert!(!takes(&mut next, 51));
    endless.complete();
    assert!(takes(&mut next, 50));
}

#[test]
fn adm_05_one_peer_holds_at_most_half() {
    let lane = Lane::new(100, 10);
    let mut of_one: Vec<_> = (0..10).map(|_| lane.room(peer(1), 10)).collect();
    let taken = of_one.iter_mut().filter_map(|room| takes(room, 9).then_some(9)).sum::<usize>();
    assert_eq!(taken, 45);
    let mut others: Vec<_> = (2..7).map(|n| lane.room(peer(n), 10)).collect();
    assert!(others.iter_mut().all(|room| takes(room, 10)), "the other half is for the others");
}

#[tokio::test]
async fn adm_05_who_waits_is_woken() {
    let lane = Lane::new(10, 10);
    let mut first = lane.room(peer(1), 10);
    first.take(10).await;
    let mut second = lane.room(peer(2), 10);
    let mut waiting = Box::pin(second.take(10));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(first);
    waiting.await;
}
