//! What is wrong with keys, ciphertexts and backups of a TEN network, as an error of this program.

use quorumkeep_ten::artefact;
use quorumkeep_ten::ciphertext::{NotACiphertext, NotOpened};
use quorumkeep_ten::container;
use quorumkeep_ten::key;
use quorumkeep_ten::secret::NotASecret;
use quorumkeep_ten::{seed, trezor};

use super::{Code, Failure};

impl From<key::Error> for Failure {
    fn from(error: key::Error) -> Self {
        Self::new(Code::BadKey, error)
    }
}

impl From<seed::Error> for Failure {
    fn from(error: seed::Error) -> Self {
        Self::new(Code::BadSecret, error)
    }
}

impl From<trezor::Error> for Failure {
    fn from(error: trezor::Error) -> Self {
        Self::new(Code::BadDeviceFile, error)
    }
}

impl From<NotACiphertext> for Failure {
    fn from(error: NotACiphertext) -> Self {
        Self::new(Code::BadCiphertext, error)
    }
}

impl From<NotOpened> for Failure {
    fn from(error: NotOpened) -> Self {
        let code = match error {
            NotOpened::Key => Code::DecryptFailed,
            NotOpened::Secret(NotASecret::Length(_)) => Code::BadCiphertext,
            NotOpened::Secret(NotASecret::Zero) => Code::ZeroSecret,
        };
        let failure = Self::new(code, error);
        match error {
            NotOpened::Key => failure
                .with_help("Is the key that of exactly this instance? A changed ciphertext fails in the same way. Nothing was written."),
            NotOpened::Secret(_) => failure,
        }
    }
}

impl From<container::Error> for Failure {
    fn from(error: container::Error) -> Self {
        let code = match error {
            container::Error::Decode(_) | container::Error::Content(_) => Code::BadBackup,
            container::Error::Signer(_) | container::Error::Signature => Code::BackupUntrusted,
            container::Error::Identity(_) => Code::OtherInstance,
        };
        Self::new(code, error)
    }
}

impl From<artefact::Error> for Failure {
    fn from(error: artefact::Error) -> Self {
        let code = match error {
            artefact::Error::RpcKey { .. } => Code::RpcKeyDiffers,
            artefact::Error::ExpectedZero => Code::ZeroSecret,
            artefact::Error::Document => Code::NotRecognised,
            artefact::Error::Form => Code::Failed,
        };
        Self::new(code, error)
    }
}
