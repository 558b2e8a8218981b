//! The state of many backup sets at a glance: what `backup status` reads and prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quorumkeep_audit::{Entry, LogKey};
use quorumkeep_custody::bytes::Blob;
use quorumkeep_custody::canonical;
use quorumkeep_custody::delivery::{Delivery, Receipt};
use quorumkeep_custody::guardian::{Guardian, GuardianKey, Kind};
use quorumkeep_custody::keeper::{SetRecord, id_of};
use quorumkeep_custody::keys::SignKey;
use quorumkeep_custody::manifest::{NewSet, Plan, SignedManifest};
use quorumkeep_custody::people::{Person, Role};
use quorumkeep_custody::placement::{Claim, Side};
use quorumkeep_custody::records::{Table, Writes};
use quorumkeep_custody::scheme::Scheme;
use quorumkeep_custody::view::{Overview, View};
use quorumkeep_server::custody::CustodyDir;
use quorumkeep_store::custody::{CustodyReader, CustodyStore};
use rand_core::OsRng;
use zeroize::Zeroizing;

use crate::report::{Failure, Report, Samples, timed};

/// When everything happens, in milliseconds since 1970.
const NOW_MS: u64 = 1_770_000_000_000;
/// Sets of one commit while the custody is built.
const BATCH: u32 = 500;
/// Shares of a set, of which three recover.
const GUARDIANS: [(&str, Kind, &str); 5] = [
    ("server-1", Kind::Server, "us"),
    ("server-2", Kind::Server, "us"),
    ("client-1", Kind::External, "client"),
    ("bank-1", Kind::External, "bank"),
    ("vault-1", Kind::Paper, "vault"),
];

/// What `bench custody` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Backup sets, of five shares each.
    #[arg(long, default_value_t = 10_000)]
    sets: u32,
    /// Folder for the custody; the system's temporary one if none is given.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The program.
    #[arg(long, default_value = "../target/release/quorumkeep")]
    binary: PathBuf,
}

/// Builds the custody and looks at it: in this process, and by the program with and without `--json`.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let binary = arguments.binary.canonicalize()?;
    let home = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let path = home.path().join("custody");
    let confirmed = build(&path, arguments.sets)?;
    let [mut overview, mut json, mut text] = [(); 3].map(|()| Samples::default());
    for _ in 0..rounds {
        overview.push(millis(|| look(&path, confirmed).map(drop))?);
        json.push(millis(|| status(&binary, &path, &["--json"]))?);
        text.push(millis(|| status(&binary, &path, &[]))?);
    }
    let mut report = Report::new("custody");
    report.figure("sets", f64::from(arguments.sets));
    report.figure("recoverable", confirmed as f64);
    report.samples("overview_ms", &overview);
    report.samples("status_json_process_ms", &json);
    report.samples("status_text_process_ms", &text);
    Ok(report)
}

fn millis(work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (took, done) = timed(work);
    done?;
    Ok(took.as_secs_f64() * 1e3)
}

/// Opens the database for reading and looks at everything; how many secrets can be recovered is known.
fn look(path: &Path, recoverable: usize) -> Result<Overview, Failure> {
    let reader = CustodyReader::open(&path.join("custody.db"))?;
    let overview = View::new(&reader).overview("", NOW_MS)?;
    if overview.recoverable == recoverable { Ok(overview) } else { Err("another coverage".into()) }
}

fn status(binary: &Path, path: &Path, more: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new(binary);
    command.args(["backup", "status", "--custody"]).arg(path).args(more).stdout(Stdio::null());
    if command.status()?.success() { Ok(()) } else { Err("backup status failed".into()) }
}

fn key(byte: u8) -> GuardianKey {
    GuardianKey::from_seed(Zeroizing::new([byte; 32]))
}

fn person(name: &str, byte: u8, role: Role) -> Result<Person, Failure> {
    Ok(Person { name: name.parse()?, key: key(byte).signing().verify_key(), roles: [role].into() })
}

