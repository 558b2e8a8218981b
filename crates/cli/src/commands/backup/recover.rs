//! `backup recover`: what people and guardians do; what the process does is in [`super::process`].

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorumkeep_custody::bytes::{Blob, Hash};
use quorumkeep_custody::guardian::Recipient;
use quorumkeep_custody::manifest::Manifest;
use quorumkeep_custody::request::{Action, OpenRecovery, Process, SetId};
use quorumkeep_custody::session::{Session, Verdict};
use quorumkeep_custody::share;
use quorumkeep_custody::view::session_view;
use rand_core::OsRng;

use super::deliver::{index_of, read_envelope, read_manifest};
use super::process;
use crate::commands::custody::answered;
use crate::commands::person::read_card;
use crate::custody_link::{As, At, now_ms};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::Kind;
use crate::report::Report;

const HELP: &str = "\
A recovery, step by step:
  recover key       on the machine that will combine: the key of its process, for this one session
  recover open      operations asks, and names the process by its card
  custody approve   an owner and one of security approve exactly these parameters
  recover submit    each guardian gives his share, sealed to the process; approvals are checked before that
  recover combine   the process checks every share, names bad ones, recovers, recognises and seals the secret, signs what it found
  recover commit    operations asks to hand exactly that over; again two approve
  recover finish    the process hands over what they approved, and forgets its key";

/// Recovers a secret under watch.
#[derive(Subcommand)]
#[command(after_help = HELP)]
pub enum Recover {
    /// Makes the key of the process that will combine, on the machine where it will.
    Key(process::NewKey),
    /// Asks for a recovery session.
    Open(Open),
    /// Who has submitted, and how far it is.
    Status(Look),
    /// A guardian gives his share to the session.
    Submit(Submit),
    /// The process checks the shares, recognises the secret and seals it to its recipient.
    Combine(process::Combine),
    /// Asks to hand the recognised secret over.
    Commit(Decide),
    /// The process hands over what was approved.
    Finish(process::Finish),
    /// Ends the session without a result.
    Abort(Abort),
}

/// Arguments of `recover open`.
#[derive(Args)]
pub struct Open {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
    /// What is recovered: KEY/NODE/GENERATION.
    #[arg(long, value_name = "SET")]
    set: SetId,
    /// The card of the process that will combine: from `backup recover key`, on its machine.
    #[arg(long, value_name = "FILE")]
    process: PathBuf,
    /// Who gets the secret: an age recipient (age1...).
    #[arg(long, value_name = "AGE1...")]
    recipient: Recipient,
    /// Hours in which shares are accepted.
    #[arg(long, value_name = "H", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
    hours: u64,
    /// Ticket and risk, for the audit log.
    #[arg(long)]
    reason: String,
    /// One approval instead of two. It is loud: an alarm in the audit log and in every status.
    #[arg(long)]
    break_glass: bool,
}

/// A session.
#[derive(Args)]
pub struct Look {
    #[command(flatten)]
    pub(super) at: At,
    /// The session: the hash of the request that opened it.
    #[arg(long, value_name = "HASH")]
    pub(super) session: Hash,
}

