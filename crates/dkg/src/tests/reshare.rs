//! Handing a key on: announce until 18, deal until 20, complain until 22, confirm until 24; the next round follows at once.

use std::sync::Arc;

use quorumkeep_curves::bls::{G2, SecretScalar};
use quorumkeep_sharing::{Threshold, lagrange};

use super::World;
use super::rounds::{confirm_all, deal_of, dealt, post_deal, share_of};
use crate::announce::Announce;
use crate::config::Protocol;
use crate::deal::{self, DealFault, PlainDeal};
use crate::envelope::Kind;
use crate::ids::{Address, KeyId, VersionId};
use crate::info::RoundKind;
use crate::ledger::Event;
use crate::output::Output;
use crate::secret::RoundSecrets;
use crate::transcript::{Failure, FaultKind};

/// A share of a version, as its holder announces it.
type Holding<'a> = (&'a Output, &'a SecretScalar);

/// A key that all of them generated, and their shares. At height 16, where the next round begins.
fn generated(world: &mut World) -> Vec<SecretScalar> {
    let secrets = dealt(world, |_, _| {});
    world.to_height(14);
    let shares = shares(world, &secrets);
    confirm_all(world, &secrets, &(0..secrets.len()).collect::<Vec<_>>());
    world.to_height(16);
    shares
}

fn shares(world: &World, secrets: &[RoundSecrets]) -> Vec<SecretScalar> {
    (0..secrets.len()).map(|place| share_of(world, place, &secrets[place])).collect()
}

fn active(world: &World) -> Arc<Output> {
    world.ledger.keys()[&world.key()].versions.active.clone().unwrap()
}

fn settled(world: &World) -> VersionId {
    world.ledger.keys()[&world.key()].versions.settled.as_ref().unwrap().id()
}

fn candidate(world: &World) -> Arc<Output> {
    world.round().transcript().unwrap().outcome().unwrap().as_ref().unwrap().clone()
}

