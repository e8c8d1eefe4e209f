use std::time::Duration;

use jiff::SignedDuration;

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn names() -> Vec<String> {
    service_names("sealgate", "gate")
}

/// Whether a client that trusts the bundle accepts what the server shows.
fn trusted(ca_bundle: &str, served: &Material, now: Timestamp) -> bool {
    let serving = mint::certificates(&served.certificate);
    mint::certificates(ca_bundle).iter().any(|authority| mint::verifies(&serving[0], authority, &names(), now))
}

#[test]
fn an_empty_secret_gets_an_authority_and_a_certificate() {
    let empty = Material::default();
    assert_eq!(plan(&empty, &names(), start()), Action::Create(Reason::Empty));
    let made = empty.apply(Action::Create(Reason::Empty), &names(), start()).unwrap();
    assert_eq!(plan(&made, &names(), start()), Action::Keep);
    assert!(trusted(&made.ca_certificates, &made, start()));
    let serving = made.serving().unwrap();
    assert_eq!(serving.expires, start() + 90 * DAY);
    assert_eq!(serving.ca_bundle, made.ca_certificates);
}

#[test]
fn flt_24_no_client_loses_trust_while_both_certificates_are_renewed() {
    let mut stored = Material::create(&names(), start()).unwrap();
    let mut now = start();
    let end = start() + 3 * 365 * DAY;
    let (mut authorities, mut certificates, mut most_trusted) = (0, 0, 0);
    while now < end {
        let before = stored.clone();
        let action = plan(&stored, &names(), now);
        stored = stored.apply(action, &names(), now).unwrap();
        match action {
            Action::RenewAuthority => authorities += 1,
            Action::RenewServing(reason) => {
                assert!([Reason::Due, Reason::Superseded].contains(&reason), "{reason:?} at {now}");
                certificates += 1;
            }
            Action::Create(reason) => panic!("began anew at {now}: {reason:?}"),
            Action::RetireAuthorities | Action::Keep => {}
        }
        most_trusted = most_trusted.max(mint::certificates(&stored.ca_certificates).len());
        if action == Action::Keep {
            now += DAY;
            continue;
        }
        // An API server with the old bundle and one with the new; a replica with the old certificate and one with the new.
        for bundle in [&before.ca_certificates, &stored.ca_certificates] {
            for served in [&before, &stored] {
                assert!(trusted(bundle, served, now), "{action:?} at {now}");
            }
        }
        now += SignedDuration::from_hours(1);
    }
    assert_eq!((authorities, most_trusted), (4, 2));
    assert!(certificates >= 18, "{certificates}");
    assert_eq!(mint::certificates(&stored.ca_certificates).len(), 1);
}

#[test]
fn flt_24_a_new_authority_signs_only_when_it_has_settled() {
    let made = Material::create(&names(), start()).unwrap();
    let due = start() + 244 * DAY;
    let fresh = made.apply(Action::RenewServing(Reason::Due), &names(), due - 61 * DAY).unwrap();
    let renewed = fresh.apply(plan(&fresh, &names(), due), &names(), due).unwrap();
    assert_eq!(mint::certificates(&renewed.ca_certificates).len(), 2);
    assert_eq!(renewed.certificate, fresh.certificate);
    assert_eq!(plan(&renewed, &names(), due), Action::Keep);
    let settled = due + SignedDuration::from_hours(1);
    assert_eq!(plan(&renewed, &names(), settled), Action::RenewServing(Reason::Due));
    let signed = renewed.apply(Action::RenewServing(Reason::Due), &names(), settled).unwrap();
    assert_eq!(plan(&signed, &names(), settled + SignedDuration::from_hours(23)), Action::Keep);
    assert_eq!(plan(&signed, &names(), settled + DAY), Action::RetireAuthorities);
}

#[test]
fn flt_48_an_authority_that_was_begun_anew_signs_when_it_has_settled_and_the_old_one_goes_a_day_later() {
    let hour = SignedDuration::from_hours(1);
    let in_use = Material::create(&names(), start()).unwrap();
    let anew = Material::default().begin_anew(Some(&in_use), &names(), start() + DAY).unwrap();
    assert_eq!(plan(&anew, &names(), start() + DAY), Action::Keep);
    let settled = start() + DAY + hour;
    assert_eq!(plan(&anew, &names(), settled), Action::RenewServing(Reason::Superseded));
    let signed = anew.apply(Action::RenewServing(Reason::Superseded), &names(), settled).unwrap();
    assert!(trusted(&anew.ca_certificates, &signed, settled) && !trusted(&in_use.ca_certificates, &signed, settled));
    assert_eq!(plan(&signed, &names(), settled), Action::Keep);
    assert_eq!(plan(&signed, &names(), settled + DAY), Action::RetireAuthorities);
}

