//! Who may vouch, as a policy writes it. The docs here are what `kubectl explain` prints.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::domain::Claim;

/// Who may vouch for an image: exactly one of `key`, `keyless`, `certificate` and `static`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
#[x_kube(validation = rules::one_kind_of_authority())]
pub struct AuthoritySpec {
    /// Its name, unique in the policy: a DNS label of at most 63 characters. Denials name it.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::DNS_LABEL))]
    pub name: String,
    /// Signatures by the holder of this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeySpec")]
    pub key: Option<KeySpec>,
    /// Signatures with a short-lived certificate, as `cosign sign` makes them without a key: the certificate names who signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "KeylessSpec")]
    pub keyless: Option<KeylessSpec>,
    /// Signatures with a certificate of an own PKI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CertificateSpec")]
    pub certificate: Option<CertificateSpec>,
    /// A fixed answer for whatever matches, without looking at signatures: Allow trusts it as it is (exact repositories
    /// only; each use is counted), Deny refuses it. Only as the one authority of a policy.
    #[serde(rename = "static", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StaticSpec")]
    pub answer: Option<StaticSpec>,
}

/// A public key.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct KeySpec {
    /// One PEM block `PUBLIC KEY`, such as the content of cosign.pub: ECDSA P-256, P-384 or P-521, RSA from 2048 bits, or
    /// Ed25519. For a second key add a second authority.
    #[schemars(length(min = 1, max = 8192))]
    #[x_kube(validation = rules::key_is_not_private(), validation = rules::key_is_one_public_key())]
    pub public_key: String,
    /// The trusted root whose logs and timestamps count for this key. Without it, a log entry beside a signature must be about
    /// it, and nothing is proven of its log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 253), regex(pattern = rules::DNS_SUBDOMAIN))]
    pub trusted_root: Option<String>,
}

/// Short-lived certificates of a Sigstore instance.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct KeylessSpec {
    /// The trusted root whose certificates, logs and timestamps count: the name of a TrustedRoot, or one that is built in:
    /// sigstore (the public-good instance, which is the default) and github.
    #[serde(default = "public_good")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::DNS_SUBDOMAIN))]
    pub trusted_root: String,
    /// Who may sign: any of these, 1 to 64. Each has an issuer and a subject.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::identities_have_an_issuer(), validation = rules::identities_have_one_subject())]
    pub identities: Vec<IdentitySpec>,
}

/// Certificates of an own PKI.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct CertificateSpec {
    /// The certificates of its roots, 1 to 32 PEM blocks `CERTIFICATE`. The signer's certificate needs a path to one of them and
    /// the extended key usage codeSigning.
    #[schemars(length(min = 1, max = 65_536))]
    #[x_kube(validation = rules::roots_are_certificates())]
    pub roots: String,
    /// The trusted root whose logs and timestamps prove when it signed. Without it, the signer's certificate must be valid now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 253), regex(pattern = rules::DNS_SUBDOMAIN))]
    pub trusted_root: Option<String>,
    /// Who may sign: any of these, 1 to 64. Each has a subject.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::identities_have_one_subject())]
    pub identities: Vec<IdentitySpec>,
}

/// Whom a certificate must name. All of it must fit, byte by byte.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct IdentitySpec {
    /// Who vouches for the subject, exactly: the URL of the OIDC issuer. Examples: `https://gitlab.com`,
    /// `https://token.actions.githubusercontent.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub issuer: Option<String>,
    /// Who signed, exactly: the subject alternative name of the certificate. Example:
    /// `https://gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub subject: Option<String>,
    /// Who signed, as a regular expression (RE2) that the whole name must fit; a dot is written \. in it. Example:
    /// `https://gitlab\.com/acme/[^/]+//\.gitlab-ci\.yml@refs/tags/v[0-9.]+`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub subject_reg_exp: Option<String>,
    /// What the certificate must say about the build, each exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClaimsSpec")]
    pub claims: Option<ClaimsSpec>,
}

