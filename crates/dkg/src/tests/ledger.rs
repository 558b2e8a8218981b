//! What the ledger takes and refuses, and what happens at which height.

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bls::SecretScalar;

use super::rounds::{confirm_all, dealt, post_deal};
use super::{NAME, World};
use crate::app::{App, Format, Policy, is_app_id};
use crate::block::{Block, BlockRef};
use crate::config::{Genesis, governed_header, sign_governed};
use crate::confirm::Confirm;
use crate::deal;
use crate::envelope::{Envelope, Header, Kind, record_id};
use crate::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use crate::ledger::{BoardAlarm, Event, Ledger};
use crate::limits;
use crate::memory::Memory;
use crate::round::Phase;
use crate::transcript::Failure;

fn refusals(events: &[Event]) -> Vec<(Kind, &str)> {
    let refusal = |event| if let &Event::Refused(kind, ref why) = event { Some((kind, why.as_str())) } else { None };
    events.iter().filter_map(refusal).collect()
}

fn post(world: &mut World, bytes: Vec<u8>) -> Vec<Event> {
    world.pending.push(bytes);
    world.block()
}

/// A governed record with this header, signed by everybody.
fn governed(world: &World, header: Header, body: Vec<u8>) -> Vec<u8> {
    let mut envelope = Envelope { header, body, signatures: Vec::new() };
    world.keys.iter().for_each(|key| sign_governed(&mut envelope, key));
    envelope.encode()
}

#[test]
fn a_governed_record_names_its_network_and_its_key_and_nothing_else() {
    let mut world = World::new(3, 2, 100);
    let header = governed_header(world.network, KeyId::ZERO, Kind::Config);
    let body = world.config.encode();
    let wrong = [
        Header { key: world.key(), ..header },
        Header { round: 8, ..header },
        Header { digest: Digest([1; 32]), ..header },
        Header { recipient: Address([1; 20]), ..header },
    ];
    for header in wrong {
        let bytes = governed(&world, header, body.clone());
        assert_eq!(refusals(&post(&mut world, bytes)).len(), 1);
    }
    let foreign = Header { network: NetworkId([1; 32]), ..header };
    let bytes = governed(&world, foreign, body.clone());
    assert!(post(&mut world, bytes).is_empty(), "another network's record says nothing");
    assert!(world.ledger.config().is_none());
    let genesis = Genesis { name: NAME.into(), players_min: 3 }.encode();
    let early = world.governed(world.key(), Kind::Genesis, genesis.clone(), 3);
    assert_eq!(refusals(&post(&mut world, early.clone())), [(Kind::Genesis, "there is no configuration yet")]);
    let bytes = governed(&world, header, body);
    assert!(refusals(&post(&mut world, bytes)).is_empty());
    let other = world.governed(KeyId([1; 32]), Kind::Genesis, genesis.clone(), 3);
    assert_eq!(refusals(&post(&mut world, other)).len(), 1, "the key of another name");
    let unsigned = world.governed(world.key(), Kind::Genesis, genesis, 1);
    assert_eq!(refusals(&post(&mut world, unsigned)).len(), 1, "one signature of two");
    let few = Genesis { name: NAME.into(), players_min: 1 }.encode();
    let few = world.governed(world.key(), Kind::Genesis, few, 3);
    assert_eq!(refusals(&post(&mut world, few)).len(), 1, "fewer players than t");
    assert!(world.ledger.keys().is_empty());
    assert!(matches!(post(&mut world, early.clone())[..], [Event::Genesis(key)] if key == world.key()));
    assert_eq!(refusals(&post(&mut world, early)), [(Kind::Genesis, "a key is generated once")]);
}

