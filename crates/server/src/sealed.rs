//! Secrets in files, sealed under a passphrase as ordinary age files (age-encryption.org/v1, scrypt).
//!
//! Any age implementation opens them: `age -d orderer.key`.

use std::io::{Read, Write};
use std::path::Path;

use age::secrecy::SecretString;
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// The scrypt work factor of new files: `2^16`, about 64 MiB and a fifth of a second.
pub const LOG_N: u8 = 16;
/// The largest work factor that is accepted when opening, so that a file cannot occupy the machine.
const LOG_N_MAX: u8 = 20;
/// How a sealed file begins.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// Bytes of a secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a sealed file.
pub const SEALED_BYTES_MAX: u64 = SECRET_BYTES_MAX + 4096;
/// Bytes of a passphrase.
const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// A secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It does not open under this passphrase.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// It is not an age file with a passphrase.
    #[error("this is not a file sealed under a passphrase")]
    NotSealed,
    /// It is an age file, but its contents were changed or cut.
    #[error("the sealed file is damaged")]
    Damaged,
    /// It asks for too much work.
    #[error("the sealed file asks for a scrypt work factor of {required}; at most {max} is accepted")]
    TooMuchWork {
        /// What it asks.
        required: u8,
        /// What is accepted.
        max: u8,
    },
    /// A passphrase must have a character.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The passphrase is not text.
    #[error("the passphrase is not UTF-8 text")]
    NotText,
    /// The secret could not be sealed.
    #[error("the secret could not be sealed")]
    Seal(#[source] age::EncryptError),
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A passphrase. It is wiped from memory when dropped and cannot be printed.
pub struct Passphrase(SecretString);

impl Passphrase {
    /// A passphrase of at least one character.
    ///
    /// # Errors
    ///
    /// [`SealError::EmptyPassphrase`].
    pub fn new(text: &str) -> Result<Self, SealError> {
        if text.is_empty() { Err(SealError::EmptyPassphrase) } else { Ok(Self(text.to_owned().into())) }
    }

    /// Reads a passphrase file; it loses one trailing newline.
    ///
    /// # Errors
    ///
    /// [`SealError::File`], [`SealError::NotText`], [`SealError::EmptyPassphrase`].
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let bytes = files::read_bounded(path, PASSPHRASE_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealError::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self::new(text.strip_suffix('\r').unwrap_or(text))
    }
}

/// Does this look like a sealed file?
#[must_use]
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// An age file that holds `secret`.
///
/// # Errors
///
/// [`SealError::Seal`].
pub fn seal(secret: &[u8], passphrase: &Passphrase) -> Result<Vec<u8>, SealError> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(LOG_N);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient));
    let encryptor = encryptor.map_err(SealError::Seal)?;
    let mut sealed = Vec::with_capacity(secret.len() + 512);
    let write = |sealed: &mut Vec<u8>| {
        let mut stream = encryptor.wrap_output(sealed)?;
        stream.write_all(secret)?;
        stream.finish().map(drop)
    };
    write(&mut sealed).map_err(|error| SealError::Seal(error.into()))?;
    Ok(sealed)
}

/// The secret in an age file.
///
/// # Errors
///
/// [`SealError::WrongPassphrase`], [`SealError::NotSealed`], [`SealError::Damaged`], [`SealError::TooMuchWork`].
pub fn open(sealed: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if !is_sealed(sealed) {
        return Err(SealError::NotSealed);
    }
    let decryptor = age::Decryptor::new(sealed).map_err(explain)?;
    if !decryptor.is_scrypt() {
        return Err(SealError::NotSealed);
    }
    let mut identity = age::scrypt::Identity::new(passphrase.0.clone());
    identity.set_max_work_factor(LOG_N_MAX);
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(explain)?;
    // Reserved at once: a growing vector would leave copies of the secret behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut secret).map_err(|_| SealError::Damaged)?;
    Ok(secret)
}

fn explain(error: age::DecryptError) -> SealError {
    use age::DecryptError as E;
    match error {
        E::ExcessiveWork { required, .. } => SealError::TooMuchWork { required, max: LOG_N_MAX },
        E::NoMatchingKeys | E::KeyDecryptionFailed | E::DecryptionFailed => SealError::WrongPassphrase,
        _ => SealError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_under_its_passphrase_and_unchanged() {
        let right = Passphrase::new("correct horse").unwrap();
        let sealed = seal(b"secret", &right).unwrap();
        assert!(is_sealed(&sealed));
        assert_eq!(*open(&sealed, &right).unwrap(), b"secret");
        let wrong = Passphrase::new("battery staple").unwrap();
        assert!(matches!(open(&sealed, &wrong), Err(SealError::WrongPassphrase)));
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(open(&changed, &right), Err(SealError::Damaged)));
        assert!(matches!(open(b"plain", &right), Err(SealError::NotSealed)));
    }

    #[test]
    fn a_file_cannot_demand_any_amount_of_work() {
        let right = Passphrase::new("x").unwrap();
        let sealed = seal(b"secret", &right).unwrap();
        let text = String::from_utf8_lossy(&sealed).into_owned();
        let at = text.find(" 16\n").unwrap();
        let mut greedy = sealed.clone();
        greedy[at + 1] = b'2';
        greedy[at + 2] = b'9';
        assert!(matches!(open(&greedy, &right), Err(SealError::TooMuchWork { required: 29, .. })));
    }

    #[test]
    fn a_passphrase_file_loses_one_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, "correct horse\n").unwrap();
        let read = Passphrase::read(&path).unwrap();
        let sealed = seal(b"s", &Passphrase::new("correct horse").unwrap()).unwrap();
        assert!(open(&sealed, &read).is_ok());
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(Passphrase::read(&path), Err(SealError::EmptyPassphrase)));
    }
}
