//! What `t` nodes say of an application, and its registration.

use std::collections::BTreeMap;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use quorumkeep_dkg::app::{self, App, Policy};
use quorumkeep_dkg::ids::KeyId;
use quorumkeep_ibe::{AppId, AppIdentity, Format};
use quorumkeep_node::status::AppStatus;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::Session;
use super::error::{Answer, Outcome, SessionError};
use super::nodes::{self, NodeClient, NodeReport};
use crate::client::Error;
use crate::node_api::RegisterBody;
use crate::problem::Code;

/// How long a registration may take until `t` nodes show it.
const REGISTER_TIME: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(150);

/// A registered application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// What is hashed to `Q`.
    pub identity: AppIdentity,
    /// The one format of its ciphertexts.
    pub format: Format,
    /// Who gets partial signatures.
    pub policy: Policy,
}

/// What a new registration says.
pub struct Registration<'a> {
    /// The application id.
    pub id: &'a AppId,
    /// The epoch.
    pub epoch: u64,
    /// The format of its ciphertexts.
    pub format: Format,
    /// Who gets partial signatures.
    pub policy: Policy,
    /// The owner from now on.
    pub owner: &'a SigningKey,
    /// The owner until now, if the application exists and had another one.
    pub previous: Option<&'a SigningKey>,
}

impl Session {
    /// The application `app` of the key `name`, as at least `t` nodes report it.
    ///
    /// A single node could name an older epoch, whose key may have leaked.
    ///
    /// # Errors
    ///
    /// [`SessionError::UnknownApp`], [`SessionError::AppUnclear`], [`SessionError::TooFewNodes`].
    pub async fn application(&self, name: &str, app: &AppId) -> Result<Application, SessionError> {
        let key = self.key_id(name);
        let path = format!("/app?key={key}&id={}", in_query(app.as_str()));
        let asked: Vec<NodeClient> = self.reports().iter().map(|report| report.node.clone()).collect();
        let ask = move |node: NodeClient| {
            let path = path.clone();
            async move { (node.client().get_json(&path).await, node) }
        };
        let results = nodes::all(asked.into_iter().map(ask)).await;
        let (mut seen, mut answers) = (Vec::new(), Vec::new());
        for (result, node) in results {
            let outcome = match one_word(result, &key, app) {
                Ok(word) => {
                    seen.push(word);
                    Outcome::Good
                }
                Err(outcome) => outcome,
            };
            answers.push(Answer { node: node.address, socket: node.socket, outcome });
        }
        self.weigh_application(name, app, &seen, answers)
    }

    pub(super) fn weigh_application(
        &self,
        name: &str,
        app: &AppId,
        seen: &[Option<AppStatus>],
        answers: Vec<Answer>,
    ) -> Result<Application, SessionError> {
        let (key, needed) = (self.key_id(name), self.threshold());
        if seen.len() < needed {
            return Err(SessionError::TooFewNodes { found: seen.len(), needed, answers });
        }
        let mut votes: BTreeMap<Option<(u64, &str, &str)>, usize> = BTreeMap::new();
        for word in seen {
            let word = word.as_ref().map(|word| (word.epoch, word.format.as_str(), word.policy.as_str()));
            *votes.entry(word).or_default() += 1;
        }
        let best = votes.iter().max_by_key(|(_, count)| **count);
        let (name, id) = (name.to_owned(), app.as_str().to_owned());
        match best {
            Some((Some(seen), count)) if *count >= needed => self.read_application(&key, app, *seen),
            Some((None, count)) if *count >= needed => Err(SessionError::UnknownApp { app: id, name }),
            _ => {
                let found = best.map_or(0, |(_, count)| *count);
                Err(SessionError::AppUnclear { app: id, found, needed, answers })
            }
        }
    }

    fn read_application(
        &self,
        key: &KeyId,
        app: &AppId,
        (epoch, format, policy): (u64, &str, &str),
    ) -> Result<Application, SessionError> {
        let newer = SessionError::Internal("the nodes report a format or a policy that this program does not know");
        let Some((format, policy)) = Format::from_name(format).zip(policy_from_name(policy)) else { return Err(newer) };
        let identity = AppIdentity { network: self.file().network.0, key_id: key.0, app_id: app.clone(), epoch };
        Ok(Application { identity, format, policy })
    }

    /// Who answered `/status`, for messages.
    pub(crate) fn report_answers(&self) -> Vec<Answer> {
        let answer = |report: &NodeReport| Answer {
            node: report.node.address,
            socket: report.node.socket.clone(),
            outcome: match &report.result {
                Ok(_) => Outcome::Good,
                Err(error) => Outcome::Failed(copy(error)),
            },
        };
        self.reports().iter().map(answer).collect()
    }

