//! Where images and signatures are looked for, and in how many round trips.

use super::*;

fn bundle(text: &str) -> serde_json::Value {
    json!({ "bundle": text })
}

#[tokio::test]
async fn every_place_is_looked_at() {
    for registry in [
        TestRegistry::start(),
        TestRegistry::builder().referrers_api().start(),
        TestRegistry::builder().referrers_api_paged(1).start(),
    ] {
        let image = registry.push_image("acme/app", "v1");
        let client = client(&registry.settings());
        let access = Access::default();
        assert_eq!(resolve(&client, &image.tagged("v1")).await.unwrap(), image.pinned());
        assert_eq!(resolve(&client, &image.tagged("v2")).await, Err(Fault::NotFound));
        assert!(client.exists(&image.pinned(), &access).await.unwrap());
        assert_eq!(evidence(&client, &image, &access).await, [], "unsigned, and every place has said so");

        let tag = image.signature_tag();
        registry.put("acme/app", &signer::legacy_tag(&[layer("a"), layer("b")]), Some(&tag));
        registry.put("acme/app", &signer::legacy_referrer(&[layer("c")], &image.manifest), None);
        registry.put("acme/app", &signer::bundle_referrer(&bundle("d"), &image.manifest), None);
        registry.put("acme/app", &signer::bundle_referrer(&bundle("e"), &image.manifest), None);
        let found = evidence(&client, &image, &access).await;
        assert_eq!(contents(&found), ["a", "b", "c", r#"{"bundle":"d"}"#, r#"{"bundle":"e"}"#]);
        assert_eq!(unread(&found), []);
    }
}
