//! What a dealer commits to, in the form of the round's protocol: `t` points of G2 (Feldman) or of G1 (Pedersen).

use quorumkeep_curves::bls::{G1, G2, OnCurve, check_all};
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_sharing::{Commitment, HidingCommitment};

use crate::config::Protocol;
use crate::limits;

/// One of two things, by protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed<F, P> {
    /// `C_k = a_k*G2`.
    Feldman(F),
    /// `C_k = a_k*G1 + b_k*h`.
    Pedersen(P),
}

/// Commitments of a deal in the making.
pub type Plain = Committed<Vec<G2>, Vec<G1>>;
/// Commitments as they stand on the board: on the curve, their subgroup not checked.
pub type Raw = Committed<Vec<OnCurve<G2>>, Vec<OnCurve<G1>>>;
/// Commitments of a verified deal.
pub type Checked = Committed<Commitment, HidingCommitment>;

impl<F, P> Committed<F, P> {
    /// The protocol of this form.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Feldman(_) => Protocol::Feldman,
            Self::Pedersen(_) => Protocol::Pedersen,
        }
    }

    /// The commitments of a Feldman deal.
    #[must_use]
    pub const fn feldman(&self) -> Option<&F> {
        match self {
            Self::Feldman(points) => Some(points),
            Self::Pedersen(_) => None,
        }
    }

    /// The commitments of a Pedersen deal.
    #[must_use]
    pub const fn pedersen(&self) -> Option<&P> {
        match self {
            Self::Feldman(_) => None,
            Self::Pedersen(points) => Some(points),
        }
    }
}

impl Plain {
    /// The protocol, the number and the points, uncompressed.
    pub(crate) fn write(&self, writer: Writer) -> Writer {
        let writer = writer.u8(self.protocol() as u8);
        match self {
            Self::Feldman(points) => {
                points.iter().fold(writer.list(points.len()), |writer, point| writer.fixed(&point.to_uncompressed()))
            }
            Self::Pedersen(points) => {
                points.iter().fold(writer.list(points.len()), |writer, point| writer.fixed(&point.to_uncompressed()))
            }
        }
    }

    /// `H(enc(list of compressed points))`.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        match self {
            Self::Feldman(points) => points.iter().fold(Writer::raw().list(points.len()), Writer::point).hash(),
            Self::Pedersen(points) => points.iter().fold(Writer::raw().list(points.len()), Writer::point).hash(),
        }
    }
}

impl Raw {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        let protocol = Protocol::from_u8(reader.u8()?)?;
        let count = reader.list(limits::ROSTER_MAX)?;
        Ok(match protocol {
            Protocol::Feldman => {
                Self::Feldman((0..count).map(|_| reader.uncompressed_point()).collect::<Result<_, _>>()?)
            }
            Protocol::Pedersen => {
                Self::Pedersen((0..count).map(|_| reader.uncompressed_point()).collect::<Result<_, _>>()?)
            }
        })
    }

    /// How many points.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Feldman(points) => points.len(),
            Self::Pedersen(points) => points.len(),
        }
    }

    /// No points at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As [`Plain::hash`].
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let writer = Writer::raw().list(self.len());
        match self {
            Self::Feldman(points) => points.iter().fold(writer, |writer, point| point.write(writer)).hash(),
            Self::Pedersen(points) => points.iter().fold(writer, |writer, point| point.write(writer)).hash(),
        }
    }

    /// The points, all of them in the subgroup, at least one.
    pub(crate) fn check(&self) -> Result<Checked, Decode> {
        Ok(match self {
            Self::Feldman(points) => {
                let points = check_all(points).map_err(|_| Decode::NotInSubgroup)?;
                Checked::Feldman(Commitment::new(points).map_err(|_| Decode::Value)?)
            }
            Self::Pedersen(points) => {
                let points = check_all(points).map_err(|_| Decode::NotInSubgroup)?;
                Checked::Pedersen(HidingCommitment::new(points).map_err(|_| Decode::Value)?)
            }
        })
    }
}

impl Checked {
    /// How many dealings recover: the number of points.
    #[must_use]
    pub fn threshold(&self) -> usize {
        match self {
            Self::Feldman(commitment) => commitment.threshold(),
            Self::Pedersen(commitment) => commitment.threshold(),
        }
    }

    /// As [`Plain::hash`].
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let writer = Writer::raw().list(self.threshold());
        match self {
            Self::Feldman(commitment) => commitment.points().iter().fold(writer, Writer::point).hash(),
            Self::Pedersen(commitment) => commitment.points().iter().fold(writer, Writer::point).hash(),
        }
    }
}
