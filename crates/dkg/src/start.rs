//! `Start`: a node has started, or objects to a second copy of itself (protocol.md section 5).
//!
//! No outcome of a round depends on it. It lets the copies of one node find each other on the one board that both read.

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;

use crate::ids::Digest;

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
