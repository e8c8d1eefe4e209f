use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelectorRequirement, ManagedFieldsEntry, ObjectMeta, Time};
use tokio::time::Instant;

use super::repair_pause::RepairPause;
use super::step::{Configuration, Step, Why, enforcement, exclusions, last_manager, soften, state, step};
use super::*;
use crate::cluster::removal::{INSTALLED, REMOVED};
use crate::cluster::webhooks::{self, Reach, Templates};
use crate::domain::workload::KindTable;
use crate::telemetry::metrics::ConfigurationState;

fn rendered(reach: Reach, ca: &str) -> Webhooks {
    let settings = webhooks::Settings {
        namespace: "gate".into(),
        service: "sealgate".into(),
        port: 443,
        excluded_namespaces: Vec::new(),
        timeout_seconds: 10,
        templates: Templates::Review,
    };
    render(&KindTable::builtin(), &settings, reach, ca)
}

fn owner_with(uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".into(),
        kind: "Namespace".into(),
        name: "gate".into(),
        uid: uid.into(),
        ..OwnerReference::default()
    }
}

/// As it is after the leader has filled it.
fn filled(webhooks: &Webhooks) -> ValidatingWebhookConfiguration {
    let mut live = ValidatingWebhookConfiguration::default();
    live.metadata.resource_version = Some("7".into());
    live.metadata.owner_references = Some(vec![owner_with("u1")]);
    live.webhooks = Some(webhooks.validating.clone());
    live
}

fn next(live: &ValidatingWebhookConfiguration, wanted: &Webhooks, settled: Option<&Webhooks>) -> Step {
    step(live, &wanted.validating, settled.map(|webhooks| webhooks.validating.as_slice()), Some(&owner_with("u1")))
}

#[test]
fn an_empty_configuration_is_filled_with_the_version_that_was_read() {
    let wanted = rendered(Reach::Observe, "ca");
    let mut live = ValidatingWebhookConfiguration::default();
    live.metadata.resource_version = Some("3".into());
    let Step::Write { patch, why: Why::Ours } = next(&live, &wanted, None) else { panic!("not written") };
    assert_eq!(patch["metadata"]["resourceVersion"], "3");
    assert_eq!(patch["metadata"]["ownerReferences"][0]["uid"], "u1");
    assert_eq!(patch["webhooks"], serde_json::to_value(&wanted.validating).unwrap());
}

#[test]
fn a_filled_configuration_is_left_as_it_is() {
    let wanted = rendered(Reach::Enforce, "ca");
    assert_eq!(next(&filled(&wanted), &wanted, None), Step::Settled { tolerated: vec![] });
}

#[test]
fn cfg_07_a_foreign_change_is_put_back_and_told_from_ones_own() {
    let before = rendered(Reach::Observe, "ca");
    let wanted = rendered(Reach::Enforce, "ca");
    // Policies have changed: what is stored is what was written before.
    assert!(matches!(next(&filled(&before), &wanted, Some(&before)), Step::Write { why: Why::Ours, .. }));
    let edits: [fn(&mut ValidatingWebhookConfiguration); 6] = [
        |live| live.webhooks = None,
        |live| live.webhooks = Some(Vec::new()),
        |live| live.webhooks.as_mut().unwrap()[0].failure_policy = Some("Ignore".into()),
        |live| live.webhooks.as_mut().unwrap()[0].timeout_seconds = Some(30),
        |live| live.webhooks.as_mut().unwrap()[0].rules = None,
        |live| live.webhooks.as_mut().unwrap()[0].client_config.ca_bundle = Some(ByteString(b"other".to_vec())),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut live = filled(&wanted);
        edit(&mut live);
        let step = next(&live, &wanted, Some(&wanted));
        let Step::Write { patch, why: Why::Foreign(_) } = step else { panic!("edit {number}: {step:?}") };
        assert_eq!(patch["webhooks"], serde_json::to_value(&wanted.validating).unwrap());
    }
}

#[test]
fn a_new_authority_is_written_at_once() {
    let before = rendered(Reach::Enforce, "old");
    let wanted = rendered(Reach::Enforce, "old and new");
    assert!(matches!(next(&filled(&before), &wanted, Some(&before)), Step::Write { why: Why::Ours, .. }));
}

#[test]
fn what_a_platform_adds_is_told_and_left() {
    let wanted = rendered(Reach::Enforce, "ca");
    let mut live = filled(&wanted);
    let selector = live.webhooks.as_mut().unwrap()[0].namespace_selector.as_mut().unwrap();
    selector.match_expressions.as_mut().unwrap().push(LabelSelectorRequirement {
        key: "control-plane".into(),
        operator: "NotIn".into(),
        values: Some(vec!["true".into()]),
    });
    let tolerated = vec!["validate.pods.sealgate.dev: control-plane NotIn [true]".into()];
    assert_eq!(next(&live, &wanted, Some(&wanted)), Step::Settled { tolerated });
}

