//! Mode A: the seed was made on a Trezor and never leaves it. What the device returns is read here; nothing talks to it.
//!
//! | file | from |
//! |---|---|
//! | session key | `GetECDHSessionKey` for the identity and the ephemeral point of a ciphertext |
//! | public key | the same answer |
//! | authenticity | `trezorctl device authenticate --raw` |
//!
//! # Security
//!
//! A session key opens the one ciphertext that it was asked for; it is a secret. The proof of authenticity is kept as it is and
//! is **unverified**: the certificates are not checked here, and it would not bind a public key to the device.
//!
//! # Source
//!
//! trezor-firmware `apps/misc/get_ecdh_session_key.py`, `python/src/trezorlib/cli/device.py`.

use quorumkeep_custody::bytes::{Blob, Hex};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::key::BackupPublicKey;

/// Bytes of an uncompressed point.
const POINT: usize = 65;
/// Bytes of the longest file from a device.
pub const DEVICE_FILE_BYTES_MAX: usize = 64 * 1024;
/// Certificates of the longest chain.
const CERTIFICATES_MAX: usize = 8;

/// What a device is said to have printed, and has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No session key in it.
    #[error("expected the session key of a device: an uncompressed point of secp256k1 in hexadecimal, 130 digits")]
    Session,
    /// No public key in it.
    #[error("expected the public key of a device: a compressed point of secp256k1 in hexadecimal, 66 digits")]
    Public,
    /// No proof of authenticity.
    #[error("expected the output of trezorctl device authenticate --raw: challenge, signature and certificates")]
    Authenticity,
}

/// The point `d*R` that a device computes; wiped when it is dropped.
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// Reads hexadecimal alone, a line `session_key: HEX`, or JSON with the field `session_key`.
    ///
    /// # Errors
    /// [`Error::Session`].
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let digits = field(file, "session_key").ok_or(Error::Session)?;
        let mut point = Zeroizing::new([0; POINT]);
        hex::decode_to_slice(digits.as_bytes(), &mut *point).map_err(|_| Error::Session)?;
        let is_point = point.first() == Some(&4) && k256::PublicKey::from_sec1_bytes(&*point).is_ok();
        let mut x = Zeroizing::new([0; 32]);
        x.iter_mut().zip(point.iter().skip(1)).for_each(|(to, from)| *to = *from);
        if is_point { Ok(Self(x)) } else { Err(Error::Session) }
    }

    /// The x coordinate: `z` of ECIES.
    pub(crate) fn x(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The public key in the answer of a device: hexadecimal alone, a line `public_key: HEX`, or JSON with that field.
///
/// # Errors
/// [`Error::Public`].
pub fn public_key(file: &[u8]) -> Result<BackupPublicKey, Error> {
    field(file, "public_key").ok_or(Error::Public)?.parse().map_err(|_| Error::Public)
}

/// The hexadecimal digits of a field.
fn field(file: &[u8], name: &str) -> Option<Zeroizing<String>> {
    if file.len() > DEVICE_FILE_BYTES_MAX {
        return None;
    }
    let text = core::str::from_utf8(file).ok()?.trim();
    let named = format!("\"{name}\"");
    let digits = match (text.starts_with('{'), text.contains(':')) {
        // A JSON parser would leave copies of the secret behind; the value is a plain string of digits.
        (true, _) => text
            .split_once(&named)?
            .1
            .trim_start()
            .strip_prefix(':')?
            .trim_start()
            .strip_prefix('"')?
            .split('"')
            .next()?,
        (false, true) => {
            text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix(':'))?.trim()
        }
        (false, false) => text,
    };
    Some(Zeroizing::new(digits.strip_prefix("0x").unwrap_or(digits).to_owned()))
}

/// Is the proof checked?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nobody has checked it.
    Unverified,
}

