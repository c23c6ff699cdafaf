//! `tanist ctl …`: what operators look at and change.

mod ask;
mod counters;
mod drain;
mod explain;
mod handover;
mod history;
mod members;
mod pause;

use std::fs;
use std::process::ExitCode;

use clap::Subcommand;

use super::Context;
use crate::exit::Failure;
use crate::host;

/// Look at the masters, change who leads, and drain workers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

/// Each is described at its arguments.
#[derive(Debug, Subcommand)]
enum Action {
    Explain(explain::Args),
    Members(members::Args),
    History(history::Args),
    Switchover(handover::SwitchoverArgs),
    StepDown(handover::StepDownArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Drain(drain::Args),
    Counters(counters::Args),
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    match args.action {
        Action::Explain(args) => explain::run(&args, context).await,
        Action::Members(args) => members::run(&args, context).await,
        Action::History(args) => history::run(&args, context).await,
        Action::Switchover(args) => handover::switchover(args, context).await,
        Action::StepDown(args) => handover::step_down(args, context).await,
        Action::Pause(args) => pause::pause(args, context).await,
        Action::Resume(args) => pause::resume(&args, context).await,
        Action::Drain(args) => drain::run(&args, context).await,
        Action::Counters(args) => counters::run(&args, context).await,
    }
}

/// Longest reason that is taken, in bytes: with the name of who asks it stays below what masters take.
const MAX_WHY_BYTES: usize = 512;

/// A reason as it goes into the history.
fn why(text: &str) -> Result<String, String> {
    if text.len() <= MAX_WHY_BYTES && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("allowed: at most {MAX_WHY_BYTES} bytes of text in one line"))
}

/// Who asks, as far as this process knows: `user@host`.
fn by() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = fs::read_to_string(USERS).unwrap_or_default();
    let user = name_of(uid, &users).map_or_else(|| format!("uid-{uid}"), str::to_owned);
    format!("{user}@{}", host::name())
}

/// Where users have their names. One that is not in it, as from a directory service, is told by number.
const USERS: &str = "/etc/passwd";

/// Longest user name that is taken: the system's own limit is below it.
const MAX_USER_BYTES: usize = 64;

/// The name in a line such as `root:x:0:0:…`.
fn name_of(uid: u32, users: &str) -> Option<&str> {
    let is_it = |line: &&str| line.split(':').nth(2) == Some(uid.to_string().as_str());
    let name = users.lines().find(is_it)?.split(':').next()?;
    ((1..=MAX_USER_BYTES).contains(&name.len()) && !name.contains(|c: char| c.is_whitespace() || c.is_control()))
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_limited_length() {
        assert_eq!(why("kernel 6.1 → 6.6"), Ok("kernel 6.1 → 6.6".to_owned()));
        assert_eq!(why(""), Ok(String::new()));
        for bad in ["a\nb", "\u{1b}[31m", &"x".repeat(513)] {
            assert_eq!(why(bad), Err("allowed: at most 512 bytes of text in one line".to_owned()));
        }
    }

    #[test]
    fn who_asks_has_a_name_and_a_host() {
        let by = by();
        let (user, host) = by.split_once('@').unwrap();
        assert!(!user.is_empty() && !host.is_empty(), "{by}");
        assert!(by.len() <= tanist_client::ha::MAX_BY_BYTES);
        let users = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n:x:7:\na b:x:8:\n";
        let names = [0, 1000, 1, 7, 8].map(|uid| name_of(uid, users));
        assert_eq!(names, [Some("root"), Some("ann"), None, None, None]);
    }
}
