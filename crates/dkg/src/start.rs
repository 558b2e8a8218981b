//! `Start`: a node has started, or objects to a second copy of itself (protocol.md section 5).
//!
//! No outcome of a round depends on it. It lets the copies of one node find each other on the one board that both read.
//!
//! The header of a Start has the zero key, as its round the height that its sender had read, and as its digest the instance
//! that it objects to; so all of it is signed.

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use crate::envelope::{Envelope, Header, Kind};
use crate::ids::{Address, Digest, KeyId};

/// Blocks above the height that a Start names in which it counts. After that nobody has to remember it: a replayed one stops
/// no node, and one that was made on an old view of the board starts none.
pub const START_BLOCKS: u64 = 100;

/// The body of a Start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// 32 random bytes of the process that says so; another process has others.
    pub instance: Digest,
    /// The instance that this one objects to; zero when it only says that it has started.
    pub other: Digest,
}

impl Start {
    /// The one byte string of this value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(tags::DKG_START).fixed(&self.instance.0).fixed(&self.other.0).finish()
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_START)?;
        let (instance, other) = (Digest(reader.fixed()?), Digest(reader.fixed()?));
        reader.finish()?;
        Ok(Self { instance, other })
    }

    /// The Start in an envelope, if header and body belong together. Its signature is not looked at.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Option<Self> {
        let header = &envelope.header;
        let is_start = header.kind == Kind::Start && header.key == KeyId::ZERO && header.recipient == Address::ZERO;
        let start = is_start.then(|| Self::decode(&envelope.body).ok()).flatten()?;
        (start.other == header.digest && start.instance != Digest::ZERO).then_some(start)
    }

    /// Does it say that its sender has started? Otherwise it objects to another instance.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.other == Digest::ZERO
    }
}

/// Does a Start with this header count in the block of this height?
#[must_use]
pub const fn counts_at(header: &Header, height: u64) -> bool {
    header.round < height && height - header.round <= START_BLOCKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NetworkId;

    #[test]
    fn one_value_has_one_encoding() {
        let start = Start { instance: Digest([1; 32]), other: Digest([2; 32]) };
        let bytes = start.encode();
        assert_eq!(Start::decode(&bytes).unwrap(), start);
        for end in 0..bytes.len() {
            assert!(Start::decode(&bytes[..end]).is_err());
        }
        assert!(Start::decode(&[bytes, vec![0]].concat()).is_err());
    }

    fn envelope(start: Start) -> Envelope {
        let header = Header {
            network: NetworkId::ZERO,
            key: KeyId::ZERO,
            round: 7,
            digest: start.other,
            kind: Kind::Start,
            sender: Address([3; 20]),
            recipient: Address::ZERO,
        };
        Envelope { header, body: start.encode(), signatures: Vec::new() }
    }

    #[test]
    fn header_and_body_belong_together() {
        let start = Start { instance: Digest([1; 32]), other: Digest([2; 32]) };
        assert_eq!(Start::of(&envelope(start)), Some(start));
        let changes: [fn(&mut Envelope); 5] = [
            |other| other.header.kind = Kind::Announce,
            |other| other.header.key = KeyId([1; 32]),
            |other| other.header.digest = Digest::ZERO,
            |other| other.header.recipient = Address([1; 20]),
            |other| other.body.push(0),
        ];
        for change in changes {
            let mut changed = envelope(start);
            change(&mut changed);
            assert_eq!(Start::of(&changed), None);
        }
        let nobody = Start { instance: Digest::ZERO, other: Digest::ZERO };
        assert_eq!(Start::of(&envelope(nobody)), None);
    }

    #[test]
    fn it_counts_for_as_many_blocks_as_it_is_remembered() {
        let header = envelope(Start { instance: Digest([1; 32]), other: Digest::ZERO }).header;
        assert!(!counts_at(&header, 6) && !counts_at(&header, 7), "not before it was made");
        assert!(counts_at(&header, 8) && counts_at(&header, 7 + START_BLOCKS));
        assert!(!counts_at(&header, 8 + START_BLOCKS));
    }
}
