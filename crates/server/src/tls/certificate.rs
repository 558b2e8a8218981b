//! The server's side: certificates made in memory and renewed while the server runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::{Signer, SigningKey};
use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::{Address, NetworkId};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair, PublicKeyData};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::binding::{Binding, OID_ARCS, signed_hash};

/// How long a certificate is good. It is renewed after a third of this.
pub const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// A certificate is valid from this long before it was made, for peers whose clocks are behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A certificate or a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The library for TLS refused.
    #[error("the TLS configuration is refused: {0}")]
    Rustls(#[from] rustls::Error),
    /// The library for certificates refused.
    #[error("the TLS certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Whose server this is: the key that signs the binding of its certificates.
#[derive(Clone)]
pub enum Identity {
    /// A node of this operator.
    Operator {
        /// The network.
        network: NetworkId,
        /// The operator's key.
        key: Arc<bn254::SecretKey>,
    },
    /// The orderer of the network.
    Orderer {
        /// The network.
        network: NetworkId,
        /// The key that also signs the blocks.
        key: Arc<SigningKey>,
    },
}

impl Identity {
    fn network(&self) -> NetworkId {
        match self {
            Self::Operator { network, .. } | Self::Orderer { network, .. } => *network,
        }
    }

    /// The operator's address; zero for the orderer.
    #[must_use]
    pub fn address(&self) -> Address {
        match self {
            Self::Operator { key, .. } => Address::of(&key.public()),
            Self::Orderer { .. } => Address::ZERO,
        }
    }

    fn bind(&self, spki: &[u8], not_after: u64) -> Binding {
        let (network, address) = (self.network(), self.address());
        let hash = signed_hash(&network, &address, spki, not_after);
        let signature = match self {
            Self::Operator { key, .. } => key.sign(&hash).to_bytes(),
            Self::Orderer { key, .. } => key.sign(&hash).to_bytes(),
        };
        Binding { network, address, signature }
    }

    /// A fresh TLS key with a certificate bound to this identity, valid from one hour before `now`.
    pub(super) fn issue(&self, now: SystemTime, lifetime: Duration) -> Result<CertifiedKey, TlsError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let not_after = now.saturating_add(lifetime).as_secs();
        let binding = self.bind(&key.subject_public_key_info(), not_after);
        certify(&key, now.saturating_sub(BACKDATED).as_secs(), not_after, Some(binding.encode()))
    }
}

/// A self-signed certificate for `key`, with this content of the binding extension.
pub(super) fn certify(
    key: &KeyPair,
    not_before: u64,
    not_after: u64,
    binding: Option<Vec<u8>>,
) -> Result<CertifiedKey, TlsError> {
    let origin = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = origin + Duration::from_secs(not_before);
    params.not_after = origin + Duration::from_secs(not_after);
    params.custom_extensions =
        binding.into_iter().map(|content| CustomExtension::from_oid_content(OID_ARCS, content)).collect();
    let certificate = params.self_signed(key)?.der().clone();
    let secret = PrivatePkcs8KeyDer::from(key.serialize_der());
    let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&secret.into())?;
    Ok(CertifiedKey::new(vec![certificate], signer))
}

/// The certificates of one server: the current one, replaced in the background.
pub struct Certificates {
    identity: Identity,
    lifetime: Duration,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// The first certificate; [`LIFETIME`] is the usual `lifetime`.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if no key or certificate can be made.
    pub fn new(identity: Identity, lifetime: Duration) -> Result<Arc<Self>, TlsError> {
        let first = Arc::new(identity.issue(SystemTime::now(), lifetime)?);
        Ok(Arc::new(Self { identity, lifetime, current: RwLock::new(first) }))
    }

    /// Certificates that never change, whatever is wrong with them.
    #[cfg(test)]
    pub(super) fn fixed(identity: Identity, certificate: CertifiedKey) -> Arc<Self> {
        Arc::new(Self { identity, lifetime: LIFETIME, current: RwLock::new(Arc::new(certificate)) })
    }

    /// Replaces key and certificate. Connections that are open stay open.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; the old certificate stays.
    pub fn renew(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(self.identity.issue(SystemTime::now(), self.lifetime)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Renews for ever, each time after a third of the lifetime. To be spawned as a task and aborted at the end.
    pub async fn keep_fresh(self: Arc<Self>) {
        let pause = (self.lifetime / 3).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(pause).await;
            match self.renew() {
                Ok(()) => tracing::info!(address = %self.identity.address(), "TLS certificate renewed"),
                Err(error) => tracing::error!(%error, "TLS certificate not renewed; the old one stays"),
            }
        }
    }

    /// The certificate shown now.
    #[must_use]
    pub fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("address", &self.identity.address()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
