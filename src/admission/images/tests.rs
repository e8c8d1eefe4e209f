//! Tests of what an UPDATE has changed.

use super::*;

fn spec(containers: &[(&str, &str)]) -> PodSpec {
    let container =
        |(name, image): &(&str, &str)| Container { name: Some((*name).into()), image: Some((*image).into()) };
    PodSpec { containers: containers.iter().map(container).collect(), ..PodSpec::default() }
}

fn asked(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
    changed(images(&spec(new)), &spec(old)).into_iter().map(|field| field.asked).collect()
}

#[test]
fn k8s_16_only_the_same_name_with_the_same_string_is_unchanged() {
    assert_eq!(asked(&[("a", "x:1")], &[("a", "x:1")]), [""; 0]);
    assert_eq!(asked(&[("a", "x:1"), ("b", "y:1")], &[("b", "y:1"), ("a", "x:1")]), [""; 0], "order does not matter");
    assert_eq!(asked(&[("a", "x:1")], &[("b", "x:1")]), ["x:1"]);
    assert_eq!(asked(&[("a", "x:1")], &[("a", "x:2")]), ["x:2"]);
    assert_eq!(asked(&[("a", "x:1"), ("a", "y:1")], &[("a", "x:1"), ("a", "y:1")]), ["x:1", "y:1"], "which is which?");
    assert_eq!(asked(&[("a", "x:1")], &[("a", "x:1"), ("a", "y:1")]), ["y:1"]);
}

#[test]
fn k8s_16_a_tag_that_comes_back_has_its_old_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let old = format!("r.example/x:1@{digest}");
    assert_eq!(asked(&[("a", &old)], &[("a", "r.example/x:1")]), [old.as_str()]);
    assert_eq!(asked(&[("a", &old)], &[("a", "r.example/x:2")]), ["r.example/x:2"]);
    assert_eq!(asked(&[("a", &old)], &[("a", "r.example/y:1")]), ["r.example/y:1"]);
    assert_eq!(asked(&[("a", &old)], &[("b", "r.example/x:1")]), ["r.example/x:1"], "another container");
    assert_eq!(asked(&[("a", "r.example/x:1")], &[("a", "r.example/x")]), ["r.example/x"]);
}
