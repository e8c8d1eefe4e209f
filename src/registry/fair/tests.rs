use futures::FutureExt;
use futures::channel::mpsc;
use futures::stream::{self, StreamExt};

use super::share;

/// What passes of two places with a limit of 4, and whether there was more. Things are `<key><place>`.
async fn passes(first: &[&str], second: &[&str], second_before_first: bool) -> (Vec<String>, bool) {
    let (gate, closed) = mpsc::unbounded::<()>();
    let things = |all: &[&str]| stream::iter(all.iter().map(|thing| Ok((*thing).to_owned())).collect::<Vec<_>>());
    let late = closed.filter_map(|()| std::future::ready(None));
    let key = |thing: &String| thing.chars().next();
    let out = if second_before_first {
        share(4, late.chain(things(first)), things(second), key, || ()).boxed()
    } else {
        share(4, things(first), late.chain(things(second)), key, || ()).boxed()
    };
    let mut out = out;
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
        for second_before_first in [false, true] {
            let (found, too_many) = passes(first, second, second_before_first).await;
            assert_eq!(found.join(" "), expected, "{first:?} {second:?}");
            assert_eq!(too_many, more, "{first:?} {second:?}");
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
        for second_before_first in [false, true] {
            let (found, too_many) = passes(first, second, second_before_first).await;
            let keys: String = found.iter().filter_map(|thing| thing.chars().next()).collect();
            assert_eq!((keys.as_str(), too_many), (expected, more), "{first:?} {second:?}");
        }
    }
}