/// What a certificate says about the build that signed (the extensions 1.3.6.1.4.1.57264.1.9 to 24 of Fulcio).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ClaimsSpec {
    /// The build instructions that signed, such as a reusable workflow with its ref.
    #[serde(rename = "buildSignerURI", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub build_signer_uri: Option<String>,
    /// The immutable version of those instructions, such as a commit.
    #[serde(rename = "buildSignerDigest", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub build_signer_digest: Option<String>,
    /// Where the build ran, such as `github-hosted` or `self-hosted`.
    #[serde(rename = "runnerEnvironment", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub runner_environment: Option<String>,
    /// The repository that was built.
    #[serde(rename = "sourceRepositoryURI", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_uri: Option<String>,
    /// The commit that was built.
    #[serde(rename = "sourceRepositoryDigest", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_digest: Option<String>,
    /// The branch or tag that was built, such as `refs/heads/main`.
    #[serde(rename = "sourceRepositoryRef", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_ref: Option<String>,
    /// The number of the repository; it survives renames, and nobody can take it over.
    #[serde(rename = "sourceRepositoryIdentifier", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_identifier: Option<String>,
    /// The owner of the repository.
    #[serde(rename = "sourceRepositoryOwnerURI", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_owner_uri: Option<String>,
    /// The number of that owner.
    #[serde(rename = "sourceRepositoryOwnerIdentifier", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_owner_identifier: Option<String>,
    /// The build instructions that were started, such as the workflow that called a reusable one.
    #[serde(rename = "buildConfigURI", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub build_config_uri: Option<String>,
    /// The immutable version of those instructions.
    #[serde(rename = "buildConfigDigest", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub build_config_digest: Option<String>,
    /// What started the build, such as `push`.
    #[serde(rename = "buildTrigger", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub build_trigger: Option<String>,
    /// The run of the build.
    #[serde(rename = "runInvocationURI", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub run_invocation_uri: Option<String>,
    /// Who could read the repository when it was built, such as `private`.
    #[serde(rename = "sourceRepositoryVisibilityAtSigning", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub source_repository_visibility_at_signing: Option<String>,
    /// The environment that the job deploys to; the platform can protect it.
    #[serde(rename = "deploymentEnvironment", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub deployment_environment: Option<String>,
    /// The subject of the identity token, unchanged.
    #[serde(rename = "tokenSubject", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 4096))]
    pub token_subject: Option<String>,
}

/// A fixed answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum StaticSpec {
    /// Trust the image as it is.
    Allow,
    /// Refuse the image.
    Deny,
}

fn public_good() -> String {
    "sigstore".to_owned()
}

impl ClaimsSpec {
    /// Those that are demanded.
    pub(super) fn demanded(&self) -> BTreeMap<Claim, String> {
        let all = [
            (Claim::BuildSignerUri, &self.build_signer_uri),
            (Claim::BuildSignerDigest, &self.build_signer_digest),
            (Claim::RunnerEnvironment, &self.runner_environment),
            (Claim::SourceRepositoryUri, &self.source_repository_uri),
            (Claim::SourceRepositoryDigest, &self.source_repository_digest),
            (Claim::SourceRepositoryRef, &self.source_repository_ref),
            (Claim::SourceRepositoryIdentifier, &self.source_repository_identifier),
            (Claim::SourceRepositoryOwnerUri, &self.source_repository_owner_uri),
            (Claim::SourceRepositoryOwnerIdentifier, &self.source_repository_owner_identifier),
            (Claim::BuildConfigUri, &self.build_config_uri),
            (Claim::BuildConfigDigest, &self.build_config_digest),
            (Claim::BuildTrigger, &self.build_trigger),
            (Claim::RunInvocationUri, &self.run_invocation_uri),
            (Claim::SourceRepositoryVisibilityAtSigning, &self.source_repository_visibility_at_signing),
            (Claim::DeploymentEnvironment, &self.deployment_environment),
            (Claim::TokenSubject, &self.token_subject),
        ];
        all.into_iter().filter_map(|(claim, value)| Some((claim, value.clone()?))).collect()
    }
}
