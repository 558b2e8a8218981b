//! Ciphersuites: the domain tags of one identity-based encryption, as values.
//!
//! The construction is the same for every suite (see [`crate::fo`]); only the tags differ. That is why drand's own
//! ciphertexts open here, and why a key of one suite is useless in another.

use quorumkeep_curves::tags;

/// The signature DST that drand's quicknet and EigenX both hash identities under.
///
/// Under this tag an application key *is* a BLS signature on its name, which is why the product has its own.
pub(crate) const BLS_SIGNATURE_DST: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

/// The tags of one encryption: `H1` (identity to G1), `H2` (Gt to mask), `H3` (to the scalar `r`), `H4` (to mask).
///
/// `H2`, `H3` and `H4` are SHA-256 over `tag || input`, where every input has a fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// RFC 9380 domain separation tag of `H1`.
    pub g1_dst: &'static [u8],
    /// Prefix of `H2`: the mask over `sigma`, from the pairing value.
    pub h2: &'static [u8],
    /// Prefix of `H3`: the scalar `r`, from `sigma` and the message.
    pub h3: &'static [u8],
    /// Prefix of `H4`: the mask over the message, from `sigma`.
    pub h4: &'static [u8],
}

impl Suite {
    /// This product's suite.
    pub const QUORUMKEEP: Suite = Suite {
        g1_dst: tags::IBE_IDENTITY.as_bytes(),
        h2: tags::IBE_H2.as_bytes(),
        h3: tags::IBE_H3.as_bytes(),
        h4: tags::IBE_H4.as_bytes(),
    };

    /// drand's quicknet (`bls-unchained-g1-rfc9380`), as `drand/tlock` uses it.
    ///
    /// # Source
    /// `drand/kyber` `encrypt/ibe/ibe.go`: `H2Tag`, `H3Tag`, `H4Tag`.
    pub const DRAND_QUICKNET: Suite = Suite { g1_dst: BLS_SIGNATURE_DST, h2: b"IBE-H2", h3: b"IBE-H3", h4: b"IBE-H4" };
}
