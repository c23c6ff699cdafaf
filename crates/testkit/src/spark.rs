//! A real Spark: its unmodified clients, and programs written against it.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::command::{Finished, to_its_end};

/// Where `cargo xtask test` and `cargo xtask spark` unpack releases, seen from the root of the workspace.
const PROVIDED: &str = "target/tools/spark";
/// What the Java machines of tests may take, so that several fit beside each other.
const HEAP: &str = "-Xmx512m";
/// Why `cargo xtask test` leaves them out: it has no Java for them, say.
const LEFT_OUT: &str = "TANIST_TESTS_WITHOUT_SPARK";
/// How long one of its programs may take on a busy host.
const ENDS_WITHIN: Duration = Duration::from_secs(180);

/// A release of Spark on this machine.
#[derive(Debug, Clone)]
pub struct Spark {
    /// Its version.
    pub version: String,
    /// Its directory.
    pub home: PathBuf,
}

impl Spark {
    /// All releases that `cargo xtask` has provided, the newest first.
    ///
    /// # Panics
    /// If there is none where every test must run.
    pub fn releases() -> Vec<Self> {
        let releases = Self::provided();
        let none = releases.is_empty().then(|| format!("no Spark below {PROVIDED}: `cargo xtask spark` provides it"));
        let Some(why) = env::var(LEFT_OUT).ok().or(none) else { return releases };
        assert!(env::var_os("CI").is_none(), "{why}");
        // Past what captures the output of tests.
        let _ = writeln!(io::stderr(), "*** LEFT OUT, a test with a real Spark: {why}");
        Vec::new()
    }

    fn provided() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or_else(|| Path::new("."));
        let entries = fs::read_dir(root.join(PROVIDED)).into_iter().flatten().flatten();
        let releases = entries.filter_map(|entry| {
            let (home, version) = (entry.path(), entry.file_name().into_string().ok()?);
            let numbers: Vec<u32> = version.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
            home.join("bin/spark-submit").is_file().then_some((numbers, Self { version, home }))
        });
        let mut releases: Vec<(Vec<u32>, Self)> = releases.collect();
        releases.sort_by(|(one, _), (other, _)| other.cmp(one));
        releases.into_iter().map(|(_, release)| release).collect()
    }

    /// The release that answers are compared with; none where it was not provided.
    pub fn current() -> Option<Self> {
        Self::releases().into_iter().next()
    }

    /// One of its programs, such as `spark-submit`, as a user would start it who has nothing configured.
    pub fn program(&self, name: &str) -> Command {
        self.clean(Command::new(self.home.join("bin").join(name)))
    }

    /// A Java machine that runs a class of it.
    pub fn class(&self, options: &[&str], class: &str) -> Command {
        let mut java = Command::new("java");
        java.arg("-cp").arg(self.home.join("jars/*")).arg(HEAP).args(options).arg(class);
        self.clean(java)
    }

    fn clean(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SPARK_") {
                command.env_remove(name);
            }
        }
        command.env("SPARK_HOME", &self.home).env("SPARK_LOCAL_IP", "127.0.0.1").stdin(Stdio::null());
        command
    }

    /// Runs `spark-submit` to its end; it logs as this configuration of log4j says, and leaves nothing behind.
    pub fn submit(&self, logging: &Path, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.program("spark-submit");
        let scratch = tempfile::Builder::new().prefix("tanist-submit-").tempdir()?;
        command.env("SPARK_SUBMIT_OPTS", java_options(logging, scratch.path()));
        // The first is for the driver, the second for this program alone.
        command.env("SPARK_VAR", "of who submits").env("SPARK_CONF_DIR", scratch.path());
        to_its_end(command.args(arguments), ENDS_WITHIN)
    }

    /// Compiles programs against it into an archive. One that is there is replaced at once: who has it open keeps it.
    pub fn compile(&self, sources: &[&Path], archive: &Path) -> Result<()> {
        let directory = archive.parent().with_context(|| format!("{}: it has no directory", archive.display()))?;
        let directory = tempfile::Builder::new().prefix("classes-").tempdir_in(directory)?;
        let (classes, jar) = (directory.path().join("classes"), directory.path().join("programs.jar"));
        let mut javac = Command::new("javac");
        javac.arg("-cp").arg(self.home.join("jars/*")).arg("-d").arg(&classes).args(sources);
        ended_well(&mut javac)?;
        ended_well(Command::new("jar").arg("cf").arg(&jar).arg("-C").arg(&classes).arg("."))?;
        fs::rename(&jar, archive).with_context(|| format!("moving {} to {}", jar.display(), archive.display()))
    }
}

/// For the Java machine of `spark-submit`: it logs as this configuration of log4j says, and has its files there.
pub(crate) fn java_options(logging: &Path, temporary: &Path) -> String {
    format!("{HEAP} {}", properties(logging, temporary))
}

/// As [`java_options`], for a Java machine whose memory is said elsewhere.
pub(crate) fn properties(logging: &Path, temporary: &Path) -> String {
    let (logging, temporary) = (logging.display(), temporary.display());
    format!("-Dlog4j2.configurationFile=file:{logging} -Djava.io.tmpdir={temporary}")
}

fn ended_well(command: &mut Command) -> Result<()> {
    let finished = to_its_end(command, ENDS_WITHIN)?;
    ensure!(finished.code == 0, "{command:?}: {finished:?}");
    Ok(())
}
