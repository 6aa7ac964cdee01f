//! What a value's kind does not say, and what only several values together show.

use super::keys::{self, FOLDER_MAX_COUNT};
use super::value::Kind;
use super::{Config, ConfigError, GatewaySettings};
use crate::trusted_proxies::TrustedProxies;
use std::ops::RangeInclusive;
use std::path::Path;

/// The shortest secret taken, in characters. Whoever reaches a role's port gets a MAC of what they sent, and may try on
/// their own which secret makes it.
pub const SECRET_MIN_CHARS: usize = 32;

/// Of a key that an operator gives.
const ACCESS_KEY_CHARS: RangeInclusive<usize> = 3..=128;
const SECRET_KEY_CHARS: RangeInclusive<usize> = 8..=128;
/// What the ids of temporary credentials begin with.
const TEMPORARY_KEY_PREFIX: &str = "ASIA";

pub(super) fn validate(config: &Config) -> Result<(), ConfigError> {
    addresses(config)?;
    texts(config)?;
    files_of_tls(config)?;
    relations(config)
}

/// Whether root keys are set: both, or none.
///
/// # Errors
/// [`ConfigError::Value`] when one is set without the other.
pub fn check_secret_pair(config: &Config) -> Result<bool, ConfigError> {
    let GatewaySettings { access_key, secret_key, .. } = &config.gateway;
    match (access_key.is_empty(), secret_key.is_empty()) {
        (true, true) => Ok(false),
        (false, false) => Ok(true),
        (true, false) => Err(wrong(config, "gateway.access_key", "", "a text, since gateway.secret_key is set")),
        (false, true) => Err(wrong(config, "gateway.secret_key", "", "a text, since gateway.access_key is set")),
    }
}

/// What users' keys have to be, too.
fn root_keys(config: &Config) -> Result<(), ConfigError> {
    if !check_secret_pair(config)? {
        return Ok(());
    }
    let GatewaySettings { access_key, secret_key, .. } = &config.gateway;
    let is_id = ACCESS_KEY_CHARS.contains(&access_key.len())
        && access_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte));
    if !is_id {
        let expected = format!("{} to {} letters, digits and _.@-", ACCESS_KEY_CHARS.start(), ACCESS_KEY_CHARS.end());
        return Err(wrong(config, "gateway.access_key", access_key, &expected));
    }
    if access_key.starts_with(TEMPORARY_KEY_PREFIX) {
        let expected = "one that does not begin with ASIA, as those of temporary credentials do";
        return Err(wrong(config, "gateway.access_key", access_key, expected));
    }
    let is_secret = SECRET_KEY_CHARS.contains(&secret_key.chars().count()) && !secret_key.chars().any(char::is_control);
    if !is_secret {
        let expected = format!(
            "{} to {} characters, none of them a control character",
            SECRET_KEY_CHARS.start(),
            SECRET_KEY_CHARS.end()
        );
        return Err(wrong(config, "gateway.secret_key", secret_key, &expected));
    }
    Ok(())
}

fn addresses(config: &Config) -> Result<(), ConfigError> {
    let required = [
        ("gateway.listen", &config.gateway.listen),
        ("metaserver.listen", &config.metaserver.listen),
        ("worker.listen", &config.worker.listen),
    ];
    let optional = [
        ("admin_listen", &config.service.admin_listen),
        ("worker.address", &config.worker.address),
        ("metaserver.follow", &config.metaserver.follow),
    ];
    let set = optional.into_iter().filter(|(_, value)| !value.is_empty());
    for (key, value) in required.into_iter().chain(set) {
        if !is_address(value) {
            return Err(wrong(config, key, value, "ADDRESS:PORT, such as 127.0.0.1:39999 or [::1]:39999"));
        }
    }
    let metaservers = &config.metaserver.address;
    if !metaservers.split(',').all(is_address) {
        let expected = "ADDRESS:PORT, or several separated by commas, such as meta-1:19998,meta-2:19998";
        return Err(wrong(config, "metaserver.address", metaservers, expected));
    }
    Ok(())
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_fine = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        }
    };
    host_is_fine && !port.starts_with('+') && port.parse::<u16>().is_ok()
}

fn texts(config: &Config) -> Result<(), ConfigError> {
    let service = &config.service;
    if !matches!(service.log_format.as_str(), "text" | "json") {
        return Err(wrong(config, "log_format", &service.log_format, "text or json"));
    }
    if let Err(error) = crate::log_filter::check(&service.log) {
        return Err(wrong(config, "log", &service.log, &format!("a level or a filter by module ({error})")));
    }
    let endpoint = &service.otlp_endpoint;
    if !endpoint.is_empty() && !endpoint.starts_with("http://") {
        return Err(wrong(config, "otlp_endpoint", endpoint, "a URL that begins with http://"));
    }
    if !service.cluster_secret.is_empty() && service.cluster_secret.chars().count() < SECRET_MIN_CHARS {
        let expected = format!("at least {SECRET_MIN_CHARS} characters, such as `openssl rand -hex 32` makes");
        return Err(wrong(config, "cluster_secret", "", &expected));
    }
    for (key, path) in [("data", &service.data), ("metaserver.data", &config.metaserver.data)] {
        if path.as_os_str().is_empty() {
            return Err(wrong(config, key, "", "a folder"));
        }
    }
    worker_folders(config)?;
    gateway_texts(config)
}

