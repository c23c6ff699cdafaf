//! Metrics of a master: the original's gauges (ME-01, ME-02), and its own for Prometheus. All are read from the board and
//! from the published view.

use tanist_core::master::{AppView, MasterView};
use tanist_core::model::{ApplicationState, DriverState, MasterRole, WorkerState};
use tanist_store::clock;
use tanist_web::gauges;
use tanist_web::prometheus::{Exposition, Kind};
use tanist_web::tree::Json;

use crate::handle::MasterHandle;

const WORKER_STATES: [WorkerState; 4] =
    [WorkerState::Alive, WorkerState::Dead, WorkerState::Decommissioned, WorkerState::Unknown];

const ROLES: [MasterRole; 4] = [MasterRole::Standby, MasterRole::Recovering, MasterRole::Alive, MasterRole::Suspended];

/// Of applications that have not ended.
const APP_STATES: [ApplicationState; 4] =
    [ApplicationState::Waiting, ApplicationState::Running, ApplicationState::Unknown, ApplicationState::Unreachable];

/// Of drivers that have not ended.
const DRIVER_STATES: [DriverState; 4] =
    [DriverState::Submitted, DriverState::Running, DriverState::Relaunching, DriverState::Unknown];

/// ME-01: name, help and value of the original's gauges.
fn originals(view: &MasterView) -> [(&'static str, &'static str, usize); 4] {
    let waiting = view.apps.iter().filter(|app| app.state == ApplicationState::Waiting).count();
    [
        ("master.aliveWorkers", "workers that are ALIVE", in_state(view, WorkerState::Alive)),
        ("master.apps", "applications that have not ended", view.apps.len()),
        ("master.waitingApps", "applications without an executor so far", waiting),
        ("master.workers", "workers in any state", view.workers.len()),
    ]
}

/// `/metrics/master/json/` (ME-04).
pub(super) fn master(view: &MasterView) -> Json {
    gauges::document(originals(view).map(|(name, _, value)| (name.to_owned(), value.into())))
}

/// `/metrics/applications/json/` (ME-02): applications that have not ended.
pub(super) fn applications(view: &MasterView) -> Json {
    let gauges = |app: &AppView| {
        let name = |what| format!("application.{}.{}.{what}", app.description.name, app.registered_at.0);
        let runtime = view.taken_at.0.saturating_sub(app.registered_at.0);
        [
            (name("cores"), app.cores_granted.0.into()),
            (name("runtime_ms"), runtime.into()),
            (name("status"), super::json::app_state(app.state).into()),
        ]
    };
    gauges::document(view.apps.iter().flat_map(gauges))
}

/// `/metrics/prometheus/` (ME-05).
pub(super) fn prometheus(handle: &MasterHandle, view: &MasterView) -> String {
    let mut text = Exposition::default();
    for (name, help, value) in originals(view) {
        text.original(name, help, u64::try_from(value).unwrap_or(u64::MAX));
    }
    process(handle, &mut text);
    office(handle, &mut text);
    store(handle, &mut text);
    work(view, &mut text);
    text.finish()
}

fn process(handle: &MasterHandle, text: &mut Exposition) {
    let me = handle.me();
    let labels = [("version", me.version.as_str()), ("component", "master"), ("id", me.id.as_str())];
    text.family(Kind::Gauge, "tanist_build_info", "what runs here; always 1").series(&labels, 1);
    let started = seconds(me.started_at.0);
    text.gauge("process_start_time_seconds", "start of this process, in seconds since 1970", started);
    text.gauge("tanist_loop_waiting", "messages that wait for the master's loop", handle.waiting());
}

fn office(handle: &MasterHandle, text: &mut Exposition) {
    let board = &handle.me().board;
    let leadership = board.leadership().borrow().clone();
    let roles = ROLES.map(|role| (role.name(), usize::from(role == leadership.role)));
    text.gauges(("tanist_master_role", "role"), "1 for the role of this master, 0 for the others", roles);
    let may_act = u8::from(board.may_act());
    text.gauge("tanist_master_may_act", "1 if this master leads and its term may act at this moment", may_act);
    let (generation, epoch) =
        leadership.leader.map_or((0, 0), |leader| (leader.term.generation.0, leader.term.epoch.0));
    text.gauge("tanist_term_generation", "restores of the store that the leader known here counts", generation);
    text.gauge("tanist_term_epoch", "epoch of the leader known here, 0 = none is known", epoch);
    let counts = &board.counts;
    for counted in counts.all() {
        text.counter(&format!("tanist_{}_total", counted.name), counted.help, counted.value);
    }
    let help = "from the beginning of a guarded transaction to its success, further tries included";
    text.histogram("tanist_commit_duration_seconds", help, &counts.commit_times.buckets());
    text.gauge(
        "tanist_effects_waiting",
        "messages and answers that wait for a commit to begin",
        counts.effects_waiting.get(),
    );
    let help = "from the election to the end of the last recovery of this process, 0 = there was none";
    text.gauge("tanist_recovery_duration_seconds", help, seconds(counts.recovery_ms.get()));
}

