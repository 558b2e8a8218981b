//! The process of a recovery: `recover key`, `recover combine` and `recover finish`, all on one machine.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::guardian::GuardianKey;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::request::{Action, By, Findings, OpenRecovery, Process, REASON_CHARS_MAX, Recovered};
use quorumkeep_custody::session::{Bundle, State, Submission};
use quorumkeep_node::failpoints::{Point, hit};
use quorumkeep_store::files::{destroy, private_directory};
use zeroize::Zeroizing;

use super::handover::Work;
use super::recover::Look;
use super::restore;
use crate::commands::person::NewFiles;
use crate::custody_link::{Link, now_ms};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::{KeyFile, Kind};
use crate::report::Report;

/// Arguments of `recover key`.
#[derive(Args)]
pub struct NewKey {
    #[command(flatten)]
    files: NewFiles,
}

/// Arguments of `recover combine`.
#[derive(Args)]
pub struct Combine {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    process: ProcessKey,
    /// The folder with the containers of the set.
    #[arg(long, value_name = "DIR")]
    set_dir: PathBuf,
}

/// The key of the process, and where it works.
#[derive(Args)]
struct ProcessKey {
    /// The key file of the process.
    #[arg(long, value_name = "FILE")]
    process_key: PathBuf,
    /// The identity of the custody, as it was written down when it was made.
    #[arg(long, value_name = "HASH")]
    custody_id: Hash,
    /// The folder of the process on this machine: what is sealed waits in it until two people approve it.
    #[arg(long, value_name = "DIR")]
    work_dir: PathBuf,
}

/// Arguments of `recover finish`.
#[derive(Args)]
pub struct Finish {
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    process: ProcessKey,
    /// The folder for what is sealed to the recipient.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

/// A process in its session.
struct Running {
    key: KeyFile,
    link: Link,
    bundle: Bundle,
    open: OpenRecovery,
}

/// What was submitted.
struct Found {
    good: Vec<(u8, Zeroizing<Vec<u8>>)>,
    bad: Vec<(u8, String)>,
}

impl NewKey {
    /// One key for one session: nothing else is ever opened or signed with it.
    pub fn run(self) -> Result<Report> {
        let name: Name = "recovery".parse().map_err(|error| Failure::new(Code::Failed, error))?;
        let key = self.files.create(Kind::Process, name)?;
        let (recipient, signing) = (key.guardian().age_recipient(), key.signing().verify_key());
        self.files.finish(&Process { recipient, signing })
    }
}

impl ProcessKey {
    /// Fetches the session, and checks that it is allowed, in one of these states, and for this process.
    fn run(&self, look: &Look, states: &[State]) -> Result<Running> {
        let key = KeyFile::load(&self.process_key, None)?.of(Kind::Process)?;
        let link = look.at.open()?;
        let bundle = link.bundle(&look.session)?;
        let open = bundle.check_opened(&self.custody_id)?.clone();
        let recipient = key.guardian().age_recipient();
        let own = open.process.recipient == recipient && open.process.signing == key.signing().verify_key();
        if !own || bundle.session.id != look.session {
            return Err(Failure::new(Code::BadKey, "the session is for the key of another process"));
        }
        if let Some(by) = bundle.ended_by(&self.custody_id)? {
            self.forget(&bundle)?;
            let message = format!("{by} ended the session: the key of the process and what it sealed are destroyed");
            return Err(Failure::new(Code::SessionState, message));
        }
        bundle.check_in(&self.custody_id, now_ms(), states)?;
        Ok(Running { key, link, bundle, open })
    }

    /// The session is over: what only it needed is destroyed, the key last.
    fn forget(&self, bundle: &Bundle) -> Result<()> {
        self.work(bundle).clear()?;
        Ok(destroy(&self.process_key)?)
    }

    fn work<'a>(&'a self, bundle: &'a Bundle) -> Work<'a> {
        Work { dir: &self.work_dir, manifest: &bundle.manifest.manifest, session: &bundle.session.id }
    }
}

impl Running {
    /// Opens what was submitted.
    fn look(&mut self) -> Result<Found> {
        let submissions = self.collect()?;
        let own = self.key.guardian();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for submission in &submissions {
            match open_submission(&self.bundle, &own, submission.index, &submission.sealed.0) {
                Ok(share) => good.push((submission.index, share)),
                Err(why) => bad.push((submission.index, why.chars().take(REASON_CHARS_MAX).collect())),
            }
        }
        Ok(Found { good, bad })
    }

