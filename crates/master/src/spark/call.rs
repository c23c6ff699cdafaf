//! Calling a driver that is not heard: it never comes back by itself, but takes any master that makes itself known.
//!
//! A driver obeys whoever called it last. So it is told once on one connection, and waited for there: a driver that stands
//! still for a while must not find several calls, of which it may keep one that nobody listens to any more.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use tanist_core::ids::AppId;
use tanist_core::master::Peer;
use tanist_core::msg::RegisterApplication;
use tanist_spark::message::{self, Message};
use tanist_spark::{Address, Envelope, Error, Frame, ToDriver};
use tanist_store::Standing;

use super::builds::{Build, Source};
use super::channel::{APP_CLIENT, Broken, Channel};
use super::stream::Stream;
use super::{Driver, Face, Inner, questions};
use crate::dial::{ANSWER_DEADLINE, Answer, Reached, reach};
use crate::line;
use crate::peers::until_it_may_act;
use crate::port;

/// A driver that knows no id of its own is asked once more after this time: it may have the answer to its registration
/// still before it.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(1500);

/// A driver that was reached, and who is there, as far as programs of Spark prove it. It was told nothing yet.
pub(crate) struct Called {
    pub(super) driver: Driver,
    pub(super) channel: Channel,
    /// How its session begins.
    pub(super) registration: RegisterApplication,
    app: AppId,
}

/// Connects to the driver of an application.
pub(super) async fn connect(face: &Face, app: &AppId, registration: &RegisterApplication) -> Answer<Called> {
    let Some(client) = registration.endpoint.foreign() else {
        tracing::error!(%app, "an application that no driver of Spark has registered cannot be called");
        return Answer::None;
    };
    let whom = Peer::App(app.clone());
    let (channel, build) = match dial(face, &whom, (&client.address, APP_CLIENT), &client.registration).await {
        Answer::From(dialled) => dialled,
        Answer::Gone => return Answer::Gone,
        Answer::None => return Answer::None,
    };
    match Driver::of(&client.registration, &build) {
        Ok(driver) => Answer::From(Called { driver, channel, registration: registration.clone(), app: app.clone() }),
        Err(error) => unreadable(&whom, &error),
    }
}

/// The stored registration of somebody cannot be read.
pub(super) fn unreadable<T>(whom: &Peer, error: &Error) -> Answer<T> {
    tracing::error!(?whom, %error, "the stored registration of a program of Spark cannot be read");
    Answer::None
}

/// Connects to a program of Spark that has sent this payload, once; with what is known of its build. It is at this address, and
/// its endpoint is called so.
pub(super) async fn dial(
    face: &Face,
    whom: &Peer,
    (address, endpoint): (&str, &str),
    payload: &[u8],
) -> Answer<(Channel, Build)> {
    let Inner { me, options, large, builds, .. } = &*face.0;
    let source = match builds.of(payload).await {
        Ok(source) => source,
        Err(error) => return unreadable(whom, &error),
    };
    let (stream, peer) = match reach(|| line::open(address)).await {
        Reached::By(connected) => connected,
        Reached::Refused => return Answer::Gone,
        Reached::NoTelling => return Answer::None,
    };
    let known = timeout(ANSWER_DEADLINE, async {
        port::keep_alive(&stream)?;
        let stream = Stream::dialled(stream, options.tls.as_ref()).await?;
        let mut channel = Channel::dialled(stream, peer, me.clone(), options.auth.clone(), large.clone())?;
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

impl Called {
    /// Makes this master known as soon as its term may act, and hears whether this is the driver of the application: as
    /// long as the connection stands. Only what the other end says shows that it is gone.
    pub(super) async fn ask(mut self, ui_url: &str, standing: &mut watch::Receiver<Standing>) -> Answer<Self> {
        let peer = self.channel.peer;
        let mut was_asked = false;
        loop {
            until_it_may_act(standing).await;
            match self.hear(ui_url).await {
                Ok(Some(own)) if own == self.app.as_str() => return Answer::From(self),
                Ok(None) if !was_asked => sleep(ASKED_AGAIN_AFTER).await,
                Ok(own) => {
                    let app = self.app;
                    tracing::info!(%app, %peer, ?own, "another driver answers where one of an application was");
                    return Answer::Gone;
                }
                Err(Broken::Protocol(error)) => {
                    tracing::info!(app = %self.app, %peer, %error, "something else answers where a driver was");
                    return Answer::Gone;
                }
                Err(error) => {
                    tracing::debug!(app = %self.app, %peer, %error, "a driver did not answer");
                    return Answer::None;
                }
            }
            was_asked = true;
        }
    }

    /// Tells it once, and waits for the id of its application.
    async fn hear(&mut self, ui_url: &str) -> Result<Option<String>, Broken> {
        let Self { driver, channel, .. } = self;
        let me = channel.me().clone();
        let payload = driver.dialect.write(&ToDriver::MasterChanged { master: &me, ui_url });
        let acknowledged = |message| match message {
            Message::MasterChangeAcknowledged { app } => Some(app),
            _ => None,
        };
        told(channel, (APP_CLIENT, &driver.address), &payload, acknowledged).await
    }
}

/// Makes this master known to an endpoint of a program, once, and waits for what it says then.
pub(super) async fn told<T>(
    channel: &mut Channel,
    (endpoint, program): (&str, &Address),
    payload: &[u8],
    wanted: impl Fn(Message) -> Option<T>,
) -> Result<T, Broken> {
    // Should this master be overtaken meanwhile, what it has said and nobody has read yet is to go with the connection.
    channel.forget_what_is_unread(true)?;
    channel.tell(endpoint, program, payload).await?;
    loop {
        let Some(frame) = channel.next().await? else {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        let Frame::OneWay { body } = frame else { continue };
        let envelope = Envelope::open(&body).map_err(Broken::Protocol)?;
        if let Some(said) = wanted(message::read(envelope.payload).map_err(Broken::Protocol)?) {
            channel.forget_what_is_unread(false)?;
            return Ok(said);
        }
    }
}
