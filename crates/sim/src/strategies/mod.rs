//! What liars do. One file per family, one type per strategy.

use quorumkeep_curves::rules::Rule;
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ledger::Event;
use serde::{Deserialize, Serialize};

use crate::world::World;

mod announces;
mod boards;
mod complaints;
mod confirms;
mod deals;
mod disks;
mod extracts;
pub(crate) mod liar;
mod rogue;

/// How many liars, and of what sort, a strategy needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nobody: faults only.
    Nobody,
    /// 1 to `min(n - t, t - 1)` liars.
    Some,
    /// The same, and honest disks are lost, too.
    Half,
    /// `n - t + 1 <= t - 1` colluders.
    Rogues,
    /// A lying orderer, and at most `2t - n - 1` liars.
    Orderer,
}

impl Needs {
    /// Honest disks that the strategy costs.
    pub fn disks_lost(self) -> usize {
        usize::from(self == Self::Half)
    }
}

/// A way to lie.
pub trait Strategy: Send {
    /// What a liar posts instead of what its honest code wants to post; none: the same.
    fn replace(&mut self, _world: &mut World, _place: usize, _envelope: &Envelope) -> Option<Vec<Vec<u8>>> {
        None
    }

    /// Before the orderer makes a block.
    fn before_block(&mut self, _world: &mut World) {}

    /// After everybody handled a block.
    fn after_block(&mut self, _world: &mut World, _events: &[Event]) {}

    /// Does the orderer suppress this record?
    fn censors(&mut self, _world: &mut World, _envelope: &Envelope) -> bool {
        false
    }
}

/// Nobody lies.
#[derive(Default)]
struct Honest;
impl Strategy for Honest {}

/// Every strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Kind {
    /// Nobody lies; disks, wires and machines do their worst.
    Honest,
    /// The last dealer of a generation chooses the group key.
    RogueC0,
    /// A dealer copies an honest dealer's `R`.
    CopyR,
    /// An opening plus a point of cofactor order.
    TorsionOpening,
    /// The orderer suppresses Announces.
    ShrinkP,
    /// All nodes find an empty board.
    EmptyBoard,
    /// Confirms without holding.
    ConfirmWithoutShare,
    /// Claims to hold the newest version.
    StaleSource,
    /// A thief announces in an honest operator's name.
    StolenIdentity,
    /// A commitment too many or too few.
    RaiseDegree,
    /// Nonsense for some players.
    BadDealing,
    /// Two deals.
    Equivocate,
    /// Says less than it should.
    Withhold,
    /// Deals something else than its share.
    WrongSource,
    /// Complains about what is right.
    FalseComplaint,
    /// Keeps a version of `t` holders from being handed on.
    SelfComplaint,
    /// Confirms, and is gone.
    GoSilent,
    /// Two heads at one height.
    SplitHeads,
    /// An old configuration comes again.
    ReplayedConfig,
    /// A node comes back from a backup.
    RollbackDisk,
    /// One disk on two machines.
    CloneNode,
    /// Leaves and wipes its disk at once.
    LeaverDeletes,
    /// Opens nothing in a Pedersen generation.
    HoldBackExtract,
    /// The last to open in a Pedersen generation chooses the group key.
    RogueExtract,
    /// The orderer suppresses Extracts.
    CensorExtracts,
}

