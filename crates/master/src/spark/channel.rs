//! One connection that Spark's frames go over, in both directions.

use std::future::{pending, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt::{set_socket_linger, set_tcp_user_timeout};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, PollSemaphore};

use tanist_spark::auth::{self, Auth};
use tanist_spark::{Address, Envelope, Frame, java};
use tanist_web::port::ACKNOWLEDGED_WITHIN_MS;

use super::stream::Stream;
use crate::board::{Board, Leadership};

/// Longest frame that is taken. Spark takes two GiB, but nothing it says to a master has more than some ten KiB, and a
/// registration that cannot be stored is of no use.
const MAX_FRAME_BYTES: usize = 1 << 20;

/// Bytes read at a time.
const PIECE_BYTES: usize = 4 * 1024;

/// What a connection may hold of a frame that is not whole. More takes a place among the large ones.
const SMALL_BYTES: usize = 8 * 1024;

/// Frames above that which are received at a time, on all connections: others wait, for the moment that one takes. Thousands of
/// half frames would be thousands of MiB otherwise.
const LARGE_FRAMES: usize = 16;

/// A large frame must be whole within this time.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);

/// Whoever takes nothing for so long does not read any more.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// The endpoint of a master.
pub(super) const MASTER: &str = "Master";

/// The endpoint that tells which others there are.
pub(super) const VERIFIER: &str = "endpoint-verifier";

/// What was said last is read within this time, or not at all.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// While the term may not act, what is sent and not acknowledged within this time is given up by the kernel, in
/// milliseconds: it does not repeat it.
const NOT_REPEATED_MS: u32 = 1;

/// The endpoint of a driver that a master speaks to.
pub(super) const APP_CLIENT: &str = "AppClient";

/// The endpoint of a worker that a master speaks to.
pub(super) const WORKER: &str = "Worker";

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The connection itself.
    #[error("{0}")]
    Connection(#[from] io::Error),
    /// The other side takes nothing any more.
    #[error("nothing was taken within {} s", TAKEN_WITHIN.as_secs())]
    NotTaken,
    /// It was cut.
    #[error("cut from this side")]
    Cut,
    /// The term of this master may not act any more, and not all that was said in it has left.
    #[error("the term of this master may not act any more, and not all that was said in it has left")]
    Late,
    /// The other end is not who it should be.
    #[error("{0}")]
    Unknown(tanist_spark::Error),
    /// The other end has stopped in the middle of a large frame.
    #[error("a frame of more than {SMALL_BYTES} bytes was not whole within {} s", WHOLE_WITHIN.as_secs())]
    NotWhole,
    /// What came is not Spark's.
    #[error("{0}")]
    Protocol(tanist_spark::Error),
    /// This end has failed, and the other one has nothing to do with it.
    #[error("{0}")]
    Own(tanist_spark::Error),
}

/// Places for large frames, for all connections of a master.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_FRAMES)))
    }
}

/// The term that what is said on a connection belongs to.
#[derive(Debug)]
struct Bound {
    board: Arc<Board>,
    leadership: watch::Receiver<Leadership>,
}

/// Reads a piece; false = the other end has closed. The piece is there only while it is read: thousands of connections wait
/// for one.
fn receive(stream: &mut Stream, secured: &mut auth::Channel, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
    let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
    let mut piece = ReadBuf::uninit(&mut piece);
    ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
    secured.receive(piece.filled());
    Poll::Ready(Ok(!piece.filled().is_empty()))
}

/// The connection. Where programs of Spark authenticate (SE-01), nothing is heard before the other end is known, and what
/// is said before waits.
#[derive(Debug)]
pub(super) struct Channel {
    stream: Stream,
    /// What the bytes mean.
    secured: auth::Channel,
    /// What is not written yet.
    unsent: Vec<u8>,
    /// Keeps its turn for a place among the large ones, however often this side looks away.
    places: PollSemaphore,
    /// The place of a large frame, and when it must be whole.
    large: Option<(OwnedSemaphorePermit, Instant)>,
    /// Cuts it at once.
    pub(super) cut: CancellationToken,
    bound: Option<Bound>,
    /// The other end.
    pub(super) peer: SocketAddr,
    /// What this master is called by the other end.
    me: Address,
}

