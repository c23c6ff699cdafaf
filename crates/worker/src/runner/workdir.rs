//! Directories for drivers, executors and applications, and deleting exactly those again (WL-02, WL-03, DIR-01…03).
//!
//! Every directory made here carries a manifest, [`MANIFEST`]. Deletion refuses whatever has none: a work directory
//! that somebody pointed at `/home` must survive its clean-up. Everything here blocks: call it from a thread that may
//! wait, never from the one that sends heartbeats (a slow disk is no dead worker).

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::RunnerError;

/// The file that marks a directory as ours.
pub const MANIFEST: &str = ".tanist-owned";
/// Longest name of a file on every Linux file system, in bytes.
const MAX_NAME: usize = 255;
/// The default before the umask (DIR-01).
const MODE_OPEN: u32 = 0o777;
/// Scratch space is nobody else's business (WL-03).
const MODE_PRIVATE: u32 = 0o700;

/// What a directory was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnedKind {
    /// `<work>/<driverId>`.
    Driver,
    /// `<work>/<appId>`.
    App,
    /// `<work>/<appId>/<execId>`.
    Executor,
    /// `<local root>/executor-<uuid>`, of one application.
    Scratch,
}

/// The content of [`MANIFEST`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    kind: OwnedKind,
    id: String,
    /// For people; clean-up goes by the age of the files.
    created_at: String,
    made_by: String,
}

/// A directory of ours, as clean-up needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Where it is.
    pub path: PathBuf,
    /// What it was made for.
    pub kind: OwnedKind,
    /// The id of the driver or application.
    pub id: String,
    /// Who made it, as its manifest says.
    pub made_by: String,
    /// The newest change of anything in it (DIR-02).
    pub newest: SystemTime,
}

/// A worker's work directory.
#[derive(Debug, Clone)]
pub struct WorkDir {
    root: PathBuf,
    made_by: String,
}

impl WorkDir {
    /// Opens the work directory with [`check_work_dir`]. `made_by` says in every manifest who made the directory.
    ///
    /// # Errors
    /// See [`check_work_dir`].
    pub fn open(path: &Path, made_by: &str) -> Result<Self, RunnerError> {
        let root = check_work_dir(path)?;
        Ok(Self { root, made_by: made_by.to_owned() })
    }

    /// Its absolute path without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes `<work>/<driverId>`; it may be there already (DRN-01), for instance from an earlier attempt.
    ///
    /// # Errors
    /// When the id cannot be a file name or the directory cannot be made.
    pub fn driver_dir(&self, driver: &str) -> Result<PathBuf, RunnerError> {
        check_name("driver id", driver)?;
        self.make_or_reuse(OwnedKind::Driver, driver)
    }

    /// Makes `<work>/<appId>/<execId>`; it must not be there yet (WL-02).
    ///
    /// # Errors
    /// When an id cannot be a file name, or the directory exists already or cannot be made.
    pub fn executor_dir(&self, app: &str, executor: &str) -> Result<PathBuf, RunnerError> {
        check_name("application id", app)?;
        check_name("executor id", executor)?;
        let path = self.make_or_reuse(OwnedKind::App, app)?.join(executor);
        make(&path, MODE_OPEN, &self.manifest(OwnedKind::Executor, &format!("{app}/{executor}")))
            .map_err(|source| RunnerError::io("make executor directory", &path, source))?;
        Ok(path)
    }

    /// Removes `<work>/<driverId>` if nothing was put into it: of a driver whose file could not be fetched nothing is left.
    ///
    /// # Errors
    /// When it cannot be looked through or removed.
    pub fn remove_unused_driver_dir(&self, driver: &str) -> Result<(), RunnerError> {
        check_name("driver id", driver)?;
        let path = self.root.join(driver);
        let failed = |source| RunnerError::io("remove unused directory", &path, source);
        for entry in fs::read_dir(&path).map_err(failed)? {
            if entry.map_err(failed)?.file_name() != MANIFEST {
                return Ok(());
            }
        }
        fs::remove_file(path.join(MANIFEST)).and_then(|()| fs::remove_dir(&path)).map_err(failed)
    }

