//! A socket that looks after its peer: one that stops reading is cut, one that still sends when the connection is closed
//! is heard out for a moment, so that a reset does not take the answer away from it.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a peer that still sends is heard out after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// The socket.
pub(crate) struct Stream {
    inner: TcpStream,
    stall_timeout: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    closing: Closing,
}

enum Closing {
    No,
    Lingering(Pin<Box<Sleep>>),
}

impl Stream {
    pub(crate) fn new(inner: TcpStream, stall_timeout: Duration) -> Self {
        Self { inner, stall_timeout, stalled: None, closing: Closing::No }
    }

    /// Passes a finished write on, and lets a waiting one wait for so long only.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.stall_timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the peer does not read its answer")))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.closing {
                Closing::No => {
                    ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
                    this.closing = Closing::Lingering(Box::pin(sleep(LINGER)));
                }
                Closing::Lingering(deadline) => return hear_out(&mut this.inner, deadline, cx),
            }
        }
    }
}

/// Reads what the peer still sends, to its end, but only as long as it sends.
fn hear_out(peer: &mut TcpStream, deadline: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut heard = [0; 8 << 10];
    let mut any = false;
    loop {
        let mut buf = ReadBuf::new(&mut heard);
        match Pin::new(&mut *peer).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => any = true,
            Poll::Pending if any => break,
            Poll::Ready(_) | Poll::Pending => return Poll::Ready(Ok(())),
        }
    }
    deadline.as_mut().poll(cx).map(Ok)
}
