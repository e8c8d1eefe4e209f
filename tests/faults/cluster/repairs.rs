//! What somebody changes or takes away, and how long the gate is open or shut because of it.

use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::kubectl::kubectl;

use super::{PATIENCE, Replica, World, create, replicas, try_create, until, within};

/// The names of the webhooks in force with the policy `Fail`.
fn closed() -> Vec<String> {
    let path = "-o=jsonpath={.webhooks[?(@.failurePolicy==\"Fail\")].name}";
    let names = kubectl(&["get", "validatingwebhookconfiguration", "sealgate", path]);
    names.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn cfg_15_a_webhook_that_is_removed_again_and_again_is_put_back_within_two_seconds() {
    let world = World::new();
    until("the gate fails closed", || closed().contains(&"validate.pods.sealgate.dev".to_owned()));
    let remove = r#"[{"op": "replace", "path": "/webhooks", "value": []}]"#;
    let mut open = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", remove]).unwrap();
        open.push(within(PATIENCE, "the webhook is back", || !closed().is_empty()));
    }
    let longest = open.iter().max().unwrap();
    eprintln!("removed {} times in 30 s: open for {longest:?} at most", open.len());
    assert!(open.len() >= 10 && *longest <= Duration::from_secs(2), "{open:?}");
    // A list that was emptied does not say by whom.
    let soften = r#"[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]"#;
    kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", soften]).unwrap();
    until("it fails closed again", || closed().contains(&"validate.pods.sealgate.dev".to_owned()));
    let named = |replica: &Replica| {
        let log = kubectl(&["logs", "-n", "sealgate", &replica.name]).unwrap();
        log.lines().any(|line| line.contains("changed by somebody else") && line.contains("kubectl-patch"))
    };
    assert!(world.replicas.iter().any(named), "the log names the client that did it");
}

/// The garbage collector deletes an object none of whose owners is there.
#[test]
fn cfg_20_an_owner_that_is_not_there_beside_ours_does_not_have_the_configuration_deleted() {
    let _world = World::new();
    until("the gate fails closed", || closed().contains(&"validate.pods.sealgate.dev".to_owned()));
    let fields = "-o=jsonpath={.metadata.uid} {.metadata.ownerReferences[*].uid}";
    let identity = || kubectl(&["get", "validatingwebhookconfiguration", "sealgate", fields]).unwrap();
    let before = identity();
    let gone =
        json!({"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "6d6d7be4-9e1f-4b55-a3a4-6f0b9a7a2d0c"});
    let add = json!([{"op": "add", "path": "/metadata/ownerReferences/-", "value": gone}]).to_string();
    kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", &add]).unwrap();
    until("the garbage collector has taken the stranger away", || identity() == before);
    assert!(!closed().is_empty());
}

#[test]
fn cfg_17_a_stranger_who_takes_the_lease_for_ever_leads_for_seconds() {
    let world = World::new();
    let lease = json!({"spec": {
        "holderIdentity": "stranger", "leaseDurationSeconds": i32::MAX, "renewTime": "2099-01-01T00:00:00.000000Z",
    }});
    kubectl(&["patch", "lease", "sealgate", "-n", "sealgate", "--type=merge", "-p", &lease.to_string()]).unwrap();
    let remove = r#"[{"op": "replace", "path": "/webhooks", "value": []}]"#;
    // The leader of before may still repair, until it sees that it leads no more.
    thread::sleep(Duration::from_secs(5));
    kubectl(&["patch", "validatingwebhookconfiguration", "sealgate", "--type=json", "-p", remove]).unwrap();
    let open = within(PATIENCE, "somebody leads and repairs", || !closed().is_empty());
    eprintln!("a stranger held the lease: repaired after {:.1} s", open.as_secs_f64());
    assert!(open < Duration::from_secs(20), "{open:?}");
    let holder =
        kubectl(&["get", "lease", "sealgate", "-n", "sealgate", "-o", "jsonpath={.spec.holderIdentity}"]).unwrap();
    assert!(world.replicas.iter().any(|replica| holder.contains(&replica.name)), "{holder}");
}

/// The keys of the certificate's Secret with values of a CA and a server that have expired.
fn expired() -> Value {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

    let past = |names: &[&str]| {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        params
    };
    let mut authority = past(&[]);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = past(&["sealgate.sealgate.svc"]).signed_by(&key, &ca).unwrap();
    let encoded = |text: String| Value::from(STANDARD.encode(text));
    json!({
        "ca.crt": encoded(ca.pem()), "ca.key": encoded(ca.key().serialize_pem()),
        "tls.crt": encoded(certificate.pem()), "tls.key": encoded(key.serialize_pem()),
    })
}

/// Asks for pods through the API server while something is done to the Secret, and for as long afterwards; how many failed.
fn created(world: &World, patch: &Value) -> (usize, Vec<String>) {
    let secret = ["patch", "secret", "sealgate-tls", "-n", "sealgate", "--type=merge", "-p"];
    kubectl(&[&secret[..], &[&patch.to_string()]].concat()).unwrap();
    let (mut asked, mut failed) = (0, Vec::new());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        asked += 1;
        failed.extend(try_create(&world.signed).err());
    }
    (asked, failed)
}

#[test]
fn flt_46_an_expired_certificate_in_the_secret_fails_no_review_and_is_replaced() {
    let world = World::new();
    let expired = expired();
    let (asked, failed) = created(&world, &json!({"data": expired}));
    eprintln!("an expired certificate in the Secret: {} of {asked} creates failed", failed.len());
    assert!(asked > 20 && failed.is_empty(), "{failed:?}");
    let now =
        kubectl(&["get", "secret", "sealgate-tls", "-n", "sealgate", "-o", "jsonpath={.data.tls\\.crt}"]).unwrap();
    assert!(!now.is_empty() && expired["tls.crt"] != now, "the leader has written another");
    assert!(!create(&world.unsigned));
}

#[test]
fn cfg_19_without_its_secret_the_gate_makes_another_before_a_restart_needs_it() {
    let world = World::new();
    kubectl(&["delete", "secret", "sealgate-tls", "-n", "sealgate"]).unwrap();
    let certificate = ["get", "secret", "sealgate-tls", "-n", "sealgate", "-o", "jsonpath={.data.tls\\.crt}"];
    let made =
        within(PATIENCE, "the Secret is there again", || kubectl(&certificate).is_ok_and(|text| !text.is_empty()));
    eprintln!("Secret deleted: made again after {made:?}");
    assert!(made < Duration::from_secs(20), "{made:?}");
    let pods = ["delete", "pods", "-n", "sealgate", "-l", "app.kubernetes.io/component=gate", "--wait=true"];
    kubectl(&pods).unwrap();
    until("two other replicas are ready", || {
        let now = replicas();
        now.len() == 2 && now.iter().all(|replica| !world.replicas.contains(replica))
    });
    until("the API server trusts them", || create(&world.signed) && !create(&world.unsigned));
}