/// The network of a first configuration, whose signers are its own, and an invalid one.
#[test]
fn the_first_configuration_is_checked_like_any_other() {
    let mut world = World::new(3, 2, 101);
    let few = world.governed(KeyId::ZERO, Kind::Config, world.config.encode(), 1);
    assert_eq!(refusals(&post(&mut world, few)).len(), 1, "one signature of two");
    let mut other = world.config.clone();
    other.salt = [9; 32];
    let other = world.governed(KeyId::ZERO, Kind::Config, other.encode(), 3);
    assert_eq!(refusals(&post(&mut world, other)).len(), 1, "another network's");
    let mut world = World::new(3, 2, 101);
    world.config.interval = 7;
    world.network = world.config.network_id();
    world.ledger = Ledger::new(world.network, world.config.orderer);
    let slow = world.governed(KeyId::ZERO, Kind::Config, world.config.encode(), 3);
    assert_eq!(refusals(&post(&mut world, slow)).len(), 1, "invalid by itself");
    assert!(world.ledger.config().is_none());
}

/// One word per event, in order.
fn words(events: &[Event]) -> Vec<&'static str> {
    let word = |event: &Event| match event {
        Event::Opened(..) => "opened",
        Event::Announced(..) => "announced",
        Event::Dealt(..) => "dealt",
        Event::Result(..) => "result",
        Event::Activated(..) => "activated",
        Event::Settled(..) => "settled",
        Event::Failed(..) => "failed",
        Event::Disagreement(..) => "disagreement",
        _ => "other",
    };
    events.iter().map(word).collect()
}

#[test]
fn phases_end_at_their_heights_and_rounds_begin_at_the_boundaries() {
    let mut world = World::new(4, 3, 102);
    world.begin();
    for height in 3..=26 {
        let expected: &[&str] = match height {
            8 => &["opened"],
            10 | 18 | 26 => &["announced"],
            12 | 20 => &["dealt"],
            14 | 22 => &["result"],
            16 | 24 => &["failed", "opened"],
            _ => &[],
        };
        assert_eq!(words(&world.block()), expected, "at height {height}");
    }
    let last = world.ledger.keys()[&world.key()].last;
    assert_eq!(last, Some((16, Err(Failure::TooFewPlayers { found: 0, needed: 4 }))));
    let phases: Vec<_> = (24..34).map(|height| world.round().phase_at(height)).collect();
    let [announce, deal] = [Some(Phase::Announce), Some(Phase::Deal)];
    let [complain, confirm] = [Some(Phase::Complain), Some(Phase::Confirm)];
    assert_eq!(phases, [None, announce, announce, deal, deal, complain, complain, confirm, confirm, None]);
}

#[test]
fn all_players_that_the_permission_asks_for_have_to_announce() {
    let mut world = World::new(4, 3, 103);
    world.begin();
    world.to_height(8);
    world.announce_all();
    world.pending.pop();
    world.to_height(10);
    assert_eq!(world.round().failure(), Some(Failure::TooFewPlayers { found: 3, needed: 4 }));
    assert!(world.round().transcript().is_none());
    let announced: Vec<_> = world.round().announced().copied().collect();
    let mut expected = [0, 1, 2].map(|place| world.address(place));
    expected.sort();
    assert_eq!(announced, expected);
}

#[test]
fn a_version_is_active_since_its_block_and_the_clock_of_its_orderer() {
    let mut world = World::new(4, 3, 104);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    let events = world.to_height(16);
    assert_eq!(words(&events), ["activated", "settled", "opened"]);
    let state = &world.ledger.keys()[&world.key()];
    assert_eq!(state.active_since, (16, 1000));
    assert_eq!(state.last, Some((8, Ok(state.versions.active.as_ref().unwrap().id()))));
}

/// A generation needs `t + b` Confirms, not `t`.
#[test]
fn t_confirms_do_not_activate_what_was_generated() {
    let mut world = World::new(4, 3, 105);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2]);
    let events = world.to_height(16);
    assert_eq!(words(&events), ["failed", "opened"]);
}

