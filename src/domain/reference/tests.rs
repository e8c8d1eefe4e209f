//! Tests of the reference parser: each refusal beside the reference that differs only in what is refused.

use super::*;

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn read(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

fn canonical(text: &str) -> String {
    read(text).to_string()
}

fn refusal(text: &str) -> ReferenceError {
    match ImageReference::parse(text) {
        Ok(reference) => panic!("{text:?} is read as {reference}"),
        Err(error) => error,
    }
}

/// The text of a refusal; one that would repeat anything but printable ASCII fails.
fn words(text: &str) -> String {
    let words = refusal(text).to_string();
    assert!(words.chars().all(|c| c == '…' || c == ' ' || c.is_ascii_graphic()), "{words:?}");
    assert!(words.len() < 600, "{words}");
    words
}

fn hosts_are_refused(hosts: &[&str], says: &str) {
    for host in hosts {
        let text = format!("{host}/org/app");
        assert!(matches!(refusal(&text), ReferenceError::Host { .. }), "{text}");
        assert!(words(&text).contains(says), "{text}: {}", words(&text));
    }
}

#[test]
fn ref_01_a_first_part_in_upper_case_is_a_host_and_no_valid_one() {
    for (refused, twin) in
        [("EVIL/nginx", "evil/nginx"), ("Library/nginx", "library/nginx"), ("eviL/nginx", "evil/nginx")]
    {
        assert!(matches!(refusal(refused), ReferenceError::Host { .. }), "{refused}");
        assert_eq!(canonical(twin), format!("docker.io/{twin}"));
    }
    assert!(matches!(refusal("LOCALHOST/a"), ReferenceError::Host { .. }));
    assert_eq!(read("localhost/a").repository().host(), "localhost");
}

#[test]
fn ref_02_an_upper_case_host_is_refused_and_not_folded() {
    hosts_are_refused(&["GHCR.io", "ghcr.IO", "DOCKER.IO", "Registry:5000", "xn--A.io"], "write it in lower case");
    assert!(matches!(refusal("DOCKER.IO/nginx"), ReferenceError::Host { .. }));
    assert_eq!(canonical("ghcr.io/org/app"), "ghcr.io/org/app");
    assert_eq!(canonical("docker.io/nginx"), "docker.io/library/nginx");
}

#[test]
fn ref_03_only_ascii_is_read() {
    for refused in
        ["nginx:\u{442}\u{435}\u{433}", "nginx:\u{ff4c}atest", "nginx:\u{661}", "ghcr.io/\u{43e}rg/app", "n\u{261}inx"]
    {
        assert!(words(refused).contains("\\u{"), "{refused}");
    }
    hosts_are_refused(&["ghcr.i\u{43e}", "\u{433}hcr.io", "\u{43e}rg", "ghcr\u{3002}io"], "xn-- form");
    for twin in ["nginx:tag", "nginx:latest", "nginx:1", "ghcr.io/org/app"] {
        read(twin);
    }
}

#[test]
fn ref_04_blanks_and_invisible_characters_are_refused_and_escaped() {
    for c in [' ', '\n', '\r', '\t', '\0', '\u{b}', '\u{7f}', '\u{a0}', '\u{200b}', '\u{200f}', '\u{202e}', '\u{feff}']
    {
        for text in [
            format!("{c}nginx"),
            format!("nginx{c}"),
            format!("ngi{c}nx"),
            format!("nginx:1{c}"),
            format!("nginx{c}:1"),
            format!("{c}ghcr.io/org/app"),
            format!("ghcr.io{c}/org/app"),
            format!("ghcr.io/{c}org/app"),
            format!("nginx@sha256:{HEX}{c}"),
            format!("nginx{c}@sha256:{HEX}"),
        ] {
            words(&text);
        }
    }
    for blank in ["", " ", "\n", "\t\u{a0}"] {
        assert_eq!(refusal(blank), ReferenceError::Blank);
    }
    for twin in ["nginx", "nginx:1", "ghcr.io/org/app", &format!("nginx@sha256:{HEX}")] {
        read(twin);
    }
}

#[test]
fn ref_05_a_punycode_host_is_itself_and_nothing_else() {
    assert_eq!(canonical("xn--ghr-7cd.io/org/app"), "xn--ghr-7cd.io/org/app");
    assert_ne!(read("xn--ghr-7cd.io/org/app").repository(), read("ghcr.io/org/app").repository());
}

#[test]
fn ref_06_all_spellings_of_one_image_have_one_canonical_name() {
    for spelling in [
        "nginx",
        "library/nginx",
        "docker.io/nginx",
        "docker.io/library/nginx",
        "index.docker.io/nginx",
        "index.docker.io/library/nginx",
        "registry-1.docker.io/library/nginx",
        "registry.hub.docker.com/library/nginx",
        "docker.io:443/library/nginx",
        "index.docker.io:443/library/nginx",
    ] {
        let reference = read(spelling);
        assert_eq!(reference.to_string(), "docker.io/library/nginx", "{spelling}");
        assert_eq!(reference.repository(), read("nginx").repository());
        assert_eq!(reference.pin(b"manifest"), read("nginx").pin(b"manifest"), "{spelling}");
    }
    assert_eq!(canonical("nginx:1"), "docker.io/library/nginx:1");
    assert_ne!(read("other/nginx").repository(), read("nginx").repository());
    // What a runtime would not complete is not completed here.
    for refused in [
        "registry-1.docker.io/nginx",
        "registry.hub.docker.com/nginx",
        "docker.io:443/nginx",
        "index.docker.io:443/nginx",
    ] {
        assert!(words(refused).contains("docker.io/library/NAME"), "{refused}");
    }
}

#[test]
fn ref_07_only_the_names_in_the_table_are_docker_hub() {
    for (image, host, path) in [
        ("registry-1.docker.io/library/nginx", "docker.io", "library/nginx"),
        ("docker.io.evil.com/library/nginx", "docker.io.evil.com", "library/nginx"),
        ("evil.com/docker.io/library/nginx", "evil.com", "docker.io/library/nginx"),
        ("evildocker.io/library/nginx", "evildocker.io", "library/nginx"),
        ("registry-2.docker.io/library/nginx", "registry-2.docker.io", "library/nginx"),
        ("docker.io:5000/library/nginx", "docker.io:5000", "library/nginx"),
    ] {
        assert_eq!((read(image).repository().host(), read(image).repository().path()), (host, path));
    }
}

#[test]
fn ref_10_hosts_have_one_spelling() {
    assert_eq!(read("ghcr.io:443/a/b").repository(), read("ghcr.io/a/b").repository());
    assert_ne!(read("ghcr.io:8443/a/b").repository(), read("ghcr.io/a/b").repository());
    assert_eq!(read("localhost:443/a/b").repository(), read("localhost/a/b").repository());
    // Without its port this would be docker.io/registry/a/b.
    assert_eq!(read("registry:443/a/b").repository().to_string(), "registry:443/a/b");
    assert_ne!(read("registry:443/a/b").repository(), read("registry/a/b").repository());
    assert_eq!(canonical("2130706433/a"), "docker.io/2130706433/a");
    hosts_are_refused(
        &["ghcr.io:0443", "ghcr.io:99999", "ghcr.io:0", "ghcr.io:", "ghcr.io:+80", "ghcr.io:80a"],
        "valid port",
    );
    hosts_are_refused(&["[::1]:5000", "[fe80::1]", "[fe80::1%25eth0]:5000", "[::1"], "IPv6");
    hosts_are_refused(
        &["0x7f.1", "127.1", "127.0.0.01", "256.0.0.1", "1.2.3.4.5", "0x7f.0.0.0x1", "a.0"],
        "four decimal numbers",
    );
    hosts_are_refused(
        &["ghcr.io.", ".ghcr.io", "ghcr..io", "-ghcr.io", "ghcr-.io", "gh_cr.io", "ghcr.io:443:443", ":5000", "."],
        "",
    );
    for refused in ["user:pw@ghcr.io/a", "user@ghcr.io/a"] {
        assert!(matches!(refusal(refused), ReferenceError::Digest(_)), "{refused}");
    }
    for refused in ["https://ghcr.io/a", "oci://ghcr.io/a", "docker://nginx"] {
        assert_eq!(refusal(refused), ReferenceError::Url);
    }
    for twin in [
        "ghcr.io:1/a",
        "ghcr.io:65535/a",
        "127.0.0.1/a",
        "10.0.0.1:5000/a",
        "registry:5000/a",
        "1.example/a",
        "a.b-c.d0/a",
    ] {
        read(twin);
    }
    hosts_are_refused(&[&format!("{}.io", "a".repeat(64)), &"a.".repeat(130)], "");
    read(&format!("{}.io/a", "a".repeat(63)));
}

#[test]
fn ref_11_the_digest_decides_and_the_tag_is_for_people() {
    let digest = Digest::of(b"manifest");
    let both = read(&format!("ghcr.io/org/app:signed-tag@{digest}"));
    assert_eq!(both.pinned(), read(&format!("ghcr.io/org/app@{digest}")).pinned());
    assert_eq!(both.pinned().unwrap().digest(), &digest);
    assert_eq!(both.tag(), Some("signed-tag"));
    assert_eq!(read("ghcr.io/org/app:signed-tag").pinned(), None);
}

#[test]
fn ref_12_what_could_be_an_image_of_the_node_is_refused() {
    for id in [
        format!("sha256:{HEX}"),
        HEX.to_owned(),
        HEX.to_uppercase(),
        format!("sha512:{HEX}{HEX}"),
        format!("sha384:{HEX}{}", &HEX[..32]),
        format!("sha256:{}", &HEX[..12]),
        "sha256:a".to_owned(),
        "sha256:".to_owned(),
    ] {
        assert_eq!(refusal(&id), ReferenceError::ImageId, "{id}");
    }
    for twin in [
        format!("nginx:{HEX}"),
        format!("library/{HEX}"),
        HEX[..63].to_owned(),
        "library/sha256:a".to_owned(),
        "sha256".to_owned(),
    ] {
        read(&twin);
    }
}

#[test]
fn ref_13_a_digest_has_exactly_one_form() {
    for digest in [
        format!("sha256:{}", &HEX[..63]),
        format!("sha256:{HEX}0"),
        format!("sha256:{}", HEX.to_uppercase()),
        format!("SHA256:{HEX}"),
        format!("sha256:../../{HEX}"),
        format!("sha256:..%2f{}", &HEX[..59]),
        format!("sha256:{}g", &HEX[..63]),
        format!("md5:{HEX}"),
        format!("unknown:{HEX}"),
        format!("sha256+b64:{HEX}"),
        format!("sha256:{HEX}@sha256:{HEX}"),
        format!("sha256:{HEX}:tag"),
        format!("sha256: {}", &HEX[..63]),
        format!("sha256:+{}", &HEX[..63]),
        format!("sha256:sha256:{HEX}"),
        HEX.to_owned(),
        "sha256".to_owned(),
        "sha256:".to_owned(),
        ":".to_owned(),
        String::new(),
    ] {
        for name in ["nginx", "nginx:1", "ghcr.io/org/app"] {
            let text = format!("{name}@{digest}");
            assert!(matches!(refusal(&text), ReferenceError::Digest(_)), "{text}");
            words(&text);
        }
    }
    for name in ["nginx", "nginx:1", "ghcr.io/org/app"] {
        assert_eq!(read(&format!("{name}@sha256:{HEX}")).digest().unwrap().hex(), HEX);
    }
    assert!(matches!(refusal(&format!("@sha256:{HEX}")), ReferenceError::Path(_)));
}

#[test]
fn ref_14_other_algorithms_are_refused_and_never_read_as_tags() {
    for digest in [format!("sha512:{HEX}{HEX}"), format!("sha384:{HEX}{}", &HEX[..32]), format!("blake3:{HEX}")] {
        assert_eq!(refusal(&format!("a@{digest}")), ReferenceError::Digest(DigestError::Algorithm));
        assert_eq!(refusal(&format!("ghcr.io/a:1@{digest}")), ReferenceError::Digest(DigestError::Algorithm));
    }
    read(&format!("a@sha256:{HEX}"));
}

#[test]
fn ref_15_lengths_are_bounded_at_the_byte() {
    let path = |n: usize| format!("ghcr.io/{}", "a".repeat(n));
    assert_eq!(read(&path(255)).repository().path().len(), 255);
    assert_eq!(refusal(&path(256)), ReferenceError::TooLong);
    let official = |n: usize| "a".repeat(n - "library/".len());
    assert_eq!(read(&official(255)).repository().path().len(), 255);
    assert_eq!(refusal(&official(256)), ReferenceError::TooLong);
    let tag = |n: usize| format!("ghcr.io/app:{}", "t".repeat(n));
    assert_eq!(read(&tag(128)).tag().unwrap().len(), 128);
    assert!(matches!(refusal(&tag(129)), ReferenceError::Tag(_)));
    let longest_host = format!("{}{}:65535", "a.".repeat(126), "a");
    let longest = format!("{longest_host}/{}:{}@sha256:{HEX}", "a".repeat(255), "t".repeat(128));
    assert_eq!((longest.len(), read(&longest).repository().host()), (MAX_REFERENCE, longest_host.as_str()));
}

#[test]
fn ref_15_a_huge_string_is_refused_by_its_length() {
    for huge in ["a".repeat(10 << 20), "a/".repeat(5 << 20), " ".repeat(10 << 20), "\u{202e}".repeat(4 << 20)] {
        assert_eq!(refusal(&huge), ReferenceError::TooLong);
    }
    words(&"/".repeat(MAX_REFERENCE));
    words(&"\u{202e}".repeat(MAX_REFERENCE / 3));
}

#[test]
fn ref_16_paths_have_one_spelling() {
    for path in [
        "a//b", "a/./b", "a/../b", "a%2fb", "a\\b", "a?x", "a#x", "a:", "a@", "/a", "a/", "a/b/", "//a", "..", ".",
        "-", "a..b", "a___b", "a._b", "a_-b", "-a", "a-", "_a", "a_", ".a", "a.", "a/b:", "a:b:c", "a/b:c/d", ":a",
        "a/:b", "a+b", "a,b", "a b", "a'b", "A", "a/B", "a:-b", "a:.b", "a:b+c", "a:b%20",
    ] {
        words(path);
        words(&format!("ghcr.io/{path}"));
    }
    for path in [
        "a/b",
        "a.b",
        "a_b",
        "a__b",
        "a-b",
        "a--b",
        "a---b",
        "org/a-b.c_d__e/f0",
        "a:b",
        "a/b:c",
        "a:_",
        "a:B.c-d_e",
        "0",
        "a:0",
    ] {
        read(path);
        read(&format!("ghcr.io/{path}"));
    }
}

#[test]
fn ref_18_what_is_printed_is_read_as_the_same_image() {
    for text in ["nginx", "nginx:1", "ghcr.io:443/a:b", "localhost/a", &format!("registry:5000/a/b:c@sha256:{HEX}")] {
        let reference = read(text);
        let again = read(&reference.to_string());
        assert_eq!(
            (again.repository(), again.tag(), again.digest()),
            (reference.repository(), reference.tag(), reference.digest())
        );
        assert_eq!(again.to_string(), reference.to_string());
    }
}

#[test]
fn ref_18_pinning_twice_is_pinning_once() {
    let digest = Digest::of(b"manifest");
    for (written, pinned) in [
        ("nginx", format!("docker.io/library/nginx@{digest}")),
        ("nginx:1", format!("docker.io/library/nginx:1@{digest}")),
        ("ghcr.io:443/org/app:1", format!("ghcr.io:443/org/app:1@{digest}")),
        ("index.docker.io/nginx", format!("index.docker.io/library/nginx@{digest}")),
    ] {
        let reference = read(written);
        assert_eq!(reference.with_digest(&digest), pinned);
        assert_eq!(read(&pinned), reference.at(digest));
        assert_eq!(read(&pinned).with_digest(&digest), pinned);
        assert_eq!(read(&pinned).pinned(), Some(reference.pin(b"manifest")));
    }
}

#[test]
fn a_repository_carries_neither_tag_nor_digest() {
    assert_eq!(Repository::parse("ghcr.io/org/app").unwrap().to_string(), "ghcr.io/org/app");
    assert_eq!(Repository::parse("nginx").unwrap().to_string(), "docker.io/library/nginx");
    for text in ["ghcr.io/org/app:1", &format!("ghcr.io/org/app@sha256:{HEX}"), "ghcr.io/org/App", ""] {
        assert!(Repository::parse(text).is_err(), "{text}");
    }
}

#[test]
fn without_a_tag_a_runtime_pulls_latest() {
    assert_eq!((read("nginx").tag(), read("nginx").tag_or_latest()), (None, "latest"));
    assert_eq!(read("nginx:1").tag_or_latest(), "1");
}
