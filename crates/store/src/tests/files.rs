use std::os::unix::fs::PermissionsExt;

use crate::files::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn write_atomic_replaces_and_leaves_nothing_beside() {
    let home = directory();
    let path = home.path().join("file");
    write_atomic(&path, b"one", 0o644).unwrap();
    write_atomic(&path, b"two", PRIVATE).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(home.path()).unwrap(), ["file"]);
}

#[test]
fn write_new_never_overwrites() {
    let home = directory();
    let path = home.path().join("file");
    write_new(&path, b"one", PRIVATE).unwrap();
    let error = write_new(&path, b"two", PRIVATE).unwrap_err();
    assert!(matches!(error, FilesError::Exists(_)), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"one");
    // Neither a directory nor a link, not even one that leads nowhere.
    let link = home.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert!(matches!(write_new(&link, b"x", PRIVATE), Err(FilesError::Exists(_))));
    assert!(write_new(home.path(), b"x", PRIVATE).is_err());
    let mut left = names(home.path()).unwrap();
    left.sort();
    assert_eq!(left, ["file", "link"]);
}

#[test]
fn a_write_that_fails_says_which_file_and_keeps_the_old_one() {
    let home = directory();
    let missing = home.path().join("no/such/file");
    let error = write_atomic(&missing, b"x", PRIVATE).unwrap_err();
    assert!(error.is_missing() && error.to_string().contains("no/such/file"), "{error}");
    std::fs::create_dir(home.path().join("taken")).unwrap();
    assert!(write_atomic(&home.path().join("taken"), b"x", PRIVATE).is_err());
    assert_eq!(names(home.path()).unwrap(), ["taken"]);
}

#[test]
fn destroy_removes_and_does_not_mind_a_missing_file() {
    let home = directory();
    let (path, second) = (home.path().join("file"), home.path().join("second"));
    write_new(&path, &[7; 100], PRIVATE).unwrap();
    std::fs::hard_link(&path, &second).unwrap();
    destroy(&path).unwrap();
    destroy(&path).unwrap();
    assert!(!path.exists());
    assert_eq!(std::fs::read(second).unwrap(), [0; 100], "the blocks were overwritten");
}

#[test]
fn read_bounded_refuses_what_is_too_large() {
    let home = directory();
    let path = home.path().join("file");
    write_new(&path, &[7; 100], PRIVATE).unwrap();
    assert_eq!(read_bounded(&path, 100).unwrap().len(), 100);
    assert!(matches!(read_bounded(&path, 99), Err(FilesError::TooLarge { max: 99, .. })));
    assert!(read_bounded(&home.path().join("none"), 1).unwrap_err().is_missing());
}

#[test]
fn a_bare_name_is_in_the_directory_one_works_in() {
    assert_eq!(directory_of("name".as_ref()).to_str(), Some("."));
    assert_eq!(directory_of("a/name".as_ref()).to_str(), Some("a"));
}

#[test]
fn a_full_disk_is_told_apart() {
    let full = |kind: std::io::ErrorKind| FilesError::Io { action: "write", path: "f".into(), source: kind.into() };
    assert!(full(std::io::ErrorKind::StorageFull).to_string().contains("free some space"));
    assert!(matches!(crate::StoreError::from(full(std::io::ErrorKind::QuotaExceeded)), crate::StoreError::DiskFull));
    assert!(!full(std::io::ErrorKind::Other).is_disk_full());
}
