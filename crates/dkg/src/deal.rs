//! Phase 2, `Deal`: commitments, one ephemeral point, everybody's encrypted dealing, proofs (protocol.md section 3).
//!
//! > R = r*G1; C_0..C_{t-1}, exactly t; the ciphertext of every player, the dealer included;
//! > c_i = d_i XOR H(enc(tag, S, info_digest, dealer, player, i)), S = r*E1_j, i = 0 for s, 1 for s'.
//!
//! A Feldman deal has one ciphertext of 32 bytes per player, a Pedersen deal two: `s_ij` and the blinder `s'_ij`.
//!
//! The signature covers a list of hashes, so that a chain can open one ciphertext without the others. Points are
//! uncompressed on the wire, which is cheaper to decode, and compressed in everything that is hashed.

use quorumkeep_curves::bls::{G1, G2, OnCurve, SecretScalar};
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::schnorr::{self, Proof};
use quorumkeep_curves::{rules, tags};
use quorumkeep_sharing::{HidingCommitment, Index, Polynomial};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::agree::{agree, agree_all};
use crate::committed::{Checked, Plain, Raw};
use crate::config::Protocol;
use crate::envelope::{Envelope, Header, Kind};
use crate::ids::{Address, Digest};
use crate::info::{Info, RoundKind};
use crate::limits;
use crate::secret::{Root, RoundSecrets};

/// A deal as it stands on the board: decoded, its points not yet checked for the subgroup.
#[derive(Debug, Clone)]
pub struct RawDeal {
    r: OnCurve<G1>,
    commitment: Raw,
    /// `H(C_0..C_{t-1})`, over compressed points: hashed once, used three times.
    points_hash: [u8; 32],
    ciphertexts: Vec<[u8; 32]>,
    /// `H(c_j)` for every player: of all his ciphertexts together.
    ciphertext_hashes: Vec<[u8; 32]>,
    proof_r: Proof<G1>,
    proof_constant: Option<Proof<G2>>,
}

/// A deal that passed every check but the players' own.
#[derive(Debug, Clone)]
pub struct VerifiedDeal {
    /// The dealer's index.
    pub index: Index,
    /// The dealer.
    pub dealer: Address,
    /// `R`.
    pub r: G1,
    /// `C_0..C_{t-1}`.
    pub commitment: Checked,
    /// [`Info::ciphertexts_each`] per player, in the order of `info.players`.
    pub ciphertexts: Vec<[u8; 32]>,
    /// See [`RawDeal::core`].
    pub core: Digest,
}

/// Why a deal counts as never posted. Its dealer is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DealFault {
    /// The bytes are not a deal.
    #[error("the deal is malformed: {0}")]
    Decode(#[from] Decode),
    /// Not exactly `t` commitments.
    #[error("the commitment does not have exactly t points")]
    Length,
    /// Not one ciphertext per player and polynomial.
    #[error("there is not one ciphertext per player and polynomial")]
    Ciphertexts,
    /// Commitments of another protocol than the round's.
    #[error("the commitments are not of the round's protocol")]
    Protocol,
    /// A reshare that does not deal the dealer's share of the source.
    #[error("the constant commitment is not the dealer's public share of the source")]
    Source,
    /// The proof of `r`.
    #[error("the proof of r is wrong")]
    ProofOfR,
    /// The proof of `a_0`.
    #[error("the proof of the constant is wrong or missing")]
    ProofOfConstant,
}

/// Makes the signed Deal of `dealer`. `constant` is the dealer's share of the source, or none in a DKG.
///
/// The same secrets and info give the same polynomial, `R` and ciphertexts; only proof nonces are fresh.
#[must_use]
pub fn build(
    info: &Info,
    dealer: &Address,
    secrets: &RoundSecrets,
    constant: Option<&SecretScalar>,
    key: &bn254::SecretKey,
    rng: &mut dyn CryptoRngCore,
) -> Option<Envelope> {
    Some(seal(info, dealer, &plain(info, dealer, secrets, constant, rng)?, key))
}

/// The deal before it is signed. None if the info has no threshold that a polynomial can have.
#[must_use]
pub fn plain(
    info: &Info,
    dealer: &Address,
    secrets: &RoundSecrets,
    constant: Option<&SecretScalar>,
    rng: &mut dyn CryptoRngCore,
) -> Option<PlainDeal> {
    let polynomial = polynomial(info, &secrets.root(&info.digest()), constant)?;
    of_polynomial(info, dealer, secrets, &polynomial, rng)
}

