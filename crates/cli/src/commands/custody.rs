//! `quorumkeep custody`: a custody, its people, and what waits for approval.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::Person;
use quorumkeep_custody::request::{Action, Findings};
use quorumkeep_custody::view::WaitingView;
use quorumkeep_server::custody::CustodyDir;

use crate::commands::person::read_card;
use crate::commands::serve_custody;
use crate::custody_link::{As, At, Link, now_ms};
use crate::failure::{Code, Failure, Result};
use crate::report::{Report, warn};

const APPROVE: &str = "\
Example:
  quorumkeep custody waiting --custody DIR
  quorumkeep custody approve HASH --custody DIR --as sara.key
What is approved is exactly the request of this hash. Look at its content first: it is shown by waiting, and once more before
it is signed. The hash is computed from what is shown.";

/// A custody, its people, and what waits for approval.
#[derive(Subcommand)]
pub enum Custody {
    /// Makes a custody in a new directory.
    Init(Init),
    /// The people and their roles.
    People(At),
    /// Asks to change the people; two approve.
    Change(Change),
    /// Requests that wait for approval.
    Waiting(At),
    /// Approves a waiting request.
    #[command(after_help = APPROVE)]
    Approve(Approve),
    /// Refuses a waiting request for good.
    Reject(Reject),
    /// Serves a custody over HTTP and gRPC until it is stopped (Ctrl-C or SIGTERM).
    #[command(after_help = serve_custody::HELP)]
    Serve(serve_custody::Serve),
}

/// Arguments of `custody init`.
#[derive(Args)]
pub struct Init {
    /// The new directory.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What the custody is called.
    #[arg(long, value_name = "NAME")]
    name: Name,
    /// The card of a person who is there from the start; at least one of operations, one owner and one of security.
    #[arg(long, value_name = "FILE", required = true)]
    person: Vec<PathBuf>,
}

/// Arguments of `custody change`.
#[derive(Args)]
pub struct Change {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
    /// The card of a newcomer, or of somebody who gets other roles or another key and is removed, too.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// The name of somebody who leaves or is replaced.
    #[arg(long, value_name = "NAME")]
    remove: Vec<Name>,
}

/// Arguments of `custody approve`.
#[derive(Args)]
pub struct Approve {
    /// The hash of the request.
    request: Hash,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
}

/// Arguments of `custody reject`.
#[derive(Args)]
pub struct Reject {
    /// The hash of the request.
    request: Hash,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
}

/// Runs it.
pub fn run(command: Custody, as_json: bool) -> Result<Report> {
    match command {
        Custody::Init(init) => {
            let people: Vec<Person> = init.person.iter().map(|path| read_card(path)).collect::<Result<_>>()?;
            let made = CustodyDir::init(&init.dir, init.name, people, now_ms())?;
            let custody = made.custody();
            let text = format!("the custody {custody} is in {}", init.dir.display());
            let pin = "Write this identity down: whoever knows it needs to trust nothing else.";
            Ok(Report::text(text).line(pin).field("custody", custody).field("dir", &init.dir))
        }
        Custody::People(at) => people(&at),
        Custody::Change(change) => {
            let add: Vec<Person> = change.add.iter().map(|path| read_card(path)).collect::<Result<_>>()?;
            let mut link = change.at.open()?;
            let after = link.overview("-")?.people_head;
            let action = Action::ChangePeople { after, add, remove: change.remove };
            let answer = link.ask(&change.by.load()?, action)?;
            Ok(answered(&answer, "the people are changed"))
        }
        Custody::Waiting(at) => Ok(waiting(&at.open()?.waiting()?)),
        Custody::Approve(approve) => approve.run(),
        Custody::Serve(serve) => serve.run(as_json),
        Custody::Reject(reject) => {
            let action = Action::Reject { request: reject.request, reason: reject.reason };
            let answer = reject.at.open()?.ask(&reject.by.load()?, action)?;
            Ok(answered(&answer, "the request is rejected"))
        }
    }
}

impl Approve {
    /// What is signed is the hash of the content that was shown, computed here.
    fn run(self) -> Result<Report> {
        let mut link = self.at.open()?;
        let missing = || Failure::new(Code::NotWaiting, "no request with this hash waits for approval");
        let shown = link.waiting()?.into_iter().find(|one| one.request == self.request).ok_or_else(missing)?;
        if let Action::CommitRecovery { findings } = &shown.content.action {
            check_findings(&link, findings)?;
        }
        let content = serde_json::to_string(&shown.content.action).unwrap_or_default();
        warn(&format!("{} by {}: {}", shown.event, shown.by, quorumkeep_audit::printable(&content)));
        let people_head = link.register()?.check(&link.custody())?.people().head();
        let action = Action::Approve { request: shown.content.hash(), people_head };
        let answer = link.ask(&self.by.load()?, action)?;
        Ok(answered(&answer, "approved").field("content", shown.content))
    }
}

/// Did the process that the session was opened for sign these findings?
fn check_findings(link: &Link, findings: &Findings) -> Result<()> {
    let bundle = link.bundle(&findings.session)?;
    bundle.check_opened(&link.custody())?;
    if bundle.session.id == findings.session && bundle.session.findings() == Some(findings) {
        return Ok(());
    }
    Err(Failure::new(Code::FindingsDiffer, "the process of the session did not sign these findings"))
}

fn people(at: &At) -> Result<Report> {
    let roster = at.open()?.roster()?;
    let mut report = Report::text("");
    for person in roster.people() {
        let roles: Vec<String> = person.roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        report = report.line(format!("{:<20} {}", person.name, roles.join(", ")));
    }
    Ok(report.field("people", roster.people().collect::<Vec<_>>()))
}

/// Requests that wait, for people.
pub fn waiting(all: &[WaitingView]) -> Report {
    let mut report = Report::text(if all.is_empty() { "nothing waits for approval" } else { "" });
    for one in all {
        let by = if one.approvals.is_empty() { "nobody yet".to_owned() } else { one.approvals.join(", ") };
        report = report.line(format!("{}\n  {} by {}; approved by {by}", one.request, one.event, one.by));
        let content = serde_json::to_string(&one.content.action).unwrap_or_default();
        report = report.line(format!("  {}", quorumkeep_audit::printable(&content)));
    }
    report.field("waiting", all)
}

/// What was answered; `done` says it for people.
pub fn answered(answer: &Answer, done: &str) -> Report {
    match answer {
        Answer::Done => Report::text(done).field("state", "done"),
        Answer::CarriedOut { request } => Report::text(format!("{done}; the request {request} is carried out"))
            .field("state", "carried_out")
            .field("request", request),
        Answer::Waiting { request, approvals } => {
            let next = format!("the request waits for approval: quorumkeep custody approve {request}");
            Report::text(next).field("state", "waiting").field("request", request).field("approvals", approvals)
        }
        Answer::Envelope(_) | Answer::Shares(_) => Report::text(done).field("state", "done"),
    }
}
