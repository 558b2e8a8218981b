//! A node's database after 10,000 versions: how long it takes to open, and to find the version of a moment.

use std::path::Path;

use quorumkeep_curves::bls::SecretScalar;
use quorumkeep_curves::hash::keccak256;
use quorumkeep_dkg::ids::{KeyId, VersionId};
use quorumkeep_node::store::{Batch, OutputRow, ShareRow, Store};
use quorumkeep_store::{Binding, Reader, SaltFileKek, SqliteStore};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use crate::report::{Failure, Report, Samples, timed};

/// An output of n = 7, t = 5: 5 commitments, 7 public shares, 7 cores.
const OUTPUT_BYTES: usize = 1_750;
/// What 7 operators put on the board in one round: announces, deals and confirms.
const ROUND_BYTES: usize = 32_000;
/// An empty block.
const BLOCK_BYTES: usize = 200;

const KEY: KeyId = KeyId([0xa1; 32]);
const BINDING: Binding = Binding { network: [0x11; 32], address: [0x22; 20] };
const LOOKUPS: u64 = 1_000;

/// What `bench store` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Versions in the larger database.
    #[arg(long, default_value_t = 10_000)]
    versions: u64,
    /// Blocks of the board per version, the records of a round among them; 0 leaves the board out.
    #[arg(long, default_value_t = 40)]
    blocks: u64,
    /// Folder for the databases; the system's temporary one if none is given.
    #[arg(long)]
    dir: Option<std::path::PathBuf>,
}

/// Builds two databases, the smaller with a tenth of the versions, and measures both in turn.
pub fn run(arguments: &Arguments, rounds: usize) -> Result<Report, Failure> {
    let homes = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let sizes = [arguments.versions / 10, arguments.versions];
    let mut report = Report::new("store");
    report.figure("versions", arguments.versions as f64);
    report.figure("blocks_per_version", arguments.blocks as f64);
    for size in sizes {
        build(&homes.path().join(size.to_string()), size, arguments.blocks)?;
    }
    let mut measured = sizes.map(|size| (size, [Samples::default(), Samples::default(), Samples::default()]));
    for _ in 0..rounds {
        for (size, [open, load, lookup]) in &mut measured {
            measure(&homes.path().join(size.to_string()), *size, (open, load, lookup))?;
        }
    }
    for (size, [open, load, lookup]) in &measured {
        let bytes = std::fs::metadata(homes.path().join(size.to_string()).join("node.sqlite"))?.len();
        report.figure(&format!("database_{size}_mib"), bytes as f64 / f64::from(1 << 20));
        report.samples(&format!("open_{size}_ms"), open);
        report.samples(&format!("load_{size}_ms"), load);
        report.samples(&format!("lookup_by_time_{size}_us"), lookup);
    }
    let [(_, [_, _, small]), (_, [_, _, large])] = &measured;
    report.figure("lookup_ratio_large_to_small", large.median() / small.median());
    Ok(report)
}

fn kek(directory: &Path) -> Box<SaltFileKek> {
    Box::new(SaltFileKek::new(directory, Zeroizing::new([0x77; 32])))
}

fn build(directory: &Path, versions: u64, blocks: u64) -> Result<(), Failure> {
    let path = directory.join("node.sqlite");
    let mut store = SqliteStore::create(&path, BINDING, kek(directory))?;
    for first in (1..=versions).step_by(100) {
        let mut batch = Batch::default();
        for number in first..first.saturating_add(100).min(versions + 1) {
            add_version(&mut batch, number, blocks);
        }
        store.commit(&batch)?;
    }
    // The two versions that a node keeps, and the ledger of a small network.
    let shares = [versions - 1, versions].map(|number| ShareRow {
        key: KEY,
        version: version(number),
        round: number,
        index: 3,
        share: SecretScalar::random(&mut OsRng),
    });
    let snapshot = Some((versions * blocks.max(1), random(20_000)));
    store.commit(&Batch { shares: shares.into(), snapshot, ..Batch::default() })?;
    Ok(())
}

fn add_version(batch: &mut Batch, number: u64, blocks: u64) {
    batch.outputs.push(OutputRow {
        key: KEY,
        version: version(number),
        round: number * blocks,
        active_height: number * blocks.max(1),
        active_ms: number * 1_000,
        bytes: random(OUTPUT_BYTES),
    });
    for block in 0..blocks {
        let records = if block == 0 { ROUND_BYTES } else { 0 };
        batch.blocks.push(((number - 1) * blocks + block + 1, random(BLOCK_BYTES + records)));
    }
}

fn version(number: u64) -> VersionId {
    VersionId(keccak256(&number.to_be_bytes()))
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

fn measure(directory: &Path, versions: u64, into: (&mut Samples, &mut Samples, &mut Samples)) -> Result<(), Failure> {
    let path = directory.join("node.sqlite");
    let (open, load, lookup) = into;
    let (took, store) = timed(|| SqliteStore::open(&path, BINDING, kek(directory)));
    let store = store?;
    open.push(took.as_secs_f64() * 1e3);
    let (took, loaded) = timed(|| store.load());
    if loaded?.shares.len() != 2 {
        return Err("the database does not hold the two shares that were written".into());
    }
    load.push(took.as_secs_f64() * 1e3);
    let reader = Reader::open(&path)?;
    let (took, found) = timed(|| (0..LOOKUPS).try_fold(0, |sum, at| look_up(&reader, versions, at).map(|n| sum + n)));
    if found? != LOOKUPS {
        return Err("a look-up by time found another version".into());
    }
    lookup.push(took.as_secs_f64() * 1e6 / LOOKUPS as f64);
    Ok(())
}

/// Looks up a moment inside the life of a version; 1 if that version is found.
fn look_up(reader: &Reader, versions: u64, at: u64) -> Result<u64, Failure> {
    let number = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % versions + 1;
    let found = reader.output_at(&KEY, number * 1_000 + 500)?;
    Ok(u64::from(found.is_some_and(|row| row.version == version(number))))
}
