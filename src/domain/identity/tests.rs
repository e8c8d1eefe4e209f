//! Tests that an identity of a policy accepts nobody else.

use std::collections::BTreeSet;

use super::*;

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const MAIN: &str = "https://github.com/org/app/.github/workflows/ci.yml@refs/heads/main";

fn signer(issuer: Option<&str>, subject: &str, claims: &[(Claim, &str)]) -> SignerIdentity {
    SignerIdentity {
        issuer: issuer.map(str::to_owned),
        subject: Subject { kind: SubjectKind::Uri, value: subject.to_owned() },
        claims: claims.iter().map(|(claim, value)| (*claim, (*value).to_owned())).collect(),
    }
}

fn parts(issuer: Option<&str>, subject: Option<&str>, regexp: Option<&str>) -> IdentityParts {
    IdentityParts {
        issuer: issuer.map(str::to_owned),
        subject: subject.map(str::to_owned),
        subject_reg_exp: regexp.map(str::to_owned),
        claims: BTreeMap::new(),
    }
}

fn exact(issuer: &str, subject: &str) -> IdentityPattern {
    IdentityPattern::keyless(parts(Some(issuer), Some(subject), None)).unwrap()
}

fn with_claims(claims: &[(Claim, &str)]) -> IdentityPattern {
    let claims = claims.iter().map(|(claim, value)| (*claim, (*value).to_owned())).collect();
    IdentityPattern::keyless(IdentityParts { claims, ..parts(Some(ISSUER), Some(MAIN), None) }).unwrap()
}

fn accepts(pattern: &IdentityPattern, signer: &SignerIdentity) -> bool {
    let matches = pattern.matches(signer);
    assert_eq!(matches, pattern.mismatch(signer).is_none());
    assert_eq!(matches, IdentityPattern::accept(std::slice::from_ref(pattern), signer).is_ok());
    matches
}

#[test]
fn pol_05_a_glob_is_no_pattern() {
    let glob = exact(ISSUER, "https://github.com/org/*");
    for subject in
        ["https://github.com/org/../evil", "https://github.com/org-evil/app", "https://github.com/org/app", MAIN]
    {
        assert!(!accepts(&glob, &signer(Some(ISSUER), subject, &[])), "{subject}");
    }
    assert!(accepts(&glob, &signer(Some(ISSUER), "https://github.com/org/*", &[])));
    assert!(accepts(&exact(ISSUER, MAIN), &signer(Some(ISSUER), MAIN, &[])));
    let [warning] = glob.warnings().try_into().unwrap();
    assert!(warning.contains("subject: is compared byte by byte") && warning.contains("subjectRegExp"), "{warning}");
    assert!(exact(ISSUER, MAIN).warnings().is_empty());
}

#[test]
fn pol_06_an_identity_names_issuer_and_subject() {
    use IdentityError as E;
    let keyless = |issuer, subject, regexp| IdentityPattern::keyless(parts(issuer, subject, regexp)).map(drop);
    let regexp = "https://github\\.com/org/.+";
    assert_eq!(keyless(Some(ISSUER), Some(MAIN), None), Ok(()));
    assert_eq!(keyless(Some(ISSUER), None, Some(regexp)), Ok(()));
    assert_eq!(keyless(None, Some(MAIN), None), Err(E::NoIssuer));
    assert_eq!(keyless(None, None, Some(regexp)), Err(E::NoIssuer));
    assert_eq!(keyless(Some(ISSUER), None, None), Err(E::NoSubject));
    assert_eq!(keyless(Some(ISSUER), Some(MAIN), Some(regexp)), Err(E::TwoSubjects));
    for blank in ["", " ", "\n"] {
        assert_eq!(keyless(Some(blank), Some(MAIN), None), Err(E::Blank(IdentityField::Issuer)));
        assert_eq!(keyless(Some(ISSUER), Some(blank), None), Err(E::Blank(IdentityField::Subject)));
        assert_eq!(keyless(Some(ISSUER), None, Some(blank)), Err(E::RegExp(RegExpError::Blank)));
    }
    let (long, longer) = ("x".repeat(MAX_TEXT), "x".repeat(MAX_TEXT + 2));
    assert_eq!(keyless(Some(&long), Some(&long), None), Ok(()));
    assert_eq!(keyless(Some(&longer), Some(MAIN), None), Err(E::TooLong(IdentityField::Issuer)));
    assert_eq!(keyless(Some(ISSUER), Some(&longer), None), Err(E::TooLong(IdentityField::Subject)));
    for everybody in ["*", "**", ".*", ".+", "^.*$", "(.*)", "?", "*/*"] {
        let wildcard = |field| Err(E::Wildcard { field, found: everybody.to_owned() });
        assert_eq!(keyless(Some(everybody), Some(MAIN), None), wildcard(IdentityField::Issuer), "{everybody}");
        assert_eq!(keyless(Some(ISSUER), Some(everybody), None), wildcard(IdentityField::Subject), "{everybody}");
        assert!(matches!(keyless(Some(ISSUER), None, Some(everybody)), Err(E::RegExp(_))), "{everybody}");
    }
}

