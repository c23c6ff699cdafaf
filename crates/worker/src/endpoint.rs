//! The worker's own port. Masters announce themselves and probe here, and output is read from here, by gRPC; Spark's
//! programs watch this worker here, by Spark's own protocol ([`watchers`]). The first byte tells which.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use tanist_core::model::LeaderInfo;
use tanist_proto::convert::endpoint::{Acknowledgement, LogRequest};
use tanist_proto::limits::{CALLS_PER_CONNECTION, KEEPALIVE_DEADLINE, KEEPALIVE_EVERY, MAX_MESSAGE_BYTES};
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_server::{WorkerEndpoint, WorkerEndpointServer};
use tanist_spark::frame;

use crate::handle::{Input, WorkerHandle};
use crate::log_stream::{Chunks, Logs};
use crate::watchers::{self, Door, Places};

/// Unanswered questions after which the kernel gives a connection up.
const KEEPALIVE_PROBES: u32 = 6;

/// What was sent and is not acknowledged within this time has the kernel give a connection up, in milliseconds.
const ACKNOWLEDGED_WITHIN_MS: u32 = 70_000;

/// How long an announcement may wait for the loop. Its master asks again.
const NOTICE_DEADLINE: Duration = Duration::from_secs(5);

/// Accepted connections that wait to be served.
const ACCEPTED_AHEAD: usize = 16;

/// Pause after a failed accept: mostly there are no descriptors left, and the next moment is no better.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may say nothing before it is known what it speaks, and a program of Spark before it has asked
/// its question: both kinds begin to speak at once.
const FIRST_BYTE_DEADLINE: Duration = Duration::from_secs(10);

/// The first byte of gRPC, which begins with `PRI * HTTP/2.0`.
const FIRST_OF_GRPC: u8 = b'P';

/// The first byte of a client that wants TLS.
const FIRST_OF_TLS: u8 = 0x16;

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
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_DEADLINE))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .add_service(service)
        .serve_with_incoming_shutdown(accept(listener, stopping.clone(), door), stopping.cancelled_owned())
        .await
}

/// The gRPC connections of a listener, which is closed as soon as the worker is `stopping`; and so are those of Spark's
/// programs, which are served here.
fn accept(listener: TcpListener, stopping: CancellationToken, door: Door) -> impl Stream<Item = io::Result<TcpStream>> {
    let (accepted, connections) = mpsc::channel(ACCEPTED_AHEAD);
    let places = Arc::new(Places::new());
    tokio::spawn(async move {
        let mut others = JoinSet::new();
        loop {
            let connection = tokio::select! {
                biased;
                // Nobody is let in any more.
                () = stopping.cancelled() => return,
                () = accepted.closed() => return,
                Some(_) = others.join_next() => continue,
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, peer)) => {
                    let connection = Connection { stream, peer, door: door.clone() };
                    others.spawn(connection.serve(accepted.clone(), Arc::clone(&places)));
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

/// A connection of which it is not known yet what it speaks.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    door: Door,
}

impl Connection {
    /// Hands it to whoever understands it.
    async fn serve(self, grpc: mpsc::Sender<io::Result<TcpStream>>, places: Arc<Places>) {
        let Self { stream, peer, door } = self;
        let deadline = Instant::now() + FIRST_BYTE_DEADLINE;
        if let Err(error) = stream.set_nodelay(true).and_then(|()| keep_alive(&stream)) {
            return tracing::debug!(%peer, %error, "connection ended before it began");
        }
        let mut first = [0];
        match timeout_at(deadline, stream.peek(&mut first)).await {
            Ok(Ok(1)) => {}
            Ok(_) => return tracing::debug!(%peer, "connection ended before it began"),
            Err(_) => return tracing::debug!(%peer, "connection closed that said nothing"),
        }
        match (first, door.tls.is_some()) {
            // Refused only while the server ends.
            ([FIRST_OF_GRPC], _) => drop(grpc.send(Ok(stream)).await),
            ([frame::FIRST_BYTE], false) | ([FIRST_OF_TLS], true) => {
                watchers::let_in(stream, peer, deadline, door, &places).await;
            }
            ([FIRST_OF_TLS], false) => {
                tracing::warn!(%peer, "TLS is spoken by programs of Spark only where auth.tls_cert is set: connection closed");
            }
            ([frame::FIRST_BYTE], true) => {
                tracing::warn!(%peer, "a program of Spark without TLS, although auth.tls_cert is set: connection closed");
            }
            ([byte], _) => tracing::warn!(%peer, byte, "neither gRPC nor Spark's protocol: connection closed"),
        }
    }
}

/// Has the kernel ask silent connections whether they still stand: programs of Spark that watch say nothing more.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    set_socket_keepalive(stream, true)?;
    set_tcp_keepidle(stream, KEEPALIVE_EVERY)?;
    set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
    // It does not ask while something that was sent is not acknowledged.
    set_tcp_user_timeout(stream, ACKNOWLEDGED_WITHIN_MS)?;
    Ok(set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?)
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
