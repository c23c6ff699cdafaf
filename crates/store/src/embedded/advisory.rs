//! Small files beside the store that tell other processes on the host what they cannot read in the locked store: who
//! leads, and which masters are up. Advice only: nothing rests on them. Blocking.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tanist_core::ids::{Epoch, MasterId, Nonce};
use tanist_core::time::Wall;

use crate::election::{LeaderRecord, MemberRecord};
use crate::engine::Guard;
use crate::envelope;
use crate::error::{ElectionError, StoreError};

use super::file::{Identity, sync_directory_of};

/// Times a member's file is read again when it is met half-written.
const READ_TRIES: usize = 3;

/// Times a member's file is opened again when somebody else has it locked, or it was replaced while it was being
/// locked. Others look at the lock for a moment, and a process that ends may need one.
const LOCK_TRIES: usize = 20;

/// Between these tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// For the owner of the processes only.
const FILE_MODE: u32 = 0o600;

/// The directory of an embedded store.
#[derive(Debug, Clone)]
pub(super) struct StoreDir(PathBuf);

impl StoreDir {
    /// Makes the directory if it is not there.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let dir = Self(path.to_owned());
        fs::create_dir_all(dir.members()).map_err(failed("creating", &dir.members()))?;
        sync_directory_of(path)?;
        Ok(dir)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    pub(super) fn leader(&self) -> PathBuf {
        self.0.join("leader.json")
    }

    fn members(&self) -> PathBuf {
        self.0.join("members")
    }

    /// Tells who leads. Only the holder of the store's lock calls this.
    pub(super) fn write_leader(&self, guard: &Guard) -> Result<(), StoreError> {
        let temporary = self.0.join("leader.json.new");
        fs::write(&temporary, &guard.value).map_err(failed("writing", &temporary))?;
        fs::rename(&temporary, self.leader()).map_err(failed("renaming", &temporary))
    }

    /// The leader as told; `None` if nobody tells, or not readably.
    pub(super) fn read_leader(&self) -> Option<LeaderRecord> {
        let value = fs::read(self.leader()).ok()?;
        envelope::decode(&value).ok().map(|opened| opened.record)
    }

    /// Only the holder of the store's lock calls this.
    pub(super) fn remove_leader(&self) -> Result<(), StoreError> {
        match fs::remove_file(self.leader()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", &self.leader())(error)),
            _ => Ok(()),
        }
    }

    /// The members whose processes are up, ordered by id.
    pub(super) fn read_members(&self) -> Result<Vec<MemberRecord>, StoreError> {
        let entries = fs::read_dir(self.members()).map_err(failed("listing", &self.members()))?;
        let mut members: Vec<MemberRecord> =
            entries.filter_map(|entry| read_member(&entry.ok()?.path()).ok().flatten()).collect();
        members.sort_by(|left, right| left.master.cmp(&right.master));
        Ok(members)
    }
}

/// A member's file, locked as long as this lives: others take an unlocked one for the trace of a process that is gone.
#[derive(Debug)]
pub(super) struct MemberFile {
    path: PathBuf,
    file: File,
}

impl MemberFile {
    /// Makes and locks the file of a member.
    ///
    /// # Errors
    /// [`ElectionError::MemberTaken`] if another process has it; if the file cannot be used.
    pub(super) fn create(dir: &StoreDir, master: &MasterId) -> Result<Self, ElectionError> {
        let path = dir.members().join(format!("{master}.json"));
        for _ in 0..LOCK_TRIES {
            let opened =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
            let file = opened.map_err(failed("opening", &path))?;
            match file.try_lock() {
                Ok(()) => {
                    let ours = Identity::of(&file).map_err(failed("looking at", &path))?;
                    if Identity::at(&path).is_ok_and(|found| found == ours) {
                        return Ok(Self { path, file });
                    }
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(failed("locking", &path)(error).into()),
            }
        }
        if let Ok(Some(other)) = read_member(&path) {
            let (master, rpc, started_at) = (other.master, other.rpc, Wall(other.started_at));
            return Err(ElectionError::MemberTaken { master, rpc, started_at });
        }
        let error = io::Error::other("it is locked or replaced again and again");
        Err(failed("locking", &path)(error).into())
    }

    /// Writes what the member says of itself.
    pub(super) fn write(&self, member: &MemberRecord) -> Result<(), StoreError> {
        let nonce = Nonce::new("member").map_err(|error| failed("sealing", &self.path)(io::Error::other(error)))?;
        let value = envelope::encode(Epoch(0), &nonce, member).map_err(|e| failed("sealing", &self.path)(e.into()))?;
        let written = self.file.write_all_at(&value, 0).and_then(|()| self.file.set_len(value.len() as u64));
        written.map_err(failed("writing", &self.path))
    }
}

impl Drop for MemberFile {
    fn drop(&mut self) {
        // A trace that stays behind is unlocked, and so means nothing.
        drop(fs::remove_file(&self.path));
    }
}

/// `None` for the trace of a process that is gone.
fn read_member(path: &Path) -> io::Result<Option<MemberRecord>> {
    for _ in 0..READ_TRIES {
        let mut file = File::open(path)?;
        if file.try_lock_shared().is_ok() {
            return Ok(None);
        }
        let mut value = Vec::new();
        file.read_to_end(&mut value)?;
        if let Ok(opened) = envelope::decode(&value) {
            return Ok(Some(opened.record));
        }
    }
    Ok(None)
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> StoreError + 'a {
    move |source| StoreError::File { action, path: path.to_owned(), source }
}
