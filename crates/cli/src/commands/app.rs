//! `quorumkeep app`: applications.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use quorumkeep_dkg::app::Policy;
use quorumkeep_ibe::Format;
use quorumkeep_server::session::application::{Registration, policy_name};
use quorumkeep_server::session::{Application, SessionError};

use crate::failure::{Code, Failure, Result};
use crate::net::{Net, Wanted, app_id, block_on};
use crate::report::Report;
use crate::secrets::{create_owner_key, load_owner_key, save_app_key};

/// Commands of `quorumkeep app`.
#[derive(Subcommand)]
pub enum App {
    /// Makes an owner's key: who has it may change the application, and open its files under the policy owner.
    #[command(after_help = "Example:\n  quorumkeep app owner-key --out owner.key")]
    OwnerKey(OwnerKey),
    /// Registers an application, or raises its epoch to replace its key.
    #[command(after_help = REGISTER)]
    Register(Register),
    /// Shows a registered application.
    Show(Show),
    /// An application's key itself.
    #[command(subcommand)]
    Key(Key),
}

const REGISTER: &str = "\
Examples:
  quorumkeep app register --network network.json --id billing --policy owner --owner-key owner.key
  quorumkeep app register --network network.json --id billing --policy owner --owner-key owner.key --epoch 1
