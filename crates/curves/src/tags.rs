//! Every domain separation tag of the product, in one place. Changing one breaks what was signed or stored under it.
//!
//! A tag is `QUORUMKEEP_<CRATE>_<OPERATION>_V1`; one that is used as the DST of a hash-to-curve ends in the name of
//! its RFC 9380 suite. Every tag begins with the product's name, so no tagged encoding can be read as a foreign
//! signed message (in particular not as `0x19 0x01 ...` of EIP-712).

/// A domain separation tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(&'static str);

impl Tag {
    /// A tag with this text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The text as bytes: what is hashed, and the DST of a hash-to-curve.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Tag = Tag($text);)*
        /// All tags of this file. A test shows that no tag is the beginning of another.
        pub const ALL: &[Tag] = &[$($name),*];
    };
}

tags! {
    /// Coefficients of a batched check of Schnorr proofs.
    BLS_BATCH = "QUORUMKEEP_CURVES_BLS_BATCH_V1";
    /// Digits of the subgroup check of many points.
    BLS_SUBGROUP = "QUORUMKEEP_CURVES_BLS_SUBGROUP_V1";
    /// A Schnorr proof without a context of its own (tests and examples).
    SCHNORR = "QUORUMKEEP_CURVES_SCHNORR_V1";
    /// Coefficients of a batched check of BN254 signatures.
    BN254_BATCH = "QUORUMKEEP_CURVES_BN254_BATCH_V1";
    /// The blinding of a BN254 secret in a multiplication that is not constant-time.
    BN254_BLIND = "QUORUMKEEP_CURVES_BN254_BLIND_V1";
    /// Proof of possession of a BN254 key, bound to the operator's address.
    BN254_POSSESSION = "QUORUMKEEP_CURVES_BN254_POSSESSION_V1";
    /// Coefficients of the batched check of dealings.
    SHARING_BATCH = "QUORUMKEEP_SHARING_BATCH_V1";
    /// Coefficients of the batched check of dealings under hiding commitments.
    SHARING_HIDING_BATCH = "QUORUMKEEP_SHARING_HIDING_BATCH_V1";
    /// Hash of a list of points.
    SHARING_POINTS = "QUORUMKEEP_SHARING_POINTS_V1";
    /// The network id.
    DKG_NETWORK = "QUORUMKEEP_DKG_NETWORK_V1";
    /// A Config record.
    DKG_CONFIG = "QUORUMKEEP_DKG_CONFIG_V1";
    /// A Genesis record.
    DKG_GENESIS = "QUORUMKEEP_DKG_GENESIS_V1";
    /// The key id.
    DKG_KEY_ID = "QUORUMKEEP_DKG_KEY_ID_V1";
    /// The digest that an Announce signs.
    DKG_TRIGGER_DIGEST = "QUORUMKEEP_DKG_TRIGGER_DIGEST_V1";
    /// The digest that every record after Announce signs.
    DKG_INFO_DIGEST = "QUORUMKEEP_DKG_INFO_DIGEST_V1";
    /// The payload of a signed record.
    DKG_RECORD = "QUORUMKEEP_DKG_RECORD_V1";
    /// The encoding of an envelope.
    DKG_ENVELOPE = "QUORUMKEEP_DKG_ENVELOPE_V1";
    /// What BN254 signs: `tag || header || H(body)`.
    DKG_PAYLOAD = "QUORUMKEEP_DKG_PAYLOAD_V1";
    /// The body of an App record, and what its owner signs.
    DKG_APP = "QUORUMKEEP_DKG_APP_V1";
    /// The body of a Deal record.
    DKG_DEAL = "QUORUMKEEP_DKG_DEAL_V1";
    /// The list of hashes that a dealer signs.
    DKG_DEAL_PARTS = "QUORUMKEEP_DKG_PARTS_V1";
    /// The body of a Complain record.
    DKG_COMPLAIN = "QUORUMKEEP_DKG_COMPLAIN_V1";
    /// The body of an Extract record.
    DKG_EXTRACT = "QUORUMKEEP_DKG_EXTRACT_V1";
    /// The factors `rho_k` of a link proof.
    DKG_LINK_FACTOR = "QUORUMKEEP_DKG_LINK_FACTOR_V1";
    /// The challenge of a link proof.
    DKG_LINK_CHALLENGE = "QUORUMKEEP_DKG_LINK_CHALLENGE_V1";
    /// The body of a Reconstruct record.
    DKG_RECONSTRUCT = "QUORUMKEEP_DKG_RECONSTRUCT_V1";
    /// The second generator `h` of a Pedersen generation, from the players' nonces.
    DKG_HIDING_BASE = "QUORUMKEEP_DKG_HIDING_BASE_V1_BLS12381G1_XMD:SHA-256_SSWU_RO_";
    /// The body of a Confirm record.
    DKG_CONFIRM = "QUORUMKEEP_DKG_CONFIRM_V1";
    /// The public result of a version.
    DKG_OUTPUT = "QUORUMKEEP_DKG_OUTPUT_V1";
    /// The state that follows from the board, kept on disk.
    DKG_LEDGER = "QUORUMKEEP_DKG_LEDGER_V1";
    /// Everything that a dealer or player derives from a round's seed.
    DKG_DERIVE = "QUORUMKEEP_DKG_DERIVE_V1";
    /// The head of an empty board.
    BOARD_ORIGIN = "QUORUMKEEP_BOARD_ORIGIN_V1";
    /// A block of the orderer.
    BOARD_BLOCK = "QUORUMKEEP_BOARD_BLOCK_V1";
    /// The newest height and hash of the board, signed by the orderer.
    BOARD_HEAD = "QUORUMKEEP_BOARD_HEAD_V1";
    /// An Announce record.
    DKG_ANNOUNCE = "QUORUMKEEP_DKG_ANNOUNCE_V1";
    /// Proof of `e` in an Announce.
    DKG_ANNOUNCE_PROOF = "QUORUMKEEP_DKG_ANNOUNCE_PROOF_V1";
    /// Proof of a held share in an Announce.
    DKG_HOLDING_PROOF = "QUORUMKEEP_DKG_HOLDING_PROOF_V1";
    /// The core of a Deal.
    DKG_CORE = "QUORUMKEEP_DKG_CORE_V1";
    /// Proof of `r` in a Deal.
    DKG_PROOF_R = "QUORUMKEEP_DKG_PROOF_R_V1";
    /// Proof of `a_0` in a Deal.
    DKG_PROOF_A0 = "QUORUMKEEP_DKG_PROOF_A0_V1";
    /// The pad of an encrypted dealing.
    DKG_PAD = "QUORUMKEEP_DKG_PAD_V1";
    /// The version id.
    DKG_VERSION_ID = "QUORUMKEEP_DKG_VERSION_ID_V1";
    /// Proof of the new share in a Confirm.
    DKG_CONFIRM_PROOF = "QUORUMKEEP_DKG_CONFIRM_PROOF_V1";
    /// The second generator of a Pedersen DKG.
    DKG_PEDERSEN_H = "QUORUMKEEP_DKG_PEDERSEN_H_V1_BLS12381G1_XMD:SHA-256_SSWU_RO_";
    /// The link proof of a Pedersen DKG.
    DKG_LINK_PROOF = "QUORUMKEEP_DKG_LINK_PROOF_V1";
    /// The body of a Start record.
    DKG_START = "QUORUMKEEP_DKG_START_V1";
    /// The receipt for a Deal that came peer to peer.
    DKG_ACK = "QUORUMKEEP_DKG_ACK_V1";
    /// Derivation of a round's secrets from its seed.
    DKG_ROUND_ROOT = "QUORUMKEEP_DKG_ROUND_ROOT_V1";
    /// The nonce of a proof.
    DKG_PROOF_NONCE = "QUORUMKEEP_DKG_PROOF_NONCE_V1";
    /// The identity of an application: its point `Q`.
    IBE_IDENTITY = "QUORUMKEEP_IBE_IDENTITY_V1_BLS12381G1_XMD:SHA-256_SSWU_RO_";
    /// `H2` of the encryption: from the pairing to a mask.
    IBE_H2 = "QUORUMKEEP_IBE_H2_V1";
    /// `H3` of the encryption: from `sigma` and the message to `r`.
    IBE_H3 = "QUORUMKEEP_IBE_H3_V1";
    /// `H4` of the encryption: from `sigma` to a mask.
    IBE_H4 = "QUORUMKEEP_IBE_H4_V1";
    /// Coefficients of the batched verification of partial signatures.
    IBE_PARTIALS_BATCH = "QUORUMKEEP_IBE_PARTIALS_BATCH_V1";
    /// The identity of a node's readiness self-check, which is no application's.
    IBE_READINESS = "QUORUMKEEP_IBE_READINESS_V1_BLS12381G1_XMD:SHA-256_SSWU_RO_";
    /// The partial signature of a node, in its signed answer.
    NODE_PARTIAL = "QUORUMKEEP_NODE_PARTIAL_V1";
    /// What evidence claims: its hash names it.
    NODE_CLAIM = "QUORUMKEEP_NODE_CLAIM_V1";
    /// Evidence against an operator, as a file.
    NODE_EVIDENCE = "QUORUMKEEP_NODE_EVIDENCE_V1";
    /// What the owner of an application signs to get a partial signature.
    NODE_OWNER_REQUEST = "QUORUMKEEP_NODE_OWNER_REQUEST_V1";
    /// What a node signs under a version that it publishes.
    NODE_OUTPUT = "QUORUMKEEP_NODE_OUTPUT_V1";
    /// A block of the orderer.
    NODE_BLOCK = "QUORUMKEEP_NODE_BLOCK_V1";
    /// The binding of a TLS certificate to an operator.
    SERVER_TLS_BINDING = "QUORUMKEEP_SERVER_TLS_BINDING_V1";
    /// The associated data of a sealed value: which database and which row it belongs to.
    STORE_SEAL = "QUORUMKEEP_STORE_SEAL_V1";
    /// The associated data of a wrapped data key.
    STORE_WRAP = "QUORUMKEEP_STORE_WRAP_V1";
    /// The checksum of a public row.
    STORE_SUM = "QUORUMKEEP_STORE_SUM_V1";
    /// The identity of a custody: the hash of its charter.
    CUSTODY_CHARTER = "QUORUMKEEP_CUSTODY_CHARTER_V1";
    /// What people, guardians and processes sign when they ask for something.
    CUSTODY_REQUEST = "QUORUMKEEP_CUSTODY_REQUEST_V1";
    /// What a dealer signs under a manifest.
    CUSTODY_MANIFEST = "QUORUMKEEP_CUSTODY_MANIFEST_V1";
    /// What a guardian signs who has checked his share.
    CUSTODY_RECEIPT = "QUORUMKEEP_CUSTODY_RECEIPT_V1";
    /// What the service signs when it delivers an envelope.
    CUSTODY_VOUCHER = "QUORUMKEEP_CUSTODY_VOUCHER_V1";
    /// What names one share: its set, generation, index and guardian.
    CUSTODY_SHARE = "QUORUMKEEP_CUSTODY_SHARE_V1";
    /// The blinder of a share's commitment.
    CUSTODY_BLINDER = "QUORUMKEEP_CUSTODY_BLINDER_V1";
    /// The bases of a share's commitment.
    CUSTODY_BASE = "QUORUMKEEP_CUSTODY_BASE_V1";
    /// The second base of the commitments to a polynomial over the scalar field.
    CUSTODY_VSS_BASE = "QUORUMKEEP_CUSTODY_VSS_H_V1_BLS12381G1_XMD:SHA-256_SSWU_RO_";
    /// What recognises the key of a set.
    CUSTODY_RECOGNISER = "QUORUMKEEP_CUSTODY_RECOGNISER_V1";
    /// The key of a container.
    CUSTODY_CONTAINER = "QUORUMKEEP_CUSTODY_CONTAINER_V1";
    /// The keys of a guardian, a person or a process, derived from one seed.
    CUSTODY_KEYS = "QUORUMKEEP_CUSTODY_KEYS_V1";
    /// What signs the container of a TEN backup.
    TEN_BACKUP = "QUORUMKEEP_TEN_BACKUP_V1";
    /// The known secret in a canary: a ciphertext that shows that a backup key opens.
    TEN_CANARY = "QUORUMKEEP_TEN_CANARY_V1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v14_no_tag_begins_another_and_all_begin_with_the_name() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(a.as_str().starts_with("QUORUMKEEP_"), "{a:?}");
            assert!(a.as_bytes().len() < 256, "{a:?} is too long for a DST");
            for b in &ALL[i + 1..] {
                let (a, b) = (a.as_str(), b.as_str());
                assert!(!a.starts_with(b) && !b.starts_with(a), "{a} {b}");
            }
        }
    }
}
