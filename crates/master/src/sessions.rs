//! Open sessions of workers and application clients: one bounded outbox each. Nobody is ever waited for: a receiver
//! whose outbox is full is disconnected, and finds out what it missed by registering again.

use std::collections::BTreeMap;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

use tanist_core::ids::SessionId;
use tanist_core::master::Peer;
use tanist_core::msg::{MasterToApp, MasterToWorker};

/// Most messages that wait for one receiver: above what one inventory can make a master say to one worker.
pub(crate) const OUTBOX_CAPACITY: usize = 16_384;

/// What goes out on a session: messages, or the status that ends it.
pub(crate) type Outgoing<T> = Result<T, Status>;

/// The sending end of one session, as its gRPC handler hands it to the loop.
#[derive(Debug)]
pub(crate) struct Link<T> {
    /// Messages to the peer, in order. The session ends when the last sender of it is gone and all was taken.
    outbox: mpsc::Sender<Outgoing<T>>,
    /// Tells the handler, by its end, that this side has ended the session, so that it hears no more of the peer.
    _ended: DropGuard,
    /// Cuts the connection below the session at once, whatever still waits.
    cut: CancellationToken,
    /// Who registered here, as far as it said.
    peer: Option<Peer>,
}

impl<T> Link<T> {
    /// `ended` is cancelled when this side ends the session, `cut` to get rid of a peer that does not read.
    pub(crate) fn new(
        outbox: mpsc::Sender<Outgoing<T>>,
        ended: CancellationToken,
        cut: CancellationToken,
        peer: Option<Peer>,
    ) -> Self {
        Self { outbox, _ended: ended.drop_guard(), cut, peer }
    }
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is on its way.
    Sent,
    /// The session is gone already.
    NoSession,
    /// The receiver was too slow or has left: the session is ended now.
    Disconnected,
}

/// The sessions of one kind of peer.
#[derive(Debug)]
pub(crate) struct Outboxes<T>(BTreeMap<SessionId, Link<T>>);

impl<T> Default for Outboxes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Outboxes<T> {
    /// Takes a new session in.
    pub(crate) fn open(&mut self, session: SessionId, link: Link<T>) {
        self.0.insert(session, link);
    }

    /// Who registered on it, as far as it said.
    pub(crate) fn peer(&self, session: SessionId) -> Option<&Peer> {
        self.0.get(&session)?.peer.as_ref()
    }

    /// Says something, without ever waiting.
    pub(crate) fn say(&mut self, session: SessionId, message: T) -> Delivery {
        let Some(link) = self.0.get(&session) else { return Delivery::NoSession };
        match link.outbox.try_send(Ok(message)) {
            Ok(()) => Delivery::Sent,
            Err(TrySendError::Closed(_)) => {
                self.close(session);
                Delivery::Disconnected
            }
            Err(TrySendError::Full(_)) => {
                tracing::warn!(%session, peer = ?link.peer, waiting = OUTBOX_CAPACITY, "receiver is too slow: disconnected");
                link.cut.cancel();
                self.close(session);
                Delivery::Disconnected
            }
        }
    }

    /// Ends a session once what was said on it has left. False if it was gone already.
    pub(crate) fn close(&mut self, session: SessionId) -> bool {
        self.0.remove(&session).is_some()
    }
}

/// All open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// Of workers.
    pub(crate) workers: Outboxes<MasterToWorker>,
    /// Of application clients.
    pub(crate) apps: Outboxes<MasterToApp>,
}

impl Sessions {
    /// Whether this session is open.
    pub(crate) fn is_open(&self, session: SessionId) -> bool {
        self.workers.0.contains_key(&session) || self.apps.0.contains_key(&session)
    }

    /// Ends a session of either kind once what was said on it has left. False if it was gone already.
    pub(crate) fn close(&mut self, session: SessionId) -> bool {
        self.workers.close(session) || self.apps.close(session)
    }

    /// Ends all of them: the term they belong to is over.
    pub(crate) fn close_all(&mut self) {
        self.workers.0.clear();
        self.apps.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session with an outbox of two, the token of its end, and that of its connection.
    fn link() -> (Link<u32>, mpsc::Receiver<Outgoing<u32>>, CancellationToken, CancellationToken) {
        let (outbox, receiver) = mpsc::channel(2);
        let (ended, cut) = (CancellationToken::new(), CancellationToken::new());
        let link = Link::new(outbox, ended.clone(), cut.clone(), None);
        (link, receiver, ended, cut)
    }

    #[test]
    fn a_full_outbox_cuts_the_connection_and_nobody_else() {
        let mut outboxes = Outboxes::default();
        let (slow, _slow_receiver, ended, cut) = link();
        let (quick, mut quick_receiver, _, _) = link();
        outboxes.open(SessionId(1), slow);
        outboxes.open(SessionId(2), quick);
        let said: Vec<Delivery> = (0..4).map(|n| outboxes.say(SessionId(1), n)).collect();
        assert_eq!(said, [Delivery::Sent, Delivery::Sent, Delivery::Disconnected, Delivery::NoSession]);
        assert!(ended.is_cancelled() && cut.is_cancelled());
        assert_eq!(outboxes.say(SessionId(2), 7), Delivery::Sent);
        assert_eq!(quick_receiver.try_recv().unwrap().unwrap(), 7);
    }

    #[test]
    fn what_was_said_before_a_close_still_leaves() {
        let mut outboxes = Outboxes::default();
        let (one, mut receiver, ended, cut) = link();
        outboxes.open(SessionId(1), one);
        assert_eq!(outboxes.say(SessionId(1), 7), Delivery::Sent);
        assert!(outboxes.close(SessionId(1)));
        assert!(!outboxes.close(SessionId(1)), "a session ends once");
        assert!(ended.is_cancelled() && !cut.is_cancelled());
        assert_eq!(receiver.try_recv().unwrap().unwrap(), 7);
        assert_eq!(receiver.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
    }
}
