//! What must be true before a restart, and what shows after it that it worked. Pure functions of what was looked at.
//!
//! | code | before the start of a node |
//! |---|---|
//! | `database_not_empty` | T2: a secret in the database beats the one that is configured |
//! | `database_unknown` | nobody has looked |
//! | `sealed_key_present` | the same for a gateway: a sealed key that opens beats the flag |
//! | `sequencer_lost` | L1 accepts no new sequencer enclave; the owner of the contracts has to act first |
//! | `sequencer_grantable` | the same, but an enclave lives that L1 attested: the owner can make it a sequencer |
//! | `sequencer_unknown` | nobody has looked; a reminder for a sequencer |
//! | `nothing_running` | nothing answers at an address that was to be silent |
//! | `same_running` | a node with this secret answers already: it is worth more than a restore |
//! | `still_running` | a node answers already, with another secret than the one that is restored |
//! | `other_running` | something answers, and it is no node that has a secret |
//!
//! After the start, [`after`]: `restored`, `zero_secret` or `other_secret`.

use std::fmt;

use serde::Serialize;

use crate::secret::RpcKey;
use crate::source::registry::Enclave;
use crate::source::{self, Error as SourceError};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it must be.
    Ok,
    /// Go on, but know it.
    Warning,
    /// Do not go on.
    Refused,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable code.
    pub code: &'static str,
    /// How much it matters.
    pub level: Level,
    /// For people.
    pub text: &'static str,
    /// About which address; none if there is one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = self.about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        write!(f, "{about}{}", self.text)
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It follows the network.
    Validator,
    /// It makes batches, and L1 knows its enclaves.
    Sequencer,
}

/// What L1 knows of the enclaves that still live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Living {
    /// One is a sequencer: it can attest others.
    Sequencer,
    /// None is a sequencer, one is attested: the owner of the contract can make it a sequencer.
    Attested,
    /// L1 knows none of them.
    Nobody,
}

impl Living {
    /// The best of what the registry says about enclaves that live.
    #[must_use]
    pub fn of(enclaves: &[Enclave]) -> Self {
        match enclaves {
            // Without attestation it could not be a sequencer; a registry that says so is another one.
            all if all.iter().any(|enclave| enclave.sequencer && enclave.attested) => Self::Sequencer,
            all if all.iter().any(|enclave| enclave.attested) => Self::Attested,
            _ => Self::Nobody,
        }
    }
}

/// What answers at an address that should be silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// Nothing does.
    Nothing,
    /// A node with this RPC key.
    Node(RpcKey),
    /// Something else, or a node without a secret.
    Other,
}

impl Answers {
    /// What an attempt to ask for the RPC key shows.
    #[must_use]
    pub fn of(asked: &Result<RpcKey, SourceError>) -> Self {
        match asked {
            Ok(key) => Self::Node(*key),
            Err(SourceError::Unreachable { .. } | SourceError::Timeout { what: source::http::CONNECTION, .. }) => {
                Self::Nothing
            }
            Err(_) => Self::Other,
        }
    }
}

/// What is known of a node before it starts; `None` is what nobody looked at.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Is the volume of its enclave's database empty?
    pub database_empty: Option<bool>,
    /// What it will be.
    pub role: Option<Role>,
    /// What L1 knows of the enclaves that still live.
    pub living: Option<Living>,
    /// What answers now at the addresses of the network's nodes.
    pub answers: Vec<(String, Answers)>,
}

/// What is known of a gateway before it starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gateway {
    /// Is there no `/data/encryption-key.json` on its volume?
    pub sealed_key_absent: Option<bool>,
}

const fn found(code: &'static str, level: Level, text: &'static str) -> Finding {
    Finding { code, level, text, about: None }
}

/// Before the start of a node with this restored secret.
#[must_use]
pub fn node(node: &Node, restored: &RpcKey) -> Vec<Finding> {
    let database = match node.database_empty {
        Some(true) => found("database_empty", Level::Ok, "the volume of the enclave's database is empty"),
        Some(false) => found(
            "database_not_empty",
            Level::Refused,
            "the volume of the enclave's database is not empty: a secret in it beats the restored one",
        ),
        None => found("database_unknown", Level::Refused, "nobody has looked whether the enclave's database is empty"),
    };
    let mut findings = vec![database];
    findings.extend(sequencer(node));
    findings.extend(node.answers.iter().map(|(about, answers)| running(about, answers, restored)));
    findings
}

fn sequencer(node: &Node) -> Option<Finding> {
    Some(match (node.living, node.role) {
        (Some(Living::Sequencer), _) => found(
            "sequencer_known",
            Level::Ok,
            "an enclave lives that L1 knows as a sequencer: it can attest a new one",
        ),
        (Some(Living::Attested), _) => found(
            "sequencer_grantable",
            Level::Warning,
            "no enclave lives that L1 knows as a sequencer, but one that it attested: the owner of the contracts has to call \
             grantSequencerEnclave before a new one can be attested",
        ),
        (Some(Living::Nobody), _) => found(
            "sequencer_lost",
            Level::Warning,
            "L1 knows no enclave that lives: no sequencer can be attested before the owner of the contracts acts",
        ),
        (None, Some(Role::Sequencer)) => found(
            "sequencer_unknown",
            Level::Warning,
            "look with isSequencer and isAttested of the enclave registry whether L1 still knows an enclave that lives",
        ),
        (None, _) => return None,
    })
}

