//! `backup plan` and `backup create`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::container;
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::manifest::{Container, Plan};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::placement::{self, Analysis, Claim, Side};
use quorumkeep_custody::recogniser::PublicKey;
use quorumkeep_custody::request::Action;
use quorumkeep_custody::scheme::{KEY_BYTES_MAX, Scheme};
use quorumkeep_custody::{canonical, keeper};
use quorumkeep_server::files::read_bounded;
use quorumkeep_store::files::{private_directory, write_new};
use rand_core::OsRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::commands::encrypt::read_some;
use crate::custody_link::{As, At, Link, Pin, now_ms};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::Kind;
use crate::mpc_store::{Files, MpcStore};
use crate::output::{Output, open_input};
use crate::progress::Progress;
use crate::report::Report;

/// The name of the container with the secret itself.
pub const SECRET: &str = "secret";
/// The name of the one with what belongs to it.
pub const KEYDATA: &str = "keydata";
/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

const HELP: &str = "\
Example (the default mixed mode: 2 shares at the server, 3 outside, 3 recover):
  quorumkeep backup create --custody DIR --as olga.key --key-id k1 --node-id server-proxy-1 --secret-file share.bin \\
    --guardian server-1 --guardian server-2 --guardian security --guardian custodian --guardian cold \\
    --threshold 3 --survives-shares 2 --survives-side server --out-dir set
The secret is encrypted under a random key, and the key is shared. Keep the files in set/ wherever you like: they are useless
without enough guardians, and a recovery needs them.";

/// How a set is placed, and what is said of it.
#[derive(Args)]
pub struct Placement {
    /// A registered guardian; give it once for each share, in the order of the shares.
    #[arg(long, value_name = "NAME", required = true)]
    guardian: Vec<Name>,
    /// Shares that recover.
    #[arg(long, value_name = "T", default_value_t = 3)]
    threshold: u8,
    /// The claim that any N shares may be lost.
    #[arg(long, value_name = "N", default_value_t = 0)]
    survives_shares: u8,
    /// The claim that this whole side may be lost: server or outside.
    #[arg(long, value_name = "SIDE", value_parser = side)]
    survives_side: Vec<Side>,
    /// Accept that this side could recover alone: server or outside.
    #[arg(long, value_name = "SIDE", value_parser = side)]
    side_alone: Vec<Side>,
    /// Accept that this entity could recover alone.
    #[arg(long, value_name = "NAME")]
    entity_alone: Vec<Name>,
}

/// Arguments of `backup plan`.
#[derive(Args)]
pub struct PlanCheck {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    placement: Placement,
}

/// Arguments of `backup create`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Create {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    pin: Pin,
    #[command(flatten)]
    by: As,
    /// The key that is backed up.
    #[arg(long, value_name = "NAME")]
    key_id: Name,
    /// Whose share or copy of it.
    #[arg(long, value_name = "NAME")]
    node_id: Name,
    /// The secret, of any size, as it is.
    #[arg(long, value_name = "FILE", required_unless_present = "store")]
    secret_file: Option<PathBuf>,
    /// The store of an MPC node instead: BASE/KEY/NODE.enc and .keydata.enc.
    #[arg(long, value_name = "BASE", requires = "store_password_file", conflicts_with_all = ["secret_file", "keydata_file", "direct"])]
    store: Option<PathBuf>,
    /// The password of that store.
    #[arg(long, value_name = "FILE", requires = "store")]
    store_password_file: Option<PathBuf>,
    /// A second secret beside it, such as the save-data of an MPC node.
    #[arg(long, value_name = "FILE", conflicts_with = "direct")]
    keydata_file: Option<PathBuf>,
    /// shamir, slip39 (words for people and paper) or vss (shares that can be checked alone).
    #[arg(long, default_value = "shamir")]
    scheme: Scheme,
    /// Share the secret itself, without a container. Only for 16 to 64 random bytes: a secret that can be guessed would be given
    /// away by its commitments.
    #[arg(long, requires = "public_key")]
    direct: bool,
    /// The public key of the secret, by which it is recognised: secp256k1:HEX, ed25519:HEX or bls12381g1:HEX.
    #[arg(long, value_name = "KEY")]
    public_key: Option<PublicKey>,
    #[command(flatten)]
    placement: Placement,
    /// The new folder for the manifest and the containers.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

fn side(text: &str) -> core::result::Result<Side, &'static str> {
    serde_json::from_value(text.into()).map_err(|_| "expected server or outside")
}

impl Placement {
    /// The guardians, if people of this custody stand behind their keys.
    fn guardians(&self, link: &Link, custody: &Hash) -> Result<Vec<Guardian>> {
        let approved = link.register()?.check(custody)?;
        self.guardian.iter().map(|name| Ok(approved.guardian(name)?.clone())).collect()
    }

