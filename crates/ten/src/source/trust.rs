//! Whom a connection within TLS trusts: root certificates from a file, or those of the system.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Bytes of a file of root certificates.
const ROOTS_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Names the file of root certificates instead of the system's, as for OpenSSL.
const ROOTS_ENV: &str = "SSL_CERT_FILE";
/// Where systems keep them: Debian and Alpine, Fedora, OpenSUSE, macOS and the BSDs.
const ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Root certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no file of certificates in PEM.
    #[error("{path} holds no certificate in PEM that can be trusted")]
    None {
        /// The file.
        path: PathBuf,
    },
    /// TLS 1.3 is not available.
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// Root certificates. Clones share them.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Those of the system, or of the file that `SSL_CERT_FILE` names. None if there are none.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn system() -> Result<Option<Self>, TrustError> {
        if let Some(named) = std::env::var_os(ROOTS_ENV) {
            return Self::file(Path::new(&named)).map(Some);
        }
        ROOTS.map(Path::new).into_iter().find(|path| path.is_file()).map(Self::file).transpose()
    }

    /// Those of a file in PEM; the server's own certificate will do if it is signed by itself.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn file(path: &Path) -> Result<Self, TrustError> {
        let read = |source| TrustError::Read { path: path.to_owned(), source };
        let mut pem = Vec::new();
        File::open(path).and_then(|file| file.take(ROOTS_BYTES_MAX).read_to_end(&mut pem)).map_err(read)?;
        let mut roots = RootCertStore::empty();
        // Systems have certificates among theirs that no library can use.
        let (used, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
        if used == 0 {
            return Err(TrustError::None { path: path.to_owned() });
        }
        Self::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}
