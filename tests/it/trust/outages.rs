//! What stays when a mirror is away, lies or falls silent, and for how long.

use std::fs;

use super::*;
use crate::support::registry::{Answer, Body, Gate};
use crate::support::signer::SigningKey;
use crate::support::tuf::FAR;
use crate::support::verifier;

#[tokio::test]
async fn tuf_01_nothing_is_asked_but_the_mirror_and_only_for_what_it_publishes() {
    // Every service of this instance is said to lie at the mirror: whoever asked one of them would be seen.
    let mirror = Mirror::start();
    let mut root: serde_json::Value = serde_json::from_str(old()).unwrap();
    for log in ["tlogs", "ctlogs"] {
        root[log][0]["baseUrl"] = format!("{}/log", mirror.server.url()).into();
    }
    for authority in ["certificateAuthorities", "timestampAuthorities"] {
        root[authority][0]["uri"] = format!("{}/authority", mirror.server.url()).into();
    }
    let mut repository = TufRepository::new(&root.to_string());
    mirror.serve(repository.publish());
    let cell = RootsCell::default();
    let settings = Settings { hosts: vec![mirror.settings()], ..Settings::default() };
    let mut keeper = Keeper::new(settings, cell.clone(), Metrics::new()).unwrap();
    let source = Ok(RootSource::Tuf(repository.source(&mirror)));
    let own = WantedRoot { name: "own".to_owned(), generation: 1, source };
    keeper.take(&Wanted { roots: vec![own], ..Wanted::default() }, start()).await;
    for hour in [0, 7, 14] {
        let now = start() + hours(hour);
        for job in keeper.due(now) {
            keeper.finish(job.run(now).await, now);
        }
        keeper.publish(now);
    }
    assert!(cell.load().get("own").is_ok());
    let asked = mirror.asked();
    let hash = fingerprint(&root.to_string()).to_string().replace("sha256:", "");
    let expected = ["/2.root.json", "/timestamp.json", "/1.snapshot.json", "/1.targets.json"];
    assert_eq!(asked[..4], expected);
    assert_eq!(asked[4], format!("/targets/{hash}.trusted_root.json"));
    assert_eq!(asked[5..], ["/2.root.json", "/timestamp.json", "/2.root.json", "/timestamp.json"]);
}

#[tokio::test]
async fn tuf_01_a_built_in_root_that_no_policy_names_is_not_refreshed() {
    let settings = Settings { refresh_built_in: true, ..Settings::default() };
    let mut keeper = Keeper::new(settings, RootsCell::default(), Metrics::new()).unwrap();
    keeper.take(&Wanted::default(), start()).await;
    assert_eq!(keeper.due(start()).len(), 0);
    keeper.take(&Wanted { used: ["sigstore".to_owned()].into(), ..Wanted::default() }, start()).await;
    assert_eq!(keeper.due(start()).len(), 1, "the twin that one names is");
    keeper.take(&Wanted::default(), start()).await;
    assert_eq!(keeper.due(start() + hours(24)).len(), 0);
}

/// The mirror fails at each request of the refresh in turn.
#[tokio::test]
async fn tuf_05_a_refresh_that_fails_anywhere_leaves_the_old_root_whole() {
    let files = ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "targets/"];
    for file in files {
        for answer in [
            Answer::status(500),
            Answer::hang_up(),
            Answer::status(200).body(Body::Cut(b"{\"signed\":".to_vec(), 5)),
            Answer::redirect("/elsewhere"),
            Answer::ok("application/json", "{}").header("Content-Encoding", "gzip"),
        ] {
            let mut world = World::fetched().await;
            let before = world.root("own").unwrap();
            world.repository.rotate(|_| {});
            world.repository.content = new().to_owned();
            world.mirror.serve(world.repository.publish());
            world.mirror.server.answer(file, answer);
            world.refused().await;
            assert_eq!(world.root("own").unwrap(), before);
            assert!(world.root("sigstore").is_ok() && world.root("github").is_ok());
            world.mirror.obey();
            world.accepted().await;
        }
    }
}

