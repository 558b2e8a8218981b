//! Where application keys come from when an age file is opened: a key file, or the network.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use ed25519_dalek::SigningKey;
use quorumkeep_ibe::agefile::{AppKeySource, SourceError, StanzaInfo};
use quorumkeep_ibe::{AppId, AppKey, Format};
use quorumkeep_server::network::NetworkFile;
use tokio::runtime::Runtime;

use crate::failure::{Code, Failure, Result};
use crate::net::{Net, Wanted, client_runtime};

/// What a source remembers for the message at the end: age knows too little of what happened.
#[derive(Default)]
pub struct Notes {
    failure: Option<Failure>,
    foreign: BTreeSet<String>,
}

/// Notes that a source and its user share.
pub type SharedNotes = Rc<RefCell<Notes>>;

impl Notes {
    /// The failure of the network, if there was one.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// What the file is encrypted to instead.
    pub fn foreign(&self) -> String {
        self.foreign.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn not_mine(&mut self, info: &StanzaInfo) -> SourceError {
        self.foreign.insert(format!("application {} in epoch {}", info.app_id, info.epoch));
        SourceError::NotMine
    }
}

/// One key, for one application id; the ciphertext itself shows whether network, key and epoch fit.
pub struct FileSource {
    /// The application.
    pub app_id: AppId,
    /// Its key.
    pub key: AppKey,
    /// Notes for the message.
    pub notes: SharedNotes,
}

impl AppKeySource for FileSource {
    fn app_key(&self, request: &StanzaInfo) -> core::result::Result<AppKey, SourceError> {
        if request.app_id == self.app_id { Ok(self.key.copy()) } else { Err(self.notes.borrow_mut().not_mine(request)) }
    }
}

/// The nodes of one network. Nothing is contacted before a stanza names this network and one of its keys.
pub struct NetworkSource {
    path: PathBuf,
    file: NetworkFile,
    only: Option<AppId>,
    owner: Option<SigningKey>,
    evidence: Option<PathBuf>,
    runtime: Runtime,
    notes: SharedNotes,
}

impl NetworkSource {
    /// A source for all applications of the network, or for one.
    pub fn new(path: PathBuf, only: Option<AppId>, owner: Option<SigningKey>, notes: SharedNotes) -> Result<Self> {
        let file = NetworkFile::load(&path)?;
        Ok(Self { path, file, only, owner, evidence: None, runtime: client_runtime()?, notes })
    }

    /// Evidence of signed wrong answers goes to this folder.
    pub fn with_evidence(self, evidence: Option<PathBuf>) -> Self {
        Self { evidence, ..self }
    }

    fn name_of(&self, request: &StanzaInfo) -> Option<&str> {
        if request.network != self.file.network.0 || self.only.as_ref().is_some_and(|only| *only != request.app_id) {
            return None;
        }
        self.file.keys.iter().find(|(_, key)| key.id.0 == request.key_id).map(|(name, _)| name.as_str())
    }

    fn fetch(&self, name: &str, request: &StanzaInfo) -> Result<AppKey> {
        let (app, epoch, format) = (&request.app_id, Some(request.epoch), Some(Format::Age));
        let wanted =
            Wanted { name, app, epoch, format, owner: self.owner.as_ref(), evidence: self.evidence.as_deref() };
        self.runtime.block_on(async {
            let mut net = Net::open(&self.path).await?;
            Ok(net.app_key(&wanted).await?.key)
        })
    }
}

impl AppKeySource for NetworkSource {
    fn app_key(&self, request: &StanzaInfo) -> core::result::Result<AppKey, SourceError> {
        let Some(name) = self.name_of(request) else { return Err(self.notes.borrow_mut().not_mine(request)) };
        self.fetch(name, request).map_err(|failure| {
            let short = Failure::new(failure.code, &failure.message);
            self.notes.borrow_mut().failure.get_or_insert(failure);
            SourceError::Failed(Box::new(short))
        })
    }
}

/// Why no stanza opened.
pub fn no_match(notes: &Notes) -> Failure {
    let foreign = notes.foreign();
    if foreign.is_empty() {
        return Failure::new(Code::DecryptFailed, "the file is not encrypted to an application of Quorumkeep");
    }
    Failure::new(Code::DecryptFailed, format!("the file is encrypted to another application: {foreign}"))
}
