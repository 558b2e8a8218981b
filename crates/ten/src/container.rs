//! One backup as a file: everything that a recovery needs but the key, signed, and no secret. Keep copies anywhere.
//!
//! # Security
//!
//! The signature says who captured the ciphertext, from where and when; it is of a person or of the backup service. What was
//! captured may still be the secret of somebody in the middle: the RPC key that is recorded here came the same way. A recovery
//! compares with one that is known from elsewhere.

use quorumkeep_curves::hash::sha256;
use quorumkeep_curves::tags;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::canonical::{self, NotCanonical};
use quorumkeep_custody::keys::{SignKey, Signature, VerifyKey};
use serde::{Deserialize, Serialize};

use crate::ciphertext::Ciphertext;
use crate::identity::Identity;
use crate::key::BackupPublicKey;
use crate::secret::RpcKey;

/// Bytes of the longest container.
pub const CONTAINER_BYTES_MAX: usize = 8192;
/// Characters of the longest source.
const SOURCE_CHARS_MAX: usize = 512;
/// The form that is written.
const FORM: u8 = 1;

/// A container that is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a container.
    #[error("this is no backup: {0}")]
    Decode(#[from] NotCanonical),
    /// What it says contradicts itself.
    #[error("the backup contradicts itself: {0}")]
    Content(&'static str),
    /// Of somebody whose signature does not count.
    #[error("the backup is signed by {0}, who is not trusted")]
    Signer(Hex<32>),
    /// Not signed by whom it names.
    #[error("the signature of the backup is wrong: it was changed")]
    Signature,
    /// Of another secret or network.
    #[error("the backup is of {0}")]
    Identity(Identity),
}

/// What was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// 1.
    pub form: u8,
    /// Which secret of which network.
    pub identity: Identity,
    /// The major version of the network to which the secret belongs; each has its own.
    pub major_version: u32,
    /// What it is encrypted to.
    pub backup_key: BackupPublicKey,
    /// The encrypted secret.
    pub ciphertext: Ciphertext,
    /// SHA-256 of the ciphertext.
    pub sha256: Hash,
    /// What the same node answered to `ten_rpcKey`; always there for a network, never for a gateway.
    pub rpc_key: Option<RpcKey>,
    /// The address that was asked.
    pub source: String,
    /// When, in milliseconds of Unix time.
    pub time_ms: u64,
}

/// A backup and who stands behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBackup {
    /// What was captured.
    pub backup: Backup,
    /// By whom.
    pub signer: VerifyKey,
    /// Over the canonical encoding of `backup`.
    pub signature: Signature,
}

/// Where a ciphertext came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The address that was asked.
    pub source: String,
    /// When, in milliseconds of Unix time.
    pub time_ms: u64,
}

impl Backup {
    /// What was captured of one secret.
    ///
    /// # Errors
    /// [`Error::Content`].
    pub fn new(
        (identity, major_version): (Identity, u32),
        backup_key: BackupPublicKey,
        ciphertext: Ciphertext,
        rpc_key: Option<RpcKey>,
        origin: Origin,
    ) -> Result<Self, Error> {
        let Origin { source, time_ms } = origin;
        let sha256 = Hex(sha256(ciphertext.as_bytes()));
        let new =
            Self { form: FORM, identity, major_version, backup_key, ciphertext, sha256, rpc_key, source, time_ms };
        new.check()?;
        Ok(new)
    }

    fn check(&self) -> Result<(), Error> {
        let plain = self.source.chars().all(|character| (' '..='~').contains(&character));
        let reason = match self.rpc_key {
            _ if self.form != FORM => "its form is not known",
            _ if self.sha256.0 != sha256(self.ciphertext.as_bytes()) => "the hash is not that of the ciphertext",
            _ if self.source.len() > SOURCE_CHARS_MAX || !plain => "the source is no address",
            Some(key) if key.is_of_zero() => "the RPC key is that of the all-zero secret",
            None if self.identity.is_network_secret() => "the RPC key of the network is missing",
            Some(_) if !self.identity.is_network_secret() => "a gateway has no RPC key",
            _ => return Ok(()),
        };
        Err(Error::Content(reason))
    }

    /// Signs it.
    #[must_use]
    pub fn sign(self, key: &SignKey) -> SignedBackup {
        let signature = key.sign(tags::TEN_BACKUP, &canonical::to_bytes(&self));
        SignedBackup { backup: self, signer: key.verify_key(), signature }
    }
}

