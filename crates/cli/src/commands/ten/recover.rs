//! `quorumkeep ten recover`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use quorumkeep_custody::keys::VerifyKey;
use quorumkeep_custody::names::Name;
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::artefact::{Artefact, Recognise, Restored};
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::container::{CONTAINER_BYTES_MAX, SignedBackup};
use quorumkeep_ten::identity::{Identity, Instance};
use quorumkeep_ten::key::BackupPublicKey;
use quorumkeep_ten::preflight::{self, Finding, Gateway, Node, Role};
use quorumkeep_ten::secret::{RpcKey, Secret};

use super::document;
use super::expected::Expected;
use super::folder::NewFiles;
use super::live::{Live, Seen};
use super::opening::Opening;
use crate::failure::{Code, Failure, Result};
use crate::report::{Report, warn};

/// What a gateway seals on its volume.
const SEALED_KEY: &str = "encryption-key.json";

const HELP: &str = "\
Examples:
  quorumkeep ten recover --network mainnet --backup network-secret.json --signer KEY --rpc-key BASE64 \\
    --shares-file alice.txt bob.txt --volume /mnt/enclave-db --role validator --out-dir restore
  quorumkeep ten recover --network mainnet --gateway gw-01 --backup gw-01.hex --card keys/gateway-gw-01/backup-key.json \\
    --seed-file secret.age --identity me.txt --document document.json --volume /mnt/data --out-dir restore
  quorumkeep ten recover --network mainnet --backup network-secret.json --signer KEY --rpc-key BASE64 --seed-file seed.bin \\
    --volume /mnt/enclave-db --role sequencer --node http://sequencer:80 \\
    --l1-rpc https://rpc.example --registry 0xADDRESS --enclave-id 0xADDRESS --out-dir restore
The key of the backup comes from words, from a seed file (bare, or sealed by a recovery session of a custody), from a key file, or
stays in a device (--session-key-file). Nothing is written before the secret is recognised: that of a network by its RPC key, that of a gateway by
a document that it has stored. The secret is never printed; destroy the files when the restart is done.";

/// What the node will be.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleArg {
    Validator,
    Sequencer,
}

/// Arguments of `ten recover`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Recover {
    /// The network.
    #[arg(long, value_name = "NAME")]
    network: Name,
    /// The gateway whose key is recovered [default: the secret of the network].
    #[arg(long, value_name = "NAME")]
    gateway: Option<Name>,
    /// The backup: a signed file of ten backup, or a ciphertext as the node or the gateway gave it.
    #[arg(long, value_name = "FILE")]
    backup: PathBuf,
    /// Who may have signed the backup: 64 hex digits; may be given several times.
    #[arg(long, value_name = "KEY", value_parser = super::expected::verify_key)]
    signer: Vec<VerifyKey>,
    #[command(flatten)]
    expected: Expected,
    #[command(flatten)]
    opening: Opening,
    /// The RPC key of the network, as it is known from elsewhere than the backup: base64 as ten_rpcKey answers, or hexadecimal.
    #[arg(long, value_name = "KEY", required_unless_present = "gateway", conflicts_with = "gateway")]
    rpc_key: Option<RpcKey>,
    /// A document that the gateway has stored: its JSON, or the data alone.
    #[arg(long, value_name = "FILE", requires = "gateway")]
    document: Option<PathBuf>,
    /// There is no document: the key of the gateway is written without being recognised.
    #[arg(long, requires = "gateway", conflicts_with = "document")]
    unrecognised: bool,
    /// The volume of the enclave's database, or of the gateway's /data, mounted here: it is looked at.
    #[arg(long, value_name = "DIR", conflicts_with = "volume_empty")]
    volume: Option<PathBuf>,
    /// You have looked yourself: the volume is new or empty.
    #[arg(long)]
    volume_empty: bool,
    /// What the node will be.
    #[arg(long, value_enum, conflicts_with = "gateway")]
    role: Option<RoleArg>,
    #[command(flatten)]
    live: Live,
    /// The name of the Kubernetes Secret.
    #[arg(long, value_name = "NAME", default_value = "ten-restore")]
    kubernetes_name: Name,
    /// The new folder for what the restart needs.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

