//! Certificates in files, for servers and clients that are known by exactly their certificate: no authority, no name and no
//! date is looked at. Whoever holds the private key of the registered certificate is the one; taking the file away ends it.

use std::path::Path;
use std::sync::Arc;

use quorumkeep_store::files::{self, FilesError};
use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};
use x509_cert::der::pem::{LineEnding, encode_string};
use zeroize::Zeroizing;

use super::{ALPN_SERVER, TlsError, provider};

/// Bytes of the longest file with a certificate or a key.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A file that holds no certificate or no key.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read or written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// It is not exactly one certificate.
    #[error("{0} does not hold exactly one certificate in PEM")]
    Certificate(String),
    /// It is no private key.
    #[error("{0} does not hold a private key in PEM")]
    Key(String),
    /// The two do not belong together, or no TLS can be made of them.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The certificate and the private key of a server.
pub struct Certified {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    /// Reads both; the first certificate is the server's own.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, FileError> {
        let bytes = files::read_bounded(certificate, FILE_BYTES_MAX)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let wrong = || FileError::Certificate(certificate.display().to_string());
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(wrong)?;
        let secret = files::read_bounded(key, FILE_BYTES_MAX)?;
        let key = PrivateKeyDer::from_pem_slice(&secret).map_err(|_| FileError::Key(key.display().to_string()))?;
        Ok(Self { chain, key })
    }

    /// A server with this certificate; with `clients`, only for those.
    ///
    /// # Errors
    /// [`TlsError`] if key and certificate do not belong together.
    pub fn server_config(
        self,
        clients: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(clients),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(self.chain, self.key)?;
        config.alpn_protocols = ALPN_SERVER.iter().map(|name| name.to_vec()).collect();
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// The one certificate in a file, in DER.
///
/// # Errors
/// [`FileError`].
pub fn read_certificate(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = files::read_bounded(path, FILE_BYTES_MAX)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found.as_deref() {
        Ok([one]) => Ok(one.to_vec()),
        _ => Err(FileError::Certificate(path.display().to_string())),
    }
}

/// Makes a self-signed P-256 certificate and its key for a server with these names and addresses; nothing is overwritten. It
/// is valid until 2125, because it is known by its bytes: it is replaced, not renewed.
///
/// # Errors
/// [`FileError`].
pub fn make_certificate(certificate: &Path, key: &Path, names: &[String]) -> Result<(), FileError> {
    let (shown, secret) = certify(names).map_err(TlsError::from)?;
    let secret = Zeroizing::new(secret.serialize_der());
    let pem = |label, bytes: &[u8], path: &Path| {
        let text = encode_string(label, LineEnding::LF, bytes).map(Zeroizing::new);
        text.map_err(|_| FileError::Certificate(path.display().to_string()))
    };
    files::write_new(key, pem("PRIVATE KEY", &secret, key)?.as_bytes(), files::PRIVATE)?;
    files::write_new(certificate, pem("CERTIFICATE", &shown, certificate)?.as_bytes(), 0o644)?;
    Ok(())
}

fn certify(names: &[String]) -> Result<(CertificateDer<'static>, KeyPair), rcgen::Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "quorumkeep custody");
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2125, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        params.subject_alt_names.push(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    Ok((params.self_signed(&key)?.der().clone(), key))
}

/// A client that accepts exactly the server with this certificate, and speaks HTTP/2.
///
/// # Errors
/// [`TlsError`] if the provider cannot do TLS 1.3.
pub fn exact_client_config(certificate: Vec<u8>) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    super::client_with(|algorithms| Arc::new(ExactServer { certificate, algorithms }))
}

/// Accepts one certificate.
#[derive(Debug)]
struct ExactServer {
    certificate: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ExactServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if end_entity.as_ref() == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::UnknownIssuer.into())
    }

    only_tls13_signatures!();
}
