//! Putting the sources over each other: flag, environment variable, file, what Spark was told, default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use tanist_worker::runner::redact::REDACTED;

use super::env::{OTHERS, PREFIX};
use super::section::{full_key, variable};
use super::spark::{Said, SparkConf};
use super::value::Refused;
use super::{
    AuthSettings, ClientSettings, ClusterSettings, ConfigFile, Environment, Flags, MasterSettings, RestSettings,
    Section, SharedSettings, SparkSettings, WorkerSettings,
};

/// Names farther than this from a known one, as a share of its length, are nobody's misspelling.
const NEAREST_ABOVE: f64 = 0.6;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// Spark's own configuration.
    Spark(Said),
    /// The configuration file.
    File {
        /// Which.
        path: PathBuf,
        /// On which line, from 1.
        line: usize,
    },
    /// An environment variable of this name.
    Variable(String),
    /// A flag of this name, without dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Spark(said) => said.fmt(f),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// A value that its setting cannot take.
    #[error("{key} = {value:?} (from {origin}) is not allowed; allowed: {allowed}")]
    Value {
        /// The setting, with its section.
        key: String,
        /// The value.
        value: String,
        /// Where it came from.
        origin: Source,
        /// What is allowed.
        allowed: String,
    },
    /// A setting without which this command cannot run.
    #[error("{key} is not set; give --{flag}, or {variable}, or {key} in the configuration file; allowed: {allowed}")]
    Missing {
        /// The setting, with its section.
        key: String,
        /// Its flag, without dashes.
        flag: String,
        /// Its environment variable.
        variable: String,
        /// What is allowed.
        allowed: String,
    },
    /// A key that no setting has.
    #[error("{}:{line}: unknown key {key:?}{}", path.display(), did_you_mean(nearest.as_deref()))]
    UnknownKey {
        /// The key, with its section.
        key: String,
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value whose TOML type no setting has.
    #[error("{}:{line}: {key} is a TOML {found}; allowed are a string, a number, true or false, or a list of them", path.display())]
    Form {
        /// The key, with its section.
        key: String,
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The type that was found.
        found: &'static str,
    },
    /// A file that cannot be read as TOML.
    #[error("configuration file {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

/// Everything that is wrong with the configuration; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Just this.
    pub(crate) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// An error if there is anything in any of these.
    pub(crate) fn all(several: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        Self::none_or(several.into_iter().flat_map(|problems| problems.0).collect())
    }

    /// An error if there is anything in the list.
    pub(crate) fn none_or(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// The settings of one component with the source of each.
#[derive(Debug, Clone)]
pub(crate) struct Resolved<S> {
    /// The values.
    pub(crate) settings: S,
    sources: BTreeMap<&'static str, Source>,
}

impl<S: Section> Resolved<S> {
    /// Where the value of a key came from.
    pub(crate) fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }

    /// What to say about a value that turned out to be unusable.
    pub(crate) fn problem(&self, key: &str, allowed: impl Into<String>) -> Problems {
        let setting = S::SETTINGS.iter().find(|setting| setting.key == key);
        let value = setting.map(|setting| (setting.show)(&self.settings)).unwrap_or_default();
        let origin = self.source(key).clone();
        Problems::one(Problem::Value { key: full_key::<S>(key), value, origin, allowed: allowed.into() })
    }

    /// What does not go together, as far as it can be told: a value that could not be read has its default here, and a
    /// conflict with that would be nobody's.
    fn conflicts(&self, unread: &[Problem]) -> Vec<Problem> {
        let unread: Vec<&String> = unread
            .iter()
            .filter_map(|problem| match problem {
                Problem::Value { key, .. } => Some(key),
                _ => None,
            })
            .collect();
        let known = |(key, allowed): &(&str, String)| {
            !unread.iter().any(|unread| **unread == full_key::<S>(key) || allowed.contains(unread.as_str()))
        };
        let conflicts = self.settings.conflicts().into_iter().filter(known);
        conflicts.flat_map(|(key, allowed)| self.problem(key, allowed).0).collect()
    }

    /// Key with section, value as text and source of every setting, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, String, &Source)> {
        S::SETTINGS
            .iter()
            .map(|setting| (full_key::<S>(setting.key), (setting.show)(&self.settings), self.source(setting.key)))
    }
}

/// What to say about a setting that is needed and not set.
pub(crate) fn missing<S: Section>(key: &str) -> Problems {
    let setting = S::SETTINGS.iter().find(|setting| setting.key == key);
    Problems::one(Problem::Missing {
        key: full_key::<S>(key),
        flag: super::section::flag::<S>(key),
        variable: variable::<S>(key),
        allowed: setting.map(|setting| (setting.allowed)()).unwrap_or_default(),
    })
}

/// File and environment, over what Spark was told; the flags of a command come on top.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// The configuration file, if one was named.
    pub(crate) file: Option<ConfigFile>,
    /// The variables.
    pub(crate) env: Environment,
    /// Spark's own configuration, for masters and workers.
    pub(crate) spark: SparkConf,
}

impl Layers {
    /// These over Spark's own configuration: a file of properties, and the variables.
    ///
    /// # Errors
    /// What of it cannot be read.
    pub(crate) fn over_spark(&self, properties_file: Option<&Path>) -> Result<Self, Problems> {
        Ok(Self { spark: SparkConf::of(properties_file, &self.env)?, ..self.clone() })
    }

