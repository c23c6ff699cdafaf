//! `tanist ctl history`.

use std::process::ExitCode;

use anyhow::anyhow;

use super::ask;
use crate::cmd::Context;
use crate::cmd::client::ClientFlags;
use crate::exit::Failure;
use crate::office::{TermView, length, span};
use crate::output::Column;
use crate::view::{or_dash, time};

/// Most terms that can be asked for: what the store keeps is less.
const MOST: i64 = 10_000;

/// List the terms that are remembered: who led when, how each began and ended, how its recovery went
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Most terms that are shown, the latest ones
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    limit: u32,
    #[command(flatten)]
    client: ClientFlags,
}

const TERMS: [Column<TermView>; 5] = [
    Column::new("TERM", |term| term.term.clone()),
    Column::new("MASTER", |term| term.master.clone()),
    Column::new("SINCE", |term| time(term.began_at_ms)),
    Column::new("LASTED", |term| or_dash(term.ended_at_ms.map(|at| span(term.began_at_ms, at)).as_ref())),
    Column::words("STORY", story),
];

pub(super) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &args.client)?;
    let picture = ask::picture(&client, args.limit).await;
    if let Some(why) = picture.incomplete.as_ref().filter(|_| picture.history.is_empty()) {
        let text = format!("no master can tell the history: {why}");
        return Err(if picture.leading().is_some() { anyhow!(text).into() } else { Failure::NoLeader(text) });
    }
    if picture.answering().next().is_none() {
        let said =
            picture.members.iter().map(|member| format!("{}: {}", member.address, or_dash(member.error.as_ref())));
        return Err(Failure::NoLeader(format!("no master answers: {}", said.collect::<Vec<_>>().join("; "))));
    }
    output.items(&picture.history, &TERMS)?;
    Ok(ExitCode::SUCCESS)
}

/// How it began, how its recovery went, how it ended.
fn story(term: &TermView) -> String {
    let recovery = term.recovery.as_ref().map(|recovery| {
        let some = |missing: u32, all: u32, one: &str| {
            let s = if all == 1 { "" } else { "s" };
            let missing = if missing == 0 { String::new() } else { format!(" ({missing} missing)") };
            (all > 0).then(|| format!("{all} {one}{s}{missing}"))
        };
        let parts = [
            some(recovery.workers_missing, recovery.workers, "worker"),
            some(recovery.apps_missing, recovery.apps, "application"),
            some(0, recovery.drivers, "driver"),
            (recovery.quarantined > 0).then(|| format!("{} records put aside", recovery.quarantined)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let what = if parts.is_empty() { String::new() } else { format!(", {}", parts.join(", ")) };
        format!("recovered in {}{what}", length(recovery.took_ms))
    });
    let ended = match (&term.ended, term.ended_at_ms) {
        (Some(how), _) => format!("ended: {how}"),
        (None, Some(_)) => "ended".to_owned(),
        (None, None) => "in office".to_owned(),
    };
    let began = (!term.began.is_empty()).then(|| term.began.clone());
    [began, recovery, Some(ended)].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use tanist_proto::v1;

    use super::*;

    fn term(recovery: Option<v1::RecoveryRecord>, ended: Option<&str>) -> TermView {
        TermView::from(v1::TermRecord {
            epoch: 7,
            master_id: "m2".to_owned(),
            began: "m1 was gone".to_owned(),
            ended_at_ms: ended.map(|_| 90_000),
            ended: ended.map(str::to_owned),
            recovery,
            ..v1::TermRecord::default()
        })
    }

    #[test]
    fn a_term_tells_its_story() {
        let all = v1::RecoveryRecord {
            took_ms: 34,
            workers: 4,
            workers_missing: 1,
            apps: 1,
            drivers: 2,
            quarantined: 3,
            ..v1::RecoveryRecord::default()
        };
        assert_eq!(
            story(&term(Some(all), Some("handed over to m1"))),
            "m1 was gone; recovered in 34 ms, 4 workers (1 missing), 1 application, 2 drivers, 3 records put aside; \
             ended: handed over to m1"
        );
        let empty = v1::RecoveryRecord { took_ms: 5, ..v1::RecoveryRecord::default() };
        assert_eq!(story(&term(Some(empty), None)), "m1 was gone; recovered in 5 ms; in office");
        assert_eq!(story(&term(None, None)), "m1 was gone; in office");
    }
}
