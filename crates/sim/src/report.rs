//! How rounds ended, and how they must end: a prediction from the plan alone, without any cryptography.
//!
//! A prediction is made for a network whose wires, disks and roster are well, and for strategies that throw no dice. It
//! covers who plays, who is in QUAL (or `D`), whose commitments are reconstructed, who is at fault for what, and whether
//! the round activates or why it fails. Every such round of every run is compared with it.

use std::collections::BTreeSet;

use quorumkeep_dkg::deal::DealFault;
use quorumkeep_dkg::ids::Address;
use quorumkeep_dkg::info::RoundKind;
use quorumkeep_dkg::ledger::Event;
use quorumkeep_dkg::round::Phase;
use quorumkeep_dkg::transcript::{Failure, FaultKind};

use crate::Violation;
use crate::plan::{Act, Faults, Plan};
use crate::strategies::Kind;
use crate::world::World;

/// Operators, by place.
pub type Places = BTreeSet<usize>;

/// One round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// From 1.
    pub number: u64,
    /// Does it generate the key?
    pub generates: bool,
    /// Who receives a share.
    pub players: Places,
    /// QUAL or `D`.
    pub qualified: Places,
    /// Whose commitments the others opened.
    pub reconstructed: Places,
    /// Who did what wrong, in the words of [`FaultKind`].
    pub faults: BTreeSet<(usize, String)>,
    /// Active, or why not.
    pub end: Result<(), Failure>,
}

impl Report {
    fn begin(number: u64, generates: bool) -> Self {
        Self {
            number,
            generates,
            players: Places::new(),
            qualified: Places::new(),
            reconstructed: Places::new(),
            faults: BTreeSet::new(),
            end: Ok(()),
        }
    }

    /// Notes a fault.
    pub fn blame(&mut self, place: usize, kind: &FaultKind) {
        self.faults.insert((place, kind.to_string()));
    }

    /// Is this what was expected?
    ///
    /// # Errors
    /// It is not.
    pub fn compare(&self, expected: &Self) -> Result<(), Violation> {
        if self == expected {
            return Ok(());
        }
        Violation::of(format!("round {} went another way than its plan says: {self:?}, not {expected:?}", self.number))
    }
}

/// Reads a round's report from the board.
#[derive(Default)]
pub struct Recorder {
    running: Option<Report>,
}

impl Recorder {
    /// Reads the events of a block; the reports of rounds that ended with it.
    pub fn read(&mut self, world: &World, events: &[Event]) -> Vec<Report> {
        let mut ended = Vec::new();
        for event in events {
            match event {
                Event::Opened(_, height) => self.running = Some(opened(world, *height)),
                Event::Announced(..) => self.announced(world),
                Event::Result(..) => self.result(world),
                Event::Fault(culprit, kind, _) => {
                    if let (Some(report), Some(place)) = (&mut self.running, place_of(world, culprit)) {
                        report.blame(place, kind);
                    }
                }
                Event::Activated(..) => ended.extend(self.running.take()),
                Event::Failed(_, _, failure) => {
                    ended.extend(self.running.take().map(|report| Report { end: Err(*failure), ..report }));
                }
                _ => {}
            }
        }
        ended
    }

    fn announced(&mut self, world: &World) {
        if let (Some(report), Some(info)) = (&mut self.running, world.info()) {
            report.players = info.players.iter().filter_map(|player| place_of(world, &player.address)).collect();
        }
    }

    fn result(&mut self, world: &World) {
        let transcript = world.round().and_then(|round| round.transcript());
        let (Some(report), Some(transcript)) = (&mut self.running, transcript) else { return };
        let qualified = transcript.qualified();
        let places = qualified.iter().filter_map(|deal| Some((deal.index, place_of(world, &deal.dealer)?)));
        let places: Vec<_> = places.collect();
        report.qualified = places.iter().map(|(_, place)| *place).collect();
        if let Some(Ok(output)) = transcript.outcome() {
            let opened = places.iter().filter(|(index, _)| output.reconstructed().contains(index));
            report.reconstructed = opened.map(|(_, place)| *place).collect();
        }
    }
}

fn opened(world: &World, height: u64) -> Report {
    let generates = world.round().is_some_and(|round| round.trigger().kind == RoundKind::Genesis);
    Report::begin(height / u64::from(world.plan.interval), generates)
}

fn place_of(world: &World, address: &Address) -> Option<usize> {
    world.seats.iter().position(|seat| seat.address() == *address)
}

/// What a plan says of its round `number`; none if wires or disks or dice have a say in it.
#[must_use]
pub fn predict(plan: &Plan, number: u64) -> Option<Report> {
    if plan.faults != Faults::default() || !plan.churn.is_empty() || number == 0 {
        return None;
    }
    let mut model = Model::new(plan);
    let mut last = None;
    for round in 1..=number {
        last = Some(model.round(plan, round)?);
    }
    last
}

/// Who holds the key's newest version, as far as a plan decides it.
struct Model {
    holders: Places,
    has_key: bool,
}

/// What acts do to one round.
#[derive(Default)]
struct Lies {
    silent: Places,
    without_proof: Places,
    without_deal: Places,
    accused: Places,
    unopened: Places,
    without_confirm: Places,
    /// Who did what wrong in which phase.
    faults: Vec<(Phase, usize, String)>,
}

