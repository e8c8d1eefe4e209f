//! Keyless signatures and provenance, as a team with GitLab CI demands them.

use serde_json::{Value, json};

use crate::support::registry::Pushed;
use crate::support::signer::{attestation_tag, bundle_referrer, fallback_index, statement};
use crate::support::sigstore::{Content, Identity, Sigstore};
use crate::world::{World, pod};

const BUILDER: &str = "https://gitlab.com/gitlab-org/gitlab-runner";
const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// An image that a pipeline of this branch has signed, with provenance of this builder.
fn built(world: &World, sigstore: &Sigstore, name: &str, branch: &str, builder: &str) -> Pushed {
    let image = world.registry.push_image(name, "v1");
    let identity = Identity::gitlab_at(branch);
    let signed = sigstore.keyless(&identity, Content::statement(&statement(&image.digest)));
    let referrer = bundle_referrer(&signed.bundle(), &image.manifest);
    world.registry.put(name, &referrer, None);
    world.registry.put_manifest(name, &fallback_index(&[&referrer]), Some(&image.referrers_tag()));
    let mut provenance: Value = statement(&image.digest);
    provenance["predicateType"] = json!(PROVENANCE);
    provenance["predicate"] = json!({"runDetails": {"builder": {"id": builder}}});
    let attested = sigstore.keyless(&identity, Content::statement(&provenance));
    world.registry.put(name, &attestation_tag(&[attested.layer()]), Some(&image.attestation_tag()));
    image
}

#[test]
fn att_01_a_team_on_gitlab_admits_what_its_main_branch_built_where_it_should() {
    let world = World::new("gitlab");
    let sigstore = Sigstore::new("gitlab");
    world.trusted_root("instance", &json!({"inline": sigstore.trusted_root().json().to_string()})).unwrap();
    let main = Identity::gitlab();
    let spec = json!({
        "match": {"images": [format!("{}/**", world.registry.host())], "namespaces": [world.namespace()]},
        "authorities": [{"name": "pipeline", "keyless": {
            "trustedRoot": world.policy_name("instance"),
            "identities": [{"issuer": main.issuer, "subject": main.subject}],
        }}],
        "attestations": [{"name": "provenance", "predicateType": PROVENANCE, "conditions": [{
            "cel": format!("predicate.runDetails.builder.id == '{BUILDER}'"),
            "message": "built by an unknown builder",
        }]}],
    });
    world.policy("keyless", &spec).unwrap();
    let right = built(&world, &sigstore, "right", "main", BUILDER);
    built(&world, &sigstore, "branch", "evil", BUILDER);
    built(&world, &sigstore, "builder", "main", "https://builder.example");
    world.unsigned("probe", "v1");
    let ask = |name: &str| world.dry_run(&pod(name, &world.image(&format!("{name}:v1"))));
    world.until("the policy is enforced", || ask("probe").is_err());
    world.until("the right image is admitted", || ask("right").is_ok());

    let admitted = ask("right").unwrap();
    let pinned = admitted["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    assert_eq!(pinned, format!("{}@{}", world.image("right:v1"), right.digest));

    let refused = ask("branch").unwrap_err();
    assert!(refused.contains("[IDENTITY_MISMATCH]"), "{refused}");
    assert!(refused.contains("refs/heads/evil") && refused.contains("refs/heads/main"), "{refused}");
    let refused = ask("builder").unwrap_err();
    assert!(refused.contains("[ATTESTATION_REFUSED]"), "{refused}");
    assert!(refused.contains("provenance") && refused.contains("built by an unknown builder"), "{refused}");
    assert!(ask("probe").unwrap_err().contains("[NO_SIGNATURE]"));
}
