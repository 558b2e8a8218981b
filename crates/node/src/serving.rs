//! Partial signatures: who may have one, from which version, and how it is answered (protocol.md section 8).
//!
//! A [`Serving`] is an immutable picture of what the node can sign with. The node replaces it; request handlers share it,
//! so that signing needs no lock and no turn with the state machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::{Signature, VerifyingKey};
use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;
use quorumkeep_dkg::app::{App, Format, Policy};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use quorumkeep_dkg::output::Output;
use quorumkeep_ibe::{self as ibe, AppId, AppIdentity, PartialSignature};
use quorumkeep_sharing::Index;

use crate::operator::Operator;

/// How far ahead a request may expire.
pub const EXPIRY_MS_MAX: u64 = 10 * 60 * 1000;

/// A share that the node signs with.
pub struct ServedVersion {
    /// The public result.
    pub output: Arc<Output>,
    /// This node's index.
    pub index: Index,
    share: SecretScalar,
}

impl ServedVersion {
    /// A share that fits its public share; none if it does not.
    #[must_use]
    pub fn new(output: Arc<Output>, address: &Address, share: SecretScalar) -> Option<Self> {
        let public = *output.share_of(address)?;
        (share.mul_g2() == public.point).then_some(Self { output, index: public.index, share })
    }

    /// The same of a share that was compared with its public share before.
    pub(crate) fn of_fitting(output: Arc<Output>, address: &Address, share: SecretScalar) -> Option<Self> {
        let index = output.share_of(address)?.index;
        Some(Self { output, index, share })
    }
}

/// What the node can sign with, and for whom.
pub struct Serving {
    /// The network.
    pub network: NetworkId,
    /// Who signs.
    pub operator: Arc<Operator>,
    /// The versions that are kept, by id.
    pub versions: BTreeMap<VersionId, Arc<ServedVersion>>,
    /// The newest active version of each key, held or not.
    pub active: BTreeMap<KeyId, Arc<Output>>,
    /// All applications.
    pub apps: Arc<BTreeMap<(KeyId, String), App>>,
    /// Why nothing is served at present.
    pub suspended: Option<String>,
}

/// A request for a partial signature.
#[derive(Debug, Clone)]
pub struct SignRequest {
    /// The key.
    pub key: KeyId,
    /// The application.
    pub app: String,
    /// A version by id; the newest active one if none is named.
    pub version: Option<VersionId>,
    /// What the policy `owner` asks for.
    pub owner: Option<OwnerProof>,
}

/// The owner's signature under a request.
#[derive(Debug, Clone)]
pub struct OwnerProof {
    /// The one-time age X25519 recipient that the answer is encrypted to.
    pub recipient: String,
    /// Fresh for each request.
    pub nonce: [u8; 32],
    /// Milliseconds since 1970.
    pub expires_ms: u64,
    /// Ed25519 over [`owner_hash`].
    pub signature: [u8; 64],
}

/// `H(enc(tag, network, key, app id, epoch, node, version or zero, recipient, nonce, expiry))`: what the owner signs.
#[must_use]
pub fn owner_hash(
    network: &NetworkId,
    node: &Address,
    request: &SignRequest,
    epoch: u64,
    (recipient, nonce, expires_ms): (&str, &[u8; 32], u64),
) -> [u8; 32] {
    let writer = Writer::new(tags::NODE_OWNER_REQUEST).fixed(&network.0).fixed(&request.key.0);
    let writer = writer.bytes(request.app.as_bytes()).u64(epoch).fixed(&node.0);
    let writer = writer.fixed(&request.version.unwrap_or_default().0).bytes(recipient.as_bytes());
    writer.fixed(nonce).u64(expires_ms).hash()
}

/// A partial signature with the node's signature over it, so that a bad one is evidence.
pub struct Partial {
    /// The version that it belongs to.
    pub version: VersionId,
    /// The node's index in that version.
    pub index: Index,
    /// The node.
    pub node: Address,
    /// `x_j * Q`, 48 bytes compressed.
    pub partial: PartialSignature,
    /// BN254 over [`partial_hash`].
    pub signature: bn254::Signature,
    /// To whom it must be encrypted; none under the policy `public`.
    pub recipient: Option<String>,
}

/// `H(enc(tag, network, key, version id, identity, format, partial))`: what the node signs under its answer.
#[must_use]
pub fn partial_hash(
    network: &NetworkId,
    key: &KeyId,
    version: &VersionId,
    (identity, format): (&AppIdentity, ibe::Format),
    partial: &[u8; 48],
) -> [u8; 32] {
    let writer = Writer::new(tags::NODE_PARTIAL).fixed(&network.0).fixed(&key.0).fixed(&version.0);
    writer.bytes(&identity.bytes()).u8(format.code()).fixed(partial).hash()
}

