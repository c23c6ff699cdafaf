//! One session with one master, in a task of its own.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use tanist_core::app::Event;
use tanist_core::msg::MasterToApp;
use tanist_core::tracking::LinkId;
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::app_service_client::AppServiceClient;

use super::owner::Input;
use crate::masters::Masters;
use crate::net::status_reason;

/// Messages to one master that may wait to be sent. A master that leaves more than this unread does not live.
const OUTBOX_CAPACITY: usize = 256;

/// Deadline of a master for taking the session, the connection included.
const ACCEPT_DEADLINE: Duration = Duration::from_secs(5);

/// How long a session that is being closed may take to bring out what was said on it.
const CLOSING_DEADLINE: Duration = Duration::from_secs(2);

/// The owner's end of a session. Dropping it closes the session after what was said on it has left.
#[derive(Debug)]
pub(super) struct Link {
    outbox: mpsc::Sender<v1::AppToMaster>,
    closing: CancellationToken,
}

impl Link {
    /// Begins to open a session. What comes of it goes to `inbox`.
    pub(super) fn open(id: LinkId, address: String, masters: Masters, inbox: mpsc::Sender<Input>) -> Self {
        let (outbox, outgoing) = mpsc::channel(OUTBOX_CAPACITY);
        let closing = CancellationToken::new();
        let session = Session { id, address, masters, inbox, closing: closing.clone() };
        tokio::spawn(session.run(outgoing));
        Self { outbox, closing }
    }

    /// False = the master does not read, or the session is over.
    pub(super) fn say(&self, message: v1::AppToMaster) -> bool {
        self.outbox.try_send(message).is_ok()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

struct Session {
    id: LinkId,
    address: String,
    masters: Masters,
    inbox: mpsc::Sender<Input>,
    closing: CancellationToken,
}

impl Session {
    async fn run(self, outgoing: mpsc::Receiver<v1::AppToMaster>) {
        let talk = async {
            match self.talk(outgoing).await {
                Ok(()) => tracing::debug!(link = %self.id, master = self.address, "session ended"),
                Err(reason) => tracing::debug!(link = %self.id, master = self.address, reason, "session failed"),
            }
            self.tell(Event::LinkClosed { link: self.id }).await;
        };
        tokio::pin!(talk);
        tokio::select! {
            biased;
            // An end by itself is to be told even if it is being closed in the same moment.
            () = &mut talk => return,
            () = self.closing.cancelled() => {}
        }
        // Whatever still comes in is dropped by the machine; what goes out is given a moment.
        if timeout(CLOSING_DEADLINE, talk).await.is_err() {
            tracing::debug!(link = %self.id, master = self.address, "session was cut");
        }
    }

    async fn talk(&self, outgoing: mpsc::Receiver<v1::AppToMaster>) -> Result<(), String> {
        let channel = self.masters.channel(&self.address).map_err(|error| error.to_string())?;
        let mut client = AppServiceClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let broken = |status: Status| status_reason(&status);
        let Ok(taken) = timeout(ACCEPT_DEADLINE, client.session(ReceiverStream::new(outgoing))).await else {
            self.masters.forget(&self.address);
            return Err(format!("session not accepted within {ACCEPT_DEADLINE:?}"));
        };
        let mut incoming: Streaming<v1::MasterToApp> = taken.map_err(broken)?.into_inner();
        if self.closing.is_cancelled() {
            return Ok(());
        }
        self.tell(Event::LinkOpened { link: self.id }).await;
        while let Some(message) = incoming.message().await.map_err(broken)? {
            let message = MasterToApp::try_from(message).map_err(|error| format!("malformed message: {error}"))?;
            self.tell(Event::FromMaster { link: self.id, message }).await;
        }
        Ok(())
    }

    async fn tell(&self, event: Event) {
        // An owner that has ended needs to know nothing.
        let _: Result<(), _> = self.inbox.send(Input::Happened(event)).await;
    }
}
