//! The tables and every statement that other modules share.

/// `application_id` of the file: "QKST".
pub const APPLICATION: i32 = 0x514b_5354;

/// The schema that this program writes, kept in `user_version`.
pub const VERSION: u32 = 1;

/// All tables. `sum` is the checksum of a row's other columns.
pub const TABLES: &str = "
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    network BLOB NOT NULL,
    address BLOB NOT NULL,
    generation INTEGER NOT NULL,
    wrapped BLOB NOT NULL
) STRICT;
CREATE TABLE blocks (
    height INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    height INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE TABLE records (
    key BLOB NOT NULL,
    round INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    subject BLOB NOT NULL,
    bytes BLOB NOT NULL,
    sum BLOB NOT NULL,
    PRIMARY KEY (key, round, kind, subject)
) STRICT;
CREATE TABLE round_secrets (
    key BLOB NOT NULL,
    round INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (key, round)
) STRICT;
CREATE TABLE shares (
    key BLOB NOT NULL,
    version BLOB NOT NULL,
    round INTEGER NOT NULL,
    player INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (key, version)
) STRICT;
CREATE TABLE outputs (
    key BLOB NOT NULL,
    version BLOB NOT NULL,
    round INTEGER NOT NULL,
    active_height INTEGER NOT NULL,
    active_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    sum BLOB NOT NULL,
    PRIMARY KEY (key, version)
) STRICT;
CREATE INDEX outputs_by_time ON outputs (key, active_ms, active_height);
CREATE INDEX outputs_by_height ON outputs (key, active_height);
CREATE TABLE pins (
    key BLOB PRIMARY KEY,
    point BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE TABLE nonces (
    nonce BLOB PRIMARY KEY,
    forget_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_time ON nonces (forget_ms);
CREATE TABLE suspension (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT NOT NULL,
    halted INTEGER NOT NULL,
    until_round_after INTEGER NOT NULL,
    serves INTEGER NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    ms INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
";

/// The columns of an output, in the order that `reader` expects.
const OUTPUT: &str = "SELECT key, version, round, active_height, active_ms, bytes, sum FROM outputs ";

/// The output of a version.
pub fn output() -> String {
    format!("{OUTPUT} WHERE key = ?1 AND version = ?2")
}

/// The output that was active at a time.
pub fn output_at() -> String {
    format!("{OUTPUT} WHERE key = ?1 AND active_ms <= ?2 ORDER BY active_ms DESC, active_height DESC LIMIT 1")
}

/// The newest outputs.
pub fn latest_outputs() -> String {
    format!("{OUTPUT} WHERE key = ?1 ORDER BY active_height DESC LIMIT ?2")
}

/// A `u64` as SQLite keeps it.
pub fn to_sql(value: u64) -> Result<i64, crate::StoreError> {
    i64::try_from(value).map_err(|_| crate::StoreError::Range)
}

/// A `u64` as SQLite gives it back.
pub fn from_sql(value: i64) -> Result<u64, crate::StoreError> {
    u64::try_from(value).map_err(|_| crate::StoreError::damaged("a negative number"))
}
