use quorumkeep_curves::bls::{G2, SecretScalar};
use quorumkeep_sharing::{Index, lagrange};

use super::World;
use crate::committed::Committed;
use crate::complain::Complain;
use crate::config::ConfigError;
use crate::confirm::{self, Confirm};
use crate::deal::{self, PlainDeal};
use crate::envelope::{Envelope, Kind};
use crate::ids::{Digest, KeyId};
use crate::ledger::{BoardAlarm, Event, Ledger};
use crate::memory::Memory;
use crate::records;
use crate::secret::RoundSecrets;
use crate::transcript::{Failure, FaultKind, combine_share, outcome};

fn points_of(deal: &mut PlainDeal) -> &mut Vec<G2> {
    match &mut deal.commitment {
        Committed::Feldman(points) => points,
        Committed::Pedersen(_) => panic!("a Feldman round"),
    }
}

pub fn deal_of(world: &mut World, place: usize, secrets: &RoundSecrets) -> PlainDeal {
    let (info, address) = (world.info(), world.address(place));
    deal::plain(&info, &address, secrets, None, &mut world.rng).unwrap()
}

pub fn post_deal(world: &mut World, place: usize, deal: &PlainDeal) {
    let bytes = deal::seal(&world.info(), &world.address(place), deal, &world.keys[place]).encode();
    world.pending.push(bytes);
}

/// A DKG up to the end of the Deal window, with `alter` applied to everybody's deal.
pub fn dealt(world: &mut World, alter: impl Fn(usize, &mut PlainDeal)) -> Vec<RoundSecrets> {
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    for place in 0..world.keys.len() {
        let mut deal = deal_of(world, place, &secrets[place]);
        alter(place, &mut deal);
        post_deal(world, place, &deal);
    }
    world.to_height(12);
    secrets
}

pub fn share_of(world: &World, place: usize, secrets: &RoundSecrets) -> SecretScalar {
    let (info, transcript) = (world.info(), world.round().transcript().unwrap());
    let open = |deal: &&std::sync::Arc<deal::VerifiedDeal>| {
        (deal.index, deal.open(&info, &world.address(place), secrets.receive()).ok().unwrap().share)
    };
    let dealings: Vec<(Index, SecretScalar)> = transcript.qualified().iter().map(open).collect();
    combine_share(&info, &dealings).unwrap()
}

pub fn confirm_all(world: &mut World, secrets: &[RoundSecrets], places: &[usize]) {
    let (info, transcript) = (world.info(), world.round().transcript().unwrap().clone());
    let output = transcript.outcome().unwrap().as_ref().unwrap().clone();
    for place in places {
        let (share, address) = (share_of(world, *place, &secrets[*place]), world.address(*place));
        let nonce = SecretScalar::random(&mut world.rng);
        let body = Confirm::build(&info, &address, &output, transcript.cut(), &share, nonce).encode();
        world.pending.push(world.record(*place, Kind::Confirm, info.digest(), body));
    }
}

#[test]
fn a_dkg_activates_settles_and_every_subset_recovers() {
    let mut world = World::new(4, 3, 1);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    let shares: Vec<_> = (0..4).map(|place| share_of(&world, place, &secrets[place])).collect();
    let events = world.to_height(16);
    assert!(events.iter().any(|event| matches!(event, Event::Activated(..))));
    assert!(events.iter().any(|event| matches!(event, Event::Settled(..))), "t + b Confirms settle what was generated");
    let state = &world.ledger.keys()[&world.key()];
    let group_key = *state.group_key().unwrap();
    for left_out in 0..4u16 {
        let subset: Vec<_> = (0..4u16).filter(|place| *place != left_out).collect();
        let points: Vec<_> =
            subset.iter().map(|place| (Index::new(place + 1).unwrap(), &shares[usize::from(*place)])).collect();
        assert!(lagrange::interpolate_secret(&points).unwrap().mul_g2() == group_key);
    }
}

#[test]
fn r12_v9_too_few_confirms_never_activate_and_late_ones_do_not_count() {
    let mut world = World::new(4, 3, 2);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1]);
    let (info, cut) = (world.info(), world.round().transcript().unwrap().cut());
    let output = world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone();
    let share = share_of(&world, 2, &secrets[2]);
    let nonce = SecretScalar::random(&mut world.rng);
    let late = Confirm::build(&info, &world.address(2), &output, cut, &share, nonce).encode();
    let late = world.record(2, Kind::Confirm, info.digest(), late);
    let events = world.to_height(16);
    assert!(events.iter().any(|e| matches!(e, Event::Failed(_, _, Failure::TooFewConfirms { found: 2, needed: 4 }))));
    world.pending.push(late);
    world.to_height(17);
    assert!(world.ledger.keys()[&world.key()].versions.active.is_none());
}

