//! SLIP-39: secrets as sets of mnemonics, which people write down and a Trezor reads.
//!
//! A master secret of 128 to 256 bits is encrypted with a passphrase (perhaps the empty one) and shared twice: among groups,
//! and the share of each group among its members. A share is 20 to 33 words of a list of 1024; the first two words are the same
//! in a whole set and the first three in a group.
//!
//! | what | |
//! |---|---|
//! | [`Share`] | one mnemonic: [`Share::parse`], [`Share::mnemonic`] |
//! | [`Header`] | its public part |
//! | [`split`] | a new set |
//! | [`combine`] | the secret of a pool of shares: surplus ones are checked, bad ones are named |
//!
//! # Security
//!
//! The digest in a set tells wrong shares from right ones if a threshold is above 1; nothing tells a wrong passphrase from the
//! right one, which gives another secret. Whoever restores compares with something that he knows of the secret, such as its
//! public key. Words are looked up in constant time, as everything that touches secrets.
//!
//! # Source
//!
//! SLIP-0039 (satoshilabs/slips) with the extendable flag; `wordlist.txt` is its list.

mod checksum;
mod cipher;
mod combine;
mod error;
mod recover;
mod share;
mod split;
#[cfg(test)]
mod tests;
mod words;

pub use cipher::{Passphrase, iterations};
pub use combine::{Combined, EXPONENT_MAX, combine};
pub use error::{Error, Field, Parse};
pub use share::{Header, Share};
pub use split::{Group, Plan, split};

/// Bytes of the shortest secret.
pub const SECRET_BYTES_MIN: usize = 16;
/// Bytes of the longest secret that is shared here; other tools share longer ones, which [`combine`] accepts up to twice this.
pub const SECRET_BYTES_MAX: usize = 32;
/// Groups of a set, and members of a group.
pub const COUNT_MAX: u8 = 16;
/// Words of the longest mnemonic: of 512 bits.
pub const WORDS_MAX: usize = 59;
