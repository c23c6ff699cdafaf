//! Settings about programs of Spark: how masters take their drivers, and how workers run them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tanist_worker::homes::Family;

use super::section::{Conflict, section};

section! {
    /// Settings about programs of Spark: how masters take their drivers, and how workers run them.
    struct SparkSettings in "spark", flags: "spark-", conflicts: conflicts;

    /// Directories where releases of Spark are installed, by their first two numbers, such as 3.5=/opt/spark-3.5. An
    /// application's executors run with its own release. Masters look there how to speak to builds they do not know.
    homes: BTreeMap<String, PathBuf> = BTreeMap::new();
    /// Let applications of Spark run something else in place of Spark's executors.
    any_executor_class: bool = false;
    /// Let every driver of Spark that reaches a master's port register applications, and so run programs on the workers.
    /// Without this only drivers of the master's own host are served.
    allow_unauthenticated: bool = false;
}

impl SparkSettings {
    /// The homes by what their names say.
    pub(crate) fn by_family(&self) -> BTreeMap<Family, PathBuf> {
        self.homes.iter().filter_map(|(name, dir)| Some((name.parse().ok()?, dir.clone()))).collect()
    }
}

fn conflicts(spark: &SparkSettings) -> Vec<Conflict> {
    let bad = spark.homes.keys().find_map(|name| Some((name, name.parse::<Family>().err()?)));
    let allowed = |(name, allowed)| ("homes", format!("names that are {allowed}; {name:?} is none"));
    bad.map(allowed).into_iter().collect()
}
