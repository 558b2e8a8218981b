//! How the work of one node of a key generation grows with the number of operators: ours and the peer's.

use super::{Kind, measure};
use crate::report::{Failure, Report};

/// What `bench growth` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Numbers of operators. The peer's side needs `n^2` acknowledgements before it starts: minutes above 150.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 20, 40, 80, 150])]
    n: Vec<u16>,
}

/// The time for every `n`, and the exponent `e` of the `n^e` that fits best.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut report = Report::new("growth");
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for n in &arguments.n {
        let (our_times, peer_times) = measure(Kind::Generation, *n, rounds)?;
        for (times, name, points) in [(&our_times, "", &mut ours), (&peer_times, "_peer", &mut peer)] {
            let median = times.median("node");
            report.figure(&format!("dkg_{n}_node{name}_ms"), median);
            points.push((f64::from(*n), median));
        }
    }
    report.figure("exponent", exponent(&ours));
    report.figure("exponent_peer", exponent(&peer));
    Ok(report)
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
    use super::exponent;

    #[test]
    fn the_exponent_of_a_power_is_found() {
        let points: Vec<(f64, f64)> = [10.0_f64, 50.0, 250.0].map(|n| (n, 3.0 * n.powf(2.5))).to_vec();
        assert!((exponent(&points) - 2.5).abs() < 1e-9);
    }
}
