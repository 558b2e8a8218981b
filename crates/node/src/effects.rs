//! What handling an event wants to do to the world, and the only way to let it happen (design section 4).
//!
//! ```text
//! event -> node.handle(event, &mut Effects) -> effects.commit(store)? -> committed.drain()
//! ```
//! Messages, posts and answers can only be taken out of a [`Committed`]: nothing leaves before what it rests on is durable.

use quorumkeep_dkg::envelope::{Envelope, Kind};
use quorumkeep_dkg::ids::Address;

use crate::failpoints::{self, Point};
use crate::serving::Partial;
use crate::store::{Batch, Store, StoreFailed};

/// How loud a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Progress.
    Info,
    /// Somebody should look.
    Warn,
    /// An invariant is broken.
    Alarm,
}

/// Something people should know; public facts only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// What.
    pub text: String,
}

/// What handling one event wants.
#[derive(Default)]
pub struct Effects {
    pub(crate) batch: Batch,
    pub(crate) posts: Vec<Vec<u8>>,
    pub(crate) sends: Vec<(Address, Vec<u8>)>,
    pub(crate) answer: Option<Partial>,
    pub(crate) notices: Vec<Notice>,
}

/// What may leave: everything it rests on is durable.
#[derive(Default)]
pub struct Committed {
    /// Records for the board.
    pub posts: Vec<Vec<u8>>,
    /// Envelopes for peers.
    pub sends: Vec<(Address, Vec<u8>)>,
    /// The answer to the request that was handled.
    pub answer: Option<Partial>,
    /// For logs and the console.
    pub notices: Vec<Notice>,
}

impl Effects {
    pub(crate) fn notice(&mut self, level: Level, text: String) {
        if level != Level::Info {
            self.batch.audit.push((0, text.clone()));
        }
        self.notices.push(Notice { level, text });
    }

    /// Dates the audit lines of this batch, in milliseconds since 1970.
    pub fn stamp(&mut self, now_ms: u64) {
        self.batch.audit.iter_mut().for_each(|(time, _)| *time = now_ms);
    }

    /// Makes the batch durable; only then the messages come free.
    ///
    /// # Errors
    /// [`StoreFailed`]: nothing happened. Unless it is a used nonce, the process must stop.
    pub fn commit(self, store: &mut dyn Store) -> Result<Committed, StoreFailed> {
        let marks = marks(&self.batch);
        marks.iter().for_each(|(before, _)| failpoints::hit(*before));
        if !self.batch.is_empty() {
            store.commit(&self.batch)?;
        }
        marks.iter().for_each(|(_, after)| failpoints::hit(*after));
        Ok(Committed { posts: self.posts, sends: self.sends, answer: self.answer, notices: self.notices })
    }
}

impl Committed {
    /// Lets the records and messages out, in their order.
    pub fn release(self, mut post: impl FnMut(Vec<u8>), mut send: impl FnMut(Address, Vec<u8>)) {
        for bytes in self.posts {
            let confirms = is_confirm(&bytes);
            failpoints::hit(Point::NodePostBefore);
            hit_if(confirms, Point::NodeConfirmBefore);
            post(bytes);
            hit_if(confirms, Point::NodeConfirmAfter);
            failpoints::hit(Point::NodePostAfter);
        }
        for (to, bytes) in self.sends {
            failpoints::hit(Point::NodeSendBefore);
            send(to, bytes);
            failpoints::hit(Point::NodeSendAfter);
        }
    }
}

/// The fail points before and after the transaction of this batch.
fn marks(batch: &Batch) -> Vec<(Point, Point)> {
    let deletes = !(batch.keep_shares.is_empty() && batch.forget_secrets.is_empty());
    let all = [
        (true, Point::NodeCommitBefore, Point::NodeCommitAfter),
        (!batch.round_secrets.is_empty(), Point::NodeSecretBefore, Point::NodeSecretAfter),
        (!batch.shares.is_empty(), Point::NodeShareBefore, Point::NodeShareAfter),
        (!batch.outputs.is_empty(), Point::NodeActivateBefore, Point::NodeActivateAfter),
        (deletes, Point::NodeDeleteBefore, Point::NodeDeleteAfter),
    ];
    all.into_iter().filter(|(applies, ..)| *applies).map(|(_, before, after)| (before, after)).collect()
}

fn is_confirm(bytes: &[u8]) -> bool {
    cfg!(feature = "failpoints") && Envelope::decode(bytes).is_ok_and(|envelope| envelope.header.kind == Kind::Confirm)
}

fn hit_if(applies: bool, point: Point) {
    if applies {
        failpoints::hit(point);
    }
}
