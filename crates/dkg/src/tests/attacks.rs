//! Records that nobody may take for another's, for those of another round, key or network, or for more than they are.
//! The names begin with the attacks of `docs/attacks.md`.

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::{schnorr, tags};

use super::World;
use super::rounds::{confirm_all, deal_of, post_deal, share_of};
use crate::announce::Announce;
use crate::complain::Complain;
use crate::config::Genesis;
use crate::deal::{self, DealFault};
use crate::envelope::{Envelope, Header, Kind};
use crate::ids::{Address, Digest, KeyId};
use crate::ledger::{Event, Ledger};
use crate::records;
use crate::secret::RoundSecrets;
use crate::transcript::FaultKind;

/// Deals nonsense to player 0.
const BAD: usize = 3;

/// What the board gets instead of the records that wait.
type Carrier<'a> = &'a mut dyn FnMut(&World, &[Vec<u8>]) -> Vec<Vec<u8>>;

fn carried(world: &mut World, carrier: Carrier<'_>) -> Vec<Event> {
    let records = std::mem::take(&mut world.pending);
    world.pending = carrier(world, &records);
    world.block()
}

/// A network whose first round has begun.
fn opened(mut world: World) -> World {
    world.begin();
    world.to_height(8);
    world
}

/// The same operators in another network.
fn elsewhere(seed: u64) -> World {
    let mut world = World::new(4, 3, seed);
    world.config.salt = [4; 32];
    world.network = world.config.network_id();
    world.ledger = Ledger::new(world.network, world.config.orderer);
    opened(world)
}

fn announce(world: &mut World, shares: &[SecretScalar]) -> Vec<RoundSecrets> {
    let (trigger, head) = (world.round().trigger().clone(), world.ledger.head());
    let source = world.ledger.keys()[&world.key()].versions.active.clone();
    let mut all = Vec::new();
    for place in 0..world.keys.len() {
        let (secrets, me) = (RoundSecrets::generate(&mut world.rng), world.address(place));
        let held: Vec<_> =
            source.iter().zip(shares.get(place)).map(|(source, share)| (source.as_ref(), share)).collect();
        let announce = Announce::build(&trigger, &me, &secrets, &held, (true, head), &mut world.rng);
        world.pending.push(world.record(place, Kind::Announce, trigger.digest(), announce.encode()));
        all.push(secrets);
    }
    all
}

fn deal_all(world: &mut World, shares: &[SecretScalar], secrets: &[RoundSecrets]) {
    for (place, secrets) in secrets.iter().enumerate() {
        let (info, me) = (world.info(), world.address(place));
        let mut deal = deal::plain(&info, &me, secrets, shares.get(place), &mut world.rng).unwrap();
        if place == BAD {
            deal.ciphertexts[0][0] ^= 1;
        }
        post_deal(world, place, &deal);
    }
}

/// What `place` says about the deal of `about`, with the right opening.
fn complaint(world: &World, place: usize, about: usize, secrets: &RoundSecrets) -> Vec<u8> {
    let dealer = world.address(about);
    let deal = world.round().transcript().unwrap().deals()[&dealer].deal.clone().unwrap();
    let opening = deal.r.mul_secret(secrets.receive()).to_bytes();
    world.record(place, Kind::Complain, world.info().digest(), Complain::encode(&dealer, &deal.core, &opening))
}

/// One whole round with a record of every kind; `shares` of the version before, or none.
fn round(world: &mut World, shares: &[SecretScalar], carrier: Carrier<'_>) -> (Vec<SecretScalar>, Vec<Event>) {
    let start = world.round().trigger().round();
    let secrets = announce(world, shares);
    let mut events = carried(world, carrier);
    events.extend(world.to_height(start + 2));
    deal_all(world, shares, &secrets);
    events.extend(carried(world, carrier));
    events.extend(world.to_height(start + 4));
    let complaint = complaint(world, 0, BAD, &secrets[0]);
    world.pending.push(complaint);
    events.extend(carried(world, carrier));
    events.extend(world.to_height(start + 6));
    let shares = (0..4).map(|place| share_of(world, place, &secrets[place])).collect();
    confirm_all(world, &secrets, &[0, 1, 2, 3]);
    events.extend(carried(world, carrier));
    events.extend(world.to_height(start + 8));
    (shares, events)
}

fn faults(events: &[Event]) -> Vec<(Address, FaultKind)> {
    let fault = |event: &Event| match event {
        Event::Fault(culprit, kind, _) => Some((*culprit, kind.clone())),
        _ => None,
    };
    events.iter().filter_map(fault).collect()
}

