//! Deals checked together: the same verdicts as one by one, and nothing remembered that does not hold.

use quorumkeep_curves::bls::{G1, G2, OnCurve, Scalar, SecretScalar};
use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::Decode;

use super::World;
use super::rounds::deal_of;
use crate::batch::check_deals;
use crate::committed::Committed;
use crate::deal::{self, DealFault, PlainDeal, body_hash};
use crate::envelope::{Envelope, Header, Kind, record_id};
use crate::ids::{Address, Digest};
use crate::memory::Memory;
use crate::records;
use crate::transcript::{FaultKind, Verdict};

/// `y` of the point of G2's curve with `x = 2`, which is not in the subgroup, and of its negative; `c1` first.
const Y_G2: [&str; 2] = [
    "02d27e0ec3356299a346a09ad7dc4ef68a483c3aed53f9139d2f929a3eecebf72082e5e58c6da24ee32e03040c406d4f\
     013a59858b6809fca4d9a3b6539246a70051a3c88899964a42bc9a69cf9acdd9dd387cfa9086b894185b9a46a402be73",
    "172e93db764a8400a7d5071b6b6f5de0da2f0f4a063119abca014006b7c40a2cfe291a1924e65db0d6d0fcfbf3bf3d5c\
     18c6b864ae17dc9da64203ffefb966306425a7bc6aeb7c75247438372716284a4173830420cd476ba1a365b95bfcec38",
];
/// `y` of the point of G1's curve with `x = 4`, which is not in the subgroup.
const Y_G1: &str = "0a989badd40d6212b33cffc3f3763e9bc760f988c9926b26da9dd85e928483446346b8ed00e1de5d5ea93e354abe706c";

fn outside_g2(sign: usize) -> [u8; 192] {
    let mut bytes = [0; 192];
    bytes[95] = 2;
    bytes[96..].copy_from_slice(&hex::decode(Y_G2[sign]).unwrap());
    bytes
}

fn outside_g1() -> [u8; 96] {
    let mut bytes = [0; 96];
    bytes[47] = 4;
    bytes[48..].copy_from_slice(&hex::decode(Y_G1).unwrap());
    bytes
}

/// A round in its Deal window, everybody's key and everybody's deal.
struct Round {
    world: World,
    keys: Vec<(Address, bn254::PublicKey)>,
    deals: Vec<PlainDeal>,
}

impl Round {
    fn new(mut world: World, announce: u64) -> Self {
        world.begin();
        world.to_height(announce - 2);
        let secrets = world.announce_all();
        world.to_height(announce);
        let deals = (0..secrets.len()).map(|place| deal_of(&mut world, place, &secrets[place])).collect();
        let keys = world.keys.iter().map(|key| (Address::of(&key.public()), key.public())).collect();
        Self { world, keys, deals }
    }

    fn feldman() -> Self {
        Self::new(World::new(4, 3, 60), 10)
    }

    fn pedersen() -> Self {
        Self::new(World::pedersen(4, 3, 61), 14)
    }

    /// Enough points for one check of them all.
    fn large() -> Self {
        Self::new(World::new(16, 11, 62), 10)
    }

    fn seal(&self, place: usize, deal: &PlainDeal) -> Envelope {
        deal::seal(&self.world.info(), &self.world.address(place), deal, &self.world.keys[place])
    }

    fn records(&self) -> Vec<Vec<u8>> {
        self.deals.iter().enumerate().map(|(place, deal)| self.seal(place, deal).encode()).collect()
    }

    fn key_of(&self, address: &Address) -> Option<&bn254::PublicKey> {
        self.keys.iter().find_map(|(of, key)| (of == address).then_some(key))
    }

    /// The deal of `place` with other bytes for a point, signed.
    fn with_point(&self, place: usize, from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut envelope = self.seal(place, &self.deals[place]);
        let at = envelope.body.windows(from.len()).position(|window| window == from).unwrap();
        envelope.body[at..at + to.len()].copy_from_slice(to);
        let hash = body_hash(&envelope.body).unwrap();
        Envelope::signed(envelope.header, envelope.body, &hash, &self.world.keys[place]).encode()
    }

    fn g2_point(&self, place: usize, k: usize) -> [u8; 192] {
        self.deals[place].commitment.feldman().unwrap()[k].to_uncompressed()
    }

    /// None for a record that nobody signed.
    fn verdicts(&self, records: &[Vec<u8>], memory: &Memory) -> Vec<Option<Verdict>> {
        let mut transcript = self.world.round().transcript().unwrap().clone();
        let height = transcript.info().trigger.deadlines().deal;
        let verdict = |bytes: &Vec<u8>| {
            let envelope = Envelope::decode(bytes).ok()?;
            let record = records::verify(bytes, envelope, memory, |address| self.key_of(address))?;
            Some(transcript.record(height, &record, memory))
        };
        records.iter().map(verdict).collect()
    }

