//! What is taken, in which order, and what is true after a restart.

use quorumkeep_curves::bn254;
use quorumkeep_dkg::block::{Block, BlockRef};
use quorumkeep_dkg::config::{Config, ConfigError};
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::{Address, Digest, KeyId};
use quorumkeep_dkg::limits;
use quorumkeep_sharing::Threshold;
use rand_core::OsRng;

use super::{open, started};
use crate::board::budget::RoundQuota;
use crate::board::db::{BoardDb, DbError};
use crate::board::orderer::{ImportError, Orderer, OrdererError, Refusal, Status};
use crate::board::pool::Quota;
use crate::board::roster::GovernedError;
use crate::testkit::{Network, member, record_for};

fn blocks(orderer: &Orderer) -> Vec<Block> {
    let encoded = orderer.log().blocks(1, 1000).unwrap();
    encoded.iter().map(|bytes| Block::decode(bytes).unwrap()).collect()
}

/// The configuration after `config`, changed by `change`.
pub(super) fn successor(config: &Config, change: impl FnOnce(&mut Config)) -> Config {
    let mut next = Config { sequence: config.sequence + 1, previous: config.digest(), ..config.clone() };
    change(&mut next);
    next
}

#[test]
fn blocks_are_chained_signed_and_made_even_if_empty() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let record = network.record(0, 1, b"one");
    assert_eq!(orderer.post(&record).unwrap().status, Status::Pending);
    assert_eq!(orderer.post(&record).unwrap().status, Status::Pending);
    orderer.make_block(2000).unwrap();
    assert_eq!(orderer.post(&record).unwrap().status, Status::Known);
    let head = orderer.make_block(1500).unwrap();
    assert!(head.is_signed_by(&network.orderer.verifying_key()));
    assert_eq!((head.height, head.time_ms), (3, 2000), "time never goes back");

    let blocks = blocks(&orderer);
    assert_eq!(blocks.iter().map(|block| block.records.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(blocks[1].records[0], record);
    let mut below = BlockRef::origin(&network.id);
    for block in &blocks {
        assert!(block.is_signed_by(&network.id, &network.orderer.verifying_key()));
        assert_eq!((block.height, block.previous), (below.height + 1, below.hash));
        below = block.reference(&network.id);
    }
    assert_eq!(below, head.reference());
}

#[test]
fn a_restart_goes_on_from_the_same_head() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let (kept, lost) = (network.record(0, 1, b"kept"), network.record(1, 1, b"lost"));
    orderer.post(&kept).unwrap();
    let head = orderer.make_block(2000).unwrap();
    orderer.post(&lost).unwrap();
    let before = blocks(&orderer);
    assert!(matches!(
        Orderer::open(folder.path(), network.id, network.anchor(), network.orderer.clone(), Quota::default()),
        Err(DbError::Locked { .. })
    ));
    drop(orderer);
    let mut orderer = open(folder.path(), &network);
    assert_eq!(orderer.log().head(), head);
    assert_eq!(blocks(&orderer), before);
    assert_eq!(orderer.post(&kept).unwrap().status, Status::Known);
    assert_eq!(orderer.post(&lost).unwrap().status, Status::Pending, "posted again");
    assert_eq!(orderer.make_block(3000).unwrap().height, 3);
}

#[test]
fn what_cannot_count_is_refused() {
    let (folder, network, other) = (tempfile::tempdir().unwrap(), Network::new(3, 1), Network::new(3, 2));
    let mut orderer = open(folder.path(), &network);
    let early = orderer.post(&network.record(0, 1, b"x"));
    assert!(matches!(early, Err(Refusal::UnknownSigner { .. })), "no configuration, no operators");
    orderer.post(&network.first_config()).unwrap();
    orderer.make_block(1).unwrap();

    let good = network.record(0, 1, b"x");
    assert!(matches!(orderer.post(b""), Err(Refusal::Malformed)));
    assert!(matches!(orderer.post(&good[..good.len() - 1]), Err(Refusal::Malformed)));
    assert!(matches!(orderer.post(&[good.clone(), vec![0]].concat()), Err(Refusal::Malformed)));
    assert!(matches!(orderer.post(&vec![0; limits::RECORD_BYTES_MAX + 1]), Err(Refusal::TooLarge)));
    let foreign = record_for(other.id, &network.keys[0], 1, b"x");
    assert!(matches!(orderer.post(&foreign), Err(Refusal::ForeignNetwork { ours }) if ours == network.id));
    let stranger = record_for(network.id, &other.keys[0], 1, b"x");
    assert!(matches!(orderer.post(&stranger), Err(Refusal::UnknownSigner { .. })));

    let mut forged = Envelope::decode(&good).unwrap();
    forged.body = b"y".to_vec();
    assert!(matches!(orderer.post(&forged.encode()), Err(Refusal::BadSignature)));
    let mut receipt = Envelope::decode(&good).unwrap();
    receipt.header.kind = Kind::Ack;
    assert!(matches!(orderer.post(&receipt.encode()), Err(Refusal::NotARecord)));
    assert_eq!(orderer.waiting(), 0);
    orderer.post(&good).unwrap();
}

