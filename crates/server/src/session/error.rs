//! What can go wrong for a client, by what to do about it.

use std::fmt;

use quorumkeep_dkg::ids::{Address, VersionId};
use quorumkeep_node::evidence::SignedPartial;

use crate::client;
use crate::problem::{Code, Problem};
use crate::tls::TlsError;

/// What became of a question to one node.
#[derive(Debug)]
pub enum Outcome {
    /// A good answer.
    Good,
    /// No answer, or the node says that it cannot.
    Failed(client::Error),
    /// An answer of another version than the one that was asked for.
    OtherVersion(VersionId),
    /// A wrong answer over a connection that only this operator can open.
    Bad(&'static str),
    /// A wrong partial signature under the operator's own signature: evidence for everybody.
    Signed(Box<SignedPartial>),
}

/// One node and what became of the question.
#[derive(Debug)]
pub struct Answer {
    /// The operator.
    pub node: Address,
    /// Where its node is.
    pub socket: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, socket, outcome } = self;
        match outcome {
            Outcome::Good => write!(f, "{node}: {socket} answered well"),
            // The error names the socket itself.
            Outcome::Failed(error) => write!(f, "{node}: {error}"),
            Outcome::OtherVersion(version) => write!(f, "{node}: {socket} answered with another version, {version}"),
            Outcome::Bad(what) => write!(f, "{node}: {socket} gave a WRONG ANSWER: {what}"),
            Outcome::Signed(_) => {
                write!(f, "{node}: {socket} SIGNED A WRONG ANSWER: the partial signature does not fit its public share")
            }
        }
    }
}

/// One line per node.
pub(crate) struct Lines<'a>(pub &'a [Answer]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|answer| write!(f, "\n  {answer}"))
    }
}

