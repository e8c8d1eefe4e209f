//! Checkpoints: whose they are, and of what.

use super::*;

/// Each good signature after a change of the checkpoint before it is signed.
fn each(change: impl Fn(&mut String) + Clone + Send + Sync + 'static) -> [Answer; 4] {
    [good(), good_v2(), good_key(), good_key_v2()].map(|good| {
        let change = change.clone();
        after(&good, |it| it.entry().edit_checkpoint.set(change))
    })
}

/// The same after the checkpoint was signed.
fn each_signed(change: impl Fn(&mut String) + Clone + Send + Sync + 'static) -> [Answer; 4] {
    [good(), good_v2(), good_key(), good_key_v2()].map(|good| {
        let change = change.clone();
        after(&good, |it| it.entry().edit_note.set(change))
    })
}

#[test]
fn cry_28_a_checkpoint_is_by_the_log_that_it_names() {
    each(|_| ()).iter().for_each(allowed);
    each(|text| text.insert_str(0, "other.")).iter().for_each(bad_entry);
    each(|text| text.insert(0, '\n')).iter().for_each(denied_anyhow);
    each_signed(|note| *note = note.replace("\u{2014} rekor", "\u{2014} other")).iter().for_each(bad_entry);
    each_signed(|note| note.truncate(note.find("\n\n").unwrap() + 2)).iter().for_each(denied_anyhow);
}

#[test]
fn cry_28_a_checkpoint_is_of_the_tree_that_the_proof_is_about() {
    each(|_| ()).iter().for_each(allowed);
    each(|text| *text = text.replace("\n8\n", "\n9\n")).iter().for_each(bad_entry);
    each(|text| *text = text.replace("\n8\n", "\n08\n"))[0].as_ref().unwrap_err();
}

#[test]
fn cry_27_a_checkpoint_is_a_text_and_signatures_and_nothing_else() {
    each_signed(|_| ()).iter().for_each(allowed);
    each_signed(|note| note.push_str("more\n")).iter().for_each(denied_anyhow);
    each_signed(|note| note.push_str("\nmore\n")).iter().for_each(denied_anyhow);
    each_signed(|note| *note = note.replace('\n', "\r\n")).iter().for_each(denied_anyhow);
    each_signed(|note| *note = note.replace("\n\n", "\n")).iter().for_each(denied_anyhow);
    for size in ["-1", "9223372036854775808", "18446744073709551616", "", "x"] {
        each(move |text| *text = text.replace("\n8\n", &format!("\n{size}\n"))).iter().for_each(denied_anyhow);
    }
}

/// Refused, as unreadable or as a bad log entry: the two generations read checkpoints at different times.
#[track_caller]
fn denied_anyhow(answer: &Answer) {
    let finding = answer.as_ref().expect_err("verified");
    assert!(["LOG_INVALID", "SIGNATURE_MALFORMED"].contains(&finding.code()), "{finding:?}");
}