fn store(handle: &MasterHandle, text: &mut Exposition) {
    let (election, board) = (&handle.me().election, &handle.me().board);
    let troubled = u8::from(election.trouble().borrow().is_some());
    text.gauge("tanist_store_trouble", "1 if something is wrong between this master and the store", troubled);
    let degraded = u8::from(board.degraded().is_some());
    text.gauge("tanist_store_degraded", "1 if the store takes no changes from this leader", degraded);
    if let Some(lease) = election.lease() {
        text.counter("tanist_lease_renewals_total", "renewals of the lease that were acknowledged", lease.renewals);
        text.counter("tanist_lease_failures_total", "tries to renew the lease that came to nothing", lease.failures);
        let left = lease.until.map_or(0.0, |until| (until - clock::mono()).as_secs_f64());
        text.gauge("tanist_lease_left_seconds", "until the local deadline of the lease, 0 = past, or no lease", left);
    }
    if let Some(mirror) = election.mirror() {
        text.gauge("tanist_mirror_records", "records in the copy of the store that is kept beside it", mirror.records);
        text.counter("tanist_mirror_compared_total", "records compared at take-overs", mirror.compared);
        text.counter("tanist_mirror_differences_total", "records that differed from the store", mirror.differences);
    }
}

fn work(view: &MasterView, text: &mut Exposition) {
    let states = WORKER_STATES.map(|state| (state.name(), in_state(view, state)));
    text.gauges(("tanist_workers", "state"), "workers by state", states);
    let connected = view.workers.iter().filter(|worker| worker.connected).count();
    text.gauge("tanist_workers_connected", "workers whose session with this master is open", connected);
    let alive = || view.workers.iter().filter(|worker| worker.state == WorkerState::Alive);
    let sum = |of: fn(&tanist_core::master::WorkerView) -> u64| alive().map(of).fold(0, u64::saturating_add);
    text.gauge("tanist_cores", "cores of workers that are ALIVE", sum(|worker| worker.cores.0.into()));
    text.gauge("tanist_cores_used", "of these, booked", sum(|worker| worker.cores_used.0.into()));
    text.gauge("tanist_memory_bytes", "memory of workers that are ALIVE", sum(|worker| worker.memory.as_bytes()));
    text.gauge("tanist_memory_used_bytes", "of it, booked", sum(|worker| worker.memory_used.as_bytes()));
    let refused = view.workers.iter().map(|worker| worker.refused_commands).fold(0, u64::saturating_add);
    let help = "acts of masters that the workers listed have refused because of their term, since each of them started";
    text.gauge("tanist_workers_refused_commands", help, refused);
    let apps = APP_STATES.map(|state| (state.name(), view.apps.iter().filter(|app| app.state == state).count()));
    text.gauges(("tanist_apps", "state"), "applications that have not ended, by state", apps);
    let executors = view.apps.iter().map(|app| app.executors.len()).sum::<usize>();
    text.gauge("tanist_executors", "executors that have not ended", executors);
    let drivers =
        DRIVER_STATES.map(|state| (state.name(), view.drivers.iter().filter(|driver| driver.state == state).count()));
    text.gauges(("tanist_drivers", "state"), "drivers that have not ended, by state; SUBMITTED is the queue", drivers);
    let missing = [("workers", view.missing.workers), ("apps", view.missing.apps)];
    let help = "known from before a change of leader and not heard of since";
    text.gauges(("tanist_recovery_missing", "kind"), help, missing);
    text.gauge(
        "tanist_quarantined_records",
        "records that could not be read and were put aside",
        view.quarantined.len(),
    );
}

fn in_state(view: &MasterView, state: WorkerState) -> usize {
    view.workers.iter().filter(|worker| worker.state == state).count()
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
