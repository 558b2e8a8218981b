//! Phase 1: what an Announce proves, and to whom.

use quorumkeep_curves::bls::{G2, Scalar, SecretScalar};

use super::World;
use super::rounds::{confirm_all, dealt, share_of};
use crate::announce::Announce;
use crate::envelope::Kind;
use crate::ids::Digest;
use crate::ledger::Event;
use crate::secret::RoundSecrets;
use crate::transcript::FaultKind;

fn malformed(events: &[Event], world: &World, place: usize) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Fault(who, FaultKind::Malformed, _) if *who == world.address(place)))
}

/// An Announce of this operator without shares.
fn announce(world: &mut World, place: usize) -> (RoundSecrets, Announce) {
    let (trigger, head, who) = (world.round().trigger().clone(), world.ledger.head(), world.address(place));
    let secret = RoundSecrets::generate(&mut world.rng);
    let announce = Announce::build(&trigger, &who, &secret, &[], (true, head), &mut world.rng);
    (secret, announce)
}

fn post(world: &mut World, place: usize, announce: &Announce) -> Vec<Event> {
    let digest = world.round().trigger_digest();
    world.pending.push(world.record(place, Kind::Announce, digest, announce.encode()));
    world.block()
}

#[test]
fn a_receive_key_is_well_made_and_its_senders() {
    let mut world = World::new(4, 3, 120);
    world.begin();
    world.to_height(8);
    let (_, honest) = announce(&mut world, 0);
    let (digest, me, other) = (world.round().trigger_digest(), world.address(0), world.address(1));
    assert!(honest.has_valid_receive_key(&digest, &me));
    assert!(!honest.has_valid_receive_key(&Digest([1; 32]), &me), "of another round");
    assert!(!honest.has_valid_receive_key(&digest, &other), "of another operator");
    let altered = |change: fn(&mut crate::announce::ReceiveKey)| {
        let mut altered = honest.clone();
        change(altered.receive.as_mut().unwrap());
        altered
    };
    let unproven = altered(|key| key.proof.response += Scalar::one());
    assert!(!unproven.has_valid_receive_key(&digest, &me));
    let none = Announce { receive: None, ..honest.clone() };
    assert!(!none.has_valid_receive_key(&digest, &me));
    let events = post(&mut world, 0, &unproven);
    assert!(malformed(&events, &world, 0));
    let events = post(&mut world, 1, &honest);
    assert!(malformed(&events, &world, 1), "a copied receive key");
    assert_eq!(world.round().announced().count(), 0);
}

/// E1 with its proof is right, and E2 is of another `e`: every complaint would then fail its pairing.
#[test]
fn both_halves_of_a_receive_key_are_of_one_secret() {
    let mut world = World::new(4, 3, 121);
    world.begin();
    world.to_height(8);
    let (digest, me) = (world.round().trigger_digest(), world.address(0));
    let secret = SecretScalar::random(&mut world.rng);
    let (e1, e2) = (secret.mul_g1(), secret.mul_g2() + G2::generator());
    // A proof of `e` for this pair, as only a liar makes it.
    let context = {
        let writer = quorumkeep_curves::enc::Writer::raw().fixed(&digest.0).fixed(&me.0);
        writer.point(&e1).point(&e2).finish()
    };
    let nonce = SecretScalar::random(&mut world.rng);
    let tag = quorumkeep_curves::tags::DKG_ANNOUNCE_PROOF;
    let proof = quorumkeep_curves::schnorr::prove(tag, &context, &secret, &e1, nonce);
    assert!(quorumkeep_curves::schnorr::verify(tag, &context, &e1, &proof));
    let (_, mut liar) = announce(&mut world, 0);
    liar.receive = Some(crate::announce::ReceiveKey { e1, e2, proof });
    assert!(!liar.has_valid_receive_key(&digest, &me));
    let events = post(&mut world, 0, &liar);
    assert!(malformed(&events, &world, 0));
}

#[test]
fn a_proof_of_holding_is_of_one_share_round_and_operator() {
    let mut world = World::new(4, 3, 122);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    let shares: Vec<_> = (0..2).map(|place| share_of(&world, place, &secrets[place])).collect();
    world.to_height(16);
    let output = world.ledger.keys()[&world.key()].versions.active.clone().unwrap();
    let (trigger, head, me) = (world.round().trigger().clone(), world.ledger.head(), world.address(0));
    let secret = RoundSecrets::generate(&mut world.rng);
    let mut build = |share| Announce::build(&trigger, &me, &secret, &[(&output, share)], (true, head), &mut world.rng);
    let (honest, wrong) = (build(&shares[0]), build(&shares[1]));
    let digest = trigger.digest();
    assert!(honest.proves(&digest, &me, &output));
    assert!(!wrong.proves(&digest, &me, &output), "the share of another");
    assert!(!honest.proves(&Digest([1; 32]), &me, &output), "for another round");
    assert!(!honest.proves(&digest, &world.address(1), &output), "by another operator");
    assert!(!Announce { held: Vec::new(), ..honest.clone() }.proves(&digest, &me, &output));
    // The statement says which version: the same proof under another name proves nothing.
    let mut renamed = honest.clone();
    renamed.held[0].version.0[0] ^= 1;
    assert!(!renamed.proves(&digest, &me, &output));
    let events = post(&mut world, 0, &wrong);
    assert!(malformed(&events, &world, 0), "a claim without a proof");
    assert!(!malformed(&post(&mut world, 0, &honest), &world, 0));
    assert_eq!(world.round().announces_of(&me).count(), 1);
    world.block();
    assert!(world.round().announces_of(&world.address(1)).next().is_none());
}

/// What is proved about a version names it: a proof for one is not a proof for another.
#[test]
fn a_proof_of_holding_names_its_version() {
    let mut world = World::new(3, 2, 123);
    dealt(&mut world, |_, _| {});
    world.to_height(14);
    let output = world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone();
    let (trigger, me) = (world.round().trigger().clone(), world.address(0));
    let share = SecretScalar::from_public(&Scalar::from_u64(5));
    let mut shares = output.shares().to_vec();
    shares[0].point = share.mul_g2();
    let version = |round| {
        crate::output::Output::new(crate::output::Parts {
            network: *output.network(),
            key: *output.key(),
            round,
            info_digest: Digest([1; 32]),
            settle_margin: 0,
            cores: output.cores().to_vec(),
            reconstructed: Vec::new(),
            threshold: output.threshold(),
            commitment: output.commitment().clone(),
            shares: shares.clone(),
        })
    };
    let (one, two) = (version(8), version(16));
    let secret = RoundSecrets::generate(&mut world.rng);
    let head = world.ledger.head();
    let mut announce = Announce::build(&trigger, &me, &secret, &[(&one, &share)], (true, head), &mut world.rng);
    assert!(announce.proves(&trigger.digest(), &me, &one));
    announce.held[0].version = two.id();
    assert!(!announce.proves(&trigger.digest(), &me, &two));
}
