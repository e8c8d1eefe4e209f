use std::convert::Infallible;
use std::pin::pin;

use futures::channel::mpsc;
use futures::{FutureExt, poll};
use http_body_util::StreamBody;

use super::*;
use crate::registry::Quota;

fn answer(host: &str, room: &Arc<Shares>, body: Body) -> Answer {
    let authority = Authority { host: host.to_owned(), port: 443 };
    let response = http::Response::new(body).into();
    let place = Shares::new(Quota { all: 1, host: 1, kept: 0 }).take(host, 1).now_or_never().unwrap();
    Answer { response, authority, timeouts: Timeouts::default(), place, room: room.clone() }
}

/// Room for so many KiB in all, and for one host.
fn room(all: u32, host: u32) -> Arc<Shares> {
    Arc::new(Shares::new(Quota { all, host, kept: 0 }))
}

/// More than needs no room.
const LARGE: usize = 100 << 10;

#[tokio::test]
async fn dos_03_bodies_wait_for_room_and_one_host_leaves_some_for_others() {
    let room = room(200, 100);
    let budget = Budget::new(1 << 20);
    let (body, pieces) = mpsc::unbounded::<Result<Frame<Bytes>, Infallible>>();
    let endless = answer("slow.test", &room, Body::wrap(StreamBody::new(pieces)));
    let mut slow = pin!(endless.body(LARGE as u64, &budget, "a body"));
    body.unbounded_send(Ok(Frame::data(Bytes::from(vec![0; 70 << 10])))).unwrap();
    assert!(poll!(slow.as_mut()).is_pending());

    let large = || Body::from(vec![1; LARGE]);
    let mut next = pin!(answer("slow.test", &room, large()).body(LARGE as u64, &budget, "a body"));
    assert!(poll!(next.as_mut()).is_pending(), "the same host waits");
    let other = answer("other.test", &room, large()).body(LARGE as u64, &budget, "a body").now_or_never().unwrap();
    assert_eq!(other.unwrap().bytes.len(), LARGE, "another does not");

    drop(body);
    let whole = slow.await.unwrap();
    assert_eq!(whole.bytes.len(), 70 << 10);
    assert!(poll!(next.as_mut()).is_pending(), "until what was read is done with");
    drop(whole);
    assert_eq!(next.await.unwrap().bytes.len(), LARGE);
}

#[tokio::test]
async fn reg_22_what_has_not_come_holds_no_room_and_what_is_small_needs_none() {
    let room = room(100, 100);
    let budget = Budget::new(1 << 20);
    let read = |body: Body| answer("a.test", &room, body).body(LARGE as u64, &budget, "a body");
    // How much of the first body has come, and whether another large one can be read meanwhile.
    for (come, is_read) in [(0, true), (16 << 10, true), ((16 << 10) + 1, false)] {
        let (body, pieces) = mpsc::unbounded::<Result<Frame<Bytes>, Infallible>>();
        body.unbounded_send(Ok(Frame::data(Bytes::from(vec![0; come])))).unwrap();
        let mut slow = pin!(read(Body::wrap(StreamBody::new(pieces))));
        assert!(poll!(slow.as_mut()).is_pending());
        assert_eq!(read(Body::from(vec![0; LARGE])).now_or_never().is_some(), is_read, "{come}");
        assert!(read(Body::from(vec![0; 16 << 10])).now_or_never().is_some(), "{come}: small");
    }
}

#[tokio::test]
async fn a_body_takes_up_what_it_announces() {
    let room = room(300, 300);
    let budget = Budget::new(8 << 20);
    let read = |bytes: usize| answer("a.test", &room, Body::from(vec![0; bytes])).body(1 << 20, &budget, "a body");
    let first = read(100 << 10).await.unwrap();
    let rest = read(200 << 10).now_or_never().expect("there is room for it").unwrap();
    assert!(read(65 << 10).now_or_never().is_none());
    drop((first, rest));
    let long = read(400 << 10).now_or_never().expect("what is longer than all waits for all");
    assert_eq!(long.unwrap().bytes.len(), 400 << 10);
}
