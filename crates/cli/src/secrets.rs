//! Secrets of people: passphrases, the operator's identity, an owner's key, an application's key. From files or prompts,
//! to files; never from the command line and never to standard output.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use quorumkeep_curves::bn254;
use quorumkeep_ibe::AppKey;
use quorumkeep_server::files::{read_bounded, read_private, write_new_private};
use quorumkeep_server::sealed::{self, Passphrase};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use crate::failure::{Code, Failure, Result};

/// The operator's sealed identity in its directory.
pub const OPERATOR_KEY: &str = "operator.key.age";
/// Names a file with the passphrase, for services.
pub const PASSPHRASE_ENV: &str = "QUORUMKEEP_PASSPHRASE_FILE";
/// Bytes of a key file in hexadecimal.
const KEY_BYTES_MAX: u64 = 1024;

/// The passphrase from a file, from the file that the environment names, or from the terminal.
pub fn passphrase(file: Option<&Path>, what: &str) -> Result<Passphrase> {
    match passphrase_file(file) {
        Some(file) => read_passphrase(&file),
        None => ask(&format!("Passphrase of {what}: ")),
    }
}

/// A passphrase for something new; a person types it twice.
pub fn new_passphrase(file: Option<&Path>, what: &str) -> Result<Passphrase> {
    if let Some(file) = passphrase_file(file) {
        return read_passphrase(&file);
    }
    let first = prompt(&format!("New passphrase for {what}: "))?;
    let second = prompt("The same again: ")?;
    if first != second {
        return Err(Failure::new(Code::WrongPassphrase, "the two passphrases differ"));
    }
    Ok(Passphrase::new(&first)?)
}

fn passphrase_file(file: Option<&Path>) -> Option<PathBuf> {
    file.map(Path::to_owned).or_else(|| std::env::var_os(PASSPHRASE_ENV).map(PathBuf::from))
}

fn read_passphrase(file: &Path) -> Result<Passphrase> {
    Passphrase::read(file).map_err(|error| Failure::from(error).about(format!("passphrase file {}", file.display())))
}

fn ask(question: &str) -> Result<Passphrase> {
    Ok(Passphrase::new(&prompt(question)?)?)
}

fn prompt(question: &str) -> Result<Zeroizing<String>> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(Code::PassphraseMissing, "there is no terminal to ask for the passphrase"));
    }
    Ok(Zeroizing::new(rpassword::prompt_password(question)?))
}

/// Makes an operator's identity in `dir`, sealed.
pub fn create_operator_key(dir: &Path, passphrase: &Passphrase) -> Result<bn254::SecretKey> {
    let key = bn254::SecretKey::random(&mut OsRng);
    let text = Zeroizing::new(hex::encode(*key.expose()) + "\n");
    write_new_private(&dir.join(OPERATOR_KEY), &sealed::seal(text.as_bytes(), passphrase)?)?;
    Ok(key)
}

/// Opens the operator's identity in `dir`.
pub fn load_operator_key(dir: &Path, passphrase_file: Option<&Path>) -> Result<bn254::SecretKey> {
    let path = dir.join(OPERATOR_KEY);
    let file = read_private(&path, sealed::SEALED_BYTES_MAX)?;
    let passphrase = passphrase(passphrase_file, &path.display().to_string())?;
    let text = sealed::open(&file, &passphrase).map_err(|error| Failure::from(error).about(path.display()))?;
    let bytes = from_hex::<32>(&text).ok_or_else(|| bad_key(&path, "32 bytes in hexadecimal"))?;
    bn254::SecretKey::from_be_bytes(&bytes).map_err(|_| bad_key(&path, "a BN254 secret key"))
}

/// Makes an owner's Ed25519 key in a new file.
pub fn create_owner_key(path: &Path) -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0u8; 32]);
    OsRng.fill_bytes(&mut *seed);
    let text = Zeroizing::new(hex::encode(*seed) + "\n");
    write_new_private(path, text.as_bytes())?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Reads an owner's Ed25519 key.
pub fn load_owner_key(path: &Path) -> Result<SigningKey> {
    let text = read_private(path, KEY_BYTES_MAX)?;
    let seed = from_hex::<32>(&text).ok_or_else(|| bad_key(path, "32 bytes in hexadecimal"))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Reads an application's key. What a drill wrote elsewhere may have any mode, so that is not looked at.
pub fn load_app_key(path: &Path) -> Result<AppKey> {
    let text = read_bounded(path, KEY_BYTES_MAX)?;
    let bytes = from_hex::<48>(&text).ok_or_else(|| bad_key(path, "48 bytes in hexadecimal"))?;
    AppKey::from_bytes(&bytes).map_err(|_| bad_key(path, "a point of G1 (BLS12-381, compressed)"))
}

/// Writes an application's key, readable by its owner only.
pub fn save_app_key(path: &Path, key: &AppKey, force: bool) -> Result<()> {
    let text = Zeroizing::new(hex::encode(*key.expose()) + "\n");
    crate::output::write(path, text.as_bytes(), quorumkeep_store::files::PRIVATE, force)
}

fn bad_key(path: &Path, what: &str) -> Failure {
    Failure::new(Code::BadKey, format!("{} does not hold {what}", path.display()))
}

/// Exactly `N` bytes of hexadecimal; `0x` in front and one newline behind are tolerated.
fn from_hex<const N: usize>(text: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let text = text.strip_prefix(b"0x").unwrap_or(text);
    let mut bytes = Zeroizing::new([0u8; N]);
    hex::decode_to_slice(text, &mut *bytes).ok()?;
    Some(bytes)
}
