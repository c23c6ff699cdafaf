//! Spark's own configuration, understood by masters and workers: `spark-defaults.conf`, and the variables of `spark-env.sh`
//! (CL-04), options such as `-Dspark.worker.timeout=60` in them included.
//!
//! It counts less than all of ours. Within it, options come before the file, as in the original.
//!
//! | file | holds |
//! |---|---|
//! | `properties` | Java's syntax for properties |
//! | `options` | the options in a variable |
//! | `table` | which of Spark's names is which setting of ours, and which have no meaning here |
//! | `toml` | what `tanist config from-spark` prints |

mod options;
mod properties;
mod table;
mod toml;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tanist_worker::runner::redact::{REDACTED, is_secret};

use self::table::{DROPPED, FOR_PROGRAMS, OURS, ROLLING, ROLLING_BY, ROWS, Row};
use super::env::Environment;
use super::resolve::{Problem, Problems, Source, nearest};
use super::{AuthSettings, Section as _, WorkerSettings};

/// The file in a directory of Spark's settings.
const FILE: &str = "spark-defaults.conf";
/// What the keys of Spark begin with; it ignores others.
const KEYS: &str = "spark.";
/// Variables with options. What stands first wins, as it does where Spark puts these into one command line.
const OPTIONS: [&str; 3] = ["SPARK_MASTER_OPTS", "SPARK_WORKER_OPTS", "SPARK_DAEMON_JAVA_OPTS"];

/// Where Spark was told something.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In the environment variable of this name itself.
    Variable,
    /// In an option within this environment variable.
    Option(&'static str),
    /// In a file of properties.
    File {
        /// Which.
        path: PathBuf,
        /// On which line, from 1.
        line: usize,
    },
}

/// What Spark was told, in its words.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Said {
    name: String,
    value: String,
    place: Place,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, place } = self;
        let value = shown(name, value);
        let (name, value) = (name.escape_debug(), value.escape_debug());
        match place {
            Place::Variable => write!(f, "environment variable {name} = {value}"),
            Place::Option(variable) => write!(f, "environment variable {variable}: {name} = {value}"),
            Place::File { path, line } => write!(f, "{}:{line}: {name} = {value}", path.display()),
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value as it may be shown: what Spark is told has passwords in it.
fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    if is_secret(name) { REDACTED } else { value }
}

/// What becomes of one thing that Spark was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It is a setting of ours, or part of one.
    Taken,
    /// It counts for nothing here, for this reason.
    Dropped(String),
    /// It is not for masters and workers.
    Applications,
}

/// All that Spark was told. What is empty was not said.
#[derive(Debug, Clone, Default)]
pub(crate) struct SparkConf {
    /// Options before the file, and what wins before what it overrides.
    said: Vec<Said>,
}

impl SparkConf {
    /// That of a process with this environment: the given file, or that in `SPARK_CONF_DIR` if there is one.
    ///
    /// # Errors
    /// What cannot be read.
    pub(crate) fn of(properties_file: Option<&Path>, env: &Environment) -> Result<Self, Problems> {
        let mut said = variables(env)?;
        for variable in OPTIONS {
            let Some(text) = env.get(variable) else { continue };
            // Any of the options may be a password.
            let refused = |allowed: &str| not_allowed(variable, REDACTED, allowed);
            let text = text.map_err(|_| refused("UTF-8 text"))?;
            let options = options::properties(text).map_err(refused)?.into_iter().map(|(name, value)| Said {
                name,
                value,
                place: Place::Option(variable),
            });
            said.extend(options);
        }
        let path = match properties_file {
            Some(path) => Some(path.to_owned()),
            None => usual_file(env)?,
        };
        if let Some(path) = path {
            said.extend(Self::of_file(&path)?.said);
        }
        said.retain(|said| !said.value.is_empty());
        Self { said }.checked()
    }

