//! Phase 2, `Deal`: commitments, one ephemeral point, everybody's encrypted dealing, proofs (protocol.md section 3).
//!
//! > R = r*G1; C_0..C_{t-1}, exactly t; the ciphertext of every player, the dealer included;
//! > c = d XOR H(enc(tag, S, info_digest, dealer, player, i)), S = r*E1_j.
//!
//! The signature covers a list of hashes, so that a chain can open one ciphertext without the others. Points are
//! uncompressed on the wire, which is cheaper to decode, and compressed in everything that is hashed.

use quorumkeep_curves::bls::{G1, G2, OnCurve, SecretScalar, check_all};
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::schnorr::{self, Proof};
use quorumkeep_curves::{rules, tags};
use quorumkeep_sharing::{Commitment, Index, Polynomial};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::envelope::{Envelope, Header, Kind};
use crate::ids::{Address, Digest};
use crate::info::{Info, Player, RoundKind};
use crate::limits;
use crate::secret::{Root, RoundSecrets};

/// A deal as it stands on the board: decoded, its points not yet checked for the subgroup.
#[derive(Debug, Clone)]
pub struct RawDeal {
    r: OnCurve<G1>,
    commitment: Vec<OnCurve<G2>>,
    ciphertexts: Vec<[u8; 32]>,
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
    pub commitment: Commitment,
    /// One per player, in the order of `info.players`.
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
    /// Not one ciphertext per player.
    #[error("there is not one ciphertext per player")]
    Ciphertexts,
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
    Some(of_polynomial(info, dealer, secrets, &polynomial, rng))
}

/// The deal of a polynomial that was chosen otherwise: by a liar of the simulator.
#[must_use]
pub fn of_polynomial(
    info: &Info,
    dealer: &Address,
    secrets: &RoundSecrets,
    polynomial: &Polynomial,
    rng: &mut dyn CryptoRngCore,
) -> PlainDeal {
    encrypt(info, dealer, &secrets.root(&info.digest()), polynomial, rng)
}

fn polynomial(info: &Info, root: &Root, constant: Option<&SecretScalar>) -> Option<Polynomial> {
    let t = u32::from(info.threshold.get());
    let coefficient = |k: u32| match (k, constant) {
        (0, Some(constant)) => constant.copy(),
        _ => root.scalar("coefficient", k),
    };
    Polynomial::from_coefficients((0..t).map(coefficient).collect()).ok()
}

fn encrypt(info: &Info, dealer: &Address, root: &Root, poly: &Polynomial, rng: &mut dyn CryptoRngCore) -> PlainDeal {
    let r = root.scalar("ephemeral", 0);
    let (big_r, commitment) = (r.mul_g1(), poly.commit());
    let seal = |player: &Player| {
        let shared = player.e1.mul_secret(&r);
        apply_pad(&poly.evaluate(player.index).expose(), &shared, info, dealer, &player.address)
    };
    let ciphertexts = info.players.iter().map(|player| *seal(player)).collect();
    let context = proof_context(info, dealer, &big_r, &commitment);
    let proof_r = {
        let nonce = root.nonce("proof-r", &context, rng);
        schnorr::prove(tags::DKG_PROOF_R, &context, &r, &big_r, nonce)
    };
    let proof_constant = (info.trigger.kind == RoundKind::Genesis).then(|| {
        let nonce = root.nonce("proof-constant", &context, rng);
        schnorr::prove(tags::DKG_PROOF_A0, &context, poly.constant(), commitment.constant(), nonce)
    });
    PlainDeal { r: big_r, commitment: commitment.points().to_vec(), ciphertexts, proof_r, proof_constant }
}

/// A deal in the making: the simulator's liars alter it before it is sealed.
#[derive(Debug, Clone)]
pub struct PlainDeal {
    /// `R`.
    pub r: G1,
    /// `C_0..C_{t-1}`.
    pub commitment: Vec<G2>,
    /// One per player.
    pub ciphertexts: Vec<[u8; 32]>,
    /// Of `r` for `R`.
    pub proof_r: Proof<G1>,
    /// Of `a_0` for `C_0`, in a DKG.
    pub proof_constant: Option<Proof<G2>>,
}

