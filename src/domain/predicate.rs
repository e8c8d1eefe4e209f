//! Predicate types, and the short names that cosign has for them.

/// The short names and what they stand for (cosign, `pkg/cosign/attestation`), by name.
pub const SHORT_NAMES: [(&str, &str); 10] = [
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// Whether a predicate type is written whole: a scheme, and nothing that no URI has.
pub fn is_uri(text: &str) -> bool {
    text.contains(':') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