/// A custody with so many sets; how many can be recovered.
fn build(path: &Path, sets: u32) -> Result<usize, Failure> {
    let people = vec![
        person("olga", 1, Role::Operations)?,
        person("boris", 2, Role::Owner)?,
        person("sara", 3, Role::Security)?,
    ];
    let directory = CustodyDir::init(path, "bench".parse()?, people, NOW_MS)?;
    let mut store = CustodyStore::open(&directory.database())?;
    let (log, dealer) = (directory.log_key(), key(1).signing());
    let pattern = pattern(&directory, &dealer)?;
    let guardians = pattern.manifest.manifest.shares.iter().map(|share| &share.guardian);
    let writes =
        guardians.map(|guardian| ((Table::Guardian, guardian.name.to_string()), Some(canonical::to_bytes(guardian))));
    store.commit(&writes.collect(), &log, &[Entry::new(NOW_MS, "guardian.add", "person:olga")])?;
    let mut recoverable = 0;
    for first in (0..sets).step_by(BATCH as usize) {
        recoverable += batch(&mut store, &log, &pattern, first..sets.min(first + BATCH))?;
    }
    Ok(recoverable)
}

/// A set that was dealt: the others have its shares under other names.
fn pattern(directory: &CustodyDir, dealer: &SignKey) -> Result<NewSet, Failure> {
    let guardian = |(byte, (name, kind, entity)): (u8, (&str, Kind, &str))| -> Result<Guardian, Failure> {
        let key = key(byte);
        let (recipient, signing) = (key.age_recipient(), key.signing().verify_key());
        Ok(Guardian { name: name.parse()?, kind, entity: entity.parse()?, recipient, signing })
    };
    let plan = Plan {
        custody: directory.custody(),
        key_id: "key".parse()?,
        node_id: "node-1".parse()?,
        generation: 1,
        scheme: Scheme::Shamir,
        threshold: 3,
        guardians: (10..).zip(GUARDIANS).map(guardian).collect::<Result<_, _>>()?,
        claim: Claim { survives_shares: 2, survives_sides: [Side::Server].into(), ..Claim::default() },
        public_key: None,
        containers: Vec::new(),
        dealer: "olga".parse()?,
        now_ms: NOW_MS,
    };
    Ok(plan.deal(&[7; 32], dealer, &mut OsRng)?)
}

/// One commit with the documents of these sets and an entry for each.
fn batch(
    store: &mut CustodyStore,
    log: &LogKey,
    pattern: &NewSet,
    numbers: std::ops::Range<u32>,
) -> Result<usize, Failure> {
    let (mut writes, mut entries, mut recoverable) = (Writes::new(), Vec::new(), 0);
    for number in numbers {
        let mut signed = pattern.manifest.clone();
        signed.manifest.key_id = format!("key-{number}").parse()?;
        let record = record(&signed, number)?;
        recoverable += usize::from(record.is_recoverable());
        let mut entry = Entry::new(NOW_MS, "backup.create", "person:olga");
        entry.key_id = Some(record.id.key_id.to_string());
        entries.push(entry);
        put(&mut writes, &record, &signed, &pattern.envelopes);
    }
    store.commit(&writes, log, &entries)?;
    Ok(recoverable)
}

fn put(writes: &mut Writes, record: &SetRecord, signed: &SignedManifest, envelopes: &[Blob]) {
    let key = record.id.record();
    for (index, envelope) in (1..).zip(envelopes) {
        let index: u8 = index;
        writes.insert((Table::Envelope, format!("{key}/{index:03}")), Some(canonical::to_bytes(envelope)));
    }
    writes.insert((Table::Manifest, key.clone()), Some(canonical::to_bytes(signed)));
    writes.insert((Table::Set, key), Some(canonical::to_bytes(record)));
}

/// Every hundredth set is on its way, with one share in each state; all others are confirmed.
fn record(signed: &SignedManifest, number: u32) -> Result<SetRecord, Failure> {
    let manifest = &signed.manifest;
    let mut shares: Vec<Delivery> = manifest.shares.iter().map(Delivery::new).collect();
    for ((byte, share), entry) in (10..).zip(&mut shares).zip(&manifest.shares) {
        if number.is_multiple_of(100) && share.index > 2 {
            match share.index {
                3 => share.deliver(NOW_MS)?,
                4 => share.fail("the envelope does not open")?,
                _ => {}
            }
            continue;
        }
        share.deliver(NOW_MS)?;
        let (receipt, key) = (Receipt::of(manifest, entry), key(byte).signing());
        share.confirm(&receipt, &key.verify_key(), &receipt.sign(&key), NOW_MS)?;
    }
    let (id, manifest_hash, threshold) = (id_of(manifest), manifest.hash(), manifest.threshold);
    Ok(SetRecord { id, manifest_hash, created_ms: NOW_MS, threshold, shares })
}
