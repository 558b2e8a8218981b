//! `backup restore`: from a manifest and shares alone.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_custody::container;
use quorumkeep_custody::manifest::{Container, Manifest};
use quorumkeep_server::files::read_bounded;
use quorumkeep_store::files::{private_directory, write_new};
use zeroize::Zeroizing;

use super::create::{SECRET, copy, sha256_of};
use super::deliver::{read_envelope, read_manifest};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::{KeyFile, Kind};
use crate::mpc_store::{self, Files, MpcStore};
use crate::output::Output;
use crate::progress::Progress;
use crate::report::Report;

/// Bytes of a file with one share.
const SHARE_FILE_BYTES_MAX: u64 = 4096;

const HELP: &str = "\
Example, on an empty machine:
  quorumkeep backup restore --manifest manifest.json --set-dir set \\
    --envelope a/envelope.bin --key a.key --envelope b/envelope.bin --key b.key --envelope c/envelope.bin --key c.key \\
    --out-dir restored
No approvals are asked for: whoever has enough guardians' keys has the secret. As long as there is a custody, use recover.";

/// Arguments of `backup restore`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Restore {
    /// The manifest of the set.
    #[arg(long, value_name = "FILE")]
    manifest: PathBuf,
    /// The sealed share of a guardian; give it once for each.
    #[arg(long, value_name = "FILE")]
    envelope: Vec<PathBuf>,
    /// The key file of a guardian, in any order.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A share that is opened already, such as words from paper.
    #[arg(long, value_name = "FILE")]
    share: Vec<PathBuf>,
    /// The folder with the containers of the set [default: the folder of the manifest].
    #[arg(long, value_name = "DIR")]
    set_dir: Option<PathBuf>,
    /// The new folder for the secret.
    #[arg(long, value_name = "DIR", required_unless_present = "to_store")]
    out_dir: Option<PathBuf>,
    /// Write it into the store of an MPC node instead: BASE/KEY/NODE.enc and .keydata.enc.
    #[arg(long, value_name = "BASE", requires = "store_password_file", conflicts_with = "out_dir")]
    to_store: Option<PathBuf>,
    /// The password of that store.
    #[arg(long, value_name = "FILE", requires = "to_store")]
    store_password_file: Option<PathBuf>,
}

/// A good share and its index.
type Share = (u8, Zeroizing<Vec<u8>>);

impl Restore {
    /// Recovers, recognises, and only then writes.
    pub fn run(self, as_json: bool) -> Result<Report> {
        let manifest = read_manifest(&self.manifest)?.manifest;
        let (shares, mut bad) = self.shares(&manifest)?;
        let named = |report: Report, bad: &[String]| {
            bad.iter().fold(report, |report, why| report.line(format!("  BAD: {why}")))
        };
        let pairs: Vec<(u8, &[u8])> = shares.iter().map(|(index, share)| (*index, share.as_slice())).collect();
        let found = manifest.recover_named(&pairs).map_err(|error| {
            let report = named(Report::text(format!("{} good shares", pairs.len())), &bad).field("bad", &bad);
            Failure { report: Some(Box::new(report)), ..Failure::from(error) }
        })?;
        bad.extend(found.contradicting.iter().map(|index| contradicts(*index)));
        let key = found.key;
        let beside = self.manifest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let set_dir = self.set_dir.as_deref().unwrap_or(beside);
        let files = match (&self.out_dir, &self.to_store, &self.store_password_file) {
            (Some(out_dir), ..) => open_to(&manifest, &key, set_dir, out_dir, as_json)?,
            (_, Some(base), Some(password)) => to_store(&manifest, &key, set_dir, &MpcStore::open(base, password)?)?,
            _ => return Err(Failure::usage("give --out-dir or --to-store")),
        };
        let report = Report::text("the secret is recovered, recognised and written");
        Ok(named(report, &bad).field("files", files).field("shares", pairs.len()).field("bad", &bad))
    }

    /// Every share that is right, and what is wrong with the others.
    fn shares(&self, manifest: &Manifest) -> Result<(Vec<Share>, Vec<String>)> {
        let keys: Vec<KeyFile> =
            self.key.iter().map(|path| KeyFile::load(path, None)?.of(Kind::Guardian)).collect::<Result<_>>()?;
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for path in &self.envelope {
            match open_any(manifest, &keys, &read_envelope(path)?) {
                Ok(share) => good.push(share),
                Err(why) => bad.push(format!("{}: {why}", path.display())),
            }
        }
        for path in &self.share {
            let bytes = read_bounded(path, SHARE_FILE_BYTES_MAX)?;
            // As it is: a share may end in the byte of a newline. Then without the one that an editor put there.
            let stripped = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            match manifest.identify(&bytes).or_else(|_| manifest.identify(stripped)) {
                Ok(share) => good.push(share),
                Err(why) => bad.push(format!("{}: {why}", path.display())),
            }
        }
        good.sort_by_key(|(index, _)| *index);
        if let Some((index, _)) =
            good.windows(2).find(|pair| pair.first().map(first) == pair.last().map(first)).and_then(|pair| pair.first())
        {
            return Err(Failure::new(Code::DuplicateShare, format!("share {index} was given twice")));
        }
        Ok((good, bad))
    }
}

