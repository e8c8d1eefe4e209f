use super::JsonSize;

#[test]
fn the_parts_of_a_text_are_counted() {
    let size = JsonSize::of(br#"{"a": [1, {"b\"{[,:": "c"}, []], "d": {}}"#);
    assert_eq!(size, JsonSize { bytes: 41, objects: 3, members: 3, items: 6, texts: 4 });
}

#[test]
fn what_stands_in_a_text_is_not_counted() {
    let (text, twin) = (br#"["{[,:{[,:\\"]"#, br#"["{[,:{[,:\\",{}]"#);
    assert_eq!((JsonSize::of(text).objects, JsonSize::of(text).items), (0, 2));
    assert_eq!((JsonSize::of(twin).objects, JsonSize::of(twin).items), (1, 3));
}

#[test]
fn what_is_not_json_is_counted_as_far_as_a_reader_gets() {
    assert_eq!(JsonSize::of(b"\"{{{{").objects, 0);
    assert_eq!(JsonSize::of(b"{{{{").objects, 4);
    assert_eq!(JsonSize::of(b"").tree(), 96);
}
