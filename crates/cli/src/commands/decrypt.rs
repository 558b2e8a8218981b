//! `quorumkeep decrypt`: through the network, or offline with a recovered application key.

use std::io::{BufReader, Cursor, ErrorKind, Read, Write};
use std::path::PathBuf;

use age::{DecryptError, Decryptor};
use clap::Args;
use quorumkeep_ibe::agefile::Identity;
use quorumkeep_ibe::{AppId, AppKey, Format, eigenx};
use zeroize::Zeroizing;

use super::encrypt::{CHUNK, done, read_some, refuse_mixed_output};
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, Wanted, app_id, block_on};
use crate::output::{Output, open_input};
use crate::progress::Progress;
use crate::report::Report;
use crate::secrets::{load_app_key, load_owner_key};
use crate::source::{FileSource, NetworkSource, SharedNotes, no_match};

const AGE_MAGIC: &[u8] = b"age-encryption.org/";
const ARMOR_MAGIC: &[u8] = b"-----BEGIN AGE";

/// Arguments of `decrypt`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Decrypt {
    /// The network file: the key is asked of the nodes.
    #[arg(long, value_name = "FILE", conflicts_with = "app_key", required_unless_present = "app_key")]
    network: Option<PathBuf>,
    /// The application; an age file names it itself.
    #[arg(long, value_name = "ID", requires = "network")]
    app: Option<String>,
    /// The network's key, for EigenX ciphertexts [default: the only one].
    #[arg(long, value_name = "NAME", requires = "network")]
    key: Option<String>,
    /// The owner's key file, for the policy owner.
    #[arg(long, value_name = "FILE", requires = "network")]
    owner_key: Option<PathBuf>,
    /// A folder for evidence of wrong answers that nodes signed.
    #[arg(long, value_name = "DIR", requires = "network")]
    evidence: Option<PathBuf>,
    /// A recovered application key (48 bytes in hexadecimal): nobody is asked.
    #[arg(long, value_name = "FILE", requires = "app_id")]
    app_key: Option<PathBuf>,
    /// The application that this key belongs to.
    #[arg(long, value_name = "ID", requires = "app_key")]
    app_id: Option<String>,
    /// What to decrypt; - is standard input.
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where the plaintext goes; - is standard output.
    #[arg(long = "out", value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Replace the output file.
    #[arg(long)]
    force: bool,
}

const HELP: &str = "\
Examples:
  quorumkeep decrypt --network network.json --owner-key owner.key --in secret.age --out secret.txt
  quorumkeep decrypt --network network.json --app billing --in secret.ibe --out secret.txt
  quorumkeep decrypt --app-key billing.key --app-id billing --in secret.age --out secret.txt      (offline)
age files and EigenX ciphertexts are told apart by their first bytes. A file appears only if everything was good. On
standard output the first 8 MiB are held back until then; what is longer is written as its parts turn out to be good.";

/// Where the application's key comes from.
enum KeyFrom<'a> {
    File(AppId, AppKey),
    Network { path: &'a PathBuf, only: Option<AppId> },
}

/// Runs it.
pub fn run(command: &Decrypt, as_json: bool) -> Result<Report> {
    refuse_mixed_output(&command.output, as_json)?;
    let from = command.key_from()?;
    let (input, length) = open_input(&command.input)?;
    let output = Output::create(&command.output, command.force, true)?;
    let (format, input) = recognise(input)?;
    let bytes = match format {
        Format::Age => command.age(from, input, output, Progress::new("decrypting", length, as_json))?,
        Format::EigenX => command.eigenx(from, input, output)?,
    };
    Ok(done(&command.output, bytes).field("format", format.as_str()))
}

/// The format by its first bytes, and the input from its beginning.
fn recognise(mut input: Box<dyn Read>) -> Result<(Format, Box<dyn Read>)> {
    let mut start = Vec::with_capacity(AGE_MAGIC.len());
    input.by_ref().take(AGE_MAGIC.len() as u64).read_to_end(&mut start)?;
    let format = match start.as_slice() {
        start if start == AGE_MAGIC => Format::Age,
        start if start.starts_with(&eigenx::MAGIC) => Format::EigenX,
        start if start.starts_with(ARMOR_MAGIC) => {
            let help = "Take the armor off first: age-plugin users can run age -d on it directly.";
            return Err(Failure::new(Code::BadCiphertext, "an armored age file is not read").with_help(help));
        }
        [] => return Err(Failure::new(Code::BadCiphertext, "the input is empty")),
        _ => return Err(Failure::new(Code::BadCiphertext, "neither an age file nor an EigenX ciphertext")),
    };
    Ok((format, Box::new(Cursor::new(start).chain(input))))
}

