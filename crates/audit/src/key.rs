//! The key of a log.

use base64::prelude::{BASE64_STANDARD, Engine};
use ed25519_dalek::{Signer as _, SigningKey};
use signed_note::{Signer, StandardVerifier, Verifier as NoteVerifier, is_key_name_valid, key_id};
use zeroize::Zeroizing;

/// The algorithm byte of Ed25519 (c2sp.org/signed-note).
const ED25519: u8 = 1;

/// The longest name of a log.
const ORIGIN_BYTES_MAX: usize = 255;

/// The longest verifier key: a name, a hash of 8 digits, 44 characters of base64.
const VKEY_BYTES_MAX: usize = ORIGIN_BYTES_MAX + 1 + 8 + 1 + 44;

/// A key or the name of a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name of the log breaks a rule.
    #[error("the name of a log is 1 to {ORIGIN_BYTES_MAX} printable ASCII characters without space and '+'")]
    Origin,
    /// The text is not the public key of a log.
    #[error("this is not the public key of a log: NAME+HASH+KEY, as in c2sp.org/signed-note")]
    Verifier(#[source] Option<signed_note::VerifierError>),
}

/// A name that can stand in a checkpoint and on a terminal.
fn check_origin(origin: &str) -> Result<(), KeyError> {
    let short = (1..=ORIGIN_BYTES_MAX).contains(&origin.len());
    if !short || !is_key_name_valid(origin) || !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyError::Origin);
    }
    Ok(())
}

/// The secret key of a log: it signs the log's checkpoints, and nothing else.
///
/// # Security
/// Whoever has it can write another log under the same name; only an earlier checkpoint elsewhere shows that. It is wiped
/// when it is dropped.
pub struct LogKey {
    secret: SigningKey,
    verifier: Verifier,
}

impl LogKey {
    /// The key that these 32 random bytes make, for the log with this name, e.g. `quorumkeep.custody/<64 hex>`.
    ///
    /// # Errors
    /// [`KeyError::Origin`].
    pub fn from_seed(origin: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        check_origin(origin)?;
        let secret = SigningKey::from_bytes(seed);
        let public = [&[ED25519], secret.verifying_key().to_bytes().as_slice()].concat();
        let (id, key) = (key_id(origin, &public), BASE64_STANDARD.encode(&public));
        let verifier = Verifier::decode(&format!("{origin}+{id:08x}+{key}"))?;
        Ok(Self { secret, verifier })
    }

    /// The 32 bytes that make this key, to be sealed and kept.
    #[must_use]
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.verifier.origin()
    }

    /// The public part.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

impl Signer for LogKey {
    fn name(&self) -> &str {
        self.verifier.inner.name()
    }

    fn key_id(&self) -> u32 {
        self.verifier.inner.key_id()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.secret.try_sign(message)?.to_vec())
    }
}

/// The public key of a log, with the log's name.
#[derive(Clone)]
pub struct Verifier {
    text: String,
    pub(crate) inner: StandardVerifier,
}

impl Verifier {
    /// Reads `NAME+HASH+KEY`; spaces and line breaks around it are tolerated.
    ///
    /// # Errors
    /// [`KeyError`] for anything else, other encodings of the same key among it.
    pub fn decode(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        if text.len() > VKEY_BYTES_MAX {
            return Err(KeyError::Verifier(None));
        }
        let inner = StandardVerifier::new(text).map_err(|error| KeyError::Verifier(Some(error)))?;
        check_origin(inner.name())?;
        let hash = text.split('+').nth(1);
        if hash != Some(&format!("{:08x}", inner.key_id())) {
            return Err(KeyError::Verifier(None));
        }
        Ok(Self { text: text.to_owned(), inner })
    }

    /// The text that [`Verifier::decode`] reads, without a line break.
    #[must_use]
    pub fn encode(&self) -> &str {
        &self.text
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.inner.name()
    }

    /// Is this Ed25519 signature the log's, over these bytes?
    #[must_use]
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.inner.verify(message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key of the specification's example (c2sp.org/signed-note and golang.org/x/mod/sumdb/note).
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_key_of_the_reference_is_read_and_written() {
        let verifier = Verifier::decode(&format!(" {PETER}\n")).unwrap();
        assert_eq!((verifier.encode(), verifier.origin()), (PETER, "PeterNeumann"));
    }

    #[test]
    fn a_seed_makes_the_key_of_the_reference() {
        // `PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz`
        let seed = BASE64_STANDARD.decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz").unwrap();
        let key = LogKey::from_seed("PeterNeumann", seed[1..].try_into().unwrap()).unwrap();
        assert_eq!(key.verifier().encode(), PETER);
        assert_eq!(key.expose_seed().as_slice(), &seed[1..]);
    }

    #[test]
    fn other_keys_are_refused() {
        for bad in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
            "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ] {
            assert!(Verifier::decode(bad).is_err(), "{bad}");
        }
        for bad in ["", "two words", "a+b", "line\nbreak", "bidi\u{202e}", &"x".repeat(256)] {
            assert!(matches!(LogKey::from_seed(bad, &[1; 32]), Err(KeyError::Origin)), "{bad}");
        }
    }
}
