//! The deals of a block, checked together: one equation for all signatures, one for all proofs, one for all points.
//!
//! What holds goes to the [`Memory`], where the rules of the round find it. A batch that fails says nothing about any
//! record: then each is checked by itself, and what does not hold is left to the rules, which name the fault. So nothing
//! here decides, and a bad record costs the others at most as much again.
//!
//! # Security
//!
//! What is remembered is what [`RawDeal::verify`] and [`crate::records::verify`] would have found: what they refuse gets
//! through with probability at most `2^-127` per attempt of whoever posts the records. Every random factor is hashed from
//! all that it combines, so it cannot be known before the records are chosen, and each other choice draws it anew. So
//! nodes agree on a deal although one may have checked it in a batch, another by itself.

use std::collections::BTreeSet;

use quorumkeep_curves::bls::{G1, G2, Group, OnCurve, check_many};
use quorumkeep_curves::bn254;
use quorumkeep_curves::schnorr::{self, Item};
use quorumkeep_curves::{rules, tags};
use quorumkeep_sharing::{Commitment, HidingCommitment};

use crate::committed::{Checked, Raw};
use crate::deal::{RawDeal, VerifiedDeal, proof_context};
use crate::envelope::{Envelope, Kind, record_id, signing_hash};
use crate::ids::{Address, Digest};
use crate::info::Info;
use crate::memory::Memory;

/// Fewer records are not worth a batch.
const DEALS_MIN: usize = 2;

/// A deal whose form is right.
struct Candidate<'k> {
    id: Digest,
    dealer: Address,
    key: &'k bn254::PublicKey,
    /// Was the signature verified before?
    is_signed: bool,
    signed: [u8; 32],
    signature: bn254::Signature,
    raw: RawDeal,
}

/// Checks the deals for `info` among these records and remembers those that are valid: of every dealer only the first
/// one that it signed, since no other can count.
///
/// `key_of` gives the operators' keys; it may leave out those whose deals are of no interest.
pub fn check_deals<'k>(
    info: &Info,
    records: &[&[u8]],
    memory: &Memory,
    key_of: impl Fn(&Address) -> Option<&'k bn254::PublicKey>,
) {
    let records: Vec<(Digest, &[u8])> = records.iter().map(|bytes| (record_id(bytes), *bytes)).collect();
    check_deals_of(info, &records, memory, key_of);
}

/// [`check_deals`] of records whose ids are known.
pub(crate) fn check_deals_of<'k>(
    info: &Info,
    records: &[(Digest, &[u8])],
    memory: &Memory,
    key_of: impl Fn(&Address) -> Option<&'k bn254::PublicKey>,
) {
    let mut candidates: Vec<Candidate<'k>> =
        records.iter().filter_map(|record| candidate(info, *record, memory, &key_of)).collect();
    if candidates.len() < DEALS_MIN {
        return;
    }
    let fresh = candidates.iter().filter(|item| !item.is_signed);
    let signatures: Vec<_> = fresh.map(|item| (item.signed, item.key, &item.signature)).collect();
    if !signatures.is_empty() && !bn254::verify_batch(&signatures) {
        candidates.retain(|item| item.is_signed || item.key.verify(&item.signed, &item.signature));
    }
    for item in &candidates {
        memory.holds(item.id, Digest::ZERO, || true);
    }
    let mut dealers = BTreeSet::new();
    candidates.retain(|item| dealers.insert(item.dealer));
    remember_deals(info, candidates, memory);
}

fn candidate<'k>(
    info: &Info,
    (id, bytes): (Digest, &[u8]),
    memory: &Memory,
    key_of: impl Fn(&Address) -> Option<&'k bn254::PublicKey>,
) -> Option<Candidate<'k>> {
    let envelope = Envelope::decode(bytes).ok()?;
    let (header, dealer) = (&envelope.header, envelope.header.sender);
    if header.kind != Kind::Deal || header.digest != info.digest() {
        return None;
    }
    let key = key_of(&dealer).filter(|key| dealer.0 == key.address())?;
    let signature =
        envelope.signatures.iter().find_map(|(signer, signature)| (*signer == dealer).then_some(signature))?;
    let is_signed = memory.known(id, Digest::ZERO);
    if is_signed == Some(false) || memory.is_judged(id, info.digest()) {
        return None;
    }
    let raw = RawDeal::decode(&envelope.body).ok()?;
    raw.form(info, &dealer).ok()?;
    let signed = signing_hash(header, &raw.parts_hash()).0;
    let is_signed = is_signed == Some(true);
    Some(Candidate { id, dealer, key, is_signed, signed, signature: *signature, raw })
}

