//! The CEL rules of the CRD, with the messages that `kubectl apply` prints. [`super::compile`] holds a stored or local policy
//! to the same demands.

use kube::core::Rule;

/// A DNS label (RFC 1123).
pub(super) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// A DNS subdomain (RFC 1123): the name of a resource.
pub(super) const DNS_SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";

/// The key of a label: a name, with the domain of whoever defines it before a slash.
pub(super) const LABEL_KEY: &str = "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$";

/// The value of a label; it may be empty.
pub(super) const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";

/// The name of a TUF target: segments that don't begin with a dot.
pub(super) const TARGET: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$";

pub(super) fn images_name_a_host() -> Rule {
    rule(
        "self.all(i, !i.contains('://') && i.matches('^([*][*](@.*)?$|localhost/.|[^/]*[.:*][^/]*/.)'))",
        "an image pattern is ** or begins with a registry host, such as docker.io/library/nginx",
    )
}

pub(super) fn images_have_no_tag() -> Rule {
    rule(
        "self.all(i, !i.matches('^[^@]*/[^@]*:'))",
        "an image pattern has no tag: tags can move; name the repository, or a digest",
    )
}

pub(super) fn images_are_lower_case() -> Rule {
    rule("self.all(i, !i.matches('[A-Z]'))", "an image pattern is in lower case, as every image name is")
}

/// A wildcard beside other characters in the first path segment would match the names of other organisations.
pub(super) fn images_stay_in_an_organisation() -> Rule {
    rule(
        "self.all(i, !i.matches('^[^/@]*/([^/@]*[^/@*][*]|[*]+[^/@*])'))",
        "in the first path segment of an image pattern a wildcard stands alone: ghcr.io/acme/** is all of acme, ghcr.io/acme-*/** would be others too",
    )
}

/// Every image of Docker Hub has a namespace, and is seen as `docker.io`.
pub(super) fn images_are_whole_names_of_docker_hub() -> Rule {
    rule(
        "self.all(i, !i.matches('^(docker[.]io|index[.]docker[.]io|registry-1[.]docker[.]io|registry[.]hub[.]docker[.]com)(:443)?/([^/@*]+|[*])(@.*)?$') && !i.matches('^[^/@:]*[*][^/@:]*[.]docker[.]io(:[0-9]+)?/'))",
        "every image of Docker Hub is docker.io/NAMESPACE/NAME, such as docker.io/library/nginx",
    )
}

/// A name whose last label is a number is an IP address.
pub(super) fn images_name_a_good_host() -> Rule {
    rule(
        "self.all(i, i.matches('^[*][*](@|$)') || (i.matches('^(localhost|LABEL([.]LABEL)+|LABEL:PORT|localhost:PORT|LABEL([.]LABEL)+:PORT)/') && i.matches('^[^/:@]{1,253}[/:]') && (!i.matches('^([^/@:]*[.])?([0-9]+|0x[0-9a-f]*)(:[0-9]+)?/') || i.matches('^OCTET[.]OCTET[.]OCTET[.]OCTET(:[0-9]+)?/'))))"
            .replace("LABEL", "([*]|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)")
            .replace("OCTET", "([*]|[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])")
            .replace(
                "PORT",
                "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])",
            ),
        "the registry host of an image pattern is a name with a dot or a port, or localhost; * is one whole label of it, and the port is 1 to 65535",
    )
}

pub(super) fn images_have_good_paths() -> Rule {
    rule(
        "self.all(i, i.matches('^([*][*]|[^/@]*(/(NAME|[*]|[*][*]|PARTIAL))+)(@sha256:[0-9a-f]{64})?$') && !i.contains('**/**'))"
            .replace("NAME", "[a-z0-9]+(([.]|_|__|-+)[a-z0-9]+)*")
            .replace("PARTIAL", "[a-z0-9._-]+[*]([a-z0-9._-]+[*])*[a-z0-9._-]*|[*][a-z0-9._-]+([*][a-z0-9._-]+)*[*]?"),
        "the path segments of an image pattern are names as in images (a-z 0-9 with single . _ - between them), * within one of them, or ** as a whole one; a digest is sha256 with 64 digits",
    )
}

pub(super) fn labels_have_good_keys() -> Rule {
    rule(
        format!("self.all(k, k.matches('{LABEL_KEY}') && k.split('/')[0].size() <= 253)"),
        "matchLabels has a key that no label can have: up to 63 of A-Z a-z 0-9 - _ . with alphanumeric ends, after a domain and a slash where there is one",
    )
}

/// The part of a key before the slash is a DNS subdomain, which has at most 253 characters.
pub(super) fn key_prefix_is_short() -> Rule {
    rule("self.key.split('/')[0].size() <= 253", "the domain of a label's key has at most 253 characters")
}

pub(super) fn values_fit_operator() -> Rule {
    rule(
        "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
        "In and NotIn need values, Exists and DoesNotExist take none",
    )
}

pub(super) fn one_kind_of_authority() -> Rule {
    rule(
        "[has(self.key), has(self.keyless), has(self.certificate), has(self.static)].filter(kind, kind).size() == 1",
        "an authority has exactly one of key, keyless, certificate and static",
    )
}

pub(super) fn identities_have_an_issuer() -> Rule {
    rule(
        "self.all(i, has(i.issuer))",
        "an identity names its issuer, such as https://token.actions.githubusercontent.com: whoever runs an issuer can name any subject",
    )
}

