//! Samples, medians and how they are printed.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};

/// What a benchmark ends with when it cannot measure.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The time of one call.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = work();
    (begin.elapsed(), value)
}

/// The processor time of one call, of this thread alone: what else the machine does counts less.
pub fn timed_processor<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    let begin = now();
    let value = work();
    (now().saturating_sub(begin), value)
}

/// Measurements of one quantity.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Smallest, median, largest.
    pub fn spread(&self) -> (f64, f64, f64) {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let middle = (at(last / 2) + at(sorted.len() / 2)) / 2.0;
        (at(0), middle, at(last))
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.spread().1
    }
}

/// A benchmark's results.
pub struct Report {
    name: &'static str,
    lines: Vec<(String, String, Value)>,
}

impl Report {
    /// An empty report.
    pub fn new(name: &'static str) -> Self {
        Self { name, lines: Vec::new() }
    }

    /// A measured quantity, with its unit at the end of its name.
    pub fn samples(&mut self, name: &str, samples: &Samples) {
        let (least, median, most) = samples.spread();
        let text = format!("{} (min {}, max {})", digits(median), digits(least), digits(most));
        let value = json!({"median": median, "min": least, "max": most, "rounds": samples.0.len()});
        self.lines.push((name.to_owned(), text, value));
    }

    /// A quotient of medians, or a single figure.
    pub fn figure(&mut self, name: &str, value: f64) {
        self.lines.push((name.to_owned(), digits(value), json!(value)));
    }

    /// Something that is not a number.
    pub fn note(&mut self, name: &str, text: impl Into<String>) {
        let text = text.into();
        self.lines.push((name.to_owned(), text.clone(), json!(text)));
    }

    /// One object.
    pub fn to_json(&self) -> Value {
        let results: Map<String, Value> =
            self.lines.iter().map(|(name, _, value)| (name.clone(), value.clone())).collect();
        json!({"ok": true, "bench": self.name, "results": results})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0);
        for (name, text, _) in &self.lines {
            writeln!(f, "{name:width$}  {text}")?;
        }
        Ok(())
    }
}

/// Four significant digits.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        v if v >= 1.0 => 3,
        _ => 5,
    };
    format!("{value:.places$}")
}
