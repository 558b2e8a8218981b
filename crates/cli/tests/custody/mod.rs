//! A custody with five guardians, served by the real program.
#![allow(dead_code)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::guardian::{Guardian, GuardianKey, Kind, Recipient};
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::keys::{SignKey, VerifyKey};
use quorumkeep_custody::manifest::{Plan, SignedManifest};
use quorumkeep_custody::people::{Person, Role};
use quorumkeep_custody::placement::{Claim, Side};
use quorumkeep_custody::request::{
    Action, By, Findings, OpenRecovery, Process, Recognised, Recovered, Request, SealedOutput, SetId, Signed,
};
use quorumkeep_custody::scheme::Scheme;
use quorumkeep_server::custody::remote::Remote;
use quorumkeep_server::custody::{CustodyDir, Desk};
use rand_core::{OsRng, RngCore};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::kit::Kit;

pub const GUARDIANS: [(&str, Kind, &str); 5] = [
    ("server-1", Kind::Server, "us"),
    ("server-2", Kind::Server, "us"),
    ("security", Kind::External, "client"),
    ("custodian", Kind::External, "bank"),
    ("cold", Kind::Paper, "vault"),
];
pub const SECRET: [u8; 32] = *b"a key that must not be anywhere!";

pub fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The key of a person: a function of the name.
pub fn key(name: &str) -> SignKey {
    let mut seed = Zeroizing::new([0x11; 32]);
    seed.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    SignKey::from_seed(&seed)
}

fn person(name: &str, roles: &[Role]) -> Person {
    Person { name: name.parse().unwrap(), key: key(name).verify_key(), roles: roles.iter().copied().collect() }
}

pub fn people() -> Vec<Person> {
    vec![
        person("olga", &[Role::Operations]),
        person("boris", &[Role::Owner]),
        person("sara", &[Role::Security]),
        person("sven", &[Role::Security]),
        person("both", &[Role::Owner, Role::Security, Role::Operations]),
    ]
}

/// A custody in the folder of a kit; nothing is served yet.
pub struct Custody {
    pub kit: Kit,
    pub id: Hash,
    pub service: VerifyKey,
}

impl Custody {
    pub fn new() -> Self {
        let kit = Kit::new();
        let made = CustodyDir::init(&kit.path("custody"), "test".parse().unwrap(), people(), now_ms()).unwrap();
        Self { id: made.custody(), service: made.charter().service, kit }
    }

    pub fn dir(&self) -> PathBuf {
        self.kit.path("custody")
    }

    pub fn request(&self, by: &str, action: Action) -> Request {
        let (by, at_ms) = (By::Person(by.parse().unwrap()), now_ms());
        let mut id = Hex([0; 16]);
        OsRng.fill_bytes(&mut id.0);
        Request { custody: self.id, id, by, at_ms, expires_ms: at_ms + 3_600_000, action }
    }

    pub fn signed(&self, by: &str, action: Action) -> Signed {
        self.request(by, action).sign(&key(by))
    }

    /// By somebody who knows the people of the charter.
    pub fn approval(&self, by: &str, request: &Signed) -> Signed {
        self.approval_after(by, request, self.id)
    }

    /// By somebody who knows the people after this change.
    pub fn approval_after(&self, by: &str, request: &Signed, people_head: Hash) -> Signed {
        self.signed(by, Action::Approve { request: request.request.hash(), people_head })
    }

    /// What the commands do locally: registers the guardians and makes the set `wallet-1/server-proxy-1/1`.
    pub fn prepare(&self, guardians: &[Guardian]) -> SignedManifest {
        let mut desk = Desk::open(&self.dir()).unwrap();
        for guardian in guardians {
            let asked = self.signed("olga", Action::AddGuardian(guardian.clone()));
            assert!(matches!(desk.handle(&asked, now_ms()).unwrap(), Answer::Waiting { .. }));
            let done = desk.handle(&self.approval("sara", &asked), now_ms()).unwrap();
            assert!(matches!(done, Answer::CarriedOut { .. }));
        }
        let set = self.plan(guardians).deal(&SECRET, &key("olga"), &mut OsRng).unwrap();
        let create = Action::CreateSet { manifest: set.manifest.clone(), envelopes: set.envelopes };
        assert_eq!(desk.handle(&self.signed("olga", create), now_ms()).unwrap(), Answer::Done);
        set.manifest
    }

