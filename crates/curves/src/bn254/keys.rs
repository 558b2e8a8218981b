//! Keys and signatures.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ark_bn254::{Bn254, Config, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::bn::{BnConfig, G1Prepared, G2Prepared};
use ark_ec::pairing::Pairing;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{One, PrimeField, Zero};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::encoding::{fr_from_bytes, fr_to_bytes, g1_from_bytes, g1_to_bytes, g2_from_bytes, g2_to_bytes};
use super::{map_to_g1, times};
use crate::enc::{Decode, Writer};
use crate::hash::{keccak256, keccak256_many};
use crate::tags;

/// An operator's signing key.
///
/// # Security
///
/// No `Debug`, `Clone` or `Serialize`; zeroized on drop.
pub struct SecretKey(Fr);

/// An operator's public key: the same secret in G1 and in G2.
#[derive(Clone)]
pub struct PublicKey {
    g1: G1Affine,
    g2: G2Affine,
    /// The Miller loop's lines through `g2`, computed once.
    lines: Arc<G2Prepared<Config>>,
}

/// A signature, `S = sk * H(m)` in G1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(G1Affine);

impl SecretKey {
    /// A uniform key.
    #[must_use]
    pub fn random(rng: &mut dyn CryptoRngCore) -> Self {
        loop {
            let mut wide = Zeroizing::new([0_u8; 64]);
            rng.fill_bytes(&mut *wide);
            let secret = Fr::from_be_bytes_mod_order(&*wide);
            if !secret.is_zero() {
                return Self(secret);
            }
        }
    }

    /// Decodes 32 big-endian bytes.
    ///
    /// # Errors
    ///
    /// [`Decode::ScalarRange`] for 0 and for an integer that is not below the group order.
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, Decode> {
        let secret = fr_from_bytes(bytes)?;
        if secret.is_zero() {
            return Err(Decode::ScalarRange);
        }
        Ok(Self(secret))
    }

    /// A second holder of the same key.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(self.0)
    }

    /// 32 big-endian bytes, wiped when dropped. For encrypted storage only.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(fr_to_bytes(self.0))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let g1 = self.times_g1(G1Affine::generator());
        let (mut a, mut b) = self.split();
        let base = G2Affine::generator();
        let g2: G2Projective = base.mul_bigint(a.into_bigint()) + base.mul_bigint(b.into_bigint());
        a.zeroize();
        b.zeroize();
        PublicKey::from_points(g1, g2.into_affine())
    }

    /// Signs a 32-byte hash.
    #[must_use]
    pub fn sign(&self, hash: &[u8; 32]) -> Signature {
        Signature(self.times_g1(map_to_g1(hash)))
    }

    /// The proof of possession: a signature over `H(enc(tag, address, G1 key, G2 key))`.
    #[must_use]
    pub fn prove_possession(&self, address: &[u8; 20]) -> Signature {
        self.sign(&self.public().possession_hash(address))
    }

    fn times_g1(&self, point: G1Affine) -> G1Affine {
        let (mut a, mut b) = self.split();
        let product = times::sum_of_products(point, [&a, &b]);
        a.zeroize();
        b.zeroize();
        product
    }

    /// `(a, b)` with `a + b = sk` and `b` pseudorandom, another pair at every call in this process: the timing of a
    /// multiplication says nothing about the secret. The product does not depend on the split.
    fn split(&self) -> (Fr, Fr) {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let mut hasher = Sha512::new_with_prefix(tags::BN254_BLIND.as_bytes());
        hasher.update(*self.expose());
        hasher.update(call.to_be_bytes());
        let wide: Zeroizing<[u8; 64]> = Zeroizing::new(hasher.finalize().into());
        let b = Fr::from_be_bytes_mod_order(&*wide);
        (self.0 - b, b)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl zeroize::ZeroizeOnDrop for SecretKey {}

impl PublicKey {
    /// Bytes of an encoded public key.
    pub const LENGTH: usize = 192;

    fn from_points(g1: G1Affine, g2: G2Affine) -> Self {
        let lines = Arc::new(G2Prepared::from(g2));
        Self { g1, g2, lines }
    }

    /// Decodes 192 bytes.
    ///
    /// # Errors
    ///
    /// Refuses what is not canonical, not on the curve, not in the subgroup or the identity;
    /// [`Decode::Mismatch`] when the two points are not multiples by one secret: `e(g1, G2) != e(G1, g2)`.
    pub fn from_bytes(bytes: &[u8; 192]) -> Result<Self, Decode> {
        let (first, second) = bytes.split_first_chunk::<64>().ok_or(Decode::Truncated)?;
        let second = second.try_into().map_err(|_| Decode::Truncated)?;
        let key = Self::from_points(g1_from_bytes(first)?, g2_from_bytes(second)?);
        if !pairing_eq(key.g1, generator_lines(), G1Affine::generator(), &key.lines) {
            return Err(Decode::Mismatch);
        }
        Ok(key)
    }

    /// 192 bytes: G1 `x || y`, then G2 `XA1 || XA0 || YA1 || YA0`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 192] {
        let mut out = [0; 192];
        let (first, second) = out.split_at_mut(64);
        first.copy_from_slice(&self.g1_bytes());
        second.copy_from_slice(&self.g2_bytes());
        out
    }

    /// 64 bytes: the key in G1.
    #[must_use]
    pub fn g1_bytes(&self) -> [u8; 64] {
        g1_to_bytes(&self.g1)
    }

    /// 128 bytes: the key in G2.
    #[must_use]
    pub fn g2_bytes(&self) -> [u8; 128] {
        g2_to_bytes(&self.g2)
    }

    /// The operator's address where no chain gives one: the last 20 bytes of keccak256 of the key in G2.
    #[must_use]
    pub fn address(&self) -> [u8; 20] {
        let hash = keccak256(&self.g2_bytes());
        hash.last_chunk().copied().unwrap_or_default()
    }

    /// Whether `signature` is this key's signature over `hash`.
    #[must_use]
    pub fn verify(&self, hash: &[u8; 32], signature: &Signature) -> bool {
        pairing_eq(signature.0, generator_lines(), map_to_g1(hash), &self.lines)
    }

    /// Whether `proof` shows that the owner of `address` holds the secret key.
    #[must_use]
    pub fn verify_possession(&self, address: &[u8; 20], proof: &Signature) -> bool {
        self.verify(&self.possession_hash(address), proof)
    }

    fn possession_hash(&self, address: &[u8; 20]) -> [u8; 32] {
        let writer = Writer::new(tags::BN254_POSSESSION).fixed(address);
        writer.fixed(&self.to_bytes()).hash()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.g1 == other.g1 && self.g2 == other.g2
    }
}

