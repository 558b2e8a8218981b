//! What a recovery hands over: sealed to the recipient in the folder of the process before anybody approves it, and given to the
//! recipient's folder after that, byte for byte. The secret is never written in the clear.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::container;
use quorumkeep_custody::guardian::Recipient;
use quorumkeep_custody::manifest::{Container, Manifest};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::request::{Recognised, Recovered, SealedOutput};
use quorumkeep_store::files::{destroy, private_directory};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::create::{Hashing, SECRET, copy, sha256_of};
use super::restore::{containers, not_recognised};
use crate::failure::{Code, Failure, Result};
use crate::output::Output;
use crate::progress::Progress;

/// The secret of a private key is at most 32 bytes long; one more shows that it is longer.
const HEAD_BYTES: usize = 33;

/// The folder of a process, and what its session is about.
pub struct Work<'a> {
    /// The folder.
    pub dir: &'a Path,
    /// What is recovered.
    pub manifest: &'a Manifest,
    /// By which session.
    pub session: &'a Hash,
}

impl Work<'_> {
    /// The session is in the name: another one replaces nothing, and the same one may be repeated after a crash.
    fn file_name(&self, name: &Name) -> String {
        let session: String = self.session.to_string().chars().take(16).collect();
        let kind = if self.manifest.containers.is_empty() { "sealed" } else { "age" };
        format!("{name}-{session}.{kind}")
    }

    /// Opens everything that the key opens, to its end, compares it with the public key, and seals it to the recipient.
    pub fn seal(&self, key: &[u8], recipient: &Recipient, set_dir: &Path, as_json: bool) -> Result<Recovered> {
        let files = containers(self.manifest, set_dir)?;
        private_directory(self.dir)?;
        if self.dir.canonicalize()? == set_dir.canonicalize()? {
            return Err(Failure::usage("--work-dir must be another folder than --set-dir"));
        }
        let mut recognised: BTreeSet<Recognised> = [Recognised::Key].into();
        if files.is_empty() {
            // The key is the secret, and was compared with its public key when it was recovered.
            let outputs = vec![self.seal_key(key, recipient)?];
            recognised.extend(self.manifest.public_key.as_ref().map(|_| Recognised::PublicKey));
            return Ok(Recovered { recognised, outputs });
        }
        let mut outputs = Vec::new();
        for (container, file) in files {
            let (output, head) = self.seal_container(key, recipient, (container, file), as_json)?;
            if let Some(public) = self.manifest.public_key.as_ref().filter(|_| container.name.as_str() == SECRET) {
                if !public.matches(&head) {
                    return Err(not_recognised());
                }
                recognised.insert(Recognised::PublicKey);
            }
            outputs.push(output);
        }
        recognised.insert(Recognised::Containers);
        let compared = self.manifest.public_key.is_none() || recognised.contains(&Recognised::PublicKey);
        if compared { Ok(Recovered { recognised, outputs }) } else { Err(not_recognised()) }
    }

    fn seal_key(&self, key: &[u8], recipient: &Recipient) -> Result<SealedOutput> {
        let name: Name = SECRET.parse().map_err(|error| Failure::new(Code::Failed, error))?;
        let sealed = recipient.seal(key, &mut OsRng).map_err(|error| Failure::new(Code::BadRecipient, error))?;
        let mut to = Hashing::new(Output::create(&self.dir.join(self.file_name(&name)), true, true)?);
        io::copy(&mut sealed.as_slice(), &mut to)?;
        finished(name, to)
    }

    /// The output, and the first bytes of what is in it.
    fn seal_container(
        &self,
        key: &[u8],
        recipient: &Recipient,
        (container, file): (&Container, File),
        as_json: bool,
    ) -> Result<(SealedOutput, Zeroizing<Vec<u8>>)> {
        let Recipient::Age(text) = recipient else {
            return Err(Failure::new(Code::BadRecipient, "a container can only be sealed to an age recipient"));
        };
        let to: age::x25519::Recipient = text.parse().map_err(|error| Failure::new(Code::BadRecipient, error))?;
        let path = self.dir.join(self.file_name(&container.name));
        let mut output = Hashing::new(Output::create(&path, true, true)?);
        let mut progress = Progress::new("sealing", Some(container.bytes), as_json);
        let encryptor = age::Encryptor::with_recipients(core::iter::once(&to as _));
        let encryptor = encryptor.map_err(|error| Failure::new(Code::BadRecipient, error))?;
        let mut stream = encryptor.wrap_output(&mut output)?;
        let head = Zeroizing::new(Vec::with_capacity(HEAD_BYTES));
        let mut from = Head { from: container::open(key, &container.name, file)?, head };
        copy(&mut from, &mut stream, &mut progress)
            .map_err(|failure| failure.about(format!("container {}", container.name)))?;
        stream.finish()?;
        Ok((finished(container.name.clone(), output)?, from.head))
    }

    /// Is every output in the folder of the process, as it was approved?
    pub fn check(&self, approved: &[SealedOutput]) -> Result<()> {
        self.check_in(approved, self.dir)
    }

    /// Is every output in this folder, as it was approved?
    pub fn check_in(&self, approved: &[SealedOutput], dir: &Path) -> Result<()> {
        for output in approved {
            let path = dir.join(self.file_name(&output.name));
            if sha256_of(&path)? != (output.sha256, output.bytes) {
                return Err(differs(&path));
            }
        }
        Ok(())
    }

    /// Gives every output to the recipient's folder. Repeated, it writes the same files.
    pub fn hand_over(&self, approved: &[SealedOutput], out_dir: &Path, as_json: bool) -> Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        for output in approved {
            let name = self.file_name(&output.name);
            let (from, path) = (self.dir.join(&name), out_dir.join(&name));
            let mut to = Hashing::new(Output::create(&path, true, true)?);
            let mut progress = Progress::new("handing over", Some(output.bytes), as_json);
            copy(&mut File::open(&from)?, &mut to, &mut progress)?;
            let (to, sha256, bytes) = to.end();
            if (sha256, bytes) != (output.sha256, output.bytes) {
                return Err(differs(&from));
            }
            to.finish()?;
            written.push(path);
        }
        Ok(written)
    }

    /// Destroys what is sealed here for this session, and the folder if nothing else is in it.
    pub fn clear(&self) -> Result<()> {
        let secret: Option<Name> = SECRET.parse().ok();
        let names = self.manifest.containers.iter().map(|container| &container.name).chain(&secret);
        for path in names.map(|name| self.dir.join(self.file_name(name))) {
            if path.symlink_metadata().is_ok() {
                destroy(&path)?;
            }
        }
        let _ = fs::remove_dir(self.dir);
        Ok(())
    }
}

fn finished(name: Name, to: Hashing<Output>) -> Result<SealedOutput> {
    let (to, sha256, bytes) = to.end();
    to.finish()?;
    Ok(SealedOutput { name, bytes, sha256 })
}

fn differs(path: &Path) -> Failure {
    Failure::new(Code::OutputDiffers, format!("{} is not what the process sealed and people approved", path.display()))
}

/// Keeps the first bytes of what is read.
struct Head<R> {
    from: R,
    head: Zeroizing<Vec<u8>>,
}

impl<R: Read> Read for Head<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend(buffer.iter().take(count.min(missing)));
        Ok(count)
    }
}
