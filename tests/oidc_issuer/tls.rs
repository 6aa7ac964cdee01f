//! A certificate for this run, and an authority for it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the certificate can't be used: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the authority's certificate can't be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Accepts TLS as 127.0.0.1 and localhost. Writes the authority's certificate to a file.
pub fn acceptor(authority_file: &Path) -> Result<TlsAcceptor, TlsError> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "authority of an issuer of tests");
    let authority_key = KeyPair::generate()?;
    std::fs::write(authority_file, parameters.self_signed(&authority_key)?.pem())?;
    let authority = Issuer::new(parameters, authority_key);

    let key = KeyPair::generate()?;
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    let certificate = own.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
