//! One session with a master: a gRPC stream of its own, from its opening to its end.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Response, Status, Streaming};

use tanist_core::msg::{MasterToWorker, WorkerToMaster};
use tanist_core::tracking::LinkId;
use tanist_core::worker::Event;
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::worker_service_client::WorkerServiceClient;

use crate::handle::WorkerHandle;
use crate::lines::Lines;

/// Deadline of a master for taking the session, the connection included. What it then says to the registration is waited
/// for by the machine.
const ACCEPT_DEADLINE: Duration = Duration::from_secs(5);

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
    pub(crate) lines: Lines,
    /// Who hears what comes of it.
    pub(crate) handle: WorkerHandle,
}

impl Session {
    /// Holds the session, and tells the loop of its beginning, of what is said, and of its end.
    pub(crate) async fn run(self) {
        let Self { link, address, outbox, closed, lines, handle } = self;
        let opened = tokio::select! {
            biased;
            // Nobody waits for this session any more.
            () = closed.cancelled() => return,
            opened = open(&lines, &address, outbox) => opened,
        };
        match opened {
            Ok(incoming) => {
                tracing::debug!(%link, master = address, "connected");
                handle.tell(Event::LinkOpened { link }).await;
                if let Err(status) = converse(link, incoming, &closed, &handle).await {
                    tracing::info!(%link, master = address, reason = %reason(&status), "session with a master broke");
                }
            }
            Err(reason) => tracing::info!(%link, master = address, reason, "master cannot be reached"),
        }
        handle.tell(Event::LinkClosed { link }).await;
    }
}

/// Opens a session; the master takes it before anything is said on it.
async fn open(
    lines: &Lines,
    address: &str,
    outbox: mpsc::Receiver<WorkerToMaster>,
) -> Result<Streaming<v1::MasterToWorker>, String> {
    let mut client = WorkerServiceClient::new(lines.to(address)?)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let outgoing = ReceiverStream::new(outbox).map(|said| v1::WorkerToMaster::from(&said));
    let Ok(taken) = timeout(ACCEPT_DEADLINE, client.session(outgoing)).await else {
        lines.forget(address);
        return Err(format!("session not accepted within {ACCEPT_DEADLINE:?}"));
    };
    taken.map(Response::into_inner).map_err(|status| reason(&status))
}

async fn converse(
    link: LinkId,
    mut incoming: Streaming<v1::MasterToWorker>,
    closed: &CancellationToken,
    handle: &WorkerHandle,
) -> Result<(), Status> {
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