#[test]
fn pol_06_an_own_pki_vouches_for_the_subject_itself_but_not_for_everybody() {
    let certificate = |subject| IdentityPattern::certificate(parts(None, subject, None));
    let pattern = certificate(Some("build@corp.example")).unwrap();
    assert!(accepts(&pattern, &signer(None, "build@corp.example", &[])));
    assert!(accepts(&pattern, &signer(Some(ISSUER), "build@corp.example", &[])));
    assert!(!accepts(&pattern, &signer(None, "other@corp.example", &[])));
    assert_eq!(certificate(None), Err(IdentityError::NoSubject));
    assert!(certificate(Some("*")).is_err());
    let with_issuer = IdentityPattern::certificate(parts(Some(ISSUER), Some(MAIN), None)).unwrap();
    assert!(accepts(&with_issuer, &signer(Some(ISSUER), MAIN, &[])));
    assert!(!accepts(&with_issuer, &signer(None, MAIN, &[])));
}

#[test]
fn pol_07_an_issuer_is_compared_byte_by_byte() {
    let pattern = exact(ISSUER, MAIN);
    assert!(accepts(&pattern, &signer(Some(ISSUER), MAIN, &[])));
    for issuer in [
        "https://token.actions.githubusercontent.com/",
        "https://TOKEN.actions.githubusercontent.com",
        "https://token.\u{430}ctions.githubusercontent.com",
        "http://token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com.evil.example",
        "https://token.actions.githubusercontent.co",
        " https://token.actions.githubusercontent.com",
        "",
    ] {
        assert!(!accepts(&pattern, &signer(Some(issuer), MAIN, &[])), "{issuer}");
    }
    assert!(!accepts(&pattern, &signer(None, MAIN, &[])));
    for blanks in ["https://gitlab.com ", "\thttps://gitlab.com", "https://gitlab.com\u{0}", "https://git\nlab.com"] {
        let error = IdentityPattern::keyless(parts(Some(blanks), Some(MAIN), None)).unwrap_err();
        assert_eq!(error, IdentityError::Blanks(IdentityField::Issuer), "{blanks:?}");
        assert_eq!(error.path().as_deref(), Some("issuer"));
    }
}

#[test]
fn pol_08_a_workflow_is_accepted_at_its_ref_only() {
    let pattern = exact(ISSUER, MAIN);
    assert!(accepts(&pattern, &signer(Some(ISSUER), MAIN, &[])));
    for git_ref in
        ["heads/main-evil", "pull/1/merge", "heads/mai", "heads/Main", "tags/main", "heads/main/", "heads/dev"]
    {
        let subject = MAIN.replace("heads/main", git_ref);
        assert!(!accepts(&pattern, &signer(Some(ISSUER), &subject, &[])), "{subject}");
    }
}

#[test]
fn claims_must_all_be_there_with_their_values() {
    use Claim::{DeploymentEnvironment as Environment, SourceRepositoryIdentifier as Repository};
    let pattern = with_claims(&[(Repository, "4242"), (Environment, "production")]);
    let says = |claims: &[(Claim, &str)]| accepts(&pattern, &signer(Some(ISSUER), MAIN, claims));
    assert!(says(&[(Repository, "4242"), (Environment, "production")]));
    assert!(says(&[(Repository, "4242"), (Environment, "production"), (Claim::BuildTrigger, "push")]));
    assert!(!says(&[(Repository, "4242")]));
    assert!(!says(&[(Repository, "4242"), (Environment, "Production")]));
    assert!(!says(&[(Repository, "42423"), (Environment, "production")]));
    assert!(!says(&[(Repository, "production"), (Environment, "4242")]));
    assert!(!says(&[]));
    let claims = BTreeMap::from([(Environment, " ".to_owned())]);
    let error =
        IdentityPattern::keyless(IdentityParts { claims, ..parts(Some(ISSUER), Some(MAIN), None) }).unwrap_err();
    assert_eq!(error, IdentityError::Blank(IdentityField::Claim(Environment)));
    assert_eq!(error.path().as_deref(), Some("claims.deploymentEnvironment"));
}