    /// All drivers' and applications' directories that we made. A directory that cannot be read through is left out
    /// with a warning: its age is unknown, so nobody may decide to delete it.
    ///
    /// # Errors
    /// When the work directory itself cannot be listed.
    pub fn list_owned(&self) -> Result<Vec<Owned>, RunnerError> {
        list_owned(&self.root)
    }

    /// Deletes the directory of a driver or application; see [`delete_owned`].
    ///
    /// # Errors
    /// See [`delete_owned`].
    pub fn delete(&self, kind: OwnedKind, id: &str) -> Result<(), RunnerError> {
        check_name("id", id)?;
        delete_owned(&self.root, &self.root.join(id), kind, id)
    }

    fn make_or_reuse(&self, kind: OwnedKind, id: &str) -> Result<PathBuf, RunnerError> {
        let path = self.root.join(id);
        match make(&path, MODE_OPEN, &self.manifest(kind, id)) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
                    return Err(RunnerError::NotADirectory { path });
                }
                self.claim(&path, kind, id).map_err(|source| RunnerError::io("reuse directory", &path, source))?;
                Ok(path)
            }
            Err(source) => Err(RunnerError::io("make directory", &path, source)),
        }
    }

    /// A crash may have left a directory without its manifest. One in which there is something else may be somebody's.
    fn claim(&self, path: &Path, kind: OwnedKind, id: &str) -> io::Result<()> {
        if read_manifest(path).is_ok() {
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            if entry?.file_name() != MANIFEST {
                return Ok(());
            }
        }
        write_manifest(path, &self.manifest(kind, id))
    }

    fn manifest(&self, kind: OwnedKind, id: &str) -> Manifest {
        manifest(kind, id, &self.made_by)
    }
}

/// Makes the work directory if needed, checks that files can be made in it, and returns its absolute path.
///
/// # Errors
/// When it cannot be made, is no directory, or cannot be written to.
pub fn check_work_dir(path: &Path) -> Result<PathBuf, RunnerError> {
    fs::create_dir_all(path).map_err(|source| RunnerError::io("make work directory", path, source))?;
    let probe = path.join(format!(".tanist-probe-{}", Uuid::new_v4()));
    File::create_new(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|source| RunnerError::io("write to work directory", path, source))?;
    fs::canonicalize(path).map_err(|source| RunnerError::io("resolve work directory", path, source))
}

/// Makes one scratch directory `executor-<uuid>`, mode 700, for an application in each local root (WL-03). A root that
/// cannot be used is skipped with a warning.
///
/// # Errors
/// [`RunnerError::NoLocalRoot`] when none can be used.
pub fn create_scratch(roots: &[PathBuf], app: &str, made_by: &str) -> Result<Vec<PathBuf>, RunnerError> {
    let mut made = Vec::new();
    let mut tried = Vec::new();
    for root in roots {
        let path = root.join(format!("executor-{}", Uuid::new_v4()));
        match fs::create_dir_all(root)
            .and_then(|()| make(&path, MODE_PRIVATE, &manifest(OwnedKind::Scratch, app, made_by)))
        {
            Ok(()) => made.push(path),
            Err(error) => {
                tracing::warn!(root = %root.display(), app, %error, "local directory skipped");
                tried.push(format!("{} ({error})", root.display()));
            }
        }
    }
    if made.is_empty() {
        return Err(RunnerError::NoLocalRoot { app: app.to_owned(), tried: tried.join(", ") });
    }
    Ok(made)
}

/// The directories directly below `root` that carry a valid manifest; see [`WorkDir::list_owned`]. Also finds the
/// scratch directories in a local root.
///
/// # Errors
/// When `root` cannot be listed.
pub fn list_owned(root: &Path) -> Result<Vec<Owned>, RunnerError> {
    let entries = fs::read_dir(root).map_err(|source| RunnerError::io("list", root, source))?;
    let mut owned = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| RunnerError::io("list", root, source))?.path();
        let Ok(manifest) = read_manifest(&path) else { continue };
        match newest_change(&path) {
            Ok(newest) => {
                let Manifest { kind, id, made_by, .. } = manifest;
                owned.push(Owned { path, kind, id, made_by, newest });
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "age of directory unknown, left out of clean-up");
            }
        }
    }
    owned.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(owned)
}

