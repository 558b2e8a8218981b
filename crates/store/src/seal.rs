//! Sealed values: what they are bound to, and how they are opened.

use quorumkeep_curves::enc::Writer;
use quorumkeep_curves::tags::{self, Tag};
use quorumkeep_dkg::ids::{Address, NetworkId};
use zeroize::Zeroizing;

use crate::aead;
use crate::error::StoreError;
use crate::kek::{KekError, KekProvider};

/// The format of sealed values. A release that changes it seals everything again.
const FORMAT: u32 = 1;

/// Whose database it is. Part of everything that is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The network id.
    pub network: [u8; 32],
    /// The operator's address.
    pub address: [u8; 20],
}

impl Binding {
    /// The binding of the node of `address` in `network`.
    #[must_use]
    pub fn new(network: &NetworkId, address: &Address) -> Self {
        Self { network: network.0, address: address.0 }
    }
}

/// What a sealed value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Shows that the key-encryption key is the right one.
    Check = 0,
    /// The secrets of a round.
    RoundSecret = 1,
    /// A share.
    Share = 2,
}

impl Purpose {
    fn text(self) -> &'static str {
        match self {
            Self::Check => "the check value",
            Self::RoundSecret => "the secret of a round",
            Self::Share => "a share",
        }
    }
}

/// The row that a sealed value belongs to; what a kind does not have is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub purpose: Purpose,
    pub key: [u8; 32],
    pub version: [u8; 32],
    pub round: u64,
    pub index: u16,
}

impl Place {
    /// The value in the table `meta` that shows whether the key-encryption key is the right one.
    pub const CHECK: Self = Self { purpose: Purpose::Check, key: [0; 32], version: [0; 32], round: 0, index: 0 };

    pub fn round_secret(key: [u8; 32], round: u64) -> Self {
        Self { purpose: Purpose::RoundSecret, key, round, ..Self::CHECK }
    }

    pub fn share(key: [u8; 32], version: [u8; 32], round: u64, index: u16) -> Self {
        Self { purpose: Purpose::Share, key, version, round, index }
    }
}

/// A sealed value as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The data key under the key-encryption key.
    pub wrapped: Vec<u8>,
    /// The value under the data key.
    pub value: Vec<u8>,
}

/// Seals and opens under one generation of the key-encryption key.
pub struct Sealer<'a> {
    pub binding: &'a Binding,
    pub kek: &'a dyn KekProvider,
    pub generation: u64,
}

impl Sealer<'_> {
    /// Seals `plain` for `place` under a new data key.
    pub fn seal(&self, place: &Place, plain: &[u8]) -> Result<Sealed, StoreError> {
        let key = aead::random::<32>().map_err(|_| StoreError::Random)?;
        let value =
            aead::encrypt(&key, &self.bind(tags::STORE_SEAL, place).finish(), plain).map_err(|_| StoreError::Random)?;
        Ok(Sealed { wrapped: self.wrap(place, &key)?, value })
    }

    /// Opens a value of `N` bytes that stands at `place`.
    pub fn open<const N: usize>(&self, place: &Place, sealed: &Sealed) -> Result<Zeroizing<[u8; N]>, StoreError> {
        let key = self.unwrap(place, &sealed.wrapped)?;
        let aad = self.bind(tags::STORE_SEAL, place).finish();
        aead::decrypt(&key, &aad, &sealed.value).ok_or(StoreError::Unsealed { what: place.purpose.text() })
    }

    /// Wraps the data key of `place` under this generation.
    pub fn wrap(&self, place: &Place, key: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        Ok(self.kek.wrap(self.generation, &self.wrap_aad(place), key)?)
    }

    /// Opens the data key of `place`.
    pub fn unwrap(&self, place: &Place, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        self.kek.unwrap(self.generation, &self.wrap_aad(place), wrapped).map_err(|error| match error {
            KekError::Refused => StoreError::Unsealed { what: place.purpose.text() },
            error => error.into(),
        })
    }

    fn wrap_aad(&self, place: &Place) -> Vec<u8> {
        self.bind(tags::STORE_WRAP, place).u64(self.generation).finish()
    }

    /// `enc(tag, format, network, address, purpose, key, version, round, index)`.
    fn bind(&self, tag: Tag, place: &Place) -> Writer {
        let writer = Writer::new(tag).u32(FORMAT).fixed(&self.binding.network).fixed(&self.binding.address);
        let writer = writer.u8(place.purpose as u8).fixed(&place.key).fixed(&place.version);
        writer.u64(place.round).u16(place.index)
    }
}

/// The checksum of a public row: SQLite has none, and a disk may change a bit.
pub fn checksum(table: &str, fields: &[&[u8]]) -> [u8; 32] {
    let writer = Writer::new(tags::STORE_SUM).bytes(table.as_bytes()).list(fields.len());
    fields.iter().fold(writer, |writer, field| writer.bytes(field)).hash()
}
