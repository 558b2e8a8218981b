//! One backup taken: what a node or a gateway gave, with what shows whose it is.
//!
//! ```text
//! network secret   rpc_key, compared with the pinned one -> ciphertext -> rpc_key again, which must be the same
//! gateway key      ciphertext
//! ```
//!
//! # Security
//!
//! A node that runs on another secret than the pinned one, or on zero, gives nothing that is kept. That the ciphertext really
//! holds the secret of that RPC key shows only when it is opened; a gateway shows nothing about its key at all.

use crate::check::{self, Code, Finding, Level};
use crate::ciphertext::Ciphertext;
use crate::secret::RpcKey;
use crate::source::{Error as SourceError, Gateway, Node};

/// What was taken. Public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The URL that was asked.
    pub source: String,
    /// The ECIES of 32 bytes.
    pub ciphertext: Ciphertext,
    /// The RPC key of the network at that time; none of a gateway.
    pub rpc_key: Option<RpcKey>,
    /// What was found about it.
    pub finding: Option<Finding>,
}

/// Nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Asking failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not what it should be, and is not kept.
    #[error("nothing was kept: {0}")]
    Refused(Box<Finding>),
}

impl Error {
    /// The stable text.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::Refused(finding) => finding.code.text(),
        }
    }
}

/// Takes the network secret from a node.
///
/// # Errors
/// [`Error::Refused`] for another RPC key than the pinned one, that of the zero secret, and one that changes in between.
pub async fn network_secret(node: &Node, pinned: Option<&RpcKey>) -> Result<Capture, Error> {
    let source = node.at().to_string();
    let rpc_key = node.rpc_key().await?;
    let finding = check::rpc_key(&source, &rpc_key, pinned);
    if finding.level == Level::Alarm {
        return Err(Error::Refused(Box::new(finding)));
    }
    let ciphertext = node.backup_shared_secret().await?;
    // Behind one address there may be several nodes.
    let after = node.rpc_key().await?;
    let same = check::same_network(&source, &[("before", rpc_key), ("after", after)]);
    if same.code != Code::NetworkOne {
        return Err(Error::Refused(Box::new(same)));
    }
    Ok(Capture { source, ciphertext, rpc_key: Some(rpc_key), finding: Some(finding) })
}

/// Takes the key of a gateway.
///
/// # Errors
/// [`Error::Source`].
pub async fn gateway_key(gateway: &Gateway) -> Result<Capture, Error> {
    let ciphertext = gateway.backup_encryption_key().await?;
    Ok(Capture { source: gateway.at().to_string(), ciphertext, rpc_key: None, finding: None })
}