/// Deletes a directory that we made for exactly this purpose. The manifest goes last, so that an interrupted deletion
/// can be repeated. One that is gone already is fine.
///
/// # Errors
/// [`RunnerError::NotOwned`] for a link, a path outside `root`, and a missing, unreadable or other manifest;
/// [`RunnerError::Io`] when something in it cannot be deleted.
pub fn delete_owned(root: &Path, path: &Path, kind: OwnedKind, id: &str) -> Result<(), RunnerError> {
    let refuse = |reason: String| Err(RunnerError::NotOwned { path: path.to_owned(), reason });
    let io_error = |source| RunnerError::io("delete", path, source);
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return refuse("it is a link or a file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(error)),
    }
    let root = fs::canonicalize(root).map_err(|source| RunnerError::io("resolve", root, source))?;
    let real = fs::canonicalize(path).map_err(io_error)?;
    if real == root || !real.starts_with(&root) {
        return refuse(format!("it is not inside {}", root.display()));
    }
    let manifest = match read_manifest(&real) {
        Ok(manifest) => manifest,
        Err(error) => return refuse(format!("its manifest {MANIFEST} cannot be read: {error}")),
    };
    if manifest.kind != kind || manifest.id != id {
        let Manifest { kind: found, id: other, .. } = manifest;
        return refuse(format!("it belongs to {found:?} {other:?}, not to {kind:?} {id:?}"));
    }
    delete_manifest_last(&real).map_err(io_error)
}

fn delete_manifest_last(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name() == MANIFEST {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    let path = dir.join(MANIFEST);
    let manifest = fs::read(&path)?;
    fs::remove_file(&path)?;
    fs::remove_dir(dir).inspect_err(|_| {
        // Something was written there meanwhile, say. Without its manifest nobody would delete it ever again.
        if let Err(error) = fs::write(&path, &manifest) {
            tracing::warn!(path = %path.display(), %error, "manifest not put back: the directory stays for ever");
        }
    })
}

/// Ids come over the network and become part of a path.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), RunnerError> {
    let allowed = (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control());
    if allowed { Ok(()) } else { Err(RunnerError::BadName { what, name: name.to_owned() }) }
}

fn manifest(kind: OwnedKind, id: &str, made_by: &str) -> Manifest {
    Manifest { kind, id: id.to_owned(), created_at: Timestamp::now().to_string(), made_by: made_by.to_owned() }
}

/// A crash between the two steps leaves an empty directory that nobody deletes unless it is used again: the safe side.
fn make(path: &Path, mode: u32, manifest: &Manifest) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    write_manifest(path, manifest).inspect_err(|_| {
        let _ = fs::remove_file(path.join(MANIFEST));
        let _ = fs::remove_dir(path);
    })
}

fn write_manifest(dir: &Path, manifest: &Manifest) -> io::Result<()> {
    fs::write(dir.join(MANIFEST), serde_json::to_vec(manifest)?)
}

fn read_manifest(dir: &Path) -> io::Result<Manifest> {
    let path = dir.join(MANIFEST);
    if !fs::symlink_metadata(dir)?.is_dir() || !fs::symlink_metadata(&path)?.is_file() {
        return Err(io::Error::other("a link or not a plain file"));
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The newest modification of the directory or anything below it; links count themselves and are not followed.
fn newest_change(dir: &Path) -> io::Result<SystemTime> {
    let mut newest = fs::symlink_metadata(dir)?.modified()?;
    let mut queue = vec![dir.to_owned()];
    while let Some(dir) = queue.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let found = match entry.metadata() {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            newest = newest.max(found.modified()?);
            if found.is_dir() {
                queue.push(entry.path());
            }
        }
    }
    Ok(newest)
}

#[cfg(test)]
#[path = "workdir_tests.rs"]
mod tests;
