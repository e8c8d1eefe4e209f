//! Flags that say who must have signed, as the values that a policy file becomes: one engine decides about both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jiff::Timestamp;

use crate::domain::{Claim, IdentityError, IdentityField, IdentityParts, IdentityPattern, RegExpError, RootSource};
use crate::policy::Trust;
use crate::signatures::{CertificateRoots, LogRule, PublicKey};
use crate::trust;

/// The root that counts for keyless signatures unless another is named.
const PUBLIC_GOOD: &str = "sigstore";
/// The repositories that the old claim of GitHub's workflows named without their host.
const GITHUB: &str = "https://github.com/";

/// Who must have signed.
#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "Who must have signed")]
pub(super) struct Flags {
    /// A public key (PEM)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The subject of the certificate, compared byte by byte: an e-mail address, or a workflow with its ref
    #[arg(long, value_name = "SUBJECT")]
    certificate_identity: Option<String>,
    /// A regular expression (RE2) for the subject. It must match the whole subject: unlike in cosign, ^ and $ are implied
    #[arg(long, value_name = "REGEXP")]
    certificate_identity_regexp: Option<String>,
    /// Who vouches for the subject, compared byte by byte; needed with an identity unless --ca-roots is given
    #[arg(long, value_name = "URL", conflicts_with_all = ["policy", "key"])]
    certificate_oidc_issuer: Option<String>,
    #[arg(long, value_name = "REGEXP", hide = true, conflicts_with_all = ["policy", "key"])]
    certificate_oidc_issuer_regexp: Option<String>,
    /// A claim of the certificate by its name in a policy, such as sourceRepositoryIdentifier=4242; may be repeated
    #[arg(long, value_name = "CLAIM=VALUE", value_parser = super::key_value, conflicts_with_all = ["policy", "key"])]
    certificate_claim: Vec<(String, String)>,
    /// The commit that was built: the claim sourceRepositoryDigest
    #[arg(long, value_name = "SHA", conflicts_with_all = ["policy", "key"])]
    certificate_github_workflow_sha: Option<String>,
    /// The repository that was built, as owner/name on github.com: the claim sourceRepositoryURI
    #[arg(long, value_name = "REPOSITORY", conflicts_with_all = ["policy", "key"])]
    certificate_github_workflow_repository: Option<String>,
    /// The branch or tag that was built, as refs/heads/main: the claim sourceRepositoryRef
    #[arg(long, value_name = "REF", conflicts_with_all = ["policy", "key"])]
    certificate_github_workflow_ref: Option<String>,
    /// What started the build, as push: the claim buildTrigger
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["policy", "key"])]
    certificate_github_workflow_trigger: Option<String>,
    #[arg(long, value_name = "NAME", hide = true, conflicts_with_all = ["policy", "key"])]
    certificate_github_workflow_name: Option<String>,
    /// PKI of your own: its certificate authorities (PEM), instead of those of a Sigstore
    #[arg(long, value_name = "FILE", visible_alias = "certificate-chain", conflicts_with_all = ["policy", "key"])]
    ca_roots: Option<PathBuf>,
    /// Whose certificates, logs and timestamps count: sigstore, github, or a `trusted_root.json`. With --policy the file stands
    /// in for both built-in roots. With --key or --ca-roots it makes a log entry required; with an identity an entry is required
    /// unless the root has no logs, as github: then a timestamp must prove the time
    #[arg(long, value_name = "FILE|NAME")]
    trusted_root: Option<String>,
    /// Do not look for entries in transparency logs
    #[arg(long, conflicts_with = "policy")]
    insecure_ignore_tlog: bool,
    /// Nothing: no log, certificate or timestamp authority is ever asked
    #[arg(long, hide = true)]
    offline: bool,
}

/// Trusted roots by name.
type Roots = BTreeMap<String, RootSource>;