/// The identity of an application: what is hashed to `Q`, and how.
///
/// # Errors
/// The application id is not acceptable.
pub fn app_identity(network: &NetworkId, key: &KeyId, app: &App) -> Result<(AppIdentity, ibe::Format), SignError> {
    let id = AppId::parse(&app.id).map_err(|_| SignError::UnknownApp)?;
    let format = match app.format {
        Format::Age => ibe::Format::Age,
        Format::EigenX => ibe::Format::EigenX,
    };
    Ok((AppIdentity { network: network.0, key_id: key.0, app_id: id, epoch: app.epoch }, format))
}

/// Why there is no partial signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No such application.
    #[error("the application is not registered under this key")]
    UnknownApp,
    /// The policy `attested` needs evidence.
    #[error("this application is released to attested code only, and this build cannot verify evidence yet")]
    AttestedOnly,
    /// The policy `owner` needs the owner's signature.
    #[error("this application needs a request signed by its owner key")]
    OwnerRequired,
    /// The owner's signature is wrong.
    #[error("the owner's signature does not fit this request, node, application and epoch")]
    OwnerSignature,
    /// Too late or too far ahead.
    #[error("the request has expired, or expires more than 10 minutes from now")]
    Expired,
    /// The nonce was used.
    #[error("this request was answered before; make a new one with a fresh nonce")]
    Replayed,
    /// Not held.
    #[error("this node holds no share of that version")]
    UnknownVersion,
    /// Nothing active yet.
    #[error("no version of this key is active yet")]
    NoActiveVersion,
    /// Not serving.
    #[error("this node does not serve at present: {0}")]
    Suspended(String),
}

/// A request that passed every check but the durable one of its nonce.
pub struct Admitted {
    /// The nonce to use up, and when it may be forgotten; none under the policy `public`.
    pub nonce: Option<(Digest, u64)>,
    partial: Partial,
}

impl Admitted {
    /// The answer, for a policy that uses up no nonce; else the request again, whose nonce must be made durable first.
    ///
    /// # Errors
    /// See above.
    pub fn into_public(self) -> Result<Partial, Box<Self>> {
        if self.nonce.is_none() { Ok(self.partial) } else { Err(Box::new(self)) }
    }

    pub(crate) fn into_partial(self) -> Partial {
        self.partial
    }
}

impl Serving {
    /// Could this node produce a valid partial of every active version that it is a player of?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let holds = |output: &Arc<Output>| self.versions.contains_key(&output.id());
        self.suspended.is_none() && !self.active.is_empty() && self.active.values().all(holds)
    }

    fn version(&self, request: &SignRequest) -> Result<&Arc<ServedVersion>, SignError> {
        let id = match request.version {
            Some(version) => version,
            None => self.active.get(&request.key).ok_or(SignError::NoActiveVersion)?.id(),
        };
        let version = self.versions.get(&id).ok_or(SignError::UnknownVersion)?;
        if *version.output.key() == request.key { Ok(version) } else { Err(SignError::UnknownVersion) }
    }

    /// Checks a request and signs. What needs a durable nonce goes through the node before its answer leaves.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, request: &SignRequest, now_ms: u64) -> Result<Admitted, SignError> {
        if let Some(reason) = &self.suspended {
            return Err(SignError::Suspended(reason.clone()));
        }
        let app = self.apps.get(&(request.key, request.app.clone())).ok_or(SignError::UnknownApp)?;
        let nonce = self.check_policy(request, app, now_ms)?;
        let version = self.version(request)?;
        let (identity, format) = app_identity(&self.network, &request.key, app)?;
        let partial = ibe::sign_partial(&version.share, &identity.q(format));
        let hash =
            partial_hash(&self.network, &request.key, &version.output.id(), (&identity, format), &partial.expose());
        let partial = Partial {
            version: version.output.id(),
            index: version.index,
            node: *self.operator.address(),
            signature: self.operator.key().sign(&hash),
            recipient: request.owner.as_ref().filter(|_| nonce.is_some()).map(|owner| owner.recipient.clone()),
            partial,
        };
        Ok(Admitted { nonce, partial })
    }

    fn check_policy(&self, request: &SignRequest, app: &App, now_ms: u64) -> Result<Option<(Digest, u64)>, SignError> {
        match app.policy {
            Policy::Public => Ok(None),
            Policy::Attested => Err(SignError::AttestedOnly),
            Policy::Owner => {
                let proof = request.owner.as_ref().ok_or(SignError::OwnerRequired)?;
                if proof.expires_ms < now_ms || proof.expires_ms > now_ms.saturating_add(EXPIRY_MS_MAX) {
                    return Err(SignError::Expired);
                }
                let parts = (proof.recipient.as_str(), &proof.nonce, proof.expires_ms);
                let hash = owner_hash(&self.network, self.operator.address(), request, app.epoch, parts);
                let owner = VerifyingKey::from_bytes(&app.owner).map_err(|_| SignError::OwnerSignature)?;
                let signature = Signature::from_bytes(&proof.signature);
                owner.verify_strict(&hash, &signature).map_err(|_| SignError::OwnerSignature)?;
                Ok(Some((Digest(hash), proof.expires_ms)))
            }
        }
    }
}
