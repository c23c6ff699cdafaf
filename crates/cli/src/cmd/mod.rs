//! The subcommands, one file each.

mod auth;
mod client;
mod completions;
mod config;
mod ctl;
mod follow;
mod kill;
mod lists;
mod local;
mod logs;
mod master;
mod pi;
mod properties;
mod secret;
mod status;
mod submit;
mod version;
mod wait;
mod worker;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::{Flags, Layers, Resolved, SharedSettings, Source};
use crate::exit::Failure;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// File and environment, for the command's own settings.
    pub(crate) layers: Layers,
    /// Settings of every command.
    pub(crate) shared: Resolved<SharedSettings>,
}

impl Context {
    /// With these flags on top.
    ///
    /// # Errors
    /// Settings that are not allowed.
    pub(crate) fn new(layers: Layers, flags: &Flags<SharedSettings>) -> Result<Self, Failure> {
        let shared = layers.resolve(flags)?;
        Ok(Self { layers, shared })
    }

    /// The configuration file and the log settings of this process, for those it starts; variables they inherit.
    pub(crate) fn arguments_for_children(&self) -> Vec<String> {
        let file = self.layers.file.iter().map(|file| ("config", file.path().display().to_string()));
        let flags = self.shared.rows().filter_map(|(_, value, source)| match source {
            Source::Flag(flag) => Some((flag.as_str(), value)),
            Source::Default | Source::Spark(_) | Source::Variable(_) | Source::File { .. } => None,
        });
        file.chain(flags).flat_map(|(flag, value)| [format!("--{flag}"), value]).collect()
    }

    /// Tells of variables that look like settings and are none; they are ignored.
    pub(crate) fn warn_of_unknown_variables(&self) {
        for (variable, nearest) in self.layers.unknown_variables() {
            tracing::warn!(variable, did_you_mean = nearest, "environment variable is no setting and is ignored");
        }
    }
}

/// What to do. Each is described at its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Master(master::Args),
    Worker(worker::Args),
    Local(local::Args),
    Submit(submit::Args),
    Status(status::Args),
    Kill(kill::Args),
    Logs(logs::Args),
    /// List applications: the live ones, then those that have ended
    Apps(lists::Args),
    /// List drivers: the live ones, then those that have ended
    Drivers(lists::Args),
    /// List workers
    Workers(lists::Args),
    Ctl(ctl::Args),
    Pi(pi::Args),
    #[command(hide = true)]
    PiExecutor(pi::ExecutorArgs),
    Config(config::Args),
    Completions(completions::Args),
    Version(version::Args),
}

impl Command {
    /// What is logged unless somebody says otherwise: long-running processes tell their story, commands only trouble.
    pub(crate) fn log_filter(&self) -> &'static str {
        match self {
            Self::Master(_) | Self::Worker(_) => "info",
            Self::Local(_)
            | Self::Submit(_)
            | Self::Status(_)
            | Self::Kill(_)
            | Self::Logs(_)
            | Self::Apps(_)
            | Self::Drivers(_)
            | Self::Workers(_)
            | Self::Ctl(_)
            | Self::Pi(_)
            | Self::PiExecutor(_)
            | Self::Version(_)
            | Self::Config(_)
            | Self::Completions(_) => "warn",
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// Why it could not be done, which also says with which code this process ends.
    pub(crate) async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Master(args) => master::run(args, context).await,
            Self::Worker(args) => worker::run(args, context).await,
            Self::Local(args) => local::run(args, context).await,
            Self::Submit(args) => submit::run(args, context).await,
            Self::Status(args) => status::run(args, context).await,
            Self::Kill(args) => kill::run(args, context).await,
            Self::Logs(args) => logs::run(args, context).await,
            Self::Apps(args) => lists::apps(args, context).await,
            Self::Drivers(args) => lists::drivers(args, context).await,
            Self::Workers(args) => lists::workers(args, context).await,
            Self::Ctl(args) => ctl::run(args, context).await,
            Self::Pi(args) => pi::run(args, context).await,
            Self::PiExecutor(args) => Ok(pi::run_executor(args).await),
            Self::Version(args) => version::run(&args, context),
            Self::Config(args) => config::run(args, context),
            Self::Completions(args) => completions::run(&args),
        }
    }
}