/// What the flags say.
#[derive(Debug)]
pub(super) struct Signer {
    /// For people, and the name of the authority.
    pub(super) name: &'static str,
    /// Whom to trust.
    pub(super) trust: Trust,
    /// What must be proven of logs; nothing where the kind of signer decides.
    pub(super) log: Option<LogRule>,
    /// Trusted roots in place of the built-in ones, or beside them.
    pub(super) roots: Roots,
}

impl Flags {
    /// The signer that the flags name; at least one of `--key` and the identities is there, clap saw to that.
    pub(super) fn signer(&self) -> anyhow::Result<Signer> {
        let (root, roots) = self.root()?;
        let (name, trust) = match &self.key {
            Some(path) => ("key", by_key(path, root.clone())?),
            None => self.by_identity(root.clone())?,
        };
        if self.insecure_ignore_tlog {
            super::warn("transparency logs are not looked at: nobody but the signer may know of this signature");
        }
        let log = match (self.insecure_ignore_tlog, &trust) {
            (true, _) => Some(LogRule::Ignored),
            (false, Trust::Keyless { root, .. }) => has_no_logs(root, &roots).then_some(LogRule::WhenPresent),
            (false, _) => root.map(|_| LogRule::Required),
        };
        Ok(Signer { name, trust, log, roots })
    }

    /// What stands in for the built-in roots when policies come from a file.
    pub(super) fn roots_of_policies(&self) -> anyhow::Result<Roots> {
        match self.trusted_root.as_deref() {
            None => Ok(BTreeMap::new()),
            Some(PUBLIC_GOOD | "github") => {
                bail!(
                    "--trusted-root: the policy names its trusted roots; only a file can stand in for the built-in ones"
                )
            }
            Some(path) => {
                let source = inline(path)?;
                Ok(["sigstore", "github"].map(|name| (name.to_owned(), source.clone())).into())
            }
        }
    }

    /// The name of the trusted root, and the roots that the engine must know beside the built-in ones.
    fn root(&self) -> anyhow::Result<(Option<Arc<str>>, Roots)> {
        match self.trusted_root.as_deref() {
            None => Ok((None, BTreeMap::new())),
            Some(name @ (PUBLIC_GOOD | "github")) => Ok((Some(name.into()), BTreeMap::new())),
            Some(path) => Ok((Some(path.into()), BTreeMap::from([(path.to_owned(), inline(path)?)]))),
        }
    }

    fn by_identity(&self, root: Option<Arc<str>>) -> anyhow::Result<(&'static str, Trust)> {
        let Some(path) = &self.ca_roots else {
            let identities = vec![self.identity(IdentityPattern::keyless)?];
            return Ok(("keyless", Trust::Keyless { root: root.unwrap_or_else(|| PUBLIC_GOOD.into()), identities }));
        };
        let pem = read(path)?;
        let roots = CertificateRoots::from_pem(&pem).map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
        let identities = vec![self.identity(IdentityPattern::certificate)?];
        Ok(("certificate", Trust::Certificate { roots, root, identities }))
    }

    fn identity(
        &self,
        prove: fn(IdentityParts) -> Result<IdentityPattern, IdentityError>,
    ) -> anyhow::Result<IdentityPattern> {
        if self.certificate_oidc_issuer_regexp.is_some() {
            bail!(
                "--certificate-oidc-issuer-regexp: an issuer decides who may claim a subject, so it is compared byte by \
                 byte; name it with --certificate-oidc-issuer"
            );
        }
        if self.certificate_github_workflow_name.is_some() {
            bail!(
                "--certificate-github-workflow-name: anyone who can write a workflow chooses its name; the path of the \
                 workflow is in the subject, use --certificate-identity"
            );
        }
        let parts = IdentityParts {
            issuer: self.certificate_oidc_issuer.clone(),
            subject: self.certificate_identity.clone(),
            subject_reg_exp: self.certificate_identity_regexp.clone(),
            claims: self.claims()?,
        };
        prove(parts).map_err(|problem| self.explain(&problem))
    }

