//! Checkpoints: what the log's key signs (c2sp.org/tlog-checkpoint, as a signed note, c2sp.org/signed-note).
//!
//! ```text
//! quorumkeep.custody/5be1...      the name of the log
//! 1000000                         how many entries
//! nND/nri/U0xuHUrYSy0Ht...=       the root of their tree, base64
//!
//! — quorumkeep.custody/5be1... xMpZ...    signatures: the log's, and any of witnesses
//! ```

use base64::prelude::{BASE64_STANDARD, Engine};
use signed_note::{Note, NoteError, Signature, Signer, Verifier as _, VerifierList};

use crate::key::{LogKey, Verifier};
use crate::tree::{Hash, SIZE_MAX};

/// The largest signed checkpoint, with room for the signatures of many witnesses.
pub const CHECKPOINT_BYTES_MAX: usize = 16 * 1024;

/// A tree head: which log, how many entries, which root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over all of them.
    pub root: Hash,
}

/// A checkpoint cannot be signed or believed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are not a checkpoint.
    #[error("this is not a signed checkpoint (c2sp.org/tlog-checkpoint)")]
    Malformed,
    /// It is of another log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    ForeignLog {
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The log's key did not sign it.
    #[error("the key of the log {0} did not sign this checkpoint")]
    Signature(String),
    /// It could not be signed.
    #[error("a checkpoint could not be signed")]
    NotSigned(#[source] NoteError),
}

