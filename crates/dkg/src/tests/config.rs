//! What a configuration may say, which one may follow another, and who has to sign.

use std::sync::OnceLock;

use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::Decode;
use quorumkeep_sharing::{Index, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::{World, member};
use crate::config::{Authority, Config, ConfigError, Genesis, Protocol, Windows};
use crate::config::{check_governed, is_socket, sign_governed};
use crate::envelope::{Envelope, Kind};
use crate::ids::{Digest, KeyId, NetworkId};
use crate::limits;

/// Four operators, `t = 3`, `b = 0`, indices 1 to 4, windows of two blocks in an interval of eight.
fn config() -> Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| World::with_margin(4, 3, 0, 90).config).clone()
}

fn stranger() -> bn254::SecretKey {
    bn254::SecretKey::random(&mut ChaCha20Rng::seed_from_u64(91))
}

fn changed(change: impl Fn(&mut Config)) -> Config {
    let mut config = config();
    change(&mut config);
    config
}

fn refused(change: impl Fn(&mut Config)) -> ConfigError {
    changed(change).check().unwrap_err()
}

fn is_timing(change: impl Fn(&mut Config)) -> bool {
    matches!(changed(change).check(), Err(ConfigError::Timing(_)))
}

#[test]
fn sizes_and_thresholds_have_bounds() {
    assert_eq!(config().check(), Ok(()));
    assert_eq!(refused(|c| c.roster.truncate(1)), ConfigError::RosterSize { found: 1 });
    let grow = |c: &mut Config, n| c.roster = vec![c.roster[0].clone(); n];
    assert_eq!(refused(|c| grow(c, 251)), ConfigError::RosterSize { found: 251 });
    assert!(matches!(refused(|c| grow(c, 250)), ConfigError::Duplicate { .. }));
    let threshold = |t, n| Threshold::new(t, n).unwrap();
    assert_eq!(refused(|c| c.threshold = threshold(5, 5)), ConfigError::Threshold { t: 5, n: 4 });
    assert_eq!(changed(|c| c.threshold = threshold(4, 4)).check(), Ok(()));
    assert_eq!(changed(|c| c.settle_margin = 1).check(), Ok(()));
    assert_eq!(refused(|c| c.settle_margin = 2), ConfigError::SettleMargin { max: 1, found: 2 });
    assert!(is_timing(|c| c.suite = 2));
}

#[test]
fn every_window_is_longer_than_the_finality_depth_and_all_fit_into_the_interval() {
    let windows: [fn(&mut Windows) -> &mut u32; 4] =
        [|w| &mut w.announce, |w| &mut w.deal, |w| &mut w.complain, |w| &mut w.confirm];
    for window in windows {
        assert!(is_timing(|c| *window(&mut c.windows) = 0));
        assert!(is_timing(|c| *window(&mut c.windows) = 3), "nine blocks in an interval of eight");
        let longer = |c: &mut Config| (*window(&mut c.windows), c.interval) = (3, 9);
        assert_eq!(changed(longer).check(), Ok(()));
    }
    assert!(is_timing(|c| c.finality = 2));
    assert_eq!(changed(|c| c.finality = 1).check(), Ok(()));
    assert!(is_timing(|c| c.interval = 7));
    assert!(is_timing(|c| c.interval = limits::INTERVAL_MAX + 1));
    assert_eq!(changed(|c| c.interval = limits::INTERVAL_MAX).check(), Ok(()));
    let pedersen = |interval| move |c: &mut Config| (c.protocol, c.interval) = (Protocol::Pedersen, interval);
    assert!(is_timing(pedersen(11)));
    assert_eq!(changed(pedersen(12)).check(), Ok(()));
    // 1 + 10 + 100 + 1000, and deal and complain once more.
    let windows = Windows { announce: 1, deal: 10, complain: 100, confirm: 1000 };
    assert_eq!((windows.total(Protocol::Feldman), windows.total(Protocol::Pedersen)), (1111, 1221));
}

