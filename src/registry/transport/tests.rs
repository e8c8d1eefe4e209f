use std::convert::Infallible;
use std::pin::pin;

use futures::channel::mpsc;
use futures::{FutureExt, poll};
use http_body_util::StreamBody;

use super::*;

fn answer(host: &str, room: &Arc<Shares>, body: Body) -> Answer {
    let authority = Authority { host: host.to_owned(), port: 443 };
    let response = http::Response::new(body).into();
    Answer { response, authority, timeouts: Timeouts::default(), room: room.clone() }
}

#[tokio::test]
async fn dos_03_bodies_wait_for_room_and_one_host_leaves_some_for_others() {
    let room = Arc::new(Shares::new(rooms(8 << 10), rooms(4 << 10)));
    let budget = Budget::new(1 << 20);
    let (body, pieces) = mpsc::unbounded::<Result<Frame<Bytes>, Infallible>>();
    let endless = answer("slow.test", &room, Body::wrap(StreamBody::new(pieces)));
    let mut slow = pin!(endless.body(4 << 10, &budget, "a body"));
    assert!(poll!(slow.as_mut()).is_pending());

    let short = || Body::from("short");
    let mut next = pin!(answer("slow.test", &room, short()).body(4 << 10, &budget, "a body"));
    assert!(poll!(next.as_mut()).is_pending(), "the same host waits");
    let other = answer("other.test", &room, short()).body(4 << 10, &budget, "a body").now_or_never().unwrap();
    assert_eq!(other.unwrap().bytes, b"short", "another does not");

    body.unbounded_send(Ok(Frame::data(Bytes::from_static(b"slow")))).unwrap();
    drop(body);
    let whole = slow.await.unwrap();
    assert_eq!(whole.bytes, b"slow");
    assert!(poll!(next.as_mut()).is_pending(), "until what was read is done with");
    drop(whole);
    assert_eq!(next.await.unwrap().bytes, b"short");
}

#[tokio::test]
async fn a_body_takes_up_what_it_announces() {
    let room = Arc::new(Shares::new(rooms(4 << 10), rooms(4 << 10)));
    let budget = Budget::new(1 << 20);
    let read = |bytes: Vec<u8>| answer("a.test", &room, Body::from(bytes)).body(1 << 20, &budget, "a body");
    let small = read(vec![0; 1 << 10]).await.unwrap();
    let rest = read(vec![0; 3 << 10]).now_or_never().expect("there is room for it").unwrap();
    assert!(read(vec![0; 1]).now_or_never().is_none());
    drop((small, rest));
    let long = read(vec![0; 64 << 10]).now_or_never().expect("what is longer than all waits for all");
    assert_eq!(long.unwrap().bytes.len(), 64 << 10);
}