/// The deal of a polynomial that was chosen otherwise: by a liar of the simulator. Blinders are the round's own.
#[must_use]
pub fn of_polynomial(
    info: &Info,
    dealer: &Address,
    secrets: &RoundSecrets,
    polynomial: &Polynomial,
    rng: &mut dyn CryptoRngCore,
) -> Option<PlainDeal> {
    encrypt(info, dealer, &secrets.root(&info.digest()), polynomial, rng)
}

/// `f` of this dealer: the same for the same secrets and info.
pub(crate) fn polynomial(info: &Info, root: &Root, constant: Option<&SecretScalar>) -> Option<Polynomial> {
    derived(info, root, "coefficient", constant)
}

/// `f'` of this dealer, which hides `f` in a Pedersen generation.
pub(crate) fn blinding(info: &Info, root: &Root) -> Option<Polynomial> {
    derived(info, root, "blinder", None)
}

fn derived(info: &Info, root: &Root, label: &str, constant: Option<&SecretScalar>) -> Option<Polynomial> {
    let t = u32::from(info.threshold.get());
    let coefficient = |k: u32| match (k, constant) {
        (0, Some(constant)) => constant.copy(),
        _ => root.scalar(label, k),
    };
    Polynomial::from_coefficients((0..t).map(coefficient).collect()).ok()
}

fn encrypt(
    info: &Info,
    dealer: &Address,
    root: &Root,
    poly: &Polynomial,
    rng: &mut dyn CryptoRngCore,
) -> Option<PlainDeal> {
    let r = root.scalar("ephemeral", 0);
    let big_r = r.mul_g1();
    let blinding = info.h.and_then(|_| blinding(info, root));
    let commitment = match (&info.h, &blinding) {
        (Some(h), Some(blinding)) => {
            Plain::Pedersen(HidingCommitment::commit(poly, blinding, h).ok()?.points().to_vec())
        }
        _ => Plain::Feldman(poly.commit().points().to_vec()),
    };
    let ciphertexts = ciphertexts(info, dealer, &r, &[Some(poly), blinding.as_ref()]);
    let context = proof_context(info, dealer, &big_r, &commitment.hash());
    let nonce = root.nonce("proof-r", &context, rng);
    let proof_r = schnorr::prove(tags::DKG_PROOF_R, &context, &r, &big_r, nonce);
    let proves = info.trigger.kind == RoundKind::Genesis;
    let constant = commitment.feldman().and_then(|points| points.first()).filter(|_| proves);
    let proof_constant = constant.map(|constant| {
        let nonce = root.nonce("proof-constant", &context, rng);
        schnorr::prove(tags::DKG_PROOF_A0, &context, poly.constant(), constant, nonce)
    });
    Some(PlainDeal { r: big_r, commitment, ciphertexts, proof_r, proof_constant })
}

/// Everybody's dealings of these polynomials, each under its own pad.
#[must_use]
pub fn ciphertexts(
    info: &Info,
    dealer: &Address,
    r: &SecretScalar,
    polynomials: &[Option<&Polynomial>; 2],
) -> Vec<[u8; 32]> {
    let mut all = Vec::with_capacity(2 * info.players.len());
    let shared = agree_all(r, info.players.iter().map(|player| &player.e1));
    for (player, shared) in info.players.iter().zip(&*shared) {
        for (pad, polynomial) in (0_u8..).zip(polynomials.iter().flatten()) {
            let dealing = polynomial.evaluate(player.index).expose();
            all.push(*apply_pad(&dealing, shared, info, dealer, &player.address, pad));
        }
    }
    all
}

/// A deal in the making: the simulator's liars alter it before it is sealed.
#[derive(Debug, Clone)]
pub struct PlainDeal {
    /// `R`.
    pub r: G1,
    /// `C_0..C_{t-1}`.
    pub commitment: Plain,
    /// [`Info::ciphertexts_each`] per player.
    pub ciphertexts: Vec<[u8; 32]>,
    /// Of `r` for `R`.
    pub proof_r: Proof<G1>,
    /// Of `a_0` for `C_0`, in a DKG.
    pub proof_constant: Option<Proof<G2>>,
}

