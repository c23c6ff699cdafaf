//! Small disks that can be full: a tmpfs of a fixed size.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// etcd lays out 64 MB of log at a time.
pub(super) const OF_ETCD: &str = "320m";
pub(super) const OF_WORKER: &str = "48m";

/// What takes all space.
const FILLER: &str = "filler";
static CHUNK: [u8; 64 * 1024] = [0x5a; 64 * 1024];

/// Puts a small disk at an existing directory.
///
/// # Errors
/// If mounting is not allowed here: a scenario that fills disks cannot be run then.
pub(super) fn mount(directory: &Path, size: &str) -> Result<()> {
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tanist-chaos"])
        .arg(directory)
        .output()
        .context("running mount")?;
    ensure!(
        output.status.success(),
        "this scenario fills disks, and mounting one is not allowed here (mount -t tmpfs: {})",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Takes all space that is left on the disk.
///
/// # Errors
/// If something else than missing space ends it.
pub(super) fn fill(disk: &Path) -> Result<()> {
    let path = disk.join(FILLER);
    let mut file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
    // In smaller and smaller steps, to the last byte.
    let mut size = CHUNK.len();
    while size > 0 {
        match file.write(&CHUNK[..size]) {
            Ok(0) => size /= 2,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
            Err(error) => bail!("filling {}: {error}", disk.display()),
        }
    }
    Ok(())
}

/// Gives the space back.
///
/// # Errors
/// If the file cannot be removed.
pub(super) fn free(disk: &Path) -> Result<()> {
    fs::remove_file(disk.join(FILLER)).with_context(|| format!("making room on {}", disk.display()))
}
