//! The words in which a plan is written by hand.

use super::{Act, Change, Plan, Step};
use crate::strategies::Kind;

impl Plan {
    /// The dice.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Hostile rounds.
    #[must_use]
    pub fn rounds(self, rounds: u64) -> Self {
        Self { rounds, ..self }
    }

    /// Generate the key with hiding commitments.
    #[must_use]
    pub fn pedersen(self) -> Self {
        Self { pedersen: true, ..self }
    }

    /// The settle margin, and as few players in the generation as it allows.
    #[must_use]
    pub fn margin(self, b: usize) -> Self {
        Self { b, players_min: self.t + b, ..self }
    }

    /// Any strategy, with the operators that play it and those that it is aimed at.
    #[must_use]
    pub fn act(mut self, strategy: Kind, liars: &[usize], victims: &[usize]) -> Self {
        let (liars, victims) = (liars.to_vec(), victims.to_vec());
        self.acts.push(Act { strategy, liars, victims, every_time: true });
        self
    }

    /// A change after this round.
    #[must_use]
    pub fn after(mut self, round: u64, change: Change) -> Self {
        self.churn.push(Step { after: round, change });
        self
    }

    /// `dealer` deals nonsense to `player`.
    #[must_use]
    pub fn bad_dealing(self, dealer: usize, player: usize) -> Self {
        self.act(Kind::BadDealing, &[dealer], &[player])
    }

    /// `dealer` deals twice.
    #[must_use]
    pub fn equivocate(self, dealer: usize) -> Self {
        self.act(Kind::Equivocate, &[dealer], &[])
    }

    /// The first of these chooses the group key, with the help of the others.
    #[must_use]
    pub fn rogue_c0(self, colluders: &[usize]) -> Self {
        self.act(Kind::RogueC0, colluders, &[])
    }

    /// The first of these chooses the group key when it opens its commitments.
    #[must_use]
    pub fn rogue_extract(self, colluders: &[usize]) -> Self {
        self.pedersen().act(Kind::RogueExtract, colluders, &[])
    }

    /// `dealer` takes an honest dealer's `R`.
    #[must_use]
    pub fn copy_r(self, dealer: usize) -> Self {
        self.act(Kind::CopyR, &[dealer], &[])
    }

    /// `player` complains with openings outside the subgroup.
    #[must_use]
    pub fn torsion_opening(self, player: usize) -> Self {
        self.act(Kind::TorsionOpening, &[player], &[])
    }

    /// The orderer suppresses the Announces of these.
    #[must_use]
    pub fn shrink_p(self, suppressed: &[usize]) -> Self {
        self.act(Kind::ShrinkP, &[], suppressed)
    }

    /// `player` confirms what it does not hold.
    #[must_use]
    pub fn confirm_without_share(self, player: usize) -> Self {
        self.act(Kind::ConfirmWithoutShare, &[player], &[])
    }

    /// `dealer` claims to hold what it threw away.
    #[must_use]
    pub fn stale_source_announce(self, dealer: usize) -> Self {
        self.act(Kind::StaleSource, &[dealer], &[])
    }

    /// A thief announces in an honest operator's name.
    #[must_use]
    pub fn stolen_identity(self) -> Self {
        self.act(Kind::StolenIdentity, &[], &[])
    }

    /// `dealer` commits to a polynomial of another degree.
    #[must_use]
    pub fn raise_degree(self, dealer: usize) -> Self {
        self.act(Kind::RaiseDegree, &[dealer], &[])
    }

    /// `operator` says nothing at all.
    #[must_use]
    pub fn withhold(self, operator: usize) -> Self {
        self.act(Kind::Withhold, &[operator], &[])
    }

    /// `dealer` deals something else than its share.
    #[must_use]
    pub fn wrong_source(self, dealer: usize) -> Self {
        self.act(Kind::WrongSource, &[dealer], &[])
    }

    /// `player` complains about everybody.
    #[must_use]
    pub fn false_complaint(self, player: usize) -> Self {
        self.act(Kind::FalseComplaint, &[player], &[])
    }

    /// `dealer` does not open its commitments, and publishes wrong dealings of its friends.
    #[must_use]
    pub fn hold_back_extract(self, dealer: usize) -> Self {
        self.pedersen().act(Kind::HoldBackExtract, &[dealer], &[])
    }

    /// The orderer suppresses Extracts.
    #[must_use]
    pub fn censor_extracts(self) -> Self {
        self.pedersen().act(Kind::CensorExtracts, &[], &[])
    }
}