#[test]
fn every_member_has_its_own_key_index_and_socket() {
    let duplicate = |change: fn(&mut Config)| match refused(change) {
        ConfigError::Duplicate { what, .. } => what,
        other => panic!("{other}"),
    };
    let wrong = |change: fn(&mut Config)| match refused(change) {
        ConfigError::Member { what, .. } => what,
        other => panic!("{other}"),
    };
    assert_eq!(duplicate(|c| c.roster[1] = c.roster[0].clone()), "operator");
    assert_eq!(duplicate(|c| c.roster[3].socket = c.roster[0].socket.clone()), "socket");
    let ascend = "indices must ascend without repetition";
    assert_eq!(wrong(|c| c.roster[2].index = c.roster[1].index), ascend);
    assert_eq!(wrong(|c| c.roster.swap(0, 1)), ascend);
    assert_eq!(wrong(|c| c.last_index = 3), "its index is above the highest one assigned");
    assert_eq!(changed(|c| c.last_index = 5).check(), Ok(()));
    assert_eq!(wrong(|c| c.roster[0].address = c.roster[1].address), "the address does not belong to the key");
    assert_eq!(wrong(|c| c.roster[3].address.0[7] ^= 1), "the address does not belong to the key");
    let possession = "the proof of possession of its key is wrong";
    assert_eq!(wrong(|c| c.roster[0].possession = c.roster[1].possession), possession);
    assert_eq!(wrong(|c| c.roster[2].socket = "host".into()), "its socket is not of the form host:port");
}

#[test]
fn a_socket_is_host_and_port() {
    let longest = format!("{}:65535", "a".repeat(256));
    for good in ["a:1", "127.0.0.1:65535", "[::1]:80", "host-name_x.example:9", &longest] {
        assert!(is_socket(good), "{good}");
    }
    let too_long = format!("{}:65535", "a".repeat(257));
    for bad in
        ["", "a", ":1", "a:", "a:0", "a:65536", "a b:1", "a/b:1", "::1:80", "[::1:80", "[]:1", "[a b]:1", &too_long]
    {
        assert!(!is_socket(bad), "{bad}");
    }
}

#[test]
fn the_first_configuration_is_the_networks_and_has_no_predecessor() {
    let first = config();
    assert_eq!(first.check_first(&first.network_id()), Ok(()));
    assert_eq!(first.check_first(&NetworkId([1; 32])), Err(ConfigError::NotTheAnchor));
    let own = |change: fn(&mut Config)| {
        let config = changed(change);
        config.check_first(&config.network_id()).unwrap_err()
    };
    let expected = ConfigError::NotSuccessor { expected: 0, previous: Digest::ZERO };
    assert_eq!(own(|c| c.sequence = 1), expected);
    assert_eq!(own(|c| c.previous = Digest([1; 32])), expected);
    assert!(matches!(own(|c| c.interval = 7), ConfigError::Timing(_)));
}

/// The successor of [`config`], with `change` applied.
fn successor(change: impl Fn(&mut Config)) -> Result<(), ConfigError> {
    let current = config();
    let mut next = current.clone();
    (next.sequence, next.previous) = (1, current.digest());
    change(&mut next);
    next.check_successor(&current)
}

#[test]
fn a_successor_names_its_predecessor_and_keeps_salt_and_indices() {
    assert_eq!(successor(|_| {}), Ok(()));
    let expected = ConfigError::NotSuccessor { expected: 1, previous: config().digest() };
    assert_eq!(successor(|c| c.sequence = 2), Err(expected.clone()));
    assert_eq!(successor(|c| c.sequence = 0), Err(expected.clone()));
    assert_eq!(successor(|c| c.previous = Digest::ZERO), Err(expected));
    assert!(matches!(successor(|c| c.salt[0] ^= 1), Err(ConfigError::Genesis(_))));
    assert!(matches!(successor(|c| c.last_index = 3), Err(ConfigError::Genesis(_))));
    assert_eq!(successor(|c| c.last_index = 9), Ok(()));
    assert!(matches!(successor(|c| c.interval = 7), Err(ConfigError::Timing(_))));
}