/// A ciphertext and what is known of it.
struct Captured {
    ciphertext: Ciphertext,
    key: Option<BackupPublicKey>,
    rpc_key: Option<RpcKey>,
}

impl Recover {
    /// Looks, opens, recognises, and only then writes.
    pub fn run(self) -> Result<Report> {
        let identity = self.what();
        let captured = self.captured(&identity)?;
        let seen = self.live.look()?;
        let findings = self.look(captured.rpc_key.as_ref(), &seen)?;
        let restored = self.restored(self.open(&identity, &captured)?, &captured)?;
        let artefacts = restored.artefacts(self.kubernetes_name.as_str())?;
        let files = self.write(&artefacts)?;
        let report = self.report(&identity, &restored, &artefacts, files).field("findings", findings);
        Ok(report.field("enclaves", seen.enclaves))
    }

    fn what(&self) -> Identity {
        match &self.gateway {
            Some(name) => Identity::gateway(self.network.clone(), name.clone()),
            None => Identity::network_secret(self.network.clone()),
        }
    }

    fn captured(&self, identity: &Identity) -> Result<Captured> {
        let bytes = read_bounded(&self.backup, CONTAINER_BYTES_MAX as u64)?;
        let own = self.expected.key(identity)?;
        let about = |failure: Failure| failure.about(self.backup.display());
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            let ciphertext = Ciphertext::from_file(&bytes).map_err(|error| about(error.into()))?;
            return Ok(Captured { ciphertext, key: own, rpc_key: None });
        }
        let signed = SignedBackup::from_file(&bytes).map_err(|error| about(error.into()))?;
        let backup = signed.verify(&self.signer, identity).map_err(|error| about(error.into()))?;
        if own.is_some_and(|own| own != backup.backup_key) {
            let message = format!("the backup is encrypted to {}, not to the given key", backup.backup_key);
            return Err(Failure::new(Code::OtherInstance, message));
        }
        let ciphertext = backup.ciphertext.clone();
        Ok(Captured { ciphertext, key: Some(backup.backup_key), rpc_key: backup.rpc_key })
    }

    /// Before anything is opened: would a restart run on the restored secret?
    fn look(&self, recorded: Option<&RpcKey>, seen: &Seen) -> Result<Vec<Finding>> {
        let findings = match (&self.gateway, self.rpc_key) {
            (Some(_), _) => preflight::gateway(&Gateway { sealed_key_absent: self.volume_lacks(Some(SEALED_KEY))? }),
            (None, Some(rpc_key)) => preflight::node(&self.node(seen)?, &rpc_key),
            (None, None) => return Err(Failure::usage("give --rpc-key, as it is known from elsewhere")),
        };
        if let Some(refused) = preflight::refusal(&findings) {
            let report = Report::default().field("findings", &findings).field("enclaves", &seen.enclaves);
            let message = format!("{}: {refused}", refused.code);
            return Err(Failure::new(Code::RestoreUnsafe, message).with_report(report));
        }
        if let (Some(recorded), Some(pinned)) = (recorded, &self.rpc_key)
            && recorded != pinned
        {
            let message = format!("the backup was made of a network with the RPC key {recorded}, expected is {pinned}");
            return Err(Failure::new(Code::RpcKeyDiffers, message));
        }
        findings
            .iter()
            .filter(|finding| finding.level == preflight::Level::Warning)
            .for_each(|finding| warn(&finding.to_string()));
        Ok(findings)
    }

    fn node(&self, seen: &Seen) -> Result<Node> {
        let role = self.role.map(|role| match role {
            RoleArg::Validator => Role::Validator,
            RoleArg::Sequencer => Role::Sequencer,
        });
        let database_empty = self.volume_lacks(None)?;
        Ok(Node { database_empty, role, living: seen.living(), answers: seen.answers.clone() })
    }

    /// Is there nothing on the volume, or at least not this file? None if nobody has looked.
    fn volume_lacks(&self, file: Option<&str>) -> Result<Option<bool>> {
        let Some(volume) = &self.volume else { return Ok(self.volume_empty.then_some(true)) };
        if let Some(file) = file {
            // A volume that is not there says nothing about its files.
            fs::read_dir(volume).map_err(|error| unreadable(volume, &error))?;
            return Ok(Some(volume.join(file).symlink_metadata().is_err()));
        }
        let mut entries = fs::read_dir(volume).map_err(|error| unreadable(volume, &error))?;
        // A new file system of Linux has this folder.
        let is_empty = entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == "lost+found"));
        Ok(Some(is_empty))
    }

    fn open(&self, identity: &Identity, captured: &Captured) -> Result<Secret> {
        let (opener, _) = self.opening.opener(identity, captured.key.as_ref())?;
        opener.secret(&captured.ciphertext)
    }

    fn restored(&self, secret: Secret, captured: &Captured) -> Result<Restored> {
        match (&self.gateway, self.rpc_key.or(captured.rpc_key)) {
            (None, Some(rpc_key)) => Ok(Restored::network(secret, rpc_key)?),
            (None, None) => Err(Failure::usage("give --rpc-key, as it is known from elsewhere")),
            (Some(_), _) => Ok(Restored::gateway(secret, &self.recognise()?)?),
        }
    }

    fn recognise(&self) -> Result<Recognise> {
        let Some(path) = &self.document else {
            if self.unrecognised {
                warn("the key of the gateway is not recognised by anything but its backup key");
                return Ok(Recognise::Nothing);
            }
            let help = "Take any document from the database of the gateway. If there is none, say --unrecognised.";
            return Err(Failure::usage("give --document, by which the key is recognised").with_help(help));
        };
        Ok(Recognise::Document(document::read(path)?))
    }

    fn write(&self, artefacts: &[Artefact]) -> Result<Vec<PathBuf>> {
        if self.out_dir.symlink_metadata().is_ok() {
            let message = format!("{} exists and is not overwritten", self.out_dir.display());
            return Err(Failure::new(Code::FileExists, message));
        }
        let mut files = NewFiles::below(&self.out_dir)?;
        let written = artefacts.iter().map(|artefact| files.secret(artefact.file, artefact.text.as_bytes()));
        let written = written.collect::<Result<Vec<_>>>()?;
        files.keep();
        Ok(written)
    }

    fn report(&self, identity: &Identity, restored: &Restored, artefacts: &[Artefact], files: Vec<PathBuf>) -> Report {
        let mut report = Report::text(format!("{identity} is recovered and recognised"));
        for (artefact, path) in artefacts.iter().zip(&files) {
            report = report.line(format!("  {}: {}", path.display(), artefact.what));
        }
        let rpc_key = match restored {
            Restored::Network(secret) => secret.rpc_key(),
            Restored::Gateway(_) => None,
        };
        let next = match identity.instance {
            Instance::NetworkSecret => {
                "Start the node with the setting, which must stay at every later start, and compare its ten_rpcKey with the RPC key."
            }
            Instance::Gateway(_) => {
                "Start the gateway with the flag, then set the source back to empty: \"new\" would make another key on a new volume."
            }
        };
        let report = report.line(next).line("These files are secrets: destroy them when the restart is done.");
        let recognised = self.gateway.is_none() || self.document.is_some();
        let report = report.field("identity", identity).field("files", files).field("rpc_key", rpc_key);
        report.field("recognised", recognised).field("next", next)
    }
}

fn unreadable(volume: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::BadFile, format!("the volume {} cannot be read: {error}", volume.display()))
}