/// The liar is out, nobody else is blamed, everybody has a share.
fn is_undisturbed(world: &World, events: &[Event]) {
    assert_eq!(faults(events), [(world.address(BAD), FaultKind::Dealing)]);
    let activated = |event: &Event| match event {
        Event::Activated(_, output) => Some(output.clone()),
        _ => None,
    };
    let output = events.iter().find_map(activated).unwrap();
    let dealers: Vec<u16> = output.cores().iter().map(|(index, _)| index.get()).collect();
    assert_eq!((dealers, output.shares().len()), (vec![1, 2, 3], 4));
}

fn all_records(world: &World) -> Vec<Vec<u8>> {
    world.blocks.iter().flat_map(|block| block.records.clone()).collect()
}

/// The same record with another header under the signature that it had.
fn readdressed(bytes: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut envelope = Envelope::decode(bytes).unwrap();
    change(&mut envelope.header);
    envelope.encode()
}

/// A record of this operator, whatever its kind hashes.
fn signed(world: &World, place: usize, header: Header, body: Vec<u8>) -> Vec<u8> {
    let plain = Envelope { header, body, signatures: Vec::new() };
    let hash = records::body_hash(&plain).unwrap();
    Envelope::signed(header, plain.body, &hash, &world.keys[place]).encode()
}

/// What a thief makes of a record: signed by himself in the sender's name, the sender's signature under other names, to
/// another recipient, of another kind.
fn forgeries(world: &World, bytes: &[u8]) -> Vec<Vec<u8>> {
    let envelope = Envelope::decode(bytes).unwrap();
    let place = (0..4).find(|place| world.address(*place) != envelope.header.sender).unwrap();
    let thief = world.address(place);
    let hash = records::body_hash(&envelope).unwrap();
    let in_his_name = Envelope::signed(envelope.header, envelope.body.clone(), &hash, &world.keys[place]);
    let mut as_himself = in_his_name.clone();
    as_himself.signatures[0].0 = thief;
    let named = |address: Address| {
        let mut named = envelope.clone();
        (named.header.sender, named.signatures[0].0) = (address, address);
        named.encode()
    };
    let other = |kind: Kind| if kind == Kind::Deal { Kind::Confirm } else { Kind::Complain };
    vec![
        in_his_name.encode(),
        as_himself.encode(),
        named(thief),
        named(Address::ZERO),
        readdressed(bytes, |header| header.recipient = thief),
        readdressed(bytes, |header| header.kind = other(header.kind)),
    ]
}

#[test]
fn v11_nobody_speaks_for_another_in_any_record() {
    let mut world = opened(World::new(4, 3, 60));
    let mut carrier = |world: &World, records: &[Vec<u8>]| {
        let forged = records.iter().flat_map(|bytes| forgeries(world, bytes));
        forged.chain(records.iter().cloned()).collect()
    };
    let (shares, events) = round(&mut world, &[], &mut carrier);
    is_undisturbed(&world, &events);
    let (_, events) = round(&mut world, &shares, &mut carrier);
    is_undisturbed(&world, &events);
}

/// Old round, other key, other network with the same operators, generation and reshare: every kind of record, before
/// the honest ones of every phase, as it was and with a header made to fit.
#[test]
fn r7_what_was_said_elsewhere_is_ignored_and_frames_nobody() {
    let mut foreign = elsewhere(61);
    let mut plain = |_: &World, records: &[Vec<u8>]| records.to_vec();
    let (shares, _) = round(&mut foreign, &[], &mut plain);
    round(&mut foreign, &shares, &mut plain);
    let foreign = all_records(&foreign);
    let mut world = opened(World::new(4, 3, 61));
    let mut old = foreign.clone();
    let mut shares = Vec::new();
    for _ in 0..3 {
        let mut carrier = |world: &World, records: &[Vec<u8>]| {
            let current = world.round();
            let announces = (current.trigger_digest(), current.trigger().round());
            let digest = current.transcript().map_or(announces.0, |transcript| transcript.info().digest());
            let fitting = old.iter().map(|bytes| {
                readdressed(bytes, |header| {
                    (header.network, header.round) = (world.network, announces.1);
                    header.digest = if header.kind == Kind::Announce { announces.0 } else { digest };
                    header.key = world.key();
                })
            });
            old.iter().cloned().chain(fitting).chain(records.iter().cloned()).collect()
        };
        let (next, events) = round(&mut world, &shares, &mut carrier);
        is_undisturbed(&world, &events);
        shares = next;
        // A network never takes up what it refused: only its own records are repeated, each once.
        old = foreign.clone();
        old.extend(own_records(&world));
    }
}

/// The records on the board that its operators made for it.
fn own_records(world: &World) -> Vec<Vec<u8>> {
    let mut own: Vec<Vec<u8>> = all_records(world);
    let genuine = |bytes: &Vec<u8>| {
        let Ok(envelope) = Envelope::decode(bytes) else { return false };
        let key = world.ledger.operator_key(&envelope.header.sender);
        envelope.header.network == world.network && key.is_some_and(|key| records::is_signed_by(&envelope, key))
    };
    own.retain(genuine);
    own.sort();
    own.dedup();
    own
}

