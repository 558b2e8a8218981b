//! Records that wait for a block: a lane per sender and class, a quota for each, and a choice that is fair between senders.
//!
//! A full lane stands in nobody's way, and not in the way of its sender's other lane either: applications, which strangers
//! ask nodes to carry, never keep a round from its records.

use std::collections::{BTreeMap, HashSet, VecDeque, vec_deque};
use std::iter::Peekable;
use std::sync::Arc;

use quorumkeep_dkg::envelope::{Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest};
use quorumkeep_dkg::limits;

use super::budget::{Budget, RoundQuota};

/// `M`: records of one sender in one block.
pub const SENDER_BLOCK_RECORDS_MAX: usize = 64;
/// Bytes of one sender in one block.
pub const SENDER_BLOCK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What a block needs besides its records.
const BLOCK_OVERHEAD: usize = 1024;
/// What a record in a block needs besides its bytes.
const RECORD_OVERHEAD: usize = 4;

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Records of one sender.
    pub sender_records: usize,
    /// Bytes of one sender, if there is room for that much for everybody.
    pub sender_bytes: usize,
    /// Bytes of all senders together.
    pub total_bytes: usize,
    /// Applications of one sender.
    pub sender_apps: usize,
    /// Records of one sender for one round.
    pub round: RoundQuota,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            sender_records: 512,
            sender_bytes: 8 * 1024 * 1024,
            total_bytes: 256 * 1024 * 1024,
            sender_apps: 32,
            round: RoundQuota::default(),
        }
    }
}

impl Quota {
    /// Bytes that each of `senders` may have waiting: never more than its part of the whole, so that nobody can use up
    /// the room of others; always at least one record.
    fn bytes_each(&self, senders: usize) -> usize {
        let part = self.total_bytes / senders.max(1);
        self.sender_bytes.min(part).max(limits::RECORD_BYTES_MAX)
    }
}

/// What a record is for. The order is that of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Configurations and permissions, in one lane.
    Governed,
    /// Records of a round.
    Round,
    /// Applications.
    App,
}

impl Class {
    /// The class of a kind.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Config | Kind::Genesis => Self::Governed,
            Kind::App => Self::App,
            _ => Self::Round,
        }
    }
}

/// A record that waits.
#[derive(Clone)]
pub struct Waiting {
    /// `H(bytes)`.
    pub id: Digest,
    /// What it says about itself; its sender is zero if governed.
    pub header: Header,
    /// The encoded envelope.
    pub bytes: Arc<[u8]>,
}

impl Waiting {
    fn lane(&self) -> (Class, Address) {
        (Class::of(self.header.kind), self.header.sender)
    }
}

/// The sender has used up its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

#[derive(Default)]
struct Queue {
    records: VecDeque<Waiting>,
    bytes: usize,
}

