//! Partial signatures of one version, to an application key.
//!
//! All players of the version are asked at once. Each answer is checked when it arrives: the version that was asked for,
//! the operator's BN254 signature, and `e(sigma_j, G2) = e(Q, Y_j)`. With `t` good ones the rest is not waited for.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use age::x25519;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use quorumkeep_curves::bls::{G1, G2};
use quorumkeep_dkg::app::Policy;
use quorumkeep_dkg::ids::{Address, Digest, NetworkId, VersionId};
use quorumkeep_dkg::output::{Output, PublicShare};
use quorumkeep_ibe::{AppId, AppIdentity, AppKey, Format, PartialSignature, recover, verify_partial};
use quorumkeep_node::evidence::SignedPartial;
use quorumkeep_node::serving::{SignRequest, owner_hash, partial_hash};
use quorumkeep_sharing::Index;
use rand_core::{OsRng, RngCore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::Session;
use super::agreement::{Agreement, read_signature};
use super::application::Application;
use super::error::{Answer, Outcome, SessionError};
use super::nodes::NodeClient;
use crate::node_api::{OwnerBody, PartialAnswer, SealedAnswer, SignBody};

/// How long a signed request is valid. Clocks of client and node may differ by nearly as much.
const EXPIRY: Duration = Duration::from_secs(300);
/// How often everything is asked again when something that passes was in the way.
const ATTEMPTS: u32 = 4;
/// The pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(400);
/// Bytes of a partial signature in JSON.
const PARTIAL_BYTES_MAX: usize = 4096;

/// Which key is wanted.
pub struct AppKeyRequest<'a> {
    /// The name of the network's key.
    pub name: &'a str,
    /// The application.
    pub app: &'a AppId,
    /// The epoch of the ciphertext; the present one if none.
    pub epoch: Option<u64>,
    /// The format of the ciphertext; the application's if none.
    pub format: Option<Format>,
    /// The owner's key, for the policy `owner`.
    pub owner: Option<&'a SigningKey>,
}

/// An application's key, and how it came.
pub struct ReleasedKey {
    /// The key, verified by `e(sigma, G2) = e(Q, mpk)`.
    pub key: AppKey,
    /// What it opens.
    pub application: Application,
    /// The group key that it was verified against.
    pub group_key: G2,
    /// The version of the shares.
    pub version: VersionId,
    /// Whose partial signatures it is made of.
    pub signers: Vec<Address>,
    /// Nodes that answered wrongly.
    pub culprits: Vec<Answer>,
}

/// Everything that is the same for all nodes.
pub(super) struct Ask {
    pub(super) network: NetworkId,
    pub(super) output: Arc<Output>,
    pub(super) application: Application,
    pub(super) q: G1,
    pub(super) owner: Option<SigningKey>,
}

impl Session {
    /// The key of an application.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub async fn app_key(&mut self, request: &AppKeyRequest<'_>) -> Result<ReleasedKey, SessionError> {
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.app_key_once(request).await {
                Err(error) if error.is_temporary() => tracing::debug!(%error, "asking again"),
                result => return result,
            }
            sleep(pause).await;
            pause *= 2;
            self.refresh().await?;
        }
        self.app_key_once(request).await
    }

    async fn app_key_once(&self, request: &AppKeyRequest<'_>) -> Result<ReleasedKey, SessionError> {
        let application = self.application(request.name, request.app).await?;
        check(request, &application)?;
        let Agreement { output, .. } = self.agree(request.name).await?;
        let owner = request.owner.filter(|_| application.policy == Policy::Owner);
        let ask = Ask {
            network: self.file().network,
            q: application.identity.q(application.format),
            output,
            application,
            owner: owner.map(|key| SigningKey::from_bytes(&key.to_bytes())),
        };
        self.collect(Arc::new(ask)).await
    }

    async fn collect(&self, ask: Arc<Ask>) -> Result<ReleasedKey, SessionError> {
        let needed = ask.output.threshold().as_usize();
        let mut set = JoinSet::new();
        for share in ask.output.shares() {
            let Some(node) = self.node(&share.address) else { continue };
            let (ask, share) = (Arc::clone(&ask), *share);
            set.spawn(async move { (share.index, node.clone(), ask.one(&node, &share).await) });
        }
        let (mut partials, mut signers, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(result) = set.join_next().await {
            let Ok((index, node, result)) = result else { continue };
            match result {
                Ok(partial) => {
                    partials.push((index, partial));
                    signers.push(node.address);
                }
                Err(outcome) => answers.push(Answer { node: node.address, socket: node.socket, outcome }),
            }
            if partials.len() >= needed {
                break;
            }
        }
        let good = partials.len();
        if good < needed {
            return Err(too_few(ask.output.id(), good, needed, answers));
        }
        let shares: Vec<(Index, G2)> = ask.output.shares().iter().map(|share| (share.index, share.point)).collect();
        let key = recover(ask.output.threshold(), &ask.q, ask.output.group_key(), &shares, &partials)?;
        let culprits = answers
            .into_iter()
            .filter(|answer| matches!(answer.outcome, Outcome::Bad(_) | Outcome::Signed(_)))
            .collect();
        let (group_key, version) = (*ask.output.group_key(), ask.output.id());
        Ok(ReleasedKey { key, application: ask.application.clone(), group_key, version, signers, culprits })
    }
}

