//! A socket that looks after its peer: one that stops reading is cut, one that still sends when the connection is closed
//! is heard out for a moment, so that a reset does not take the answer away from it.

use std::io::{self, ErrorKind, IoSlice};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How long a peer that still sends is heard out after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// The socket.
pub(crate) struct Stream {
    inner: TcpStream,
    patience: Patience,
    closing: Closing,
}

/// How long a peer may take to read: a while in which it takes nothing, and the time that what it takes needs at the least
/// rate. Who takes a byte now and then gains next to nothing.
struct Patience {
    stall_timeout: Duration,
    least_rate: NonZeroU32,
    /// Runs while something is left to write.
    left: Option<Pin<Box<Sleep>>>,
}

enum Closing {
    No,
    Lingering(Pin<Box<Sleep>>),
}

impl Stream {
    pub(crate) fn new(inner: TcpStream, stall_timeout: Duration, least_rate: NonZeroU32) -> Self {
        Self { inner, patience: Patience::new(stall_timeout, least_rate), closing: Closing::No }
    }
}

impl Patience {
    fn new(stall_timeout: Duration, least_rate: NonZeroU32) -> Self {
        Self { stall_timeout, least_rate, left: None }
    }

    /// Passes a finished write of so many bytes on, and lets a waiting one wait for so long only.
    fn after(
        &mut self,
        cx: &mut Context<'_>,
        bytes: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(taken)) if *taken < bytes => {
                let Some(left) = &mut self.left else { return written };
                let taken = u32::try_from(*taken).unwrap_or(u32::MAX);
                let earned = Duration::from_secs(taken.into()) / self.least_rate.get();
                let until = (left.deadline() + earned).min(Instant::now() + self.stall_timeout);
                left.as_mut().reset(until);
            }
            Poll::Ready(_) => self.left = None,
            Poll::Pending => {
                let left = self.left.get_or_insert_with(|| Box::pin(sleep(self.stall_timeout)));
                ready!(left.as_mut().poll(cx));
                return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the peer does not read its answer")));
            }
        }
        written
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
        self.patience.after(cx, buf.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.patience.after(cx, bufs.iter().map(|buf| buf.len()).sum(), written)
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const STALL: Duration = Duration::from_millis(200);
    const STEP: Duration = Duration::from_millis(20);

    /// How long a peer is waited for that takes so many of a thousand bytes in each [`STEP`], at most for ten times
    /// [`STALL`].
    async fn kept(bytes_in_a_step: usize) -> Duration {
        let mut patience = Patience::new(STALL, NonZeroU32::new(1000).unwrap());
        let mut cx = Context::from_waker(Waker::noop());
        let begun = Instant::now();
        while begun.elapsed() < 10 * STALL && patience.after(&mut cx, 1000, Poll::Pending).is_pending() {
            tokio::time::sleep(STEP).await;
            assert!(patience.after(&mut cx, 1000, Poll::Ready(Ok(bytes_in_a_step))).is_ready());
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_less_than_the_least_rate_is_not_waited_for_longer_than_one_that_takes_nothing() {
        let dribbling = kept(1).await;
        assert!((STALL..2 * STALL).contains(&dribbling), "{dribbling:?}");
        let fast = kept(999).await;
        assert!(fast >= 10 * STALL, "{fast:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_was_read_in_full_says_nothing_of_the_next() {
        let mut patience = Patience::new(STALL, NonZeroU32::MIN);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(patience.after(&mut cx, 10, Poll::Pending).is_pending());
            tokio::time::sleep(STALL * 2 / 3).await;
            assert!(matches!(patience.after(&mut cx, 10, Poll::Ready(Ok(10))), Poll::Ready(Ok(10))));
        }
    }
}
