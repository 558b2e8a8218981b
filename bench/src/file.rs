//! Files: our recipient against age's own, in memory; and the memory that a file of any size needs.

use std::io::{self, BufReader, Read, Write};
use std::process::{Command, ExitCode};

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_ibe::agefile::{FixedKey, Identity, Recipient};
use quorumkeep_ibe::{AppId, AppIdentity, AppKey, Format, sign_partial};
use rand_core::{OsRng, RngCore};

use crate::report::{Failure, Report, Samples, timed};

/// What `bench file` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Size of the file that is encrypted and decrypted, in mebibytes.
    #[arg(long, default_value_t = 256)]
    mebibytes: usize,
    /// Also stream 4 GiB through encryption and decryption and report the resident memory of that process.
    #[arg(long)]
    large: bool,
}

const LARGE_MEBIBYTES: u64 = 4_096;

/// Both recipients in turn, round by round.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let mut plain = vec![0; arguments.mebibytes << 20];
    OsRng.fill_bytes(&mut plain);
    let (ours, peer) = (Party::ours()?, Party::x25519());
    let mut samples: [Samples; 4] = Default::default();
    for round in 0..rounds {
        let [peer_encrypt, peer_decrypt, our_encrypt, our_decrypt] = &mut samples;
        // Who is first changes from round to round: the second finds warmer memory.
        if round % 2 == 0 {
            measure(&peer, &plain, peer_encrypt, peer_decrypt)?;
        }
        measure(&ours, &plain, our_encrypt, our_decrypt)?;
        if round % 2 == 1 {
            measure(&peer, &plain, peer_encrypt, peer_decrypt)?;
        }
    }
    let [peer_encrypt, peer_decrypt, our_encrypt, our_decrypt] = &samples;
    let mut report = Report::new("file");
    report.figure("mebibytes", arguments.mebibytes as f64);
    report.samples("x25519_encrypt_mib_per_s", peer_encrypt);
    report.samples("quorumkeep_encrypt_mib_per_s", our_encrypt);
    report.samples("x25519_decrypt_mib_per_s", peer_decrypt);
    report.samples("quorumkeep_decrypt_mib_per_s", our_decrypt);
    report.figure("encrypt_ratio", our_encrypt.median() / peer_encrypt.median());
    report.figure("decrypt_ratio", our_decrypt.median() / peer_decrypt.median());
    if arguments.large {
        report.note("large_mebibytes", LARGE_MEBIBYTES.to_string());
        report.figure("large_resident_mib", large_resident()?);
    }
    Ok(report)
}

/// A recipient with its identity.
struct Party {
    recipient: Box<dyn age::Recipient + Send>,
    identity: Box<dyn age::Identity>,
}

impl Party {
    fn x25519() -> Self {
        let identity = age::x25519::Identity::generate();
        Self { recipient: Box::new(identity.to_public()), identity: Box::new(identity) }
    }

    fn ours() -> Result<Self, Failure> {
        let info = AppIdentity { network: [1; 32], key_id: [2; 32], app_id: AppId::parse("benchmark")?, epoch: 0 };
        let share = SecretScalar::random(&mut OsRng);
        let partial = sign_partial(&share, &info.q(Format::Age));
        let key = AppKey::from_bytes(&partial.expose())?;
        let recipient = Recipient::new(info.clone(), share.mul_g2())?;
        Ok(Self { recipient: Box::new(recipient), identity: Box::new(Identity::new(FixedKey { info, key })) })
    }
}

fn measure(party: &Party, plain: &[u8], encrypt: &mut Samples, decrypt: &mut Samples) -> Result<(), Failure> {
    let mebibytes = plain.len() as f64 / f64::from(1 << 20);
    // Room for all of it, so that no reallocation is measured.
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 1024 + 4096);
    let (took, result) = timed(|| seal(party.recipient.as_ref(), plain, &mut sealed));
    result?;
    encrypt.push(mebibytes / took.as_secs_f64());
    let mut sink = CountingSink(0);
    let (took, result) = timed(|| open(party.identity.as_ref(), sealed.as_slice(), &mut sink));
    result?;
    decrypt.push(mebibytes / took.as_secs_f64());
    if sink.0 == plain.len() as u64 { Ok(()) } else { Err("the decrypted file has another length".into()) }
}

fn seal(recipient: &dyn age::Recipient, mut plain: impl Read, sealed: impl Write) -> Result<(), Failure> {
    let mut writer = age::Encryptor::with_recipients(std::iter::once(recipient))?.wrap_output(sealed)?;
    io::copy(&mut BufReader::with_capacity(1 << 16, &mut plain), &mut writer)?;
    writer.finish()?;
    Ok(())
}

fn open(identity: &dyn age::Identity, sealed: impl Read, plain: &mut impl Write) -> Result<(), Failure> {
    let mut reader = age::Decryptor::new(sealed)?.decrypt(std::iter::once(identity))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            length => plain.write_all(buffer.get(..length).unwrap_or_default())?,
        }
    }
}

struct CountingSink(u64);

impl Write for CountingSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The peak of resident memory of a process that does nothing else, in mebibytes.
fn large_resident() -> Result<f64, Failure> {
    let output = Command::new(std::env::current_exe()?).args(["large-child", &LARGE_MEBIBYTES.to_string()]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse::<f64>()? / 1024.0)
}

/// Encrypts in one thread into a pipe that the other decrypts from; prints the peak of resident memory in kibibytes.
pub fn large_child(mebibytes: u64) -> ExitCode {
    match stream(mebibytes << 20).and_then(|()| peak_kibibytes()) {
        Ok(peak) => {
            println!("{peak}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn stream(length: u64) -> Result<(), Failure> {
    let Party { recipient, identity } = Party::ours()?;
    let (reader, writer) = io::pipe()?;
    let mut sink = CountingSink(0);
    std::thread::scope(|scope| {
        let sealing = scope.spawn(move || seal(recipient.as_ref(), io::repeat(0x5a).take(length), writer));
        open(identity.as_ref(), reader, &mut sink)?;
        sealing.join().map_err(|_| Failure::from("the encrypting thread panicked"))?
    })?;
    if sink.0 == length { Ok(()) } else { Err("the decrypted stream has another length".into()) }
}

fn peak_kibibytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
