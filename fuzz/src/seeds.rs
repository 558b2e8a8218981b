//! The committed inputs are made by the targets themselves: `QUORUMKEEP_FUZZ_SEEDS=FOLDER TARGET -runs=0` writes them to
//! `FOLDER/TARGET/`. They depend on nothing but the code, so that whoever changes a format makes them again.

use std::path::{Path, PathBuf};

/// Writes the inputs of a target, if that is asked for.
pub fn write<N: AsRef<Path>>(target: &str, seeds: impl FnOnce() -> Vec<(N, Vec<u8>)>) {
    let Some(folder) = std::env::var_os("QUORUMKEEP_FUZZ_SEEDS") else { return };
    let folder = PathBuf::from(folder).join(target);
    std::fs::create_dir_all(&folder).expect("the folder of the seeds");
    for (name, bytes) in seeds() {
        std::fs::write(folder.join(name), bytes).expect("a seed is written");
    }
}

/// A seed for the decoder with this number.
pub fn choose(decoder: u8, bytes: &[u8]) -> Vec<u8> {
    [&[decoder], bytes].concat()
}
