//! `WorkerService`: the sessions of workers.

use tonic::{Request, Response, Status, Streaming};

use tanist_core::ids::SessionId;
use tanist_core::master::Peer;
use tanist_core::msg::{MasterToWorker, WorkerToMaster};
use tanist_proto::v1;
use tanist_proto::v1::worker_service_server::WorkerService;

use super::session::{self, Kind, Outbound};
use crate::handle::{Input, MasterHandle, Said};
use crate::limits;

/// The service, for one master.
pub(super) struct Workers(pub(super) MasterHandle);

/// Sessions of workers.
pub(super) struct WorkerSession;

impl Kind for WorkerSession {
    type Incoming = v1::WorkerToMaster;
    type Heard = WorkerToMaster;
    type Spoken = MasterToWorker;
    type Sent = v1::MasterToWorker;

    fn registers(message: &WorkerToMaster) -> Result<Option<Peer>, Status> {
        match message {
            WorkerToMaster::Register(worker) => Ok(Some(Peer::Worker(worker.id.clone()))),
            _ => Err(Status::failed_precondition("the first message of a session must be `register`")),
        }
    }

    fn check(message: &WorkerToMaster) -> Result<(), Status> {
        match message {
            WorkerToMaster::Register(worker) => Ok(limits::check_worker(worker)?),
            _ => Ok(()),
        }
    }

    fn input(session: SessionId, said: Said<MasterToWorker, WorkerToMaster>) -> Input {
        Input::Worker(session, said)
    }
}

#[tonic::async_trait]
impl WorkerService for Workers {
    type SessionStream = Outbound<WorkerSession>;

    async fn session(
        &self,
        request: Request<Streaming<v1::WorkerToMaster>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Ok(session::serve::<WorkerSession>(&self.0, request))
    }
}
