//! `AppService`: the sessions of application clients.

use tonic::{Request, Response, Status, Streaming};

use tanist_core::ids::SessionId;
use tanist_core::master::Peer;
use tanist_core::msg::{AppToMaster, MasterToApp};
use tanist_proto::v1;
use tanist_proto::v1::app_service_server::AppService;

use super::session::{self, Kind, Outbound};
use crate::handle::{Input, MasterHandle, Said};
use crate::limits;

/// The service, for one master.
pub(super) struct Apps(pub(super) MasterHandle);

/// Sessions of application clients.
pub(super) struct AppSession;

impl Kind for AppSession {
    type Incoming = v1::AppToMaster;
    type Heard = AppToMaster;
    type Spoken = MasterToApp;
    type Sent = v1::MasterToApp;

    fn registers(message: &AppToMaster) -> Result<Option<Peer>, Status> {
        match message {
            AppToMaster::Register(app) => Ok(app.known_as.clone().map(Peer::App)),
            _ => Err(Status::failed_precondition("the first message of a session must be `register`")),
        }
    }

    fn check(message: &AppToMaster) -> Result<(), Status> {
        match message {
            AppToMaster::Register(app) => Ok(limits::check_app(&app.description, &app.profiles, 0)?),
            _ => Ok(()),
        }
    }

    fn input(session: SessionId, said: Said<MasterToApp, AppToMaster>) -> Input {
        Input::App(session, said)
    }
}

#[tonic::async_trait]
impl AppService for Apps {
    type SessionStream = Outbound<AppSession>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AppToMaster>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        Ok(session::serve::<AppSession>(&self.0, request))
    }
}
