//! `quorumkeep demo ten`: a network and two gateways are lost and come back from the words of two guardians.
//!
//! Everything that an operator or a guardian does is a command of this program in a process of its own. Nodes and gateways are
//! processes of the stand-in, which falls into upstream's traps.

mod network;
mod people;
mod stand_in;
mod traces;

use std::fs;

use quorumkeep_ten::secret::RpcKey;
use serde_json::Value;
use zeroize::Zeroizing;

use self::network::{Network, PUBLISHED};
use self::people::{Instance, People};
pub use self::stand_in::StandIn;
use self::traces::Traces;
use super::Steps;
use super::stage::{Stage, field};
use crate::failure::{Code, Failure, Result};
use crate::report::Report;

/// The help of the command.
pub const HELP: &str = "\
A sequencer, a validator and two gateways with users' documents; three guardians with words, of whom two are enough; signed
backups. Then every process is killed and every disk deleted, and two guardians bring all of it back. A restore with a 0x too
many and a man in the middle are played, too. The network is a stand-in with the wire behaviour of TEN; the rest is real.";

/// What is recovered, by the name of the process that it is for.
const RESTORE: &str = "restore";
const NODES: [&str; 2] = ["sequencer", "validator"];
const GATEWAYS: [&str; 2] = ["gw-1", "gw-2"];
const USERS: [&str; 2] = ["dora", "emil"];
/// Guardians who come to the recovery.
const PRESENT: [&str; 2] = ["alice", "carol"];
/// What the deployment of nodes says of the log, and a restore must overrule.
const INFORMATION: (&str, &str) = ("ENCLAVE_LOG_LEVEL", "3");
const ERRORS: (&str, &str) = ("ENCLAVE_LOG_LEVEL", "1");

/// Everything of the demo, and what its operator wrote down before the disaster.
struct Story {
    stage: Stage,
    network: Network,
    people: People,
    pinned: String,
    backups: Vec<(Instance, String)>,
    documents: Vec<String>,
}

/// Does everything.
pub fn perform(stage: &Stage, steps: &mut Steps) -> Result<Report> {
    let people =
        steps.step("keygen", "backup keys for a network and two gateways, as words for three guardians", || {
            let people = People::keygen(stage)?;
            Ok((people, "three seeds; each guardian has one sheet of each, the operator has none".to_owned()))
        })?;
    let network = Network::new(stage);
    let (pinned, backups, documents) = Default::default();
    let mut story = Story { stage: stage.clone(), network, people, pinned, backups, documents };
    story.before(steps)?;
    story.after(steps)?;
    story.traps(steps)?;
    steps.step("wipe", "what was recovered is wiped", || story.wipe())?;
    Ok(steps.report().line("\nEverything was stopped and removed. docs/ten.md does the same with a network of yours."))
}

/// A deviation.
fn deviates(what: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Failed, what)
}

fn ensure(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(deviates(what)) }
}

/// Is this among the findings of a check?
fn finds(answer: &Value, code: &str) -> Result<()> {
    let findings = answer.get("findings").and_then(Value::as_array);
    let found = findings.into_iter().flatten().any(|finding| field(finding, "code") == code);
    ensure(found, &format!("the check does not find: {code}"))
}

impl Story {
    fn before(&mut self, steps: &mut Steps) -> Result<()> {
        steps.step("network", "a sequencer, a validator and two gateways start: four processes", || self.start())?;
        steps.step("documents", "users of both gateways store documents", || self.store())?;
        steps.step("backup", "the RPC key is written down; everything is backed up, signed", || self.backup())?;
        steps.step("verify", "are the backups good? No key is needed for that", || self.verify())?;
        steps.step("disaster", "kill -9 of every process; every disk is deleted", || self.lose())
    }

    fn after(&mut self, steps: &mut Steps) -> Result<()> {
        steps.step("one_guardian", "one guardian alone tries to recover the network", || self.alone())?;
        steps.step("recover_network", "two guardians recover the secret of the network", || {
            self.recover(&[Instance::Secret], "its RPC key")
        })?;
        steps.step("recover_gateways", "and the key of each gateway", || {
            self.recover(&GATEWAYS.map(Instance::Gateway), "a document of their users")
        })?;
        steps.step("restart", "new machines start with exactly the files of the recovery", || self.restart())?;
        steps.step("nodes", "do both nodes run on the secret of before?", || self.check_nodes())?;
        steps
            .step("gateways", "are the users' documents there, each in its own gateway only?", || self.check_gateways())
    }

    fn traps(&mut self, steps: &mut Steps) -> Result<()> {
        steps.step("zeros", "somebody restores by hand, with 0x in front of the secret", || self.zeros())?;
        steps.step("middle", "somebody in between serves a secret of his own", || self.middle())
    }

    /// A node as the deployment configures it; later settings win.
    fn node(&mut self, name: &str, flags: &[&str], settings: &[(&str, &str)]) -> Result<()> {
        let key = self.people.backup_key(Instance::Secret)?;
        let fixed = [("ENCLAVE_BACKUPENCRYPTIONKEY", key.as_str()), INFORMATION];
        self.network.node(name, flags, &[&fixed, settings].concat())
    }

