use super::*;

#[test]
fn adm_05_the_uid_is_where_the_api_server_writes_it() {
    let longest = "a".repeat(MAX_UID);
    for good in ["705ab4f5-6393-11e8-b7cc-42010a800002", "x", &longest] {
        let review = format!("{START}{good}\",\"kind\":{{}}");
        assert_eq!(uid(review.as_bytes()), Some(good));
        assert_eq!(uid(format!(" {review}").as_bytes()), None);
    }
    for bad in ["", "a b", "a\\\"", "\u{e9}", &format!("{longest}a")] {
        assert_eq!(uid(format!("{START}{bad}\",\"kind\":{{}}").as_bytes()), None, "{bad}");
    }
    assert_eq!(uid(format!("{START}cut-off").as_bytes()), None);
    assert_eq!(uid(br#"{"request":{"object":{"uid":"other"},"uid":"own"}}"#), None);
    assert_eq!(uid(b""), None);
}

#[test]
fn adm_05_overload_is_an_answer_to_the_review() {
    let review = format!("{START}asked\",\"kind\":{{}}");
    let body = |hook| {
        let answer = overloaded(hook, review.as_bytes());
        assert_eq!((answer.status, answer.content_type), (200, "application/json"));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["response"]["uid"], "asked");
        body["response"].clone()
    };
    let denied = body(Hook::ValidatePods);
    assert_eq!((&denied["allowed"], &denied["status"]["code"]), (&false.into(), &503.into()));
    assert!(denied["status"]["message"].as_str().unwrap().contains("overloaded"));
    assert_eq!(body(Hook::Mutate)["allowed"], true, "the verdict is the next webhook's");
    assert!(body(Hook::ValidateWorkloads)["warnings"][0].as_str().unwrap().contains("overloaded"));
    for hook in [Hook::Mutate, Hook::ValidatePods, Hook::ValidateWorkloads] {
        assert_eq!(overloaded(hook, b"{}").status, 503);
    }
}
