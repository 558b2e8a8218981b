//! How many records of one sender are taken for one round of one key.
//!
//! An honest operator posts each record of a round once, and a second time only if it lost its disk. What is above that
//! cannot count, and would only fill blocks. Counted are records that are waiting or on the board.
//!
//! Starts belong to no round; they are counted for each [`START_BLOCKS`] heights that they may name. Objections to a second
//! copy have room of their own, so that a copy which starts again and again does not keep the other from objecting.

use std::collections::BTreeMap;

use quorumkeep_dkg::envelope::{Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId};
use quorumkeep_dkg::start::START_BLOCKS;

/// Records of one sender for one round of one key.
#[derive(Debug, Clone, Copy)]
pub struct RoundQuota {
    /// Of the kinds Announce, Deal and Confirm, each.
    pub each: usize,
    /// Complaints, for each operator that there is.
    pub complaints_per_operator: usize,
    /// Starts within [`START_BLOCKS`] heights. There may be twice as many objections: a window of their heights can be behind
    /// the Starts that they object to.
    pub starts: usize,
}

impl Default for RoundQuota {
    fn default() -> Self {
        Self { each: 4, complaints_per_operator: 2, starts: 16 }
    }
}

/// What was taken of every round that may still run.
#[derive(Default)]
pub struct Budget {
    quota: RoundQuota,
    // Rounds first, so that those that are over are cut off at once.
    taken: BTreeMap<(u64, KeyId, Address, Kind), usize>,
    starts: BTreeMap<StartName, usize>,
}

/// Which stretch of heights, whose, and whether they are objections.
type StartName = (u64, Address, bool);

impl Budget {
    /// Nothing taken yet.
    #[must_use]
    pub fn new(quota: RoundQuota) -> Self {
        Self { quota, ..Self::default() }
    }

    /// Is there room for one more record with this header, being one of `operators`?
    #[must_use]
    pub fn has_room(&self, header: &Header, operators: usize) -> bool {
        let max = match header.kind {
            Kind::Complain | Kind::Reconstruct => self.quota.complaints_per_operator.saturating_mul(operators),
            Kind::Announce | Kind::Deal | Kind::Extract | Kind::Confirm => self.quota.each,
            Kind::Start => return self.has_room_for_start(header),
            Kind::Config | Kind::Genesis | Kind::App | Kind::Ack => return true,
        };
        self.taken.get(&name(header)).is_none_or(|taken| *taken < max)
    }

    fn has_room_for_start(&self, header: &Header) -> bool {
        let name = start_name(header);
        let max = if name.2 { self.quota.starts.saturating_mul(2) } else { self.quota.starts };
        self.starts.get(&name).is_none_or(|taken| *taken < max)
    }

    /// Counts a record.
    pub fn add(&mut self, header: &Header) {
        if header.kind == Kind::Start {
            *self.starts.entry(start_name(header)).or_default() += 1;
        }
        if header.kind == Kind::Announce || header.kind.is_of_transcript() {
            *self.taken.entry(name(header)).or_default() += 1;
        }
    }

    /// Forgets all rounds before this one.
    pub fn forget_before(&mut self, round: u64) {
        let first = (round, KeyId::ZERO, Address::ZERO, Kind::Config);
        self.taken = self.taken.split_off(&first);
    }

    /// Forgets the Starts that count in no block above this height.
    pub fn forget_starts(&mut self, height: u64) {
        let oldest = height.saturating_sub(START_BLOCKS) / START_BLOCKS;
        self.starts = self.starts.split_off(&(oldest, Address::ZERO, false));
    }
}

fn name(header: &Header) -> (u64, KeyId, Address, Kind) {
    (header.round, header.key, header.sender, header.kind)
}

fn start_name(header: &Header) -> StartName {
    (header.round / START_BLOCKS, header.sender, header.digest != Digest::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorumkeep_dkg::ids::{Digest, NetworkId};

    fn header(kind: Kind, round: u64, sender: u8) -> Header {
        let (network, digest) = (NetworkId([1; 32]), Digest::ZERO);
        let (sender, recipient) = (Address([sender; 20]), Address::ZERO);
        Header { network, key: KeyId([2; 32]), round, digest, kind, sender, recipient }
    }

    #[test]
    fn every_sender_round_and_kind_has_its_own() {
        let mut budget = Budget::new(RoundQuota::default());
        let deal = header(Kind::Deal, 40, 1);
        for _ in 0..4 {
            assert!(budget.has_room(&deal, 3));
            budget.add(&deal);
        }
        assert!(!budget.has_room(&deal, 3));
        for other in [header(Kind::Confirm, 40, 1), header(Kind::Deal, 80, 1), header(Kind::Deal, 40, 2)] {
            assert!(budget.has_room(&other, 3));
        }
        let complaint = header(Kind::Complain, 40, 1);
        (0..6).for_each(|_| budget.add(&complaint));
        assert!(!budget.has_room(&complaint, 3), "two for each of three");
        assert!(budget.has_room(&complaint, 4));
        budget.forget_before(41);
        assert!(budget.taken.is_empty());
    }

    #[test]
    fn starts_are_bounded_and_leave_room_for_objections() {
        let mut budget = Budget::new(RoundQuota::default());
        let start = header(Kind::Start, START_BLOCKS + 1, 1);
        let objection = Header { digest: Digest([9; 32]), ..start };
        for _ in 0..16 {
            assert!(budget.has_room(&start, 3));
            budget.add(&start);
        }
        assert!(
            !budget.has_room(&Header { round: 2 * START_BLOCKS - 1, ..start }, 3),
            "another height is no other quota"
        );
        assert!(budget.has_room(&header(Kind::Start, START_BLOCKS + 1, 2), 3), "of somebody else");
        for _ in 0..32 {
            assert!(budget.has_room(&objection, 3));
            budget.add(&objection);
        }
        assert!(!budget.has_room(&objection, 3));
        budget.forget_before(u64::MAX);
        // Heights of that stretch can be named up to here.
        budget.forget_starts(3 * START_BLOCKS - 1);
        assert!(!budget.has_room(&start, 3));
        budget.forget_starts(3 * START_BLOCKS);
        assert!(budget.starts.is_empty());
    }
}
