use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::Notify;

use super::*;

/// A cluster that has the namespaces that it was told of, and says how often it was asked.
#[derive(Debug, Default)]
struct Fake {
    labels: Mutex<HashMap<String, Answer>>,
    reads: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    /// What a read waits for, where it has to.
    gate: Option<Notify>,
}

impl Fake {
    fn set(&self, namespace: &str, env: &str) {
        let labels = Labels::from([("env".to_owned(), env.to_owned())]);
        self.labels.lock().unwrap().insert(namespace.to_owned(), Ok(Arc::new(labels)));
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Source for Arc<Fake> {
    async fn read(&self, namespace: &str) -> Answer {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst).saturating_add(1), Ordering::SeqCst);
        match &self.gate {
            Some(gate) => gate.notified().await,
            None => tokio::task::yield_now().await,
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.labels.lock().unwrap().get(namespace).cloned().unwrap_or(Err(ABSENT))
    }
}

fn reader(limits: Limits) -> (Arc<Fake>, NamespaceLabels<Arc<Fake>>) {
    let fake = Arc::new(Fake::default());
    (fake.clone(), NamespaceLabels::new(fake, limits))
}

async fn env(reader: &NamespaceLabels<Arc<Fake>>, namespace: &str) -> Result<String, String> {
    let labels = reader.labels(namespace).await.map_err(|cause| cause.to_string())?;
    Ok(labels.get("env").cloned().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn k8s_24_many_reviews_at_once_ask_once() {
    let (fake, reader) = reader(Limits::default());
    fake.set("shop", "prod");
    let answers = join_all((0..100).map(|_| env(&reader, "shop"))).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("prod")), "{answers:?}");
    assert_eq!(fake.reads(), 1);
    assert_eq!(env(&reader, "shop").await.as_deref(), Ok("prod"));
    assert_eq!(fake.reads(), 1, "remembered");
}

#[tokio::test(start_paused = true)]
async fn k8s_24_labels_are_remembered_for_a_moment_only() {
    let limits = Limits::default();
    let (fake, reader) = reader(limits);
    fake.set("shop", "dev");
    assert_eq!(env(&reader, "shop").await.as_deref(), Ok("dev"));
    fake.set("shop", "prod");
    sleep(limits.positive.saturating_sub(Duration::from_millis(1))).await;
    assert_eq!(env(&reader, "shop").await.as_deref(), Ok("dev"));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(env(&reader, "shop").await.as_deref(), Ok("prod"));
}

#[tokio::test(start_paused = true)]
async fn k8s_24_a_namespace_that_is_not_there_is_not_known_and_found_a_second_later() {
    let limits = Limits::default();
    let (fake, reader) = reader(limits);
    let absent = env(&reader, "shop").await.unwrap_err();
    assert!(absent.contains("namespace shop are not known yet") && absent.contains(ABSENT), "{absent}");
    fake.set("shop", "prod");
    assert!(env(&reader, "shop").await.is_err(), "asked a moment ago");
    assert_eq!(fake.reads(), 1);
    sleep(limits.negative).await;
    assert_eq!(env(&reader, "shop").await.as_deref(), Ok("prod"));
}

#[tokio::test(start_paused = true)]
async fn k8s_24_an_api_server_that_never_answers_is_asked_once_and_not_waited_for() {
    let fake = Arc::new(Fake { gate: Some(Notify::new()), ..Fake::default() });
    let limits = Limits::default();
    let reader = NamespaceLabels::new(fake.clone(), limits);
    let began = Instant::now();
    let answers = join_all((0..10).map(|_| env(&reader, "shop"))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|cause| cause.contains(LATE))), "{answers:?}");
    assert_eq!((fake.reads(), began.elapsed()), (1, limits.read));
}

#[tokio::test(start_paused = true)]
async fn k8s_24_whoever_asked_first_and_went_away_leaves_the_others_their_answer() {
    let fake = Arc::new(Fake { gate: Some(Notify::new()), ..Fake::default() });
    fake.set("shop", "prod");
    let reader = Arc::new(NamespaceLabels::new(fake.clone(), Limits::default()));
    let ask = || {
        let reader = reader.clone();
        tokio::spawn(async move { env(&reader, "shop").await })
    };
    let (first, second) = (ask(), ask());
    tokio::task::yield_now().await;
    first.abort();
    fake.gate.as_ref().unwrap().notify_one();
    assert!(first.await.is_err());
    fake.gate.as_ref().unwrap().notify_one();
    assert_eq!(second.await.unwrap().as_deref(), Ok("prod"));
}

#[tokio::test(start_paused = true)]
async fn k8s_24_a_flood_of_invented_namespaces_is_none_of_the_api_server() {
    let limits = Limits { entries: 64, at_once: 4, per_second: 20, ..Limits::default() };
    let (fake, reader) = reader(limits);
    fake.set("shop", "prod");
    let names: Vec<_> = (0..1000).map(|n| format!("invented-{n}")).collect();
    let began = Instant::now();
    let answers = join_all(names.iter().map(|name| env(&reader, name))).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(1), "all of it in the same second");
    assert_eq!(fake.reads(), 20);
    assert!(fake.most.load(Ordering::SeqCst) <= 4);
    assert!(reader.slots().len() <= 64);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(env(&reader, "shop").await.as_deref(), Ok("prod"), "the next second has room again");
}

#[tokio::test(start_paused = true)]
async fn k8s_24_what_is_refused_for_its_number_waits_for_the_watch() {
    let limits = Limits { per_second: 1, ..Limits::default() };
    let (fake, reader) = reader(limits);
    fake.set("shop", "prod");
    assert!(env(&reader, "shop").await.is_ok());
    let began = Instant::now();
    let refused = env(&reader, "bank").await.unwrap_err();
    assert!(refused.contains(TOO_MANY), "{refused}");
    assert_eq!(began.elapsed(), limits.watch);
}

#[tokio::test(start_paused = true)]
async fn k8s_24_a_name_that_is_none_is_not_asked_for() {
    let (fake, reader) = reader(Limits::default());
    for name in ["", "..", "a/b", "../secrets", "a?b", "a%2fb", "Shop", "a.b", &"a".repeat(64)] {
        assert!(env(&reader, name).await.unwrap_err().contains(NO_NAME), "{name}");
    }
    assert_eq!(fake.reads(), 0);
    fake.set(&"a".repeat(63), "prod");
    assert!(env(&reader, &"a".repeat(63)).await.is_ok());
}