#[test]
fn every_claim_is_compared() {
    for claim in Claim::ALL {
        let pattern = with_claims(&[(claim, "right")]);
        assert!(accepts(&pattern, &signer(Some(ISSUER), MAIN, &[(claim, "right")])));
        assert!(!accepts(&pattern, &signer(Some(ISSUER), MAIN, &[(claim, "wrong")])));
        assert!(!accepts(&pattern, &signer(Some(ISSUER), MAIN, &[])));
    }
}

#[test]
fn claims_have_the_numbers_and_names_of_fulcio() {
    let arcs: Vec<u32> = Claim::ALL.iter().map(|claim| claim.arc()).collect();
    assert_eq!(arcs, (9..=24).collect::<Vec<_>>());
    let names: BTreeSet<&str> = Claim::ALL.iter().map(|claim| claim.name()).collect();
    assert_eq!(names.len(), Claim::ALL.len());
    for claim in Claim::ALL {
        assert_eq!(Claim::from_name(claim.name()), Some(claim));
        assert_eq!(Claim::from_arc(claim.arc()), Some(claim));
    }
    assert!(Claim::ALL.is_sorted());
    assert_eq!(Claim::from_name("issuer"), None);
    assert_eq!(Claim::from_name("buildSignerUri"), None);
    assert_eq!(Claim::from_arc(8), None);
    assert_eq!(Claim::from_arc(25), None);
    // As they stand in the specification's table.
    for (arc, name) in [
        (9, "buildSignerURI"),
        (12, "sourceRepositoryURI"),
        (14, "sourceRepositoryRef"),
        (15, "sourceRepositoryIdentifier"),
        (18, "buildConfigURI"),
        (20, "buildTrigger"),
        (22, "sourceRepositoryVisibilityAtSigning"),
        (23, "deploymentEnvironment"),
        (24, "tokenSubject"),
    ] {
        assert_eq!(Claim::from_arc(arc).unwrap().to_string(), name);
    }
}

#[test]
fn the_nearest_of_several_identities_is_told() {
    let other_issuer = exact("https://gitlab.com", MAIN);
    let other_repository = exact(ISSUER, &MAIN.replace("org/app", "org/other"));
    let other_branch = exact(ISSUER, &MAIN.replace("main", "release"));
    let other_claim = with_claims(&[(Claim::BuildTrigger, "push")]);
    let signer = signer(Some(ISSUER), MAIN, &[(Claim::BuildTrigger, "pull_request")]);
    let told = |patterns: &[&IdentityPattern]| {
        let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).clone()).collect();
        match IdentityPattern::accept(&patterns, &signer) {
            Err(Rejection::IdentityMismatch(mismatch)) => mismatch.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let all = [&other_issuer, &other_repository, &other_branch, &other_claim];
    assert_eq!(told(&all), "the certificate's buildTrigger is pull_request, and the policy demands push");
    let branch =
        format!("the certificate's subject is {MAIN}, and the policy demands {}", MAIN.replace("main", "release"));
    assert_eq!(told(&all[..3]), branch);
    assert_eq!(told(&[&other_branch, &other_repository]), branch);
    assert_eq!(
        told(&all[..1]),
        format!("the certificate's issuer is {ISSUER}, and the policy demands https://gitlab.com")
    );
}

#[test]
fn an_authority_without_identities_accepts_nobody() {
    let rejection = IdentityPattern::accept(&[], &signer(Some(ISSUER), MAIN, &[])).unwrap_err();
    assert_eq!(rejection.code(), "POLICY_ERROR");
}

#[test]
fn a_mismatch_reads_well() {
    let pattern = exact("https://gitlab.com", MAIN);
    let told = |pattern: &IdentityPattern, signer: &SignerIdentity| pattern.mismatch(signer).unwrap().to_string();
    assert_eq!(
        told(&pattern, &signer(Some("https://GitLab.com/"), MAIN, &[])),
        "the certificate's issuer is https://GitLab.com/, and the policy demands https://gitlab.com (compared byte by byte)"
    );
    assert_eq!(
        told(&pattern, &signer(None, MAIN, &[])),
        "the certificate has no issuer, and the policy demands https://gitlab.com"
    );
    assert_eq!(
        told(&with_claims(&[(Claim::DeploymentEnvironment, "production")]), &signer(Some(ISSUER), MAIN, &[])),
        "the certificate has no deploymentEnvironment, and the policy demands production"
    );
    let regexp =
        IdentityPattern::keyless(parts(Some(ISSUER), None, Some("https://github\\.com/org/.+@refs/tags/v1"))).unwrap();
    assert_eq!(
        told(&regexp, &signer(Some(ISSUER), "https://github.com/\u{202e}gro\n", &[])),
        "the certificate's subject is https://github.com/\\u{202e}gro\\n, and the policy demands a full match of \
         https://github\\.com/org/.+@refs/tags/v1"
    );
}
