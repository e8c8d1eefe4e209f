use http::HeaderValue;

use super::next;

fn of(headers: &[&[u8]]) -> Result<Option<String>, &'static str> {
    let headers: Vec<HeaderValue> = headers.iter().map(|header| HeaderValue::from_bytes(header).unwrap()).collect();
    next(&headers)
}

#[test]
fn reg_09_every_link_is_read() {
    let cases: &[(&[&[u8]], Option<&str>)] = &[
        (&[], None),
        (&[b"", b" , ,"], None),
        (&[br#"</p?n=1>; rel="next""#], Some("/p?n=1")),
        (&[b"</p?n=1>;rel=next"], Some("/p?n=1")),
        (&[b"</p?n=1> ; title=x ; REL = NEXT , "], Some("/p?n=1")),
        (&[br#"</p?n=1>; rel="prev next""#], Some("/p?n=1")),
        (&[br#"</p?n=1>; title="a, b; rel=prev"; rel="ne\xt""#], Some("/p?n=1")),
        (&[br#"</p?a,b;c>; rel="next""#], Some("/p?a,b;c")),
        (&[br#"</p?n=0>; rel="first", </p?n=1>; rel="next""#], Some("/p?n=1")),
        (&[br#"</p?n=0>; rel="first""#, br#"</p?n=1>; rel="next""#], Some("/p?n=1")),
        (&[b"</p?n=1>; rel=next", b"</p?n=1>; rel=next"], Some("/p?n=1")),
        (&[b"</p?n=0>; rel=prev; rel=next"], None),
        (&[b"</p?n=0>", b"</p?n=0>; rel", b"</p?n=0>; ; rel=prev;"], None),
        (&[br#"</p?n=0>; title="rel=next""#], None),
    ];
    for (headers, target) in cases {
        assert_eq!(of(headers), Ok(target.map(str::to_owned)), "{headers:?}");
    }
}

#[test]
fn reg_09_what_is_not_a_link_is_not_the_end() {
    let cases: &[&[&[u8]]] = &[
        &[b"/p?n=1; rel=next"],
        &[b"</p?n=1; rel=next"],
        &[br#"</p?n=1>; rel="next"#],
        &[br#"</p?n=1>; rel="next\"#],
        &[b"</p?n=1> rel=next"],
        &[br#"</p?n=1>; rel="next" x"#],
        &[b"</p?n=1>; rel=prev next"],
        &[b"</p?n=0>; rel=first, x, </p?n=1>; rel=next"],
        &[b"</p?n=0>; rel=first", b"\xff"],
        &[b"</p?n=1>; rel=next", b"</p?n=2>; rel=next"],
        &[b"</p?n=1>; rel=next, </p?n=2>; rel=next"],
    ];
    for headers in cases {
        assert!(of(headers).is_err(), "{headers:?}");
    }
}