    fn plan(&self, guardians: &[Guardian]) -> Plan {
        let claim = Claim {
            survives_shares: 2,
            survives_sides: [Side::Server].into(),
            side_alone: [Side::Outside].into(),
            ..Claim::default()
        };
        Plan {
            custody: self.id,
            key_id: "wallet-1".parse().unwrap(),
            node_id: "server-proxy-1".parse().unwrap(),
            generation: 1,
            scheme: Scheme::Shamir,
            threshold: 3,
            guardians: guardians.to_vec(),
            claim,
            public_key: None,
            containers: vec![],
            dealer: "olga".parse().unwrap(),
            now_ms: now_ms(),
        }
    }

    pub fn serve(&self, more: &[&str]) -> Served {
        let mut arguments = vec!["custody", "serve", "--dir", "custody", "--listen", "127.0.0.1:0", "--json"];
        arguments.extend(more);
        let mut command = self.kit.command(&arguments);
        let log = fs::File::options().create(true).append(true).open(self.kit.path("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(
            (&said["ok"], said["custody"].as_str()),
            (&Value::Bool(true), Some(&*self.id.to_string())),
            "{said}"
        );
        Served { child, said }
    }

    /// What the process of a session says when it has recovered the right secret.
    pub fn findings(&self, session: Hash) -> Signed {
        let sealed = SealedOutput { name: "secret".parse().unwrap(), bytes: 7, sha256: Hex([7; 32]) };
        let recovered = Some(Recovered { recognised: [Recognised::Key].into(), outputs: vec![sealed] });
        let findings = Findings { session, good: vec![1, 2, 3], bad: vec![], recovered };
        let mut request = self.request("olga", Action::Report(findings));
        request.by = By::Process(session);
        request.sign(&process().signing())
    }

    /// The process of a session takes the shares.
    pub fn collect(&self, session: Hash) -> Signed {
        let mut request = self.request("olga", Action::Collect { session });
        request.by = By::Process(session);
        request.sign(&process().signing())
    }

    /// A request for a recovery session of the set.
    pub fn open_recovery(&self, manifest: &SignedManifest) -> Signed {
        let process = process();
        let open = OpenRecovery {
            set: set_id(),
            manifest_hash: manifest.manifest.hash(),
            process: Process { recipient: process.age_recipient(), signing: process.signing().verify_key() },
            recipient: process.age_recipient(),
            lifetime_ms: 600_000,
            reason: "ticket 42".into(),
            break_glass: false,
        };
        self.signed("olga", Action::OpenRecovery(open))
    }
}

fn process() -> GuardianKey {
    GuardianKey::from_seed(Zeroizing::new([0x77; 32]))
}

pub fn set_id() -> SetId {
    "wallet-1/server-proxy-1/1".parse().unwrap()
}

/// A guardian whose keys were made elsewhere.
pub fn guardian(at: usize, recipient: Recipient, signing: VerifyKey) -> Guardian {
    let (name, kind, entity) = GUARDIANS[at];
    Guardian { name: name.parse().unwrap(), kind, entity: entity.parse().unwrap(), recipient, signing }
}

/// A guardian whose keys are made here.
pub fn own_guardian(name: &str, seed: u8) -> Guardian {
    let key = GuardianKey::from_seed(Zeroizing::new([seed; 32]));
    let (recipient, signing) = (key.age_recipient(), key.signing().verify_key());
    Guardian { name: name.parse().unwrap(), kind: Kind::External, entity: name.parse().unwrap(), recipient, signing }
}

/// The running program; it ends with this.
pub struct Served {
    child: Child,
    pub said: Value,
}

impl Served {
    pub fn url(&self) -> &str {
        self.said["url"].as_str().unwrap()
    }

    pub fn remote(&self) -> Remote {
        Remote::new(self.url(), None).unwrap()
    }

    /// Sends SIGTERM and waits: the exit status.
    pub fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
