//! Containers: secrets of any size in an ordinary age file, which the key of a set opens.
//!
//! The key of the set is turned into an X25519 identity of age by HKDF. A container of 4 GiB is made and opened in a stream of
//! 64 KiB chunks, each authenticated; a cut one is recognised at its end, so nothing of it may be used before that.

use std::io::{self, Read, Write};

use hkdf::Hkdf;
use quorumkeep_curves::tags;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::guardian::age_identity;
use crate::names::Name;

/// A container that cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not an age file, was changed, or is of another set.
    #[error("the container was changed, or is of another set")]
    Open,
    /// Reading or writing failed, or the container is cut short.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn identity(key: &[u8], name: &Name) -> Option<age::x25519::Identity> {
    let mut secret = Zeroizing::new([0; 32]);
    let hkdf = Hkdf::<Sha256>::new(Some(tags::CUSTODY_CONTAINER.as_bytes()), key);
    hkdf.expand(name.as_str().as_bytes(), &mut *secret).ok()?;
    age_identity(&secret)
}

/// A writer that encrypts into `to`; [`age::stream::StreamWriter::finish`] ends it.
///
/// # Errors
/// [`Error`].
pub fn create<W: Write>(key: &[u8], name: &Name, to: W) -> Result<age::stream::StreamWriter<W>, Error> {
    let recipient = identity(key, name).ok_or(Error::Open)?.to_public();
    let encryptor = age::Encryptor::with_recipients(core::iter::once(&recipient as _)).map_err(|_| Error::Open)?;
    Ok(encryptor.wrap_output(to)?)
}

/// A reader of what is in a container.
///
/// # Errors
/// [`Error::Open`].
pub fn open<R: Read>(key: &[u8], name: &Name, from: R) -> Result<impl Read, Error> {
    let identity = identity(key, name).ok_or(Error::Open)?;
    let decryptor = age::Decryptor::new(from).map_err(|_| Error::Open)?;
    decryptor.decrypt(core::iter::once(&identity as _)).map_err(|_| Error::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_opens_with_its_key_and_name_only() {
        let name: Name = "secret".parse().unwrap();
        let mut sealed = Vec::new();
        let mut writer = create(&[1; 32], &name, &mut sealed).unwrap();
        writer.write_all(&[7; 200_000]).unwrap();
        writer.finish().unwrap();
        let read = |key: &[u8], name: &Name, sealed: &[u8]| {
            let mut plain = Vec::new();
            open(key, name, sealed).map(|mut reader| reader.read_to_end(&mut plain).map(|_| plain))
        };
        assert_eq!(read(&[1; 32], &name, &sealed).unwrap().unwrap(), [7; 200_000]);
        assert!(read(&[2; 32], &name, &sealed).is_err());
        assert!(read(&[1; 32], &"keydata".parse().unwrap(), &sealed).is_err());
        let cut = &sealed[..sealed.len() - 70_000];
        assert!(read(&[1; 32], &name, cut).unwrap().is_err(), "a cut container is an error at its end");
    }
}
