//! A disaster: the secret of a network and the keys of its gateways, each from two shares, by one process of the program each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quorumkeep_ten::card::KeyCard;
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::identity::{Identity, Instance};
use quorumkeep_ten::secret::{NetworkSecret, Secret};
use rand_core::OsRng;

use crate::report::{Failure, Report, Samples, timed};

/// What `bench ten-recover` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Gateways beside the network secret.
    #[arg(long, default_value_t = 100)]
    gateways: u16,
    /// The program.
    #[arg(long, default_value = "../target/release/quorumkeep")]
    binary: PathBuf,
}

const NETWORK: &str = "bench";
const SECRET: [u8; 32] = [0x5a; 32];

/// Keys and backups are made once; every round recovers all of them, one after another, into new folders.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let binary = arguments.binary.canonicalize()?;
    let home = tempfile::tempdir()?;
    let identities = identities(arguments.gateways)?;
    generate(&binary, home.path(), arguments.gateways)?;
    identities.iter().try_for_each(|identity| back_up(home.path(), identity))?;
    let mut all = Samples::default();
    for _ in 0..rounds {
        let (took, done) = timed(|| identities.iter().try_for_each(|identity| recover(&binary, home.path(), identity)));
        done?;
        all.push(took.as_secs_f64());
        fs::remove_dir_all(home.path().join("restore"))?;
    }
    let mut report = Report::new("ten-recover");
    report.figure("secrets", identities.len() as f64);
    report.samples("recovery_s", &all);
    report.figure("recovery_of_one_ms", all.median() * 1e3 / identities.len() as f64);
    Ok(report)
}

fn identities(gateways: u16) -> Result<Vec<Identity>, Failure> {
    let gateway = |number| Ok(Identity::gateway(NETWORK.parse()?, format!("gw-{number}").parse()?));
    let network = Ok(Identity::network_secret(NETWORK.parse()?));
    std::iter::once(network).chain((1..=gateways).map(gateway)).collect()
}

fn generate(binary: &Path, home: &Path, gateways: u16) -> Result<(), Failure> {
    let mut command = Command::new(binary);
    command.args(["ten", "keygen", "--network", NETWORK, "--network-secret", "--out-dir", "keys"]);
    command.args((1..=gateways).flat_map(|number| ["--gateway".to_owned(), format!("gw-{number}")]));
    finish(command.current_dir(home))
}

fn back_up(home: &Path, identity: &Identity) -> Result<(), Failure> {
    let name = identity.file_name();
    let card = KeyCard::from_file(&fs::read(home.join(format!("keys/{name}/backup-key.json")))?)?;
    let sealed = Ciphertext::seal(&card.backup_key, &Secret::new(&SECRET)?, &mut OsRng).ok_or("not sealed")?;
    Ok(fs::write(home.join(format!("{name}.hex")), sealed.to_string())?)
}

/// Words, seed, key, decryption, recognition, artefacts.
fn recover(binary: &Path, home: &Path, identity: &Identity) -> Result<(), Failure> {
    let name = identity.file_name();
    let mut command = Command::new(binary);
    command.args(["ten", "recover", "--network", NETWORK, "--volume-empty"]);
    match &identity.instance {
        Instance::NetworkSecret => {
            let rpc_key = NetworkSecret::new(Secret::new(&SECRET)?).rpc_key().ok_or("no key")?;
            command.args(["--rpc-key", &rpc_key.to_string()]);
        }
        Instance::Gateway(gateway) => {
            command.args(["--gateway", gateway.as_str(), "--unrecognised"]);
        }
    }
    command.args(["--backup", &format!("{name}.hex"), "--card", &format!("keys/{name}/backup-key.json")]);
    command.args(["--shares-file", &format!("keys/{name}/share-1.txt"), &format!("keys/{name}/share-3.txt")]);
    command.args(["--out-dir", &format!("restore/{name}")]);
    finish(command.current_dir(home))
}

fn finish(command: &mut Command) -> Result<(), Failure> {
    let done = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned().into()) }
}
