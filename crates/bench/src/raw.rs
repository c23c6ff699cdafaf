//! Every single measurement, as comma-separated values: written at once, so that an interrupted run leaves what it had.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The file of a run.
#[derive(Debug)]
pub(crate) struct RawList {
    path: PathBuf,
    file: File,
}

impl RawList {
    /// A new file with these columns. Its folder is made.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(path: Option<&Path>, what: &str, columns: &str) -> Result<Self> {
        let path = path.map_or_else(
            || PathBuf::from(format!("target/bench/{what}-{}.csv", jiff::Zoned::now().strftime("%Y%m%d-%H%M%S"))),
            Path::to_owned,
        );
        let create = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = File::create(&path)?;
            writeln!(file, "{columns}")?;
            Ok::<_, std::io::Error>(file)
        };
        let file = create().with_context(|| format!("writing {}", path.display()))?;
        Ok(Self { path, file })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// One measurement.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&mut self, cells: &[String]) -> Result<()> {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace([',', '\n'], ";")).collect();
        writeln!(self.file, "{}", cells.join(",")).with_context(|| format!("writing {}", self.path.display()))
    }
}
