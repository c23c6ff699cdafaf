//! `tanist ctl …`: what operators look at and change.

mod ask;
mod counters;
mod explain;
mod handover;
mod history;
mod members;
mod pause;

use std::process::ExitCode;

use clap::Subcommand;

use super::Context;
use crate::exit::Failure;
use crate::host;

/// Look at the masters, and change who leads
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
    let name = |variable| std::env::var(variable).ok().filter(|name| is_name(name));
    let user = name("USER").or_else(|| name("LOGNAME"));
    let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    format!("{user}@{}", host::name())
}

/// Longest user name that is believed.
const MAX_USER_BYTES: usize = 64;

fn is_name(text: &str) -> bool {
    (1..=MAX_USER_BYTES).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
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
        assert!(is_name(user) && !host.is_empty(), "{by}");
        assert!(by.len() <= tanist_client::ha::MAX_BY_BYTES);
    }
}
