//! Generation by Pedersen's protocol: announce until 14, deal until 16, complain until 18, extract until 20, reconstruct
//! until 22, confirm until 24.

use std::sync::Arc;

use quorumkeep_curves::bls::{G1, G2, Scalar, SecretScalar};
use quorumkeep_sharing::{Polynomial, lagrange};

use super::World;
use super::rounds::{confirm_all, deal_of, post_deal, share_of};
use crate::committed::{Committed, Plain};
use crate::complain::Complain;
use crate::deal::PlainDeal;
use crate::envelope::Kind;
use crate::extract::{Extract, PlainExtract};
use crate::ids::Address;
use crate::info::Info;
use crate::ledger::Event;
use crate::output::Output;
use crate::reconstruct::Reconstruct;
use crate::round::Phase;
use crate::secret::RoundSecrets;
use crate::transcript::{Failure, FaultKind};

/// Everybody announced and dealt, with `alter` applied to everybody's deal.
fn dealt(world: &mut World, alter: impl Fn(usize, &mut PlainDeal)) -> Vec<RoundSecrets> {
    world.begin();
    world.to_height(12);
    let secrets = world.announce_all();
    world.to_height(14);
    for place in 0..world.keys.len() {
        let mut deal = deal_of(world, place, &secrets[place]);
        alter(place, &mut deal);
        post_deal(world, place, &deal);
    }
    world.to_height(16);
    secrets
}

fn extract_of(world: &mut World, place: usize, secrets: &[RoundSecrets]) -> PlainExtract {
    let (info, address) = (world.info(), world.address(place));
    let deal = world.round().transcript().unwrap().deals()[&address].deal.clone().unwrap();
    PlainExtract::build(&info, &address, &deal, &secrets[place], &mut world.rng).unwrap()
}

fn post_extracts(world: &mut World, places: &[usize], secrets: &[RoundSecrets]) {
    world.to_height(18);
    for place in places {
        let body = extract_of(world, *place, secrets).encode();
        world.pending.push(world.record(*place, Kind::Extract, world.info().digest(), body));
    }
}

fn publish(world: &mut World, place: usize, dealer: usize, secrets: &[RoundSecrets]) -> Reconstruct {
    let dealer = world.address(dealer);
    let deal = world.round().transcript().unwrap().deals()[&dealer].deal.clone().unwrap();
    let dealing = deal.open(&world.info(), &world.address(place), secrets[place].receive()).ok().unwrap();
    Reconstruct::publish(dealer, dealing).unwrap()
}

fn post_published(world: &mut World, places: &[usize], dealer: usize, secrets: &[RoundSecrets]) {
    for place in places {
        let body = publish(world, *place, dealer, secrets).encode();
        world.pending.push(world.record(*place, Kind::Reconstruct, world.info().digest(), body));
    }
}

fn output(world: &World) -> Arc<Output> {
    world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone()
}

fn faults(events: &[Event]) -> Vec<(Address, FaultKind)> {
    let fault = |event: &Event| match event {
        Event::Fault(culprit, kind, _) => Some((*culprit, kind.clone())),
        _ => None,
    };
    events.iter().filter_map(fault).collect()
}

#[test]
fn a_key_is_generated_and_any_t_shares_are_its_secret() {
    let mut world = World::pedersen(5, 3, 40);
    let secrets = dealt(&mut world, |_, _| {});
    assert_eq!(world.round().phase_at(17), Some(Phase::Complain));
    assert_eq!(world.round().phase_at(19), Some(Phase::Extract));
    assert_eq!(world.round().phase_at(21), Some(Phase::Reconstruct));
    post_extracts(&mut world, &[0, 1, 2, 3, 4], &secrets);
    world.to_height(22);
    let output = output(&world);
    assert!(output.reconstructed().is_empty());
    assert_eq!(Output::decode(&output.encode()).unwrap(), *output);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3, 4]);
    world.to_height(24);
    let active = world.ledger.keys()[&world.key()].versions.active.clone();
    assert_eq!(active.map(|active| active.id()), Some(output.id()));
}

