//! `backup recover`: open, submit, combine, commit, finish.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorumkeep_custody::bytes::{Blob, Hash};
use quorumkeep_custody::guardian::{GuardianKey, Recipient};
use quorumkeep_custody::manifest::Manifest;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::request::{Action, By, Findings, OpenRecovery, Process, SetId};
use quorumkeep_custody::session::{Bundle, Session, State, Submission, Verdict};
use quorumkeep_custody::share;
use quorumkeep_custody::view::session_view;
use rand_core::OsRng;
use zeroize::Zeroizing;

use quorumkeep_custody::keeper::Answer;

use super::deliver::{index_of, read_envelope, read_manifest};
use super::restore;
use crate::commands::custody::answered;
use crate::custody_link::{As, At, Link, now_ms};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::{KeyFile, Kind};
use crate::report::Report;

const HELP: &str = "\
A recovery, step by step:
  recover open      operations asks; its process key is made on the machine that will combine
  custody approve   an owner and one of security approve exactly these parameters
  recover submit    each guardian gives his share, sealed to the process; approvals are checked before that
  recover combine   the process checks every share, names bad ones, recovers and recognises the secret, tells nobody
  recover commit    operations asks to hand it over; again two approve
  recover finish    the process seals the secret to the recipient that was named at the start";

/// Recovers a secret under watch.
#[derive(Subcommand)]
#[command(after_help = HELP)]
pub enum Recover {
    /// Asks for a recovery session.
    Open(Open),
    /// Who has submitted, and how far it is.
    Status(Look),
    /// A guardian gives his share to the session.
    Submit(Submit),
    /// The process checks the shares and recognises the secret.
    Combine(Combine),
    /// Asks to hand the recognised secret over.
    Commit(Decide),
    /// The process seals the secret to its recipient.
    Finish(Finish),
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
    /// The new key file of the process that will combine; or the one made before.
    #[arg(long, value_name = "FILE")]
    process_key: PathBuf,
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
    at: At,
    /// The session: the hash of the request that opened it.
    #[arg(long, value_name = "HASH")]
    session: Hash,
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

/// Arguments of `recover combine`.
#[derive(Args)]
pub struct Combine {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    process: ProcessKey,
}

/// The key of the process.
#[derive(Args)]
struct ProcessKey {
    /// The key file of the process.
    #[arg(long, value_name = "FILE")]
    process_key: PathBuf,
    /// The identity of the custody, as it was written down when it was made.
    #[arg(long, value_name = "HASH")]
    custody_id: Hash,
}

/// A session and who asks.
#[derive(Args)]
pub struct Decide {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    by: As,
}

/// Arguments of `recover finish`.
#[derive(Args)]
pub struct Finish {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    process: ProcessKey,
    /// The folder with the containers of the set.
    #[arg(long, value_name = "DIR")]
    set_dir: PathBuf,
    /// The folder for what is sealed to the recipient.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
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
        Recover::Open(command) => command.run(),
        Recover::Status(command) => command.run(),
        Recover::Submit(command) => command.run(),
        Recover::Combine(command) => command.run(),
        Recover::Commit(command) => {
            let session = command.look.session;
            let answer = command.look.at.open()?.ask(&command.by.load()?, Action::CommitRecovery { session })?;
            Ok(answered(&answer, "the secret may be handed over"))
        }
        Recover::Finish(command) => command.run(as_json),
        Recover::Abort(command) => {
            let action = Action::AbortRecovery { session: command.look.session, reason: command.reason };
            let answer = command.look.at.open()?.ask(&command.by.load()?, action)?;
            Ok(answered(&answer, "the session is ended"))
        }
    }
}

