//! `draft.json`: governed records on their way from operator to operator, until enough of them have signed.

use std::path::Path;

use quorumkeep_curves::bn254;
use quorumkeep_dkg::config::{Config, Genesis, check_governed, governed_header, sign_governed};
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, KeyId, NetworkId};
use quorumkeep_server::files::read_bounded;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure, Result, json_error};

const BYTES_MAX: u64 = 4 * 1024 * 1024;
const RECORDS_MAX: usize = 8;

/// Who has to sign. For people only: the board and every node count by the configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signers {
    /// How many.
    pub needed: u16,
    /// Of whom.
    pub operators: Vec<Address>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    network: NetworkId,
    signers: Signers,
    records: Vec<String>,
}

/// Governed records with the signatures so far.
pub struct Draft {
    /// The network.
    pub network: NetworkId,
    /// Who has to sign.
    pub signers: Signers,
    /// The records, in the order in which they are posted.
    pub records: Vec<Envelope>,
}

/// What a governed record says.
pub enum Said {
    /// A configuration.
    Config(Box<Config>),
    /// Permission to generate a key.
    Genesis(Genesis),
}

impl Draft {
    /// A draft that nobody signed, for the operators of `governing`.
    pub fn new(network: NetworkId, governing: &Config) -> Self {
        let operators = governing.roster.iter().map(|member| member.address).collect();
        Self { network, signers: Signers { needed: governing.threshold.get(), operators }, records: Vec::new() }
    }

    /// Adds a configuration.
    pub fn with_config(mut self, config: &Config) -> Self {
        let header = governed_header(self.network, KeyId::ZERO, Kind::Config);
        self.records.push(Envelope { header, body: config.encode(), signatures: Vec::new() });
        self
    }

    /// Adds the permission to generate a key.
    pub fn with_genesis(mut self, genesis: &Genesis) -> Self {
        let header = governed_header(self.network, KeyId::derive(&self.network, &genesis.name), Kind::Genesis);
        self.records.push(Envelope { header, body: genesis.encode(), signatures: Vec::new() });
        self
    }

    /// Reads a draft; every record is decoded and checked by itself.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, BYTES_MAX)?;
        let text: Text =
            serde_json::from_slice(&bytes).map_err(|error| json_error(&path.display().to_string(), &error))?;
        let bad = |what: String| Failure::new(Code::BadFile, format!("{}: {what}", path.display()));
        if text.records.is_empty() || text.records.len() > RECORDS_MAX {
            return Err(bad(format!("a draft has 1 to {RECORDS_MAX} records")));
        }
        let mut records = Vec::new();
        for (place, record) in text.records.iter().enumerate() {
            let bytes = hex::decode(record).map_err(|_| bad(format!("record {place} is not hexadecimal")))?;
            let envelope = Envelope::decode(&bytes).map_err(|error| bad(format!("record {place}: {error}")))?;
            said(&envelope).map_err(|error| error.about(format!("{}: record {place}", path.display())))?;
            if envelope.header.network != text.network {
                return Err(Failure::new(
                    Code::ForeignNetwork,
                    format!("{}: record {place} is of another network", path.display()),
                ));
            }
            records.push(envelope);
        }
        Ok(Self { network: text.network, signers: text.signers, records })
    }

    /// JSON, one newline at the end.
    pub fn to_json(&self) -> Result<String> {
        let records = self.records.iter().map(|record| hex::encode(record.encode())).collect();
        let text = Text { network: self.network, signers: self.signers.clone(), records };
        let text = serde_json::to_string_pretty(&text).map_err(|error| Failure::new(Code::Failed, error))?;
        Ok(text + "\n")
    }

    /// Adds one operator's signatures.
    pub fn sign(&mut self, key: &bn254::SecretKey) -> Result<()> {
        let address = Address::of(&key.public());
        if !self.signers.operators.contains(&address) {
            let message = format!("operator {address} is not among those who sign this draft");
            return Err(Failure::new(Code::NotASigner, message));
        }
        self.records.iter_mut().for_each(|record| sign_governed(record, key));
        Ok(())
    }

    /// Adds the signatures of another copy of the same draft.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        let same = self.network == other.network && self.records.len() == other.records.len();
        if !same {
            return Err(Failure::new(Code::ForeignNetwork, "the drafts are not copies of one draft"));
        }
        for (mine, theirs) in self.records.iter_mut().zip(other.records) {
            if mine.header != theirs.header || mine.body != theirs.body {
                return Err(Failure::new(Code::BadFile, "the drafts are not copies of one draft"));
            }
            for (address, signature) in theirs.signatures {
                if let Err(place) = mine.signatures.binary_search_by_key(&address, |(signer, _)| *signer) {
                    mine.signatures.insert(place, (address, signature));
                }
            }
        }
        Ok(())
    }

    /// Who has signed every record.
    pub fn signed(&self) -> Vec<Address> {
        let signs =
            |record: &Envelope, address: &Address| record.signatures.iter().any(|(signer, _)| signer == address);
        let all = |address: &&Address| self.records.iter().all(|record| signs(record, address));
        self.signers.operators.iter().filter(all).copied().collect()
    }

    /// Do enough operators of `governing` sign every record?
    pub fn check(&self, governing: &Config) -> Result<()> {
        self.records.iter().try_for_each(|record| Ok(check_governed(record, governing)?))
    }

    /// One line for each record.
    pub fn describe(&self) -> Vec<String> {
        self.records
            .iter()
            .map(|record| said(record).map_or_else(|error| error.message, |said| describe(&said)))
            .collect()
    }
}

/// What this record says; its own rules are checked.
pub fn said(envelope: &Envelope) -> Result<Said> {
    let malformed = |error| Failure::new(Code::BadFile, format!("the record is malformed: {error}"));
    match envelope.header.kind {
        Kind::Config => {
            let config = Config::decode(&envelope.body).map_err(malformed)?;
            config.check()?;
            if config.sequence == 0 {
                config.check_first(&envelope.header.network)?;
            }
            Ok(Said::Config(Box::new(config)))
        }
        Kind::Genesis => {
            let genesis = Genesis::decode(&envelope.body).map_err(malformed)?;
            if envelope.header.key != KeyId::derive(&envelope.header.network, &genesis.name) {
                return Err(Failure::new(Code::BadFile, "the record names another key than its header"));
            }
            Ok(Said::Genesis(genesis))
        }
        _ => Err(Failure::new(
            Code::BadFile,
            "the record is neither a configuration nor the permission to generate a key",
        )),
    }
}

fn describe(said: &Said) -> String {
    match said {
        Said::Config(config) => {
            let windows = &config.windows;
            let roster: Vec<String> = config
                .roster
                .iter()
                .map(|member| format!("\n    {:>3}  {}  {}", member.index.get(), member.address, member.socket))
                .collect();
            format!(
                "configuration {}: t = {} of n = {}, keys by {}, a round every {} blocks, windows {},{},{},{}, settle margin {}{}",
                config.sequence,
                config.threshold.get(),
                config.n(),
                config.protocol.name(),
                config.interval,
                windows.announce,
                windows.deal,
                windows.complain,
                windows.confirm,
                config.settle_margin,
                roster.concat(),
            )
        }
        Said::Genesis(genesis) => {
            format!(
                "permission to generate the key \"{}\", once, with at least {} operators",
                genesis.name, genesis.players_min
            )
        }
    }
}
