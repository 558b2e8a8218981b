//! D4 and P9 on a real disk: a custody whose file system is full or read-only refuses every step, does nothing that it does not
//! record, records nothing that it does not do, and goes on when there is room.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod custody;
mod kit;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use custody::{Custody, own_guardian};
use kit::{Answer, Kit};
use quorumkeep_custody::keeper;
use quorumkeep_custody::request::Action;
use quorumkeep_server::problem::Code;
use serde_json::Value;

/// A small file system of its own, until it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None: this user may not mount. `name` is the test that is skipped then.
    fn over(folder: &Path, name: &str) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"];
        let done = Command::new("mount").args(options).arg(folder).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder.to_owned()));
        }
        let required = std::env::var("QUORUMKEEP_REQUIRE_ALL").is_ok_and(|value| value == "1");
        assert!(!required, "QUORUMKEEP_REQUIRE_ALL=1 wants a small file system, and this user may not mount one");
        eprintln!("skipped: {name}: this user may not mount a file system");
        None
    }

    /// Takes all the room there is, but for so many bytes.
    fn fill_but(&self, room: u64) {
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(room)).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(done.unwrap().success(), "{how}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

const GUARDIANS: [&str; 3] = ["bank", "vault", "client"];
const SET: &str = "k1/n1/1";

/// A custody in the folder `c`, with people and guardians.
struct World(Kit);

impl World {
    fn new() -> Self {
        let kit = Kit::new();
        fs::create_dir(kit.path("c")).unwrap();
        Self(kit)
    }

    fn fill(&self) {
        let run = |words: &str| self.0.run(&words.split(' ').collect::<Vec<_>>()).ok();
        for (name, role) in [("olga", "operations"), ("boris", "owner"), ("sara", "security")] {
            run(&format!("person new {name} --role {role} --out {name}.key --card {name}.json"));
        }
        let made = run("custody init --dir c --name test --person olga.json --person boris.json --person sara.json");
        fs::write(self.0.path("id"), made["custody"].as_str().unwrap()).unwrap();
        for name in GUARDIANS {
            run(&format!("guardian new {name} --kind external --entity {name} --out {name}.key --card {name}.json"));
            let asked = run(&format!("guardian add --custody c --as olga.key --card {name}.json"));
            run(&format!("custody approve {} --custody c --as sara.key", asked["request"].as_str().unwrap()));
        }
        run("backup recover key --out process.key --card process.json");
        run("guardian new heir --kind external --entity heir --out heir.key --card heir.json");
        fs::write(self.0.path("secret"), b"a secret that is longer than a key and must not be lost").unwrap();
    }

    fn run(&self, words: &str) -> Answer {
        self.0.run(&words.split(' ').collect::<Vec<_>>())
    }

    fn heir(&self) -> String {
        let card: Value = serde_json::from_slice(&fs::read(self.0.path("heir.json")).unwrap()).unwrap();
        card["recipient"]["age"].as_str().unwrap().to_owned()
    }

    /// What a copy of the database says, on a disk with room: the state, and how many entries there are. That the process took
    /// the shares is an entry and changes nothing; a command that does so asks for something else after it.
    fn look(&self) -> (Value, u64) {
        let copy = tempfile::tempdir_in(self.0.folder.path()).unwrap();
        for name in kit::names(&self.0.path("c")).into_iter().filter(|name| name != "filler") {
            fs::copy(self.0.path("c").join(&name), copy.path().join(name)).unwrap();
        }
        let dir = copy.path().to_str().unwrap();
        let status = self.run(&format!("backup status --custody {dir}")).ok()["status"].clone();
        let size = self.run(&format!("audit verify --custody {dir}")).ok()["size"].as_u64().unwrap();
        let taken = self.run(&format!("audit show --custody {dir} --event recovery.collect")).ok();
        (status, size - taken["entries"].as_array().unwrap().len() as u64)
    }
}

/// Every step, with no room at all and then with a little more each time until it succeeds.
#[test]
fn d4_p9_a_full_disk_refuses_every_step_and_does_nothing_unrecorded() {
    let world = World::new();
    let name = "d4_p9_a_full_disk_refuses_every_step_and_does_nothing_unrecorded";
    let Some(disk) = SmallDisk::over(&world.0.path("c"), name) else { return };
    world.fill();
    let step = |what: &str, words: &dyn Fn(u64) -> String| {
        let (mut room, mut refused) = (0, 0);
        loop {
            let before = world.look();
            disk.fill_but(room);
            let answer = world.run(&words(room));
            disk.free();
            let after = world.look();
            if answer.status == 0 {
                assert!(refused > 0, "{what}: the disk was never full");
                assert!(after.1 > before.1, "{what}: done and not recorded");
                return answer.json;
            }
            let message = answer.fails(1, "database");
            assert!(message.contains("the disk is full"), "{what} with {room} bytes: {message}");
            assert_eq!(before, after, "{what} with {room} bytes: refused, and something was done or recorded");
            (room, refused) = (room + 12 * 1024, refused + 1);
            assert!(room < 2 << 20, "{what}: 2 MiB are enough");
        }
    };
    let guardians = GUARDIANS.map(|name| format!("--guardian {name}")).join(" ");
    let made = step("create", &|room| {
        format!(
            "backup create --custody c --as olga.key --key-id k1 --node-id n1 --secret-file secret {guardians} --threshold 2 \
             --side-alone outside --out-dir set-{room}"
        )
    });
    let set_dir = made["dir"].as_str().unwrap().to_owned();
    for name in ["bank", "vault"] {
        step("deliver", &|_| format!("backup deliver --custody c --as {name}.key --set {SET} --out-dir d-{name}"));
        step("confirm", &|_| format!("backup confirm --custody c --as {name}.key --set {SET} --dir d-{name}"));
    }
    let heir = world.heir();
    let asked = step("open", &|_| {
        format!(
            "backup recover open --custody c --as olga.key --set {SET} --process process.json --recipient {heir} --reason t7"
        )
    });
    let session = asked["request"].as_str().unwrap().to_owned();
    for name in ["boris", "sara"] {
        step("approve", &|_| format!("custody approve {session} --custody c --as {name}.key"));
    }
    for name in ["bank", "vault"] {
        step("submit", &|_| {
            format!("backup recover submit --custody c --as {name}.key --session {session} --dir d-{name}")
        });
    }
    let id = fs::read_to_string(world.0.path("id")).unwrap();
    let process = format!("--custody c --session {session} --process-key process.key --custody-id {id} --work-dir w");
    step("combine", &|_| format!("backup recover combine {process} --set-dir {set_dir}"));
    let asked = step("commit", &|_| format!("backup recover commit --custody c --as olga.key --session {session}"));
    for name in ["boris", "sara"] {
        step("approve the commit", &|_| {
            format!("custody approve {} --custody c --as {name}.key", asked["request"].as_str().unwrap())
        });
    }
    step("finish", &|_| format!("backup recover finish {process} --out-dir out"));
    let (_, entries) = world.look();
    let shown = world.run("audit show --custody c --event backup.create").ok();
    assert_eq!(shown["entries"].as_array().unwrap().len(), 1, "of {entries} entries");
}

#[test]
fn p9_what_cannot_be_recorded_on_a_read_only_disk_is_refused() {
    let world = World::new();
    let name = "p9_what_cannot_be_recorded_on_a_read_only_disk_is_refused";
    let Some(disk) = SmallDisk::over(&world.0.path("c"), name) else { return };
    world.fill();
    let before = world.look();
    let card = "guardian new other --kind external --entity other --out other.key --card other.json";
    world.run(card).ok();
    let add = "guardian add --custody c --as olga.key --card other.json";
    disk.remount("ro");
    let refused = world.run(add);
    disk.remount("rw");
    let message = refused.fails(1, "database");
    assert!(message.to_lowercase().contains("read-only"), "{message}");
    assert_eq!(world.look(), before);
    let asked = world.run(add).ok();
    disk.remount("ro");
    let approve = format!("custody approve {} --custody c --as sara.key", asked["request"].as_str().unwrap());
    let refused = world.run(&approve);
    disk.remount("rw");
    refused.fails(1, "database");
    assert_eq!(world.look().1, before.1 + 1);
    world.run(&approve).ok();
    assert_eq!(world.look().1, before.1 + 3, "the approval, and what it carried out");
}

/// A service whose disk is full says so, does nothing, and goes on when it is started again with room.
#[test]
fn d4_p9_a_service_on_a_full_disk_does_nothing_and_says_so() {
    let custody = Custody::new();
    let (folder, saved) = (custody.dir(), custody.kit.path("saved"));
    fs::rename(&folder, &saved).unwrap();
    fs::create_dir(&folder).unwrap();
    let Some(disk) = SmallDisk::over(&folder, "d4_p9_a_service_on_a_full_disk_does_nothing_and_says_so") else {
        return;
    };
    assert!(Command::new("cp").arg("-a").arg(saved.join(".")).arg(&folder).status().unwrap().success());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let asked = custody.signed("olga", Action::AddGuardian(own_guardian("bank", 3)));
    let served = custody.serve(&["--plain"]);
    let size = |remote: &quorumkeep_server::custody::remote::Remote| {
        let note = String::from_utf8(runtime.block_on(remote.checkpoint()).unwrap()).unwrap();
        note.lines().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let remote = served.remote();
    let before = size(&remote);
    disk.fill_but(0);
    let error = runtime.block_on(remote.handle(&asked)).unwrap_err();
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    let health = || {
        let mut stream = std::net::TcpStream::connect(served.url().strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    let told = health();
    assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("start the service again"), "{told}");
    disk.free();
    assert!(runtime.block_on(remote.handle(&asked)).is_err(), "nothing is written any more until it is started again");
    assert_eq!((size(&remote), runtime.block_on(remote.waiting()).unwrap().len()), (before, 0));
    assert_eq!(served.stop(), 0);
    let served = custody.serve(&["--plain"]);
    let remote = served.remote();
    let done = runtime.block_on(remote.handle(&asked)).unwrap();
    assert!(matches!(done, keeper::Answer::Waiting { .. }));
    assert_eq!((size(&remote), runtime.block_on(remote.waiting()).unwrap().len()), (before + 1, 1));
}
