use std::convert::Infallible;
use std::net::IpAddr;

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use super::super::limits::REVIEWS_BYTES;
use super::*;

const LONG: Duration = Duration::from_secs(30);

fn peer(n: u8) -> Peer {
    IpAddr::from([10, 0, 0, n]).into()
}

/// A body of unknown length whose pieces come one after another, each after a pause.
fn arriving(pieces: usize, bytes: usize, pause: Duration) -> Body {
    Body::from_stream(stream::iter(0..pieces).then(move |_| async move {
        sleep(pause).await;
        Ok::<_, Infallible>(vec![b' '; bytes])
    }))
}

/// What comes of a body, and how long it took.
async fn read(body: Body) -> (Result<usize, BodyError>, Duration) {
    let began = Instant::now();
    let deadline = began.checked_add(LONG).unwrap();
    let read = Budget::new(REVIEWS_BYTES).read(body, peer(1), deadline).await;
    (read.map(|body| body.as_ref().len()), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn dos_18_a_body_must_keep_a_minimum_rate_and_one_that_keeps_it_is_read() {
    let second = Duration::from_secs(1);
    let (fast, _) = read(arriving(8, 16 << 10, second)).await;
    assert_eq!(fast, Ok(8 * (16 << 10)));
    for (bytes, pause) in
        [((16 << 10) - 1, second), (1, Duration::from_millis(100)), (4 << 10, Duration::from_millis(300))]
    {
        let (slow, took) = read(arriving(1000, bytes, pause)).await;
        assert_eq!((slow, took), (Err(BodyError::Slow), BODY_WINDOW), "{bytes} bytes in {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dos_18_a_body_that_has_nearly_arrived_may_not_stop() {
    let pieces = stream::iter([vec![b' '; 1 << 20]]).map(Ok::<_, Infallible>).chain(stream::pending());
    assert_eq!(read(Body::from_stream(pieces)).await, (Err(BodyError::Slow), BODY_WINDOW));
}

#[tokio::test(start_paused = true)]
async fn dos_18_no_body_takes_longer_than_the_whole_time() {
    let (endless, took) = read(arriving(100_000, 20 << 10, Duration::from_secs(1))).await;
    assert_eq!((endless, took), (Err(BodyError::Slow), BODY_TIME));
}

#[tokio::test(start_paused = true)]
async fn dos_18_who_pauses_while_others_wait_for_room_loses_it() {
    let budget = Arc::new(Budget::new(REVIEWS_BYTES));
    let stops = stream::iter([vec![b' '; 19 << 20]]).map(Ok::<_, Infallible>).chain(stream::pending());
    let hog = {
        let budget = Arc::clone(&budget);
        tokio::spawn(async move { budget.read(Body::from_stream(stops), peer(1), Instant::now() + LONG).await })
    };
    tokio::task::yield_now().await;
    let began = Instant::now();
    let honest = budget.read(arriving(1, 16 << 20, Duration::ZERO), peer(2), began + LONG).await;
    assert_eq!(honest.map(|body| body.as_ref().len()), Ok(16 << 20));
    assert_eq!(began.elapsed(), CONTENDED_PAUSE);
    assert_eq!(hog.await.unwrap().unwrap_err(), BodyError::Slow);
}
