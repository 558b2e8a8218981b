//! Phase 4 of a Pedersen generation, first part: a dealer opens what it committed to, in G2 (protocol.md section 3).
//!
//! New-DKG of Gennaro, Jarecki, Krawczyk and Rabin, step 4:
//!
//! > Extracting y = g^x: each party i in QUAL exposes y_i = g^{z_i} mod p via Feldman VSS: each party i in QUAL broadcasts
//! > A_ik = g^{a_ik} mod p for k = 0..t.
//!
//! Theirs goes on with complaints about `A_ik`. Here one proof ties every `A_k` to its `C_k`, so there is nothing to
//! complain about: an Extract is valid on the board, or missing.
//!
//! ```text
//! rho_k = H(tag, info_digest, dealer, all C, all A, k)
//! C* = sum rho_k C_k      A* = sum rho_k A_k
//! knowledge of (u, v) with C* = u*G1 + v*h and A* = u*G2
//! ```
//!
//! # Security
//! If some `A_k != a_k*G2`, then `sum rho_k (A_k - a_k*G2)` is zero with probability `1/r` for each choice of all `A`, so
//! `A*` has another logarithm than the one that the dealer can open `C*` to, unless it knows `log h`.

use quorumkeep_curves::bls::{G1, G2, OnCurve, Scalar, SecretScalar, check_all, hash_to_scalar};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::{rules, tags};
use quorumkeep_sharing::{Commitment, HidingCommitment, Polynomial};
use rand_core::CryptoRngCore;

use crate::deal::{self, VerifiedDeal};
use crate::ids::Address;
use crate::info::Info;
use crate::limits;
use crate::secret::RoundSecrets;

/// The body of an Extract: `A_0..A_{t-1}`, `t` points of G2, and the link proof.
#[derive(Debug, Clone)]
pub struct Extract {
    points: Vec<OnCurve<G2>>,
    proof: LinkProof,
}

/// Knowledge of `(u, v)` with `C* = u*G1 + v*h` and `A* = u*G2`: 208 bytes.
#[derive(Debug, Clone, Copy)]
pub struct LinkProof {
    /// `k_u*G1 + k_v*h`.
    pub hiding: G1,
    /// `k_u*G2`.
    pub plain: G2,
    /// `k_u + c*u`.
    pub u: Scalar,
    /// `k_v + c*v`.
    pub v: Scalar,
}

/// An Extract in the making: the simulator's liars alter it.
#[derive(Debug, Clone)]
pub struct PlainExtract {
    /// `A_0..A_{t-1}`.
    pub points: Vec<G2>,
    /// The link proof.
    pub proof: LinkProof,
}

impl PlainExtract {
    /// What `dealer` owes the board about its own deal: the same polynomial for the same secrets, a fresh proof.
    ///
    /// None in a Feldman round, which has nothing to extract.
    #[must_use]
    pub fn build(
        info: &Info,
        dealer: &Address,
        deal: &VerifiedDeal,
        secrets: &RoundSecrets,
        rng: &mut dyn CryptoRngCore,
    ) -> Option<Self> {
        let (h, hiding) = (info.h?, deal.commitment.pedersen()?);
        let root = secrets.root(&info.digest());
        let (polynomial, blinding) = (deal::polynomial(info, &root, None)?, deal::blinding(info, &root)?);
        let points = polynomial.commit().points().to_vec();
        let context = context(info, dealer, hiding, &points);
        let rho = factors(&context, points.len());
        let (u, v) = (combine_secret(&polynomial, &rho), combine_secret(&blinding, &rho));
        let (k_u, k_v) = (root.nonce("link-u", &context, rng), root.nonce("link-v", &context, rng));
        let (hiding, plain) = (k_u.mul_g1() + h.mul_secret(&k_v), k_u.mul_g2());
        let c = challenge(&context, &hiding, &plain);
        let respond = |secret: &SecretScalar, nonce: &SecretScalar| secret.mul_public(&c).add(nonce).declassify();
        Some(Self { points, proof: LinkProof { hiding, plain, u: respond(&u, &k_u), v: respond(&v, &k_v) } })
    }

