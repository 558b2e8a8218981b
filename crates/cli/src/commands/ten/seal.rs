//! The signed file of a backup that was just taken.

use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::container::{Backup, Origin};
use quorumkeep_ten::identity::Identity;
use quorumkeep_ten::key::BackupPublicKey;
use quorumkeep_ten::secret::RpcKey;

use super::backup::Taken;
use crate::failure::{Code, Failure, Result};
use crate::keyfile::KeyFile;

/// Signs it as the owner of a key file.
pub fn seal(taken: &Taken<'_>, key: &KeyFile) -> Result<Vec<u8>> {
    let network = taken.network.clone();
    let identity = match taken.gateway {
        None => Identity::network_secret(network),
        Some(name) => Identity::gateway(network, name.clone()),
    };
    let capture = taken.capture;
    let ciphertext = Ciphertext::from_bytes(&capture.ciphertext)?;
    let backup_key = BackupPublicKey::from_bytes(&taken.backup_key.0)?;
    let rpc_key = capture.rpc_key.map(|key| RpcKey::from_bytes(&key)).transpose();
    let rpc_key = rpc_key.map_err(|error| Failure::new(Code::BadKey, error))?;
    let origin = Origin { source: capture.source.clone(), time_ms: taken.at_ms };
    let backup = Backup::new((identity, taken.major_version), backup_key, ciphertext, rpc_key, origin)?;
    Ok(backup.sign(&key.signing()).to_file())
}