    fn claim(&self) -> Claim {
        Claim {
            survives_shares: self.survives_shares,
            survives_sides: self.survives_side.iter().copied().collect(),
            side_alone: self.side_alone.iter().copied().collect(),
            entity_alone: self.entity_alone.iter().cloned().collect(),
        }
    }
}

impl PlanCheck {
    /// Shows the matrix, then says whether the claims hold.
    pub fn run(self) -> Result<Report> {
        let link = self.at.open()?;
        let guardians = self.placement.guardians(&link, &link.custody())?;
        let analysis = placement::analyse(self.placement.threshold, &guardians)?;
        let report = matrix(Report::text(""), &analysis);
        match analysis.check(&self.placement.claim()) {
            Ok(()) => Ok(report.line("The claims hold.")),
            Err(lie) => Err(Failure { report: Some(Box::new(report)), ..lie.into() }),
        }
    }
}

/// What a placement gives, for people and programs.
pub fn matrix(report: Report, analysis: &Analysis) -> Report {
    let Analysis { threshold, shares, server, outside, .. } = analysis;
    let yes = |survives: bool| if survives { "recoverable" } else { "LOST" };
    let mut report =
        report.line(format!("{threshold} of {shares} shares recover; {server} at the server, {outside} outside"));
    report = report.line(format!("{:<44} {}", "loss", "then"));
    report = report.line(format!("{:<44} {}", format!("any {} shares", analysis.survives_shares), yes(true)));
    for side in [Side::Server, Side::Outside] {
        let survives = analysis.survives_sides.contains(&side);
        report = report.line(format!("{:<44} {}", format!("the whole {side} side"), yes(survives)));
    }
    for entity in analysis.entities.keys() {
        let survives = analysis.survives(&[entity.clone()].into());
        report = report.line(format!("{:<44} {}", format!("everything of {entity}"), yes(survives)));
    }
    report = report.line("Who could recover together (nobody of a line can be left out):");
    let coalitions = analysis.coalitions();
    for coalition in &coalitions {
        let names: Vec<&str> = coalition.iter().map(Name::as_str).collect();
        report = report.line(format!("  {}", names.join(" + ")));
    }
    report.field("placement", analysis).field("coalitions", coalitions)
}

