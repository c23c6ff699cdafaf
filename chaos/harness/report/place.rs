//! The directory of a report.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Where reports go unless somebody says otherwise, seen from the root of the workspace.
const USUAL: &str = "target/chaos";
pub(super) const SCENARIO: &str = "scenario.scn";
/// Directories of hosts that are no history: data of etcd, and what programs run in.
const NOT_KEPT: [&str; 2] = ["data", "scratch"];

/// A directory of this run's own.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
}

impl Place {
    /// Makes it. Before anything is started, so that no run is for nothing.
    ///
    /// # Errors
    /// If it exists, or cannot be made.
    pub(crate) fn reserve(name: &str, wish: Option<&Path>) -> Result<Self> {
        let path = wish.map_or_else(|| usual(name), |path| Ok(path.to_owned()))?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(
                    "the directory for the report exists already: {}; allowed: one that does not exist",
                    path.display()
                )
            }
            Err(error) => Err(error).with_context(|| format!("making {}", path.display())),
        }
    }

    /// Writes a file of the report.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Keeps the scenario, and what the hosts of the run have recorded and logged.
    ///
    /// # Errors
    /// If it cannot be copied.
    pub(crate) fn keep(&self, scenario: &str, hosts: &Path) -> Result<()> {
        self.write(SCENARIO, scenario)?;
        if hosts.is_dir() {
            copy(hosts, &crate::run::hosts_in(&self.path))?;
        }
        Ok(())
    }
}

fn usual(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root of the workspace")?;
    let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
    Ok(root.join(USUAL).join(format!("{name}-{time}")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("copying {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(doing)?;
    for entry in fs::read_dir(from).with_context(doing)? {
        let entry = entry.with_context(doing)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if !entry.file_type().with_context(doing)?.is_dir() {
            fs::copy(&source, &target).with_context(doing)?;
        } else if !NOT_KEPT.iter().any(|name| entry.file_name() == *name) {
            copy(&source, &target)?;
        }
    }
    Ok(())
}
