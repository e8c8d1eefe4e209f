//! How long what changes in the cluster goes unnoticed.

use std::fmt::Write as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::kubectl::{kubectl, kubectl_with, run};
use crate::support::signer::SigningKey;

use super::{Answer, LIMIT, PATIENCE, Replica, Sample, World, ask, bash, create, until, within};

#[test]
fn flt_44_after_an_outage_of_the_api_server_a_revoked_key_is_refused_within_ten_seconds() {
    let world = World::new();
    let ((away, back, changed), samples) = world.watched(|| {
        bash("stop apiserver");
        let away = Instant::now();
        thread::sleep(Duration::from_mins(1));
        let back = Instant::now();
        bash("restart apiserver; wait_for kubectl get --raw /readyz");
        // kube-proxy takes its time to find the API server again; until then no pod can reach it.
        let pods = ["-sko", "/dev/null", "-m", "1", "https://10.96.0.1/readyz"];
        let reached =
            within(3 * PATIENCE, "pods reach the API server", || run(Command::new("curl").args(pods), "").is_ok());
        eprintln!("pods reach the API server {reached:?} after it is back");
        world.trust(&SigningKey::new());
        let changed = Instant::now();
        thread::sleep(LIMIT + Duration::from_secs(3));
        (away, back, changed)
    });
    for ((replica, image), samples) in &samples {
        let during: Vec<_> = samples.iter().filter(|sample| away < sample.at && sample.at < back).collect();
        let right = |sample: &&Sample| (sample.answer == Answer::Allowed) == (*image == world.signed);
        assert!(during.len() > 100 && during.iter().all(right), "{replica} answers all the while: {during:?}");
    }
    world.revoked("API server away for 60 s", &samples, changed);
}

/// From now on not one packet of the connections between these pods and the API server arrives; new ones are not affected.
struct Silence;

impl Silence {
    fn of(replicas: &[Replica]) -> Self {
        let sockets = run(Command::new("ss").args(["-Htn", "state", "established", "( sport = :6443 )"]), "").unwrap();
        let peers: Vec<_> = sockets.lines().filter_map(|line| line.split_whitespace().next_back()).collect();
        let mut rules = String::from(
            "table inet silence {\n chain from { type filter hook prerouting priority raw; }\n \
             chain to { type filter hook output priority raw; }\n}\n",
        );
        let mut connections = 0;
        for peer in peers {
            let (address, port) = peer.rsplit_once(':').unwrap();
            let address = address.trim_start_matches("[::ffff:").trim_end_matches(']');
            if replicas.iter().any(|replica| replica.address == address) {
                writeln!(rules, "add rule inet silence from ip saddr {address} tcp sport {port} drop").unwrap();
                writeln!(rules, "add rule inet silence to ip daddr {address} tcp dport {port} drop").unwrap();
                connections += 1;
            }
        }
        assert!(connections >= replicas.len(), "{connections} connections: {sockets}");
        run(Command::new("nft").args(["-f", "-"]), &rules).unwrap();
        eprintln!("{connections} connections are silent");
        Self
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = run(Command::new("nft").args(["delete", "table", "inet", "silence"]), "");
    }
}

#[test]
fn flt_45_when_connections_fall_silent_a_revoked_key_is_refused_within_ten_seconds() {
    let world = World::new();
    let (changed, samples) = world.watched(|| {
        let _silence = Silence::of(&world.replicas);
        world.trust(&SigningKey::new());
        let changed = Instant::now();
        thread::sleep(LIMIT + Duration::from_secs(3));
        changed
    });
    world.revoked("connections silently cut", &samples, changed);
}

#[test]
fn flt_44_policies_that_come_back_with_their_definition_are_in_force_within_ten_seconds() {
    let world = World::new();
    let definition = "crd/clustersignaturepolicies.sealgate.dev";
    let saved = kubectl(&["get", definition, "-o", "json"]).unwrap();
    let mut saved: Value = serde_json::from_str(&saved).unwrap();
    saved.as_object_mut().unwrap().remove("status");
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        saved["metadata"].as_object_mut().unwrap().remove(field);
    }
    kubectl(&["delete", definition, "--timeout=30s"]).unwrap();
    until("the replicas have seen that all policies are gone", || {
        world.replicas.iter().all(|replica| ask(replica, &world.unsigned) == Answer::Allowed)
    });
    // Longer than the first pauses of any back-off.
    thread::sleep(Duration::from_secs(20));
    kubectl_with(&["create", "-f", "-"], &saved.to_string()).unwrap();
    kubectl(&["wait", "--for=condition=Established", definition, "--timeout=30s"]).unwrap();
    world.trust(&world.key);
    let enforced = within(PATIENCE, "both replicas enforce it", || world.is_enforced());
    let closed = within(PATIENCE, "the API server refuses", || !create(&world.unsigned));
    eprintln!("definition gone and back: in force after {enforced:?}, through the API server {closed:?} later");
    assert!(enforced <= LIMIT && closed <= LIMIT);
    kubectl(&["wait", "--for=condition=Ready", "csigpol/ci", "--timeout=10s"]).unwrap();
}
