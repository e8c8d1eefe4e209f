//! What a name stands for when `TrustedRoot`s come, change and go.

use super::*;
use crate::support::sigstore::Sigstore;

#[tokio::test]
async fn flt_22_a_root_that_is_overwritten_with_garbage_stays_as_it_was() {
    let mut world = World::fetched().await;
    world.take(Ok(RootSource::Inline(new().into()))).await;
    assert_eq!(world.in_use(), Ok("new"));

    let reports = world.take(Err("spec.inline: is no trusted root".to_owned())).await;
    assert_eq!(world.in_use(), Ok("new"), "the last good one");
    let problem = reports[0].problem.clone().unwrap();
    assert_eq!((problem.reason(), problem.to_string().as_str()), ("Invalid", "spec.inline: is no trusted root"));

    let reports = world.take(Ok(RootSource::Inline(old().into()))).await;
    assert_eq!((world.in_use(), reports[0].problem.clone()), (Ok("old"), None), "and it is repaired");
}

#[tokio::test]
async fn flt_22_a_root_that_never_was_good_is_unavailable_and_the_others_are_not() {
    let mut world = World::new().await;
    world.keeper.take(&Wanted::default(), world.now).await;
    world.take(Err("spec.inline: is no trusted root".to_owned())).await;
    assert!(world.in_use().unwrap_err().contains("spec.inline: is no trusted root"));
    assert!(world.root("sigstore").is_ok() && world.root("github").is_ok());
    assert!(world.root("nobody").unwrap_err().contains("there is no trusted root of that name"));
}

/// The name of a built-in root, taken over and given back.
#[tokio::test]
async fn flt_22_a_built_in_name_that_was_taken_over_is_not_the_built_in_root() {
    let named = |source| Wanted {
        roots: vec![WantedRoot { name: "sigstore".to_owned(), generation: 1, source }],
        ..Wanted::default()
    };
    let cell = RootsCell::default();
    let mut keeper = Keeper::new(Settings::default(), cell.clone(), Metrics::new()).unwrap();
    keeper.take(&named(Err("garbage".to_owned())), start()).await;
    keeper.publish(start());
    assert!(cell.load().get("sigstore").is_err(), "somebody has said that it is something else");
    assert!(cell.load().get("github").is_ok());

    keeper.take(&named(Ok(RootSource::Inline(new().into()))), start()).await;
    keeper.publish(start());
    assert_eq!(*cell.load().get("sigstore").unwrap().fingerprint(), fingerprint(new()));

    keeper.take(&Wanted::default(), start()).await;
    keeper.publish(start());
    assert_eq!(*cell.load().get("sigstore").unwrap().fingerprint(), fingerprint(old()), "given back");
}

#[tokio::test]
async fn tuf_09_a_root_that_can_prove_nothing_is_not_ready_and_the_old_one_is_kept() {
    let bare = |change: fn(&mut serde_json::Value)| {
        let mut root = serde_json::from_str(old()).unwrap();
        change(&mut root);
        root.to_string()
    };
    let empty = bare(|root| {
        for part in ["tlogs", "ctlogs", "certificateAuthorities", "timestampAuthorities"] {
            root[part] = serde_json::json!([]);
        }
    });
    let no_proof = bare(|root| {
        root["tlogs"] = serde_json::json!([]);
        root["timestampAuthorities"] = serde_json::json!([]);
    });
    let over = bare(|root| root["certificateAuthorities"].as_array_mut().unwrap().truncate(1));
    for (text, reason) in [(empty, "Invalid"), (no_proof, "Invalid"), (over, "AuthoritiesExpired")] {
        let mut world = World::fetched().await;
        let reports = world.take(Ok(RootSource::Inline(text.into()))).await;
        assert_eq!(reports[0].problem.as_ref().unwrap().reason(), reason);
        assert_eq!(world.in_use(), Ok("old"));
    }
}

/// Nothing new can be signed with it, but what was signed in time stays verified after a restart.
#[tokio::test]
async fn tuf_09_expired_authorities_are_better_than_none() {
    let mut root: serde_json::Value = serde_json::from_str(old()).unwrap();
    root["certificateAuthorities"].as_array_mut().unwrap().truncate(1);
    let mut world = World::new().await;
    world.keeper.take(&Wanted::default(), world.now).await;
    let reports = world.take(Ok(RootSource::Inline(root.to_string().into()))).await;
    assert_eq!(reports[0].problem.as_ref().unwrap().reason(), "AuthoritiesExpired");
    assert_eq!(*world.root("own").unwrap().fingerprint(), fingerprint(&root.to_string()));
}

#[tokio::test]
async fn tuf_09_two_instances_stay_apart() {
    let [a, b] = ["a", "b"].map(|name| Sigstore::new(name).trusted_root().json().to_string());
    let wanted = |a: &str, b: &str| Wanted {
        roots: [("a", a), ("b", b)]
            .map(|(name, text)| WantedRoot {
                name: name.to_owned(),
                generation: 1,
                source: Ok(RootSource::Inline(text.into())),
            })
            .to_vec(),
        ..Wanted::default()
    };
    let cell = RootsCell::default();
    let mut keeper = Keeper::new(Settings::default(), cell.clone(), Metrics::new()).unwrap();
    keeper.take(&wanted(&a, &b), start()).await;
    keeper.publish(start());
    let roots = cell.load();
    assert_eq!(*roots.get("a").unwrap().fingerprint(), fingerprint(&a));
    assert_eq!(*roots.get("b").unwrap().fingerprint(), fingerprint(&b));

    keeper.take(&wanted(&b, &b), start()).await;
    keeper.publish(start());
    assert_eq!(cell.load().get("a"), roots.get("b"));
    assert_eq!(cell.load().get("b"), roots.get("b"), "the other is as it was");
}

/// Asked only at addresses that may be asked.
#[tokio::test]
async fn a_mirror_at_a_private_address_or_over_plain_http_needs_leave() {
    let repository = TufRepository::new(old());
    let mirror = Mirror::start();
    mirror.serve(repository.clone().publish());
    let leave = mirror.settings();
    for (hosts, problem) in [
        (vec![], "is not asked over plain http"),
        (vec![sealgate::trust::HostSettings { plain_http: false, ..leave.clone() }], "is not asked over plain http"),
        (
            vec![sealgate::trust::HostSettings { allow_private_address: false, ..leave.clone() }],
            "is not a public address",
        ),
        (vec![leave], ""),
    ] {
        mirror.server.clear_requests();
        let cell = RootsCell::default();
        let mut keeper = Keeper::new(Settings { hosts, ..Settings::default() }, cell.clone(), Metrics::new()).unwrap();
        let source = Ok(RootSource::Tuf(repository.source(&mirror)));
        let own = WantedRoot { name: "own".to_owned(), generation: 1, source };
        keeper.take(&Wanted { roots: vec![own], ..Wanted::default() }, start()).await;
        for job in keeper.due(start()) {
            keeper.finish(job.run(start()).await, start());
        }
        let report = keeper.publish(start()).remove(0);
        let told = report.problem.map(|problem| problem.to_string()).unwrap_or_default();
        assert!(told.contains(problem) && told.is_empty() == problem.is_empty(), "{problem}: {told}");
        assert_eq!(mirror.asked().is_empty(), !problem.is_empty());
    }
}
