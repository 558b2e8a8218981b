//! The identity of the age plugin: a pointer, no secret. `AGE-PLUGIN-QUORUMKEEP-1...` holds the paths of a network file and
//! of an owner's key.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use age_core::primitives::bech32_encode;
use bech32::Hrp;
use quorumkeep_curves::enc::{Reader, Writer};

const IDENTITY_HRP: Hrp = Hrp::parse_unchecked("age-plugin-quorumkeep-");
const PAYLOAD_VERSION: u8 = 1;
const PATH_BYTES_MAX: usize = 4096;

/// What an identity points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The network file.
    pub network: PathBuf,
    /// The owner's key, for the policy `owner`.
    pub owner_key: Option<PathBuf>,
}

impl Pointer {
    /// `AGE-PLUGIN-QUORUMKEEP-1...`.
    pub fn encode(&self) -> String {
        let owner = self.owner_key.as_deref().unwrap_or(Path::new(""));
        let payload = Writer::raw().u8(PAYLOAD_VERSION).bytes(self.network.as_os_str().as_bytes());
        bech32_encode(IDENTITY_HRP, &payload.bytes(owner.as_os_str().as_bytes()).finish()).to_uppercase()
    }

    /// What [`Pointer::encode`] wrote; age hands over the decoded bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8().ok()? != PAYLOAD_VERSION {
            return None;
        }
        let network = read_path(&mut reader)?;
        let owner = read_path(&mut reader)?;
        reader.finish().ok()?;
        let owner_key = (!owner.as_os_str().is_empty()).then_some(owner);
        (!network.as_os_str().is_empty()).then_some(Self { network, owner_key })
    }
}

fn read_path(reader: &mut Reader<'_>) -> Option<PathBuf> {
    Some(PathBuf::from(OsString::from_vec(reader.bytes(PATH_BYTES_MAX).ok()?.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_back() {
        for owner_key in [None, Some(PathBuf::from("/keys/owner"))] {
            let pointer = Pointer { network: "/etc/quorumkeep/network.json".into(), owner_key };
            let text = pointer.encode();
            assert!(text.starts_with("AGE-PLUGIN-QUORUMKEEP-1"), "{text}");
            let bytes: Vec<u8> = age_core::primitives::bech32_decode(
                &text,
                |_| "bech32",
                |hrp| if hrp == IDENTITY_HRP { Ok(()) } else { Err("hrp") },
                |_, bytes| Ok(bytes.collect()),
            )
            .unwrap();
            assert_eq!(Pointer::decode(&bytes), Some(pointer));
        }
        assert_eq!(Pointer::decode(&[2, 0, 0, 0, 0]), None);
        assert_eq!(Pointer::decode(&[]), None);
    }
}
