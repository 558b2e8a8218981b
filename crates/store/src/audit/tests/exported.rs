//! The same attacks on exported files.

use std::fs;
use std::path::{Path, PathBuf};

use quorumkeep_audit::tile::bundle;

use super::*;
use crate::files::FilesError;

const MANY: u64 = 700;

impl Log {
    fn export_to(&self, folder: &Path) -> Result<Exported, AuditFault> {
        export(&self.reader(), self.key.verifier(), folder, &mut |_| {})
    }

    /// Exported into a folder of its own.
    fn exported(&self) -> PathBuf {
        let folder = self.folder.path().join("out");
        self.export_to(&folder).unwrap();
        folder
    }

    fn check(&self, folder: &Path) -> Result<Verified, AuditFault> {
        AuditFolder::open(folder, self.key.verifier())?.verify(&mut |_| {})
    }
}

/// Changes a bundle of entries.
fn rewrite(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let path = folder.join(name);
    let bytes = fs::read(&path).unwrap();
    let mut entries: Vec<Vec<u8>> =
        quorumkeep_audit::tile::parse_bundle(&bytes).0.into_iter().map(<[u8]>::to_vec).collect();
    change(&mut entries);
    fs::write(path, bundle(entries.iter().map(Vec::as_slice))).unwrap();
}

#[test]
fn an_export_holds_and_is_continued() {
    let mut log = Log::with(1);
    let folder = log.folder.path().join("out");
    let mut size = 1;
    for more in [0, 1, 253, 1, 1, 255, 1, 300] {
        (size..size + more).for_each(|seq| drop(log.add(entry(seq))));
        size += more;
        let exported = log.export_to(&folder).unwrap();
        assert_eq!((exported.size, exported.written == 0), (size, more == 0 && size > 1));
        let verified = log.check(&folder).unwrap();
        assert_eq!(verified, log.verify().unwrap());
        let open = AuditFolder::open(&folder, log.key.verifier()).unwrap();
        for seq in [0, size / 2, size - 1] {
            assert_eq!(open.prove(seq).unwrap(), prove(&log.conn, seq).unwrap());
            assert_eq!(open.read(seq, 300).unwrap(), read(&log.conn, seq, 300).unwrap());
        }
        let again = log.export_to(&folder).unwrap();
        assert_eq!((again.written, again.kept), (0, exported.written + exported.kept));
    }
}

#[test]
fn a_large_export_has_three_levels_of_tiles() {
    let mut log = Log::new();
    let entries: Vec<Entry> = (0..66_000).map(entry).collect();
    log.append(&entries).unwrap();
    let folder = log.exported();
    assert!(folder.join("tile/2/000.p/1").is_file() && folder.join("tile/1/001.p/1").is_file());
    assert_eq!(log.check(&folder).unwrap(), log.verify().unwrap());
    let open = AuditFolder::open(&folder, log.key.verifier()).unwrap();
    for seq in [0, 255, 256, 65_535, 65_536, 65_999] {
        open.prove(seq).unwrap().verify(log.key.verifier()).unwrap();
    }
    let path = folder.join("tile/0/017");
    let mut tile = fs::read(&path).unwrap();
    tile[5 * 32] ^= 1;
    fs::write(&path, tile).unwrap();
    assert!(matches!(log.check(&folder), Err(AuditFault::Tile { first: 4352, last: 4607, .. })));
}

#[test]
fn what_is_wrong_in_the_folder_is_written_again() {
    let log = Log::with(MANY);
    let folder = log.exported();
    fs::write(folder.join("tile/0/001"), b"other").unwrap();
    fs::remove_file(folder.join("tile/entries/000")).unwrap();
    assert_eq!(log.export_to(&folder).unwrap().written, 2);
    log.check(&folder).unwrap();
}

#[test]
fn nothing_is_written_into_a_folder_of_something_else() {
    let log = Log::with(5);
    let other = Log { key: LogKey::from_seed(ORIGIN, &[8; 32]).unwrap(), ..Log::new() };
    let mut other = other;
    other.add(entry(0));
    let folder = other.exported();
    assert!(matches!(log.export_to(&folder), Err(AuditFault::Occupied { .. })));
    other.check(&folder).unwrap();
    let documents = log.folder.path().join("documents");
    fs::create_dir(&documents).unwrap();
    fs::write(documents.join("letter"), b"dear").unwrap();
    assert!(matches!(log.export_to(&documents), Err(AuditFault::Occupied { .. })));
    assert_eq!(fs::read_dir(&documents).unwrap().count(), 1);
}

