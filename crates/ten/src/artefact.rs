//! What a restart needs, in the exact forms that upstream reads. Secrets: each goes to a file that only its owner may read.
//!
//! Traps of upstream, and what is done here against each:
//!
//! | trap | upstream | here |
//! |---|---|---|
//! | T1 | a value that is no hexadecimal (as `0x...`) is read as zeros | 64 digits, read back as a node does before they are given out |
//! | T2 | a secret in the database beats the configured one | [`crate::preflight`]: the database must be empty |
//! | T3 | a first sequencer without a configured secret makes a new one | the setting stands in every artefact, before the first start |
//! | T4, T5 | node and gateway log their whole configuration at the level info | the level error stands in every artefact |
//! | T6 | whoever answers for a node can serve his own secret | [`Restored::network`]: the RPC key must be the one known from elsewhere |

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::{GatewayKey, NetworkSecret, RpcKey, SECRET_BYTES, Secret};

/// The names of all artefacts.
pub const FILES: [&str; 4] = ["enclave.env", "gateway.args", "secret.yaml", "values.yaml"];

/// A secret that is not given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// T6: the secret of another network, or of somebody in the middle.
    #[error("the secret is not that of the network: its RPC key is {found}, expected is {expected}")]
    RpcKey {
        /// What the secret gives.
        found: RpcKey,
        /// What the network has.
        expected: RpcKey,
    },
    /// The expected RPC key is that of the all-zero secret.
    #[error("the expected RPC key is that of the all-zero secret: it was read from a node that had lost its secret")]
    ExpectedZero,
    /// The key of another gateway.
    #[error("the key does not open the document of the gateway")]
    Document,
    /// T1: a node would read something else.
    #[error("a node would not read this secret as it is")]
    Form,
}

/// A secret that was recognised. Artefacts are made of nothing else.
pub enum Restored {
    /// Of a network.
    Network(NetworkSecret),
    /// Of a gateway.
    Gateway(GatewayKey),
}

/// How the key of a gateway is recognised: something that the gateway has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognise {
    /// The `data` of any of its documents.
    Document(String),
    /// Nothing: the operator said that he has none.
    Nothing,
}

impl Restored {
    /// The secret of the network that has this RPC key.
    ///
    /// # Security
    /// `expected` must come from elsewhere than the ciphertext, such as a gateway or another node, before the disaster.
    ///
    /// # Errors
    /// [`Error::ExpectedZero`], [`Error::RpcKey`].
    pub fn network(secret: Secret, expected: RpcKey) -> Result<Self, Error> {
        if expected.is_of_zero() {
            return Err(Error::ExpectedZero);
        }
        let secret = NetworkSecret::new(secret);
        match secret.rpc_key() {
            Some(found) if found == expected => Ok(Self::Network(secret)),
            Some(found) => Err(Error::RpcKey { found, expected }),
            None => Err(Error::Form),
        }
    }

    /// The key of the gateway that stored this document.
    ///
    /// # Errors
    /// [`Error::Document`].
    pub fn gateway(secret: Secret, by: &Recognise) -> Result<Self, Error> {
        let key = GatewayKey::new(secret);
        match by {
            Recognise::Document(data) if key.open_document(data).is_none() => Err(Error::Document),
            Recognise::Document(_) | Recognise::Nothing => Ok(Self::Gateway(key)),
        }
    }

    fn secret(&self) -> &Secret {
        match self {
            Self::Network(secret) => secret.secret(),
            Self::Gateway(key) => key.secret(),
        }
    }

    /// Every artefact. `name` is the name of the Kubernetes Secret.
    ///
    /// # Errors
    /// [`Error::Form`].
    pub fn artefacts(&self, name: &str) -> Result<Vec<Artefact>, Error> {
        let digits = self.secret().to_hex();
        let is_read = as_node_reads(&digits).ct_eq(self.secret().expose());
        if !bool::from(is_read) || digits.len() != 2 * SECRET_BYTES {
            return Err(Error::Form);
        }
        Ok(match self {
            Self::Network(_) => network(&digits, name),
            Self::Gateway(_) => gateway(&digits, name),
        })
    }
}

/// A file of a restart; secret.
pub struct Artefact {
    /// Its name.
    pub file: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// What is in it.
    pub text: Zeroizing<String>,
}

fn network(digits: &str, name: &str) -> Vec<Artefact> {
    vec![
        artefact(
            "enclave.env",
            "environment of the enclave",
            &["ENCLAVE_SHAREDSECRET=", digits, "\nENCLAVE_LOG_LEVEL=1\n"],
        ),
        secret_manifest(name, &["  ENCLAVE_SHAREDSECRET: \"", digits, "\"\n  ENCLAVE_LOG_LEVEL: \"1\"\n"]),
        artefact("values.yaml", "Helm values", &["enclave:\n  sharedSecret: \"", digits, "\"\n  log:\n    level: 1\n"]),
    ]
}

