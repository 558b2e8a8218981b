//! The network from a command's point of view: a session, and a network file that pins what was seen.

use std::future::Future;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bls::G2;
use quorumkeep_ibe::{AppId, Format};
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::session::{AppKeyRequest, ReleasedKey, Session};
use tokio::runtime::{Builder, Runtime};

use crate::board_log::keep_wrong_partials;
use crate::failure::{Code, Failure, Result};
use crate::report::warn;

/// Runs a client's work on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    client_runtime()?.block_on(work)
}

/// A runtime for a client: one thread.
pub fn client_runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// A runtime for a server: a thread for each processor.
pub fn server_runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// A network file and a session with its network.
pub struct Net {
    /// Where the file is.
    pub path: PathBuf,
    /// The session.
    pub session: Session,
}

impl Net {
    /// Reads the file, the board and the nodes.
    pub async fn open(path: &Path) -> Result<Self> {
        let session = Session::open(NetworkFile::load(path)?).await?;
        if let Some(error) = session.board_error() {
            tracing::warn!(%error, "the board does not answer; going on with the first configuration");
        }
        Ok(Self { path: path.to_owned(), session })
    }

    /// As [`Self::open`], for a command that cannot do without the board.
    pub async fn open_with_board(path: &Path) -> Result<Self> {
        let net = Self::open(path).await?;
        match net.session.board_error() {
            None => Ok(net),
            Some(error) => Err(Failure::new(Code::Unreachable, format!("the board must be read first: {error}"))),
        }
    }

    /// The key that is meant: the named one, or the only one of the network.
    pub fn key_name(&self, named: Option<&str>) -> Result<String> {
        let on_board = |name: &&str| self.session.governance().has_key(&self.session.key_id(name));
        match named.filter(on_board) {
            Some(name) => Ok(name.to_owned()),
            None => key_name(self.session.file(), named),
        }
    }

    /// The group key that at least `t` operators sign; pinned in the file at first use.
    pub async fn group_key(&self, name: &str) -> Result<G2> {
        let agreement = self.session.agree(name).await?;
        let group_key = *agreement.group_key();
        self.pin(name, &group_key)?;
        Ok(group_key)
    }

    /// An application's key; its group key is pinned in the file at first use.
    pub async fn app_key(&mut self, wanted: &Wanted<'_>) -> Result<ReleasedKey> {
        let Wanted { name, app, epoch, format, owner, evidence } = *wanted;
        let request = AppKeyRequest { name, app, epoch, format, owner };
        let released = self.session.app_key(&request).await;
        let answers = match &released {
            Ok(released) => released.culprits.as_slice(),
            Err(error) => error.answers(),
        };
        if let Some(folder) = evidence {
            keep_wrong_partials(&self.session, answers, folder).await;
        }
        let released = released?;
        self.pin(name, &released.group_key)?;
        for culprit in &released.culprits {
            warn(&culprit.to_string());
        }
        Ok(released)
    }

    /// Writes the name of a key that the board has into the file.
    pub fn know_key(&self, name: &str) -> Result<()> {
        let mut file = NetworkFile::load(&self.path)?;
        if file.add_key(name)
            && let Err(error) = file.save(&self.path)
        {
            warn(&format!("the name of the key \"{name}\" could not be written: {error}"));
        }
        Ok(())
    }

    /// Pins a group key in the file as it is now; another command may have pinned one in between.
    fn pin(&self, name: &str, group_key: &G2) -> Result<()> {
        let mut file = NetworkFile::load(&self.path)?;
        if file.pin(name, group_key)?
            && let Err(error) = file.save(&self.path)
        {
            // Whoever may not write the file is told, and goes on with a key that t operators signed.
            warn(&format!("the group key of \"{name}\" could not be pinned: {error}"));
        }
        Ok(())
    }
}

/// Which application key is wanted, as in [`AppKeyRequest`].
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The application.
    pub app: &'a AppId,
    /// The epoch, if a ciphertext names one.
    pub epoch: Option<u64>,
    /// The format, if there is a ciphertext.
    pub format: Option<Format>,
    /// The owner's key.
    pub owner: Option<&'a SigningKey>,
    /// Where evidence of signed wrong answers goes.
    pub evidence: Option<&'a Path>,
}

/// The key that is meant: the named one, or the only one of the network.
pub fn key_name(file: &NetworkFile, named: Option<&str>) -> Result<String> {
    let names = || file.keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut keys = file.keys.keys();
    match (named, keys.next(), keys.next()) {
        (Some(name), ..) if file.keys.contains_key(name) => Ok(name.to_owned()),
        (Some(name), ..) => {
            let message = format!("the network file knows no key \"{name}\"; it knows: {}", names());
            Err(Failure::new(Code::UnknownKey, message))
        }
        (None, Some(only), None) => Ok(only.clone()),
        _ => Err(Failure::usage(format!("say which key with --key; the network file knows: {}", names()))),
    }
}

/// Checks an application id.
pub fn app_id(text: &str) -> Result<AppId> {
    AppId::parse(text).map_err(|error| Failure::new(Code::BadAppId, error))
}
