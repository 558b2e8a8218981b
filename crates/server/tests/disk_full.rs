//! D4 on a real disk: a node whose file system is full stops with a clear error, and comes back when there is room.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use quorumkeep_server::runtime::RuntimeError;
use support::Network;

/// A small file system of its own, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None: this user may not mount.
    fn over(folder: &Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"];
        let done = Command::new("mount").args(options).arg(folder).output();
        done.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[7; 512]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_a_node_on_a_full_disk_stops_and_comes_back() {
    let mut network = Network::start(3, 2).await;
    network.genesis().await;
    let ready = |status: &quorumkeep_node::status::Status| status.ready;
    network.wait(0, "ready", ready).await;
    network.stop_node(0).await;
    let (folder, saved) = (network.node_dir(0), network.dir.path().join("saved"));
    std::fs::rename(&folder, &saved).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let Some(disk) = SmallDisk::over(&folder) else {
        let required = std::env::var("QUORUMKEEP_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(!required, "QUORUMKEEP_REQUIRE_ALL=1 wants a small file system, and this user may not mount one");
        eprintln!("skipped: d4_a_node_on_a_full_disk_stops_and_comes_back: this user may not mount a file system");
        return network.stop().await;
    };
    let copied = Command::new("cp").arg("-a").arg(saved.join(".")).arg(&folder).status().unwrap();
    assert!(copied.success());
    network.start_node(0).await;
    network.wait(0, "ready on the small disk", ready).await;

    disk.fill();
    let node = network.nodes[0].take().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), node.run_until(std::future::pending())).await;
    let error = ended.expect("the node goes on with a full disk").unwrap_err();
    assert!(matches!(error, RuntimeError::Commit(_)), "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");

    disk.free();
    network.start_node(0).await;
    let back = network.wait(0, "ready again", ready).await;
    assert!(back.suspended.is_none());
    network.stop().await;
}