    /// The verdicts of the rules without a batch, which the rules after a batch must share.
    fn check(&self, records: &[Vec<u8>]) -> Vec<Option<Verdict>> {
        let (info, memory) = (self.world.info(), Memory::default());
        let alone = self.verdicts(records, &Memory::default());
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        check_deals(&info, &slices, &memory, |address| self.key_of(address));
        for (bytes, verdict) in records.iter().zip(&alone) {
            let known = memory.known_deal(record_id(bytes), info.digest());
            assert_eq!(known.is_some(), *verdict == Some(Verdict::Valid));
        }
        assert_eq!(self.verdicts(records, &memory), alone);
        alone
    }

    /// All deals are valid but those of these places, which have these faults.
    fn expect(&self, records: &[Vec<u8>], faults: &[(usize, Option<DealFault>)]) {
        for (place, verdict) in self.check(records).into_iter().enumerate() {
            let fault = faults.iter().find(|(bad, _)| *bad == place);
            let expected = match fault {
                None => Some(Verdict::Valid),
                Some((_, fault)) => fault.map(|fault| Verdict::Fault(FaultKind::Deal(fault))),
            };
            assert_eq!(verdict, expected, "{place}");
        }
    }
}

#[test]
fn the_points_outside_are_on_the_curve() {
    for sign in [0, 1] {
        let point = OnCurve::<G2>::from_uncompressed(&outside_g2(sign)).unwrap();
        assert_eq!(point.check(), Err(Decode::NotInSubgroup));
    }
    let point = OnCurve::<G1>::from_uncompressed(&outside_g1()).unwrap();
    assert_eq!(point.check(), Err(Decode::NotInSubgroup));
}

#[test]
fn good_deals_are_remembered() {
    for round in [Round::feldman(), Round::pedersen(), Round::large()] {
        round.expect(&round.records(), &[]);
    }
}

#[test]
fn v11_a_deal_that_another_signed_is_nobodys() {
    for round in [Round::feldman(), Round::pedersen()] {
        let mut records = round.records();
        let (mut envelope, other) = (round.seal(1, &round.deals[1]), round.seal(2, &round.deals[2]));
        envelope.signatures[0].1 = other.signatures[0].1;
        records[1] = envelope.encode();
        round.expect(&records, &[(1, None)]);
        // Signed by 2, who says so: no envelope has a sender and another signer.
        envelope.signatures[0] = other.signatures[0];
        records[1] = envelope.encode();
        round.expect(&records, &[(1, None)]);
        // All of them: none is left.
        let swapped: Vec<Vec<u8>> = (0..4)
            .map(|place| {
                let mut envelope = round.seal(place, &round.deals[place]);
                envelope.signatures[0].1 = round.seal((place + 1) % 4, &round.deals[(place + 1) % 4]).signatures[0].1;
                envelope.encode()
            })
            .collect();
        assert_eq!(round.check(&swapped), [None, None, None, None]);
    }
}

#[test]
fn v7_v11_a_bad_signature_is_not_remembered_as_good() {
    let round = Round::feldman();
    let mut records = round.records();
    let mut envelope = round.seal(1, &round.deals[1]);
    envelope.signatures[0].1 = round.seal(2, &round.deals[2]).signatures[0].1;
    records[1] = envelope.encode();
    let memory = Memory::default();
    let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    check_deals(&round.world.info(), &slices, &memory, |address| round.key_of(address));
    let signed = |place: usize| memory.holds(record_id(&records[place]), Digest::ZERO, || false);
    assert_eq!([0, 1, 2, 3].map(signed), [true, false, true, true]);
}

#[test]
fn v4_a_bad_proof_is_named_and_the_others_count() {
    for mut round in [Round::feldman(), Round::pedersen()] {
        round.deals[2].proof_r.response += Scalar::one();
        round.expect(&round.records(), &[(2, Some(DealFault::ProofOfR))]);
    }
    let mut round = Round::feldman();
    round.deals[0].proof_constant.as_mut().unwrap().response += Scalar::one();
    round.expect(&round.records(), &[(0, Some(DealFault::ProofOfConstant))]);
    round.deals[0].proof_constant = None;
    round.expect(&round.records(), &[(0, Some(DealFault::ProofOfConstant))]);
    // One more than the round asks for.
    let proof = round.deals[1].proof_constant;
    let mut round = Round::pedersen();
    round.deals[3].proof_constant = proof;
    round.expect(&round.records(), &[(3, Some(DealFault::ProofOfConstant))]);
}

