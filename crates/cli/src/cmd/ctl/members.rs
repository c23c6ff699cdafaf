//! `tanist ctl members`.

use std::process::ExitCode;

use super::ask;
use crate::cmd::Context;
use crate::cmd::client::ClientFlags;
use crate::exit::{self, Failure};
use crate::office::{Member, span};
use crate::output::{Column, Output};
use crate::view::or_dash;

/// List the masters: those the store knows, those that are configured, and what each says of itself
///
/// The leader is marked with *. Ends with 6 where no master answers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    client: ClientFlags,
}

/// A member at some moment.
struct Row {
    member: Member,
    now_ms: u64,
}

const COLUMNS: [Column<Row>; 8] = [
    Column::new("", |row| if row.member.leads { "*".to_owned() } else { String::new() }),
    Column::new("MASTER", |row| or_dash(row.member.id.as_ref())),
    Column::new("ADDRESS", |row| row.member.address.clone()),
    Column::state("ROLE", |row| or_dash(row.member.role.as_ref())),
    Column::new("UP FOR", |row| or_dash(row.member.started_at_ms.map(|at| span(at, row.now_ms)).as_ref())),
    Column::new("VERSION", |row| or_dash(row.member.version.as_ref())),
    Column::new("MIRROR", |row| mirror(&row.member)),
    Column::words("ANSWERS", |row| answers(&row.member)),
];

pub(super) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &args.client)?;
    let picture = ask::picture(&client, 0).await;
    output.item(&picture.members, |members| table(output, members, picture.now_ms))?;
    let heard = picture.answering().next().is_some();
    Ok(ExitCode::from(if heard { 0 } else { exit::NO_LEADER }))
}

fn table(output: Output, members: &[Member], now_ms: u64) -> String {
    let rows: Vec<Row> = members.iter().cloned().map(|member| Row { member, now_ms }).collect();
    output.table(&rows, &COLUMNS)
}

/// `30 at 112`: records, and the revision up to which they are complete.
fn mirror(member: &Member) -> String {
    let Some(mirror) = &member.mirror else { return "-".to_owned() };
    let complete = format!("{} at {}", mirror.records, mirror.revision);
    if mirror.differences == 0 { complete } else { format!("{complete}, {} wrong", mirror.differences) }
}

fn answers(member: &Member) -> String {
    let mut text = match (&member.error, member.answers) {
        (_, true) => "yes".to_owned(),
        (Some(error), false) => format!("no: {error}"),
        (None, false) => "no".to_owned(),
    };
    if member.configured.is_empty() {
        text.push_str(", not configured");
    }
    if member.answers && member.member == Some(false) {
        text.push_str(", not a member");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutputFormat;
    use crate::office::Mirror;

    fn member(id: Option<&str>, address: &str) -> Member {
        let configured = vec![address.to_owned()];
        Member { id: id.map(str::to_owned), address: address.to_owned(), configured, ..Member::default() }
    }

    #[test]
    fn members_are_as_people_read_them() {
        let mirror = Mirror { records: 30, revision: 112, compared: 60, differences: 2 };
        let rows = [
            Member {
                leads: true,
                answers: true,
                role: Some("ALIVE".to_owned()),
                version: Some("0.1.0".to_owned()),
                started_at_ms: Some(0),
                ..member(Some("m1"), "h1:7077")
            },
            Member {
                answers: true,
                member: Some(false),
                role: Some("STANDBY".to_owned()),
                mirror: Some(mirror),
                configured: Vec::new(),
                ..member(Some("m2"), "h2:7077")
            },
            Member { error: Some("connection refused".to_owned()), ..member(None, "h3:7077") },
        ];
        let table = table(Output::plain(OutputFormat::Table), &rows, 7_260_000);
        assert_eq!(
            table.lines().map(str::trim_end).collect::<Vec<_>>(),
            [
                "   MASTER  ADDRESS  ROLE     UP FOR     VERSION  MIRROR              ANSWERS",
                "*  m1      h1:7077  ALIVE    2 h 1 min  0.1.0    -                   yes",
                "   m2      h2:7077  STANDBY  -          -        30 at 112, 2 wrong  yes, not configured, not a member",
                "   -       h3:7077  -        -          -        -                   no: connection refused",
            ]
        );
    }
}
