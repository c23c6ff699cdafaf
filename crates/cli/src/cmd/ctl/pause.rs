//! `tanist ctl pause` and `tanist ctl resume`.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tanist_client::ha::{LONGEST_PAUSE, SHORTEST_PAUSE};
use tanist_core::units::parse_duration;

use super::{ask, by, why};
use crate::cmd::Context;
use crate::cmd::client::ClientFlags;
use crate::config::show_duration;
use crate::exit::Failure;
use crate::office::Pause;
use crate::view::time;

/// Pause failover: whatever happens to the leader, nobody takes over
///
/// For work on masters or on etcd. A pause always ends, at the latest after a week; a second one replaces the first.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    /// For how long, 1s to 7d
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    length: Duration,
    /// Why, for whoever meets it
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = why, hide_default_value = true)]
    why: String,
    #[command(flatten)]
    client: ClientFlags,
}

/// End the pause of failover
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    client: ClientFlags,
}

/// What came of it, as JSON.
#[derive(Serialize)]
struct Resumed {
    was_paused: bool,
}

fn length(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).ok().filter(|length| (SHORTEST_PAUSE..=LONGEST_PAUSE).contains(length));
    length.ok_or_else(|| {
        let (shortest, longest) = (show_duration(SHORTEST_PAUSE), show_duration(LONGEST_PAUSE));
        format!("allowed: a duration from {shortest} to {longest}, such as 30min or 2h")
    })
}

pub(super) async fn pause(args: PauseArgs, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &args.client)?;
    let why = if args.why.is_empty() { "no reason given" } else { &args.why };
    let pause = Pause::from(client.pause(&by(), why, args.length).await?);
    output.item(&pause, |pause| {
        let until = time(pause.until_at_ms);
        output.sentences(
            &format!("failover is paused until {until} by {}: {}; end it with: tanist ctl resume", pause.by, pause.why),
            &[],
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(args: &ResumeArgs, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &args.client)?;
    let resumed = Resumed { was_paused: client.resume().await? };
    output.item(&resumed, |resumed| {
        if resumed.was_paused { "failover is not paused any more" } else { "failover was not paused" }.to_owned()
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_an_end() {
        assert_eq!(length("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!((length("1s").is_ok(), length("7d").is_ok()), (true, true));
        for bad in ["999ms", "0s", "8d", "", "ever", "-1s"] {
            let error = length(bad).unwrap_err();
            assert!(error.contains("from 1s to 7d"), "{bad}: {error}");
        }
    }
}
