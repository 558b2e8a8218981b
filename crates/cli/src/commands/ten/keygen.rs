//! `quorumkeep ten keygen`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_custody::names::Name;
use quorumkeep_sharing::slip39::{EXPONENT_MAX, Passphrase, Share, combine};
use quorumkeep_store::files::read_bounded;
use quorumkeep_ten::card::{KeyCard, Mode, Words};
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::identity::{Identity, Instance};
use quorumkeep_ten::key::{BackupKey, BackupPublicKey};
use quorumkeep_ten::seed::Seed;
use quorumkeep_ten::trezor::{self, Authenticity, DEVICE_FILE_BYTES_MAX};
use rand_core::OsRng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::folder::NewFiles;
use crate::failure::{Code, Failure, Result};
use crate::report::{Report, warn};

/// The public file of a key.
const CARD: &str = "backup-key.json";

const HELP: &str = "\
Examples:
  quorumkeep ten keygen --network mainnet --network-secret --gateway gw-01 --gateway gw-02 --out-dir keys
  quorumkeep ten keygen --network mainnet --gateway gw-01 --device-file from-trezor.txt --out-dir keys
Every secret gets a seed and 3 mnemonics of its own, of which 2 recover it: keys/gateway-gw-01/share-1.txt and so on. Give each
file to one person, check that it reads back, destroy it. backup-key.json beside them is public: its key is what the node or the
gateway is configured with. The words are no wallet.";

/// Arguments of `ten keygen`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Keygen {
    /// The network: mainnet, testnet or as its operators call it.
    #[arg(long, value_name = "NAME")]
    network: Name,
    /// A key for the secret of the network.
    #[arg(long)]
    network_secret: bool,
    /// A key for this gateway; may be given several times.
    #[arg(long, value_name = "NAME")]
    gateway: Vec<Name>,
    /// One seed for all of them, instead of one for each: who recovers one secret then has the keys of all.
    #[arg(long)]
    one_seed: bool,
    /// How many mnemonics recover a seed.
    #[arg(long, value_name = "T", default_value_t = 2)]
    threshold: u8,
    /// How many mnemonics are made.
    #[arg(long, value_name = "N", default_value_t = 3)]
    shares: u8,
    /// Write each seed to seed.bin, for a custody, instead of mnemonics.
    #[arg(long, conflicts_with_all = ["threshold", "shares"])]
    for_custody: bool,
    /// The public key of a device for the one secret that is named: what it returned for this identity.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["one_seed", "threshold", "shares", "for_custody"])]
    device_file: Option<PathBuf>,
    /// The output of trezorctl device authenticate --raw; it is kept, and called unverified.
    #[arg(long, value_name = "FILE", requires = "device_file")]
    authenticity_file: Option<PathBuf>,
    /// The folder for the keys; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

/// A seed before anything of it is written.
struct NewSeed {
    /// The folder of its words.
    folder: String,
    seed: Seed,
    shares: Vec<Share>,
}

/// One key that was made.
struct Made {
    card: KeyCard,
    path: PathBuf,
}

impl Keygen {
    /// Makes them; all files are written, or none.
    pub fn run(self) -> Result<Report> {
        let identities = self.identities()?;
        match &self.device_file {
            Some(file) => self.import(&identities, file),
            None => self.make(&identities),
        }
    }

    fn identities(&self) -> Result<Vec<Identity>> {
        let network = self.network_secret.then(|| Identity::network_secret(self.network.clone()));
        let gateways = self.gateway.iter().map(|name| Identity::gateway(self.network.clone(), name.clone()));
        let all: Vec<Identity> = network.into_iter().chain(gateways).collect();
        let distinct = all.iter().collect::<std::collections::BTreeSet<_>>().len() == all.len();
        match all.len() {
            0 => Err(Failure::usage("name what keys are for: --network-secret, --gateway NAME")),
            _ if !distinct => Err(Failure::usage("a gateway is named twice")),
            _ => Ok(all),
        }
    }

    fn make(&self, identities: &[Identity]) -> Result<Report> {
        let seeds = self.seeds(identities)?;
        if self.one_seed && identities.len() > 1 {
            warn(&format!(
                "one seed for {} secrets: whoever recovers one of them has the keys of all",
                identities.len()
            ));
        }
        let mut files = NewFiles::below(&self.out_dir)?;
        let (mut made, mut secrets) = (Vec::new(), Vec::new());
        for seed in &seeds {
            files.folder(&seed.folder)?;
            secrets.extend(self.write_seed(seed, &mut files)?);
        }
        for (at, identity) in identities.iter().enumerate() {
            // One seed for all, or one for each in the same order.
            let seed = seeds.get(at).or(seeds.first()).ok_or_else(|| Failure::new(Code::Failed, "there is no seed"))?;
            if seed.folder != identity.file_name() {
                files.folder(&identity.file_name())?;
            }
            let card = self.card(identity, seed)?;
            let path = files.public(&format!("{}/{CARD}", identity.file_name()), &card.to_file())?;
            made.push(Made { card, path });
        }
        files.keep();
        Ok(self.report(&made, &seeds, &secrets))
    }

    fn seeds(&self, identities: &[Identity]) -> Result<Vec<NewSeed>> {
        let folders =
            if self.one_seed { vec!["seed".to_owned()] } else { identities.iter().map(Identity::file_name).collect() };
        folders.into_iter().map(|folder| self.seed(folder)).collect()
    }

