//! Whoever reaches the port may post a review for any namespace. An answer tells no more than the verdict.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use sealgate::admission::Hook;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::builders::{Review, pod};

use super::world::{INSIDE_ADDRESS, World, pinned};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut &*self);
    }
}

impl Visit for &Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

/// What the caller reads, and what the log has.
async fn asked(world: &World, hook: Hook, image: &str) -> (String, String) {
    let log = Log::default();
    let review = Review::create(&pod(&[("main", image)]));
    let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    let answer = world.answer(hook, &review).await;
    drop(guard);
    let log = log.0.lock().unwrap().clone();
    (String::from_utf8(answer).unwrap(), log)
}

#[tokio::test]
async fn net_15_an_internal_address_is_in_the_log_and_in_no_answer() {
    let world = World::new();
    for hook in [Hook::Mutate, Hook::ValidatePods, Hook::ValidateWorkloads] {
        let (answer, log) = asked(&world, hook, "registry.example/inside/app:1").await;
        assert!(!answer.contains(INSIDE_ADDRESS), "{hook:?}: {answer}");
        if hook == Hook::ValidatePods {
            let words = answer.contains("ADDRESS_BLOCKED") && answer.contains("sealgate's log has the details");
            assert!(words && log.contains(INSIDE_ADDRESS), "{answer} {log}");
        }
    }
    let (answer, log) = asked(&world, Hook::ValidatePods, "registry.example/down/app:1").await;
    assert!(answer.contains("REGISTRY_UNREACHABLE") && !answer.contains("has the details"), "{answer}");
    assert!(!log.contains("details"), "{log}");
    let (answer, log) = asked(&world, Hook::ValidatePods, &pinned("registry.example/signed/app:1")).await;
    assert!(answer.contains("\"allowed\":true") && log.contains("answer=\"allowed\""), "{answer} {log}");
}
