//! DKG and reshare over real HTTP on loopback: how long a round takes, and what it costs.
//!
//! Heights end the phases, so the time from trigger to active is the windows' length. How much of each window the nodes
//! used says how short the windows could be.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::KeyId;
use quorumkeep_store::Reader;

use crate::net::{Network, Plan};
use crate::report::{Failure, Report, Samples};

const SAMPLE_EVERY: Duration = Duration::from_millis(50);
const KINDS: [(Kind, &str); 4] =
    [(Kind::Announce, "announce"), (Kind::Deal, "deal"), (Kind::Complain, "complain"), (Kind::Confirm, "confirm")];

/// What `bench dkg-http` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// The program to measure.
    #[arg(long, default_value = "../target/release/quorumkeep")]
    binary: PathBuf,
    /// Numbers of operators.
    #[arg(long, value_delimiter = ',', default_value = "5,7,10,15")]
    operators: Vec<usize>,
    /// Milliseconds between blocks.
    #[arg(long, default_value_t = 100)]
    block_ms: u64,
    /// Blocks of each of the four phases.
    #[arg(long, default_value_t = 10)]
    window: u32,
}

/// One network after the other: a key generation and as many reshares as there are rounds.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut report = Report::new("dkg-http");
    report.figure("block_ms", arguments.block_ms as f64);
    report.figure("window_blocks", f64::from(arguments.window));
    for operators in &arguments.operators {
        measure(arguments, *operators, rounds, &mut report)?;
    }
    Ok(report)
}

fn measure(arguments: &Arguments, operators: usize, rounds: usize, report: &mut Report) -> Result<(), Failure> {
    let interval = arguments.window * 4 + 5;
    let plan = Plan {
        binary: arguments.binary.canonicalize()?,
        operators,
        threshold: None,
        block_ms: arguments.block_ms,
        window: arguments.window,
        interval,
        first_node_on: None,
    };
    let network = Network::start(&plan)?;
    let versions = watch(&network, rounds + 1, round_time(arguments, interval))?;
    let (reader, key) = (Reader::open(&network.home().join("node0/node.sqlite"))?, key(&network)?);
    let mut rows = reader.latest_outputs(&key, usize::MAX)?;
    rows.reverse();
    let mut reshare = Figures::default();
    for (place, row) in rows.iter().enumerate() {
        let begin = block(&reader, row.round)?.time_ms;
        let mut dkg = Figures::default();
        let figures = if place == 0 { &mut dkg } else { &mut reshare };
        figures.active_ms.push((row.active_ms - begin) as f64);
        figures.cpu_s.push(versions.cpu_between(begin, row.active_ms));
        used(&reader, row.round, row.active_height, arguments.window, &mut figures.used)?;
        if place == 0 {
            figures.report(report, &format!("dkg_n{operators}"));
        }
    }
    reshare.report(report, &format!("reshare_n{operators}"));
    let span = rows.last().map_or(0, |row| row.round) - rows.first().map_or(0, |row| row.round);
    let begun = span / u64::from(interval) + 1;
    report.figure(&format!("n{operators}_failed_rounds"), begun.saturating_sub(rows.len() as u64) as f64);
    Ok(())
}

fn round_time(arguments: &Arguments, interval: u32) -> Duration {
    Duration::from_millis(arguments.block_ms * u64::from(interval))
}

fn key(network: &Network) -> Result<KeyId, Failure> {
    let shown = network.tool(&["network", "show", "--network", "net/network.json"])?;
    Ok(shown["keys"]["main"]["id"].as_str().ok_or("no key")?.parse()?)
}

fn block(reader: &Reader, height: u64) -> Result<Block, Failure> {
    let (_, bytes) = reader.blocks(height, 1)?.pop().ok_or("a block is missing")?;
    Ok(Block::decode(&bytes)?)
}

#[derive(Default)]
struct Figures {
    active_ms: Samples,
    cpu_s: Samples,
    used: [Samples; 4],
}

impl Figures {
    fn report(&self, report: &mut Report, name: &str) {
        report.samples(&format!("{name}_trigger_to_active_ms"), &self.active_ms);
        report.samples(&format!("{name}_cpu_all_nodes_s"), &self.cpu_s);
        for ((_, phase), used) in KINDS.iter().zip(&self.used).filter(|((kind, _), _)| *kind != Kind::Complain) {
            report.samples(&format!("{name}_{phase}_blocks_used"), used);
        }
    }
}

/// How many blocks of each window had passed when the phase's last record was included.
fn used(reader: &Reader, round: u64, end: u64, window: u32, into: &mut [Samples; 4]) -> Result<(), Failure> {
    let mut last = [0u64; 4];
    for (height, bytes) in reader.blocks(round + 1, usize::try_from(end - round)?)? {
        for record in Block::decode(&bytes)?.records {
            let kind = Envelope::decode(&record)?.header.kind;
            if let Some(place) = KINDS.iter().position(|(known, _)| *known == kind) {
                last[place] = height - round - u64::from(window) * place as u64;
            }
        }
    }
    into.iter_mut().zip(last).for_each(|(samples, blocks)| samples.push(blocks as f64));
    Ok(())
}

/// Processor time of all nodes over the clock.
struct Watched(Vec<(u64, f64)>);

impl Watched {
    fn cpu_between(&self, begin_ms: u64, end_ms: u64) -> f64 {
        let at = |ms: u64| self.0.iter().find(|(time, _)| *time >= ms).or(self.0.last()).map_or(0.0, |(_, cpu)| *cpu);
        at(end_ms) - at(begin_ms)
    }
}

/// Samples until node 0 has seen so many versions become active.
fn watch(network: &Network, versions: usize, round: Duration) -> Result<Watched, Failure> {
    let key = key(network)?;
    let reader = Reader::open(&network.home().join("node0/node.sqlite"))?;
    // A busy machine may miss a window; then the round fails and the next one counts.
    let until = Instant::now() + round * (u32::try_from(versions)? * 4 + 4);
    let mut samples = Vec::new();
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        samples.push((u64::try_from(now)?, network.node_cpu_seconds()));
        let found = reader.latest_outputs(&key, versions)?.len();
        if found >= versions {
            return Ok(Watched(samples));
        }
        if Instant::now() > until {
            return Err(format!("only {found} of {versions} versions became active in time").into());
        }
        std::thread::sleep(SAMPLE_EVERY);
    }
}
