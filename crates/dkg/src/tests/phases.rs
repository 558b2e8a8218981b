//! Which record counts at which height, and that the first of a kind counts.

use quorumkeep_curves::bls::{Scalar, SecretScalar};
use quorumkeep_sharing::Polynomial;

use super::World;
use super::rounds::{deal_of, dealt, post_deal};
use crate::committed::{Checked, Plain, Raw};
use crate::confirm::{self, Confirm};
use crate::deal::{self, RawDeal};
use crate::envelope::{Envelope, Kind, record_id};
use crate::ids::{Address, Digest, VersionId};
use crate::info::Info;
use crate::ledger::Event;
use crate::memory::Memory;
use crate::output::{Output, Parts};
use crate::records;
use crate::round::{Phase, Versions};
use crate::secret::RoundSecrets;
use crate::transcript::{Failure, FaultKind, Verdict};

const KINDS: [Kind; 6] = [Kind::Announce, Kind::Deal, Kind::Complain, Kind::Extract, Kind::Reconstruct, Kind::Confirm];

/// The heights below 30 at which a record of this kind is looked at, though it says nothing.
fn heights(world: &World, kind: Kind, digest: Digest) -> Vec<u64> {
    let (bytes, memory) = (world.record(0, kind, digest, vec![1, 2, 3]), Memory::default());
    // Nobody can sign a Deal that is none, so it is known as signed.
    assert!(memory.holds(record_id(&bytes), Digest::ZERO, || true));
    let (envelope, key) = (Envelope::decode(&bytes).unwrap(), world.keys[0].public());
    let record = records::verify(&bytes, envelope, &memory, |_| Some(&key)).unwrap();
    let looked_at = |height: &u64| {
        let verdict = world.round().clone().record(*height, &record, &Versions::default(), &Memory::default());
        verdict != Verdict::Skip("not the phase for it")
    };
    (0..30).filter(looked_at).collect()
}

#[test]
fn every_kind_has_its_window() {
    let mut world = World::new(4, 3, 130);
    dealt(&mut world, |_, _| {});
    world.to_height(14);
    let (trigger, info) = (world.round().trigger_digest(), world.info().digest());
    let all = KINDS.map(|kind| heights(&world, kind, if kind == Kind::Announce { trigger } else { info }));
    assert_eq!(all, [vec![9, 10], vec![11, 12], vec![13, 14], vec![], vec![], vec![15, 16]]);
    let mut world = World::pedersen(4, 3, 131);
    world.begin();
    world.to_height(12);
    world.announce_all();
    world.to_height(14);
    let (trigger, info) = (world.round().trigger_digest(), world.info().digest());
    let all = KINDS.map(|kind| heights(&world, kind, if kind == Kind::Announce { trigger } else { info }));
    assert_eq!(all, [vec![13, 14], vec![15, 16], vec![17, 18], vec![19, 20], vec![21, 22], vec![23, 24]]);
    let phases: Vec<_> = (12..26).map(|height| world.round().phase_at(height)).collect();
    let each = [Phase::Announce, Phase::Deal, Phase::Complain, Phase::Extract, Phase::Reconstruct, Phase::Confirm];
    let inside = each.into_iter().flat_map(|phase| [Some(phase), Some(phase)]);
    assert_eq!(phases, [None].into_iter().chain(inside).chain([None]).collect::<Vec<_>>());
}

/// A deal counts once: the same one with fresh proofs is a repeat, and its core is known however it was checked.
#[test]
fn the_same_deal_again_is_a_repeat() {
    let mut world = World::new(4, 3, 132);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    let deals: Vec<_> = [0, 1, 0].map(|place| deal_of(&mut world, place, &secrets[place])).into();
    // Together in one block, and one alone.
    post_deal(&mut world, 0, &deals[0]);
    post_deal(&mut world, 1, &deals[1]);
    world.block();
    let third = deal_of(&mut world, 2, &secrets[2]);
    post_deal(&mut world, 2, &third);
    post_deal(&mut world, 0, &deals[2]);
    let events = world.block();
    assert!(!events.iter().any(|event| matches!(event, Event::Fault(..))));
    let counted = world.round().transcript().unwrap().deals();
    assert_eq!(counted.len(), 3);
    for deal in counted.values() {
        assert_eq!(deal.core, Some(deal.deal.as_ref().unwrap().core));
    }
}

