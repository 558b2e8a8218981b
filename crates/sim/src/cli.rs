//! The command line: many networks on all cores, and a summary.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use quorumkeep_curves::rules::{self, Rule};
use serde_json::json;

use crate::draw::{self, Families, Wish};
use crate::plan::Plan;
use crate::strategies::Kind;
use crate::world::{Tally, World};
use crate::{Violation, chance};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Of a thousand networks without a rule, so many play the strategy that the rule is against.
const AIMED_PER_MILLE: usize = 700;

#[derive(Parser, Debug, Clone)]
#[command(name = "quorumkeep-sim", about = "Networks of real nodes under a seeded scheduler, with operators that lie")]
struct Args {
    /// How many networks.
    #[arg(long, default_value_t = 100)]
    runs: u64,
    /// Hostile rounds per network; two calm ones follow.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// The seed of the first network; the others count up from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Families of faults: all, none, or some of wires, crashes, partitions, peers, churn, liars.
    #[arg(long, default_value = "all", value_name = "NAMES")]
    faults: String,
    /// Operators in each first roster; 4 to 10 if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(4..=20))]
    operators: Option<u16>,
    /// Play this network, as a failing run printed it, and no other.
    #[arg(long, value_name = "JSON")]
    plan: Option<String>,
    /// Remove one defence: the run must fail.
    #[arg(long, value_name = "RULE")]
    without: Option<String>,
    /// Play only this strategy.
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Networks at a time; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Name the defences and the strategy against which each one stands.
    #[arg(long)]
    list_rules: bool,
    /// Name the strategies.
    #[arg(long)]
    list_strategies: bool,
    /// Tell what happens, block by block.
    #[arg(long)]
    verbose: bool,
}

/// Parses, runs, reports.
pub fn run() -> ExitCode {
    let args = Args::parse();
    if args.list_rules || args.list_strategies {
        list(&args);
        return ExitCode::SUCCESS;
    }
    match prepare(&args) {
        Ok(choice) => simulate(&args, &choice),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn list(args: &Args) {
    if args.list_rules {
        for rule in Rule::ALL {
            let strategy = Kind::against(rule).map_or("(covered by other defences)", Kind::name);
            println!("{:<20} {strategy}", rule.name());
        }
    }
    if args.list_strategies {
        Kind::ALL.iter().for_each(|kind| println!("{}", kind.name()));
    }
}

/// Which networks are played.
struct Choice {
    plan: Option<Plan>,
    families: Families,
    fixed: Option<Kind>,
    aimed: Option<Kind>,
}

impl Choice {
    fn draw(&self, seed: u64) -> Kind {
        // A stream of its own: the network of a seed does not depend on how its strategy was chosen.
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        rng.set_stream(1);
        let aimed = self.aimed.filter(|_| chance::happens(&mut rng, AIMED_PER_MILLE));
        let drawn = chance::pick(&mut rng, Kind::ALL).unwrap_or(Kind::Honest);
        self.fixed.or(aimed).unwrap_or(drawn)
    }

    fn plan(&self, args: &Args, number: u64) -> Plan {
        if let Some(plan) = &self.plan {
            return plan.clone();
        }
        let seed = args.seed.wrapping_add(number);
        let (strategy, n) = (self.draw(seed), args.operators.map(usize::from));
        draw::plan(&Wish { seed, strategy, rounds: args.rounds, families: self.families, n })
    }
}

fn prepare(args: &Args) -> Result<Choice, String> {
    let fixed = match &args.strategy {
        Some(name) => Some(Kind::from_name(name).ok_or_else(|| unknown("strategy", name, "--list-strategies"))?),
        None => None,
    };
    let mut aimed = None;
    if let Some(name) = &args.without {
        let rule = Rule::from_name(name).ok_or_else(|| unknown("rule", name, "--list-rules"))?;
        rules::remove(rule);
        aimed = Kind::against(rule);
    }
    let plan = args.plan.as_deref().map(Plan::parse).transpose()?;
    Ok(Choice { plan, families: Families::parse(&args.faults)?, fixed, aimed })
}

fn unknown(what: &str, name: &str, list: &str) -> String {
    format!("there is no {what} {name}; {list} names them")
}

/// What came of all networks.
#[derive(Default)]
struct Summary {
    networks: u64,
    total: Tally,
    strategies: BTreeMap<&'static str, u64>,
    broken: Option<(Plan, Violation)>,
}

fn simulate(args: &Args, choice: &Choice) -> ExitCode {
    let started = Instant::now();
    let (next, stop, summary) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Summary::default()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..args.threads.unwrap_or(cores).max(1) {
            scope.spawn(|| work(args, choice, &next, &stop, &summary));
        }
    });
    let summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(args, &summary, started.elapsed().as_millis());
    if summary.broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn work(args: &Args, choice: &Choice, next: &AtomicU64, stop: &AtomicBool, summary: &Mutex<Summary>) {
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let runs = if choice.plan.is_some() { 1 } else { args.runs };
        if number >= runs {
            return;
        }
        let mut world = World::new(choice.plan(args, number), args.verbose);
        let verdict = world.run();
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.add(&world.plan, &world.tally);
        if let Err(violation) = verdict {
            let what = Violation::new(format!("block {}: {}", world.height(), violation.what));
            // The lowest seed is the one to report, whichever core was first.
            if summary.broken.as_ref().is_none_or(|(first, _)| world.plan.seed < first.seed) {
                summary.broken = Some((world.plan.clone(), what));
            }
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Summary {
    fn add(&mut self, plan: &Plan, tally: &Tally) {
        self.networks += 1;
        self.total.rounds += tally.rounds;
        self.total.activated += tally.activated;
        self.total.failed += tally.failed;
        self.total.settled += tally.settled;
        self.total.faults += tally.faults;
        self.total.crashes += tally.crashes;
        self.total.alarms += tally.alarms;
        for name in plan.names() {
            *self.strategies.entry(name).or_default() += 1;
        }
    }
}

fn report(args: &Args, summary: &Summary, ms: u128) {
    let total = &summary.total;
    let mut line = json!({
        "ok": summary.broken.is_none(),
        "runs": summary.networks,
        "rounds": total.rounds,
        "activated": total.activated,
        "settled": total.settled,
        "failed": total.failed,
        "faults": total.faults,
        "crashes": total.crashes,
        "alarms": total.alarms,
        "strategies": summary.strategies,
        "ms": ms,
    });
    if let Some((plan, violation)) = &summary.broken {
        let names = plan.names().join("+");
        eprintln!("seed {} ({names}): {}", plan.seed, violation.what);
        eprintln!("replay: quorumkeep-sim {} --verbose", replay(args, plan));
        eprintln!("plan: {plan}");
        line["seed"] = json!(plan.seed);
        line["strategy"] = json!(names);
        line["violation"] = json!(violation.what);
        line["replay"] = json!(replay(args, plan));
        line["plan"] = json!(plan.to_string());
    }
    println!("{line}");
}

/// The arguments that play the same network again, without a quotation mark in them.
fn replay(args: &Args, plan: &Plan) -> String {
    let first = plan.names().first().copied().unwrap_or_default().to_owned();
    let mut words = format!("--runs 1 --rounds {} --seed {} --strategy {first}", plan.rounds, plan.seed);
    for (name, value) in [("without", args.without.clone()), ("operators", args.operators.map(|n| n.to_string()))] {
        words.extend(value.map(|value| format!(" --{name} {value}")));
    }
    words + &format!(" --faults {}", args.faults)
}
