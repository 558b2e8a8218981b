//! `age-plugin-quorumkeep`: what the stock `age` command starts when it meets our recipients and identities.
//!
//! An identity is a [`Pointer`]. Only it says where to connect; a ciphertext cannot.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use age::Identity as _;
use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use age_plugin::identity::{self, IdentityPluginV1};
use age_plugin::recipient::{self, RecipientPluginV1};
use age_plugin::{Callbacks, PluginHandler, run_state_machine};
use quorumkeep_ibe::agefile::{Identity, Recipient, STANZA_TAG};
use rand_core::OsRng;

use crate::pointer::Pointer;
use crate::secrets::load_owner_key;
use crate::source::{NetworkSource, SharedNotes};

const NAME: &str = "quorumkeep";

/// The state machine that age asks for, if this process was started as its plugin.
pub fn state_machine(arguments: &[OsString]) -> Option<String> {
    let program = Path::new(arguments.first()?).file_name().unwrap_or(OsStr::new(""));
    let machine =
        arguments.get(1).and_then(|argument| argument.to_str()?.strip_prefix("--age-plugin=")).map(str::to_owned);
    match machine {
        Some(machine) => Some(machine),
        None if program.as_encoded_bytes().ends_with(b"age-plugin-quorumkeep") => Some(String::new()),
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
    fn only_age_starts_the_plugin() {
        let arguments = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        let name = "/usr/bin/age-plugin-quorumkeep";
        assert_eq!(state_machine(&arguments(&[name, "--age-plugin=identity-v1"])).as_deref(), Some("identity-v1"));
        assert_eq!(state_machine(&arguments(&[name])).as_deref(), Some(""));
        assert_eq!(state_machine(&arguments(&["quorumkeep", "status"])), None);
    }
}
