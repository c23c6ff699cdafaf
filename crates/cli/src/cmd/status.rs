//! `tanist status [ID]`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use tanist_client::ClientError;
use tanist_core::ids::DriverId;
use tanist_core::time::millis;
use tanist_proto::convert::status::DriverReport;

use super::Context;
use super::client::{Client, ClientFlags, client};
use crate::exit::{self, Failure};
use crate::view::{Cluster, Shown, or_dash, share};

/// A picture of at most this age, in milliseconds, is shown as that of now: a leader that can store changes makes one
/// for whoever asks, within a second.
const CURRENT_MS: u64 = 2_000;

/// Show where a driver stands, or the cluster at a glance
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The driver; without it: the cluster
    id: Option<String>,
    #[command(flatten)]
    client: ClientFlags,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let client = client(context, &args.client)?;
    match args.id {
        Some(id) => driver(&client, &driver_id(&id)?).await,
        None => cluster(&client).await,
    }
}

/// A driver's id as an argument.
///
/// # Errors
/// What is wrong with it.
pub(super) fn driver_id(text: &str) -> Result<DriverId, Failure> {
    DriverId::new(text).map_err(|error| Failure::Usage(format!("argument ID: {error}")))
}

async fn driver(client: &Client, id: &DriverId) -> Result<ExitCode, Failure> {
    let DriverReport { status, age, degraded } = client.cluster.status(id).await?;
    let status = status.ok_or_else(|| ClientError::UnknownDriver { driver: id.clone() })?;
    let age_ms = millis(age);
    client.output.item(&Shown { status: status.into(), age_ms, degraded }, driver_text)?;
    Ok(ExitCode::SUCCESS)
}

fn driver_text(Shown { status, age_ms, degraded }: &Shown) -> String {
    let lines = [
        ("driver", Some(status.id.clone())),
        ("state", Some(status.state.clone())),
        ("attempt", (status.attempt > 0).then(|| status.attempt.to_string())),
        ("worker", status.worker.clone()),
        ("worker address", status.worker_address.clone()),
        ("exit code", status.exit_code.map(|code| code.to_string())),
        ("message", status.message.clone()),
        ("store", degraded.as_deref().map(takes_no_changes)),
        ("as of", (*age_ms > CURRENT_MS).then(|| ago(*age_ms))),
    ];
    let lines: Vec<_> = lines.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    paragraph(&lines)
}

/// A cluster that nobody leads is shown too, but is no success.
async fn cluster(client: &Client) -> Result<ExitCode, Failure> {
    let masters = client.cluster.masters();
    let (state, survey) = tokio::join!(client.cluster.state(), masters.survey());
    let cluster = Cluster::new(state?, survey);
    client.output.item(&cluster, cluster_text)?;
    let leads = matches!(cluster.role.as_str(), "ALIVE" | "RECOVERING");
    Ok(ExitCode::from(if leads { 0 } else { exit::NO_LEADER }))
}

fn cluster_text(cluster: &Cluster) -> String {
    let leader = cluster.leader.as_ref().map_or_else(
        || "none known".to_owned(),
        |leader| format!("{} at {}, epoch {}, {}", leader.master, leader.address, leader.epoch, cluster.role),
    );
    let mut lines = vec![("leader".to_owned(), leader)];
    lines.extend(cluster.masters.iter().map(|master| {
        let standing = or_dash(master.role.as_ref().or(master.error.as_ref()));
        (format!("master {}", or_dash(master.id.as_ref())), format!("{standing} at {}", master.address))
    }));
    if let Some(why) = cluster.degraded.as_deref() {
        lines.push(("store".to_owned(), takes_no_changes(why)));
    }
    if cluster.age_ms > CURRENT_MS {
        lines.push(("as of".to_owned(), ago(cluster.age_ms)));
    }
    lines.push(("workers".to_owned(), counts(&cluster.workers)));
    lines.push(("cores".to_owned(), share(cluster.cores_used, cluster.cores)));
    lines.push(("memory".to_owned(), share(cluster.memory_used_mib, format!("{} MiB", cluster.memory_mib))));
    lines.push(("applications".to_owned(), counts(&cluster.apps)));
    lines.push(("drivers".to_owned(), counts(&cluster.drivers)));
    if cluster.workers_missing + cluster.apps_missing > 0 {
        let missing = format!("{} workers, {} applications", cluster.workers_missing, cluster.apps_missing);
        lines.push(("not yet heard of".to_owned(), missing));
    }
    if !cluster.quarantined.is_empty() {
        lines.push(("put aside".to_owned(), cluster.quarantined.join(", ")));
    }
    paragraph(&lines)
}

fn takes_no_changes(why: &str) -> String {
    format!("takes no changes: {why}")
}

fn ago(age_ms: u64) -> String {
    format!("{} s ago", age_ms / 1000)
}

fn counts(states: &BTreeMap<String, usize>) -> String {
    if states.is_empty() {
        return "none".to_owned();
    }
    states.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

/// Names and values in two columns.
fn paragraph(lines: &[(String, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use tanist_proto::v1;

    use super::*;
    use crate::view::Status;

    #[test]
    fn a_driver_is_told_in_lines_without_what_is_absent() {
        let status = Status {
            id: "driver-1".to_owned(),
            state: "FAILED".to_owned(),
            attempt: 2,
            worker: Some("worker-1".to_owned()),
            worker_address: None,
            exit_code: Some(3),
            message: None,
        };
        let shown = Shown { status, age_ms: 3, degraded: None };
        let text = "driver     driver-1\nstate      FAILED\nattempt    2\nworker     worker-1\nexit code  3";
        assert_eq!(driver_text(&shown), text);
        let old = driver_text(&Shown { age_ms: 9_500, degraded: Some("no room".to_owned()), ..shown });
        assert!(old.ends_with("store      takes no changes: no room\nas of      9 s ago"), "{old}");
    }

    /// A picture of an empty cluster, as its leader sends it.
    fn picture(age_ms: u64, degraded: Option<&str>) -> Cluster {
        let degraded = degraded.map(str::to_owned);
        let role = v1::MasterRole::Alive.into();
        Cluster::new(v1::ClusterState { role, age_ms, degraded, ..v1::ClusterState::default() }, Vec::new())
    }

    #[test]
    fn a_picture_that_is_not_of_now_says_how_old_it_is_and_why() {
        let current = cluster_text(&picture(2_000, None));
        assert!(!current.contains("as of") && !current.contains("store"), "{current}");
        let old = cluster_text(&picture(62_900, Some("no room for the commit: the disk is full")));
        let lines: Vec<&str> = old.lines().collect();
        assert!(lines.contains(&"store         takes no changes: no room for the commit: the disk is full"), "{old}");
        assert!(lines.contains(&"as of         62 s ago"), "{old}");
        let json = serde_json::to_value(picture(5, Some("full"))).unwrap();
        assert_eq!((&json["degraded"], &json["age_ms"]), (&"full".into(), &5.into()));
        assert!(serde_json::to_value(picture(5, None)).unwrap()["degraded"].is_null());
    }

    #[test]
    fn ids_that_cannot_be_are_wrong_usage() {
        for bad in ["", "a b", "a/b"] {
            let failure = driver_id(bad).unwrap_err();
            assert_eq!(failure.code(), exit::USAGE);
            assert!(failure.to_string().contains(&format!("driver id {bad:?} is not valid")), "{failure}");
        }
    }
}
