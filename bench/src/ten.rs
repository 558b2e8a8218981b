//! ECIES of a TEN backup: one decryption against the one multiplication on secp256k1 that it cannot do without.

use std::hint::black_box;

use k256::{NonZeroScalar, PublicKey};
use quorumkeep_custody::ecies;
use quorumkeep_ten::ciphertext::Ciphertext;
use quorumkeep_ten::key::BackupKey;
use quorumkeep_ten::secret::Secret;
use rand_core::OsRng;

use crate::report::{Failure, Report, Samples, timed_processor};

/// What `bench ten` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Ciphertexts, each of another secret, opened once in each round.
    #[arg(long, default_value_t = 2000)]
    ciphertexts: u16,
}

const KEY: [u8; 32] = [0x11; 32];

/// One ciphertext, and the point in front of it.
struct Case {
    sealed: Ciphertext,
    secret: [u8; 32],
    point: PublicKey,
}

/// Rounds in turn: the multiplication alone, with the affine coordinate that is hashed; ECIES; a backup from its bytes on.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let scalar = NonZeroScalar::try_from(KEY.as_slice()).map_err(|_| "no scalar")?;
    let key = BackupKey::from_bytes(&KEY)?;
    let cases = (1..=arguments.ciphertexts).map(|number| case(&key, number)).collect::<Result<Vec<_>, _>>()?;
    let mut samples: [Samples; 3] = Default::default();
    for _ in 0..rounds.max(7) {
        let [multiply, open, backup] = &mut samples;
        multiply.push(micros(&cases, |case| {
            black_box((case.point.to_projective() * *scalar).to_affine());
            true
        })?);
        open.push(micros(&cases, |case| opens_to(case, ecies::open(&scalar, case.sealed.as_bytes()).ok()))?);
        backup.push(micros(&cases, |case| {
            let opened = Ciphertext::from_bytes(case.sealed.as_bytes()).ok().and_then(|sealed| sealed.open(&key).ok());
            opened.is_some_and(|opened| *opened.expose() == case.secret)
        })?);
    }
    Ok(report(&samples, arguments.ciphertexts))
}

fn opens_to(case: &Case, opened: Option<impl AsRef<[u8]>>) -> bool {
    opened.is_some_and(|opened| opened.as_ref() == case.secret)
}

fn case(key: &BackupKey, number: u16) -> Result<Case, Failure> {
    let mut secret = [0x5a; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    let sealed = Ciphertext::seal(&key.public(), &Secret::new(&secret)?, &mut OsRng).ok_or("not sealed")?;
    let point = PublicKey::from_sec1_bytes(sealed.peer()).map_err(|_| "no point")?;
    Ok(Case { sealed, secret, point })
}

/// Processor time of one, in microseconds, over all of them.
fn micros(cases: &[Case], mut work: impl FnMut(&Case) -> bool) -> Result<f64, Failure> {
    let (time, right) = timed_processor(|| cases.iter().filter(|case| work(case)).count());
    if right != cases.len() {
        return Err("a ciphertext does not open to its secret".into());
    }
    Ok(time.as_secs_f64() * 1e6 / cases.len() as f64)
}

fn report([multiply, open, backup]: &[Samples; 3], ciphertexts: u16) -> Report {
    let mut report = Report::new("ten");
    report.figure("ciphertexts", ciphertexts.into());
    report.samples("multiplication_us", multiply);
    report.samples("ecies_open_us", open);
    report.samples("backup_open_us", backup);
    report.figure("ecies_rate_ratio", multiply.median() / open.median());
    report.figure("backup_rate_ratio", multiply.median() / backup.median());
    report
}