#[test]
fn an_operator_signs_the_deal_that_follows_from_its_secrets() {
    let mut world = World::new(4, 3, 133);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    let (info, me) = (world.info(), world.address(1));
    let mut build = |info: &Info, secrets: &RoundSecrets| {
        let envelope = deal::build(info, &me, secrets, None, &world.keys[1], &mut world.rng).unwrap();
        assert!(records::is_signed_by(&envelope, &world.keys[1].public()));
        RawDeal::decode(&envelope.body).unwrap().verify(info, &me).unwrap()
    };
    let (one, two) = (build(&info, &secrets[1]), build(&info, &secrets[1]));
    assert_eq!((one.core, &one.ciphertexts), (two.core, &two.ciphertexts));
    assert_eq!((one.index, one.dealer), (info.dealer(&me).unwrap().index, me));
    // After a restart, from the sealed bytes.
    let kept = RoundSecrets::from_bytes(&secrets[1].to_bytes()).unwrap();
    assert_eq!(build(&info, &kept).core, one.core);
    assert_eq!(kept.receive().mul_g1(), secrets[1].receive().mul_g1());
    // Another info gives another polynomial, not the same one for others.
    let mut other = Info::clone(&info);
    other.trigger.block.height += 1;
    let other = Info::new(
        other.trigger.clone(),
        other.threshold,
        other.players.clone(),
        other.dealers.clone(),
        None,
        (other.announces, &[]),
    );
    assert_ne!(build(&other, &secrets[1]).commitment, one.commitment);
    assert!(deal::plain(&info, &me, &secrets[1], None, &mut world.rng).unwrap().commitment.pedersen().is_none());
}

#[test]
fn everything_derived_has_its_own_label_number_and_digest() {
    let mut world = World::new(3, 2, 134);
    let secrets = RoundSecrets::generate(&mut world.rng);
    let (root, other) = (secrets.root(&Digest([1; 32])), secrets.root(&Digest([2; 32])));
    let mut all = vec![root.scalar("a", 0), root.scalar("a", 1), root.scalar("b", 0), other.scalar("a", 0)];
    all.extend((0..2).map(|_| root.nonce("a", b"statement", &mut world.rng)));
    let public: Vec<_> = all.iter().map(SecretScalar::mul_g1).collect();
    for (place, point) in public.iter().enumerate() {
        assert!(!public[..place].contains(point));
    }
    assert_eq!(root.scalar("a", 1).mul_g1(), public[1], "derived again it is the same");
}

#[test]
fn commitments_have_one_hash_in_every_form() {
    for mut world in [World::new(4, 3, 135), World::pedersen(4, 3, 135)] {
        world.begin();
        let start = u64::from(world.config.interval);
        world.to_height(start);
        let secrets = world.announce_all();
        world.to_height(start + 2);
        let (plain, info, me) = (deal_of(&mut world, 0, &secrets[0]), world.info(), world.address(0));
        let verified = RawDeal::decode(&plain.encode()).unwrap().verify(&info, &me).unwrap();
        assert_eq!(plain.commitment.hash(), verified.commitment.hash());
        assert_eq!(verified.commitment.threshold(), 3);
        assert_eq!(plain.commitment.protocol(), world.config.protocol);
        let is_feldman = matches!(verified.commitment, Checked::Feldman(_));
        assert_eq!(plain.commitment.feldman().is_some(), is_feldman);
        assert_eq!(plain.commitment.pedersen().is_some(), !is_feldman);
    }
    assert_ne!(Plain::Feldman(Vec::new()).hash(), [0; 32]);
    let (one, none) = (Raw::Feldman(Vec::new()), Raw::Pedersen(Vec::new()));
    assert!(one.is_empty() && none.is_empty());
}

