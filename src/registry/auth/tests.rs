use super::*;

fn applicant(path: &str) -> Applicant {
    let url = url::Url::parse("https://registry.test/").unwrap();
    Applicant::new("registry.test", path, (Authority::of(&url).unwrap(), false), &[], &[])
}

/// A pass with a token that is good for so long.
fn bought(life: Duration) -> Pass {
    let obtained = Instant::now();
    let challenge = Challenge::Bearer { realm: "https://registry.test/token".to_owned(), service: None };
    let header = Some(HeaderValue::from_static("Bearer t"));
    let grant = Grant { header, obtained, expires: obtained.checked_add(life) };
    Pass { shown: Some(Shown { login: 0, grant, challenge: Arc::new(challenge) }), ..Pass::default() }
}

#[tokio::test(start_paused = true)]
async fn reg_20_what_was_remembered_ends() {
    let authenticator = Authenticator::default();
    let life = Duration::from_mins(1);
    assert!(authenticator.pass(&applicant("a")).header().is_none());
    authenticator.accepted(&bought(life), &applicant("a"));
    assert!(authenticator.pass(&applicant("a")).header().is_some());
    assert!(authenticator.pass(&applicant("b")).header().is_none(), "another repository");
    tokio::time::advance(life.saturating_sub(Duration::from_secs(1))).await;
    assert!(authenticator.pass(&applicant("a")).header().is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(authenticator.pass(&applicant("a")).header().is_none());
}

#[tokio::test(start_paused = true)]
async fn reg_20_only_what_failed_is_forgotten() {
    let authenticator = Authenticator::default();
    let old = bought(Duration::from_mins(1));
    authenticator.accepted(&old, &applicant("a"));
    tokio::time::advance(Duration::from_secs(1)).await;
    let new = bought(Duration::from_mins(1));
    authenticator.accepted(&new, &applicant("a"));
    authenticator.forget(&old, &applicant("a"));
    assert!(authenticator.pass(&applicant("a")).header().is_some(), "it was replaced meanwhile");
    authenticator.forget(&new, &applicant("a"));
    assert!(authenticator.pass(&applicant("a")).header().is_none());
}

#[tokio::test(start_paused = true)]
async fn reg_20_no_more_is_remembered_than_the_limit_and_the_oldest_goes_first() {
    let authenticator = Authenticator::default();
    let pass = bought(Duration::from_hours(1));
    for number in 0..2 * REMEMBERED_LOGINS {
        authenticator.accepted(&pass, &applicant(&number.to_string()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(authenticator.pass(&applicant("0")).header().is_some(), "it is in use");
    }
    assert_eq!(lock(&authenticator.slots).len(), REMEMBERED_LOGINS);
    assert!(authenticator.pass(&applicant("1")).header().is_none());
}

#[test]
fn an_answer_does_not_name_the_logins_that_were_refused() {
    let login = |name: &str| {
        let login = Login::Basic { username: name.to_owned(), password: "hunter2".to_owned().into() };
        Credential { host: "registry.test".to_owned(), login, source: format!("secret shop/{name}") }
    };
    let url = url::Url::parse("https://registry.test/").unwrap();
    let refused = |logins: &[Credential], problems: &[String]| {
        let authority = (Authority::of(&url).unwrap(), false);
        Applicant::new("registry.test", "acme/app", authority, logins, problems).refused(401, "a manifest").to_string()
    };
    let none = refused(&[], &[]);
    assert!(none.ends_with("(no pull secret for this registry was accepted; see sealgate's log)"), "{none}");
    let many: Vec<_> = (0..10).map(|number| login(&number.to_string())).collect();
    for (logins, problems) in
        [(&many[..1], &[][..]), (&many, &[]), (&[], &["secret shop/stripe: not found".to_owned()])]
    {
        assert_eq!(refused(logins, problems), none, "as without any");
    }
}
