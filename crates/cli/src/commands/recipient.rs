//! `quorumkeep recipient`: the age recipient of an application.

use std::path::PathBuf;

use clap::Args;
use quorumkeep_ibe::agefile::Recipient as AgeRecipient;
use quorumkeep_ibe::{AppIdentity, Format};
use quorumkeep_server::network::NetworkFile;

use super::app::{Which, of_format};
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, app_id, block_on, key_name};
use crate::report::Report;

/// Arguments of `recipient`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Recipient {
    #[command(flatten)]
    which: Which,
    /// The application.
    #[arg(long, value_name = "ID")]
    app: String,
    /// Ask nobody: take this epoch and the group key that the network file pins.
    #[arg(long, value_name = "EPOCH")]
    offline_epoch: Option<u64>,
}

const HELP: &str = "\
Example:
  age -r \"$(quorumkeep recipient --network network.json --app billing)\" -o secret.age secret.txt
The recipient contains the group key: whoever has it encrypts without asking the network.";

/// Runs it.
pub fn run(command: &Recipient) -> Result<Report> {
    let recipient = match command.offline_epoch {
        Some(epoch) => offline(command, epoch)?,
        None => block_on(async {
            let net = Net::open(&command.which.network).await?;
            online(&net, command.which.key.as_deref(), &command.app).await
        })?,
    };
    let info = recipient.info();
    let (app, epoch) = (info.app_id.as_str().to_owned(), info.epoch);
    let group_key = hex::encode(recipient.group_key().to_bytes());
    let text = recipient.to_string();
    Ok(Report::text(&text)
        .field("recipient", text)
        .field("app", app)
        .field("epoch", epoch)
        .field("group_key", group_key))
}

/// The recipient of an application in its present epoch, under the group key that `t` operators sign.
pub async fn online(net: &Net, key: Option<&str>, app: &str) -> Result<AgeRecipient> {
    let name = net.key_name(key)?;
    let application = of_format(net.session.application(&name, &app_id(app)?).await?, Format::Age)?;
    let group_key = net.group_key(&name).await?;
    AgeRecipient::new(application.identity, group_key).map_err(|error| Failure::new(Code::Failed, error))
}

fn offline(command: &Recipient, epoch: u64) -> Result<AgeRecipient> {
    let path: &PathBuf = &command.which.network;
    let file = NetworkFile::load(path)?;
    let name = key_name(&file, command.which.key.as_deref())?;
    let key = file.keys.get(&name);
    let pinned = key.and_then(|key| Some((key.id.0, key.pinned()?)));
    let (key_id, group_key) = pinned.ok_or_else(|| {
        let message = format!("{} pins no group key for \"{name}\" yet", path.display());
        Failure::new(Code::NotActive, message).with_help("Run the command once without --offline-epoch.")
    })?;
    let info = AppIdentity { network: file.network.0, key_id, app_id: app_id(&command.app)?, epoch };
    AgeRecipient::new(info, group_key).map_err(|error| Failure::new(Code::Failed, error))
}
