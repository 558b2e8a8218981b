//! A seed, or a private backup key, in a file: as it is, or sealed to an age identity.

use std::io::Read;
use std::path::Path;

use quorumkeep_store::files::read_bounded;
use zeroize::Zeroizing;

use super::warn_if_open;
use crate::failure::{Code, Failure, Result};

/// Bytes of the longest file: a seed or a key, sealed.
const SEED_FILE_BYTES_MAX: u64 = 16 * 1024;
/// How a file of age begins.
const AGE: &[u8] = b"age-encryption.org/";
/// How its form as text begins.
const ARMOR: &[u8] = b"-----BEGIN AGE";

/// What is in it. A file that is sealed needs an identity, and one that is not must not come with one.
pub fn read(path: &Path, identity: Option<&Path>) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = read_bounded(path, SEED_FILE_BYTES_MAX)?;
    if bytes.starts_with(ARMOR) {
        let message = format!("{}: an armored age file is not read", path.display());
        return Err(Failure::new(Code::BadCiphertext, message).with_help("Take the armor off first: age -d, age -r."));
    }
    match (bytes.starts_with(AGE), identity) {
        (true, Some(identity)) => unseal(path, &bytes, identity),
        (true, None) => Err(Failure::usage(format!("{} is sealed with age: give --identity", path.display()))),
        (false, Some(_)) => {
            Err(Failure::new(Code::BadCiphertext, format!("{} is not sealed with age", path.display()))
                .with_help("It is not what a recovery session hands over. A bare seed is read without --identity."))
        }
        (false, None) => {
            warn_if_open(path);
            Ok(bytes)
        }
    }
}

fn unseal(path: &Path, sealed: &[u8], identity: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let key = load_identity(identity)?;
    let wrong = |_| Failure::new(Code::DecryptFailed, format!("{} does not open with this identity", path.display()));
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(wrong)?;
    let mut reader = decryptor.decrypt(core::iter::once(&key as &dyn age::Identity)).map_err(wrong)?;
    // Never longer than what is sealed, so that the buffer does not grow and leave copies behind.
    let mut opened = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut opened).map_err(|error| Failure::new(Code::BadCiphertext, error).about(path.display()))?;
    Ok(opened)
}

/// The first identity in a file of age-keygen.
fn load_identity(path: &Path) -> Result<age::x25519::Identity> {
    warn_if_open(path);
    let bytes = read_bounded(path, SEED_FILE_BYTES_MAX)?;
    let bad =
        || Failure::new(Code::BadKey, format!("{} holds no identity of age (AGE-SECRET-KEY-1...)", path.display()));
    let text = core::str::from_utf8(&bytes).map_err(|_| bad())?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().and_then(|line| line.parse().ok()).ok_or_else(bad)
}
