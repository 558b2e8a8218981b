//! The public side of a backup key: a file that configurations, checks and recoveries are compared with.

use quorumkeep_custody::canonical::{self, NotCanonical};
use serde::{Deserialize, Serialize};

use crate::ciphertext::Ciphertext;
use crate::identity::Identity;
use crate::key::BackupPublicKey;
use crate::trezor::Authenticity;

/// Bytes of the longest card: a chain of certificates is in some.
pub const CARD_BYTES_MAX: usize = 64 * 1024;

/// Where the seed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Only on a device; and on paper, if its words were written down.
    Device,
    /// It was made by this program.
    Software,
}

/// The words of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The identifier of the SLIP-39 set: 15 bits that all its mnemonics have.
    pub set: u16,
    /// How many mnemonics recover it.
    pub threshold: u8,
    /// How many there are.
    pub shares: u8,
}

/// What is public about a backup key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCard {
    /// Which secret of which network.
    pub identity: Identity,
    /// The key.
    pub backup_key: BackupPublicKey,
    /// Where the seed is.
    pub mode: Mode,
    /// Do other secrets have keys below the same seed?
    pub shared_seed: bool,
    /// Its words, if this program made them.
    pub words: Option<Words>,
    /// A ciphertext of a value that everybody knows: whoever opens it has the key.
    pub canary: Ciphertext,
    /// What the device said of itself.
    pub authenticity: Option<Authenticity>,
}

impl KeyCard {
    /// The file: canonical JSON and a newline.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        [canonical::to_bytes(self), b"\n".to_vec()].concat()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`NotCanonical`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, NotCanonical> {
        canonical::from_bytes(bytes, CARD_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::key::BackupKey;

    #[test]
    fn a_card_is_one_file_and_nothing_more() {
        let backup_key = BackupKey::from_bytes(&[1; 32]).unwrap().public();
        let card = KeyCard {
            identity: "ten://backup@uat/network-secret".parse().unwrap(),
            backup_key,
            mode: Mode::Software,
            shared_seed: false,
            words: Some(Words { set: 7, threshold: 2, shares: 3 }),
            canary: Ciphertext::canary(&backup_key, &mut ChaCha20Rng::seed_from_u64(1)).unwrap(),
            authenticity: None,
        };
        let file = card.to_file();
        assert_eq!(KeyCard::from_file(&file), Ok(card));
        let text = String::from_utf8(file).unwrap();
        for other in
            [text.replace("\"mode\"", "\"secret\":1,\"mode\""), text.replace("software", "paper"), String::new()]
        {
            assert!(KeyCard::from_file(other.as_bytes()).is_err(), "{other}");
        }
    }
}
