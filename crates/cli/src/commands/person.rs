//! `quorumkeep person` and `quorumkeep guardian`: keys of people and guardians.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quorumkeep_custody::guardian::{Guardian as Card, Kind, Recipient};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::{Person as PersonCard, Role};
use quorumkeep_custody::request::Action;
use quorumkeep_server::files::read_bounded;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commands::custody::answered;
use crate::custody_link::{As, At};
use crate::failure::{Code, Failure, Result, json_error};
use crate::keyfile::{self, KeyFile};
use crate::output;
use crate::report::Report;
use crate::secrets::new_passphrase;

/// Bytes of a card.
const CARD_BYTES_MAX: u64 = 64 * 1024;

/// Keys of people.
#[derive(Subcommand)]
pub enum Person {
    /// Makes the key of a person, and the card that goes into a charter.
    New(NewPerson),
}

/// Arguments of `person new`.
#[derive(Args)]
pub struct NewPerson {
    /// The person's name in every record: a-z, 0-9 and -.
    name: Name,
    /// What the person is trusted with; give it once for each role.
    #[arg(long, value_name = "ROLE", required = true)]
    role: Vec<Role>,
    #[command(flatten)]
    files: NewFiles,
}

/// Files of a new key.
#[derive(Args)]
pub struct NewFiles {
    /// The new key file; never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The public card.
    #[arg(long, value_name = "FILE")]
    card: PathBuf,
    /// Seal the key file under a passphrase: from this file, or asked for with --sealed.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Seal the key file and ask for the passphrase.
    #[arg(long)]
    sealed: bool,
}

/// Keys of guardians, and their registration.
#[derive(Subcommand)]
pub enum Guardian {
    /// Makes the keys of a guardian, and the card by which he is registered.
    New(NewGuardian),
    /// Asks to register a guardian; one person of security approves.
    Add(Add),
    /// Asks to remove a guardian; one person of security approves.
    Remove(Remove),
    /// The registered guardians.
    List(At),
}

/// Arguments of `guardian new`.
#[derive(Args)]
pub struct NewGuardian {
    /// The guardian's name: a-z, 0-9 and -.
    name: Name,
    /// Where shares are kept: server, external or paper.
    #[arg(long, value_parser = kind)]
    kind: Kind,
    /// The organisation the guardian acts for; two guardians of one are one party.
    #[arg(long, value_name = "NAME")]
    entity: Name,
    /// What shares are sealed to: age, or secp256k1 (go-ethereum ECIES).
    #[arg(long, default_value = "age", value_parser = ["age", "secp256k1"])]
    encryption: String,
    #[command(flatten)]
    files: NewFiles,
}

/// Arguments of `guardian add`.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
    /// The guardian's card.
    #[arg(long, value_name = "FILE")]
    card: PathBuf,
}

/// Arguments of `guardian remove`.
#[derive(Args)]
pub struct Remove {
    /// The guardian's name.
    name: Name,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
}

impl Remove {
    fn run(self) -> Result<Report> {
        let mut link = self.at.open()?;
        let name = self.name;
        let missing = || Failure::new(Code::GuardianUnknown, format!("{name} is not a registered guardian"));
        let found = link.guardians()?.into_iter().find(|guardian| guardian.name == name).ok_or_else(missing)?;
        let action = Action::RemoveGuardian { name: name.clone(), signing: found.signing };
        let answer = link.ask(&self.by.load()?, action)?;
        let next = "Sets that name him say so in quorumkeep backup status: make a new generation of them.";
        Ok(answered(&answer, &format!("{name} is removed")).line(next))
    }
}

fn kind(text: &str) -> core::result::Result<Kind, &'static str> {
    serde_json::from_value(text.into()).map_err(|_| "expected server, external or paper")
}

/// Runs `person`.
pub fn run(command: Person) -> Result<Report> {
    match command {
        Person::New(new) => {
            let key = new.files.create(keyfile::Kind::Person, new.name.clone())?;
            let roles = new.role.into_iter().collect();
            let card = PersonCard { name: new.name, key: key.signing().verify_key(), roles };
            new.files.finish(&card)
        }
    }
}

/// Runs `guardian`.
pub fn run_guardian(command: Guardian) -> Result<Report> {
    match command {
        Guardian::New(new) => {
            let key = new.files.create(keyfile::Kind::Guardian, new.name.clone())?;
            let recipient = match new.encryption.as_str() {
                "secp256k1" => key.guardian().secp256k1_recipient(),
                _ => key.guardian().age_recipient(),
            };
            let signing = key.signing().verify_key();
            new.files.finish(&Card { name: new.name, kind: new.kind, entity: new.entity, recipient, signing })
        }
        Guardian::Add(add) => {
            let card: Card = read_card(&add.card)?;
            card.check().map_err(|error| Failure::new(Code::BadKey, error))?;
            let name = card.name.clone();
            let answer = add.at.open()?.ask(&add.by.load()?, Action::AddGuardian(card))?;
            Ok(answered(&answer, &format!("{name} is registered")))
        }
        Guardian::Remove(remove) => remove.run(),
        Guardian::List(at) => list(&at.open()?.guardians()?),
    }
}

fn list(guardians: &[Card]) -> Result<Report> {
    let mut report = Report::text("");
    for card in guardians {
        let sealed = match &card.recipient {
            Recipient::Age(text) => text.clone(),
            Recipient::Secp256k1(point) => point.to_string(),
        };
        let kind = format!("{:?}", card.kind).to_lowercase();
        report = report.line(format!("{:<20} {kind:<9} {:<20} {sealed}", card.name, card.entity));
    }
    Ok(report.field("guardians", guardians))
}

/// Reads a card.
pub fn read_card<T: DeserializeOwned>(path: &std::path::Path) -> Result<T> {
    let bytes = read_bounded(path, CARD_BYTES_MAX)?;
    serde_json::from_slice(&bytes).map_err(|error| json_error(&path.display().to_string(), &error))
}

impl NewFiles {
    /// Makes the key, and its file.
    pub fn create(&self, kind: keyfile::Kind, name: Name) -> Result<KeyFile> {
        if self.card.symlink_metadata().is_ok() {
            return Err(Failure::new(
                Code::FileExists,
                format!("{} exists and is not overwritten", self.card.display()),
            ));
        }
        let key = KeyFile::random(kind, name)?;
        let seal = self.sealed || self.passphrase_file.is_some();
        let passphrase = seal.then(|| new_passphrase(self.passphrase_file.as_deref(), "the key file")).transpose()?;
        key.save(&self.out, passphrase.as_ref())?;
        Ok(key)
    }

    /// Writes the card.
    pub fn finish(&self, card: &impl Serialize) -> Result<Report> {
        let text = serde_json::to_string_pretty(card).map_err(|error| Failure::new(Code::Failed, error))? + "\n";
        output::write(&self.card, text.as_bytes(), 0o644, false)?;
        let (key, path) = (self.out.display(), self.card.display());
        let report = Report::text(format!("the key is in {key}: keep it; the card {path} is public"));
        Ok(report.field("key_file", &self.out).field("card_file", &self.card).field("card", card))
    }
}