#[test]
fn p9_nothing_is_exported_from_a_damaged_or_forked_log() {
    let mut log = Log::with(MANY);
    let folder = log.exported();
    let mut fork = Log::with(MANY - 1);
    assert!(matches!(fork.export_to(&folder), Err(AuditFault::Forked { old: MANY, .. })));
    fork.add(Entry::new(9_999, "other", "anna"));
    fork.add(entry(MANY));
    assert!(matches!(fork.export_to(&folder), Err(AuditFault::Forked { old: MANY, .. })));
    log.add(entry(MANY));
    log.change("UPDATE audit_entries SET entry = CAST(replace(entry, 'anna', 'anne') AS BLOB) WHERE seq = 3");
    assert!(matches!(log.export_to(&folder), Err(AuditFault::Altered { first: 3, last: 3 })));
    assert_eq!(log.check(&folder).unwrap().size, MANY);
}

#[test]
fn p9_every_change_of_exported_entries_is_named() {
    let log = Log::with(MANY);
    let attack = |name: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let folder = log.exported();
        rewrite(&folder, name, |entries| change(entries));
        let fault = log.check(&folder).unwrap_err();
        assert!(log.export_to(&folder).unwrap().written == 1, "repaired");
        (fault.first_bad().unwrap(), fault)
    };
    let edit = attack("tile/entries/001", &|entries| entries[10][12] ^= 1);
    assert!(matches!(edit, (266, AuditFault::Altered { .. })));
    let swap = attack("tile/entries/000", &|entries| entries.swap(20, 30));
    assert!(matches!(swap, (20, AuditFault::Altered { .. })));
    let drop_middle = attack("tile/entries/000", &|entries| drop(entries.remove(200)));
    assert!(matches!(drop_middle, (200, AuditFault::Altered { .. })));
    let drop_tail = attack("tile/entries/002.p/188", &|entries| entries.truncate(100));
    assert!(matches!(drop_tail, (612, AuditFault::Missing { .. })));
    let longer = attack("tile/entries/002.p/188", &|entries| entries.push(entries[0].clone()));
    assert!(matches!(longer, (700, AuditFault::Longer { .. })));
}

#[test]
fn p9_every_file_of_an_export_is_needed_and_no_byte_of_it_can_be_changed() {
    let log = Log::with(MANY);
    let names = ["checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/000"];
    for name in names.into_iter().chain(["tile/entries/002.p/188"]) {
        let folder = log.exported();
        let path = folder.join(name);
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(good.len() / 7 + 1).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(log.check(&folder).is_err(), "{name}, byte {at}");
        }
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(log.check(&folder).is_err(), "{name}, shorter");
        fs::write(&path, [good.as_slice(), b"x"].concat()).unwrap();
        assert!(log.check(&folder).is_err(), "{name}, longer");
        fs::remove_file(&path).unwrap();
        assert!(log.check(&folder).is_err(), "{name}, missing");
        fs::create_dir(&path).unwrap();
        assert!(matches!(log.check(&folder), Err(AuditFault::Files(FilesError::Io { .. }))), "{name}, a folder");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, good).unwrap();
        log.check(&folder).unwrap();
    }
}

#[test]
fn p9_an_old_export_and_a_fork_are_shown_by_an_earlier_checkpoint() {
    let mut log = Log::with(300);
    let folder = log.exported();
    (300..600).for_each(|seq| drop(log.add(entry(seq))));
    let open = AuditFolder::open(&folder, log.key.verifier()).unwrap();
    assert!(matches!(open.continues(&log.checkpoint()), Err(AuditFault::Forked { old: 600, size: 300, .. })));
    let old = Log::with(280).checkpoint();
    open.continues(&old).unwrap();
    let mut fork = Log::with(270);
    fork.add(Entry::new(9_999, "other", "anna"));
    assert!(matches!(open.continues(&fork.checkpoint()), Err(AuditFault::Forked { old: 271, size: 300, .. })));
}