    /// The effective settings of one component.
    ///
    /// # Errors
    /// Every value that is not allowed, with its source.
    pub(crate) fn resolve<S: Section>(&self, flags: &Flags<S>) -> Result<Resolved<S>, Problems> {
        let mut resolved = Resolved { settings: S::defaults(), sources: BTreeMap::new() };
        let mut problems = Vec::new();
        for setting in S::SETTINGS {
            let Some((texts, source)) = self.find::<S>(setting.key, flags) else { continue };
            let taken = texts
                .map_err(|value| Refused {
                    value: if setting.secret { REDACTED.to_owned() } else { value },
                    allowed: "UTF-8 text".to_owned(),
                })
                .and_then(|texts| (setting.set)(&mut resolved.settings, &texts));
            if let Err(Refused { value, allowed }) = taken {
                let key = full_key::<S>(setting.key);
                problems.push(Problem::Value { key, value, origin: source.clone(), allowed });
            }
            resolved.sources.insert(setting.key, source);
        }
        let conflicts = resolved.conflicts(&problems);
        problems.extend(conflicts);
        Problems::none_or(problems)?;
        Ok(resolved)
    }

    /// The winning source of a key. The inner error is a value that is not UTF-8.
    fn find<S: Section>(&self, key: &'static str, flags: &Flags<S>) -> Option<(Result<Vec<String>, String>, Source)> {
        if let Some(texts) = flags.get(key) {
            return Some((Ok(texts.to_vec()), Source::Flag(super::section::flag::<S>(key))));
        }
        let variable = variable::<S>(key);
        if let Some(value) = self.env.get(&variable) {
            return Some((value.map(|text| vec![text.to_owned()]), Source::Variable(variable)));
        }
        let full = full_key::<S>(key);
        if let Some((file, entry)) = self.file.as_ref().and_then(|file| Some((file, file.get(&full)?))) {
            return Some((Ok(entry.texts.clone()), Source::File { path: file.path().to_owned(), line: entry.line }));
        }
        self.spark.find(S::NAME, &full).map(|(texts, source)| (Ok(texts), source))
    }

    /// Checks every key and value of the file, whatever command is run.
    ///
    /// # Errors
    /// All that is wrong.
    pub(crate) fn check_file(&self) -> Result<(), Problems> {
        let alone = Layers { file: self.file.clone(), ..Self::default() };
        let rest = alone.resolve::<RestSettings>(&Flags::default());
        let spark = alone.resolve::<SparkSettings>(&Flags::default());
        let auth = alone.resolve::<AuthSettings>(&Flags::default());
        let mut together = Vec::new();
        together.extend(auth.as_ref().ok().and_then(|auth| auth.go_together().err()));
        if let (Ok(auth), Ok(rest)) = (&auth, &rest) {
            together.extend(auth.keeps_the_secret(rest, rest.settings.allow_unauthenticated).err());
        }
        if let (Ok(auth), Ok(spark)) = (&auth, &spark) {
            together.extend(auth.keeps_the_secret(spark, spark.settings.allow_unauthenticated).err());
        }
        let checks = [
            alone.resolve::<SharedSettings>(&Flags::default()).err(),
            alone.resolve::<ClusterSettings>(&Flags::default()).err(),
            alone.resolve::<ClientSettings>(&Flags::default()).err(),
            alone.resolve::<MasterSettings>(&Flags::default()).err(),
            alone.resolve::<WorkerSettings>(&Flags::default()).err(),
            rest.err(),
            spark.err(),
            auth.err(),
        ];
        let checks = checks.into_iter().flatten().chain(together);
        let misfits = self.file.iter().flat_map(ConfigFile::misfits).cloned();
        Problems::none_or(misfits.chain(checks.flat_map(|problems| problems.0)).collect())
    }

    /// Variables that look like ours and are no setting, each with the nearest one.
    pub(crate) fn unknown_variables(&self) -> Vec<(String, Option<String>)> {
        let known: Vec<String> =
            known_keys().iter().map(|key| format!("{PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())).collect();
        let told = |name: &&str| OTHERS.contains(name) || tanist_worker::PROGRAM_VARIABLES.contains(name);
        let unknown = self.env.names().filter(|name| !told(name) && !known.iter().any(|known| known == name));
        unknown.map(|name| (name.to_owned(), nearest(name, known.iter().cloned()))).collect()
    }
}

/// All keys of all sections.
pub(crate) fn known_keys() -> Vec<String> {
    fn of<S: Section>() -> impl Iterator<Item = String> {
        S::SETTINGS.iter().map(|setting| full_key::<S>(setting.key))
    }
    of::<SharedSettings>()
        .chain(of::<ClusterSettings>())
        .chain(of::<ClientSettings>())
        .chain(of::<MasterSettings>())
        .chain(of::<RestSettings>())
        .chain(of::<WorkerSettings>())
        .chain(of::<SparkSettings>())
        .chain(of::<AuthSettings>())
        .collect()
}

/// The tables of the file.
pub(crate) fn sections() -> [&'static str; 6] {
    [
        ClientSettings::NAME,
        MasterSettings::NAME,
        RestSettings::NAME,
        WorkerSettings::NAME,
        SparkSettings::NAME,
        AuthSettings::NAME,
    ]
}

/// The known name that looks most like this one, if any does.
pub(crate) fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    let scored =
        known.into_iter().map(|known| (strsim::jaro_winkler(name, &known).max(tail_similarity(name, &known)), known));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > NEAREST_ABOVE).then_some(best.1)
}

/// A key in the wrong section, or without one, is compared by its last part too.
fn tail_similarity(name: &str, known: &str) -> f64 {
    let tail = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    strsim::normalized_levenshtein(&tail(name), &tail(known)) * 0.95
}