fn first(pair: &Share) -> u8 {
    pair.0
}

/// Opens an envelope with whichever key fits; else says what is wrong with it.
fn open_any(
    manifest: &Manifest,
    keys: &[KeyFile],
    sealed: &[u8],
) -> core::result::Result<(u8, Zeroizing<Vec<u8>>), String> {
    let mut why = "the manifest has no such envelope: it was changed, or is of another set or generation".to_owned();
    for entry in &manifest.shares {
        for key in keys.iter().filter(|key| *key.name() == entry.guardian.name) {
            match manifest.open(entry.index, &key.guardian(), sealed) {
                Ok(share) => return Ok((entry.index, share)),
                Err(quorumkeep_custody::manifest::ShareFault::Envelope) => {}
                Err(error) => why = error.to_string(),
            }
        }
    }
    Err(why)
}

/// The file of a container, if it is the one of the manifest.
fn container_file(container: &Container, set_dir: &Path) -> Result<File> {
    let path = set_dir.join(format!("{}.age", container.name));
    let (sha256, bytes) = sha256_of(&path)?;
    if sha256 != container.sha256 || bytes != container.bytes {
        let message =
            format!("{} is not the container of the manifest: cut, changed, or of another set", path.display());
        return Err(Failure::new(Code::BadFile, message));
    }
    Ok(File::open(&path)?)
}

/// Writes the secret in the clear, readable by its owner only.
fn open_to(manifest: &Manifest, key: &[u8], set_dir: &Path, out_dir: &Path, as_json: bool) -> Result<Vec<PathBuf>> {
    let files: Vec<(&Container, File)> = containers(manifest, set_dir)?;
    new_folder(out_dir)?;
    if files.is_empty() {
        let path = out_dir.join("secret");
        write_new(&path, key, 0o600)?;
        return Ok(vec![path]);
    }
    let mut written = Vec::new();
    for (container, file) in files {
        let path = out_dir.join(container.name.as_str());
        let mut output = Output::create(&path, false, true)?;
        let mut progress = Progress::new("decrypting", Some(container.bytes), as_json);
        copy(&mut container::open(key, &container.name, file)?, &mut output, &mut progress)?;
        check_public_key(manifest, container, &output)?;
        output.finish()?;
        written.push(path);
    }
    Ok(written)
}

/// Writes the secret into the store of an MPC node. Nothing that is there is replaced.
fn to_store(manifest: &Manifest, key: &[u8], set_dir: &Path, store: &MpcStore) -> Result<Vec<PathBuf>> {
    let mut files = Files { share: key.to_vec().into(), keydata: None };
    for (container, file) in containers(manifest, set_dir)? {
        let mut plain = Zeroizing::new(Vec::new());
        let reader = container::open(key, &container.name, file)?;
        reader.take(mpc_store::FILE_BYTES_MAX + 1).read_to_end(&mut plain)?;
        if plain.len() as u64 > mpc_store::FILE_BYTES_MAX {
            return Err(Failure::new(
                Code::BadFile,
                format!("the container {} is too long for a store", container.name),
            ));
        }
        match container.name.as_str() {
            SECRET => files.share = plain,
            _ => files.keydata = Some(plain),
        }
    }
    if manifest.public_key.as_ref().is_some_and(|public| !public.matches(&files.share)) {
        return Err(not_recognised());
    }
    store.write(&manifest.key_id, &manifest.node_id, &files)
}

pub(super) fn not_recognised() -> Failure {
    Failure::new(Code::NotRecognised, "the secret does not belong to the public key of the manifest")
}

pub(super) fn containers<'a>(manifest: &'a Manifest, set_dir: &Path) -> Result<Vec<(&'a Container, File)>> {
    manifest.containers.iter().map(|container| Ok((container, container_file(container, set_dir)?))).collect()
}

fn new_folder(out_dir: &Path) -> Result<()> {
    private_directory(out_dir)?;
    if fs::read_dir(out_dir)?.next().is_some() {
        return Err(Failure::new(Code::FileExists, format!("{} is not empty", out_dir.display())));
    }
    Ok(())
}

/// The secret of a container is compared with its public key before it gets its name.
fn check_public_key(manifest: &Manifest, container: &Container, output: &Output) -> Result<()> {
    let (Some(public), Output::File { draft, .. }) = (&manifest.public_key, output) else {
        return Ok(());
    };
    if container.name.as_str() != SECRET {
        return Ok(());
    }
    let secret = read_bounded(draft.path(), SHARE_FILE_BYTES_MAX)?;
    if public.matches(&secret) {
        return Ok(());
    }
    Err(not_recognised())
}

/// What is said of a share that is right by itself.
pub(super) fn contradicts(index: u8) -> String {
    format!("share {index} is what the dealer committed to, and contradicts the others")
}