impl PlainDeal {
    /// The bytes on the wire: points uncompressed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::DKG_DEAL).fixed(&self.r.to_uncompressed()).list(self.commitment.len());
        for point in &self.commitment {
            writer = writer.fixed(&point.to_uncompressed());
        }
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
    let body = deal.encode();
    // What was just encoded decodes; the zero digest would only give a signature that nobody accepts.
    let hash = body_hash(&body).unwrap_or_default();
    Envelope::signed(header, body, &hash, key)
}

/// What stands for `H(body)` in the payload of a Deal: the hash over
/// `[H(R), H(C_0..C_{t-1}), H(proofs), H(c_1), .., H(c_|P|)]`, 32 bytes each.
///
/// # Errors
/// [`Decode`] if the body is not a deal.
pub fn body_hash(body: &[u8]) -> Result<Digest, Decode> {
    Ok(RawDeal::decode(body)?.parts_hash())
}

impl RawDeal {
    /// Reads one deal: at most [`limits::ROSTER_MAX`] commitments and twice as many ciphertexts.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value; points off the curve; the identity.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_DEAL)?;
        let r = reader.uncompressed_point::<G1>()?;
        let count = reader.list(limits::ROSTER_MAX)?;
        let commitment = (0..count).map(|_| reader.uncompressed_point::<G2>()).collect::<Result<_, _>>()?;
        let count = reader.list(2 * limits::ROSTER_MAX)?;
        let ciphertexts = (0..count).map(|_| reader.fixed()).collect::<Result<_, _>>()?;
        let proof_r = Proof::read(&mut reader)?;
        let proof_constant = match reader.u8()? {
            0 => None,
            1 => Some(Proof::read(&mut reader)?),
            _ => return Err(Decode::Value),
        };
        reader.finish()?;
        Ok(Self { r, commitment, ciphertexts, proof_r, proof_constant })
    }

    fn commitment_hash(&self) -> [u8; 32] {
        let writer = Writer::raw().list(self.commitment.len());
        self.commitment.iter().fold(writer, |writer, point| point.write(writer)).hash()
    }

    fn proofs_hash(&self) -> [u8; 32] {
        let writer = self.proof_r.write(Writer::raw());
        match &self.proof_constant {
            Some(proof) => proof.write(writer).hash(),
            None => writer.hash(),
        }
    }

    fn parts_hash(&self) -> Digest {
        let mut writer = Writer::new(tags::DKG_DEAL_PARTS).list(3 + self.ciphertexts.len());
        writer = writer.fixed(&self.r.write(Writer::raw()).hash()).fixed(&self.commitment_hash());
        writer = writer.fixed(&self.proofs_hash());
        let hashes = self.ciphertexts.iter().map(|ciphertext| keccak256(ciphertext));
        Digest(hashes.fold(writer, |writer, hash| writer.fixed(&hash)).hash())
    }

    /// `core = H(enc(tag, info_digest, dealer, R, H(C_k...), [H(c_j)]))`, over compressed points; proofs stay outside.
    #[must_use]
    pub fn core(&self, info_digest: &Digest, dealer: &Address) -> Digest {
        let mut writer = Writer::new(tags::DKG_CORE).fixed(&info_digest.0).fixed(&dealer.0);
        writer = self.r.write(writer).fixed(&self.commitment_hash()).list(self.ciphertexts.len());
        let hashes = self.ciphertexts.iter().map(|ciphertext| keccak256(ciphertext));
        Digest(hashes.fold(writer, |writer, hash| writer.fixed(&hash)).hash())
    }

    /// Everything but the players' own dealings.
    ///
    /// # Errors
    /// [`DealFault`]: the deal counts as never posted.
    pub fn verify(self, info: &Info, dealer: &Address) -> Result<VerifiedDeal, DealFault> {
        let core = self.core(&info.digest(), dealer);
        let Some(role) = info.dealer(dealer) else { return Err(DealFault::Source) };
        let t = usize::from(info.threshold.get());
        if self.commitment.len() != t && (rules::on(rules::Rule::ExactLength) || self.commitment.len() < 2) {
            return Err(DealFault::Length);
        }
        if self.ciphertexts.len() != info.players.len() {
            return Err(DealFault::Ciphertexts);
        }
        let r = self.r.check()?;
        let points = check_all(&self.commitment).map_err(|_| Decode::NotInSubgroup)?;
        let commitment = Commitment::new(points).map_err(|_| DealFault::Length)?;
        if role.constant.is_some_and(|constant| constant != *commitment.constant())
            && rules::on(rules::Rule::SourceConstant)
        {
            return Err(DealFault::Source);
        }
        self.check_proofs(info, dealer, &r, &commitment)?;
        Ok(VerifiedDeal { index: role.index, dealer: *dealer, r, commitment, ciphertexts: self.ciphertexts, core })
    }

    fn check_proofs(&self, info: &Info, dealer: &Address, r: &G1, commitment: &Commitment) -> Result<(), DealFault> {
        let context = proof_context(info, dealer, r, commitment);
        if rules::on(rules::Rule::ProofOfR) && !schnorr::verify(tags::DKG_PROOF_R, &context, r, &self.proof_r) {
            return Err(DealFault::ProofOfR);
        }
        if info.trigger.kind == RoundKind::Reshare {
            return if self.proof_constant.is_none() { Ok(()) } else { Err(DealFault::ProofOfConstant) };
        }
        let proof = self.proof_constant.as_ref().ok_or(DealFault::ProofOfConstant)?;
        let proven = schnorr::verify(tags::DKG_PROOF_A0, &context, commitment.constant(), proof);
        if proven || !rules::on(rules::Rule::ProofOfA0) { Ok(()) } else { Err(DealFault::ProofOfConstant) }
    }
}

