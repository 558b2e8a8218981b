//! SLIP-39: splitting and combining against the Python reference, in one process each, in turn.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use quorumkeep_sharing::slip39::{Group, Passphrase, Plan, Share, combine, iterations, split};
use rand_core::OsRng;
use sha2::Sha256;

use crate::report::{Failure, Report, Samples, timed_processor};

/// What `bench slip39` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// A Python that has shamir-mnemonic 0.3.0.
    #[arg(long, default_value = "python3", env = "QUORUMKEEP_PYTHON")]
    python: String,
    /// The work is 10000 * 2^E iterations.
    #[arg(long, default_value_t = 1)]
    iteration_exponent: u8,
}

const SECRET: [u8; 32] = [0x42; 32];
const PASSPHRASE: &[u8] = b"TREZOR";

/// Answers a line with the processor seconds of one call.
const PEER: &str = "
import sys, time, shamir_mnemonic as s
shares = None
for line in sys.stdin:
    e, begin = int(line[1:]), time.process_time()
    if line[0] == 's':
        shares = s.generate_mnemonics(1, [(2, 3)], b'\\x42' * 32, b'TREZOR', iteration_exponent=e)
    else:
        assert s.combine_mnemonics(shares[0][:2], b'TREZOR') == b'\\x42' * 32
    print(time.process_time() - begin, flush=True)
";

/// 2 of 3, a secret of 32 bytes, all of a call: words, shares, encryption.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut peer = Peer::start(&arguments.python)?;
    let exponent = arguments.iteration_exponent;
    let mut samples: [Samples; 5] = Default::default();
    for _ in 0..rounds.max(7) {
        let [our_split, our_combine, peer_split, peer_combine, floor] = &mut samples;
        peer_split.push(peer.seconds('s', exponent)? * 1e3);
        let (time, lines) = timed_processor(|| make(exponent));
        our_split.push(time.as_secs_f64() * 1e3);
        let lines = lines?;
        peer_combine.push(peer.seconds('c', exponent)? * 1e3);
        let (time, secret) = timed_processor(|| open(&lines));
        our_combine.push(time.as_secs_f64() * 1e3);
        if secret? != SECRET {
            return Err("another secret came back".into());
        }
        floor.push(timed_processor(|| pbkdf2_floor(exponent)).0.as_secs_f64() * 1e3);
    }
    Ok(report(&samples, exponent))
}

fn report([our_split, our_combine, peer_split, peer_combine, floor]: &[Samples; 5], exponent: u8) -> Report {
    let mut report = Report::new("slip39");
    report.figure("iterations", iterations(exponent).into());
    for (name, samples) in [
        ("quorumkeep_split_ms", our_split),
        ("reference_split_ms", peer_split),
        ("quorumkeep_combine_ms", our_combine),
        ("reference_combine_ms", peer_combine),
        ("pbkdf2_alone_ms", floor),
    ] {
        report.samples(name, samples);
    }
    report.figure("split_ratio", our_split.median() / peer_split.median());
    report.figure("combine_ratio", our_combine.median() / peer_combine.median());
    report.figure("split_by_pbkdf2", our_split.median() / floor.median());
    report.figure("combine_by_pbkdf2", our_combine.median() / floor.median());
    report
}

fn make(exponent: u8) -> Result<Vec<String>, Failure> {
    let plan = Plan { threshold: 1, groups: vec![Group { threshold: 2, count: 3 }], exponent };
    let set = split(&SECRET, &Passphrase::new(PASSPHRASE)?, &plan, &mut OsRng)?;
    Ok(set.iter().flatten().take(2).map(|share| share.mnemonic().to_string()).collect())
}

fn open(lines: &[String]) -> Result<Vec<u8>, Failure> {
    let shares = lines.iter().map(|line| Share::parse(line)).collect::<Result<Vec<_>, _>>()?;
    Ok(combine(&shares, &Passphrase::new(PASSPHRASE)?, 15)?.secret.to_vec())
}

/// The iterations that the format demands and nothing else.
fn pbkdf2_floor(exponent: u8) -> [u8; 16] {
    let mut sum = [0; 16];
    for round in 0..4 {
        let salt = sum;
        pbkdf2::pbkdf2_hmac::<Sha256>(&[round], &salt, iterations(exponent) / 4, &mut sum);
    }
    sum
}

struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(python: &str) -> Result<Self, Failure> {
        let mut command = Command::new(python);
        command.args(["-c", PEER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{python}: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.ok_or("no pipes")?;
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    fn seconds(&mut self, what: char, exponent: u8) -> Result<f64, Failure> {
        writeln!(self.orders, "{what}{exponent}")?;
        self.orders.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().map_err(|_| "the reference does not answer; pip install shamir-mnemonic==0.3.0".into())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