/// A Confirm of a version that nobody computed, of any round's info.
fn vote(world: &mut World, place: usize, version: VersionId) {
    let (info, transcript) = (world.info(), world.round().transcript().unwrap().clone());
    let output = transcript.outcome().unwrap().as_ref().unwrap().clone();
    let (share, nonce) = (SecretScalar::random(&mut world.rng), SecretScalar::random(&mut world.rng));
    let mut body = Confirm::build(&info, &world.address(place), &output, transcript.cut(), &share, nonce);
    body.version = version;
    world.pending.push(world.record(place, Kind::Confirm, Digest([5; 32]), body.encode()));
}

#[test]
fn t_confirms_of_another_version_are_a_disagreement() {
    let other = VersionId([7; 32]);
    let disagreement = |places: &[usize], changes: &[usize]| {
        let mut world = World::new(4, 3, 106);
        dealt(&mut world, |_, _| {});
        world.to_height(14);
        places.iter().for_each(|place| vote(&mut world, *place, other));
        // Whoever confirms twice is counted as it spoke first.
        changes.iter().for_each(|place| vote(&mut world, *place, VersionId([8; 32])));
        let events = world.to_height(16);
        events.iter().find_map(|e| if let Event::Disagreement(_, 8, version) = e { Some(*version) } else { None })
    };
    assert_eq!(disagreement(&[0, 1, 3], &[]), Some(other));
    assert_eq!(disagreement(&[0, 1, 3], &[0, 1, 3]), Some(other));
    assert_eq!(disagreement(&[0, 1, 0, 1], &[]), None);
    assert_eq!(disagreement(&[0, 1], &[2, 3]), None, "two for each");
}

#[test]
fn everybody_confirms_the_boards_own_version_and_nobody_disagrees() {
    let mut world = World::new(4, 3, 107);
    let secrets = dealt(&mut world, |_, _| {});
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    assert!(!words(&world.to_height(16)).contains(&"disagreement"));
}

#[test]
fn the_latest_time_is_the_end_of_the_year_9999() {
    let mut world = World::new(3, 2, 108);
    let last = 253_402_300_799_999;
    let at = |world: &World, time| Block::sign(&world.network, &world.ledger.head(), time, Vec::new(), &world.orderer);
    let late = at(&world, last + 1);
    assert_eq!(world.ledger.apply(&late, &world.memory).err(), Some(BoardAlarm::Time { height: 1 }));
    let fine = at(&world, last);
    assert!(world.ledger.apply(&fine, &world.memory).is_ok());
    // The right height on another head, and the right head at another height.
    let head = world.ledger.head();
    for other in [BlockRef { hash: Digest([1; 32]), ..head }, BlockRef { height: 2, ..head }] {
        let block = Block::sign(&world.network, &other, 1, Vec::new(), &world.orderer);
        let alarm = BoardAlarm::NotOurChain { height: other.height + 1, seen: 1 };
        assert_eq!(world.ledger.apply(&block, &world.memory).err(), Some(alarm));
    }
}

/// What is remembered of a block holds for this signature only: another one is checked again.
#[test]
fn a_known_block_with_another_signature_is_forged() {
    let world = World::new(3, 2, 109);
    let mut block = Block::sign(&world.network, &world.ledger.head(), 1, Vec::new(), &world.orderer);
    assert!(world.ledger.clone().apply(&block, &world.memory).is_ok());
    block.signature[0] ^= 1;
    assert_eq!(world.ledger.clone().apply(&block, &world.memory).err(), Some(BoardAlarm::Forged { height: 1 }));
    assert!(!block.is_signed_by(&world.network, &world.orderer.verifying_key()));
}

