//! Spark's drivers and executors that watch this worker (DW-05): they connect to its port, ask whether there is an
//! endpoint `Worker`, and end when the connection does. Where programs of Spark authenticate, these do so first (SE-01).

use std::net::SocketAddr;
use std::sync::Arc;

use tanist_spark::auth::{Auth, Channel};
use tanist_spark::{Frame, verifier};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

/// What a worker is called among Spark's endpoints; stands in `{{WORKER_URL}}`.
pub(crate) const ENDPOINT: &str = "Worker";

/// Most programs of Spark that watch at a time: above what runs on one host. gRPC does not count.
const MAX_WATCHERS: usize = 4096;

/// Most programs of Spark at a time that have yet to prove who they are, and to ask.
const MAX_STRANGERS: usize = 1024;

/// Longest frame that is taken. The question has about two hundred bytes.
const MAX_FRAME_BYTES: usize = 8 * 1024;

/// Bytes read at a time.
const PIECE_BYTES: usize = 1024;

/// Longest reason of a refusal that is logged, in characters: it names what a stranger asked for.
const MAX_REASON: usize = 200;

/// One program that watches.
struct Watcher {
    peer: SocketAddr,
    channel: Channel,
    has_asked: bool,
    was_refused: bool,
}

/// How programs of Spark are let in.
#[derive(Clone)]
pub(crate) struct Door {
    /// What they must know; `None` = nothing.
    pub(crate) auth: Option<Arc<Auth>>,
    /// How they speak TLS; `None` = they do not.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Places for programs of Spark. Those who have yet to prove who they are, and to ask, have their own, so that they take none
/// from those who watch.
#[derive(Debug)]
pub(crate) struct Places {
    strangers: Semaphore,
    watchers: Semaphore,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self { strangers: Semaphore::new(MAX_STRANGERS), watchers: Semaphore::new(MAX_WATCHERS) }
    }
}

/// Lets one program in, and serves it. It has until `deadline` to ask.
pub(crate) async fn let_in(stream: TcpStream, peer: SocketAddr, deadline: Instant, door: Door, places: &Places) {
    let Door { auth, tls } = door;
    let Ok(place) = places.strangers.try_acquire() else {
        return tracing::warn!(%peer, limit = MAX_STRANGERS, "too many programs of Spark come at a time: closed");
    };
    let place = Place { place, watchers: &places.watchers };
    let Some(tls) = tls else { return serve(stream, peer, deadline, auth, place).await };
    match timeout_at(deadline, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, peer, deadline, auth, place).await,
        Ok(Err(error)) => tracing::warn!(%peer, %error, "no TLS with a program of Spark: connection closed"),
        Err(_) => tracing::debug!(%peer, "connection closed that did not agree on TLS"),
    }
}

/// Answers one program until it leaves, breaks the protocol, or this worker ends. It has until `deadline` to ask.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    peer: SocketAddr,
    deadline: Instant,
    auth: Option<Arc<Auth>>,
    mut place: Place<'_>,
) {
    let channel = Channel::accepted(auth, MAX_FRAME_BYTES);
    let mut watcher = Watcher { peer, channel, has_asked: false, was_refused: false };
    let mut piece = [0; PIECE_BYTES];
    let mut watches = false;
    loop {
        if watcher.has_asked && !std::mem::replace(&mut watches, true) && !place.change() {
            return tracing::warn!(%peer, limit = MAX_WATCHERS, "too many programs of Spark watch: closed");
        }
        let reading = stream.read(&mut piece);
        let read = if watcher.has_asked { Ok(reading.await) } else { timeout_at(deadline, reading).await };
        match read {
            Err(_) => return tracing::debug!(%peer, "connection closed that asked nothing"),
            Ok(Ok(0)) => return tracing::debug!(%peer, "watched no more"),
            Ok(Ok(count)) => watcher.channel.receive(piece.get(..count).unwrap_or_default()),
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "watched no more"),
        }
        let was_known = watcher.channel.is_open();
        let answered = watcher.answer();
        // After an error too: the program is told why.
        let written = stream.write_all(&watcher.channel.outgoing()).await;
        match (answered, written) {
            (Ok(()), Ok(())) => {}
            (Ok(()), Err(error)) => return tracing::debug!(%peer, %error, "watched no more"),
            (Err(error), _) if was_known => {
                return tracing::warn!(%peer, error = shortened(&error), "not Spark's protocol: connection closed");
            }
            (Err(error), _) => {
                return tracing::warn!(%peer, error = shortened(&error), "program of Spark not let in: connection closed");
            }
        }
    }
}