/// Arguments of `recover submit`.
#[derive(Args)]
pub struct Submit {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    by: As,
    /// The folder of `backup deliver`: the manifest in it is what the session is compared with.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// A session and who asks.
#[derive(Args)]
pub struct Decide {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    by: As,
}

/// Arguments of `recover abort`.
#[derive(Args)]
pub struct Abort {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    by: As,
    /// Why.
    #[arg(long)]
    reason: String,
}

/// Runs it.
pub fn run(command: Recover, as_json: bool) -> Result<Report> {
    match command {
        Recover::Key(command) => command.run(),
        Recover::Open(command) => command.run(),
        Recover::Status(command) => command.run(),
        Recover::Submit(command) => command.run(),
        Recover::Combine(command) => command.run(as_json),
        Recover::Commit(command) => command.run(),
        Recover::Finish(command) => command.run(as_json),
        Recover::Abort(command) => {
            let action = Action::AbortRecovery { session: command.look.session, reason: command.reason };
            let answer = command.look.at.open()?.ask(&command.by.load()?, action)?;
            let next = "On the machine of its process, quorumkeep backup recover finish destroys the key now.";
            Ok(answered(&answer, "the session is ended").line(next))
        }
    }
}

impl Open {
    fn run(self) -> Result<Report> {
        let key = self.by.load()?.of(Kind::Person)?;
        let mut link = self.at.open()?;
        let manifest = link.manifest(&self.set)?.manifest;
        let process: Process = read_card(&self.process)?;
        let action = Action::OpenRecovery(OpenRecovery {
            set: self.set,
            manifest_hash: manifest.hash(),
            process: process.clone(),
            recipient: self.recipient,
            lifetime_ms: self.hours * 3_600_000,
            reason: self.reason,
            break_glass: self.break_glass,
        });
        let answer = link.ask(&key, action)?;
        Ok(answered(&answer, "the session is open").field("process", process))
    }
}

impl Decide {
    /// For exactly what the process found, which is shown.
    fn run(self) -> Result<Report> {
        let mut link = self.look.at.open()?;
        let bundle = link.bundle(&self.look.session)?;
        let none = || Failure::new(Code::SessionState, "the process of this session has not said what it found");
        let findings = bundle.session.findings().cloned().ok_or_else(none)?;
        let action = Action::CommitRecovery { findings: findings.clone() };
        let answer = link.ask(&self.by.load()?, action)?;
        Ok(answered(&answer, "the secret may be handed over").field("findings", findings))
    }
}

impl Look {
    fn run(self) -> Result<Report> {
        let bundle = self.at.open()?.bundle(&self.session)?;
        let needed = bundle.manifest.manifest.threshold;
        let view = session_view(&bundle.session, needed, now_ms());
        let view = view.ok_or_else(|| Failure::new(Code::SessionUnknown, "no such session"))?;
        let needed = bundle.manifest.manifest.threshold;
        let mut report =
            Report::text(format!("{}: {}, {} of {needed} shares", view.set, view.state.text(), view.submitted));
        for submission in &bundle.session.submissions {
            let verdict = match &submission.verdict {
                Verdict::Unchecked => "not checked yet".to_owned(),
                Verdict::Good => "good".to_owned(),
                Verdict::Bad(reason) => format!("BAD: {reason}"),
            };
            report = report.line(format!(
                "  {} {}: {}",
                submission.index,
                submission.guardian,
                quorumkeep_audit::printable(&verdict)
            ));
        }
        Ok(report.field("session", &view).field("needed", needed))
    }
}

impl Submit {
    /// A guardian gives nothing before he has seen the approvals, for the manifest that he signed for.
    fn run(self) -> Result<Report> {
        let key = self.by.load()?.of(Kind::Guardian)?;
        let own = read_manifest(&self.dir.join("manifest.json"))?.manifest;
        let mut link = self.look.at.open()?;
        let bundle = link.bundle(&self.look.session)?;
        let open = bundle.check(&own.custody, now_ms())?;
        if open.manifest_hash != own.hash() {
            return Err(Failure::new(
                Code::ManifestDiffers,
                "the session is for another set than the one in the folder",
            ));
        }
        let index = index_of(&own, key.name())?;
        let share = own.open(index, &key.guardian(), &read_envelope(&self.dir.join("envelope.bin"))?)?;
        let sealed = sealed_for(&bundle.session, &own, index, &share, &open.process.recipient)?;
        let (recipient, reason) = (recipient_text(&open.recipient), quorumkeep_audit::printable(&open.reason));
        let alarm = if open.break_glass { "; BREAK-GLASS: one approval only" } else { "" };
        crate::report::warn(&format!("the secret goes to {recipient}, because: {reason}{alarm}"));
        let action = Action::SubmitShare { session: self.look.session, index, sealed };
        let answer = link.ask(&key, action)?;
        Ok(answered(&answer, &format!("share {index} is submitted")).field("index", index))
    }
}

fn recipient_text(recipient: &Recipient) -> String {
    match recipient {
        Recipient::Age(text) => text.clone(),
        Recipient::Secp256k1(point) => point.to_string(),
    }
}

fn sealed_for(session: &Session, manifest: &Manifest, index: u8, bare: &[u8], process: &Recipient) -> Result<Blob> {
    let wrong = || Failure::new(Code::Failed, "the share cannot be sealed");
    let (place, _) = manifest.place(index).ok_or_else(wrong)?;
    let plain = session.wrap(share::encode(&place, bare).ok_or_else(wrong)?);
    Ok(Blob(process.seal(&plain, &mut OsRng).map_err(|_| wrong())?))
}
