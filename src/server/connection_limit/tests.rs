use std::iter;

use futures::FutureExt as _;
use tokio::time::advance;

use super::super::limits::{PEER_BURST, PEER_RATE};
use super::*;

const CAUSES: Causes = Causes { full: "full", evicted: "evicted" };

fn limit(max: usize) -> ConnectionLimit {
    ConnectionLimit::new(max, CAUSES, None, Metrics::new())
}

fn peer(n: u8) -> Peer {
    IpAddr::from([10, 0, 0, n]).into()
}

/// Connections of one peer, as many as there are places for.
fn connect(limit: &ConnectionLimit, of: u8, count: usize) -> Vec<Arc<Slot>> {
    let slots = iter::repeat_with(|| limit.admit(peer(of)).map(Arc::new)).take(count);
    slots.flatten().collect()
}

fn evicted(slots: &[Arc<Slot>]) -> Vec<usize> {
    let gone = slots.iter().enumerate().filter(|(_, slot)| slot.evicted().now_or_never().is_some());
    gone.map(|(n, _)| n).collect()
}

fn answer_one(slot: &Slot) {
    slot.activity().begin();
    slot.activity().end();
}

#[tokio::test(start_paused = true)]
async fn dos_17_one_peer_may_have_all_connections_until_another_wants_one() {
    let limit = limit(64);
    let crowd = connect(&limit, 1, 64);
    assert_eq!(crowd.len(), 64);
    let others: Vec<_> = (2..10).flat_map(|n| connect(&limit, n, 1)).collect();
    assert_eq!(others.len(), 8);
    assert_eq!(evicted(&crowd), (0..8).collect::<Vec<_>>(), "the oldest of the peer that holds most");
    assert!(evicted(&others).is_empty());
}

#[tokio::test(start_paused = true)]
async fn dos_17_a_peer_that_comes_again_and_again_pushes_only_itself() {
    let limit = limit(64);
    let honest = connect(&limit, 1, 8);
    let crowd = connect(&limit, 2, 1000);
    assert_eq!(crowd.len(), 1000);
    assert!(evicted(&honest).is_empty());
    assert_eq!(evicted(&crowd).len(), 1000 - 56);
}

#[tokio::test(start_paused = true)]
async fn dos_17_the_silent_give_way_before_the_idle_and_the_longest_wait_first() {
    let limit = limit(4);
    let slots = connect(&limit, 1, 4);
    answer_one(&slots[0]);
    advance(Duration::from_millis(10)).await;
    answer_one(&slots[2]);
    let new = connect(&limit, 1, 1);
    assert_eq!(evicted(&slots), [1], "the older silent one");
    answer_one(&new[0]);
    answer_one(&slots[3]);
    let _next = connect(&limit, 1, 1);
    assert_eq!(evicted(&slots), [0], "the one that has been idle for longest");
}

#[tokio::test(start_paused = true)]
async fn dos_17_a_crowd_of_peers_does_not_displace_the_few_idle_ones_of_another() {
    let limit = limit(64);
    let api_server = connect(&limit, 255, 2);
    for slot in &api_server {
        answer_one(slot);
    }
    let crowd: Vec<_> = (0..200).flat_map(|n| connect(&limit, n, 1)).collect();
    assert_eq!(crowd.len(), 200);
    assert!(evicted(&api_server).is_empty());
}

#[tokio::test(start_paused = true)]
async fn dos_16_a_crowd_that_is_larger_does_not_cut_off_what_has_just_begun() {
    let limit = limit(64);
    let busy = connect(&limit, 1, 60);
    let turns: Vec<_> = busy.iter().filter_map(|slot| slot.turn().now_or_never()).collect();
    assert!(turns.len() > 40);
    let crowd = connect(&limit, 1, 1000);
    let handshake = connect(&limit, 2, 1);
    assert_eq!(handshake.len(), 1, "another peer gets in");
    let more = connect(&limit, 1, 1000);
    assert!(evicted(&handshake).is_empty(), "and is not pushed out by a larger one");
    drop((crowd, more));
}

#[tokio::test(start_paused = true)]
async fn dos_16_what_is_silent_for_a_second_gives_way_to_all() {
    let limit = limit(4);
    let busy = connect(&limit, 1, 3);
    let _turns: Vec<_> = busy.iter().filter_map(|slot| slot.turn().now_or_never()).collect();
    let silent = connect(&limit, 2, 1);
    assert!(limit.admit(peer(1)).is_none(), "not yet");
    advance(GRACE).await;
    assert!(limit.admit(peer(1)).is_some());
    assert_eq!(evicted(&silent), [0]);
}

#[tokio::test(start_paused = true)]
async fn dos_17_reviews_are_never_cut_off() {
    let limit = limit(8);
    let slots: Vec<_> = (0..8).flat_map(|n| connect(&limit, n, 1)).collect();
    let turns: Vec<_> = slots.iter().filter_map(|slot| slot.turn().now_or_never()).collect();
    assert_eq!(turns.len(), 8);
    assert!(limit.admit(peer(9)).is_none());
    assert!(evicted(&slots).is_empty());
    drop(turns);
    assert!(limit.admit(peer(9)).is_some());
}

