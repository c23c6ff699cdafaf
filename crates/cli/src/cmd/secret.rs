//! Files that hold a secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::config::{Resolved, Section};
use crate::exit::Failure;

/// Permission of everybody on a host to read a file.
const READ_BY_OTHERS: u32 = 0o004;

/// The bytes of a file that a setting names.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn read<S: Section>(resolved: &Resolved<S>, key: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| resolved.problem(key, format!("a file that this process can read ({error})")).into())
}

/// The only line of a secret file, without the line break that editors put behind it.
///
/// # Errors
/// If it cannot be read, or has another form.
pub(crate) fn read_line<S: Section>(resolved: &Resolved<S>, key: &str, path: &Path) -> Result<String, Failure> {
    warn_if_open(path);
    let text = String::from_utf8(read(resolved, key, path)?).ok();
    let line = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let line = line.filter(|line| !line.is_empty() && !line.contains(['\r', '\n']));
    line.ok_or_else(|| resolved.problem(key, "a file with one line of UTF-8 text").into())
}

/// A secret that is no secret is told, and used: it may be the only one there is.
pub(crate) fn warn_if_open(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |found| found.permissions().mode());
    if mode & READ_BY_OTHERS != 0 {
        let mode = format!("{:o}", mode & 0o777);
        tracing::warn!(file = %path.display(), mode, "everybody on this host can read this secret; let it have mode 600");
    }
}
