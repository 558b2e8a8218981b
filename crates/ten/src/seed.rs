//! From words to a backup key: SLIP-39 master secret, BIP-32 with hardened steps only, SLIP-17.
//!
//! ```text
//! I = HMAC-SHA512("Bitcoin seed", seed)         master key I[..32], chain code I[32..]
//! I = HMAC-SHA512(chain, 0x00 || key || BE32(step))
//! key = I[..32] + key mod n, chain = I[32..]
//! ```
//!
//! A Trezor that was recovered from the same words derives the same keys.
//!
//! # Security
//!
//! Whoever has a seed has every key below it. Secrets that different people may recover have different seeds.
//!
//! # Source
//!
//! BIP-32, SLIP-0017, SLIP-0039.

use hmac::{Hmac, Mac};
use k256::Scalar;
use k256::elliptic_curve::PrimeField;
use quorumkeep_sharing::slip39::{self, Passphrase, Plan, Share};
use rand_core::CryptoRngCore;
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::identity::Identity;
use crate::key::{BackupKey, BackupPublicKey};

/// Bytes of a new seed.
pub const SEED_BYTES: usize = 32;
/// Bytes of the shortest and the longest seed that is accepted: what BIP-32 allows.
const SEED_BYTES_RANGE: core::ops::RangeInclusive<usize> = 16..=64;

/// A seed that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not 16 to 64 bytes.
    #[error("a seed has 16 to 64 bytes, not {0}")]
    Length(usize),
    /// A step gives no key. It happens for one seed in 2^127; choose another.
    #[error("this seed gives no key for this identity")]
    NoKey,
}

/// A master secret of SLIP-39; wiped when it is dropped.
pub struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// A new one of 256 bits.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        let mut bytes = Zeroizing::new(vec![0; SEED_BYTES]);
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The master secret that words gave.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, Error> {
        if SEED_BYTES_RANGE.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(Error::Length(bytes.len())) }
    }

    /// The bytes, for a set of a custody.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Are these its bytes? In constant time.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.0.ct_eq(bytes).into()
    }

    /// `n` mnemonics of which `t` are needed, with the empty passphrase, as a Trezor makes them.
    ///
    /// # Errors
    /// [`slip39::Error`] for numbers that are not possible.
    pub fn split(&self, t: u8, n: u8, rng: &mut impl CryptoRngCore) -> Result<Vec<Share>, slip39::Error> {
        let groups = slip39::split(&self.0, &Passphrase::new(b"")?, &Plan::simple(t, n), rng)?;
        Ok(groups.into_iter().flatten().collect())
    }

    /// The backup key of an identity.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub fn backup_key(&self, identity: &Identity) -> Result<BackupKey, Error> {
        self.derive(&identity.path())
    }

    fn derive(&self, path: &[u32]) -> Result<BackupKey, Error> {
        let mut node = Node::of(hmac(b"Bitcoin seed", &[&self.0]));
        for step in path {
            node = node.child(*step)?;
        }
        BackupKey::from_bytes(&node.key).map_err(|_| Error::NoKey)
    }
}

/// What was recovered, found to be the seed or the key itself by the public key that it must have.
///
/// A custody may hold either: the seed from which a key is derived, or a private key of 32 bytes.
#[must_use]
pub fn recognise(recovered: Zeroizing<Vec<u8>>, identity: &Identity, public: &BackupPublicKey) -> Option<BackupKey> {
    let is_it = |key: &BackupKey| bool::from(key.public().as_bytes().ct_eq(public.as_bytes()));
    let own = recovered.as_slice().try_into().ok().and_then(|bytes| BackupKey::from_bytes(bytes).ok()).filter(is_it);
    own.or_else(|| Seed::new(recovered).ok()?.backup_key(identity).ok().filter(is_it))
}

/// A private key and its chain code.
struct Node {
    key: Zeroizing<[u8; 32]>,
    chain: Zeroizing<[u8; 32]>,
}

impl Node {
    fn of(both: Zeroizing<[u8; 64]>) -> Self {
        let (mut key, mut chain) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        key.iter_mut().chain(chain.iter_mut()).zip(both.iter()).for_each(|(to, from)| *to = *from);
        Self { key, chain }
    }

