//! The node: a sans-IO state machine from board records and requests to effects.
//!
//! ```text
//! event (blocks | message | request)
//!   -> node.handle(event, rng, &mut Effects)    sans-IO, no await
//!   -> effects.commit(store)? -> Committed      one transaction: secrets, journal, audit
//!   -> committed.posts, .sends, .answer         the only way to get anything out
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`node`] | the state, start and the handling of events |
//! | `duties` | what the node owes to the board at its present height |
//! | `outcomes` | what it does about what the board says: shares, keeping, forgetting |
//! | `peer` | deals and receipts peer to peer |
//! | [`serving`] | partial signatures |
//! | [`evidence`] | what an operator did wrong, for anybody to verify |
//! | [`effects`], [`store`] | persist before send |
//! | [`starting`] | one node at a time: an objection to a second copy |
//! | [`status`] | what it says of itself |
//! | [`failpoints`] | where a test build can be told to die |
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

mod duties;
pub mod effects;
pub mod evidence;
pub mod failpoints;
pub mod node;
pub mod operator;
mod outcomes;
mod peer;
pub mod serving;
pub mod starting;
pub mod status;
pub mod store;

pub use effects::{Committed, Effects, Level, Notice};
pub use node::{Event, Membership, Node, StartError};
pub use operator::Operator;