impl Channel {
    /// With somebody who has connected.
    pub(super) fn accepted(
        stream: Stream,
        peer: SocketAddr,
        me: Address,
        auth: Option<Arc<Auth>>,
        (places, cut): (Places, CancellationToken),
    ) -> Self {
        let (secured, places) = (auth::Channel::accepted(auth, MAX_FRAME_BYTES), PollSemaphore::new(places.0));
        Self { stream, secured, unsent: Vec::new(), places, large: None, cut, bound: None, peer, me }
    }

    /// With somebody who was called.
    pub(super) fn dialled(
        stream: Stream,
        peer: SocketAddr,
        me: Address,
        auth: Option<Arc<Auth>>,
        (places, cut): (Places, CancellationToken),
    ) -> Result<Self, Broken> {
        let secured = auth::Channel::dialled(auth, MAX_FRAME_BYTES).map_err(Broken::Own)?;
        let places = PollSemaphore::new(places.0);
        Ok(Self { stream, secured, unsent: Vec::new(), places, large: None, cut, bound: None, peer, me })
    }

    /// What this master is called by the other end.
    pub(super) fn me(&self) -> &Address {
        &self.me
    }

    /// From now on what is said belongs to a term: what has not arrived is lost with this end, and does not leave any more once
    /// this master may not act.
    pub(super) fn bind(&mut self, board: &Arc<Board>) -> Result<(), Broken> {
        if self.bound.is_none() {
            set_socket_linger(self.stream.tcp(), Some(Duration::ZERO)).map_err(io::Error::from)?;
            self.bound = Some(Bound { board: board.clone(), leadership: board.leadership() });
            self.heed()?;
        }
        Ok(())
    }

    /// What was sent and did not arrive is repeated only by a master that leads.
    fn heed(&mut self) -> io::Result<()> {
        let Some(Bound { leadership, .. }) = &mut self.bound else { return Ok(()) };
        let leads = leadership.borrow_and_update().role.leads();
        let patience = if leads { ACKNOWLEDGED_WITHIN_MS } else { NOT_REPEATED_MS };
        Ok(set_tcp_user_timeout(self.stream.tcp(), patience)?)
    }