    fn claims(&self) -> anyhow::Result<BTreeMap<Claim, String>> {
        let named = self.certificate_claim.iter().map(|(name, value)| {
            let claim = Claim::from_name(name).ok_or_else(|| {
                let names = Claim::ALL.map(Claim::name).join(", ");
                anyhow!("--certificate-claim {name}: there is no such claim; expected one of {names}")
            })?;
            anyhow::Ok((claim, value.clone()))
        });
        let repository = self.certificate_github_workflow_repository.as_ref();
        let of_github = [
            (Claim::SourceRepositoryDigest, self.certificate_github_workflow_sha.clone()),
            (Claim::SourceRepositoryUri, repository.map(|name| format!("{GITHUB}{name}"))),
            (Claim::SourceRepositoryRef, self.certificate_github_workflow_ref.clone()),
            (Claim::BuildTrigger, self.certificate_github_workflow_trigger.clone()),
        ];
        let of_github = of_github.into_iter().filter_map(|(claim, value)| Some(Ok((claim, value?))));
        let mut claims = BTreeMap::new();
        for claim in named.chain(of_github) {
            let (claim, value) = claim?;
            if claims.insert(claim, value).is_some() {
                bail!("the claim {claim} is given twice");
            }
        }
        Ok(claims)
    }

    /// An error of an identity, in the words of the command line.
    fn explain(&self, problem: &IdentityError) -> anyhow::Error {
        match problem {
            IdentityError::NoIssuer => anyhow!(
                "--certificate-oidc-issuer is missing; name who vouches for the subject, such as \
                 https://token.actions.githubusercontent.com, https://gitlab.com or https://accounts.google.com"
            ),
            IdentityError::NoSubject => anyhow!(
                "--certificate-identity or --certificate-identity-regexp is missing: without one, whoever has an account \
                 at the issuer could sign"
            ),
            IdentityError::RegExp(problem) => {
                let source = self.certificate_identity_regexp.as_deref().unwrap_or_default();
                anyhow!("--certificate-identity-regexp {problem}{}", caret(source, problem))
            }
            IdentityError::Blank(field)
            | IdentityError::Wildcard { field, .. }
            | IdentityError::Blanks(field)
            | IdentityError::TooLong(field) => anyhow!("{} {problem}", flag(*field)),
            IdentityError::TwoSubjects => anyhow!("{problem}"),
        }
    }
}

/// Whether a root proves times by timestamp authorities alone, as GitHub's does: an entry in a log of it can't be demanded.
/// A root that can't be used proves nothing, and that is said where it is asked for.
fn has_no_logs(root: &str, roots: &Roots) -> bool {
    let material = trust::offline(roots, Timestamp::now()).get(root);
    material.is_ok_and(|material| matches!(material.counts(), (_, 0, timestamps) if timestamps > 0))
}

fn by_key(path: &Path, root: Option<Arc<str>>) -> anyhow::Result<Trust> {
    let pem = read(path)?;
    let key = PublicKey::from_pem(&pem).map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
    Ok(Trust::Key { key, root })
}

fn flag(field: IdentityField) -> String {
    match field {
        IdentityField::Issuer => "--certificate-oidc-issuer".to_owned(),
        IdentityField::Subject => "--certificate-identity".to_owned(),
        IdentityField::Claim(claim) => format!("--certificate-claim {claim}"),
    }
}

/// The expression, and a caret under the column that is at fault.
fn caret(source: &str, problem: &RegExpError) -> String {
    match problem {
        RegExpError::Syntax { column, .. } | RegExpError::Flags { column }
            if source.len() <= 200 && !source.contains(char::is_control) =>
        {
            format!("\n  {source}\n  {:>column$}", '^')
        }
        _ => String::new(),
    }
}

fn inline(path: &str) -> anyhow::Result<RootSource> {
    let text = read(Path::new(path))?;
    // Read here too, so that a wrong file is wrong usage and not an image that can't be judged.
    crate::signatures::TrustMaterial::from_json(&text).map_err(|problem| anyhow!("{path}: {problem}"))?;
    Ok(RootSource::Inline(text.into()))
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{}: can't be read", path.display()))
}
