//! Tags that move between one review and the next, and policies that name a digest.

use sealgate::admission::Hook;
use sealgate::policy::Defaults;
use sealgate::verifier::Reaction;
use serde_json::{Value, json};

use crate::support::builders::{Review, deployment, pod};

use super::world::{World, digest, pinned, settings};

const APP: &str = "registry.example/signed/app:1";
const UNSIGNED: &str = "registry.example/unsigned/app:1";

/// The one image of the pod as it was stored.
fn image(stored: &Value) -> &Value {
    &stored["spec"]["containers"][0]["image"]
}

fn create(image: &str) -> Review {
    Review::create(&pod(&[("web", image)]))
}

/// A policy of one static answer.
fn fixed(images: &str, answer: &str) -> Value {
    json!({"match": {"images": [images]}, "authorities": [{"name": "fixed", "static": answer}]})
}

#[tokio::test]
async fn toc_04_a_tag_that_moves_to_an_unsigned_image_is_denied() {
    let world = World::new();
    let (stored, outcome) = world.admit(&create(APP)).await;
    outcome.admitted();
    assert_eq!(image(&stored), &json!(pinned(APP)));
    world.move_tag(APP);
    let (stored, outcome) = world.admit(&create(APP)).await;
    outcome.denied("NO_SIGNATURE");
    assert_eq!(image(&stored), APP);
    // What ran before still may: its digest is signed.
    world.admit(&create(&pinned(APP))).await.1.admitted();
}

#[tokio::test]
async fn toc_04_static_allow_of_a_digest_trusts_no_tag() {
    let world = World::new();
    world.policies(&[("vendor", fixed(&format!("registry.example/unsigned/app@{}", digest(UNSIGNED)), "Allow"))]);
    world.admit(&create(UNSIGNED)).await.1.denied("NO_POLICY");
    world.admit(&create(&pinned(UNSIGNED))).await.1.admitted();
    // The whole repository is trusted with all that its tags may ever name.
    world.policies(&[("vendor", fixed("registry.example/unsigned/app", "Allow"))]);
    world.admit(&create(UNSIGNED)).await.1.admitted();
}

#[tokio::test]
async fn toc_04_an_exclusion_of_a_digest_excludes_no_tag() {
    let world = World::new();
    let mut enforced = world.policy();
    enforced["match"]["excludeImages"] = json!([format!("registry.example/unsigned/app@{}", digest(UNSIGNED))]);
    let mut tried = world.policy();
    tried["mode"] = json!("Audit");
    world.policies(&[("enforced", enforced), ("tried", tried)]);
    world.admit(&create(UNSIGNED)).await.1.denied("NO_SIGNATURE");
    world.admit(&create(&pinned(UNSIGNED))).await.1.admitted();
}

#[tokio::test]
async fn toc_04_a_trial_of_a_digest_makes_no_tag_a_matched_image() {
    let world = World::new();
    let mut tried = world.policy();
    tried["mode"] = json!("Audit");
    tried["match"]["images"] = json!([format!("registry.example/unsigned/app@{}", digest(UNSIGNED))]);
    let mut enforced = world.policy();
    enforced["match"]["images"] = json!(["registry.example/signed/**"]);
    world.policies(&[("enforced", enforced), ("tried", tried)]);
    world.admit(&create(UNSIGNED)).await.1.denied("NO_POLICY");
    world.admit(&create(&pinned(UNSIGNED))).await.1.admitted();
}

#[tokio::test]
async fn toc_04_static_deny_of_a_digest_holds_for_the_tag_that_names_it() {
    let world = World::with(settings(), Defaults { unmatched: Reaction::Allow, ..Defaults::default() });
    world.policies(&[("banned", fixed(&format!("registry.example/unsigned/app@{}", digest(UNSIGNED)), "Deny"))]);
    world.admit(&create(UNSIGNED)).await.1.denied("STATIC_DENY");
    world.admit(&create(&pinned(UNSIGNED))).await.1.denied("STATIC_DENY");
    world.move_tag(UNSIGNED);
    world.admit(&create(UNSIGNED)).await.1.admitted();
}

#[tokio::test]
async fn toc_04_a_returning_tag_has_its_old_digest_only_where_it_is_pinned() {
    let update = |world: &World| {
        let moved = world.move_tag(APP);
        let review = Review::update(&pod(&[("web", &pinned(APP))]), &pod(&[("web", APP)]));
        (review, moved)
    };
    // Pinned: the old digest is verified and stored.
    let world = World::new();
    let (stored, outcome) = world.admit(&update(&world).0).await;
    outcome.admitted();
    assert_eq!(image(&stored), &json!(pinned(APP)));

    // Trusted by its digest, which nothing would put into the object: the tag would run.
    let trusted = |world: &World| world.policies(&[("vendor", fixed(&pinned(APP).replace(":1@", "@"), "Allow"))]);
    let world = World::new();
    trusted(&world);
    world.admit(&update(&world).0).await.1.denied("NO_POLICY");
    world.admit(&Review::update(&pod(&[("web", APP)]), &pod(&[("web", &pinned(APP))]))).await.1.admitted();

    // Recorded: what is recorded is about the image that will run.
    let world = World::new();
    let mut tried = world.policy();
    tried["mode"] = json!("Audit");
    world.policies(&[("tried", tried)]);
    let (review, moved) = update(&world);
    let (stored, outcome) = world.admit(&review).await;
    outcome.admitted();
    assert_eq!(image(&stored), APP);
    assert_eq!(outcome.audit["images"], format!("{APP}@{moved}"));
    assert_eq!(outcome.audit["audit-findings"], format!("tried: {APP}: NO_SIGNATURE"));
}

#[tokio::test]
async fn toc_04_a_template_is_never_pinned_and_so_its_tag_is_judged() {
    let world = World::new();
    let review = Review::update(&deployment(&[("web", &pinned(APP))]), &deployment(&[("web", APP)]));
    world.ask(Hook::ValidateWorkloads, &review).await.admitted();
    world.move_tag(APP);
    world.ask(Hook::ValidateWorkloads, &review).await.denied("NO_SIGNATURE");
}