/// A client's errors.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The orderer's key in the network file is no key.
    #[error("the orderer's key in the network file is not an Ed25519 key")]
    OrdererKey,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody else answers at the board's address.
    #[error("the board is not this network's: {0}")]
    ForeignBoard(#[source] client::Error),
    /// The board does not answer, or refuses.
    #[error("the board: {0}")]
    Board(#[source] client::Error),
    /// A node knows a newer configuration than the board showed: whoever governs now may be somebody else.
    #[error(
        "stale governance: {node} reports configuration {reported}, but the board shows none above {known}; \
         read the board again, and do not trust it if this stays"
    )]
    StaleGovernance {
        /// The node that reports it.
        node: Address,
        /// The sequence number that it reports.
        reported: u64,
        /// The highest sequence number that the board showed.
        known: u64,
    },
    /// A group key is pinned at first use, and never on the word of operators who may not be in office any more.
    #[error("the group key of \"{name}\" is not pinned yet, and cannot be while the board is not read: {board}")]
    BoardNeeded {
        /// The key's name.
        name: String,
        /// Why the board was not read.
        board: String,
    },
    /// A bound.
    #[error("the board shows more than {max} configurations")]
    TooManyConfigs {
        /// The bound.
        max: usize,
    },
    /// `t` operators sign another group key than the pinned one.
    #[error("the group key of \"{name}\" is pinned to {pinned}, but {} operators sign {found}", .operators.len())]
    GroupKeyChanged {
        /// The key's name.
        name: String,
        /// What is pinned, hexadecimal.
        pinned: String,
        /// What they sign, hexadecimal.
        found: String,
        /// Who.
        operators: Vec<Address>,
    },
    /// Fewer than `t` operators name one group key.
    #[error("{found} operators sign one group key of \"{name}\", {needed} are needed{}", Lines(answers))]
    NoAgreement {
        /// The key's name.
        name: String,
        /// The most that agree.
        found: usize,
        /// `t`.
        needed: usize,
        /// Who said what.
        answers: Vec<Answer>,
    },
    /// Nothing is generated yet.
    #[error("no version of the key \"{name}\" is active yet")]
    NotGenerated {
        /// The key's name.
        name: String,
    },
    /// Nobody knows the application.
    #[error("the application \"{app}\" is not registered under the key \"{name}\"")]
    UnknownApp {
        /// The application.
        app: String,
        /// The key's name.
        name: String,
    },
    /// Fewer than `t` nodes report the same of an application.
    #[error("{found} nodes report the same about the application \"{app}\", {needed} are needed{}", Lines(answers))]
    AppUnclear {
        /// The application.
        app: String,
        /// The most that agree.
        found: usize,
        /// `t`.
        needed: usize,
        /// Who said what.
        answers: Vec<Answer>,
    },
    /// Fewer than `t` nodes answer at all.
    #[error("{found} nodes answer, {needed} are needed{}", Lines(answers))]
    TooFewNodes {
        /// How many answer.
        found: usize,
        /// `t`.
        needed: usize,
        /// Who said what.
        answers: Vec<Answer>,
    },
    /// The application has another epoch than the ciphertext.
    #[error(
        "the application \"{app}\" is in epoch {now}; the ciphertext is of epoch {asked}, whose key is not released any more"
    )]
    OtherEpoch {
        /// The application.
        app: String,
        /// Its epoch.
        now: u64,
        /// What was asked for.
        asked: u64,
    },
    /// The application's format is the other one.
    #[error("the application \"{app}\" has the format {now}; its key for the format {asked} is never released")]
    OtherFormat {
        /// The application.
        app: String,
        /// Its format.
        now: quorumkeep_ibe::Format,
        /// What was asked for.
        asked: quorumkeep_ibe::Format,
    },
    /// The policy `owner`, and no owner key.
    #[error("the application \"{app}\" is released to its owner only")]
    OwnerKeyNeeded {
        /// The application.
        app: String,
    },
    /// The policy `attested`.
    #[error("the application \"{app}\" is released to attested code only, and this build cannot present evidence yet")]
    AttestedOnly {
        /// The application.
        app: String,
    },
    /// Fewer than `t` good partial signatures of one version.
    #[error("{good} good partial signatures of version {version}, {needed} are needed{}", Lines(answers))]
    TooFewPartials {
        /// The version.
        version: VersionId,
        /// How many are good.
        good: usize,
        /// `t` of the version.
        needed: usize,
        /// Who answered what.
        answers: Vec<Answer>,
    },
    /// Enough partial signatures, but of different versions.
    #[error(
        "partial signatures of different versions cannot be mixed: {good} of version {version} ({needed} needed), {others} of others{}",
        Lines(answers)
    )]
    MixedVersions {
        /// The version that was asked for.
        version: VersionId,
        /// How many of it.
        good: usize,
        /// `t` of the version.
        needed: usize,
        /// How many of others.
        others: usize,
        /// Who answered what.
        answers: Vec<Answer>,
    },
    /// The partial signatures do not make the key.
    #[error("the partial signatures do not make the application's key: {0}")]
    Recover(#[from] quorumkeep_ibe::RecoverError),
    /// No node took it.
    #[error("no node took the request{}", Lines(answers))]
    NotTaken {
        /// Who answered what.
        answers: Vec<Answer>,
    },
    /// The network's rules say no.
    #[error("refused: {0}")]
    Refused(Box<Problem>),
    /// It did not happen in time.
    #[error("{what} within {seconds} s")]
    TimedOut {
        /// What did not.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The operating system gives no randomness or no time, or a library refuses.
    #[error("{0}")]
    Internal(&'static str),
}

impl SessionError {
    /// Who answered what, where nodes were asked.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        match self {
            Self::NoAgreement { answers, .. }
            | Self::AppUnclear { answers, .. }
            | Self::TooFewNodes { answers, .. }
            | Self::TooFewPartials { answers, .. }
            | Self::MixedVersions { answers, .. }
            | Self::NotTaken { answers } => answers,
            _ => &[],
        }
    }

    /// May the same succeed a moment later?
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        let soft = |answer: &Answer| match &answer.outcome {
            Outcome::Failed(error) => error.is_temporary() || error.code() == Some(Code::NotFound),
            Outcome::OtherVersion(_) => true,
            Outcome::Good | Outcome::Bad(_) | Outcome::Signed(_) => false,
        };
        match self {
            Self::TooFewPartials { answers, .. }
            | Self::MixedVersions { answers, .. }
            | Self::AppUnclear { answers, .. }
            | Self::TooFewNodes { answers, .. }
            | Self::NoAgreement { answers, .. } => answers.iter().any(soft),
            _ => false,
        }
    }
}
