//! Delivery of shares: `pending -> delivered -> confirmed | failed`.
//!
//! ```text
//! pending ---- deliver ----> delivered ---- confirm (a signed receipt) ----> confirmed
//!    ^                        |     |
//!    |                        |     +-- a day without a receipt, or the guardian says so --> failed
//!    +------- deliver again (five attempts, then operations has to say so) ------------------+
//! ```

use quorumkeep_curves::tags;
use serde::{Deserialize, Serialize};

use crate::bytes::Hash;
use crate::canonical;
use crate::keys::{SignKey, Signature, VerifyKey};
use crate::manifest::{Manifest, ShareEntry};
use crate::names::Name;

/// How long a delivered share may stay without a receipt: a day.
pub const LIFETIME_MS: u64 = 24 * 3600 * 1000;
/// Deliveries of one share before operations has to look at it.
pub const ATTEMPTS_MAX: u32 = 5;

/// Where a share is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not fetched yet.
    Pending,
    /// Fetched; no receipt yet.
    Delivered,
    /// The guardian signed that he opened and checked it.
    Confirmed,
    /// Not usable, or no receipt in time.
    Failed,
}

impl State {
    /// As it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
        }
    }
}

/// The delivery of one share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Which share.
    pub index: u8,
    /// To whom.
    pub guardian: Name,
    /// For whom he acts.
    pub entity: Name,
    /// At the server?
    pub server: bool,
    /// Where it is.
    pub state: State,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was sent last; 0 if never.
    pub delivered_ms: u64,
    /// When the receipt came; 0 if never.
    pub confirmed_ms: u64,
    /// The guardian said that bytes arrived (which proves nothing).
    pub received: bool,
    /// Why it failed.
    pub reason: String,
    /// The receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Signature>,
}

/// A step that this delivery cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was delivered that could be confirmed.
    #[error("the share is {}: it has to be delivered first", .0.text())]
    NotDelivered(State),
    /// It is done.
    #[error("the share is confirmed already")]
    Confirmed,
    /// Sent too often.
    #[error("the share was sent {ATTEMPTS_MAX} times; operations has to allow more")]
    Attempts,
    /// The receipt is not signed by the guardian, or is for something else.
    #[error("the receipt is not signed by the guardian over this manifest, generation, index and envelope")]
    Receipt,
}

impl Delivery {
    /// A share on its way to nobody yet.
    #[must_use]
    pub fn new(entry: &ShareEntry) -> Self {
        Self {
            index: entry.index,
            guardian: entry.guardian.name.clone(),
            entity: entry.guardian.entity.clone(),
            server: entry.guardian.kind.is_server(),
            state: State::Pending,
            attempts: 0,
            delivered_ms: 0,
            confirmed_ms: 0,
            received: false,
            reason: String::new(),
            receipt: None,
        }
    }

    /// The state at a time: a delivery without a receipt fails by itself.
    #[must_use]
    pub fn state_at(&self, now_ms: u64) -> State {
        let late = self.state == State::Delivered && now_ms > self.delivered_ms.saturating_add(LIFETIME_MS);
        if late { State::Failed } else { self.state }
    }

    /// Sends it, or sends it again: a repeated request changes nothing.
    ///
    /// # Errors
    /// [`Error::Attempts`].
    pub fn deliver(&mut self, now_ms: u64) -> Result<(), Error> {
        match self.state_at(now_ms) {
            State::Delivered | State::Confirmed => Ok(()),
            State::Pending | State::Failed if self.attempts >= ATTEMPTS_MAX => Err(Error::Attempts),
            State::Pending | State::Failed => {
                (self.state, self.delivered_ms, self.received) = (State::Delivered, now_ms, false);
                self.attempts += 1;
                self.reason.clear();
                Ok(())
            }
        }
    }

    /// The guardian says that bytes arrived.
    ///
    /// # Errors
    /// [`Error::NotDelivered`].
    pub fn received(&mut self, now_ms: u64) -> Result<(), Error> {
        match self.state_at(now_ms) {
            State::Delivered => self.received = true,
            State::Confirmed => {}
            state => return Err(Error::NotDelivered(state)),
        }
        Ok(())
    }