#[test]
fn a_configuration_names_the_next_orderer_and_operators_are_remembered() {
    let mut world = World::new(4, 3, 110);
    world.begin();
    assert_eq!(world.ledger.orderer(), &world.config.orderer);
    let left = world.address(3);
    let mut next = world.config.clone();
    (next.sequence, next.previous, next.settle_margin) = (1, next.digest(), 0);
    let new = SigningKey::from_bytes(&[8; 32]);
    next.orderer = new.verifying_key().to_bytes();
    next.roster.pop();
    let bytes = world.governed(KeyId::ZERO, Kind::Config, next.encode(), 4);
    assert!(refusals(&post(&mut world, bytes)).is_empty());
    assert_eq!(world.ledger.config_digest(), next.digest());
    let head = world.ledger.head();
    let old = Block::sign(&world.network, &head, 1, Vec::new(), &world.orderer);
    assert!(matches!(world.ledger.apply(&old, &world.memory), Err(BoardAlarm::Forged { .. })));
    let block = Block::sign(&world.network, &head, 1, Vec::new(), &new);
    assert!(world.ledger.apply(&block, &world.memory).is_ok());
    let keys = world.ledger.operator_keys();
    assert_eq!(keys.len(), 4);
    assert!(keys.contains(&(left, world.keys[3].public())));
    assert_eq!(world.ledger.operator_key(&left), Some(&world.keys[3].public()));
    assert_eq!(world.ledger.operator_key(&Address::ZERO), None);
}

fn app_record(world: &World, place: usize, key: KeyId, body: Vec<u8>) -> Vec<u8> {
    let header = Header {
        network: world.network,
        key,
        round: 0,
        digest: Digest::ZERO,
        kind: Kind::App,
        sender: world.address(place),
        recipient: Address::ZERO,
    };
    let hash = Digest(quorumkeep_curves::hash::keccak256(&body));
    Envelope::signed(header, body, &hash, &world.keys[place]).encode()
}

