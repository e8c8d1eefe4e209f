//! Logs: when they are trusted, and proofs that they have an entry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::support::sigstore::signing::BUNDLE;
use crate::support::sigstore::{Timestamp, Window};

/// A signature under a root that trusts its log, of either generation, in this window only.
fn within(signing: &Signing, start: i64, end: Option<i64>) -> [Answer; 2] {
    let window = Window { start: Some(start), end };
    let root = sigstore().trusted_root().with(|root| root.logs.iter_mut().for_each(|log| log.window = window));
    let question = Question::under(&root);
    let bundle = question.bundle(signing);
    // A layer has a place for promises only.
    let layer = if signing.entries[0].promise { question.layer(signing) } else { bundle.clone() };
    [bundle, layer]
}

#[test]
fn cry_24_a_promise_is_of_a_time_when_its_log_was_trusted() {
    // Both promise NOW + 2.
    for signing in [good(), good().with(|it| it.timestamps.clear()), good_key()] {
        within(&signing, NOW + 2, Some(NOW + 2)).iter().for_each(allowed);
        within(&signing, NOW - 10, Some(NOW + 1)).iter().for_each(bad_entry);
        within(&signing, NOW + 3, None).iter().for_each(bad_entry);
    }
}

/// What has no promise and is of NOW + 1.
fn without_promise() -> [Signing; 4] {
    let proven = |it: &mut Signing| it.entry().promise = false;
    let stamped = |it: &mut Signing| it.timestamps.push(sigstore().timestamp());
    [good_v2(), good().with(proven), good_key_v2().with(stamped), good_key().with(stamped).with(proven)]
}

#[test]
fn cry_24_an_entry_without_promise_is_by_a_log_that_was_trusted_at_the_proven_time() {
    for signing in without_promise() {
        within(&signing, NOW - 10, Some(NOW + 1)).iter().for_each(allowed);
        within(&signing, NOW - 10, Some(NOW)).iter().for_each(bad_entry);
        // It may have been logged after it was made, and has not been before the log was there.
        within(&signing, LATER, None).iter().for_each(allowed);
        within(&signing, LATER + 1, None).iter().for_each(bad_entry);
    }
}

#[test]
fn cry_24_a_signature_is_as_old_as_its_first_proven_time_says() {
    for signing in without_promise() {
        let again = |it: &mut Signing| it.timestamps.push(Timestamp::new(&sigstore().tsa, NOW + 5));
        within(&signing.with(again), NOW - 10, Some(NOW + 1)).iter().for_each(allowed);
        let later = |it: &mut Signing| it.timestamp().time = NOW + 5;
        within(&signing.with(again).with(later), NOW - 10, Some(NOW + 1)).iter().for_each(bad_entry);
    }
}

#[test]
fn cry_24_without_any_time_a_log_must_be_trusted_still() {
    for signing in without_promise().map(|signing| signing.with(|it| it.timestamps.clear())) {
        if signing.certificate.is_some() {
            within(&signing, NOW - 10, Some(LATER)).iter().for_each(without_time);
            continue;
        }
        within(&signing, NOW - 10, Some(LATER)).iter().for_each(allowed);
        within(&signing, NOW - 10, Some(LATER - 1)).iter().for_each(bad_entry);
    }
}

/// Each good signature with an entry in a tree of eight, after a change of the inclusion proof in the bundle.
fn proofs(change: impl Fn(&mut Value) + Clone + Send + Sync + 'static) -> [Answer; 4] {
    [good(), good_v2(), good_key(), good_key_v2()].map(|good| {
        let change = change.clone();
        after(&good, |it| {
            it.edit_bundle.set(move |bundle| change(&mut bundle["verificationMaterial"]["tlogEntries"][0]));
        })
    })
}

fn hashes(entry: &mut Value) -> &mut Vec<Value> {
    entry["inclusionProof"]["hashes"].as_array_mut().unwrap()
}

#[test]
fn cry_29_each_hash_of_a_proof_is_right() {
    proofs(|_| ()).iter().for_each(allowed);
    for at in 0..3 {
        for bit in [0, 255] {
            let flip = move |entry: &mut Value| {
                let mut hash = STANDARD.decode(hashes(entry)[at].as_str().unwrap()).unwrap();
                hash[bit / 8] ^= 1 << (bit % 8);
                hashes(entry)[at] = json!(STANDARD.encode(hash));
            };
            proofs(flip).iter().for_each(bad_entry);
        }
    }
    proofs(|entry| hashes(entry).swap(0, 1)).iter().for_each(bad_entry);
}

#[test]
fn cry_29_a_proof_has_as_many_hashes_as_its_tree_is_high() {
    proofs(|_| ()).iter().for_each(allowed);
    proofs(|entry| drop(hashes(entry).pop())).iter().for_each(bad_entry);
    proofs(|entry| hashes(entry).clear()).iter().for_each(bad_entry);
    for extra in [1, 61, 62, 1000] {
        proofs(move |entry| hashes(entry).extend(vec![json!(STANDARD.encode([0; 32])); extra]))
            .iter()
            .for_each(bad_entry);
    }
}

#[test]
fn cry_29_an_index_lies_in_its_tree() {
    proofs(|_| ()).iter().for_each(allowed);
    for index in ["6", "8", "1005", "9223372036854775807"] {
        // The first generation has the place in the proof, the second that in the whole log.
        let set = move |entry: &mut Value| {
            let first = entry.get("inclusionPromise").is_some();
            let place = if first { &mut entry["inclusionProof"]["logIndex"] } else { &mut entry["logIndex"] };
            *place = json!(index);
        };
        proofs(set).iter().for_each(bad_entry);
    }
}

#[test]
fn cry_29_an_empty_tree_has_no_entry() {
    let sized = |size: usize| {
        [good(), good_v2(), good_key(), good_key_v2()].map(|good| {
            after(&good, |it| {
                let text = format!("\n{size}\n");
                it.entry().edit_checkpoint.set(move |note| *note = note.replace("\n8\n", &text));
                it.edit_bundle.set(move |bundle| {
                    let proof = &mut bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"];
                    proof["treeSize"] = json!(size.to_string());
                });
            })
        })
    };
    sized(8).iter().for_each(allowed);
    sized(0).iter().for_each(bad_entry);
    sized(5).iter().for_each(bad_entry);
}

#[test]
fn cry_12_the_id_of_a_log_has_one_spelling() {
    let spelled = |spell: fn(&str) -> String| {
        [good(), good_key()].map(|good| {
            let layer = good.with(|it| {
                it.edit_annotations.set(move |all| {
                    let mut entry: Value = serde_json::from_str(&all[BUNDLE]).unwrap();
                    let id = &mut entry["Payload"]["logID"];
                    *id = json!(spell(id.as_str().unwrap()));
                    all.insert(BUNDLE.to_owned(), entry.to_string());
                });
            });
            Question::new().layer(&layer)
        })
    };
    spelled(str::to_owned).iter().for_each(allowed);
    spelled(str::to_uppercase).iter().for_each(malformed);
    spelled(|id| format!("0x{id}")).iter().for_each(malformed);
}
