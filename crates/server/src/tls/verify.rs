//! The client's side: is this the server that the roster names?

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::{Address, NetworkId};
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, OtherError};
use x509_cert::der::{Decode as _, Encode as _, oid::ObjectIdentifier};

use super::binding::{Binding, OID, signed_hash};

/// Which server a client expects.
#[derive(Debug, Clone)]
pub enum Pin {
    /// The node of an operator, as the roster names it.
    Operator {
        /// The network.
        network: NetworkId,
        /// The operator.
        address: Address,
        /// Its key.
        key: bn254::PublicKey,
    },
    /// The orderer.
    Orderer {
        /// The network.
        network: NetworkId,
        /// Its key, as the Config names it.
        key: VerifyingKey,
    },
}

/// Why a server is not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// The certificate cannot be read.
    #[error("its certificate is malformed")]
    Malformed,
    /// A certificate without the extension.
    #[error("its certificate is not bound to any operator; this is not a server of the network")]
    Unbound,
    /// A server of another network.
    #[error("it belongs to network {found}, not to {expected}")]
    ForeignNetwork {
        /// Ours.
        expected: NetworkId,
        /// Its own.
        found: NetworkId,
    },
    /// Another operator, or an operator instead of the orderer.
    #[error(
        "it is {found}, but {expected} was expected; check the socket in the roster (the zero address is the orderer)"
    )]
    OtherIdentity {
        /// Who was expected; zero for the orderer.
        expected: Address,
        /// Who it says it is.
        found: Address,
    },
    /// The signature in the certificate is wrong.
    #[error("its certificate is not signed by the pinned key")]
    BadBinding,
    /// The certificate has expired.
    #[error("its certificate expired at {not_after} (seconds since 1970, now {now}); check both clocks")]
    Expired {
        /// When it expired.
        not_after: u64,
        /// The time here.
        now: u64,
    },
    /// The certificate is not valid yet.
    #[error("its certificate is valid from {not_before} (seconds since 1970, now {now}); check both clocks")]
    NotYetValid {
        /// From when it is valid.
        not_before: u64,
        /// The time here.
        now: u64,
    },
}

/// The [`PinError`] inside an error of rustls, if that is what it is.
#[must_use]
pub fn pin_error(error: &Error) -> Option<&PinError> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
        _ => None,
    }
}

impl Pin {
    fn network(&self) -> NetworkId {
        match self {
            Self::Operator { network, .. } | Self::Orderer { network, .. } => *network,
        }
    }

    /// The operator's address; zero for the orderer.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Operator { address, .. } => *address,
            Self::Orderer { .. } => Address::ZERO,
        }
    }

    fn signed(&self, hash: &[u8; 32], signature: &[u8; 64]) -> bool {
        match self {
            Self::Operator { address, key, .. } => {
                let parsed = bn254::Signature::from_bytes(signature);
                Address::of(key) == *address && parsed.is_ok_and(|parsed| key.verify(hash, &parsed))
            }
            Self::Orderer { key, .. } => {
                key.verify_strict(hash, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
            }
        }
    }

    /// Does this certificate belong to the pinned server, at `now` (seconds since 1970)?
    ///
    /// # Errors
    ///
    /// The first thing that is wrong. Cheap comparisons come before the signature.
    pub fn check(&self, der: &[u8], now: u64) -> Result<(), PinError> {
        let certificate = x509_cert::Certificate::from_der(der).map_err(|_| PinError::Malformed)?;
        let body = &certificate.tbs_certificate;
        let binding = find_binding(body.extensions.as_deref().unwrap_or_default())?;
        let (expected, found) = (self.network(), binding.network);
        if found != expected {
            return Err(PinError::ForeignNetwork { expected, found });
        }
        let (expected, found) = (self.address(), binding.address);
        if found != expected {
            return Err(PinError::OtherIdentity { expected, found });
        }
        let spki = body.subject_public_key_info.to_der().map_err(|_| PinError::Malformed)?;
        let not_after = body.validity.not_after.to_unix_duration().as_secs();
        let hash = signed_hash(&binding.network, &binding.address, &spki, not_after);
        if !self.signed(&hash, &binding.signature) {
            return Err(PinError::BadBinding);
        }
        let not_before = body.validity.not_before.to_unix_duration().as_secs();
        if now < not_before {
            return Err(PinError::NotYetValid { not_before, now });
        }
        if now > not_after { Err(PinError::Expired { not_after, now }) } else { Ok(()) }
    }
}

/// The one binding among the extensions.
fn find_binding(extensions: &[x509_cert::ext::Extension]) -> Result<Binding, PinError> {
    let oid = ObjectIdentifier::new(OID).map_err(|_| PinError::Malformed)?;
    let mut bindings = extensions.iter().filter(|extension| extension.extn_id == oid);
    let first = bindings.next().ok_or(PinError::Unbound)?;
    if bindings.next().is_some() {
        return Err(PinError::Malformed);
    }
    Binding::decode(first.extn_value.as_bytes()).map_err(|_| PinError::Malformed)
}

/// Checks a [`Pin`] during the handshake.
#[derive(Debug)]
pub(super) struct PinVerifier {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinVerifier {
    pub(super) fn new(pin: Pin, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { pin, algorithms }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.pin.check(end_entity, now.as_secs());
        let wrap = |error: PinError| CertificateError::Other(OtherError(Arc::new(error)));
        checked.map(|()| ServerCertVerified::assertion()).map_err(|error| wrap(error).into())
    }

    only_tls13_signatures!();
}
