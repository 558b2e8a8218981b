//! What is backed up, as a SLIP-13 identity: `ten://backup@NETWORK/network-secret`, `ten://backup@NETWORK/gateway/NAME`.
//!
//! Each identity has a key of its own below one seed (SLIP-17):
//!
//! ```text
//! h    = SHA-256(LE32(0) || uri)
//! path = m/17'/a'/b'/c'/d'      a..d = the first four little-endian words of h, hardened
//! ```
//!
//! # Source
//!
//! SLIP-0013, SLIP-0017; trezor-firmware `apps/misc/get_ecdh_session_key.py`.

use std::fmt;
use std::str::FromStr;

use quorumkeep_curves::hash::sha256;
use quorumkeep_custody::names::Name;
use serde::{Deserialize, Serialize};

/// A hardened step of a path.
const HARDENED: u32 = 1 << 31;
const PURPOSE: u32 = 17;
const START: &str = "ten://backup@";

/// What is backed up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Instance {
    /// The secret that all nodes of a network share.
    NetworkSecret,
    /// The key with which one gateway, or several on one database, encrypts what it stores.
    Gateway(Name),
}

/// One secret of one network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identity {
    /// The network, as its operators call it.
    pub network: Name,
    /// Which of its secrets.
    pub instance: Instance,
}

/// Text that is no [`Identity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected ten://backup@NETWORK/network-secret or ten://backup@NETWORK/gateway/NAME")]
pub struct NotAnIdentity;

impl Identity {
    /// The network secret.
    #[must_use]
    pub const fn network_secret(network: Name) -> Self {
        Self { network, instance: Instance::NetworkSecret }
    }

    /// The key of a gateway.
    #[must_use]
    pub const fn gateway(network: Name, name: Name) -> Self {
        Self { network, instance: Instance::Gateway(name) }
    }

    /// Is it the network secret?
    #[must_use]
    pub fn is_network_secret(&self) -> bool {
        self.instance == Instance::NetworkSecret
    }

    /// The path from the master key, all steps hardened.
    #[must_use]
    pub fn path(&self) -> [u32; 5] {
        let index: u32 = 0;
        slip17(&[&index.to_le_bytes(), self.to_string().as_bytes()].concat())
    }

    /// A name for files: `network-secret`, `gateway-NAME`.
    #[must_use]
    pub fn file_name(&self) -> String {
        match &self.instance {
            Instance::NetworkSecret => "network-secret".to_owned(),
            Instance::Gateway(name) => format!("gateway-{name}"),
        }
    }
}

fn slip17(indexed: &[u8]) -> [u32; 5] {
    let hash = sha256(indexed);
    let mut path = [PURPOSE | HARDENED; 5];
    for (step, word) in path.iter_mut().skip(1).zip(hash.chunks_exact(4)) {
        *step = word.try_into().map_or(0, u32::from_le_bytes) | HARDENED;
    }
    path
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{START}{}/", self.network)?;
        match &self.instance {
            Instance::NetworkSecret => f.write_str("network-secret"),
            Instance::Gateway(name) => write!(f, "gateway/{name}"),
        }
    }
}

impl FromStr for Identity {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        let name = |text: &str| text.parse::<Name>().map_err(|_| NotAnIdentity);
        let (network, instance) =
            text.strip_prefix(START).and_then(|rest| rest.split_once('/')).ok_or(NotAnIdentity)?;
        let instance = match instance.strip_prefix("gateway/") {
            Some(gateway) => Instance::Gateway(name(gateway)?),
            None if instance == "network-secret" => Instance::NetworkSecret,
            None => return Err(NotAnIdentity),
        };
        Ok(Self { network: name(network)?, instance })
    }
}

impl TryFrom<String> for Identity {
    type Error = NotAnIdentity;

    fn try_from(text: String) -> Result<Self, NotAnIdentity> {
        text.parse()
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_one_text_and_its_path_is_that_of_slip_17() {
        let network = "ten://backup@mainnet/network-secret";
        let identity: Identity = network.parse().unwrap();
        assert!(identity.is_network_secret());
        assert_eq!(identity.to_string(), network);
        assert_eq!(identity.path(), [2147483665, 2969954145, 4031557575, 3488317610, 3056638802]);
        let gateway: Identity = "ten://backup@mainnet/gateway/gw-01".parse().unwrap();
        assert_eq!(gateway, Identity::gateway("mainnet".parse().unwrap(), "gw-01".parse().unwrap()));
        assert_eq!(gateway.path(), [2147483665, 3304865112, 3503733904, 3864022176, 2501468745]);
        assert_eq!(gateway.file_name(), "gateway-gw-01");
        assert_eq!(serde_json::to_string(&gateway).unwrap(), "\"ten://backup@mainnet/gateway/gw-01\"");
    }

    #[test]
    fn text_that_could_be_another_identity_is_refused() {
        for bad in [
            "",
            "ten://backup@mainnet",
            "ten://backup@mainnet/",
            "ten://backup@mainnet/network-secret/",
            "ten://backup@mainnet/Network-secret",
            "ten://backup@main.net/network-secret",
            "ten://backup@/network-secret",
            "ten://backup@mainnet/gateway/",
            "ten://backup@mainnet/gateway/../a",
            "ten://backup@mainnet/gateway/a/b",
            "ten://other@mainnet/network-secret",
            " ten://backup@mainnet/network-secret",
        ] {
            assert_eq!(bad.parse::<Identity>(), Err(NotAnIdentity), "{bad}");
        }
    }
}
