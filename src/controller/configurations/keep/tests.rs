use std::sync::Mutex;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::client::Body;
use serde_json::{Value, json};

use super::super::keeper::{OWNER_RETRY, SETTLE};
use super::*;
use crate::cluster::webhooks::{self, Reach, Templates, render};
use crate::domain::workload::KindTable;

/// An API server that knows the two configurations, and what was written to it.
#[derive(Default)]
struct Fake {
    objects: Mutex<[Value; 2]>,
    writes: Mutex<Vec<String>>,
    refuses_owners: bool,
}

impl Fake {
    fn answer(&self, kind: &str, patch: &Value) -> (StatusCode, Value) {
        let owner = !patch["metadata"]["ownerReferences"].is_null();
        let policy = patch["webhooks"][0]["failurePolicy"].as_str().unwrap_or("empty").to_owned();
        let outcome = if owner && self.refuses_owners { "refused" } else { "written" };
        let owner = if owner { " with owner" } else { "" };
        self.writes.lock().unwrap().push(format!("{kind} {policy}{owner} {outcome}"));
        if outcome == "refused" {
            let message = "cannot set an ownerRef on a resource you can't delete";
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Forbidden", "code": 403});
            return (StatusCode::FORBIDDEN, status);
        }
        let mut objects = self.objects.lock().unwrap();
        let object = &mut objects[usize::from(kind == "validating")];
        json_patch::merge(object, patch);
        (StatusCode::OK, object.clone())
    }

    fn client(self: &Arc<Self>) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move {
                let kind = if request.uri().path().contains("mutating") { "mutating" } else { "validating" };
                let body = request.into_body().collect().await?.to_bytes();
                let (status, object) = fake.answer(kind, &serde_json::from_slice(&body).unwrap());
                let mut response = Response::new(Body::from(object.to_string().into_bytes()));
                *response.status_mut() = status;
                Ok::<_, tower::BoxError>(response)
            }
        });
        Client::new(service, "default")
    }

    /// What was written since the last time.
    fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }
}

fn names() -> Configurations {
    Configurations { mutating: "gate".into(), validating: "gate".into() }
}

fn wanted(reach: Reach) -> Wanted {
    let settings = webhooks::Settings {
        namespace: "gate".into(),
        service: "gate".into(),
        port: 443,
        excluded_namespaces: Vec::new(),
        timeout_seconds: 10,
        templates: Templates::Ignore,
    };
    let owner = OwnerReference { kind: "Namespace".into(), name: "gate".into(), ..OwnerReference::default() };
    Wanted { webhooks: render(&KindTable::builtin(), &settings, reach, "ca"), owner: Some(owner) }
}

/// Both configurations, empty, seen in the order in which the validating one comes first.
async fn fill(pair: &mut Pair<'_>, fake: &Fake, wanted: &Wanted) {
    pair.validating.see(Ok(Some(ValidatingWebhookConfiguration::default())));
    assert_eq!(pair.reconcile(wanted).await, None);
    assert_eq!(fake.writes(), Vec::<String>::new(), "what pins is not known yet");
    pair.mutating.see(Ok(Some(MutatingWebhookConfiguration::default())));
}

