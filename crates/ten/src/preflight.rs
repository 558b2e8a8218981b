//! What must be true before a restart, and what shows after it that it worked. Pure functions of what was looked at.
//!
//! | code | before the start of a node |
//! |---|---|
//! | `database_not_empty` | T2: a secret in the database beats the one that is configured |
//! | `database_unknown` | nobody has looked |
//! | `sealed_key_present` | the same for a gateway: a sealed key that opens beats the flag |
//! | `sequencer_lost` | L1 accepts no new sequencer enclave; the owner of the contracts has to act first |
//! | `still_running` | something answers already, with another secret than the one that is restored |

use serde::Serialize;

use crate::secret::RpcKey;

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
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It follows the network.
    Validator,
    /// It makes batches, and L1 knows its enclaves.
    Sequencer,
}

/// What is known of a node before it starts; `None` is what nobody looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Node {
    /// Is the volume of its enclave's database empty?
    pub database_empty: Option<bool>,
    /// What it will be.
    pub role: Option<Role>,
    /// Does at least one enclave with an attested key still exist, which L1 knows as a sequencer?
    pub sequencer_enclave_lives: Option<bool>,
    /// What answers at its address now.
    pub answers: Option<RpcKey>,
}

/// What is known of a gateway before it starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gateway {
    /// Is there no `/data/encryption-key.json` on its volume?
    pub sealed_key_absent: Option<bool>,
}

const fn found(code: &'static str, level: Level, text: &'static str) -> Finding {
    Finding { code, level, text }
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
    findings.extend(node.answers.and_then(|answers| running(&answers, restored)));
    findings
}

fn sequencer(node: &Node) -> Option<Finding> {
    match (node.role?, node.sequencer_enclave_lives) {
        (Role::Validator, _) => None,
        (Role::Sequencer, Some(true)) => {
            Some(found("sequencer_known", Level::Ok, "an enclave lives that L1 knows as a sequencer"))
        }
        (Role::Sequencer, Some(false)) => Some(found(
            "sequencer_lost",
            Level::Warning,
            "no enclave lives that L1 knows as a sequencer: a new one cannot be attested before the owner of the contracts acts",
        )),
        (Role::Sequencer, None) => Some(found(
            "sequencer_unknown",
            Level::Warning,
            "look with isSequencer and isAttested of the enclave registry whether L1 still knows an enclave that lives",
        )),
    }
}

fn running(answers: &RpcKey, restored: &RpcKey) -> Option<Finding> {
    if answers == restored {
        return Some(found("same_running", Level::Warning, "a node with this secret answers already"));
    }
    Some(found("still_running", Level::Refused, "a node with another secret answers: stop it and empty its volume"))
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

    #[test]
    fn a_sequencer_and_what_runs_already() {
        let of = |lives, answers| {
            let node_facts = Node {
                database_empty: Some(true),
                role: Some(Role::Sequencer),
                sequencer_enclave_lives: lives,
                answers,
            };
            let findings = node(&node_facts, &rpc_key(1));
            findings.iter().skip(1).map(|finding| (finding.code, finding.level)).collect::<Vec<_>>()
        };
        assert_eq!(of(Some(true), None), [("sequencer_known", Level::Ok)]);
        assert_eq!(of(Some(false), None), [("sequencer_lost", Level::Warning)]);
        let unknown = ("sequencer_unknown", Level::Warning);
        assert_eq!(of(None, Some(rpc_key(1))), [unknown, ("same_running", Level::Warning)]);
        assert_eq!(of(None, Some(rpc_key(2))), [unknown, ("still_running", Level::Refused)]);
    }

    #[test]
    fn after_the_restart_the_rpc_key_tells() {
        let restored = rpc_key(1);
        assert_eq!(after(&restored, &restored).level, Level::Ok);
        assert_eq!(after(&rpc_key(2), &restored).code, "other_secret");
        assert_eq!(after(&RpcKey::OF_ZERO, &restored).code, "zero_secret");
    }
}
