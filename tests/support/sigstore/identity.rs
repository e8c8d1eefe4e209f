//! Who signs: the names and claims that Fulcio writes into a certificate, and the ID tokens that it reads them from.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;

use super::x509::{email, extension, uri, user_name, utf8_string};

/// An identity that Fulcio certifies: a name, its issuer and what else its token says.
#[derive(Clone, Debug)]
pub struct Identity {
    /// As a policy names it.
    pub subject: String,
    /// As a policy names it.
    pub issuer: String,
    /// As the certificate has it.
    pub name: GeneralName,
    /// The Fulcio extensions by the last number of their OID (1.3.6.1.4.1.57264.1.N): 1 to 6 and 8 to 24.
    pub claims: BTreeMap<u8, String>,
    /// The claims of the token that Fulcio reads.
    pub token: Value,
}

/// The tokens' claims that become extensions: the name in a token of GitHub, and the extensions with that value.
const GITHUB: [(&str, &[u8]); 12] = [
    ("event_name", &[2, 20]),
    ("sha", &[3, 13]),
    ("workflow", &[4]),
    ("repository", &[5]),
    ("ref", &[6, 14]),
    ("job_workflow_sha", &[10, 19]),
    ("runner_environment", &[11]),
    ("repository_id", &[15]),
    ("repository_owner_id", &[17]),
    ("repository_visibility", &[22]),
    ("environment", &[23]),
    ("sub", &[24]),
];

/// The same for GitLab.
const GITLAB: [(&str, &[u8]); 9] = [
    ("ci_config_sha", &[10, 19]),
    ("runner_environment", &[11]),
    ("sha", &[13]),
    ("project_id", &[15]),
    ("namespace_id", &[17]),
    ("pipeline_source", &[20]),
    ("project_visibility", &[22]),
    ("environment", &[23]),
    ("sub", &[24]),
];

const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
const GITLAB_ISSUER: &str = "https://gitlab.com";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

impl Identity {
    /// A person: `dev@acme.test` at `https://accounts.google.com`.
    pub fn email() -> Self {
        Self::from_token(&json!({
            "iss": "https://accounts.google.com", "sub": "42", "email": "dev@acme.test", "email_verified": true,
        }))
    }

    /// The workflow `release.yml` of `acme/app` on the branch `main`, at GitHub.
    pub fn github() -> Self {
        Self::github_at("refs/heads/main")
    }

    /// The same on any branch or tag, such as `refs/tags/v1`.
    pub fn github_at(git_ref: &str) -> Self {
        Self::from_token(&json!({
            "iss": GITHUB_ISSUER,
            "sub": format!("repo:acme/app:ref:{git_ref}"),
            "job_workflow_ref": format!("acme/app/.github/workflows/release.yml@{git_ref}"),
            "job_workflow_sha": COMMIT, "sha": COMMIT, "event_name": "push", "repository": "acme/app",
            "workflow": "release", "ref": git_ref, "runner_environment": "github-hosted", "repository_id": "1",
            "repository_owner": "acme", "repository_owner_id": "2", "repository_visibility": "public",
            "environment": "production", "run_id": "17", "run_attempt": "1",
        }))
    }

    /// The pipeline of `acme/app` on the branch `main`, at GitLab.
    pub fn gitlab() -> Self {
        Self::gitlab_at("main")
    }

    /// The same on any branch.
    pub fn gitlab_at(branch: &str) -> Self {
        Self::from_token(&json!({
            "iss": GITLAB_ISSUER,
            "sub": format!("project_path:acme/app:ref_type:branch:ref:{branch}"),
            "ci_config_ref_uri": format!("gitlab.com/acme/app//.gitlab-ci.yml@refs/heads/{branch}"),
            "ci_config_sha": COMMIT, "sha": COMMIT, "ref": branch, "ref_type": "branch", "ref_path": format!("refs/heads/{branch}"),
            "project_path": "acme/app", "project_id": "1", "project_visibility": "public",
            "namespace_path": "acme", "namespace_id": "2", "pipeline_source": "push", "job_id": "17",
            "runner_environment": "gitlab-hosted", "environment": "production",
        }))
    }

    /// A user name at an issuer of its own, which Fulcio writes as an `otherName`.
    pub fn user_name() -> Self {
        Self::from_token(&json!({"iss": "https://login.acme.test", "sub": "dev", "user_name": true}))
    }

    /// A workload with a URI for its subject, as SPIFFE has them.
    pub fn workload() -> Self {
        Self::from_token(&json!({"iss": "https://spiffe.acme.test", "sub": "spiffe://acme.test/ci/builder"}))
    }

    /// As Fulcio reads a token's claims.
    pub fn from_token(token: &Value) -> Self {
        let text = |name: &str| token[name].as_str().unwrap_or_default().to_owned();
        let issuer = text("iss");
        let mut claims = BTreeMap::from([(1, issuer.clone()), (8, issuer.clone())]);
        let name = match issuer.as_str() {
            GITHUB_ISSUER => {
                let job = format!("https://github.com/{}", text("job_workflow_ref"));
                let repository = format!("https://github.com/{}", text("repository"));
                claims.extend(extensions(token, &GITHUB));
                claims.extend([9, 18].map(|number| (number, job.clone())));
                claims.insert(16, format!("https://github.com/{}", text("repository_owner")));
                claims.insert(
                    21,
                    format!("{repository}/actions/runs/{}/attempts/{}", text("run_id"), text("run_attempt")),
                );
                claims.insert(12, repository);
                uri(&job)
            }
            GITLAB_ISSUER => {
                let job = format!("https://{}", text("ci_config_ref_uri"));
                let project = format!("https://gitlab.com/{}", text("project_path"));
                claims.extend(extensions(token, &GITLAB));
                claims.extend([9, 18].map(|number| (number, job.clone())));
                claims.insert(14, text("ref_path"));
                claims.insert(16, format!("https://gitlab.com/{}", text("namespace_path")));
                claims.insert(21, format!("{project}/-/jobs/{}", text("job_id")));
                claims.insert(12, project);
                uri(&job)
            }
            _ if token["email"].is_string() => email(&text("email")),
            _ if token["user_name"] == true => user_name(&format!("{}!login.acme.test", text("sub"))),
            _ => uri(&text("sub")),
        };
        let subject = match &name {
            GeneralName::Rfc822Name(text) | GeneralName::UniformResourceIdentifier(text) => text.as_str().to_owned(),
            _ => format!("{}!login.acme.test", text("sub")),
        };
        Self { subject, issuer, name, claims, token: token.clone() }
    }
}

/// The claims of a JSON Web Token, whoever signed it.
pub fn read_token(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// The extension of a claim: 1 to 6 hold bare text, all others a DER `UTF8String` (fulcio, docs/oid-info.md).
pub fn claim(number: u8, value: &str) -> Extension {
    let value = if number < 7 { value.as_bytes().to_vec() } else { utf8_string(value) };
    raw_claim(number, &value)
}

/// The same with any bytes.
pub fn raw_claim(number: u8, value: &[u8]) -> Extension {
    extension(&format!("1.3.6.1.4.1.57264.1.{number}"), false, value)
}

fn extensions(token: &Value, table: &[(&str, &[u8])]) -> BTreeMap<u8, String> {
    let found = table.iter().filter_map(|(name, numbers)| Some((token[name].as_str()?.to_owned(), numbers)));
    found.flat_map(|(value, numbers)| numbers.iter().map(move |number| (*number, value.clone()))).collect()
}
