//! Connections: how they are opened, and how their failures are told in few words.

use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, ConnectError, Response, Status};

use tanist_proto::limits::{KEEPALIVE_DEADLINE, KEEPALIVE_EVERY};

use crate::error::ClientError;

/// Deadline of one connection attempt.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// How a peer at this address is dialled.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, ClientError> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| ClientError::InvalidAddress { address: address.to_owned(), why: reason(&error) })?;
    Ok(endpoint
        .connect_timeout(CONNECT_DEADLINE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_DEADLINE))
}

/// A connection that is opened when it is first used, and again when it broke.
pub(crate) fn channel(address: &str) -> Result<Channel, ClientError> {
    Ok(endpoint(address)?.connect_lazy())
}

/// Kinds of errors of the system that say nothing: the error itself does, e.g. that there is no such host.
const SAYS_NOTHING: [&str; 2] = ["other error", "uncategorized error"];

/// The words at the bottom of a chain of errors: what the operating system said, if it said something.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    match deepest.downcast_ref::<io::Error>().map(|error| error.kind().to_string()) {
        Some(kind) if !SAYS_NOTHING.contains(&kind.as_str()) => kind,
        _ => deepest.to_string(),
    }
}

/// What a failed call comes down to.
pub(crate) fn status_reason(status: &Status) -> String {
    match status.source() {
        Some(source) => reason(source),
        None if status.message().is_empty() => status.code().description().to_owned(),
        None => status.message().to_owned(),
    }
}

/// Whether a call failed because there was no connection, so that nobody can have heard of it.
pub(crate) fn never_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the same call may well succeed later, or at another master.
pub(crate) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::ResourceExhausted
            | Code::Unknown
    )
}

/// Whether a master that answered so, or did not answer, may have acted on the request all the same. Masters say the
/// other codes before they act.
pub(crate) fn may_have_acted(status: &Status) -> bool {
    let open = matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::Unknown
            | Code::Internal
            | Code::DataLoss
            | Code::OutOfRange
    );
    open && !never_sent(status)
}

/// A lock that a panicking thread does not spoil: what it guards here is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answer to a call, or why there is none within the deadline.
pub(crate) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match timeout(deadline, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {deadline:?}"))),
    }
}

/// Opens a port. Also gives the `host:port` under which others reach it: with the advertised host, if there is one,
/// else with the host as asked for.
pub(crate) async fn listen(bind: &str, advertised_host: Option<&str>) -> Result<(TcpListener, String), ClientError> {
    let failed = |source| ClientError::Listen { address: bind.to_owned(), source };
    let listener = TcpListener::bind(bind).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let host = advertised_host.or_else(|| bind.rsplit_once(':').map(|(host, _)| host)).unwrap_or(bind);
    Ok((listener, format!("{host}:{port}")))
}

/// The connections of a listener, each sending at once what it is given.
pub(crate) fn incoming(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    TcpListenerStream::new(listener).map(|accepted| {
        let stream = accepted?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

/// A server that notices when the other end is gone without a word.
pub(crate) fn server(builder: Server) -> Server {
    builder.http2_keepalive_interval(Some(KEEPALIVE_EVERY)).http2_keepalive_timeout(Some(KEEPALIVE_DEADLINE))
}
