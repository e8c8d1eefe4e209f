use std::convert::Infallible;

use futures::stream::unfold;
use reqwest::Body;
use tokio::time::sleep;

use super::*;

/// An answer of 64 KiB that comes in pieces of a KiB, one each time that so much time is over.
fn answer(pause: Duration) -> Response {
    let pieces = unfold(64, move |left: usize| async move {
        let left = left.checked_sub(1)?;
        sleep(pause).await;
        Some((Ok::<_, Infallible>(vec![b' '; 1 << 10]), left))
    });
    http::Response::new(Body::wrap_stream(pieces)).into()
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_hardly_answers_is_given_up() {
    let mirror = Clients::new(&[]).unwrap().mirror(&Url::parse("https://mirror.test/").unwrap()).unwrap();
    let read = |pause| mirror.read(answer(pause), "timestamp.json", 1 << 20);
    assert_eq!(read(Duration::from_millis(50)).await.unwrap().unwrap().len(), 64 << 10, "20 KiB a second");
    let problem = read(Duration::from_millis(80)).await.unwrap_err().to_string();
    assert!(problem.contains("slower than 16 KiB a second"), "{problem}");
}
