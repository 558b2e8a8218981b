//! Key files of people, guardians and recovery processes: one line, `KIND NAME SEED`, perhaps sealed under a passphrase.

use std::path::Path;

use quorumkeep_custody::guardian::GuardianKey;
use quorumkeep_custody::keys::{SignKey, derive};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::request::By;
use quorumkeep_server::files::{read_private, write_new_private};
use quorumkeep_server::sealed::{self, Passphrase};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use crate::failure::{Code, Failure, Result};
use crate::secrets::passphrase;

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person's.
    Person,
    /// A guardian's.
    Guardian,
    /// Of a process that combines shares, for one recovery.
    Process,
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Guardian => "guardian",
            Self::Process => "process",
        }
    }
}

/// A key file in memory.
pub struct KeyFile {
    kind: Kind,
    name: Name,
    seed: Zeroizing<[u8; 32]>,
}

impl KeyFile {
    /// A new key.
    pub fn random(kind: Kind, name: Name) -> Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(&mut *seed).map_err(|error| Failure::new(Code::Failed, error))?;
        Ok(Self { kind, name, seed })
    }

    /// Writes it, readable by its owner only; an existing file is never replaced.
    pub fn save(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<()> {
        let line = Zeroizing::new(format!(
            "{} {} {}\n",
            self.kind.text(),
            self.name,
            Zeroizing::new(hex::encode(*self.seed)).as_str()
        ));
        match passphrase {
            Some(passphrase) => write_new_private(path, &sealed::seal(line.as_bytes(), passphrase)?)?,
            None => write_new_private(path, line.as_bytes())?,
        }
        Ok(())
    }

    /// Reads one; a sealed one asks for its passphrase.
    pub fn load(path: &Path, passphrase_file: Option<&Path>) -> Result<Self> {
        let bytes = read_private(path, sealed::SEALED_BYTES_MAX)?;
        let line = if sealed::is_sealed(&bytes) {
            let what = path.display().to_string();
            sealed::open(&bytes, &passphrase(passphrase_file, &what)?)?
        } else {
            bytes
        };
        Self::parse(&line).ok_or_else(|| {
            Failure::new(
                Code::BadKey,
                format!("{} is no key file of a person, a guardian or a process", path.display()),
            )
        })
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(line).ok()?;
        let mut words = text.strip_suffix('\n').unwrap_or(text).split(' ');
        let kind = [Kind::Person, Kind::Guardian, Kind::Process];
        let word = words.next()?;
        let kind = kind.into_iter().find(|kind| kind.text() == word)?;
        let name = words.next()?.parse().ok()?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(words.next()?, &mut *seed).ok()?;
        words.next().is_none().then_some(Self { kind, name, seed })
    }

    /// The key of this kind, or what is wrong.
    pub fn of(self, kind: Kind) -> Result<Self> {
        if self.kind == kind {
            return Ok(self);
        }
        let message = format!("this is the key of a {}, and that of a {} is needed", self.kind.text(), kind.text());
        Err(Failure::new(Code::BadKey, message))
    }

    /// The name in it.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What guardians and processes open with.
    pub fn guardian(&self) -> GuardianKey {
        GuardianKey::from_seed(self.seed.clone())
    }

    /// What is signed with.
    pub fn signing(&self) -> SignKey {
        match self.kind {
            Kind::Person => SignKey::from_seed(&derive(&self.seed, "sign")),
            Kind::Guardian | Kind::Process => self.guardian().signing(),
        }
    }

    /// As whom requests are signed. A process speaks for its session and says which.
    pub fn by(&self) -> Result<By> {
        match self.kind {
            Kind::Person => Ok(By::Person(self.name.clone())),
            Kind::Guardian => Ok(By::Guardian(self.name.clone())),
            Kind::Process => Err(Failure::new(Code::BadKey, "the key of a process cannot be used for this")),
        }
    }
}