/// The last phase whose records are looked at in a round that ends like this.
fn reached(end: &Result<(), Failure>) -> Phase {
    match end {
        Err(Failure::TooFewPlayers { .. } | Failure::NoSource) => Phase::Announce,
        Err(Failure::TooFewDealers { .. } | Failure::TooFewExtracts { .. }) => Phase::Extract,
        Err(Failure::Reconstruct { .. } | Failure::WrongGroupKey) => Phase::Reconstruct,
        Ok(()) | Err(Failure::TooFewConfirms { .. }) => Phase::Confirm,
    }
}

impl Model {
    fn new(plan: &Plan) -> Self {
        Self { holders: (0..plan.n).collect(), has_key: false }
    }

    fn round(&mut self, plan: &Plan, number: u64) -> Option<Report> {
        let mut lies = Lies::default();
        plan.acts.iter().try_for_each(|act| lies.add(act, plan, !self.has_key))?;
        let mut report = Report::begin(number, !self.has_key);
        report.end = self.end(plan, &lies, &mut report);
        let last = reached(&report.end);
        let seen = lies.faults.into_iter().filter(|(phase, ..)| *phase <= last);
        report.faults = seen.map(|(_, place, what)| (place, what)).collect();
        if report.end.is_ok() {
            self.has_key = true;
            self.holders = &report.players - &lies.without_confirm;
        }
        Some(report)
    }

    fn end(&self, plan: &Plan, lies: &Lies, report: &mut Report) -> Result<(), Failure> {
        let (t, generates) = (plan.t, report.generates);
        let players: Places = (0..plan.n).filter(|place| !lies.silent.contains(place)).collect();
        let (found, needed) = (players.len(), if generates { plan.players_min } else { t });
        if found < needed {
            return Err(Failure::TooFewPlayers { found, needed });
        }
        let dealers = if generates { players.clone() } else { &(&self.holders & &players) - &lies.without_proof };
        if dealers.len() < t {
            return Err(Failure::NoSource);
        }
        report.players = players;
        report.qualified = &(&dealers - &lies.without_deal) - &lies.accused;
        let found = report.qualified.len();
        if found < t {
            return Err(Failure::TooFewDealers { found, needed: t });
        }
        let unopened = &report.qualified & &lies.unopened;
        let found = found - unopened.len();
        if found < t && generates && plan.pedersen {
            return Err(Failure::TooFewExtracts { found, needed: t });
        }
        report.reconstructed = unopened;
        let found = (&report.players - &lies.without_confirm).len();
        let needed = if generates { t + plan.b } else { t };
        if found < needed { Err(Failure::TooFewConfirms { found, needed }) } else { Ok(()) }
    }
}

impl Lies {
    /// None if dice or the calendar decide what happens.
    fn add(&mut self, act: &Act, plan: &Plan, generates: bool) -> Option<()> {
        let liars: Places = act.liars.iter().copied().collect();
        let first: Places = act.liars.iter().copied().take(1).collect();
        let deal = FaultKind::Deal;
        match act.strategy {
            Kind::Honest | Kind::StolenIdentity | Kind::ReplayedConfig => {}
            Kind::GoSilent | Kind::SelfComplaint if generates => {}
            Kind::RogueC0 if generates => self.spoil_deal(&first, &deal(DealFault::ProofOfConstant)),
            Kind::RogueC0 => {}
            Kind::CopyR => self.spoil_deal(&liars, &deal(DealFault::ProofOfR)),
            Kind::RaiseDegree => self.spoil_deal(&liars, &deal(DealFault::Length)),
            Kind::WrongSource if generates => {}
            Kind::WrongSource => self.spoil_deal(&liars, &deal(DealFault::Source)),
            Kind::BadDealing => {
                self.accused.extend(&liars);
                self.blame(Phase::Complain, &liars, &FaultKind::Dealing);
            }
            Kind::Equivocate => self.blame(Phase::Deal, &liars, &FaultKind::Equivocation),
            Kind::FalseComplaint => self.blame(Phase::Complain, &liars, &FaultKind::FalseComplaint),
            Kind::TorsionOpening if act.every_time => self.blame(Phase::Complain, &liars, &FaultKind::FalseComplaint),
            Kind::Withhold if act.every_time => self.silent.extend(&liars),
            Kind::ShrinkP if !act.victims.is_empty() => self.silent.extend(&act.victims),
            Kind::StaleSource if generates => {}
            Kind::StaleSource => {
                self.silent.extend(&liars);
                self.blame(Phase::Announce, &liars, &FaultKind::Malformed);
            }
            Kind::ConfirmWithoutShare if generates => {
                self.without_confirm.extend(&liars);
                self.blame(Phase::Confirm, &liars, &FaultKind::Confirm);
            }
            Kind::HoldBackExtract if act.every_time => {
                self.unopened.extend(liars.iter().filter(|_| generates && plan.pedersen));
                if generates {
                    self.blame(Phase::Reconstruct, &liars, &FaultKind::Reconstruct);
                }
            }
            Kind::RogueExtract => {
                self.unopened.extend(first.iter().filter(|_| generates));
                if generates {
                    self.blame(Phase::Extract, &first, &FaultKind::Extract);
                }
            }
            Kind::CensorExtracts => self.unopened.extend((0..plan.n).filter(|_| generates)),
            _ => return None,
        }
        Some(())
    }

    fn blame(&mut self, phase: Phase, liars: &Places, kind: &FaultKind) {
        self.faults.extend(liars.iter().map(|place| (phase, *place, kind.to_string())));
    }

    fn spoil_deal(&mut self, liars: &Places, kind: &FaultKind) {
        self.without_deal.extend(liars);
        self.blame(Phase::Deal, liars, kind);
    }
}
