//! The whole orderer over TLS.

use std::path::Path;
use std::time::{Duration, Instant};

use quorumkeep_dkg::block::BlockRef;
use quorumkeep_dkg::envelope::Envelope;
use quorumkeep_dkg::ids::Digest;
use quorumkeep_dkg::limits;

use crate::board::budget::RoundQuota;
use crate::board::pool::Quota;
use crate::board::service::{Running, Settings, StartError, start};
use crate::board::{INTERVAL_MS_MIN, Status};
use crate::client::{BoardClient, Error};
use crate::http::Limits;
use crate::problem::Code;
use crate::testkit::{Network, anywhere, record_for};

fn settings(network: &Network, interval_ms: u64) -> Settings {
    let round = RoundQuota { each: 1000, ..RoundQuota::default() };
    Settings {
        network: network.id,
        anchor: network.anchor(),
        interval_ms,
        listen: anywhere(),
        limits: Limits::default(),
        quota: Quota { sender_records: 20, round, ..Quota::default() },
    }
}

async fn run(folder: &Path, network: &Network, interval_ms: u64) -> Running {
    start(folder, network.orderer.clone(), settings(network, interval_ms)).await.unwrap()
}

fn client(network: &Network, running: &Running) -> BoardClient {
    let key = network.orderer.verifying_key();
    BoardClient::new(network.id, key, &running.local_addr().to_string()).unwrap()
}

async fn until_known(board: &BoardClient, record: &[u8]) {
    while board.post(record).await.unwrap().status != Status::Known {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> Code {
    answer.unwrap_err().code().unwrap()
}

#[tokio::test]
async fn records_go_in_and_blocks_come_out() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(3, 1));
    let running = run(folder.path(), &network, 30).await;
    let board = client(&network, &running);
    until_known(&board, &network.first_config()).await;
    let record = network.record(1, 1, b"hello");
    assert_eq!(board.post(&record).await.unwrap().status, Status::Pending);
    until_known(&board, &record).await;
    until_known(&board, &network.genesis("main")).await;

    let head = board.head().await.unwrap();
    let blocks = board.blocks(1, 1000, 0).await.unwrap();
    assert!(blocks.len() as u64 >= head.height);
    let mut below = BlockRef::origin(&network.id);
    for block in &blocks {
        assert!(block.is_signed_by(&network.id, &network.orderer.verifying_key()));
        assert_eq!(block.previous, below.hash);
        below = block.reference(&network.id);
    }
    let at = usize::try_from(head.height).unwrap() - 1;
    assert_eq!(blocks[at].hash(&network.id), head.hash);
    assert!(blocks.iter().any(|block| block.records == [record.clone()]));
    assert_eq!(board.blocks(2, 1, 0).await.unwrap(), blocks[1..2]);

    let governance = board.governance().await.unwrap();
    let records: Vec<_> = governance.into_iter().map(|row| row.record).collect();
    assert_eq!(records, [network.first_config(), network.genesis("main")]);
    for path in ["/health", "/ready", "/version"] {
        board.client().get_json::<serde_json::Value>(path).await.unwrap();
    }
    let metrics = String::from_utf8(board.client().get("/metrics").await.unwrap().to_vec()).unwrap();
    assert!(metrics.contains("quorumkeep_board_height"), "{metrics}");
    running.stop().await;
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let (folder, network, other) = (tempfile::tempdir().unwrap(), Network::new(3, 1), Network::new(3, 2));
    let running = run(folder.path(), &network, 30_000).await;
    let board = client(&network, &running);
    assert_eq!(code(board.post(&network.record(0, 1, b"x")).await), Code::UnknownSigner);
    board.post(&network.first_config()).await.unwrap();
    drop(running);

    let folder = tempfile::tempdir().unwrap();
    super::started(folder.path(), &network);
    let running = run(folder.path(), &network, 30_000).await;
    let board = client(&network, &running);
    assert_eq!(code(board.post(b"nonsense").await), Code::Malformed);
    assert_eq!(code(board.post(&vec![0; limits::RECORD_BYTES_MAX + 1]).await), Code::TooLarge);
    assert_eq!(code(board.post(&vec![0; 1 << 20]).await), Code::TooLarge);
    assert_eq!(code(board.post(&record_for(other.id, &network.keys[0], 1, b"x")).await), Code::ForeignNetwork);
    assert_eq!(code(board.post(&record_for(network.id, &other.keys[0], 1, b"x")).await), Code::UnknownSigner);
    let mut forged = Envelope::decode(&network.record(0, 1, b"x")).unwrap();
    forged.header.digest = Digest([2; 32]);
    assert_eq!(code(board.post(&forged.encode()).await), Code::BadSignature);
    for number in 0..20 {
        board.post(&network.record(0, number, b"x")).await.unwrap();
    }
    let full = board.post(&network.record(0, 20, b"x")).await;
    assert!(full.as_ref().is_err_and(Error::is_temporary));
    assert_eq!(code(full), Code::PoolFull);
    board.post(&network.record(1, 0, b"others are not concerned")).await.unwrap();
    for path in ["/board/blocks", "/board/blocks?from=0", "/board/blocks?from=1&what=2", "/board/blocks?from=-1"] {
        assert_eq!(code(board.client().get(path).await), Code::Malformed, "{path}");
    }
}