/// All records that wait.
#[derive(Default)]
pub struct Pool {
    quota: Quota,
    queues: BTreeMap<(Class, Address), Queue>,
    ids: HashSet<Digest>,
    budget: Budget,
}

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self { quota, budget: Budget::new(quota.round), ..Self::default() }
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Does none wait?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Does this one wait?
    #[must_use]
    pub fn contains(&self, id: &Digest) -> bool {
        self.ids.contains(id)
    }

    /// Is there room for a record with this header and of `length` bytes, its sender being one of `senders`?
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn check_room(&self, header: &Header, length: usize, senders: usize) -> Result<(), Full> {
        let class = Class::of(header.kind);
        let queue = self.queues.get(&(class, header.sender));
        let (count, bytes) = queue.map_or((0, 0), |queue| (queue.records.len(), queue.bytes));
        let max = if class == Class::App { self.quota.sender_apps } else { self.quota.sender_records };
        let fits = count < max && bytes + length <= self.quota.bytes_each(senders);
        if fits && self.budget.has_room(header, senders) { Ok(()) } else { Err(Full) }
    }

    /// Adds a record that does not wait yet.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn add(&mut self, record: Waiting, senders: usize) -> Result<(), Full> {
        self.check_room(&record.header, record.bytes.len(), senders)?;
        if self.ids.insert(record.id) {
            self.budget.add(&record.header);
            let queue = self.queues.entry(record.lane()).or_default();
            queue.bytes += record.bytes.len();
            queue.records.push_back(record);
        }
        Ok(())
    }

    /// Forgets what was taken for rounds before this one, and the Starts that are too old for a block above `height`: nothing
    /// more of them is taken.
    pub fn forget_before(&mut self, round: u64, height: u64) {
        self.budget.forget_before(round);
        self.budget.forget_starts(height);
    }

    /// The records of the next block: governed ones first, then those of rounds, then applications; in each class one of
    /// every sender in turn, each sender's in the order in which they came. The sender that begins changes with the height.
    ///
    /// The records stay in the pool until [`Pool::remove`].
    #[must_use]
    pub fn choose(&self, height: u64) -> Vec<Waiting> {
        let mut choice = Choice::default();
        for class in [Class::Governed, Class::Round, Class::App] {
            let of_class = self.queues.iter().filter(|((own, _), _)| *own == class);
            let mut lanes: Vec<Lane<'_>> = of_class.map(|(_, queue)| Lane::new(queue)).collect();
            let turn = usize::try_from(height).unwrap_or(0) % lanes.len().max(1);
            lanes.rotate_left(turn);
            // Every pass takes at most one record of each sender.
            while lanes.iter_mut().filter_map(|lane| choice.take(lane).then_some(())).count() > 0 {}
        }
        choice.records
    }

    /// Takes records out.
    pub fn remove<'a>(&mut self, ids: impl IntoIterator<Item = &'a Digest>) {
        let gone: HashSet<&Digest> = ids.into_iter().filter(|id| self.ids.remove(*id)).collect();
        for queue in self.queues.values_mut() {
            queue.records.retain(|record| !gone.contains(&record.id));
            queue.bytes = queue.records.iter().map(|record| record.bytes.len()).sum();
        }
        self.queues.retain(|_, queue| !queue.records.is_empty());
    }
}

/// One sender's queue while a block is put together.
struct Lane<'a> {
    rest: Peekable<vec_deque::Iter<'a, Waiting>>,
    count: usize,
    bytes: usize,
}

impl<'a> Lane<'a> {
    fn new(queue: &'a Queue) -> Self {
        Self { rest: queue.records.iter().peekable(), count: 0, bytes: 0 }
    }
}

/// The records chosen so far.
#[derive(Default)]
struct Choice {
    records: Vec<Waiting>,
    bytes: usize,
}