impl Checkpoint {
    /// The signed text.
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root))
    }

    /// The head of this key's log, signed.
    ///
    /// # Errors
    /// [`CheckpointError::NotSigned`]: never for a key of [`LogKey::from_seed`].
    pub fn sign(key: &LogKey, size: u64, root: Hash) -> Result<Vec<u8>, CheckpointError> {
        let checkpoint = Self { origin: key.origin().to_owned(), size, root };
        let note = Note::new(checkpoint.text().as_bytes(), &[]);
        let mut note = note.map_err(CheckpointError::NotSigned)?;
        note.add_sigs(&[key as &dyn Signer]).map_err(CheckpointError::NotSigned)?;
        Ok(note.to_bytes())
    }

    /// Reads a signed checkpoint of at most [`CHECKPOINT_BYTES_MAX`] bytes and believes it if the log's key signed it.
    /// Signatures of others are not looked at.
    ///
    /// # Errors
    /// [`CheckpointError`]: malformed, of another log, or not signed by its key.
    pub fn open(bytes: &[u8], verifier: &Verifier) -> Result<Self, CheckpointError> {
        let (checkpoint, note) = Self::parse(bytes)?;
        if checkpoint.origin != verifier.origin() {
            // Not yet believed, so that it is shown without what could drive a terminal.
            let found = crate::printable(&checkpoint.origin);
            return Err(CheckpointError::ForeignLog { found, expected: verifier.origin().to_owned() });
        }
        let known = VerifierList::new(vec![Box::new(verifier.inner.clone())]);
        note.verify(&known).map_err(|_| CheckpointError::Signature(verifier.origin().to_owned()))?;
        Ok(checkpoint)
    }

    /// Reads a signed checkpoint without looking at its signatures, for whoever made it.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn unverified(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::parse(bytes).map(|(checkpoint, _)| checkpoint)
    }

    fn parse(bytes: &[u8]) -> Result<(Self, Note), CheckpointError> {
        if bytes.len() > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::Malformed);
        }
        let note = Note::from_bytes(bytes).map_err(|_| CheckpointError::Malformed)?;
        let text = core::str::from_utf8(note.text()).map_err(|_| CheckpointError::Malformed)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed);
        };
        let size = size.parse().map_err(|_| CheckpointError::Malformed)?;
        let decoded = BASE64_STANDARD.decode(root).map_err(|_| CheckpointError::Malformed)?;
        let root = decoded.try_into().map_err(|_| CheckpointError::Malformed)?;
        let checkpoint = Self { origin: origin.to_owned(), size, root };
        // One text per head, and no size that the arithmetic of proofs does not hold.
        if checkpoint.text() != text || checkpoint.size > SIZE_MAX || origin.is_empty() {
            return Err(CheckpointError::Malformed);
        }
        Ok((checkpoint, note))
    }

    /// The log's own signature in a signed checkpoint, 64 bytes, without the rest that can be computed again.
    #[must_use]
    pub fn bare_signature(bytes: &[u8]) -> Option<Vec<u8>> {
        let text = core::str::from_utf8(bytes).ok()?;
        let line = text.split("\n\n").nth(1)?.lines().next()?;
        Signature::from_bytes(line.as_bytes()).ok().map(|signature| signature.signature().to_vec())
    }

    /// Did the log's key sign the head of this size and root? For a signature of [`Checkpoint::bare_signature`].
    #[must_use]
    pub fn signed_by(verifier: &Verifier, size: u64, root: Hash, signature: &[u8]) -> bool {
        let head = Self { origin: verifier.inner.name().to_owned(), size, root };
        verifier.verify(head.text().as_bytes(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LogKey {
        LogKey::from_seed("example.com/log", &[7; 32]).unwrap()
    }

    #[test]
    fn what_is_signed_is_read() {
        let (key, root) = (key(), [9; 32]);
        let note = Checkpoint::sign(&key, 1_000_000, root).unwrap();
        let verifier = key.verifier().clone();
        let head = Checkpoint::open(&note, &verifier).unwrap();
        assert_eq!(head, Checkpoint { origin: "example.com/log".into(), size: 1_000_000, root });
        let signature = Checkpoint::bare_signature(&note).unwrap();
        assert_eq!(signature.len(), 64);
        assert!(Checkpoint::signed_by(&verifier, 1_000_000, root, &signature));
        assert!(!Checkpoint::signed_by(&verifier, 999_999, root, &signature));
        assert!(!Checkpoint::signed_by(&verifier, 1_000_000, [8; 32], &signature));
    }

    #[test]
    fn a_witness_may_add_its_signature() {
        let (key, witness) = (key(), LogKey::from_seed("witness.example", &[8; 32]).unwrap());
        let mut note = Note::from_bytes(&Checkpoint::sign(&key, 3, [1; 32]).unwrap()).unwrap();
        note.add_sigs(&[&witness as &dyn Signer]).unwrap();
        assert_eq!(Checkpoint::open(&note.to_bytes(), key.verifier()).unwrap().size, 3);
        // Its signature alone is not the log's.
        let mut alone = Note::new(note.text(), &[]).unwrap();
        alone.add_sigs(&[&witness as &dyn Signer]).unwrap();
        let refused = Checkpoint::open(&alone.to_bytes(), key.verifier());
        assert!(matches!(refused, Err(CheckpointError::Signature(_))));
    }

    #[test]
    fn p9_a_changed_checkpoint_is_not_believed() {
        let (key, root) = (key(), [9; 32]);
        let verifier = key.verifier().clone();
        let good = Checkpoint::sign(&key, 12, root).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(Checkpoint::open(&bad, &verifier).is_err(), "byte {at}");
            assert!(Checkpoint::open(&good[..at], &verifier).is_err(), "cut at {at}");
        }
        let other = LogKey::from_seed("example.com/log", &[6; 32]).unwrap().verifier().clone();
        assert!(matches!(Checkpoint::open(&good, &other), Err(CheckpointError::Signature(_))));
        let other = LogKey::from_seed("example.com/other", &[7; 32]).unwrap().verifier().clone();
        assert!(matches!(Checkpoint::open(&good, &other), Err(CheckpointError::ForeignLog { .. })));
    }

    #[test]
    fn other_texts_are_refused_even_if_they_are_signed() {
        let key = key();
        let root = BASE64_STANDARD.encode([9; 32]);
        for text in [
            format!("example.com/log\n012\n{root}\n"),
            format!("example.com/log\n+12\n{root}\n"),
            format!("example.com/log\n18446744073709551615\n{root}\n"),
            format!("example.com/log\n12\n{root}\nextension\n"),
            format!("example.com/log\n12\n{}\n", &root[..40]),
            "example.com/log\n12\n".to_owned(),
            format!("\n12\n{root}\n"),
        ] {
            let mut note = Note::new(text.as_bytes(), &[]).unwrap();
            note.add_sigs(&[&key as &dyn Signer]).unwrap();
            let refused = Checkpoint::open(&note.to_bytes(), key.verifier());
            assert!(matches!(refused, Err(CheckpointError::Malformed)), "{text}");
        }
        let huge = vec![b'x'; CHECKPOINT_BYTES_MAX + 1];
        assert!(matches!(Checkpoint::open(&huge, key.verifier()), Err(CheckpointError::Malformed)));
    }
}
