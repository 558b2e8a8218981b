//! What is refused before it costs anything.

use quorumkeep_curves::bn254;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::app::{App, Format, Policy};
use quorumkeep_dkg::config::{Config, ConfigError, governed_header, sign_governed};
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId};
use quorumkeep_dkg::start::{START_BLOCKS, Start};
use rand_core::OsRng;

use super::core::successor;
use super::started;
use crate::board::orderer::{Orderer, Refusal};
use crate::board::roster::GovernedError;
use crate::testkit::{Network, member};

fn refused(orderer: &mut Orderer, record: &[u8]) -> GovernedError {
    match orderer.post(record) {
        Err(Refusal::Governed(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A record of the operator `sender`, with what a test is about.
fn record(
    network: &Network,
    sender: usize,
    key: KeyId,
    kind: Kind,
    (round, number): (u64, u8),
    body: &[u8],
) -> Vec<u8> {
    let secret = &network.keys[sender];
    let header = Header {
        network: network.id,
        key,
        round,
        digest: Digest([number; 32]),
        kind,
        sender: Address::of(&secret.public()),
        recipient: Address::ZERO,
    };
    Envelope::signed(header, body.to_vec(), &Digest(keccak256(body)), secret).encode()
}

fn app(network: &Network, key: &KeyId, id: &str) -> Vec<u8> {
    let owner = ed25519_dalek::SigningKey::generate(&mut OsRng);
    App::sign(&network.id, key, (id, 1), (Format::Age, Policy::Public), &owner, None).encode()
}

#[test]
fn the_keys_of_a_configuration_are_read_after_the_signatures() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let next = successor(&network.config, |next| next.interval += 1);
    let mut body = next.encode();
    let tail = body.len() - 100;
    body[tail..].fill(0xff);
    assert!(Config::decode(&body).is_err());
    let header = governed_header(network.id, KeyId::ZERO, Kind::Config);

    // Signed by members, but another body: the first wrong signature ends it.
    let mut junk = Envelope::decode(&network.governed(Kind::Config, KeyId::ZERO, next.encode())).unwrap();
    junk.body.clone_from(&body);
    let error = refused(&mut orderer, &junk.encode());
    assert!(matches!(error, GovernedError::Config(ConfigError::Signatures { found: 0, needed: 2 })), "{error}");
    // Signed by anyone at all.
    let stranger = bn254::SecretKey::random(&mut OsRng);
    let mut junk = Envelope { header, body: body.clone(), signatures: vec![] };
    sign_governed(&mut junk, &stranger);
    let error = refused(&mut orderer, &junk.encode());
    assert!(matches!(error, GovernedError::Stranger(who) if who == Address::of(&stranger.public())), "{error}");
    // Only what `t` operators stand for is read.
    let error = refused(&mut orderer, &network.governed(Kind::Config, KeyId::ZERO, body));
    assert!(matches!(error, GovernedError::Config(ConfigError::Decode(_))), "{error}");
}

#[test]
fn an_orderer_changes_alone_and_to_a_key_that_can_sign() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let joiner = bn254::SecretKey::random(&mut OsRng);
    let other = Network::new(2, 9).anchor();
    let both = successor(&network.config, |next| {
        next.orderer = other;
        next.roster.push(member(4, &joiner));
        next.last_index = 4;
    });
    // The identity: a point, but of no use as a key.
    let mut weak = [0; 32];
    weak[0] = 1;
    let no_key = successor(&network.config, |next| next.orderer = weak);
    for config in [both, no_key] {
        let error = refused(&mut orderer, &network.governed(Kind::Config, KeyId::ZERO, config.encode()));
        assert!(matches!(error, GovernedError::Orderer(_)), "{error}");
    }
    let alone = successor(&network.config, |next| next.orderer = other);
    orderer.post(&network.governed(Kind::Config, KeyId::ZERO, alone.encode())).unwrap();
}

#[test]
fn a_permission_may_be_signed_under_the_newest_configurations() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    // Nodes may refuse the one that leaves an operator out; the orderer does not know.
    let next = successor(&network.config, |next| drop(next.roster.remove(0)));
    orderer.post(&network.governed(Kind::Config, KeyId::ZERO, next.encode())).unwrap();
    orderer.make_block(1).unwrap();
    let few = Envelope::decode(&network.genesis("main")).unwrap();
    let few = network.governed_by(1, Kind::Genesis, few.header.key, few.body);
    assert!(matches!(refused(&mut orderer, &few), GovernedError::Stranger(_)));
    orderer.post(&network.genesis("main")).unwrap();
}

#[test]
fn what_belongs_to_no_key_or_round_is_refused() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    orderer.post(&network.genesis("main")).unwrap();
    orderer.make_block(1).unwrap();
    let key = KeyId::derive(&network.id, "main");
    let other = KeyId::derive(&network.id, "other");
    let good = |number| record(&network, 0, key, Kind::Announce, (0, number), b"x");
    for wrong in [
        record(&network, 0, other, Kind::Announce, (0, 1), b"x"),
        record(&network, 0, key, Kind::Announce, (4000, 1), b"x"),
        record(&network, 0, key, Kind::Announce, (1, 1), b"x"),
        record(&network, 0, key, Kind::App, (0, 1), b"no application"),
    ] {
        assert!(matches!(orderer.post(&wrong), Err(Refusal::CannotCount(_))));
    }
    for number in 0..4 {
        orderer.post(&good(number)).unwrap();
    }
    orderer.make_block(2).unwrap();
    assert!(matches!(orderer.post(&good(4)), Err(Refusal::Full { .. })), "four of a kind, on the board or not");
    orderer.post(&record(&network, 0, key, Kind::Confirm, (0, 1), b"x")).unwrap();
    orderer.post(&record(&network, 1, key, Kind::Announce, (0, 1), b"x")).unwrap();
}

