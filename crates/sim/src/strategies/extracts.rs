//! Lies in phase 4 of a Pedersen generation.

use quorumkeep_curves::bls::{G2, Scalar};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::extract::PlainExtract;
use quorumkeep_dkg::info::Info;
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::reconstruct::Reconstruct;
use quorumkeep_sharing::Commitment;

use super::{Strategy, liar, rogue};
use crate::chance::{below, happens};
use crate::world::World;

/// `hold_back_extract`: opens nothing, or nonsense, once the others have; and publishes wrong dealings of its friends.
#[derive(Default)]
pub struct HoldBackExtract;

impl Strategy for HoldBackExtract {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let digest = envelope.header.digest;
        match envelope.header.kind {
            Kind::Extract if below(&mut world.rng, 3) == 0 => {
                let info = world.info()?;
                let mut extract = own_extract(world, place, &info)?;
                extract.points.reverse();
                Some(vec![liar::record(world, place, digest, Kind::Extract, extract.encode())?])
            }
            Kind::Extract => Some(Vec::new()),
            Kind::Reconstruct if happens(&mut world.rng, 500) => {
                let mut published = Reconstruct::decode(&envelope.body).ok()?;
                published.share += Scalar::one();
                Some(vec![liar::record(world, place, digest, Kind::Reconstruct, published.encode())?])
            }
            _ => None,
        }
    }
}

/// `rogue_extract`: the last to open chooses the group key, by interpolation through what it dealt to honest players.
#[derive(Default)]
pub struct RogueExtract;

impl Strategy for RogueExtract {
    fn replace(&mut self, world: &mut World, place: usize, envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        let waits = envelope.header.kind == Kind::Extract && world.liars().first() == Some(&place);
        waits.then(Vec::new)
    }

    fn after_block(&mut self, world: &mut World, _events: &[Event]) {
        if world.info().is_some_and(|info| info.h.is_some() && info.trigger.deadlines().extract == world.height() + 1) {
            let _ = attack(world);
        }
    }
}

fn attack(world: &mut World) -> Option<()> {
    let (info, place) = (world.info()?, *world.liars().first()?);
    let mut extract = own_extract(world, place, &info)?;
    let transcript = world.round()?.transcript()?;
    let opened = transcript.qualified().into_iter().filter_map(|deal| transcript.extraction().opened(&deal.dealer));
    let others: Vec<G2> = opened.map(|commitment| *commitment.constant()).collect();
    let secret = quorumkeep_curves::bls::SecretScalar::random(&mut world.rng);
    let target = secret.mul_g2();
    let dealt = Commitment::new(extract.points.clone()).ok()?;
    let honest = |address| world.seat_of(address).is_some_and(|seat| seat.honest);
    let mut players: Vec<_> = info.players.iter().collect();
    players.sort_by_key(|player| !honest(&player.address));
    let (mut xs, mut ys) = (vec![Scalar::zero()], vec![target - G2::sum(&others)]);
    for player in players.into_iter().take(extract.points.len() - 1) {
        xs.push(player.index.to_scalar());
        ys.push(dealt.evaluate(player.index));
    }
    extract.points = rogue::coefficients(&xs, &ys)?;
    let bytes = liar::record(world, place, info.digest(), Kind::Extract, extract.encode())?;
    world.oracle.known_to_liars.push(target);
    world.post_now(&bytes);
    Some(())
}

fn own_extract(world: &mut World, place: usize, info: &Info) -> Option<PlainExtract> {
    let (dealer, secrets) = (world.seats.get(place)?.address(), liar::secrets(world, place)?);
    let deal = world.round()?.transcript()?.deals().get(&dealer)?.deal.clone().ok()?;
    PlainExtract::build(info, &dealer, &deal, &secrets, &mut world.rng)
}

/// `censor_extracts`: the orderer suppresses Extracts, so that everybody's dealings are published.
#[derive(Default)]
pub struct CensorExtracts;

impl Strategy for CensorExtracts {
    fn censors(&mut self, world: &mut World, envelope: &Envelope) -> bool {
        envelope.header.kind == Kind::Extract && !world.calm
    }
}