    /// What was submitted: the custody gives it to the process alone.
    fn collect(&mut self) -> Result<Vec<Submission>> {
        let session = self.bundle.session.id;
        match self.link.ask_as(By::Process(session), &self.key, Action::Collect { session })? {
            Answer::Shares(shares) => Ok(shares),
            _ => Err(Failure::new(Code::Failed, "the custody answered something else than the shares")),
        }
    }

    fn say(&mut self, action: Action) -> Result<()> {
        let by = By::Process(self.bundle.session.id);
        self.link.ask_as(by, &self.key, action).map(drop)
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

impl Combine {
    /// Nobody is asked to approve what was not recovered, opened to its end, recognised and sealed.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let mut running = self.process.run(&self.look, &[State::Open, State::Recognised])?;
        if let Some(before) = self.sealed_before(&running.bundle) {
            return Ok(told(&running.bundle, &before));
        }
        let mut found = running.look()?;
        let recovered = self.recover(&running, &mut found, as_json);
        if recovered.is_err() {
            self.process.work(&running.bundle).clear()?;
        }
        let findings = Findings {
            session: self.look.session,
            good: found.good.iter().map(|(index, _)| *index).collect(),
            bad: found.bad,
            recovered: recovered.as_ref().ok().cloned(),
        };
        running.say(Action::Report(findings.clone()))?;
        let report = told(&running.bundle, &findings);
        recovered.map_err(|failure| failure.with_report(told(&running.bundle, &findings))).map(|_| report)
    }

    /// What was found before, if what was sealed then is still here: sealing again would make other bytes.
    fn sealed_before(&self, bundle: &Bundle) -> Option<Findings> {
        let findings = bundle.session.findings()?;
        let outputs = &findings.recovered.as_ref()?.outputs;
        self.process.work(bundle).check(outputs).is_ok().then(|| findings.clone())
    }

    fn recover(&self, running: &Running, found: &mut Found, as_json: bool) -> Result<Recovered> {
        let shares: Vec<(u8, &[u8])> = found.good.iter().map(|(index, share)| (*index, share.as_slice())).collect();
        let named = running.bundle.manifest.manifest.recover_named(&shares)?;
        found.good.retain(|(index, _)| !named.contradicting.contains(index));
        found.bad.extend(named.contradicting.iter().map(|index| (*index, restore::contradicts(*index))));
        self.process.work(&running.bundle).seal(&named.key, &running.open.recipient, &self.set_dir, as_json)
    }
}

/// What was found, for people and programs.
fn told(bundle: &Bundle, findings: &Findings) -> Report {
    let needed = bundle.manifest.manifest.threshold;
    let mut report = Report::text(format!("{} of {needed} good shares", findings.good.len()));
    for (index, why) in &findings.bad {
        report = report.line(format!("  share {index} is BAD: {}", quorumkeep_audit::printable(why)));
    }
    if let Some(recovered) = &findings.recovered {
        for output in &recovered.outputs {
            report = report.line(format!("  {}: {} bytes, SHA-256 {}", output.name, output.bytes, output.sha256));
        }
        report = report.line("The secret is recovered, recognised and sealed. Next: quorumkeep backup recover commit");
    }
    report
        .field("good", &findings.good)
        .field("bad", &findings.bad)
        .field("needed", needed)
        .field("recognised", findings.recovered.is_some())
        .field("findings", findings)
}

impl Finish {
    /// Only after the second approval, and only the very bytes that were approved.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let mut running = self.process.run(&self.look, &[State::Committed, State::Completed])?;
        let bundle = running.bundle.clone();
        let (work, approved) = (self.process.work(&bundle), bundle.check_committed(&self.process.custody_id)?);
        // A finish that crashed at its very end has handed everything over, and perhaps cleared its folder.
        let is_done = work.check_in(&approved.outputs, &self.out_dir).is_ok();
        if !is_done {
            work.check(&approved.outputs)?;
        }
        private_directory(&self.out_dir)?;
        if self.process.work_dir.exists() && self.out_dir.canonicalize()? == self.process.work_dir.canonicalize()? {
            return Err(Failure::usage("--out-dir must be another folder than --work-dir"));
        }
        // Whoever is committed first wins, this or an abort: nothing is handed over before the custody has said so.
        running.say(Action::Complete { session: self.look.session })?;
        hit(Point::CustodyWriteBefore);
        let files = if is_done { Vec::new() } else { work.hand_over(&approved.outputs, &self.out_dir, as_json)? };
        hit(Point::CustodyWriteAfter);
        self.process.forget(&bundle)?;
        let text = format!("the secret is in {}, sealed to its recipient", self.out_dir.display());
        let note = "Its shares have been together: make a new generation.";
        Ok(Report::text(text).line(note).field("files", files))
    }
}
