//! `tanist ctl drain`.

use std::process::ExitCode;

use serde::Serialize;
use tanist_proto::v1::{WorkerState, WorkerView};

use crate::cmd::Context;
use crate::cmd::client::{ClientFlags, client};
use crate::exit::Failure;

/// Give workers nothing new: what runs there goes on
///
/// For hosts that are to go. Applications may get other executors for those that run there. It lasts across changes of
/// leader; a worker that is started again takes work again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Hosts, with all workers on them, or workers by their ids
    #[arg(required = true, value_name = "WORKER-OR-HOST")]
    targets: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

/// What came of it, as JSON.
#[derive(Serialize)]
struct Drained {
    hosts: Vec<String>,
    /// How many workers there are on these hosts, drained before or now.
    workers: u32,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let client = client(context, &args.client)?;
    let state = client.cluster.state().await?;
    let hosts = hosts(&args.targets, &state.workers)?;
    let drained = Drained { workers: client.cluster.decommission(&hosts).await?, hosts };
    client.output.item(&drained, |drained| {
        format!("workers that get nothing new on {}: {}", drained.hosts.join(", "), drained.workers)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The hosts that are meant. Whole hosts are decommissioned, so that a worker must not have a neighbour that nobody named.
///
/// # Errors
/// A target that is no worker and no host of one, or a worker with such a neighbour.
fn hosts(targets: &[String], workers: &[WorkerView]) -> Result<Vec<String>, Failure> {
    let workers: Vec<&WorkerView> = workers.iter().filter(|worker| worker.state() != WorkerState::Dead).collect();
    let names_host = |worker: &WorkerView| targets.iter().any(|target| target.eq_ignore_ascii_case(&worker.host));
    let is_named = |worker: &WorkerView| targets.contains(&worker.worker_id) || names_host(worker);
    let mut hosts: Vec<String> = Vec::new();
    for target in targets {
        let meant = |worker: &&&WorkerView| worker.worker_id == *target || worker.host.eq_ignore_ascii_case(target);
        let Some(worker) = workers.iter().find(meant) else {
            return Err(Failure::NotFound(format!(
                "{target} is no worker and no host of one; look with: tanist workers"
            )));
        };
        if let Some(other) = workers.iter().find(|other| other.host == worker.host && !is_named(other)) {
            return Err(Failure::Refused(format!(
                "{target} is on host {}, and so is worker {}, which nobody named; name the host to drain them all",
                worker.host, other.worker_id
            )));
        }
        if !hosts.contains(&worker.host) {
            hosts.push(worker.host.clone());
        }
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: &str, host: &str) -> WorkerView {
        WorkerView { worker_id: id.to_owned(), host: host.to_owned(), ..WorkerView::default() }
    }

    fn found(targets: &[&str]) -> Result<Vec<String>, Failure> {
        let mut gone = worker("w9", "h9");
        gone.set_state(WorkerState::Dead);
        let workers = [worker("w1", "h1"), worker("w2", "h2"), worker("w3", "h2"), gone];
        hosts(&targets.iter().map(|&target| target.to_owned()).collect::<Vec<_>>(), &workers)
    }

    #[test]
    fn dc_05_workers_and_hosts_are_found_by_their_names() {
        assert_eq!(found(&["w1"]).unwrap(), ["h1"]);
        assert_eq!(found(&["H2"]).unwrap(), ["h2"], "with both of its workers");
        assert_eq!(found(&["w3", "w2", "h1"]).unwrap(), ["h2", "h1"]);
    }

    #[test]
    fn what_nobody_named_is_not_drained() {
        let refused = found(&["w1", "w2"]).unwrap_err();
        assert_eq!(refused.code(), crate::exit::REFUSED);
        assert!(refused.to_string().contains("w2 is on host h2, and so is worker w3"), "{refused}");
        for gone in ["w9", "h9", "h"] {
            let failure = found(&[gone]).unwrap_err();
            assert_eq!(failure.code(), crate::exit::NOT_FOUND);
            assert!(failure.to_string().starts_with(&format!("{gone} is no worker")), "{failure}");
        }
    }
}
