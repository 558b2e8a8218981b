//! A folder with the signed backups of many instances: `network-secret-20260101T000000000Z.json`, `gateway-NAME-...`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use quorumkeep_custody::keys::VerifyKey;
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::check::{self, Finding};
use quorumkeep_ten::container::{Backup, CONTAINER_BYTES_MAX, SignedBackup};
use quorumkeep_ten::identity::Identity;

use crate::failure::{Code, Failure, Result};

/// Characters of `-20260101T000000000Z.json`.
const TIME_AND_END: usize = 25;

/// The name of a backup that was taken at this time.
pub fn file_name(identity: &Identity, time_ms: u64) -> Result<String> {
    let wrong = || Failure::new(Code::Failed, "the clock of this machine is wrong");
    let time = i64::try_from(time_ms).ok().and_then(DateTime::from_timestamp_millis).ok_or_else(wrong)?;
    Ok(format!("{}-{}.json", identity.file_name(), time.format("%Y%m%dT%H%M%S%3fZ")))
}

/// The files of a folder, by the instance that their names tell; the newest first.
pub struct Shelf(BTreeMap<String, Vec<PathBuf>>);

impl Shelf {
    /// Reads the names.
    pub fn read(dir: &Path) -> Result<Self> {
        let unreadable = |error: std::io::Error| Failure::new(Code::BadFile, format!("{}: {error}", dir.display()));
        let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for entry in dir.read_dir().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if let Some(instance) = path.file_name().and_then(|name| instance(name.to_str()?)) {
                files.entry(instance.to_owned()).or_default().push(path);
            }
        }
        // Times in names sort as text.
        files.values_mut().for_each(|paths| paths.sort_unstable_by(|a, b| b.cmp(a)));
        Ok(Self(files))
    }

    /// The newest good backup of an identity, and a finding for every file in front of it that is none.
    pub fn newest(&self, identity: &Identity, trusted: &[VerifyKey]) -> (Option<(PathBuf, Backup)>, Vec<Finding>) {
        let mut findings = Vec::new();
        for path in self.0.get(&identity.file_name()).into_iter().flatten() {
            match load(path, identity, trusted) {
                Ok(backup) => return (Some((path.clone(), backup)), findings),
                Err(failure) => {
                    let about = path.display().to_string();
                    findings.push(Finding::new(&about, check::Code::BackupBad, format!("({})", failure.message)));
                }
            }
        }
        (None, findings)
    }

    /// The newest good backup of every other instance of the same network.
    pub fn others(&self, identity: &Identity, trusted: &[VerifyKey]) -> Vec<(String, Backup)> {
        let own = identity.file_name();
        let others = self.0.iter().filter(|(instance, _)| **instance != own);
        let newest = |(instance, paths): (&String, &Vec<PathBuf>)| {
            let good = paths.iter().find_map(|path| {
                let signed = SignedBackup::from_file(&read_bounded(path, CONTAINER_BYTES_MAX as u64).ok()?).ok()?;
                let of = signed.backup.identity.clone();
                signed.verify(trusted, &of).ok().filter(|_| of.network == identity.network).cloned()
            });
            Some((instance.clone(), good?))
        };
        others.filter_map(newest).collect()
    }
}

/// One file: a backup of this identity, signed by somebody trusted.
pub fn load(path: &Path, identity: &Identity, trusted: &[VerifyKey]) -> Result<Backup> {
    let signed = SignedBackup::from_file(&read_bounded(path, CONTAINER_BYTES_MAX as u64)?)?;
    Ok(signed.verify(trusted, identity)?.clone())
}

/// What stands in front of the time.
fn instance(name: &str) -> Option<&str> {
    let (instance, end) = name.split_at_checked(name.len().checked_sub(TIME_AND_END)?)?;
    let digits = end.strip_prefix('-')?.strip_suffix("Z.json")?;
    let (day, time) = digits.split_once('T')?;
    let plain = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain(day, 8) && plain(time, 9)).then_some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_instance_and_time() {
        let named = |identity: &str, time_ms| file_name(&identity.parse().unwrap(), time_ms).unwrap();
        let network = named("ten://backup@a/network-secret", 1_767_225_600_001);
        assert_eq!(network, "network-secret-20260101T000000001Z.json");
        let gateway = named("ten://backup@a/gateway/gw-01", 0);
        assert_eq!(gateway, "gateway-gw-01-19700101T000000000Z.json");
        assert_eq!(instance(&network), Some("network-secret"));
        assert_eq!(instance(&gateway), Some("gateway-gw-01"));
        for other in [
            "",
            "a.json",
            "network-secret.json",
            "network-secret-20260101T00000000Z.json",
            "x-20260101T00000000aZ.json",
        ] {
            assert_eq!(instance(other), None, "{other}");
        }
    }
}
