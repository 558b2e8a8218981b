//! What L1 knows of enclaves: `NetworkEnclaveRegistry`, asked with `eth_call`.
//!
//! ```text
//! {"method":"eth_call","params":[{"to":REGISTRY,"data":0x || selector || address},"latest"]}  ->  "0x" || 32 bytes, 0 or 1
//!     isAttested(address)    the enclave was attested by a sequencer, or began the network
//!     isSequencer(address)   it may attest others; the owner of the contract grants and revokes this
//! ```
//!
//! A new sequencer enclave is attested by one that is a sequencer. If none lives, only the owner of the contract can help, and
//! with `grantSequencerEnclave` only if an enclave lives that is attested.
//!
//! # Security
//!
//! An RPC of L1 is believed: whoever answers there can say what he likes. Nothing is decided by it but what people are told.
//!
//! # Source
//!
//! go-ten `contracts/src/l1_management/contracts/NetworkEnclaveRegistry.sol`; the Solidity ABI specification (function
//! selectors, `address`, `bool`); EIP-55.

use std::fmt;
use std::str::FromStr;

use quorumkeep_curves::hash::keccak256;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::jsonrpc::{self, Reply};
use super::{Client, Endpoint, Error, printable};

/// Bytes of an address of Ethereum.
pub const ADDRESS_BYTES: usize = 20;
/// Bytes of a word of the ABI.
const WORD: usize = 32;
const EXPECTED: &str = "the enclave registry";

/// An address of Ethereum. Public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address([u8; ADDRESS_BYTES]);

/// What is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not `0x` and 40 digits.
    #[error("an address is 0x and 40 hexadecimal digits")]
    Form,
    /// Capital and small letters are mixed, but not as EIP-55 says: a digit is wrong.
    #[error("the capital letters of the address are not those of EIP-55: a digit is wrong")]
    Checksum,
    /// No contract and no enclave has it.
    #[error("the address is zero")]
    Zero,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let digits = text.strip_prefix("0x").ok_or(BadAddress::Form)?;
        let mut bytes = [0; ADDRESS_BYTES];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| BadAddress::Form)?;
        let (address, has) = (Self(bytes), |test: fn(&u8) -> bool| digits.as_bytes().iter().any(test));
        if bytes == [0; ADDRESS_BYTES] {
            return Err(BadAddress::Zero);
        }
        let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        if is_mixed && address.to_string() != text { Err(BadAddress::Checksum) } else { Ok(address) }
    }
}

impl fmt::Display for Address {
    /// With the capital letters of EIP-55.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        let hash = hex::encode(keccak256(digits.as_bytes()));
        let cased = digits.chars().zip(hash.chars());
        let cased = cased.map(|(digit, hash)| if hash >= '8' { digit.to_ascii_uppercase() } else { digit });
        write!(f, "0x{}", cased.collect::<String>())
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the registry knows of one enclave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Enclave {
    /// The address of its key.
    pub enclave: Address,
    /// `isAttested`.
    pub attested: bool,
    /// `isSequencer`.
    pub sequencer: bool,
}

/// The registry of a network.
pub struct Registry {
    client: Client,
    at: Endpoint,
    contract: Address,
}

impl Registry {
    /// The contract at this address, asked through an RPC of L1. Does not connect yet.
    #[must_use]
    pub const fn new(client: Client, at: Endpoint, contract: Address) -> Self {
        Self { client, at, contract }
    }

    /// What it knows of an enclave now.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Malformed`] where no contract answers like the registry, [`Error::Contract`] where it refuses.
    pub async fn enclave(&self, enclave: Address) -> Result<Enclave, Error> {
        let attested = self.call("isAttested(address)", enclave).await?;
        let sequencer = self.call("isSequencer(address)", enclave).await?;
        Ok(Enclave { enclave, attested, sequencer })
    }

    async fn call(&self, function: &str, enclave: Address) -> Result<bool, Error> {
        let data = format!("0x{}", hex::encode(calldata(function, &enclave)));
        let params = json!([{ "to": self.contract, "data": data }, "latest"]);
        match jsonrpc::call(&self.client, &self.at, EXPECTED, "eth_call", &params).await? {
            Reply::Result(result) => truth(&result).map_err(|text| self.malformed(text)),
            Reply::Refused { code, text } => {
                let text = format!("{} (code {code})", printable(text.as_bytes()));
                Err(Error::Contract { at: self.at.to_string(), text })
            }
        }
    }

    fn malformed(&self, why: &str) -> Error {
        let text = format!("{why} (contract {})", self.contract);
        Error::Malformed { at: self.at.to_string(), expected: EXPECTED, text }
    }
}

/// The first four bytes of the hash of a function's signature, then its argument as a word.
fn calldata(function: &str, argument: &Address) -> Vec<u8> {
    let selector = keccak256(function.as_bytes());
    [&selector[..4], &[0; WORD - ADDRESS_BYTES], &argument.0].concat()
}

/// One `bool` of the ABI, and nothing else.
fn truth(result: &Value) -> Result<bool, &'static str> {
    let digits = result.as_str().and_then(|text| text.strip_prefix("0x")).ok_or("the result is no hexadecimal")?;
    if digits.is_empty() {
        return Err("there is no contract at the address, or it has no such function");
    }
    let mut word = [0; WORD];
    hex::decode_to_slice(digits, &mut word).map_err(|_| "the result is not 32 bytes")?;
    match word {
        [zeros @ .., truth @ (0 | 1)] if zeros == [0; WORD - 1] => Ok(truth == 1),
        _ => Err("the result is neither true nor false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKED: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    #[test]
    fn calls_are_those_of_upstreams_bindings() {
        let address: Address = CHECKED.parse().unwrap();
        for (function, selector) in [("isAttested(address)", "3c23afba"), ("isSequencer(address)", "6d46e987")] {
            let data = hex::encode(calldata(function, &address));
            assert_eq!(data, format!("{selector}{}{}", "0".repeat(24), CHECKED[2..].to_lowercase()));
        }
    }

    /// The first is an example of EIP-55.
    #[test]
    fn addresses_are_checked() {
        assert_eq!(CHECKED.parse::<Address>().unwrap().to_string(), CHECKED);
        assert_eq!(CHECKED.to_lowercase().parse::<Address>().unwrap().to_string(), CHECKED);
        let flipped = CHECKED.replacen("aAeb", "aaeb", 1);
        assert_eq!(flipped.parse::<Address>(), Err(BadAddress::Checksum));
        assert_eq!(format!("0x{}", "0".repeat(40)).parse::<Address>(), Err(BadAddress::Zero));
        for bad in ["", "0x", &CHECKED[2..], &CHECKED[..41], &format!("{CHECKED}0"), &CHECKED.replace('5', "g")] {
            assert_eq!(bad.parse::<Address>(), Err(BadAddress::Form), "{bad}");
        }
    }

    #[test]
    fn a_truth_is_one_word_of_zero_or_one() {
        let word = |last: &str| json!(format!("0x{}{last}", "0".repeat(62)));
        assert_eq!((truth(&word("00")), truth(&word("01"))), (Ok(false), Ok(true)));
        for bad in [
            word("02"),
            word("1"),
            word("0001"),
            json!("0x"),
            json!(""),
            json!("0x01"),
            json!(1),
            json!(true),
            json!(format!("0x01{}01", "0".repeat(60))),
            json!("0".repeat(64)),
        ] {
            assert!(truth(&bad).is_err(), "{bad}");
        }
    }
}
