//! Namespaces that the watch has not shown yet: their labels are asked for, and nothing is decided without them.

use sealgate::policy::{Labels, PolicySet};
use sealgate::verifier::ports::{NameAlone, Namespaces};
use sealgate::verifier::{Defaults, Reaction};

use super::*;
use crate::support::verifier::fixed;

const EVIL: &str = "registry.example/evil:v1";

/// What a policy of another environment would open: everything on trial, or one repository without a signature.
fn openers(key: &SigningKey) -> [Entry; 2] {
    let dev = json!({"match": {"namespaceSelector": {"matchLabels": {"env": "dev"}}}});
    let trial = policy_with("trial", &["**"], &[key], &json!({"mode": "Audit", "match": dev["match"]}));
    let authorities = [json!({"name": "fixed", "static": "Allow"})];
    [trial, policy_by("tool", &["registry.example/evil"], &authorities, &dev)]
}

fn beside_base(key: &SigningKey, opener: Entry) -> World {
    World::new(vec![policy("base", &[APP], &[key]), opener])
}

#[tokio::test]
async fn k8s_24_a_policy_of_another_environment_opens_no_namespace_that_is_new() {
    let key = SigningKey::new();
    for opener in openers(&key) {
        let world = beside_base(&key, opener);
        assert_eq!(answer(&world.ask_one(EVIL).await), "NAMESPACE_UNKNOWN", "nobody can be asked");
        world.namespaces.are(&[("env", "prod")]);
        assert_eq!(answer(&world.ask_one(EVIL).await), "NO_POLICY");
        world.namespaces.are(&[]);
        assert_eq!(answer(&world.ask_one(EVIL).await), "NO_POLICY");
        world.registry.push(EVIL, b"evil");
        world.namespaces.are(&[("env", "dev")]);
        assert_eq!(answer(&world.ask_one(EVIL).await), "ALLOW", "the twin that it is for");
    }
}

#[tokio::test]
async fn k8s_24_labels_are_asked_for_only_where_a_policy_depends_on_them() {
    let key = SigningKey::new();
    let asked = async |members: &Value| {
        let world = World::new(vec![policy_with("p", &[APP], &[&key], members)]);
        world.namespaces.are(&[]);
        world.ask(&[EVIL, APP_V1]).await;
        world.namespaces.calls()
    };
    let by = |namespace_match: Value| json!({"match": namespace_match});
    let env = json!({"matchLabels": {"env": "prod"}});
    assert_eq!(asked(&by(json!({"namespaceSelector": env}))).await, ["shop"], "once for all images");
    assert_eq!(asked(&by(json!({"namespaceSelector": env, "namespaces": ["shop"]}))).await, ["shop"]);
    assert!(asked(&by(json!({"namespaceSelector": env, "namespaces": ["bank"]}))).await.is_empty());
    assert!(asked(&by(json!({"namespaces": ["shop"]}))).await.is_empty());
    assert!(asked(&json!({})).await.is_empty());
    let name = |name| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    assert!(asked(&by(name("shop"))).await.is_empty(), "the name is known");

    let shown = World::with_labels(openers(&key).to_vec(), &[("env", "prod")]);
    shown.ask(&[EVIL]).await;
    assert!(shown.namespaces.calls().is_empty(), "the watch has shown it");
}

#[tokio::test(start_paused = true)]
async fn k8s_24_labels_that_never_come_are_not_waited_for_beyond_the_deadline() {
    let key = SigningKey::new();
    let world = beside_base(&key, openers(&key)[0].clone());
    world.namespaces.hang();
    let began = Instant::now();
    assert_eq!(answer(&world.ask_one(EVIL).await), "NAMESPACE_UNKNOWN");
    assert_eq!(began.elapsed(), PATIENCE);
}

#[tokio::test]
async fn k8s_24_what_the_watch_shows_meanwhile_counts() {
    #[derive(Debug)]
    struct Late(PolicyCell, PolicySet);
    impl Namespaces for Late {
        fn labels<'a>(
            &'a self,
            namespace: &'a str,
        ) -> futures::future::BoxFuture<'a, Result<Arc<Labels>, Unavailable>> {
            self.0.store(self.1.clone());
            let away = Unavailable::NamespaceUnknown { namespace: namespace.to_owned(), problem: "it is away" };
            Box::pin(std::future::ready(Err(away)))
        }
    }
    let key = SigningKey::new();
    let entries = || vec![policy("base", &[APP], &[&key]), openers(&key)[0].clone()];
    for (env, expected) in [("prod", "NO_POLICY"), ("dev", "ALLOW")] {
        let world = World::new(entries());
        world.registry.push(EVIL, b"evil");
        let labels = Labels::from([("env".to_owned(), env.to_owned())]);
        let shown = PolicySet::new(entries(), BTreeMap::from([("shop".to_owned(), labels)]));
        let (registry, policies) = (world.registry.clone(), world.policies.clone());
        let engine = Engine::new(registry, NoCredentials, policies.clone(), world.roots, Defaults::default())
            .with_namespaces(Late(policies, shown));
        assert_eq!(answer(&engine.verify(&question(&[EVIL])).await[0]), expected);
    }
}

/// What could not be found out is as strict as the strictest answer could have been.
#[tokio::test]
async fn k8s_24_it_counts_as_strictly_as_what_may_govern_the_namespace() {
    let key = SigningKey::new();
    let [trial, trusting] = openers(&key);
    let mut world = World::new(vec![trial.clone()]);
    let verdict = world.ask_one(EVIL).await;
    assert_eq!((codes(&verdict, Mode::Enforce), codes(&verdict, Mode::Audit)), (vec![], vec!["NAMESPACE_UNKNOWN"]));
    world.defaults.ungoverned = Reaction::Deny;
    assert_eq!(answer(&world.ask_one(EVIL).await), "NAMESPACE_UNKNOWN", "it may be governed by none");
    world.defaults.ungoverned = Reaction::Allow;
    world.store(vec![trial, trusting]);
    assert_eq!(answer(&world.ask_one(EVIL).await), "NAMESPACE_UNKNOWN");
}

#[tokio::test]
async fn k8s_25_a_namespace_that_the_files_do_not_describe_has_its_name_alone() {
    let key = SigningKey::new();
    for opener in openers(&key) {
        let world = beside_base(&key, opener);
        let engine = |policies: PolicyCell| {
            Engine::new(world.registry.clone(), NoCredentials, policies, world.roots.clone(), Defaults::default())
                .with_namespaces(NameAlone)
        };
        let verdicts = engine(world.policies.clone()).verify(&question(&[EVIL])).await;
        assert_eq!(answer(&verdicts[0]), "NO_POLICY");
    }
    let named = json!({"match": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}});
    let world = World::new(vec![
        policy_with("p", &["registry.example/other"], &[&key], &named),
        fixed("tool", &["registry.example/evil"], "Allow"),
    ]);
    let engine = Engine::new(
        world.registry.clone(),
        NoCredentials,
        world.policies.clone(),
        world.roots.clone(),
        Defaults::default(),
    )
    .with_namespaces(NameAlone);
    assert_eq!(answer(&engine.verify(&question(&[EVIL])).await[0]), "ALLOW");
    assert_eq!(
        answer(&engine.verify(&question(&["registry.example/third:v1"])).await[0]),
        "NO_POLICY",
        "its name selects it"
    );
}
