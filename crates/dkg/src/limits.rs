//! Every bound of the protocol, in one place.

/// Members of a roster, hence players and dealers of a round.
pub const ROSTER_MAX: usize = 250;
/// Bytes of one record: a deal at `n = t = 250` has 250 points of 192 bytes and 500 ciphertexts of 32.
pub const RECORD_BYTES_MAX: usize = 96 * 1024;
/// Records in one block.
pub const BLOCK_RECORDS_MAX: usize = 2048;
/// Bytes of one block.
pub const BLOCK_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Bytes of a socket (`host:port`).
pub const SOCKET_BYTES_MAX: usize = 262;
/// Bytes of the name of a key.
pub const KEY_NAME_BYTES_MAX: usize = 64;
/// Owner keys in a Config.
pub const OWNERS_MAX: usize = 16;
/// Versions that one Announce may name: the newest settled and the newest active.
pub const HELD_VERSIONS_MAX: usize = 2;
/// Keys of a network.
pub const KEYS_MAX: usize = 64;
/// Applications of a network.
pub const APPS_MAX: usize = 100_000;
/// Blocks in one interval.
pub const INTERVAL_MAX: u32 = 1_000_000;
