//! Reviews that get no turn, in time that is told.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::to_bytes;
use futures::FutureExt as _;
use serde_json::Value;

use super::super::connection_limit::{Causes, ConnectionLimit};
use super::super::limits::REVIEWS_BYTES;
use super::*;

/// Says yes.
struct Yes;

impl Reviewer for Yes {
    async fn review<B: AsRef<[u8]> + Send + 'static>(&self, _: Hook, _: B, _: Instant) -> Answer {
        Answer::review(b"yes".to_vec())
    }
}

fn reviews(metrics: &Metrics) -> Reviews<Yes> {
    let deadlines = Deadlines::new(Duration::from_secs(10));
    Reviews { reviewer: Arc::new(Yes), budget: Budget::new(REVIEWS_BYTES), deadlines, metrics: metrics.clone() }
}

fn request() -> Request {
    let start = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"asked","kind":{"#;
    Request::post("/validate?timeout=10s").header(CONTENT_TYPE, "application/json").body(Body::from(start)).unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn dos_17_a_review_beyond_its_peers_share_is_answered_at_its_deadline() {
    let metrics = Metrics::new();
    let limit = ConnectionLimit::new(5, Causes { full: "full", evicted: "evicted" }, None, metrics.clone());
    let peer = || IpAddr::from([10, 0, 0, 1]).into();
    let slots: Vec<_> = (0..5).filter_map(|_| limit.admit(peer()).map(Arc::new)).collect();
    let mut turns: Vec<_> = slots.iter().filter_map(|slot| slot.turn().now_or_never()).collect();
    assert_eq!(turns.len(), 4);
    let reviews = reviews(&metrics);
    let began = Instant::now();
    let late = reviews.answer(Hook::ValidatePods, &slots[4], request()).await;
    assert_eq!(began.elapsed(), Duration::from_millis(9500));
    let late: Value = serde_json::from_str(&text(late).await).unwrap();
    let response = &late["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&"asked".into(), &false.into()), "{late}");
    assert_eq!(response["status"]["code"], 503);
    assert!(metrics.render().contains("cause=\"peer-reviews\""));
    turns.pop();
    let answer = reviews.answer(Hook::ValidatePods, &slots[4], request()).await;
    assert_eq!(text(answer).await, "yes", "with a turn it is answered");
}
