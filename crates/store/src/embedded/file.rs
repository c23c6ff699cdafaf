//! The store file: one redb database with etcd's bookkeeping on top. Blocking; nothing here knows of terms.
//!
//! Opening takes redb's exclusive lock of the file, and the operating system gives it back when the process ends,
//! however it ends. The lock belongs to the open file, not to its name, so every change looks twice, before and after,
//! whether the file is still the one that others find under its name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition};
use uuid::Uuid;

use crate::engine::{Page, Reading, Revision, Versioned};
use crate::error::StoreError;
use crate::key::{Key, KeyPrefix};

/// Create revision, mod revision, value.
type Row = (u64, u64, &'static [u8]);

const RECORDS: TableDefinition<'_, &str, Row> = TableDefinition::new("records");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");

/// Counter: the store's revision.
const REVISION: &str = "revision";

/// Memory that redb may use to keep pages, in bytes. The whole state of a large cluster is a few of these.
const CACHE_BYTES: usize = 64 << 20;

/// Records can hold what a command line holds; nobody else reads them.
const FILE_MODE: u32 = 0o600;

/// Which file a name or an open handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        file.metadata().map(|found| Self { device: found.dev(), inode: found.ino() })
    }

    pub(super) fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Self { device: found.dev(), inode: found.ino() })
    }
}

/// Why a change was not made, or may not have been.
#[derive(Debug)]
pub(super) enum WriteError<E> {
    /// The change itself decided against it. Nothing was written.
    Decided(E),
    /// Nothing was written.
    Failed(redb::Error),
    /// The last step failed: written or not.
    InDoubt(redb::Error),
    /// The file is not the one under its name any more; what was written, nobody will find.
    Replaced,
}

macro_rules! failed_from {
    ($($error:ty),*) => {
        $(impl<E> From<$error> for WriteError<E> {
            fn from(error: $error) -> Self {
                WriteError::Failed(error.into())
            }
        })*
    };
}

failed_from!(redb::StorageError, redb::TableError, redb::TransactionError);

/// What an error of redb means for a read: the disk failed, or the file is not what it should be.
pub(super) fn store_error(action: &str, error: impl Into<redb::Error>) -> StoreError {
    let (action, error) = (action.to_owned(), error.into());
    match error {
        // What redb says of a file that is not one of its own, or was cut short.
        redb::Error::Io(ref found)
            if matches!(found.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Damaged { action, source: Box::new(error) }
        }
        redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            StoreError::Unreachable { action, source: Box::new(error) }
        }
        error => StoreError::Damaged { action, source: Box::new(error) },
    }
}

/// An open, locked store file.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    identity: Identity,
    database: Database,
}