impl PlainDeal {
    /// As [`body_hash`] of [`PlainDeal::encode`].
    #[must_use]
    pub fn body_hash(&self) -> Digest {
        let each = ciphertexts_each(self.commitment.protocol());
        let r = Writer::raw().point(&self.r).hash();
        let proofs = proofs_hash(&self.proof_r, self.proof_constant.as_ref());
        parts_hash(&r, &self.commitment.hash(), &proofs, &ciphertext_hashes(&self.ciphertexts, each))
    }

    /// The bytes on the wire: points uncompressed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = self.commitment.write(Writer::new(tags::DKG_DEAL).fixed(&self.r.to_uncompressed()));
        writer = writer.list(self.ciphertexts.len());
        for ciphertext in &self.ciphertexts {
            writer = writer.fixed(ciphertext);
        }
        writer = self.proof_r.write(writer).u8(u8::from(self.proof_constant.is_some()));
        match &self.proof_constant {
            Some(proof) => proof.write(writer).finish(),
            None => writer.finish(),
        }
    }
}

/// Signs a deal.
#[must_use]
pub fn seal(info: &Info, dealer: &Address, deal: &PlainDeal, key: &bn254::SecretKey) -> Envelope {
    let header = Header {
        network: info.trigger.network,
        key: info.trigger.key,
        round: info.trigger.round(),
        digest: info.digest(),
        kind: Kind::Deal,
        sender: *dealer,
        recipient: Address::ZERO,
    };
    Envelope::signed(header, deal.encode(), &deal.body_hash(), key)
}

/// What stands for `H(body)` in the payload of a Deal: the hash over
/// `[H(R), H(C_0..C_{t-1}), H(proofs), H(c_1), .., H(c_|P|)]`, 32 bytes each.
///
/// # Errors
/// [`Decode`] if the body is not a deal.
pub fn body_hash(body: &[u8]) -> Result<Digest, Decode> {
    Ok(RawDeal::decode(body)?.parts_hash())
}

fn parts_hash(r: &[u8; 32], points: &[u8; 32], proofs: &[u8; 32], ciphertexts: &[[u8; 32]]) -> Digest {
    let writer = Writer::new(tags::DKG_DEAL_PARTS).list(3 + ciphertexts.len());
    let writer = writer.fixed(r).fixed(points).fixed(proofs);
    Digest(ciphertexts.iter().fold(writer, |writer, hash| writer.fixed(hash)).hash())
}

/// `H(c_j)` for every player: of all his ciphertexts together.
fn ciphertext_hashes(ciphertexts: &[[u8; 32]], each: usize) -> Vec<[u8; 32]> {
    ciphertexts.chunks(each).map(|own| keccak256(own.as_flattened())).collect()
}

fn proofs_hash(proof_r: &Proof<G1>, proof_constant: Option<&Proof<G2>>) -> [u8; 32] {
    let writer = proof_r.write(Writer::raw());
    match proof_constant {
        Some(proof) => proof.write(writer).hash(),
        None => writer.hash(),
    }
}