    /// That of a file alone.
    ///
    /// # Errors
    /// If it cannot be read, or is no file of properties.
    pub(crate) fn of_file(path: &Path) -> Result<Self, Problems> {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, &text)?.checked()
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let mut properties = properties::parse(text).map_err(|bad| {
            let error =
                format!("line {}: {:?} is not allowed; allowed: \\u and four digits 0-9, a-f", bad.line, bad.found);
            Problems::one(Problem::File { path: path.to_owned(), error })
        })?;
        // Of a key that is given twice, the last one counts.
        properties.reverse();
        let ours =
            properties.into_iter().filter(|property| property.key.starts_with(KEYS) && !property.value.is_empty());
        let said = ours.map(|property| {
            let place = Place::File { path: path.to_owned(), line: property.line };
            Said { name: property.key, value: property.value, place }
        });
        Ok(Self { said: said.collect() })
    }

    /// These, unless a value means something else than it would here.
    fn checked(self) -> Result<Self, Problems> {
        let taken = self.said.iter().filter(|said| self.fate(said) == Fate::Taken);
        let problem = |said: &Said| {
            let problem = |allowed: String| Problem::Value {
                key: said.name.clone(),
                value: shown(&said.name, &said.value).to_owned(),
                origin: Source::Spark(said.clone()),
                allowed,
            };
            said.not_allowed_for().map(problem)
        };
        Problems::none_or(taken.filter_map(problem).collect())?;
        Ok(self)
    }

    /// The texts for a setting of this section, and who said so.
    pub(super) fn find(&self, section: &str, full_key: &str) -> Option<(Vec<String>, Source)> {
        let rows = ROWS.iter().filter(|row| row.to == full_key && self.counts(section, row));
        let mut found = rows.map(|row| (row, self.matching(section, row.from)));
        let (row, said) = found.find(|(_, said)| !said.is_empty())?;
        let texts = said.iter().map(|(name, said)| {
            let value = (row.written)(&said.value);
            if name.is_empty() { value } else { format!("{name}={value}") }
        });
        Some((texts.collect(), Source::Spark((*said.first()?.1).clone())))
    }

    /// What was said under a name of the table, once each, with what stands there for its `*`.
    fn matching(&self, section: &str, pattern: &str) -> Vec<(&str, &Said)> {
        let mut seen = BTreeSet::new();
        let for_section = self.said.iter().filter(|said| said.is_for(section));
        let matching = for_section.filter_map(|said| Some((middle(pattern, &said.name)?, said)));
        matching.filter(|(middle, _)| seen.insert(*middle)).collect()
    }

    /// Whether the condition of a row holds.
    fn counts(&self, section: &str, row: &Row) -> bool {
        row.when.is_none_or(|(key, values)| {
            let said = self.matching(section, key);
            said.iter().any(|(_, said)| values.iter().any(|value| value.eq_ignore_ascii_case(&said.value)))
        })
    }

    /// All that counts for nothing here, or for less than in Spark, each with the reason; what is for applications aside.
    pub(crate) fn dropped(&self) -> Vec<(&Said, String)> {
        let fate = |said: &'_ Said| match self.fate(said) {
            Fate::Dropped(reason) => Some(reason),
            Fate::Taken if said.value.eq_ignore_ascii_case("true") => {
                FOR_PROGRAMS.iter().find(|(name, _)| *name == said.name).map(|(_, reason)| (*reason).to_owned())
            }
            Fate::Taken | Fate::Applications => None,
        };
        let fate = |said| Some((said, fate(said)?));
        self.said.iter().filter_map(fate).collect()
    }

    fn fate(&self, said: &Said) -> Fate {
        let rows: Vec<&Row> = ROWS.iter().filter(|row| middle(row.from, &said.name).is_some()).collect();
        let of = |row: &Row| row.to.split('.').next().unwrap_or_default().to_owned();
        if let Some(row) = rows.iter().find(|row| self.counts(&of(row), row)) {
            let overridden = self.find(&of(row), row.to).and_then(|(_, source)| match source {
                Source::Spark(first) if middle(row.from, &first.name).is_none() => Some(first),
                _ => None,
            });
            return overridden.map_or(Fate::Taken, |first| Fate::Dropped(format!("{} comes first", first.name)));
        }
        if let Some((key, values)) = rows.first().and_then(|row| row.when) {
            return Fate::Dropped(format!("it counts only where {key} is {}", values.join(" or ")));
        }
        let condition = |row: &&Row| row.when.is_some_and(|(key, _)| key == said.name);
        if ROWS.iter().filter(condition).any(|row| self.counts(&of(row), row)) {
            return Fate::Taken;
        }
        let reason = DROPPED.iter().find(|(pattern, _)| middle(pattern, &said.name).is_some());
        match reason {
            Some((_, reason)) => Fate::Dropped((*reason).to_owned()),
            None if OURS.iter().any(|prefix| said.name.starts_with(prefix)) => Fate::Dropped(unknown(&said.name)),
            None => Fate::Applications,
        }
    }
}

