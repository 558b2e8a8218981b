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

/// Which strategies may be drawn.
struct Choice {
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
    Ok(Choice { fixed, aimed })
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
    broken: Option<(u64, Kind, Violation)>,
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
        if number >= args.runs {
            return;
        }
        let seed = args.seed.wrapping_add(number);
        let kind = choice.draw(seed);
        let mut world = World::new(seed, kind, args.rounds, args.verbose);
        let verdict = world.run();
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        summary.add(kind, &world.tally);
        if let Err(violation) = verdict {
            let what = Violation::new(format!("block {}: {}", world.height(), violation.what));
            // The lowest seed is the one to report, whichever core was first.
            if summary.broken.as_ref().is_none_or(|(first, ..)| seed < *first) {
                summary.broken = Some((seed, kind, what));
            }
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Summary {
    fn add(&mut self, kind: Kind, tally: &Tally) {
        self.networks += 1;
        self.total.rounds += tally.rounds;
        self.total.activated += tally.activated;
        self.total.failed += tally.failed;
        self.total.settled += tally.settled;
        self.total.faults += tally.faults;
        self.total.crashes += tally.crashes;
        self.total.alarms += tally.alarms;
        *self.strategies.entry(kind.name()).or_default() += 1;
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
    if let Some((seed, kind, violation)) = &summary.broken {
        let without = args.without.as_ref().map_or(String::new(), |rule| format!(" --without {rule}"));
        let replay = format!("--runs 1 --rounds {} --seed {seed} --strategy {}{without}", args.rounds, kind.name());
        eprintln!("seed {seed} ({}): {}", kind.name(), violation.what);
        eprintln!("replay: quorumkeep-sim {replay} --verbose");
        line["seed"] = json!(seed);
        line["strategy"] = json!(kind.name());
        line["violation"] = json!(violation.what);
        line["replay"] = json!(replay);
    }
    println!("{line}");
}
