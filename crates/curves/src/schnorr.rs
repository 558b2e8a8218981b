//! Non-interactive Schnorr proofs: "I know `x` with `X = x*G`", bound to a context.
//!
//! A proof is `(K, z)` with `K = k*G`, `c = hash_to_scalar(tag, enc(context, X, K))`, `z = k + c*x`; it holds when
//! `z*G == K + c*X`. The form with `K` (not with `c`) lets many proofs be checked in one multi-scalar multiplication.
//!
//! # Source
//!
//! Schnorr 1991, made non-interactive by Fiat and Shamir; strong form: the statement is hashed.

use crate::bls::{G1, G2, Group, Scalar, SecretScalar, hash_to_scalar};
use crate::enc::{Decode, Reader, Writer};
use crate::hash::keccak256_many;
use crate::tags::{self, Tag};

/// A proof of knowledge of a discrete logarithm: 48 + 32 bytes in G1, 96 + 32 in G2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof<G: Group> {
    /// `K = k*G`.
    pub commitment: G,
    /// `z = k + c*x`.
    pub response: Scalar,
}

/// A proof in G1.
pub type ProofG1 = Proof<G1>;
/// A proof in G2.
pub type ProofG2 = Proof<G2>;

/// One statement and its proof, for [`verify_batch`].
#[derive(Clone, Copy, Debug)]
pub struct Item<'a, G: Group> {
    /// The tag of the proof.
    pub tag: Tag,
    /// What the proof is bound to.
    pub context: &'a [u8],
    /// `X`.
    pub public: &'a G,
    /// The proof.
    pub proof: &'a Proof<G>,
}

/// Proves knowledge of `secret` with `public = secret*G`, bound to `tag` and `context`.
///
/// # Security
///
/// `nonce` must be uniform and used once: two proofs with one nonce and different contexts give the secret away. Derive
/// it from the secret's seed, the statement and fresh randomness.
#[must_use]
pub fn prove<G: Group>(tag: Tag, context: &[u8], secret: &SecretScalar, public: &G, nonce: SecretScalar) -> Proof<G> {
    let commitment = G::mul_generator(&nonce);
    let c = challenge(tag, context, public, &commitment);
    let response = secret.mul_public(&c).add(&nonce).declassify();
    Proof { commitment, response }
}

/// Whether the proof holds: `z*G == K + c*X`, and neither `X` nor `K` is the identity.
#[must_use]
pub fn verify<G: Group>(tag: Tag, context: &[u8], public: &G, proof: &Proof<G>) -> bool {
    if public.is_identity() || proof.commitment.is_identity() {
        return false;
    }
    let c = challenge(tag, context, public, &proof.commitment);
    times_generator::<G>(&proof.response) == proof.commitment + public.mul(&c)
}

/// Whether all proofs hold, by one random combination: `(sum rho_i z_i)*G == sum rho_i (K_i + c_i X_i)`.
///
/// The 128-bit `rho_i` are hashed from everything they combine, so the answer is a function of the input. A batch with
/// a false proof passes with probability `2^-128` per attempt of whoever chooses the proofs.
#[must_use]
pub fn verify_batch<G: Group>(items: &[Item<'_, G>]) -> bool {
    if let [item] = items {
        return verify(item.tag, item.context, item.public, item.proof);
    }
    let is_identity = |item: &Item<'_, G>| item.public.is_identity() || item.proof.commitment.is_identity();
    if items.iter().any(is_identity) {
        return false;
    }
    let challenges: Vec<Scalar> = items.iter().map(item_challenge).collect();
    let seed = batch_seed(items, &challenges);
    let (mut commitments, mut publics) = (Vec::new(), Vec::new());
    let (mut short, mut long) = (Vec::new(), Vec::new());
    let mut response = Scalar::zero();
    for ((item, c), number) in items.iter().zip(&challenges).zip(0_u32..) {
        let rho = batch_coefficient(&seed, number);
        response += rho * item.proof.response;
        commitments.push(item.proof.commitment);
        short.push(rho);
        publics.push(*item.public);
        long.push(rho * *c);
    }
    // Apart, because the sum with 128-bit factors costs half of the other.
    times_generator::<G>(&response) == G::msm(&commitments, &short) + G::msm(&publics, &long)
}

/// A public scalar times the generator: the table for secrets is also the fastest way for public ones.
fn times_generator<G: Group>(scalar: &Scalar) -> G {
    G::mul_generator(&SecretScalar::from_public(scalar))
}

/// `rho_number`: 128 bits of `H(seed || number)`, never 0 by more than chance.
#[must_use]
pub fn batch_coefficient(seed: &[u8; 32], number: u32) -> Scalar {
    let mut bytes = keccak256_many(&[seed, &number.to_be_bytes()]);
    if let Some(high) = bytes.first_chunk_mut::<16>() {
        high.fill(0);
    }
    Scalar::reduce_be(&bytes)
}

fn batch_seed<G: Group>(items: &[Item<'_, G>], challenges: &[Scalar]) -> [u8; 32] {
    let writer = Writer::new(tags::BLS_BATCH).list(items.len());
    let all = items.iter().zip(challenges);
    // A challenge already binds tag, context, X and K; with z the whole item is bound.
    all.fold(writer, |writer, (item, c)| writer.scalar(c).scalar(&item.proof.response)).hash()
}

fn item_challenge<G: Group>(item: &Item<'_, G>) -> Scalar {
    challenge(item.tag, item.context, item.public, &item.proof.commitment)
}

/// `c = hash_to_scalar(tag, enc(context, X, K))`.
fn challenge<G: Group>(tag: Tag, context: &[u8], public: &G, commitment: &G) -> Scalar {
    let statement = Writer::raw().bytes(context).point(public).point(commitment);
    hash_to_scalar(tag, &statement.finish())
}

impl<G: Group> Proof<G> {
    /// Bytes of an encoded proof.
    pub const LENGTH: usize = G::COMPRESSED + 32;

    /// Appends `K || z`, the point compressed.
    pub fn write(&self, writer: Writer) -> Writer {
        writer.point(&self.commitment).scalar(&self.response)
    }

    /// Reads `K || z` and checks `K`.
    ///
    /// # Errors
    ///
    /// [`Decode`] for anything that is not the encoding of a point of the subgroup and a scalar below `r`.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        Ok(Self { commitment: reader.point::<G>()?.check()?, response: reader.scalar()? })
    }
}

#[cfg(test)]
mod tests;