fn running(about: &str, answers: &Answers, restored: &RpcKey) -> Finding {
    let finding = match answers {
        Answers::Nothing => found("nothing_running", Level::Ok, "nothing answers there"),
        Answers::Node(key) if key == restored => found(
            "same_running",
            Level::Warning,
            "a node with this secret answers already: keep it, and take its backup",
        ),
        Answers::Node(_) => {
            found("still_running", Level::Refused, "a node with another secret answers: stop it and empty its volume")
        }
        Answers::Other => {
            found("other_running", Level::Warning, "something answers there, and it is no node that has a secret")
        }
    };
    Finding { about: Some(about.to_owned()), ..finding }
}

/// Before the start of a gateway.
#[must_use]
pub fn gateway(gateway: &Gateway) -> Vec<Finding> {
    vec![match gateway.sealed_key_absent {
        Some(true) => found("sealed_key_absent", Level::Ok, "there is no sealed key on the volume"),
        Some(false) => found(
            "sealed_key_present",
            Level::Refused,
            "encryption-key.json is on the volume: if it can be unsealed, the gateway takes it and ignores the flag",
        ),
        None => found("sealed_key_unknown", Level::Refused, "nobody has looked whether the volume holds a sealed key"),
    }]
}

/// The first finding that forbids to go on.
#[must_use]
pub fn refusal(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| finding.level == Level::Refused)
}

/// After the restart of a node: what it answers to `ten_rpcKey`.
#[must_use]
pub fn after(answers: &RpcKey, restored: &RpcKey) -> Finding {
    if answers.is_of_zero() {
        return found(
            "zero_secret",
            Level::Refused,
            "the node runs on 32 zero bytes: stop it, empty its volume, correct the setting",
        );
    }
    if answers == restored {
        found("restored", Level::Ok, "the node runs on the restored secret")
    } else {
        found("other_secret", Level::Refused, "the node runs on another secret: stop it and empty its volume")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{NetworkSecret, Secret};

    fn rpc_key(byte: u8) -> RpcKey {
        NetworkSecret::new(Secret::new(&[byte; 32]).unwrap()).rpc_key().unwrap()
    }

    #[test]
    fn t2_a_database_that_is_not_known_to_be_empty_is_refused() {
        let codes = [(None, "database_unknown"), (Some(false), "database_not_empty")];
        for (database_empty, code) in codes {
            let findings = node(&Node { database_empty, ..Node::default() }, &rpc_key(1));
            assert_eq!(refusal(&findings).map(|finding| finding.code), Some(code));
        }
        let good = Node { database_empty: Some(true), role: Some(Role::Validator), ..Node::default() };
        assert_eq!(refusal(&node(&good, &rpc_key(1))), None);
        for (sealed_key_absent, refused) in [(None, true), (Some(false), true), (Some(true), false)] {
            assert_eq!(refusal(&gateway(&Gateway { sealed_key_absent })).is_some(), refused);
        }
    }

    fn found_with(node_facts: Node) -> Vec<(&'static str, Level)> {
        let node_facts = Node { database_empty: Some(true), ..node_facts };
        node(&node_facts, &rpc_key(1)).iter().skip(1).map(|finding| (finding.code, finding.level)).collect()
    }

    #[test]
    fn what_l1_knows_is_said_to_every_role_and_asked_of_a_sequencer() {
        for role in [None, Some(Role::Validator), Some(Role::Sequencer)] {
            for (living, code, level) in [
                (Living::Sequencer, "sequencer_known", Level::Ok),
                (Living::Attested, "sequencer_grantable", Level::Warning),
                (Living::Nobody, "sequencer_lost", Level::Warning),
            ] {
                assert_eq!(found_with(Node { role, living: Some(living), ..Node::default() }), [(code, level)]);
            }
            let silent = found_with(Node { role, ..Node::default() });
            assert_eq!(silent.is_empty(), role != Some(Role::Sequencer));
        }
        let enclave = |attested, sequencer| {
            let enclave = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed".parse().unwrap();
            Enclave { enclave, attested, sequencer }
        };
        assert_eq!(Living::of(&[]), Living::Nobody);
        assert_eq!(Living::of(&[enclave(false, false), enclave(false, true)]), Living::Nobody);
        assert_eq!(Living::of(&[enclave(false, true), enclave(true, false)]), Living::Attested);
        assert_eq!(Living::of(&[enclave(true, false), enclave(true, true)]), Living::Sequencer);
    }

    #[test]
    fn what_runs_already_is_named_with_its_address() {
        let answers = [
            (Answers::Nothing, "nothing_running", Level::Ok),
            (Answers::Node(rpc_key(1)), "same_running", Level::Warning),
            (Answers::Other, "other_running", Level::Warning),
            (Answers::Node(rpc_key(2)), "still_running", Level::Refused),
            (Answers::Node(RpcKey::OF_ZERO), "still_running", Level::Refused),
        ];
        let all = answers.iter().enumerate().map(|(at, (answer, ..))| (format!("node {at}"), answer.clone()));
        let node_facts = Node { database_empty: Some(true), answers: all.collect(), ..Node::default() };
        let findings = node(&node_facts, &rpc_key(1));
        for (at, (_, code, level)) in answers.into_iter().enumerate() {
            let finding = &findings[at + 1];
            let about = format!("node {at}");
            assert_eq!((finding.code, finding.level, finding.about.as_ref()), (code, level, Some(&about)));
        }
        assert_eq!(refusal(&findings).and_then(|finding| finding.about.clone()), Some("node 3".to_owned()));
    }

    #[test]
    fn after_the_restart_the_rpc_key_tells() {
        let restored = rpc_key(1);
        assert_eq!(after(&restored, &restored).level, Level::Ok);
        assert_eq!(after(&rpc_key(2), &restored).code, "other_secret");
        assert_eq!(after(&RpcKey::OF_ZERO, &restored).code, "zero_secret");
    }
}