#[tokio::test]
async fn tuf_05_readers_see_the_old_roots_or_the_new_ones() {
    let mut world = World::fetched().await;
    let before = world.cell.load();
    world.repository.content = new().to_owned();
    world.mirror.serve(world.repository.publish());
    world.accepted().await;
    assert_eq!(*before.get("own").unwrap().fingerprint(), fingerprint(old()), "a snapshot does not change");
    assert_eq!(before.get("sigstore"), world.cell.load().get("sigstore"));
}

#[tokio::test(start_paused = true)]
async fn tuf_04_a_mirror_that_never_answers_is_left_alone_in_time() {
    let mut world = World::new().await;
    let gate = Gate::closed();
    world.mirror.server.answer("timestamp.json", Answer::status(200).hold(&gate));
    let began = tokio::time::Instant::now();
    world.refresh().await;
    assert!(began.elapsed() <= std::time::Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(world.in_use().is_err());
    gate.open();
}

pub(super) fn cached(folder: &Folder) -> Settings {
    Settings { cache: Some(folder.0.clone()), ..Settings::default() }
}

/// A process that has kept a copy, and the next one, for which the mirror is away.
async fn restarted(folder: &Folder, edit: impl FnOnce(&mut serde_json::Value)) -> World {
    let mut first = World::with(TufRepository::new(old()), cached(folder)).await;
    first.refresh().await;
    let path = folder.0.join("own.json");
    let mut kept = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut kept);
    fs::write(&path, kept.to_string()).unwrap();

    let mut second = World::with(TufRepository::new(old()), cached(folder)).await;
    second.source = first.source.clone();
    second.mirror.server.answer("", Answer::hang_up());
    drop(first);
    second.take(Ok(RootSource::Tuf(second.source.clone()))).await;
    second
}

#[tokio::test]
async fn tuf_06_what_was_kept_on_disk_is_proven_again() {
    let folder = Folder::new("proven");
    let world = restarted(&folder, |_| {}).await;
    assert_eq!(world.in_use(), Ok("old"), "the twin that nobody has touched");
    assert!(world.metrics.render().contains("trusted_root_source{root=\"own\",source=\"cache\"} 1"));
}

#[tokio::test]
async fn tuf_06_a_copy_that_was_edited_in_any_file_is_refused() {
    let names = ["timestamp.json", "snapshot.json", "targets.json", "targets/trusted_root.json"];
    for name in names {
        let folder = Folder::new(&format!("edited-{}", name.replace('/', "-")));
        let world = restarted(&folder, |kept| {
            let text = kept[name].as_str().unwrap_or_else(|| panic!("{name}: {kept}"));
            kept[name] = text.replacen(['1', '2'], "3", 1).into();
        })
        .await;
        assert!(world.in_use().is_err(), "{name}");
        let folder = Folder::new(&format!("without-{}", name.replace('/', "-")));
        let world = restarted(&folder, |kept| drop(kept.as_object_mut().unwrap().remove(name))).await;
        assert!(world.in_use().is_err(), "{name} is gone");
    }
    // What somebody else has signed throughout is somebody else's.
    let folder = Folder::new("foreign");
    let world = restarted(&folder, |kept| {
        kept["targets/trusted_root.json"] = new().into();
    })
    .await;
    assert!(world.in_use().is_err());
}

#[tokio::test]
async fn tuf_06_garbage_in_the_cache_leaves_the_built_in_root() {
    let used = ["sigstore".to_owned()];
    for garbage in ["", "{}", "null", "{\"timestamp.json\": \"{}\"}", "{\"a\": 1}"] {
        let folder = Folder::new("garbage");
        fs::write(folder.0.join("sigstore.json"), garbage).unwrap();
        let cell = RootsCell::default();
        let settings = Settings { refresh_built_in: true, ..cached(&folder) };
        let mut keeper = Keeper::new(settings, cell.clone(), Metrics::new()).unwrap();
        keeper.take(&Wanted { used: used.clone().into(), ..Wanted::default() }, start()).await;
        keeper.publish(start());
        assert_eq!(*cell.load().get("sigstore").unwrap().fingerprint(), fingerprint(old()), "{garbage}");
    }
}

