//! The audit log: appending beside the bare commits of the same database, proofs and full verification of a large log.

use std::path::Path;

use quorumkeep_audit::{Entry, LogKey};
use quorumkeep_store::audit::{Appender, TABLES, prove, verify};
use rusqlite::{Connection, params};

use crate::report::{Failure, Report, Samples, timed};

/// Entries of one transaction while the large log is built.
const BATCH: u64 = 1_000;
/// Durable transactions of one round, with an entry each and without.
const COMMITS: u64 = 300;
/// Proofs of one round.
const PROOFS: u64 = 1_000;

/// What `bench audit` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Entries of the log.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Folder for the database; the system's temporary one if none is given.
    #[arg(long)]
    dir: Option<std::path::PathBuf>,
}

/// Builds the log and measures everything on it.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let home = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let key = LogKey::from_seed("bench", &[7; 32])?;
    let mut conn = open(&home.path().join("custody.db"))?;
    let mut log = Appender::default();
    build(&mut conn, &mut log, &key, arguments.entries)?;
    let mut size = arguments.entries;
    let [mut bare, mut appended, mut proof, mut rate] = [(); 4].map(|()| Samples::default());
    for _ in 0..rounds {
        let (without, with) = commits(&mut conn, &mut log, &key, size)?;
        bare.push(without.median());
        appended.push(with.median());
        size += COMMITS;
        proof.push(1e6 / per_second(PROOFS, || (0..PROOFS).try_for_each(|at| prove_one(&conn, &key, size, at)))?);
        rate.push(per_second(size, || verify(&conn, key.verifier(), &mut |_| {}).map(drop).map_err(Into::into))?);
    }
    let mut report = Report::new("audit");
    report.figure("entries", size as f64);
    report.samples("bare_commit_us", &bare);
    report.samples("commit_with_entry_us", &appended);
    report.figure("append_ratio", appended.median() / bare.median());
    report.samples("proof_us", &proof);
    report.samples("verified_entries_per_second", &rate);
    Ok(report)
}

fn open(path: &Path) -> Result<Connection, Failure> {
    let conn = Connection::open(path)?;
    let _: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // As the store has it.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "secure_delete", true)?;
    conn.execute_batch(TABLES)?;
    conn.execute_batch("CREATE TABLE operations (id INTEGER PRIMARY KEY, what BLOB NOT NULL) STRICT")?;
    Ok(conn)
}

fn build(conn: &mut Connection, log: &mut Appender, key: &LogKey, entries: u64) -> Result<(), Failure> {
    for first in (0..entries).step_by(BATCH as usize) {
        let batch: Vec<Entry> = (first..entries.min(first + BATCH)).map(entry).collect();
        let tx = conn.transaction()?;
        log.append(&tx, key, &batch)?;
        tx.commit()?;
    }
    Ok(())
}

/// An entry as a delivery makes it, about 450 bytes.
fn entry(seq: u64) -> Entry {
    let mut entry = Entry::new(1_770_000_000_000 + seq, "share.deliver", "anna.operations@example.com");
    entry.approvers = vec!["berta.security@example.com".to_owned(), "carl.owner@example.com".to_owned()];
    entry.key_id = Some(format!("key-{}", seq % 1000));
    entry.node_id = Some("server-proxy-1".to_owned());
    entry.share_index = Some((seq % 5) as u32);
    entry.generation = Some(3);
    entry.envelope_sha256 = Some(format!("{seq:064x}"));
    entry.request_sha256 = Some(format!("{seq:064x}"));
    entry.target = Some("custodian-2".to_owned());
    entry
}

/// Commits in turn, one without an entry and one with it, so that a busy disk disturbs both: microseconds of each.
fn commits(conn: &mut Connection, log: &mut Appender, key: &LogKey, size: u64) -> Result<(Samples, Samples), Failure> {
    let (mut without, mut with) = (Samples::default(), Samples::default());
    for seq in size..size + COMMITS {
        without.push(1e6 / per_second(1, || commit(conn, None))?);
        with.push(1e6 / per_second(1, || commit(conn, Some((&mut *log, key, seq))))?);
    }
    Ok((without, with))
}

/// One durable transaction with one row of an operation, and the entry that records it.
fn commit(conn: &mut Connection, record: Option<(&mut Appender, &LogKey, u64)>) -> Result<(), Failure> {
    let tx = conn.transaction()?;
    tx.prepare("INSERT INTO operations (what) VALUES (?1)")?.execute(params![[7_u8; 200]])?;
    if let Some((log, key, seq)) = record {
        log.append(&tx, key, &[entry(seq)])?;
    }
    Ok(tx.commit()?)
}

fn prove_one(conn: &Connection, key: &LogKey, size: u64, at: u64) -> Result<(), Failure> {
    let seq = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
    let proof = prove(conn, seq)?;
    // One in a hundred is verified, so that what is timed is the making of proofs that hold.
    if at.is_multiple_of(100) { proof.verify(key.verifier()).map(drop).map_err(Into::into) } else { Ok(()) }
}

fn per_second(count: u64, work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let (took, done) = timed(work);
    done?;
    Ok(count as f64 / took.as_secs_f64())
}
