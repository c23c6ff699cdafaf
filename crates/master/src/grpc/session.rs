//! What the sessions of workers and of application clients have in common: a first message in time, an orderly way in
//! and out, and one end.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use tanist_core::ids::SessionId;
use tanist_core::master::Peer;
use tanist_proto::convert::DecodeError;

use crate::grpc::connection::ConnectionInfo;
use crate::handle::{Input, MasterHandle, Said};
use crate::sessions::{Link, OUTBOX_CAPACITY, Outgoing};

/// A peer that opens a session says who it is within this time.
const FIRST_MESSAGE_DEADLINE: Duration = Duration::from_secs(10);

/// One kind of session: its messages on the wire and in the core.
pub(super) trait Kind: Send + 'static {
    /// From the peer, on the wire.
    type Incoming: Send + 'static;
    /// From the peer, in the core.
    type Heard: TryFrom<Self::Incoming, Error = DecodeError> + Send + 'static;
    /// To the peer, in the core.
    type Spoken: Send + 'static;
    /// To the peer, on the wire.
    type Sent: for<'a> From<&'a Self::Spoken> + Send + 'static;

    /// Who registers with this message, as far as it knows its own id; `Err` = it is no registration.
    fn registers(message: &Self::Heard) -> Result<Option<Peer>, Status>;

    /// Whether the machine may hear it.
    fn check(_: &Self::Heard) -> Result<(), Status> {
        Ok(())
    }

    /// What the loop is told.
    fn input(session: SessionId, said: Said<Self::Spoken, Self::Heard>) -> Input;
}

/// What goes out on a session.
pub(super) type Outbound<K> = Box<dyn tokio_stream::Stream<Item = Result<<K as Kind>::Sent, Status>> + Send + Unpin>;

/// Serves one session: answers at once with the outgoing stream, and reads the incoming one in a task of its own.
pub(super) fn serve<K: Kind>(handle: &MasterHandle, request: Request<Streaming<K::Incoming>>) -> Response<Outbound<K>> {
    let info = request.extensions().get::<ConnectionInfo>().cloned().unwrap_or_default();
    let (outbox, outgoing) = mpsc::channel::<Outgoing<K::Spoken>>(OUTBOX_CAPACITY);
    let reader = Reader::<K> {
        session: handle.new_session(),
        handle: handle.clone(),
        incoming: request.into_inner(),
        outbox,
        ended: CancellationToken::new(),
        info,
    };
    tokio::spawn(reader.run());
    let outgoing = ReceiverStream::new(outgoing).map(|message| message.map(|spoken| K::Sent::from(&spoken)));
    Response::new(Box::new(outgoing))
}

/// The reading half of one session.
struct Reader<K: Kind> {
    session: SessionId,
    handle: MasterHandle,
    incoming: Streaming<K::Incoming>,
    outbox: mpsc::Sender<Outgoing<K::Spoken>>,
    ended: CancellationToken,
    info: ConnectionInfo,
}

impl<K: Kind> Reader<K> {
    async fn run(mut self) {
        let (peer, first) = match self.first().await {
            Ok(first) => first,
            Err(status) => return self.refuse(status),
        };
        tracing::debug!(session = %self.session, ?peer, remote = ?self.info.remote, "session opened");
        let link = Link::new(self.outbox.clone(), self.ended.clone(), self.info.cut.clone(), peer);
        if !self.tell(Said::First(link, first)).await {
            return self.refuse(Status::unavailable("this master is shutting down; ask another one"));
        }
        while let Some(message) = self.next().await {
            if !self.tell(Said::More(message)).await {
                return;
            }
        }
        self.tell(Said::Last).await;
    }

    async fn first(&mut self) -> Result<(Option<Peer>, K::Heard), Status> {
        let Ok(received) = timeout(FIRST_MESSAGE_DEADLINE, self.incoming.message()).await else {
            let seconds = FIRST_MESSAGE_DEADLINE.as_secs();
            return Err(Status::deadline_exceeded(format!("no first message within {seconds}s")));
        };
        let first = received?.ok_or_else(|| Status::invalid_argument("the session ended without a message"))?;
        let first = Self::read(first)?;
        Ok((K::registers(&first)?, first))
    }

    /// The peer's next message. `None` = the session is over, from either side.
    async fn next(&mut self) -> Option<K::Heard> {
        let received = tokio::select! {
            biased;
            // This side has ended it: whatever else comes in is not heard any more.
            () = self.ended.cancelled() => return None,
            received = self.incoming.message() => received,
        };
        let message = match received {
            Ok(message) => message?,
            Err(status) => {
                tracing::debug!(session = %self.session, %status, "session broke");
                return None;
            }
        };
        match Self::read(message) {
            Ok(heard) => Some(heard),
            Err(status) => {
                tracing::warn!(session = %self.session, remote = ?self.info.remote, %status, "unacceptable message");
                self.refuse(status);
                None
            }
        }
    }

    fn read(message: K::Incoming) -> Result<K::Heard, Status> {
        let heard = K::Heard::try_from(message)?;
        K::check(&heard)?;
        Ok(heard)
    }

    /// Ends the session with a status. A peer too slow even for that is told by the end of the stream alone.
    fn refuse(&self, status: Status) {
        tracing::debug!(session = %self.session, %status, "session refused");
        let _: Result<(), _> = self.outbox.try_send(Err(status));
    }

    async fn tell(&self, said: Said<K::Spoken, K::Heard>) -> bool {
        self.handle.send(K::input(self.session, said)).await
    }
}
