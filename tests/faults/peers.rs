//! A thousand peers that connect and say nothing: probes and honest reviews are answered as before, also where those that were thrown out
//! come back at once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use crate::memory::{binary, policy, review, signed};
use crate::support::process::{Launch, Sealgate};
use crate::support::registry::TestRegistry;
use crate::support::signer::SigningKey;

const PEERS: usize = 1024;
const MEASURED: usize = 500;
/// How soon a peer that was thrown out comes back: as clients do, and as fast as it can.
const PATIENT: Duration = Duration::from_secs(1);
const STORM: Duration = Duration::from_millis(100);
/// Where less is measured, the machine's noise decides.
const NOISE: Duration = Duration::from_millis(5);
/// The most in a storm of some thousand connections a second, made by the same processors.
const MOST: Duration = Duration::from_millis(50);

/// What all peers share.
#[derive(Default)]
struct Crowd {
    connected: AtomicUsize,
    /// In milliseconds.
    pause: AtomicU64,
}

impl Crowd {
    fn pause(&self, pause: Duration) {
        self.pause.store(pause.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

/// An address of this machine for each peer.
fn address_of(peer: usize) -> SocketAddr {
    let [.., high, low] = peer.to_be_bytes();
    SocketAddr::from(([127, 1, high, low], 0))
}

/// Connects, says nothing, and comes back after it was thrown out.
async fn stay_silent(peer: usize, target: SocketAddr, crowd: &Crowd) {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address_of(peer)).unwrap();
        if let Ok(mut stream) = socket.connect(target).await {
            crowd.connected.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0]).await;
        }
        tokio::time::sleep(Duration::from_millis(crowd.pause.load(Ordering::Relaxed))).await;
    }
}

/// The 99th percentile of what honest reviews and probes take.
fn measure(gate: &Sealgate, review: &[u8]) -> [Duration; 2] {
    let (mut reviews, mut probes) = (Vec::new(), Vec::new());
    for _ in 0..MEASURED {
        let began = Instant::now();
        let answer = gate.ask("/validate", review).unwrap();
        reviews.push(began.elapsed());
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        let began = Instant::now();
        assert_eq!(gate.admin("/readyz").unwrap().0, 200);
        probes.push(began.elapsed());
    }
    [reviews, probes].map(|mut times| {
        times.sort_unstable();
        times[times.len() * 99 / 100]
    })
}

#[test]
fn dos_16_a_thousand_silent_peers_delay_no_review_and_no_probe() {
    let (registry, key) = (TestRegistry::start(), SigningKey::new());
    let image = signed(&registry, &key);
    let policies = vec![policy("ci", &format!("{}/**", image.host), &key)];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silent-peers");
    let gate = Launch::new(binary(), folder, policies).registries(&[&image.host]).start();
    let review = review(&image.by_digest());
    let alone = measure(&gate, &review);
    let crowd: &'static Crowd = Box::leak(Box::default());
    crowd.pause(PATIENT);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for peer in 0..PEERS {
        let target = if peer % 2 == 0 { gate.address } else { gate.admin };
        runtime.spawn(stay_silent(peer, target, crowd));
    }
    while crowd.connected.load(Ordering::Relaxed) < PEERS {
        std::thread::sleep(Duration::from_millis(10));
    }
    let beside = |pause: Duration| {
        crowd.pause(pause);
        let (before, began) = (crowd.connected.load(Ordering::Relaxed), Instant::now());
        let measured = measure(&gate, &review);
        let connected = crowd.connected.load(Ordering::Relaxed) - before;
        eprintln!(
            "p99 of reviews and probes: {measured:?} beside {PEERS} silent peers, who connected {connected} times in {:?}",
            began.elapsed()
        );
        measured
    };
    let (patient, storm) = (beside(PATIENT), beside(STORM));
    eprintln!("alone: {alone:?}");
    for ((alone, patient), storm) in alone.into_iter().zip(patient).zip(storm) {
        assert!(patient <= NOISE.max(2 * alone), "{alone:?} became {patient:?}");
        assert!(storm <= MOST, "{alone:?} became {storm:?}");
    }
}
