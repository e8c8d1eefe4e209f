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
