//! `tanist`, the one binary: masters, workers, and the commands that ask them.

mod cmd;
mod config;
mod daemon;
mod exit;
mod host;
mod local;
mod office;
mod output;
mod signals;
mod telemetry;
mod view;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tanist_worker::runner::keeper;

use crate::cmd::Command;
use crate::config::{ConfigFile, Environment, Flags, Layers, SharedSettings};
use crate::exit::Failure;

const AFTER_HELP: &str = "\
Settings are taken from flags, then from TANIST_… environment variables, then from the file named by --config or \
TANIST_CONFIG, then, for masters and workers, from Spark's own configuration, then from defaults; `tanist config show` tells which came from where.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 not found, 5 outcome unknown, 6 no leader. Commands that run a program \
end with its exit code.";

/// A highly available cluster manager: masters elect a leader, workers run drivers and executors.
#[derive(Debug, Parser)]
#[command(name = "tanist", version, after_help = AFTER_HELP, max_term_width = 120)]
pub(crate) struct Cli {
    /// Configuration file, TOML [env: TANIST_CONFIG]
    #[arg(long, value_name = "FILE", global = true, help_heading = config::GENERAL)]
    config: Option<PathBuf>,
    #[command(flatten)]
    shared: Flags<SharedSettings>,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before anything starts a thread: these two become, or look after, other programs.
    match arguments.get(1).and_then(|first| first.to_str()) {
        Some(keeper::KEEP_SUBCOMMAND) => return keeper::main_keep(),
        Some(keeper::EXEC_SUBCOMMAND) => return keeper::main_exec(),
        _ => {}
    }
    run(arguments).unwrap_or_else(|failure| {
        output::note(&format!("tanist: {failure}"));
        ExitCode::from(failure.code())
    })
}

fn run(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let cli = Cli::parse_from(all_text(arguments)?);
    let context = cmd::Context::new(layers(cli.config)?, &cli.shared)?;
    telemetry::start(&context.shared, cli.command.log_filter())?;
    let _ordered_faults = tanist_store::failpoint::setup();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let outcome = runtime.block_on(cli.command.run(&context));
    // Tasks of an executor that was told to stop may still run on their threads; nobody waits for them.
    runtime.shutdown_background();
    outcome
}

/// Arguments travel to workers as text, and settings are text: what is not UTF-8 is refused, all in one place.
fn all_text(arguments: Vec<OsString>) -> Result<Vec<String>, Failure> {
    let text = |(position, argument): (usize, OsString)| {
        argument.into_string().map_err(|raw| {
            let shown = raw.as_bytes().escape_ascii();
            Failure::Usage(format!("argument {position}, \"{shown}\", is not allowed; allowed: UTF-8 text"))
        })
    };
    arguments.into_iter().enumerate().map(text).collect()
}

fn layers(flag: Option<PathBuf>) -> Result<Layers, Failure> {
    let env = Environment::of_this_process();
    let path = match (flag, env.get("TANIST_CONFIG")) {
        (Some(path), _) => Some(path),
        (None, Some(Ok(path))) => Some(PathBuf::from(path)),
        (None, Some(Err(raw))) => {
            return Err(Failure::Usage(format!("TANIST_CONFIG = {raw:?} is not allowed; allowed: UTF-8 text")));
        }
        (None, None) => None,
    };
    let layers = Layers { file: path.as_deref().map(ConfigFile::read).transpose()?, env, ..Layers::default() };
    layers.check_file()?;
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_that_are_no_text_are_wrong_usage() {
        let arguments = vec!["tanist".into(), "submit".into(), OsString::from_vec(vec![b'a', 0xff])];
        let failure = all_text(arguments).unwrap_err();
        assert_eq!(failure.code(), exit::USAGE);
        assert_eq!(failure.to_string(), "argument 2, \"a\\xff\", is not allowed; allowed: UTF-8 text");
    }
}