#[test]
fn flt_48_only_what_clients_accept_is_kept() {
    let late = start() + 91 * DAY;
    let in_use = Material::create(&names(), start()).unwrap();
    let kept = |in_use: &Material, names: &[String], now| {
        Material::default().begin_anew(Some(in_use), names, now).unwrap().certificate == in_use.certificate
    };
    assert!(kept(&in_use, &names(), start()));
    assert!(!kept(&in_use, &names(), late), "it has expired");
    assert!(!kept(&in_use, &service_names("gate", "other"), start()), "it is for other names");
    let other = Material::create(&names(), start()).unwrap();
    assert!(!kept(&Material { key: other.key, ..in_use }, &names(), start()), "its key is another");
}

#[test]
fn a_certificate_for_other_names_is_replaced_at_once() {
    let made = Material::create(&names(), start()).unwrap();
    let renamed = service_names("sealgate", "elsewhere");
    assert_eq!(plan(&made, &renamed, start()), Action::RenewServing(Reason::Unusable));
    let renewed = made.apply(Action::RenewServing(Reason::Unusable), &renamed, start()).unwrap();
    assert_eq!(renewed.ca_certificates, made.ca_certificates);
    assert_eq!(plan(&renewed, &renamed, start()), Action::Keep);
}

#[test]
fn what_was_tampered_with_is_replaced() {
    let made = Material::create(&names(), start()).unwrap();
    let other = Material::create(&names(), start()).unwrap();
    let cases = [
        (Material { key: other.key.clone(), ..made.clone() }, Action::RenewServing(Reason::Unusable)),
        (Material { certificate: other.certificate.clone(), ..made.clone() }, Action::RenewServing(Reason::Unusable)),
        (Material { certificate: "garbage".into(), ..made.clone() }, Action::RenewServing(Reason::Empty)),
        (Material { ca_key: other.ca_key, ..made.clone() }, Action::Create(Reason::Unusable)),
        (Material { ca_certificates: "garbage".into(), ..made.clone() }, Action::Create(Reason::Unusable)),
        (Material { ca_key: String::new(), ..made }, Action::Create(Reason::Empty)),
    ];
    for (stored, action) in cases {
        assert_eq!(plan(&stored, &names(), start()), action);
        let repaired = stored.apply(action, &names(), start()).unwrap();
        assert_eq!(plan(&repaired, &names(), start()), Action::Keep, "after {action:?}");
        assert!(repaired.serving().is_ok());
    }
}

#[test]
fn what_is_over_begins_anew() {
    let made = Material::create(&names(), start()).unwrap();
    assert_eq!(plan(&made, &names(), start() + 91 * DAY), Action::RenewServing(Reason::Expired));
    let late = start() + 400 * DAY;
    assert_eq!(plan(&made, &names(), late), Action::Create(Reason::Expired));
    let anew = made.apply(Action::Create(Reason::Expired), &names(), late).unwrap();
    assert_eq!(mint::certificates(&anew.ca_certificates).len(), 1);
}

#[test]
fn a_certificate_of_somebody_else_is_served() {
    let made = Material::create(&names(), start()).unwrap();
    let theirs = Material { ca_key: String::new(), ..made };
    assert!(theirs.serving().is_ok());
}

#[test]
fn what_is_missing_is_named() {
    let made = Material::create(&names(), start()).unwrap();
    let problem = |material: Material| material.serving().unwrap_err().to_string();
    assert_eq!(problem(Material::default()), "ca.crt is missing or empty");
    assert_eq!(problem(Material { certificate: " ".into(), ..made.clone() }), "tls.crt is missing or empty");
    let other = Material::create(&names(), start()).unwrap();
    assert_eq!(problem(Material { key: other.key, ..made.clone() }), "tls.key: expected the private key of tls.crt");
    assert_eq!(problem(Material { key: "garbage".into(), ..made }), "tls.key: expected a PEM private key");
}

#[test]
fn a_server_without_a_cluster_is_trusted_by_its_own_authority() {
    let serving = self_signed(&["gate.example".into()], start()).unwrap();
    let leaf = serving.key.cert[0].clone();
    let authority = mint::certificates(&serving.ca_bundle).remove(0);
    let names = ["localhost", "127.0.0.1", "::1", "gate.example"].map(String::from);
    assert!(mint::verifies(&leaf, &authority, &names, start()));
    assert!(!mint::verifies(&leaf, &authority, &["other.example".into()], start()));
}

