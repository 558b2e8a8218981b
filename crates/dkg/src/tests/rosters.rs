//! Rosters and thresholds that are refused before anybody deals.

use quorumkeep_curves::bn254;
use quorumkeep_sharing::Threshold;

use super::rounds::{confirm_all, deal_of, post_deal};
use super::{World, member};
use crate::config::{Config, ConfigError};
use crate::envelope::Kind;
use crate::ids::KeyId;
use crate::ledger::Event;

/// The place of the lower byte of `t` in an encoded configuration.
fn place_of_threshold(config: &Config) -> usize {
    let n = u16::try_from(config.n()).unwrap();
    let other = Config { threshold: Threshold::new(2, n).unwrap(), ..config.clone() };
    assert_ne!(config.threshold, other.threshold);
    let (one, two) = (config.encode(), other.encode());
    one.iter().zip(&two).position(|(a, b)| a != b).unwrap()
}

#[test]
fn v12_a_threshold_outside_of_2_to_n_is_no_configuration() {
    let config = World::new(4, 3, 70).config;
    let place = place_of_threshold(&config);
    for t in (0..=6).chain([0xff, 0x100, 0xffff]) {
        let mut bytes = config.encode();
        bytes[place - 1..=place].copy_from_slice(&u16::to_be_bytes(t));
        assert_eq!(Config::decode(&bytes).is_ok(), (2..=4).contains(&t), "t = {t} of 4");
    }
    for n in 0..3 {
        let mut small = config.clone();
        small.roster.truncate(n);
        assert!(Config::decode(&small.encode()).is_err() && small.check().is_err(), "t = 3 of {n}");
    }
}

/// Nodes with another threshold are another network: no record of theirs is one of ours.
#[test]
fn v12_another_threshold_is_another_network_and_another_session() {
    let world = World::new(4, 3, 71);
    let lower = Config { threshold: Threshold::new(2, 4).unwrap(), ..world.config.clone() };
    assert_ne!(lower.network_id(), world.network);
    assert_ne!(lower.digest(), world.config.digest());
}

#[test]
fn v1_an_index_is_neither_zero_nor_anothers() {
    let config = World::new(4, 3, 72).config;
    let bytes = config.encode();
    let address = config.roster[1].address.0;
    let place = bytes.windows(address.len()).position(|window| window == address).unwrap() - 2;
    let with = |index: u16| {
        let mut bytes = bytes.clone();
        bytes[place..place + 2].copy_from_slice(&index.to_be_bytes());
        Config::decode(&bytes)
    };
    assert!(with(0).is_err());
    assert_eq!(with(2).unwrap().check(), Ok(()));
    for index in [1, 3] {
        assert!(matches!(with(index).unwrap().check(), Err(ConfigError::Member { .. })), "index {index} twice");
    }
    let doubled = Config { roster: [&config.roster[..], &config.roster[..1]].concat(), ..config.clone() };
    assert!(matches!(doubled.check(), Err(ConfigError::Duplicate { what: "operator", .. })));
}

/// A network of four that has generated a key.
fn with_key(seed: u64) -> World {
    let mut world = World::new(4, 3, seed);
    world.begin();
    world.to_height(8);
    let secrets = world.announce_all();
    world.to_height(10);
    for (place, secrets) in secrets.iter().enumerate() {
        let deal = deal_of(&mut world, place, secrets);
        post_deal(&mut world, place, &deal);
    }
    world.to_height(14);
    confirm_all(&mut world, &secrets, &[0, 1, 2, 3]);
    world.to_height(16);
    world
}

/// So many of the four stay, and as many new operators come as leave.
fn successor(world: &mut World, stay: usize, t: u16) -> Config {
    let current = world.config.clone();
    let mut roster = current.roster[..stay].to_vec();
    for index in 5..=8 - u16::try_from(stay).unwrap() {
        roster.push(member(index, &bn254::SecretKey::random(&mut world.rng)));
    }
    let threshold = Threshold::new(t, 4).unwrap();
    let (previous, sequence, last_index) = (current.digest(), current.sequence + 1, 8);
    Config { roster, threshold, previous, sequence, last_index, settle_margin: 0, ..current }
}

fn refusal(world: &mut World, next: &Config) -> Option<String> {
    world.pending.push(world.governed(KeyId::ZERO, Kind::Config, next.encode(), 4));
    world.block().into_iter().find_map(|event| match event {
        Event::Refused(Kind::Config, reason) => Some(reason),
        _ => None,
    })
}

#[test]
fn r4_a_roster_in_which_fewer_than_t_holders_stay_is_refused() {
    for stay in [0, 1, 2] {
        let mut world = with_key(73);
        // A lower threshold in the same step does not help: it is the version's own that counts.
        for t in [3, 2] {
            let next = successor(&mut world, stay, t);
            let expected = ConfigError::TooFewStay { stay, needed: 3 };
            assert_eq!(refusal(&mut world, &next), Some(expected.to_string()));
        }
    }
    for (stay, t) in [(3, 3), (4, 4), (4, 2)] {
        let mut world = with_key(74);
        let next = successor(&mut world, stay, t);
        assert_eq!(refusal(&mut world, &next), None, "{stay} stay, t = {t}");
    }
}
