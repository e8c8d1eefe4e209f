//! The credentials of pods, which are read from the cluster, and what a stranger learns of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::kubectl::kubectl;
use crate::support::registry::{Auth, TestRegistry};
use crate::support::signer;
use crate::world::{World, pod};

/// The right to read Secrets, as the chart gives it with `pullSecrets.cluster`.
struct MayReadSecrets(String);

impl MayReadSecrets {
    fn new(world: &World) -> Self {
        let name = format!("{}-secrets", world.service());
        let account = format!("--serviceaccount={}:{}", world.release(), world.service());
        let role = format!("--clusterrole={name}");
        let right = Self(name);
        right.remove();
        let role_of = ["create", "clusterrole", &right.0, "--verb=get", "--resource=secrets,serviceaccounts"];
        kubectl(&role_of).unwrap();
        kubectl(&["create", "clusterrolebinding", &right.0, &role, &account]).unwrap();
        right
    }

    fn remove(&self) {
        let _ = kubectl(&["delete", "clusterrole,clusterrolebinding", &self.0, "--ignore-not-found"]);
    }
}

impl Drop for MayReadSecrets {
    fn drop(&mut self) {
        self.remove();
    }
}

fn pod_with_secret(image: &str, secret: &str) -> Value {
    let mut pod = pod("private", image);
    pod["spec"]["imagePullSecrets"] = json!([{"name": secret}]);
    pod
}

#[test]
fn net_15_what_is_wrong_with_a_secret_is_in_the_log_and_in_no_answer() {
    let private = TestRegistry::builder().auth(Auth::basic("puller", "hunter2")).start();
    let host = private.host();
    let world = World::with(
        "pull-secrets",
        &json!({
            "pullSecrets": {"cluster": true},
            "registries": [{"host": host, "plainHttp": true, "allowPrivateAddress": true}],
        }),
    );
    let _right = MayReadSecrets::new(&world);
    let image = private.push_image("shop/app", "1");
    let signature = world.key.simple_signing(&signer::payload(&image.digest));
    private.put("shop/app", &signer::legacy_tag(&[signature]), Some(&image.signature_tag()));
    let authorities = json!([{"name": "ci", "key": {"publicKey": world.key.pem()}}]);
    let matched = json!({"images": [format!("{host}/**")], "namespaces": [world.namespace()]});
    world.policy("ci-images", &json!({"match": matched, "authorities": authorities})).unwrap();

    let login = STANDARD.encode("puller:hunter2");
    let docker_config = json!({"auths": {host: {"auth": login}}}).to_string();
    let secrets = [
        ("good", "kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": docker_config})),
        ("stripe-live-key", "Opaque", json!({"key": "sk_live_0123"})),
    ];
    for (name, kind, data) in secrets {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data,
        });
        world.create(&secret).unwrap();
    }
    let tagged = image.tagged("1");
    let refused = |secret: &str| world.dry_run(&pod_with_secret(&tagged, secret)).err();
    world.until("the policy is enforced", || refused("absent").is_some_and(|why| why.contains("UNAUTHORIZED")));

    let [another, absent] = ["stripe-live-key", "absent"].map(|secret| refused(secret).expect("it lets nobody in"));
    assert_eq!(another, absent, "whether a Secret is there, and of which type, can't be told apart");
    for word in ["stripe", "Opaque", "dockerconfigjson", "hunter2"] {
        assert!(!another.contains(word), "{word}: {another}");
    }
    let log = world.log();
    let told = |secret: &str| log.lines().any(|line| line.contains(&format!("{}/{secret}", world.namespace())));
    assert!(told("stripe-live-key") && told("absent"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains("sk_live_0123"), "{log}");

    let admitted = world.dry_run(&pod_with_secret(&tagged, "good")).unwrap();
    assert_eq!(admitted["spec"]["containers"][0]["image"], format!("{tagged}@{}", image.digest));
}