/// Two keys generated at the same heights by the same operators: what is said for one is nothing for the other.
#[test]
fn v13_r7_two_keys_in_one_ceremony_share_no_record() {
    let mut world = World::new(4, 3, 62);
    world.begin();
    let other = KeyId::derive(&world.network, "other");
    let genesis = Genesis { name: "other".into(), players_min: 4 };
    world.pending.push(world.governed(other, Kind::Genesis, genesis.encode(), 4));
    world.to_height(8);
    let digest = |world: &World| world.ledger.keys()[&other].round.as_ref().unwrap().trigger_digest();
    assert_ne!(world.round().trigger_digest(), digest(&world));
    let secrets = world.announce_all();
    let own = world.pending.clone();
    world.pending.extend(own.iter().map(|bytes| readdressed(bytes, |header| header.key = other)));
    assert_eq!(faults(&world.block()), [], "a message that was moved is nobody's");
    let announced = |world: &World| world.ledger.keys()[&other].round.as_ref().unwrap().announced().count();
    assert_eq!(announced(&world), 0);
    // The operator itself says for one key what it proved for the other.
    let envelope = Envelope::decode(&own[0]).unwrap();
    let header = Header { key: other, digest: digest(&world), ..envelope.header };
    world.pending.push(signed(&world, 0, header, envelope.body));
    assert_eq!(faults(&world.block()), [(world.address(0), FaultKind::Malformed)]);
    assert_eq!(announced(&world), 0);
    let deal = deal_of(&mut world, 0, &secrets[0]);
    post_deal(&mut world, 0, &deal);
    let moved = readdressed(&world.pending[0], |header| header.key = other);
    world.pending.push(moved);
    assert_eq!(faults(&world.block()), []);
    assert!(world.ledger.keys()[&other].round.as_ref().unwrap().transcript().is_none());
}

/// Announced, dealt, and `BAD` dealt nonsense to player 0: height 11.
fn dealt(seed: u64) -> (World, Vec<RoundSecrets>) {
    let mut world = opened(World::new(4, 3, seed));
    let secrets = world.announce_all();
    world.to_height(10);
    deal_all(&mut world, &[], &secrets);
    world.block();
    (world, secrets)
}

#[test]
fn v8e_a_complaint_counts_in_its_window_about_this_deal_and_once() {
    let (mut world, secrets) = dealt(63);
    let right = complaint(&world, 0, BAD, &secrets[0]);
    world.pending.push(right.clone());
    assert_eq!(faults(&world.block()), [], "early: the window of deals is open");
    let envelope = Envelope::decode(&right).unwrap();
    let (info, bad, honest) = (world.info(), world.address(BAD), world.address(1));
    let core = world.round().transcript().unwrap().deals()[&bad].core.unwrap();
    let opening: [u8; 48] = envelope.body[envelope.body.len() - 48..].try_into().unwrap();
    let bodies = [Complain::encode(&honest, &core, &opening), Complain::encode(&bad, &Digest([1; 32]), &opening)];
    for body in bodies {
        world.pending.push(world.record(0, Kind::Complain, info.digest(), body));
    }
    let elsewhere = [
        Header { digest: Digest([1; 32]), ..envelope.header },
        Header { round: envelope.header.round + 8, ..envelope.header },
        Header { key: KeyId([1; 32]), ..envelope.header },
    ];
    for header in elsewhere {
        world.pending.push(signed(&world, 0, header, envelope.body.clone()));
    }
    assert_eq!(faults(&world.block()), []);
    let accused = |world: &World| world.round().transcript().unwrap().accused().keys().copied().collect::<Vec<_>>();
    assert_eq!(accused(&world), [], "another dealer's, an unknown deal's, another session's");
    world.pending.extend([right.clone(), right.clone()]);
    let again = world.record(0, Kind::Complain, info.digest(), envelope.body.clone());
    world.pending.push(again);
    let events = world.block();
    assert_eq!(faults(&events), [(bad, FaultKind::Dealing)], "once");
    assert_eq!(accused(&world), [bad]);
    // Too late, and false: it is not even looked at.
    world.pending.push(complaint(&world, 2, 1, &secrets[2]));
    assert_eq!(faults(&world.block()), []);
    assert_eq!(accused(&world), [bad]);
}

