//! Every form with every change of `support::sigstore::changes`. A new form or a new change is one line in its table.

use sealgate::signatures::{CertificateRoots, SignerDemand};

use super::*;
use crate::support::sigstore::{Case, Change, Pki, Side, changes};

fn answer(case: &Case) -> Answer {
    let question = Question { log: LogRule::WhenPresent, now: NOW + 60, ..Question::under(&case.root) };
    let candidate = case.form.candidate();
    if !case.form.name.contains("own PKI") {
        return if case.form.signing.certificate.is_some() {
            question.keyless(&candidate)
        } else {
            question.by_key(&candidate)
        };
    }
    let roots = CertificateRoots::from_pem(&Pki::new("own", NOW).root_pem()).unwrap();
    let identities = named(None, "dev@acme.test");
    let signer = SignerDemand::Certificate { roots: &roots, root: Some(&question.root), identities: &identities };
    question.ask(&candidate, signer)
}

/// Each change of each form that has the part is refused with the code of the change, and its twin is accepted.
#[track_caller]
fn check(changes: &[Change]) {
    let sigstore = sigstore();
    let forms = sigstore.every_form(&key(), MANIFEST);
    let mut wrong = Vec::new();
    for change in changes {
        let make = |form, side| change.case(&sigstore, form, side);
        let both = |form| Some((make(form, Side::Twin)?, make(form, Side::Forged)?));
        let mut tried = 0;
        for (twin, forged) in forms.iter().filter_map(both) {
            tried += 1;
            let told = match (answer(&twin), answer(&forged)) {
                (Ok(_), Err(finding)) if finding.code() == change.code => continue,
                (Ok(_), Err(finding)) => format!("not {}: {finding:?}", change.code),
                (Ok(_), Ok(_)) => "verified".to_owned(),
                (Err(finding), _) => format!("the twin is refused: {finding:?}"),
            };
            wrong.push(format!("{}: {}: {told}", twin.form.name, change.name));
        }
        assert!(tried > 1, "{}: {tried} forms", change.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cry_39_no_form_is_proven_by_another_log_than_it_names() {
    check(&changes::logs());
}

#[test]
fn cry_39_no_form_is_proven_by_entries_that_do_not_count() {
    check(&changes::entries());
}

#[test]
fn cry_05_no_form_is_logged_by_an_entry_of_another() {
    check(&changes::entries_of_others());
}

#[test]
fn cry_40_no_form_brings_the_authority_that_vouches_for_it() {
    check(&changes::authorities());
}

#[test]
fn cry_41_no_form_is_certified_by_another_log_or_in_another_spelling() {
    check(&changes::receipts());
}
