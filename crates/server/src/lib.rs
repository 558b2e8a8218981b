//! The shell: HTTP and TLS, orderer, peer delivery, node loop, clients.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs))]

pub mod board;
pub mod client;
pub mod custody;
pub mod files;
pub mod http;
pub mod metrics;
pub mod problem;
pub mod sealed;
pub mod session;
pub mod tls;

mod board_link;
pub mod network;
pub mod node_api;
mod peers;
pub mod runtime;
#[cfg(test)]
mod testkit;
mod writer;
