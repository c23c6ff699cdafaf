//! What the leader's books add to the picture.

use tanist_proto::v1::{ClusterState, WorkerState};

/// Who works for the leader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Books {
    /// Workers that are up and heard.
    pub(crate) workers: usize,
    /// Ids of workers that are not given up, but have no open session.
    pub(crate) workers_cut_off: Vec<String>,
    /// The same of live applications.
    pub(crate) apps_cut_off: Vec<String>,
    /// Why the store takes no changes.
    pub(crate) degraded: Option<String>,
}

impl From<ClusterState> for Books {
    fn from(state: ClusterState) -> Self {
        let known = || {
            let up = [WorkerState::Alive, WorkerState::Decommissioned];
            state.workers.iter().filter(move |worker| up.contains(&worker.state()))
        };
        let workers_cut_off = known().filter(|worker| !worker.connected).map(|worker| worker.worker_id.clone());
        let apps_cut_off = state.apps.iter().filter(|app| !app.connected).map(|app| app.app_id.clone());
        Self {
            workers: known().filter(|worker| worker.connected).count(),
            workers_cut_off: workers_cut_off.collect(),
            apps_cut_off: apps_cut_off.collect(),
            degraded: state.degraded.clone(),
        }
    }
}