    fn child(self, step: u32) -> Result<Self, Error> {
        let mut node = Self::of(hmac(&*self.chain, &[&[0], &*self.key, &step.to_be_bytes()]));
        let mut sum = scalar(&node.key)? + scalar(&self.key)?;
        *node.key = sum.to_bytes().into();
        sum.zeroize();
        Ok(node)
    }
}

fn scalar(bytes: &[u8; 32]) -> Result<Scalar, Error> {
    Scalar::from_repr((*bytes).into()).into_option().ok_or(Error::NoKey)
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    // A key of any length is a key of HMAC.
    let Ok(start) = Hmac::<Sha512>::new_from_slice(key) else { return Zeroizing::new([0; 64]) };
    let mac = parts.iter().fold(start, |mac, part| mac.chain_update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::vectors::{bytes, load, text};

    /// BIP-32 test vector 1, m/0': the one hardened step of it.
    #[test]
    fn bip32_vector_1() {
        let seed = Seed::new(Zeroizing::new((0..16).collect())).unwrap();
        let node = Node::of(hmac(b"Bitcoin seed", &[&seed.0]));
        assert_eq!(hex::encode(*node.key), "e8f32e723decf4051aefac8e2c93c9c5b214313817cdb01a1494b917c8436b35");
        let child = node.child(1 << 31).unwrap();
        assert_eq!(hex::encode(*child.key), "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea");
        assert_eq!(hex::encode(*child.chain), "47fdacbd0f1097043b78c63c20c34ef4ed9a111d980047ad16282c7ae6236141");
    }

    /// From the words of the official vector 45, with and without passphrase, to the key and into the ciphertext.
    #[test]
    fn from_words_to_the_secret() {
        let Some(vectors) = load("ten/e2e_slip39_slip17_ecies.json") else { return };
        for vector in vectors["vectors"].as_array().unwrap() {
            let words = vector["mnemonics"].as_array().unwrap();
            let shares: Vec<Share> = words.iter().map(|words| Share::parse(text(words)).unwrap()).collect();
            let passphrase = Passphrase::new(text(&vector["passphrase"]).as_bytes()).unwrap();
            let combined = slip39::combine(&shares, &passphrase, slip39::EXPONENT_MAX).unwrap();
            assert_eq!(*combined.secret, bytes(&vector["master_secret"]));
            let identity: Identity = text(&vector["identity_uri"]).parse().unwrap();
            let path: Vec<u32> = serde_json::from_value(vector["path"].clone()).unwrap();
            assert_eq!(identity.path().to_vec(), path);
            let key = Seed::new(combined.secret).unwrap().backup_key(&identity).unwrap();
            assert_eq!(key.public().to_string(), text(&vector["backup_pubkey_compressed"]));
            let private = BackupKey::read(text(&vector["backup_privkey"]).as_bytes()).unwrap();
            assert_eq!(private.public(), key.public());
        }
    }

    #[test]
    fn shares_of_a_new_seed_give_its_keys_and_each_identity_has_its_own() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let seed = Seed::random(&mut rng);
        let shares = seed.split(2, 3, &mut rng).unwrap();
        let again = slip39::combine(&shares[1..], &Passphrase::new(b"").unwrap(), 10).unwrap();
        let network: Identity = "ten://backup@uat/network-secret".parse().unwrap();
        let gateway: Identity = "ten://backup@uat/gateway/one".parse().unwrap();
        let key = seed.backup_key(&network).unwrap().public();
        assert_ne!(key, seed.backup_key(&gateway).unwrap().public());
        assert_eq!(recognise(again.secret.clone(), &network, &key).unwrap().public(), key);
        assert!(recognise(again.secret, &gateway, &key).is_none());
        let private = [7; 32];
        let public = BackupKey::from_bytes(&private).unwrap().public();
        assert_eq!(recognise(Zeroizing::new(private.to_vec()), &network, &public).unwrap().public(), public);
        for length in [0, 15, 65] {
            assert_eq!(Seed::new(Zeroizing::new(vec![1; length])).err(), Some(Error::Length(length)));
        }
    }
}
