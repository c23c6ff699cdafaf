//! The environment as settings see it: the `TANIST_…` variables and those of Spark, taken once.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// What every variable of ours begins with.
pub(crate) const PREFIX: &str = "TANIST_";

/// What every variable of Spark begins with.
pub(crate) const SPARK: &str = "SPARK_";

/// Variables of ours that are no settings of a section, beside those that a worker gives to its programs.
pub(crate) const OTHERS: [&str; 1] = ["TANIST_CONFIG"];

/// The `TANIST_…` and `SPARK_…` variables. One that is empty counts as not set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, Result<String, OsString>>);

impl Environment {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Those among the given ones.
    pub(crate) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let taken = |name: &String| [PREFIX, SPARK].iter().any(|prefix| name.starts_with(prefix));
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(taken)?;
            (!value.is_empty()).then(|| (name, value.into_string()))
        });
        Self(ours.collect())
    }

    /// One variable; the error is a value that is not UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<Result<&str, String>> {
        self.0.get(name).map(|value| value.as_deref().map_err(|raw| raw.to_string_lossy().into_owned()))
    }

    /// Names of all of ours that are set.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| name.starts_with(PREFIX))
    }
}
