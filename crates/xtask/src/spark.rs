//! A real Spark for the tests: what the package `pyspark` brings, fetched once into the target directory. Its clients are
//! used as they are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::run;

/// Where releases are unpacked, each under its version; the test kit looks for them there.
const PLACE: &str = "target/tools/spark";
/// Tells the test kit why the tests with it are left out.
pub(crate) const LEFT_OUT: &str = "TANIST_TESTS_WITHOUT_SPARK";
/// The package.
const PACKAGE: &str = "pyspark";

/// A release whose clients the tests use.
pub(crate) struct Release {
    /// Its version.
    pub(crate) version: &'static str,
    /// Of the package's source archive.
    sha256: &'static str,
}

/// The one that every run of the tests uses.
pub(crate) const CURRENT: Release =
    Release { version: "4.1.4", sha256: "bcbd5e18690cf79d438e97210ad06fb8d451a251bb77becc2b0418868d2acd73" };

/// All of them.
pub(crate) const RELEASES: [Release; 2] =
    [CURRENT, Release { version: "3.5.9", sha256: "ea27adc39ddac9413b8951e45aa748cbed6c785971b81386efc41938f6243d93" }];

/// Parts of the archive, and where they go.
const PARTS: [(&str, &str); 5] = [
    ("deps/bin", "bin"),
    ("deps/jars", "jars"),
    ("deps/examples", "examples"),
    ("pyspark", "python/pyspark"),
    ("lib", "python/lib"),
];

/// The oldest Java that all of them run on.
const JAVA: u32 = 17;
const NEEDED: &str = "install a JDK of Java 17 or later (package openjdk-17-jdk-headless)";

/// Sees to it that the test kit finds these releases and a Java.
pub(crate) fn provide(releases: &[Release]) -> Result<()> {
    java()?;
    releases.iter().try_for_each(unpacked)
}

/// As [`provide`]. Where it cannot be done, the tests that need them are left out, which is said in plain sight, and the
/// reason is returned; where all tests must run, it is an error.
pub(crate) fn provide_or_leave_out(releases: &[Release]) -> Result<Option<String>> {
    match provide(releases) {
        Err(error) if env::var_os("CI").is_none() => {
            let why = format!("{error:#}");
            eprintln!("\n*** TESTS WITH A REAL SPARK ARE LEFT OUT: {why}\n");
            Ok(Some(why))
        }
        outcome => outcome.map(|()| None),
    }
}

/// The programs that Spark and the tests with it need.
fn java() -> Result<()> {
    for program in ["java", "javac", "jar"] {
        let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        let version = version.with_context(|| format!("no {program} on the PATH: {NEEDED}"))?;
        // Java 8 does not know the flag.
        ensure!(version.status.success(), "{program} --version ends with {}: {NEEDED}", version.status);
        let said = String::from_utf8_lossy(&version.stdout);
        let line = said.lines().next().unwrap_or_default();
        ensure!(major(line).is_some_and(|major| major >= JAVA), "{program} is {line:?}: {NEEDED}");
    }
    Ok(())
}

/// The major version in a line such as `openjdk 17.0.15 2025-04-15` or `jar 21-ea`.
fn major(line: &str) -> Option<u32> {
    let version = line.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn unpacked(release: &Release) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the root of the workspace")?;
    let place = root.join(PLACE).join(release.version);
    if PARTS.iter().all(|(_, part)| place.join(part).is_dir()) {
        return Ok(());
    }
    if place.exists() {
        // An earlier version of this has unpacked less.
        fs::remove_dir_all(&place).with_context(|| format!("removing {}", place.display()))?;
    }
    let version = release.version;
    // Outside of where the test kit looks.
    let unfinished = root.join(format!("{PLACE}-{version}.unfinished"));
    unpack(release, &unfinished).with_context(|| {
        format!(
            "the tests with Spark {version} could not get it: pip must be able to download {PACKAGE} {version}, or unpack \
             it to {} by hand",
            place.display()
        )
    })?;
    make(&root.join(PLACE))?;
    rename(&unfinished, &place)
}

fn unpack(release: &Release, place: &Path) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("removing {}", place.display()))?;
    }
    let scratch = place.join("scratch");
    make(&scratch)?;
    make(&place.join("python"))?;
    let archive = download(release, &scratch)?;
    let top = format!("{PACKAGE}-{}", release.version);
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(&archive).arg("-C").arg(&scratch).arg("--strip-components=1");
    run(tar.args(PARTS.map(|(part, _)| format!("{top}/{part}"))))?;
    for (part, target) in PARTS {
        rename(&scratch.join(part), &place.join(target))?;
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("moving {} to {}", from.display(), to.display()))
}

/// The archive, whose checksum pip has compared.
fn download(release: &Release, place: &Path) -> Result<PathBuf> {
    let Release { version, sha256 } = release;
    let wanted = place.join("requirements.txt");
    fs::write(&wanted, format!("{PACKAGE}=={version} --hash=sha256:{sha256}\n"))
        .with_context(|| format!("writing {}", wanted.display()))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", PACKAGE, "--require-hashes", "-r"]);
    // It unpacks the archive, too: on the disk that has room for it.
    run(pip.arg(&wanted).arg("-d").arg(place).env("TMPDIR", place))?;
    Ok(place.join(format!("{PACKAGE}-{version}.tar.gz")))
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_major_version_of_every_tool_is_read() {
        assert_eq!(major("openjdk 17.0.15 2025-04-15"), Some(17));
        assert_eq!(major("javac 11.0.2"), Some(11));
        assert_eq!(major("jar 21-ea"), Some(21));
        assert_eq!(major("java"), None);
    }
}