impl Said {
    /// What is allowed instead of a value that no setting of ours could tell to be wrong.
    fn not_allowed_for(&self) -> Option<String> {
        if refers(&self.value) {
            // The original puts other keys and variables there. Taken as it stands, it would name a wrong place.
            return Some("a value without ${…}, which nothing here replaces".to_owned());
        }
        let is_known = ROLLING_BY.iter().any(|by| by.eq_ignore_ascii_case(&self.value));
        (self.name == ROLLING && !is_known).then(|| ROLLING_BY.join(" or "))
    }

    /// Whether the process of this section hears it.
    fn is_for(&self, section: &str) -> bool {
        match self.place {
            Place::Option("SPARK_MASTER_OPTS") => section != WorkerSettings::NAME,
            Place::Option("SPARK_WORKER_OPTS") => [WorkerSettings::NAME, AuthSettings::NAME].contains(&section),
            Place::Variable | Place::Option(_) | Place::File { .. } => true,
        }
    }
}

/// The variables that are in the table.
fn variables(env: &Environment) -> Result<Vec<Said>, Problems> {
    let known = ROWS.iter().map(|row| row.from).chain(DROPPED.iter().map(|(name, _)| *name));
    let names: BTreeSet<&str> = known.filter(|name| name.starts_with(super::env::SPARK)).collect();
    let said = |name: &str| {
        let value = env.get(name)?.map_err(|value| not_allowed(name, shown(name, &value), "UTF-8 text"));
        Some(value.map(|value| Said { name: name.to_owned(), value: value.to_owned(), place: Place::Variable }))
    };
    names.into_iter().filter_map(said).collect()
}

/// The file in the directory of Spark's settings, if it is there.
fn usual_file(env: &Environment) -> Result<Option<PathBuf>, Problems> {
    const DIRECTORY: &str = "SPARK_CONF_DIR";
    let Some(directory) = env.get(DIRECTORY) else { return Ok(None) };
    let directory = directory.map_err(|value| not_allowed(DIRECTORY, &value, "UTF-8 text"))?;
    let path = Path::new(directory).join(FILE);
    let is_there = path.try_exists().map_err(|error| unreadable(&path, &error))?;
    Ok(is_there.then_some(path))
}

/// Whether the original would replace a part of it: `${`, at least one character, `}`, and no white space between.
fn refers(value: &str) -> bool {
    value.match_indices("${").any(|(at, opening)| {
        let name = value.get(at + opening.len()..).unwrap_or_default().split(char::is_whitespace).next();
        name.is_some_and(|name| name.chars().skip(1).any(|c| c == '}'))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    Problems::one(Problem::File { path: path.to_owned(), error: error.to_string() })
}

fn not_allowed(variable: &str, value: &str, allowed: &str) -> Problems {
    let origin = Source::Variable(variable.to_owned());
    let (key, value, allowed) = (variable.to_owned(), value.to_owned(), allowed.to_owned());
    Problems::one(Problem::Value { key, value, origin, allowed })
}

/// What stands in a name for the `*` of a pattern; nothing where the pattern has none.
fn middle<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after).filter(|middle| !middle.is_empty()),
        None => (pattern == name).then_some(""),
    }
}

fn unknown(name: &str) -> String {
    let known = ROWS.iter().map(|row| row.from).chain(DROPPED.iter().map(|(name, _)| *name));
    let hint = nearest(name, known.map(str::to_owned));
    let hint = hint.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
    format!("no such key is known{hint}")
}

#[cfg(test)]
mod tests;
