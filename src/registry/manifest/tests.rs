use super::Manifest;

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
