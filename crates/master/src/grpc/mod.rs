//! The gRPC face: translation and limits, no rule. What a message means is decided in the machine; what it looks like,
//! in `tanist-proto`.

mod app;
mod connection;
mod ha;
mod ha_wire;
mod operator;
mod session;
mod status;
mod submission;
mod worker;

use std::convert::Infallible;

use futures_util::{Stream, TryStreamExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use tanist_core::msg::{ClientReply, ClientRequest};
use tanist_proto::convert::{DecodeError, WrongReply};
use tanist_proto::limits::{
    CALLS_PER_CONNECTION, KEEPALIVE_DEADLINE, KEEPALIVE_EVERY, MAX_MESSAGE_BYTES, MAX_STATE_BYTES,
};
use tanist_proto::v1::app_service_server::AppServiceServer;
use tanist_proto::v1::ha_service_server::HaServiceServer;
use tanist_proto::v1::operator_service_server::OperatorServiceServer;
use tanist_proto::v1::submission_service_server::SubmissionServiceServer;
use tanist_proto::v1::worker_service_server::WorkerServiceServer;

use self::connection::Connection;
use crate::handle::MasterHandle;
use crate::limits;

/// Serves all of the master's services on these connections until `drain`; open calls may then finish. `cut` ends all of
/// them at once.
pub(crate) async fn serve(
    handle: MasterHandle,
    connections: impl Stream<Item = Result<TcpStream, Infallible>>,
    drain: CancellationToken,
    cut: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let connections = connections.map_ok(move |stream| Connection::new(stream, cut.child_token()));
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_DEADLINE))
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .add_routes(routes(&handle))
        .serve_with_incoming_shutdown(connections, drain.cancelled_owned())
        .await
}

/// All of the master's services.
pub(crate) fn routes(handle: &MasterHandle) -> Routes {
    let workers = WorkerServiceServer::new(worker::Workers(handle.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let apps = AppServiceServer::new(app::Apps(handle.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let submissions = SubmissionServiceServer::new(submission::Submissions(handle.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let ha = HaServiceServer::new(ha::Ha(handle.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let operators = OperatorServiceServer::new(operator::Operators(handle.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_STATE_BYTES);
    Routes::new(workers).add_service(apps).add_service(submissions).add_service(operators).add_service(ha)
}

/// One call that the machine answers: read, ask, write.
async fn ask<Asked, Told>(handle: &MasterHandle, request: Request<Asked>) -> Result<Response<Told>, Status>
where
    ClientRequest: TryFrom<Asked, Error = DecodeError>,
    Told: for<'a> TryFrom<&'a ClientReply, Error = WrongReply>,
{
    let request = ClientRequest::try_from(request.into_inner())?;
    if let ClientRequest::SubmitDriver { description, .. } = &request {
        limits::check_driver(description)?;
    }
    let reply = handle.request(request).await?;
    Ok(Response::new(Told::try_from(&reply)?))
}