fn announce(world: &mut World, place: usize, held: &[Holding<'_>], receives: bool) -> RoundSecrets {
    let (trigger, head, who) = (world.round().trigger().clone(), world.ledger.head(), world.address(place));
    let secret = RoundSecrets::generate(&mut world.rng);
    let body = Announce::build(&trigger, &who, &secret, held, (receives, head), &mut world.rng).encode();
    world.pending.push(world.record(place, Kind::Announce, trigger.digest(), body));
    secret
}

/// The Announces of the operators `0..`, everybody with a share of the active version; two blocks.
fn announce_active(world: &mut World, shares: &[SecretScalar]) -> Vec<RoundSecrets> {
    let output = active(world);
    let secrets =
        shares.iter().enumerate().map(|(place, share)| announce(world, place, &[(&output, share)], true)).collect();
    advance(world, 2);
    secrets
}

fn advance(world: &mut World, blocks: u64) -> Vec<Event> {
    world.to_height(world.ledger.head().height + blocks)
}

fn handed_on(world: &mut World, place: usize, secrets: &RoundSecrets, share: &SecretScalar) -> PlainDeal {
    let (info, address) = (world.info(), world.address(place));
    deal::plain(&info, &address, secrets, Some(share), &mut world.rng).unwrap()
}

/// The Deals of these operators, with `alter` applied; two blocks.
fn deal_shares(
    world: &mut World,
    (secrets, shares): (&[RoundSecrets], &[SecretScalar]),
    places: &[usize],
    alter: impl Fn(usize, &mut PlainDeal),
) -> Vec<Event> {
    for place in places {
        let mut deal = handed_on(world, *place, &secrets[*place], &shares[*place]);
        alter(*place, &mut deal);
        post_deal(world, *place, &deal);
    }
    advance(world, 2)
}

/// A whole reshare of the active version among the operators that hold it; the new shares.
fn reshared(world: &mut World, old: &[SecretScalar]) -> Vec<SecretScalar> {
    let all: Vec<usize> = (0..old.len()).collect();
    let secrets = announce_active(world, old);
    deal_shares(world, (&secrets, old), &all, |_, _| {});
    advance(world, 2);
    let new = shares(world, &secrets);
    confirm_all(world, &secrets, &all);
    advance(world, 2);
    new
}

fn recovers(shares: &[(u16, &SecretScalar)], key: &G2) -> bool {
    let points: Vec<_> =
        shares.iter().map(|(index, share)| (quorumkeep_sharing::Index::new(*index).unwrap(), *share)).collect();
    lagrange::interpolate_secret(&points).unwrap().mul_g2() == *key
}

fn faults(events: &[Event]) -> Vec<(Address, FaultKind)> {
    let fault = |event: &Event| match event {
        Event::Fault(culprit, kind, _) => Some((*culprit, kind.clone())),
        _ => None,
    };
    events.iter().filter_map(fault).collect()
}

fn failure(events: &[Event]) -> Option<Failure> {
    events.iter().find_map(|event| if let Event::Failed(_, _, failure) = event { Some(*failure) } else { None })
}

/// A configuration after the one in force, with `change` applied, in a block of its own.
fn reconfigure(world: &mut World, change: impl Fn(&mut crate::config::Config)) -> Vec<Event> {
    let mut next = world.config.clone();
    (next.sequence, next.previous) = (next.sequence + 1, next.digest());
    change(&mut next);
    let signers = world.keys.len();
    world.pending.push(world.governed(KeyId::ZERO, Kind::Config, next.encode(), signers));
    let events = world.block();
    if events.iter().any(|event| matches!(event, Event::Config(_))) {
        world.config = next;
    }
    events
}

#[test]
fn a_reshare_keeps_the_group_key_and_replaces_every_share() {
    let mut world = World::new(4, 3, 70);
    let old = generated(&mut world);
    let before = active(&world);
    let secrets = announce_active(&mut world, &old);
    let info = world.info();
    assert_eq!((info.trigger.kind, info.protocol, info.trigger.round()), (RoundKind::Reshare, Protocol::Feldman, 16));
    assert!(!info.proves_constant() && info.h.is_none());
    assert_eq!(info.source.as_ref().unwrap().id(), before.id());
    let constants: Vec<_> = info.dealers.iter().map(|dealer| (dealer.index, dealer.constant.unwrap())).collect();
    assert_eq!(constants, before.shares().iter().map(|share| (share.index, share.point)).collect::<Vec<_>>());
    let events = deal_shares(&mut world, (&secrets, &old), &[0, 1, 2, 3], |_, _| {});
    assert!(faults(&events).is_empty());
    advance(&mut world, 2);
    let (after, new) = (candidate(&world), shares(&world, &secrets));
    assert_eq!(after.group_key(), before.group_key());
    assert_ne!(after.id(), before.id());
    for (place, share) in new.iter().enumerate() {
        assert_eq!(share.mul_g2(), after.shares()[place].point);
        assert_ne!(share.mul_g2(), old[place].mul_g2());
    }
    assert!(recovers(&[(1, &new[0]), (2, &new[1]), (4, &new[3])], before.group_key()));
    assert!(!recovers(&[(1, &new[0]), (2, &new[1]), (4, &old[3])], before.group_key()), "versions do not mix");
}

/// `t` Confirms activate what was handed on and settle nothing; `t + b` proofs in a later Announce window settle it.
#[test]
fn t_confirms_activate_and_later_proofs_settle() {
    let mut world = World::new(4, 3, 71);
    let old = generated(&mut world);
    let before = active(&world).id();
    let secrets = announce_active(&mut world, &old);
    deal_shares(&mut world, (&secrets, &old), &[0, 1, 2, 3], |_, _| {});
    advance(&mut world, 2);
    let new = shares(&world, &secrets);
    confirm_all(&mut world, &secrets, &[0, 1, 3]);
    let events = advance(&mut world, 2);
    let after = active(&world);
    assert_ne!(after.id(), before);
    assert!(!events.iter().any(|event| matches!(event, Event::Settled(..))));
    assert_eq!(settled(&world), before);
    assert_eq!(world.ledger.keys()[&world.key()].versions.kept().len(), 2);
    // Three proofs are not t + b = 4.
    for (place, share) in new.iter().enumerate().take(3) {
        announce(&mut world, place, &[(&after, share)], true);
    }
    advance(&mut world, 8);
    assert_eq!((active(&world).id(), settled(&world)), (after.id(), before));
    for (place, share) in new.iter().enumerate() {
        announce(&mut world, place, &[(&after, share)], true);
    }
    let events = advance(&mut world, 2);
    assert!(events.iter().any(|event| matches!(event, Event::Settled(_, version) if *version == after.id())));
    assert_eq!(settled(&world), after.id());
    assert_eq!(world.ledger.keys()[&world.key()].versions.kept(), [after]);
}

#[test]
fn fewer_confirms_than_t_leave_the_old_version_active() {
    let mut world = World::new(4, 3, 72);
    let old = generated(&mut world);
    let before = active(&world).id();
    let secrets = announce_active(&mut world, &old);
    deal_shares(&mut world, (&secrets, &old), &[0, 1, 2, 3], |_, _| {});
    advance(&mut world, 2);
    confirm_all(&mut world, &secrets, &[1, 2]);
    let events = advance(&mut world, 2);
    assert_eq!(failure(&events), Some(Failure::TooFewConfirms { found: 2, needed: 3 }));
    assert_eq!((active(&world).id(), settled(&world)), (before, before));
    let last = world.ledger.keys()[&world.key()].last;
    assert_eq!(last, Some((16, Err(Failure::TooFewConfirms { found: 2, needed: 3 }))));
}

/// V2: whoever hands on something else than its share of the source has dealt nothing.
#[test]
fn v2_a_deal_of_another_constant_counts_as_never_posted() {
    let mut world = World::new(4, 3, 73);
    let old = generated(&mut world);
    let secrets = announce_active(&mut world, &old);
    let deal = handed_on(&mut world, 0, &secrets[0], &old[1]);
    post_deal(&mut world, 0, &deal);
    let events = deal_shares(&mut world, (&secrets, &old), &[1, 2, 3], |_, _| {});
    assert_eq!(faults(&events), [(world.address(0), FaultKind::Deal(DealFault::Source))]);
    advance(&mut world, 2);
    assert_eq!(candidate(&world).cores().len(), 3);
    // Not even alone in its block, where nothing is checked together with others.
    let mut world = World::new(4, 3, 73);
    let old = generated(&mut world);
    let secrets = announce_active(&mut world, &old);
    let deal = handed_on(&mut world, 0, &secrets[0], &old[1]);
    post_deal(&mut world, 0, &deal);
    assert_eq!(faults(&world.block()), [(world.address(0), FaultKind::Deal(DealFault::Source))]);
}

#[test]
fn a_reshare_asks_for_no_proof_of_the_constant_and_takes_none() {
    let mut world = World::new(4, 3, 74);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    let proof = deal_of(&mut world, 0, &secrets[0]).proof_constant;
    assert!(proof.is_some());
    let mut world = World::new(4, 3, 74);
    let old = generated(&mut world);
    let secrets = announce_active(&mut world, &old);
    let events = deal_shares(&mut world, (&secrets, &old), &[0, 1, 2, 3], |place, deal| {
        assert!(deal.proof_constant.is_none());
        if place == 2 {
            deal.proof_constant = proof;
        }
    });
    assert_eq!(faults(&events), [(world.address(2), FaultKind::Deal(DealFault::ProofOfConstant))]);
}

/// `t` is the configuration's, and as many must deal as the source's `t` says.
#[test]
fn another_threshold_needs_as_many_dealers_as_the_old_one() {
    for (dealers, enough) in [(vec![0, 1], false), (vec![0, 1, 3], true)] {
        let mut world = World::new(4, 3, 75);
        let old = generated(&mut world);
        let change = |next: &mut crate::config::Config| next.threshold = Threshold::new(2, 4).unwrap();
        reconfigure(&mut world, change);
        world.to_height(24);
        let secrets = announce_active(&mut world, &old);
        assert_eq!((world.info().threshold.get(), world.info().dealers_needed()), (2, 3));
        deal_shares(&mut world, (&secrets, &old), &dealers, |_, _| {});
        advance(&mut world, 2);
        let outcome = world.round().transcript().unwrap().outcome().unwrap().clone();
        if enough {
            let new = shares(&world, &secrets);
            assert_eq!(outcome.as_ref().unwrap().threshold().get(), 2);
            assert!(recovers(&[(2, &new[1]), (4, &new[3])], active(&world).group_key()));
        } else {
            assert_eq!(outcome.err(), Some(Failure::TooFewDealers { found: 2, needed: 3 }));
        }
    }
}

#[test]
fn a_key_generated_by_pedersens_protocol_is_handed_on_by_feldmans() {
    let mut world = World::pedersen(4, 3, 76);
    let config = world.config.clone();
    let trigger = |kind| crate::info::Trigger {
        network: world.network,
        key: world.key(),
        kind,
        block: crate::block::BlockRef { height: 24, ..Default::default() },
        config: Arc::new(config.clone()),
        config_digest: config.digest(),
    };
    let (first, next) = (trigger(RoundKind::Genesis), trigger(RoundKind::Reshare));
    assert_eq!((first.protocol(), next.protocol()), (Protocol::Pedersen, Protocol::Feldman));
    let heights = |of: &crate::info::Trigger| {
        let d = of.deadlines();
        [d.announce, d.deal, d.complain, d.extract, d.reconstruct, d.confirm]
    };
    assert_eq!(heights(&first), [26, 28, 30, 32, 34, 36]);
    assert_eq!(heights(&next), [26, 28, 30, 30, 30, 32]);
    world.config.windows = crate::config::Windows { announce: 3, deal: 4, complain: 5, confirm: 7 };
    let windows = world.config.windows;
    let d = crate::info::Deadlines::after(100, &windows, Protocol::Pedersen);
    assert_eq!([d.announce, d.deal, d.complain, d.extract, d.reconstruct, d.confirm], [103, 107, 112, 116, 121, 128]);
    assert_eq!((windows.total(Protocol::Feldman), windows.total(Protocol::Pedersen)), (19, 28));
}

/// Two versions: the older one settled, the newer one active. Everybody's shares of both; at height 24.
fn two_versions(world: &mut World) -> ([Arc<Output>; 2], [Vec<SecretScalar>; 2]) {
    let old = generated(world);
    let before = active(world);
    let new = reshared(world, &old);
    ([before, active(world)], [old, new])
}

/// Announces that prove both versions for the first `both` operators and only the older one for the others.
fn announce_versions(
    world: &mut World,
    versions: &[Arc<Output>; 2],
    shares: &[Vec<SecretScalar>; 2],
    both: usize,
) -> Vec<RoundSecrets> {
    let announce = |place: usize| {
        let held = [(versions[0].as_ref(), &shares[0][place]), (versions[1].as_ref(), &shares[1][place])];
        announce(world, place, if place < both { &held } else { &held[..1] }, true)
    };
    let secrets = (0..shares[0].len()).map(announce).collect();
    advance(world, 2);
    secrets
}

fn source(world: &World) -> VersionId {
    world.info().source.as_ref().unwrap().id()
}

#[test]
fn the_newest_active_version_with_t_holders_is_the_source() {
    for (both, expected) in [(3, 1), (2, 0)] {
        let mut world = World::new(4, 3, 77);
        let (versions, shares) = two_versions(&mut world);
        announce_versions(&mut world, &versions, &shares, both);
        assert_eq!(source(&world), versions[expected].id());
        let dealers = if expected == 1 { both } else { 4 };
        assert_eq!(world.info().dealers.len(), dealers, "all holders of the source, and nobody else");
    }
}

#[test]
fn without_t_holders_of_a_version_there_is_no_source() {
    let mut world = World::new(4, 3, 78);
    let old = generated(&mut world);
    let output = active(&world);
    for (place, share) in old.iter().enumerate() {
        let held = [(output.as_ref(), share)];
        announce(&mut world, place, if place < 2 { &held } else { &[] }, true);
    }
    advance(&mut world, 2);
    assert!(world.round().transcript().is_none());
    assert_eq!(world.round().failure(), Some(Failure::NoSource));
    assert_eq!(failure(&advance(&mut world, 6)), Some(Failure::NoSource));
    assert_eq!(active(&world), output);
}

/// After a round that came up short of dealers from a version the other one is tried first, once.
#[test]
fn a_version_that_was_short_of_dealers_is_not_tried_again_at_once() {
    let mut world = World::new(4, 3, 79);
    let (versions, shares) = two_versions(&mut world);
    let secrets = announce_versions(&mut world, &versions, &shares, 3);
    assert_eq!(source(&world), versions[1].id());
    deal_shares(&mut world, (&secrets, &shares[1]), &[0, 1], |_, _| {});
    let events = advance(&mut world, 4);
    assert_eq!(failure(&events), Some(Failure::TooFewDealers { found: 2, needed: 3 }));
    announce_versions(&mut world, &versions, &shares, 3);
    assert_eq!(source(&world), versions[0].id());
    // Nobody deals: now the older one is short.
    advance(&mut world, 6);
    announce_versions(&mut world, &versions, &shares, 3);
    assert_eq!(source(&world), versions[1].id());
}

#[test]
fn who_leaves_deals_and_receives_nothing_and_who_lost_its_share_receives_and_deals_nothing() {
    let mut world = World::new(5, 3, 80);
    let old = generated(&mut world);
    let before = active(&world);
    reconfigure(&mut world, |next| {
        next.roster.pop();
        next.settle_margin = 1;
    });
    world.to_height(24);
    let mut secrets = Vec::new();
    for (place, share) in old.iter().enumerate() {
        let held = [(before.as_ref(), share)];
        // The first one has lost its share; the last one leaves, whatever it says.
        secrets.push(announce(&mut world, place, if place == 0 { &[] } else { &held }, true));
    }
    advance(&mut world, 2);
    let info = world.info();
    let indices = |all: Vec<quorumkeep_sharing::Index>| all.iter().map(|index| index.get()).collect::<Vec<_>>();
    assert_eq!(indices(info.players.iter().map(|player| player.index).collect()), [1, 2, 3, 4]);
    assert_eq!(indices(info.dealers.iter().map(|dealer| dealer.index).collect()), [2, 3, 4, 5]);
    let events = deal_shares(&mut world, (&secrets, &old), &[1, 2, 3, 4], |_, _| {});
    assert!(faults(&events).is_empty());
    advance(&mut world, 2);
    let new = shares(&world, &secrets[..4]);
    assert!(recovers(&[(1, &new[0]), (2, &new[1]), (3, &new[2])], before.group_key()));
    assert!(candidate(&world).share_of(&world.address(4)).is_none());
}

#[test]
fn a_roster_that_could_not_hand_the_key_on_is_refused() {
    let mut world = World::new(4, 3, 81);
    generated(&mut world);
    let refused = |events: &[Event]| {
        events.iter().any(|event| matches!(event, Event::Refused(Kind::Config, reason) if reason.contains("stay")))
    };
    let shrink = |next: &mut crate::config::Config, size: usize| {
        next.roster.truncate(size);
        next.threshold = Threshold::new(2, u16::try_from(size).unwrap()).unwrap();
        next.settle_margin = 0;
    };
    assert!(refused(&reconfigure(&mut world, |next| shrink(next, 2))), "two of three holders");
    assert!(!refused(&reconfigure(&mut world, |next| shrink(next, 3))), "three holders");
    assert_eq!(world.ledger.config().unwrap().n(), 3);
}

/// A snapshot with two versions, one of which was short of dealers: the next source is the same before and after.
#[test]
fn a_snapshot_keeps_both_versions_and_which_was_short() {
    let mut world = World::new(4, 3, 82);
    let (versions, shares) = two_versions(&mut world);
    let secrets = announce_versions(&mut world, &versions, &shares, 3);
    assert!(!world.ledger.is_at_rest(), "there are Announces");
    deal_shares(&mut world, (&secrets, &shares[1]), &[0, 1], |_, _| {});
    advance(&mut world, 4);
    assert!(world.ledger.is_at_rest());
    let restored = crate::ledger::Ledger::restore(&world.ledger.snapshot(), &world.memory).unwrap();
    let state = &restored.keys()[&world.key()];
    assert_eq!(state.versions.active.as_ref().unwrap().id(), versions[1].id());
    assert_eq!(state.versions.settled.as_ref().unwrap().id(), versions[0].id());
    assert_eq!(state.versions.short, Some(versions[1].id()));
    assert_eq!(state.active_since, world.ledger.keys()[&world.key()].active_since);
    assert_eq!(restored.config_digest(), world.ledger.config_digest());
    world.ledger = restored;
    announce_versions(&mut world, &versions, &shares, 3);
    assert_eq!(source(&world), versions[0].id());
}