impl Decrypt {
    fn key_from(&self) -> Result<KeyFrom<'_>> {
        match (&self.app_key, &self.app_id, &self.network) {
            (Some(file), Some(id), _) => Ok(KeyFrom::File(app_id(id)?, load_app_key(file)?)),
            (_, _, Some(path)) => Ok(KeyFrom::Network { path, only: self.app.as_deref().map(app_id).transpose()? }),
            _ => Err(Failure::usage("say where the key comes from: --network FILE, or --app-key FILE --app-id ID")),
        }
    }

    fn age(&self, from: KeyFrom<'_>, input: Box<dyn Read>, mut output: Output, mut progress: Progress) -> Result<u64> {
        let notes = SharedNotes::default();
        let identity = self.identity(from, &notes)?;
        let explain = |error| explain(error, &notes);
        let decryptor = Decryptor::new_buffered(BufReader::with_capacity(CHUNK, input)).map_err(explain)?;
        if decryptor.is_scrypt() {
            return Err(Failure::new(
                Code::DecryptFailed,
                "the file is encrypted with a passphrase; open it with: age -d",
            ));
        }
        let mut stream = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(explain)?;
        let mut chunk = Zeroizing::new(vec![0; CHUNK]);
        while let Some(bytes) = read_some(&mut stream, &mut chunk).map_err(|error| broken(&error))? {
            output.write_all(bytes)?;
            progress.add(bytes.len());
        }
        output.finish()?;
        Ok(progress.done())
    }

    fn identity(&self, from: KeyFrom<'_>, notes: &SharedNotes) -> Result<Identity> {
        match from {
            KeyFrom::File(app_id, key) => Ok(Identity::new(FileSource { app_id, key, notes: notes.clone() })),
            KeyFrom::Network { path, only } => {
                let owner = self.owner_key.as_deref().map(load_owner_key).transpose()?;
                let source = NetworkSource::new(path.clone(), only, owner, notes.clone())?;
                Ok(Identity::new(source.with_evidence(self.evidence.clone())))
            }
        }
    }

    /// EigenX has one block for everything, so it is in memory, up to [`eigenx::PLAINTEXT_LEN_MAX`].
    fn eigenx(&self, from: KeyFrom<'_>, input: Box<dyn Read>, mut output: Output) -> Result<u64> {
        let max = eigenx::PLAINTEXT_LEN_MAX + eigenx::OVERHEAD;
        let mut sealed = Vec::new();
        input.take(max as u64 + 1).read_to_end(&mut sealed)?;
        if sealed.len() > max {
            return Err(Failure::new(Code::BadCiphertext, format!("the ciphertext has more than {max} bytes")));
        }
        let (id, key) = self.eigenx_key(from)?;
        let failed =
            |_| Failure::new(Code::DecryptFailed, "decryption failed: another application or key, or an altered file");
        let plaintext = eigenx::decrypt(&key, &id, &sealed).map_err(failed)?;
        output.write_all(&plaintext)?;
        output.finish()?;
        Ok(plaintext.len() as u64)
    }

    fn eigenx_key(&self, from: KeyFrom<'_>) -> Result<(AppId, AppKey)> {
        let path = match from {
            KeyFrom::File(id, key) => return Ok((id, key)),
            KeyFrom::Network { only: None, .. } => {
                return Err(Failure::usage("an EigenX ciphertext does not name its application: give --app ID"));
            }
            KeyFrom::Network { path, only: Some(app) } => (path, app),
        };
        let (path, app) = path;
        let owner = self.owner_key.as_deref().map(load_owner_key).transpose()?;
        let key = block_on(async {
            let mut net = Net::open(path).await?;
            let name = net.key_name(self.key.as_deref())?;
            let format = Some(Format::EigenX);
            let wanted = Wanted {
                name: &name,
                app: &app,
                epoch: None,
                format,
                owner: owner.as_ref(),
                evidence: self.evidence.as_deref(),
            };
            Ok(net.app_key(&wanted).await?.key)
        })?;
        Ok((app, key))
    }
}

/// Why the header did not open.
fn explain(error: DecryptError, notes: &SharedNotes) -> Failure {
    if let Some(failure) = notes.borrow_mut().take_failure() {
        return failure;
    }
    match error {
        DecryptError::NoMatchingKeys => no_match(&notes.borrow()),
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::InvalidMac => {
            Failure::new(Code::DecryptFailed, "decryption failed: another application or key, or an altered file")
        }
        DecryptError::Io(error) => broken(&error),
        _ => Failure::new(Code::BadCiphertext, "the header of the age file is malformed: the file was altered or cut"),
    }
}

/// Why the body did not open: what the age stream says, or the disk.
fn broken(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::Other => {
            Failure::new(Code::BadCiphertext, "the file is truncated or altered; nothing was written")
        }
        _ => Failure::new(Code::Io, error),
    }
}
