//! Named points at which a test build can be told to die.
//!
//! Without the feature `failpoints` [`hit`] does nothing. With it there are two ways to die:
//!
//! * The environment variable `QUORUMKEEP_FAILPOINT` names one point, as `name` or `name:nth` (from 1), and the process aborts
//!   the nth time that it gets there: no destructor runs and nothing is flushed, as in a crash. A name that does not exist
//!   aborts at the first point of all, so that a misspelt one cannot pass for a crash that was survived.
//! * `watch` calls a function of the test, on the same thread, at every point. It may unwind.
//!
//! This is the only place of the crate that reads the environment, and only in such a build.

/// Declares the points, so that the list and the names cannot miss one.
macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A point at which a test build can be told to die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Point {
            $($(#[$doc])* $point,)*
        }

        impl Point {
            /// Every point there is.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

points! {
    /// The orderer has a block that is not durable.
    BoardCommitBefore = "board.commit.before",
    /// The block is durable and nobody has seen it.
    BoardCommitAfter = "board.commit.after",
    /// A node has handled an event, and nothing of it is durable.
    NodeCommitBefore = "node.commit.before",
    /// The batch is durable, and nothing of it has left.
    NodeCommitAfter = "node.commit.after",
    /// As `node.commit.before`, with the secrets of a round in the batch.
    NodeSecretBefore = "node.secret.before",
    /// The secrets of a round are durable.
    NodeSecretAfter = "node.secret.after",
    /// As `node.commit.before`, with a share in the batch.
    NodeShareBefore = "node.share.before",
    /// The share is durable.
    NodeShareAfter = "node.share.after",
    /// As `node.commit.before`, with a version that becomes active in the batch.
    NodeActivateBefore = "node.activate.before",
    /// The version is active on the disk.
    NodeActivateAfter = "node.activate.after",
    /// As `node.commit.before`, with a deletion of shares or secrets in the batch.
    NodeDeleteBefore = "node.delete.before",
    /// The deletion is durable.
    NodeDeleteAfter = "node.delete.after",
    /// A record is about to leave for the board.
    NodePostBefore = "node.post.before",
    /// The record has left.
    NodePostAfter = "node.post.after",
    /// As `node.post.before`, of a Confirm.
    NodeConfirmBefore = "node.confirm.before",
    /// The Confirm has left.
    NodeConfirmAfter = "node.confirm.after",
    /// A message is about to leave for a peer.
    NodeSendBefore = "node.send.before",
    /// The message has left.
    NodeSendAfter = "node.send.after",
    /// The transaction is complete and not committed.
    StoreCommitBefore = "store.commit.before",
    /// It is committed.
    StoreCommitAfter = "store.commit.after",
    /// A deletion needs a new key-encryption key: its salt is durable, nothing is wrapped under it.
    StoreRotateSaltWritten = "store.rotate.salt_written",
    /// The new key is in force, the old salt is there.
    StoreRotateCommitted = "store.rotate.committed",
    /// The write-ahead log is empty, the old salt is there.
    StoreRotateCheckpointed = "store.rotate.checkpointed",
    /// The old salt is gone.
    StoreRotateOldSaltRemoved = "store.rotate.old_salt_removed",
    /// A custody's transaction is complete and not committed.
    CustodyCommitBefore = "custody.commit.before",
    /// It is committed, and nobody was answered.
    CustodyCommitAfter = "custody.commit.after",
    /// As `custody.commit.before`, with the delivery of a share in it.
    CustodyDeliverBefore = "custody.deliver.before",
    /// The delivery is durable.
    CustodyDeliverAfter = "custody.deliver.after",
    /// As `custody.commit.before`, with the receipt of a guardian in it.
    CustodyConfirmBefore = "custody.confirm.before",
    /// The receipt is durable.
    CustodyConfirmAfter = "custody.confirm.after",
    /// As `custody.commit.before`, with the opening of a recovery session in it.
    CustodyOpenBefore = "custody.open.before",
    /// The session is durable.
    CustodyOpenAfter = "custody.open.after",
    /// As `custody.commit.before`, with a submitted share in it.
    CustodySubmitBefore = "custody.submit.before",
    /// The submitted share is durable.
    CustodySubmitAfter = "custody.submit.after",
    /// As `custody.commit.before`, with the second approval of a recovery in it.
    CustodyReleaseBefore = "custody.release.before",
    /// The second approval is durable.
    CustodyReleaseAfter = "custody.release.after",
    /// The process has recovered the secret and written nothing.
    CustodyWriteBefore = "custody.write.before",
    /// The recovered secret is durable, sealed to its recipient; nobody was told.
    CustodyWriteAfter = "custody.write.after",
}

/// Does what was asked for at this point; else nothing.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_point: Point) {}

/// Does what was asked for at this point; else nothing.
#[cfg(feature = "failpoints")]
pub fn hit(point: Point) {
    watched::hit(point);
    armed::hit(point);
}

#[cfg(feature = "failpoints")]
pub use watched::watch;

#[cfg(feature = "failpoints")]
mod watched {
    use std::cell::RefCell;

    use super::Point;

    /// Told of every point that its thread passes.
    pub type Watcher = Box<dyn FnMut(Point)>;

    thread_local! {
        static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    }

    /// Has `watcher` called at every point that this thread passes; none: nobody.
    pub fn watch(watcher: Option<Watcher>) {
        WATCHER.set(watcher);
    }

    pub fn hit(point: Point) {
        // Taken out, so that the watcher may unwind, or end the watch.
        let Some(mut watcher) = WATCHER.take() else { return };
        watcher(point);
        WATCHER.set(Some(watcher));
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Point;

    struct Armed {
        point: Point,
        left: AtomicU64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    fn parse(text: &str) -> Option<Armed> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let left = nth.parse::<u64>().ok().filter(|nth| *nth > 0)?;
        let point = *Point::ALL.iter().find(|point| point.name() == name)?;
        Some(Armed { point, left: AtomicU64::new(left) })
    }

    fn from_environment() -> Option<Armed> {
        let text = std::env::var("QUORUMKEEP_FAILPOINT").ok()?;
        let armed = parse(&text);
        if armed.is_none() {
            die(&format!("QUORUMKEEP_FAILPOINT={text}: there is no such point"));
        }
        armed
    }

    fn die(why: &str) -> ! {
        use std::io::Write;
        // The process ends here anyway; a closed standard error must not change how.
        let _ = writeln!(std::io::stderr(), "{why}");
        std::process::abort()
    }

    pub fn hit(point: Point) {
        let Some(armed) = ARMED.get_or_init(from_environment) else { return };
        if armed.point == point && armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            die(&format!("fail point {}", point.name()));
        }
    }
}
