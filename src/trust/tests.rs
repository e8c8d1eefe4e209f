use super::*;

fn now() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

#[test]
fn the_built_in_roots_can_be_used_and_refreshed() {
    let roots = offline(&BTreeMap::new(), now());
    for root in BUILT_IN {
        let material = roots.get(root.name).unwrap();
        assert_eq!(material, read(root.json(), now()).unwrap());
        let source = root.repository().unwrap();
        assert_eq!(source.mirror.scheme(), "https");
        assert_eq!(tuf::check_root(&source), Ok(()));
    }
    assert_ne!(roots.get("sigstore").unwrap(), roots.get("github").unwrap());
}

/// Whoever takes another version of the library looks at the date of its copies.
#[test]
fn the_date_of_the_copies_is_that_of_the_library() {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split("[[package]]").find(|p| p.contains("name = \"sigstore-trust-root\"")).unwrap();
    assert!(package.contains("version = \"0.15.1\""), "{package}");
    assert_eq!(COPIED_ON, "2026-10-23");
}

#[test]
fn an_inline_root_takes_the_place_of_a_built_in_one_and_leaves_the_other() {
    let own = BUILT_IN[1].json();
    let roots = offline(&BTreeMap::from([("sigstore".to_owned(), RootSource::Inline(own.into()))]), now());
    assert_eq!(roots.get("sigstore"), roots.get("github"));
    let roots = offline(&BTreeMap::from([("own".to_owned(), RootSource::Inline(own.into()))]), now());
    assert_eq!(roots.get("own"), roots.get("github"));
    assert_ne!(roots.get("sigstore"), roots.get("github"));
}

#[test]
fn without_serve_a_mirror_is_not_asked() {
    let source = BUILT_IN[0].repository().unwrap();
    let roots = offline(&BTreeMap::from([("own".to_owned(), RootSource::Tuf(source))]), now());
    assert!(roots.get("own").unwrap_err().to_string().contains("only `sealgate serve` asks its mirror"));
    assert!(roots.get("sigstore").is_ok());
}
