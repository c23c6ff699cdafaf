//! `<work dir>/.tanist`: what a worker remembers over its processes, and the lock that keeps a second one out.
//!
//! The highest term obeyed must survive the process: a worker that forgot it could be commanded by a leader that was
//! deposed while the worker was down (protocol 5). So must the number of the process, for masters to tell what an
//! earlier one has sent from what this one sends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use tanist_core::ids::{ClusterId, Epoch, Generation, Incarnation, InvalidId, Nonce, Term};
use tanist_core::time::Wall;

use crate::error::WorkerError;

/// Its name in the work directory. Ids never begin with a point where they become directories.
const NAME: &str = ".tanist";
const LOCK: &str = "lock";
const TERM: &str = "term.json";
const INCARNATION: &str = "incarnation";
/// Version of the file's form.
const FORM: u32 = 1;

/// The directory, held by this process alone.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// The content of [`TERM`].
#[derive(Debug, Serialize, Deserialize)]
struct SavedTerm {
    form: u32,
    cluster: String,
    generation: u64,
    epoch: u64,
    nonce: String,
}

impl StateDir {
    /// Makes it if needed, and takes its lock. Blocks.
    pub(crate) fn open(work_dir: &Path) -> Result<Self, WorkerError> {
        let path = work_dir.join(NAME);
        let state = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| WorkerError::State { operation, path, source }
        };
        fs::create_dir_all(&path).map_err(state("make", &path))?;
        let file = path.join(LOCK);
        let lock = File::options().create(true).append(true).open(&file).map_err(state("open", &file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(WorkerError::WorkDirTaken { path: work_dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(state("lock", &file)(source)),
        }
    }

    /// The file with the highest term obeyed.
    pub(crate) fn term_file(&self) -> PathBuf {
        self.path.join(TERM)
    }

    /// The highest term that an earlier process has obeyed, and its cluster. Blocks.
    pub(crate) fn load(&self) -> Result<Option<(Term, ClusterId)>, WorkerError> {
        let path = self.term_file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(WorkerError::State { operation: "read", path, source }),
        };
        let damaged = |problem: String| WorkerError::DamagedTerm { path: path.clone(), problem };
        let saved: SavedTerm = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if saved.form != FORM {
            return Err(damaged(format!("it has form {}, this program knows form {FORM}", saved.form)));
        }
        let read = || -> Result<(Term, ClusterId), InvalidId> {
            let nonce = Nonce::new(&saved.nonce)?;
            let term = Term { generation: Generation(saved.generation), epoch: Epoch(saved.epoch), nonce };
            Ok((term, ClusterId::new(&saved.cluster)?))
        };
        read().map(Some).map_err(|error| damaged(error.to_string()))
    }

    /// Makes a term durable. Blocks.
    pub(crate) fn save(&self, term: &Term, cluster: &ClusterId) -> io::Result<()> {
        let saved = SavedTerm {
            form: FORM,
            cluster: cluster.to_string(),
            generation: term.generation.0,
            epoch: term.epoch.0,
            nonce: term.nonce.to_string(),
        };
        self.replace(TERM, &serde_json::to_vec(&saved)?)
    }

    /// Numbers this process above every earlier one of this directory, and durably so. The clock does for a directory that
    /// was lost. Blocks.
    pub(crate) fn begin(&self, now: Wall) -> Result<Incarnation, WorkerError> {
        let path = self.path.join(INCARNATION);
        let last = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse::<u64>().map_err(|error| {
                let problem = format!("{text:?} is no number: {error}");
                WorkerError::DamagedIncarnation { path: path.clone(), problem }
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(WorkerError::State { operation: "read", path, source }),
        };
        let incarnation = now.0.max(last.saturating_add(1));
        match self.replace(INCARNATION, incarnation.to_string().as_bytes()) {
            Ok(()) => Ok(Incarnation(incarnation)),
            Err(source) => Err(WorkerError::State { operation: "write", path, source }),
        }
    }

    /// Gives a file new content that is durable, or leaves the old one.
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let next = self.path.join(format!("{name}.next"));
        let mut file = File::create(&next)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&next, self.path.join(name))?;
        // The new name is durable only with its directory.
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(epoch: u64) -> Term {
        Term { generation: Generation(1), epoch: Epoch(epoch), nonce: Nonce::new("n1").unwrap() }
    }

    #[test]
    fn a_term_comes_back_after_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let cluster = ClusterId::new("c1").unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.load().unwrap(), None);
        state.save(&term(3), &cluster).unwrap();
        state.save(&term(4), &cluster).unwrap();
        drop(state);
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.load().unwrap(), Some((term(4), cluster)));
    }

    #[test]
    fn processes_are_numbered_upwards_whatever_the_clock_says() {
        let dir = tempfile::tempdir().unwrap();
        let begin = |now| StateDir::open(dir.path()).unwrap().begin(Wall(now));
        let numbers = [1000, 1000, 5000, 2000].map(|now| begin(now).unwrap().0);
        assert_eq!(numbers, [1000, 1001, 5000, 5001]);
        fs::write(dir.path().join(NAME).join(INCARNATION), "50x").unwrap();
        let error = begin(6000).unwrap_err().to_string();
        assert!(error.contains("incarnation") && error.contains("50x"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_never_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let good = r#"{"form":1,"cluster":"c","generation":0,"epoch":1,"nonce":"n"}"#;
        fs::write(state.term_file(), good).unwrap();
        assert!(state.load().unwrap().is_some());
        for bad in ["", "{", &good[..20], &good.replace(":1,\"c", ":2,\"c"), &good.replace("\"n\"", "\"\"")] {
            fs::write(state.term_file(), bad).unwrap();
            let error = state.load().unwrap_err().to_string();
            assert!(error.contains("term.json") && error.contains("damaged"), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_work_directory_has_one_worker() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path()).unwrap();
        let error = StateDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("used by another worker"), "{error}");
        drop(first);
        StateDir::open(dir.path()).unwrap();
    }
}
