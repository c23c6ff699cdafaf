//! Builds of Spark that nobody has described (ADR 14). What such a program is told must have the numbers of its own classes;
//! they come from an installation of that build, or else from the program itself.
//!
//! Numbers from an installation hold for everybody who shows its build: whoever configures the master vouches for them. What a
//! program says of itself holds on its own connection and nowhere else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use tanist_spark::uids::{Uids, jar};
use tanist_spark::{Dialect, Error, Family};

/// What the jar of an installation is called whose classes matter: this, the version of Scala, and its own.
const CORE_JAR: &str = "spark-core_";

/// The installations that this master was told of (`spark.homes`).
#[derive(Debug, Default)]
pub(super) struct Builds {
    /// Directories, by the releases that are in them.
    homes: BTreeMap<String, PathBuf>,
    /// Their builds, from the first time that one is asked for.
    installed: OnceCell<Vec<Build>>,
}

/// What is known of a build.
#[derive(Debug, Clone, Default)]
pub(super) struct Build {
    /// The numbers of its classes, where nobody has described it.
    uids: Uids,
    /// The release it is installed as.
    release: Option<String>,
}

impl Build {
    /// How to speak to who has sent this.
    ///
    /// # Errors
    /// It is no message that shows a build, or not of this one.
    pub(super) fn dialect(&self, payload: &[u8]) -> Result<Dialect, Error> {
        Dialect::with(payload, &self.uids)
    }

    /// One that has told the numbers of its classes itself.
    pub(super) fn told(uids: Uids) -> Self {
        Self { uids, release: None }
    }

    /// The releases that a program of this build and family runs under: what the build is installed as, or else the family's.
    pub(super) fn releases(&self, family: Family) -> Option<String> {
        let of_family = match family {
            Family::Spark3 => Some("3.4,3.5"),
            Family::Spark4_0 => Some("4.0"),
            Family::Spark4_1 => Some("4.1,4.2"),
            Family::Spark4_3 => Some("4.3"),
            Family::Spark4_1To4_3 => Some("4.1,4.2,4.3"),
            Family::Spark4 => Some("4.0,4.1,4.2,4.3"),
            Family::Unknown => None,
        };
        self.release.as_deref().or(of_family).map(str::to_owned)
    }
}

/// Where numbers come from.
#[derive(Debug)]
pub(super) enum Source {
    /// From what is known here.
    Known(Build),
    /// From the program itself alone: these classes.
    Program(Vec<&'static str>),
}

impl Builds {
    pub(super) fn new(homes: BTreeMap<String, PathBuf>) -> Self {
        Self { homes, installed: OnceCell::new() }
    }

    /// The build of whoever has sent this message.
    ///
    /// # Errors
    /// It is no message that shows one.
    pub(super) async fn of(&self, payload: &[u8]) -> Result<Source, Error> {
        let wanted = Dialect::wanted(payload)?;
        if wanted.is_empty() {
            return Ok(Source::Known(Build::default()));
        }
        let shown = Dialect::shown(payload)?;
        let is_it = |build: &&Build| shown.iter().all(|(class, uid)| build.uids.get(class) == Some(*uid));
        let found = self.installed().await.iter().find(is_it).cloned();
        Ok(found.map_or(Source::Program(wanted), Source::Known))
    }

    async fn installed(&self) -> &[Build] {
        let read = || async {
            let homes = self.homes.clone();
            spawn_blocking(move || homes.iter().filter_map(|(release, home)| build(release, home)).collect())
                .await
                .unwrap_or_default()
        };
        self.installed.get_or_init(read).await
    }
}

/// The build that is installed there. Masters need none, so what is missing or broken is only told. Blocks.
fn build(release: &str, home: &Path) -> Option<Build> {
    let classes = Dialect::classes();
    let uids = core_jar(&home.join("jars")).map_err(|error| error.to_string()).and_then(|path| {
        let open = || File::open(&path).map_err(|error| error.to_string());
        let read = |file| jar::read(file, classes.iter().map(String::as_str)).map_err(|error| error.to_string());
        open().map(BufReader::new).and_then(read).map_err(|error| format!("{}: {error}", path.display()))
    });
    match uids {
        Ok(uids) => {
            tracing::info!(release, home = %home.display(), "this build of Spark is known by its jars");
            Some(Build { uids, release: Some(release.to_owned()) })
        }
        Err(error) => {
            tracing::warn!(release, home = %home.display(), error, "an installation in spark.homes tells nothing about its build");
            None
        }
    }
}

fn core_jar(jars: &Path) -> io::Result<PathBuf> {
    let names = fs::read_dir(jars)?.flatten().map(|entry| entry.path());
    // Beside it there may be one of tests. Of several, the newest by name.
    let is_core = |path: &PathBuf| {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let version = name.strip_prefix(CORE_JAR).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        version && path.extension().is_some_and(|extension| extension == "jar")
    };
    names.filter(is_core).max().ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("no {CORE_JAR}<Scala>-<version>.jar in {}", jars.display()))
    })
}
