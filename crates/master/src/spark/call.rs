//! Calling a program of Spark that is not heard, whichever it is.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

use tanist_core::master::Peer;
use tanist_spark::message::{self, Message};
use tanist_spark::{Address, Envelope, Error, Frame};
use tanist_web::port::keep_alive;

use super::builds::{Build, Source};
use super::channel::{Broken, Channel};
use super::stream::Stream;
use super::{Face, Inner, questions};
use crate::connect;
use crate::dial::{ANSWER_DEADLINE, Answer, Reached, reach};

/// Who was called is told once more who leads, after this time: a program obeys whoever called it last, and that may have
/// been a master that was stopped half-way.
pub(super) const REMINDED_AFTER: Duration = Duration::from_secs(3);

/// Connects to a program of Spark that has sent this payload, once; with what is known of its build. It is at this address, and
/// its endpoint is called so.
pub(super) async fn dial(
    face: &Face,
    whom: &Peer,
    (address, endpoint): (&str, &str),
    payload: &[u8],
) -> Answer<(Channel, Build)> {
    let Inner { me, options, large, builds, cut, .. } = &*face.0;
    let source = match builds.of(payload).await {
        Ok(source) => source,
        Err(error) => return unreadable(whom, &error),
    };
    let (stream, peer) = match reach(|| connect::open(address)).await {
        Reached::By(connected) => connected,
        Reached::Refused => return Answer::Gone,
        Reached::NoTelling => return Answer::None,
    };
    let known = timeout(ANSWER_DEADLINE, async {
        keep_alive(&stream)?;
        let stream = Stream::dialled(stream, options.tls.as_ref()).await?;
        let mut channel =
            Channel::dialled(stream, peer, me.clone(), options.auth.clone(), (large.clone(), cut.child_token()))?;
        channel.until_known().await?;
        let build = match source {
            Source::Known(build) => build,
            Source::Program(classes) => questions::learn(&mut channel, endpoint, classes).await?,
        };
        Ok((channel, build))
    });
    match known.await {
        Ok(Ok(dialled)) => return Answer::From(dialled),
        Ok(Err(Broken::Unknown(error))) => {
            tracing::warn!(?whom, %peer, %error, "a program of Spark that is called and this master do not know each other");
        }
        Ok(Err(Broken::Protocol(error))) => {
            tracing::info!(?whom, %peer, %error, "something else answers where a program of Spark was");
            return Answer::Gone;
        }
        Ok(Err(error)) => tracing::debug!(?whom, %peer, %error, "a program of Spark took no call"),
        Err(_) => tracing::debug!(?whom, %peer, "a program of Spark took no call in time"),
    }
    Answer::None
}

/// The stored registration of somebody cannot be read.
pub(super) fn unreadable<T>(whom: &Peer, error: &Error) -> Answer<T> {
    tracing::error!(?whom, %error, "the stored registration of a program of Spark cannot be read");
    Answer::None
}

/// Makes this master known to an endpoint of a program, once, and waits for what it says then.
pub(super) async fn told<T>(
    face: &Face,
    channel: &mut Channel,
    (endpoint, program): (&str, &Address),
    payload: &[u8],
    wanted: impl Fn(Message) -> Option<T>,
) -> Result<T, Broken> {
    channel.bind(face.board())?;
    channel.tell(endpoint, program, payload).await?;
    loop {
        let Some(frame) = channel.next().await? else {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        let Frame::OneWay { body } = frame else { continue };
        let envelope = Envelope::open(&body).map_err(Broken::Protocol)?;
        if let Some(said) = wanted(message::read(envelope.payload).map_err(Broken::Protocol)?) {
            return Ok(said);
        }
    }
}