#[test]
fn the_first_configuration_is_the_one_that_the_network_is_named_after() {
    let (folder, network, other) = (tempfile::tempdir().unwrap(), Network::new(3, 1), Network::new(3, 2));
    let mut orderer = open(folder.path(), &network);
    let wrong = network.governed(Kind::Config, KeyId::ZERO, other.config.encode());
    let refused = orderer.post(&wrong);
    assert!(matches!(refused, Err(Refusal::Governed(GovernedError::Config(ConfigError::NotTheAnchor)))));
    let unsigned = network.governed_by(1, Kind::Config, KeyId::ZERO, network.config.encode());
    let refused = orderer.post(&unsigned);
    assert!(matches!(refused, Err(Refusal::Governed(GovernedError::Config(ConfigError::Signatures { .. })))));
    orderer.post(&network.first_config()).unwrap();
    orderer.make_block(1).unwrap();
    let again = network.governed_by(2, Kind::Config, KeyId::ZERO, network.config.encode());
    assert!(matches!(orderer.post(&again), Err(Refusal::Governed(GovernedError::Conflict(_)))));
}

#[test]
fn configurations_follow_each_other_and_leavers_still_post() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let joiner = bn254::SecretKey::random(&mut OsRng);
    let next = successor(&network.config, |next| {
        next.roster.remove(0);
        next.roster.push(member(4, &joiner));
        next.last_index = 4;
    });
    let fork = successor(&network.config, |next| next.interval += 1);
    let early = orderer.post(&record_for(network.id, &joiner, 1, b"hello"));
    assert!(matches!(early, Err(Refusal::UnknownSigner { .. })));

    let (next_record, fork_record) = (
        network.governed(Kind::Config, KeyId::ZERO, next.encode()),
        network.governed(Kind::Config, KeyId::ZERO, fork.encode()),
    );
    let few = network.governed_by(1, Kind::Config, KeyId::ZERO, next.encode());
    let refused = orderer.post(&few);
    assert!(matches!(refused, Err(Refusal::Governed(GovernedError::Config(ConfigError::Signatures { .. })))));
    orderer.post(&next_record).unwrap();
    orderer.make_block(1).unwrap();
    // Nodes ignore the fork; it is theirs to decide, and `t` operators had to sign it.
    orderer.post(&fork_record).unwrap();
    orderer.make_block(1).unwrap();
    orderer.post(&record_for(network.id, &joiner, 1, b"hello")).unwrap();
    orderer.post(&network.record(0, 1, b"I leave, but deal")).unwrap();
    let replay = network.governed_by(2, Kind::Config, KeyId::ZERO, next.encode());
    assert!(matches!(orderer.post(&replay), Err(Refusal::Governed(GovernedError::Conflict(_)))));
    let skipping = Config { sequence: 5, previous: Digest([9; 32]), ..next.clone() };
    let skipping = network.governed(Kind::Config, KeyId::ZERO, skipping.encode());
    let refused = orderer.post(&skipping);
    assert!(matches!(refused, Err(Refusal::Governed(GovernedError::Config(ConfigError::NotSuccessor { .. })))));

    let after = orderer.make_block(1).unwrap();
    drop(orderer);
    let mut orderer = open(folder.path(), &network);
    assert_eq!(orderer.log().head(), after);
    assert_eq!(orderer.roster().operators(), 4, "folded again from the disk");
    orderer.post(&record_for(network.id, &joiner, 2, b"still here")).unwrap();
    assert_eq!(orderer.log().governance().unwrap().len(), 3);
}

#[test]
fn r7_a_key_is_generated_once() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = open(folder.path(), &network);
    assert!(matches!(orderer.post(&network.genesis("main")), Err(Refusal::Governed(_))), "no configuration yet");
    orderer.post(&network.first_config()).unwrap();
    orderer.make_block(1).unwrap();
    let envelope = Envelope::decode(&network.genesis("main")).unwrap();
    let other_key = KeyId::derive(&network.id, "other");
    let wrong = network.governed(Kind::Genesis, other_key, envelope.body.clone());
    assert!(matches!(orderer.post(&wrong), Err(Refusal::Governed(GovernedError::Header))));

    // Two different sets of signers: two records, one key. Both may wait, one counts.
    orderer.post(&network.genesis("main")).unwrap();
    let fewer = network.governed_by(2, Kind::Genesis, envelope.header.key, envelope.body);
    orderer.post(&fewer).unwrap();
    orderer.make_block(1).unwrap();
    assert_eq!(blocks(&orderer)[1].records.len(), 1);
    assert_eq!(orderer.waiting(), 0, "the other one was dropped");
    assert!(matches!(orderer.post(&fewer), Err(Refusal::Governed(GovernedError::Conflict(_)))));
    let rows = orderer.log().governance().unwrap();
    assert_eq!(rows.iter().map(|row| row.kind).collect::<Vec<_>>(), [Kind::Config, Kind::Genesis]);
}