/// The same secrets in a Feldman round give another polynomial: the protocol is part of `info_digest`.
#[test]
fn r7_deals_of_the_other_protocol_count_as_never_posted() {
    let mut world = World::pedersen(4, 3, 41);
    world.begin();
    world.to_height(12);
    let secrets = world.announce_all();
    world.to_height(14);
    let info = world.info();
    let mut feldman = Info::clone(&info);
    (feldman.h, feldman.protocol) = (None, crate::config::Protocol::Feldman);
    let mixed = crate::deal::plain(&feldman, &world.address(0), &secrets[0], None, &mut world.rng).unwrap();
    assert!(mixed.commitment.feldman().is_some());
    post_deal(&mut world, 0, &mixed);
    let events = world.to_height(15);
    let fault = FaultKind::Deal(crate::deal::DealFault::Protocol);
    assert_eq!(faults(&events), [(world.address(0), fault)]);
}

#[test]
fn v4_a_dealer_that_holds_its_extract_back_is_reconstructed_and_gains_nothing() {
    let mut world = World::pedersen(5, 3, 42);
    let secrets = dealt(&mut world, |_, _| {});
    let hidden = extract_of(&mut world, 1, &secrets).points;
    post_extracts(&mut world, &[0, 2, 3, 4], &secrets);
    world.to_height(20);
    post_published(&mut world, &[4, 2, 0], 1, &secrets);
    world.to_height(22);
    let output = output(&world);
    assert_eq!(output.reconstructed().iter().map(|index| index.get()).collect::<Vec<_>>(), [2]);
    assert_eq!(output.cores().len(), 5, "nobody is dropped from QUAL");
    let others = [0, 2, 3, 4].map(|place| extract_of(&mut world, place, &secrets).points[0]);
    assert_eq!(*output.group_key(), others.into_iter().fold(hidden[0], |sum, point| sum + point));
    confirm_all(&mut world, &secrets, &[0, 2, 3, 4]);
    world.to_height(24);
    assert!(world.ledger.keys()[&world.key()].versions.active.is_some());
}

#[test]
fn v8d_nothing_is_published_of_a_dealer_if_too_few_opened_their_commitments() {
    let mut world = World::pedersen(5, 3, 43);
    let secrets = dealt(&mut world, |_, _| {});
    post_extracts(&mut world, &[0, 1], &secrets);
    world.to_height(20);
    assert!(world.round().transcript().unwrap().to_reconstruct().is_empty());
    // Somebody publishes all the same: it does not count.
    post_published(&mut world, &[0, 1, 2], 4, &secrets);
    let events = world.to_height(22);
    assert!(faults(&events).is_empty());
    let outcome = world.round().transcript().unwrap().outcome().unwrap().clone();
    assert_eq!(outcome.err(), Some(Failure::TooFewExtracts { found: 2, needed: 3 }));
}

#[test]
fn v8c_too_few_published_dealings_fail_the_round_and_wrong_ones_do_not_count() {
    let mut world = World::pedersen(5, 3, 44);
    let secrets = dealt(&mut world, |_, _| {});
    post_extracts(&mut world, &[0, 2, 3], &secrets);
    world.to_height(20);
    post_published(&mut world, &[0, 2, 3, 4], 4, &secrets);
    post_published(&mut world, &[0, 2], 1, &secrets);
    let mut wrong = publish(&mut world, 3, 1, &secrets);
    wrong.blinder += Scalar::one();
    world.pending.push(world.record(3, Kind::Reconstruct, world.info().digest(), wrong.encode()));
    world.block();
    // The first counts: a right one after it is a repeat.
    post_published(&mut world, &[3], 1, &secrets);
    world.to_height(22);
    let outcome = world.round().transcript().unwrap().outcome().unwrap().clone();
    let dealer = quorumkeep_sharing::Index::new(2).unwrap();
    assert_eq!(outcome.err(), Some(Failure::Reconstruct { dealer, found: 2, needed: 3 }));
}

