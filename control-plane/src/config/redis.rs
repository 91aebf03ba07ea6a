//! `redis:` — the server through which several control planes share state.

use std::path::{Path, PathBuf};

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use super::secret::Secret;

/// Longest prefix, bytes.
const PREFIX_BYTES: usize = 64;

/// Redis; without it this control plane counts alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where it is: `redis://[user@]host[:port][/database]`, or `rediss://…` for TLS. The password is better kept in
    /// `secrets.redis_password` (environment: `SALLYPORT_REDIS_PASSWORD`). Default: none, no Redis.
    pub url: Secret,
    /// Begins every key and channel, so that several installations can share a server. Default: `sallyport:`.
    pub prefix: String,
    /// For TLS, a file of certificates (PEM) that the server's must descend from; relative to the configuration's
    /// folder. Default: none, those that the system trusts.
    pub ca_file: PathBuf,
    /// How long connecting may take, TLS and password included, in milliseconds. Default: 250.
    pub connect_timeout_ms: u32,
    /// How long an answer may take, in milliseconds. Default: 250.
    pub response_timeout_ms: u32,
    /// Time between two looks for what other replicas changed, in seconds; notices tell it sooner. Default: 5.
    pub poll_interval_s: u32,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            prefix: "sallyport:".to_owned(),
            ca_file: PathBuf::new(),
            connect_timeout_ms: 250,
            response_timeout_ms: 250,
            poll_interval_s: 5,
        }
    }
}

/// A server to connect to.
pub(crate) struct Target {
    /// Connects.
    pub(crate) client: Client,
    /// Host and port, without user and password.
    pub(crate) shown: String,
}

impl RedisConfig {
    /// All mistakes; `ca_file` is relative to `folder`, and is not afterwards.
    pub(super) fn settle(&mut self, folder: &Path) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if !self.ca_file.as_os_str().is_empty() {
            self.ca_file = folder.join(&self.ca_file);
            if let Err(message) = self.certificates() {
                problems.push(("redis.ca_file", message));
            }
        }
        if !self.url.is_empty() {
            match self.address() {
                Err(message) => problems.push(("redis.url", message)),
                Ok(address) if !self.ca_file.as_os_str().is_empty() && !is_tls(&address) => {
                    let message =
                        "is only used with TLS: let redis.url begin with rediss://, or leave it out";
                    problems.push(("redis.ca_file", message.to_owned()));
                }
                Ok(_) => {}
            }
        }
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}');
        if self.prefix.is_empty() || self.prefix.len() > PREFIX_BYTES || !self.prefix.bytes().all(is_plain) {
            let message =
                format!("write 1 to {PREFIX_BYTES} letters, digits and signs, but no space and no braces");
            problems.push(("redis.prefix", message));
        }
        for (key, value, most) in [
            ("redis.connect_timeout_ms", self.connect_timeout_ms, 10_000),
            ("redis.response_timeout_ms", self.response_timeout_ms, 10_000),
            ("redis.poll_interval_s", self.poll_interval_s, 3600),
        ] {
            let least = if key.ends_with("_ms") { 10 } else { 1 };
            if !(least..=most).contains(&value) {
                problems.push((key, format!("{value}: write {least} to {most}")));
            }
        }
        problems
    }

    /// The server, with a password that goes over the URL's unless it is empty.
    ///
    /// # Errors
    /// What [`Self::settle`] says of the URL and the file of certificates.
    pub(crate) fn target(&self, password: &str) -> Result<Target, String> {
        let address = self.address()?;
        let shown = address.addr().to_string();
        let mut settings = address.redis_settings().clone();
        if !password.is_empty() {
            settings = settings.set_password(password);
        }
        let root_cert = self.certificates()?;
        let is_tls = is_tls(&address);
        let address = address.set_redis_settings(settings);
        let client = if is_tls {
            Client::build_with_tls(address, TlsCertificates { client_tls: None, root_cert })
        } else {
            Client::open(address)
        };
        // The error is about certificates or the address, not about secrets; the URL is not in it.
        client.map(|client| Target { client, shown }).map_err(|error| error.to_string())
    }

    fn address(&self) -> Result<ConnectionInfo, String> {
        const WANTED: &str = "write redis://[user@]host[:port][/database], or rediss://… for TLS";
        let url = self.url.reveal();
        if !["redis://", "rediss://", "unix://", "redis+unix://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return Err(format!("is not the address of a Redis; {WANTED}"));
        }
        if url.contains('#') {
            return Err(
                "certificates are always checked, so nothing may follow a `#`; for a private authority set \
                redis.ca_file. A `#` in a password is written %23"
                    .to_owned(),
            );
        }
        // What the parser says may quote the URL, and with it a password.
        url.into_connection_info().map_err(|_| format!("cannot be read; {WANTED}"))
    }

    /// The file of certificates, if there is one and all of it can be used.
    fn certificates(&self) -> Result<Option<Vec<u8>>, String> {
        if self.ca_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let shown = self.ca_file.display();
        let text =
            super::read_limited(&self.ca_file).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let added = certificate.map_err(|error| format!("{error:?}"));
            let added = added.and_then(|one| roots.add(one).map_err(|error| error.to_string()));
            added.map_err(|error| format!("{shown} holds a certificate that cannot be used: {error}"))?;
        }
        if roots.is_empty() {
            return Err(format!("{shown} holds no certificate; write PEM: -----BEGIN CERTIFICATE-----"));
        }
        Ok(Some(text.into_bytes()))
    }
}

fn is_tls(address: &ConnectionInfo) -> bool {
    matches!(address.addr(), ConnectionAddr::TcpTls { .. })
}
