//! A TCP connection that can be cut from above. Ending a gRPC stream needs the peer's cooperation, for it must read what
//! was sent before; a peer that does not read is got rid of only with its connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// A connection must say hello within this time, or it only takes a file descriptor away from others.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// Length of HTTP/2's hello, in bytes.
const HELLO_BYTES: usize = 24;

/// What a request knows of the connection it came by.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionInfo {
    /// Cuts the connection at once.
    pub(crate) cut: CancellationToken,
    /// The other end.
    pub(crate) remote: Option<SocketAddr>,
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    info: ConnectionInfo,
    was_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until the peer has said hello.
    silence: Option<Silence>,
}

/// A peer that has not said hello yet.
#[derive(Debug)]
struct Silence {
    until: Pin<Box<Sleep>>,
    missing: usize,
}

impl Silence {
    fn new(patience: Duration) -> Self {
        Self { until: Box::pin(sleep(patience)), missing: HELLO_BYTES }
    }
}

impl Connection {
    /// One that `cut` ends at once.
    pub(crate) fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        Self::with_patience(stream, cut, HELLO_WITHIN)
    }

    fn with_patience(stream: TcpStream, cut: CancellationToken, patience: Duration) -> Self {
        let info = ConnectionInfo { cut, remote: stream.peer_addr().ok() };
        let was_cut = Box::pin(info.cut.clone().cancelled_owned());
        Self { stream, info, was_cut, silence: Some(Silence::new(patience)) }
    }

    /// Fails once the peer has been silent for too long at the beginning.
    fn check_hello(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(silence) = &mut self.silence else { return Ok(()) };
        match silence.until.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "no hello in time")),
            Poll::Pending => Ok(()),
        }
    }

    fn heard(&mut self, bytes: usize) {
        self.silence.take_if(|silence| {
            silence.missing = silence.missing.saturating_sub(bytes);
            silence.missing == 0
        });
    }

    /// Fails once the connection is cut, and wakes its task then.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.was_cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut from this side")),
            Poll::Pending => Ok(()),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectionInfo;

    fn connect_info(&self) -> ConnectionInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        self.check_hello(context)?;
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.heard(into.filled().len() - before);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair(patience: Duration) -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (peer, Connection::with_patience(stream, CancellationToken::new(), patience))
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let (mut peer, mut connection) = pair(Duration::from_millis(50)).await;
        let mut hello = [0; HELLO_BYTES];
        peer.write_all(b"PRI").await.unwrap();
        let error = connection.read_exact(&mut hello).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_has_said_hello_may_be_silent() {
        let (mut peer, mut connection) = pair(Duration::from_secs(60)).await;
        peer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut hello = [0; HELLO_BYTES];
        connection.read_exact(&mut hello).await.unwrap();
        assert!(connection.silence.is_none());
    }
}