fn gateway(digits: &str, name: &str) -> Vec<Artefact> {
    vec![
        artefact("gateway.args", "flags of the gateway", &["-encryptionKeySource=hex:", digits, "\n-logLevel=error\n"]),
        secret_manifest(name, &["  ENCRYPTION_KEY_SOURCE: \"hex:", digits, "\"\n  LOG_LEVEL: \"error\"\n"]),
        artefact("values.yaml", "Helm values", &["encryptionKeySource: \"hex:", digits, "\"\nlogLevel: \"error\"\n"]),
    ]
}

fn secret_manifest(name: &str, data: &[&str]) -> Artefact {
    let head = ["apiVersion: v1\nkind: Secret\nmetadata:\n  name: ", name, "\ntype: Opaque\nstringData:\n"];
    artefact("secret.yaml", "Kubernetes Secret", &[head.as_slice(), data].concat())
}

fn artefact(file: &'static str, what: &'static str, parts: &[&str]) -> Artefact {
    // One allocation, so that no copies are left behind.
    let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| text.push_str(part));
    Artefact { file, what, text }
}

/// How a node reads `ENCLAVE_SHAREDSECRET`: what was decoded before the first digit that is none, cut or filled up with zeros in
/// front, without an error.
///
/// # Source
/// go-ethereum `common.Hex2BytesFixed`; go-ten `go/enclave/enclave.go`.
#[must_use]
pub fn as_node_reads(text: &str) -> Zeroizing<[u8; SECRET_BYTES]> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.as_bytes().chunks_exact(2) {
        let mut byte = [0];
        if hex::decode_to_slice(pair, &mut byte).is_err() {
            break;
        }
        decoded.extend_from_slice(&byte);
    }
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    secret.iter_mut().rev().zip(decoded.iter().rev()).for_each(|(to, from)| *to = *from);
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new(&[byte; 32]).unwrap()
    }

    fn rpc_key(byte: u8) -> RpcKey {
        NetworkSecret::new(secret(byte)).rpc_key().unwrap()
    }

    #[test]
    fn artefacts_of_a_network_are_what_upstream_reads() {
        let restored = Restored::network(secret(7), rpc_key(7)).unwrap();
        let hex = "07".repeat(32);
        let artefacts = restored.artefacts("ten-enclave").unwrap();
        assert!(artefacts.iter().all(|artefact| FILES.contains(&artefact.file)));
        let texts: Vec<(&str, &str)> =
            artefacts.iter().map(|artefact| (artefact.file, artefact.text.as_str())).collect();
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ten-enclave\ntype: Opaque\nstringData:\n  \
             ENCLAVE_SHAREDSECRET: \"{hex}\"\n  ENCLAVE_LOG_LEVEL: \"1\"\n"
        );
        assert_eq!(
            texts,
            [
                ("enclave.env", format!("ENCLAVE_SHAREDSECRET={hex}\nENCLAVE_LOG_LEVEL=1\n").as_str()),
                ("secret.yaml", secret.as_str()),
                ("values.yaml", format!("enclave:\n  sharedSecret: \"{hex}\"\n  log:\n    level: 1\n").as_str()),
            ]
        );
        let value = texts[0].1.lines().next().and_then(|line| line.strip_prefix("ENCLAVE_SHAREDSECRET=")).unwrap();
        assert_eq!(*as_node_reads(value), [7; 32]);
    }

    #[test]
    fn artefacts_of_a_gateway_are_what_upstream_reads() {
        let restored = Restored::gateway(secret(7), &Recognise::Nothing).unwrap();
        let artefacts = restored.artefacts("gw").unwrap();
        assert!(artefacts.iter().all(|artefact| FILES.contains(&artefact.file)));
        let hex = "07".repeat(32);
        assert_eq!(*artefacts[0].text, format!("-encryptionKeySource=hex:{hex}\n-logLevel=error\n"));
        assert!(artefacts[1].text.contains(&format!("  ENCRYPTION_KEY_SOURCE: \"hex:{hex}\"\n")));
        assert_eq!(*artefacts[2].text, format!("encryptionKeySource: \"hex:{hex}\"\nlogLevel: \"error\"\n"));
        let wrong = Recognise::Document("AAAA".into());
        assert_eq!(Restored::gateway(secret(7), &wrong).err(), Some(Error::Document));
    }

    #[test]
    fn t6_the_secret_of_somebody_in_the_middle_is_refused() {
        let (found, expected) = (rpc_key(8), rpc_key(7));
        assert_eq!(Restored::network(secret(8), expected).err(), Some(Error::RpcKey { found, expected }));
        assert_eq!(Restored::network(secret(8), RpcKey::OF_ZERO).err(), Some(Error::ExpectedZero));
    }

    /// What happens to those who paste it themselves.
    #[test]
    fn t1_a_node_reads_what_it_cannot_read_as_zeros() {
        let hex = "07".repeat(32);
        assert_eq!(*as_node_reads(&format!("0x{hex}")), [0; 32]);
        assert_eq!(*as_node_reads(""), [0; 32]);
        assert_eq!(*as_node_reads(&hex), [7; 32]);
        let typo = format!("{}zz{}", &hex[..8], &hex[10..]);
        assert_eq!(as_node_reads(&typo)[..28], [0; 28]);
        assert_eq!(as_node_reads(&typo)[28..], [7; 4]);
        assert_eq!(as_node_reads(&hex[2..])[0], 0);
    }
}
