//! The worker's own port. Masters announce themselves and probe here, and output is read from here, by gRPC; Spark's
//! programs watch this worker here, by Spark's own protocol ([`watchers`]). [`port`] tells them apart.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use tanist_core::model::LeaderInfo;
use tanist_proto::convert::endpoint::{Acknowledgement, LogRequest};
use tanist_proto::limits::{CALLS_PER_CONNECTION, KEEPALIVE_DEADLINE, KEEPALIVE_EVERY, MAX_MESSAGE_BYTES};
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_server::{WorkerEndpoint, WorkerEndpointServer};
use tanist_web::port::{self, Programs};

use crate::handle::{Input, WorkerHandle};
use crate::log_stream::{Chunks, Logs};
use crate::watchers::{self, Door, Places};

/// How long an announcement may wait for the loop. Its master asks again.
const NOTICE_DEADLINE: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug)]
struct Calls {
    handle: WorkerHandle,
    logs: Logs,
}

/// Serves until the worker is `stopping`: then it does not listen any more, so that masters see at once that it is
/// gone, and open calls may finish.
pub(crate) async fn serve(
    listener: TcpListener,
    handle: WorkerHandle,
    logs: Logs,
    door: Door,
) -> Result<(), tonic::transport::Error> {
    let stopping = logs.stopping.clone();
    let service = WorkerEndpointServer::new(Calls { handle, logs })
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let places = Arc::new(Places::new());
    let programs = Programs {
        tls: door.tls.is_some(),
        serve: move |stream, peer, until| async move { watchers::let_in(stream, peer, until, door, &places).await },
    };
    let (connections, _watchers) = port::incoming(listener, programs, stopping.clone());
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_DEADLINE))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .add_service(service)
        .serve_with_incoming_shutdown(connections, stopping.cancelled_owned())
        .await
}

#[tonic::async_trait]
impl WorkerEndpoint for Calls {
    async fn master_changed(&self, request: Request<v1::LeaderInfo>) -> Result<Response<v1::MasterChangedAck>, Status> {
        let leader = LeaderInfo::try_from(request.into_inner())?;
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.handle.send(Input::Notice { leader, answer }).await;
            answered.await
        };
        let heard = match timeout(NOTICE_DEADLINE, asked).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(_)) => return Err(Status::unavailable("this worker is stopping")),
            Err(_) => return Err(Status::deadline_exceeded("this worker is busy")),
        };
        let heard = heard.ok_or_else(|| {
            Status::failed_precondition("this worker has heard of no master yet, and this one is not configured here")
        })?;
        Ok(Response::new((&Acknowledgement { identity: self.handle.identity(), heard }).into()))
    }

    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingReply>, Status> {
        Ok(Response::new((&self.handle.identity()).into()))
    }

    type ReadLogStream = Chunks;

    async fn read_log(&self, request: Request<v1::ReadLogRequest>) -> Result<Response<Chunks>, Status> {
        let request = LogRequest::try_from(request.into_inner())?;
        self.logs.read(request).await.map(Response::new)
    }
}
