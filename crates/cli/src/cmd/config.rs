//! `tanist config check FILE`, `tanist config show` and `tanist config from-spark FILE`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::Context;
use super::properties::Properties;
use crate::config::{
    AuthSettings, ClientSettings, ClusterSettings, ConfigFile, Flags, Layers, MasterSettings, Resolved, RestSettings,
    Section, SparkConf, SparkSettings, WorkerSettings,
};
use crate::exit::Failure;
use crate::output::{self, Column, Output};

/// Check a configuration file, or show the settings in effect
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check every key and value of a file, without starting anything
    Check {
        /// The file
        file: PathBuf,
    },
    /// Show every setting in effect and where it comes from
    Show {
        #[command(flatten)]
        client: Flags<ClientSettings>,
        #[command(flatten)]
        properties: Properties,
    },
    /// Print Spark's own configuration as ours, and what of it counts for nothing here
    FromSpark {
        /// The file, such as spark-defaults.conf
        file: PathBuf,
    },
}

/// One setting as JSON.
#[derive(Serialize)]
struct Row {
    key: String,
    value: String,
    source: String,
}

const COLUMNS: [Column<Row>; 3] = [
    Column::new("KEY", |row| row.key.clone()),
    Column::new("VALUE", |row| row.value.clone()),
    Column::new("SOURCE", |row| row.source.clone()),
];

pub(crate) fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    match args.action {
        Action::Check { file } => check(&file),
        Action::Show { client, properties } => show(context, &properties.layers(context)?, &client),
        Action::FromSpark { file } => from_spark(&file),
    }
}

fn check(file: &Path) -> Result<ExitCode, Failure> {
    let layers = Layers { file: Some(ConfigFile::read(file)?), ..Layers::default() };
    layers.check_file()?;
    let keys = layers.file.as_ref().map_or(0, ConfigFile::len);
    output::print(&format!("{}: {keys} settings, all of them good", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn from_spark(file: &Path) -> Result<ExitCode, Failure> {
    output::print(SparkConf::of_file(file)?.to_toml(file)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, layers: &Layers, client: &Flags<ClientSettings>) -> Result<ExitCode, Failure> {
    let client = layers.resolve(client)?;
    let mut all = rows(&context.shared);
    all.extend(rows(&layers.resolve::<ClusterSettings>(&Flags::default())?));
    all.extend(rows(&client));
    all.extend(rows(&layers.resolve::<MasterSettings>(&Flags::default())?));
    all.extend(rows(&layers.resolve::<RestSettings>(&Flags::default())?));
    all.extend(rows(&layers.resolve::<WorkerSettings>(&Flags::default())?));
    all.extend(rows(&layers.resolve::<SparkSettings>(&Flags::default())?));
    all.extend(rows(&layers.resolve::<AuthSettings>(&Flags::default())?));
    Output::new(client.settings.output).items(&all, &COLUMNS)?;
    for (name, nearest) in layers.unknown_variables() {
        let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        output::note(&format!("tanist: environment variable {name} is no setting and is ignored{hint}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows<S: Section>(resolved: &Resolved<S>) -> Vec<Row> {
    resolved.rows().map(|(key, value, source)| Row { key, value, source: source.to_string() }).collect()
}