#[test]
fn k8s_26_what_a_platform_takes_out_of_the_gate_is_counted() {
    let wanted = rendered(Reach::Enforce, "ca");
    let count = |live: &ValidatingWebhookConfiguration| exclusions(Some(live), &wanted.validating);
    let mut live = filled(&wanted);
    assert_eq!(count(&live), 0);
    let add = |live: &mut ValidatingWebhookConfiguration, webhook: usize, key: &str, value: &str| {
        let selector = live.webhooks.as_mut().unwrap()[webhook].namespace_selector.as_mut().unwrap();
        selector.match_expressions.as_mut().unwrap().push(LabelSelectorRequirement {
            key: key.into(),
            operator: "NotIn".into(),
            values: Some(vec![value.into()]),
        });
    };
    add(&mut live, 0, "control-plane", "true");
    assert_eq!(count(&live), 1);
    add(&mut live, 1, "kubernetes.azure.com/managedby", "aks");
    assert_eq!(count(&live), 2);
    for webhook in live.webhooks.as_mut().unwrap() {
        webhook.failure_policy = Some("Ignore".into());
    }
    assert_eq!(count(&live), 2, "while the list is soft too");
    add(&mut live, 0, "control-plane", "false");
    assert_eq!(count(&live), 0, "it is not tolerated: the state is foreign");
    assert_eq!(exclusions::<ValidatingWebhookConfiguration>(None, &wanted.validating), 0);
}

#[test]
fn a_configuration_that_is_marked_as_removed_is_left_alone() {
    let wanted = rendered(Reach::Enforce, "ca");
    let mut live = ValidatingWebhookConfiguration::default();
    assert!(matches!(next(&live, &wanted, Some(&wanted)), Step::Write { .. }));
    live.metadata.annotations = Some([(REMOVED.to_owned(), "true".to_owned())].into());
    assert_eq!(next(&live, &wanted, Some(&wanted)), Step::LeaveAlone);
}

#[test]
fn cfg_16_installing_again_takes_the_mark_away_and_fills_the_list() {
    let wanted = rendered(Reach::Enforce, "ca");
    let marked = |installed: bool| {
        let mut live = filled(&Wanted::open().webhooks);
        let mut annotations = vec![(REMOVED.to_owned(), "true".to_owned())];
        annotations.extend(installed.then(|| (INSTALLED.to_owned(), "true".to_owned())));
        live.metadata.annotations = Some(annotations.into_iter().collect());
        live
    };
    assert_eq!(next(&marked(false), &wanted, None), Step::LeaveAlone, "removed, and not installed since");
    let Step::Write { patch, why: Why::Ours } = next(&marked(true), &wanted, None) else { panic!("not written") };
    assert_eq!(patch["metadata"]["annotations"], serde_json::json!({ REMOVED: null }));
    assert_eq!(patch["webhooks"], serde_json::to_value(&wanted.validating).unwrap());
    assert_eq!(state(Some(&marked(false)), &wanted.validating, None), ConfigurationState::Removed);
    assert_eq!(state(Some(&marked(true)), &wanted.validating, None), ConfigurationState::Foreign);

    let mut whole = marked(true);
    whole.webhooks = Some(wanted.validating.clone());
    assert!(matches!(next(&whole, &wanted, Some(&wanted)), Step::Write { .. }), "the mark goes from a full list too");
}

#[test]
fn the_owner_is_added_beside_others_and_an_earlier_one_of_the_name_goes() {
    let wanted = rendered(Reach::Enforce, "ca");
    let mut live = filled(&wanted);
    let stranger = OwnerReference { kind: "App".into(), name: "x".into(), uid: "u9".into(), ..owner_with("") };
    live.metadata.owner_references = Some(vec![stranger, owner_with("u0")]);
    let Step::Write { patch, why: Why::Ours } = next(&live, &wanted, Some(&wanted)) else { panic!("not written") };
    let uids: Vec<_> = patch["metadata"]["ownerReferences"].as_array().unwrap().iter().map(|o| &o["uid"]).collect();
    assert_eq!(uids, ["u9", "u1"]);
}

#[test]
fn each_kind_has_its_own_part_of_what_was_rendered() {
    let wanted = rendered(Reach::Enforce, "ca");
    assert_eq!(MutatingWebhookConfiguration::wanted(&wanted).len(), 1);
    assert_eq!(ValidatingWebhookConfiguration::wanted(&wanted).len(), 2);
}

#[test]
fn cfg_15_repairs_come_at_once_and_within_two_seconds_however_often_somebody_fights() {
    let mut now = Instant::now();
    let mut pause = RepairPause::default();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let at = pause.until(now).unwrap_or(now);
        pauses.push((at - now).as_secs_f64());
        now = at;
        pause.repaired(now);
    }
    assert_eq!(pauses, [0.0, 0.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5], "never two seconds open");
    now += Duration::from_mins(5);
    assert_eq!(pause.until(now), None);
    pause.repaired(now);
    assert_eq!(pause.until(now), None);
}