impl RawDeal {
    /// Reads one deal: at most [`limits::ROSTER_MAX`] commitments and twice as many ciphertexts.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value; points off the curve; the identity.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_DEAL)?;
        let r = reader.uncompressed_point::<G1>()?;
        let commitment = Raw::read(&mut reader)?;
        let points_hash = commitment.hash();
        let count = reader.list(2 * limits::ROSTER_MAX)?;
        let ciphertexts: Vec<[u8; 32]> = (0..count).map(|_| reader.fixed()).collect::<Result<_, _>>()?;
        let each = ciphertexts_each(commitment.protocol());
        let ciphertext_hashes = ciphertext_hashes(&ciphertexts, each);
        let proof_r = Proof::read(&mut reader)?;
        let proof_constant = match reader.u8()? {
            0 => None,
            1 => Some(Proof::read(&mut reader)?),
            _ => return Err(Decode::Value),
        };
        reader.finish()?;
        Ok(Self { r, commitment, points_hash, ciphertexts, ciphertext_hashes, proof_r, proof_constant })
    }

    pub(crate) fn parts_hash(&self) -> Digest {
        let r = self.r.write(Writer::raw()).hash();
        let proofs = proofs_hash(&self.proof_r, self.proof_constant.as_ref());
        parts_hash(&r, &self.points_hash, &proofs, &self.ciphertext_hashes)
    }

    /// `core = H(enc(tag, info_digest, dealer, R, H(C_k...), [H(c_j)]))`, over compressed points; proofs stay outside.
    #[must_use]
    pub fn core(&self, info_digest: &Digest, dealer: &Address) -> Digest {
        let mut writer = Writer::new(tags::DKG_CORE).fixed(&info_digest.0).fixed(&dealer.0);
        let hashes = &self.ciphertext_hashes;
        writer = self.r.write(writer).fixed(&self.points_hash).list(hashes.len());
        Digest(hashes.iter().fold(writer, |writer, hash| writer.fixed(hash)).hash())
    }

    pub(crate) const fn r(&self) -> OnCurve<G1> {
        self.r
    }

    pub(crate) const fn commitment(&self) -> &Raw {
        &self.commitment
    }

    pub(crate) const fn points_hash(&self) -> [u8; 32] {
        self.points_hash
    }

    pub(crate) const fn proof_r(&self) -> &Proof<G1> {
        &self.proof_r
    }

    pub(crate) const fn proof_constant(&self) -> Option<&Proof<G2>> {
        self.proof_constant.as_ref()
    }

    /// Everything but the players' own dealings.
    ///
    /// # Errors
    /// [`DealFault`]: the deal counts as never posted.
    pub fn verify(self, info: &Info, dealer: &Address) -> Result<VerifiedDeal, DealFault> {
        self.form(info, dealer)?;
        let r = self.r.check()?;
        let commitment = self.commitment.check()?;
        let raw = self.clone();
        let deal = self.accept(info, dealer, r, commitment)?;
        raw.check_proofs(info, dealer, &deal.r, &deal.commitment)?;
        Ok(deal)
    }

    /// Protocol and numbers of points and ciphertexts.
    pub(crate) fn form(&self, info: &Info, dealer: &Address) -> Result<(), DealFault> {
        if info.dealer(dealer).is_none() {
            return Err(DealFault::Source);
        }
        if self.commitment.protocol() != info.protocol {
            return Err(DealFault::Protocol);
        }
        let t = usize::from(info.threshold.get());
        if self.commitment.len() != t && (rules::on(rules::Rule::ExactLength) || self.commitment.len() < 2) {
            return Err(DealFault::Length);
        }
        if self.ciphertexts.len() != info.ciphertexts_each() * info.players.len() {
            return Err(DealFault::Ciphertexts);
        }
        Ok(())
    }

    /// The deal with these points, which are its own after their checks; its proofs are the caller's.
    pub(crate) fn accept(
        self,
        info: &Info,
        dealer: &Address,
        r: G1,
        commitment: Checked,
    ) -> Result<VerifiedDeal, DealFault> {
        let Some(role) = info.dealer(dealer) else { return Err(DealFault::Source) };
        let constant = commitment.feldman().map(|commitment| *commitment.constant());
        if role.constant.is_some() && role.constant != constant && rules::on(rules::Rule::SourceConstant) {
            return Err(DealFault::Source);
        }
        let core = self.core(&info.digest(), dealer);
        Ok(VerifiedDeal { index: role.index, dealer: *dealer, r, commitment, ciphertexts: self.ciphertexts, core })
    }

    fn check_proofs(&self, info: &Info, dealer: &Address, r: &G1, commitment: &Checked) -> Result<(), DealFault> {
        let context = proof_context(info, dealer, r, &self.points_hash);
        if rules::on(rules::Rule::ProofOfR) && !schnorr::verify(tags::DKG_PROOF_R, &context, r, &self.proof_r) {
            return Err(DealFault::ProofOfR);
        }
        let constant = commitment.feldman().map(|commitment| commitment.constant());
        let Some(constant) = constant.filter(|_| info.trigger.kind == RoundKind::Genesis) else {
            return if self.proof_constant.is_none() { Ok(()) } else { Err(DealFault::ProofOfConstant) };
        };
        let proof = self.proof_constant.as_ref().ok_or(DealFault::ProofOfConstant)?;
        let proven = schnorr::verify(tags::DKG_PROOF_A0, &context, constant, proof);
        if proven || !rules::on(rules::Rule::ProofOfA0) { Ok(()) } else { Err(DealFault::ProofOfConstant) }
    }
}

