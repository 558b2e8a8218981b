//! Evidence from hostile networks: liars are named to somebody who has only the log, and nobody else is.

use std::collections::{BTreeMap, BTreeSet};

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_curves::tags;
use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::{Envelope, Header};
use quorumkeep_dkg::ids::{Address, Digest, VersionId};
use quorumkeep_ibe::{AppId, AppIdentity, Format, sign_partial};
use quorumkeep_node::Event;
use quorumkeep_node::evidence::{Claim, Evidence, Finding, Innocent, Offence, Scanner, SignedPartial};
use quorumkeep_node::serving::partial_hash;
use rand_core::OsRng;

use super::{drawn, play};
use crate::plan::{Faults, Plan};
use crate::strategies::{Kind, liar};
use crate::world::World;

fn played(seed: u64, kind: Kind) -> World {
    play(drawn(seed, kind))
}

/// What every board of the network shows, the second of a lying orderer, too.
fn findings(world: &World) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    for (number, chain) in world.chains.iter().enumerate() {
        let mut scanner = Scanner::new(world.network, &chain.blocks, world.memory.clone()).unwrap();
        found.extend(scanner.read_all(&chain.blocks).unwrap().into_iter().map(|finding| (number, finding)));
    }
    found
}

fn evidence(world: &World, chain: usize, finding: &Finding) -> Evidence {
    let until = usize::try_from(finding.height).unwrap();
    let blocks: Vec<Block> = world.chains[chain].blocks[..until].to_vec();
    Evidence { network: world.network, claim: finding.claim.clone(), blocks }
}

/// Evidence holds after a journey as bytes, and the same claim about somebody else does not.
fn check(world: &World, chain: usize, finding: &Finding) {
    let bytes = evidence(world, chain, finding).encode();
    let mut read = Evidence::decode(&bytes).unwrap();
    assert_eq!(read.encode(), bytes);
    let again = read.verify(&world.network).unwrap();
    assert_eq!((again.culprit, again.offence), (finding.culprit, finding.offence.clone()));
    assert!(read.verify(&quorumkeep_dkg::ids::NetworkId([9; 32])).is_err());
    let honest = world.seats.iter().find(|seat| seat.honest).unwrap().address();
    if let Claim::Record { record, .. } = read.claim {
        read.claim = Claim::Record { record, culprit: honest };
        assert_eq!(read.verify(&world.network).unwrap_err(), Innocent::NotShown);
    }
    let last = read.blocks.len() - 1;
    read.blocks[last].time_ms += 1;
    assert!(matches!(read.verify(&world.network), Err(Innocent::Board(_))));
}

#[test]
fn liars_are_proven_guilty_and_nobody_else_is() {
    let (mut seen, mut networks) = (BTreeMap::new(), 0);
    for kind in Kind::ALL {
        for seed in 1..=2 {
            let world = played(seed, *kind);
            networks += 1;
            for (chain, finding) in findings(&world) {
                let seat = world.seat_of(&finding.culprit).unwrap();
                let is_innocent = seat.honest && finding.offence.is_proof();
                assert!(!is_innocent, "{kind:?}, seed {seed}, board {chain}: {finding:?} blames an honest operator");
                let first = seen.insert(finding.offence.code(), ()).is_none();
                if first {
                    check(&world, chain, &finding);
                }
            }
        }
    }
    let codes: BTreeSet<&str> = seen.into_keys().collect();
    let wanted = [
        "conflicting_deals",
        "invalid_deal",
        "wrong_dealing",
        "false_complaint",
        "invalid_extract",
        "invalid_confirm",
        "missing_record",
    ];
    for code in wanted {
        assert!(codes.contains(code), "no network of {networks} shows {code}; seen: {codes:?}");
    }
}

/// An active version of a network in which nobody lies, one of its players, and the player's share.
fn player(world: &World) -> (std::sync::Arc<quorumkeep_dkg::output::Output>, usize, SecretScalar) {
    let output = world.state().unwrap().versions.active.clone().unwrap();
    let place = world.sound().into_iter().find(|place| world.seats[*place].holds(&world.key, &output.id())).unwrap();
    let share = world.seats[place].share(&world.key, &output.id()).unwrap();
    (output, place, share)
}

fn verify(world: &World, claim: Claim) -> Result<Finding, Innocent> {
    let evidence = Evidence { network: world.network, claim, blocks: world.chains[0].blocks.clone() };
    Evidence::decode(&evidence.encode()).unwrap().verify(&world.network)
}