#[test]
fn the_state_is_told_from_what_is_stored() {
    let wanted = rendered(Reach::Enforce, "ca");
    let state = |live: &ValidatingWebhookConfiguration, wanted: &Webhooks| {
        state(Some(live), &wanted.validating, Some(&wanted.validating))
    };
    let mut live = filled(&wanted);
    assert_eq!(state(&live, &wanted), ConfigurationState::Enforce);
    let trial = rendered(Reach::Observe, "ca");
    assert_eq!(state(&filled(&trial), &trial), ConfigurationState::Observe);
    live.webhooks.as_mut().unwrap().pop();
    assert_eq!(state(&live, &wanted), ConfigurationState::Foreign);
    live.webhooks = None;
    assert_eq!(state(&live, &wanted), ConfigurationState::Foreign);
    assert_eq!(state(&live, &Wanted::open().webhooks), ConfigurationState::Removed);
    live.metadata.annotations = Some([(REMOVED.to_owned(), "true".to_owned())].into());
    assert_eq!(state(&live, &wanted), ConfigurationState::Removed);
}

#[test]
fn cfg_07_silence_that_admits_is_observed_where_sealgate_wrote_it_and_foreign_where_somebody_else_did() {
    let wanted = rendered(Reach::Enforce, "ca").validating;
    let soft = soften::<ValidatingWebhookConfiguration>(&wanted);
    let live = filled(&Webhooks { mutating: Vec::new(), validating: soft.clone() });
    let after = |settled: Option<&[_]>| state(Some(&live), &wanted, settled);
    assert_eq!(after(Some(&soft)), ConfigurationState::Observe, "of the first seconds");
    assert_eq!(after(Some(&wanted)), ConfigurationState::Foreign, "it had stood as it should");
    assert_eq!(after(None), ConfigurationState::Foreign, "nobody knows who wrote it");
}

#[test]
fn a_namespace_that_is_being_deleted_owns_nothing_any_more() {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("gate".into());
    namespace.metadata.uid = Some("u1".into());
    assert_eq!(release::read(&namespace), Release::Here(owner_with("u1")));
    namespace.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(release::read(&namespace), Release::Going);
}

#[test]
fn cfg_15_the_client_that_changed_a_configuration_is_named() {
    let mut metadata = ObjectMeta::default();
    assert_eq!(last_manager(&metadata), "an unknown client");
    let entry = |manager: &str, second| ManagedFieldsEntry {
        manager: Some(manager.into()),
        time: Some(Time(jiff::Timestamp::from_second(second).unwrap())),
        ..ManagedFieldsEntry::default()
    };
    let own = crate::cluster::FIELD_MANAGER;
    metadata.managed_fields = Some(vec![entry("helm", 1), entry(own, 2), entry("kubectl-edit", 3)]);
    assert_eq!(last_manager(&metadata), "kubectl-edit");
    metadata.managed_fields = Some(vec![entry("helm", 1), entry(own, 2)]);
    assert_eq!(last_manager(&metadata), "an unknown client", "who wrote before is not to blame");
    metadata.managed_fields = Some(vec![entry("helm", 1), entry("kubectl-edit", 2)]);
    assert_eq!(last_manager(&metadata), "kubectl-edit", "of what was never filled");
}

#[test]
fn flt_47_whether_pods_are_refused_is_told_from_what_is_stored() {
    let (wanted, open) = (rendered(Reach::Enforce, "ca"), Wanted::open().webhooks);
    let told = |live: &ValidatingWebhookConfiguration, settled: Option<&Webhooks>| {
        enforcement(Some(live), Some(&wanted.validating), settled.map(|settled| &*settled.validating))
    };
    let in_place = Some(Enforcement::InPlace { tolerated: Vec::new() });
    let mut live = filled(&wanted);
    assert_eq!(told(&live, None), in_place);
    assert_eq!(told(&filled(&open), None), Some(Enforcement::NotReady), "not filled yet");
    let soft = Webhooks { validating: soften::<ValidatingWebhookConfiguration>(&wanted.validating), ..wanted.clone() };
    assert_eq!(told(&filled(&soft), Some(&soft)), Some(Enforcement::NotReady), "silence is not refused yet");
    let foreign = Some(Enforcement::Foreign { by: "an unknown client".into() });
    assert_eq!(told(&filled(&soft), Some(&wanted)), foreign, "softened by somebody else");
    assert_eq!(told(&filled(&open), Some(&wanted)), foreign, "emptied");
    live.metadata.annotations = Some([(REMOVED.to_owned(), "true".to_owned())].into());
    assert_eq!(told(&live, Some(&wanted)), Some(Enforcement::Removed));

    assert_eq!(
        enforcement::<ValidatingWebhookConfiguration>(None, Some(&wanted.validating), None),
        Some(Enforcement::Absent)
    );
    let live = filled(&wanted);
    assert_eq!(enforcement(Some(&live), Some(&open.validating), None), Some(Enforcement::Removed), "the release goes");
    let observe = rendered(Reach::Observe, "ca");
    assert_eq!(enforcement(Some(&filled(&observe)), Some(&observe.validating), None), None, "no policy demands it");
    assert_eq!(enforcement(Some(&live), None, None), None, "another replica filled it, and this one is not ready");
    assert_eq!(enforcement(Some(&filled(&open)), None, None), Some(Enforcement::NotReady));
}
