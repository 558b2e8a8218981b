//! `backup deliver`, `confirm`, `fail` and `retry`.

use std::path::{Path, PathBuf};

use clap::Args;
use quorumkeep_custody::bytes::{Blob, Hex};
use quorumkeep_custody::canonical;
use quorumkeep_custody::delivery::Receipt;
use quorumkeep_custody::guardian::ENVELOPE_BYTES_MAX;
use quorumkeep_custody::keeper::{Answer, Delivered, id_of};
use quorumkeep_custody::manifest::{MANIFEST_BYTES_MAX, Manifest, SignedManifest};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::request::{Action, SetId};
use quorumkeep_server::files::read_bounded;
use quorumkeep_store::files::{PRIVATE, private_directory, write_atomic, write_new};
use sha2::{Digest as _, Sha256};

use crate::commands::custody::answered;
use crate::custody_link::{As, At, Pin};
use crate::failure::{Code, Failure, Result};
use crate::keyfile::Kind;
use crate::report::Report;

/// A set, and the guardian who signs.
#[derive(Args)]
struct Share {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    by: As,
    /// KEY/NODE/GENERATION.
    #[arg(long, value_name = "SET")]
    set: SetId,
}

/// Arguments of `backup deliver`.
#[derive(Args)]
pub struct Deliver {
    #[command(flatten)]
    share: Share,
    /// The folder for manifest.json, envelope.bin and voucher.json.
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
}

/// Arguments of `backup confirm`.
#[derive(Args)]
pub struct Confirm {
    #[command(flatten)]
    share: Share,
    #[command(flatten)]
    pin: Pin,
    /// The folder of `backup deliver`.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Arguments of `backup fail`.
#[derive(Args)]
pub struct Fail {
    #[command(flatten)]
    share: Share,
    /// What went wrong.
    #[arg(long)]
    reason: String,
}

/// Arguments of `backup retry`.
#[derive(Args)]
pub struct Retry {
    #[command(flatten)]
    share: Share,
    /// Which share.
    #[arg(long, value_name = "N")]
    index: u8,
}

/// The index of a guardian's share.
pub fn index_of(manifest: &Manifest, guardian: &Name) -> Result<u8> {
    let missing = || Failure::new(Code::ShareNotYours, format!("{guardian} holds no share of this set"));
    Ok(manifest.entry_of(guardian).ok_or_else(missing)?.index)
}

/// Reads a manifest and checks all of it.
pub fn read_manifest(path: &Path) -> Result<SignedManifest> {
    let bytes = read_bounded(path, MANIFEST_BYTES_MAX as u64)?;
    SignedManifest::decode(&bytes).map_err(|error| Failure::from(error).about(path.display()))
}

/// Reads an envelope.
pub fn read_envelope(path: &Path) -> Result<Vec<u8>> {
    Ok(read_bounded(path, ENVELOPE_BYTES_MAX as u64)?.to_vec())
}

impl Deliver {
    /// Fetches it. Repeated, it writes the same files.
    pub fn run(self) -> Result<Report> {
        let key = self.share.by.load()?.of(Kind::Guardian)?;
        let mut link = self.share.at.open()?;
        let set = self.share.set;
        let index = index_of(&link.manifest(&set)?.manifest, key.name())?;
        private_directory(&self.out_dir)?;
        let Answer::Envelope(delivered) = link.ask(&key, Action::Deliver { set: set.clone(), index })? else {
            return Err(Failure::new(Code::Failed, "the custody gave another answer than an envelope"));
        };
        let Blob(envelope) = &delivered.envelope;
        check_delivered(&delivered, &set, index)?;
        let manifest = [canonical::to_bytes(&delivered.manifest), b"\n".to_vec()].concat();
        let voucher = serde_json::json!({ "voucher": delivered.voucher, "signature": delivered.signature });
        // A folder holds one share; what is in it already is the same or stays.
        keep(&self.out_dir.join("manifest.json"), &manifest, 0o644)?;
        keep(&self.out_dir.join("envelope.bin"), envelope, PRIVATE)?;
        write_atomic(&self.out_dir.join("voucher.json"), format!("{voucher}\n").as_bytes(), 0o644)?;
        let text = format!(
            "share {index} is in {}; check it and sign for it: quorumkeep backup confirm",
            self.out_dir.display()
        );
        let report = Report::text(text).field("index", index).field("dir", &self.out_dir);
        Ok(report.field("voucher", &delivered.voucher).field("signature", delivered.signature))
    }
}

/// Is it the manifest and the envelope that were asked for?
fn check_delivered(delivered: &Delivered, set: &SetId, index: u8) -> Result<()> {
    delivered.manifest.check()?;
    let manifest = &delivered.manifest.manifest;
    let sha256 = Hex(Sha256::digest(&delivered.envelope.0).into());
    let same = manifest.entry(index).is_some_and(|entry| entry.envelope_sha256 == sha256);
    if same && id_of(manifest) == *set {
        return Ok(());
    }
    Err(Failure::new(Code::EnvelopeMismatch, "what was delivered is not the envelope of this set"))
}

/// Writes a file that is not there; the same bytes may be there.
fn keep(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    if path.symlink_metadata().is_ok() && *read_bounded(path, MANIFEST_BYTES_MAX as u64)? == bytes {
        return Ok(());
    }
    Ok(write_new(path, bytes, mode)?)
}

impl Confirm {
    /// Opens the envelope, checks the share against the manifest, and signs for exactly these bytes.
    pub fn run(self) -> Result<Report> {
        let key = self.share.by.load()?.of(Kind::Guardian)?;
        let signed = read_manifest(&self.dir.join("manifest.json"))?;
        let manifest = &signed.manifest;
        let index = index_of(manifest, key.name())?;
        let envelope = read_envelope(&self.dir.join("envelope.bin"))?;
        manifest.open(index, &key.guardian(), &envelope)?;
        let mut link = self.share.at.open()?;
        let custody = self.pin.of(&self.share.at, &link)?;
        // A receipt says that this is a backup of the custody: not of somebody who calls himself its dealer.
        link.register()?.check(&custody)?.dealer(manifest)?;
        if link.manifest(&self.share.set)? != signed {
            return Err(Failure::new(Code::ManifestDiffers, "the manifest in the folder is not the one of the set"));
        }
        let entry = manifest.entry(index).ok_or_else(|| Failure::new(Code::ShareNotYours, "no such share"))?;
        let receipt = Receipt::of(manifest, entry).sign(&key.signing());
        let answer = link.ask(&key, Action::Confirm { set: self.share.set, index, receipt })?;
        let report = answered(&answer, &format!("share {index} is checked and confirmed"));
        Ok(report.field("index", index).field("receipt", receipt))
    }
}

impl Fail {
    /// Says so.
    pub fn run(self) -> Result<Report> {
        let key = self.share.by.load()?.of(Kind::Guardian)?;
        let mut link = self.share.at.open()?;
        let index = index_of(&link.manifest(&self.share.set)?.manifest, key.name())?;
        let action = Action::ReportFailure { set: self.share.set, index, reason: self.reason };
        Ok(answered(&link.ask(&key, action)?, &format!("share {index} counts as failed")).field("index", index))
    }
}

impl Retry {
    /// Begins again.
    pub fn run(self) -> Result<Report> {
        let key = self.share.by.load()?.of(Kind::Person)?;
        let action = Action::RetryDelivery { set: self.share.set, index: self.index };
        let answer = self.share.at.open()?.ask(&key, action)?;
        Ok(answered(&answer, &format!("share {} can be delivered again", self.index)))
    }
}