    /// A new seed. Its words are combined once, so that nobody gets words that do not recover it.
    fn seed(&self, folder: String) -> Result<NewSeed> {
        let seed = Seed::random(&mut OsRng);
        let shares = if self.for_custody { Vec::new() } else { seed.split(self.threshold, self.shares, &mut OsRng)? };
        if !self.for_custody && !seed.is(&combine(&shares, &Passphrase::new(b"")?, EXPONENT_MAX)?.secret) {
            return Err(Failure::new(Code::Failed, "the new mnemonics do not recover their seed"));
        }
        Ok(NewSeed { folder, seed, shares })
    }

    fn write_seed(&self, new: &NewSeed, files: &mut NewFiles) -> Result<Vec<PathBuf>> {
        if self.for_custody {
            return Ok(vec![files.secret(&format!("{}/seed.bin", new.folder), new.seed.expose())?]);
        }
        let write = |share: &Share| {
            let member = share.header().member + 1;
            let (mnemonic, what) = (share.mnemonic(), format!("network {}, {}", self.network, new.folder));
            let text = Zeroizing::new(format!(
                "# Backup of a TEN network, no wallet: {what}. Share {member} of {}; {} recover.\n{}\n",
                self.shares,
                self.threshold,
                mnemonic.as_str()
            ));
            files.secret(&format!("{}/share-{member}.txt", new.folder), text.as_bytes())
        };
        new.shares.iter().map(write).collect()
    }

    fn card(&self, identity: &Identity, new: &NewSeed) -> Result<KeyCard> {
        let key = new.seed.backup_key(identity)?;
        let words = new.shares.first().map(|share| Words {
            set: share.header().identifier,
            threshold: self.threshold,
            shares: self.shares,
        });
        let backup_key = key.public();
        let card = KeyCard {
            identity: identity.clone(),
            backup_key,
            mode: Mode::Software,
            shared_seed: self.one_seed,
            words,
            canary: canary(&backup_key)?,
            authenticity: None,
        };
        let opens = card.canary.is_canary(&key)?;
        if opens { Ok(card) } else { Err(Failure::new(Code::Failed, "the new key does not open its canary")) }
    }

    /// The public key of a device; nothing secret is made.
    fn import(&self, identities: &[Identity], file: &Path) -> Result<Report> {
        let [identity] = identities else {
            return Err(Failure::usage("a device file is of one secret: give --network-secret or one --gateway"));
        };
        let read = |path: &Path| read_bounded(path, DEVICE_FILE_BYTES_MAX as u64);
        let backup_key = trezor::public_key(&read(file)?)?;
        let authenticity = match &self.authenticity_file {
            Some(path) => Some(Authenticity::read(&read(path)?)?),
            None => None,
        };
        let card = KeyCard {
            identity: identity.clone(),
            backup_key,
            mode: Mode::Device,
            shared_seed: false,
            words: None,
            canary: canary(&backup_key)?,
            authenticity,
        };
        let mut files = NewFiles::below(&self.out_dir)?;
        files.folder(&identity.file_name())?;
        let path = files.public(&format!("{}/{CARD}", identity.file_name()), &card.to_file())?;
        files.keep();
        let report = self.report(&[Made { card, path }], &[], &[]);
        Ok(report.line(
            "The device's proof of authenticity is UNVERIFIED. Open the canary with the device before you rely on it.",
        ))
    }

    fn report(&self, made: &[Made], seeds: &[NewSeed], secrets: &[PathBuf]) -> Report {
        let mut report = Report::text(format!("{} backup keys for the network {}", made.len(), self.network));
        for Made { card, path } in made {
            report = report.line(format!("{}: {}", card.identity, path.display()));
            report = report.line(format!("  {}", setting(card)));
        }
        for path in secrets {
            report = report.line(format!("  secret: {}", path.display()));
        }
        let custody: Vec<Value> =
            seeds.iter().filter(|_| self.for_custody).filter_map(|new| self.for_set(new)).collect();
        for set in &custody {
            report = report.line(set.get("command").and_then(Value::as_str).unwrap_or_default());
        }
        let keys: Vec<Value> = made.iter().map(row).collect();
        report
            .field("keys", keys)
            .field("secret_files", secrets)
            .field("custody", custody)
            .field("one_seed", self.one_seed)
    }

    /// How a custody takes the seed: as a key of its own, recognised by the point that belongs to it as a number.
    fn for_set(&self, new: &NewSeed) -> Option<Value> {
        let number = new.seed.expose().try_into().ok()?;
        let public = BackupKey::from_bytes(number).ok()?.public();
        let file = self.out_dir.join(&new.folder).join("seed.bin");
        let command = format!(
            "quorumkeep backup create --scheme slip39 --direct --secret-file {} --public-key secp256k1:{public} ...",
            file.display()
        );
        Some(json!({ "seed_file": file, "public_key": format!("secp256k1:{public}"), "command": command }))
    }
}

fn canary(key: &BackupPublicKey) -> Result<Ciphertext> {
    Ciphertext::canary(key, &mut OsRng)
        .ok_or_else(|| Failure::new(Code::BadKey, "nothing can be encrypted to this key"))
}

fn setting(card: &KeyCard) -> String {
    match card.identity.instance {
        Instance::NetworkSecret => card.backup_key.node_setting(),
        Instance::Gateway(_) => card.backup_key.gateway_setting(),
    }
}

fn row(made: &Made) -> Value {
    let Made { card, path } = made;
    json!({
        "identity": card.identity, "backup_key": card.backup_key, "setting": setting(card), "file": path,
        "mode": card.mode, "shared_seed": card.shared_seed,
        "authenticity": card.authenticity.as_ref().map(|proof| proof.verdict),
    })
}