impl Eq for PublicKey {}

impl core::hash::Hash for PublicKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.g1_bytes().hash(state);
    }
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "bn254::PublicKey(")?;
        crate::bls::write_hex(f, &self.g1_bytes())?;
        write!(f, ")")
    }
}

impl Signature {
    /// Bytes of an encoded signature.
    pub const LENGTH: usize = 64;

    /// 64 bytes `x || y`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        g1_to_bytes(&self.0)
    }

    /// Decodes 64 bytes.
    ///
    /// # Errors
    ///
    /// Refuses what is not canonical, not on the curve or the identity.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, Decode> {
        g1_from_bytes(bytes).map(Self)
    }
}

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "bn254::Signature(")?;
        crate::bls::write_hex(f, &self.to_bytes())?;
        write!(f, ")")
    }
}

/// Whether every signature is its key's signature over its hash, by one random combination:
/// `e(sum rho_i S_i, G2) = prod e(rho_i H_i, PK_i)`, the 128-bit `rho_i` hashed from all of it.
#[must_use]
pub fn verify_batch(items: &[([u8; 32], &PublicKey, &Signature)]) -> bool {
    if let [(hash, key, signature)] = items {
        return key.verify(hash, signature);
    }
    let seed = batch_seed(items);
    let mut total = G1Projective::zero();
    let mut points = Vec::with_capacity(items.len() + 1);
    for ((hash, _, signature), number) in items.iter().zip(0_u64..) {
        let rho = batch_coefficient(&seed, number);
        total += signature.0.mul_bigint(rho);
        points.push(-map_to_g1(hash).mul_bigint(rho));
    }
    points.push(total);
    let keys = items.iter().map(|(_, key, _)| &*key.lines);
    let lines = keys.chain([generator_lines()]);
    product_is_one(G1Projective::normalize_batch(&points), lines)
}

fn batch_seed(items: &[([u8; 32], &PublicKey, &Signature)]) -> [u8; 32] {
    let writer = Writer::new(tags::BN254_BATCH).list(items.len());
    let write = |writer: Writer, (hash, key, signature): &([u8; 32], &PublicKey, &Signature)| {
        let writer = writer.fixed(hash).fixed(&key.to_bytes());
        writer.fixed(&signature.to_bytes())
    };
    items.iter().fold(writer, write).hash()
}

fn batch_coefficient(seed: &[u8; 32], number: u64) -> [u64; 2] {
    let hash = keccak256_many(&[seed, &number.to_be_bytes()]);
    let (words, _) = hash.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
    // The lowest bit is set, so that no item is ever left out.
    let low = words.next().unwrap_or_default() | 1;
    [low, words.next().unwrap_or_default()]
}

fn generator_lines() -> &'static G2Prepared<Config> {
    static LINES: OnceLock<G2Prepared<Config>> = OnceLock::new();
    LINES.get_or_init(|| G2Prepared::from(G2Affine::generator()))
}

/// Whether `e(a, B) = e(c, D)`.
fn pairing_eq(a: G1Affine, b: &G2Prepared<Config>, c: G1Affine, d: &G2Prepared<Config>) -> bool {
    product_is_one(vec![a, -c], [b, d].into_iter())
}

fn product_is_one<'a>(points: Vec<G1Affine>, lines: impl Iterator<Item = &'a G2Prepared<Config>>) -> bool {
    let points = points.into_iter().map(G1Prepared::<Config>::from);
    let loops = Config::multi_miller_loop(points, lines.cloned());
    Bn254::final_exponentiation(loops).is_some_and(|product| product.0.is_one())
}
