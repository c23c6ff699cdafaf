//! The installations of Spark on this host. Which one runs a program is a matter of its release: programs understand each
//! other only within a family.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where an installation says what it is, in its first words.
const RELEASE_FILE: &str = "RELEASE";
/// What every installation has among its archives: this, the version of Scala, and its own.
const CORE_ARCHIVE: &str = "spark-core_";

/// The releases with the same first two numbers, such as 3.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    major: u16,
    minor: u16,
}

impl Family {
    /// That of a version, such as `3.5.9` or `4.1.0-SNAPSHOT`.
    fn of_version(version: &str) -> Option<Self> {
        let (major, rest) = version.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text that names no family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the first two numbers of a release of Spark, such as 3.5")]
pub struct InvalidFamily;

impl FromStr for Family {
    type Err = InvalidFamily;

    fn from_str(text: &str) -> Result<Self, InvalidFamily> {
        Self::of_version(text).filter(|family| family.to_string() == text).ok_or(InvalidFamily)
    }
}

/// Why a directory does not serve as an installation.
#[derive(Debug, thiserror::Error)]
pub enum NoHome {
    /// It has no archives.
    #[error("cannot read {}: {source}", jars.display())]
    NoJars {
        /// Where they should be.
        jars: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing tells its release.
    #[error("there is no {CORE_ARCHIVE}<Scala>-<version>.jar in {}, and no {RELEASE_FILE} beside it that says", jars.display())]
    NoRelease {
        /// Where it was looked for.
        jars: PathBuf,
    },
    /// It is set for another release than it has.
    #[error("{} is Spark {found}", dir.display())]
    OtherRelease {
        /// The directory.
        dir: PathBuf,
        /// What its files say.
        found: Family,
    },
}

/// The release that is installed in a directory. What programs run are the archives, so these are asked first. Blocks.
fn installed(dir: &Path) -> Result<Family, NoHome> {
    let jars = dir.join("jars");
    let entries = match fs::read_dir(&jars) {
        Ok(entries) => entries,
        Err(source) => return Err(NoHome::NoJars { jars, source }),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let family = names.filter_map(|name| of_archive(&name)).max();
    family.or_else(|| of_release_file(&dir.join(RELEASE_FILE))).ok_or(NoHome::NoRelease { jars })
}

/// Each with its directory, for people.
fn listed(families: &BTreeMap<Family, &Path>) -> String {
    families.iter().map(|(family, dir)| format!("{family} in {}", dir.display())).collect::<Vec<_>>().join(", ")
}

/// From `spark-core_2.13-4.1.4.jar`.
fn of_archive(name: &str) -> Option<Family> {
    let (_scala, version) = name.strip_prefix(CORE_ARCHIVE)?.strip_suffix(".jar")?.split_once('-')?;
    Family::of_version(version)
}

/// From `Spark 4.1.4 (git revision …) built for Hadoop …`.
fn of_release_file(file: &Path) -> Option<Family> {
    let said = fs::read_to_string(file).ok()?;
    Family::of_version(said.strip_prefix("Spark ")?.split_whitespace().next()?)
}

/// What this worker was told of installations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Homes {
    /// The one for programs of which no release is known. Where none is set, the newest of the others.
    pub usual: Option<PathBuf>,
    /// One for each family.
    pub by_family: BTreeMap<Family, PathBuf>,
}

/// Why no installation can run a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsuitable {
    /// None is set, or the usual one, which this is, has no archives.
    None(Option<PathBuf>),
    /// The program does not tell which of these it runs with, and neither does this worker.
    Several {
        /// Family and directory of each.
        fitting: String,
    },
    /// Those that are here are of other families: what is wanted, and what there is.
    Others {
        /// Any of these would do.
        wanted: String,
        /// Family and directory of each.
        installed: String,
    },
}

impl Homes {
    /// Looks whether each of the families is where it should be. Blocks.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), (Family, NoHome)> {
        for (&family, dir) in &self.by_family {
            let found = installed(dir).map_err(|error| (family, error))?;
            if found != family {
                return Err((family, NoHome::OtherRelease { dir: dir.clone(), found }));
            }
        }
        Ok(())
    }

    /// The installation for a program that runs with any of these families; with none known, for any program. Of several,
    /// it is the one that the program itself names, or else the usual one: with another one than its own, a program fails
    /// in ways that tell nobody why. Blocks.
    pub(crate) fn choose(&self, families: &[Family], named: Option<&str>) -> Result<PathBuf, Unsuitable> {
        if families.is_empty() {
            return match self.usual.as_ref().or_else(|| self.by_family.values().next_back()) {
                Some(dir) if dir.join("jars").is_dir() => Ok(dir.clone()),
                dir => Err(Unsuitable::None(dir.cloned())),
            };
        }
        let here = self.here();
        if here.is_empty() && self.usual.as_ref().is_none_or(|dir| !dir.join("jars").is_dir()) {
            return Err(Unsuitable::None(self.usual.clone()));
        }
        let fitting: BTreeMap<Family, &Path> =
            here.iter().filter(|(family, _)| families.contains(family)).map(|(family, dir)| (*family, *dir)).collect();
        let of = |wanted: Option<&Path>| fitting.values().find(|dir| Some(**dir) == wanted).copied();
        let only = || fitting.values().next().copied().filter(|_| fitting.len() == 1);
        let chosen = of(named.map(Path::new)).or_else(only).or_else(|| of(self.usual.as_deref()));
        chosen.map(Path::to_owned).ok_or_else(|| {
            if fitting.is_empty() {
                let wanted = families.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
                Unsuitable::Others { wanted, installed: self.shown(&here) }
            } else {
                Unsuitable::Several { fitting: listed(&fitting) }
            }
        })
    }

    /// For people.
    fn shown(&self, here: &BTreeMap<Family, &Path>) -> String {
        let usual = self.usual.iter().filter(|usual| !here.values().any(|dir| dir == usual));
        let others = usual.map(|dir| format!("one in {} that does not tell its release", dir.display()));
        Some(listed(here)).filter(|known| !known.is_empty()).into_iter().chain(others).collect::<Vec<_>>().join(", ")
    }

    /// All that there are, each family once.
    fn here(&self) -> BTreeMap<Family, &Path> {
        let usual = self.usual.as_deref().and_then(|dir| Some((installed(dir).ok()?, dir)));
        let named = self.by_family.iter().map(|(family, dir)| (*family, dir.as_path()));
        usual.into_iter().chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn family(text: &str) -> Family {
        text.parse().unwrap()
    }

    /// Directories with such an archive each.
    fn installations(archives: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, archive) in archives {
            let jars = root.path().join(name).join("jars");
            fs::create_dir_all(&jars).unwrap();
            fs::write(jars.join("spark-core-tests.jar"), "").unwrap();
            fs::write(jars.join(archive), "").unwrap();
        }
        root
    }

    fn homes(root: &Path, usual: Option<&str>, families: &[(&str, &str)]) -> Homes {
        let by_family = families.iter().map(|(text, name)| (family(text), root.join(name))).collect();
        Homes { usual: usual.map(|name| root.join(name)), by_family }
    }

    #[test]
    fn families_are_the_first_two_numbers() {
        for (version, wanted) in
            [("3.5.9", "3.5"), ("4.1.0-SNAPSHOT", "4.1"), ("3.5.0-amzn-1", "3.5"), ("4.10", "4.10")]
        {
            assert_eq!(Family::of_version(version), Some(family(wanted)), "{version}");
        }
        for bad in ["", "3", "3.", ".5", "x.y.z", "3.x", "70000.1"] {
            assert_eq!(Family::of_version(bad), None, "{bad}");
        }
        for bad in ["3.5.9", "03.5", "3.5 ", "+3.5"] {
            assert_eq!(bad.parse::<Family>(), Err(InvalidFamily), "{bad}");
        }
        assert!(family("4.9") < family("4.10"), "by number, not by text");
    }

    #[test]
    fn an_installation_tells_its_release_by_its_archive_or_its_file() {
        let root = installations(&[("a", "spark-core_2.12-3.5.9.jar"), ("b", "other.jar")]);
        assert_eq!(installed(&root.path().join("a")).unwrap(), family("3.5"));
        let second = root.path().join("b");
        assert!(installed(&second).unwrap_err().to_string().contains("no spark-core_<Scala>-<version>.jar in"));
        fs::write(second.join("RELEASE"), "Spark 4.1.4 (git revision 1a2b3c) built for Hadoop 3.4.2\n").unwrap();
        assert_eq!(installed(&second).unwrap(), family("4.1"));
        assert!(installed(&root.path().join("c")).unwrap_err().to_string().contains("c/jars: No such file"));
    }

    #[test]
    fn a_family_is_what_its_directory_has() {
        let root = installations(&[("a", "spark-core_2.12-3.5.9.jar"), ("b", "spark-core_2.13-4.1.4.jar")]);
        homes(root.path(), None, &[("3.5", "a"), ("4.1", "b")]).check().unwrap();
        let (key, error) = homes(root.path(), None, &[("3.5", "a"), ("4.0", "b")]).check().unwrap_err();
        assert_eq!(key, family("4.0"));
        assert!(error.to_string().ends_with("b is Spark 4.1"), "{error}");
    }

    #[test]
    fn a_program_runs_with_its_own_release_or_not_at_all() {
        let archives = [
            ("old", "spark-core_2.12-3.4.4.jar"),
            ("mid", "spark-core_2.12-3.5.9.jar"),
            ("new", "spark-core_2.13-4.1.4.jar"),
        ];
        let root = installations(&archives);
        let path = |name: &str| root.path().join(name);
        let all = homes(root.path(), Some("new"), &[("3.4", "old"), ("3.5", "mid")]);
        let choose = |homes: &Homes, families: &[&str], named: Option<&str>| {
            let families: Vec<Family> = families.iter().map(|text| family(text)).collect();
            homes.choose(&families, named)
        };
        assert_eq!(choose(&all, &["4.1", "4.2"], None), Ok(path("new")), "the usual one is one of them");
        assert_eq!(choose(&all, &[], None), Ok(path("new")));
        let Err(Unsuitable::Several { fitting }) = choose(&all, &["3.4", "3.5"], None) else { panic!() };
        assert_eq!(fitting, format!("3.4 in {}, 3.5 in {}", path("old").display(), path("mid").display()));
        let usual = homes(root.path(), Some("old"), &[("3.5", "mid")]);
        assert_eq!(choose(&usual, &["3.4", "3.5"], None), Ok(path("old")), "the usual one of several");
        let named = path("old").display().to_string();
        assert_eq!(choose(&all, &["3.4", "3.5"], Some(&named)), Ok(path("old")), "named");
        assert_eq!(choose(&all, &["4.1"], Some(&named)), Ok(path("new")), "named, but of no use");
        assert_eq!(choose(&all, &["3.5"], Some("/elsewhere")), Ok(path("mid")), "only what the worker was told of");

        let Err(Unsuitable::Others { wanted, installed }) = choose(&all, &["4.3"], None) else { panic!() };
        let here = ["old", "mid", "new"].map(|name| path(name).display().to_string());
        let [old, mid, new] = &here;
        assert_eq!((wanted.as_str(), installed), ("4.3", format!("3.4 in {old}, 3.5 in {mid}, 4.1 in {new}")));

        let unset = homes(root.path(), None, &[("3.4", "old"), ("3.5", "mid")]);
        assert_eq!(choose(&unset, &[], None), Ok(path("mid")));
        assert_eq!(choose(&Homes::default(), &["3.5"], None), Err(Unsuitable::None(None)));
        let wrong = homes(root.path(), Some("none"), &[]);
        assert_eq!(choose(&wrong, &["3.5"], None), Err(Unsuitable::None(Some(path("none")))));
        assert_eq!(choose(&wrong, &[], None), Err(Unsuitable::None(Some(path("none")))));
    }
}
