//! `AppEndpoint`: what masters ask of a client directly (protocol 4 and 6).

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use tanist_core::ids::AppId;
use tanist_core::model::LeaderInfo;
use tanist_proto::convert::endpoint::{Acknowledgement, Identity};
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::app_endpoint_server::{AppEndpoint, AppEndpointServer};

use super::Standing;
use super::owner::Input;
use crate::net;

/// The service, for one client.
#[derive(Debug)]
struct Endpoint {
    inbox: mpsc::Sender<Input>,
    standing: watch::Receiver<Standing>,
}

/// Serves until the guard is dropped.
pub(super) fn serve(
    listener: TcpListener,
    inbox: mpsc::Sender<Input>,
    standing: watch::Receiver<Standing>,
) -> DropGuard {
    let over = CancellationToken::new();
    let guard = over.clone().drop_guard();
    let service = AppEndpointServer::new(Endpoint { inbox, standing }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    tokio::spawn(async move {
        let served = net::server(Server::builder())
            .add_service(service)
            .serve_with_incoming_shutdown(net::incoming(listener), over.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::warn!(%error, "the port for masters has closed");
        }
    });
    guard
}

impl Endpoint {
    fn identity(&self) -> Identity {
        Identity::App(self.standing.borrow().app().cloned())
    }
}

impl Standing {
    /// The application's id, once it has one.
    pub fn app(&self) -> Option<&AppId> {
        match self {
            Self::Connected { app, .. } | Self::Disconnected { app } => Some(app),
            Self::Registering | Self::Ended { .. } => None,
        }
    }
}

#[tonic::async_trait]
impl AppEndpoint for Endpoint {
    async fn master_changed(&self, request: Request<v1::LeaderInfo>) -> Result<Response<v1::MasterChangedAck>, Status> {
        let leader = LeaderInfo::try_from(request.into_inner())?;
        let (reply, heard) = oneshot::channel();
        let over = || Status::unavailable("the application is over");
        self.inbox.send(Input::LeaderNotice { leader, reply }).await.map_err(|_| over())?;
        let heard = heard.await.map_err(|_| over())?;
        let heard = heard.ok_or_else(|| Status::failed_precondition("this client obeys no master yet"))?;
        Ok(Response::new((&Acknowledgement { identity: self.identity(), heard }).into()))
    }

    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingReply>, Status> {
        Ok(Response::new((&self.identity()).into()))
    }
}