fn owner(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

#[test]
fn an_application_is_registered_and_changed_by_its_owners() {
    let mut world = World::new(3, 2, 111);
    world.begin();
    let (network, key) = (world.network, world.key());
    let sign = |epoch, format, by: u8, before: Option<u8>| {
        let before = before.map(owner);
        App::sign(&network, &key, ("app", epoch), (format, Policy::Owner), &owner(by), before.as_ref())
    };
    let first = sign(1, Format::Age, 1, None);
    let mut post_app = |app: &App, key: KeyId| {
        let bytes = app_record(&world, 0, key, app.encode());
        let events = post(&mut world, bytes);
        let refused = refusals(&events).first().map(|(_, why)| (*why).to_owned());
        (events.iter().filter(|event| matches!(event, Event::App(..))).count(), refused)
    };
    assert_eq!(post_app(&first, KeyId([1; 32])), (0, Some("there is no such key".into())));
    assert_eq!(post_app(&first, key), (1, None));
    assert_eq!(post_app(&first, key), (0, None), "the same again changes nothing");
    let refused = |outcome: (usize, Option<String>), why: &str| outcome.0 == 0 && outcome.1.unwrap().contains(why);
    assert!(refused(post_app(&sign(1, Format::Age, 2, Some(1)), key), "epoch must rise"));
    assert!(refused(post_app(&sign(2, Format::EigenX, 1, Some(1)), key), "format"));
    assert!(refused(post_app(&sign(2, Format::Age, 2, None), key), "present owner"));
    let mut forged = sign(2, Format::Age, 2, Some(1));
    forged.owner = owner(3).verifying_key().to_bytes();
    assert!(refused(post_app(&forged, key), "the owner's signature"));
    assert_eq!(post_app(&sign(2, Format::Age, 2, Some(1)), key), (1, None));
    let app = &world.ledger.apps()[&(key, "app".into())];
    assert_eq!((app.epoch, app.owner), (2, owner(2).verifying_key().to_bytes()));
    let bytes = app_record(&world, 0, key, vec![1, 2, 3]);
    assert_eq!(refusals(&post(&mut world, bytes)), [(Kind::App, "the record is malformed")]);
}

#[test]
fn formats_policies_and_names_of_applications() {
    for format in [Format::Age, Format::EigenX] {
        for policy in [Policy::Attested, Policy::Owner, Policy::Public] {
            let app =
                App::sign(&NetworkId([1; 32]), &KeyId([2; 32]), ("a", 1), (format, policy), &owner(1), Some(&owner(2)));
            assert_eq!(App::decode(&app.encode()), Ok(app.clone()));
            assert_ne!(app.signature, app.previous_signature);
        }
    }
    let longest = "a".repeat(128);
    assert!(["a", "0xAbc/~!", &longest].into_iter().all(is_app_id));
    let too_long = "a".repeat(129);
    assert!(!["", " ", "a b", "a\n", "é", &too_long].into_iter().any(is_app_id));
    let (network, key) = (NetworkId([1; 32]), KeyId([2; 32]));
    let spaced = App::sign(&network, &key, ("a b", 1), (Format::Age, Policy::Public), &owner(1), None);
    assert!(spaced.check(&network, &key, None).is_err());
}

/// The largest records that there can be have room, and nothing larger is read.
#[test]
fn records_and_blocks_have_bounds() {
    assert_eq!((limits::RECORD_BYTES_MAX, limits::BLOCK_BYTES_MAX), (98_304, 25_165_824));
    let world = World::new(3, 2, 112);
    let key = KeyId::ZERO;
    let of_size = |body: usize| app_record(&world, 0, key, vec![7; body]);
    let room = limits::RECORD_BYTES_MAX - of_size(0).len();
    assert_eq!(of_size(room).len(), limits::RECORD_BYTES_MAX);
    assert!(Envelope::decode(&of_size(room)).is_ok());
    assert!(Envelope::decode(&of_size(room + 1)).is_err());
    let block = |records: Vec<Vec<u8>>| Block::sign(&world.network, &world.ledger.head(), 1, records, &world.orderer);
    let decodes = |block: &Block| Block::decode(&block.encode()).as_ref() == Ok(block);
    assert!(decodes(&block(vec![of_size(room); 2])));
    assert!(decodes(&block(vec![Vec::new(); limits::BLOCK_RECORDS_MAX])));
    assert!(!decodes(&block(vec![Vec::new(); limits::BLOCK_RECORDS_MAX + 1])));
    // 255 records and one that fills the block to its last byte.
    let mut full = vec![vec![7; limits::RECORD_BYTES_MAX]; 255];
    full.push(Vec::new());
    let rest = limits::BLOCK_BYTES_MAX - block(full.clone()).encode().len();
    full[255] = vec![7; rest];
    assert_eq!(block(full.clone()).encode().len(), limits::BLOCK_BYTES_MAX);
    assert!(decodes(&block(full.clone())));
    full[255].push(7);
    assert!(!decodes(&block(full)));
}

#[test]
fn a_deal_outside_of_its_window_does_not_count() {
    let mut world = World::new(4, 3, 113);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    let (info, who) = (world.info(), world.address(0));
    let deal = deal::plain(&info, &who, &secrets[0], None, &mut world.rng).unwrap();
    let transcript = world.round().transcript().unwrap();
    assert_eq!([10, 11, 12, 13].map(|height| transcript.takes_deals(height)), [false, true, true, false]);
    world.to_height(12);
    post_deal(&mut world, 0, &deal);
    world.block();
    assert!(world.round().transcript().unwrap().deals().is_empty());
}

#[test]
fn a_record_is_signed_by_the_one_who_says_so() {
    let world = World::new(3, 2, 114);
    let bytes = app_record(&world, 1, KeyId::ZERO, vec![1]);
    let envelope = Envelope::decode(&bytes).unwrap();
    let verify = |envelope: &Envelope, place: usize| {
        let key = world.keys[place].public();
        crate::records::verify(&envelope.encode(), envelope.clone(), &Memory::default(), |_| Some(&key))
            .map(|record| record.id())
    };
    assert_eq!(verify(&envelope, 1), Some(record_id(&bytes)));
    assert_eq!(verify(&envelope, 0), None, "the key of another");
    // Signed by 1, who says that he is 0.
    let mut claims = envelope.clone();
    claims.header.sender = world.address(0);
    claims.signatures[0].0 = world.address(0);
    let hash = claims.plain_hash();
    claims.signatures[0].1 = world.keys[1].sign(&hash.0);
    assert_eq!(verify(&claims, 1), None);
    assert_eq!(verify(&claims, 0), None);
}