Policies: owner (requests signed by the owner's key), public (everybody who asks), attested (attested code only).
Formats: age (files of any size; the epoch can be raised) or eigenx (for interoperation; its key is for ever).";

/// Commands of `quorumkeep app key`.
#[derive(Subcommand)]
pub enum Key {
    /// Recovers an application's key from partial signatures and writes it to a file, for drills and offline use.
    #[command(after_help = RECOVER)]
    Recover(Recover),
}

const RECOVER: &str = "\
Example:
  quorumkeep app key recover --network network.json --app billing --owner-key owner.key --out billing.key
  quorumkeep decrypt --app-key billing.key --app-id billing --in secret.age --out secret.txt
Whoever has the file opens everything that was ever encrypted to this application and epoch.";

/// Arguments of `app owner-key`.
#[derive(Args)]
pub struct OwnerKey {
    /// The new key file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Which application.
#[derive(Args)]
pub struct Which {
    /// The network file.
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// The network's key [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
}

/// Who gets partial signatures.
#[derive(Clone, Copy, ValueEnum)]
pub enum PolicyArg {
    /// Requests signed by the owner's key.
    Owner,
    /// Everybody who asks.
    Public,
    /// Attested code only.
    Attested,
}

/// The format of ciphertexts.
#[derive(Clone, Copy, ValueEnum)]
pub enum FormatArg {
    /// Ordinary age files.
    Age,
    /// EigenX.
    Eigenx,
}

/// Arguments of `app register`.
#[derive(Args)]
pub struct Register {
    #[command(flatten)]
    which: Which,
    /// The application id: 1 to 128 printable characters without spaces.
    #[arg(long, value_name = "ID")]
    id: String,
    /// Who gets its key.
    #[arg(long, value_enum)]
    policy: PolicyArg,
    /// The one format of its ciphertexts.
    #[arg(long, value_enum, default_value = "age")]
    format: FormatArg,
    /// The owner's key file.
    #[arg(long, value_name = "FILE")]
    owner_key: PathBuf,
    /// The epoch; a higher one replaces the application's key [default: 0].
    #[arg(long, value_name = "N", default_value_t = 0)]
    epoch: u64,
    /// The key file of the owner until now, if another one takes over.
    #[arg(long, value_name = "FILE")]
    previous_owner_key: Option<PathBuf>,
}

/// Arguments of `app show`.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
    /// The application.
    #[arg(long, value_name = "ID")]
    app: String,
}

/// Arguments of `app key recover`.
#[derive(Args)]
pub struct Recover {
    #[command(flatten)]
    which: Which,
    /// The application.
    #[arg(long, value_name = "ID")]
    app: String,
    /// The owner's key file, for the policy owner.
    #[arg(long, value_name = "FILE")]
    owner_key: Option<PathBuf>,
    /// The new file with the key: 48 bytes in hexadecimal.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs one of them.
pub fn run(command: App) -> Result<Report> {
    match command {
        App::OwnerKey(owner) => owner.run(),
        App::Register(register) => block_on(register.run()),
        App::Show(show) => block_on(show.run()),
        App::Key(Key::Recover(recover)) => block_on(recover.run()),
    }
}

impl OwnerKey {
    fn run(self) -> Result<Report> {
        let key = create_owner_key(&self.out)?;
        let public = hex::encode(key.verifying_key().to_bytes());
        let text = format!(
            "owner {public}\nThe secret is {}. Keep it: without it the application can never be changed.",
            self.out.display()
        );
        Ok(Report::text(text).field("owner", public).field("file", self.out))
    }
}

impl Register {
    async fn run(self) -> Result<Report> {
        let id = app_id(&self.id)?;
        let owner = load_owner_key(&self.owner_key)?;
        let previous = self.previous_owner_key.as_deref().map(load_owner_key).transpose()?;
        let format = match self.format {
            FormatArg::Age => Format::Age,
            FormatArg::Eigenx => Format::EigenX,
        };
        let policy = match self.policy {
            PolicyArg::Owner => Policy::Owner,
            PolicyArg::Public => Policy::Public,
            PolicyArg::Attested => Policy::Attested,
        };
        let mut net = Net::open(&self.which.network).await?;
        let name = net.key_name(self.which.key.as_deref())?;
        if !net.session.governance().has_key(&net.session.key_id(&name)) && net.session.board_error().is_none() {
            return Err(Failure::new(Code::UnknownKey, format!("the key \"{name}\" is not on the board yet")));
        }
        let registration =
            Registration { id: &id, epoch: self.epoch, format, policy, owner: &owner, previous: previous.as_ref() };
        let application = net.session.register(&name, &registration).await?;
        Ok(describe(&name, &application))
    }
}

impl Show {
    async fn run(self) -> Result<Report> {
        let net = Net::open(&self.which.network).await?;
        let name = net.key_name(self.which.key.as_deref())?;
        let application = net.session.application(&name, &app_id(&self.app)?).await?;
        Ok(describe(&name, &application))
    }
}

/// An application for people and programs.
fn describe(name: &str, application: &Application) -> Report {
    let identity = &application.identity;
    let (format, policy) = (application.format.as_str(), policy_name(application.policy));
    let text = format!(
        "application {} of key \"{name}\": epoch {}, format {format}, policy {policy}",
        identity.app_id, identity.epoch
    );
    Report::text(text)
        .field("app", identity.app_id.as_str())
        .field("key", name)
        .field("epoch", identity.epoch)
        .field("format", format)
        .field("policy", policy)
}

impl Recover {
    async fn run(self) -> Result<Report> {
        let app = app_id(&self.app)?;
        if self.out.symlink_metadata().is_ok() {
            return Err(Failure::new(
                Code::FileExists,
                format!("{} exists and is not overwritten", self.out.display()),
            ));
        }
        let owner = self.owner_key.as_deref().map(load_owner_key).transpose()?;
        let mut net = Net::open(&self.which.network).await?;
        let name = net.key_name(self.which.key.as_deref())?;
        let wanted =
            Wanted { name: &name, app: &app, epoch: None, format: None, owner: owner.as_ref(), evidence: None };
        let released = net.app_key(&wanted).await?;
        save_app_key(&self.out, &released.key, false)?;
        let signers = released.signers.len();
        let text = format!(
            "the key of {app} is in {}, made of {signers} partial signatures of version {}",
            self.out.display(),
            released.version
        );
        let culprits: Vec<_> = released.culprits.iter().map(|answer| answer.node).collect();
        Ok(describe(&name, &released.application)
            .line(text)
            .field("file", self.out)
            .field("version", released.version)
            .field("signers", released.signers)
            .field("culprits", culprits))
    }
}

/// An application that must have this format.
pub fn of_format(application: Application, format: Format) -> Result<Application> {
    if application.format == format {
        return Ok(application);
    }
    let (app, now) = (application.identity.app_id.as_str().to_owned(), application.format);
    Err(SessionError::OtherFormat { app, now, asked: format }.into())
}
