//! Tests of strict reading.

use super::*;

/// Keeps nothing.
#[derive(Debug, Default)]
struct Nothing;

impl<'de> Fields<'de> for Nothing {
    const KNOWN: &'static [&'static str] = &["known"];

    fn read<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A, notes: Notes<'_>) -> Result<(), A::Error> {
        skip(map, notes)
    }
}

fn refused(text: &str) -> String {
    document::<Nothing>(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn adm_07_the_same_key_twice_is_refused_at_any_depth() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"known":1,"known":1}"#,
    ] {
        assert!(refused(text).contains("twice"), "{text}");
    }
    document::<Nothing>(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}],"A":1}"#).unwrap();
}

#[test]
fn adm_07_a_field_in_another_case_is_refused() {
    assert!(refused(r#"{"Known":1}"#).contains("the field known is written as Known"));
    document::<Nothing>(br#"{"x":{"Known":1,"known":2}}"#).unwrap();
}

#[test]
fn adm_07_depth_and_characters_have_limits() {
    let deep = |levels| format!(r#"{{"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    refused(&deep(128));
    document::<Nothing>(deep(120).as_bytes()).unwrap();
    refused(r#"{"x":"\ud800"}"#);
    refused(r#"{"x":"\udc00\ud800"}"#);
    document::<Nothing>(br#"{"x":"\ud83d\ude00"}"#).unwrap();
    assert!(document::<Nothing>(b"{\"x\":\"\xff\"}").is_err());
    refused("{} {}");
}

#[test]
fn skipped_fields_named_like_images_are_counted() {
    let counter = Cell::new(0);
    let mut deserializer =
        serde_json::Deserializer::from_str(r#"{"image":1,"x":[{"reference":{"image":2}}],"imageID":3}"#);
    OptionalObject::<Nothing>::new(Notes::counting(&counter)).deserialize(&mut deserializer).unwrap();
    assert_eq!(counter.get(), 3);
}

#[test]
fn dos_19_long_texts_are_cut_and_stay_different() {
    let name = |text: &str| {
        let json = serde_json::json!({"name": text}).to_string();
        document::<Named>(json.as_bytes()).unwrap().0.unwrap()
    };
    let long = "n".repeat(1 << 20);
    assert_eq!(name(&long[..MAX_TEXT]), long[..MAX_TEXT], "what fits is whole");
    let (one, other) = (name(&long), name(&format!("{long}!")));
    assert!(one.len() < 2 * MAX_TEXT && one.starts_with(&long[..MAX_TEXT]));
    assert_ne!(one, other);
}

/// The name alone.
#[derive(Debug, Default)]
struct Named(Option<String>);

impl<'de> Fields<'de> for Named {
    const KNOWN: &'static [&'static str] = &["name"];

    fn read<A: MapAccess<'de>>(&mut self, _: &str, map: &mut A, _: Notes<'_>) -> Result<(), A::Error> {
        self.0 = text(map)?;
        Ok(())
    }
}
