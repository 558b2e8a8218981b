//! How commands reach a custody, and sign what they ask of it.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use quorumkeep_custody::bytes::{Hash, Hex};
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::manifest::SignedManifest;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::Roster;
use quorumkeep_custody::register::Register;
use quorumkeep_custody::request::{Action, By, Request, SetId};
use quorumkeep_custody::session::Bundle;
use quorumkeep_custody::view::{Overview, WaitingView};
use quorumkeep_server::custody::link as server;
use quorumkeep_server::custody::remote::Remote;
use quorumkeep_server::files::read_bounded;
use rand_core::{OsRng, RngCore};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::runtime::Runtime;

use crate::failure::{Code, Failure, Result};
use crate::keyfile::KeyFile;
use crate::net::client_runtime;

/// Bytes of a certificate in PEM.
const CERTIFICATE_BYTES_MAX: u64 = 64 * 1024;

/// Where the custody is.
#[derive(Args)]
pub struct At {
    /// The directory of the custody, or the URL of its service: http://127.0.0.1:PORT, https://HOST:PORT.
    #[arg(long, value_name = "DIR|URL")]
    custody: String,
    /// The certificate of the service in PEM, for https.
    #[arg(long, value_name = "FILE")]
    server_certificate: Option<PathBuf>,
}

/// Which custody it has to be.
#[derive(Args)]
pub struct Pin {
    /// The identity of the custody, as it was written down when it was made; needed with a URL.
    #[arg(long, value_name = "HASH")]
    custody_id: Option<Hash>,
}

impl Pin {
    /// The identity that everything is checked against. Only a directory of this machine may say it itself.
    pub fn of(&self, at: &At, link: &Link) -> Result<Hash> {
        match self.custody_id {
            Some(pinned) if pinned == link.custody() => Ok(pinned),
            Some(_) => Err(Failure::new(Code::RequestForeign, "this is another custody than the one that is pinned")),
            None if !at.is_url() => Ok(link.custody()),
            None => Err(Failure::usage("a custody at a URL is believed nothing without --custody-id HASH")),
        }
    }
}

/// Who asks.
#[derive(Args)]
pub struct As {
    /// The key file with which the request is signed.
    #[arg(long = "as", value_name = "FILE")]
    key: PathBuf,
    /// The passphrase of that file, if it is sealed.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// How long a request waits for its approvals unless said otherwise: a day.
const REQUEST_LIFETIME_MS: u64 = 24 * 3600 * 1000;

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

impl As {
    /// The key.
    pub fn load(&self) -> Result<KeyFile> {
        KeyFile::load(&self.key, self.passphrase_file.as_deref())
    }
}

impl At {
    fn is_url(&self) -> bool {
        self.custody.contains("://")
    }

    /// Opens it.
    pub fn open(&self) -> Result<Link> {
        let runtime = client_runtime()?;
        let link = if self.is_url() {
            let certificate = self.server_certificate.as_deref().map(read_certificate).transpose()?;
            let remote = Remote::new(&self.custody, certificate).map_err(Failure::usage)?;
            server::Link::Remote(remote)
        } else {
            server::Link::local(Path::new(&self.custody))?
        };
        let custody = runtime.block_on(link.custody())?;
        Ok(Link { link, runtime, custody })
    }
}

fn read_certificate(path: &Path) -> Result<Vec<u8>> {
    let wrong = || Failure::new(Code::BadFile, format!("{} is no certificate in PEM", path.display()));
    let bytes = read_bounded(path, CERTIFICATE_BYTES_MAX)?;
    let certificate = CertificateDer::from_pem_slice(&bytes).map_err(|_| wrong())?;
    Ok(certificate.to_vec())
}

/// A custody that can be asked.
pub struct Link {
    link: server::Link,
    runtime: Runtime,
    custody: Hash,
}

impl Link {
    /// Its identity, as it says itself.
    pub fn custody(&self) -> Hash {
        self.custody
    }

    /// Signs an action as the owner of a key file and has it decided.
    pub fn ask(&mut self, key: &KeyFile, action: Action) -> Result<Answer> {
        self.ask_as(key.by()?, key, action)
    }

    /// The same for the process of a session.
    pub fn ask_as(&mut self, by: By, key: &KeyFile, action: Action) -> Result<Answer> {
        let mut id = Hex([0; 16]);
        OsRng.try_fill_bytes(&mut id.0).map_err(|error| Failure::new(Code::Failed, error))?;
        let at_ms = now_ms();
        let expires_ms = at_ms + REQUEST_LIFETIME_MS;
        let request = Request { custody: self.custody, id, by, at_ms, expires_ms, action };
        Ok(self.runtime.block_on(self.link.handle(&request.sign(&key.signing())))?)
    }

    /// Everything at a glance; `prefix` is `KEY/`, `KEY/NODE/` or nothing.
    pub fn overview(&self, prefix: &str) -> Result<Overview> {
        Ok(self.runtime.block_on(self.link.overview(prefix))?)
    }

    /// Requests that wait for approvals. Every hash is computed from the content that is shown.
    pub fn waiting(&self) -> Result<Vec<WaitingView>> {
        let all = self.runtime.block_on(self.link.waiting())?;
        match all.iter().find(|one| !one.is_what_it_says() || one.content.custody != self.custody) {
            None => Ok(all),
            Some(lie) => Err(Failure::new(
                Code::ContentDiffers,
                format!("what the custody shows under {} is not the request of that hash", lie.request),
            )),
        }
    }

    /// The people of now.
    pub fn roster(&self) -> Result<Roster> {
        Ok(self.runtime.block_on(self.link.roster())?)
    }

    /// The registered guardians.
    pub fn guardians(&self) -> Result<Vec<Guardian>> {
        Ok(self.runtime.block_on(self.link.guardians())?)
    }

    /// The registered guardians with what shows that people stand behind their keys.
    pub fn register(&self) -> Result<Register> {
        Ok(self.runtime.block_on(self.link.register())?)
    }

    /// The manifest of a set.
    pub fn manifest(&self, set: &SetId) -> Result<SignedManifest> {
        let missing = || Failure::new(Code::SetUnknown, format!("there is no backup set {set}"));
        self.runtime.block_on(self.link.manifest(set))?.ok_or_else(missing)
    }

    /// The next generation of a secret.
    pub fn next_generation(&self, key_id: &Name, node_id: &Name) -> Result<u32> {
        let sets = self.overview(&format!("{key_id}/{node_id}/"))?.sets;
        Ok(sets.last().map_or(1, |set| set.id.generation.saturating_add(1)))
    }

    /// A session with what shows that it is allowed.
    pub fn bundle(&self, session: &Hash) -> Result<Bundle> {
        let missing = || Failure::new(Code::SessionUnknown, format!("there is no recovery session {session}"));
        self.runtime.block_on(self.link.bundle(session))?.ok_or_else(missing)
    }
}