impl Create {
    /// Makes the set. Containers are durable before the custody hears of it; if it refuses, they are removed again.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let key_file = self.by.load()?.of(Kind::Person)?;
        let mut link = self.at.open()?;
        let custody = self.pin.of(&self.at, &link)?;
        let guardians = self.placement.guardians(&link, &custody)?;
        let (threshold, claim) = (self.placement.threshold, self.placement.claim());
        let analysis = placement::analyse(threshold, &guardians)?;
        analysis.check(&claim)?;
        let stored = self.read_store()?;
        self.check_public_key(stored.as_ref())?;
        let secret = if self.direct { self.read_secret()? } else { self.scheme.random_key(&mut OsRng) };
        let made = self.make_folder()?;
        let set = self.containers(&secret, stored, as_json).and_then(|containers| {
            let plan = Plan {
                custody,
                key_id: self.key_id.clone(),
                node_id: self.node_id.clone(),
                generation: link.next_generation(&self.key_id, &self.node_id)?,
                scheme: self.scheme,
                threshold,
                guardians,
                claim,
                public_key: self.public_key.clone(),
                containers,
                dealer: key_file.name().clone(),
                now_ms: now_ms(),
            };
            let new = plan.deal(&secret, &key_file.signing(), &mut OsRng)?;
            let text = [canonical::to_bytes(&new.manifest), b"\n".to_vec()].concat();
            write_new(&self.out_dir.join("manifest.json"), &text, 0o644)?;
            let manifest = new.manifest.manifest.clone();
            let action = Action::CreateSet { manifest: new.manifest, envelopes: new.envelopes };
            link.ask(&key_file, action)?;
            Ok(manifest)
        });
        let manifest = match set {
            Ok(manifest) => manifest,
            // Only a rule that refused says that there is no set. After anything else it may exist, and needs its containers.
            Err(failure) if matches!(failure.code.exit(), 3 | 4) => {
                self.clear(made);
                return Err(failure);
            }
            Err(mut failure) => {
                let dir = self.out_dir.display();
                failure.help = format!(
                    "Look with quorumkeep backup status whether the set exists. If it does, {dir} belongs to it."
                );
                return Err(failure);
            }
        };
        let id = keeper::id_of(&manifest);
        let report = Report::text(format!("the set {id} is made; its files are in {}", self.out_dir.display()))
            .line("It becomes active when every guardian has fetched his share and signed for it.")
            .field("set", id.to_string())
            .field("manifest_hash", manifest.hash())
            .field("dir", &self.out_dir);
        Ok(matrix(report, &analysis))
    }

    fn make_folder(&self) -> Result<bool> {
        let new = !self.out_dir.exists();
        private_directory(&self.out_dir)?;
        let mut entries = fs::read_dir(&self.out_dir)?;
        if entries.next().is_some() {
            let message = format!("{} is not empty", self.out_dir.display());
            return Err(Failure::new(Code::FileExists, message));
        }
        Ok(new)
    }

    /// Removes what belongs to a set that was not made. Nothing else was in the folder.
    fn clear(&self, made: bool) {
        for name in ["manifest.json", "secret.age", "keydata.age"] {
            let _ = fs::remove_file(self.out_dir.join(name));
        }
        if made {
            let _ = fs::remove_dir(&self.out_dir);
        }
    }

    fn secret_file(&self) -> Result<&Path> {
        self.secret_file.as_deref().ok_or_else(|| Failure::usage("give --secret-file or --store"))
    }

    fn read_secret(&self) -> Result<Zeroizing<Vec<u8>>> {
        Ok(read_bounded(self.secret_file()?, KEY_BYTES_MAX as u64)?.to_vec().into())
    }

    fn read_store(&self) -> Result<Option<Files>> {
        let (Some(base), Some(password)) = (&self.store, &self.store_password_file) else {
            return Ok(None);
        };
        MpcStore::open(base, password)?.read(&self.key_id, &self.node_id).map(Some)
    }

    /// A public key that is not the secret's would make the backup useless on the worst day.
    fn check_public_key(&self, stored: Option<&Files>) -> Result<()> {
        let Some(public) = &self.public_key else {
            return Ok(());
        };
        let matches = match stored {
            Some(files) => public.matches(&files.share),
            None => public.matches(&self.read_secret()?),
        };
        if matches {
            return Ok(());
        }
        Err(Failure::new(Code::BadSecret, "the secret is not the private half of this public key"))
    }

    fn containers(&self, key: &[u8], stored: Option<Files>, as_json: bool) -> Result<Vec<Container>> {
        if let Some(Files { share, keydata }) = stored {
            let mut all = vec![self.container(key, SECRET, &mut share.as_slice(), None, as_json)?];
            if let Some(keydata) = keydata {
                all.push(self.container(key, KEYDATA, &mut keydata.as_slice(), None, as_json)?);
            }
            return Ok(all);
        }
        if self.direct {
            return Ok(Vec::new());
        }
        let files = [(SECRET, Some(self.secret_file()?)), (KEYDATA, self.keydata_file.as_deref())];
        let from_file = |(name, path): (&'static str, &Path)| {
            let (mut input, length) = open_input(path)?;
            self.container(key, name, &mut input, length, as_json)
        };
        files.into_iter().filter_map(|(name, path)| Some((name, path?))).map(from_file).collect()
    }

    fn container(
        &self,
        key: &[u8],
        name: &str,
        from: &mut dyn Read,
        length: Option<u64>,
        as_json: bool,
    ) -> Result<Container> {
        let name: Name = name.parse().map_err(|error| Failure::new(Code::Failed, error))?;
        let path = self.out_dir.join(format!("{name}.age"));
        let mut output = Hashing::new(Output::create(&path, false, true)?);
        let mut progress = Progress::new("encrypting", length, as_json);
        let mut stream = container::create(key, &name, &mut output)?;
        copy(from, &mut stream, &mut progress)?;
        stream.finish()?;
        let (to, sha256, bytes) = output.end();
        to.finish()?;
        Ok(Container { name, bytes, sha256 })
    }
}

/// Copies all of it.
pub fn copy(from: &mut dyn Read, to: &mut dyn Write, progress: &mut Progress) -> Result<()> {
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    while let Some(bytes) = read_some(from, &mut chunk)? {
        to.write_all(bytes)?;
        progress.add(bytes.len());
    }
    Ok(())
}

/// The SHA-256 of a file.
pub fn sha256_of(path: &Path) -> Result<(Hex<32>, u64)> {
    let missing = |error: io::Error| Failure::from(error).about(path.display());
    let mut file = File::open(path).map_err(missing)?;
    let mut hash = Hashing::new(io::sink());
    io::copy(&mut file, &mut hash).map_err(missing)?;
    let (_, sha256, bytes) = hash.end();
    Ok((sha256, bytes))
}

/// Hashes what goes through.
pub(super) struct Hashing<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    /// Nothing went through yet.
    pub(super) fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), bytes: 0 }
    }

    /// Where it went, its hash and its length.
    pub(super) fn end(self) -> (W, Hash, u64) {
        (self.to, Hex(self.hash.finalize().into()), self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