    /// The guardian signed that he has the share. A repeated receipt changes nothing.
    ///
    /// # Errors
    /// [`Error::Receipt`], [`Error::NotDelivered`].
    pub fn confirm(&mut self, receipt: &Receipt, key: &VerifyKey, by: &Signature, now_ms: u64) -> Result<(), Error> {
        if !receipt.is_signed(key, by) {
            return Err(Error::Receipt);
        }
        match self.state_at(now_ms) {
            State::Confirmed => return Ok(()),
            State::Delivered => {}
            state => return Err(Error::NotDelivered(state)),
        }
        (self.state, self.confirmed_ms, self.received) = (State::Confirmed, now_ms, true);
        self.receipt = Some(*by);
        Ok(())
    }

    /// The guardian could not use it.
    ///
    /// # Errors
    /// [`Error::Confirmed`].
    pub fn fail(&mut self, reason: &str) -> Result<(), Error> {
        if self.state == State::Confirmed {
            return Err(Error::Confirmed);
        }
        (self.state, self.reason) = (State::Failed, reason.to_owned());
        Ok(())
    }

    /// Begins again, with all attempts.
    ///
    /// # Errors
    /// [`Error::Confirmed`].
    pub fn retry(&mut self) -> Result<(), Error> {
        if self.state == State::Confirmed {
            return Err(Error::Confirmed);
        }
        (self.state, self.attempts) = (State::Pending, 0);
        Ok(())
    }
}

/// What a guardian signs when he has opened his envelope and checked the share in it.
///
/// ```text
/// Ed25519(SHA-256(tag || 0 || manifest hash (32) || generation (4) || index (1) || SHA-256 of the envelope (32)))
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The manifest that he checked it against.
    pub manifest_hash: Hash,
    /// Its generation.
    pub generation: u32,
    /// His share.
    pub index: u8,
    /// The sealed bytes that he got.
    pub envelope_sha256: Hash,
}

impl Receipt {
    /// The receipt of a share.
    #[must_use]
    pub fn of(manifest: &Manifest, entry: &ShareEntry) -> Self {
        let (generation, index, envelope_sha256) = (manifest.generation, entry.index, entry.envelope_sha256);
        Self { manifest_hash: manifest.hash(), generation, index, envelope_sha256 }
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.manifest_hash.0[..], &self.generation.to_be_bytes(), &[self.index], &self.envelope_sha256.0].concat()
    }

    /// Signs it.
    #[must_use]
    pub fn sign(&self, key: &SignKey) -> Signature {
        key.sign(tags::CUSTODY_RECEIPT, &self.bytes())
    }

    /// Is it signed with this key?
    #[must_use]
    pub fn is_signed(&self, key: &VerifyKey, signature: &Signature) -> bool {
        key.verify(tags::CUSTODY_RECEIPT, &self.bytes(), signature)
    }
}

/// What the service signs when it hands out an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voucher {
    /// Which custody.
    pub custody: Hash,
    /// Of which key.
    pub key_id: Name,
    /// Of which node.
    pub node_id: Name,
    /// Which generation.
    pub generation: u32,
    /// Which share.
    pub share_index: u8,
    /// To whom.
    pub recipient: Name,
    /// The manifest it belongs to.
    pub manifest_hash: Hash,
    /// What was handed out.
    pub envelope_sha256: Hash,
    /// When, in seconds.
    pub timestamp: u64,
    /// The state after it.
    pub status: State,
}

impl Voucher {
    /// Signs it with the key of the service.
    #[must_use]
    pub fn sign(&self, key: &SignKey) -> Signature {
        key.sign(tags::CUSTODY_VOUCHER, &canonical::to_bytes(self))
    }

    /// Is it signed by the service?
    #[must_use]
    pub fn is_signed(&self, key: &VerifyKey, signature: &Signature) -> bool {
        key.verify(tags::CUSTODY_VOUCHER, &canonical::to_bytes(self), signature)
    }
}
