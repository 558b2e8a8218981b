//! The orderer is killed again and again: what readers saw stays, and no height ever has two blocks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quorumkeep_dkg::block::Block;
use quorumkeep_dkg::ids::Digest;
use quorumkeep_node::failpoints::{Point, watch};
use rand_core::{OsRng, RngCore};

use super::open;
use crate::board::db::BoardReader;
use crate::testkit::Network;

const FOLDER: &str = "QUORUMKEEP_TEST_BOARD";
const KILLS: usize = 12;

/// Not a test of its own: the process that is killed. It prints what readers could see.
#[test]
fn child_makes_blocks() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    // The same network every time: the key comes from the folder.
    let key = crate::board::keys::load(Path::new(&folder), None).unwrap();
    let id = std::fs::read_to_string(Path::new(&folder).join("network")).unwrap().parse().unwrap();
    let network = Network { id, orderer: key, ..Network::new(2, 1) };
    let mut orderer = open(Path::new(&folder), &network);
    let mut out = std::io::stdout();
    let head = orderer.log().head();
    writeln!(out, "\nblock {} {}", head.height, head.hash).unwrap();
    for time in 0.. {
        let head = orderer.make_block(time).unwrap();
        writeln!(out, "\nblock {} {}", head.height, head.hash).unwrap();
        out.flush().unwrap();
    }
}

fn spawn(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "board::tests::crash::child_makes_blocks", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// What the child showed before it was killed.
fn seen(child: &mut Child) -> Vec<(u64, Digest)> {
    let stdout = child.stdout.take().unwrap();
    let pause = Duration::from_millis(60 + u64::from(OsRng.next_u32() % 150));
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.filter_map(|line| parse(&line)).collect()
        });
        std::thread::sleep(pause);
        // SIGKILL: nothing of the process runs after this.
        child.kill().unwrap();
        child.wait().unwrap();
        reading.join().unwrap()
    })
}

fn parse(line: &str) -> Option<(u64, Digest)> {
    let mut words = line.strip_prefix("block ")?.split(' ');
    let height = words.next()?.parse().ok()?;
    // The last line may be cut by the kill.
    let hash = words.next().filter(|hash| hash.len() == 64)?;
    Some((height, hash.parse().ok()?))
}

#[test]
fn killed_at_any_moment_no_height_has_two_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let key = crate::board::keys::create(folder.path(), None).unwrap();
    let network = Network::new(2, 1);
    let network = Network { orderer: key, ..network };
    std::fs::write(folder.path().join("network"), network.id.to_string()).unwrap();

    let mut all: BTreeMap<u64, Digest> = BTreeMap::new();
    for _ in 0..KILLS {
        for (height, hash) in seen(&mut spawn(folder.path())) {
            assert_eq!(*all.entry(height).or_insert(hash), hash, "two blocks at height {height}");
        }
    }
    assert!(all.len() > KILLS, "the child made blocks: {}", all.len());

    let orderer = open(folder.path(), &network);
    let highest = *all.keys().last().unwrap();
    assert!(orderer.log().head().height >= highest, "a block that was shown is gone");
    let reader = BoardReader::open(folder.path()).unwrap();
    let stored = reader.blocks(1, usize::MAX, usize::MAX).unwrap();
    for (bytes, height) in stored.iter().zip(1..) {
        let block = Block::decode(bytes).unwrap();
        assert_eq!(block.height, height);
        let shown = all.get(&height);
        assert!(shown.is_none_or(|hash| *hash == block.hash(&network.id)), "height {height} changed");
    }
}

/// Copies the folder as it is, with a process of its own: closing a copied file here would end SQLite's locks.
fn image(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-a").arg(folder.join(".")).arg(copy.path()).status().unwrap();
    assert!(status.success());
    copy
}

/// R9: what the disk holds at each point of the orderer, which is what a process finds that starts after a death there.
#[test]
fn r9_the_board_survives_a_death_at_each_of_its_points() {
    let points: Vec<Point> = Point::ALL.iter().copied().filter(|point| point.name().starts_with("board.")).collect();
    assert_eq!(points.len(), 2);
    for point in points {
        let (folder, network) = (tempfile::tempdir().unwrap(), Network::new(2, 1));
        let mut orderer = super::started(folder.path(), &network);
        let genesis = network.genesis("main");
        orderer.post(&genesis).unwrap();
        let (source, at_death) = (folder.path().to_owned(), std::rc::Rc::new(std::cell::RefCell::new(None)));
        let cell = at_death.clone();
        watch(Some(Box::new(move |passed| {
            if passed == point {
                *cell.borrow_mut() = Some(image(&source));
            }
        })));
        let unseen = orderer.make_block(2000).unwrap();
        watch(None);
        let disk = at_death.take().unwrap();
        let mut again = open(disk.path(), &network);
        let is_durable = point == Point::BoardCommitAfter;
        let height = if is_durable { unseen.height } else { unseen.height - 1 };
        assert_eq!(again.log().head().height, height, "{point:?}");
        // The record that waited is posted again, and stands on the board once.
        again.post(&genesis).unwrap();
        again.make_block(3000).unwrap();
        let blocks = BoardReader::open(disk.path()).unwrap().blocks(1, usize::MAX, usize::MAX).unwrap();
        let records = blocks.iter().flat_map(|bytes| Block::decode(bytes).unwrap().records);
        assert_eq!(records.filter(|record| *record == genesis).count(), 1, "{point:?}");
    }
}
