//! The public result of a round, and the version id that is its hash.

use quorumkeep_curves::bls::G2;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;
use quorumkeep_sharing::{Commitment, Index, Threshold};

use crate::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use crate::limits;

/// `Y_j` of one player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicShare {
    /// The player's evaluation point.
    pub index: Index,
    /// The player.
    pub address: Address,
    /// `Y_j = x_j * G2`.
    pub point: G2,
}

/// A version of a key as everybody may see it: `t` commitments and `|P|` public shares.
///
/// An output hashes to its version id, so it can be taken from anyone who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    network: NetworkId,
    key: KeyId,
    round: u64,
    info_digest: Digest,
    settle_margin: u16,
    cores: Vec<(Index, Digest)>,
    reconstructed: Vec<Index>,
    threshold: Threshold,
    commitment: Commitment,
    shares: Vec<PublicShare>,
    id: VersionId,
}

/// What an output is made of; see [`Output`].
pub(crate) struct Parts {
    pub network: NetworkId,
    pub key: KeyId,
    pub round: u64,
    pub info_digest: Digest,
    pub settle_margin: u16,
    pub cores: Vec<(Index, Digest)>,
    pub reconstructed: Vec<Index>,
    pub threshold: Threshold,
    pub commitment: Commitment,
    pub shares: Vec<PublicShare>,
}