#[tokio::test]
async fn tuf_06_a_copy_is_written_whole_and_only_of_what_was_proven() {
    let folder = Folder::new("whole");
    let mut world = World::with(TufRepository::new(old()), cached(&folder)).await;
    world.refresh().await;
    let path = folder.0.join("own.json");
    let kept = fs::read(&path).unwrap();
    world.repository.content = new().to_owned();
    world.mirror.serve(world.repository.publish());
    world.mirror.put("2.targets.json", "garbage");
    world.refused().await;
    assert_eq!(fs::read(&path).unwrap(), kept, "half a refresh is not kept");
    let names: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["own.json"], "and leaves nothing else behind");
}

#[tokio::test]
async fn flt_11_an_unreachable_mirror_keeps_nobody_waiting() {
    let world = World::new().await;
    world.mirror.server.answer("", Answer::hang_up());
    // `take` has been called and nothing was asked: inline and built-in roots are there.
    assert_eq!(world.mirror.asked(), [""; 0]);
    assert!(world.root("sigstore").is_ok() && world.root("github").is_ok());
    assert!(world.in_use().unwrap_err().contains("its mirror has not answered yet"));
    let metrics = world.metrics.render();
    assert!(metrics.contains("sealgate_trusted_root_source{root=\"sigstore\",source=\"built-in\"} 1"), "{metrics}");
    assert!(metrics.contains("sealgate_trusted_root_source{root=\"own\",source=\"none\"} 1"));
    let mut world = world;
    let problem = world.refresh().await.problem.unwrap();
    assert_eq!(problem.reason(), "NotFetched");
    world.mirror.obey();
    world.now += SignedDuration::from_mins(2);
    assert_eq!(world.refresh().await.problem, None, "it is tried again soon");
    assert_eq!(world.in_use(), Ok("old"));
}

