//! A custody with five people and five guardians, as people use it: real processes and files in one folder.
#![allow(dead_code)]

use std::fs;

use quorumkeep_custody::guardian::GuardianKey;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::kit::{Answer, Kit};

pub const PEOPLE: [(&str, &[&str]); 5] = [
    ("olga", &["operations"]),
    ("boris", &["owner"]),
    ("sara", &["security"]),
    ("both", &["operations", "owner", "security"]),
    ("cora", &["compliance"]),
];
pub const GUARDIANS: [(&str, &str, &str); 5] = [
    ("server-1", "server", "us"),
    ("server-2", "server", "us"),
    ("client-1", "external", "client"),
    ("bank-1", "external", "bank"),
    ("vault-1", "paper", "vault"),
];
pub const SET: &str = "k1/n1/1";
pub const SECRET: &[u8] = b"the share of an MPC node, which nobody else may ever have";

/// A custody in the folder `c` of a kit.
pub struct Custody(pub Kit);

impl Custody {
    /// With its people and guardians.
    pub fn new() -> Self {
        let kit = Kit::new();
        let mut init = vec!["custody", "init", "--dir", "c", "--name", "test"];
        let cards: Vec<String> = PEOPLE.iter().map(|(name, _)| format!("{name}.json")).collect();
        for (name, roles) in PEOPLE {
            let (key, card) = (format!("{name}.key"), format!("{name}.json"));
            let roles = roles.iter().flat_map(|role| ["--role", role]);
            let start = ["person", "new", name, "--out", &key, "--card", &card];
            kit.run(&start.into_iter().chain(roles).collect::<Vec<_>>()).ok();
        }
        init.extend(cards.iter().flat_map(|card| ["--person", card.as_str()]));
        let id = kit.run(&init).ok()["custody"].as_str().unwrap().to_owned();
        fs::write(kit.path("id"), id).unwrap();
        let custody = Self(kit);
        for (name, kind, entity) in GUARDIANS {
            custody.guardian(name, kind, entity);
            custody.approved(&["guardian", "add", "--as", "olga.key", "--card", &format!("{name}.json")], &["sara"]);
        }
        fs::write(custody.0.path("secret"), SECRET).unwrap();
        custody
    }

    pub fn id(&self) -> String {
        fs::read_to_string(self.0.path("id")).unwrap()
    }

    pub fn guardian(&self, name: &str, kind: &str, entity: &str) -> Value {
        let (key, card) = (format!("{name}.key"), format!("{name}.json"));
        let start = ["guardian", "new", name, "--kind", kind, "--entity", entity];
        self.0.run(&[&start[..], &["--out", &key, "--card", &card]].concat()).ok()
    }

