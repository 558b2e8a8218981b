//! The envelope of every record and peer message: a fixed-word header, a body, and who signed (protocol.md section 9).
//!
//! `payload = tag || header || H(body)`, `hash = H(payload)`, `signature = BN254(hash)`. Ordinary records carry exactly one
//! signature, the sender's. Governed records (`Config`, `Genesis`) have the zero address as sender and carry the signatures
//! of at least `t` members of the roster, in ascending order of their addresses.

use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::tags;

use crate::ids::{Address, Digest, KeyId, NetworkId};
use crate::limits;

/// The version of the protocol that this code speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// What a record or message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A configuration of the network (governed).
    Config = 1,
    /// Permission to generate a key, once (governed).
    Genesis = 2,
    /// Registration of an application.
    App = 3,
    /// A node has started, or objects to a second copy of itself.
    Start = 4,
    /// Phase 1: a player takes part.
    Announce = 10,
    /// Phase 2: a dealer's commitments and encrypted dealings.
    Deal = 11,
    /// Phase 3: a dealing is wrong, with the opening that shows it.
    Complain = 12,
    /// Phase 4 of a Pedersen generation: a dealer opens what it committed to, in G2.
    Extract = 13,
    /// Phase 4 of a Pedersen generation: a player publishes its dealing from a dealer that did not.
    Reconstruct = 14,
    /// Phase 5: a player's share is durable.
    Confirm = 15,
    /// Peer to peer only: receipt of a deal.
    Ack = 40,
}

impl Kind {
    /// The kind of this number.
    ///
    /// # Errors
    /// [`Decode::Value`] for a number without a kind.
    pub fn from_u8(value: u8) -> Result<Self, Decode> {
        Ok(match value {
            1 => Self::Config,
            2 => Self::Genesis,
            3 => Self::App,
            4 => Self::Start,
            10 => Self::Announce,
            11 => Self::Deal,
            12 => Self::Complain,
            13 => Self::Extract,
            14 => Self::Reconstruct,
            15 => Self::Confirm,
            40 => Self::Ack,
            _ => return Err(Decode::Value),
        })
    }

    /// Does a record of this kind belong to a round, after its Announce window?
    #[must_use]
    pub fn is_of_transcript(self) -> bool {
        matches!(self, Self::Deal | Self::Complain | Self::Extract | Self::Reconstruct | Self::Confirm)
    }

    /// Is a record of this kind an act of the roster, not of one operator?
    #[must_use]
    pub fn is_governed(self) -> bool {
        matches!(self, Self::Config | Self::Genesis)
    }
}

/// What every signature covers: 8 words of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The network.
    pub network: NetworkId,
    /// The key, or zero.
    pub key: KeyId,
    /// The boundary height of the round, or zero.
    pub round: u64,
    /// `info_digest`; `trigger_digest` for an Announce; zero outside of rounds.
    pub digest: Digest,
    /// What this is.
    pub kind: Kind,
    /// Who says it; zero if governed.
    pub sender: Address,
    /// To whom; zero means to all.
    pub recipient: Address,
}

impl Header {
    /// The 256 bytes: each value right-aligned in its word, as an EVM contract reads it.
    #[must_use]
    pub fn to_words(&self) -> [u8; 256] {
        let mut words = [0u8; 256];
        let mut cells = words.chunks_exact_mut(32);
        let mut put = |bytes: &[u8]| {
            if let Some((_, tail)) = cells.next().and_then(|cell| cell.split_at_mut_checked(32 - bytes.len())) {
                tail.copy_from_slice(bytes);
            }
        };
        put(&PROTOCOL_VERSION.to_be_bytes());
        put(&self.network.0);
        put(&self.key.0);
        put(&self.round.to_be_bytes());
        put(&self.digest.0);
        put(&[self.kind as u8]);
        put(&self.sender.0);
        put(&self.recipient.0);
        words
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        let version: [u8; 2] = word(reader)?;
        if u16::from_be_bytes(version) != PROTOCOL_VERSION {
            return Err(Decode::Value);
        }
        Ok(Self {
            network: NetworkId(word(reader)?),
            key: KeyId(word(reader)?),
            round: u64::from_be_bytes(word(reader)?),
            digest: Digest(word(reader)?),
            kind: Kind::from_u8(u8::from_be_bytes(word(reader)?))?,
            sender: Address(word(reader)?),
            recipient: Address(word(reader)?),
        })
    }
}

