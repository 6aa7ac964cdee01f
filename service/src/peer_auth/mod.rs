//! How roles know each other over a network: a secret of the cluster, and a proof of it with every call; or
//! certificates of the cluster's own authority ([`ClusterTls`]); or both.
//!
//! A connection begins with a greeting, a call of `/weir.v1.Peer/Hello`: the caller sends a random number and gets one
//! of the server's, with HMAC-SHA256 of both under the cluster's secret, so that it knows the server for a member. Every
//! call after it carries `weir-peer: NUMBER.COUNTER.MAC`: the server's number, how many calls were made on the
//! connection, and the MAC of these and the method's path. The server's number is new for each connection, so a proof
//! that someone overheard is worth nothing for another method, on another connection, to another role or after a
//! restart; and each counter is taken once. No clock takes part.
//!
//! This tells members from strangers. It neither hides nor seals what is said: who can alter the packets between the
//! roles is kept out by certificates alone.
//!
//! | module | subject |
//! |---|---|
//! | [`proof`] | what is proved, and how it goes over the wire |
//! | [`calling`] | the end that proves |
//! | [`answering`] | the end that checks |
//! | [`refusals`] | what the log says of strangers |
//! | [`window`] | which calls of a connection were taken |

mod answering;
mod calling;
mod proof;
mod refusals;
mod window;

pub(crate) use answering::Verified;
pub(crate) use calling::{Link, Proving};

use crate::config::{SECRET_MIN_CHARS, ServiceSettings};
use crate::shutdown::Shutdown;
use crate::tls::{ClusterTls, KeyPairFiles, TlsError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// Why there is no secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error(
        "a role that talks over a network needs the cluster's secret: set cluster_secret in the configuration file or \
         WEIR_CLUSTER_SECRET to the same {SECRET_MIN_CHARS} or more characters on every machine of the cluster, such as \
         those that `openssl rand -hex 32` makes"
    )]
    Missing,
    #[error(
        "cluster_secret has {length} characters; at least {SECRET_MIN_CHARS} are needed: `openssl rand -hex 32` makes one"
    )]
    TooShort { length: usize },
}

/// What all roles of a cluster know, and no one else. Cheap to clone.
#[derive(Clone)]
pub struct ClusterSecret {
    keyed: Arc<Hmac<Sha256>>,
}

impl ClusterSecret {
    /// # Errors
    /// [`SecretError`] when it is empty or too short to withstand guessing.
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        match secret.chars().count() {
            0 => Err(SecretError::Missing),
            length if length < SECRET_MIN_CHARS => Err(SecretError::TooShort { length }),
            _ => {
                // HMAC takes keys of any length.
                let keyed = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
                Ok(Self { keyed: Arc::new(keyed) })
            }
        }
    }

    /// A key for another use than proofs.
    pub(crate) fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        self.mac(purpose, &[]).finalize().into_bytes().into()
    }

    /// Each of the parts but the last has a fixed length, or two splittings would have one MAC.
    fn mac(&self, purpose: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = (*self.keyed).clone();
        mac.update(purpose);
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(hidden)")
    }
}

/// Why a role has nothing to show that it belongs to the cluster.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error(
        "{0}. In its place, or beside it, the roles can have certificates: cluster_certificate, cluster_key and \
             cluster_ca"
    )]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a role shows to others, and asks of them: the secret, certificates, or both. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClusterCredentials {
    secret: Option<ClusterSecret>,
    tls: Option<ClusterTls>,
}

impl ClusterCredentials {
    /// # Errors
    /// [`CredentialsError`] when the settings have neither, or what they have can't be used.
    pub fn from_settings(settings: &ServiceSettings) -> Result<Self, CredentialsError> {
        let tls = if settings.cluster_certificate.as_os_str().is_empty() {
            None
        } else {
            let (certificate, key) = (settings.cluster_certificate.clone(), settings.cluster_key.clone());
            Some(ClusterTls::open(&KeyPairFiles { certificate, key }, &settings.cluster_ca)?)
        };
        let secret = match ClusterSecret::new(&settings.cluster_secret) {
            Ok(secret) => Some(secret),
            Err(SecretError::Missing) if tls.is_some() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { secret, tls })
    }

    pub fn secret(&self) -> Option<&ClusterSecret> {
        self.secret.as_ref()
    }

    pub fn tls(&self) -> Option<&ClusterTls> {
        self.tls.as_ref()
    }

    /// Follows changes of the certificates' files until shutdown.
    pub fn watch(&self, shutdown: &Shutdown) {
        if let Some(tls) = &self.tls {
            tls.watch(shutdown);
        }
    }
}

impl From<ClusterSecret> for ClusterCredentials {
    fn from(secret: ClusterSecret) -> Self {
        Self { secret: Some(secret), tls: None }
    }
}

impl From<ClusterTls> for ClusterCredentials {
    fn from(tls: ClusterTls) -> Self {
        Self { secret: None, tls: Some(tls) }
    }
}

#[cfg(test)]
mod tests;
