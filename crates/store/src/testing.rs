//! Helpers of the tests.

use std::path::{Path, PathBuf};

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_dkg::envelope::Kind;
use quorumkeep_dkg::ids::{Digest, KeyId, VersionId};
use quorumkeep_node::store::{
    Batch, Loaded, OutputRow, OwnRecord, RoundSecret, ShareRow, Store, StoreFailed, Suspension,
};
use zeroize::Zeroizing;

use crate::{Binding, KekProvider, SaltFileKek, SqliteStore, StoreError};

pub const KEY: KeyId = KeyId([0xa1; 32]);
pub const OTHER_KEY: KeyId = KeyId([0xa2; 32]);
pub const BINDING: Binding = Binding { network: [0x11; 32], address: [0x22; 20] };
const IDENTITY: [u8; 32] = [0x77; 32];

pub fn kek(directory: &Path) -> Box<dyn KekProvider> {
    Box::new(SaltFileKek::new(directory, Zeroizing::new(IDENTITY)))
}

/// A data directory that is removed at the end.
pub struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("node.db")
    }

    pub fn kek(&self) -> Box<dyn KekProvider> {
        kek(self.path())
    }

    pub fn create(&self) -> SqliteStore {
        SqliteStore::create(&self.database(), BINDING, self.kek()).unwrap()
    }

    pub fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.database(), BINDING, self.kek())
    }

    pub fn error(&self) -> StoreError {
        self.open().err().expect("it opened")
    }

    pub fn loaded(&self) -> Loaded {
        self.open().unwrap().load().unwrap()
    }

    /// A copy of the files as they are now: what the disk would hold after a crash.
    pub fn image(&self) -> Self {
        let copy = Self::new();
        copy_files(self.path(), copy.path());
        copy
    }

    /// A connection beside the store that may do anything.
    pub fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }

    pub fn salts(&self) -> Vec<String> {
        let mut names = crate::files::names(self.path()).unwrap();
        names.retain(|name| name.contains("kek-"));
        names.sort();
        names
    }

    pub fn has_bytes(&self, bytes: &[u8]) -> bool {
        let names = crate::files::names(self.path()).unwrap();
        names.iter().any(|name| contains(&std::fs::read(self.path().join(name)).unwrap(), bytes))
    }
}

pub fn contains(heap: &[u8], needle: &[u8]) -> bool {
    heap.windows(needle.len()).any(|window| window == needle)
}

/// Copies with a process of its own: closing a copied file here would end SQLite's locks.
pub fn copy_files(from: &Path, to: &Path) {
    let source = from.join(".");
    let status = std::process::Command::new("cp").arg("-a").arg(source).arg(to).status().unwrap();
    assert!(status.success());
}

pub fn version(number: u8) -> VersionId {
    VersionId([number; 32])
}

pub fn share(number: u8) -> ShareRow {
    let share = SecretScalar::from_be_bytes(&share_bytes(number)).unwrap();
    ShareRow { key: KEY, version: version(number), round: u64::from(number), index: 3, share }
}

/// Below the group order, and found nowhere by chance.
pub fn share_bytes(number: u8) -> [u8; 32] {
    let mut bytes = [number ^ 0x5c; 32];
    bytes[..4].copy_from_slice(&[0x01, 0xfe, 0xdc, number]);
    bytes
}

pub fn secret_bytes(round: u64) -> [u8; 64] {
    let mut bytes = [0x9d; 64];
    bytes[..8].copy_from_slice(&round.to_be_bytes());
    bytes
}

pub fn round_secret(round: u64) -> RoundSecret {
    RoundSecret { key: KEY, round, bytes: Zeroizing::new(secret_bytes(round)) }
}

pub fn record(round: u64, kind: Kind) -> OwnRecord {
    OwnRecord { key: KEY, round, kind, subject: Digest::ZERO, bytes: format!("{kind:?} of {round}").into_bytes() }
}

pub fn output(number: u64) -> OutputRow {
    let mut version = [0; 32];
    version[..8].copy_from_slice(&number.to_be_bytes());
    let bytes = number.to_be_bytes().repeat(300);
    let (active_height, active_ms) = (number * 10, number * 1000);
    OutputRow { key: KEY, version: VersionId(version), round: number, active_height, active_ms, bytes }
}

/// Something in every field.
pub fn full_batch() -> Batch {
    Batch {
        blocks: (1..=5).map(|height| (height, format!("block {height}").into_bytes())).collect(),
        snapshot: Some((3, b"ledger at 3".to_vec())),
        records: vec![record(10, Kind::Announce), record(10, Kind::Deal)],
        round_secrets: vec![round_secret(10), round_secret(20)],
        shares: vec![share(1), share(2)],
        outputs: vec![output(1), output(2)],
        pins: vec![(KEY, [7; 96])],
        nonces: vec![(Digest([1; 32]), 500)],
        suspension: Some(Some(suspension())),
        audit: vec![(1, "first".into()), (2, "second".into())],
        ..Batch::default()
    }
}

pub fn suspension() -> Suspension {
    Suspension { reason: "own later records".into(), halted: false, until_round_after: 20, serves: true }
}

/// What a node does when a version becomes active: the new share in, the old one and the round's secrets out.
pub fn activation() -> Batch {
    Batch {
        shares: vec![share(3)],
        forget_secrets: vec![(KEY, 10)],
        keep_shares: vec![(KEY, vec![version(2), version(3)])],
        outputs: vec![output(3)],
        ..Batch::default()
    }
}

/// The versions of the shares, after a check that each is the right one.
pub fn versions(loaded: &Loaded) -> Vec<u8> {
    let of = |row: &ShareRow| {
        let number = row.version.0[0];
        assert_eq!(*row.share.expose(), share_bytes(number));
        assert_eq!((row.key, row.round, row.index), (KEY, u64::from(number), 3));
        number
    };
    loaded.shares.iter().map(of).collect()
}

/// The rounds of the secrets, after a check that each is the right one.
pub fn rounds(loaded: &Loaded) -> Vec<u64> {
    let of = |row: &RoundSecret| {
        assert_eq!(*row.bytes, secret_bytes(row.round));
        row.round
    };
    loaded.round_secrets.iter().map(of).collect()
}

pub fn commit(store: &mut SqliteStore, batch: &Batch) {
    store.commit(batch).unwrap();
}

/// The store's own error inside of the trait's.
pub fn engine_error(failed: StoreFailed) -> StoreError {
    match failed {
        StoreFailed::Engine(error) => *error.downcast::<StoreError>().unwrap(),
        other => panic!("{other}"),
    }
}