/// One place, of either kind.
struct Place<'a> {
    place: SemaphorePermit<'a>,
    watchers: &'a Semaphore,
}

impl Place<'_> {
    /// A stranger becomes a watcher; false = there is no place for it.
    fn change(&mut self) -> bool {
        self.watchers.try_acquire().map(|place| self.place = place).is_ok()
    }
}

impl Watcher {
    /// Answers all frames that are there.
    fn answer(&mut self) -> Result<(), tanist_spark::Error> {
        while let Some(frame) = self.channel.frame()? {
            let Some(answer) = verifier::answer(&frame, &[ENDPOINT]) else { continue };
            self.channel.send(&answer)?;
            match answer {
                Frame::Failure { text, .. } => self.refused(&text),
                _ if !std::mem::replace(&mut self.has_asked, true) => {
                    tracing::debug!(peer = %self.peer, "a program of Spark watches this worker");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn refused(&mut self, why: &str) {
        let (peer, why) = (self.peer, shortened(&why));
        // Once: whoever repeats it must not fill the log.
        if std::mem::replace(&mut self.was_refused, true) {
            tracing::debug!(%peer, why, "request of a program of Spark refused");
        } else {
            tracing::warn!(%peer, why, "request of a program of Spark refused");
        }
    }
}

fn shortened(reason: &impl ToString) -> String {
    reason.to_string().chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    /// A driver of Spark 4.1.4 that asks for an endpoint.
    const QUESTION: &str =
        include_str!("../../spark/tests/fixtures/4.1.4/01-client-driver-to-master-RpcRequest-CheckExistence.hex");

    const PATIENCE: Duration = Duration::from_secs(30);

    const OPEN: Door = Door { auth: None, tls: None };

    async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        (client, server, peer)
    }

    #[tokio::test]
    async fn dw_05_only_who_asks_may_stay() {
        let (mut stranger, server, peer) = pair().await;
        stranger.write_all(&[0]).await.unwrap();
        let places = Places::new();
        let deadline = Instant::now() + Duration::from_millis(20);
        timeout(PATIENCE, let_in(server, peer, deadline, OPEN, &places)).await.unwrap();

        let lines = QUESTION.lines().filter(|line| !line.starts_with('#'));
        let digits: Vec<char> = lines.flat_map(str::chars).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        let question: Vec<u8> = digits.chunks(2).map(byte).collect();
        let (mut watcher, server, peer) = pair().await;
        watcher.write_all(&question).await.unwrap();
        server.readable().await.unwrap();
        let mut serving = tokio::spawn(async move {
            let places = Places { strangers: Semaphore::new(1), watchers: Semaphore::new(1) };
            let_in(server, peer, Instant::now(), OPEN, &places).await;
        });
        for _ in 0..2 {
            timeout(PATIENCE, watcher.read_exact(&mut [0; 68])).await.unwrap().unwrap();
            assert!(timeout(Duration::from_millis(50), &mut serving).await.is_err(), "it stays past the deadline");
            watcher.write_all(&question).await.unwrap();
        }
        drop(watcher);
        timeout(PATIENCE, serving).await.unwrap().unwrap();

        // Strangers take no place of those who have asked, and there are only so many of those.
        let places = Places { strangers: Semaphore::new(1), watchers: Semaphore::new(0) };
        let (mut late, server, peer) = pair().await;
        late.write_all(&question).await.unwrap();
        timeout(PATIENCE, let_in(server, peer, Instant::now() + PATIENCE, OPEN, &places)).await.unwrap();
        assert_eq!(places.strangers.available_permits(), 1);
    }
}
