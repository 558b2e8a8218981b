//! A proof that one entry is in the log, as one text file (c2sp.org/tlog-proof), verifiable without anything but the log's
//! public key. The entry itself stands in the line `extra`, because without its bytes there is nothing to verify.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <the entry, base64>
//! index 73894
//! <hash, base64>              from the leaf's sibling to the root's child
//! ...
//!
//! <the signed checkpoint>
//! ```

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, CheckpointError};
use crate::entry::{ENTRY_BYTES_MAX, Entry, EntryError};
use crate::key::Verifier;
use crate::tree::{Hash, PROOF_HASHES_MAX, TreeError, check_inclusion, leaf_hash};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The largest proof: an entry in base64, its hashes, a checkpoint.
pub const PROOF_BYTES_MAX: usize = 2 * ENTRY_BYTES_MAX + 45 * PROOF_HASHES_MAX + CHECKPOINT_BYTES_MAX;

/// One entry of a log, with what shows that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Which entry, counted from 0.
    pub index: u64,
    /// The bytes of the entry.
    pub entry: Vec<u8>,
    /// From the leaf's sibling to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Vec<u8>,
}

/// A proof cannot be read or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not a proof.
    #[error("this is not a proof with its entry (c2sp.org/tlog-proof)")]
    Malformed,
    /// The checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead to the checkpoint's root.
    #[error(transparent)]
    Path(#[from] TreeError),
    /// What is in the log is no entry of ours.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl InclusionProof {
    /// The text of the file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\nextra {}\nindex {}\n", BASE64_STANDARD.encode(&self.entry), self.index);
        for hash in &self.path {
            text.push_str(&BASE64_STANDARD.encode(hash));
            text.push('\n');
        }
        text.push('\n');
        [text.as_bytes(), &self.checkpoint].concat()
    }

    /// Reads a file of at most [`PROOF_BYTES_MAX`] bytes; nothing of it is believed yet.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] for anything but what [`InclusionProof::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofError::Malformed);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| ProofError::Malformed)?;
        let proof = Self::parse(text).ok_or(ProofError::Malformed)?;
        if proof.to_bytes() != bytes {
            return Err(ProofError::Malformed);
        }
        Ok(proof)
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let entry = BASE64_STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
        let hash = |line: &str| BASE64_STANDARD.decode(line).ok()?.try_into().ok();
        let path: Vec<Hash> = lines.map(hash).collect::<Option<_>>()?;
        let bounded = path.len() <= PROOF_HASHES_MAX && entry.len() <= ENTRY_BYTES_MAX;
        bounded.then(|| Self { index, entry, path, checkpoint: checkpoint.as_bytes().to_vec() })
    }

    /// Checks signature and path. Gives the entry and the head that it is proved under.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, verifier: &Verifier) -> Result<(Entry, Checkpoint), ProofError> {
        let head = Checkpoint::open(&self.checkpoint, verifier)?;
        check_inclusion(&self.path, head.size, &head.root, self.index, &leaf_hash(&self.entry))?;
        Ok((Entry::from_bytes(&self.entry)?, head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogKey;
    use crate::tree::node_hash;

    fn proof() -> (InclusionProof, Verifier) {
        let key = LogKey::from_seed("example.com/log", &[7; 32]).unwrap();
        let entry = Entry::new(5, "drill", "anna").to_bytes().unwrap();
        let sibling = leaf_hash(b"before");
        let root = node_hash(&sibling, &leaf_hash(&entry));
        let checkpoint = Checkpoint::sign(&key, 2, root).unwrap();
        (InclusionProof { index: 1, entry, path: vec![sibling], checkpoint }, key.verifier().clone())
    }

    #[test]
    fn a_proof_is_written_read_and_holds() {
        let (proof, verifier) = proof();
        let bytes = proof.to_bytes();
        assert!(bytes.starts_with(b"c2sp.org/tlog-proof@v1\nextra eyJ"));
        let read = InclusionProof::from_bytes(&bytes).unwrap();
        assert_eq!(read, proof);
        let (entry, head) = read.verify(&verifier).unwrap();
        assert_eq!((entry.event.as_str(), head.size), ("drill", 2));
    }

    #[test]
    fn p9_no_byte_of_a_proof_can_be_changed() {
        let (proof, verifier) = proof();
        let good = proof.to_bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(InclusionProof::from_bytes(&bad).and_then(|proof| proof.verify(&verifier)).is_err(), "byte {at}");
            let cut = InclusionProof::from_bytes(&good[..at]).and_then(|proof| proof.verify(&verifier));
            assert!(cut.is_err(), "cut at {at}");
        }
    }

    #[test]
    fn large_files_are_refused() {
        let (mut proof, _) = proof();
        proof.path = vec![[0; 32]; PROOF_HASHES_MAX + 1];
        assert!(InclusionProof::from_bytes(&proof.to_bytes()).is_err());
        assert!(InclusionProof::from_bytes(&vec![b'\n'; PROOF_BYTES_MAX + 1]).is_err());
    }
}
