//! The first configuration, and the changes that follow.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_dkg::config::{Authority, Config, Genesis, Member, SUITE_BLS12381_G2, governed_header};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{KeyId, NetworkId};
use quorumkeep_sharing::{Index, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use crate::chance::{below, happens, pick, sample};
use crate::operators::{POOL, pool};
use crate::plan::Plan;
use crate::seat::Seat;
use crate::world::World;

/// What a network begins with.
pub struct Start {
    /// Signs blocks.
    pub orderer: SigningKey,
    /// The network.
    pub network: NetworkId,
    /// Its key.
    pub key: KeyId,
    /// Config and Genesis, signed.
    pub records: Vec<Vec<u8>>,
    /// Places in the pool of operators.
    pub identities: Vec<usize>,
}

/// Makes the first configuration and the permission to generate the key.
pub fn first(rng: &mut ChaCha20Rng, plan: &Plan) -> Start {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let orderer = SigningKey::from_bytes(&seed);
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    let all: Vec<usize> = (0..POOL).collect();
    let identities = sample(rng, &all, plan.n);
    let numbered = identities.iter().zip(1..);
    let roster: Vec<Member> =
        numbered.filter_map(|(identity, number)| Some(pool()[*identity].member(Index::new(number)?))).collect();
    let config = Config {
        sequence: 0,
        salt,
        previous: Default::default(),
        threshold: threshold(plan.t, plan.n),
        protocol: plan.protocol,
        suite: SUITE_BLS12381_G2,
        interval: plan.interval,
        windows: plan.windows,
        settle_margin: plan.b as u16,
        finality: 0,
        owners: Vec::new(),
        authority: Authority::Roster,
        orderer: orderer.verifying_key().to_bytes(),
        last_index: plan.n as u16,
        roster,
    };
    let network = config.network_id();
    let genesis = Genesis { name: "main".to_owned(), players_min: plan.players_min as u16 };
    let key = KeyId::derive(&network, &genesis.name);
    let first = governed(network, KeyId::ZERO, Kind::Config, config.encode(), &identities);
    let second = governed(network, key, Kind::Genesis, genesis.encode(), &identities);
    Start { orderer, network, key, records: vec![first, second], identities }
}

fn threshold(t: usize, n: usize) -> Threshold {
    Threshold::new(t as u16, n as u16).unwrap_or_else(|_| unreachable!("a plan has 1 < t <= n"))
}

/// A governed record with the signatures of these operators.
fn governed(network: NetworkId, key: KeyId, kind: Kind, body: Vec<u8>, signers: &[usize]) -> Vec<u8> {
    let header = governed_header(network, key, kind);
    let mut envelope = Envelope { header, body, signatures: Vec::new() };
    let hash = envelope.plain_hash();
    let sign = |identity: &usize| (pool()[*identity].address, pool()[*identity].key().sign(&hash.0));
    envelope.signatures = signers.iter().map(sign).collect();
    envelope.signatures.sort_by_key(|(address, _)| *address);
    envelope.encode()
}

/// Now and then, between two rounds, the roster or the threshold changes.
pub fn maybe_change(world: &mut World) {
    let height = world.height();
    let interval = u64::from(world.plan.interval);
    let middle = height % interval == interval / 2 && height > interval;
    if world.calm || !middle || !happens(&mut world.rng, world.plan.faults.change) {
        return;
    }
    let Some(current) = world.config() else { return };
    if let Some(next) = successor(world, &current) {
        submit(world, &current, &next);
    }
}

/// Signs a configuration with the keys of the roster before it and posts it.
pub fn submit(world: &mut World, current: &Config, next: &Config) {
    let members = current.roster.iter();
    let at = |member: &Member| pool().iter().position(|identity| identity.address == member.address);
    let signers: Vec<usize> = members.filter_map(at).take(usize::from(current.threshold.get())).collect();
    let bytes = governed(world.network, KeyId::ZERO, Kind::Config, next.encode(), &signers);
    world.post_now(&bytes);
}

fn successor(world: &mut World, current: &Arc<Config>) -> Option<Config> {
    let mut next = Config { sequence: current.sequence + 1, previous: current.digest(), ..current.as_ref().clone() };
    let mut t = usize::from(current.threshold.get());
    match below(&mut world.rng, 4) {
        0 => join(world, &mut next)?,
        1 => leave(world, &mut next)?,
        2 => {
            leave(world, &mut next)?;
            join(world, &mut next)?;
        }
        _ => t = if below(&mut world.rng, 2) == 0 { t + 1 } else { t.checked_sub(1)? },
    }
    let (n, liars) = (next.roster.len(), world.liars().len());
    // The bounds within which the protocol owes anything: n - t >= f, t - 1 >= f, b >= f, and somebody may crash.
    if !(4..=10).contains(&n) || t < 2 || t >= n || liars > n - t || liars >= t {
        return None;
    }
    let margin = (n - t).div_ceil(2).max(liars + world.plan.strategy.needs().disks_lost());
    next.settle_margin = margin.min(n - t) as u16;
    next.threshold = Threshold::new(t as u16, n as u16).ok()?;
    Some(next)
}

fn join(world: &mut World, next: &mut Config) -> Option<()> {
    let seated = |identity: &usize| world.seats.iter().any(|seat| seat.identity == *identity);
    let free: Vec<usize> = (0..POOL).filter(|identity| !seated(identity)).collect();
    let identity = pick(&mut world.rng, &free)?;
    next.last_index += 1;
    next.roster.push(pool()[identity].member(Index::new(next.last_index)?));
    world.seats.push(Seat::new(identity, true));
    Some(())
}

fn leave(world: &mut World, next: &mut Config) -> Option<()> {
    let place = below(&mut world.rng, next.roster.len());
    // Joining operators sit on machines that are new; one that never got in does no harm.
    (next.roster.len() > 4).then(|| next.roster.remove(place)).map(|_| ())
}
