//! The first configuration, and the changes that follow.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use quorumkeep_dkg::config::{Authority, Config, Genesis, Member, SUITE_BLS12381_G2, governed_header};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{KeyId, NetworkId};
use quorumkeep_dkg::memory::Memory;
use quorumkeep_sharing::{Index, Threshold};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use crate::chance::{pick, sample};
use crate::operators::{POOL, pool};
use crate::plan::{Change, Plan};
use crate::seat::Seat;
use crate::store::MemStore;
use crate::vouch;
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
#[must_use]
pub fn first(rng: &mut ChaCha20Rng, plan: &Plan, memory: &Memory) -> Start {
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
        protocol: plan.protocol(),
        suite: SUITE_BLS12381_G2,
        interval: plan.interval,
        windows: plan.lengths(),
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
    let first = governed(network, KeyId::ZERO, Kind::Config, config.encode(), &identities[..plan.t]);
    let second = governed(network, key, Kind::Genesis, genesis.encode(), &identities[..plan.t]);
    for record in [&first, &second] {
        vouch::governed(memory, record, &config, config.digest());
    }
    vouch::config(memory, config);
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

/// In the middle of a round the roster, the threshold or a disk changes, as the plan says.
pub fn maybe_change(world: &mut World) {
    let (height, interval) = (world.height(), u64::from(world.plan.interval));
    if world.calm || height % interval != interval / 2 {
        return;
    }
    let step = world.plan.churn.iter().find(|step| step.after == height / interval).copied();
    let (Some(step), Some(current)) = (step, world.config()) else { return };
    if let Change::LoseDisk(place) = step.change {
        return lose_disk(world, place);
    }
    if let Some(next) = successor(world, &current, step.change) {
        submit(world, &current, &next);
    }
}

/// An empty disk, and a node that starts again from nothing but its key.
fn lose_disk(world: &mut World, place: usize) {
    let up_at = world.height() + 1;
    if let Some(seat) = world.seats.get_mut(place) {
        seat.store = MemStore::default();
        (seat.node, seat.up_at, seat.stale) = (None, up_at, true);
    }
}

/// Signs a configuration with the keys of the roster before it and posts it.
pub fn submit(world: &mut World, current: &Config, next: &Config) {
    let members = current.roster.iter();
    let at = |member: &Member| pool().iter().position(|identity| identity.address == member.address);
    let signers: Vec<usize> = members.filter_map(at).take(usize::from(current.threshold.get())).collect();
    let bytes = governed(world.network, KeyId::ZERO, Kind::Config, next.encode(), &signers);
    vouch::governed(&world.memory, &bytes, current, current.digest());
    vouch::config(&world.memory, next.clone());
    world.post_now(&bytes);
}

fn successor(world: &mut World, current: &Arc<Config>, change: Change) -> Option<Config> {
    let mut next = Config { sequence: current.sequence + 1, previous: current.digest(), ..current.as_ref().clone() };
    let mut t = usize::from(current.threshold.get());
    match change {
        Change::Join => join(world, &mut next)?,
        Change::Leave(place) => leave(world, place, &mut next)?,
        Change::Swap(place) => {
            leave(world, place, &mut next)?;
            join(world, &mut next)?;
        }
        Change::Return(place) => come_back(world, place, &mut next)?,
        Change::Raise => t += 1,
        Change::Lower => t -= 1,
        Change::ReplaceAll => return replace_all(world, next),
        Change::LoseDisk(_) => return None,
    }
    // Liars, and honest operators that lose what they hold.
    let (n, faulty) = (next.roster.len(), world.liars().len() + world.plan.disks_lost());
    // The bounds within which the protocol owes anything: n - t >= f, t - 1 >= f, b >= f, and somebody may crash.
    if !(3..=12).contains(&n) || t < 2 || t >= n || faulty > n - t || faulty >= t {
        return None;
    }
    let margin = (n - t).div_ceil(2).max(faulty);
    next.settle_margin = margin.min(n - t) as u16;
    next.threshold = Threshold::new(t as u16, n as u16).ok()?;
    Some(next)
}

fn enrol(next: &mut Config, identity: usize) -> Option<()> {
    next.last_index += 1;
    next.roster.push(pool()[identity].member(Index::new(next.last_index)?));
    Some(())
}

fn join(world: &mut World, next: &mut Config) -> Option<()> {
    let seated = |identity: &usize| world.seats.iter().any(|seat| seat.identity == *identity);
    let free: Vec<usize> = (0..POOL).filter(|identity| !seated(identity)).collect();
    let identity = pick(&mut world.rng, &free)?;
    enrol(next, identity)?;
    world.seats.push(Seat::new(identity, true));
    Some(())
}

fn leave(world: &World, place: usize, next: &mut Config) -> Option<()> {
    let address = world.seats.get(place)?.address();
    let at = next.roster.iter().position(|member| member.address == address)?;
    next.roster.remove(at);
    Some(())
}

/// The same operator under a new index, with an empty disk.
fn come_back(world: &mut World, place: usize, next: &mut Config) -> Option<()> {
    let seat = world.seats.get(place)?;
    let (address, identity) = (seat.address(), seat.identity);
    if next.member(&address).is_some() {
        return None;
    }
    enrol(next, identity)?;
    lose_disk(world, place);
    Some(())
}

/// As many new operators as there are; nobody stays who could hand the key on.
fn replace_all(world: &mut World, mut next: Config) -> Option<Config> {
    let count = next.roster.len();
    let seated = |identity: &usize| world.seats.iter().any(|seat| seat.identity == *identity);
    let free: Vec<usize> = (0..POOL).filter(|identity| !seated(identity)).collect();
    next.roster.clear();
    sample(&mut world.rng, &free, count).into_iter().try_for_each(|identity| enrol(&mut next, identity))?;
    let has_key = world.state().is_some_and(|state| state.versions.active.is_some());
    // Before there is a key, everybody may be replaced, but nobody sits on these machines.
    if next.roster.len() < count || !has_key {
        return None;
    }
    world.replaced_all = Some(next.digest());
    Some(next)
}
