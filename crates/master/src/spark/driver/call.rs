//! Calling a driver that is not heard: it never comes back by itself, but takes any master that makes itself known.
//!
//! A driver obeys whoever called it last. So it is told once on one connection, and waited for there: a driver that stands
//! still for a while must not find several calls, of which it may keep one that nobody listens to any more.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use tanist_core::ids::AppId;
use tanist_core::master::Peer;
use tanist_core::msg::RegisterApplication;
use tanist_spark::ToDriver;
use tanist_spark::message::Message;
use tanist_store::Standing;

use super::describe::Driver;
use crate::dial::Answer;
use crate::peers::until_it_may_act;
use crate::spark::Face;
use crate::spark::call::{dial, told, unreadable};
use crate::spark::channel::{APP_CLIENT, Broken, Channel};

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
pub(in crate::spark) async fn reach(face: &Face, app: &AppId, registration: &RegisterApplication) -> Answer<Called> {
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

impl Called {
    /// Makes this master known as soon as its term may act, and hears whether this is the driver of the application: as
    /// long as the connection stands. Only what the other end says shows that it is gone.
    pub(in crate::spark) async fn ask(
        mut self,
        face: &Face,
        ui_url: &str,
        standing: &mut watch::Receiver<Standing>,
    ) -> Answer<Self> {
        let peer = self.channel.peer;
        let mut was_asked = false;
        loop {
            until_it_may_act(standing).await;
            match self.hear(face, ui_url).await {
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
    async fn hear(&mut self, face: &Face, ui_url: &str) -> Result<Option<String>, Broken> {
        let Self { driver, channel, .. } = self;
        let me = channel.me().clone();
        let payload = driver.dialect.write(&ToDriver::MasterChanged { master: &me, ui_url });
        let acknowledged = |message| match message {
            Message::MasterChangeAcknowledged { app } => Some(app),
            _ => None,
        };
        told(face, channel, (APP_CLIENT, &driver.address), &payload, acknowledged).await
    }
}
