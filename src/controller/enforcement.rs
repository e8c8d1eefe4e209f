//! How the gate stands, without what is over before anybody could read it.
//!
//! A foreign change is put back in a blink, and a list is written in another: neither is worth a write to every policy. Where
//! somebody changes the list again and again, it is told once that pods may be admitted, and once that this is over.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::api::status::Enforcement;

/// How long a state stands that sealgate is about to mend, before it is told.
const BRIEF: Duration = Duration::from_secs(1);
/// How long a list must have stood that somebody had changed, before all is well again.
const PEACE: Duration = Duration::from_secs(10);

/// Passes on what was seen when it has stood long enough, for ever.
pub(super) async fn tell(mut seen: watch::Receiver<Option<Enforcement>>, told: &watch::Sender<Option<Enforcement>>) {
    loop {
        let next = seen.borrow_and_update().clone();
        let (differs, pause) = {
            let told = told.borrow();
            (*told != next, pause(told.as_ref(), next.as_ref()))
        };
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return pending().await },
            () = sleep(pause), if differs => { told.send_replace(next); }
        }
    }
}

fn pause(told: Option<&Enforcement>, next: Option<&Enforcement>) -> Duration {
    match (told, next) {
        (_, Some(Enforcement::Foreign { .. } | Enforcement::NotReady)) => BRIEF,
        (Some(Enforcement::Foreign { .. }), Some(Enforcement::InPlace { .. })) => PEACE,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn foreign() -> Enforcement {
        Enforcement::Foreign { by: "kubectl-edit".into() }
    }

    fn in_place() -> Enforcement {
        Enforcement::InPlace { tolerated: Vec::new() }
    }

    /// Lets the other task do what is due.
    async fn settle() {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn flt_47_an_absent_gate_is_told_at_once_and_a_blink_never() {
        let (seen, told) = (watch::Sender::new(Some(in_place())), watch::Sender::new(None));
        let mut news = told.subscribe();
        let receiver = seen.subscribe();
        tokio::spawn(async move { tell(receiver, &told).await });
        news.changed().await.unwrap();
        assert_eq!(*news.borrow_and_update(), Some(in_place()));

        seen.send_replace(Some(foreign()));
        settle().await;
        advance(BRIEF / 2).await;
        seen.send_replace(Some(in_place()));
        settle().await;
        advance(PEACE).await;
        settle().await;
        assert!(!news.has_changed().unwrap(), "it was put back in half a second");

        seen.send_replace(Some(Enforcement::Absent));
        settle().await;
        assert_eq!(*news.borrow_and_update(), Some(Enforcement::Absent));
        seen.send_replace(Some(in_place()));
        settle().await;
        assert_eq!(*news.borrow_and_update(), Some(in_place()));
    }

    #[tokio::test(start_paused = true)]
    async fn flt_47_a_fight_is_told_once_when_it_begins_and_once_when_it_is_over() {
        let (seen, told) = (watch::Sender::new(Some(foreign())), watch::Sender::new(Some(in_place())));
        let mut news = told.subscribe();
        let receiver = seen.subscribe();
        tokio::spawn(async move { tell(receiver, &told).await });
        settle().await;
        advance(BRIEF).await;
        settle().await;
        assert_eq!(*news.borrow_and_update(), Some(foreign()));
        for _ in 0..5 {
            seen.send_replace(Some(in_place()));
            settle().await;
            advance(PEACE / 2).await;
            seen.send_replace(Some(foreign()));
            settle().await;
            advance(BRIEF * 2).await;
            settle().await;
        }
        assert!(!news.has_changed().unwrap(), "the fight goes on");
        seen.send_replace(Some(in_place()));
        settle().await;
        advance(PEACE).await;
        settle().await;
        assert_eq!(*news.borrow_and_update(), Some(in_place()));
    }
}
