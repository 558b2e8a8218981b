//! What the keeper remembers, as a table of documents. A change is a list of writes that is committed as a whole.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::canonical;

/// What a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The charter and the roster: one of each.
    People = 1,
    /// Every change of people, with its approvals, by number.
    History = 2,
    /// Guardians by name.
    Guardian = 3,
    /// Backup sets and the delivery of their shares, by key, node and generation.
    Set = 4,
    /// Manifests of the same.
    Manifest = 5,
    /// Sealed shares of the same, and their index.
    Envelope = 6,
    /// Requests that wait for approvals, by hash.
    Pending = 7,
    /// Recovery sessions by id.
    Session = 8,
    /// Requests that were answered, by their number.
    Seen = 9,
    /// Requests that were refused and recorded, by hash.
    Refused = 10,
    /// What a request leaves behind, by the time at which that is removed.
    Due = 11,
    /// What a session leaves behind, the same way.
    DueSession = 13,
    /// Guardians who were removed, by name.
    Removed = 14,
    /// Keys that are never registered again.
    Retired = 15,
    /// The approved requests by which guardians were registered, by name.
    Registration = 12,
}

/// The documents could not be read: the store failed, or holds something else than what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the records of the custody cannot be read: {0}")]
pub struct ReadError(pub String);

/// Where documents are.
pub trait Records {
    /// One document.
    ///
    /// # Errors
    /// [`ReadError`].
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, ReadError>;

    /// All documents whose key begins so, in order of their keys.
    ///
    /// # Errors
    /// [`ReadError`].
    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError>;

    /// The first `count` documents whose key is before `end`, in order of their keys.
    ///
    /// # Errors
    /// [`ReadError`].
    fn first(&self, table: Table, end: &str, count: usize) -> Result<Vec<(String, Vec<u8>)>, ReadError>;
}

/// Documents to be written in one commit; none: the document is removed.
pub type Writes = BTreeMap<(Table, String), Option<Vec<u8>>>;

/// Records with changes that are not committed yet.
pub struct Draft<'a> {
    records: &'a dyn Records,
    writes: Writes,
}

impl<'a> Draft<'a> {
    /// No changes yet.
    #[must_use]
    pub fn new(records: &'a dyn Records) -> Self {
        Self { records, writes: Writes::new() }
    }

    /// What has to be committed.
    #[must_use]
    pub fn into_writes(self) -> Writes {
        self.writes
    }

    /// Changes made on top of this draft and thrown away.
    pub(crate) fn copy(&self) -> Self {
        Self { records: self.records, writes: self.writes.clone() }
    }

    /// A document.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, ReadError> {
        let written = self.writes.get(&(table, key.to_owned()));
        let bytes = match written {
            Some(bytes) => bytes.clone(),
            None => self.records.get(table, key)?,
        };
        bytes.map(|bytes| read(&bytes)).transpose()
    }

    /// Changes a document.
    pub fn put<T: Serialize>(&mut self, table: Table, key: &str, value: &T) {
        self.writes.insert((table, key.to_owned()), Some(canonical::to_bytes(value)));
    }

    /// Removes a document.
    pub fn remove(&mut self, table: Table, key: &str) {
        self.writes.insert((table, key.to_owned()), None);
    }

    /// The first `count` stored documents whose key is before `end`. What this draft changes is not looked at.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn first<T: DeserializeOwned>(
        &self,
        table: Table,
        end: &str,
        count: usize,
    ) -> Result<Vec<(String, T)>, ReadError> {
        let stored = self.records.first(table, end, count)?;
        stored.into_iter().map(|(key, bytes)| Ok((key, read(&bytes)?))).collect()
    }

    /// All documents whose key begins so, in order of their keys.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn list<T: DeserializeOwned + Send>(&self, table: Table, prefix: &str) -> Result<Vec<(String, T)>, ReadError> {
        let stored = self.records.list(table, prefix)?;
        let written = self.writes.iter().filter(|((of, key), _)| *of == table && key.starts_with(prefix));
        let mut written = written.peekable();
        if written.peek().is_none() {
            return read_all(stored);
        }
        let mut all: BTreeMap<String, Option<Vec<u8>>> =
            stored.into_iter().map(|(key, bytes)| (key, Some(bytes))).collect();
        all.extend(written.map(|((_, key), bytes)| (key.clone(), bytes.clone())));
        read_all(all.into_iter().filter_map(|(key, bytes)| Some((key, bytes?))).collect())
    }
}

/// Documents that are read by one thread.
const ONE_THREAD: usize = 1024;

/// Reads documents, many of them by all processors.
fn read_all<T: DeserializeOwned + Send>(stored: Vec<(String, Vec<u8>)>) -> Result<Vec<(String, T)>, ReadError> {
    let one = |(key, bytes): (String, Vec<u8>)| Ok((key, read(&bytes)?));
    if stored.len() <= ONE_THREAD {
        return stored.into_iter().map(one).collect();
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut parts, mut rest) = (Vec::with_capacity(threads), stored);
    let part = rest.len().div_ceil(threads);
    while rest.len() > part {
        parts.push(rest.split_off(rest.len() - part));
    }
    parts.push(rest);
    let parts: Vec<Result<Vec<_>, ReadError>> = std::thread::scope(|scope| {
        let parts = parts.into_iter().rev().map(|part| scope.spawn(move || part.into_iter().map(one).collect()));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let parts: Vec<Vec<(String, T)>> = parts.into_iter().collect::<Result<_, _>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// A document that was read from a store.
///
/// # Errors
/// [`ReadError`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(bytes).map_err(|error| ReadError(error.to_string()))
}

/// Documents in memory, for tests.
#[derive(Default)]
pub struct Memory(BTreeMap<(Table, String), Vec<u8>>);

impl Memory {
    /// Commits.
    pub fn commit(&mut self, writes: Writes) {
        for (place, bytes) in writes {
            match bytes {
                Some(bytes) => drop(self.0.insert(place, bytes)),
                None => drop(self.0.remove(&place)),
            }
        }
    }

    /// How many documents a table has.
    #[must_use]
    pub fn count(&self, table: Table) -> usize {
        self.0.keys().filter(|(of, _)| *of == table).count()
    }
}

impl Records for Memory {
    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0.get(&(table, key.to_owned())).cloned())
    }

    fn list(&self, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        let of_table = self.0.iter().filter(|((of, key), _)| *of == table && key.starts_with(prefix));
        Ok(of_table.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect())
    }

    fn first(&self, table: Table, end: &str, count: usize) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        let of_table = self.0.iter().filter(|((of, key), _)| *of == table && key.as_str() < end).take(count);
        Ok(of_table.map(|((_, key), bytes)| (key.clone(), bytes.clone())).collect())
    }
}
