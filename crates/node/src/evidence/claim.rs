//! What evidence claims, and how each claim is judged.

use quorumkeep_curves::bn254;
use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;
use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, VersionId};
use quorumkeep_dkg::limits;
use quorumkeep_dkg::records;
use quorumkeep_ibe::{self as ibe, AppId, AppIdentity, PartialSignature, verify_partial};

use super::scan::Scanner;
use super::{Finding, Innocent, Offence, is_about};
use crate::serving::partial_hash;

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This record, or the one that it shows to be wrong, breaks the rules of its round.
    Record {
        /// The hash of the record's bytes.
        record: Digest,
        /// Who is accused: the sender, or the dealer of whom the record complains.
        culprit: Address,
    },
    /// A record that was due and is not on the board.
    Missing {
        /// Whose.
        culprit: Address,
        /// Of this kind.
        kind: Kind,
        /// The round.
        round: u64,
        /// The key.
        key: KeyId,
    },
    /// Receipts of one operator for two different deals of one dealer in one round: the encoded envelopes.
    Receipts {
        /// One.
        first: Vec<u8>,
        /// The other.
        second: Vec<u8>,
    },
    /// A signed answer to a request for a partial signature.
    Partial(SignedPartial),
}

/// What an operator answered and signed (see [`partial_hash`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPartial {
    /// The key.
    pub key: KeyId,
    /// The version that it claims to be of.
    pub version: VersionId,
    /// The operator.
    pub node: Address,
    /// The application.
    pub app: AppId,
    /// Its epoch.
    pub epoch: u64,
    /// How its identity is hashed.
    pub format: ibe::Format,
    /// A compressed point of G1, if it were right.
    pub partial: [u8; 48],
    /// BN254, 64 bytes.
    pub signature: [u8; 64],
}

const RECORD: u8 = 1;
const MISSING: u8 = 2;
const RECEIPTS: u8 = 3;
const PARTIAL: u8 = 4;

impl Claim {
    /// Appends the one encoding of the claim.
    pub(super) fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::Record { record, culprit } => writer.u8(RECORD).fixed(&record.0).fixed(&culprit.0),
            Self::Missing { culprit, kind, round, key } => {
                writer.u8(MISSING).fixed(&culprit.0).u8(*kind as u8).u64(*round).fixed(&key.0)
            }
            Self::Receipts { first, second } => writer.u8(RECEIPTS).bytes(first).bytes(second),
            Self::Partial(signed) => signed.write(writer.u8(PARTIAL)),
        }
    }

    /// Names the claim: the hash of its encoding.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest(self.write(Writer::new(tags::NODE_CLAIM)).hash())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        Ok(match reader.u8()? {
            RECORD => Self::Record { record: Digest(reader.fixed()?), culprit: Address(reader.fixed()?) },
            MISSING => {
                let (culprit, kind) = (Address(reader.fixed()?), Kind::from_u8(reader.u8()?)?);
                Self::Missing { culprit, kind, round: reader.u64()?, key: KeyId(reader.fixed()?) }
            }
            RECEIPTS => {
                let first = reader.bytes(limits::RECORD_BYTES_MAX)?.to_vec();
                Self::Receipts { first, second: reader.bytes(limits::RECORD_BYTES_MAX)?.to_vec() }
            }
            PARTIAL => Self::Partial(SignedPartial::read(reader)?),
            _ => return Err(Decode::Value),
        })
    }
}