#[test]
fn v7_a_deal_that_is_early_of_no_session_or_empty_does_not_stand_in_for_the_real_one() {
    let mut world = opened(World::new(4, 3, 64));
    let secrets = world.announce_all();
    let header = Envelope::decode(&world.pending[0]).unwrap().header;
    let stray = |world: &World, number: u8| {
        let header = Header { kind: Kind::Deal, digest: Digest([number; 32]), ..header };
        Envelope::signed(header, Vec::new(), &Digest([number; 32]), &world.keys[0]).encode()
    };
    world.pending.push(stray(&world, 1));
    assert_eq!(faults(&world.block()), [], "a deal before there are players");
    world.to_height(10);
    let good = deal_of(&mut world, 0, &secrets[0]);
    for number in 0..100 {
        world.pending.push(stray(&world, number));
    }
    post_deal(&mut world, 0, &good);
    let sealed = world.pending.pop().unwrap();
    for cut in [0, 1, 100, 400] {
        let mut envelope = Envelope::decode(&sealed).unwrap();
        envelope.body.truncate(cut);
        world.pending.push(envelope.encode());
    }
    let changes: [fn(&mut Header); 3] =
        [|header| header.digest = Digest([9; 32]), |header| header.round += 8, |header| header.key = KeyId([9; 32])];
    for change in changes {
        let mut envelope = Envelope::decode(&sealed).unwrap();
        change(&mut envelope.header);
        world.pending.push(signed(&world, 0, envelope.header, envelope.body));
    }
    assert_eq!(faults(&world.block()), []);
    assert!(world.round().transcript().unwrap().deals().is_empty(), "nothing is kept of what belongs to no session");
    world.pending.push(sealed);
    assert_eq!(faults(&world.block()), []);
    assert!(world.round().transcript().unwrap().deals()[&world.address(0)].deal.is_ok());
}

/// One that is well signed for the session but lacks its shares counts as the dealer's only one.
#[test]
fn v7_a_deal_without_its_shares_is_the_dealers_fault_and_his_last() {
    let mut world = opened(World::new(4, 3, 65));
    let secrets = world.announce_all();
    world.to_height(10);
    let good = deal_of(&mut world, 0, &secrets[0]);
    let mut bare = good.clone();
    bare.ciphertexts.clear();
    post_deal(&mut world, 0, &bare);
    post_deal(&mut world, 0, &good);
    let expected = [FaultKind::Deal(DealFault::Ciphertexts), FaultKind::Equivocation].map(|k| (world.address(0), k));
    assert_eq!(faults(&world.block()), expected);
    assert!(world.round().transcript().unwrap().qualified().is_empty());
}

#[test]
fn v4_a_copied_commitment_and_a_replayed_deal_prove_nothing() {
    let mut world = opened(World::new(4, 3, 66));
    let secrets = world.announce_all();
    world.to_height(10);
    // Dealer 1 takes everything but R from dealer 0, and proves its own R for it.
    let (info, me) = (world.info(), world.address(1));
    let mut copy = deal_of(&mut world, 0, &secrets[0]);
    let r = SecretScalar::random(&mut world.rng);
    copy.r = r.mul_g1();
    let context = deal::proof_context(&info, &me, &copy.r, &copy.commitment.hash());
    let nonce = SecretScalar::random(&mut world.rng);
    copy.proof_r = schnorr::prove(tags::DKG_PROOF_R, &context, &r, &copy.r, nonce);
    post_deal(&mut world, 1, &copy);
    // Dealer 2 deals what it dealt in another network, under this one's session.
    let mut foreign = elsewhere(66);
    foreign.announce_all();
    foreign.to_height(10);
    let replayed = deal_of(&mut foreign, 2, &secrets[2]);
    post_deal(&mut world, 2, &replayed);
    let expected = [(1, DealFault::ProofOfConstant), (2, DealFault::ProofOfR)];
    let expected = expected.map(|(place, fault)| (world.address(place), FaultKind::Deal(fault)));
    assert_eq!(faults(&world.block()), expected);
}

/// Of each kind one record in the last block of its window, and one in the first block after it.
#[test]
fn v9_the_last_block_of_a_window_is_in_it_and_the_next_is_not() {
    let mut world = opened(World::new(4, 3, 67));
    world.to_height(9);
    let secrets = world.announce_all();
    let announces = world.pending.clone();
    world.block();
    assert_eq!(world.info().players.len(), 4);
    world.pending = announces;
    assert_eq!(faults(&world.block()), []);
    for (place, secrets) in secrets.iter().enumerate().take(3) {
        let deal = deal_of(&mut world, place, secrets);
        post_deal(&mut world, place, &deal);
    }
    let twice = world.pending.clone();
    world.pending.extend(twice);
    assert_eq!(faults(&world.block()), [], "a repeat is no second deal");
    let late = deal_of(&mut world, 3, &secrets[3]);
    post_deal(&mut world, 3, &late);
    assert_eq!(faults(&world.block()), []);
    world.to_height(14);
    let output = world.round().transcript().unwrap().outcome().unwrap().clone().unwrap();
    assert_eq!(output.cores().len(), 3);
    world.block();
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    let events = world.block();
    assert!(events.iter().any(|event| matches!(event, Event::Activated(..))));
}
