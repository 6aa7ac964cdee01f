//! TLS 1.2 and 1.3 on the listeners and between the roles, by rustls.
//!
//! | module | subject |
//! |---|---|
//! | [`files`] | PEM files: what is in them, and what may be wrong with them |
//! | [`reloading`] | a configuration that follows its files |
//! | [`server`] | a listener that anyone may connect to: S3, the admin port |
//! | [`cluster`] | both ends of the connections between roles, each of which shows a certificate of the cluster's own authority |
//! | [`expiry`] | when certificates end, for the metrics |
//! | [`stream`] | a connection, in clear or over TLS |
//!
//! A new certificate is in force within two seconds of its file's change, for connections made from then on. Files that
//! can't be used, such as half of a certificate, or a certificate whose key is still the old one, change nothing.

mod cluster;
mod expiry;
mod files;
mod reloading;
mod server;
mod stream;

pub use cluster::ClusterTls;
pub(crate) use expiry::ExpiryCollector;
pub use files::{KeyPairFiles, TlsError};
pub use server::ServerTls;
pub(crate) use stream::Stream;
pub use stream::TlsVersion;

use rustls::crypto::CryptoProvider;
use std::sync::{Arc, OnceLock};

/// Protocols by ALPN, RFC 7301.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// The one implementation of the ciphers, whatever else in the process may bring another.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

#[cfg(test)]
#[path = "../../../tests/src/certificates.rs"]
pub(crate) mod certificates;

#[cfg(test)]
mod tests;
