//! Named points at which a test build can be told to die.
//!
//! Without the feature `failpoints` [`hit`] does nothing. With it, the environment variable `QUORUMKEEP_FAILPOINT` names
//! one point of [`LIST`], as `name` or `name:nth` (from 1), and the process aborts the nth time that it gets there: no
//! destructor runs and nothing is flushed, as in a crash. A name that is not in the list aborts at the first point of all,
//! so that a misspelt one cannot pass for a crash that was survived.
//!
//! This is the only place of the crate that reads the environment, and only in such a build.

/// Every point there is.
pub const LIST: &[&str] = &[
    "board.commit.before",
    "board.commit.after",
    "node.commit.before",
    "node.commit.after",
    "node.post.before",
    "node.post.after",
    "node.send.before",
    "node.send.after",
    "store.commit.before",
    "store.commit.after",
    "store.rotate.salt_written",
    "store.rotate.committed",
    "store.rotate.checkpointed",
    "store.rotate.old_salt_removed",
];

/// Aborts the process if `name` is the point that was asked for, the nth time; else does nothing.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}

/// Aborts the process if `name` is the point that was asked for, the nth time; else does nothing.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    armed::hit(name);
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Armed {
        name: String,
        left: AtomicU64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    fn parse(text: &str) -> Option<Armed> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let left = nth.parse::<u64>().ok().filter(|nth| *nth > 0)?;
        super::LIST.contains(&name).then(|| Armed { name: name.to_owned(), left: AtomicU64::new(left) })
    }

    fn from_environment() -> Option<Armed> {
        let text = std::env::var("QUORUMKEEP_FAILPOINT").ok()?;
        let armed = parse(&text);
        if armed.is_none() {
            die(&format!("QUORUMKEEP_FAILPOINT={text}: not a point of the list"));
        }
        armed
    }

    fn die(why: &str) -> ! {
        use std::io::Write;
        // The process ends here anyway; a closed standard error must not change how.
        let _ = writeln!(std::io::stderr(), "{why}");
        std::process::abort()
    }

    pub fn hit(name: &str) {
        debug_assert!(super::LIST.contains(&name), "{name} is not in the list");
        let Some(armed) = ARMED.get_or_init(from_environment) else { return };
        if armed.name == name && armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            die(&format!("fail point {name}"));
        }
    }
}