#[tokio::test]
async fn readers_wait_for_the_next_block() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(2, 1));
    let running = run(folder.path(), &network, 250).await;
    let board = client(&network, &running);
    let head = board.head().await.unwrap();
    assert_eq!(board.blocks(head.height + 5, 10, 0).await.unwrap(), []);
    let started = Instant::now();
    let blocks = board.blocks(head.height + 1, 10, 5000).await.unwrap();
    assert_eq!(blocks[0].height, head.height + 1);
    assert!(started.elapsed() < Duration::from_secs(2));
    let started = Instant::now();
    assert_eq!(board.blocks(head.height + 1000, 10, 200).await.unwrap(), []);
    assert!(started.elapsed() >= Duration::from_millis(200));

    let waiting = tokio::spawn({
        let board = board.clone();
        async move { board.blocks(1_000_000, 10, 10_000).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    running.stop().await;
    assert!(started.elapsed() < Duration::from_secs(2), "readers who wait do not hold up the end");
    assert_eq!(waiting.await.unwrap().unwrap(), []);
}

#[tokio::test]
async fn readers_and_posters_survive_a_restart() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(2, 1));
    let running = run(folder.path(), &network, 25).await;
    let address = running.local_addr();
    let board = client(&network, &running);
    until_known(&board, &network.first_config()).await;
    let before = board.blocks(1, 1000, 0).await.unwrap();
    running.stop().await;
    let again = Settings { listen: address, ..settings(&network, 25) };
    let running = start(folder.path(), network.orderer.clone(), again).await.unwrap();
    let after = board.blocks(1, 1000, 1000).await.unwrap();
    assert_eq!(after[..before.len()], before, "the same blocks, from the disk");
    until_known(&board, &network.record(0, 1, b"after")).await;
    drop(running);
}

#[tokio::test]
async fn a_wrong_key_a_used_port_and_a_short_interval_are_refused() {
    let (folder, network, other) = (tempfile::tempdir().unwrap(), Network::new(2, 1), Network::new(2, 2));
    let wrong = start(folder.path(), other.orderer.clone(), settings(&network, 25)).await;
    assert!(matches!(wrong.err(), Some(StartError::OtherKey)));
    let fast = start(folder.path(), network.orderer.clone(), settings(&network, INTERVAL_MS_MIN - 1)).await;
    assert!(matches!(fast.err(), Some(StartError::Interval { found: 19 })));
    let running = run(folder.path(), &network, 25).await;
    let twice = start(folder.path(), network.orderer.clone(), settings(&network, 25)).await;
    assert!(matches!(twice.err(), Some(StartError::Db(_))));
    let elsewhere = tempfile::tempdir().unwrap();
    let settings = Settings { listen: running.local_addr(), ..settings(&network, 25) };
    let used = start(elsewhere.path(), network.orderer.clone(), settings).await;
    assert!(matches!(used.err(), Some(StartError::Bind(_))));
}

#[tokio::test]
async fn blocks_are_never_closer_than_their_interval() {
    let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(2, 1));
    let running = run(folder.path(), &network, 50).await;
    let board = client(&network, &running);
    let started = Instant::now();
    board.blocks(8, 1, 5000).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
    let blocks = board.blocks(1, 100, 0).await.unwrap();
    let gaps = blocks.windows(2).map(|pair| pair[1].time_ms - pair[0].time_ms);
    assert!(gaps.clone().all(|gap| gap >= 25), "{:?}", gaps.collect::<Vec<_>>());
}