/// rogue_c0: the last one to open cannot choose the group key, because the link proof ties it to what it dealt.
#[test]
fn v4_an_extract_of_something_else_than_was_committed_to_is_a_fault() {
    let mut world = World::pedersen(4, 3, 45);
    let secrets = dealt(&mut world, |_, _| {});
    let honest = extract_of(&mut world, 1, &secrets);
    let deal = world.round().transcript().unwrap().deals()[&world.address(1)].deal.clone().unwrap();
    let (info, dealer) = (world.info(), world.address(1));
    let fits = |plain: &PlainExtract| Extract::decode(&plain.encode()).unwrap().verify(&info, &dealer, &deal);
    assert!(fits(&honest).is_some());
    let others = [0, 2, 3].map(|place| extract_of(&mut world, place, &secrets).points[0]);
    let chosen = others.iter().fold(G2::generator(), |sum, point| sum - *point);
    for k in 0..3 {
        let mut rogue = honest.clone();
        rogue.points[k] = chosen;
        assert!(fits(&rogue).is_none(), "A_{k} is replaced");
    }
    let changes: [fn(&mut PlainExtract); 6] = [
        |plain| plain.points.swap(0, 1),
        |plain| plain.points.push(plain.points[0]),
        |plain| plain.points.truncate(2),
        |plain| plain.proof.u += Scalar::one(),
        |plain| plain.proof.v += Scalar::one(),
        |plain| plain.proof.plain += G2::generator(),
    ];
    for change in changes {
        let mut altered = honest.clone();
        change(&mut altered);
        assert!(fits(&altered).is_none());
    }
    let other = world.address(2);
    assert!(Extract::decode(&honest.encode()).unwrap().verify(&info, &other, &deal).is_none(), "bound to its dealer");
    let mut rogue = honest;
    rogue.points[0] = chosen;
    world.to_height(18);
    world.pending.push(world.record(1, Kind::Extract, info.digest(), rogue.encode()));
    let events = world.block();
    assert_eq!(faults(&events), [(world.address(1), FaultKind::Extract)]);
}

#[test]
fn v8b_a_wrong_blinder_is_a_wrong_dealing() {
    let mut world = World::pedersen(4, 3, 46);
    let secrets = dealt(&mut world, |place, deal| {
        if place == 1 {
            // The second ciphertext of the player with index 3.
            deal.ciphertexts[5][31] ^= 1;
        }
    });
    let (info, culprit) = (world.info(), world.address(1));
    let deal = world.round().transcript().unwrap().deals()[&culprit].deal.clone().unwrap();
    assert!(deal.open(&info, &world.address(3), secrets[3].receive()).is_ok());
    let opening = deal.open(&info, &world.address(2), secrets[2].receive()).err().unwrap();
    let body = Complain::encode(&culprit, &deal.core, &opening.0);
    world.pending.push(world.record(2, Kind::Complain, info.digest(), body));
    // A right dealing of somebody else: a false complaint.
    let honest = world.round().transcript().unwrap().deals()[&world.address(0)].deal.clone().unwrap();
    let body = Complain::encode(&world.address(0), &honest.core, &honest.r.mul_secret(secrets[3].receive()).to_bytes());
    world.pending.push(world.record(3, Kind::Complain, info.digest(), body));
    let events = world.to_height(17);
    assert_eq!(faults(&events), [(world.address(3), FaultKind::FalseComplaint)]);
    post_extracts(&mut world, &[0, 1, 2, 3], &secrets);
    let events = world.to_height(22);
    assert_eq!(faults(&events), [(culprit, FaultKind::Dealing)], "his Extract does not count: he is out");
    assert_eq!(output(&world).cores().len(), 3);
}

#[test]
fn commitments_hide_and_their_base_is_everybodys() {
    let mut world = World::pedersen(4, 3, 47);
    dealt(&mut world, |_, _| {});
    let info = world.info();
    let h = info.h.unwrap();
    assert!(h != G1::generator() && !h.is_identity());
    let mut again = World::pedersen(4, 3, 48);
    dealt(&mut again, |_, _| {});
    assert!(again.info().h.unwrap() != h, "other nonces, another base");
    let deals = world.round().transcript().unwrap().deals();
    let hiding = deals.values().map(|counted| counted.deal.as_ref().unwrap().commitment.pedersen().unwrap());
    assert!(hiding.into_iter().all(|commitment| commitment.points().len() == 3));
}

/// With the secrets of `t` members of QUAL everything is known; the share of every player follows from `A`.
#[test]
fn shares_fit_the_extracted_polynomial() {
    let mut world = World::pedersen(4, 2, 49);
    let secrets = dealt(&mut world, |_, _| {});
    post_extracts(&mut world, &[0, 1, 2, 3], &secrets);
    world.to_height(22);
    let output = output(&world);
    let shares: Vec<_> = (0..4).map(|place| share_of(&world, place, &secrets[place])).collect();
    for (share, public) in shares.iter().zip(output.shares()) {
        assert_eq!(share.mul_g2(), public.point);
    }
    let points: Vec<_> = output.shares().iter().map(|share| share.index).zip(&shares).collect();
    for pair in points.windows(2) {
        assert_eq!(lagrange::interpolate_secret(pair).unwrap().mul_g2(), *output.group_key());
    }
}