pub(super) fn identities_have_one_subject() -> Rule {
    rule(
        "self.all(i, has(i.subject) != has(i.subjectRegExp))",
        "an identity has exactly one of subject and subjectRegExp",
    )
}

pub(super) fn roots_are_certificates() -> Rule {
    rule(
        "self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY')",
        "roots are PEM blocks CERTIFICATE, and no private key",
    )
}

pub(super) fn predicate_type_is_a_uri() -> Rule {
    rule(
        "self.contains(':')",
        "predicateType is the whole URI, such as https://slsa.dev/provenance/v1; cosign's short names are not read",
    )
}

pub(super) fn cel_or_rego() -> Rule {
    rule("has(self.cel) != has(self.rego)", "a condition has exactly one of cel and rego")
}

pub(super) fn static_takes_no_log() -> Rule {
    rule(
        "!has(self.transparencyLog) || self.authorities.all(a, !has(a.static))",
        "a static authority looks at no signature, so transparencyLog has no effect",
    )
}

pub(super) fn static_takes_no_attestation() -> Rule {
    rule(
        "!has(self.attestations) || self.attestations.size() == 0 || self.authorities.all(a, !has(a.static))",
        "a static authority looks at nothing, so attestations can't be demanded",
    )
}

pub(super) fn none_needs_attestations() -> Rule {
    rule(
        "!has(self.require) || !has(self.require.atLeast) || self.require.atLeast > 0 || (has(self.attestations) && self.attestations.size() > 0)",
        "require.atLeast: 0 needs attestations, which then decide alone",
    )
}

pub(super) fn a_required_log_needs_a_root() -> Rule {
    rule(
        "!has(self.transparencyLog) || self.transparencyLog != 'Required' || self.authorities.all(a, (!has(a.key) || has(a.key.trustedRoot)) && (!has(a.certificate) || has(a.certificate.trustedRoot)))",
        "transparencyLog: Required needs a trustedRoot at each key and certificate: it names the logs",
    )
}

pub(super) fn attestations_name_authorities() -> Rule {
    rule(
        "!has(self.attestations) || self.attestations.all(t, !has(t.authorities) || t.authorities.all(n, self.authorities.exists(a, a.name == n)))",
        "an attestation names an authority that the policy does not have",
    )
}

pub(super) fn key_is_not_private() -> Rule {
    rule(
        "!self.contains('PRIVATE KEY')",
        "this is a private key: treat it as leaked, make a new pair, and put only the public key here",
    )
}

pub(super) fn key_is_one_public_key() -> Rule {
    rule(
        "self.contains('PRIVATE KEY') || (self.split('-----BEGIN ').size() == 2 && self.contains('-----BEGIN PUBLIC KEY-----') && self.contains('-----END PUBLIC KEY-----'))",
        "publicKey is exactly one PEM block PUBLIC KEY; for a second key add a second authority",
    )
}

pub(super) fn all_or_at_least() -> Rule {
    rule("!(has(self.all) && self.all && has(self.atLeast))", "require has either all or atLeast")
}

pub(super) fn static_is_alone() -> Rule {
    rule(
        "self.authorities.size() == 1 || self.authorities.all(a, !has(a.static))",
        "a static authority is the only one of its policy",
    )
}

pub(super) fn static_allow_is_exact() -> Rule {
    rule(
        "!self.authorities.exists(a, has(a.static) && a.static == 'Allow') || self.match.images.all(i, !i.contains('*'))",
        "static Allow works only with exact repositories in match.images, without * or **",
    )
}

pub(super) fn static_takes_no_signature() -> Rule {
    rule(
        "!has(self.signature) || self.authorities.all(a, !has(a.static))",
        "a static authority looks at no signature, so signature can't be demanded",
    )
}

pub(super) fn at_least_fits() -> Rule {
    rule(
        "!has(self.require) || !has(self.require.atLeast) || self.require.atLeast <= (has(self.require.of) && self.require.of.size() > 0 ? self.require.of.size() : self.authorities.size())",
        "require.atLeast is more than the authorities that count",
    )
}

pub(super) fn of_names_authorities() -> Rule {
    rule(
        "!has(self.require) || !has(self.require.of) || self.require.of.all(n, self.authorities.exists(a, a.name == n))",
        "require.of names an authority that the policy does not have",
    )
}

pub(super) fn inline_or_tuf() -> Rule {
    rule("has(self.inline) != has(self.tuf)", "a trusted root has exactly one of inline and tuf")
}

pub(super) fn inline_is_a_trusted_root() -> Rule {
    rule(
        "self.contains('application/vnd.dev.sigstore.trustedroot')",
        "inline is the JSON of a trusted_root.json, with its mediaType application/vnd.dev.sigstore.trustedroot",
    )
}

pub(super) fn mirror_is_a_url() -> Rule {
    rule("self.matches('^https?://[^/?#@]+(/[^?#@]*)?$')", "mirror is an https URL without user, query and fragment")
}

pub(super) fn root_is_tuf_metadata() -> Rule {
    rule(
        "self.contains('\"_type\"') && self.contains('\"signatures\"')",
        "root is the JSON of the root.json of a TUF repository",
    )
}

fn rule(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message)
}
