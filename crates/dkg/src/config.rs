//! `Config` and `Genesis`: configuration lives on the board (protocol.md section 1).

use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::{rules, tags};
use quorumkeep_sharing::{Index, Threshold};

use crate::ids::{Address, Digest, NetworkId};
use crate::limits;

mod genesis;
mod governed;

pub use genesis::Genesis;
pub use governed::{check_governed, governed_header, sign_governed};

/// How keys are generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Protocol {
    /// Feldman with a proof of knowledge of every constant.
    Feldman = 1,
    /// New-DKG of Gennaro, Jarecki, Krawczyk and Rabin: hiding commitments first, so that nobody can bias the key.
    Pedersen = 2,
}

impl Protocol {
    /// The protocol of this number.
    ///
    /// # Errors
    /// [`Decode::Value`] for a number without a protocol.
    pub const fn from_u8(value: u8) -> Result<Self, Decode> {
        match value {
            1 => Ok(Self::Feldman),
            2 => Ok(Self::Pedersen),
            _ => Err(Decode::Value),
        }
    }

    /// The name, as a command line takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feldman => "feldman",
            Self::Pedersen => "pedersen",
        }
    }
}

/// BLS12-381 with commitments in G2, dealings by hashed ElGamal in G1.
pub const SUITE_BLS12381_G2: u16 = 1;

/// Who may change the configuration: exactly one authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Authority {
    /// At least `t` members of the roster sign.
    Roster = 1,
}

/// Lengths of the phases in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Phase 1.
    pub announce: u32,
    /// Phase 2, and the Extract phase of a Pedersen generation.
    pub deal: u32,
    /// Phase 3, and the Reconstruct phase of a Pedersen generation.
    pub complain: u32,
    /// Phase 5.
    pub confirm: u32,
}

impl Windows {
    /// All phases of the longest round under this protocol, in blocks.
    #[must_use]
    pub fn total(&self, protocol: Protocol) -> u64 {
        let [announce, deal, complain, confirm] =
            [self.announce, self.deal, self.complain, self.confirm].map(u64::from);
        match protocol {
            Protocol::Feldman => announce + deal + complain + confirm,
            Protocol::Pedersen => announce + 2 * (deal + complain) + confirm,
        }
    }
}

/// A member of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The evaluation point, assigned once, never used again.
    pub index: Index,
    /// The operator.
    pub address: Address,
    /// BN254 in G1 and G2.
    pub key: bn254::PublicKey,
    /// Proof of possession over address and both keys.
    pub possession: bn254::Signature,
    /// `host:port` of the node.
    pub socket: String,
}

