//! The defences of the protocol, as switches that only the simulator has.
//!
//! A product build has no switches: without the feature `danger_rules`, [`on`] is the constant `true` and the compiler
//! removes the question. With the feature, a run can `remove` one rule and show that its absence is found.

/// One defence of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rule {
    /// A Feldman dealer proves that it knows `a_0`.
    ProofOfA0,
    /// A dealer proves that it knows `r`, bound to dealer and commitments.
    ProofOfR,
    /// Points from outside are checked to be in the subgroup of prime order.
    SubgroupCheck,
    /// `t` comes from the roster, never from who showed up.
    FixedThreshold,
    /// A node with a pinned group key refuses another genesis.
    PinnedKeyRefuses,
    /// A Confirm proves the new share.
    ConfirmProof,
    /// An Announce proves the shares of the versions that it names.
    AnnounceProof,
    /// An Announce that proves a share comes before an earlier one that does not.
    ProofBeatsRejoin,
    /// The opening in a complaint is checked.
    ComplaintCheck,
    /// A valid complaint removes the dealer.
    ComplaintsCount,
    /// A dealer posts exactly `t` commitments.
    ExactLength,
    /// The first well-signed record of a sender counts.
    FirstCounts,
    /// A Confirm names the head at which the transcript was cut.
    CutHead,
    /// A Config names its predecessor.
    ConfigChain,
    /// A dealer of a reshare deals its own share: `C_0 = Y_i`.
    SourceConstant,
    /// A node checks the board for records of its own that it does not know.
    OwnRecords,
    /// After a round that failed for want of dealers the other source comes first.
    AlternateSource,
    /// The newest settled version is kept until a newer one is settled.
    SettledKeep,
    /// An Extract proves that it opens what its dealer committed to.
    LinkProof,
    /// Dealings are published only if at least `t` dealers opened their commitments.
    GuardedReconstruct,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 20] = [
        Self::ProofOfA0,
        Self::ProofOfR,
        Self::SubgroupCheck,
        Self::FixedThreshold,
        Self::PinnedKeyRefuses,
        Self::ConfirmProof,
        Self::AnnounceProof,
        Self::ProofBeatsRejoin,
        Self::ComplaintCheck,
        Self::ComplaintsCount,
        Self::ExactLength,
        Self::FirstCounts,
        Self::CutHead,
        Self::ConfigChain,
        Self::SourceConstant,
        Self::OwnRecords,
        Self::AlternateSource,
        Self::SettledKeep,
        Self::LinkProof,
        Self::GuardedReconstruct,
    ];

    /// The name, as a command line takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProofOfA0 => "proof_of_a0",
            Self::ProofOfR => "proof_of_r",
            Self::SubgroupCheck => "subgroup_check",
            Self::FixedThreshold => "fixed_threshold",
            Self::PinnedKeyRefuses => "pinned_key_refuses",
            Self::ConfirmProof => "confirm_proof",
            Self::AnnounceProof => "announce_proof",
            Self::ProofBeatsRejoin => "proof_beats_rejoin",
            Self::ComplaintCheck => "complaint_check",
            Self::ComplaintsCount => "complaints_count",
            Self::ExactLength => "exact_length",
            Self::FirstCounts => "first_counts",
            Self::CutHead => "cut_head",
            Self::ConfigChain => "config_chain",
            Self::SourceConstant => "source_constant",
            Self::OwnRecords => "own_records",
            Self::AlternateSource => "alternate_source",
            Self::SettledKeep => "settled_keep",
            Self::LinkProof => "link_proof",
            Self::GuardedReconstruct => "guarded_reconstruct",
        }
    }

    /// The rule with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// Whether `rule` holds: always, in a product build.
#[cfg(not(feature = "danger_rules"))]
#[must_use]
#[inline(always)]
pub const fn on(_rule: Rule) -> bool {
    true
}

#[cfg(feature = "danger_rules")]
static REMOVED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Whether `rule` holds: unless this process removed it.
#[cfg(feature = "danger_rules")]
#[must_use]
pub fn on(rule: Rule) -> bool {
    let is_believed = rule == Rule::SubgroupCheck && BELIEVING.get();
    !is_believed && REMOVED.load(std::sync::atomic::Ordering::Relaxed) & (1 << rule as u8) == 0
}

#[cfg(feature = "danger_rules")]
std::thread_local! {
    static BELIEVING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Does `work` without subgroup checks in this thread.
///
/// # Security
///
/// For the simulator only, and for bytes that honest code made in front of the caller.
#[cfg(feature = "danger_rules")]
pub fn believing<T>(work: impl FnOnce() -> T) -> T {
    let before = BELIEVING.replace(true);
    let value = work();
    BELIEVING.set(before);
    value
}

/// Removes `rule` for the whole process.
///
/// # Security
///
/// For the simulator only: it breaks the protocol on purpose.
#[cfg(feature = "danger_rules")]
pub fn remove(rule: Rule) {
    REMOVED.fetch_or(1 << rule as u8, std::sync::atomic::Ordering::Relaxed);
}

/// Puts every removed rule back.
#[cfg(feature = "danger_rules")]
pub fn restore_all() {
    REMOVED.store(0, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for (position, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(rule as usize, position);
            assert_eq!(Rule::from_name(rule.name()), Some(rule));
            assert!(on(rule));
        }
        assert_eq!(Rule::from_name("none"), None);
    }
}
