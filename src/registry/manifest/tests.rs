use super::{Manifest, Unfit};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn reg_12_type_confusion_is_refused() {
    let descriptor = format!(r#"{{"mediaType":"x","digest":"sha256:{}","size":3}}"#, "0".repeat(64));
    let image = format!(r#"{{"schemaVersion":2,"mediaType":"{IMAGE}","config":{descriptor},"layers":[{descriptor}]}}"#);
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{descriptor}]}}"#);
    let untyped = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[]}}"#);

    assert!(
        matches!(Manifest::parse(Some(IMAGE), image.as_bytes()), Ok(Manifest::Image { layers, .. }) if layers.len() == 1)
    );
    assert!(
        matches!(Manifest::parse(Some(INDEX), index.as_bytes()), Ok(Manifest::Index { manifests }) if manifests.len() == 1)
    );
    assert!(Manifest::parse(Some(&format!("{IMAGE}; charset=utf-8")), image.as_bytes()).is_ok());
    assert!(Manifest::parse(Some(IMAGE), untyped.as_bytes()).is_ok());
    assert!(Manifest::parse(Some(INDEX), br#"{"schemaVersion":2,"manifests":null}"#).is_ok());

    let refused: &[(Option<&str>, String)] = &[
        (Some(INDEX), image.clone()),
        (Some(IMAGE), index),
        (Some(INDEX), untyped),
        (Some(IMAGE), format!(r#"{{"schemaVersion":2,"layers":[{descriptor}],"manifests":[{descriptor}]}}"#)),
        (Some(INDEX), format!(r#"{{"schemaVersion":2,"layers":[{descriptor}],"manifests":[{descriptor}]}}"#)),
        (Some(IMAGE), r#"{"schemaVersion":1,"layers":[]}"#.into()),
        (Some(IMAGE), r#"{"layers":[]}"#.into()),
        (Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), image.clone()),
        (Some("application/json"), image.clone()),
        (Some("text/html"), "<html>".into()),
        (None, image.clone()),
        (Some(IMAGE), r#"{"schemaVersion":2,"layers":[],"layers":[]}"#.into()),
        (Some(IMAGE), r#"{"schemaVersion":2,"subject":null,"subject":null}"#.into()),
        (Some(IMAGE), image.replace(r#""size":3"#, r#""size":-3"#)),
        (Some(IMAGE), format!("{image}x")),
        (Some(IMAGE), "[]".into()),
    ];
    for (content_type, body) in refused {
        assert!(Manifest::parse(*content_type, body.as_bytes()).is_err(), "{content_type:?} {body}");
    }
}

#[test]
fn reg_07_lists_end_at_their_limits() {
    let descriptor = |annotations: &str| {
        format!(r#"{{"mediaType":"x","digest":"sha256:{}","size":3,"annotations":{annotations}}}"#, "0".repeat(64))
    };
    let many = |n: usize| {
        let entries: Vec<String> = (0..n).map(|n| format!(r#""{n}":"""#)).collect();
        format!("{{{}}}", entries.join(","))
    };
    let long = |n: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(n - 1));
    let same = |n: usize| format!("{{{}}}", vec![r#""a":"""#; n].join(","));
    let repeated = |annotations: &str, n: usize| vec![descriptor(annotations); n].join(",");
    for (list, problem) in [
        (repeated("null", 1000), None),
        (repeated("null", 1001), Some("the manifest lists more than 1000 descriptors")),
        (repeated("null", 50_000), Some("the manifest lists more than 1000 descriptors")),
        (descriptor(&many(256)), None),
        (descriptor(&many(257)), Some("a descriptor has more than 256 annotations")),
        (descriptor(&same(50_000)), None),
        (descriptor(&long(1 << 20)), None),
        (descriptor(&long((1 << 20) + 1)), Some("more than 1 MiB of them")),
        (repeated(&many(256), 64), None),
        (repeated(&many(256), 65), Some("more than 16384 annotations")),
    ] {
        for (content_type, field) in [(IMAGE, "layers"), (INDEX, "manifests")] {
            let document = format!(r#"{{"schemaVersion":2,"{field}":[{list}]}}"#);
            let found = Manifest::parse(Some(content_type), document.as_bytes());
            match problem {
                None => assert!(found.is_ok(), "{found:?}"),
                Some(problem) => {
                    assert!(matches!(found, Err(Unfit::TooMuch(found)) if found.contains(problem)), "{found:?}");
                }
            }
        }
    }
    for annotations in ["[]", "1", r#"{"a":1}"#, r#"{"a":null}"#] {
        let document = format!(r#"{{"schemaVersion":2,"layers":[{}]}}"#, descriptor(annotations));
        assert!(Manifest::parse(Some(IMAGE), document.as_bytes()).is_err(), "{annotations}");
    }
}

#[test]
fn what_a_referrer_says_of_its_bundle_is_read_and_nothing_else_of_its_annotations() {
    let says = |annotations: &str| {
        let document = format!(r#"{{"schemaVersion":2,"layers":[],"annotations":{annotations}}}"#);
        match Manifest::parse(Some(IMAGE), document.as_bytes()) {
            Ok(Manifest::Image { predicate_type, .. }) => predicate_type,
            other => panic!("{other:?}"),
        }
    };
    let said = r#""dev.sigstore.bundle.predicateType":"https://spdx.dev/Document""#;
    assert_eq!(says(&format!("{{{said}}}")).as_deref(), Some("https://spdx.dev/Document"));
    assert_eq!(says(&format!(r#"{{"a":1,"b":{{}},{said}}}"#)).as_deref(), Some("https://spdx.dev/Document"));
    for nothing in ["null", "{}", r#"{"a":[1]}"#, r#"{"dev.sigstore.bundle.predicateType":null}"#] {
        assert_eq!(says(nothing), None, "{nothing}");
    }
}