/// A configuration of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// 0 for the first.
    pub sequence: u64,
    /// Makes the network id unique; the same in every successor.
    pub salt: [u8; 32],
    /// Digest of the predecessor; zero for the first.
    pub previous: Digest,
    /// `2 <= t <= n`.
    pub threshold: Threshold,
    /// For the next keys.
    pub protocol: Protocol,
    /// [`SUITE_BLS12381_G2`].
    pub suite: u16,
    /// A round starts at every height `k * interval`, `k >= 1`.
    pub interval: u32,
    /// Lengths of the phases.
    pub windows: Windows,
    /// `b`: `t + b` proofs of possession settle a version.
    pub settle_margin: u16,
    /// Blocks until a block is final; 0 with an orderer.
    pub finality: u32,
    /// Ed25519 keys of the owners.
    pub owners: Vec<[u8; 32]>,
    /// Who may replace this.
    pub authority: Authority,
    /// Ed25519 key of the orderer.
    pub orderer: [u8; 32],
    /// The highest index ever assigned.
    pub last_index: u16,
    /// The operators, ascending by index.
    pub roster: Vec<Member>,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The bytes are not a configuration.
    #[error("the record is malformed: {0}")]
    Decode(#[from] Decode),
    /// Fewer than two or more than [`limits::ROSTER_MAX`] members.
    #[error("a roster has 2 to {max} operators, not {found}", max = limits::ROSTER_MAX)]
    RosterSize {
        /// How many there are.
        found: usize,
    },
    /// Not `1 < t <= n`.
    #[error("the threshold must satisfy 1 < t <= {n}, not t = {t}")]
    Threshold {
        /// The threshold.
        t: u16,
        /// The size of the roster.
        n: usize,
    },
    /// One operator, key, index or socket twice.
    #[error("operator {address}: the same {what} stands twice in the roster")]
    Duplicate {
        /// The second of them.
        address: Address,
        /// What is doubled.
        what: &'static str,
    },
    /// The address is not the hash of the key, or the key is not the member's.
    #[error("operator {address}: {what}")]
    Member {
        /// Which.
        address: Address,
        /// What is wrong.
        what: &'static str,
    },
    /// Interval shorter than all windows, or a window of zero blocks.
    #[error("{0}")]
    Timing(&'static str),
    /// `b` above `n - t`.
    #[error("the settle margin b must be at most n - t = {max}, not {found}")]
    SettleMargin {
        /// The largest.
        max: usize,
        /// What it is.
        found: u16,
    },
    /// Not the successor of the configuration in force.
    #[error("this is not the successor of the configuration in force (sequence {expected}, previous {previous})")]
    NotSuccessor {
        /// The sequence number that comes next.
        expected: u64,
        /// The digest of the configuration in force.
        previous: Digest,
    },
    /// An index used before, or changed.
    #[error("operator {address}: index {index} was used before; new operators get an index above {last}")]
    IndexUsed {
        /// Which operator.
        address: Address,
        /// The index.
        index: u16,
        /// The highest index ever used.
        last: u16,
    },
    /// Too few of the holders stay.
    #[error("only {stay} holders of the key would stay, but {needed} are needed to hand it on")]
    TooFewStay {
        /// How many stay.
        stay: usize,
        /// The threshold of the key's version.
        needed: u16,
    },
    /// Fewer than `t` good signatures.
    #[error("{found} valid signatures of operators, but {needed} are needed")]
    Signatures {
        /// How many are valid.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Another network's record, or one that should not be governed.
    #[error("the record belongs to another network")]
    ForeignNetwork,
    /// The first configuration does not hash to the network id.
    #[error("the first configuration does not hash to the network id")]
    NotTheAnchor,
    /// A key of this name exists, or a bound is exceeded.
    #[error("{0}")]
    Genesis(&'static str),
}

impl Config {
    /// `H(enc(config))`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(quorumkeep_curves::hash::keccak256(&self.encode()))
    }

    /// The member with this address.
    #[must_use]
    pub fn member(&self, address: &Address) -> Option<&Member> {
        self.roster.iter().find(|member| member.address == *address)
    }

    /// `n`.
    #[must_use]
    pub fn n(&self) -> usize {
        self.roster.len()
    }

    /// `ceil((n - t) / 2)`: the default of `b`.
    #[must_use]
    pub fn default_settle_margin(n: usize, t: u16) -> u16 {
        u16::try_from(n.saturating_sub(usize::from(t)).div_ceil(2)).unwrap_or(u16::MAX)
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::DKG_CONFIG).u64(self.sequence).fixed(&self.salt).fixed(&self.previous.0);
        writer = writer.u16(self.threshold.get()).u8(self.protocol as u8).u16(self.suite).u32(self.interval);
        let windows = &self.windows;
        writer = writer.u32(windows.announce).u32(windows.deal).u32(windows.complain).u32(windows.confirm);
        writer = writer.u16(self.settle_margin).u32(self.finality).list(self.owners.len());
        for owner in &self.owners {
            writer = writer.fixed(owner);
        }
        writer = writer.u8(self.authority as u8).fixed(&self.orderer).u16(self.last_index).list(self.roster.len());
        for member in &self.roster {
            writer = writer.u16(member.index.get()).fixed(&member.address.0).fixed(&member.key.to_bytes());
            writer = writer.fixed(&member.possession.to_bytes()).bytes(member.socket.as_bytes());
        }
        writer.finish()
    }

    /// Reads one configuration; [`Config::check`] decides whether it is acceptable.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_CONFIG)?;
        let (sequence, salt, previous) = (reader.u64()?, reader.fixed()?, Digest(reader.fixed()?));
        let threshold = reader.u16()?;
        let protocol = Protocol::from_u8(reader.u8()?)?;
        let (suite, interval) = (reader.u16()?, reader.u32()?);
        let windows =
            Windows { announce: reader.u32()?, deal: reader.u32()?, complain: reader.u32()?, confirm: reader.u32()? };
        let (settle_margin, finality) = (reader.u16()?, reader.u32()?);
        let count = reader.list(limits::OWNERS_MAX)?;
        let owners = (0..count).map(|_| reader.fixed()).collect::<Result<_, _>>()?;
        let authority = if reader.u8()? == 1 { Authority::Roster } else { return Err(Decode::Value) };
        let (orderer, last_index) = (reader.fixed()?, reader.u16()?);
        let count = reader.list(limits::ROSTER_MAX)?;
        let roster = (0..count).map(|_| Member::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let n = u16::try_from(roster.len()).map_err(|_| Decode::Value)?;
        let threshold = Threshold::new(threshold, n).map_err(|_| Decode::Value)?;
        Ok(Self {
            sequence,
            salt,
            previous,
            threshold,
            protocol,
            suite,
            interval,
            windows,
            settle_margin,
            finality,
            owners,
            authority,
            orderer,
            last_index,
            roster,
        })
    }

    /// Everything that can be said of a configuration by itself: sizes, timing, roster, proofs of possession.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let n = self.n();
        if !(2..=limits::ROSTER_MAX).contains(&n) {
            return Err(ConfigError::RosterSize { found: n });
        }
        let t = self.threshold.get();
        if t < 2 || usize::from(t) > n {
            return Err(ConfigError::Threshold { t, n });
        }
        if usize::from(self.settle_margin) > n - usize::from(t) {
            return Err(ConfigError::SettleMargin { max: n - usize::from(t), found: self.settle_margin });
        }
        if self.suite != SUITE_BLS12381_G2 {
            return Err(ConfigError::Timing("unknown suite"));
        }
        self.check_timing()?;
        self.check_roster()
    }

    fn check_timing(&self) -> Result<(), ConfigError> {
        let windows = &self.windows;
        let each = [windows.announce, windows.deal, windows.complain, windows.confirm];
        if each.iter().any(|length| *length == 0 || *length <= self.finality) {
            return Err(ConfigError::Timing("every window must be longer than the finality depth"));
        }
        if self.interval > limits::INTERVAL_MAX || u64::from(self.interval) < windows.total(self.protocol) {
            return Err(ConfigError::Timing("the interval must hold all windows and at most 1000000 blocks"));
        }
        Ok(())
    }

    fn check_roster(&self) -> Result<(), ConfigError> {
        let mut seen: Vec<&Member> = Vec::with_capacity(self.n());
        for member in &self.roster {
            member.check()?;
            let address = member.address;
            if seen.iter().any(|other| other.address == address) {
                return Err(ConfigError::Duplicate { address, what: "operator" });
            }
            if seen.last().is_some_and(|last| last.index >= member.index) {
                return Err(ConfigError::Member { address, what: "indices must ascend without repetition" });
            }
            if seen.iter().any(|other| other.socket == member.socket) {
                return Err(ConfigError::Duplicate { address, what: "socket" });
            }
            if member.index.get() > self.last_index {
                return Err(ConfigError::Member { address, what: "its index is above the highest one assigned" });
            }
            seen.push(member);
        }
        Ok(())
    }

    /// The network that begins with this configuration.
    #[must_use]
    pub fn network_id(&self) -> NetworkId {
        NetworkId::derive(&self.orderer, &self.salt, &self.digest())
    }

    /// Is this the first configuration of `network`?
    ///
    /// # Errors
    /// [`ConfigError::NotSuccessor`] if it names a predecessor, [`ConfigError::NotTheAnchor`] if it is another network's.
    pub fn check_first(&self, network: &NetworkId) -> Result<(), ConfigError> {
        self.begins(network)?;
        self.check()
    }

    /// [`Config::check_first`] without what the configuration says by itself.
    pub(crate) fn begins(&self, network: &NetworkId) -> Result<(), ConfigError> {
        if self.sequence != 0 || !self.previous.is_zero() {
            return Err(ConfigError::NotSuccessor { expected: 0, previous: Digest::ZERO });
        }
        if self.network_id() != *network {
            return Err(ConfigError::NotTheAnchor);
        }
        Ok(())
    }

    /// May this replace `current`? (a replayed or forked configuration may not)
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_successor(&self, current: &Config) -> Result<(), ConfigError> {
        self.follows(current)?;
        self.check()
    }

    /// [`Config::check_successor`] without what the configuration says by itself.
    pub(crate) fn follows(&self, current: &Config) -> Result<(), ConfigError> {
        let (expected, previous) = (current.sequence + 1, current.digest());
        if (self.sequence != expected || self.previous != previous) && rules::on(rules::Rule::ConfigChain) {
            return Err(ConfigError::NotSuccessor { expected, previous });
        }
        if self.salt != current.salt {
            return Err(ConfigError::Genesis("the salt of a network never changes"));
        }
        if self.last_index < current.last_index {
            return Err(ConfigError::Genesis("the highest index ever assigned cannot fall"));
        }
        for member in &self.roster {
            member.check_continuity(current)?;
        }
        Ok(())
    }
}

