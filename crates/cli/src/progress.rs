//! Progress on standard error, for people who wait longer than a second.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const NEXT: Duration = Duration::from_millis(250);

/// Bytes done so far.
pub struct Progress {
    what: &'static str,
    done: u64,
    total: Option<u64>,
    started: Instant,
    shown: Option<Instant>,
    enabled: bool,
    /// What is counted, if not bytes.
    unit: Option<&'static str>,
}

impl Progress {
    /// Nothing yet of `total` bytes. Only a terminal sees it, and never a program that asked for JSON.
    pub fn new(what: &'static str, total: Option<u64>, as_json: bool) -> Self {
        let enabled = !as_json && io::stderr().is_terminal();
        Self { what, done: 0, total, started: Instant::now(), shown: None, enabled, unit: None }
    }

    /// Nothing yet of `total` things of this name.
    pub fn counting(what: &'static str, unit: &'static str, total: Option<u64>, as_json: bool) -> Self {
        Self { unit: Some(unit), ..Self::new(what, total, as_json) }
    }

    /// So many of them so far.
    pub fn set(&mut self, done: u64) {
        let more = done.saturating_sub(self.done);
        self.add(usize::try_from(more).unwrap_or(usize::MAX));
    }

    /// So many more.
    pub fn add(&mut self, bytes: usize) {
        self.done = self.done.saturating_add(bytes as u64);
        if !self.enabled {
            return;
        }
        let now = Instant::now();
        let due = self.shown.map_or(self.started + FIRST, |shown| shown + NEXT);
        if now >= due {
            self.shown = Some(now);
            let _ = write!(io::stderr().lock(), "\r\x1b[K{}", self.line(now));
        }
    }

    /// So many so far.
    pub fn done(&self) -> u64 {
        self.done
    }

    fn line(&self, now: Instant) -> String {
        let seconds = now.duration_since(self.started).as_secs_f64().max(0.001);
        if let Some(unit) = self.unit {
            return self.count_line(unit, seconds);
        }
        let mebibytes = self.done as f64 / f64::from(1u32 << 20);
        let rate = mebibytes / seconds;
        match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let percent = self.done as f64 * 100.0 / total as f64;
                format!("{} {percent:.0} % ({mebibytes:.0} MiB, {rate:.0} MiB/s)", self.what)
            }
            None => format!("{} {mebibytes:.0} MiB, {rate:.0} MiB/s", self.what),
        }
    }

    fn count_line(&self, unit: &str, seconds: f64) -> String {
        let rate = self.done as f64 / seconds;
        match self.total {
            Some(total) => format!("{} {} of {total} {unit}, {rate:.0}/s", self.what, self.done),
            None => format!("{} {} {unit}, {rate:.0}/s", self.what, self.done),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
