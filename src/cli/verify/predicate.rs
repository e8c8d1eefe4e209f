//! `--type`: predicate types by the short names that cosign has for them.

/// What the short names stand for (cosign, `pkg/cosign/attestation`).
const SHORT_NAMES: [(&str, &str); 10] = [
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

/// The predicate type of a short name, or a URI as it is.
pub(super) fn predicate_type(text: &str) -> Result<String, String> {
    if let Some((_, uri)) = SHORT_NAMES.iter().find(|(name, _)| *name == text) {
        return Ok((*uri).to_owned());
    }
    if text.contains(':') && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(text.to_owned());
    }
    let names = SHORT_NAMES.map(|(name, _)| name).join(", ");
    Err(format!("expected a URI or one of {names}"))
}
