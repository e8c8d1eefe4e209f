//! The certificate is renewed while the gate runs.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use sealgate::cluster::certificates::{Material, service_names};
use serde_json::{Value, json};

use crate::kubectl::{kubectl, kubectl_with, run};
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

#[test]
fn cfg_19_a_deleted_secret_and_a_deleted_lease_are_made_again() {
    let mut world = World::new("deleted");
    world.enforce();
    world.signed("app", "v1");
    let signed = pod("app", &world.image("app:v1"));
    let (release, name) = (world.release(), world.service());
    let secret = format!("{name}-tls");
    let certificate = || {
        let text = kubectl(&["get", "secret", &secret, "-n", &release, "-o", "json", "--ignore-not-found"]).unwrap();
        let secret: Value = serde_json::from_str(&text).unwrap_or_default();
        secret["data"]["tls.crt"].as_str().unwrap_or_default().to_owned()
    };
    kubectl(&["delete", "secret", &secret, "-n", &release]).unwrap();
    world.until("the Secret has a certificate again", || !certificate().is_empty());
    kubectl(&["delete", "lease", &name, "-n", &release]).unwrap();
    let holder = || {
        let query =
            ["get", "lease", &name, "-n", &release, "--ignore-not-found", "-o", "jsonpath={.spec.holderIdentity}"];
        kubectl(&query).unwrap()
    };
    world.until("a replica holds the Lease again", || !holder().is_empty());
    // What was too late before: nothing is left but what the cluster stores.
    world.kill();
    world.start();
    let refused = |pod: &Value| world.dry_run(pod).err().is_some_and(|words| words.contains("NO_SIGNATURE"));
    world.until("a signed pod is admitted", || world.dry_run(&signed).is_ok());
    world.until("an unsigned one is refused", || refused(&pod("probe", &world.image("probe:unsigned"))));
    // The chart takes it over, and what it holds stays.
    let before = certificate();
    world.apply_chart();
    assert_eq!(certificate(), before);
}

#[test]
fn cfg_19_only_these_two_names_may_be_created_and_only_by_an_apply() {
    let world = World::new("rights");
    let (release, name) = (world.release(), world.service());
    let account = format!("--as=system:serviceaccount:{release}:{name}");
    let attempt = |arguments: &[&str], kind: &str, api: &str, name: &str| {
        let object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}}).to_string();
        kubectl_with(&[arguments, &["--dry-run=server", "-n", &release, &account, "-f", "-"]].concat(), &object)
    };
    let apply = ["apply", "--server-side", "--field-manager=sealgate"];
    for (kind, api, own) in [("Secret", "v1", format!("{name}-tls")), ("Lease", "coordination.k8s.io/v1", name)] {
        kubectl(&["delete", kind, &own, "-n", &release]).unwrap();
        attempt(&apply, kind, api, &own).unwrap();
        for (verb, other) in [(apply.as_slice(), "other"), (&["create"], "other"), (&["create"], own.as_str())] {
            let refused = attempt(verb, kind, api, other).unwrap_err();
            assert!(refused.contains("Forbidden"), "{verb:?} {kind} {other}: {refused}");
        }
    }
}

#[test]
fn cfg_19_helm_takes_over_the_secret_that_was_made_again_and_deletes_it() {
    // For a namespace that nobody else uses, and the definitions of the policies.
    let world = World::new("adopt");
    let (release, namespace) = (format!("{}-helm", world.release()), world.namespace());
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/sealgate");
    let secret = || {
        let query = ["get", "secret", &format!("{release}-tls"), "-n", &namespace, "--ignore-not-found", "-o", "json"];
        serde_json::from_str::<Value>(&kubectl(&query).unwrap()).unwrap_or_default()
    };
    for program in ["helm", "helm4"] {
        let helm = |verb: &str, more: &[&str]| {
            run(Command::new(program).args([verb, &release, "-n", &namespace]).args(more), "").unwrap()
        };
        // No node is called so: none of the pods shall start.
        let values = "image.repository=registry.example.com/sealgate,crds.enabled=false,nodeSelector.none=none";
        let with_chart = [chart.to_str().unwrap(), "--set", values];
        helm("install", &with_chart);
        assert_eq!(secret()["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm", "{program}");
        kubectl(&["delete", "secret", &format!("{release}-tls"), "-n", &namespace]).unwrap();
        // As the leader does it: empty by an apply, then filled by a merge patch.
        let account = format!("--as=system:serviceaccount:{namespace}:{release}");
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("{release}-tls")}});
        let apply = ["apply", "--server-side", "--field-manager=sealgate", "-n", &namespace, &account, "-f", "-"];
        kubectl_with(&apply, &object.to_string()).unwrap();
        let patch = json!({"data": {"tls.crt": "YQ=="}}).to_string();
        let name = format!("{release}-tls");
        kubectl(&[
            "patch",
            "secret",
            &name,
            "-n",
            &namespace,
            &account,
            "--field-manager=sealgate",
            "--type=merge",
            "-p",
            &patch,
        ])
        .unwrap();
        helm("upgrade", &[&with_chart[..], &["--set", "podLabels.upgraded=yes"]].concat());
        let adopted = secret();
        assert_eq!(adopted["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm", "{program}");
        assert_eq!(adopted["data"], json!({"tls.crt": "YQ=="}), "{program}: what it holds stays");
        helm("uninstall", &["--no-hooks"]);
        assert_eq!(secret(), Value::Null, "{program}");
    }
}

#[test]
fn flt_48_pods_are_admitted_at_every_moment_while_authorities_are_exchanged() {
    let world = World::new("exchange");
    world.enforce();
    world.signed("app", "v1");
    let signed = pod("app", &world.image("app:v1"));
    let webhook = || world.configuration("validatingwebhookconfiguration")["webhooks"][0].clone();
    world.until("the gate fails closed", || webhook()["failurePolicy"] == "Fail");
    let bundle = || webhook()["clientConfig"]["caBundle"].clone();
    let secret = format!("{}-tls", world.service());
    let write = |data: &Value| {
        let patch = json!({"stringData": data}).to_string();
        kubectl(&["patch", "secret", &secret, "-n", &world.release(), "--type=merge", "-p", &patch]).unwrap();
    };
    let admitted = || world.dry_run(&signed).expect("admitted at every moment");
    // Emptied: what is in use stays in use, beside a new authority.
    let before = bundle();
    write(&json!({"ca.crt": "", "ca.key": "", "tls.crt": "", "tls.key": ""}));
    world.until("the new authority is trusted", || {
        admitted();
        bundle() != before
    });
    admitted();
    // Restored from elsewhere: shown when its authority is trusted.
    let other = Material::create(&service_names(&world.service(), &world.release()), Timestamp::now()).unwrap();
    let loaded = || world.log().matches("serving certificate loaded").count();
    let (before, times) = (bundle(), loaded());
    write(&json!({
        "ca.crt": other.ca_certificates, "ca.key": other.ca_key, "tls.crt": other.certificate, "tls.key": other.key,
    }));
    world.until("the other certificate is shown", || {
        admitted();
        loaded() > times
    });
    assert_ne!(bundle(), before);
    admitted();
}
