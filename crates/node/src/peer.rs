//! What comes peer to peer: deals, early, and receipts for them. Progress and monitoring only: no outcome depends on it.

use quorumkeep_curves::enc::{Decode, Reader, Writer};
use quorumkeep_curves::tags;
use quorumkeep_dkg::deal::{DealFault, RawDeal};
use quorumkeep_dkg::envelope::{Envelope, Header, Kind};
use quorumkeep_dkg::ids::{Address, Digest, KeyId};
use quorumkeep_dkg::records::{self, SignedRecord};

use crate::effects::{Effects, Level};
use crate::node::Node;

impl Node {
    pub(crate) fn on_peer(&mut self, bytes: &[u8], fx: &mut Effects) {
        let Ok(envelope) = Envelope::decode(bytes) else { return };
        if envelope.header.network != *self.ledger.network() {
            return;
        }
        let ledger = &self.ledger;
        let Some(record) = records::verify(bytes, envelope, &self.memory, |a| ledger.operator_key(a)) else { return };
        match record.envelope().header.kind {
            Kind::Deal => self.on_early_deal(&record, fx),
            Kind::Ack => self.on_ack(&record, bytes, fx),
            _ => {}
        }
    }

    /// Checks a deal before it stands on the board, so that the work is done when it does, and signs a receipt.
    fn on_early_deal(&mut self, record: &SignedRecord, fx: &mut Effects) {
        let header = record.envelope().header;
        let Some(info) = self.transcript(&header.key).map(|transcript| transcript.info().clone()) else { return };
        let current = header.digest == info.digest() && header.round == info.trigger.round();
        if !current || info.dealer(&header.sender).is_none() {
            return;
        }
        if !self.early.insert((header.key, header.round, header.sender)) {
            return;
        }
        let body = &record.envelope().body;
        let verify = || RawDeal::decode(body).map_err(DealFault::Decode)?.verify(&info, &header.sender);
        if let Ok(deal) = self.memory.deal(record.id(), info.digest(), verify) {
            let ack = self.ack(&header, &deal.core);
            fx.sends.push((header.sender, ack.encode()));
        }
    }

    fn ack(&self, deal: &Header, core: &Digest) -> Envelope {
        let body = Writer::new(tags::DKG_ACK).fixed(&core.0).finish();
        let header = Header { kind: Kind::Ack, sender: *self.operator.address(), recipient: deal.sender, ..*deal };
        let hash = Digest(quorumkeep_curves::hash::keccak256(&body));
        Envelope::signed(header, body, &hash, self.operator.key())
    }

    fn on_ack(&mut self, record: &SignedRecord, bytes: &[u8], fx: &mut Effects) {
        let header = record.envelope().header;
        let is_player = |key: &KeyId, who: &Address| {
            self.transcript(key).is_some_and(|transcript| {
                let info = transcript.info();
                let current = info.digest() == header.digest && info.trigger.round() == header.round;
                current && info.player(who).is_some()
            })
        };
        if header.recipient != *self.operator.address() || !is_player(&header.key, &header.sender) {
            return;
        }
        let Ok(core) = read_ack(&record.envelope().body) else { return };
        let receipts = self.acks.entry((header.key, header.round)).or_default();
        let first =
            receipts.entry(header.sender).or_insert_with(|| Receipt { core, bytes: bytes.to_vec(), is_told: false });
        if first.core != core && !core::mem::replace(&mut first.is_told, true) {
            fx.notice(Level::Alarm, first.contradicted_by(&header.sender, bytes));
        }
    }
}

/// What a player signed for this node's deal.
pub(crate) struct Receipt {
    core: Digest,
    bytes: Vec<u8>,
    is_told: bool,
}

impl Receipt {
    /// Both receipts, so that `quorumkeep evidence receipts` can make evidence of them.
    fn contradicted_by(&self, sender: &Address, other: &[u8]) -> String {
        let (first, second) = (hex::encode(&self.bytes), hex::encode(other));
        format!("{sender} signed receipts for two deals of one dealer: {first} {second}")
    }
}

fn read_ack(body: &[u8]) -> Result<Digest, Decode> {
    let mut reader = Reader::tagged(body, tags::DKG_ACK)?;
    let core = Digest(reader.fixed()?);
    reader.finish()?;
    Ok(core)
}
