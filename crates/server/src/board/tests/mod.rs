//! The orderer: its core and its door by calling it, its process over real TLS, its disk by killing it.

mod core;
mod crash;
mod door;
mod service;

use std::path::Path;

use crate::board::orderer::Orderer;
use crate::board::pool::Quota;
use crate::testkit::Network;

fn open(folder: &Path, network: &Network) -> Orderer {
    Orderer::open(folder, network.id, network.anchor(), network.orderer.clone(), Quota::default()).unwrap()
}

/// An orderer whose board has the first configuration.
fn started(folder: &Path, network: &Network) -> Orderer {
    let mut orderer = open(folder, network);
    orderer.post(&network.first_config()).unwrap();
    orderer.make_block(1000).unwrap();
    orderer
}
