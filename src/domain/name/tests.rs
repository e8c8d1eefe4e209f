//! Names at their bounds.

use super::*;

#[test]
fn labels_and_subdomains_are_told_apart() {
    let cases = [
        ("a", true, true),
        ("a-1", true, true),
        ("1", true, true),
        ("", false, false),
        ("-a", false, false),
        ("a-", false, false),
        ("A", false, false),
        ("a.b", false, true),
        ("a..b", false, false),
        ("a_b", false, false),
        ("ä", false, false),
    ];
    for (name, label, subdomain) in cases {
        assert_eq!(is_dns_label(name), label, "{name}");
        assert_eq!(is_dns_subdomain(name), subdomain, "{name}");
    }
    assert!(is_dns_label(&"a".repeat(63)));
    assert!(!is_dns_label(&"a".repeat(64)));
    assert!(!is_dns_subdomain(&["a"; 128].join(".")));
}