    /// A command on the custody.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.0.run(&[arguments, &["--custody", "c"]].concat())
    }

    pub fn approve(&self, request: &str, name: &str) -> Answer {
        self.run(&["custody", "approve", request, "--as", &format!("{name}.key")])
    }

    /// Asks, and has these people approve: the hash of the request.
    pub fn approved(&self, arguments: &[&str], by: &[&str]) -> String {
        let request = self.run(arguments).ok()["request"].as_str().unwrap().to_owned();
        for name in by {
            self.approve(&request, name).ok();
        }
        request
    }

    pub fn create(&self, more: &[&str]) -> Answer {
        self.0.run(&self.create_arguments(more))
    }

    pub fn create_arguments<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        let start = ["backup", "create", "--as", "olga.key", "--key-id", "k1", "--node-id", "n1"];
        let guardians = GUARDIANS.iter().flat_map(|(name, ..)| ["--guardian", name]).collect::<Vec<_>>();
        let claim = ["--survives-shares", "2", "--survives-side", "server"];
        [&start[..], &guardians, &claim, &["--secret-file", "secret", "--custody", "c"], more].concat()
    }

    pub fn deliver(&self, name: &str) -> Answer {
        let (key, dir) = (format!("{name}.key"), format!("d-{name}"));
        self.run(&["backup", "deliver", "--as", &key, "--set", SET, "--out-dir", &dir])
    }

    pub fn confirm(&self, name: &str) -> Answer {
        let (key, dir) = (format!("{name}.key"), format!("d-{name}"));
        self.run(&["backup", "confirm", "--as", &key, "--set", SET, "--dir", &dir])
    }

    pub fn delivered(&self) {
        for (name, ..) in GUARDIANS {
            self.deliver(name).ok();
            self.confirm(name).ok();
        }
    }

    pub fn open_arguments(&self) -> Vec<String> {
        if !self.0.path("heir.json").exists() {
            self.guardian("heir", "external", "heir");
        }
        let card: Value = serde_json::from_slice(&fs::read(self.0.path("heir.json")).unwrap()).unwrap();
        let recipient = card["recipient"]["age"].as_str().unwrap();
        if !self.0.path("process.json").exists() {
            self.0.run(&["backup", "recover", "key", "--out", "process.key", "--card", "process.json"]).ok();
        }
        let words = ["backup", "recover", "open", "--as", "olga.key", "--set", SET, "--process", "process.json"];
        let more = ["--recipient", recipient, "--reason", "ticket 7"];
        words.iter().chain(&more).map(|word| (*word).to_owned()).collect()
    }

    pub fn open(&self, by: &[&str]) -> String {
        let arguments = self.open_arguments();
        self.approved(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), by)
    }

    pub fn submit(&self, session: &str, name: &str) -> Answer {
        let (key, dir) = (format!("{name}.key"), format!("d-{name}"));
        self.run(&["backup", "recover", "submit", "--as", &key, "--session", session, "--dir", &dir])
    }

    pub fn process<'a>(&self, word: &'a str, session: &'a str, id: &'a str) -> Vec<&'a str> {
        let start = ["backup", "recover", word, "--session", session, "--process-key", "process.key"];
        [&start[..], &["--custody-id", id, "--work-dir", "work"]].concat()
    }

    pub fn combine(&self, session: &str) -> Answer {
        self.run(&[&self.process("combine", session, &self.id())[..], &["--set-dir", "set"]].concat())
    }

    pub fn finish(&self, session: &str) -> Answer {
        let id = self.id();
        let start = self.process("finish", session, &id);
        self.run(&[&start[..], &["--out-dir", "out"]].concat())
    }

    pub fn commit(&self, session: &str, by: &[&str]) {
        self.approved(&["backup", "recover", "commit", "--as", "olga.key", "--session", session], by);
    }

    pub fn restore(&self, guardians: &[&str], out: &str) -> Answer {
        self.0.run(&self.restore_arguments(guardians, out).iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn restore_arguments(&self, guardians: &[&str], out: &str) -> Vec<String> {
        let files: Vec<String> = guardians.iter().map(|name| format!("d-{name}/envelope.bin")).collect();
        let keys: Vec<String> = guardians.iter().map(|name| format!("{name}.key")).collect();
        let mut arguments = vec!["backup", "restore", "--manifest", "set/manifest.json", "--out-dir", out];
        arguments.extend(files.iter().flat_map(|file| ["--envelope", file.as_str()]));
        arguments.extend(keys.iter().flat_map(|key| ["--key", key.as_str()]));
        arguments.into_iter().map(str::to_owned).collect()
    }

    pub fn status(&self) -> Value {
        self.run(&["backup", "status"]).ok()["status"].clone()
    }

    /// How often the audit log says that this was done.
    pub fn recorded(&self, event: &str) -> usize {
        let shown = self.run(&["audit", "show", "--event", event]).ok();
        let done = |line: &&Value| line["entry"]["event"] == event && line["entry"]["result"] == "ok";
        shown["entries"].as_array().unwrap().iter().filter(done).count()
    }

    pub fn audit(&self) -> Value {
        self.run(&["audit", "verify"]).ok()
    }

    /// A session with these shares, approved; the shares are of a set that is delivered.
    pub fn submitted(&self, guardians: &[&str]) -> String {
        let session = self.open(&["sara", "boris"]);
        guardians.iter().for_each(|name| drop(self.submit(&session, name).ok()));
        session
    }

    /// What the recipient of a recovery reads in a file.
    pub fn opened(&self, file: &str) -> Vec<u8> {
        let key = self.seed("heir");
        let sealed = fs::read(self.0.path(file)).unwrap();
        let recipient = key.age_recipient();
        key.open(&recipient, &sealed).unwrap().to_vec()
    }

    /// The keys of a guardian or a process.
    pub fn seed(&self, name: &str) -> GuardianKey {
        GuardianKey::from_seed(self.seed_of(name))
    }

    /// The seed in a key file.
    pub fn seed_of(&self, name: &str) -> Zeroizing<[u8; 32]> {
        let text = fs::read_to_string(self.0.path(&format!("{name}.key"))).unwrap();
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim().rsplit(' ').next().unwrap(), &mut *seed).unwrap();
        seed
    }
}
