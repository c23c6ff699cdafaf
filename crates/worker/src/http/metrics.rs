//! Metrics of a worker: the original's gauges (ME-03), and its own for Prometheus.

use tanist_core::worker::{RunPhase, WorkerStatus};
use tanist_web::gauges;
use tanist_web::prometheus::{Exposition, Kind};
use tanist_web::tree::Json;

/// Phases of what has not ended, and how they are called.
const PHASES: [(RunPhase, &str); 6] = [
    (RunPhase::Blocked, "BLOCKED"),
    (RunPhase::Preparing, "PREPARING"),
    (RunPhase::Starting, "STARTING"),
    (RunPhase::Running, "RUNNING"),
    (RunPhase::WaitingToRestart, "WAITING_TO_RESTART"),
    (RunPhase::Ending, "ENDING"),
];

/// ME-03: name, help and value.
fn originals(status: &WorkerStatus) -> [(&'static str, &'static str, u64); 5] {
    let executors = u64::try_from(status.executors.len()).unwrap_or(u64::MAX);
    [
        ("worker.coresFree", "cores that are not booked", status.cores.minus(status.cores_used).0.into()),
        ("worker.coresUsed", "cores booked", status.cores_used.0.into()),
        ("worker.executors", "executors that have not ended", executors),
        ("worker.memFree_MB", "memory that is not booked, in MiB", status.memory.minus(status.memory_used).as_mib()),
        ("worker.memUsed_MB", "memory booked, in MiB", status.memory_used.as_mib()),
    ]
}

/// `/metrics/json/` (ME-04).
pub(super) fn document(status: &WorkerStatus) -> Json {
    gauges::document(originals(status).map(|(name, _, value)| (name.to_owned(), value.into())))
}

/// `/metrics/prometheus/` (ME-05).
pub(super) fn prometheus(status: &WorkerStatus) -> String {
    let mut text = Exposition::default();
    for (name, help, value) in originals(status) {
        text.original(name, help, value);
    }
    let labels = [("version", env!("CARGO_PKG_VERSION")), ("component", "worker"), ("id", status.id.as_str())];
    text.family(Kind::Gauge, "tanist_build_info", "what runs here; always 1").series(&labels, 1);
    following(status, &mut text);
    offer(status, &mut text);
    runs(status, &mut text);
    text.finish()
}

fn following(status: &WorkerStatus, text: &mut Exposition) {
    let connected = u8::from(status.following.is_connected());
    text.gauge("tanist_worker_connected", "1 if this worker is registered with a leader", connected);
    let (generation, epoch) = status.heard.as_ref().map_or((0, 0), |term| (term.generation.0, term.epoch.0));
    text.gauge("tanist_term_generation", "restores of the store that the highest term obeyed here counts", generation);
    text.gauge("tanist_term_epoch", "highest epoch obeyed here, 0 = none", epoch);
    let help = "acts of masters that were refused because of their term";
    text.counter("tanist_worker_refused_commands_total", help, status.refused_commands);
    let help = "reports about programs, that they run or how they ended, that no master has acknowledged yet";
    text.gauge("tanist_worker_unacknowledged", help, status.unacknowledged);
}

fn offer(status: &WorkerStatus, text: &mut Exposition) {
    text.gauge("tanist_worker_cores", "cores offered", status.cores);
    text.gauge("tanist_worker_cores_used", "cores booked", status.cores_used);
    text.gauge("tanist_worker_memory_bytes", "memory offered", status.memory.as_bytes());
    text.gauge("tanist_worker_memory_used_bytes", "memory booked", status.memory_used.as_bytes());
    let accepts = u8::from(status.accepts_work);
    text.gauge("tanist_worker_accepts_work", "1 if new work is taken: there is disk space, it does not stop", accepts);
    let decommissioned = u8::from(status.decommissioned);
    text.gauge("tanist_worker_decommissioned", "1 if this worker is being decommissioned", decommissioned);
}

fn runs(status: &WorkerStatus, text: &mut Exposition) {
    let executors =
        PHASES.map(|(phase, name)| (name, status.executors.iter().filter(|run| run.phase == phase).count()));
    text.gauges(("tanist_worker_executors", "phase"), "executors that have not ended, by phase", executors);
    let drivers = PHASES.map(|(phase, name)| (name, status.drivers.iter().filter(|run| run.phase == phase).count()));
    text.gauges(("tanist_worker_drivers", "phase"), "drivers that have not ended, by phase", drivers);
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