#[tokio::test]
async fn flt_11_what_is_in_use_comes_from_the_nearest_place() {
    let folder = Folder::new("nearest");
    let mut world = restarted(&folder, |_| {}).await;
    let source = |world: &World| {
        let text = world.metrics.render();
        let line = text.lines().find(|line| line.contains("source{root=\"own\"") && line.ends_with(" 1")).unwrap();
        line.split("source=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(source(&world), "cache");
    world.take(Ok(RootSource::Inline(new().into()))).await;
    assert_eq!((source(&world).as_str(), world.in_use()), ("inline", Ok("new")));
    world.keeper.take(&Wanted::default(), world.now).await;
    world.keeper.publish(world.now);
    assert!(!world.metrics.render().contains("root=\"own\""), "what is gone has no metrics");
}

#[tokio::test]
async fn flt_12_a_week_of_refreshes_that_fail_leaves_the_last_root_in_use() {
    let mut world = World::fetched().await;
    world.mirror.put("timestamp.json", "{\"signed\": {}, \"signatures\": []}");
    for _ in 0..7 * 24 {
        let report = world.after(1).await;
        assert_eq!(world.in_use(), Ok("old"));
        let problem = report.problem;
        assert!(problem.is_none_or(|problem| problem.reason() == "RefreshFailing"));
    }
    let failures = world.metric("trusted_root_refresh_failures_total").unwrap();
    assert!((150..=170).contains(&failures), "about once an hour: {failures}");
    assert!(world.metric("trusted_root_age_seconds").unwrap() >= 7 * 24 * 3600);
    let expires: Timestamp = FAR.parse().unwrap();
    assert_eq!(world.metric("trusted_root_expiry_timestamp_seconds"), Some(expires.as_second()));
    assert!(world.root("sigstore").is_ok(), "no other root is touched");

    world.repository.content = new().to_owned();
    world.mirror.serve(world.repository.publish());
    world.accepted().await;
    assert!(world.metric("trusted_root_age_seconds").unwrap() == 0);
}

/// A world whose metadata expire a day after the start, and whose mirror is gone for good.
async fn expiring(grace: i64) -> World {
    let settings = Settings { grace: hours(grace), ..Settings::default() };
    let mut world = World::with(TufRepository::new(old()), settings).await;
    world.mirror.serve(world.repository.publish_with(|role, signed| {
        if role == "timestamp" {
            signed["expires"] = "2026-11-02T00:00:00Z".into();
        }
    }));
    world.refresh().await;
    world.mirror.server.answer("", Answer::status(503));
    world
}

#[tokio::test]
async fn flt_13_a_root_outlives_its_metadata_by_the_grace_and_no_longer() {
    let mut world = expiring(72).await;
    for time in [24, 71] {
        world.after(time).await;
        assert_eq!(world.in_use(), Ok("old"), "within the grace");
    }
    let report = world.after(2).await;
    assert_eq!(report.problem.unwrap().reason(), "Expired");
    let problem = world.in_use().unwrap_err();
    assert!(problem.contains("its metadata have expired at 2026-11-02T00:00:00Z and were not renewed"), "{problem}");
    let metrics = world.metrics.render();
    assert!(metrics.contains("sealgate_trusted_root_source{root=\"own\",source=\"none\"} 1"), "{metrics}");
    assert!(world.root("sigstore").is_ok(), "no other root is touched");

    world.mirror.obey();
    world.mirror.serve(world.repository.publish());
    assert_eq!(world.after(2).await.problem, None);
    assert_eq!(world.in_use(), Ok("old"), "and it comes back with the mirror");
}

#[tokio::test]
async fn flt_13_without_grace_it_ends_with_its_metadata() {
    let mut world = expiring(0).await;
    world.now = "2026-11-02T00:00:00Z".parse().unwrap();
    world.refresh().await;
    assert_eq!(world.in_use(), Ok("old"), "the last second");
    world.now += SignedDuration::from_secs(1);
    world.refresh().await;
    assert!(world.in_use().is_err());
}

#[tokio::test]
async fn flt_13_an_expired_copy_on_disk_is_held_to_the_same_grace() {
    for (time, is_used) in [("2026-11-04T23:00:00Z", true), ("2026-11-05T01:00:00Z", false)] {
        let folder = Folder::new(&format!("expired-{is_used}"));
        let mut first = expiring_into(&folder).await;
        first.now = time.parse().unwrap();
        first.keeper = Keeper::new(cached(&folder), first.cell.clone(), first.metrics.clone()).unwrap();
        first.take(Ok(RootSource::Tuf(first.source.clone()))).await;
        assert_eq!(first.in_use().is_ok(), is_used, "{time}");
    }
}

async fn expiring_into(folder: &Folder) -> World {
    let mut world = World::with(TufRepository::new(old()), cached(folder)).await;
    world.mirror.serve(world.repository.publish_with(|role, signed| {
        if role == "snapshot" {
            signed["expires"] = "2026-11-02T00:00:00Z".into();
        }
    }));
    world.refresh().await;
    world
}

/// The engine of this world has no trusted root at all.
#[tokio::test]
async fn flt_13_policies_with_keys_need_no_trusted_root() {
    let key = SigningKey::new();
    let world = verifier::World::new(vec![verifier::policy("p", &["**"], &[&key])]);
    let digest = world.registry.push("registry.example/app:v1", b"app v1");
    assert_eq!(verifier::answer(&world.ask_one("registry.example/app:v1").await), "NO_SIGNATURE");
    world.registry.sign("registry.example/app", digest, &[verifier::signature(&key, &digest)]);
    assert_eq!(verifier::answer(&world.ask_one("registry.example/app:v1").await), "ALLOW");
}

/// Mirrors that live for a day are asked more often than every six hours.
#[tokio::test]
async fn flt_13_metadata_that_live_short_are_renewed_half_way() {
    let mut world = World::new().await;
    let soon = |role: &str, signed: &mut serde_json::Value| {
        if role == "timestamp" {
            signed["expires"] = "2026-11-01T02:00:00Z".into();
        }
    };
    world.mirror.serve(world.repository.publish_with(soon));
    world.refresh().await;
    world.mirror.server.clear_requests();
    world.now += SignedDuration::from_mins(59);
    world.refresh().await;
    assert_eq!(world.mirror.asked(), [""; 0]);
    world.now += SignedDuration::from_mins(2);
    world.refresh().await;
    assert_eq!(world.mirror.server.count("timestamp.json"), 1);
}