/// Whatever can be refused without asking for a partial signature.
fn check(request: &AppKeyRequest<'_>, application: &Application) -> Result<(), SessionError> {
    let app = request.app.as_str().to_owned();
    let now = application.identity.epoch;
    if let Some(asked) = request.epoch.filter(|asked| *asked != now) {
        return Err(SessionError::OtherEpoch { app, now, asked });
    }
    if let Some(asked) = request.format.filter(|asked| *asked != application.format) {
        return Err(SessionError::OtherFormat { app, now: application.format, asked });
    }
    match application.policy {
        Policy::Attested => Err(SessionError::AttestedOnly { app }),
        Policy::Owner if request.owner.is_none() => Err(SessionError::OwnerKeyNeeded { app }),
        Policy::Owner | Policy::Public => Ok(()),
    }
}

fn too_few(version: VersionId, good: usize, needed: usize, answers: Vec<Answer>) -> SessionError {
    let others = answers.iter().filter(|answer| matches!(answer.outcome, Outcome::OtherVersion(_))).count();
    if good + others >= needed {
        return SessionError::MixedVersions { version, good, needed, others, answers };
    }
    SessionError::TooFewPartials { version, good, needed, answers }
}

impl Ask {
    /// The verified partial signature of one node.
    async fn one(&self, node: &NodeClient, share: &PublicShare) -> Result<PartialSignature, Outcome> {
        let (body, secret) = self.body(node).map_err(Outcome::Bad)?;
        let answer: PartialAnswer = match secret {
            None => node.client().post_json("/app/sign", &body).await.map_err(Outcome::Failed)?,
            Some(secret) => {
                let sealed: SealedAnswer =
                    node.client().post_json("/app/sign", &body).await.map_err(Outcome::Failed)?;
                open(&sealed.sealed, &secret).map_err(Outcome::Bad)?
            }
        };
        let version = self.output.id();
        if answer.version != version {
            return Err(Outcome::OtherVersion(answer.version));
        }
        self.read(answer, node, share)
    }

    /// The request to this node: under the policy `owner` with a signature, a fresh nonce and a one-time recipient.
    fn body(&self, node: &NodeClient) -> Result<(SignBody, Option<x25519::Identity>), &'static str> {
        let identity = &self.application.identity;
        let (key, version) = (*self.output.key(), Some(self.output.id()));
        let app = identity.app_id.as_str().to_owned();
        let Some(owner) = &self.owner else {
            return Ok((SignBody { key, app, version, owner: None }, None));
        };
        let secret = x25519::Identity::generate();
        let recipient = secret.to_public().to_string();
        let mut nonce = [0; 32];
        OsRng.fill_bytes(&mut nonce);
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock is before 1970")? + EXPIRY;
        let expires_ms = u64::try_from(expires.as_millis()).map_err(|_| "the clock is far in the future")?;
        let request = SignRequest { key, app: app.clone(), version, owner: None };
        let parts = (recipient.as_str(), &nonce, expires_ms);
        let hash = owner_hash(&self.network, &node.address, &request, identity.epoch, parts);
        let signature = hex::encode(owner.sign(&hash).to_bytes());
        let owner = Some(OwnerBody { recipient, nonce: Digest(nonce), expires_ms, signature });
        Ok((SignBody { key, app, version, owner }, Some(secret)))
    }

    /// Who, signed by whom, and does it fit his public share?
    pub(super) fn read(
        &self,
        answer: PartialAnswer,
        node: &NodeClient,
        share: &PublicShare,
    ) -> Result<PartialSignature, Outcome> {
        let (bytes, signed) = self.read_signed(answer, node, share).map_err(Outcome::Bad)?;
        let partial = PartialSignature::from_bytes(&bytes);
        let fits = |partial: &PartialSignature| verify_partial(&share.point, &self.q, partial);
        partial.ok().filter(fits).ok_or_else(|| Outcome::Signed(Box::new(self.accuse(node, *bytes, signed))))
    }

    /// The partial signature's bytes and the operator's signature under them.
    fn read_signed(
        &self,
        answer: PartialAnswer,
        node: &NodeClient,
        share: &PublicShare,
    ) -> Result<(Zeroizing<[u8; 48]>, [u8; 64]), &'static str> {
        let text = Zeroizing::new(answer.partial);
        if answer.node != node.address || answer.index != share.index.get() {
            return Err("the answer is another node's");
        }
        let mut bytes = Zeroizing::new([0u8; 48]);
        hex::decode_to_slice(text.as_bytes(), &mut *bytes).map_err(|_| "the partial signature is malformed")?;
        let signature = read_signature(&answer.signature).ok_or("the signature is malformed")?;
        let application = (&self.application.identity, self.application.format);
        let hash = partial_hash(&self.network, self.output.key(), &self.output.id(), application, &bytes);
        if !node.key.verify(&hash, &signature) {
            return Err("the signature under the partial signature is wrong");
        }
        Ok((bytes, signature.to_bytes()))
    }

    /// What can be shown to others.
    fn accuse(&self, node: &NodeClient, partial: [u8; 48], signature: [u8; 64]) -> SignedPartial {
        let AppIdentity { app_id, epoch, .. } = &self.application.identity;
        let (key, version) = (*self.output.key(), self.output.id());
        let (app, format) = (app_id.clone(), self.application.format);
        SignedPartial { key, version, node: node.address, app, epoch: *epoch, format, partial, signature }
    }
}

/// The answer inside an age file to our one-time recipient.
fn open(sealed: &str, secret: &x25519::Identity) -> Result<PartialAnswer, &'static str> {
    let bytes = STANDARD.decode(sealed).map_err(|_| "the sealed answer is malformed")?;
    if bytes.len() > PARTIAL_BYTES_MAX {
        return Err("the sealed answer is too long");
    }
    let plain = age::decrypt(secret, &bytes).map_err(|_| "the sealed answer does not open")?;
    let plain = Zeroizing::new(plain);
    serde_json::from_slice(&plain).map_err(|_| "the sealed answer is malformed")
}