    fn gateway(&mut self, name: &'static str, flags: &[&str]) -> Result<()> {
        let key = format!("-backupEncryptionKey={}", self.people.backup_key(Instance::Gateway(name))?);
        self.network.gateway(name, &[&[key.as_str()], flags].concat())
    }

    fn start(&mut self) -> Result<((), String)> {
        NODES.iter().chain(&GATEWAYS).try_for_each(|name| self.network.volume(name).map(drop))?;
        self.node("sequencer", &[PUBLISHED, "-genesis"], &[])?;
        self.network.exchange("sequencer", "validator")?;
        self.node("validator", &[PUBLISHED], &[])?;
        for gateway in GATEWAYS {
            self.gateway(gateway, &["-encryptionKeySource=new"])?;
        }
        Ok(((), format!("nodes at {} ..", self.network.url("sequencer"))))
    }

    fn store(&mut self) -> Result<((), String)> {
        for (gateway, user) in GATEWAYS.into_iter().zip(USERS) {
            let document = self.network.store(gateway, user, &session(user))?;
            self.documents.push(document);
        }
        Ok(((), "encrypted, in a database that the gateways share".to_owned()))
    }

    /// The RPC key comes from another node than the backup.
    fn backup(&mut self) -> Result<((), String)> {
        self.pinned = self.network.rpc_key("validator")?.to_string();
        for instance in Instance::ALL {
            let url = self.network.url(instance.process());
            let report = self.stage.run(&self.people.backup(instance, url, &self.pinned)?)?;
            self.backups.push((instance, field(&report, "file").to_owned()));
        }
        Ok(((), format!("RPC key {}...", self.pinned.get(..16).unwrap_or_default())))
    }

    fn verify(&self) -> Result<((), String)> {
        for instance in Instance::ALL {
            let url = self.network.url(instance.process());
            let report = self.stage.run(&self.people.verify(instance, url, &self.pinned))?;
            let fixed = ["backup_good", "key_expected", "not_opened"];
            let pinned = (instance == Instance::Secret).then_some("rpc_key_pinned");
            fixed.into_iter().chain(pinned).try_for_each(|code| finds(&report, code))?;
        }
        Ok(((), "three signed backups for the right keys, and their sources give such backups now".to_owned()))
    }

    fn lose(&mut self) -> Result<((), String)> {
        let count = self.network.lose()?;
        ensure(count == NODES.len() + GATEWAYS.len(), "not all processes were running")?;
        Ok(((), format!("{count} processes and their disks are gone; L1 and the users' database are left")))
    }

    fn backup_of(&self, instance: Instance) -> &str {
        self.backups.iter().find(|(of, _)| *of == instance).map_or("", |(_, file)| file)
    }

    /// A recovery by these guardians, with what else is known, from a backup to the volume and the folder of that name.
    fn recovery(&self, instance: Instance, backup: &str, guardians: &[&str], to: &str) -> Result<Vec<String>> {
        let known = match instance {
            Instance::Secret => ["--role", "sequencer", "--rpc-key", &self.pinned],
            Instance::Gateway(name) => {
                let own = GATEWAYS.iter().zip(&self.documents).find(|(gateway, _)| **gateway == name);
                ["--gateway", name, "--document", own.map_or("", |(_, document)| document)]
            }
        };
        let (volume, out) = (self.network.volume(to)?, format!("{RESTORE}/{to}"));
        let more = [known.as_slice(), &["--volume", &volume, "--out-dir", &out]].concat();
        Ok(self.people.recover(instance, backup, guardians, &more))
    }

    /// A recovery of the network fails for this reason, and writes nothing.
    fn not_recovered(&self, backup: &str, guardians: &[&str], code: &str) -> Result<()> {
        self.stage.refused(&self.recovery(Instance::Secret, backup, guardians, "refused")?, code)?;
        ensure(!self.stage.path(RESTORE).join("refused").exists(), "something was written that must not be")
    }

    fn alone(&self) -> Result<((), String)> {
        self.not_recovered(self.backup_of(Instance::Secret), &["bob"], "too_few_shares")?;
        Ok(((), "refused; nothing was written".to_owned()))
    }

    fn recover(&self, instances: &[Instance], by: &str) -> Result<((), String)> {
        for instance in instances {
            let to = instance.process();
            let report = self.stage.run(&self.recovery(*instance, self.backup_of(*instance), &PRESENT, to)?)?;
            ensure(report.get("recognised") == Some(&Value::Bool(true)), "what was recovered was not recognised")?;
        }
        Ok(((), format!("{} were enough; recognised by {by}", PRESENT.join(" and "))))
    }

    /// A file of what was recovered.
    fn recovered(&self, name: &str, file: &str) -> Result<Zeroizing<String>> {
        Ok(Zeroizing::new(fs::read_to_string(self.stage.path(RESTORE).join(name).join(file))?))
    }