/// Remembers the deal of this record as valid after its form only. For the simulator.
///
/// # Security
///
/// For a deal that an operator's own code made a moment ago, in front of the caller.
#[cfg(feature = "danger_memory")]
pub fn believe(info: &Info, id: Digest, envelope: &Envelope, memory: &Memory) -> Option<()> {
    let dealer = envelope.header.sender;
    let deal = rules::believing(|| {
        let raw = RawDeal::decode(&envelope.body).ok()?;
        raw.form(info, &dealer).ok()?;
        let (r, commitment) = (raw.r().check().ok()?, raw.commitment().check().ok()?);
        raw.accept(info, &dealer, r, commitment).ok()
    });
    let deal = deal?;
    memory.deal(id, info.digest(), || Ok(deal)).ok().map(drop)
}

/// A deal whose points are in the subgroup.
struct InSubgroup {
    id: Digest,
    deal: VerifiedDeal,
    raw: RawDeal,
    context: Vec<u8>,
}

fn remember_deals(info: &Info, candidates: Vec<Candidate<'_>>, memory: &Memory) {
    let commitments = commitments(&candidates);
    let deals: Vec<InSubgroup> = candidates
        .into_iter()
        .zip(commitments)
        .filter_map(|(item, commitment)| {
            let r = item.raw.r().check().ok()?;
            let deal = item.raw.clone().accept(info, &item.dealer, r, commitment?).ok()?;
            let context = proof_context(info, &item.dealer, &deal.r, &item.raw.points_hash());
            Some(InSubgroup { id: item.id, deal, raw: item.raw, context })
        })
        .collect();
    let all = proofs_hold(info, &deals);
    let holds = |item: &InSubgroup| all || proofs_hold(info, std::slice::from_ref(item));
    for item in deals.into_iter().filter(holds) {
        // Only its own checks can refuse it, and they were made.
        let _ = memory.deal(item.id, info.digest(), || Ok(item.deal));
    }
}

/// The commitments of every deal, if all its points are in the subgroup.
fn commitments(candidates: &[Candidate<'_>]) -> Vec<Option<Checked>> {
    let feldman: Vec<&[OnCurve<G2>]> =
        candidates.iter().map(|item| item.raw.commitment().feldman().map_or(&[][..], Vec::as_slice)).collect();
    let (mut feldman, raw) = (check_many(&feldman).into_iter(), candidates.iter().map(|item| item.raw.commitment()));
    raw.map(|raw| {
        let points = feldman.next()?;
        match raw {
            Raw::Feldman(_) => Commitment::new(points.ok()?).ok().map(Checked::Feldman),
            Raw::Pedersen(raw) => {
                let points = check_many(&[raw.as_slice()]).pop()?;
                HidingCommitment::new(points.ok()?).ok().map(Checked::Pedersen)
            }
        }
    })
    .collect()
}

/// Is every proof there that the round asks for, no other, and do they all hold?
fn proofs_hold(info: &Info, deals: &[InSubgroup]) -> bool {
    let of_r: Vec<Item<'_, G1>> = deals
        .iter()
        .map(|item| Item {
            tag: tags::DKG_PROOF_R,
            context: &item.context,
            public: &item.deal.r,
            proof: item.raw.proof_r(),
        })
        .collect();
    let constants = deals.iter().map(|item| {
        let public = item.deal.commitment.feldman()?.constant();
        Some(Item { tag: tags::DKG_PROOF_A0, context: &item.context, public, proof: item.raw.proof_constant()? })
    });
    let constants: Vec<Item<'_, G2>> = constants.flatten().collect();
    let expected = if info.proves_constant() { deals.len() } else { 0 };
    let given = deals.iter().filter(|item| item.raw.proof_constant().is_some()).count();
    given == expected
        && constants.len() == expected
        && (hold(&of_r) || !rules::on(rules::Rule::ProofOfR))
        && (hold(&constants) || !rules::on(rules::Rule::ProofOfA0))
}

fn hold<G: Group>(items: &[Item<'_, G>]) -> bool {
    items.is_empty() || schnorr::verify_batch(items)
}