impl Open {
    fn run(self) -> Result<Report> {
        let key = self.by.load()?.of(Kind::Person)?;
        let mut link = self.at.open()?;
        let manifest = link.manifest(&self.set)?.manifest;
        let process = if self.process_key.exists() {
            KeyFile::load(&self.process_key, None)?.of(Kind::Process)?
        } else {
            let name: Name = "recovery".parse().map_err(|error| Failure::new(Code::Failed, error))?;
            let process = KeyFile::random(Kind::Process, name)?;
            process.save(&self.process_key, None)?;
            process
        };
        let action = Action::OpenRecovery(OpenRecovery {
            set: self.set,
            manifest_hash: manifest.hash(),
            process: Process { recipient: process.guardian().age_recipient(), signing: process.signing().verify_key() },
            recipient: self.recipient,
            lifetime_ms: self.hours * 3_600_000,
            reason: self.reason,
            break_glass: self.break_glass,
        });
        let answer = link.ask(&key, action)?;
        Ok(answered(&answer, "the session is open").field("process_key", &self.process_key))
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

/// What a process knows.
struct Found {
    key: KeyFile,
    link: Link,
    bundle: Bundle,
    good: Vec<(u8, Zeroizing<Vec<u8>>)>,
    bad: Vec<(u8, String)>,
}

impl ProcessKey {
    /// Fetches the session, checks that it is allowed and for this process, and opens what was submitted.
    fn look(&self, look: &Look) -> Result<Found> {
        let key = KeyFile::load(&self.process_key, None)?.of(Kind::Process)?;
        let mut link = look.at.open()?;
        let mut bundle = link.bundle(&look.session)?;
        let open = bundle.check(&self.custody_id, now_ms())?;
        let own = key.guardian();
        if open.process.recipient != own.age_recipient() || bundle.session.id != look.session {
            return Err(Failure::new(Code::BadKey, "the session is for the key of another process"));
        }
        bundle.session.submissions = collect(&mut link, &key, look.session)?;
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for submission in &bundle.session.submissions {
            match open_submission(&bundle, &own, submission.index, &submission.sealed.0) {
                Ok(share) => good.push((submission.index, share)),
                Err(why) => bad.push((submission.index, why)),
            }
        }
        Ok(Found { key, link, bundle, good, bad })
    }
}

/// What was submitted: the custody gives it to the process alone.
fn collect(link: &mut Link, key: &KeyFile, session: Hash) -> Result<Vec<Submission>> {
    match link.ask_as(By::Process(session), key, Action::Collect { session })? {
        Answer::Shares(shares) => Ok(shares),
        _ => Err(Failure::new(Code::Failed, "the custody answered something else than the shares")),
    }
}

fn open_submission(
    bundle: &Bundle,
    own: &GuardianKey,
    index: u8,
    sealed: &[u8],
) -> core::result::Result<Zeroizing<Vec<u8>>, String> {
    let plain = own.open(&own.age_recipient(), sealed).map_err(|error| error.to_string())?;
    let bound = bundle.session.unwrap(&plain).ok_or("the share was given to another session")?;
    let (found, share) = bundle.manifest.manifest.identify(bound).map_err(|error| error.to_string())?;
    if found == index { Ok(share) } else { Err(format!("this is share {found}, not {index}")) }
}

impl Found {
    fn recover(&self) -> Result<Zeroizing<Vec<u8>>> {
        let shares: Vec<(u8, &[u8])> = self.good.iter().map(|(index, share)| (*index, share.as_slice())).collect();
        Ok(self.bundle.manifest.manifest.recover(&shares)?)
    }

    fn say(&mut self, action: Action) -> Result<()> {
        let by = By::Process(self.bundle.session.id);
        self.link.ask_as(by, &self.key, action).map(drop)
    }
}

impl Combine {
    fn run(self) -> Result<Report> {
        let mut found = self.process.look(&self.look)?;
        let recovered = found.recover().map(drop);
        let good: Vec<u8> = found.good.iter().map(|(index, _)| *index).collect();
        let (session, bad, recognised) = (self.look.session, found.bad.clone(), recovered.is_ok());
        let findings = Findings { session, good: good.clone(), bad: bad.clone(), recognised };
        if matches!(found.bundle.session.state_at(now_ms()), State::Open | State::Recognised) {
            found.say(Action::Report(findings))?;
        }
        let needed = found.bundle.manifest.manifest.threshold;
        let mut report = Report::text(format!("{} of {needed} good shares", good.len()));
        for (index, why) in &bad {
            report = report.line(format!("  share {index} is BAD: {}", quorumkeep_audit::printable(why)));
        }
        let report =
            report.field("good", &good).field("bad", &bad).field("needed", needed).field("recognised", recognised);
        match recovered {
            Ok(()) => Ok(report
                .line("The secret is recovered and recognised. Nothing was written: quorumkeep backup recover commit")),
            Err(failure) => Err(Failure { report: Some(Box::new(report)), ..failure }),
        }
    }
}

impl Finish {
    /// Only after the second approval; sealed to the recipient that was approved, and to nobody else.
    fn run(self, as_json: bool) -> Result<Report> {
        let mut found = self.process.look(&self.look)?;
        let open = found.bundle.check_committed(&self.process.custody_id)?.clone();
        let key = found.recover()?;
        let manifest = found.bundle.manifest.manifest.clone();
        quorumkeep_node::failpoints::hit(quorumkeep_node::failpoints::Point::CustodyWriteBefore);
        let files = restore::seal_to(
            &manifest,
            &key,
            &open.recipient,
            (&self.set_dir, &self.out_dir),
            &self.look.session,
            as_json,
        )?;
        quorumkeep_node::failpoints::hit(quorumkeep_node::failpoints::Point::CustodyWriteAfter);
        found.say(Action::Complete { session: self.look.session })?;
        let text = format!("the secret is in {}, sealed to its recipient", self.out_dir.display());
        let note = "Its shares have been together: make a new generation.";
        Ok(Report::text(text).line(note).field("files", files))
    }
}