#[tokio::test(start_paused = true)]
async fn dos_17_reviews_of_few_peers_leave_room_for_the_next_one() {
    for (peers, least) in [(1, 204), (2, 102), (3, 68), (8, 25)] {
        let limit = limit(1024);
        let slots: Vec<_> = (0..peers).flat_map(|n| connect(&limit, n, 1024 / usize::from(peers))).collect();
        let turns: Vec<_> = slots.iter().filter_map(|slot| slot.turn().now_or_never()).collect();
        assert!(1024 - turns.len() >= least, "{peers} peers leave {}", 1024 - turns.len());
        let newcomer = connect(&limit, 100, 1);
        assert!(newcomer[0].turn().now_or_never().is_some(), "{peers} peers");
    }
}

#[tokio::test(start_paused = true)]
async fn dos_17_who_waits_for_a_turn_gets_it_when_another_ends() {
    let limit = limit(5);
    let slots = connect(&limit, 1, 5);
    let mut turns: Vec<_> = slots.iter().filter_map(|slot| slot.turn().now_or_never()).collect();
    assert_eq!(turns.len(), 4);
    let mut waiting = Box::pin(slots[4].turn());
    assert!(waiting.as_mut().now_or_never().is_none());
    turns.pop();
    waiting.await;
}

#[tokio::test(start_paused = true)]
async fn dos_17_an_ipv6_network_is_one_peer() {
    let limit = limit(64);
    let address = |network: u16, host: u16| IpAddr::from([0xfd00, 0, 0, network, 0, 0, 0, host]).into();
    let honest = Arc::new(limit.admit(address(1, 1)).unwrap());
    let crowd: Vec<_> = (0..1000).filter_map(|host| limit.admit(address(2, host)).map(Arc::new)).collect();
    assert_eq!(evicted(&crowd).len(), 1000 - 63);
    assert!(evicted(&[honest]).is_empty());
    assert_eq!(Peer::from(IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1])), peer(1), "an IPv4 address in IPv6 form");
}

#[tokio::test(start_paused = true)]
async fn a_place_comes_back_when_its_connection_ends() {
    let limit = limit(1);
    let slot = limit.admit(peer(1)).map(Arc::new).unwrap();
    let turn = slot.turn().await;
    assert!(limit.admit(peer(2)).is_none());
    drop((turn, slot));
    assert!(limit.admit(peer(2)).is_some());
    assert!(limit.lock().peers.is_empty());
}

/// Begins and ends reviews on one connection until one has to wait, but not more than this.
fn answered_at_once(slot: &Arc<Slot>, most: u32) -> u32 {
    (0..most).take_while(|_| slot.turn().now_or_never().is_some()).count().try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn net_16_a_peer_that_is_alone_has_no_rate() {
    let limit = ConnectionLimit::new(64, CAUSES, Some(PeerRates::default()), Metrics::new());
    let api_server = connect(&limit, 1, 1);
    let _idle = connect(&limit, 2, 8);
    assert_eq!(answered_at_once(&api_server[0], 10 * PEER_BURST), 10 * PEER_BURST, "idle strangers do not count");
}

#[tokio::test(start_paused = true)]
async fn net_16_beside_others_a_peer_has_its_rate_and_the_others_never_wait_for_it() {
    let limit = ConnectionLimit::new(64, CAUSES, Some(PeerRates::default()), Metrics::new());
    let (api_server, crowd) = (connect(&limit, 1, 2), connect(&limit, 2, 8));
    let review = api_server[0].turn().await;
    assert_eq!(answered_at_once(&crowd[0], 10 * PEER_BURST), PEER_BURST);
    assert!(api_server[1].turn().now_or_never().is_some(), "the other one goes on");
    advance(Duration::from_secs(1)).await;
    assert_eq!(answered_at_once(&crowd[1], 10 * PEER_BURST), PEER_RATE, "on whichever connection");
    drop(crowd);
    let again = connect(&limit, 2, 1);
    assert_eq!(answered_at_once(&again[0], 1), 0, "a new connection is no new peer");
    drop(review);
    assert_eq!(answered_at_once(&again[0], 10 * PEER_BURST), 10 * PEER_BURST, "until nobody else asks");
}

#[tokio::test(start_paused = true)]
async fn net_16_a_review_beyond_the_rate_is_answered_in_its_turn() {
    let limit = ConnectionLimit::new(64, CAUSES, Some(PeerRates::default()), Metrics::new());
    let (api_server, crowd) = (connect(&limit, 1, 1), connect(&limit, 2, 2));
    let review = api_server[0].turn().await;
    assert_eq!(answered_at_once(&crowd[0], 10 * PEER_BURST), PEER_BURST);
    let began = Instant::now();
    crowd[0].turn().await;
    assert_eq!(began.elapsed().as_millis(), 1000 / u128::from(PEER_RATE), "with the next token");
    let mut waiting = Box::pin(crowd[1].turn());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(review);
    assert!(waiting.now_or_never().is_some(), "or as soon as no other peer's review is being answered");
}