impl StoreFile {
    /// Makes an empty store where none is. It gets its name only when it is whole: redb never again opens a file whose
    /// making was cut short. Who comes second leaves the first one's in place.
    pub(super) fn create_if_missing(path: &Path) -> Result<(), StoreError> {
        let exists = path.try_exists().map_err(|source| failed("looking at", path, source))?;
        if exists {
            return Ok(());
        }
        let new = path.with_extension(format!("new-{}", Uuid::new_v4()));
        let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(&new);
        let file = opened.map_err(|source| failed("creating", &new, source))?;
        let made = Database::builder().create_file(file);
        drop(made.map_err(|error| store_error(&format!("creating {}", new.display()), error))?);
        let named = match fs::hard_link(&new, path) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(failed("naming", path, source)),
            _ => Ok(()),
        };
        fs::remove_file(&new).map_err(|source| failed("removing", &new, source))?;
        named?;
        sync_directory_of(path)
    }

    /// Opens and locks the file; `None` while somebody else has it.
    pub(super) fn try_open(path: &Path) -> Result<Option<Self>, StoreError> {
        let failed = |action| move |source| failed(action, path, source);
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed("opening"))?;
        let identity = Identity::of(&file).map_err(failed("looking at"))?;
        let database = match Database::builder().set_cache_size(CACHE_BYTES).create_file(file) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Ok(None),
            Err(error) => return Err(store_error(&format!("opening {}", path.display()), error)),
        };
        if !others_are_locked_out(path).map_err(failed("locking"))? {
            return Err(StoreError::NoLocks { path: path.to_owned() });
        }
        let opened = Self { path: path.to_owned(), identity, database };
        // Replaced between opening and locking: what is locked is a file without a name.
        Ok(opened.is_in_place().then_some(opened))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether others find this very file under its name.
    pub(super) fn is_in_place(&self) -> bool {
        Identity::at(&self.path).is_ok_and(|found| found == self.identity)
    }

    /// Makes a change in one durable transaction, or none at all.
    pub(super) fn write<T, E>(
        &self,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, WriteError<E>>,
    ) -> Result<T, WriteError<E>> {
        if !self.is_in_place() {
            return Err(WriteError::Replaced);
        }
        let transaction = self.database.begin_write()?;
        let result = {
            let records = transaction.open_table(RECORDS)?;
            let mut counters = transaction.open_table(COUNTERS)?;
            let before = revision_in(&counters)?;
            let mut writing = Writing { records, revision: before };
            let result = change(&mut writing)?;
            if writing.revision != before {
                counters.insert(REVISION, writing.revision.0)?;
            }
            result
        };
        transaction.commit().map_err(|error| WriteError::InDoubt(error.into()))?;
        if self.is_in_place() { Ok(result) } else { Err(WriteError::Replaced) }
    }

    /// Reads some keys at the store's present revision, together with that revision.
    pub(super) fn read_keys(&self, keys: &[&Key]) -> Result<(Vec<Option<Versioned>>, Revision), redb::Error> {
        let transaction = self.database.begin_read()?;
        let records = transaction.open_table(RECORDS)?;
        let revision = revision_in(&transaction.open_table(COUNTERS)?)?;
        let found = keys.iter().map(|key| find(&records, key)).collect::<Result<_, _>>()?;
        Ok((found, revision))
    }

    pub(super) fn read_key(&self, key: &Key, at_least: Revision) -> Result<Reading, StoreError> {
        let (mut found, revision) =
            self.read_keys(&[key]).map_err(|error| store_error(&format!("reading {key}"), error))?;
        if revision < at_least {
            return Err(StoreError::FutureRevision { at: at_least, current: revision });
        }
        Ok(Reading { item: found.pop().flatten(), revision })
    }

    /// There is one writer and no history of values: the present revision is the only one that can be read.
    pub(super) fn read_page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        at: Revision,
        limit: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let page = self.page(prefix, after, limit);
        let (current, page) = page.map_err(|error| store_error(&format!("reading {prefix}"), error))?;
        match at.cmp(&current) {
            std::cmp::Ordering::Less => Err(StoreError::Compacted { at, oldest: current }),
            std::cmp::Ordering::Equal => Ok(page),
            std::cmp::Ordering::Greater => Err(StoreError::FutureRevision { at, current }),
        }
    }

    fn page(
        &self,
        prefix: &KeyPrefix,
        after: Option<&Key>,
        limit: NonZeroUsize,
    ) -> Result<(Revision, Page), redb::Error> {
        let transaction = self.database.begin_read()?;
        let records = transaction.open_table(RECORDS)?;
        let revision = revision_in(&transaction.open_table(COUNTERS)?)?;
        let mut items = below(&records, prefix, after, limit.get().saturating_add(1))?;
        let more = items.len() > limit.get();
        items.truncate(limit.get());
        Ok((revision, Page { items, more }))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::File { action, path: path.to_owned(), source }
}

/// Makes the name of a new file or directory durable.
pub(super) fn sync_directory_of(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| failed("syncing", directory, source))
}

/// redb goes on without a lock where the file system knows none. A store without a lock would have two leaders.
fn others_are_locked_out(path: &Path) -> io::Result<bool> {
    match File::open(path)?.try_lock() {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// The records inside of a write transaction.
pub(super) struct Writing<'txn> {
    records: Table<'txn, &'static str, Row>,
    revision: Revision,
}

impl Writing<'_> {
    /// What is written from here on carries the next revision.
    pub(super) fn advance(&mut self) -> Revision {
        self.revision = self.revision.next();
        self.revision
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Versioned>, redb::StorageError> {
        find(&self.records, key)
    }

    pub(super) fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), redb::StorageError> {
        let created = self.get(key)?.map_or(self.revision, |found| found.create_revision);
        self.records.insert(key.as_str(), (created.0, self.revision.0, value))?;
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &Key) -> Result<(), redb::StorageError> {
        self.records.remove(key.as_str())?;
        Ok(())
    }

    pub(super) fn below(&self, prefix: &KeyPrefix) -> Result<Vec<Versioned>, redb::StorageError> {
        below(&self.records, prefix, None, usize::MAX)
    }
}

fn revision_in(counters: &impl ReadableTable<&'static str, u64>) -> Result<Revision, redb::StorageError> {
    Ok(Revision(counters.get(REVISION)?.map_or(0, |found| found.value())))
}

fn find(records: &impl ReadableTable<&'static str, Row>, key: &Key) -> Result<Option<Versioned>, redb::StorageError> {
    Ok(records.get(key.as_str())?.map(|found| versioned(key.clone(), found.value())))
}

fn below(
    records: &impl ReadableTable<&'static str, Row>,
    prefix: &KeyPrefix,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<Versioned>, redb::StorageError> {
    let start = after.map_or(prefix.as_str(), |after| after.as_str().max(prefix.as_str()));
    records
        .range(start..prefix.end().as_str())?
        .filter(|entry| !matches!((entry, after), (Ok((key, _)), Some(after)) if key.value() == after.as_str()))
        .take(limit)
        .map(|entry| entry.map(|(key, row)| versioned(Key::raw(key.value()), row.value())))
        .collect()
}

fn versioned(key: Key, (created, modified, value): (u64, u64, &[u8])) -> Versioned {
    Versioned {
        key,
        value: Bytes::copy_from_slice(value),
        create_revision: Revision(created),
        mod_revision: Revision(modified),
    }
}
