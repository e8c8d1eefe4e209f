use std::net::IpAddr;

use tokio::time::advance;

use super::*;

fn peer(n: u32) -> Peer {
    IpAddr::from(n.to_be_bytes()).into()
}

/// Takes tokens until there is none.
fn spend(rates: &mut PeerRates, peer: Peer) -> u32 {
    let now = Instant::now();
    let tokens = (0_u32..).take_while(|_| {
        let has_token = rates.wait(peer, now).is_none();
        rates.take(peer, now);
        has_token
    });
    u32::try_from(tokens.count()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn net_16_a_bucket_holds_a_burst_and_fills_at_the_rate() {
    let mut rates = PeerRates::default();
    assert_eq!(spend(&mut rates, peer(1)), PEER_BURST);
    assert_eq!(rates.wait(peer(1), Instant::now()), Some(Instant::now() + PERIOD));
    assert_eq!(rates.wait(peer(2), Instant::now()), None, "each peer has its own");
    advance(Duration::from_secs(1)).await;
    assert_eq!(spend(&mut rates, peer(1)), PEER_RATE);
    advance(FULL * 10).await;
    assert_eq!(spend(&mut rates, peer(1)), PEER_BURST, "and no more than a burst");
}

#[tokio::test(start_paused = true)]
async fn net_16_what_is_taken_beyond_the_rate_makes_no_debt() {
    let mut rates = PeerRates::default();
    (0..10 * PEER_BURST).for_each(|_| rates.take(peer(1), Instant::now()));
    assert_eq!(rates.wait(peer(1), Instant::now()), Some(Instant::now() + PERIOD));
}

#[tokio::test(start_paused = true)]
async fn net_16_peers_are_bounded_and_the_busiest_is_not_forgotten() {
    let mut rates = PeerRates::default();
    spend(&mut rates, peer(0));
    for n in 1..2 * u32::try_from(PEERS).unwrap() {
        rates.take(peer(n), Instant::now());
        assert!(rates.full_at.len() <= PEERS);
    }
    assert!(rates.wait(peer(0), Instant::now()).is_some());
    advance(FULL).await;
    rates.take(peer(0), Instant::now());
    rates.take(peer(u32::MAX), Instant::now());
    assert!(rates.full_at.len() <= 2, "whoever has a full bucket is forgotten");
}
