//! A network of the stand-in with keys of guardians, and somebody who takes its backups.
#![allow(dead_code)]

use std::fs;

use serde_json::Value;

use super::kit::{Answer, Kit, names};
use super::stand_in::{Running, gateway, http, node};

/// The folders of the keys.
pub const INSTANCES: [&str; 3] = ["network-secret", "gateway-gw-1", "gateway-gw-2"];

/// A network with keys of guardians, and a person who signs its backups.
pub struct World {
    pub kit: Kit,
    pub signer: String,
}

/// One backup that was taken.
pub struct Taken {
    pub file: String,
    pub rpc_key: String,
}

impl World {
    pub fn new() -> Self {
        let kit = Kit::new();
        let keys = ["ten", "keygen", "--network", "uat", "--network-secret", "--gateway", "gw-1", "--gateway", "gw-2"];
        kit.run(&[&keys[..], &["--out-dir", "keys"]].concat()).ok();
        let signer = person(&kit, "anna");
        Self { kit, signer }
    }

    /// Somebody new; the public key.
    pub fn person(&self, name: &str) -> String {
        person(&self.kit, name)
    }

    /// A user's document in a gateway; the file.
    pub fn document(&self, url: &str, user: &str) -> String {
        let documents = || names(&self.kit.path("documents"));
        let before = if self.kit.path("documents").exists() { documents() } else { Vec::new() };
        http(&format!("{url}/stand-in/documents/{user}"), Some("session"));
        let new = documents().into_iter().find(|one| !before.contains(one)).unwrap();
        format!("documents/{new}")
    }

    pub fn backup_key(&self, instance: &str) -> String {
        let card = fs::read(self.kit.path(&format!("keys/{instance}/backup-key.json"))).unwrap();
        let card: Value = serde_json::from_slice(&card).unwrap();
        card["backup_key"].as_str().unwrap().to_owned()
    }

    /// A node as the deployment configures it, with what a restore adds.
    pub fn node(&self, database: &str, more: &[&str], restored: &[(String, String)]) -> Running {
        let key = self.backup_key(INSTANCES[0]);
        let mut environment = vec![("ENCLAVE_BACKUPENCRYPTIONKEY", key.as_str()), ("ENCLAVE_LOG_LEVEL", "3")];
        environment.extend(restored.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        node(&self.kit, database, more, &environment)
    }

    pub fn gateway(&self, volume: &str, name: &str, more: &[&str]) -> Running {
        let key = format!("-backupEncryptionKey={}", self.backup_key(&format!("gateway-{name}")));
        gateway(&self.kit, volume, &[&[key.as_str()], more].concat())
    }

    pub fn backup(&self, instance: &str, more: &[&str]) -> Answer {
        let key = self.backup_key(instance);
        let fixed =
            ["ten", "backup", "--network", "uat", "--as", "anna.key", "--out-dir", "backups", "--backup-key", &key];
        self.kit.run(&[&fixed[..], more].concat())
    }

    pub fn taken(&self, instance: &str, more: &[&str]) -> Taken {
        let report = self.backup(instance, more).ok();
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        Taken { file: text("file"), rpc_key: text("rpc_key") }
    }

    /// Two guardians recover; `more` is the rest of the command.
    pub fn recover(&self, backup: &str, instance: &str, more: &[&str]) -> Answer {
        let words = [1, 3].map(|share| format!("keys/{instance}/share-{share}.txt"));
        let fixed = ["ten", "recover", "--network", "uat", "--backup", backup, "--signer", &self.signer];
        let words = ["--shares-file", &words[0], &words[1], "--out-dir", "restore"];
        self.kit.run(&[&fixed[..], &words, more].concat())
    }

    /// A recovery is refused, and there is nothing of it.
    pub fn refuses(&self, backup: &str, instance: &str, more: &[&str], status: i32, code: &str) {
        self.recover(backup, instance, more).fails(status, code);
        assert!(!self.kit.path("restore").exists(), "{code}");
    }

    /// A file of the restore that holds `NAME=VALUE` lines.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.kit.path("restore/enclave.env")).unwrap();
        text.lines().map(|line| line.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    /// What a process shows to everybody: its log and its command line.
    pub fn shown(running: &Running) -> String {
        format!("{}{}", running.log.join("\n"), running.command_line())
    }

    pub fn clear(&self, folder: &str) {
        fs::remove_dir_all(self.kit.path(folder)).unwrap();
        fs::create_dir(self.kit.path(folder)).unwrap();
    }
}

fn person(kit: &Kit, name: &str) -> String {
    let (key, card) = (format!("{name}.key"), format!("{name}.json"));
    kit.run(&["person", "new", name, "--role", "operations", "--out", &key, "--card", &card]).ok();
    let card: Value = serde_json::from_slice(&fs::read(kit.path(&card)).unwrap()).unwrap();
    card["key"].as_str().unwrap().to_owned()
}
