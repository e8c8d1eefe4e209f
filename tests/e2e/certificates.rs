//! The certificate is renewed while the gate runs.

use serde_json::{Value, json};

use crate::kubectl::kubectl;
use crate::world::{World, pod};

#[test]
fn flt_24_a_renewed_certificate_is_served_without_a_restart() {
    let world = World::new("renew");
    world.enforce();
    world.signed("app", "v1");
    let secret = || -> Value {
        let name = format!("{}-tls", world.service());
        let text = kubectl(&["get", "secret", &name, "-n", &world.release(), "-o", "json"]).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let before = secret();
    let loaded = || world.log().matches("serving certificate loaded").count();
    let times = loaded();
    // Without its certificate the Secret gets a new one by the same authority.
    let name = format!("{}-tls", world.service());
    let patch = json!({"data": {"tls.crt": "", "tls.key": ""}});
    kubectl(&["patch", "secret", &name, "-n", &world.release(), "--type=merge", "-p", &patch.to_string()]).unwrap();
    let signed = pod("app", &world.image("app:v1"));
    world.until("the new certificate is served", || {
        world.dry_run(&signed).expect("admitted at every moment");
        loaded() > times
    });
    world.dry_run(&signed).unwrap();
    let after = secret();
    assert_ne!(before["data"]["tls.crt"], after["data"]["tls.crt"]);
    assert_eq!(before["data"]["ca.crt"], after["data"]["ca.crt"]);
}