impl Choice {
    /// Takes the lane's next record if block and sender have room for it.
    fn take(&mut self, lane: &mut Lane<'_>) -> bool {
        let Some(next) = lane.rest.peek().copied() else { return false };
        let length = next.bytes.len() + RECORD_OVERHEAD;
        let block_fits = self.records.len() < limits::BLOCK_RECORDS_MAX
            && self.bytes + length + BLOCK_OVERHEAD <= limits::BLOCK_BYTES_MAX;
        let sender_fits = lane.count < SENDER_BLOCK_RECORDS_MAX && lane.bytes + length <= SENDER_BLOCK_BYTES_MAX;
        if !(block_fits && sender_fits) {
            return false;
        }
        self.records.push(next.clone());
        self.bytes += length;
        lane.rest.next();
        lane.count += 1;
        lane.bytes += length;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorumkeep_dkg::ids::{KeyId, NetworkId};

    fn of_kind(kind: Kind, sender: u8, number: u32, length: usize) -> Waiting {
        let mut id = [sender; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id[4] = kind as u8;
        let (sender, recipient) = (Address([sender; 20]), Address::ZERO);
        let (network, key, digest) = (NetworkId([1; 32]), KeyId::ZERO, Digest::ZERO);
        let header = Header { network, key, round: u64::from(number), digest, kind, sender, recipient };
        Waiting { id: Digest(id), header, bytes: vec![0; length].into() }
    }

    /// Sender 0 stands for all operators together.
    fn record(sender: u8, number: u32, length: usize) -> Waiting {
        of_kind(if sender == 0 { Kind::Config } else { Kind::Announce }, sender, number, length)
    }

    #[test]
    fn applications_have_a_small_lane_of_their_own_and_come_last() {
        let mut pool = Pool::new(Quota::default());
        let mut apps = 0;
        while pool.add(of_kind(Kind::App, 1, apps, 800), 3).is_ok() {
            apps += 1;
        }
        assert_eq!(apps, 32);
        pool.add(record(1, 0, 90_000), 3).unwrap();
        pool.add(record(2, 0, 90_000), 3).unwrap();
        let kinds: Vec<_> = pool.choose(3).iter().map(|record| record.header.kind).collect();
        assert_eq!(kinds[..3], [Kind::Announce, Kind::Announce, Kind::App]);
    }

    #[test]
    fn a_round_has_so_many_records_of_one_sender_even_if_they_are_on_the_board() {
        let mut pool = Pool::new(Quota::default());
        let of_round = |number: u32| {
            let mut record = record(1, number, 100);
            record.header.round = 40;
            record
        };
        for number in 0..4 {
            pool.add(of_round(number), 3).unwrap();
            pool.remove(&[of_round(number).id]);
        }
        assert_eq!(pool.add(of_round(4), 3), Err(Full));
        pool.forget_before(41, 41);
        assert_eq!(pool.add(of_round(4), 3), Ok(()));
    }

    #[test]
    fn one_sender_cannot_use_up_the_room_of_another() {
        let quota = Quota { sender_records: 1000, sender_bytes: 1 << 20, total_bytes: 4 << 20, ..Quota::default() };
        let mut pool = Pool::new(quota);
        let mut flooded = 0;
        while pool.add(record(1, flooded, 50_000), 8).is_ok() {
            flooded += 1;
        }
        assert_eq!(flooded, (4 << 20) / 8 / 50_000);
        for sender in 2..=8 {
            assert_eq!(pool.add(record(sender, 0, 90_000), 8), Ok(()));
        }
    }

    #[test]
    fn a_sender_has_a_number_of_records_too() {
        let mut pool = Pool::new(Quota { sender_records: 3, ..Quota::default() });
        for number in 0..3 {
            pool.add(record(1, number, 1), 2).unwrap();
        }
        assert_eq!(pool.add(record(1, 3, 1), 2), Err(Full));
        pool.remove(&[record(1, 0, 1).id]);
        assert_eq!(pool.add(record(1, 3, 1), 2), Ok(()));
    }

    #[test]
    fn a_block_is_fair_and_keeps_each_senders_order() {
        let mut pool = Pool::new(Quota::default());
        for number in 0..200 {
            pool.add(record(1, number, 100), 3).unwrap();
        }
        pool.add(record(2, 0, 100), 3).unwrap();
        pool.add(record(3, 0, 100), 3).unwrap();
        pool.add(record(0, 0, 100), 3).unwrap();
        let chosen = pool.choose(7);
        assert!(chosen[0].header.sender.is_zero(), "governed records come first");
        let first: HashSet<_> = chosen[1..4].iter().map(|record| record.header.sender).collect();
        assert_eq!(first.len(), 3, "then one of every sender");
        let own: Vec<_> = chosen.iter().filter(|record| record.header.sender == Address([1; 20])).collect();
        assert_eq!(own.len(), SENDER_BLOCK_RECORDS_MAX);
        assert!(own.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert_eq!(pool.len(), 203, "choosing takes nothing out");
        pool.remove(chosen.iter().map(|record| &record.id));
        assert_eq!(pool.len(), 203 - chosen.len());
    }

    #[test]
    fn a_block_is_never_too_large() {
        let mut pool = Pool::new(Quota { total_bytes: usize::MAX, ..Quota::default() });
        for sender in 1..=20 {
            for number in 0..64 {
                pool.add(record(sender, number, limits::RECORD_BYTES_MAX), 1).unwrap();
            }
        }
        let chosen = pool.choose(1);
        let bytes: usize = chosen.iter().map(|record| record.bytes.len() + RECORD_OVERHEAD).sum();
        assert!(bytes + BLOCK_OVERHEAD <= limits::BLOCK_BYTES_MAX);
        assert!(bytes > limits::BLOCK_BYTES_MAX - 2 * limits::RECORD_BYTES_MAX);
    }
}