#[test]
fn a_signed_partial_is_evidence_if_it_is_wrong_and_only_then() {
    let world = played(3, Kind::Honest);
    let (output, place, share) = player(&world);
    let seat = &world.seats[place];
    let app = AppId::parse("billing").unwrap();
    let identity = AppIdentity { network: world.network.0, key_id: world.key.0, app_id: app.clone(), epoch: 2 };
    let signed = |share: &SecretScalar| {
        let partial = *sign_partial(share, &identity.q(Format::Age)).expose();
        let hash = partial_hash(&world.network, &world.key, &output.id(), (&identity, Format::Age), &partial);
        let signature = seat.who().key().sign(&hash).to_bytes();
        let (key, version, node) = (world.key, output.id(), seat.address());
        SignedPartial { key, version, node, app: app.clone(), epoch: 2, format: Format::Age, partial, signature }
    };
    let wrong = signed(&SecretScalar::random(&mut OsRng));
    let found = verify(&world, Claim::Partial(wrong.clone())).unwrap();
    assert_eq!((found.culprit, found.offence), (seat.address(), Offence::Partial));
    assert_eq!(verify(&world, Claim::Partial(signed(&share))).unwrap_err(), Innocent::RightPartial);
    let altered = |change: &dyn Fn(&mut SignedPartial)| {
        let mut claim = wrong.clone();
        change(&mut claim);
        verify(&world, Claim::Partial(claim)).unwrap_err()
    };
    // Replays: the same signature under another application, epoch, format, version or name is no signature.
    assert_eq!(altered(&|claim| claim.epoch = 3), Innocent::NotSigned);
    assert_eq!(altered(&|claim| claim.app = AppId::parse("payroll").unwrap()), Innocent::NotSigned);
    assert_eq!(altered(&|claim| claim.format = Format::EigenX), Innocent::NotSigned);
    assert_eq!(altered(&|claim| claim.version = VersionId([1; 32])), Innocent::NotSigned);
    assert_eq!(altered(&|claim| claim.partial[0] ^= 0x20), Innocent::NotSigned);
    assert_eq!(altered(&|claim| claim.node = Address([7; 20])), Innocent::Stranger(Address([7; 20])));
    let other = world.seats.iter().find(|other| other.honest && other.address() != seat.address()).unwrap().address();
    assert_eq!(altered(&|claim| claim.node = other), Innocent::NotSigned);
}

#[test]
fn two_receipts_are_a_sign_if_they_contradict_each_other() {
    let world = played(4, Kind::Honest);
    let (output, place, _) = player(&world);
    let seat = &world.seats[place];
    let dealer = world.seats.iter().find(|other| other.address() != seat.address()).unwrap().address();
    let receipt = |core: u8, round: u64| {
        let body = Writer::new(tags::DKG_ACK).fixed(&[core; 32]).finish();
        let header = Header {
            network: world.network,
            key: world.key,
            round,
            digest: Digest([5; 32]),
            kind: quorumkeep_dkg::envelope::Kind::Ack,
            sender: seat.address(),
            recipient: dealer,
        };
        let hash = Digest(keccak256(&body));
        Envelope::signed(header, body, &hash, &seat.who().key()).encode()
    };
    let round = output.round();
    let claim = |first: Vec<u8>, second: Vec<u8>| verify(&world, Claim::Receipts { first, second });
    let found = claim(receipt(1, round), receipt(2, round)).unwrap();
    assert_eq!((found.culprit, found.offence.is_proof()), (seat.address(), false));
    assert_eq!(claim(receipt(1, round), receipt(1, round)).unwrap_err(), Innocent::NoContradiction);
    assert_eq!(claim(receipt(1, round), receipt(2, round + 1)).unwrap_err(), Innocent::NoContradiction);
    let mut forged = receipt(2, round);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(claim(receipt(1, round), forged).is_err());
}

/// A player that signs receipts for two deals of one dealer: the dealer's node says so, and what it says is evidence.
#[test]
fn a_dealer_tells_who_signed_two_receipts() {
    let plan = Plan { faults: Faults { peers: true, ..Faults::default() }, ..Plan::new(4, 3) };
    let (dealer, player, mut sent) = (0, 1, false);
    let mut world = World::new(plan, false);
    let played = world.run_with(|world| {
        let Some((info, _)) = liar::honest_deal(world, dealer).filter(|_| !sent) else { return };
        sent = true;
        for core in [1, 2, 3] {
            let body = Writer::new(tags::DKG_ACK).fixed(&[core; 32]).finish();
            let header = Header {
                network: world.network,
                key: world.key,
                round: info.trigger.round(),
                digest: info.digest(),
                kind: quorumkeep_dkg::envelope::Kind::Ack,
                sender: world.seats[player].address(),
                recipient: world.seats[dealer].address(),
            };
            let hash = Digest(keccak256(&body));
            let receipt = Envelope::signed(header, body, &hash, &world.seats[player].who().key()).encode();
            world.handle(dealer, Event::Peer(receipt)).unwrap();
        }
    });
    played.map_err(|violation| violation.what).unwrap();
    let told: Vec<&String> = world.told.iter().filter(|text| text.contains("signed receipts for two deals")).collect();
    assert_eq!(told.len(), 1, "once is enough: {told:?}");
    let mut receipts = told[0].rsplit(' ').map(|word| hex::decode(word).unwrap());
    let (second, first) = (receipts.next().unwrap(), receipts.next().unwrap());
    let found = verify(&world, Claim::Receipts { first, second }).unwrap();
    assert_eq!((found.culprit, found.offence), (world.seats[player].address(), Offence::Receipts));
}
