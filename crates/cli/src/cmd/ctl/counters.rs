//! `tanist ctl counters`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::ask;
use crate::cmd::Context;
use crate::cmd::client::ClientFlags;
use crate::exit::{self, Failure};
use crate::office::Member;
use crate::output::Kind;

/// Show what each master has counted since its process started
///
/// Ends with 6 where no master answers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &args.client)?;
    let picture = ask::picture(&client, 0).await;
    let answering: Vec<&Member> = picture.answering().collect();
    output.item(&json(&answering), |_| {
        let (headings, rows) = table(&answering);
        let headings: Vec<(&str, Kind)> = headings.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        output.grid(&headings, rows.into_iter())
    })?;
    Ok(ExitCode::from(if answering.is_empty() { exit::NO_LEADER } else { 0 }))
}

/// Values by master and by name.
fn json<'a>(members: &[&'a Member]) -> BTreeMap<&'a str, BTreeMap<&'a str, u64>> {
    let of = |member: &'a Member| member.counts.iter().map(|count| (count.name.as_str(), count.value)).collect();
    members.iter().filter_map(|member| Some((member.id.as_deref()?, of(member)))).collect()
}

/// One row per count, in the order in which masters tell them; one column per master.
fn table(members: &[&Member]) -> (Vec<(String, Kind)>, Vec<Vec<String>>) {
    let name = |member: &&Member| (member.id.clone().unwrap_or_else(|| member.address.clone()), Kind::Plain);
    let mut headings = vec![("COUNT".to_owned(), Kind::Plain)];
    headings.extend(members.iter().map(name));
    headings.push(("MEANING".to_owned(), Kind::Words));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for count in members.iter().flat_map(|member| &member.counts) {
        if rows.iter().any(|row| row.first() == Some(&count.name)) {
            continue;
        }
        let value = |member: &&Member| {
            let found = member.counts.iter().find(|other| other.name == count.name);
            found.map_or_else(|| "-".to_owned(), |found| found.value.to_string())
        };
        let mut row = vec![count.name.clone()];
        row.extend(members.iter().map(value));
        row.push(count.help.clone());
        rows.push(row);
    }
    (headings, rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutputFormat;
    use crate::office::Count;
    use crate::output::Output;

    fn member(id: &str, counts: &[(&str, u64)]) -> Member {
        let count = |(name, value): &(&str, u64)| Count {
            name: (*name).to_owned(),
            help: format!("{name} seen"),
            value: *value,
        };
        Member {
            id: Some(id.to_owned()),
            answers: true,
            counts: counts.iter().map(count).collect(),
            ..Member::default()
        }
    }

    #[test]
    fn counts_stand_side_by_side() {
        let (one, two) = (member("m1", &[("terms", 2), ("losses", 1)]), member("m2", &[("losses", 12), ("new", 3)]));
        let (headings, rows) = table(&[&one, &two]);
        let headings: Vec<(&str, Kind)> = headings.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let text = Output::plain(OutputFormat::Table).grid(&headings, rows.into_iter());
        assert_eq!(
            text,
            "COUNT   m1  m2  MEANING\n\
             terms   2   -   terms seen\n\
             losses  1   12  losses seen\n\
             new     -   3   new seen"
        );
        let json = serde_json::to_value(json(&[&one, &two])).unwrap();
        assert_eq!(json["m2"]["losses"], 12);
    }
}