impl VerifiedDeal {
    /// Decrypts and checks this player's dealing with his receive secret `e`.
    ///
    /// # Errors
    /// [`Opening`]: the dealing is wrong; complain with it.
    pub fn open(&self, info: &Info, player: &Address, receive: &SecretScalar) -> Result<SecretScalar, Opening> {
        let opening = self.r.mul_secret(receive);
        self.dealing(info, player, &opening).ok_or(Opening(opening.to_bytes()))
    }

    /// This player's dealing, decrypted and not compared with the commitment: for a sum that is compared as a whole.
    #[must_use]
    pub fn decrypt(&self, info: &Info, player: &Address, receive: &SecretScalar) -> Option<SecretScalar> {
        self.plaintext(info, player, &self.r.mul_secret(receive))
    }

    fn plaintext(&self, info: &Info, player: &Address, opening: &G1) -> Option<SecretScalar> {
        let (place, _) = info.player(player)?;
        let plain = apply_pad(self.ciphertexts.get(place)?, opening, info, &self.dealer, player);
        SecretScalar::from_be_bytes(&plain).ok()
    }

    /// The dealing of `player` under the opening `S = e*R`, if it is a scalar that fits the commitment.
    #[must_use]
    pub fn dealing(&self, info: &Info, player: &Address, opening: &G1) -> Option<SecretScalar> {
        let (_, role) = info.player(player)?;
        let dealing = self.plaintext(info, player, opening)?;
        self.commitment.verify(role.index, &dealing).then_some(dealing)
    }
}

/// `S = e*R`, compressed: shows that a dealing is wrong, and reveals that dealing to everybody.
pub struct Opening(pub [u8; 48]);

/// XORs a dealing with `H(enc(tag, S, info_digest, dealer, player, 0))`. `S` is never used unhashed.
#[must_use]
pub fn apply_pad(text: &[u8; 32], shared: &G1, info: &Info, dealer: &Address, player: &Address) -> Zeroizing<[u8; 32]> {
    let writer = Writer::new(tags::DKG_PAD).point(shared).fixed(&info.digest().0);
    let writer = writer.fixed(&dealer.0).fixed(&player.0).u8(0);
    let preimage = Zeroizing::new(writer.finish());
    let mut out = Zeroizing::new(keccak256(&preimage));
    out.iter_mut().zip(text).for_each(|(pad, byte)| *pad ^= byte);
    out
}

/// `(info_digest, dealer, R, all C_k)`.
#[must_use]
pub fn proof_context(info: &Info, dealer: &Address, r: &G1, commitment: &Commitment) -> Vec<u8> {
    let writer = Writer::raw().fixed(&info.digest().0).fixed(&dealer.0).point(r);
    let writer = writer.list(commitment.points().len());
    commitment.points().iter().fold(writer, |writer, point| writer.point(point)).finish()
}
