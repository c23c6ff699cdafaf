//! What a cluster's log tells of a leader's acts: told when they leave, so that nothing is told that is not durable.

use tanist_core::ids::SessionId;
use tanist_core::msg::{AppNotice, ClientReply, MasterToApp, MasterToWorker, WorkerCommand};

use tanist_core::master::Peer;

pub(crate) fn to_worker(session: SessionId, peer: Option<&Peer>, message: &MasterToWorker) {
    let worker = match peer {
        Some(Peer::Worker(worker)) => worker.as_str(),
        Some(Peer::App(_)) | None => "",
    };
    match message {
        MasterToWorker::Registered(registered) => {
            tracing::info!(worker, %session, known = registered.duplicate, "worker registered");
        }
        MasterToWorker::RegistrationRefused { reason } => {
            tracing::warn!(worker, %session, reason, "worker refused");
        }
        MasterToWorker::Reconnect => tracing::info!(worker, %session, "worker asked to register again"),
        MasterToWorker::Command(command) => ordered(worker, &command.body),
        MasterToWorker::Standby { .. } => tracing::debug!(worker, %session, "worker sent to the leader"),
        MasterToWorker::Greet { .. } => tracing::debug!(worker, %session, "worker greeted"),
        MasterToWorker::HeartbeatSeen | MasterToWorker::Acknowledged { .. } => {}
    }
}

fn ordered(worker: &str, command: &WorkerCommand) {
    match command {
        WorkerCommand::LaunchExecutor { executor, .. } => {
            let (cores, memory) = (executor.cores, executor.memory);
            tracing::info!(executor = %executor.executor, worker, %cores, %memory, "executor launched");
        }
        WorkerCommand::KillExecutor { executor } => tracing::info!(%executor, worker, "executor to be ended"),
        WorkerCommand::LaunchDriver { driver, attempt, .. } => {
            tracing::info!(%driver, %attempt, worker, "driver launched");
        }
        WorkerCommand::KillDriver { driver, attempt } => {
            tracing::info!(%driver, %attempt, worker, "driver to be ended");
        }
        WorkerCommand::ApplicationFinished { app } => {
            tracing::debug!(%app, worker, "worker told of an ended application");
        }
        WorkerCommand::Decommission => tracing::info!(worker, "worker to be decommissioned"),
    }
}

pub(crate) fn to_app(session: SessionId, message: &MasterToApp) {
    match message {
        MasterToApp::Registered(registered) => {
            tracing::info!(app = %registered.app, %session, "application registered");
        }
        MasterToApp::RegistrationRefused { reason } => tracing::warn!(%session, reason, "application refused"),
        MasterToApp::Notice(notice) => match &notice.body {
            AppNotice::ApplicationRemoved { message } => {
                tracing::info!(%session, message, "application ended by the master");
            }
            AppNotice::ExecutorAdded { .. }
            | AppNotice::ExecutorUpdated { .. }
            | AppNotice::WorkerRemoved { .. }
            | AppNotice::Answer { .. } => {}
        },
        MasterToApp::Standby { .. } | MasterToApp::HeartbeatSeen | MasterToApp::Reconnect => {}
    }
}

pub(crate) fn replied(reply: &ClientReply) {
    match reply {
        ClientReply::Submitted { driver } => tracing::info!(%driver, "driver accepted"),
        ClientReply::Invalid { reason } => tracing::info!(reason, "submission refused"),
        ClientReply::KillRequested { found: true, message } => tracing::info!(message, "kill requested"),
        ClientReply::KillAllRequested { drivers } => tracing::info!(drivers, "kill of all drivers requested"),
        ClientReply::Decommissioning { workers } => tracing::info!(workers, "decommissioning of workers requested"),
        ClientReply::KillRequested { found: false, .. }
        | ClientReply::Cleared
        | ClientReply::Ready(_)
        | ClientReply::NotLeading(_) => {}
    }
}