    /// The setting of nodes stays; gateways seal their key, and the flag is there for one start.
    fn restart(&mut self) -> Result<((), String)> {
        let environment = self.recovered("sequencer", "enclave.env")?;
        let settings: Vec<(&str, &str)> = environment.lines().filter_map(|line| line.split_once('=')).collect();
        self.network.volume("validator")?;
        self.node("sequencer", &[PUBLISHED, "-genesis"], &settings)?;
        self.node("validator", &[PUBLISHED], &settings)?;
        for gateway in GATEWAYS {
            let flags = self.recovered(gateway, "gateway.args")?;
            self.gateway(gateway, &flags.lines().chain(["-machine=new"]).collect::<Vec<_>>())?;
            self.network.stop(gateway);
            self.gateway(gateway, &["-encryptionKeySource=", "-machine=new"])?;
        }
        Ok(((), "two nodes; each gateway once with its key, and again without".to_owned()))
    }

    fn check_nodes(&self) -> Result<((), String)> {
        for node in NODES {
            ensure(self.network.rpc_key(node)?.to_string() == self.pinned, "a node has another RPC key")?;
            ensure(self.network.is_healthy(node)?, "a node cannot read what the network published")?;
            finds(&self.stage.run(&self.people.restarted(self.network.url(node), &self.pinned))?, "restored")?;
        }
        Ok(((), "the same RPC key; what the network published decrypts".to_owned()))
    }

    fn check_gateways(&self) -> Result<((), String)> {
        for (gateway, own) in GATEWAYS.into_iter().zip(USERS) {
            for user in USERS {
                let wanted = (user == own).then(|| session(user));
                ensure(self.network.read(gateway, user)? == wanted, "a gateway reads other documents than before")?;
            }
        }
        Ok(((), "each reads its own, and none of the other".to_owned()))
    }

    /// `ten verify`, `ten backup` and `ten recover` refuse what this node gives, and say so.
    fn caught(&self, node: &str, code: &str) -> Result<()> {
        let (url, kept) = (self.network.url(node), fs::read_dir(self.stage.path("backups"))?.count());
        let verify = self.people.verify(Instance::Secret, url, &self.pinned);
        finds(&self.stage.refused(&verify, "check_alarm")?, code)?;
        self.stage.refused(&self.people.backup(Instance::Secret, url, &self.pinned)?, code)?;
        ensure(fs::read_dir(self.stage.path("backups"))?.count() == kept, "a backup of it was kept")?;
        // Somebody who compares nothing fetches its backup by hand.
        let fetched = format!("{node}.hex");
        self.stage.write(&fetched, self.network.ciphertext(node)?.to_string().as_bytes())?;
        self.not_recovered(&fetched, &PRESENT, code)
    }

    /// T1: upstream reads what it cannot read as zeros, and starts.
    fn zeros(&mut self) -> Result<((), String)> {
        let environment = self.recovered("sequencer", "enclave.env")?;
        let digits =
            environment.lines().find_map(|line| line.strip_prefix("ENCLAVE_SHAREDSECRET=")).unwrap_or_default();
        let prefixed = Zeroizing::new(format!("0x{digits}"));
        self.node("careless", &[PUBLISHED], &[("ENCLAVE_SHAREDSECRET", &prefixed), ERRORS])?;
        ensure(self.network.rpc_key("careless")? == RpcKey::OF_ZERO, "it does not run on zeros")?;
        ensure(!self.network.is_healthy("careless")?, "it reads what the network published")?;
        self.caught("careless", "zero_secret")?;
        self.network.stop("careless");
        Ok(((), "its node starts, on 32 zero bytes; verify, backup and recover refuse it: zero_secret".to_owned()))
    }

    /// T6: whoever knows the public backup key can answer in the place of a node.
    fn middle(&mut self) -> Result<((), String)> {
        self.node("liar", &["-da=published-by-liar", "-genesis"], &[ERRORS])?;
        self.caught("liar", "rpc_key_differs")?;
        self.network.stop("liar");
        Ok(((), "all that it says fits together; verify, backup and recover refuse it: rpc_key_differs".to_owned()))
    }

    fn wipe(&self) -> Result<((), String)> {
        let mut traces = Traces::default();
        traces.add(&self.recovered("sequencer", "enclave.env")?)?;
        GATEWAYS.iter().try_for_each(|gateway| traces.add(&self.recovered(gateway, "gateway.args")?))?;
        let (all, restore) = (traces.below(self.stage.dir())?, self.stage.path(RESTORE));
        ensure(all.iter().all(|file| file.starts_with(&restore)), "a secret is in another file than the recovery's")?;
        for instance in Instance::ALL {
            self.stage.run(&["ten", "wipe", "--dir", &format!("{RESTORE}/{}", instance.process())])?;
        }
        let written = all.len();
        ensure(written == 9 && traces.below(self.stage.dir())?.is_empty(), "files with a secret are left")?;
        Ok(((), format!("{written} files held a secret, all of them the recovery's; now none does, and no log")))
    }
}

fn session(user: &str) -> String {
    format!("the session of {user}")
}