fn worker_folders(config: &Config) -> Result<(), ConfigError> {
    let folders = &config.worker.data;
    if folders.len() > FOLDER_MAX_COUNT {
        let shown = format!("{} folders", folders.len());
        return Err(wrong(config, "worker.data", &shown, &format!("at most {FOLDER_MAX_COUNT} folders")));
    }
    for (at, folder) in folders.iter().enumerate() {
        if folder.as_os_str().is_empty() {
            return Err(wrong(config, "worker.data", "", "a folder"));
        }
        if folders[..at].contains(folder) {
            return Err(wrong(config, "worker.data", &folder.to_string_lossy(), "each folder once"));
        }
    }
    Ok(())
}

fn gateway_texts(config: &Config) -> Result<(), ConfigError> {
    let gateway = &config.gateway;
    let path = &gateway.base_path;
    let segment = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if !path.is_empty() && !path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment)) {
        return Err(wrong(config, "gateway.base_path", path, "empty, or a path such as /api/v1/s3"));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    for domain in &gateway.domains {
        if !domain.split('.').all(label) {
            return Err(wrong(config, "gateway.domains", domain, "domains in lower case, without a port"));
        }
    }
    if let Err(proxy) = TrustedProxies::parse(&gateway.trusted_proxies) {
        let expected = "addresses or networks, such as 10.0.0.1 or 10.0.0.0/8";
        return Err(wrong(config, "gateway.trusted_proxies", proxy, expected));
    }
    if gateway.region.is_empty() || !gateway.region.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
        return Err(wrong(config, "gateway.region", &gateway.region, "letters, digits and hyphens"));
    }
    root_keys(config)
}

/// A certificate is of no use without its key, nor one of the cluster's without its authority.
fn files_of_tls(config: &Config) -> Result<(), ConfigError> {
    let (service, gateway) = (&config.service, &config.gateway);
    let sets: [&[(&str, &Path)]; 3] = [
        &[("gateway.tls_certificate", &gateway.tls_certificate), ("gateway.tls_key", &gateway.tls_key)],
        &[("admin_tls_certificate", &service.admin_tls_certificate), ("admin_tls_key", &service.admin_tls_key)],
        &[
            ("cluster_certificate", &service.cluster_certificate),
            ("cluster_key", &service.cluster_key),
            ("cluster_ca", &service.cluster_ca),
        ],
    ];
    let is_set = |(_, path): &&(&str, &Path)| !path.as_os_str().is_empty();
    for set in sets {
        if let (Some((given, _)), Some((missing, _))) = (set.iter().find(is_set), set.iter().find(|of| !is_set(of))) {
            return Err(wrong(config, missing, "", &format!("a file, since {given} is set")));
        }
    }
    Ok(())
}

fn relations(config: &Config) -> Result<(), ConfigError> {
    let (gateway, metaserver, worker) = (&config.gateway, &config.metaserver, &config.worker);
    if metaserver.session_lease_ms < 2 * metaserver.heartbeat_interval_ms {
        let value = metaserver.session_lease_ms.to_string();
        return Err(wrong(
            config,
            "metaserver.session_lease_ms",
            &value,
            "at least twice metaserver.heartbeat_interval_ms",
        ));
    }
    if metaserver.gateway_timeout_ms < 2 * metaserver.heartbeat_interval_ms {
        let value = metaserver.gateway_timeout_ms.to_string();
        let rule = "at least twice metaserver.heartbeat_interval_ms";
        return Err(wrong(config, "metaserver.gateway_timeout_ms", &value, rule));
    }
    if metaserver.gateway_forget_ms < metaserver.session_lease_ms.max(metaserver.gateway_timeout_ms) {
        let value = metaserver.gateway_forget_ms.to_string();
        let rule = "at least metaserver.session_lease_ms and at least metaserver.gateway_timeout_ms";
        return Err(wrong(config, "metaserver.gateway_forget_ms", &value, rule));
    }
    if metaserver.worker_timeout_ms < 2 * metaserver.heartbeat_interval_ms {
        let value = metaserver.worker_timeout_ms.to_string();
        return Err(wrong(
            config,
            "metaserver.worker_timeout_ms",
            &value,
            "at least twice metaserver.heartbeat_interval_ms",
        ));
    }
    if metaserver.replication_min > metaserver.replication {
        let value = metaserver.replication_min.to_string();
        return Err(wrong(config, "metaserver.replication_min", &value, "at most metaserver.replication"));
    }
    if metaserver.worker_forget_ms < metaserver.worker_timeout_ms.saturating_add(metaserver.repair_delay_ms) {
        let value = metaserver.worker_forget_ms.to_string();
        let rule = "at least metaserver.worker_timeout_ms and metaserver.repair_delay_ms together";
        return Err(wrong(config, "metaserver.worker_forget_ms", &value, rule));
    }
    if worker.segment_block_max_bytes > worker.segment_bytes / 2 {
        let value = worker.segment_block_max_bytes.to_string();
        return Err(wrong(config, "worker.segment_block_max_bytes", &value, "at most half of worker.segment_bytes"));
    }
    if gateway.put_max_bytes < gateway.part_min_bytes {
        let value = gateway.put_max_bytes.to_string();
        return Err(wrong(config, "gateway.put_max_bytes", &value, "at least gateway.part_min_bytes"));
    }
    Ok(())
}

fn wrong(config: &Config, key: &str, value: &str, expected: &str) -> ConfigError {
    let secret = keys::find(key).is_some_and(|key| key.kind == Kind::Secret);
    let value = if secret { "(hidden)".to_owned() } else { format!("{value:?}") };
    ConfigError::Value { key: key.to_owned(), value, expected: expected.to_owned(), origin: config.origin(key).clone() }
}