impl SignedBackup {
    /// The file: canonical JSON and a newline.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        [canonical::to_bytes(self), b"\n".to_vec()].concat()
    }

    /// Reads a file. Nothing in it is believed before [`SignedBackup::verify`].
    ///
    /// # Errors
    /// [`Error::Decode`], [`Error::Content`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, Error> {
        let signed: Self = canonical::from_bytes(bytes, CONTAINER_BYTES_MAX)?;
        signed.backup.check()?;
        Ok(signed)
    }

    /// The backup, if one of those who are trusted signed it and it is of `identity`.
    ///
    /// # Errors
    /// [`Error::Signer`], [`Error::Signature`], [`Error::Identity`].
    pub fn verify(&self, trusted: &[VerifyKey], identity: &Identity) -> Result<&Backup, Error> {
        if !trusted.contains(&self.signer) {
            return Err(Error::Signer(self.signer.0));
        }
        let message = canonical::to_bytes(&self.backup);
        if !self.signer.verify(tags::TEN_BACKUP, &message, &self.signature) {
            return Err(Error::Signature);
        }
        if self.backup.identity == *identity {
            Ok(&self.backup)
        } else {
            Err(Error::Identity(self.backup.identity.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use zeroize::Zeroizing;

    use super::*;
    use crate::key::BackupKey;
    use crate::secret::{NetworkSecret, Secret};

    fn backup(identity: &str, rpc_key: Option<RpcKey>) -> Result<Backup, Error> {
        let public = BackupKey::from_bytes(&[1; 32]).unwrap().public();
        let secret = Secret::new(&[7; 32]).unwrap();
        let sealed = Ciphertext::seal(&public, &secret, &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
        let origin = Origin { source: "http://127.0.0.1:80".into(), time_ms: 5 };
        Backup::new((identity.parse().unwrap(), 1), public, sealed, rpc_key, origin)
    }

    fn rpc_key() -> Option<RpcKey> {
        NetworkSecret::new(Secret::new(&[7; 32]).unwrap()).rpc_key()
    }

    const NETWORK: &str = "ten://backup@uat/network-secret";
    const GATEWAY: &str = "ten://backup@uat/gateway/one";

    #[test]
    fn a_container_is_believed_from_a_trusted_signer_for_its_identity() {
        let key = SignKey::from_seed(&Zeroizing::new([3; 32]));
        let other = SignKey::from_seed(&Zeroizing::new([4; 32])).verify_key();
        let signed = backup(NETWORK, rpc_key()).unwrap().sign(&key);
        let read = SignedBackup::from_file(&signed.to_file()).unwrap();
        assert_eq!(read, signed);
        let (network, gateway): (Identity, Identity) = (NETWORK.parse().unwrap(), GATEWAY.parse().unwrap());
        assert_eq!(read.verify(&[other, key.verify_key()], &network), Ok(&signed.backup));
        assert_eq!(read.verify(&[other], &network), Err(Error::Signer(key.verify_key().0)));
        assert_eq!(read.verify(&[], &network), Err(Error::Signer(key.verify_key().0)));
        assert_eq!(read.verify(&[key.verify_key()], &gateway), Err(Error::Identity(network.clone())));
        let mut changed = read.clone();
        changed.backup.time_ms += 1;
        assert_eq!(changed.verify(&[key.verify_key()], &network), Err(Error::Signature));
        changed.signer = other;
        assert_eq!(changed.verify(&[other], &network), Err(Error::Signature));
    }

    #[test]
    fn a_container_that_contradicts_itself_is_none() {
        assert!(backup(GATEWAY, None).is_ok());
        for (identity, key) in [(NETWORK, None), (GATEWAY, rpc_key()), (NETWORK, Some(RpcKey::OF_ZERO))] {
            assert!(matches!(backup(identity, key), Err(Error::Content(_))), "{identity} {key:?}");
        }
        let key = SignKey::from_seed(&Zeroizing::new([3; 32]));
        let good = backup(NETWORK, rpc_key()).unwrap();
        let changes: [fn(&mut Backup); 3] =
            [|backup| backup.sha256.0[0] ^= 1, |backup| backup.form = 2, |backup| backup.source = "a\nb".into()];
        for change in changes {
            let mut wrong = good.clone();
            change(&mut wrong);
            assert!(matches!(SignedBackup::from_file(&wrong.sign(&key).to_file()), Err(Error::Content(_))));
        }
        let file = good.sign(&key).to_file();
        assert!(matches!(SignedBackup::from_file(&file[..file.len() / 2]), Err(Error::Decode(_))));
        assert!(matches!(SignedBackup::from_file(&[b' '; CONTAINER_BYTES_MAX + 1]), Err(Error::Decode(_))));
    }
}