    /// Nothing more is said, and the other end has a moment to read what was.
    pub(super) async fn goodbye(&mut self) {
        let Self { stream, cut, bound, .. } = self;
        let read = async {
            stream.shutdown().await?;
            while stream.read(&mut [0; 64]).await? > 0 {}
            io::Result::Ok(())
        };
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            () = late(bound.as_ref()) => {}
            // However it ends, it has.
            _ = timeout(READ_WITHIN, read) => {}
        }
    }

    /// Waits until the other end is known, which then has said nothing else: it was called. Safe to drop.
    pub(super) async fn until_known(&mut self) -> Result<(), Broken> {
        loop {
            self.ready().await?;
            if self.secured.is_open() {
                return Ok(());
            }
            if !self.read().await? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The next frame; `None` = the other end has closed. Safe to drop.
    pub(super) async fn next(&mut self) -> Result<Option<Frame<'static>>, Broken> {
        loop {
            if let Some(frame) = self.ready().await? {
                return Ok(Some(frame));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The next frame, if it was read already. Says what the handshake has to say.
    async fn ready(&mut self) -> Result<Option<Frame<'static>>, Broken> {
        self.flush().await?;
        let was_known = self.secured.is_open();
        match self.secured.frame() {
            Ok(Some(frame)) => {
                let frame = frame.into_owned();
                self.large = None;
                return Ok(Some(frame));
            }
            Ok(None) => self.flush().await?,
            Err(error @ tanist_spark::Error::Crypto { .. }) => return Err(Broken::Own(error)),
            Err(error) if was_known => return Err(Broken::Protocol(error)),
            Err(error) => {
                // The other end is told why, if it listens.
                drop(self.flush().await);
                return Err(Broken::Unknown(error));
            }
        }
        Ok(None)
    }

    /// Reads more; false = the other end has closed.
    async fn read(&mut self) -> Result<bool, Broken> {
        if self.large.is_none() && self.secured.held() > SMALL_BYTES {
            let place = poll_fn(|cx| self.places.poll_acquire(cx)).await;
            let place = place.ok_or_else(|| io::Error::other("there are no places for large frames any more"))?;
            self.large = Some((place, Instant::now() + WHOLE_WITHIN));
        }
        let until = self.large.as_ref().map(|(_, until)| *until);
        let Self { stream, secured, bound, .. } = self;
        let piece = poll_fn(|cx| receive(stream, secured, cx));
        let piece = async {
            match until {
                Some(until) => timeout_at(until, piece).await.map_err(|_| Broken::NotWhole)?,
                None => piece.await,
            }
            .map_err(Broken::Connection)
        };
        tokio::select! {
            biased;
            piece = piece => return piece,
            () = changed(bound.as_mut()) => {}
        }
        self.heed()?;
        Ok(true)
    }

    /// Tells something to the endpoint of a program.
    pub(super) async fn tell(&mut self, endpoint: &str, program: &Address, payload: &[u8]) -> Result<(), Broken> {
        let sender = Some(self.me.clone());
        let envelope = Envelope { sender, receiver: Some(program.clone()), endpoint: endpoint.to_owned(), payload };
        let body = envelope.seal().map_err(Broken::Own)?.into();
        self.send(&Frame::OneWay { body }).await
    }

    /// Asks something of an endpoint of whoever has connected, or was called.
    pub(super) async fn ask(&mut self, id: i64, endpoint: &str, payload: &[u8]) -> Result<(), Broken> {
        let sender = Some(self.me.clone());
        let envelope = Envelope { sender, receiver: None, endpoint: endpoint.to_owned(), payload };
        let body = envelope.seal().map_err(Broken::Own)?.into();
        self.send(&Frame::Request { id, body }).await
    }

    /// Answers a question.
    pub(super) async fn answer(&mut self, id: i64, body: Vec<u8>) -> Result<(), Broken> {
        self.send(&Frame::Response { id, body: body.into() }).await
    }

    /// Answers a question with yes or no.
    pub(super) async fn answer_yes(&mut self, id: i64, yes: bool) -> Result<(), Broken> {
        self.answer(id, java::boolean(yes)).await
    }

    /// Answers a question by why it has no answer.
    pub(super) async fn fail(&mut self, id: i64, text: &str) -> Result<(), Broken> {
        self.send(&Frame::Failure { id, text: text.into() }).await
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), Broken> {
        self.secured.send(frame).map_err(Broken::Own)?;
        self.flush().await
    }

    /// Writes what is there to be written. Safe to drop: what was not written is written the next time.
    async fn flush(&mut self) -> Result<(), Broken> {
        let Self { stream, secured, unsent, cut, bound, .. } = self;
        unsent.extend(secured.outgoing());
        let written = async {
            while !unsent.is_empty() {
                let taken = timeout(TAKEN_WITHIN, stream.write(unsent)).await.map_err(|_| Broken::NotTaken)??;
                if taken == 0 {
                    return Err(io::Error::from(io::ErrorKind::WriteZero).into());
                }
                unsent.drain(..taken);
            }
            timeout(TAKEN_WITHIN, stream.flush()).await.map_err(|_| Broken::NotTaken)??;
            Ok(())
        };
        tokio::select! {
            biased;
            written = written => written,
            // Not all of it is taken at once.
            () = cut.cancelled() => Err(Broken::Cut),
            () = late(bound.as_ref()) => Err(Broken::Late),
        }
    }
}

/// Waits until what is said is too late. Safe to drop.
async fn late(bound: Option<&Bound>) {
    match bound {
        Some(bound) => bound.board.until_it_may_not_act().await,
        None => pending().await,
    }
}

/// Waits until this master leads, or leads no more. Safe to drop.
async fn changed(bound: Option<&mut Bound>) {
    match bound {
        // The board is there as long as this is.
        Some(bound) => drop(bound.leadership.changed().await),
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rustix::net::sockopt::{set_socket_send_buffer_size, socket_linger, tcp_user_timeout};
    use tanist_core::model::MasterRole;
    use tanist_store::{Standing, clock};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// More than any connection takes by itself.
    const LARGE: usize = 32 << 20;

    /// A connection whose other end reads nothing.
    async fn unread() -> (Channel, TcpStream) {
        connected(Places::default()).await
    }

    async fn connected(places: Places) -> (Channel, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        set_socket_send_buffer_size(&stream, 4096).unwrap();
        let me = Address { host: "m1".to_owned(), port: 7077 };
        let places = (places, CancellationToken::new());
        (Channel::accepted(Stream::Plain(stream), peer, me, None, places), other)
    }

    /// The board of a master in this role, in a term that may act.
    fn board(role: MasterRole) -> (Arc<Board>, watch::Sender<Standing>) {
        let (board, standing) = (Board::new(), watch::Sender::new(Standing::Held { until: None }));
        board.pulse.tick(clock::mono());
        board.hold(Some(standing.subscribe()));
        board.show(Leadership { role, leader: None });
        (Arc::new(board), standing)
    }

    async fn told(channel: &mut Channel) -> Broken {
        let (program, payload) = (channel.me().clone(), vec![0; LARGE]);
        let told = channel.tell(WORKER, &program, &payload);
        timeout(Duration::from_secs(10), told).await.expect("it waits for a peer that does not read").unwrap_err()
    }

    #[tokio::test]
    async fn what_does_not_leave_at_once_does_not_leave_past_the_deadline() {
        let (mut channel, _other) = unread().await;
        let (board, standing) = board(MasterRole::Alive);
        channel.bind(&board).unwrap();
        standing.send_replace(Standing::Suspended);
        assert!(matches!(told(&mut channel).await, Broken::Late));
    }

    #[tokio::test]
    async fn it_is_cut_while_it_writes() {
        let (mut channel, _other) = unread().await;
        channel.cut.cancel();
        assert!(matches!(told(&mut channel).await, Broken::Cut));
    }

    #[tokio::test]
    async fn what_did_not_arrive_goes_with_the_connection_and_is_repeated_by_a_leader_alone() {
        let (mut channel, _other) = unread().await;
        let (board, _standing) = board(MasterRole::Alive);
        assert_eq!(socket_linger(channel.stream.tcp()).unwrap(), None);
        channel.bind(&board).unwrap();
        assert_eq!(socket_linger(channel.stream.tcp()).unwrap(), Some(Duration::ZERO));
        for (role, patience) in [(MasterRole::Suspended, NOT_REPEATED_MS), (MasterRole::Alive, 70_000)] {
            board.show(Leadership { role, leader: None });
            assert!(channel.next().now_or_never().is_none());
            assert_eq!(tcp_user_timeout(channel.stream.tcp()).unwrap(), patience, "{role:?}");
        }
    }

    /// The beginning of a large frame has come, and it waits for a place.
    async fn waits_for_a_place(channel: &mut Channel, other: &mut TcpStream) {
        let begun = [&(MAX_FRAME_BYTES as u64).to_be_bytes()[..], &[9], &vec![0; 2 * SMALL_BYTES]].concat();
        other.write_all(&begun).await.unwrap();
        let waits = async {
            while channel.secured.held() <= SMALL_BYTES {
                assert!(channel.next().now_or_never().is_none());
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), waits).await.unwrap();
        assert!(channel.next().now_or_never().is_none() && channel.large.is_none());
    }

    /// A conversation looks away from its connection whenever it has something to say.
    #[tokio::test]
    async fn who_waits_for_a_place_keeps_its_turn() {
        let places = Places::default();
        let all = u32::try_from(LARGE_FRAMES).unwrap();
        let mut taken = places.0.clone().acquire_many_owned(all).await.unwrap();
        let ((mut first, mut one), (mut second, mut other)) =
            (connected(places.clone()).await, connected(places).await);
        waits_for_a_place(&mut first, &mut one).await;
        waits_for_a_place(&mut second, &mut other).await;
        drop(taken.split(1));
        assert!(second.next().now_or_never().is_none() && second.large.is_none());
        assert!(first.next().now_or_never().is_none() && first.large.is_some());
    }
}
