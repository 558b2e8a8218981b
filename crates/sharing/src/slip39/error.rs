//! What is wrong with a mnemonic, a set or a plan. Places count from 1, as people do; no message holds a word or a value.

/// Why a line is no mnemonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Parse {
    /// A word is not in the list.
    #[error("word {0} is not in the word list")]
    UnknownWord(usize),
    /// Too few or too many words, or a number of words that no secret has.
    #[error("{0} words are no mnemonic; there are 20 for 128 bits and 33 for 256 bits")]
    Words(usize),
    /// The checksum is wrong; one wrong word explains it if there is a place.
    #[error("the checksum is wrong{}", .0.map(|place| format!(": look at word {place}")).unwrap_or_default())]
    Checksum(Option<usize>),
    /// More groups are needed than there are.
    #[error("the mnemonic needs {threshold} groups of {count}")]
    GroupThreshold {
        /// Groups that are needed.
        threshold: u8,
        /// Groups that exist.
        count: u8,
    },
    /// The padding is not zero.
    #[error("the padding is not zero")]
    Padding,
}

/// What differs between shares that should be of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The identifier.
    Identifier,
    /// The extendable flag.
    Extendable,
    /// The iteration exponent.
    Exponent,
    /// How many groups are needed.
    GroupThreshold,
    /// How many groups there are.
    GroupCount,
    /// How long the secret is.
    Length,
    /// How many members of one group are needed.
    MemberThreshold,
}

impl Field {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identifier => "identifier",
            Self::Extendable => "extendable flag",
            Self::Exponent => "iteration exponent",
            Self::GroupThreshold => "group threshold",
            Self::GroupCount => "group count",
            Self::Length => "length",
            Self::MemberThreshold => "member threshold",
        }
    }
}

/// Why shares do not combine, or a plan cannot be carried out. Shares are named by their place in what was given, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `1 <= t <= n <= 16`.
    #[error("{t} of {n} is not possible: 1 to {n} of at most 16")]
    Threshold {
        /// What is needed.
        t: u8,
        /// What there is.
        n: usize,
    },
    /// Several members of which each would hold the whole share of its group.
    #[error("1 of {0} members is not allowed; give the group one member")]
    OneOfMany(u8),
    /// Not 128 to 256 bits, or an odd number of bytes.
    #[error("a secret has 16 to 32 bytes and an even number of them, not {0}")]
    Secret(usize),
    /// An exponent that the format cannot hold, or more work than is allowed.
    #[error("the iteration exponent {exponent} is above {most}")]
    Exponent {
        /// The exponent.
        exponent: u8,
        /// The highest that is allowed.
        most: u8,
    },
    /// A passphrase with something else than printable ASCII.
    #[error("a passphrase of SLIP-39 has printable ASCII characters only")]
    Passphrase,
    /// No shares.
    #[error("there are no shares")]
    Empty,
    /// Shares of different sets.
    #[error("the shares are not of one set: {} differs in share {}", .field.name(), places(.shares))]
    Mixed {
        /// The first field that differs.
        field: Field,
        /// The shares that differ from the most.
        shares: Vec<usize>,
    },
    /// A share twice.
    #[error("shares {first} and {second} are the same member of a group")]
    Duplicate {
        /// One place.
        first: usize,
        /// The other.
        second: usize,
    },
    /// Fewer complete groups than are needed.
    #[error("{complete} complete groups, but {needed} are needed{}", missing(.groups))]
    TooFew {
        /// Groups with enough members.
        complete: usize,
        /// Groups that are needed.
        needed: usize,
        /// Of each group without enough members: its number from 1, members that are there, members that are needed.
        groups: Vec<(u8, usize, usize)>,
    },
    /// The digest of the secret is wrong: at least one of these shares is.
    #[error("the digest is wrong: at least one of the shares {} is not right", places(.0))]
    Digest(Vec<usize>),
}

fn places(places: &[usize]) -> String {
    let texts: Vec<String> = places.iter().map(usize::to_string).collect();
    texts.join(", ")
}

fn missing(groups: &[(u8, usize, usize)]) -> String {
    groups.iter().map(|(group, have, need)| format!("; group {group}: {have} of {need} shares")).collect()
}