#[test]
fn v8a_v8b_a_wrong_dealing_is_complained_of_and_its_dealer_is_out() {
    let mut world = World::new(4, 3, 3);
    let secrets = dealt(&mut world, |place, deal| {
        if place == 1 {
            deal.ciphertexts[2][0] ^= 1;
        }
    });
    let info = world.info();
    let transcript = world.round().transcript().unwrap();
    let deal = transcript.deals()[&world.address(1)].deal.clone().unwrap();
    let opening = deal.open(&info, &world.address(2), secrets[2].receive()).err().unwrap();
    let body = Complain::encode(&world.address(1), &deal.core, &opening.0);
    world.pending.push(world.record(2, Kind::Complain, info.digest(), body));
    // And a false one: the dealing of dealer 0 for player 3 is right.
    let honest = world.round().transcript().unwrap().deals()[&world.address(0)].deal.clone().unwrap();
    let right = honest.r.mul_secret(secrets[3].receive()).to_bytes();
    let body = Complain::encode(&world.address(0), &honest.core, &right);
    world.pending.push(world.record(3, Kind::Complain, info.digest(), body));
    let events = world.to_height(14);
    let blamed: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Fault(culprit, kind, _) => Some((*culprit, kind.clone())),
            _ => None,
        })
        .collect();
    assert!(blamed.contains(&(world.address(1), FaultKind::Dealing)));
    assert!(blamed.contains(&(world.address(3), FaultKind::FalseComplaint)));
    let output = world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone();
    let dealers: Vec<u16> = output.cores().iter().map(|(index, _)| index.get()).collect();
    assert_eq!(dealers, [1, 3, 4]);
}

#[test]
fn v3_a_commitment_of_another_length_counts_as_never_posted() {
    let mut world = World::new(4, 3, 4);
    dealt(&mut world, |place, deal| {
        if place == 0 {
            let points = points_of(deal);
            points.push(points[0]);
        }
        if place == 1 {
            points_of(deal).pop();
        }
    });
    let deals = world.round().transcript().unwrap().deals();
    assert!(deals[&world.address(0)].deal.is_err());
    assert!(deals[&world.address(1)].deal.is_err());
    let events = world.to_height(14);
    assert!(matches!(
        world.round().transcript().unwrap().outcome().unwrap(),
        Err(Failure::TooFewDealers { found: 2, needed: 3 })
    ));
    assert!(events.iter().any(|event| matches!(event, Event::Result(..))));
}

#[test]
fn r5_v10_the_first_deal_counts_and_a_second_one_is_equivocation() {
    let mut world = World::new(4, 3, 5);
    let secrets = dealt(&mut world, |_, _| {});
    drop(secrets);
    let mut again = World::new(4, 3, 5);
    again.begin();
    again.to_height(8);
    let secrets = again.announce_all();
    again.to_height(10);
    let first = deal_of(&mut again, 0, &secrets[0]);
    let other = {
        let other = RoundSecrets::generate(&mut again.rng);
        deal_of(&mut again, 0, &other)
    };
    post_deal(&mut again, 0, &first);
    post_deal(&mut again, 0, &other);
    let first_id = crate::envelope::record_id(&again.pending[0]);
    let events = again.block();
    assert!(events.iter().any(|event| matches!(event, Event::Fault(_, FaultKind::Equivocation, _))));
    assert_eq!(again.round().transcript().unwrap().deals()[&again.address(0)].id, first_id);
}

#[test]
fn r1_outcome_is_a_pure_function_of_the_records() {
    let mut world = World::new(4, 3, 6);
    dealt(&mut world, |_, _| {});
    world.to_height(14);
    let transcript = world.round().transcript().unwrap();
    let expected = transcript.outcome().unwrap().clone().unwrap();
    let memory = Memory::default();
    let mut signed = Vec::new();
    for block in &world.blocks {
        for bytes in &block.records {
            let Ok(envelope) = Envelope::decode(bytes) else { continue };
            let key = |address: &_| world.ledger.operator_key(address);
            if let Some(record) = records::verify(bytes, envelope, &memory, key) {
                signed.push((block.height, record));
            }
        }
    }
    let again = outcome(world.info(), &signed, transcript.cut(), &memory).unwrap();
    assert_eq!(again.id(), expected.id());
    assert_eq!(again, expected);
}

