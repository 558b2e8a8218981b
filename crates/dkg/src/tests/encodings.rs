use proptest::prelude::*;

use super::World;
use crate::announce::Announce;
use crate::app::{App, Format, Policy};
use crate::block::Block;
use crate::complain::Complain;
use crate::config::Config;
use crate::confirm::Confirm;
use crate::deal::RawDeal;
use crate::envelope::{Envelope, Kind};
use crate::ids::{Digest, KeyId};
use crate::ledger::Ledger;
use crate::memory::Memory;
use crate::output::Output;

#[test]
fn decode_then_encode_gives_the_same_bytes() {
    let mut world = World::new(3, 2, 20);
    world.begin();
    world.to_height(8);
    world.announce_all();
    for bytes in world.pending.clone() {
        let envelope = Envelope::decode(&bytes).unwrap();
        assert_eq!(envelope.encode(), bytes);
        let announce = Announce::decode(&envelope.body).unwrap();
        assert_eq!(announce.encode(), envelope.body);
    }
    assert_eq!(Config::decode(&world.config.encode()).unwrap(), world.config);
    world.block();
    let block = world.blocks.last().unwrap();
    assert_eq!(&Block::decode(&block.encode()).unwrap(), block);
    let owner = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let app = App::sign(&world.network, &world.key(), ("app", 1), (Format::Age, Policy::Owner), &owner, None);
    assert_eq!(App::decode(&app.encode()).unwrap(), app);
    assert!(app.check(&world.network, &world.key(), None).is_ok());
    assert!(app.check(&world.network, &KeyId::ZERO, None).is_err(), "bound to its key");
    assert!(app.check(&world.network, &world.key(), Some(&app)).is_err(), "the epoch must rise");
}

#[test]
fn v6_one_more_byte_one_less_and_another_word_are_refused() {
    let mut world = World::new(3, 2, 21);
    world.begin();
    world.to_height(8);
    world.announce_all();
    let bytes = world.pending[0].clone();
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Envelope::decode(&longer).is_err());
    assert!(Envelope::decode(&bytes[..bytes.len() - 1]).is_err());
    let mut envelope = Envelope::decode(&bytes).unwrap();
    envelope.signatures.push(envelope.signatures[0]);
    assert!(Envelope::decode(&envelope.encode()).is_err(), "one signer");
    envelope.signatures.clear();
    assert!(Envelope::decode(&envelope.encode()).is_err(), "no signer");
    // A word that is not right-aligned: the padding of the first one begins after the tag.
    let start = bytes.len() - Envelope::decode(&bytes).unwrap().body.len();
    let mut padded = bytes.clone();
    let place = padded.iter().take(start).position(|byte| *byte == 0).unwrap();
    padded[place + 40] ^= 1;
    assert!(Envelope::decode(&padded).map(|other| other.encode()) != Ok(bytes));
}

#[test]
fn v11_r7_every_part_of_the_header_is_signed() {
    let mut world = World::new(3, 2, 22);
    world.begin();
    world.to_height(8);
    world.announce_all();
    let envelope = Envelope::decode(&world.pending[0]).unwrap();
    let key = world.keys[0].public();
    assert!(crate::records::is_signed_by(&envelope, &key));
    let changes: [fn(&mut Envelope); 6] = [
        |e| e.header.round += 1,
        |e| e.header.digest = Digest([1; 32]),
        |e| e.header.key = KeyId([1; 32]),
        |e| e.header.kind = Kind::Confirm,
        |e| e.header.recipient.0[0] ^= 1,
        |e| e.body[20] ^= 1,
    ];
    for change in changes {
        let mut altered = envelope.clone();
        change(&mut altered);
        assert!(!crate::records::is_signed_by(&altered, &key));
    }
}

/// The names of things never change by accident: whoever changes an encoding has to change these, too.
#[test]
fn v14_frozen_digests() {
    let world = World::new(3, 2, 23);
    let key = KeyId::derive(&crate::ids::NetworkId([1; 32]), "main");
    assert_eq!(key.to_string(), FROZEN_KEY);
    assert_eq!(world.config.digest().to_string(), FROZEN_CONFIG);
}

const FROZEN_KEY: &str = "47aae411c8759ac71461b5a327bd030695346f4f569f976890b699ba6c782588";
const FROZEN_CONFIG: &str = "1d6b29813325bc99a02fd2e8512b9797781c986c31a5126fcc831af66a4945c5";

/// A governed record, made once.
fn a_record() -> Vec<u8> {
    static RECORD: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let make = || {
        let world = World::new(3, 2, 24);
        world.governed(KeyId::ZERO, Kind::Config, world.config.encode(), 3)
    };
    RECORD.get_or_init(make).clone()
}

proptest! {
    #[test]
    fn v6_no_decoder_panics_or_accepts_two_forms(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0usize..9) {
        let same = |encoded: Option<Vec<u8>>| encoded.is_none_or(|encoded| encoded == bytes);
        let fine = match kind {
            0 => same(Envelope::decode(&bytes).ok().map(|v| v.encode())),
            1 => same(Announce::decode(&bytes).ok().map(|v| v.encode())),
            2 => RawDeal::decode(&bytes).is_err(),
            3 => Complain::decode(&bytes).is_err(),
            4 => same(Confirm::decode(&bytes).ok().map(|v| v.encode())),
            5 => same(Block::decode(&bytes).ok().map(|v| v.encode())),
            6 => same(Config::decode(&bytes).ok().map(|v| v.encode())),
            7 => same(Output::decode(&bytes).ok().map(|v| v.encode())),
            _ => Ledger::restore(&bytes, &Memory::default()).is_err(),
        };
        prop_assert!(fine);
    }

    #[test]
    fn v6_a_damaged_record_never_decodes_to_itself(place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bytes = a_record();
        let mut damaged = bytes.clone();
        let place = place.index(damaged.len());
        damaged[place] ^= 1 << bit;
        if let Ok(envelope) = Envelope::decode(&damaged) {
            prop_assert_eq!(envelope.encode(), damaged);
        }
    }
}