    /// The bytes on the wire: points uncompressed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(tags::DKG_EXTRACT).list(self.points.len());
        let writer = self.points.iter().fold(writer, |writer, point| writer.fixed(&point.to_uncompressed()));
        let LinkProof { hiding, plain, u, v } = &self.proof;
        writer.point(hiding).point(plain).scalar(u).scalar(v).finish()
    }
}

impl Extract {
    /// Reads one Extract: at most [`limits::ROSTER_MAX`] points, their subgroup not yet checked.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value; points off the curve; the identity.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_EXTRACT)?;
        let count = reader.list(limits::ROSTER_MAX)?;
        let points = (0..count).map(|_| reader.uncompressed_point()).collect::<Result<_, _>>()?;
        let (hiding, plain) = (reader.point::<G1>()?.check()?, reader.point::<G2>()?.check()?);
        let proof = LinkProof { hiding, plain, u: reader.scalar()?, v: reader.scalar()? };
        reader.finish()?;
        Ok(Self { points, proof })
    }

    /// The extracted commitments, if they are those that `deal` hides.
    #[must_use]
    pub fn verify(&self, info: &Info, dealer: &Address, deal: &VerifiedDeal) -> Option<Commitment> {
        let (h, hiding) = (info.h?, deal.commitment.pedersen()?);
        let points = check_all(&self.points).ok()?;
        if points.len() != hiding.threshold() {
            return None;
        }
        let linked = self.proof.holds(&h, hiding, &points, &context(info, dealer, hiding, &points));
        if linked || !rules::on(rules::Rule::LinkProof) { Commitment::new(points).ok() } else { None }
    }
}

impl LinkProof {
    fn holds(&self, h: &G1, hiding: &HidingCommitment, points: &[G2], context: &[u8]) -> bool {
        let rho = factors(context, points.len());
        let (c_star, a_star) = (G1::msm(hiding.points(), &rho), G2::msm(points, &rho));
        let c = challenge(context, &self.hiding, &self.plain);
        let public = |scalar: &Scalar| SecretScalar::from_public(scalar);
        public(&self.u).mul_g1() + h.mul(&self.v) == self.hiding + c_star.mul(&c)
            && public(&self.u).mul_g2() == self.plain + a_star.mul(&c)
    }
}

/// `enc(info_digest, dealer, all C, all A)`.
fn context(info: &Info, dealer: &Address, hiding: &HidingCommitment, points: &[G2]) -> Vec<u8> {
    let writer = Writer::raw().fixed(&info.digest().0).fixed(&dealer.0).list(hiding.threshold());
    let writer = hiding.points().iter().fold(writer, Writer::point).list(points.len());
    points.iter().fold(writer, Writer::point).finish()
}

/// `rho_0 .. rho_{t-1}`.
fn factors(context: &[u8], count: usize) -> Vec<Scalar> {
    let hash = quorumkeep_curves::hash::keccak256(context);
    let factor = |k| hash_to_scalar(tags::DKG_LINK_FACTOR, &Writer::raw().fixed(&hash).u32(k).finish());
    (0_u32..).take(count).map(factor).collect()
}

fn challenge(context: &[u8], hiding: &G1, plain: &G2) -> Scalar {
    hash_to_scalar(tags::DKG_LINK_CHALLENGE, &Writer::raw().bytes(context).point(hiding).point(plain).finish())
}

fn combine_secret(polynomial: &Polynomial, rho: &[Scalar]) -> SecretScalar {
    let terms = polynomial.coefficients().zip(rho);
    terms.fold(SecretScalar::zero(), |sum, (coefficient, rho)| sum.add(&coefficient.mul_public(rho)))
}
