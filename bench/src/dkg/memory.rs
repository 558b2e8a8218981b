//! The memory that a round of 100 operators takes: the peak of a process of its own.
//!
//! The process makes everybody's deals before it plays one node, so the figure is an upper bound.

use std::process::{Command, ExitCode};

use super::ours::Ours;
use super::{Kind, Times};
use crate::report::Failure;

/// Peak resident memory of a round of `n` operators, in MiB.
pub fn peak(n: u16) -> Result<f64, Failure> {
    let output = Command::new(std::env::current_exe()?).args(["dkg-memory", &n.to_string()]).output()?;
    if !output.status.success() {
        return Err("the process whose memory is measured failed".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The process that [`peak`] starts: prints its own peak.
pub fn child(n: u16) -> ExitCode {
    match Ours::new(Kind::Generation, n).and_then(|ours| ours.round(&mut Times::default())).and_then(|()| own_peak()) {
        Ok(mebibytes) => {
            println!("{mebibytes}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `VmHWM` of this process.
fn own_peak() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}
