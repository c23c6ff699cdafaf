//! Which etcd is run.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Where `cargo xtask test` puts the one that it provides, seen from the root of the workspace.
const PROVIDED: &str = "target/tools/etcd/usr/bin/etcd";

/// `TANIST_ETCD`, or `etcd` on the PATH, or the one that `cargo xtask test` has provided.
///
/// # Errors
/// If there is none of them: says how to get one.
pub fn etcd_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TANIST_ETCD") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("TANIST_ETCD is {}, which is not a file; it must be the path of an etcd binary", path.display());
        }
        return Ok(path);
    }
    let on_path = std::env::var_os("PATH").into_iter().flat_map(|path| {
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.into_iter().map(|folder| folder.join("etcd"))
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new("."));
    let found = on_path.chain([root.join(PROVIDED)]).find(|path| path.is_file());
    let Some(found) = found else {
        bail!(
            "no etcd on this machine: set TANIST_ETCD to the path of an etcd binary, or put `etcd` on the PATH (package \
             etcd-server), or run `cargo xtask test` once, which provides one below {PROVIDED}"
        );
    };
    Ok(found)
}
