//! What Fulcio writes about a build into a certificate (sigstore/fulcio, `docs/oid-info.md`).

use std::fmt;

/// A certificate extension under the arc `1.3.6.1.4.1.57264.1`, from 9 to 24. Number 8 is the issuer, which every identity
/// has; numbers below it are deprecated, and each of them says what one of these says too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// The build instructions that signed, such as a reusable workflow with its ref.
    BuildSignerUri,
    /// The immutable version of those instructions, such as a commit.
    BuildSignerDigest,
    /// Where the build ran, such as `github-hosted` or `self-hosted`.
    RunnerEnvironment,
    /// The repository that was built.
    SourceRepositoryUri,
    /// The commit that was built.
    SourceRepositoryDigest,
    /// The branch or tag that was built, such as `refs/heads/main`.
    SourceRepositoryRef,
    /// The number of the repository; it survives renames, and nobody can take it over.
    SourceRepositoryIdentifier,
    /// The owner of the repository.
    SourceRepositoryOwnerUri,
    /// The number of that owner.
    SourceRepositoryOwnerIdentifier,
    /// The build instructions that were started, such as the workflow that called a reusable one.
    BuildConfigUri,
    /// The immutable version of those instructions.
    BuildConfigDigest,
    /// What started the build, such as `push`.
    BuildTrigger,
    /// The run of the build.
    RunInvocationUri,
    /// Who could read the repository when it was built, such as `private`.
    SourceRepositoryVisibilityAtSigning,
    /// The environment that the job deploys to; the platform can protect it.
    DeploymentEnvironment,
    /// The subject of the identity token, unchanged.
    TokenSubject,
}

impl Claim {
    /// All of them, by number.
    pub const ALL: [Self; 16] = [
        Self::BuildSignerUri,
        Self::BuildSignerDigest,
        Self::RunnerEnvironment,
        Self::SourceRepositoryUri,
        Self::SourceRepositoryDigest,
        Self::SourceRepositoryRef,
        Self::SourceRepositoryIdentifier,
        Self::SourceRepositoryOwnerUri,
        Self::SourceRepositoryOwnerIdentifier,
        Self::BuildConfigUri,
        Self::BuildConfigDigest,
        Self::BuildTrigger,
        Self::RunInvocationUri,
        Self::SourceRepositoryVisibilityAtSigning,
        Self::DeploymentEnvironment,
        Self::TokenSubject,
    ];

    /// The name of the field in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::BuildSignerUri => "buildSignerURI",
            Self::BuildSignerDigest => "buildSignerDigest",
            Self::RunnerEnvironment => "runnerEnvironment",
            Self::SourceRepositoryUri => "sourceRepositoryURI",
            Self::SourceRepositoryDigest => "sourceRepositoryDigest",
            Self::SourceRepositoryRef => "sourceRepositoryRef",
            Self::SourceRepositoryIdentifier => "sourceRepositoryIdentifier",
            Self::SourceRepositoryOwnerUri => "sourceRepositoryOwnerURI",
            Self::SourceRepositoryOwnerIdentifier => "sourceRepositoryOwnerIdentifier",
            Self::BuildConfigUri => "buildConfigURI",
            Self::BuildConfigDigest => "buildConfigDigest",
            Self::BuildTrigger => "buildTrigger",
            Self::RunInvocationUri => "runInvocationURI",
            Self::SourceRepositoryVisibilityAtSigning => "sourceRepositoryVisibilityAtSigning",
            Self::DeploymentEnvironment => "deploymentEnvironment",
            Self::TokenSubject => "tokenSubject",
        }
    }

    /// The claim of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.name() == name)
    }

    /// Its number under `1.3.6.1.4.1.57264.1`.
    pub fn arc(self) -> u32 {
        match self {
            Self::BuildSignerUri => 9,
            Self::BuildSignerDigest => 10,
            Self::RunnerEnvironment => 11,
            Self::SourceRepositoryUri => 12,
            Self::SourceRepositoryDigest => 13,
            Self::SourceRepositoryRef => 14,
            Self::SourceRepositoryIdentifier => 15,
            Self::SourceRepositoryOwnerUri => 16,
            Self::SourceRepositoryOwnerIdentifier => 17,
            Self::BuildConfigUri => 18,
            Self::BuildConfigDigest => 19,
            Self::BuildTrigger => 20,
            Self::RunInvocationUri => 21,
            Self::SourceRepositoryVisibilityAtSigning => 22,
            Self::DeploymentEnvironment => 23,
            Self::TokenSubject => 24,
        }
    }

    /// The claim of that number.
    pub fn from_arc(arc: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.arc() == arc)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
