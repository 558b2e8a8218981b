//! The clients of the gRPC services: whoever shows a certificate that is registered, byte for byte.
//!
//! `clients/NAME.pem` in the directory of the custody registers one. Files are read at every connection and at every request,
//! so that a client whose file is taken away is refused at once, on connections that are open, too.

use std::path::{Path, PathBuf};

use quorumkeep_custody::names::Name;
use quorumkeep_store::files::{self, FilesError};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DistinguishedName, Error};

use crate::tls;

/// Registered clients.
pub const CLIENTS_MAX: usize = 1024;

/// The registered clients of a custody.
#[derive(Debug, Clone)]
pub struct Clients {
    folder: PathBuf,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Clients {
    /// Those of the custody in this directory; the folder is made if it is missing.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn of(directory: &Path) -> Result<Self, FilesError> {
        let folder = directory.join("clients");
        files::private_directory(&folder)?;
        Ok(Self { folder, algorithms: rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms })
    }

    /// The name that this certificate (in DER) is registered under. None if it is not, or under two names.
    #[must_use]
    pub fn name_of(&self, certificate: &[u8]) -> Option<Name> {
        let mut found = self.registered().into_iter().filter(|name| self.is(name, certificate));
        let first = found.next()?;
        if found.next().is_none() {
            return Some(first);
        }
        tracing::error!(client = %first, "a client's certificate is registered twice; it is refused");
        None
    }

    fn registered(&self) -> Vec<Name> {
        let names = files::names(&self.folder).unwrap_or_else(|error| {
            tracing::error!(%error, "the clients of the custody cannot be read");
            Vec::new()
        });
        let parsed = names.iter().filter_map(|name| name.strip_suffix(".pem")?.parse().ok());
        parsed.take(CLIENTS_MAX).collect()
    }

    fn is(&self, name: &Name, certificate: &[u8]) -> bool {
        match tls::read_certificate(&self.folder.join(format!("{name}.pem"))) {
            Ok(registered) => registered == certificate,
            Err(error) => {
                tracing::warn!(%error, "a client's certificate cannot be read");
                false
            }
        }
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.name_of(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    tls::only_tls13_signatures!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_who_is_registered_once_and_now() {
        let directory = tempfile::tempdir().unwrap();
        let clients = Clients::of(directory.path()).unwrap();
        let (first, second) = (directory.path().join("first.pem"), directory.path().join("second.pem"));
        for (file, key) in [(&first, "first.key"), (&second, "second.key")] {
            tls::make_certificate(file, &directory.path().join(key), &["localhost".into()]).unwrap();
        }
        let certificate = tls::read_certificate(&first).unwrap();
        let put = |from: &Path, name: &str| {
            std::fs::copy(from, directory.path().join("clients").join(name)).unwrap();
        };
        assert_eq!(clients.name_of(&certificate), None);
        put(&first, "custodian.pem");
        put(&second, "cold.pem");
        put(&directory.path().join("first.key"), "broken.pem");
        assert_eq!(clients.name_of(&certificate).unwrap().as_str(), "custodian");
        assert_eq!(clients.name_of(&tls::read_certificate(&second).unwrap()).unwrap().as_str(), "cold");
        assert_eq!(clients.name_of(&certificate[1..]), None);
        // The same under a name that is none counts for nothing; under a second name it is nobody's.
        put(&first, "Custodian.pem");
        put(&first, ".pem");
        assert_eq!(clients.name_of(&certificate).unwrap().as_str(), "custodian");
        put(&first, "another.pem");
        assert_eq!(clients.name_of(&certificate), None);
        std::fs::remove_file(directory.path().join("clients/another.pem")).unwrap();
        assert!(clients.name_of(&certificate).is_some());
        // Two certificates in one file are refused, so that nobody is added beside another.
        let both = [std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap()].concat();
        std::fs::write(directory.path().join("clients/custodian.pem"), both).unwrap();
        assert_eq!(clients.name_of(&certificate), None);
    }
}