/// A right-aligned value of `N` bytes in a word; the rest must be zero, so that there is one form only.
fn word<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], Decode> {
    let cell: [u8; 32] = reader.fixed()?;
    let (padding, value) = cell.split_at(32 - N);
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Decode::Value);
    }
    value.try_into().map_err(|_| Decode::Value)
}

/// A record or message with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What the signatures cover besides the body.
    pub header: Header,
    /// The body, decoded by the module of its kind.
    pub body: Vec<u8>,
    /// Who signed: one for ordinary records, ascending by address.
    pub signatures: Vec<(Address, bn254::Signature)>,
}

impl Envelope {
    /// A record of one operator, signed.
    ///
    /// `body_hash` is `H(body)`, or what the kind defines instead (`Deal`: the hash over compressed points).
    #[must_use]
    pub fn signed(header: Header, body: Vec<u8>, body_hash: &Digest, key: &bn254::SecretKey) -> Self {
        let signature = key.sign(&signing_hash(&header, body_hash).0);
        Self { header, body, signatures: vec![(header.sender, signature)] }
    }

    /// What the signatures cover, for a body that is hashed as it is.
    #[must_use]
    pub fn plain_hash(&self) -> Digest {
        signing_hash(&self.header, &Digest(keccak256(&self.body)))
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::DKG_ENVELOPE).fixed(&self.header.to_words()).bytes(&self.body);
        writer = writer.list(self.signatures.len());
        for (address, signature) in &self.signatures {
            writer = writer.fixed(&address.0).fixed(&signature.to_bytes());
        }
        writer.finish()
    }

    /// Reads one envelope of at most [`limits::RECORD_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value; signatures out of order or doubled.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        if bytes.len() > limits::RECORD_BYTES_MAX {
            return Err(Decode::TooLong);
        }
        let mut reader = Reader::tagged(bytes, tags::DKG_ENVELOPE)?;
        let header = Header::read(&mut reader)?;
        let body = reader.bytes(limits::RECORD_BYTES_MAX)?.to_vec();
        let count = reader.list(limits::ROSTER_MAX)?;
        let mut signatures: Vec<(Address, bn254::Signature)> = Vec::with_capacity(count);
        for _ in 0..count {
            let address = Address(reader.fixed()?);
            if signatures.last().is_some_and(|(last, _)| *last >= address) {
                return Err(Decode::Value);
            }
            signatures.push((address, bn254::Signature::from_bytes(&reader.fixed()?)?));
        }
        reader.finish()?;
        let envelope = Self { header, body, signatures };
        if envelope.has_right_signers() { Ok(envelope) } else { Err(Decode::Value) }
    }

    /// Ordinary: exactly the sender. Governed: no sender.
    fn has_right_signers(&self) -> bool {
        if self.header.kind.is_governed() {
            return self.header.sender.is_zero();
        }
        matches!(self.signatures.as_slice(), [(signer, _)] if *signer == self.header.sender)
    }
}

/// `H(tag || header || H(body))`: what BN254 signs.
#[must_use]
pub fn signing_hash(header: &Header, body_hash: &Digest) -> Digest {
    let writer = Writer::new(tags::DKG_PAYLOAD).fixed(&header.to_words());
    Digest(writer.fixed(&body_hash.0).hash())
}

/// The name of a record: `H(bytes)`.
#[must_use]
pub fn record_id(bytes: &[u8]) -> Digest {
    Digest(keccak256(bytes))
}
