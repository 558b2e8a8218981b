//! `quorumkeep backup`: sets, delivery, recovery.

mod create;
mod deliver;
mod handover;
mod process;
mod recover;
mod restore;
mod status;

use clap::Subcommand;

use crate::failure::Result;
use crate::report::Report;

/// Backups to people and places, and the way back.
#[derive(Subcommand)]
pub enum Backup {
    /// Looks at a placement: what it survives and who could collude; makes nothing.
    Plan(create::PlanCheck),
    /// Makes a backup set of a secret.
    Create(Box<create::Create>),
    /// Who holds what, who confirmed, whether it can be recovered.
    Status(status::Status),
    /// A guardian fetches his share.
    Deliver(deliver::Deliver),
    /// A guardian checks his share and signs for it.
    Confirm(deliver::Confirm),
    /// A guardian says that his share did not arrive or cannot be used.
    Fail(deliver::Fail),
    /// Lets a delivery begin again after too many attempts.
    Retry(deliver::Retry),
    /// Recovers a secret under watch.
    #[command(subcommand)]
    Recover(recover::Recover),
    /// Recovers a secret from a manifest and shares alone, without the service.
    Restore(restore::Restore),
}

/// Runs it.
pub fn run(command: Backup, as_json: bool) -> Result<Report> {
    match command {
        Backup::Plan(command) => command.run(),
        Backup::Create(command) => command.run(as_json),
        Backup::Status(command) => command.run(as_json),
        Backup::Deliver(command) => command.run(),
        Backup::Confirm(command) => command.run(),
        Backup::Fail(command) => command.run(),
        Backup::Retry(command) => command.run(),
        Backup::Recover(command) => recover::run(command, as_json),
        Backup::Restore(command) => command.run(as_json),
    }
}
