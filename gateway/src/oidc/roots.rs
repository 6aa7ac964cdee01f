//! Whose word is taken for who an issuer is: the certificates of a file, or those that the machine trusts.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Why no certificate can be checked.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    #[error("gateway.oidc_ca: can't read {path}: {source}")]
    Read { path: PathBuf, source: pem::Error },
    #[error("gateway.oidc_ca: {path} has no certificate that can sign others")]
    NoneInFile { path: PathBuf },
    #[error("this machine has no certificates of authorities, and gateway.oidc_ca is not set")]
    NoneOnMachine,
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Certificates of authorities.
#[derive(Debug)]
pub(super) enum Roots {
    File(Arc<ClientConfig>),
    /// Read when they are needed for the first time: most gateways ask no issuer.
    Machine(OnceCell<Arc<ClientConfig>>),
}

impl Roots {
    /// The certificates of a PEM file, or the machine's.
    ///
    /// # Errors
    /// [`RootsError`] for a file that can't be read or has none.
    pub fn new(file: Option<&Path>) -> Result<Self, RootsError> {
        let Some(path) = file else { return Ok(Self::Machine(OnceCell::new())) };
        let read = |source| RootsError::Read { path: path.to_owned(), source };
        let certificates = CertificateDer::pem_file_iter(path).map_err(read)?;
        let certificates: Vec<CertificateDer<'static>> = certificates.collect::<Result<_, _>>().map_err(read)?;
        let client = client_with(certificates)?;
        client.map(Self::File).ok_or_else(|| RootsError::NoneInFile { path: path.to_owned() })
    }

    /// # Errors
    /// [`RootsError`] when the machine's certificates can't be read or are none.
    pub async fn client(&self) -> Result<Arc<ClientConfig>, RootsError> {
        match self {
            Self::File(client) => Ok(client.clone()),
            Self::Machine(client) => client.get_or_try_init(of_machine).await.cloned(),
        }
    }
}

async fn of_machine() -> Result<Arc<ClientConfig>, RootsError> {
    let read = weir_service::threads::spawn_blocking(|| client_with(rustls_native_certs::load_native_certs().certs));
    // The task ends without a result only when the process does.
    read.await.unwrap_or(Ok(None))?.ok_or(RootsError::NoneOnMachine)
}

/// None when none of them is an authority's.
fn client_with(certificates: Vec<CertificateDer<'static>>) -> Result<Option<Arc<ClientConfig>>, RootsError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates);
    if store.is_empty() {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Some(Arc::new(builder.with_root_certificates(store).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_must_have_a_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(Roots::new(Some(&path)), Err(RootsError::Read { .. })));
        for text in ["", "no PEM at all", "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(Roots::new(Some(&path)), Err(RootsError::NoneInFile { .. })), "{text}");
        }
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nYQ==\n").unwrap();
        let error = Roots::new(Some(&path)).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
    }
}
