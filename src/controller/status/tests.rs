use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use super::*;
use crate::api;
use crate::cluster::scripted::Traffic;

/// Policies in the mode Enforce.
fn policies(count: usize) -> Vec<StoredPolicy> {
    let spec = json!({
        "match": {"images": ["registry.example/app"]}, "authorities": [{"name": "fixed", "static": "Deny"}],
    });
    let policy = |number| {
        let name = format!("policy-{number}");
        StoredPolicy {
            uid: Some(name.clone()),
            generation: 1,
            conditions: Vec::new(),
            entry: api::compile(&name, &spec),
            name,
        }
    };
    (0..count).map(policy).collect()
}

/// Writes what is due for the gate as it stands; whether all succeeded.
async fn round(client: Client, policies: &[StoredPolicy], written: &mut BTreeMap<String, Vec<Condition>>) -> bool {
    let api = Api::all_with(client.clone(), &resource());
    let due = due(policies, Some(&Enforcement::Absent), written);
    write_all(&api, &Events::new(client, "gate-1"), due, written).await
}

#[tokio::test(start_paused = true)]
async fn flt_47_an_open_gate_is_told_on_many_policies_at_once() {
    let (policies, traffic) = (policies(40), Traffic::default());
    let (mut written, began) = (BTreeMap::new(), Instant::now());
    assert!(round(traffic.client(Duration::from_secs(1)), &policies, &mut written).await);
    assert_eq!((written.len(), traffic.begun()), (40, 80), "a status and an event of each");
    assert_eq!(traffic.most(), STATUS_WRITES);
    assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
    assert!(round(traffic.client(Duration::ZERO), &policies, &mut written).await);
    assert_eq!(traffic.begun(), 80, "nothing is due any more");
}

#[tokio::test(start_paused = true)]
async fn flt_47_while_the_api_server_is_away_the_others_do_not_wait_for_it() {
    let (policies, traffic) = (policies(40), Traffic::default());
    let (mut written, began) = (BTreeMap::new(), Instant::now());
    assert!(!round(traffic.client(Duration::from_hours(1)), &policies, &mut written).await);
    assert_eq!((written.len(), began.elapsed()), (0, REQUEST_TIMEOUT));
    assert!(traffic.begun() <= STATUS_WRITES + 1, "{}", traffic.begun());
}