#[test]
fn no_key_is_shown_by_debug() {
    let made = Material::create(&names(), start()).unwrap();
    assert!(!format!("{made:?}").contains("PRIVATE KEY"));
}

#[test]
fn flt_46_a_valid_certificate_is_never_replaced_by_one_that_has_expired() {
    let made = |day: i64| {
        let at = start().checked_add(DAY * i32::try_from(day).unwrap()).unwrap();
        Material::create(&names(), at).unwrap().serving().unwrap()
    };
    let (old, new) = (made(0), made(80));
    let at = |day: i64| start().checked_add(DAY * i32::try_from(day).unwrap()).unwrap();
    assert!(follow::replaces(Some(&old), &new, at(85)), "a newer one");
    assert!(follow::replaces(Some(&new), &old, at(85)), "an older one that is still valid");
    assert!(!follow::replaces(Some(&new), &old, at(95)), "one that has expired");
    assert!(follow::replaces(None, &old, at(95)), "where there is none, any");
    assert!(follow::replaces(Some(&old), &old, at(95)), "where the one in use is no better");
}

/// What the Secret held, read.
fn held(material: &Material) -> handover::Held {
    handover::Held { material: material.clone(), serving: material.serving().unwrap() }
}

#[test]
fn flt_48_no_client_meets_a_certificate_that_it_does_not_trust_while_authorities_are_exchanged() {
    let (old, new) = (Material::create(&names(), start()).unwrap(), Material::create(&names(), start()).unwrap());
    let (now, began) = (start(), tokio::time::Instant::now());
    let at = |seconds: u64| began + Duration::from_secs(seconds);
    // Two replicas read the Secret as far apart as they may; the second one leads.
    let mut replicas = [handover::Handover::default(), handover::Handover::default()];
    for replica in &mut replicas {
        assert!(!replica.take(held(&old), now, began), "there is nothing to wait for");
    }
    let poll = follow::POLL.as_secs();
    for second in 0..120 {
        let at = at(second);
        let read = [second == 1, second == 1 + poll];
        for (replica, read) in replicas.iter_mut().zip(read) {
            if read {
                assert!(replica.take(held(&new), now, at), "its authority is new");
            }
            replica.advance(now, at);
        }
        let bundle = replicas[1].ca_bundle(now, at).unwrap();
        for replica in &replicas {
            assert!(trusted(&bundle, &replica.shown().unwrap().material, now), "after {second} s");
        }
    }
    for replica in &replicas {
        assert_eq!(replica.shown().unwrap().material, new);
        assert_eq!(replica.due(), None);
    }
    assert_eq!(replicas[1].ca_bundle(now, at(120)).unwrap(), new.ca_certificates, "the old one is trusted no longer");
}

#[test]
fn flt_48_a_new_certificate_waits_only_where_it_must() {
    let (old, other) = (Material::create(&names(), start()).unwrap(), Material::create(&names(), start()).unwrap());
    let at = tokio::time::Instant::now();
    let after = |first: &Material, second: &Material, now| {
        let mut handover = handover::Handover::default();
        handover.take(held(first), now, at);
        handover.take(held(second), now, at)
    };
    assert!(after(&old, &other, start()));
    let renewed = old.apply(Action::RenewServing(Reason::Due), &names(), start()).unwrap();
    assert!(!after(&old, &renewed, start()), "its authority is trusted already");
    assert!(!after(&old, &other, start() + 90 * DAY), "what is shown has expired: it is no better");
}

#[test]
fn flt_48_a_former_authority_that_has_expired_is_trusted_no_longer() {
    let late = start() + 364 * DAY;
    let (old, new) = (Material::create(&names(), start()).unwrap(), Material::create(&names(), late).unwrap());
    let at = tokio::time::Instant::now();
    let mut handover = handover::Handover::default();
    handover.take(held(&old), late, at);
    handover.take(held(&new), late, at);
    let authorities = |now| mint::certificates(&handover.ca_bundle(now, at).unwrap()).len();
    assert_eq!(authorities(late), 2);
    assert_eq!(authorities(late + DAY), 1);
}

#[test]
fn flt_48_a_replica_waits_longer_than_the_leader_takes_to_read() {
    assert!(handover::WAIT >= 2 * follow::POLL);
    assert!(handover::FORMER >= handover::WAIT + 2 * follow::POLL);
}
