//! `age-plugin-quorumkeep`: what the stock `age` command starts when it meets our recipients and identities.
//!
//! An identity is a pointer, no secret: `AGE-PLUGIN-QUORUMKEEP-1...` holds the paths of a network file and of an owner's
//! key. Only these say where to connect; a ciphertext cannot.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use age::Identity as _;
use age_core::format::{FileKey, Stanza};
use age_core::primitives::bech32_encode;
use age_core::secrecy::ExposeSecret;
use age_plugin::identity::{self, IdentityPluginV1};
use age_plugin::recipient::{self, RecipientPluginV1};
use age_plugin::{Callbacks, PluginHandler, run_state_machine};
use bech32::Hrp;
use quorumkeep_curves::enc::{Reader, Writer};
use quorumkeep_ibe::agefile::{Identity, Recipient, STANZA_TAG};
use rand_core::OsRng;

use crate::secrets::load_owner_key;
use crate::source::{NetworkSource, SharedNotes};

const NAME: &str = "quorumkeep";
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

/// The state machine that age asks for, if this process was started as its plugin.
pub fn state_machine(arguments: &[OsString]) -> Option<String> {
    let program = Path::new(arguments.first()?).file_name().unwrap_or(OsStr::new(""));
    let machine =
        arguments.get(1).and_then(|argument| argument.to_str()?.strip_prefix("--age-plugin=")).map(str::to_owned);
    match machine {
        Some(machine) => Some(machine),
        None if program.as_bytes().ends_with(b"age-plugin-quorumkeep") => Some(String::new()),
        None => None,
    }
}

/// Speaks the plugin protocol on standard input and output.
pub fn run(state_machine: &str) -> io::Result<()> {
    if state_machine.is_empty() {
        let text = "age starts this program by itself: age -d -i IDENTITY-FILE, see: quorumkeep help identity";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    run_state_machine(state_machine, Handler)
}

struct Handler;

impl PluginHandler for Handler {
    type RecipientV1 = Recipients;
    type IdentityV1 = Identities;

    fn recipient_v1(self) -> io::Result<Recipients> {
        Ok(Recipients::default())
    }

    fn identity_v1(self) -> io::Result<Identities> {
        Ok(Identities::default())
    }
}

/// Encryption: wraps file keys for `age1quorumkeep1...`.
#[derive(Default)]
struct Recipients(Vec<Recipient>);

impl RecipientPluginV1 for Recipients {
    fn add_recipient(&mut self, index: usize, name: &str, bytes: &[u8]) -> Result<(), recipient::Error> {
        let error = |message: String| recipient::Error::Recipient { index, message };
        if name != NAME {
            return Err(error(format!("this plugin does not serve {name}")));
        }
        self.0.push(Recipient::from_payload(bytes).map_err(|reason| error(reason.to_string()))?);
        Ok(())
    }

    fn add_identity(&mut self, index: usize, _: &str, _: &[u8]) -> Result<(), recipient::Error> {
        let message =
            "an identity names no application; encrypt to a recipient: quorumkeep recipient --app ID".to_owned();
        Err(recipient::Error::Identity { index, message })
    }

    fn labels(&mut self) -> HashSet<String> {
        HashSet::new()
    }

    fn wrap_file_keys(
        &mut self,
        file_keys: Vec<FileKey>,
        _: impl Callbacks<recipient::Error>,
    ) -> io::Result<Result<Vec<Vec<Stanza>>, Vec<recipient::Error>>> {
        let wrap = |file_key: &FileKey| {
            let one = |recipient: &Recipient| recipient.wrap(file_key.expose_secret(), &mut OsRng);
            self.0.iter().map(|recipient| one(recipient).map(|wrapped| wrapped.to_stanza())).collect()
        };
        let all: Result<Vec<Vec<Stanza>>, _> = file_keys.iter().map(wrap).collect();
        Ok(all.map_err(|error| vec![recipient::Error::Internal { message: error.to_string() }]))
    }
}

/// Decryption: asks the network for the keys that stanzas name.
#[derive(Default)]
struct Identities(Vec<Opener>);

struct Opener {
    index: usize,
    identity: Identity,
    notes: SharedNotes,
}

impl Opener {
    fn new(index: usize, pointer: Pointer) -> crate::failure::Result<Self> {
        let notes = SharedNotes::default();
        let owner = pointer.owner_key.as_deref().map(load_owner_key).transpose()?;
        let source = NetworkSource::new(pointer.network, None, owner, notes.clone())?;
        Ok(Self { index, identity: Identity::new(source), notes })
    }

    fn open(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, identity::Error>> {
        let result = self.identity.unwrap_stanzas(stanzas)?;
        Some(result.map_err(|error| {
            let failure = self.notes.borrow_mut().take_failure();
            let message =
                failure.map_or_else(|| error.to_string(), |failure| format!("{} ({})", failure.message, failure.help));
            identity::Error::Identity { index: self.index, message }
        }))
    }
}

impl IdentityPluginV1 for Identities {
    fn add_identity(&mut self, index: usize, name: &str, bytes: &[u8]) -> Result<(), identity::Error> {
        let error = |message: String| identity::Error::Identity { index, message };
        if name != NAME {
            return Err(error(format!("this plugin does not serve {name}")));
        }
        let pointer = Pointer::decode(bytes).ok_or_else(|| error("the identity is malformed".to_owned()))?;
        self.0.push(Opener::new(index, pointer).map_err(|failure| error(failure.message))?);
        Ok(())
    }

    fn unwrap_file_keys(
        &mut self,
        files: Vec<Vec<Stanza>>,
        _: impl Callbacks<identity::Error>,
    ) -> io::Result<HashMap<usize, Result<FileKey, Vec<identity::Error>>>> {
        let mut results = HashMap::new();
        for (number, stanzas) in files.into_iter().enumerate() {
            // The rest of the header is other recipients' business.
            let ours: Vec<Stanza> = stanzas.into_iter().filter(|stanza| stanza.tag == STANZA_TAG).collect();
            let mut errors = Vec::new();
            for result in self.0.iter().filter_map(|opener| opener.open(&ours)) {
                match result {
                    Ok(file_key) => {
                        results.insert(number, Ok(file_key));
                        break;
                    }
                    Err(error) => errors.push(error),
                }
            }
            if !errors.is_empty() && !results.contains_key(&number) {
                results.insert(number, Err(errors));
            }
        }
        Ok(results)
    }
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

    #[test]
    fn only_age_starts_the_plugin() {
        let arguments = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        let name = "/usr/bin/age-plugin-quorumkeep";
        assert_eq!(state_machine(&arguments(&[name, "--age-plugin=identity-v1"])).as_deref(), Some("identity-v1"));
        assert_eq!(state_machine(&arguments(&[name])).as_deref(), Some(""));
        assert_eq!(state_machine(&arguments(&["quorumkeep", "status"])), None);
    }
}