impl Kind {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Honest,
        Self::RogueC0,
        Self::CopyR,
        Self::TorsionOpening,
        Self::ShrinkP,
        Self::EmptyBoard,
        Self::ConfirmWithoutShare,
        Self::StaleSource,
        Self::StolenIdentity,
        Self::RaiseDegree,
        Self::BadDealing,
        Self::Equivocate,
        Self::Withhold,
        Self::WrongSource,
        Self::FalseComplaint,
        Self::SelfComplaint,
        Self::GoSilent,
        Self::SplitHeads,
        Self::ReplayedConfig,
        Self::RollbackDisk,
        Self::CloneNode,
        Self::LeaverDeletes,
        Self::HoldBackExtract,
        Self::RogueExtract,
        Self::CensorExtracts,
    ];

    /// The name, as a command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::RogueC0 => "rogue_c0",
            Self::CopyR => "copy_r",
            Self::TorsionOpening => "torsion_opening",
            Self::ShrinkP => "shrink_p",
            Self::EmptyBoard => "empty_board",
            Self::ConfirmWithoutShare => "confirm_without_share",
            Self::StaleSource => "stale_source_announce",
            Self::StolenIdentity => "stolen_identity",
            Self::RaiseDegree => "raise_degree",
            Self::BadDealing => "bad_dealing",
            Self::Equivocate => "equivocate",
            Self::Withhold => "withhold",
            Self::WrongSource => "wrong_source",
            Self::FalseComplaint => "false_complaint",
            Self::SelfComplaint => "self_complaint",
            Self::GoSilent => "go_silent_after_confirm",
            Self::SplitHeads => "split_heads",
            Self::ReplayedConfig => "replayed_config",
            Self::RollbackDisk => "rollback_disk",
            Self::CloneNode => "clone_node",
            Self::LeaverDeletes => "leaver_deletes_early",
            Self::HoldBackExtract => "hold_back_extract",
            Self::RogueExtract => "rogue_extract",
            Self::CensorExtracts => "censor_extracts",
        }
    }

    /// The strategy with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The strategy that shows why this rule is needed; none where other defences cover for it.
    pub fn against(rule: Rule) -> Option<Self> {
        Some(match rule {
            Rule::ProofOfA0 => Self::RogueC0,
            Rule::ProofOfR => Self::CopyR,
            Rule::SubgroupCheck => Self::TorsionOpening,
            Rule::FixedThreshold => Self::ShrinkP,
            Rule::PinnedKeyRefuses => Self::EmptyBoard,
            Rule::ConfirmProof => Self::ConfirmWithoutShare,
            Rule::AnnounceProof => Self::StaleSource,
            Rule::ProofBeatsRejoin => Self::StolenIdentity,
            Rule::ComplaintCheck => Self::FalseComplaint,
            Rule::ComplaintsCount => Self::BadDealing,
            Rule::ExactLength => Self::RaiseDegree,
            Rule::FirstCounts => Self::Equivocate,
            Rule::CutHead => Self::SplitHeads,
            Rule::ConfigChain => Self::ReplayedConfig,
            Rule::SourceConstant => Self::WrongSource,
            Rule::OwnRecords => Self::RollbackDisk,
            Rule::AlternateSource => Self::SelfComplaint,
            Rule::SettledKeep => Self::GoSilent,
            Rule::LinkProof => Self::RogueExtract,
            Rule::GuardedReconstruct => Self::CensorExtracts,
        })
    }

    /// How many liars it needs.
    pub fn needs(self) -> Needs {
        match self {
            Self::Honest | Self::ShrinkP | Self::EmptyBoard | Self::StolenIdentity | Self::ReplayedConfig => {
                Needs::Nobody
            }
            Self::CensorExtracts => Needs::Nobody,
            Self::RogueC0 | Self::RogueExtract => Needs::Rogues,
            Self::RollbackDisk | Self::CloneNode => Needs::Half,
            Self::SplitHeads => Needs::Orderer,
            _ => Needs::Some,
        }
    }

    /// Does it need a network without other faults?
    pub fn wants_quiet(self) -> bool {
        matches!(
            self,
            Self::RogueC0
                | Self::RogueExtract
                | Self::CensorExtracts
                | Self::CopyR
                | Self::EmptyBoard
                | Self::ConfirmWithoutShare
                | Self::SelfComplaint
                | Self::GoSilent
                | Self::SplitHeads
        )
    }

    /// With this strategy played to the end, must a version become active in the calm? Not on a board that was forked.
    pub fn owes_liveness(self) -> bool {
        self != Self::SplitHeads
    }

    /// Does it attack the generation of the key?
    pub fn plays_in_genesis(self) -> bool {
        matches!(self, Self::RogueC0 | Self::ShrinkP | Self::RogueExtract)
    }

    /// Must the key be generated with hiding commitments for it, or must it not? None: either way.
    pub fn wants_pedersen(self) -> Option<bool> {
        match self {
            Self::RogueC0 => Some(false),
            Self::HoldBackExtract | Self::RogueExtract | Self::CensorExtracts => Some(true),
            _ => None,
        }
    }

    /// A player of it.
    pub fn make(self) -> Box<dyn Strategy> {
        match self {
            Self::Honest => Box::<Honest>::default(),
            Self::RogueC0 => Box::<rogue::RogueC0>::default(),
            Self::CopyR => Box::<deals::CopyR>::default(),
            Self::TorsionOpening => Box::<complaints::TorsionOpening>::default(),
            Self::ShrinkP => Box::<announces::ShrinkP>::default(),
            Self::EmptyBoard => Box::<boards::EmptyBoard>::default(),
            Self::ConfirmWithoutShare => Box::<confirms::ConfirmWithoutShare>::default(),
            Self::StaleSource => Box::<announces::StaleSource>::default(),
            Self::StolenIdentity => Box::<announces::StolenIdentity>::default(),
            Self::RaiseDegree => Box::<deals::RaiseDegree>::default(),
            Self::BadDealing => Box::<deals::BadDealing>::default(),
            Self::Equivocate => Box::<deals::Equivocate>::default(),
            Self::Withhold => Box::<deals::Withhold>::default(),
            Self::WrongSource => Box::<deals::WrongSource>::default(),
            Self::FalseComplaint => Box::<complaints::FalseComplaint>::default(),
            Self::SelfComplaint => Box::<confirms::SelfComplaint>::default(),
            Self::GoSilent => Box::<confirms::GoSilent>::default(),
            Self::SplitHeads => Box::<boards::SplitHeads>::default(),
            Self::ReplayedConfig => Box::<boards::ReplayedConfig>::default(),
            Self::RollbackDisk => Box::<disks::RollbackDisk>::default(),
            Self::CloneNode => Box::<disks::CloneNode>::default(),
            Self::LeaverDeletes => Box::<disks::LeaverDeletes>::default(),
            Self::HoldBackExtract => Box::<extracts::HoldBackExtract>::default(),
            Self::RogueExtract => Box::<extracts::RogueExtract>::default(),
            Self::CensorExtracts => Box::<extracts::CensorExtracts>::default(),
        }
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.name().to_owned()
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| format!("there is no strategy {name}"))
    }
}
