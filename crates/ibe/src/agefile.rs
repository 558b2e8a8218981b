//! The age recipient: an application as a recipient of ordinary age files.
//!
//! ```text
//! age-encryption.org/v1
//! -> quorumkeep NETWORK KEY APP EPOCH
//! BODY
//! ```
//!
//! `NETWORK`, `KEY` (32 bytes each) and `APP` (the application id) are unpadded base64, `EPOCH` is decimal without
//! leading zeros, `BODY` is [`crate::fo::Kem`] (128 bytes) over the file key. Every argument is part of the identity
//! that the file key is encrypted to, so changing one makes the stanza undecryptable, and age's header MAC covers all.
//!
//! | item | what |
//! |---|---|
//! | [`Recipient`] | `age1quorumkeep1...`; wraps file keys |
//! | [`PreparedRecipient`] | the same with the pairing done once, for many files |
//! | [`Identity`] | unwraps with keys from an [`AppKeySource`] |
//! | [`Wrapped`] | one stanza taken apart, for a plugin that speaks the protocol itself |

mod identity;
mod recipient;
mod stanza;

pub use identity::{AppKeySource, FixedKey, Identity, STANZAS_MAX, SourceError};
pub use recipient::{ParseRecipientError, PreparedRecipient, RECIPIENT_HRP, Recipient};
pub use stanza::{STANZA_TAG, StanzaError, StanzaInfo, Wrapped};
