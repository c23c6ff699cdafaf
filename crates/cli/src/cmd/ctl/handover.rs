//! `tanist ctl switchover` and `tanist ctl step-down`.

use std::process::ExitCode;

use serde::Serialize;
use tanist_client::ha::Switchover;
use tanist_core::ids::MasterId;
use tanist_core::time::millis;

use super::{ask, by, why};
use crate::cmd::Context;
use crate::cmd::client::ClientFlags;
use crate::exit::{FAILED, Failure};
use crate::office::{Office, length};

/// Hand the lead over to another master, and wait until it leads
///
/// What runs goes on; what is under way is acknowledged by the old leader or taken up by the new one. Ends with 3 where the
/// leader refuses, 4 where there is no such master, 6 where nobody leads, before or after.
#[derive(Debug, clap::Args)]
pub(super) struct SwitchoverArgs {
    /// The master that is to lead; without it: whoever is first
    #[arg(long, value_name = "ID", value_parser = MasterId::new)]
    to: Option<MasterId>,
    #[command(flatten)]
    common: Common,
}

/// Have the leader leave, and wait until another one leads
#[derive(Debug, clap::Args)]
pub(super) struct StepDownArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = why, hide_default_value = true)]
    why: String,
    #[command(flatten)]
    client: ClientFlags,
}

/// What came of it, as JSON.
#[derive(Serialize)]
struct Done {
    /// Who led; null = the target led already.
    from: Option<Office>,
    /// Who leads.
    to: Office,
    /// ALIVE or RECOVERING.
    role: String,
    /// Longest time for which nobody led, as seen from here.
    gap_ms: u64,
}

impl From<Switchover> for Done {
    fn from(done: Switchover) -> Self {
        Self {
            from: done.from.as_ref().map(Office::from),
            to: Office::from(&done.to),
            role: done.role.to_string(),
            gap_ms: millis(done.gap),
        }
    }
}

pub(super) async fn switchover(args: SwitchoverArgs, context: &Context) -> Result<ExitCode, Failure> {
    hand_over(args.to, args.common, context).await
}

pub(super) async fn step_down(args: StepDownArgs, context: &Context) -> Result<ExitCode, Failure> {
    hand_over(None, args.common, context).await
}

async fn hand_over(target: Option<MasterId>, common: Common, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &common.client)?;
    let reason = reason(&common.why, &by());
    let done = Done::from(client.switchover(target.as_ref(), &reason).await?);
    output.item(&done, |done| output.sentences(&sentence(done, target.as_ref()), &[]))?;
    let as_wished = target.is_none_or(|target| target.as_str() == done.to.master);
    Ok(ExitCode::from(if as_wished { 0 } else { FAILED }))
}

/// The reason with who gave it: the history has one text for both.
fn reason(why: &str, by: &str) -> String {
    if why.is_empty() { format!("asked by {by}") } else { format!("{why} (asked by {by})") }
}

fn sentence(done: &Done, target: Option<&MasterId>) -> String {
    let Office { master, term, address, .. } = &done.to;
    let Some(from) = &done.from else {
        return format!("{master} leads already, in term {term}; nothing was changed");
    };
    let instead = match target {
        Some(target) if target.as_str() != master => format!(", not {target}: it did not take over in time"),
        _ => String::new(),
    };
    format!(
        "{master} at {address} leads in term {term} and is {}{instead}; {} led in term {} until then; nobody led for {} at most, \
         as seen from here",
        done.role,
        from.master,
        from.term,
        length(done.gap_ms),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn office(master: &str, epoch: u64) -> Office {
        Office {
            master: master.to_owned(),
            address: format!("{master}:7077"),
            cluster: "c".to_owned(),
            term: format!("0.{epoch}"),
            generation: 0,
            epoch,
            nonce: String::new(),
        }
    }

    #[test]
    fn the_outcome_says_who_leads_and_how_long_nobody_did() {
        let done = |from| Done { from, to: office("m2", 8), role: "RECOVERING".to_owned(), gap_ms: 43 };
        let wished = MasterId::new("m2").unwrap();
        let text = "m2 at m2:7077 leads in term 0.8 and is RECOVERING; m1 led in term 0.7 until then; nobody led for 43 ms at \
                    most, as seen from here";
        assert_eq!(sentence(&done(Some(office("m1", 7))), Some(&wished)), text);
        assert_eq!(sentence(&done(Some(office("m1", 7))), None), text);
        let other = MasterId::new("m3").unwrap();
        let text = sentence(&done(Some(office("m1", 7))), Some(&other));
        assert!(text.contains("is RECOVERING, not m3: it did not take over in time; m1 led"), "{text}");
        assert_eq!(sentence(&done(None), Some(&wished)), "m2 leads already, in term 0.8; nothing was changed");
    }

    #[test]
    fn the_history_hears_who_asked() {
        assert_eq!(reason("kernel", "me@h"), "kernel (asked by me@h)");
        assert_eq!(reason("", "me@h"), "asked by me@h");
        let longest = reason(&"x".repeat(super::super::MAX_WHY_BYTES), &"y".repeat(tanist_client::ha::MAX_BY_BYTES));
        assert!(longest.len() <= tanist_client::ha::MAX_WHY_BYTES);
    }
}
