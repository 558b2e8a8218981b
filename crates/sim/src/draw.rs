//! Plans drawn from a seed.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::chance::{below, between, happens, pick, sample};
use crate::plan::{Act, Change, Faults, Plan, Step};
use crate::strategies::{Kind, Needs};

/// The stream of the generator that draws plans; the network's own dice are another one of the same seed.
const STREAM: u64 = 2;
/// Of a thousand networks that can bear it, so many have liars of two sorts.
const MIXED_PER_MILLE: usize = 300;
/// Of a thousand networks so many have no faults but their liars, who throw no dice: their rounds can be predicted.
const PREDICTED_PER_MILLE: usize = 200;

/// Which faults a run has: all, or some families by name.
#[derive(Debug, Clone, Copy)]
pub struct Families {
    /// Posts that are lost, repeated or late.
    pub wires: bool,
    /// Nodes that die at a commit.
    pub crashes: bool,
    /// Nodes that see or say nothing for a while.
    pub partitions: bool,
    /// Messages between peers.
    pub peers: bool,
    /// Changes of the roster, of the threshold, lost disks.
    pub churn: bool,
    /// Operators and orderers that lie.
    pub liars: bool,
}

impl Families {
    /// The names that [`Families::parse`] knows, besides `all` and `none`.
    pub const NAMES: [&'static str; 6] = ["wires", "crashes", "partitions", "peers", "churn", "liars"];

    /// Reads `all`, `none` or names with commas between them.
    ///
    /// # Errors
    /// A name that there is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = match text {
            "all" => Self::NAMES.to_vec(),
            "none" => Vec::new(),
            names => names.split(',').map(str::trim).collect(),
        };
        match names.iter().find(|name| !Self::NAMES.contains(name)) {
            Some(name) => {
                Err(format!("there is no family of faults {name}; there are all, none, {}", Self::NAMES.join(", ")))
            }
            None => Ok(Self::named(&names)),
        }
    }

    fn named(names: &[&str]) -> Self {
        let has = |name| names.contains(&name);
        Self {
            wires: has("wires"),
            crashes: has("crashes"),
            partitions: has("partitions"),
            peers: has("peers"),
            churn: has("churn"),
            liars: has("liars"),
        }
    }
}

/// What a drawn plan must be like.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// The seed of the network.
    pub seed: u64,
    /// What its liars play.
    pub strategy: Kind,
    /// Hostile rounds.
    pub rounds: u64,
    /// The families of faults.
    pub families: Families,
    /// Members of the roster; any number from 4 to 10 if not given.
    pub n: Option<usize>,
}

/// Draws a network.
#[must_use]
pub fn plan(wish: &Wish) -> Plan {
    let mut rng = ChaCha20Rng::seed_from_u64(wish.seed);
    rng.set_stream(STREAM);
    let strategy = if wish.families.liars { wish.strategy } else { Kind::Honest };
    let needs = strategy.needs();
    let (n, t) = sizes(&mut rng, needs, wish.n);
    let count = liars(&mut rng, needs, (n, t));
    let windows = [between(&mut rng, 3, 4), between(&mut rng, 3, 4), between(&mut rng, 2, 3), between(&mut rng, 3, 4)];
    let either = below(&mut rng, 2) == 0;
    // Drawn before what the families decide, so that a family that is left out changes nothing else here.
    let is_predicted = happens(&mut rng, PREDICTED_PER_MILLE);
    let mut plan = Plan {
        seed: wish.seed,
        pedersen: strategy.wants_pedersen().unwrap_or(either),
        windows: windows.map(|blocks| blocks as u32),
        rounds: wish.rounds,
        ..Plan::new(n, t)
    };
    plan.interval = plan.window_blocks() as u32 + below(&mut rng, 4) as u32;
    plan.acts = acts(&mut rng, strategy, count, &plan);
    plan.faults = faults(&mut rng, wish.families, strategy);
    let default = (n - t).div_ceil(2);
    let per_mille = pick(&mut rng, &[0, 0, 150, 400]).unwrap_or(0);
    if wish.families.churn && !strategy.wants_quiet() {
        plan.churn = churn(&mut rng, &plan, per_mille, count + plan.disks_lost());
    }
    if is_predicted {
        (plan.faults, plan.churn) = (Faults::default(), Vec::new());
        plan.acts.iter_mut().for_each(|act| act.every_time = true);
    }
    plan.b = default.max(count + plan.disks_lost()).min(n - t);
    let least = t + plan.b;
    plan.players_min = if strategy.plays_in_genesis() { least } else { between(&mut rng, least, least.max(n - count)) };
    plan
}

