use futures::FutureExt;
use futures::channel::mpsc;
use futures::stream::{self, StreamExt};

use super::share;

/// What passes of several places with a limit of 4, and whether there was more. Things are `<key><place>`. One place answers when
/// the others have.
async fn passes(places: &[&[&str]], late: usize) -> (Vec<String>, bool) {
    let (gate, closed) = mpsc::unbounded::<()>();
    let things = |all: &[&str]| stream::iter(all.iter().map(|thing| Ok((*thing).to_owned())).collect::<Vec<_>>());
    let mut places: Vec<_> = places.iter().map(|place| things(place).boxed()).collect();
    let last = places.remove(late);
    places.insert(late, closed.filter_map(|()| std::future::ready(None)).chain(last).boxed());
    let key = |thing: &String| thing.chars().next();
    let mut out = share(4, places, key, || ()).boxed();
    let mut found = Vec::new();
    while let Some(Some(step)) = out.next().now_or_never() {
        found.push(step);
    }
    drop(gate);
    found.extend(out.collect::<Vec<_>>().await);
    let more = found.contains(&Err(()));
    let mut found: Vec<String> = found.into_iter().flatten().collect();
    found.sort();
    (found, more)
}

#[tokio::test]
async fn reg_08_neither_place_crowds_out_the_other() {
    for (first, second, expected, more) in [
        (&["a1", "b1", "c1", "d1"][..], &[][..], "a1 b1 c1 d1", false),
        (&[], &["a2", "b2", "c2", "d2"], "a2 b2 c2 d2", false),
        (&["a1", "b1", "c1", "d1", "e1"], &[], "a1 b1 c1 d1", true),
        (&["a1", "b1", "c1", "d1", "e1"], &["v2"], "a1 b1 c1 v2", true),
        (&["v1"], &["a2", "b2", "c2", "d2", "e2"], "a2 b2 c2 v1", true),
        (&["a1", "b1", "c1"], &["v2"], "a1 b1 c1 v2", false),
        (&["a1", "b1", "c1"], &["v2", "w2", "x2"], "a1 b1 v2 w2", true),
        (&["a1", "a1", "a1", "a1", "a1", "b1"], &["v2", "w2"], "a1 b1 v2 w2", false),
        (&[], &[], "", false),
    ] {
        for late in [0, 1] {
            let (found, too_many) = passes(&[first, second], late).await;
            assert_eq!(found.join(" "), expected, "{first:?} {second:?}");
            assert_eq!(too_many, more, "{first:?} {second:?}");
        }
    }
}

#[tokio::test]
async fn reg_08_of_three_places_none_crowds_out_another() {
    let full = |place: &'static str| ["a", "b", "c", "d", "e"].map(|key| format!("{key}{place}"));
    let all = ["1", "2", "3"].map(full);
    let full = all.each_ref().map(|place| place.each_ref().map(String::as_str));
    for (places, expected, more) in [
        ([&full[0][..], &[], &[]], "a1 b1 c1 d1", true),
        ([&[], &full[1][..], &[]], "a2 b2 c2 d2", true),
        ([&[], &[], &full[2][..4]], "a3 b3 c3 d3", false),
        ([&full[0][..], &["v2"], &["w3"]], "a1 b1 v2 w3", true),
        ([&["v1"], &full[1][..], &["w3"]], "a2 b2 v1 w3", true),
        ([&["v1"], &["w2"], &full[2][..2]], "a3 b3 v1 w2", false),
        ([&["v1", "w1"], &full[1][..], &["x3"]], "a2 v1 w1 x3", true),
    ] {
        for late in [0, 1, 2] {
            let (found, too_many) = passes(&places, late).await;
            assert_eq!((found.join(" ").as_str(), too_many), (expected, more), "{places:?}, {late} is late");
        }
    }
}

#[tokio::test]
async fn reg_16_what_is_in_both_places_counts_once() {
    for (first, second, expected, more) in [
        (&["a1", "b1", "c1", "d1"][..], &["a2", "b2", "c2", "d2"][..], "abcd", false),
        (&["a1", "b1", "c1", "d1"], &["d2", "c2", "b2", "a2"], "abcd", false),
        (&["a1", "b1", "c1", "d1", "e1"], &["a2", "b2", "f2"], "abcd", true),
    ] {
        for late in [0, 1] {
            let (found, too_many) = passes(&[first, second], late).await;
            let keys: String = found.iter().filter_map(|thing| thing.chars().next()).collect();
            assert_eq!((keys.as_str(), too_many), (expected, more), "{first:?} {second:?}");
        }
    }
}