/// A deal whose points have another length than the threshold.
#[test]
fn v3_hiding_commitments_of_another_length_count_as_never_posted() {
    let mut world = World::pedersen(4, 3, 50);
    dealt(&mut world, |place, deal| {
        let points = match &mut deal.commitment {
            Committed::Pedersen(points) => points,
            Plain::Feldman(_) => panic!("hidden"),
        };
        match place {
            0 => points.push(points[0]),
            1 => points.truncate(2),
            _ => {}
        }
    });
    let deals = world.round().transcript().unwrap().deals();
    assert_eq!(deals.values().filter(|counted| counted.deal.is_err()).count(), 2);
}

#[test]
fn a_polynomial_of_ones_own_is_dealt_and_extracted_like_any_other() {
    let mut world = World::pedersen(4, 3, 51);
    world.begin();
    world.to_height(12);
    let secrets = world.announce_all();
    world.to_height(14);
    let one = || SecretScalar::from_public(&Scalar::one());
    let polynomial = Polynomial::from_coefficients(vec![one(), one(), one()]).unwrap();
    let (info, me) = (world.info(), world.address(0));
    let deal = crate::deal::of_polynomial(&info, &me, &secrets[0], &polynomial, &mut world.rng).unwrap();
    post_deal(&mut world, 0, &deal);
    world.to_height(16);
    let counted = world.round().transcript().unwrap().deals()[&me].deal.clone().unwrap();
    let opened = counted.open(&info, &world.address(1), secrets[1].receive()).ok().unwrap();
    let seven = SecretScalar::from_public(&Scalar::from_u64(1 + 2 + 4));
    assert!(opened.share.mul_g1() == seven.mul_g1());
    // The derived polynomial is another one, so what it would extract does not fit.
    let extract = PlainExtract::build(&info, &me, &counted, &secrets[0], &mut world.rng).unwrap();
    assert!(Extract::decode(&extract.encode()).unwrap().verify(&info, &me, &counted).is_none());
}

/// The first Extract of a dealer counts, even if it is invalid: a right one after it changes nothing.
#[test]
fn the_first_extract_counts() {
    let mut world = World::pedersen(5, 3, 52);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(18);
    let honest = extract_of(&mut world, 1, &secrets);
    let mut wrong = honest.clone();
    wrong.proof.u += Scalar::one();
    let (digest, dealer) = (world.info().digest(), world.address(1));
    assert!(!world.round().transcript().unwrap().extraction().has_extract(&dealer));
    for body in [wrong.encode(), honest.encode()] {
        world.pending.push(world.record(1, Kind::Extract, digest, body));
    }
    post_extracts(&mut world, &[0, 2, 3, 4], &secrets);
    world.to_height(20);
    let extraction = world.round().transcript().unwrap().extraction();
    assert!(extraction.has_extract(&dealer) && extraction.opened(&dealer).is_none());
    let missing: Vec<_> = world.round().transcript().unwrap().to_reconstruct().iter().map(|deal| deal.dealer).collect();
    assert_eq!(missing, [dealer]);
    post_published(&mut world, &[0, 2, 3], 1, &secrets);
    world.block();
    let extraction = world.round().transcript().unwrap().extraction();
    let published = [0, 1, 2, 3, 4].map(|place| extraction.has_published(&world.address(place), &dealer));
    assert_eq!(published, [true, false, true, true, false]);
    world.to_height(22);
    assert_eq!(output(&world).reconstructed().iter().map(|index| index.get()).collect::<Vec<_>>(), [2]);
}

/// An opening that is not the dealer's says nothing, whatever it decrypts to.
#[test]
fn a_complaint_with_another_opening_is_false() {
    let mut world = World::pedersen(4, 3, 53);
    let secrets = dealt(&mut world, |_, _| {});
    let honest = world.round().transcript().unwrap().deals()[&world.address(0)].deal.clone().unwrap();
    let opening = (honest.r.mul_secret(secrets[3].receive()) + G1::generator()).to_bytes();
    let body = Complain::encode(&world.address(0), &honest.core, &opening);
    let subject = Complain::subject(&world.address(0), &honest.core);
    assert!(!world.round().transcript().unwrap().has_complaint(&world.address(3), &subject));
    world.pending.push(world.record(3, Kind::Complain, world.info().digest(), body));
    let events = world.block();
    assert_eq!(faults(&events), [(world.address(3), FaultKind::FalseComplaint)]);
    assert!(world.round().transcript().unwrap().has_complaint(&world.address(3), &subject));
    assert!(world.round().transcript().unwrap().accused().is_empty());
}