#[test]
fn v4_errors_that_cancel_are_found() {
    for mut round in [Round::feldman(), Round::pedersen()] {
        round.deals[0].proof_r.response += Scalar::from_u64(5);
        round.deals[3].proof_r.response -= Scalar::from_u64(5);
        let fault = Some(DealFault::ProofOfR);
        round.expect(&round.records(), &[(0, fault), (3, fault)]);
    }
    let mut round = Round::feldman();
    let shift = SecretScalar::from_public(&Scalar::from_u64(9)).mul_g2();
    for (place, sign) in [(1, shift), (2, -shift)] {
        round.deals[place].proof_constant.as_mut().unwrap().commitment += sign;
    }
    let fault = Some(DealFault::ProofOfConstant);
    round.expect(&round.records(), &[(1, fault), (2, fault)]);
}

#[test]
fn v4_the_deal_of_another_is_not_ones_own() {
    for mut round in [Round::feldman(), Round::pedersen()] {
        round.deals[1] = round.deals[0].clone();
        round.expect(&round.records(), &[(1, Some(DealFault::ProofOfR))]);
    }
}

#[test]
fn v2_a_point_outside_the_subgroup_is_named_and_the_others_count() {
    let fault = Some(DealFault::Decode(Decode::NotInSubgroup));
    for (round, last) in [(Round::feldman(), 2), (Round::large(), 10)] {
        for k in [0, last] {
            let mut records = round.records();
            records[1] = round.with_point(1, &round.g2_point(1, k), &outside_g2(0));
            round.expect(&records, &[(1, fault)]);
            // Of two dealers whose points cancel.
            records[3] = round.with_point(3, &round.g2_point(3, k), &outside_g2(1));
            round.expect(&records, &[(1, fault), (3, fault)]);
        }
    }
    let round = Round::pedersen();
    let points = round.deals[1].commitment.pedersen().unwrap().clone();
    for point in points.into_iter().chain([round.deals[1].r]) {
        let mut records = round.records();
        records[1] = round.with_point(1, &point.to_uncompressed(), &outside_g1());
        round.expect(&records, &[(1, fault)]);
    }
}

#[test]
fn v3_v7_a_deal_of_another_form_does_not_keep_the_others_out() {
    for mut round in [Round::feldman(), Round::pedersen()] {
        match &mut round.deals[1].commitment {
            Committed::Feldman(points) => drop(points.pop()),
            Committed::Pedersen(points) => drop(points.pop()),
        }
        round.deals[2].ciphertexts.pop();
        let faults = [(1, Some(DealFault::Length)), (2, Some(DealFault::Ciphertexts))];
        round.expect(&round.records(), &faults);
    }
    let (feldman, mut round) = (Round::feldman(), Round::pedersen());
    round.deals[0].commitment = feldman.deals[0].commitment.clone();
    round.expect(&round.records(), &[(0, Some(DealFault::Protocol))]);
}

#[test]
fn r5_v10_of_two_deals_of_one_dealer_the_first_counts() {
    for round in [Round::feldman(), Round::pedersen()] {
        let mut records = round.records();
        let mut second = round.deals[1].clone();
        second.ciphertexts[0][0] ^= 1;
        // Other ciphertexts make another deal that is valid by itself.
        records.push(round.seal(1, &second).encode());
        let verdicts = round.check(&records);
        assert!(verdicts[..4].iter().all(|verdict| *verdict == Some(Verdict::Valid)));
        assert_eq!(verdicts[4], Some(Verdict::Fault(FaultKind::Equivocation)));
    }
}

/// What is changed in a header, and the verdict on the record without a batch.
type Changed = (fn(&mut Header), Option<Verdict>);

/// A deal counts in a Deal of its round only: elsewhere its sender signs something else, or it is not of this round.
#[test]
fn a_deal_in_a_record_of_another_kind_or_round_is_not_remembered() {
    for round in [Round::feldman(), Round::pedersen()] {
        let changes: [Changed; 2] = [
            (|header| header.kind = Kind::Confirm, None),
            (|header| header.digest = Digest([1; 32]), Some(Verdict::Skip("another round"))),
        ];
        for (change, verdict) in changes {
            let mut envelope = round.seal(1, &round.deals[1]);
            change(&mut envelope.header);
            let hash = body_hash(&envelope.body).unwrap();
            let mut records = round.records();
            records[1] = Envelope::signed(envelope.header, envelope.body, &hash, &round.world.keys[1]).encode();
            assert_eq!(round.check(&records)[1], verdict);
        }
    }
}
