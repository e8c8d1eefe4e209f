use std::collections::VecDeque;
use std::sync::Mutex;

use futures::stream::{BoxStream, once, pending as silent};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::Status;

use super::*;

type Told = watcher::Result<Event<Namespace>>;

/// What an API server does with one watch after the other, and when each of them began.
#[derive(Clone)]
struct Script {
    streams: Arc<Mutex<VecDeque<Vec<Told>>>>,
    began: Arc<Mutex<Vec<Duration>>>,
    start: Instant,
}

impl Script {
    fn new(streams: impl IntoIterator<Item = Vec<Told>>) -> Self {
        let streams = Arc::new(Mutex::new(streams.into_iter().collect()));
        Self { streams, began: Arc::default(), start: Instant::now() }
    }

    /// What is told, then silence. Where the script is over, the whole list and silence.
    fn open(&self) -> BoxStream<'static, Told> {
        self.began.lock().unwrap().push(self.start.elapsed());
        let told = self.streams.lock().unwrap().pop_front().unwrap_or_else(list);
        futures::stream::iter(told).chain(silent()).boxed()
    }

    fn follow(&self, watches: &Watches) -> BoxStream<'static, Result<Event<Namespace>, WatchFailure>> {
        let script = self.clone();
        watches.follow("policies", move || script.open()).boxed()
    }

    fn began(&self) -> Vec<u128> {
        self.began.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

fn list() -> Vec<Told> {
    vec![Ok(Event::Init), Ok(Event::InitApply(Namespace::default())), Ok(Event::InitDone)]
}

fn list_then(error: watcher::Error) -> Vec<Told> {
    list().into_iter().chain([Err(error)]).collect()
}

fn status(code: u16) -> Box<Status> {
    Status::failure("it says so", "Reason").with_code(code).boxed()
}

fn unreachable() -> watcher::Error {
    watcher::Error::InitialListFailed(kube::Error::Service("connection refused".into()))
}

fn refused(code: u16) -> watcher::Error {
    watcher::Error::InitialListFailed(kube::Error::Api(status(code)))
}

/// Reads for so long; what was told.
async fn read<T>(events: &mut BoxStream<'static, T>, seconds: u64) -> Vec<T> {
    let mut told = Vec::new();
    let reading = async {
        while let Some(event) = events.next().await {
            told.push(event);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(seconds), reading).await;
    told
}

fn failures<T>(told: Vec<Result<T, WatchFailure>>) -> Vec<WatchFailure> {
    told.into_iter().filter_map(Result::err).collect()
}

fn failing(metrics: &Metrics) -> bool {
    metrics.render().contains("watch_failing{what=\"policies\"} 1")
}

#[tokio::test(start_paused = true)]
async fn flt_44_after_an_outage_of_any_length_the_list_comes_within_two_seconds() {
    let metrics = Metrics::new();
    let watches = Watches::new(metrics.clone(), Health::default());
    let refusals = (0..40).map(|_| vec![Ok(Event::Init), Err(unreachable())]);
    let script = Script::new([list_then(unreachable())].into_iter().chain(refusals));
    let mut events = script.follow(&watches);
    let told = read(&mut events, 60).await;
    assert_eq!(failures(told), [WatchFailure::Unreachable("connection refused".into())], "told once");
    assert!(failing(&metrics));
    let began = script.began();
    assert_eq!(began[..6], [0, 0, 250, 750, 1750, 3750], "at once, then slower");
    assert!(began.windows(2).all(|pair| pair[1] - pair[0] <= 2000), "{began:?}");
    read(&mut events, 60).await;
    assert!(!failing(&metrics), "whole again");
}

#[tokio::test(start_paused = true)]
async fn flt_44_a_forgotten_version_costs_no_pause_and_is_no_failure() {
    let metrics = Metrics::new();
    let script = Script::new([list_then(watcher::Error::WatchError(status(410)))]);
    let mut events = script.follow(&Watches::new(metrics.clone(), Health::default()));
    let told = read(&mut events, 5).await;
    assert_eq!(script.began(), [0, 0]);
    assert_eq!(failures(told), []);
    assert!(!failing(&metrics));
}

#[tokio::test(start_paused = true)]
async fn flt_44_a_definition_that_is_back_is_found_within_two_seconds() {
    let script = Script::new((0..20).map(|_| vec![Ok(Event::Init), Err(refused(404))]));
    let mut events = script.follow(&Watches::new(Metrics::new(), Health::default()));
    let told = read(&mut events, 30).await;
    assert_eq!(failures(told), [WatchFailure::NotDefined]);
    assert!(script.began().windows(2).all(|pair| pair[1] - pair[0] <= 2000));
}

#[tokio::test(start_paused = true)]
async fn flt_44_the_first_answer_of_any_kind_ends_the_pauses_of_an_outage() {
    let outage = (0..10).map(|_| vec![Err(unreachable())]);
    let script = Script::new(outage.chain([vec![Err(refused(503))]]));
    read(&mut script.follow(&Watches::new(Metrics::new(), Health::default())), 60).await;
    let began = script.began();
    assert_eq!(began[11] - began[10], 0, "{began:?}");
}

#[tokio::test(start_paused = true)]
async fn flt_45_a_silent_watch_lists_again_when_a_plain_request_got_no_answer() {
    let script = Script::new([]);
    let watches = Watches::new(Metrics::new(), Health::default());
    let mut events = script.follow(&watches);
    read(&mut events, 100).await;
    assert_eq!(script.began().len(), 1, "silence alone is no failure");
    watches.connection_lost();
    let told = read(&mut events, 1).await;
    assert_eq!((script.began().len(), told.len()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn flt_45_a_list_without_an_answer_is_given_up() {
    let script = Script::new([vec![Ok(Event::Init)]]);
    let told = read(&mut script.follow(&Watches::new(Metrics::new(), Health::default())), 30).await;
    assert_eq!(failures(told), [WatchFailure::Late]);
    assert_eq!(script.began(), [0, 10_000]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_after_each_list_is_not_tried_without_a_pause() {
    let script = Script::new((0..100).map(|_| list_then(refused(403))));
    let told = read(&mut script.follow(&Watches::new(Metrics::new(), Health::default())), 60).await;
    assert!((28..40).contains(&script.began().len()), "{:?}", script.began());
    assert_eq!(failures(told).len(), 1);
}

#[tokio::test]
async fn one_object_is_there_or_not_also_after_a_new_list() {
    let told = [
        Ok(Event::Init),
        Ok(Event::InitApply(Namespace::default())),
        Ok(Event::InitDone),
        Ok(Event::Delete(Namespace::default())),
        Ok(Event::Init),
        Ok(Event::InitDone),
    ];
    let seen: Vec<_> = only(futures::stream::iter(told)).map(|event| event.unwrap().is_some()).collect().await;
    assert_eq!(seen, [true, false, false]);
    let failed: Vec<_> = only(once(ready(Err::<Event<Namespace>, _>(WatchFailure::Late)))).collect().await;
    assert!(matches!(failed.as_slice(), [Err(WatchFailure::Late)]));
}

#[tokio::test(start_paused = true)]
async fn flt_49_since_when_policies_may_be_old_is_told_until_they_are_current_or_nobody_follows_them() {
    let (metrics, health) = (Metrics::new(), Health::default());
    let policies = health.condition("policies");
    policies.met();
    let watches = Watches::new(metrics.clone(), health.clone());
    let outage = || (0..30).map(|_| vec![Err(unreachable())]);
    let script = Script::new(std::iter::once(list_then(unreachable())).chain(outage()));
    let mut events = script.follow(&watches);
    read(&mut events, 20).await;
    let [("policies", since)] = health.stale()[..] else { panic!("{:?}", health.stale()) };
    assert!(health.unmet().is_empty(), "it can answer all the same");
    read(&mut events, 10).await;
    assert_eq!(health.stale(), [("policies", since)], "since the first failure");
    read(&mut events, 60).await;
    assert_eq!(health.stale(), [], "current again");

    let mut events = Script::new(outage()).follow(&watches);
    read(&mut events, 20).await;
    assert!(failing(&metrics) && health.stale().len() == 1);
    drop(events);
    assert!(!failing(&metrics) && health.stale().is_empty(), "a watch that has ended fails no longer");
}
