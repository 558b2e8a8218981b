//! `quorumkeep demo`: the main job, on this machine, with real processes, real TLS and real databases.

mod stage;
mod story;
mod ten;
mod theft;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::commands::node::stop_signal;
use crate::failure::{Code, Failure, Result};
use crate::net::server_runtime;
use crate::report::{Report, print_line};

use stage::Stage;
use story::Story;
use ten::StandIn;

/// Arguments of `demo`.
#[derive(Args)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true)]
pub struct Demo {
    #[command(subcommand)]
    of: Option<Of>,
    /// The file to encrypt and decrypt; one is made if none is given.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Leaves the network running and says where it is.
    #[arg(long)]
    keep: bool,
}

/// Other demos, and what they need.
#[derive(Subcommand)]
enum Of {
    /// A TEN network and its gateways are lost, and two guardians bring them back; played with a stand-in of TEN.
    #[command(after_help = ten::HELP)]
    Ten,
    /// The stand-in of TEN, as the demo and the tests start it. No part of the product: never for a real network.
    #[command(hide = true)]
    StandInTen(StandIn),
}

const HELP: &str = "\
Seven operators (t = 5) make a key that none of them holds; a file is encrypted and opened; two nodes are killed; the key is
handed on to another set of operators; a killed node comes back; databases copied before open nothing any more.";

struct Step {
    name: String,
    ms: u64,
    ok: bool,
    outcome: String,
}

/// What was done, in order.
pub struct Steps {
    as_json: bool,
    started: Instant,
    done: Vec<Step>,
}

impl Steps {
    fn new(as_json: bool) -> Self {
        Self { as_json, started: Instant::now(), done: Vec::new() }
    }

    /// Does one step and says so.
    pub fn step<T>(&mut self, name: &str, what: &str, work: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
        let started = Instant::now();
        let result = work();
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (mark, outcome) = match &result {
            Ok((_, outcome)) => ("ok", outcome.clone()),
            Err(failure) => ("FAILED", failure.message.clone()),
        };
        if !self.as_json {
            let seconds = ms as f64 / 1000.0;
            print_line(&format!("{mark:>6} {seconds:6.2} s  {what}\n                 {outcome}"));
        }
        self.done.push(Step { name: name.to_owned(), ms, ok: result.is_ok(), outcome });
        result.map(|(value, _)| value)
    }

    fn json(&self) -> Vec<Value> {
        let outcome = |step: &Step| if step.ok { "ok".to_owned() } else { step.outcome.clone() };
        self.done.iter().map(|step| json!({ "name": step.name, "ms": step.ms, "outcome": outcome(step) })).collect()
    }

    /// All steps, for people.
    fn report(&self) -> Report {
        Report::text(format!("\n{}", self.table()))
    }

    /// Programs get the steps in the one object of the answer, even if one failed.
    fn conclude(&self, result: Result<Report>) -> Result<Report> {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let with_steps = |report: Report| report.field("steps", self.json()).field("ms", ms);
        match result {
            Ok(report) => Ok(with_steps(report)),
            Err(failure) if self.as_json => Err(failure.with_report(with_steps(Report::default()))),
            Err(failure) => Err(failure),
        }
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["step", "seconds", "outcome"]);
        for step in &self.done {
            table.add_row([step.name.clone(), format!("{:.2}", step.ms as f64 / 1000.0), step.outcome.clone()]);
        }
        let total = format!("{:.2}", self.started.elapsed().as_secs_f64());
        table.add_row(["all".to_owned(), total, String::new()]);
        table.to_string()
    }
}

/// Runs one of them.
pub fn run(demo: Demo, as_json: bool) -> Result<Report> {
    match demo.of {
        Some(Of::StandInTen(command)) => command.run(),
        Some(Of::Ten) => on_stage(false, as_json, ten::perform),
        None => on_stage(demo.keep, as_json, move |stage, steps| perform(stage, steps, &demo)),
    }
}

/// Performs on a new stage; Ctrl-C ends it and removes everything.
fn on_stage(
    keep: bool,
    as_json: bool,
    perform: impl FnOnce(&Stage, &mut Steps) -> Result<Report> + Send + 'static,
) -> Result<Report> {
    let stage = Stage::new()?;
    let (told, done) = tokio::sync::oneshot::channel();
    let actor = stage.clone();
    std::thread::spawn(move || {
        let mut steps = Steps::new(as_json);
        let result = perform(&actor, &mut steps);
        let _ = told.send(steps.conclude(result));
    });
    let result = server_runtime()?.block_on(async {
        tokio::select! {
            result = done => result.unwrap_or_else(|_| Err(Failure::new(Code::Failed, "the demo ended unexpectedly"))),
            () = stop_signal() => Err(Failure::new(Code::Failed, "interrupted; everything was stopped and removed")),
        }
    });
    match (&result, keep) {
        (Ok(_), true) => stage.keep(),
        _ => stage.clear(),
    }
    result
}

fn perform(stage: &Stage, steps: &mut Steps, demo: &Demo) -> Result<Report> {
    let story = Story::tell(stage, steps, demo.file.as_deref())?;
    let report = steps.report();
    if demo.keep {
        return Ok(self::keep(report, stage, &story));
    }
    let report =
        report.line("\nEverything was stopped and removed. Next: --keep leaves the network running, so that you can");
    Ok(report.line("kill and swap nodes yourself; docs/quickstart.md does the same by hand on several hosts."))
}

fn keep(report: Report, stage: &Stage, story: &Story) -> Report {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["process", "pid", "address", "folder"]);
    let mut processes = Vec::new();
    for (name, pid) in stage.processes() {
        let (address, folder) = (story.address_of(&name), stage.path(&name));
        table.add_row([name.clone(), pid.to_string(), address.clone(), folder.display().to_string()]);
        processes.push(json!({ "name": name, "pid": pid, "address": address, "folder": folder }));
    }
    let dir = stage.dir().display();
    report
        .line(format!("\nThe network keeps running:\n{table}"))
        .line(format!("\nTry next (in {dir}):"))
        .line("  quorumkeep status --network network.json --watch")
        .line(
            "  quorumkeep decrypt --network network.json --app demo --owner-key owner.key --in secret.age --out again",
        )
        .line(format!("  kill -9 PID; then: {}", story.restart_hint()))
        .line(format!("  when done: pkill -f {dir}; rm -r {dir}"))
        .field("dir", stage.dir())
        .field("processes", processes)
}
