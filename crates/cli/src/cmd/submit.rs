//! `tanist submit`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use tanist_core::model::{Amounts, Command, DriverDescription, OnIsolation, Program};
use tanist_core::units::{Cores, Memory};

use super::Context;
use super::client::{ClientFlags, client};
use super::wait::{Waited, wait_for_end};
use crate::exit::Failure;
use crate::output::note;
use crate::signals::EndRequests;
use crate::view::Status;

/// Run a program as a driver and wait for its end
///
/// Ends with the exit code of the program, 128 + n where signal n ended it, 1 where it could not be run. Ctrl-C while
/// waiting leaves the driver alone and says how to end it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) driver: Driver,
    /// Print the driver's id and do not wait
    #[arg(long)]
    detach: bool,
    /// Show its output while it runs
    #[arg(long, short = 'f', conflicts_with = "detach")]
    follow: bool,
    /// The program with its arguments, after `--`
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

/// What the driver needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Driver {
    /// Cores booked on its worker
    #[arg(long, short = 'c', default_value = "1", value_parser = Cores::parse)]
    cores: Cores,
    /// Memory booked on its worker, with its unit: 512m, 4g
    #[arg(long, short = 'm', default_value = "1g", value_parser = Memory::parse)]
    memory: Memory,
    /// Start it again after every failure and after the loss of its worker
    #[arg(long)]
    supervise: bool,
    /// What its worker does with it when no master can be reached for long
    #[arg(long, value_enum, default_value = "continue")]
    on_isolation: Isolation,
    /// File that its worker fetches before the start: a path there, or a file:, http: or https: URL
    #[arg(long, value_name = "URL")]
    artifact: Option<String>,
    /// Custom resource booked on its worker, such as gpu=1; may be repeated
    #[arg(long = "resource", value_name = "NAME=AMOUNT", value_parser = amount)]
    resources: Vec<(String, u32)>,
    /// Environment variable for the program; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    environment: Vec<(String, String)>,
}

/// The words for [`OnIsolation`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Isolation {
    /// Lets it run: a second copy may be started elsewhere meanwhile
    Continue,
    /// Ends it in time: at most one copy ever runs
    Kill,
}

impl Driver {
    /// The description of a driver that runs this program. The list is never empty: the flag is required.
    pub(super) fn description(self, command: Vec<String>) -> DriverDescription {
        let mut words = command.into_iter();
        let program = Program::Executable(words.next().unwrap_or_default());
        let environment: BTreeMap<String, String> = self.environment.into_iter().collect();
        DriverDescription {
            artifact: self.artifact,
            memory: self.memory,
            cores: self.cores,
            supervise: self.supervise,
            command: Command { program, arguments: words.collect(), environment },
            resources: Amounts::new(self.resources),
            on_isolation: match self.on_isolation {
                Isolation::Continue => OnIsolation::Continue,
                Isolation::Kill => OnIsolation::Kill,
            },
        }
    }
}

fn amount(text: &str) -> Result<(String, u32), String> {
    let parsed = text.split_once('=').and_then(|(name, amount)| Some((name, amount.parse().ok()?)));
    match parsed {
        Some((name, amount)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
            Ok((name.to_owned(), amount))
        }
        _ => Err("allowed: a name and a whole number, such as gpu=1".to_owned()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.to_owned(), value.to_owned())),
        _ => Err("allowed: a name and a value, such as HOME=/tmp".to_owned()),
    }
}

/// A driver that nobody waits for, as JSON.
#[derive(Serialize)]
struct Submitted {
    id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let client = client(context, &args.client)?;
    let mut end_requests = EndRequests::listen()?;
    let description = args.driver.description(args.command);
    let id = tokio::select! {
        biased;
        id = client.cluster.submit(&description) => id?,
        request = end_requests.next() => {
            note("nobody has told yet whether this driver is accepted: look for it with: tanist drivers");
            return Ok(ExitCode::from(request.code()));
        }
    };
    if args.detach {
        client.output.item(&Submitted { id: id.to_string() }, |submitted| submitted.id.clone())?;
        return Ok(ExitCode::SUCCESS);
    }
    match wait_for_end(&client.cluster, &id, args.follow, &mut end_requests).await? {
        Waited::Ended(status) => {
            let code = super::wait::exit_code(&status);
            if !client.output.is_table() {
                client.output.item(&Status::from(status), |_| String::new())?;
            }
            Ok(code)
        }
        Waited::Asked(request) => {
            note(&format!(
                "driver {id} goes on without this command; see it with: tanist status {id}; end it with: tanist kill {id}"
            ));
            Ok(ExitCode::from(request.code()))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Cli;
    use crate::cmd;

    fn parse(words: &[&str]) -> Result<DriverDescription, clap::Error> {
        let cli = Cli::try_parse_from([&["tanist", "submit"], words].concat())?;
        match cli.command {
            cmd::Command::Submit(args) => Ok(args.driver.description(args.command)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_driver_is_described_by_its_flags() {
        let words = "--cores 2 -m 512m --supervise --on-isolation kill --artifact http://h/a.sh --resource gpu=1 \
                     --env A=b=c -- sh -c x --cores";
        let driver = parse(&words.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!((driver.cores, driver.memory), (Cores(2), Memory::mib(512)));
        assert!(driver.supervise);
        assert_eq!(driver.on_isolation, OnIsolation::Kill);
        assert_eq!(driver.artifact.as_deref(), Some("http://h/a.sh"));
        assert_eq!(driver.resources.of("gpu"), 1);
        assert_eq!(driver.command.environment.get("A").map(String::as_str), Some("b=c"));
        assert_eq!(driver.command.program, Program::Executable("sh".to_owned()));
        assert_eq!(driver.command.arguments, ["-c", "x", "--cores"], "what is behind -- is not ours");
    }

    #[test]
    fn bad_input_is_wrong_usage_that_names_flag_value_and_what_is_allowed() {
        let table: [(&[&str], &[&str]); 8] = [
            (&["--memory", "512", "--", "x"], &["--memory", "'512'", "at least 1 MiB with its unit"]),
            (&["--memory", "1023k", "--", "x"], &["--memory", "'1023k'", "at least 1 MiB"]),
            (&["--cores", "0", "--", "x"], &["--cores", "'0'", "at least 1"]),
            (&["--resource", "gpu", "--", "x"], &["--resource", "'gpu'", "gpu=1"]),
            (&["--env", "=1", "--", "x"], &["--env", "'=1'", "HOME=/tmp"]),
            (&["--on-isolation", "stop", "--", "x"], &["--on-isolation", "'stop'", "continue, kill"]),
            (&[], &["<PROGRAM>", "required"]),
            (&["--detach", "--follow", "--", "x"], &["--detach", "--follow", "cannot be used with"]),
        ];
        for (words, wanted) in table {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
            for part in wanted {
                assert!(error.to_string().contains(part), "{words:?}: {part:?} is missing in {error}");
            }
        }
    }
}
