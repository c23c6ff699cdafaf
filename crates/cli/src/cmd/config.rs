//! `tanist config check FILE` and `tanist config show`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::config::{
    ClientSettings, ClusterSettings, ConfigFile, Environment, Flags, Layers, MasterSettings, Resolved, Section,
    WorkerSettings,
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
        Action::Show { client } => show(context, &client),
    }
}

fn check(file: &Path) -> Result<ExitCode, Failure> {
    let layers = Layers { file: Some(ConfigFile::read(file)?), env: Environment::default() };
    layers.check_file()?;
    let keys = layers.file.as_ref().map_or(0, ConfigFile::len);
    output::print(&format!("{}: {keys} settings, all of them good", file.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, client: &Flags<ClientSettings>) -> Result<ExitCode, Failure> {
    let client = context.layers.resolve(client)?;
    let mut all = rows(&context.shared);
    all.extend(rows(&context.layers.resolve::<ClusterSettings>(&Flags::default())?));
    all.extend(rows(&client));
    all.extend(rows(&context.layers.resolve::<MasterSettings>(&Flags::default())?));
    all.extend(rows(&context.layers.resolve::<WorkerSettings>(&Flags::default())?));
    Output::new(client.settings.output).items(&all, &COLUMNS)?;
    for (name, nearest) in context.layers.unknown_variables() {
        let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
        output::note(&format!("tanist: environment variable {name} is no setting and is ignored{hint}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn rows<S: Section>(resolved: &Resolved<S>) -> Vec<Row> {
    resolved.rows().map(|(key, value, source)| Row { key, value, source: source.to_string() }).collect()
}
