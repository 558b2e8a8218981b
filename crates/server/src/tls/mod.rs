//! TLS 1.3 between people, nodes and the orderer, pinned to the keys of the network instead of to names.
//!
//! A server makes a self-signed P-256 certificate in memory. A private extension of it holds the network id, the address
//! of the operator (zero for the orderer) and a signature by the key that the roster pins:
//!
//! `binding = Sign(H(enc(tag, network, address, SPKI, not_after)))`
//!
//! A client knows network, address and key beforehand and checks exactly this ([`Pin`]): no certificate authorities, no
//! host names, no trust on first use. The TLS signature of the handshake shows that the server holds the private key of
//! `SPKI`. The certificate's own signature says nothing more and is not looked at.
//!
//! # Security
//!
//! - Only TLS 1.3, `X25519MLKEM768` preferred: recorded traffic stays closed to a later quantum computer.
//! - No session is resumed, so an operator whose key was replaced is refused at the next connection.
//! - Clients are not authenticated here. What they send is signed.

/// What every verifier of certificates does with the signature of the handshake: the provider's check for TLS 1.3, and
/// nothing older. The type has the provider's `algorithms`.
macro_rules! only_tls13_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _certificate: &rustls::pki_types::CertificateDer<'_>,
            _signature: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Err(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signature: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}
#[cfg(feature = "grpc")]
pub(crate) use only_tls13_signatures;

mod binding;
mod certificate;
mod exact;
mod verify;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};

pub use certificate::{Certificates, Identity, LIFETIME, TlsError};
pub use exact::{Certified, FileError, exact_client_config, make_certificate, read_certificate};
pub use verify::{Pin, PinError, pin_error};

/// The protocols that a server offers: HTTP/2 first.
const ALPN_SERVER: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Makes aws-lc-rs the cryptography of this process. To be called first in `main`; calling it again does nothing.
///
/// Without it, a dependency that brings a second provider would make rustls panic at the first connection.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // An error means that another thread was faster.
        let _ = provider().install_default();
    }
}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// A server that shows the current certificate of `certificates`.
///
/// # Errors
///
/// [`TlsError::Rustls`] if the provider cannot do TLS 1.3.
pub fn server_config(certificates: Arc<Certificates>) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(provider()));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = ALPN_SERVER.iter().map(|name| name.to_vec()).collect();
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A client that accepts exactly the server that `pin` names, and speaks HTTP/2.
///
/// # Errors
///
/// [`TlsError::Rustls`] if the provider cannot do TLS 1.3.
pub fn client_config(pin: Pin) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    client_with(|algorithms| Arc::new(verify::PinVerifier::new(pin, algorithms)))
}

/// A client whose verifier decides about the server, and that speaks HTTP/2.
fn client_with(
    verifier: impl FnOnce(WebPkiSupportedAlgorithms) -> Arc<dyn ServerCertVerifier>,
) -> Result<Arc<rustls::ClientConfig>, TlsError> {
    let provider = Arc::new(provider());
    let verifier = verifier(provider.signature_verification_algorithms);
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13])?.dangerous();
    let mut config = builder.with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_sni = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}