/// What a player gets from a dealer.
pub struct Dealing {
    /// `s_ij`.
    pub share: SecretScalar,
    /// `s'_ij`, in a Pedersen generation.
    pub blinder: Option<SecretScalar>,
}

impl VerifiedDeal {
    /// Decrypts and checks this player's dealing with his receive secret `e`.
    ///
    /// # Errors
    /// [`Opening`]: the dealing is wrong; complain with it.
    pub fn open(&self, info: &Info, player: &Address, receive: &SecretScalar) -> Result<Dealing, Opening> {
        let opening = agree(receive, &self.r);
        self.dealing(info, player, &opening).ok_or(Opening(opening.to_bytes()))
    }

    /// This player's dealing, decrypted and not compared with the commitment: for a sum that is compared as a whole.
    #[must_use]
    pub fn decrypt(&self, info: &Info, player: &Address, receive: &SecretScalar) -> Option<Dealing> {
        self.plaintext(info, player, &agree(receive, &self.r))
    }

    fn plaintext(&self, info: &Info, player: &Address, opening: &G1) -> Option<Dealing> {
        let (place, _) = info.player(player)?;
        let each = info.ciphertexts_each();
        let mut pads = (0_u8..).zip(self.ciphertexts.chunks(each).nth(place)?);
        let mut next = || {
            let (pad, text) = pads.next()?;
            let plain = apply_pad(text, opening, info, &self.dealer, player, pad);
            // A plaintext that is not below r is an invalid dealing, never reduced.
            Some(SecretScalar::from_be_bytes(&plain).ok())
        };
        let (share, blinder) = (next()??, next());
        match blinder {
            Some(None) => None,
            blinder => Some(Dealing { share, blinder: blinder.flatten() }),
        }
    }

    /// The dealing of `player` under the opening `S = e*R`, if it is a scalar that fits the commitment.
    #[must_use]
    pub fn dealing(&self, info: &Info, player: &Address, opening: &G1) -> Option<Dealing> {
        let (_, role) = info.player(player)?;
        let dealing = self.plaintext(info, player, opening)?;
        self.fits(info, role.index, &dealing).then_some(dealing)
    }

    /// Is this the dealing that the commitments promise at `index`?
    #[must_use]
    pub fn fits(&self, info: &Info, index: Index, dealing: &Dealing) -> bool {
        match (&self.commitment, &info.h, &dealing.blinder) {
            (Checked::Feldman(commitment), ..) => commitment.verify(index, &dealing.share),
            (Checked::Pedersen(commitment), Some(h), Some(blinder)) => {
                commitment.verify(index, h, (&dealing.share, blinder))
            }
            _ => false,
        }
    }
}

/// `S = e*R`, compressed: shows that a dealing is wrong, and reveals that dealing to everybody.
pub struct Opening(pub [u8; 48]);

/// XORs a dealing with `H(enc(tag, S, info_digest, dealer, player, pad))`: `pad` is 0 for `s`, 1 for `s'`. `S` is never
/// used unhashed.
#[must_use]
pub fn apply_pad(
    text: &[u8; 32],
    shared: &G1,
    info: &Info,
    dealer: &Address,
    player: &Address,
    pad: u8,
) -> Zeroizing<[u8; 32]> {
    let writer = Writer::new(tags::DKG_PAD).point(shared).fixed(&info.digest().0);
    let writer = writer.fixed(&dealer.0).fixed(&player.0).u8(pad);
    let preimage = Zeroizing::new(writer.finish());
    let mut out = Zeroizing::new(keccak256(&preimage));
    out.iter_mut().zip(text).for_each(|(pad, byte)| *pad ^= byte);
    out
}

/// `(info_digest, dealer, R, H(C_0..C_{t-1}))`.
#[must_use]
pub fn proof_context(info: &Info, dealer: &Address, r: &G1, commitment: &[u8; 32]) -> Vec<u8> {
    Writer::raw().fixed(&info.digest().0).fixed(&dealer.0).point(r).fixed(commitment).finish()
}

/// One dealing per polynomial: `s`, and `s'` if commitments hide.
pub(crate) const fn ciphertexts_each(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Feldman => 1,
        Protocol::Pedersen => 2,
    }
}
