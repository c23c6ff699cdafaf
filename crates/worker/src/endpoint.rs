//! The worker's own gRPC server: masters announce themselves and probe here, and output is read from here.

use std::io;
use std::time::Duration;

use futures_util::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use tanist_core::model::LeaderInfo;
use tanist_proto::convert::endpoint::{Acknowledgement, LogRequest};
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_server::{WorkerEndpoint, WorkerEndpointServer};

use crate::handle::{Input, WorkerHandle};
use crate::log_stream::{Chunks, Logs};

/// A silent connection is asked this often whether it still stands.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// A connection that does not answer within this time is closed.
const KEEPALIVE_DEADLINE: Duration = Duration::from_secs(10);

/// Calls that one connection may have open at a time.
const CALLS_PER_CONNECTION: u32 = 256;

/// How long an announcement may wait for the loop. Its master asks again.
const NOTICE_DEADLINE: Duration = Duration::from_secs(5);

/// Accepted connections that wait to be served.
const ACCEPTED_AHEAD: usize = 16;

/// Pause after a failed accept: mostly there are no descriptors left, and the next moment is no better.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
) -> Result<(), tonic::transport::Error> {
    let stopping = logs.stopping.clone();
    let service = WorkerEndpointServer::new(Calls { handle, logs })
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_DEADLINE))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .add_service(service)
        .serve_with_incoming_shutdown(accept(listener, stopping.clone()), stopping.cancelled_owned())
        .await
}

/// The connections of a listener, which is closed as soon as the worker is `stopping`.
fn accept(listener: TcpListener, stopping: CancellationToken) -> impl Stream<Item = io::Result<TcpStream>> {
    let (accepted, connections) = mpsc::channel(ACCEPTED_AHEAD);
    tokio::spawn(async move {
        loop {
            let connection = tokio::select! {
                biased;
                // Nobody is let in any more.
                () = stopping.cancelled() => return,
                () = accepted.closed() => return,
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, _)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "connection ended before it began");
                    } else if accepted.send(Ok(stream)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    ReceiverStream::new(connections)
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