impl Output {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { network, key, round, info_digest, settle_margin, cores, reconstructed, .. } = parts;
        let Parts { threshold, commitment, shares, .. } = parts;
        let id = VersionId::default();
        let mut output = Self {
            network,
            key,
            round,
            info_digest,
            settle_margin,
            cores,
            reconstructed,
            threshold,
            commitment,
            shares,
            id,
        };
        output.id = output.compute_id();
        output
    }

    /// `H(enc(tag, info_digest, [(dealer, core)], reconstructed dealers, H(A_0..A_{t-1}), H(Y_1..Y_|P|)))`, with what
    /// names the version (network, key, round, b) in front.
    fn compute_id(&self) -> VersionId {
        let mut writer = Writer::new(tags::DKG_VERSION_ID).fixed(&self.network.0).fixed(&self.key.0);
        writer = writer.u64(self.round).u16(self.settle_margin).fixed(&self.info_digest.0).list(self.cores.len());
        for (dealer, core) in &self.cores {
            writer = writer.u16(dealer.get()).fixed(&core.0);
        }
        let mut shares = Writer::raw().list(self.shares.len());
        for share in &self.shares {
            shares = shares.u16(share.index.get()).fixed(&share.address.0).fixed(&share.point.to_bytes());
        }
        let writer = self.write_reconstructed(writer);
        VersionId(writer.fixed(&hash_points(self.commitment.points()).0).fixed(&shares.hash()).hash())
    }

    fn write_reconstructed(&self, writer: Writer) -> Writer {
        let writer = writer.list(self.reconstructed.len());
        self.reconstructed.iter().fold(writer, |writer, index| writer.u16(index.get()))
    }

    /// The version id.
    #[must_use]
    pub fn id(&self) -> VersionId {
        self.id
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &KeyId {
        &self.key
    }

    /// The round that made it.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.round
    }

    /// `A_0..A_{t-1}`, `t` points of G2.
    #[must_use]
    pub fn commitment(&self) -> &Commitment {
        &self.commitment
    }

    /// `A_0`: the group's public key.
    #[must_use]
    pub fn group_key(&self) -> &G2 {
        self.commitment.constant()
    }

    /// `t`.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// `t + b`: how many proofs of possession settle this version.
    #[must_use]
    pub fn settle_count(&self) -> usize {
        usize::from(self.threshold().get()) + usize::from(self.settle_margin)
    }

    /// The public shares of all players, ascending by index.
    #[must_use]
    pub fn shares(&self) -> &[PublicShare] {
        &self.shares
    }

    /// The public share of this operator.
    #[must_use]
    pub fn share_of(&self, address: &Address) -> Option<&PublicShare> {
        self.shares.iter().find(|share| share.address == *address)
    }

    /// The dealers that the result is made of, with the core of each one's deal.
    #[must_use]
    pub fn cores(&self) -> &[(Index, Digest)] {
        &self.cores
    }

    /// The dealers that opened nothing, so that their polynomials are public; ascending.
    #[must_use]
    pub fn reconstructed(&self) -> &[Index] {
        &self.reconstructed
    }

    /// One byte string per value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(tags::DKG_OUTPUT).fixed(&self.network.0).fixed(&self.key.0).u64(self.round);
        writer = writer.u16(self.settle_margin).fixed(&self.info_digest.0).list(self.cores.len());
        for (dealer, core) in &self.cores {
            writer = writer.u16(dealer.get()).fixed(&core.0);
        }
        writer = self.write_reconstructed(writer).list(self.commitment.points().len());
        for point in self.commitment.points() {
            writer = writer.fixed(&point.to_bytes());
        }
        writer = writer.list(self.shares.len());
        for share in &self.shares {
            writer = writer.u16(share.index.get()).fixed(&share.address.0).fixed(&share.point.to_bytes());
        }
        writer.finish()
    }

    /// Reads one output and computes its version id. Whether that is the wanted version is the caller's comparison.
    ///
    /// # Errors
    /// [`Decode`] for anything but the one byte string of a value, or points outside the subgroup.
    pub fn decode(bytes: &[u8]) -> Result<Self, Decode> {
        let mut reader = Reader::tagged(bytes, tags::DKG_OUTPUT)?;
        let (network, key) = (NetworkId(reader.fixed()?), KeyId(reader.fixed()?));
        let (round, settle_margin) = (reader.u64()?, reader.u16()?);
        let info_digest = Digest(reader.fixed()?);
        let count = reader.list(limits::ROSTER_MAX)?;
        let core = |reader: &mut Reader<'_>| Ok::<_, Decode>((read_index(reader)?, Digest(reader.fixed()?)));
        let cores = (0..count).map(|_| core(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        let count = reader.list(limits::ROSTER_MAX)?;
        let reconstructed = (0..count).map(|_| read_index(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        let count = reader.list(limits::ROSTER_MAX)?;
        let points = (0..count).map(|_| read_sum(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        if points.first().is_none_or(G2::is_identity) {
            return Err(Decode::Identity);
        }
        let commitment = Commitment::new(points).map_err(|_| Decode::Value)?;
        let count = reader.list(limits::ROSTER_MAX)?;
        let shares = (0..count).map(|_| PublicShare::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let size = |count: usize| u16::try_from(count).map_err(|_| Decode::Value);
        let threshold = Threshold::new(size(commitment.points().len())?, size(shares.len())?);
        let threshold = threshold.map_err(|_| Decode::Value)?;
        if !shares.is_sorted_by(|a, b| a.index < b.index) {
            return Err(Decode::Value);
        }
        let parts = Parts {
            network,
            key,
            round,
            info_digest,
            settle_margin,
            cores,
            reconstructed,
            threshold,
            commitment,
            shares,
        };
        Ok(Self::new(parts))
    }
}

impl PublicShare {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        Ok(Self { index: read_index(reader)?, address: Address(reader.fixed()?), point: read_sum(reader)? })
    }
}

/// `H(enc(list of compressed points))`.
#[must_use]
pub fn hash_points(points: &[G2]) -> Digest {
    let writer = Writer::raw().list(points.len());
    Digest(points.iter().fold(writer, |writer, point| writer.fixed(&point.to_bytes())).hash())
}

pub(crate) fn read_index(reader: &mut Reader<'_>) -> Result<Index, Decode> {
    Index::new(reader.u16()?).ok_or(Decode::Value)
}

/// A point that is a sum of dealers' points. It may be the identity: a dealer who speaks last can make his own share, or
/// a higher coefficient, zero. That harms nobody but him, and a result that cannot be read back would harm everybody.
fn read_sum(reader: &mut Reader<'_>) -> Result<G2, Decode> {
    let bytes: [u8; 96] = reader.fixed()?;
    if bytes == G2::identity().to_bytes() { Ok(G2::identity()) } else { G2::from_bytes(&bytes) }
}
