//! `tanist pi`, the example application, and the hidden subcommand under which this program is one of its executors.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tanist_client::MasterList;
use tanist_client::pi::{self, PiOptions};
use tanist_core::units::{Cores, Memory, parse_duration};

use super::Context;
use super::client::masters;
use crate::config::{ClusterSettings, Flags};
use crate::exit::{self, Failure};
use crate::host;
use crate::output::note;

/// Estimate π on the cluster: an example application, and a probe
///
/// Registers an application, gets executors, gives them tasks, asks for more of them and for fewer, and prints the
/// result. Survives the loss of executors and of leaders. Run it as a driver (tanist submit -- tanist pi) or from
/// anywhere that masters and workers can reach.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Executors at most
    #[arg(long, value_name = "N", default_value_t = 4)]
    executors: u32,
    /// Tasks
    #[arg(long, value_name = "N", default_value_t = 40)]
    slices: u32,
    /// Points per task
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    samples: u64,
    /// How long each task takes at least, in milliseconds
    #[arg(long, value_name = "MS", default_value = "0", value_parser = millis)]
    task_millis: Duration,
    /// Cores of each executor: tasks that it runs at a time
    #[arg(long, value_name = "N", default_value = "1", value_parser = Cores::parse)]
    executor_cores: Cores,
    /// Memory of each executor, with its unit
    #[arg(long, value_name = "SIZE", default_value = "128m", value_parser = Memory::parse)]
    executor_memory: Memory,
    /// Keep all executors from the first task to the last
    #[arg(long)]
    steady: bool,
    /// Name or address by which masters and executors reach this program; unset: 127.0.0.1 if all masters are there,
    /// else this host's name
    #[arg(long)]
    host: Option<String>,
    #[command(flatten)]
    cluster: Flags<ClusterSettings>,
}

fn millis(text: &str) -> Result<Duration, String> {
    let millis = text.parse().map(Duration::from_millis).ok();
    millis.or_else(|| parse_duration(text).ok()).ok_or_else(|| "allowed: a whole number of milliseconds".to_owned())
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let masters = masters(context, &args.cluster)?;
    let options = PiOptions {
        slices: args.slices,
        samples: args.samples,
        task_time: args.task_millis,
        executors: args.executors,
        executor_cores: args.executor_cores,
        executor_memory: args.executor_memory,
        steady: args.steady,
        host: args.host.unwrap_or_else(|| reachable_host(&masters)),
        ..PiOptions::new(masters)
    };
    pi::run(options, &mut io::stdout()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Where masters are that all are on this host, executors are too.
fn reachable_host(masters: &MasterList) -> String {
    const LOOPBACK: &str = "127.0.0.1";
    let local = |address: &String| address.starts_with("127.") || address.starts_with("localhost:");
    if masters.addresses().iter().all(local) { LOOPBACK.to_owned() } else { host::name() }
}

/// Be an executor of `pi`: what a worker gives it to start with (ERN-08)
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct ExecutorArgs {
    /// For the library, as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Is an executor. Its tasks may still run on their threads when this returns; nobody waits for them.
pub(crate) async fn run_executor(args: ExecutorArgs) -> ExitCode {
    let ended = pi::run_executor(args.arguments).await;
    note(&ended.to_string());
    exit::of_program(ended.code)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Cli;
    use crate::cmd::Command;

    #[test]
    fn an_executor_s_arguments_reach_the_library_as_they_are() {
        let words = ["--driver-url", "h:1", "--executor-id", "0", "--cores", "1", "--log", "x", "--help"];
        let cli = Cli::try_parse_from([&["tanist", pi::EXECUTOR_COMMAND], words.as_slice()].concat()).unwrap();
        match cli.command {
            Command::PiExecutor(args) => assert_eq!(args.arguments, words),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn local_masters_mean_a_local_driver() {
        let host = |text| reachable_host(&MasterList::parse("masters", text).unwrap());
        assert_eq!(host("127.0.0.1:1,localhost:2"), "127.0.0.1");
        assert_eq!(host("127.0.0.1:1,m2:2"), host::name());
    }
}
