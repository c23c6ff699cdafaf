//! One session with a master: a gRPC stream of its own, from the connection to its end.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use tanist_core::msg::{MasterToWorker, WorkerToMaster};
use tanist_core::tracking::LinkId;
use tanist_core::worker::Event;
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::worker_service_client::WorkerServiceClient;

use crate::handle::WorkerHandle;

/// Deadline of one connection, the look-up of the name included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Deadline of a master for taking the session. What it then says to the registration is waited for by the machine.
const ACCEPT_DEADLINE: Duration = Duration::from_secs(5);

/// A silent connection is asked this often whether it still stands. Not more often: gRPC servers object to that.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// A connection that does not answer within this time is closed.
const KEEPALIVE_DEADLINE: Duration = Duration::from_secs(10);

/// How long the last words on a closed session may take to leave.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// One session.
pub(crate) struct Session {
    /// Its number.
    pub(crate) link: LinkId,
    /// `host:port` of the master.
    pub(crate) address: String,
    /// What is said on it; it is to be closed when this ends.
    pub(crate) outbox: mpsc::Receiver<WorkerToMaster>,
    /// This side has closed it.
    pub(crate) closed: CancellationToken,
    /// Who hears what comes of it.
    pub(crate) handle: WorkerHandle,
}

impl Session {
    /// Holds the session, and tells the loop of its beginning, of what is said, and of its end.
    pub(crate) async fn run(self) {
        let Self { link, address, outbox, closed, handle } = self;
        let connected = tokio::select! {
            biased;
            // Nobody waits for this connection any more.
            () = closed.cancelled() => return,
            connected = connect(&address) => connected,
        };
        match connected {
            Ok(channel) => {
                tracing::debug!(%link, master = address, "connected");
                handle.tell(Event::LinkOpened { link }).await;
                if let Err(status) = converse(link, channel, outbox, &closed, &handle).await {
                    tracing::info!(%link, master = address, reason = %reason(&status), "session with a master broke");
                }
            }
            Err(reason) => tracing::info!(%link, master = address, reason, "master cannot be reached"),
        }
        handle.tell(Event::LinkClosed { link }).await;
    }
}

/// Opens a connection.
pub(crate) async fn connect(address: &str) -> Result<Channel, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| reason(&error))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_DEADLINE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_DEADLINE)
        .keep_alive_while_idle(true);
    match timeout(CONNECT_DEADLINE, endpoint.connect()).await {
        Ok(connected) => connected.map_err(|error| reason(&error)),
        Err(_) => Err(format!("no connection within {CONNECT_DEADLINE:?}")),
    }
}

async fn converse(
    link: LinkId,
    channel: Channel,
    outbox: mpsc::Receiver<WorkerToMaster>,
    closed: &CancellationToken,
    handle: &WorkerHandle,
) -> Result<(), Status> {
    let mut client = WorkerServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let outgoing = ReceiverStream::new(outbox).map(|said| v1::WorkerToMaster::from(&said));
    let mut incoming = timeout(ACCEPT_DEADLINE, client.session(outgoing))
        .await
        .map_err(|_| Status::deadline_exceeded(format!("session not accepted within {ACCEPT_DEADLINE:?}")))??
        .into_inner();
    loop {
        let message = tokio::select! {
            biased;
            // What else comes in is not heard any more.
            () = closed.cancelled() => {
                // A master that does not end its side in time is left alone.
                let _ = timeout(LINGER, drain(&mut incoming)).await;
                return Ok(());
            }
            message = incoming.message() => message?,
        };
        let Some(message) = message else { return Ok(()) };
        let message = MasterToWorker::try_from(message)?;
        handle.tell(Event::FromMaster { link, message }).await;
    }
}

/// Reads until the master has ended its side, which it does when it has read all of ours.
async fn drain(incoming: &mut Streaming<v1::MasterToWorker>) {
    while let Ok(Some(_)) = incoming.message().await {}
}

/// The words at the bottom of a chain of errors: what the operating system said, if it said something.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
