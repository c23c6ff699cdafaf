//! An etcd for the tests, where the machine has none: the distribution's package, unpacked into the target directory. No
//! root is needed for that, and the machine's own service is never touched.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

/// Where it is unpacked; the test kit looks for it there.
const PLACE: &str = "target/tools/etcd";
/// The binary in it.
const BINARY: &str = "usr/bin/etcd";
/// The package that has it, in Debian and its kin.
const PACKAGE: &str = "etcd-server";

/// Sees to it that the test kit finds an etcd: named by `TANIST_ETCD`, on the PATH, or unpacked here.
pub(crate) fn provide() -> Result<()> {
    if env::var_os("TANIST_ETCD").is_some() || on_path("etcd") {
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the root of the workspace")?;
    let place = root.join(PLACE);
    if place.join(BINARY).is_file() {
        return Ok(());
    }
    unpack(&place).with_context(|| {
        format!(
            "the tests need etcd and could not get it by itself: install one (package {PACKAGE}, or a release of etcd on \
             the PATH), or set TANIST_ETCD to the path of a binary"
        )
    })
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn unpack(place: &Path) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("making {}", place.display()))?;
    if download(place).is_err() {
        // A fresh machine has no lists of packages; only root can fetch them.
        run(Command::new("apt-get").args(["update", "--quiet"])).context("fetching the lists of packages, as root")?;
        download(place)?;
    }
    let package = find_package(place)?;
    run(Command::new("dpkg").arg("-x").arg(&package).arg(place))?;
    fs::remove_file(&package).with_context(|| format!("removing {}", package.display()))
}

fn download(place: &Path) -> Result<()> {
    run(Command::new("apt-get").args(["download", "--quiet", PACKAGE]).current_dir(place))
}

fn find_package(place: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(place)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths = entries.into_iter().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "deb")).context("the package")
}