#[test]
fn an_index_is_never_used_again() {
    let index = |value| Index::new(value).unwrap();
    let newcomer = |at: u16| {
        move |c: &mut Config| {
            c.roster[3] = member(at, &stranger());
            c.last_index = c.last_index.max(at);
        }
    };
    assert_eq!(successor(newcomer(5)), Ok(()));
    let used = |result: Result<(), ConfigError>| match result {
        Err(ConfigError::IndexUsed { index, last, .. }) => (index, last),
        other => panic!("{other:?}"),
    };
    assert_eq!(used(successor(newcomer(4))), (4, 4), "the index of the one who left");
    let moved = |c: &mut Config| (c.roster[3].index, c.last_index) = (index(9), 9);
    assert_eq!(used(successor(moved)), (9, 4), "another index for the same operator");
    assert_eq!(used(successor(|c| c.roster[3].key = stranger().public())), (4, 4), "another key for the same operator");
}

#[test]
fn a_key_has_a_name_and_enough_players() {
    let genesis = |name: &str, players_min| Genesis { name: name.into(), players_min };
    let fits = |name: &str, players| genesis(name, players).check(&config()).is_ok();
    let longest = "z".repeat(64);
    for name in ["a", "a0._-z9", &longest] {
        assert!(fits(name, 4), "{name}");
        let bytes = genesis(name, 3).encode();
        assert_eq!(Genesis::decode(&bytes), Ok(genesis(name, 3)));
    }
    let too_long = "z".repeat(65);
    for name in ["", "A", "a b", "a/b", "é", &too_long] {
        assert!(!fits(name, 4), "{name}");
    }
    assert!(Genesis::decode(&genesis(&too_long, 4).encode()).is_err());
    assert_eq!([2, 3, 4, 5].map(|players| fits("main", players)), [false, true, true, false]);
    // t + b with b = 1.
    let strict = changed(|c| c.settle_margin = 1);
    assert_eq!([3, 4, 5].map(|players| genesis("main", players).check(&strict).is_ok()), [false, true, false]);
}

#[test]
fn t_members_have_to_sign() {
    let world = World::with_margin(4, 3, 0, 90);
    let envelope =
        |signers| Envelope::decode(&world.governed(KeyId::ZERO, Kind::Config, world.config.encode(), signers)).unwrap();
    let found = |envelope: &Envelope| match check_governed(envelope, &world.config) {
        Ok(()) => None,
        Err(ConfigError::Signatures { found, needed: 3 }) => Some(found),
        other => panic!("{other:?}"),
    };
    assert_eq!([0, 2, 3, 4].map(|signers| found(&envelope(signers))), [Some(0), Some(2), None, None]);
    let mut twice = envelope(2);
    sign_governed(&mut twice, &world.keys[1]);
    assert_eq!(twice, envelope(2), "nobody signs twice");
    sign_governed(&mut twice, &stranger());
    assert_eq!((twice.signatures.len(), found(&twice)), (3, Some(2)), "a stranger does not count");
    let mut borrowed = envelope(3);
    borrowed.body.push(0);
    assert_eq!(found(&borrowed), Some(0), "signatures of another body");
}

#[test]
fn every_field_is_read_back() {
    let full = changed(|c| {
        (c.sequence, c.previous, c.finality, c.last_index) = (7, Digest([8; 32]), 1, 9);
        c.windows = Windows { announce: 2, deal: 3, complain: 4, confirm: 5 };
        c.owners = vec![[1; 32]; limits::OWNERS_MAX];
        (c.protocol, c.authority) = (Protocol::Pedersen, Authority::Roster);
    });
    assert_eq!(Config::decode(&full.encode()), Ok(full));
    let too_many = changed(|c| c.owners = vec![[1; 32]; limits::OWNERS_MAX + 1]);
    assert!(Config::decode(&too_many.encode()).is_err());
    let protocols = [0, 1, 2, 3].map(Protocol::from_u8);
    let expected = [Err(Decode::Value), Ok(Protocol::Feldman), Ok(Protocol::Pedersen), Err(Decode::Value)];
    assert_eq!(protocols, expected);
    assert_eq!([Protocol::Feldman, Protocol::Pedersen].map(Protocol::name), ["feldman", "pedersen"]);
    let margins = [(4, 3), (7, 5), (10, 7), (3, 3), (2, 3)].map(|(n, t)| Config::default_settle_margin(n, t));
    assert_eq!(margins, [1, 1, 2, 0, 0]);
    let config = config();
    assert_eq!(config.member(&config.roster[2].address), Some(&config.roster[2]));
    assert_eq!(config.member(&crate::ids::Address::ZERO), None);
}
