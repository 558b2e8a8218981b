//! Names of things: networks, keys, versions, digests, operators. All are hashes with their own types.

use core::fmt;
use core::str::FromStr;

use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A hexadecimal string had the wrong length or a wrong character.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes in hexadecimal")]
pub struct HexError {
    expected: usize,
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All bytes zero: the value that stands for "none" in a header.
            pub const ZERO: Self = Self([0; $len]);

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Is this the value that stands for "none"?
            #[must_use]
            pub fn is_zero(&self) -> bool {
                *self == Self::ZERO
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                let error = HexError { expected: $len };
                let digits = text.strip_prefix("0x").unwrap_or(text);
                let bytes = hex::decode(digits).map_err(|_| error.clone())?;
                Ok(Self(bytes.try_into().map_err(|_| error)?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bytes_id!(
    /// A network: `H(enc(tag, anchor, salt, H(first Config)))`, 32 bytes. Never changes.
    NetworkId, 32, ""
);
bytes_id!(
    /// A key of a network: `H(enc(tag, network, name))`, 32 bytes.
    KeyId, 32, ""
);
bytes_id!(
    /// A version of a key: the hash of a round's result, 32 bytes. Never a clock.
    VersionId, 32, ""
);
bytes_id!(
    /// Any other keccak256 hash, 32 bytes.
    Digest, 32, ""
);
bytes_id!(
    /// An operator: the last 20 bytes of `H(BN254 key in G2, EigenLayer's order)`.
    Address, 20, "0x"
);

impl NetworkId {
    /// `H(enc(tag, anchor, salt, H(first Config)))`; the anchor is the first orderer's Ed25519 key.
    #[must_use]
    pub fn derive(anchor: &[u8; 32], salt: &[u8; 32], first_config: &Digest) -> Self {
        let writer = Writer::new(tags::DKG_NETWORK).fixed(anchor).fixed(salt);
        Self(writer.fixed(&first_config.0).hash())
    }
}

impl KeyId {
    /// `H(enc(tag, network, name))`.
    #[must_use]
    pub fn derive(network: &NetworkId, name: &str) -> Self {
        let writer = Writer::new(tags::DKG_KEY_ID).fixed(&network.0);
        Self(writer.bytes(name.as_bytes()).hash())
    }
}

impl Address {
    /// The address of the operator with this key.
    #[must_use]
    pub fn of(key: &bn254::PublicKey) -> Self {
        Self(key.address())
    }
}
