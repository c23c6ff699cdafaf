//! The port of a master or a worker, which speaks two languages: gRPC, and Spark's own protocol, in TLS or not. The first
//! bytes tell which.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Pause after a connection that could not be accepted: the cause (mostly too many open files) lasts longer than that.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection must begin to speak within this time, or it only takes a file descriptor away from others.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(10);

/// A silent connection is asked this often whether it still stands, by the kernel.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// Unanswered questions after which the kernel gives a connection up.
const KEEPALIVE_PROBES: u32 = 6;

/// What was sent and is not acknowledged within this time has the kernel give a connection up, in milliseconds.
pub const ACKNOWLEDGED_WITHIN_MS: u32 = 70_000;

/// Accepted connections that wait to be served.
const ACCEPTED_AHEAD: usize = 16;

/// What gRPC begins with.
const FIRST_OF_GRPC: &[u8] = b"PRI * HTTP/2.0";

/// The first byte of every frame of Spark's that anybody takes: lengths have eight bytes and are small.
const FIRST_OF_SPARK: u8 = 0;

/// The first byte of a client that wants TLS.
const FIRST_OF_TLS: u8 = 0x16;

/// How programs of Spark are served on a port.
#[derive(Debug, Clone)]
pub struct Programs<S> {
    /// Whether they speak TLS there.
    pub tls: bool,
    /// Serves one until it ends. What it says first must have come by that time.
    pub serve: S,
}

/// The gRPC connections of a listener, each sending at once what it is given; those of Spark's programs are served by the
/// task beside them, which ends with the last of them, once no others are taken in. `cut` ends that task, and all that it
/// serves, at once. What goes wrong with one, or for want of file descriptors, is logged and never ends the stream.
pub fn incoming<S, F>(
    listener: TcpListener,
    programs: Programs<S>,
    cut: CancellationToken,
) -> (impl Stream<Item = Result<TcpStream, Infallible>>, AbortOnDropHandle<()>)
where
    S: FnOnce(TcpStream, SocketAddr, Instant) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (accepted, mut connections) = mpsc::channel(ACCEPTED_AHEAD);
    let serving = tokio::spawn(async move {
        let mut others = JoinSet::new();
        loop {
            let connection = tokio::select! {
                biased;
                // The server takes nobody in any more.
                () = accepted.closed() => break,
                () = cut.cancelled() => return,
                Some(_) = others.join_next() => continue,
                connection = listener.accept() => connection,
            };
            match connection {
                Ok((stream, peer)) => {
                    others.spawn(serve(stream, peer, accepted.clone(), programs.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        // What was said last still leaves.
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            () = async { while others.join_next().await.is_some() {} } => {}
        }
    });
    (stream::poll_fn(move |cx| connections.poll_recv(cx)).map(Ok), AbortOnDropHandle::new(serving))
}

/// Hands a connection to whoever understands it.
async fn serve<S, F>(stream: TcpStream, peer: SocketAddr, grpc: mpsc::Sender<TcpStream>, programs: Programs<S>)
where
    S: FnOnce(TcpStream, SocketAddr, Instant) -> F,
    F: Future<Output = ()>,
{
    let deadline = Instant::now() + FIRST_BYTE_WITHIN;
    if let Err(error) = stream.set_nodelay(true).and_then(|()| keep_alive(&stream)) {
        return tracing::debug!(%peer, %error, "connection ended before it began");
    }
    let mut first = [0; FIRST_OF_GRPC.len()];
    let first = match timeout_at(deadline, stream.peek(&mut first)).await {
        Ok(Ok(count @ 1..)) => first.get(..count).unwrap_or_default(),
        Ok(_) => return tracing::debug!(%peer, "connection ended before it began"),
        Err(_) => return tracing::debug!(%peer, "connection closed that said nothing"),
    };
    match (first, programs.tls) {
        // Refused only while the server ends.
        (first, _) if FIRST_OF_GRPC.starts_with(first) => drop(grpc.send(stream).await),
        ([FIRST_OF_SPARK, ..], false) | ([FIRST_OF_TLS, ..], true) => {
            // What such a conversation needs, a connection that has said nothing does not have.
            Box::pin((programs.serve)(stream, peer, deadline)).await;
        }
        ([FIRST_OF_SPARK, ..], true) => {
            tracing::warn!(%peer, "a program of Spark without TLS, although auth.tls_cert is set: connection closed");
        }
        ([FIRST_OF_TLS, ..], false) => {
            tracing::warn!(%peer, "TLS is spoken by programs of Spark only where auth.tls_cert is set: connection closed");
        }
        (first, _) => {
            tracing::warn!(%peer, first = %first.escape_ascii(), "neither gRPC nor Spark's protocol: connection closed");
        }
    }
}

/// Has the kernel ask a silent connection whether it still stands: programs of Spark say nothing for hours. It does not ask
/// while something it has sent is not acknowledged, and has another time-out for that.
///
/// # Errors
/// If the kernel refuses.
pub fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    set_socket_keepalive(stream, true)?;
    set_tcp_keepidle(stream, KEEPALIVE_EVERY)?;
    set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
    set_tcp_user_timeout(stream, ACKNOWLEDGED_WITHIN_MS)?;
    Ok(set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?)
}
