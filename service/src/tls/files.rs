//! The PEM files of certificates and keys. RFC 7468.

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::VerifierBuilderError;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A chain of certificates has some kilobytes, a bundle of authorities some hundred.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("can't read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} has more than {FILE_MAX_BYTES} bytes: it is no file of certificates")]
    TooLarge { path: PathBuf },
    #[error("{path} is not in PEM: {source}")]
    Pem { path: PathBuf, source: pem::Error },
    #[error("{path} has no certificate")]
    NoCertificate { path: PathBuf },
    #[error("{path} has no private key")]
    NoKey { path: PathBuf },
    #[error("the certificate in {certificate} and the key in {key} can't be used")]
    KeyPair { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("an authority in {path} can't be used")]
    Authority { path: PathBuf, source: rustls::Error },
    #[error("the authorities in {path} can't be used")]
    Authorities { path: PathBuf, source: VerifierBuilderError },
}

/// A certificate with the chain up to its authority, and its private key: two PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairFiles {
    pub certificate: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// What the two files hold.
pub(super) struct KeyPair {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl KeyPairFiles {
    pub(super) fn read(&self) -> Result<KeyPair, TlsError> {
        let chain = certificates(&self.certificate)?;
        let bytes = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey { path: self.key.clone() },
            source => TlsError::Pem { path: self.key.clone(), source },
        })?;
        Ok(KeyPair { chain, key })
    }

    /// The error of a pair that rustls refuses.
    pub(super) fn refused(&self, source: rustls::Error) -> TlsError {
        TlsError::KeyPair { certificate: self.certificate.clone(), key: self.key.clone(), source }
    }
}

/// The authorities whose certificates are trusted.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    Ok(store)
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let file = File::open(path).and_then(|file| file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes));
    file.map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}