/// A group key of zero opens everything: whoever knows the others' constants could deal for it.
#[test]
fn a_group_key_of_zero_is_no_result() {
    let mut world = World::new(3, 2, 136);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    let constants = [Scalar::from_u64(1), Scalar::from_u64(2), -Scalar::from_u64(3)];
    for (place, constant) in constants.iter().enumerate() {
        let coefficients = vec![SecretScalar::from_public(constant), SecretScalar::random(&mut world.rng)];
        let polynomial = Polynomial::from_coefficients(coefficients).unwrap();
        let (info, me) = (world.info(), world.address(place));
        let deal = deal::of_polynomial(&info, &me, &secrets[place], &polynomial, &mut world.rng).unwrap();
        post_deal(&mut world, place, &deal);
    }
    world.to_height(14);
    let outcome = world.round().transcript().unwrap().outcome().unwrap().clone();
    assert_eq!(outcome.err(), Some(Failure::WrongGroupKey));
}

/// A Confirm of another version, with a proof that fits it: what it names is compared, not only what it proves.
#[test]
fn a_confirm_names_the_version_of_the_board() {
    let mut world = World::new(4, 3, 137);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    let (info, transcript, me) = (world.info(), world.round().transcript().unwrap().clone(), world.address(0));
    let output = transcript.outcome().unwrap().as_ref().unwrap().clone();
    let share = super::rounds::share_of(&world, 0, &secrets[0]);
    let other = VersionId([1; 32]);
    let context = confirm::proof_context(&info, &me, &other, &transcript.cut());
    let nonce = SecretScalar::random(&mut world.rng);
    let tag = quorumkeep_curves::tags::DKG_CONFIRM_PROOF;
    let proof = quorumkeep_curves::schnorr::prove(tag, &context, &share, &share.mul_g2(), nonce);
    let confirm = Confirm { version: other, cut: transcript.cut(), proof };
    assert!(!confirm.is_valid(&info, &me, &output, &transcript.cut()));
    world.pending.push(world.record(0, Kind::Confirm, info.digest(), confirm.encode()));
    let events = world.block();
    assert!(events.iter().any(|event| matches!(event, Event::Fault(_, FaultKind::Confirm, _))));
    assert!(world.round().transcript().unwrap().has_confirm(&me), "it has used up the slot");
    assert!(!world.round().transcript().unwrap().has_confirm(&world.address(1)));
}

#[test]
fn an_output_lists_its_players_ascending_and_once() {
    let mut world = World::new(4, 3, 138);
    dealt(&mut world, |_, _| {});
    world.to_height(14);
    let output = world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone();
    assert_eq!((*output.network(), *output.key(), output.round()), (world.network, world.key(), 8));
    assert_eq!((output.threshold().get(), output.settle_count(), output.shares().len()), (3, 4, 4));
    assert_eq!(output.share_of(&world.address(2)).unwrap().index.get(), 3);
    assert!(output.share_of(&Address::ZERO).is_none());
    let decodes = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts {
            network: world.network,
            key: world.key(),
            round: 8,
            info_digest: Digest([1; 32]),
            settle_margin: 1,
            cores: output.cores().to_vec(),
            reconstructed: Vec::new(),
            threshold: output.threshold(),
            commitment: output.commitment().clone(),
            shares: output.shares().to_vec(),
        };
        change(&mut parts);
        let made = Output::new(parts);
        Output::decode(&made.encode()).is_ok_and(|read| read == made)
    };
    assert!(decodes(&|_| {}));
    assert!(!decodes(&|parts| parts.shares.swap(0, 1)));
    assert!(!decodes(&|parts| parts.shares[1] = parts.shares[0]), "one player twice");
    assert!(!decodes(&|parts| parts.shares.truncate(2)), "fewer players than t");
    let zero = |points: Vec<_>| quorumkeep_sharing::Commitment::new(points).unwrap();
    let identity = quorumkeep_curves::bls::G2::identity();
    let points = output.commitment().points().to_vec();
    assert!(!decodes(&|parts| parts.commitment = zero(vec![identity, points[1], points[2]])), "a group key of zero");
    assert!(decodes(&|parts| parts.commitment = zero(vec![points[0], identity, points[2]])));
}
