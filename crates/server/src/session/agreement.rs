//! The group key and the version that at least `t` operators sign.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorumkeep_curves::bls::G2;
use quorumkeep_curves::bn254;
use quorumkeep_dkg::ids::{Address, KeyId, NetworkId, VersionId};
use quorumkeep_dkg::output::Output;

use super::Session;
use super::error::{Answer, Outcome, SessionError};
use super::nodes::{self, NodeClient};
use crate::client::Error;
use crate::node_api::{PubkeyAnswer, output_hash};
use crate::problem::Code;

/// What `t` operators agree on.
pub struct Agreement {
    /// The key's name.
    pub name: String,
    /// The version that most of them sign.
    pub output: Arc<Output>,
    /// Who signs the group key.
    pub signers: Vec<Address>,
    /// Who said what.
    pub answers: Vec<Answer>,
}

impl Agreement {
    /// The group key.
    #[must_use]
    pub fn group_key(&self) -> &G2 {
        self.output.group_key()
    }
}

/// One operator's signed word.
pub(super) struct Word {
    pub(super) node: Address,
    pub(super) output: Arc<Output>,
}

impl Session {
    /// The group key of the key `name` that at least `t` operators of the configuration in force sign, and a version of it.
    ///
    /// While a new version becomes active the operators name two versions; the group key is the same in both. An output
    /// is taken only if it hashes to the version that its signer names.
    ///
    /// # Errors
    ///
    /// [`SessionError::GroupKeyChanged`] if the network file pins another group key: an alarm.
    /// [`SessionError::BoardNeeded`] if nothing is pinned and the board was not read.
    /// [`SessionError::NoAgreement`], [`SessionError::NotGenerated`].
    pub async fn agree(&self, name: &str) -> Result<Agreement, SessionError> {
        let (network, key) = (self.file().network, self.key_id(name));
        let asked: Vec<NodeClient> = self.reports().iter().map(|report| report.node.clone()).collect();
        let ask = move |node: NodeClient| async move { (node.clone(), ask_one(&node, network, key).await) };
        let results = nodes::all(asked.into_iter().map(ask)).await;
        let mut words = Vec::new();
        let mut answers = Vec::new();
        for (node, result) in results {
            let outcome = match result {
                Ok(output) => {
                    words.push(Word { node: node.address, output });
                    Outcome::Good
                }
                Err(outcome) => outcome,
            };
            answers.push(Answer { node: node.address, socket: node.socket, outcome });
        }
        self.weigh(name, &words, answers)
    }

    pub(super) fn weigh(
        &self,
        name: &str,
        words: &[Word],
        mut answers: Vec<Answer>,
    ) -> Result<Agreement, SessionError> {
        let needed = self.threshold();
        let mut by_key: BTreeMap<[u8; 96], Vec<&Word>> = BTreeMap::new();
        for word in words {
            by_key.entry(word.output.group_key().to_bytes()).or_default().push(word);
        }
        let Some((found, best)) = by_key.iter().max_by_key(|(_, group)| group.len()) else {
            return Err(no_words(name, needed, answers));
        };
        let signers: Vec<Address> = best.iter().map(|word| word.node).collect();
        if signers.len() < needed {
            return Err(SessionError::NoAgreement { name: name.to_owned(), found: signers.len(), needed, answers });
        }
        self.compare_with_pin(name, found, &signers)?;
        for answer in &mut answers {
            if matches!(answer.outcome, Outcome::Good) && !signers.contains(&answer.node) {
                answer.outcome = Outcome::Bad("signs another group key than the others");
            }
        }
        let output = most_named(best).ok_or(SessionError::Internal("no version"))?;
        Ok(Agreement { name: name.to_owned(), output, signers, answers })
    }

    fn compare_with_pin(&self, name: &str, found: &[u8; 96], signers: &[Address]) -> Result<(), SessionError> {
        let pinned = self.file().keys.get(name).and_then(|key| key.pinned());
        match pinned.map(|point| point.to_bytes()) {
            // Whoever gets this key pins it.
            None => match self.board_error() {
                Some(error) => Err(SessionError::BoardNeeded { name: name.to_owned(), board: error.to_string() }),
                None => Ok(()),
            },
            Some(pinned) if pinned != *found => Err(SessionError::GroupKeyChanged {
                name: name.to_owned(),
                pinned: hex::encode(pinned),
                found: hex::encode(found),
                operators: signers.to_vec(),
            }),
            _ => Ok(()),
        }
    }
}

/// The version with the most signatures; of equals the one of the later round.
fn most_named(words: &[&Word]) -> Option<Arc<Output>> {
    let mut votes: BTreeMap<VersionId, (usize, &Arc<Output>)> = BTreeMap::new();
    for word in words {
        votes.entry(word.output.id()).or_insert((0, &word.output)).0 += 1;
    }
    votes.values().max_by_key(|(votes, output)| (*votes, output.round())).map(|(_, output)| Arc::clone(output))
}

/// Nothing was signed: nothing exists yet, or nobody answers.
fn no_words(name: &str, needed: usize, answers: Vec<Answer>) -> SessionError {
    let says_none = |answer: &&Answer| match &answer.outcome {
        Outcome::Failed(error) => error.code() == Some(Code::NotFound),
        _ => false,
    };
    let name = name.to_owned();
    if answers.iter().filter(says_none).count() >= needed {
        return SessionError::NotGenerated { name };
    }
    SessionError::NoAgreement { name, found: 0, needed, answers }
}

async fn ask_one(node: &NodeClient, network: NetworkId, key: KeyId) -> Result<Arc<Output>, Outcome> {
    let answer: Result<PubkeyAnswer, Error> = node.client().get_json(&format!("/pubkey?key={key}")).await;
    let answer = answer.map_err(Outcome::Failed)?;
    read(&answer, node, network, key).map(Arc::new).map_err(Outcome::Bad)
}

fn read(answer: &PubkeyAnswer, node: &NodeClient, network: NetworkId, key: KeyId) -> Result<Output, &'static str> {
    if answer.network != network || answer.key != key || answer.node != node.address {
        return Err("the answer is about another network, key or node");
    }
    let signature = read_signature(&answer.signature).ok_or("the signature is malformed")?;
    if !node.key.verify(&output_hash(&network, &key, &answer.version), &signature) {
        return Err("the signature under the version is wrong");
    }
    let bytes = hex::decode(&answer.output).map_err(|_| "the output is malformed")?;
    let output = Output::decode(&bytes).map_err(|_| "the output is malformed")?;
    let fits = output.id() == answer.version && *output.network() == network && *output.key() == key;
    if fits { Ok(output) } else { Err("the output does not hash to its version") }
}

/// BN254, 64 bytes in hexadecimal.
pub(crate) fn read_signature(text: &str) -> Option<bn254::Signature> {
    let bytes: [u8; 64] = hex::decode(text).ok()?.try_into().ok()?;
    bn254::Signature::from_bytes(&bytes).ok()
}
