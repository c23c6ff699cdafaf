//! The directory of a local cluster: store, work directories, logs.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use uuid::Uuid;

use crate::exit::Failure;

/// Nobody else's business: drivers' files and logs lie in it.
const MODE: u32 = 0o700;

/// A process that was killed may write for another moment into the directory that is being removed.
const REMOVE_TRIES: u32 = 10;
/// Pause between two tries.
const REMOVE_AGAIN: Duration = Duration::from_millis(50);

/// The directory. A temporary one goes with the value.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    temporary: bool,
}

impl Place {
    /// In this directory, which is made if needed and stays.
    ///
    /// # Errors
    /// Names flag, directory and what is wrong with it.
    pub(crate) fn given(directory: &Path) -> Result<Self, Failure> {
        let usable = fs::create_dir_all(directory).and_then(|()| fs::canonicalize(directory));
        let root = usable.and_then(|root| fs::create_dir_all(root.join(LOGS)).map(|()| root)).map_err(|error| {
            let allowed = "a directory that can be made and written";
            Failure::Usage(format!("--dir {} is not allowed; allowed: {allowed} ({error})", directory.display()))
        })?;
        Ok(Self { root, temporary: false })
    }

    /// In a fresh directory among the system's temporary ones; stays only if `keep`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn fresh(keep: bool) -> Result<Self, Failure> {
        let root = std::env::temp_dir().join(format!("tanist-local-{}", Uuid::new_v4().simple()));
        DirBuilder::new().mode(MODE).create(&root).with_context(|| format!("making {}", root.display()))?;
        let place = Self { root, temporary: !keep };
        fs::create_dir(place.root.join(LOGS)).with_context(|| format!("making {}", place.root.join(LOGS).display()))?;
        Ok(place)
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Lets it stay, so that somebody can read the logs in it.
    pub(crate) fn keep(&mut self) {
        self.temporary = false;
    }

    /// Whether it goes with the value.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Where the embedded store is.
    pub(super) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The work directory of a child.
    pub(super) fn work(&self, name: &str) -> PathBuf {
        self.root.join("work").join(name)
    }

    /// The log of a child.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.root.join(LOGS).join(format!("{name}.log"))
    }
}

const LOGS: &str = "logs";

impl Drop for Place {
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        let removed = (0..REMOVE_TRIES).find_map(|_| {
            let removed = fs::remove_dir_all(&self.root).ok();
            if removed.is_none() {
                thread::sleep(REMOVE_AGAIN);
            }
            removed
        });
        if removed.is_none() {
            tracing::warn!(directory = %self.root.display(), "temporary directory is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_place_goes_and_a_given_one_stays() {
        let place = Place::fresh(false).unwrap();
        let root = place.root().to_owned();
        assert!(root.join(LOGS).is_dir());
        drop(place);
        assert!(!root.exists());
        let base = tempfile::tempdir().unwrap();
        let place = Place::given(&base.path().join("a/b")).unwrap();
        let root = place.root().to_owned();
        drop(place);
        assert!(root.join(LOGS).is_dir());
    }

    #[test]
    fn a_place_that_cannot_be_is_wrong_usage() {
        let base = tempfile::NamedTempFile::new().unwrap();
        let failure = Place::given(base.path()).unwrap_err();
        assert_eq!(failure.code(), crate::exit::USAGE);
        assert!(failure.to_string().contains(&format!("--dir {}", base.path().display())), "{failure}");
    }
}