/// A device's proof of authenticity, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticity {
    /// What the device was asked to sign.
    pub challenge: Blob,
    /// The signature of its secure element.
    pub signature: Blob,
    /// Its certificate, and those that signed it.
    pub certificates: Vec<Blob>,
    /// Always [`Verdict::Unverified`] in this version.
    pub verdict: Verdict,
}

impl Authenticity {
    /// Reads what `trezorctl device authenticate --raw` prints.
    ///
    /// # Errors
    /// [`Error::Authenticity`].
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let text = core::str::from_utf8(file).map_err(|_| Error::Authenticity)?;
        if text.len() > DEVICE_FILE_BYTES_MAX {
            return Err(Error::Authenticity);
        }
        let (mut challenge, mut signature, mut certificates) = (None, None, Vec::new());
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let Ok(bytes) = hex::decode(value.trim()) else { continue };
            match name.trim() {
                "Challenge" => challenge = Some(Blob(bytes)),
                "Signature of challenge" => signature = Some(Blob(bytes)),
                name if name.ends_with("certificate") => certificates.push(Blob(bytes)),
                _ => {}
            }
        }
        match (challenge, signature) {
            (Some(challenge), Some(signature)) if (1..=CERTIFICATES_MAX).contains(&certificates.len()) => {
                Ok(Self { challenge, signature, certificates, verdict: Verdict::Unverified })
            }
            _ => Err(Error::Authenticity),
        }
    }

    /// The challenge in hexadecimal, for people to compare; empty if it does not have 32 bytes.
    #[must_use]
    pub fn challenge_text(&self) -> String {
        self.challenge.0.as_slice().try_into().map(|bytes| Hex::<32>(bytes).to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{load, text};

    #[test]
    fn what_a_device_returned_in_every_form() {
        let Some(vectors) = load("ten/e2e_slip39_slip17_ecies.json") else { return };
        let fixture = &vectors["device_fixture"];
        let (session, public) = (text(&fixture["session_key"]), text(&fixture["public_key"]));
        let lines = format!("public_key: {public}\nsession_key: 0x{session}\n");
        let json = format!("{{\"public_key\": \"{public}\", \"session_key\":\"{session}\"}}");
        for file in [session, &lines, &json, &format!("{session}\n")] {
            let x = SessionKey::read(file.as_bytes()).map(|key| hex::encode(key.x()));
            assert_eq!(x, Ok(session[2..66].to_owned()), "{file}");
        }
        for file in [public, &lines, &json] {
            assert_eq!(public_key(file.as_bytes()).map(|key| key.to_string()), Ok(public.to_owned()), "{file}");
        }
        let off = format!("{}00", &session[..128]);
        for bad in ["", "00", public, &off, &session[..128], "session_key: ", "{\"session_key\":1}", &session[2..]] {
            assert_eq!(SessionKey::read(bad.as_bytes()).err(), Some(Error::Session), "{bad}");
        }
        for bad in ["", "00", session, "{}"] {
            assert_eq!(public_key(bad.as_bytes()), Err(Error::Public), "{bad}");
        }
    }

    #[test]
    fn a_proof_of_authenticity_is_kept_and_called_unverified() {
        let Some(vectors) = load("trezor/emulator_proofs.json") else { return };
        for proof in vectors.as_array().unwrap() {
            let output = format!(
                "Challenge: {}\nSignature of challenge: {}\nDevice certificate: {}\nCA certificate: {}\n",
                text(&proof["challenge"]),
                text(&proof["signature"]),
                text(&proof["certificates"][0]),
                text(&proof["certificates"][1]),
            );
            let read = Authenticity::read(output.as_bytes()).unwrap();
            assert_eq!((read.certificates.len(), read.verdict), (2, Verdict::Unverified));
            assert_eq!(read.challenge_text(), text(&proof["challenge"]));
            let cut: String = output.lines().skip(1).collect();
            assert_eq!(Authenticity::read(cut.as_bytes()), Err(Error::Authenticity));
        }
        assert_eq!(Authenticity::read(b"Device certificate: 00"), Err(Error::Authenticity));
    }
}
