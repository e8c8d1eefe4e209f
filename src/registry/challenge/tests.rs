use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use super::Challenge;

fn bearer(realm: &str, service: Option<&str>) -> Challenge {
    Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) }
}

#[test]
fn challenges_are_read() {
    let cases: &[(&[&str], Option<Challenge>)] = &[
        (
            &[r#"Bearer realm="https://a.test/t",service="reg",scope="x""#],
            Some(bearer("https://a.test/t", Some("reg"))),
        ),
        (&[r#"bearer   REALM="https://a.test/t""#], Some(bearer("https://a.test/t", None))),
        (&["Bearer realm=https://a.test/t, service=reg"], Some(bearer("https://a.test/t", Some("reg")))),
        (&[r#"Basic realm="r", Bearer realm="https://a.test/t""#], Some(bearer("https://a.test/t", None))),
        (&[r#"Basic realm="r""#, r#"Bearer realm="https://a.test/t""#], Some(bearer("https://a.test/t", None))),
        (&[r#"Bearer realm="https://a.test/\"q\",t",service="s""#], Some(bearer("https://a.test/\"q\",t", Some("s")))),
        (&["Basic"], Some(Challenge::Basic)),
        (&[r#"BASIC realm="r""#], Some(Challenge::Basic)),
        (&["Negotiate", "NTLM"], None),
        (&["Bearer"], None),
        (&[r#"realm="https://a.test/t""#], None),
        (&[r#"Bearer realm="unterminated"#], Some(bearer("unterminated", None))),
        (&["", " , ,"], None),
        (&[], None),
    ];
    for (values, expected) in cases {
        let mut headers = HeaderMap::new();
        for value in *values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        assert_eq!(Challenge::of(&headers), *expected, "{values:?}");
    }
}
