//! How the work of one node of a key generation grows with the number of operators: ours and the peer's.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::plot::{Series, svg};
use super::{Kind, measure, measure_ours};
use crate::report::{Failure, Report};

/// What `bench growth` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Numbers of operators.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 20, 40, 80, 150, 250])]
    n: Vec<u16>,
    /// The largest network of the peer: its side needs `n^2` acknowledgements before it starts, minutes above 150.
    #[arg(long, default_value_t = 250)]
    peer_max: u16,
    /// Writes `growth.svg` into this folder and the table between the marks of its `performance.md`.
    #[arg(long)]
    write: Option<PathBuf>,
}

type Points = Vec<(f64, f64)>;

/// The time for every `n`, and the exponent `e` of the `n^e` that fits best.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut report = Report::new("growth");
    let (mut ours, mut peer) = (Points::new(), Points::new());
    for n in &arguments.n {
        let (our_times, peer_times) = if *n <= arguments.peer_max {
            let (ours, peer) = measure(Kind::Generation, *n, rounds)?;
            (ours, Some(peer))
        } else {
            (measure_ours(Kind::Generation, *n, rounds)?, None)
        };
        eprintln!("n = {n}: measured");
        let both = [(Some(&our_times), "", &mut ours), (peer_times.as_ref(), "_peer", &mut peer)];
        for (times, name, points) in both {
            let Some(median) = times.map(|times| times.median("node")) else { continue };
            report.figure(&format!("dkg_{n}_node{name}_ms"), median);
            points.push((f64::from(*n), median));
        }
    }
    report.figure("exponent", exponent(&ours));
    report.figure("exponent_peer", exponent(&peer));
    if let Some(folder) = &arguments.write {
        write(folder, &ours, &peer, rounds)?;
    }
    Ok(report)
}

/// The plot, and the table in place of the one before.
fn write(folder: &Path, ours: &[(f64, f64)], peer: &[(f64, f64)], rounds: usize) -> Result<(), Failure> {
    let series = [
        Series { name: "Quorumkeep", colour: "#0b5fa5", points: ours },
        Series { name: "commonware-cryptography", colour: "#b3541e", points: peer },
    ];
    let document = folder.join("performance.md");
    let text = std::fs::read_to_string(&document)?;
    let text = replaced(&text, &table(ours, peer, rounds)?)?;
    for (name, content) in [("growth.svg", svg(&series)), ("performance.md", text)] {
        let next = folder.join(format!("{name}.new"));
        std::fs::write(&next, content)?;
        std::fs::rename(next, folder.join(name))?;
    }
    Ok(())
}

const BEGIN: &str = "<!-- growth: written by `bench growth --write` -->\n";
const END: &str = "<!-- growth: end -->\n";

/// `text` with `table` between the marks.
fn replaced(text: &str, table: &str) -> Result<String, Failure> {
    let (before, rest) = text.split_once(BEGIN).ok_or("performance.md has no mark for the table")?;
    let (_, after) = rest.split_once(END).ok_or("performance.md has no mark for the end of the table")?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

fn table(ours: &[(f64, f64)], peer: &[(f64, f64)], rounds: usize) -> Result<String, Failure> {
    let mut out = String::from("\n| n | ours, ms | peer, ms | ours/peer |\n|---|---|---|---|\n");
    for (n, time) in ours {
        match peer.iter().find(|(other, _)| other == n) {
            Some((_, theirs)) => writeln!(out, "| {n} | {time:.1} | {theirs:.1} | {:.2} |", time / theirs)?,
            None => writeln!(out, "| {n} | {time:.1} | not measured | |")?,
        }
    }
    let largest = |points: &[(f64, f64)]| points.iter().map(|(n, _)| *n).fold(0.0, f64::max);
    writeln!(out, "\nMedians of {rounds} rounds. The exponent of the power of n that fits best:")?;
    writeln!(
        out,
        "**{:.2}** for ours (up to {}), {:.2} for the peer (up to {}).\n\n![Time against n](growth.svg)\n",
        exponent(ours),
        largest(ours),
        exponent(peer),
        largest(peer)
    )?;
    Ok(out)
}

/// The slope of the line through `(log n, log time)`, by least squares.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs = || points.iter().map(|(n, time)| (n.ln(), time.ln()));
    let count = points.len() as f64;
    let (mean_x, mean_y) = logs().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / count, b + y / count));
    let (covariance, variance) = logs().fold((0.0, 0.0), |(covariance, variance), (x, y)| {
        (covariance + (x - mean_x) * (y - mean_y), variance + (x - mean_x).powi(2))
    });
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, exponent, replaced, table};

    #[test]
    fn the_exponent_of_a_power_is_found() {
        let points: Vec<(f64, f64)> = [10.0_f64, 50.0, 250.0].map(|n| (n, 3.0 * n.powf(2.5))).to_vec();
        assert!((exponent(&points) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn only_the_table_is_replaced() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(replaced(&text, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}after\n"));
        assert!(replaced("no marks", "new").is_err());
    }

    #[test]
    fn what_the_peer_did_not_do_is_said() {
        let table = table(&[(10.0, 5.0), (20.0, 10.0)], &[(10.0, 20.0)], 3).unwrap();
        assert!(table.contains("| 10 | 5.0 | 20.0 | 0.25 |") && table.contains("| 20 | 10.0 | not measured | |"));
    }
}
