//! `App`: an application of a key, its format, its policy and its owner (protocol.md sections 8 and 9).

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use crate::ids::{KeyId, NetworkId};

/// Bytes of an application id.
pub const APP_ID_BYTES_MAX: usize = 128;

/// The one ciphertext format of an application; a node signs only this format's identity for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// The age recipient; the identity binds network, key, id and epoch.
    Age = 1,
    /// EigenX; the identity is the raw application id, for ever.
    EigenX = 2,
}

/// Who gets partial signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// Only attested code, through `/secrets`.
    Attested = 1,
    /// Whoever signs with the registered owner key.
    Owner = 2,
    /// Everybody.
    Public = 3,
}

/// The body of an `App` record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The application id, byte-exact.
    pub id: String,
    /// Raised to replace the application's key.
    pub epoch: u64,
    /// The one format.
    pub format: Format,
    /// Who gets partial signatures.
    pub policy: Policy,
    /// Ed25519 key of the owner.
    pub owner: [u8; 32],
    /// By the owner.
    pub signature: [u8; 64],
    /// By the owner before, if the application exists; else zero.
    pub previous_signature: [u8; 64],
}

impl App {
    /// An application signed by its owner. `previous` is the key of the owner before, if there is one.
    #[must_use]
    pub fn sign(
        network: &NetworkId,
        key: &KeyId,
        (id, epoch): (&str, u64),
        (format, policy): (Format, Policy),
        owner: &SigningKey,
        previous: Option<&SigningKey>,
    ) -> Self {
        let mut app = Self {
            id: id.to_owned(),
            epoch,
            format,
            policy,
            owner: owner.verifying_key().to_bytes(),
            signature: [0; 64],
            previous_signature: [0; 64],
        };
        let hash = app.hash(network, key);
        app.signature = owner.sign(&hash).to_bytes();
        if let Some(previous) = previous {
            app.previous_signature = previous.sign(&hash).to_bytes();
        }
        app
    }

    /// What both owners sign: `H(enc(tag, network, key, id, epoch, format, policy, owner))`.
    #[must_use]
    pub fn hash(&self, network: &NetworkId, key: &KeyId) -> [u8; 32] {
        let writer = Writer::new(tags::DKG_APP).fixed(&network.0).fixed(&key.0).bytes(self.id.as_bytes());
        writer.u64(self.epoch).u8(self.format as u8).u8(self.policy as u8).fixed(&self.owner).hash()
    }

    /// May this follow `before` (or be the first)?
    ///
    /// # Errors
    /// The reason in one sentence.
    pub fn check(&self, network: &NetworkId, key: &KeyId, before: Option<&App>) -> Result<(), &'static str> {
        if !is_app_id(&self.id) {
            return Err("an application id has 1 to 128 printable characters without spaces");
        }
        let hash = self.hash(network, key);
        if !is_signed(&self.owner, &hash, &self.signature) {
            return Err("the owner's signature is wrong");
        }
        let Some(before) = before else { return Ok(()) };
        if !is_signed(&before.owner, &hash, &self.previous_signature) {
            return Err("the application exists, and its present owner has not signed this");
        }
        if self.epoch <= before.epoch {
            return Err("the epoch must rise");
        }
        if self.format != before.format {
            return Err("the format of an application never changes");
        }
        Ok(())
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(tags::DKG_APP).bytes(self.id.as_bytes()).u64(self.epoch);
        let writer = writer.u8(self.format as u8).u8(self.policy as u8).fixed(&self.owner);
        writer.fixed(&self.signature).fixed(&self.previous_signature).finish()
    }

    /// Reads one App record's body.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_APP)?;
        let id = String::from_utf8(reader.bytes(APP_ID_BYTES_MAX)?.to_vec()).map_err(|_| Decode::Value)?;
        let epoch = reader.u64()?;
        let format = match reader.u8()? {
            1 => Format::Age,
            2 => Format::EigenX,
            _ => return Err(Decode::Value),
        };
        let policy = match reader.u8()? {
            1 => Policy::Attested,
            2 => Policy::Owner,
            3 => Policy::Public,
            _ => return Err(Decode::Value),
        };
        let app = Self {
            id,
            epoch,
            format,
            policy,
            owner: reader.fixed()?,
            signature: reader.fixed()?,
            previous_signature: reader.fixed()?,
        };
        reader.finish()?;
        Ok(app)
    }
}

/// 1 to 128 printable characters without white space or control characters.
#[must_use]
pub fn is_app_id(id: &str) -> bool {
    (1..=APP_ID_BYTES_MAX).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic())
}

fn is_signed(key: &[u8; 32], hash: &[u8; 32], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(key) else { return false };
    key.verify_strict(hash, &Signature::from_bytes(signature)).is_ok()
}