impl SignedPartial {
    fn write(&self, writer: Writer) -> Writer {
        let writer = writer.fixed(&self.key.0).fixed(&self.version.0).fixed(&self.node.0);
        let writer = writer.bytes(self.app.as_str().as_bytes()).u64(self.epoch).u8(self.format.code());
        writer.fixed(&self.partial).fixed(&self.signature)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Decode> {
        let (key, version) = (KeyId(reader.fixed()?), VersionId(reader.fixed()?));
        let node = Address(reader.fixed()?);
        let app = reader.bytes(ibe::APP_ID_LEN_MAX)?;
        let app = core::str::from_utf8(app).ok().and_then(|text| AppId::parse(text).ok()).ok_or(Decode::Value)?;
        let epoch = reader.u64()?;
        let format = ibe::Format::from_code(reader.u8()?).ok_or(Decode::Value)?;
        Ok(Self { key, version, node, app, epoch, format, partial: reader.fixed()?, signature: reader.fixed()? })
    }

    /// The answer is signed and is not `x_j * Q`.
    fn judge(&self, scanner: &Scanner) -> Result<(), Innocent> {
        let identity = AppIdentity {
            network: scanner.ledger().network().0,
            key_id: self.key.0,
            app_id: self.app.clone(),
            epoch: self.epoch,
        };
        let hash =
            partial_hash(scanner.ledger().network(), &self.key, &self.version, (&identity, self.format), &self.partial);
        let operator = scanner.ledger().operator_key(&self.node).ok_or(Innocent::Stranger(self.node))?;
        let signature = bn254::Signature::from_bytes(&self.signature).map_err(|_| Innocent::NotSigned)?;
        if !operator.verify(&hash, &signature) {
            return Err(Innocent::NotSigned);
        }
        let output = scanner.version(&self.version).filter(|output| *output.key() == self.key);
        let share = output.and_then(|output| output.share_of(&self.node).copied()).ok_or(Innocent::NoVersion)?;
        let partial = PartialSignature::from_bytes(&self.partial);
        let fits = partial.is_ok_and(|partial| verify_partial(&share.point, &identity.q(self.format), &partial));
        if fits { Err(Innocent::RightPartial) } else { Ok(()) }
    }
}

/// Is the claim true, after the log was read and `found` was found in it?
pub(super) fn judge(claim: &Claim, scanner: &Scanner, found: Vec<Finding>) -> Result<Finding, Innocent> {
    let height = scanner.ledger().head().height;
    let finding = |culprit, offence, key| Finding { culprit, offence, key, height, claim: claim.clone() };
    match claim {
        Claim::Record { record, culprit } => {
            if scanner.is_of_other_board(record) {
                return Err(Innocent::OtherBoard);
            }
            let shows = |finding: &Finding| is_about(finding, record) && finding.culprit == *culprit;
            found.into_iter().find(shows).ok_or(Innocent::NotShown)
        }
        Claim::Missing { .. } => found.into_iter().find(|finding| finding.claim == *claim).ok_or(Innocent::NotShown),
        Claim::Receipts { first, second } => {
            let (culprit, key) = judge_receipts(first, second, scanner)?;
            Ok(finding(culprit, Offence::Receipts, key))
        }
        Claim::Partial(signed) => {
            signed.judge(scanner)?;
            Ok(finding(signed.node, Offence::Partial, signed.key))
        }
    }
}

fn judge_receipts(first: &[u8], second: &[u8], scanner: &Scanner) -> Result<(Address, KeyId), Innocent> {
    let read = |bytes: &[u8]| Envelope::decode(bytes).map_err(|_| Innocent::NoContradiction);
    let (first, second) = (read(first)?, read(second)?);
    let cores = (core_of(&first), core_of(&second));
    let differ = matches!(cores, (Some(a), Some(b)) if a != b);
    if first.header != second.header || !differ || first.header.network != *scanner.ledger().network() {
        return Err(Innocent::NoContradiction);
    }
    let sender = first.header.sender;
    let key = scanner.ledger().operator_key(&sender).ok_or(Innocent::Stranger(sender))?;
    if !records::is_signed_by(&first, key) || !records::is_signed_by(&second, key) {
        return Err(Innocent::NotSigned);
    }
    Ok((sender, first.header.key))
}

/// The core in a receipt.
fn core_of(receipt: &Envelope) -> Option<Digest> {
    let mut reader = Reader::tagged(&receipt.body, tags::DKG_ACK).ok()?;
    let core = Digest(reader.fixed().ok()?);
    (receipt.header.kind == Kind::Ack && reader.finish().is_ok()).then_some(core)
}
