//! The certificate extension that ties a TLS key to a key of the network.

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;
use quorumkeep_dkg::ids::{Address, NetworkId};

/// The extension's object identifier, below `2.25` (where everybody may take a number).
pub(super) const OID: &str = "2.25.173529073.1";
/// [`OID`] as numbers.
pub(super) const OID_ARCS: &[u64] = &[2, 25, 173_529_073, 1];

/// Who a certificate says it belongs to, and the signature that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    /// The network.
    pub(super) network: NetworkId,
    /// The operator; zero for the orderer.
    pub(super) address: Address,
    /// BN254 by an operator, Ed25519 by the orderer; both have 64 bytes.
    pub(super) signature: [u8; 64],
}

impl Binding {
    pub(super) fn encode(&self) -> Vec<u8> {
        let writer = Writer::new(tags::SERVER_TLS_BINDING).fixed(&self.network.0).fixed(&self.address.0);
        writer.fixed(&self.signature).finish()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::SERVER_TLS_BINDING)?;
        let (network, address) = (NetworkId(reader.fixed()?), Address(reader.fixed()?));
        let signature = reader.fixed()?;
        reader.finish()?;
        Ok(Self { network, address, signature })
    }
}

/// `H(enc(tag, network, address, SPKI, not_after))`; `spki` in DER, `not_after` in seconds since 1970.
pub(super) fn signed_hash(network: &NetworkId, address: &Address, spki: &[u8], not_after: u64) -> [u8; 32] {
    let writer = Writer::new(tags::SERVER_TLS_BINDING).fixed(&network.0).fixed(&address.0);
    writer.bytes(spki).u64(not_after).hash()
}