#[tokio::test(start_paused = true)]
async fn the_gate_closes_from_the_side_that_pins_and_fails_closed_only_after_a_while() {
    let (fake, names, metrics) = (Arc::new(Fake::default()), names(), Metrics::new());
    let mut pair = Pair::new(&fake.client(), &names, &metrics);
    let wanted = wanted(Reach::Enforce);
    fill(&mut pair, &fake, &wanted).await;
    let again = pair.reconcile(&wanted).await.unwrap();
    assert_eq!(fake.writes(), ["mutating Ignore with owner written", "validating Ignore with owner written"]);
    assert!(metrics.render().contains("webhook_configuration{kind=\"validating\",state=\"observe\"} 1"));
    assert_eq!(again, Instant::now() + SETTLE);
    tokio::time::advance(SETTLE.saturating_sub(Duration::from_millis(1))).await;
    pair.reconcile(&wanted).await;
    assert_eq!(fake.writes(), Vec::<String>::new());
    tokio::time::advance(Duration::from_millis(1)).await;
    pair.reconcile(&wanted).await;
    assert_eq!(fake.writes(), ["mutating Fail written", "validating Fail written"]);
    assert!(metrics.render().contains("webhook_configuration{kind=\"validating\",state=\"enforce\"} 1"));
    assert!(metrics.render().contains("webhook_configuration{kind=\"validating\",state=\"observe\"} 0"));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stood_already_fails_closed_at_once_and_so_does_one_that_is_put_back() {
    let (fake, names, metrics) = (Arc::new(Fake::default()), names(), Metrics::new());
    let mut pair = Pair::new(&fake.client(), &names, &metrics);
    let observe = wanted(Reach::Observe);
    fill(&mut pair, &fake, &observe).await;
    pair.reconcile(&observe).await;
    fake.writes();
    tokio::time::advance(SETTLE).await;
    let enforce = wanted(Reach::Enforce);
    pair.reconcile(&enforce).await;
    assert_eq!(fake.writes(), ["mutating Fail written", "validating Fail written"]);
    pair.validating.see(Ok(Some(ValidatingWebhookConfiguration::default())));
    pair.reconcile(&enforce).await;
    assert_eq!(fake.writes(), ["validating Fail with owner written"]);
}

#[tokio::test(start_paused = true)]
async fn the_gate_closes_without_an_owner_where_that_is_refused() {
    let fake = Arc::new(Fake { refuses_owners: true, ..Fake::default() });
    let (names, metrics) = (names(), Metrics::new());
    let mut pair = Pair::new(&fake.client(), &names, &metrics);
    let wanted = wanted(Reach::Enforce);
    fill(&mut pair, &fake, &wanted).await;
    assert_eq!(pair.reconcile(&wanted).await, Some(Instant::now()));
    pair.reconcile(&wanted).await;
    assert_eq!(
        fake.writes(),
        [
            "mutating Ignore with owner refused",
            "validating Ignore with owner refused",
            "mutating Ignore written",
            "validating Ignore written"
        ]
    );
    tokio::time::advance(SETTLE).await;
    assert_eq!(pair.reconcile(&wanted).await, Some(Instant::now() + OWNER_RETRY - SETTLE));
    assert_eq!(fake.writes(), ["mutating Fail written", "validating Fail written"]);
    tokio::time::advance(OWNER_RETRY.saturating_sub(SETTLE)).await;
    pair.reconcile(&wanted).await;
    assert_eq!(fake.writes(), ["mutating Fail with owner refused", "validating Fail with owner refused"]);
}

#[tokio::test(start_paused = true)]
async fn the_gate_opens_from_the_side_that_denies() {
    let (fake, names, metrics) = (Arc::new(Fake::default()), names(), Metrics::new());
    let mut pair = Pair::new(&fake.client(), &names, &metrics);
    let closed = wanted(Reach::Enforce);
    fill(&mut pair, &fake, &closed).await;
    pair.reconcile(&closed).await;
    fake.writes();
    pair.reconcile(&Wanted::open()).await;
    assert_eq!(fake.writes(), ["validating empty written", "mutating empty written"]);
    assert!(metrics.render().contains("webhook_configuration{kind=\"mutating\",state=\"removed\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_mutating_configuration_does_not_hold_the_gate_open() {
    let (fake, names, metrics) = (Arc::new(Fake::default()), names(), Metrics::new());
    let mut pair = Pair::new(&fake.client(), &names, &metrics);
    pair.validating.see(Ok(Some(ValidatingWebhookConfiguration::default())));
    pair.mutating.see(Ok(None));
    pair.reconcile(&wanted(Reach::Enforce)).await;
    assert_eq!(fake.writes(), ["validating Ignore with owner written"]);
    assert!(metrics.render().contains("webhook_configuration{kind=\"mutating\",state=\"absent\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn cfg_20_an_owner_that_was_removed_is_put_back_without_a_pause() {
    let (fake, names, metrics) = (Arc::new(Fake::default()), names(), Metrics::new());
    let mut pair = Pair::new(&fake.client(), &names, &metrics);
    let wanted = wanted(Reach::Enforce);
    fill(&mut pair, &fake, &wanted).await;
    pair.reconcile(&wanted).await;
    tokio::time::advance(SETTLE).await;
    pair.reconcile(&wanted).await;
    fake.writes();
    let owner = wanted.owner.clone();
    let emptied = |owner: Option<OwnerReference>| {
        let mut object = ValidatingWebhookConfiguration::default();
        object.metadata.owner_references = owner.map(|owner| vec![owner]);
        object
    };
    // The third repair in a row is not at once.
    let repaired = vec!["validating Fail written"];
    for expected in [repaired.clone(), repaired, vec![]] {
        pair.validating.see(Ok(Some(emptied(owner.clone()))));
        pair.reconcile(&wanted).await;
        assert_eq!(fake.writes(), expected);
    }
    for _ in 0..2 {
        let stranger = OwnerReference { name: "gone".into(), uid: "gone".into(), ..owner.clone().unwrap() };
        pair.validating.see(Ok(Some(emptied(Some(stranger)))));
        pair.reconcile(&wanted).await;
        assert_eq!(fake.writes(), ["validating Fail with owner written"]);
    }
}
