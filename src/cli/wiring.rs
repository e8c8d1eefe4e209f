//! From the settings of a person to the settings of each module.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use jiff::SignedDuration;

use crate::admission;
use crate::cluster::pull_secrets::Scope;
use crate::cluster::webhooks::{self, Templates};
use crate::config::{self, Config};
use crate::domain::workload::{ExtraKind, KindTable};
use crate::policy::{Defaults, Reaction};
use crate::registry::{self, HostSettings};
use crate::trust;

/// Reads the settings; without a file the defaults count.
pub(super) fn config(path: Option<&Path>) -> anyhow::Result<Config> {
    let Some(path) = path else { return Ok(Config::default()) };
    let bytes = fs::read(path).with_context(|| format!("{}: can't be read", path.display()))?;
    Config::from_yaml(&bytes).with_context(|| path.display().to_string())
}

pub(super) fn registry(config: &Config) -> anyhow::Result<registry::Settings> {
    let mut settings = registry::Settings::default();
    let largest = config.limits.attestation_bytes;
    settings.limits.attestation_bytes = largest;
    settings.limits.bodies = settings.limits.bodies.with_room_for(largest);
    settings.limits.image_bytes = settings.limits.image_bytes.max(largest.saturating_mul(2));
    for registry in &config.registries {
        settings.hosts.insert(registry.host.clone(), host(registry)?);
    }
    Ok(settings)
}

fn host(registry: &config::RegistryConfig) -> anyhow::Result<HostSettings> {
    let ca = registry.ca_file.as_deref().map(|path| {
        fs::read(path).with_context(|| format!("{}: the CA file of {} can't be read", path.display(), registry.host))
    });
    Ok(HostSettings {
        plain_http: registry.plain_http,
        ca: ca.transpose()?,
        allow_private_address: registry.allow_private_address,
        token_hosts: registry.token_hosts.clone(),
    })
}

pub(super) fn trust(config: &Config) -> anyhow::Result<trust::Settings> {
    let settings = &config.trusted_roots;
    if let Some(folder) = &settings.cache_dir {
        fs::create_dir_all(folder).with_context(|| format!("trustedRoots.cacheDir: {}", folder.display()))?;
    }
    Ok(trust::Settings {
        refresh_built_in: settings.refresh,
        interval: SignedDuration::from_hours(settings.refresh_hours.into()),
        grace: SignedDuration::from_hours(settings.grace_hours.into()),
        cache: settings.cache_dir.clone(),
        hosts: settings.hosts.iter().map(mirror).collect::<anyhow::Result<_>>()?,
    })
}

fn mirror(mirror: &config::MirrorConfig) -> anyhow::Result<trust::HostSettings> {
    let ca = mirror.ca_file.as_deref().map(|path| {
        fs::read(path).with_context(|| format!("{}: the CA file of {} can't be read", path.display(), mirror.host))
    });
    Ok(trust::HostSettings {
        host: mirror.host.clone(),
        plain_http: mirror.plain_http,
        ca: ca.transpose()?,
        allow_private_address: mirror.allow_private_address,
    })
}

pub(super) fn kinds(config: &Config) -> anyhow::Result<KindTable> {
    let extra: Vec<ExtraKind> = config.extra_workloads.iter().cloned().map(extra_kind).collect();
    KindTable::new(&extra).context("extraWorkloads")
}

fn extra_kind(kind: config::ExtraWorkload) -> ExtraKind {
    let config::ExtraWorkload { group, version, resource, kind, pod_spec } = kind;
    ExtraKind { group, version, resource, kind, pod_spec }
}

pub(super) fn defaults(config: &Config) -> Defaults {
    Defaults {
        unmatched: match config.unmatched_images {
            config::Reaction::Deny => Reaction::Deny,
            config::Reaction::Warn => Reaction::Warn,
            config::Reaction::Allow => Reaction::Allow,
        },
        ungoverned: match config.ungoverned_namespaces {
            config::UngovernedReaction::Allow => Reaction::Allow,
            config::UngovernedReaction::Warn => Reaction::Warn,
            config::UngovernedReaction::Deny => Reaction::Deny,
        },
    }
}

pub(super) fn workloads(config: &Config) -> admission::Workloads {
    match config.workloads {
        config::WorkloadReaction::Deny => admission::Workloads::Deny,
        config::WorkloadReaction::Warn => admission::Workloads::Warn,
        config::WorkloadReaction::Ignore => admission::Workloads::Ignore,
    }
}

pub(super) fn mirror_pods(config: &Config) -> admission::MirrorPods {
    match config.mirror_pods {
        config::MirrorPodReaction::Warn => admission::MirrorPods::Warn,
        config::MirrorPodReaction::Deny => admission::MirrorPods::Deny,
    }
}

pub(super) fn webhooks(config: &Config, namespace: String, service: String, port: u16) -> webhooks::Settings {
    webhooks::Settings {
        namespace,
        service,
        port,
        excluded_namespaces: config.excluded_namespaces.clone(),
        timeout_seconds: config.webhook.timeout_seconds,
        templates: match config.workloads {
            config::WorkloadReaction::Ignore => Templates::Ignore,
            config::WorkloadReaction::Deny | config::WorkloadReaction::Warn => Templates::Review,
        },
    }
}

pub(super) fn pull_secrets(config: &Config) -> Scope {
    if config.pull_secrets.cluster { Scope::Cluster } else { Scope::Namespaces(config.pull_secrets.namespaces.clone()) }
}
