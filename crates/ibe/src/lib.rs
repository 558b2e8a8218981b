//! Threshold partial signatures, identity-based encryption, the age recipient.
//!
//! An application is an identity: whoever knows the group key `Y = x*G2` encrypts to it, and the `t` nodes that hold
//! shares of `x` make its key `sigma = x*Q` together, each with one partial signature `sigma_j = x_j*Q`.
//!
//! | module | what |
//! |---|---|
//! | [`identity`] | [`AppId`], [`Format`], the identity bytes and the point `Q` |
//! | [`key`] | [`PartialSignature`], [`AppKey`]: sign, verify |
//! | [`mod@recover`] | `t` partials to one key; names who sent bad ones |
//! | [`fo`] | the encryption of a 16-byte file key, secure against chosen ciphertexts |
//! | [`suite`] | the domain tags of an encryption, ours and drand's |
//! | [`eigenx`] | EigenX ciphertexts |
//! | [`agefile`] | feature `age`: recipient, identity and stanza of age files |
//!
//! Randomness is an argument everywhere; only the implementations of age's own traits use the operating system's.
//!
//! # Example
//!
//! ```
//! use quorumkeep_curves::bls::SecretScalar;
//! use quorumkeep_ibe::{AppId, AppIdentity, AppKey, Format, Suite, fo, sign_partial};
//! # use rand_core::OsRng;
//! let identity = AppIdentity { network: [1; 32], key_id: [2; 32], app_id: AppId::parse("billing").unwrap(), epoch: 0 };
//! let q = identity.q(Format::Age);
//!
//! // One node that is the whole group; the module `recover` shows `t` of `n`.
//! let share = SecretScalar::random(&mut OsRng);
//! let group_key = share.mul_g2();
//! let kem = fo::encrypt(&Suite::QUORUMKEEP, &group_key, &q, b"sixteen byte key", &mut OsRng).unwrap();
//!
//! let key = AppKey::from_bytes(&sign_partial(&share, &q).expose()).unwrap();
//! assert!(key.verify(&q, &group_key));
//! assert_eq!(*fo::decrypt(&Suite::QUORUMKEEP, &key, &kem).unwrap(), *b"sixteen byte key");
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

#[cfg(feature = "age")]
pub mod agefile;
pub mod eigenx;
pub mod fo;
pub mod identity;
pub mod key;
pub mod recover;
pub mod suite;

#[cfg(test)]
mod tests;

pub use fo::{DecryptFailed, EncryptError, Encryptor, Kem};
pub use identity::{APP_ID_LEN_MAX, AppId, AppIdError, AppIdentity, Format, hash_identity, readiness_q};
pub use key::{AppKey, PartialSignature, PreparedShare, sign_partial, verify_partial};
pub use recover::{RecoverError, Recovered, recover, recover_named};
pub use suite::Suite;
