//! `quorumkeep encrypt`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use age::Encryptor;
use clap::Args;
use quorumkeep_curves::bls::G2;
use quorumkeep_ibe::agefile::{RECIPIENT_HRP, Recipient};
use quorumkeep_ibe::{AppId, Format, eigenx};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::recipient;
use crate::failure::{Code, Failure, Result};
use crate::net::{Net, app_id, block_on};
use crate::output::{Output, is_standard, open_input};
use crate::progress::Progress;
use crate::report::Report;

/// Bytes that are read and written at a time: one chunk of an age file.
pub const CHUNK: usize = 64 * 1024;

/// Arguments of `encrypt`.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Encrypt {
    /// Encrypt to this recipient: age1quorumkeep1... or an ordinary age1...; may be given several times.
    #[arg(long, short, value_name = "AGE1...", conflicts_with_all = ["network", "app", "key"])]
    recipient: Vec<String>,
    /// The network file; the application's format decides between age and EigenX.
    #[arg(long, value_name = "FILE", requires = "app")]
    network: Option<PathBuf>,
    /// The application.
    #[arg(long, value_name = "ID", requires = "network")]
    app: Option<String>,
    /// The network's key [default: the only one].
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// What to encrypt; - is standard input.
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where the ciphertext goes; - is standard output.
    #[arg(long = "out", value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Replace the output file.
    #[arg(long)]
    force: bool,
}

const HELP: &str = "\
Examples:
  quorumkeep encrypt --network network.json --app billing --in secret.txt --out secret.age
  quorumkeep encrypt --recipient age1quorumkeep1... --in secret.txt --out secret.age      (asks nobody)
The result is an ordinary age file. A second --recipient age1... gives a way out without the network.";

/// What to encrypt to.
enum Target {
    Age(Vec<Box<dyn age::Recipient>>),
    EigenX(Box<G2>, AppId),
}

/// Runs it.
pub fn run(command: &Encrypt, as_json: bool) -> Result<Report> {
    refuse_mixed_output(&command.output, as_json)?;
    let target = command.target()?;
    let (input, length) = open_input(&command.input)?;
    let output = Output::create(&command.output, command.force, false)?;
    let progress = Progress::new("encrypting", length, as_json);
    let (format, bytes) = match target {
        Target::Age(recipients) => (Format::Age, encrypt_age(&recipients, input, output, progress)?),
        Target::EigenX(group_key, app) => (Format::EigenX, encrypt_eigenx(&group_key, &app, input, output)?),
    };
    Ok(done(&command.output, bytes).field("format", format.as_str()))
}

/// A program that wants JSON on standard output cannot have the data there, too.
pub fn refuse_mixed_output(output: &Path, as_json: bool) -> Result<()> {
    if as_json && is_standard(output) {
        return Err(Failure::usage("--json needs --out FILE: standard output can carry only one of both"));
    }
    Ok(())
}

/// Nothing may be added to standard output where the data went.
pub fn done(output: &Path, bytes: u64) -> Report {
    let text = if is_standard(output) { String::new() } else { format!("{bytes} bytes to {}", output.display()) };
    Report::text(text).field("file", output).field("plaintext_bytes", bytes)
}

impl Encrypt {
    fn target(&self) -> Result<Target> {
        let (Some(network), Some(app)) = (&self.network, &self.app) else {
            if self.recipient.is_empty() {
                return Err(Failure::usage("say to whom: --recipient AGE1..., or --network FILE --app ID"));
            }
            return Ok(Target::Age(self.recipient.iter().map(|text| parse(text)).collect::<Result<_>>()?));
        };
        block_on(async {
            let net = Net::open(network).await?;
            let name = net.key_name(self.key.as_deref())?;
            let id = app_id(app)?;
            if net.session.application(&name, &id).await?.format == Format::EigenX {
                return Ok(Target::EigenX(Box::new(net.group_key(&name).await?), id));
            }
            let recipient = recipient::online(&net, Some(&name), app).await?;
            Ok(Target::Age(vec![Box::new(recipient)]))
        })
    }
}

fn parse(text: &str) -> Result<Box<dyn age::Recipient>> {
    let text = text.trim();
    if text.to_ascii_lowercase().starts_with(RECIPIENT_HRP) {
        let recipient: Recipient = text.parse().map_err(|error| Failure::new(Code::BadRecipient, error))?;
        return Ok(Box::new(recipient));
    }
    let recipient: age::x25519::Recipient =
        text.parse().map_err(|error| Failure::new(Code::BadRecipient, format!("\"{text}\": {error}")))?;
    Ok(Box::new(recipient))
}

fn encrypt_age(
    recipients: &[Box<dyn age::Recipient>],
    mut input: Box<dyn Read>,
    mut output: Output,
    mut progress: Progress,
) -> Result<u64> {
    let recipients = recipients.iter().map(|recipient| recipient.as_ref() as &dyn age::Recipient);
    let encryptor = Encryptor::with_recipients(recipients);
    let encryptor = encryptor.map_err(|error| Failure::new(Code::BadRecipient, error))?;
    let mut stream = encryptor.wrap_output(&mut output)?;
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    while let Some(bytes) = read_some(&mut input, &mut chunk)? {
        stream.write_all(bytes)?;
        progress.add(bytes.len());
    }
    stream.finish()?;
    output.finish()?;
    Ok(progress.done())
}

/// The next bytes; none at the end.
pub fn read_some<'a>(input: &mut dyn Read, chunk: &'a mut [u8]) -> std::io::Result<Option<&'a [u8]>> {
    loop {
        match input.read(chunk) {
            Ok(0) => return Ok(None),
            Ok(length) => return Ok(chunk.get(..length)),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// EigenX has one block for everything, so the plaintext is in memory, up to [`eigenx::PLAINTEXT_LEN_MAX`].
fn encrypt_eigenx(group_key: &G2, app: &AppId, input: Box<dyn Read>, mut output: Output) -> Result<u64> {
    let mut plaintext = Zeroizing::new(Vec::new());
    input.take(eigenx::PLAINTEXT_LEN_MAX as u64 + 1).read_to_end(&mut plaintext)?;
    let sealed = eigenx::encrypt(group_key, app, &plaintext, &mut OsRng);
    let sealed = sealed.map_err(|error| Failure::new(Code::BadFile, error))?;
    output.write_all(&sealed)?;
    output.finish()?;
    Ok(plaintext.len() as u64)
}
