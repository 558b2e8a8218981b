//! The people around the network, who have nothing but the commands of this program: the operator with signed backups and a
//! pinned RPC key, and three guardians with words.

use std::fs;

use quorumkeep_store::files::private_directory;
use quorumkeep_ten::card::KeyCard;
use serde_json::Value;

use super::super::stage::{Stage, field};
use crate::failure::{Code, Failure, Result};

/// The network's name.
const NETWORK: &str = "demo";
const GUARDIANS: [&str; 3] = ["alice", "bob", "carol"];

/// What is backed up; the names of its files begin with this.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// The secret of the network.
    Secret,
    /// The key of a gateway.
    Gateway(&'static str),
}

impl Instance {
    /// Everything that the demo loses.
    pub const ALL: [Self; 3] = [Self::Secret, Self::Gateway("gw-1"), Self::Gateway("gw-2")];

    /// As `ten keygen` and `ten backup` call it.
    pub fn name(self) -> String {
        match self {
            Self::Secret => "network-secret".to_owned(),
            Self::Gateway(name) => format!("gateway-{name}"),
        }
    }

    /// The process that is backed up, and restored first.
    pub fn process(self) -> &'static str {
        match self {
            Self::Secret => "sequencer",
            Self::Gateway(name) => name,
        }
    }

    /// How a source of it is named on the command line.
    fn at(self, url: &str) -> [String; 2] {
        match self {
            Self::Secret => ["--node".to_owned(), url.to_owned()],
            Self::Gateway(name) => ["--gateway".to_owned(), format!("{name}={url}")],
        }
    }
}

/// The operator and the guardians.
pub struct People {
    stage: Stage,
    signer: String,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl People {
    /// Keys for everything, and one that signs backups. The guardians take their words with them.
    pub fn keygen(stage: &Stage) -> Result<Self> {
        let gateways = ["--gateway", "gw-1", "--gateway", "gw-2"];
        let fixed = ["ten", "keygen", "--network", NETWORK, "--network-secret", "--out-dir", "keys"];
        stage.run(&[&fixed[..], &gateways].concat())?;
        let operator = ["person", "new", "operator", "--role", "operations"];
        stage.run(&[&operator[..], &["--out", "operator.key", "--card", "operator.json"]].concat())?;
        let card: Value = serde_json::from_slice(&fs::read(stage.path("operator.json"))?).unwrap_or(Value::Null);
        let people = Self { stage: stage.clone(), signer: field(&card, "key").to_owned() };
        people.hand_out()?;
        Ok(people)
    }

    fn hand_out(&self) -> Result<()> {
        private_directory(&self.stage.path("guardians"))?;
        for (number, guardian) in (1..).zip(GUARDIANS) {
            private_directory(&self.stage.path(&format!("guardians/{guardian}")))?;
            for instance in Instance::ALL {
                let from = format!("keys/{}/share-{number}.txt", instance.name());
                fs::rename(self.stage.path(&from), self.stage.path(&sheet(guardian, instance)))?;
            }
        }
        Ok(())
    }

    /// The public key that a node or a gateway is configured with.
    pub fn backup_key(&self, instance: Instance) -> Result<String> {
        let file = fs::read(self.stage.path(&card(instance)))?;
        let card = KeyCard::from_file(&file);
        card.map(|card| card.backup_key.to_string())
            .map_err(|error| Failure::new(Code::Failed, format!("{}: {error}", instance.name())))
    }

    /// The command that takes a backup.
    pub fn backup(&self, instance: Instance, url: &str, rpc_key: &str) -> Result<Vec<String>> {
        let (key, at) = (self.backup_key(instance)?, instance.at(url));
        let fixed = ["ten", "backup", "--network", NETWORK, "--as", "operator.key"];
        let mut command = words(&[&fixed[..], &["--out-dir", "backups", "--backup-key", &key]].concat());
        command.extend(at);
        Ok(with_pin(command, instance, rpc_key))
    }

    /// The command that looks at the newest backup and at its source, without any key.
    pub fn verify(&self, instance: Instance, url: &str, rpc_key: &str) -> Vec<String> {
        let fixed = ["ten", "verify", "--network", NETWORK, "--signer", &self.signer, "--backup-dir", "backups"];
        let mut command = words(&[&fixed[..], &["--age-hours-max", "1", "--card", &card(instance)]].concat());
        command.extend(instance.at(url));
        with_pin(command, instance, rpc_key)
    }

    /// The command that asks a restarted node whose secret it runs on.
    pub fn restarted(&self, url: &str, rpc_key: &str) -> Vec<String> {
        words(&["ten", "verify", "--network", NETWORK, "--restarted", "--node", url, "--rpc-key", rpc_key])
    }

    /// The command with which guardians bring it back from this backup; `more` is what else is known.
    pub fn recover(&self, instance: Instance, backup: &str, guardians: &[&str], more: &[&str]) -> Vec<String> {
        let card = card(instance);
        let fixed = ["ten", "recover", "--network", NETWORK, "--signer", &self.signer, "--card", &card];
        let mut command = words(&[&fixed[..], &["--backup", backup], more].concat());
        command.push("--shares-file".to_owned());
        command.extend(guardians.iter().map(|guardian| sheet(guardian, instance)));
        command
    }
}

fn card(instance: Instance) -> String {
    format!("keys/{}/backup-key.json", instance.name())
}

fn sheet(guardian: &str, instance: Instance) -> String {
    format!("guardians/{guardian}/{}.txt", instance.name())
}

fn with_pin(mut command: Vec<String>, instance: Instance, rpc_key: &str) -> Vec<String> {
    if instance == Instance::Secret {
        command.extend(words(&["--rpc-key", rpc_key]));
    }
    command
}
