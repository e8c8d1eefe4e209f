//! The API server shows a certificate, and nobody else gets an answer.

use std::env;

use serde_json::json;

use crate::world::{World, pod};

/// The common name of the certificate in `tests/cluster/up.sh`.
const NAME: &str = "kube-apiserver-kubelet-client";

fn world(name: &str, client_name: &str) -> World {
    let ca = env::var("SEALGATE_E2E_CLIENT_CA").expect("missing: SEALGATE_E2E_CLIENT_CA");
    World::with_arguments(name, &json!({}), &["--client-ca", &ca, "--client-name", client_name])
}

#[test]
#[ignore = "needs an API server that shows a certificate"]
fn net_16_the_api_server_is_let_in_by_its_certificate() {
    let world = world("client-certificate", NAME);
    world.enforce();
    world.signed("shop/app", "1");
    world.create(&pod("signed", &world.image("shop/app:1"))).unwrap();
    let refused = world.dry_run(&pod("unsigned", &world.image("probe:unsigned"))).unwrap_err();
    assert!(refused.contains("NO_SIGNATURE"), "{refused}");
}

#[test]
#[ignore = "needs an API server that shows a certificate"]
fn net_16_an_api_server_of_another_name_gets_no_answer() {
    let world = world("client-name", "somebody-else");
    world.policy("ci-images", &world.policy_spec()).unwrap();
    world.signed("shop/app", "1");
    let signed = pod("signed", &world.image("shop/app:1"));
    world.until("the webhooks fail closed", || world.dry_run(&signed).is_err());
    let refused = world.dry_run(&signed).unwrap_err();
    assert!(refused.contains("access denied"), "{refused}");
    assert!(world.metric("sealgate_shed_total{cause=\"client-certificate\"}") > 0.5);
}