#[test]
fn who_was_removed_posts_no_applications() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    orderer.post(&network.genesis("main")).unwrap();
    let key = KeyId::derive(&network.id, "main");
    let next = successor(&network.config, |next| drop(next.roster.remove(0)));
    orderer.post(&network.governed(Kind::Config, KeyId::ZERO, next.encode())).unwrap();
    orderer.make_block(1).unwrap();
    let of = |sender| record(&network, sender, key, Kind::App, (0, 0), &app(&network, &key, "billing"));
    assert!(matches!(orderer.post(&of(0)), Err(Refusal::CannotCount(_))));
    orderer.post(&of(1)).unwrap();
    let hands_on = record(&network, 0, key, Kind::Announce, (0, 1), b"x");
    orderer.post(&hands_on).unwrap();
}

#[test]
fn starts_are_bounded_and_old_ones_are_refused() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let mut orderer = started(folder.path(), &network);
    let height = orderer.log().head().height;
    let start = |number: u8, key, round, other: u8| {
        let body = Start { instance: Digest([number; 32]), other: Digest([other; 32]) }.encode();
        record(&network, 0, key, Kind::Start, (round, other), &body)
    };
    let unreadable = record(&network, 0, KeyId::ZERO, Kind::Start, (height, 0), b"x");
    let of_a_key = start(1, KeyId::derive(&network.id, "main"), height, 0);
    let of_the_future = start(1, KeyId::ZERO, height + 1, 0);
    for wrong in [unreadable, of_a_key, of_the_future] {
        assert!(matches!(orderer.post(&wrong), Err(Refusal::CannotCount(_))));
    }
    // One operator, removed or not, neither fills blocks with them nor keeps a copy of its node from objecting.
    let next = successor(&network.config, |next| drop(next.roster.remove(0)));
    orderer.post(&network.governed(Kind::Config, KeyId::ZERO, next.encode())).unwrap();
    for number in 1..=16 {
        orderer.post(&start(number, KeyId::ZERO, height, 0)).unwrap();
        orderer.make_block(u64::from(number)).unwrap();
    }
    assert!(matches!(orderer.post(&start(17, KeyId::ZERO, height + 1, 0)), Err(Refusal::Full { .. })));
    orderer.post(&start(1, KeyId::ZERO, height, 16)).unwrap();
    for _ in 0..START_BLOCKS {
        orderer.make_block(17).unwrap();
    }
    assert!(matches!(orderer.post(&start(18, KeyId::ZERO, height, 0)), Err(Refusal::CannotCount(_))), "too old");
    let now = orderer.log().head().height;
    orderer.post(&start(19, KeyId::ZERO, now, 0)).unwrap();
}
