use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::cache::Cache;
use super::source::{Key, docker_config};
use super::*;
use crate::domain::{DockerConfig, ImageReference};

/// After this long everything in use is read again.
const DUE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
struct Fake {
    answers: Mutex<HashMap<String, Result<Object, Fault>>>,
    reads: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Fake {
    fn set(&self, key: &Key, answer: Result<Object, Fault>) {
        self.answers.lock().unwrap().insert(key.to_string(), answer);
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Source for Arc<Fake> {
    async fn read(&self, key: &Key) -> Result<Object, Fault> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let now = self.now.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().get(&key.to_string()).cloned();
        answer.unwrap_or_else(|| Err(Fault::Definite(format!("{key}: not found"))))
    }
}

fn secret(name: &str) -> Key {
    ObjectKind::Secret.key("shop", name)
}

fn credentials(user: &str) -> Object {
    let json = format!(r#"{{"auths":{{"registry.example":{{"username":"{user}","password":"p"}}}}}}"#);
    Object::Secret(DockerConfig::parse(json.as_bytes(), "secret shop/regcred").unwrap())
}

fn context(secrets: &[&str]) -> PullContext {
    PullContext {
        namespace: "shop".into(),
        service_account: "default".into(),
        image_pull_secrets: secrets.iter().map(ToString::to_string).collect(),
    }
}

fn keychain(fake: &Arc<Fake>) -> PullSecrets<Arc<Fake>> {
    PullSecrets::new(fake.clone(), Scope::Namespaces(vec!["shop".into()]), Limits::default())
}

async fn access(keychain: &PullSecrets<Arc<Fake>>, context: &PullContext) -> Access {
    let image: ImageReference = ImageReference::parse("registry.example/app:1").unwrap();
    keychain.access(image.repository(), context).await
}

#[tokio::test]
async fn the_pods_secrets_are_read_once() {
    let fake = Arc::new(Fake::default());
    fake.set(&secret("regcred"), Ok(credentials("pod")));
    let keychain = keychain(&fake);
    for _ in 0..3 {
        let access = access(&keychain, &context(&["regcred"])).await;
        assert_eq!(access.credentials.len(), 1);
        assert_eq!(access.credentials[0].source, "secret shop/regcred");
        assert_eq!(access.problems, Vec::<String>::new());
    }
    assert_eq!(fake.reads(), 1);
}

#[tokio::test]
async fn many_callers_at_once_read_once() {
    let fake = Arc::new(Fake::default());
    fake.set(&secret("regcred"), Ok(credentials("pod")));
    let keychain = keychain(&fake);
    let context = context(&["regcred"]);
    let all = futures::future::join_all((0..20).map(|_| access(&keychain, &context))).await;
    assert!(all.iter().all(|access| access.credentials.len() == 1));
    assert_eq!(fake.reads(), 1);
}

#[tokio::test]
async fn a_pod_that_names_none_has_those_of_its_service_account() {
    let fake = Arc::new(Fake::default());
    let account = ObjectKind::ServiceAccount.key("shop", "default");
    fake.set(&account, Ok(Object::ServiceAccount { image_pull_secrets: vec!["regcred".into()] }));
    fake.set(&secret("regcred"), Ok(credentials("account")));
    fake.set(&secret("own"), Ok(credentials("pod")));
    let keychain = keychain(&fake);
    assert_eq!(access(&keychain, &context(&[])).await.credentials.len(), 1);
    assert_eq!(fake.reads(), 2);
    assert_eq!(access(&keychain, &context(&["own"])).await.credentials.len(), 1);
    assert_eq!(fake.reads(), 3, "a pod that names secrets does not ask for its account");
}

#[tokio::test]
async fn a_missing_secret_is_ignored_and_named_and_found_when_it_comes() {
    let fake = Arc::new(Fake::default());
    fake.set(&secret("other"), Ok(credentials("pod")));
    let keychain = keychain(&fake);
    let context = context(&["regcred", "other"]);
    let first = access(&keychain, &context).await;
    assert_eq!(first.credentials.len(), 1);
    assert_eq!(first.problems, ["secret shop/regcred: not found"]);
    fake.set(&secret("regcred"), Ok(credentials("late")));
    assert_eq!(access(&keychain, &context).await.credentials.len(), 1, "asked a moment ago");
    let forgetful = Limits { negative: Duration::ZERO, ..Limits::default() };
    let keychain = PullSecrets::new(fake.clone(), Scope::Cluster, forgetful);
    fake.set(&secret("regcred"), Err(Fault::Unavailable("away".into())));
    assert_eq!(access(&keychain, &context).await.problems, ["away"]);
    fake.set(&secret("regcred"), Ok(credentials("late")));
    assert_eq!(access(&keychain, &context).await.credentials.len(), 2);
}

#[tokio::test]
async fn other_namespaces_are_not_read_and_named() {
    let fake = Arc::new(Fake::default());
    let keychain = keychain(&fake);
    let elsewhere = PullContext { namespace: "bank".into(), ..context(&["regcred"]) };
    let access = access(&keychain, &elsewhere).await;
    assert_eq!(access.problems, ["secrets in namespace bank may not be read: add it to pullSecrets.namespaces"]);
    assert_eq!(fake.reads(), 0);
}

#[tokio::test]
async fn a_name_that_leaves_the_namespace_is_not_asked_for() {
    let fake = Arc::new(Fake::default());
    let keychain = keychain(&fake);
    for name in ["../../kube-system/secrets/token", "..", ".", "a/b", "a?b", "a%2fb", "", "A", &"a".repeat(254)] {
        let access = access(&keychain, &context(&[name])).await;
        assert_eq!(access.problems.len(), 1, "{name}");
        assert!(access.problems[0].ends_with("not a name that an object can have"), "{:?}", access.problems);
    }
    assert_eq!(fake.reads(), 0);
    access(&keychain, &context(&["a.b-1"])).await;
    assert_eq!(fake.reads(), 1);
}

#[tokio::test]
async fn only_so_many_secrets_of_one_pod_are_read() {
    let fake = Arc::new(Fake::default());
    let keychain = keychain(&fake);
    let names: Vec<_> = (0..100).map(|n| format!("s{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let access = access(&keychain, &context(&names)).await;
    assert_eq!(fake.reads(), MAX_SECRETS);
    assert_eq!(access.problems[0], "only the first 16 pull secrets are used");
}

#[tokio::test]
async fn while_the_api_server_is_away_the_last_content_is_used() {
    let fake = Arc::new(Fake::default());
    fake.set(&secret("regcred"), Ok(credentials("old")));
    let keychain = keychain(&fake);
    let context = context(&["regcred"]);
    access(&keychain, &context).await;
    fake.set(&secret("regcred"), Err(Fault::Unavailable("away".into())));
    keychain.0.cache.refresh(Instant::now() + DUE).await;
    assert_eq!(access(&keychain, &context).await.credentials.len(), 1);
    fake.set(&secret("regcred"), Err(Fault::Definite("secret shop/regcred: not found".into())));
    keychain.0.cache.refresh(Instant::now() + DUE * 2).await;
    assert_eq!(access(&keychain, &context).await.credentials.len(), 0, "a deleted secret is gone");
}

#[tokio::test]
async fn what_is_not_used_is_forgotten_and_the_memory_is_bounded() {
    let fake = Arc::new(Fake::default());
    let limits = Limits { entries: 2, ..Limits::default() };
    let keychain = PullSecrets::new(fake.clone(), Scope::Cluster, limits);
    for name in ["a", "b", "c"] {
        fake.set(&secret(name), Ok(credentials(name)));
        access(&keychain, &context(&[name])).await;
    }
    assert_eq!(fake.reads(), 3);
    access(&keychain, &context(&["c"])).await;
    assert_eq!(fake.reads(), 3);
    access(&keychain, &context(&["a"])).await;
    assert_eq!(fake.reads(), 4, "the oldest had gone");
    keychain.0.cache.refresh(Instant::now() + limits.idle).await;
    assert_eq!(fake.reads(), 4, "nothing is in use");
}

#[tokio::test]
async fn each_is_read_again_when_it_is_due_and_few_at_once() {
    let fake = Arc::new(Fake::default());
    let keychain = keychain(&fake);
    for n in 0..100 {
        let name = format!("s{n}");
        fake.set(&secret(&name), Ok(credentials(&name)));
        access(&keychain, &context(&[&name])).await;
    }
    access(&keychain, &context(&["missing"])).await;
    let refresh = Limits::default().refresh;
    let began = Instant::now();
    keychain.0.cache.refresh(began + refresh / 2).await;
    assert_eq!(fake.reads(), 101, "nothing is due");
    keychain.0.cache.refresh(began + refresh).await;
    let (some, most) = (fake.reads() - 101, fake.most.load(Ordering::SeqCst));
    assert!((1..100).contains(&some), "{some} of 100 in the same moment");
    assert!((1..=8).contains(&most), "{most} at once");
    keychain.0.cache.refresh(began + refresh * 5 / 4 + Duration::from_secs(1)).await;
    assert_eq!(fake.reads(), 201, "each once, and what is not there never");
}

#[tokio::test]
async fn what_pods_of_one_namespace_name_pushes_out_no_credentials_and_none_of_another() {
    let fake = Arc::new(Fake::default());
    let limits = Limits { entries: 8, entries_per_namespace: 4, ..Limits::default() };
    let keychain = PullSecrets::new(fake.clone(), Scope::Cluster, limits);
    let bank = PullContext { namespace: "bank".into(), ..context(&["own"]) };
    fake.set(&ObjectKind::Secret.key("bank", "own"), Ok(credentials("bank")));
    fake.set(&secret("regcred"), Ok(credentials("shop")));
    access(&keychain, &bank).await;
    access(&keychain, &context(&["regcred"])).await;
    for n in 0..50 {
        access(&keychain, &context(&[&format!("none{n}")])).await;
    }
    let reads = fake.reads();
    assert_eq!(access(&keychain, &bank).await.credentials.len(), 1);
    assert_eq!(access(&keychain, &context(&["regcred"])).await.credentials.len(), 1);
    assert_eq!(fake.reads(), reads, "both are still in memory");
    for n in 0..50 {
        let name = format!("some{n}");
        fake.set(&secret(&name), Ok(credentials(&name)));
        access(&keychain, &context(&[&name])).await;
    }
    let reads = fake.reads();
    access(&keychain, &bank).await;
    assert_eq!(fake.reads(), reads, "that of the other namespace is still in memory");
    access(&keychain, &context(&["regcred"])).await;
    assert_eq!(fake.reads(), reads + 1, "that of its own has gone");
}

#[tokio::test]
async fn an_api_server_that_never_answers_is_not_waited_for() {
    struct Never;
    impl Source for Never {
        async fn read(&self, _key: &Key) -> Result<Object, Fault> {
            std::future::pending().await
        }
    }
    let keychain =
        PullSecrets::new(Never, Scope::Cluster, Limits { read: Duration::from_millis(5), ..Limits::default() });
    let image: ImageReference = ImageReference::parse("registry.example/app:1").unwrap();
    let access = keychain.access(image.repository(), &context(&["regcred"])).await;
    assert_eq!(access.problems, ["secret shop/regcred: could not be read: the API server did not answer in time"]);
}

#[test]
fn both_types_of_docker_config_are_read_and_no_other() {
    let auths = r#"{"registry.example":{"username":"u","password":"p"}}"#;
    let make = |type_: &str, field: &str, json: &str| Secret {
        type_: Some(type_.into()),
        data: Some([(field.to_owned(), ByteString(json.as_bytes().to_vec()))].into()),
        ..Secret::default()
    };
    let new = format!(r#"{{"auths":{auths}}}"#);
    let key = secret("regcred");
    assert!(docker_config(&make("kubernetes.io/dockerconfigjson", ".dockerconfigjson", &new), &key).is_ok());
    assert!(docker_config(&make("kubernetes.io/dockercfg", ".dockercfg", auths), &key).is_ok());
    let problem = |secret: &Secret| match docker_config(secret, &key) {
        Err(Fault::Definite(problem)) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        problem(&make("Opaque", ".dockerconfigjson", &new)),
        "secret shop/regcred: expected type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg"
    );
    assert_eq!(
        problem(&make("kubernetes.io/dockercfg", "wrong", auths)),
        "secret shop/regcred: expected the key .dockercfg"
    );
    let garbage = problem(&make("kubernetes.io/dockercfg", ".dockercfg", "[]"));
    assert!(garbage.starts_with("secret shop/regcred: "), "{garbage}");
    assert_eq!(garbage.matches("regcred").count(), 1, "{garbage}");
}

/// A secret of 60 KiB.
fn large(key: &Key) -> Object {
    let long = "x".repeat(7 << 10);
    let entries: Vec<_> = (0..8).map(|n| format!(r#""r{n}.example":{{"username":"u","password":"{long}"}}"#)).collect();
    let json = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
    Object::Secret(DockerConfig::parse(json.as_bytes(), &key.to_string()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn dos_21_large_secrets_of_one_namespace_push_out_their_own_and_none_of_another() {
    let fake = Arc::new(Fake::default());
    let cache = Cache::new(fake.clone(), Limits::default());
    let other = ObjectKind::Secret.key("bank", "regcred");
    fake.set(&other, Ok(credentials("other")));
    cache.look_up(&other).await;
    let keys: Vec<_> = (0..100).map(|n| secret(&format!("large-{n}"))).collect();
    for key in &keys {
        fake.set(key, Ok(large(key)));
        assert!(matches!(cache.look_up(key).await, Known::There(_)), "what is not kept counts all the same");
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let limits = Limits::default();
    assert!(cache.memory() <= limits.bytes_per_namespace + (1 << 10), "{}", cache.memory());
    let reads = fake.reads();
    cache.look_up(&other).await;
    cache.look_up(keys.last().unwrap()).await;
    assert_eq!(fake.reads(), reads, "both are still there");
    cache.look_up(&keys[0]).await;
    assert_eq!(fake.reads(), reads + 1, "the oldest is not");

    for namespace in 0..20 {
        for n in 0..8 {
            let key = ObjectKind::Secret.key(&format!("tenant-{namespace}"), &format!("large-{n}"));
            fake.set(&key, Ok(large(&key)));
            cache.look_up(&key).await;
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    }
    assert!(cache.memory() <= limits.bytes, "{}", cache.memory());
}

#[test]
fn dos_21_of_a_service_account_no_more_names_are_kept_than_are_used() {
    use k8s_openapi::api::core::v1::LocalObjectReference;

    let named =
        |names: Vec<String>| source::first(names.into_iter().map(|name| LocalObjectReference { name }).collect());
    assert_eq!(named((0..50_000).map(|n| format!("secret-{n}")).collect()).len(), MAX_SECRETS + 1);
    assert_eq!(named(vec!["x".repeat(254), String::new(), "regcred".into()]), ["regcred"]);
}

#[tokio::test(start_paused = true)]
async fn dos_21_objects_are_read_a_few_at_a_time() {
    let fake = Arc::new(Fake::default());
    let keychain = keychain(&fake);
    let names: Vec<_> = (0..16).map(|n| format!("regcred-{n}")).collect();
    for name in &names {
        fake.set(&secret(name), Ok(credentials(name)));
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(access(&keychain, &context(&names)).await.credentials.len(), 16);
    assert_eq!(fake.most.load(Ordering::SeqCst), Limits::default().reads);
}