#[test]
fn v7_one_sender_cannot_starve_the_others() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let round = RoundQuota { each: 1000, ..RoundQuota::default() };
    let quota = Quota { sender_records: 100, round, ..Quota::default() };
    let mut orderer =
        Orderer::open(folder.path(), network.id, network.anchor(), network.orderer.clone(), quota).unwrap();
    orderer.post(&network.first_config()).unwrap();
    orderer.make_block(1).unwrap();
    for number in 0..100 {
        orderer.post(&network.record(0, number, b"flood")).unwrap();
    }
    let flooder = Address::of(&network.keys[0].public());
    assert!(
        matches!(orderer.post(&network.record(0, 100, b"flood")), Err(Refusal::Full { sender }) if sender == flooder)
    );
    let honest = network.record(1, 0, b"honest");
    orderer.post(&honest).unwrap();
    orderer.make_block(1).unwrap();
    let block = blocks(&orderer).pop().unwrap();
    assert_eq!(block.records.len(), 64 + 1);
    assert!(block.records.iter().take(2).any(|record| *record == honest), "in turn, not at the end");
    orderer.post(&network.record(0, 100, b"flood")).unwrap();
}

#[test]
fn an_orderer_that_was_replaced_stops_and_the_new_one_goes_on() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut old = started(folder.path(), &network);
    let new_key = Network::new(2, 9).orderer;
    let next = successor(&network.config, |next| {
        next.orderer = new_key.verifying_key().to_bytes();
        next.threshold = Threshold::new(3, 3).unwrap();
    });
    old.post(&network.governed(Kind::Config, KeyId::ZERO, next.encode())).unwrap();
    old.make_block(1).unwrap();
    assert!(old.is_retired());
    assert!(matches!(old.make_block(2), Err(OrdererError::Retired)));
    assert!(matches!(old.post(&network.record(0, 1, b"x")), Err(Refusal::Retired)));

    // A node's log rebuilds the board elsewhere.
    let log = blocks(&old);
    let elsewhere = tempfile::tempdir().unwrap();
    let open_new = || Orderer::open(elsewhere.path(), network.id, network.anchor(), new_key.clone(), Quota::default());
    let mut new = open_new().unwrap();
    assert!(matches!(new.import(&log[1]), Err(ImportError::NotNext { height: 2, head: 0 })));
    let mut forged = log[0].clone();
    forged.time_ms += 1;
    assert!(matches!(new.import(&forged), Err(ImportError::Forged { height: 1 })));
    log.iter().for_each(|block| new.import(block).unwrap());
    assert!(!new.is_retired());
    new.post(&network.record(0, 1, b"x")).unwrap();
    assert_eq!(new.make_block(3).unwrap().height, 3);
    drop(new);
    assert_eq!(open_new().unwrap().log().head().height, 3);
}

#[test]
fn a_foreign_or_damaged_file_is_refused() {
    let (folder, network, other) = (tempfile::tempdir().unwrap(), Network::new(3, 1), Network::new(3, 2));
    drop(started(folder.path(), &network));
    let foreign = BoardDb::open(folder.path(), &other.id, &other.anchor());
    assert!(matches!(foreign, Err(DbError::Foreign { found, .. }) if found == network.id));

    let path = folder.path().join("board.sqlite");
    let change = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    change("UPDATE blocks SET bytes = zeroblob(length(bytes)) WHERE height = 1");
    let open_again =
        || Orderer::open(folder.path(), network.id, network.anchor(), network.orderer.clone(), Quota::default());
    assert!(matches!(open_again(), Err(DbError::Damaged { height: 1, .. })));
    change("DELETE FROM blocks; PRAGMA user_version = 99");
    assert!(matches!(open_again(), Err(DbError::Newer { found: 99, .. })));

    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("board.sqlite"), "not a database, but long enough to look like one").unwrap();
    assert!(BoardDb::open(elsewhere.path(), &network.id, &network.anchor()).is_err());
}

#[test]
fn after_a_failed_write_no_other_block_is_made() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let head = orderer.log().head();
    // The same height written by somebody else stands for any failure of the disk.
    let path = folder.path().join("board.sqlite");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("INSERT INTO blocks VALUES (2, zeroblob(32), zeroblob(1))", []).unwrap();
    assert!(matches!(orderer.make_block(5), Err(OrdererError::Db(_))));
    assert_eq!(orderer.log().head(), head, "nothing was published");
    other.execute("DELETE FROM blocks WHERE height = 2", []).unwrap();
    assert!(matches!(orderer.make_block(6), Err(OrdererError::Stopped)));
}

#[test]
fn two_posts_at_a_time_make_one_record() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let record = network.record(0, 1, b"twice");
    let screen = |orderer: &Orderer| match orderer.screen(&record).unwrap() {
        crate::board::orderer::Screened::Unverified(record) => record.verify().unwrap(),
        crate::board::orderer::Screened::Done(_) => panic!("not known yet"),
    };
    let (first, second) = (screen(&orderer), screen(&orderer));
    assert_eq!(orderer.admit(first).unwrap().id, record_id(&record));
    orderer.make_block(2).unwrap();
    assert_eq!(orderer.admit(second).unwrap().status, Status::Known);
    orderer.make_block(3).unwrap();
    assert_eq!(blocks(&orderer)[2].records.len(), 0);
}