/// `(n, t)`: the default threshold two times of three.
fn sizes(rng: &mut ChaCha20Rng, needs: Needs, wanted: Option<usize>) -> (usize, usize) {
    loop {
        let n = wanted.unwrap_or_else(|| between(rng, 4, 10));
        let default = (2 * n).div_ceil(3);
        let t = if below(rng, 3) < 2 { default } else { between(rng, 2, n) };
        let fits = match needs {
            Needs::Nobody => true,
            Needs::Rogues => n - t + 1 < t,
            Needs::Half | Needs::Some => n > t && t > 2,
            Needs::Orderer => n > t && 2 * t > n,
        };
        if fits {
            return (n, t);
        }
    }
}

fn liars(rng: &mut ChaCha20Rng, needs: Needs, (n, t): (usize, usize)) -> usize {
    let spare = (n - t).min(t - 1);
    match needs {
        Needs::Nobody => 0,
        Needs::Rogues => n - t + 1,
        Needs::Some => between(rng, 1, spare),
        Needs::Half => between(rng, 0, spare - 1),
        Needs::Orderer => between(rng, 0, spare.min(2 * t - n - 1)),
    }
}

/// Who plays what: all liars the same, or some of them another strategy that fits beside it.
fn acts(rng: &mut ChaCha20Rng, strategy: Kind, count: usize, plan: &Plan) -> Vec<Act> {
    if strategy == Kind::Honest {
        return Vec::new();
    }
    let all: Vec<usize> = (0..plan.n).collect();
    let mut first = Act { strategy, liars: sample(rng, &all, count), victims: Vec::new(), every_time: false };
    let fits = |kind: &Kind| {
        let protocol = kind.wants_pedersen().is_none_or(|pedersen| pedersen == plan.pedersen);
        kind.needs() == Needs::Some && !kind.wants_quiet() && *kind != strategy && protocol
    };
    let others: Vec<Kind> = Kind::ALL.iter().copied().filter(fits).collect();
    let mixes = strategy.needs() == Needs::Some && !strategy.wants_quiet() && count > 1;
    let second = pick(rng, &others).filter(|_| happens(rng, MIXED_PER_MILLE) && mixes);
    let Some(second) = second else { return vec![first] };
    let liars = first.liars.split_off(count / 2);
    vec![first, Act { strategy: second, liars, victims: Vec::new(), every_time: false }]
}

fn faults(rng: &mut ChaCha20Rng, families: Families, strategy: Kind) -> Faults {
    let all = Faults {
        lose: pick(rng, &[0, 0, 30, 100]).unwrap_or(0),
        repeat: pick(rng, &[0, 100]).unwrap_or(0),
        delay: pick(rng, &[0, 0, 1, 2]).unwrap_or(0),
        crash: pick(rng, &[0, 5, 20]).unwrap_or(0),
        deaf: pick(rng, &[0, 10, 30]).unwrap_or(0),
        mute: pick(rng, &[0, 0, 10]).unwrap_or(0),
        peers: below(rng, 8) == 0,
    };
    if strategy.wants_quiet() {
        return Faults::default();
    }
    let when = |family: bool, value: usize| if family { value } else { 0 };
    Faults {
        lose: when(families.wires, all.lose),
        repeat: when(families.wires, all.repeat),
        delay: when(families.wires, all.delay),
        crash: when(families.crashes, all.crash),
        deaf: when(families.partitions, all.deaf),
        mute: when(families.partitions, all.mute),
        peers: families.peers && all.peers,
    }
}

/// Changes between rounds. At most one honest disk is lost, and only where the margin allows for one more.
fn churn(rng: &mut ChaCha20Rng, plan: &Plan, per_mille: usize, spent: usize) -> Vec<Step> {
    let (mut present, mut gone): (Vec<usize>, Vec<usize>) = ((0..plan.n).collect(), Vec::new());
    let (mut next, mut steps) = (plan.n, Vec::new());
    let honest = |place: &usize| !plan.liars().contains(place);
    let mut may_lose = spent < (plan.n - plan.t).min(plan.t - 1);
    for after in 1..=plan.rounds {
        if !happens(rng, per_mille) {
            continue;
        }
        let anybody = pick(rng, &present).unwrap_or(0);
        let change = match below(rng, 8) {
            0 => Change::Join,
            1 => Change::Leave(anybody),
            2 => Change::Swap(anybody),
            3 => Change::Raise,
            4 => Change::Lower,
            5 => Change::ReplaceAll,
            6 if may_lose && honest(&anybody) => Change::LoseDisk(anybody),
            7 if may_lose => match gone.iter().copied().find(honest) {
                Some(place) => Change::Return(place),
                None => Change::Leave(anybody),
            },
            _ => Change::Join,
        };
        may_lose &= !matches!(change, Change::LoseDisk(_) | Change::Return(_));
        if matches!(change, Change::Join | Change::Swap(_)) {
            present.push(next);
            next += 1;
        }
        if let Change::Leave(place) | Change::Swap(place) = change {
            present.retain(|other| *other != place);
            gone.push(place);
        }
        steps.push(Step { after, change });
    }
    steps
}