impl Member {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        let index = Index::new(reader.u16()?).ok_or(Decode::Value)?;
        let address = Address(reader.fixed()?);
        let key = bn254::PublicKey::from_bytes(&reader.fixed()?)?;
        let possession = bn254::Signature::from_bytes(&reader.fixed()?)?;
        let socket = reader.bytes(limits::SOCKET_BYTES_MAX)?.to_vec();
        let socket = String::from_utf8(socket).map_err(|_| Decode::Value)?;
        Ok(Self { index, address, key, possession, socket })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let address = self.address;
        if Address::of(&self.key) != address {
            return Err(ConfigError::Member { address, what: "the address does not belong to the key" });
        }
        if !self.key.verify_possession(&address.0, &self.possession) {
            return Err(ConfigError::Member { address, what: "the proof of possession of its key is wrong" });
        }
        if !is_socket(&self.socket) {
            return Err(ConfigError::Member { address, what: "its socket is not of the form host:port" });
        }
        Ok(())
    }

    /// A member that stays keeps its index and key; a new one gets a new index.
    fn check_continuity(&self, current: &Config) -> Result<(), ConfigError> {
        let (address, index) = (self.address, self.index.get());
        let fresh = match current.member(&address) {
            Some(before) => before.index == self.index && before.key == self.key,
            None => index > current.last_index,
        };
        if fresh { Ok(()) } else { Err(ConfigError::IndexUsed { address, index, last: current.last_index }) }
    }
}

/// `host:port` with a name, an IPv4 address or a bracketed IPv6 address.
#[must_use]
pub fn is_socket(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let host_ok = !bare.is_empty() && bare.chars().all(allowed) && (bare != host || !bare.contains(':'));
    text.len() <= limits::SOCKET_BYTES_MAX && host_ok && port.parse::<u16>().is_ok_and(|port| port != 0)
}
