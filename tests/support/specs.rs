//! Specs of policies that are good and bad in `match` and `mode`, made of pieces that are each almost right.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

const HOSTS: [&str; 42] = [
    "ghcr.io",
    "GHCR.io",
    "localhost",
    "localhost:5000",
    "registry",
    "registry:5000",
    "registry:443",
    "*.example.com",
    "a*.example.com",
    "**.com",
    "**",
    "*",
    "*:5000",
    "10.0.0.1",
    "10.0.0.256",
    "10.0.0.01",
    "1.2.3",
    "10.0.*.1:443",
    "10.0.0.*",
    "*.*.*.7",
    "x.7",
    "7:5000",
    "docker.io",
    "index.docker.io:443",
    "registry.hub.docker.com",
    "*.docker.io",
    "*.docker.io:443",
    "hub.docker.io",
    "x.0x1f",
    "x.0xg",
    "0x:1",
    "-a.com",
    "a-.com",
    "a_b.com",
    "a..com",
    "host.io:0",
    "host.io:65535",
    "host.io:65536",
    "host.io:",
    "xn--a.io",
    "[::1]:5000",
    "é.io",
];
const SEGMENTS: [&str; 24] = [
    "acme", "app", "*", "**", "acme-*", "*acme", "Acme", "a..b", "a.b", "a_b", "a__b", "a___b", "a--b", "-a", "a-",
    "a.", "", "app:v1", "a*b*c", "a**", "_x*", "*_", "@", "a b",
];
const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const KEYS: [&str; 14] = [
    "env",
    "kubernetes.io/metadata.name",
    "Env_1.x-y",
    "acme.example.com/env",
    "Acme.example.com/env",
    "/env",
    "acme/",
    "a/b/c",
    "-env",
    "env-",
    "not a key",
    "a..b/env",
    "é",
    "",
];
const VALUES: [&str; 8] = ["prod", "", "Prod_1.2-3", "-prod", "prod-", "a b", "a/b", "é"];
const NAMES: [&str; 10] = ["shop", "a-1", "1", "Shop", "-shop", "shop-", "shop.x", "", "a_b", "shop/x"];

/// A spec; everything but `match` and `mode` is good.
pub fn spec() -> impl Strategy<Value = Value> {
    let mode = prop_oneof![6 => select(vec!["Enforce", "Warn", "Audit"]), 1 => select(vec!["enforce", "", "Off"])];
    let excluded = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(pattern(), 1..2)];
    let namespaces = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(name(), 1..2)];
    let selector = prop_oneof![2 => Just(json!({})), 1 => labels(), 1 => expressions()];
    (mode, prop::collection::vec(pattern(), 1..3), excluded, namespaces, selector).prop_map(
        |(mode, images, excluded, namespaces, selector)| {
            json!({
                "mode": mode,
                "match": {
                    "images": images, "excludeImages": excluded, "namespaces": namespaces, "namespaceSelector": selector,
                },
                "authorities": [{"name": "fixed", "static": "Deny"}],
            })
        },
    )
}

/// So many specs, the same ones each time.
pub fn specs(count: usize) -> Vec<Value> {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    (0..count).map(|_| spec().new_tree(&mut runner).unwrap().current()).collect()
}

fn pattern() -> impl Strategy<Value = String> {
    let digest = prop_oneof![
        8 => Just(String::new()),
        2 => Just(format!("@{DIGEST}")),
        1 => select(vec!["@", "@sha256:aa", "@sha512:aa", ":v1@sha256:aa"]).prop_map(str::to_owned),
        1 => Just(format!("@{}", DIGEST.to_uppercase())),
    ];
    let built = (host(), prop::collection::vec(segment(), 0..4), digest).prop_map(|(host, segments, digest)| {
        let path: String = segments.iter().flat_map(|segment| ["/", &**segment]).collect();
        format!("{host}{path}{digest}")
    });
    let good = (
        select(vec!["ghcr.io", "localhost:5000", "*.example.com", "10.0.0.1"]),
        select(vec!["acme/**", "acme/app", "*/app-*"]),
    )
        .prop_map(|(host, path)| format!("{host}/{path}"));
    let scheme = good.clone().prop_map(|good| format!("https://{good}"));
    prop_oneof![6 => good, 8 => built, 1 => scheme, 1 => Just("**".to_owned()), 2 => "[a-zA-Z0-9*./:@_-]{0,24}"]
}

fn host() -> impl Strategy<Value = String> {
    let long = (60..66usize).prop_map(|length| format!("{}.io", "a".repeat(length)));
    let many = (120..130usize).prop_map(|labels| format!("{}io", "a.".repeat(labels)));
    prop_oneof![20 => select(&HOSTS[..]).prop_map(str::to_owned), 1 => long, 1 => many, 1 => "[a-z0-9*.:-]{1,12}"]
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![12 => select(&SEGMENTS[..]).prop_map(str::to_owned), 1 => "[a-z0-9*._-]{1,8}"]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(&NAMES[..]).prop_map(str::to_owned), 1 => (62..65usize).prop_map(|length| "a".repeat(length))]
}

fn key() -> impl Strategy<Value = String> {
    let word = (62..65usize).prop_map(|length| "a".repeat(length));
    let label = (62..65usize).prop_map(|length| format!("{}.io/env", "a".repeat(length)));
    let prefix = (124..130usize).prop_map(|labels| format!("{}io/env", "a.".repeat(labels)));
    prop_oneof![10 => select(&KEYS[..]).prop_map(str::to_owned), 1 => word, 1 => label, 1 => prefix]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(&VALUES[..]).prop_map(str::to_owned), 1 => (62..65usize).prop_map(|length| "a".repeat(length))]
}

fn labels() -> impl Strategy<Value = Value> {
    (key(), value()).prop_map(|(key, value)| json!({"matchLabels": Map::from_iter([(key, json!(value))])}))
}

fn expressions() -> impl Strategy<Value = Value> {
    let operator = select(vec!["In", "NotIn", "Exists", "DoesNotExist", "in"]);
    (key(), operator, prop::collection::vec(value(), 0..3)).prop_map(
        |(key, operator, values)| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
    )
}