#[test]
fn r6_another_orderers_block_and_a_gap_are_alarms() {
    let mut world = World::new(4, 3, 7);
    world.begin();
    let stranger = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let head = world.ledger.head();
    let forged = crate::block::Block::sign(&world.network, &head, 1, Vec::new(), &stranger);
    assert!(matches!(world.ledger.apply(&forged, &world.memory), Err(BoardAlarm::Forged { .. })));
    let good = crate::block::Block::sign(&world.network, &head, 1, Vec::new(), &world.orderer);
    let mut beside = Ledger::new(world.network, world.config.orderer);
    assert!(matches!(beside.apply(&good, &world.memory), Err(BoardAlarm::NotOurChain { .. })));
    assert!(world.ledger.apply(&good, &world.memory).is_ok());
}

#[test]
fn a_snapshot_at_rest_gives_the_same_ledger() {
    let mut world = World::new(4, 3, 8);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    world.to_height(16);
    assert!(world.ledger.is_at_rest());
    let restored = Ledger::restore(&world.ledger.snapshot(), &world.memory).unwrap();
    assert_eq!(restored.snapshot(), world.ledger.snapshot());
    let mut both = [restored, world.ledger.clone()];
    let head = world.ledger.head();
    let block = crate::block::Block::sign(&world.network, &head, 1, Vec::new(), &world.orderer);
    both.iter_mut().for_each(|ledger| assert!(ledger.apply(&block, &world.memory).is_ok()));
    let digests: Vec<_> =
        both.iter().map(|ledger| ledger.keys()[&world.key()].round.as_ref().unwrap().trigger_digest()).collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn r7_configurations_follow_each_other_or_are_refused() {
    let mut world = World::new(4, 3, 9);
    world.begin();
    let current = world.config.clone();
    let mut next = current.clone();
    next.sequence = 1;
    next.previous = current.digest();
    let refused = |world: &mut World, config: &crate::config::Config, signers: usize| {
        world.pending.push(world.governed(KeyId::ZERO, Kind::Config, config.encode(), signers));
        world.block().iter().any(|event| matches!(event, Event::Refused(Kind::Config, _)))
    };
    assert!(refused(&mut world, &current, 4), "the same configuration again");
    assert!(refused(&mut world, &next, 2), "two signatures of three");
    let mut wrong = next.clone();
    wrong.previous = Digest::ZERO;
    assert!(refused(&mut world, &wrong, 4), "another predecessor");
    let mut moved = next.clone();
    moved.roster.swap(0, 1);
    let (a, b) = (moved.roster[0].index, moved.roster[1].index);
    (moved.roster[0].index, moved.roster[1].index) = (b, a);
    assert!(refused(&mut world, &moved, 4), "indices exchanged");
    assert!(!refused(&mut world, &next, 3), "the successor");
    assert!(refused(&mut world, &next, 4), "replayed");
    let mut doubled = next.clone();
    doubled.roster[1].socket = doubled.roster[0].socket.clone();
    assert!(matches!(doubled.check(), Err(ConfigError::Duplicate { what: "socket", .. })));
    let mut slow = next.clone();
    slow.interval = 7;
    assert!(matches!(slow.check(), Err(ConfigError::Timing(_))));
}

#[test]
fn r8_a_confirm_without_the_share_or_of_another_board_is_a_fault() {
    let mut world = World::new(4, 3, 10);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    let (info, transcript) = (world.info(), world.round().transcript().unwrap().clone());
    let output = transcript.outcome().unwrap().as_ref().unwrap().clone();
    let liar = SecretScalar::random(&mut world.rng);
    let nonce = SecretScalar::random(&mut world.rng);
    let body = Confirm::build(&info, &world.address(0), &output, transcript.cut(), &liar, nonce).encode();
    world.pending.push(world.record(0, Kind::Confirm, info.digest(), body));
    let share = share_of(&world, 1, &secrets[1]);
    let mut cut = transcript.cut();
    cut.hash = Digest([1; 32]);
    let nonce = SecretScalar::random(&mut world.rng);
    let body = Confirm::build(&info, &world.address(1), &output, cut, &share, nonce).encode();
    world.pending.push(world.record(1, Kind::Confirm, info.digest(), body));
    let events = world.block();
    let faults = events.iter().filter(|event| matches!(event, Event::Fault(_, FaultKind::Confirm, _))).count();
    assert_eq!(faults, 2);
    assert_eq!(world.round().transcript().unwrap().confirmed(), 0);
    let context = confirm::proof_context(&info, &world.address(0), &output.id(), &transcript.cut());
    assert!(!context.is_empty());
}

/// Whoever deals last can make his own share zero. Everybody must still be able to read the result and to start again.
#[test]
fn a_dealer_who_makes_his_own_share_zero_harms_only_himself() {
    let mut world = World::with_margin(4, 3, 0, 11);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    for place in 1..4 {
        let deal = deal_of(&mut world, place, &secrets[place]);
        post_deal(&mut world, place, &deal);
    }
    world.block();
    let (info, me) = (world.info(), world.address(0));
    let deals = world.round().transcript().unwrap().qualified().into_iter().cloned().collect::<Vec<_>>();
    let received = deals.iter().map(|deal| deal.open(&info, &me, secrets[0].receive()).ok().unwrap().share);
    let sum = received.fold(SecretScalar::zero(), |sum, dealing| sum.add(&dealing));
    let (one, two) = (SecretScalar::random(&mut world.rng), SecretScalar::random(&mut world.rng));
    // f(1) = a_0 + a_1 + a_2 = -sum.
    let constant = sum.add(&one).add(&two).neg();
    let polynomial = quorumkeep_sharing::Polynomial::from_coefficients(vec![constant, one, two]).unwrap();
    let deal = deal::of_polynomial(&info, &me, &secrets[0], &polynomial, &mut world.rng).unwrap();
    post_deal(&mut world, 0, &deal);
    world.to_height(14);
    let output = world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone();
    assert!(output.share_of(&me).unwrap().point.is_identity());
    assert_eq!(&crate::output::Output::decode(&output.encode()).unwrap(), output.as_ref());
    confirm_all(&mut world, &secrets, &[1, 2, 3]);
    world.to_height(16);
    assert!(world.ledger.keys()[&world.key()].versions.active.is_some());
    assert!(Ledger::restore(&world.ledger.snapshot(), &Memory::default()).is_ok());
}

#[test]
fn v9_an_impossible_time_is_an_alarm_and_changes_nothing() {
    let mut world = World::new(4, 3, 12);
    world.begin();
    let head = world.ledger.head();
    let late = crate::block::Block::sign(&world.network, &head, u64::MAX, Vec::new(), &world.orderer);
    assert!(matches!(world.ledger.apply(&late, &world.memory), Err(BoardAlarm::Time { .. })));
    assert_eq!(world.ledger.head(), head);
}

/// A thief with the identity key posts first and often; the holder's Announce still counts in the next round.
#[test]
fn v11_r10_many_announces_without_a_share_do_not_crowd_out_the_holder() {
    let mut world = World::new(4, 3, 13);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    let shares: Vec<_> = (0..4).map(|place| share_of(&world, place, &secrets[place])).collect();
    world.to_height(16);
    let output = world.ledger.keys()[&world.key()].versions.active.clone().unwrap();
    let (trigger, head) = (world.round().trigger().clone(), world.ledger.head());
    let thief = RoundSecrets::generate(&mut world.rng);
    for number in 0..70 {
        let receives = number == 0;
        let victim = world.address(0);
        let fake = crate::announce::Announce::build(&trigger, &victim, &thief, &[], (receives, head), &mut world.rng);
        world.pending.push(world.record(0, Kind::Announce, trigger.digest(), fake.encode()));
    }
    let mut own = Vec::new();
    for (place, share) in shares.iter().enumerate() {
        let (secret, who) = (RoundSecrets::generate(&mut world.rng), world.address(place));
        let held = [(output.as_ref(), share)];
        let announce = crate::announce::Announce::build(&trigger, &who, &secret, &held, (true, head), &mut world.rng);
        world.pending.push(world.record(place, Kind::Announce, trigger.digest(), announce.encode()));
        own.push(secret);
    }
    world.to_height(18);
    let info = world.info();
    assert!(info.player(&world.address(0)).unwrap().1.e1 == own[0].receive().mul_g1());
    assert_eq!(info.dealers.len(), 4);
}
