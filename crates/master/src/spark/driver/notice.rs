//! What the master has to say to an application, as a driver of Spark understands it.

use tanist_core::ids::ExecutorId;
use tanist_core::model::ExecutorState;
use tanist_core::msg::AppNotice;
use tanist_spark::{ExecutorState as SparkState, ToDriver};

use crate::spark::int;

/// Spark's own exit status of an executor that was not heard any more. An end without exit status and host counts against
/// the tasks that ran there; this one does not.
const HEARTBEAT_FAILURE: i32 = 56;

/// What a notice becomes: something to tell, or the answer to a question.
pub(super) enum Said<'a> {
    /// To tell the driver.
    Tell(ToDriver<'a>),
    /// What was asked under this number was taken, or not.
    Answer(i64, bool),
}

/// A notice in the driver's terms.
pub(super) fn say(notice: &AppNotice) -> Said<'_> {
    Said::Tell(match notice {
        AppNotice::ExecutorAdded { executor, worker, worker_address, cores, memory, .. } => ToDriver::ExecutorAdded {
            id: number(*executor),
            worker: worker.as_str(),
            worker_address,
            cores: int(cores.0.into()),
            memory_mib: int(memory.as_mib()),
        },
        AppNotice::ExecutorUpdated { executor, state, message, exit_status, worker_host } => {
            // Its worker does not have it, which is nobody's fault.
            let vanished = *state == ExecutorState::Lost && exit_status.is_none() && worker_host.is_none();
            ToDriver::ExecutorUpdated {
                id: number(*executor),
                state: in_spark(*state),
                message: message.as_deref(),
                exit_status: exit_status.or(vanished.then_some(HEARTBEAT_FAILURE)),
                worker_host: worker_host.as_deref(),
            }
        }
        AppNotice::WorkerRemoved { worker, host, message } => {
            ToDriver::WorkerRemoved { worker: worker.as_str(), host, message }
        }
        AppNotice::ApplicationRemoved { message } => ToDriver::ApplicationRemoved { message },
        AppNotice::Answer { request, accepted } => return Said::Answer(request.cast_signed(), *accepted),
    })
}

/// Executors are counted far below where this ends.
fn number(executor: ExecutorId) -> i32 {
    int(executor.0.into())
}

fn in_spark(state: ExecutorState) -> SparkState {
    match state {
        ExecutorState::Launching => SparkState::Launching,
        ExecutorState::Running => SparkState::Running,
        ExecutorState::Killed => SparkState::Killed,
        ExecutorState::Failed => SparkState::Failed,
        ExecutorState::Lost => SparkState::Lost,
        ExecutorState::Exited => SparkState::Exited,
        ExecutorState::Decommissioned => SparkState::Decommissioned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: ExecutorState, exit_status: Option<i32>, host: Option<&str>) -> (Option<i32>, Option<String>) {
        let worker_host = host.map(str::to_owned);
        let executor = ExecutorId(3);
        let notice = AppNotice::ExecutorUpdated { executor, state, message: None, exit_status, worker_host };
        match say(&notice) {
            Said::Tell(ToDriver::ExecutorUpdated { id: 3, exit_status, worker_host, .. }) => {
                (exit_status, worker_host.map(str::to_owned))
            }
            _ => panic!("an executor that is in another state"),
        }
    }

    /// What a driver concludes from an end: a task counts its loss unless the end says otherwise.
    #[test]
    fn only_what_the_application_did_counts_against_it() {
        use ExecutorState::{Exited, Killed, Lost};
        assert_eq!(told(Exited, Some(137), None), (Some(137), None), "its own doing");
        assert_eq!(told(Lost, None, Some("h")), (None, Some("h".to_owned())), "the worker is lost");
        assert_eq!(told(Lost, None, None), (Some(56), None), "its worker does not have it");
        assert_eq!(told(Killed, None, None), (None, None), "by request of the driver, which knows");
    }
}