    /// Registers an application through any node, and waits until `t` nodes show it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Refused`] by the rules, [`SessionError::NotTaken`], [`SessionError::TimedOut`].
    pub async fn register(&mut self, name: &str, new: &Registration<'_>) -> Result<Application, SessionError> {
        let (network, key) = (self.file().network, self.key_id(name));
        let exists = !matches!(self.application(name, new.id).await, Err(SessionError::UnknownApp { .. }));
        let previous = new.previous.or_else(|| exists.then_some(new.owner));
        let format = match new.format {
            Format::Age => app::Format::Age,
            Format::EigenX => app::Format::EigenX,
        };
        let signed = App::sign(&network, &key, (new.id.as_str(), new.epoch), (format, new.policy), new.owner, previous);
        self.carry(RegisterBody { key, app: hex::encode(signed.encode()) }).await?;
        let deadline = Instant::now() + REGISTER_TIME;
        loop {
            self.refresh().await?;
            match self.application(name, new.id).await {
                Ok(seen) if seen.identity.epoch == new.epoch && seen.policy == new.policy => return Ok(seen),
                _ if Instant::now() >= deadline => {
                    let what = "the registration did not appear on the board";
                    return Err(SessionError::TimedOut { what, seconds: REGISTER_TIME.as_secs() });
                }
                _ => sleep(POLL).await,
            }
        }
    }

    /// One node after the other, until two have taken it: one alone may be cut off from the board.
    async fn carry(&self, body: RegisterBody) -> Result<(), SessionError> {
        let (mut taken, mut answers) = (0, Vec::new());
        for report in self.reports().iter().filter(|report| report.result.is_ok()) {
            let node = &report.node;
            let answer: Result<Value, Error> = node.client().post_json("/app/register", &body).await;
            match answer {
                Ok(_) => taken += 1,
                // The rules are the same everywhere: nobody else would take it.
                Err(Error::Status { problem, .. }) if problem.code == Code::Refused => {
                    return Err(SessionError::Refused(problem));
                }
                Err(error) => {
                    let (node, socket, outcome) = (node.address, node.socket.clone(), Outcome::Failed(error));
                    answers.push(Answer { node, socket, outcome });
                }
            }
            if taken == 2 {
                break;
            }
        }
        if taken > 0 {
            return Ok(());
        }
        if answers.is_empty() {
            answers = self.report_answers();
        }
        Err(SessionError::NotTaken { answers })
    }
}

/// One node's word on an application: it, or that there is none.
fn one_word(result: Result<AppStatus, Error>, key: &KeyId, app: &AppId) -> Result<Option<AppStatus>, Outcome> {
    match result {
        Ok(seen) if seen.key == *key && seen.id == app.as_str() => Ok(Some(seen)),
        Ok(_) => Err(Outcome::Bad("the answer is about another application")),
        Err(error) if error.code() == Some(Code::NotFound) => Ok(None),
        Err(error) => Err(Outcome::Failed(error)),
    }
}

/// A value in the query of an address: an application id may have any printable character.
fn in_query(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

/// The policy of this name.
#[must_use]
pub fn policy_from_name(name: &str) -> Option<Policy> {
    [Policy::Attested, Policy::Owner, Policy::Public].into_iter().find(|policy| policy_name(*policy) == name)
}

/// The name of a policy on the command line and in JSON.
#[must_use]
pub const fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Attested => "attested",
        Policy::Owner => "owner",
        Policy::Public => "public",
    }
}

/// What a message needs of an error that stays where it is.
fn copy(error: &Error) -> Error {
    match error {
        Error::Unreachable { socket, source } => Error::Unreachable {
            socket: socket.clone(),
            source: std::io::Error::new(source.kind(), source.to_string()),
        },
        Error::Status { socket, status, problem } => {
            Error::Status { socket: socket.clone(), status: *status, problem: problem.clone() }
        }
        Error::Timeout { socket, what } => Error::Timeout { socket: socket.clone(), what },
        Error::Malformed { socket, what } => Error::Malformed { socket: socket.clone(), what },
        Error::Tls { socket, .. } => Error::Malformed { socket: socket.clone(), what: "the TLS handshake failed" },
        _ => Error::Internal("the connection failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_id_passes_a_query_unchanged() {
        assert_eq!(in_query("billing-1.eu_~"), "billing-1.eu_~");
        assert_eq!(in_query("a&id=b#%+/"), "a%26id%3Db%23%25%2B%2F");
    }
}
